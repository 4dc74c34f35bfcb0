// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ticket.c - tickets: those that the library reads, and those that a keeper gives out.
 *
 * Measured: client/peer/ticket.c daemon/keeper/ticket.c
 *
 * An input that begins with "rdmareg" is a text for the library's parser: what it takes, written out
 * again by the keeper, is the same text, so there is one spelling of a ticket. Any other is a tape:
 * tickets are made, used, asked with and given back, beside a model that counts.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bytes.h"
#define ticket keeper_ticket /* both have a struct of that name */
#include "keeper/ticket.h"
#undef ticket
#include "ticket.h"

#define TICKETS 4

/* What the model knows of a ticket; number 0: there is none. */
struct given {
	uint64_t number, expires;
	uint8_t token[WIRE_TOKEN_BYTES];
	uint32_t uses, used, rights, reads, writes;
};

static struct given given[TICKETS];

static void print_again(const struct ticket *t, char *out, size_t size)
{
	struct wire_place places[TICKET_PLACES_MAX] = { 0 };

	for (size_t i = 0; i < t->n; i++) {
		/* a host that is no address is never a keeper's */
		if (strlen(t->places[i].host) >= sizeof(places[i].address)) {
			*out = 0;
			return;
		}
		strcpy(places[i].address, t->places[i].host);
		places[i].port = (uint16_t)atoi(t->places[i].port);
	}
	assert(ticket_format(out, size, places, t->n, t->region, t->token) == 0);
}

static void parse(const uint8_t *data, size_t size)
{
	char text[WIRE_TICKET_MAX + 2], again[WIRE_TICKET_MAX + 64];
	struct ticket t, second;

	if (size >= sizeof(text))
		return;
	memcpy(text, data, size);
	text[size] = 0;
	if (ticket_parse(text, &t) < 0)
		return;
	assert(t.n >= 1 && t.n <= TICKET_PLACES_MAX && t.region);
	print_again(&t, again, sizeof(again));
	/* brackets around what has no colon: a name or an IPv4 address is written without */
	for (size_t i = 0; i < t.n; i++)
		if (strchr(text, '[') && !strchr(t.places[i].host, ':'))
			return;
	if (!*again)
		return;
	assert(!strcmp(again, text));
	assert(ticket_parse(again, &second) == 0 && second.region == t.region && second.n == t.n &&
	       !memcmp(second.token, t.token, sizeof(t.token)));
}

static bool is_dead(const struct given *g, uint64_t now)
{
	return (g->expires && now >= g->expires) || (g->uses && g->used >= g->uses);
}

static void add(struct tickets *t, struct bytes *b, uint64_t now)
{
	uint8_t how = bytes_u8(b);
	uint32_t uses = how & 3, rights = 1 + (how >> 2) % 3, living = 0, n = 0;
	uint64_t expires = how & 0x80 ? now + 1 + how % 16 : 0;
	const struct keeper_ticket *k;
	int r;

	for (int i = 0; i < TICKETS; i++) {
		n += given[i].number != 0;
		living += given[i].number && !is_dead(&given[i], now);
	}
	r = tickets_add(t, now, expires, uses, rights, &k);
	assert(r == (living == TICKETS ? -EDQUOT : 0));
	if (n == TICKETS && r == 0) /* dead ones made room */
		for (int i = 0; i < TICKETS; i++)
			if (is_dead(&given[i], now))
				given[i].number = 0;
	for (int i = 0; i < TICKETS && r == 0; i++)
		if (!given[i].number) {
			given[i] = (struct given){ .number = k->number,
						   .expires = expires,
						   .uses = uses,
						   .rights = rights };
			memcpy(given[i].token, k->token, sizeof(k->token));
			break;
		}
	assert(t->n <= TICKETS);
}

static void admit(struct tickets *t, struct given *g, uint32_t rights, uint64_t now)
{
	uint64_t number = 0;
	int r = tickets_admit(t, g->token, rights, now, &number);

	if (!g->number || is_dead(g, now)) {
		assert(r == WIRE_REFUSED_TICKET);
	} else if (!rights || (rights & ~g->rights)) {
		assert(r == WIRE_REFUSED_RIGHTS);
	} else {
		assert(r == 0 && number == g->number);
		g->used += g->uses > 0;
		g->reads += rights & 1;
		g->writes += rights >> 1 & 1;
	}
}

static void ask(struct tickets *t, struct given *g, uint32_t rights)
{
	uint32_t *left = rights == WIRE_RIGHT_WRITE ? &g->writes : &g->reads;
	int r = tickets_ask(t, g->token, rights);

	if (!g->number || (!g->reads && !g->writes))
		assert(r == WIRE_REFUSED_TICKET);
	else if ((rights != WIRE_RIGHT_READ && rights != WIRE_RIGHT_WRITE) || (rights & ~g->rights))
		assert(r == WIRE_REFUSED_RIGHTS);
	else
		assert(r == (*left ? 0 : WIRE_REFUSED_TICKET));
	if (r == 0)
		--*left;
}

static void refund(struct tickets *t, struct given *g, uint32_t rights)
{
	tickets_refund(t, g->number, rights);
	if (!g->number)
		return;
	g->used -= g->used > 0;
	g->reads -= (rights & WIRE_RIGHT_READ) && g->reads;
	g->writes -= (rights & WIRE_RIGHT_WRITE) && g->writes;
}

static void happen(struct tickets *t, struct bytes *b, uint64_t *now)
{
	uint8_t what = bytes_u8(b);
	struct given *g = &given[what >> 3 & 3];
	uint32_t rights = what >> 5 & 3;

	switch (what % 8) {
	case 0:
	case 1:
		add(t, b, *now);
		break;
	case 2:
	case 3:
	case 4:
		admit(t, g, rights, *now);
		break;
	case 5:
		ask(t, g, rights);
		break;
	case 6:
		refund(t, g, rights);
		break;
	default:
		*now += what >> 3;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = { data, size };
	struct tickets t;
	uint64_t now = 1;

	if (size >= 7 && !memcmp(data, "rdmareg", 7)) {
		parse(data, size);
		return 0;
	}
	memset(given, 0, sizeof(given));
	tickets_init(&t, TICKETS);
	while (b.left)
		happen(&t, &b, &now);
	tickets_deinit(&t);
	return 0;
}
