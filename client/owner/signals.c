// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * signals.c - the daemon's signals become events, and what they end is ended here.
 *
 * What always holds: a signal counts only if it comes from the unique name that owns
 * org.rdmareg.Registry1 (anybody on the bus can address a signal to us, and match rules on
 * well-known names do not keep those out); a malformed one is ignored.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bus.h"
#include "error.h"
#include "fields.h"
#include "session.h"
#include "util.h"
#include "words.h"

/* Who is behind a revocation; texts are the message's. */
struct asker {
	uint32_t pid;
	uint32_t uid;
	const char *comm;
	const char *cgroup;
	uint8_t other_user;
};

/* The id at the end of a region's object path, or 0. */
static uint64_t region_of_path(const char *path)
{
	size_t n = strlen(RDMAREG_REGION_PREFIX);
	char *end;
	uint64_t id;

	if (!path || strncmp(path, RDMAREG_REGION_PREFIX, n) || path[n] != '/' ||
	    path[n + 1] < '1' || path[n + 1] > '9')
		return 0;
	errno = 0;
	id = strtoull(path + n + 1, &end, 10);
	return errno || *end ? 0 : id;
}

/* Whether it is one about a session; malformed: false too. */
static bool read_session_signal(sd_bus_message *m, struct rdmareg_event *e)
{
	const char *word, *path = sd_bus_message_get_path(m);

	if (sd_bus_message_is_signal(m, "org.freedesktop.DBus.Properties", "PropertiesChanged")) {
		e->type = RDMAREG_EVENT_SESSION_CHANGED;
		return session_of_path(path, &e->session_uid, e->session) &&
		       session_changes_read(m, &e->session_state);
	}
	if (sd_bus_message_is_signal(m, RDMAREG_MANAGER_INTERFACE, "SessionAdded"))
		e->type = RDMAREG_EVENT_SESSION_ADDED;
	else if (sd_bus_message_is_signal(m, RDMAREG_MANAGER_INTERFACE, "SessionRemoved"))
		e->type = RDMAREG_EVENT_SESSION_REMOVED;
	else
		return false;
	if (sd_bus_message_read(m, "o", &path) <= 0 ||
	    !session_of_path(path, &e->session_uid, e->session))
		return false;
	if (e->type == RDMAREG_EVENT_SESSION_REMOVED && sd_bus_message_read(m, "s", &word) > 0)
		e->end = word_value(WORDS_END, word);
	return true;
}

