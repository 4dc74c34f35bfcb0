// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * main.c - sim [--seeds N] [--start SEED] [--trace]: N worlds, one for each seed from SEED on.
 *
 * Exits 1 at the first world in which something is violated, after saying what, when, what happened
 * before, and how to see it again.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sim.h"

static bool number(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 0);
	return !errno && end != text && !*end && *text != '-';
}

static void complain(const struct sim *s)
{
	uint64_t n = s->traced < TRACE ? s->traced : TRACE;

	printf("violated: %s\nseed %" PRIu64 ", step %" PRIu64 "; before that:\n", s->violation,
	       s->seed, s->step);
	for (uint64_t i = s->traced - n; i < s->traced; i++)
		puts(s->trace[i % TRACE]);
	printf("again: ./run sim --seeds 1 --start %" PRIu64 " --trace\n", s->seed);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "seeds", required_argument, NULL, 'n' },
						 { "start", required_argument, NULL, 's' },
						 { "trace", no_argument, NULL, 't' },
						 { NULL, 0, NULL, 0 } };
	static const char *const names[] = { "truncates",
					     "punches",
					     "clones",
					     "extensions",
					     "kernel deadlines",
					     "peers' writes",
					     "breaks given back",
					     "lists of what was missed" };
	uint64_t seeds = 300, start = 1, counted[8] = { 0 }, steps = 0;
	static struct sim s;
	bool trace = false, bad = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 't')
			trace = true;
		else
			bad |= c == '?' || !number(optarg, c == 'n' ? &seeds : &start);
	}
	if (bad || optind < argc || !seeds) {
		fprintf(stderr, "usage: sim [--seeds N] [--start SEED] [--trace]\n");
		return 2;
	}
	for (uint64_t i = 0; i < seeds; i++) {
		if (!sim_drive(&s, start + i, trace)) {
			complain(&s);
			return 1;
		}
		steps += s.step;
		for (int j = 0; j < 8; j++)
			counted[j] += s.counted[j];
	}
	printf("%" PRIu64 " worlds, %" PRIu64 " steps, all invariants hold\n", seeds, steps);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		printf("%12" PRIu64 " %s\n", counted[i], names[i]);
	return 0;
}
