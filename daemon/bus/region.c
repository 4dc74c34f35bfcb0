// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * region.c - org.rdmareg.Registry1.Region, served for every number below the prefix. find_region()
 * stands before each member, Get and Introspect alike: past it the region exists and the caller may
 * see it. region-arbitrate.c has the methods that say when and how it is taken away.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-internal.h"

/* Introspection shows so many; ListRegions() is for the rest. */
#define REGIONS_SHOWN 256

/* The number in an object path; 0 if it is none, or not written the one way we write it. */
static uint64_t id_of_path(const char *path)
{
	char canonical[REGION_PATH_MAX];
	uint64_t id = strtoull(path + strlen(RDMAREG_REGION_PREFIX "/"), NULL, 10);

	region_path(id, canonical);
	return strcmp(canonical, path) ? 0 : id;
}

int find_region(sd_bus *connection, const char *path, const char *interface, void *userdata,
		void **ret_found, sd_bus_error *ret_error)
{
	struct bus *b = userdata;
	sd_bus_message *m = sd_bus_get_current_message(connection);
	char ended[ENDED_TEXT_MAX];
	struct client *c;
	uint64_t id;
	int r;

	(void)interface;
	if (!m || !strcmp(path, RDMAREG_REGION_PREFIX))
		return 0;
	r = client_of_message(b, m, &c);
	if (r < 0)
		return r;
	id = id_of_path(path);
	if (!id || !b->handlers->view_region(b->userdata, id, &b->found.view) ||
	    !client_may_see(c, b->found.view.tenant)) {
		ended_describe(&b->ended, id, c->uid, ended);
		if (id)
			sd_bus_error_setf(ret_error, RDMAREG_ERROR_NO_SUCH_REGION,
					  "there is no region %" PRIu64 "%s: %s", id,
					  c->uid ? " of yours" : "", ended);
		else
			sd_bus_error_setf(ret_error, RDMAREG_ERROR_NO_SUCH_REGION,
					  "%s is no region's path", path);
		return -ENOENT;
	}
	b->found.bus = b;
	b->found.client = c;
	*ret_found = &b->found;
	return 1;
}

int enumerate_regions(sd_bus *connection, const char *prefix, void *userdata, char ***ret_nodes,
		      sd_bus_error *ret_error)
{
	struct bus *b = userdata;
	sd_bus_message *m = sd_bus_get_current_message(connection);
	char path[REGION_PATH_MAX], **nodes;
	struct region_view v;
	struct client *c;
	uint64_t id = 0;
	size_t n = 0;

	(void)prefix, (void)ret_error;
	if (!m || client_of_message(b, m, &c) < 0)
		return 0;
	nodes = calloc(REGIONS_SHOWN + 1, sizeof(*nodes));
	if (!nodes)
		return -ENOMEM;
	while (n < REGIONS_SHOWN && b->handlers->view_next(b->userdata, c->uid, NULL, id, &v)) {
		id = v.region->id;
		region_path(id, path);
		nodes[n] = strdup(path);
		if (!nodes[n++])
			break;
	}
	*ret_nodes = nodes;
	return 0;
}

int begin_call(sd_bus_message *m, struct found *found, struct call **ret)
{
	struct failure f;
	int r = call_new(found->bus, found->client, m, ret, &f);

	if (r == BUS_E_REFUSED) {
		r = reply_failure(m, &f);
		return r < 0 ? r : 1;
	}
	return r;
}

static int method_prefetch(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct prefetch_request q = { 0 };
	struct found *found = userdata;
	struct bus *b = found->bus;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = read_prefetch(m, &q, &f);
	if (r)
		return refuse(m, r, &f);
	r = begin_call(m, found, &call);
	if (r)
		return r;
	return end_call(
		call, b->handlers->prefetch(b->userdata, found->view.region->id, &q, call, &f), &f);
}

static int method_export(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct export_request q = { 0 };
	const char *access = NULL;
	const struct option known[] = {
		{ "access", 's', &access, NULL },
		{ "expires_usec", 't', &q.expires_usec, NULL },
		{ "uses", 'u', &q.uses, NULL },
	};
	struct found *found = userdata;
	struct bus *b = found->bus;
	struct failure f;
	struct call *call;
	uint8_t word;
	int r;

	(void)error;
	r = options_read(m, known, 3, &f);
	if (r == 0 && access) {
		r = option_word("access", access, region_access_names, _REGION_ACCESS_MAX, &word,
				&f);
		if (r == 0) {
			q.access = word;
			q.has_access = true;
		}
	}
	if (r)
		return refuse(m, r, &f);
	r = begin_call(m, found, &call);
	if (r)
		return r;
	return end_call(call,
			b->handlers->export(b->userdata, found->view.region->id, &q, call, &f), &f);
}

