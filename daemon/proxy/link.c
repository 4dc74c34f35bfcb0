// SPDX-License-Identifier: GPL-2.0-or-later
/* link.c - see proxy/link.h. */
#include "proxy/link.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "proxy/check.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/passed.h"

#ifndef SO_PEERPIDFD /* Linux 6.5 */
#define SO_PEERPIDFD 77
#endif

/*
 * Packets handled before everybody else gets a turn. More than a socket's default buffer holds
 * (some 200).
 */
#define LINK_BUDGET 256
#define LINK_BUDGET_USEC 2000
/*
 * Somebody who sends more than so many packets a second over a while waits in its socket: SAVED of
 * them may come at once, as when it lists what it has.
 */
#define PACKET_USEC 80
#define PACKETS_SAVED 4096
#define PAUSE_USEC (20 * USEC_PER_MSEC)

struct link {
	const struct link_handlers *handlers;
	void *userdata;
	struct event *readable;
	struct event *writable;
	struct event *pause; /* until it is read again */
	uint64_t full_usec;  /* when all that is saved is there again */
	int fd;
};

static void link_freep(struct link **l)
{
	link_free(*l);
}

/* NULL, or what is wrong with a packet of @n bytes. */
static const char *judge(struct keeper_message *m, ssize_t n, bool expected, unsigned int n_fds)
{
	if (n < (ssize_t)keeper_packet_min(m->type) || n > KEEPER_PACKET_MAX)
		return "a packet of the wrong size";
	if (n_fds && (!expected || m->type != KEEPER_DONE))
		return "a descriptor that nobody asked for";
	if (n_fds > 1)
		return "more descriptors than one";
	keeper_message_trim(m, (size_t)n);
	return proxy_message_check(m);
}

/* One packet: 1 handled, 0 none there, -1 the link was lost (and may be freed). */
static int receive(struct link *l)
{
	union {
		char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
		struct cmsghdr header;
	} control;
	struct keeper_message m = { 0 };
	struct iovec iov = { &m, sizeof(m) };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	bool expected = l->handlers->expects_descriptor(l->userdata);
	const char *complaint = NULL;
	int fds[DESCRIPTORS_MAX] = { -1 };
	ssize_t n;

	/*
	 * MSG_TRUNC: the true size of the packet, also where it is longer than what we know of it
	 */
	n = recvmsg(l->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n >= 0) {
		unsigned int n_fds = passed_descriptors(&h, fds);

		complaint = n ? judge(&m, n, expected, n_fds) : NULL;
		/* an unknown event is of a later version, and says nothing to us */
		if (n && !complaint && keeper_type_is_known(m.type))
			complaint = l->handlers->received(l->userdata, &m, &fds[0]);
		for (unsigned int i = 0; i < n_fds; i++)
			if (fds[i] >= 0)
				l->handlers->drop_descriptor(l->userdata, fds[i]);
		if (n && !complaint)
			return 1;
	}
	event_del(l->readable);
	event_del(l->writable);
	event_del(l->pause);
	l->handlers->lost(l->userdata, complaint);
	return -1;
}

/* Takes one packet from what is saved. False: nothing is left, and it is not read for a while. */
static bool may_receive(struct link *l, uint64_t now)
{
	const struct timeval pause = timeval_from_usec(PAUSE_USEC);

	if (l->full_usec < now)
		l->full_usec = now;
	if (l->full_usec - now > PACKETS_SAVED * (uint64_t)PACKET_USEC) {
		event_del(l->readable);
		event_add(l->pause, &pause);
		return false;
	}
	l->full_usec += PACKET_USEC;
	return true;
}

static void on_pause_over(evutil_socket_t fd, short what, void *userdata)
{
	struct link *l = userdata;

	(void)fd, (void)what;
	event_add(l->readable, NULL);
}

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
	uint64_t began = now_monotonic_usec(), now = began;

	(void)fd, (void)what;
	for (int i = 0; i < LINK_BUDGET && now - began < LINK_BUDGET_USEC; i++) {
		if (!may_receive(userdata, now) || receive(userdata) <= 0)
			return;
		now = now_monotonic_usec();
	}
}

