/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * temporary.h - a folder in memory for what a target writes, which is gone with the process. What
 * always holds: it is empty at first, and nobody else's.
 */
#ifndef RDMAREG_FUZZ_TEMPORARY_H
#define RDMAREG_FUZZ_TEMPORARY_H

#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char temporary_path[64];

static int temporary_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void temporary_remove(void)
{
	nftw(temporary_path, temporary_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* Its path; made by the first call. */
static inline const char *temporary_folder(void)
{
	if (*temporary_path)
		return temporary_path;
	strcpy(temporary_path, access("/dev/shm", W_OK) ? "/tmp/rdmareg-fuzz-XXXXXX"
							: "/dev/shm/rdmareg-fuzz-XXXXXX");
	assert(mkdtemp(temporary_path) && atexit(temporary_remove) == 0);
	return temporary_path;
}

/* Replaces a file in @directory. */
static inline void temporary_write(int directory, const char *name, const void *text, size_t size)
{
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert(fd >= 0 && write(fd, text, size) == (ssize_t)size);
	close(fd);
}

#endif
