// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stuck.c - notices a step on a region's memory or blocks that does not end, and takes the region
 * out of whatever it is part of.
 *
 * Such steps run in workers' threads: prefetches, touching pages to see why a peer's access failed,
 * reading where blocks are, dropping pages. Storage may be silent, or the kernel may have locked
 * itself up (docs/upstream/collapse-deadlock.md): a thread that waits in there cannot be ended. So
 * the region is revoked like for anybody else: peers have its grace, who does not acknowledge is
 * cut off, and all of it is fenced. No fault of a peer joins those that wait, and whoever wants the
 * blocks is let go on at once. When the step ends the region is opened again.
 *
 * What always holds:
 *   - Only a step that a thread has been in for twice storage_stall_msec counts; one that waits for
 *     a thread is nobody's fault.
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
#include <stddef.h>
#include <stdio.h>

#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/keeper-tell.h"
#include "keeper/system/mapping.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/macros.h"

#define AGAIN_USEC USEC_PER_SEC

static const struct step {
	size_t job; /* in struct kregion */
	const char *what;
} steps[] = {
	{ offsetof(struct kregion, warming.job), "bringing its pages into memory" },
	{ offsetof(struct kregion, explain.job), "touching its pages for a peer" },
	{ offsetof(struct kregion, look.job), "reading where its blocks are" },
	{ offsetof(struct kregion, replaced.job),
	  "looking at its blocks (or somebody stays in write(2))" },
};

static const struct job *job_of(const struct kregion *r, const struct step *s)
{
	return (const struct job *)((const char *)r + s->job);
}

/*
 * Of those that a thread is in, the one that began first; NULL: there is none. @ret_any: one is
 * under way, or waits for a thread.
 */
static const struct step *oldest(const struct kregion *r, uint64_t *ret_began, bool *ret_any)
{
	const struct step *found = NULL;

	*ret_began = 0;
	*ret_any = false;
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		const struct job *job = job_of(r, &steps[i]);
		uint64_t began = job_began(job);

		*ret_any |= job->busy;
		if (!began || (found && began >= *ret_began))
			continue;
		*ret_began = began;
		found = &steps[i];
	}
	return found;
}

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

static void note(struct kregion *r, const struct step *s, uint64_t began)
{
	if (r->stuck.since_usec == began)
		return;
	if (!r->stuck.since_usec)
		r->keeper->n_stuck++;
	r->stuck.since_usec = began;
	r->stuck.unwarmed |= job_of(r, s) == &r->warming.job;
	snprintf(r->stuck.text, sizeof(r->stuck.text),
		 "%s has not ended within %" PRIu64
		 " s, and peers are kept out until it does: the storage is "
		 "silent, or the kernel waits for itself (see its log)",
		 s->what, (uint64_t)(kregion_step_bound_usec(r) / USEC_PER_SEC));
	log_warning("region %" PRIu64 ": %s (%s)", r->id, r->stuck.text,
		    r->path[0] ? r->path : "?");
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

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
	uint64_t began, bound, now = now_monotonic_usec();
	struct kregion *r = userdata;
	const struct step *s;
	bool any;

	(void)fd;
	(void)what;
	if (r->phase != KREGION_HELD)
		return;
	s = oldest(r, &began, &any);
	bound = kregion_step_bound_usec(r);
	if (s && now - began >= bound) {
		note(r, s, began);
		if (!r->stuck.demand && kregion_demand_own(r, &r->stuck.demand) < 0)
			kregion_look_at_steps_in(
				r, AGAIN_USEC); /* as many want it as there is room for */
		return;
	}
	if (any)
		kregion_look_at_steps_in(r, s ? bound - (now - began) : bound);
	if (r->stuck.since_usec)
		recover(r);
}

int kregion_init_stuck(struct kregion *r)
{
	r->stuck.timer = evtimer_new(r->keeper->base, on_timer, r);
	return r->stuck.timer ? 0 : -ENOMEM;
}
