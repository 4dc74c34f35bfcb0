/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * breaker.h - the task that breaks a layout, seen from inside the lease callbacks, where it is `current`.
 * What always holds: nothing here sleeps except rdmareg_breaker_prepare() and rdmareg_breaker_discard().
 */
#ifndef RDMAREG_BREAKER_H
#define RDMAREG_BREAKER_H

#include <linux/list.h>
#include <linux/types.h>

#include "target.h"

/**
 * struct rdmareg_breaker - one breaking system call of one layout watch, embedded in the watch
 * @token: an open file that nobody can reach; its last reference is the breaker's to drop, so its release
 *	runs when the breaker's system call is over. Present from rdmareg_breaker_prepare() until a break uses
 *	it.
 * @over: called then, once, in process context of the breaker or of a kernel thread.
 * @target: of the watch. @entry: among its breakers, under its lock.
 * @task: compared, never followed.
 * @given_back: the blocks it waits for were given back. Under the target's lock.
 */
struct rdmareg_breaker {
	struct file *token;
	void (*over)(struct rdmareg_breaker *breaker);
	struct rdmareg_target *target;
	struct list_head entry;
	const struct task_struct *task;
	bool given_back;
};

int rdmareg_breaker_prepare(struct rdmareg_breaker *breaker);
bool rdmareg_breaker_discard(struct rdmareg_breaker *breaker);
bool rdmareg_breaker_follow(struct rdmareg_breaker *breaker);
void rdmareg_breaker_given_back(struct rdmareg_breaker *breaker, bool crowd, unsigned int deadline_ms);

bool rdmareg_breaker_only_writes(void);
bool rdmareg_breaker_only_reads(const struct inode *inode);
u32 rdmareg_breaker_operation(void);
void rdmareg_breaker_forget(void);

#endif
