/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * peer.h - a connection to a region on another machine.
 *
 * One RC queue pair, one completion queue for both directions, control messages beside the
 * one-sided operations. All work is done inside the caller's calls: peer_progress() takes in what
 * has happened, peer_sleep() waits for more.
 *
 * What always holds:
 *   - Once peer->error is set the queue pair is destroyed: nothing of ours is in flight and no
 *     memory of the caller is touched.
 *   - Outside a transfer (transfer.c) no data operation is in flight.
 *   - After an acknowledgement was sent no data operation is posted until that revocation is
 *     settled.
 *   - Every wait ends: by a completion, an event of the connection manager, or a deadline.
 */
#ifndef RDMAREG_CLIENT_PEER_H
#define RDMAREG_CLIENT_PEER_H

#include <infiniband/verbs.h>
#include <inttypes.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>

#include "error.h"
#include "rdmareg-wire.h"
#include "rdmareg.h"
#include "wire.h"

#define PEER_DEPTH 8	 /* data operations in flight */
#define PEER_RECEIVES 16 /* control messages that may arrive before we look */
#define PEER_SENDS 16	 /* acknowledgements under way: demands may follow each other quickly */
#define PEER_EVENTS 64
#define DIRECT_CHUNK (256u << 10)

/* Why a connection ends, for peer_end() by whoever notices. */
#define UNEXPECTED_COMPLETION \
	"the adapter reported an operation that was not expected; see the kernel's log"
#define REFUSED_OPERATION "this machine's adapter does not take an operation; see the kernel's log"
#define NO_ANSWER \
	"the other machine has not answered for %" PRIu64 " ms; check it and the network between"

/* Work request ids: what kind, and which one of it. */
#define WR_DATA (1ull << 32)
#define WR_RECEIVE (2ull << 32)
#define WR_SEND (3ull << 32)
#define WR_KIND (~0ull << 32)

/* The control messages' memory, registered as one piece. */
struct peer_control {
	struct wire_message receive[PEER_RECEIVES];
	struct wire_message send[PEER_SENDS];
};

/*
 * The part that a peer has in a transfer over several (stripe.c), which then has its operations.
 */
struct peer_part {
	/* the operation of this slot came home */
	void (*complete)(struct peer_part *part, uint32_t slot);
	/* as operations_in_flight() */
	bool (*in_flight)(const struct peer_part *part, uint64_t *ret_offset, uint64_t *ret_length,
			  bool *ret_write);
};

struct rdmareg_peer {
	/* the connection */
	struct rdma_event_channel *channel;
	struct rdma_cm_id *id;
	struct ibv_pd *pd;
	struct ibv_comp_channel *completions;
	struct ibv_cq *cq;
	struct peer_control *control;
	struct ibv_mr *control_mr;
	int epoll_fd;		    /* what the caller waits on: both channels and event_fd */
	int event_fd;		    /* readable while an event waits, or dispatch was not done */
	bool armed;		    /* the completion queue will tell of the next completion */
	bool more;		    /* the last look at the queue did not reach its end */
	uint32_t sends_busy;	    /* bit per peer_control.send */
	struct ibv_qp_ex *flush_qp; /* the queue pair, if it can send FLUSHes; else NULL */

	/* the region */
	uint64_t region;
	uint8_t token[WIRE_TOKEN_BYTES]; /* of the ticket, for a question */
	struct wire_accept remote;
	uint32_t path_mtu;
	struct rdmareg_revocation revocation; /* not settled; id 0: none */
	bool acknowledged;

	/* durability: the newest WIRE_SYNC */
	uint64_t sync_request;
	bool sync_busy; /* not answered yet */
	uint16_t sync_outcome;

	struct failure end; /* of the connection; code 0 while it is there */

	/* data */
	uint8_t *bounce;
	size_t bounce_bytes;
	struct ibv_mr *bounce_mr;
	struct transfer *transfer; /* the one under way */
	struct peer_part *part;	   /* the same, of several peers; NULL: it has none */
	uint32_t rail;		   /* which of several peers it is, from 0 */
	struct rdmareg_buffer *buffers;

	struct rdmareg_peer_options
		options; /* with defaults filled in; source_address is not kept */
	struct rdmareg_peer_event events[PEER_EVENTS];
	size_t event_first, n_events;
};

