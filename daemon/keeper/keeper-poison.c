// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-poison.c - memory of a region that failed or was taken away: which region, how much of it
 * is known, and who is told.
 *
 * What always holds: what was lost stays told for as long as the region lives, and only grows: a
 * page that was replaced meanwhile (a hole was punched there, say) costs nothing to mention, and
 * one that is forgotten costs a search. The region goes on: accesses to what is lost fail, all
 * others succeed.
 */
#include <inttypes.h>
#include <stdio.h>

#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/keeper-tell.h"
#include "keeper/system/mapping.h"
#include "keeper/system/poison.h"
#include "util/log.h"

void kregion_note_damage(struct kregion *r, uint64_t start, uint64_t end, const char *cause)
{
	if (end > r->mapping->length)
		end = r->mapping->length;
	if (start >= end || (r->damage.end && start >= r->damage.start && end <= r->damage.end))
		return;
	if (!r->damage.end || start < r->damage.start)
		r->damage.start = start;
	if (end > r->damage.end)
		r->damage.end = end;
	snprintf(r->damage.text, sizeof(r->damage.text),
		 "%s: accesses to bytes [%" PRIu64 ", %" PRIu64
		 ") of the region, and maybe others, fail",
		 cause, r->damage.start, r->damage.end);
	log_about(LOG_ERR, LOG_FIELDS(.message = LOG_MESSAGE_MEMORY_LOST, .file = r->path),
		  "region %" PRIu64 ": %s (%s)", r->id, r->damage.text, r->path[0] ? r->path : "?");
	if (r->announced && r->phase == KREGION_HELD)
		tell_mode(r);
}

static void on_struck(void *userdata, uint64_t address, uint64_t bytes)
{
	struct keeper *k = userdata;
	uint64_t first = address & ~(bytes - 1);
	bool ours = false;

	for (struct kregion *r = keeper_next(k, NULL); r; r = keeper_next(k, r)) {
		uint64_t base, last;

		if (!r->mapping || r->phase == KREGION_ENDING)
			continue; /* not there yet, or somebody is taking it down */
		base = r->mapping->address;
		last = base + r->mapping->length;
		if (first >= last || first + bytes <= base)
			continue;
		ours = true;
		kregion_note_damage(r, first > base ? first - base : 0, first + bytes - base,
				    "memory failed or was taken away");
	}
	if (!ours)
		log_error("memory of this keeper failed at %#" PRIx64 ", which is no region's",
			  address);
}

int keeper_watch_poison(struct keeper *k)
{
	return poison_new(&k->poison, k->base, on_struck, k);
}
