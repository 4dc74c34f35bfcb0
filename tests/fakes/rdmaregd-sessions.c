// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rdmaregd-sessions.c - the played daemon's sessions: CreateSession, GetSession, ListSessions and
 * the object of each. See fakes/rdmaregd.h for what is played.
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "rdmaregd-calls.h"
#include "rdmaregd.h"

#define SESSIONS_MAX 512
#define NOT_AUTHORIZED_UID 4711
#define UNSEEN_UID 4712 /* who may change its sessions does not see them */

static struct session {
	bool exists;
	uint32_t uid;
	char name[49], state[16], limits[256];
} sessions[SESSIONS_MAX];

static char *path_of(const struct session *s)
{
	char *label, *path;

	assert(sd_bus_path_encode(RDMAREG_SESSION_PREFIX, s->name, &label) >= 0);
	assert(asprintf(&path, RDMAREG_SESSION_PREFIX "/%u_%s", s->uid, strrchr(label, '/') + 1) >
	       0);
	free(label);
	return path;
}

static struct session *find(uint32_t uid, const char *name)
{
	for (int i = 0; i < SESSIONS_MAX; i++)
		if (sessions[i].exists && sessions[i].uid == uid && !strcmp(sessions[i].name, name))
			return &sessions[i];
	return NULL;
}

static struct session *find_path(const char *path)
{
	struct session *found = NULL;

	for (int i = 0; i < SESSIONS_MAX && !found; i++) {
		char *p = sessions[i].exists ? path_of(&sessions[i]) : NULL;

		if (p && !strcmp(p, path))
			found = &sessions[i];
		free(p);
	}
	return found;
}

bool mock_sessions_denied, mock_sessions_unknown, mock_sessions_late;

/* To the subscriber, if there is one. */
static void tell(sd_bus *bus, const struct session *s, const char *member)
{
	char *path = path_of(s);
	sd_bus_message *m;

	if (!strcmp(member, "PropertiesChanged")) {
		assert(sd_bus_message_new_signal(bus, &m, path, "org.freedesktop.DBus.Properties",
						 member) >= 0);
		assert(sd_bus_message_append(m, "sa{sv}as", RDMAREG_SESSION_INTERFACE, 3,
					     "FromLater", "as", 1, "skipped", "State", "s",
					     s->state, "MaxRegions", "u", 1, 0) >= 0);
	} else {
		assert(sd_bus_message_new_signal(bus, &m, RDMAREG_MANAGER_PATH,
						 RDMAREG_MANAGER_INTERFACE, member) >= 0);
		assert(sd_bus_message_append(m, "o", path) >= 0);
		if (!strcmp(member, "SessionRemoved"))
			assert(sd_bus_message_append(m, "s", "released") >= 0);
	}
	if (*mock_subscriber)
		assert(sd_bus_message_set_destination(m, mock_subscriber) >= 0 &&
		       sd_bus_send(bus, m, NULL) >= 0);
	sd_bus_message_unref(m);
	free(path);
}

/* Signals that are none: each says one thing that no session has. */
void mock_tell_nonsense(sd_bus *bus)
{
	static const char *const paths[] = { RDMAREG_SESSION_PREFIX,
					     RDMAREG_SESSION_PREFIX "/job_2d7",
					     RDMAREG_SESSION_PREFIX "/1000",
					     RDMAREG_SESSION_PREFIX "/1000_",
					     RDMAREG_SESSION_PREFIX "/01000_job_2d7",
					     RDMAREG_SESSION_PREFIX "/1000_job_2D7",
					     RDMAREG_SESSION_PREFIX "/1000_j_6fb",
					     RDMAREG_SESSION_PREFIX "/1000_job_2",
					     RDMAREG_SESSION_PREFIX "/1000_job_2f7",
					     RDMAREG_SESSION_PREFIX "/4294967296_job",
					     RDMAREG_SESSION_PREFIX "/99999999999999999999_job",
					     RDMAREG_SESSION_PREFIX "/1000_job/7" };
	sd_bus_message *m;

	for (size_t i = 0; i <= sizeof(paths) / sizeof(paths[0]); i++) {
		bool last = i == sizeof(paths) / sizeof(paths[0]);

		assert(sd_bus_message_new_signal(bus, &m, RDMAREG_MANAGER_PATH,
						 RDMAREG_MANAGER_INTERFACE, "SessionAdded") >= 0);
		if (last)
			assert(sd_bus_message_append(m, "s", "1000:job-7") >= 0);
		else
			assert(sd_bus_message_append(m, "o", paths[i]) >= 0);
		assert(sd_bus_message_set_destination(m, mock_subscriber) >= 0 &&
		       sd_bus_send(bus, m, NULL) >= 0);
		sd_bus_message_unref(m);
		assert(sd_bus_message_new_signal(
			       bus, &m, last ? RDMAREG_SESSION_PREFIX "/1000_job" : paths[i],
			       "org.freedesktop.DBus.Properties", "PropertiesChanged") >= 0);
		/* the last: of a real path, but of another interface */
		assert(sd_bus_message_append(m, "sa{sv}as",
					     last ? "org.example" : RDMAREG_SESSION_INTERFACE, 0,
					     0) >= 0);
		assert(sd_bus_message_set_destination(m, mock_subscriber) >= 0 &&
		       sd_bus_send(bus, m, NULL) >= 0);
		sd_bus_message_unref(m);
	}
}

