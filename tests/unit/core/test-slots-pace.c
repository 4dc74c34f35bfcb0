// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-slots-pace.c - writebacks that need not be told at once (kmod-helper/rdmareg-slots.h): by
 * examples, and by a long random walk in which nothing may be lost, come late, or be called certain
 * that was not there.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmod-helper/rdmareg-slots.h"

#define SLOTS 3u
#define PAGE 4096u
#define PAGES 256u
#define GRAIN (16u * PAGE)
#define WRITEBACK RDMAREG_CAUSE_WRITEBACK

static struct rdmareg_table table;
static struct rdmareg_slot *pointers[SLOTS], slots[SLOTS];
static struct rdmareg_report report;

static void begin(void)
{
	rdmareg_table_init(&table, pointers, SLOTS);
	memset(pointers, 0, sizeof(pointers));
	memset(slots, 0, sizeof(slots));
	for (uint32_t i = 0; i < SLOTS; i++) {
		slots[i].kind = RDMAREG_KIND_RANGE;
		slots[i].cookie = i;
		rdmareg_table_add(&table, &slots[i], i);
	}
}

static enum rdmareg_raised event(uint32_t slot, uint32_t causes, unsigned int page,
				 unsigned int pages)
{
	return rdmareg_fold_range(&table, &slots[slot], causes, 0, (uint64_t)PAGES * PAGE,
				  (uint64_t)page * PAGE, (uint64_t)(page + pages) * PAGE);
}

static int take(uint32_t number)
{
	return rdmareg_collect(&table, number, &report);
}

static void expect(unsigned int first, unsigned int end, unsigned int covered, uint64_t events)
{
	assert(take(RDMAREG_SLOT_ANY) == 0);
	assert(report.start == (uint64_t)first * PAGE && report.end == (uint64_t)end * PAGE);
	assert(report.covered == (uint64_t)covered * PAGE && report.writeback_count == events);
	assert(report.causes == WRITEBACK && !report.clear_count && !report.other_count);
}

static void test_waits(void)
{
	begin();
	rdmareg_slot_pace(&slots[0], 20, 0);
	assert(event(0, WRITEBACK, 3, 1) == RDMAREG_QUIET);
	assert(event(0, WRITEBACK, 5, 1) == RDMAREG_FOLDED);
	assert(!rdmareg_table_pending(&table) && take(RDMAREG_SLOT_ANY) == -EAGAIN);
	assert(slots[0].cause_counts[1] == 2);		      /* counted when it happens */
	assert(event(1, WRITEBACK, 1, 1) == RDMAREG_PENDING); /* another one has no pace */
	assert(rdmareg_table_ripen(&table) && rdmareg_table_pending(&table));
	assert(take(RDMAREG_SLOT_ANY) == 0 && report.cookie == 1);
	expect(3, 6, 2, 2);
	assert(report.cookie == 0 && report.sequence == 2);
	assert(!rdmareg_table_ripen(&table) && take(RDMAREG_SLOT_ANY) == -EAGAIN);

	/* once pending it stays so, and the next one is quiet again */
	assert(event(0, WRITEBACK, 3, 1) == RDMAREG_QUIET);
	assert(rdmareg_table_ripen(&table));
	assert(event(0, WRITEBACK, 4, 1) == RDMAREG_FOLDED);
	expect(3, 5, 2, 2);
	assert(event(0, WRITEBACK, 3, 1) == RDMAREG_QUIET);
	/* whoever asks for it gets it */
	assert(take(0) == 0 && report.covered == PAGE && !slots[0].next);
	assert(!rdmareg_table_ripen(&table));
}

static void test_others_do_not(void)
{
	begin();
	rdmareg_slot_pace(&slots[0], 20, 0);
	assert(event(0, WRITEBACK, 3, 1) == RDMAREG_QUIET);
	assert(event(0, RDMAREG_CAUSE_CLEAR, 9, 2) == RDMAREG_PENDING);
	assert(event(0, WRITEBACK, 4, 1) == RDMAREG_FOLDED);
	assert(take(RDMAREG_SLOT_ANY) == 0);
	assert(report.causes == RDMAREG_CAUSE_CLEAR && report.clear_count == 1);
	assert(report.start == 9 * PAGE && report.end == 11 * PAGE && report.sequence == 1);
	expect(3, 5, 2, 2);
	assert(report.sequence == 3 && !slots[0].next);

	/* a watch that goes is not quiet any more, nor is what comes into its place */
	assert(event(0, WRITEBACK, 3, 1) == RDMAREG_QUIET);
	rdmareg_table_remove(&table, &slots[0]);
	assert(!rdmareg_table_ripen(&table));
	memset(&slots[0], 0, sizeof(slots[0]));
	slots[0].kind = RDMAREG_KIND_RANGE;
	rdmareg_table_add(&table, &slots[0], 0);
	assert(take(0) == -EAGAIN && event(0, WRITEBACK, 3, 1) == RDMAREG_PENDING);
}

