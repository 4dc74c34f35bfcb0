// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * peer-events.c - what the region's host tells a peer, and how the program hears of it.
 *
 * What always holds: revocation, length, key and generation in the peer are what the newest message said;
 * the ring of events may drop its oldest, never this state. Of revocations that take each other's place only
 * the newest is pending, and only its number is acknowledged.
 */
#include <sys/eventfd.h>

#include "error.h"
#include "names.h"
#include "peer.h"
#include "util.h"

/* Both may fail for the best of reasons: it is so already. */
void peer_raise(struct rdmareg_peer *p)
{
	eventfd_write(p->event_fd, 1);
}

void peer_lower(struct rdmareg_peer *p)
{
	eventfd_t count;

	eventfd_read(p->event_fd, &count);
}

void peer_event(struct rdmareg_peer *p, struct rdmareg_peer_event *e)
{
	e->size = sizeof(*e);
	e->seen_usec = clock_usec(CLOCK_BOOTTIME);
	if (p->options.on_event) {
		p->options.on_event(e, p->options.userdata);
		return;
	}
	if (p->n_events == PEER_EVENTS) {
		p->event_first = (p->event_first + 1) % PEER_EVENTS;
		p->n_events--;
	}
	p->events[(p->event_first + p->n_events++) % PEER_EVENTS] = *e;
	peer_raise(p);
}

_public_ int rdmareg_peer_next_event(struct rdmareg_peer *p, struct rdmareg_peer_event *event)
{
	int r;

	NEED(p);
	r = struct_out_check(event);
	if (r < 0)
		return r;
	if (!p->n_events)
		return 0;
	r = struct_out(event, &p->events[p->event_first], sizeof(*event));
	if (r < 0)
		return r;
	p->event_first = (p->event_first + 1) % PEER_EVENTS;
	if (!--p->n_events)
		peer_lower(p);
	return 1;
}

/* The event of the revocation that this one takes the place of, if it still waits: what it asked is over. */
static bool supersede(struct rdmareg_peer *p, const struct rdmareg_peer_event *e)
{
	struct rdmareg_peer_event *last = NULL;

	for (size_t i = 0; i < p->n_events; i++) {
		struct rdmareg_peer_event *old = &p->events[(p->event_first + i) % PEER_EVENTS];

		if (old->type == RDMAREG_PEER_EVENT_ASKED)
			last = old;
		else if (old->type != RDMAREG_PEER_EVENT_LENGTH_CHANGED &&
			 old->type != RDMAREG_PEER_EVENT_PATH_CHANGED &&
			 old->type != RDMAREG_PEER_EVENT_BYPASSED)
			last = NULL; /* acknowledged or settled: that one is a story of its own */
	}
	if (last)
		last->revocation = e->revocation;
	return last;
}

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
	if (!supersede(p, &e))
		peer_event(p, &e);
}

static void settled(struct rdmareg_peer *p, const struct wire_message *m)
{
	struct rdmareg_peer_event e = {
		.type = RDMAREG_PEER_EVENT_SETTLED,
		.outcome = m->outcome < RDMAREG_OUTCOME_GONE ? (enum rdmareg_outcome)(m->outcome + 1)
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

void peer_take_message(struct rdmareg_peer *p, const struct wire_message *m)
{
	struct rdmareg_peer_event e = {
		.type = RDMAREG_PEER_EVENT_LENGTH_CHANGED,
		.valid_length = m->valid_length,
		.generation = m->generation,
	};
	bool same_length, other;

	if (m->valid_length > p->remote.length) {
		peer_end(p, EPROTO, "the other side says that more of the file is there than was registered");
		return;
	}
	if (m->type == WIRE_SYNCED) {
		persist_take_answer(p, m);
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
