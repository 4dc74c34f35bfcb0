// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * huge-anyway.c - loaded before libc it makes MADV_NOHUGEPAGE do nothing, so that khugepaged looks
 * at the mappings of keepers as it did before they asked it not to
 * (docs/upstream/collapse-deadlock.md).
 */
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int madvise(void *address, size_t length, int advice)
{
	return advice == MADV_NOHUGEPAGE ? 0 : (int)syscall(SYS_madvise, address, length, advice);
}
