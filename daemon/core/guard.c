// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * guard.c - the safety of one region: see guard.h for the states and for what always holds.
 *
 * One function per state takes the events that mean something there; everything else falls through
 * and changes nothing, which is how stale completions and late consents are harmless. Demands are
 * noted in every state and answered where nothing else is under way (guard_go_on()).
 */
#include "core/guard.h"

#include <assert.h>
#include <errno.h>

#include "core/guard-demands.h"
#include "core/guard-moves.h"

static void step_open(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_BROKEN:
	case GUARD_EXPIRED:
		if (!guard_is_new_break(g, e))
			break;
		guard_note_break(g, e);
		guard_want(g, out, e->now_usec);
		break;
	case GUARD_DEMANDED:
		demands_add(g, e);
		guard_want(g, out, e->now_usec);
		break;
	case GUARD_CLOSE:
		guard_close_kindly(g, e, out);
		break;
	default:
		break;
	}
}

static void step_put_off(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_TIMER_FIRED:
		guard_want(g, out, e->now_usec);
		break;
	case GUARD_EXPIRED:
		if (e->break_id == g->break_id && g->holding) {
			g->holding = false;
			guard_want(g, out, e->now_usec);
			break;
		}
		step_open(g, e, out);
		break;
	case GUARD_HURRIED:
		if (guard_hurry(g, e))
			guard_want(g, out, e->now_usec);
		break;
	case GUARD_DEMAND_OVER:
		if (demands_remove(g, e->demand))
			guard_want(g, out, e->now_usec);
		break;
	default:
		step_open(g, e, out);
		break;
	}
}

static void step_asked(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	const struct guard_demand *over = guard_find_demand(g, e->demand);
	bool timed = over && over->ends_usec, expired;

	switch (e->type) {
	case GUARD_CONSENTED:
		if (e->revocation == g->revocation)
			guard_begin_fence(g, out);
		break;
	case GUARD_TIMER_FIRED:
		/* a timer of an earlier state may still be under way */
		expired = demands_expire(g, e->now_usec);
		if (e->now_usec >= g->deadline_usec)
			guard_begin_fence(g, out);
		else if (expired)
			guard_emit_asked_timer(g, out);
		break;
	case GUARD_BROKEN:
	case GUARD_EXPIRED:
		if (guard_is_new_break(g, e)) {
			guard_note_break(g, e);
			guard_ask_for_break(g, out, e->now_usec);
		} else if (e->type == GUARD_EXPIRED && e->break_id == g->break_id && g->holding) {
			g->holding = false;
			guard_begin_fence(g, out);
		}
		break;
	case GUARD_HURRIED:
		if (guard_hurry(g, e))
			guard_ask_for_break(g, out, e->now_usec);
		break;
	case GUARD_DEMANDED:
		demands_add(g, e);
		guard_ask_for_demands(g, out, e->now_usec);
		break;
	case GUARD_DEMAND_OVER:
		if (!demands_remove(g, e->demand))
			break;
		/* nobody wants anything any more: no need to fence */
		if (!demands_any(g) && !g->owing && !g->close_wanted)
			guard_go_on(g, out, e->now_usec);
		else if (timed)
			guard_emit_asked_timer(
				g, out); /* it may have been set for the end of this one */
		break;
	case GUARD_CLOSE:
		guard_close_kindly(
			g, e, out); /* wanted once more: whoever leaves holders less time counts */
		break;
	default:
		break;
	}
}

/* False: it failed, and the memory region itself is taken away instead. */
static bool take_fence(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	if (e->error) {
		g->state = GUARD_DESTROYING;
		guard_emit(g, out, GUARD_DESTROY);
		return false;
	}
	if (!g->fenced)
		g->closed_usec = e->now_usec;
	if (e->start < e->end && (e->start < g->ask_start || e->end > g->ask_end)) {
		/*
		 * more than anybody was asked for: a question of its own, whose time is over, so
		 * that holders know what not to touch
		 */
		g->ask_start = e->start < g->ask_start ? e->start : g->ask_start;
		g->ask_end = e->end > g->ask_end ? e->end : g->ask_end;
		g->deadline_usec = e->now_usec;
		g->revocation++;
		guard_emit(g, out, GUARD_ASK);
	}
	g->fenced = true;
	g->fence_start = g->ask_start;
	g->fence_end = g->ask_end;
	return true;
}

