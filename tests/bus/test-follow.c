// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-follow.c - rdmaregctl history --follow: what there is, then each event as it happens, once,
 * also of the daemon that comes after this one; of one region alone, as JSON, each line an object.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

static struct world world;

/* One that runs; what it says is in a file of the world. */
struct follow {
	char path[128];
	pid_t pid;
};

static void begin(struct follow *f, const char *name, const char *const arguments[])
{
	int fd;

	snprintf(f->path, sizeof(f->path), "%s/%s", world.directory, name);
	fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	f->pid = fork();
	check(fd >= 0 && f->pid >= 0);
	if (f->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fd, STDOUT_FILENO);
		dup2(fd, STDERR_FILENO);
		setenv("RDMAREG_BUS_ADDRESS", world.address, 1);
		execv(getenv("RDMAREGCTL"), (char *const *)arguments);
		_exit(127);
	}
	close(fd);
}

static void end(struct follow *f)
{
	int status;

	check(kill(f->pid, SIGTERM) == 0 && waitpid(f->pid, &status, 0) == f->pid);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* How many lines have both in them. */
static size_t count(const struct follow *f, const char *one, const char *other)
{
	char line[4096];
	size_t n = 0;
	FILE *in = fopen(f->path, "re");

	check(in);
	while (fgets(line, sizeof(line), in))
		n += strstr(line, one) && strstr(line, other);
	fclose(in);
	return n;
}

int main(void)
{
	static const char *const all[] = { "rdmaregctl", "history", "--follow", NULL };
	char id[24], region_is[48], id_is[48], other_is[48];
	const char *one[] = { "rdmaregctl", "--json", "history", id, "--follow", NULL };
	struct follow lines, objects;
	struct reply region, other, r;
	sd_bus *b;
	int fd;

	world_begin(&world, "");
	b = connect_client(&world);
	fd = make_memfd(8192);
	check(register_region(b, fd, 0, 0, "rw", &region, 1, "detached", "b", 1));
	snprintf(id, sizeof(id), "%" PRIu64, region.id);
	snprintf(region_is, sizeof(region_is), " region %s ", id);
	snprintf(id_is, sizeof(id_is), "\"region\":%s,", id);
	begin(&lines, "lines", all);
	begin(&objects, "objects", one);
	until(count(&lines, region_is, " registered: ") == 1);
	until(count(&objects, id_is, "\"registered\"") == 1);
	check(register_region(b, fd, 0, 4096, "rw", &other, 0));
	check(call_region(b, other.id, "Release", &r));
	check(export_region(b, region.id, &r, 0));
	until(count(&lines, region_is, " exported") == 1);
	until(count(&objects, id_is, "\"exported\"") == 1);
	world_end_daemon(&world, SIGTERM);
	world_start_daemon(&world);
	until(count(&lines, region_is, " adopted: ") == 1);
	until(count(&objects, id_is, "\"adopted\"") == 1);
	check(call_region(b, region.id, "Release", &r));
	until(count(&lines, region_is, " removed: released") == 1);
	until(count(&objects, id_is, "\"removed\"") == 1);
	/* nothing twice, nothing left out */
	check(count(&lines, "rdmaregd has ended, and its history with it", "") == 1);
	check(count(&lines, region_is, " registered: ") == 1);
	snprintf(other_is, sizeof(other_is), " region %" PRIu64 " ", other.id);
	check(count(&lines, other_is, " registered: ") == 1);
	check(count(&lines, other_is, " removed: released") == 1);
	check(count(&objects, "{", "") == count(&objects, id_is, ""));
	end(&lines);
	end(&objects);
	close(fd);
	disconnect(b);
	world_end(&world);
	return 0;
}
