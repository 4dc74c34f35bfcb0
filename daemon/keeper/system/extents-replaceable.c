// SPDX-License-Identifier: GPL-2.0-or-later
/* extents-replaceable.c - see extents-replaceable.h. */
#include "keeper/system/extents-replaceable.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper/system/extents.h"
#include "util/xfs.h"

#ifndef MADV_POPULATE_WRITE /* of Linux 5.14; older headers have no name for it */
#define MADV_POPULATE_WRITE 23
#endif

#define EXTENTS_MOST (1u << 18)
#define EXTENTS_INLINE 6u /* fit into an inode of XFS, whatever else is in there */
#define PIECE (UINT64_C(2) << 20)
#define BLOCK 4096u /* DAX needs blocks of a page */

static bool note(const struct fiemap_extent *e, void *userdata)
{
	struct replaceable *found = userdata;

	found->shared |= !!(e->fe_flags & FIEMAP_EXTENT_SHARED);
	found->unwritten |= !!(e->fe_flags & FIEMAP_EXTENT_UNWRITTEN);
	found->bytes += e->fe_length;
	found->n++;
	return !found->shared;
}

struct writing {
	int fd;
	uint64_t start;
	uint64_t end;
	uint64_t left;
};

/* Not by the region's own mapping: with MAP_SYNC each fault would wait for the journal. */
static bool write_one(const struct fiemap_extent *e, void *userdata)
{
	uint64_t start = e->fe_logical, end = e->fe_logical + e->fe_length;
	struct writing *w = userdata;
	void *p;

	if (!(e->fe_flags & FIEMAP_EXTENT_UNWRITTEN))
		return true;
	start = start > w->start ? start : w->start;
	end = end < w->end ? end : w->end;
	if (start >= end)
		return true;
	end = end - start < w->left ? end : start + w->left;
	p = mmap(NULL, end - start, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, (off_t)start);
	if (p == MAP_FAILED)
		return false;
	/* in pieces: whoever fences another region waits for the one under way */
	for (uint64_t at = 0; at < end - start; at += PIECE)
		madvise((char *)p + at, end - start - at < PIECE ? end - start - at : PIECE,
			MADV_POPULATE_WRITE);
	munmap(p, end - start);
	w->left -= end - start;
	return w->left > 0;
}

void replaceable_write(int fd, uint64_t offset, uint64_t length, uint64_t most)
{
	struct writing w = { .fd = fd, .start = offset, .end = offset + length, .left = most };

	extents_walk(fd, offset, offset + length, EXTENTS_MOST, write_one, &w);
}

/*
 * Blocks that XFS has set aside for copies of the file's own, whether these are still shared or
 * not: it sets aside more than it needs, and keeps the rest for half an hour. Nobody is told which,
 * but they count as blocks of the file, and are none of its extents. So do those that hold its list
 * of extents, if that does not fit into the inode.
 */
static enum replaceable_copies judge_copies(uint64_t blocks, const struct replaceable *found)
{
	uint64_t list_max = found->n <= EXTENTS_INLINE ? 0 : 8 + found->n / 64;

	if (blocks <= found->bytes / BLOCK)
		return COPIES_NONE;
	return blocks - found->bytes / BLOCK > list_max ? COPIES_SOME : COPIES_UNKNOWN;
}

/* All of the file: a copy that is made of blocks in one place may take those beside it along. */
static int look_at_xfs(int fd, struct replaceable *ret)
{
	struct stat st;
	int r;

	ret->never_shared = xfs_has_no_reflink(fd);
	if (ret->never_shared)
		return 0;
	/* before the extents are counted: the file may grow meanwhile */
	if (fstat(fd, &st) < 0)
		return -errno;
	r = extents_walk(fd, 0, INT64_MAX, EXTENTS_MOST, note, ret);
	ret->copies = judge_copies((uint64_t)st.st_blocks * 512 / BLOCK, ret);
	return r;
}

int replaceable_look(int fd, bool is_xfs, uint64_t offset, uint64_t length, struct replaceable *ret)
{
	*ret = (struct replaceable){ 0 };
	return is_xfs ? look_at_xfs(fd, ret)
		      : extents_walk(fd, offset, offset + length, EXTENTS_MOST, note, ret);
}

void replaceable_wait_for_writers(int fd)
{
	char byte;

	/*
	 * whoever writes holds the inode's lock, and looks for leases only at its beginning; a
	 * reader waits for it
	 */
	(void)!pread(fd, &byte, 1, 0);
}
