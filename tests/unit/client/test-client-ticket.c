// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-ticket.c - the ticket parser: what is accepted comes out exactly, everything else is
 * EINVAL with a sentence and leaves the result untouched. Also every prefix, and every change of
 * one byte, of a good ticket.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rdmareg.h"
#include "ticket.h"

#define TOKEN "00112233445566778899aabbccddeeff"

static const struct {
	const char *text, *host, *port;
	uint64_t region;
} good[] = {
	{ "rdmareg://10.9.0.1:4791/7?" TOKEN, "10.9.0.1", "4791", 7 },
	{ "rdmareg://node-3.example_x:1/1?" TOKEN, "node-3.example_x", "1", 1 },
	{ "rdmareg://[fd00::1]:65535/18446744073709551615?" TOKEN, "fd00::1", "65535", UINT64_MAX },
	{ "rdmareg://[fe80::1%eth0]:9/2?" TOKEN, "fe80::1%eth0", "9", 2 },
};

/* Tickets with several places: all in their order. */
static const struct {
	const char *text, *hosts, *ports;
	size_t n;
} several[] = {
	{ "rdmareg://10.9.0.1:4791,[fd00::1]:4792/7?" TOKEN, "10.9.0.1 fd00::1 ", "4791 4792 ", 2 },
	{ "rdmareg://a:1,b:2,c:3,d:4,e:5,f:6,a:1,b:2/7?" TOKEN, "a b c d e f a b ",
	  "1 2 3 4 5 6 1 2 ", 8 },
	{ "rdmareg://[fd00:1111:2222:3333:4444:5555:6666:7777]:65535,"
	  "[fd00:1111:2222:3333:4444:5555:6666:8888]:65534/18446744073709551615?" TOKEN,
	  "fd00:1111:2222:3333:4444:5555:6666:7777 fd00:1111:2222:3333:4444:5555:6666:8888 ",
	  "65535 65534 ", 2 },
};

static const char *const bad[] = {
	"",
	"rdmareg://10.9.0.1:4791,/7?" TOKEN,
	"rdmareg://,10.9.0.1:4791/7?" TOKEN,
	"rdmareg://10.9.0.1:4791,,10.9.0.2:4791/7?" TOKEN,
	"rdmareg://10.9.0.1:4791, 10.9.0.2:4791/7?" TOKEN,
	"rdmareg://10.9.0.1,10.9.0.2:4791/7?" TOKEN,
	"rdmareg://10.9.0.1:4791;10.9.0.2:4791/7?" TOKEN,
	"rdmareg://10.9.0.1:4791,10.9.0.2:0/7?" TOKEN,
	"rdmareg://10.9.0.1:4791,fd00::1:4791/7?" TOKEN,
	"rdmareg://10.9.0.1:4791,[fd00::1:4791/7?" TOKEN,
	"rdmareg://10.9.0.1:4791/7,10.9.0.2:4791/7?" TOKEN,
	"rdmareg://10.9.0.1:4791,10.9.0.2:4791/7?" TOKEN ",",
	"rdmareg://a:1,b:2,c:3,d:4,e:5,f:6,a:1,b:2,c:3/7?" TOKEN,
	"rdmareg:/",
	"http://10.9.0.1:4791/7?" TOKEN,
	"RDMAREG://10.9.0.1:4791/7?" TOKEN,
	" rdmareg://10.9.0.1:4791/7?" TOKEN,
	"rdmareg://:4791/7?" TOKEN,
	"rdmareg://10.9.0.1/7?" TOKEN,
	"rdmareg://10.9.0.1:/7?" TOKEN,
	"rdmareg://10.9.0.1:0/7?" TOKEN,
	"rdmareg://10.9.0.1:65536/7?" TOKEN,
	"rdmareg://10.9.0.1:04791/7?" TOKEN,
	"rdmareg://10.9.0.1:+4/7?" TOKEN,
	"rdmareg://10.9.0.1:4791/?" TOKEN,
	"rdmareg://10.9.0.1:4791/0?" TOKEN,
	"rdmareg://10.9.0.1:4791/07?" TOKEN,
	"rdmareg://10.9.0.1:4791/-7?" TOKEN,
	"rdmareg://10.9.0.1:4791/18446744073709551616?" TOKEN,
	"rdmareg://10.9.0.1:4791/99999999999999999999999?" TOKEN,
	"rdmareg://10.9.0.1:4791/7",
	"rdmareg://10.9.0.1:4791/7?",
	"rdmareg://10.9.0.1:4791/7?00112233445566778899aabbccddeef",
	"rdmareg://10.9.0.1:4791/7?" TOKEN "0",
	"rdmareg://10.9.0.1:4791/7?" TOKEN "\n",
	"rdmareg://10.9.0.1:4791/7?00112233445566778899AABBCCDDEEFF",
	"rdmareg://10.9.0.1:4791/7?00112233445566778899aabbccddeeg0",
	"rdmareg://fd00::1:4791/7?" TOKEN,
	"rdmareg://[fd00::1:4791/7?" TOKEN,
	"rdmareg://[]:4791/7?" TOKEN,
	"rdmareg://user@10.9.0.1:4791/7?" TOKEN,
	"rdmareg://10.9.0.1 :4791/7?" TOKEN,
	"rdmareg://10.9.0.1\x01:4791/7?" TOKEN,
};

