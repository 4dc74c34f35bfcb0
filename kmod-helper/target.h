/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * target.h - a file with layout watches, as all of them share it: how many leases it has, who
 * breaks them, and when the next one may be taken.
 *
 * What always holds: one target for each inode that has a layout, and longer, until who broke it
 * has returned and the pause after that is over, so that both are kept by whoever watches next. The
 * inode is only compared: a new inode at the address of one that is gone finds at most a pause.
 * Everything below @lock may be called under flc_lock and opener->lock, and sleeps nowhere but in
 * rdmareg_target_get().
 */
#ifndef RDMAREG_TARGET_H
#define RDMAREG_TARGET_H

#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/spinlock.h>

struct rdmareg_breaker;

/**
 * struct rdmareg_member - a layout of a target
 * @entry: of the members of a target, under its lock.
 * @look: all whose system calls were waited for have left. Called with the target's lock held.
 */
struct rdmareg_member {
	struct list_head entry;
	void (*look)(struct rdmareg_member *member);
};

/**
 * struct rdmareg_target - a file that is watched
 * @entry: of the table of targets, under its lock.
 * @inode: compared, never followed.
 * @refs: layouts and breakers, under the lock of the table.
 * @leases: layouts that hold a lease of it.
 * @lock: guards what follows.
 * @members: struct rdmareg_member, of all its layouts.
 * @spares: struct rdmareg_breaker that nobody uses yet.
 * @spares_count: how many these are.
 * @breakers: those in use. No lease is taken while there are any.
 * @pause_end: no lease is taken before.
 * @generation: rises with each lease that is taken.
 * @crowded: more wait for the blocks, or have waited since the last lease was taken, than there
 *           were tokens.
 * @rounds: how often in succession that happened.
 * @crowd_end: until when that counts.
 */
struct rdmareg_target {
	struct hlist_node entry;
	const struct inode *inode;
	unsigned int refs;
	atomic_t leases;
	spinlock_t lock;
	struct list_head members;
	struct list_head spares;
	unsigned int spares_count;
	struct list_head breakers;
	ktime_t pause_end;
	unsigned int generation;
	bool crowded;
	unsigned int rounds;
	ktime_t crowd_end;
};

struct rdmareg_target *rdmareg_target_get(const struct inode *inode);
void rdmareg_target_put(struct rdmareg_target *target);
void rdmareg_target_join(struct rdmareg_target *target, struct rdmareg_member *member);
void rdmareg_target_leave(struct rdmareg_target *target, struct rdmareg_member *member);

bool rdmareg_target_stocked(struct rdmareg_target *target);
void rdmareg_target_add_spare(struct rdmareg_target *target, struct rdmareg_breaker *breaker);
bool rdmareg_target_enter(struct rdmareg_target *target, struct file **ret_token);
void rdmareg_target_left(struct rdmareg_target *target, struct rdmareg_breaker *breaker);

void rdmareg_target_leased(struct rdmareg_target *target);
void rdmareg_target_given_back(struct rdmareg_target *target, unsigned int deadline_ms);
bool rdmareg_target_pauses(struct rdmareg_target *target, ktime_t *ret_end);
unsigned int rdmareg_target_patience(struct rdmareg_target *target, unsigned int deadline_ms);

void rdmareg_target_exit(void);

#endif
