// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-session.c - what a daemon sends to a keeper.
 *
 * Measured: daemon/keeper/session.c
 *
 * The input is one byte of how (bits 0-1: descriptors; bit 2: not greeted before; bit 3: cut to
 * size), then a packet. What passes session_check() must be what the code behind it relies on; that
 * is asserted here. What the keeper does then is keeper-storm's.
 */
#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "keeper/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_daemon(const uint8_t *data, size_t size)
{
	size_t n_fds = data[0] & 3, length = size - 1, known;
	bool greeted = !(data[0] & 4);
	struct keeper_message m;

	if (length > sizeof(m) && data[0] & 8)
		length = sizeof(m); /* else: a packet that is too long */
	if (session_check(data + 1, length, n_fds, greeted, &m))
		return;
	assert(length >= keeper_packet_min(m.type) && length <= KEEPER_PACKET_MAX);
	assert(keeper_kind(m.type) == KEEPER_REQUEST);
	known = keeper_packet_size(m.type);
	assert(!memcmp(&m, data + 1, length < known ? length : known));
	for (size_t i = length < known ? length : known; i < sizeof(m); i++)
		assert(!((const uint8_t *)&m)[i]);
	if (!keeper_type_is_known(m.type)) {
		assert(greeted);
		return;
	}
	assert(greeted == (m.type != KEEPER_HELLO));
	assert(n_fds == (m.type == KEEPER_REGISTER));
	assert(m.region || m.type == KEEPER_HELLO || m.type == KEEPER_LIST || m.type == KEEPER_LOG);
	if (m.type == KEEPER_REGISTER)
		assert(m.info.access < _REGION_ACCESS_MAX && m.info.policy < _REGION_POLICY_MAX &&
		       m.info.detached < 2 && m.info.warm < 2);
	if (m.type == KEEPER_CONFIGURE)
		assert(m.info.policy < _REGION_POLICY_MAX);
	if (m.type == KEEPER_CANCEL)
		assert(m.progress.operation);
	if (m.type == KEEPER_EXPORT)
		assert(m.ticket.rights && m.ticket.rights < 4);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	check_daemon(data, size);
	return 0;
}
