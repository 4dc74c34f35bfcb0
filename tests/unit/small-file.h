/* SPDX-License-Identifier: GPL-2.0-or-later */
/* small-file.h - a file that is larger than the filesystem it is on: what of it is a hole cannot all be written. */
#ifndef SMALL_FILE_H
#define SMALL_FILE_H

#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

/* On a filesystem of 16 pages, all ours; -1: this machine lets nobody mount one. */
static inline int make_small_file(uint64_t size)
{
	char path[] = "/tmp/test-small-XXXXXX", file[64];
	int fd = -1;

	if (!mkdtemp(path))
		return -1;
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("test", path, "tmpfs", 0, "size=64k") == 0) {
		snprintf(file, sizeof(file), "%s/file", path);
		fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd >= 0 && ftruncate(fd, (off_t)size) < 0)
			abort();
		umount2(path, MNT_DETACH);
	}
	rmdir(path);
	return fd;
}

#endif
