// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * report.c - what happened to a region's pages: counted, folded, and told to the daemon at most ten
 * times a second.
 *
 * What always holds: nothing is lost by folding (causes are or-ed, the range only grows until it is
 * told), and the length told is the one of that moment. What a region has to say is a level, not an
 * event: while the daemon does not read, a region waits for its turn once, however much happens to
 * it, so that what waits is bounded by the number of regions.
 */
#include <errno.h>
#include <event2/event.h>

#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "keeper/keeper-tell.h"
#include "util/clock.h"

#define TELL_EVERY_USEC (USEC_PER_SEC / 10)

static bool is_read(const struct kregion *r)
{
	return session_is_flushed(r->keeper->session);
}

static void leave_untold(struct kregion *r)
{
	if (r->report.folded.untold)
		TAILQ_REMOVE(&r->keeper->untold, r, report.of_untold);
	r->report.folded.untold = false;
}

static void tell_folded(struct kregion *r)
{
	if (!is_read(r)) {
		if (!r->report.folded.untold)
			TAILQ_INSERT_TAIL(&r->keeper->untold, r, report.of_untold);
		r->report.folded.untold = true;
		return;
	}
	leave_untold(r);
	tell_invalidated(r);
	r->report.folded = (struct kregion_folded){ .last_usec = now_monotonic_usec() };
}

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
	struct kregion *r = userdata;

	(void)fd;
	(void)what;
	if (r->report.folded.waiting && r->phase == KREGION_HELD)
		tell_folded(r);
}

void kregion_fold(struct kregion *r, uint64_t start, uint64_t end, uint32_t causes)
{
	struct kregion_folded *f = &r->report.folded;
	uint64_t since = now_monotonic_usec() - f->last_usec;
	struct timeval tv;

	f->causes |= causes;
	if (start == end) {
		/* the counters alone */
	} else if (f->start == f->end) {
		f->start = start;
		f->end = end;
	} else {
		f->start = start < f->start ? start : f->start;
		f->end = end > f->end ? end : f->end;
	}
	if (r->phase != KREGION_HELD || !r->announced)
		return; /* nobody knows of it yet */
	if (since >= TELL_EVERY_USEC) {
		tell_folded(r);
	} else if (!f->waiting && !f->untold) {
		f->waiting = true;
		tv = timeval_from_usec(TELL_EVERY_USEC - since);
		evtimer_add(r->report.timer, &tv);
	}
}

void kregion_tell_counters(struct kregion *r)
{
	kregion_fold(r, 0, 0, 0);
}

void kregion_restat(struct kregion *r)
{
	uint64_t length;

	if (r->phase != KREGION_HELD || !guard_is_open(&r->guard))
		return; /* the revocation reads it again at its end */
	if (mapping_device_is_gone(r->mapping))
		kregion_note_damage(r, 0, r->mapping->length, "the device was taken away");
	if (mapping_valid_length(r->mapping, &length) < 0 || length == r->guard.valid_length)
		return;
	if (length < r->guard.valid_length)
		kregion_note_shrunk(r);
	r->guard.valid_length = length;
	tell_length(r);
	kregion_fold(r, length, r->mapping->length, 0);
}

void kregion_tell_waiting(struct keeper *k)
{
	struct kregion *r;

	while ((r = TAILQ_FIRST(&k->untold)) && is_read(r)) {
		if (r->phase == KREGION_HELD)
			tell_folded(r);
		else
			leave_untold(r);
	}
}

void kregion_end_report(struct kregion *r)
{
	leave_untold(r);
}

int kregion_init_report(struct kregion *r)
{
	r->report.timer = evtimer_new(r->keeper->base, on_timer, r);
	return r->report.timer ? 0 : -ENOMEM;
}
