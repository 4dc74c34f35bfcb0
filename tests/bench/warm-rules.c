// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warm-rules.c - what the numbers in warm/blocks.h are worth: peers that write in several
 * patterns, a sync per round, and a page table, all played, around the real rules. Compiled once for each
 * choice of the numbers (meson.build); everything is counted, nothing is timed, so it is the same
 * everywhere.
 *
 *   warm-rules [WORLD]     a row: for each pattern, write faults spared of a hundred / pages
 *                          written back in vain, of a hundred that were not
 *   warm-rules --names     the patterns
 *   warm-rules --check     exit status 1 unless, in each world, the second number is at most 5 in
 *                          each pattern, and the first at least 50 where whole blocks are written
 *                          again and again
 *
 * A world is what filesystems do: "pages" writes back page by page, "folios" a whole block for one
 * page of it, and in "unseen" nobody can see what blocks hold. In vain is what no peer wrote, and
 * would not have been written back without the rules.
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
#include "util/macros.h"

#define BLOCKS 16u
#define PAGES (BLOCKS * (unsigned int)BLOCK_PAGES)
#define ROUNDS 2000u
#define ROUND_USEC 1000000u

enum pattern {
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
	TOUCHES,    /* in each round a page of every other block or so */
	SKIPS,	    /* everything, but for each tenth round */
	PAIRS,	    /* everything in two rounds, then nothing in two */
	_PATTERN_MAX,
};

static const char *const names[_PATTERN_MAX] = {
	"whole",  "few blocks", "ring",	    "every second", "every third", "every eighth",
	"phases", "two thirds", "halves",   "a tenth",	    "stops",	   "syncs",
	"uneven", "same",	"dwindles", "touches",	    "skips",	   "pairs"
};

static const unsigned int every[_PATTERN_MAX] = {
	[WHOLE] = 1, [SECOND] = 2, [THIRD] = 3,	 [CHECKPOINT] = 8,
	[STOPS] = 1, [SYNCS] = 1,  [UNEVEN] = 1, [SAME] = 1
};

static const struct world {
	const char *name;
	unsigned int folio; /* pages */
	bool seen;
} worlds[] = { { "pages", 1, true }, { "folios", BLOCK_PAGES, true }, { "unseen", 1, false } };

static const struct world *world = &worlds[0];
static struct {
	bool writable, dirty, wanted; /* wanted: a peer wrote it since the last writeback */
} page[PAGES];
static uint8_t holds[PAGES]; /* the sum of what it holds */
static bool same;	     /* what peers write is what was there */
static unsigned long faults, needed, extra, looks;

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

static void play(enum pattern pattern, unsigned int round, unsigned int *seed)
{
	switch (pattern) {
	case WHOLE:
	case SECOND:
	case THIRD:
	case CHECKPOINT:
	case STOPS:
	case SYNCS:
	case UNEVEN:
	case SAME:
		if (round % every[pattern] || (pattern == STOPS && round >= 40))
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
	case TOUCHES:
		for (unsigned int b = 0; b < BLOCKS; b++)
			if (rand_r(seed) & 1)
				peer_writes(b * (unsigned int)BLOCK_PAGES +
					    (unsigned int)rand_r(seed) % (unsigned int)BLOCK_PAGES);
		break;
	case SKIPS:
	case PAIRS:
		if (pattern == SKIPS ? round % 10 == 9 : round % 4 >= 2)
			break;
		for (unsigned int b = 0; b < BLOCKS; b++)
			peer_writes_block(b);
		break;
	case FEW_BLOCKS:
	case PHASES:
		for (unsigned int b = 0; b < 4; b++)
			peer_writes_block(b + (pattern == PHASES && round / 40 % 2 ? 4 : 0));
		break;
	case RING:
		peer_writes_block(round % BLOCKS);
		break;
	case DENSE:
	case SPARSE:
		for (unsigned int i = 0; i < (pattern == DENSE ? PAGES : PAGES / 10); i++)
			peer_writes((unsigned int)rand_r(seed) % PAGES);
		break;
	default:
		for (unsigned int i = 0; i < PAGES; i += 2)
			peer_writes(i);
		break;
	}
}

/* The folio of that page is to be written back; who wrote something there says for whom. */
static bool is_dirty(unsigned int i, bool *ret_wanted)
{
	unsigned int first = i - i % world->folio;
	bool dirty = false;

	*ret_wanted = false;
	for (unsigned int p = first; p < first + world->folio; p++) {
		dirty |= page[p].dirty;
		*ret_wanted |= page[p].wanted;
	}
	return dirty;
}

