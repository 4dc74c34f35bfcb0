/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * operations.h - a transfer, and the operations of it that are in flight. What always holds: see
 * operations.c; a peer has one transfer at a time.
 */
#ifndef RDMAREG_CLIENT_OPERATIONS_H
#define RDMAREG_CLIENT_OPERATIONS_H

#include "peer.h"

struct transfer {
	enum ibv_wr_opcode opcode;
	uint8_t *memory;       /* the caller's */
	struct ibv_mr *direct; /* the caller's memory is registered: no copy */
	uint8_t flush; /* WIRE_FLUSH_*: no data, a FLUSH of the range; opcode is of no matter */
	uint64_t offset, length;   /* in the region */
	uint32_t lead;		   /* bytes at its start that the caller did not ask for */
	uint64_t posted, done;	   /* bytes */
	uint32_t n_posted, n_done; /* operations */
	uint32_t chunk, depth;
	uint32_t bytes[PEER_DEPTH]; /* of the operation in each slot */
};

/* Post the next chunk. -ERANGE: the file does not back all that is left. */
int operations_post(struct rdmareg_peer *p, struct transfer *t);
void operations_complete(struct rdmareg_peer *p, uint32_t slot);
/* The first READ or WRITE that has not come home. False: there is none. */
bool operations_in_flight(const struct rdmareg_peer *p, uint64_t *ret_offset, uint64_t *ret_length,
			  bool *ret_write);

/* Whether both sides can carry out an RDMA FLUSH of that WIRE_FLUSH_* type. */
bool operations_can_flush(const struct rdmareg_peer *p, uint8_t type);

#endif
