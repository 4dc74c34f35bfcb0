// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-sessions.c - sessions that are created: made, shown, limited, and found again after a
 * restart; their end is in app-ending.c.
 *
 * Whether a user has an account is looked up in a thread: where the user database is, nobody knows.
 *
 * What always holds: a session is recorded before anybody hears of it, and its record is as the
 * registry has it, or the change was refused.
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arbiter/app-internal.h"
#include "arbiter/session-record.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define ACCOUNT_BYTES 4096 /* for the names in an entry; it is asked for more if need be */
#define ACCOUNT_BYTES_MAX (1u << 20)

static uint64_t or_general(uint64_t own, uint64_t general)
{
	return own ? own : general;
}

void app_session_limits(const struct app *a, const struct tenant *t, struct session_limits *ret)
{
	const struct settings *s = &a->settings;

	*ret = (struct session_limits){
		.regions = registry_max_regions(a->registry, t),
		.bytes = registry_max_bytes(a->registry, t),
		.peers = (uint32_t)or_general(t->own.peers, s->peers_per_tenant),
		.tickets = (uint32_t)or_general(t->own.tickets, s->tickets_per_region),
		.memory = pool_spawns_units(a->keepers) ? t->own.memory : 0,
	};
	strcpy(ret->device, t->own.device);
}

static void view(struct app *a, const struct tenant *t, struct session_view *ret)
{
	*ret = (struct session_view){ .tenant = t,
				      .peers = pool_peers(a->keepers, t->uid, t->session),
				      .memory = app_slice_memory(a, t) };
	app_session_limits(a, t, &ret->limits);
}

/* NULL: no such session was created. */
static const struct tenant *find(const struct app *a, uint32_t uid, const char *name,
				 uint32_t *ret_index)
{
	const struct tenant *t;

	if (!registry_find_tenant(a->registry, uid, name, ret_index))
		return NULL;
	t = registry_tenant(a->registry, *ret_index);
	return t->kind == TENANT_SESSION ? t : NULL;
}

bool app_view_session(void *userdata, uint32_t uid, const char *name, struct session_view *ret)
{
	struct app *a = userdata;
	uint32_t at;
	const struct tenant *t = find(a, uid, name, &at);

	if (t)
		view(a, t, ret);
	return t;
}

bool app_view_next_session(void *userdata, const uint32_t *uid, uint32_t after_uid,
			   const char *after_name, struct session_view *ret)
{
	struct tenant after = { .uid = after_uid };
	struct app *a = userdata;
	uint32_t at;

	if (after_name)
		snprintf(after.session, sizeof(after.session), "%s", after_name);
	if (!registry_next_session(a->registry, uid, after_name ? &after : NULL, &at))
		return false;
	view(a, registry_tenant(a->registry, at), ret);
	return true;
}

/* A session that is to be created, while its user is looked up. */
struct creating {
	struct offload_task task;
	struct app *app;
	struct call *call;
	struct session_request request;
	int error; /* 0: there is such a user */
};

/* In a thread. */
static void look_up(struct offload_task *task)
{
	struct creating *k = (struct creating *)task;
	struct passwd entry, *found = NULL;

	for (size_t size = ACCOUNT_BYTES; size <= ACCOUNT_BYTES_MAX; size *= 4) {
		_cleanup_(freep) char *names = malloc(size);

		k->error = names ? getpwuid_r(k->request.uid, &entry, names, size, &found) : ENOMEM;
		if (k->error != ERANGE)
			break;
	}
	if (!k->error && !found)
		k->error = ENOENT;
}

static int refuse_other(const struct tenant *t, const char *limit, uint64_t has, uint64_t asked,
			struct failure *f)
{
	return failure_set(
		f, RDMAREG_ERROR_SESSION_EXISTS,
		"session '%s' of uid %" PRIu32 " was created before, and its %s is %" PRIu64
		", not %" PRIu64
		" (0: no limit of its own): ask for the same, change it with SetLimits (rdmaregctl session set), or release "
		"it first",
		t->session, t->uid, limit, has, asked);
}

