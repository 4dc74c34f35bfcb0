// SPDX-License-Identifier: GPL-2.0-or-later
/* guard-moves.c - see guard-moves.h. */
#include "core/guard-moves.h"

#include <assert.h>
#include <string.h>

/*
 * After the blocks were given back nobody tells us when the filesystem is done. XFS asks for leases
 * again and again until it finds none, so a lease taken too early is broken again: the wait doubles
 * each time, up to MAX_ROUNDS.
 */
#define WAIT_FIRST_USEC 10000u

/*
 * How long a fence takes takers in that come while it is closed; who comes later waits until the
 * region was open.
 */
#define CLOSED_USEC 100000u

/*
 * What holders have of the region between two fences, at least and at most, if it was closed for a
 * shorter or longer time.
 */
#define RESPITE_LEAST_USEC 20000u
#define RESPITE_MOST_USEC 1000000u

/*
 * A break so soon after a settled one is most likely the same operation, woken late: start with a
 * longer wait.
 */
#define SAME_BREAKER_USEC 1000000u

struct guard_effect *guard_emit(const struct guard *g, struct guard_effects *out,
				enum guard_effect_type type)
{
	/* more room than any step needs; the explorer checks it */
	struct guard_effect *f = &out->item[out->n++];

	assert(out->n <= GUARD_EFFECTS_MAX);
	*f = (struct guard_effect){ .type = type, .revocation = g->revocation };
	return f;
}

void guard_emit_timer(const struct guard *g, struct guard_effects *out, uint64_t at_usec)
{
	guard_emit(g, out, GUARD_SET_TIMER)->at_usec = at_usec;
}

static void emit_release(const struct guard *g, struct guard_effects *out)
{
	assert(guard_covers(g, g->break_start, g->break_end));
	guard_emit(g, out, GUARD_RELEASE)->break_id = g->break_id;
}

void guard_emit_given_back(struct guard *g, struct guard_effects *out, bool by_kernel)
{
	if (!g->owing)
		return;
	g->owing = false;
	guard_emit(g, out, GUARD_TELL_GIVEN_BACK)->by_kernel = by_kernel;
}

void guard_emit_settled(struct guard *g, struct guard_effects *out, uint64_t valid_length)
{
	enum revocation_outcome outcome =
		valid_length < g->valid_length ? OUTCOME_TRUNCATED : OUTCOME_RESTORED;

	g->valid_length = valid_length;
	guard_emit(g, out, GUARD_TELL_SETTLED)->outcome = outcome;
}

static void grant(struct guard *g, struct guard_effects *out, uint64_t now_usec)
{
	if (demands_grant(g, now_usec))
		guard_emit(g, out, GUARD_GRANT);
}

void guard_die(struct guard *g, struct guard_effects *out)
{
	g->state = GUARD_DEAD;
	g->watched = g->armed = g->holding = false;
	memset(g->demand, 0, sizeof(g->demand));
	guard_emit(
		g, out,
		GUARD_TEARDOWN); /* which answers every demand: nothing can be reached any more */
}

void guard_begin_close(struct guard *g, struct guard_effects *out)
{
	g->close_wanted = true;
	guard_emit_timer(g, out, 0);
	if (!guard_covers(g, 0, g->length)) {
		g->state = GUARD_CLOSING;
		g->ask_start = 0;
		g->ask_end = g->length;
		guard_emit(g, out, GUARD_FENCE);
	} else if (g->holding) {
		g->state = GUARD_CLOSING_RELEASE;
		emit_release(g, out);
	} else {
		guard_die(g, out);
	}
}

void guard_begin_fence(struct guard *g, struct guard_effects *out)
{
	g->state = GUARD_FENCING;
	guard_emit_timer(g, out, 0);
	guard_emit(g, out, GUARD_FENCE);
}

void guard_begin_refresh(struct guard *g, struct guard_effects *out)
{
	g->state = GUARD_REFRESHING;
	guard_emit(g, out, GUARD_REFRESH);
}

void guard_emit_asked_timer(const struct guard *g, struct guard_effects *out)
{
	uint64_t next = demands_next_end(g);

	guard_emit_timer(g, out, next && next < g->deadline_usec ? next : g->deadline_usec);
}

/* What somebody wants of the holders, and until when they have time for it. */
struct wish {
	uint64_t start;
	uint64_t end;
	uint64_t deadline_usec;
	enum revocation_cause cause;
};

/* All that either wants, by the earlier time, for whoever wants it by then. */
static struct wish both(struct wish a, struct wish b)
{
	if (b.start < a.start)
		a.start = b.start;
	if (b.end > a.end)
		a.end = b.end;
	if (b.deadline_usec < a.deadline_usec) {
		a.deadline_usec = b.deadline_usec;
		a.cause = b.cause;
	}
	return a;
}

static struct wish close_wish(const struct guard *g)
{
	return (struct wish){ 0, g->length, g->close_usec, g->close_cause };
}

