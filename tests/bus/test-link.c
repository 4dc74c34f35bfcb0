// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-link.c - daemon and keeper lose sight of each other, and nothing is lost by it: a daemon
 * that does not read for as long as it takes, a connection that ends between living processes,
 * answers that come late.
 */
#include <dirent.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define MANY 1000

static struct world world;
static sd_bus *bus;

static void await_property(uint64_t id, const char *name, const char *value)
{
	char text[64];

	until((get_property(bus, id, name, text, sizeof(text)), !strcmp(text, value)));
}

static bool has_log(const char *format, uint64_t number)
{
	char text[100];

	snprintf(text, sizeof(text), format, number);
	return world_log_contains(&world, text);
}

static void stop_daemon(void)
{
	int status;

	check(kill(world.daemon, SIGSTOP) == 0);
	check(waitpid(world.daemon, &status, WUNTRACED) == world.daemon && WIFSTOPPED(status));
}

/*
 * A thousand regions, of which every one sees writeback again and again and then loses its tail,
 * while the daemon stands still: far more events than can wait. Peers come and go meanwhile, too.
 * All regions live, and the daemon knows all of it afterwards.
 */
static void test_daemon_stands_still(void)
{
	static struct reply region[MANY];
	int fd = make_memfd(8192);
	struct reply r;
	uint64_t last;

	for (int i = 0; i < MANY; i++)
		check(register_region(bus, fd, 0, 0, "rw", &region[i], 2, "session", "s", "many",
				      "grace_usec", "t", UINT64_C(0)));
	last = region[MANY - 1].id;
	for (int i = 0; i < 3; i++)
		check(export_region(bus, region[i].id, &r, 0));
	world_tell_keeper(&world, getuid(), "many", "peer-join %" PRIu64 " rw", region[0].id);
	await_property(region[0].id, "Peers", "1");
	world_tell_keeper(&world, getuid(), "many", "peer-join %" PRIu64 " rw", region[1].id);
	await_property(region[1].id, "Peers", "1");

	stop_daemon();
	for (int round = 0; round < 5; round++)
		for (int i = 0; i < MANY; i++)
			world_tell_keeper(&world, getuid(), "many", "writeback %" PRIu64 " 0 4096",
					  region[i].id);
	for (int i = 0; i < MANY; i++)
		world_tell_keeper(&world, getuid(), "many", "break %" PRIu64 " truncate 4096",
				  region[i].id);
	world_tell_keeper(&world, getuid(), "many", "peer-leave %" PRIu64, region[1].id);
	until(has_log("region %" PRIu64 ": revocation 1 settled: ", last));
	world_tell_keeper(&world, getuid(), "many", "peer-join %" PRIu64 " r", region[2].id);
	until(has_log("region %" PRIu64 ": peer 192.0.2.2 joined, r\n", region[2].id));
	until(world_log_contains(&world, "it will list everything again"));
	check(kill(world.daemon, SIGCONT) == 0);

	until(world_log_contains(&world, "we did not read in time"));
	for (int i = 0; i < MANY; i++) {
		await_property(region[i].id, "ValidLength", "4096");
		await_property(region[i].id, "State", "live");
	}
	await_property(region[0].id, "Peers", "0"); /* cut off: it had no time to acknowledge */
	await_property(region[1].id, "Peers", "0");
	await_property(region[2].id, "Peers", "1");
	check(!world_log_contains(&world, "lost with"));
	/* what happens from now on is told as ever */
	world_tell_keeper(&world, getuid(), "many", "peer-leave %" PRIu64, region[2].id);
	await_property(region[2].id, "Peers", "0");
	for (int i = 0; i < MANY; i++)
		check(call_region(bus, region[i].id, "Release", &r));
	close(fd);
}

