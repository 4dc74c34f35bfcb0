// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-identity.c - under whom keepers run: ids that no other process has, out of the configured
 * range. So a tenant can do nothing to its keeper, and killing all processes of a user ends no
 * region. Many keepers that are wanted at once all get ready. Needs root, to become somebody.
 */
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define TENANT 33
#define CROWD 20

static struct world world;
static uid_t first; /* of the two that keepers may have; no other run of this test has the same */

/* The last one that the log names; 0: none yet. */
static pid_t logged_keeper(uid_t uid, const char *session)
{
	char path[256], line[2048], wanted[128];
	const char *at;
	pid_t pid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/log", world.directory);
	snprintf(wanted, sizeof(wanted), "keeper %u/%s: ready, pid ", uid, session);
	f = fopen(path, "re");
	check(f);
	while (fgets(line, sizeof(line), f))
		if ((at = strstr(line, wanted)))
			pid = atoi(at + strlen(wanted));
	fclose(f);
	return pid;
}

/* A region can be there before the daemon's log says so. */
static pid_t keeper_of(uid_t uid, const char *session)
{
	pid_t pid;

	until((pid = logged_keeper(uid, session)) > 1 && kill(pid, 0) == 0);
	return pid;
}

/* True: all four of its ids are @uid. */
static bool runs_as(pid_t pid, uid_t uid)
{
	char path[64], line[256], wanted[128];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	snprintf(wanted, sizeof(wanted), "Uid:\t%u\t%u\t%u\t%u\n", uid, uid, uid, uid);
	f = fopen(path, "re");
	if (!f)
		return false; /* ended meanwhile */
	while (fgets(line, sizeof(line), f))
		found |= !strcmp(line, wanted);
	fclose(f);
	return found;
}

static char process_state(pid_t pid, long *ret_threads)
{
	char path[64], line[512], state = 0;
	const char *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f) && (at = strrchr(line, ')')))
		sscanf(at + 1,
		       " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %ld",
		       &state, ret_threads);
	fclose(f);
	return state;
}

/* All of it, though nobody has waited for it: threads end one after the other. */
static bool has_ended(pid_t pid)
{
	long threads = 0;

	return process_state(pid, &threads) == 'Z' && threads == 1;
}

/*
 * No process has it, nor one that has given its memory back and not ended yet: which nothing but
 * its id tells from others.
 */
static bool is_free(uid_t uid)
{
	DIR *processes = opendir("/proc");
	bool free = true;
	struct dirent *e;
	pid_t pid;

	check(processes);
	while ((e = readdir(processes)))
		if ((pid = atoi(e->d_name)) > 0 && !has_ended(pid))
			free &= !runs_as(pid, uid);
	closedir(processes);
	return free;
}

/* Everything that a process of the tenant may try. */
static void attack(const struct world *w, const void *arguments)
{
	const pid_t *pid = arguments;
	int pidfd = pidfd_open(*pid, 0);
	struct rlimit none = { 0 };

	(void)w;
	check(kill(*pid, SIGKILL) < 0 && errno == EPERM);
	check(kill(*pid, SIGSTOP) < 0 && errno == EPERM);
	check(ptrace(PTRACE_SEIZE, *pid, NULL, NULL) < 0 && errno == EPERM);
	check(pidfd >= 0 && pidfd_getfd(pidfd, 0, 0) < 0 && errno == EPERM);
	check(prlimit(*pid, RLIMIT_NOFILE, &none, NULL) < 0 && errno == EPERM);
}

/* pkill -KILL -U, from within. */
static void kill_all(const struct world *w, const void *arguments)
{
	(void)w, (void)arguments;
	kill(-1, SIGKILL);
}

