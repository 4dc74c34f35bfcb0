// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-edges.c - corners of the core that only a mutant would find: what is said once and no
 * more, what the dead keep, how soon a breaker is expected back.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/demand.h"
#include "core/registry.h"
#include "guard-effects.h"
#include "util/cleanup.h"

#define NOW UINT64_C(1000000)
#define LENGTH 100u

static void step(struct guard *g, struct guard_event e)
{
	if (!e.now_usec)
		e.now_usec = NOW;
	guard_step(g, &e, &out);
}

static void test_demand_begins(void)
{
	struct demand_effects effects;
	struct demand d;

	demand_begin(
		&d, 0, false,
		&effects); /* nobody is concerned: passed at once, and no deadline changes that */
	assert(d.state == DEMAND_PASSED && effects.n == 1 && effects.item[0] == DEMAND_PASS);
	demand_step(&d, DEMAND_DEADLINE, &effects);
	assert(!effects.n && d.state == DEMAND_PASSED);
	demand_begin(&d, 1, false, &effects);
	assert(!effects.n && d.state == DEMAND_WAITING);
	demand_step(&d, DEMAND_PART_FAILED, &effects); /* it has to wait for its deadline */
	assert(!effects.n && d.state == DEMAND_WAITING);
	demand_begin(&d, 1, false, &effects);
	demand_step(&d, DEMAND_PART_DONE, &effects);
	assert(effects.n == 1 && effects.item[0] == DEMAND_PASS && d.state == DEMAND_PASSED);
	demand_begin(&d, 3, true, &effects);
	assert(d.state == DEMAND_REFUSED && effects.n == 1 && effects.item[0] == DEMAND_REFUSE &&
	       !d.parts);
	demand_step(&d, DEMAND_ENDED, &effects);
	assert(effects.n == 1 && effects.item[0] == DEMAND_FREE);
}

/* The oldest are kept, as long as they fit; what ends anyway takes no room. */
static void test_excess(void)
{
	static const struct registry_limits many = { 10, 1000, 10, 10, 10 },
					    few = { 2, 100, 10, 10, 10 };
	static const uint64_t length[] = { 40, 40, 61, 60, 1 };
	static const bool excess[2][5] = { { false, true, true, false, true },
					   { true, true, true, true, true } };
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *region[6];
	uint32_t tenant[2];

	assert(registry_new(&r, &many) == 0);
	assert(registry_get_tenant(r, 1, "a", &tenant[0]) == 0 &&
	       registry_get_tenant(r, 1, "b", &tenant[1]) == 0);
	for (int i = 0; i < 5; i++)
		assert(registry_add_region(r, tenant[0], 0, length[i], 0, &region[i]) == 0);
	assert(registry_add_region(r, tenant[1], 0, 100, 0, &region[5]) == 0);
	registry_mark_excess(r);
	for (int i = 0; i < 6; i++)
		assert(!region[i]->excess);
	region[1]->close_wanted = true;
	registry_set_limits(r, &few);
	for (int twice = 0; twice < 2; twice++) {
		registry_mark_excess(r);
		for (int i = 0; i < 5; i++)
			assert(region[i]->excess == (i != 1 && excess[0][i]));
		assert(!region[5]->excess);
	}
	region[0]->state = REGION_CLOSING;
	region[3]->state = REGION_CLOSING;
	registry_mark_excess(r); /* 61 and 1 fit now */
	for (int i = 0; i < 6; i++)
		assert(!region[i]->excess);
	registry_set_limits(r, &(struct registry_limits){ 0 });
	region[0]->state = region[3]->state = REGION_LIVE;
	region[1]->close_wanted = false;
	registry_mark_excess(r);
	for (int i = 0; i < 5; i++)
		assert(region[i]->excess == excess[1][i]);
	assert(region[5]->excess);
}

