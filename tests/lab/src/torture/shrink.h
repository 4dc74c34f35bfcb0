/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * shrink.h - from a tape that fails to a short one that fails, by leaving out what is not needed
 * (delta debugging) and then making what is left simpler.
 */
#ifndef SHRINK_H
#define SHRINK_H

#include "tape.h"

/*
 * @fails: plays a tape from the beginning, and says whether it fails. It is called @tries times at
 * most.
 * @ops: becomes the shorter tape. Returns how many operations that has.
 */
size_t shrink(struct op *ops, size_t n, unsigned int tries,
	      bool (*fails)(const struct op *ops, size_t n, void *userdata), void *userdata);

#endif
