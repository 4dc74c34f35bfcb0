/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rdmareg.h - what the files of the module share: the opener (one open of /dev/rdmareg) and who
 * calls whom.
 *
 *   main.c     the device and its requests
 *   opener.c   the opener and its slots
 *   range.c    range watches: mmu-interval notifiers
 *   layout.c   layout watches: requests
 *   lease.c    layout watches: the FL_LAYOUT lease and its deadline
 *   breaker.c  who breaks a layout, what for, and when that system call is over
 *   target.c   what all layout watches of one file share
 *   totals.c   numbers of the whole module, for sysfs
 *   trace.h    tracepoints
 *
 * Locks, outermost first: opener.change, layout.lease (layout.h), the inode's flc_lock
 * (fs/locks.c), opener.lock, targets_lock (target.c), target.lock, writers_lock (breaker.c). The
 * notifier callbacks take opener.lock alone, the lease callbacks opener.lock and what is below it.
 * mmap_lock comes between opener.change and opener.lock, so nothing called under
 * mmap_lock takes opener.change.
 */
#ifndef RDMAREG_H
#define RDMAREG_H

#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/rbtree.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "rdmareg-slots.h"

/**
 * struct rdmareg_opener - one open of the device
 * @refs: the open file, and each layout watch.
 * @mm: the address space that opened it; the structure is kept, the memory is not.
 * @exit: tells when @mm is torn down, be it that somebody else still has the device open.
 * @change: serialises requests that add, remove or re-arm watches.
 * @lock: guards @table and its slots.
 * @wait: for something to collect.
 * @ripen: ends the quiet of paced watches, at @ripe_at if @ripening; both under @lock.
 * @table: its watches.
 * @ranges: the range watches by address, under @change.
 */
struct rdmareg_opener {
	refcount_t refs;
	struct mm_struct *mm;
	struct mmu_notifier exit;
	struct mutex change;
	spinlock_t lock;
	wait_queue_head_t wait;
	struct delayed_work ripen;
	bool ripening;
	unsigned long ripe_at;
	struct rdmareg_table table;
	struct rb_root_cached ranges;
};

extern unsigned int rdmareg_max_watches;
extern unsigned int rdmareg_max_watches_per_file;
extern unsigned int rdmareg_max_deadline_ms;
extern unsigned int rdmareg_max_openers;
extern unsigned int rdmareg_max_total_watches;

/* The first three rise and fall. */
enum rdmareg_total {
	RDMAREG_OPENERS,
	RDMAREG_RANGES,
	RDMAREG_LAYOUTS,
	RDMAREG_BREAKS,
	RDMAREG_EXPIRIES,
	RDMAREG_TOTALS,
};

/* For what must not wait: giving blocks back may be what memory reclaim waits for. */
extern struct workqueue_struct *rdmareg_timer_queue;

extern atomic64_t rdmareg_totals[RDMAREG_TOTALS];
extern const struct attribute_group *rdmareg_total_groups[];

int rdmareg_open(struct inode *inode, struct file *file);
int rdmareg_release(struct inode *inode, struct file *file);
int rdmareg_opener_unwatch(struct rdmareg_opener *opener, u32 number);
void rdmareg_opener_put(struct rdmareg_opener *opener);
void rdmareg_opener_wake(struct rdmareg_opener *opener);
/* Under opener->lock: what is quiet is told in @pace_ms at the latest. */
void rdmareg_opener_ripen(struct rdmareg_opener *opener, unsigned int pace_ms);
int rdmareg_slot_add(struct rdmareg_opener *opener, struct rdmareg_slot *slot);
void rdmareg_slot_remove(struct rdmareg_opener *opener, struct rdmareg_slot *slot);

/* All but the callbacks below are called with opener->change held, except where noted. */
int rdmareg_range_watch(struct rdmareg_opener *opener, struct rdmareg_watch_range *request);
void rdmareg_range_unwatch(struct rdmareg_opener *opener, struct rdmareg_slot *slot);
/* Without opener->change. */
int rdmareg_range_pace(struct rdmareg_opener *opener, const struct rdmareg_pace *request);

int rdmareg_layout_watch(struct rdmareg_opener *opener, struct rdmareg_watch_layout *request);
int rdmareg_layout_rearm(struct rdmareg_opener *opener, const struct rdmareg_rearm *request);
void rdmareg_layout_unwatch(struct rdmareg_opener *opener, struct rdmareg_slot *slot);

/* Without opener->change: giving back must not wait for anything else the process does. */
int rdmareg_layout_release(struct rdmareg_opener *opener, const struct rdmareg_release *request);
void rdmareg_layout_release_all(struct rdmareg_opener *opener);
/* Under opener->lock. */
void rdmareg_layout_describe(const struct rdmareg_slot *slot, struct rdmareg_report *report);
u64 rdmareg_layout_writes_passed(const struct rdmareg_slot *slot);

int rdmareg_layout_init(void);
void rdmareg_layout_exit(void);

#endif
