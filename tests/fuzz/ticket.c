// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * client-ticket.c - libFuzzer entry for the ticket parser. What is accepted must survive being
 * written out again: one spelling per ticket.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ticket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), again[512] = WIRE_TICKET_SCHEME,
	     token[2 * WIRE_TOKEN_BYTES + 1];
	struct ticket t;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (ticket_parse(text, &t) == 0) {
		size_t n = strlen(again);

		for (size_t i = 0; i < t.n; i++) {
			bool v6 = text[n + (i > 0)] == '[';

			n += (size_t)snprintf(again + n, sizeof(again) - n, "%s%s%s%s:%s",
					      i ? "," : "", v6 ? "[" : "", t.places[i].host,
					      v6 ? "]" : "", t.places[i].port);
			if (n >= size)
				abort();
		}
		for (int i = 0; i < WIRE_TOKEN_BYTES; i++)
			snprintf(token + 2 * i, 3, "%02x", t.token[i]);
		snprintf(again + n, sizeof(again) - n, "/%" PRIu64 "?%s", t.region, token);
		if (strcmp(again, text))
			abort();
	}
	free(text);
	return 0;
}
