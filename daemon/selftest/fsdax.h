/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fsdax.h - the fault of the kernel with files that have direct access
 * (docs/upstream/dax-stale-mapping.md), as it concerns this machine: the filesystems on which a
 * write(2) that replaces a block can leave mappings on the old one.
 *
 * It is no device's fault, so nothing of it is kept with what a self-test found. What XFS does with
 * shared blocks is not tried: it harms other files, and the kernel's own notes of pages. What ext4
 * does is tried, with a file of its own.
 */
#ifndef RDMAREG_SELFTEST_FSDAX_H
#define RDMAREG_SELFTEST_FSDAX_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "selftest/selftest.h"

#define FSDAX_MAX 16 /* that are told of */

struct fsdax {
	char path[PATH_MAX]; /* where it is mounted first */
	bool xfs;	     /* else ext4 */
	bool only_some;	     /* files with the attribute have direct access, not all */
	dev_t device;
};

/**
 * fsdax_list - mounted filesystems that the fault concerns
 * @mounts, @sysfs: /proc/self/mounts and /sys, but for tests
 * @ret: room for @most; what is beyond is left out
 *
 * An XFS that was made without reflink is not concerned.
 */
size_t fsdax_list(const char *mounts, const char *sysfs, struct fsdax *ret, size_t most);

/*
 * One sentence or more: what can happen there, what rdmaregd does about it, and how it can be
 * avoided.
 */
const char *fsdax_fault(const struct fsdax *f);

/**
 * fsdax_try - does a mapping show what write(2) wrote to blocks that were allocated and never
 * written?
 * @directory: a file without a name is made in it
 *
 * OK; QUIRK: it does not. NOT_RUN: the file has no direct access or cannot be made, or it is on
 * XFS, where this is right.
 */
void fsdax_try(const char *directory, struct finding *ret);

/* For its test: the same with any file. */
void fsdax_try_file(int fd, struct finding *ret);

#endif