static void test_apart(void)
{
	sd_bus *b = connect_as(&world, TENANT);
	int fd = make_memfd(4096);
	struct reply one, two, r;
	pid_t pid;

	check(register_region(b, fd, 0, 0, "rw", &one, 1, "detached", "b", 1));
	check(register_region(b, fd, 0, 0, "rw", &two, 2, "detached", "b", 1, "session", "s",
			      "two"));
	pid = keeper_of(TENANT, "default");
	check(runs_as(pid, first) || runs_as(pid, first + 1));
	check(runs_as(keeper_of(TENANT, "two"), first) != runs_as(pid, first));
	run_as(&world, TENANT, attack, &pid);
	run_as(&world, TENANT, kill_all, NULL);
	check(region_exists(b, one.id) && region_exists(b, two.id));
	/* known again by the next daemon */
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	check(region_exists(b, one.id) && region_exists(b, two.id));
	/* two ids are two keepers */
	check(!register_region(b, fd, 0, 0, "rw", &r, 1, "session", "s", "three"));
	expect_error(&r, "Failed", "keeper_uids");
	check(region_exists(b, one.id) && region_exists(b, two.id));
	check(call_region(b, one.id, "Release", &r) && call_region(b, two.id, "Release", &r));
	/* theirs are free now, however long they take to end */
	check(register_region(b, fd, 0, 0, "rw", &r, 1, "session", "s", "three"));
	check(call_region(b, r.id, "Release", &r));
	until(world_keepers(&world) == 0);
	disconnect(b);
	close(fd);
}

/*
 * All ids are in use, by keepers that hold nothing: one that does not end by itself is no reason to
 * refuse others.
 */
static void test_room_is_made(void)
{
	static const char *const sessions[] = { "one", "two" };
	sd_bus *b = connect_as(&world, TENANT);
	int fd = make_memfd(4096);
	struct reply held[2], r;

	for (int i = 0; i < 2; i++)
		check(register_region(b, fd, 0, 0, "rw", &held[i], 1, "session", "s", sessions[i]));
	for (int i = 0; i < 2; i++) {
		check(call_region(b, held[i].id, "Release", &r));
		check(kill(keeper_of(TENANT, sessions[i]), SIGSTOP) == 0);
	}
	for (int i = 0; i < 2; i++)
		check(register_region(b, fd, 0, 0, "rw", &r, 1, "session", "s",
				      i ? "four" : "three"));
	check(world_keepers(&world) == 2);
	disconnect(b); /* and with it its regions */
	until(world_keepers(&world) == 0);
	close(fd);
}

/*
 * A process that has ended has no id, also while nobody has waited for it: we do not, as some
 * containers' first processes.
 */
static void test_not_reaped(void)
{
	sd_bus *b = connect_as(&world, TENANT);
	int fd = make_memfd(4096);
	struct reply one, two, r;
	pid_t pids[2];

	check(register_region(b, fd, 0, 0, "rw", &one, 2, "detached", "b", 1, "session", "s",
			      "one"));
	check(register_region(b, fd, 0, 0, "rw", &two, 2, "detached", "b", 1, "session", "s",
			      "two"));
	pids[0] = keeper_of(TENANT, "one");
	pids[1] = keeper_of(TENANT, "two");
	/* now they are our children */
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	until(call_region(b, one.id, "Release", &r));
	until(call_region(b, two.id, "Release", &r));
	for (int i = 0; i < 2; i++) {
		check(kill(pids[i], SIGKILL) == 0);
		until(has_ended(pids[i]));
	}
	check(register_region(b, fd, 0, 0, "rw", &one, 1, "session", "s", "three"));
	check(register_region(b, fd, 0, 0, "rw", &two, 1, "session", "s", "four"));
	check(has_ended(pids[0]) && has_ended(pids[1]));
	disconnect(b);
	until(world_keepers(&world) == 0);
	close(fd);
}

static void *wait_for_the_end(void *userdata)
{
	pause();
	return userdata;
}

/*
 * A process whose first thread has ended looks as if all of it had, and can do as much as before.
 */
