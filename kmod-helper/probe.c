// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe.c - questions Kbuild asks the kernel headers, one per PROBE_ word; never part of the module. A
 * question that compiles is answered with yes and becomes HAVE_..., which compat.h alone looks at.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#if __has_include(<linux/filelock.h>)
#include <linux/filelock.h>
#endif

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

#ifdef PROBE_VM_FLAGS_SET
/* vm_flags is written through helpers (since 6.3) */
void probe(struct vm_area_struct *vma)
{
	vm_flags_set(vma, VM_DONTCOPY);
}
#endif
