// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * peer.c - the peer side's public calls that are not transfers: connect, ask, wait, acknowledge,
 * close.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "cm.h"
#include "error.h"
#include "operations.h"
#include "peer.h"
#include "rdmareg-timers.h"
#include "ticket.h"
#include "util.h"
#include "wire.h"

#define CONNECT_USEC (10 * USEC_PER_SEC)
#define OR_DEFAULT(value, fallback) ((value) ? (value) : (fallback))

DEFINE_CLEANUP(struct rdmareg_peer, rdmareg_peer_close)

_public_ struct rdmareg_peer *rdmareg_peer_close(struct rdmareg_peer *p)
{
	if (!p)
		return NULL;
	peer_teardown(p);
	if (p->channel)
		rdma_destroy_event_channel(p->channel);
	if (p->event_fd >= 0)
		close(p->event_fd);
	if (p->epoll_fd >= 0)
		close(p->epoll_fd);
	explicit_bzero(p->token, sizeof(p->token));
	free(p);
	return NULL;
}

static int new_alone(const struct rdmareg_peer_options *o, struct rdmareg_peer **ret)
{
	_cleanup_(rdmareg_peer_close_cleanup) struct rdmareg_peer *p = calloc(1, sizeof(*p));
	struct epoll_event e = { .events = EPOLLIN };

	if (!p)
		return fail(ENOMEM, "connecting: out of memory");
	p->epoll_fd = p->event_fd = -1;
	p->options = *o;
	p->options.source_address = NULL;
	p->options.connect_timeout_usec = OR_DEFAULT(o->connect_timeout_usec, CONNECT_USEC);
	p->options.io_timeout_usec = OR_DEFAULT(o->io_timeout_usec, 30 * USEC_PER_SEC);
	p->options.settle_timeout_usec = OR_DEFAULT(o->settle_timeout_usec, 120 * USEC_PER_SEC);
	p->options.buffer_bytes = OR_DEFAULT(o->buffer_bytes, 1u << 20);
	p->options.rnr_timer_usec = OR_DEFAULT(o->rnr_timer_usec, 640);
	p->options.rnr_retries = OR_DEFAULT(o->rnr_retries, 7);
	p->options.retries = OR_DEFAULT(o->retries, 6);
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	p->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->epoll_fd < 0 || p->event_fd < 0 ||
	    epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->event_fd, &e) < 0)
		return fail(errno, "connecting: %s", strerror(errno));
	p->channel = rdma_create_event_channel();
	if (!p->channel) {
		if (errno == EACCES || errno == EPERM)
			return fail(errno,
				    "connecting: this user may not open /dev/infiniband/rdma_cm");
		return fail(ENODEV,
			    "connecting: this machine has no RDMA device, or the module "
			    "rdma_ucm is not loaded (%s)",
			    strerror(errno));
	}
	if (cm_set_nonblocking(p->channel->fd) < 0 ||
	    epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->channel->fd, &e) < 0)
		return fail(errno, "connecting: %s", strerror(errno));
	*ret = take_pointer(p);
	return 0;
}

static int look_up(const char *what, const char *host, const char *port, int flags,
		   struct addrinfo **ret)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	int r = getaddrinfo(host, port, &hints, ret);

	if (!r)
		return 0;
	return fail(r == EAI_MEMORY ? ENOMEM : ENXIO, "connecting: looking up %s %s: %s%s", what,
		    host, gai_strerror(r),
		    flags & AI_NUMERICHOST ? "; it has to be a numeric address" : "");
}

/*
 * Only a host that was not reached may be reached at another of its addresses. An answer is an
 * answer.
 */
static bool may_try_next(int r)
{
	return r == -EHOSTUNREACH || r == -ENETUNREACH || r == -ENODEV || r == -ECONNREFUSED ||
	       r == -EADDRNOTAVAIL || r == -ETIMEDOUT;
}

/* What the ticket's hosts are, each list in its place; NULL: could not be looked up. */
struct targets {
	struct addrinfo *list[TICKET_PLACES_MAX];
	size_t n;
};

static void targets_free(struct targets *t)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->list[i])
			freeaddrinfo(t->list[i]);
	t->n = 0;
}

/*
 * One that is found is enough. Keepers name several by number only; names could be looked up one
 * after the other, each for as long as a silent name server takes.
 */
static int look_up_targets(const struct ticket *ticket, struct targets *ret)
{
	int flags = AI_NUMERICSERV | (ticket->n > 1 ? AI_NUMERICHOST : 0);
	int r = 0;
	bool found = false;

	for (size_t i = 0; i < ticket->n; i++) {
		const struct ticket_place *at = &ticket->places[i];
		int error = look_up("the ticket's host", at->host, at->port, flags, &ret->list[i]);

		if (error < 0) {
			ret->list[i] = NULL;
			r = error;
		}
		found |= error >= 0;
		ret->n = i + 1;
	}
	return found ? 0 : r;
}

