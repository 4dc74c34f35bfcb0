// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * invariants.c - what must hold in every world, whatever led there: see world_check_now() in
 * world.h. What must not happen in a step is looked for where it happens (keeper.c, daemon.c); that
 * everything comes to an end is in futures.c.
 */
#include <errno.h>
#include <string.h>

#include "model.h"

static void check_fence(const struct site *s)
{
	const struct guard *g = &s->guard;
	uint8_t believed = g->fenced ? keeper_pages(g->fence_start, g->fence_end) : 0;

	if (!s->mr_alive || s->under_way & (OP_REFRESH | OP_FENCE))
		return;
	world_require(!(believed & ~s->fenced_pages), "believed to be fenced, and is not");
	world_require(!guard_is_open(g) || !s->fenced_pages, "open, but the mapping is fenced");
	world_require(g->fenced || !s->fenced_pages, "fenced without knowing it");
}

static void check_deadline(const struct site *s)
{
	const struct guard *g = &s->guard;

	if (g->state != GUARD_ASKED)
		return;
	world_require(s->timer_at == g->deadline_usec, "the deadline is not what the timer says");
	for (int i = 0; i < DEMANDS; i++)
		world_require(s->part[i].state != PART_OPEN ||
				      g->deadline_usec <= s->part[i].deadline_usec,
			      "a demand has to wait longer than it was promised");
	world_require(!s->close_usec || g->deadline_usec <= s->close_usec,
		      "a release waits longer than whoever is in more of a hurry wants");
	world_require(!g->holding || g->deadline_usec <= (g->break_began_usec
								  ? g->break_began_usec + GRACE_USEC
								  : NOW),
		      "a break has to wait longer than the grace");
}

/* Closed owns nothing. */
static void check_dead(const struct world *w, uint8_t region)
{
	const struct site *s = &w->site[region];

	if (s->guard.state != GUARD_DEAD)
		return;
	world_require(s->torn_down, "dead, and not torn down");
	world_require(!s->timer_at && !s->under_way, "a dead guard waits for something");
	world_require(s->lease == LEASE_NONE && !s->mr_alive,
		      "a dead guard left a lease or a memory region");
	for (uint64_t i = 0; i < DEMANDS; i++)
		world_require(!guard_find_demand(&s->guard, i + 1), "a dead guard keeps a demand");
	for (uint8_t i = 0; i < world_setup->holders; i++)
		world_require(world_setup->holder[i].kind != HOLDER_PEER ||
				      world_setup->holder[i].region != region || !w->user[i].there,
			      "a peer of a region that is gone");
}

/*
 * What the guard has of demands is what the keeper was asked for, and a granted range is out of
 * reach.
 */
static void check_parts(const struct site *s)
{
	for (uint8_t i = 0; i < DEMANDS && s->guard.state < GUARD_DESTROYING; i++) {
		const struct guard_demand *d = guard_find_demand(&s->guard, i + 1u);
		bool wanted = false;

		for (uint8_t j = 0; j < DEMANDS; j++)
			wanted |= s->part[j].place == i + 1u;
		world_require(!d || wanted, "a range is kept that nobody wants");
	}
	for (uint8_t i = 0; i < DEMANDS && s->guard.state < GUARD_DESTROYING; i++) {
		const struct guard_demand *d = guard_find_demand(&s->guard, s->part[i].place);

		world_require((s->part[i].state != NO_PART) == (d != NULL),
			      "a demand is forgotten, or is never over");
		if (d && d->granted)
			world_require(!keeper_reaches(s, keeper_pages(d->start, d->end)),
				      "a granted range can be reached");
	}
}

static void check_waiter(const struct world *w, uint8_t demand)
{
	const struct waiter *q = &w->waiter[demand];
	uint8_t pages =
		keeper_pages(world_setup->demand[demand].start, world_setup->demand[demand].end);

	if (q->stage != AT_WORK)
		return;
	for (uint8_t i = 0; i < world_setup->regions; i++)
		if (q->parts & 1u << i && !(q->limit_passed & 1u << i))
			world_require(!keeper_reaches(&w->site[i], pages),
				      "peers reach blocks that somebody was let through to");
}

static void check_region(const struct world *w, uint8_t region, uint32_t *used)
{
	const struct region *r = &w->site[region].region;
	const struct site *s = &w->site[region];
	uint32_t pending = 0, n = 0;

	world_require(!s->removed || !s->keeper_up || s->torn_down,
		      "the daemon has forgotten a region that its keeper has");
	if (s->removed)
		return;
	for (uint32_t i = r->holders; i; i = registry_holder(&w->registry, i)->next) {
		const struct holder *h = registry_holder(&w->registry, i);

		pending += h->asked && h->asked == r->revocation;
		world_require(!h->asked || r->state == REGION_DRAINING ||
				      r->state == REGION_CLOSING || h->asked == r->revocation,
			      "a holder is waited for by nobody");
		n++;
	}
	*used += n;
	world_require(n == r->peers + r->clients, "holders are miscounted");
	world_require(r->state != REGION_DRAINING || pending == r->pending,
		      "answers are miscounted");
	world_require(r->state != REGION_FENCED || !r->pending,
		      "an answer is waited for behind the fence");
}

