// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-adoption.c - regions that a new daemon finds in a keeper: who is asked again, when it
 * may consent, and how more that is wanted later takes the place of what was asked. Also the grace
 * of a release.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/registry.h"
#include "util/cleanup.h"

static const struct registry_limits limits = { 9, 10000, 9, 9, 9 };

static struct region_effects out;

static const struct region_effect *effect(enum region_effect_type type)
{
	for (size_t i = 0; i < out.n; i++)
		if (out.item[i].type == type)
			return &out.item[i];
	return NULL;
}

static void step(struct registry *r, struct region *x, struct region_event e)
{
	if (e.type == REGION_HOLDER_JOINED)
		assert(registry_reserve_holder(r) == 0);
	region_step(r, x, &e, &out);
	assert(out.n < REGION_EFFECTS_MAX);
}

static struct region *new_region(struct registry **ret)
{
	struct region *x;
	uint32_t t;

	assert(registry_new(ret, &limits) == 0);
	assert(registry_get_tenant(*ret, 1, "d", &t) == 0);
	assert(registry_add_region(*ret, t, 0, 100, 0, &x) == 0);
	x->grace_usec = 5000;
	return x;
}

static void join(struct registry *r, struct region *x, enum holder_kind kind, uint64_t id,
		 uint64_t revocation)
{
	step(r, x,
	     (struct region_event){ .type = REGION_HOLDER_JOINED,
				    .kind = kind,
				    .holder = id,
				    .revocation = revocation });
}

static void acknowledge(struct registry *r, struct region *x, enum holder_kind kind, uint64_t id,
			uint64_t revocation)
{
	step(r, x,
	     (struct region_event){ .type = REGION_HOLDER_ACKED,
				    .kind = kind,
				    .holder = id,
				    .revocation = revocation });
}

static void revoked(struct registry *r, struct region *x, uint64_t revocation)
{
	step(r, x,
	     (struct region_event){ .type = REGION_REVOKED,
				    .revocation = revocation,
				    .cause = CAUSE_TRUNCATE,
				    .offset = 10 * revocation,
				    .length = 20,
				    .deadline_usec = 1000 - revocation });
}

static void adopt(struct registry *r, struct region *x, enum region_state state,
		  uint64_t revocation)
{
	step(r, x,
	     (struct region_event){ .type = REGION_ADOPTED,
				    .state = state,
				    .revocation = revocation,
				    .offset = 8,
				    .length = 16,
				    .deadline_usec = 900,
				    .cause = CAUSE_WRITE,
				    .valid_length = 90,
				    .rkey = 7 });
}

