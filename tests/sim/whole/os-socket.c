// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * os-socket.c - AF_UNIX SOCK_SEQPACKET in memory: packets with descriptors, in both directions no
 * more than world.socket_max that wait.
 *
 * What always holds: what was sent arrives, whole, once and in order, unless an end is closed: then
 * what waits in the other direction is still read, and after it the end of file, or ECONNRESET if
 * something that was sent will not be read by anybody.
 */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/passed.h"
#include "whole.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define BACKLOG 5
#define PACKET_MAX 8192

struct packet {
	STAILQ_ENTRY(packet) packets;
	size_t size;
	int fd; /* -1: none goes with it */
	char bytes[];
};

struct stream {
	uint64_t number; /* never used twice */
	struct process *process;
	struct stream *other; /* NULL: its number is closed, or there never was one */
	bool connected;	      /* once */
	STAILQ_HEAD(, packet) in;
	uint32_t n;
	bool reset; /* what this end sent was lost */
	bool shut;  /* nothing comes in or goes out any more, but what is in */
	LIST_ENTRY(stream) streams;
	STAILQ_ENTRY(stream) pending;
};

struct listener {
	char path[108];
	struct process *process; /* who listens; NULL: nobody yet */
	unsigned int numbers;
	STAILQ_HEAD(, stream) pending;
	unsigned int n_pending;
	LIST_ENTRY(listener) listeners;
};

static LIST_HEAD(, stream) streams = LIST_HEAD_INITIALIZER(streams);
static uint64_t last_number;
static LIST_HEAD(, listener) listeners = LIST_HEAD_INITIALIZER(listeners);

static int refuse(int error)
{
	errno = error;
	return -1;
}

static struct stream *new_stream(struct process *process)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		abort();
	s->number = ++last_number;
	s->process = process;
	STAILQ_INIT(&s->in);
	LIST_INSERT_HEAD(&streams, s, streams);
	return s;
}

static void drop(struct packet *p)
{
	if (p->fd >= 0)
		os_close(p->fd);
	free(p);
}

static void drop_all(struct stream *s)
{
	struct packet *p;

	while ((p = STAILQ_FIRST(&s->in))) {
		STAILQ_REMOVE_HEAD(&s->in, packets);
		drop(p);
	}
	s->n = 0;
}

static void free_stream(struct stream *s)
{
	drop_all(s);
	LIST_REMOVE(s, streams);
	free(s);
}

/* The other end sees it, and is alone from now on. @closed: what waits here is lost. */
static void part(struct stream *s, bool closed)
{
	if (!s->other)
		return;
	s->other->reset = closed && s->n > 0;
	s->other->shut = true;
	s->other->other = NULL;
	s->other = NULL;
	s->shut = true;
}

static void close_listener(struct listener *l)
{
	struct stream *s;

	if (--l->numbers)
		return;
	while ((s = STAILQ_FIRST(&l->pending))) {
		STAILQ_REMOVE_HEAD(&l->pending, pending);
		part(s, true);
		free_stream(s);
	}
	LIST_REMOVE(l, listeners);
	free(l);
}

void os_socket_closed(int fd)
{
	struct stream *s = os_object(fd);

	if (os_kind(fd) == OS_LISTENER) {
		close_listener(os_object(fd));
		return;
	}
	part(s, true);
	free_stream(s);
}

int os_socket_inherit(int fd)
{
	struct listener *l = os_object(fd);

	l->numbers++;
	return os_descriptor(OS_LISTENER, l);
}

/* Numbers stay until this world ends; what they stand for does not answer any more. */
void os_sockets_forget(struct process *p)
{
	struct listener *l;
	struct stream *s;

	LIST_FOREACH(s, &streams, streams)
		if (s->process == p) {
			part(s, true);
			drop_all(s);
		}
	LIST_FOREACH(l, &listeners, listeners)
		if (l->process == p) {
			l->process = NULL;
			l->path[0] = 0;
			STAILQ_FOREACH(s, &l->pending, pending)
				part(s, true);
		}
}

bool os_cut(struct process *keeper)
{
	struct stream *s;

	LIST_FOREACH(s, &streams, streams)
		if (s->process == keeper && s->other) {
			os_trace("the connection of %s is cut", keeper->name);
			part(s->other, os_chance(50));
			keeper->cuts++;
			return true;
		}
	return false;
}

uint32_t os_socket_events(int fd)
{
	const struct stream *s = os_object(fd);
	const struct listener *l = os_object(fd);
	uint32_t events = 0;

	if (os_kind(fd) == OS_LISTENER)
		return l->n_pending ? EPOLLIN : 0;
	if (!s->connected)
		return 0;
	if (s->n || s->shut)
		events |= EPOLLIN;
	if (s->shut || s->other->n < world.socket_max)
		events |= EPOLLOUT;
	return events | (s->shut ? EPOLLHUP : 0);
}

