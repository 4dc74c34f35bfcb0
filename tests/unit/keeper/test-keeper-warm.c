// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-warm.c - what is prefetched next: chunks, order, the meter, cancelling, and ends that
 * come exactly once.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "keeper/warm/warm.h"

#define MIB (UINT64_C(1) << 20)
#define SEC UINT64_C(1000000)

static struct warm w;
static struct warm_chunk c;
static struct warm_request q;
static uint64_t wait;

#define RATE (UINT64_C(64) << 20)

static void begin(enum warm_mode mode)
{
	struct warm_blocks b;

	warm_blocks_deinit(&w.blocks);
	assert(warm_blocks_init(&b, mode, true, 64 * MIB) == 0);
	warm_init(&w, &b, RATE);
}

static void test_request(void)
{
	begin(WARM_OFF);
	assert(!warm_next(&w, 64 * MIB, 0, &c, &wait) && !wait);
	assert(warm_add_request(&w, &(struct warm_request){ .start = MIB,
							    .end = 6 * MIB,
							    .write = true,
							    .operation = 7 }) == 0);
	assert(warm_add_request(
		       &w, &(struct warm_request){ .start = 0, .end = MIB, .operation = 8 }) == 0);
	assert(warm_next(&w, 64 * MIB, 0, &c, &wait) && c.offset == MIB && c.length == MIB &&
	       c.write);
	assert(!warm_next(&w, 64 * MIB, 0, &c, &wait)); /* one at a time */
	warm_done(&w, 0);
	assert(!warm_take_finished(&w, &q));
	assert(warm_next(&w, 64 * MIB, 0, &c, &wait) && c.offset == 2 * MIB && c.length == 2 * MIB);
	warm_done(&w, 0);
	/* the file became shorter: what is beyond is not asked for */
	assert(warm_next(&w, 5 * MIB, 0, &c, &wait) && c.offset == 4 * MIB && c.length == MIB);
	assert(!warm_take_finished(&w, &q)); /* its last chunk is still out */
	warm_done(&w, 0);
	assert(!warm_next(&w, 5 * MIB, 0, &c, &wait));
	assert(warm_take_finished(&w, &q) && q.operation == 7 && q.error == 0);
	assert(!warm_take_finished(&w, &q));
	assert(warm_next(&w, 5 * MIB, 0, &c, &wait) && c.offset == 0 && !c.write);
	warm_done(&w, -EFAULT);
	assert(warm_take_finished(&w, &q) && q.operation == 8 && q.error == -EFAULT);
	assert(!warm_next(&w, 5 * MIB, 0, &c, &wait) && w.n_requests == 0);
}

/* Of each request what came back, never what is out; told once. */
static void test_progress(void)
{
	uint64_t done = 0, total = 0;

	begin(WARM_READ);
	assert(!warm_progress(&w, &q, &done, &total));
	assert(warm_add_request(&w, &(struct warm_request){
					    .start = MIB, .end = 6 * MIB, .operation = 7 }) == 0);
	assert(warm_add_request(&w, &(struct warm_request){ .end = 4 * MIB, .operation = 8 }) == 0);
	assert(warm_next(&w, 64 * MIB, 0, &c, &wait));
	assert(!warm_progress(&w, &q, &done, &total));
	warm_done(&w, 0);
	assert(warm_progress(&w, &q, &done, &total) && q.operation == 7 && done == MIB &&
	       total == 5 * MIB);
	assert(!warm_progress(&w, &q, &done, &total));
	assert(warm_next(&w, 64 * MIB, 0, &c, &wait) && !warm_progress(&w, &q, &done, &total));
	warm_done(&w, 0);
	assert(warm_progress(&w, &q, &done, &total) && done == 3 * MIB);
	assert(warm_next(&w, 64 * MIB, 0, &c, &wait));
	warm_done(&w, -EFAULT); /* it failed: its end is what is told */
	assert(!warm_progress(&w, &q, &done, &total));
	assert(warm_take_finished(&w, &q) && q.operation == 7);
	assert(warm_next(&w, 64 * MIB, 0, &c, &wait));
	warm_done(&w, 0);
	assert(warm_progress(&w, &q, &done, &total) && q.operation == 8 && done == 2 * MIB &&
	       total == 4 * MIB);
	assert(warm_next(&w, 64 * MIB, 0, &c, &wait) && !warm_progress(&w, &q, &done, &total));
	warm_done(&w, 0);
	assert(!warm_progress(&w, &q, &done, &total)); /* its end is told, and nothing else */
	assert(warm_take_finished(&w, &q) && q.operation == 8 && q.error == 0);
}

