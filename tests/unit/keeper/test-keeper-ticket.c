// SPDX-License-Identifier: GPL-2.0-or-later
/* test-keeper-ticket.c - tickets: admission, expiry, uses, room, and the line of text. */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "keeper/ticket.h"

#define RW (WIRE_RIGHT_READ | WIRE_RIGHT_WRITE)

static void test_admission(void)
{
	uint8_t token[WIRE_TOKEN_BYTES], wrong[WIRE_TOKEN_BYTES];
	const struct ticket *k;
	struct tickets t;
	uint64_t n = 0;

	tickets_init(&t, 4);
	assert(tickets_admit(&t, token, WIRE_RIGHT_READ, 1, &n) == WIRE_REFUSED_TICKET);
	assert(tickets_add(&t, 1, 0, 0, RW, &k) == 0);
	assert(tickets_add(&t, 1, 0, 0, WIRE_RIGHT_READ, &k) == 0);
	memcpy(token, k->token, sizeof(token));
	assert(tickets_admit(&t, token, WIRE_RIGHT_READ, UINT64_MAX, &n) == 0 && n == k->number);
	assert(tickets_admit(&t, token, RW, 1, &n) == WIRE_REFUSED_RIGHTS);
	assert(tickets_admit(&t, token, 0, 1, &n) == WIRE_REFUSED_RIGHTS);
	assert(tickets_admit(&t, token, 0x8001, 1, &n) == WIRE_REFUSED_RIGHTS);
	for (size_t i = 0; i < sizeof(token) * 8; i++) { /* every single wrong bit */
		memcpy(wrong, token, sizeof(wrong));
		wrong[i / 8] ^= (uint8_t)(1u << i % 8);
		assert(tickets_admit(&t, wrong, WIRE_RIGHT_READ, 1, &n) == WIRE_REFUSED_TICKET);
	}
	tickets_deinit(&t);
}

static void test_uses(void)
{
	const struct ticket *k;
	struct tickets t;
	uint64_t n;

	tickets_init(&t, 4);
	assert(tickets_add(&t, 1, 0, 2, RW, &k) == 0);
	assert(tickets_admit(&t, k->token, RW | 4, 1, &n) ==
	       WIRE_REFUSED_RIGHTS); /* costs nothing */
	assert(tickets_admit(&t, k->token, RW, 1, &n) == 0);
	assert(tickets_admit(&t, k->token, RW, 1, &n) == 0);
	assert(tickets_admit(&t, k->token, RW, 1, &n) == WIRE_REFUSED_TICKET);
	tickets_refund(&t, n, RW);
	tickets_refund(&t, n + 1, RW);
	assert(tickets_admit(&t, k->token, RW, 1, &n) == 0);
	assert(tickets_admit(&t, k->token, RW, 1, &n) == WIRE_REFUSED_TICKET);
	tickets_deinit(&t);
}

/* Once for each connection, with its rights, and also after the ticket's last use. */
static void test_questions(void)
{
	const struct ticket *k;
	struct tickets t;
	uint64_t n;

	tickets_init(&t, 4);
	assert(tickets_add(&t, 1, 1000, 2, WIRE_RIGHT_READ, &k) == 0);
	assert(tickets_ask(&t, k->token, WIRE_RIGHT_READ) == WIRE_REFUSED_TICKET);
	assert(tickets_admit(&t, k->token, WIRE_RIGHT_READ, 1, &n) == 0);
	assert(tickets_admit(&t, k->token, WIRE_RIGHT_READ | WIRE_ASKS_CAUSE, 1, &n) ==
	       WIRE_REFUSED_RIGHTS);
	tickets_refund(&t, n, WIRE_RIGHT_READ); /* it never came about */
	assert(tickets_ask(&t, k->token, WIRE_RIGHT_READ) == WIRE_REFUSED_TICKET);
	for (int i = 0; i < 2; i++)
		assert(tickets_admit(&t, k->token, WIRE_RIGHT_READ, 1, &n) == 0);
	assert(tickets_admit(&t, k->token, WIRE_RIGHT_READ, 1, &n) == WIRE_REFUSED_TICKET);
	assert(tickets_ask(&t, k->token, WIRE_RIGHT_WRITE) == WIRE_REFUSED_RIGHTS);
	assert(tickets_ask(&t, k->token, 0) == WIRE_REFUSED_RIGHTS);
	assert(tickets_ask(&t, k->token, WIRE_RIGHT_READ) == 0);
	assert(tickets_ask(&t, k->token, WIRE_RIGHT_READ) == 0);
	assert(tickets_ask(&t, k->token, WIRE_RIGHT_READ) == WIRE_REFUSED_TICKET);
	tickets_deinit(&t);
}

/*
 * Of a ticket to write with: a connection that reads has no question about a write, and takes
 * nobody's.
 */
