// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-table.c - the keeper's regions by number, and whether there is anything left to stay for.
 */
#include <event2/event.h>

#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "util/clock.h"

static struct kregion **bucket_of(struct keeper *k, uint64_t region)
{
	return &k->bucket[region & (KEEPER_BUCKETS - 1)];
}

struct kregion *keeper_find(const struct keeper *k, uint64_t region)
{
	struct kregion *r = k->bucket[region & (KEEPER_BUCKETS - 1)];

	while (r && r->id != region)
		r = r->next;
	return r;
}

struct kregion *keeper_next(const struct keeper *k, const struct kregion *last)
{
	size_t i = last ? (last->id & (KEEPER_BUCKETS - 1)) + 1 : 0;

	if (last && last->next)
		return last->next;
	while (i < KEEPER_BUCKETS && !k->bucket[i])
		i++;
	return i < KEEPER_BUCKETS ? k->bucket[i] : NULL;
}

/* Nothing to hold and nobody to hold it for: leave after a while. */
void keeper_look_for_idleness(struct keeper *k)
{
	struct timeval tv = timeval_from_usec(k->options->idle_exit_sec * USEC_PER_SEC);

	uint32_t held = k->n_regions - k->n_left_behind;

	if (k->stopping && !held) {
		event_base_loopbreak(k->base);
		return;
	}
	if (held || session_is_connected(k->session) || !k->options->idle_exit_sec)
		evtimer_del(k->idle_event);
	else if (!evtimer_pending(k->idle_event, NULL))
		evtimer_add(k->idle_event, &tv);
}

void keeper_add(struct keeper *k, struct kregion *r)
{
	struct kregion **at = bucket_of(k, r->id);

	r->next = *at;
	*at = r;
	k->n_regions++;
	keeper_look_for_idleness(k);
}

void keeper_remove(struct keeper *k, struct kregion *r)
{
	for (struct kregion **at = bucket_of(k, r->id); *at; at = &(*at)->next)
		if (*at == r) {
			*at = r->next;
			k->n_regions--;
			break;
		}
	keeper_look_for_idleness(k);
}

void keeper_leave_behind(struct keeper *k, int n)
{
	k->n_left_behind += (uint32_t)n;
	keeper_look_for_idleness(k);
}
