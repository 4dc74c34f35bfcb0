// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-warm-blocks.c - which blocks are brought back after writeback, which of them for
 * writing, and what ends that again.
 */
#undef NDEBUG
#include <assert.h>
#include <stddef.h>

#include "keeper/warm/blocks.h"

#define MIB (UINT64_C(1) << 20)
#define B WARM_BLOCK_BYTES
#define BLOCKS 256

static struct warm_blocks b;
static uint64_t now;
static unsigned int looks; /* at what a block holds */

/* What a block holds, where anybody can see it. */
static struct {
	bool seen;
	char bytes[WARM_SAMPLE_PLACES][WARM_SAMPLE_BYTES];
} contents;

static struct warm_sample look(uint64_t length)
{
	struct warm_sample s = { 0 };

	if (!contents.seen)
		return s;
	warm_sample_begin(&s, length);
	for (unsigned int i = 0; i < warm_sample_places(&s); i++)
		warm_sample_note(&s, i, contents.bytes[i]);
	return s;
}

static void change(unsigned int places)
{
	for (unsigned int i = 0; i < places; i++)
		contents.bytes[i][4095]++;
}

static void begin(enum warm_mode mode, bool can_write)
{
	contents.seen = false;
	looks = 0;
	warm_blocks_deinit(&b);
	assert(warm_blocks_init(&b, mode, can_write, BLOCKS * B) == 0);
	now = 1000000;
}

/*
 * Until nothing waits. How many bytes were brought back in all, and how many of them for writing.
 */
static uint64_t drain(uint64_t *ret_written)
{
	uint64_t start, end, wait, all = 0;
	struct warm_sample before;
	bool write;

	*ret_written = 0;
	now += WARM_QUIET_USEC;
	while (warm_blocks_peek(&b, BLOCKS * B, now, &start, &end, &write, &wait)) {
		assert(start < end && end - start <= B && start / B == (end - 1) / B);
		if (warm_blocks_take(&b, start, end, write, &before)) {
			struct warm_sample s = look(end - start);

			write = write && !warm_block_is_same(&before, &s);
			warm_blocks_sampled(&b, start, &s);
			looks++;
		} else {
			assert(!before.pages);
		}
		all += end - start;
		*ret_written += write ? end - start : 0;
	}
	assert(wait == 0);
	return all;
}

/* One round in which block @i was written back whole; true if it comes back for writing. */
static bool round_of(uint64_t i)
{
	uint64_t written;

	now += 1000000;
	warm_blocks_written(&b, i * B, (i + 1) * B, UINT64_MAX, now);
	assert(drain(&written) == B && (written == 0 || written == B));
	return written;
}

static void test_modes(void)
{
	uint64_t written;

	begin(WARM_OFF, true);
	warm_blocks_written(&b, 0, B, UINT64_MAX, now);
	assert(drain(&written) == 0);
	begin(WARM_READ, true);
	for (int i = 0; i < 20; i++)
		assert(!round_of(3));
	begin(WARM_WRITE, true);
	assert(round_of(3));
	now += 1000000;
	warm_blocks_written(&b, 0, BLOCKS * B, 5 * UINT64_C(4096), now); /* wide ones too */
	assert(drain(&written) == BLOCKS * B && written == BLOCKS * B);
	begin(WARM_WRITE, false); /* never what the region does not allow */
	assert(!round_of(3));
	begin(WARM_ADAPTIVE, false);
	for (int i = 0; i < 20; i++)
		assert(!round_of(3));
}

/* A peer that writes all the time: for writing, but for one round in WARM_TRUST_ROUNDS + 1. */
static void test_hot(void)
{
	int writes = 0;

	begin(WARM_ADAPTIVE, true);
	for (int i = 1; i < WARM_HOT_ROUNDS; i++)
		assert(!round_of(7));
	for (int i = 0; i < 5 * (WARM_TRUST_ROUNDS + 1); i++)
		writes += round_of(7);
	assert(writes == 5 * WARM_TRUST_ROUNDS);
	assert(b.block[6].round == 0 && b.block[8].round == 0);
}

