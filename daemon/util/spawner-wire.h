/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spawner-wire.h - what goes between spawner.c and its process. Both are of one program: there are
 * no versions.
 */
#ifndef RDMAREG_SPAWNER_WIRE_H
#define RDMAREG_SPAWNER_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#define SPAWN_ORDER_MAX 32768u
#define SPAWN_WORDS_MAX 128u /* of argv and environment together */

/* One packet each, with two descriptors: the program's socket, and where the child reports. */
struct spawn_order {
	uint32_t n_arguments;
	uint32_t n_environment;
	bool inherits_environment;
	bool outlives;
	bool is_child;
	int32_t number;
	uint32_t runs_as;
	uint64_t memlock_bytes;
	char groups[128];
	char words[]; /* each with its 0: the arguments, then the environment */
};

/*
 * What a child says of itself: that it is there, with a pidfd, and then, if it cannot execute the
 * program, why. End of file after the first: it runs.
 */
struct spawn_report {
	int32_t pid;
	int32_t error; /* positive errno */
	char step[32];
};

/* The process: serves @socket to its end. */
_Noreturn void spawner_run(int socket);

#endif
