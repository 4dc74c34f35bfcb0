// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ring.c - the events that the program has not taken yet. What always holds: the ring never grows;
 * what does not fit is told by one event, the last.
 */
#include <string.h>

#include "bus.h"
#include "util.h"

#define OVERFLOW_KEPT 1 /* the last place is the overflow event's */

/*
 * A newer revocation takes the place of one that was not settled: of its event too, if that still
 * waits. False: it does not wait.
 */
static bool supersede(struct rdmareg *c, const struct rdmareg_event *e)
{
	for (size_t i = c->n_events; i > 0; i--) {
		struct rdmareg_event *old = &c->events[(c->event_first + i - 1) % EVENTS_MAX];

		if (old->region != e->region)
			continue;
		if (old->type == RDMAREG_EVENT_REVOCATION_SETTLED)
			return false;
		if (old->type != RDMAREG_EVENT_REVOCATION_REQUESTED)
			continue;
		if (old->revocation.id < e->revocation.id) {
			const uint64_t seen_usec = old->seen_usec;

			*old = *e;
			old->seen_usec = seen_usec;
		}
		return true;
	}
	return false;
}

static bool is_of_session(const struct rdmareg_event *e)
{
	return e->type == RDMAREG_EVENT_SESSION_ADDED || e->type == RDMAREG_EVENT_SESSION_CHANGED ||
	       e->type == RDMAREG_EVENT_SESSION_REMOVED;
}

/* A change of a session that waits tells of the newest state, unless it is of an earlier session
 * of that name. False: none waits. */
static bool change_again(struct rdmareg *c, const struct rdmareg_event *e)
{
	for (size_t i = c->n_events; i > 0; i--) {
		struct rdmareg_event *old = &c->events[(c->event_first + i - 1) % EVENTS_MAX];

		if (!is_of_session(old) || old->session_uid != e->session_uid ||
		    strcmp(old->session, e->session) != 0)
			continue;
		if (old->type != RDMAREG_EVENT_SESSION_CHANGED)
			return false;
		old->session_state = e->session_state;
		return true;
	}
	return false;
}

static bool is_level(const struct rdmareg_event *e)
{
	return e->type == RDMAREG_EVENT_REGION_CHANGED || e->type == RDMAREG_EVENT_HISTORY_ADDED;
}

void events_push(struct rdmareg *c, const struct rdmareg_event *e)
{
	struct rdmareg_event *place;

	if (e->type == RDMAREG_EVENT_REVOCATION_REQUESTED && supersede(c, e))
		return;
	if (e->type == RDMAREG_EVENT_SESSION_CHANGED && change_again(c, e))
		return;
	/* Changes are levels: one report that has not been taken stands for all of them. */
	for (size_t i = 0; is_level(e) && i < c->n_events; i++) {
		const struct rdmareg_event *old = &c->events[(c->event_first + i) % EVENTS_MAX];

		if (old->type == e->type && old->region == e->region)
			return;
	}
	if (c->n_events == EVENTS_MAX)
		return; /* the last one says so already */
	place = &c->events[(c->event_first + c->n_events) % EVENTS_MAX];
	*place = *e;
	if (c->n_events == EVENTS_MAX - OVERFLOW_KEPT)
		*place = (struct rdmareg_event){ .type = RDMAREG_EVENT_OVERFLOW };
	place->seen_usec = clock_usec(CLOCK_BOOTTIME);
	c->n_events++;
}

void events_drop_job(struct rdmareg *c, uint64_t job)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n_events; i++) {
		const struct rdmareg_event *e = &c->events[(c->event_first + i) % EVENTS_MAX];

		if (e->type != RDMAREG_EVENT_JOB_FINISHED || e->job != job)
			c->events[(c->event_first + kept++) % EVENTS_MAX] = *e;
	}
	c->n_events = kept;
}
