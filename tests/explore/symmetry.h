/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * symmetry.h - who can change places without making a difference: regions with one policy, each
 * with its tenant, its keeper and its holders; holders of one kind and region. For key.c.
 *
 * What always holds: such a change of places leads from a setup to itself, so whatever can happen
 * in a world can happen, with the places changed, in the other one.
 */
#ifndef RDMAREG_EXPLORE_SYMMETRY_H
#define RDMAREG_EXPLORE_SYMMETRY_H

#include "world.h"

struct symmetry {
	uint8_t region[REGIONS]; /* which region is in this place */
	uint8_t holder[HOLDERS];
	uint8_t place[HOLDERS]; /* in which place this holder is */
};

/* The first one leaves everybody where he is. */
const struct symmetry *symmetries(uint32_t *ret_n);

#endif
