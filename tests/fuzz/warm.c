// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warm.c - what a keeper prefetches next: requests, passes and writebacks in any order.
 *
 * Measured: daemon/keeper/warm/warm.c daemon/keeper/warm/blocks.c daemon/keeper/warm/progress.c daemon/keeper/warm/sample.c
 *
 * At most one chunk is out, each is inside the file and no longer than a chunk may be, and for
 * writing only if the region and its mode allow it. Each request ends exactly once. What was
 * reclaimed does not come back by itself, and what waits is all handed out in the end. What is brought
 * back unasked in a second is no more than two seconds' share. What a chunk holds is wanted only of
 * those that adaptive brings back, and may bring back for writing.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>

#include "bytes.h"
#include "keeper/warm/warm.h"

#define BLOCKS 80u
#define PAGE 4096u
#define LENGTH (BLOCKS * WARM_BLOCK_BYTES - 3 * PAGE) /* the last block is a part of one */

static struct warm w;
static struct warm_chunk out;
static uint64_t now, limit, next_operation;
static uint64_t second, rewarmed; /* since then, bytes */
static bool waiting[256];	  /* by operation number, modulo */
static bool written[BLOCKS];	  /* since pages of it were reclaimed */
static unsigned int n_waiting;

static void take_finished(void)
{
	struct warm_request r;

	while (warm_take_finished(&w, &r)) {
		assert(waiting[r.operation % 256] && r.connection >= 1 && r.connection <= 2);
		waiting[r.operation % 256] = false;
		n_waiting--;
	}
}

static void add_request(struct bytes *b)
{
	struct warm_request r = { .operation = ++next_operation };
	uint8_t how = bytes_u8(b);

	r.start = r.begin = bytes_u16(b) % (LENGTH / PAGE) * PAGE;
	r.end = r.start + (1u + bytes_u16(b)) * PAGE;
	r.end = r.end > LENGTH ? LENGTH : r.end;
	r.write = how & 1;
	r.connection = 1 + (how >> 1 & 1);
	if (waiting[r.operation % 256])
		return;
	if (warm_add_request(&w, &r) < 0) {
		assert(w.n_requests == WARM_REQUESTS_MAX);
		return;
	}
	waiting[r.operation % 256] = true;
	n_waiting++;
}

static bool next_chunk(uint64_t *ret_wait)
{
	bool was_out = w.out != WARM_NOTHING;
	struct warm_chunk c;

	if (!warm_next(&w, limit, now, &c, ret_wait)) {
		take_finished();
		return false;
	}
	assert(!was_out && w.out != WARM_NOTHING);
	assert(c.length && c.length <= WARM_CHUNK_BYTES && c.offset + c.length <= limit);
	if (w.out != WARM_REQUEST && c.write)
		assert(w.blocks.can_write &&
		       (w.blocks.mode == WARM_WRITE || w.blocks.mode == WARM_ADAPTIVE));
	if (w.out != WARM_REQUEST)
		assert(!w.short_of_memory && w.blocks.mode != WARM_OFF);
	if (w.out == WARM_REWARM) {
		assert(written[c.offset / WARM_BLOCK_BYTES]);
		if (now - second > 1000000) {
			second = now;
			rewarmed = 0;
		}
		rewarmed += c.length;
		assert(rewarmed <= 2 * w.bytes_per_sec + WARM_CHUNK_BYTES);
	}
	assert(!c.sampled ||
	       (w.out == WARM_REWARM && w.blocks.mode == WARM_ADAPTIVE && w.blocks.can_write));
	assert(c.sampled || !c.before.pages);
	out = c;
	take_finished();
	return true;
}

/* What it holds, if that can be seen: one of two things, so that it is often the same. */
static void come_back(struct bytes *b, int error)
{
	struct warm_sample s = { 0 };
	uint8_t what = out.sampled ? bytes_u8(b) : 0;

	if (what & 1) {
		warm_sample_begin(&s, out.length);
		memset(s.sum, what >> 1 & 1, sizeof(s.sum));
	}
	if (out.sampled)
		warm_sampled(&w, &s);
	out.sampled = false;
	warm_done(&w, error);
}

static void take_away(struct bytes *b, bool reclaim)
{
	uint64_t start = bytes_u16(b) % (LENGTH / PAGE) * PAGE;
	uint64_t end = start + (1u + bytes_u16(b) % (2 * 512)) * PAGE;
	uint8_t share = bytes_u8(b);

	if (share == 255) /* wider than blocks are looked at one by one */
		end = LENGTH;
	end = end > LENGTH ? LENGTH : end;
	for (uint64_t i = start / WARM_BLOCK_BYTES; i * WARM_BLOCK_BYTES < end; i++)
		written[i] = !reclaim;
	if (reclaim)
		warm_blocks_reclaimed(&w.blocks, start, end);
	else
		warm_blocks_written(&w.blocks, start, end, (end - start) / 255 * share, now);
}

static void happen(struct bytes *b)
{
	uint8_t what = bytes_u8(b);
	struct warm_request told;
	uint64_t wait, done, total;

	switch (what % 16) {
	case 0:
	case 1:
		add_request(b);
		break;
	case 2:
		warm_add_pass(&w, limit);
		break;
	case 3:
	case 4:
	case 5:
		next_chunk(&wait);
		break;
	case 6:
	case 7:
		if (w.out != WARM_NOTHING)
			come_back(b, what & 0x80 ? -EFAULT : 0);
		break;
	case 8:
		warm_cancel_request(&w, 1 + (what >> 4 & 1), bytes_u8(b) % 8);
		break;
	case 9:
		if (what & 0x80)
			warm_cancel(&w, -ESTALE);
		break;
	case 10:
	case 11:
	case 12:
		take_away(b, false);
		break;
	case 13:
		if (what & 0x80)
			take_away(b, true);
		else
			w.short_of_memory = what & 0x40;
		break;
	case 14:
		if (warm_progress(&w, &told, &done, &total))
			assert(done && done < total && waiting[told.operation % 256]);
		if (what & 0x80)
			limit = (1u + bytes_u16(b) % (LENGTH / PAGE)) * PAGE;
		break;
	default:
		now += UINT64_C(1000) << (what >> 4);
	}
	take_finished();
	assert(n_waiting == w.n_requests);
}

/* Nobody else asks for anything: all there is comes out, and then nothing does. */
static void drain(void)
{
	unsigned int chunks = 0;
	uint64_t wait;

	w.short_of_memory = false;
	limit = LENGTH;
	for (;;) {
		if (w.out != WARM_NOTHING)
			warm_done(&w, 0);
		take_finished();
		if (next_chunk(&wait)) {
			assert(++chunks < 100000);
			continue;
		}
		if (!wait)
			break;
		now += wait;
	}
	assert(!n_waiting && !w.n_requests && w.out == WARM_NOTHING);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	struct warm_blocks blocks;
	uint8_t how = bytes_u8(&b);

	memset(waiting, 0, sizeof(waiting));
	memset(written, 0, sizeof(written));
	n_waiting = 0;
	next_operation = second = rewarmed = 0;
	now = 1000000;
	limit = LENGTH;
	assert(warm_blocks_init(&blocks, (enum warm_mode)(how % _WARM_MODE_MAX), how & 0x80,
				LENGTH) == 0);
	warm_init(&w, &blocks, WARM_CHUNK_BYTES << (how >> 2 & 7));
	for (unsigned int i = 0; b.left && i < 2000; i++)
		happen(&b);
	drain();
	warm_blocks_deinit(&w.blocks);
	return 0;
}
