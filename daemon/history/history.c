// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * history.c - see history.h. The machine's ring has its events in places that follow from their
 * numbers, so where a reader goes on is found at once.
 */
#include "history/history.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

struct history {
	uint64_t next;	/* number of the next event */
	uint32_t spare; /* places that rings of regions may still grow by */
	struct history_ring ring;
	struct history_region *of[HISTORY_MACHINE]; /* whose event is in that place of the ring */
	LIST_HEAD(, history_region) regions;	    /* those that have not ended */
};

int history_new(struct history **ret, uint64_t first)
{
	_cleanup_(history_freep) struct history *h = calloc(1, sizeof(*h));

	assert(first);
	if (!h)
		return -ENOMEM;
	LIST_INIT(&h->regions);
	h->next = first;
	h->spare = HISTORY_SPARE;
	h->ring.size = HISTORY_MACHINE;
	h->ring.events = calloc(HISTORY_MACHINE, sizeof(*h->ring.events));
	if (!h->ring.events)
		return -ENOMEM;
	*ret = steal_pointer(h);
	return 0;
}

static void free_region(struct history_region *r)
{
	free(r->ring.events);
	free(r->path);
	free(r);
}

/* The place of the @k-th oldest. */
static size_t place(const struct history_ring *r, size_t k)
{
	return (r->first + k) % r->size;
}

static void drop_use(struct history_region *r)
{
	if (--r->uses == 0 && r->ended)
		free_region(r);
}

struct history *history_free(struct history *h)
{
	struct history_region *r;

	if (!h)
		return NULL;
	for (size_t k = 0; k < h->ring.n; k++)
		drop_use(h->of[place(&h->ring, k)]);
	while ((r = LIST_FIRST(&h->regions))) {
		LIST_REMOVE(r, regions);
		free_region(r);
	}
	free(h->ring.events);
	free(h);
	return NULL;
}

void history_freep(struct history **h)
{
	history_free(*h);
}

int history_begin(struct history *h, uint64_t region, uint32_t uid, const char *session,
		  uint64_t device, uint64_t inode, const char *path, struct history_region **ret)
{
	struct history_region *r = calloc(1, sizeof(*r));
	size_t n = strnlen(session, HISTORY_SESSION_MAX - 1);

	assert(region);
	if (!r)
		return -ENOMEM;
	r->region = region;
	r->uid = uid;
	r->device = device;
	r->inode = inode;
	memcpy(r->session, session, n);
	r->path = path ? strdup(path) : NULL; /* without memory it has none */
	LIST_INSERT_HEAD(&h->regions, r, regions);
	*ret = r;
	return 0;
}

/* How many of so many places are beyond those that each region may have. */
static size_t spare_of(size_t size)
{
	return size > HISTORY_REGION_FIRST ? size - HISTORY_REGION_FIRST : 0;
}

void history_end(struct history *h, struct history_region *r)
{
	if (!r)
		return;
	assert(!r->ended);
	LIST_REMOVE(r, regions);
	r->ended = true;
	h->spare += (uint32_t)spare_of(r->ring.size);
	free(r->ring.events);
	r->ring = (struct history_ring){ 0 };
	if (!r->uses)
		free_region(r);
}

/* As long as it is not as large as it may be; without memory it stays as it is. */
static void grow(struct history *h, struct history_ring *r)
{
	size_t size = r->size ? 2 * r->size : HISTORY_REGION_FIRST;
	size_t more = spare_of(size) - spare_of(r->size);
	struct history_event *events;

	if (r->n < r->size || size > HISTORY_REGION || more > h->spare)
		return;
	events = malloc(size * sizeof(*events));
	if (!events)
		return;
	for (size_t k = 0; k < r->n; k++)
		events[k] = r->events[place(r, k)];
	h->spare -= (uint32_t)more;
	free(r->events);
	r->events = events;
	r->size = size;
	r->first = 0;
}

/* In the place of the oldest if there is no other. Returns the place. */
static size_t put(struct history_ring *r, const struct history_event *e)
{
	size_t at = place(r, r->n);

	r->events[at] = *e;
	if (r->n < r->size)
		r->n++;
	else
		r->first = place(r, 1);
	return at;
}

uint64_t history_add(struct history *h, struct history_region *r, const struct history_event *e)
{
	struct history_event event = *e;
	struct history_region *before = NULL;
	size_t at;

	if (!r)
		return 0;
	assert(!r->ended && e->kind < _HISTORY_KIND_MAX);
	event.sequence = h->next++;
	grow(h, &r->ring);
	if (r->ring.size)
		put(&r->ring, &event);
	if (h->ring.n == h->ring.size)
		before = h->of[h->ring.first];
	at = put(&h->ring, &event);
	h->of[at] = r;
	r->uses++;
	if (before)
		drop_use(before);
	return event.sequence;
}

static bool is_of_file(const struct history_filter *f, const struct history_region *r)
{
	if (f->path)
		return r->path && !strcmp(f->path, r->path);
	return f->device == r->device && f->inode == r->inode;
}

static bool matches(const struct history_filter *f, const struct history_region *r)
{
	return (!f->has_uid || f->uid == r->uid) && (!f->region || f->region == r->region) &&
	       (!f->has_file || is_of_file(f, r));
}

/* NULL: none. */
static const struct history_event *after_in(const struct history_ring *r, uint64_t after)
{
	for (size_t k = 0; k < r->n; k++)
		if (r->events[place(r, k)].sequence > after)
			return &r->events[place(r, k)];
	return NULL;
}

/* The first in a ring of regions. */
static const struct history_event *next_of_regions(const struct history *h,
						   const struct history_filter *f, uint64_t after,
						   const struct history_region **ret_region)
{
	const struct history_event *found = NULL, *e;
	const struct history_region *r;

	LIST_FOREACH(r, &h->regions, regions) {
		/* the newest first: of most there is nothing to look for */
		if (!r->ring.n || !matches(f, r) ||
		    r->ring.events[place(&r->ring, r->ring.n - 1)].sequence <= after)
			continue;
		e = after_in(&r->ring, after);
		if (!e || (found && e->sequence > found->sequence))
			continue;
		found = e;
		*ret_region = r;
	}
	return found;
}

const struct history_event *history_next(const struct history *h, const struct history_filter *f,
					 uint64_t after, const struct history_region **ret_region)
{
	uint64_t oldest = h->next - h->ring.n;

	/* the machine's ring has all from @oldest on */
	if (after + 1 < oldest && (f->region || f->has_file)) {
		const struct history_event *e = next_of_regions(h, f, after, ret_region);

		if (e && e->sequence < oldest)
			return e;
	}
	for (size_t k = after < oldest ? 0 : (size_t)(after - oldest + 1); k < h->ring.n; k++) {
		size_t at = place(&h->ring, k);

		if (!matches(f, h->of[at]))
			continue;
		*ret_region = h->of[at];
		return &h->ring.events[at];
	}
	return NULL;
}

uint64_t history_oldest_usec(const struct history *h)
{
	return h->ring.n ? h->ring.events[h->ring.first].real_usec : 0;
}
