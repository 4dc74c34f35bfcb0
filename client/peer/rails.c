// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * rails.c - several connections to the same bytes: made, asked, waited for, closed. The transfers
 * over them are stripe.c's. What always holds: see rails.h.
 */
#include "rails.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "buffer.h"
#include "operations.h"
#include "util.h"

_Static_assert(RDMAREG_RAILS_MAX == WIRE_TICKETS_MAX, "a rail for each ticket");

#define STRIPE_BYTES (UINT64_C(128) << 10)
#define STRIPE_LEAST UINT64_C(4096)
#define STRIPE_MOST (UINT64_C(1) << 30)

DEFINE_CLEANUP(struct rdmareg_rails, rdmareg_rails_close)

struct rail *rails_first_up(struct rdmareg_rails *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (rail_is_up(&r->rail[i]))
			return &r->rail[i];
	return NULL;
}

void rails_note_end(struct rdmareg_rails *r, struct rail *l)
{
	r->lost_unflushed |= l->unflushed;
	r->lost_undurable |= l->undurable;
	l->unflushed = l->undurable = false;
}

static int count_up(const struct rdmareg_rails *r)
{
	int n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += rail_is_up(&r->rail[i]);
	return n;
}

_public_ struct rdmareg_rails *rdmareg_rails_close(struct rdmareg_rails *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->n; i++) {
		again_end(&r->rail[i]);
		rdmareg_peer_close(r->rail[i].peer);
	}
	if (r->timer_fd >= 0)
		close(r->timer_fd);
	if (r->epoll_fd >= 0)
		close(r->epoll_fd);
	explicit_bzero(&r->tickets, sizeof(r->tickets));
	free(r->source_address);
	free(r);
	return NULL;
}

/* A piece has to fit into the buffer of each rail, and is never less than the largest unit. */
static int check_units(const struct rdmareg_peer *one, const struct rdmareg_peer *other)
{
	uint32_t a = buffer_chunk_unit(one), b = buffer_chunk_unit(other), most = a > b ? a : b;

	if (a == b || most <= other->options.buffer_bytes)
		return 0;
	return fail(EINVAL,
		    "connecting by several tickets: region %" PRIu64
		    " is accessed at multiples of %" PRIu32
		    " bytes, which is more than the other rails' buffers have: set buffer_bytes to "
		    "%" PRIu32 " or more",
		    a > b ? one->region : other->region, most, most);
}

int rails_check_same(const struct rdmareg_rails *r, const struct rail *l,
		     const struct rdmareg_peer *p)
{
	const struct wire_accept *b = &p->remote, *a;
	int error;

	for (size_t i = 0; i < r->n; i++) {
		if (!r->rail[i].peer || r->rail[i].peer == p)
			continue;
		a = &r->rail[i].peer->remote;
		if (&r->rail[i] == l) {
			if (a->length != b->length ||
			    (a->bytes && b->bytes && a->bytes != b->bytes))
				return fail(EINVAL,
					    "connecting again: region %" PRIu64
					    " is not of the bytes that it was of before",
					    p->region);
			continue;
		}
		if (a->length != b->length)
			return fail(EINVAL,
				    "connecting by several tickets: region %" PRIu64 " has %" PRIu64
				    " bytes and region %" PRIu64 " has %" PRIu64
				    ", so they are not of the same range of a file",
				    r->rail[i].peer->region, a->length, p->region, b->length);
		if (a->bytes && b->bytes && a->bytes != b->bytes)
			return fail(EINVAL,
				    "connecting by several tickets: regions %" PRIu64
				    " and %" PRIu64 " are of different files, or of another place "
				    "in the file; a list has the tickets of one range of a file",
				    r->rail[i].peer->region, p->region);
		error = check_units(r->rail[i].peer, p);
		if (error < 0)
			return error;
	}
	return 0;
}

