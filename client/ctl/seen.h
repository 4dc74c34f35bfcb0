/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * seen.h - what some regions are like, asked for together: with one call for all whose numbers lie
 * so close to each other that a page can have them all, however many they are.
 *
 * What always holds: what is kept is a copy, and stays until it is cleared; one of those that were
 * asked for and is not there did not exist, or may not be seen.
 */
#ifndef RDMAREGCTL_SEEN_H
#define RDMAREGCTL_SEEN_H

#include <stddef.h>
#include <stdint.h>

#include "rdmareg.h"

struct seen {
	struct rdmareg_region_info *regions; /* ascending, with texts of their own */
	size_t n;
};

/*
 * Asks anew. @ids: of regions, in any order, some perhaps twice; they are sorted. 0, or the
 * library's error, or -ENOMEM; then nothing is known of any.
 */
int seen_ask(struct seen *s, struct rdmareg *c, uint64_t *ids, size_t n);

/* NULL: it was not there. */
const struct rdmareg_region_info *seen_find(const struct seen *s, uint64_t id);

void seen_clear(struct seen *s);

#endif
