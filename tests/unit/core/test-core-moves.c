// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-moves.c - what a guard does, move by move: for each event all its effects, in order,
 * with what they carry, and the state that they leave. The ways that test-core-guard.c does not go,
 * and the values it does not look at.
 */
#undef NDEBUG
#include <errno.h>

#include "guard-script.h"

/*
 * More is fenced than was asked for: holders are told, too late for an answer; and what is fenced
 * is what is known to be.
 */
static void test_fenced_wider(void)
{
	init();
	demand(1, 20, 60, 0, GUARD_FENCING, "ask(1,20-60,0,9) timer(0) fence");
	expect((struct guard_event){ .type = GUARD_FENCE_DONE, .start = 0, .end = LENGTH },
	       GUARD_WAITING, "ask(2,0-100,0,9) fenced grant timer(0)");
	assert(g.fence_start == 0 && g.fence_end == LENGTH && g.revocation == 2 &&
	       g.deadline_usec == NOW);
	demand(2, 70, 90, 5, GUARD_WAITING, "grant timer(0)"); /* is out of reach already */
	over(1, GUARD_WAITING, "timer(0)");
	over(2, GUARD_REFRESHING, "timer(0) refresh");

	/* the same, or a part of it, is what was asked for */
	init();
	demand(1, 20, 60, 0, GUARD_FENCING, "ask(1,20-60,0,9) timer(0) fence");
	expect((struct guard_event){ .type = GUARD_FENCE_DONE, .start = 20, .end = 60 },
	       GUARD_WAITING, "fenced grant timer(0)");
	assert(g.fence_start == 20 && g.fence_end == 60);
	init();
	demand(1, 20, 60, 0, GUARD_FENCING, "ask(1,20-60,0,9) timer(0) fence");
	expect((struct guard_event){ .type = GUARD_FENCE_DONE, .start = 19, .end = 60 },
	       GUARD_WAITING, "ask(2,19-60,0,9) fenced grant timer(0)");
	init();
	demand(1, 20, 60, 0, GUARD_FENCING, "ask(1,20-60,0,9) timer(0) fence");
	expect((struct guard_event){ .type = GUARD_FENCE_DONE, .start = 20, .end = 61 },
	       GUARD_WAITING, "ask(2,20-61,0,9) fenced grant timer(0)");
	/* who consented early had a time for an answer, which is over for what was not asked */
	init();
	demand(1, 20, 60, 1000, GUARD_ASKED, "ask(1,20-60,1000,9) timer(1000)");
	plain(GUARD_CONSENTED, GUARD_FENCING, "timer(0) fence");
	expect((struct guard_event){ .type = GUARD_FENCE_DONE, .start = 0, .end = LENGTH },
	       GUARD_WAITING, "ask(2,0-100,0,9) fenced grant timer(0)");
}

static void test_whole_break(void)
{
	arming();
	plain(GUARD_ARM_DONE, GUARD_PROBATION, "timer(10000)");
	timer(2 * WAIT, GUARD_REFRESHING, "refresh");
	plain(GUARD_REFRESH_DONE, GUARD_OPEN, "settled(1,0)");
	broken(GUARD_BROKEN, 1, 20, 60, GUARD_OPEN, ""); /* late words */
	broken(GUARD_EXPIRED, 1, 20, 60, GUARD_OPEN, "");
	/* its blocks were given back, which is said once */
	demand(1, 0, 10, 0, GUARD_FENCING, "ask(2,0-10,0,9) timer(0) fence");
	plain(GUARD_FENCE_DONE, GUARD_WAITING, "fenced grant timer(0)");
	over(1, GUARD_REFRESHING, "timer(0) refresh");
	plain(GUARD_REFRESH_DONE, GUARD_OPEN, "settled(2,0)");
	/* the kernel was faster than the release */
	broken(GUARD_BROKEN, 2, 0, 1, GUARD_PUT_OFF, "timer(2500)");
	timer(2500, GUARD_ASKED, "ask(3,0-1,5000,1) timer(5000)");
	plain(GUARD_CONSENTED, GUARD_FENCING, "timer(0) fence");
	plain(GUARD_FENCE_DONE, GUARD_RELEASING, "fenced timer(0) release(2)");
	failed(GUARD_RELEASE_DONE, -ESTALE, GUARD_WAITING, "taken timer(20000)");
}

