// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-holder-list.c - all who use a region, one after the other. What always holds: nothing is
 * changed by it.
 */
#include "arbiter/app-internal.h"

/*
 * The core's holders, the notes of peers and the joins are each in the order of their coming,
 * newest first: so one walk over all three finds what belongs together. What has no note is simply
 * not met.
 */
struct holder_walk {
	const struct region_entry *entry;
	const struct peer_note *peer;
	const struct join *join;
};

static const struct peer_note *next_peer(struct holder_walk *w, uint64_t peer)
{
	const struct peer_note *n = w->peer;

	if (!n || n->peer != peer)
		return NULL;
	w->peer = LIST_NEXT(n, of_region);
	return n;
}

static struct client *next_client(struct holder_walk *w, uint64_t number)
{
	const struct join *j = w->join;

	if (w->entry->owner && w->entry->owner->number == number)
		return w->entry->owner;
	if (!j || j->client->number != number)
		return NULL;
	w->join = LIST_NEXT(j, of_region);
	return j->client;
}

void app_each_holder(void *userdata, uint64_t id,
		     void (*add)(void *to, const struct holder_view *h), void *to)
{
	struct app *a = userdata;
	const struct region_entry *e = region_table_find(a->table, id);
	const struct region *r = registry_find(a->registry, id);
	struct holder_walk w = { e, LIST_FIRST(&e->peers), LIST_FIRST(&e->joins) };
	struct holder_view v = { .kind = "none" };

	if (!r->holders)
		add(to, &v);
	for (uint32_t i = r->holders; i; i = registry_holder(a->registry, i)->next) {
		const struct holder *h = registry_holder(a->registry, i);
		const struct peer_note *n = h->kind == HOLDER_PEER ? next_peer(&w, h->id) : NULL;

		v.client = h->kind == HOLDER_CLIENT ? next_client(&w, h->id) : NULL;
		v.kind = h->kind == HOLDER_PEER ? "peer"
			 : v.client == e->owner ? "owner"
						: "client";
		v.address = n ? n->address : NULL;
		v.access = n ? n->access : ACCESS_READ;
		v.since_usec = h->since_usec;
		v.asked = h->asked;
		add(to, &v);
	}
}
