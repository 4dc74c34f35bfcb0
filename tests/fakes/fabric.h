/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fabric.h - librdmacm, libibverbs, libmnl and the network interfaces as a keeper's endpoint uses
 * them, played: linked in their place. Two devices, and peers that do what a test says.
 *
 * What always holds: nothing happens by itself; what was posted waits until the test completes it,
 * in its order. Every object is freed in the end, in the order that a kernel wants, or the test ends.
 */
#ifndef RDMAREG_TEST_FABRIC_FAKE_H
#define RDMAREG_TEST_FABRIC_FAKE_H

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stddef.h>

#include "rdmareg-wire.h"

#define FABRIC_ADDRESSES 4

struct fabric {
	/* the machine's: numeric, of an interface that is up; "" ends them */
	char addresses[FABRIC_ADDRESSES][48];
	bool of_second[FABRIC_ADDRESSES]; /* it is fake1's; else fake0's */
	unsigned int listening;
	/* calls so far that make something, ask or tell; which of them fails with ENOMEM, 0: none */
	unsigned int calls, fail_at;
};
extern struct fabric fabric;

/* The kernel says over rtnetlink that something about links or addresses changed. */
void fabric_news(void);

/*
 * The first device is taken away. The connection manager says so for each of its identifiers, or
 * the device itself does (@fatal); the channel of completions is readable for ever then, as a kernel has
 * it, and who goes on looking there ends the test.
 */
void fabric_remove(bool fatal);

/* One connection, from the request on; it stays after its end, until fabric_end(). */
struct fabric_peer;

/*
 * A peer asks @address to be connected. Its number of RNR retries is @rnr_retries. NULL: nobody
 * listens there.
 */
struct fabric_peer *fabric_connect(const char *address, const struct wire_connect *request,
				   uint8_t rnr_retries);
bool fabric_is_accepted(const struct fabric_peer *p);
/* The RNR retries that the accept gave it. */
uint8_t fabric_rnr_retries(const struct fabric_peer *p);
/* The timers and retries that the keeper gave its queue pair. */
const struct ibv_qp_attr *fabric_attributes(const struct fabric_peer *p);
#define FABRIC_ACK_TIMEOUT 18 /* the code that the connection manager proposes */
/* The connection manager's last word. */
void fabric_establish(struct fabric_peer *p);

/* What the keeper has posted to it and is not completed, of that opcode. */
unsigned int fabric_posted(const struct fabric_peer *p, enum ibv_wr_opcode opcode);
/* Completes the oldest; with an error the rest is flushed, receives too. */
void fabric_complete(struct fabric_peer *p, enum ibv_wc_status status);
/* Sends a message, @length bytes of it. */
void fabric_send(struct fabric_peer *p, const struct wire_message *m, uint32_t length);

/* Nothing is left of what was made. */
void fabric_end(void);

#endif
