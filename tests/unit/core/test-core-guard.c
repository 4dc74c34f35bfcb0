// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-guard.c - the guard, event by event: which events mean nothing in which state, who is
 * asked for what and until when, how a release with a grace goes. What follows from orders of
 * events the explorer tries.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard-effects.h"

#define NOW 50000000u
#define GRACE 5000000u
#define LENGTH 100u

static void step(struct guard *g, struct guard_event e)
{
	if (!e.now_usec)
		e.now_usec = NOW;
	guard_step(g, &e, &out);
	assert(out.n < GUARD_EFFECTS_MAX);
}

static void init(struct guard *g)
{
	guard_init(g, POLICY_YIELD, GRACE, LENGTH, LENGTH, true);
	assert(g->state == GUARD_OPEN && !guard_pending_revocation(g));
}

static void broken(struct guard *g, uint32_t id)
{
	step(g, (struct guard_event){ .type = GUARD_BROKEN, .break_id = id, .end = LENGTH });
}

static void demand(struct guard *g, uint64_t id, uint64_t start, uint64_t end, uint64_t grace_usec)
{
	step(g, (struct guard_event){ .type = GUARD_DEMANDED,
				      .demand = id,
				      .start = start,
				      .end = end,
				      .grace_usec = grace_usec,
				      .cause = CAUSE_ADMINISTRATOR });
}

static void over(struct guard *g, uint64_t id)
{
	step(g, (struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = id });
}

static void plain(struct guard *g, enum guard_event_type type)
{
	step(g, (struct guard_event){
			.type = type, .valid_length = LENGTH, .revocation = g->revocation });
}

static void timer(struct guard *g, uint64_t now_usec)
{
	step(g, (struct guard_event){ .type = GUARD_TIMER_FIRED, .now_usec = now_usec });
}

/* The shortest way there that has a break in it. */
static void bring(struct guard *g, enum guard_state state)
{
	init(g);
	if (state == GUARD_OPEN)
		return;
	if (state == GUARD_PUT_OFF)
		g->respite_usec = NOW + 1;
	broken(g, 1);
	if (state == GUARD_PUT_OFF)
		return;
	if (state == GUARD_ASKED)
		return;
	if (state == GUARD_CLOSING || state == GUARD_CLOSING_RELEASE || state == GUARD_DEAD) {
		init(g);
		plain(g, GUARD_CLOSE);
		broken(g, 1);
		if (state != GUARD_CLOSING)
			plain(g, GUARD_FENCE_DONE);
		if (state == GUARD_DEAD)
			plain(g, GUARD_RELEASE_DONE);
		assert(g->state == state);
		return;
	}
	plain(g, GUARD_CONSENTED);
	if (state == GUARD_FENCING)
		return;
	step(g, (struct guard_event){ .type = GUARD_FENCE_DONE,
				      .error = state == GUARD_DESTROYING ? -ENOMEM : 0 });
	if (state == GUARD_DESTROYING || state == GUARD_RELEASING)
		return;
	plain(g, GUARD_RELEASE_DONE);
	if (state == GUARD_WAITING)
		return;
	plain(g, GUARD_TIMER_FIRED);
	if (state == GUARD_ARMING)
		return;
	plain(g, GUARD_ARM_DONE);
	if (state == GUARD_PROBATION)
		return;
	plain(g, GUARD_TIMER_FIRED);
	assert(g->state == GUARD_REFRESHING && state == GUARD_REFRESHING);
}

/*
 * What each event means in each state, after a break of number 1 (in GUARD_OPEN: before any): '.'
 * nothing may change, not even an effect; 'x' something has to. The last one is a type that there
 * is not.
 */
static const char *const meaning[_GUARD_STATE_MAX] = {
	[GUARD_OPEN] = "xxx........x.x.",	[GUARD_PUT_OFF] = "x.x..x.....x.x.",
	[GUARD_ASKED] = "x.xx.......x.x.",	[GUARD_FENCING] = "x.x...x....x.x.",
	[GUARD_RELEASING] = "........x..x.x.",	[GUARD_WAITING] = "x....x.....x.x.",
	[GUARD_ARMING] = "x........x.x.x.",	[GUARD_PROBATION] = "x....x.....x.x.",
	[GUARD_REFRESHING] = "x.........xx.x.", [GUARD_DESTROYING] = "x.x....x.......",
	[GUARD_CLOSING] = "x.x...x........",	[GUARD_CLOSING_RELEASE] = "........x......",
	[GUARD_DEAD] = "...............",
};

