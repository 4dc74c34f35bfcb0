// SPDX-License-Identifier: GPL-2.0-only
/*
 * lease.c - the FL_LAYOUT lease under a layout watch, which a filesystem breaks before it moves or
 * frees blocks, and the deadline after which the module gives it back itself. What always holds
 * stands in layout.h.
 */
#include <linux/file.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "compat.h"
#include "layout.h"
#include "trace.h"

/* How much later than our own work the kernel's lease code may end the wait. */
#define BACKSTOP_MS 1000
/* How long after somebody has found an armed lease he is on the list of those who wait for it. */
#define LOOK_MS 4

#ifndef HAVE_KERNEL_SETLEASE
const struct cred *rdmareg_kernel_cred;
#endif

struct workqueue_struct *rdmareg_timer_queue;
static const struct rdmareg_lease_operations layout_operations;

/* Others may have leases of the same file: nfsd, or whoever asked with fcntl(2). */
static bool ours(const struct rdmareg_lease *lease)
{
	return lease->fl_lmops == &layout_operations;
}

static bool armed(const struct rdmareg_lease *lease)
{
	const struct rdmareg_layout *layout = rdmareg_lease_owner(lease);

	return ours(lease) && READ_ONCE(layout->slot.layout_state) == RDMAREG_LAYOUT_ARMED;
}

void rdmareg_layout_put(struct rdmareg_layout *layout)
{
	if (!refcount_dec_and_test(&layout->refs))
		return;
	rdmareg_target_put(layout->target);
	fput(layout->file);
	put_pid(layout->breaker_pid);
	rdmareg_opener_put(layout->opener);
	kfree(layout);
	atomic64_dec(&rdmareg_totals[RDMAREG_LAYOUTS]);
}

/*
 * Called with layout->lease held. -EAGAIN from the lease code would mean that it was faster; then
 * the lease is gone too.
 */
void rdmareg_layout_give_back(struct rdmareg_layout *layout)
{
	void *owner = layout;

	if (!layout->leased)
		return;
	layout->leased = false;
	rdmareg_setlease(layout->file, F_UNLCK, NULL, &owner);
	atomic_dec(&layout->target->leases);
}

static void wake_at(struct rdmareg_layout *layout, ktime_t when)
{
	hrtimer_start(&layout->timer, when, HRTIMER_MODE_ABS);
}

/**
 * rdmareg_layout_unwind() - end unwinding if all that it waits for has happened, or see to it that
 * it will
 * @layout: with opener->lock held.
 *
 * Return: whether the opener is to be woken.
 */
bool rdmareg_layout_unwind(struct rdmareg_layout *layout)
{
	ktime_t pause_end;

	if (!layout->unwinding || layout->slot.layout_state == RDMAREG_LAYOUT_BREAKING ||
	    layout->slot.kind == RDMAREG_KIND_FREE)
		return false;
	if (rdmareg_target_pauses(layout->target, &pause_end)) {
		if (pause_end)
			wake_at(layout, pause_end);
		return false;
	}
	/* what is started still is the deadline of the break that is over */
	hrtimer_try_to_cancel(&layout->timer);
	layout->unwinding = false;
	return rdmareg_slot_raise(&layout->opener->table, &layout->slot);
}

/*
 * The wait that the lease code itself allows. It is the backstop and not the deadline: a waiter
 * that looks again just after it has passed would get another lease-break-time. Called with
 * flc_lock held.
 */
static void limit_wait(struct rdmareg_lease *lease, unsigned int wait_ms)
{
	lease->fl_break_time = jiffies + msecs_to_jiffies(wait_ms + BACKSTOP_MS);
	if (!lease->fl_break_time)
		lease->fl_break_time = 1; /* 0 would mean for ever */
}

/* Called with flc_lock and opener->lock held. Returns whether the opener is to be woken. */
static bool begin_break(struct rdmareg_layout *layout, struct rdmareg_lease *lease, u32 operation)
{
	unsigned int deadline_ms = rdmareg_target_patience(layout->target, layout->deadline_ms);

	atomic64_inc(&rdmareg_totals[RDMAREG_BREAKS]);
	layout->expires = ktime_add_ms(ktime_get(), deadline_ms);
	layout->unwinding = true;
	limit_wait(lease, deadline_ms);
	wake_at(layout, layout->expires);
	trace_rdmareg_break(file_inode(layout->file), layout->slot.cookie, operation, deadline_ms);
	return rdmareg_fold_break(&layout->opener->table, &layout->slot, operation,
				  ktime_to_ns(layout->expires));
}

