/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * ticket.h - a ticket's text taken apart: rdmareg://HOST:PORT,.../REGION?TOKEN
 * (proto/rdmareg-wire.h), and a list of them.
 */
#ifndef RDMAREG_CLIENT_TICKET_H
#define RDMAREG_CLIENT_TICKET_H

#include <stddef.h>
#include <stdint.h>

#include "rdmareg-wire.h"

#define TICKET_PLACES_MAX 8

struct ticket_place {
	char host[128]; /* without the brackets of an IPv6 address */
	char port[6];	/* decimal, 1 to 65535 */
};

struct ticket {
	struct ticket_place places[TICKET_PLACES_MAX]; /* to be tried in this order */
	size_t n;
	uint64_t region;
	uint8_t token[WIRE_TOKEN_BYTES];
};

/*
 * ticket_parse - strict: one spelling per ticket, nothing before or after it
 *
 * -EINVAL with a sentence that says where it stops making sense; it never quotes the token, since
 * errors end up in logs.
 */
int ticket_parse(const char *text, struct ticket *ret);

/* Those of one range of a file, one for each of several devices. */
struct ticket_list {
	struct ticket ticket[WIRE_TICKETS_MAX];
	size_t n; /* 1 at least */
};

/* ticket_list_parse - as strict: one blank between two of them, and none of them twice */
int ticket_list_parse(const char *text, struct ticket_list *ret);

#endif
