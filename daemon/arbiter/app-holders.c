// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-holders.c - who uses a region: local connections that joined, and remote peers. The list of
 * them all: app-holder-list.c.
 *
 * What always holds: a connection is in a region's joins exactly while the core counts it as a
 * holder there and it is not the owner; a peer has a note exactly while the core counts it, memory
 * permitting (without one its address is not shown).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "arbiter/app-internal.h"
#include "util/clock.h"
#include "util/text.h"

int app_add_client(struct app *a, struct region *r, struct client *c)
{
	const struct region_event e = { .type = REGION_HOLDER_JOINED,
					.kind = HOLDER_CLIENT,
					.holder = c->number,
					.now_usec = now_monotonic_usec() };
	int error = registry_reserve_holder(a->registry);

	if (error < 0)
		return error;
	app_step_of(a, r, &e, (struct of_holder){ .client = c });
	return 0;
}

void app_drop_client(struct app *a, struct region *r, struct client *c)
{
	const struct region_event left = { .type = REGION_HOLDER_LEFT,
					   .kind = HOLDER_CLIENT,
					   .holder = c->number,
					   .now_usec = now_monotonic_usec() };

	app_step_of(a, r, &left, (struct of_holder){ .client = c });
}

static int check_joins(const struct app *a, const struct client *c, struct failure *f)
{
	if (c->joined >= a->settings.joins_per_client) {
		metrics_count(a->metrics, METRIC_REFUSALS, LIMIT_JOINS_PER_CLIENT);
		return failure_set(
			f, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"this connection has joined %" PRIu64
			" regions, which is the limit: leave one, or have the administrator raise "
			"joins_per_client in rdmaregd.conf",
			a->settings.joins_per_client);
	}
	if (client_user_joins(c) >= a->settings.joins_per_uid) {
		metrics_count(a->metrics, METRIC_REFUSALS, LIMIT_JOINS_PER_UID);
		return failure_set(
			f, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"connections of uid %" PRIu32 " have joined regions %" PRIu64
			" times, which is the limit: leave some, or have the administrator raise "
			"joins_per_uid in rdmaregd.conf",
			c->uid, a->settings.joins_per_uid);
	}
	return 0;
}

int app_join(void *userdata, struct client *c, uint64_t id, struct failure *ret)
{
	struct app *a = userdata;
	struct region *r = registry_find(a->registry, id);
	struct region_entry *e = region_table_find(a->table, id);
	int error;

	if (e->owner == c || region_entry_find_join(e, c))
		return 0;
	if (r->state == REGION_REGISTERING || r->close_wanted || r->state == REGION_CLOSING)
		return failure_set(ret, RDMAREG_ERROR_BUSY,
				   "region %" PRIu64
				   " is being registered or released: nobody can join it now",
				   id);
	if (check_joins(a, c, ret))
		return BUS_E_REFUSED;
	error = region_entry_join(e, c);
	if (error == 0)
		error = app_add_client(a, r, c);
	if (error < 0) {
		struct join *j = region_entry_find_join(e, c);

		if (j)
			join_free(j);
		return failure_from_errno(ret, "joining the region", error, "");
	}
	return 0;
}

static void drop_join(struct app *a, struct join *j)
{
	struct region *r = registry_find(a->registry, j->region);
	struct client *c = j->client;

	join_free(j);
	app_drop_client(a, r, c);
}

int app_leave(void *userdata, struct client *c, uint64_t id, struct failure *ret)
{
	struct app *a = userdata;
	struct region_entry *e = region_table_find(a->table, id);
	struct join *j = region_entry_find_join(e, c);

	if (e->owner == c)
		return failure_set(ret, RDMAREG_ERROR_BUSY,
				   "this connection owns region %" PRIu64
				   ": it can release it, not leave it",
				   id);
	if (j)
		drop_join(a, j);
	return 0;
}

void app_drop_joins(struct app *a, struct client *c)
{
	struct join *j;

	while ((j = LIST_FIRST(&c->joins)))
		drop_join(a, j);
}

void app_note_peer(struct region_entry *e, const struct keeper_peer *peer)
{
	struct peer_note *n = calloc(1, sizeof(*n));

	if (!n)
		return;
	n->peer = peer->peer;
	n->access = peer->rights & WIRE_RIGHT_WRITE ? ACCESS_READ_WRITE : ACCESS_READ;
	text_clean(n->address, sizeof(n->address), peer->address, sizeof(peer->address));
	LIST_INSERT_HEAD(&e->peers, n, of_region);
}

static struct peer_note *find_peer(struct region_entry *e, uint64_t peer)
{
	struct peer_note *n;

	LIST_FOREACH(n, &e->peers, of_region)
		if (n->peer == peer)
			return n;
	return NULL;
}

void app_forget_peer(struct region_entry *e, uint64_t peer)
{
	struct peer_note *n = find_peer(e, peer);

	if (!n)
		return;
	LIST_REMOVE(n, of_region);
	free(n);
}

bool app_view_next_of_file(void *userdata, uint64_t device, uint64_t inode, uint64_t id,
			   struct region_view *ret)
{
	struct app *a = userdata;
	struct file *f = region_table_find_file(a->table, device, inode);
	struct region_entry *e = region_table_find(a->table, id);

	if (!f)
		return false;
	if (e && e->file == f)
		e = TAILQ_NEXT(e, of_file);
	else /* it has ended meanwhile, or this is the first */
		TAILQ_FOREACH(e, &f->regions, of_file)
			if (e->id > id)
				break;
	while (e && !e->announced)
		e = TAILQ_NEXT(e, of_file);
	return e && app_view(a, registry_find(a->registry, e->id), ret);
}
