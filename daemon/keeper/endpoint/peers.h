/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peers.h - the set of peers of an endpoint, and what the two files of the endpoint share.
 *
 * What always holds: peers are never freed where they are found wanting, since that may be deep
 * inside somebody's loop over them: they are marked, disconnected from the event loop, closed by
 * the worker, and freed from the loop again. They count until then. The endpoint's owner hears of
 * each exactly once.
 */
#ifndef RDMAREG_KEEPER_PEERS_H
#define RDMAREG_KEEPER_PEERS_H

#include <event2/event.h>

#include "keeper/endpoint/peer.h"

struct addresses;

#define EVENTS_PER_WAKE 64
#define HALF_OPEN_MAX 64
#define QUESTIONS_MAX 32

/* Why an access failed; @id waits for the answer. */
struct question {
	uint64_t number; /* 0: free */
	struct rdma_cm_id *id;
};

struct endpoint {
	const struct endpoint_ops *ops;
	void *userdata;
	uint32_t max_peers;
	struct rdma_event_channel *channel;
	struct addresses *addresses;
	struct ibv_comp_channel *completions;
	struct worker *closer;
	struct event *cm_event;
	struct event *completion_event;
	struct event *device_event;
	struct event *reap_event;
	struct event *sweep_event;
	struct event *probe_event;
	uint64_t probe_usec; /* 0: never */
	unsigned int probe_turn;
	struct peer *peers;
	uint32_t n_peers;
	uint32_t n_half_open;
	uint64_t last_number;
	struct question questions[QUESTIONS_MAX];
	uint64_t last_question;
	bool removed;
};

/* Count a peer in that was accepted. */
void peers_add(struct endpoint *e, struct peer *p);

/* Half open to up; any other state: nothing. */
void peers_establish(struct endpoint *e, struct peer *p);

/* The end of a peer as far as everybody else is concerned. */
void peers_dismiss(struct endpoint *e, struct peer *p, enum peer_left why);

/* The other side is gone: nothing to wait for. */
void peers_gone(struct endpoint *e, struct peer *p);

void peers_free(struct endpoint *e);

/* Event callbacks; @userdata is the endpoint. */
void peers_on_completion(evutil_socket_t fd, short what, void *userdata);
void peers_on_reap(evutil_socket_t fd, short what, void *userdata);
void peers_on_sweep(evutil_socket_t fd, short what, void *userdata);
void peers_on_probe(evutil_socket_t fd, short what, void *userdata);

#endif
