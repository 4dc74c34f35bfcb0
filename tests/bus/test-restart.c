// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-restart.c - the daemon dies and comes back. Regions keep numbers, properties and owners;
 * owners that went away meanwhile lose theirs; what can belong to nobody ends; no number is ever
 * given twice.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness-record.h"
#include "harness.h"

static struct world world;

/* All properties as one text, as the bus shows them. */
static void describe(sd_bus *b, uint64_t id, char *out, size_t size)
{
	static const char *const names[] = {
		"Id",	      "State",	   "ArbitrationMode", "ArbitrationReason",
		"Policy",     "GraceUSec", "Access",	      "Path",
		"Offset",     "Length",	   "ValidLength",     "Rkey",
		"Generation", "Address",   "Detached",	      "Uid",
		"Session",    "Ticket",	   "Peers",	      "Revocation",
		"Durability", "PathState", "PathNow"
	};
	size_t used = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char value[300];

		get_property(b, id, names[i], value, sizeof(value));
		used += (size_t)snprintf(out + used, size - used, "%s=%s\n", names[i], value);
		check(used < size);
	}
}

static void restart(int signal)
{
	int status = world_end_daemon(&world, signal);

	if (signal == SIGTERM)
		check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	world_start_daemon(&world);
}

static void test_same_again(int signal)
{
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(16384);
	struct reply attached, detached, other, r;
	char before[2][4096], after[4096];
	uint64_t highest;

	check(register_region(b, fd, 4096, 0, "r", &attached, 2, "policy", "s", "follow", "session",
			      "s", "one"));
	check(register_region(b, fd, 0, 8192, "rw", &detached, 3, "detached", "b", 1, "session",
			      "s", "one", "grace_usec", "t", UINT64_C(123000)));
	check(register_region(b, fd, 0, 0, "rw", &other, 2, "detached", "b", 1, "session", "s",
			      "two"));
	check(export_region(b, detached.id, &r, 0));
	world_tell_keeper(&world, getuid(), "one", "peer-join %" PRIu64 " rw", detached.id);
	until((get_property(b, detached.id, "Peers", r.text, sizeof(r.text)),
	       !strcmp(r.text, "1")));
	describe(b, attached.id, before[0], sizeof(before[0]));
	describe(b, detached.id, before[1], sizeof(before[1]));
	highest = other.id;
	restart(signal);
	check(count_regions(b) == 3);
	describe(b, attached.id, after, sizeof(after));
	check_text(after, before[0]);
	describe(b, detached.id, after, sizeof(after));
	check_text(after, before[1]);
	/* its owner still is its owner: it is asked, it may answer, and the region goes with it */
	check(register_region(b, fd, 0, 0, "rw", &r, 1, "session", "s", "one"));
	check(r.id > highest);
	check(call_region(b, r.id, "Release", &r));
	check(call_region(b, detached.id, "Release", &r));
	check(call_region(b, other.id, "Release", &r));
	disconnect(b);
	b = connect_client(&world);
	until(count_regions(b) == 0);
	disconnect(b);
	close(fd);
}

/*
 * A file that leaves its path, and one that loses blocks past all that asks: told at once, and by
 * the daemon that was not there when it happened.
 */
