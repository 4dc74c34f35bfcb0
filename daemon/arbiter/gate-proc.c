// SPDX-License-Identifier: GPL-2.0-or-later
/* gate-proc.c - see gate-proc.h. */
#include "arbiter/gate-proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/cleanup.h"

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static bool read_small(const char *path, char *out, size_t size)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);

	if (n <= 0)
		return false;
	out[n] = 0;
	return true;
}

bool proc_read_call(pid_t tid, char *out, size_t size)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	return read_small(path, out, size);
}

bool proc_is_there(pid_t tid)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%d", tid);
	return access(path, F_OK) == 0;
}

pid_t proc_group_of(pid_t tid)
{
	char path[48], text[512];
	const char *line;
	int group;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	if (!read_small(path, text, sizeof(text)))
		return tid;
	line = strstr(text, "\nTgid:");
	return line && sscanf(line, "\nTgid: %d", &group) == 1 ? group : tid;
}

bool proc_read_how(pid_t tid, uint64_t address, uint64_t *ret_flags)
{
	struct iovec here = { ret_flags, sizeof(*ret_flags) }; /* the first member of struct open_how */
	struct iovec there = { (void *)(uintptr_t)address, sizeof(*ret_flags) };

	return process_vm_readv(tid, &here, 1, &there, 1, 0) == (ssize_t)sizeof(*ret_flags);
}

/* Opened O_WRONLY or O_RDWR: its link has the write bit. */
static bool is_writer(int fds, const char *name, uint64_t device, uint64_t inode)
{
	struct stat st;

	return fstatat(fds, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (st.st_mode & S_IWUSR) &&
	       fstatat(fds, name, &st, 0) == 0 && st.st_ino == inode && st.st_dev == device;
}

static bool writes(const char *pid, uint64_t device, uint64_t inode)
{
	_cleanup_(closedirp) DIR *d = NULL;
	struct dirent *e;
	char path[300];

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	d = opendir(path);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' && is_writer(dirfd(d), e->d_name, device, inode))
			return true;
	return false;
}

pid_t proc_find_writer(uint64_t device, uint64_t inode, bool (*is_excepted)(void *userdata, pid_t pid),
		       void *userdata)
{
	_cleanup_(closedirp) DIR *d = opendir("/proc");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		pid_t pid = (pid_t)strtol(e->d_name, NULL, 10);

		if (pid > 0 && !is_excepted(userdata, pid) && writes(e->d_name, device, inode))
			return pid;
	}
	return 0;
}
