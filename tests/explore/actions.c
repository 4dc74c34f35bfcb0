// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * actions.c - what can happen next in a world: see world_act() in world.h. Each action says when it
 * is impossible, then does it.
 */
#include <string.h>

#include "model.h"

const struct setup *world_setup;
const char *world_violation;

const char *const world_action_names[_ACTION_MAX] = {
	[REPORT] = "kernel report",
	[FENCE_OK] = "fenced",
	[DESTROYED] = "destroyed",
	[RELEASED] = "released",
	[ARM_OK] = "armed",
	[REFRESHED] = "refreshed",
	[TO_DAEMON] = "message to daemon",
	[TO_KEEPER] = "message to keeper",
	[CLIENT_ACKS] = "client acks",
	[PEER_ACKS] = "peer acks",
	[WAITER_DONE] = "waiter is done",
	[TIMER] = "timer",
	[BREAK] = "break by a stranger",
	[BREAK_BY_WAITER] = "break by waiter",
	[KERNEL_DEADLINE] = "kernel deadline",
	[MISS] = "events dropped",
	[RESYNC] = "resync",
	[FILE_SHRINKS] = "file shrinks",
	[DEMAND] = "demand",
	[RELEASE] = "release",
	[RELEASE_KINDLY] = "release with a grace",
	[RELEASE_SOON] = "release with a shorter grace",
	[HOLDER_LEAVES] = "holder leaves",
	[FENCE_WIDE] = "all of it fenced",
	[FENCE_FAILS] = "fence fails",
	[ARM_AGAIN] = "arm: again",
	[ARM_FAILS] = "arm fails",
	[REFRESH_FAILS] = "refresh fails",
	[DEMAND_FAILS] = "keeper takes no demand",
	[GATE_DEADLINE] = "gate deadline",
	[WAITER_KILLED] = "waiter killed",
	[BREAKER_KILLED] = "breaker killed",
	[DAEMON_DIES] = "daemon dies",
	[DAEMON_STARTS] = "daemon starts",
	[KEEPER_DIES] = "keeper dies",
	[REPLACE] = "keeper is replaced",
	[MADE_ANEW] = "made anew",
	[NOT_MADE_ANEW] = "not made anew",
};

bool world_require(bool ok, const char *what)
{
	if (!ok && !world_violation)
		world_violation = what;
	return ok;
}

/* Of a region, and 1 at least. */
static uint8_t most_peers(void)
{
	uint8_t n[REGIONS] = { 0 }, most = 1;

	for (uint8_t i = 0; i < world_setup->holders; i++)
		if (world_setup->holder[i].kind == HOLDER_PEER &&
		    ++n[world_setup->holder[i].region] > most)
			most++;
	return most;
}

uint8_t world_count(enum action a)
{
	switch (a) {
	case CLIENT_ACKS:
	case PEER_ACKS:
	case HOLDER_LEAVES:
		return world_setup->holders;
	case WAITER_DONE:
	case BREAK_BY_WAITER:
	case DEMAND:
	case GATE_DEADLINE:
	case WAITER_KILLED:
		return world_setup->demands;
	case BREAK:
	case FILE_SHRINKS:
	case DAEMON_DIES:
	case DAEMON_STARTS:
		return 1;
	case TO_DAEMON:
		return (uint8_t)(world_setup->regions * most_peers());
	default:
		return world_setup->regions;
	}
}

/* One operation on the file breaks every lease there is. */
static bool breaks(struct world *w, uint8_t breaker)
{
	bool any = false;

	if (!w->breaks_left)
		return false;
	for (uint8_t i = 0; i < world_setup->regions; i++) {
		struct site *s = &w->site[i];

		if (s->lease != LEASE_ARMED)
			continue;
		any = true;
		s->lease = LEASE_BREAKING;
		s->break_id++;
		s->breaker = breaker;
		s->broken_usec = NOW;
		s->report_pending = true;
	}
	w->breaks_left -= any;
	return any;
}

static bool client_acks(struct world *w, uint8_t user)
{
	struct user *u = &w->user[user];
	uint64_t asked = u->asked;

	if (world_setup->holder[user].kind != HOLDER_CLIENT || !u->there || !asked || !w->daemon_up)
		return false;
	u->asked = 0;
	daemon_region_event(w, world_setup->holder[user].region,
			    (struct region_event){ .type = REGION_HOLDER_ACKED,
						   .kind = HOLDER_CLIENT,
						   .holder = user + 1u,
						   .revocation = asked });
	return true;
}

