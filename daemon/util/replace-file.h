/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replace-file.h - a small file of a folder of our own is written anew as a whole: whoever reads
 * it, also after the writer was killed, finds the former one or all of the new one.
 */
#ifndef RDMAREG_UTIL_REPLACE_FILE_H
#define RDMAREG_UTIL_REPLACE_FILE_H

#include <stddef.h>
#include <sys/types.h>

/*
 * @fresh: what it is called until it is complete; whatever has that name is removed first, since a
 * writer that was killed can have left it. Returns 0 or -errno: -ENOSPC also if only a part could
 * be written; the former file is then as it was. The disk is not waited for.
 */
int replace_file(int directory, const char *name, const char *fresh, mode_t mode, const char *text,
		 size_t size);
/* The same, and it is on the disk when this returns: for a thread. */
int replace_file_on_disk(int directory, const char *name, const char *fresh, mode_t mode,
			 const char *text, size_t size);

#endif
