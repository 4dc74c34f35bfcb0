// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-revokes.c - regions closed on purpose: Revoke and Restore, Sync.
 *
 * What always holds: a revoke belongs to one connection and ends with it, with Restore, with its
 * limit or with the region; the keeper is told in each case but the last two, which it knows first.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "arbiter/app-internal.h"
#include "arbiter/app-revoke.h"
#include "util/clock.h"
#include "util/macros.h"

static int choose_times(const struct app *a, const struct region *r, const struct revoke_request *q,
			uint64_t *ret_grace, uint64_t *ret_limit, struct failure *f)
{
	uint64_t longest = a->settings.max_grace_msec * USEC_PER_MSEC;
	uint64_t limit = a->settings.revoke_limit_sec * USEC_PER_SEC;
	char asked[DURATION_BYTES], allowed[DURATION_BYTES];

	*ret_grace = q->has_grace ? q->grace_usec : r->policy == POLICY_FOLLOW ? 0 : r->grace_usec;
	*ret_limit = q->limit_usec ? q->limit_usec : limit;
	if (*ret_grace > longest)
		return failure_set(
			f, RDMAREG_ERROR_INVALID_OPTION,
			"a grace of %s is longer than the %s that are allowed: ask for less, or have "
			"the administrator raise max_grace_msec in rdmaregd.conf",
			duration_text(asked, *ret_grace), duration_text(allowed, longest));
	if (*ret_limit > limit)
		return failure_set(
			f, RDMAREG_ERROR_INVALID_OPTION,
			"%s without access for peers is longer than the %s that are allowed: ask for less, or "
			"have the administrator raise revoke_limit_sec in rdmaregd.conf",
			duration_text(asked, *ret_limit), duration_text(allowed, limit));
	if (app_check_kept(r, f))
		return BUS_E_REFUSED;
	if (r->state == REGION_REGISTERING)
		return failure_set(
			f, RDMAREG_ERROR_BUSY,
			"region %" PRIu64 " is being registered: try again when it is live", r->id);
	return 0;
}

static uint32_t count(const struct client *c)
{
	const struct revoke *v;
	uint32_t n = 0;

	LIST_FOREACH(v, &c->revokes, of_client)
		n++;
	return n;
}

int app_revoke(void *userdata, struct client *c, uint64_t id, const struct revoke_request *q,
	       struct call *call, struct failure *ret)
{
	struct app *a = userdata;
	struct region *r = registry_find(a->registry, id);
	struct region_entry *e = region_table_find(a->table, id);
	struct keeper_message m = { .type = KEEPER_DEMAND, .region = id };
	struct revoke *v;
	int error;

	if (choose_times(a, r, q, &m.demand.grace_usec, &m.demand.limit_usec, ret))
		return BUS_E_REFUSED;
	if (app_check_range(r, q->offset, q->length, ret))
		return BUS_E_REFUSED;
	if (count(c) >= a->settings.revokes_per_client) {
		metrics_count(a->metrics, METRIC_REFUSALS, LIMIT_REVOKES_PER_CLIENT);
		return failure_set(
			ret, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"this connection keeps %" PRIu64
			" regions closed, which is the limit: restore one, or have the administrator raise "
			"revokes_per_client in rdmaregd.conf",
			a->settings.revokes_per_client);
	}
	v = calloc(1, sizeof(*v));
	if (!v)
		return failure_from_errno(ret, "revoking the region", -ENOMEM, "");
	m.demand.demand = ++a->demands;
	m.demand.offset = q->offset;
	m.demand.length = q->length ? q->length : r->length - q->offset;
	m.demand.cause = CAUSE_ADMINISTRATOR;
	m.demand.pid = c->pid;
	error = proxy_request(e->keeper, &m, -1, m.demand.grace_usec / USEC_PER_MSEC,
			      (void *)(uintptr_t)m.demand.demand);
	if (error < 0) {
		free(v);
		return failure_from_errno(ret, "revoking the region", error,
					  proxy_trouble(e->keeper));
	}
	app_note_caller(e, c);
	v->demand = m.demand.demand;
	v->region = id;
	v->client = c;
	v->call = call;
	LIST_INSERT_HEAD(&c->revokes, v, of_client);
	LIST_INSERT_HEAD(&a->revokes, v, of_app);
	return 0;
}

