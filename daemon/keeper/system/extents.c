// SPDX-License-Identifier: GPL-2.0-or-later
/* extents.c - see extents.h. */
#include "keeper/system/extents.h"

#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "util/cleanup.h"

#define BATCH 256u
#define READ_MOST 65536u

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
	static const uint32_t placeless = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC |
					  FIEMAP_EXTENT_ENCODED | FIEMAP_EXTENT_NOT_ALIGNED;
	uint64_t last = f->fe_logical + f->fe_length;
	struct extent e = { .start = f->fe_logical > start ? f->fe_logical : start,
			    .end = last < end ? last : end };

	if (places && !(f->fe_flags & placeless))
		e.place = f->fe_physical + (e.start - f->fe_logical);
	return e;
}

int extents_walk(int fd, uint64_t start, uint64_t end, uint32_t most,
		 bool (*each)(const struct fiemap_extent *e, void *userdata), void *userdata)
{
	_Alignas(struct fiemap) char
		room[sizeof(struct fiemap) + BATCH * sizeof(struct fiemap_extent)];
	struct fiemap *m = (struct fiemap *)(void *)room;
	uint32_t seen = 0;

	while (start < end && seen < most) {
		*m = (struct fiemap){ .fm_start = start,
				      .fm_length = end - start,
				      .fm_extent_count = BATCH };
		if (ioctl(fd, FS_IOC_FIEMAP, m) < 0)
			return errno == ENOTTY ? -EOPNOTSUPP : -errno;
		for (uint32_t i = 0; i < m->fm_mapped_extents; i++) {
			const struct fiemap_extent *e = &m->fm_extents[i];

			start = e->fe_logical + e->fe_length;
			if (!each(e, userdata) || e->fe_flags & FIEMAP_EXTENT_LAST)
				return 0;
		}
		if (!m->fm_mapped_extents)
			return 0;
		seen += m->fm_mapped_extents;
	}
	return start < end ? -E2BIG : 0;
}

struct reading {
	struct extents *x;
	bool places;
	uint64_t at; /* so far */
};

static bool read_one(const struct fiemap_extent *f, void *userdata)
{
	struct reading *r = userdata;
	struct extent e = clip(f, r->x->start, r->x->end, r->places);

	if (e.start >= e.end)
		return true;
	r->at = e.end;
	if (add(r->x, e))
		return true;
	r->x->end = e.start;
	return false;
}

int extents_read(int fd, uint64_t start, uint64_t end, bool places, struct extents **ret)
{
	_cleanup_(freep) struct extents *x =
		malloc(sizeof(*x) + EXTENTS_MAX * sizeof(struct extent));
	struct reading reading = { .x = x, .places = places, .at = start };
	struct extents *small;
	int r;

	if (!x)
		return -ENOMEM;
	*x = (struct extents){ .start = start, .end = end };
	r = extents_walk(fd, start, end, READ_MOST, read_one, &reading);
	if (r == -E2BIG)
		x->end = reading.at;
	else if (r < 0)
		return r;
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
		uint64_t at = b->start > start ? b->start : start,
			 last = b->end < end ? b->end : end;

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
