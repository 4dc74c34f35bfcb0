// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-join.c - be a holder of a region, for a program that cannot be one itself, and for tests:
 * print what it is asked, answer it.
 *
 * What always holds: a revocation is printed before it is acknowledged; the region is left at the
 * end, in whatever way that comes.
 */
#include <errno.h>

#include "events.h"

struct options {
	bool ignore_revocations;
};

static const struct option_spec specs[] = {
	{ "ignore-revocations", ARG_FLAG, offsetof(struct options, ignore_revocations), NULL,
	  "do not acknowledge: others wait for the whole grace" },
	{ NULL },
};

static int acknowledge(struct ctl *ctl, const struct rdmareg_event *asked)
{
	struct rdmareg_event e = { .region = asked->region, .revocation.id = asked->revocation.id };
	int r;

	r = rdmareg_acknowledge(ctl->context, asked->region, asked->revocation.id);
	/* Over already, or a newer one took its place: there is an event for either. */
	if (r == -ESTALE || r == -ENOENT)
		return EVENTS_GO_ON;
	if (r < 0) {
		/* Nobody is there to be answered at the moment; the region stays joined. */
		ctl_failed(r);
		return EVENTS_GO_ON;
	}
	e.seen_usec = events_now_usec(CLOCK_BOOTTIME);
	events_print(ctl, "acknowledged", &e, NULL, NULL);
	return EVENTS_GO_ON;
}

static int on_event(struct ctl *ctl, const struct rdmareg_event *e, void *userdata)
{
	const struct options *o = userdata;

	if (e->type == RDMAREG_EVENT_REGION_CHANGED)
		return EVENTS_GO_ON; /* that is what watch is for */
	events_print(ctl, NULL, e, NULL, NULL);
	switch (e->type) {
	case RDMAREG_EVENT_REVOCATION_REQUESTED:
		return o->ignore_revocations ? EVENTS_GO_ON : acknowledge(ctl, e);
	case RDMAREG_EVENT_REGION_REMOVED:
		return events_end_status(e);
	case RDMAREG_EVENT_LEFT:
		return ctl_error(EXIT_FAILED,
				 "rdmaregd was restarted and did not let this program join again; "
				 "run this again to see why");
	default:
		return EVENTS_GO_ON;
	}
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_event joined = { 0 };
	struct options o = *(const struct options *)options;
	int r;

	(void)n;
	r = ctl_lookup(ctl, arguments[0], &region);
	if (r)
		return r;
	/*
	 * A holder is not told that a region is gone which nobody was asked about; a subscriber is.
	 */
	r = rdmareg_subscribe(ctl->context);
	if (r >= 0)
		r = rdmareg_join(region);
	if (r < 0)
		return ctl_failed(r);
	joined.region = rdmareg_region_id(region);
	joined.seen_usec = events_now_usec(CLOCK_BOOTTIME);
	rdmareg_region_get_info(region, &info);
	events_print(ctl, "joined", &joined, &info, NULL);
	r = events_wait(ctl, joined.region, on_event, &o);
	/* The end of the connection would do; a region or daemon that is gone needs no goodbye. */
	rdmareg_leave(region);
	return r;
}

const struct verb verb_join = {
	"join", "ID", "become a holder of a region, and acknowledge revocations", specs, 1, 1, run
};