/* As a second daemon: the keeper lets go of the first one, and both live. */
static void take_the_connection(const char *session)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	char pattern[256];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/run/keepers/%u-%s*.sock", world.directory, getuid(),
		 session);
	check(fd >= 0 && glob(pattern, 0, NULL, &g) == 0 && g.gl_pathc == 1);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", g.gl_pathv[0]);
	globfree(&g);
	check(connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	close(fd);
}

/*
 * The connection ends, the keeper lives: the regions stay, and what happens meanwhile is known
 * afterwards. A revocation and a prefetch that are under way go on.
 */
static void test_connection_ends(void)
{
	int fd = make_memfd(8192);
	struct reply region[3], r;
	sd_bus_message *m;
	struct later prefetch = { 0 };
	uint64_t revocation;

	listen_signals(bus);
	for (int i = 0; i < 3; i++)
		check(register_region(bus, fd, 0, 0, "rw", &region[i], 2, "session", "s", "ends",
				      "grace_usec", "t", UINT64_C(10000000)));
	check(export_region(bus, region[0].id, &r, 0));
	world_tell_keeper(&world, getuid(), "ends", "chunks %" PRIu64 " 0", region[2].id);
	m = new_region_call(bus, region[2].id, "Prefetch");
	check(sd_bus_message_append(m, "tt", UINT64_C(0), UINT64_C(0)) >= 0);
	add_options(m, 0);
	send_later(bus, m, &prefetch);
	await_property(region[2].id, "State", "warming");
	world_tell_keeper(&world, getuid(), "ends", "break %" PRIu64 " truncate 4096",
			  region[1].id);
	revocation = await_request(bus, "truncate");

	stop_daemon();
	take_the_connection("ends");
	world_tell_keeper(&world, getuid(), "ends", "peer-join %" PRIu64 " r", region[0].id);
	until(has_log("region %" PRIu64 ": peer 192.0.2.2 joined", region[0].id));
	check(kill(world.daemon, SIGCONT) == 0);
	until(world_log_contains(&world, "has not, so far: connecting again"));
	await_property(region[0].id, "Peers", "1");
	await_property(region[1].id, "State", "draining");
	check(acknowledge(bus, region[1].id, revocation, &r));
	await_settled(bus, revocation, "truncated", 4096);
	world_tell_keeper(&world, getuid(), "ends", "chunks %" PRIu64 " all", region[2].id);
	await_answer(bus, &prefetch);
	check_text(prefetch.reply.error, "");
	check(!world_log_contains(&world, "lost with") &&
	      !world_log_contains(&world, "has it no more"));
	for (int i = 0; i < 3; i++)
		check(call_region(bus, region[i].id, "Release", &r));
	forget_signals(bus);
	close(fd);
}

/*
 * One that was slow to start loses its connection at once: it is connected again as soon as any
 * other. The daemon looked for it often meanwhile, which is nothing that it did wrong; had that
 * counted, the next look would come after longer than a caller waits here.
 */
static void test_slow_to_start(void)
{
	int fd = make_memfd(4096);
	struct reply region, r;

	check(register_region(bus, fd, 0, 0, "rw", &region, 1, "session", "s", "slow-link"));
	take_the_connection("slow-link");
	until(world_log_contains(&world, "/slow-link: the connection ended"));
	check(export_region(bus, region.id, &r, 0));
	check(call_region(bus, region.id, "Release", &r));
	close(fd);
}

