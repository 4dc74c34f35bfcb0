// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * futures.c - that everything comes to an end: what must come true in every history in which what
 * happens by itself does happen.
 *
 * That is what this file takes for granted, and nothing else: the loops of keepers and of the
 * daemon run, so reports, messages and completions (of either outcome) come at last, and timers
 * fire. Each wish says what it counts on besides. Nobody has to be lucky: whatever else can happen
 * may happen in between, as often as the setup's budgets let it.
 *
 * A keeper by itself, with the daemon dead and everybody silent, is followed in every order
 * (world_check_alone()). For the others the explorer follows every order anyway. It finds that no
 * history goes on for ever, so each ends, and it asks here whether the wishes have come true in a
 * world in which nothing happens by itself any more.
 *
 * What always holds: a world that was seen to end well is remembered, so that others which lead
 * there need not go on.
 */
#include <string.h>

#include "model.h"

#define BIT(action) (UINT64_C(1) << (action))

#define KEEPER                                                                        \
	(BIT(REPORT) | BIT(FENCE_OK) | BIT(DESTROYED) | BIT(RELEASED) | BIT(ARM_OK) | \
	 BIT(REFRESHED) | BIT(TIMER))
#define LOOPS (KEEPER | BIT(TO_DAEMON) | BIT(TO_KEEPER) | BIT(RESYNC) | BIT(MADE_ANEW))
/* Takers are done at last; so does the gate let through whoever a keeper refused. */
#define TAKERS (BIT(WAITER_DONE) | BIT(GATE_DEADLINE))
#define HOLDERS_ANSWER (BIT(CLIENT_ACKS) | BIT(PEER_ACKS))

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

static bool released_are_gone(const struct world *w)
{
	for (uint8_t i = 0; i < world_setup->regions; i++) {
		const struct site *s = &w->site[i];

		if (s->keeper_up && s->guard.close_wanted && !s->torn_down)
			return false;
		if (w->daemon_up && !s->removed && s->region.close_wanted)
			return false;
	}
	return true;
}

/* The file cannot shrink any more behind the back of a region that watches it. */
static bool is_at_rest(const struct world *w, const struct site *s)
{
	const struct region *r = &s->region;

	if (s->to_daemon.n || s->to_keeper.n || s->report_pending || s->missed)
		return false;
	if (!s->keeper_up || s->torn_down)
		return s->removed; /* not so while another keeper was asked for it */
	return s->guard.state == GUARD_OPEN && (s->lease == LEASE_ARMED || !s->guard.watched) &&
	       !s->fenced_pages && r->state == REGION_LIVE && !r->revoking && !r->listing &&
	       r->valid_length == s->guard.valid_length &&
	       (!s->guard.watched || s->guard.valid_length == w->file_length);
}

