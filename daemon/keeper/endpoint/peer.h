/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peer.h - one remote peer's connection: queue pair, completion queue, buffers for control
 * messages. Part of the endpoint.
 *
 * What always holds: the queue pair has only the peer's rights and is ready to receive before the
 * accept leaves; of the PEER_RECEIVES buffers each is either posted or being looked at; at most one
 * WIRE_LENGTH_CHANGED is under way, so that there is always room for a revocation's two messages.
 */
#ifndef RDMAREG_KEEPER_PEER_H
#define RDMAREG_KEEPER_PEER_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>

#include "keeper/endpoint/endpoint.h"
#include "keeper/worker.h"

#define PEER_RECEIVES 8
#define PEER_SENDS 8

enum peer_state {
	PEER_HALF_OPEN, /* accepted, not yet established */
	PEER_UP,
	PEER_CUT,     /* queue pair in error; to be disconnected by the loop */
	PEER_CLOSING, /* disconnected; the worker has all but the id */
	PEER_LEAVING, /* closed, waiting for the other side's word; nothing but the id is left */
};

struct peer {
	struct endpoint_peer public;
	struct peer *next;
	struct endpoint *endpoint;
	struct job close; /* peer_close(), in the worker */
	enum peer_state state;
	bool told;		/* that it left, or was abandoned */
	bool gone;		/* the other side said goodbye */
	uint64_t deadline_usec; /* HALF_OPEN and LEAVING: when to give up */
	struct rdma_cm_id *id;
	struct ibv_cq *cq;
	struct ibv_qp *qp;
	struct ibv_mr *mr;
	struct wire_message
		*buffer;	 /* PEER_RECEIVES to receive into, then PEER_SENDS to send from */
	uint32_t sending;	 /* bit per send buffer */
	uint32_t sending_length; /* bit of the WIRE_LENGTH_CHANGED under way, or 0 */
	bool length_waits;
	struct wire_message length; /* the newest, while one is under way */
	unsigned int
		/* messages in a row that nobody waited for, or that could not do anything */
		useless;
	bool probing;		   /* a peer_probe() is under way */
	bool heard;		   /* something came since the last peer_probe(), or would have */
	unsigned int flush_access; /* IBV_ACCESS_FLUSH_* of its queue pair */
	bool syncing;		   /* a WIRE_SYNC is not answered yet */
};

/**
 * peer_accept - set the connection up and accept the request
 * @p: with @public filled in and @id set; on failure the caller still has to call peer_close()
 * @request: what the peer offered, from the connection request
 *
 * -EMSGSIZE: the path MTU is below the offer's minimum; else the adapter refused something.
 */
int peer_accept(struct peer *p, struct ibv_comp_channel *channel,
		const struct endpoint_offer *offer, const struct rdma_conn_param *request);

/* No access of this peer is carried out after it returns. */
void peer_set_error(struct peer *p);

/*
 * Frees everything but the id. Blocks for as long as an access of this peer is being carried out,
 * and that is as long as the storage takes to read a page: not for the loop, unless nothing was
 * ever sent to the queue pair.
 */
void peer_close(struct peer *p);

/* -ENOBUFS: the peer does not take its messages. */
int peer_send(struct peer *p, const struct wire_message *m);

/*
 * Ask the adapter there, and nobody else, for a sign of life: without one the queue pair breaks, and
 * peer_receive() says so. Nothing is asked if something came since the last call, or is under way
 * that has to be acknowledged. -EIO: the queue pair takes nothing.
 */
int peer_probe(struct peer *p);

/**
 * peer_receive - take one completion out
 * @ret: set when it returns 1: the acknowledgement that was waited for, or a WIRE_SYNC, which has
 *       to be answered
 *
 * 0: something else; -EAGAIN: nothing there; -EPROTO: it sent nonsense; -EHOSTDOWN: its adapter
 * acknowledged nothing, however often the packet was sent; -ENOBUFS: it has no receive posted;
 * -EIO: the connection is broken.
 */
int peer_receive(struct peer *p, struct wire_message *ret);

#endif
