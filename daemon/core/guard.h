/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard.h - the safety of one region, as a pure state machine. It runs in the keeper.
 *
 * A filesystem wants blocks back (GUARD_BROKEN). The guard asks the peers, waits for consent or the deadline, makes the region
 * unreachable, gives the blocks back, watches again until nobody wants them any more, and opens the region with
 * whatever length the file has now:
 *
 *   OPEN -> ASKED -> FENCING -> RELEASING -> WAITING -> ARMING -> PROBATION -> REFRESHING -> OPEN
 *                       |            ^          ^                     | broken again: release at once
 *                       |            '----------+---------------------'
 *                       '-> (fence failed) DESTROYING -> DEAD
 *   any state, GUARD_CLOSE -> CLOSING (fence) -> CLOSING_RELEASE -> DEAD
 *
 * What always holds:
 *   1. GUARD_RELEASE is emitted only after a fence completed, or after the memory region was destroyed.
 *   2. From GUARD_BROKEN the machine reaches GUARD_RELEASE by completions and its one timer alone.
 *   3. A completion that does not belong to the operation under way changes nothing.
 *   4. DEAD owns no fence, no lease, no timer; it ignores everything.
 *
 * No I/O, no clock (events carry the time), no allocation, no failure: guard_step() cannot fail.
 */
#ifndef RDMAREG_GUARD_H
#define RDMAREG_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "names.h"

enum guard_state {
	GUARD_OPEN,
	GUARD_ASKED,
	GUARD_FENCING,
	GUARD_RELEASING,
	GUARD_WAITING, /* the filesystem works; look again when the timer fires */
	GUARD_ARMING,
	GUARD_PROBATION, /* watched again but still fenced: does the breaker come back? */
	GUARD_REFRESHING,
	GUARD_DESTROYING,
	GUARD_CLOSING,
	GUARD_CLOSING_RELEASE,
	GUARD_DEAD,
	_GUARD_STATE_MAX,
};

enum guard_event_type {
	GUARD_BROKEN,	 /* a layout break: @break_id, @cause; a new one can only follow a GUARD_ARM */
	GUARD_EXPIRED,	 /* the kernel gave the blocks back itself: @break_id */
	GUARD_CONSENTED, /* every holder acknowledged: @revocation */
	GUARD_TIMER_FIRED,
	GUARD_FENCE_DONE, /* @error */
	GUARD_DESTROY_DONE,
	GUARD_RELEASE_DONE, /* @error: not 0: the kernel had given them back already */
	GUARD_ARM_DONE,	    /* @error: 0, -EAGAIN: not possible yet, other: never again */
	GUARD_REFRESH_DONE, /* @error, @valid_length: size read again, protection given back */
	GUARD_CLOSE,	    /* owner lets go */
	_GUARD_EVENT_MAX,
};

struct guard_event {
	enum guard_event_type type;
	int error;
	uint64_t now_usec; /* CLOCK_MONOTONIC */
	uint64_t revocation;
	uint64_t valid_length;
	uint32_t break_id;
	enum revocation_cause cause;
};

enum guard_effect_type {
	GUARD_ASK,	 /* tell peers and daemon: revocation(), deadline_usec */
	GUARD_SET_TIMER, /* one timer; a new one replaces the old; at_usec 0 stops it */
	GUARD_FENCE, /* cut peers that did not acknowledge, then make the region unreachable -> FENCE_DONE */
	GUARD_DESTROY,	       /* the fence failed: cut everybody, deregister -> DESTROY_DONE */
	GUARD_TELL_FENCED,     /* tell the daemon */
	GUARD_RELEASE,	       /* give break_id back to the kernel -> RELEASE_DONE */
	GUARD_TELL_GIVEN_BACK, /* tell the daemon; by_kernel */
	GUARD_ARM,	       /* lease again -> ARM_DONE */
	GUARD_REFRESH,	       /* read size, unfence -> REFRESH_DONE */
	GUARD_TELL_SETTLED,    /* tell peers and daemon: outcome, valid_length */
	GUARD_TEARDOWN, /* last effect of a guard's life: free MR, mapping, watches, tickets, peers; report gone */
	_GUARD_EFFECT_MAX,
};

struct guard_effect {
	enum guard_effect_type type;
	uint64_t revocation; /* the one it is about; one step may end a revocation and begin the next */
	uint64_t at_usec;
	uint32_t break_id;
	bool by_kernel;
	enum revocation_outcome outcome;
};

#define GUARD_EFFECTS_MAX 8

struct guard_effects {
	size_t n;
	struct guard_effect item[GUARD_EFFECTS_MAX];
};

struct guard {
	enum guard_state state;
	enum region_policy policy;
	enum revocation_cause cause;
	bool watched; /* a layout watch exists, so there is something to arm */
	bool fenced;
	bool holding; /* a break waits for GUARD_RELEASE */
	bool broken;  /* a break was reported while another step was under way */
	bool close_wanted;
	uint8_t round; /* how often the breaker came back within this revocation */
	uint32_t break_id;
	uint64_t grace_usec;
	uint64_t deadline_usec;
	uint64_t revocation; /* current or last revocation; the next one is one more */
	uint64_t valid_length;
	uint64_t settled_usec; /* when the last revocation ended */
};

/**
 * guard_init - a region that is registered and open
 * @watched: a layout watch is armed on its file
 * @grace_usec: how long ASKED lasts at most; the kernel's own deadline must be longer
 */
void guard_init(struct guard *g, enum region_policy policy, uint64_t grace_usec, uint64_t valid_length,
		bool watched);

/* Take one event; @ret_effects (overwritten) is what is to be done now, in order. */
void guard_step(struct guard *g, const struct guard_event *e, struct guard_effects *ret_effects);

/* True while peers may reach the region. */
static inline bool guard_is_reachable(const struct guard *g)
{
	return !g->fenced && g->state != GUARD_DEAD;
}

/* The revocation a holder can still acknowledge, or 0. */
static inline uint64_t guard_pending_revocation(const struct guard *g)
{
	return g->state == GUARD_ASKED ? g->revocation : 0;
}

#endif