static int refuse(uint32_t uid, sd_bus_error *error)
{
	if (mock_sessions_unknown)
		return sd_bus_error_setf(error, SD_BUS_ERROR_UNKNOWN_METHOD, "Unknown method");
	return uid == NOT_AUTHORIZED_UID || mock_sessions_denied
		       ? sd_bus_error_setf(error, RDMAREG_ERROR_ACCESS_DENIED,
					   "ask an administrator")
		       : 0;
}

static int reply_path(sd_bus_message *m, const struct session *s)
{
	char *path = path_of(s);
	int r = sd_bus_reply_method_return(m, "o", path);

	free(path);
	return r;
}

int mock_create_session(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct session *s;
	const char *name;
	uint32_t uid;
	int i = 0, r;

	(void)userdata;
	assert(sd_bus_message_read(m, "us", &uid, &name) >= 0 && strlen(name) <= 48);
	mock_take_options(m);
	r = refuse(uid, error);
	if (r < 0)
		return r;
	if (mock_busy && mock_busy--)
		return sd_bus_error_setf(error, RDMAREG_ERROR_BUSY, "it is being released");
	s = find(uid, name);
	if (s && strcmp(s->limits, mock_options))
		return sd_bus_error_setf(error, RDMAREG_ERROR_SESSION_EXISTS, "it exists with%s",
					 s->limits);
	if (s)
		return reply_path(m, s);
	while (i < SESSIONS_MAX && sessions[i].exists)
		i++;
	assert(i < SESSIONS_MAX);
	s = &sessions[i];
	*s = (struct session){ .exists = true, .uid = uid, .state = "active" };
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->limits, sizeof(s->limits), "%.255s", mock_options);
	tell(sd_bus_message_get_bus(m), s, "SessionAdded");
	return reply_path(m, s);
}

int mock_get_session(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *name;
	uint32_t uid;

	(void)userdata;
	assert(sd_bus_message_read(m, "us", &uid, &name) >= 0);
	if (!find(uid, name))
		return sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_SESSION,
					 "user %u has no session %s", uid, name);
	return reply_path(m, find(uid, name));
}

/* Behind it in the order of the list: by uid, then by name. */
static bool is_behind(const struct session *s, uint32_t uid, const char *name)
{
	return s->uid > uid || (s->uid == uid && strcmp(s->name, name) > 0);
}

static struct session *next_one(const struct session *after)
{
	struct session *best = NULL;

	for (int i = 0; i < SESSIONS_MAX; i++)
		if (sessions[i].exists &&
		    (!after || is_behind(&sessions[i], after->uid, after->name)) &&
		    (!best || is_behind(best, sessions[i].uid, sessions[i].name)))
			best = &sessions[i];
	return best;
}

static void append_property(sd_bus_message *m, const struct session *s, const char *property);

