// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warm-rules.c - what the numbers in warm/blocks.h are worth: peers that write in several manners,
 * a sync per round, and a page table, all played, around the real rules. Compiled once for each
 * choice of the numbers (meson.build); everything is counted, nothing is timed, so it is the same
 * everywhere.
 *
 *   warm-rules             a row: for each manner, write faults spared of a hundred / pages written
 *   back that no peer wrote, of a hundred that one did warm-rules --names     the manners
 *   warm-rules --check     exit status 1 unless the second number is at most 5 in each manner, and
 *   the first at least 50 where whole blocks are
 *                          written again and again
 *
 * What always holds: every page that a peer wrote is written back in its round, whatever the rules
 * do; a page is writable for peers from a write fault or from being brought back for writing until
 * the next writeback, and dirty as long.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/warm/blocks.c"
#include "keeper/warm/sample.c"

#define BLOCKS 16u
#define PAGES (BLOCKS * (unsigned int)BLOCK_PAGES)
#define ROUNDS 4000u
#define ROUND_USEC 1000000u

enum manner {
	WHOLE,	    /* everything in each round */
	FEW_BLOCKS, /* four blocks, all of each, in each round */
	RING,	    /* one block after the other, each every sixteenth round */
	SECOND,	    /* everything in every second round */
	THIRD,
	CHECKPOINT, /* everything in every eighth round */
	PHASES,	    /* four blocks for forty rounds, then four others */
	DENSE,	    /* as many writes at random as there are pages: two pages of three */
	HALVES,	    /* every other page of everything */
	SPARSE,	    /* one page of ten, others each time */
	STOPS,	    /* everything for forty rounds, and never again */
	SYNCS,	    /* everything; each thirtieth round is cut in two by a sync out of turn */
	UNEVEN,	    /* everything; rounds are up to three tenths shorter or longer */
	SAME,	    /* everything, with the same bytes */
	DWINDLES,   /* everything for forty rounds, and from then on a page of each block */
	_MANNER_MAX,
};

static const char *const names[_MANNER_MAX] = { "whole",	"few blocks",  "ring",
						"every second", "every third", "checkpoint",
						"phases",	"dense",       "halves",
						"sparse",	"stops",       "syncs",
						"uneven",	"same",	       "dwindles" };

static const unsigned int every[_MANNER_MAX] = {
	[WHOLE] = 1, [SECOND] = 2, [THIRD] = 3,	 [CHECKPOINT] = 8,
	[STOPS] = 1, [SYNCS] = 1,  [UNEVEN] = 1, [SAME] = 1
};

static struct {
	bool writable, dirty, wanted; /* wanted: a peer wrote it since the last writeback */
} page[PAGES];
static uint8_t holds[PAGES]; /* the sum of what it holds */
static bool same;	     /* what peers write is what was there */
static unsigned long faults, needed, extra;

static void peer_writes(unsigned int i)
{
	holds[i] += !same;
	faults += !page[i].writable;
	page[i].writable = page[i].dirty = page[i].wanted = true;
}

static void peer_writes_block(unsigned int block)
{
	for (unsigned int i = 0; i < BLOCK_PAGES; i++)
		peer_writes(block * (unsigned int)BLOCK_PAGES + i);
}

static void play(enum manner manner, unsigned int round, unsigned int *seed)
{
	switch (manner) {
	case WHOLE:
	case SECOND:
	case THIRD:
	case CHECKPOINT:
	case STOPS:
	case SYNCS:
	case UNEVEN:
	case SAME:
		if (round % every[manner] || (manner == STOPS && round >= 40))
			break;
		for (unsigned int b = 0; b < BLOCKS; b++)
			peer_writes_block(b);
		break;
	case DWINDLES:
		for (unsigned int b = 0; b < BLOCKS; b++)
			if (round < 40)
				peer_writes_block(b);
			else
				peer_writes(b * (unsigned int)BLOCK_PAGES);
		break;
	case FEW_BLOCKS:
	case PHASES:
		for (unsigned int b = 0; b < 4; b++)
			peer_writes_block(b + (manner == PHASES && round / 40 % 2 ? 4 : 0));
		break;
	case RING:
		peer_writes_block(round % BLOCKS);
		break;
	case DENSE:
	case SPARSE:
		for (unsigned int i = 0; i < (manner == DENSE ? PAGES : PAGES / 10); i++)
			peer_writes((unsigned int)rand_r(seed) % PAGES);
		break;
	default:
		for (unsigned int i = 0; i < PAGES; i += 2)
			peer_writes(i);
		break;
	}
}

