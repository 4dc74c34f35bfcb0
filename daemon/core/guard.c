// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * guard.c - the safety of one region: see guard.h for the states and for what always holds.
 *
 * One function per state takes the events that mean something there; everything else falls through and changes nothing,
 * which is how stale completions and late consents are harmless.
 */
#include "core/guard.h"

#include <errno.h>
#include <string.h>

/*
 * After the blocks were given back nobody tells us when the filesystem is done. XFS asks for leases again and again until it
 * finds none, so a lease taken too early is broken again: the wait doubles each time. A breaker that never stops must not keep
 * peers out for ever: after MAX_ROUNDS the region opens again and the next break is a new revocation with a new grace.
 */
#define WAIT_FIRST_USEC 10000u
#define MAX_ROUNDS 5

/* A break so soon after a settled one is most likely the same operation, woken late: start with a longer wait. */
#define SAME_BREAKER_USEC 1000000u

static struct guard_effect *emit(const struct guard *g, struct guard_effects *out,
				 enum guard_effect_type type)
{
	/* more room than any step needs; the explorer checks it */
	struct guard_effect *f = &out->item[out->n < GUARD_EFFECTS_MAX ? out->n++ : GUARD_EFFECTS_MAX - 1];

	*f = (struct guard_effect){ .type = type, .revocation = g->revocation };
	return f;
}

static void emit_timer(const struct guard *g, struct guard_effects *out, uint64_t at_usec)
{
	emit(g, out, GUARD_SET_TIMER)->at_usec = at_usec;
}

static void emit_release(const struct guard *g, struct guard_effects *out)
{
	emit(g, out, GUARD_RELEASE)->break_id = g->break_id;
}

static void emit_given_back(const struct guard *g, struct guard_effects *out, bool by_kernel)
{
	emit(g, out, GUARD_TELL_GIVEN_BACK)->by_kernel = by_kernel;
}

/* @valid_length is taken over first: whoever carries the effect out reads it there. */
static void emit_settled(struct guard *g, struct guard_effects *out, uint64_t valid_length)
{
	enum revocation_outcome outcome =
		valid_length < g->valid_length ? OUTCOME_TRUNCATED : OUTCOME_RESTORED;

	g->valid_length = valid_length;
	emit(g, out, GUARD_TELL_SETTLED)->outcome = outcome;
}

static void die(struct guard *g, struct guard_effects *out)
{
	g->state = GUARD_DEAD;
	g->watched = false;
	g->fenced = true;
	g->holding = false;
	emit(g, out, GUARD_TEARDOWN);
}

static void begin_close(struct guard *g, struct guard_effects *out)
{
	emit_timer(g, out, 0);
	if (!g->fenced) {
		g->state = GUARD_CLOSING;
		emit(g, out, GUARD_FENCE);
	} else if (g->holding) {
		g->state = GUARD_CLOSING_RELEASE;
		emit_release(g, out);
	} else {
		die(g, out);
	}
}

static uint64_t wait_usec(const struct guard *g)
{
	return (uint64_t)WAIT_FIRST_USEC << g->round;
}

static void begin_wait(struct guard *g, struct guard_effects *out, uint64_t now_usec)
{
	g->state = GUARD_WAITING;
	emit_timer(g, out, now_usec + wait_usec(g));
}

static void begin_fence(struct guard *g, struct guard_effects *out)
{
	g->state = GUARD_FENCING;
	emit_timer(g, out, 0);
	emit(g, out, GUARD_FENCE);
}

/* The region is unreachable: give back what somebody waits for, or go on. */
static void begin_release(struct guard *g, struct guard_effects *out, uint64_t now_usec)
{
	if (g->holding) {
		g->state = GUARD_RELEASING;
		emit_release(g, out);
	} else {
		begin_wait(g, out, now_usec);
	}
}

/* The kernel numbers breaks upwards: anything else is a late word about one that is over. */
static bool is_new_break(const struct guard *g, const struct guard_event *e)
{
	return e->break_id > g->break_id;
}

