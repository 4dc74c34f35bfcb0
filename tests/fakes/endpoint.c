// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * endpoint.c - endpoint.h without an adapter, for tests: it listens nowhere and its peers are only
 * what fakes/endpoint.h makes of them. Peers that were cut off are forgotten at the next call from
 * outside, as the real one frees them from the loop.
 */
#include "endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/clock.h"

struct peer {
	struct endpoint_peer public; /* first */
	struct peer *next;
	bool dead;
};

struct endpoint {
	const struct endpoint_ops *ops;
	void *userdata;
	uint32_t max_peers;
	uint32_t n_peers;
	uint64_t last_number;
	struct peer *peers;
	bool away;
};

int endpoint_new(struct endpoint **ret, struct event_base *base, const struct endpoint_options *o,
		 const struct endpoint_ops *ops, void *userdata, struct failure *why)
{
	struct endpoint *e;

	(void)base;
	if (strcmp(o->address, "192.0.2.255") ==
	    0) /* the machine without an adapter, for tests of just that */
		return fail(why, -ENXIO, "There is no RDMA device here");
	if (strcmp(o->address, "192.0.2.254") == 0) /* and the address of nobody */
		return fail(why, -EADDRNOTAVAIL, "No RDMA device has this address");
	if (o->device && *o->device && strcmp(o->device, "fake0") != 0)
		return fail(why, -EADDRNOTAVAIL,
			    "It is of RDMA device fake0, and this session uses %.63s", o->device);
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->ops = ops;
	e->userdata = userdata;
	e->max_peers = o->max_peers;
	*ret = e;
	return 0;
}

static void sweep(struct endpoint *e)
{
	struct peer **at = &e->peers, *p;

	while ((p = *at)) {
		if (!p->dead) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		e->n_peers--;
		free(p);
	}
}

static void dismiss(struct endpoint *e, struct peer *p, enum peer_left why)
{
	bool was_up = p->public.up;

	if (p->dead)
		return;
	p->dead = true;
	p->public.half_open = p->public.up = false;
	if (was_up)
		e->ops->left(e->userdata, &p->public, why);
	else
		e->ops->abandoned(e->userdata, &p->public);
}

struct endpoint *endpoint_free(struct endpoint *e)
{
	struct peer *next;

	if (!e)
		return NULL;
	for (struct peer *p = e->peers; p; p = next) {
		next = p->next;
		free(p);
	}
	free(e);
	return NULL;
}

void endpoint_look_at_addresses(struct endpoint *e)
{
	(void)e;
}

size_t endpoint_places(const struct endpoint *e, struct wire_place out[LISTEN_ADDRESSES_MAX])
{
	if (e->away)
		return 0;
	snprintf(out[0].address, sizeof(out[0].address), "%s", endpoint_address(e));
	out[0].port = endpoint_port(e);
	return 1;
}

const char *endpoint_trouble(const struct endpoint *e)
{
	return e->away ? "no peer can connect: 192.0.2.1: No interface that is up has this address"
		       : "";
}

void endpoint_fake_address(struct endpoint *e, bool away)
{
	e->away = away;
	e->ops->addresses_changed(e->userdata);
}

void endpoint_fake_remove(struct endpoint *e)
{
	e->ops->device_gone(e->userdata);
}

const char *endpoint_address(const struct endpoint *e)
{
	(void)e;
	return "192.0.2.1";
}

const char *endpoint_device(const struct endpoint *e)
{
	(void)e;
	return "fake0";
}

uint16_t endpoint_port(const struct endpoint *e)
{
	(void)e;
	return 18515;
}

struct ibv_context *endpoint_context(const struct endpoint *e)
{
	(void)e;
	return NULL;
}

uint8_t endpoint_device_port(const struct endpoint *e)
{
	(void)e;
	return 1;
}

const struct endpoint_peer *endpoint_next(const struct endpoint *e,
					  const struct endpoint_peer *last)
{
	const struct peer *p = last ? ((const struct peer *)last)->next : e->peers;

	return p ? &p->public : NULL;
}

void (*endpoint_fake_on_message)(const struct endpoint_peer *peer, const struct wire_message *m);

static void tell(struct peer *p, const struct wire_message *m, bool alone)
{
	if (!p->public.up)
		return;
	if (endpoint_fake_on_message)
		endpoint_fake_on_message(&p->public, m);
	if (m->type == WIRE_REVOCATION_ASKED) {
		p->public.asked = m->revocation;
		p->public.asked_alone = alone;
	} else if (m->type == WIRE_REVOCATION_SETTLED) {
		p->public.asked = 0;
	}
}

void endpoint_tell(struct endpoint *e, uint64_t region, const struct wire_message *m)
{
	for (struct peer *p = e->peers; p; p = p->next)
		if (p->public.region == region)
			tell(p, m, false);
}

