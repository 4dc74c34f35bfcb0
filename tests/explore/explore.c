// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * explore.c - every order in which things can happen to a few regions, tried.
 *
 * Breadth first, from registered regions: in each world every possible next thing is done (a break,
 * a demand, a timer, a completion or its failure, a message delivered, an acknowledgement, somebody
 * dying) and the invariants are checked. Worlds that are alike (key.c) are visited once, so the
 * search ends, and then holds for all orders within the setup. A world is kept until its successors
 * are known; after that only its key and how it was reached.
 *
 * explore [--more] [--first N] [--check-keys] [NAME]: only the setup whose name begins with NAME.
 * --more: one more mishap in each history; that takes minutes. --first: the search of each setup
 * ends after some N worlds, which proves nothing: for builds with sanitizers, to which the worlds
 * are much alike. --check-keys: whenever a world is taken to be like one that was visited, that
 * everything that can happen next leads to the same keys as it does there.
 *
 * Prints the number of worlds. On a violation prints the path that leads to it, and exits 1.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "set.h"
#include "setups.h"

struct origin {
	uint32_t parent;
	struct step step;
};

struct level {
	struct world *worlds; /* their numbers are consecutive */
	uint32_t n, allocated;
};

static struct set visited;
static struct origin *origins;
static uint64_t *signatures; /* of what follows each world; only with --check-keys */
static uint32_t n_origins_allocated;
static bool check_keys;
static uint32_t seen_guard, seen_region, seen_stage;
static uint64_t seen_action;

static void *grow(void *p, uint32_t n, size_t size)
{
	p = reallocarray(p, n, size);
	if (!p) {
		fprintf(stderr, "explore: out of memory\n");
		exit(1);
	}
	return p;
}

static bool next(const struct world *w, struct step s, struct world *ret)
{
	if (!world_may_happen(w, s))
		return false;
	memcpy(ret, w, sizeof(*ret));
	return world_act(ret, s);
}

static void print_path(const struct setup *setup, uint32_t n, const struct step *last)
{
	struct step path[1000];
	size_t length = 0;
	struct world w;

	if (last)
		path[length++] = *last;
	for (; n && length < sizeof(path) / sizeof(*path); n = origins[n].parent)
		path[length++] = origins[n].step;
	world_init(&w, setup);
	while (length--) {
		struct step s = path[length];

		world_act(&w, s);
		printf("  %-22s %u ->", world_action_names[s.action], s.who);
		for (uint8_t i = 0; i < setup->regions; i++)
			printf("  guard %d, region %d, lease %d, fenced %d%s",
			       w.site[i].guard.state, w.site[i].region.state, w.site[i].lease,
			       w.site[i].fenced_pages, i + 1 < setup->regions ? ";" : "\n");
	}
}

static uint64_t signature(const struct world *w)
{
	const char *violation = world_violation;
	uint64_t sum = 0;

	for (uint8_t a = 0; a < _ACTION_MAX; a++)
		for (uint8_t who = 0; who < world_count((enum action)a); who++) {
			struct world copy;
			struct key k;

			if (!next(w, (struct step){ a, who }, &copy))
				continue;
			k = world_key(&copy);
			sum += (k.low ^ ((uint64_t)a << 8 | who)) * 0x9e3779b97f4a7c15ull;
		}
	world_violation = violation;
	return sum;
}

static bool same_future(const struct world *w, struct key k)
{
	uint32_t n = set_index(&visited, k);

	if (signatures[n] == signature(w))
		return true;
	printf("two worlds with one key have different futures; one is:\n");
	print_path(world_setup, n, NULL);
	printf("the other:\n");
	return false;
}

static void remember(struct level *level, const struct world *w, uint32_t parent, struct step s)
{
	uint32_t n = visited.n - 1;

	if (n >= n_origins_allocated) {
		n_origins_allocated = n_origins_allocated ? n_origins_allocated * 2 : 4096;
		origins = grow(origins, n_origins_allocated, sizeof(*origins));
		if (check_keys)
			signatures = grow(signatures, n_origins_allocated, sizeof(*signatures));
	}
	origins[n] = (struct origin){ parent, s };
	if (check_keys)
		signatures[n] = signature(w);
	if (level->n == level->allocated) {
		level->allocated = level->allocated ? level->allocated * 2 : 256;
		level->worlds = grow(level->worlds, level->allocated, sizeof(*w));
	}
	memcpy(&level->worlds[level->n++], w, sizeof(*w));
}