static void test_questions_of_rights(void)
{
	const struct ticket *k;
	struct tickets t;
	uint64_t n;

	tickets_init(&t, 4);
	assert(tickets_add(&t, 1, 0, 0, RW, &k) == 0);
	assert(tickets_admit(&t, k->token, WIRE_RIGHT_READ, 1, &n) == 0);
	assert(tickets_ask(&t, k->token, WIRE_RIGHT_WRITE) == WIRE_REFUSED_TICKET);
	assert(tickets_ask(&t, k->token, RW) == WIRE_REFUSED_RIGHTS);
	assert(tickets_admit(&t, k->token, RW, 1, &n) == 0);
	for (int i = 0; i < 2; i++)
		assert(tickets_ask(&t, k->token, WIRE_RIGHT_READ) == 0);
	assert(tickets_ask(&t, k->token, WIRE_RIGHT_READ) == WIRE_REFUSED_TICKET);
	assert(tickets_ask(&t, k->token, WIRE_RIGHT_WRITE) == 0);
	assert(tickets_ask(&t, k->token, WIRE_RIGHT_WRITE) == WIRE_REFUSED_TICKET);
	assert(tickets_admit(&t, k->token, WIRE_RIGHT_WRITE, 1, &n) == 0);
	assert(tickets_ask(&t, k->token, WIRE_RIGHT_READ) == WIRE_REFUSED_TICKET);
	tickets_refund(&t, n, WIRE_RIGHT_WRITE);
	assert(tickets_ask(&t, k->token, WIRE_RIGHT_WRITE) == WIRE_REFUSED_TICKET);
	tickets_deinit(&t);
}

static void test_expiry_and_room(void)
{
	uint8_t first[WIRE_TOKEN_BYTES];
	const struct ticket *k;
	struct tickets t;
	uint64_t n, number;

	tickets_init(&t, 2);
	assert(tickets_add(&t, 1000, 2000, 0, RW, &k) == 0);
	memcpy(first, k->token, sizeof(first));
	number = k->number;
	assert(tickets_add(&t, 1000, 0, 0, RW, &k) == 0);
	assert(memcmp(first, k->token, sizeof(first)) != 0);
	assert(tickets_add(&t, 1999, 0, 0, RW, &k) == -EDQUOT);
	assert(tickets_admit(&t, first, RW, 1999, &n) == 0);
	assert(tickets_admit(&t, first, RW, 2000, &n) == WIRE_REFUSED_TICKET);
	assert(tickets_add(&t, 2000, 0, 0, RW, &k) == 0); /* the dead one made room */
	assert(k->number > number && t.n == 2);
	assert(tickets_admit(&t, first, RW, 1000, &n) == WIRE_REFUSED_TICKET);
	tickets_refund(&t, number, RW); /* of one that is no more */
	assert(tickets_admit(&t, k->token, RW, 2000, &n) == 0);
	tickets_deinit(&t);
}

static void test_text(void)
{
	uint8_t token[WIRE_TOKEN_BYTES] = { 0x00, 0x01, 0xfe, [15] = 0xff };
	const struct wire_place one[] = { { "10.99.0.1", 7 } }, v6[] = { { "2001:db8::1", 65535 } };
	char text[WIRE_TICKET_MAX], small[32];

	assert(ticket_format(text, sizeof(text), one, 1, 42, token) == 0);
	assert(strcmp(text, "rdmareg://10.99.0.1:7/42?0001fe000000000000000000000000ff") == 0);
	assert(ticket_format(text, sizeof(text), v6, 1, UINT64_MAX, token) == 0);
	assert(strcmp(text,
		      "rdmareg://[2001:db8::1]:65535/18446744073709551615?0001fe000000000000000000000000ff") ==
	       0);
	assert(ticket_format(small, sizeof(small), one, 1, 42, token) == -ENAMETOOLONG);
	assert(ticket_format(text, sizeof(text), one, 0, 42, token) == -ENAMETOOLONG);
}

/* In their order; two of the longest fit, and of more those that do. */
static void test_places(void)
{
#define LONG "2001:0db8:1111:2222:3333:4444:5555:"
	static const uint8_t token[WIRE_TOKEN_BYTES];
	const struct wire_place several[] = { { LONG "6666", 65535 },
					      { "10.99.0.1", 7 },
					      { LONG "7777", 65534 },
					      { "10.99.0.2", 8 } };
	char text[WIRE_TICKET_MAX], exact[WIRE_TICKET_MAX];

	assert(ticket_format(text, sizeof(text), several + 1, 3, 42, token) == 0);
	assert(strcmp(text, "rdmareg://10.99.0.1:7,[" LONG "7777]:65534,10.99.0.2:8/42?"
			    "00000000000000000000000000000000") == 0);
	assert(ticket_format(text, sizeof(text), several, 4, UINT64_MAX, token) == 0);
	assert(strcmp(text,
		      "rdmareg://[" LONG "6666]:65535,10.99.0.1:7,10.99.0.2:8/18446744073709551615?"
		      "00000000000000000000000000000000") == 0);
	assert(ticket_format(text, sizeof(text),
			     (const struct wire_place[]){ several[0], several[2] }, 2, UINT64_MAX,
			     token) == 0);
	assert(strlen(text) == sizeof(text) - 1 && strstr(text, "6666]:65535,[") &&
	       strstr(text, "7777]:65534/"));
	/* the last byte is that of the end */
	assert(ticket_format(text, sizeof(text), several + 1, 1, 42, token) == 0);
	assert(ticket_format(exact, strlen(text) + 1, several + 1, 1, 42, token) == 0);
	assert(ticket_format(exact, strlen(text), several + 1, 1, 42, token) == -ENAMETOOLONG);
#undef LONG
}

int main(void)
{
	test_admission();
	test_uses();
	test_questions();
	test_questions_of_rights();
	test_expiry_and_room();
	test_text();
	test_places();
	return 0;
}
