// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-effects.c - the one place where a region takes a step, and where what the core wants done is
 * done.
 *
 * Effects are carried out in order, by calls that report nothing back at once: the bus queues, a
 * keeper's loss comes from the loop. So no step begins while another one's effects are carried out.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "arbiter/app-internal.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/probe.h"

/* Operations under way beside which a keeper gets no consent any more. */
#define CONSENTS_MAX 4096

void app_keeper_end_if_unwanted(struct app *a, struct proxy *k)
{
	struct region_entry *e;

	if (!proxy_note(k)->from_record || !proxy_is_foreign(k) || LIST_EMPTY(&proxy_note(k)->list))
		return;
	LIST_FOREACH(e, &proxy_note(k)->list, of_keeper)
		if (!registry_find(a->registry, e->id)->close_wanted)
			return;
	proxy_end(k);
}

/* A request that nobody waits for in person. */
static void ask_keeper(struct app *a, struct region_entry *e, enum keeper_type type,
		       const struct region_effect *f)
{
	struct keeper_message m = { .type = type, .region = e->id };
	int r;

	if (type == KEEPER_CONSENT) {
		/*
		 * one that answers nothing is not asked without end for what it tells: its deadline
		 * stands in
		 */
		if (proxy_asked(e->keeper) >= CONSENTS_MAX)
			return;
		m.revocation.revocation = f->revocation;
	} else {
		m.demand.cause = f->cause;
		m.demand.grace_usec = f->grace_usec;
	}
	r = proxy_request(e->keeper, &m, -1, f->grace_usec / USEC_PER_MSEC, NULL);
	/*
	 * consent lost: the keeper's deadline stands in. Release lost: the region stays closing
	 * until the keeper ends.
	 */
	if (r < 0)
		log_error("region %" PRIu64 ": keeper %s cannot be asked: %s", e->id,
			  proxy_name(e->keeper), strerror(-r));
	if (type == KEEPER_RELEASE)
		app_keeper_end_if_unwanted(a, e->keeper);
}

static void reply_register(struct app *a, struct region_entry *e, const struct region_view *v,
			   int error)
{
	struct failure f;

	if (!e->registering)
		return;
	if (!error && !app_standing_registered(a, e, e->registering)) {
		call_reply_region(e->registering, v);
	} else if (error) {
		failure_from_errno(&f, "registering the region", error, "");
		call_fail(e->registering, &f);
	}
	e->registering = NULL;
}

static void reply_release(struct region_entry *e)
{
	struct waiting w;

	while (region_entry_next_release(e, &w)) {
		if (w.call)
			call_reply(w.call);
		else if (w.eviction)
			app_eviction_step(w.eviction, false);
		else if (e->keeper_ended)
			app_ending_step(w.ending, e->id, SESSION_GONE,
					"its keeper ended meanwhile, and the region with it");
		else
			app_ending_step(w.ending, e->id, SESSION_RELEASED, "released");
	}
}

void app_release_late(struct region_entry *e, const char *text)
{
	const struct waiting *waits;
	struct waiting w;
	struct failure f;

	e->late_release = true;
	failure_set(
		&f, RDMAREG_ERROR_TIMEOUT,
		"region %" PRIu64
		" is not released yet; it is gone once its keeper has answered, or has ended: %s",
		e->id, text);
	SLIST_FOREACH(waits, &e->releasing, waiting)
		if (waits->ending)
			app_ending_note(waits->ending, e->id, text);
	while (region_entry_next_impatient(e, &w)) {
		if (w.call)
			call_fail(w.call, &f);
		else
			app_eviction_step(w.eviction, true);
	}
}

static void remove_region(struct app *a, struct region *r, struct region_entry *e,
			  const struct region_view *v)
{
	uint32_t tenant = r->tenant;
	struct failure ended;

	failure_from_errno(&ended, "configuring the region", -ENOENT, "");
	app_refuse_changes(e, &ended);
	app_ungate(a, r, e);
	app_forget_look(a, e);
	app_forget_terms(a, e);
	app_end_revokes(a, r->id);
	app_forget_record(e);
	app_move_dropped(a, e);
	app_standing_ended(a, e);
	reply_release(e);
	if (e->announced) {
		bus_tell_removed(a->bus, v, (enum region_end)e->end, e->end_text);
		app_log(e->keeper, LOG_INFO, "region %" PRIu64 ": removed: %s", r->id,
			region_end_names[e->end]);
		proxy_note(e->keeper)->regions--;
		proxy_note(e->keeper)->bytes -= r->length;
	}
	news_take(&e->news); /* what was not told of it is not told any more */
	proxy_note(e->keeper)->peers -= r->peers;
	app_history_end(a, e);
	region_table_remove(a->table, e);
	registry_remove_region(a->registry, r);
	app_session_lost_region(a, tenant);
	app_set_status(a);
}

