// SPDX-License-Identifier: GPL-2.0-or-later
/* wire.c - see wire.h. */
#include "keeper/endpoint/wire.h"

#include <endian.h>
#include <stdio.h>
#include <string.h>

/* RPMA_MR_USAGE_* of librpma.h 1.x, which is an ABI; the library is not needed for it. */
#define RPMA_USAGE_READ_SRC (1 << 0)
#define RPMA_USAGE_WRITE_DST (1 << 3)
#define RPMA_USAGE_FLUSH_VISIBILITY (1 << 4)
#define RPMA_USAGE_FLUSH_PERSISTENT (1 << 5)

bool wire_read_connect(struct wire_connect *ret, const void *data, size_t size)
{
	struct wire_connect c;

	if (!data || size != sizeof(c))
		return false;
	memcpy(&c, data, sizeof(c));
	c.magic = le32toh(c.magic);
	c.version = le16toh(c.version);
	c.rights = le16toh(c.rights);
	c.region = le64toh(c.region);
	c.offset = le64toh(c.offset);
	c.length = le64toh(c.length);
	if (c.magic != WIRE_MAGIC || c.version != WIRE_VERSION)
		return false;
	*ret = c;
	return true;
}

bool wire_read_message(struct wire_message *ret, const void *data, size_t size)
{
	struct wire_message m;

	if (size != sizeof(m))
		return false;
	memcpy(&m, data, sizeof(m));
	if (le32toh(m.magic) != WIRE_MAGIC || le16toh(m.version) != WIRE_VERSION)
		return false;
	switch (le16toh(m.type)) {
	case WIRE_REVOCATION_ACK:
		*ret = (struct wire_message){ .type = WIRE_REVOCATION_ACK,
					      .revocation = le64toh(m.revocation) };
		return true;
	case WIRE_SYNC:
		*ret = (struct wire_message){ .type = WIRE_SYNC,
					      .offset = le64toh(m.offset),
					      .length = le64toh(m.length),
					      .request = le64toh(m.request) };
		return true;
	default:
		return false;
	}
}

static uint8_t rpma_usage(const struct wire_accept *a)
{
	return (uint8_t)((a->rights & WIRE_RIGHT_READ ? RPMA_USAGE_READ_SRC : 0) |
			 (a->rights & WIRE_RIGHT_WRITE ? RPMA_USAGE_WRITE_DST : 0) |
			 /* its flush is a READ, with any adapter */
			 (a->rights & WIRE_RIGHT_READ ? RPMA_USAGE_FLUSH_VISIBILITY : 0) |
			 (a->flush & WIRE_FLUSH_PERSISTENT ? RPMA_USAGE_FLUSH_PERSISTENT : 0));
}

static void write_rpma(uint8_t to[WIRE_RPMA_DESCRIPTOR_BYTES], const struct wire_accept *a)
{
	uint64_t address = htole64(a->address), length = htole64(a->length);
	uint32_t rkey = htole32(a->rkey);

	memcpy(to, &address, sizeof(address));
	memcpy(to + 8, &length, sizeof(length));
	memcpy(to + 16, &rkey, sizeof(rkey));
	to[20] = rpma_usage(a);
}

struct wire_accept wire_write_accept(const struct wire_accept *a)
{
	struct wire_accept w = {
		.magic = htole32(WIRE_MAGIC),
		.version = htole16(WIRE_VERSION),
		.rights = htole16(a->rights),
		.address = htole64(a->address),
		.length = htole64(a->length),
		.valid_length = htole64(a->valid_length),
		.rkey = htole32(a->rkey),
		.generation = htole32(a->generation),
		.alignment = htole32(a->alignment),
		.minimum_mtu = htole32(a->minimum_mtu),
		.grace_msec = htole32(a->grace_msec),
		.receive_depth = htole32(a->receive_depth),
		.revocation = htole64(a->revocation),
		.durability = a->durability,
		.flush = a->flush,
		.path_state = a->path_state,
		.bypasses = htole32(a->bypasses),
		.bytes = htole64(a->bytes),
	};

	write_rpma(w.rpma, a);
	return w;
}

struct wire_message wire_write_message(const struct wire_message *m)
{
	return (struct wire_message){
		.magic = htole32(WIRE_MAGIC),
		.version = htole16(WIRE_VERSION),
		.type = htole16(m->type),
		.revocation = htole64(m->revocation),
		.offset = htole64(m->offset),
		.length = htole64(m->length),
		.valid_length = htole64(m->valid_length),
		.time_left_msec = htole32(m->time_left_msec),
		.cause = htole16(m->cause),
		.outcome = htole16(m->outcome),
		.rkey = htole32(m->rkey),
		.generation = htole32(m->generation),
		.request = htole64(m->request),
	};
}

struct wire_reject wire_write_reject(enum wire_refusal reason, enum wire_cause cause)
{
	static const char *const text[] = {
		[WIRE_REFUSED_MALFORMED] = "the request is not one of this protocol or version",
		[WIRE_REFUSED_TICKET] = "the ticket is unknown, expired or used up",
		[WIRE_REFUSED_RIGHTS] = "the ticket does not allow what was asked",
		[WIRE_REFUSED_LIMIT] = "too many peers; try again when one has left",
		[WIRE_REFUSED_RESOURCES] = "the adapter has no room for another connection",
		[WIRE_REFUSED_MTU] = "the path MTU is too small for this adapter",
		[WIRE_REFUSED_SHARE] = "this ticket has its share of the tenant's peers",
		[WIRE_EXPLAINED] = "this answers why an access failed",
	};
	struct wire_reject r = {
		.magic = htole32(WIRE_MAGIC),
		.version = htole16(WIRE_VERSION),
		.reason = htole16((uint16_t)reason),
		.cause = htole16((uint16_t)cause),
	};

	snprintf(r.text, sizeof(r.text), "%s", text[reason]);
	return r;
}