/* As fsync(2) does it, and as the kernel module tells of it: an event for each run of pages. */
static void write_back(struct warm_blocks *b, uint64_t now)
{
	unsigned int start;
	bool wanted;

	for (unsigned int i = 0; i < PAGES; i += i == start ? world->folio : 0) {
		for (start = i; i < PAGES && is_dirty(i, &wanted); i += world->folio) {
			*(wanted ? &needed : &extra) += world->folio;
			memset(&page[i], 0, world->folio * sizeof(page[i]));
		}
		if (i > start)
			warm_blocks_written(b, (uint64_t)start * PAGE, (uint64_t)i * PAGE,
					    UINT64_MAX, now);
	}
}

static struct warm_sample sample(uint64_t start, uint64_t end)
{
	struct warm_sample s = { 0 };

	if (!world->seen)
		return s;
	warm_sample_begin(&s, end - start);
	for (unsigned int i = 0; i < warm_sample_places(&s); i++)
		s.sum[i] = holds[(start + warm_sample_place(&s, i)) / PAGE];
	return s;
}

static void bring_back(struct warm_blocks *b, uint64_t now)
{
	struct warm_sample before;
	uint64_t start, end, wait;
	bool write;

	while (warm_blocks_peek(b, (uint64_t)PAGES * PAGE, now, &start, &end, &write, &wait)) {
		if (warm_blocks_take(b, start, end, write, &before)) {
			struct warm_sample s = sample(start, end);

			write = write && !warm_block_is_same(&before, &s);
			warm_blocks_sampled(b, start, &s);
			looks++;
		}
		for (uint64_t i = start / PAGE; write && i < end / PAGE; i++)
			page[i].writable = page[i].dirty = true;
	}
}

/* How long it is since the round before. */
static uint64_t passed(enum pattern pattern, unsigned int round, unsigned int *seed)
{
	if (pattern == SYNCS && round % 30 < 2)
		return ROUND_USEC / 10 * (round % 30 ? 6 : 4);
	if (pattern == UNEVEN)
		return ROUND_USEC / 10 * 7 + (uint64_t)rand_r(seed) % (ROUND_USEC / 10 * 6);
	return ROUND_USEC;
}

static void run(enum pattern pattern, enum warm_mode mode)
{
	struct warm_blocks b;
	unsigned int seed = 1;
	uint64_t now = ROUND_USEC;

	memset(page, 0, sizeof(page));
	same = pattern == SAME;
	faults = needed = extra = 0;
	if (warm_blocks_init(&b, mode, true, (uint64_t)PAGES * PAGE) < 0)
		exit(EXIT_FAILURE);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		play(pattern, round, &seed);
		write_back(&b, now);
		bring_back(&b, now + WARM_QUIET_USEC);
		now += passed(pattern, round, &seed);
	}
	warm_blocks_deinit(&b);
}

/* Whole blocks, again and again, and in many rounds in a row. */
static bool is_for_them(enum pattern pattern)
{
	switch (pattern) {
	case PHASES: /* where nobody can see that they are over, more is in vain than they pay for */
		return world->seen;
	case RING:
	case DENSE:
	case HALVES:
	case SPARSE:
	case TOUCHES:
	case PAIRS:
	case SKIPS:
	case SAME:
		return false;
	default:
		return every[pattern] <= 1;
	}
}

static bool row(void)
{
	bool good = true;

	for (unsigned int m = 0; m < _PATTERN_MAX; m++) {
		static unsigned long without[_PATTERN_MAX]; /* the same in each world */
		double spared, more;

		if (!without[m]) {
			run((enum pattern)m, WARM_OFF);
			without[m] = faults;
		}
		run((enum pattern)m, WARM_ADAPTIVE);
		spared = 100 - 100 * (double)faults / (double)without[m];
		more = 100 * (double)extra / (double)needed;
		printf("%s%.0f / %.1f", m ? " | " : "", spared, more);
		/* nobody can hear of a round that is left out */
		good &= more <= 5 || (m == SKIPS && !world->seen);
		good &= spared >= 50 || !is_for_them((enum pattern)m);
	}
	printf("\n");
	return good;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "pages";
	bool good = true;

	if (!strcmp(how, "--names")) {
		for (unsigned int m = 0; m < _PATTERN_MAX; m++)
			printf("%s%s", m ? " | " : "", names[m]);
		printf("\n");
		return EXIT_SUCCESS;
	}
	for (size_t i = 0; i < ARRAY_SIZE(worlds); i++) {
		world = &worlds[i];
		if (!strcmp(how, world->name) || !strcmp(how, "--check"))
			good &= row();
	}
	return strcmp(how, "--check") || good ? EXIT_SUCCESS : EXIT_FAILURE;
}
