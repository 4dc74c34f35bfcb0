/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * set.h - a set of world keys that grows, with the order in which they came: a key's index never
 * changes.
 *
 * Keys stand for worlds: among ten million the chance that two different worlds share one is less
 * than 2^-80.
 */
#ifndef RDMAREG_EXPLORE_SET_H
#define RDMAREG_EXPLORE_SET_H

#include "world.h"

struct set {
	struct key *keys;
	uint32_t n, allocated;
	uint32_t *slots; /* index + 1 */
	uint32_t n_slots;
};

/* Of one that is there. */
uint32_t set_index(const struct set *s, struct key k);
bool set_has(const struct set *s, struct key k);
/* False: it is there already. Ends the process when memory is out. */
bool set_add(struct set *s, struct key k);
void set_clear(struct set *s);

#endif