/* It was created before: with the same options it is the same session. */
static int check_same(const struct tenant *t, const struct session_limits *asked, struct failure *f)
{
	const struct session_limits *has = &t->own;

	if (t->state == SESSION_ENDED)
		return failure_set(f, RDMAREG_ERROR_BUSY,
				   "session '%s' of uid %" PRIu32
				   " is being released: create it when that is over",
				   t->session, t->uid);
	if (has->regions != asked->regions)
		return refuse_other(t, "MaxRegions", has->regions, asked->regions, f);
	if (has->bytes != asked->bytes)
		return refuse_other(t, "MaxBytes", has->bytes, asked->bytes, f);
	if (has->peers != asked->peers)
		return refuse_other(t, "MaxPeers", has->peers, asked->peers, f);
	if (has->tickets != asked->tickets)
		return refuse_other(t, "MaxTickets", has->tickets, asked->tickets, f);
	if (has->memory != asked->memory)
		return refuse_other(t, "MaxMemory", has->memory, asked->memory, f);
	if (strcmp(has->device, asked->device) != 0)
		return failure_set(
			f, RDMAREG_ERROR_SESSION_EXISTS,
			"session '%s' of uid %" PRIu32
			" was created before, and its Device is '%s', not '%s': ask for the same, "
			"or release it first",
			t->session, t->uid, has->device, asked->device);
	return 0;
}

/* What it has by now is in a keeper of any device, and so would the rest be. */
static int check_device_is_free(const struct app *a, const struct session_request *q,
				struct failure *f)
{
	const struct tenant *t;
	uint32_t at;

	if (!*q->limits.device || !registry_find_tenant(a->registry, q->uid, q->name, &at))
		return 0;
	t = registry_tenant(a->registry, at);
	if (t->kind == TENANT_SESSION || !t->regions)
		return 0;
	return failure_set(
		f, RDMAREG_ERROR_SESSION_EXISTS,
		"uid %" PRIu32 " has %" PRIu32
		" regions in a session '%s' that nobody created, so it cannot be given a "
		"Device any more: release them first, or take another name",
		q->uid, t->regions, q->name);
}

static int record(struct app *a, const struct tenant *t, struct failure *f)
{
	int r = session_record_write(a->runtime.sessions, t);

	return r == 0 ? 0
		      : failure_set(f, RDMAREG_ERROR_FAILED,
				    "session '%s' of uid %" PRIu32
				    " cannot be recorded in %s/../sessions: %s",
				    t->session, t->uid, a->runtime.keepers, strerror(-r));
}

/* Somebody waits until systemd has the slice of a session as it is to be. */
struct setting_up {
	struct app *app;
	struct call *call;
	uint32_t uid;
	char name[TENANT_SESSION_MAX];
	bool created; /* by this call, so nobody has heard of it */
	bool limited; /* a limit is to be another one */
	uint64_t memory_before;
};

static void tell_changed(struct app *a, const struct tenant *t)
{
	struct session_view v;

	view(a, t, &v);
	bus_tell_session_changed(a->bus, &v);
}

/* Its slice cannot be had: it is as it was before, or not there. */
static void undo(struct app *a, const struct setting_up *k)
{
	struct failure ignored;
	struct tenant before;
	uint32_t at;
	const struct tenant *t = find(a, k->uid, k->name, &at);

	if (t && k->created) {
		session_record_remove(a->runtime.sessions, t);
		app_unwant_slice(a, t);
		registry_end_session(a->registry, at);
		app_drop_tenant(a, at);
		app_sweep_slices(a);
	} else if (t && k->limited) {
		before = *t;
		before.own.memory = k->memory_before;
		registry_set_session_limits(a->registry, at, &before.own);
		record(a, t, &ignored);
		tell_changed(a, t);
	}
}

static void is_set_up(void *userdata, int error, const char *why)
{
	_cleanup_(freep) struct setting_up *k = userdata;
	struct app *a = k->app;
	const struct tenant *t;
	struct failure f;
	uint32_t at;

	if (error == -ESHUTDOWN) {
		failure_set(&f, RDMAREG_ERROR_FAILED, "rdmaregd is being stopped; try again");
		call_fail(k->call, &f);
		return;
	}
	if (error) {
		undo(a, k);
		failure_set(&f, RDMAREG_ERROR_FAILED,
			    "systemd refuses the slice of session '%s' of uid %" PRIu32
			    ", or its MaxMemory: %.200s",
			    k->name, k->uid, why);
		call_fail(k->call, &f);
		return;
	}
	t = find(a, k->uid, k->name, &at);
	if (t && k->created) {
		log_info("session %s of uid %" PRIu32 ": created", k->name, k->uid);
		bus_tell_session_added(a->bus, t);
	}
	if (k->limited)
		call_reply(k->call);
	else
		call_reply_session(k->call, k->uid, k->name);
}

