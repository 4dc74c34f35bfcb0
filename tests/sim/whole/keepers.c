// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keepers.c - the keepers of a world: how they begin and end, what they know, and what happens to
 * them from the side that is not the daemon's.
 *
 * What always holds: a keeper is made of the command line that the daemon wrote, by the keeper's
 * own reading of it.
 */
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "tests/fakes/endpoint.h"
#include "tests/fakes/hca.h"
#include "tests/fakes/watch.h"
#include "whole.h"

#define PAGE 4096u
#define PAGES_MAX 8
#define ARGUMENTS_MAX 128

/* One that is yet to execute its program. */
struct birth {
	struct process *process;
	int socket;
	char *argv[ARGUMENTS_MAX + 1];
	int argc;
	struct keeper_options options;
};

static void execute(uint64_t a, uint64_t b)
{
	struct birth *c = (struct birth *)(uintptr_t)a;
	struct process *p = c->process;

	(void)b;
	if (!p->alive)
		return;
	os_current = p;
	os_trace("executes");
	p->base = event_base_new();
	os_require(p->base && options_parse(&c->options, c->argc, c->argv) == 0,
		   "a keeper's command line is not understood");
	p->liar = lies_are_of(c->options.tenant_uid);
	versions_choose(p);
	os_require(keeper_new(&p->keeper, p->base, c->socket, &c->options) == 0,
		   "a keeper does not start");
	os_current = NULL;
}

void keeper_begin(struct process *p, int socket, const char *const *argv, uint64_t after_usec)
{
	struct birth *b = calloc(1, sizeof(*b));

	if (!b)
		abort();
	b->process = p;
	b->socket = socket;
	while (argv[b->argc] && b->argc < ARGUMENTS_MAX) {
		b->argv[b->argc] = strdup(argv[b->argc]);
		b->argc++;
	}
	world_at(after_usec, execute, (uintptr_t)b, 0);
}

void keeper_kill(struct process *p)
{
	p->killed = p->untidy = true;
	os_kill(p);
}

void keeper_told_to_end(struct process *p)
{
	keeper_stop(p->keeper);
}

void keeper_leaves(struct process *p)
{
	bool stuck = keeper_is_stuck(p->keeper); /* it would wait for its threads */

	os_trace("leaves, with %" PRIu32 " regions", p->keeper->n_regions);
	session_flush(p->keeper->session);
	p->untidy = stuck || !LIST_EMPTY(&p->keeper->closings);
	if (!stuck) {
		keeper_free(p->keeper);
		event_base_free(p->base);
	}
	os_kill(p);
}

/* --- what they know */

static uint32_t count_peers(const struct keeper *k, uint64_t region)
{
	uint32_t n = 0;

	for (const struct endpoint_peer *p = k->endpoint ? endpoint_next(k->endpoint, NULL) : NULL;
	     p; p = endpoint_next(k->endpoint, p))
		n += p->up && p->region == region;
	return n;
}

bool keeper_facts(const struct process *p, uint64_t id, struct facts *ret)
{
	const struct kregion *r = id ? keeper_find(p->keeper, id) : NULL;

	for (const struct kregion *q = keeper_next(p->keeper, NULL); !id && q;
	     q = keeper_next(p->keeper, q))
		if (q->id > ret->id && (!r || q->id < r->id))
			r = q;
	if (!r)
		return false;
	*ret = (struct facts){
		.id = r->id,
		.settled = r->phase == KREGION_HELD && r->guard.state == GUARD_OPEN,
		.valid_length = r->guard.valid_length,
		.grace_usec = r->guard.grace_usec,
		.writebacks = r->counters.writebacks,
		.policy = (uint32_t)r->guard.policy,
		.warm_mode = (uint32_t)r->warming.engine.blocks.mode,
		.peers = count_peers(p->keeper, r->id),
		.keeper = p->pid,
	};
	return true;
}

uint32_t keeper_count(const struct process *p)
{
	return p->keeper->n_regions;
}

uint64_t keeper_has(const struct process *p)
{
	for (const struct kregion *r = keeper_next(p->keeper, NULL); r;
	     r = keeper_next(p->keeper, r))
		if (r->announced && r->phase != KREGION_ENDING)
			return r->id;
	return 0;
}

