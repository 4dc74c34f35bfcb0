// SPDX-License-Identifier: GPL-2.0-or-later
/* replace-file.c - see replace-file.h. */
#include "util/replace-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "util/cleanup.h"

int replace_file(int directory, const char *name, const char *fresh, mode_t mode, const char *text,
		 size_t size)
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
	return renameat(directory, fresh, directory, name) < 0 ? -errno : 0;
}
