// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-revoke.c - keep peers out of a region while a command runs, or until it is enough.
 *
 * What always holds: the region is open again when this ends, however it ends, since the daemon
 * gives it back with the connection. Exit status 0 means that it was closed all the time: when it
 * was given back before, that is said at once, and is the exit status unless the command has a
 * worse one.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "format.h"

extern char **environ;

struct options {
	uint64_t grace_usec, for_usec;
	struct range range;
};

static const struct option_spec specs[] = {
	{ "grace", ARG_GRACE, offsetof(struct options, grace_usec), "TIME",
	  "how long to wait for holders (the region's own)" },
	{ "range", ARG_RANGE, offsetof(struct options, range), "OFFSET:LENGTH",
	  "only this range of the region (all of it)" },
	{ "for", ARG_TIME, offsetof(struct options, for_usec), "TIME",
	  "let peers in again after this time (the longest allowed)" },
	{ NULL },
};

struct closed {
	uint64_t region, revocation;
	bool limited;	      /* --for: its end is no surprise */
	const char *over;     /* why it is open again; NULL: it is not */
	enum rdmareg_end end; /* why it is gone; 0: it is not */
	bool in_time;	      /* that was the end of --for */
	pid_t command;	      /* 0: none */
	int command_fd;	      /* readable when it has ended */
};

static int on_event(struct ctl *ctl, const struct rdmareg_event *e, void *userdata)
{
	struct closed *k = userdata;

	(void)ctl;
	if (k->over)
		return EVENTS_GO_ON;
	switch (e->type) {
	case RDMAREG_EVENT_REVOCATION_SETTLED:
		/*
		 * An earlier one is another's. A later one took the place of ours, and is over for
		 * both.
		 */
		if (e->revocation.id < k->revocation)
			return EVENTS_GO_ON;
		k->over = "its time was up";
		k->in_time = k->limited;
		break;
	case RDMAREG_EVENT_REGION_REMOVED:
		k->over = "it ended";
		k->end = e->end;
		break;
	case RDMAREG_EVENT_DAEMON_LOST:
		k->over = "rdmaregd stopped";
		break;
	case RDMAREG_EVENT_DISCONNECTED:
		k->over = "the connection to the bus is gone";
		break;
	default:
		return EVENTS_GO_ON;
	}
	if (!k->in_time || k->command)
		ctl_error(EXIT_FAILED, "region %" PRIu64 " was given back%s: %s%s%s%s", k->region,
			  k->command ? " while the command runs" : "", k->over, k->end ? " (" : "",
			  k->end ? rdmareg_end_name(k->end) : "", k->end ? ")" : "");
	return EXIT_OK;
}

static int start(struct closed *k, char **command, const sigset_t *mask)
{
	posix_spawnattr_t attributes;
	sigset_t defaults;
	int r;

	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setsigmask(&attributes, mask);
	posix_spawnattr_setsigdefault(&attributes, &defaults);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	r = posix_spawnp(&k->command, command[0], NULL, &attributes, command, environ);
	posix_spawnattr_destroy(&attributes);
	if (r) {
		k->command = 0;
		return ctl_error(r == ENOENT ? 127 : 126, "running %s: %s", command[0],
				 strerror(r));
	}
	k->command_fd = pidfd_open(k->command, 0);
	return k->command_fd < 0
		       ? ctl_error(EXIT_FAILED, "waiting for %s: %s", command[0], strerror(errno))
		       : EXIT_OK;
}

/*
 * A terminal's signal reaches the command by itself; one that was sent to us is passed on. True:
 * stop waiting.
 */
static bool take_signal(const struct closed *k, int fd)
{
	struct signalfd_siginfo s;

	if (read(fd, &s, sizeof(s)) != sizeof(s))
		return false;
	if (!k->command)
		return true;
	if (s.ssi_code != SI_KERNEL)
		kill(k->command, (int)s.ssi_signo);
	return false;
}

