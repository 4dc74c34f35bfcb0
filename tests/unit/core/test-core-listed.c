// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-listed.c - a region whose keeper tells again where it stands, because something was
 * missed: from every state to every other one, and who of its holders is still waited for.
 */
#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "core/registry.h"
#include "util/cleanup.h"

static const struct registry_limits limits = { 9, 10000, 9, 9, 9 };

static struct registry *registry;
static struct region *region;
static struct region_effects out;

static const struct region_effect *effect(enum region_effect_type type)
{
	for (size_t i = 0; i < out.n; i++)
		if (out.item[i].type == type)
			return &out.item[i];
	return NULL;
}

static void step(struct region_event e)
{
	assert(registry_reserve_holder(registry) == 0);
	region_step(registry, region, &e, &out);
	assert(out.n < REGION_EFFECTS_MAX);
}

static void begin(void)
{
	uint32_t t;

	assert(registry_new(&registry, &limits) == 0);
	assert(registry_get_tenant(registry, 1, "d", &t) == 0);
	assert(registry_add_region(registry, t, 0, 100, 0, &region) == 0);
	region->grace_usec = 5000;
	step((struct region_event){
		.type = REGION_REGISTERED, .valid_length = 100, .rkey = 7, .generation = 1 });
}

static void end(void)
{
	registry_remove_region(registry, region);
	registry = registry_free(registry);
}

static void holder(enum region_event_type type, enum holder_kind kind, uint64_t id,
		   uint64_t revocation)
{
	step((struct region_event){
		.type = type, .kind = kind, .holder = id, .revocation = revocation });
}

static void listed(enum region_state state, uint64_t revocation, uint64_t valid_length)
{
	step((struct region_event){ .type = REGION_LISTED,
				    .state = state,
				    .revocation = revocation,
				    .cause = CAUSE_TRUNCATE,
				    .length = 20,
				    .valid_length = valid_length,
				    .rkey = 7,
				    .generation = 1 });
}

static void revoked(uint64_t revocation)
{
	step((struct region_event){ .type = REGION_REVOKED, .revocation = revocation });
}

