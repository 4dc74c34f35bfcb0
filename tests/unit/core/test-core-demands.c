// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-demands.c - a demand on several regions (demand.h) in each of its states and for each
 * event, and the set of demands that one guard keeps (guard-demands.h): what it takes, grants, lets
 * expire, and ignores.
 */
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "core/demand.h"
#include "core/guard-demands.h"

#define NOW 50000000u
#define LENGTH 100u

enum { B, F, D, E }; /* short: a part is done, a part failed, the deadline, the end */
static const enum demand_event_type events[] = {
	[B] = DEMAND_PART_DONE,
	[F] = DEMAND_PART_FAILED,
	[D] = DEMAND_DEADLINE,
	[E] = DEMAND_ENDED,
};

/*
 * Histories, one letter an event: b a part is done, f it failed, d the deadline, e the end; and the
 * effects of the beginning and of each event, separated by blanks: P pass, R refuse, O over, X
 * free, - nothing.
 */
static const struct {
	uint32_t parts;
	bool refused;
	const char *history;
	const char *effects;
} table[] = {
	/* nobody has to be asked: at once; once over it is nobody's */
	{ 0, false, "e", "P OX" },
	{ 0, false, "bfdebe", "P - - - OX - -" },
	/* each part counts once, the last one lets him through */
	{ 1, false, "be", "- P OX" },
	{ 3, false, "bbbe", "- - - P OX" },
	{ 2, false, "bbbe", "- - P - OX" },
	/* the end before the last answer: free only after it */
	{ 2, false, "ebb", "- O - X" },
	{ 2, false, "beb", "- - O X" },
	{ 2, false, "eeb", "- O - -" },
	{ 1, false, "ebbe", "- O X - -" },
	/* the deadline let him through: no second answer, but the regions are told at the end */
	{ 2, false, "dbbe", "- - - - OX" },
	{ 2, false, "bdbe", "- - - - OX" },
	{ 1, false, "deb", "- - O X" },
	{ 1, false, "bde", "- P - OX" },
	{ 1, false, "dde", "- - - O" },
	/* a part that could not be taken: only the deadline lets him through */
	{ 2, false, "fbde", "- - - - OX" },
	{ 2, false, "bfe", "- - - OX" },
	{ 1, false, "fbe", "- - - OX" },
	/* refused: nobody was asked, so nobody has to be told */
	{ 1, true, "e", "R X" },
	{ 0, true, "e", "R X" },
	{ 2, true, "bbfdebe", "R - - - - X - -" },
};

static void append(char *to, const struct demand_effects *out)
{
	static const char letters[_DEMAND_EFFECT_MAX] = { [DEMAND_PASS] = 'P',
							  [DEMAND_REFUSE] = 'R',
							  [DEMAND_SEND_OVER] = 'O',
							  [DEMAND_FREE] = 'X' };
	size_t n = strlen(to);

	assert(out->n < DEMAND_EFFECTS_MAX);
	if (n)
		to[n++] = ' ';
	for (size_t i = 0; i < out->n; i++)
		to[n++] = letters[out->item[i]];
	if (!out->n)
		to[n++] = '-';
	to[n] = 0;
}

static void test_histories(void)
{
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct demand_effects out;
		char got[100] = "";
		struct demand d;

		demand_begin(&d, table[i].parts, table[i].refused, &out);
		append(got, &out);
		for (const char *at = table[i].history; *at; at++) {
			demand_step(&d, events[strchr("bfde", *at) - "bfde"], &out);
			append(got, &out);
		}
		if (strcmp(got, table[i].effects)) {
			fprintf(stderr, "%s: %s, not %s\n", table[i].history, got,
				table[i].effects);
			assert(0);
		}
	}
}

/*
 * Every history of up to eight events, for every number of parts up to three: each answer at most
 * once, free last and only once.
 */
