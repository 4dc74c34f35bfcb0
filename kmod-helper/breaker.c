// SPDX-License-Identifier: GPL-2.0-only
/*
 * breaker.c - the task that breaks a layout: what it is doing, and when it is done.
 *
 * What it is doing is told by its system call number. What always holds: a breaker passes unasked only if its
 * system call can do nothing but write; whatever cannot be told for sure (kernel threads, io_uring workers,
 * system calls of another ABI, numbers not listed) is a break.
 *
 * When it is done is told by a file: the lease callback drops the last reference of one nobody else can
 * reach, and the kernel releases such a file on the way back to user space. That matters because XFS, once
 * given the blocks, looks for leases again: a breaker that is met twice within one system call must not wait
 * twice, else a process that always takes a new lease could hold it for ever. Kernel threads release files
 * from a work item instead; for them "done" comes early and they may wait again.
 */
#include <linux/anon_inodes.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/hashtable.h>
#include <linux/ioctl.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/spinlock.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

#include "breaker.h"
#include "rdmareg-uapi.h"

/*
 * Waiters that the lease code has woken look for leases once more before they go on. They are no longer on
 * any list then, so nobody may take a new lease until they have had the time.
 */
#define PAUSE_MS 50
#define PAUSE_BITS 8

static DEFINE_SPINLOCK(breakers);
static DEFINE_HASHTABLE(breakers_under_way, 8); /* by inode, the newest first */
/*
 * jiffies by hash of the inode, 0 for never; an inode that shares the place of another only pauses needlessly
 */
static unsigned long pause_ends[1 << PAUSE_BITS];

/* The number of the system call `current` is in, or -1 where the numbers below do not apply to it. */
static int native_syscall(void)
{
	unsigned int not_a_caller = PF_KTHREAD | PF_IO_WORKER;

#ifdef PF_USER_WORKER
	not_a_caller |= PF_USER_WORKER;
#endif
	if ((current->flags & not_a_caller) || in_compat_syscall())
		return -1;
	return syscall_get_nr(current, task_pt_regs(current));
}

/**
 * rdmareg_breaker_only_writes() - can `current` do nothing but write data?
 *
 * XFS breaks layouts before every write for the sake of pNFS clients that know block addresses. A watcher
 * here knows none: a write under its shared mapping takes nothing away.
 */
bool rdmareg_breaker_only_writes(void)
{
	switch (native_syscall()) {
	case __NR_write:
	case __NR_pwrite64:
	case __NR_writev:
	case __NR_pwritev:
	case __NR_pwritev2:
	case __NR_io_submit:
#ifdef __NR_sendfile
	case __NR_sendfile:
#endif
	case __NR_splice:
		return true;
	default:
		return false;
	}
}

/* XFS has its own numbers for what later became generic requests; programs use both. */
static u32 ioctl_operation(unsigned int request)
{
	switch (request) {
	case FICLONE:
	case FICLONERANGE:
	case FIDEDUPERANGE:
		return RDMAREG_OP_CLONE;
	}
	if (_IOC_TYPE(request) != 'X')
		return RDMAREG_OP_UNKNOWN;
	switch (_IOC_NR(request)) {
	case 40: /* RESVSP */
	case 41: /* UNRESVSP */
	case 42: /* RESVSP64 */
	case 43: /* UNRESVSP64 */
	case 57: /* ZERO_RANGE */
		return RDMAREG_OP_FALLOCATE;
	case 109: /* SWAPEXT */
	case 129: /* EXCHANGE_RANGE */
	case 131: /* COMMIT_RANGE */
		return RDMAREG_OP_CLONE;
	default:
		return RDMAREG_OP_UNKNOWN;
	}
}

/**
 * rdmareg_breaker_operation() - what is `current` doing to the file?
 *
 * Return: enum rdmareg_operation. A hint: the caller decides nothing by it that has to be right.
 */
