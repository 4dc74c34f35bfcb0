// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p8-registry.c - figure P8, the core's half: 524,288 regions, as libfabric's largest cache has, in
 * the registry of daemon/core. Bytes of each with its owner as a holder, how long finding one takes
 * at several sizes, and what adding one, the next one of a list, and taking one out cost with so
 * many against what they cost with few.
 *
 *   p8-registry [--quick]
 *
 * Runs anywhere; nothing here needs an adapter, a bus or a keeper. Times are the processor's.
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
	double start = processor_usec();

	for (unsigned int i = 0; i < LOOKUPS; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		found += registry_find(registry, numbers[state % n])->id;
	}
	if (!found)
		die("found nothing");
	return (processor_usec() - start) * 1e3 / LOOKUPS;
}

/* Nanoseconds of one step of a walk over what a uid has, a page of 256 from anywhere. */
static double next_nsec(size_t n)
{
	double start = processor_usec();
	unsigned int steps = 0;

	for (size_t i = 0; i < n; i += n / 16 + 1) {
		const struct region *region = registry_find(registry, numbers[i]);

		for (unsigned int k = 0; k < 256 && region; k++, steps++)
			region = registry_after_of_uid(registry, 1000, region->id);
	}
	return (processor_usec() - start) * 1e3 / steps;
}

/* Adds @n more, each for itself; nanoseconds of one. */
static double add_nsec(size_t from, size_t n)
{
	double start = processor_usec();
	uint32_t tenant;
	char session[32];

	for (size_t i = from; i < from + n; i++) {
		snprintf(session, sizeof(session), "s%zu", i / PER_TENANT);
		if (registry_get_tenant(registry, 1000, session, &tenant))
			die("tenant");
		add(tenant, i, 0);
	}
	return (processor_usec() - start) * 1e3 / (double)n;
}

/* Takes out @n, the oldest first, as evicting a filesystem does; nanoseconds of one. */
static double remove_nsec(size_t from, size_t n)
{
	double start = processor_usec();

	for (size_t i = from; i < from + n; i++)
		registry_remove_region(registry, registry_find(registry, numbers[i]));
	return (processor_usec() - start) * 1e3 / (double)n;
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
	struct samples small = { 0 }, large = { 0 }, adds[2] = { 0 }, walks[2] = { 0 },
		       removals[2] = { 0 };
	char subject[64];
	size_t before, done = 0;

	bench_begin(argc, argv, "P8");
	regions = quick ? 16384 : REGIONS;
	numbers = calloc(REGIONS, sizeof(*numbers));
	if (!numbers || registry_new(&registry, &limits))
		die("memory");
	before = mallinfo2().uordblks + mallinfo2().hblkhd;
	for (size_t s = 0; done < regions; s++) {
		struct samples took = { 0 };

		for (; done < steps[s]; done += 64) {
			double nsec = add_nsec(done, 64);

			if (done < 1024 || done >= regions - 1024)
				samples_add(&adds[done >= 1024], nsec);
		}
		if (done == 1024)
			for (unsigned int i = 0; i < bench_rounds(15); i++)
				samples_add(&walks[0], next_nsec(done));
		for (int i = 0; i < (int)bench_rounds(15); i++)
			samples_add(&took, lookup_nsec(done) / 1e3);
		snprintf(subject, sizeof(subject), "core, %zu regions", done);
		row(subject, "finding one at random", &took, "us", done == regions ? "<= 1" : NULL);
		samples_clear(&took);
	}
	snprintf(subject, sizeof(subject), "core, %zu regions", done);
	row_number(subject, "memory of a region with its owner as holder",
		   (double)(mallinfo2().uordblks + mallinfo2().hblkhd - before) / (double)done,
		   "bytes", "<= 256");
	for (int i = 0; i < (int)bench_rounds(15); i++) {
		samples_add(&large, lookup_nsec(done));
		samples_add(&small, lookup_nsec(1024));
	}
	row_ratio(subject, "finding one of all / one of the first 1024", &large, &small, NULL);
	row_ratio(subject, "adding one to all / to the first 1024", &adds[1], &adds[0], NULL);
	for (unsigned int i = 0; i < bench_rounds(15); i++)
		samples_add(&walks[1], next_nsec(done));
	row_ratio(subject, "the next one of a list of all / of the first 1024", &walks[1],
		  &walks[0], NULL);
	for (size_t i = 0; i < 1024; i += 64)
		samples_add(&removals[1], remove_nsec(i, 64));
	for (size_t i = done - 1025; i >= 1024; i--)
		registry_remove_region(registry, registry_find(registry, numbers[i]));
	for (size_t i = done - 1024; i < done; i += 64)
		samples_add(&removals[0], remove_nsec(i, 64));
	row_ratio(subject, "taking out one of all / of the last 1024", &removals[1], &removals[0],
		  "<= 10");
	for (unsigned int i = 0; i < 2; i++) {
		samples_clear(&adds[i]);
		samples_clear(&walks[i]);
		samples_clear(&removals[i]);
	}
	samples_clear(&large);
	make_sparse(&limits);
	for (int i = 0; i < (int)bench_rounds(15); i++)
		samples_add(&large, lookup_nsec(done) / 1e3);
	snprintf(subject, sizeof(subject), "core, %zu regions, two of three numbers gone", done);
	row(subject, "finding one at random", &large, "us", "<= 1");
	samples_clear(&large);
	samples_clear(&small);
	registry_free(registry);
	free(numbers);
	return 0;
}
