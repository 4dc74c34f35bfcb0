// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-guard-rounds.c - a guard and somebody who breaks the lease again and again: nobody is
 * kept out for ever, and nobody is hurried.
 */
#undef NDEBUG
#include <assert.h>

#include "guard-effects.h"

#define NOW 50000000u
#define LENGTH 100u

static void at(struct guard *g, enum guard_event_type type, uint32_t id, uint64_t now_usec)
{
	struct guard_event e = { .type = type, .break_id = id, .now_usec = now_usec };

	e.end = e.valid_length = LENGTH;
	e.revocation = g->revocation;
	guard_step(g, &e, &out);
}

/*
 * It is asked for once holders have had their time, everybody agrees, and it is given. Returns when
 * that was.
 */
static uint64_t break_and_give(struct guard *g, uint32_t id, uint64_t now_usec)
{
	uint64_t before = g->revocation;

	at(g, GUARD_BROKEN, id, now_usec);
	if (before) {
		assert(g->state == GUARD_PUT_OFF && !effect(GUARD_ASK));
		now_usec = effect(GUARD_SET_TIMER)->at_usec;
		at(g, GUARD_TIMER_FIRED, 0, now_usec);
	}
	assert(effect(GUARD_ASK) && g->revocation == before + 1);
	at(g, GUARD_CONSENTED, 0, now_usec);
	at(g, GUARD_FENCE_DONE, 0, now_usec);
	at(g, GUARD_RELEASE_DONE, 0, now_usec);
	assert(g->state == GUARD_WAITING);
	return now_usec;
}

/*
 * He comes back in the worst moment: the waits grow, and end; peers are let in, and the next break
 * asks them again.
 */
int main(void)
{
	uint64_t last, waited, now = NOW;
	uint32_t id = 1;
	struct guard g;

	guard_init(&g, POLICY_YIELD, 5000000, LENGTH, LENGTH, true);
	for (unsigned int opened = 0; opened < 50; opened++) {
		now = break_and_give(&g, id++, now);
		last = waited = 0;
		for (unsigned int rounds = 0;; rounds++) {
			uint64_t wait = effect(GUARD_SET_TIMER)->at_usec - now;

			assert(wait >= last && rounds <= 5);
			waited += last = wait;
			at(&g, GUARD_TIMER_FIRED, 0, now += wait);
			at(&g, GUARD_ARM_DONE, 0, now);
			if (effect(GUARD_REFRESH))
				break;
			at(&g, GUARD_BROKEN, id++, now);
			assert(effect(GUARD_RELEASE) && !effect(GUARD_ASK));
			at(&g, GUARD_RELEASE_DONE, 0, now);
		}
		assert(last == 10000 << 5 && waited <= 630000);
		at(&g, GUARD_REFRESH_DONE, 0, now);
		assert(effect(GUARD_TELL_SETTLED) && g.state == GUARD_OPEN);
	}
	return 0;
}
