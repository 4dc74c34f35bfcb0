// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * deadman.c - see deadman.h.
 *
 * SIGKILL is a signal like any other to timer_create(2), and the only one that reaches a stopped process (kernel/signal.c, complete_signal()).
 */
#include "util/deadman.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "util/clock.h"

struct deadman {
	timer_t timer;
	uint64_t usec;
	struct event *push;
};

static int set(struct deadman *d, uint64_t usec)
{
	const struct itimerspec when = { .it_value = { .tv_sec = (time_t)(usec / USEC_PER_SEC),
						       .tv_nsec = (long)(usec % USEC_PER_SEC * 1000) } };

	return timer_settime(d->timer, 0, &when, NULL) < 0 ? -errno : 0;
}

static void on_push(evutil_socket_t fd, short what, void *userdata)
{
	struct deadman *d = userdata;

	(void)fd, (void)what;
	set(d, d->usec);
}

int deadman_new(struct deadman **ret, struct event_base *base, uint64_t usec)
{
	struct sigevent kill = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	const struct timeval quarter = timeval_from_usec(usec / 4 ? usec / 4 : 1);
	struct deadman *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	if (timer_create(CLOCK_MONOTONIC, &kill, &d->timer) < 0) {
		r = -errno;
		free(d);
		return r;
	}
	d->usec = usec;
	d->push = event_new(base, -1, EV_PERSIST, on_push, d);
	r = !d->push || event_add(d->push, &quarter) < 0 ? -ENOMEM : set(d, usec);
	if (r < 0) {
		deadman_free(d);
		return r;
	}
	*ret = d;
	return 0;
}

struct deadman *deadman_free(struct deadman *d)
{
	if (!d)
		return NULL;
	timer_delete(d->timer);
	if (d->push)
		event_free(d->push);
	free(d);
	return NULL;
}

void deadman_freep(struct deadman **d)
{
	deadman_free(*d);
}