/* The address after @a of the same family as @source; NULL: begin, and the end. */
static const struct addrinfo *next_target(const struct targets *t, size_t *list,
					  const struct addrinfo *a, const struct addrinfo *source)
{
	for (;;) {
		if (a)
			a = a->ai_next;
		for (; !a && *list < t->n; ++*list)
			a = t->list[*list];
		if (!a || !source || source->ai_family == a->ai_family)
			return a;
	}
}

static bool has_family(const struct targets *t, const struct addrinfo *source)
{
	size_t list = 0;

	return next_target(t, &list, NULL, source);
}

/* With a @source some target has its family. */
static int connect_any(struct rdmareg_peer *p, const struct targets *targets,
		       const struct addrinfo *source, const struct wire_connect *request,
		       uint64_t usec)
{
	uint64_t deadline = add_saturating(clock_usec(CLOCK_MONOTONIC), usec);
	const struct addrinfo *a = NULL;
	unsigned int left = 0;
	size_t list = 0;
	int r = 0;

	while ((a = next_target(targets, &list, a, source)))
		left++;
	list = 0;
	while ((a = next_target(targets, &list, a, source))) {
		/* A silent address may not use up the time of those behind it. */
		r = peer_establish(p, source ? source->ai_addr : NULL, a->ai_addr, request,
				   add_saturating(clock_usec(CLOCK_MONOTONIC),
						  part_of_time(deadline, left--)));
		if (!may_try_next(r))
			return r;
	}
	return r;
}

int peer_check_options(const struct rdmareg_peer_options *o, enum rdmareg_access access)
{
	if (access != RDMAREG_ACCESS_READ && access != RDMAREG_ACCESS_READ_WRITE)
		return fail(EINVAL, "connecting: the access is neither read nor read-write");
	if ((unsigned int)o->on_revocation > RDMAREG_ON_REVOCATION_IGNORE)
		return fail(EINVAL, "connecting: invalid on_revocation %d", (int)o->on_revocation);
	if (o->retries > 6 || o->rnr_retries > 7 || o->rnr_timer_usec > TIMERS_RNR_MAX_USEC ||
	    o->ack_timeout_usec > TIMERS_ACK_MAX_USEC)
		return fail(
			EINVAL,
			"connecting: retries are at most 6 (7 means for ever to some adapters), "
			"rnr_retries 7, rnr_timer_usec 655360");
	return 0;
}

uint64_t peer_connect_deadline(const struct rdmareg_peer_options *o)
{
	return add_saturating(clock_usec(CLOCK_MONOTONIC),
			      OR_DEFAULT(o->connect_timeout_usec, CONNECT_USEC));
}

int peer_new(const struct ticket *ticket, enum rdmareg_access access,
	     const struct rdmareg_peer_options *o, uint32_t rail, struct wire_connect *ret_request,
	     struct rdmareg_peer **ret)
{
	struct rdmareg_peer *p = NULL;
	int r = new_alone(o, &p);

	if (r < 0)
		return r;
	p->rail = rail;
	p->region = ticket->region;
	memcpy(p->token, ticket->token, sizeof(p->token));
	wire_put_connect(ret_request,
			 access == RDMAREG_ACCESS_READ ? WIRE_RIGHT_READ
						       : WIRE_RIGHT_READ | WIRE_RIGHT_WRITE,
			 ticket->region, ticket->token);
	*ret = p;
	return 0;
}

void peer_begin(struct rdmareg_peer *p)
{
	if (p->remote.revocation) {
		/*
		 * Nothing of ours can be in flight: it waits for nobody here, and we wait for its
		 * settling.
		 */
		p->revocation.id = p->remote.revocation;
		p->revocation.length = p->remote.length;
		p->acknowledged = true;
	}
	peer_watch(p);
}

int peer_connect(const struct ticket *ticket, enum rdmareg_access access,
		 const struct rdmareg_peer_options *o, uint64_t usec, uint32_t rail,
		 struct rdmareg_peer **ret)
{
	_cleanup_(rdmareg_peer_close_cleanup) struct rdmareg_peer *p = NULL;
	struct targets targets = { 0 };
	struct addrinfo *source = NULL;
	struct wire_connect request;
	int r = peer_new(ticket, access, o, rail, &request, &p);

