// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * steps.c - steps on a region's memory or blocks that were given to a worker: when they are looked
 * at, and whether one of a file is stuck. What is done about that is in region/stuck.c.
 */
#include <event2/event.h>
#include <stddef.h>

#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "util/clock.h"
#include "util/macros.h"

uint64_t kregion_step_bound_usec(const struct kregion *r)
{
	return 2 * r->keeper->options->storage_stall_msec * USEC_PER_MSEC;
}

static const struct step {
	size_t job; /* in struct kregion */
	const char *what;
} steps[] = {
	{ offsetof(struct kregion, warming.job), "bringing its pages into memory" },
	{ offsetof(struct kregion, explain.job), "touching its pages for a peer" },
	{ offsetof(struct kregion, replaced.job),
	  "looking at its blocks (or somebody stays in write(2))" },
};

const char *kregion_oldest_step(const struct kregion *r, uint64_t *ret_began, bool *ret_any)
{
	const char *found = NULL;

	*ret_began = 0;
	*ret_any = false;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		const struct job *job = (const struct job *)((const char *)r + steps[i].job);
		uint64_t began = job_began(job);

		*ret_any |= job->busy;
		if (!began || (found && began >= *ret_began))
			continue;
		*ret_began = began;
		found = steps[i].what;
	}
	return found;
}

void kregion_await_writable(const struct kregion *r, struct job *job)
{
	job_pause(job);
	mapping_await_writable(r->mapping);
	job_resume(job);
}

/* What waits for another one's look has to wait until that one is given up. */
uint64_t kregion_look_bound_usec(const struct kregion *r)
{
	return (r->look.job.busy ? 1 : 2) * kregion_step_bound_usec(r);
}

uint64_t kregion_look_left_usec(const struct kregion *r)
{
	uint64_t bound = kregion_look_bound_usec(r);
	uint64_t since = now_monotonic_usec() - r->look.wanted_usec;

	if (!r->look.wanted && !r->look.job.busy)
		return UINT64_MAX;
	return since < bound ? bound - since : 0;
}

/* The same for a look that peers are kept out for, and that no thread has begun. */
static uint64_t thread_left_usec(const struct kregion *r)
{
	const struct kregion_replaced *b = &r->replaced;
	uint64_t bound = kregion_step_bound_usec(r), since;

	if (!b->job.busy || r->guard.state == GUARD_OPEN)
		return UINT64_MAX;
	if (r->stuck.wait == KREGION_WAITS_FOR_THREAD)
		return 0; /* until it is done */
	if (job_began(&b->job))
		return UINT64_MAX;
	since = now_monotonic_usec() - b->submitted_usec;
	return since < bound ? bound - since : 0;
}

enum kregion_wait kregion_wait(const struct kregion *r, uint64_t *ret_left_usec)
{
	uint64_t thread = thread_left_usec(r), look = kregion_look_left_usec(r);

	*ret_left_usec = !thread || (look && look < thread) ? look : thread;
	return !thread ? KREGION_WAITS_FOR_THREAD
	       : !look ? KREGION_WAITS_FOR_LOOK
		       : KREGION_WAITS_FOR_NOTHING;
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

/* One that was released meanwhile is watched by nobody. */
static bool is_stuck_at_its_end(const struct kregion *r)
{
	uint64_t began;
	bool any;

	return r->phase == KREGION_ENDING && kregion_oldest_step(r, &began, &any) &&
	       now_monotonic_usec() - began >= kregion_step_bound_usec(r);
}

bool kregion_file_is_stuck(const struct kregion *r)
{
	const struct keeper *k = r->keeper;
	bool any = k->n_stuck || k->n_left_behind;

	if (r->stuck.since_usec)
		return true;
	for (const struct kregion *q = any ? keeper_next(k, NULL) : NULL; q; q = keeper_next(k, q))
		if ((q->stuck.since_usec || is_stuck_at_its_end(q)) &&
		    kregion_is_of_same_file(q, r))
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
	if ((r->stuck.since_usec || r->stuck.wait) && r->phase == KREGION_HELD)
		kregion_look_at_steps_in(r, 0);
}

void kregion_note_step(struct kregion *r)
{
	if (r->stuck.wait == KREGION_WAITS_FOR_THREAD && r->guard.state == GUARD_OPEN)
		kregion_step_ended(r);
}

void kregion_forget_stuck(struct kregion *r)
{
	if (r->stuck.since_usec)
		r->keeper->n_stuck--;
	r->stuck.since_usec = 0;
	r->stuck.demand = 0;
	r->stuck.wait = KREGION_WAITS_FOR_NOTHING;
	r->stuck.text[0] = 0;
}
