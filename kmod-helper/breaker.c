// SPDX-License-Identifier: GPL-2.0-only
/*
 * breaker.c - the task that breaks a layout: what it is doing, and when it is done.
 *
 * What it is doing is told by its system call where that says it for certain, else by its stack.
 * What always holds: a breaker passes unasked only if what it does takes no block away; whatever
 * cannot be told for sure is a break.
 *
 * When it is done is told by a file: the lease callback drops the last reference of one nobody else
 * can reach, and the kernel releases such a file on the way back to user space. That matters
 * because XFS, once given the blocks, looks for leases again: a breaker that is met twice within
 * one system call must not wait twice, else a process that always takes a new lease could hold it
 * for ever. Everybody who waits is followed, not only who came first, as long as there are tokens.
 * Kernel threads release files from a work item instead; for them "done" comes early and they may
 * wait again.
 */
#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/compat.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ioctl.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/stacktrace.h>
#include <asm/syscall.h>
#include <asm/unistd.h>

#include "breaker.h"
#include "compat.h"
#include "rdmareg-uapi.h"

/*
 * The number of the system call `current` is in, or -1 where the numbers below do not apply to it.
 */
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

#define STACK_DEPTH 48

/*
 * Code of the filesystem that only writes, as far as it was met: addresses of functions, the end
 * not included. Forgotten when no file is watched, since the filesystem may be unloaded then.
 */
static struct writer {
	unsigned long start;
	unsigned long end;
} writers[8];
static unsigned int writers_count;
static char symbol[KSYM_SYMBOL_LEN];
static DEFINE_SPINLOCK(writers_lock); /* guards the three */

/*
 * Called with writers_lock held. All names that XFS has given to the way from write_iter to the
 * break.
 */
static bool is_writer(unsigned long address)
{
	unsigned long offset, size;
	char *plus;

	sprint_symbol(symbol, address);
	plus = strchr(symbol, '+');
	if (strncmp(symbol, "xfs_file_", 9) || !plus ||
	    sscanf(plus, "+%lx/%lx", &offset, &size) != 2)
		return false;
	*plus = 0;
	if (!strstr(symbol, "write"))
		return false;
	if (writers_count < ARRAY_SIZE(writers))
		writers[writers_count++] = (struct writer){ .start = address - offset,
							    .end = address - offset + size };
	return true;
}

/* Called with writers_lock held. */
static bool is_known_writer(unsigned long address)
{
	unsigned int i;

	for (i = 0; i < writers_count; i++)
		if (address >= writers[i].start && address < writers[i].end)
			return true;
	return false;
}

/*
 * Is `current` inside the filesystem's own way to write? A kernel thread (loop, nfsd, ksmbd, LIO,
 * nvmet), an io_uring worker and a 32-bit program have no system call number that would tell. That
 * way frees no block under a mapping but as rdmareg_breaker_only_writes() says, and nothing else in
 * the filesystem is called below it that breaks layouts.
 */
static bool writes_by_stack(void)
{
	unsigned long entries[STACK_DEPTH];
	unsigned int count = rdmareg_stack(entries, ARRAY_SIZE(entries)), i;
	bool found = false;

	spin_lock(&writers_lock);
	for (i = 0; i < count && !found; i++)
		found = is_known_writer(entries[i]);
	for (i = 0; i < count && !found; i++)
		found = is_writer(entries[i]);
	spin_unlock(&writers_lock);
	return found;
}

void rdmareg_breaker_forget(void)
{
	spin_lock(&writers_lock);
	writers_count = 0;
	spin_unlock(&writers_lock);
}

/**
 * rdmareg_breaker_only_writes() - can `current` do nothing but write data?
 *
 * XFS breaks layouts before every write for the sake of pNFS clients that know block addresses. A
 * watcher here knows none, and a write overwrites what its shared mapping shows. Not so with DAX
 * where it replaces blocks (shared ones): a fault meanwhile can leave the mapping on the old one.
 * Then the watch has RDMAREG_ASK_WRITES, and nobody calls this.
 *
 * Return: false if it cannot be told for certain.
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
	case -1:
	case __NR_io_uring_enter:
		return writes_by_stack();
	default:
		return false;
	}
}

/**
 * rdmareg_breaker_only_reads() - does `current` only copy out of a file?
 * @inode: of the file.
 *
 * A reflink breaks the layouts of both files, but takes blocks away from the one that is written.
 * (Not so with DAX: blocks that are shared are replaced when somebody writes to them, with the
 * mapping left behind.) It can be told where the caller's descriptors are its own, so that the one
 * it names still is the file it named.
 *
 * Return: false if it cannot be told for certain.
 */