static void test_grains(void)
{
	begin();
	rdmareg_slot_pace(&slots[0], 20, GRAIN);
	/* without a hole across grains; with holes within one; another one */
	for (unsigned int i = 10; i < 40; i++)
		event(0, WRITEBACK, i, 1);
	event(0, WRITEBACK, 64, 2);
	event(0, WRITEBACK, 70, 2);
	event(0, WRITEBACK, 65, 3); /* reaches into what is there: its third page may be new */
	assert(event(0, WRITEBACK, 100, 1) == RDMAREG_FOLDED && !rdmareg_table_pending(&table));
	/* there is no place left: at once */
	assert(event(0, WRITEBACK, 200, 1) == RDMAREG_PENDING);
	assert(event(0, WRITEBACK, 255, 1) == RDMAREG_FOLDED);
	expect(10, 40, 30, 30);
	expect(64, 72, 4, 3);
	expect(100, 101, 1, 1);
	assert(slots[0].next); /* not all of it is taken */
	expect(200, 256, 2, 2);
	assert(!slots[0].next && slots[0].collected == slots[0].sequence);

	/* what has no hole folds as far as the reader can use it */
	for (unsigned int i = 0; i < PAGES; i++)
		event(0, WRITEBACK, i, 1);
	assert(rdmareg_table_ripen(&table));
	expect(0, PAGES, PAGES, PAGES);
	rdmareg_slot_pace(&slots[0], 20, PAGE);
	for (unsigned int i = 0; i < 40; i++)
		event(0, WRITEBACK, i, 1);
	assert(rdmareg_table_ripen(&table));
	expect(0, 32, 32, 32);
	expect(32, 40, 8, 8);
	rdmareg_slot_pace(&slots[0], 20, GRAIN);

	/* one that could not be delivered is kept, and so is what came meanwhile */
	event(0, WRITEBACK, 0, 4);
	assert(take(0) == 0);
	assert(event(0, WRITEBACK, 128, 1) == RDMAREG_QUIET);
	assert(rdmareg_uncollect(&table, &report));
	expect(0, 4, 4, 1);
	expect(128, 129, 1, 1);
}

/* Byte by byte, which the kernel does not do: where exactly a fold ends. */
static enum rdmareg_raised bytes(uint32_t slot, uint64_t start, uint64_t end)
{
	return rdmareg_fold_range(&table, &slots[slot], WRITEBACK, 0, (uint64_t)PAGES * PAGE, start,
				  end);
}

static void test_edges_of_grains(void)
{
	begin();
	rdmareg_slot_pace(&slots[0], 20, GRAIN);
	/* with holes, up to the last page of a grain; without one, across its first */
	event(0, WRITEBACK, 10, 1);
	event(0, WRITEBACK, 15, 1);
	event(0, WRITEBACK, 12, 1);
	event(0, WRITEBACK, 32, 4);
	event(0, WRITEBACK, 28, 4);
	assert(rdmareg_table_ripen(&table));
	expect(10, 16, 2, 3);
	expect(28, 36, 8, 2);
	assert(take(0) == -EAGAIN);

	/* a byte of the next grain, a byte more than so many grains without a hole */
	bytes(0, 0, 1);
	bytes(0, GRAIN, GRAIN + 1);
	assert(rdmareg_table_ripen(&table));
	assert(take(0) == 0 && report.end == 1);
	assert(take(0) == 0 && report.start == GRAIN && report.end == GRAIN + 1);
	rdmareg_slot_pace(&slots[0], 20, PAGE);
	bytes(0, 0, RDMAREG_PACE_GRAINS * PAGE);
	bytes(0, RDMAREG_PACE_GRAINS * PAGE, RDMAREG_PACE_GRAINS * PAGE + 1);
	assert(take(0) == 0 && report.end == RDMAREG_PACE_GRAINS * PAGE);
	assert(take(0) == 0 && report.covered == 1);
}