/* Their number alone can be too high, and what ends anyway is not marked any more. */
static void test_excess_of_regions(void)
{
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *region[3];
	uint32_t t;

	assert(registry_new(&r, &(struct registry_limits){ 3, 1000, 3, 1, 1 }) == 0);
	assert(registry_get_tenant(r, 1, "a", &t) == 0);
	for (int i = 0; i < 3; i++)
		assert(registry_add_region(r, t, 0, 1, 0, &region[i]) == 0);
	registry_set_limits(r, &(struct registry_limits){ 2, 1000, 3, 1, 1 });
	registry_mark_excess(r);
	assert(!region[0]->excess && !region[1]->excess && region[2]->excess);
	region[2]->close_wanted = true;
	registry_mark_excess(r);
	assert(!region[2]->excess);
}

/* The first number, what is found again, and a session whose name does not fit. */
static void test_names(void)
{
	static const char name[] = "0123456789012345678901234567890123456789012345678901234567890";
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *region;
	uint32_t t[2], again = 99;

	assert(registry_new(&r, &(struct registry_limits){ 9, 1000, 9, 9, 9 }) == 0);
	assert(registry_next_id(r) == 1);
	assert(registry_get_tenant(r, 1, name, &t[0]) == 0 &&
	       registry_get_tenant(r, 1, "b", &t[1]) == 0);
	assert(strlen(registry_tenant(r, t[0])->session) == TENANT_SESSION_MAX - 1);
	assert(registry_get_tenant(r, 1, "b", &again) == 0 && again == t[1] && again != t[0]);
	for (int i = 0; i < 4; i++) /* two clients, each with a line of its own */
		assert(registry_add_region(r, t[0], 7 + i % 2u, 1, 0, &region) == 0);
	assert(region->id == 4 && registry_client_regions(r, 7) == 2 &&
	       registry_client_regions(r, 8) == 2);
}

/* Nobody took blocks, so none were given back. */
static void test_given_back(void)
{
	struct guard g;

	guard_init(&g, POLICY_YIELD, 5000, LENGTH, LENGTH, true);
	step(&g, (struct guard_event){ .type = GUARD_DEMANDED, .demand = 1, .end = 10 });
	step(&g, (struct guard_event){ .type = GUARD_FENCE_DONE });
	assert(effect(GUARD_TELL_FENCED) && effect(GUARD_GRANT) && !effect(GUARD_TELL_GIVEN_BACK));
	step(&g, (struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = 1 });
	assert(!effect(GUARD_TELL_GIVEN_BACK));

	/* once for each break */
	step(&g, (struct guard_event){ .type = GUARD_REFRESH_DONE, .valid_length = LENGTH });
	step(&g, (struct guard_event){ .type = GUARD_EXPIRED, .break_id = 1, .end = LENGTH });
	step(&g, (struct guard_event){ .type = GUARD_FENCE_DONE });
	assert(effect(GUARD_TELL_GIVEN_BACK) && effect(GUARD_TELL_GIVEN_BACK)->by_kernel);
	step(&g, (struct guard_event){ .type = GUARD_TIMER_FIRED });
	assert(effect(GUARD_ARM) && !effect(GUARD_TELL_GIVEN_BACK));
}

static void test_dead(void)
{
	struct guard g;

	guard_init(&g, POLICY_YIELD, 5000, LENGTH, LENGTH, true);
	step(&g, (struct guard_event){ .type = GUARD_DEMANDED, .demand = 1, .end = 10 });
	step(&g, (struct guard_event){ .type = GUARD_FENCE_DONE });
	step(&g, (struct guard_event){ .type = GUARD_CLOSE });
	assert(g.state == GUARD_CLOSING && g.close_wanted); /* no peer is let in any more */
	step(&g, (struct guard_event){ .type = GUARD_FENCE_DONE });
	assert(g.state == GUARD_DEAD && effect(GUARD_TEARDOWN));
	assert(!guard_find_demand(&g, 1) && guard_takes_demand(&g) && !g.watched && !g.armed &&
	       g.fenced);
	for (int i = 0; i < GUARD_DEMANDS_MAX; i++)
		assert(!g.demand[i].id && !g.demand[i].granted);
}

/*
 * Breaks that follow each other closely are one breaker, most likely: each is given longer before
 * the file is watched again, up to a bound.
 */
