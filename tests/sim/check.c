// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check.c - what must hold of the whole: after each step, when nothing happens any more, and when
 * everybody has let go. And what must happen to events that are stale: nothing.
 */
#include <errno.h>
#include <string.h>

#include "core/guard-demands.h"

#include "sim.h"

/*
 * What the keeper gets an answer for from outside: a demand that is granted, and ends when somebody
 * says so.
 */
static bool demands_wait(const struct guard *g)
{
	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++)
		if (g->demand[i].id && g->demand[i].granted)
			return true;
	return false;
}

static void check_guard(struct sim *s, const struct kregion *r)
{
	const struct guard *g = &r->guard;
	bool opening = r->working & 1u << GUARD_REFRESH;

	for (uint8_t p = 0; p < r->spec.pages; p++) {
		sim_require(s, !r->fenced[p] || !guard_is_open(g), "a region is open and fenced");
		if (g->fenced && !opening && r->mr && p >= g->fence_start / PAGE &&
		    p < g->fence_end / PAGE)
			sim_require(s, r->fenced[p], "a region believes it is fenced and is not");
	}
	/* nobody comes back to a guard that waits for nothing */
	sim_require(s, g->state == GUARD_OPEN || r->working || r->timer_at || demands_wait(g),
		    "a guard waits for nothing");
	sim_require(s, !r->working || !guard_is_open(g),
		    "a guard that is open has something under way");
}

static void check_entry(struct sim *s, const struct entry *e)
{
	const struct region *r = registry_find(s->daemon.registry, e->id);
	uint32_t asked = 0;

	if (!sim_require(s, r, "the registry lost a region"))
		return;
	for (uint32_t i = 0; i < e->n; i++)
		asked += e->holding[i].asked && e->holding[i].asked == r->revocation;
	sim_require(s, r->peers + r->clients == e->n, "a region miscounts its holders");
	if (r->state == REGION_DRAINING)
		sim_require(s, r->pending == asked,
			    "a region miscounts those who have not answered");
	else
		sim_require(s, !r->pending || r->state == REGION_CLOSING,
			    "a region waits for holders it does not ask");
}

void check_step(struct sim *s)
{
	size_t n = 0;

	for (int i = 0; i < REGIONS; i++)
		if (s->region[i].id && s->region[i].held)
			check_guard(s, &s->region[i]);
	for (int i = 0; i < ENTRIES; i++) {
		if (!s->daemon.process.up || !s->daemon.entry[i].id)
			continue;
		n++;
		check_entry(s, &s->daemon.entry[i]);
	}
	sim_require(s, !s->daemon.process.up || registry_count(s->daemon.registry) == n,
		    "the registry and the daemon disagree");
}

/*
 * After a list the daemon knows what the keeper said that it is, whatever was missed before: it
 * cannot know more, since messages do not overtake each other. @v: what it has just taken in.
 */
void check_listed(struct sim *s, const struct entry *e, const struct region_event *v)
{
	const struct region *r = registry_find(s->daemon.registry, e->id);
	uint32_t listed = 0;

	if (v->type == REGION_LISTED) {
		sim_require(s, r->valid_length == v->valid_length,
			    "a length is wrong after a list");
		sim_require(s, r->state == v->state, "a state is wrong after a list");
		sim_require(s,
			    v->state == REGION_LIVE || v->state == REGION_CLOSING ||
				    (r->revoking && r->revocation == v->revocation),
			    "a revocation is not known after a list");
		sim_require(s, v->state != REGION_LIVE || !r->revoking,
			    "a revocation that is over runs on after a list");
	}
	if (v->type != REGION_LIST_DONE)
		return;
	for (uint32_t i = 0; i < e->n; i++)
		listed += e->holding[i].kind == HOLDER_PEER && e->holding[i].listed;
	sim_require(s, r->peers == listed && !r->listing,
		    "other peers are known after a list than were in it");
}

static void widen(uint64_t *start, uint64_t *end, uint64_t *deadline, uint64_t a, uint64_t b,
		  uint64_t at)
{
	*start = a < *start ? a : *start;
	*end = b > *end ? b : *end;
	*deadline = at < *deadline ? at : *deadline;
}

/*
 * What holders are asked for is what somebody wants, no more and no less, and they have as long as
 * the most urgent of them leaves. @old: before the step that asks.
 */
