// SPDX-License-Identifier: GPL-2.0-or-later
/* loop.c - see loop.h. */
#include "arbiter/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/clock.h"

#define BUS_BUDGET 64
#define BUS_BUDGET_USEC 2000

struct loop {
	struct event_base *base;
	/* what the bus waits for; they only end the wait */
	struct event *bus_readable;
	struct event *bus_writable;
	struct event *bus_timer;
	sd_bus *bus;
	loop_process_t *process;
	loop_work_t *work;
	void *userdata;
	bool held;
	bool stopped;
};

static void on_bus_ready(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what, (void)userdata;
}

int loop_new(struct loop **ret)
{
	_cleanup_(loop_freep) struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->base = event_base_new();
	if (!l->base)
		return -ENOMEM;
	l->bus_readable = event_new(l->base, -1, 0, on_bus_ready, l);
	l->bus_writable = event_new(l->base, -1, 0, on_bus_ready, l);
	l->bus_timer = evtimer_new(l->base, on_bus_ready, l);
	if (!l->bus_readable || !l->bus_writable || !l->bus_timer)
		return -ENOMEM;
	*ret = steal_pointer(l);
	return 0;
}

struct loop *loop_free(struct loop *l)
{
	if (!l)
		return NULL;
	if (l->bus_readable)
		event_free(l->bus_readable);
	if (l->bus_writable)
		event_free(l->bus_writable);
	if (l->bus_timer)
		event_free(l->bus_timer);
	if (l->base)
		event_base_free(l->base);
	free(l);
	return NULL;
}

void loop_freep(struct loop **l)
{
	loop_free(*l);
}

struct event_base *loop_base(struct loop *l)
{
	return l->base;
}

void loop_set_bus(struct loop *l, sd_bus *bus, int in, int out)
{
	event_del(l->bus_readable);
	event_del(l->bus_writable);
	event_assign(l->bus_readable, l->base, in, EV_READ | EV_PERSIST, on_bus_ready, l);
	event_assign(l->bus_writable, l->base, out, EV_WRITE, on_bus_ready, l);
	l->bus = bus;
}

void loop_set_work(struct loop *l, loop_process_t *process, loop_work_t *work, void *userdata)
{
	l->process = process;
	l->work = work;
	l->userdata = userdata;
}

void loop_hold_bus(struct loop *l, bool hold)
{
	l->held = hold;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
}

/*
 * Takes messages up to the budgets. 1: there may be more at once, 0: the bus has nothing to do now.
 */
static int process_bus(struct loop *l)
{
	uint64_t began = now_monotonic_usec();

	for (int i = 0; i < BUS_BUDGET; i++) {
		int r = l->process(l->userdata);

		if (r <= 0)
			return r;
		if (l->stopped || l->held || now_monotonic_usec() - began >= BUS_BUDGET_USEC)
			break;
	}
	return 1;
}

/* It is added once, not anew for each turn: that would be two system calls. */
static int arm(struct event *e, bool on)
{
	if (!on)
		return event_del(e);
	return event_pending(e, EV_READ | EV_WRITE, NULL) ? 0 : event_add(e, NULL);
}

/* Arms what the bus waits for now; at @wanted at the latest the loop turns again. */
static int arm_bus(struct loop *l, uint64_t wanted)
{
	int events = sd_bus_get_events(l->bus);
	uint64_t until = UINT64_MAX, now = now_monotonic_usec();
	struct timeval t = { 0 };
	int r;

	if (events < 0)
		return events;
	r = sd_bus_get_timeout(l->bus, &until);
	if (r < 0)
		return r;
	if (wanted < until)
		until = wanted;
	if (until > now)
		t = timeval_from_usec(until == UINT64_MAX ? 0 : until - now);
	if (arm(l->bus_readable, events & POLLIN) < 0 || arm(l->bus_writable, events & POLLOUT) < 0)
		return -ENOMEM;
	r = until == UINT64_MAX ? event_del(l->bus_timer) : event_add(l->bus_timer, &t);
	return r < 0 ? -ENOMEM : 0;
}

int loop_run(struct loop *l)
{
	while (!l->stopped) {
		int r = 0;

		if (l->bus && !l->held) {
			uint64_t wanted = UINT64_MAX;

			r = process_bus(l);
			if (r >= 0 && !l->stopped)
				wanted = l->work(l->userdata);
			if (r >= 0 && !l->stopped)
				r = arm_bus(l, r ? 0 : wanted);
			if (r < 0)
				return r;
		} else if (l->bus) {
			event_del(l->bus_readable); /* nobody would read what is there */
		}
		if (!l->stopped && event_base_loop(l->base, EVLOOP_ONCE) < 0)
			return -EIO;
	}
	return 0;
}