int mock_list_sessions(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	static const char *const properties[] = { "Uid",	"Name",	       "State",
						  "Regions",	"Bytes",       "Peers",
						  "MaxRegions", "CreatedUSec", "FromLater" };
	const char *state, *only;
	struct session *s = NULL;
	uint64_t limit, n = 0;
	sd_bus_message *m;
	char *path;

	(void)userdata, (void)error;
	mock_take_options(call);
	state = mock_option("State");
	only = mock_option("Uid");
	limit = strtoull(mock_option("Limit"), NULL, 10);
	if (mock_option("After"))
		s = find_path(mock_option("After"));
	assert(sd_bus_message_new_method_return(call, &m) >= 0);
	assert(sd_bus_message_open_container(m, 'a', "(ousstua{sv})") >= 0);
	while (n < limit && (s = next_one(s))) {
		if ((only && s->uid != strtoul(only, NULL, 10)) ||
		    (state && strcmp(state, s->state)))
			continue;
		path = path_of(s);
		assert(sd_bus_message_open_container(m, 'r', "ousstua{sv}") >= 0);
		assert(sd_bus_message_append(m, "ousstu", path, s->uid, s->name, s->state,
					     UINT64_C(1), 1) >= 0);
		free(path);
		assert(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
		for (size_t i = 0; i < sizeof(properties) / sizeof(properties[0]); i++)
			append_property(m, s, properties[i]);
		assert(sd_bus_message_close_container(m) >= 0);
		assert(sd_bus_message_close_container(m) >= 0);
		n++;
	}
	assert(sd_bus_message_close_container(m) >= 0 && sd_bus_send(NULL, m, NULL) >= 0);
	sd_bus_message_unref(m);
	return 1;
}

int mock_find_session(sd_bus *bus, const char *path, const char *interface, void *userdata,
		      void **ret_found, sd_bus_error *error)
{
	(void)bus, (void)interface, (void)userdata;
	*ret_found = find_path(path);
	if (mock_sessions_unknown)
		return 0;
	return *ret_found ? 1
			  : sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_SESSION,
					      "there is no such session");
}

/* Its regions, as "Regions" and for Release. */
static uint32_t regions_of(const struct session *s, sd_bus_message *m, const char *outcome,
			   const char *text)
{
	uint32_t n = 0;

	for (uint64_t id = 1; id < REGIONS_MAX; id++) {
		if (!mock_regions[id].exists || strcmp(mock_regions[id].session, s->name))
			continue;
		n++;
		if (!m)
			continue;
		mock_regions[id].exists = false;
		assert(sd_bus_message_append(m, "(tss)", id, outcome, text) >= 0);
	}
	return n;
}

static int on_release(sd_bus_message *call, void *userdata, sd_bus_error *error)
{
	struct session *s = userdata;
	const char *limit, *outcome = "released", *text = "";
	sd_bus_message *m;
	int r;

	mock_take_options(call);
	r = refuse(s->uid, error);
	if (r < 0)
		return r;
	limit = mock_option("LimitUSec");
	if (mock_sessions_late || (limit && !strcmp(limit, "1")))
		outcome = "late", text = "the storage hangs";
	else if (limit && !strcmp(limit, "2"))
		outcome = "newer";
	assert(sd_bus_message_new_method_return(call, &m) >= 0);
	assert(sd_bus_message_open_container(m, 'a', "(tss)") >= 0);
	regions_of(s, m, outcome, text);
	assert(sd_bus_message_close_container(m) >= 0 && sd_bus_send(NULL, m, NULL) >= 0);
	sd_bus_message_unref(m);
	tell(sd_bus_message_get_bus(call), s, "PropertiesChanged"); /* it is not there any more */
	s->exists = false;
	tell(sd_bus_message_get_bus(call), s, "SessionRemoved");
	return 1;
}

static int on_drain(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct session *s = userdata;
	int r = refuse(s->uid, error);

	if (r < 0)
		return r;
	strcpy(s->state, "draining");
	tell(sd_bus_message_get_bus(m), s, "PropertiesChanged");
	return sd_bus_reply_method_return(m, NULL);
}

static int on_set_limits(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct session *s = userdata;
	int r;

	mock_take_options(m);
	r = refuse(s->uid, error);
	if (r < 0)
		return r;
	snprintf(s->limits, sizeof(s->limits), "%.255s", mock_options);
	tell(sd_bus_message_get_bus(m), s, "PropertiesChanged");
	return sd_bus_reply_method_return(m, NULL);
}