static void test_all_histories(void)
{
	for (uint32_t parts = 0; parts < 4; parts++)
		for (uint32_t refused = 0; refused < 2; refused++)
			for (uint32_t code = 0; code < 1u << 16; code++) {
				uint32_t answers = 0, overs = 0, frees = 0, done = 0, failed = 0;
				bool deadline = false, ended = false;
				struct demand_effects out;
				struct demand d;

				demand_begin(&d, parts, refused, &out);
				for (uint32_t i = 0; i <= 8; i++) {
					for (size_t k = 0; k < out.n; k++) {
						assert(!frees);
						if (out.item[k] == DEMAND_PASS)
							assert(!refused && !deadline && !ended &&
							       !failed && done == parts);
						answers += out.item[k] == DEMAND_PASS ||
							   out.item[k] == DEMAND_REFUSE;
						overs += out.item[k] == DEMAND_SEND_OVER;
						frees += out.item[k] == DEMAND_FREE;
					}
					if (i == 8)
						break;
					enum demand_event_type e = events[code >> 2 * i & 3];

					done += e == DEMAND_PART_DONE && done + failed < parts;
					failed += e == DEMAND_PART_FAILED && done + failed < parts;
					deadline = deadline || e == DEMAND_DEADLINE;
					ended = ended || e == DEMAND_ENDED;
					demand_step(&d, e, &out);
				}
				assert(answers <= 1 && overs == (ended && !refused));
				assert(frees == (ended && (refused || done + failed == parts)));
			}
}

static void test_unknown_event(void)
{
	struct demand_effects out;
	struct demand before, d;

	demand_begin(&before, 2, false, &out);
	memcpy(&d, &before, sizeof(d));
	demand_step(&d, _DEMAND_EVENT_MAX, &out);
	assert(!out.n && !memcmp(&d, &before, sizeof(d)));
}

static struct guard_event demand_event(uint64_t id, uint64_t start, uint64_t end,
				       uint64_t grace_usec, uint64_t limit_usec)
{
	return (struct guard_event){ .type = GUARD_DEMANDED,
				     .demand = id,
				     .start = start,
				     .end = end,
				     .grace_usec = grace_usec,
				     .limit_usec = limit_usec,
				     .now_usec = NOW,
				     .cause = (enum revocation_cause)(1 + id % 5) };
}

static void add(struct guard *g, uint64_t id, uint64_t start, uint64_t end, uint64_t grace_usec,
		uint64_t limit_usec)
{
	const struct guard_event e = demand_event(id, start, end, grace_usec, limit_usec);

	demands_add(g, &e);
}

static void fence(struct guard *g, uint64_t start, uint64_t end)
{
	g->fenced = true;
	g->fence_start = start;
	g->fence_end = end;
}

/* The set is full, there is no number: nothing changes. */
static void test_set_is_bounded(void)
{
	/* what lies behind the set looks free, and is not the guard's */
	struct {
		struct guard guard;
		struct guard_demand behind;
	} room = { .behind = { .id = 0 } };
	struct guard before, *g = &room.guard;

	guard_init(g, POLICY_YIELD, 1, LENGTH, LENGTH, false);
	memcpy(&before, g, sizeof(*g));
	add(g, 0, 0, 10, 1, 0);
	assert(!demands_any(g) && !guard_find_demand(g, 0) && !memcmp(&before, g, sizeof(*g)));
	for (uint64_t id = 1; id <= GUARD_DEMANDS_MAX; id++) {
		assert(guard_takes_demand(g));
		add(g, id, 0, 10, 1, 0);
		assert(guard_find_demand(g, id)->end == 10 && !guard_find_demand(g, id)->granted);
	}
	assert(!guard_takes_demand(g));
	memcpy(&before, g, sizeof(*g));
	add(g, GUARD_DEMANDS_MAX + 1, 0, 10, 1, 0);
	assert(!demands_remove(g, 0) && !demands_remove(g, GUARD_DEMANDS_MAX + 1));
	assert(!memcmp(&before, g, sizeof(*g)));
	assert(demands_remove(g, 1) && guard_takes_demand(g));
	add(g, 1, 0, 10, 1, 0);
	assert(!guard_takes_demand(g));
	assert(demands_remove(g, 3) && !demands_remove(g, 3));
	assert(guard_takes_demand(g) && !guard_find_demand(g, 3));
	add(g, 77, 0, 10, 1, 0);
	assert(guard_find_demand(g, 77) && !guard_takes_demand(g));
	for (uint64_t id = 1; id <= GUARD_DEMANDS_MAX; id++)
		demands_remove(g, id);
	assert(demands_any(g));
	demands_remove(g, 77);
	assert(!demands_any(g));
}

