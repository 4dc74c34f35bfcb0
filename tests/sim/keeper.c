// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper.c - the guard's hands in this world: each effect takes its time, some fail, and the answer
 * comes later still.
 *
 * What always holds: the guard sees one event at a time, and the effects of one are under way
 * before it sees the next.
 */
#include <errno.h>
#include <string.h>

#include "sim.h"

struct kregion *keeper_find(struct sim *s, uint64_t id)
{
	for (int i = 0; id && i < REGIONS; i++)
		if (s->region[i].id == id)
			return &s->region[i];
	return NULL;
}

struct process *keeper_of(struct sim *s, const struct kregion *r)
{
	return &s->keeper[r->spec.tenant];
}

bool keeper_was_well(const struct sim *s, const struct kregion *r, uint64_t since)
{
	return s->keeper[r->spec.tenant].trouble < since;
}

uint64_t keeper_length(const struct sim *s, const struct kregion *r)
{
	uint8_t size = s->file[r->spec.file].size;
	uint8_t pages = size > r->spec.first ? size - r->spec.first : 0;

	return (uint64_t)(pages < r->spec.pages ? pages : r->spec.pages) * PAGE;
}

/* The effect @e->b of the guard has done its work: tell it. The error came from doing it. */
static void answer(struct sim *s, const struct event *e)
{
	static const enum guard_event_type done[_GUARD_EFFECT_MAX] = {
		[GUARD_FENCE] = GUARD_FENCE_DONE,     [GUARD_DESTROY] = GUARD_DESTROY_DONE,
		[GUARD_RELEASE] = GUARD_RELEASE_DONE, [GUARD_ARM] = GUARD_ARM_DONE,
		[GUARD_REFRESH] = GUARD_REFRESH_DONE,
	};
	struct kregion *r = keeper_find(s, e->a);

	if (!r)
		return;
	r->working &= ~(1u << e->b);
	keeper_feed(s, r,
		    (struct guard_event){
			    .type = done[e->b], .error = e->m.error, .valid_length = e->m.end });
}

static int fence(struct sim *s, struct kregion *r)
{
	if (sim_chance(s, s->weather.failures / 16))
		return -ENOMEM;
	adapter_fence(r, r->guard.ask_start, r->guard.ask_end);
	return 0;
}

static int refresh(struct sim *s, struct kregion *r, uint64_t *ret_length)
{
	if (sim_chance(s, s->weather.failures / 16))
		return -ENOMEM;
	*ret_length = keeper_length(s, r);
	adapter_open(r);
	return 0;
}

static void work(struct sim *s, const struct event *e)
{
	struct kregion *r = keeper_find(s, e->a);
	struct message m = { 0 };

	if (!r)
		return;
	switch ((enum guard_effect_type)e->b) {
	case GUARD_FENCE:
		m.error = fence(s, r);
		break;
	case GUARD_DESTROY:
		adapter_destroy(r);
		break;
	case GUARD_RELEASE:
		sim_require(s, e->m.demand == r->guard.break_id,
			    "another break is given back than the one that waits");
		m.error = lease_release(s, r, (uint32_t)e->m.demand);
		break;
	case GUARD_ARM:
		m.error = lease_arm(s, r);
		break;
	default:
		m.error = refresh(s, r, &m.end);
		break;
	}
	if (m.error && (e->b == GUARD_FENCE || e->b == GUARD_REFRESH))
		r->may_end = true;
	if (m.error)
		sim_note(s, "region %u: effect %u: error %d", (unsigned int)r->id,
			 (unsigned int)e->b, m.error);
	/*
	 * the length has to be the one of the moment in which the region opens: what shrinks later
	 * is reported
	 */
	if (e->b == GUARD_REFRESH)
		answer(s, &(struct event){ .a = r->id, .b = e->b, .m = m });
	else
		sim_answer(s, keeper_of(s, r), answer, r->id, e->b, &m);
}

static void begin(struct sim *s, struct kregion *r, const struct guard_effect *f)
{
	const struct message m = { .demand = f->break_id };

	sim_require(s, !r->working, "two operations of one region at a time");
	r->working |= 1u << f->type;
	sim_answer(s, keeper_of(s, r), work, r->id, f->type, &m);
}

static void on_timer(struct sim *s, const struct event *e)
{
	struct kregion *r = keeper_find(s, e->a);

	if (!r || r->timer_order != e->b)
		return;
	r->timer_at = 0;
	keeper_feed(s, r, (struct guard_event){ .type = GUARD_TIMER_FIRED });
}

static void set_timer(struct sim *s, struct kregion *r, uint64_t at)
{
	r->timer_order = ++s->next;
	r->timer_at = at;
	if (at)
		sim_at(s, keeper_of(s, r), at > s->now ? at : s->now, on_timer, r->id,
		       r->timer_order);
}

static void begin_fence(struct sim *s, struct kregion *r, const struct guard_effect *f)
{
	bool closing = r->guard.state == GUARD_CLOSING;

	if (closing || r->guard.policy != POLICY_FOLLOW)
		peers_cut(s, r, closing ? 0 : f->revocation);
	begin(s, r, f);
}

