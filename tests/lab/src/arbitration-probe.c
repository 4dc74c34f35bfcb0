// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * arbitration-probe.c - what really happens when somebody takes blocks of a registered file: one
 * row of facts for each operation.
 *
 *   arbitration-probe table NAME DIRECTORY GRACE-MSEC [OPERATION...]
 *	Each operation with arbitration "auto", with "pre-content", and with policy hold. Prints tab-separated: filesystem, operation,
 *	who does it (root, user), arbitration, mode, notice (before, after, none), waits (yes, no), result ("ok" or the errno's name)
 *	With PROBE_NO_EVENTS, for kernels that have none, "pre-content" is left out, and hold is tried by root only.
 *   arbitration-probe runs DIRECTORY OPERATION ARBITRATION GRACE-MSEC N [acknowledge]
 *	N times: how long the operation took, in microseconds, and, on the same line, how long without a registration. The shell
 *	commands in PROBE_BEFORE and PROBE_AFTER are run before and after each operation on a registered file (to stop or kill somebody).
 *
 * The region's owner, this program, is asked and stays silent (or acknowledges at once), so an
 * operation that is arbitrated waits for the grace. The operation runs in a process of its own;
 * with $PROBE_UID that process and the files are that user's, and the files nobody else's. What
 * needs root or an NFS mount is left out where there is none (operations.h). Talks to the daemon
 * over the system bus without the library, so that it can be used to test that too.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-bus.h>

#include "names.h"
#include "operations.h"

#define PATIENCE_USEC 30000000u
#define QUIET_USEC \
	700000u /* what comes after the fact comes within this time, if the operation does not say another, */
#define CALM_USEC 500000u /* and what an operation's preparation leads to within this */
#define TRIES 3

static sd_bus *bus;
static char region_path[128];
static bool acknowledges;
static uid_t actor; /* of the operations, and of the files */
/* What was heard of the region since it was registered. */
static struct {
	bool asked;
	bool settled;
	bool changed; /* its length, or a state */
	uint64_t asked_usec;
} heard;

static uint64_t now_usec(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

_Noreturn static void fail(const char *what, int r, const sd_bus_error *e)
{
	fprintf(stderr, "%s: %s\n", what, e && e->message ? e->message : strerror(-r));
	exit(1);
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *member = sd_bus_message_get_member(m);
	uint64_t revocation;

	(void)userdata, (void)error;
	if (strcmp(sd_bus_message_get_path(m), region_path) != 0)
		return 0;
	if (!strcmp(member, "RevocationRequested")) {
		heard.asked = true;
		heard.asked_usec = now_usec();
		if (acknowledges && sd_bus_message_read(m, "t", &revocation) >= 0)
			sd_bus_call_method_async(bus, NULL, RDMAREG_BUS_NAME, region_path,
						 RDMAREG_REGION_INTERFACE, "AckRevocation", NULL,
						 NULL, "t", revocation);
	} else if (!strcmp(member, "RevocationSettled")) {
		heard.settled = true;
	} else if (!strcmp(member, "PropertiesChanged")) {
		heard.changed = true;
	}
	return 0;
}

/* Lets the bus work for at most @usec. */
static void turn(uint64_t usec)
{
	int r = sd_bus_process(bus, NULL);

	if (r == 0)
		r = sd_bus_wait(bus, usec);
	if (r < 0 && r != -EINTR)
		fail("bus", r, NULL);
}

struct registration {
	uint64_t id;
	char mode[32];
};

static int read_mode(sd_bus_message *m, char *out, size_t size)
{
	int r = sd_bus_message_enter_container(m, 'a', "{sv}");

	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		const char *key, *value;

		sd_bus_message_read(m, "s", &key);
		if (!strcmp(key, "ArbitrationMode") && sd_bus_message_read(m, "v", "s", &value) > 0)
			snprintf(out, size, "%s", value);
		else
			sd_bus_message_skip(m, "v");
		r = sd_bus_message_exit_container(m);
	}
	return r;
}

static void register_region(int fd, const char *arbitration, const char *policy,
			    uint64_t grace_usec, struct registration *ret)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	const char *path;
	int r;

	memset(&heard, 0, sizeof(heard));
	*region_path = 0;
	if (!strcmp(policy, "hold"))
		r = sd_bus_call_method(bus, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				       RDMAREG_MANAGER_INTERFACE, "RegisterRegion", &e, &reply,
				       "httsa{sv}", fd, UINT64_C(0), UINT64_C(0), "rw", 2, "policy",
				       "s", policy, "warm", "b", 0);
	else
		r = sd_bus_call_method(bus, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
				       RDMAREG_MANAGER_INTERFACE, "RegisterRegion", &e, &reply,
				       "httsa{sv}", fd, UINT64_C(0), UINT64_C(0), "rw", 4, "policy",
				       "s", policy, "arbitration", "s", arbitration, "grace_usec",
				       "t", grace_usec, "warm", "b", 0);
	if (r < 0 || sd_bus_message_read(reply, "to", &ret->id, &path) < 0 ||
	    read_mode(reply, ret->mode, sizeof(ret->mode)) < 0)
		fail("RegisterRegion", r, &e);
	snprintf(region_path, sizeof(region_path), "%s", path);
	sd_bus_message_unref(reply);
}