static bool all_at_rest(const struct world *w)
{
	if (!w->daemon_up)
		return false;
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

static bool nobody_is_asked(const struct world *w)
{
	for (uint8_t i = 0; i < world_setup->regions; i++)
		if (w->site[i].keeper_up && w->site[i].guard.state == GUARD_ASKED)
			return false;
	return true;
}

static bool has_time(const struct world *w, struct step s)
{
	return s.action == TIMER && w->site[s.who].guard.state == GUARD_ASKED;
}

/* @steps: what happens sooner or later, but for the timer of a question if @in_time. */
static const struct wish {
	const char *otherwise;
	bool (*done)(const struct world *);
	uint64_t steps;
	bool in_time;
} wishes[] = {
	{ "a demand waits for holders beyond its deadline", nobody_waits, LOOPS, false },
	{ "a region that was released does not end", released_are_gone, LOOPS, false },
	{ "everybody who takes blocks is done, and it does not come to rest", all_at_rest,
	  LOOPS | TAKERS | BIT(DAEMON_STARTS), false },
	{ "everybody has answered, and the deadline is waited for", nobody_is_asked,
	  LOOPS | TAKERS | BIT(DAEMON_STARTS) | HOLDERS_ANSWER, true },
};
enum { WISHES = sizeof(wishes) / sizeof(*wishes) };

uint8_t world_open_wishes(const struct world *w)
{
	uint8_t open = 0;

	for (uint8_t i = 0; i < WISHES; i++)
		open |= (uint8_t)(!wishes[i].done(w) << i);
	return open;
}

/* Whoever waits at the gate is let through by its deadline at last, but no wish may need that. */
static bool is_hoped_for(const struct world *w, struct step s, const struct wish *wish)
{
	if (!(wish->steps & BIT(s.action)) || (wish->in_time && has_time(w, s)))
		return false;
	return s.action != GATE_DEADLINE || w->waiter[s.who].failed;
}

uint8_t world_hopes(const struct world *w, struct step s, uint8_t open)
{
	uint8_t hopes = 0;

	for (uint8_t i = 0; i < WISHES; i++)
		if (open & 1u << i && is_hoped_for(w, s, &wishes[i]))
			hopes |= (uint8_t)(1u << i);
	return hopes;
}

const char *world_disappointed(uint8_t open)
{
	for (uint8_t i = 0; i < WISHES; i++)
		if (open & 1u << i)
			return wishes[i].otherwise;
	return NULL;
}

/* Worlds that end well; while one is followed it is marked. */
#define MEMORY ((size_t)4 << 20)
static struct set known_alone, known[WISHES];

static struct set *in_memory(struct set *s)
{
	if (!s->slots)
		set_init(s, MEMORY);
	if (s->n >= s->n_slots / 2)
		set_clear(s);
	return s;
}

/* Of a keeper that does not end well, the last one first. */
static struct step way[300];
static uint32_t n_way;

static bool note(struct step s)
{
	if (n_way < sizeof(way) / sizeof(*way))
		way[n_way++] = s;
	return false;
}

/* Whatever a keeper does next, and after that. */
static bool ends_alone(const struct world *w)
{
	bool any = false;
	uint64_t slot;

	switch (set_add(&known_alone, world_key(w), &slot)) {
	case SET_THERE:
		return world_require(!set_is_marked(&known_alone, slot),
				     "a keeper by itself goes on for ever");
	case SET_FULL:
		return world_require(false, "a keeper by itself has more to do than is imaginable");
	case SET_NEW:
		break;
	}
	set_mark(&known_alone, slot, true);
	for (uint8_t a = 0; a < _ACTION_MAX; a++)
		for (uint8_t who = 0; KEEPER & BIT(a) && who < world_setup->regions; who++) {
			struct step s = { a, who };
			struct world after = *w;

			if (!world_act(&after, s))
				continue;
			any = true;
			if (world_violation || !ends_alone(&after))
				return note(s);
		}
	set_mark(&known_alone, slot, false);
	return any || world_require(is_settled(w),
				    "a break or a demand is not settled by the keeper alone");
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

bool world_next_alone(uint32_t nth, struct step *ret)
{
	if (nth >= n_way)
		return false;
	*ret = way[n_way - 1 - nth];
	return true;
}

void world_check_alone(const struct world *w)
{
	n_way = 0;
	for (uint8_t i = 0; i < world_setup->regions && !world_violation; i++) {
		struct world copy = *w;

		leave_alone(&copy, i);
		in_memory(&known_alone);
		ends_alone(&copy);
	}
}

static bool do_first(struct world *w, const struct wish *wish)
{
	for (uint8_t a = 0; a < _ACTION_MAX; a++)
		for (uint8_t who = 0; who < world_count((enum action)a); who++) {
			struct step s = { a, who };

			if (is_hoped_for(w, s, wish) && world_act(w, s))
				return true;
		}
	return false;
}

static bool comes_true(struct world *w, const struct wish *wish, struct set *good)
{
	uint64_t path[300], slot;
	size_t n = 0;

	while (!wish->done(w)) {
		if (set_add(good, world_key(w), &slot) == SET_THERE && !set_is_marked(good, slot))
			break;
		if (n == sizeof(path) / sizeof(*path) || !do_first(w, wish) || world_violation)
			return false;
		set_mark(good, slot, true);
		path[n++] = slot;
	}
	while (n)
		set_mark(good, path[--n], false);
	return true;
}

void world_check_future(const struct world *w)
{
	world_check_alone(w);
	for (size_t i = 0; i < WISHES && !world_violation; i++) {
		struct world copy = *w;

		world_require(comes_true(&copy, &wishes[i], in_memory(&known[i])),
			      wishes[i].otherwise);
	}
}

void world_forget_futures(void)
{
	set_clear(&known_alone);
	for (size_t i = 0; i < WISHES; i++)
		set_clear(&known[i]);
}