/* @call is answered, now or later. BUS_E_REFUSED: nothing is as it was asked. */
static int set_up(struct app *a, const struct setting_up *what, const struct tenant *t,
		  struct failure *f)
{
	_cleanup_(freep) struct setting_up *k = malloc(sizeof(*k));
	int r = -ENOMEM;

	if (k) {
		*k = *what;
		r = app_want_slice(a, t, is_set_up, k);
	}
	if (r < 0) {
		undo(a, what);
		return failure_from_errno(f, "making the session's slice", r, "");
	}
	steal_pointer(k);
	return 0;
}

static int create(struct app *a, const struct session_request *q, struct call *call,
		  struct failure *f)
{
	struct setting_up k = { .app = a, .call = call, .uid = q->uid };
	const struct tenant *t;
	uint32_t at;
	int r = check_device_is_free(a, q, f);

	if (r)
		return r;
	r = registry_create_session(a->registry, q->uid, q->name, &q->limits, now_realtime_usec(),
				    &at);
	if (r < 0)
		return failure_from_errno(f, "creating the session", r, "");
	if (r > 0 && r != REGISTRY_E_EXISTS)
		app_count_refusal(a, (enum registry_refusal)r);
	if (r > 0 && r != REGISTRY_E_EXISTS)
		return failure_from_refusal(f, r, registry_limits(a->registry), q->uid, q->name, 0);
	strcpy(k.name, q->name);
	k.created = r == 0;
	t = registry_tenant(a->registry, at);
	r = k.created ? record(a, t, f) : check_same(t, &q->limits, f);
	if (r && k.created) {
		registry_end_session(a->registry, at);
		app_drop_tenant(a, at);
	}
	if (r)
		return r;
	if (k.created)
		pool_limits_changed(a->keepers, q->uid, q->name);
	return set_up(a, &k, t, f);
}

static int judge_account(const struct creating *k, int error, struct failure *f)
{
	uint32_t uid = k->request.uid;

	if (error == -ESHUTDOWN)
		return failure_set(f, RDMAREG_ERROR_FAILED, "rdmaregd is being stopped; try again");
	if (error)
		return failure_set(
			f, RDMAREG_ERROR_TIMEOUT,
			"whether uid %" PRIu32
			" has an account could not be looked up within %" PRIu64
			" ms (timeout_msec): the user database does not answer; no session was created",
			uid, offload_timeout(k->app->offload) / 1000);
	if (k->error == ENOENT)
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "uid %" PRIu32
				   " has no account on this machine, so it gets no session",
				   uid);
	if (k->error)
		return failure_set(f, RDMAREG_ERROR_FAILED,
				   "whether uid %" PRIu32 " has an account cannot be told: %s", uid,
				   strerror(k->error));
	return 0;
}

static void looked_up(struct offload_task *task, int error)
{
	struct creating *k = (struct creating *)task;
	struct failure f;
	int r = judge_account(k, error, &f);

	if (r == 0)
		r = create(k->app, &k->request, k->call, &f);
	if (r)
		call_fail(k->call, &f);
}

static void release_task(struct offload_task *task)
{
	free(task);
}

int app_create_session(void *userdata, struct client *c, const struct session_request *q,
		       struct call *call, struct failure *ret)
{
	struct app *a = userdata;
	struct creating *k;
	uint32_t at;
	int r;

	if (find(a, q->uid, q->name, &at))
		return create(a, q, call, ret);
	if (app_check_drain(a, ret))
		return BUS_E_REFUSED;
	k = calloc(1, sizeof(*k));
	if (!k)
		return failure_from_errno(ret, "creating the session", -ENOMEM, "");
	k->task = (struct offload_task){ .work = look_up,
					 .ended = looked_up,
					 .release = release_task };
	k->app = a;
	k->call = call;
	k->request = *q;
	r = offload_run(a->offload, &k->task, c->uid);
	if (r == 0)
		return 0;
	free(k);
	if (r == -EBUSY)
		return failure_set(
			ret, RDMAREG_ERROR_TIMEOUT,
			"users cannot be looked up for uid %" PRIu32
			": the user database, or files that it passed before, do not answer",
			c->uid);
	return failure_from_errno(ret, "looking the user up", r, "");
}