static void test_certain(void)
{
	begin();
	/* an event that reaches into what is there adds what is beyond it, on either side */
	event(0, WRITEBACK, 10, 4);
	event(0, WRITEBACK, 12, 4);
	event(0, WRITEBACK, 8, 4);
	expect(8, 16, 8, 3);
	/* nor does it add more than that of what is inside */
	event(0, WRITEBACK, 8, 8);
	event(0, WRITEBACK, 9, 2);
	expect(8, 16, 8, 2);

	/* what has holes and is put back adds what was certain of it if it is beside what came meanwhile */
	for (unsigned int first = 0; first <= 8; first += 8) {
		event(0, WRITEBACK, 4, 1);
		event(0, WRITEBACK, 7, 1);
		expect(4, 8, 2, 2);
		event(0, WRITEBACK, first, 4);
		assert(!rdmareg_uncollect(&table, &report));
		assert(take(0) == 0 && report.covered == 6 * PAGE);
		assert(report.start == (first ? 4 : 0) * PAGE &&
		       report.end == (first ? 12 : 8) * PAGE);
	}
	/* and nothing if it reaches into that: which of its pages are there is not known */
	event(0, WRITEBACK, 4, 1);
	event(0, WRITEBACK, 7, 1);
	expect(4, 8, 2, 2);
	event(0, WRITEBACK, 7, 4);
	assert(!rdmareg_uncollect(&table, &report));
	assert(take(0) == 0 && report.start == 4 * PAGE && report.end == 11 * PAGE);
	assert(report.covered == 4 * PAGE);
}

static void test_ripe_is_pending(void)
{
	begin();
	rdmareg_slot_pace(&slots[0], 20, 0);
	event(0, WRITEBACK, 3, 1);
	assert(rdmareg_table_ripen(&table));
	assert(event(0, RDMAREG_CAUSE_CLEAR, 9, 1) == RDMAREG_FOLDED);
	assert(event(1, RDMAREG_CAUSE_CLEAR, 9, 1) == RDMAREG_PENDING);
	assert(event(1, RDMAREG_CAUSE_CLEAR, 9, 1) == RDMAREG_FOLDED);
}

/* What no report told of a page yet; @happened: since the last time that there was nothing to tell. */
struct page {
	bool written, happened, cleared;
};

static struct page pages[SLOTS][PAGES];
static uint64_t events[SLOTS], told[SLOTS];

static void check(void)
{
	struct page *p = pages[report.slot];
	uint64_t there = 0;

	assert(report.start < report.end && report.covered <= report.end - report.start);
	for (uint64_t i = report.start / PAGE; i < report.end / PAGE; i++) {
		if (report.causes & WRITEBACK) {
			there += p[i].happened;
			p[i].written = false;
		}
		if (report.causes & RDMAREG_CAUSE_CLEAR)
			p[i].cleared = false;
	}
	if (report.causes == WRITEBACK)
		assert(report.covered <= there * PAGE);
	told[report.slot] += report.clear_count + report.writeback_count;
	for (unsigned int i = 0; !slots[report.slot].next && i < PAGES; i++) {
		assert(!p[i].written && !p[i].cleared);
		p[i].happened = false;
	}
}

static void happen(uint32_t slot, uint32_t cause, unsigned int first, unsigned int end)
{
	events[slot]++;
	for (unsigned int i = first; i < end; i++) {
		if (cause == RDMAREG_CAUSE_CLEAR)
			pages[slot][i].cleared = true;
		else
			pages[slot][i].written = pages[slot][i].happened = true;
	}
}

static void test_random_walk(void)
{
	unsigned int seed = 1, first, end;
	uint64_t last[SLOTS] = { 0 };

	begin();
	rdmareg_slot_pace(&slots[0], 20, GRAIN);
	rdmareg_slot_pace(&slots[1], 20, 0);
	for (unsigned int i = 0; i < 200000; i++) {
		uint32_t slot = (uint32_t)rand_r(&seed) % SLOTS;
		uint32_t cause = rand_r(&seed) % 64 ? WRITEBACK : RDMAREG_CAUSE_CLEAR;

		switch (rand_r(&seed) % 64) {
		case 0:
			rdmareg_table_ripen(&table);
			while (take(RDMAREG_SLOT_ANY) == 0) {
				assert(report.sequence > last[report.slot]);
				last[report.slot] = report.sequence;
				check();
			}
			for (uint32_t s = 0; s < SLOTS; s++)
				assert(told[s] == events[s] && !slots[s].next);
			break;
		case 1:
			if (take(slot) == 0) {
				last[slot] = report.sequence;
				check();
			}
			break;
		case 2:
			rdmareg_slot_pace(&slots[slot], rand_r(&seed) % 2 ? 20 : 0,
					  rand_r(&seed) % 2 ? GRAIN : 0);
			break;
		default:
			first = (unsigned int)rand_r(&seed) % PAGES;
			end = first + 1 + (unsigned int)rand_r(&seed) % 20;
			end = end > PAGES ? PAGES : end;
			event(slot, cause, first, end - first);
			happen(slot, cause, first, end);
			assert(cause == WRITEBACK || rdmareg_table_pending(&table));
		}
		for (uint32_t s = 0; s < SLOTS; s++)
			assert(!slots[s].next == (slots[s].sequence == slots[s].collected));
	}
}

int main(void)
{
	test_waits();
	test_others_do_not();
	test_grains();
	test_edges_of_grains();
	test_certain();
	test_ripe_is_pending();
	test_random_walk();
	puts("ok");
	return 0;
}
