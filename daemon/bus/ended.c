// SPDX-License-Identifier: GPL-2.0-or-later
/* ended.c - see ended.h. */
#include "bus/ended.h"

#include <inttypes.h>
#include <stdio.h>

#include "util/clock.h"

void ended_note(struct ended *e, const struct region_view *v)
{
	e->notes[e->next].id = v->region->id;
	e->notes[e->next].at_usec = now_monotonic_usec();
	e->notes[e->next].uid = v->tenant->uid;
	e->notes[e->next].lost = v->region->state == REGION_LOST;
	e->next = (e->next + 1) % ENDED_MAX;
}

void ended_describe(const struct ended *e, uint64_t id, uint32_t uid, char out[static ENDED_TEXT_MAX])
{
	for (uint32_t i = 0; id && i < ENDED_MAX; i++) {
		uint64_t seconds;

		if (e->notes[i].id != id || (uid != 0 && uid != e->notes[i].uid))
			continue;
		seconds = (now_monotonic_usec() - e->notes[i].at_usec) / USEC_PER_SEC;
		if (e->notes[i].lost)
			snprintf(out, ENDED_TEXT_MAX,
				 "it was lost %" PRIu64 " s ago, when its keeper ended: register it again",
				 seconds);
		else
			snprintf(out, ENDED_TEXT_MAX, "it was released %" PRIu64 " s ago", seconds);
		return;
	}
	snprintf(out, ENDED_TEXT_MAX, "it was released, or never was");
}