/* That it was created with. */
static void device_of(const struct session *s, char device[static 64])
{
	const char *at = strstr(s->limits, " Device=");

	*device = 0;
	if (at)
		assert(sscanf(at, " Device=%63s", device) == 1);
}

static uint64_t number_of(const struct session *s, const char *property)
{
	char pattern[32];
	const char *at;

	if (!strcmp(property, "Uid"))
		return s->uid;
	if (!strcmp(property, "Regions"))
		return regions_of(s, NULL, NULL, NULL);
	if (!strcmp(property, "Peers"))
		return 2;
	if (!strcmp(property, "Bytes"))
		return UINT64_C(1) << 30;
	if (!strcmp(property, "MemoryCurrent"))
		return UINT64_C(3) << 20;
	if (!strcmp(property, "CreatedUSec"))
		return UINT64_C(1700000000000000);
	/* a limit is the number that was given for it */
	snprintf(pattern, sizeof(pattern), " %s=", property);
	at = strstr(s->limits, pattern);
	return at ? strtoull(at + strlen(pattern), NULL, 10) : 0;
}

static int on_property(sd_bus *b, const char *path, const char *interface, const char *property,
		       sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	static const char *const large[] = { "Bytes", "MaxBytes", "MaxMemory", "MemoryCurrent",
					     "CreatedUSec" };
	const struct session *s = userdata;
	char device[64];

	(void)b, (void)path, (void)interface;
	if (s->uid == UNSEEN_UID)
		return sd_bus_error_setf(error, RDMAREG_ERROR_NO_SUCH_SESSION,
					 "there is no such session");
	if (!strcmp(property, "FromLater")) /* a daemon's that is newer than the library */
		return sd_bus_message_append(m, "as", 2, "it", "skips this");
	if (!strcmp(property, "Name"))
		return sd_bus_message_append(m, "s", s->name);
	if (!strcmp(property, "State"))
		return sd_bus_message_append(m, "s", s->state);
	if (!strcmp(property, "Device")) {
		device_of(s, device);
		return sd_bus_message_append(m, "s", device);
	}
	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
		if (!strcmp(property, large[i]))
			return sd_bus_message_append(m, "t", number_of(s, property));
	return sd_bus_message_append(m, "u", (uint32_t)number_of(s, property));
}

static void append_property(sd_bus_message *m, const struct session *s, const char *property)
{
	const char *type = !strcmp(property, "FromLater")				    ? "as"
			   : !strcmp(property, "Name") || !strcmp(property, "State")	    ? "s"
			   : !strcmp(property, "Bytes") || !strcmp(property, "CreatedUSec") ? "t"
											    : "u";

	assert(sd_bus_message_open_container(m, 'e', "sv") >= 0);
	assert(sd_bus_message_append(m, "s", property) >= 0);
	assert(sd_bus_message_open_container(m, 'v', type) >= 0);
	assert(on_property(NULL, NULL, NULL, property, m, (void *)(uintptr_t)s, NULL) >= 0);
	assert(sd_bus_message_close_container(m) >= 0 && sd_bus_message_close_container(m) >= 0);
}

#define PROPERTY(name, type) SD_BUS_PROPERTY(name, type, on_property, 0, 0)

const sd_bus_vtable mock_session_methods[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("Release", "a{sv}", "a(tss)", on_release, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("Drain", "", "", on_drain, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD("SetLimits", "a{sv}", "", on_set_limits, SD_BUS_VTABLE_UNPRIVILEGED),
	PROPERTY("FromLater", "as"),
	PROPERTY("Uid", "u"),
	PROPERTY("Name", "s"),
	PROPERTY("State", "s"),
	PROPERTY("Regions", "u"),
	PROPERTY("Bytes", "t"),
	PROPERTY("Peers", "u"),
	PROPERTY("MaxRegions", "u"),
	PROPERTY("MaxBytes", "t"),
	PROPERTY("MaxPeers", "u"),
	PROPERTY("MaxTickets", "u"),
	PROPERTY("MaxMemory", "t"),
	PROPERTY("MemoryCurrent", "t"),
	PROPERTY("CreatedUSec", "t"),
	PROPERTY("Device", "s"),
	SD_BUS_VTABLE_END,
};