static void test_cancel_request(void)
{
	begin(WARM_READ);
	for (uint64_t i = 1; i <= 4; i++)
		assert(warm_add_request(&w, &(struct warm_request){ .end = 4 * MIB,
								    .connection = i > 3 ? 2 : 1,
								    .operation = i }) == 0);
	assert(warm_next(&w, 64 * MIB, 0, &c, &wait));
	warm_cancel_request(&w, 1, 99); /* nobody's */
	warm_cancel_request(&w, 2, 1);	/* another connection's */
	assert(!warm_take_finished(&w, &q));
	/* one that waits ends at once, the one that is served with its chunk */
	warm_cancel_request(&w, 1, 2);
	assert(warm_take_finished(&w, &q) && q.operation == 2 && q.error == -ECANCELED);
	warm_cancel_request(&w, 1, 1);
	warm_cancel_request(&w, 1, 1);
	assert(!warm_take_finished(&w, &q) && !warm_next(&w, 64 * MIB, 0, &c, &wait));
	warm_done(&w, 0);
	assert(warm_take_finished(&w, &q) && q.operation == 1 && q.error == -ECANCELED);
	assert(!warm_take_finished(&w, &q));
	/* what comes next goes on as if nothing had been */
	assert(warm_next(&w, 64 * MIB, 0, &c, &wait) && c.offset == 0);
	warm_cancel_request(&w, 1, 0);
	warm_done(&w, 0);
	assert(warm_take_finished(&w, &q) && q.operation == 3 && q.error == -ECANCELED);
	assert(warm_next(&w, 64 * MIB, 0, &c, &wait) && c.offset == 0);
	warm_done(&w, 0);
	assert(!warm_take_finished(&w, &q) && w.n_requests == 1);
}

static void test_room(void)
{
	begin(WARM_READ);
	for (int i = 0; i < WARM_REQUESTS_MAX; i++)
		assert(warm_add_request(&w, &(struct warm_request){
						    .end = MIB, .operation = (uint64_t)i }) == 0);
	assert(warm_add_request(&w, &(struct warm_request){ .end = MIB }) == -EBUSY);
	assert(warm_next(&w, MIB, 0, &c, &wait));
	warm_cancel(&w, -ECANCELED);
	for (int i = 0; i < WARM_REQUESTS_MAX; i++)
		assert(warm_take_finished(&w, &q) && q.operation == (uint64_t)i &&
		       q.error == -ECANCELED);
	assert(!warm_take_finished(&w, &q));
	/* a new one waits for the old chunk to come back, which means nothing to it */
	assert(warm_add_request(&w, &(struct warm_request){ .end = MIB, .operation = 99 }) == 0);
	assert(!warm_next(&w, MIB, 0, &c, &wait) && !warm_take_finished(&w, &q));
	warm_done(&w, -EFAULT);
	assert(!warm_take_finished(&w, &q));
	assert(warm_next(&w, MIB, 0, &c, &wait) && c.length == MIB);
	warm_done(&w, 0);
	assert(warm_take_finished(&w, &q) && q.operation == 99 && q.error == 0);
}