/* Nothing of it may be left. */
static void teardown(struct sim *s, struct kregion *r)
{
	sim_note(s, "region %u: torn down", (unsigned int)r->id);
	sim_require(s, r->may_end, "a region ends that nobody let go of");
	sim_require(s, !r->torn && !r->timer_at && !r->working,
		    "a region that is torn down has something under way");
	sim_require(s, !r->mr || !adapter_reaches(r, 0, FILE_PAGES),
		    "a region that is torn down can be reached");
	r->torn = true;
	for (int i = 0; i < PEERS; i++)
		peer_end(s, r, &r->peer[i], "its region is gone");
	adapter_destroy(r);
	lease_drop(s, r);
}

static void carry_out(struct sim *s, struct kregion *r, const struct guard_effect *f)
{
	sim_require(s, !r->torn, "an effect after GUARD_TEARDOWN");
	switch (f->type) {
	case GUARD_ASK:
		peers_ask(s, r);
		keeper_tell(s, r, REGION_REVOKED, r->guard.revocation, 0, 0);
		break;
	case GUARD_SET_TIMER:
		set_timer(s, r, f->at_usec);
		break;
	case GUARD_FENCE:
		begin_fence(s, r, f);
		break;
	case GUARD_DESTROY:
		peers_cut(s, r, 0);
		begin(s, r, f);
		break;
	case GUARD_RELEASE:
		s->counted[6]++;
		begin(s, r, f);
		break;
	case GUARD_ARM:
	case GUARD_REFRESH:
		begin(s, r, f);
		break;
	case GUARD_TELL_FENCED:
		keeper_tell(s, r, REGION_WAS_FENCED, f->revocation, 0, 0);
		break;
	case GUARD_TELL_SETTLED:
		sim_require(s,
			    (f->outcome == OUTCOME_TRUNCATED) ==
				    (r->guard.valid_length < r->told_length),
			    "the outcome of a revocation is wrong");
		r->told_length = r->guard.valid_length;
		peers_settled(s, r, f->revocation);
		keeper_tell(s, r, REGION_WAS_SETTLED, f->revocation, 0, f->outcome);
		break;
	case GUARD_TEARDOWN:
		teardown(s, r);
		break;
	case GUARD_GRANT:
	case GUARD_TELL_GIVEN_BACK:
	case _GUARD_EFFECT_MAX:
		break;
	}
}

void keeper_feed(struct sim *s, struct kregion *r, struct guard_event e)
{
	const struct guard old = r->guard;
	enum guard_state before = old.state;
	struct guard_effects effects;

	if (!r->held || r->torn)
		return;
	if (!e.now_usec)
		e.now_usec = s->now;
	guard_step(&r->guard, &e, &effects);
	if (before != r->guard.state || effects.n)
		sim_note(s, "region %u: guard %d, event %d -> %d, %u effects, revocation %u",
			 (unsigned int)r->id, before, e.type, r->guard.state,
			 (unsigned int)effects.n, (unsigned int)r->guard.revocation);
	sim_require(s, effects.n < GUARD_EFFECTS_MAX, "guard effects overflow");
	for (size_t i = 0; i < effects.n; i++) {
		if (effects.item[i].type == GUARD_ASK)
			check_question(s, r, &old);
		carry_out(s, r, &effects.item[i]);
	}
	if (old.watched && !r->guard.watched && !r->torn) {
		lease_drop(s, r);
		fs_promise_ended(s, r); /* from now on it is told afterwards, if at all */
	}
	if (r->torn)
		keeper_gone(s, r);
	else
		keeper_look_at_demands(s, r);
}

/* What the kernel has to say, as it is by now. */
void keeper_report(struct sim *s, const struct event *e)
{
	static const enum revocation_cause cause[] = { CAUSE_TRUNCATE, CAUSE_FALLOCATE, CAUSE_CLONE,
						       CAUSE_UNKNOWN };
	struct kregion *r = keeper_find(s, e->a);
	struct guard_event g = { .break_id = r ? r->break_id : 0, .cause = cause[e->b % 4] };

	if (!r || (r->lease != LEASE_BREAKING && r->lease != LEASE_EXPIRED))
		return;
	g.type = r->lease == LEASE_BREAKING ? GUARD_BROKEN : GUARD_EXPIRED;
	g.now_usec = r->break_deadline - MARGIN -
		     r->spec.grace_usec; /* the grace counts from when the kernel began */
	keeper_range_of(r, r->breaker, &g.start, &g.end);
	keeper_feed(s, r, g);
}

void keeper_start(struct sim *s, uint8_t tenant)
{
	s->keeper[tenant].up = true;
}

/* The kernel closes what it had open: memory regions, leases, connections, sockets. */
void keeper_crash(struct sim *s, uint8_t tenant)
{
	const struct message gone = { .type = TELL_GONE, .tenant = tenant };

	sim_kill(s, &s->keeper[tenant]);
	if (s->daemon.linked[tenant])
		sim_send(s, &s->daemon.process, daemon_receive, &gone);
	for (int i = 0; i < REGIONS; i++) {
		struct kregion *r = &s->region[i];

		if (!r->id || r->spec.tenant != tenant)
			continue;
		adapter_destroy(r);
		lease_drop(s, r);
		memset(r, 0, sizeof(*r));
	}
	s->connected[tenant] = s->missed[tenant] = false;
}
