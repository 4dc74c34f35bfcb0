// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-bus.c - what callers ask for. Each handler checks what depends on state, enters what must be
 * remembered, asks the keeper, and lets the answer (app-keepers.c) finish the call. A refusal
 * leaves nothing behind.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define GIB (1ull << 30)

static void view_manager(void *userdata, struct manager_view *ret)
{
	struct app *a = userdata;

	*ret = (struct manager_view){
		.keepers = pool_count(a->keepers),
		.regions = (uint32_t)registry_count(a->registry),
		.grace_usec = a->settings.grace_msec * USEC_PER_MSEC,
		.max_grace_usec = a->settings.max_grace_msec * USEC_PER_MSEC,
		.max_regions_per_tenant = (uint32_t)a->settings.regions_per_tenant,
		.max_bytes_per_tenant = a->settings.bytes_per_tenant,
		.revoke_limit_usec = a->settings.revoke_limit_sec * USEC_PER_SEC,
		.draining = a->drain.on,
		.drain_reason = a->drain.reason,
		.history_since_usec = a->history_since_usec,
		.history_oldest_usec = history_oldest_usec(a->history),
	};
}

static bool view_region(void *userdata, uint64_t id, struct region_view *ret)
{
	struct app *a = userdata;

	return app_view(a, registry_find(a->registry, id), ret);
}

static bool view_named(void *userdata, uint32_t uid, const char *session, const char *name,
		       struct region_view *ret)
{
	struct app *a = userdata;
	const struct region_entry *e = region_table_find_name(a->table, uid, session, name);

	return e && app_view(a, registry_find(a->registry, e->id), ret);
}

static bool view_next(void *userdata, uint32_t uid, const char *session, uint64_t id,
		      struct region_view *ret)
{
	struct app *a = userdata;

	return app_view(a,
			uid || session
				? registry_after_of(a->registry, uid ? &uid : NULL, session, id)
				: registry_after(a->registry, id),
			ret);
}

/* Charges the tenant and makes the region. */
static int enter_region(struct app *a, struct client *c, const struct register_request *q,
			struct region **ret, struct failure *f)
{
	uint32_t tenant;
	int r = registry_get_tenant(a->registry, q->uid, q->session, &tenant);

	if (r == 0) {
		r = registry_add_region(a->registry, tenant, q->detached ? 0 : c->number, q->length,
					0, ret);
		if (r)
			app_drop_tenant(a, tenant);
	}
	if (r < 0)
		return failure_from_errno(f, "registering the region", r, "");
	if (r > 0)
		app_count_refusal(a, (enum registry_refusal)r);
	if (r > 0)
		return failure_from_refusal(f, r, registry_limits(a->registry), q->uid, q->session,
					    q->length);
	r = runtime_reserve_id(&a->runtime, (*ret)->id);
	if (r < 0) {
		registry_remove_region(a->registry, *ret);
		app_drop_tenant(a, tenant);
		return failure_set(
			f, RDMAREG_ERROR_FAILED,
			"no region number can be reserved: %s/../next-region-id cannot be written: %s",
			a->runtime.keepers, strerror(-r));
	}
	return 0;
}

/* A region whose keeper is asked when it is known whether the file is marked. */
struct asking {
	struct app *app;
	struct keeper_message m;
	uint64_t extra_msec;
	int fd;
	uint32_t uid;
};

static void fill_asking(struct app *a, const struct region *r, const struct region_entry *e,
			const struct register_request *q, struct asking *ret)
{
	struct keeper_message m = { .type = KEEPER_REGISTER, .region = r->id };
	uint64_t extra =
		q->warm ? (q->length + GIB - 1) / GIB * a->settings.timeout_msec_per_gib : 0;

	m.info.offset = q->offset;
	m.info.length = q->length;
	m.info.grace_usec = r->grace_usec;
	m.info.access = (uint8_t)q->access;
	m.info.policy = (uint8_t)q->policy;
	m.info.detached = q->detached;
	m.info.warm = q->warm;
	m.info.gated = q->pre_content;
	m.info.warm_mode = e->text.warm_mode;
	snprintf(m.info.path, sizeof(m.info.path), "%s", q->path);
	*ret = (struct asking){ .app = a, .m = m, .extra_msec = extra, .fd = q->fd };
}

