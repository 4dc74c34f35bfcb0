// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core.c - the registry's limits and lookups, and the steps of a region that the explorer's
 * small world does not contain.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/registry.h"
#include "util/cleanup.h"

static const struct registry_limits limits = {
	.regions_per_tenant = 4,
	.bytes_per_tenant = 1000,
	.regions_per_client = 2,
	.tenants_per_uid = 2,
	.tenants = 3,
};

static void test_limits(void)
{
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *a, *b, *c;
	uint32_t t, u, v;

	assert(registry_new(&r, &limits) == 0);
	assert(registry_get_tenant(r, 1000, "x", &t) == 0);
	assert(registry_get_tenant(r, 1000, "x", &u) == 0 && u == t);
	assert(registry_get_tenant(r, 1000, "y", &u) == 0 && u != t);
	assert(registry_get_tenant(r, 1000, "z", &v) == REGISTRY_E_TENANTS_PER_UID);
	assert(registry_get_tenant(r, 1001, "x", &v) == 0);
	assert(registry_get_tenant(r, 1002, "x", &v) == REGISTRY_E_TENANTS);

	assert(registry_add_region(r, t, 7, 600, 0, &a) == 0);
	assert(registry_add_region(r, t, 7, 401, 0, &b) == REGISTRY_E_BYTES_PER_TENANT);
	assert(registry_add_region(r, t, 7, UINT64_MAX, 0, &b) == REGISTRY_E_BYTES_PER_TENANT);
	assert(registry_add_region(r, t, 7, 400, 0, &b) == 0);
	assert(registry_add_region(r, t, 7, 0, 0, &c) == REGISTRY_E_REGIONS_PER_CLIENT);
	assert(registry_add_region(r, t, 0, 0, 0, &c) == 0);
	assert(registry_add_region(r, t, 0, 0, 0, &c) == 0);
	assert(registry_add_region(r, t, 0, 0, 0, &c) == REGISTRY_E_REGIONS_PER_TENANT);
	assert(registry_count(r) == 4 && registry_client_regions(r, 7) == 2);
	assert(registry_tenant(r, t)->bytes == 1000);

	registry_remove_region(r, a);
	assert(registry_client_regions(r, 7) == 1 && registry_tenant(r, t)->bytes == 400);
	registry_remove_region(r, b);
	assert(registry_client_regions(r, 7) == 0);
	registry_drop_tenant(r, t); /* still has two */
	assert(registry_tenant(r, t));
	registry_drop_tenant(r, u);
	assert(!registry_tenant(r, u));
}

static struct region *after_of_uid(const struct registry *r, uint32_t uid, uint64_t id)
{
	return registry_after_of(r, &uid, NULL, id);
}

static void test_order(void)
{
	static const struct registry_limits wide = { 100000, UINT64_MAX, 100000, 9, 9 };
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *x;
	uint32_t t, other;

	assert(registry_new(&r, &wide) == 0);
	assert(registry_get_tenant(r, 1, "d", &t) == 0 &&
	       registry_get_tenant(r, 2, "d", &other) == 0);
	assert(registry_add_region(r, t, 0, 1, 50, &x) == 0 && x->id == 50);
	assert(registry_add_region(r, t, 0, 1, 50, &x) == REGISTRY_E_EXISTS);
	assert(registry_add_region(r, t, 0, 1, 10, &x) == 0);
	assert(registry_add_region(r, t, 0, 1, 0, &x) == 0 && x->id == 51);
	assert(registry_after(r, 0)->id == 10 && registry_after(r, 10)->id == 50 &&
	       registry_after(r, 50)->id == 51);
	assert(!registry_after(r, 51) && !registry_after(r, UINT64_MAX) && !registry_find(r, 11));
	assert(registry_add_region(r, other, 0, 1, 30, &x) == 0);
	assert(registry_after(r, 10)->id == 30 && after_of_uid(r, 1, 10)->id == 50);
	assert(after_of_uid(r, 2, 0)->id == 30 && !after_of_uid(r, 2, 30));
	assert(!after_of_uid(r, 3, 0) && !after_of_uid(r, 1, UINT64_MAX));
	registry_remove_region(r, x);
	assert(!after_of_uid(r, 2, 0) && after_of_uid(r, 1, 0)->id == 10);
	registry_remove_region(r, registry_find(r, 51));
	assert(registry_add_region(r, t, 0, 1, 0, &x) == 0 && x->id == 52); /* never twice */
	for (int i = 0; i < 20000; i++)
		assert(registry_add_region(r, t, 0, 1, 0, &x) == 0);
	while ((x = registry_after(r, 0)))
		registry_remove_region(r, x);
	assert(registry_tenant(r, t)->bytes == 0 && registry_tenant(r, t)->regions == 0);
}

