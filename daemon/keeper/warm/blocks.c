// SPDX-License-Identifier: GPL-2.0-or-later
/* blocks.c - see warm/blocks.h. */
#include "keeper/warm/blocks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096 /* the smallest that an event can stand for */
#define BLOCK_PAGES (WARM_BLOCK_BYTES / PAGE)

int warm_blocks_init(struct warm_blocks *b, enum warm_mode mode, bool can_write, uint64_t length)
{
	uint64_t n = length / WARM_BLOCK_BYTES + (length % WARM_BLOCK_BYTES != 0);
	struct warm_block *block = calloc(n ? n : 1, sizeof(*block));

	if (!block)
		return -ENOMEM;
	*b = (struct warm_blocks){ .mode = mode, .can_write = can_write, .block = block, .n = n };
	b->last_pages = n ? (uint32_t)((length - (n - 1) * WARM_BLOCK_BYTES + PAGE - 1) / PAGE) : 0;
	return 0;
}

void warm_blocks_deinit(struct warm_blocks *b)
{
	free(b->block);
	*b = (struct warm_blocks){ .mode = WARM_OFF };
}

static void forget(struct warm_blocks *b, uint64_t from, uint64_t to)
{
	if (from < to)
		memset(&b->block[from], 0, (to - from) * sizeof(*b->block));
}

void warm_blocks_set_mode(struct warm_blocks *b, enum warm_mode mode)
{
	if (mode == b->mode)
		return;
	b->mode = mode;
	if (mode == WARM_OFF)
		warm_blocks_clear(b);
	for (uint64_t i = 0; i < b->n; i++) {
		struct warm_block *k = &b->block[i];

		/*
		 * untouched ones are not even read for writing: the table stays as small as it is
		 */
		if (k->round)
			*k = (struct warm_block){ .waiting = k->waiting, .ours = k->ours };
	}
}

/* Rounds that a hot block is brought back for writing unseen. */
static uint32_t trust(const struct warm_block *k)
{
	int earned = k->credit / WARM_VAIN_SHARE;

	return earned < WARM_TRUST_ROUNDS ? WARM_TRUST_ROUNDS : (uint32_t)earned;
}

/* They wrap, and 0 stands for the time before the first, which no block was heard of in. */
static uint8_t round_before(uint8_t round)
{
	return round > 1 ? (uint8_t)(round - 1) : UINT8_MAX;
}

/* A peer wrote it in that round, and so in those before in which nobody could tell. */
static void pay(struct warm_block *k)
{
	int credit = k->credit + 1 + (int)k->trusted;

	k->credit = (int16_t)(credit < WARM_CREDIT_MOST ? credit : WARM_CREDIT_MOST);
	k->trusted = 0;
}

static void charge(struct warm_block *k)
{
	k->credit = (int16_t)(k->credit - WARM_VAIN_SHARE * (int)k->trusted);
	k->trusted = 0;
}

/* To see whether a peer writes it. */
static void try_for_reading(struct warm_block *k)
{
	k->streak = WARM_HOT_ROUNDS - 1; /* one proof makes it hot again */
	k->probation = 1;
}

static void new_round(struct warm_blocks *b, struct warm_block *k)
{
	bool in_a_row = k->round == round_before(b->round) && (k->sample.pages || !b->late) &&
			(k->proven || k->ours || k->probation);

	if (k->proven)
		pay(k);
	if (!in_a_row) {
		charge(k);
		k->streak = 0;
	}
	k->proven = k->looked = k->probation = 0;
	if (k->ours && k->streak == WARM_HOT_ROUNDS && ++k->trusted >= trust(k))
		try_for_reading(k);
	k->covered = 0;
	k->round = b->round;
}

static uint32_t pages_of_proof(const struct warm_blocks *b, uint64_t i)
{
	uint32_t pages = i == b->n - 1 ? b->last_pages : (uint32_t)BLOCK_PAGES;

	return (pages * WARM_PROOF_PAGES + (uint32_t)BLOCK_PAGES - 1) / (uint32_t)BLOCK_PAGES;
}

