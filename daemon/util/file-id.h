/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file-id.h - what tells one file from another. What always holds: device and inode number do while
 * the file is held open; once it is gone its number is given to another file, and then only the
 * time of its birth, where the filesystem knows it, tells them apart.
 */
#ifndef RDMAREG_UTIL_FILE_ID_H
#define RDMAREG_UTIL_FILE_ID_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define FILE_ID_MASK (STATX_TYPE | STATX_UID | STATX_INO | STATX_BTIME) /* to ask statx(2) for */

static inline uint64_t file_device(const struct statx *st)
{
	return makedev(st->stx_dev_major, st->stx_dev_minor);
}

static inline uint64_t file_nsec(const struct statx_timestamp *t)
{
	return (uint64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

/* 0: not known. */
static inline uint64_t file_born_nsec(const struct statx *st)
{
	return st->stx_mask & STATX_BTIME ? file_nsec(&st->stx_btime) : 0;
}

#endif
