// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * watch.c - what the kernel module watches for a region: the keeper's half of its arbitration mode,
 * which the daemon makes of this and of what the gate can do (arbiter/app-mode.c).
 *
 * What always holds: the kernel's deadline is longer than the grace by the margin, so that in the
 * ordinary case the fence is up before the kernel gives blocks back by itself. A file that can have
 * a layout lease, and has none since somebody is in its way, is tried again until it has one
 * (@unleased), and what is missing meanwhile is told.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "keeper/keeper.h"
#include "keeper/region/lease-pause.h"
#include "keeper/region/region.h"
#include "keeper/keeper-tell.h"
#include "keeper/system/mapping.h"
#include "keeper/system/watch.h"
#include "util/clock.h"

static int set_mode(struct kregion *r, enum arbitration_mode mode, const char *format,
		    const char *detail)
{
	r->mode = (uint8_t)mode;
	snprintf(r->mode_reason, sizeof(r->mode_reason), format, detail);
	kregion_note_promise(r);
	return 0;
}

/* Shortens the grace to what the kernel can wait for; returns the kernel's deadline. */
static uint32_t fit(const struct keeper *k, uint64_t *grace_usec)
{
	uint64_t most = watch_max_deadline_msec(k->watch);
	uint64_t margin = k->options->deadline_margin_msec < most / 2
				  ? k->options->deadline_margin_msec
				  : most / 2;

	if (*grace_usec > (most - margin) * USEC_PER_MSEC)
		*grace_usec = (most - margin) * USEC_PER_MSEC;
	return (uint32_t)((*grace_usec + USEC_PER_MSEC - 1) / USEC_PER_MSEC + margin);
}

/* What is in the way of a lease, in words. */
static const char *obstacle(int error)
{
	switch (error) {
	case -ETXTBSY:
	case -EPERM:
		return "somebody holds the file, and refuses that it is opened";
	case -EAGAIN:
	case -EBUSY:
		return "somebody is changing the file's layout, or has a lease on it";
	default:
		return strerror(-error);
	}
}

static int be_unleased(struct kregion *r, int error)
{
	r->watching.unleased = true;
	r->watching.lease_error = error;
	return set_mode(r, ARBITRATION_NOTIFY_ONLY, "no layout lease yet (it is tried again): %s",
			obstacle(error));
}

static int be_leased(struct kregion *r)
{
	r->watching.unleased = false;
	r->watching.lease_pause_usec = 0;
	return set_mode(
		r, ARBITRATION_LAYOUT_LEASE,
		r->watching.ask_writes
			? "%s asks before it takes blocks back, and before each write(2), since such a "
			  "write can replace blocks that are shared with a copy"
			: "%s asks before it takes blocks back",
		r->mapping->filesystem);
}

void kregion_reason_changed(struct kregion *r)
{
	be_leased(r);
	if (r->announced && r->phase == KREGION_HELD)
		tell_mode(r);
}

/* It has no such thing. */
static bool is_lasting(int error)
{
	return error == -EOPNOTSUPP || error == -EINVAL;
}

int kregion_watch(struct kregion *r, uint64_t *grace_usec, bool last)
{
	struct keeper *k = r->keeper;
	struct mapping *m = r->mapping;
	int range, layout;

	r->watching.range_slot = r->watching.layout_slot = WATCH_NO_SLOT;
	if (!k->watch)
		return set_mode(r, ARBITRATION_NONE, "%.199s", k->no_module.text);
	range = watch_range(k->watch, m->address, m->length, r->id, &r->watching.range_slot);
	kregion_pace(r);
	if (m->device_bytes)
		return set_mode(r, range ? ARBITRATION_NONE : ARBITRATION_NOTIFY_ONLY,
				"%s has no filesystem that could want blocks back", m->filesystem);

	r->watching.deadline_msec = fit(k, grace_usec);
	layout = watch_layout(k->watch, m->fd, r->watching.deadline_msec, r->watching.ask_writes,
			      r->id, &r->watching.layout_slot);
	if (layout == -EAGAIN && !last) {
		kregion_unwatch(r);
		return -EBUSY;
	}
	if (layout == 0)
		return be_leased(r);
	if (range < 0)
		return set_mode(r, ARBITRATION_NONE, "the kernel module cannot watch it: %s",
				strerror(-range));
	if (is_lasting(layout))
		return set_mode(r, ARBITRATION_NOTIFY_ONLY, "%s has no layout breaks",
				m->filesystem);
	return be_unleased(r, layout);
}

