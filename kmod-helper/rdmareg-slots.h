/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rdmareg-slots.h - what the module remembers about its watches, as plain data: the table of slots,
 * the fold of events in each, and the queue of slots that wait to be collected. It knows no
 * notifier, no lease, no lock and allocates nothing; it compiles in user space too, where
 * tests/unit/core/test-slots.c steps it.
 *
 * What always holds, given that the caller serialises all calls on one table:
 *   1. A slot is in the queue or among the quiet ones exactly when sequence != collected. Only
 *      functions of this file change them.
 *   2. Folding never narrows: causes are or-ed, the range is widened, counts are added, until the
 *      fold is taken out. Of what a slot holds in several folds each is taken out once.
 *   3. A fold that was taken out and could not be delivered can be put back; events in between are
 *      kept too.
 *   4. A slot's sequence never falls, not even when another watch moves into the same slot number.
 *   5. @layout_state is written in one go: the lease callbacks read it without the lock.
 *   6. The counters only rise, and whatever raises a slot is in one of them, from the making of the
 *      watch on.
 *   7. Only writebacks of a paced watch are quiet, and only until the pace has passed, anything else
 *      happens to the slot, or there is no fold left for them. Then it is pending like any other.
 *   8. The queue is in the order in which its slots became pending, or last gave a fold: no slot
 *      gives two while another one waits.
 */
#ifndef RDMAREG_SLOTS_H
#define RDMAREG_SLOTS_H

#include <linux/types.h>

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/nospec.h>
#include <linux/string.h>
#define RDMAREG_INDEX(index, size) array_index_nospec(index, size)
#define RDMAREG_WRITE(member, value) WRITE_ONCE(member, value)
#else
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#define RDMAREG_INDEX(index, size) (index)
#define RDMAREG_WRITE(member, value) __atomic_store_n(&(member), value, __ATOMIC_RELAXED)
#endif

#include "rdmareg-uapi.h"

/* In each slot: the first is of what is told at once, the others of paced writebacks. */
#define RDMAREG_FOLDS 5u

/**
 * struct rdmareg_fold - events that one report will tell; of struct rdmareg_report
 * @causes: bits that have folded; 0: there is nothing, and the rest means nothing.
 * @start: bytes from the start of the watch.
 * @end: the same.
 * @covered: of them, those that were in an event for certain.
 * @clear_count: events that have folded.
 * @writeback_count: the same.
 * @other_count: the same.
 */
struct rdmareg_fold {
	__u32 causes;
	__u64 start;
	__u64 end;
	__u64 covered;
	__u64 clear_count;
	__u64 writeback_count;
	__u64 other_count;
};

/* What an event of a range watch did to its slot. */
enum rdmareg_raised {
	RDMAREG_FOLDED,	 /* it was pending, or quiet, and still is */
	RDMAREG_PENDING, /* it has become pending: somebody may have to be woken */
	RDMAREG_QUIET,	 /* it has become quiet: its pace runs */
};

/**
 * struct rdmareg_slot - one watch
 * @number: index in the table; valid from rdmareg_table_add() on.
 * @kind: of struct rdmareg_report, like @cookie and all from @layout_state to @deadline_nsec.
 * @cookie: the caller's word.
 * @sequence: rises with every event.
 * @collected: the sequence of the last report.
 * @born: the sequence that the watch began with: reports of an earlier watch of this slot are not
 *        above it.
 * @next: in the queue, or among the quiet; NULL outside of both.
 * @previous: the same.
 * @quiet: among the quiet, if it is the table's @ripened; else in the queue, if anywhere.
 * @pace_ms: how long writebacks are quiet; 0: not at all.
 * @grain: of struct rdmareg_pace.
 * @fold: what is to be reported.
 * @layout_state: enum rdmareg_layout_state.
 * @operation: enum rdmareg_operation of the last break.
 * @break_id: its number.
 * @deadline_nsec: 0 when no break runs.
 * @killed: somebody who waits in this break is being killed.
 * @cause_counts: of struct rdmareg_counters, like all that follow.
 * @break_counts: by enum rdmareg_operation.
 * @releases: breaks that ended before the deadline.
 * @expiries: breaks that it ended.
 * @rearms: successful ones.
 * @kills: breaks with @killed.
 */
