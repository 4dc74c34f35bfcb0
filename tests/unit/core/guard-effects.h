/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard-effects.h - what the guard's tests look at after each step: a test steps into `out`, and
 * asks effect() what came of it.
 */
#ifndef GUARD_EFFECTS_H
#define GUARD_EFFECTS_H

#include <stddef.h>

#include "core/guard.h"

static struct guard_effects out;

/* The first of that type in the last step; NULL if there was none. */
static const struct guard_effect *effect(enum guard_effect_type type)
{
	for (size_t i = 0; i < out.n; i++)
		if (out.item[i].type == type)
			return &out.item[i];
	return NULL;
}

#endif
