/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * storage-calls.h - the calls of libc by which a file's storage is asked, in their place, for a
 * program in which storage is played: each says so first, then does what it is for. For one source
 * of such a program, which defines storage_asked().
 */
#ifndef RDMAREG_FAKE_STORAGE_CALLS_H
#define RDMAREG_FAKE_STORAGE_CALLS_H

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static void storage_asked(int fd, const char *call);

int fsync(int fd)
{
	storage_asked(fd, "fsync");
	return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	storage_asked(fd, "fdatasync");
	return (int)syscall(SYS_fdatasync, fd);
}

int fstat(int fd, struct stat *ret)
{
	storage_asked(fd, "fstat");
	return (int)syscall(SYS_newfstatat, fd, "", ret, AT_EMPTY_PATH);
}

int fstatfs(int fd, struct statfs *ret)
{
	storage_asked(fd, "fstatfs");
	return (int)syscall(SYS_fstatfs, fd, ret);
}

#endif