static void test_pass_and_meter(void)
{
	uint64_t now = 100 * SEC, bytes = 0;

	begin(WARM_READ);
	warm_add_pass(&w, 5 * MIB);
	for (int i = 0; i < 3; i++) {
		assert(warm_next(&w, 8 * MIB, now, &c, &wait) && c.offset == (uint64_t)i * 2 * MIB);
		bytes += c.length;
		warm_done(&w, 0);
	}
	assert(bytes == 5 * MIB && !warm_next(&w, 8 * MIB, now, &c, &wait) && !wait);

	/* a file that is written back all the time gets the meter's share, no more */
	bytes = 0;
	for (int i = 0; i < 10000; i++) { /* ten seconds, a millisecond each */
		now += SEC / 1000;
		warm_blocks_written(&w.blocks, 0, 64 * MIB, 32 * UINT64_C(4096), now);
		if (!warm_next(&w, 64 * MIB, now, &c, &wait)) {
			assert(wait && wait < SEC);
			continue;
		}
		assert(!c.write && c.length <= WARM_CHUNK_BYTES);
		bytes += c.length;
		warm_done(&w, 0);
	}
	assert(bytes <= 11 * RATE && bytes >= 9 * RATE);

	/* requests do not pay */
	assert(warm_add_request(&w, &(struct warm_request){ .end = 64 * MIB }) == 0);
	for (int i = 0; i < 32; i++) {
		assert(warm_next(&w, 64 * MIB, now, &c, &wait) && w.out == WARM_REQUEST);
		warm_done(&w, 0);
	}
	assert(warm_take_finished(&w, &q));
	warm_cancel(&w, -EBUSY);
	assert(!warm_next(&w, 64 * MIB, now + 9 * SEC, &c, &wait) && !wait);

	/* while memory is short: requests alone, and afterwards what waited */
	warm_blocks_written(&w.blocks, 0, MIB, UINT64_MAX, now += SEC);
	w.short_of_memory = true;
	assert(!warm_next(&w, 64 * MIB, now + SEC, &c, &wait));
	assert(warm_add_request(&w, &(struct warm_request){ .end = MIB }) == 0);
	assert(warm_next(&w, 64 * MIB, now + SEC, &c, &wait) && w.out == WARM_REQUEST);
	warm_done(&w, 0);
	assert(warm_take_finished(&w, &q) && !warm_next(&w, 64 * MIB, now + SEC, &c, &wait));
	w.short_of_memory = false;
	assert(warm_next(&w, 64 * MIB, now + SEC, &c, &wait) && w.out == WARM_REWARM);
	warm_done(&w, 0);

	begin(WARM_WRITE); /* all for writing, where the region may be written */
	assert(warm_is_for_writing(&w));
	warm_add_pass(&w, MIB);
	assert(warm_next(&w, 8 * MIB, now, &c, &wait) && w.out == WARM_PASS && c.write);
	warm_done(&w, 0);
	w.blocks.can_write = false;
	assert(!warm_is_for_writing(&w));
	warm_add_pass(&w, MIB);
	assert(warm_next(&w, 8 * MIB, now, &c, &wait) && !c.write);
	warm_done(&w, 0);

	begin(WARM_OFF); /* neither */
	warm_add_pass(&w, 5 * MIB);
	warm_blocks_written(&w.blocks, 0, MIB, UINT64_MAX, now);
	assert(!warm_next(&w, 8 * MIB, now, &c, &wait) && !wait);
}

/* The first block is written back; what is to be done about it is out then. */
static void write_back(uint64_t *now)
{
	*now += SEC;
	warm_blocks_written(&w.blocks, 0, 2 * MIB, UINT64_MAX, *now);
	assert(warm_next(&w, 64 * MIB, *now + WARM_QUIET_USEC, &c, &wait));
}

/*
 * What is brought in unasked, the first time and after a revocation, is for writing too where that
 * costs storage nothing, in mode adaptive.
 */
