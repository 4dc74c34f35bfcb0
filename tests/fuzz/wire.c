// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * wire.c - what keepers and peers say to each other: private data of the connection manager, and
 * messages, each as one end writes it and the other reads it.
 *
 * Measured: client/peer/wire.c daemon/keeper/endpoint/wire.c
 *
 * The input is read by both ends as it is. What is accepted keeps the promises of the two wire.h;
 * and written again, by the end that would have written it, and read again it is the same.
 */
#undef NDEBUG
#include <assert.h>

#include "bytes.h"
#include "keeper/endpoint/wire.h"
#include "names.h"
#include "wire.h"

static void read_as_keeper(const uint8_t *data, size_t size)
{
	struct wire_connect c, again;
	struct wire_message m, answer;

	if (wire_read_connect(&c, data, size)) {
		assert(size == sizeof(c) && c.magic == WIRE_MAGIC && c.version == WIRE_VERSION);
		if (c.rights & WIRE_ASKS_CAUSE)
			wire_put_question(&again, c.rights, c.region, c.token, c.offset, c.length);
		else
			wire_put_connect(&again, c.rights, c.region, c.token);
		assert(wire_read_connect(&again, &again, sizeof(again)));
		assert(again.rights == c.rights && again.region == c.region &&
		       !memcmp(again.token, c.token, sizeof(c.token)));
		if (c.rights & WIRE_ASKS_CAUSE)
			assert(again.offset == c.offset && again.length == c.length);
	}
	if (!wire_read_message(&m, data, size))
		return;
	assert(size == sizeof(m) && (m.type == WIRE_REVOCATION_ACK || m.type == WIRE_SYNC));
	if (m.type == WIRE_SYNC)
		wire_put_sync(&answer, m.request, m.offset, m.length);
	else
		wire_put_ack(&answer, m.revocation);
	assert(wire_read_message(&answer, &answer, sizeof(answer)));
	assert(!memcmp(&answer, &m, sizeof(m)));
}

static void read_accept(const uint8_t *data, size_t size)
{
	struct wire_accept a, again;

	if (wire_get_accept(data, size, &a) < 0)
		return;
	assert(a.valid_length <= a.length && a.length <= UINT64_MAX - a.address && a.length);
	assert(a.alignment && !(a.alignment & (a.alignment - 1)) && a.alignment <= ALIGNMENT_MAX);
	assert(a.durability < _REGION_DURABILITY_MAX && a.path_state < _PATH_STATE_MAX);
	again = wire_write_accept(&a);
	assert(wire_get_accept(&again, sizeof(again), &again) == 0);
	memcpy(again.rpma, a.rpma, sizeof(a.rpma)); /* the keeper's own, for others */
	again.reserved = a.reserved;
	assert(!memcmp(&again, &a, sizeof(a)));
}

static void read_reject(const uint8_t *data, size_t size)
{
	struct wire_reject j, again;
	const char *hint;

	if (wire_get_reject(data, size, &j) < 0)
		return;
	assert(memchr(j.text, 0, sizeof(j.text)));
	for (const char *c = j.text; *c; c++)
		assert(*c >= ' ' && *c <= '~');
	assert(wire_refusal_errno(j.reason, &hint) > 0 && *hint);
	if (j.reason < WIRE_REFUSED_MALFORMED || j.reason > WIRE_REFUSED_SHARE)
		return;
	again = wire_write_reject((enum wire_refusal)j.reason, (enum wire_cause)j.cause);
	assert(wire_get_reject(&again, sizeof(again), &again) == 0 && *again.text);
	assert(again.reason == j.reason && again.cause == j.cause);
}

static void read_as_peer(const uint8_t *data, size_t size)
{
	struct wire_message m, again;

	read_accept(data, size);
	read_reject(data, size);
	if (wire_get_message(data, size, &m) < 0)
		return;
	assert(size == sizeof(m) && m.type != WIRE_REVOCATION_ACK && m.type != WIRE_SYNC);
	again = wire_write_message(&m);
	assert(wire_get_message(&again, sizeof(again), &again) == 0);
	assert(again.type == m.type && again.revocation == m.revocation &&
	       again.offset == m.offset && again.length == m.length &&
	       again.valid_length == m.valid_length && again.time_left_msec == m.time_left_msec &&
	       again.cause == m.cause && again.outcome == m.outcome && again.rkey == m.rkey &&
	       again.generation == m.generation && again.request == m.request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	read_as_keeper(data, size);
	read_as_peer(data, size);
	return 0;
}