void endpoint_tell_one(struct endpoint *e, const struct endpoint_peer *to,
		       const struct wire_message *m)
{
	for (struct peer *p = e->peers; p; p = p->next)
		if (&p->public == to)
			tell(p, m, true);
}

void endpoint_answer(struct endpoint *e, uint64_t number, const struct wire_message *m)
{
	for (struct peer *p = e->peers; p; p = p->next)
		if (p->public.number == number && !p->dead)
			tell(p, m, true);
}

uint32_t endpoint_cut(struct endpoint *e, uint64_t region, uint64_t revocation)
{
	uint32_t n = 0;

	for (struct peer *p = e->peers; p; p = p->next) {
		if (p->dead || p->public.region != region ||
		    (revocation && p->public.cleared == revocation))
			continue;
		n += p->public.up;
		dismiss(e, p, revocation ? PEER_LEFT_LATE : PEER_LEFT_CLOSED);
	}
	return n;
}

bool endpoint_forget(struct endpoint *e, uint64_t region)
{
	(void)region;
	sweep(e);
	return true;
}

/* As the real one does. */
static bool has_place(const struct endpoint *e, uint64_t region, uint64_t ticket)
{
	uint32_t n = 0;

	for (const struct peer *p = e->peers; p; p = p->next)
		n += p->public.region == region && p->public.ticket == ticket;
	return endpoint_has_place(e->max_peers, e->n_peers, n);
}

uint64_t endpoint_fake_connect(struct endpoint *e, uint64_t region, uint32_t rights,
			       const uint8_t token[WIRE_TOKEN_BYTES], int *ret_refused)
{
	struct endpoint_request request = { .region = region, .rights = rights };
	struct endpoint_offer offer = { 0 };
	struct peer *p;

	sweep(e);
	memcpy(request.token, token, sizeof(request.token));
	*ret_refused = e->n_peers >= e->max_peers ? (int)WIRE_REFUSED_LIMIT
						  : e->ops->admit(e->userdata, &request, &offer);
	if (!*ret_refused && !has_place(e, region, offer.ticket)) {
		e->ops->abandoned(e->userdata, &(struct endpoint_peer){ .region = region,
									.ticket = offer.ticket,
									.rights = rights });
		*ret_refused = WIRE_REFUSED_SHARE;
	}
	if (*ret_refused)
		return 0;
	p = calloc(1, sizeof(*p));
	if (!p)
		return 0;
	p->public = (struct endpoint_peer){
		.number = ++e->last_number,
		.region = region,
		.ticket = offer.ticket,
		.since_usec = now_boottime_usec(),
		.cleared = offer.accept.revocation,
		.rights = rights,
		.half_open = true,
		.address = "192.0.2.2",
	};
	p->next = e->peers;
	e->peers = p;
	e->n_peers++;
	return p->public.number;
}

bool endpoint_fake_establish(struct endpoint *e, uint64_t region)
{
	struct peer *p = e->peers;

	while (p && (p->public.region != region || !p->public.half_open))
		p = p->next;
	if (!p)
		return false;
	p->public.half_open = false;
	p->public.up = true;
	e->ops->joined(e->userdata, &p->public);
	return true;
}

void (*endpoint_fake_on_cause)(uint64_t number, enum wire_cause cause);

void endpoint_explain(struct endpoint *e, uint64_t number, enum wire_cause cause)
{
	(void)e;
	if (number && endpoint_fake_on_cause)
		endpoint_fake_on_cause(number, cause);
}

int endpoint_fake_ask(struct endpoint *e, const struct endpoint_question *q)
{
	return e->ops->ask(e->userdata, q);
}

unsigned int endpoint_fake_acknowledge(struct endpoint *e, uint64_t region)
{
	unsigned int n = 0;

	for (struct peer *p = e->peers; p; p = p->next) {
		if (p->dead || p->public.region != region || !p->public.asked)
			continue;
		p->public.cleared = p->public.asked;
		p->public.asked = 0;
		n++;
		e->ops->acknowledged(e->userdata, &p->public, p->public.cleared);
	}
	return n;
}

bool endpoint_fake_sync(struct endpoint *e, uint64_t region, uint64_t request, uint64_t offset,
			uint64_t length)
{
	const struct wire_message m = {
		.type = WIRE_SYNC, .request = request, .offset = offset, .length = length
	};

	for (struct peer *p = e->peers; p; p = p->next)
		if (p->public.up && p->public.region == region) {
			e->ops->sync(e->userdata, &p->public, &m);
			return true;
		}
	return false;
}

unsigned int endpoint_fake_leave(struct endpoint *e, uint64_t region)
{
	unsigned int n = 0;

	for (struct peer *p = e->peers; p; p = p->next) {
		if (p->dead || p->public.region != region)
			continue;
		n++;
		dismiss(e, p, PEER_LEFT_ITSELF);
	}
	sweep(e);
	return n;
}
