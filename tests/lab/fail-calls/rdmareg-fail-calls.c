// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rdmareg-fail-calls.c - makes the Nth of the calls fail that rdmareg.ko makes of the kernel and
 * that need memory.
 *
 * A process that writes N to the parameter `nth` is the one whose system calls are counted, or, with
 * `everybody`, any. What is read back is how many calls are still to come before the one that fails;
 * 0 when it has failed. So whoever begins with 1 and goes on until it does not read 0 has had each
 * call fail once.
 *
 * Calls are diverted, as a live patch does it, into a function that returns what the real one does
 * when it fails. What always holds: only calls from rdmareg.ko are, and giving a lease back, which
 * cannot fail, is not. It cannot be unloaded, since somebody may be in one of the functions: it is
 * for machines that are thrown away.
 */
#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/fcntl.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/miscdevice.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#define CALLER "[rdmareg]"

static atomic_t left;
static pid_t victim;
static bool everybody;
module_param(everybody, bool, 0644);
MODULE_PARM_DESC(everybody, "count the calls of every process");

static int nth_set(const char *text, const struct kernel_param *parameter)
{
	unsigned int n;
	int r = kstrtouint(text, 10, &n);

	if (r < 0)
		return r;
	WRITE_ONCE(victim, current->tgid);
	atomic_set(&left, n);
	return 0;
}

static int nth_get(char *text, const struct kernel_param *parameter)
{
	return sysfs_emit(text, "%d\n", atomic_read(&left));
}

static const struct kernel_param_ops nth_operations = { .set = nth_set, .get = nth_get };
module_param_cb(nth, &nth_operations, NULL, 0644);
MODULE_PARM_DESC(nth, "which call from now on fails; 0: none");

static void *no_pointer(void)
{
	return NULL;
}

static void *no_file(void)
{
	return ERR_PTR(-ENOMEM);
}

static int no_success(void)
{
	return -ENOMEM;
}

#define FAILS(call, instead) { (unsigned long)(call), (unsigned long)(instead) }

static const struct {
	unsigned long function, instead;
} calls[] = {
	FAILS(__kmalloc_cache_noprof, no_pointer), FAILS(__kvmalloc_node_noprof, no_pointer),
	FAILS(locks_alloc_lease, no_pointer),	   FAILS(alloc_workqueue_noprof, no_pointer),
	FAILS(anon_inode_getfile, no_file),	   FAILS(dentry_open, no_file),
	FAILS(kernel_setlease, no_success),	   FAILS(misc_register, no_success),
	FAILS(mmu_notifier_register, no_success),  FAILS(mmu_interval_notifier_insert, no_success),
};

static bool is_counted(unsigned long caller)
{
	char symbol[KSYM_SYMBOL_LEN];

	if (!in_task() || (!READ_ONCE(everybody) && current->tgid != READ_ONCE(victim)))
		return false;
	sprint_symbol(symbol, caller);
	return strstr(symbol, CALLER);
}

static void notrace divert(unsigned long ip, unsigned long caller, struct ftrace_ops *ops,
			   struct ftrace_regs *regs)
{
	unsigned int i = 0;

	if (atomic_read(&left) <= 0 || !is_counted(caller))
		return;
	/* the place of the diversion is not always the first instruction */
	while (i < ARRAY_SIZE(calls) && ip - calls[i].function > 8)
		i++;
	if (i == ARRAY_SIZE(calls) || (calls[i].function == (unsigned long)kernel_setlease &&
				       ftrace_regs_get_argument(regs, 1) == F_UNLCK))
		return;
	if (atomic_dec_and_test(&left))
		ftrace_regs_set_instruction_pointer(regs, calls[i].instead);
}

static struct ftrace_ops diversion = {
	.func = divert,
	.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY,
};

static int __init fail_calls_init(void)
{
	unsigned int i;
	int e = 0;

	for (i = 0; i < ARRAY_SIZE(calls) && !e; i++) {
		e = ftrace_set_filter_ip(&diversion, calls[i].function, 0, 0);
		if (e)
			pr_err("%ps cannot be diverted: %d\n", (void *)calls[i].function, e);
	}
	return e ? e : register_ftrace_function(&diversion);
}
module_init(fail_calls_init);

MODULE_DESCRIPTION("Calls of rdmareg.ko that fail, for tests");
MODULE_LICENSE("GPL");