u32 rdmareg_breaker_operation(void)
{
	unsigned long arguments[6];

	switch (native_syscall()) {
	case __NR_truncate:
	case __NR_ftruncate:
		return RDMAREG_OP_TRUNCATE;
	case __NR_fallocate:
		return RDMAREG_OP_FALLOCATE;
#ifdef __NR_open
	case __NR_open:
	case __NR_creat:
#endif
	case __NR_openat:
	case __NR_openat2:
		return RDMAREG_OP_OPEN;
	case __NR_copy_file_range:
		return RDMAREG_OP_CLONE;
	case __NR_ioctl:
		syscall_get_arguments(current, task_pt_regs(current), arguments);
		return ioctl_operation(arguments[1]);
	case __NR_io_uring_enter:
		/*
		 * io_uring leaves truncate and fallocate to its workers: what it runs in the caller itself is
		 * a write
		 */
		return RDMAREG_OP_WRITE;
	default:
		return RDMAREG_OP_UNKNOWN;
	}
}

static int token_release(struct inode *inode, struct file *file)
{
	struct rdmareg_breaker *breaker = file->private_data;

	spin_lock(&breakers);
	hash_del(&breaker->entry);
	spin_unlock(&breakers);
	breaker->over(breaker);
	return 0;
}

/* The owner keeps the module loaded until the last token is released. */
static const struct file_operations token_operations = {
	.owner = THIS_MODULE,
	.release = token_release,
};

/**
 * rdmareg_breaker_prepare() - have a token ready for the next break
 * @breaker: with @over set.
 *
 * From here on @over will be called exactly once, even if no break comes: then by rdmareg_breaker_discard().
 */
int rdmareg_breaker_prepare(struct rdmareg_breaker *breaker)
{
	struct file *token;

	token = anon_inode_getfile("[rdmareg-breaker]", &token_operations, breaker, O_RDONLY);
	if (IS_ERR(token))
		return PTR_ERR(token);
	INIT_HLIST_NODE(&breaker->entry);
	breaker->given_back = false;
	breaker->token = token;
	return 0;
}

/**
 * rdmareg_breaker_discard() - let go of a token no break has used
 * @breaker: of a watch whose lease is gone.
 *
 * Return: whether there was one.
 */
bool rdmareg_breaker_discard(struct rdmareg_breaker *breaker)
{
	struct file *token = breaker->token;

	if (!token)
		return false;
	breaker->token = NULL;
	fput(token);
	return true;
}

/**
 * rdmareg_breaker_follow() - `current` breaks a layout: be told when its system call is over
 * @breaker: with a token.
 * @inode: whose layout.
 *
 * Return: false if this system call has waited for that inode before. It must not wait again; the token
 * stays.
 */
bool rdmareg_breaker_follow(struct rdmareg_breaker *breaker, const struct inode *inode)
{
	struct rdmareg_breaker *other;
	struct file *token = breaker->token;

	spin_lock(&breakers);
	hash_for_each_possible(breakers_under_way, other, entry, (unsigned long)inode) {
		if (other->task != current || other->inode != inode)
			continue;
		if (READ_ONCE(other->given_back)) {
			spin_unlock(&breakers);
			return false;
		}
		/*
		 * Another watch of the file, broken in the same go. Older ones need no look: nobody can take
		 * a new lease while one is being broken, so either all have been given back or none matters.
		 */
		break;
	}
	breaker->task = current;
	breaker->inode = inode;
	hash_add(breakers_under_way, &breaker->entry, (unsigned long)inode);
	spin_unlock(&breakers);

	breaker->token = NULL;
	fput(token);
	return true;
}

/**
 * rdmareg_breaker_given_back() - the blocks somebody waits for are about to be given back
 * @breaker: may have been used for following or not.
 * @inode: whose blocks.
 *
 * To be called before the lease is dropped.
 */
void rdmareg_breaker_given_back(struct rdmareg_breaker *breaker, const struct inode *inode)
{
	unsigned long end = jiffies + msecs_to_jiffies(PAUSE_MS);

	WRITE_ONCE(breaker->given_back, true);
	WRITE_ONCE(pause_ends[hash_ptr(inode, PAUSE_BITS)], end ? end : 1);
}

/* How many jiffies nobody may take a lease of the inode yet. */
unsigned long rdmareg_breaker_pause(const struct inode *inode)
{
	unsigned long end = READ_ONCE(pause_ends[hash_ptr(inode, PAUSE_BITS)]);
	unsigned long left = end - jiffies;

	/* an end that has not been looked at for very long may seem to lie ahead again */
	return end && left <= msecs_to_jiffies(PAUSE_MS) ? left : 0;
}
