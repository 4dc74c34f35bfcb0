// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-region.c - the life of a region as the daemon tells it: for each event all its effects,
 * in order, with what they carry.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/registry.h"
#include "util/cleanup.h"

static const struct registry_limits limits = { 9, 10000, 9, 9, 9 };
static struct registry *registry;
static struct region *x;

static void make(void)
{
	uint32_t t;

	registry = registry_free(registry);
	assert(registry_new(&registry, &limits) == 0 &&
	       registry_get_tenant(registry, 1, "d", &t) == 0);
	assert(registry_add_region(registry, t, 0, 100, 0, &x) == 0);
	x->grace_usec = 5000;
}

/*
 * "publish(SK) ask(4)": S state, L length, K keys, R revocation, P peers; a reply carries its
 * error.
 */
static void write_effect(char *to, size_t size, const struct region_effect *f)
{
	char changed[8] = "";

	switch (f->type) {
	case REGION_REPLY_REGISTER:
		snprintf(to, size, "registered(%d)", f->error);
		break;
	case REGION_REPLY_RELEASE:
		snprintf(to, size, "released");
		break;
	case REGION_SEND_RELEASE:
		snprintf(to, size, "release(%d,%" PRIu64 ")", (int)f->cause, f->grace_usec);
		break;
	case REGION_SEND_CONSENT:
		snprintf(to, size, "consent(%" PRIu64 ")", f->revocation);
		break;
	case REGION_ASK_CLIENTS:
		snprintf(to, size, "ask(%" PRIu64 ")", f->revocation);
		break;
	case REGION_TELL_SETTLED:
		snprintf(to, size, "settled(%" PRIu64 ",%d)", f->revocation, (int)f->outcome);
		break;
	case REGION_PUBLISH:
		for (unsigned int bit = 0; bit < 5; bit++)
			if (f->changed & 1u << bit)
				strcat(changed, (const char[]){ "SLKRP"[bit], 0 });
		snprintf(to, size, "publish(%s)", changed);
		break;
	case REGION_TELL_ADDED:
		snprintf(to, size, "added");
		break;
	case REGION_REMOVE:
		snprintf(to, size, "remove");
		break;
	case _REGION_EFFECT_MAX:
		abort();
	}
}

static void expect(struct region_event e, const char *want)
{
	struct region_effects out;
	char got[200] = "";

	memset(&out, 0xff, sizeof(out));
	if (e.type == REGION_HOLDER_JOINED)
		assert(registry_reserve_holder(registry) == 0);
	region_step(registry, x, &e, &out);
	assert(out.n < REGION_EFFECTS_MAX);
	for (size_t i = 0; i < out.n; i++) {
		if (i)
			strcat(got, " ");
		write_effect(got + strlen(got), sizeof(got) - strlen(got), &out.item[i]);
	}
	if (strcmp(got, want)) {
		fprintf(stderr, "event %d in state %d: \"%s\", not \"%s\"\n", (int)e.type, x->state,
			got, want);
		abort();
	}
}

static void plain(enum region_event_type type, const char *want)
{
	expect((struct region_event){ .type = type }, want);
}

static void holder(enum region_event_type type, enum holder_kind kind, uint64_t id,
		   uint64_t revocation, const char *want)
{
	expect(
		(struct region_event){
			.type = type, .kind = kind, .holder = id, .revocation = revocation },
		want);
}

static void registered(void)
{
	expect((struct region_event){ .type = REGION_REGISTERED,
				      .valid_length = 90,
				      .address = 4096,
				      .generation = 3,
				      .rkey = 5,
				      .mode = ARBITRATION_LAYOUT_LEASE },
	       "registered(0) added");
}

static void revoked(uint64_t revocation, const char *want)
{
	expect((struct region_event){ .type = REGION_REVOKED,
				      .revocation = revocation,
				      .cause = CAUSE_TRUNCATE,
				      .offset = 10,
				      .length = 20,
				      .deadline_usec = 1000 },
	       want);
}

static void settled(uint64_t revocation, const char *want)
{
	expect((struct region_event){ .type = REGION_WAS_SETTLED,
				      .revocation = revocation,
				      .outcome = OUTCOME_TRUNCATED,
				      .valid_length = 40,
				      .generation = 8,
				      .rkey = 9 },
	       want);
}

