// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * storage.c - see fakes/storage.h. These take the place of libc's functions for all of this
 * program, and do what those do by system call. What libc calls for itself (stdio) does not come by
 * here.
 */
#include "storage.h"
#include "storage-calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SILENT_MAX 8

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t answers = PTHREAD_COND_INITIALIZER;
static uint64_t silent[SILENT_MAX]; /* under @lock; 0: free */
static uint64_t passing;	    /* likewise: one may pass; 0: none */
static uint64_t frozen;		    /* likewise */

void storage_fake_silence(uint64_t inode, bool be_silent)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < SILENT_MAX; i++)
		if (silent[i] == (be_silent ? 0 : inode)) {
			silent[i] = be_silent ? inode : 0;
			break;
		}
	pthread_cond_broadcast(&answers);
	pthread_mutex_unlock(&lock);
}

void storage_fake_freeze(uint64_t inode, bool freeze)
{
	pthread_mutex_lock(&lock);
	frozen = freeze ? inode : 0;
	pthread_cond_broadcast(&answers);
	pthread_mutex_unlock(&lock);
}

void storage_fake_answer_one(uint64_t inode)
{
	pthread_mutex_lock(&lock);
	passing = inode;
	pthread_cond_broadcast(&answers);
	pthread_mutex_unlock(&lock);
}

static bool is_silent(uint64_t inode)
{
	if (passing == inode) {
		passing = 0;
		return false;
	}
	for (size_t i = 0; i < SILENT_MAX; i++)
		if (silent[i] == inode)
			return true;
	return false;
}

/*
 * What a keeper reads once when it starts, of the adapter and before it has a region: files of /sys,
 * whichever filesystem a test shows there, and a self-test's findings.
 */
static bool is_of_adapter(int fd)
{
	char path[64], file[512];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, file, sizeof(file) - 1);
	file[n > 0 ? n : 0] = 0;
	return !strncmp(file, "/sys/", 5) || (n > 7 && !strcmp(file + n - 7, ".quirks"));
}

/*
 * Something that is kept by a storage, as opposed to a socket, a device, or what the kernel makes
 * up.
 */
static bool is_file(int fd, uint64_t *ret_inode)
{
	struct statfs fs;
	struct stat st;

	if (syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) < 0 || !S_ISREG(st.st_mode) ||
	    syscall(SYS_fstatfs, fd, &fs) < 0)
		return false;
	*ret_inode = st.st_ino;
	return !is_of_adapter(fd) && fs.f_type != PROC_SUPER_MAGIC && fs.f_type != SYSFS_MAGIC &&
	       fs.f_type != CGROUP2_SUPER_MAGIC && fs.f_type != CGROUP_SUPER_MAGIC;
}

static void never_on_the_loop(const char *call)
{
	if (syscall(SYS_gettid) != getpid())
		return;
	dprintf(STDERR_FILENO, "fake: %s on the loop thread: it could wait for storage\n", call);
	abort();
}

static void storage_asked(int fd, const char *call)
{
	int saved = errno;
	uint64_t inode;

	if (is_file(fd, &inode)) {
		never_on_the_loop(call);
		pthread_mutex_lock(&lock);
		while (is_silent(inode))
			pthread_cond_wait(&answers, &lock);
		pthread_mutex_unlock(&lock);
	}
	errno = saved;
}

int close(int fd)
{
	storage_asked(fd, "close");
	return (int)syscall(SYS_close, fd);
}

static _Thread_local bool examined;
static _Atomic bool direct_access;

bool storage_fake_examined_here(void)
{
	return examined || direct_access;
}

int statx(int fd, const char *path, int flags, unsigned int mask, struct statx *ret)
{
	if (!(flags & AT_STATX_DONT_SYNC))
		storage_asked(fd, "statx");
	if (syscall(SYS_statx, fd, path, flags, mask, ret) < 0)
		return -1;
	examined |= !(flags & AT_STATX_DONT_SYNC);
	if (ret->stx_mode & S_ISUID) {
		direct_access = true;
		ret->stx_attributes |= STATX_ATTR_DAX;
	}
	return 0;
}

/* Of a file with direct access: one block, and what it is says the file's mode. */
static int fiemap(int fd, struct fiemap *m)
{
	struct stat st;

	if (syscall(SYS_newfstatat, fd, "", &st, AT_EMPTY_PATH) < 0)
		return -1;
	storage_asked(fd, "FIEMAP");
	if (!(st.st_mode & S_ISUID))
		return (int)syscall(SYS_ioctl, fd, FS_IOC_FIEMAP, m);
	m->fm_mapped_extents = 1;
	m->fm_extents[0] = (struct fiemap_extent){
		.fe_logical = m->fm_start,
		.fe_length = m->fm_length,
		.fe_flags = FIEMAP_EXTENT_LAST | (st.st_mode & S_ISGID ? FIEMAP_EXTENT_SHARED : 0) |
			    (st.st_mode & S_IXUSR ? FIEMAP_EXTENT_UNWRITTEN : 0),
	};
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	void *argument;
	va_list ap;

	va_start(ap, request);
	argument = va_arg(ap, void *);
	va_end(ap);
	if (request != FS_IOC_FIEMAP)
		return (int)syscall(SYS_ioctl, fd, request, argument);
	return fiemap(fd, argument);
}

void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset)
{
	if (fd >= 0)
		storage_asked(fd, "mmap");
	return (void *)syscall(SYS_mmap, address, length, protection, flags, fd, offset);
}

int munmap(void *address, size_t length)
{
	never_on_the_loop("munmap");
	return (int)syscall(SYS_munmap, address, length);
}

/* The only attribute that is set here asks whether the filesystem takes writes. */
int fsetxattr(int fd, const char *name, const void *value, size_t size, int flags)
{
	uint64_t inode;

	if (is_file(fd, &inode)) {
		never_on_the_loop("fsetxattr");
		pthread_mutex_lock(&lock);
		while (frozen == inode)
			pthread_cond_wait(&answers, &lock);
		pthread_mutex_unlock(&lock);
	}
	return (int)syscall(SYS_fsetxattr, fd, name, value, size, flags);
}

int madvise(void *address, size_t length, int advice)
{
	bool refused = false;

	if (advice == MADV_POPULATE_WRITE) {
		pthread_mutex_lock(&lock);
		refused = frozen;
		pthread_mutex_unlock(&lock);
	}
	if (refused) {
		dprintf(STDERR_FILENO, "fake: a page is made writable while frozen: the address "
				       "space would wait for the thaw\n");
		abort();
	}
	return (int)syscall(SYS_madvise, address, length, advice);
}
