// SPDX-License-Identifier: GPL-2.0-or-later
/* invariants.c - what must hold in every world: see world_check() in world.h. */
#include <string.h>

#include "world.h"

/* Actions that need no client, no peer, no daemon and no deadline of the kernel: what a guard may rely on. */
static const enum action alone[] = { REPORT, FENCE_OK, DESTROYED, RELEASED, ARM_OK, REFRESHED, TIMER };
/* The same, and everybody behaves. */
static const enum action together[] = { TO_DAEMON,   TO_KEEPER,	  CLIENT_ACKS, PEER_ACKS, REPORT,
					FENCE_OK,    DESTROYED,	  RELEASED,    ARM_OK,	  REFRESHED,
					OVER_PAGE_0, OVER_PAGE_1, TIMER };

/* Do the first possible of @list until @done holds or nothing is possible. Returns whether @done was reached. */
static bool run(struct world w, const enum action *list, size_t n, bool (*done)(const struct world *))
{
	for (int step = 0; step < 200 && !world_violation; step++) {
		size_t i = 0;

		if (done(&w))
			return true;
		while (i < n && !world_act(&w, list[i]))
			i++;
		if (i == n)
			return done(&w);
	}
	return false;
}

static bool nobody_waits(const struct world *w)
{
	return w->lease != LEASE_BREAKING;
}

static bool nobody_demands(const struct world *w)
{
	return w->demand[0] != DEMAND_OPEN && w->demand[1] != DEMAND_OPEN;
}

static bool at_rest(const struct world *w)
{
	bool quiet = !w->to_daemon.n && !w->to_keeper.n && !w->report_pending;

	if (!w->keeper_up || w->torn_down)
		return quiet && w->removed;
	return quiet && w->guard.state == GUARD_OPEN && (w->lease == LEASE_ARMED || !w->guard.watched) &&
	       (w->region.state == REGION_LIVE || w->region.state == REGION_WARMING) && !w->region.revoking &&
	       !w->fenced_pages && w->region.valid_length == w->guard.valid_length;
}

void world_check(const struct world *w)
{
	const struct guard *g = &w->guard;

	if (!w->keeper_up)
		return;
	world_require(!(w->peer_cut && w->peer_acked_in_time),
		      "a peer that acknowledged in time was cut off");
	world_require(g->state != GUARD_OPEN || !w->fenced_pages, "open, but the mapping is fenced");
	world_require(g->fenced || !w->fenced_pages || w->refresh_pending || !w->mr_alive,
		      "fenced without knowing it");
	for (uint64_t i = 0; i < 2; i++)
		world_require(!g->fenced || g->fence_start > i || g->fence_end <= i ||
				      w->fenced_pages & 1u << i || w->refresh_pending || !w->mr_alive,
			      "believed to be fenced, and is not");
	if (g->state == GUARD_DEAD) {
		world_require(!w->timer_armed && !w->fence_pending && !w->release_pending &&
				      !w->arm_pending && !w->refresh_pending,
			      "a dead guard owns something");
		world_require(w->lease == LEASE_NONE && !w->mr_alive,
			      "a dead guard left a lease or a memory region");
	}
	if (w->lease == LEASE_BREAKING)
		world_require(run(*w, alone, sizeof(alone) / sizeof(*alone), nobody_waits),
			      "a break is not settled by the keeper alone");
	if (!nobody_demands(w))
		world_require(run(*w, alone, sizeof(alone) / sizeof(*alone), nobody_demands),
			      "a demand is not granted by the keeper alone");
	if (w->daemon_up)
		world_require(run(*w, together, sizeof(together) / sizeof(*together), at_rest),
			      "everybody behaves and the region does not come to rest");
}
