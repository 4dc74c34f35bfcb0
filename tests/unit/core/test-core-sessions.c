// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-core-sessions.c - sessions that are created: what they are charged to, which limits count,
 * where they stand, and in which order they are found.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "core/registry.h"
#include "util/cleanup.h"

static const struct registry_limits limits = {
	.regions_per_tenant = 2,
	.bytes_per_tenant = 100,
	.regions_per_client = 9,
	.tenants_per_uid = 1,
	.tenants = 2,
	.sessions = 3,
	.ids = 5,
};
static const struct session_limits none;

static struct registry *new_registry(void)
{
	struct registry *r;

	assert(registry_new(&r, &limits) == 0);
	return r;
}

static int create(struct registry *r, uint32_t uid, const char *name, uint32_t *ret)
{
	return registry_create_session(r, uid, name, &none, 7, ret);
}

static int add(struct registry *r, uint32_t tenant, uint64_t bytes)
{
	struct region *region;

	return registry_add_region(r, tenant, 0, bytes, 0, &region);
}

static void remove_all(struct registry *r)
{
	struct region *region;

	while ((region = registry_after(r, 0)))
		registry_remove_region(r, region);
}

/* They count against their own limit, and ordinary tenants against theirs. */
static void test_counts(void)
{
	_cleanup_(registry_freep) struct registry *r = new_registry();
	uint32_t t, s[3], other;

	for (int i = 0; i < 3; i++)
		assert(create(r, 1, (const char *[]){ "a", "b", "c" }[i], &s[i]) == 0);
	assert(create(r, 2, "d", &t) == REGISTRY_E_SESSIONS);
	assert(!registry_find_tenant(r, 2, "d", &t));
	assert(create(r, 1, "b", &t) == REGISTRY_E_EXISTS && t == s[1]);
	assert(registry_get_tenant(r, 1, "b", &t) == 0 && t == s[1]);
	assert(registry_get_tenant(r, 1, "plain", &t) == 0);
	assert(registry_get_tenant(r, 1, "more", &other) == REGISTRY_E_TENANTS_PER_UID);
	assert(registry_get_tenant(r, 2, "plain", &other) == 0);
	assert(registry_get_tenant(r, 3, "plain", &other) == REGISTRY_E_TENANTS);
	assert(registry_count_tenants(r) == 5);
	/* one that is there becomes one, and counts there no more */
	registry_end_session(r, s[2]);
	registry_drop_tenant(r, s[2]);
	assert(!registry_find_tenant(r, 1, "c", &other));
	assert(registry_count_tenants(r) == 4);
	assert(create(r, 1, "plain", &other) == 0 && other == t);
	assert(registry_get_tenant(r, 1, "more", &other) == 0);
}

static void test_ids(void)
{
	struct registry_limits few = limits;
	_cleanup_(registry_freep) struct registry *r = NULL;
	uint32_t t, u, plain;

	few.ids = 3;
	few.tenants = 9;
	assert(registry_new(&r, &few) == 0);
	assert(registry_get_tenant(r, 1, "plain", &plain) == 0);
	assert(create(r, 1, "a", &t) == 0 && create(r, 1, "b", &u) == 0);
	assert(create(r, 1, "c", &u) == REGISTRY_E_IDS);
	/* it has an id already */
	assert(create(r, 1, "plain", &u) == 0 && u == plain);
	registry_end_session(r, t); /* its keeper may still have one */
	assert(create(r, 1, "a", &u) == 0 && u == t);
	registry_free(steal_pointer(r));
	/* those of plain tenants count as well */
	assert(registry_new(&r, &few) == 0);
	assert(registry_get_tenant(r, 1, "plain", &t) == 0);
	assert(registry_get_tenant(r, 2, "plain", &t) == 0);
	assert(create(r, 1, "a", &t) == 0 && create(r, 1, "b", &t) == REGISTRY_E_IDS);
	/* neither has a region, so each may make room for another one */
	assert(registry_get_tenant(r, 3, "plain", &t) == 0);
	registry_free(steal_pointer(r));
	/* what a session has, no plain tenant takes, whether the session has regions or not */
	assert(registry_new(&r, &few) == 0);
	assert(create(r, 1, "a", &t) == 0 && create(r, 1, "b", &t) == 0);
	assert(registry_get_tenant(r, 2, "plain", &u) == 0 &&
	       create(r, 1, "c", &t) == REGISTRY_E_IDS);
	registry_drop_tenant(r, u);
	assert(create(r, 1, "c", &t) == 0);
	assert(registry_get_tenant(r, 2, "plain", &u) == REGISTRY_E_IDS);
	/* sessions themselves are there */
	assert(registry_get_tenant(r, 1, "a", &u) == 0);
	registry_end_session(r, t);
	registry_drop_tenant(r, t);
	assert(registry_get_tenant(r, 2, "plain", &u) == 0);
}