/* Times and causes of several who want something at once. */
static void test_questions(void)
{
	/*
	 * a break and a demand, noted during a fence, ask for both, until the earlier time and for
	 * its cause
	 */
	init();
	demand(1, 40, 50, 0, GUARD_FENCING, "ask(1,40-50,0,9) timer(0) fence");
	broken(GUARD_BROKEN, 1, 60, 70, GUARD_FENCING, "");
	demand(2, 10, 20, 100, GUARD_FENCING, "");
	demand(3, 80, 90, 200, GUARD_FENCING, "");
	assert(g.broken);
	plain(GUARD_FENCE_DONE, GUARD_ASKED, "fenced grant ask(2,10-90,100,9) timer(100)");
	assert(!g.broken); /* it is not only noted any more */

	/* at the same time it is the break's cause */
	init();
	demand(1, 40, 50, 0, GUARD_FENCING, "ask(1,40-50,0,9) timer(0) fence");
	broken(GUARD_BROKEN, 1, 60, 70, GUARD_FENCING, "");
	demand(2, 10, 20, GRACE, GUARD_FENCING, "");
	plain(GUARD_FENCE_DONE, GUARD_ASKED, "fenced grant ask(2,10-70,5000,1) timer(5000)");

	/* what is fenced stays part of it, at both ends */
	fenced(40, 60);
	demand(2, 0, 10, GRACE, GUARD_ASKED, "ask(2,0-60,5000,9) timer(5000)");
	fenced(40, 60);
	demand(2, 70, 80, GRACE, GUARD_ASKED, "ask(2,40-80,5000,9) timer(5000)");

	/* and so does what was asked for by somebody who has gone away since */
	init();
	demand(1, 40, 60, GRACE, GUARD_ASKED, "ask(1,40-60,5000,9) timer(5000)");
	demand(2, 10, 20, GRACE, GUARD_ASKED, "ask(2,10-60,5000,9) timer(5000)");
	over(1, GUARD_ASKED, "");
	demand(3, 0, 5, GRACE, GUARD_ASKED, "ask(3,0-60,5000,9) timer(5000)");

	/* nobody is killed who waits in no break */
	expect((struct guard_event){ .type = GUARD_HURRIED, .break_id = 1 }, GUARD_ASKED, "");
	expect((struct guard_event){ .type = GUARD_HURRIED }, GUARD_ASKED, "");
}

/*
 * Whoever is being killed waits for nobody's grace, even if that is longer than the machine has
 * been up.
 */
static void test_hurried_after_boot(void)
{
	const uint64_t grace_usec = 10 * NOW;

	for (int put_off = 0; put_off < 2; put_off++) {
		guard_init(&g, POLICY_YIELD, grace_usec, LENGTH, LENGTH, true);
		if (put_off)
			g.respite_usec = 2 * NOW;
		broken(GUARD_BROKEN, 1, 0, 9, put_off ? GUARD_PUT_OFF : GUARD_ASKED,
		       put_off ? "timer(50000000)" : "ask(1,0-9,500000000,1) timer(500000000)");
		expect((struct guard_event){ .type = GUARD_HURRIED, .break_id = 1 }, GUARD_FENCING,
		       put_off ? "ask(1,0-9,0,1) timer(0) fence" : "ask(2,0-9,0,1) timer(0) fence");

		/*
		 * so is one who is killed before anybody has heard of his break; the next one has a
		 * grace again
		 */
		guard_init(&g, POLICY_YIELD, grace_usec, LENGTH, LENGTH, true);
		if (put_off)
			g.respite_usec = 2 * NOW;
		expect(
			(struct guard_event){
				.type = GUARD_BROKEN, .break_id = 1, .end = 9, .hurried = true },
			GUARD_FENCING, "ask(1,0-9,0,0) timer(0) fence");
		broken(GUARD_BROKEN, 2, 0, 9, GUARD_FENCING, "");
		plain(GUARD_FENCE_DONE, GUARD_RELEASING, "fenced timer(0) release(2)");
		plain(GUARD_RELEASE_DONE, GUARD_WAITING, "given timer(10000)");
		broken(GUARD_BROKEN, 3, 20, 30, GUARD_ASKED,
		       "ask(2,0-30,500000000,1) timer(500000000)");
	}
}

