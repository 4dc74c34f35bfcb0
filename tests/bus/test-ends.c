// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-ends.c - why a region ended, for each reason, is the same wherever it is told: RegionRemoved,
 * the history, `rdmaregctl watch` (and so the library's event), and the error of who still asks for
 * it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define PAGE 4096u
#define SETTINGS "[daemon]\norphan_grace_sec = 1\n[keepers]\nidle_exit_sec = 1\n"

static struct world world;
static sd_bus *admin;
static int file;

static uint64_t register_in(sd_bus *b, const char *session, int detached)
{
	struct reply r;

	check(register_region(b, file, 0, 0, "rw", &r, 3, "session", "s", session, "detached", "b",
			      detached, "grace_usec", "t", UINT64_C(0)));
	return r.id;
}

static uint64_t end_released(void)
{
	uint64_t id = register_in(admin, "default", 1);
	struct reply r;

	check(call_region(admin, id, "Release", &r));
	return id;
}

static uint64_t end_disconnected(void)
{
	sd_bus *owner = connect_client(&world);
	uint64_t id = register_in(owner, "default", 0);

	disconnect(owner);
	return id;
}

static uint64_t end_evicted(void)
{
	sd_bus_message *m = new_manager_call(admin, "Evict");
	uint64_t id = register_in(admin, "default", 1);
	struct reply r;

	check(sd_bus_message_append(m, "h", file) >= 0);
	add_options(m, 1, "grace_usec", "t", UINT64_C(0));
	check(finish_call(admin, m, &r) && r.number == 1);
	return id;
}

static void set_limits(const char *lines, uint64_t regions)
{
	world_write_settings(&world, lines);
	check(kill(world.daemon, SIGHUP) == 0);
	until(get_manager_number(admin, "MaxRegionsPerTenant") == regions);
}

static uint64_t end_over_limit(void)
{
	uint64_t first = register_in(admin, "default", 1), id = register_in(admin, "default", 1);
	sd_bus_message *m = new_manager_call(admin, "EnforceLimits");
	struct reply r;

	set_limits(SETTINGS "[limits]\nregions_per_tenant = 1\n", 1);
	add_options(m, 1, "grace_usec", "t", UINT64_C(0));
	check(finish_call(admin, m, &r) && r.number == 1);
	set_limits(SETTINGS "[limits]\nregions_per_tenant = 100\n", 100);
	/* the one that was made last has to go */
	check(region_exists(admin, first) && call_region(admin, first, "Release", &r));
	return id;
}

static uint64_t end_session(void)
{
	sd_bus_message *m = new_manager_call(admin, "CreateSession");
	const char *object;
	char path[200];
	uint64_t id;
	sd_bus_message *reply = NULL;
	struct reply r;

	check(sd_bus_message_append(m, "us", geteuid(), "batch") >= 0);
	add_options(m, 0);
	check(sd_bus_call(admin, m, 0, NULL, &reply) >= 0 &&
	      sd_bus_message_read(reply, "o", &object) > 0);
	snprintf(path, sizeof(path), "%s", object);
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	id = register_in(admin, "batch", 1);
	m = new_call(admin, path, RDMAREG_SESSION_INTERFACE, "Release");
	add_options(m, 0);
	check(finish_call(admin, m, &r));
	return id;
}

static uint64_t end_lost(void)
{
	uint64_t id = register_in(admin, "lost", 1);

	world_kill_keepers(&world, SIGKILL);
	return id;
}

/* It is to be made anew in another keeper, and its file may no longer be mapped for writing. */
static uint64_t end_given_up(void)
{
	sd_bus_message *m = new_manager_call(admin, "ReplaceKeeper");
	int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	struct reply region, r;
	char keeper[48];

	check(fd >= 0 && ftruncate(fd, PAGE) == 0);
	check(register_region(admin, fd, 0, 0, "rw", &region, 3, "session", "s", "sealed",
			      "detached", "b", 1, "grace_usec", "t", UINT64_C(0)));
	check(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
	snprintf(keeper, sizeof(keeper), "%u-sealed-1", geteuid());
	check(sd_bus_message_append(m, "s", keeper) >= 0);
	add_options(m, 0);
	check(!finish_call(admin, m, &r));
	close(fd);
	return region.id;
}

/* Takes the connection's name out of the record of the session's keeper. */
static void forget_owner(sd_bus *b, const char *session)
{
	char path[256], *data, *mark;
	const char *name;
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%s/run/keepers/%u-%s-1.record", world.directory, geteuid(),
		 session);
	fd = open(path, O_RDWR | O_CLOEXEC);
	check(fd >= 0 && fstat(fd, &st) == 0 && sd_bus_get_unique_name(b, &name) >= 0);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(data != MAP_FAILED);
	mark = memmem(data, (size_t)st.st_size, name, strlen(name) + 1);
	check(mark);
	memset(mark - 32, 0, 32); /* the bus, in front of it */
	munmap(data, (size_t)st.st_size);
	close(fd);
}

static uint64_t end_expired(void)
{
	sd_bus *owner = connect_client(&world);
	uint64_t id = register_in(owner, "orphan", 0);

	world_end_daemon(&world, SIGKILL);
	forget_owner(owner, "orphan");
	world_start_daemon(&world);
	subscribe(admin);
	check(region_exists(admin, id));
	await_removed(admin, id, "expired");
	disconnect(owner);
	return id;
}

static const struct end {
	const char *reason;
	uint64_t (*make)(void);
	const char *to_who_asks;
	bool told; /* RegionRemoved was taken already */
} ends[] = {
	{ "released", end_released, "it was released", false },
	{ "disconnected", end_disconnected, "the connection that registered it ended", false },
	{ "evicted", end_evicted, "its filesystem was evicted", false },
	{ "over-limit", end_over_limit, "limit", false },
	{ "session-ended", end_session, "its session was released", false },
	{ "lost", end_lost, "keeper", false },
	{ "given-up", end_given_up, "its keeper could not keep it", false },
	{ "expired", end_expired, "rdmaregd", true },
};

static bool watch_says(const char *path, uint64_t id, const char *reason)
{
	char line[4096], number[48], word[64];
	FILE *f = fopen(path, "re");
	bool found = false;

	snprintf(number, sizeof(number), "\"id\":%" PRIu64 ",", id);
	snprintf(word, sizeof(word), "\"reason\":\"%s\"", reason);
	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, "\"event\":\"removed\"") && strstr(line, number) &&
			strstr(line, word);
	if (f)
		fclose(f);
	return found;
}