static void cover(struct warm_blocks *b, uint64_t i, uint64_t pages)
{
	struct warm_block *k = &b->block[i];

	if (k->round != b->round)
		new_round(b, k);
	k->waiting = 1;
	k->covered = (pages > BLOCK_PAGES - k->covered ? BLOCK_PAGES : k->covered + pages) & 1023;
	if (k->ours || k->probation || k->proven || k->covered < pages_of_proof(b, i))
		return;
	k->proven = 1;
	if (k->streak < WARM_HOT_ROUNDS)
		k->streak++;
}

static void widen(struct warm_blocks *b, uint64_t start, uint64_t end)
{
	if (b->start >= b->end) {
		b->start = start;
		b->end = end;
		return;
	}
	b->start = start < b->start ? start : b->start;
	b->end = end > b->end ? end : b->end;
}

/*
 * One round that comes out of turn, as after a sync by hand, says nothing of how often rounds come:
 * the period becomes shorter only when WARM_PERIOD_ROUNDS in a row were closer together.
 */
static void note_interval(struct warm_blocks *b, uint64_t passed)
{
	uint64_t longest = 0;

	memmove(&b->apart[1], &b->apart[0], sizeof(b->apart) - sizeof(b->apart[0]));
	b->apart[0] = passed;
	for (unsigned int i = 0; i < WARM_PERIOD_ROUNDS; i++) {
		if (!b->apart[i])
			return; /* there were not so many yet */
		longest = b->apart[i] > longest ? b->apart[i] : longest;
	}
	if (!b->period_usec || longest < b->period_usec)
		b->period_usec = longest;
	else
		b->period_usec += b->period_usec / WARM_PERIOD_GROWTH;
}

/*
 * What comes half a period too late did not come in a row. Without this a peer that writes
 * everything once in a while looks like one that writes all the time, since in between there is
 * nothing to see.
 */
static void begin_round(struct warm_blocks *b, uint64_t now)
{
	uint64_t passed = b->round_usec ? now - b->round_usec : 0;

	b->late = b->period_usec && passed > b->period_usec + b->period_usec / 2;
	b->round = (uint8_t)(b->round < UINT8_MAX ? b->round + 1 : 1);
	if (b->round_usec)
		note_interval(b, passed);
	b->round_usec = now;
}

/*
 * A burst that ended a while ago makes this the first event of another. What comes so soon that a
 * burst could have lasted until now is the rest of one that was held up.
 */
static void note_time(struct warm_blocks *b, uint64_t now)
{
	if (!b->last_usec ||
	    (now - b->last_usec >= WARM_QUIET_USEC && now - b->round_usec >= WARM_BURST_USEC))
		begin_round(b, now);
	b->last_usec = now;
	if (!b->first_usec)
		b->first_usec = now;
}

void warm_blocks_written(struct warm_blocks *b, uint64_t start, uint64_t end, uint64_t certain,
			 uint64_t now)
{
	uint64_t first, last, missing, most = b->n * WARM_BLOCK_BYTES;

	missing = start < end && certain < end - start ? end - start - certain : 0;

	if (end > most)
		end = most;
	if (b->mode == WARM_OFF || start >= end)
		return;
	note_time(b, now ? now : 1);
	first = start / WARM_BLOCK_BYTES;
	last = (end - 1) / WARM_BLOCK_BYTES;
	if (last - first >= WARM_EXACT_BLOCKS) {
		widen(b, start, end);
		return;
	}
	if (b->low >= b->high) {
		b->low = first;
		b->high = last + 1;
	}
	b->low = first < b->low ? first : b->low;
	b->high = last + 1 > b->high ? last + 1 : b->high;
	for (uint64_t i = first; i <= last; i++) {
		uint64_t from = i == first ? start : i * WARM_BLOCK_BYTES;
		uint64_t to = i == last ? end : (i + 1) * WARM_BLOCK_BYTES;

		/* all that is missing may be missing here */
		cover(b, i, to - from > missing ? (to - from - missing + PAGE - 1) / PAGE : 0);
	}
}

void warm_blocks_reclaimed(struct warm_blocks *b, uint64_t start, uint64_t end)
{
	uint64_t most = b->n * WARM_BLOCK_BYTES;

	if (end > most)
		end = most;
	if (start >= end)
		return;
	if (start < b->end && b->start < end)
		b->start = b->end = 0;
	forget(b, start / WARM_BLOCK_BYTES, (end - 1) / WARM_BLOCK_BYTES + 1);
}