static void drop_asking(void *context)
{
	struct asking *k = context;

	offload_close(k->app->offload, k->fd, k->uid);
	free(k);
}

static void on_gated(struct app *a, uint64_t id, void *context)
{
	struct region_event failed = { .type = REGION_REGISTER_FAILED, .error = -ECANCELED };
	struct region *r = registry_find(a->registry, id);
	struct region_entry *e = region_table_find(a->table, id);
	struct asking *k = context;

	if (r)
		proxy_note(e->keeper)->expected--;
	if (r &&
	    !r->close_wanted) /* else its owner went away meanwhile, and no keeper knows of it */
		failed.error = proxy_request(e->keeper, &k->m, k->fd, k->extra_msec, NULL);
	if (!failed.error)
		k->fd = -1;
	drop_asking(k);
	if (r && failed.error)
		app_step(a, r, &failed);
}

/* Its file is marked before the keeper reads its size: what changes from then on is seen. */
static int ask_for_region(struct app *a, struct region *r, struct region_entry *e,
			  const struct register_request *q)
{
	_cleanup_(freep) struct asking *k = malloc(sizeof(*k));

	if (!k)
		return -ENOMEM;
	fill_asking(a, r, e, q, k);
	if (!q->pre_content || !app_gate(a, r, e, q->fd, q->filesystem, on_gated, drop_asking, k))
		return proxy_request(e->keeper, &k->m, q->fd, k->extra_msec, NULL);
	proxy_note(e->keeper)->expected++;
	k->uid = proxy_uid(e->keeper);
	steal_pointer(k);
	return 0;
}

static int check_name_free(const struct app *a, const struct register_request *q, struct failure *f)
{
	const struct region_entry *e =
		*q->name ? region_table_find_name(a->table, q->uid, q->session, q->name) : NULL;
	const struct region *r = e ? registry_find(a->registry, e->id) : NULL;

	if (!e)
		return 0;
	return failure_set(f, RDMAREG_ERROR_NAME_TAKEN,
			   "region %" PRIu64 " of uid %" PRIu32
			   " session '%s' has the name '%s'%s: use that region, %s, or choose "
			   "another name",
			   e->id, q->uid, q->session, q->name,
			   r->close_wanted ? " until it is released, which is under way" : "",
			   r->close_wanted ? "wait" : "release it first");
}

static int register_checked(struct app *a, struct client *c, const struct register_request *q,
			    struct call *call, struct failure *ret)
{
	struct region_entry *e = NULL;
	uint64_t grace_usec = 0;
	struct region *r;
	struct proxy *k;
	int error;

	if (app_check_drain(a, ret))
		return BUS_E_REFUSED;
	if (app_is_evicting(a, &q->on))
		return failure_set(
			ret, RDMAREG_ERROR_BUSY,
			"the regions of this file's filesystem are being taken down, for instance to "
			"unmount it: register the file when that is over");
	if (check_name_free(a, q, ret) || app_check_standing(a, q, ret))
		return BUS_E_REFUSED;
	if (app_choose_grace(a, q->policy, q->owns_file, q->access == ACCESS_READ && !q->owns_file,
			     q->has_grace, q->grace_usec, &grace_usec, ret) ||
	    (q->pre_content && app_check_gate(q->access, q->owns_file, ret)) ||
	    enter_region(a, c, q, &r, ret))
		return BUS_E_REFUSED;
	r->offset = q->offset;
	r->grace_usec = grace_usec;
	r->policy = (uint8_t)q->policy;
	r->access = (uint8_t)q->access;
	error = pool_get(a->keepers, q->uid, q->session, &k);
	if (error < 0) {
		uint32_t tenant = r->tenant;

		registry_remove_region(a->registry, r);
		app_drop_tenant(a, tenant);
		return failure_from_errno(ret, "starting the keeper", error, "");
	}
	proxy_note(k)->tenant = r->tenant;
	proxy_note(k)->has_tenant = true;
	error = app_add_entry(a, r, k, c->uid == 0 || c->uid == q->uid ? c : NULL, &e);
	if (error < 0)
		return failure_from_errno(ret, "registering the region", error, "");
	e->text.detached = q->detached;
	e->text.warm_mode = (uint8_t)(q->has_warm_mode ? q->warm_mode : a->settings.warm_mode);
	e->gate_asked = q->asks_pre_content;
	e->text.file_uid = q->file_uid;
	e->text.born_nsec = q->born_nsec;
	region_text_set(&e->text.path, q->path, strlen(q->path));
	error = region_table_set_file(a->table, e, &q->on, q->inode);
	if (error == 0 && *q->name)
		error = region_table_set_name(a->table, e, q->name);
	if (error == 0)
		app_history_begin(a, r, e);
	if (error == 0)
		error = app_standing_begin(a, r, e, q);
	if (error == 0)
		error = app_record(a, r, e, q->pre_content);
	if (error == 0)
		error = ask_for_region(a, r, e, q);
	if (error < 0) {
		app_ungate(a, r, e);
		app_forget_record(e);
		app_standing_cancel(a, e);
		app_history_end(a, e);
		region_table_remove(a->table, e);
		registry_remove_region(a->registry, r);
		if (error == -ENOBUFS)
			return failure_set(
				ret, RDMAREG_ERROR_LIMIT_EXCEEDED,
				"the tenant's keeper was started when regions_per_tenant in rdmaregd.conf was "
				"%" PRIu32
				", and has so many; it gets no other one%s: release some of its "
				"regions, or use another session",
				record_keeper(proxy_record(k))->regions,
				a->settings.port
					? ", since two cannot have the port that is set there"
					: " beside those that it has");
		return failure_from_errno(ret, "registering the region", error, proxy_trouble(k));
	}
	e->registering = call;
	app_measure_begin(a, r, e);
	return 0;
}