/* Somebody breaks again while something is fenced. */
static void test_again(void)
{
	/*
	 * behind the fence: let through at once; if the kernel did it, only told; the cause is that
	 * of the question
	 */
	fenced(0, LENGTH);
	broken(GUARD_EXPIRED, 1, 10, 20, GUARD_WAITING, "taken timer(0)");
	assert(g.cause == CAUSE_SYNC && !g.holding);
	broken(GUARD_BROKEN, 2, 10, 20, GUARD_RELEASING, "timer(0) release(2)");
	assert(g.cause == CAUSE_SYNC);
	/* beside it: the rest is asked for, with a grace */
	fenced(0, 10);
	broken(GUARD_BROKEN, 1, 5, 20, GUARD_ASKED, "ask(2,0-20,5000,1) timer(5000)");
	fenced(0, 10);
	broken(GUARD_EXPIRED, 1, 5, 20, GUARD_FENCING, "ask(2,0-20,0,1) timer(0) fence");

	/*
	 * behind a fence that was still being made: served by it, and the file can be watched again
	 * after that
	 */
	init();
	demand(1, 20, 60, 0, GUARD_FENCING, "ask(1,20-60,0,9) timer(0) fence");
	broken(GUARD_BROKEN, 1, 20, 60, GUARD_FENCING, "");
	plain(GUARD_FENCE_DONE, GUARD_RELEASING, "fenced grant timer(0) release(1)");
	plain(GUARD_RELEASE_DONE, GUARD_WAITING, "given timer(0)");
	over(1, GUARD_WAITING, "timer(10000)");
	timer(WAIT, GUARD_ARMING, "arm");
	plain(GUARD_ARM_DONE, GUARD_PROBATION, "timer(10000)");
}

/* What comes while the lease is taken again. */
static void test_arming(void)
{
	arming();
	demand(1, 30, 40, 100, GUARD_ARMING, "");
	plain(GUARD_ARM_DONE, GUARD_WAITING, "grant timer(0)");
	over(1, GUARD_REFRESHING, "timer(0) refresh");

	arming();
	plain(GUARD_CLOSE, GUARD_ARMING, "");
	plain(GUARD_ARM_DONE, GUARD_CLOSING, "timer(0) fence");

	/*
	 * broken before we hear that it was armed: behind the fence, beside it, and already given
	 * back by the kernel
	 */
	arming();
	broken(GUARD_BROKEN, 2, 30, 40, GUARD_ARMING, "");
	plain(GUARD_ARM_DONE, GUARD_RELEASING, "timer(0) release(2)");
	arming();
	broken(GUARD_BROKEN, 2, 0, 40, GUARD_ARMING, "");
	plain(GUARD_ARM_DONE, GUARD_ASKED, "ask(2,0-60,5000,1) timer(5000)");
	arming();
	broken(GUARD_EXPIRED, 2, 0, 40, GUARD_ARMING, "");
	plain(GUARD_ARM_DONE, GUARD_FENCING, "ask(2,0-60,0,1) timer(0) fence");

	/*
	 * broken, and never to be armed again: once it was released nothing is left to be asked for
	 */
	arming();
	broken(GUARD_BROKEN, 2, 30, 40, GUARD_ARMING, "");
	failed(GUARD_ARM_DONE, -EIO, GUARD_RELEASING, "timer(0) release(2)");
	plain(GUARD_RELEASE_DONE, GUARD_REFRESHING, "given timer(0) refresh");
	plain(GUARD_REFRESH_DONE, GUARD_OPEN, "settled(1,0)");
}

/*
 * Each time that it is too early the wait is doubled, five times; whether the lease is refused or
 * broken again. Then it is enough: with the lease if it can be had, else without.
 */
