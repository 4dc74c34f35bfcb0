// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager.c - org.rdmareg.Registry1.Manager: one region, who gets signals, and the table of all its
 * members. manager-register.c and manager-files.c have those that take a descriptor, manager-list.c
 * and manager-holders.c those with long answers.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "config.h"

#include "bus/bus-internal.h"

static int reply_region(sd_bus_message *m, const struct region_view *v)
{
	sd_bus_message *reply = NULL;
	char path[REGION_PATH_MAX];
	int r = sd_bus_message_new_method_return(m, &reply);

	region_path(v->region->id, path);
	if (r >= 0)
		r = sd_bus_message_append(reply, "o", path);
	if (r >= 0)
		r = properties_append(reply, v, UINT32_MAX);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

static int method_get(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	char ended[ENDED_TEXT_MAX];
	struct bus *b = userdata;
	struct region_view v;
	struct client *c;
	uint64_t id;
	int r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r < 0)
		return r;
	r = sd_bus_message_read(m, "t", &id);
	if (r < 0)
		return r;
	if (!b->handlers->view_region(b->userdata, id, &v) || !client_may_see(c, v.tenant)) {
		ended_describe(&b->ended, id, c->uid, ended);
		return sd_bus_reply_method_errorf(m, RDMAREG_ERROR_NO_SUCH_REGION,
						  "there is no region %" PRIu64 "%s: %s", id,
						  c->uid ? " of yours" : "", ended);
	}
	return reply_region(m, &v);
}

/* No region of this name is there; one that is waited for comes back, unless it is taken off. */
static int refuse_name(struct bus *b, sd_bus_message *m, const struct client *c, uint32_t uid,
		       const char *session, const char *name)
{
	bool other = c->uid && c->uid != uid;
	struct register_request ignored;
	struct failure f;
	bool waits = !other &&
		     b->handlers->find_standing(b->userdata, uid, session, name, &ignored, &f) == 0;

	return sd_bus_reply_method_errorf(
		m, RDMAREG_ERROR_NO_SUCH_REGION,
		"there is no region '%s' in session '%s' of uid %" PRIu32 "%s%s", name, session,
		uid, other ? " that this caller may see" : "",
		waits ? ", but it is a standing region, which is made again: to have it go for "
			"good: rdmaregctl standing remove SESSION/NAME"
		      : "");
}

/*
 * A region of a user whose regions the caller may not see does not exist for it, whatever it is
 * called.
 */
static int method_get_by_name(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *session, *name;
	struct bus *b = userdata;
	struct region_view v;
	struct client *c;
	struct failure f;
	uint32_t uid;
	int r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "uss", &uid, &session, &name);
	if (r >= 0)
		r = check_reference(session, name, &f);
	if (r)
		return refuse(m, r, &f);
	if (!b->handlers->view_named(b->userdata, uid, session, name, &v) ||
	    !client_may_see(c, v.tenant))
		return refuse_name(b, m, c, uid, session, name);
	return reply_region(m, &v);
}

static int method_subscribe(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	int r = client_of_message(b, m, &c);

	(void)error;
	if (r < 0)
		return r;
	return reply_plain(m, client_subscribe(b, c, &f), &f);
}

static int get_property(sd_bus *connection, const char *path, const char *interface,
			const char *property, sd_bus_message *reply, void *userdata,
			sd_bus_error *error)
{
	struct bus *b = userdata;
	struct manager_view v = { 0 };

	(void)connection, (void)path, (void)interface, (void)error;
	b->handlers->view_manager(b->userdata, &v);
	if (!strcmp(property, "Version"))
		return sd_bus_message_append(reply, "s", PROJECT_VERSION);
	if (!strcmp(property, "Keepers"))
		return sd_bus_message_append(reply, "u", v.keepers);
	if (!strcmp(property, "Regions"))
		return sd_bus_message_append(reply, "u", v.regions);
	if (!strcmp(property, "GraceUSec"))
		return sd_bus_message_append(reply, "t", v.grace_usec);
	if (!strcmp(property, "MaxGraceUSec"))
		return sd_bus_message_append(reply, "t", v.max_grace_usec);
	if (!strcmp(property, "RevokeLimitUSec"))
		return sd_bus_message_append(reply, "t", v.revoke_limit_usec);
	if (!strcmp(property, "MaxRegionsPerTenant"))
		return sd_bus_message_append(reply, "u", v.max_regions_per_tenant);
	if (!strcmp(property, "MaxBytesPerTenant"))
		return sd_bus_message_append(reply, "t", v.max_bytes_per_tenant);
	if (!strcmp(property, "Draining"))
		return sd_bus_message_append(reply, "b", (int)v.draining);
	if (!strcmp(property, "DrainReason"))
		return sd_bus_message_append(reply, "s", v.drain_reason);
	return -EINVAL;
}

#define ANYBODY SD_BUS_VTABLE_UNPRIVILEGED /* for anybody; each method judges the caller itself */
#define PROPERTY(name, type) SD_BUS_PROPERTY(name, type, get_property, 0, 0)

