// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * calls.c - callers on the bus: their connections, and their calls, which wait with the bus until
 * the daemon takes them.
 *
 * What always holds: a caller sees regions of its own user only, as the real bus sees to; a call is
 * answered once, by its bound unless the daemon itself was stopped.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus-played.h"

static const char *const call_names[_CALL_MAX] = {
	[CALL_REGISTER] = "Register",
	[CALL_EXPORT] = "Export",
	[CALL_RELEASE] = "Release",
	[CALL_CONFIGURE] = "Configure",
	[CALL_REVOKE] = "Revoke",
	[CALL_RESTORE] = "Restore",
	[CALL_SYNC] = "Sync",
	[CALL_PREFETCH] = "Prefetch",
	[CALL_JOIN] = "Join",
	[CALL_LEAVE] = "Leave",
	[CALL_ACKNOWLEDGE] = "AckRevocation",
	[CALL_REPLACE] = "ReplaceKeeper",
	[CALL_EVICT] = "Evict",
	[CALL_CREATE_SESSION] = "CreateSession",
	[CALL_LIMIT_SESSION] = "SetLimits",
	[CALL_DRAIN_SESSION] = "Drain",
	[CALL_RELEASE_SESSION] = "Release of a session",
};

struct connection connections[CONNECTIONS];

static uint64_t clients;
static LIST_HEAD(, call) calls = LIST_HEAD_INITIALIZER(calls);
static STAILQ_HEAD(, request) requests = STAILQ_HEAD_INITIALIZER(requests);

/* --- requests */

void bus_ask(const struct request *q)
{
	struct request *copy = malloc(sizeof(*copy));

	if (!copy)
		abort();
	*copy = *q;
	STAILQ_INSERT_TAIL(&requests, copy, requests);
}

bool bus_has_requests(void)
{
	return !bus_is_held() && !STAILQ_EMPTY(&requests);
}

struct client *client_of(struct connection *c)
{
	if (c->client)
		return c->client;
	c->client = calloc(1, sizeof(*c->client) + sizeof(c->name));
	if (!c->client)
		abort();
	c->client->number = ++clients;
	c->client->uid = c->uid;
	c->client->pid = c->pid;
	c->client->asker = (struct asker){ .pid = c->pid, .uid = c->uid };
	memcpy(c->client->name, c->name, sizeof(c->name));
	return c->client;
}

struct connection *connection_of(const struct client *c)
{
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (connections[i].client == c)
			return &connections[i];
	return NULL;
}

/* Or may have to wait for one. */
static bool is_of_liar(const struct request *q)
{
	if (q->kind == CALL_EVICT)
		return world.lies;
	return q->kind == CALL_REGISTER ? lies_are_of(q->by->uid) : lies_are_about(q->region);
}

static struct call *call_begin(const struct request *q)
{
	struct call *call = calloc(1, sizeof(*call));

	if (!call)
		abort();
	*call = (struct call){ .kind = q->kind,
			       .by = q->by,
			       .region = q->region,
			       .since_usec = os_now,
			       .stopped_usec = os_stopped(the_daemon) };
	call->is_of_liar = is_of_liar(q);
	call->keeper = q->region && !is_of_administrator(q->kind)
			       ? process_of(daemon_keeper_of(q->region))
			       : NULL;
	LIST_INSERT_HEAD(&calls, call, calls);
	counted[COUNT_CALLS]++;
	return call;
}

static void call_end(struct call *call)
{
	LIST_REMOVE(call, calls);
	free(call);
}

