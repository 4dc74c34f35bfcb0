// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * holders.c - who uses regions: peers, which write all the time through the adapter, and local
 * clients. Good ones stop when they are asked, and say so soon; slow ones stop and say so late;
 * silent ones go on; liars go on and say anything.
 *
 * What always holds: a good peer that was given time is not cut off by a keeper that was well.
 */
#include <string.h>

#include "sim.h"

/* Question, answer, and each way a step: a good holder needs no more. */
#define IN_TIME (4 * DELAY_MAX)

static struct peer *find(struct sim *s, uint64_t region, uint64_t number)
{
	struct kregion *r = keeper_find(s, region);

	for (int i = 0; r && i < PEERS; i++)
		if (r->peer[i].up && r->peer[i].number == number)
			return &r->peer[i];
	return NULL;
}

static void act(struct sim *s, const struct event *e)
{
	struct kregion *r = keeper_find(s, e->a);
	struct peer *p = find(s, e->a, e->b);
	uint64_t pages;

	if (!p)
		return;
	pages = p->habit == HABIT_LIAR ? r->spec.pages : p->valid_length / PAGE;
	if (pages && (!p->quiet || p->habit == HABIT_LIAR || p->habit == HABIT_SILENT)) {
		if (!adapter_write(s, r, r->spec.first + (uint8_t)sim_below(s, pages))) {
			peer_end(s, r, p, "its access failed");
			return;
		}
	} else if (!s->quiet && sim_chance(s, 1)) {
		peer_end(s, r, p, "it went away");
		return;
	}
	sim_at(s, NULL, s->now + 1 + sim_below(s, s->quiet ? 300 * MSEC : 30 * MSEC), act, e->a,
	       e->b);
}

void peer_begin(struct sim *s, struct kregion *r)
{
	uint64_t running = keeper_revocation(r);
	struct peer *p = NULL;

	for (int i = 0; i < PEERS && !p; i++)
		if (!r->peer[i].up)
			p = &r->peer[i];
	if (!p || !r->held || r->guard.state > GUARD_REFRESHING || r->guard.close_wanted)
		return;
	*p = (struct peer){ .number = ++s->next,
			    .up = true,
			    .cleared = running,
			    .heard = running,
			    .quiet = running != 0,
			    .valid_length = r->guard.valid_length };
	if (sim_chance(s, s->weather.bad_holders))
		p->habit = (enum habit)sim_below(s, _HABIT_MAX);
	sim_note(s, "region %u: peer %u joins, habit %d", (unsigned int)r->id,
		 (unsigned int)p->number, p->habit);
	keeper_tell(s, r, REGION_HOLDER_JOINED, 0, p->number, 0);
	sim_soon(s, NULL, act, r->id, p->number);
}

void peer_end(struct sim *s, struct kregion *r, struct peer *p, const char *why)
{
	if (!p->up)
		return;
	sim_note(s, "region %u: peer %u: %s", (unsigned int)r->id, (unsigned int)p->number, why);
	p->up = false;
	keeper_tell(s, r, REGION_HOLDER_LEFT, 0, p->number, 0);
}

/* An acknowledgement reaches the keeper. */
static void on_ack(struct sim *s, const struct event *e)
{
	struct kregion *r = keeper_find(s, e->a);
	struct peer *p = find(s, e->a, e->b);

	if (!p || !p->asked || p->asked != e->m.demand)
		return;
	p->asked = 0;
	p->cleared = e->m.demand;
	keeper_tell(s, r, REGION_HOLDER_ACKED, e->m.demand, p->number, 0);
}

static void send_ack(struct sim *s, uint64_t region, uint64_t number, uint64_t revocation)
{
	const struct message m = { .demand = revocation };
	struct kregion *r = keeper_find(s, region);

	if (r)
		sim_answer(s, keeper_of(s, r), on_ack, region, number, &m);
}