static bool peer_acks(struct world *w, uint8_t user)
{
	uint8_t region = world_setup->holder[user].region;
	struct user *u = &w->user[user];

	if (world_setup->holder[user].kind != HOLDER_PEER || !u->there || !u->asked)
		return false;
	if (guard_pending_revocation(&w->site[region].guard) == u->asked)
		u->acked = u->asked;
	keeper_tell(w, region,
		    (struct message){
			    .type = TELL_ACKED, .who = user, .revocation = (uint8_t)u->asked });
	u->asked = 0;
	return true;
}

static bool holder_leaves(struct world *w, uint8_t user)
{
	if (!w->user[user].there || !w->leaves_left)
		return false;
	w->leaves_left--;
	if (world_setup->holder[user].kind == HOLDER_PEER) {
		keeper_lose_peer(w, user);
		return true;
	}
	w->user[user] = (struct user){ .there = false };
	daemon_region_event(w, world_setup->holder[user].region,
			    (struct region_event){ .type = REGION_HOLDER_LEFT,
						   .kind = HOLDER_CLIENT,
						   .holder = user + 1u });
	return true;
}

static bool waiter_done(struct world *w, uint8_t d)
{
	struct waiter *q = &w->waiter[d];

	if (q->stage != AT_WORK && q->stage != LOOSE && q->stage != TURNED_AWAY)
		return false;
	for (uint8_t i = 0; i < world_setup->regions; i++)
		if (w->site[i].lease == LEASE_BREAKING && w->site[i].breaker == d)
			return false; /* he still waits in the filesystem */
	q->stage = DONE;
	daemon_demand_event(w, d, DEMAND_ENDED);
	return true;
}

static bool waiter_gives_up(struct world *w, uint8_t d, bool killed)
{
	struct waiter *q = &w->waiter[d];

	if (q->stage != AT_GATE || (!q->failed && !w->mishaps_left))
		return false;
	w->mishaps_left -= !q->failed; /* else there is nothing left to him */
	q->stage = killed ? DONE : LOOSE;
	daemon_demand_event(w, d, killed ? DEMAND_ENDED : DEMAND_DEADLINE);
	return true;
}

static bool release_wanted(struct world *w, uint8_t region, uint64_t grace_usec)
{
	if (!w->daemon_up || w->site[region].removed || !w->releases_left)
		return false;
	w->releases_left--;
	daemon_region_event(w, region,
			    (struct region_event){ .type = REGION_RELEASE_WANTED,
						   .cause = CAUSE_UNMOUNT,
						   .grace_usec = grace_usec });
	return true;
}

static bool act_on_waiter(struct world *w, enum action a, uint8_t d)
{
	switch (a) {
	case WAITER_DONE:
		return waiter_done(w, d);
	case BREAK_BY_WAITER:
		return (w->waiter[d].stage == AT_WORK || w->waiter[d].stage == LOOSE) &&
		       breaks(w, d);
	case DEMAND:
		if (!w->daemon_up || w->waiter[d].stage != NOT_YET)
			return false;
		daemon_begin_demand(w, d);
		return true;
	case GATE_DEADLINE:
	case WAITER_KILLED:
		return waiter_gives_up(w, d, a == WAITER_KILLED);
	default:
		return false;
	}
}

/* As app-replace.c does it: not for somebody who releases the region, so the core does not know yet. */
static bool replace(struct world *w, uint8_t region)
{
	struct site *s = &w->site[region];

	if (!w->daemon_up || s->removed || !w->replaces_left || s->replacing ||
	    s->region.close_wanted || s->region.state == REGION_REGISTERING)
		return false;
	w->replaces_left--;
	s->replacing = true;
	queue_push(&s->to_keeper, (struct message){ .type = s->region.holders ? ASK_RELEASE_KINDLY
									      : ASK_RELEASE });
	return true;
}

static bool message_arrives(struct world *w, uint8_t region, uint8_t nth)
{
	struct queue *q = &w->site[region].to_daemon;

	if (!w->daemon_up || nth >= queue_choices(q))
		return false;
	daemon_take(w, region, queue_pop(q, nth));
	return true;
}

