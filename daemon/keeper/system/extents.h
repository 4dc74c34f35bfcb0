/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * extents.h - which bytes of a file have blocks, and where: as the filesystem says (FIEMAP),
 * remembered and compared.
 *
 * What always holds: asking may wait for storage, so it is for a worker; comparing asks nobody.
 * Memory and time are bounded however a file is fragmented: what lies behind the EXTENTS_MAX-th
 * extent is not compared.
 */
#ifndef RDMAREG_KEEPER_EXTENTS_H
#define RDMAREG_KEEPER_EXTENTS_H

#include <stdbool.h>
#include <stdint.h>

struct fiemap_extent; /* of the kernel */

#define EXTENTS_MAX 1024 /* kept of one file */

struct extent {
	uint64_t start; /* bytes in the file; [start, end) */
	uint64_t end;
	uint64_t place; /* on the device, of the first byte; 0: not decided yet, or nobody asked */
};

struct extents {
	uint64_t start; /* what was looked at; [start, end) */
	uint64_t end;
	uint32_t n;
	struct extent item[]; /* ascending */
};

/* What was there and is there no more. */
struct extents_loss {
	uint64_t start; /* bytes in the file; what is lost or moved lies in [start, end) */
	uint64_t end;	/* 0: nothing is */
	uint64_t moved_bytes;
	uint64_t lost_bytes;
};

/**
 * extents_walk - call @each for the extents of [start, end), in order, until it says no
 *
 * -E2BIG: there are more than @most of them, or somewhat more. -EOPNOTSUPP: the filesystem cannot
 * say. Else what ioctl(2) says.
 */
int extents_walk(int fd, uint64_t start, uint64_t end, uint32_t most,
		 bool (*each)(const struct fiemap_extent *e, void *userdata), void *userdata);

/**
 * extents_read - look at [start, end) of a file
 * @places: where the blocks are matters too
 * @ret: freed with free(3)
 *
 * -ENOMEM, and as extents_walk().
 */
int extents_read(int fd, uint64_t start, uint64_t end, bool places, struct extents **ret);

/* What of @before is not in @after, as far as both looked. */
struct extents_loss extents_compare(const struct extents *before, const struct extents *after);

#endif