struct rdmareg_slot {
	__u32 number;
	__u32 kind;
	__u64 cookie;
	__u64 sequence;
	__u64 collected;
	__u64 born;
	struct rdmareg_slot *next;
	struct rdmareg_slot *previous;
	__u64 quiet;

	__u32 pace_ms;
	__u64 grain;
	struct rdmareg_fold fold[RDMAREG_FOLDS];

	__u32 layout_state;
	__u32 operation;
	__u32 break_id;
	__u64 deadline_nsec;
	bool killed;

	__u64 cause_counts[RDMAREG_CAUSE_BITS];
	__u64 break_counts[RDMAREG_OP_COUNT];
	__u64 releases;
	__u64 expiries;
	__u64 rearms;
	__u64 kills;
};

/**
 * struct rdmareg_table - the watches of one opener
 * @slots: @limit pointers, NULL where the slot is free.
 * @limit: how many there may be.
 * @lowest: no slot below this number is free.
 * @used: no slot from this number on was ever taken.
 * @highest: highest sequence that a removed watch had; the next one of any number begins there.
 * @queue: head of the circular queue, oldest next to it; holds no watch itself.
 * @quieted: head of another one, of the quiet slots.
 * @ripened: how often the quiet became pending together, from 1.
 */
struct rdmareg_table {
	struct rdmareg_slot **slots;
	__u32 limit;
	__u32 lowest;
	__u32 used;
	__u64 highest;
	struct rdmareg_slot queue;
	struct rdmareg_slot quieted;
	__u64 ripened;
};

static inline void rdmareg_queue_init(struct rdmareg_slot *head)
{
	head->next = head;
	head->previous = head;
}

static inline void rdmareg_table_init(struct rdmareg_table *table, struct rdmareg_slot **slots,
				      __u32 limit)
{
	memset(table, 0, sizeof(*table));
	table->slots = slots;
	table->limit = limit;
	table->ripened = 1;
	rdmareg_queue_init(&table->queue);
	rdmareg_queue_init(&table->quieted);
}

static inline bool rdmareg_table_pending(const struct rdmareg_table *table)
{
	return table->queue.next != &table->queue;
}

static inline void rdmareg_slot_unqueue(struct rdmareg_slot *slot)
{
	if (!slot->next)
		return;
	slot->next->previous = slot->previous;
	slot->previous->next = slot->next;
	slot->next = NULL;
	slot->previous = NULL;
}

static inline void rdmareg_slot_append(struct rdmareg_slot *head, struct rdmareg_slot *slot)
{
	slot->next = head;
	slot->previous = head->previous;
	slot->previous->next = slot;
	head->previous = slot;
}

static inline bool rdmareg_slot_pending(const struct rdmareg_table *table,
					const struct rdmareg_slot *slot)
{
	return slot->next && slot->quiet != table->ripened;
}

/* Counts one event. True if the slot was not pending before: somebody may have to be woken. */
static inline bool rdmareg_slot_raise(struct rdmareg_table *table, struct rdmareg_slot *slot)
{
	bool first = !rdmareg_slot_pending(table, slot);

	if (first) {
		rdmareg_slot_unqueue(slot);
		slot->quiet = 0;
		rdmareg_slot_append(&table->queue, slot);
	}
	slot->sequence++;
	return first;
}

/* The same for an event that may wait. True if the slot has just become quiet. */
static inline bool rdmareg_slot_hush(struct rdmareg_table *table, struct rdmareg_slot *slot)
{
	bool first = !slot->next;

	if (first) {
		slot->quiet = table->ripened;
		rdmareg_slot_append(&table->quieted, slot);
	}
	slot->sequence++;
	return first;
}

/* The pace of a quiet slot has passed: all of them are pending. True if there was one. */
static inline bool rdmareg_table_ripen(struct rdmareg_table *table)
{
	struct rdmareg_slot *first = table->quieted.next, *last = table->quieted.previous;

	table->ripened++;
	if (first == &table->quieted)
		return false;
	first->previous = table->queue.previous;
	first->previous->next = first;
	last->next = &table->queue;
	table->queue.previous = last;
	rdmareg_queue_init(&table->quieted);
	return true;
}

