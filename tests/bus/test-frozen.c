// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-frozen.c - a holder whose cgroup is frozen, as that of a suspended job, is asked and not
 * waited for; one that merely does not answer has its grace.
 *
 * Takes root and a kernel with cgroups of version 2, else this is skipped.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define LONG UINT64_C(10000000)

static struct world world;
static sd_bus *admin;
static char cgroup[128];

static bool write_to(const char *file, const char *text)
{
	char path[200];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	f = fopen(path, "we");
	ok = f && fputs(text, f) >= 0;
	return f && fclose(f) == 0 && ok;
}

static bool is_frozen(bool wanted)
{
	char path[200], line[64];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.events", cgroup);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		found = found || !strcmp(line, wanted ? "frozen 1\n" : "frozen 0\n");
	if (f)
		fclose(f);
	return found;
}

static bool make_cgroup(void)
{
	static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };

	for (size_t i = 0; i < 2; i++) {
		char path[64];

		snprintf(path, sizeof(path), "%s/cgroup.procs", roots[i]);
		snprintf(cgroup, sizeof(cgroup), "%s/rdmareg-test-%d", roots[i], getpid());
		if (access(path, F_OK) == 0 && mkdir(cgroup, 0755) == 0) {
			if (is_frozen(false))
				return true;
			rmdir(cgroup);
		}
	}
	return false;
}

/* A process that registers a region, and then does nothing any more. */
static pid_t begin_holder(uint64_t *ret_id)
{
	int ends[2];
	pid_t pid;

	check(pipe2(ends, O_CLOEXEC) == 0);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		sd_bus *b = connect_client(&world);
		int fd = make_memfd(8192);
		struct reply r;

		check(register_region(b, fd, 0, 0, "rw", &r, 2, "detached", "b", 1, "grace_usec",
				      "t", LONG));
		check(write(ends[1], &r.id, sizeof(r.id)) == sizeof(r.id));
		for (;;)
			pause();
	}
	close(ends[1]);
	check(read(ends[0], ret_id, sizeof(*ret_id)) == sizeof(*ret_id));
	close(ends[0]);
	return pid;
}

static void end_holder(pid_t pid)
{
	check(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

int main(void)
{
	struct later frozen, silent;
	struct reply r;
	uint64_t id[2];
	pid_t holder[2];
	char text[100];

	if (geteuid() != 0 || !make_cgroup())
		return SKIP;
	world_begin(&world, "");
	admin = connect_client(&world);
	for (int i = 0; i < 2; i++)
		holder[i] = begin_holder(&id[i]);
	snprintf(text, sizeof(text), "%d", holder[0]);
	check(write_to("cgroup.procs", text) && write_to("cgroup.freeze", "1"));
	until(is_frozen(true));

	send_later(admin, new_region_call(admin, id[1], "Release"), &silent);
	send_later(admin, new_region_call(admin, id[0], "Release"), &frozen);
	await_answer(admin, &frozen);
	check_text(frozen.reply.error, "");
	check(still_waits(admin, &silent));
	snprintf(text, sizeof(text), "pid %d is frozen and cannot answer", holder[0]);
	until(world_log_contains(&world, text));
	snprintf(text, sizeof(text), "pid %d is frozen", holder[1]);
	check(!world_log_contains(&world, text));
	check(call_region_number(admin, id[1], "ReleaseWithin", 0, &r));

	check(write_to("cgroup.freeze", "0"));
	until(is_frozen(false));
	for (int i = 0; i < 2; i++)
		end_holder(holder[i]);
	until(rmdir(cgroup) == 0);
	disconnect(admin);
	world_end(&world);
	return 0;
}
