// SPDX-License-Identifier: GPL-2.0-or-later
/* symmetry.c - see symmetry.h: all changes of places are tried. */
#include "symmetry.h"

#include "model.h"

#define MOST 144 /* 3! of regions and 4! of holders */

static struct symmetry all[MOST];
static uint32_t n_all;
static bool told_apart;

static void place_holders(struct symmetry s, uint8_t n)
{
	if (n == world_setup->holders) {
		all[n_all++] = s;
		return;
	}
	for (uint8_t i = 0; i < world_setup->holders; i++) {
		bool taken = false;

		for (uint8_t j = 0; j < n; j++)
			taken = taken || s.holder[j] == i;
		if (taken || world_setup->holder[i].kind != world_setup->holder[n].kind ||
		    world_setup->holder[i].region != s.region[world_setup->holder[n].region])
			continue;
		s.holder[n] = i;
		s.place[i] = n;
		place_holders(s, n + 1);
	}
}

static void place_regions(struct symmetry s, uint8_t n)
{
	if (n == world_setup->regions) {
		place_holders(s, 0);
		return;
	}
	for (uint8_t i = 0; i < world_setup->regions; i++) {
		bool taken = false;

		for (uint8_t j = 0; j < n; j++)
			taken = taken || s.region[j] == i;
		if (taken || world_setup->policy[i] != world_setup->policy[n])
			continue;
		s.region[n] = i;
		place_regions(s, n + 1);
	}
}

void world_find_symmetries(void)
{
	n_all = 0;
	place_regions((struct symmetry){ .region = { 0 } }, 0);
}

const struct symmetry *symmetries(uint32_t *ret_n)
{
	*ret_n = told_apart ? 1 : n_all;
	return all;
}

uint32_t world_symmetries(void)
{
	return n_all;
}

void world_tell_apart(bool apart)
{
	told_apart = apart;
}
