// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * bus-events.c - the daemon's signals become events in a bounded ring.
 *
 * What always holds: a signal counts only if it comes from the unique name that owns org.rdmareg.Registry1
 * (anybody on the bus can address a signal to us, and match rules on well-known names do not keep those
 * out); a malformed one is ignored; the ring never grows.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bus.h"
#include "error.h"
#include "util.h"
#include "words.h"

#define OVERFLOW_KEPT 1 /* the last place is the overflow event's */

/*
 * A newer revocation takes the place of one that was not settled: of its event too, if that still waits.
 * False: it does not wait.
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
		if (old->revocation.id < e->revocation.id)
			old->revocation = e->revocation;
		return true;
	}
	return false;
}

void events_push(struct rdmareg *c, const struct rdmareg_event *e)
{
	struct rdmareg_event *place;

	if (e->type == RDMAREG_EVENT_REVOCATION_REQUESTED && supersede(c, e))
		return;
	/* Changes are levels: one report that has not been taken stands for all of them. */
	for (size_t i = 0; e->type == RDMAREG_EVENT_REGION_CHANGED && i < c->n_events; i++) {
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

_public_ int rdmareg_next_event(struct rdmareg *c, struct rdmareg_event *event)
{
	int r;

	NEED(c);
	r = struct_out_check(event);
	if (r < 0)
		return r;
	if (!c->n_events)
		return 0;
	r = struct_out(event, &c->events[c->event_first], sizeof(*event));
	if (r < 0)
		return r;
	c->event_first = (c->event_first + 1) % EVENTS_MAX;
	if (!--c->n_events)
		context_rearm(c);
	return 1;
}

/* The id at the end of a region's object path, or 0. */
static uint64_t region_of_path(const char *path)
{
	size_t n = strlen(RDMAREG_REGION_PREFIX);
	char *end;
	uint64_t id;

	if (!path || strncmp(path, RDMAREG_REGION_PREFIX, n) || path[n] != '/' || path[n + 1] < '1' ||
	    path[n + 1] > '9')
		return 0;
	errno = 0;
	id = strtoull(path + n + 1, &end, 10);
	return errno || *end ? 0 : id;
}

static bool read_signal(sd_bus_message *m, struct rdmareg_event *e)
{
	const char *word, *path;

	e->region = region_of_path(sd_bus_message_get_path(m));
	if (sd_bus_message_is_signal(m, RDMAREG_REGION_INTERFACE, "RevocationRequested")) {
		e->type = RDMAREG_EVENT_REVOCATION_REQUESTED;
		if (sd_bus_message_read(m, "tsttt", &e->revocation.id, &word, &e->revocation.offset,
					&e->revocation.length, &e->revocation.deadline_usec) < 0)
			return false;
		e->revocation.cause = word_value(WORDS_CAUSE, word);
	} else if (sd_bus_message_is_signal(m, RDMAREG_REGION_INTERFACE, "RevocationSettled")) {
		e->type = RDMAREG_EVENT_REVOCATION_SETTLED;
		if (sd_bus_message_read(m, "tst", &e->revocation.id, &word, &e->valid_length) < 0)
			return false;
		e->outcome = word_value(WORDS_OUTCOME, word);
	} else if (sd_bus_message_is_signal(m, "org.freedesktop.DBus.Properties", "PropertiesChanged")) {
		e->type = RDMAREG_EVENT_REGION_CHANGED;
	} else if (sd_bus_message_is_signal(m, RDMAREG_MANAGER_INTERFACE, "RegionAdded")) {
		e->type = RDMAREG_EVENT_REGION_ADDED;
		if (sd_bus_message_read(m, "to", &e->region, &path) < 0)
			return false;
	} else if (sd_bus_message_is_signal(m, RDMAREG_MANAGER_INTERFACE, "RegionRemoved")) {
		e->type = RDMAREG_EVENT_REGION_REMOVED;
		if (sd_bus_message_read(m, "to", &e->region, &path) < 0)
			return false;
		/* daemons before this library did not tell why */
		if (sd_bus_message_read(m, "s", &word) > 0)
			e->end = word_value(WORDS_END, word);
	}
	return e->type && e->region;
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct rdmareg *c = userdata;
	struct rdmareg_event e = { 0 };
	const char *sender = sd_bus_message_get_sender(m);

	(void)ret_error;
	if (!c->owner || !sender || strcmp(sender, c->owner))
		return 0;
	if (jobs_take_signal(c, m) || !read_signal(m, &e))
		return 0;
	if (e.type == RDMAREG_EVENT_REGION_REMOVED ||
	    (e.type == RDMAREG_EVENT_REVOCATION_SETTLED && e.outcome == RDMAREG_OUTCOME_GONE))
		joined_forget(c, e.region);
	events_push(c, &e);
	return 0;
}

/*
 * The answer to a renewed Subscribe: a daemon that refuses it will refuse the next request too, and say why
 * there.
 */
static int on_subscribed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	(void)m;
	(void)userdata;
	(void)ret_error;
	return 0;
}

