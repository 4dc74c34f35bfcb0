/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * region.h - the daemon's view of one region, as a pure state machine: who holds it, what is asked
 * of whom, what is published.
 *
 * The region's safety is not decided here but in its keeper (guard.h); this machine follows the
 * keeper's reports and adds manners: local holders are asked, acknowledgements are counted, and
 * when the last one is in the keeper is told that it need not wait for the deadline
 * (REGION_SEND_CONSENT).
 *
 *   REGISTERING -> LIVE <-> WARMING          (a prefetch somebody asked for)
 *                   |  revocation
 *                   v
 *                DRAINING <-> FENCED -> LIVE    (more is wanted: asked again, with a higher number)
 *   any -> CLOSING -> removed;  keeper gone: any -> removed
 *   any -> REGISTERING again           (another keeper is to make it anew)
 *
 * What always holds:
 *   1. A stale acknowledgement, completion or revocation number changes nothing. A revocation with
 *      a higher number takes the place of
 *	the one under way: everybody is asked anew.
 *   2. No timer is needed: the keeper ends every revocation, consent or not.
 *   3. REGION_SEND_CONSENT is emitted at most once per revocation, and only when no holder that was
 *      asked is left.
 *   4. What was missed is made up for: REGION_LISTED takes the region to where its keeper is now,
 *      whatever lay in between; holders are
 *	told of a revocation that began and ended meanwhile only if they were told that it began.
 *   5. REGION_REMOVE is the last effect of a region's life; after it the region owns no holder and
 *      no charge.
 *
 * No I/O, no clock, no allocation in a step. Holders come from the registry's pool, reserved before
 * a step.
 */
#ifndef RDMAREG_REGION_H
#define RDMAREG_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "names.h"

struct registry;

enum holder_kind {
	HOLDER_CLIENT, /* a D-Bus connection */
	HOLDER_PEER,   /* a remote peer, through the keeper */
};

/* Somebody who uses a region and is asked before it is taken away. Lives in the registry's pool. */
struct holder {
	uint64_t id;	/* client number, or the keeper's peer number */
	uint64_t asked; /* revocation it was asked for and has not acknowledged; 0: none */
	uint64_t since_usec;
	uint32_t next; /* pool index + 1; 0: end */
	uint8_t kind;
	/* a peer: the keeper has it, as of the list that is under way, or the last one */
	bool listed;
};

enum region_event_type {
	REGION_REGISTERED,	/* the keeper reports it reachable: @info */
	REGION_REGISTER_FAILED, /* @error */
	/* found in a keeper after a restart: @info, and a running @revocation, if any */
	REGION_ADOPTED,
	/*
	 * @kind, @holder; a holder was reserved. @revocation: adopted, and it was asked this
	 * already
	 */
	REGION_HOLDER_JOINED,
	REGION_ADOPTION_DONE, /* every holder that is known to have it has joined */
	/*
	 * something may have been missed, and the keeper will list again: until it has, nobody
	 * knows who holds the region
	 */
	REGION_LIST_BEGAN,
	REGION_LISTED, /* the keeper tells again what it has, since something may have been missed: @info, and a running @revocation. Peers
			  are not @listed from here on until they are */
	/*
	 * @kind, @holder; a holder was reserved. @revocation: it has been asked this and has not
	 * acknowledged
	 */
	REGION_HOLDER_LISTED,
	REGION_LIST_DONE,    /* after REGION_LISTED; peers that were not listed have left before */
	REGION_HOLDER_LEFT,  /* @kind, @holder */
	REGION_HOLDER_ACKED, /* @kind, @holder, @revocation */
	/* keeper: somebody wants blocks: @revocation, @cause, @deadline_usec, range */
	REGION_REVOKED,
	REGION_WAS_FENCED,  /* keeper: @revocation */
	REGION_WAS_SETTLED, /* keeper: @revocation, @outcome, @valid_length, @generation, @rkey */
	REGION_PREFETCH_BEGAN,
	REGION_PREFETCH_ENDED,
	REGION_LENGTH,	       /* keeper: @valid_length */
	REGION_RELEASE_WANTED, /* by owner, by an administrator, or because the owner is gone: @cause, @grace_usec at most; who wants it
				  has left before, so that nobody is asked by himself. Again: the sooner of the two counts */
	REGION_RELEASED,       /* keeper: nothing is left of it */
	/*
	 * the same, and another keeper of its tenant is asked to make it anew: REGISTERED or
	 * REGISTER_FAILED comes next, or its end
	 */
	REGION_REPLACED,
	REGION_KEEPER_GONE,
	_REGION_EVENT_MAX,
};

