// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * stripe.c - a READ or WRITE over several rails. The range is cut into pieces at multiples of their
 * size; a rail that has room for an operation takes the next piece that nobody has.
 *
 * What always holds:
 *   - A piece is FREE, in flight on one rail, placed by one rail, or DONE. A rail that breaks makes
 *     those that it has in flight, or had placed, FREE again: the memory they come from is there
 *     until we return.
 *   - A READ is DONE when it came home, a WRITE when a READ behind it on the same rail did: then it
 *     is in the memory over there, and no rail can take it along when it breaks.
 *   - While a rail has a revocation that is not settled nothing is posted on any. It is acknowledged
 *     when nothing is in flight on any.
 */
#include "rails.h"

#include <inttypes.h>

#include "buffer.h"
#include "util.h"

enum piece_state {
	PIECE_FREE,
	PIECE_IN_FLIGHT, /* and the rail's number */
	PIECE_PLACED = PIECE_IN_FLIGHT + WIRE_TICKETS_MAX,
	PIECE_DONE = PIECE_PLACED + WIRE_TICKETS_MAX,
};

#define PIECE_FLUSH UINT64_MAX /* in a slot: no piece, a READ behind the writes */

struct stripe {
	struct rdmareg_rails *rails;
	enum ibv_wr_opcode opcode;
	uint8_t *memory; /* the caller's */
	uint64_t offset, length;
	uint64_t unit;	  /* bytes of a piece; a multiple of each rail's unit */
	uint64_t first;	  /* piece @i is the one at (first + i) * unit of the region */
	uint64_t n, left; /* pieces in all, and not DONE */
	uint64_t next;	  /* none before it is FREE */
	uint8_t *state;	  /* enum piece_state */
	int error;	  /* no more is posted; the sentence is set, or is that of @blamed */
	struct rail *blamed;
};

static uint8_t number_of(const struct stripe *s, const struct rail *l)
{
	return (uint8_t)(l - s->rails->rail);
}

/* Of the region. The first and the last piece may be short. */
static uint64_t begin_of(const struct stripe *s, uint64_t piece)
{
	uint64_t at = (s->first + piece) * s->unit;

	return at > s->offset ? at : s->offset;
}

static uint64_t end_of(const struct stripe *s, uint64_t piece)
{
	uint64_t at = (s->first + piece + 1) * s->unit, end = s->offset + s->length;

	return at < end ? at : end;
}

static bool is_idle(const struct rail *l)
{
	return l->n_posted == l->n_done;
}

static bool all_idle(const struct rdmareg_rails *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (rail_is_up(&r->rail[i]) && !is_idle(&r->rail[i]))
			return false;
	return true;
}

static void set_done(struct stripe *s, uint64_t piece)
{
	s->state[piece] = PIECE_DONE;
	s->left--;
}

/* All that the rail had placed: @again: FREE, or else DONE. */
static void end_placed(struct stripe *s, struct rail *l, bool again)
{
	uint8_t number = number_of(s, l);

	for (uint64_t i = 0; i < s->n; i++) {
		if (s->state[i] == PIECE_PLACED + number && !again) {
			set_done(s, i);
		} else if (s->state[i] == PIECE_PLACED + number ||
			   (again && s->state[i] == PIECE_IN_FLIGHT + number)) {
			s->state[i] = PIECE_FREE;
			s->next = i < s->next ? i : s->next;
		}
	}
	l->placed = 0;
}

/* Where a slot's bytes are on their way; what is read begins at a multiple of the alignment. */
static uint8_t *place_of(const struct stripe *s, const struct rail *l, uint32_t slot)
{
	return l->peer->bounce + slot * s->unit;
}

static uint32_t lead_of(const struct rail *l, uint64_t begin)
{
	return (uint32_t)(begin % l->peer->remote.alignment);
}