static void release(void)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	int r = sd_bus_call_method(bus, RDMAREG_BUS_NAME, region_path, RDMAREG_REGION_INTERFACE,
				   "Release", &e, NULL, NULL);

	if (r < 0)
		fail("Release", r, &e);
}

/* What the process that ran the operation tells. */
struct outcome {
	int error;
	uint64_t began_usec;
	uint64_t ended_usec;
};

static void become_actor(void)
{
	if (actor && (setgroups(0, NULL) < 0 || setresgid(actor, actor, actor) < 0 ||
		      setresuid(actor, actor, actor) < 0))
		fail("PROBE_UID", -errno, NULL);
}

static struct outcome run(const struct operation *o, const struct scene *s)
{
	struct outcome out = { .error = -1 };
	int ends[2];
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0 || (child = fork()) < 0)
		fail("fork", -errno, NULL);
	if (!child) {
		become_actor();
		out.began_usec = now_usec();
		out.error = o->run(s, o->argument);
		out.ended_usec = now_usec();
		_exit(write(ends[1], &out, sizeof(out)) != (ssize_t)sizeof(out));
	}
	close(ends[1]);
	for (uint64_t until = now_usec() + PATIENCE_USEC; now_usec() < until;) {
		struct pollfd p[2] = { { .fd = ends[0], .events = POLLIN },
				       { .fd = sd_bus_get_fd(bus), .events = POLLIN } };

		if (sd_bus_process(bus, NULL) > 0)
			continue;
		poll(p, 2, 100);
		if (p[0].revents)
			break;
	}
	if (read(ends[0], &out, sizeof(out)) != (ssize_t)sizeof(out)) {
		kill(child, SIGKILL);
		fail(o->name, -ETIMEDOUT, NULL);
	}
	close(ends[0]);
	waitpid(child, NULL, 0);
	return out;
}