/* Something else is under way: remember it for when that is done. */
static void take_break(struct guard *g, const struct guard_event *e)
{
	if (!is_new_break(g, e)) {
		if (e->type == GUARD_EXPIRED && e->break_id == g->break_id)
			g->holding = false;
		return;
	}
	g->break_id = e->break_id;
	g->cause = e->cause;
	g->holding = e->type == GUARD_BROKEN;
	g->broken = true;
}

/* A new break, with the region open. */
static void open_broken(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	bool same = g->settled_usec && e->now_usec - g->settled_usec < SAME_BREAKER_USEC;

	g->round = same && g->round < MAX_ROUNDS - 1 ? (uint8_t)(g->round + 1) : 0;
	g->revocation++;
	g->break_id = e->break_id;
	g->cause = e->cause;
	g->holding = e->type == GUARD_BROKEN;
	g->broken = false;
	g->deadline_usec = e->now_usec + (g->policy == POLICY_FOLLOW ? 0 : g->grace_usec);
	emit(g, out, GUARD_ASK);
	if (g->policy == POLICY_FOLLOW || !g->holding) {
		begin_fence(g, out);
	} else {
		g->state = GUARD_ASKED;
		emit_timer(g, out, g->deadline_usec);
	}
}

/* The breaker came back, or another one came, while the region is still fenced: let it through at once. */
static void again_broken(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	g->break_id = e->break_id;
	g->holding = e->type == GUARD_BROKEN;
	if (g->round < MAX_ROUNDS)
		g->round++;
	emit_timer(g, out, 0);
	begin_release(g, out, e->now_usec);
}

static void begin_refresh(struct guard *g, struct guard_effects *out)
{
	g->state = GUARD_REFRESHING;
	emit(g, out, GUARD_REFRESH);
}

static void step_open(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_BROKEN:
	case GUARD_EXPIRED:
		if (is_new_break(g, e))
			open_broken(g, e, out);
		break;
	case GUARD_CLOSE:
		begin_close(g, out);
		break;
	default:
		break;
	}
}

static void step_asked(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_CONSENTED:
		if (e->revocation == g->revocation)
			begin_fence(g, out);
		break;
	case GUARD_TIMER_FIRED:
		/* a timer of an earlier state may still be under way */
		if (e->now_usec >= g->deadline_usec)
			begin_fence(g, out);
		break;
	case GUARD_EXPIRED:
		if (e->break_id == g->break_id) {
			g->holding = false;
			begin_fence(g, out);
		}
		break;
	case GUARD_CLOSE:
		begin_close(g, out);
		break;
	default:
		break;
	}
}

static void step_fencing(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_FENCE_DONE:
		if (e->error) {
			g->state = GUARD_DESTROYING;
			emit(g, out, GUARD_DESTROY);
			break;
		}
		g->fenced = true;
		emit(g, out, GUARD_TELL_FENCED);
		if (g->close_wanted) {
			begin_close(g, out);
			break;
		}
		if (!g->holding)
			emit_given_back(g, out, true);
		begin_release(g, out, e->now_usec);
		break;
	case GUARD_EXPIRED:
		take_break(g, e);
		break;
	case GUARD_CLOSE:
		g->close_wanted = true;
		break;
	default:
		break;
	}
}

static void step_releasing(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_RELEASE_DONE:
		/* an error means that the kernel was faster; either way nobody waits for these blocks any more */
		g->holding = false;
		emit_given_back(g, out, e->error != 0);
		if (g->close_wanted)
			begin_close(g, out);
		else
			begin_wait(g, out, e->now_usec);
		break;
	case GUARD_CLOSE:
		g->close_wanted = true;
		break;
	default:
		break;
	}
}

static void step_waiting(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_TIMER_FIRED:
		if (g->watched) {
			g->state = GUARD_ARMING;
			g->broken = false;
			emit(g, out, GUARD_ARM);
		} else {
			begin_refresh(g, out);
		}
		break;
	case GUARD_BROKEN:
	case GUARD_EXPIRED:
		if (is_new_break(g, e))
			again_broken(g, e, out);
		break;
	case GUARD_CLOSE:
		begin_close(g, out);
		break;
	default:
		break;
	}
}

