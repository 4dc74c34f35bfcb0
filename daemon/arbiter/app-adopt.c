// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-adopt.c - what keepers held before this daemon began. A region is taken over with its number, its
 * state and, if the runtime directory still knows it, its owner; limits are not applied to what lives already.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#include "arbiter/app-internal.h"
#include "util/clock.h"
#include "util/log.h"

#define CLAIM_REGIONS_MAX 65536 /* as CLAIM_PEERS_MAX */
#define CLAIM_DROPPED_MAX 64	/* each costs a request */

const char *app_keeper_opened(void *userdata, struct keeper *k)
{
	const struct registry_limits any = { UINT32_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX };
	struct registry_limits limits;
	struct app *a = userdata;
	int r;

	if (keeper_note(k)->has_tenant)
		return NULL;
	/* what lives already is not refused, whatever the limits are by now */
	limits = *registry_limits(a->registry);
	registry_set_limits(a->registry, &any);
	r = registry_get_tenant(a->registry, keeper_uid(k), keeper_session(k), &keeper_note(k)->tenant);
	registry_set_limits(a->registry, &limits);
	keeper_note(k)->has_tenant = r == 0;
	return r == 0 ? NULL : "more than there is memory for";
}

/*
 * Who owned this region of an earlier daemon. NULL, or the complaint: the number was given to another tenant.
 * @ret_owner: NULL if that is not known, or is known to be gone (@ret_gone).
 */
static const char *find_owner(struct app *a, struct keeper *k, uint64_t id, struct client **ret_owner,
			      bool *ret_gone)
{
	size_t n = strlen(keeper_name(k));
	char mark[RUNTIME_MARK_MAX];
	struct client *c = NULL;
	int r;

	*ret_owner = NULL;
	*ret_gone = false;
	if (runtime_get_owner(&a->runtime, id, mark) < 0)
		return NULL;
	if (strncmp(mark, keeper_name(k), n) || mark[n] != ' ')
		return "a region of another tenant";
	r = bus_client_by_mark(a->bus, mark + n + 1, &c);
	*ret_gone = r == -ENOENT;
	if (r == 0 && (c->uid == keeper_uid(k) || c->uid == 0))
		*ret_owner = c;
	return NULL;
}

/*
 * It claims a region that no daemon gave it: it has to let go of it, and nothing else happens. The first one is
 * in the log. NULL, or the complaint: there are so many that they are made up.
 */
static const char *drop_claim(struct keeper *k, uint64_t id, const char *why)
{
	const struct keeper_message m = { .type = KEEPER_RELEASE, .region = id };

	if (++keeper_note(k)->dropped > CLAIM_DROPPED_MAX)
		return "one region after the other that was never given to it";
	if (keeper_note(k)->dropped == 1)
		log_error("keeper %s: it claims region %" PRIu64
			  ", %s: not believed, like others of the kind",
			  keeper_name(k), id, why);
	return keeper_request(k, &m, -1, 0, NULL) < 0 ? "more than there is memory for" : NULL;
}

static const char *adopt(struct app *a, struct keeper *k, uint64_t id, const struct keeper_region *info)
{
	struct region_event event = app_event_of_info(REGION_ADOPTED, info);
	const char *complaint;
	struct region_entry *e;
	struct client *owner;
	struct region *r;
	bool owner_gone;
	int error;

	if (keeper_note(k)->regions >= CLAIM_REGIONS_MAX)
		return "more regions than any tenant may have";
	if (id >= registry_next_id(a->registry))
		return drop_claim(k, id, "a number that was never given");
	complaint = find_owner(a, k, id, &owner, &owner_gone);
	if (complaint)
		return complaint;
	error = registry_add_region(a->registry, keeper_note(k)->tenant,
				    owner && !info->detached ? owner->number : 0, info->length, id, &r);
	if (error == REGISTRY_E_EXISTS)
		return drop_claim(k, id, "which is another keeper's");
	if (error == 0)
		error = app_add_entry(a, r, k, owner, &e);
	if (error == 0)
		error = region_table_set_file(a->table, e, info->device, info->inode);
	if (error)
		return "more than there is memory for";
	r->offset = info->offset;
	r->grace_usec = info->grace_usec;
	r->policy = info->policy;
	r->access = info->access;
	app_take_texts(e, info);
	e->text.file_uid = info->file_uid;
	if (info->gated) /* until its keeper has given the file */
		region_text_set(&e->no_gate, "the daemon was started anew just now", SIZE_MAX);
	app_take_mode(r, e, info->mode, info->mode_reason, sizeof(info->mode_reason));
	event.mode = (enum arbitration_mode)r->mode;
	app_step(a, r, &event);
	if (info->gated && app_ask_for_file(e, NULL) < 0)
		log_error("region %" PRIu64 ": its keeper cannot be asked for the file", id);
	if (owner)
		app_add_holder(a, r, HOLDER_CLIENT, owner->number);
	if (info->detached || owner)
		return NULL;
	if (owner_gone)
		app_want_release(a, r, CAUSE_RELEASE);
	else
		e->orphan = true;
	return NULL;
}

const char *app_keeper_listed(void *userdata, struct keeper *k, const struct keeper_message *m)
{
	struct app *a = userdata;
	const char *complaint;
	struct region *r;

	if (m->type == KEEPER_REGION)
		return adopt(a, k, m->region, &m->info);
	r = app_region_of(a, k, m->region, &complaint);
	return r ? app_join_peer(a, k, r, &m->peer) : complaint;
}

/* Everybody who holds its regions is known: those in the middle of a revocation can go on. */
void app_keeper_list_done(void *userdata, struct keeper *k)
{
	struct region_entry *e, *next;
	struct app *a = userdata;

	for (e = LIST_FIRST(&keeper_note(k)->list); e; e = next) {
		next = LIST_NEXT(e, of_keeper);
		app_step_plain(a, registry_find(a->registry, e->id), REGION_ADOPTION_DONE);
	}
}

static int is_known(void *userdata, uint64_t id)
{
	struct app *a = userdata;

	return registry_find(a->registry, id) != NULL;
}

void app_keepers_adopted(void *userdata, bool all)
{
	struct app *a = userdata;
	const struct timeval grace = timeval_from_usec(a->settings.orphan_grace_sec * USEC_PER_SEC);

	if (all)
		runtime_sweep_owners(&a->runtime, is_known, a);
	else
		log_warning(
			"not every keeper answered within adopt_timeout_msec; their regions will appear later");
	app_adopt_dax(a);
	event_add(a->orphans_end, &grace);
	a->serving = true;
	loop_hold_bus(a->loop, false);
	app_set_status(a);
	sd_notify(0, "READY=1");
	log_info("serving, %zu regions adopted", registry_count(a->registry));
}