static void test_waits(void)
{
	static const uint64_t waits[] = { 20000, 40000, 80000, 160000, 320000 };
	char want[60];

	arming();
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		snprintf(want, sizeof(want), "timer(%" PRIu64 ")", waits[i]);
		failed(GUARD_ARM_DONE, -EAGAIN, GUARD_WAITING, want);
		timer(0, GUARD_ARMING, "arm");
	}
	plain(GUARD_ARM_DONE, GUARD_REFRESHING, "refresh");
	assert(g.watched && g.armed);
	arming();
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		if (i)
			timer(0, GUARD_ARMING, "arm");
		snprintf(want, sizeof(want), "timer(%" PRIu64 ")", waits[i]);
		failed(GUARD_ARM_DONE, -EAGAIN, GUARD_WAITING, want);
	}
	timer(0, GUARD_ARMING, "arm");
	failed(GUARD_ARM_DONE, -EAGAIN, GUARD_WAITING, "timer(320000)");
	assert(!g.watched && !g.armed);
	timer(320000, GUARD_REFRESHING, "refresh");
	plain(GUARD_REFRESH_DONE, GUARD_OPEN, "settled(1,0)");
	arming();
	for (uint32_t i = 0; i < 5; i++) {
		snprintf(want, sizeof(want), "timer(%" PRIu64 ")", i ? waits[i - 1] : WAIT);
		plain(GUARD_ARM_DONE, GUARD_PROBATION, want);
		snprintf(want, sizeof(want), "taken timer(%" PRIu64 ")", waits[i]);
		broken(GUARD_EXPIRED, i + 2, 20, 60, GUARD_WAITING, want);
		timer(0, GUARD_ARMING, "arm");
	}
	plain(GUARD_ARM_DONE, GUARD_REFRESHING, "refresh");
	plain(GUARD_REFRESH_DONE, GUARD_OPEN, "settled(1,0)");
	/*
	 * nor does the wait grow beyond that when somebody breaks the lease behind another one's
	 * fence, and it is enough at once
	 */
	demand(1, 20, 60, 0, GUARD_FENCING, "ask(2,20-60,0,9) timer(0) fence");
	plain(GUARD_FENCE_DONE, GUARD_WAITING, "fenced grant timer(0)");
	broken(GUARD_EXPIRED, 7, 20, 60, GUARD_WAITING, "taken timer(0)");
	over(1, GUARD_WAITING, "timer(320000)");
	timer(320000, GUARD_ARMING, "arm");
	plain(GUARD_ARM_DONE, GUARD_REFRESHING, "refresh");
}

/* A demand that is granted ends with its limit, if nobody ends it before. */
static void test_limit(void)
{
	init();
	for (uint64_t id = 1; id <= 2; id++)
		expect((struct guard_event){ .type = GUARD_DEMANDED,
					     .demand = id,
					     .end = 9,
					     .limit_usec = 70 * id },
		       GUARD_FENCING, id == 1 ? "ask(1,0-9,0,0) timer(0) fence" : "");
	plain(GUARD_FENCE_DONE, GUARD_WAITING, "fenced grant timer(70)");
	timer(70, GUARD_WAITING, "timer(140)");
	assert(!guard_find_demand(&g, 1) && guard_find_demand(&g, 2));
	timer(139, GUARD_WAITING, "timer(140)");
	/* a breaker comes, while the timer runs */
	broken(GUARD_BROKEN, 1, 0, 9, GUARD_RELEASING, "timer(0) release(1)");
	plain(GUARD_RELEASE_DONE, GUARD_WAITING, "given timer(140)");
	timer(140, GUARD_WAITING, "timer(20140)"); /* for the lease */
	assert(!guard_find_demand(&g, 2));
}