void check_question(struct sim *s, const struct kregion *r, const struct guard *old)
{
	const struct guard *g = &r->guard;
	uint64_t start = UINT64_MAX, end = 0, deadline = UINT64_MAX, longest, ignored = 0;
	bool served = g->fenced && g->break_start >= g->fence_start && g->break_end <= g->fence_end;

	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++) {
		const struct guard_demand *d = &g->demand[i];

		if (r->crowded && d->id && !d->granted)
			widen(&start, &end, &deadline, d->start, d->end, d->deadline_usec);
	}
	for (size_t i = 0; i < KDEMANDS; i++) {
		const struct guard_demand *d = guard_find_demand(g, r->demand[i].place);

		if (r->demand[i].number && !r->demand[i].granted && !(d && d->granted))
			widen(&start, &end, &deadline, r->demand[i].start, r->demand[i].end,
			      r->demand[i].deadline);
	}
	if (g->close_wanted)
		widen(&start, &end, &deadline, 0, g->length, r->close_deadline);
	longest = deadline;
	if (g->owing || old->owing) /* the grace counts from when the kernel began to wait */
		widen(&start, &end, &deadline, g->break_start, g->break_end,
		      r->break_deadline - MARGIN -
			      (g->holding && g->policy != POLICY_FOLLOW ? 0 : r->spec.grace_usec));
	if (!served)
		longest = deadline;
	/* a deadline that was announced stands, also when whoever was in a hurry has withdrawn */
	if (old->state == GUARD_ASKED && old->deadline_usec < deadline)
		deadline = old->deadline_usec;
	sim_require(s, g->deadline_usec >= deadline, "holders are hurried");
	sim_require(s,
		    g->deadline_usec <= (longest > s->now ? longest : s->now) + EPSILON ||
			    longest == UINT64_MAX ||
			    keeper_of(s, r)->trouble + r->spec.grace_usec + MARGIN >= s->now,
		    "holders have longer than somebody waits");
	if (old->state == GUARD_ASKED || old->state == GUARD_FENCING)
		widen(&start, &end, &ignored, old->ask_start, old->ask_end, 0);
	if (g->fenced)
		widen(&start, &end, &ignored, g->fence_start, g->fence_end, 0);
	sim_require(s, g->ask_start >= start && g->ask_end <= end,
		    "more is asked for than anybody wants");
}

/* An event that belongs to nothing that is under way. */
static bool make_stale(struct sim *s, const struct kregion *r, struct guard_event *e)
{
	static const struct {
		enum guard_event_type type;
		uint32_t states; /* in which it means something */
	} list[] = {
		{ GUARD_FENCE_DONE, 1u << GUARD_FENCING | 1u << GUARD_CLOSING },
		{ GUARD_DESTROY_DONE, 1u << GUARD_DESTROYING },
		{ GUARD_RELEASE_DONE, 1u << GUARD_RELEASING | 1u << GUARD_CLOSING_RELEASE },
		{ GUARD_ARM_DONE, 1u << GUARD_ARMING },
		{ GUARD_REFRESH_DONE, 1u << GUARD_REFRESHING },
		{ GUARD_CONSENTED, 0 },
		{ GUARD_BROKEN, 0 },
		{ GUARD_DEMAND_OVER, 1u << GUARD_WAITING | 1u << GUARD_PUT_OFF },
		{ GUARD_TIMER_FIRED, 1u << GUARD_WAITING | 1u << GUARD_PROBATION },
	};
	const struct guard *g = &r->guard;
	size_t i = sim_below(s, sizeof(list) / sizeof(*list));

	*e = (struct guard_event){ .type = list[i].type,
				   .now_usec = s->now,
				   .error = sim_chance(s, 50) ? -EIO : 0,
				   .revocation =
					   g->revocation + (sim_chance(s, 50) ? 1 : UINT64_MAX),
				   .break_id =
					   g->break_id - (sim_chance(s, 50) && g->break_id ? 1 : 0),
				   .demand = UINT64_MAX,
				   .end = g->length };
	if (e->type == GUARD_TIMER_FIRED && g->state == GUARD_PUT_OFF) /* it looks again */
		return false;
	if (e->type == GUARD_TIMER_FIRED && g->state == GUARD_ASKED &&
	    (s->now >= g->deadline_usec || (demands_next_end(g) && s->now >= demands_next_end(g))))
		return false;
	return !(list[i].states & 1u << g->state);
}

static void stale_to_guard(struct sim *s, struct kregion *r)
{
	struct guard before = r->guard;
	struct guard_effects out;
	struct guard_event e;

	if (!make_stale(s, r, &e))
		return;
	guard_step(&r->guard, &e, &out);
	if (!sim_require(s, !out.n && !memcmp(&before, &r->guard, sizeof(before)),
			 "a stale event changed a guard"))
		sim_note(s, "region %u: event %d in state %d", (unsigned int)r->id, e.type,
			 before.state);
}

