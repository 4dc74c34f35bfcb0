// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p8-registry.c - figure P8, the core's half: 524,288 regions, as libfabric's largest cache has, in
 * the registry of daemon/core. Bytes of each with its owner as a holder, and how long finding one
 * takes at several sizes.
 *
 *   p8-registry [--quick]
 *
 * Runs anywhere; nothing here needs an adapter, a bus or a keeper.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "core/registry.h"

#define REGIONS 524288u
#define PER_TENANT 65536u /* the most that a tenant may have */
#define LOOKUPS 50000u

static struct registry *registry;
static uint64_t *numbers;
static size_t regions = REGIONS; /* fewer in a test */

/* @id: 0: the next one. */
static void add(uint32_t tenant, size_t i, uint64_t id)
{
	struct region_event events[] = {
		{ .type = REGION_REGISTERED, .valid_length = PAGE, .rkey = 1, .generation = 1 },
		{ .type = REGION_HOLDER_JOINED, .kind = HOLDER_CLIENT, .holder = 1 + i / 1024 },
	};
	struct region_effects effects;
	struct region *region;

	if (registry_reserve_holder(registry) ||
	    registry_add_region(registry, tenant, 1 + i / 1024, PAGE, id, &region))
		die("adding a region");
	numbers[i] = region->id;
	for (size_t e = 0; e < sizeof(events) / sizeof(*events); e++)
		region_step(registry, region, &events[e], &effects);
	if (!region_is_held_by(registry, region, HOLDER_CLIENT, 1 + i / 1024))
		die("the owner does not hold its region");
}

/* Nanoseconds of finding one of the first @n at random. */
static double lookup_nsec(size_t n)
{
	uint64_t state = 88172645463325252ull, found = 0;
	double start = now_usec();

	for (unsigned int i = 0; i < LOOKUPS; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		found += registry_find(registry, numbers[state % n])->id;
	}
	if (!found)
		die("found nothing");
	return (now_usec() - start) * 1e3 / LOOKUPS;
}

/*
 * The registry anew, with a third of the numbers: the worst that is likely to happen to numbers
 * that were given out in a row.
 */
static void make_sparse(const struct registry_limits *limits)
{
	uint32_t tenant;

	registry_free(registry);
	if (registry_new(&registry, limits) ||
	    registry_get_tenant(registry, 1000, "sparse", &tenant))
		die("memory");
	for (size_t i = 0; i < regions; i++)
		add(tenant, i, 1 + 3 * i + (i * 2654435761u >> 16) % 3);
}

int main(int argc, char **argv)
{
	const struct registry_limits limits = {
		.regions_per_tenant = PER_TENANT,
		.bytes_per_tenant = UINT64_MAX,
		.regions_per_client = PER_TENANT,
		.tenants_per_uid = 16,
		.tenants = 64,
	};
	const size_t steps[] = { 1024, 16384, 131072, REGIONS };
	struct samples small = { 0 }, large = { 0 };
	char subject[64], session[32];
	size_t before, done = 0;

	bench_begin(argc, argv, "P8");
	regions = quick ? 16384 : REGIONS;
	numbers = calloc(REGIONS, sizeof(*numbers));
	if (!numbers || registry_new(&registry, &limits))
		die("memory");
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (size_t s = 0; done < regions; s++) {
		struct samples took = { 0 };

		for (; done < steps[s]; done++) {
			uint32_t tenant;

			snprintf(session, sizeof(session), "s%zu", done / PER_TENANT);
			if (registry_get_tenant(registry, 1000, session, &tenant))
				die("tenant");
			add(tenant, done, 0);
		}
		for (int i = 0; i < (quick ? 3 : 15); i++)
			samples_add(&took, lookup_nsec(done) / 1e3);
		snprintf(subject, sizeof(subject), "core, %zu regions", done);
		row(subject, "finding one at random", &took, "us", done == regions ? "<= 1" : NULL);
		samples_clear(&took);
	}
	snprintf(subject, sizeof(subject), "core, %zu regions", done);
	row_number(subject, "memory of a region with its owner as holder",
		   (double)(mallinfo2().uordblks + mallinfo2().hblkhd - before) / (double)done,
		   "bytes", "<= 256");
	for (int i = 0; i < (quick ? 3 : 15); i++) {
		samples_add(&large, lookup_nsec(done));
		samples_add(&small, lookup_nsec(1024));
	}
	row_ratio(subject, "finding one of all / one of the first 1024", &large, &small, NULL);
	samples_clear(&large);
	make_sparse(&limits);
	for (int i = 0; i < (quick ? 3 : 15); i++)
		samples_add(&large, lookup_nsec(done) / 1e3);
	snprintf(subject, sizeof(subject), "core, %zu regions, two of three numbers gone", done);
	row(subject, "finding one at random", &large, "us", "<= 1");
	samples_clear(&large);
	samples_clear(&small);
	registry_free(registry);
	free(numbers);
	return 0;
}
