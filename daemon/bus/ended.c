// SPDX-License-Identifier: GPL-2.0-or-later
/* ended.c - see ended.h. A ring for each uid, made with its first end. */
#include "bus/ended.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/clock.h"

struct end {
	uint64_t region; /* 0: none yet */
	uint64_t at_usec;
	enum region_end why;
};

const char *const region_end_names[_REGION_END_MAX] = REGION_END_NAMES;

const char *ended_text(enum region_end why)
{
	static const char *const texts[_REGION_END_MAX] = {
		[END_RELEASED] = "it was released",
		[END_DISCONNECTED] =
			"the connection that registered it ended, and it was not detached",
		[END_SESSION] = "its session was released",
		[END_EXPIRED] =
			"it was not detached, and the connection that registered it did not come back after a "
			"restart of rdmaregd",
		[END_EVICTED] = "its filesystem was evicted, for instance to be unmounted",
		[END_OVER_LIMIT] = "it was above a limit of its tenant that was enforced",
		[END_GIVEN_UP] = "its keeper could not keep it, as the journal says",
		[END_LOST] =
			("its keeper ended, and journalctl -u rdmaregd -g 'lost with' says how to root and to members "
			 "of systemd-journal or adm: register it again"),
	};

	return texts[why];
}

void ended_clear(struct ended *e)
{
	for (size_t i = 0; i < ENDED_UIDS; i++)
		free(e->users[i].ends);
	*e = (struct ended){ 0 };
}

/* The uid's, or the place of the one whose last end is longest ago. */
static struct ended_user *get_user(struct ended *e, uint32_t uid)
{
	struct ended_user *oldest = &e->users[0];

	for (size_t i = 0; i < ENDED_UIDS; i++) {
		struct ended_user *u = &e->users[i];

		if (u->last && u->uid == uid)
			return u;
		if (u->last < oldest->last)
			oldest = u;
	}
	free(oldest->ends);
	*oldest = (struct ended_user){ .uid = uid,
				       .ends = calloc(ENDED_PER_UID, sizeof(struct end)) };
	return oldest;
}

void ended_note(struct ended *e, uint64_t region, uint32_t uid, enum region_end why)
{
	struct ended_user *u = get_user(e, uid);

	if (!u->ends)
		return;
	u->last = ++e->notes;
	u->ends[u->next] = (struct end){ region, now_monotonic_usec(), why };
	u->next = (u->next + 1) % ENDED_PER_UID;
}

static const struct end *find(const struct ended *e, uint64_t region, uint32_t uid)
{
	for (size_t i = 0; region && i < ENDED_UIDS; i++) {
		const struct ended_user *u = &e->users[i];

		if (!u->last || (uid && uid != u->uid))
			continue;
		for (size_t k = 0; k < ENDED_PER_UID; k++)
			if (u->ends[k].region == region)
				return &u->ends[k];
	}
	return NULL;
}

void ended_describe(const struct ended *e, uint64_t region, uint32_t uid,
		    char out[static ENDED_TEXT_MAX])
{
	const struct end *end = find(e, region, uid);
	uint64_t seconds = end ? (now_monotonic_usec() - end->at_usec) / USEC_PER_SEC : 0;

	if (end)
		snprintf(out, ENDED_TEXT_MAX, "it ended %" PRIu64 " s ago: %s", seconds,
			 ended_text(end->why));
	else
		snprintf(out, ENDED_TEXT_MAX, "it ended long ago, %s",
			 uid ? "never was, or is another user's" : "or never was");
}
