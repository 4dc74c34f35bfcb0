// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-guard-fair.c - a guard and takers who never stop: holders who make way each time have
 * the region between two fences, and no taker waits beyond his grace for that.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>

#include "core/guard.h"

#define BEGIN 50000000u
#define GRACE 2000000u
#define LENGTH 100u
#define SECOND 1000000u
#define RUN (20 * SECOND)
#define STEP 1000u
#define TAKERS 8u

/* Whoever wants blocks: announced (a demand), or not (a break). */
struct taker {
	uint64_t id;
	uint64_t began_usec;
	uint64_t done_usec; /* granted, and over then; 0: not granted */
};

static struct guard g;
static struct taker taker[TAKERS];
static uint64_t now, timer_at, next_id, open_usec;
static uint32_t break_id, broken_id;
static unsigned int served, questions;
static int arm_error;

#define INBOX 32
static struct guard_event
	inbox[INBOX]; /* what an effect leads to comes after the other effects of the same step */
static size_t n_inbox;

static void carry_out(const struct guard_effect *f)
{
	static const struct {
		bool any;
		enum guard_event_type done;
	} how[_GUARD_EFFECT_MAX] = {
		[GUARD_FENCE] = { true, GUARD_FENCE_DONE },
		[GUARD_RELEASE] = { true, GUARD_RELEASE_DONE },
		[GUARD_ARM] = { true, GUARD_ARM_DONE },
		[GUARD_REFRESH] = { true, GUARD_REFRESH_DONE },
		[GUARD_ASK] = { true, GUARD_CONSENTED }, /* holders are quick, and obey */
	};

	questions += f->type == GUARD_ASK;
	if (f->type == GUARD_SET_TIMER)
		timer_at = f->at_usec;
	if (f->type == GUARD_RELEASE)
		broken_id = 0;
	if (!how[f->type].any)
		return;
	assert(n_inbox < INBOX);
	inbox[n_inbox++] = (struct guard_event){ .type = how[f->type].done,
						 .error = f->type == GUARD_ARM ? arm_error : 0,
						 .revocation = f->revocation,
						 .valid_length = LENGTH };
}

static void feed(struct guard_event e)
{
	struct guard_effects effects;

	inbox[n_inbox++] = e;
	for (size_t at = 0; at < n_inbox; at++) {
		e = inbox[at];
		e.now_usec = now;
		e.end = e.end ? e.end : LENGTH;
		guard_step(&g, &e, &effects);
		for (size_t i = 0; i < effects.n; i++)
			carry_out(&effects.item[i]);
		if (at + 1 == n_inbox)
			break;
	}
	n_inbox = 0;
}

static void begin(bool watched)
{
	guard_init(&g, POLICY_YIELD, GRACE, LENGTH, LENGTH, watched);
	now = BEGIN;
	timer_at = open_usec = 0;
	break_id = broken_id = 0;
	served = questions = 0;
	for (size_t i = 0; i < TAKERS; i++)
		taker[i] = (struct taker){ .id = 0 };
	arm_error = 0;
}

/* A break, by somebody who comes as soon as the lease is there. */
static void break_again(void)
{
	static uint64_t began;

	if (g.armed && !broken_id) {
		broken_id = ++break_id;
		began = now;
		feed((struct guard_event){
			.type = GUARD_BROKEN, .break_id = break_id, .cause = CAUSE_TRUNCATE });
	}
	assert(!broken_id || now - began <= GRACE);
}

/* Each of them comes again as soon as his operation, of ten milliseconds, is over. */
static void demand_again(struct taker *t, enum revocation_cause cause)
{
	const struct guard_demand *d = guard_find_demand(&g, t->id);

	if (!t->id) {
		*t = (struct taker){ .id = ++next_id, .began_usec = now };
		feed((struct guard_event){ .type = GUARD_DEMANDED,
					   .demand = t->id,
					   .cause = cause,
					   .grace_usec = GRACE,
					   .limit_usec = 60 * SECOND });
		return;
	}
	if (!t->done_usec && d->granted) {
		t->done_usec = now + 10000;
		served++;
	}
	assert(t->done_usec || now - t->began_usec <= GRACE);
	if (t->done_usec && now >= t->done_usec) {
		feed((struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = t->id });
		t->id = t->done_usec = 0;
	}
}

