// SPDX-License-Identifier: GPL-2.0-or-later
/* extents.c - see extents.h. */
#include "keeper/extents.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "util/cleanup.h"

#define EXTENTS_PER_CALL 128u
#define CALLS_MAX 512u

/* One extent more; false: there is no room for it. */
static bool add(struct extents *x, struct extent e)
{
	struct extent *last = x->n ? &x->item[x->n - 1] : NULL;

	if (last && last->end == e.start &&
	    (last->place ? e.place == last->place + (last->end - last->start) : !e.place)) {
		last->end = e.end;
		return true;
	}
	if (x->n == EXTENTS_MAX)
		return false;
	x->item[x->n++] = e;
	return true;
}

/* The part of it that lies inside. */
static struct extent clip(const struct fiemap_extent *f, uint64_t start, uint64_t end, bool places)
{
	static const uint32_t placeless = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_ENCODED |
					  FIEMAP_EXTENT_NOT_ALIGNED;
	uint64_t last = f->fe_logical + f->fe_length;
	struct extent e = { .start = f->fe_logical > start ? f->fe_logical : start,
			    .end = last < end ? last : end };

	if (places && !(f->fe_flags & placeless))
		e.place = f->fe_physical + (e.start - f->fe_logical);
	return e;
}

/* From where on the next call has to look; @x->end if that was the last. Negative errno. */
static int64_t read_some(int fd, struct extents *x, uint64_t from, bool places, struct fiemap *map)
{
	memset(map, 0, sizeof(*map));
	map->fm_start = from;
	map->fm_length = x->end - from;
	map->fm_extent_count = EXTENTS_PER_CALL;
	if (ioctl(fd, FS_IOC_FIEMAP, map) < 0)
		return errno == ENOTTY ? -EOPNOTSUPP : -errno;
	if (!map->fm_mapped_extents)
		return (int64_t)x->end;
	for (uint32_t i = 0; i < map->fm_mapped_extents; i++) {
		struct extent e = clip(&map->fm_extents[i], x->start, x->end, places);

		if (e.start < e.end && !add(x, e)) {
			x->end = e.start;
			return (int64_t)x->end;
		}
		if (e.end > from)
			from = e.end;
		if (map->fm_extents[i].fe_flags & FIEMAP_EXTENT_LAST)
			return (int64_t)x->end;
	}
	return (int64_t)from;
}

int extents_read(int fd, uint64_t start, uint64_t end, bool places, struct extents **ret)
{
	size_t size = offsetof(struct fiemap, fm_extents) + EXTENTS_PER_CALL * sizeof(struct fiemap_extent);
	_cleanup_(freep) struct fiemap *map = malloc(size);
	_cleanup_(freep) struct extents *x = malloc(sizeof(*x) + EXTENTS_MAX * sizeof(struct extent));
	struct extents *small;
	int64_t at = (int64_t)start;

	if (!map || !x)
		return -ENOMEM;
	*x = (struct extents){ .start = start, .end = end };
	for (unsigned int i = 0; at >= 0 && (uint64_t)at < x->end && i < CALLS_MAX; i++)
		at = read_some(fd, x, (uint64_t)at, places, map);
	if (at < 0)
		return (int)at;
	if ((uint64_t)at < x->end)
		x->end = (uint64_t)at;
	small = realloc(x, sizeof(*x) + x->n * sizeof(struct extent));
	if (small)
		x = small;
	*ret = steal_pointer(x);
	return 0;
}

static void note(struct extents_loss *l, uint64_t start, uint64_t end)
{
	if (!l->end)
		l->start = start;
	l->end = end;
}

struct extents_loss extents_compare(const struct extents *before, const struct extents *after)
{
	uint64_t start = before->start > after->start ? before->start : after->start;
	uint64_t end = before->end < after->end ? before->end : after->end;
	struct extents_loss l = { 0 };
	uint32_t k = 0;

	for (uint32_t i = 0; i < before->n; i++) {
		const struct extent *b = &before->item[i];
		uint64_t at = b->start > start ? b->start : start, last = b->end < end ? b->end : end;

		while (at < last) {
			const struct extent *a;
			uint64_t until;

			while (k < after->n && after->item[k].end <= at)
				k++;
			a = k < after->n ? &after->item[k] : NULL;
			if (!a || a->start > at) { /* a hole now */
				until = a && a->start < last ? a->start : last;
				l.lost_bytes += until - at;
				note(&l, at, until);
			} else {
				until = a->end < last ? a->end : last;
				if (a->place && b->place &&
				    a->place + (at - a->start) != b->place + (at - b->start)) {
					l.moved_bytes += until - at;
					note(&l, at, until);
				}
			}
			at = until;
		}
	}
	return l;
}
