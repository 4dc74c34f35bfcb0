/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * breaker.h - the task that breaks a layout, seen from inside the lease callbacks, where it is `current`.
 * What always holds: nothing here sleeps except rdmareg_breaker_prepare() and rdmareg_breaker_discard().
 */
#ifndef RDMAREG_BREAKER_H
#define RDMAREG_BREAKER_H

#include <linux/fs.h>
#include <linux/types.h>

/**
 * struct rdmareg_breaker - one breaking system call of one layout watch, embedded in the watch
 * @token: an open file that nobody can reach; its last reference is the breaker's to drop, so its release
 *	runs when
 *	the breaker's system call is over. Present from rdmareg_breaker_prepare() until a break uses it.
 * @over: called then, once, in process context of the breaker or of a kernel thread.
 * @task, @inode: compared, never followed.
 * @given_back: set by rdmareg_breaker_given_back().
 */
struct rdmareg_breaker {
	struct file *token;
	void (*over)(struct rdmareg_breaker *breaker);
	struct hlist_node entry;
	const struct task_struct *task;
	const struct inode *inode;
	bool given_back;
};

int rdmareg_breaker_prepare(struct rdmareg_breaker *breaker);
bool rdmareg_breaker_discard(struct rdmareg_breaker *breaker);
bool rdmareg_breaker_follow(struct rdmareg_breaker *breaker, const struct inode *inode);

void rdmareg_breaker_given_back(struct rdmareg_breaker *breaker, const struct inode *inode);
unsigned long rdmareg_breaker_pause(const struct inode *inode);

bool rdmareg_breaker_only_writes(void);
u32 rdmareg_breaker_operation(void);

#endif