/* What comes while the region is opened again. */
static void test_refreshing(void)
{
	fenced(0, 10);
	over(1, GUARD_REFRESHING, "timer(0) refresh");
	plain(GUARD_CLOSE, GUARD_REFRESHING, "");
	plain(GUARD_REFRESH_DONE, GUARD_CLOSING, "timer(0) fence");

	/* a break and a demand are one question, at once if one of them cannot wait */
	for (uint64_t grace_usec = 0; grace_usec <= 50; grace_usec += 50) {
		fenced(0, 10);
		over(1, GUARD_REFRESHING, "timer(0) refresh");
		broken(GUARD_BROKEN, 1, 20, 30, GUARD_REFRESHING, "");
		demand(2, 40, 50, grace_usec, GUARD_REFRESHING, "");
		if (grace_usec)
			plain(GUARD_REFRESH_DONE, GUARD_ASKED,
			      "settled(1,0) ask(2,20-50,50,9) timer(50)");
		else
			plain(GUARD_REFRESH_DONE, GUARD_FENCING,
			      "settled(1,0) ask(2,20-50,0,9) timer(0) fence");
	}

	/* a break and the end are, too: whoever has less time hurries both */
	fenced(0, 10);
	over(1, GUARD_REFRESHING, "timer(0) refresh");
	broken(GUARD_BROKEN, 1, 20, 30, GUARD_REFRESHING, "");
	expect((struct guard_event){ .type = GUARD_CLOSE,
				     .grace_usec = 2 * GRACE,
				     .cause = CAUSE_UNMOUNT },
	       GUARD_REFRESHING, "");
	plain(GUARD_REFRESH_DONE, GUARD_ASKED, "settled(1,0) ask(2,0-100,5000,1) timer(5000)");

	/* it cannot be opened: it ends, and nobody is let in who comes from here on */
	fenced(0, 10);
	over(1, GUARD_REFRESHING, "timer(0) refresh");
	failed(GUARD_REFRESH_DONE, -EIO, GUARD_CLOSING, "timer(0) fence");
	assert(g.close_wanted);
}

/* Withdrawn while it is fenced for: it is not granted, and the region opens again. */
static void test_withdrawn(void)
{
	init();
	demand(1, 40, 60, 0, GUARD_FENCING, "ask(1,40-60,0,9) timer(0) fence");
	over(1, GUARD_FENCING, "");
	plain(GUARD_FENCE_DONE, GUARD_REFRESHING, "fenced timer(0) refresh");
}

/*
 * Holders have their grace also if the end is wanted while a step is under way; it counts from
 * then, and breakers do not wait for it.
 */
static void test_close_meanwhile(void)
{
	const struct guard_event close = { .type = GUARD_CLOSE,
					   .grace_usec = 300,
					   .cause = CAUSE_UNMOUNT };
	const struct guard_event sooner = { .type = GUARD_CLOSE,
					    .grace_usec = 200,
					    .cause = CAUSE_QUOTA };

	init();
	demand(1, 40, 60, 0, GUARD_FENCING, "ask(1,40-60,0,9) timer(0) fence");
	expect(close, GUARD_FENCING, "");
	plain(GUARD_FENCE_DONE, GUARD_ASKED, "fenced grant ask(2,0-100,300,8) timer(300)");
	timer(300, GUARD_FENCING, "timer(0) fence");
	plain(GUARD_FENCE_DONE, GUARD_DEAD, "fenced timer(0) teardown");

	/* whoever leaves less time counts */
	init();
	demand(1, 40, 60, 0, GUARD_FENCING, "ask(1,40-60,0,9) timer(0) fence");
	expect(close, GUARD_FENCING, "");
	expect(sooner, GUARD_FENCING, "");
	expect(close, GUARD_FENCING, "");
	plain(GUARD_FENCE_DONE, GUARD_ASKED, "fenced grant ask(2,0-100,200,10) timer(200)");

	/* it is over by now */
	init();
	demand(1, 40, 60, 0, GUARD_FENCING, "ask(1,40-60,0,9) timer(0) fence");
	expect(close, GUARD_FENCING, "");
	expect((struct guard_event){ .type = GUARD_FENCE_DONE, .now_usec = NOW + 300 },
	       GUARD_CLOSING, "fenced grant timer(0) fence");

	/* a break that is fenced goes on first */
	init();
	demand(1, 40, 60, 0, GUARD_FENCING, "ask(1,40-60,0,9) timer(0) fence");
	broken(GUARD_BROKEN, 1, 40, 50, GUARD_FENCING, "");
	expect(close, GUARD_FENCING, "");
	plain(GUARD_FENCE_DONE, GUARD_RELEASING, "fenced grant timer(0) release(1)");
	plain(GUARD_RELEASE_DONE, GUARD_ASKED, "given ask(2,0-100,300,8) timer(300)");

	/* one that is not is asked for along with it */
	init();
	demand(1, 40, 60, 0, GUARD_FENCING, "ask(1,40-60,0,9) timer(0) fence");
	broken(GUARD_BROKEN, 1, 5, 10, GUARD_FENCING, "");
	expect(close, GUARD_FENCING, "");
	plain(GUARD_FENCE_DONE, GUARD_ASKED, "fenced grant ask(2,0-100,300,8) timer(300)");

	/* with the same time it is asked for as what came first */
	init();
	demand(1, 40, 60, 0, GUARD_FENCING, "ask(1,40-60,0,9) timer(0) fence");
	broken(GUARD_BROKEN, 1, 5, 10, GUARD_FENCING, "");
	expect((struct guard_event){ .type = GUARD_CLOSE,
				     .grace_usec = GRACE,
				     .cause = CAUSE_UNMOUNT },
	       GUARD_FENCING, "");
	plain(GUARD_FENCE_DONE, GUARD_ASKED, "fenced grant ask(2,0-100,5000,1) timer(5000)");
	init();
	demand(1, 40, 60, 0, GUARD_FENCING, "ask(1,40-60,0,9) timer(0) fence");
	expect(close, GUARD_FENCING, "");
	expect((struct guard_event){ .type = GUARD_CLOSE, .grace_usec = 300, .cause = CAUSE_QUOTA },
	       GUARD_FENCING, "");
	plain(GUARD_FENCE_DONE, GUARD_ASKED, "fenced grant ask(2,0-100,300,8) timer(300)");

	arming();
	expect(close, GUARD_ARMING, "");
	plain(GUARD_ARM_DONE, GUARD_ASKED, "ask(2,0-100,300,8) timer(300)");

	fenced(0, 10);
	over(1, GUARD_REFRESHING, "timer(0) refresh");
	expect(close, GUARD_REFRESHING, "");
	plain(GUARD_REFRESH_DONE, GUARD_ASKED, "settled(1,0) ask(2,0-100,300,8) timer(300)");
}

