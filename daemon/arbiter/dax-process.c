// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dax-process.c - see dax-process.h. What always holds: the process ends when its socket ends,
 * unless a device was made and not kept. Nobody has to wait for it (spawner.h).
 */
#include "arbiter/dax-process.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "util/spawner.h"
#include "util/cleanup.h"

struct dax_process {
	struct event *event;
	int socket;
	struct spawned *process;
	struct dax_answer answer;
	int fd; /* that came with it, or -1 */
	dax_done_t *done;
	void *userdata;
};

struct dax_process *dax_process_abandon(struct dax_process *p)
{
	if (!p)
		return NULL;
	if (p->event)
		event_free(p->event);
	spawned_free(p->process);
	closep(&p->socket);
	closep(&p->fd);
	free(p);
	return NULL;
}

DEFINE_FREEP(struct dax_process, dax_process_abandon)

/* Bytes received; 0: the process has ended. */
static ssize_t receive(struct dax_process *p)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec text = { &p->answer, sizeof(p->answer) };
	struct msghdr m = { .msg_iov = &text,
			    .msg_iovlen = 1,
			    .msg_control = control,
			    .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(p->socket, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int))) {
		closep(&p->fd);
		memcpy(&p->fd, CMSG_DATA(c), sizeof(int));
	}
	return n;
}

static void finish(struct dax_process *p)
{
	p->done(p->userdata, &p->answer, steal_fd(&p->fd));
	dax_process_abandon(p);
}

static void on_readable(evutil_socket_t socket, short what, void *userdata)
{
	struct dax_process *p = userdata;
	ssize_t n = receive(p);

	(void)socket, (void)what;
	if (n == sizeof(p->answer) || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return;		       /* and then it ends */
	if (!spawned_look(p->process)) /* that told why */
		return;
	p->answer.name[sizeof(p->answer.name) - 1] = p->answer.text[sizeof(p->answer.text) - 1] = 0;
	finish(p);
}

static void on_started(void *userdata, pid_t pid, int pidfd)
{
	(void)userdata, (void)pid;
	closep(&pidfd);
}

static void on_failed(void *userdata, const struct failure *why)
{
	struct dax_process *p = userdata;

	snprintf(p->answer.text, sizeof(p->answer.text), "%.*s", (int)sizeof(p->answer.text) - 1,
		 why->text);
	finish(p);
}

static const struct spawned_ops process_ops = { .started = on_started, .failed = on_failed };

void dax_process_keep(struct dax_process *p)
{
	send(p->socket, "", 1, MSG_NOSIGNAL);
}

int dax_process_start(struct dax_process **ret, struct spawner *spawner, struct event_base *base,
		      const char *program, const char *verb, const char *first, const char *second,
		      dax_done_t *done, void *userdata)
{
	static const char *const environment[] = { "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL };
	const char *const argv[] = { program, verb, first, second, NULL };
	struct spawner_order order = { .argv = argv,
				       .environment = environment,
				       .number = DAX_HELPER_SOCKET };
	_cleanup_(dax_process_abandonp) struct dax_process *p = calloc(1, sizeof(*p));
	_cleanup_(closep) int theirs = -1;
	int pair[2], r;

	if (!p)
		return -ENOMEM;
	p->socket = p->fd = -1;
	p->done = done;
	p->userdata = userdata;
	p->answer = (struct dax_answer){ .error = -ECHILD,
					 .text = "rdmareg-dax ended without an answer" };
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	p->socket = pair[0];
	order.socket = theirs = pair[1];
	p->event = event_new(base, p->socket, EV_READ | EV_PERSIST, on_readable, p);
	if (!p->event || event_add(p->event, NULL) < 0)
		return -ENOMEM;
	r = spawner_start(&p->process, spawner, base, &order, &process_ops, p);
	if (r < 0)
		return r;
	*ret = steal_pointer(p);
	return 0;
}