static void owner_changed(struct rdmareg *c, const char *owner)
{
	_cleanup_(free_cleanup) char *before = take_pointer(c->owner);
	struct rdmareg_event e = { 0 };

	c->owner = owner && *owner ? strdup(owner) : NULL;
	c->introduced = false;
	if (before && !c->owner)
		e.type = RDMAREG_EVENT_DAEMON_LOST;
	else if (c->owner)
		e.type = RDMAREG_EVENT_DAEMON_BACK;
	if (c->owner && c->subscribed)
		sd_bus_call_method_async(c->bus, NULL, c->owner, RDMAREG_MANAGER_PATH,
					 RDMAREG_MANAGER_INTERFACE, "Subscribe", on_subscribed, NULL, NULL);
	joined_renew(c);
	if (e.type)
		events_push(c, &e);
	if (before)
		jobs_daemon_lost(c, before);
}

static int on_name_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct rdmareg *c = userdata;
	const char *name, *before, *after, *sender = sd_bus_message_get_sender(m);

	(void)ret_error;
	if (!sender || strcmp(sender, "org.freedesktop.DBus"))
		return 0;
	if (sd_bus_message_read(m, "sss", &name, &before, &after) < 0 || strcmp(name, RDMAREG_BUS_NAME))
		return 0;
	/* The first answer to GetNameOwner and this signal may tell of the same change. */
	if (c->owner ? strcmp(c->owner, after) != 0 : *after != 0)
		owner_changed(c, after);
	return 0;
}

int events_attach(struct rdmareg *c)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	const char *owner;
	int r;

	r = sd_bus_add_match(c->bus, NULL,
			     "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
			     "member='NameOwnerChanged',arg0='" RDMAREG_BUS_NAME "'",
			     on_name_owner_changed, c);
	if (r >= 0)
		r = sd_bus_add_match(c->bus, NULL, "type='signal',sender='" RDMAREG_BUS_NAME "'", on_signal,
				     c);
	if (r < 0)
		return fail_bus(NULL, r, "listening on the bus");

	r = sd_bus_call_method(c->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
			       "org.freedesktop.DBus", "GetNameOwner", &error, &reply, "s", RDMAREG_BUS_NAME);
	if (r < 0 && !sd_bus_error_has_name(&error, SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
		r = fail_bus(&error, r, "asking the bus for rdmaregd");
		sd_bus_error_free(&error);
		return r;
	}
	sd_bus_error_free(&error);
	if (r >= 0 && sd_bus_message_read(reply, "s", &owner) >= 0)
		c->owner = strdup(owner);
	sd_bus_message_unref(reply);
	return 0;
}

_public_ int rdmareg_subscribe(struct rdmareg *c)
{
	sd_bus_message *m = NULL;
	int r;

	NEED(c);
	r = context_new_call(c, 0, "Subscribe", &m);
	if (r < 0)
		return r;
	r = context_call(c, m, 0, NULL, "subscribing to events");
	if (r < 0)
		return r;
	c->subscribed = true;
	return 0;
}
