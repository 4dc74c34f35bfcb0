/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * target.h - a file with layout watches, as all of them share it: how many leases it has, who breaks them, and
 * when the next one may be taken.
 *
 * What always holds: one target for each inode that has a layout, and a moment longer, so that a pause is kept
 * by whoever watches next. The inode is only compared: a new inode at the address of one that is gone finds at
 * most a pause. Everything below @lock may be called under flc_lock and opener->lock, and sleeps nowhere but in
 * rdmareg_target_get().
 */
#ifndef RDMAREG_TARGET_H
#define RDMAREG_TARGET_H

#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/spinlock.h>

/**
 * struct rdmareg_target - a file that is watched
 * @entry, @refs: of the table of targets, under its lock.
 * @leases: layouts that hold a lease of it.
 * @lock: guards what follows.
 * @breakers: struct rdmareg_breaker, the newest first.
 * @pause_end: no lease is taken before.
 * @rounds, @crowd_end: how often in succession several waited at once for it, and until when that counts.
 */
struct rdmareg_target {
	struct hlist_node entry;
	const struct inode *inode;
	unsigned int refs;
	atomic_t leases;
	spinlock_t lock;
	struct list_head breakers;
	ktime_t pause_end;
	unsigned int rounds;
	ktime_t crowd_end;
};

struct rdmareg_target *rdmareg_target_get(const struct inode *inode);
void rdmareg_target_put(struct rdmareg_target *target);

void rdmareg_target_given_back(struct rdmareg_target *target, bool crowd, unsigned int deadline_ms);
ktime_t rdmareg_target_pause_end(struct rdmareg_target *target);
bool rdmareg_target_pauses(struct rdmareg_target *target);
unsigned int rdmareg_target_patience(struct rdmareg_target *target, unsigned int deadline_ms);

void rdmareg_target_exit(void);

#endif
