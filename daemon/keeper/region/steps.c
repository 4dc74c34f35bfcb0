// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * steps.c - steps on a region's memory or blocks that were given to a worker: when they are looked
 * at, and whether one of a file is stuck. What is done about that is in region/stuck.c.
 */
#include <event2/event.h>

#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "util/clock.h"

uint64_t kregion_step_bound_usec(const struct kregion *r)
{
	return 2 * r->keeper->options->storage_stall_msec * USEC_PER_MSEC;
}

void kregion_look_at_steps_in(struct kregion *r, uint64_t usec)
{
	const struct timeval tv = timeval_from_usec(usec);

	evtimer_add(r->stuck.timer, &tv);
}

bool kregion_is_of_same_file(const struct kregion *a, const struct kregion *b)
{
	return a->mapping && b->mapping && a->mapping->device == b->mapping->device &&
	       a->mapping->inode == b->mapping->inode;
}

bool kregion_file_is_stuck(const struct kregion *r)
{
	const struct keeper *k = r->keeper;

	if (r->stuck.since_usec)
		return true;
	for (const struct kregion *q = k->n_stuck ? keeper_next(k, NULL) : NULL; q;
	     q = keeper_next(k, q))
		if (q->stuck.since_usec && kregion_is_of_same_file(q, r))
			return true;
	return false;
}

void kregion_step_began(struct kregion *r)
{
	if (!evtimer_pending(r->stuck.timer, NULL))
		kregion_look_at_steps_in(r, kregion_step_bound_usec(r));
}

/* Not from within: whoever calls goes on with the region. */
void kregion_step_ended(struct kregion *r)
{
	if (r->stuck.since_usec && r->phase == KREGION_HELD)
		kregion_look_at_steps_in(r, 0);
}

void kregion_forget_stuck(struct kregion *r)
{
	if (r->stuck.since_usec)
		r->keeper->n_stuck--;
	r->stuck.since_usec = 0;
	r->stuck.demand = 0;
	r->stuck.text[0] = 0;
}