int app_set_session_state(struct app *a, uint32_t at, enum session_state state, struct failure *f)
{
	const struct tenant *t = registry_tenant(a->registry, at);
	struct tenant wanted = *t;
	int r;

	if (t->state >= state)
		return 0;
	wanted.state = (uint8_t)state;
	r = record(a, &wanted, f);
	if (r)
		return r;
	registry_set_session_state(a->registry, at, state);
	tell_changed(a, t);
	return 0;
}

void app_session_ends(struct app *a, uint32_t at)
{
	if (registry_tenant(a->registry, at)->state == SESSION_ENDED)
		return;
	registry_set_session_state(a->registry, at, SESSION_ENDED);
	tell_changed(a, registry_tenant(a->registry, at));
}

int app_drain_session(void *userdata, const struct session_request *q, struct call *call,
		      struct failure *ret)
{
	struct app *a = userdata;
	uint32_t at;
	const struct tenant *t = find(a, q->uid, q->name, &at);
	int r;

	r = app_set_session_state(a, at, SESSION_DRAINING, ret);
	if (r)
		return r;
	log_info("session %s of uid %" PRIu32 ": draining", t->session, t->uid);
	call_reply(call);
	return 0;
}

int app_limit_session(void *userdata, const struct session_request *q, struct call *call,
		      struct failure *ret)
{
	struct app *a = userdata;
	uint32_t at;
	const struct tenant *t = find(a, q->uid, q->name, &at);
	struct setting_up k = { .app = a, .call = call, .uid = q->uid, .limited = true };
	struct tenant wanted = *t;
	int r;

	strcpy(k.name, q->name);
	k.memory_before = t->own.memory;
	if (q->has_regions)
		wanted.own.regions = q->limits.regions;
	if (q->has_bytes)
		wanted.own.bytes = q->limits.bytes;
	if (q->has_peers)
		wanted.own.peers = q->limits.peers;
	if (q->has_tickets)
		wanted.own.tickets = q->limits.tickets;
	if (q->has_memory)
		wanted.own.memory = q->limits.memory;
	r = record(a, &wanted, ret);
	if (r)
		return r;
	registry_set_session_limits(a->registry, at, &wanted.own);
	pool_limits_changed(a->keepers, t->uid, t->session);
	tell_changed(a, t);
	return set_up(a, &k, t, ret);
}

void app_session_is_over(struct app *a, uint32_t at)
{
	const struct tenant *t = registry_tenant(a->registry, at);

	session_record_remove(a->runtime.sessions, t);
	log_info("session %s of uid %" PRIu32 ": released", t->session, t->uid);
	bus_tell_session_removed(a->bus, t, "released");
	app_unwant_slice(a, t);
	pool_session_is_over(a->keepers, t->uid, t->session);
	registry_end_session(a->registry, at);
	app_drop_tenant(a, at);
	app_sweep_slices(a);
}

/* What is recorded exists, whatever the limits are by now. */
static void load(void *userdata, const struct tenant *recorded)
{
	struct app *a = userdata;
	uint32_t at;
	int r = registry_create_session(a->registry, recorded->uid, recorded->session,
					&recorded->own, recorded->created_usec, &at);

	if (r == 0)
		registry_set_session_state(a->registry, at, recorded->state);
	else
		log_error("session %s of uid %" PRIu32 " cannot be taken over: error %d",
			  recorded->session, recorded->uid, r);
}

void app_load_sessions(struct app *a)
{
	const struct registry_limits limits = *registry_limits(a->registry);
	struct registry_limits any = limits;
	char path[sizeof(a->runtime.keepers) + 16];

	any.sessions = any.ids = UINT32_MAX;
	snprintf(path, sizeof(path), "%s/../sessions", a->runtime.keepers);
	registry_set_limits(a->registry, &any);
	session_record_each(a->runtime.sessions, path, load, a);
	registry_set_limits(a->registry, &limits);
}