/*
 * One more of a number that is there: both ranges, the nearer deadline with its cause, the longer
 * time; also in a set that is full.
 */
static void test_widening(void)
{
	static const struct {
		uint64_t start, end, grace_usec,
			limit_usec; /* of the second, after [40, 60) in 100 for 50 */
		uint64_t first, last, deadline_usec, together_usec; /* of both */
		bool hurried;
	} cases[] = {
		{ 40, 60, 100, 50, 40, 60, 100, 50, false },
		{ 10, 50, 100, 50, 10, 60, 100, 50, false },
		{ 50, 90, 100, 50, 40, 90, 100, 50, false },
		{ 45, 50, 100, 50, 40, 60, 100, 50, false },
		{ 0, 5, 100, 50, 0, 60, 100, 50, false },
		{ 70, 80, 100, 50, 40, 80, 100, 50, false },
		{ 40, 60, 99, 50, 40, 60, 99, 50, true },
		{ 40, 60, 101, 50, 40, 60, 100, 50, false },
		{ 40, 60, 100, 51, 40, 60, 100, 51, false },
		{ 40, 60, 100, 49, 40, 60, 100, 50, false },
		{ 40, 60, 100, 0, 40, 60, 100, 0, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct guard_event e = demand_event(3, cases[i].start, cases[i].end,
						    cases[i].grace_usec, cases[i].limit_usec);
		const struct guard_demand *d;
		struct guard g;

		guard_init(&g, POLICY_YIELD, 1, LENGTH, LENGTH, false);
		for (uint64_t id = 1; id <= GUARD_DEMANDS_MAX; id++)
			add(&g, id, 40, 60, 100, 50);
		e.cause = CAUSE_SYNC;
		demands_add(&g, &e);
		d = guard_find_demand(&g, 3);
		assert(d->start == cases[i].first && d->end == cases[i].last && !d->granted);
		assert(d->deadline_usec == NOW + cases[i].deadline_usec &&
		       d->limit_usec == cases[i].together_usec);
		assert((d->cause == CAUSE_SYNC) == cases[i].hurried);
		assert(guard_find_demand(&g, 2)->start == 40 &&
		       guard_find_demand(&g, 2)->end == 60);
	}
}

/*
 * The first had what it wanted: the second has a deadline of its own, and the time of both counts
 * from its grant.
 */
static void test_widening_what_was_granted(void)
{
	struct guard_event e = demand_event(1, 30, 60, 1000, 20);
	const struct guard_demand *d;
	struct guard g;

	guard_init(&g, POLICY_YIELD, 1, LENGTH, LENGTH, false);
	add(&g, 1, 40, 60, 100, 50);
	fence(&g, 40, 60);
	assert(demands_grant(&g, NOW) && demands_next_end(&g) == NOW + 50);
	e.now_usec = NOW + 10;
	e.cause = CAUSE_SYNC;
	demands_add(&g, &e);
	d = guard_find_demand(&g, 1);
	assert(!d->granted && d->deadline_usec == NOW + 1010 && d->cause == CAUSE_SYNC);
	assert(!demands_next_end(&g) && !demands_expire(&g, NOW + 60));
	assert(!demands_grant(&g, NOW + 20)); /* only a part is out of reach */
	fence(&g, 30, 60);
	assert(demands_grant(&g, NOW + 20) && d->granted && demands_next_end(&g) == NOW + 70);
	/* without a limit it stays so, whoever comes */
	add(&g, 2, 40, 60, 100, 0);
	assert(demands_grant(&g, NOW));
	add(&g, 2, 40, 60, 100, 5);
	assert(demands_grant(&g, NOW) && demands_next_end(&g) == NOW + 70);
}

/* The same for one that looks like a demand: nobody finds, counts, grants or ends it. */
static void test_nothing_behind(void)
{
	static const struct guard_demand waits = { .id = 5, .end = 10, .deadline_usec = 1 };
	static const struct guard_demand ends = { .id = 5, .granted = true, .ends_usec = NOW };
	struct {
		struct guard guard;
		struct guard_demand behind;
	} room = { .behind = waits };
	struct guard *g = &room.guard;
	uint64_t start, end, deadline_usec;
	enum revocation_cause cause;

	guard_init(g, POLICY_YIELD, 1, LENGTH, LENGTH, false);
	assert(!demands_any(g) && !guard_find_demand(g, 5) && !demands_remove(g, 5));
	assert(!demands_waiting(g, &start, &end, &deadline_usec, &cause));
	fence(g, 0, LENGTH);
	assert(!demands_grant(g, NOW) && !memcmp(&room.behind, &waits, sizeof(waits)));
	room.behind = ends;
	assert(!demands_next_end(g) && !demands_expire(g, NOW));
	assert(!memcmp(&room.behind, &ends, sizeof(ends)));
}

static void test_covers(void)
{
	static const struct {
		bool fenced;
		uint64_t fence_start, fence_end, start, end;
		bool covers;
	} cases[] = {
		{ false, 0, LENGTH, 10, 20, false }, { true, 10, 20, 10, 20, true },
		{ true, 10, 20, 11, 19, true },	     { true, 10, 20, 9, 20, false },
		{ true, 10, 20, 10, 21, false },     { true, 10, 20, 0, 5, false },
		{ true, 10, 20, 30, 40, false },     { true, 0, LENGTH, 0, LENGTH, true },
	};
	struct guard g;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		guard_init(&g, POLICY_YIELD, 1, LENGTH, LENGTH, false);
		g.fenced = cases[i].fenced;
		g.fence_start = cases[i].fence_start;
		g.fence_end = cases[i].fence_end;
		assert(guard_covers(&g, cases[i].start, cases[i].end) == cases[i].covers);
		add(&g, 1, cases[i].start, cases[i].end, 1, 5);
		assert(demands_grant(&g, NOW) == cases[i].covers);
		assert(guard_find_demand(&g, 1)->granted == cases[i].covers);
		assert(demands_next_end(&g) == (cases[i].covers ? NOW + 5 : 0));
		assert(!demands_grant(
			&g, NOW + 1)); /* not again, and the limit counts from the first time */
		assert(demands_next_end(&g) == (cases[i].covers ? NOW + 5 : 0));
	}
}