bool rdmareg_breaker_only_reads(const struct inode *inode)
{
	unsigned long arguments[6];
	unsigned int written;
	struct file *file;
	bool other;

	if (IS_DAX(inode) || !current->files || atomic_read(&current->files->count) != 1)
		return false;
	switch (native_syscall()) {
	case __NR_copy_file_range:
		syscall_get_arguments(current, task_pt_regs(current), arguments);
		written = arguments[2];
		break;
	case __NR_ioctl:
		syscall_get_arguments(current, task_pt_regs(current), arguments);
		if (arguments[1] != FICLONE && arguments[1] != FICLONERANGE)
			return false;
		written = arguments[0];
		break;
	default:
		return false;
	}
	file = fget(written);
	if (!file)
		return false;
	/* on the same filesystem, or it may be a layer above this very inode */
	other = file_inode(file) != inode && file_inode(file)->i_sb == inode->i_sb;
	fput(file);
	return other;
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
	default:
		return rdmareg_breaker_only_writes() ? RDMAREG_OP_WRITE : RDMAREG_OP_UNKNOWN;
	}
}

/**
 * rdmareg_breaker_only_opens() - does `current` open a file without truncating it?
 *
 * Every open(2) looks for leases, and never waits for a layout.
 *
 * Return: false if it does something else, or it cannot be told.
 */
bool rdmareg_breaker_only_opens(void)
{
	unsigned long arguments[6];

	switch (native_syscall()) {
#ifdef __NR_open
	case __NR_open:
		syscall_get_arguments(current, task_pt_regs(current), arguments);
		return !(arguments[1] & O_TRUNC);
#endif
	case __NR_openat:
		syscall_get_arguments(current, task_pt_regs(current), arguments);
		return !(arguments[2] & O_TRUNC);
	default:
		return false;
	}
}

static int token_release(struct inode *inode, struct file *file)
{
	struct rdmareg_breaker *breaker = file->private_data;

	if (breaker->target)
		rdmareg_target_left(breaker->target, breaker);
	kfree(breaker);
	return 0;
}

/* The owner keeps the module loaded until the last token is released. */
static const struct file_operations token_operations = {
	.owner = THIS_MODULE,
	.release = token_release,
};

static struct rdmareg_breaker *make_breaker(void)
{
	struct rdmareg_breaker *breaker = kzalloc(sizeof(*breaker), GFP_KERNEL_ACCOUNT);
	struct file *token;

	if (!breaker)
		return ERR_PTR(-ENOMEM);
	token = anon_inode_getfile("[rdmareg-breaker]", &token_operations, breaker, O_RDONLY);
	if (IS_ERR(token)) {
		kfree(breaker);
		return ERR_CAST(token);
	}
	breaker->token = token;
	return breaker;
}

/**
 * rdmareg_breaker_stock() - have tokens ready for those who break the next lease of a file
 * @target: of the file.
 *
 * What is there already still serves.
 *
 * Return: 0, -ENOMEM or -ENFILE.
 */
int rdmareg_breaker_stock(struct rdmareg_target *target)
{
	struct rdmareg_breaker *breaker;

	while (!rdmareg_target_stocked(target)) {
		breaker = make_breaker();
		if (IS_ERR(breaker))
			return PTR_ERR(breaker);
		rdmareg_target_add_spare(target, breaker);
	}
	return 0;
}

/**
 * rdmareg_breaker_follow() - `current` wants the blocks of a file: be told when its system call is
 * over
 * @target: of the file.
 *
 * Return: false if this system call has waited for that file before. It must not wait again.
 */
bool rdmareg_breaker_follow(struct rdmareg_target *target)
{
	struct file *token = NULL;
	bool first = rdmareg_target_enter(target, &token);

	if (token)
		fput(token);
	return first;
}
