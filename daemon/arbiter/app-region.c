// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-region.c - what handlers need of a region before anything happens to it: its view, its entry,
 * what callers may be refused for, and notes of who wanted what. What always holds: no region takes
 * a step here.
 */
#include <inttypes.h>

#include "arbiter/app-internal.h"

bool app_view(struct app *a, const struct region *r, struct region_view *ret)
{
	struct region_entry *e = r ? region_table_find(a->table, r->id) : NULL;

	if (!e)
		return false;
	*ret = (struct region_view){ .region = r,
				     .tenant = registry_tenant(a->registry, r->tenant),
				     .text = &e->text,
				     .standing = e->standing && !e->standing->pending,
				     .owner = e->owner,
				     .joins = &e->joins,
				     .news = &e->news,
				     .asker = &e->asker };
	return true;
}

void app_set_status(struct app *a)
{
	const struct timeval soon = { .tv_sec = 1 };

	if (!event_pending(a->status, EV_TIMEOUT, NULL))
		event_add(a->status, &soon);
}

void app_drop_tenant(struct app *a, uint32_t tenant)
{
	const struct tenant *t = registry_tenant(a->registry, tenant);

	if (t && !t->regions && !pool_have(a->keepers, t->uid, t->session))
		registry_drop_tenant(a->registry, tenant);
}

int app_add_entry(struct app *a, struct region *r, struct proxy *k, struct client *owner,
		  struct region_entry **ret)
{
	int e = region_table_add(a->table, r->id, k, owner, ret);

	if (e < 0)
		registry_remove_region(a->registry, r);
	return e;
}

void app_forget_look(struct app *a, struct region_entry *e)
{
	if (!e->unlooked)
		return;
	TAILQ_REMOVE(&a->unlooked, e, of_unlooked);
	e->unlooked = false;
}

int app_check_kept(const struct region *r, struct failure *f)
{
	if (!r->close_wanted && r->state != REGION_CLOSING)
		return 0;
	return failure_set(
		f, RDMAREG_ERROR_BUSY,
		"region %" PRIu64
		" is being released: nothing of it can be changed any more; register the "
		"file again",
		r->id);
}

int app_check_live(const struct region *r, struct failure *f)
{
	if (app_check_kept(r, f))
		return BUS_E_REFUSED;
	if (r->state == REGION_LIVE || r->state == REGION_WARMING)
		return 0;
	return failure_set(f, RDMAREG_ERROR_BUSY,
			   "region %" PRIu64
			   " is %s, not live: wait until its State is live and try again",
			   r->id, region_state_names[r->state]);
}

int app_check_range(const struct region *r, uint64_t offset, uint64_t length, struct failure *f)
{
	if (offset < r->length && length <= r->length - offset)
		return 0;
	return failure_set(f, RDMAREG_ERROR_INVALID_RANGE,
			   "offset %" PRIu64 " and length %" PRIu64
			   " are not inside region %" PRIu64 ", which has %" PRIu64 " bytes",
			   offset, length, r->id, r->length);
}

void app_note_end(const struct region *r, struct region_entry *e, enum region_end why)
{
	if (!r->close_wanted)
		e->end = (uint8_t)why;
}

void app_note_caller(struct region_entry *e, struct client *c)
{
	e->wanted_by = c ? *client_asker(c) : (struct asker){ 0 };
}

int app_send_over(struct region_entry *e, uint64_t demand)
{
	const struct keeper_message m = { .type = KEEPER_OVER,
					  .region = e->id,
					  .demand.demand = demand };

	return proxy_request(e->keeper, &m, -1, 0, NULL);
}
