// SPDX-License-Identifier: GPL-2.0-or-later
/* set.c - see set.h: open addressing, never more than half full. */
#include "set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *or_die(void *p)
{
	if (!p) {
		fprintf(stderr, "explore: out of memory\n");
		exit(1);
	}
	return p;
}

static uint32_t *find(const struct set *s, struct key k)
{
	uint32_t at = (uint32_t)k.low & (s->n_slots - 1);

	while (s->slots[at] &&
	       (s->keys[s->slots[at] - 1].low != k.low || s->keys[s->slots[at] - 1].high != k.high))
		at = (at + 1) & (s->n_slots - 1);
	return &s->slots[at];
}

static void grow(struct set *s)
{
	s->n_slots = s->n_slots ? s->n_slots * 2 : 1u << 12;
	free(s->slots);
	s->slots = or_die(calloc(s->n_slots, sizeof(*s->slots)));
	s->allocated = s->n_slots / 2;
	s->keys = or_die(reallocarray(s->keys, s->allocated, sizeof(*s->keys)));
	for (uint32_t i = 0; i < s->n; i++)
		*find(s, s->keys[i]) = i + 1;
}

bool set_has(const struct set *s, struct key k)
{
	return s->n_slots && *find(s, k);
}

uint32_t set_index(const struct set *s, struct key k)
{
	return *find(s, k) - 1;
}

bool set_add(struct set *s, struct key k)
{
	uint32_t *slot;

	if (s->n == s->allocated)
		grow(s);
	slot = find(s, k);
	if (*slot)
		return false;
	s->keys[s->n++] = k;
	*slot = s->n;
	return true;
}

void set_clear(struct set *s)
{
	free(s->keys);
	free(s->slots);
	memset(s, 0, sizeof(*s));
}