/* A peer that stopped: every round is our own doing, so it ends at the probation. */
static void test_escape(void)
{
	int rounds = 0;

	begin(WARM_ADAPTIVE, true);
	for (int i = 1; i < WARM_HOT_ROUNDS; i++)
		assert(!round_of(7));
	while (round_of(7)) /* dirty since we brought it back, so it is written back */
		rounds++;
	assert(rounds == WARM_TRUST_ROUNDS);
	/* now it is clean and no event comes; one of another block makes rounds */
	assert(!round_of(9));
	assert(b.block[7].ours == 0);
	/* those rounds were in vain, and are paid for first */
	for (rounds = 0; !round_of(7); rounds++)
		;
	assert(rounds == WARM_TRUST_ROUNDS * WARM_VAIN_SHARE - WARM_HOT_ROUNDS);
}

/*
 * A peer that writes all the time for long, more rounds than there are numbers for: it is looked at
 * ever less often, and when it stops, no more rounds are written in vain than it has paid for.
 */
static void test_trust_grows(void)
{
	int rounds = 0, tried = 0, vain = 0;

	begin(WARM_ADAPTIVE, true);
	for (; rounds < 1000; rounds++)
		tried += !round_of(7);
	assert(tried < 80 && tried > 1000 / WARM_TRUST_MOST);
	while (round_of(7))
		rounds++;
	assert(round_of(7)); /* was tried, and proven: it stops at the worst moment */
	while (round_of(7))
		vain++;
	assert(vain > WARM_TRUST_ROUNDS && vain <= rounds / WARM_VAIN_SHARE);
	/* all of that is spent */
	assert(!round_of(9));
	for (int i = 0; i < WARM_VAIN_SHARE - 2; i++)
		round_of(7);
	for (vain = 0; round_of(7); vain++)
		;
	assert(vain <= WARM_TRUST_ROUNDS);
	/* and however long it goes on, it is tried at times */
	begin(WARM_ADAPTIVE, true);
	for (int i = 0; i < 3 * WARM_CREDIT_MOST; i++)
		round_of(7);
	for (vain = 0; round_of(7); vain++)
		;
	assert(b.block[7].credit <= WARM_CREDIT_MOST && vain <= WARM_TRUST_MOST);
}

/* So many rounds in which all of block 7 becomes something else; how many brought it back for reading. */
static int write_rounds(int rounds)
{
	int tried = 0;

	for (int i = 0; i < rounds; i++) {
		change(16);
		tried += !round_of(7);
	}
	return tried;
}

/* A peer that always writes something else is never tried, and is believed no longer than it does. */
static void test_changes(void)
{
	static const struct {
		unsigned int places; /* that change in the end */
		bool goes_on;
	} table[] = { { 16, true }, { 12, true }, { 11, false }, { 1, false }, { 0, false } };

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		begin(WARM_ADAPTIVE, true);
		contents.seen = true;
		assert(write_rounds(300) == WARM_HOT_ROUNDS - 1);
		change(table[i].places);
		assert(round_of(7) == table[i].goes_on);
		if (table[i].goes_on)
			continue;
		/* it is clean now, and the same bytes are no proof that somebody writes */
		assert(!round_of(7));
		assert(write_rounds(9) == WARM_HOT_ROUNDS - 1);
		assert(!round_of(7));
		assert(write_rounds(9) == 0); /* left out one round, and paid for that long ago */
	}
	/* what cannot be seen any more is not believed either */
	begin(WARM_ADAPTIVE, true);
	contents.seen = true;
	write_rounds(20);
	contents.seen = false;
	assert(!round_of(7));
	/* nor what somebody else took away */
	contents.seen = true;
	now += 1000000;
	warm_blocks_written(&b, 7 * B, 8 * B, UINT64_MAX, now);
	warm_blocks_reclaimed(&b, 7 * B, 8 * B);
	warm_blocks_sampled(&b, 7 * B, &(struct warm_sample){ .pages = 512 });
	assert(!b.block[7].sample.pages);
}

/*
 * A filesystem that writes all of a large folio for a page of it: that is no proof, and each look at
 * a block is one for each round.
 */
static void test_folio(void)
{
	static const unsigned int places[] = { 0, 1, 11 };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		begin(WARM_ADAPTIVE, true);
		contents.seen = true;
		for (int round = 0; round < 50; round++) {
			change(places[i]);
			assert(!round_of(7));
		}
		assert(looks == 50);
		/* it proves itself as a new one does */
		assert(write_rounds(20) == WARM_HOT_ROUNDS - 1);
	}
	/* and where events do not say that it was most of a block it is not looked at */
	begin(WARM_ADAPTIVE, true);
	contents.seen = true;
	for (int round = 0; round < 50; round++) {
		uint64_t written;

		change(16);
		now += 1000000;
		warm_blocks_written(&b, 7 * B, 8 * B, 383 * UINT64_C(4096), now);
		assert(drain(&written) == B && !written);
	}
	assert(!looks);
}