static void take(const struct request *q)
{
	struct failure why = { 0 };
	struct region_view v;
	struct call *call;
	int r;

	os_trace("%s of %s, region %" PRIu64, call_names[q->kind], q->by->name, q->region);
	if (is_of_administrator(q->kind) && !administer_can(q))
		return;
	if (q->kind != CALL_REGISTER && !is_of_administrator(q->kind) &&
	    (!the_bus.handlers->view_region(the_bus.userdata, q->region, &v) ||
	     (q->by->uid && v.tenant->uid != q->by->uid)))
		return;
	if (is_at_once(q->kind)) {
		ask_at_once(q, &why);
		return;
	}
	if (q->kind == CALL_RELEASE)
		happen_release_wanted(q->region);
	call = call_begin(q);
	r = q->kind == CALL_REGISTER	   ? ask_register(q, call, &why)
	    : is_of_administrator(q->kind) ? administer(q, call, &why)
					   : ask_of_region(q, call, &why);
	if (!r)
		return;
	os_require(r == BUS_E_REFUSED && why.name && *why.text, "a refusal without a word: %d", r);
	os_trace("refused: %s", why.name);
	administered(call, END_FAILED);
	call_end(call);
}

void bus_take(void)
{
	uint64_t n = 1 + os_random(4);
	struct request *q;

	while (n-- && (q = STAILQ_FIRST(&requests))) {
		STAILQ_REMOVE_HEAD(&requests, requests);
		if (q->by->up)
			take(q);
		free(q);
	}
}

void connection_end(struct connection *c)
{
	struct client *client = c->client;
	struct call *call;

	os_trace("%s leaves", c->name);
	c->up = false;
	if (!client)
		return;
	/* answered they are all the same, and nobody hears it */
	LIST_FOREACH(call, &calls, calls)
		if (call->by == c)
			call->by = NULL;
	the_bus.handlers->client_gone(the_bus.userdata, client);
	c->client = NULL;
	free(client);
}

void bus_lost(void)
{
	struct call *call;

	while ((call = LIST_FIRST(&calls))) {
		administered(call, END_UNKNOWN);
		call_end(call);
	}
	for (size_t i = 0; i < CONNECTIONS; i++)
		connections[i].client = NULL; /* it was the daemon's */
}

uint32_t bus_open_calls(void)
{
	const struct call *call;
	uint32_t n = 0;

	LIST_FOREACH(call, &calls, calls)
		n++;
	return n;
}

/*
 * What anybody may have to wait for: a keeper that starts, its time to answer, the grace; of a
 * Sync the revocation under way, too.
 */
static uint64_t bound_usec(const struct call *call)
{
	switch (call->kind) {
	case CALL_REGISTER:
		return 8 * TIMEOUT_MSEC * USEC_PER_MSEC;
	case CALL_REPLACE: /* it starts another one, too, and each region waits for the four */
		return 20 * TIMEOUT_MSEC * USEC_PER_MSEC;
	case CALL_EVICT: /* regions that are being registered, too */
		return (10 * TIMEOUT_MSEC + MAX_GRACE_MSEC) * USEC_PER_MSEC;
	case CALL_RELEASE_SESSION:
		return (3 * TIMEOUT_MSEC + MAX_GRACE_MSEC) * USEC_PER_MSEC;
	case CALL_SYNC:
		return (2 * TIMEOUT_MSEC + MAX_GRACE_MSEC) * USEC_PER_MSEC +
		       (2 * REVOKE_LIMIT_SEC + 1) * USEC_PER_SEC;
	default:
		return (2 * TIMEOUT_MSEC + MAX_GRACE_MSEC + 1000) * USEC_PER_MSEC;
	}
}

void bus_check_calls(void)
{
	const struct call *call;

	LIST_FOREACH(call, &calls, calls)
		os_require(os_now - call->since_usec <=
				   bound_usec(call) + os_stopped(the_daemon) - call->stopped_usec,
			   "%s of region %" PRIu64 " is not answered after %" PRIu64 " ms",
			   call_names[call->kind], call->region,
			   (os_now - call->since_usec) / 1000);
}

/* --- bus.h: answers */

