// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-eviction.c - evictions under way. What always holds: one is answered after the last of its
 * regions, and is gone with that.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "arbiter/app-internal.h"
#include "util/log.h"

void app_eviction_step(struct eviction *v, bool late)
{
	struct failure f;

	v->late += late;
	if (--v->left)
		return;
	log_notice("%s by pid %" PRIu32 " uid %" PRIu32 ": %" PRIu32 " of %" PRIu32
		   " regions taken down",
		   v->what, v->by.pid, v->by.uid, v->regions - v->late, v->regions);
	if (v->late) {
		failure_set(
			&f, RDMAREG_ERROR_TIMEOUT,
			"%" PRIu32 " of %" PRIu32
			" regions are not released yet: their keepers have not answered in time, and are not ended; the "
			"journal of rdmaregd names them",
			v->late, v->regions);
		call_fail(v->call, &f);
	} else {
		call_reply_count(v->call, v->regions);
	}
	LIST_REMOVE(v, evictions);
	free(v);
}

bool app_is_evicting(const struct app *a, const struct filesystem *on)
{
	const struct eviction *v;

	LIST_FOREACH(v, &a->evictions, evictions)
		if (v->whole && filesystem_is_same(&v->on, on))
			return true;
	return false;
}
