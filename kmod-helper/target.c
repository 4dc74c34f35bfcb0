// SPDX-License-Identifier: GPL-2.0-only
/* target.c - see target.h. */
#include <linux/file.h>
#include <linux/hashtable.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "breaker.h"
#include "target.h"

/*
 * Waiters that the lease code has woken look for leases once more before they go on. They are no
 * longer on any list then, so nobody may take a new lease until they have had the time.
 */
#define PAUSE_MS 50
/* So many who wait for one file at a time are followed. */
#define SPARES 8
/*
 * The deadlines of a crowd that is larger are halved so often at most: holders need time to answer
 * at all.
 */
#define ROUNDS_MAX 2

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
	INIT_LIST_HEAD(&fresh->members);
	INIT_LIST_HEAD(&fresh->spares);
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

/*
 * Called with targets_lock held, when nobody uses the target: each of them keeps the module loaded.
 */
static void drop_spares(struct rdmareg_target *target)
{
	struct rdmareg_breaker *breaker, *next;

	/* the release of the file frees it */
	list_for_each_entry_safe(breaker, next, &target->spares, entry) {
		list_del(&breaker->entry);
		fput(breaker->token);
	}
	target->spares_count = 0;
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
		drop_spares(target);
		if (rdmareg_target_pauses(target, NULL))
			sweep_later();
		else
			target_free(target);
	}
	spin_unlock(&targets_lock);
}

void rdmareg_target_join(struct rdmareg_target *target, struct rdmareg_member *member)
{
	spin_lock(&target->lock);
	list_add(&member->entry, &target->members);
	spin_unlock(&target->lock);
}

void rdmareg_target_leave(struct rdmareg_target *target, struct rdmareg_member *member)
{
	spin_lock(&target->lock);
	list_del_init(&member->entry);
	spin_unlock(&target->lock);
}

bool rdmareg_target_stocked(struct rdmareg_target *target)
{
	bool stocked;

	spin_lock(&target->lock);
	stocked = target->spares_count >= SPARES;
	spin_unlock(&target->lock);
	return stocked;
}

void rdmareg_target_add_spare(struct rdmareg_target *target, struct rdmareg_breaker *breaker)
{
	spin_lock(&target->lock);
	list_add(&breaker->entry, &target->spares);
	target->spares_count++;
	spin_unlock(&target->lock);
}

/* Called with target->lock held. NULL: `current` is not followed. */
static const struct rdmareg_breaker *known(const struct rdmareg_target *target)
{
	const struct rdmareg_breaker *breaker;

	list_for_each_entry(breaker, &target->breakers, entry)
		if (breaker->task == current)
			return breaker;
	return NULL;
}

/**
 * rdmareg_target_enter() - `current` wants the blocks
 * @target: of the file.
 * @ret_token: for the caller to drop, outside of this lock; NULL if it is followed already, or
 *             cannot be.
 *
 * Return: false if it was given blocks before, by whoever had a lease then.
 */
bool rdmareg_target_enter(struct rdmareg_target *target, struct file **ret_token)
{
	struct rdmareg_breaker *breaker;
	const struct rdmareg_breaker *old;
	bool first = true;

	spin_lock(&targets_lock);
	spin_lock(&target->lock);
	old = known(target);
	if (old) {
		/* leases of the same generation are broken in one go */
		first = old->generation == target->generation;
	} else if (list_empty(&target->spares)) {
		target->crowded = true;
	} else {
		breaker = list_first_entry(&target->spares, struct rdmareg_breaker, entry);
		list_move(&breaker->entry, &target->breakers);
		target->spares_count--;
		target->refs++;
		breaker->target = target;
		breaker->task = current;
		breaker->generation = target->generation;
		*ret_token = breaker->token;
		breaker->token = NULL;
	}
	spin_unlock(&target->lock);
	spin_unlock(&targets_lock);
	return first;
}

/* The system call of a breaker is over. */
void rdmareg_target_left(struct rdmareg_target *target, struct rdmareg_breaker *breaker)
{
	struct rdmareg_member *member;

	spin_lock(&target->lock);
	list_del(&breaker->entry);
	if (list_empty(&target->breakers))
		list_for_each_entry(member, &target->members, entry)
			member->look(member);
	spin_unlock(&target->lock);
	rdmareg_target_put(target);
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
		if (rdmareg_target_pauses(target, NULL)) {
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
 * rdmareg_target_leased() - a lease of the file was taken
 * @target: of the file.
 *
 * To be called under flc_lock. The lease code adds none while another is being broken, so whatever
 * is broken and given back from now on belongs to the next break.
 */
void rdmareg_target_leased(struct rdmareg_target *target)
{
	spin_lock(&target->lock);
	target->generation++;
	if (target->crowded)
		target->rounds = min(target->rounds + 1, (unsigned int)ROUNDS_MAX);
	target->crowded = false;
	spin_unlock(&target->lock);
}

/**
 * rdmareg_target_given_back() - the blocks are about to be given back to those who wait
 * @target: of the file.
 * @deadline_ms: how long each of them might have to wait again.
 *
 * To be called before the lease is dropped.
 */
void rdmareg_target_given_back(struct rdmareg_target *target, unsigned int deadline_ms)
{
	spin_lock(&target->lock);
	target->pause_end = ktime_add_ms(ktime_get(), PAUSE_MS);
	if (target->crowded)
		target->crowd_end = ktime_add_ms(target->pause_end, deadline_ms);
	spin_unlock(&target->lock);
}

/**
 * rdmareg_target_pauses() - is it too early to take a lease?
 * @target: of the file.
 * @ret_end: when to ask again; 0: once the members are told. May be NULL.
 *
 * Return: whether it is.
 */
bool rdmareg_target_pauses(struct rdmareg_target *target, ktime_t *ret_end)
{
	bool at_work, pauses;

	spin_lock(&target->lock);
	at_work = !list_empty(&target->breakers);
	pauses = at_work || ktime_before(ktime_get(), target->pause_end);
	if (ret_end)
		*ret_end = at_work ? 0 : target->pause_end;
	spin_unlock(&target->lock);
	return pauses;
}

/**
 * rdmareg_target_patience() - how long the filesystem may have to wait in a break that begins now
 * @target: of the file.
 * @deadline_ms: as the watch has it.
 *
 * No lease is taken while anybody who is followed is at work, so each of them waits once. Who is
 * not, because too many wait together, may meet the next lease, and the one after that. So each
 * break that follows one of too many gets half the time of that one.
 *
 * Return: milliseconds.
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