static void set_scene(struct scene *s, const char *directory)
{
	static char path[256], other[256];
	static char block[1 << 16];

	snprintf(path, sizeof(path), "%s/registered", directory);
	snprintf(other, sizeof(other), "%s/other", directory);
	unlink(path);
	unlink(other);
	*s = (struct scene){ .path = path, .other = other };
	/* a daemon that is started meanwhile does not get them */
	s->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	s->other_fd = open(other, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (s->fd < 0 || s->other_fd < 0 || fchown(s->fd, actor, actor) < 0 ||
	    fchown(s->other_fd, actor, actor) < 0)
		fail(path, -errno, NULL);
	memset(block, 0x11, sizeof(block));
	for (uint64_t i = 0; i < OPERATION_SIZE; i += sizeof(block))
		if (pwrite(s->fd, block, sizeof(block), (off_t)i) < 0 ||
		    pwrite(s->other_fd, block, sizeof(block), (off_t)i) < 0)
			fail(path, -errno, NULL);
	fsync(s->fd);
	fsync(s->other_fd);
}

static void clear_scene(struct scene *s)
{
	close(s->fd);
	close(s->other_fd);
	unlink(s->path);
	unlink(s->other);
}

static const char *error_name(int error)
{
	return error ? strerrorname_np(error) : "ok";
}

/* Everything that a revocation leads to is over, or nothing came for a while. */
static void settle(const struct operation *o)
{
	uint64_t quiet_usec = o->quiet_msec ? o->quiet_msec * UINT64_C(1000) : QUIET_USEC;

	for (uint64_t until = now_usec() + (heard.asked ? PATIENCE_USEC : quiet_usec);
	     now_usec() < until;) {
		if (heard.asked ? heard.settled : heard.changed)
			return;
		turn(20000);
	}
}

static void wait_usec(uint64_t usec)
{
	for (uint64_t until = now_usec() + usec; now_usec() < until;)
		turn(20000);
}

/*
 * What is said of whoever was prepared (the region names an overlay, a server) is not what the
 * operation leads to.
 */
static void calm(const struct operation *o)
{
	if (!o->prepare && o->needs == NEEDS_NOTHING)
		return;
	wait_usec(CALM_USEC);
	memset(&heard, 0, sizeof(heard));
}

struct cell {
	struct registration region;
	struct outcome out;
	const char *notice;
	bool waits;
};

static struct cell try_cell(const struct operation *o, const char *directory,
			    const char *arbitration, const char *policy, uint64_t grace_usec)
{
	struct cell c = { 0 };
	struct scene s;
	int error;

	set_scene(&s, directory);
	error = o->prepare ? o->prepare(&s) : 0;
	/*
	 * the region has a descriptor of its own: what is done through s.fd is done by somebody
	 * else
	 */
	register_region(s.fd, arbitration, policy, grace_usec, &c.region);
	calm(o);
	if (error)
		c.out.error = error;
	else
		c.out = run(o, &s);
	c.notice = heard.asked && heard.asked_usec < c.out.ended_usec ? "before" : NULL;
	if (!c.out.error || heard.asked)
		settle(o);
	if (!c.notice)
		c.notice = heard.asked || heard.changed ? "after" : "none";
	c.waits = c.out.ended_usec - c.out.began_usec >= grace_usec / 10 * 9;
	if (o->undo) {
		o->undo(&s);
		wait_usec(o->quiet_msec *
			  UINT64_C(1000)); /* so that it is not said of the next one */
	}
	release();
	clear_scene(&s);
	return c;
}

static void print_cell(const char *filesystem, const struct operation *o, const char *directory,
		       const char *arbitration, const char *policy, uint64_t grace_usec)
{
	struct cell c;

	/*
	 * a busy machine can make an operation look as if it had waited; what waits does so twice
	 * as long with twice the grace
	 */
	for (unsigned int i = 0; i < TRIES; i++) {
		c = try_cell(o, directory, arbitration, policy, i ? 2 * grace_usec : grace_usec);
		if (!c.waits || !strcmp(c.notice, "before"))
			break;
	}
	printf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", filesystem, o->name, actor ? "user" : "root",
	       !strcmp(policy, "hold") ? "hold" : arbitration, c.region.mode, c.notice,
	       c.waits ? "yes" : "no", error_name(c.out.error));
	fflush(stdout);
}

static bool is_set(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value;
}

static bool can_run(const struct operation *o)
{
	switch (o->needs) {
	case NEEDS_ROOT:
		return !actor;
	case NEEDS_SERVED:
		return is_set("PROBE_SERVED");
	case NEEDS_BENEATH:
		return is_set("PROBE_BENEATH");
	default:
		return true;
	}
}