static void test_path(void)
{
	char path[100], other[100], text[300];
	sd_bus *b = connect_client(&world);
	struct reply r, nameless;
	int fd, memory = make_memfd(8192);

	snprintf(path, sizeof(path), "%s/checkpoint", world.directory);
	snprintf(other, sizeof(other), "%s/checkpoint.new", world.directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	check(fd >= 0 && ftruncate(fd, 8192) == 0);
	check(register_region(b, fd, 0, 0, "rw", &r, 2, "detached", "b", 1, "session", "s",
			      "path"));
	check(register_region(b, memory, 0, 0, "rw", &nameless, 2, "detached", "b", 1, "session",
			      "s", "path"));
	expect_property(b, r.id, "PathState", "there");
	expect_property(b, nameless.id, "PathState", "unknown");
	expect_property(b, nameless.id, "PathNow", "");
	subscribe(b);
	forget_signals(b);
	check(rename(path, other) == 0);
	until((get_property(b, r.id, "PathState", text, sizeof(text)), !strcmp(text, "moved")));
	sd_bus_message_unref(await_signal(b, "PropertiesChanged"));
	get_property(b, r.id, "PathNow", text, sizeof(text));
	check_text(text, other);
	check(rename(other, path) == 0);
	until((get_property(b, r.id, "PathState", text, sizeof(text)), !strcmp(text, "there")));
	until(world_log_contains(&world, "checkpoint again"));
	expect_property(b, r.id, "Bypasses", "0");
	check(ftruncate(fd, 4096) == 0);
	until((get_property(b, r.id, "Bypasses", text, sizeof(text)), !strcmp(text, "1")));
	world_end_daemon(&world, SIGKILL);
	close(open(other, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	check(rename(other, path) == 0);
	world_start_daemon(&world);
	until((get_property(b, r.id, "PathState", text, sizeof(text)), !strcmp(text, "deleted")));
	expect_property(b, r.id, "PathNow", "");
	expect_property(b, r.id, "Path", path);
	expect_property(b, r.id, "Bypasses", "1");
	expect_property(b, r.id, "LastBypass",
			"the file became shorter, 4096 bytes of the region are left");
	get_property(b, r.id, "Degraded", text, sizeof(text));
	check(strstr(text, "without asking holders (1 so far); the last: the file became shorter"));
	expect_property(b, r.id, "State", "live");
	check(call_region(b, r.id, "Release", &r) && call_region(b, nameless.id, "Release", &r));
	check(unlink(path) == 0);
	disconnect(b);
	close(memory);
	close(fd);
}

/* Revocation that runs while the daemon is away: it goes on, and the owner hears of its end. */
static void test_draining(void)
{
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(16384);
	struct reply region, r;
	char state[32];

	listen_signals(b);
	check(register_region(b, fd, 0, 0, "rw", &region, 1, "grace_usec", "t", UINT64_C(3000000)));
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " truncate 4096",
			  region.id);
	sd_bus_message_unref(await_signal(b, "RevocationRequested"));
	restart(SIGKILL);
	get_property(b, region.id, "State", state, sizeof(state));
	check(!strcmp(state, "draining") || !strcmp(state, "fenced"));
	sd_bus_message_unref(await_signal(b, "RevocationSettled"));
	get_property(b, region.id, "ValidLength", state, sizeof(state));
	check_text(state, "4096");
	check(call_region(b, region.id, "Release", &r));
	forget_signals(b);
	disconnect(b);
	close(fd);
}

/* Memory that failed is told of, and by the next daemon as well. */
static void test_damage(void)
{
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(16384);
	struct reply region, r;
	char text[300];

	check(register_region(b, fd, 0, 0, "rw", &region, 1, "detached", "b", 1));
	expect_property(b, region.id, "Degraded", "");
	world_tell_keeper(&world, getuid(), "default", "poison %" PRIu64 " 4096 12", region.id);
	until((get_property(b, region.id, "Degraded", text, sizeof(text)),
	       strstr(text, "[4096, 8192)")));
	expect_property(b, region.id, "State", "live");
	restart(SIGKILL);
	get_property(b, region.id, "Degraded", text, sizeof(text));
	check(strstr(text, "[4096, 8192)"));
	check(call_region(b, region.id, "Release", &r));
	disconnect(b);
	close(fd);
}

/* The owner goes while no daemon sees it. */
static void test_owner_gone_meanwhile(void)
{
	sd_bus *b = connect_client(&world), *other = connect_client(&world);
	int fd = make_memfd(16384);
	struct reply attached, detached, r;

	check(register_region(b, fd, 0, 0, "rw", &attached, 0));
	check(register_region(b, fd, 0, 0, "rw", &detached, 1, "detached", "b", 1));
	world_end_daemon(&world, SIGKILL);
	disconnect(b);
	world_start_daemon(&world);
	until(!region_exists(other, attached.id));
	check(region_exists(other, detached.id));
	check(call_region(other, detached.id, "Release", &r));
	disconnect(other);
	close(fd);
}

/* Takes the connection's name out of the record of the default session's keeper. */
static void forget_owner(sd_bus *b)
{
	char path[256], *data, *mark;
	const char *name;
	struct stat st;
	int fd = -1;

	/*
	 * that of the newest, since an idle one of an earlier daemon was replaced and may not have
	 * ended yet
	 */
	for (unsigned int n = 9; fd < 0 && n; n--) {
		snprintf(path, sizeof(path), "%s/run/keepers/%u-default-%u.record", world.directory,
			 getuid(), n);
		fd = open(path, O_RDWR | O_CLOEXEC);
	}
	check(fd >= 0 && fstat(fd, &st) == 0 && sd_bus_get_unique_name(b, &name) >= 0);
	data = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(data != MAP_FAILED);
	mark = memmem(data, (size_t)st.st_size, name, strlen(name) + 1);
	check(mark);
	memset(mark - 32, 0, 32); /* the bus, in front of it */
	munmap(data, (size_t)st.st_size);
	close(fd);
}

/* Nobody can tell whose it was: it is nobody's for the grace of orphans, then ends. */
static void test_orphan(void)
{
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(16384);
	struct reply region;

	check(register_region(b, fd, 0, 0, "rw", &region, 0));
	world_end_daemon(&world, SIGKILL);
	forget_owner(b);
	world_start_daemon(&world);
	check(region_exists(b, region.id));
	until(!region_exists(b, region.id));
	until(world_log_contains(&world, "nobody owns it"));
	disconnect(b);
	close(fd);
}

/*
 * Without its record a keeper's region is nobody's, and ends; a record that is cut short costs what
 * was cut off.
 */
static void test_damaged_record(void)
{
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(16384);
	struct reply first, second, r;
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/run/keepers/%u-cut-1.record", world.directory, getuid());
	check(register_region(b, fd, 0, 0, "rw", &first, 2, "session", "s", "cut", "detached", "b",
			      1));
	check(register_region(b, fd, 0, 0, "rw", &second, 2, "session", "s", "cut", "detached", "b",
			      1));
	world_end_daemon(&world, SIGKILL);
	check(stat(path, &st) == 0 && truncate(path, 4096 + (st.st_size - 4096) / 64) == 0);
	world_start_daemon(&world);
	check(region_exists(b, first.id) && !region_exists(b, second.id));
	world_end_daemon(&world, SIGKILL);
	check(truncate(path, 100) == 0);
	world_start_daemon(&world);
	check(!region_exists(b, first.id));
	/* another one takes its place */
	check(register_region(b, fd, 0, 0, "rw", &first, 1, "session", "s", "cut"));
	check(call_region(b, first.id, "Release", &r));
	/* the one without a record is nobody's to end */
	world_end_daemon(&world, SIGKILL);
	world_kill_keepers(&world, SIGKILL);
	until(world_keepers(&world) == 0);
	world_start_daemon(&world);
	disconnect(b);
	close(fd);
}

static void set_run(const char *invocation)
{
	const char *link = "/run/systemd/units/invocation:rdmareg-keeper-test.service";

	unlink(link);
	check(symlink(invocation, link) == 0);
}

/*
 * A keeper of a unit that was started again since is another one. systemd is played by its
 * directory below /run.
 */
static void test_other_run(void)
{
	static const char recorded[] = "0123456789abcdef0123456789abcdef";
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(16384);
	struct reply region, r;
	char path[256];

	check(unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	check(mount("test", "/run", "tmpfs", 0, NULL) == 0 && mkdir("/run/systemd", 0755) == 0 &&
	      mkdir("/run/systemd/units", 0755) == 0);
	check(register_region(b, fd, 0, 0, "rw", &region, 2, "session", "s", "run", "detached", "b",
			      1));
	world_end_daemon(&world, SIGKILL);
	snprintf(path, sizeof(path), "%s/run/keepers/%u-run-1.record", world.directory, getuid());
	check(record_set_run(path, "rdmareg-keeper-test.service", recorded));
	set_run(recorded);
	world_start_daemon(&world);
	check(region_exists(b, region.id));
	world_end_daemon(&world, SIGKILL);
	set_run("fedcba9876543210fedcba9876543210");
	world_start_daemon(&world);
	check(!region_exists(b, region.id));
	until(world_log_contains(&world, "its unit was started again since"));
	world_end_daemon(&world, SIGKILL);
	set_run(recorded);
	world_start_daemon(&world);
	check(call_region(b, region.id, "Release", &r));
	disconnect(b);
	close(fd);
}

/* Numbers go on from the mark, even when nothing is left that could remind of them. */
static void test_numbers(void)
{
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(4096);
	struct reply first, second, r;

	check(register_region(b, fd, 0, 0, "rw", &first, 0));
	check(call_region(b, first.id, "Release", &r));
	restart(SIGKILL);
	check(register_region(b, fd, 0, 0, "rw", &second, 0));
	check(second.id > first.id);
	disconnect(b);
	close(fd);
}

/* Leftovers of dead keepers, and files that are none of ours, stop nobody. */
static void test_litter(void)
{
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(4096);
	static const char *const names[] = { "run/keepers/0-dead-1.sock",
					     "run/keepers/x.sock",
					     "run/keepers/7.sock",
					     "run/keepers/99999999999-a-1.sock",
					     "run/keepers/-",
					     "run/keepers/0-dead-7.record" };
	struct reply region;
	char path[256];
	struct stat st;
	FILE *f;

	check(register_region(b, fd, 0, 0, "rw", &region, 1, "detached", "b", 1));
	world_end_daemon(&world, SIGKILL);
	world_kill_keepers(&world, SIGKILL);
	until(world_keepers(&world) == 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", world.directory, names[i]);
		f = fopen(path, "we");
		check(f);
		fclose(f);
	}
	world_start_daemon(&world);
	check(count_regions(b) == 0);
	snprintf(path, sizeof(path), "%s/run/keepers/%u-default-1.sock", world.directory, getuid());
	until(stat(path, &st) < 0); /* the dead one's socket is cleared away */
	check(register_region(b, fd, 0, 0, "rw", &region, 0));
	disconnect(b);
	close(fd);
}

static void write_mark(const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/run/next-region-id", world.directory);
	f = fopen(path, "we");
	check(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/*
 * A mark that is damaged, or is gone while keepers run, gives no number twice and keeps no daemon
 * from serving.
 */
static void test_damaged_mark(void)
{
	static const char *const texts[] = { "12x\n", "", "9223372036854775807\n",
					     "99999999999999999999\n", NULL };
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(4096);
	struct reply last, next, r;
	char path[256];

	check(register_region(b, fd, 0, 0, "rw", &last, 1, "detached", "b", 1));
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		world_end_daemon(&world, SIGKILL);
		snprintf(path, sizeof(path), "%s/run/next-region-id", world.directory);
		if (texts[i])
			write_mark(texts[i]);
		else
			check(unlink(path) == 0);
		world_start_daemon(&world);
		check(region_exists(b, last.id));
		check(register_region(b, fd, 0, 0, "rw", &next, 1, "detached", "b", 1));
		check(next.id > last.id && next.id < UINT64_C(1) << 53);
		check(call_region(b, last.id, "Release", &r));
		last = next;
	}
	until(world_log_contains(&world, "next-region-id is damaged"));
	check(call_region(b, last.id, "Release", &r));
	disconnect(b);
	close(fd);
}

/* No second daemon where one is, on the bus or in the directory. */
static void test_second_daemon(void)
{
	char command[1024];

	snprintf(
		command, sizeof(command),
		"'%s' --bus-address '%s' --runtime-dir '%s/run' --state-dir /dev/null --keeper /bin/true 2>'%s/said'",
		getenv("RDMAREGD"), world.address, world.directory, world.directory);
	check(WEXITSTATUS(system(command)) == 1);
	snprintf(
		command, sizeof(command),
		"'%s' --bus-address '%s' --runtime-dir '%s/run2' --state-dir /dev/null --keeper /bin/true 2>'%s/said'",
		getenv("RDMAREGD"), world.address, world.directory, world.directory);
	check(WEXITSTATUS(system(command)) == 1);
}

int main(void)
{
	world_begin(&world, "[daemon]\norphan_grace_sec = 2\n");
	test_same_again(SIGKILL);
	test_same_again(SIGTERM);
	test_draining();
	test_damage();
	test_path();
	test_owner_gone_meanwhile();
	test_orphan();
	test_damaged_record();
	if (geteuid() == 0)
		test_other_run();
	test_numbers();
	test_litter();
	test_damaged_mark();
	test_second_daemon();
	world_end(&world);
	return 0;
}
