// SPDX-License-Identifier: GPL-2.0-or-later
/* set.c - see set.h: open addressing. */
#include "set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void set_init(struct set *s, size_t bytes)
{
	*s = (struct set){ .n_slots = bytes / sizeof(*s->slots) };
	/* the place in it follows from 32 bits */
	if (s->n_slots > UINT32_MAX)
		s->n_slots = UINT32_MAX;
	s->slots = calloc(s->n_slots, sizeof(*s->slots));
	if (!s->slots) {
		fprintf(stderr, "explore: out of memory\n");
		exit(1);
	}
}

void set_deinit(struct set *s)
{
	free(s->slots);
	*s = (struct set){ .n = 0 };
}

void set_clear(struct set *s)
{
	if (s->n)
		memset(s->slots, 0, s->n_slots * sizeof(*s->slots));
	s->n = s->compared = 0;
}

enum set_answer set_add(struct set *s, struct key k, uint64_t *ret_slot)
{
	uint64_t bits = k.low & ~UINT64_C(1), at = (k.high >> 32) * s->n_slots >> 32;

	bits = bits ? bits : 2;
	while (s->slots[at] && (s->slots[at] & ~UINT64_C(1)) != bits) {
		s->compared++;
		at = at + 1 == s->n_slots ? 0 : at + 1;
	}
	*ret_slot = at;
	if (s->slots[at])
		return SET_THERE;
	if (s->n >= s->n_slots - s->n_slots / 8)
		return SET_FULL;
	s->slots[at] = bits;
	s->n++;
	return SET_NEW;
}

void set_mark(struct set *s, uint64_t slot, bool marked)
{
	s->slots[slot] = (s->slots[slot] & ~UINT64_C(1)) | marked;
}

bool set_is_marked(const struct set *s, uint64_t slot)
{
	return s->slots[slot] & 1;
}

double set_doubt(const struct set *s)
{
	return (double)s->compared / 9223372036854775808.0; /* 2^63 */
}
