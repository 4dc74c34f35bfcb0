// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-slots.c - the part of the kernel module that is plain data (kmod-helper/rdmareg-slots.h):
 * the invariants it opens with, by examples and by a long random walk beside a simple model of it.
 */
#undef NDEBUG
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kmod-helper/rdmareg-slots.h"

#define SLOTS 6u
#define PAGE 4096u

struct world {
	struct rdmareg_table table;
	struct rdmareg_slot *pointers[SLOTS];
	struct rdmareg_slot
		*behind; /* the last of them: it looks like a watch, and is not the table's */
};

static void world_make(struct world *world)
{
	static struct rdmareg_slot none;

	memset(world, 0, sizeof(*world));
	world->behind = &none;
	memset(&world->table, 0xff,
	       sizeof(world->table)); /* what it was before counts for nothing */
	rdmareg_table_init(&world->table, world->pointers, SLOTS);
}

static void add(struct world *world, struct rdmareg_slot *slot, uint32_t kind, uint64_t cookie)
{
	uint32_t number = rdmareg_table_free(&world->table);

	assert(number < SLOTS);
	memset(slot, 0, sizeof(*slot));
	slot->kind = kind;
	slot->cookie = cookie;
	rdmareg_table_add(&world->table, slot, number);
	assert(rdmareg_table_get(&world->table, number) == slot);
}

static bool fold(struct world *world, struct rdmareg_slot *slot, uint32_t causes, uint64_t start,
		 uint64_t end)
{
	return rdmareg_fold_range(&world->table, slot, causes, 0x100000, 0x200000, start, end);
}

static void test_numbers(void)
{
	struct rdmareg_slot slots[SLOTS], again;
	struct rdmareg_report report;
	struct world world;

	world_make(&world);
	for (uint32_t i = 0; i < SLOTS; i++) {
		add(&world, &slots[i], RDMAREG_KIND_RANGE, i);
		assert(slots[i].number == i);
		assert(world.table.used == i + 1);
		assert(world.table.lowest ==
		       i + 1); /* or adding many would be a walk over all, each time */
	}
	assert(rdmareg_table_free(&world.table) == SLOTS);
	assert(!rdmareg_table_get(&world.table, SLOTS) &&
	       !rdmareg_table_get(&world.table, RDMAREG_SLOT_ANY));

	/* the lowest free number first; a pending slot that goes is no longer pending */
	fold(&world, &slots[1], RDMAREG_CAUSE_CLEAR, 0x100000, 0x101000);
	rdmareg_table_remove(&world.table, &slots[4]);
	rdmareg_table_remove(&world.table, &slots[1]);
	assert(!rdmareg_table_pending(&world.table) && slots[1].collected == slots[1].sequence);
	assert(rdmareg_collect(&world.table, 1, &report) == -ENOENT);
	assert(rdmareg_table_free(&world.table) == 1);

	/*
	 * the sequence goes on with the next watch of that number, and nothing of the old one is
	 * left
	 */
	add(&world, &again, RDMAREG_KIND_RANGE, 99);
	assert(again.number == 1 && again.sequence == 1 && again.collected == 1);
	assert(rdmareg_collect(&world.table, 1, &report) == -EAGAIN);
	assert(rdmareg_table_free(&world.table) == 4);
	assert(world.table.used == SLOTS);
}

static void test_order(void)
{
	struct rdmareg_slot slots[3];
	struct rdmareg_report report;
	struct world world;

	world_make(&world);
	for (uint32_t i = 0; i < 3; i++)
		add(&world, &slots[i], RDMAREG_KIND_RANGE, i);
	assert(rdmareg_collect(&world.table, RDMAREG_SLOT_ANY, &report) == -EAGAIN);
	assert(fold(&world, &slots[2], RDMAREG_CAUSE_CLEAR, 0x100000, 0x101000));
	assert(fold(&world, &slots[0], RDMAREG_CAUSE_CLEAR, 0x100000, 0x101000));
	/* a slot that is pending already keeps its place */
	assert(!fold(&world, &slots[2], RDMAREG_CAUSE_CLEAR, 0x100000, 0x101000));
	assert(fold(&world, &slots[1], RDMAREG_CAUSE_CLEAR, 0x100000, 0x101000));
	assert(rdmareg_collect(&world.table, 0, &report) == 0 && report.slot == 0);
	assert(rdmareg_collect(&world.table, RDMAREG_SLOT_ANY, &report) == 0 && report.slot == 2 &&
	       report.clear_count == 2);
	assert(rdmareg_collect(&world.table, RDMAREG_SLOT_ANY, &report) == 0 && report.slot == 1);
	assert(!rdmareg_table_pending(&world.table));
}

