/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * breaker.h - the task that breaks a layout, seen from inside the lease callbacks, where it is
 * `current`. What always holds: nothing here sleeps except rdmareg_breaker_stock().
 */
#ifndef RDMAREG_BREAKER_H
#define RDMAREG_BREAKER_H

#include <linux/list.h>
#include <linux/types.h>

#include "target.h"

/**
 * struct rdmareg_breaker - one breaking system call
 * @token: an open file that nobody can reach; its last reference is the breaker's to drop, so its
 *         release
 *	runs when the breaker's system call is over. NULL once it is on its way.
 * @target: the file that is broken; NULL before that.
 * @entry: among the spares or the breakers of a target, under its lock.
 * @task: compared, never followed.
 * @generation: of the leases that it met first.
 */
struct rdmareg_breaker {
	struct file *token;
	struct rdmareg_target *target;
	struct list_head entry;
	const struct task_struct *task;
	unsigned int generation;
};

int rdmareg_breaker_stock(struct rdmareg_target *target);
bool rdmareg_breaker_follow(struct rdmareg_target *target);

bool rdmareg_breaker_only_writes(void);
bool rdmareg_breaker_only_reads(const struct inode *inode);
bool rdmareg_breaker_only_opens(void);
u32 rdmareg_breaker_operation(void);
void rdmareg_breaker_forget(void);

#endif