/* As fsync(2) does it, and as the kernel module tells of it: an event for each run of pages. */
static void write_back(struct warm_blocks *b, uint64_t now)
{
	unsigned int start;

	for (unsigned int i = 0; i < PAGES;) {
		start = i;
		for (; i < PAGES && page[i].dirty; i++) {
			needed += page[i].wanted;
			extra += !page[i].wanted;
			memset(&page[i], 0, sizeof(page[i]));
		}
		if (i > start)
			warm_blocks_written(b, (uint64_t)start * PAGE, (uint64_t)i * PAGE,
					    UINT64_MAX, now);
		else
			i++;
	}
}

static struct warm_sample sample(uint64_t start, uint64_t end)
{
	struct warm_sample s;

	warm_sample_begin(&s, end - start);
	for (unsigned int i = 0; i < warm_sample_places(&s); i++)
		s.sum[i] = holds[(start + warm_sample_place(&s, i)) / PAGE];
	return s;
}

static void bring_back(struct warm_blocks *b, uint64_t now)
{
	uint64_t start, end, wait;
	bool write;

	while (warm_blocks_peek(b, (uint64_t)PAGES * PAGE, now, &start, &end, &write, &wait)) {
		warm_blocks_take(b, start, end, write);
		if (write) {
			struct warm_sample now_there = sample(start, end);
			struct warm_sample stale = warm_blocks_stale_sample(b, start);

			write = !stale.pages || warm_block_is_other(&stale, &now_there);
			warm_blocks_sampled(b, start, &now_there, write);
		}
		for (uint64_t i = start / PAGE; write && i < end / PAGE; i++)
			page[i].writable = page[i].dirty = true;
	}
}

/* How long it is since the round before. */
static uint64_t passed(enum manner manner, unsigned int round, unsigned int *seed)
{
	if (manner == SYNCS && round % 30 < 2)
		return ROUND_USEC / 10 * (round % 30 ? 6 : 4);
	if (manner == UNEVEN)
		return ROUND_USEC / 10 * 7 + (uint64_t)rand_r(seed) % (ROUND_USEC / 10 * 6);
	return ROUND_USEC;
}

static void run(enum manner manner, enum warm_mode mode)
{
	struct warm_blocks b;
	unsigned int seed = 1;
	uint64_t now = ROUND_USEC;

	memset(page, 0, sizeof(page));
	same = manner == SAME;
	faults = needed = extra = 0;
	if (warm_blocks_init(&b, mode, true, (uint64_t)PAGES * PAGE) < 0)
		exit(EXIT_FAILURE);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		play(manner, round, &seed);
		write_back(&b, now);
		bring_back(&b, now + WARM_QUIET_USEC);
		now += passed(manner, round, &seed);
	}
	warm_blocks_deinit(&b);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "";
	bool good = true;

	for (unsigned int m = 0; m < _MANNER_MAX; m++) {
		unsigned long without;
		double spared, more;

		if (!strcmp(how, "--names")) {
			printf("%s%s", m ? " | " : "", names[m]);
			continue;
		}
		run((enum manner)m, WARM_OFF);
		without = faults;
		run((enum manner)m, WARM_ADAPTIVE);
		spared = 100 - 100 * (double)faults / (double)without;
		more = 100 * (double)extra / (double)needed;
		printf("%s%.0f / %.1f", m ? " | " : "", spared, more);
		good &= more <= 5 && (spared >= 50 || m == RING || every[m] > 1 || m == DENSE ||
				      m == HALVES || m == SPARSE);
	}
	printf("\n");
	return strcmp(how, "--check") || good ? EXIT_SUCCESS : EXIT_FAILURE;
}