void app_revoke_answered(struct app *a, const struct answer *n)
{
	uint64_t demand = (uint64_t)(uintptr_t)n->context;
	struct region *r = registry_find(a->registry, n->region);
	struct region_entry *e = region_table_find(a->table, n->region);
	struct revoke *v;
	struct failure f;

	LIST_FOREACH(v, &a->revokes, of_app)
		if (v->demand == demand)
			break;
	if (!v)
		return;
	if (!n->error && r && r->state != REGION_CLOSING && v->client) {
		v->revocation = r->revocation;
		call_reply_number(v->call, v->revocation);
		v->call = NULL;
		return;
	}
	if (n->error)
		failure_from_errno(&f, "revoking the region", n->error, n->text);
	else
		failure_set(&f, RDMAREG_ERROR_NO_SUCH_REGION,
			    "region %" PRIu64 " ended while it was revoked", n->region);
	if (v->call)
		call_fail(v->call, &f); /* also one whose caller is gone: it is freed with this */
	if (e && (n->error ? n->error == -ETIMEDOUT
			   : !v->client)) /* granted yet, perhaps, when nobody expects it */
		app_send_over(e, demand);
	revoke_free(v);
}

int app_restore(void *userdata, struct client *c, uint64_t id, uint64_t revocation,
		struct failure *ret)
{
	struct app *a = userdata;
	struct region_entry *e = region_table_find(a->table, id);
	struct revoke *v;
	int error;

	LIST_FOREACH(v, &c->revokes, of_client)
		if (v->region == id && v->revocation && v->revocation == revocation)
			break;
	if (!v)
		return failure_set(ret, RDMAREG_ERROR_NO_SUCH_REVOCATION,
				   "this connection keeps no revocation %" PRIu64
				   " of region %" PRIu64 ": it is over, or another connection's",
				   revocation, id);
	error = app_send_over(e, v->demand);
	if (error < 0)
		return failure_from_errno(ret, "ending the revoke", error,
					  proxy_trouble(e->keeper));
	revoke_free(v);
	return 0;
}

void app_drop_revokes(struct app *a, struct client *c)
{
	struct revoke *v;

	while ((v = LIST_FIRST(&c->revokes))) {
		struct region_entry *e = region_table_find(a->table, v->region);

		LIST_REMOVE(v, of_client);
		v->client = NULL;
		if (e)
			app_send_over(e, v->demand);
		if (v->revocation)
			revoke_free(v); /* else its answer still comes */
	}
}

int app_sync(void *userdata, struct client *c, uint64_t id, const struct revoke_request *q,
	     struct call *call, struct failure *ret)
{
	struct app *a = userdata;
	struct region *r = registry_find(a->registry, id);
	struct region_entry *e = region_table_find(a->table, id);
	struct keeper_message m = { .type = KEEPER_SYNC, .region = id };
	int error;

	if (choose_times(a, r, q, &m.demand.grace_usec, &m.demand.limit_usec, ret))
		return BUS_E_REFUSED;
	/* it may have to wait for a revocation under way, too */
	error = proxy_request(e->keeper, &m, -1,
			      (m.demand.grace_usec + m.demand.limit_usec) / USEC_PER_MSEC +
				      a->settings.revoke_limit_sec * 1000,
			      call);
	if (error < 0)
		return failure_from_errno(ret, "syncing the region", error,
					  proxy_trouble(e->keeper));
	app_note_caller(e, c);
	return 0;
}

void app_sync_answered(struct app *a, const struct answer *n)
{
	static const char *const durable[] = {
		[KEEPER_DURABLE_NOTHING] = "nothing", [KEEPER_DURABLE_STORAGE] = "storage"
	};
	struct region *r = registry_find(a->registry, n->region);
	struct failure f;

	if (n->late)
		return;
	if (!n->error && r && n->message->done.value < ARRAY_SIZE(durable)) {
		call_reply_sync(n->context, durable[n->message->done.value], r->revocation,
				r->valid_length);
		return;
	}
	if (n->error == -ETIME)
		failure_set(&f, RDMAREG_ERROR_TIMEOUT, "%s", n->text);
	else
		failure_from_errno(&f, "syncing the region", n->error ? n->error : -EPIPE, n->text);
	call_fail(n->context, &f);
}
