/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blocks.h - which blocks of a region are brought back after writeback, and which of them for
 * writing.
 *
 * Writeback write-protects a page, so the next access of a peer faults. Bringing it back for
 * reading costs no I/O, but the next write faults again; bringing it back for writing dirties it,
 * so that writeback writes it again whether or not a peer does. Hence, in mode adaptive, a block is
 * brought back for writing only once it was proven in WARM_HOT_ROUNDS rounds in a row that peers
 * write most of it, and while that goes on. What is a proof:
 *
 * - Events of the kernel's module covered WARM_PROOF_PAGES of a block's 512 for certain (of the part
 *   that there is of the last one, as much). Events fold into a hull, which may have holes; so a
 *   report says how much of it is certain, and what is missing counts as missing in each block.
 * - As much of what the block holds is something else than when it was last looked at
 *   (warm/sample.h), since a filesystem may write a large folio for one page of it. So a block is
 *   looked at once in each round for which events speak. Who writes the same bytes proves nothing.
 * - Of a block that we dirtied, which comes back in any case, events say nothing, and what it holds
 *   says all. If that is the same, the round was written in vain, and in that very round the block
 *   is brought back for reading.
 *
 * A round in vain must be paid for with WARM_VAIN_SHARE proven ones, before or after: who owes is
 * not brought back for writing. So whatever peers do, no more than one round for that many is in
 * vain, but for the first; and what is dirtied beyond what they write in a proven one is at most a
 * third of that.
 *
 * Where nobody can see what a block holds (fsdax), events have to do: after WARM_TRUST_ROUNDS rounds
 * it is brought back for reading, and only a writeback that follows then is a proof again, of those
 * rounds too. If none follows they were in vain. Who has proven for long is trusted for as many
 * rounds as that pays for, WARM_TRUST_MOST at most.
 *
 * A round is a burst of events that is over once nothing came for WARM_QUIET_USEC, and
 * WARM_BURST_USEC have passed since it began. Events are told WARM_PACE_MSEC late, those of one block
 * together, so WARM_QUIET_USEC includes that time. (On a busy machine a burst is held up in the
 * middle; two rounds of it would prove nothing, and make all others look late.) Blocks are
 * brought back then (or, in a burst without an end, every WARM_BURST_USEC), so that a storm of
 * events costs one pass. While nobody writes there are no rounds. So where nobody can see what a
 * block holds, rounds that are too far apart are not in a row. That is measured by how far apart
 * rounds lately were at the least, WARM_PERIOD_ROUNDS times in a row. (So many there are at least
 * while a block is trusted: we dirty it ourselves, so it is heard of in every round there is.)
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
#define WARM_PROOF_PAGES 384
#define WARM_PERIOD_ROUNDS 4
#define WARM_PERIOD_GROWTH 160
#define WARM_VAIN_SHARE 25
#endif
#define WARM_TRUST_MOST 60 /* rounds */
#define WARM_CREDIT_MOST (WARM_TRUST_MOST * WARM_VAIN_SHARE)
#define WARM_PACE_MSEC 10
#define WARM_QUIET_USEC (40000 + WARM_PACE_MSEC * 1000)
#define WARM_BURST_USEC 200000

struct warm_block {
	uint32_t
		/* pages of it that were written back in @round, as far as is certain */
		covered : 10;
	uint32_t
		round : 8; /* the last one that it was heard of in; 0: none. They wrap, from 255 to 1 */
	uint32_t streak : 2; /* rounds in a row with a proof */
	uint32_t
		/* rounds since the last proof, each dirtied by us and of none known whether by peers */
		trusted : 6;
	uint32_t proven : 1;  /* in @round */
	uint32_t looked : 1;  /* likewise, at what it holds */
	uint32_t waiting : 1; /* to be brought back */
	uint32_t ours : 1;    /* brought back for writing: the next writeback is our own doing */
	uint32_t
		/* brought back for reading in @round, where we dirtied it before: nothing is proven */
		probation : 1;
	int16_t credit;		   /* proven rounds, less WARM_VAIN_SHARE for each in vain */
	struct warm_sample sample; /* when it was last looked at */
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
	bool late;			    /* it began too long after the one before */
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
 * @limit: the end of the file: what waits beyond it is forgotten
 * @ret_wait_usec: set when it returns false and there will be something after that time; else 0
 */
bool warm_blocks_peek(struct warm_blocks *b, uint64_t limit, uint64_t now_usec, uint64_t *ret_start,
		      uint64_t *ret_end, bool *ret_write, uint64_t *ret_wait_usec);

/**
 * warm_blocks_take - what the last peek returned is being brought back
 * @ret_before: if it still holds that it is to be brought back for reading; without pages: as peek
 *   said in any case
 *
 * True if it is to be said what it holds: warm_blocks_sampled().
 */
bool warm_blocks_take(struct warm_blocks *b, uint64_t start, uint64_t end, bool write,
		      struct warm_sample *ret_before);

/* It holds the same, or what nobody can compare. Never without pages of @before. */
bool warm_block_is_same(const struct warm_sample *before, const struct warm_sample *now);

/* What a block held that was taken; without pages if that could not be seen. */
void warm_blocks_sampled(struct warm_blocks *b, uint64_t start, const struct warm_sample *sample);

#endif