static pid_t keeper_of(const char *session)
{
	char path[64], line[4096], wanted[80];
	struct dirent *e;
	pid_t pid = 0;
	DIR *d = opendir("/proc");

	snprintf(wanted, sizeof(wanted), "--session%c%s", 0, session);
	while (d && !pid && (e = readdir(d))) {
		ssize_t n = -1;
		int fd;

		snprintf(path, sizeof(path), "/proc/%.20s/cmdline", e->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			n = read(fd, line, sizeof(line));
		close(fd);
		if (n > 0 && !strstr(line, "rdmaregd") &&
		    memmem(line, (size_t)n, wanted, strlen(session) + strlen("--session") + 2) &&
		    strstr(line, world.directory))
			pid = atoi(e->d_name);
	}
	closedir(d);
	check(pid > 0);
	return pid;
}

/*
 * A keeper that stands still is late with everything, which its callers hear in words and others do
 * not notice. When it goes on: what was wanted for a caller who was told that it was not to be had
 * is taken down, what was to be released is, and the rest lives.
 */
static void test_keeper_stands_still(void)
{
	int fd = make_memfd(8192);
	struct reply region[4], other, r;
	pid_t pid;

	for (int i = 0; i < 4; i++)
		check(register_region(bus, fd, 0, 0, "rw", &region[i], 2, "session", "s", "still",
				      "detached", "b", 1));
	pid = keeper_of("still");
	check(kill(pid, SIGSTOP) == 0);
	check(!register_region(bus, fd, 0, 0, "rw", &r, 1, "session", "s", "still"));
	expect_error(&r, "Timeout", "it is not ended");
	check(!export_region(bus, region[0].id, &r, 0));
	expect_error(&r, "Timeout", "it is not ended");
	check(!call_region(bus, region[1].id, "Release", &r));
	expect_error(&r, "Timeout", "is not released yet");
	check(!call_region(bus, region[1].id, "Release", &r)); /* at once */
	expect_error(&r, "Timeout", "is being released");
	check(!call_region_options(bus, region[2].id, "Configure", &r, 1, "policy", "s", "follow"));
	expect_error(&r, "Timeout", "it is not ended");
	check(register_region(bus, fd, 0, 0, "rw", &other, 1, "session", "s", "lively"));
	check(call_region(bus, other.id, "Release", &r));
	check(register_region(bus, fd, 0, 0, "rw", &other, 1, "session", "s",
			      "still")); /* another process */
	check(call_region(bus, other.id, "Release", &r));
	for (int i = 0; i < 4; i++)
		check(region_exists(bus, region[i].id));
	expect_property(bus, region[1].id, "State", "closing");
	check(kill(pid, SIGCONT) == 0);
	until(!region_exists(bus, region[1].id));
	until(world_log_contains(&world, "still answers again"));
	check(count_regions(bus) == 3);
	expect_property(bus, region[2].id, "Policy", "yield"); /* as its caller was told */
	until(call_region_options(bus, region[2].id, "Configure", &r, 1, "policy", "s", "follow"));
	expect_property(bus, region[2].id, "Policy", "follow");
	for (int i = 0; i < 4; i++)
		if (i != 1)
			check(call_region(bus, region[i].id, "Release", &r));
	close(fd);
}

static sd_bus_message *new_session_call(const char *name, const char *member)
{
	char path[100];

	snprintf(path, sizeof(path), RDMAREG_SESSION_PREFIX "/%u_%s", getuid(), name);
	return new_call(bus, path, RDMAREG_SESSION_INTERFACE, member);
}

/*
 * The release of a session has a limit of its own: a keeper that is late is waited for until then.
 */
static void test_session_waits_for_late(void)
{
	struct later release = { 0 }, short_one = { 0 };
	struct reply region, session, r;
	int fd = make_memfd(8192);
	sd_bus_message *m;
	pid_t pid;

	m = new_manager_call(bus, "CreateSession");
	check(sd_bus_message_append(m, "us", (uint32_t)getuid(), "slow") >= 0);
	add_options(m, 0);
	check(finish_call(bus, m, &session));
	check(register_region(bus, fd, 0, 0, "rw", &region, 2, "session", "s", "slow", "detached",
			      "b", 1));
	pid = keeper_of("slow");
	check(kill(pid, SIGSTOP) == 0);
	m = new_session_call("slow", "Release");
	add_options(m, 1, "LimitUSec", "t", UINT64_C(3600000000));
	send_later(bus, m, &release);
	/* who waits for the region alone hears that its keeper is late */
	check(!call_region(bus, region.id, "Release", &r));
	expect_error(&r, "Timeout", "release");
	m = new_session_call("slow", "Release");
	add_options(m, 1, "LimitUSec", "t", UINT64_C(1));
	send_later(bus, m, &short_one);
	await_answer(bus, &short_one);
	check_text(short_one.reply.error, "");
	check(still_waits(bus, &release));
	check(kill(pid, SIGCONT) == 0);
	await_answer(bus, &release);
	check_text(release.reply.error, "");
	check(!region_exists(bus, region.id));
	close(fd);
}

/* Released while there is no connection: asked again on the next one. */
static void test_release_across_connections(void)
{
	int fd = make_memfd(8192);
	struct reply region;
	struct later release = { 0 };
	pid_t pid;

	check(register_region(bus, fd, 0, 0, "rw", &region, 1, "session", "s", "across"));
	pid = keeper_of("across");
	check(kill(pid, SIGSTOP) == 0);
	send_later(bus, new_region_call(bus, region.id, "Release"), &release);
	await_property(region.id, "State", "closing");
	take_the_connection("across"); /* it finds two, and keeps the newer */
	check(kill(pid, SIGCONT) == 0);
	await_answer(bus, &release);
	until(!region_exists(bus, region.id));
	check(kill(pid, 0) == 0);
	close(fd);
}

/* The grace that its keeper goes by, as that has said last; 0: it has not said it yet. */
static uint64_t told_grace(const char *session, uint64_t id)
{
	uint64_t region, policy, grace, last = 0;
	char path[256];
	FILE *f;

	world_tell_keeper(&world, getuid(), session, "terms %" PRIu64 " now", id);
	snprintf(path, sizeof(path), "%s/fake/%u-%s.terms", world.directory, getuid(), session);
	f = fopen(path, "re");
	check(f);
	while (fscanf(f, "%" SCNu64 " %" SCNu64 " %" SCNu64, &region, &policy, &grace) == 3)
		last = region == id ? grace : last;
	fclose(f);
	return last;
}

#define GRACE UINT64_C(1000000)
#define LATE_GRACE UINT64_C(3000000)

/*
 * A keeper does what its caller was told was not done, and revokes the region at the moment in which
 * that is to be undone, so it refuses: it is undone when the revocation is over, by this daemon or
 * by the next one.
 */
static void undo_late(const char *session, bool restarts)
{
	int fd = make_memfd(8192);
	struct reply region, r;
	pid_t pid;

	check(register_region(bus, fd, 0, 0, "rw", &region, 2, "session", "s", session,
			      "grace_usec", "t", GRACE));
	until(told_grace(session, region.id) == GRACE);
	pid = keeper_of(session);
	check(kill(pid, SIGSTOP) == 0);
	check(!call_region_options(bus, region.id, "Configure", &r, 1, "grace_usec", "t",
				   LATE_GRACE));
	expect_error(&r, "Timeout", "it is not ended");
	if (restarts)
		world_end_daemon(&world, SIGKILL);
	else
		stop_daemon();
	check(kill(pid, SIGCONT) == 0);
	until(told_grace(session, region.id) == LATE_GRACE);
	world_tell_keeper(&world, getuid(), session, "break %" PRIu64 " clone", region.id);
	if (restarts)
		world_start_daemon(&world);
	else
		check(kill(world.daemon, SIGCONT) == 0);
	until(told_grace(session, region.id) == GRACE);
	await_property(region.id, "State", "live");
	expect_property(bus, region.id, "GraceUSec", "1000000");
	until(call_region_options(bus, region.id, "Configure", &r, 1, "policy", "s", "follow"));
	check(call_region(bus, region.id, "Release", &r));
	close(fd);
}

static void test_late_change(void)
{
	undo_late("late", false);
	undo_late("later", true);
}

/* Each with a connection of its own: one that did not read for a while is not sent everything. */
static void run(void (*test)(void))
{
	bus = connect_client(&world);
	test();
	disconnect(bus);
}

/*
 * A file leaves its path, and becomes shorter, while no daemon is connected: the list says so, and
 * whoever listens hears of it.
 */
static void test_file_meanwhile(void)
{
	char path[100], other[100];
	struct reply region, r;
	int fd;

	listen_signals(bus);
	snprintf(path, sizeof(path), "%s/file", world.directory);
	snprintf(other, sizeof(other), "%s/other", world.directory);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	check(fd >= 0 && ftruncate(fd, 8192) == 0);
	check(register_region(bus, fd, 0, 0, "rw", &region, 2, "session", "s", "file", "grace_usec",
			      "t", UINT64_C(10000000)));
	forget_signals(bus);
	stop_daemon();
	take_the_connection("file");
	check(rename(path, other) == 0 && ftruncate(fd, 4096) == 0);
	until(has_log("region %" PRIu64 ": its file is no longer at ", region.id));
	until(has_log("region %" PRIu64 ": the file became shorter, 4096 bytes", region.id));
	check(kill(world.daemon, SIGCONT) == 0);
	await_property(region.id, "PathState", "moved");
	await_property(region.id, "PathNow", other);
	await_property(region.id, "Bypasses", "1");
	sd_bus_message_unref(await_signal(bus, "PropertiesChanged"));
	get_property(bus, region.id, "Degraded", other, sizeof(other));
	check(strstr(other, "without asking holders (1 so far)"));
	check(call_region(bus, region.id, "Release", &r));
	check(unlinkat(AT_FDCWD, strcat(strcpy(path, world.directory), "/other"), 0) == 0);
	close(fd);
}

static bool is_degraded(uint64_t id, const char *mentions)
{
	char text[1000];

	get_property(bus, id, "Degraded", text, sizeof(text));
	return *mentions ? strstr(text, mentions) != NULL : !*text;
}

/*
 * A step of the keeper that does not end is told, also by the next daemon, and so is that it has
 * ended.
 */
static void test_stuck(void)
{
	int fd = make_memfd(8192);
	struct reply region, r;
	struct later prefetch = { 0 };
	sd_bus_message *m;

	check(register_region(bus, fd, 0, 0, "rw", &region, 2, "session", "s", "stuck", "detached",
			      "b", 1));
	world_tell_keeper(&world, getuid(), "stuck", "hang 0 next");
	m = new_region_call(bus, region.id, "Prefetch");
	check(sd_bus_message_append(m, "tt", UINT64_C(0), UINT64_C(0)) >= 0);
	add_options(m, 0);
	send_later(bus, m, &prefetch);
	await_answer(bus, &prefetch);
	check_text(prefetch.reply.error, "Timeout");
	until(is_degraded(region.id, "has not ended within 2 s"));
	await_property(region.id, "State", "fenced");
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	until(is_degraded(region.id, "has not ended within 2 s"));
	await_property(region.id, "State", "fenced");
	world_tell_keeper(&world, getuid(), "stuck", "hang 0 end");
	until(is_degraded(region.id, ""));
	await_property(region.id, "State", "live");
	check(call_region(bus, region.id, "Release", &r));
	close(fd);
}

int main(void)
{
	/* nobody is late here: what is slow is the machine */
	world_begin(&world, "timeout_msec = 25000\n");
	run(test_daemon_stands_still);
	run(test_connection_ends);
	run(test_file_meanwhile);
	run(test_slow_to_start);
	world_end(&world);
	world_begin(&world, "timeout_msec = 2000\ntimeout_msec_per_gib = 0\n");
	run(test_stuck);
	run(test_keeper_stands_still);
	run(test_session_waits_for_late);
	run(test_release_across_connections);
	run(test_late_change);
	world_end(&world);
	return 0;
}