static void pass(void)
{
	open_usec += guard_is_open(&g) ? STEP : 0;
	now += STEP;
	if (timer_at && now >= timer_at) {
		timer_at = 0;
		feed((struct guard_event){ .type = GUARD_TIMER_FIRED });
	}
}

static void test_breaks(void)
{
	begin(true);
	while (now < BEGIN + RUN) {
		break_again();
		pass();
	}
	assert(questions > 10 && break_id > questions);
	assert(open_usec >= RUN * 2 / 5);
}

static void test_demands(bool watched)
{
	begin(watched);
	while (now < BEGIN + RUN) {
		for (size_t i = 0; i < TAKERS; i++)
			demand_again(&taker[i], CAUSE_FALLOCATE);
		pass();
	}
	assert(questions > 10 && served > questions);
	assert(open_usec >= RUN * 2 / 5);
}

/* As on XFS with both: whoever is let through by the gate breaks the lease as well. */
static void test_both(void)
{
	begin(true);
	while (now < BEGIN + RUN) {
		for (size_t i = 0; i < TAKERS; i++) {
			demand_again(&taker[i], CAUSE_TRUNCATE);
			if (taker[i].done_usec)
				break_again();
		}
		pass();
	}
	assert(served > questions && questions > 10);
	assert(open_usec >= RUN * 2 / 5);
}

/* A system call that lasts: the region is not watched any more, and opened. */
static void test_long_call(void)
{
	begin(true);
	arm_error = -EAGAIN;
	break_again();
	for (uint64_t i = 0; i < SECOND; i += STEP)
		pass();
	assert(guard_is_open(&g) && !g.watched && open_usec);
}

/* Who is no taker waits for nothing, and nothing is put off while he has the region. */
static void test_administrator(void)
{
	begin(false);
	demand_again(&taker[0], CAUSE_ADMINISTRATOR);
	for (uint64_t i = 0; i < SECOND; i += STEP)
		pass();
	assert(g.fenced && guard_find_demand(&g, taker[0].id)->granted);
	demand_again(&taker[1], CAUSE_TRUNCATE);
	assert(guard_find_demand(&g, taker[1].id)->granted);
	feed((struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = taker[0].id });
	feed((struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = taker[1].id });
	assert(g.state == GUARD_OPEN);
	taker[2].id = 0;
	demand_again(&taker[2], CAUSE_SYNC);
	assert(guard_find_demand(&g, taker[2].id)->granted);
}

static void demand_in(uint64_t id, uint64_t grace_usec, enum revocation_cause cause)
{
	feed((struct guard_event){ .type = GUARD_DEMANDED,
				   .demand = id,
				   .cause = cause,
				   .grace_usec = grace_usec,
				   .limit_usec = 60 * SECOND });
}

/* Closed for a while, and not to be watched yet. */
static void begin_closed(void)
{
	begin(true);
	arm_error = -EAGAIN;
	break_again();
	for (uint64_t i = 0; i < SECOND / 5; i += STEP)
		pass();
	assert(g.state == GUARD_WAITING && g.watched && g.fenced && timer_at);
}

