// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * selftest-played.c - makes rdmareg-selftest test the device that is played (verbs-selftest.h): linked
 * with it, it gives that device the fault whose number is in the environment's RDMAREG_PLAYED_FAULT,
 * else none, as mlx5's driver has by its source.
 */
#include <stdlib.h>

#include "verbs-selftest.h"

__attribute__((constructor)) static void play(void)
{
	const char *number = getenv("RDMAREG_PLAYED_FAULT");

	fake_verbs_open(number ? (enum fault)atoi(number) : FAULT_NONE, IBV_MTU_4096);
}