static void test_times(void)
{
	assert(guard_after(NOW, 0) == NOW && guard_after(NOW, 5) == NOW + 5);
	assert(guard_after(NOW, UINT64_MAX - NOW) == UINT64_MAX &&
	       guard_after(NOW, UINT64_MAX) == UINT64_MAX);
}

/*
 * Those that wait: all of their ranges, the earliest deadline, and the cause of the one that has
 * it.
 */
static void test_waiting(void)
{
	uint64_t start = 7, end = 7, deadline_usec = 7;
	enum revocation_cause cause = CAUSE_RELEASE;
	struct guard g;

	guard_init(&g, POLICY_YIELD, 1, LENGTH, LENGTH, false);
	assert(!demands_waiting(&g, &start, &end, &deadline_usec, &cause) && start == 7 &&
	       end == 7);
	add(&g, 1, 40, 50, 300, 0);
	add(&g, 2, 20, 30, 100, 0);
	add(&g, 3, 60, 70, 200, 0);
	add(&g, 4, 60, 70, 100, 0); /* as early as the second, and later to come */
	assert(demands_waiting(&g, &start, &end, &deadline_usec, &cause));
	assert(start == 20 && end == 70 && deadline_usec == NOW + 100 && cause == 3);
	demands_remove(&g, 4);
	fence(&g, 20, 30);
	assert(demands_grant(&g, NOW));
	assert(demands_waiting(&g, &start, &end, &deadline_usec, &cause));
	assert(start == 40 && end == 70 && deadline_usec == NOW + 200 && cause == 4);
	fence(&g, 0, LENGTH);
	assert(demands_grant(&g, NOW));
	assert(!demands_waiting(&g, &start, &end, &deadline_usec, &cause));
}

/*
 * A limit counts from the grant, ends its own demand alone, and a time that does not fit is not one
 * long past.
 */
