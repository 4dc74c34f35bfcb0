// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-objects.c - org.freedesktop.DBus.ObjectManager on the manager's path, for libraries that
 * know a service by it: regions and sessions with all their properties. (Jobs are not among them:
 * each is of one connection, which knows it.)
 *
 * What always holds: a caller meets what it may see and nothing else. The answer is made in slices,
 * as every list, and has an upper limit, since it cannot be asked for in pages; beyond it the call
 * is refused. Signals go only to who subscribed and called GetManagedObjects.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/clock.h"

#define OBJECT_MANAGER "org.freedesktop.DBus.ObjectManager"

/*
 * As many regions as a tenant may have by default. The answer is one message, and a bus that copies
 * it does nothing else meanwhile: with 1024 regions 54 ms, with 4096 of them 125 ms.
 */
#define OBJECTS_MAX 1024

/* How many regions are looked at between two looks at the clock. */
#define SLICE_STRIDE 16

struct object_listing {
	struct listing listing;
	unsigned int n;
	bool regions_done;
	uint64_t after; /* the last region, */
	uint32_t after_uid;
	char after_name[TENANT_SESSION_MAX]; /* and session; "": none yet */
};

static int open_object(sd_bus_message *m, const char *path, const char *interface)
{
	int r = sd_bus_message_append(m, "o", path);

	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "{sa{sv}}");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'e', "sa{sv}");
	return r < 0 ? r : sd_bus_message_append(m, "s", interface);
}

static int close_object(sd_bus_message *m)
{
	int r = sd_bus_message_close_container(m);

	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_region(sd_bus_message *m, const struct region_view *v)
{
	char path[REGION_PATH_MAX];
	int r;

	region_path(v->region->id, path);
	r = open_object(m, path, RDMAREG_REGION_INTERFACE);
	if (r >= 0)
		r = properties_append(m, v, UINT32_MAX);
	return r < 0 ? r : close_object(m);
}

static int append_session(sd_bus_message *m, const struct session_view *v)
{
	char path[SESSION_PATH_MAX];
	int r;

	session_path(v->tenant->uid, v->tenant->session, path);
	r = open_object(m, path, RDMAREG_SESSION_INTERFACE);
	if (r >= 0)
		r = session_append(m, v, false);
	return r < 0 ? r : close_object(m);
}

/* The next one. 0: there is none. */
static int append_next(struct bus *b, struct object_listing *l, uint32_t uid)
{
	sd_bus_message *m = l->listing.reply;
	struct session_view session;
	struct region_view region;
	int r;

	if (!l->regions_done) {
		l->regions_done =
			!b->handlers->view_next(b->userdata, uid, NULL, l->after, &region);
		if (l->regions_done)
			return 1;
		l->after = region.region->id;
	} else {
		if (!b->handlers->view_next_session(b->userdata, uid ? &uid : NULL, l->after_uid,
						    *l->after_name ? l->after_name : NULL,
						    &session))
			return 0;
		l->after_uid = session.tenant->uid;
		strcpy(l->after_name, session.tenant->session);
	}
	if (++l->n > OBJECTS_MAX)
		return -E2BIG;
	r = sd_bus_message_open_container(m, 'e', "oa{sa{sv}}");
	if (r >= 0)
		r = l->regions_done ? append_session(m, &session) : append_region(m, &region);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : 1;
}

static int look(struct bus *b, struct listing *listing, uint32_t uid, uint64_t until_usec)
{
	struct object_listing *l = (struct object_listing *)listing;
	int r = 1;

	for (unsigned int n = 1; r > 0; n++) {
		if (n % SLICE_STRIDE == 0 && now_monotonic_usec() >= until_usec)
			return 1;
		r = append_next(b, l, uid);
	}
	return r;
}

static int read_nothing(sd_bus_message *m, struct listing *l, struct failure *f)
{
	(void)m, (void)l, (void)f;
	return 0;
}

static const struct listing_kind objects = {
	.item = "{oa{sa{sv}}}",
	.too_long = "there are more than 1024 regions and sessions, and GetManagedObjects has no "
		    "pages: use ListRegions and ListSessions",
	.size = sizeof(struct object_listing),
	.read = read_nothing,
	.look = look,
	.free = listing_free,
};
_Static_assert(OBJECTS_MAX == 1024, "the sentence says so");

int on_manager_path(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	struct client *c;
	int r;

	if (!sd_bus_message_is_method_call(m, OBJECT_MANAGER, "GetManagedObjects"))
		return 0;
	if (!sd_bus_message_has_signature(m, ""))
		return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS,
					"GetManagedObjects takes no arguments");
	r = client_of_message(b, m, &c);
	if (r < 0)
		return r;
	c->manages = true;
	return listing_of(b, m, &objects);
}

/* The object of a signal, as either of these. */
struct object {
	const struct session_view *session; /* NULL: the region of the view */
	const char *path;
	const char *interface;
};

static int build_added(sd_bus_message *m, const struct region_view *v, const void *arguments)
{
	const struct object *o = arguments;

	return o->session ? append_session(m, o->session) : append_region(m, v);
}

static int build_removed(sd_bus_message *m, const struct region_view *v, const void *arguments)
{
	const struct object *o = arguments;

	(void)v;
	return sd_bus_message_append(m, "oas", o->path, 1, o->interface);
}

void objects_tell_region(struct bus *b, const struct region_view *v, bool added)
{
	char path[REGION_PATH_MAX];
	const struct object o = { .path = path, .interface = RDMAREG_REGION_INTERFACE };

	region_path(v->region->id, path);
	bus_tell_managers(b, OBJECT_MANAGER, added ? "InterfacesAdded" : "InterfacesRemoved",
			  added ? build_added : build_removed, v, &o);
}

void objects_tell_session(struct bus *b, const struct tenant *t, bool added)
{
	const struct region_view view = { .tenant = t };
	char path[SESSION_PATH_MAX];
	struct session_view session;
	const struct object o = { added ? &session : NULL, path, RDMAREG_SESSION_INTERFACE };

	if (added && !b->handlers->view_session(b->userdata, t->uid, t->session, &session))
		return;
	session_path(t->uid, t->session, path);
	bus_tell_managers(b, OBJECT_MANAGER, added ? "InterfacesAdded" : "InterfacesRemoved",
			  added ? build_added : build_removed, &view, &o);
}