static void complete(struct peer_part *part, uint32_t slot)
{
	struct rail *l = (struct rail *)part;
	struct stripe *s = l->stripe;
	uint64_t piece, begin;

	if (is_idle(l) || slot != l->n_done % l->depth) {
		peer_end(l->peer, EIO, UNEXPECTED_COMPLETION);
		return;
	}
	l->n_done++;
	l->deadline_usec =
		add_saturating(clock_usec(CLOCK_MONOTONIC), l->peer->options.io_timeout_usec);
	piece = l->piece[slot];
	if (piece == PIECE_FLUSH) {
		end_placed(s, l, false);
	} else if (s->opcode == IBV_WR_RDMA_WRITE) {
		s->state[piece] = (uint8_t)(PIECE_PLACED + number_of(s, l));
		l->placed++;
	} else {
		begin = begin_of(s, piece);
		memcpy(s->memory + (begin - s->offset), place_of(s, l, slot) + lead_of(l, begin),
		       end_of(s, piece) - begin);
		set_done(s, piece);
	}
}

static bool in_flight(const struct peer_part *part, uint64_t *ret_offset, uint64_t *ret_length,
		      bool *ret_write)
{
	const struct rail *l = (const struct rail *)part;
	const struct stripe *s = l->stripe;
	uint64_t piece;

	if (is_idle(l) || l->piece[l->n_done % l->depth] == PIECE_FLUSH)
		return false;
	piece = l->piece[l->n_done % l->depth];
	*ret_offset = begin_of(s, piece);
	*ret_length = end_of(s, piece) - *ret_offset;
	*ret_write = s->opcode == IBV_WR_RDMA_WRITE;
	return true;
}

static int stop(struct stripe *s, int error)
{
	if (!s->error)
		s->error = error;
	return error;
}

/* The next operation of a rail that has room for one. */
static void post(struct stripe *s, struct rail *l, uint64_t piece)
{
	struct rdmareg_peer *p = l->peer;
	uint32_t slot = l->n_posted % l->depth;
	bool flush = piece == PIECE_FLUSH, write = !flush && s->opcode == IBV_WR_RDMA_WRITE;
	uint64_t begin = flush ? 0 : begin_of(s, piece), end = flush ? 1 : end_of(s, piece),
		 at = begin - lead_of(l, begin);
	struct ibv_sge sge = { .addr = (uintptr_t)place_of(s, l, slot),
			       .length = (uint32_t)(end - at),
			       .lkey = p->bounce_mr->lkey };
	struct ibv_send_wr *bad, wr = {
		.wr_id = WR_DATA | slot,
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = write ? IBV_WR_RDMA_WRITE : IBV_WR_RDMA_READ,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = p->remote.address + at, .rkey = p->remote.rkey },
	};

	if (write)
		memcpy(place_of(s, l, slot), s->memory + (begin - s->offset), end - begin);
	if (ibv_post_send(p->id->qp, &wr, &bad)) {
		peer_end(p, EIO, REFUSED_OPERATION);
		return;
	}
	if (is_idle(l))
		l->deadline_usec =
			add_saturating(clock_usec(CLOCK_MONOTONIC), p->options.io_timeout_usec);
	l->piece[slot] = piece;
	l->n_posted++;
	if (!flush)
		s->state[piece] = (uint8_t)(PIECE_IN_FLIGHT + number_of(s, l));
}

static bool find_free(struct stripe *s)
{
	while (s->next < s->n && s->state[s->next] != PIECE_FREE)
		s->next++;
	return s->next < s->n;
}

/* One operation more. False: there is none for this rail, now. */
static bool post_next(struct stripe *s, struct rail *l)
{
	const struct rdmareg_peer *p = l->peer;

	if (l->n_posted - l->n_done == l->depth)
		return false;
	if (find_free(s)) {
		/* The whole of it, not this piece: nobody is served by half of the rest. */
		if (s->offset + s->length > p->remote.valid_length) {
			stop(s, fail(ERANGE,
				     "accessing %" PRIu64 " bytes at offset %" PRIu64
				     " of region %" PRIu64 ": the file backs only %" PRIu64
				     " bytes of it now",
				     s->length, s->offset, p->region, p->remote.valid_length));
			return false;
		}
		post(s, l, s->next);
		return true;
	}
	if (!is_idle(l) || !l->placed)
		return false;
	if (p->remote.valid_length)
		post(s, l, PIECE_FLUSH);
	else
		end_placed(s, l, false); /* the file has nothing any more */
	return true;
}

/* In turns, so that each rail has its share. */
static bool post_all(struct stripe *s)
{
	bool any = false, more = true;

	while (more && !s->error) {
		more = false;
		for (size_t i = 0; i < s->rails->n && !s->error; i++)
			if (rail_is_up(&s->rails->rail[i]))
				more |= post_next(s, &s->rails->rail[i]);
		any |= more;
	}
	return any;
}

