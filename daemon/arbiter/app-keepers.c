// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-keepers.c - what keepers say. A keeper is believed about the state of its own tenant's
 * regions and nothing else: whose they are and what they may do, the daemon knows itself
 * (record.h). Whatever contradicts that, or itself, is a complaint, and the end of that connection.
 *
 * Reports about regions we do not know are normal (they cross a release) and change nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "arbiter/app-internal.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"

static void step_revocation(struct app *a, struct region *r, enum region_event_type type,
			    const struct keeper_revocation *v)
{
	const struct region_event event = {
		.type = type,
		.now_usec = now_monotonic_usec(),
		.revocation = v->revocation,
		.cause = (enum revocation_cause)v->cause,
		.outcome = (enum revocation_outcome)v->outcome,
		.deadline_usec = v->deadline_usec,
		.offset = v->offset,
		.length = v->length,
		.valid_length = v->valid_length,
		.generation = v->generation,
		.rkey = v->rkey,
	};

	app_step(a, r, &event);
}

#define REVOCATION_FIELDS(who)                                                                 \
	LOG_FIELDS(.tenant = proxy_name(k), .message = LOG_MESSAGE_REVOCATION, .cause = cause, \
		   .pid = (who), .file = e->text.path)

/*
 * Who is behind it: of a filesystem's the keeper knows, or nobody; of the others, whoever asked on
 * the bus.
 */
static void log_revocation(struct app *a, struct proxy *k, const struct region *r,
			   const struct keeper_revocation *v)
{
	const struct region_entry *e = region_table_find(a->table, r->id);
	const struct asker *by = &e->wanted_by;
	const char *cause = revocation_cause_names[v->cause];

	if (v->cause <= CAUSE_WRITE && v->breaker_pid)
		app_log_about(k, LOG_INFO, REVOCATION_FIELDS(v->breaker_pid),
			      "region %" PRIu64 ": revocation %" PRIu64 " (%s) by pid %" PRIu32,
			      r->id, v->revocation, cause, v->breaker_pid);
	else if (v->cause > CAUSE_WRITE && by->pid)
		app_log_about(k, LOG_INFO, REVOCATION_FIELDS(by->pid),
			      "region %" PRIu64 ": revocation %" PRIu64 " (%s) by pid %" PRIu32
			      " uid %" PRIu32,
			      r->id, v->revocation, cause, by->pid, by->uid);
	else
		app_log_about(k, LOG_INFO, REVOCATION_FIELDS(0),
			      "region %" PRIu64 ": revocation %" PRIu64 " (%s)", r->id,
			      v->revocation, cause);
}

/* With what is known in the end; who asked is told when it begins, too. */
static void log_settled(struct proxy *k, const struct region *r, const struct region_entry *e,
			uint64_t revocation)
{
	char sum[HISTORY_SUM_MAX];

	app_log_about(k, LOG_INFO,
		      LOG_FIELDS(.tenant = proxy_name(k), .pid = e->asker.pid,
				 .cause = revocation_cause_names[r->cause], .file = e->text.path),
		      "region %" PRIu64 ": revocation %" PRIu64 " settled%s", r->id, revocation,
		      app_history_sum(e, revocation, sum));
}

/* Looked at while it waits: of a filesystem's the keeper knows its number; of others see above. */
static void take_asker(struct region_entry *e, const struct keeper_revocation *v)
{
	if (v->cause > CAUSE_WRITE)
		e->asker = e->wanted_by;
	else
		asker_look(&e->asker, v->breaker_pid, ASKER_NO_UID, 0);
}