/* Three tenants, of two uids and two names of sessions. */
static void test_order_of_sessions(void)
{
	static const struct registry_limits wide = { 100, UINT64_MAX, 100, 9, 9 };
	_cleanup_(registry_freep) struct registry *r = NULL;
	const uint32_t one = 1, two = 2, three = 3;
	struct region *x;
	uint32_t t[3];

	assert(registry_new(&r, &wide) == 0);
	assert(registry_get_tenant(r, one, "a", &t[0]) == 0);
	assert(registry_get_tenant(r, one, "b", &t[1]) == 0);
	assert(registry_get_tenant(r, two, "a", &t[2]) == 0);
	for (uint64_t id = 10; id < 19; id++) /* 10 a, 11 b, 12 the other's a, 13 a, ... */
		assert(registry_add_region(r,
					   t[id % 3 == 1   ? 0
					     : id % 3 == 2 ? 1
							   : 2],
					   0, 1, id, &x) == 0);
	assert(registry_after_of(r, NULL, NULL, 10)->id == 11);
	assert(registry_after_of(r, &one, NULL, 11)->id == 13);
	assert(registry_after_of(r, &one, "a", 10)->id == 13);
	assert(registry_after_of(r, &one, "b", 0)->id == 11);
	assert(registry_after_of(r, &one, "b", 16)->id == 17);
	assert(!registry_after_of(r, &one, "b", 17) && !registry_after_of(r, &one, "c", 0));
	assert(registry_after_of(r, &two, "a", 0)->id == 12 && !registry_after_of(r, &two, "b", 0));
	assert(registry_after_of(r, NULL, "a", 10)->id == 12);
	assert(registry_after_of(r, NULL, "a", 12)->id == 13);
	assert(registry_after_of(r, NULL, "b", 12)->id == 14);
	assert(!registry_after_of(r, NULL, "a", UINT64_MAX) &&
	       !registry_after_of(r, &three, NULL, 0));
	for (uint64_t id = 11; id < 19; id += 3)
		registry_remove_region(r, registry_find(r, id));
	assert(!registry_after_of(r, NULL, "b", 0) &&
	       registry_after_of(r, &one, NULL, 10)->id == 13);
}

static struct region_effects do_step(struct registry *r, struct region *x, struct region_event e)
{
	struct region_effects out;

	region_step(r, x, &e, &out);
	return out;
}

static bool has(const struct region_effects *out, enum region_effect_type type)
{
	for (size_t i = 0; i < out->n; i++)
		if (out->item[i].type == type)
			return true;
	return false;
}

static struct region *live_region(struct registry *r, uint64_t owner)
{
	struct region *x;
	uint32_t t;

	assert(registry_get_tenant(r, 1, "d", &t) == 0);
	assert(registry_add_region(r, t, owner, 100, 0, &x) == 0);
	do_step(r, x,
		(struct region_event){ .type = REGION_REGISTERED, .valid_length = 100, .rkey = 5 });
	assert(x->state == REGION_LIVE && x->rkey == 5);
	return x;
}

/* An owner who vanishes while the keeper still registers: nothing may stay. */
static void test_release_while_registering(void)
{
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region_effects out;
	struct region *x;
	uint32_t t;

	assert(registry_new(&r, &limits) == 0);
	assert(registry_get_tenant(r, 1, "d", &t) == 0);
	assert(registry_add_region(r, t, 3, 100, 0, &x) == 0);
	out = do_step(r, x, (struct region_event){ .type = REGION_RELEASE_WANTED });
	assert(out.n == 0 && x->state == REGION_REGISTERING);
	out = do_step(r, x, (struct region_event){ .type = REGION_REGISTERED });
	assert(has(&out, REGION_SEND_RELEASE) && !has(&out, REGION_TELL_ADDED) &&
	       x->state == REGION_CLOSING);
	out = do_step(r, x, (struct region_event){ .type = REGION_RELEASED });
	assert(out.item[out.n - 1].type == REGION_REMOVE);
	registry_remove_region(r, x);
	assert(registry_client_regions(r, 3) == 0);
}