struct region_event {
	enum region_event_type type;
	enum holder_kind kind;
	int error;
	enum revocation_cause cause;
	enum revocation_outcome outcome;
	enum arbitration_mode mode;
	enum region_state state; /* ADOPTED, LISTED */
	uint64_t now_usec;
	uint64_t holder;
	uint64_t revocation;
	uint64_t deadline_usec;
	uint64_t grace_usec;
	uint64_t offset;
	uint64_t length;
	uint64_t valid_length;
	uint64_t address;
	uint32_t generation;
	uint32_t rkey;
};

enum region_effect_type {
	REGION_REPLY_REGISTER, /* answer the waiting registration; error in @error */
	REGION_REPLY_RELEASE,  /* answer every waiting release */
	REGION_SEND_RELEASE,   /* to the keeper: @cause, @grace_usec */
	REGION_SEND_CONSENT,   /* to the keeper: @revocation */
	REGION_ASK_CLIENTS,    /* send RevocationRequested to the local holders and subscribers */
	REGION_TELL_SETTLED,   /* send RevocationSettled: @revocation, @outcome */
	REGION_PUBLISH,	       /* properties changed: @changed */
	REGION_TELL_ADDED,
	REGION_REMOVE, /* tell RegionRemoved, then forget it: registry_remove_region() */
	_REGION_EFFECT_MAX,
};

/* Which properties changed (REGION_PUBLISH). */
#define REGION_CHANGED_STATE (1u << 0)
#define REGION_CHANGED_LENGTH (1u << 1)
#define REGION_CHANGED_KEYS (1u << 2)
#define REGION_CHANGED_REVOCATION (1u << 3)
#define REGION_CHANGED_PEERS (1u << 4) /* and clients */

struct region_effect {
	enum region_effect_type type;
	int error;
	enum revocation_outcome outcome;
	enum revocation_cause cause;
	uint32_t changed;
	uint64_t revocation;
	uint64_t grace_usec;
};

#define REGION_EFFECTS_MAX 8

struct region_effects {
	size_t n;
	struct region_effect item[REGION_EFFECTS_MAX];
};

struct region {
	uint64_t id;
	uint64_t owner; /* client number; 0: detached */
	uint64_t offset;
	uint64_t length;
	uint64_t valid_length;
	uint64_t address;
	uint64_t grace_usec;
	uint64_t revocation; /* current or last; it runs while @revoking */
	uint64_t deadline_usec;
	uint64_t
		/*
		 * @close_wanted: by when the holders have let go, as whoever leaves them least
		 * wants it
		 */
		close_deadline_usec;
	uint64_t revocation_offset;
	uint64_t revocation_length;
	uint32_t generation;
	uint32_t rkey;
	uint32_t tenant;  /* index in the registry */
	uint32_t holders; /* pool index + 1 of the first */
	uint32_t pending; /* holders asked and not answered */
	uint32_t peers;
	uint32_t clients;
	uint32_t prefetches; /* under way */
	uint8_t state;	     /* enum region_state */
	uint8_t mode;
	uint8_t policy;
	uint8_t access;
	uint8_t cause;
	bool revoking; /* a revocation was announced and its end was not yet */
	bool again;    /* it was live before, in another keeper */
	/*
	 * between LIST_BEGAN and LIST_DONE: it is not known who holds the region, so there is no
	 * consent
	 */
	bool listing;
	bool close_wanted;
	bool excess;	   /* above its tenant's limits: registry_mark_excess() */
	bool consent_sent; /* or must not be: it is not known yet who holds the region */
};

/**
 * region_step - take one event
 * @registry: gives and takes back holders; nothing else of it is touched
 * @ret_effects: overwritten; in the order in which they are to be carried out
 */
void region_step(struct registry *registry, struct region *r, const struct region_event *e,
		 struct region_effects *ret_effects);

/* True if @kind, @id holds the region. */
bool region_is_held_by(const struct registry *registry, const struct region *r,
		       enum holder_kind kind, uint64_t id);

#endif
