// SPDX-License-Identifier: GPL-2.0-or-later
/* bus.c - see bus.h: the connection, the objects on it, and the signals. */
#include "bus/bus.h"

#include <errno.h>
#include <stdlib.h>

#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/log.h"

int bus_new(struct bus **ret, sd_bus *connection, const struct bus_handlers *handlers, void *userdata)
{
	_cleanup_(bus_freep) struct bus *b = calloc(1, sizeof(*b));
	int r;

	if (!b) {
		sd_bus_unref(connection);
		return -ENOMEM;
	}
	b->connection = connection;
	b->handlers = handlers;
	b->userdata = userdata;
	LIST_INIT(&b->subscribers);
	TAILQ_INIT(&b->listing_users);
	r = clients_watch(b);
	if (r < 0)
		return r;
	r = sd_bus_add_object_vtable(connection, NULL, RDMAREG_MANAGER_PATH, RDMAREG_MANAGER_INTERFACE,
				     manager_vtable, b);
	if (r < 0)
		return r;
	r = sd_bus_add_fallback_vtable(connection, NULL, RDMAREG_REGION_PREFIX, RDMAREG_REGION_INTERFACE,
				       region_vtable, find_region, b);
	if (r < 0)
		return r;
	r = sd_bus_add_node_enumerator(connection, NULL, RDMAREG_REGION_PREFIX, enumerate_regions, b);
	if (r < 0)
		return r;
	r = sd_bus_add_fallback_vtable(connection, NULL, RDMAREG_JOB_PREFIX, RDMAREG_JOB_INTERFACE,
				       job_vtable, find_job, b);
	if (r < 0)
		return r;
	r = sd_bus_add_node_enumerator(connection, NULL, RDMAREG_JOB_PREFIX, enumerate_jobs, b);
	if (r < 0)
		return r;
	*ret = steal_pointer(b);
	return 0;
}

struct bus *bus_free(struct bus *b)
{
	if (!b)
		return NULL;
	clients_clear(b);
	sd_bus_slot_unref(b->gone_match);
	sd_bus_flush_close_unref(b->connection);
	free(b);
	return NULL;
}

void bus_freep(struct bus **b)
{
	bus_free(*b);
}

int bus_acquire_name(struct bus *b)
{
	int r = sd_bus_request_name(b->connection, RDMAREG_BUS_NAME, 0);

	return r < 0 ? r : 0;
}

void bus_set_limits(struct bus *b, const struct bus_limits *limits)
{
	b->limits = *limits;
}

uint64_t bus_work(struct bus *b)
{
	return listings_work(b) ? 0 : UINT64_MAX;
}

sd_bus *bus_connection(struct bus *b)
{
	return b->connection;
}

/*
 * Signals are built anew for each recipient, since a sealed message has one destination. A client may be
 * owner, one of those that joined, and subscriber; the number of the signal it was sent last tells that it
 * has this one.
 */
typedef int build_t(sd_bus_message *m, const struct region_view *v, const void *arguments);

/* What is sent, and to whom: some member of the region's interface or of the manager's. */
struct signal {
	const char *path;
	const char *interface;
	const char *member;
	build_t *build;
	const struct region_view *view;
	const void *arguments;
};

static void send_one(struct bus *b, struct client *c, const struct signal *s)
{
	sd_bus_message *m = NULL;
	int r;

	if (c->told == b->signals)
		return;
	c->told = b->signals;
	r = sd_bus_message_new_signal(b->connection, &m, s->path, s->interface, s->member);
	if (r >= 0)
		r = sd_bus_message_set_destination(m, c->name);
	if (r >= 0)
		r = s->build(m, s->view, s->arguments);
	if (r >= 0)
		r = sd_bus_send(b->connection, m, NULL);
	if (r < 0)
		log_warning("client %s: %s cannot be sent: error %d", c->name, s->member, -r);
	sd_bus_message_unref(m);
}

static void send_subscribers(struct bus *b, const struct signal *s)
{
	struct client *c;

	LIST_FOREACH(c, &b->subscribers, subscribers)
	if (client_may_see(c, s->view->tenant))
		send_one(b, c, s);
}

static void send_holders(struct bus *b, const struct signal *s)
{
	const struct join *j;

	if (s->view->owner)
		send_one(b, s->view->owner, s);
	if (!s->view->joins)
		return;
	LIST_FOREACH(j, s->view->joins, of_region)
	send_one(b, j->client, s);
}

/* A member of the manager's interface; @holders: also to those who own or use the region. */
static void tell_number(struct bus *b, const char *member, build_t *build, const struct region_view *v,
			bool holders)
{
	const struct signal s = {
		.path = RDMAREG_MANAGER_PATH,
		.interface = RDMAREG_MANAGER_INTERFACE,
		.member = member,
		.build = build,
		.view = v,
	};

	b->signals++;
	if (holders)
		send_holders(b, &s);
	send_subscribers(b, &s);
}

/* About what happens to a region: to those who use it, and to those who listen. */
static void tell_all(struct bus *b, const char *interface, const char *member, build_t *build,
		     const struct region_view *v, const void *arguments)
{
	char path[REGION_PATH_MAX];
	const struct signal s = { path, interface, member, build, v, arguments };

	region_path(v->region->id, path);
	b->signals++;
	send_holders(b, &s);
	send_subscribers(b, &s);
}

static int build_changed(sd_bus_message *m, const struct region_view *v, const void *arguments)
{
	int r = sd_bus_message_append(m, "s", RDMAREG_REGION_INTERFACE);

	if (r >= 0)
		r = properties_append(m, v, *(const uint32_t *)arguments);
	return r < 0 ? r : sd_bus_message_append(m, "as", 0);
}

void bus_tell_changed(struct bus *b, const struct region_view *v, uint32_t changed)
{
	tell_all(b, "org.freedesktop.DBus.Properties", "PropertiesChanged", build_changed, v, &changed);
}

static int build_asked(sd_bus_message *m, const struct region_view *v, const void *arguments)
{
	const struct region *r = v->region;

	(void)arguments;
	return sd_bus_message_append(m, "tsttt", r->revocation, revocation_cause_names[r->cause],
				     r->revocation_offset, r->revocation_length, r->deadline_usec);
}

void bus_tell_asked(struct bus *b, const struct region_view *v)
{
	tell_all(b, RDMAREG_REGION_INTERFACE, "RevocationRequested", build_asked, v, NULL);
}

struct settled {
	uint64_t revocation;
	enum revocation_outcome outcome;
};

static int build_settled(sd_bus_message *m, const struct region_view *v, const void *arguments)
{
	const struct settled *s = arguments;

	return sd_bus_message_append(m, "tst", s->revocation, revocation_outcome_names[s->outcome],
				     v->region->valid_length);
}

void bus_tell_settled(struct bus *b, const struct region_view *v, uint64_t revocation,
		      enum revocation_outcome outcome)
{
	const struct settled s = { revocation, outcome };

	tell_all(b, RDMAREG_REGION_INTERFACE, "RevocationSettled", build_settled, v, &s);
}

static int build_number(sd_bus_message *m, const struct region_view *v, const void *arguments)
{
	char path[REGION_PATH_MAX];

	(void)arguments;
	region_path(v->region->id, path);
	return sd_bus_message_append(m, "to", v->region->id, path);
}

void bus_tell_added(struct bus *b, const struct region_view *v)
{
	tell_number(b, "RegionAdded", build_number, v, false);
}

void bus_tell_removed(struct bus *b, const struct region_view *v)
{
	tell_number(b, "RegionRemoved", build_number, v, true);
}
