// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-keeper-list.c - the keepers of this machine, for the bus. What always holds: what is shown is
 * what the daemon knows; no keeper is asked.
 */
#include <unistd.h>

#include "arbiter/app-internal.h"
#include "util/clock.h"

/* The kernel counts from the boot, in a unit of its own, with the time that the machine slept. */
static uint64_t monotonic_of_start(uint64_t started)
{
	uint64_t second = (uint64_t)sysconf(_SC_CLK_TCK);
	uint64_t began = started / second * USEC_PER_SEC + started % second * USEC_PER_SEC / second;
	uint64_t ago = now_boottime_usec() - began, now = now_monotonic_usec();

	return started && ago < now ? now - ago : 0;
}

uint32_t app_count_estranged(const struct app *a)
{
	return pool_count_in(a->keepers, KEEPER_STUCK) + pool_count_in(a->keepers, KEEPER_FOREIGN);
}

bool app_view_next_keeper(void *userdata, const uint32_t *uid, uint64_t after,
			  struct keeper_view *ret)
{
	struct app *a = userdata;
	struct proxy_view v;

	if (!pool_view_next(a->keepers, uid, after, &v))
		return false;
	*ret = (struct keeper_view){
		.number = v.number,
		.uid = v.uid,
		.session = v.session,
		.instance = v.instance,
		.pid = (uint32_t)v.pid,
		.runs_as = v.runs_as,
		.unit = v.unit,
		.device = v.device,
		.address = v.address,
		.program = v.program,
		.version = v.version,
		.version_min = v.of.min,
		.version_max = v.of.max,
		.state = v.state,
		.trouble = v.trouble,
		.attempts = v.attempts,
		.regions = v.regions,
		.peers = v.peers,
		.bytes = v.bytes,
		.since_usec = monotonic_of_start(v.started),
	};
	return true;
}