static void on_writable(evutil_socket_t fd, short what, void *userdata)
{
	struct link *l = userdata;

	(void)fd, (void)what;
	l->handlers->writable(l->userdata);
}

int link_connect(struct link **ret, struct event_base *base, const char *path,
		 const struct link_handlers *handlers, void *userdata)
{
	_cleanup_(link_freep) struct link *l = NULL;
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->handlers = handlers;
	l->userdata = userdata;
	l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return -errno;
	if (connect(l->fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int r = -errno;

		close(steal_fd(&l->fd)); /* nothing waits in it */
		return r;
	}
	l->readable = event_new(base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
	l->writable = event_new(base, l->fd, EV_WRITE, on_writable, l);
	l->pause = evtimer_new(base, on_pause_over, l);
	if (!l->readable || !l->writable || !l->pause || event_add(l->readable, NULL) < 0)
		return -ENOMEM;
	*ret = steal_pointer(l);
	return 0;
}

struct link *link_free(struct link *l)
{
	if (!l)
		return NULL;
	if (l->readable)
		event_free(l->readable);
	if (l->writable)
		event_free(l->writable);
	if (l->pause)
		event_free(l->pause);
	if (l->fd >= 0) {
		shutdown(l->fd,
			 SHUT_RDWR); /* the other end is told now, whenever this one is closed */
		l->handlers->drop_descriptor(l->userdata, l->fd);
	}
	free(l);
	return NULL;
}

static void fill(struct msghdr *h, struct iovec *iov, union passed_one *control,
		 const struct link_packet *p)
{
	*iov = (struct iovec){ (void *)(uintptr_t)p->message,
			       keeper_packet_size(p->message->type) };
	*h = (struct msghdr){ .msg_iov = iov, .msg_iovlen = 1 };
	pass_descriptor(h, control, p->fd);
}

unsigned int link_send_all(struct link *l, const struct link_packet *p, unsigned int n)
{
	struct mmsghdr message[LINK_PACKETS];
	union passed_one control[LINK_PACKETS];
	struct iovec iov[LINK_PACKETS];
	int sent;

	for (unsigned int i = 0; i < n; i++)
		fill(&message[i].msg_hdr, &iov[i], &control[i], &p[i]);
	sent = sendmmsg(l->fd, message, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	/*
	 * ETOOMANYREFS: too many descriptors in flight, of all our links together: they drain by
	 * themselves
	 */
	if (sent < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS &&
	    errno != ETOOMANYREFS && errno != ENOMEM)
		return n;
	if (sent < 0)
		sent = 0;
	if ((unsigned int)sent < n)
		event_add(l->writable, NULL);
	return (unsigned int)sent;
}

int link_send(struct link *l, const struct keeper_message *m)
{
	return link_send_all(l, &(const struct link_packet){ m, -1 }, 1) ? 0 : -EAGAIN;
}

/* The real uid of a process; (uid_t)-1 if it is gone. */
static uid_t uid_of(pid_t pid)
{
	char path[32], line[128];
	unsigned int uid = (unsigned int)-1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return (uid_t)-1;
	while (fgets(line, sizeof(line), f) && sscanf(line, "Uid: %u", &uid) != 1)
		;
	fclose(f);
	return uid;
}

/*
 * Opens a process by number. The number may be somebody else's by now, so be sure at least that it
 * is a process of @uid.
 */
static int open_process(pid_t pid, uid_t uid)
{
	_cleanup_(closep) int fd = pidfd_open(pid, 0);

	return fd >= 0 && uid_of(pid) == uid ? steal_fd(&fd) : -1;
}

int link_peer(struct link *l, pid_t *ret_pid, uid_t *ret_uid, int *ret_pidfd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(l->fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return -errno;
	*ret_pid = peer.pid;
	*ret_uid = peer.uid;
	n = sizeof(*ret_pidfd);
	if (getsockopt(l->fd, SOL_SOCKET, SO_PEERPIDFD, ret_pidfd, &n) < 0)
		*ret_pidfd = open_process(peer.pid, peer.uid);
	return 0;
}