/* What was asked of one keeper is answered by what it did to a region that it has. */
static void check_former(const struct call *c)
{
	struct region_view v;

	os_require(!c->keeper || !c->keeper->alive ||
			   !the_bus.handlers->view_region(the_bus.userdata, c->region, &v) ||
			   daemon_keeper_of(c->region) == c->keeper->pid,
		   "%s of region %" PRIu64 " is answered by a keeper that has it no more",
		   call_names[c->kind], c->region);
}

static void finish(struct call *c, const char *how, enum end end)
{
	administered(c, end);
	os_trace("answers %s of region %" PRIu64 ": %s", call_names[c->kind], c->region, how);
	call_end(c);
}

void call_reply(struct call *c)
{
	if (c->kind == CALL_PREFETCH)
		check_former(c);
	finish(c, "done", END_DONE);
}

void call_reply_region(struct call *c, const struct region_view *v)
{
	c->region = v->region->id;
	counted[COUNT_REGISTERED]++;
	finish(c, "there it is", END_DONE);
}

void call_reply_ticket(struct call *c, const char *ticket)
{
	check_former(c);
	os_require(*ticket || c->is_of_liar, "an empty ticket");
	finish(c, "a ticket", END_DONE);
}

void call_reply_number(struct call *c, uint64_t number)
{
	const struct request restore = {
		.kind = CALL_RESTORE, .by = c->by, .region = c->region, .number = number
	};

	check_former(c);
	if (c->by && os_chance(70))
		happen_later(&restore, os_random(800 * USEC_PER_MSEC));
	finish(c, "revoked", END_DONE);
}

void call_reply_sync(struct call *c, const char *durable, uint64_t revocation,
		     uint64_t valid_length)
{
	(void)durable, (void)revocation, (void)valid_length;
	check_former(c);
	finish(c, "synced", END_DONE);
}

/* Something came between the two in this world. */
static bool is_excused(const struct call *c)
{
	const struct process *k = c->keeper;

	return !k || !k->alive || k->liar || k->foreign || k->cuts || k->stopped_usec ||
	       the_daemon->stopped_usec;
}

void call_fail(struct call *c, const struct failure *f)
{
	bool timeout = !strcmp(f->name, RDMAREG_ERROR_TIMEOUT);

	os_require(f->name && *f->text, "a failure without a word");
	os_require(!world.calm || c->is_of_liar ||
			   (!timeout && strcmp(f->name, RDMAREG_ERROR_FAILED) != 0 &&
			    strcmp(f->name, RDMAREG_ERROR_KEEPER_LOST) != 0),
		   "%s fails, and nothing went wrong: %s", call_names[c->kind], f->text);
	os_require(c->kind != CALL_RELEASE || !timeout || is_excused(c),
		   "Release of region %" PRIu64 " is late, and its keeper was never stopped",
		   c->region);
	counted[COUNT_LATE] += timeout;
	os_trace("%s", f->text);
	finish(c, f->name, timeout ? END_PARTLY : END_FAILED);
}

void call_reply_count(struct call *c, uint32_t count)
{
	(void)count;
	finish(c, "counted", END_DONE);
}

void call_reply_import(struct call *c, int fd, uint32_t pd_handle, uint32_t mr_handle,
		       const struct region *r)
{
	(void)fd, (void)pd_handle, (void)mr_handle, (void)r;
	finish(c, "imported", END_DONE);
}

void call_reply_dax(struct call *c, const char *path, uint64_t size, int fd)
{
	(void)path, (void)size, (void)fd;
	finish(c, "made", END_DONE);
}

void call_reply_session(struct call *c, uint32_t uid, const char *name)
{
	(void)uid, (void)name;
	finish(c, "created", END_DONE);
}

void call_reply_ends(struct call *c, const struct session_end *ends, size_t n)
{
	bool all = true;

	for (size_t i = 0; i < n; i++)
		all &= ends[i].outcome != SESSION_LATE;
	os_require(all || !world.calm || c->impatient || c->is_of_liar,
		   "regions of a session are late, and nothing went wrong");
	finish(c, all ? "ended" : "ended in part", all ? END_DONE : END_PARTLY);
}
