// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * setups.c - the small worlds that are explored. What one leaves out another has: single regions have every order of a keeper's
 * completions and failures; two regions of two tenants have overlapping demands through one daemon, and keepers that complete at once.
 */
#include "setups.h"

#define CLIENT(r)                \
	{                        \
		HOLDER_CLIENT, r \
	}
#define PEER(r)                \
	{                      \
		HOLDER_PEER, r \
	}
#define PAGE_0 .start = 0, .end = 1, .grace_usec = 7000000
#define PAGE_1 .start = 1, .end = 2, .grace_usec = 3000000
#define EVERYTHING .start = 0, .end = 2, .grace_usec = 3000000

const struct setup setups[] = {
	{ .name = "two breaks, yield",
	  .policy = { POLICY_YIELD },
	  .regions = 1,
	  .holders = 2,
	  .holder = { CLIENT(0), PEER(0) },
	  .breaks = 2,
	  .truncates = 1,
	  .releases = 1,
	  .leaves = 1,
	  .mishaps = 1,
	  .lag = 2 },
	{ .name = "two breaks, follow",
	  .policy = { POLICY_FOLLOW },
	  .regions = 1,
	  .holders = 2,
	  .holder = { CLIENT(0), PEER(0) },
	  .breaks = 2,
	  .releases = 1,
	  .mishaps = 1,
	  .lag = 2 },
	{ .name = "two demands, one widens the other",
	  .policy = { POLICY_YIELD },
	  .regions = 1,
	  .holders = 2,
	  .holder = { CLIENT(0), PEER(0) },
	  .demands = 2,
	  .demand = { { PAGE_0 }, { PAGE_1 } },
	  .mishaps = 1,
	  .lag = 2 },
	{ .name = "a demand and a break by whoever made it or by a stranger",
	  .policy = { POLICY_YIELD },
	  .regions = 1,
	  .holders = 2,
	  .holder = { CLIENT(0), PEER(0) },
	  .demands = 1,
	  .demand = { { PAGE_0 } },
	  .breaks = 1,
	  .releases = 1,
	  .mishaps = 1,
	  .lag = 2 },
	{ .name = "limits: demands that are over by themselves, a release with a grace",
	  .policy = { POLICY_YIELD },
	  .regions = 1,
	  .holders = 2,
	  .holder = { CLIENT(0), PEER(0) },
	  .demands = 2,
	  .demand = { { PAGE_0, .limit_usec = 9000000 }, { EVERYTHING, .limit_usec = 20000000 } },
	  .releases = 1,
	  .mishaps = 1,
	  .lag = 2 },
	{ .name = "three holders of one region",
	  .policy = { POLICY_YIELD },
	  .regions = 1,
	  .holders = 3,
	  .holder = { CLIENT(0), PEER(0), PEER(0) },
	  .demands = 2,
	  .demand = { { PAGE_0 }, { PAGE_1 } },
	  .leaves = 2,
	  .mishaps = 1,
	  .lag = 2 },
	{ .name = "two tenants, two local holders and a peer, overlapping demands",
	  .policy = { POLICY_YIELD, POLICY_YIELD },
	  .regions = 2,
	  .holders = 3,
	  .holder = { CLIENT(0), PEER(1), CLIENT(1) },
	  .demands = 2,
	  .demand = { { PAGE_0 }, { EVERYTHING } },
	  .mishaps = 1,
	  .lag = 2,
	  .at_once = true },
	{ .name = "two tenants, a local holder and two peers, a demand and its break",
	  .policy = { POLICY_YIELD, POLICY_FOLLOW },
	  .regions = 2,
	  .holders = 3,
	  .holder = { CLIENT(0), PEER(0), PEER(1) },
	  .demands = 1,
	  .demand = { { PAGE_0 } },
	  .breaks = 1,
	  .mishaps = 1,
	  .lag = 2,
	  .at_once = true },
	{ .name = "two tenants, one of them holds",
	  .policy = { POLICY_YIELD, POLICY_HOLD },
	  .regions = 2,
	  .holders = 2,
	  .holder = { PEER(0), PEER(1) },
	  .demands = 2,
	  .demand = { { PAGE_0 }, { EVERYTHING } },
	  .releases = 1,
	  .mishaps = 1,
	  .lag = 2,
	  .at_once = true },
};
const size_t n_setups = sizeof(setups) / sizeof(*setups);
