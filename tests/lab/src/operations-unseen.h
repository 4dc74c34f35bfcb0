/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * operations-unseen.h - operations for operations.c that come from the kernel's own side, or by a
 * way that few programs go. Some take root.
 */
#ifndef OPERATIONS_UNSEEN_H
#define OPERATIONS_UNSEEN_H

#include "operations.h"

/* Each: 0, or an errno; see the table in operations.c. */
int run_swapext(const struct scene *s, unsigned long unused);
/* By a loop device whose image the file is: 1: discards a range; 0: writes to it. */
int run_loop(const struct scene *s, unsigned long discards);
/* ftruncate(2) of the file as it shows in an overlay whose upper file it is. */
int run_overlay_truncate(const struct scene *s, unsigned long size);
int prepare_overlay(const struct scene *s);
void undo_overlay(const struct scene *s);
/* The file has to hold a swap area, which is taken out of use afterwards. */
int run_swapon(const struct scene *s, unsigned long unused);
int prepare_swap(const struct scene *s);
void undo_swap(const struct scene *s);
/* XFS builds the file's map of extents anew. */
int run_rebuild(const struct scene *s, unsigned long unused);
/* The kernel unlinks it for the daemon of a cache (cachefiles) in its folder. */
int run_cull(const struct scene *s, unsigned long unused);
int prepare_cull(const struct scene *s);
void undo_cull(const struct scene *s);
/* What f2fs alone has; on another filesystem ENOTTY. */
enum f2fs_call {
	F2FS_COLLECT, /* the segments of its first MiB move */
	F2FS_DEFRAGMENT,
	F2FS_MOVE, /* its second MiB becomes the other file's */
	F2FS_TRIM, /* the second MiB is discarded, and zero */
	F2FS_ATOMIC,
	F2FS_PIN,
};
int run_f2fs(const struct scene *s, unsigned long call);
/* btrfs moves all data of the filesystem. */
int run_relocate(const struct scene *s, unsigned long unused);
/* One call of a 32-bit program. */
enum call_32 { CALL_32_WRITE, CALL_32_PUNCH, CALL_32_TRUNCATE };
int run_32(const struct scene *s, unsigned long call);

#endif