static void step_arming(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_ARM_DONE:
		if (g->close_wanted) {
			begin_close(g, out);
		} else if (g->broken) { /* broken again before we heard that it was armed */
			begin_release(g, out, e->now_usec);
		} else if (e->error == -EAGAIN) {
			if (g->round < MAX_ROUNDS)
				g->round++;
			begin_wait(g, out, e->now_usec);
		} else if (e->error) {
			g->watched = false;
			begin_refresh(g, out);
		} else {
			g->state = GUARD_PROBATION;
			emit_timer(g, out, e->now_usec + wait_usec(g));
		}
		break;
	case GUARD_BROKEN:
	case GUARD_EXPIRED:
		take_break(g, e);
		break;
	case GUARD_CLOSE:
		g->close_wanted = true;
		break;
	default:
		break;
	}
}

static void step_probation(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_TIMER_FIRED:
		begin_refresh(g, out);
		break;
	case GUARD_BROKEN:
	case GUARD_EXPIRED:
		if (is_new_break(g, e))
			again_broken(g, e, out);
		break;
	case GUARD_CLOSE:
		begin_close(g, out);
		break;
	default:
		break;
	}
}

static void step_refreshing(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_REFRESH_DONE:
		if (e->error || g->close_wanted) {
			/* the adapter leaves the fence up when it fails */
			g->fenced = e->error != 0;
			begin_close(g, out);
			break;
		}
		g->fenced = false;
		g->state = GUARD_OPEN;
		g->settled_usec = e->now_usec;
		emit_settled(g, out, e->valid_length);
		if (g->broken) /* while refreshing: a new revocation at once, the region is open now */
			open_broken(g,
				    &(struct guard_event){ .type = g->holding ? GUARD_BROKEN : GUARD_EXPIRED,
							   .now_usec = e->now_usec,
							   .break_id = g->break_id,
							   .cause = g->cause },
				    out);
		break;
	case GUARD_BROKEN:
	case GUARD_EXPIRED:
		take_break(g, e);
		break;
	case GUARD_CLOSE:
		g->close_wanted = true;
		break;
	default:
		break;
	}
}

static void step_closing(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_FENCE_DONE:
		if (e->error) {
			g->state = GUARD_DESTROYING;
			emit(g, out, GUARD_DESTROY);
			break;
		}
		g->fenced = true;
		begin_close(g, out);
		break;
	case GUARD_BROKEN:
	case GUARD_EXPIRED:
		take_break(g, e);
		break;
	default:
		break;
	}
}

static void step_destroying(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	switch (e->type) {
	case GUARD_DESTROY_DONE:
		g->fenced = true;
		begin_close(g, out);
		break;
	case GUARD_BROKEN:
	case GUARD_EXPIRED:
		take_break(g, e);
		break;
	default:
		break;
	}
}

static void step_closing_release(struct guard *g, const struct guard_event *e, struct guard_effects *out)
{
	/* whatever it says: removing the watch, part of the teardown, gives back anything newer */
	if (e->type == GUARD_RELEASE_DONE)
		die(g, out);
}

void guard_init(struct guard *g, enum region_policy policy, uint64_t grace_usec, uint64_t valid_length,
		bool watched)
{
	memset(g, 0, sizeof(*g));
	g->state = GUARD_OPEN;
	g->policy = policy;
	g->grace_usec = grace_usec;
	g->valid_length = valid_length;
	g->watched = watched;
}

void guard_step(struct guard *g, const struct guard_event *e, struct guard_effects *ret_effects)
{
	static void (*const step[_GUARD_STATE_MAX])(struct guard *, const struct guard_event *,
						    struct guard_effects *) = {
		[GUARD_OPEN] = step_open,
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

	ret_effects->n = 0;
	if (step[g->state])
		step[g->state](g, e, ret_effects);
}