static void step_fencing(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	if (e->type != GUARD_FENCE_DONE || !take_fence(g, e, out))
		return;
	guard_emit(g, out, GUARD_TELL_FENCED);
	if (!g->holding)
		guard_emit_given_back(g, out, true);
	guard_go_on(g, out, e->now_usec);
}

static void step_releasing(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	if (e->type != GUARD_RELEASE_DONE)
		return;
	/*
	 * an error means that the kernel was faster; either way nobody waits for these blocks any
	 * more
	 */
	g->holding = false;
	guard_emit_given_back(g, out, e->error != 0);
	guard_go_on(g, out, e->now_usec);
}

/* Fenced and at rest, until a timer fires. */
static void step_fenced(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_DEMANDED:
		if (guard_take_demand(g, e))
			guard_go_on(g, out, e->now_usec);
		else
			guard_emit_rest_timer(g, out, e->now_usec);
		break;
	case GUARD_BROKEN:
	case GUARD_EXPIRED:
		if (guard_is_new_break(g, e))
			guard_again_broken(g, e, out);
		break;
	case GUARD_CLOSE:
		guard_close_kindly(g, e, out);
		break;
	default:
		break;
	}
}

static void step_waiting(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	const struct guard_demand *over = guard_find_demand(g, e->demand);
	bool put_off = over && over->put_off, held = demands_hold(g);

	switch (e->type) {
	case GUARD_TIMER_FIRED:
		if (demands_hold(g) || demands_recall(g, e->now_usec)) {
			demands_expire(g, e->now_usec);
			guard_go_on(g, out, e->now_usec);
		} else if (g->watched) {
			g->state = GUARD_ARMING;
			guard_emit(g, out, GUARD_ARM);
		} else {
			guard_begin_refresh(g, out);
		}
		break;
	case GUARD_DEMAND_OVER:
		/* else the timer runs for something else */
		demands_remove(g, e->demand);
		if (held && !put_off)
			guard_go_on(g, out, e->now_usec);
		break;
	default:
		step_fenced(g, e, out);
		break;
	}
}

static void step_arming(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	if (e->type != GUARD_ARM_DONE)
		return;
	if (e->error && (e->error != -EAGAIN || g->round == MAX_ROUNDS))
		g->watched = false;
	else if (e->error)
		g->round++;
	g->armed = !e->error &&
		   !g->broken; /* it may be broken again before we hear that it was armed */
	demands_recall(g, e->now_usec);
	if (g->close_wanted || demands_hold(g) || (!g->armed && (g->watched || g->holding))) {
		guard_go_on(g, out, e->now_usec);
		return;
	}
	/* whoever comes next has to ask again */
	if (g->armed && (g->round == MAX_ROUNDS || demands_any_put_off(g)))
		guard_begin_refresh(g, out);
	else
		guard_begin_probation(g, out, e->now_usec);
}

static void step_probation(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_TIMER_FIRED:
		guard_begin_refresh(g, out);
		break;
	case GUARD_DEMAND_OVER:
		demands_remove(g, e->demand);
		break;
	default:
		step_fenced(g, e, out);
		break;
	}
}

static void step_refreshing(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	if (e->type != GUARD_REFRESH_DONE)
		return;
	if (e->error) { /* the adapter leaves the fence up when it fails */
		guard_begin_close(g, out);
		return;
	}
	guard_begin_respite(g, e->now_usec);
	g->fenced = false;
	if (guard_close_is_due(g, e->now_usec)) {
		guard_begin_close(g, out);
		return;
	}
	g->settled_usec = e->now_usec;
	guard_emit_settled(g, out, e->valid_length);
	guard_want(g, out, e->now_usec); /* what came meanwhile */
}

static void step_closing(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	if (e->type == GUARD_FENCE_DONE && take_fence(g, e, out))
		guard_begin_close(g, out);
}

static void step_destroying(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	if (e->type != GUARD_DESTROY_DONE)
		return;
	g->fenced = true;
	g->fence_start = 0;
	g->fence_end = g->length;
	guard_begin_close(g, out);
}

static void step_closing_release(struct guard *g, const struct guard_event *e,
				 struct guard_effects *out)
{
	/* whatever it says: removing the watch, part of the teardown, gives back anything newer */
	if (e->type == GUARD_RELEASE_DONE)
		guard_die(g, out);
}

/*
 * Something is under way: what is wanted meanwhile is only noted, and guard_go_on() comes back to
 * it. While the region ends nothing counts any more but that breakers get what they wait for.
 */