static int method_import(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct found *found = userdata;
	struct bus *b = found->bus;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = options_read(m, NULL, 0, &f);
	if (r == BUS_E_REFUSED)
		return reply_failure(m, &f);
	if (r < 0)
		return r;
	r = begin_call(m, found, &call);
	if (r)
		return r;
	return end_call(call, b->handlers->import(b->userdata, found->view.region->id, call, &f),
			&f);
}

static int method_acknowledge(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct found *found = userdata;
	struct bus *b = found->bus;
	uint64_t revocation;
	struct failure f;
	int r;

	(void)error;
	r = sd_bus_message_read(m, "t", &revocation);
	if (r < 0)
		return r;
	return reply_plain(m,
			   b->handlers->acknowledge(b->userdata, found->client,
						    found->view.region->id, revocation, &f),
			   &f);
}

static int release(sd_bus_message *m, struct found *found, uint64_t grace_usec)
{
	struct bus *b = found->bus;
	struct failure f;
	struct call *call;
	int r = begin_call(m, found, &call);

	if (r)
		return r;
	return end_call(call,
			b->handlers->release(b->userdata, found->client, found->view.region->id,
					     grace_usec, call, &f),
			&f);
}

static int method_release(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)error;
	return release(m, userdata, UINT64_MAX);
}

static int method_release_within(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	uint64_t grace_usec;
	int r = sd_bus_message_read(m, "t", &grace_usec);

	(void)error;
	return r < 0 ? r : release(m, userdata, grace_usec);
}

static int method_join(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct found *found = userdata;
	struct bus *b = found->bus;
	struct failure f;

	(void)error;
	return reply_plain(
		m, b->handlers->join(b->userdata, found->client, found->view.region->id, &f), &f);
}

static int method_leave(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct found *found = userdata;
	struct bus *b = found->bus;
	struct failure f;

	(void)error;
	return reply_plain(
		m, b->handlers->leave(b->userdata, found->client, found->view.region->id, &f), &f);
}

#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED /* for anybody; each method judges the caller itself */
#define SIGNAL(name, ...) SD_BUS_SIGNAL_WITH_ARGS(name, SD_BUS_ARGS(__VA_ARGS__), 0)
/* One that never changes, one of whose changes a signal tells, or none does. */
#define FLAGS(told)                                                        \
	((told) == BUS_CHANGED_NEVER ? SD_BUS_VTABLE_PROPERTY_CONST        \
	 : (told) != 0		     ? SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE \
				     : 0)
#define VALUE(member, name, kind, told, where) \
	SD_BUS_PROPERTY(name, PROPERTY_TYPE_##kind, property_get, 0, FLAGS(TOLD_##told)),
#define WORD(member, name, vocabulary, told, where) VALUE(member, name, WORD, told, where)

const sd_bus_vtable region_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("Prefetch", SD_BUS_ARGS("t", offset, "t", length, "a{sv}", options),
				SD_BUS_NO_RESULT, method_prefetch, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("StartPrefetch",
				SD_BUS_ARGS("t", offset, "t", length, "a{sv}", options),
				SD_BUS_RESULT("o", job), method_start_prefetch, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Export", SD_BUS_ARGS("a{sv}", options), SD_BUS_RESULT("s", ticket),
				method_export, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Import", SD_BUS_ARGS("a{sv}", options),
				SD_BUS_RESULT("h", context, "a{sv}", handles), method_import,
				ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("AckRevocation", SD_BUS_ARGS("t", revocation), SD_BUS_NO_RESULT,
				method_acknowledge, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Release", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_release,
				ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ReleaseWithin", SD_BUS_ARGS("t", grace_usec), SD_BUS_NO_RESULT,
				method_release_within, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Join", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_join, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Leave", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_leave, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Configure", SD_BUS_ARGS("a{sv}", options), SD_BUS_NO_RESULT,
				method_configure, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Revoke", SD_BUS_ARGS("a{sv}", options),
				SD_BUS_RESULT("t", revocation), method_revoke, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Restore", SD_BUS_ARGS("t", revocation), SD_BUS_NO_RESULT,
				method_restore, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Sync", SD_BUS_ARGS("a{sv}", options),
				SD_BUS_RESULT("a{sv}", result), method_sync, ANYBODY),
	SIGNAL("RevocationRequested", "t", revocation, "s", cause, "t", offset, "t", length, "t",
	       deadline_usec, "a{sv}", asker),
	SIGNAL("RevocationSettled", "t", revocation, "s", outcome, "t", valid_length),
	REGION_PROPERTIES(VALUE, WORD) SD_BUS_VTABLE_END,
};
