// SPDX-License-Identifier: GPL-2.0-or-later
/* spawner.c - see spawner.h: the daemon's side. */
#include "util/spawner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "util/spawner-wire.h"
#include "util/cleanup.h"

struct spawner {
	int socket;
	struct event *ended;
	void (*lost)(void *userdata);
	void *userdata;
};

struct spawned {
	int report;
	struct event *readable;
	bool told; /* that it is there */
	const struct spawned_ops *ops;
	void *userdata;
	char program[256];
};

int spawner_new(struct spawner **ret)
{
	struct spawner *s = calloc(1, sizeof(*s));
	int pair[2];
	pid_t pid;

	if (!s)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		free(s);
		return -errno;
	}
	pid = fork();
	if (pid == 0) {
		close(pair[0]);
		spawner_run(pair[1]);
	}
	close(pair[1]);
	s->socket = pair[0];
	if (pid < 0) {
		spawner_free(s);
		return -EAGAIN;
	}
	*ret = s;
	return 0;
}

struct spawner *spawner_free(struct spawner *s)
{
	if (!s)
		return NULL;
	close(s->socket);
	free(s);
	return NULL;
}

void spawner_unwatch(struct spawner *s)
{
	if (s->ended)
		event_free(s->ended);
	s->ended = NULL;
}

/* It says nothing of itself: this is its end. */
static void on_ended(evutil_socket_t fd, short what, void *userdata)
{
	struct spawner *s = userdata;

	(void)fd, (void)what;
	spawner_unwatch(s);
	s->lost(s->userdata);
}

int spawner_watch(struct spawner *s, struct event_base *base, void (*lost)(void *userdata),
		  void *userdata)
{
	s->lost = lost;
	s->userdata = userdata;
	s->ended = event_new(base, s->socket, EV_READ, on_ended, s);
	return s->ended && event_add(s->ended, NULL) == 0 ? 0 : -ENOMEM;
}

/* --- what it made */

struct spawned *spawned_free(struct spawned *p)
{
	if (!p)
		return NULL;
	if (p->readable)
		event_free(p->readable);
	closep(&p->report);
	free(p);
	return NULL;
}

DEFINE_FREEP(struct spawned, spawned_free)

/* Bytes; 0 at the end. */
static ssize_t receive(const struct spawned *p, struct spawn_report *ret, int *ret_pidfd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	struct iovec text = { ret, sizeof(*ret) };
	struct msghdr m = { .msg_iov = &text,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(p->report, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	*ret_pidfd = -1;
	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(ret_pidfd, CMSG_DATA(c), sizeof(int));
	return n;
}

static void tell_failed(const struct spawned *p, const char *step, int error)
{
	struct failure why;

	fail(&why, -ECHILD, "%s could not be started: %.*s%s%s", p->program,
	     (int)sizeof(((struct spawn_report *)0)->step), step, error ? ": " : "",
	     error ? strerror(error) : "");
	p->ops->failed(p->userdata, &why);
}

/*
 * One report. 1: there may be another one, 0: not now, or no more; -1: it failed, and may be freed
 * by now.
 */
static int take_report(struct spawned *p)
{
	struct spawn_report report;
	int pidfd;
	ssize_t n = receive(p, &report, &pidfd);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n != (ssize_t)sizeof(report)) {
		event_del(p->readable);
		if (p->told)
			return 0;
		tell_failed(p, "the process that makes others does not make it", 0);
		return -1;
	}
	if (report.error) {
		closep(&pidfd);
		event_del(p->readable);
		tell_failed(p, report.step, report.error);
		return -1;
	}
	p->told = true;
	p->ops->started(p->userdata, report.pid, pidfd);
	return 1;
}

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	take_report(userdata);
}

bool spawned_look(struct spawned *p)
{
	int r = p ? 1 : 0;

	while (r > 0)
		r = take_report(p);
	return r == 0;
}

/* --- orders */

static uint32_t put_words(char **at, const char *end, const char *const *words)
{
	uint32_t n = 0;

	for (; words && words[n]; n++) {
		size_t size = strlen(words[n]) + 1;

		if (n == SPAWN_WORDS_MAX || size > (size_t)(end - *at))
			return UINT32_MAX;
		memcpy(*at, words[n], size);
		*at += size;
	}
	return n;
}

/* @ret: SPAWN_ORDER_MAX bytes */
static int write_order(struct spawn_order *ret, size_t *ret_size, const struct spawner_order *order)
{
	const struct spawner_identity *i = order->outlives;
	char *at = ret->words;
	const char *end = (const char *)ret + SPAWN_ORDER_MAX;

	memset(ret, 0, sizeof(*ret));
	ret->number = order->number;
	ret->outlives = i != NULL;
	ret->is_child = order->is_child;
	ret->inherits_environment = !order->environment;
	if (i) {
		ret->runs_as = i->runs_as;
		ret->memlock_bytes = i->memlock_bytes;
		snprintf(ret->groups, sizeof(ret->groups), "%s", i->groups);
	}
	ret->n_arguments = put_words(&at, end, order->argv);
	ret->n_environment = put_words(&at, end, order->environment);
	if (ret->n_arguments == UINT32_MAX || ret->n_environment == UINT32_MAX)
		return -E2BIG;
	*ret_size = (size_t)(at - (const char *)ret);
	return 0;
}

static int send_order(const struct spawner *s, const struct spawner_order *order, int report)
{
	_Alignas(struct spawn_order) char data[SPAWN_ORDER_MAX];
	union {
		char space[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr header;
	} control = { 0 };
	const int fds[2] = { order->socket, report };
	struct iovec text = { data, 0 };
	struct msghdr m = { .msg_iov = &text,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control.space) };
	int r = write_order((struct spawn_order *)data, &text.iov_len, order);

	if (r < 0)
		return r;
	control.header = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(fds)),
					   .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.header), fds, sizeof(fds));
	return sendmsg(s->socket, &m, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int spawner_start(struct spawned **ret, struct spawner *s, struct event_base *base,
		  const struct spawner_order *order, const struct spawned_ops *ops, void *userdata)
{
	_cleanup_(spawned_freep) struct spawned *p = calloc(1, sizeof(*p));
	_cleanup_(closep) int theirs = -1;
	int pair[2], r;

	if (!p)
		return -ENOMEM;
	p->report = -1;
	p->ops = ops;
	p->userdata = userdata;
	snprintf(p->program, sizeof(p->program), "%s", order->argv[0]);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	p->report = pair[0];
	theirs = pair[1];
	p->readable = event_new(base, p->report, EV_READ | EV_PERSIST, on_readable, p);
	if (!p->readable || event_add(p->readable, NULL) < 0)
		return -ENOMEM;
	r = send_order(s, order, theirs);
	if (r < 0)
		return r;
	*ret = steal_pointer(p);
	return 0;
}
