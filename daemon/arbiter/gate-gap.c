// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-gap.c - who could punch the file unseen; see gate_find_gap() in gate.h.
 *
 * What always holds: it ends, and soon, whatever others have opened. It looks at no more than DESCRIPTORS_MAX of them, and compares first what
 * the kernel has in memory (fdinfo): to stat something on a dead NFS server, or on somebody's FUSE, would stop this process. What has the
 * right inode number, and so most likely is the file, is then looked at without asking a server.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "arbiter/gate-internal.h"
#include "util/cleanup.h"
#include "util/log.h"

#define DESCRIPTORS_MAX 65536

static void closedirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* A number that is a whole file name, or 0. */
static pid_t number_of(const char *name)
{
	char *end;
	long n = strtol(name, &end, 10);

	return *name && !*end && n > 0 && n <= INT32_MAX ? (pid_t)n : 0;
}

/* Whether descriptor @name is open for writing, and its inode has number @inode. */
static bool may_write(int fdinfo, const char *name, uint64_t inode)
{
	_cleanup_(closep) int fd = openat(fdinfo, name, O_RDONLY | O_CLOEXEC);
	const char *flags_at, *inode_at;
	char text[512];
	unsigned int flags;
	uint64_t number;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = 0;
	flags_at = strstr(text, "flags:");
	inode_at = strstr(text, "\nino:");
	return flags_at && sscanf(flags_at, "flags: %o", &flags) == 1 && (flags & O_ACCMODE) != O_RDONLY &&
	       !(flags & O_PATH) && inode_at && sscanf(inode_at, " ino: %" SCNu64, &number) == 1 &&
	       number == inode;
}

static bool is_file(int fd_dir, const char *name, const struct stat *st)
{
	struct statx x;

	return statx(fd_dir, name, AT_STATX_DONT_SYNC, STATX_INO, &x) == 0 && x.stx_ino == st->st_ino &&
	       makedev(x.stx_dev_major, x.stx_dev_minor) == st->st_dev;
}

/* 1: yes, 0: no, -E2BIG: @budget was used up. A process that ends meanwhile has nothing open. */
static int process_has(int proc, const char *pid, const struct stat *st, int *budget)
{
	_cleanup_(closedirp) DIR *fds = NULL;
	_cleanup_(closep) int dir = openat(proc, pid, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fdinfo = -1;
	int fd = dir < 0 ? -1 : openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *d;
	char target[2];

	fds = fd < 0 ? NULL : fdopendir(fd);
	if (!fds) {
		closep(&fd);
		return 0;
	}
	fdinfo = openat(dir, "fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	while ((d = readdir(fds))) {
		if (d->d_name[0] == '.')
			continue;
		if (--*budget < 0)
			return -E2BIG;
		/* a file has a path; sockets, pipes and the like have not */
		if (readlinkat(dirfd(fds), d->d_name, target, sizeof(target)) > 0 && target[0] == '/' &&
		    may_write(fdinfo, d->d_name, st->st_ino) && is_file(dirfd(fds), d->d_name, st))
			return 1;
	}
	return 0;
}

pid_t gate_find_gap(struct gate *g, int fd, pid_t except)
{
	_cleanup_(closedirp) DIR *proc = opendir("/proc");
	int budget = DESCRIPTORS_MAX;
	struct dirent *d;
	struct stat st;

	if (!proc || fstat(fd, &st) < 0)
		return 0;
	while ((d = readdir(proc))) {
		pid_t pid = number_of(d->d_name);
		int r;

		if (!pid || pid == getpid() || pid == except || g->ops->is_ours(g->userdata, pid))
			continue;
		r = process_has(dirfd(proc), d->d_name, &st, &budget);
		if (r == -E2BIG)
			log_warning(
				"gate: too many descriptors are open to look through all of them (process %d was next)",
				pid);
		if (r)
			return pid;
	}
	return 0;
}