void kregion_await_lease(struct kregion *r)
{
	struct timeval tv;

	if (!r->watching.unleased)
		return;
	r->watching.lease_pause_usec =
		kregion_lease_pause_usec(r->watching.lease_pause_usec, r->watching.lease_error);
	tv = timeval_from_usec(r->watching.lease_pause_usec);
	evtimer_add(r->watching.timer, &tv);
}

/* Without a slot, or with one whose lease could not be had again. */
static int take_lease(struct kregion *r)
{
	struct keeper *k = r->keeper;
	int error;

	watch_remove(k->watch, r->watching.layout_slot);
	r->watching.layout_slot = WATCH_NO_SLOT;
	r->watching.deadline_msec = fit(k, &r->guard.grace_usec);
	/* the region is open and nobody has looked at its blocks */
	r->watching.ask_writes = r->mapping->direct;
	error = watch_layout(k->watch, r->mapping->fd, r->watching.deadline_msec,
			     r->watching.ask_writes, r->id, &r->watching.layout_slot);
	if (error) {
		r->watching.layout_slot = WATCH_NO_SLOT;
		return error;
	}
	r->watching.break_base = r->guard.break_id;
	guard_watched(&r->guard);
	return 0;
}

void kregion_try_lease(struct kregion *r)
{
	char before[sizeof(r->mode_reason)];
	int error;

	if (!r->watching.unleased)
		return;
	if (r->phase != KREGION_HELD || r->guard.state != GUARD_OPEN) {
		kregion_await_lease(r);
		return;
	}
	memcpy(before, r->mode_reason, sizeof(before));
	error = take_lease(r);
	if (!error) {
		be_leased(r);
		evtimer_del(r->watching.timer);
		kregion_lease_came(r);
	} else {
		be_unleased(r, error);
		kregion_await_lease(r);
	}
	if (strcmp(before, r->mode_reason))
		tell_mode(r);
}

void kregion_unwatch(struct kregion *r)
{
	watch_remove(r->keeper->watch, r->watching.layout_slot);
	watch_remove(r->keeper->watch, r->watching.range_slot);
	r->watching.layout_slot = r->watching.range_slot = WATCH_NO_SLOT;
}

int kregion_rearm(struct kregion *r)
{
	int error = watch_rearm(r->keeper->watch, r->watching.layout_slot,
				r->watching.deadline_msec, r->watching.ask_writes);

	if (error == -EBUSY) /* armed already, or broken again, which a report will say */
		return 0;
	if (error && error != -EAGAIN) {
		be_unleased(r, error);
		kregion_await_lease(r);
		tell_mode(r);
	}
	return error;
}

void kregion_look_at_lease(struct kregion *r)
{
	if (r->phase != KREGION_HELD || r->guard.watched || r->watching.unleased ||
	    r->watching.layout_slot == WATCH_NO_SLOT)
		return;
	/* the guard gave up: whoever broke it is in the same system call still */
	be_unleased(r, -EAGAIN);
	kregion_await_lease(r);
	tell_mode(r);
}

/* A longer deadline needs a new watch. */
static int lengthen(struct kregion *r, uint32_t deadline_msec, struct failure *why)
{
	int error = watch_layout_anew(r->keeper->watch, r->mapping->fd, deadline_msec,
				      r->watching.ask_writes, r->id, &r->watching.layout_slot);

	if (error)
		return fail(why, error == -EAGAIN ? -EBUSY : error,
			    "The file cannot be watched anew: %s", strerror(-error));
	r->watching.deadline_msec = deadline_msec;
	r->watching.break_base = r->guard.break_id;
	return 0;
}

int kregion_configure(struct kregion *r, enum region_policy policy, uint64_t grace_usec,
		      struct failure *why)
{
	uint32_t deadline_msec;
	int error;

	if (r->phase != KREGION_HELD || r->guard.state != GUARD_OPEN)
		return fail(why, -EBUSY,
			    "The region is being revoked, registered or released; try again later");
	if (r->watching.layout_slot != WATCH_NO_SLOT && !r->watching.unleased) {
		deadline_msec = fit(r->keeper, &grace_usec);
		error = deadline_msec > r->watching.deadline_msec ? lengthen(r, deadline_msec, why)
								  : 0;
		if (error)
			return error;
	}
	r->guard.policy = policy;
	r->guard.grace_usec = grace_usec;
	kregion_try_lease(r);
	return 0;
}
