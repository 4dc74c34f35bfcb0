// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * session.c - org.rdmareg.Registry1.Session, served for every path below its prefix.
 *
 * What always holds: find_session() lets nobody past to a property of a session that he may not
 * see. Its methods it lets everybody call, whether there is such a session or not: they ask who may
 * (session-order.c) before they look.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/macros.h"

/* Introspection shows so many; ListSessions() is for the rest. */
#define SESSIONS_SHOWN 256

const char *const session_state_names[_SESSION_STATE_MAX] = SESSION_STATE_NAMES;

int find_session(sd_bus *connection, const char *path, const char *interface, void *userdata,
		 void **ret_found, sd_bus_error *ret_error)
{
	struct bus *b = userdata;
	struct found_session *found = &b->found_session;
	sd_bus_message *m = sd_bus_get_current_message(connection);
	struct failure f;
	int r;

	(void)interface;
	if (!m || !strcmp(path, RDMAREG_SESSION_PREFIX))
		return 0;
	*found = (struct found_session){ .bus = b };
	r = client_of_message(b, m, &found->client);
	if (r < 0)
		return r;
	if (!session_of_path(path, &found->uid, found->name)) {
		sd_bus_error_setf(ret_error, RDMAREG_ERROR_NO_SUCH_SESSION,
				  "%s is no session's path", path);
		return -ENOENT;
	}
	*ret_found = found;
	if (sd_bus_message_is_method_call(m, RDMAREG_SESSION_INTERFACE, NULL))
		return 1;
	if (b->handlers->view_session(b->userdata, found->uid, found->name, &found->view) &&
	    client_may_see(found->client, found->view.tenant))
		return 1;
	session_missing(&f, found->uid, found->name);
	sd_bus_error_set(ret_error, f.name, f.text);
	return -ENOENT;
}

