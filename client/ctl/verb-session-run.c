// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-session-run.c - run a command in a session, with tickets for the files that were given: a
 * launcher for machines without a scheduler.
 *
 * What always holds: the command's environment has the session's name and a folder, and nothing
 * that is secret, and of another user's, who is root, only what root has named; the folder is the user's alone, and a ticket in it is readable for nobody else.
 * The regions are this process's, which is their owner and acknowledges revocations at once, since
 * it has nothing in flight. They end with it, and all else by session-guard.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "session-files.h"
#include "session-guard.h"
#include "verb-session.h"

#define USER_PATH "/usr/local/bin:/usr/bin:/bin" /* as login.defs(5) has it for users */

struct options {
	struct texts files, keep;
	const char *user, *session;
	struct rdmareg_session_limits limits;
	uint64_t grace_usec, limit_usec;
};

_Static_assert(sizeof(struct options) <= OPTIONS_BYTES, "main() has room for them");

static const struct option_spec specs[] = {
	{ "file", ARG_LIST, offsetof(struct options, files), "FILE",
	  "PATH[:r|rw][,warm][,name=NAME][,policy=...][,grace=TIME]: register it; "
	  "its ticket is in $RDMAREG_TICKET_FOLDER" },
	{ "uid", ARG_TEXT, offsetof(struct options, user), "USER",
	  "run the command as this user, in that account's environment (the caller)" },
	{ "keep-env", ARG_LIST, offsetof(struct options, keep), "NAME",
	  "with --uid: hand this variable of the caller to the command" },
	{ "session", ARG_TEXT, offsetof(struct options, session), "NAME",
	  "tenant session (a new one)" },
	{ "device", ARG_TEXT, offsetof(struct options, limits.device), "DEVICE",
	  "RDMA device that its keepers use (rdmaregd.conf)" },
	SESSION_LIMITS_SPECS(struct options, limits),
	{ "grace", ARG_GRACE, offsetof(struct options, grace_usec), "TIME",
	  "in the end, wait no longer than this for holders" },
	{ "limit", ARG_GRACE, offsetof(struct options, limit_usec), "TIME",
	  "in the end, wait no longer than this for all" },
	{ NULL },
};

struct run {
	struct rdmareg *context;
	char folder[PATH_MAX];
	const char *session;
	const struct texts *keep; /* variables of the caller, if the command is another user's */
	int folder_fd;
	int signals;	     /* signalfd */
	sigset_t mask;	     /* as it was, for the command */
	pid_t child;	     /* 0: not started, or over */
	int ended;	     /* as waitpid(2) has it */
	uint32_t caught;     /* a signal before the command was started */
	uint32_t foreground; /* the process that started it, to see that it is gone */
};

/* Those that are passed on. What stops a process stops this one too, as every shell expects. */
static const int passed[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };

static int catch_signals(struct run *x)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		sigaddset(&set, passed[i]);
	sigprocmask(SIG_BLOCK, &set, &x->mask);
	x->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return x->signals < 0 ? ctl_error(EXIT_FAILED, "signalfd: %s", strerror(errno)) : EXIT_OK;
}

static void take_signals(struct run *x)
{
	struct signalfd_siginfo s;

	while (read(x->signals, &s, sizeof(s)) == sizeof(s)) {
		if (s.ssi_signo == SIGCHLD)
			continue;
		if (!x->child)
			x->caught = s.ssi_signo;
		else if (s.ssi_code != SI_KERNEL) /* a terminal's the command got as well */
			kill(x->child, (int)s.ssi_signo);
	}
	if (x->child > 0 && waitpid(x->child, &x->ended, WNOHANG) == x->child)
		x->child = 0;
}

static void take_events(struct run *x)
{
	struct rdmareg_event e = { .size = sizeof(e) };

	if (rdmareg_dispatch(x->context) < 0)
		return;
	while (rdmareg_next_event(x->context, &e) > 0) {
		if (e.type == RDMAREG_EVENT_REVOCATION_REQUESTED)
			rdmareg_acknowledge(x->context, e.region, e.revocation.id);
		else if (e.type == RDMAREG_EVENT_REGION_REMOVED)
			ctl_error(EXIT_OK, "region %" PRIu64 " ended: %s", e.region,
				  rdmareg_end_name(e.end));
		else if (e.type == RDMAREG_EVENT_DISCONNECTED)
			ctl_error(EXIT_OK, "the connection to the bus is gone, and with it the "
					   "regions of this command");
	}
}