/* Whatever a peer leaves out, what is written in vain is a small share of what it writes. */
static void test_share(void)
{
	static const int periods[] = { 1, 2, 3, 9, 24, 26, 39 };

	for (size_t i = 0; i < sizeof(periods) / sizeof(*periods); i++) {
		int vain = 0, wrote = 0, period = periods[i];
		bool dirty = false;

		begin(WARM_ADAPTIVE, true);
		contents.seen = true;
		for (int round = 0; round < 1000; round++) {
			bool writes = round / period % 2 == 0;

			if (writes)
				change(16);
			wrote += writes;
			vain += dirty && !writes;
			if (writes || dirty)
				dirty = round_of(7);
			else
				now += 1000000;
		}
		assert(vain <= 1 + wrote / WARM_VAIN_SHARE);
		assert(vain || period == 1);
		if (period > WARM_VAIN_SHARE) /* each pause is paid for, and costs nothing else */
			assert(vain >= wrote / period - 1);
	}
}

/* Who is seen to write is not asked when: rounds that become longer for good are no pause. */
static void test_seen_late(void)
{
	begin(WARM_ADAPTIVE, true);
	contents.seen = true;
	write_rounds(20);
	for (int i = 0; i < 20; i++) {
		now += 9000000;
		assert(write_rounds(1) == 0);
	}
	/* but those of others in between are none in a row */
	assert(!round_of(9) && round_of(7) == false);
	assert(write_rounds(9) == WARM_HOT_ROUNDS - 1);
}

/* A burst that lasts longer than a pass: what was found out about its round stays. */
static void test_two_passes(void)
{
	uint64_t written;

	begin(WARM_ADAPTIVE, true);
	contents.seen = true;
	for (int round = 0; round < 20; round++) {
		change(16);
		now += 1000000;
		warm_blocks_written(&b, 7 * B, 8 * B - 4096, UINT64_MAX, now);
		drain(&written);
		assert(written == (round >= WARM_HOT_ROUNDS - 1 ? B : 0));
		warm_blocks_written(&b, 8 * B - 4096, 8 * B, UINT64_MAX, now += 10);
		drain(&written);
		assert(written == (round >= WARM_HOT_ROUNDS - 1 ? B : 0));
	}
	assert(looks == 20);
}

static void test_not_in_a_row(void)
{
	begin(WARM_ADAPTIVE, true);
	for (int i = 0; i < 20; i++)
		assert(!round_of(i % 2));
}

#define ENOUGH (WARM_PROOF_PAGES * UINT64_C(4096))

/*
 * What covers less than three quarters of a block for certain proves nothing: writing would write
 * what nobody wrote.
 */
static void test_proof(void)
{
	static const struct {
		uint64_t start, end, pages;
		bool proves;
	} table[] = {
		{ 0, B, 512, true },
		{ 0, ENOUGH, WARM_PROOF_PAGES, true },
		{ 0, ENOUGH - 4096, WARM_PROOF_PAGES, false },
		{ 0, B, 2, false }, /* the first page and the last */
		{ 0, B, 383, false },
		{ 0, B, 384, true },
		{ 0, ENOUGH, 1000000, true },
		{ 0, 3 * B, 1536, true },
		{ 0, 3 * B, 1408, true }, /* wherever the others are, three of four are here */
		{ 0, 3 * B, 1407, false },
		{ 0, BLOCKS * B, 1000000, false }, /* too wide to note each */
	};
	uint64_t written;

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		begin(WARM_ADAPTIVE, true);
		for (int round = 0; round < WARM_HOT_ROUNDS; round++) {
			now += 1000000;
			warm_blocks_written(&b, table[i].start, table[i].end, table[i].pages * 4096,
					    now);
			assert(drain(&written) >= table[i].end - table[i].start);
		}
		assert((written > 0) == table[i].proves);
	}
	/* parts add up; a second burst within the same one is no second round */
	begin(WARM_ADAPTIVE, true);
	for (int round = 0; round < 2 * WARM_HOT_ROUNDS; round++)
		for (uint64_t part = 0; part < 4; part++)
			warm_blocks_written(&b, part * B / 4, (part + 1) * B / 4, UINT64_MAX,
					    now += 10);
	assert(drain(&written) == B && written == 0 && b.block[0].streak == 1);
}

