// SPDX-License-Identifier: GPL-2.0-or-later
/* pressure.c - see pressure.h. */
#include "keeper/system/pressure.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "util/clock.h"

#define WINDOW_USEC \
	(2 * USEC_PER_SEC) /* what processes without privileges may ask for, since Linux 6.5 */
#define OVER_USEC (3 * USEC_PER_SEC)

struct pressure {
	const struct pressure_ops *ops;
	void *userdata;
	int fd; /* of the trigger */
	/* libevent knows no EPOLLPRI: it watches this one, which watches the trigger */
	int epoll_fd;
	struct event *event;
	struct event *over_event;
	bool high;
};

static void set(struct pressure *p, bool high)
{
	if (high == p->high)
		return;
	p->high = high;
	p->ops->changed(p->userdata, high);
}

static void on_pressure(evutil_socket_t fd, short what, void *userdata)
{
	const struct timeval over = timeval_from_usec(OVER_USEC);
	struct pressure *p = userdata;
	struct epoll_event e = { 0 };

	(void)what;
	/*
	 * To look at a trigger is to take its event back (kernel/sched/psi.c, psi_trigger_poll()),
	 * and the loop's own epoll has looked, through ours: so that we are called is the event,
	 * and only what stays can still be seen here.
	 */
	if (epoll_wait(fd, &e, 1, 0) == 1 &&
	    (e.events & (EPOLLERR | EPOLLHUP))) { /* the cgroup is gone */
		event_del(p->event);
		return;
	}
	evtimer_add(p->over_event, &over);
	set(p, true);
}

static void on_over(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd;
	(void)what;
	set(userdata, false);
}

static int open_trigger(const char *path, uint32_t stall_msec)
{
	char text[64];
	int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC), error;

	if (fd < 0)
		return -errno;
	snprintf(text, sizeof(text), "some %" PRIu64 " %" PRIu64,
		 (uint64_t)(stall_msec * USEC_PER_MSEC), (uint64_t)WINDOW_USEC);
	if (write(fd, text, strlen(text) + 1) < 0) {
		error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int pressure_new(struct pressure **ret, struct event_base *base, const char *path,
		 uint32_t stall_msec, const struct pressure_ops *ops, void *userdata)
{
	_cleanup_(pressure_freep) struct pressure *p = calloc(1, sizeof(*p));
	struct epoll_event e = { .events = EPOLLPRI };

	if (!p)
		return -ENOMEM;
	p->ops = ops;
	p->userdata = userdata;
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	p->fd = path ? open_trigger(path, stall_msec) : -ENOENT;
	if (p->fd < 0)
		p->fd = open_trigger("/proc/pressure/memory", stall_msec);
	if (p->fd < 0)
		return p->fd;
	if (p->epoll_fd < 0 || epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->fd, &e) < 0)
		return -errno;
	p->over_event = evtimer_new(base, on_over, p);
	p->event = event_new(base, p->epoll_fd, EV_READ | EV_PERSIST, on_pressure, p);
	if (!p->event || !p->over_event || event_add(p->event, NULL) < 0)
		return -ENOMEM;
	*ret = steal_pointer(p);
	return 0;
}

struct pressure *pressure_free(struct pressure *p)
{
	if (!p)
		return NULL;
	if (p->event)
		event_free(p->event);
	if (p->over_event)
		event_free(p->over_event);
	if (p->epoll_fd >= 0)
		close(p->epoll_fd);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
	return NULL;
}

bool pressure_is_high(const struct pressure *p)
{
	return p && p->high;
}