/* One that has more than one fold, and is raised again at each, keeps nobody from being told. */
static void test_turns(void)
{
	struct rdmareg_slot busy, other;
	struct rdmareg_report report;
	struct world world;

	world_make(&world);
	add(&world, &busy, RDMAREG_KIND_RANGE, 0);
	add(&world, &other, RDMAREG_KIND_RANGE, 1);
	rdmareg_slot_pace(&busy, 20, PAGE);
	fold(&world, &busy, RDMAREG_CAUSE_WRITEBACK, 0x100000, 0x101000);
	for (unsigned int turn = 0; turn < 3; turn++) {
		fold(&world, &busy, RDMAREG_CAUSE_CLEAR, 0x100000, 0x101000);
		assert(fold(&world, &other, RDMAREG_CAUSE_CLEAR, 0x100000, 0x101000));
		assert(rdmareg_collect(&world.table, RDMAREG_SLOT_ANY, &report) == 0 &&
		       report.slot == 0 && report.clear_count == 1);
		fold(&world, &busy, RDMAREG_CAUSE_CLEAR, 0x100000, 0x101000);
		assert(rdmareg_collect(&world.table, RDMAREG_SLOT_ANY, &report) == 0 &&
		       report.slot == 1);
		assert(rdmareg_collect(&world.table, RDMAREG_SLOT_ANY, &report) == 0 &&
		       report.slot == 0 && report.clear_count == 1);
	}

	/* nothing is lost by it */
	assert(rdmareg_collect(&world.table, RDMAREG_SLOT_ANY, &report) == 0 && report.slot == 0 &&
	       report.writeback_count == 1);
	assert(!rdmareg_table_pending(&world.table));
}

static void test_fold(void)
{
	struct rdmareg_counters counters;
	struct rdmareg_slot slot;
	struct rdmareg_report report;
	struct world world;

	world_make(&world);
	add(&world, &slot, RDMAREG_KIND_RANGE, 7);
	fold(&world, &slot, RDMAREG_CAUSE_WRITEBACK, 0x104000, 0x105000);
	fold(&world, &slot, RDMAREG_CAUSE_CLEAR | RDMAREG_CAUSE_RECLAIM, 0x102000, 0x103000);
	fold(&world, &slot, RDMAREG_CAUSE_PROTECT | RDMAREG_CAUSE_SELF, 0x103000, 0x104000);
	assert(slot.sequence == 3 && slot.collected == 0);
	assert(rdmareg_collect(&world.table, 0, &report) == 0);
	assert(report.causes ==
	       (RDMAREG_CAUSE_WRITEBACK | RDMAREG_CAUSE_CLEAR | RDMAREG_CAUSE_RECLAIM |
		RDMAREG_CAUSE_PROTECT | RDMAREG_CAUSE_SELF));
	assert(report.start == 0x2000 && report.end == 0x5000);
	assert(report.writeback_count == 1 && report.clear_count == 1 && report.other_count == 1);
	assert(report.cookie == 7 && report.kind == RDMAREG_KIND_RANGE && report.sequence == 3);
	rdmareg_count(&slot, &counters);
	assert(counters.causes[0] == 1 && counters.causes[1] == 1 && counters.causes[2] == 1 &&
	       !counters.causes[3] && counters.causes[6] == 1 && counters.causes[7] == 1);
	assert(slot.sequence == 3 && slot.collected == 3);

	/* a new fold begins with nothing of the old one, also when it lies elsewhere */
	fold(&world, &slot, RDMAREG_CAUSE_CLEAR, 0x1f0000, 0x1f1000);
	assert(rdmareg_collect(&world.table, 0, &report) == 0);
	assert(report.causes == RDMAREG_CAUSE_CLEAR && report.start == 0xf0000 &&
	       report.end == 0xf1000);

	/* events reach beyond the watch, the last one over everything there is */
	fold(&world, &slot, RDMAREG_CAUSE_UNMAP, 0xff000, 0x101000);
	assert(rdmareg_collect(&world.table, 0, &report) == 0 && report.start == 0 &&
	       report.end == 0x1000);
	fold(&world, &slot, RDMAREG_CAUSE_UNMAP, 0x1ff000, 0x201000);
	assert(rdmareg_collect(&world.table, 0, &report) == 0 && report.start == 0xff000 &&
	       report.end == 0x100000);
	fold(&world, &slot, RDMAREG_CAUSE_EXIT, 0, UINT64_MAX);
	assert(rdmareg_collect(&world.table, 0, &report) == 0 && report.start == 0 &&
	       report.end == 0x100000);
	assert(report.other_count == 1);
}

