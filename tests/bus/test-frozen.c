// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-frozen.c - a holder whose cgroup is frozen, as that of a suspended job, is asked and not
 * waited for, whether it was frozen before it was asked or is while it is waited for; one that merely
 * does not answer has its grace.
 *
 * Takes root and a kernel with cgroups of version 2, else this is skipped.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define LONG UINT64_C(10000000)
#define NOBODY 65534
#define MANY 150 /* more than are looked at in a turn */
#define CROWD 40
#define SHARED 8

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

/* A process that registers regions, and then does nothing any more. */
static pid_t begin_holder_of(size_t n, uint64_t *ret_ids)
{
	int ends[2];
	pid_t pid;

	check(pipe2(ends, O_CLOEXEC) == 0);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		sd_bus *b = connect_client(&world);
		int fd = make_memfd(8192);
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		struct reply r;

		/* frozen, it would outlive a test that fails, and whoever reads what that says */
		check(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && dup2(null, STDOUT_FILENO) >= 0 &&
		      dup2(null, STDERR_FILENO) >= 0);
		for (size_t i = 0; i < n; i++) {
			check(register_region(b, fd, 0, 0, "rw", &r, 2, "detached", "b", 1,
					      "grace_usec", "t", LONG));
			check(write(ends[1], &r.id, sizeof(r.id)) == sizeof(r.id));
		}
		for (;;)
			pause();
	}
	close(ends[1]);
	for (size_t i = 0; i < n; i++)
		check(read(ends[0], &ret_ids[i], sizeof(*ret_ids)) == sizeof(*ret_ids));
	close(ends[0]);
	return pid;
}

static pid_t begin_holder(uint64_t *ret_id)
{
	return begin_holder_of(1, ret_id);
}

