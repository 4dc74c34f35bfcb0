// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-urgency.c - the guard with several who want something, each with a time of his own:
 * nobody waits for another's grace, nothing outlives its limit because of another's question, and
 * no question is left without a timer.
 */
#undef NDEBUG
#include <assert.h>

#include "core/guard.h"

#define NOW UINT64_C(1000000)
#define GRACE UINT64_C(5000000)
#define LENGTH 100u

static struct guard_effects out;

static void step(struct guard *g, struct guard_event e)
{
	if (!e.now_usec)
		e.now_usec = NOW;
	guard_step(g, &e, &out);
}

static uint64_t timer_at(void)
{
	for (size_t i = 0; i < out.n; i++)
		if (out.item[i].type == GUARD_SET_TIMER)
			return out.item[i].at_usec;
	return UINT64_MAX;
}

static void demand(struct guard *g, uint64_t id, uint64_t start, uint64_t end, uint64_t grace_usec,
		   uint64_t limit_usec)
{
	step(g, (struct guard_event){ .type = GUARD_DEMANDED,
				      .demand = id,
				      .start = start,
				      .end = end,
				      .grace_usec = grace_usec,
				      .limit_usec = limit_usec,
				      .cause = CAUSE_ADMINISTRATOR });
}

/*
 * A demand that came during a fence, together with a break: it keeps its own, shorter, deadline in
 * the question that follows.
 */
static void test_beside_a_break(void)
{
	struct guard g;

	guard_init(&g, POLICY_YIELD, GRACE, LENGTH, LENGTH, true);
	demand(&g, 1, 0, 10, 0, 0);
	assert(g.state == GUARD_FENCING);
	step(&g, (struct guard_event){ .type = GUARD_BROKEN, .break_id = 1, .end = LENGTH });
	demand(&g, 2, 20, 30, 1000, 0);
	step(&g, (struct guard_event){ .type = GUARD_FENCE_DONE });
	assert(g.state == GUARD_ASKED && g.deadline_usec == NOW + 1000 && timer_at() == NOW + 1000);
	assert(g.ask_start == 0 && g.ask_end == LENGTH);
}

/* One that is granted and limited, and another one that is asked for. */
static void bring(struct guard *g)
{
	guard_init(g, POLICY_YIELD, GRACE, LENGTH, LENGTH, true);
	demand(g, 1, 0, 10, 0, 500);
	step(g, (struct guard_event){ .type = GUARD_FENCE_DONE });
	assert(g->state == GUARD_WAITING && guard_find_demand(g, 1)->granted);
	demand(g, 2, 20, 30, 9000, 0);
	assert(g->state == GUARD_ASKED && timer_at() == NOW + 500);
}

static void test_limit_while_asked(void)
{
	struct guard g;

	bring(&g);
	step(&g, (struct guard_event){ .type = GUARD_TIMER_FIRED, .now_usec = NOW + 500 });
	assert(!guard_find_demand(&g, 1) && g.state == GUARD_ASKED && timer_at() == NOW + 9000);
	step(&g, (struct guard_event){ .type = GUARD_TIMER_FIRED, .now_usec = NOW + 8999 });
	assert(!out.n && g.state == GUARD_ASKED);
	step(&g, (struct guard_event){ .type = GUARD_TIMER_FIRED, .now_usec = NOW + 9000 });
	assert(g.state == GUARD_FENCING);

	/* over before its limit, for which the timer was set */
	bring(&g);
	step(&g, (struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = 1 });
	assert(g.state == GUARD_ASKED && timer_at() == NOW + 9000);
}

/*
 * The grace of a break counts from when the kernel began to wait, however long the keeper was busy.
 */
static void test_late_news_of_a_break(void)
{
	struct guard g;

	guard_init(&g, POLICY_YIELD, GRACE, LENGTH, LENGTH, true);
	demand(&g, 1, 0, 10, 0, 0);
	step(&g, (struct guard_event){ .type = GUARD_BROKEN, .break_id = 1, .end = LENGTH });
	step(&g, (struct guard_event){ .type = GUARD_FENCE_DONE, .now_usec = NOW + GRACE / 2 });
	assert(g.state == GUARD_ASKED && g.deadline_usec == NOW + GRACE);

	guard_init(&g, POLICY_YIELD, GRACE, LENGTH, LENGTH, true);
	demand(&g, 1, 0, 10, 0, 0);
	step(&g, (struct guard_event){ .type = GUARD_BROKEN, .break_id = 1, .end = LENGTH });
	step(&g, (struct guard_event){ .type = GUARD_FENCE_DONE, .now_usec = NOW + 2 * GRACE });
	assert(g.state == GUARD_FENCING);
}

int main(void)
{
	test_beside_a_break();
	test_limit_while_asked();
	test_late_news_of_a_break();
	return 0;
}