static void test_meaning(void)
{
	for (int state = 0; state < _GUARD_STATE_MAX; state++) {
		struct guard before, g;

		bring(&before, (enum guard_state)state);
		assert(before.state == (enum guard_state)state);
		const struct guard_event events[] = {
			{ .type = GUARD_BROKEN, .break_id = 2, .end = LENGTH },
			{ .type = GUARD_BROKEN, .break_id = 1, .end = LENGTH },
			{ .type = GUARD_EXPIRED, .break_id = 1, .end = LENGTH },
			{ .type = GUARD_CONSENTED, .revocation = before.revocation },
			{ .type = GUARD_CONSENTED, .revocation = before.revocation + 1 },
			{ .type = GUARD_TIMER_FIRED },
			{ .type = GUARD_FENCE_DONE },
			{ .type = GUARD_DESTROY_DONE },
			{ .type = GUARD_RELEASE_DONE },
			{ .type = GUARD_ARM_DONE },
			{ .type = GUARD_REFRESH_DONE, .valid_length = LENGTH },
			{ .type = GUARD_DEMANDED, .demand = 7, .end = LENGTH, .grace_usec = 1 },
			{ .type = GUARD_DEMAND_OVER, .demand = 7 },
			{ .type = GUARD_CLOSE },
			{ .type = _GUARD_EVENT_MAX },
		};

		assert(strlen(meaning[state]) == sizeof(events) / sizeof(*events));
		for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
			bool changes;

			memcpy(&g, &before, sizeof(g));
			step(&g, events[i]);
			changes = out.n || memcmp(&g, &before, sizeof(g));
			if (changes != (meaning[state][i] == 'x')) {
				fprintf(stderr, "state %d, event %zu: %s\n", state, i,
					changes ? "changes something" : "changes nothing");
				abort();
			}
		}
	}
}

/* What holders were asked: range, deadline, number, and whether the timer stands for it. */
static void assert_asked(const struct guard *g, uint64_t revocation, uint64_t start, uint64_t end,
			 uint64_t deadline_usec)
{
	assert(g->state == GUARD_ASKED && guard_pending_revocation(g) == revocation);
	assert(effect(GUARD_ASK)->revocation == revocation);
	assert(g->ask_start == start && g->ask_end == end && g->deadline_usec == deadline_usec);
	assert(effect(GUARD_SET_TIMER)->at_usec == deadline_usec);
}

/*
 * While a question is open: more is asked for with a new number, a wider range and the earlier
 * deadline; less is not asked for.
 */
static void test_superseding(void)
{
	struct guard g;

	init(&g);
	demand(&g, 1, 40, 60, 1000);
	assert_asked(&g, 1, 40, 60, NOW + 1000);
	assert(g.cause == CAUSE_ADMINISTRATOR);
	demand(&g, 2, 50, 60, 1000); /* inside, and not sooner */
	assert(!out.n && g.revocation == 1);
	demand(&g, 3, 50, 70, 9000); /* wider, later */
	assert_asked(&g, 2, 40, 70, NOW + 1000);
	demand(&g, 4, 45, 46, 10); /* inside, sooner */
	assert_asked(&g, 3, 40, 70, NOW + 10);
	step(&g, (struct guard_event){ .type = GUARD_CONSENTED, .revocation = 2 });
	assert(!out.n && g.state == GUARD_ASKED);
	timer(&g, NOW + 9); /* one that was replaced */
	assert(!out.n && g.state == GUARD_ASKED);
	broken(&g, 1);
	assert_asked(&g, 4, 0, LENGTH, NOW + 10);
	timer(&g, NOW + 10);
	assert(g.state == GUARD_FENCING && effect(GUARD_FENCE) &&
	       effect(GUARD_FENCE)->revocation == 4);
	plain(&g, GUARD_FENCE_DONE);
	assert(effect(GUARD_GRANT) && effect(GUARD_RELEASE) && effect(GUARD_TELL_FENCED));
	for (uint64_t i = 1; i <= 4; i++)
		assert(guard_find_demand(&g, i)->granted);
}

