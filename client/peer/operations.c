// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * operations.c - the operations of the transfer that is under way: posted, in flight, complete.
 *
 * What always holds: a queue pair completes in order, so the bytes done are always the first ones;
 * `done` means exactly that many from the start. No operation reaches beyond what the file backs.
 */
#include "operations.h"

#include <inttypes.h>

#include "config.h"
#include "error.h"
#include "util.h"

bool operations_can_flush(const struct rdmareg_peer *p, uint8_t type)
{
	return p->flush_qp && (p->remote.flush & type);
}

#if HAVE_IBV_FLUSH
static int post_flush(struct rdmareg_peer *p, uint64_t wr_id, uint8_t type, uint64_t offset,
		      uint32_t bytes)
{
	bool persistent = type & WIRE_FLUSH_PERSISTENT;
	struct ibv_qp_ex *qp = p->flush_qp;

	ibv_wr_start(qp);
	qp->wr_id = wr_id;
	qp->wr_flags = IBV_SEND_SIGNALED;
	/*
	 * Visibility is asked for everything that was written, wherever; persistence costs by the
	 * byte.
	 */
	ibv_wr_flush(qp, p->remote.rkey, p->remote.address + offset, bytes,
		     persistent ? IBV_FLUSH_PERSISTENT : IBV_FLUSH_GLOBAL,
		     persistent ? IBV_FLUSH_RANGE : IBV_FLUSH_MR);
	return ibv_wr_complete(qp);
}
#else
static int post_flush(struct rdmareg_peer *p, uint64_t wr_id, uint8_t type, uint64_t offset,
		      uint32_t bytes)
{
	(void)p, (void)wr_id, (void)type, (void)offset, (void)bytes;
	return EOPNOTSUPP;
}
#endif

bool operations_in_flight(const struct rdmareg_peer *p, uint64_t *ret_offset, uint64_t *ret_length,
			  bool *ret_write)
{
	const struct transfer *t = p->transfer;

	if (p->part)
		return p->part->in_flight(p->part, ret_offset, ret_length, ret_write);
	if (!t || t->flush || t->n_done == t->n_posted)
		return false;
	*ret_offset = t->offset + t->done;
	*ret_length = t->bytes[t->n_done % t->depth];
	*ret_write = t->opcode == IBV_WR_RDMA_WRITE;
	return true;
}

void operations_complete(struct rdmareg_peer *p, uint32_t slot)
{
	struct transfer *t = p->transfer;

	if (p->part) {
		p->part->complete(p->part, slot);
		return;
	}
	if (!t || t->n_done == t->n_posted || slot != t->n_done % t->depth) {
		peer_end(p, EIO, UNEXPECTED_COMPLETION);
		return;
	}
	if (t->opcode == IBV_WR_RDMA_READ && !t->direct && !t->flush) {
		/* A chunk is never shorter than the alignment, so only the first one has a lead. */
		uint32_t skip = t->done ? 0 : t->lead;

		memcpy(t->memory + (t->done - (t->done ? t->lead : 0)),
		       p->bounce + (size_t)slot * t->chunk + skip, t->bytes[slot] - skip);
	}
	t->done += t->bytes[slot];
	t->n_done++;
}

static int fits(const struct rdmareg_peer *p, uint64_t offset, uint64_t length)
{
	if (offset <= p->remote.valid_length && length <= p->remote.valid_length - offset)
		return 0;
	return fail(ERANGE,
		    "accessing %" PRIu64 " bytes at offset %" PRIu64 " of region %" PRIu64
		    ": the file backs only %" PRIu64 " bytes of it now",
		    length, offset, p->region, p->remote.valid_length);
}

int operations_post(struct rdmareg_peer *p, struct transfer *t)
{
	uint32_t slot = t->n_posted % t->depth;
	uint64_t left = t->length - t->posted;
	uint32_t bytes = left < t->chunk ? (uint32_t)left : t->chunk;
	uint8_t *local = t->flush    ? NULL
			 : t->direct ? t->memory + t->posted
				     : p->bounce + (size_t)slot * t->chunk;
	struct ibv_sge sge = {
		.addr = (uintptr_t)local,
		.length = bytes,
		.lkey = t->flush    ? 0
			: t->direct ? t->direct->lkey
				    : p->bounce_mr->lkey,
	};
	struct ibv_send_wr *bad, wr = {
		.wr_id = WR_DATA | slot,
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = t->opcode,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = p->remote.address + t->offset + t->posted,
			     .rkey = p->remote.rkey },
	};
	int r;

	/* The whole of what is left, not this chunk: nobody is served by half of the rest. */
	r = fits(p, t->offset + t->posted, left);
	if (r < 0)
		return r;
	if (t->opcode == IBV_WR_RDMA_WRITE && !t->direct)
		memcpy(local, t->memory + t->posted, bytes);
	if (t->flush ? post_flush(p, wr.wr_id, t->flush, t->offset + t->posted, bytes)
		     : ibv_post_send(p->id->qp, &wr, &bad)) {
		peer_end(p, EIO, REFUSED_OPERATION);
		return peer_fail_ended(p);
	}
	t->bytes[slot] = bytes;
	t->posted += bytes;
	t->n_posted++;
	return 0;
}
