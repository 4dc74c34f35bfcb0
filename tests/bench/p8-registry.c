// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p8-registry.c - figure P8, the core's half: up to 524,288 regions, as libfabric's largest cache
 * has, in the registry of daemon/core. At each size: what finding a region costs, also while
 * something else has the processor's caches, adding one, the next one of a list, and taking out the
 * oldest; each against the same with 1024 regions, in turn. And the bytes of a region with its owner
 * as a holder.
 *
 *   p8-registry [--quick]
 *
 * Runs anywhere; nothing here needs an adapter, a bus or a keeper. Times are the processor's.
 *
 * What always holds: what is measured leaves the number of regions as it was. Eight tenants have
 * regions in turn, so that no list is all there is.
 */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "core/registry.h"

#define REGIONS 524288u
#define FEW 1024u
#define STEP 8u
#define TENANTS 8u
#define PER_CLIENT 1024u
#define LOOKUPS 50000u
#define BATCH 64u
#define CACHES (64 * MIB) /* more than they have */

/* A registry, and the numbers of its regions: a ring, the oldest at @oldest. */
struct side {
	struct registry *registry;
	uint64_t *numbers;
	size_t oldest;
	size_t n;
	uint64_t added; /* ever */
	uint32_t tenant[TENANTS];
};

enum operation { FIND, FIND_COLD, ADD, NEXT_OF_UID, NEXT_OF_SESSION, REMOVE, _OPERATION_MAX };

static const struct {
	const char *name;
	const char *goal;
} operations[_OPERATION_MAX] = {
	[FIND] = { "finding one at random", NULL },
	[FIND_COLD] = { "finding one at random, caches used by others", NULL },
	[ADD] = { "adding one", "<= 4" },
	[NEXT_OF_UID] = { "the next one of a user's list", "<= 4" },
	[NEXT_OF_SESSION] = { "the next one of a session's list", "<= 4" },
	[REMOVE] = { "taking out the oldest", "<= 4" },
};

static size_t regions = REGIONS; /* fewer in a test */
static char *others;		 /* what fills the caches */

static uint64_t *number(const struct side *s, size_t i)
{
	return &s->numbers[(s->oldest + i) % REGIONS];
}

/* @id: 0: the next one. */
static void add(struct side *s, uint64_t id)
{
	uint64_t client = 1 + s->added / PER_CLIENT;
	struct region_event events[] = {
		{ .type = REGION_REGISTERED, .valid_length = PAGE, .rkey = 1, .generation = 1 },
		{ .type = REGION_HOLDER_JOINED, .kind = HOLDER_CLIENT, .holder = client },
	};
	struct region_effects effects;
	struct region *region;

	if (registry_reserve_holder(s->registry) ||
	    registry_add_region(s->registry, s->tenant[s->added % TENANTS], client, PAGE, id,
				&region))
		die("adding a region");
	for (size_t e = 0; e < sizeof(events) / sizeof(*events); e++)
		region_step(s->registry, region, &events[e], &effects);
	if (!region_is_held_by(s->registry, region, HOLDER_CLIENT, client))
		die("the owner does not hold its region");
	*number(s, s->n++) = region->id;
	s->added++;
}

static void remove_oldest(struct side *s)
{
	registry_remove_region(s->registry, registry_find(s->registry, *number(s, 0)));
	s->oldest = (s->oldest + 1) % REGIONS;
	s->n--;
}

static void begin(struct side *s)
{
	const struct registry_limits limits = {
		.regions_per_tenant = REGIONS,
		.bytes_per_tenant = UINT64_MAX,
		.regions_per_client = REGIONS,
		.tenants_per_uid = TENANTS,
		.tenants = TENANTS,
	};
	char session[16];

	*s = (struct side){ .numbers = calloc(REGIONS, sizeof(*s->numbers)) };
	if (!s->numbers || registry_new(&s->registry, &limits))
		die("memory");
	for (unsigned int t = 0; t < TENANTS; t++) {
		snprintf(session, sizeof(session), "s%u", t);
		if (registry_get_tenant(s->registry, 1000, session, &s->tenant[t]))
			die("tenant");
	}
}

static void end(struct side *s)
{
	registry_free(s->registry);
	free(s->numbers);
}

static double find(const struct side *s, unsigned int count)
{
	static uint64_t state = 88172645463325252ull;
	double start = processor_usec();
	uint64_t found = 0;

	for (unsigned int i = 0; i < count; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		found += registry_find(s->registry, *number(s, state % s->n))->id;
	}
	if (!found)
		die("found nothing");
	return (processor_usec() - start) / count;
}

