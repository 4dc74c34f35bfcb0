// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rdmareg-fail-calls.c - makes the Nth of the calls fail that rdmareg.ko makes of the kernel and
 * that need memory.
 *
 * A process that writes N to the parameter `nth` is the one whose system calls are counted, or, with
 * `everybody`, any. What is read back is how many calls are still to come before the one that fails;
 * 0 when it has failed. So whoever begins with 1 and goes on until it does not read 0 has had each
 * call fail once. The parameter `never` names the functions of which no call has failed yet.
 *
 * Calls are diverted, as a live patch does it, into a function that returns what the real one does
 * when it fails. What always holds: only calls from rdmareg.ko are, and giving a lease back, which
 * cannot fail, is not. It cannot be unloaded, since somebody may be in one of the functions: it is
 * for machines that are thrown away.
 */
#include <linux/anon_inodes.h>
#include <linux/atomic.h>
#include <linux/cred.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/miscdevice.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#define CALLER "[rdmareg]"

/* What the module calls has other names on older kernels; those between 6.1 and 6.12 are not tried. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
#define KMALLOC kmalloc_trace
#define KVMALLOC kvmalloc_node
#define ALLOC_LEASE locks_alloc_lock
#define SETLEASE vfs_setlease
#define NEEDS_CRED /* to take one */
#else
#include <linux/filelock.h>
#define KMALLOC __kmalloc_cache_noprof
#define KVMALLOC __kvmalloc_node_noprof
#define ALLOC_LEASE locks_alloc_lease
#define SETLEASE kernel_setlease
#endif
#ifdef alloc_workqueue /* the function itself until then */
#define ALLOC_WORKQUEUE alloc_workqueue_noprof
#else
#define ALLOC_WORKQUEUE alloc_workqueue
#endif

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
	FAILS(KMALLOC, no_pointer),
	FAILS(KVMALLOC, no_pointer),
	FAILS(ALLOC_LEASE, no_pointer),
	FAILS(ALLOC_WORKQUEUE, no_pointer),
#ifdef NEEDS_CRED
	FAILS(prepare_kernel_cred, no_pointer),
#endif
	FAILS(anon_inode_getfile, no_file),
	FAILS(dentry_open, no_file),
	FAILS(SETLEASE, no_success),
	FAILS(misc_register, no_success),
	FAILS(mmu_notifier_register, no_success),
	FAILS(mmu_interval_notifier_insert, no_success),
};

static bool has_failed[ARRAY_SIZE(calls)];

static int never_get(char *text, const struct kernel_param *parameter)
{
	unsigned int i;
	int n = 0;

	for (i = 0; i < ARRAY_SIZE(calls); i++)
		if (!READ_ONCE(has_failed[i]))
			n += sysfs_emit_at(text, n, "%ps\n", (void *)calls[i].function);
	return n;
}

static const struct kernel_param_ops never_operations = { .get = never_get };
module_param_cb(never, &never_operations, NULL, 0444);
MODULE_PARM_DESC(never, "functions of which no call has failed");

static bool is_counted(unsigned long caller)
{
	char symbol[KSYM_SYMBOL_LEN];

	if (!in_task() || (!READ_ONCE(everybody) && current->tgid != READ_ONCE(victim)))
		return false;
	sprint_symbol(symbol, caller);
	return strstr(symbol, CALLER);
}

static unsigned long second_argument(struct ftrace_regs *regs)
{
	return regs_get_kernel_argument(ftrace_get_regs(regs), 1);
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
	if (i == ARRAY_SIZE(calls) ||
	    (calls[i].function == (unsigned long)SETLEASE && second_argument(regs) == F_UNLCK))
		return;
	if (!atomic_dec_and_test(&left))
		return;
	WRITE_ONCE(has_failed[i], true);
	instruction_pointer_set(ftrace_get_regs(regs), calls[i].instead);
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
