/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wire.h - the bytes of rdmareg-wire.h to and from host order. Pure; trusts nothing it reads;
 * writes reserved bytes as zero.
 */
#ifndef RDMAREG_KEEPER_WIRE_H
#define RDMAREG_KEEPER_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "rdmareg-wire.h"

/*
 * False: not a request of this protocol and version. RDMA CM pads to full length, so that is the
 * only one accepted.
 */
bool wire_read_connect(struct wire_connect *ret, const void *data, size_t size);

/*
 * False: neither an acknowledgement nor a wish to have something on the medium, the only things a
 * peer may send.
 */
bool wire_read_message(struct wire_message *ret, const void *data, size_t size);

/* Fill in magic and version, and convert. */
/* The librpma descriptor is made from the other members. */
struct wire_accept wire_write_accept(const struct wire_accept *a);
struct wire_message wire_write_message(const struct wire_message *m);
/* @cause: with WIRE_EXPLAINED. */
struct wire_reject wire_write_reject(enum wire_refusal reason, enum wire_cause cause);

#endif