static void ack_late(struct sim *s, const struct event *e)
{
	send_ack(s, e->a, e->b, e->m.demand);
}

static void hears(struct sim *s, const struct event *e)
{
	struct peer *p = find(s, e->a, e->b);
	uint64_t revocation = e->m.demand;

	if (!p)
		return;
	p->heard = revocation;
	p->quiet = true;
	switch (p->habit) {
	case HABIT_SLOW:
		sim_later(s, NULL, s->now + sim_below(s, SEC), ack_late, e->a, e->b, &e->m);
		break;
	case HABIT_LIAR:
		for (int i = 0; i < 3; i++)
			send_ack(s, e->a, e->b, revocation - 1 + sim_below(s, 3));
		break;
	case HABIT_SILENT:
		break;
	default:
		send_ack(s, e->a, e->b, revocation);
		break;
	}
}

static void resumes(struct sim *s, const struct event *e)
{
	struct peer *p = find(s, e->a, e->b);

	if (!p || p->heard > e->m.demand)
		return;
	p->quiet = false;
	p->valid_length = e->m.end;
}

/* Messages to one peer do not overtake each other. */
static void send(struct sim *s, struct kregion *r, struct peer *p, sim_run run, uint64_t revocation)
{
	const struct message m = { .demand = revocation, .end = r->guard.valid_length };
	uint64_t at = s->now + sim_delay(s);

	p->last_at = at > p->last_at ? at : p->last_at + 1;
	sim_later(s, NULL, p->last_at, run, r->id, p->number, &m);
}

void peers_ask(struct sim *s, struct kregion *r)
{
	uint64_t deadline = r->guard.deadline_usec;

	for (int i = 0; i < PEERS; i++) {
		struct peer *p = &r->peer[i];

		if (!p->up)
			continue;
		p->asked = r->guard.revocation;
		p->asked_at = s->now;
		p->time_left = deadline > s->now ? deadline - s->now : 0;
		send(s, r, p, hears, p->asked);
	}
}

void peers_settled(struct sim *s, struct kregion *r, uint64_t revocation)
{
	for (int i = 0; i < PEERS; i++) {
		if (!r->peer[i].up)
			continue;
		r->peer[i].asked = 0;
		send(s, r, &r->peer[i], resumes, revocation);
	}
}

void peers_cut(struct sim *s, struct kregion *r, uint64_t revocation)
{
	for (int i = 0; i < PEERS; i++) {
		struct peer *p = &r->peer[i];

		if (!p->up || (revocation && p->cleared == revocation))
			continue;
		sim_require(s,
			    !revocation || p->habit != HABIT_GOOD || p->time_left < IN_TIME ||
				    keeper_of(s, r)->trouble >= p->asked_at,
			    "a peer that stops when it is asked was cut off");
		peer_end(s, r, p, "cut off");
	}
}

/* A local client's acknowledgement reaches the daemon. */
static void client_acks(struct sim *s, const struct event *e)
{
	struct entry *entry = daemon_find(s, e->a);

	if (entry)
		daemon_event(s, entry,
			     (struct region_event){ .type = REGION_HOLDER_ACKED,
						    .kind = HOLDER_CLIENT,
						    .holder = e->b,
						    .revocation = e->m.demand });
}

void client_asked(struct sim *s, uint8_t client, uint64_t region, uint64_t revocation)
{
	const struct client *c = &s->client[client];
	struct message m = { .demand = revocation };
	uint64_t at = s->now + sim_delay(s);

	if (c->habit == HABIT_SILENT)
		return;
	if (c->habit == HABIT_SLOW)
		at += sim_below(s, SEC);
	if (c->habit == HABIT_LIAR)
		m.demand += sim_below(s, 3) - 1;
	for (int i = 0; i < 1 + (c->habit == HABIT_LIAR); i++)
		sim_later(s, &s->daemon.process, at + sim_delay(s), client_acks, region, c->number,
			  &m);
}
