// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-respite.c - holders have the region between two fences: for how long exactly, whoever
 * wants it meanwhile, and what is left of those who were put off.
 */
#undef NDEBUG
#include <errno.h>

#include "guard-script.h"

#define LATE 100000u /* whoever comes so long after a fence was closed is late */
#define LEAST 20000u
#define MOST 1000000u

/* A program that takes blocks. */
static void taker(uint64_t id, uint64_t start, uint64_t end, uint64_t grace_usec,
		  enum guard_state state, const char *want)
{
	expect((struct guard_event){ .type = GUARD_DEMANDED,
				     .demand = id,
				     .start = start,
				     .end = end,
				     .grace_usec = grace_usec,
				     .cause = CAUSE_CLONE },
	       state, want);
}

/* A part of it is fenced for taker 1. */
static void taken(uint64_t start, uint64_t end)
{
	char want[100];

	init();
	snprintf(want, sizeof(want), "ask(1,%" PRIu64 "-%" PRIu64 ",0,%d) timer(0) fence", start,
		 end, CAUSE_CLONE);
	taker(1, start, end, 0, GUARD_FENCING, want);
	plain(GUARD_FENCE_DONE, GUARD_WAITING, "fenced grant timer(0)");
}

/*
 * As long as it was closed, but not shorter or longer than the bounds; whoever has time waits until
 * then.
 */
static void test_how_long(void)
{
	static const struct {
		uint64_t closed_usec, respite_usec;
	} cases[] = {
		{ 0, LEAST },
		{ LEAST - 1, LEAST },
		{ LEAST + 1, LEAST + 1 },
		{ MOST / 2, MOST / 2 },
		{ MOST - 1, MOST - 1 },
		{ MOST + 1, MOST },
		{ UINT64_C(1) << 40, MOST },
	};
	char want[100];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		taken(0, 10);
		passed_usec = cases[i].closed_usec;
		over(1, GUARD_REFRESHING, "timer(0) refresh");
		plain(GUARD_REFRESH_DONE, GUARD_OPEN, "settled(1,0)");
		snprintf(want, sizeof(want), "timer(%" PRIu64 ")",
			 passed_usec + cases[i].respite_usec);
		taker(2, 0, 10, 10 * MOST, GUARD_PUT_OFF, want);
	}

	/*
	 * nothing was closed, when whoever wanted it went away before that: however long ago
	 * something was
	 */
	taken(0, 10);
	over(1, GUARD_REFRESHING, "timer(0) refresh");
	plain(GUARD_REFRESH_DONE, GUARD_OPEN, "settled(1,0)");
	passed_usec = MOST;
	demand(2, 0, 10, 1000, GUARD_ASKED, "ask(2,0-10,1001000,9) timer(1001000)");
	over(2, GUARD_REFRESHING, "timer(0) refresh");
	plain(GUARD_REFRESH_DONE, GUARD_OPEN, "settled(2,0)");
	taker(3, 0, 10, 10 * MOST, GUARD_PUT_OFF, "timer(1020000)");
}

/* Up to a moment nobody is late. */
static void test_who_is_late(void)
{
	taken(0, 10);
	passed_usec = LATE - 1;
	taker(2, 0, 10, 10 * MOST, GUARD_WAITING, "grant timer(0)");
	passed_usec = LATE;
	taker(3, 0, 10, 10 * MOST, GUARD_WAITING, "timer(5100000)");
	assert(guard_find_demand(&g, 3)->put_off);
	over(3, GUARD_WAITING, ""); /* who withdraws changes nothing for those who have it */
}