/* -EINVAL: the list makes no sense. */
static int connect_rail(struct rdmareg_rails *r, size_t i, uint64_t usec)
{
	struct epoll_event e = { .events = EPOLLIN };
	struct rail *l = &r->rail[i];
	struct rdmareg_peer_options o = r->options;
	int error;

	o.source_address = r->source_address;
	error = peer_connect(&r->tickets.ticket[i], r->access, &o, usec, (uint32_t)i, &l->peer);
	if (error == 0)
		error = rails_check_same(r, l, l->peer);
	if (error == 0 && epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, l->peer->epoll_fd, &e) < 0)
		error = fail(errno, "connecting: %s", strerror(errno));
	if (error == 0)
		return 0;
	l->why.code = error;
	snprintf(l->why.text, sizeof(l->why.text), "%s", rdmareg_last_error());
	l->peer = rdmareg_peer_close(l->peer);
	return error;
}

/* Those that were not tried; with first_only until one is there. 0: one at least is. */
static int connect_rails(struct rdmareg_rails *r)
{
	uint64_t deadline = peer_connect_deadline(&r->options);
	int error = -ENOTCONN;

	for (size_t i = 0; i < r->n; i++) {
		if (r->rail[i].peer || r->rail[i].why.code)
			continue;
		error = connect_rail(r, i, part_of_time(deadline, r->n - i));
		if (error == -EINVAL || error == -ENOMEM || error == -EINTR)
			return error;
		if (error == 0 && r->first_only)
			break;
	}
	return rails_first_up(r) ? 0 : error;
}

static int rails_new(const struct rdmareg_rails_options *o, const struct rdmareg_peer_options *po,
		     enum rdmareg_access access, struct rdmareg_rails **ret)
{
	_cleanup_(rdmareg_rails_close_cleanup) struct rdmareg_rails *r = calloc(1, sizeof(*r));
	struct epoll_event e = { .events = EPOLLIN };

	if (!r)
		return fail(ENOMEM, "connecting: out of memory");
	r->epoll_fd = r->timer_fd = -1;
	r->access = access;
	r->options = *po;
	r->options.source_address = NULL;
	if (r->options.on_revocation == RDMAREG_ON_REVOCATION_RETURN)
		r->options.on_revocation = RDMAREG_ON_REVOCATION_YIELD;
	r->stripe_bytes = o->stripe_bytes ? o->stripe_bytes : STRIPE_BYTES;
	r->first_only = o->first_only;
	r->no_reconnect = o->no_reconnect;
	r->source_address = po->source_address ? strdup(po->source_address) : NULL;
	r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	r->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (r->epoll_fd < 0 || r->timer_fd < 0 ||
	    epoll_ctl(r->epoll_fd, EPOLL_CTL_ADD, r->timer_fd, &e) < 0 ||
	    (po->source_address && !r->source_address))
		return fail(errno, "connecting: %s", strerror(errno));
	*ret = take_pointer(r);
	return 0;
}

_public_ int rdmareg_rails_connect(const char *tickets, enum rdmareg_access access,
				   const struct rdmareg_rails_options *options,
				   struct rdmareg_rails **ret)
{
	_cleanup_(rdmareg_rails_close_cleanup) struct rdmareg_rails *r = NULL;
	struct rdmareg_rails_options o;
	struct rdmareg_peer_options po;
	int error;

	NEED(tickets);
	NEED(ret);
	error = struct_in(&o, sizeof(o), options);
	if (error >= 0)
		error = struct_check_reserved(o.reserved, sizeof(o.reserved));
	if (error >= 0)
		error = struct_in(&po, sizeof(po), o.peer);
	if (error >= 0)
		error = peer_check_options(&po, access);
	if (error >= 0 && o.stripe_bytes &&
	    (o.stripe_bytes < STRIPE_LEAST || o.stripe_bytes > STRIPE_MOST))
		error = fail(EINVAL,
			     "connecting: stripe_bytes has to be from 4096 to 1 GiB, not %" PRIu64,
			     o.stripe_bytes);
	if (error >= 0)
		error = rails_new(&o, &po, access, &r);
	if (error >= 0)
		error = ticket_list_parse(tickets, &r->tickets);
	if (error < 0)
		return error;
	r->n = r->tickets.n;
	error = connect_rails(r);
	if (error < 0)
		return error;
	again_look(r);
	*ret = take_pointer(r);
	return 0;
}

/* None is up any more; that of the last one that was. */
static int fail_all(struct rdmareg_rails *r)
{
	char why[ERROR_BYTES];
	int error = -ENOTCONN;

	for (size_t i = 0; i < r->n; i++)
		if (r->rail[i].peer)
			error = peer_fail_ended(r->rail[i].peer);
	if (r->n == 1)
		return error;
	snprintf(why, sizeof(why), "%s", rdmareg_last_error());
	return fail(error, "none of %zu rails is left; the last one: %s", r->n, why);
}