static void test_first_thread_ended(void)
{
	sd_bus *b = connect_as(&world, TENANT);
	int fd = make_memfd(4096);
	struct reply r;
	pthread_t thread;
	pid_t pid = fork();

	check(pid >= 0);
	if (pid == 0) {
		check(setresuid(first, first, first) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		check(pthread_create(&thread, NULL, wait_for_the_end, NULL) == 0);
		pthread_exit(NULL);
	}
	until(process_state(pid, &(long){ 0 }) == 'Z');
	check(register_region(b, fd, 0, 0, "rw", &r, 1, "session", "s", "one"));
	check(runs_as(keeper_of(TENANT, "one"), first + 1));
	check(!register_region(b, fd, 0, 0, "rw", &r, 1, "session", "s", "two"));
	expect_error(&r, "Failed", "keeper_uids");
	check(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	check(register_region(b, fd, 0, 0, "rw", &r, 1, "session", "s", "two"));
	disconnect(b);
	until(world_keepers(&world) == 0);
	close(fd);
}

/*
 * One id is free, and two keepers are to be started at the same time: no process has it yet when
 * the second one is.
 */
static void test_apart_at_once(void)
{
	sd_bus *b = connect_as(&world, TENANT);
	int fd = make_memfd(4096), made = 0;
	struct later later[2];
	struct reply one, r;

	until(is_free(first) && is_free(first + 1));
	check(register_region(b, fd, 0, 0, "rw", &one, 2, "detached", "b", 1, "session", "s",
			      "one"));
	for (int i = 0; i < 2; i++) {
		sd_bus_message *m = new_manager_call(b, "RegisterRegion");

		check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), UINT64_C(4096), "rw") >= 0);
		add_options(m, 2, "detached", "b", 1, "session", "s", i ? "two" : "three");
		send_later(b, m, &later[i]);
	}
	/*
	 * what one of them holds is kept until both are answered: else it would make room for the
	 * other
	 */
	for (int i = 0; i < 2; i++)
		await_answer(b, &later[i]);
	for (int i = 0; i < 2; i++)
		if (*later[i].reply.error)
			expect_error(&later[i].reply, "Failed", "keeper_uids");
		else
			check(++made && call_region(b, later[i].reply.id, "Release", &r));
	check(made == 1);
	check(call_region(b, one.id, "Release", &r));
	until(world_keepers(&world) == 0);
	disconnect(b);
	close(fd);
}

static bool nothing_recorded(void)
{
	char pattern[256];
	glob_t found;
	bool none;

	snprintf(pattern, sizeof(pattern), "%s/run/keepers/*.record", world.directory);
	none = glob(pattern, 0, NULL, &found) == GLOB_NOMATCH;
	if (!none)
		globfree(&found);
	return none;
}

/*
 * Who listens in a keeper's name must be the process that was started: same socket, same record,
 * another id.
 */
static void test_replaced(void)
{
	sd_bus *b = connect_as(&world, TENANT);
	struct reply region;
	int fd = make_memfd(4096);
	char path[256];
	uint32_t *pid;
	FILE *f;
	char head[4096];

	check(register_region(b, fd, 0, 0, "rw", &region, 2, "detached", "b", 1, "session", "s",
			      "replaced"));
	world_end_daemon(&world, SIGKILL);
	snprintf(path, sizeof(path), "%s/run/keepers/%u-replaced-1.record", world.directory,
		 TENANT);
	f = fopen(path, "r+e");
	check(f && fread(head, sizeof(head), 1, f) == 1);
	/* as if another process had been started */
	pid = memmem(head, sizeof(head), &(uint32_t){ (uint32_t)keeper_of(TENANT, "replaced") },
		     sizeof(*pid));
	check(pid);
	++*pid;
	rewind(f);
	check(fwrite(head, sizeof(head), 1, f) == 1 && fclose(f) == 0);
	world_start_daemon(&world);
	check(!region_exists(b, region.id));
	until(world_log_contains(&world, "another process listens there than was started"));
	/* nobody is locked out by it */
	until(world_keepers(&world) == 1 &&
	      register_region(b, fd, 0, 0, "rw", &region, 1, "session", "s", "replaced"));
	world_end_daemon(&world, SIGKILL);
	world_kill_keepers(&world, SIGKILL);
	until(world_keepers(&world) == 0);
	world_start_daemon(&world);
	/*
	 * it serves before it has forgotten those that ended, and what it needs is counted without
	 * them
	 */
	until(nothing_recorded());
	world.descriptors = world_descriptors(&world);
	disconnect(b);
	close(fd);
}