/* Open, and put off: what is told of breaks that are over, or that come now. */
static void test_while_put_off(void)
{
	/* of an earlier one: nothing */
	arming();
	plain(GUARD_ARM_DONE, GUARD_PROBATION, "timer(10000)");
	timer(2 * WAIT, GUARD_REFRESHING, "refresh");
	plain(GUARD_REFRESH_DONE, GUARD_OPEN, "settled(1,0)");
	taker(2, 70, 80, 10 * MOST, GUARD_PUT_OFF, "timer(20000)");
	broken(GUARD_EXPIRED, 1, 20, 60, GUARD_PUT_OFF, "");
	expect((struct guard_event){ .type = GUARD_HURRIED, .break_id = 1 }, GUARD_PUT_OFF, "");
	/*
	 * of one that the kernel has ended: its blocks are gone, so they are fenced now, and the
	 * taker's with them
	 */
	broken(GUARD_EXPIRED, 2, 0, 10, GUARD_FENCING, "ask(2,0-80,0,1) timer(0) fence");

	/* while another one waits */
	arming();
	plain(GUARD_ARM_DONE, GUARD_PROBATION, "timer(10000)");
	timer(2 * WAIT, GUARD_REFRESHING, "refresh");
	plain(GUARD_REFRESH_DONE, GUARD_OPEN, "settled(1,0)");
	broken(GUARD_BROKEN, 2, 20, 60, GUARD_PUT_OFF, "timer(2500)");
	broken(GUARD_EXPIRED, 3, 0, 10, GUARD_FENCING, "ask(2,0-10,0,1) timer(0) fence");
}

/* Whoever is put off is part of what is asked next, and of nothing before. */
static void test_asked_along(void)
{
	taken(0, 50);
	passed_usec = LATE;
	taker(2, 0, 10, 10 * MOST, GUARD_WAITING, "timer(5100000)");
	taker(3, 40, 90, 0, GUARD_FENCING, "ask(2,0-90,100000,3) timer(0) fence");
	assert(!guard_find_demand(&g, 2)->put_off);
	plain(GUARD_FENCE_DONE, GUARD_WAITING, "fenced grant timer(0)");
	assert(guard_find_demand(&g, 2)->granted);
}

/*
 * Its time comes while the lease is taken again: behind the fence that is there, and not after
 * another one.
 */
static void test_due_while_arming(void)
{
	arming();
	passed_usec = LATE;
	failed(GUARD_ARM_DONE, -EAGAIN, GUARD_WAITING, "timer(120000)");
	taker(2, 20, 30, 2 * WAIT, GUARD_WAITING, "timer(110000)");
	assert(guard_find_demand(&g, 2)->put_off);
	taker(3, 20, 30, 4 * WAIT, GUARD_WAITING, "timer(110000)");
	over(2, GUARD_WAITING, "");
	timer(LATE + WAIT, GUARD_ARMING, "arm");
	passed_usec = LATE + 2 * WAIT;
	plain(GUARD_ARM_DONE, GUARD_WAITING, "grant timer(0)");
	assert(guard_find_demand(&g, 3)->granted);
}

/* Whoever waits beside a breaker who may come back leaves nothing behind when he goes away. */
static void test_withdrawn_from_probation(void)
{
	arming();
	plain(GUARD_ARM_DONE, GUARD_PROBATION, "timer(10000)");
	passed_usec = LATE;
	taker(2, 20, 30, 10 * MOST, GUARD_PROBATION, "timer(10000)");
	over(2, GUARD_PROBATION, "");
	assert(!guard_find_demand(&g, 2));
	timer(LATE, GUARD_REFRESHING, "refresh");
	plain(GUARD_REFRESH_DONE, GUARD_OPEN, "settled(1,0)");
}

/*
 * Put off for holders who have just had it back, it is fenced for and granted, and nobody looks for
 * a break that never was.
 */
static void test_put_off_and_granted(void)
{
	taken(0, 10);
	over(1, GUARD_REFRESHING, "timer(0) refresh");
	plain(GUARD_REFRESH_DONE, GUARD_OPEN, "settled(1,0)");
	taker(2, 40, 60, 10 * MOST, GUARD_PUT_OFF, "timer(20000)");
	timer(LEAST - 1, GUARD_PUT_OFF, "timer(20000)");
	timer(LEAST, GUARD_ASKED, "ask(2,40-60,10000000,3) timer(10000000)");
	plain(GUARD_CONSENTED, GUARD_FENCING, "timer(0) fence");
	plain(GUARD_FENCE_DONE, GUARD_WAITING, "fenced grant timer(0)");
}

int main(void)
{
	test_how_long();
	test_who_is_late();
	test_while_put_off();
	test_asked_along();
	test_due_while_arming();
	test_withdrawn_from_probation();
	test_put_off_and_granted();
	return 0;
}
