// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-adopt.c - what keepers held before this daemon began. A region is taken over with its number
 * and its state if its keeper has a record of it; everything that is decided by is the record's.
 * Limits are not applied to what lives already. Of a keeper that speaks no version of ours the
 * record is all there is: its regions are shown as they were registered.
 */
#include <errno.h>
#include <inttypes.h>

#include <systemd/sd-daemon.h>

#include "arbiter/app-internal.h"
#include "util/clock.h"
#include "util/log.h"

#define CLAIM_DROPPED_MAX 64 /* each costs a request */

const char *app_keeper_opened(void *userdata, struct proxy *k)
{
	const struct registry_limits any = { UINT32_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX,
					     UINT32_MAX, UINT32_MAX, UINT32_MAX };
	struct registry_limits limits;
	struct app *a = userdata;
	int r;

	if (proxy_note(k)->has_tenant)
		return NULL;
	/* what lives already is not refused, whatever the limits are by now */
	limits = *registry_limits(a->registry);
	registry_set_limits(a->registry, &any);
	r = registry_get_tenant(a->registry, proxy_uid(k), proxy_session(k),
				&proxy_note(k)->tenant);
	registry_set_limits(a->registry, &limits);
	proxy_note(k)->has_tenant = r == 0;
	return r == 0 ? NULL : "more than there is memory for";
}

/* Who owned this region of an earlier daemon. @ret_gone: it is known that nobody does any more. */
static struct client *find_owner(struct app *a, struct proxy *k, const char *mark, bool *ret_gone)
{
	struct client *c = NULL;
	int r = *mark ? bus_client_by_mark(a->bus, mark, &c) : -EINVAL;

	*ret_gone = r == -ENOENT;
	return r == 0 && (c->uid == proxy_uid(k) || c->uid == 0) ? c : NULL;
}

/*
 * It claims a region that no daemon gave it: it has to let go of it, and nothing else happens. The
 * first one is in the log. NULL, or the complaint: there are so many that they are made up.
 */
static const char *drop_claim(struct proxy *k, uint64_t id, const char *why)
{
	if (++proxy_note(k)->dropped > CLAIM_DROPPED_MAX)
		return "one region after the other that was never given to it";
	if (proxy_note(k)->dropped == 1)
		log_error("keeper %s: it claims region %" PRIu64
			  ", %s: not believed, like others of the kind",
			  proxy_name(k), id, why);
	return app_ask_for_release(k, id) < 0 ? "more than there is memory for" : NULL;
}

static bool is_same(const struct record_region *g, const struct keeper_region *info)
{
	return g->offset == info->offset && g->length == info->length &&
	       g->access == info->access && g->device == info->device && g->inode == info->inode &&
	       g->detached == info->detached;
}

/* Earlier daemons did not record it, and later ones may know more modes. */
static uint8_t warm_mode_of(const struct record_terms *t, uint8_t otherwise)
{
	return t->warm && t->warm <= _WARM_MODE_MAX ? (uint8_t)(t->warm - 1) : otherwise;
}

/* Else a change was under way when the daemon ended, or the keeper lies. */
static bool has_terms(const struct keeper_region *info, const struct record_terms *t)
{
	return t->policy == info->policy && t->grace_usec == info->grace_usec &&
	       t->gated == info->gated && warm_mode_of(t, info->warm_mode) == info->warm_mode;
}

static int enter(struct app *a, struct proxy *k, const struct record_region *g,
		 const struct keeper_region *info, struct client *owner, struct region **ret_region,
		 struct region_entry **ret)
{
	const struct filesystem on = { g->device, { g->uuid[0], g->uuid[1] } };
	struct region *r;
	int error = registry_add_region(a->registry, proxy_note(k)->tenant,
					owner && !g->detached ? owner->number : 0, g->length, g->id,
					&r);

	if (error)
		return error;
	error = app_add_entry(a, r, k, owner, ret);
	if (error == 0)
		error = region_table_set_file(a->table, *ret, &on, g->inode);
	if (error)
		return error;
	r->offset = g->offset;
	r->grace_usec = g->terms.grace_usec;
	r->policy = g->terms.policy;
	r->access = g->access;
	(*ret)->text.file_uid = g->file_uid;
	(*ret)->text.born_nsec = g->born_nsec;
	(*ret)->text.detached = g->detached;
	(*ret)->text.warm_mode = warm_mode_of(&g->terms, info->warm_mode);
	(*ret)->gate_asked =
		g->terms.gate_asked || (g->terms.gated && g->terms.policy != POLICY_HOLD);
	region_text_set(&(*ret)->text.path, g->path, sizeof(g->path));
	*ret_region = r;
	error = *g->name ? region_table_set_name(a->table, *ret, g->name) : 0;
	app_history_begin(a, r, *ret);
	if (error == 0)
		app_standing_adopted(a, r, *ret, g->name);
	if (error != -EEXIST)
		return error;
	log_error("keeper %s: its record gives two regions the name '%s': region %" PRIu64
		  " has none now",
		  proxy_name(k), g->name, g->id);
	return 0;
}

