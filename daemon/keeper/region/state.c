// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * state.c - what can be said of a region from what is known of it. What always holds: nothing is
 * changed here, and nobody is asked.
 */
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "keeper/system/watch.h"

uint64_t kregion_revocation(const struct kregion *r)
{
	if (r->phase != KREGION_HELD || r->guard.state < GUARD_ASKED ||
	    r->guard.state > GUARD_REFRESHING)
		return 0;
	return r->guard.revocation;
}

bool kregion_is_open_to_peers(const struct kregion *r)
{
	return r->phase == KREGION_HELD && r->guard.state <= GUARD_REFRESHING &&
	       !r->guard.close_wanted;
}

bool kregion_is_leased(const struct kregion *r)
{
	return r->watching.layout_slot != WATCH_NO_SLOT && !r->watching.unleased;
}

enum region_blocks kregion_blocks_trouble(const struct kregion *r)
{
	const struct kregion_replaced *b = &r->replaced;

	if (!r->mapping->direct || (kregion_is_leased(r) && !r->replaced.late))
		return REGION_BLOCKS_FINE;
	if (r->mapping->xfs)
		return b->found.never_shared ? REGION_BLOCKS_FINE : REGION_BLOCKS_SHARED;
	return b->found.unwritten ? REGION_BLOCKS_UNWRITTEN : REGION_BLOCKS_FINE;
}
