// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-ended.c - what is remembered of regions that ended: so many of each uid, and no uid pushes
 * out another one's.
 */
#include "bus/ended.h"

#undef NDEBUG
#include <assert.h>
#include <stdbool.h>
#include <string.h>

static struct ended ended;

static bool says(uint32_t uid, uint64_t region, const char *text)
{
	char out[ENDED_TEXT_MAX];

	ended_describe(&ended, region, uid, out);
	return strstr(out, text);
}

static bool finds(uint32_t uid, uint64_t region)
{
	return says(uid, region, " s ago: ");
}

int main(void)
{
	assert(!finds(1, 0) && !finds(1, 7) && !finds(0, 7));
	ended_note(&ended, 7, 1, END_LOST);
	assert(says(1, 7,
		    "its keeper ended, and journalctl -u rdmaregd -g 'lost with' says how to root and to members of systemd-journal") &&
	       says(0, 7, "its keeper ended"));
	assert(!finds(2, 7) && !finds(1, 8) &&
	       says(2, 7, "ended long ago, never was, or is another user's"));
	for (uint64_t i = 0; i < 3 * ENDED_PER_UID; i++)
		ended_note(&ended, 1000 + i, 2, END_RELEASED);
	assert(finds(1, 7) && !finds(2, 1000) && finds(2, 1000 + 2 * ENDED_PER_UID));
	assert(says(2, 999 + 3 * ENDED_PER_UID, "it was released"));
	for (uint32_t uid = 3; uid < 3 + ENDED_UIDS; uid++) {
		ended_note(&ended, 10000 + uid, uid, END_EVICTED);
		ended_note(&ended, 20000 + uid, 2, END_RELEASED);
	}
	assert(!finds(0, 7) && says(0, 7, "ended long ago, or never was")); /* of too long ago */
	assert(finds(2, 20003) && says(0, 10002 + ENDED_UIDS, "evicted"));
	ended_clear(&ended);
	assert(!finds(0, 20003));
	return 0;
}
