// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * transfer.c - one-sided reads and writes: cut into chunks, several in flight, through our own
 * pinned memory or the caller's.
 *
 * What always holds:
 *   - Every remote address is a multiple of the alignment that the other side demands; a chunk that
 *     is not the last one is, too. What is to be read from elsewhere is read from the multiple
 *     before it, and what was not asked for is dropped here. A write to elsewhere is refused:
 *     nothing that the adapter offers could do it without writing bytes that are others' to write.
 *   - A transfer returns with nothing in flight, whatever happened.
 *   - While a revocation is not settled nothing is posted (unless the program asked to ignore it).
 */
#include <inttypes.h>

#include "buffer.h"
#include "error.h"
#include "operations.h"
#include "util.h"

#define FLUSH_CHUNK (1u << 30) /* bytes in one FLUSH; a multiple of any alignment */

/* Nothing is in flight and blocks are wanted back. 0: settled, go on. */
static int give_way(struct rdmareg_peer *p)
{
	uint64_t deadline =
		add_saturating(clock_usec(CLOCK_MONOTONIC), p->options.settle_timeout_usec);
	int r;

	if (p->options.on_revocation != RDMAREG_ON_REVOCATION_YIELD)
		return fail(EAGAIN,
			    "using region %" PRIu64 ": revocation %" PRIu64 " is not settled; %s",
			    p->region, p->revocation.id,
			    p->acknowledged ? "wait for its settling"
					    : "acknowledge it and wait for its settling");
	/* A newer one may take its place while we wait: that one is acknowledged then. */
	while (p->revocation.id) {
		if (!p->acknowledged && peer_send_ack(p) < 0)
			return peer_fail_ended(p);
		r = peer_sleep(p, deadline);
		if (r == -ETIMEDOUT)
			return fail(ETIMEDOUT,
				    "using region %" PRIu64 ": revocation %" PRIu64
				    " was acknowledged and is still not "
				    "settled; what holds its file there?",
				    p->region, p->revocation.id);
		if (r == -EINTR)
			return fail(EINTR,
				    "using region %" PRIu64
				    ": interrupted while revocation %" PRIu64 " is not settled",
				    p->region, p->revocation.id);
		if (peer_progress(p) < 0)
			return peer_fail_ended(p);
	}
	return 0;
}

/* Bring the transfer one step further; 1 when there is nothing to do but wait. */
static int transfer_step(struct rdmareg_peer *p, struct transfer *t)
{
	bool asked = p->revocation.id && p->options.on_revocation != RDMAREG_ON_REVOCATION_IGNORE;
	int r;

	if (asked)
		return t->n_posted == t->n_done ? give_way(p) : 1;
	if (t->posted == t->length || t->n_posted - t->n_done == t->depth)
		return 1;
	r = operations_post(p, t);
	/* What is in flight must come home before the caller hears of it. */
	return r == -ERANGE && t->n_posted != t->n_done ? 1 : r;
}

static int transfer_run(struct rdmareg_peer *p, struct transfer *t)
{
	uint64_t deadline = add_saturating(clock_usec(CLOCK_MONOTONIC), p->options.io_timeout_usec);
	uint32_t n_done = 0;
	int r;

	for (;;) {
		if (peer_progress(p) < 0)
			return peer_fail_ended(p);
		if (t->done == t->length)
			return 0;
		r = transfer_step(p, t);
		if (r < 0)
			return r;
		if (t->n_done != n_done || t->n_posted == t->n_done) {
			n_done = t->n_done;
			deadline = add_saturating(clock_usec(CLOCK_MONOTONIC),
						  p->options.io_timeout_usec);
		}
		if (!r)
			continue;
		/* A signal does not cut an operation short: it is bounded by the deadline. */
		if (peer_sleep(p, deadline) == -ETIMEDOUT)
			peer_end(p, ETIMEDOUT, NO_ANSWER, p->options.io_timeout_usec / 1000);
	}
}

/* What the adapter there would misplace is done in another way, or not at all. */
static int align(const struct rdmareg_peer *p, struct transfer *t)
{
	uint32_t lead = (uint32_t)(t->offset % p->remote.alignment);

	if (!lead || (t->opcode == IBV_WR_RDMA_READ && !t->length))
		return 0;
	if (t->opcode != IBV_WR_RDMA_READ)
		return fail(
			EINVAL,
			"writing region %" PRIu64 " at offset %" PRIu64
			": offsets must be multiples of %" PRIu32
			" here: the adapter would misplace anything else, and writing back the bytes before "
			"it, as they were when read, could undo what others write there",
			p->region, t->offset, p->remote.alignment);
	t->offset -= lead;
	t->length += lead;
	t->lead = lead;
	t->direct = NULL; /* the bytes before have no place in the caller's memory */
	return 0;
}