/*
 * Runs under flc_lock in the breaker, once for each lease. True removes the lease at once: the
 * breaker does not wait.
 */
static bool layout_break(struct rdmareg_lease *lease)
{
	struct rdmareg_layout *layout = rdmareg_lease_owner(lease);
	struct rdmareg_opener *opener = layout->opener;
	bool wait, wake;

	spin_lock(&opener->lock);
	layout->breaker_pid = get_pid(task_tgid(current));
	wait = rdmareg_breaker_follow(layout->target);
	if (wait) {
		wake = begin_break(layout, lease, rdmareg_breaker_operation());
	} else {
		atomic64_inc(&rdmareg_totals[RDMAREG_BREAKS]);
		atomic64_inc(&rdmareg_totals[RDMAREG_EXPIRIES]);
		wake = rdmareg_fold_break(&opener->table, &layout->slot,
					  rdmareg_breaker_operation(), 0);
		wake |= rdmareg_fold_expiry(&opener->table, &layout->slot);
	}
	spin_unlock(&opener->lock);
	if (wake)
		rdmareg_opener_wake(opener);
	return !wait;
}

static bool own_operation(const struct rdmareg_layout *layout)
{
	return current->mm && current->mm == layout->opener->mm;
}

/*
 * Has the lease before this one in the list just had a look queued? One look is for the whole file,
 * and an open(2) that asks thousands of leases must not start thousands of them.
 */
static bool look_queued(struct rdmareg_lease *lease, const struct rdmareg_layout *layout)
{
	struct file_lock_context *context = locks_inode_context(file_inode(layout->file));
	struct rdmareg_lease *before;

	if (rdmareg_lease_is_first(lease, &context->flc_lease))
		return false;
	before = rdmareg_lease_before(lease);
	return armed(before) && !own_operation(rdmareg_lease_owner(before));
}

/*
 * Who is to die still waits for the blocks: the filesystem takes no notice, its sleep ends at once,
 * and it begins again until the blocks are given back. The process is told, so that it need not be
 * for long.
 */
static void note_kill(struct rdmareg_layout *layout)
{
	struct rdmareg_opener *opener = layout->opener;
	bool wake = false;

	spin_lock(&opener->lock);
	if (layout->slot.layout_state == RDMAREG_LAYOUT_BREAKING)
		wake = rdmareg_fold_kill(&opener->table, &layout->slot);
	spin_unlock(&opener->lock);
	if (wake)
		rdmareg_opener_wake(opener);
}

/*
 * Runs under flc_lock in whoever looks for conflicting leases, which is the breaker itself and
 * every open(2). True: this one does not conflict.
 */
static bool layout_breaker_passes(struct rdmareg_lease *lease)
{
	struct rdmareg_layout *layout = rdmareg_lease_owner(lease);

	/*
	 * what the watcher does itself would else wait for the deadline: it cannot give back while
	 * it waits
	 */
	if (own_operation(layout))
		return true;
	if (!layout->ask_writes && rdmareg_breaker_only_writes()) {
		atomic64_inc(&layout->writes_passed);
		return true;
	}
	if (rdmareg_breaker_only_reads(file_inode(layout->file)))
		return true;
	if (fatal_signal_pending(current))
		note_kill(layout);
	/* somebody broke it before, and this one will wait with him */
	if (READ_ONCE(layout->slot.layout_state) == RDMAREG_LAYOUT_BREAKING &&
	    !rdmareg_breaker_only_opens())
		rdmareg_breaker_follow(layout->target);
	/*
	 * This may be somebody who began to wait before the lease was taken: the lease code would
	 * let him wait for it without a break. Most often a break follows at once, or it is an
	 * open(2), and the look finds nothing.
	 */
	if (armed(lease) && !look_queued(lease, layout))
		wake_at(layout, ktime_add_ms(ktime_get(), LOOK_MS));
	return false;
}

/*
 * Runs under flc_lock when the lease is given back. The lease code does not call it for a lease
 * that it lets expire (the backstop): keep_deadline() notes that one.
 */
static int layout_change(struct rdmareg_lease *lease, int type, struct list_head *dispose)
{
	struct rdmareg_layout *layout = rdmareg_lease_owner(lease);
	const struct list_head *waiters = rdmareg_lease_waiters(lease);

	if (READ_ONCE(layout->slot.layout_state) == RDMAREG_LAYOUT_BREAKING || !list_empty(waiters))
		rdmareg_target_given_back(layout->target, layout->deadline_ms);
	return lease_modify(lease, type, dispose);
}

