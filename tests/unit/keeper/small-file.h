/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * small-file.h - files that are larger than the filesystem they are on: what of them is a hole
 * cannot all be written.
 */
#ifndef SMALL_FILE_H
#define SMALL_FILE_H

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>

/* @n of them on a filesystem of 16 pages, all ours. False: this machine lets nobody mount one. */
static inline bool make_small_files(uint64_t size, int *ret, int n)
{
	char path[] = "/tmp/test-small-XXXXXX", file[64];
	int made = 0;

	if (!mkdtemp(path))
		return false;
	if (unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("test", path, "tmpfs", 0, "size=64k") == 0) {
		for (; made < n; made++) {
			snprintf(file, sizeof(file), "%s/file%d", path, made);
			ret[made] = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
			if (ret[made] < 0 || ftruncate(ret[made], (off_t)size) < 0)
				abort();
		}
		umount2(path, MNT_DETACH);
	}
	rmdir(path);
	return made == n;
}

#endif
