// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-pressure.c - while the kernel reports that memory is short, nothing is brought back that
 * nobody asked for.
 */
#include <stdio.h>
#include <string.h>

#include "keeper/system/cgroup.h"
#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/pressure.h"
#include "util/log.h"

static void changed(void *userdata, bool high)
{
	struct keeper *k = userdata;

	log_notice(high ? "memory is short: nothing is brought back but what is asked for"
			: "memory is not short any more");
	for (struct kregion *r = keeper_next(k, NULL); r; r = keeper_next(k, r)) {
		r->warming.engine.short_of_memory = high;
		kregion_warm(r);
	}
}

static const struct pressure_ops ops = { .changed = changed };

void keeper_watch_memory(struct keeper *k)
{
	char path[CGROUP_PATH_MAX], file[CGROUP_PATH_MAX + 32];
	bool has = cgroup_own_path(path) == 0;
	int error;

	if (!k->options->memory_stall_msec)
		return;
	snprintf(file, sizeof(file), "%s/memory.pressure", has ? path : "");
	error = pressure_new(&k->pressure, k->base, has ? file : NULL,
			     k->options->memory_stall_msec, &ops, k);
	if (error < 0)
		log_info("memory pressure is not watched: %s", strerror(-error));
}
