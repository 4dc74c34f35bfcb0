/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ticket.h - who may connect to a region: the tickets that were given out for it.
 *
 * A ticket is 128 random bits with rights, an expiry and a number of uses. What always holds:
 *   - A presented token is compared with every ticket of the region in time that does not depend on
 *     its content.
 *   - An expired or used-up ticket admits nobody and is refused exactly as one that never was.
 *   - A region has at most as many tickets as it was given room for; dead ones make room for new
 *     ones.
 *
 * No I/O but the random bits; the time is an argument.
 */
#ifndef RDMAREG_KEEPER_TICKET_H
#define RDMAREG_KEEPER_TICKET_H

#include <stddef.h>
#include <stdint.h>

#include "rdmareg-wire.h"

struct ticket {
	uint8_t token[WIRE_TOKEN_BYTES];
	uint64_t number;       /* unique in its region, never used twice */
	uint64_t expires_usec; /* CLOCK_BOOTTIME; 0: never */
	uint32_t uses;	       /* how often it admits; 0: any number of times */
	uint32_t used;
	/*
	 * connections made with it, of that right, that have not asked why an access of that kind
	 * failed
	 */
	uint32_t read_questions;
	uint32_t write_questions;
	uint32_t rights; /* WIRE_RIGHT_* */
};

struct tickets {
	struct ticket *item;
	uint32_t n;
	uint32_t max;
	uint64_t last_number;
};

void tickets_init(struct tickets *t, uint32_t max);
void tickets_deinit(struct tickets *t);

/**
 * tickets_add - make a ticket
 * @ret: valid until the next call that changes @t
 *
 * -EDQUOT: @max living tickets already; -ENOMEM; or what getrandom(2) says.
 */
int tickets_add(struct tickets *t, uint64_t now_boottime_usec, uint64_t expires_usec, uint32_t uses,
		uint32_t rights, const struct ticket **ret);

/**
 * tickets_admit - use a ticket once
 * @rights: what the peer wants
 * @ret_number: for tickets_refund()
 *
 * Returns 0, WIRE_REFUSED_TICKET or WIRE_REFUSED_RIGHTS.
 */
int tickets_admit(struct tickets *t, const uint8_t token[WIRE_TOKEN_BYTES], uint32_t rights,
		  uint64_t now_boottime_usec, uint64_t *ret_number);

/**
 * tickets_ask - a connection that was made with it failed, and wants to know why
 * @rights: of the access that failed: one of the two
 *
 * Once for each connection and right that it was made with, also when the ticket has expired or is
 * used up since, unless it had to make room for a new one. A question does not say which connection
 * it is of, so those who share a ticket share their questions. What is certain is this: nothing is
 * touched for writing because of a ticket whose connections only read; questions about reads use up
 * nobody's question about a write; and there are no more than all of its connections may ask.
 * Returns 0, WIRE_REFUSED_TICKET or WIRE_REFUSED_RIGHTS.
 */
int tickets_ask(struct tickets *t, const uint8_t token[WIRE_TOKEN_BYTES], uint32_t rights);

/*
 * The connection of @rights that it was used for was never established. An unknown number changes
 * nothing.
 */
void tickets_refund(struct tickets *t, uint64_t number, uint32_t rights);

/**
 * ticket_format - the line of text that a peer needs
 * @places: where it can connect, in this order; those that do not fit are left out
 *
 * -ENAMETOOLONG when not even the first one fits.
 */
int ticket_format(char *ret, size_t size, const struct wire_place *places, size_t n,
		  uint64_t region, const uint8_t token[WIRE_TOKEN_BYTES]);

#endif
