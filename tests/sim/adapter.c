// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * adapter.c - memory regions as an adapter sees them: a translation for each page, made by the
 * first access and used until somebody invalidates it, wherever the block has gone by then.
 *
 * What always holds: a write lands in the block of the translation. Whether it should have is
 * judged here, by who owns the block, and by whether an operation for which this region made way is
 * still at work.
 */
#include <string.h>

#include "sim.h"

static uint8_t page_in(const struct kregion *r, uint8_t page)
{
	return page - r->spec.first;
}

bool adapter_reaches(const struct kregion *r, uint8_t start, uint8_t end)
{
	uint8_t last = r->spec.first + r->spec.pages;

	for (uint8_t p = start > r->spec.first ? start : r->spec.first;
	     r->mr && p < end && p < last; p++)
		if (!r->fenced[page_in(r, p)] || r->translation[page_in(r, p)] >= 0)
			return true;
	return false;
}

void adapter_fence(struct kregion *r, uint64_t start, uint64_t end)
{
	for (uint64_t p = start / PAGE; p * PAGE < end && p < r->spec.pages; p++) {
		r->fenced[p] = true;
		r->translation[p] = -1;
	}
}

void adapter_open(struct kregion *r)
{
	memset(r->fenced, 0, sizeof(r->fenced));
}

void adapter_destroy(struct kregion *r)
{
	r->mr = false;
	memset(r->translation, -1, sizeof(r->translation));
}

static void restat(struct sim *s, const struct event *e)
{
	struct kregion *r = keeper_find(s, e->a);
	uint64_t length;

	/* while it is revoked the guard reads the length itself, at the end */
	if (!r || !r->held || !guard_is_open(&r->guard))
		return;
	length = keeper_length(s, r);
	if (length == r->guard.valid_length)
		return;
	r->guard.valid_length = r->told_length = length;
	keeper_tell(s, r, REGION_LENGTH, 0, 0, 0);
}

void adapter_invalidate(struct sim *s, struct kregion *r, uint8_t start, uint8_t end)
{
	for (uint8_t p = start; p < end; p++)
		if (p >= r->spec.first && p < r->spec.first + r->spec.pages)
			r->translation[page_in(r, p)] = -1;
	sim_soon(s, keeper_of(s, r), restat, r->id, 0);
}

/* Is an operation at work there that this region made way for? */
static bool is_taken(const struct sim *s, const struct kregion *r, uint8_t page)
{
	size_t slot = (size_t)(r - s->region);

	for (int i = 0; i < OPS; i++) {
		const struct op *o = &s->op[i];

		if (o->id && o->stage == OP_AT_WORK && o->file == r->spec.file &&
		    page >= o->start && page < o->end && o->kind != OP_EXTEND &&
		    (o->by_lease[slot] == r->id || o->by_gate[slot] == r->id))
			return true;
	}
	return false;
}

bool adapter_write(struct sim *s, struct kregion *r, uint8_t page)
{
	int8_t *t = &r->translation[page_in(r, page)];

	if (!r->mr)
		return false;
	if (*t < 0) {
		if (r->fenced[page_in(r, page)])
			return false;
		*t = fs_block_for(s, r->spec.file, page);
		if (*t < 0)
			return false; /* beyond the end of the file */
	}
	sim_require(s, s->owner[*t] == r->spec.file + 1 && s->file[r->spec.file].block[page] == *t,
		    "a peer's write landed in a block that belongs to somebody else");
	sim_require(s, !is_taken(s, r, page),
		    "a peer's write landed in a block that was given back");
	s->counted[5]++;
	return true;
}