static int register_region(void *userdata, struct client *c, const struct register_request *q,
			   struct call *call, struct failure *ret)
{
	struct app *a = userdata;
	int r = register_checked(a, c, q, call, ret);

	if (r)
		app_standing_refused(a, q, ret);
	return r;
}

static int export(void *userdata, uint64_t id, const struct export_request *q, struct call *call,
		  struct failure *ret)
{
	struct app *a = userdata;
	struct region *r = registry_find(a->registry, id);
	struct region_entry *e = region_table_find(a->table, id);
	struct keeper_message m = { .type = KEEPER_EXPORT, .region = id };
	enum region_access access = q->has_access ? q->access : (enum region_access)r->access;
	int error;

	if (access == ACCESS_READ_WRITE && r->access != ACCESS_READ_WRITE)
		return failure_set(
			ret, RDMAREG_ERROR_ACCESS_DENIED,
			"region %" PRIu64
			" has access 'r', so no ticket for 'rw' can be made: register it with 'rw', "
			"or ask for 'r'",
			id);
	if (app_check_kept(r, ret))
		return BUS_E_REFUSED;
	if (r->state == REGION_REGISTERING)
		return failure_set(
			ret, RDMAREG_ERROR_BUSY,
			"region %" PRIu64
			" is being registered: no ticket can be made yet; try again when "
			"it is live",
			id);
	m.ticket.rights = WIRE_RIGHT_READ | (access == ACCESS_READ_WRITE ? WIRE_RIGHT_WRITE : 0);
	m.ticket.uses = q->uses;
	if (q->expires_usec &&
	    __builtin_add_overflow(now_boottime_usec(), q->expires_usec, &m.ticket.expires_usec))
		m.ticket.expires_usec = UINT64_MAX;
	error = proxy_request(e->keeper, &m, -1, 0, call);
	return error < 0 ? failure_from_errno(ret, "making the ticket", error,
					      proxy_trouble(e->keeper))
			 : 0;
}

static int release(void *userdata, struct client *c, uint64_t id, uint64_t grace_usec,
		   struct call *call, struct failure *ret)
{
	struct app *a = userdata;
	struct region *r = registry_find(a->registry, id);
	struct region_entry *e = region_table_find(a->table, id);
	int error;

	if (e->late_release && *proxy_trouble(e->keeper))
		return failure_set(ret, RDMAREG_ERROR_TIMEOUT,
				   "region %" PRIu64 " is being released: %s", id,
				   proxy_trouble(e->keeper));
	if (e->late_release)
		return failure_set(
			ret, RDMAREG_ERROR_TIMEOUT,
			"region %" PRIu64
			" is being released: its keeper %s has not answered yet, and is not ended; the region is gone when it has",
			id, proxy_name(e->keeper));
	error = region_entry_await_release(e, call, NULL);
	if (error < 0)
		return failure_from_errno(ret, "releasing the region", error, "");
	app_drop_client(a, r, c);
	app_want_release(a, r, END_RELEASED, c, grace_usec);
	return 0;
}