/* Number of the lowest free slot; the limit of the table if there is none. */
static inline __u32 rdmareg_table_free(const struct rdmareg_table *table)
{
	__u32 number = table->lowest;

	while (number < table->limit && table->slots[number])
		number++;
	return number;
}

/**
 * rdmareg_table_add() - put a watch into a free slot
 * @table: of the opener.
 * @slot: zeroed but for kind, cookie and layout_state.
 * @number: from rdmareg_table_free().
 */
static inline void rdmareg_table_add(struct rdmareg_table *table, struct rdmareg_slot *slot,
				     __u32 number)
{
	slot->number = number;
	slot->sequence = table->highest;
	slot->collected = slot->sequence;
	slot->born = slot->sequence;
	table->slots[number] = slot;
	table->lowest = number + 1;
	if (number >= table->used)
		table->used = number + 1;
}

static inline struct rdmareg_slot *rdmareg_table_get(const struct rdmareg_table *table,
						     __u32 number)
{
	return number < table->limit ? table->slots[RDMAREG_INDEX(number, table->limit)] : NULL;
}

/* What was not collected is dropped: the watch is gone and with it whoever asked. */
static inline void rdmareg_table_remove(struct rdmareg_table *table, struct rdmareg_slot *slot)
{
	rdmareg_slot_unqueue(slot);
	table->slots[slot->number] = NULL;
	if (slot->number < table->lowest)
		table->lowest = slot->number;
	if (slot->sequence > table->highest)
		table->highest = slot->sequence;
	slot->kind = RDMAREG_KIND_FREE;
	RDMAREG_WRITE(slot->layout_state, 0);
	slot->collected = slot->sequence;
}

static inline bool rdmareg_fold_is_whole(const struct rdmareg_fold *fold)
{
	return fold->covered == fold->end - fold->start;
}

/*
 * Adds an event, or a fold, of which @covered bytes are certain. Where it reaches into what is there
 * already, only what is beyond that is certain to be new.
 */
static inline void rdmareg_fold_widen(struct rdmareg_fold *fold, __u32 causes, __u64 start,
				      __u64 end, __u64 covered)
{
	__u64 first = fold->causes && fold->start < start ? fold->start : start;
	__u64 last = fold->end > end ? fold->end : end;

	if (!fold->causes || start >= fold->end || end <= fold->start)
		fold->covered += covered;
	else if (covered == end - start)
		fold->covered += (fold->start - first) + (last - fold->end);
	fold->start = first;
	fold->end = last;
	fold->causes |= causes;
}

/* Nothing is lost that somebody who looks at one grain after the other would want to know. */
static inline bool rdmareg_fold_takes(const struct rdmareg_fold *fold, __u64 grain, __u64 start,
				      __u64 end)
{
	if (!fold->causes || !grain)
		return true;
	if (rdmareg_fold_is_whole(fold) && start <= fold->end && end >= fold->start &&
	    ((end > fold->end ? end : fold->end) - (start < fold->start ? start : fold->start) -
	     1) / RDMAREG_PACE_GRAINS <
		    grain)
		return true;
	/* a power of two: so are both in one grain, if these differ below it only */
	return ((fold->start ^ (fold->end - 1)) | (fold->start ^ start) |
		(fold->start ^ (end - 1))) < grain;
}

/* A writeback of a paced watch; the bytes are from its start. */
static inline enum rdmareg_raised rdmareg_fold_paced(struct rdmareg_table *table,
						     struct rdmareg_slot *slot, __u32 causes,
						     __u64 start, __u64 end)
{
	unsigned int i = 1;

	while (i < RDMAREG_FOLDS - 1 &&
	       !rdmareg_fold_takes(&slot->fold[i], slot->grain, start, end))
		i++;
	rdmareg_fold_widen(&slot->fold[i], causes, start, end, end - start);
	slot->fold[i].writeback_count++;
	/* the last one is in use: what comes next could only be told less exactly */
	if (i == RDMAREG_FOLDS - 1)
		return rdmareg_slot_raise(table, slot) ? RDMAREG_PENDING : RDMAREG_FOLDED;
	return rdmareg_slot_hush(table, slot) ? RDMAREG_QUIET : RDMAREG_FOLDED;
}