static void note(const struct world *w, struct step s)
{
	seen_action |= UINT64_C(1) << s.action;
	for (uint8_t i = 0; i < world_setup->regions; i++) {
		seen_guard |= 1u << w->site[i].guard.state;
		seen_region |= 1u << w->site[i].region.state;
	}
	for (uint8_t i = 0; i < world_setup->demands; i++)
		seen_stage |= 1u << w->waiter[i].stage;
}

/* One step from world @n. */
static bool expand(const struct world *from, uint32_t n, struct step s, struct level *ret)
{
	struct world w;
	struct key k;

	if (!next(from, s, &w))
		return true;
	k = world_key(&w);
	if (!world_violation && !set_add(&visited, k)) {
		if (!check_keys || same_future(&w, k))
			return true;
		world_violation = "key.c leaves out something that matters";
	}
	if (!world_violation)
		world_check_now(&w);
	if (!world_violation)
		world_check_future(&w);
	if (world_violation) {
		printf("violated: %s\nthe path:\n", world_violation);
		print_path(world_setup, n, &s);
		return false;
	}
	note(&w, s);
	remember(ret, &w, n, s);
	return true;
}

static bool explore(const struct setup *setup, uint32_t first_worlds)
{
	struct level now = { .n = 0 }, after = { .n = 0 };
	uint32_t first = 0;
	struct world start;
	bool ok = true;

	set_clear(&visited);
	world_forget_futures();
	world_init(&start, setup);
	set_add(&visited, world_key(&start));
	remember(&now, &start, 0, (struct step){ 0, 0 });
	while (now.n && ok && visited.n < first_worlds) {
		for (uint32_t i = 0; i < now.n && ok; i++)
			for (uint8_t a = 0; a < _ACTION_MAX && ok; a++)
				for (uint8_t who = 0; who < world_count((enum action)a) && ok;
				     who++)
					ok = expand(&now.worlds[i], first + i,
						    (struct step){ a, who }, &after);
		first += now.n;
		free(now.worlds);
		now = after;
		after = (struct level){ .n = 0 };
	}
	free(now.worlds);
	free(after.worlds);
	return ok;
}

/* A search that never got somewhere proves nothing about it. */
static bool saw_everything(void)
{
	const uint32_t regions = 1u << REGION_LIVE | 1u << REGION_DRAINING | 1u << REGION_FENCED |
				 1u << REGION_CLOSING;
	bool ok = true;

	for (int a = 0; a < _ACTION_MAX; a++)
		if (!(seen_action & UINT64_C(1) << a)) {
			printf("never happened: %s\n", world_action_names[a]);
			ok = false;
		}
	if (seen_guard != (1u << _GUARD_STATE_MAX) - 1 || (seen_region & regions) != regions ||
	    seen_stage != (1u << (DONE + 1)) - 1) {
		printf("never reached: a state of guard (%#x), region (%#x) or waiter (%#x)\n",
		       seen_guard, seen_region, seen_stage);
		ok = false;
	}
	return ok;
}

int main(int argc, char **argv)
{
	const char *name = "";
	uint32_t first_worlds = UINT32_MAX;
	uint64_t total = 0;
	uint8_t more = 0;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--more"))
			more++;
		else if (!strcmp(argv[i], "--check-keys"))
			check_keys = true;
		else if (!strcmp(argv[i], "--first") && i + 1 < argc)
			first_worlds = (uint32_t)strtoul(argv[++i], NULL, 10);
		else
			name = argv[i];
	}
	for (size_t i = 0; i < n_setups; i++) {
		struct setup s = setups[i];

		if (strncmp(s.name, name, strlen(name)))
			continue;
		s.mishaps = (uint8_t)(s.mishaps + more);
		if (!explore(&s, first_worlds))
			return 1;
		printf("%s: %u worlds, all invariants hold\n", s.name, visited.n);
		fflush(stdout);
		total += visited.n;
	}
	set_clear(&visited);
	world_forget_futures();
	free(origins);
	free(signatures);
	if (!total) {
		fprintf(stderr, "explore: no setup's name begins with \"%s\"\n", name);
		return 1;
	}
	printf("%llu worlds\n", (unsigned long long)total);
	return *name || first_worlds != UINT32_MAX || saw_everything() ? 0 : 1;
}
