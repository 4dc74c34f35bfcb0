// SPDX-License-Identifier: GPL-2.0-or-later
/* peers.c - see endpoint/peers.h. */
#include "keeper/endpoint/peers.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "keeper/worker.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/macros.h"

#define HALF_OPEN_USEC (10 * USEC_PER_SEC)
#define GOODBYE_USEC (2 * USEC_PER_SEC)
#define SWEEP_USEC (USEC_PER_SEC / 2)
#define PROBE_TURNS 8 /* parts of the interval; each is that of as many of the peers */

static void set_state(struct endpoint *e, struct peer *p, enum peer_state state)
{
	e->n_half_open -= p->state == PEER_HALF_OPEN;
	p->state = state;
	p->public.half_open = state == PEER_HALF_OPEN;
	p->public.up = state == PEER_UP;
	if (state == PEER_LEAVING) {
		struct timeval tv = timeval_from_usec(SWEEP_USEC);

		p->deadline_usec = now_monotonic_usec() + GOODBYE_USEC;
		evtimer_add(e->sweep_event, &tv);
	}
}

void peers_dismiss(struct endpoint *e, struct peer *p, enum peer_left why)
{
	bool was_up = p->state == PEER_UP;

	if (p->state != PEER_HALF_OPEN && !was_up)
		return;
	peer_set_error(p);
	set_state(e, p, PEER_CUT);
	event_active(e->reap_event, 0, 0);
	if (was_up)
		e->ops->left(e->userdata, &p->public, why);
	else
		e->ops->abandoned(e->userdata, &p->public);
}

static void free_peer(struct endpoint *e, struct peer *p)
{
	for (struct peer **at = &e->peers; *at; at = &(*at)->next)
		if (*at == p) {
			*at = p->next;
			break;
		}
	e->n_half_open -= p->state == PEER_HALF_OPEN;
	e->n_peers--;
	peer_close(p);
	if (p->id)
		rdma_destroy_id(p->id);
	free(p);
}

#define of_close(j) container_of(j, struct peer, close)

/* In the worker. */
static void run_close(struct job *job)
{
	peer_close(of_close(job));
}

static void done_close(struct job *job)
{
	struct peer *p = of_close(job);
	struct endpoint *e = p->endpoint;
	uint64_t region = p->public.region;

	if (p->gone)
		free_peer(e, p);
	else
		set_state(e, p, PEER_LEAVING);
	e->ops->closed(e->userdata, region);
}

static void disconnect(struct endpoint *e, struct peer *p)
{
	if (!p->gone && rdma_disconnect(p->id) < 0)
		p->gone = true;
	set_state(e, p, PEER_CLOSING);
	p->close = (struct job){ .run = run_close, .done = done_close, .key = p->close.key };
	worker_submit(e->closer, &p->close);
}

void peers_on_reap(evutil_socket_t fd, short what, void *userdata)
{
	struct endpoint *e = userdata;
	struct peer *next;

	(void)fd;
	(void)what;
	for (struct peer *p = e->peers; p; p = next) {
		next = p->next;
		if (p->state == PEER_CUT)
			disconnect(e, p);
		else if (p->state == PEER_LEAVING && p->gone)
			free_peer(e, p);
	}
}

void peers_on_sweep(evutil_socket_t fd, short what, void *userdata)
{
	struct endpoint *e = userdata;
	struct timeval tv = timeval_from_usec(SWEEP_USEC);
	uint64_t now = now_monotonic_usec();
	bool again = false;
	struct peer *next;

	(void)fd;
	(void)what;
	for (struct peer *p = e->peers; p; p = next) {
		next = p->next;
		if (p->state != PEER_HALF_OPEN && p->state != PEER_LEAVING)
			continue;
		if (now < p->deadline_usec) {
			again = true;
		} else if (p->state == PEER_LEAVING) {
			free_peer(e, p);
		} else {
			log_info("region %" PRIu64 ": connection of %s given up: never established",
				 p->public.region, p->public.address);
			peers_dismiss(e, p, PEER_LEFT_LATE);
		}
	}
	if (again)
		evtimer_add(e->sweep_event, &tv);
}

static void probe_later(struct endpoint *e)
{
	struct timeval tv = timeval_from_usec(e->probe_usec / PROBE_TURNS);

	if (e->probe_usec && !evtimer_pending(e->probe_event, NULL))
		evtimer_add(e->probe_event, &tv);
}

/*
 * A connection on which nobody sends anything is not missed by its adapter when the other machine is
 * gone: such a peer would count, and hold up each revocation for its whole grace.
 */
void peers_on_probe(evutil_socket_t fd, short what, void *userdata)
{
	struct endpoint *e = userdata;

	(void)fd;
	(void)what;
	e->probe_turn = (e->probe_turn + 1) % PROBE_TURNS;
	for (struct peer *p = e->peers; p; p = p->next)
		if (p->state == PEER_UP && p->public.number % PROBE_TURNS == e->probe_turn &&
		    peer_probe(p) < 0)
			peers_dismiss(e, p, PEER_LEFT_ITSELF);
	if (e->peers)
		probe_later(e);
}

void peers_establish(struct endpoint *e, struct peer *p)
{
	if (p->state != PEER_HALF_OPEN)
		return;
	set_state(e, p, PEER_UP);
	probe_later(e);
	e->ops->joined(e->userdata, &p->public);
}