/* Where it has limits of its own they count, else the general ones. */
static void test_limits(void)
{
	static const struct session_limits one = { .regions = 1 }, small = { .bytes = 10 },
					   large = { .regions = 3, .bytes = 300 };
	_cleanup_(registry_freep) struct registry *r = new_registry();
	uint32_t t;

	assert(registry_create_session(r, 1, "a", &one, 7, &t) == 0);
	assert(registry_tenant(r, t)->created_usec == 7 &&
	       registry_tenant(r, t)->kind == TENANT_SESSION);
	assert(add(r, t, 101) == REGISTRY_E_BYTES_PER_TENANT);
	assert(add(r, t, 100) == 0);
	assert(add(r, t, 1) == REGISTRY_E_REGIONS_PER_SESSION);
	registry_set_session_limits(r, t, &small); /* what is there stays */
	assert(add(r, t, 1) == REGISTRY_E_BYTES_PER_SESSION);
	assert(registry_tenant(r, t)->regions == 1);
	registry_mark_excess(r);
	assert(registry_after(r, 0)->excess);
	registry_set_session_limits(r, t, &large);
	registry_mark_excess(r);
	assert(!registry_after(r, 0)->excess);
	assert(add(r, t, 100) == 0 && add(r, t, 101) == REGISTRY_E_BYTES_PER_SESSION);
	assert(add(r, t, 100) == 0 && add(r, t, 0) == REGISTRY_E_REGIONS_PER_SESSION);
	registry_set_session_limits(r, t, &none);
	assert(add(r, t, 0) == REGISTRY_E_REGIONS_PER_TENANT);
	assert(registry_max_regions(r, registry_tenant(r, t)) == 2 &&
	       registry_max_bytes(r, registry_tenant(r, t)) == 100);
	remove_all(r);
}

static void test_states(void)
{
	_cleanup_(registry_freep) struct registry *r = new_registry();
	const struct tenant *s;
	struct region *region;
	uint32_t t, u;

	assert(create(r, 1, "a", &t) == 0);
	s = registry_tenant(r, t);
	assert(s->state == SESSION_ACTIVE && add(r, t, 1) == 0);
	registry_set_session_state(r, t, SESSION_DRAINING);
	assert(add(r, t, 1) == REGISTRY_E_SESSION_DRAINS);
	/* what a keeper has already is not refused */
	assert(registry_add_region(r, t, 0, 1, 77, &region) == 0);
	registry_set_session_state(r, t, SESSION_DRAINING); /* once more */
	assert(s->state == SESSION_DRAINING);
	registry_set_session_state(r, t, SESSION_ENDED);
	assert(add(r, t, 1) == REGISTRY_E_SESSION_ENDS);
	remove_all(r);
	registry_drop_tenant(r, t); /* it was created: it stays without regions */
	assert(registry_tenant(r, t) == s && s->kind == TENANT_SESSION);
	registry_end_session(r, t);
	assert(s->kind == TENANT_OVER && !registry_next_session(r, NULL, NULL, &u));
	/* while its keeper is left the name is free, for a tenant of either kind */
	assert(create(r, 1, "a", &u) == 0 && u == t && s->state == SESSION_ACTIVE);
	registry_end_session(r, t);
	assert(registry_get_tenant(r, 1, "b", &u) == 0);
	assert(registry_get_tenant(r, 1, "a", &u) == REGISTRY_E_TENANTS_PER_UID);
	registry_drop_tenant(r, u);
	registry_drop_tenant(r, t);
	assert(!registry_tenant(r, t));
}

