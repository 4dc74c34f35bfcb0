// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-info.c - what a keeper says of a region and its peers, taken over: when it registers one,
 * lists one or reports of one.
 */
#include <string.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* A word of a later version says nothing here. */
bool app_take_file(struct region_entry *e, const struct keeper_region *info)
{
	bool known = info->path_state < _PATH_STATE_MAX;
	_cleanup_(freep) char *was = steal_pointer(e->text.path_now);
	uint8_t before = e->text.path_state;

	e->text.path_state = known ? (uint8_t)info->path_state : PATH_UNKNOWN;
	if (e->text.path_state == PATH_MOVED)
		region_text_set(&e->text.path_now, info->path_now, sizeof(info->path_now));
	if (e->text.bypasses != info->bypasses) {
		e->text.bypasses = info->bypasses;
		region_text_set(&e->text.last_bypass, info->bypass, sizeof(info->bypass));
		return true;
	}
	return e->text.path_state != before ||
	       strcmp(was ? was : "", e->text.path_now ? e->text.path_now : "") != 0;
}

void app_take_texts(struct region_entry *e, const struct keeper_region *info)
{
	app_take_file(e, info);
	region_text_set(&e->text.ticket, info->ticket, sizeof(info->ticket));
	region_counters_copy(&e->text.counters, info);
	e->text.translation_bytes = info->translation_bytes;
	e->text.durability = info->durability;
}

struct region_event app_event_of_info(enum region_event_type type, const struct keeper_region *info)
{
	return (struct region_event){
		.type = type,
		.now_usec = now_monotonic_usec(),
		.state = info->state,
		.mode = info->mode,
		.cause = info->revocation_cause,
		.revocation = info->revocation,
		.deadline_usec = info->revocation_deadline_usec,
		.offset = info->revocation_offset,
		.length = info->revocation_length,
		.valid_length = info->valid_length,
		.address = info->address,
		.generation = info->generation,
		.rkey = info->rkey,
	};
}

/*
 * When a peer joined, by the clock that all other times are told by: a keeper tells it in
 * CLOCK_BOOTTIME. So time that the machine was suspended counts in its age. Never 0, which would
 * mean that nobody knows.
 */
static uint64_t joined_monotonic_usec(uint64_t since_boottime_usec)
{
	uint64_t boottime = now_boottime_usec(), monotonic = now_monotonic_usec();
	uint64_t age = boottime > since_boottime_usec ? boottime - since_boottime_usec : 0;

	return age < monotonic ? monotonic - age : 1;
}

static const char *take_peer(struct app *a, struct proxy *k, struct region *r,
			     enum region_event_type type, const struct keeper_peer *peer)
{
	const struct region_event event = { .type = type,
					    .kind = HOLDER_PEER,
					    .holder = peer->peer,
					    .revocation = peer->revocation,
					    .now_usec = joined_monotonic_usec(peer->since_usec) };
	uint32_t before = r->peers;

	/* memory is bounded by what it was started for, not by its word */
	if (proxy_note(k)->peers >= record_keeper(proxy_record(k))->peers)
		return "more peers than any tenant may have";
	if (registry_reserve_holder(a->registry) < 0)
		return "more than there is memory for";
	app_step_of(a, r, &event, (struct of_holder){ .peer = peer });
	if (r->peers != before)
		app_note_peer(region_table_find(a->table, r->id), peer);
	proxy_note(k)->peers += r->peers - before;
	return NULL;
}

const char *app_join_peer(struct app *a, struct proxy *k, struct region *r,
			  const struct keeper_peer *peer)
{
	return take_peer(a, k, r, REGION_HOLDER_JOINED, peer);
}

const char *app_list_peer(struct app *a, struct proxy *k, struct region *r,
			  const struct keeper_peer *peer)
{
	return take_peer(a, k, r, REGION_HOLDER_LISTED, peer);
}

/* The region a keeper speaks of. NULL without a complaint: we do not know it. */
struct region *app_region_of(struct app *a, struct proxy *k, uint64_t id,
			     const char **ret_complaint)
{
	struct region_entry *e = region_table_find(a->table, id);

	/* of the same tenant's: it had it, and another one makes it anew */
	*ret_complaint = e && e->keeper != k &&
					 (proxy_uid(e->keeper) != proxy_uid(k) ||
					  strcmp(proxy_session(e->keeper), proxy_session(k)))
				 ? "something about another tenant's region"
				 : NULL;
	return e && e->keeper == k ? registry_find(a->registry, id) : NULL;
}

void app_step_peer(struct app *a, struct proxy *k, struct region *r, enum region_event_type type,
		   const struct keeper_peer *peer)
{
	const struct region_event event = { .type = type,
					    .kind = HOLDER_PEER,
					    .holder = peer->peer,
					    .revocation = peer->revocation,
					    .now_usec = now_monotonic_usec() };
	uint32_t before = r->peers;

	app_step_of(a, r, &event, (struct of_holder){ .peer = peer });
	if (r->peers != before)
		app_forget_peer(region_table_find(a->table, r->id), peer->peer);
	proxy_note(k)->peers -= before - r->peers;
}

void app_drop_peer(struct app *a, struct proxy *k, struct region *r, uint64_t peer)
{
	app_step_peer(a, k, r, REGION_HOLDER_LEFT, &(struct keeper_peer){ .peer = peer });
}

void app_file_changed(struct app *a, const struct region *r)
{
	struct region_view v;

	app_view(a, r, &v);
	bus_tell_changed(a->bus, &v, BUS_CHANGED_FILE);
}