static const char *told_revocation(struct app *a, struct proxy *k, struct region *r,
				   const struct keeper_message *m)
{
	struct region_entry *e = region_table_find(a->table, r->id);
	const struct keeper_revocation *v = &m->revocation;

	switch ((enum keeper_type)m->type) {
	case KEEPER_REVOCATION:
		take_asker(e, v);
		step_revocation(a, r, REGION_REVOKED, v);
		app_skip_frozen(a, e);
		log_revocation(a, k, r, v); /* who is asked does not wait for that */
		return NULL;
	case KEEPER_FENCED:
		if (v->late)
			app_log_about(k, LOG_WARNING,
				      LOG_FIELDS(.tenant = proxy_name(k),
						 .message = LOG_MESSAGE_PEERS_CUT,
						 .cause = revocation_cause_names[r->cause]),
				      "region %" PRIu64 ": revocation %" PRIu64 ": %" PRIu32
				      " peers were cut off, they did not "
				      "acknowledge in time",
				      r->id, v->revocation, v->late);
		/* no more than it may have, whatever it says */
		if (v->late <= record_keeper(proxy_record(k))->peers)
			metrics_add(a->metrics, METRIC_LATE, v->late, METRIC_PEER, 0, 0);
		step_revocation(a, r, REGION_WAS_FENCED, v);
		return NULL;
	case KEEPER_GIVEN_BACK:
		app_measure_given_back(a, region_table_find(a->table, r->id), v->late);
		app_log_about(
			k, v->late ? LOG_WARNING : LOG_INFO,
			LOG_FIELDS(.tenant = proxy_name(k),
				   .message = v->late ? LOG_MESSAGE_DEADLINE_MET : LOG_MESSAGE_NONE,
				   .cause = revocation_cause_names[r->cause]),
			"region %" PRIu64 ": revocation %" PRIu64 ": blocks given back%s", r->id,
			v->revocation, v->late ? " by the kernel, at its deadline" : "");
		app_history_note_given_back(a, r, e, v->revocation, v->late);
		return NULL;
	default:
		if (v->valid_length > r->length)
			return "a valid length beyond the region";
		log_settled(k, r, e, v->revocation);
		step_revocation(a, r, REGION_WAS_SETTLED, v);
		return NULL;
	}
}

static const char *told_invalidated(struct app *a, struct region *r,
				    const struct keeper_invalidated *v)
{
	const struct region_event event = { .type = REGION_LENGTH,
					    .valid_length = v->valid_length };
	struct region_entry *e = region_table_find(a->table, r->id);

	if (v->valid_length > r->length)
		return "a valid length beyond the region";
	region_counters_copy(&e->text.counters, v);
	app_step(a, r, &event);
	return NULL;
}

static void told_mode(struct app *a, struct proxy *k, struct region *r,
		      const struct keeper_region *info)
{
	struct region_entry *e = region_table_find(a->table, r->id);
	uint64_t bypasses = e->text.bypasses;

	if (app_take_file(e, info)) /* the keeper's own line says it */
		app_file_changed(a, r);
	app_take_mode(a, r, e, info);
	app_log_about(
		k, LOG_NOTICE,
		LOG_FIELDS(.tenant = proxy_name(k),
			   .message = bypasses != e->text.bypasses ? LOG_MESSAGE_REGION_BYPASSED
				      : e->text.degraded	   ? LOG_MESSAGE_REGION_DEGRADED
								   : LOG_MESSAGE_NONE,
			   .file = e->text.path),
		"region %" PRIu64 ": %s%s%s", r->id, e->text.mode_reason ? e->text.mode_reason : "",
		e->text.degraded ? "; degraded: " : "", e->text.degraded ? e->text.degraded : "");
	app_mode_changed(a, r, e);
}

static const char *told(void *userdata, struct proxy *k, const struct keeper_message *m)
{
	struct app *a = userdata;
	const char *complaint;
	struct region *r = app_region_of(a, k, m->region, &complaint);

	if (!r)
		return complaint;
	switch ((enum keeper_type)m->type) {
	case KEEPER_REVOCATION:
	case KEEPER_FENCED:
	case KEEPER_GIVEN_BACK:
	case KEEPER_SETTLED:
		return told_revocation(a, k, r, m);
	case KEEPER_PEER_JOINED:
		return app_join_peer(a, k, r, &m->peer);
	case KEEPER_PEER_LEFT:
		app_step_peer(a, k, r, REGION_HOLDER_LEFT, &m->peer);
		return NULL;
	case KEEPER_PEER_ACK:
		app_step_peer(a, k, r, REGION_HOLDER_ACKED, &m->peer);
		return NULL;
	case KEEPER_INVALIDATED:
		return told_invalidated(a, r, &m->invalidated);
	case KEEPER_MODE:
		told_mode(a, k, r, &m->info);
		return NULL;
	case KEEPER_GONE:
		app_log_about(k, LOG_WARNING,
			      LOG_FIELDS(.tenant = proxy_name(k),
					 .message = LOG_MESSAGE_REGION_GIVEN_UP,
					 .file = region_table_find(a->table, r->id)->text.path),
			      "region %" PRIu64 ": ended by its keeper %s", r->id, proxy_name(k));
		app_note_end(r, region_table_find(a->table, r->id), END_GIVEN_UP);
		app_step_plain(a, r, REGION_RELEASED);
		return NULL;
	default:
		return "an event that is none";
	}
}

