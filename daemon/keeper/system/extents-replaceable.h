/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * extents-replaceable.h - what the blocks of a file with direct access are, as far as it matters to
 * whoever maps it.
 *
 * On fsdax the kernel does not hold page faults off while write(2) replaces a block
 * (docs/upstream/dax-stale-mapping.md). Which blocks it replaces depends on the filesystem:
 *   - XFS: those that are shared with another file (reflink), and those that it has set a copy
 *     aside for;
 *   - ext4: those that were allocated and never written (fallocate), also some beside the ones that
 *     are written.
 * All others are written where they are.
 *
 * May wait for storage and for whoever writes the file: for a worker.
 */
#ifndef RDMAREG_KEEPER_EXTENTS_REPLACEABLE_H
#define RDMAREG_KEEPER_EXTENTS_REPLACEABLE_H

#include <stdbool.h>
#include <stdint.h>

enum replaceable_copies { COPIES_NONE, COPIES_SOME, COPIES_UNKNOWN };

struct replaceable {
	bool shared;	   /* some are, with another file */
	bool never_shared; /* nor can they ever be: the filesystem has no reflink */
	bool unwritten;	   /* some were allocated and never written */
	enum replaceable_copies
		copies; /* blocks of the file may be replaced though none is shared any more */
	uint64_t bytes; /* in so many extents */
	uint64_t n;
};

/*
 * replaceable_look - of [offset, offset + length) and what the filesystem may replace together with
 * it
 *
 * Errors as extents_walk() has them.
 */
int replaceable_look(int fd, bool is_xfs, uint64_t offset, uint64_t length,
		     struct replaceable *ret);

/*
 * replaceable_write - blocks that were allocated and never written become written ones, with the
 * zeros that they have
 * @fd: open for reading and writing
 * @most: bytes that are written at the most
 *
 * By faults, as if somebody had stored the zeros that are there: what somebody writes meanwhile
 * stays. No block is allocated. Best effort.
 */
void replaceable_write(int fd, uint64_t offset, uint64_t length, uint64_t most);

/*
 * Returns when everybody who was in write(2) of that file has left it; whoever comes later meets
 * the leases that there are now.
 */
void replaceable_wait_for_writers(int fd);

#endif
