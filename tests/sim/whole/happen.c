// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * happen.c - what happens in a world: calls, peers, breaks of layouts, writeback, and what goes
 * wrong. Which of it, how often, and how badly follows from the seed; a fourth of the worlds are
 * calm, and nothing may fail there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "whole.h"

#define KNOWN_MAX 2048
#define PAGES_MAX 8

/* A region that was announced, and who may have ended it. */
struct known {
	uint64_t id; /* 0: free */
	uint32_t uid;
	bool detached;
	char owner[16]; /* name of the connection; "": it was gone when this daemon began */
	pid_t keeper;
	pid_t before; /* another one had it before that; 0: none */
	uint32_t generation;
	uint64_t revocation;
	bool release_wanted;
	uint64_t asked; /* the last revocation that its holders were asked */
};

/* Percent of what happens. */
static struct {
	uint32_t stops, cuts, kills, daemons, silence, storms, foreign, administrators;
	uint64_t pause_usec;
} often;

static struct known known[KNOWN_MAX];
static bool over; /* nothing new happens */
static uint32_t names;

static struct known *find(uint64_t id)
{
	for (size_t i = 0; i < KNOWN_MAX; i++)
		if (known[i].id == id)
			return &known[i];
	return NULL;
}

static struct known *pick(uint32_t uid)
{
	struct known *chosen = NULL;
	uint64_t n = 0;

	for (size_t i = 0; i < KNOWN_MAX; i++)
		if (known[i].id && (!uid || known[i].uid == uid) && os_random(++n) == 0)
			chosen = &known[i];
	return chosen;
}

/* --- what the daemon tells */

void happen_added(const struct told *t)
{
	struct known *k = find(t->region);

	k = k ? k : find(0);
	os_require(k, "more regions than this world has room for");
	*k = (struct known){ .id = t->region,
			     .uid = t->uid,
			     .keeper = t->keeper,
			     .generation = t->generation,
			     .release_wanted = k->id && k->release_wanted };
	k->detached = !t->owner;
	snprintf(k->owner, sizeof(k->owner), "%s", t->owner ? t->owner : "");
	administrators_know(t);
	os_trace("region %" PRIu64 " is there, of uid %" PRIu32 " session %s", t->region, t->uid,
		 t->session);
}

/* What others know a region's memory and its revocations by is not used twice. */
void happen_changed(const struct told *t)
{
	struct known *k = find(t->region);

	if (!k)
		return;
	os_require((t->generation >= k->generation && t->revocation >= k->revocation) ||
			   lies_are_of(t->uid),
		   "region %" PRIu64 " goes back to an earlier generation or revocation",
		   t->region);
	k->revocation = t->revocation;
	if (t->moves || t->keeper == k->keeper)
		return;
	os_trace("region %" PRIu64 " has moved", t->region);
	os_require(t->generation > k->generation || lies_are_of(t->uid),
		   "region %" PRIu64 " has moved, and its generation is the same", t->region);
	os_require(administrators_move(t, k->keeper),
		   "region %" PRIu64 " has moved, and nobody wanted that", t->region);
	counted[COUNT_MOVED]++;
	k->generation = t->generation;
	k->before = k->keeper;
	k->keeper = t->keeper;
}

void happen_release_wanted(uint64_t region)
{
	struct known *k = find(region);

	if (k)
		k->release_wanted = true;
}

static bool is_up(const char *name)
{
	for (size_t i = 0; i < CONNECTIONS; i++)
		if (connections[i].up && !strcmp(connections[i].name, name))
			return true;
	return false;
}

/* It could not be made anew where it was to be; whoever had it before has let go of it. */
static bool has_failed_to_move(const struct known *k, const struct told *t)
{
	return t->moves && administrators_move(t, k->keeper) && !world.calm;
}

