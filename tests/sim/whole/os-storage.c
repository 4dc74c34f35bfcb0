// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * os-storage.c - calls that may have to wait for storage. In a thread they take their time; on a
 * loop of daemon or keeper they are a violation.
 */
#include "os.h"
#include "tests/fakes/storage-calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void storage_asked(int fd, const char *call)
{
	if (os_on && os_is_file(fd))
		os_storage(call);
}

int statx(int fd, const char *path, int flags, unsigned int mask, struct statx *ret)
{
	if (!(flags & AT_STATX_DONT_SYNC))
		storage_asked(fd, "statx");
	return (int)syscall(SYS_statx, fd, path, flags, mask, ret);
}

int ioctl(int fd, unsigned long request, ...)
{
	void *argument;
	va_list ap;

	va_start(ap, request);
	argument = va_arg(ap, void *);
	va_end(ap);
	if (request == FS_IOC_FIEMAP)
		storage_asked(fd, "FIEMAP");
	return (int)syscall(SYS_ioctl, fd, request, argument);
}

/*
 * Where a keeper looks for room nobody else ever is, or what it finds would be another world's
 * every time. Nor has a sanitizer its shadow there, which ends above 0x100000000000 on x86-64: who
 * looked for room unmaps it.
 */
static void *find_room(size_t length)
{
	static uintptr_t next = 0x200000000000;

	next += (length + 0xffff) & ~(size_t)0xffff;
	return (void *)(next - ((length + 0xffff) & ~(size_t)0xffff));
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	if (os_on && !address && fd < 0 && protection == PROT_NONE && flags & MAP_NORESERVE)
		return find_room(length);
	if (fd >= 0)
		storage_asked(fd, "mmap");
	if (os_on && address && !(flags & MAP_FIXED))
		flags |= MAP_FIXED_NOREPLACE;
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

int madvise(void *address, size_t length, int advice)
{
	if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE)
		os_storage("madvise");
	return (int)syscall(SYS_madvise, address, length, advice);
}

int munmap(void *address, size_t length)
{
	/* what a thread unmaps is a region's; anonymous memory is unmapped by the loop as well */
	if (os_in_thread())
		os_storage("munmap");
	return (int)syscall(SYS_munmap, address, length);
}