/* Withdrawn or not, what was asked stays part of what is asked. */
static void test_never_less(void)
{
	struct guard g;

	init(&g);
	demand(&g, 1, 0, 10, 2000);
	demand(&g, 2, 50, 60, 3000);
	over(&g, 1);
	demand(&g, 3, 55, 60, 1000);
	assert_asked(&g, 3, 0, 60, NOW + 1000);
	over(&g, 3);
	demand(&g, 4, 70, 80, 4000);
	assert_asked(&g, 4, 0, 80, NOW + 1000);
}

/* Given back by the kernel before anybody heard of it: fenced at once, and not given back again. */
static void test_expired(void)
{
	struct guard g;

	init(&g);
	step(&g, (struct guard_event){ .type = GUARD_EXPIRED, .break_id = 1, .end = LENGTH });
	assert(g.state == GUARD_FENCING && effect(GUARD_ASK) && effect(GUARD_FENCE));
	plain(&g, GUARD_FENCE_DONE);
	assert(effect(GUARD_TELL_GIVEN_BACK)->by_kernel && !effect(GUARD_RELEASE) &&
	       g.state == GUARD_WAITING);

	/* outside of a fence that is being made: that one comes next */
	init(&g);
	demand(&g, 1, 0, 10, 0);
	step(&g, (struct guard_event){ .type = GUARD_EXPIRED, .break_id = 1, .end = LENGTH });
	plain(&g, GUARD_FENCE_DONE);
	assert(g.state == GUARD_FENCING && g.ask_end == LENGTH && effect(GUARD_FENCE));

	/* policy follow gives nobody a grace */
	guard_init(&g, POLICY_FOLLOW, GRACE, LENGTH, LENGTH, true);
	broken(&g, 1);
	assert(g.state == GUARD_FENCING && effect(GUARD_ASK) && effect(GUARD_FENCE) && g.holding);
}

static void hurried(struct guard *g, uint32_t id)
{
	step(g, (struct guard_event){ .type = GUARD_HURRIED, .break_id = id });
}

/*
 * Whoever waits is being killed: its grace is over, whatever holders were told, and nobody else's
 * time changes.
 */
static void test_hurried(void)
{
	struct guard g;

	init(&g);
	broken(&g, 1);
	hurried(&g, 2);
	assert(g.state == GUARD_ASKED && !out.n);
	hurried(&g, 1);
	assert(g.state == GUARD_FENCING && effect(GUARD_ASK)->revocation == 2 &&
	       effect(GUARD_FENCE));
	hurried(&g, 1);
	assert(!out.n);

	/* while another fence is made: asked for without a grace as soon as that one is there */
	init(&g);
	demand(&g, 1, 0, 10, 0);
	broken(&g, 1);
	hurried(&g, 1);
	plain(&g, GUARD_FENCE_DONE);
	assert(g.state == GUARD_FENCING && g.ask_end == LENGTH && effect(GUARD_FENCE));

	/* the next break has a grace of its own */
	init(&g);
	broken(&g, 1);
	hurried(&g, 1);
	plain(&g, GUARD_FENCE_DONE);
	plain(&g, GUARD_RELEASE_DONE);
	hurried(&g, 1);
	assert(g.state == GUARD_WAITING && !out.n);
}

/*
 * Behind a fence that is too narrow: the next question covers both, and has a grace of its own;
 * nothing is granted too early.
 */
