// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * inbox.c - how a region's parts tell it that something happened: an event for its guard, or that a
 * worker has given a job back.
 *
 * What always holds: the parts know nobody above them. The guard's step and what a returned job
 * lets go on are put here when the region is made (@step, @go_on).
 */
#include <event2/event.h>
#include <stdlib.h>

#include "keeper/region/region.h"
#include "util/clock.h"

void kregion_feed(struct kregion *r, struct guard_event e)
{
	if (r->phase != KREGION_HELD)
		return;
	if (r->n_inbox == KREGION_INBOX)
		abort(); /* an effect makes one event at most */
	if (!e.now_usec)
		e.now_usec = now_monotonic_usec();
	r->inbox[r->n_inbox++] = e;
	if (!r->stepping)
		r->step(r);
}

void kregion_continue(struct kregion *r)
{
	event_active(r->ending.go_on, EV_TIMEOUT, 0);
}