	if (r < 0)
		return r;
	r = look_up_targets(ticket, &targets);
	if (r >= 0 && o->source_address)
		r = look_up("the source address", o->source_address, NULL, AI_NUMERICHOST, &source);
	if (r >= 0 && source && !has_family(&targets, source))
		r = fail(
			EADDRNOTAVAIL,
			"connecting: the source address %s and the ticket's host %s are not both IPv4 or both IPv6; give "
			"an address of this machine that is like the host's",
			o->source_address, ticket->places[0].host);
	if (r >= 0)
		r = connect_any(p, &targets, source, &request, usec);
	targets_free(&targets);
	if (source)
		freeaddrinfo(source);
	explicit_bzero(&request, sizeof(request));
	if (r < 0)
		return r;
	peer_begin(p);
	*ret = take_pointer(p);
	return 0;
}

/* Of several tickets the first that works: each has its part of the time that is left. */
static int connect_first(const struct ticket_list *l, enum rdmareg_access access,
			 const struct rdmareg_peer_options *o, struct rdmareg_peer **ret)
{
	uint64_t deadline = peer_connect_deadline(o);
	int r = 0;

	for (size_t i = 0; i < l->n; i++) {
		r = peer_connect(&l->ticket[i], access, o, part_of_time(deadline, l->n - i), 0,
				 ret);
		if (r >= 0 || r == -ENOMEM || r == -EINTR)
			break;
	}
	return r;
}

_public_ int rdmareg_peer_connect(const char *ticket_text, enum rdmareg_access access,
				  const struct rdmareg_peer_options *options,
				  struct rdmareg_peer **ret)
{
	struct rdmareg_peer_options o;
	struct ticket_list list;
	int r;

	NEED(ticket_text);
	NEED(ret);
	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = peer_check_options(&o, access);
	if (r >= 0)
		r = ticket_list_parse(ticket_text, &list);
	if (r < 0)
		return r;
	r = connect_first(&list, access, &o, ret);
	explicit_bzero(&list, sizeof(list));
	return r;
}

_public_ int rdmareg_peer_get_info(struct rdmareg_peer *p, struct rdmareg_peer_info *info)
{
	struct rdmareg_peer_info i;

	NEED(p);
	i = (struct rdmareg_peer_info){
		.region = p->region,
		.length = p->remote.length,
		.valid_length = p->remote.valid_length,
		.address = p->remote.address,
		.rkey = p->remote.rkey,
		.generation = p->remote.generation,
		.alignment = p->remote.alignment,
		.path_mtu = p->path_mtu,
		.grace_msec = p->remote.grace_msec,
		.minimum_mtu = p->remote.minimum_mtu,
		.rnr_timer_usec = p->options.rnr_timer_usec,
		.rnr_retries = p->options.rnr_retries,
		.retries = p->options.retries,
		.access = p->remote.rights & WIRE_RIGHT_WRITE ? RDMAREG_ACCESS_READ_WRITE
							      : RDMAREG_ACCESS_READ,
		.revocation = p->revocation,
		.acknowledged = p->acknowledged,
		.connected = !p->end.code,
		/* ours begin with "unknown" */
		.durability = (enum rdmareg_durability)(p->remote.durability + 1),
		.persists_by_flush = operations_can_flush(p, WIRE_FLUSH_PERSISTENT),
		.path_state = (enum rdmareg_path_state)p->remote.path_state,
	};
	const struct sockaddr *remote = rdma_get_peer_addr(p->id);

	snprintf(i.device, sizeof(i.device), "%s", ibv_get_device_name(p->id->verbs->device));
	if (remote->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)remote)->sin_addr,
			  i.remote_address, sizeof(i.remote_address));
	else if (remote->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)remote)->sin6_addr,
			  i.remote_address, sizeof(i.remote_address));
	return struct_out(info, &i, sizeof(i));
}

_public_ int rdmareg_peer_get_fd(const struct rdmareg_peer *p)
{
	NEED(p);
	return p->epoll_fd;
}

_public_ int rdmareg_peer_dispatch(struct rdmareg_peer *p)
{
	NEED(p);
	if (!p->n_events)
		peer_lower(p);
	/* Look, have the next completion announced, look again: nothing can slip between. */
	p->armed = false;
	peer_progress(p);
	peer_arm(p);
	peer_progress(p);
	if (p->more)
		peer_raise(p);
	if (!p->end.code && p->revocation.id && !p->acknowledged &&
	    p->options.on_revocation == RDMAREG_ON_REVOCATION_YIELD)
		peer_send_ack(p);
	return 0;
}

_public_ int rdmareg_peer_acknowledge(struct rdmareg_peer *p, uint64_t revocation)
{
	NEED(p);
	if (p->end.code)
		return peer_fail_ended(p);
	if (!revocation || p->revocation.id != revocation)
		return fail(ESTALE,
			    "acknowledging revocation %" PRIu64 " of region %" PRIu64
			    ": it is over, or was not asked; %s",
			    revocation, p->region, "look at the newest event");
	if (p->acknowledged)
		return 0;
	return peer_send_ack(p) < 0 ? peer_fail_ended(p) : 0;
}