static bool demands_wish(const struct guard *g, struct wish *ret)
{
	return demands_waiting(g, &ret->start, &ret->end, &ret->deadline_usec, &ret->cause);
}

/*
 * A new question to the holders. What was asked, or is fenced, before stays part of it: the range
 * only grows, and the deadline of a question that is still open only comes nearer.
 */
static void ask(struct guard *g, struct guard_effects *out, uint64_t now_usec, struct wish w)
{
	struct wish also;

	demands_recall(g, UINT64_MAX);
	/*
	 * demands that came while another step was under way are part of whatever is asked next,
	 * with their deadlines; so is an end
	 */
	if (demands_wish(g, &also))
		w = both(w, also);
	if (g->close_wanted)
		w = both(w, close_wish(g));
	if (g->state == GUARD_ASKED) {
		if (w.start >= g->ask_start && w.end <= g->ask_end &&
		    w.deadline_usec >= g->deadline_usec)
			return;
		w = both(w, (struct wish){ g->ask_start, g->ask_end, g->deadline_usec, w.cause });
	} else if (g->fenced) {
		w = both(w, (struct wish){ g->fence_start, g->fence_end, UINT64_MAX, w.cause });
	}
	g->revocation++;
	g->ask_start = w.start;
	g->ask_end = w.end;
	g->deadline_usec = w.deadline_usec;
	g->cause = w.cause;
	guard_emit(g, out, GUARD_ASK);
	if (w.deadline_usec <= now_usec) {
		guard_begin_fence(g, out);
	} else {
		g->state = GUARD_ASKED;
		guard_emit_asked_timer(g, out);
	}
}

bool guard_ask_for_demands(struct guard *g, struct guard_effects *out, uint64_t now_usec)
{
	struct wish w;

	if (!demands_wish(g, &w))
		return false;
	ask(g, out, now_usec, w);
	return true;
}

/* How long to wait before the file is watched again, or is opened after it was. */
static uint64_t wait_usec(const struct guard *g)
{
	return (uint64_t)WAIT_FIRST_USEC << g->round;
}

/* By when the break is to be served, or half of that. */
static uint64_t break_due(const struct guard *g, uint64_t now_usec, uint64_t grace_usec)
{
	return g->holding && g->break_began_usec && g->policy != POLICY_FOLLOW
		       ? guard_after(g->break_began_usec, grace_usec)
		       : now_usec;
}

void guard_ask_for_break(struct guard *g, struct guard_effects *out, uint64_t now_usec)
{
	g->broken = false;
	ask(g, out, now_usec,
	    (struct wish){ g->break_start, g->break_end, break_due(g, now_usec, g->grace_usec),
			   g->cause });
}

bool guard_take_demand(struct guard *g, const struct guard_event *e)
{
	bool late = g->fenced && !g->close_wanted && e->now_usec - g->closed_usec >= CLOSED_USEC &&
		    !guard_find_demand(g, e->demand);

	demands_add(g, e);
	return !late || !demands_put_off(g, e->demand, e->now_usec);
}

void guard_emit_rest_timer(struct guard *g, struct guard_effects *out, uint64_t now_usec)
{
	uint64_t at = demands_hold(g) ? demands_next_end(g) : g->rest_usec,
		 next = demands_next_ask(g);

	if (!demands_hold(g) &&
	    demands_any_put_off(g)) /* no need to look for long who comes back: somebody is there */
		g->rest_usec = at =
			at < now_usec + WAIT_FIRST_USEC ? at : now_usec + WAIT_FIRST_USEC;
	if (next != UINT64_MAX && (!at || next < at))
		at = next;
	guard_emit_timer(g, out, at);
}

static void rest(struct guard *g, struct guard_effects *out, enum guard_state state,
		 uint64_t now_usec)
{
	g->state = state;
	g->rest_usec = guard_after(now_usec, wait_usec(g));
	guard_emit_rest_timer(g, out, now_usec);
}

void guard_begin_probation(struct guard *g, struct guard_effects *out, uint64_t now_usec)
{
	/*
	 * not watched any more: the breaker may still be at work, so wait as long as a lease would
	 * have had
	 */
	rest(g, out, g->armed ? GUARD_PROBATION : GUARD_WAITING, now_usec);
}

void guard_begin_respite(struct guard *g, uint64_t now_usec)
{
	uint64_t usec = g->fenced ? now_usec - g->closed_usec : RESPITE_LEAST_USEC;

	usec = usec > RESPITE_LEAST_USEC ? usec : RESPITE_LEAST_USEC;
	usec = usec < RESPITE_MOST_USEC ? usec : RESPITE_MOST_USEC;
	g->respite_usec = now_usec + usec;
	demands_recall(g, UINT64_MAX);
}