static void drop_waiting(struct warm_blocks *b)
{
	for (uint64_t i = b->low; i < b->high; i++)
		b->block[i].waiting = 0;
	b->low = b->high = 0;
}

void warm_blocks_clear(struct warm_blocks *b)
{
	drop_waiting(b);
	b->start = b->end = 0;
	b->first_usec = 0;
}

/* The burst is over, or has lasted long enough. */
static bool is_due(const struct warm_blocks *b, uint64_t now, uint64_t *ret_wait_usec)
{
	uint64_t quiet = b->last_usec + WARM_QUIET_USEC, longest = b->first_usec + WARM_BURST_USEC;
	uint64_t due = quiet < longest ? quiet : longest;

	if (now >= due)
		return true;
	*ret_wait_usec = due - now;
	return false;
}

static bool is_for_writing(const struct warm_blocks *b, const struct warm_block *k)
{
	if (!b->can_write)
		return false;
	return b->mode == WARM_WRITE ||
	       (b->mode == WARM_ADAPTIVE && k && k->streak == WARM_HOT_ROUNDS && k->credit >= 0);
}

bool warm_blocks_peek(struct warm_blocks *b, uint64_t limit, uint64_t now, uint64_t *ret_start,
		      uint64_t *ret_end, bool *ret_write, uint64_t *ret_wait_usec)
{
	uint64_t start, end;
	bool write;

	*ret_wait_usec = 0;
	if (!b->first_usec || !is_due(b, now, ret_wait_usec))
		return false;
	while (b->low < b->high && !b->block[b->low].waiting)
		b->low++;
	if (b->low * WARM_BLOCK_BYTES >= limit) /* beyond the end of the file */
		drop_waiting(b);
	if (b->low < b->high) {
		start = b->low * WARM_BLOCK_BYTES;
		end = start + WARM_BLOCK_BYTES;
		write = is_for_writing(b, &b->block[b->low]);
	} else {
		start = b->start;
		end = b->end;
		write = is_for_writing(b, NULL);
		if (start < end && end - start > WARM_BLOCK_BYTES - start % WARM_BLOCK_BYTES)
			end = start + WARM_BLOCK_BYTES - start % WARM_BLOCK_BYTES;
	}
	if (end > limit)
		end = limit;
	if (start >= end) { /* nothing, or beyond the end of the file */
		warm_blocks_clear(b);
		return false;
	}
	*ret_start = start;
	*ret_end = end;
	*ret_write = write;
	return true;
}

bool warm_blocks_take(struct warm_blocks *b, uint64_t start, uint64_t end, bool write,
		      struct warm_sample *ret_before)
{
	struct warm_block *k = &b->block[start / WARM_BLOCK_BYTES];
	bool look = false;

	*ret_before = (struct warm_sample){ 0 };
	if (b->low < b->high) {
		look = b->mode == WARM_ADAPTIVE && b->can_write && !k->looked &&
		       (k->proven || write);
		k->waiting = 0;
		b->low++;
	} else {
		b->start = end;
	}
	if (look) {
		*ret_before = k->sample;
		k->looked = 1;
	}
	k->ours = write;
	if (b->low >= b->high && b->start >= b->end)
		b->first_usec = 0;
	return look;
}

bool warm_block_is_same(const struct warm_sample *before, const struct warm_sample *now)
{
	return before->pages && !warm_sample_differs(before, now, WARM_PROOF_PAGES, BLOCK_PAGES);
}

void warm_blocks_sampled(struct warm_blocks *b, uint64_t start, const struct warm_sample *sample)
{
	struct warm_block *k = &b->block[start / WARM_BLOCK_BYTES];
	struct warm_sample before = k->sample;

	if (!k->proven && !k->ours)
		return; /* meanwhile it was taken away */
	k->sample = *sample;
	if (!before.pages)
		return; /* events have to do */
	if (!warm_block_is_same(&before, sample)) {
		k->proven = 1;
		k->trusted = 0;
	} else if (k->proven) { /* by events, and by them alone */
		k->proven = k->ours = k->streak = 0;
	} else {
		charge(k);
		try_for_reading(k);
		k->ours = 0;
	}
}