static int64_t peer_transfer(struct rdmareg_peer *p, struct transfer *t)
{
	const char *verb = t->opcode == IBV_WR_RDMA_WRITE ? "writing" : "reading";
	int r;

	if (p->transfer || p->part)
		return fail(EBUSY, "%s region %" PRIu64 ": another call for this peer is under way",
			    verb, p->region);
	if (p->end.code)
		return peer_fail_ended(p);
	if (!(p->remote.rights &
	      (t->opcode == IBV_WR_RDMA_WRITE ? WIRE_RIGHT_WRITE : WIRE_RIGHT_READ)))
		return fail(
			EACCES,
			"%s region %" PRIu64
			": the connection does not have that right; connect for reading and writing",
			verb, p->region);
	if (t->offset > p->remote.length || t->length > p->remote.length - t->offset)
		return fail(ERANGE,
			    "%s %" PRIu64 " bytes at offset %" PRIu64 " of region %" PRIu64
			    ": it has %" PRIu64 " bytes",
			    verb, t->length, t->offset, p->region, p->remote.length);
	if (!t->flush) {
		r = align(p, t);
		if (r < 0)
			return r;
	}
	if (t->flush) {
		t->chunk = FLUSH_CHUNK;
		t->depth = PEER_DEPTH;
	} else if (t->direct) {
		t->chunk = DIRECT_CHUNK < buffer_chunk_unit(p)
				   ? buffer_chunk_unit(p)
				   : DIRECT_CHUNK / buffer_chunk_unit(p) * buffer_chunk_unit(p);
		t->depth = PEER_DEPTH;
	} else {
		r = buffer_prepare(p);
		if (r < 0)
			return r;
		t->chunk = (uint32_t)(p->bounce_bytes / PEER_DEPTH / buffer_chunk_unit(p) *
				      buffer_chunk_unit(p));
		if (!t->chunk)
			t->chunk = buffer_chunk_unit(p);
		t->depth = (uint32_t)(p->bounce_bytes / t->chunk);
		if (t->depth > PEER_DEPTH)
			t->depth = PEER_DEPTH;
	}
	p->transfer = t;
	r = transfer_run(p, t);
	p->transfer = NULL;
	peer_watch(p);
	if (r < 0 && !t->done)
		return r;
	return (int64_t)(t->done ? t->done - t->lead : 0);
}

/* The return value counts bytes: no more than it can say. */
static uint64_t countable(size_t length)
{
	return length > INT64_MAX ? INT64_MAX : length;
}

_public_ int64_t rdmareg_peer_write(struct rdmareg_peer *p, const void *data, size_t length,
				    uint64_t offset)
{
	struct transfer t = {
		.opcode = IBV_WR_RDMA_WRITE,
		.memory = (uint8_t *)(uintptr_t)data,
		.offset = offset,
		.length = countable(length),
	};

	NEED(p);
	NEED(data || !length);
	return peer_transfer(p, &t);
}

_public_ int64_t rdmareg_peer_read(struct rdmareg_peer *p, void *data, size_t length,
				   uint64_t offset)
{
	struct transfer t = { .opcode = IBV_WR_RDMA_READ,
			      .memory = data,
			      .offset = offset,
			      .length = countable(length) };

	NEED(p);
	NEED(data || !length);
	return peer_transfer(p, &t);
}

int transfer_flush(struct rdmareg_peer *p, uint8_t type, uint64_t offset, uint64_t length)
{
	while (length) {
		struct transfer t = { .opcode = IBV_WR_RDMA_READ,
				      .flush = type,
				      .offset = offset,
				      .length = length };
		int64_t n = peer_transfer(p, &t);

		if (n < 0)
			return (int)n;
		/* Fewer: a revocation came between; the next round says so, or carries on. */
		offset += (uint64_t)n;
		length -= (uint64_t)n;
	}
	return 0;
}

static int64_t buffer_transfer(struct rdmareg_buffer *b, enum ibv_wr_opcode opcode,
			       size_t buffer_offset, size_t length, uint64_t offset)
{
	struct transfer t = { .opcode = opcode, .offset = offset, .length = countable(length) };

	if (!b)
		return fail(EINVAL, "transferring %zu bytes: the buffer is NULL", length);
	t.direct = b->mr;
	if (buffer_offset > b->length || length > b->length - buffer_offset)
		return fail(EFAULT, "transferring %zu bytes at %zu of a buffer: it has %zu bytes",
			    length, buffer_offset, b->length);
	if (opcode == IBV_WR_RDMA_READ && !b->writable)
		return fail(EFAULT, "reading into a buffer that was not registered writable");
	t.memory = b->memory + buffer_offset;
	return peer_transfer(b->peer, &t);
}

_public_ int64_t rdmareg_peer_write_buffer(struct rdmareg_buffer *b, size_t buffer_offset,
					   size_t length, uint64_t offset)
{
	return buffer_transfer(b, IBV_WR_RDMA_WRITE, buffer_offset, length, offset);
}

_public_ int64_t rdmareg_peer_read_buffer(struct rdmareg_buffer *b, size_t buffer_offset,
					  size_t length, uint64_t offset)
{
	return buffer_transfer(b, IBV_WR_RDMA_READ, buffer_offset, length, offset);
}