static void note(struct guard *g, const struct guard_event *e)
{
	bool ending = g->state == GUARD_CLOSING || g->state == GUARD_DESTROYING;

	switch (e->type) {
	case GUARD_BROKEN:
	case GUARD_EXPIRED:
		if (g->state != GUARD_RELEASING)
			guard_take_break(g, e);
		break;
	case GUARD_HURRIED:
		guard_hurry(g, e);
		break;
	case GUARD_DEMANDED:
		if (!ending)
			guard_take_demand(g, e);
		break;
	case GUARD_DEMAND_OVER:
		if (!ending)
			demands_remove(g, e->demand);
		break;
	case GUARD_CLOSE:
		if (!ending)
			guard_want_close(g, e);
		break;
	default:
		break;
	}
}

/* What guard.h says that always holds, and what the states say of themselves. */
static void assert_sound(const struct guard *g)
{
	(void)g;
	assert(g->state < _GUARD_STATE_MAX);
	assert(g->length && g->ask_end <= g->length && g->fence_end <= g->length);
	assert(!g->armed || g->watched);
	assert(!g->holding || g->owing);
	assert(!guard_is_open(g) || !g->fenced);
	assert(g->state != GUARD_OPEN || (!g->owing && !g->close_wanted && !demands_any(g)));
	assert(g->state != GUARD_RELEASING ||
	       (g->holding && guard_covers(g, g->break_start, g->break_end)));
	assert(g->state != GUARD_CLOSING_RELEASE || (g->holding && guard_covers(g, 0, g->length)));
	assert(g->state != GUARD_DEAD || (!g->armed && !g->holding && !demands_any(g)));
	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++)
		assert(!g->demand[i].granted ||
		       guard_covers(g, g->demand[i].start, g->demand[i].end));
}

/* What guard.h says of an event. */
static void assert_possible(const struct guard *g, const struct guard_event *e)
{
	bool ends = g->state == GUARD_DESTROYING || g->state >= GUARD_CLOSING;

	(void)g, (void)e, (void)ends;
	if (e->type == GUARD_BROKEN || e->type == GUARD_EXPIRED || e->type == GUARD_DEMANDED)
		assert(e->start <= e->end && e->end <= g->length);
	if (e->type == GUARD_DEMANDED)
		assert(e->demand &&
		       (ends || guard_takes_demand(g) || guard_find_demand(g, e->demand)));
}

void guard_init(struct guard *g, enum region_policy policy, uint64_t grace_usec, uint64_t length,
		uint64_t valid_length, bool watched)
{
	assert(policy < _REGION_POLICY_MAX && length && valid_length <= length);
	*g = (struct guard){
		.state = GUARD_OPEN,
		.policy = policy,
		.grace_usec = grace_usec,
		.length = length,
		.valid_length = valid_length,
		.watched = watched,
		.armed = watched,
	};
}

void guard_watched(struct guard *g)
{
	assert(g->state == GUARD_OPEN && !g->watched && !g->armed);
	g->watched = g->armed = true;
}

void guard_step(struct guard *g, const struct guard_event *e, struct guard_effects *ret_effects)
{
	static void (*const step[_GUARD_STATE_MAX])(struct guard *, const struct guard_event *,
						    struct guard_effects *) = {
		[GUARD_OPEN] = step_open,
		[GUARD_PUT_OFF] = step_put_off,
		[GUARD_ASKED] = step_asked,
		[GUARD_FENCING] = step_fencing,
		[GUARD_RELEASING] = step_releasing,
		[GUARD_WAITING] = step_waiting,
		[GUARD_ARMING] = step_arming,
		[GUARD_PROBATION] = step_probation,
		[GUARD_REFRESHING] = step_refreshing,
		[GUARD_DESTROYING] = step_destroying,
		[GUARD_CLOSING] = step_closing,
		[GUARD_CLOSING_RELEASE] = step_closing_release,
	};
	static const bool under_way[_GUARD_STATE_MAX] = {
		[GUARD_FENCING] = true,	   [GUARD_RELEASING] = true, [GUARD_ARMING] = true,
		[GUARD_REFRESHING] = true, [GUARD_CLOSING] = true,   [GUARD_DESTROYING] = true,
	};

	assert_sound(g);
	assert_possible(g, e);
	ret_effects->n = 0;
	if (under_way[g->state])
		note(g, e);
	if (step[g->state])
		step[g->state](g, e, ret_effects);
}
