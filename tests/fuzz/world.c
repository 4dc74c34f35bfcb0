// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * world.c - long histories of the explorer's worlds (tests/explore/world.h): the input says what
 * happens next, each time an action and to whom.
 *
 * Measured: daemon/core/guard.c daemon/core/guard-moves.c daemon/core/guard-demands.c
 * Measured: daemon/core/demand.c daemon/core/region.c
 *
 * The explorer tries everything within small budgets; here they are larger, and what is tried is
 * what the fuzzer finds. The invariants are the explorer's: those of each world, and that it ends
 * well, of each 16th and the last one.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#include "tests/explore/setups.h"
#include "tests/explore/world.h"

#define STEPS 120

static void judge(const struct step *steps, size_t n)
{
	if (!world_violation)
		return;
	fprintf(stderr, "violated: %s\nthe path, in \"%s\":\n", world_violation, world_setup->name);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "  %-22s %u\n", world_action_names[steps[i].action], steps[i].who);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	struct setup s = setups[bytes_u8(&b) % n_setups];
	struct step steps[STEPS];
	struct world w;
	size_t n = 0;

	s.breaks = (uint8_t)(s.breaks ? 6 : 0);
	s.truncates = (uint8_t)(s.truncates ? 2 : 0);
	s.mishaps = 4;
	s.misses = (uint8_t)(s.misses ? 3 : 0);
	world_violation = NULL;
	world_init(&w, &s);
	while (b.left && n < STEPS) {
		struct step step = { bytes_u8(&b) % _ACTION_MAX, 0 };
		uint8_t count = world_count((enum action)step.action);

		if (!count)
			continue;
		step.who = bytes_u8(&b) % count;
		if (!world_may_happen(&w, step) || !world_act(&w, step))
			continue;
		steps[n++] = step;
		judge(steps, n);
		world_check_now(&w);
		if (n % 16 == 0)
			world_check_future(&w);
		judge(steps, n);
	}
	world_check_future(&w);
	judge(steps, n);
	world_forget_futures();
	return 0;
}
