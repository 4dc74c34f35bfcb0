// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * history.c - see history.h. The machine's ring has its events in places that follow from their
 * numbers, so where a reader goes on is found at once.
 */
#include "history/history.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

#define BUCKETS 4096
#define SEARCH_STRIDE 16 /* regions between two looks at the clock */

LIST_HEAD(history_regions, history_region);

/* Somebody who has regions that live. */
struct history_user {
	uint32_t uid;
	uint32_t regions;
	uint32_t spare; /* places that rings of these regions took of what all share */
	TAILQ_HEAD(, history_region) grown; /* who took them, the earliest first */
	LIST_ENTRY(history_user) users;
};

struct history {
	uint64_t next;	/* number of the next event */
	uint32_t spare; /* places that rings of regions may still grow by */
	struct history_ring ring;
	struct history_region *of[HISTORY_MACHINE]; /* whose event is in that place of the ring */
	/* those that have not ended, in no order; a search goes from the last to the first */
	struct history_region **regions;
	size_t n, allocated;
	struct history_regions by_number[BUCKETS];
	LIST_HEAD(, history_user) users;
};

int history_new(struct history **ret, uint64_t first)
{
	_cleanup_(history_freep) struct history *h = calloc(1, sizeof(*h));

	assert(first);
	if (!h)
		return -ENOMEM;
	LIST_INIT(&h->users);
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
	if (!h)
		return NULL;
	for (size_t k = 0; k < h->ring.n; k++)
		drop_use(h->of[place(&h->ring, k)]);
	while (h->n)
		history_end(h, h->regions[h->n - 1]);
	free(h->regions);
	free(h->ring.events);
	free(h);
	return NULL;
}

void history_freep(struct history **h)
{
	history_free(*h);
}

static struct history_user *user_of(struct history *h, uint32_t uid)
{
	struct history_user *u;

	LIST_FOREACH(u, &h->users, users)
		if (u->uid == uid)
			return u;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->uid = uid;
	TAILQ_INIT(&u->grown);
	LIST_INSERT_HEAD(&h->users, u, users);
	return u;
}

static void drop_user(struct history_user *u)
{
	if (u->regions)
		return;
	LIST_REMOVE(u, users);
	free(u);
}

static bool make_room(struct history *h)
{
	size_t want = h->allocated ? 2 * h->allocated : 64;
	struct history_region **more;

	if (h->n < h->allocated)
		return true;
	more = reallocarray(h->regions, want, sizeof(*more));
	if (!more)
		return false;
	h->regions = more;
	h->allocated = want;
	return true;
}

int history_begin(struct history *h, uint64_t region, uint32_t uid, const char *session,
		  const char *name, uint64_t device, uint64_t inode, const char *path,
		  struct history_region **ret)
{
	struct history_region *r = calloc(1, sizeof(*r));
	size_t n = strnlen(session, HISTORY_SESSION_MAX - 1);

	assert(region);
	if (!r || !make_room(h) || !(r->user = user_of(h, uid))) {
		free(r);
		return -ENOMEM;
	}
	r->user->regions++;
	r->region = region;
	r->uid = uid;
	r->device = device;
	r->inode = inode;
	memcpy(r->session, session, n);
	snprintf(r->name, sizeof(r->name), "%s", name ? name : "");
	r->path = path ? strdup(path) : NULL; /* without memory it has none */
	r->at = h->n;
	h->regions[h->n++] = r;
	LIST_INSERT_HEAD(&h->by_number[region % BUCKETS], r, of_number);
	*ret = r;
	return 0;
}

/* How many of so many places are beyond those that each region may have. */
static uint32_t spare_of(size_t size)
{
	return size > HISTORY_REGION_FIRST ? (uint32_t)(size - HISTORY_REGION_FIRST) : 0;
}

/* What the region took of what all share is so much from now on. */
static void charge(struct history *h, struct history_region *r, size_t size)
{
	struct history_user *u = r->user;
	uint32_t before = spare_of(r->ring.size), now = spare_of(size);

	h->spare = h->spare + before - now;
	u->spare = u->spare + now - before;
	if (!before && now)
		TAILQ_INSERT_TAIL(&u->grown, r, of_grown);
	else if (before && !now)
		TAILQ_REMOVE(&u->grown, r, of_grown);
}

void history_end(struct history *h, struct history_region *r)
{
	if (!r)
		return;
	assert(!r->ended);
	charge(h, r, 0);
	LIST_REMOVE(r, of_number);
	h->regions[r->at] = h->regions[--h->n];
	h->regions[r->at]->at = r->at;
	r->user->regions--;
	drop_user(r->user);
	r->user = NULL;
	r->ended = true;
	free(r->ring.events);
	r->ring = (struct history_ring){ 0 };
	if (!r->uses)
		free_region(r);
}

/* To so many places, with the last events. Without memory it stays as it is. */
static bool resize(struct history *h, struct history_region *of, size_t size)
{
	struct history_event *events = malloc(size * sizeof(*events));
	struct history_ring *r = &of->ring;
	size_t n = r->n < size ? r->n : size;

	if (!events)
		return false;
	for (size_t k = 0; k < n; k++)
		events[k] = r->events[place(r, r->n - n + k)];
	charge(h, of, size);
	free(r->events);
	*r = (struct history_ring){ .events = events, .size = size, .n = n };
	return true;
}