static void test_whole_life(void)
{
	make();
	registered();
	assert(x->valid_length == 90 && x->address == 4096 && x->generation == 3 && x->rkey == 5 &&
	       x->mode == ARBITRATION_LAYOUT_LEASE);
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 1, 0, "publish(P)");
	holder(REGION_HOLDER_JOINED, HOLDER_CLIENT, 1, 0, "publish(P)");
	revoked(1, "publish(SR) ask(1)");
	assert(x->cause == CAUSE_TRUNCATE && x->revocation_offset == 10 &&
	       x->revocation_length == 20 && x->deadline_usec == 1000);
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 2, 0, "publish(P)"); /* it was not asked */
	holder(REGION_HOLDER_ACKED, HOLDER_PEER, 1, 1, "");
	holder(REGION_HOLDER_ACKED, HOLDER_PEER, 1, 1, ""); /* twice is once */
	holder(REGION_HOLDER_ACKED, HOLDER_PEER, 2, 1, "");
	assert(x->pending == 1);
	holder(REGION_HOLDER_LEFT, HOLDER_CLIENT, 1, 0, "publish(P) consent(1)");
	expect((struct region_event){ .type = REGION_WAS_FENCED, .revocation = 1 }, "publish(S)");
	settled(1, "publish(SLKR) settled(1,1)");
	assert(x->state == REGION_LIVE && x->valid_length == 40 && x->generation == 8 &&
	       x->rkey == 9);
	expect((struct region_event){ .type = REGION_LENGTH, .valid_length = 50 }, "publish(L)");
	assert(x->valid_length == 50);
	expect((struct region_event){ .type = REGION_LENGTH, .valid_length = 50 }, "");
	holder(REGION_HOLDER_LEFT, HOLDER_PEER, 1, 0, "publish(P)");
	holder(REGION_HOLDER_LEFT, HOLDER_PEER, 2, 0, "publish(P)");
	assert(!x->pending && !x->peers && !x->clients && !x->holders);
	revoked(2, "publish(SR) ask(2) consent(2)"); /* nobody holds it */
	plain(REGION_RELEASED, "publish(R) settled(2,2) released remove");
}

/* Fenced: nobody is waited for any more, also those who had not answered. */
static void test_fenced(void)
{
	make();
	registered();
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 1, 0, "publish(P)");
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 2, 0, "publish(P)");
	revoked(1, "publish(SR) ask(1)");
	expect((struct region_event){ .type = REGION_WAS_FENCED, .revocation = 1 }, "publish(S)");
	for (uint32_t i = x->holders; i; i = registry_holder(registry, i)->next)
		assert(!registry_holder(registry, i)->asked);
	holder(REGION_HOLDER_LEFT, HOLDER_PEER, 1, 0, "publish(P)");
	assert(!x->pending);
	revoked(2, "publish(SR) ask(2)");
	holder(REGION_HOLDER_ACKED, HOLDER_PEER, 2, 2, "consent(2)");
}

/* What was wanted is withdrawn before anybody was fenced: nobody is waited for any more. */
static void test_withdrawn(void)
{
	make();
	registered();
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 1, 0, "publish(P)");
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 2, 0, "publish(P)");
	plain(REGION_PREFETCH_BEGAN, "publish(S)");
	revoked(1, "publish(SR) ask(1)");
	settled(1, "publish(SLKR) settled(1,1)");
	assert(x->state == REGION_WARMING && !x->pending);
	holder(REGION_HOLDER_LEFT, HOLDER_PEER, 1, 0, "publish(P)");
	assert(!x->pending);
	settled(1, "");
}

static void test_prefetches(void)
{
	make();
	registered();
	plain(REGION_PREFETCH_BEGAN, "publish(S)");
	plain(REGION_PREFETCH_BEGAN, "");
	assert(x->prefetches == 2 && x->state == REGION_WARMING);
	plain(REGION_PREFETCH_ENDED, "");
	plain(REGION_PREFETCH_ENDED, "publish(S)");
	assert(x->prefetches == 0 && x->state == REGION_LIVE);
	plain(REGION_PREFETCH_ENDED, "");
}