static void test_widening(void)
{
	struct guard g;

	init(&g);
	demand(&g, 1, 0, 10, 0); /* no grace: at once */
	assert(effect(GUARD_ASK) && effect(GUARD_FENCE) && g.state == GUARD_FENCING);
	demand(&g, 2, 30, 40, 500);
	assert(!out.n);
	plain(&g, GUARD_FENCE_DONE);
	assert(effect(GUARD_GRANT) && guard_find_demand(&g, 1)->granted &&
	       !guard_find_demand(&g, 2)->granted);
	assert_asked(&g, 2, 0, 40, NOW + 500);
	plain(&g, GUARD_CONSENTED);
	plain(&g, GUARD_FENCE_DONE);
	assert(guard_find_demand(&g, 2)->granted && g.state == GUARD_WAITING);
	assert(g.fence_start == 0 && g.fence_end == 40);
	demand(&g, 3, 5, 35, 500); /* inside the fence: nobody has to be asked */
	assert(effect(GUARD_GRANT) && !effect(GUARD_ASK) && guard_find_demand(&g, 3)->granted);
	/* the breaker is somebody whose range was granted: he goes on at once */
	step(&g,
	     (struct guard_event){ .type = GUARD_BROKEN, .break_id = 1, .start = 0, .end = 10 });
	assert(effect(GUARD_RELEASE) && effect(GUARD_RELEASE)->break_id == 1 && !effect(GUARD_ASK));
	plain(&g, GUARD_RELEASE_DONE);
	assert(g.state == GUARD_WAITING && effect(GUARD_SET_TIMER)->at_usec == 0);
	for (uint64_t i = 1; i <= 2; i++) {
		over(&g, i);
		assert(g.state == GUARD_WAITING && !effect(GUARD_REFRESH));
	}
	over(&g, 3);
	assert(g.state == GUARD_WAITING &&
	       effect(GUARD_SET_TIMER)->at_usec > NOW); /* for the lease */
	timer(&g, NOW + 1000000);
	assert(effect(GUARD_ARM));
	plain(&g, GUARD_ARM_DONE);
	timer(&g, NOW + 2000000);
	plain(&g, GUARD_REFRESH_DONE);
	assert(g.state == GUARD_OPEN && effect(GUARD_TELL_SETTLED)->outcome == OUTCOME_RESTORED &&
	       !g.fenced);
}

/* Withdrawn before anything was fenced: it opens again, and says so. */
static void test_withdrawn(void)
{
	struct guard g;

	init(&g);
	demand(&g, 1, 0, 10, 1000);
	demand(&g, 2, 20, 30, 2000);
	over(&g, 1);
	assert(!out.n && g.state == GUARD_ASKED);
	over(&g, 2);
	assert(effect(GUARD_REFRESH) && effect(GUARD_SET_TIMER)->at_usec == 0 &&
	       !effect(GUARD_FENCE));
	demand(&g, 3, 0, 10, 1000); /* noted: a new question when it is open */
	plain(&g, GUARD_REFRESH_DONE);
	assert(effect(GUARD_TELL_SETTLED)->revocation == 2 && effect(GUARD_ASK)->revocation == 3);
	/* a break keeps the question open */
	broken(&g, 1);
	over(&g, 3);
	assert(!out.n && g.state == GUARD_ASKED);
}

/* The grace of a break counts from when the kernel began to wait, whenever holders are asked. */
static void test_break_deadline(void)
{
	struct guard g;

	init(&g);
	demand(&g, 1, 0, 10, 0);
	broken(&g, 1);
	step(&g, (struct guard_event){ .type = GUARD_FENCE_DONE, .now_usec = NOW + 4000000 });
	assert_asked(&g, 2, 0, LENGTH, NOW + GRACE);
	step(&g, (struct guard_event){
			 .type = GUARD_EXPIRED, .break_id = 1, .now_usec = NOW + 4000001 });
	assert(g.state == GUARD_FENCING && !g.holding);
	plain(&g, GUARD_FENCE_DONE);
	assert(effect(GUARD_TELL_GIVEN_BACK)->by_kernel && !effect(GUARD_RELEASE));
}

