/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard-script.h - a guard, event by event: each line of a test is an event, the state that it
 * leaves and all its effects, in order, with what they carry.
 */
#ifndef GUARD_SCRIPT_H
#define GUARD_SCRIPT_H

#undef NDEBUG
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/guard.h"

#define NOW UINT64_C(50000000)
#define GRACE 5000u
#define LENGTH 100u
#define WAIT 10000u

static struct guard g;
static uint64_t passed_usec; /* since NOW: when an event happens that says nothing else */

static inline void init(void)
{
	guard_init(&g, POLICY_YIELD, GRACE, LENGTH, LENGTH, true);
	passed_usec = 0;
}

/*
 * "ask(REVOCATION,START-END,DEADLINE,CAUSE)", "timer(TIME)": times count from NOW, but for 0, which
 * stops the timer.
 */
static inline void write_effect(char *to, size_t size, const struct guard_effect *f)
{
	static const char *const plain[_GUARD_EFFECT_MAX] = {
		[GUARD_FENCE] = "fence",
		[GUARD_DESTROY] = "destroy",
		[GUARD_TELL_FENCED] = "fenced",
		[GUARD_GRANT] = "grant",
		[GUARD_ARM] = "arm",
		[GUARD_REFRESH] = "refresh",
	};

	switch (f->type) {
	case GUARD_ASK:
		snprintf(to, size, "ask(%" PRIu64 ",%" PRIu64 "-%" PRIu64 ",%" PRIu64 ",%d)",
			 f->revocation, g.ask_start, g.ask_end, g.deadline_usec - NOW,
			 (int)g.cause);
		break;
	case GUARD_SET_TIMER:
		snprintf(to, size, "timer(%" PRIu64 ")", f->at_usec ? f->at_usec - NOW : 0);
		break;
	case GUARD_RELEASE:
		snprintf(to, size, "release(%" PRIu32 ")", f->break_id);
		break;
	case GUARD_TELL_GIVEN_BACK:
		snprintf(to, size, f->by_kernel ? "taken" : "given");
		break;
	case GUARD_TELL_SETTLED:
		snprintf(to, size, "settled(%" PRIu64 ",%d)", f->revocation, (int)f->outcome);
		break;
	case GUARD_TEARDOWN:
		snprintf(to, size, "teardown");
		break;
	default:
		snprintf(to, size, "%s", plain[f->type]);
	}
}

static inline void expect(struct guard_event e, enum guard_state state, const char *want)
{
	struct guard_effects out;
	char got[200] = "";

	if (!e.now_usec)
		e.now_usec = NOW + passed_usec;
	memset(&out, 0xff, sizeof(out));
	guard_step(&g, &e, &out);
	assert(out.n < GUARD_EFFECTS_MAX);
	for (size_t i = 0; i < out.n; i++) {
		if (i)
			strcat(got, " ");
		write_effect(got + strlen(got), sizeof(got) - strlen(got), &out.item[i]);
	}
	if (strcmp(got, want) || g.state != state) {
		fprintf(stderr, "event %d: \"%s\" and state %d, not \"%s\" and %d\n", (int)e.type,
			got, (int)g.state, want, (int)state);
		abort();
	}
}

static inline void plain(enum guard_event_type type, enum guard_state state, const char *want)
{
	expect((struct guard_event){ .type = type,
				     .revocation = g.revocation,
				     .valid_length = LENGTH },
	       state, want);
}

static inline void timer(uint64_t usec, enum guard_state state, const char *want)
{
	expect((struct guard_event){ .type = GUARD_TIMER_FIRED, .now_usec = NOW + usec }, state,
	       want);
}

static inline void failed(enum guard_event_type type, int error, enum guard_state state,
			  const char *want)
{
	expect((struct guard_event){ .type = type, .error = error, .valid_length = LENGTH }, state,
	       want);
}

static inline void broken(enum guard_event_type type, uint32_t id, uint64_t start, uint64_t end,
			  enum guard_state state, const char *want)
{
	expect((struct guard_event){ .type = type,
				     .break_id = id,
				     .start = start,
				     .end = end,
				     .cause = CAUSE_TRUNCATE },
	       state, want);
}

static inline void demand(uint64_t id, uint64_t start, uint64_t end, uint64_t grace_usec,
			  enum guard_state state, const char *want)
{
	expect((struct guard_event){ .type = GUARD_DEMANDED,
				     .demand = id,
				     .start = start,
				     .end = end,
				     .grace_usec = grace_usec,
				     .cause = CAUSE_SYNC },
	       state, want);
}

static inline void over(uint64_t id, enum guard_state state, const char *want)
{
	expect((struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = id }, state, want);
}

/* A region with a part of it fenced for demand 1, by an order. */
static inline void fenced(uint64_t start, uint64_t end)
{
	char want[100];

	init();
	snprintf(want, sizeof(want), "ask(1,%" PRIu64 "-%" PRIu64 ",0,9) timer(0) fence", start,
		 end);
	demand(1, start, end, 0, GUARD_FENCING, want);
	plain(GUARD_FENCE_DONE, GUARD_WAITING, "fenced grant timer(0)");
	assert(g.fence_start == start && g.fence_end == end);
}

/* A break, with all its blocks given back: the lease is to be had again. */
static inline void arming(void)
{
	init();
	broken(GUARD_BROKEN, 1, 20, 60, GUARD_ASKED, "ask(1,20-60,5000,1) timer(5000)");
	plain(GUARD_CONSENTED, GUARD_FENCING, "timer(0) fence");
	plain(GUARD_FENCE_DONE, GUARD_RELEASING, "fenced timer(0) release(1)");
	plain(GUARD_RELEASE_DONE, GUARD_WAITING, "given timer(10000)");
	timer(WAIT, GUARD_ARMING, "arm");
}

#endif
