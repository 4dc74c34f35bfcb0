// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * client-ticket.c - libFuzzer entry for the ticket parser. What is accepted must survive being
 * written out again: one spelling per ticket.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ticket.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), again[512], token[2 * WIRE_TOKEN_BYTES + 1];
	struct ticket t;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = 0;
	if (ticket_parse(text, &t) == 0) {
		const char *open = strchr(text, '[') ? "[" : "", *close = *open ? "]" : "";

		for (int i = 0; i < WIRE_TOKEN_BYTES; i++)
			snprintf(token + 2 * i, 3, "%02x", t.token[i]);
		snprintf(again, sizeof(again), WIRE_TICKET_SCHEME "%s%s%s:%s/%" PRIu64 "?%s", open,
			 t.host, close, t.port, t.region, token);
		if (strcmp(again, text))
			abort();
	}
	free(text);
	return 0;
}