int enumerate_sessions(sd_bus *connection, const char *prefix, void *userdata, char ***ret_nodes,
		       sd_bus_error *ret_error)
{
	struct bus *b = userdata;
	sd_bus_message *m = sd_bus_get_current_message(connection);
	char path[SESSION_PATH_MAX], **nodes;
	struct session_view v = { 0 };
	struct client *c;
	size_t n = 0;

	(void)prefix, (void)ret_error;
	if (!m || client_of_message(b, m, &c) < 0)
		return 0;
	nodes = calloc(SESSIONS_SHOWN + 1, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	while (n < SESSIONS_SHOWN &&
	       b->handlers->view_next_session(b->userdata, c->uid ? &c->uid : NULL,
					      v.tenant ? v.tenant->uid : 0,
					      v.tenant ? v.tenant->session : NULL, &v)) {
		session_path(v.tenant->uid, v.tenant->session, path);
		nodes[n] = strdup(path);
		if (!nodes[n++])
			break;
	}
	*ret_nodes = nodes;
	return 0;
}

enum property {
	PROPERTY_UID,
	PROPERTY_NAME,
	PROPERTY_STATE,
	PROPERTY_REGIONS,
	PROPERTY_BYTES,
	PROPERTY_PEERS,
	PROPERTY_MAX_REGIONS,
	PROPERTY_MAX_BYTES,
	PROPERTY_MAX_PEERS,
	PROPERTY_MAX_TICKETS,
	PROPERTY_MAX_MEMORY,
	PROPERTY_MEMORY_CURRENT,
	PROPERTY_CREATED,
	PROPERTY_DEVICE,
	_PROPERTY_MAX,
};

static const struct {
	const char *name;
	const char *type;
	bool told; /* when it changes */
} properties[_PROPERTY_MAX] = {
	[PROPERTY_UID] = { "Uid", "u", false },
	[PROPERTY_NAME] = { "Name", "s", false },
	[PROPERTY_STATE] = { "State", "s", true },
	[PROPERTY_REGIONS] = { "Regions", "u", false },
	[PROPERTY_BYTES] = { "Bytes", "t", false },
	[PROPERTY_PEERS] = { "Peers", "u", false },
	[PROPERTY_MAX_REGIONS] = { "MaxRegions", "u", true },
	[PROPERTY_MAX_BYTES] = { "MaxBytes", "t", true },
	[PROPERTY_MAX_PEERS] = { "MaxPeers", "u", true },
	[PROPERTY_MAX_TICKETS] = { "MaxTickets", "u", true },
	[PROPERTY_MAX_MEMORY] = { "MaxMemory", "t", true },
	[PROPERTY_MEMORY_CURRENT] = { "MemoryCurrent", "t", false },
	[PROPERTY_CREATED] = { "CreatedUSec", "t", false },
	[PROPERTY_DEVICE] = { "Device", "s", false },
};

static int append_value(sd_bus_message *m, const struct session_view *v, enum property p)
{
	const struct tenant *t = v->tenant;

	switch (p) {
	case PROPERTY_UID:
		return sd_bus_message_append(m, "u", t->uid);
	case PROPERTY_NAME:
		return sd_bus_message_append(m, "s", t->session);
	case PROPERTY_STATE:
		return sd_bus_message_append(m, "s", session_state_names[t->state]);
	case PROPERTY_REGIONS:
		return sd_bus_message_append(m, "u", t->regions);
	case PROPERTY_BYTES:
		return sd_bus_message_append(m, "t", t->bytes);
	case PROPERTY_PEERS:
		return sd_bus_message_append(m, "u", v->peers);
	case PROPERTY_MAX_REGIONS:
		return sd_bus_message_append(m, "u", v->limits.regions);
	case PROPERTY_MAX_BYTES:
		return sd_bus_message_append(m, "t", v->limits.bytes);
	case PROPERTY_MAX_PEERS:
		return sd_bus_message_append(m, "u", v->limits.peers);
	case PROPERTY_MAX_TICKETS:
		return sd_bus_message_append(m, "u", v->limits.tickets);
	case PROPERTY_MAX_MEMORY:
		return sd_bus_message_append(m, "t", v->limits.memory);
	case PROPERTY_MEMORY_CURRENT:
		return sd_bus_message_append(m, "t", v->memory);
	case PROPERTY_CREATED:
		return sd_bus_message_append(m, "t", t->created_usec);
	case PROPERTY_DEVICE:
		return sd_bus_message_append(m, "s", t->own.device);
	case _PROPERTY_MAX:
		break;
	}
	return -EINVAL;
}

int session_append(sd_bus_message *m, const struct session_view *v, bool changed)
{
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	for (enum property p = 0; p < _PROPERTY_MAX && r >= 0; p++) {
		if (changed && !properties[p].told)
			continue;
		r = entry_open(m, properties[p].name, properties[p].type);
		if (r >= 0)
			r = append_value(m, v, p);
		if (r >= 0)
			r = entry_close(m);
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int get_property(sd_bus *connection, const char *path, const char *interface,
			const char *property, sd_bus_message *reply, void *userdata,
			sd_bus_error *error)
{
	const struct found_session *found = userdata;

	(void)connection, (void)path, (void)interface, (void)error;
	for (enum property p = 0; p < _PROPERTY_MAX; p++)
		if (!strcmp(properties[p].name, property))
			return append_value(reply, &found->view, p);
	return -EINVAL;
}

static struct session_request request_of(const struct found_session *found)
{
	struct session_request q = { .uid = found->uid };

	strcpy(q.name, found->name);
	return q;
}

static int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct found_session *found = userdata;
	struct session_request q = request_of(found);
	const struct option known[] = {
		{ "GraceUSec", 't', &q.grace_usec, &q.has_grace },
		{ "LimitUSec", 't', &q.limit_usec, &q.has_limit },
	};
	struct failure f;
	int r = options_read(m, known, ARRAY_SIZE(known), &f);

	(void)error;
	return r ? refuse(m, r, &f)
		 : session_order(m, found->bus, found->client, ORDER_RELEASE, &q);
}

static int method_drain(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct found_session *found = userdata;
	const struct session_request q = request_of(found);

	(void)error;
	return session_order(m, found->bus, found->client, ORDER_DRAIN, &q);
}

static int method_set_limits(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct found_session *found = userdata;
	struct session_request q = request_of(found);
	struct failure f;
	int r = session_read_options(m, false, &q, &f);

	(void)error;
	return r ? refuse(m, r, &f) : session_order(m, found->bus, found->client, ORDER_LIMIT, &q);
}

struct session_news {
	const char *path;
	const char *reason;
};

static int build_added(sd_bus_message *m, const void *arguments)
{
	return sd_bus_message_append(m, "o", ((const struct session_news *)arguments)->path);
}

static int build_removed(sd_bus_message *m, const void *arguments)
{
	const struct session_news *n = arguments;

	return sd_bus_message_append(m, "os", n->path, n->reason);
}

static int build_changed(sd_bus_message *m, const void *arguments)
{
	int r = sd_bus_message_append(m, "s", RDMAREG_SESSION_INTERFACE);

	if (r >= 0)
		r = session_append(m, arguments, true);
	return r < 0 ? r : sd_bus_message_append(m, "as", 0);
}

void bus_tell_session_added(struct bus *b, const struct tenant *t)
{
	char path[SESSION_PATH_MAX];
	const struct session_news n = { path, NULL };

	session_path(t->uid, t->session, path);
	bus_tell_of_tenant(b, t, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE, "SessionAdded",
			   build_added, &n);
	objects_tell_session(b, t, true);
}

void bus_tell_session_removed(struct bus *b, const struct tenant *t, const char *reason)
{
	char path[SESSION_PATH_MAX];
	const struct session_news n = { path, reason };

	session_path(t->uid, t->session, path);
	bus_tell_of_tenant(b, t, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE, "SessionRemoved",
			   build_removed, &n);
	objects_tell_session(b, t, false);
}

void bus_tell_session_changed(struct bus *b, const struct session_view *v)
{
	char path[SESSION_PATH_MAX];

	session_path(v->tenant->uid, v->tenant->session, path);
	bus_tell_of_tenant(b, v->tenant, path, "org.freedesktop.DBus.Properties",
			   "PropertiesChanged", build_changed, v);
}

#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED /* for anybody; each method judges the caller itself */
#define CONST(name, type) SD_BUS_PROPERTY(name, type, get_property, 0, SD_BUS_VTABLE_PROPERTY_CONST)
#define TOLD(name, type) \
	SD_BUS_PROPERTY(name, type, get_property, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE)
#define UNTOLD(name, type) SD_BUS_PROPERTY(name, type, get_property, 0, 0)

const sd_bus_vtable session_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_ARGS("a{sv}", options),
				SD_BUS_RESULT("a(tss)", regions), method_release, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Drain", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_drain, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("SetLimits", SD_BUS_ARGS("a{sv}", limits), SD_BUS_NO_RESULT,
				method_set_limits, ANYBODY),
	CONST("Uid", "u"),
	CONST("Name", "s"),
	TOLD("State", "s"),
	UNTOLD("Regions", "u"),
	UNTOLD("Bytes", "t"),
	UNTOLD("Peers", "u"),
	TOLD("MaxRegions", "u"),
	TOLD("MaxBytes", "t"),
	TOLD("MaxPeers", "u"),
	TOLD("MaxTickets", "u"),
	TOLD("MaxMemory", "t"),
	UNTOLD("MemoryCurrent", "t"),
	CONST("CreatedUSec", "t"),
	CONST("Device", "s"),
	SD_BUS_VTABLE_END,
};
