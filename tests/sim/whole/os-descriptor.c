// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * os-descriptor.c - descriptors, and epoll, which libevent asks what is ready. Each has a number of
 * the kernel's, so that no other one gets it; what it stands for is in a table.
 *
 * What always holds: a loop that asks sees some of what is ready, in any order; one that finds
 * nothing and would sleep ends its turn, and says until when.
 */
#include "os.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DESCRIPTORS 16384
#define WATCHED_MAX 256

struct watched {
	int fd;
	uint32_t events;
	epoll_data_t data;
};

struct epoll {
	const struct process *process;
	struct watched item[WATCHED_MAX];
	unsigned int n;
	struct epoll *next;
};

static struct {
	enum os_kind kind;
	void *object;
	const struct process *owner; /* NULL: it is on its way, or the world's */
} table[DESCRIPTORS];

static struct epoll *epolls;

static bool is_ours(int fd)
{
	return fd >= 0 && fd < DESCRIPTORS;
}

enum os_kind os_kind(int fd)
{
	return is_ours(fd) ? table[fd].kind : OS_REAL;
}

void *os_object(int fd)
{
	return is_ours(fd) ? table[fd].object : NULL;
}

/* As the kernel has it: what the played module has it closes unseen. */
bool os_is_file(int fd)
{
	char path[32], name[32];
	ssize_t n;

	if (os_kind(fd) != OS_FILE)
		return false;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, name, sizeof(name));
	return n > 7 && !memcmp(name, "/memfd:", 7);
}

uint32_t os_files(void)
{
	char path[32], name[64] = "";
	uint32_t n = 0;

	for (int fd = 0; fd < DESCRIPTORS; fd++) {
		if (!os_is_file(fd))
			continue;
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		name[readlink(path, name, sizeof(name) - 1)] = 0;
		os_trace("descriptor %d is open: %s", fd, name);
		n++;
	}
	return n;
}

void os_set_kind(int fd, enum os_kind kind, void *object)
{
	if (!is_ours(fd)) /* the limit of this process is less */
		abort();
	table[fd].kind = kind;
	table[fd].object = object;
	table[fd].owner = os_current;
}

void os_set_owner(int fd, const struct process *owner)
{
	if (is_ours(fd))
		table[fd].owner = owner;
}

void os_files_forget(const struct process *p)
{
	for (int fd = 0; fd < DESCRIPTORS; fd++)
		if (table[fd].owner == p && os_is_file(fd))
			os_close(fd);
}

int os_descriptor(enum os_kind kind, void *object)
{
	int fd = (int)syscall(SYS_eventfd2, 0, EFD_CLOEXEC);

	if (fd >= 0)
		os_set_kind(fd, kind, object);
	return fd;
}

static void drop_epoll(struct epoll *e)
{
	struct epoll **at = &epolls;

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	free(e);
}

void os_close(int fd)
{
	if (os_kind(fd) == OS_LISTENER || os_kind(fd) == OS_STREAM)
		os_socket_closed(fd);
	else if (os_kind(fd) == OS_EPOLL)
		drop_epoll(os_object(fd));
	else if (os_kind(fd) == OS_EVENTFD)
		free(os_object(fd));
	if (is_ours(fd))
		os_set_kind(fd, OS_REAL, NULL);
	syscall(SYS_close, fd);
}

int os_duplicate(int fd)
{
	int copy = (int)syscall(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 3);

	if (copy >= 0)
		os_set_kind(copy, os_kind(fd), os_object(fd));
	return copy;
}

int os_pidfd(struct process *p)
{
	return os_descriptor(OS_PIDFD, p);
}

/* What epoll(7) would say of it now. */
static uint32_t events_of(int fd)
{
	const struct process *process;
	const uint64_t *count;

	switch (os_kind(fd)) {
	case OS_PIDFD:
		process = os_object(fd);
		return process->alive ? 0 : EPOLLIN;
	case OS_EVENTFD:
		count = os_object(fd);
		return *count ? EPOLLIN : 0;
	case OS_LISTENER:
	case OS_STREAM:
		return os_socket_events(fd);
	case OS_REAL:
	case OS_FILE:
	case OS_EPOLL:
		break;
	}
	return 0;
}

bool os_epoll_ready(const struct process *p)
{
	for (const struct epoll *e = epolls; e; e = e->next) {
		if (e->process != p)
			continue;
		for (unsigned int i = 0; i < e->n; i++)
			if (events_of(e->item[i].fd) & (e->item[i].events | EPOLLHUP | EPOLLERR))
				return true;
	}
	return false;
}

/* --- in libc's place: epoll */

