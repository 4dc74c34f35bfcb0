/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * endpoint.h - the remote side: a librdmacm listener and the peers that came through it.
 *
 * What always holds:
 *   - A peer's queue pair is created with the rights its ticket has before the peer hears any key.
 *   - A peer that breaks the protocol, or does not take its messages, loses its own connection and
 *     nobody else's.
 *   - The number of peers, of connections that are not yet established, of questions and of
 *     messages under way is bounded.
 *   - endpoint_cut() returns after the queue pairs are in the error state; saying goodbye and
 *     freeing follows later. Nothing here waits for an access that is being carried out: it takes
 *     as long as the storage does.
 *   - joined() is followed by exactly one left(); a connection that never joined ends with
 *     abandoned().
 *
 * Knows nothing of regions but their numbers; asks its owner.
 */
#ifndef RDMAREG_KEEPER_ENDPOINT_H
#define RDMAREG_KEEPER_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/failure.h"
#include "names.h"
#include "rdmareg-wire.h"
#include "util/cleanup.h"

struct event_base;
struct ibv_context;
struct ibv_pd;
struct endpoint;

struct endpoint_request {
	uint64_t region;
	uint32_t rights;
	uint8_t token[WIRE_TOKEN_BYTES];
};

/* An access of a peer to [offset, offset + length) of its region failed, and it asks why. */
struct endpoint_question {
	struct endpoint_request request; /* its rights: of that access */
	uint64_t number;		 /* for endpoint_explain() */
	uint64_t offset;
	uint64_t length;
};

/* How patient a queue pair is. Codes as the adapter has them (proto/rdmareg-timers.h). */
struct endpoint_patience {
	uint8_t rnr_timer; /* how long a sender waits that found no receive posted here */
	uint8_t rnr_retries;
	uint8_t retries;
	uint8_t ack_timeout; /* 0: what the fabric says */
};

/* What an admitted peer gets. */
struct endpoint_offer {
	struct wire_accept accept;
	struct endpoint_patience patience;
	struct ibv_pd *pd;
	unsigned int flush_access; /* IBV_ACCESS_FLUSH_* that @accept.flush stands for */
	uint64_t ticket;	   /* the owner's, given back in struct endpoint_peer */
	uint64_t storage;	   /* what closing it may have to wait for: the key of struct job */
};

struct endpoint_peer {
	uint64_t number; /* unique in this endpoint */
	uint64_t region;
	uint64_t ticket;
	uint64_t since_usec; /* CLOCK_BOOTTIME */
	uint64_t asked;	     /* revocation it was asked for and has not acknowledged, or 0 */
	uint64_t
		/* revocation that does not wait for it: told in the accept, or acknowledged */
		cleared;
	uint32_t rights;
	/*
	 * accepted, but the other side's last word of the handshake is not here: nothing can be
	 * told yet
	 */
	bool half_open;
	bool up;
	/* asked with endpoint_tell_one(): it came in the middle of the revocation */
	bool asked_alone;
	char address[64];
};

struct endpoint_ops {
	/* May a region be served by this device? 0, or a negative errno with a reason. */
	int (*check_device)(void *userdata, struct ibv_context *context, struct failure *why);
	/* 0, or an enum wire_refusal. */
	int (*admit)(void *userdata, const struct endpoint_request *request,
		     struct endpoint_offer *ret);
	/* 0: endpoint_explain() follows, or came before it returned; or an enum wire_refusal. */
	int (*ask)(void *userdata, const struct endpoint_question *q);
	void (*joined)(void *userdata, const struct endpoint_peer *peer);
	void (*left)(void *userdata, const struct endpoint_peer *peer, enum peer_left why);
	void (*abandoned)(void *userdata, const struct endpoint_peer *peer);
	void (*acknowledged)(void *userdata, const struct endpoint_peer *peer, uint64_t revocation);
	/* A WIRE_SYNC, to be answered with endpoint_answer(); one at a time for each peer. */
	void (*sync)(void *userdata, const struct endpoint_peer *peer,
		     const struct wire_message *m);
	/* Something of a region's peers is closed: what endpoint_forget() says may have changed. */
	void (*closed)(void *userdata, uint64_t region);
	/* Once. After it all peers are cut off, and nothing more can be registered or reached. */
	void (*device_gone)(void *userdata);
	/* endpoint_trouble() says something else than before. */
	void (*addresses_changed)(void *userdata);
};