/* What says something of the file, or of the caller's memory, would come on every rail. */
static bool is_of_file(int error)
{
	switch (-error) {
	case EACCES:
	case ENOSPC:
	case EDQUOT:
	case EROFS:
	case EREMOTEIO:
	case ENOMEM:
	case EHWPOISON:
	case EFAULT:
		return true;
	default:
		return false;
	}
}

/* Take in what has happened. Rails that broke have no part any more. */
static void progress(struct stripe *s)
{
	for (size_t i = 0; i < s->rails->n; i++) {
		struct rail *l = &s->rails->rail[i];

		if (!l->stripe || peer_progress(l->peer) == 0)
			continue;
		end_placed(s, l, true);
		rails_note_end(s->rails, l);
		l->n_posted = l->n_done = 0;
		l->stripe = NULL;
		l->peer->part = NULL;
		s->blamed = l;
		if (is_of_file(l->peer->end.code))
			stop(s, l->peer->end.code);
	}
}

static struct rail *find_asked(const struct stripe *s)
{
	for (size_t i = 0; i < s->rails->n; i++) {
		struct rail *l = &s->rails->rail[i];

		if (rail_is_up(l) && l->peer->revocation.id &&
		    l->peer->options.on_revocation != RDMAREG_ON_REVOCATION_IGNORE)
			return l;
	}
	return NULL;
}

/* The earliest moment at which a rail has waited too long; @otherwise: none waits. */
static uint64_t find_deadline(const struct rdmareg_rails *r, uint64_t otherwise)
{
	for (size_t i = 0; i < r->n; i++)
		if (rail_is_up(&r->rail[i]) && !is_idle(&r->rail[i]) &&
		    r->rail[i].deadline_usec < otherwise)
			otherwise = r->rail[i].deadline_usec;
	return otherwise;
}

static int sleep_until(struct rdmareg_rails *r, uint64_t usec)
{
	struct rdmareg_peer *peers[WIRE_TICKETS_MAX];

	for (size_t i = 0; i < r->n; i++)
		peers[i] = r->rail[i].peer;
	return peers_sleep(peers, r->n, usec);
}

/* Something is in flight: wait until it comes home, or is given up. */
static void await_operations(struct stripe *s)
{
	uint64_t now;
	int r = sleep_until(s->rails, find_deadline(s->rails, UINT64_MAX));

	/* A signal does not cut an operation short: it is bounded by the deadline. */
	if (r != -ETIMEDOUT)
		return;
	now = clock_usec(CLOCK_MONOTONIC);
	for (size_t i = 0; i < s->rails->n; i++) {
		struct rail *l = &s->rails->rail[i];

		if (rail_is_up(l) && !is_idle(l) && l->deadline_usec <= now)
			peer_end(l->peer, ETIMEDOUT, NO_ANSWER,
				 l->peer->options.io_timeout_usec / 1000);
	}
}

/* Nothing is in flight on any rail, and one of them is asked. */
static void give_way(struct stripe *s)
{
	struct rail *asked = find_asked(s);
	uint64_t deadline = add_saturating(clock_usec(CLOCK_MONOTONIC),
					   asked->peer->options.settle_timeout_usec);
	int r;

	/* A newer one, or one of another rail, may come while we wait: it is acknowledged, too. */
	while ((asked = find_asked(s)) && !s->error) {
		for (size_t i = 0; i < s->rails->n; i++) {
			struct rail *l = &s->rails->rail[i];

			if (rail_is_up(l) && l->peer->revocation.id && !l->peer->acknowledged)
				peer_send_ack(l->peer);
		}
		r = sleep_until(s->rails, deadline);
		if (r == -ETIMEDOUT)
			stop(s, fail(ETIMEDOUT,
				     "using region %" PRIu64 ": revocation %" PRIu64
				     " was acknowledged and is still not settled; what holds its "
				     "file there?",
				     asked->peer->region, asked->peer->revocation.id));
		else if (r == -EINTR)
			stop(s, fail(EINTR,
				     "using region %" PRIu64
				     ": interrupted while revocation %" PRIu64 " is not settled",
				     asked->peer->region, asked->peer->revocation.id));
		progress(s);
	}
}

