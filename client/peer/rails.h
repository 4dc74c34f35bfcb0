/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rails.h - several peers of the same bytes, and the transfer over them.
 *
 * What always holds: a rail whose connection ended stays, with its reason, until there is a new one
 * (again.c) or all are closed. Outside of a transfer no rail has a part in one, and nothing is in
 * flight.
 */
#ifndef RDMAREG_CLIENT_RAILS_H
#define RDMAREG_CLIENT_RAILS_H

#include "error.h"
#include "peer.h"
#include "ticket.h"

struct stripe;

/* Connecting to a rail again; all zero while it is up. */
struct again {
	struct rdmareg_peer *peer; /* is being connected; NULL: it is not tried now */
	enum again_step { AGAIN_ADDRESS, AGAIN_ROUTE, AGAIN_ACCEPT } step; /* what is waited for */
	struct wire_connect request;
	struct sockaddr_storage target, source;
	int ask_msec;	    /* of the question for its address */
	unsigned int tries; /* that failed */
	uint64_t at_usec; /* the next one begins, or the one under way is given up; 0: not known */
	bool never;	  /* the other side refused it for good */
};

struct rail {
	struct peer_part part;	   /* first: the same address */
	struct rdmareg_peer *peer; /* NULL: not tried, or not reached */
	struct failure why;	   /* it was not reached; code 0: not tried */
	bool unflushed;		   /* it placed something that may not be in memory yet */
	bool undurable;		   /* ... or not on the medium */
	struct again again;

	/* its part in the transfer that is under way */
	struct stripe *stripe;
	uint64_t piece[PEER_DEPTH]; /* of the operation in each slot */
	uint32_t n_posted, n_done, depth;
	uint64_t placed;	/* pieces that it wrote and that are not known to be in memory */
	uint64_t deadline_usec; /* without any completion */
};

struct rdmareg_rails {
	struct rail rail[WIRE_TICKETS_MAX];
	size_t n;
	struct ticket_list tickets;
	enum rdmareg_access access;
	struct rdmareg_peer_options options; /* of each; source_address is ours */
	char *source_address;
	uint64_t stripe_bytes;
	bool first_only, no_reconnect;
	/* a rail broke that had placed what nobody has made sure of since */
	bool lost_unflushed, lost_undurable;
	int epoll_fd;
	int timer_fd;
	uint64_t timer_usec; /* for which it is set; 0: it is not */
};

static inline bool rail_is_up(const struct rail *l)
{
	return l->peer && !l->peer->end.code;
}

/* A rail that is up, the first; NULL: none is. */
struct rail *rails_first_up(struct rdmareg_rails *r);
/* Its connection has ended: what it had placed is noted. */
void rails_note_end(struct rdmareg_rails *r, struct rail *l);
/*
 * Has @p, which is to be that rail, the same bytes as the others and as it had before, and can it
 * be used together with them? -EINVAL: no.
 */
int rails_check_same(const struct rdmareg_rails *r, const struct rail *l,
		     const struct rdmareg_peer *p);

/*
 * again.c: rails that are not there, one step further each; outside of transfers. What the last
 * error says is not touched.
 */
void again_look(struct rdmareg_rails *r);
void again_end(struct rail *l);

/*
 * stripe.c: a READ or WRITE over all rails that are up, at least one. Returns bytes from the start
 * that are done. -ENOTCONN: none is up any more, no sentence is set.
 */
int64_t stripe_run(struct rdmareg_rails *r, enum ibv_wr_opcode opcode, void *memory,
		   uint64_t length, uint64_t offset);

#endif