static void test_uncollect(void)
{
	struct rdmareg_slot slot, other;
	struct rdmareg_report report, second;
	struct world world;

	world_make(&world);
	add(&world, &slot, RDMAREG_KIND_RANGE, 7);
	fold(&world, &slot, RDMAREG_CAUSE_CLEAR, 0x104000, 0x105000);
	assert(rdmareg_collect(&world.table, 0, &report) == 0);
	fold(&world, &slot, RDMAREG_CAUSE_WRITEBACK, 0x101000, 0x102000);
	assert(!rdmareg_uncollect(&world.table, &report));
	assert(rdmareg_collect(&world.table, 0, &second) == 0);
	assert(second.causes == (RDMAREG_CAUSE_CLEAR | RDMAREG_CAUSE_WRITEBACK));
	assert(second.start == 0x1000 && second.end == 0x5000 && second.clear_count == 1 &&
	       second.writeback_count == 1);
	assert(second.sequence > report.sequence);
	assert(rdmareg_uncollect(&world.table, &second) && rdmareg_table_pending(&world.table));

	/* the watch is gone, another one has its number */
	rdmareg_table_remove(&world.table, &slot);
	assert(!rdmareg_uncollect(&world.table, &second));
	add(&world, &other, RDMAREG_KIND_RANGE, 8);
	assert(other.number == 0 && !rdmareg_uncollect(&world.table, &second) &&
	       !rdmareg_table_pending(&world.table));

	/*
	 * also one of the same kind with the same cookie: it has another size, and has seen nothing
	 * of this
	 */
	rdmareg_table_remove(&world.table, &other);
	add(&world, &other, RDMAREG_KIND_RANGE, 7);
	assert(!rdmareg_uncollect(&world.table, &second) && !rdmareg_table_pending(&world.table));

	/*
	 * also one of another kind with the same cookie; a layout report has no range to put back
	 */
	rdmareg_table_remove(&world.table, &other);
	add(&world, &other, RDMAREG_KIND_LAYOUT, 7);
	assert(!rdmareg_uncollect(&world.table, &second) && !rdmareg_table_pending(&world.table));
	rdmareg_fold_break(&world.table, &other, RDMAREG_OP_TRUNCATE, 5);
	assert(rdmareg_collect(&world.table, 0, &report) == 0);
	assert(rdmareg_uncollect(&world.table, &report));
	assert(rdmareg_collect(&world.table, 0, &second) == 0);
	assert(second.layout_state == RDMAREG_LAYOUT_BREAKING && second.break_id == 1 &&
	       !second.causes);
}