/* Of what peer_receive() says. */
static enum peer_left why_it_left(int error)
{
	switch (error) {
	case -EHOSTDOWN:
		return PEER_LEFT_SILENT;
	case -ENOBUFS:
		return PEER_LEFT_DEAF;
	case -EPROTO:
		return PEER_LEFT_UNRULY;
	default:
		return PEER_LEFT_ITSELF;
	}
}

/*
 * Everything a peer's queue holds: bounded, since a peer that keeps sending what nobody asked for
 * is dismissed.
 */
static void drain(struct endpoint *e, struct peer *p)
{
	struct wire_message m;
	int r;

	while (p->state <= PEER_UP) {
		r = peer_receive(p, &m);
		if (r == -EAGAIN)
			return;
		if (r >= 0)
			peers_establish(
				e, p); /* its first message may overtake the connection manager's */
		if (r == 1 && m.type == WIRE_SYNC) {
			e->ops->sync(e->userdata, &p->public, &m);
		} else if (r == 1) {
			p->public.asked = 0;
			p->public.cleared = m.revocation;
			e->ops->acknowledged(e->userdata, &p->public, m.revocation);
		} else if (r < 0) {
			peers_dismiss(e, p, why_it_left(r));
		}
	}
}

void peers_on_completion(evutil_socket_t fd, short what, void *userdata)
{
	struct endpoint *e = userdata;
	struct ibv_cq *cq;
	struct peer *p;
	void *context;
	bool deaf;

	(void)fd;
	(void)what;
	for (int i = 0; i < EVENTS_PER_WAKE; i++) {
		if (ibv_get_cq_event(e->completions, &cq, &context) < 0)
			return;
		p = context;
		deaf = p->state < PEER_CLOSING && ibv_req_notify_cq(cq, 0);
		ibv_ack_cq_events(cq, 1); /* from here on the worker may free it */
		drain(e, p);
		if (deaf) /* nothing more would be heard of it */
			peers_dismiss(e, p, PEER_LEFT_ITSELF);
	}
}

const struct endpoint_peer *endpoint_next(const struct endpoint *e,
					  const struct endpoint_peer *last)
{
	/* struct endpoint_peer is the first member of struct peer */
	const struct peer *p = last ? ((const struct peer *)last)->next : e->peers;

	return p ? &p->public : NULL;
}

static void tell(struct endpoint *e, struct peer *p, const struct wire_message *m, bool alone)
{
	if (p->state != PEER_UP)
		return;
	if (m->type == WIRE_REVOCATION_ASKED) {
		p->public.asked = m->revocation;
		p->public.asked_alone = alone;
	} else if (m->type == WIRE_REVOCATION_SETTLED) {
		p->public.asked = 0;
	}
	if (peer_send(p, m) < 0)
		peers_dismiss(e, p, PEER_LEFT_DEAF);
}

void endpoint_tell_one(struct endpoint *e, const struct endpoint_peer *to,
		       const struct wire_message *m)
{
	for (struct peer *p = e->peers; p; p = p->next)
		if (&p->public == to)
			tell(e, p, m, true);
}

void endpoint_answer(struct endpoint *e, uint64_t number, const struct wire_message *m)
{
	for (struct peer *p = e->peers; p; p = p->next)
		if (p->public.number == number)
			tell(e, p, m, true);
}

void endpoint_tell(struct endpoint *e, uint64_t region, const struct wire_message *m)
{
	for (struct peer *p = e->peers; p; p = p->next)
		if (p->public.region == region)
			tell(e, p, m, false);
}

uint32_t endpoint_cut(struct endpoint *e, uint64_t region, uint64_t revocation)
{
	uint32_t n = 0;

	for (struct peer *p = e->peers; p; p = p->next) {
		if (p->public.region != region || (revocation && p->public.cleared == revocation))
			continue;
		n += p->state == PEER_UP;
		if (p->state == PEER_HALF_OPEN)
			log_info(
				"region %" PRIu64
				": connection of %s given up: not established when the region was fenced",
				region, p->public.address);
		peers_dismiss(e, p, revocation ? PEER_LEFT_LATE : PEER_LEFT_CLOSED);
	}
	return n;
}

bool endpoint_forget(struct endpoint *e, uint64_t region)
{
	bool all = true;

	for (struct peer *p = e->peers; p; p = p->next) {
		if (p->public.region != region)
			continue;
		if (p->state == PEER_CUT)
			disconnect(e, p);
		all &= p->state == PEER_LEAVING;
	}
	return all;
}

void peers_add(struct endpoint *e, struct peer *p)
{
	struct timeval tv = timeval_from_usec(SWEEP_USEC);

	p->state = PEER_HALF_OPEN;
	p->public.half_open = true;
	p->deadline_usec = now_monotonic_usec() + HALF_OPEN_USEC;
	p->endpoint = e;
	p->next = e->peers;
	e->peers = p;
	e->n_peers++;
	e->n_half_open++;
	evtimer_add(e->sweep_event, &tv);
}

void peers_gone(struct endpoint *e, struct peer *p)
{
	p->gone = true;
	peers_dismiss(e, p, PEER_LEFT_ITSELF);
	event_active(e->reap_event, 0, 0);
}

void peers_free(struct endpoint *e)
{
	while (e->peers)
		free_peer(e, e->peers);
}