/* Something happened. */
static void step(struct run *x)
{
	struct pollfd fds[] = { { .fd = x->signals, .events = POLLIN },
				{ .fd = rdmareg_get_fd(x->context), .events = POLLIN } };

	if (poll(fds, 2, -1) < 0)
		return;
	if (fds[0].revents)
		take_signals(x);
	if (fds[1].revents)
		take_events(x);
}

static int make_folder(struct run *x, bool own)
{
	const char *base = own ? getenv("XDG_RUNTIME_DIR") : NULL;

	if (!base || *base != '/' || access(base, W_OK) < 0)
		base = "/tmp";
	if (snprintf(x->folder, sizeof(x->folder), "%s/rdmareg-run-XXXXXX", base) >=
	    (int)sizeof(x->folder))
		return ctl_error(EXIT_FAILED, "%s: the name is too long", base);
	if (!mkdtemp(x->folder))
		return ctl_error(EXIT_FAILED, "making a folder in %s: %s", base, strerror(errno));
	x->folder_fd = open(x->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return x->folder_fd < 0
		       ? ctl_error(EXIT_FAILED, "opening %s: %s", x->folder, strerror(errno))
		       : EXIT_OK;
}

static int write_ticket(const struct run *x, const char *name, const char *ticket)
{
	int fd = openat(x->folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0600);
	int r = fd < 0 || fchmod(fd, 0600) < 0 || dprintf(fd, "%s\n", ticket) < 0 ? errno : 0;

	if (fd >= 0 && close(fd) < 0 && !r)
		r = errno;
	return r ? ctl_error(EXIT_FAILED, "writing %s/%s: %s", x->folder, name, strerror(r))
		 : EXIT_OK;
}

/* Until it is over, or a signal says that nobody waits for it any more. */
static int warm(struct run *x, struct rdmareg_region *region, const struct session_file *f)
{
	struct rdmareg_job_info info = { .size = sizeof(info), .state = RDMAREG_JOB_RUNNING };
	bool writes = f->warm_mode == RDMAREG_WARM_WRITE && f->access == RDMAREG_ACCESS_READ_WRITE;
	struct rdmareg_job *job;
	int r = rdmareg_start_prefetch(region, 0, 0, writes, &job);

	if (r < 0)
		return ctl_failed_about(f->path, r);
	for (;;) {
		rdmareg_job_get_info(job, &info);
		if (info.state != RDMAREG_JOB_RUNNING || x->caught)
			break;
		step(x);
	}
	if (x->caught)
		r = 128 + (int)x->caught;
	else if (info.state != RDMAREG_JOB_DONE)
		r = ctl_error(EXIT_FAILED, "%s: it did not become warm: %s", f->path, info.message);
	rdmareg_job_free(job);
	return r;
}

static int add_file(struct run *x, const struct session_file *f)
{
	const struct rdmareg_register_options o = {
		.size = sizeof(o),
		.session = x->session,
		.policy = f->policy,
		.grace_usec = f->grace_usec,
		.warm_mode = f->warm_mode,
		.no_warm = 1,
		.name = f->named ? f->name : NULL,
	};
	bool writes = f->access == RDMAREG_ACCESS_READ_WRITE;
	_cleanup_(text_cleanup) char *ticket = NULL;
	struct rdmareg_region *region;
	int fd, r;

	fd = open(f->path, (writes ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return ctl_not_opened(f->path, writes ? "for reading and writing" : "for reading");
	r = rdmareg_register(x->context, fd, 0, 0, f->access, &o, &region);
	close(fd);
	if (r >= 0)
		r = rdmareg_export(region, NULL, &ticket);
	if (r < 0)
		return ctl_failed(r);
	r = write_ticket(x, f->name, ticket);
	return r || !f->warm ? r : warm(x, region, f);
}

/* What root has in its environment is none of a user's business. */
static void set_environment(uint32_t uid, const struct texts *keep)
{
	const struct passwd *p = getpwuid(uid);
	const char *kept[TEXTS_MAX];

	if (!p)
		_exit(ctl_error(EXIT_FAILED, "user id %" PRIu32 " has no account any more", uid));
	for (size_t i = 0; i < keep->n; i++)
		kept[i] = getenv(keep->all[i]);
	clearenv();
	setenv("HOME", p->pw_dir, 1);
	setenv("USER", p->pw_name, 1);
	setenv("LOGNAME", p->pw_name, 1);
	setenv("SHELL", *p->pw_shell ? p->pw_shell : "/bin/sh", 1);
	setenv("PATH", USER_PATH, 1);
	for (size_t i = 0; i < keep->n; i++)
		if (kept[i])
			setenv(keep->all[i], kept[i], 1);
}

static _Noreturn void become(const struct run *x, char **command, uint32_t uid, bool own)
{
	/* With the regions gone there is nothing left for it to do. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != (pid_t)x->foreground)
		_exit(EXIT_FAILED);
	if (!own) {
		/* nor is what it has open */
		close_range(STDERR_FILENO + 1, UINT32_MAX, 0);
		set_environment(uid, x->keep);
	}
	setenv("RDMAREG_SESSION", x->session, 1);
	setenv("RDMAREG_TICKET_FOLDER", x->folder, 1);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &x->mask, NULL);
	execvp(command[0], command);
	_exit(ctl_error(errno == ENOENT ? 127 : 126, "%s: %s", command[0], strerror(errno)));
}

static int run_command(struct run *x, char **command, uint32_t uid, bool own)
{
	x->foreground = (uint32_t)getpid();
	if (x->caught)
		return 128 + (int)x->caught;
	x->child = fork();
	if (!x->child)
		become(x, command, uid, own);
	if (x->child < 0)
		return ctl_error(EXIT_FAILED, "starting %s: %s", command[0], strerror(errno));
	while (x->child)
		step(x);
	return WIFEXITED(x->ended) ? WEXITSTATUS(x->ended) : 128 + WTERMSIG(x->ended);
}

/* As the session's user: register all, run the command. */
static int in_session(struct run *x, const struct session_guard *g,
		      const struct session_file *files, size_t n, uint32_t uid, char **command)
{
	const struct rdmareg_open_options o = { .size = sizeof(o) };
	bool own = uid == geteuid();
	int r = session_become(uid);

	if (!r)
		r = make_folder(x, own);
	if (r)
		return r;
	session_guard_folder(g, x->folder);
	r = rdmareg_open(&o, &x->context);
	if (r < 0)
		return ctl_failed(r);
	for (size_t i = 0; !r && i < n; i++)
		r = add_file(x, &files[i]);
	return r ? r : run_command(x, command, uid, own);
}

static int check_kept(const struct options *o)
{
	if (o->keep.n && !o->user)
		return ctl_error(EXIT_USAGE, "session run: --keep-env is for --uid: without it the "
					     "command has all of the caller's environment");
	for (size_t i = 0; i < o->keep.n; i++)
		if (strchr(o->keep.all[i], '='))
			return ctl_error(EXIT_USAGE,
					 "session run: --keep-env '%s' is no variable's name",
					 o->keep.all[i]);
	return EXIT_OK;
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	struct options o = *(const struct options *)options;
	const struct rdmareg_session_limits none = { .size = sizeof(none) };
	struct run x = { .folder_fd = -1, .signals = -1, .keep = &o.keep };
	struct session_file *files = NULL;
	struct session_guard g;
	struct session_plan plan = { .limits = &o.limits,
				     .grace_usec = o.grace_usec,
				     .limit_usec = o.limit_usec,
				     .named = o.session != NULL };
	char name[48];
	int r, end;

	(void)ctl, (void)n;
	o.limits.size = sizeof(o.limits);
	plan.limited = memcmp(&o.limits, &none, sizeof(none)) != 0;
	snprintf(name, sizeof(name), "run-%d-%lx", getpid(), (unsigned long)time(NULL));
	plan.name = x.session = o.session ? o.session : name;
	r = check_kept(&o);
	if (!r)
		r = session_files_read(&o.files, &files);
	if (!r)
		r = session_user(o.user, &plan.uid);
	if (!r && plan.uid != geteuid() && geteuid())
		r = ctl_error(EXIT_DENIED,
			      "session run: only root runs a command as another user (--uid %s)",
			      o.user);
	if (!r)
		r = catch_signals(&x);
	if (!r)
		r = session_guard_begin(&plan, &g);
	if (r) {
		free(files);
		return r;
	}
	r = in_session(&x, &g, files, o.files.n, plan.uid, arguments);
	rdmareg_close(x.context); /* the regions are nobody's now, so nobody is waited for */
	end = session_guard_end(&g);
	free(files);
	return r ? r : end;
}

const struct verb verb_session_run = {
	"session run", "-- COMMAND...", "run a command with tickets for files", specs, 1, 1024, run
};