/* With first_only one that was not tried yet may be there instead. 0: one is up. */
static int find_up(struct rdmareg_rails *r)
{
	if (rails_first_up(r))
		return 0;
	for (size_t i = 0; i < r->n; i++)
		if (!r->rail[i].peer && !r->rail[i].why.code)
			return connect_rails(r);
	return fail_all(r);
}

static int64_t transfer(struct rdmareg_rails *r, enum ibv_wr_opcode opcode, void *memory,
			uint64_t length, uint64_t offset)
{
	bool write = opcode == IBV_WR_RDMA_WRITE;
	const char *verb = write ? "writing" : "reading";
	const struct rdmareg_peer *p;
	int64_t n;
	int error;

	again_look(r);
	do {
		error = find_up(r);
		if (error < 0)
			return error;
		p = rails_first_up(r)->peer;
		if (write && !(p->remote.rights & WIRE_RIGHT_WRITE))
			return fail(EACCES,
				    "writing region %" PRIu64
				    ": the connection does not have that right; connect for "
				    "reading and writing",
				    p->region);
		if (offset > p->remote.length || length > p->remote.length - offset)
			return fail(ERANGE,
				    "%s %" PRIu64 " bytes at offset %" PRIu64 " of region %" PRIu64
				    ": it has %" PRIu64 " bytes",
				    verb, length, offset, p->region, p->remote.length);
		for (size_t i = 0; write && i < r->n; i++)
			if (rail_is_up(&r->rail[i]) && offset % r->rail[i].peer->remote.alignment)
				return fail(EINVAL,
					    "writing region %" PRIu64 " at offset %" PRIu64
					    ": offsets must be multiples of %" PRIu32
					    " here: the adapter would misplace anything else",
					    p->region, offset, r->rail[i].peer->remote.alignment);
		if (!length)
			return 0;
		n = stripe_run(r, opcode, memory, length, offset);
		again_look(r);
	} while (n == -ENOTCONN);
	return n;
}

/* The return value counts bytes: no more than it can say. */
static uint64_t countable(size_t length)
{
	return length > INT64_MAX ? INT64_MAX : length;
}

_public_ int64_t rdmareg_rails_write(struct rdmareg_rails *r, const void *data, size_t length,
				     uint64_t offset)
{
	NEED(r);
	NEED(data || !length);
	if (r->n == 1)
		return rdmareg_peer_write(r->rail[0].peer, data, length, offset);
	return transfer(r, IBV_WR_RDMA_WRITE, (void *)(uintptr_t)data, countable(length), offset);
}

_public_ int64_t rdmareg_rails_read(struct rdmareg_rails *r, void *data, size_t length,
				    uint64_t offset)
{
	NEED(r);
	NEED(data || !length);
	if (r->n == 1)
		return rdmareg_peer_read(r->rail[0].peer, data, length, offset);
	return transfer(r, IBV_WR_RDMA_READ, data, countable(length), offset);
}

/* One that broke while nobody used it. */
static void note_ends(struct rdmareg_rails *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->rail[i].peer && !rail_is_up(&r->rail[i]))
			rails_note_end(r, &r->rail[i]);
}

static int fail_lost(bool *lost, const char *what)
{
	*lost = false;
	return fail(ECONNRESET,
		    "a rail broke, and what it had placed is not known to be %s: write it again",
		    what);
}

_public_ int rdmareg_rails_flush(struct rdmareg_rails *r, uint64_t offset)
{
	int error = 0;

	NEED(r);
	if (r->n == 1)
		return rdmareg_peer_flush(r->rail[0].peer, offset);
	for (size_t i = 0; i < r->n && error >= 0; i++) {
		struct rail *l = &r->rail[i];

		if (!rail_is_up(l) || !l->unflushed)
			continue;
		error = rdmareg_peer_flush(l->peer, offset);
		if (error == 0)
			l->unflushed = false;
		else if (l->peer->end.code)
			error = 0; /* noted below */
	}
	note_ends(r);
	if (error < 0)
		return error;
	return r->lost_unflushed ? fail_lost(&r->lost_unflushed, "in memory") : find_up(r);
}