static void test_release(void)
{
	struct guard g;

	init(&g);
	step(&g, (struct guard_event){
			 .type = GUARD_CLOSE, .cause = CAUSE_UNMOUNT, .grace_usec = 700 });
	assert_asked(&g, 1, 0, LENGTH, NOW + 700);
	assert(g.cause == CAUSE_UNMOUNT);
	step(&g, (struct guard_event){ .type = GUARD_CLOSE, .grace_usec = 700 });
	assert(!out.n); /* once is enough; longer is nobody's to give */
	step(&g, (struct guard_event){ .type = GUARD_CLOSE, .grace_usec = 701 });
	assert(!out.n && g.deadline_usec == NOW + 700);
	step(&g,
	     (struct guard_event){ .type = GUARD_CLOSE, .cause = CAUSE_QUOTA, .grace_usec = 100 });
	assert_asked(&g, 2, 0, LENGTH, NOW + 100); /* the holders are told */
	assert(g.cause == CAUSE_QUOTA);
	step(&g, (struct guard_event){ .type = GUARD_CONSENTED, .revocation = 1 });
	assert(!out.n && g.state == GUARD_ASKED);
	demand(&g, 1, 0, 10, 5);
	assert_asked(&g, 3, 0, LENGTH, NOW + 5);
	over(&g, 1);
	assert(!out.n && g.state == GUARD_ASKED); /* it ends all the same */
	plain(&g, GUARD_CONSENTED);
	plain(&g, GUARD_FENCE_DONE);
	assert(g.state == GUARD_DEAD && out.item[out.n - 1].type == GUARD_TEARDOWN);

	/*
	 * impatient, then at once; everybody is cut, since the state says closing when the fence
	 * begins
	 */
	init(&g);
	step(&g, (struct guard_event){ .type = GUARD_CLOSE, .grace_usec = 700 });
	plain(&g, GUARD_CLOSE);
	assert(g.state == GUARD_CLOSING && effect(GUARD_FENCE) &&
	       effect(GUARD_SET_TIMER)->at_usec == 0);

	/* fenced all over: nobody is left to be asked */
	bring(&g, GUARD_WAITING);
	step(&g, (struct guard_event){ .type = GUARD_CLOSE, .grace_usec = 700 });
	assert(g.state == GUARD_DEAD && !effect(GUARD_ASK));

	/* fenced in part: the others have their grace, and what was granted stays so */
	init(&g);
	demand(&g, 1, 0, 10, 0);
	plain(&g, GUARD_FENCE_DONE);
	step(&g, (struct guard_event){ .type = GUARD_CLOSE, .grace_usec = 700 });
	assert_asked(&g, 2, 0, LENGTH, NOW + 700);
	assert(g.fenced && guard_find_demand(&g, 1)->granted);
}

/*
 * A lease that cannot be had again: the region lives on without, and a fence or a size that fails
 * ends it.
 */
static void test_failures(void)
{
	struct guard g;

	bring(&g, GUARD_ARMING);
	step(&g, (struct guard_event){ .type = GUARD_ARM_DONE, .error = -EAGAIN });
	assert(g.state == GUARD_WAITING && g.watched && !g.armed);
	timer(&g, NOW + 10000000);
	step(&g, (struct guard_event){ .type = GUARD_ARM_DONE, .error = -EIO });
	assert(g.state == GUARD_WAITING && !g.watched);
	timer(&g, NOW + 20000000);
	assert(g.state == GUARD_REFRESHING && !effect(GUARD_ARM));
	step(&g, (struct guard_event){ .type = GUARD_REFRESH_DONE, .error = -EIO });
	assert(g.state == GUARD_DEAD && effect(GUARD_TEARDOWN));

	bring(&g, GUARD_DESTROYING);
	assert(effect(GUARD_DESTROY) && !effect(GUARD_TELL_FENCED));
	plain(&g, GUARD_DESTROY_DONE);
	assert(effect(GUARD_RELEASE));
	plain(&g, GUARD_RELEASE_DONE);
	assert(g.state == GUARD_DEAD && effect(GUARD_TEARDOWN));
}

static void test_outcome(void)
{
	struct guard g;

	bring(&g, GUARD_REFRESHING);
	step(&g, (struct guard_event){ .type = GUARD_REFRESH_DONE, .valid_length = LENGTH - 1 });
	assert(effect(GUARD_TELL_SETTLED)->outcome == OUTCOME_TRUNCATED &&
	       g.valid_length == LENGTH - 1);
	/* broken again while it was opened: a new revocation, after the end of the last */
	bring(&g, GUARD_REFRESHING);
	broken(&g, 2);
	assert(!out.n);
	plain(&g, GUARD_REFRESH_DONE);
	assert(effect(GUARD_TELL_SETTLED)->revocation == 1 && !effect(GUARD_ASK) &&
	       g.state == GUARD_PUT_OFF);
	timer(&g, effect(GUARD_SET_TIMER)->at_usec);
	assert(effect(GUARD_ASK)->revocation == 2);
}

/* A watch that comes later is worth what one from the beginning is. */
static void test_watched_later(void)
{
	struct guard g;

	guard_init(&g, POLICY_YIELD, GRACE, LENGTH, LENGTH, false);
	guard_watched(&g);
	assert(g.state == GUARD_OPEN && g.watched && g.armed);
	broken(&g, 1);
	assert(g.state == GUARD_ASKED && g.holding && effect(GUARD_ASK));
}

int main(void)
{
	test_meaning();
	test_superseding();
	test_never_less();
	test_expired();
	test_hurried();
	test_widening();
	test_withdrawn();
	test_break_deadline();
	test_release();
	test_failures();
	test_outcome();
	test_watched_later();
	return 0;
}