static void test_layout(void)
{
	struct rdmareg_counters counters;
	struct rdmareg_slot slot;
	struct rdmareg_report report;
	struct world world;

	world_make(&world);
	add(&world, &slot, RDMAREG_KIND_LAYOUT, 1);
	rdmareg_slot_set_layout(&slot, RDMAREG_LAYOUT_ARMED);
	assert(slot.layout_state == RDMAREG_LAYOUT_ARMED && !rdmareg_table_pending(&world.table));

	assert(rdmareg_fold_break(&world.table, &slot, RDMAREG_OP_FALLOCATE, 1234));
	assert(slot.layout_state == RDMAREG_LAYOUT_BREAKING);
	assert(rdmareg_collect(&world.table, RDMAREG_SLOT_ANY, &report) == 0);
	assert(report.layout_state == RDMAREG_LAYOUT_BREAKING &&
	       report.operation == RDMAREG_OP_FALLOCATE);
	assert(report.deadline_nsec == 1234 && report.break_id == 1 && report.start == 0 &&
	       report.end == 0);

	/* break and expiry fold into one report that still says what it was */
	rdmareg_slot_set_layout(&slot, RDMAREG_LAYOUT_RELEASED);
	rdmareg_slot_set_layout(&slot, RDMAREG_LAYOUT_ARMED);
	assert(rdmareg_fold_break(&world.table, &slot, RDMAREG_OP_OPEN, 5678));
	assert(!rdmareg_fold_expiry(&world.table, &slot));
	assert(rdmareg_collect(&world.table, 0, &report) == 0);
	assert(report.layout_state == RDMAREG_LAYOUT_EXPIRED &&
	       report.operation == RDMAREG_OP_OPEN);
	assert(report.deadline_nsec == 0 && report.break_id == 2 && report.sequence == 3);

	rdmareg_count(&slot, &counters);
	assert(counters.breaks[RDMAREG_OP_FALLOCATE] == 1 && counters.breaks[RDMAREG_OP_OPEN] == 1);
	assert(counters.releases == 1 && counters.expiries == 1 && counters.cookie == 1);

	/*
	 * that somebody is being killed is told once in a break, and is no longer said in the next
	 */
	rdmareg_fold_break(&world.table, &slot, RDMAREG_OP_TRUNCATE, 1);
	assert(rdmareg_collect(&world.table, 0, &report) == 0 && !report.flags);
	assert(rdmareg_fold_kill(&world.table, &slot) && !rdmareg_fold_kill(&world.table, &slot));
	assert(rdmareg_collect(&world.table, 0, &report) == 0 &&
	       report.flags == RDMAREG_FLAG_KILLED &&
	       report.layout_state == RDMAREG_LAYOUT_BREAKING);
	assert(!rdmareg_fold_kill(&world.table, &slot));
	rdmareg_fold_break(&world.table, &slot, RDMAREG_OP_TRUNCATE, 1);
	assert(rdmareg_collect(&world.table, 0, &report) == 0 && !report.flags);
	rdmareg_count(&slot, &counters);
	assert(counters.kills == 1);

	/* 0 is no break */
	slot.break_id = UINT32_MAX;
	rdmareg_fold_break(&world.table, &slot, RDMAREG_OP_OPEN, 1);
	assert(slot.break_id == 1);
}

/*
 * What is filled in, filled out and left behind: every member, whatever was in the memory before.
 */
static void test_members(void)
{
	struct rdmareg_counters counters;
	struct rdmareg_slot slot, other;
	struct rdmareg_report report;
	struct world world;

	world_make(&world);
	add(&world, &other, RDMAREG_KIND_RANGE, 6);
	add(&world, &slot, RDMAREG_KIND_LAYOUT, 7);
	rdmareg_slot_set_layout(&slot, RDMAREG_LAYOUT_ARMED);
	rdmareg_fold_break(&world.table, &slot, RDMAREG_OP_OPEN, 1234);
	rdmareg_slot_set_layout(&slot, RDMAREG_LAYOUT_RELEASED); /* that was the break's end */
	slot.rearms = 3;
	memset(&counters, 0xff, sizeof(counters));
	rdmareg_count(&slot, &counters);
	assert(counters.slot == 1 && counters.kind == RDMAREG_KIND_LAYOUT && counters.cookie == 7);
	assert(counters.releases == 1 && counters.rearms == 3 && !counters.expiries &&
	       !counters.writes_passed);
	memset(&report, 0xff, sizeof(report));
	assert(rdmareg_collect(&world.table, 1, &report) == 0);
	assert(!report.deadline_nsec && !report.breaker_pid && !report.flags);
	assert(!slot.next && !slot.previous);

	/* nothing of it stays pending, and the other is not touched */
	rdmareg_table_remove(&world.table, &slot);
	assert(slot.kind == RDMAREG_KIND_FREE && !slot.layout_state && slot.collected == 1);
	assert(other.kind == RDMAREG_KIND_RANGE && other.cookie == 6);

	/* the last report of the one before is not the next one's */
	add(&world, &slot, RDMAREG_KIND_RANGE, 8);
	assert(slot.born == report.sequence && !rdmareg_uncollect(&world.table, &report));

	/* every count comes back, beside what was counted since */
	fold(&world, &other, RDMAREG_CAUSE_WRITEBACK, 0x101000, 0x102000);
	fold(&world, &other, RDMAREG_CAUSE_UNMAP, 0x101000, 0x102000);
	assert(rdmareg_collect(&world.table, 0, &report) == 0);
	assert(rdmareg_uncollect(&world.table, &report));
	assert(other.fold[0].clear_count == 0 && other.fold[0].writeback_count == 1 &&
	       other.fold[0].other_count == 1);

	/* a cause that there is not, yet, is counted nowhere */
	fold(&world, &slot, 1u << RDMAREG_CAUSE_BITS, 0x101000, 0x102000);
	rdmareg_count(&slot, &counters);
	for (uint32_t i = 0; i < RDMAREG_CAUSE_BITS; i++)
		assert(!counters.causes[i]);
	for (uint32_t i = 0; i < RDMAREG_OP_COUNT; i++)
		assert(!counters.breaks[i]);
}

