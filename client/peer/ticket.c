// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ticket.c - see ticket.h. The text comes from another machine, through files, environments and
 * hands: every byte is checked, lengths before contents, and the result is only written when all of
 * it is good.
 */
#include "ticket.h"

#include <stdbool.h>
#include <stdio.h>

#include "error.h"
#include "rdmareg.h"
#include "util.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_host(char c, bool v6)
{
	if (is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '.')
		return true;
	if (v6 && c == ':')
		return true;
	/* names, and the zone of a link-local address */
	return (c >= 'g' && c <= 'z') || (c >= 'G' && c <= 'Z') || c == '-' || c == '_' ||
	       (v6 && c == '%');
}

static int bad(const char *what)
{
	return fail(EINVAL,
		    "reading a ticket: %s; a ticket looks like "
		    "rdmareg://HOST:PORT/REGION?TOKEN, copy all of it, and nothing else",
		    what);
}

/* A decimal number without sign or leading zero; *p moves behind it. */
static int parse_number(const char **p, uint64_t limit, uint64_t *ret)
{
	const char *s = *p;
	uint64_t value = 0;

	if (!is_digit(*s) || (*s == '0' && is_digit(s[1])))
		return -EINVAL;
	for (; is_digit(*s); s++) {
		uint64_t digit = (uint64_t)(*s - '0');

		if (value > (limit - digit) / 10)
			return -EINVAL;
		value = value * 10 + digit;
	}
	*p = s;
	*ret = value;
	return 0;
}

static int parse_token(const char *s, uint8_t token[WIRE_TOKEN_BYTES])
{
	for (size_t i = 0; i < 2 * WIRE_TOKEN_BYTES; i++) {
		uint8_t value;

		if (is_digit(s[i]))
			value = (uint8_t)(s[i] - '0');
		else if (s[i] >= 'a' && s[i] <= 'f')
			value = (uint8_t)(s[i] - 'a' + 10);
		else
			return -EINVAL; /* the end of the text too */
		token[i / 2] = i % 2 ? (uint8_t)(token[i / 2] | value) : (uint8_t)(value << 4);
	}
	return s[2 * WIRE_TOKEN_BYTES] ? -EINVAL : 0;
}

/* HOST:PORT; *text moves behind it. */
static int parse_place(const char **text, struct ticket_place *ret)
{
	const char *p = *text, *at;
	struct ticket_place t = { 0 };
	bool v6 = *p == '[';
	uint64_t port;
	size_t n;

	if (v6)
		p++;
	for (at = p; is_host(*p, v6); p++)
		;
	n = (size_t)(p - at);
	if (!n || n >= sizeof(t.host))
		return bad("the host is missing or too long");
	memcpy(t.host, at, n);
	if (v6 && *p++ != ']')
		return bad("the bracket behind the IPv6 address is missing");
	if (*p++ != ':')
		return bad("the colon and port behind the host are missing");
	at = p;
	if (parse_number(&p, 65535, &port) || !port)
		return bad("the port is not a number from 1 to 65535");
	memcpy(t.port, at, (size_t)(p - at));
	*text = p;
	*ret = t;
	return 0;
}

int ticket_parse(const char *text, struct ticket *ret)
{
	struct ticket t = { 0 };
	const char *p = text;
	int r;

	if (!text)
		return bad("there is none");
	if (strnlen(text, WIRE_TICKET_MAX) >= WIRE_TICKET_MAX)
		return bad("it is too long");
	if (strncmp(p, WIRE_TICKET_SCHEME, strlen(WIRE_TICKET_SCHEME)))
		return strstr(p, WIRE_TICKET_SCHEME)
			       ? bad("something stands before " WIRE_TICKET_SCHEME
				     ": of a line with several columns it is the last one")
			       : bad("it does not begin with " WIRE_TICKET_SCHEME);
	p += strlen(WIRE_TICKET_SCHEME);

	do {
		if (t.n == TICKET_PLACES_MAX)
			return bad("there are too many hosts");
		r = parse_place(&p, &t.places[t.n]);
		if (r < 0)
			return r;
		t.n++;
	} while (*p == ',' && p++);
	if (*p++ != '/')
		return bad("the slash and region behind the port are missing");
	if (parse_number(&p, UINT64_MAX, &t.region) || !t.region)
		return bad("the region is not a number from 1");
	if (*p++ != '?')
		return bad("the question mark and token behind the region are missing");
	if (parse_token(p, t.token))
		return bad(
			"the token is not 32 lower-case hexadecimal digits, or something follows it");
	*ret = t;
	return 0;
}

static bool is_same(const struct ticket *a, const struct ticket *b)
{
	return a->region == b->region && !memcmp(a->token, b->token, sizeof(a->token));
}

static int bad_in_list(size_t number, const char *what)
{
	return fail(EINVAL,
		    "reading a list of tickets: ticket %zu %s; a list has up to %d tickets of one "
		    "range of a file, each once, with one blank between them",
		    number, what, WIRE_TICKETS_MAX);
}

static int parse_one(const char *text, size_t length, size_t number, struct ticket *ret)
{
	char copy[WIRE_TICKET_MAX + 1], why[ERROR_BYTES];
	size_t n = length < WIRE_TICKET_MAX ? length : WIRE_TICKET_MAX; /* it says that of itself */
	int r;

	memcpy(copy, text, n);
	copy[n] = 0;
	r = ticket_parse(copy, ret);
	explicit_bzero(copy, sizeof(copy));
	if (r == 0)
		return 0;
	snprintf(why, sizeof(why), "%s", rdmareg_last_error());
	return fail(EINVAL, "ticket %zu of a list: %s", number, why);
}

int ticket_list_parse(const char *text, struct ticket_list *ret)
{
	/* of what has no end no more is read than a list can have */
	size_t whole = text ? strnlen(text, WIRE_TICKETS_MAX * WIRE_TICKET_MAX) : 0, length;
	struct ticket_list l = { .n = 0 };
	int r = 0;

	/* what does not even begin like a ticket is no list of them */
	if (!text || whole == WIRE_TICKETS_MAX * WIRE_TICKET_MAX || !memchr(text, ' ', whole) ||
	    strncmp(text, WIRE_TICKET_SCHEME, strlen(WIRE_TICKET_SCHEME))) {
		r = ticket_parse(text, &l.ticket[0]);
		l.n = 1;
		if (r == 0)
			*ret = l;
		return r;
	}
	for (;; text += length + 1) {
		if (l.n == WIRE_TICKETS_MAX)
			r = bad_in_list(l.n + 1, "is one too many");
		length = strcspn(text, " ");
		if (r == 0)
			r = parse_one(text, length, l.n + 1, &l.ticket[l.n]);
		for (size_t i = 0; r == 0 && i < l.n; i++)
			if (is_same(&l.ticket[i], &l.ticket[l.n]))
				r = bad_in_list(l.n + 1, "is one of those before it");
		if (r < 0)
			break;
		l.n++;
		if (!text[length])
			break;
	}
	if (r == 0)
		*ret = l;
	explicit_bzero(&l, sizeof(l));
	return r;
}