/* --- in libc's place: connections */

int socket(int family, int type, int protocol)
{
	if (!os_on || family != AF_UNIX || (type & 0xf) != SOCK_SEQPACKET)
		return (int)syscall(SYS_socket, family, type, protocol);
	return os_descriptor(OS_STREAM, new_stream(os_current));
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
	const struct sockaddr_un *to = (const struct sockaddr_un *)(const void *)address;
	struct listener *l, *other;
	int file;

	if (os_kind(fd) != OS_STREAM)
		return (int)syscall(SYS_bind, fd, address, size);
	file = (int)syscall(SYS_openat, AT_FDCWD, to->sun_path, O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0)
		return refuse(EADDRINUSE);
	syscall(SYS_close, file);
	l = calloc(1, sizeof(*l));
	if (!l)
		abort();
	LIST_FOREACH(other, &listeners, listeners) /* its file was unlinked: nobody finds it */
		if (!strcmp(other->path, to->sun_path))
			other->path[0] = 0;
	memcpy(l->path, to->sun_path, sizeof(l->path));
	l->numbers = 1;
	STAILQ_INIT(&l->pending);
	LIST_INSERT_HEAD(&listeners, l, listeners);
	free_stream(os_object(fd));
	os_set_kind(fd, OS_LISTENER, l);
	return 0;
}

int listen(int fd, int backlog)
{
	struct listener *l = os_object(fd);

	if (os_kind(fd) != OS_LISTENER)
		return (int)syscall(SYS_listen, fd, backlog);
	l->process = os_current;
	return 0;
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	const struct sockaddr_un *to = (const struct sockaddr_un *)(const void *)address;
	struct stream *s = os_object(fd), *other;
	struct listener *l;

	if (os_kind(fd) != OS_STREAM)
		return (int)syscall(SYS_connect, fd, address, size);
	if (access(to->sun_path, F_OK) < 0)
		return refuse(ENOENT);
	LIST_FOREACH(l, &listeners, listeners)
		if (!strcmp(l->path, to->sun_path))
			break;
	if (!l || !l->process)
		return refuse(ECONNREFUSED);
	if (l->n_pending >= BACKLOG || (world.failing && os_chance(5)))
		return refuse(EAGAIN);
	other = new_stream(l->process);
	s->other = other;
	s->connected = true;
	other->other = s;
	other->connected = true;
	STAILQ_INSERT_TAIL(&l->pending, other, pending);
	l->n_pending++;
	whole_connected(l->process);
	os_trace("connects to %s", l->process->name);
	return 0;
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	struct listener *l = os_object(fd);
	struct stream *s;

	if (os_kind(fd) != OS_LISTENER)
		return (int)syscall(SYS_accept4, fd, address, size, flags);
	s = STAILQ_FIRST(&l->pending);
	if (!s)
		return refuse(EAGAIN);
	if (world.failing && os_chance(5))
		return refuse(os_chance(50) ? ECONNABORTED : EMFILE);
	STAILQ_REMOVE_HEAD(&l->pending, pending);
	l->n_pending--;
	return os_descriptor(OS_STREAM, s);
}

int shutdown(int fd, int how)
{
	if (os_kind(fd) != OS_STREAM)
		return (int)syscall(SYS_shutdown, fd, how);
	part(os_object(fd), false);
	return 0;
}

/* Who is at the other end; of one that was accepted, who made the connection. */
static const struct process *peer_of(const struct stream *s)
{
	return s->other ? s->other->process : NULL;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	const struct process *p;

	if (os_kind(fd) == OS_LISTENER && name == SO_TYPE) {
		*(int *)value = SOCK_SEQPACKET;
		return 0;
	}
	if (os_kind(fd) != OS_STREAM)
		return (int)syscall(SYS_getsockopt, fd, level, name, value, size);
	p = peer_of(os_object(fd));
	if (!p)
		return refuse(ENODATA);
	if (name == SO_PEERPIDFD)
		*(int *)value = os_pidfd((struct process *)(uintptr_t)p);
	else if (name == SO_PEERCRED)
		*(struct ucred *)value = (struct ucred){ p->pid, p->uid, p->uid };
	else
		return refuse(ENOPROTOOPT);
	return 0;
}

/* --- in libc's place: packets */

static int sent_descriptor(const struct msghdr *h)
{
	const struct cmsghdr *c = h->msg_controllen ? CMSG_FIRSTHDR(h) : NULL;
	int fd;

	if (!c)
		return -1;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	fd = os_duplicate(fd);
	os_set_owner(fd, NULL);
	return fd;
}

