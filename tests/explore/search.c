// SPDX-License-Identifier: GPL-2.0-or-later
/* search.c - see search.h. */
#include "search.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A world on the way to the present one, and how much of what follows it was tried. */
struct frame {
	struct world w;
	uint64_t slot;
	struct step by;	  /* that led to it */
	struct step next; /* to be tried */
	uint8_t open;	  /* wishes for which nothing was seen to happen yet */
};

/* With check_keys, of each slot: what follows from its world, and how it was reached. */
struct note {
	uint64_t signature, parent;
	struct step by;
};

static struct set visited;
static struct frame *way;
static uint32_t n_way, n_allocated;
static struct note *notes;
static const struct search_limits *limits;
static struct search *seen;

bool search_step(struct world *w, struct step s)
{
	return world_may_happen(w, s) && world_act(w, s);
}

static void *some(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n, size);
	if (!p) {
		fprintf(stderr, "explore: out of memory\n");
		exit(1);
	}
	return p;
}

/* Of places that are changed it does not matter who it happens to. */
static uint64_t signature(const struct world *w)
{
	const char *violation = world_violation;
	uint64_t sum = 0;

	for (uint8_t a = 0; a < _ACTION_MAX; a++)
		for (uint8_t who = 0; who < world_count((enum action)a); who++) {
			struct world after = *w;
			struct key k;

			if (!search_step(&after, (struct step){ a, who }))
				continue;
			k = world_key(&after);
			sum += (k.low ^ ((uint64_t)a << 8)) * 0x9e3779b97f4a7c15ull;
		}
	world_violation = violation;
	return sum;
}

/* The steps to the world on top, and @last. */
static void print_way(const struct step *last, const char *wrong)
{
	struct step *steps = some(NULL, n_way, sizeof(*steps));
	uint32_t n = 0;

	for (uint32_t i = 1; i < n_way; i++)
		steps[n++] = way[i].by;
	if (last)
		steps[n++] = *last;
	history_print(world_setup, steps, n, wrong);
	free(steps);
}

static void print_noted(uint64_t slot)
{
	struct step *steps = NULL;
	uint32_t n = 0;

	for (uint64_t at = slot; at != way[0].slot; at = notes[at].parent)
		n++;
	steps = some(steps, n + 1, sizeof(*steps));
	for (uint32_t i = n; i-- > 0; slot = notes[slot].parent)
		steps[i] = notes[slot].by;
	history_print(world_setup, steps, n, "its key is that of another one");
	free(steps);
}

static void push(const struct world *w, uint64_t slot, struct step by)
{
	struct frame *f;

	if (n_way == n_allocated) {
		n_allocated = n_allocated ? 2 * n_allocated : 64;
		way = some(way, n_allocated, sizeof(*way));
	}
	if (notes)
		notes[slot] = (struct note){ .signature = signature(w),
					     .parent = n_way ? way[n_way - 1].slot : slot,
					     .by = by };
	f = &way[n_way++];
	f->w = *w;
	f->slot = slot;
	f->by = by;
	f->next = (struct step){ 0, 0 };
	f->open = world_open_wishes(w);
	set_mark(&visited, slot, true);
	seen->depth = n_way > seen->depth ? n_way : seen->depth;
}

static void see(const struct world *w, struct step s)
{
	uint64_t slot;

	seen->actions |= UINT64_C(1) << s.action;
	for (uint8_t i = 0; i < world_setup->regions; i++) {
		seen->guards |= 1u << w->site[i].guard.state;
		seen->regions |= 1u << w->site[i].region.state;
	}
	for (uint8_t i = 0; i < world_setup->demands; i++)
		seen->stages |= 1u << w->waiter[i].stage;
	if (limits->orbits) {
		world_tell_apart(false);
		if (set_add(limits->orbits, world_key(w), &slot) == SET_FULL)
			seen->cut_short = "the memory";
		world_tell_apart(limits->apart);
	}
}

/* A world that @s leads to from the one on top. False: something is wrong. */
static bool arrive(const struct world *w, struct step s)
{
	const char *wrong = world_violation;
	uint64_t slot;

	seen->steps++;
	if (!wrong)
		switch (set_add(&visited, world_key(w), &slot)) {
		case SET_FULL:
			seen->cut_short = "the memory";
			return true;
		case SET_THERE:
			if (set_is_marked(&visited, slot)) {
				wrong = history_goes_on;
				break;
			}
			if (!notes || notes[slot].signature == signature(w))
				return true;
			print_noted(slot);
			wrong = "key.c leaves out something that matters";
			break;
		case SET_NEW:
			world_check_now(w);
			if (!world_violation)
				world_check_alone(w);
			wrong = world_violation;
		}
	if (wrong) {
		print_way(&s, wrong);
		return false;
	}
	see(w, s);
	push(w, slot, s);
	return true;
}

/* Takes the next step from the world on top, or leaves it if there is none. */
static bool go_on(struct world *scratch)
{
	struct frame *f = &way[n_way - 1];

	while (f->next.action < _ACTION_MAX) {
		struct step s = f->next;

		if (s.who >= world_count((enum action)s.action)) {
			f->next = (struct step){ (uint8_t)(s.action + 1), 0 };
			continue;
		}
		f->next.who++;
		*scratch = f->w;
		if (!search_step(scratch, s))
			continue;
		f->open &= (uint8_t)~world_hopes(&f->w, s, f->open);
		return arrive(scratch, s);
	}
	if (f->open) {
		print_way(NULL, world_disappointed(f->open));
		return false;
	}
	set_mark(&visited, f->slot, false);
	n_way--;
	return true;
}

bool search_all(const struct setup *setup, const struct search_limits *given, struct search *ret)
{
	clock_t end = clock() + (clock_t)given->seconds * CLOCKS_PER_SEC;
	struct world w;
	uint64_t slot;
	bool ok = true;

	limits = given;
	seen = ret;
	*seen = (struct search){ .worlds = 0 };
	set_init(&visited, limits->memory_bytes);
	if (limits->check_keys)
		notes = some(NULL, visited.n_slots, sizeof(*notes));
	world_forget_futures();
	world_violation = NULL;
	world_tell_apart(limits->apart);
	world_init(&w, setup);
	set_add(&visited, world_key(&w), &slot);
	n_way = 0;
	see(&w, (struct step){ _ACTION_MAX, 0 });
	push(&w, slot, (struct step){ 0, 0 });
	while (ok && n_way && !seen->cut_short) {
		ok = go_on(&w);
		if (visited.n >= limits->worlds)
			seen->cut_short = "the number of worlds";
		else if (limits->seconds && !(seen->steps & 0xfff) && clock() > end)
			seen->cut_short = "the time";
	}
	seen->worlds = visited.n;
	seen->doubt = set_doubt(&visited);
	world_tell_apart(false);
	set_deinit(&visited);
	free(notes);
	notes = NULL;
	free(way);
	way = NULL;
	n_allocated = 0;
	return ok;
}
