// SPDX-License-Identifier: GPL-2.0-only
/*
 * range.c - range watches: one mmu-interval notifier each, which folds every invalidation into its
 * slot.
 *
 * What always holds: the callback takes opener->lock and nothing else, allocates nothing, never
 * sleeps and never refuses, also where it must not block (the OOM reaper). Its callers may hold
 * i_rwsem, invalidate_lock, i_mmap_rwsem or a folio lock, and may be reclaiming memory. A report
 * says that an invalidation began; the adapter's own notifier may run before or after ours.
 *
 * One system call may raise many events: an fsync of a DAX file or on 6.1 one for each page, a
 * truncate of a DAX file first one for the whole file. They fold, and only the first of them wakes
 * anybody, or none does before the pace of the watch has passed (RDMAREG_PACE).
 */
#include <linux/interval_tree.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "rdmareg.h"
#include "trace.h"

/* @place: the range among the others of its opener, to count how many overlap. */
struct rdmareg_range {
	struct rdmareg_slot slot;
	struct rdmareg_opener *opener;
	struct mmu_interval_notifier notifier;
	struct interval_tree_node place;
};

static u32 event_causes(const struct mmu_notifier_range *range)
{
	u32 causes;

	switch (range->event) {
	case MMU_NOTIFY_UNMAP:
		causes = RDMAREG_CAUSE_UNMAP;
		break;
	case MMU_NOTIFY_CLEAR:
		/*
		 * Truncate, reclaim, migration and a reflink of a DAX file look alike here. That
		 * i_size has fallen already when a truncate clears would tell more, but punch and
		 * DAX do not show that way: user space looks at the file, we only say whether
		 * memory was short.
		 */
		causes = RDMAREG_CAUSE_CLEAR;
		if (current->flags & (PF_MEMALLOC | PF_KSWAPD))
			causes |= RDMAREG_CAUSE_RECLAIM;
		break;
	case MMU_NOTIFY_PROTECTION_VMA:
		/* mprotect(2) and NUMA hinting; the same on all filesystems */
		causes = RDMAREG_CAUSE_PROTECT;
		break;
	case MMU_NOTIFY_PROTECTION_PAGE:
		/* nothing goes away: pages are to be seen when they are written again */
		causes = RDMAREG_CAUSE_WRITEBACK;
		break;
	case MMU_NOTIFY_RELEASE:
		/* from 0 to the end of all addresses; the fold clips it */
		causes = RDMAREG_CAUSE_EXIT;
		break;
	default:
		causes = RDMAREG_CAUSE_OTHER;
		break;
	}
	if (current->mm == range->mm)
		causes |= RDMAREG_CAUSE_SELF;
	return causes;
}

static bool range_invalidate(struct mmu_interval_notifier *notifier,
			     const struct mmu_notifier_range *event, unsigned long sequence)
{
	struct rdmareg_range *range = container_of(notifier, struct rdmareg_range, notifier);
	struct rdmareg_opener *opener = range->opener;
	u32 causes = event_causes(event);
	enum rdmareg_raised raised;

	spin_lock(&opener->lock);
	mmu_interval_set_seq(notifier, sequence);
	/* the interval's end is included, the event's is not */
	raised = rdmareg_fold_range(&opener->table, &range->slot, causes,
				    notifier->interval_tree.start, notifier->interval_tree.last + 1,
				    event->start, event->end);
	if (raised == RDMAREG_QUIET)
		rdmareg_opener_ripen(opener, range->slot.pace_ms);
	spin_unlock(&opener->lock);
	trace_rdmareg_invalidate(range->slot.cookie, causes, event->start, event->end);
	if (raised == RDMAREG_PENDING)
		rdmareg_opener_wake(opener);
	return true;
}

static const struct mmu_interval_notifier_ops range_operations = {
	.invalidate = range_invalidate,
};

/* Called with opener->change held. Looks at no more than are too many. @last is included. */
static bool crowded(struct rdmareg_opener *opener, unsigned long start, unsigned long last)
{
	struct interval_tree_node *node = interval_tree_iter_first(&opener->ranges, start, last);
	unsigned int overlaps = 0;

	while (node && overlaps <= RDMAREG_MAX_OVERLAP) {
		overlaps++;
		node = interval_tree_iter_next(node, start, last);
	}
	return overlaps > RDMAREG_MAX_OVERLAP;
}

static void range_free(struct rdmareg_range *range)
{
	kfree(range);
	atomic64_dec(&rdmareg_totals[RDMAREG_RANGES]);
}

int rdmareg_range_watch(struct rdmareg_opener *opener, struct rdmareg_watch_range *request)
{
	struct rdmareg_range *range;
	u64 end;
	int r;

	if (request->reserved || !request->length ||
	    !PAGE_ALIGNED(request->address | request->length) ||
	    check_add_overflow(request->address, request->length, &end) || end > TASK_SIZE)
		return -EINVAL;

	if (crowded(opener, request->address, end - 1))
		return -ENOSPC;
	range = kzalloc(sizeof(*range), GFP_KERNEL_ACCOUNT);
	if (!range)
		return -ENOMEM;
	atomic64_inc(&rdmareg_totals[RDMAREG_RANGES]);
	range->opener = opener;
	range->slot.kind = RDMAREG_KIND_RANGE;
	range->slot.cookie = request->cookie;

	/* the slot first: the callback may run before the insertion returns */
	r = rdmareg_slot_add(opener, &range->slot);
	if (r < 0)
		goto free;
	r = mmu_interval_notifier_insert(&range->notifier, opener->mm, request->address,
					 request->length, &range_operations);
	if (r < 0)
		goto remove;
	range->place.start = request->address;
	range->place.last = end - 1;
	interval_tree_insert(&range->place, &opener->ranges);
	request->slot = range->slot.number;
	return 0;

remove:
	rdmareg_slot_remove(opener, &range->slot);
free:
	range_free(range);
	/*
	 * the first notifier of an address space gives way to signals; nothing has happened yet, so
	 * begin again
	 */
	return r == -EINTR ? -ERESTARTNOINTR : r;
}

int rdmareg_range_pace(struct rdmareg_opener *opener, const struct rdmareg_pace *request)
{
	u64 grain = request->grain;
	struct rdmareg_slot *slot;
	int r = -ENOENT;

	if (request->interval_ms > RDMAREG_MAX_PACE_MS ||
	    (grain && (grain < PAGE_SIZE || grain & (grain - 1))))
		return -EINVAL;
	spin_lock(&opener->lock);
	slot = rdmareg_table_get(&opener->table, request->slot);
	if (slot && slot->kind == RDMAREG_KIND_RANGE) {
		rdmareg_slot_pace(slot, request->interval_ms, grain);
		r = 0;
	}
	spin_unlock(&opener->lock);
	return r;
}

void rdmareg_range_unwatch(struct rdmareg_opener *opener, struct rdmareg_slot *slot)
{
	struct rdmareg_range *range = container_of(slot, struct rdmareg_range, slot);

	/*
	 * sleeps until callbacks and the invalidations they belong to are over; none needs
	 * opener->change
	 */
	mmu_interval_notifier_remove(&range->notifier);
	interval_tree_remove(&range->place, &opener->ranges);
	rdmareg_slot_remove(opener, slot);
	range_free(range);
}
