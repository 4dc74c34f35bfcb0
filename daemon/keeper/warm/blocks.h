/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blocks.h - which blocks of a region are brought back after writeback, and which of them for
 * writing.
 *
 * Writeback write-protects a page, so the next access of a peer faults. Bringing it back for
 * reading costs no I/O, but the next write faults again; bringing it back for writing dirties it,
 * so that writeback writes it again whether or not a peer does. Hence, in mode adaptive, a block is
 * brought back for writing only after it was proven in WARM_HOT_ROUNDS rounds in a row that a peer
 * dirties it; and since a block that we dirtied ourselves comes back with the next round in any
 * case, that proves nothing: after WARM_TRUST_ROUNDS such rounds it is brought back for reading
 * once, and only a writeback that follows then is a proof again. Who has written a block in every
 * round for long is trusted for longer: for one of WARM_TRUST_SHARE rounds that were proven,
 * WARM_TRUST_MOST at most. So many rounds write in vain when it stops.
 *
 * Where it can be seen what a block holds (warm/sample.h), that says more. If most of it is
 * something else than a round before, WARM_CHANGED_ROUNDS times in a row, a peer writes it, and it
 * is not brought back for reading to find that out: such a peer does not fault at all. Once the
 * block holds the same it is brought back for reading in that very round, so that one round writes
 * in vain when it stops. Who always writes the same bytes is looked at as above, and so is whoever
 * does not write in each round.
 *
 * What is a proof: a round in which events of the kernel's module covered WARM_PROOF_PAGES of a
 * block's 512 for certain (of the part that there is of the last one, as much), so that what is
 * dirtied beyond them is at most a third of them. Events fold into a hull, which may have holes; so
 * a report says how much of it is certain, and what is missing counts as missing in each block.
 *
 * A round is a burst of events that is over once nothing came for WARM_QUIET_USEC, and
 * WARM_BURST_USEC have passed since it began. Events are told WARM_PACE_MSEC late, those of one block
 * together, so WARM_QUIET_USEC includes that time. (On a busy machine a burst is held up in the
 * middle; two rounds of it would prove nothing, and make all others look late.) Blocks are
 * brought back then (or, in a burst without an end, every WARM_BURST_USEC), so that a storm of
 * events costs one pass. Rounds that are too far apart are not in a row: while nobody writes there
 * are none. That is measured by how far apart rounds lately were at the least, WARM_PERIOD_ROUNDS
 * times in a row. (So many there are at least while a block is trusted: we dirty it ourselves, so
 * it is seen in every round there is, whether peers write or not.)
 *
 * The numbers were chosen by tests/bench/warm-rules.c; docs/warm.md has what it says of them and of
 * others.
 *
 * What always holds: a step touches at most WARM_EXACT_BLOCKS blocks, or clears; wider reports fold
 * into one range which is brought back for reading and proves nothing. The table is allocated once:
 * 24 bytes per 2 MiB, zeroed and so backed by memory only where it was used. That is a 2^16th of the
 * region, less than its page tables, so there is no second way for huge regions.
 *
 * Pure: no I/O, no clock.
 */
#ifndef RDMAREG_KEEPER_WARM_BLOCKS_H
#define RDMAREG_KEEPER_WARM_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper/warm/sample.h"
#include "names.h"

#define WARM_BLOCK_BYTES (UINT64_C(2) << 20)
#define WARM_EXACT_BLOCKS 64
#ifndef WARM_HOT_ROUNDS /* tests/bench/warm-rules.c tries others */
#define WARM_HOT_ROUNDS 2
#define WARM_TRUST_ROUNDS 4
#define WARM_TRUST_SHARE 20
#define WARM_PROOF_PAGES 384
#define WARM_PERIOD_ROUNDS 4
#define WARM_PERIOD_GROWTH 160
#define WARM_CHANGED_ROUNDS 3
#endif
#define WARM_TRUST_MOST 60 /* rounds */
#define WARM_PACE_MSEC 10
#define WARM_QUIET_USEC (40000 + WARM_PACE_MSEC * 1000)
#define WARM_BURST_USEC 200000

