// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ring.c - the events that the program has not taken yet, and the descriptor that tells it of them.
 *
 * What always holds: when the ring is full the oldest event makes room. It never holds the state of
 * the region: that is in struct rdmareg_peer.
 */
#include <sys/eventfd.h>

#include "error.h"
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
	e->rail = p->rail;
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

bool peer_supersede(struct rdmareg_peer *p, const struct rdmareg_peer_event *e)
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