/* 0: all is DONE. */
static int drive(struct stripe *s)
{
	for (;;) {
		progress(s);
		if (!s->left)
			return 0;
		if (s->error && all_idle(s->rails))
			return s->error;
		if (!rails_first_up(s->rails))
			return -ENOTCONN;
		if (!s->error && find_asked(s)) {
			if (all_idle(s->rails))
				give_way(s);
			else
				await_operations(s);
		} else if (s->error || !post_all(s)) {
			if (!all_idle(s->rails))
				await_operations(s);
		}
	}
}

/* Bytes from the start that are placed or read. */
static uint64_t done_bytes(const struct stripe *s)
{
	uint64_t i = 0;

	while (i < s->n && s->state[i] >= PIECE_PLACED)
		i++;
	return i ? end_of(s, i - 1) - s->offset : 0;
}

/* The largest piece of which each rail can have some under way, and how many. */
static int choose_unit(struct stripe *s)
{
	uint64_t unit = 4096, most = s->rails->stripe_bytes; /* no rail's is less */

	for (size_t i = 0; i < s->rails->n; i++) {
		struct rail *l = &s->rails->rail[i];
		uint64_t chunk, room;
		int r;

		if (!rail_is_up(l))
			continue;
		r = buffer_prepare(l->peer);
		if (r < 0)
			return r;
		chunk = buffer_chunk_unit(l->peer);
		room = l->peer->bounce_bytes / PEER_DEPTH;
		unit = chunk > unit ? chunk : unit;
		most = room < most ? room : most;
	}
	s->unit = most / unit * unit;
	if (!s->unit)
		s->unit = unit; /* powers of two: each is a multiple of the smaller ones */
	for (size_t i = 0; i < s->rails->n; i++) {
		struct rail *l = &s->rails->rail[i];
		uint64_t depth;

		if (!rail_is_up(l))
			continue;
		depth = l->peer->bounce_bytes / s->unit;
		l->depth = depth < PEER_DEPTH ? (uint32_t)depth : PEER_DEPTH;
		if (!l->depth) /* less could be pinned than another rail's alignment */
			return fail(ENOMEM,
				    "transferring in pieces of %" PRIu64
				    " bytes: more lockable memory is needed (ulimit -l)",
				    s->unit);
	}
	return 0;
}

/* What can fail comes before the first rail has its part. */
static int begin(struct stripe *s)
{
	int r = choose_unit(s);

	if (r < 0)
		return r;
	s->first = s->offset / s->unit;
	s->n = s->left = (s->offset + s->length - 1) / s->unit - s->first + 1;
	s->state = calloc(s->n, sizeof(*s->state));
	if (!s->state)
		return fail(ENOMEM, "transferring %" PRIu64 " bytes: out of memory", s->length);
	for (size_t i = 0; i < s->rails->n; i++) {
		struct rail *l = &s->rails->rail[i];

		if (!rail_is_up(l))
			continue;
		l->part = (struct peer_part){ .complete = complete, .in_flight = in_flight };
		l->stripe = s;
		l->n_posted = l->n_done = 0;
		l->placed = 0;
		l->peer->part = &l->part;
	}
	return 0;
}

/* Nothing is in flight; what was placed and not looked after is noted. */
static void end(struct stripe *s)
{
	for (size_t i = 0; i < s->rails->n; i++) {
		struct rail *l = &s->rails->rail[i];

		if (!l->stripe)
			continue;
		l->unflushed |= l->placed > 0;
		l->undurable |= s->opcode == IBV_WR_RDMA_WRITE;
		l->stripe = NULL;
		l->peer->part = NULL;
		peer_watch(l->peer);
	}
	free(s->state);
}

int64_t stripe_run(struct rdmareg_rails *rails, enum ibv_wr_opcode opcode, void *memory,
		   uint64_t length, uint64_t offset)
{
	struct stripe s = { .rails = rails,
			    .opcode = opcode,
			    .memory = memory,
			    .offset = offset,
			    .length = length };
	uint64_t done;
	int r = begin(&s);

	if (r < 0)
		return r;
	r = drive(&s);
	done = done_bytes(&s);
	if (s.blamed && r == s.blamed->peer->end.code)
		peer_fail_ended(s.blamed->peer);
	end(&s);
	return r == -ENOTCONN || (r < 0 && !done) ? r : (int64_t)done;
}