void guard_want(struct guard *g, struct guard_effects *out, uint64_t now_usec)
{
	uint64_t at = g->respite_usec, demanded = demands_next_ask(g), due;

	if (g->close_wanted) { /* which puts off nothing */
		if (g->owing)
			guard_open_broken(g, now_usec, out);
		else
			guard_ask_for_close(g, out, now_usec);
		return;
	}
	if (!g->owing && demanded == UINT64_MAX) {
		if (g->state == GUARD_PUT_OFF)
			guard_emit_timer(g, out, 0);
		g->state = GUARD_OPEN;
		return;
	}
	at = demanded < at ? demanded : at;
	if (g->owing) {
		due = break_due(g, now_usec, g->grace_usec / 2);
		at = due < at ? due : at;
	}
	if (at > now_usec) {
		g->state = GUARD_PUT_OFF;
		guard_emit_timer(g, out, at);
	} else if (g->owing) {
		guard_open_broken(g, now_usec, out);
	} else {
		guard_ask_for_demands(g, out, now_usec);
	}
}

void guard_go_on(struct guard *g, struct guard_effects *out, uint64_t now_usec)
{
	demands_recall(g, now_usec);
	grant(g, out, now_usec);
	if (g->broken && guard_covers(g, g->break_start, g->break_end))
		g->broken = false;
	if (guard_close_is_due(g, now_usec)) {
		guard_begin_close(g, out);
	} else if ((g->broken || g->holding) && !guard_covers(g, g->break_start, g->break_end)) {
		guard_ask_for_break(g, out, now_usec);
	} else if (g->holding) {
		g->state = GUARD_RELEASING;
		guard_emit_timer(g, out, 0);
		emit_release(g, out);
	} else if (g->close_wanted) {
		guard_ask_for_close(g, out, now_usec);
	} else if (guard_ask_for_demands(g, out, now_usec)) {
		;
	} else if (demands_hold(g) || (g->watched && !g->armed)) {
		rest(g, out, GUARD_WAITING, now_usec);
	} else {
		guard_emit_timer(g, out, 0);
		guard_begin_refresh(g, out);
	}
}

bool guard_is_new_break(const struct guard *g, const struct guard_event *e)
{
	return e->break_id > g->break_id;
}

void guard_note_break(struct guard *g, const struct guard_event *e)
{
	g->break_id = e->break_id;
	g->break_start = e->start;
	g->break_end = e->end;
	g->break_began_usec = e->hurried ? 0 : e->now_usec;
	g->cause = e->cause;
	g->holding = e->type == GUARD_BROKEN;
	g->owing = true;
	g->armed = false;
}

void guard_take_break(struct guard *g, const struct guard_event *e)
{
	if (!guard_is_new_break(g, e)) {
		if (e->type == GUARD_EXPIRED && e->break_id == g->break_id)
			g->holding = false;
		return;
	}
	guard_note_break(g, e);
	g->broken = true;
}

bool guard_hurry(struct guard *g, const struct guard_event *e)
{
	if (!g->holding || e->break_id != g->break_id)
		return false;
	g->break_began_usec = 0;
	return true;
}

void guard_open_broken(struct guard *g, uint64_t now_usec, struct guard_effects *out)
{
	bool same = g->settled_usec && now_usec - g->settled_usec < SAME_BREAKER_USEC;

	g->round = same && g->round < MAX_ROUNDS - 1 ? (uint8_t)(g->round + 1) : 0;
	guard_ask_for_break(g, out, now_usec);
}

void guard_again_broken(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	enum revocation_cause cause = g->cause;

	guard_note_break(g, e);
	if (g->round < MAX_ROUNDS)
		g->round++;
	if (guard_covers(g, e->start, e->end)) {
		g->cause = cause; /* of the question that was asked */
		if (!g->holding)
			guard_emit_given_back(g, out, true);
		guard_go_on(g, out, e->now_usec);
	} else {
		guard_ask_for_break(g, out, e->now_usec);
	}
}

void guard_want_close(struct guard *g, const struct guard_event *e)
{
	uint64_t until_usec = guard_after(e->now_usec, e->grace_usec);

	if (g->close_wanted && g->close_usec <= until_usec)
		return;
	g->close_wanted = true;
	g->close_usec = until_usec;
	g->close_cause = e->cause;
}

bool guard_close_is_due(const struct guard *g, uint64_t now_usec)
{
	return g->close_wanted && (g->close_usec <= now_usec || guard_covers(g, 0, g->length));
}

void guard_ask_for_close(struct guard *g, struct guard_effects *out, uint64_t now_usec)
{
	ask(g, out, now_usec, close_wish(g));
}

void guard_close_kindly(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	guard_want_close(g, e);
	if (guard_close_is_due(g, e->now_usec))
		guard_begin_close(g, out);
	else if (g->owing) /* a break that was put off, or asked for, keeps its own deadline */
		guard_ask_for_break(g, out, e->now_usec);
	else
		guard_ask_for_close(g, out, e->now_usec);
}
