// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-reconcile.c - what a keeper lists again, because events were dropped or the connection was
 * another one meanwhile.
 *
 * What always holds: after a list the daemon knows of the keeper's regions what the keeper does,
 * whatever was missed before. What is known and listed is brought up to date; what is known and not
 * listed has ended; what is listed and not known was registered for somebody who was told that it
 * was not, and is released. A region that is just being registered is in no list, and one that is
 * being released may be missing from it: both have an answer to come.
 *
 * The first list of a keeper that an earlier daemon left is adopted instead: app-adopt.c.
 */
#include <inttypes.h>
#include <string.h>

#include "arbiter/app-internal.h"
#include "util/log.h"

#define UNKNOWN_MAX 1024 /* at a time; each costs a request */

void app_list_begins(void *userdata, struct proxy *k)
{
	struct region_entry *e;
	struct app *a = userdata;

	LIST_FOREACH(e, &proxy_note(k)->list, of_keeper) {
		e->listed = false;
		/*
		 * what follows may ask holders of whom we have not heard: no consent before all are
		 * known
		 */
		app_step_plain(a, registry_find(a->registry, e->id), REGION_LIST_BEGAN);
	}
}

/* One that came after version 5 need not end inside of its member. */
static bool is_other(const char *known, const char told[KEEPER_TEXT_MAX])
{
	return strncmp(known ? known : "", told, KEEPER_TEXT_MAX) != 0;
}

static const char *refresh(struct app *a, struct region *r, struct region_entry *e,
			   const struct keeper_region *info)
{
	const struct region_event event = app_event_of_info(REGION_LISTED, info);
	uint64_t bypasses = e->text.bypasses;

	e->listed = true;
	if (r->state == REGION_REGISTERING)
		return NULL;
	if (info->length != r->length || info->offset != r->offset)
		return "another region than was registered";
	if (app_take_file(e, info))
		app_file_changed(a, r);
	app_take_texts(e, info);
	/* a lease may have been lost or had meanwhile, writes be asked, memory have failed */
	if (e->keeper_mode != info->mode || e->unleased != !!info->unleased ||
	    e->blocks != info->blocks || e->text.bypasses != bypasses ||
	    strcmp(e->keeper_reason ? e->keeper_reason : "", info->mode_reason) ||
	    is_other(e->stuck, info->stuck) || is_other(e->unreachable, info->unreachable) ||
	    *info->damage) {
		app_take_mode(a, r, e, info);
		app_mode_changed(a, r, e);
	}
	app_step(a, r, &event);
	return NULL;
}

/*
 * Nobody knows it: whoever wanted it was told that it could not be had. Lists have it until the
 * keeper has answered.
 */
static const char *release(struct proxy *k, uint64_t id)
{
	if (proxy_is_releasing(k, id))
		return NULL;
	if (++proxy_note(k)->unknown > UNKNOWN_MAX)
		return "one region after the other that was never given to it";
	log_info("region %" PRIu64 ": keeper %s has it, and nobody was given it: released", id,
		 proxy_name(k));
	return app_ask_for_release(k, id) < 0 ? "more than there is memory for" : NULL;
}

const char *app_listed(void *userdata, struct proxy *k, const struct keeper_message *m)
{
	struct app *a = userdata;
	const char *complaint;
	struct region *r = app_region_of(a, k, m->region, &complaint);
	struct region_entry *e;

	if (m->type == KEEPER_PEER)
		return r && r->state != REGION_REGISTERING ? app_list_peer(a, k, r, &m->peer)
							   : complaint;
	if (r)
		return refresh(a, r, region_table_find(a->table, m->region), &m->info);
	if (proxy_note(k)->listed)
		return release(k, m->region);
	complaint = app_keeper_listed(a, k, m);
	e = region_table_find(a->table, m->region);
	if (e && e->keeper == k)
		e->listed = true;
	return complaint;
}

static void drop_unlisted_peers(struct app *a, struct proxy *k, struct region *r)
{
	uint32_t next;

	for (uint32_t i = r->holders; i; i = next) {
		const struct holder *h = registry_holder(a->registry, i);

		next = h->next;
		if (h->kind == HOLDER_PEER && !h->listed)
			app_drop_peer(a, k, r, h->id);
	}
}

void app_list_done(void *userdata, struct proxy *k)
{
	struct region_entry *e, *next;
	struct app *a = userdata;

	for (e = LIST_FIRST(&proxy_note(k)->list); e; e = next) {
		struct region *r = registry_find(a->registry, e->id);

		next = LIST_NEXT(e, of_keeper);
		/* who was asked to release it, and lists it no more, answers that yet */
		if (r->state == REGION_REGISTERING ||
		    (!e->listed && (r->close_wanted || app_move_is_releasing(r, e))))
			continue;
		if (!e->listed) {
			log_warning("region %" PRIu64 ": keeper %s has it no more", e->id,
				    proxy_name(k));
			app_note_end(r, e, END_GIVEN_UP);
			app_step_plain(a, r, REGION_RELEASED);
			continue;
		}
		drop_unlisted_peers(a, k, r);
		app_step_plain(a, r, REGION_LIST_DONE);
		app_look_at_mode(a, r, e); /* it can be talked to again */
	}
	if (!proxy_note(k)->listed)
		app_keeper_list_done(a, k);
	proxy_note(k)->listed = true;
}