static void test_prefetch_state(void)
{
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region *x;

	assert(registry_new(&r, &limits) == 0);
	x = live_region(r, 0);
	do_step(r, x, (struct region_event){ .type = REGION_PREFETCH_ENDED });
	assert(x->state == REGION_LIVE && x->prefetches == 0);
	do_step(r, x, (struct region_event){ .type = REGION_PREFETCH_BEGAN });
	assert(x->state == REGION_WARMING);
	do_step(r, x,
		(struct region_event){ .type = REGION_REVOKED, .revocation = 1, .length = 100 });
	assert(x->state == REGION_DRAINING);
	do_step(r, x, (struct region_event){ .type = REGION_PREFETCH_ENDED });
	assert(x->state == REGION_DRAINING);
	do_step(r, x, (struct region_event){ .type = REGION_WAS_FENCED, .revocation = 1 });
	do_step(r, x,
		(struct region_event){
			.type = REGION_WAS_SETTLED, .revocation = 1, .valid_length = 40 });
	assert(x->state == REGION_LIVE && x->valid_length == 40 && !x->revoking);
}

/*
 * Without a reserved holder a join is dropped, not a crash; with one it counts; a second join of
 * the same is one.
 */
static void test_holders(void)
{
	_cleanup_(registry_freep) struct registry *r = NULL;
	struct region_event join = { .type = REGION_HOLDER_JOINED,
				     .kind = HOLDER_PEER,
				     .holder = 9 };
	struct region_effects out;
	struct region *x;

	assert(registry_new(&r, &limits) == 0);
	x = live_region(r, 0);
	do_step(r, x, join);
	assert(x->peers == 0);
	assert(registry_reserve_holder(r) == 0);
	do_step(r, x, join);
	do_step(r, x, join);
	assert(x->peers == 1 && region_is_held_by(r, x, HOLDER_PEER, 9) &&
	       !region_is_held_by(r, x, HOLDER_CLIENT, 9));

	out = do_step(r, x, (struct region_event){ .type = REGION_REVOKED, .revocation = 4 });
	assert(has(&out, REGION_ASK_CLIENTS) && !has(&out, REGION_SEND_CONSENT) && x->pending == 1);
	/* more is wanted: asked again, and the answer to the first question counts no more */
	out = do_step(r, x, (struct region_event){ .type = REGION_REVOKED, .revocation = 5 });
	assert(has(&out, REGION_ASK_CLIENTS) && x->revocation == 5 && x->pending == 1);
	out = do_step(r, x, (struct region_event){ .type = REGION_REVOKED, .revocation = 5 });
	assert(out.n == 0);
	out = do_step(r, x,
		      (struct region_event){ .type = REGION_HOLDER_ACKED,
					     .kind = HOLDER_PEER,
					     .holder = 9,
					     .revocation = 4 });
	assert(out.n == 0 && x->pending == 1);
	out = do_step(r, x,
		      (struct region_event){
			      .type = REGION_HOLDER_LEFT, .kind = HOLDER_PEER, .holder = 9 });
	assert(has(&out, REGION_SEND_CONSENT) && x->peers == 0);
	out = do_step(r, x, (struct region_event){ .type = REGION_KEEPER_GONE });
	assert(has(&out, REGION_TELL_SETTLED) && has(&out, REGION_REPLY_RELEASE));
	assert(out.item[out.n - 1].type == REGION_REMOVE && x->state == REGION_CLOSING);
	registry_remove_region(r, x);
}

int main(void)
{
	test_limits();
	test_order();
	test_order_of_sessions();
	test_release_while_registering();
	test_prefetch_state();
	test_holders();
	assert(sizeof(struct region) <= 256);
	printf("a region takes %zu bytes, a holder %zu\n", sizeof(struct region),
	       sizeof(struct holder));
	return 0;
}
