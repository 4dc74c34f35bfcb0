// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-warm-paced.c - what the keeper learns from writebacks that the module folds: the folds
 * and the blocks together, with a kernel that writes a file back now and then and is held up
 * meanwhile. Who writes some blocks all the time is found out in any case.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "keeper/warm/blocks.h"
#include "kmod-helper/rdmareg-slots.h"

#define PAGE UINT64_C(4096)
#define MIB (UINT64_C(1) << 20)
#define LENGTH (64 * MIB)
#define SYNCS 64
#define EVENT_USEC 20
#define TICKS_USEC 14000 /* how late the module's work runs that was asked for in WARM_PACE_MSEC */
#define STALL_USEC 20000

static struct rdmareg_table table;
static struct rdmareg_slot *pointers[1], slot;
static struct warm_blocks blocks;
static uint64_t now = 1000000, ripe; /* usec; 0: nothing is quiet */
static unsigned int reports, for_writing;

static void hear(void)
{
	struct rdmareg_report report;

	if (ripe && now >= ripe) {
		rdmareg_table_ripen(&table);
		ripe = 0;
	}
	while (rdmareg_collect(&table, RDMAREG_SLOT_ANY, &report) == 0) {
		warm_blocks_written(&blocks, report.start, report.end, report.covered, now);
		reports++;
	}
}

static void bring_back(void)
{
	struct warm_sample sample;
	uint64_t start, end, wait;
	bool write;

	while (warm_blocks_peek(&blocks, LENGTH, now, &start, &end, &write, &wait)) {
		if (warm_blocks_take(&blocks, start, end, write, &sample))
			warm_blocks_sampled(&blocks, start, &(struct warm_sample){ 0 });
		for_writing += write;
	}
}

/* Every page of [@first, @end) MiB was written, and is written back. */
static void write_back(uint64_t first, uint64_t end, unsigned int *seed)
{
	for (uint64_t at = first * MIB; at < end * MIB; at += PAGE) {
		hear();
		bring_back();
		if (rdmareg_fold_range(&table, &slot, RDMAREG_CAUSE_WRITEBACK, 0, LENGTH, at,
				       at + PAGE) == RDMAREG_QUIET)
			ripe = now + TICKS_USEC;
		now += EVENT_USEC;
		if (rand_r(seed) % 200 == 0)
			now += (uint64_t)rand_r(seed) % STALL_USEC;
	}
}

/* Two areas with a gap between them. */
int main(void)
{
	const unsigned int hot = 5; /* blocks */
	unsigned int seed = 1;

	rdmareg_table_init(&table, pointers, 1);
	slot.kind = RDMAREG_KIND_RANGE;
	rdmareg_table_add(&table, &slot, 0);
	rdmareg_slot_pace(&slot, WARM_PACE_MSEC, WARM_BLOCK_BYTES);
	assert(warm_blocks_init(&blocks, WARM_ADAPTIVE, true, LENGTH) == 0);
	for (unsigned int i = 0; i < SYNCS; i++) {
		write_back(0, 8, &seed);
		write_back(40, 42, &seed);
		now += TICKS_USEC;
		hear();
		now += 3000000;
		bring_back();
	}
	printf("%u reports, %u of %u blocks for writing\n", reports, for_writing, SYNCS * hot);
	/* all but one round of five at most, and the first; and far fewer reports than pages */
	assert(for_writing >=
	       (SYNCS - WARM_HOT_ROUNDS) * hot * WARM_TRUST_ROUNDS / (WARM_TRUST_ROUNDS + 1) - hot);
	assert(reports < SYNCS * hot * (WARM_BLOCK_BYTES / PAGE) / 50);
	warm_blocks_deinit(&blocks);
	puts("ok");
	return 0;
}