int epoll_create1(int flags)
{
	struct epoll *e;

	if (!os_on)
		return (int)syscall(SYS_epoll_create1, flags);
	e = calloc(1, sizeof(*e));
	if (!e)
		return -1;
	e->process = os_current;
	e->next = epolls;
	epolls = e;
	return os_descriptor(OS_EPOLL, e);
}

static struct watched *find(struct epoll *e, int fd)
{
	for (unsigned int i = 0; i < e->n; i++)
		if (e->item[i].fd == fd)
			return &e->item[i];
	return NULL;
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	struct epoll *e = os_object(epfd);
	struct watched *w;

	if (os_kind(epfd) != OS_EPOLL)
		return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
	w = find(e, fd);
	if ((op == EPOLL_CTL_ADD) == !!w) {
		errno = w ? EEXIST : ENOENT;
		return -1;
	}
	if (op == EPOLL_CTL_DEL) {
		*w = e->item[--e->n];
		return 0;
	}
	if (!w) {
		os_require(e->n < WATCHED_MAX, "%s watches too much", e->process->name);
		w = &e->item[e->n++];
	}
	*w = (struct watched){ .fd = fd, .events = event->events, .data = event->data };
	return 0;
}

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	struct epoll *e = os_object(epfd);
	int n = 0, wanted;

	if (os_kind(epfd) != OS_EPOLL)
		return (int)syscall(SYS_epoll_wait, epfd, events, max, timeout);
	for (unsigned int i = 0; i < e->n && n < max; i++) {
		uint32_t now = events_of(e->item[i].fd) & (e->item[i].events | EPOLLHUP | EPOLLERR);

		if (now)
			events[n++] =
				(struct epoll_event){ .events = now, .data = e->item[i].data };
	}
	if (!n && timeout) {
		os_current->slept = true;
		os_current->wake_usec =
			timeout < 0 ? NEVER : os_now + (uint64_t)timeout * USEC_PER_MSEC;
		event_base_loopbreak(os_current->base);
		return 0;
	}
	for (int i = n - 1; i > 0; i--) {
		int other = (int)os_random((uint64_t)i + 1);
		struct epoll_event kept = events[i];

		events[i] = events[other];
		events[other] = kept;
	}
	wanted = n > 1 ? 1 + (int)os_random((uint64_t)n) : n;
	return wanted;
}

/* --- in libc's place: what descriptors are made and closed by */

int eventfd(unsigned int count, int flags)
{
	uint64_t *object;

	if (!os_on)
		return (int)syscall(SYS_eventfd2, count, flags);
	object = malloc(sizeof(*object));
	if (!object)
		abort();
	*object = count;
	return os_descriptor(OS_EVENTFD, object);
}

ssize_t write(int fd, const void *bytes, size_t size)
{
	uint64_t more;

	if (os_kind(fd) != OS_EVENTFD)
		return syscall(SYS_write, fd, bytes, size);
	memcpy(&more, bytes, sizeof(more));
	*(uint64_t *)os_object(fd) += more;
	return (ssize_t)size;
}

ssize_t read(int fd, void *bytes, size_t size)
{
	uint64_t *count = os_object(fd);

	if (os_kind(fd) != OS_EVENTFD)
		return syscall(SYS_read, fd, bytes, size);
	if (!*count) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(bytes, count, sizeof(*count));
	*count = 0;
	return sizeof(*count);
}

int eventfd_write(int fd, eventfd_t count)
{
	return write(fd, &count, sizeof(count)) < 0 ? -1 : 0;
}

int eventfd_read(int fd, eventfd_t *ret)
{
	return read(fd, ret, sizeof(*ret)) < 0 ? -1 : 0;
}

int close(int fd)
{
	if (os_on && os_is_file(fd))
		os_storage("close");
	os_close(fd);
	return 0;
}

int fcntl(int fd, int command, ...)
{
	long argument;
	va_list args;
	int r;

	va_start(args, command);
	argument = va_arg(args, long);
	va_end(args);
	r = (int)syscall(SYS_fcntl, fd, command, argument);
	if (r >= 0 && (command == F_DUPFD || command == F_DUPFD_CLOEXEC) && os_on)
		os_set_kind(r, os_kind(fd), os_object(fd));
	return r;
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	int ready = 0;

	if (!os_on)
		return (int)syscall(SYS_poll, fds, n, timeout);
	if (!n && timeout > 0)
		os_sleep((uint64_t)timeout * USEC_PER_MSEC);
	for (nfds_t i = 0; i < n; i++) {
		fds[i].revents = events_of(fds[i].fd) & EPOLLIN ? POLLIN : 0;
		ready += fds[i].revents != 0;
	}
	return ready;
}
