// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * registry.c - tenants, sessions and regions that come and go, and numbers that stand for pointers,
 * each beside a list that is searched from its beginning. The first byte of the input says which.
 *
 * Measured: daemon/core/registry.c daemon/core/numbers.c
 *
 * A tenant's charge is what its regions are, and stays within the limits; what is there is found, in
 * the order of its number, and nothing else is.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "bytes.h"
#include "core/numbers.h"
#include "core/registry.h"

#define NUMBERS 64u
#define REGIONS 64u

static uint64_t numbers_there[NUMBERS];

/* Near each other, and far apart. */
static uint64_t number_of(struct bytes *b)
{
	uint8_t how = bytes_u8(b), n = bytes_u8(b);

	switch (how % 4) {
	case 0:
		return n;
	case 1:
		return UINT64_C(1) << n % 64;
	case 2:
		return UINT64_MAX - n;
	default:
		return (uint64_t)n << (how >> 2);
	}
}

static void numbers(struct bytes *b)
{
	struct numbers all = { 0 };
	size_t n = 0;

	memset(numbers_there, 0, sizeof(numbers_there));
	for (unsigned int step = 0; b->left && step < 1000; step++) {
		uint64_t number = number_of(b), *place = NULL, *empty = NULL, *next = NULL;

		for (size_t i = 0; i < NUMBERS && number; i++) {
			uint64_t *at = &numbers_there[i];

			place = *at == number ? at : place;
			empty = *at ? empty : at;
			if (*at > number && (!next || *at < *next))
				next = at;
		}
		assert(!number || numbers_find(&all, number) == place);
		assert(!number || numbers_after(&all, number) == next);
		if (place && bytes_u8(b) % 2) {
			numbers_remove(&all, number);
			*place = 0;
			n--;
		} else if (!place && empty && number) {
			*empty = number;
			assert(numbers_add(&all, number, empty) == 0);
			n++;
		}
		assert(all.n == n);
	}
	for (size_t i = 0; i < NUMBERS; i++)
		if (numbers_there[i])
			numbers_remove(&all, numbers_there[i]);
	assert(!all.n && !all.root);
}

static const struct registry_limits limits = {
	.regions_per_tenant = 4,
	.bytes_per_tenant = 40,
	.regions_per_client = 6,
	.tenants_per_uid = 2,
	.tenants = 3,
	.sessions = 2,
	.ids = 6,
};

static struct registry *r;
static struct region *there[REGIONS];
static uint32_t tenants_of[REGIONS];
static bool forced[8]; /* by tenant index: it may be above its limits */

static const char *session_of(uint8_t how)
{
	static const char *const names[] = { "a", "b", "c" };

	return names[how % 3];
}

static void check_tenants(void)
{
	uint32_t regions[8] = { 0 };
	uint64_t bytes[8] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < REGIONS; i++) {
		if (!there[i])
			continue;
		n++;
		assert(tenants_of[i] < 8);
		regions[tenants_of[i]]++;
		bytes[tenants_of[i]] += there[i]->length;
		assert(registry_find(r, there[i]->id) == there[i]);
	}
	assert(registry_count(r) == n);
	for (uint32_t i = 0; i < 8; i++) {
		const struct tenant *t;

		if (!regions[i])
			continue;
		t = registry_tenant(r, i);
		assert(t->used && t->regions == regions[i] && t->bytes == bytes[i]);
		if (!forced[i])
			assert(t->regions <= limits.regions_per_tenant &&
			       t->bytes <= limits.bytes_per_tenant);
	}
}

static void check_order(void)
{
	const struct region *last = NULL;
	size_t n = 0;

	for (const struct region *g = registry_after(r, 0); g; g = registry_after(r, g->id), n++) {
		assert(!last || last->id < g->id);
		last = g;
	}
	assert(n == registry_count(r));
}

static void add_region(struct bytes *b, uint8_t how)
{
	uint64_t id = how & 0x80 ? 1 + bytes_u8(b) : 0, length = 1 + bytes_u8(b) % 16;
	uint32_t tenant;
	size_t i = 0;
	int error;

	while (i < REGIONS && there[i])
		i++;
	if (i == REGIONS)
		return;
	error = registry_get_tenant(r, how & 1, session_of(how >> 1), &tenant);
	if (error)
		return;
	assert(tenant < 8);
	error = registry_add_region(r, tenant, how >> 4 & 3, length, id, &there[i]);
	if (error) {
		there[i] = NULL;
		assert(id ? error == REGISTRY_E_EXISTS : error > 0 && error != REGISTRY_E_EXISTS);
		return;
	}
	tenants_of[i] = tenant;
	forced[tenant] = forced[tenant] || id;
	assert(there[i]->length == length && (!id || there[i]->id == id));
}

static void happen(struct bytes *b)
{
	const struct session_limits own = { .regions = 3, .bytes = 30 };
	uint8_t what = bytes_u8(b), how = bytes_u8(b);
	struct region **g = &there[how % REGIONS];
	uint32_t i;

	switch (what % 8) {
	case 0:
	case 1:
	case 2:
		add_region(b, how);
		break;
	case 3:
	case 4:
		if (*g)
			registry_remove_region(r, *g);
		*g = NULL;
		break;
	case 5:
		registry_create_session(r, how & 1, session_of(how >> 1), &own, 1, &i);
		break;
	case 6:
		if (!registry_find_tenant(r, how & 1, session_of(how >> 1), &i))
			break;
		if (how & 0x80 && registry_tenant(r, i)->kind == TENANT_SESSION)
			registry_end_session(r, i);
		if (!registry_tenant(r, i)->regions) {
			registry_drop_tenant(r, i);
			forced[i] = false;
		}
		break;
	default:
		registry_mark_excess(r);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };

	if (bytes_u8(&b) == 'n') {
		numbers(&b);
		return 0;
	}
	memset(there, 0, sizeof(there));
	memset(forced, 0, sizeof(forced));
	assert(registry_new(&r, &limits) == 0);
	for (unsigned int step = 0; b.left && step < 1000; step++) {
		happen(&b);
		check_tenants();
	}
	check_order();
	for (size_t i = 0; i < REGIONS; i++)
		if (there[i])
			registry_remove_region(r, there[i]);
	assert(!registry_count(r));
	registry_free(r);
	return 0;
}