/* A region that ends within a block: what there is of it counts. */
static void test_last(void)
{
	static const uint64_t pages[] = { 1, 2, 20, 256, 511, 512 };
	uint64_t written = 0;

	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
		for (uint64_t missing = 0; missing < 2; missing++) {
			warm_blocks_deinit(&b);
			assert(warm_blocks_init(&b, WARM_ADAPTIVE, true,
						2 * B + pages[i] * 4096 - 100) == 0);
			now = 1000000;
			for (int round = 0; round < WARM_HOT_ROUNDS; round++) {
				now += 1000000;
				/* one page of four may be missing, no more */
				warm_blocks_written(&b, 2 * B,
						    2 * B + pages[i] * 4096 -
							    missing * (pages[i] / 4 + 1) * 4096,
						    UINT64_MAX, now);
				drain(&written);
			}
			assert((written > 0) == !missing);
		}
}

/*
 * Who writes less often than rounds can come does not write in a row, and it takes long until that
 * is forgotten.
 */
static void test_pauses(void)
{
	int writes = 0;

	begin(WARM_ADAPTIVE, true);
	for (int i = 0; i < 10; i++)
		round_of(2);
	for (int i = 0; i < 50; i++) {
		now += 7000000;
		writes += round_of(7);
	}
	assert(writes == 0);
	for (int i = 0; i < 10; i++)
		writes += round_of(7);
	assert(writes >= 6);
}

/* A sync out of turn, or three of them at once, costs a peer that writes all the time nothing. */
static void test_out_of_turn(void)
{
	uint64_t written;
	int writes = 0;

	/* right before the first that comes in turn */
	begin(WARM_ADAPTIVE, true);
	now += 600000;
	warm_blocks_written(&b, 7 * B, 8 * B, UINT64_MAX, now);
	drain(&written);
	now -= 600000;
	for (int i = 0; i < 3 * (WARM_TRUST_ROUNDS + 1); i++)
		writes += round_of(7);
	assert(writes == 3 * WARM_TRUST_ROUNDS);
	/* and when rounds are known well */
	for (int i = 0; i < WARM_PERIOD_ROUNDS - 1; i++) {
		now -= 1000000 - WARM_BURST_USEC - WARM_QUIET_USEC;
		round_of(7);
	}
	writes = 0;
	for (int i = 0; i < 3 * (WARM_TRUST_ROUNDS + 1); i++)
		writes += round_of(7);
	assert(writes == 3 * WARM_TRUST_ROUNDS);
}

static void test_burst(void)
{
	uint64_t start, end, wait, first;
	bool write;

	begin(WARM_READ, true);
	first = now;
	for (; now < first + WARM_BURST_USEC; now += WARM_QUIET_USEC / 2) {
		warm_blocks_written(&b, 0, B, UINT64_MAX, now);
		assert(!warm_blocks_peek(&b, BLOCKS * B, now, &start, &end, &write, &wait));
		assert(wait && wait <= WARM_QUIET_USEC);
	}
	assert(warm_blocks_peek(&b, BLOCKS * B, now, &start, &end, &write, &wait) && start == 0 &&
	       end == B);
	/* the file became shorter meanwhile */
	assert(warm_blocks_peek(&b, 4096, now, &start, &end, &write, &wait) && end == 4096);
	assert(!warm_blocks_peek(&b, 0, now, &start, &end, &write, &wait) && !wait);
	assert(!warm_blocks_peek(&b, BLOCKS * B, now, &start, &end, &write, &wait) && !wait);
}

/* Wide reports become one range, from the first to the last byte of them, and no more. */
static void test_folds(void)
{
	uint64_t written;

	begin(WARM_READ, true);
	warm_blocks_written(&b, 100 * B, 190 * B, UINT64_MAX, now);
	assert(drain(&written) == 90 * B);
	now += 1000000;
	warm_blocks_written(&b, 100 * B, 190 * B, UINT64_MAX, now);
	warm_blocks_written(&b, 10 * B, 80 * B, UINT64_MAX, now);
	assert(drain(&written) == 180 * B);
}

/*
 * The file became shorter: what waits beyond its end is forgotten, and nothing else; what reports
 * folded into comes back as far as the file goes.
 */