/* Over, and then registered in: an ordinary one with the general limits. */
static void test_over(void)
{
	static const struct session_limits one = { .regions = 1 };
	_cleanup_(registry_freep) struct registry *r = new_registry();
	uint32_t t, u;

	assert(registry_create_session(r, 1, "a", &one, 7, &t) == 0);
	registry_set_session_state(r, t, SESSION_ENDED);
	registry_end_session(r, t);
	assert(registry_get_tenant(r, 1, "a", &u) == 0 && u == t);
	assert(registry_tenant(r, t)->kind == TENANT_PLAIN);
	assert(add(r, t, 1) == 0 && add(r, t, 1) == 0);
	/* one that could not be made, with the regions that were there before it */
	assert(create(r, 1, "a", &u) == 0);
	registry_end_session(r, u);
	assert(registry_tenant(r, t)->kind == TENANT_PLAIN && registry_tenant(r, t)->regions == 2);
	remove_all(r);
}

static void test_order(void)
{
	static const struct {
		uint32_t uid;
		const char *name;
	} sessions[] = { { 10, "a" }, { 2, "b" }, { 2, "a" } };
	static const int order[] = { 2, 1, 0 };
	_cleanup_(registry_freep) struct registry *r = new_registry();
	const struct tenant *after = NULL, gone = { .uid = 2, .session = "aa" };
	const uint32_t two = 2, three = 3;
	uint32_t t;

	assert(!registry_next_session(r, NULL, NULL, &t));
	for (int i = 0; i < 3; i++)
		assert(create(r, sessions[i].uid, sessions[i].name, &t) == 0);
	assert(registry_get_tenant(r, 1, "plain", &t) == 0); /* not created: not found */
	for (int i = 0; i < 3; i++) {
		assert(registry_next_session(r, NULL, after, &t));
		after = registry_tenant(r, t);
		assert(after->uid == sessions[order[i]].uid &&
		       !strcmp(after->session, sessions[order[i]].name));
	}
	assert(!registry_next_session(r, NULL, after, &t));
	assert(registry_next_session(r, &two, NULL, &t) &&
	       !strcmp(registry_tenant(r, t)->session, "a"));
	assert(registry_next_session(r, &two, &gone, &t) &&
	       !strcmp(registry_tenant(r, t)->session, "b"));
	assert(!registry_next_session(r, &two, registry_tenant(r, t), &t));
	assert(!registry_next_session(r, &three, NULL, &t));
}

static void test_names(void)
{
	static const char most[] = "123456789-123456789-123456789-123456789-12345678";
	static const char *const not[] = {
		"",	    "a b", "a/b",  "a\n",
		"\xc3\xa4", "a@b", "\x7f", "123456789-123456789-123456789-123456789-123456789"
	};

	assert(tenant_name_is_sound(most, TENANT_SESSION_MAX) &&
	       tenant_name_is_sound("a", TENANT_SESSION_MAX) &&
	       tenant_name_is_sound("AZaz09_.-", TENANT_SESSION_MAX));
	for (size_t i = 0; i < sizeof(not) / sizeof(*not); i++)
		assert(!tenant_name_is_sound(not[i], TENANT_SESSION_MAX));
}

int main(void)
{
	test_names();
	test_counts();
	test_ids();
	test_limits();
	test_states();
	test_over();
	test_order();
	return 0;
}
