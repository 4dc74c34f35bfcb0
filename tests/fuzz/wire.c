// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * client-wire.c - libFuzzer entry for what a peer reads from the network: accept, reject and
 * control messages. What is accepted must keep the promises of client/peer/wire.h.
 */
#include <stdlib.h>
#include <string.h>

#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_accept a;
	struct wire_reject j;
	struct wire_message m;
	const char *hint;

	if (wire_get_accept(data, size, &a) == 0 &&
	    (a.valid_length > a.length || a.address + a.length < a.address || !a.alignment ||
	     (a.alignment & (a.alignment - 1))))
		abort();
	if (wire_get_reject(data, size, &j) == 0) {
		if (!memchr(j.text, 0, sizeof(j.text)) ||
		    wire_refusal_errno(j.reason, &hint) <= 0 || !*hint)
			abort();
		for (const char *c = j.text; *c; c++)
			if (*c < ' ' || *c > '~')
				abort();
	}
	if (wire_get_message(data, size, &m) == 0 &&
	    (size != sizeof(m) || m.type == WIRE_REVOCATION_ACK))
		abort();
	return 0;
}