void happen_removed(const struct told *t, enum why why, const char *text)
{
	struct known *k = find(t->region);
	const struct process *p = process_of(t->keeper);
	bool again = counted[COUNT_DAEMONS] > 1, wanted, right = false;

	os_require(k, "region %" PRIu64 " is gone, and never was there", t->region);
	wanted = k->release_wanted || (again && (administrators_end(t, WHY_EVICTED) ||
						 administrators_end(t, WHY_SESSION) ||
						 administrators_move(t, k->keeper)));
	switch (why) {
	case WHY_RELEASED:
		right = wanted;
		break;
	case WHY_GIVEN_UP:
		/* of a release that an earlier daemon asked for, the next one knows the outcome alone */
		right = (wanted && again) || has_failed_to_move(k, t);
		break;
	case WHY_DISCONNECTED:
		right = !k->detached && !is_up(k->owner);
		break;
	case WHY_LOST:
		right = (p && (p->killed || p->foreign)) || has_failed_to_move(k, t);
		break;
	case WHY_EVICTED:
	case WHY_SESSION:
		right = administrators_end(t, why);
		counted[COUNT_EVICTED] += why == WHY_EVICTED;
		break;
	}
	os_require(right || lies_are_of(t->uid),
		   "region %" PRIu64 " ends (%s), and nobody wanted or did that", t->region, text);
	k->id = 0;
}

/* --- holders answer */

static void ask_later(uint64_t a, uint64_t b)
{
	struct request *q = (struct request *)(uintptr_t)a;

	(void)b;
	bus_ask(q);
	free(q);
}

void happen_later(const struct request *q, uint64_t usec)
{
	struct request *copy = malloc(sizeof(*copy));

	if (!copy)
		abort();
	*copy = *q;
	world_at(usec, ask_later, (uintptr_t)copy, 0);
}

void happen_asked(struct connection *c, uint64_t region, uint64_t revocation)
{
	const struct request q = {
		.kind = CALL_ACKNOWLEDGE, .by = c, .region = region, .number = revocation
	};

	os_trace("%s is asked, region %" PRIu64 " revocation %" PRIu64, c ? c->name : "?", region,
		 revocation);
	if (c && os_chance(80))
		happen_later(&q, os_random(os_chance(20) ? 900000 : 50000));
}

/* --- calls */

static void call(void)
{
	static const enum call_kind kinds[] = {
		CALL_REGISTER, CALL_REGISTER, CALL_REGISTER, CALL_EXPORT, CALL_EXPORT,
		CALL_EXPORT,   CALL_RELEASE,  CALL_RELEASE,  CALL_REVOKE, CALL_CONFIGURE,
		CALL_SYNC,     CALL_PREFETCH, CALL_JOIN,     CALL_LEAVE,
	};
	struct connection *c = &connections[os_random(CONNECTIONS)];
	struct request q = { .by = c,
			     .kind = kinds[os_random(sizeof(kinds) / sizeof(*kinds))],
			     .number = 1 + os_random(PAGES_MAX),
			     .how = (uint32_t)os_random(UINT32_MAX) };
	const struct known *k = pick(c->uid);

	if (!c->up || (!k && q.kind != CALL_REGISTER))
		return;
	q.region = q.kind == CALL_REGISTER ? 0 : k->id;
	bus_ask(&q);
}

static void administrate(void)
{
	static const enum call_kind kinds[] = {
		CALL_REPLACE,	    CALL_REPLACE,	 CALL_REPLACE,
		CALL_EVICT,	    CALL_CREATE_SESSION, CALL_CREATE_SESSION,
		CALL_LIMIT_SESSION, CALL_DRAIN_SESSION,	 CALL_RELEASE_SESSION,
	};
	struct request q = { .by = &connections[0],
			     .kind = kinds[os_random(sizeof(kinds) / sizeof(*kinds))],
			     .number = os_random(SESSIONS),
			     .how = (uint32_t)os_random(UINT32_MAX) };
	const struct known *k = pick(0);

	q.region = k ? k->id : 0;
	bus_ask(&q);
}

static void connect_to_bus(struct connection *c)
{
	snprintf(c->name, sizeof(c->name), ":1.%" PRIu32, ++names);
	c->pid = 100 + names;
	c->up = true;
	c->client = NULL;
}

static void come_or_go(void)
{
	struct connection *c = &connections[1 + os_random(CONNECTIONS - 1)];

	if (!c->up)
		connect_to_bus(c);
	else if (os_chance(20))
		connection_end(c);
}

/* --- what goes wrong */