static int acknowledge(void *userdata, struct client *c, uint64_t id, uint64_t revocation,
		       struct failure *ret)
{
	struct app *a = userdata;
	struct region *r = registry_find(a->registry, id);
	struct region_entry *e = region_table_find(a->table, id);
	const struct region_event event = { .type = REGION_HOLDER_ACKED,
					    .kind = HOLDER_CLIENT,
					    .holder = c->number,
					    .revocation = revocation };
	uint64_t *acknowledged;

	if (!region_is_held_by(a->registry, r, HOLDER_CLIENT, c->number))
		return failure_set(
			ret, RDMAREG_ERROR_NO_SUCH_REVOCATION,
			"this connection does not hold region %" PRIu64
			" and was asked nothing: only who registered or joined it acknowledges",
			id);
	acknowledged =
		e->owner == c ? &e->acknowledged : &region_entry_find_join(e, c)->acknowledged;
	if (revocation && *acknowledged == revocation)
		return 0; /* the second time */
	if (r->state != REGION_DRAINING || r->revocation != revocation)
		return failure_set(ret, RDMAREG_ERROR_NO_SUCH_REVOCATION,
				   "revocation %" PRIu64 " of region %" PRIu64
				   " does not wait for an acknowledgement: it is over, or "
				   "never was",
				   revocation, id);
	*acknowledged = revocation;
	app_step_of(a, r, &event, (struct of_holder){ .client = c });
	return 0;
}

/*
 * Each of its regions loses a holder; those that end with their owner are released. Calls that it
 * left open are freed when answered.
 */
static void client_gone(void *userdata, struct client *c)
{
	struct app *a = userdata;
	struct region_entry *e;

	app_forget_frozen(a, c);
	app_drop_jobs(a, c);
	app_drop_revokes(a, c);
	app_drop_joins(a, c);
	app_drop_dax(a, c);
	while ((e = LIST_FIRST(&c->regions))) {
		struct region *r = registry_find(a->registry, e->id);
		bool detached = e->text.detached;

		region_entry_forget_owner(e);
		app_drop_client(a, r, c);
		if (!detached)
			app_want_release(a, r, END_DISCONNECTED, NULL, UINT64_MAX);
	}
}

static void name_lost(void *userdata)
{
	struct app *a = userdata;

	log_error("another process has taken the name " RDMAREG_BUS_NAME
		  ": stopping; the keepers stay");
	loop_stop(a->loop);
}

static void log_level_changed(void *userdata)
{
	struct app *a = userdata;

	pool_log_level_changed(a->keepers);
}

const struct bus_handlers app_bus_handlers = {
	.view_manager = view_manager,
	.view_region = view_region,
	.view_next = view_next,
	.view_named = view_named,
	.register_region = register_region,
	.prefetch = app_prefetch,
	.start_prefetch = app_start_prefetch,
	.find_job = app_find_job,
	.next_job = app_next_job,
	.cancel_job = app_cancel_job,
	.export = export,
	.import = app_import,
	.release = release,
	.acknowledge = acknowledge,
	.join = app_join,
	.leave = app_leave,
	.configure = app_configure,
	.revoke = app_revoke,
	.restore = app_restore,
	.sync = app_sync,
	.list_devices = app_list_devices,
	.view_next_keeper = app_view_next_keeper,
	.view_next_standing = app_view_next_standing,
	.find_standing = app_find_standing,
	.remove_standing = app_remove_standing,
	.replace_keeper = app_replace_keeper,
	.dax_is_within_limit = app_dax_is_within_limit,
	.create_dax = app_create_dax,
	.destroy_dax = app_destroy_dax,
	.view_next_of_file = app_view_next_of_file,
	.each_holder = app_each_holder,
	.history = app_history,
	.count_refusal = app_count_bus_refusal,
	.evict = app_evict,
	.reload = app_reload,
	.log_level_changed = log_level_changed,
	.view_status = app_view_status,
	.drain = app_drain,
	.view_session = app_view_session,
	.view_next_session = app_view_next_session,
	.create_session = app_create_session,
	.release_session = app_release_session,
	.drain_session = app_drain_session,
	.limit_session = app_limit_session,
	.client_gone = client_gone,
	.name_lost = name_lost,
};
