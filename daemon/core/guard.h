/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard.h - the safety of one region, as a pure state machine. It runs in the keeper.
 *
 * Somebody wants blocks: a filesystem that broke the layout lease (GUARD_BROKEN, it waits in the
 * kernel), or a demand, through the daemon, of a range (GUARD_DEMANDED: a pre-content event, an
 * administrator, a sync). The guard asks the peers, waits for consent or the deadline, makes the
 * range unreachable, gives the blocks back and grants the demands, waits until everybody is done,
 * and opens the region with whatever length the file has now:
 *
 *   OPEN -> ASKED -> FENCING -> RELEASING -> WAITING -> ARMING -> PROBATION -> REFRESHING -> OPEN
 *             ^         |            ^          ^                     | broken again within the fence: release at once
 *             |         |            '----------+---------------------'
 *             +---------+-- more is wanted than is fenced or was asked for: ask again, for all of
 *             it
 *                       '-> (fence failed) DESTROYING -> DEAD
 *   ARMING -> REFRESHING at once after five rounds of that: somebody who never stops must not keep
 *   peers out for ever. If the file cannot be
 *	watched even then, since a breaker's system call lasts, it is not watched any more, and opened after one more wait.
 *   OPEN -> PUT_OFF -> ASKED when it has just been closed: holders who made way have it for as long
 *   as they were kept out, if whoever wants
 *	blocks can wait for that within half of his grace. In the same way a taker who comes late into a fence waits until the region
 *	has been open, instead of keeping it closed.
 *   any state, GUARD_CLOSE -> (ASKED, if there is a grace) -> CLOSING (fence) -> CLOSING_RELEASE ->
 *   DEAD
 *
 * What always holds:
 *   1. GUARD_RELEASE and GUARD_GRANT are emitted only after a fence that covers the range
 *      completed, or after the memory region was destroyed.
 *   2. From GUARD_BROKEN or GUARD_DEMANDED the machine gets there by completions and its one timer
 *      alone.
 *   3. Asking again widens the range and never makes the deadline later; consent to the earlier
 *	question counts no more. A deadline that holders were told becomes earlier only by somebody
 *	who leaves them less: another demand, a break, a breaker that is killed, or a
 *	GUARD_CLOSE with a shorter grace.
 *   4. Whoever takes blocks, by whatever means and however often, leaves the region open between
 *      two fences: as long as it was closed,
 *	but not beyond half of his grace. A granted demand without a limit, or of an administrator, may keep it closed longer.
 *   5. A completion that does not belong to the operation under way changes nothing.
 *   6. DEAD owns no fence, no lease, no timer; it ignores everything.
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
	GUARD_PUT_OFF, /* open; somebody wants blocks, and holders are not asked yet */
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
	/* a layout break: @break_id, @cause, range; a new one can only follow a GUARD_ARM */
	GUARD_BROKEN,
	GUARD_EXPIRED, /* the kernel gave the blocks back itself: @break_id */
	/* who broke it is being killed and does not sleep any more: @break_id; its grace is over */
	GUARD_HURRIED,
	GUARD_CONSENTED, /* every holder acknowledged: @revocation */
	GUARD_TIMER_FIRED,
	GUARD_FENCE_DONE, /* @error; range: what is fenced, if that is more than was asked for */
	GUARD_DESTROY_DONE,
	GUARD_RELEASE_DONE, /* @error: not 0: the kernel had given them back already */
	GUARD_ARM_DONE,	    /* @error: 0, -EAGAIN: not possible yet, other: never again */
	GUARD_REFRESH_DONE, /* @error, @valid_length: size read again, protection given back */
	GUARD_DEMANDED, /* @demand, @cause, range, @grace_usec, @limit_usec; only if guard_takes_demand(), or of a number that is there: that
			       demand widens, and is granted anew. Ignored once the region is being taken down */
	GUARD_DEMAND_OVER, /* @demand */
	GUARD_CLOSE, /* owner lets go, or has to: @cause, @grace_usec (0: at once), which counts from now, also if another step is under way.
			Again: a shorter grace counts, a longer changes nothing */
	_GUARD_EVENT_MAX,
};

struct guard_event {
	enum guard_event_type type;
	int error;
	uint64_t now_usec; /* CLOCK_MONOTONIC */
	uint64_t revocation;
	uint64_t valid_length;
	uint64_t start; /* bytes from the start of the region; [start, end) */
	uint64_t
		/*
		 * a break does not say: the whole region, unless the breaker is known to be
		 * somebody whose range was granted
		 */
		end;
	uint64_t demand;
	uint64_t grace_usec;
	uint64_t limit_usec; /* from the grant; 0: no limit */
	uint32_t break_id;
	enum revocation_cause cause;
	bool hurried; /* BROKEN: who broke it is being killed already, and has no grace */
};