static void check_bad(const char *text)
{
	struct ticket t, before;

	memset(&t, 0xa5, sizeof(t));
	before = t;
	assert(ticket_parse(text, &t) == -EINVAL);
	assert(!memcmp(&t, &before, sizeof(t)));
	assert(*rdmareg_last_error());
	/* Errors end up in logs, tokens must not. */
	assert(!strstr(rdmareg_last_error(), "00112233"));
}

static void test_lengths(void)
{
	char text[512];
	struct ticket t;

	/*
	 * A host as long as it may be, and one byte more; then a text that is too long as a whole.
	 */
	for (size_t n = 100; n < 140; n++) {
		int length = snprintf(text, sizeof(text), "rdmareg://%0*d:1/1?" TOKEN, (int)n, 0);

		if (n < sizeof(t.places[0].host) && length < WIRE_TICKET_MAX)
			assert(ticket_parse(text, &t) == 0 && strlen(t.places[0].host) == n);
		else
			check_bad(text);
	}
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	check_bad(text);
}

static void check_good(const struct ticket *t)
{
	assert(t->n >= 1 && t->n <= TICKET_PLACES_MAX && t->region);
	for (size_t i = 0; i < t->n; i++)
		assert(strlen(t->places[i].host) < sizeof(t->places[i].host) &&
		       strlen(t->places[i].port) < sizeof(t->places[i].port));
}

static void test_several(void)
{
	for (size_t i = 0; i < sizeof(several) / sizeof(several[0]); i++) {
		char hosts[WIRE_TICKET_MAX] = "", ports[WIRE_TICKET_MAX] = "";
		struct ticket t;

		assert(ticket_parse(several[i].text, &t) == 0 && t.n == several[i].n);
		for (size_t j = 0; j < t.n; j++) {
			strcat(strcat(hosts, t.places[j].host), " ");
			strcat(strcat(ports, t.places[j].port), " ");
		}
		assert(!strcmp(hosts, several[i].hosts) && !strcmp(ports, several[i].ports));
	}
}

static void mutate(const char *good_text)
{
	char text[WIRE_TICKET_MAX];
	struct ticket t;

	size_t n = strlen(good_text);

	for (size_t i = 0; i < n; i++) {
		strcpy(text, good_text);
		text[i] = 0;
		check_bad(text);
		for (int c = 1; c < 256; c++) {
			text[i] = (char)c;
			memcpy(text + i + 1, good_text + i + 1, n - i);
			if (ticket_parse(text, &t) == 0)
				check_good(&t);
		}
	}
}

static void test_mutations(void)
{
	for (size_t g = 0; g < sizeof(good) / sizeof(good[0]); g++)
		mutate(good[g].text);
	for (size_t g = 0; g < sizeof(several) / sizeof(several[0]); g++)
		mutate(several[g].text);
}

int main(void)
{
	struct ticket t;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert(ticket_parse(good[i].text, &t) == 0);
		assert(t.n == 1 && !strcmp(t.places[0].host, good[i].host) &&
		       !strcmp(t.places[0].port, good[i].port) && t.region == good[i].region);
		for (int b = 0; b < WIRE_TOKEN_BYTES; b++)
			assert(t.token[b] == b * 0x11);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_bad(bad[i]);
	check_bad(NULL);
	test_several();
	test_lengths();
	test_mutations();
	return 0;
}
