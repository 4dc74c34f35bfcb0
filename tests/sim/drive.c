// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * drive.c - one world: ten seconds in which everything may happen at any time, ten in which nothing
 * new begins and all has to come to rest, and five in which everybody lets go and nothing may be
 * left.
 *
 * How rough it gets is part of the seed, so that there are worlds without any crash, in which no
 * deadline may be missed.
 */
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define STORM (10 * SEC)
#define REST (20 * SEC)
#define END (25 * SEC)

static struct entry *any_entry(struct sim *s)
{
	struct entry *e = &s->daemon.entry[sim_below(s, ENTRIES)];

	return s->daemon.process.up && e->id ? e : NULL;
}

static void start_daemon(struct sim *s, const struct event *e)
{
	(void)e;
	daemon_start(s);
}

static void trouble(struct sim *s)
{
	uint8_t tenant = (uint8_t)sim_below(s, TENANTS);
	uint64_t long_time = (1 + sim_below(s, 1500)) * MSEC;

	if (sim_chance(s, s->weather.stalls))
		sim_stall(s, sim_chance(s, 30) ? &s->daemon.process : &s->keeper[tenant],
			  long_time);
	if (sim_chance(s, s->weather.misses))
		keeper_miss(s, tenant);
	if (!sim_chance(s, s->weather.crashes))
		return;
	if (sim_chance(s, 50)) {
		daemon_crash(s);
		sim_at(s, NULL, s->now + long_time, start_daemon, 0, 0);
	} else if (s->keeper[tenant].up) {
		keeper_crash(s, tenant);
	}
}

static void about_clients(struct sim *s)
{
	uint8_t c = (uint8_t)sim_below(s, CLIENTS);
	struct entry *e = any_entry(s);

	if (!s->client[c].number) {
		s->client[c].number = ++s->next;
		s->client[c].habit = sim_chance(s, s->weather.bad_holders)
					     ? (enum habit)sim_below(s, _HABIT_MAX)
					     : 0;
	} else if (sim_chance(s, 5)) {
		daemon_client_left(s, c);
	} else if (e) {
		daemon_event(s, e,
			     (struct region_event){ .type = REGION_HOLDER_JOINED,
						    .kind = HOLDER_CLIENT,
						    .holder = s->client[c].number });
	}
}

static void about_regions(struct sim *s)
{
	struct entry *e = any_entry(s);

	if (s->daemon.process.up && sim_chance(s, 40))
		daemon_register(s);
	else if (e && sim_chance(s, 15))
		daemon_release(s, e, sim_chance(s, 50) ? CAUSE_RELEASE : CAUSE_UNMOUNT,
			       sim_chance(s, 50) ? 0 : sim_below(s, 600) * MSEC);
	else if (e && sim_chance(s, 20))
		daemon_sync(s, e);
	/* several at a time on one region are what is interesting */
	e = any_entry(s);
	for (uint64_t n = sim_below(s, 4); e && n; n--)
		daemon_revoke(s, e);
}

static void happen(struct sim *s, const struct event *e)
{
	uint64_t what = sim_below(s, 100);

	if (s->now >= STORM)
		return;
	if (what < 25)
		fs_begin(s);
	else if (what < 50)
		peer_begin(s, &s->region[sim_below(s, REGIONS)]);
	else if (what < 65)
		about_clients(s);
	else if (what < 85)
		about_regions(s);
	else
		trouble(s);
	/* sometimes everything at once */
	sim_at(s, NULL, s->now + 1 + sim_below(s, sim_chance(s, 30) ? 2 * MSEC : 100 * MSEC),
	       happen, e->a, e->b);
}

static void let_go(struct sim *s)
{
	for (int i = 0; i < ENTRIES; i++)
		if (s->daemon.entry[i].id)
			daemon_release(s, &s->daemon.entry[i], CAUSE_RELEASE,
				       sim_chance(s, 50) ? 0 : 100 * MSEC);
}

static bool run(struct sim *s, uint64_t until)
{
	while (sim_next(s, until)) {
		check_step(s);
		if (!s->violation && sim_chance(s, 10))
			check_stale(s);
	}
	s->now = until;
	return !s->violation;
}

static void init(struct sim *s, uint64_t seed, bool verbose)
{
	static const char *const names[TENANTS] = { "keeper 0", "keeper 1" };

	memset(s, 0, sizeof(*s));
	s->seed = seed;
	s->verbose = verbose;
	/* splitmix64: seeds next to each other give worlds that have nothing in common */
	for (int i = 0; i < 2; i++) {
		uint64_t z = seed += 0x9e3779b97f4a7c15u;

		z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
		z = (z ^ z >> 27) * 0x94d049bb133111ebu;
		s->rng[i] = z ^ z >> 31;
	}
	if (sim_chance(s, 40))
		s->weather.crashes = (uint32_t)sim_below(s, 40);
	if (sim_chance(s, 40))
		s->weather.stalls = (uint32_t)sim_below(s, 60);
	if (sim_chance(s, 60))
		s->weather.misses = (uint32_t)sim_below(s, 80);
	if (sim_chance(s, 50))
		s->weather.failures = (uint32_t)sim_below(s, 80);
	if (sim_chance(s, 70))
		s->weather.bad_holders = (uint32_t)sim_below(s, 100);
	s->daemon.process.name = "the daemon";
	for (int i = 0; i < TENANTS; i++) {
		s->keeper[i].name = names[i];
		s->keeper[i].up = true;
	}
	fs_init(s);
	daemon_start(s);
	sim_at(s, NULL, 1, happen, 0, 0);
}

bool sim_drive(struct sim *s, uint64_t seed, bool verbose)
{
	bool ok;

	init(s, seed, verbose);
	ok = run(s, STORM);
	s->quiet = true;
	ok = ok && run(s, REST);
	if (ok) {
		check_quiet(s);
		let_go(s);
	}
	ok = ok && run(s, END);
	if (ok && !s->violation)
		check_empty(s);
	registry_free(s->daemon.registry);
	free(s->heap);
	return !s->violation;
}
