/* SPDX-License-Identifier: GPL-2.0-or-later */
/* setups.h - the worlds that are explored at each test run. */
#ifndef RDMAREG_EXPLORE_SETUPS_H
#define RDMAREG_EXPLORE_SETUPS_H

#include "world.h"

extern const struct setup setups[];
extern const size_t n_setups;

#endif
