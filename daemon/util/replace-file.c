// SPDX-License-Identifier: GPL-2.0-or-later
/* replace-file.c - see replace-file.h. */
#include "util/replace-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "util/cleanup.h"

static int replace(int directory, const char *name, const char *fresh, mode_t mode,
		   const char *text, size_t size, bool wait)
{
	_cleanup_(closep) int fd = -1;

	if (unlinkat(directory, fresh, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(directory, fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		return -errno;
	errno = 0;
	if (write(fd, text, size) != (ssize_t)size)
		return errno ? -errno : -ENOSPC;
	if (wait && fsync(fd) < 0)
		return -errno;
	if (renameat(directory, fresh, directory, name) < 0)
		return -errno;
	return wait && fsync(directory) < 0 ? -errno : 0;
}

int replace_file(int directory, const char *name, const char *fresh, mode_t mode, const char *text,
		 size_t size)
{
	return replace(directory, name, fresh, mode, text, size, false);
}

int replace_file_on_disk(int directory, const char *name, const char *fresh, mode_t mode,
			 const char *text, size_t size)
{
	return replace(directory, name, fresh, mode, text, size, true);
}
