// SPDX-License-Identifier: GPL-2.0-only
/*
 * opener.c - one open of the device: how it begins and ends, and its slots.
 *
 * What always holds: an opener counts as one exactly while its file is open; its memory lives on
 * while a layout watch refers to it. A slot that is taken counts as one of all watches.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "rdmareg.h"

static atomic_t open_count;
static atomic_t watch_count;

void rdmareg_opener_wake(struct rdmareg_opener *opener)
{
	wake_up_interruptible_poll(&opener->wait, EPOLLIN);
}

static void opener_ripen(struct work_struct *work)
{
	struct rdmareg_opener *opener =
		container_of(to_delayed_work(work), struct rdmareg_opener, ripen);
	bool wake;

	spin_lock(&opener->lock);
	opener->ripening = false;
	wake = rdmareg_table_ripen(&opener->table);
	spin_unlock(&opener->lock);
	if (wake)
		rdmareg_opener_wake(opener);
}

/*
 * One work item for all watches of an opener: when the first of them may be told, all that are quiet
 * are, which costs its process one wake-up.
 */
void rdmareg_opener_ripen(struct rdmareg_opener *opener, unsigned int pace_ms)
{
	/* one more, since the tick that is next is not a whole one away */
	unsigned long delay = msecs_to_jiffies(pace_ms) + 1, at = jiffies + delay;

	if (opener->ripening && time_before_eq(opener->ripe_at, at))
		return;
	opener->ripening = true;
	opener->ripe_at = at;
	mod_delayed_work(rdmareg_timer_queue, &opener->ripen, delay);
}

void rdmareg_opener_put(struct rdmareg_opener *opener)
{
	if (!refcount_dec_and_test(&opener->refs))
		return;
	kvfree(opener->table.slots);
	mmdrop(opener->mm);
	kfree(opener);
	atomic64_dec(&rdmareg_totals[RDMAREG_OPENERS]);
}

/* Enters one more in a count, unless it is full. */
static bool enter(atomic_t *count, unsigned int limit)
{
	if (atomic_inc_return(count) <= limit)
		return true;
	atomic_dec(count);
	return false;
}

int rdmareg_slot_add(struct rdmareg_opener *opener, struct rdmareg_slot *slot)
{
	u32 number;

	/* only requests under opener->change add and remove slots: the number stays free */
	number = rdmareg_table_free(&opener->table);
	if (number == opener->table.limit || !enter(&watch_count, rdmareg_max_total_watches))
		return -ENOSPC;
	spin_lock(&opener->lock);
	rdmareg_table_add(&opener->table, slot, number);
	spin_unlock(&opener->lock);
	return 0;
}

void rdmareg_slot_remove(struct rdmareg_opener *opener, struct rdmareg_slot *slot)
{
	spin_lock(&opener->lock);
	rdmareg_table_remove(&opener->table, slot);
	spin_unlock(&opener->lock);
	atomic_dec(&watch_count);
}

/* Called with opener->change held. */
int rdmareg_opener_unwatch(struct rdmareg_opener *opener, u32 number)
{
	struct rdmareg_slot *slot = rdmareg_table_get(&opener->table, number);

	if (!slot)
		return -ENOENT;
	if (slot->kind == RDMAREG_KIND_RANGE)
		rdmareg_range_unwatch(opener, slot);
	else
		rdmareg_layout_unwatch(opener, slot);
	return 0;
}

static void opener_exit(struct mmu_notifier *notifier, struct mm_struct *mm)
{
	rdmareg_layout_release_all(container_of(notifier, struct rdmareg_opener, exit));
}

static const struct mmu_notifier_ops opener_exit_operations = {
	.release = opener_exit,
};

int rdmareg_open(struct inode *inode, struct file *file)
{
	struct rdmareg_opener *opener;
	struct rdmareg_slot **slots;
	int r;

	if (!current->mm)
		return -EINVAL;
	opener = kzalloc(sizeof(*opener), GFP_KERNEL_ACCOUNT);
	if (!opener)
		return -ENOMEM;
	atomic64_inc(&rdmareg_totals[RDMAREG_OPENERS]);
	refcount_set(&opener->refs, 1);
	mutex_init(&opener->change);
	spin_lock_init(&opener->lock);
	init_waitqueue_head(&opener->wait);
	opener->mm = current->mm;
	mmgrab(opener->mm);
	opener->ranges = RB_ROOT_CACHED;
	INIT_DELAYED_WORK(&opener->ripen, opener_ripen);

	slots = kvcalloc(rdmareg_max_watches, sizeof(*slots), GFP_KERNEL_ACCOUNT);
	rdmareg_table_init(&opener->table, slots, rdmareg_max_watches);
	if (!slots) {
		r = -ENOMEM;
		goto put;
	}
	if (!enter(&open_count, rdmareg_max_openers)) {
		r = -EMFILE;
		goto put;
	}
	opener->exit.ops = &opener_exit_operations;
	r = mmu_notifier_register(&opener->exit, opener->mm);
	if (r < 0)
		goto leave;

	file->private_data = opener;
	return nonseekable_open(inode, file);

leave:
	atomic_dec(&open_count);
put:
	rdmareg_opener_put(opener);
	return r == -EINTR ? -ERESTARTNOINTR : r;
}

/* The last descriptor is gone, so no request is under way and none can come. */
int rdmareg_release(struct inode *inode, struct file *file)
{
	struct rdmareg_opener *opener = file->private_data;
	u32 number;

	/* gives the layouts back first of all, unless the address space is gone and has done it */
	mmu_notifier_unregister(&opener->exit, opener->mm);
	mutex_lock(&opener->change);
	for (number = 0; number < opener->table.used; number++)
		rdmareg_opener_unwatch(opener, number);
	mutex_unlock(&opener->change);
	/* without a range watch nothing starts it any more */
	cancel_delayed_work_sync(&opener->ripen);
	atomic_dec(&open_count);
	rdmareg_opener_put(opener);
	return 0;
}