/*
 * May a ticket that has @of_ticket of @n_peers connections (less than @max) have another one? Any
 * may while more than an eighth of all places is free. After that it may if it has fewer
 * connections than places are free: so a ticket without one gets one as long as any place is free.
 */
static inline bool endpoint_has_place(uint32_t max, uint32_t n_peers, uint32_t of_ticket)
{
	uint32_t left = max - n_peers;

	return left > max / 8 || of_ticket < left;
}

struct endpoint_options {
	/*
	 * up to LISTEN_ADDRESSES_MAX numeric ones with LISTEN_ADDRESSES_BETWEEN between them, of which one at
	 * least can be listened on now; or "any": the first address of an interface that is up, not
	 * loopback, and has a device check_device() likes. Those of other devices than that of the
	 * first are other keepers'
	 */
	const char *address;
	const char *device; /* the one to use; empty, or NULL: that of the first address */
	uint16_t port;	    /* 0: any free one */
	uint32_t max_peers;
	/*
	 * A peer is asked for a sign of life when nothing came of it for so long, and again; so one
	 * that is dead is asked within twice that. 0: never. See peer_probe().
	 */
	uint64_t probe_usec;
};

/* endpoint_new - listen. -ENODEV and a reason when there is no such device. */
int endpoint_new(struct endpoint **ret, struct event_base *base, const struct endpoint_options *o,
		 const struct endpoint_ops *ops, void *userdata, struct failure *why);
struct endpoint *endpoint_free(struct endpoint *e);
DEFINE_FREEP(struct endpoint, endpoint_free)

/*
 * To be called before a ticket is made: does the machine have the addresses? If the one that was
 * found for "any" is gone, new tickets name another one of the same device. Peers that are there
 * stay; tickets that were made before work again when their address is back.
 */
void endpoint_look_at_addresses(struct endpoint *e);

/* Where peers can connect, in the order of the setting. Returns how many; 0: nowhere. */
size_t endpoint_places(const struct endpoint *e, struct wire_place out[LISTEN_ADDRESSES_MAX]);

/* Why peers cannot connect to some of the addresses, or to none, for people; "": to all. */
const char *endpoint_trouble(const struct endpoint *e);

/* The first place, also if peers cannot connect there now. */
const char *endpoint_address(const struct endpoint *e);
const char *endpoint_device(const struct endpoint *e);
uint16_t endpoint_port(const struct endpoint *e);
struct ibv_context *endpoint_context(const struct endpoint *e);
uint8_t endpoint_device_port(const struct endpoint *e);

/* The peers, of all regions; NULL begins and ends. */
const struct endpoint_peer *endpoint_next(const struct endpoint *e, const struct endpoint_peer *p);

/*
 * Send to every peer of a region that is up. WIRE_REVOCATION_ASKED: it now has to answer; _SETTLED:
 * no longer.
 */
void endpoint_tell(struct endpoint *e, uint64_t region, const struct wire_message *m);
void endpoint_tell_one(struct endpoint *e, const struct endpoint_peer *p,
		       const struct wire_message *m);

/* To the peer of that number, if it is still there. */
void endpoint_answer(struct endpoint *e, uint64_t number, const struct wire_message *m);

/* Answer a question, once; a number that is unknown changes nothing. */
void endpoint_explain(struct endpoint *e, uint64_t number, enum wire_cause cause);

/*
 * Cut off the peers of a region that are not cleared of @revocation, half-open ones too; 0: all.
 * Returns how many of them were up.
 */
uint32_t endpoint_cut(struct endpoint *e, uint64_t region, uint64_t revocation);

/*
 * Free everything of a region's peers that stands in its protection domain. After endpoint_cut(…,
 * 0). False: something is left, because an access is still being carried out; closed() says when to
 * ask again.
 */
bool endpoint_forget(struct endpoint *e, uint64_t region);

#endif