/* Answers whoever waits, and forgets the region. */
static void end_registration(struct app *a, struct region *r, struct region_entry *e, int error,
			     const char *text)
{
	const struct region_event event = { .type = REGION_REGISTER_FAILED, .error = error };
	struct failure f;

	app_log(e->keeper, LOG_INFO, "region %" PRIu64 ": not registered: %s", r->id,
		*text ? text : strerror(-error));
	failure_from_errno(&f, "registering the region", error, text);
	if (e->registering)
		call_fail(e->registering, &f);
	e->registering = NULL;
	app_note_end(r, e, proxy_is_gone(e->keeper) ? END_LOST : END_GIVEN_UP);
	text_shorten(e->end_text, sizeof(e->end_text), *text ? text : strerror(-error));
	app_move_ended(e, error, text);
	app_step(a, r, &event);
}

int app_ask_for_release(struct proxy *k, uint64_t region)
{
	const struct keeper_message m = { .type = KEEPER_RELEASE, .region = region };

	return proxy_request(k, &m, -1, 0, NULL);
}

static const char *register_answered(struct app *a, struct proxy *k, const struct answer *n)
{
	static const char another[] = "another region than was asked for";
	struct region *r = registry_find(a->registry, n->region);
	struct region_entry *e = region_table_find(a->table, n->region);
	struct region_event event;

	/* it may have been made, and nobody knows it any more: so it must not live on there */
	if ((!r && n->message && !n->error) || n->error == -ENOTCONN)
		app_ask_for_release(k, n->region);
	if (r && n->error)
		end_registration(a, r, e, n->error, n->text);
	if (!r || n->error)
		return NULL;
	if (n->message->info.offset != r->offset || n->message->info.length != r->length ||
	    n->message->info.access != r->access) {
		end_registration(a, r, e, -EPIPE,
				 "the tenant's keeper made another region than was asked for");
		return another;
	}
	app_take_texts(e, &n->message->info);
	if (e->owner && app_add_client(a, r, e->owner) < 0)
		log_error("region %" PRIu64 ": no memory to note its holder, who will not be asked",
			  r->id);
	event = app_event_of_info(REGION_REGISTERED, &n->message->info);
	app_take_mode(a, r, e, &n->message->info);
	event.mode = (enum arbitration_mode)r->mode;
	app_step(a, r, &event);
	app_move_ended(e, 0, "");
	return NULL;
}

static const char *release_answered(struct app *a, struct proxy *k, const struct answer *n)
{
	const char *another;
	/* a claim that was dropped may have been another keeper's region */
	struct region *r = app_region_of(a, k, n->region, &another);

	if (n->error == -ETIMEDOUT && !n->message && r) {
		struct region_entry *e = region_table_find(a->table, n->region);

		/* that it is to be made anew elsewhere keeps nobody waiting who wants it to end */
		if (!app_move_is_late(e) || r->close_wanted)
			app_release_late(e, n->text);
	}
	if (!n->message)
		/* its answer is still to come, or the keeper is gone, and that ends it */
		return NULL;
	if (!r && proxy_note(k)->unknown)
		proxy_note(k)->unknown--;
	if (n->error && n->error != -ENOENT) {
		if (r) /* when it can be talked to again; whoever waits hears now that it is late */
			app_ask_for_release(k, n->region);
		return "it cannot release a region";
	}
	if (r && !app_move_released(a, r, region_table_find(a->table, n->region)))
		app_step_plain(a, r, REGION_RELEASED);
	return NULL;
}

static void export_answered(struct app *a, const struct answer *n)
{
	struct region *r = registry_find(a->registry, n->region);
	struct region_entry *e = region_table_find(a->table, n->region);
	struct region_view v;
	struct failure f;

	if (n->late)
		return; /* nobody was given it */
	if (!n->error && !r) {
		failure_set(&f, RDMAREG_ERROR_NO_SUCH_REGION,
			    "region %" PRIu64 " ended while its ticket was made", n->region);
		call_fail(n->context, &f);
	} else if (n->error) {
		failure_from_errno(&f, "making the ticket", n->error, n->text);
		call_fail(n->context, &f);
	} else {
		region_text_set(&e->text.ticket, n->message->ticket.text,
				sizeof(n->message->ticket.text));
		app_history_note_exported(a, r, e);
		call_reply_ticket(n->context, e->text.ticket ? e->text.ticket : "");
		app_view(a, r, &v);
		bus_tell_changed(a->bus, &v, BUS_CHANGED_TICKET);
	}
}

