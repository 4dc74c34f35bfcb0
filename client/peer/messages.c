// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * messages.c - what the region's host tells a peer.
 *
 * What always holds: revocation, length, key and generation in the peer are what the newest message
 * said. Of revocations that take each other's place only the newest is pending, and only its number
 * is acknowledged.
 */
#include "error.h"
#include "names.h"
#include "peer.h"
#include "util.h"

static void asked(struct rdmareg_peer *p, const struct wire_message *m)
{
	struct rdmareg_peer_event e = { .type = RDMAREG_PEER_EVENT_ASKED };

	/* Numbers rise: an older one is over, the same one is asked once. */
	if (m->revocation <= p->revocation.id)
		return;
	p->revocation = (struct rdmareg_revocation){
		.id = m->revocation,
		.offset = m->offset,
		.length = m->length,
		.deadline_usec = clock_usec(CLOCK_MONOTONIC) + (uint64_t)m->time_left_msec * 1000,
		.cause = m->cause <= RDMAREG_CAUSED_BY_SYNC ? (enum rdmareg_cause)m->cause
							    : RDMAREG_CAUSED_BY_UNKNOWN,
	};
	p->acknowledged = false;
	e.revocation = p->revocation;
	if (!peer_supersede(p, &e))
		peer_event(p, &e);
}

static void settled(struct rdmareg_peer *p, const struct wire_message *m)
{
	struct rdmareg_peer_event e = {
		.type = RDMAREG_PEER_EVENT_SETTLED,
		.outcome = m->outcome < RDMAREG_OUTCOME_GONE
				   ? (enum rdmareg_outcome)(m->outcome + 1)
				   : RDMAREG_OUTCOME_UNKNOWN,
		.valid_length = m->valid_length,
		.generation = m->generation,
		.revocation.id = m->revocation,
	};

	p->remote.rkey = m->rkey;
	p->remote.generation = m->generation;
	if (m->revocation >= p->revocation.id) {
		p->revocation = (struct rdmareg_revocation){ 0 };
		p->acknowledged = false;
	}
	peer_event(p, &e);
}

/* As take_path(). */
static bool take_bypass(struct rdmareg_peer *p, const struct wire_message *m)
{
	struct rdmareg_peer_event e = { .type = RDMAREG_PEER_EVENT_BYPASSED };

	if ((uint32_t)m->request == p->remote.bypasses)
		return false;
	p->remote.bypasses = (uint32_t)m->request;
	if (m->type == WIRE_LENGTH_CHANGED) { /* a settling does not say where */
		e.offset = m->offset;
		e.length = m->length;
	}
	e.valid_length = m->valid_length;
	e.generation = m->generation;
	peer_event(p, &e);
	return true;
}

/* True: that is what the message was sent for. */
static bool take_path(struct rdmareg_peer *p, const struct wire_message *m)
{
	struct rdmareg_peer_event e = { .type = RDMAREG_PEER_EVENT_PATH_CHANGED };
	uint8_t was = p->remote.path_state;

	/* unknown: an older host, or a word of a later one */
	if (m->cause == PATH_UNKNOWN || m->cause >= _PATH_STATE_MAX || m->cause == was)
		return false;
	p->remote.path_state = (uint8_t)m->cause;
	if (was == PATH_UNKNOWN && m->cause == PATH_THERE)
		return false;
	e.path_state = (enum rdmareg_path_state)m->cause;
	e.valid_length = m->valid_length;
	e.generation = m->generation;
	peer_event(p, &e);
	return true;
}

static void synced(struct rdmareg_peer *p, const struct wire_message *m)
{
	if (!p->sync_busy || m->request != p->sync_request) {
		peer_end(
			p, EPROTO,
			"the keeper answers a request for durability that was not made; " VERSIONS_DIFFER);
		return;
	}
	p->sync_busy = false;
	p->sync_outcome = m->outcome;
}

void peer_take_message(struct rdmareg_peer *p, const struct wire_message *m)
{
	struct rdmareg_peer_event e = {
		.type = RDMAREG_PEER_EVENT_LENGTH_CHANGED,
		.valid_length = m->valid_length,
		.generation = m->generation,
	};
	bool same_length, other;

	if (m->valid_length > p->remote.length) {
		peer_end(
			p, EPROTO,
			"the keeper reports more valid bytes than the region has; " VERSIONS_DIFFER);
		return;
	}
	if (m->type == WIRE_SYNCED) {
		synced(p, m);
		return;
	}
	if (m->type == WIRE_REVOCATION_ASKED) {
		asked(p, m);
		return;
	}
	same_length = p->remote.valid_length == m->valid_length;
	p->remote.valid_length = m->valid_length;
	if (m->type == WIRE_REVOCATION_SETTLED)
		settled(p, m);
	other = take_path(p, m);
	other |= take_bypass(p, m);
	if ((!other || !same_length) && m->type == WIRE_LENGTH_CHANGED)
		peer_event(p, &e);
}