/* Runs under flc_lock when the lease was taken. */
static void layout_leased(struct rdmareg_lease *lease, void **priv)
{
	const struct rdmareg_layout *layout = rdmareg_lease_owner(lease);

	rdmareg_target_leased(layout->target);
}

/*
 * There is no lm_breaker_timedout: it could only say no, and a no that is repeated holds the
 * breaker for ever.
 */
static const struct rdmareg_lease_operations layout_operations = { .lm_break = layout_break,
								   .lm_change = layout_change,
								   .lm_breaker_owns_lease =
									   layout_breaker_passes,
								   .lm_setup = layout_leased,
								   RDMAREG_LEASE_OPERATIONS_EXTRA };

/* A break without a breaker: by whom and for what nobody can tell. Called with flc_lock held. */
static void break_unannounced(struct rdmareg_lease *lease)
{
	struct rdmareg_layout *layout = rdmareg_lease_owner(lease);
	struct rdmareg_opener *opener = layout->opener;
	bool wake;

	/*
	 * as the lease code marks a break: nobody takes a new lease of the file meanwhile, and no
	 * other break comes
	 */
	rdmareg_lease_flags(lease) |= FL_UNLOCK_PENDING;
	spin_lock(&opener->lock);
	wake = begin_break(layout, lease, RDMAREG_OP_UNKNOWN);
	spin_unlock(&opener->lock);
	if (wake)
		rdmareg_opener_wake(opener);
}

/* Is somebody waiting for an armed lease of this file? Then he wants all of them. */
static void look_for_waiters(struct rdmareg_layout *layout)
{
	struct file_lock_context *context = locks_inode_context(file_inode(layout->file));
	struct rdmareg_lease *lease;
	bool waiting = false;

	if (!context)
		return;
	spin_lock(&context->flc_lock);
	rdmareg_lease_for_each(lease, &context->flc_lease)
		waiting = waiting || (armed(lease) && !list_empty(rdmareg_lease_waiters(lease)));
	if (waiting) {
		rdmareg_lease_for_each(lease, &context->flc_lease)
			if (armed(lease))
				break_unannounced(lease);
	}
	spin_unlock(&context->flc_lock);
}

/* Ends a break whose time has come. If this run was meant for an earlier one it comes back. */
static bool keep_deadline(struct rdmareg_layout *layout)
{
	struct rdmareg_opener *opener = layout->opener;
	ktime_t expires;
	bool wake;

	spin_lock(&opener->lock);
	expires = layout->expires;
	spin_unlock(&opener->lock);
	if (ktime_before(ktime_get(), expires)) {
		wake_at(layout, expires);
		return false;
	}
	/* also where the backstop was faster and nobody was told */
	rdmareg_target_given_back(layout->target, layout->deadline_ms);
	rdmareg_layout_give_back(layout);
	trace_rdmareg_give_back(file_inode(layout->file), layout->slot.cookie, true);
	atomic64_inc(&rdmareg_totals[RDMAREG_EXPIRIES]);
	spin_lock(&opener->lock);
	wake = rdmareg_fold_expiry(&opener->table, &layout->slot);
	wake |= rdmareg_layout_unwind(layout);
	spin_unlock(&opener->lock);
	return wake;
}

static enum hrtimer_restart layout_timer(struct hrtimer *timer)
{
	queue_work(rdmareg_timer_queue, &container_of(timer, struct rdmareg_layout, timer)->work);
	return HRTIMER_NORESTART;
}

static void layout_work(struct work_struct *work)
{
	struct rdmareg_layout *layout = container_of(work, struct rdmareg_layout, work);
	struct rdmareg_opener *opener = layout->opener;
	bool wake = false;

	mutex_lock(&layout->lease);
	if (!layout->leased) {
		spin_lock(&opener->lock);
		wake = rdmareg_layout_unwind(layout);
		spin_unlock(&opener->lock);
	} else if (READ_ONCE(layout->slot.layout_state) == RDMAREG_LAYOUT_BREAKING) {
		wake = keep_deadline(layout);
	} else {
		look_for_waiters(layout);
	}
	mutex_unlock(&layout->lease);
	if (wake)
		rdmareg_opener_wake(opener);
}

/* All who waited have returned. */
static void layout_look(struct rdmareg_member *member)
{
	queue_work(rdmareg_timer_queue, &container_of(member, struct rdmareg_layout, member)->work);
}

