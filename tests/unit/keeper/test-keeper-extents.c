// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-extents.c - what two looks at a file's blocks are compared to, and a real file where
 * the filesystem says.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper/system/extents.h"

#define KIB UINT64_C(1024)
#define ANY UINT64_MAX

/* [start, end) was looked at; then extents as start, end, place; ended by a start of ANY. */
static struct extents *make(uint64_t start, uint64_t end, const uint64_t *items)
{
	struct extents *x = calloc(1, sizeof(*x) + 8 * sizeof(struct extent));

	assert(x);
	x->start = start;
	x->end = end;
	for (; *items != ANY; items += 3)
		x->item[x->n++] = (struct extent){ items[0], items[1], items[2] };
	return x;
}
#define ITEMS(...) ((const uint64_t[]){ __VA_ARGS__, ANY })
static const uint64_t none[] = { ANY };

static void expect(struct extents *before, struct extents *after, uint64_t start, uint64_t end,
		   uint64_t lost, uint64_t moved)
{
	struct extents_loss l = extents_compare(before, after);

	assert(l.start == start && l.end == end && l.lost_bytes == lost && l.moved_bytes == moved);
	free(before);
	free(after);
}

static void test_compare(void)
{
	/* nothing, the same, more */
	expect(make(0, 100, none), make(0, 100, ITEMS(0, 100, 0)), 0, 0, 0, 0);
	expect(make(0, 100, ITEMS(0, 50, 7)), make(0, 100, ITEMS(0, 50, 7)), 0, 0, 0, 0);
	expect(make(0, 100, ITEMS(0, 50, 0)), make(0, 100, ITEMS(0, 60, 0, 70, 100, 0)), 0, 0, 0,
	       0);
	/* the same in other pieces */
	expect(make(0, 100, ITEMS(0, 100, 1000)), make(0, 100, ITEMS(0, 40, 1000, 40, 100, 1040)),
	       0, 0, 0, 0);
	/* a hole: in the middle, over a border, at the end, of everything */
	expect(make(0, 100, ITEMS(0, 100, 0)), make(0, 100, ITEMS(0, 30, 0, 40, 100, 0)), 30, 40,
	       10, 0);
	expect(make(0, 100, ITEMS(0, 50, 0, 50, 100, 9)),
	       make(0, 100, ITEMS(0, 45, 0, 60, 100, 19)), 45, 60, 15, 0);
	expect(make(0, 100, ITEMS(20, 100, 0)), make(0, 100, ITEMS(20, 90, 0)), 90, 100, 10, 0);
	expect(make(0, 100, ITEMS(20, 30, 0, 60, 70, 0)), make(0, 100, none), 20, 70, 20, 0);
	/* what one of them did not look at is not compared */
	expect(make(0, 100, ITEMS(0, 100, 0)), make(0, 60, ITEMS(0, 60, 0)), 0, 0, 0, 0);
	expect(make(0, 60, ITEMS(0, 60, 0)), make(0, 100, ITEMS(0, 50, 0)), 50, 60, 10, 0);
	/* elsewhere; a place that is not decided yet is none */
	expect(make(0, 100, ITEMS(0, 100, 1000)), make(0, 100, ITEMS(0, 100, 5000)), 0, 100, 0,
	       100);
	expect(make(0, 100, ITEMS(0, 100, 1000)),
	       make(0, 100, ITEMS(0, 50, 1000, 50, 60, 7, 60, 100, 1060)), 50, 60, 0, 10);
	expect(make(0, 100, ITEMS(0, 100, 0)), make(0, 100, ITEMS(0, 100, 1000)), 0, 0, 0, 0);
	expect(make(0, 100, ITEMS(0, 100, 1000)), make(0, 100, ITEMS(0, 100, 0)), 0, 0, 0, 0);
	/* both */
	expect(make(0, 100, ITEMS(0, 100, 1000)), make(0, 100, ITEMS(0, 10, 1000, 20, 100, 9000)),
	       10, 100, 10, 80);
}

static void write_at(int fd, uint64_t offset, uint64_t bytes)
{
	char block[4096];

	memset(block, 'x', sizeof(block));
	for (uint64_t at = 0; at < bytes; at += sizeof(block))
		assert(pwrite(fd, block, sizeof(block), (off_t)(offset + at)) ==
		       (ssize_t)sizeof(block));
}

/*
 * Data that has no block yet counts as if it had one, or each write would look like a loss that is
 * healed later.
 */
static void test_file(void)
{
	char path[] = "test-keeper-extents.XXXXXX";
	struct extents *before, *after;
	int fd = mkostemp(path, O_CLOEXEC), error;

	assert(fd >= 0 && unlink(path) == 0 && ftruncate(fd, (off_t)(1024 * KIB)) == 0);
	write_at(fd, 64 * KIB, 256 * KIB);
	error = extents_read(fd, 0, 1024 * KIB, true, &before);
	if (error == -EOPNOTSUPP || (error == 0 && before->n == 0)) {
		if (!error)
			free(before);
		close(fd);
		return; /* no such filesystem here; the lab has all of them */
	}
	assert(error == 0 && before->start == 0 && before->end == 1024 * KIB);
	assert(fsync(fd) == 0);
	assert(extents_read(fd, 0, 1024 * KIB, true, &after) == 0);
	expect(before, after, 0, 0, 0, 0);
	assert(extents_read(fd, 4096, 1024 * KIB, false, &before) == 0);
	assert(before->n == 1 && before->item[0].start == 64 * KIB &&
	       before->item[0].end == 320 * KIB && !before->item[0].place);
	assert(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(128 * KIB),
			 (off_t)(64 * KIB)) == 0);
	assert(extents_read(fd, 4096, 1024 * KIB, false, &after) == 0);
	expect(before, after, 128 * KIB, 192 * KIB, 64 * KIB, 0);
	/* very fragmented: what is kept is bounded, and says how far it goes */
	assert(ftruncate(fd, (off_t)((EXTENTS_MAX + 100) * 16 * KIB)) == 0);
	for (uint64_t i = 0; i < EXTENTS_MAX + 100; i++)
		write_at(fd, i * 16 * KIB, 4 * KIB);
	assert(extents_read(fd, 512 * KIB, (EXTENTS_MAX + 100) * 16 * KIB, false, &before) == 0);
	assert(before->n == EXTENTS_MAX && before->end == (EXTENTS_MAX + 32) * 16 * KIB);
	free(before);
	close(fd);
}

int main(void)
{
	test_compare();
	test_file();
	return 0;
}