static void test_limits(void)
{
	uint64_t start, end, deadline_usec;
	enum revocation_cause cause;
	struct guard g;

	guard_init(&g, POLICY_YIELD, 1, LENGTH, LENGTH, false);
	add(&g, 1, 0, 10, UINT64_MAX, 300);
	add(&g, 2, 0, 10, UINT64_MAX, 100);
	add(&g, 3, 0, 10, UINT64_MAX, UINT64_MAX);
	add(&g, 4, 0, 10, UINT64_MAX, 0);
	assert(demands_waiting(&g, &start, &end, &deadline_usec, &cause) &&
	       deadline_usec == UINT64_MAX);
	demands_expire(&g, UINT64_MAX - 1);
	for (uint64_t id = 1; id <= 4; id++)
		assert(guard_find_demand(&g, id)); /* never before they were granted */
	fence(&g, 0, 10);
	assert(demands_grant(&g, NOW + 1000) && demands_next_end(&g) == NOW + 1100);
	demands_expire(&g, NOW + 1099);
	assert(guard_find_demand(&g, 2));
	demands_expire(&g, NOW + 1100);
	assert(!guard_find_demand(&g, 2) && demands_next_end(&g) == NOW + 1300);
	demands_expire(&g, NOW + 9000);
	assert(!guard_find_demand(&g, 1) && guard_find_demand(&g, 3) && guard_find_demand(&g, 4));
	assert(demands_next_end(&g) == UINT64_MAX);
	demands_remove(&g, 3);
	assert(demands_next_end(&g) == 0 && demands_any(&g));
}

/*
 * Programs that take blocks can be put off; whoever has the region, by an order, waits for nobody.
 */
static void test_takers(void)
{
	static const bool taker[_REVOCATION_CAUSE_MAX] = {
		[CAUSE_UNKNOWN] = true, [CAUSE_TRUNCATE] = true,      [CAUSE_FALLOCATE] = true,
		[CAUSE_CLONE] = true,	[CAUSE_OPEN_TRUNCATE] = true, [CAUSE_WRITE] = true,
	};

	for (int cause = 0; cause < _REVOCATION_CAUSE_MAX; cause++) {
		struct guard_event e = demand_event(1, 0, 10, 1000, 0);
		struct guard g;

		assert(demands_is_taker((enum revocation_cause)cause) == taker[cause]);
		guard_init(&g, POLICY_YIELD, 1, LENGTH, LENGTH, false);
		e.cause = (enum revocation_cause)cause;
		demands_add(&g, &e);
		/* half of his grace is for the holders' answer */
		assert(demands_next_ask(&g) == NOW + (taker[cause] ? 500 : 0));
		assert(demands_put_off(&g, 1, NOW) == taker[cause]);
		assert(demands_hold(&g) == !taker[cause] &&
		       demands_any_put_off(&g) == taker[cause]);
	}
}

/*
 * The first that has to be asked for: one that is granted does not, and one of the same number with
 * less time, or a new wish, does sooner.
 */
static void test_next_ask(void)
{
	struct guard_event e = demand_event(2, 0, 10, 200, 0);
	struct guard g;

	guard_init(&g, POLICY_YIELD, 1, LENGTH, LENGTH, false);
	assert(demands_next_ask(&g) == UINT64_MAX);
	add(&g, 1, 0, 10, 1000, 0);
	assert(demands_next_ask(&g) == NOW + 500);
	demands_add(&g, &e);
	assert(demands_next_ask(&g) == NOW + 100);
	add(&g, 3, 0, 10, 600, 0);
	assert(demands_next_ask(&g) == NOW + 100);
	e.grace_usec = 80;
	demands_add(&g, &e);
	assert(demands_next_ask(&g) == NOW + 40);
	e.grace_usec = 90; /* which leaves more time, and changes nothing */
	demands_add(&g, &e);
	assert(demands_next_ask(&g) == NOW + 40);
	demands_remove(&g, 2);
	assert(demands_next_ask(&g) == NOW + 300);
	fence(&g, 0, 10);
	assert(demands_grant(&g, NOW) && demands_next_ask(&g) == UINT64_MAX);
	e.grace_usec = 2000;
	e.demand = 3;
	demands_add(&g, &e);
	assert(demands_next_ask(&g) == NOW + 1000);
}