/* The numbers that are looked for are not in the caches either. */
static double find_cold(const struct side *s)
{
	for (size_t i = 0; i < CACHES; i += 64)
		others[i]++;
	return find(s, BATCH);
}

static double add_some(struct side *s)
{
	double start = processor_usec();

	for (unsigned int i = 0; i < BATCH; i++)
		add(s, 0);
	return (processor_usec() - start) / BATCH;
}

static double remove_some(struct side *s)
{
	double start = processor_usec();

	for (unsigned int i = 0; i < BATCH; i++)
		remove_oldest(s);
	return (processor_usec() - start) / BATCH;
}

/* Of one step of a walk over what a uid has, or one of its sessions: pages of 64 from anywhere. */
static double next(const struct side *s, const char *session)
{
	const uint32_t uid = 1000;
	double start = processor_usec();
	unsigned int steps = 0;

	for (size_t i = 0; i < s->n; i += s->n / 16 + 1) {
		uint64_t after = *number(s, i);
		const struct region *region;

		for (unsigned int k = 0; k < BATCH; k++, steps++) {
			region = registry_after_of(s->registry, &uid, session, after);
			if (!region)
				break;
			after = region->id;
		}
	}
	return (processor_usec() - start) / steps;
}

static void look(struct side *s, struct samples *took)
{
	samples_add(&took[FIND], find(s, quick ? BATCH : LOOKUPS));
	samples_add(&took[FIND_COLD], find_cold(s));
	samples_add(&took[NEXT_OF_UID], next(s, NULL));
	samples_add(&took[NEXT_OF_SESSION], next(s, "s1"));
	samples_add(&took[REMOVE], remove_some(s));
	samples_add(&took[ADD], add_some(s));
}

static void measure(struct side *few, struct side *many)
{
	struct samples took[2][_OPERATION_MAX] = { 0 };
	char subject[64], what[96];

	for (unsigned int i = 0; i < bench_rounds(15); i++) {
		look(few, took[0]);
		look(many, took[1]);
	}
	snprintf(subject, sizeof(subject), "core, %zu regions", many->n);
	for (size_t o = 0; o < _OPERATION_MAX; o++) {
		if (o == FIND || o == FIND_COLD)
			row(subject, operations[o].name, &took[1][o], "us", "<= 1");
		snprintf(what, sizeof(what), "%s / the same of %u", operations[o].name, FEW);
		row_ratio(subject, what, &took[1][o], &took[0][o], operations[o].goal);
	}
	for (size_t o = 0; o < _OPERATION_MAX; o++) {
		samples_clear(&took[0][o]);
		samples_clear(&took[1][o]);
	}
}

/* A third of the numbers: the worst that is likely to happen to what was given out in a row. */
static void measure_sparse(void)
{
	struct samples took = { 0 };
	struct side s;
	char subject[64];

	begin(&s);
	for (size_t i = 0; i < regions; i++)
		add(&s, 1 + 3 * i + (i * 2654435761u >> 16) % 3);
	for (unsigned int i = 0; i < bench_rounds(15); i++)
		samples_add(&took, find(&s, LOOKUPS));
	snprintf(subject, sizeof(subject), "core, %zu regions, two of three numbers gone", regions);
	row(subject, operations[FIND].name, &took, "us", "<= 1");
	samples_clear(&took);
	end(&s);
}

static size_t memory_in_use(void)
{
	const struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

int main(int argc, char **argv)
{
	struct side few, many;
	char subject[64];
	size_t before;

	bench_begin(argc, argv, "P8");
	regions = quick ? 8 * FEW : REGIONS;
	others = malloc(CACHES);
	if (!others)
		die("memory");
	memset(others, 1, CACHES);
	begin(&few);
	begin(&many);
	while (few.n < FEW)
		add(&few, 0);
	before = memory_in_use();
	for (size_t n = FEW; n <= regions; n *= STEP) {
		while (many.n < n)
			add(&many, 0);
		if (n > FEW)
			measure(&few, &many);
	}
	snprintf(subject, sizeof(subject), "core, %zu regions", many.n);
	row_number(subject, "memory of a region with its owner as holder",
		   (double)(memory_in_use() - before) / (double)many.n, "bytes", "<= 256");
	end(&many);
	end(&few);
	measure_sparse();
	free(others);
	return 0;
}
