/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * wire.h - the messages of proto/rdmareg-wire.h read into and written from native structures.
 *
 * What always holds: bytes from the network are checked here and nowhere else; what comes out is
 * consistent (offsets do not overflow, the alignment is a power of two, text is printable); on
 * failure the result is untouched and no sentence is set.
 */
#ifndef RDMAREG_CLIENT_WIRE_H
#define RDMAREG_CLIENT_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "rdmareg-wire.h"

#define ALIGNMENT_MAX (16u << 20)

/* struct wire_accept, wire_reject and wire_message are reused with native integers. */

void wire_put_connect(struct wire_connect *ret, uint16_t rights, uint64_t region,
		      const uint8_t token[WIRE_TOKEN_BYTES]);

/* Why an access of @rights (WIRE_RIGHT_*) to that range failed. */
void wire_put_question(struct wire_connect *ret, uint16_t rights, uint64_t region,
		       const uint8_t token[WIRE_TOKEN_BYTES], uint64_t offset, uint64_t length);

/*
 * @n: bytes that came, which may be more than the structure. -EPROTO: not ours, or inconsistent.
 * -EPROTONOSUPPORT: another version.
 */
int wire_get_accept(const void *data, size_t n, struct wire_accept *ret);
int wire_get_reject(const void *data, size_t n, struct wire_reject *ret);

/* @n must be exact. -EPROTO also for a type that only peers send. */
int wire_get_message(const void *data, size_t n, struct wire_message *ret);

void wire_put_sync(struct wire_message *ret, uint64_t request, uint64_t offset, uint64_t length);
void wire_put_ack(struct wire_message *ret, uint64_t revocation);

/*
 * The errno (positive) of an enum wire_refusal, and what to do about it; what is the matter is the
 * refusal's text. Unknown reasons are ECONNREFUSED.
 */
int wire_refusal_errno(uint16_t reason, const char **ret_hint);

#endif