/* The whole region is fenced before it ends, whatever was fenced, or asked for, before. */
static void test_close(void)
{
	fenced(1, LENGTH);
	plain(GUARD_CLOSE, GUARD_CLOSING, "timer(0) fence");
	assert(g.ask_start == 0 && g.ask_end == LENGTH);
	broken(GUARD_BROKEN, 1, 0, 10, GUARD_CLOSING, "");
	plain(GUARD_FENCE_DONE, GUARD_CLOSING_RELEASE, "timer(0) release(1)");
	plain(GUARD_RELEASE_DONE, GUARD_DEAD, "teardown");
	assert(!g.holding && g.fenced && g.fence_start == 0 && g.fence_end == LENGTH);

	fenced(1, LENGTH);
	expect((struct guard_event){ .type = GUARD_CLOSE,
				     .grace_usec = 300,
				     .cause = CAUSE_UNMOUNT },
	       GUARD_ASKED, "ask(2,0-100,300,8) timer(300)");

	init();
	demand(1, 40, 60, 1000, GUARD_ASKED, "ask(1,40-60,1000,9) timer(1000)");
	plain(GUARD_CLOSE, GUARD_CLOSING, "timer(0) fence");
	assert(g.ask_start == 0 && g.ask_end == LENGTH);

	/* it could not be fenced: destroyed, which is as good */
	init();
	demand(1, 40, 60, 0, GUARD_FENCING, "ask(1,40-60,0,9) timer(0) fence");
	failed(GUARD_FENCE_DONE, -ENOMEM, GUARD_DESTROYING, "destroy");
	plain(GUARD_DESTROY_DONE, GUARD_DEAD, "timer(0) teardown");
	/* also when a part of it was fenced already */
	fenced(40, 60);
	demand(2, 0, 10, 0, GUARD_FENCING, "ask(2,0-60,0,9) timer(0) fence");
	failed(GUARD_FENCE_DONE, -ENOMEM, GUARD_DESTROYING, "destroy");
	plain(GUARD_DESTROY_DONE, GUARD_DEAD, "timer(0) teardown");
}

int main(void)
{
	test_whole_break();
	test_questions();
	test_hurried_after_boot();
	test_again();
	test_arming();
	test_waits();
	test_fenced_wider();
	test_limit();
	test_refreshing();
	test_withdrawn();
	test_close();
	test_close_meanwhile();
	return 0;
}
