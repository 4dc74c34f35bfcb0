// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * disk.c - for rdmaregd: a disk below its state directory that falls silent. It does not answer
 * while somebody holds an exclusive flock(2) on the file that the environment variable
 * RDMAREG_FAKE_DISK names, fails with EIO while that file has the mode 0400, and while it has 0440
 * only where a folder is to be on disk.
 *
 * These take the place of libc's functions for all of this program. A call of them on the loop
 * thread ends it with a line that names the call.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_of_the_disk(int fd)
{
	char link[32], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return false;
	path[n] = 0;
	return strstr(path, "/state");
}

/* False: with an error. */
static bool ask(int fd, const char *call)
{
	const char *path = getenv("RDMAREG_FAKE_DISK");
	struct stat st;
	bool fails, of_folder;
	mode_t mode;
	int lock;

	if (!path || !is_of_the_disk(fd))
		return true;
	if (syscall(SYS_gettid) == getpid()) {
		dprintf(STDERR_FILENO, "fake: %s on the loop thread: it could wait for the disk\n",
			call);
		abort();
	}
	of_folder = !strcmp(call, "fsync") && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
	lock = open(path, O_RDONLY | O_CLOEXEC);
	if (lock < 0)
		return true;
	while (flock(lock, LOCK_SH) < 0 && errno == EINTR)
		;
	mode = fstat(lock, &st) == 0 ? st.st_mode & 0777 : 0;
	fails = mode == 0400 || (mode == 0440 && of_folder);
	close(lock);
	errno = EIO;
	return !fails;
}

int unlinkat(int fd, const char *name, int flags)
{
	return ask(fd, "unlinkat") ? (int)syscall(SYS_unlinkat, fd, name, flags) : -1;
}

int renameat(int from, const char *name, int to, const char *other)
{
	return ask(from, "renameat") ? (int)syscall(SYS_renameat2, from, name, to, other, 0) : -1;
}

int mkdirat(int fd, const char *name, mode_t mode)
{
	return ask(fd, "mkdirat") ? (int)syscall(SYS_mkdirat, fd, name, mode) : -1;
}

int fsync(int fd)
{
	return ask(fd, "fsync") ? (int)syscall(SYS_fsync, fd) : -1;
}