/* ring.c */
void peer_raise(
	struct rdmareg_peer *p); /* make the caller's descriptor readable, or let it be again */
void peer_lower(struct rdmareg_peer *p);
void peer_event(struct rdmareg_peer *p, struct rdmareg_peer_event *e);
/*
 * The event of the revocation whose place @e's takes, if it still waits, becomes @e's. False: it
 * does not wait.
 */
bool peer_supersede(struct rdmareg_peer *p, const struct rdmareg_peer_event *e);

/* link.c */
int peer_end(struct rdmareg_peer *p, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int peer_fail_ended(
	struct rdmareg_peer *p); /* set the sentence to the end's and return p->end.code */
int peer_post_receive(struct rdmareg_peer *p, uint32_t i);
int peer_send(struct rdmareg_peer *p, const struct wire_message *m); /* in wire order */
int peer_send_ack(struct rdmareg_peer *p);
int peer_arm(struct rdmareg_peer *p); /* 1: armed just now, so look again; 0: was armed */
/* 0: look again; -ETIMEDOUT, -EINTR; no sentence set. */
int peer_sleep(struct rdmareg_peer *p, uint64_t deadline_usec);
/* The same for several: those of @peers that are not NULL and whose connection is there. */
int peers_sleep(struct rdmareg_peer *const *peers, size_t n, uint64_t deadline_usec);

/* messages.c */
void peer_take_message(struct rdmareg_peer *p, const struct wire_message *m);

/* progress.c */
int peer_progress(struct rdmareg_peer *p); /* 0, or p->end.code */
/* Before the program gets the peer back: from now on the descriptor tells of whatever comes. */
void peer_watch(struct rdmareg_peer *p);

/*
 * cause.c: an operation failed over there, with @error (positive) and @text. The same, or what the
 * keeper there says about it; blocks for some seconds at most.
 */
int cause_find(struct rdmareg_peer *p, int error, const char **text);
/* Errno and sentence of an enum wire_cause; 0: nothing is known. */
int cause_errno(uint16_t cause, const char **ret_text);

/*
 * peer.c: connect to the region of a ticket, as rail number @rail. @o: checked; its times are as the
 * caller gave them. @usec: how long at most, once its hosts are looked up. See
 * rdmareg_peer_connect().
 */
struct ticket;
int peer_check_options(const struct rdmareg_peer_options *o, enum rdmareg_access access);
/* Of whoever begins to connect now. */
uint64_t peer_connect_deadline(const struct rdmareg_peer_options *o);
int peer_connect(const struct ticket *ticket, enum rdmareg_access access,
		 const struct rdmareg_peer_options *o, uint64_t usec, uint32_t rail,
		 struct rdmareg_peer **ret);

/* transfer.c: RDMA FLUSH of one of the WIRE_FLUSH_* types. */
int transfer_flush(struct rdmareg_peer *p, uint8_t type, uint64_t offset, uint64_t length);

/* A peer that is not connected, and what it will ask for. */
int peer_new(const struct ticket *ticket, enum rdmareg_access access,
	     const struct rdmareg_peer_options *o, uint32_t rail, struct wire_connect *ret_request,
	     struct rdmareg_peer **ret);
/* It is connected: from now on it hears and answers. */
void peer_begin(struct rdmareg_peer *p);

/* connect.c: connect p->channel's only id to an address; on failure there is none again. */
int peer_establish(struct rdmareg_peer *p, const struct sockaddr *source,
		   const struct sockaddr *target, const struct wire_connect *request,
		   uint64_t deadline_usec);
void peer_teardown(struct rdmareg_peer *p);
/*
 * Its steps, none of which waits: after the route is known, after that, and with the event
 * ESTABLISHED, which it acknowledges.
 */
int peer_build(struct rdmareg_peer *p);
int peer_request(struct rdmareg_peer *p, const struct wire_connect *request);
int peer_take_accept(struct rdmareg_peer *p, struct rdma_cm_event *e);
/* The sentence so far, with what was tried before it. Returns @r. */
int peer_fail_attempt(int r, const struct sockaddr *source, const struct sockaddr *target,
		      bool resolved);

/*
 * completion.c: what a failed completion means. errno, positive; a sentence about the matter and
 * what to do. @has_grace: there was time to acknowledge.
 */
int completion_errno(enum ibv_wc_status status, bool revocation_asked, bool has_grace,
		     const char **ret_text);

#endif