static void stale_to_region(struct sim *s, const struct entry *e)
{
	static const enum region_event_type types[] = { REGION_REGISTERED,   REGION_REGISTER_FAILED,
							REGION_ADOPTED,	     REGION_HOLDER_LEFT,
							REGION_HOLDER_ACKED, REGION_REVOKED,
							REGION_WAS_FENCED,   REGION_WAS_SETTLED,
							REGION_ADOPTION_DONE };
	struct region *r = registry_find(s->daemon.registry, e->id);
	struct region_event v = { .type = types[sim_below(s, sizeof(types) / sizeof(*types))],
				  .kind = (enum holder_kind)sim_below(s, 2),
				  .revocation = r->revocation ? r->revocation - 1 : 0,
				  .holder = UINT64_MAX,
				  .now_usec = s->now };
	struct region before = *r;
	struct region_effects out;

	if (r->state == REGION_REGISTERING || (v.type == REGION_ADOPTION_DONE && r->consent_sent))
		return;
	if (v.type == REGION_HOLDER_ACKED && e->n) /* somebody who does hold it */
		v.holder = e->holding[0].id, v.kind = e->holding[0].kind;
	if (v.type == REGION_WAS_SETTLED && sim_chance(s, 50))
		v.revocation = r->revocation + 1;
	region_step(s->daemon.registry, r, &v, &out);
	if (!sim_require(s, !out.n && !memcmp(&before, r, sizeof(before)),
			 "a stale event changed a region"))
		sim_note(s, "region %u: event %d in state %d", (unsigned int)e->id, v.type,
			 before.state);
}

void check_stale(struct sim *s)
{
	struct kregion *r = &s->region[sim_below(s, REGIONS)];
	const struct entry *e = &s->daemon.entry[sim_below(s, ENTRIES)];

	if (r->id && r->held)
		stale_to_guard(s, r);
	if (s->daemon.process.up && e->id)
		stale_to_region(s, e);
}

static void check_rest(struct sim *s, struct kregion *r)
{
	const struct entry *e = daemon_find(s, r->id);
	const struct region *d = e ? registry_find(s->daemon.registry, e->id) : NULL;
	uint32_t peers = 0;

	sim_require(s, r->guard.state == GUARD_OPEN && !r->guard.fenced,
		    "all is quiet, and a region is not open");
	sim_require(s, r->lease == LEASE_ARMED || !r->guard.watched,
		    "all is quiet, and a region is not watched");
	for (size_t i = 0; i < KDEMANDS; i++)
		sim_require(s, !r->demand[i].number, "all is quiet, and a demand is not over");
	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++)
		sim_require(s, !r->guard.demand[i].id,
			    "all is quiet, and a range is kept that nobody wants");
	if (!sim_require(s, d, "all is quiet, and the daemon does not know a region"))
		return;
	for (int i = 0; i < PEERS; i++)
		peers += r->peer[i].up;
	sim_require(s, d->state == REGION_LIVE && !d->revoking && !d->pending,
		    "all is quiet, and a region is not live");
	sim_require(s, d->peers == peers, "all is quiet, and daemon and keeper count other peers");
	sim_require(s, d->revocation <= r->guard.revocation,
		    "the daemon knows a revocation that never was");
	/* a file that grew raises no event */
	sim_require(s,
		    d->valid_length == r->guard.valid_length &&
			    d->valid_length <= keeper_length(s, r),
		    "all is quiet, and a length is wrong");
}

void check_quiet(struct sim *s)
{
	for (int i = 0; i < REGIONS; i++) {
		if (s->region[i].id)
			check_rest(s, &s->region[i]);
		if (s->daemon.entry[i].id)
			sim_require(s, keeper_find(s, s->daemon.entry[i].id),
				    "all is quiet, and a region has no keeper");
	}
	for (int i = 0; i < OPS; i++) {
		sim_require(s, !s->op[i].id, "all is quiet, and an operation is not done");
		sim_require(s, !s->daemon.passage[i].op, "all is quiet, and a passage is not over");
	}
}

void check_empty(struct sim *s)
{
	for (int i = 0; i < REGIONS; i++)
		sim_require(s, !s->region[i].id, "everybody let go, and a keeper holds a region");
	for (int i = 0; i < ENTRIES; i++) {
		sim_require(s, !s->daemon.entry[i].id,
			    "everybody let go, and the daemon has a region");
	}
	for (uint32_t i = 0; i < TENANTS; i++) {
		const struct tenant *t = registry_tenant(s->daemon.registry, i);

		sim_require(s, !t || (!t->regions && !t->bytes),
			    "everybody let go, and a tenant is charged");
	}
}