/**
 * rdmareg_fold_range() - an invalidation overlaps a range watch
 * @table: of the opener.
 * @slot: the watch.
 * @causes: one RDMAREG_CAUSE_ bit that says what, never none, and any of the two hints.
 * @watch_start: its first address.
 * @watch_end: its end, not included.
 * @start: first address of the event, which may reach beyond the watch.
 * @end: its end, not included.
 *
 * Return: what became of the slot.
 */
static inline enum rdmareg_raised rdmareg_fold_range(struct rdmareg_table *table,
						     struct rdmareg_slot *slot, __u32 causes,
						     __u64 watch_start, __u64 watch_end,
						     __u64 start, __u64 end)
{
	struct rdmareg_fold *fold = &slot->fold[0];
	unsigned int bit;

	start = (start < watch_start ? watch_start : start) - watch_start;
	end = (end > watch_end ? watch_end : end) - watch_start;
	for (bit = 0; bit < RDMAREG_CAUSE_BITS; bit++)
		slot->cause_counts[bit] += causes >> bit & 1;
	if (causes & RDMAREG_CAUSE_WRITEBACK && slot->pace_ms)
		return rdmareg_fold_paced(table, slot, causes, start, end);
	rdmareg_fold_widen(fold, causes, start, end, end - start);
	if (causes & RDMAREG_CAUSE_CLEAR)
		fold->clear_count++;
	else if (causes & RDMAREG_CAUSE_WRITEBACK)
		fold->writeback_count++;
	else
		fold->other_count++;
	return rdmareg_slot_raise(table, slot) ? RDMAREG_PENDING : RDMAREG_FOLDED;
}

/* For writebacks from now on. What is quiet stays so for as long as it would have. */
static inline void rdmareg_slot_pace(struct rdmareg_slot *slot, __u32 pace_ms, __u64 grain)
{
	slot->pace_ms = pace_ms;
	slot->grain = grain;
}

/*
 * Somebody wants the blocks of a layout watch, for an enum rdmareg_operation. Numbers breaks from
 * 1, also past the wrap of the counter.
 */
static inline bool rdmareg_fold_break(struct rdmareg_table *table, struct rdmareg_slot *slot,
				      __u32 operation, __u64 deadline_nsec)
{
	if (!++slot->break_id)
		slot->break_id = 1;
	RDMAREG_WRITE(slot->layout_state, RDMAREG_LAYOUT_BREAKING);
	slot->break_counts[operation]++;
	slot->operation = operation;
	slot->deadline_nsec = deadline_nsec;
	slot->killed = false;
	return rdmareg_slot_raise(table, slot);
}

/* Somebody who waits for the blocks is being killed. The first one of a break is told. */
static inline bool rdmareg_fold_kill(struct rdmareg_table *table, struct rdmareg_slot *slot)
{
	if (slot->killed)
		return false;
	slot->killed = true;
	slot->kills++;
	return rdmareg_slot_raise(table, slot);
}

/* The kernel's deadline was faster than the process. */
static inline bool rdmareg_fold_expiry(struct rdmareg_table *table, struct rdmareg_slot *slot)
{
	RDMAREG_WRITE(slot->layout_state, RDMAREG_LAYOUT_EXPIRED);
	slot->expiries++;
	slot->deadline_nsec = 0;
	return rdmareg_slot_raise(table, slot);
}

/*
 * A change of state the process asked for itself: there is nothing to collect. A break that goes on
 * ends with it.
 */
static inline void rdmareg_slot_set_layout(struct rdmareg_slot *slot, __u32 layout_state)
{
	if (slot->layout_state == RDMAREG_LAYOUT_BREAKING)
		slot->releases++;
	RDMAREG_WRITE(slot->layout_state, layout_state);
	slot->deadline_nsec = 0;
}

/* The fold that is reported next: what was told at once goes first. */
static inline struct rdmareg_fold *rdmareg_slot_fold(struct rdmareg_slot *slot)
{
	unsigned int i = 0;

	while (i < RDMAREG_FOLDS - 1 && !slot->fold[i].causes)
		i++;
	return &slot->fold[i];
}

/* How many events are left in a slot: of what was told at once, which was taken first, none. */
static inline __u64 rdmareg_slot_left(const struct rdmareg_slot *slot)
{
	__u64 left = 0;
	unsigned int i;

	for (i = 0; i < RDMAREG_FOLDS; i++)
		left += slot->fold[i].writeback_count;
	return left;
}

