// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * again.c - a rail that is not there is connected to again: first after half a second, then after
 * twice as long each time, a minute at most.
 *
 * What always holds: nothing here waits; each look takes in what has come and does the next step, so
 * that the other rails are never held up. A rail takes its new connection's place between two
 * transfers only: in the middle of one nobody would answer its keeper. One that the other side
 * refused for good is not tried any more; what went wrong on this machine may pass.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "cm.h"
#include "rails.h"
#include "util.h"

#define FIRST_USEC (USEC_PER_SEC / 2)
#define LONGEST_USEC (60 * USEC_PER_SEC)
#define ROUTE_MSEC 2000

static bool is_wanted(const struct rdmareg_rails *r, const struct rail *l)
{
	return r->n > 1 && !r->first_only && !r->no_reconnect && !rail_is_up(l) && !l->again.never;
}

static uint64_t pause_after(unsigned int tries)
{
	uint64_t usec = tries < 8 ? FIRST_USEC << tries : LONGEST_USEC;

	return usec < LONGEST_USEC ? usec : LONGEST_USEC;
}

/*
 * Of what the other side said: the ticket is not good any more, or what it is for is not what the
 * other rails have.
 */
static bool is_final(int error)
{
	return error == -EACCES || error == -EPERM || error == -EPROTO || error == -EINVAL;
}

/* By number only: a name server may be silent. */
static int read_address(const char *host, const char *port, struct sockaddr_storage *ret)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
				  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV },
			*a;

	if (getaddrinfo(host, port, &hints, &a))
		return -EADDRNOTAVAIL;
	memcpy(ret, a->ai_addr, a->ai_addrlen);
	freeaddrinfo(a);
	return 0;
}

/* The ticket's places in turns; where it has a name, the address that was found first. */
static int find_target(const struct rdmareg_rails *r, struct rail *l)
{
	const struct ticket *t = &r->tickets.ticket[l - r->rail];
	const struct ticket_place *at = &t->places[l->again.tries % t->n];
	struct again *a = &l->again;
	int error = read_address(at->host, at->port, &a->target);

	if (error < 0 && l->peer) {
		a->target = *(struct sockaddr_storage *)rdma_get_peer_addr(l->peer->id);
		error = 0;
	}
	if (error == 0 && r->source_address)
		error = read_address(r->source_address, NULL, &a->source);
	if (error == 0 && r->source_address && a->source.ss_family != a->target.ss_family)
		error = -EADDRNOTAVAIL;
	return error == 0 ? 0
			  : fail(EADDRNOTAVAIL,
				 "connecting again to %s: it is no number, or not like the "
				 "source address",
				 at->host);
}

static const struct sockaddr *source_of(const struct rdmareg_rails *r, const struct rail *l)
{
	return r->source_address ? (const struct sockaddr *)&l->again.source : NULL;
}

static int ask_address(const struct rdmareg_rails *r, struct rail *l)
{
	struct again *a = &l->again;

	a->step = AGAIN_ADDRESS;
	return cm_ask_address(a->peer->channel, source_of(r, l),
			      (const struct sockaddr *)&a->target, a->ask_msec, &a->peer->id);
}

static int begin(struct rdmareg_rails *r, struct rail *l)
{
	struct epoll_event e = { .events = EPOLLIN };
	size_t i = (size_t)(l - r->rail);
	struct again *a = &l->again;
	int error = find_target(r, l);

	if (error == 0)
		error = peer_new(&r->tickets.ticket[i], r->access, &r->options, (uint32_t)i,
				 &a->request, &a->peer);
	if (error < 0)
		return error;
	a->at_usec = peer_connect_deadline(&r->options);
	a->ask_msec = CM_ASK_MSEC;
	if (epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, a->peer->epoll_fd, &e) < 0)
		return fail(errno, "connecting: %s", strerror(errno));
	return ask_address(r, l);
}

/* The address is known, or has to be asked for once more. */
static int take_address(const struct rdmareg_rails *r, struct rail *l)
{
	struct rdmareg_peer *p = l->again.peer;
	struct rdma_cm_event *e;
	int error = cm_take(p->channel, RDMA_CM_EVENT_ADDR_RESOLVED, &e);

	if (error == -ETIMEDOUT) {
		rdma_destroy_id(p->id);
		p->id = NULL;
		l->again.ask_msec = cm_ask_longer(l->again.ask_msec);
		return ask_address(r, l);
	}
	if (error <= 0)
		return error;
	rdma_ack_cm_event(e);
	l->again.step = AGAIN_ROUTE;
	if (rdma_resolve_route(p->id, ROUTE_MSEC))
		return fail(errno, "finding a route: %s", strerror(errno));
	return 1;
}