static void arrive(struct stream *to, struct packet *p, bool early)
{
	struct packet *after = NULL, *q;
	uint64_t n = 0;

	STAILQ_FOREACH(q, &to->in, packets)
		if (early && os_random(++n) == 0)
			after = q;
	if (early && !after)
		STAILQ_INSERT_HEAD(&to->in, p, packets);
	else if (early)
		STAILQ_INSERT_AFTER(&to->in, after, p, packets);
	else
		STAILQ_INSERT_TAIL(&to->in, p, packets);
	to->n++;
}

static void arrive_late(uint64_t number, uint64_t packet)
{
	struct packet *p = (struct packet *)(uintptr_t)packet;
	struct stream *s;

	LIST_FOREACH(s, &streams, streams)
		if (s->number == number && s->other) {
			os_trace("what was said to %s arrives", s->process->name);
			arrive(s, p, false);
			return;
		}
	drop(p);
}

static struct packet *new_packet(const void *bytes, size_t size, int fd)
{
	struct packet *p = malloc(sizeof(*p) + size);

	if (!p)
		abort();
	p->size = size;
	p->fd = fd;
	memcpy(p->bytes, bytes, size);
	return p;
}

static int new_file(void)
{
	int fd = (int)syscall(SYS_memfd_create, "laden", MFD_CLOEXEC);

	if (fd < 0)
		abort();
	os_set_kind(fd, OS_FILE, NULL);
	os_set_owner(fd, NULL);
	return fd;
}

static void put(struct stream *from, struct stream *to, const struct msghdr *h)
{
	_Alignas(max_align_t) char bytes[PACKET_MAX] = "";
	struct os_packet before = { 0 };
	size_t size = h->msg_iov[0].iov_len;
	enum os_fate fate;
	struct packet *p;

	os_require(size <= sizeof(bytes), "a packet of %zu bytes", size);
	memcpy(bytes, h->msg_iov[0].iov_base, size);
	fate = whole_packet_sent(from->process, to->process, bytes, &size, sizeof(bytes), &before);
	if (before.size)
		arrive(to, new_packet(before.bytes, before.size, -1), false);
	p = new_packet(bytes, size, fate == OS_BACK ? -1 : sent_descriptor(h));
	switch (fate) {
	case OS_LOST:
		drop(p);
		break;
	case OS_LADEN:
		if (p->fd < 0)
			p->fd = new_file();
		arrive(to, p, false);
		break;
	case OS_LATE:
		world_at(lies_later(), arrive_late, to->number, (uintptr_t)p);
		break;
	case OS_BACK:
		arrive(from, p, false);
		break;
	case OS_TWICE:
		arrive(to, new_packet(bytes, size, -1), false);
		arrive(to, p, false);
		break;
	case OS_ARRIVES:
	case OS_EARLY:
		arrive(to, p, fate == OS_EARLY);
		break;
	}
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned int n, int flags)
{
	struct stream *s = os_object(fd);
	unsigned int sent = 0;

	if (os_kind(fd) != OS_STREAM)
		return (int)syscall(SYS_sendmmsg, fd, messages, n, flags);
	if (!s->other)
		return refuse(s->reset ? ECONNRESET : EPIPE);
	if (world.failing && os_chance(3))
		return refuse(os_chance(50) ? EINTR : EAGAIN);
	while (sent < n && s->other->n < world.socket_max) {
		put(s, s->other, &messages[sent++].msg_hdr);
		if (world.failing && os_chance(5))
			break;
	}
	return sent ? (int)sent : refuse(EAGAIN);
}

static void hand_over(struct msghdr *h, int fd)
{
	struct cmsghdr *c = h->msg_control;

	h->msg_flags = 0;
	if (fd < 0 || h->msg_controllen < CMSG_SPACE(sizeof(fd))) {
		h->msg_controllen = 0;
		return;
	}
	os_set_owner(fd, os_current);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	h->msg_controllen = CMSG_SPACE(sizeof(fd));
}

ssize_t recvmsg(int fd, struct msghdr *h, int flags)
{
	struct stream *s = os_object(fd);
	struct packet *p;
	size_t size;

	if (os_kind(fd) != OS_STREAM)
		return syscall(SYS_recvmsg, fd, h, flags);
	if (s->reset) {
		s->reset = false;
		return refuse(ECONNRESET);
	}
	p = STAILQ_FIRST(&s->in);
	if (p && os_chance(10)) /* it has not arrived yet */
		return refuse(world.failing && os_chance(30) ? EINTR : EAGAIN);
	if (!p && !s->shut)
		return refuse(EAGAIN);
	hand_over(h, p ? p->fd : -1);
	if (!p)
		return 0;
	STAILQ_REMOVE_HEAD(&s->in, packets);
	s->n--;
	size = p->size;
	memcpy(h->msg_iov[0].iov_base, p->bytes,
	       size < h->msg_iov[0].iov_len ? size : h->msg_iov[0].iov_len);
	free(p);
	return (ssize_t)size;
}