enum guard_effect_type {
	GUARD_ASK,	 /* tell peers and daemon: revocation, deadline_usec, range */
	GUARD_SET_TIMER, /* one timer; a new one replaces the old; at_usec 0 stops it */
	/* cut peers that did not acknowledge, then make the range unreachable -> FENCE_DONE */
	GUARD_FENCE,
	GUARD_DESTROY,	       /* the fence failed: cut everybody, deregister -> DESTROY_DONE */
	GUARD_TELL_FENCED,     /* tell the daemon */
	GUARD_RELEASE,	       /* give break_id back to the kernel -> RELEASE_DONE */
	GUARD_GRANT,	       /* tell whoever made the demands that are marked granted */
	GUARD_TELL_GIVEN_BACK, /* tell the daemon; by_kernel */
	GUARD_ARM,	       /* lease again -> ARM_DONE */
	GUARD_REFRESH,	       /* read size, unfence -> REFRESH_DONE */
	GUARD_TELL_SETTLED,    /* tell peers and daemon: outcome, valid_length */
	/* last effect of a guard's life: free MR, mapping, watches, tickets, peers; report gone */
	GUARD_TEARDOWN,
	_GUARD_EFFECT_MAX,
};

struct guard_effect {
	enum guard_effect_type type;
	uint64_t
		/* the one it is about; one step may end a revocation and begin the next */
		revocation;
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

/* The explorer keeps millions of guards and makes do with fewer. */
#ifndef GUARD_DEMANDS_MAX
#define GUARD_DEMANDS_MAX 8
#endif

struct guard_demand {
	uint64_t id; /* 0: free */
	uint64_t start;
	uint64_t end;
	uint64_t deadline_usec; /* until granted */
	uint64_t limit_usec;
	uint64_t ends_usec; /* once granted: over by itself then; 0: never */
	uint64_t ask_usec;  /* put off until then at most */
	enum revocation_cause cause;
	bool granted;
	bool put_off; /* it came late into a fence, and is neither asked for nor granted there */
};

struct guard {
	enum guard_state state;
	enum region_policy policy;
	enum revocation_cause cause;
	bool watched; /* a layout watch exists, so there is something to arm */
	bool armed;   /* and its lease is held */
	bool fenced;  /* [fence_start, fence_end) is unreachable */
	bool holding; /* a break waits for GUARD_RELEASE */
	bool owing;   /* GUARD_TELL_GIVEN_BACK has to be said of a break */
	bool broken;  /* a break was reported while another step was under way */
	bool close_wanted;
	uint8_t round; /* how often the breaker came back within this revocation */
	uint32_t break_id;
	uint64_t grace_usec;
	uint64_t deadline_usec;
	uint64_t revocation; /* current or last revocation; the next one is one more */
	uint64_t length;     /* registered */
	uint64_t valid_length;
	uint64_t close_usec; /* if it is wanted: until then holders have time to finish */
	enum revocation_cause close_cause;
	uint64_t settled_usec; /* when the last revocation was settled */
	uint64_t respite_usec; /* until then holders are left alone, if that is possible */
	uint64_t closed_usec;  /* since when something has been fenced */
	uint64_t rest_usec;    /* when WAITING, with no demand that is granted, or PROBATION ends */
	uint64_t ask_start;    /* what holders were asked for, and what the next fence covers */
	uint64_t ask_end;
	uint64_t fence_start;
	uint64_t fence_end;
	uint64_t break_start; /* of the last break */
	uint64_t break_end;
	uint64_t
		/*
		 * when the kernel began to wait: its deadline counts from there; 0: grace is over
		 */
		break_began_usec;
	struct guard_demand demand[GUARD_DEMANDS_MAX];
};

/**
 * guard_init - a region that is registered and open
 * @watched: a layout watch is armed on its file
 * @grace_usec: how long ASKED lasts at most; the kernel's own deadline must be longer
 */
void guard_init(struct guard *g, enum region_policy policy, uint64_t grace_usec, uint64_t length,
		uint64_t valid_length, bool watched);
/* An open region that had no layout watch, or lost it, has one that is armed. */
void guard_watched(struct guard *g);

/* Take one event; @ret_effects (overwritten) is what is to be done now, in order. */
void guard_step(struct guard *g, const struct guard_event *e, struct guard_effects *ret_effects);

/* There is room for one more. */
bool guard_takes_demand(const struct guard *g);

/* A demand that is not over, granted or not; NULL: there is none of this number. */
const struct guard_demand *guard_find_demand(const struct guard *g, uint64_t id);

/* Peers may reach all of it, and nobody is asked. */
static inline bool guard_is_open(const struct guard *g)
{
	return g->state == GUARD_OPEN || g->state == GUARD_PUT_OFF;
}

/* The revocation a holder can still acknowledge, or 0. */
static inline uint64_t guard_pending_revocation(const struct guard *g)
{
	return g->state == GUARD_ASKED ? g->revocation : 0;
}

#endif