/* True: a line was read, or nothing will come any more, and nothing else says when it is enough. */
static bool take_input(const struct closed *k, struct pollfd *input)
{
	char text[4096];
	ssize_t n = read(input->fd, text, sizeof(text));

	if (n > 0)
		return memchr(text, '\n', (size_t)n);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return false;
	input->fd = -1;
	return !k->limited;
}

static void wait_for_end(struct ctl *ctl, struct closed *k, int signal_fd)
{
	enum { BUS, SIGNAL, END };
	struct pollfd fds[] = {
		[BUS] = { .fd = rdmareg_get_fd(ctl->context), .events = POLLIN },
		[SIGNAL] = { .fd = signal_fd, .events = POLLIN },
		[END] = { .fd = k->command ? k->command_fd : STDIN_FILENO, .events = POLLIN },
	};

	for (;;) {
		events_take(ctl, k->region, on_event, k);
		if (k->over && !k->command)
			return;
		if (poll(fds, 3, -1) < 0)
			continue; /* interrupted */
		if (fds[SIGNAL].revents && take_signal(k, signal_fd))
			return;
		if (fds[END].revents && (k->command || take_input(k, &fds[END])))
			return;
	}
}

static int command_status(const struct closed *k)
{
	int status;

	if (waitpid(k->command, &status, 0) < 0)
		return EXIT_FAILED;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void say_closed(const struct ctl *ctl, const struct closed *k, bool command)
{
	if (ctl->json) {
		json_object *o = json_object_new_object();

		json_object_object_add(o, "id", json_object_new_uint64(k->region));
		json_object_object_add(o, "revocation", json_object_new_uint64(k->revocation));
		ctl_print_json(o);
	} else if (!command) {
		printf("region %" PRIu64 " is closed, revocation %" PRIu64 "\n", k->region,
		       k->revocation);
		fflush(stdout);
		if (isatty(STDIN_FILENO))
			fputs("Enter gives it back\n", stderr);
	}
}

/* The region is closed: run the command or wait, and give it back. */
static int keep(struct ctl *ctl, struct rdmareg_region *region, struct closed *k, char **command)
{
	int signal_fd, r, status = EXIT_OK;
	sigset_t mask;

	sigprocmask(SIG_BLOCK, NULL, &mask);
	signal_fd = events_signal_fd();
	if (signal_fd < 0)
		return EXIT_FAILED;
	say_closed(ctl, k, *command);
	if (*command)
		status = start(k, command, &mask);
	if (!status)
		wait_for_end(ctl, k, signal_fd);
	if (k->command)
		status = command_status(k);
	/* What was given back while the last of it ran must not be missed. */
	events_take(ctl, k->region, on_event, k);
	if (!k->over) {
		r = rdmareg_restore(region, k->revocation);
		if (r < 0 && (r != -ESTALE || !k->limited || k->command)) {
			r = ctl_failed(r);
			status = status ? status : r;
		}
	} else if (!status && (!k->in_time || k->command)) {
		status = EXIT_FAILED;
	}
	return status;
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct rdmareg_revoke_options ro = {
		.size = sizeof(ro),
		.grace_usec = o->grace_usec,
		.offset = o->range.offset,
		.length = o->range.length,
		.for_usec = o->for_usec,
	};
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	struct closed k = { .limited = o->for_usec, .command_fd = -1 };
	int r;

	(void)n;
	r = ctl_lookup(ctl, arguments[0], &region);
	if (r)
		return r;
	k.region = rdmareg_region_id(region);
	/* Before the revoking, so that its end is heard of whenever that is. */
	r = rdmareg_subscribe(ctl->context);
	if (r >= 0)
		r = rdmareg_revoke(region, &ro, &k.revocation);
	if (r < 0)
		return ctl_failed(r);
	return keep(ctl, region, &k, arguments + 1);
}

const struct verb verb_revoke = {
	"revoke", "ID [-- COMMAND...]", "keep peers out while a command runs", specs, 1, 4096, run
};
