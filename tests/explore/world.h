/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * world.h - one region and everything around it, as plain data that can be copied, compared and stored.
 *
 * The guard and the region machine are the real ones; the kernel's lease with its own deadline, the keeper's operations under way, both
 * message queues, one local holder and one remote peer are models. Whatever can happen next is an action; world_act() does it,
 * and notes in world_violation what must not be.
 */
#ifndef RDMAREG_EXPLORE_WORLD_H
#define RDMAREG_EXPLORE_WORLD_H

#include "core/guard.h"
#include "core/region.h"
#include "core/registry.h"

/* The registry as far as region.c needs it: a pool of holders, as plain data. */
#define POOL 3
struct registry {
	struct holder holders[POOL];
	uint32_t free_holder;
};

enum lease { LEASE_NONE, LEASE_ARMED, LEASE_BREAKING, LEASE_RELEASED, LEASE_EXPIRED };

/* A message between keeper and daemon. */
struct message {
	uint8_t type; /* enum region_event_type to the daemon; MESSAGE_* to the keeper */
	uint8_t kind;
	uint8_t outcome;
	uint8_t revocation;
	uint8_t valid_length;
};
enum { MESSAGE_CONSENT = 100, MESSAGE_RELEASE, MESSAGE_RELEASE_KINDLY };

#define QUEUE 20
struct queue {
	uint8_t n;
	struct message item[QUEUE];
};

enum { CLIENT = 1, PEER = 2 };

struct world {
	/* kernel */
	uint8_t lease;
	uint8_t break_id;
	bool report_pending;
	/* keeper */
	struct guard guard;
	bool keeper_up;
	bool timer_armed;
	uint64_t timer_at;
	bool fence_pending, destroy_pending, release_pending, arm_pending, refresh_pending;
	uint8_t fenced_pages; /* bit per page of the region's two */
	bool mr_alive;
	bool torn_down;
	uint8_t kernel_length; /* of the file: 2, or 1 after a truncate */
	/* the peer */
	bool peer_connected, peer_asked, peer_acked_in_time, peer_cut;
	/* daemon */
	bool daemon_up;
	struct region region;
	struct registry registry;
	bool removed;
	bool client_there, client_asked;
	uint8_t consents; /* sent for the current revocation */
	struct queue to_daemon, to_keeper;
	/* what may still happen */
	uint8_t breaks_left, truncates_left;
	uint8_t mishaps_left; /* failures, crashes, false acknowledgements */
	bool release_wanted;
	uint8_t demands_left;
	uint8_t demand[2]; /* of page 0, of page 1: DEMAND_* */
	uint64_t promised; /* the deadline that holders were given; it never moves back */
};

enum { NO_DEMAND, DEMAND_OPEN, DEMAND_GRANTED };

enum action {
	BREAK,
	KERNEL_DEADLINE,
	FILE_SHRINKS,
	REPORT,
	TIMER,
	TIMER_STALE,
	FENCE_OK,
	FENCE_FAILS,
	DESTROYED,
	RELEASED,
	ARM_OK,
	ARM_AGAIN,
	ARM_FAILS,
	REFRESHED,
	TO_DAEMON,
	TO_KEEPER,
	CLIENT_ACKS,
	CLIENT_ACKS_STALE,
	CLIENT_LEAVES,
	PEER_ACKS,
	PEER_LEAVES,
	RELEASE,
	DEMAND_PAGE_0,
	DEMAND_PAGE_1,
	DEMAND_LIMITED, /* of page 1, over by itself */
	OVER_PAGE_0,
	OVER_PAGE_1,
	RELEASE_KINDLY,
	DAEMON_DIES,
	DAEMON_STARTS,
	KEEPER_DIES,
	_ACTION_MAX,
};

extern const char *const world_action_names[_ACTION_MAX];

/* What must not be, in words; NULL while all is well. Set once, by world_act() and world_check(). */
extern const char *world_violation;

/* Note @what as the violation unless @ok. Returns @ok. */
bool world_require(bool ok, const char *what);

/* How much may happen in one history. */
struct budget {
	const char *name;
	enum region_policy policy;
	uint8_t breaks;
	uint8_t demands;
	uint8_t mishaps; /* failures, crashes and false acknowledgements */
};

/* A registered, open region with a holder and a peer. */
void world_init(struct world *w, const struct budget *budget);

/* Do @a. Returns false, and changes nothing, if it cannot happen in this world. */
bool world_act(struct world *w, enum action a);

/* Check every invariant that is about a world, not a step: nothing is stuck, nothing dead owns anything. */
void world_check(const struct world *w);

/* Give worlds that nothing can tell apart the same bytes. */
void world_normalize(struct world *w);

#endif
