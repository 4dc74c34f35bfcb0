// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * persist.c - more than "the adapter has it": visible to everybody over there (flush), and on the
 * medium (persist).
 *
 * Which way is decided by what the accept said the memory is and by what both adapters can do: an
 * RDMA FLUSH, which nobody's processor is needed for; else a READ for visibility, and for
 * durability a message to the keeper, which does an fsync(2).
 *
 * What always holds: one message is under way at a time, also over several calls: a second one
 * would be ignored. An answer is for the request it names; while it is awaited, revocations are
 * answered as in a transfer.
 */
#include <inttypes.h>
#include <inttypes.h>

#include "error.h"
#include "names.h"
#include "operations.h"
#include "util.h"

_public_ int rdmareg_peer_flush(struct rdmareg_peer *p, uint64_t offset)
{
	uint8_t byte;
	int64_t n;

	NEED(p);
	if (operations_can_flush(p, WIRE_FLUSH_GLOBAL))
		return transfer_flush(p, WIRE_FLUSH_GLOBAL, offset, 1);
	n = rdmareg_peer_read(p, &byte, 1, offset);
	return n < 0 ? (int)n : 0;
}

/* 0 when the answer to the request under way is there. */
static int await_answer(struct rdmareg_peer *p, uint64_t deadline_usec)
{
	int r;

	while (p->sync_busy) {
		if (p->revocation.id && !p->acknowledged &&
		    p->options.on_revocation == RDMAREG_ON_REVOCATION_YIELD && peer_send_ack(p) < 0)
			return peer_fail_ended(p);
		if (p->revocation.id && p->options.on_revocation == RDMAREG_ON_REVOCATION_RETURN)
			return fail(EAGAIN,
				    "persisting in region %" PRIu64 ": revocation %" PRIu64
				    " was asked meanwhile: acknowledge it, wait for its settling, "
				    "persist again",
				    p->region, p->revocation.id);
		r = peer_sleep(p, deadline_usec);
		if (r == -ETIMEDOUT)
			return fail(
				ETIMEDOUT,
				"persisting in region %" PRIu64
				": its keeper has not written the file back in time; nothing is "
				"known to be durable. Is the storage there slow, or its machine?",
				p->region);
		if (peer_progress(p) < 0)
			return peer_fail_ended(p);
	}
	return 0;
}

static int judge(struct rdmareg_peer *p)
{
	switch (p->sync_outcome) {
	case WIRE_SYNC_DURABLE:
		return 0;
	case WIRE_SYNC_VOLATILE:
		return fail(EOPNOTSUPP,
			    "persisting in region %" PRIu64
			    ": its memory keeps nothing without RDMA FLUSH, which this machine's "
			    "adapter, libibverbs or the path does not have",
			    p->region);
	case WIRE_SYNC_REVOKED:
		return fail(EAGAIN,
			    "persisting in region %" PRIu64
			    ": a revocation runs; persist again when it is settled",
			    p->region);
	case WIRE_SYNC_RANGE:
		return fail(ERANGE, "persisting in region %" PRIu64 ": the range is not inside it",
			    p->region);
	default:
		return fail(
			EREMOTEIO,
			"persisting in region %" PRIu64
			": the storage there fails, or has failed since the region was "
			"registered; bytes may be lost. See the kernel's log of that machine, and "
			"register the file anew",
			p->region);
	}
}

/* What was written is in memory over there, and the keeper puts the file on its storage. */
static int sync_once(struct rdmareg_peer *p, uint64_t offset, uint64_t length,
		     uint64_t deadline_usec)
{
	struct wire_message m;
	int r;

	r = rdmareg_peer_flush(p, offset);
	if (r >= 0)
		r = await_answer(p, deadline_usec); /* one that an earlier call did not wait for */
	if (r < 0)
		return r;
	wire_put_sync(&m, ++p->sync_request, offset, length);
	if (peer_send(p, &m) < 0)
		return peer_fail_ended(p);
	p->sync_busy = true;
	r = await_answer(p, deadline_usec);
	return r < 0 ? r : judge(p);
}

_public_ int rdmareg_peer_persist(struct rdmareg_peer *p, uint64_t offset, uint64_t length)
{
	uint64_t deadline, unit, start;
	int r;

	NEED(p);
	unit = p->remote.alignment;
	start = offset / unit * unit;
	if (p->end.code)
		return peer_fail_ended(p);
	if (p->transfer)
		return fail(EBUSY,
			    "persisting in region %" PRIu64
			    ": another call for this peer is under way",
			    p->region);
	if (!length)
		return fail(EINVAL, "persisting in region %" PRIu64 ": the range is empty",
			    p->region);
	if (offset > p->remote.valid_length || length > p->remote.valid_length - offset)
		return fail(ERANGE,
			    "persisting %" PRIu64 " bytes at offset %" PRIu64 " of region %" PRIu64
			    ": the file backs only %" PRIu64 " bytes of it now",
			    length, offset, p->region, p->remote.valid_length);
	if (p->remote.durability == DURABILITY_VOLATILE)
		return fail(EOPNOTSUPP,
			    "persisting in region %" PRIu64
			    ": it is volatile memory; nothing written there survives a power cut",
			    p->region);
	length += offset - start;
	if (operations_can_flush(p, WIRE_FLUSH_PERSISTENT))
		return transfer_flush(p, WIRE_FLUSH_PERSISTENT, start, length);
	deadline = add_saturating(clock_usec(CLOCK_MONOTONIC), p->options.settle_timeout_usec);
	do
		r = sync_once(p, start, length, deadline);
	while (r == -EAGAIN && p->revocation.id &&
	       p->options.on_revocation == RDMAREG_ON_REVOCATION_YIELD);
	return r;
}