static void go_wrong(void)
{
	struct process *k = pick_keeper();

	if (os_chance(often.stops) && (k || the_daemon)) {
		counted[COUNT_STOPS]++;
		os_stop(k && (!the_daemon || os_chance(50)) ? k : the_daemon,
			os_random(os_chance(30) ? 4 * USEC_PER_SEC : 300 * USEC_PER_MSEC));
	}
	if (k && os_chance(often.cuts))
		counted[COUNT_CUTS] += os_cut(k);
	if (k && os_chance(often.kills)) {
		counted[COUNT_KILLS]++;
		keeper_kill(k);
	}
	if (os_chance(often.silence)) {
		world.silent_until = os_now + os_random(3 * USEC_PER_SEC);
		os_trace("storage does not answer until %.3f", (double)world.silent_until / 1000);
	}
	if (the_daemon && os_chance(often.daemons)) {
		daemon_end(os_chance(50));
		for (struct process *p = os_processes; p; p = p->next)
			p->foreign |= p->keeper && os_chance(often.foreign);
		world_at(os_random(2 * USEC_PER_SEC), daemon_start, 0, 0);
	}
}

static void next(uint64_t a, uint64_t b)
{
	(void)a, (void)b;
	if (over)
		return;
	if (the_daemon && os_chance(often.administrators))
		administrate();
	else if (the_daemon && os_chance(60))
		call();
	else if (os_chance(70))
		keeper_happens(often.storms);
	else
		come_or_go();
	if (os_chance(20))
		go_wrong();
	world_at(os_random(often.pause_usec), next, 0, 0);
}

void happen_stop(void)
{
	over = true;
	world.failing = false;
	world.slow_usec = 500;
	if (world.silent_until > os_now)
		world.silent_until = os_now;
}

static void end_liars(uint64_t a, uint64_t b)
{
	(void)a, (void)b;
	for (struct process *p = os_processes; p; p = p->next)
		if (p->alive && p->liar)
			keeper_kill(p);
}

/* Everybody leaves, and root releases what has no owner. */
void happen_release_all(void)
{
	for (size_t i = 0; i < KNOWN_MAX; i++) {
		const struct request q = { .kind = CALL_RELEASE,
					   .by = &connections[0],
					   .region = known[i].id };

		if (known[i].id)
			bus_ask(&q);
	}
	administrators_release_all();
	/* who lied may not have let go of anything, and nobody waits for it */
	if (world.lies)
		world_at(END_USEC / 2, end_liars, 0, 0);
}

/* All tenants want a keeper at the same time. */
static void begin_at_once(uint64_t a, uint64_t b)
{
	(void)a, (void)b;
	for (size_t i = 0; i < 2 * CONNECTIONS; i++) {
		const struct request q = { .kind = CALL_REGISTER,
					   .by = &connections[i / 2],
					   .number = 1,
					   .how = i & 1 ? 0x220 : 0x20 };

		bus_ask(&q);
	}
}

void happen_begin(void)
{

	for (size_t i = 0; i < CONNECTIONS; i++) {
		connections[i].uid = i ? 1000 + (uint32_t)(i % 3) : 0;
		connect_to_bus(&connections[i]);
	}
	often.pause_usec = (10 + os_random(150)) * USEC_PER_MSEC;
	world.turn_usec = 1 + os_random(40);
	world.socket_max = 256;
	world.slow_usec = 500;
	world.calm = world.seed % 4 == 0;
	often.administrators = os_chance(50) ? (uint32_t)os_random(20) : 0;
	world.skewed = os_chance(25) ? 50 : 0;
	world.lies = os_chance(30) ? 2 + (uint32_t)os_random(40) : 0;
	if (!world.calm) {
		world.failing = os_chance(50);
		world.socket_max = os_chance(50) ? 2 + (uint32_t)os_random(30) : 256;
		world.slow_usec = os_chance(40) ? 200000 : 500;
		often.stops = os_chance(60) ? (uint32_t)os_random(50) : 0;
		often.cuts = os_chance(40) ? (uint32_t)os_random(50) : 0;
		often.kills = os_chance(20) ? (uint32_t)os_random(10) : 0;
		often.daemons = os_chance(30) ? (uint32_t)os_random(20) : 0;
		often.silence = os_chance(20) ? (uint32_t)os_random(10) : 0;
		often.storms = os_chance(30);
		often.foreign = os_chance(30) ? 20 : 0;
	}
	if (os_chance(30))
		world_at(0, begin_at_once, 0, 0);
	world_at(os_random(100000), next, 0, 0);
}