static void announce(struct app *a, struct region_entry *e, const struct region_view *v)
{
	e->announced = true;
	proxy_note(e->keeper)->regions++;
	proxy_note(e->keeper)->bytes += v->region->length;
	bus_tell_added(a->bus, v);
	app_log(e->keeper, LOG_INFO,
		"region %" PRIu64 ": %s of uid %" PRIu32 " session %s: %s, %" PRIu64
		" bytes of %s at %" PRIu64 ", %s",
		e->id, e->text.detached ? "detached region" : "region", v->tenant->uid,
		v->tenant->session, v->region->access == ACCESS_READ_WRITE ? "rw" : "r",
		v->region->length, e->text.path ? e->text.path : "a file", v->region->offset,
		e->text.mode_reason ? e->text.mode_reason : "?");
	app_set_status(a);
}

/* False: the region is gone. */
static bool carry_out(struct app *a, struct region *r, struct region_entry *e,
		      const struct region_effect *f)
{
	struct region_view v;

	app_view(a, r, &v);
	switch (f->type) {
	case REGION_REPLY_REGISTER:
		reply_register(a, e, &v, f->error);
		break;
	case REGION_REPLY_RELEASE:
		app_forget_record(
			/* first: the next daemon would bring back what somebody heard is gone */
			e);
		if (!e->standing) /* else remove_region() answers: a record has to go, too */
			reply_release(e);
		break;
	case REGION_SEND_RELEASE:
		ask_keeper(a, e, KEEPER_RELEASE, f);
		break;
	case REGION_SEND_CONSENT:
		ask_keeper(a, e, KEEPER_CONSENT, f);
		break;
	case REGION_ASK_CLIENTS:
		bus_tell_asked(a->bus, &v);
		break;
	case REGION_TELL_SETTLED:
		bus_tell_settled(a->bus, &v, f->revocation, f->outcome);
		app_end_revokes(a, r->id);
		break;
	case REGION_PUBLISH:
		bus_tell_changed(a->bus, &v, f->changed);
		break;
	case REGION_TELL_ADDED:
		announce(a, e, &v);
		break;
	case REGION_REMOVE:
		remove_region(a, r, e, &v);
		return false;
	case _REGION_EFFECT_MAX:
		break;
	}
	return true;
}

/* Its end is wanted from now on, whatever its keeper is at: it refuses nothing any more. */
static void stop_refusing(struct app *a, struct region *r, struct region_entry *e)
{
	if (e->announced)
		app_mode_changed(a, r, e);
	else
		app_work_out_mode(a, r, e);
}

void app_step_of(struct app *a, struct region *r, const struct region_event *e, struct of_holder of)
{
	struct region_entry *entry = region_table_find(a->table, r->id);
	struct history_moment before;
	struct region_effects effects;
	bool was_wanted = r->close_wanted;
	uint8_t was = r->state;

	app_measure_event(a, r, entry, e);
	app_history_look(a, r, entry, e, &before);
	region_step(a->registry, r, e, &effects);
	PROBE(region__step, r->id, e->type, was, r->state, r->revocation);
	app_history_note(a, r, entry, e, of, &before, &effects);
	app_measure_effects(a, r, entry, &effects);
	if (r->close_wanted && !was_wanted && r->policy == POLICY_HOLD)
		stop_refusing(a, r, entry);
	for (size_t i = 0; i < effects.n; i++)
		if (!carry_out(a, r, entry, &effects.item[i]))
			return;
	app_measure(a, r, entry);
	if (e->type == REGION_RELEASE_WANTED && app_move_awaits(entry))
		app_step_plain(a, r, REGION_RELEASED); /* nobody has it */
}

void app_step(struct app *a, struct region *r, const struct region_event *e)
{
	app_step_of(a, r, e, (struct of_holder){ 0 });
}

void app_step_plain(struct app *a, struct region *r, enum region_event_type type)
{
	const struct region_event e = { .type = type, .now_usec = now_monotonic_usec() };

	app_step(a, r, &e);
}

void app_want_release(struct app *a, struct region *r, enum region_end why, struct client *by,
		      uint64_t grace_usec)
{
	const struct region_event event = { .type = REGION_RELEASE_WANTED,
					    .cause = CAUSE_RELEASE,
					    .grace_usec = grace_usec,
					    .now_usec = now_monotonic_usec() };
	struct region_entry *e = region_table_find(a->table, r->id);

	app_note_end(r, e, why);
	if (!r->close_wanted || grace_usec != UINT64_MAX)
		app_note_caller(e, by);
	app_step(a, r, &event);
}