/*
 * Of what all share there is nothing left: the user with most of it gives back what the region has
 * that took of it first, as long as it has more than @u would have.
 */
static bool take_from_most(struct history *h, const struct history_user *u, uint32_t more)
{
	while (h->spare < more) {
		struct history_user *most = NULL, *one;

		LIST_FOREACH(one, &h->users, users)
			if (one != u && (!most || one->spare > most->spare))
				most = one;
		if (!most || most->spare <= u->spare + more ||
		    !resize(h, TAILQ_FIRST(&most->grown), HISTORY_REGION_FIRST))
			return false;
	}
	return true;
}

/* As long as it is not as large as it may be. */
static void grow(struct history *h, struct history_region *r)
{
	size_t size = r->ring.size ? 2 * r->ring.size : HISTORY_REGION_FIRST;
	uint32_t more = spare_of(size) - spare_of(r->ring.size);

	if (r->ring.n < r->ring.size || size > HISTORY_REGION)
		return;
	if (!more || take_from_most(h, r->user, more))
		resize(h, r, size);
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
	grow(h, r);
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

static bool is_called(const struct history_filter *f, const struct history_region *r)
{
	return f->name_uid == r->uid && !strcmp(f->session, r->session) &&
	       !strcmp(f->name, r->name);
}

static bool matches(const struct history_filter *f, const struct history_region *r)
{
	return (!f->has_uid || f->uid == r->uid) && (!f->region || f->region == r->region) &&
	       (!f->has_file || is_of_file(f, r)) && (!f->name || is_called(f, r));
}

const struct history_event *history_next(const struct history *h, const struct history_filter *f,
					 uint64_t after, const struct history_region **ret_region)
{
	uint64_t oldest = h->next - h->ring.n;

	/* the machine's ring has all from @oldest on */
	for (size_t k = after < oldest ? 0 : (size_t)(after - oldest + 1); k < h->ring.n; k++) {
		size_t at = place(&h->ring, k);

		if (!matches(f, h->of[at]))
			continue;
		*ret_region = h->of[at];
		return &h->ring.events[at];
	}
	return NULL;
}

static struct history_region *find(const struct history *h, uint64_t region)
{
	struct history_region *r;

	LIST_FOREACH(r, &h->by_number[region % BUCKETS], of_number)
		if (r->region == region)
			return r;
	return NULL;
}

/* The event is among the first ones that were met so far, or it is not. */
static void note(struct history_search *s, uint64_t sequence, uint64_t region)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (s->found[middle].sequence < sequence)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == HISTORY_FOUND || (low < s->n && s->found[low].sequence == sequence))
		return; /* later than all of them, or of a region that took another's place */
	if (s->n < HISTORY_FOUND)
		s->n++;
	memmove(s->found + low + 1, s->found + low, (s->n - low - 1) * sizeof(*s->found));
	s->found[low] = (struct history_found){ sequence, region };
}

static void look(struct history_search *s, const struct history_filter *f, uint64_t after,
		 const struct history_region *r)
{
	const struct history_ring *ring = &r->ring;

	if (!matches(f, r))
		return;
	for (size_t k = ring->n; k-- > 0;) {
		uint64_t sequence = ring->events[place(ring, k)].sequence;

		if (sequence <= after)
			break;
		note(s, sequence, r->region);
	}
}

bool history_search(const struct history *h, const struct history_filter *f, uint64_t after,
		    struct history_search *s)
{
	const struct history_region *r = f->region ? find(h, f->region) : NULL;

	if (!s->begun) {
		/* what the machine's ring still has needs no search */
		bool narrow = f->region || f->has_file || f->name;

		s->left = narrow && after + 1 < h->next - h->ring.n ? h->n : 0;
		s->begun = true;
	}
	if (s->left && f->region) {
		if (r)
			look(s, f, after, r);
		s->left = 0;
	}
	/* who came meanwhile is at the end, and of regions that left the last took the place */
	if (s->left > h->n)
		s->left = h->n;
	for (size_t i = 0; s->left && i < SEARCH_STRIDE; i++)
		look(s, f, after, h->regions[--s->left]);
	return s->left;
}

static const struct history_event *event_of(const struct history_region *r, uint64_t sequence)
{
	for (size_t k = 0; r && k < r->ring.n; k++)
		if (r->ring.events[place(&r->ring, k)].sequence == sequence)
			return &r->ring.events[place(&r->ring, k)];
	return NULL;
}

const struct history_event *history_next_found(const struct history *h,
					       const struct history_filter *f, uint64_t after,
					       struct history_search *s,
					       const struct history_region **ret_region)
{
	const struct history_event *next = history_next(h, f, after, ret_region), *e;

	for (; s->taken < s->n; s->taken++) {
		const struct history_found *found = &s->found[s->taken];
		const struct history_region *r;

		if (found->sequence <= after)
			continue;
		if (next && next->sequence <= found->sequence)
			break;
		r = find(h, found->region);
		e = event_of(r, found->sequence);
		if (!e) /* lost meanwhile, or its region ended */
			continue;
		*ret_region = r;
		return e;
	}
	return next;
}

uint64_t history_oldest_usec(const struct history *h)
{
	return h->ring.n ? h->ring.events[h->ring.first].real_usec : 0;
}
