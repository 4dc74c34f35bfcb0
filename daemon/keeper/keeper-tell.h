/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keeper-tell.h - what is said to the daemon and to peers: messages made from the state of a
 * region. Changes nothing.
 */
#ifndef RDMAREG_KEEPER_TELL_H
#define RDMAREG_KEEPER_TELL_H

#include "core/guard.h"
#include "keeper/endpoint/endpoint.h"
#include "keeper/session.h"

struct keeper;
struct kregion;

/* Answers. @why may be NULL. */
void tell_done(struct keeper *k, const struct operation *op, uint64_t region, int error,
	       const struct failure *why);
/* Done, with what keeper_done.value says. */
void tell_value(struct keeper *k, const struct operation *op, uint64_t region, uint32_t value);
void tell_welcome(struct keeper *k, const struct operation *op, const struct keeper_hello *hello);
void tell_region(struct kregion *r, const struct operation *op);

/* @op NULL: an event. @why: of one that left. */
void tell_peer(struct keeper *k, const struct operation *op, enum keeper_type type,
	       const struct endpoint_peer *p, uint64_t revocation, enum peer_left why);

/* To peers and daemon alike; @only: to this peer. */
void tell_asked(struct kregion *r, const struct endpoint_peer *only);
void tell_settled(struct kregion *r, uint64_t revocation, enum revocation_outcome outcome,
		  const struct endpoint_peer *only);
void tell_length(struct kregion *r);

/* To the daemon. */
void tell_fenced(struct kregion *r, uint64_t revocation);
void tell_given_back(struct kregion *r, uint64_t revocation, bool by_kernel);
void tell_invalidated(struct kregion *r);
/* Only to the connection that asked for it. */
void tell_progress(struct kregion *r, const struct operation *op, const struct keeper_progress *p);
/* Nothing happened, but a count went on. */
void tell_counters(struct kregion *r);
void tell_mode(struct kregion *r);
void tell_gone(struct kregion *r);

/* Who asked for the region hears that it is there; harmless when he was told. */
void tell_registered(struct kregion *r);

/*
 * The level of a line of the log about what the daemon is told: it has a line of its own. Without a
 * daemon that reads the keeper's is the only one.
 */
int tell_level(const struct keeper *k);

#endif