static void test_crowd(void)
{
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(4096);
	struct later later[CROWD];

	world_write_settings(&world, "timeout_msec = 4000\n[limits]\ntenants_per_uid = 40\n");
	check(kill(world.daemon, SIGHUP) == 0);
	until(world_log_contains(&world, "settings read again"));
	for (size_t i = 0; i < CROWD; i++) {
		sd_bus_message *m = new_manager_call(b, "RegisterRegion");
		char session[16];

		snprintf(session, sizeof(session), "slow-%zu", i);
		check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), UINT64_C(4096), "rw") >= 0);
		add_options(m, 1, "session", "s", session);
		send_later(b, m, &later[i]);
	}
	for (size_t i = 0; i < CROWD; i++) {
		await_answer(b, &later[i]);
		check_text(later[i].reply.error, "");
	}
	disconnect(b);
	close(fd);
}

static bool create_session(sd_bus *b, const char *name, struct reply *ret)
{
	sd_bus_message *m = new_manager_call(b, "CreateSession");

	check(sd_bus_message_append(m, "us", (uint32_t)TENANT, name) >= 0);
	add_options(m, 0);
	return finish_call(b, m, ret);
}

static void release_session(sd_bus *b, const char *name)
{
	char path[128];
	struct reply r;
	sd_bus_message *m;

	snprintf(path, sizeof(path), RDMAREG_SESSION_PREFIX "/%d_%s", TENANT, name);
	m = new_call(b, path, RDMAREG_SESSION_INTERFACE, "Release");
	add_options(m, 1, "GraceUSec", "t", UINT64_C(0));
	check(finish_call(b, m, &r));
}

/*
 * Each session that is created has an id for its keeper, from when it is created: no session that
 * exists fails to register for want of one. Those beyond are refused where they are created, in words,
 * and leave nothing.
 */
static void test_sessions(void)
{
	sd_bus *admin = connect_client(&world), *b = connect_as(&world, TENANT);
	static const char *const names[] = { "one", "two", "three" };
	int fd = make_memfd(4096);
	struct reply r;

	check(create_session(admin, "one", &r) && create_session(admin, "two", &r));
	for (int i = 0; i < 2; i++) {
		check(!create_session(admin, "three", &r));
		expect_error(&r, "LimitExceeded", "keeper_uids");
	}
	/* nor what is in no session */
	check(!register_region(b, fd, 0, 0, "rw", &r, 0));
	expect_error(&r, "LimitExceeded", "keeper_uids");
	/* the same again is no other one */
	check(create_session(admin, "two", &r));
	for (int i = 0; i < 2; i++)
		check(register_region(b, fd, 0, 0, "rw", &r, 2, "detached", "b", 1, "session", "s",
				      names[i]));
	/* the next daemon counts them too */
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	check(!create_session(admin, "three", &r));
	expect_error(&r, "LimitExceeded", "keeper_uids");
	release_session(admin, "one");
	/* its id is free when its keeper has ended */
	until(create_session(admin, "three", &r));
	until(register_region(b, fd, 0, 0, "rw", &r, 1, "session", "s", "three"));
	release_session(admin, "three");
	release_session(admin, "two");
	until(world_keepers(&world) == 0);
	disconnect(admin);
	disconnect(b);
	close(fd);
}

int main(void)
{
	char settings[128];

	if (getuid() != 0)
		return SKIP;
	first = 100000 + 2 * (uid_t)getpid();
	snprintf(settings, sizeof(settings),
		 "keeper_uids = %u-%u\n[limits]\ntenants_per_uid = 40\n", first, first + 1);
	world_begin(&world, settings);
	test_apart();
	test_room_is_made();
	test_not_reaped();
	test_first_thread_ended();
	test_apart_at_once();
	test_replaced();
	test_sessions();
	test_crowd();
	world_end(&world);
	return 0;
}