int keeper_memory_regions(void)
{
	return hca_fake_count();
}

/* --- peers */

/* In a keeper, as its loop would: not while it is stopped. */
static struct keeper *enter(pid_t pid)
{
	struct process *p = process_of(pid);

	if (!p || !p->alive || !p->keeper || os_is_stopped(p))
		return NULL;
	os_current = p;
	p->wake_usec = 0;
	return p->keeper;
}

static void leave(void)
{
	os_current = NULL;
}

static void peer_acknowledges(uint64_t pid, uint64_t region)
{
	struct keeper *k = enter((pid_t)pid);

	if (k && k->endpoint)
		endpoint_fake_acknowledge(k->endpoint, region);
	leave();
}

static void on_message(const struct endpoint_peer *peer, const struct wire_message *m)
{
	if (m->type == WIRE_REVOCATION_ASKED && os_current && os_chance(80))
		world_at(os_random(os_chance(20) ? 900000 : 50000), peer_acknowledges,
			 (uint64_t)os_current->pid, peer->region);
}

/* --- what happens to them */

struct process *pick_keeper(void)
{
	struct process *chosen = NULL;
	uint64_t n = 0;

	for (struct process *p = os_processes; p; p = p->next)
		if (p->alive && p->keeper && os_random(++n) == 0)
			chosen = p;
	return chosen;
}

static struct kregion *pick_region(const struct keeper *k)
{
	struct kregion *chosen = NULL;
	uint64_t n = 0;

	for (struct kregion *r = keeper_next(k, NULL); r; r = keeper_next(k, r))
		if (r->announced && os_random(++n) == 0)
			chosen = r;
	return chosen;
}

static void peer_joins(struct keeper *k, const struct kregion *r)
{
	int refused;

	if (!r->tickets.n || !k->endpoint)
		return;
	endpoint_fake_connect(k->endpoint, r->id, WIRE_RIGHT_READ,
			      r->tickets.item[os_random(r->tickets.n)].token, &refused);
	if (os_chance(90))
		endpoint_fake_establish(k->endpoint, r->id);
}

static void break_layout(struct keeper *k, const struct kregion *r)
{
	bool shorter = os_chance(40);
	uint64_t size = os_random(PAGES_MAX) * PAGE;

	if (watch_fake_break(k->watch, r->id, shorter ? RDMAREG_OP_TRUNCATE : RDMAREG_OP_FALLOCATE,
			     shorter ? (int64_t)size : -1) != 0)
		return;
	check_break(r->id);
	counted[COUNT_BREAKS]++;
	os_trace("somebody breaks the layout of region %" PRIu64, r->id);
}

/* Each of them is an event, and none is a level. */
static void crowd(struct keeper *k, const struct kregion *r)
{
	os_trace("peers come and go");
	for (unsigned int i = 0; i < 700 && r->tickets.n; i++) {
		peer_joins(k, r);
		if (os_chance(90))
			endpoint_fake_leave(k->endpoint, r->id);
	}
}

static void storm(struct keeper *k, bool stormy)
{
	uint64_t n = stormy ? 300 : 20;

	os_trace("writeback");
	while (n--) {
		const struct kregion *r = pick_region(k);

		if (r)
			watch_fake_invalidate(k->watch, r->id,
					      os_chance(50) ? RDMAREG_CAUSE_WRITEBACK
							    : RDMAREG_CAUSE_CLEAR,
					      0, PAGE);
	}
}

void keeper_happens(bool stormy)
{
	struct process *p = pick_keeper();
	struct keeper *k = p ? enter(p->pid) : NULL;
	const struct kregion *r = k ? pick_region(k) : NULL;

	switch (r ? os_random(10) : 10) {
	case 0 ... 3:
		break_layout(k, r);
		break;
	case 4 ... 6:
		peer_joins(k, r);
		break;
	case 7:
		endpoint_fake_leave(k->endpoint, r->id);
		break;
	case 8:
		if (stormy)
			crowd(k, r);
		break;
	case 9:
		storm(k, stormy);
		break;
	default:
		break;
	}
	leave();
}

void keeper_watch(void)
{
	endpoint_fake_on_message = on_message;
	watch_fake_on_given_back = check_given_back;
}