/**
 * rdmareg_collect() - take a fold out of a slot, which stays pending if it has another one
 * @table: of the opener.
 * @number: a slot, or RDMAREG_SLOT_ANY for the one that has waited longest.
 * @ret_report: untouched on failure; breaker_pid and the flags are the caller's to fill in.
 *
 * Return: 0, -ENOENT no watch in that slot, -EAGAIN nothing is pending.
 */
static inline int rdmareg_collect(struct rdmareg_table *table, __u32 number,
				  struct rdmareg_report *ret_report)
{
	struct rdmareg_slot *slot;
	struct rdmareg_fold *fold;

	if (number == RDMAREG_SLOT_ANY) {
		slot = table->queue.next;
		if (slot == &table->queue)
			return -EAGAIN;
	} else {
		slot = rdmareg_table_get(table, number);
		if (!slot)
			return -ENOENT;
		if (!slot->next)
			return -EAGAIN;
	}

	fold = rdmareg_slot_fold(slot);
	memset(ret_report, 0, sizeof(*ret_report));
	ret_report->slot = slot->number;
	ret_report->kind = slot->kind;
	ret_report->cookie = slot->cookie;
	ret_report->causes = fold->causes;
	ret_report->layout_state = slot->layout_state;
	ret_report->start = fold->start;
	ret_report->end = fold->end;
	ret_report->clear_count = fold->clear_count;
	ret_report->writeback_count = fold->writeback_count;
	ret_report->other_count = fold->other_count;
	if (slot->kind == RDMAREG_KIND_RANGE)
		ret_report->covered = fold->covered;
	else
		ret_report->deadline_nsec = slot->deadline_nsec;
	ret_report->operation = slot->operation;
	ret_report->break_id = slot->break_id;
	ret_report->flags = slot->killed ? RDMAREG_FLAG_KILLED : 0;

	memset(fold, 0, sizeof(*fold));
	slot->collected = slot->sequence - rdmareg_slot_left(slot);
	ret_report->sequence = slot->collected;
	if (slot->collected == slot->sequence) {
		rdmareg_slot_unqueue(slot);
	} else if (rdmareg_slot_pending(table, slot)) {
		rdmareg_slot_unqueue(slot);
		rdmareg_slot_append(&table->queue, slot);
	}
	return 0;
}

/**
 * rdmareg_uncollect() - put a fold back that could not be delivered
 * @table: of the opener.
 * @report: as rdmareg_collect() made it.
 *
 * The slot counts as pending from now on, if nothing else happened to it meanwhile. Does nothing if
 * another watch moved into the slot.
 *
 * Return: whether the slot has just become pending.
 */
static inline bool rdmareg_uncollect(struct rdmareg_table *table,
				     const struct rdmareg_report *report)
{
	struct rdmareg_slot *slot = rdmareg_table_get(table, report->slot);
	struct rdmareg_fold *fold;

	if (!slot || report->sequence <= slot->born)
		return false;
	fold = &slot->fold[0];
	if (report->causes)
		rdmareg_fold_widen(fold, report->causes, report->start, report->end,
				   report->covered);
	fold->clear_count += report->clear_count;
	fold->writeback_count += report->writeback_count;
	fold->other_count += report->other_count;
	return rdmareg_slot_raise(table, slot);
}

/*
 * What struct rdmareg_counters tells and this file knows: all but writes_passed, which is the
 * caller's.
 */
static inline void rdmareg_count(const struct rdmareg_slot *slot,
				 struct rdmareg_counters *ret_counters)
{
	memset(ret_counters, 0, sizeof(*ret_counters));
	ret_counters->slot = slot->number;
	ret_counters->kind = slot->kind;
	ret_counters->cookie = slot->cookie;
	memcpy(ret_counters->causes, slot->cause_counts, sizeof(slot->cause_counts));
	memcpy(ret_counters->breaks, slot->break_counts, sizeof(slot->break_counts));
	ret_counters->releases = slot->releases;
	ret_counters->expiries = slot->expiries;
	ret_counters->rearms = slot->rearms;
	ret_counters->kills = slot->kills;
}

#endif