/* Where it was, revocation 4 or none, and where the keeper has it now. */
static void test_states(void)
{
	static const struct {
		enum region_state before, listed;
		uint64_t revocation;
		enum region_state after;
		bool asks, settles;
	} cases[] = {
		{ REGION_LIVE, REGION_LIVE, 0, REGION_LIVE, false, false },
		{ REGION_LIVE, REGION_DRAINING, 4, REGION_DRAINING, true, false },
		{ REGION_LIVE, REGION_FENCED, 4, REGION_FENCED, true, false },
		{ REGION_DRAINING, REGION_DRAINING, 4, REGION_DRAINING, false, false },
		{ REGION_DRAINING, REGION_DRAINING, 5, REGION_DRAINING, true, false },
		{ REGION_DRAINING, REGION_FENCED, 4, REGION_FENCED, false, false },
		{ REGION_DRAINING, REGION_FENCED, 6, REGION_FENCED, true, false },
		{ REGION_DRAINING, REGION_LIVE, 0, REGION_LIVE, false, true },
		{ REGION_FENCED, REGION_FENCED, 4, REGION_FENCED, false, false },
		{ REGION_FENCED, REGION_DRAINING, 5, REGION_DRAINING, true, false },
		{ REGION_FENCED, REGION_LIVE, 0, REGION_LIVE, false, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		begin();
		holder(REGION_HOLDER_JOINED, HOLDER_CLIENT, 9, 0);
		if (cases[i].before != REGION_LIVE)
			revoked(4);
		if (cases[i].before == REGION_FENCED)
			step((struct region_event){ .type = REGION_WAS_FENCED, .revocation = 4 });
		assert(region->state == cases[i].before);
		listed(cases[i].listed, cases[i].revocation, 60);
		assert(region->state == cases[i].after && region->valid_length == 60);
		assert(region->revoking == (cases[i].after != REGION_LIVE));
		assert((effect(REGION_ASK_CLIENTS) != NULL) == cases[i].asks);
		assert((effect(REGION_TELL_SETTLED) != NULL) == cases[i].settles);
		if (cases[i].settles)
			assert(effect(REGION_TELL_SETTLED)->revocation == 4 &&
			       effect(REGION_TELL_SETTLED)->outcome == OUTCOME_TRUNCATED);
		if (cases[i].revocation)
			assert(region->revocation == cases[i].revocation);
		assert(effect(REGION_PUBLISH)->changed & REGION_CHANGED_LENGTH);
		assert(!effect(REGION_SEND_CONSENT));
		step((struct region_event){ .type = REGION_LIST_DONE });
		assert(!out.n);
		end();
	}
}

/* Nothing new is nothing to publish. */
static void test_nothing_missed(void)
{
	begin();
	listed(REGION_LIVE, 0, 100);
	assert(!out.n);
	step((struct region_event){ .type = REGION_LIST_DONE });
	assert(!out.n);
	end();
}

/*
 * Length and keys are those of the list, and what is another one is published; also while it is
 * closed.
 */
static void test_changes(void)
{
	static const struct {
		uint64_t valid_length;
		uint32_t rkey, generation, changed;
	} cases[] = {
		{ 100, 7, 1, 0 },
		{ 60, 7, 1, REGION_CHANGED_LENGTH },
		{ 100, 8, 1, REGION_CHANGED_KEYS },
		{ 100, 7, 2, REGION_CHANGED_KEYS },
		{ 60, 8, 2, REGION_CHANGED_LENGTH | REGION_CHANGED_KEYS },
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		const bool draining = i & 1;

		begin();
		if (draining)
			revoked(4);
		step((struct region_event){ .type = REGION_LISTED,
					    .state = draining ? REGION_DRAINING : REGION_LIVE,
					    .revocation = draining ? 4 : 0,
					    .valid_length = cases[i / 2].valid_length,
					    .rkey = cases[i / 2].rkey,
					    .generation = cases[i / 2].generation });
		assert(region->valid_length == cases[i / 2].valid_length);
		assert(region->rkey == cases[i / 2].rkey &&
		       region->generation == cases[i / 2].generation);
		assert(out.n == (cases[i / 2].changed ? 1 : 0));
		assert(!out.n || effect(REGION_PUBLISH)->changed == cases[i / 2].changed);
		end();
	}
}

/* How one ended that is over by now: the length tells. */
static void test_outcome(void)
{
	static const uint64_t valid_length[] = { 99, 100, 101 };

	for (size_t i = 0; i < 3; i++) {
		begin();
		revoked(4);
		listed(REGION_LIVE, 0, valid_length[i]);
		assert(effect(REGION_TELL_SETTLED)->outcome ==
		       (i ? OUTCOME_RESTORED : OUTCOME_TRUNCATED));
		end();
	}
}

/* A holder is not listed from the beginning of a list on until it is, in each list anew. */
static void test_marks(void)
{
	const struct holder *h;

	begin();
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 1, 0);
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 2, 0);
	h = registry_holder(registry, region->holders);
	assert(h->id == 2 && h->listed && registry_holder(registry, h->next)->listed);
	for (int list = 0; list < 2; list++) {
		listed(REGION_LIVE, 0, 100);
		assert(!h->listed && !registry_holder(registry, h->next)->listed);
		holder(REGION_HOLDER_LISTED, HOLDER_PEER, 2, 0);
		assert(h->listed && !registry_holder(registry, h->next)->listed);
		step((struct region_event){ .type = REGION_LIST_DONE });
	}
	end();
}

/* It has begun to end by itself: the end is asked for, so that it is heard of; once. */
static void test_ending(void)
{
	begin();
	listed(REGION_CLOSING, 0, 100);
	assert(region->state == REGION_CLOSING &&
	       effect(REGION_SEND_RELEASE)->cause == CAUSE_RELEASE &&
	       !effect(REGION_SEND_RELEASE)->grace_usec);
	listed(REGION_CLOSING, 0, 100);
	assert(!out.n);
	listed(REGION_LIVE, 0, 50); /* of before it took our word */
	assert(!out.n && region->state == REGION_CLOSING);
	end();
	begin(); /* released with a grace, which is over */
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 1, 0);
	step((struct region_event){ .type = REGION_RELEASE_WANTED, .grace_usec = 5000 });
	assert(region->state == REGION_LIVE && region->close_wanted);
	listed(REGION_CLOSING, 0, 100);
	assert(region->state == REGION_CLOSING && !effect(REGION_SEND_RELEASE));
	step((struct region_event){
		.type = REGION_RELEASE_WANTED }); /* sooner than what it had, and too late */
	assert(!out.n);
	end();
	begin();
	step((struct region_event){ .type = REGION_RELEASE_WANTED });
	listed(REGION_LIVE, 0, 100);
	assert(!out.n && region->state == REGION_CLOSING);
	end();
}