static void test_if_dirty(void)
{
	for (enum warm_mode mode = WARM_OFF; mode < _WARM_MODE_MAX; mode++) {
		begin(mode);
		assert(warm_is_for_writing_if_dirty(&w) == (mode == WARM_ADAPTIVE));
		warm_add_pass(&w, MIB);
		assert(warm_next(&w, MIB, 0, &c, &wait) == (mode != WARM_OFF));
		if (mode == WARM_OFF)
			continue;
		assert(c.write_if_dirty == (mode == WARM_ADAPTIVE) &&
		       c.write == (mode == WARM_WRITE));
		warm_done(&w, 0);
		assert(warm_add_request(&w, &(struct warm_request){ .end = MIB }) == 0);
		assert(warm_next(&w, MIB, 0, &c, &wait) && !c.write_if_dirty);
		warm_done(&w, 0);
		assert(warm_take_finished(&w, &q));
		assert(warm_add_request(&w, &(struct warm_request){ .end = MIB,
								    .write_if_dirty = true }) == 0);
		assert(warm_next(&w, MIB, 0, &c, &wait) && c.write_if_dirty && !c.write);
		warm_done(&w, 0);
	}
	begin(WARM_ADAPTIVE);
	w.blocks.can_write = false;
	assert(!warm_is_for_writing_if_dirty(&w));
}

/* What peers may have written is looked at in mode adaptive, and nothing else is. */
static void test_sampled(void)
{
	struct warm_sample s = { .pages = 512 };
	uint64_t now = SEC;

	begin(WARM_ADAPTIVE);
	for (int round = 0; round < 10; round++) {
		write_back(&now);
		assert(c.sampled && c.write == (round >= WARM_HOT_ROUNDS - 1));
		assert(c.before.pages == (round ? 512 : 0) &&
		       (!round || c.before.sum[3] == round - 1));
		memset(s.sum, round, sizeof(s.sum));
		warm_sampled(&w, &s);
		warm_done(&w, 0);
	}
	/* it holds the same: for reading after all, and not for writing until it changes */
	write_back(&now);
	assert(c.write && warm_block_is_same(&c.before, &s) &&
	       warm_block_is_same(&c.before, &(struct warm_sample){ 0 }));
	warm_sampled(&w, &s);
	warm_done(&w, 0);
	write_back(&now);
	assert(c.sampled && warm_block_is_same(&c.before, &s));
	/* a chunk that was given up says nothing */
	warm_cancel(&w, -ESTALE);
	memset(s.sum, 99, sizeof(s.sum));
	warm_sampled(&w, &s);
	warm_done(&w, 0);
	assert(w.blocks.block[0].sample.sum[3] == 9);
	/* nor is a pass looked at, or a request */
	warm_add_pass(&w, 2 * MIB);
	assert(warm_add_request(&w, &(struct warm_request){ .end = MIB, .write = true }) == 0);
	assert(warm_next(&w, 64 * MIB, now, &c, &wait) && c.write && !c.sampled);
	warm_sampled(&w, &s);
	warm_done(&w, 0);
	assert(warm_take_finished(&w, &q));
	assert(warm_next(&w, 64 * MIB, now, &c, &wait) && !c.sampled);
	warm_done(&w, 0);
	assert(w.blocks.block[0].sample.sum[3] == 9);
	for (enum warm_mode mode = WARM_READ; mode < _WARM_MODE_MAX; mode++) {
		begin(mode);
		w.blocks.can_write = mode != WARM_ADAPTIVE;
		write_back(&now);
		assert(!c.sampled && c.write == (mode == WARM_WRITE));
		warm_done(&w, 0);
	}
}

int main(void)
{
	test_request();
	test_progress();
	test_cancel_request();
	test_room();
	test_pass_and_meter();
	warm_blocks_deinit(&w.blocks);
	test_if_dirty();
	test_sampled();
	return 0;
}