/*
 * An fdatasync(2) by one keeper is of the whole file, whichever rail wrote; a FLUSH is of what went
 * over its own.
 */
_public_ int rdmareg_rails_persist(struct rdmareg_rails *r, uint64_t offset, uint64_t length)
{
	bool by_flush, done = false;
	int error;

	NEED(r);
	if (r->n == 1)
		return rdmareg_peer_persist(r->rail[0].peer, offset, length);
	error = rdmareg_rails_flush(r, offset);
	for (size_t i = 0; i < r->n && error >= 0; i++) {
		struct rail *l = &r->rail[i];

		if (!rail_is_up(l))
			continue;
		by_flush = operations_can_flush(l->peer, WIRE_FLUSH_PERSISTENT);
		if (done && !by_flush)
			continue;
		error = rdmareg_peer_persist(l->peer, offset, length);
		if (error == 0 && by_flush)
			l->undurable = false;
		if (error == 0 && !by_flush) {
			for (size_t j = 0; j < r->n; j++)
				r->rail[j].undurable = false;
			r->lost_undurable = false;
		}
		done |= error == 0;
		if (l->peer->end.code)
			error = 0; /* noted below */
	}
	note_ends(r);
	if (error < 0)
		return error;
	if (r->lost_undurable)
		return fail_lost(&r->lost_undurable, "durable");
	return done ? 0 : find_up(r);
}

static void add_to_info(struct rdmareg_peer_info *all, const struct rdmareg_peer_info *one)
{
#define LEAST(member) all->member = one->member < all->member ? one->member : all->member
	LEAST(valid_length);
	LEAST(path_mtu);
	LEAST(grace_msec);
	LEAST(durability);
	LEAST(persists_by_flush);
#undef LEAST
	all->alignment = one->alignment > all->alignment ? one->alignment : all->alignment;
	if (!all->revocation.id) {
		all->revocation = one->revocation;
		all->acknowledged = one->acknowledged;
	}
}

_public_ int rdmareg_rails_get_info(struct rdmareg_rails *r, int rail,
				    struct rdmareg_peer_info *info)
{
	struct rdmareg_peer_info all = { .size = sizeof(all) }, one = { .size = sizeof(one) };
	struct rail *first;
	int error;

	NEED(r);
	if (rail >= (int)r->n || rail < RDMAREG_ALL_RAILS)
		return fail(ENOENT, "looking at rail %d: there are %zu", rail, r->n);
	if (rail >= 0 && !r->rail[rail].peer)
		return fail(ENOTCONN, "rail %d was not reached: %s", rail,
			    r->rail[rail].why.code ? r->rail[rail].why.text : "it was not tried");
	if (rail >= 0) {
		error = rdmareg_peer_get_info(r->rail[rail].peer, info);
		return error < 0 ? error : count_up(r);
	}
	first = rails_first_up(r);
	for (size_t i = 0; !first && i < r->n; i++)
		first = r->rail[i].peer ? &r->rail[i] : NULL;
	rdmareg_peer_get_info(first->peer, &all);
	for (size_t i = 0; i < r->n; i++)
		if (rail_is_up(&r->rail[i]) && &r->rail[i] != first) {
			rdmareg_peer_get_info(r->rail[i].peer, &one);
			add_to_info(&all, &one);
		}
	error = struct_out(info, &all, sizeof(*info));
	return error < 0 ? error : count_up(r);
}

_public_ int rdmareg_rails_get_fd(const struct rdmareg_rails *r)
{
	NEED(r);
	return r->epoll_fd;
}

_public_ int rdmareg_rails_dispatch(struct rdmareg_rails *r)
{
	NEED(r);
	for (size_t i = 0; i < r->n; i++)
		if (r->rail[i].peer)
			rdmareg_peer_dispatch(r->rail[i].peer);
	note_ends(r);
	again_look(r);
	return 0;
}

_public_ int rdmareg_rails_next_event(struct rdmareg_rails *r, struct rdmareg_peer_event *event)
{
	int n = 0;

	NEED(r);
	for (size_t i = 0; i < r->n && n == 0; i++)
		if (r->rail[i].peer)
			n = rdmareg_peer_next_event(r->rail[i].peer, event);
	return n;
}