/* Nothing that is stale changes a guard. */
static void probe_guard(const struct site *s)
{
	const struct guard *g = &s->guard;
	const struct {
		bool stale;
		struct guard_event e;
	} probes[] = {
		{ !(s->under_way & OP_FENCE), { .type = GUARD_FENCE_DONE } },
		{ !(s->under_way & OP_FENCE), { .type = GUARD_FENCE_DONE, .error = -ENOMEM } },
		{ !(s->under_way & OP_DESTROY), { .type = GUARD_DESTROY_DONE } },
		{ !(s->under_way & OP_RELEASE), { .type = GUARD_RELEASE_DONE } },
		{ !(s->under_way & OP_ARM), { .type = GUARD_ARM_DONE } },
		{ !(s->under_way & OP_ARM), { .type = GUARD_ARM_DONE, .error = -EIO } },
		{ !(s->under_way & OP_REFRESH), { .type = GUARD_REFRESH_DONE, .valid_length = 1 } },
		{ true, { .type = GUARD_CONSENTED, .revocation = g->revocation - 1 } },
		{ true, { .type = GUARD_CONSENTED, .revocation = g->revocation + 1 } },
		{ !guard_pending_revocation(g),
		  { .type = GUARD_CONSENTED, .revocation = g->revocation } },
		{ true, { .type = GUARD_BROKEN, .break_id = g->break_id, .end = PAGES } },
		{ !g->holding, { .type = GUARD_EXPIRED, .break_id = g->break_id, .end = PAGES } },
		{ g->break_id > 0,
		  { .type = GUARD_EXPIRED, .break_id = g->break_id - 1, .end = PAGES } },
		{ g->state == GUARD_DEAD || (g->state == GUARD_ASKED && g->deadline_usec > NOW) ||
			  (!s->timer_at && g->state != GUARD_WAITING && g->state != GUARD_ASKED),
		  { .type = GUARD_TIMER_FIRED } },
		{ true, { .type = GUARD_HURRIED, .break_id = g->break_id + 1 } },
		{ !g->holding, { .type = GUARD_HURRIED, .break_id = g->break_id } },
		{ g->state >= GUARD_DESTROYING,
		  { .type = GUARD_DEMANDED, .demand = 9, .end = PAGES, .grace_usec = 1 } },
		{ g->state == GUARD_DEAD, { .type = GUARD_CLOSE } },
		{ g->state == GUARD_DEAD,
		  { .type = GUARD_BROKEN, .break_id = g->break_id + 1, .end = PAGES } },
	};

	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		struct guard_event e = probes[i].e;
		struct guard_effects out;
		struct guard copy;

		if (!probes[i].stale)
			continue;
		memcpy(&copy, g, sizeof(copy));
		e.now_usec = NOW;
		guard_step(&copy, &e, &out);
		world_require(!out.n && !memcmp(&copy, g, sizeof(copy)),
			      "something stale changed a guard");
	}
}

/* Nor a region. */
static void probe_region(const struct world *w, uint8_t region)
{
	const struct region *r = &w->site[region].region;
	const struct region_event probes[] = {
		{ .type = REGION_HOLDER_ACKED,
		  .kind = HOLDER_PEER,
		  .revocation = r->revocation - 1 },
		{ .type = REGION_HOLDER_ACKED,
		  .kind = HOLDER_PEER,
		  .revocation = r->revocation + 1 },
		{ .type = REGION_HOLDER_LEFT, .kind = HOLDER_PEER, .holder = 77 },
		{ .type = REGION_REVOKED, .revocation = r->revocation },
		{ .type = REGION_WAS_FENCED, .revocation = r->revocation - 1 },
		{ .type = REGION_WAS_FENCED, .revocation = r->revocation + 1 },
		{ .type = REGION_WAS_SETTLED, .revocation = r->revocation - 1 },
		{ .type = REGION_WAS_SETTLED, .revocation = r->revocation + 1 },
		{ .type = REGION_PREFETCH_ENDED },
	};

	if (w->site[region].removed)
		return;
	for (size_t i = 0; i < sizeof(probes) / sizeof(*probes); i++) {
		struct region_event e = probes[i];
		struct region_effects out;
		struct registry pool;
		struct region copy;

		memcpy(&copy, r, sizeof(copy));
		memcpy(&pool, &w->registry, sizeof(pool));
		for (uint64_t holder = 1; holder <= world_setup->holders; holder++) {
			e.holder = probes[i].holder ? probes[i].holder : holder;
			e.kind = probes[i].holder ? HOLDER_PEER
						  : world_setup->holder[holder - 1].kind;
			region_step(&pool, &copy, &e, &out);
			world_require(!out.n && !memcmp(&copy, r, sizeof(copy)) &&
					      !memcmp(&pool, &w->registry, sizeof(pool)),
				      "something stale changed a region");
		}
	}
}

void world_check_now(const struct world *w)
{
	uint32_t used = 0, free = 0;

	for (uint8_t i = 0; i < world_setup->regions; i++) {
		if (w->daemon_up) {
			check_region(w, i, &used);
			probe_region(w, i);
		}
		if (!w->site[i].keeper_up)
			continue;
		check_fence(&w->site[i]);
		check_deadline(&w->site[i]);
		check_dead(w, i);
		check_parts(&w->site[i]);
		probe_guard(&w->site[i]);
	}
	for (uint8_t i = 0; i < world_setup->demands; i++)
		check_waiter(w, i);
	for (uint32_t i = w->registry.free_holder; i; i = w->registry.holders[i - 1].next)
		free++;
	world_require(!w->daemon_up || used + free == HOLDERS, "a holder is lost");
}
