// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-frozen.c - holders that cannot answer because they are frozen with their cgroup, as the
 * processes of a suspended job are. Waiting for them would cost every revocation its whole grace.
 *
 * What always holds: only a local holder is skipped, and only while it is frozen; it loses nothing
 * but the time to answer. What the keeper does to the range, and when it is settled, is the same.
 */
#include <inttypes.h>

#include "arbiter/app-internal.h"
#include "util/log.h"
#include "util/process.h"

/* Of one region: each costs the loop some reads of /proc and of the cgroup's files. */
#define LOOKED_AT_MAX 64

static void skip(struct app *a, uint64_t id, uint64_t revocation, struct client *c)
{
	struct region *r = registry_find(a->registry, id);
	const struct region_event event = { .type = REGION_HOLDER_ACKED,
					    .kind = HOLDER_CLIENT,
					    .holder = c->number,
					    .revocation = revocation };

	/* as by an acknowledgement, the last holder that is skipped may end the wait */
	if (!r || r->state != REGION_DRAINING || r->revocation != revocation ||
	    !region_is_held_by(a->registry, r, HOLDER_CLIENT, c->number) ||
	    !process_is_frozen((pid_t)c->pid, c->began))
		return;
	app_log(region_table_find(a->table, id)->keeper, LOG_NOTICE,
		"region %" PRIu64 ": revocation %" PRIu64 ": pid %" PRIu32
		" is frozen and cannot answer: it is not waited for",
		id, revocation, c->pid);
	app_step_of(a, r, &event, (struct of_holder){ .client = c, .frozen = true });
}

void app_skip_frozen(struct app *a, uint64_t region)
{
	const struct region *r = registry_find(a->registry, region);
	struct region_entry *e = r ? region_table_find(a->table, region) : NULL;
	struct client *asked[LOOKED_AT_MAX];
	const struct join *j;
	uint64_t revocation;
	size_t n = 0;

	if (!r || r->state != REGION_DRAINING)
		return;
	revocation = r->revocation;
	if (e->owner)
		asked[n++] = e->owner;
	LIST_FOREACH(j, &e->joins, of_region)
		if (n < LOOKED_AT_MAX)
			asked[n++] = j->client;
	for (size_t i = 0; i < n; i++)
		skip(a, region, revocation, asked[i]);
}