/*
 * While a keeper is replaced it may answer after it has let go of the region, which another one has
 * by then: what it has done there is of no use to anybody.
 */
static struct answer judge(const struct app *a, const struct proxy *k, const struct answer *n)
{
	const struct region *r = registry_find(a->registry, n->region);
	struct answer judged = *n;

	/* what is registered is asked for nothing else: so this one is being made anew */
	if (n->error || !r ||
	    (region_table_find(a->table, r->id)->keeper == k && r->state != REGION_REGISTERING))
		return judged;
	judged.error = -EBUSY;
	judged.text = APP_ANOTHER_KEEPER;
	return judged;
}

static const char *answered(void *userdata, struct proxy *k, const struct answer *n)
{
	struct app *a = userdata;
	const struct answer judged = judge(a, k, n);

	switch (n->type) {
	case KEEPER_REGISTER:
		return register_answered(a, k, n);
	case KEEPER_RELEASE:
		return release_answered(a, k, n);
	case KEEPER_PREFETCH:
		app_prefetch_answered(a, k, &judged);
		return NULL;
	case KEEPER_EXPORT:
		export_answered(a, &judged);
		return NULL;
	case KEEPER_DEMAND:
		/* by what takes blocks a former keeper's region is in nobody's way */
		if (!app_demand_answered(a, n))
			app_revoke_answered(a, &judged);
		return NULL;
	case KEEPER_SYNC:
		app_sync_answered(a, &judged);
		return NULL;
	case KEEPER_CONFIGURE:
		app_configure_answered(a, k, &judged);
		return NULL;
	case KEEPER_IMPORT:
		app_import_answered(a, &judged);
		return NULL;
	case KEEPER_CANCEL:
		app_replacement_answered(a, n);
		return NULL;
	case KEEPER_FILE:
		if (app_move_file_answered(a, n))
			return NULL;
		if (n->context)
			app_change_file_answered(a, &judged);
		else
			app_regate_answered(a, &judged);
		return NULL;
	default:
		if (n->error && n->message) /* consent that came too late, mostly */
			app_log(k, LOG_DEBUG, "region %" PRIu64 ": keeper %s: %s", n->region,
				proxy_name(k), strerror(-n->error));
		return NULL;
	}
}

static void progressed(void *userdata, enum keeper_type type, void *context,
		       const struct keeper_progress *p)
{
	if (type == KEEPER_PREFETCH)
		app_prefetch_progressed(userdata, context, p);
}

static void gone(void *userdata, struct proxy *k, const char *why)
{
	struct app *a = userdata;
	struct region_entry *e;
	uint32_t tenant;
	bool lost = false;

	app_keeper_left_moves(a, k);
	while ((e = LIST_FIRST(&proxy_note(k)->list))) {
		struct region *r = registry_find(a->registry, e->id);

		lost = lost || !r->close_wanted;
		app_note_end(r, e, END_LOST);
		if (e->end == END_LOST)
			text_shorten(e->end_text, sizeof(e->end_text), why);
		e->keeper_ended = true;
		app_step_plain(a, r, REGION_KEEPER_GONE);
	}
	metrics_add(a->metrics, METRIC_KEEPER_ENDS, lost, 0, 0, 0);
	/* one that nothing was asked of may have been the last of its tenant, too */
	if (registry_find_tenant(a->registry, proxy_uid(k), proxy_session(k), &tenant))
		app_drop_tenant(a, tenant);
	app_sweep_slices(a);
	app_set_status(a);
}

/* Whether it was created or not. */
static bool limits(void *userdata, uint32_t uid, const char *session, struct session_limits *ret)
{
	const struct tenant none = { .uid = uid }, *t = NULL;
	struct app *a = userdata;
	uint32_t at;

	if (registry_find_tenant(a->registry, uid, session, &at))
		t = registry_tenant(a->registry, at);
	app_session_limits(a, t ? t : &none, ret);
	return t && t->kind == TENANT_SESSION;
}

const struct pool_handlers app_keepers_handlers = {
	.limits = limits,
	.known = app_keeper_known,
	.opened = app_keeper_opened,
	.list_begins = app_list_begins,
	.listed = app_listed,
	.list_done = app_list_done,
	.told = told,
	.answered = answered,
	.progressed = progressed,
	.estranged = app_keeper_estranged,
	.gone = gone,
	.adopted = app_keepers_adopted,
};
