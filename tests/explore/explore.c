// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * explore.c - every order in which things can happen to one region, tried.
 *
 * Breadth first, from a registered region: in each world every possible next thing is done (a break, a timer, a completion or its
 * failure, a message delivered, an acknowledgement true, stale or never, somebody dying) and the invariants are checked.
 * Worlds that look alike are visited once, so the search ends, and then holds for all orders within the budgets.
 *
 * explore [deep]: with more in one history; that takes minutes and gigabytes.
 *
 * Prints the number of worlds. On a world_violation prints the path that leads to it, and exits 1.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

struct node {
	struct world w;
	uint32_t parent;
	uint8_t action;
};

static struct node *nodes;
static uint32_t n_nodes, n_allocated;
static uint32_t *table;
static uint32_t table_size;

static uint64_t hash(const struct world *w)
{
	const unsigned char *p = (const unsigned char *)w;
	uint64_t h = 1469598103934665603ull;

	for (size_t i = 0; i < sizeof(*w); i++)
		h = (h ^ p[i]) * 1099511628211ull;
	return h ^ h >> 29;
}

static void rehash(void)
{
	free(table);
	table_size = table_size ? table_size * 2 : 1u << 16;
	table = calloc(table_size, sizeof(*table));
	assert(table);
	for (uint32_t i = 0; i < n_nodes; i++) {
		uint32_t at = (uint32_t)hash(&nodes[i].w) & (table_size - 1);

		while (table[at])
			at = (at + 1) & (table_size - 1);
		table[at] = i + 1;
	}
}

static bool add(const struct world *w, uint32_t parent, enum action a)
{
	uint32_t at = (uint32_t)hash(w) & (table_size - 1);

	while (table[at]) {
		if (!memcmp(&nodes[table[at] - 1].w, w, sizeof(*w)))
			return false;
		at = (at + 1) & (table_size - 1);
	}
	if (n_nodes == n_allocated) {
		n_allocated = n_allocated ? n_allocated * 2 : 1024;
		nodes = reallocarray(nodes, n_allocated, sizeof(*nodes));
		assert(nodes);
	}
	memcpy(&nodes[n_nodes].w, w, sizeof(*w));
	nodes[n_nodes].parent = parent;
	nodes[n_nodes].action = (uint8_t)a;
	table[at] = ++n_nodes;
	if (n_nodes > table_size / 2)
		rehash();
	return true;
}

static void print_path(uint32_t n)
{
	if (n) {
		print_path(nodes[n].parent);
		printf("  %-20s -> guard %d, region %d, lease %d\n", world_action_names[nodes[n].action],
		       nodes[n].w.guard.state, nodes[n].w.region.state, nodes[n].w.lease);
	}
}

/* States that a budget cannot lead to: a lease that never breaks is never taken again; nothing fails without a mishap. */
static bool may_miss(enum guard_state s, const struct budget *b)
{
	switch (s) {
	case GUARD_ASKED:
		return b->policy == POLICY_FOLLOW && !b->demands;
	case GUARD_DESTROYING:
		return !b->mishaps;
	case GUARD_RELEASING:
	case GUARD_ARMING:
	case GUARD_PROBATION:
	case GUARD_CLOSING_RELEASE:
		return !b->breaks;
	default:
		return false;
	}
}

static bool explore(const struct world *start, const struct budget *budget)
{
	uint32_t seen_guard = 0, seen_region = 0;

	rehash();
	add(start, 0, BREAK);
	for (uint32_t i = 0; i < n_nodes; i++) {
		for (int a = 0; a < _ACTION_MAX; a++) {
			struct world w;

			memcpy(&w, &nodes[i].w, sizeof(w));
			if (!world_act(&w, (enum action)a))
				continue;
			world_normalize(&w);
			if (!world_violation)
				world_check(&w);
			if (world_violation) {
				printf("violated: %s\nthe path:\n", world_violation);
				print_path(i);
				printf("  %-20s (here)\n", world_action_names[a]);
				return false;
			}
			seen_guard |= 1u << w.guard.state;
			seen_region |= 1u << w.region.state;
			add(&w, i, (enum action)a);
		}
	}
	/* a search that never got somewhere proves nothing about it */
	for (int s = 0; s < _GUARD_STATE_MAX; s++)
		if (!(seen_guard & 1u << s) && !may_miss((enum guard_state)s, budget)) {
			printf("guard state %d was never reached\n", s);
			return false;
		}
	if (!(seen_region & 1u << REGION_DRAINING) || !(seen_region & 1u << REGION_FENCED) ||
	    !(seen_region & 1u << REGION_CLOSING)) {
		printf("a region state was never reached\n");
		return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	/* the last ones take minutes and gigabytes: only for "explore deep" */
	static const struct budget budgets[] = {
		{ "two breaks, yield", POLICY_YIELD, 2, 0, 1 },
		{ "two breaks, follow", POLICY_FOLLOW, 2, 0, 1 },
		{ "two demands, yield", POLICY_YIELD, 0, 2, 0 },
		{ "a break and a demand, yield", POLICY_YIELD, 1, 1, 0 },
		{ "a break and a demand, follow", POLICY_FOLLOW, 1, 1, 0 },
		{ "two demands, yield", POLICY_YIELD, 0, 2, 1 },
		{ "a break and a demand, yield", POLICY_YIELD, 1, 1, 1 },
		{ "a break and two demands, yield", POLICY_YIELD, 1, 2, 0 },
	};
	const size_t usual = 5,
		     n = argc > 1 && !strcmp(argv[1], "deep") ? sizeof(budgets) / sizeof(*budgets) : usual;
	uint32_t total = 0;
	struct world w;

	for (size_t i = 0; i < n; i++) {
		struct budget b = budgets[i];

		n_nodes = table_size = 0;
		world_init(&w, &b);
		if (!explore(&w, &b))
			return 1;
		printf("%s, %u mishaps: %u worlds, all invariants hold\n", b.name, b.mishaps, n_nodes);
		fflush(stdout);
		total += n_nodes;
	}
	printf("%u worlds\n", total);
	free(nodes);
	free(table);
	return 0;
}