/* Put off, it holds nothing and is not granted, until its time to be asked for has come. */
static void test_put_off(void)
{
	uint64_t start, end, deadline_usec;
	enum revocation_cause cause;
	struct guard g;

	guard_init(&g, POLICY_YIELD, 1, LENGTH, LENGTH, false);
	fence(&g, 0, LENGTH);
	add(&g, 1, 0, 10, 1000, 0);
	add(&g, 2, 0, 10, 2000, 0);
	assert(demands_hold(&g) && !demands_any_put_off(&g) && !demands_recall(&g, UINT64_MAX));
	assert(!demands_put_off(&g, 3, NOW)); /* there is none */
	assert(!demands_put_off(&g, 1, NOW + 500) && demands_put_off(&g, 1, NOW + 499));
	assert(demands_hold(&g) && demands_any_put_off(&g));
	assert(demands_put_off(&g, 2, NOW) && !demands_hold(&g) && demands_any_put_off(&g));
	assert(!demands_grant(&g, NOW) &&
	       !demands_waiting(&g, &start, &end, &deadline_usec, &cause));
	assert(demands_any(&g) && demands_next_ask(&g) == NOW + 500);
	assert(!demands_recall(&g, NOW + 499) && demands_recall(&g, NOW + 500) && demands_hold(&g));
	assert(demands_any_put_off(&g)); /* the second one */
	assert(!demands_recall(&g, NOW + 500) && demands_grant(&g, NOW + 500));
	assert(guard_find_demand(&g, 1)->granted && !guard_find_demand(&g, 2)->granted);
	demands_remove(&g, 2);
	assert(!demands_any_put_off(&g) && demands_any(&g));
}

/*
 * What is closed by an order that is granted stays closed: nobody is put off then. Any place in the
 * set will do, but none behind it.
 */
static void test_put_off_by_order(void)
{
	static const struct guard_demand ordered = { .id = 99,
						     .granted = true,
						     .cause = CAUSE_ADMINISTRATOR };
	static const struct guard_demand late = { .id = 99, .put_off = true };
	struct {
		struct guard guard;
		struct guard_demand behind;
	} room;
	struct guard *g = &room.guard;

	for (uint64_t place = 1; place <= GUARD_DEMANDS_MAX; place++) {
		struct guard_event e = demand_event(place, 0, 10, 1000, 0);
		uint64_t other = place % GUARD_DEMANDS_MAX + 1;

		guard_init(g, POLICY_YIELD, 1, LENGTH, LENGTH, false);
		e.cause = CAUSE_ADMINISTRATOR;
		for (uint64_t id = 1; id <= GUARD_DEMANDS_MAX; id++)
			if (id == place)
				demands_add(g, &e);
			else
				add(g, id, 20, 30, 1000, 0);
		assert(demands_put_off(g, other, NOW)); /* not granted yet */
		assert(demands_any_put_off(g) && demands_recall(g, UINT64_MAX));
		fence(g, 0, 10);
		assert(demands_grant(g, NOW));
		assert(!demands_put_off(g, other, NOW) && !demands_any_put_off(g));
		demands_remove(g, place);
		fence(g, 20, 30);
		assert(demands_grant(g, NOW)); /* by takers: one who comes is put off */
		add(g, 77, 0, 10, 1000, 0);
		assert(demands_put_off(g, 77, NOW) && demands_any_put_off(g));
		assert(demands_recall(g, UINT64_MAX) && !demands_any_put_off(g));
	}

	guard_init(g, POLICY_YIELD, 1, LENGTH, LENGTH, false);
	add(g, 1, 0, 10, 1000, 0);
	room.behind = ordered;
	assert(demands_put_off(g, 1, NOW) && demands_recall(g, UINT64_MAX));
	room.behind = late;
	assert(!demands_any_put_off(g) && !demands_recall(g, NOW) && room.behind.put_off);
	demands_remove(g, 1);
	assert(!demands_hold(g) && demands_next_ask(g) == UINT64_MAX);
	room.behind.put_off = false;
	assert(!demands_hold(g));
}

int main(void)
{
	test_histories();
	test_all_histories();
	test_unknown_event();
	test_set_is_bounded();
	test_widening();
	test_widening_what_was_granted();
	test_nothing_behind();
	test_covers();
	test_times();
	test_waiting();
	test_limits();
	test_takers();
	test_next_ask();
	test_put_off();
	test_put_off_by_order();
	return 0;
}