/* What a new daemon publishes of each state that a keeper can report. */
static void test_states(void)
{
	static const struct {
		enum region_state found, state;
		bool revoking, releases;
	} cases[] = {
		{ REGION_LIVE, REGION_LIVE, false, false },
		{ REGION_WARMING, REGION_LIVE, false, false },
		{ REGION_DRAINING, REGION_DRAINING, true, false },
		{ REGION_FENCED, REGION_FENCED, true, false },
		{ REGION_CLOSING, REGION_CLOSING, false, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(registry_freep) struct registry *r = NULL;
		struct region *x = new_region(&r);

		adopt(r, x, cases[i].found, 4);
		assert(x->state == cases[i].state && x->revoking == cases[i].revoking);
		assert(effect(REGION_TELL_ADDED) && x->valid_length == 90 && x->rkey == 7);
		assert(!effect(REGION_SEND_CONSENT) && !effect(REGION_ASK_CLIENTS));
		assert((effect(REGION_SEND_RELEASE) != NULL) == cases[i].releases);
		if (cases[i].revoking)
			assert(x->revocation == 4 && x->deadline_usec == 900 &&
			       x->revocation_offset == 8 && x->revocation_length == 16 &&
			       x->cause == CAUSE_WRITE);
		step(r, x, (struct region_event){ .type = REGION_ADOPTED, .state = REGION_LIVE });
		assert(!out.n && x->state == cases[i].state); /* it is known by now */
		step(r, x, (struct region_event){ .type = REGION_ADOPTION_DONE });
		assert((effect(REGION_SEND_CONSENT) != NULL) ==
		       (cases[i].state == REGION_DRAINING));
		registry_remove_region(r, x);
	}
}

/*
 * Draining: nobody consents before it is known who holds the region; a peer that answered is not
 * asked again, one that did not is waited for, and local holders are asked anew.
 */
static void test_draining(void)
{
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *x = new_region(&r);

	adopt(r, x, REGION_DRAINING, 4);
	join(r, x, HOLDER_PEER, 1, 4); /* has to answer yet */
	join(r, x, HOLDER_PEER, 2, 0); /* has answered */
	join(r, x, HOLDER_PEER, 3, 3); /* was asked something older */
	join(r, x, HOLDER_CLIENT, 9, 0);
	assert(x->pending == 1 && x->peers == 3 && x->clients == 1);
	step(r, x,
	     (struct region_event){ .type = REGION_HOLDER_LEFT, .kind = HOLDER_PEER, .holder = 1 });
	assert(x->pending == 0 && !effect(REGION_SEND_CONSENT));
	step(r, x, (struct region_event){ .type = REGION_ADOPTION_DONE });
	assert(effect(REGION_ASK_CLIENTS)->revocation == 4 && x->pending == 1);
	assert(!effect(REGION_SEND_CONSENT));
	step(r, x, (struct region_event){ .type = REGION_ADOPTION_DONE });
	assert(!out.n); /* once */
	acknowledge(r, x, HOLDER_CLIENT, 9, 3);
	acknowledge(r, x, HOLDER_CLIENT, 9, 5);
	acknowledge(r, x, HOLDER_PEER, 9, 4);
	assert(!out.n && x->pending == 1);
	acknowledge(r, x, HOLDER_CLIENT, 9, 4);
	assert(effect(REGION_SEND_CONSENT)->revocation == 4 && x->pending == 0);
	acknowledge(r, x, HOLDER_CLIENT, 9, 4);
	assert(!effect(REGION_SEND_CONSENT));
	registry_remove_region(r, x);
}

/* What the keeper says while the holders are still being told counts, and comes first. */
static void test_news_before_the_end(void)
{
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *x = new_region(&r);

	adopt(r, x, REGION_DRAINING, 4);
	join(r, x, HOLDER_PEER, 1, 4);
	step(r, x, (struct region_event){ .type = REGION_WAS_FENCED, .revocation = 4 });
	assert(x->state == REGION_FENCED && x->pending == 0);
	step(r, x, (struct region_event){ .type = REGION_ADOPTION_DONE });
	assert(!out.n);
	step(r, x,
	     (struct region_event){ .type = REGION_WAS_SETTLED,
				    .revocation = 4,
				    .outcome = OUTCOME_TRUNCATED,
				    .valid_length = 40 });
	assert(effect(REGION_TELL_SETTLED)->outcome == OUTCOME_TRUNCATED &&
	       x->state == REGION_LIVE);
	/* the next question is an ordinary one */
	revoked(r, x, 5);
	assert(x->pending == 1 && !effect(REGION_SEND_CONSENT));
	acknowledge(r, x, HOLDER_PEER, 1, 5);
	assert(effect(REGION_SEND_CONSENT)->revocation == 5);
	registry_remove_region(r, x);
}

/*
 * Lower or equal numbers are stale; a higher one asks everybody anew, also those who had answered,
 * and from behind the fence.
 */
static void test_superseding(void)
{
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *x = new_region(&r);
	struct region before;

	step(r, x, (struct region_event){ .type = REGION_REGISTERED, .valid_length = 100 });
	join(r, x, HOLDER_CLIENT, 1, 0);
	join(r, x, HOLDER_PEER, 1, 0);
	revoked(r, x, 2);
	acknowledge(r, x, HOLDER_CLIENT, 1, 2);
	assert(x->pending == 1);
	revoked(r, x, 3);
	assert(x->pending == 2 && effect(REGION_ASK_CLIENTS)->revocation == 3);
	assert(x->revocation_offset == 30 && x->deadline_usec == 997);
	acknowledge(r, x, HOLDER_PEER, 1, 2); /* to the question before */
	assert(!out.n && x->pending == 2);
	memcpy(&before, x, sizeof(before));
	for (uint64_t n = 0; n <= 3; n++) {
		revoked(r, x, n);
		assert(!out.n && !memcmp(&before, x, sizeof(before)));
	}
	acknowledge(r, x, HOLDER_PEER, 1, 3);
	acknowledge(r, x, HOLDER_CLIENT, 1, 3);
	assert(effect(REGION_SEND_CONSENT)->revocation == 3);
	revoked(r, x, 4); /* consented to 3 already: that counts no more */
	assert(x->pending == 2 && !x->consent_sent && !effect(REGION_SEND_CONSENT));
	step(r, x, (struct region_event){ .type = REGION_WAS_FENCED, .revocation = 3 });
	step(r, x, (struct region_event){ .type = REGION_WAS_SETTLED, .revocation = 3 });
	assert(!out.n && x->state == REGION_DRAINING);
	step(r, x, (struct region_event){ .type = REGION_WAS_FENCED, .revocation = 4 });
	assert(x->state == REGION_FENCED && x->pending == 0);
	revoked(r, x, 5);
	assert(x->state == REGION_DRAINING && x->pending == 2 && effect(REGION_PUBLISH));
	step(r, x, (struct region_event){ .type = REGION_KEEPER_GONE });
	assert(effect(REGION_TELL_SETTLED)->revocation == 5 &&
	       effect(REGION_TELL_SETTLED)->outcome == OUTCOME_GONE);
	registry_remove_region(r, x);
}

/*
 * With a grace the region stays as it is until the keeper asks; without holders, or without a
 * grace, it closes at once.
 */
static void test_release(void)
{
	static const struct {
		uint64_t asked_usec, grace_usec;
		bool held;
	} cases[] = {
		{ 0, 0, true },	      { 300, 300, true },	  { 5000, 5000, true },
		{ 5001, 5000, true }, { UINT64_MAX, 5000, true }, { 300, 0, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_(registry_freep) struct registry *r = NULL;
		struct region *x = new_region(&r);
		const struct region_event wanted = { .type = REGION_RELEASE_WANTED,
						     .cause = CAUSE_UNMOUNT,
						     .grace_usec = cases[i].asked_usec };

		step(r, x, (struct region_event){ .type = REGION_REGISTERED, .valid_length = 100 });
		if (cases[i].held)
			join(r, x, HOLDER_PEER, 1, 0);
		step(r, x, wanted);
		assert(effect(REGION_SEND_RELEASE)->grace_usec == cases[i].grace_usec);
		assert(effect(REGION_SEND_RELEASE)->cause == CAUSE_UNMOUNT);
		assert(x->state == (cases[i].grace_usec ? REGION_LIVE : REGION_CLOSING));
		step(r, x, wanted);
		assert(!out.n);		   /* once */
		if (cases[i].grace_usec) { /* shorter: once more, and nothing takes that back */
			struct region_event sooner = wanted;

			sooner.grace_usec = cases[i].grace_usec - 1;
			sooner.cause = CAUSE_QUOTA;
			step(r, x, sooner);
			assert(out.n == 1 &&
			       effect(REGION_SEND_RELEASE)->grace_usec == sooner.grace_usec);
			assert(effect(REGION_SEND_RELEASE)->cause == CAUSE_QUOTA &&
			       x->state == REGION_LIVE);
			step(r, x, wanted);
			assert(!out.n);
			sooner.now_usec = 1; /* the same time left later is a later deadline */
			step(r, x, sooner);
			assert(!out.n);
		}
		revoked(r, x, 1);
		assert((x->state == REGION_DRAINING) == (cases[i].grace_usec != 0));
		step(r, x, (struct region_event){ .type = REGION_RELEASED });
		assert(out.item[out.n - 1].type == REGION_REMOVE && effect(REGION_REPLY_RELEASE));
		assert((effect(REGION_TELL_SETTLED) != NULL) == (cases[i].grace_usec != 0));
		registry_remove_region(r, x);
	}
}

/* In every state: events that are not for it, or unknown, change nothing. */
static void test_stale(void)
{
	static const struct region_event stale[] = {
		{ .type = REGION_REGISTERED, .valid_length = 1 },
		{ .type = REGION_REGISTER_FAILED, .error = -EIO },
		{ .type = REGION_ADOPTED, .state = REGION_LIVE },
		{ .type = REGION_HOLDER_LEFT, .kind = HOLDER_PEER, .holder = 99 },
		{ .type = REGION_HOLDER_LEFT, .kind = HOLDER_PEER, .holder = UINT64_MAX },
		{ .type = REGION_HOLDER_JOINED, .kind = HOLDER_PEER, .holder = 1 },
		{ .type = REGION_HOLDER_ACKED, .kind = HOLDER_PEER, .holder = 1, .revocation = 0 },
		{ .type = REGION_HOLDER_ACKED,
		  .kind = HOLDER_PEER,
		  .holder = 1,
		  .revocation = UINT64_MAX },
		{ .type = REGION_HOLDER_ACKED, .kind = HOLDER_PEER, .holder = 99, .revocation = 2 },
		{ .type = REGION_REVOKED, .revocation = 2 },
		{ .type = REGION_WAS_FENCED, .revocation = 1 },
		{ .type = REGION_WAS_FENCED, .revocation = 3 },
		{ .type = REGION_WAS_SETTLED, .revocation = 1 },
		{ .type = REGION_WAS_SETTLED, .revocation = 3 },
		{ .type = REGION_PREFETCH_ENDED },
		{ .type = REGION_ADOPTION_DONE },
		{ .type = REGION_LENGTH, .valid_length = 100 },
		{ .type = _REGION_EVENT_MAX },
	};

	for (int state = REGION_LIVE; state <= REGION_CLOSING; state++) {
		_cleanup_(registry_freep) struct registry *r = NULL;
		struct region *x = new_region(&r), before;

		if (state == REGION_WARMING)
			continue; /* its only stale event would be one that ends the warming */
		step(r, x, (struct region_event){ .type = REGION_REGISTERED, .valid_length = 100 });
		join(r, x, HOLDER_PEER, 1, 0);
		revoked(r, x, 2);
		if (state != REGION_DRAINING)
			step(r, x,
			     (struct region_event){ .type = REGION_WAS_FENCED, .revocation = 2 });
		if (state == REGION_LIVE)
			step(r, x,
			     (struct region_event){ .type = REGION_WAS_SETTLED,
						    .revocation = 2,
						    .valid_length = 100 });
		if (state == REGION_CLOSING)
			step(r, x, (struct region_event){ .type = REGION_RELEASE_WANTED });
		assert(x->state == state);
		memcpy(&before, x, sizeof(before));
		for (size_t i = 0; i < sizeof(stale) / sizeof(*stale); i++) {
			step(r, x, stale[i]);
			assert(!out.n && !memcmp(&before, x, sizeof(before)));
		}
		registry_remove_region(r, x);
	}
}

int main(void)
{
	test_states();
	test_draining();
	test_news_before_the_end();
	test_superseding();
	test_release();
	test_stale();
	return 0;
}
