// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * versions.c - keepers of older and newer packages, with which the daemon has a version of the
 * protocol in common, or none (struct process: foreign).
 *
 * What always holds: of an older one nothing is told, and it is told nothing, that is not in the
 * lowest version's form; a newer one adds to each packet what is not known here, and tells of things
 * that nobody has heard of.
 */
#include <errno.h>
#include <string.h>

#include "bus-played.h"
#include "keeper-protocol.h"

#define MORE_MAX 400 /* bytes */

void versions_choose(struct process *keeper)
{
	if (!os_chance(world.skewed))
		return;
	keeper->older = os_chance(50);
	keeper->newer = !keeper->older;
	os_trace("is %s", keeper->older ? "older" : "newer");
}

static void add(char *packet, size_t *size, size_t room)
{
	size_t more = os_random(MORE_MAX);

	for (size_t i = 0; i < more && *size < room; i++)
		packet[(*size)++] = (char)os_random(256);
}

static enum os_fate cut(struct keeper_message *m, size_t *size, bool to_keeper)
{
	size_t least = keeper_packet_min(m->type);

	if (to_keeper && m->type == KEEPER_LOG) { /* it is a request that came later */
		*m = (struct keeper_message){ .type = KEEPER_DONE,
					      .operation = m->operation,
					      .done.error = -ENOSYS };
		*size = keeper_packet_min(KEEPER_DONE);
		return OS_BACK;
	}
	*size = *size < least ? *size : least;
	return OS_ARRIVES;
}

enum os_fate versions_differ(const struct process *from, const struct process *to, char *packet,
			     size_t *size, size_t room, struct os_packet *ret_before)
{
	static const struct keeper_message unknown = {
		.type = KEEPER_EVENT * KEEPER_KIND_SIZE + KEEPER_KIND_SIZE - 1, .region = 1
	};
	const struct process *keeper = from->keeper ? from : to;
	struct keeper_message *m = (struct keeper_message *)(void *)packet;

	if (m->type == KEEPER_WELCOME && keeper->foreign) {
		m->welcome.version = 0;
		m->welcome.versions = (struct keeper_versions){ 99, 99 };
		return OS_ARRIVES;
	}
	if (!keeper->older && !keeper->newer)
		return OS_ARRIVES;
	counted[COUNT_SKEWED]++;
	if (keeper->older)
		return cut(m, size, keeper == to);
	if (m->type == KEEPER_WELCOME)
		m->welcome.versions.max++;
	else if (from == keeper && os_chance(5))
		*ret_before = (struct os_packet){ KEEPER_HEADER_SIZE, &unknown };
	add(packet, size, room);
	return OS_ARRIVES;
}
