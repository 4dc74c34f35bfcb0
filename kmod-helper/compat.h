/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - the few places where kernels 6.1 to 7.x differ, and nothing else. What always holds:
 * the rest of the module is written against the names below and contains no conditional of its own,
 * but for one variable that lease.c keeps for this file; HAVE_* come from probe.c by way of Kbuild.
 */
#ifndef RDMAREG_COMPAT_H
#define RDMAREG_COMPAT_H

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/sched/task.h>
#include <linux/stacktrace.h>
#ifdef HAVE_FILELOCK_H
#include <linux/filelock.h>
#endif

#ifdef HAVE_FILE_LEASE
#define rdmareg_lease file_lease
#define rdmareg_lease_operations lease_manager_operations
#define rdmareg_lease_alloc() locks_alloc_lease()
#define rdmareg_lease_free(lease) locks_free_lease(lease)
#define rdmareg_lease_owner(lease) ((lease)->c.flc_owner)
#define rdmareg_lease_flags(lease) ((lease)->c.flc_flags)
#define rdmareg_lease_waiters(lease) (&(lease)->c.flc_blocked_requests)
#define rdmareg_lease_for_each(lease, list) list_for_each_entry(lease, list, c.flc_list)
#define rdmareg_lease_is_first(lease, list) list_is_first(&(lease)->c.flc_list, list)
#define rdmareg_lease_before(lease) list_prev_entry(lease, c.flc_list)

static inline void rdmareg_lease_fill(struct file_lease *lease, struct file *file, void *owner,
				      int type)
{
	locks_init_lease(lease);
	lease->c.flc_flags = FL_LAYOUT;
	lease->c.flc_type = type;
	lease->c.flc_owner = owner;
	lease->c.flc_pid = current->tgid;
	lease->c.flc_file = file;
}
#else
#define rdmareg_lease file_lock
#define rdmareg_lease_operations lock_manager_operations
#define rdmareg_lease_alloc() locks_alloc_lock()
#define rdmareg_lease_free(lease) locks_free_lock(lease)
#define rdmareg_lease_owner(lease) ((lease)->fl_owner)
#define rdmareg_lease_flags(lease) ((lease)->fl_flags)
#define rdmareg_lease_waiters(lease) (&(lease)->fl_blocked_requests)
#define rdmareg_lease_for_each(lease, list) list_for_each_entry(lease, list, fl_list)
#define rdmareg_lease_is_first(lease, list) list_is_first(&(lease)->fl_list, list)
#define rdmareg_lease_before(lease) list_prev_entry(lease, fl_list)

static inline void rdmareg_lease_fill(struct file_lock *lease, struct file *file, void *owner,
				      int type)
{
	locks_init_lock(lease);
	lease->fl_flags = FL_LAYOUT;
	lease->fl_type = type;
	lease->fl_owner = owner;
	lease->fl_pid = current->tgid;
	lease->fl_file = file;
}
#endif

#ifdef HAVE_KERNEL_SETLEASE
static inline int rdmareg_compat_init(void)
{
	return 0;
}

static inline void rdmareg_compat_exit(void)
{
}

static inline int rdmareg_setlease(struct file *file, int type, struct rdmareg_lease **lease,
				   void **owner)
{
	return kernel_setlease(file, type, lease, owner);
}
#else
/*
 * vfs_setlease() asks for CAP_LEASE or ownership of the file, for giving back as well as for
 * taking. The right to take one is the caller's descriptor here, and giving back must never fail,
 * so both run with the kernel's own credentials, allocated once when the module is loaded.
 */
extern const struct cred *rdmareg_kernel_cred;

static inline int rdmareg_compat_init(void)
{
	rdmareg_kernel_cred = prepare_kernel_cred(&init_task);
	return rdmareg_kernel_cred ? 0 : -ENOMEM;
}

static inline void rdmareg_compat_exit(void)
{
	put_cred(rdmareg_kernel_cred);
}

static inline int rdmareg_setlease(struct file *file, int type, struct rdmareg_lease **lease,
				   void **owner)
{
	const struct cred *saved = override_creds(rdmareg_kernel_cred);
	int r = vfs_setlease(file, type, lease, owner);

	revert_creds(saved);
	return r;
}
#endif

#ifdef HAVE_OPEN_CONFLICT
/* A layout lease says nothing about who else has the file open. */
static inline int rdmareg_open_conflict(struct file *file, int arg)
{
	return 0;
}

#define RDMAREG_LEASE_OPERATIONS_EXTRA .lm_open_conflict = rdmareg_open_conflict,
#else
#define RDMAREG_LEASE_OPERATIONS_EXTRA
#endif

#ifdef HAVE_HRTIMER_SETUP
static inline void rdmareg_hrtimer_setup(struct hrtimer *timer,
					 enum hrtimer_restart (*function)(struct hrtimer *))
{
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
}
#else
static inline void rdmareg_hrtimer_setup(struct hrtimer *timer,
					 enum hrtimer_restart (*function)(struct hrtimer *))
{
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
	timer->function = function;
}
#endif

/* Where the unwinder may take for a caller what only lies on the stack, nothing is told by it. */
static inline unsigned int rdmareg_stack(unsigned long *entries, unsigned int size)
{
#if defined(CONFIG_STACKTRACE) && !defined(CONFIG_UNWINDER_GUESS)
	return stack_trace_save(entries, size, 1);
#else
	return 0;
#endif
}

#endif