/* A region whose record is @g. */
static const char *adopt(struct app *a, struct proxy *k, const struct record_region *g,
			 uint32_t slot, const struct keeper_region *info)
{
	struct region_event event = app_event_of_info(REGION_ADOPTED, info);
	const struct filesystem on = { g->device, { g->uuid[0], g->uuid[1] } };
	bool owner_gone;
	struct client *owner = find_owner(a, k, g->owner, &owner_gone);
	struct region_entry *e;
	struct region *r;

	if (enter(a, k, g, info, owner, &r, &e))
		return "more than there is memory for";
	e->slot = slot;
	app_take_texts(e, info);
	if (g->terms.gated) /* until its keeper has given the file */
		region_text_set(&e->no_gate,
				"rdmaregd was restarted and has not marked the file again yet",
				SIZE_MAX);
	app_take_mode(a, r, e, info);
	event.mode = (enum arbitration_mode)r->mode;
	app_step(a, r, &event);
	if (!has_terms(info, &g->terms))
		app_settle_terms(a, r, e);
	if (g->terms.gated)
		app_regate(a, e);
	if (owner)
		app_add_client(a, r, owner);
	app_evict_adopted(a, r, e, &on);
	if (g->detached || owner)
		return NULL;
	if (owner_gone)
		app_want_release(a, r, END_DISCONNECTED, NULL, UINT64_MAX);
	else
		e->orphan = true;
	return NULL;
}

static const char *claimed(struct app *a, struct proxy *k, uint64_t id,
			   const struct keeper_region *info)
{
	struct record_region g;
	uint32_t slot;

	if (!record_claim(proxy_record(k), id, &g, &slot))
		return drop_claim(k, id, "of which there is no record");
	if (is_same(&g, info) && id < registry_next_id(a->registry) &&
	    !registry_find(a->registry, id))
		return adopt(a, k, &g, slot, info);
	record_remove(proxy_record(k), slot);
	return drop_claim(k, id, "which is not what was registered");
}

const char *app_keeper_listed(void *userdata, struct proxy *k, const struct keeper_message *m)
{
	struct app *a = userdata;
	const char *complaint;
	struct region *r;

	if (m->type == KEEPER_REGION)
		return claimed(a, k, m->region, &m->info);
	r = app_region_of(a, k, m->region, &complaint);
	return r ? app_join_peer(a, k, r, &m->peer) : complaint;
}

/* Everybody who holds its regions is known: those in the middle of a revocation can go on. */
void app_keeper_list_done(void *userdata, struct proxy *k)
{
	struct region_entry *e, *next;
	struct app *a = userdata;

	record_end_claims(proxy_record(k));
	for (e = LIST_FIRST(&proxy_note(k)->list); e; e = next) {
		next = LIST_NEXT(e, of_keeper);
		app_step_plain(a, registry_find(a->registry, e->id), REGION_ADOPTION_DONE);
	}
	app_go_on_ending(a, proxy_note(k)->tenant);
}

/* What a keeper that cannot be asked would list, as far as the record knows. */
static void adopt_recorded(struct app *a, struct proxy *k, const struct record_region *g,
			   uint32_t slot)
{
	struct keeper_region info = { .offset = g->offset,
				      .length = g->length,
				      .valid_length = g->length,
				      .grace_usec = g->terms.grace_usec,
				      .device = g->device,
				      .inode = g->inode,
				      .file_uid = g->file_uid,
				      .access = g->access,
				      .policy = g->terms.policy,
				      .gated = g->terms.gated,
				      .warm_mode = warm_mode_of(&g->terms, 0),
				      .detached = g->detached,
				      .state = REGION_LIVE,
				      .faults = UINT64_MAX,
				      .mode = ARBITRATION_NONE,
				      .mode_reason = "its keeper cannot be asked what it has" };
	const char *complaint = NULL;

	if (g->id >= registry_next_id(a->registry) || registry_find(a->registry, g->id))
		record_remove(proxy_record(k), slot);
	else
		complaint = adopt(a, k, g, slot, &info);
	if (complaint)
		log_error("keeper %s: region %" PRIu64 " cannot be shown: %s", proxy_name(k), g->id,
			  complaint);
}

void app_keeper_estranged(void *userdata, struct proxy *k)
{
	struct record_region g;
	struct app *a = userdata;
	struct region_entry *e;
	uint32_t at = 0, slot;

	if (proxy_is_foreign(k) && !app_keeper_opened(a, k)) {
		while (record_claim_next(proxy_record(k), &at, &g, &slot))
			adopt_recorded(a, k, &g, slot);
		proxy_note(k)->from_record = true;
		app_keeper_end_if_unwanted(a, k);
	}
	LIST_FOREACH(e, &proxy_note(k)->list, of_keeper)
		app_look_at_mode(a, registry_find(a->registry, e->id), e);
	app_set_status(a);
}

void app_keepers_adopted(void *userdata, bool all)
{
	struct app *a = userdata;
	const struct timeval grace = timeval_from_usec(a->settings.orphan_grace_sec * USEC_PER_SEC);

	if (!all)
		log_warning(
			"not every keeper answered within adopt_timeout_msec; their regions will appear later");
	app_adopt_dax(a);
	app_find_slices(a);
	app_end_sessions(a);
	app_start_standing(a);
	event_add(a->orphans_end, &grace);
	a->serving = true;
	loop_hold_bus(a->loop, false);
	bus_set_reading(a->bus, true);
	app_set_status(a);
	sd_notify(0, "READY=1");
	log_info("serving, %zu regions adopted", registry_count(a->registry));
}