struct warm_block {
	uint32_t
		/* pages of it that were written back in @round, as far as is certain */
		covered : 10;
	uint32_t
		round : 8; /* the last one that it was seen in; 0: none. They wrap, from 255 to 1 */
	uint32_t streak : 2; /* rounds in a row with a proof */
	uint32_t
		/* rounds in a row without one, since it was brought back for writing */
		trusted : 6;
	uint32_t proven : 1;  /* in @round */
	uint32_t waiting : 1; /* to be brought back */
	uint32_t ours : 1;    /* brought back for writing: the next writeback is our own doing */
	uint32_t
		/*
		 * brought back for reading in @round, to see whether a peer writes: nothing is
		 * proven in it
		 */
		probation : 1;
	uint32_t
		/* rounds in a row in which it was seen to hold something else, WARM_CHANGED_ROUNDS at most */
		changed : 2;
	uint16_t history; /* rounds in a row that a peer wrote it, as was proven in the end */
	struct warm_sample
		sample; /* when it was last brought back for writing, if it could be seen */
};

struct warm_blocks {
	enum warm_mode mode;
	bool can_write; /* the region's access */
	struct warm_block *block;
	uint64_t n;
	uint32_t last_pages; /* of the last block, which may be a part of one */
	uint64_t low, high;  /* every waiting block is in [low, high) */
	uint64_t start, end; /* what wide reports folded into, bytes; start >= end: nothing */
	uint8_t round;
	uint64_t round_usec;		    /* when it began */
	uint64_t apart[WARM_PERIOD_ROUNDS]; /* from round to round, the last one first */
	uint64_t period_usec; /* as far apart as rounds are, when none is missing; 0: not known */
	uint64_t first_usec;  /* of the burst, or since the last pass in it; 0: nothing waits */
	uint64_t last_usec;
};

/* -ENOMEM. @length: of the region. */
int warm_blocks_init(struct warm_blocks *b, enum warm_mode mode, bool can_write, uint64_t length);
void warm_blocks_deinit(struct warm_blocks *b);

/* What waits stays; what was learnt is forgotten. */
void warm_blocks_set_mode(struct warm_blocks *b, enum warm_mode mode);

/*
 * Writeback of [@start, @end), bytes inside the region; @certain: so many of them, or all if there
 * are not so many.
 */
void warm_blocks_written(struct warm_blocks *b, uint64_t start, uint64_t end, uint64_t certain,
			 uint64_t now_usec);

/* Reclaim took pages there: nothing of it waits any more, and whatever was learnt is void. */
void warm_blocks_reclaimed(struct warm_blocks *b, uint64_t start, uint64_t end);

/* Nothing waits any more. */
void warm_blocks_clear(struct warm_blocks *b);

/**
 * warm_blocks_peek - what would be brought back next, at most one block
 * @ret_wait_usec: set when it returns false and there will be something after that time; else 0
 */
bool warm_blocks_peek(struct warm_blocks *b, uint64_t limit, uint64_t now_usec, uint64_t *ret_start,
		      uint64_t *ret_end, bool *ret_write, uint64_t *ret_wait_usec);

/* What the last peek returned is being brought back. */
void warm_blocks_take(struct warm_blocks *b, uint64_t start, uint64_t end, bool write);

/*
 * The block that begins at @start is to be brought back for reading after all if it still holds
 * this. Without pages: whatever it holds.
 */
struct warm_sample warm_blocks_stale_sample(const struct warm_blocks *b, uint64_t start);

/* Enough of a block holds something else for that to be a peer's writing of it. */
bool warm_block_is_other(const struct warm_sample *before, const struct warm_sample *now);

/**
 * warm_blocks_sampled - what a block held that was taken for writing
 * @sample: without pages if that could not be seen
 * @write: and was brought back so; else it still held what it is not to
 */
void warm_blocks_sampled(struct warm_blocks *b, uint64_t start, const struct warm_sample *sample,
			 bool write);

#endif
