// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * futures.c - that everything comes to an end: from a world, what must be possible is done until
 * what was wished for is there.
 *
 * Three wishes: a keeper by itself, with the daemon dead and everybody silent, settles its break
 * and grants its demands; with the daemon alive and everybody still silent, whoever waits at the
 * gate is let through before his deadline; when everybody behaves, all of it comes to rest with
 * every region open.
 *
 * What always holds: a world that was seen to end well is remembered, so that others which lead
 * there need not go on.
 */
#include <stdlib.h>
#include <string.h>

#include "model.h"
#include "set.h"

static const enum action alone[] = {
	REPORT, FENCE_OK, DESTROYED, RELEASED, ARM_OK, REFRESHED, TIMER
};
static const enum action silent[] = { RESYNC,	TO_DAEMON, TO_KEEPER, REPORT,
				      FENCE_OK, MADE_ANEW, DESTROYED, RELEASED,
				      ARM_OK,	REFRESHED, TIMER };
static const enum action together[] = { RESYNC,	   TO_DAEMON, TO_KEEPER,   CLIENT_ACKS, PEER_ACKS,
					REPORT,	   FENCE_OK,  DESTROYED,   RELEASED,	ARM_OK,
					REFRESHED, TIMER,     WAITER_DONE, MADE_ANEW };

struct wish {
	const enum action *list;
	size_t n;
	bool (*done)(const struct world *);
	struct set known;
};

static bool is_settled(const struct world *w)
{
	for (uint8_t i = 0; i < world_setup->regions; i++) {
		const struct site *s = &w->site[i];

		if (!s->keeper_up)
			continue;
		if (s->lease == LEASE_BREAKING)
			return false;
		for (int d = 0; d < DEMANDS; d++)
			if (s->part[d].state == PART_OPEN)
				return false;
	}
	return true;
}

static bool nobody_waits(const struct world *w)
{
	for (uint8_t i = 0; i < world_setup->demands; i++)
		if (w->waiter[i].stage == AT_GATE && !w->waiter[i].failed)
			return false;
	return true;
}

/* The file cannot shrink any more behind the back of a region that watches it. */
static bool is_at_rest(const struct world *w, const struct site *s)
{
	const struct region *r = &s->region;

	if (s->to_daemon.n || s->to_keeper.n || s->report_pending || s->missed || s->anew)
		return false;
	if (!s->keeper_up || s->torn_down)
		return s->removed;
	return s->guard.state == GUARD_OPEN && (s->lease == LEASE_ARMED || !s->guard.watched) &&
	       !s->fenced_pages && r->state == REGION_LIVE && !r->revoking && !r->listing &&
	       r->valid_length == s->guard.valid_length &&
	       (!s->guard.watched || s->guard.valid_length == w->file_length);
}

static bool all_at_rest(const struct world *w)
{
	for (uint8_t i = 0; i < world_setup->regions; i++)
		if (!is_at_rest(w, &w->site[i]))
			return false;
	for (uint8_t i = 0; i < world_setup->demands; i++) {
		const struct waiter *q = &w->waiter[i];

		if (q->known || (q->stage != NOT_YET && q->stage != DONE))
			return false;
	}
	return true;
}

static struct wish wishes[] = {
	{ .list = alone, .n = sizeof(alone) / sizeof(*alone), .done = is_settled },
	{ .list = silent, .n = sizeof(silent) / sizeof(*silent), .done = nobody_waits },
	{ .list = together, .n = sizeof(together) / sizeof(*together), .done = all_at_rest },
};

static bool do_first(struct world *w, const struct wish *wish)
{
	for (size_t i = 0; i < wish->n; i++)
		for (uint8_t who = 0; who < world_count(wish->list[i]); who++)
			if (world_act(w, (struct step){ .action = (uint8_t)wish->list[i],
							.who = who }))
				return true;
	/* a demand that a keeper did not take is let through by the gate */
	for (uint8_t who = 0; wish->list == together && who < world_setup->demands; who++)
		if (w->waiter[who].failed &&
		    world_act(w, (struct step){ .action = GATE_DEADLINE, .who = who }))
			return true;
	return false;
}

static bool comes_true(struct world *w, struct wish *wish)
{
	struct key path[300];
	size_t n = 0;

	while (!wish->done(w)) {
		struct key k = world_key(w);

		if (set_has(&wish->known, k))
			break;
		if (n == sizeof(path) / sizeof(*path))
			return false;
		path[n++] = k;
		if (!do_first(w, wish) || world_violation)
			return false;
	}
	while (n)
		set_add(&wish->known, path[--n]);
	return true;
}

/* One keeper, and nobody else. */
static void leave_alone(struct world *w, uint8_t region)
{
	struct site s = w->site[region];

	memset(w->site, 0, sizeof(w->site));
	memset(w->waiter, 0, sizeof(w->waiter));
	w->daemon_up = false;
	w->mishaps_left = 0;
	w->replaces_left = 0;
	w->breaks_left = w->releases_left = w->leaves_left = w->truncates_left = w->misses_left = 0;
	memset(&s.to_daemon, 0, sizeof(s.to_daemon));
	memset(&s.to_keeper, 0, sizeof(s.to_keeper));
	memset(&s.region, 0, sizeof(s.region));
	for (uint8_t i = 0; i < HOLDERS; i++)
		if (world_setup->holder[i].kind == HOLDER_CLIENT ||
		    world_setup->holder[i].region != region)
			w->user[i] = (struct user){ .there = false };
	w->site[region] = s;
}

void world_check_future(const struct world *w)
{
	struct world copy;

	for (uint8_t i = 0; i < world_setup->regions; i++) {
		memcpy(&copy, w, sizeof(copy));
		leave_alone(&copy, i);
		world_require(comes_true(&copy, &wishes[0]),
			      "a break or a demand is not settled by the keeper alone");
	}
	if (!w->daemon_up)
		return;
	memcpy(&copy, w, sizeof(copy));
	world_require(comes_true(&copy, &wishes[1]),
		      "a demand waits for holders beyond its deadline");
	memcpy(&copy, w, sizeof(copy));
	world_require(comes_true(&copy, &wishes[2]),
		      "everybody behaves and it does not come to rest");
}

void world_forget_futures(void)
{
	for (size_t i = 0; i < sizeof(wishes) / sizeof(*wishes); i++)
		set_clear(&wishes[i].known);
}
