/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * layout.h - a layout watch, as lease.c (the lease and its deadline) and layout.c (the requests)
 * share it.
 *
 * What always holds:
 *   1. BREAKING has a deadline: the timer is started in the moment the state is entered, and work
 *      that comes too early starts it again. Should it never get to run, the lease's own break time
 *      ends the wait a little later.
 *   2. The lease is taken and given back under layout->lease alone; giving back twice is harmless.
 *      Nothing is allocated under it while there is a lease: memory may be what the breaker waits
 *      for.
 *   3. Once the lease is gone no lease callback can run: all of them run under the inode's
 *      flc_lock, which giving back takes.
 *   4. Nobody waits for an ARMED lease for longer than a moment: the lease code announces a break
 *      only to leases that it finds when it begins to wait, so whoever waits already when we take
 *      one is found by the timer, and made a break.
 *   5. A layout lives as long as its slot, or a request that works on it.
 */
#ifndef RDMAREG_LAYOUT_H
#define RDMAREG_LAYOUT_H

#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/workqueue.h>

#include "breaker.h"
#include "rdmareg.h"

/**
 * struct rdmareg_layout - a watch of one file
 * @slot: of the table of @opener.
 * @opener: whose watch it is; held.
 * @refs: see 5.
 * @lease: see 2. Guards @leased.
 * @leased: we took a lease and did not give it back; the lease code may have removed it on its own
 *          since.
 * @file: ours alone, for the life of the watch.
 * @target: of the file.
 * @member: of @target.
 * @deadline_ms: as asked for; written while there is no lease.
 * @ask_writes: writes are breaks as well; written while there is no lease.
 * @unwinding: from a break until all who waited have returned and the pause after giving back is
 *             over. Under
 *	opener->lock.
 * @breaker_pid: thread group of the first breaker of the last break. Under opener->lock.
 * @expires: when a break that is going on ends. Under opener->lock.
 * @writes_passed: see struct rdmareg_counters; counted under flc_lock, read under opener->lock.
 * @timer: of high resolution, since a timer of the wheel comes up to an eighth late. Queues @work.
 * @work: does what is due: the deadline, a look for waiters, the end of unwinding.
 */
struct rdmareg_layout {
	struct rdmareg_slot slot;
	struct rdmareg_opener *opener;
	refcount_t refs;
	struct mutex lease;
	bool leased;
	struct file *file;
	struct rdmareg_target *target;
	struct rdmareg_member member;
	unsigned int deadline_ms;
	bool ask_writes;
	bool unwinding;
	struct pid *breaker_pid;
	ktime_t expires;
	atomic64_t writes_passed;
	struct hrtimer timer;
	struct work_struct work;
};

void rdmareg_layout_put(struct rdmareg_layout *layout);
void rdmareg_layout_prepare(struct rdmareg_layout *layout);
void rdmareg_layout_stop(struct rdmareg_layout *layout);
int rdmareg_layout_arm(struct rdmareg_layout *layout, unsigned int deadline_ms, u32 flags);
void rdmareg_layout_give_back(struct rdmareg_layout *layout);
bool rdmareg_layout_unwind(struct rdmareg_layout *layout);

#endif