/* One that is not registered yet is in no list. */
static void test_registering(void)
{
	uint32_t t;

	assert(registry_new(&registry, &limits) == 0);
	assert(registry_get_tenant(registry, 1, "d", &t) == 0);
	assert(registry_add_region(registry, t, 0, 100, 0, &region) == 0);
	step((struct region_event){ .type = REGION_LIST_BEGAN });
	listed(REGION_FENCED, 3, 100);
	assert(!out.n && region->state == REGION_REGISTERING && !region->listing);
	end();
}

/*
 * Whoever answered while nobody listened has answered, but consent waits until all holders are
 * known.
 */
static void test_holders(void)
{
	begin();
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 1, 0);
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 2, 0);
	holder(REGION_HOLDER_JOINED, HOLDER_CLIENT, 9, 0);
	revoked(4);
	assert(region->pending == 3);
	listed(REGION_DRAINING, 4, 100);
	assert(region->pending == 3 && !effect(REGION_ASK_CLIENTS)); /* they were asked */
	holder(REGION_HOLDER_LISTED, HOLDER_PEER, 2, 0);	     /* it has answered */
	assert(region->pending == 2 && !out.n);
	holder(REGION_HOLDER_LISTED, HOLDER_PEER, 3, 4); /* it joined meanwhile, and was asked */
	assert(region->pending == 3 && region->peers == 3);
	assert(registry_holder(registry, region->holders)->listed);
	holder(REGION_HOLDER_LEFT, HOLDER_PEER, 1, 0); /* it was not listed */
	holder(REGION_HOLDER_ACKED, HOLDER_PEER, 3, 4);
	holder(REGION_HOLDER_ACKED, HOLDER_CLIENT, 9, 4);
	assert(region->pending == 0 && !effect(REGION_SEND_CONSENT));
	step((struct region_event){ .type = REGION_LIST_DONE });
	assert(effect(REGION_SEND_CONSENT)->revocation == 4);
	step((struct region_event){ .type = REGION_LIST_DONE });
	assert(!out.n);
	end();
}

/*
 * What the keeper tells between its word that something was missed and the list may be about
 * holders of whom nobody has heard: consent that only the known ones gave would have the others cut
 * off.
 */
static void test_before_the_list(void)
{
	begin();
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 1, 0);
	step((struct region_event){ .type = REGION_LIST_BEGAN });
	assert(!out.n);
	revoked(1);
	holder(REGION_HOLDER_ACKED, HOLDER_PEER, 1, 1);
	assert(region->pending == 0 && !effect(REGION_SEND_CONSENT));
	listed(REGION_DRAINING, 1, 100);
	holder(REGION_HOLDER_LISTED, HOLDER_PEER, 1, 0);
	holder(REGION_HOLDER_LISTED, HOLDER_PEER, 2, 1); /* that one */
	step((struct region_event){ .type = REGION_LIST_DONE });
	assert(region->pending == 1 && !effect(REGION_SEND_CONSENT));
	holder(REGION_HOLDER_ACKED, HOLDER_PEER, 2, 1);
	assert(effect(REGION_SEND_CONSENT)->revocation == 1);
	end();
}

/*
 * A revocation that is heard of by the list: everybody is asked, and peers that the keeper heard
 * from are not waited for.
 */
static void test_holders_of_a_new_one(void)
{
	begin();
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 1, 0);
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 2, 0);
	listed(REGION_DRAINING, 1, 100);
	assert(region->pending == 2 && !effect(REGION_SEND_CONSENT));
	holder(REGION_HOLDER_LISTED, HOLDER_PEER, 1, 0);
	holder(REGION_HOLDER_LISTED, HOLDER_PEER, 2, 1);
	step((struct region_event){ .type = REGION_LIST_DONE });
	assert(region->pending == 1 && !effect(REGION_SEND_CONSENT));
	holder(REGION_HOLDER_ACKED, HOLDER_PEER, 2, 1);
	assert(effect(REGION_SEND_CONSENT)->revocation == 1);
	end();
}

int main(void)
{
	test_states();
	test_nothing_missed();
	test_changes();
	test_outcome();
	test_marks();
	test_ending();
	test_registering();
	test_holders();
	test_before_the_list();
	test_holders_of_a_new_one();
	return 0;
}