const sd_bus_vtable manager_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS(
		"RegisterRegion",
		SD_BUS_ARGS("h", fd, "t", offset, "t", length, "s", access, "a{sv}", options),
		SD_BUS_RESULT("t", id, "o", region, "a{sv}", properties), method_register, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS(
		"RegisterRegions", SD_BUS_ARGS("a(httsa{sv})", regions, "a{sv}", options),
		SD_BUS_RESULT("a(toa{sv}ss)", results), method_register_many, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListRegions", SD_BUS_ARGS("a{sv}", filter),
				SD_BUS_RESULT("a(toa{sv})", regions), method_list, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListRegionProperties",
				SD_BUS_ARGS("a{sv}", filter, "as", properties),
				SD_BUS_RESULT("v", regions), method_list_properties, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("GetRegion", SD_BUS_ARGS("t", id),
				SD_BUS_RESULT("o", region, "a{sv}", properties), method_get,
				ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("GetRegionByName", SD_BUS_ARGS("u", uid, "s", session, "s", name),
				SD_BUS_RESULT("o", region, "a{sv}", properties), method_get_by_name,
				ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("FindHolders", SD_BUS_ARGS("h", fd),
				SD_BUS_RESULT("aa{sv}", holders), method_find_holders, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS(
		"GetHistory", SD_BUS_ARGS("a{sv}", filter),
		SD_BUS_RESULT("t", since_usec, "t", oldest_usec, "a(tttsa{sv})", events),
		method_get_history, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Evict", SD_BUS_ARGS("h", fd, "a{sv}", options),
				SD_BUS_RESULT("u", regions), method_evict, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("EnforceLimits", SD_BUS_ARGS("a{sv}", options),
				SD_BUS_RESULT("u", regions), method_enforce_limits, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListDevices", SD_BUS_NO_ARGS, SD_BUS_RESULT("aa{sv}", devices),
				method_list_devices, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListKeepers", SD_BUS_ARGS("a{sv}", filter),
				SD_BUS_RESULT("aa{sv}", keepers), method_list_keepers, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListStanding", SD_BUS_ARGS("a{sv}", filter),
				SD_BUS_RESULT("aa{sv}", standing), method_list_standing, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("RestoreStanding", SD_BUS_ARGS("s", session, "s", name, "h", fd),
				SD_BUS_RESULT("t", id, "o", region, "a{sv}", properties),
				method_restore_standing, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("RemoveStanding", SD_BUS_ARGS("u", uid, "s", session, "s", name),
				SD_BUS_NO_RESULT, method_remove_standing, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ReplaceKeeper", SD_BUS_ARGS("s", keeper, "a{sv}", options),
				SD_BUS_RESULT("u", regions), method_replace_keeper, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS(
		"CreateDaxDevice", SD_BUS_ARGS("u", region, "t", size, "a{sv}", options),
		SD_BUS_RESULT("s", path, "t", size, "h", fd), method_create_dax, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("DestroyDaxDevice", SD_BUS_ARGS("s", path), SD_BUS_NO_RESULT,
				method_destroy_dax, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Reload", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_reload, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("GetStatus", SD_BUS_NO_ARGS, SD_BUS_RESULT("a{sv}", status),
				method_get_status, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Drain", SD_BUS_ARGS("s", reason), SD_BUS_NO_RESULT,
				method_drain_machine, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Undrain", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_undrain_machine,
				ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("CreateSession", SD_BUS_ARGS("u", uid, "s", name, "a{sv}", options),
				SD_BUS_RESULT("o", session), method_create_session, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("GetSession", SD_BUS_ARGS("u", uid, "s", name),
				SD_BUS_RESULT("o", session), method_get_session, ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("ListSessions", SD_BUS_ARGS("a{sv}", filter),
				SD_BUS_RESULT("a(ousstua{sv})", sessions), method_list_sessions,
				ANYBODY),
	SD_BUS_METHOD_WITH_ARGS("Subscribe", SD_BUS_NO_ARGS, SD_BUS_NO_RESULT, method_subscribe,
				ANYBODY),
	SD_BUS_SIGNAL_WITH_ARGS("RegionAdded", SD_BUS_ARGS("t", id, "o", region), 0),
	SD_BUS_SIGNAL_WITH_ARGS("RegionRemoved",
				SD_BUS_ARGS("t", id, "o", region, "s", reason, "s", text), 0),
	SD_BUS_SIGNAL_WITH_ARGS("HistoryAdded", SD_BUS_ARGS("t", newest), 0),
	SD_BUS_SIGNAL_WITH_ARGS("SessionAdded", SD_BUS_ARGS("o", session), 0),
	SD_BUS_SIGNAL_WITH_ARGS("SessionRemoved", SD_BUS_ARGS("o", session, "s", reason), 0),
	SD_BUS_SIGNAL_WITH_ARGS("SignalsLost", SD_BUS_ARGS("t", signals), 0),
	SD_BUS_PROPERTY("Version", "s", get_property, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	PROPERTY("Keepers", "u"),
	PROPERTY("Regions", "u"),
	PROPERTY("GraceUSec", "t"),
	PROPERTY("MaxGraceUSec", "t"),
	PROPERTY("RevokeLimitUSec", "t"),
	PROPERTY("MaxRegionsPerTenant", "u"),
	PROPERTY("MaxBytesPerTenant", "t"),
	PROPERTY("Draining", "b"),
	PROPERTY("DrainReason", "s"),
	SD_BUS_VTABLE_END,
};
