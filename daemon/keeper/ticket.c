// SPDX-License-Identifier: GPL-2.0-or-later
/* ticket.c - see ticket.h. */
#include "keeper/ticket.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void tickets_init(struct tickets *t, uint32_t max)
{
	*t = (struct tickets){ .max = max };
}

void tickets_deinit(struct tickets *t)
{
	if (t->item)
		explicit_bzero(t->item, t->n * sizeof(*t->item));
	free(t->item);
	*t = (struct tickets){ 0 };
}

static bool is_dead(const struct ticket *k, uint64_t now)
{
	return (k->expires_usec && now >= k->expires_usec) || (k->uses && k->used >= k->uses);
}

static void drop_dead(struct tickets *t, uint64_t now)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < t->n; i++)
		if (!is_dead(&t->item[i], now))
			t->item[kept++] = t->item[i];
	t->n = kept;
}

int tickets_add(struct tickets *t, uint64_t now, uint64_t expires_usec, uint32_t uses,
		uint32_t rights, const struct ticket **ret)
{
	struct ticket k = { .expires_usec = expires_usec, .uses = uses, .rights = rights };

	if (!t->item) {
		t->item = calloc(t->max, sizeof(*t->item));
		if (!t->item)
			return -ENOMEM;
	}
	if (t->n == t->max)
		drop_dead(t, now);
	if (t->n == t->max)
		return -EDQUOT;
	if (getrandom(k.token, sizeof(k.token), 0) != sizeof(k.token))
		return -errno;
	k.number = ++t->last_number;
	t->item[t->n] = k;
	*ret = &t->item[t->n++];
	return 0;
}

/* 1 if equal, else 0; looks at every byte, with nothing for a compiler to leave early on. */
static unsigned int equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	volatile uint8_t difference = 0;

	for (size_t i = 0; i < n; i++)
		difference = (uint8_t)(difference | (a[i] ^ b[i]));
	return ((unsigned int)difference - 1u) >> 31;
}

static struct ticket *find(struct tickets *t, const uint8_t token[WIRE_TOKEN_BYTES])
{
	uint32_t found = 0; /* index + 1 */

	for (uint32_t i = 0; i < t->n; i++)
		found |= (i + 1) * equal(t->item[i].token, token, WIRE_TOKEN_BYTES);
	return found ? &t->item[found - 1] : NULL;
}

int tickets_admit(struct tickets *t, const uint8_t token[WIRE_TOKEN_BYTES], uint32_t rights,
		  uint64_t now, uint64_t *ret_number)
{
	struct ticket *k = find(t, token);

	if (!k || is_dead(k, now))
		return WIRE_REFUSED_TICKET;
	if (!rights || (rights & ~k->rights))
		return WIRE_REFUSED_RIGHTS;
	if (k->uses)
		k->used++;
	if (rights & WIRE_RIGHT_READ)
		k->read_questions += k->read_questions < UINT32_MAX;
	if (rights & WIRE_RIGHT_WRITE)
		k->write_questions += k->write_questions < UINT32_MAX;
	*ret_number = k->number;
	return 0;
}

int tickets_ask(struct tickets *t, const uint8_t token[WIRE_TOKEN_BYTES], uint32_t rights)
{
	struct ticket *k = find(t, token);
	uint32_t *left;

	if (!k || (!k->read_questions && !k->write_questions))
		return WIRE_REFUSED_TICKET;
	if ((rights != WIRE_RIGHT_READ && rights != WIRE_RIGHT_WRITE) || (rights & ~k->rights))
		return WIRE_REFUSED_RIGHTS;
	left = rights == WIRE_RIGHT_WRITE ? &k->write_questions : &k->read_questions;
	if (!*left)
		return WIRE_REFUSED_TICKET;
	--*left;
	return 0;
}

void tickets_refund(struct tickets *t, uint64_t number, uint32_t rights)
{
	for (uint32_t i = 0; i < t->n; i++) {
		struct ticket *k = &t->item[i];

		if (k->number != number)
			continue;
		k->used -= k->used > 0;
		k->read_questions -= (rights & WIRE_RIGHT_READ) && k->read_questions;
		k->write_questions -= (rights & WIRE_RIGHT_WRITE) && k->write_questions;
	}
}

int ticket_format(char *ret, size_t size, const struct wire_place *places, size_t n,
		  uint64_t region, const uint8_t token[WIRE_TOKEN_BYTES])
{
	char hex[2 * WIRE_TOKEN_BYTES + 1], hosts[WIRE_TICKET_MAX] = "";
	char tail[sizeof("/18446744073709551615?") + sizeof(hex)];
	size_t used = 0;

	for (size_t i = 0; i < WIRE_TOKEN_BYTES; i++)
		snprintf(hex + 2 * i, 3, "%02x", token[i]);
	snprintf(tail, sizeof(tail), "/%" PRIu64 "?%s", region, hex);
	for (size_t i = 0; i < n; i++) {
		bool v6 = strchr(places[i].address, ':');
		char host[sizeof(places[i].address) + sizeof(",[]:65535")];
		size_t length = (size_t)snprintf(host, sizeof(host), "%s%s%s%s:%u", used ? "," : "",
						 v6 ? "[" : "", places[i].address, v6 ? "]" : "",
						 (unsigned int)places[i].port);

		if (strlen(WIRE_TICKET_SCHEME) + used + length + strlen(tail) >= size ||
		    used + length >= sizeof(hosts))
			continue;
		memcpy(hosts + used, host, length + 1);
		used += length;
	}
	if (used)
		snprintf(ret, size, WIRE_TICKET_SCHEME "%s%s", hosts, tail);
	explicit_bzero(hex, sizeof(hex));
	explicit_bzero(tail, sizeof(tail));
	return used ? 0 : -ENAMETOOLONG;
}