/* What a slot ought to hold, kept the simple way: a list of all events since the last collect. */
struct model {
	bool used;
	uint64_t sequence, collected;
	uint32_t causes;
	uint64_t start, end, clears, writebacks, others;
	unsigned int since; /* when it became pending */
};

static void model_event(struct model *model, uint32_t cause, uint64_t start, uint64_t end,
			unsigned int now)
{
	if (model->sequence++ == model->collected)
		model->since = now;
	model->start = model->causes && model->start < start ? model->start : start;
	model->end = model->causes && model->end > end ? model->end : end;
	model->causes |= cause;
	model->clears += cause == RDMAREG_CAUSE_CLEAR;
	model->writebacks += cause == RDMAREG_CAUSE_WRITEBACK;
	model->others += cause == RDMAREG_CAUSE_UNMAP;
}

static void compare(const struct world *world, const struct model *models)
{
	bool pending = false;

	for (uint32_t i = 0; i < SLOTS; i++) {
		assert(!world->pointers[i] == !models[i].used);
		assert(!models[i].used || (world->pointers[i]->sequence == models[i].sequence &&
					   world->pointers[i]->collected == models[i].collected));
		pending = pending || models[i].sequence != models[i].collected;
	}
	assert(rdmareg_table_pending(&world->table) == pending);
}

static void check_report(const struct rdmareg_report *report, struct model *models)
{
	struct model *model = &models[report->slot];

	assert(model->used && model->sequence != model->collected);
	assert(report->causes == model->causes && report->start == model->start &&
	       report->end == model->end);
	assert(report->clear_count == model->clears &&
	       report->writeback_count == model->writebacks &&
	       report->other_count == model->others && report->sequence == model->sequence);
	for (uint32_t i = 0; i < SLOTS; i++)
		assert(models[i].sequence == models[i].collected ||
		       models[i].since >= model->since);
	*model = (struct model){ .used = true,
				 .sequence = model->sequence,
				 .collected = model->sequence };
}

static void test_random_walk(void)
{
	static const uint32_t causes[] = { RDMAREG_CAUSE_CLEAR, RDMAREG_CAUSE_WRITEBACK,
					   RDMAREG_CAUSE_UNMAP };
	struct rdmareg_slot slots[SLOTS];
	struct model models[SLOTS] = { 0 };
	struct rdmareg_report report;
	struct world world;
	unsigned int seed = 1;
	uint64_t highest = 0;

	world_make(&world);
	for (unsigned int now = 1; now < 300000; now++) {
		uint32_t i = (uint32_t)rand_r(&seed) % SLOTS;
		uint64_t start = (uint64_t)(rand_r(&seed) % 200) * PAGE;
		uint64_t end = start + PAGE * (1 + (uint64_t)(rand_r(&seed) % 50));
		uint32_t cause = causes[rand_r(&seed) % 3];

		switch (rand_r(&seed) % 8) {
		case 0:
			if (models[i].used)
				break;
			/* the table decides which number it is */
			i = rdmareg_table_free(&world.table);
			for (uint32_t j = 0; j < i; j++)
				assert(models[j].used);
			add(&world, &slots[i], RDMAREG_KIND_RANGE, i);
			models[i] = (struct model){ .used = true,
						    .sequence = highest,
						    .collected = highest };
			break;
		case 1:
			if (!models[i].used || rand_r(&seed) % 4)
				break;
			rdmareg_table_remove(&world.table, &slots[i]);
			if (models[i].sequence > highest)
				highest = models[i].sequence;
			models[i] = (struct model){ 0 };
			break;
		case 2:
			if (rdmareg_collect(&world.table, RDMAREG_SLOT_ANY, &report) == 0)
				check_report(&report, models);
			break;
		default:
			if (!models[i].used)
				break;
			fold(&world, &slots[i], cause, 0x100000 + start, 0x100000 + end);
			model_event(&models[i], cause, start, end, now);
		}
		compare(&world, models);
	}
}

int main(void)
{
	test_numbers();
	test_order();
	test_turns();
	test_fold();
	test_uncollect();
	test_layout();
	test_members();
	test_random_walk();
	puts("ok");
	return 0;
}