/* Daemons before this library did not tell. */
static void read_asker(sd_bus_message *m, struct rdmareg_event *e)
{
	static const struct field known[] = {
		FIELD_INTO(struct asker, "pid", FIELD_U32, pid),
		FIELD_INTO(struct asker, "process_uid", FIELD_U32, uid),
		FIELD_INTO(struct asker, "comm", FIELD_TEXT, comm),
		FIELD_INTO(struct asker, "cgroup", FIELD_TEXT, cgroup),
		FIELD_INTO(struct asker, "other_user", FIELD_BOOL, other_user),
	};
	struct asker a = { .uid = RDMAREG_NO_UID, .comm = "", .cgroup = "" };

	e->asker_uid = RDMAREG_NO_UID;
	if (sd_bus_message_at_end(m, 1) > 0 || fields_read(m, known, ARRAY_SIZE(known), &a) < 0)
		return;
	e->asker_pid = a.pid;
	e->asker_uid = a.uid;
	e->asker_other_user = a.other_user;
	snprintf(e->asker_comm, sizeof(e->asker_comm), "%s", a.comm);
	snprintf(e->asker_cgroup, sizeof(e->asker_cgroup), "%s", a.cgroup);
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
		read_asker(m, e);
	} else if (sd_bus_message_is_signal(m, RDMAREG_REGION_INTERFACE, "RevocationSettled")) {
		e->type = RDMAREG_EVENT_REVOCATION_SETTLED;
		if (sd_bus_message_read(m, "tst", &e->revocation.id, &word, &e->valid_length) < 0)
			return false;
		e->outcome = word_value(WORDS_OUTCOME, word);
	} else if (sd_bus_message_is_signal(m, "org.freedesktop.DBus.Properties",
					    "PropertiesChanged")) {
		e->type = RDMAREG_EVENT_REGION_CHANGED;
	} else if (sd_bus_message_is_signal(m, RDMAREG_MANAGER_INTERFACE, "RegionAdded")) {
		e->type = RDMAREG_EVENT_REGION_ADDED;
		if (sd_bus_message_read(m, "to", &e->region, &path) < 0)
			return false;
	} else if (sd_bus_message_is_signal(m, RDMAREG_MANAGER_INTERFACE, "HistoryAdded")) {
		e->type = RDMAREG_EVENT_HISTORY_ADDED;
	} else if (sd_bus_message_is_signal(m, RDMAREG_MANAGER_INTERFACE, "RegionRemoved")) {
		e->type = RDMAREG_EVENT_REGION_REMOVED;
		if (sd_bus_message_read(m, "to", &e->region, &path) < 0)
			return false;
		/* daemons before this library did not tell why */
		if (sd_bus_message_read(m, "s", &word) > 0)
			e->end = word_value(WORDS_END, word);
	}
	return e->type && (e->region || e->type == RDMAREG_EVENT_HISTORY_ADDED);
}

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct rdmareg *c = userdata;
	struct rdmareg_event e = { 0 };
	const char *sender = sd_bus_message_get_sender(m);

	(void)ret_error;
	if (!c->owner || !sender || strcmp(sender, c->owner))
		return 0;
	if (jobs_take_signal(c, m) || (!read_session_signal(m, &e) && !read_signal(m, &e)))
		return 0;
	if (e.type == RDMAREG_EVENT_REGION_REMOVED ||
	    (e.type == RDMAREG_EVENT_REVOCATION_SETTLED && e.outcome == RDMAREG_OUTCOME_GONE))
		joined_forget(c, e.region);
	events_push(c, &e);
	return 0;
}

/*
 * The answer to a renewed Subscribe: a daemon that refuses it will refuse the next request too, and
 * say why there.
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
	c->introduced = c->by_names = false;
	if (before && !c->owner)
		e.type = RDMAREG_EVENT_DAEMON_LOST;
	else if (c->owner)
		e.type = RDMAREG_EVENT_DAEMON_BACK;
	if (c->owner && c->subscribed)
		sd_bus_call_method_async(c->bus, NULL, c->owner, RDMAREG_MANAGER_PATH,
					 RDMAREG_MANAGER_INTERFACE, "Subscribe", on_subscribed,
					 NULL, NULL);
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
	if (sd_bus_message_read(m, "sss", &name, &before, &after) < 0 ||
	    strcmp(name, RDMAREG_BUS_NAME))
		return 0;
	/* The first answer to GetNameOwner and this signal may tell of the same change. */
	if (c->owner ? strcmp(c->owner, after) != 0 : *after != 0)
		owner_changed(c, after);
	return 0;
}

int signals_attach(struct rdmareg *c)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	const char *owner;
	int r;

	r = sd_bus_add_match(
		c->bus, NULL,
		"type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',"
		"member='NameOwnerChanged',arg0='" RDMAREG_BUS_NAME "'",
		on_name_owner_changed, c);
	if (r >= 0)
		r = sd_bus_add_match(c->bus, NULL, "type='signal',sender='" RDMAREG_BUS_NAME "'",
				     on_signal, c);
	if (r < 0)
		return fail_bus(NULL, r, "listening on the bus");

	r = sd_bus_call_method(c->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
			       "org.freedesktop.DBus", "GetNameOwner", &error, &reply, "s",
			       RDMAREG_BUS_NAME);
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