/* What arming needs and might have to wait for memory to get. */
static int stock(struct rdmareg_layout *layout, struct rdmareg_lease **ret_lease)
{
	int r;

	r = rdmareg_breaker_stock(layout->target);
	if (r < 0)
		return r;
	*ret_lease = rdmareg_lease_alloc();
	return *ret_lease ? 0 : -ENOMEM;
}

/* Called with layout->lease held. Consumes *@lease if it succeeds. */
static int take_lease(struct rdmareg_layout *layout, struct rdmareg_lease **lease,
		      unsigned int deadline_ms, u32 flags)
{
	struct rdmareg_opener *opener = layout->opener;
	struct pid *old;
	u32 last_break;
	int r;

	if (rdmareg_target_pauses(layout->target, NULL))
		return -EAGAIN;
	/* a break that did not wait, or the backstop, has removed the lease without our knowing */
	rdmareg_layout_give_back(layout);
	/* the limit is for the length of walks under flc_lock */
	if (atomic_inc_return(&layout->target->leases) > rdmareg_max_watches_per_file) {
		atomic_dec(&layout->target->leases);
		return -ENOSPC;
	}

	spin_lock(&opener->lock);
	last_break = layout->slot.break_id;
	old = layout->breaker_pid;
	layout->breaker_pid = NULL;
	spin_unlock(&opener->lock);
	put_pid(old);

	/*
	 * Every breaker conflicts with a read lease as well as with a write lease, but only read
	 * leases of several watchers go together.
	 */
	layout->deadline_ms = deadline_ms;
	layout->ask_writes = flags & RDMAREG_ASK_WRITES;
	rdmareg_lease_fill(*lease, layout->file, layout, F_RDLCK);
	(*lease)->fl_lmops = &layout_operations;
	r = rdmareg_setlease(layout->file, F_RDLCK, lease, NULL);
	if (r < 0) {
		atomic_dec(&layout->target->leases);
		return r;
	}

	layout->leased = true;
	/*
	 * a lease that waiters were woken from has just gone: ours must not be the next they meet
	 */
	if (rdmareg_target_pauses(layout->target, NULL)) {
		rdmareg_layout_give_back(layout);
		r = -EAGAIN;
	}
	spin_lock(&opener->lock);
	/* somebody may have broken it already */
	if (layout->slot.break_id == last_break && !r)
		rdmareg_slot_set_layout(&layout->slot, RDMAREG_LAYOUT_ARMED);
	else if (layout->slot.layout_state == RDMAREG_LAYOUT_BREAKING && r)
		rdmareg_slot_set_layout(&layout->slot, RDMAREG_LAYOUT_RELEASED);
	spin_unlock(&opener->lock);
	return r;
}

/*
 * Called with opener->change held, when neither armed nor breaking: only another call could change
 * that.
 */
int rdmareg_layout_arm(struct rdmareg_layout *layout, unsigned int deadline_ms, u32 flags)
{
	struct rdmareg_lease *lease = NULL;
	int r;

	r = stock(layout, &lease);
	if (r < 0)
		return r;
	mutex_lock(&layout->lease);
	r = take_lease(layout, &lease, deadline_ms, flags);
	mutex_unlock(&layout->lease);
	if (lease)
		rdmareg_lease_free(lease);
	return r;
}

/* Once in the life of a watch, before it is armed for the first time. */
void rdmareg_layout_prepare(struct rdmareg_layout *layout)
{
	refcount_set(&layout->refs, 1);
	mutex_init(&layout->lease);
	layout->member.look = layout_look;
	rdmareg_hrtimer_setup(&layout->timer, layout_timer);
	INIT_WORK(&layout->work, layout_work);
	rdmareg_target_join(layout->target, &layout->member);
}

/* Without a lease and without a slot nothing starts the timer any more. */
void rdmareg_layout_stop(struct rdmareg_layout *layout)
{
	rdmareg_target_leave(layout->target, &layout->member);
	hrtimer_cancel(&layout->timer);
	cancel_work_sync(&layout->work);
}

int rdmareg_layout_init(void)
{
	int r;

	r = rdmareg_compat_init();
	if (r < 0)
		return r;
	/* any processor will do */
	rdmareg_timer_queue =
		alloc_workqueue("rdmareg", WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND, 0);
	if (!rdmareg_timer_queue) {
		rdmareg_compat_exit();
		return -ENOMEM;
	}
	return 0;
}

void rdmareg_layout_exit(void)
{
	destroy_workqueue(rdmareg_timer_queue);
	rdmareg_target_exit();
	rdmareg_compat_exit();
}