static void test_same_breaker(void)
{
	uint64_t now = NOW, wait = 10000;
	struct guard g;

	guard_init(&g, POLICY_FOLLOW, 0, LENGTH, LENGTH, true);
	for (uint32_t id = 1; id < 9; id++) {
		step(&g, (struct guard_event){ .type = GUARD_BROKEN,
					       .break_id = id,
					       .end = LENGTH,
					       .now_usec = now });
		step(&g, (struct guard_event){ .type = GUARD_FENCE_DONE, .now_usec = now });
		step(&g, (struct guard_event){ .type = GUARD_RELEASE_DONE, .now_usec = now });
		assert(effect(GUARD_SET_TIMER)->at_usec == now + wait);
		step(&g, (struct guard_event){ .type = GUARD_TIMER_FIRED, .now_usec = now });
		step(&g, (struct guard_event){ .type = GUARD_ARM_DONE, .now_usec = now });
		step(&g, (struct guard_event){ .type = GUARD_TIMER_FIRED, .now_usec = now });
		step(&g, (struct guard_event){ .type = GUARD_REFRESH_DONE,
					       .valid_length = LENGTH,
					       .now_usec = now });
		assert(g.state == GUARD_OPEN);
		wait = id < 5 ? wait * 2 : 10000; /* after five it is taken for another one */
		if (id >= 6)
			break;
	}
	now += 1000000; /* a second later: another one */
	step(&g, (struct guard_event){
			 .type = GUARD_BROKEN, .break_id = 9, .end = LENGTH, .now_usec = now });
	step(&g, (struct guard_event){ .type = GUARD_FENCE_DONE, .now_usec = now });
	step(&g, (struct guard_event){ .type = GUARD_RELEASE_DONE, .now_usec = now });
	assert(effect(GUARD_SET_TIMER)->at_usec == now + 10000);
}

static void test_region_ends(void)
{
	static const struct registry_limits limits = { 9, 10000, 9, 9, 9 };
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region_event e = { .type = REGION_REGISTER_FAILED, .error = -EIO };
	struct region_effects effects;
	struct region *x;
	uint32_t t;

	assert(registry_new(&r, &limits) == 0 && registry_get_tenant(r, 1, "d", &t) == 0);
	assert(registry_add_region(r, t, 0, 100, 0, &x) == 0);
	region_step(r, x, &(struct region_event){ .type = REGION_RELEASE_WANTED }, &effects);
	region_step(r, x, &e,
		    /*
		 * who registered is told, who released is told, and nothing is asked of the keeper
		 */
		    &effects);
	assert(effects.n == 3 && effects.item[0].type == REGION_REPLY_REGISTER &&
	       effects.item[0].error == -EIO);
	assert(effects.item[1].type == REGION_REPLY_RELEASE &&
	       effects.item[2].type == REGION_REMOVE);
	registry_remove_region(r, x);

	assert(registry_add_region(r, t, 0, 100, 0, &x) == 0);
	e = (struct region_event){ .type = REGION_ADOPTED, .state = REGION_CLOSING };
	region_step(r, x, &e, &effects);
	assert(x->state == REGION_CLOSING && effects.item[1].type == REGION_SEND_RELEASE &&
	       effects.item[1].cause == CAUSE_RELEASE && !effects.item[1].grace_usec);
	region_step(r, x, &(struct region_event){ .type = REGION_KEEPER_GONE }, &effects);
	assert(x->state == REGION_CLOSING);
	/* what is over hears nothing more */
	e = (struct region_event){ .type = REGION_LENGTH, .valid_length = 1 };
	region_step(r, x, &e, &effects);
	assert(!effects.n && x->valid_length == 0);
	e = (struct region_event){ .type = REGION_REVOKED, .revocation = 9 };
	region_step(r, x, &e, &effects);
	assert(!effects.n);
	registry_remove_region(r, x);
}

int main(void)
{
	test_demand_begins();
	test_excess();
	test_excess_of_regions();
	test_names();
	test_given_back();
	test_dead();
	test_same_breaker();
	test_region_ends();
	return 0;
}