/* Another keeper makes it anew: peers are gone, local holders stay, what they were told of ends. */
static void test_replaced(void)
{
	uint32_t free_holder, was_free = 0;

	make();
	registered();
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 1, 0, "publish(P)");
	holder(REGION_HOLDER_JOINED, HOLDER_CLIENT, 1, 0, "publish(P)");
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 2, 0, "publish(P)");
	revoked(1, "publish(SR) ask(1)");
	plain(REGION_REPLACED, "publish(SP)");
	assert(x->state == REGION_REGISTERING && !x->peers && x->clients == 1 && !x->pending);
	plain(REGION_REPLACED, "");
	revoked(2, "");
	plain(REGION_REGISTERED, "publish(SLKR) settled(1,0)");
	assert(x->state == REGION_LIVE && x->revocation == 1);
	revoked(2, "publish(SR) ask(2)"); /* numbers go on */

	/* what the former keeper was asked is nobody's business any more, and no holder is leaked */
	make();
	registered();
	holder(REGION_HOLDER_JOINED, HOLDER_PEER, 1, 0, "publish(P)");
	holder(REGION_HOLDER_JOINED, HOLDER_CLIENT, 1, 0, "publish(P)");
	revoked(1, "publish(SR) ask(1)");
	plain(REGION_LIST_BEGAN, "");
	plain(REGION_REPLACED, "publish(SP)");
	assert(!registry_holder(registry, x->holders)->asked && !x->listing);
	for (uint64_t i = 2; i < 200; i++) {
		plain(REGION_REGISTERED, i == 2 ? "publish(SLKR) settled(1,0)" : "publish(SLK)");
		holder(REGION_HOLDER_JOINED, HOLDER_PEER, i, 0, "publish(P)");
		free_holder = registry_take_holder(registry);
		registry_give_holder(registry, free_holder);
		assert(i == 2 || free_holder == was_free);
		was_free = free_holder;
		plain(REGION_REPLACED, "publish(SP)");
	}

	/* before it was registered there is nothing to replace */
	make();
	plain(REGION_REPLACED, "");
	expect((struct region_event){ .type = REGION_REGISTER_FAILED, .error = -5 },
	       "registered(-5) remove");

	/* nobody was asked, and something is prefetched */
	make();
	registered();
	plain(REGION_PREFETCH_BEGAN, "publish(S)");
	plain(REGION_REPLACED, "publish(S)");
	plain(REGION_REGISTERED, "publish(SLK)");
	assert(x->state == REGION_WARMING);

	/* it cannot be made, or is released meanwhile, or that keeper ends, too */
	make();
	registered();
	revoked(1, "publish(SR) ask(1) consent(1)");
	plain(REGION_REPLACED, "publish(S)");
	expect((struct region_event){ .type = REGION_REGISTER_FAILED, .error = -5 },
	       "publish(R) settled(1,2) remove");
	make();
	registered();
	plain(REGION_REPLACED, "publish(S)");
	plain(REGION_RELEASE_WANTED, "");
	plain(REGION_REGISTERED, "publish(S) release(6,0)");
	plain(REGION_RELEASED, "released remove");
	make();
	registered();
	plain(REGION_REPLACED, "publish(S)");
	plain(REGION_KEEPER_GONE, "released remove");
}

/* While it is registered nobody knows it: only who waits is told. */
static void test_registering(void)
{
	make();
	holder(REGION_HOLDER_JOINED, HOLDER_CLIENT, 1, 0, "");
	assert(x->clients == 1);
	plain(REGION_RELEASE_WANTED, "");
	plain(REGION_REGISTERED, "registered(-125) publish(S) release(6,0)");
	assert(x->state == REGION_CLOSING);
	plain(REGION_RELEASED, "released remove");

	make();
	plain(REGION_KEEPER_GONE, "registered(-32) released remove");
	assert(x->state == REGION_CLOSING);

	make();
	plain(REGION_RELEASED, "registered(-125) released remove");

	make();
	expect((struct region_event){ .type = REGION_REGISTER_FAILED, .error = -EIO },
	       "registered(-5) remove");
}

static void test_keeper_gone(void)
{
	make();
	registered();
	plain(REGION_KEEPER_GONE, "released remove");
	assert(x->state == REGION_CLOSING);

	make();
	registered();
	revoked(1, "publish(SR) ask(1) consent(1)");
	plain(REGION_KEEPER_GONE, "publish(R) settled(1,2) released remove");
}

/* A holder's place is given to the next one. */
static void test_places(void)
{
	make();
	registered();
	for (uint64_t i = 0; i < 16; i++)
		holder(REGION_HOLDER_JOINED, HOLDER_PEER, 1 + i, 0, "publish(P)");
	assert(registry_take_holder(registry) == 0);
	holder(REGION_HOLDER_LEFT, HOLDER_PEER, 7, 0, "publish(P)");
	assert(registry_take_holder(registry) != 0);
}

int main(void)
{
	test_whole_life();
	test_fenced();
	test_withdrawn();
	test_prefetches();
	test_replaced();
	test_registering();
	test_keeper_gone();
	test_places();
	registry_free(registry);
	return 0;
}
