// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe.c - questions Kbuild asks the kernel headers, one per PROBE_ word; never part of the
 * module. A question that compiles is answered with yes and becomes HAVE_..., which compat.h alone
 * looks at.
 */
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#if defined(HAVE_FILELOCK_H) || defined(PROBE_FILELOCK_H)
#include <linux/filelock.h>
#endif

/*
 * "NOTHING" asks nothing and must be answered with yes, and PROBE_FILELOCK_H no more than whether
 * locks have a header of their own (since 6.3).
 */

#ifdef PROBE_FILE_LEASE
/* leases have a type of their own (since 6.9) */
struct file_lease *probe(void)
{
	return locks_alloc_lease();
}
#endif

#ifdef PROBE_KERNEL_SETLEASE
/* a lease can be set without the permission checks meant for fcntl(2) (since 6.9) */
int probe(struct file *file, void **owner)
{
	return kernel_setlease(file, F_UNLCK, NULL, owner);
}
#endif

#ifdef PROBE_OPEN_CONFLICT
/* the lease manager is asked whether other openers conflict (since 7.x), and must answer */
static int conflict(struct file *file, int arg)
{
	return 0;
}
const struct lease_manager_operations probe = { .lm_open_conflict = conflict };
#endif

#ifdef PROBE_HRTIMER_SETUP
/* a timer is made together with its function (since 6.13; the way before is gone in 6.15) */
void probe(struct hrtimer *timer, enum hrtimer_restart (*function)(struct hrtimer *))
{
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, HRTIMER_MODE_ABS);
}
#endif
