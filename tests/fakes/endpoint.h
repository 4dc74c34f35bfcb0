/* SPDX-License-Identifier: GPL-2.0-or-later */
/* endpoint.h - what a test can make remote peers do, when the endpoint is the fake one. */
#ifndef RDMAREG_KEEPER_ENDPOINT_FAKE_H
#define RDMAREG_KEEPER_ENDPOINT_FAKE_H

#include "keeper/endpoint/endpoint.h"

/*
 * A peer presents a token and, if it is let in, is half open. Returns its number, or 0 and the enum
 * wire_refusal.
 */
uint64_t endpoint_fake_connect(struct endpoint *e, uint64_t region, uint32_t rights,
			       const uint8_t token[WIRE_TOKEN_BYTES], int *ret_refused);

/* The newest half-open peer of the region is up. False: there is none. */
bool endpoint_fake_establish(struct endpoint *e, uint64_t region);

/*
 * A peer's access failed, and it asks why, under a number of its own. 0, or the enum wire_refusal.
 */
int endpoint_fake_ask(struct endpoint *e, const struct endpoint_question *q);

/* Called for each answer, if it is set. */
extern void (*endpoint_fake_on_cause)(uint64_t number, enum wire_cause cause);

/* Every peer of the region that was asked acknowledges. Returns how many. */
unsigned int endpoint_fake_acknowledge(struct endpoint *e, uint64_t region);

/*
 * The newest peer of the region sends a WIRE_SYNC, whatever it has sent before. False: there is
 * none.
 */
bool endpoint_fake_sync(struct endpoint *e, uint64_t region, uint64_t request, uint64_t offset,
			uint64_t length);

/* Called for each message to a peer, if it is set. */
extern void (*endpoint_fake_on_message)(const struct endpoint_peer *peer,
					const struct wire_message *m);

/* The machine loses the address, or has it again. */
void endpoint_fake_address(struct endpoint *e, bool away);

/* The kernel says that the device was removed. */
void endpoint_fake_remove(struct endpoint *e);

/* Every peer of the region says goodbye. Returns how many. */
unsigned int endpoint_fake_leave(struct endpoint *e, uint64_t region);

#endif