/* Who comes late into a fence shortens it, and waits; half of his grace at most. */
static void test_late(void)
{
	uint64_t timer;

	begin_closed();
	timer = timer_at;
	demand_in(1, GRACE, CAUSE_CLONE);
	assert(guard_find_demand(&g, 1)->put_off && !guard_find_demand(&g, 1)->granted);
	assert(g.state == GUARD_WAITING && timer_at == now + 10000 && timer_at < timer);
	/* more of them do not make it longer */
	timer = timer_at;
	now += 5000;
	demand_in(2, GRACE, CAUSE_CLONE);
	assert(timer_at == timer && guard_find_demand(&g, 2)->put_off);
	feed((struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = 2 });
	assert(timer_at == timer && g.state == GUARD_WAITING && !guard_find_demand(&g, 2));
	/*
	 * as soon as it can be watched again it opens, without a look at who comes back, and the
	 * other is asked for after that
	 */
	arm_error = 0;
	now = timer_at;
	feed((struct guard_event){ .type = GUARD_TIMER_FIRED });
	assert(g.state == GUARD_PUT_OFF && !guard_find_demand(&g, 1)->put_off && timer_at > now);
	now = timer_at;
	feed((struct guard_event){ .type = GUARD_TIMER_FIRED });
	assert(guard_find_demand(&g, 1)->granted && g.fenced);

	/* who cannot wait is let through behind the fence that is there */
	begin_closed();
	demand_in(1, 8000, CAUSE_CLONE);
	assert(guard_find_demand(&g, 1)->put_off && timer_at == now + 4000);
	now = timer_at;
	feed((struct guard_event){ .type = GUARD_TIMER_FIRED });
	assert(g.state == GUARD_WAITING && guard_find_demand(&g, 1)->granted);
	begin_closed();
	demand_in(1, 0, CAUSE_CLONE);
	assert(guard_find_demand(&g, 1)->granted);
	begin_closed();
	demand_in(1, GRACE, CAUSE_ADMINISTRATOR);
	assert(guard_find_demand(&g, 1)->granted);
	/* and while he has it nobody else is put off, nor when the region ends */
	demand_in(2, GRACE, CAUSE_CLONE);
	assert(guard_find_demand(&g, 2)->granted);
	begin_closed();
	demand_in(1, GRACE, CAUSE_CLONE);
	demand_in(3, GRACE, CAUSE_ADMINISTRATOR);
	assert(guard_find_demand(&g, 1)->put_off && guard_find_demand(&g, 3)->granted);
	now = timer_at;
	feed((struct guard_event){ .type = GUARD_TIMER_FIRED });
	assert(guard_find_demand(&g, 1)->granted && now == guard_find_demand(&g, 1)->ask_usec);

	/* in a fence that has just been closed nobody is late */
	begin(true);
	arm_error = -EAGAIN;
	break_again();
	demand_in(1, GRACE, CAUSE_CLONE);
	assert(guard_find_demand(&g, 1)->granted);
}

/*
 * A taker who is put off and withdraws leaves nothing behind, and who is in a hurry is not put off.
 */
static void test_withdrawn(void)
{
	uint64_t revocation;

	begin(true);
	break_again();
	while (!guard_is_open(&g) || broken_id)
		pass();
	revocation = g.revocation;
	demand_again(&taker[0], CAUSE_TRUNCATE);
	assert(g.state == GUARD_PUT_OFF && timer_at > now);
	feed((struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = taker[0].id });
	assert(g.state == GUARD_OPEN && !timer_at && g.revocation == revocation);

	broken_id = ++break_id;
	feed((struct guard_event){ .type = GUARD_BROKEN, .break_id = break_id });
	assert(g.state == GUARD_PUT_OFF);
	feed((struct guard_event){ .type = GUARD_HURRIED, .break_id = break_id });
	assert(g.revocation == revocation + 1 && !broken_id);
	while (!guard_is_open(&g))
		pass();

	/* the kernel has given it back meanwhile: what is left is to fence */
	feed((struct guard_event){ .type = GUARD_BROKEN, .break_id = ++break_id });
	assert(g.state == GUARD_PUT_OFF);
	feed((struct guard_event){ .type = GUARD_EXPIRED, .break_id = break_id });
	assert(g.revocation == revocation + 2 && g.fenced && !g.holding);
	while (!guard_is_open(&g))
		pass();

	/* a release with a grace of its own: the break keeps its deadline */
	feed((struct guard_event){ .type = GUARD_BROKEN, .break_id = ++break_id });
	assert(g.state == GUARD_PUT_OFF);
	feed((struct guard_event){
		.type = GUARD_CLOSE, .grace_usec = 10 * GRACE, .cause = CAUSE_RELEASE });
	assert(g.revocation == revocation + 3 && g.deadline_usec == now + GRACE &&
	       g.state == GUARD_DEAD);
}

int main(void)
{
	test_breaks();
	test_demands(true);
	test_demands(false);
	test_both();
	test_long_call();
	test_late();
	test_administrator();
	test_withdrawn();
	return 0;
}