static void test_shorter(uint64_t limit)
{
	uint64_t start, end, wait, all = 0;
	struct warm_sample before;
	bool write;

	begin(WARM_READ, true);
	warm_blocks_written(&b, 0, 150 * B, UINT64_MAX, now); /* folds */
	warm_blocks_written(&b, 3 * B, 4 * B, UINT64_MAX, now);
	warm_blocks_written(&b, 100 * B, 102 * B, UINT64_MAX, now);
	warm_blocks_written(&b, 200 * B, 201 * B, UINT64_MAX, now);
	now += WARM_QUIET_USEC;
	while (warm_blocks_peek(&b, limit, now, &start, &end, &write, &wait)) {
		warm_blocks_take(&b, start, end, write, &before);
		assert(end <= limit);
		all += end - start;
	}
	/* two exactly, and all that folded */
	assert(!wait && all == B + (limit - 100 * B) + limit);
	assert(!warm_blocks_peek(&b, BLOCKS * B, now, &start, &end, &write, &wait) && !wait);
	warm_blocks_written(&b, 200 * B, 201 * B, UINT64_MAX, now); /* it is as long again */
	assert(drain(&all) == B);
}

static void test_reclaim(void)
{
	uint64_t written;

	begin(WARM_ADAPTIVE, true);
	while (!round_of(7))
		;
	now += 1000000;
	warm_blocks_written(&b, 7 * B, 9 * B, UINT64_MAX, now);
	warm_blocks_reclaimed(&b, 7 * B, 8 * B);
	assert(drain(&written) == B && written == 0); /* block 8 */
	assert(!round_of(7));			      /* and forgot that it was hot */
	warm_blocks_written(&b, 0, BLOCKS * B, 9 * UINT64_C(4096), now += 1000000);
	warm_blocks_reclaimed(&b, 0, 4096);
	assert(drain(&written) == 0);
}

/* Likewise of the first block and the last: how many bytes come back for writing. */
static uint64_t round_of_ends(void)
{
	uint64_t written;

	now += 1000000;
	warm_blocks_written(&b, 0, B, UINT64_MAX, now);
	warm_blocks_written(&b, (BLOCKS - 1) * B, BLOCKS * B, UINT64_MAX, now);
	drain(&written);
	return written;
}

static void test_change(void)
{
	uint64_t written;

	begin(WARM_ADAPTIVE, true);
	while (!round_of(7))
		;
	warm_blocks_set_mode(&b, WARM_READ);
	assert(!round_of(7));
	warm_blocks_set_mode(&b, WARM_WRITE);
	assert(round_of(7));
	warm_blocks_written(&b, 0, B, UINT64_MAX, now += 1000000);
	warm_blocks_set_mode(&b, WARM_OFF);
	assert(drain(&written) == 0);
	/* what was learnt is forgotten, of all blocks, and not by what changes nothing */
	begin(WARM_ADAPTIVE, true);
	while (!round_of_ends())
		;
	warm_blocks_set_mode(&b, WARM_ADAPTIVE);
	assert(round_of_ends() == 2 * B);
	warm_blocks_set_mode(&b, WARM_READ);
	warm_blocks_set_mode(&b, WARM_ADAPTIVE);
	assert(round_of_ends() == 0);
}

static void test_bad_input(void)
{
	uint64_t written;

	begin(WARM_WRITE, true);
	warm_blocks_written(&b, 5, 5, UINT64_MAX, now);
	warm_blocks_written(&b, 9, 3, UINT64_MAX, now);
	warm_blocks_written(&b, BLOCKS * B, UINT64_MAX, UINT64_MAX, now);
	warm_blocks_reclaimed(&b, 9, 3);
	warm_blocks_reclaimed(&b, BLOCKS * B, UINT64_MAX);
	assert(drain(&written) == 0);
	warm_blocks_written(&b, BLOCKS * B - 1, UINT64_MAX, 0, now);
	assert(drain(&written) == B);
	warm_blocks_deinit(&b);
	assert(warm_blocks_init(&b, WARM_WRITE, true, 0) == 0);
	warm_blocks_written(&b, 0, UINT64_MAX, UINT64_MAX, now);
	assert(drain(&written) == 0);
	warm_blocks_deinit(&b);
	assert(warm_blocks_init(&b, WARM_WRITE, true, 4096) == 0 && b.n == 1);
}

int main(void)
{
	test_modes();
	test_hot();
	test_escape();
	test_trust_grows();
	test_changes();
	test_folio();
	test_share();
	test_seen_late();
	test_two_passes();
	test_not_in_a_row();
	test_proof();
	test_last();
	test_pauses();
	test_out_of_turn();
	test_burst();
	test_folds();
	test_shorter(100 * B);
	test_shorter(100 * B + 4096);
	test_reclaim();
	test_change();
	test_bad_input();
	warm_blocks_deinit(&b);
	return 0;
}