static int take_route(struct again *a)
{
	struct rdma_cm_event *e;
	int error = cm_take(a->peer->channel, RDMA_CM_EVENT_ROUTE_RESOLVED, &e);

	if (error <= 0)
		return error;
	rdma_ack_cm_event(e);
	a->step = AGAIN_ACCEPT;
	error = peer_build(a->peer);
	if (error == 0)
		error = peer_request(a->peer, &a->request);
	return error < 0 ? error : 1;
}

/* 2: it is connected. */
static int take_accept(const struct rdmareg_rails *r, struct rail *l)
{
	struct rdmareg_peer *p = l->again.peer;
	struct rdma_cm_event *e;
	bool said;
	int error = cm_take_answer(p->channel, RDMA_CM_EVENT_ESTABLISHED, &e, &said);

	if (error == 0)
		return 0;
	if (error > 0) {
		said = true;
		error = peer_take_accept(p, e);
		if (error == 0)
			error = rails_check_same(r, l, p);
	}
	l->again.never = said && is_final(error);
	return error < 0 ? error : 2;
}

/* 1: it went on; 0: nothing has come; 2: it is connected. */
static int step(const struct rdmareg_rails *r, struct rail *l)
{
	switch (l->again.step) {
	case AGAIN_ADDRESS:
		return take_address(r, l);
	case AGAIN_ROUTE:
		return take_route(&l->again);
	case AGAIN_ACCEPT:
		break;
	}
	return take_accept(r, l);
}

/* What the program has not taken of the one before is still told. */
static void replace(struct rdmareg_rails *r, struct rail *l)
{
	struct rdmareg_peer_event e = { .type = RDMAREG_PEER_EVENT_RECONNECTED };
	struct rdmareg_peer *old = l->peer, *new = l->again.peer;

	rails_note_end(r, l);
	if (old) {
		memcpy(new->events, old->events, sizeof(new->events));
		new->event_first = old->event_first;
		new->n_events = old->n_events;
		rdmareg_peer_close(old);
	}
	l->peer = new;
	explicit_bzero(&l->again, sizeof(l->again));
	peer_event(new, &e);
	peer_begin(new);
}

static void give_up(struct rail *l, int error, uint64_t now)
{
	struct again *a = &l->again;

	if (!l->peer) {
		l->why.code = error;
		snprintf(l->why.text, sizeof(l->why.text), "%s", rdmareg_last_error());
	}
	a->peer = rdmareg_peer_close(a->peer);
	a->at_usec = add_saturating(now, pause_after(++a->tries));
}

static void look_at(struct rdmareg_rails *r, struct rail *l, uint64_t now)
{
	struct again *a = &l->again;
	int error = 1;

	if (!a->peer && !a->at_usec)
		a->at_usec = add_saturating(now, pause_after(0));
	if (!a->peer && now < a->at_usec)
		return;
	if (!a->peer && (error = begin(r, l)) == 0)
		error = 1;
	while (error == 1)
		error = step(r, l);
	if (error == 0 && now >= a->at_usec)
		error = cm_fail_silent(a->step == AGAIN_ACCEPT ? RDMA_CM_EVENT_ESTABLISHED
							       : RDMA_CM_EVENT_ADDR_RESOLVED);
	if (error == 2)
		replace(r, l);
	else if (error < 0)
		give_up(l, error, now);
}

/* The descriptor tells of the moment at which something is due. */
static void set_timer(struct rdmareg_rails *r, uint64_t usec)
{
	struct itimerspec at = { .it_value = { (time_t)(usec / USEC_PER_SEC),
					       (long)(usec % USEC_PER_SEC) * 1000 } };

	if (usec != r->timer_usec)
		timerfd_settime(r->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
	r->timer_usec = usec;
}

void again_look(struct rdmareg_rails *r)
{
	uint64_t now = 0, next = UINT64_MAX;
	struct failure before;

	for (size_t i = 0; i < r->n; i++) {
		struct rail *l = &r->rail[i];

		if (!is_wanted(r, l))
			continue;
		if (!now)
			before = failure_keep();
		now = clock_usec(CLOCK_MONOTONIC);
		look_at(r, l, now);
		if (is_wanted(r, l) && l->again.at_usec < next)
			next = l->again.at_usec;
	}
	if (now)
		failure_put_back(&before);
	set_timer(r, next == UINT64_MAX ? 0 : next);
}

void again_end(struct rail *l)
{
	l->again.peer = rdmareg_peer_close(l->again.peer);
	explicit_bzero(&l->again.request, sizeof(l->again.request));
}
