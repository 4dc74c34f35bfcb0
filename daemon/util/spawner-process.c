// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * spawner-process.c - see spawner.h: the process. It does nothing but fork, so it never waits for
 * more than its next order; what can take time, as looking up groups does, is left to the child.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/macros.h"
#include "util/passed.h"
#include "util/spawner-wire.h"
#include "util/cleanup.h"

#define SOCKET 3 /* where its own is */
#define REPORT 4 /* where a child reports */
#define STACK_SIZE (256 * 1024)

/* An order that was understood. */
struct order {
	const struct spawn_order *wire;
	char *arguments[SPAWN_WORDS_MAX + 1];
	char *environment[SPAWN_WORDS_MAX + 1];
	int socket;
	int report;
};

/* What must not leak into a keeper: it is no service of its own, and not on the daemon's bus. */
static void clean_environment(void)
{
	static const char *const names[] = { "NOTIFY_SOCKET",
					     "WATCHDOG_PID",
					     "WATCHDOG_USEC",
					     "LISTEN_PID",
					     "LISTEN_FDS",
					     "LISTEN_FDNAMES",
					     "JOURNAL_STREAM",
					     "INVOCATION_ID",
					     "DBUS_SESSION_BUS_ADDRESS",
					     "DBUS_SYSTEM_BUS_ADDRESS",
					     "DBUS_STARTER_ADDRESS",
					     "DBUS_STARTER_BUS_TYPE" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		unsetenv(names[i]);
}

static int clean_signals(void)
{
	struct sigaction by_default = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int s = 1; s < _NSIG; s++)
		sigaction(s, &by_default, NULL); /* fails for those that cannot be changed */
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* As much as was set, or, where the daemon may not raise its own limit, as much as that is. */
static void set_memlock(uint64_t bytes)
{
	struct rlimit l = { bytes, bytes };

	if (setrlimit(RLIMIT_MEMLOCK, &l) == 0 || getrlimit(RLIMIT_MEMLOCK, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &l);
}

/* The groups that are named; one that there is not is left out. */
static size_t find_groups(const char *names, gid_t *ret, size_t max)
{
	const struct group *group;
	char copy[sizeof(((struct spawn_order *)0)->groups)], *rest;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", names);
	for (char *name = strtok_r(copy, ",", &rest); name && n < max;
	     name = strtok_r(NULL, ",", &rest)) {
		group = getgrnam(name);
		if (group)
			ret[n++] = group->gr_gid;
	}
	return n;
}

/* Looks names up here, in the child, where a slow directory service holds nobody else up. */
static int become(const struct spawn_order *o, const char **ret_step)
{
	gid_t groups[16];
	size_t n;

	set_memlock(o->memlock_bytes);
	if (geteuid() == 0) {
		n = find_groups(o->groups, groups, ARRAY_SIZE(groups));
		*ret_step = "capabilities";
		for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
			if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 && errno != EPERM)
				return -errno;
		*ret_step = "setgroups";
		if (setgroups(n, groups) < 0)
			return -errno;
		*ret_step = "setresgid";
		if (setresgid(o->runs_as, o->runs_as, o->runs_as) < 0)
			return -errno;
		*ret_step = "setresuid";
		if (setresuid(o->runs_as, o->runs_as, o->runs_as) < 0)
			return -errno;
	}
	*ret_step = "no_new_privs";
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/*
 * The socket at its number, the report at REPORT until the program is executed, and nothing else
 * but 0 to 2.
 */
static int arrange_descriptors(struct order *o)
{
	/* above them first, so that neither dup closes what the other needs */
	int s = fcntl(o->socket, F_DUPFD_CLOEXEC, REPORT + 1),
	    r = fcntl(o->report, F_DUPFD_CLOEXEC, REPORT + 1);

	if (s < 0 || r < 0)
		return -errno;
	close(SOCKET);
	if (dup2(s, o->wire->number) < 0 || dup3(r, REPORT, O_CLOEXEC) < 0)
		return -errno;
	if (o->wire->number == STDIN_FILENO && dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
		return -errno;
	closefrom(REPORT + 1);
	o->report = REPORT;
	return 0;
}

/* That there is a process. False: nobody wants to know. */
static bool report_start(const struct order *o, const struct spawn_report *report)
{
	struct iovec text = { (void *)(uintptr_t)report, sizeof(*report) };
	struct msghdr m = { .msg_iov = &text, .msg_iovlen = 1 };
	union passed_one control;

	pass_descriptor(&m, &control, pidfd_open(report->pid, 0));
	return sendmsg(o->report, &m, MSG_NOSIGNAL) == (ssize_t)sizeof(*report);
}

/* Up to the program. A negative errno, and at which step. */
static int execute(struct order *o, const char **ret_step)
{
	const struct spawn_order *wire = o->wire;
	int r = arrange_descriptors(o);

	*ret_step = "descriptors";
	if (r < 0)
		return r;
	*ret_step = "signals";
	if (clean_signals() < 0)
		return -errno;
	if (wire->inherits_environment)
		clean_environment();
	if (wire->outlives) {
		setsid();
		*ret_step = "chdir";
		if (chdir("/") < 0)
			return -errno;
		r = become(wire, ret_step);
		if (r < 0)
			return r;
		umask(0077);
	}
	*ret_step = "exec";
	execve(o->arguments[0], o->arguments,
	       wire->inherits_environment ? environ : o->environment);
	return -errno;
}

static int run_child(void *userdata)
{
	struct order *o = userdata;
	struct spawn_report report = { .pid = getpid() };
	const char *step;

	if (!report_start(o, &report))
		_exit(1);
	report.error = -execute(o, &step);
	snprintf(report.step, sizeof(report.step), "%s", step);
	send(o->report, &report, sizeof(report), MSG_NOSIGNAL);
	_exit(1);
}

/*
 * The pid, or a negative errno. Who is not to be the daemon's child is this process', which does
 * not wait for it.
 */
static pid_t make_child(struct order *o)
{
	static _Alignas(16) char stack[STACK_SIZE];
	pid_t pid;

	if (o->wire->is_child) {
		pid = clone(run_child, stack + sizeof(stack), CLONE_PARENT | SIGCHLD, o);
		return pid < 0 ? -errno : pid;
	}
	pid = fork();
	if (pid == 0)
		run_child(o);
	return pid < 0 ? -errno : pid;
}

/* False: it is none. */
static bool understand(struct order *ret, char *data, size_t size)
{
	const struct spawn_order *wire = (const struct spawn_order *)data;
	size_t at = sizeof(*wire);

	*ret = (struct order){ .wire = wire };
	if (size < at || !wire->n_arguments || wire->n_arguments > SPAWN_WORDS_MAX ||
	    wire->n_environment > SPAWN_WORDS_MAX || data[size - 1])
		return false;
	for (uint32_t i = 0; i < wire->n_arguments + wire->n_environment; i++) {
		if (at >= size)
			return false;
		if (i < wire->n_arguments)
			ret->arguments[i] = data + at;
		else
			ret->environment[i - wire->n_arguments] = data + at;
		at += strlen(data + at) + 1;
	}
	return true;
}

static void carry_out(char *data, size_t size, int socket, int report)
{
	struct spawn_report failure = { .step = "fork" };
	struct order o;
	pid_t pid;

	if (!understand(&o, data, size))
		return;
	o.socket = socket;
	o.report = report;
	pid = make_child(&o);
	if (pid > 0)
		return;
	failure.error = -pid;
	send(report, &failure, sizeof(failure), MSG_NOSIGNAL);
}

/* False: the daemon has ended. */
static bool serve_one(void)
{
	static _Alignas(8) char data[SPAWN_ORDER_MAX];
	union {
		char space[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr header;
	} control;
	struct iovec text = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &text,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	int fds[2] = { -1, -1 };
	struct cmsghdr *c;
	ssize_t n = recvmsg(SOCKET, &m, MSG_CMSG_CLOEXEC);

	if (n <= 0)
		return n < 0 && errno == EINTR;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(fds)))
		memcpy(fds, CMSG_DATA(c), sizeof(fds));
	if (fds[1] >= 0)
		carry_out(data, (size_t)n, fds[0], fds[1]);
	closep(&fds[0]);
	closep(&fds[1]);
	return true;
}

_Noreturn void spawner_run(int socket)
{
	sigset_t all;

	/* who ends the daemon, or all of a terminal's processes, ends this one by that */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal(SIGCHLD, SIG_IGN); /* nobody waits for those */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "rdmareg-spawner");
	if (socket != SOCKET && dup3(socket, SOCKET, O_CLOEXEC) < 0)
		_exit(1);
	closefrom(SOCKET + 1);
	while (serve_one())
		;
	_exit(0);
}