static bool history_says(uint64_t id, const char *reason)
{
	char arguments[40], out[16384], word[64];

	snprintf(arguments, sizeof(arguments), "history %" PRIu64, id);
	world_ctl(&world, arguments, out, sizeof(out));
	snprintf(word, sizeof(word), " removed: %s", reason);
	return strstr(out, word) != NULL;
}

static pid_t start_watch(const char *path)
{
	pid_t pid = fork();
	int fd;

	check(pid >= 0);
	if (pid > 0)
		return pid;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	setenv("RDMAREG_BUS_ADDRESS", world.address, 1);
	execl(getenv("RDMAREGCTL"), "rdmaregctl", "--json", "watch", NULL);
	_exit(127);
}

/* It tells what there is first. */
static bool watches(const char *path, uint64_t id)
{
	char line[4096], number[48];
	FILE *f = fopen(path, "re");
	bool found = false;

	snprintf(number, sizeof(number), "\"id\":%" PRIu64 ",", id);
	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, number) != NULL;
	if (f)
		fclose(f);
	return found;
}

int main(void)
{
	uint64_t kept, id;
	char path[160];
	struct reply r;
	pid_t watch;

	if (geteuid() != 0)
		return SKIP; /* who evicts, enforces and creates */
	world_begin(&world, SETTINGS);
	file = make_memfd((size_t)2 * PAGE);
	admin = connect_client(&world);
	subscribe(admin);
	snprintf(path, sizeof(path), "%s/watch", world.directory);
	kept = register_in(admin, "default", 1);
	watch = start_watch(path);
	until(watches(path, kept));
	check(call_region(admin, kept, "Release", &r));
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		id = ends[i].make();
		if (!ends[i].told)
			await_removed(admin, id, ends[i].reason);
		check(!region_exists(admin, id));
		until(watch_says(path, id, ends[i].reason));
		check(history_says(id, ends[i].reason));
		check(!call_region(admin, id, "Release", &r));
		expect_error(&r, "NoSuchRegion", ends[i].to_who_asks);
	}
	kill(watch, SIGTERM);
	check(waitpid(watch, NULL, 0) == watch);
	disconnect(admin);
	close(file);
	world_end(&world);
	return 0;
}