/* Those that are named; if none is, all that can be run and that the filesystem may know. */
static bool is_wanted(const struct operation *o, const char *filesystem, char **names)
{
	if (!*names)
		return can_run(o) && (!o->only_on || !strcmp(o->only_on, filesystem));
	for (; *names; names++)
		if (!strcmp(*names, o->name))
			return can_run(o);
	return false;
}

static int table(char **arguments)
{
	const char *name = arguments[0], *directory = arguments[1];
	uint64_t grace_usec = strtoull(arguments[2], NULL, 10) * 1000;

	for (unsigned int i = 0; i < n_operations; i++) {
		const struct operation *o = &operations[i];

		if (!is_wanted(o, name, arguments + 3))
			continue;
		print_cell(name, o, directory, "auto", "yield", grace_usec);
		if (!is_set("PROBE_NO_EVENTS"))
			print_cell(name, o, directory, "pre-content", "yield", grace_usec);
		if (!actor || !is_set("PROBE_NO_EVENTS"))
			print_cell(name, o, directory, "pre-content", "hold", grace_usec);
	}
	return 0;
}

/* 0: it cannot be told now. 1: its state is @state. */
static int has_state(const char *state)
{
	char *now = NULL;
	int r = sd_bus_get_property_string(bus, RDMAREG_BUS_NAME, region_path,
					   RDMAREG_REGION_INTERFACE, "State", NULL, &now);
	bool same = r >= 0 && !strcmp(now, state);

	free(now);
	return same;
}

static void wait_until_live(void)
{
	for (uint64_t until = now_usec() + PATIENCE_USEC; !has_state("live");) {
		if (now_usec() > until)
			fail("waiting for the region to be live", -ETIMEDOUT, NULL);
		turn(20000);
	}
}

static void shell(const char *variable)
{
	const char *command = getenv(variable);

	if (command && system(command) != 0)
		fail(command, -ECHILD, NULL);
}

static int runs(char **arguments)
{
	const struct operation *o = operation_find(arguments[1]);
	uint64_t grace_usec = strtoull(arguments[3], NULL, 10) * 1000,
		 n = strtoull(arguments[4], NULL, 10);

	acknowledges = arguments[5] && !strcmp(arguments[5], "acknowledge");
	if (!o)
		return 2;
	for (uint64_t i = 0; i < n; i++) {
		struct registration g = { 0 };
		struct outcome with, without;
		struct scene s;

		set_scene(&s, arguments[0]);
		without = run(o, &s);
		clear_scene(&s);
		set_scene(&s, arguments[0]);
		register_region(s.fd, arguments[2], "yield", grace_usec, &g);
		shell("PROBE_BEFORE");
		with = run(o, &s);
		shell("PROBE_AFTER");
		wait_until_live();
		printf("%" PRIu64 " %" PRIu64 " %s\n", with.ended_usec - with.began_usec,
		       without.ended_usec - without.began_usec, error_name(with.error));
		fflush(stdout);
		release();
		clear_scene(&s);
	}
	return 0;
}

int main(int argc, char *argv[])
{
	const char *uid = getenv("PROBE_UID");
	int r = sd_bus_open_system(&bus);

	actor = uid ? (uid_t)atoi(uid) : 0;
	if (r < 0)
		fail("system bus", r, NULL);
	r = sd_bus_add_match(bus, NULL, "type='signal',sender='" RDMAREG_BUS_NAME "'", on_signal,
			     NULL);
	if (r < 0)
		fail("match", r, NULL);
	if (argc >= 5 && !strcmp(argv[1], "table"))
		return table(argv + 2);
	if (argc >= 7 && !strcmp(argv[1], "runs"))
		return runs(argv + 2);
	fprintf(stderr, "see the head of arbitration-probe.c for how to call it\n");
	return 2;
}
