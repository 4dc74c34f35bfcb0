// SPDX-License-Identifier: GPL-2.0-only
/* target.c - see target.h. */
#include <linux/hashtable.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "breaker.h"
#include "target.h"

/*
 * Waiters that the lease code has woken look for leases once more before they go on. They are no longer on
 * any list then, so nobody may take a new lease until they have had the time.
 */
#define PAUSE_MS 50
/* The deadlines of a crowd are halved so often at most: 15 s then is 14 ms. */
#define ROUNDS_MAX 10

static void sweep(struct work_struct *work);

static DEFINE_SPINLOCK(targets_lock);
static DEFINE_HASHTABLE(targets, 10);
static unsigned int targets_count;
static DECLARE_DELAYED_WORK(sweeper, sweep);

/**
 * rdmareg_target_get() - the target of an inode, made if there is none
 * @inode: held by the caller until after rdmareg_target_put().
 *
 * Return: NULL if there is no memory.
 */
struct rdmareg_target *rdmareg_target_get(const struct inode *inode)
{
	struct rdmareg_target *target, *fresh;

	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return NULL;
	fresh->inode = inode;
	spin_lock_init(&fresh->lock);
	INIT_LIST_HEAD(&fresh->breakers);

	spin_lock(&targets_lock);
	hash_for_each_possible(targets, target, entry, (unsigned long)inode)
		if (target->inode == inode)
			goto found;
	target = fresh;
	fresh = NULL;
	hash_add(targets, &target->entry, (unsigned long)inode);
	targets_count++;
found:
	target->refs++;
	spin_unlock(&targets_lock);
	kfree(fresh);
	return target;
}

/* Called with targets_lock held. */
static void target_free(struct rdmareg_target *target)
{
	hash_del(&target->entry);
	kfree(target);
	/* without a watched file a filesystem's code may be unloaded */
	if (!--targets_count)
		rdmareg_breaker_forget();
}

static void sweep_later(void)
{
	schedule_delayed_work(&sweeper, msecs_to_jiffies(PAUSE_MS) + 1);
}

void rdmareg_target_put(struct rdmareg_target *target)
{
	spin_lock(&targets_lock);
	if (!--target->refs) {
		if (rdmareg_target_pauses(target))
			sweep_later();
		else
			target_free(target);
	}
	spin_unlock(&targets_lock);
}

/* Frees the targets that only a pause has kept. */
static void sweep(struct work_struct *work)
{
	struct rdmareg_target *target;
	struct hlist_node *next;
	bool left = false;
	int bucket;

	spin_lock(&targets_lock);
	hash_for_each_safe(targets, bucket, next, target, entry) {
		if (target->refs)
			continue;
		if (rdmareg_target_pauses(target)) {
			left = true;
			continue;
		}
		target_free(target);
	}
	spin_unlock(&targets_lock);
	if (left)
		sweep_later();
}

/**
 * rdmareg_target_given_back() - the blocks are about to be given back to those who wait
 * @crowd: more than one waits.
 * @deadline_ms: how long each of them might have to wait again.
 *
 * To be called before the lease is dropped.
 */
void rdmareg_target_given_back(struct rdmareg_target *target, bool crowd, unsigned int deadline_ms)
{
	ktime_t now = ktime_get();

	spin_lock(&target->lock);
	target->pause_end = ktime_add_ms(now, PAUSE_MS);
	if (crowd) {
		target->rounds = min(target->rounds + 1, (unsigned int)ROUNDS_MAX);
		target->crowd_end = ktime_add_ms(target->pause_end, deadline_ms);
	}
	spin_unlock(&target->lock);
}

/* When a lease may be taken. It may lie in the past. */
ktime_t rdmareg_target_pause_end(struct rdmareg_target *target)
{
	ktime_t end;

	spin_lock(&target->lock);
	end = target->pause_end;
	spin_unlock(&target->lock);
	return end;
}

bool rdmareg_target_pauses(struct rdmareg_target *target)
{
	return ktime_before(ktime_get(), rdmareg_target_pause_end(target));
}

/**
 * rdmareg_target_patience() - how long the filesystem may have to wait in a break that begins now
 *
 * Who waits together with the first breaker carries no token of ours, so a lease that is taken again when the
 * first one is done may meet the others a second time, and a third. Of n threads that truncate one file the
 * last would wait n deadlines. Instead each break that follows one with several waiters gets half the time of
 * that one: together less than two deadlines.
 */
unsigned int rdmareg_target_patience(struct rdmareg_target *target, unsigned int deadline_ms)
{
	spin_lock(&target->lock);
	if (ktime_after(ktime_get(), target->crowd_end))
		target->rounds = 0;
	deadline_ms = max(deadline_ms >> target->rounds, 1u);
	spin_unlock(&target->lock);
	return deadline_ms;
}

/* The last layout is gone: nothing but pauses is left. */
void rdmareg_target_exit(void)
{
	struct rdmareg_target *target;
	struct hlist_node *next;
	int bucket;

	cancel_delayed_work_sync(&sweeper);
	spin_lock(&targets_lock);
	hash_for_each_safe(targets, bucket, next, target, entry)
		target_free(target);
	spin_unlock(&targets_lock);
}