static bool act_on_daemon(struct world *w, enum action a, uint8_t region)
{
	struct site *s = &w->site[region];

	switch (a) {
	case RELEASE_SOON:
		if (world_setup->releases < 2)
			return false; /* alone it is like any other with a grace */
		return release_wanted(w, region, SOON_USEC);
	case RELEASE:
	case RELEASE_KINDLY:
		return release_wanted(w, region, a == RELEASE ? 0 : GRACE_USEC);
	case REPLACE:
		return replace(w, region);
	case MADE_ANEW:
	case NOT_MADE_ANEW:
		if (!s->anew || s->removed || (a == NOT_MADE_ANEW && !w->mishaps_left))
			return false;
		w->mishaps_left -= a == NOT_MADE_ANEW;
		daemon_made_anew(w, region, a == MADE_ANEW);
		return true;
	case DAEMON_DIES:
		if (!w->daemon_up || !w->mishaps_left)
			return false;
		w->mishaps_left--;
		daemon_dies(w);
		return true;
	case DAEMON_STARTS:
		if (w->daemon_up)
			return false;
		daemon_starts(w);
		return true;
	default:
		return false;
	}
}

static bool file_shrinks(struct world *w)
{
	bool may = false;

	for (uint8_t i = 0; i < world_setup->regions; i++) {
		if (w->site[i].lease == LEASE_ARMED || w->site[i].lease == LEASE_BREAKING)
			return false;
		may = may || w->site[i].lease != LEASE_NONE;
	}
	if (!may || !w->truncates_left)
		return false;
	w->truncates_left--;
	w->file_length = 1;
	return true;
}

static bool act(struct world *w, enum action a, uint8_t who)
{
	switch (a) {
	case BREAK:
		return breaks(w, STRANGER);
	case FILE_SHRINKS:
		return file_shrinks(w);
	case CLIENT_ACKS:
		return client_acks(w, who);
	case PEER_ACKS:
		return peer_acks(w, who);
	case HOLDER_LEAVES:
		return holder_leaves(w, who);
	case TO_DAEMON:
		return message_arrives(w, who % world_setup->regions, who / world_setup->regions);
	default:
		return act_on_waiter(w, a, who) || act_on_daemon(w, a, who) ||
		       keeper_act(w, a, who);
	}
}

static bool is_behind(const struct queue *q)
{
	return q->n >= world_setup->lag;
}

bool world_may_happen(const struct world *w, struct step s)
{
	bool any = false;

	for (uint8_t i = 0; i < world_setup->regions; i++) {
		const struct site *site = &w->site[i];
		bool daemon = w->daemon_up && is_behind(&site->to_daemon);
		bool keeper = site->keeper_up && is_behind(&site->to_keeper);

		if ((daemon && s.action == TO_DAEMON && s.who % world_setup->regions == i) ||
		    (keeper && (s.action == TO_KEEPER || s.action == DEMAND_FAILS) && s.who == i))
			return true;
		any = any || daemon || keeper;
	}
	return !any || s.action == DAEMON_DIES || s.action == KEEPER_DIES;
}

bool world_act(struct world *w, struct step s)
{
	static const enum action at_once[] = { REPORT, FENCE_OK, RELEASED, ARM_OK, REFRESHED };
	const uint8_t n = sizeof(at_once) / sizeof(*at_once);

	if (!act(w, (enum action)s.action, s.who))
		return false;
	for (uint8_t i = 0; world_setup->at_once && i < n * world_setup->regions; i++)
		if (keeper_act(w, at_once[i % n], i / n))
			i = UINT8_MAX; /* from the beginning */
	return true;
}

void world_init(struct world *w, const struct setup *setup)
{
	memset(w, 0, sizeof(*w));
	world_setup = setup;
	world_find_symmetries();
	w->daemon_up = true;
	w->file_length = PAGES;
	daemon_forget(w);
	for (uint8_t i = 0; i < setup->regions; i++) {
		keeper_begin(w, i, 0);
		daemon_region_event(
			w, i,
			(struct region_event){ .type = REGION_REGISTERED, .valid_length = PAGES });
	}
	for (uint8_t i = 0; i < setup->holders; i++) {
		w->user[i].there = true;
		daemon_join(w, i, 0);
	}
	w->breaks_left = setup->breaks;
	w->truncates_left = setup->truncates;
	w->releases_left = setup->releases;
	w->leaves_left = setup->leaves;
	w->misses_left = setup->misses;
	w->replaces_left = setup->replaces;
	w->mishaps_left = setup->mishaps;
}
