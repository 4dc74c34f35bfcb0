/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * search.h - every history of a setup, depth first: of the worlds on the way to the present one all
 * is kept, of the others that they were visited (set.h).
 *
 * Depth first, because a history that comes back to a world of its own goes on for ever; and whoever
 * is on the way is known then. A search within its memory that saw no such history saw that there is
 * none.
 */
#ifndef RDMAREG_EXPLORE_SEARCH_H
#define RDMAREG_EXPLORE_SEARCH_H

#include "world.h"

struct search_limits {
	size_t memory_bytes; /* of the set */
	uint64_t worlds;
	uint64_t seconds; /* of processor time */
	/* whenever a world is taken to be like one that was visited, see that what follows is */
	bool check_keys;
	bool apart;	    /* worlds that differ by a symmetry are others */
	struct set *orbits; /* NULL, or gets the key of each world, by which they are not */
};

struct search {
	uint64_t worlds, steps; /* that were found */
	uint32_t depth;		/* of the longest history */
	double doubt;		/* the probability that a world was missed is not larger */
	const char *cut_short;	/* by what, in words; NULL: it saw everything */
	/* what was seen, a bit for each */
	uint64_t actions;
	uint32_t guards, regions, stages;
};

/* Do it, if it can happen now. Returns false, and changes nothing, if not. */
bool search_step(struct world *w, struct step s);

/* False: something is violated, and the history that led there was printed. */
bool search_all(const struct setup *setup, const struct search_limits *limits, struct search *ret);

/* history.c */

/*
 * What is wrong at the end of this history, or before, or NULL; *ret_n: of how many steps it takes.
 * *ret_again: the number of steps after which the same world was there before; *ret_n: it was not.
 */
const char *history_judge(const struct setup *setup, const struct step *steps, uint32_t n,
			  uint32_t *ret_n, uint32_t *ret_again);
/* Without what can be left out of it; @wrong: what somebody saw who knows more. */
void history_print(const struct setup *setup, struct step *steps, uint32_t n, const char *wrong);

extern const char *const history_goes_on;

#endif
