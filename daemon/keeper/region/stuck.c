// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stuck.c - notices a step on a region's memory or blocks that does not end, and takes the region
 * out of whatever it is part of.
 *
 * Such steps run in workers' threads: prefetches, touching pages to see why a peer's access failed,
 * dropping pages and looking at blocks with direct access. Storage may be silent, or the kernel may
 * have locked itself up (docs/upstream/collapse-deadlock.md): a thread that waits in there cannot be
 * ended. So the region is revoked like for anybody else: peers have its grace, who does not
 * acknowledge is cut off, and all of it is fenced. No fault of a peer joins those that wait, and
 * whoever wants the blocks is let go on at once. When the step ends the region is opened again.
 *
 * The look for blocks that others took (look.c) touches no memory, and waits for whoever is in the
 * middle of a write(2): when it does not end, nobody is kept out. It is said that nothing is noticed.
 * And a region can be closed because other files keep all threads that would look at its blocks:
 * nothing of it is stuck then, and that is said, too.
 *
 * What always holds:
 *   - Only a step that a thread has been in for twice storage_stall_msec counts, and only when it
 *     is there a second later as well: this process may have been stopped. One that waits for a
 *     thread is nobody's fault.
 *   - A region is not warmed unasked after that before a prefetch that was asked for has succeeded:
 *     a page that fails with EIO keeps Linux 7.3 trying until it is fenced, and peers are not to be
 *     cut off for the same page again and again.
 *   - Until it ends nothing is begun on the memory of any region of the same file, and no region of
 *     it is registered.
 *   - That it is so is a level (@text), told to the daemon when it changes and in every list.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>

#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/keeper-tell.h"
#include "keeper/system/mapping.h"
#include "util/clock.h"
#include "util/log.h"

#define AGAIN_USEC USEC_PER_SEC

/* Regions of the file begin nothing any more, or may go on. */
static void tell_others(struct kregion *r, bool stuck)
{
	struct keeper *k = r->keeper;

	for (struct kregion *q = keeper_next(k, NULL); q; q = keeper_next(k, q)) {
		if (q->phase != KREGION_HELD || !kregion_is_of_same_file(q, r))
			continue;
		if (stuck)
			kregion_stop_warming(q, -ETIME);
		else
			kregion_warm(q);
	}
}

static void tell(struct kregion *r)
{
	if (r->announced)
		tell_mode(r);
}

static void note(struct kregion *r, const char *what, uint64_t began)
{
	if (r->stuck.since_usec == began)
		return;
	if (!r->stuck.since_usec)
		r->keeper->n_stuck++;
	r->stuck.since_usec = began;
	r->stuck.wait = KREGION_WAITS_FOR_NOTHING;
	r->stuck.unwarmed |= job_began(&r->warming.job) == began;
	snprintf(r->stuck.text, sizeof(r->stuck.text),
		 "%s has not ended within %" PRIu64
		 " s, and peers are kept out until it does: the storage is "
		 "silent, or the kernel waits for itself (see its log)",
		 what, (uint64_t)(kregion_step_bound_usec(r) / USEC_PER_SEC));
	log_about(LOG_WARNING, LOG_FIELDS(.message = LOG_MESSAGE_STORAGE_SILENT, .file = r->path),
		  "region %" PRIu64 ": %s (%s)", r->id, r->stuck.text, r->path[0] ? r->path : "?");
	tell(r);
	tell_others(r, true);
}

static void recover(struct kregion *r)
{
	uint64_t demand = r->stuck.demand;

	log_notice("region %" PRIu64 ": what did not end has ended after %" PRIu64 " s", r->id,
		   (uint64_t)((now_monotonic_usec() - r->stuck.since_usec) / USEC_PER_SEC));
	kregion_forget_stuck(r);
	tell(r);
	tell_others(r, false);
	kregion_over(r, demand); /* may free it */
}

/* Without that look nobody notices who takes blocks and asks nobody; it keeps nobody out. */
static void say_blind(struct kregion *r)
{
	snprintf(r->stuck.text, sizeof(r->stuck.text),
		 "where its blocks are has not been read for %" PRIu64
		 " s, so who takes some and asks nobody is not noticed: somebody is in the "
		 "middle of a long write(2), or the storage is silent",
		 (uint64_t)(kregion_look_bound_usec(r) / USEC_PER_SEC));
}

/* The file itself may be as it should. */
static void say_shut(struct kregion *r)
{
	snprintf(r->stuck.text, sizeof(r->stuck.text),
		 "its blocks have not been looked at for %" PRIu64
		 " s, and peers are kept out until they are: looks at other files do not end "
		 "(somebody is in write(2) of them, or their storage is silent)",
		 (uint64_t)(kregion_step_bound_usec(r) / USEC_PER_SEC));
}

static void let_in(struct kregion *r)
{
	uint64_t demand = r->stuck.demand;

	r->stuck.demand = 0;
	if (demand)
		kregion_over(r, demand); /* may free it */
}

static void look_for_waits(struct kregion *r, enum kregion_wait wait)
{
	bool shut = r->stuck.wait == KREGION_WAITS_FOR_THREAD;

	if (r->stuck.since_usec)
		return;
	/* or it would be opened without a lease after some time, whoever is in write(2) */
	if (wait == KREGION_WAITS_FOR_THREAD && !r->stuck.demand &&
	    kregion_demand_own(r, &r->stuck.demand) < 0)
		kregion_look_at_steps_in(r, AGAIN_USEC);
	if (wait == r->stuck.wait)
		return;
	r->stuck.wait = wait;
	r->stuck.text[0] = 0;
	if (wait == KREGION_WAITS_FOR_LOOK)
		say_blind(r);
	else if (wait == KREGION_WAITS_FOR_THREAD)
		say_shut(r);
	log_notice("region %" PRIu64 ": %s (%s)", r->id,
		   wait ? r->stuck.text : "its blocks are looked at again",
		   r->path[0] ? r->path : "?");
	tell(r);
	if (shut)
		let_in(r);
}

static void on_timer(evutil_socket_t fd, short event, void *userdata)
{
	uint64_t began, bound, left, next = UINT64_MAX, now = now_monotonic_usec();
	struct kregion *r = userdata;
	enum kregion_wait wait;
	const char *what;
	bool any;

	(void)fd;
	(void)event;
	if (r->phase != KREGION_HELD)
		return;
	what = kregion_oldest_step(r, &began, &any);
	bound = kregion_step_bound_usec(r);
	if (what && now - began >= bound) {
		if (r->stuck.seen_usec != began) {
			/* this process may have been stopped all that time: the thread gets a chance */
			r->stuck.seen_usec = began;
			kregion_look_at_steps_in(r, AGAIN_USEC);
			return;
		}
		note(r, what, began);
		/* as many want it as there is room for */
		if (!r->stuck.demand && kregion_demand_own(r, &r->stuck.demand) < 0)
			kregion_look_at_steps_in(r, AGAIN_USEC);
		return;
	}
	if (any)
		next = what ? bound - (now - began) : bound;
	wait = kregion_wait(r, &left);
	if (left && left < next)
		next = left;
	if (next != UINT64_MAX)
		kregion_look_at_steps_in(r, next);
	if (r->stuck.since_usec)
		recover(r);
	else
		look_for_waits(r, wait);
}

int kregion_init_stuck(struct kregion *r)
{
	r->stuck.timer = evtimer_new(r->keeper->base, on_timer, r);
	return r->stuck.timer ? 0 : -ENOMEM;
}
