// SPDX-License-Identifier: GPL-2.0-or-later
/* deadman.c - see deadman.h. */
#include "util/deadman.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/clock.h"

struct deadman {
	timer_t timer;
	bool armed;
	struct event *push;
	uint64_t usec;
	uint64_t pushed_usec;
};

static int set_timer(struct deadman *d)
{
	const struct itimerspec t = { .it_value = { .tv_sec = (time_t)(d->usec / USEC_PER_SEC),
						    .tv_nsec = (long)(d->usec % USEC_PER_SEC) *
							       1000 } };

	return timer_settime(d->timer, 0, &t, NULL) < 0 ? -errno : 0;
}

void deadman_progress(struct deadman *d)
{
	uint64_t now = now_monotonic_usec();

	if (!d || now - d->pushed_usec < d->usec / 4)
		return;
	d->pushed_usec = now;
	set_timer(d); /* cannot fail: the timer exists and the time was accepted before */
}

static void on_push(evutil_socket_t fd, short what, void *userdata)
{
	struct deadman *d = userdata;

	(void)fd, (void)what;
	d->pushed_usec = 0;
	deadman_progress(d);
}

int deadman_new(struct deadman **ret, struct event_base *base, uint64_t usec)
{
	_cleanup_(deadman_freep) struct deadman *d = calloc(1, sizeof(*d));
	struct sigevent kill_us = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL };
	struct timeval quarter = timeval_from_usec(usec / 4);
	int r;

	if (usec < DEADMAN_MIN_USEC || usec > DEADMAN_MAX_USEC)
		return -EINVAL;
	if (!d)
		return -ENOMEM;
	d->usec = usec;
	d->push = event_new(base, -1, EV_PERSIST, on_push, d);
	if (!d->push || event_add(d->push, &quarter) < 0)
		return -ENOMEM;
	if (timer_create(CLOCK_MONOTONIC, &kill_us, &d->timer) < 0)
		return -errno;
	d->armed = true;
	r = set_timer(d);
	if (r < 0)
		return r;
	*ret = steal_pointer(d);
	return 0;
}

struct deadman *deadman_free(struct deadman *d)
{
	if (!d)
		return NULL;
	if (d->armed)
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