static void end_holder(pid_t pid)
{
	check(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

static void move(pid_t pid, const char *file)
{
	char text[32];

	snprintf(text, sizeof(text), "%d", pid);
	check(write_to(file, text));
}

static void freeze(bool wanted)
{
	check(write_to("cgroup.freeze", wanted ? "1" : "0"));
	until(is_frozen(wanted));
}

static bool is_draining(uint64_t id)
{
	char state[32];

	get_property(admin, id, "State", state, sizeof(state));
	return !strcmp(state, "draining");
}

static void await_words(const char *format, pid_t pid)
{
	char text[100];

	snprintf(text, sizeof(text), format, pid);
	until(world_log_contains(&world, text));
}

static void release(uint64_t id, struct later *ret)
{
	send_later(admin, new_region_call(admin, id, "Release"), ret);
}

static void check_done(struct later *l)
{
	await_answer(admin, l);
	check_text(l->reply.error, "");
}

static void test_before(void)
{
	struct later frozen, silent;
	struct reply r;
	uint64_t id[2];
	pid_t holder[2];
	char text[100];

	for (int i = 0; i < 2; i++)
		holder[i] = begin_holder(&id[i]);
	move(holder[0], "cgroup.procs");
	freeze(true);
	release(id[1], &silent);
	release(id[0], &frozen);
	check_done(&frozen);
	check(still_waits(admin, &silent));
	await_words("pid %d is frozen and cannot answer", holder[0]);
	snprintf(text, sizeof(text), "pid %d is frozen", holder[1]);
	check(!world_log_contains(&world, text));
	check(call_region_number(admin, id[1], "ReleaseWithin", 0, &r));
	check_done(&silent);
	freeze(false);
	for (int i = 0; i < 2; i++)
		end_holder(holder[i]);
}

/* Two of one cgroup, and one that has gone out of it: it is not taken for frozen with them. */
static void test_meanwhile(void)
{
	struct later asked[3];
	struct reply r;
	uint64_t id[3];
	pid_t holder[3];

	for (int i = 0; i < 3; i++) {
		holder[i] = begin_holder(&id[i]);
		move(holder[i], "cgroup.procs");
	}
	for (int i = 0; i < 3; i++)
		release(id[i], &asked[i]);
	for (int i = 0; i < 3; i++) {
		until(is_draining(id[i]));
		check(still_waits(admin, &asked[i]));
	}
	/* a change that is none of freezing: nobody is skipped for it */
	move(holder[2], "../cgroup.procs");
	freeze(true);
	check_done(&asked[0]);
	check_done(&asked[1]);
	for (int i = 0; i < 2; i++)
		await_words("pid %d is frozen and cannot answer", holder[i]);
	check(still_waits(admin, &asked[2]));
	check(call_region_number(admin, id[2], "ReleaseWithin", 0, &r));
	check_done(&asked[2]);
	freeze(false);
	for (int i = 0; i < 3; i++)
		end_holder(holder[i]);
}

/* It was frozen and thawed while nobody asked it: it answers, and is waited for like any other. */
static void test_thawed(void)
{
	struct later asked;
	uint64_t id;
	pid_t holder = begin_holder(&id);

	move(holder, "cgroup.procs");
	freeze(true);
	freeze(false);
	release(id, &asked);
	until(is_draining(id));
	check(still_waits(admin, &asked));
	freeze(true);
	check_done(&asked);
	await_words("pid %d is frozen and cannot answer", holder);
	freeze(false);
	end_holder(holder);
}

/* Of as many regions as one may have; one that was asked before them shows that no grace is over. */
static void test_many(void)
{
	static struct later asked[MANY];
	uint64_t id[MANY], other;
	pid_t holder = begin_holder_of(MANY, id), silent = begin_holder(&other);
	struct later first;
	struct reply r;

	move(holder, "cgroup.procs");
	release(other, &first);
	for (size_t i = 0; i < MANY; i++)
		release(id[i], &asked[i]);
	for (size_t i = 0; i < MANY; i++)
		until(is_draining(id[i]));
	freeze(true);
	for (size_t i = 0; i < MANY; i++)
		check_done(&asked[i]);
	check(still_waits(admin, &first));
	check(call_region_number(admin, other, "ReleaseWithin", 0, &r));
	check_done(&first);
	freeze(false);
	end_holder(holder);
	end_holder(silent);
}

/*
 * A user whose connections hold regions in a crowd, none of which does anything: root has the
 * regions synced all the time, and the looks at the crowd are charged to that user.
 */
static void test_charged(void)
{
	sd_bus *crowd[CROWD], *owner = connect_as(&world, NOBODY);
	struct later sync[SHARED];
	struct reply region[SHARED], r = { 0 };
	int fd = make_memfd(8192);

	for (size_t n = 0; n < SHARED; n++)
		check(register_region(owner, fd, 0, 0, "rw", &region[n], 1, "grace_usec", "t",
				      UINT64_C(1000)));
	for (size_t i = 0; i < CROWD; i++) {
		crowd[i] = connect_as(&world, NOBODY);
		for (size_t n = 0; n < SHARED; n++)
			check(call_region(crowd[i], region[n].id, "Join", &r));
	}
	do {
		for (size_t n = 0; n < SHARED; n++) {
			sd_bus_message *m = new_region_call(admin, region[n].id, "Sync");

			add_options(m, 0);
			send_later(admin, m, &sync[n]);
		}
		for (size_t n = 0; n < SHARED; n++)
			await_answer(admin, &sync[n]);
	} while (call_region(owner, region[0].id, "Join", &r));
	expect_error(&r, "LimitExceeded", "of rdmaregd's time");
	for (size_t i = 0; i < CROWD; i++)
		disconnect(crowd[i]);
	disconnect(owner);
	close(fd);
}

int main(void)
{
	if (geteuid() != 0 || !make_cgroup())
		return SKIP;
	world_begin(&world, "");
	admin = connect_client(&world);
	test_before();
	test_meanwhile();
	test_thawed();
	test_many();
	test_charged();
	until(rmdir(cgroup) == 0);
	disconnect(admin);
	world_end(&world);
	return 0;
}
