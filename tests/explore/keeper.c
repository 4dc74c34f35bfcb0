// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper.c - what a tenant's keeper does for each effect of its guard: begin an operation, cut
 * peers, answer demands, tell the daemon.
 *
 * What must not be is looked for where it would hurt: blocks given back, or a range granted, while
 * peers can reach it; a peer cut that had acknowledged; a promise taken back.
 */
#include "model.h"

#include <string.h>

uint8_t keeper_pages(uint64_t start, uint64_t end)
{
	uint8_t pages = 0;

	for (uint64_t i = 0; i < PAGES; i++)
		if (start <= i && end > i)
			pages |= (uint8_t)(1u << i);
	return pages;
}

bool keeper_reaches(const struct site *s, uint8_t pages)
{
	return s->mr_alive && (pages & ~s->fenced_pages);
}

static uint8_t pages_of_demand(uint8_t d)
{
	return keeper_pages(world_setup->demand[d].start, world_setup->demand[d].end);
}

enum region_state keeper_state(const struct site *s)
{
	switch (s->guard.state) {
	case GUARD_OPEN:
	case GUARD_PUT_OFF:
		return REGION_LIVE;
	case GUARD_ASKED:
		return REGION_DRAINING;
	case GUARD_DESTROYING:
	case GUARD_CLOSING:
	case GUARD_CLOSING_RELEASE:
	case GUARD_DEAD:
		return REGION_CLOSING;
	default:
		return REGION_FENCED;
	}
}

bool keeper_is_event(const struct message *m)
{
	switch (m->type) {
	case TELL_REVOKED:
	case TELL_FENCED:
	case TELL_SETTLED:
	case TELL_ACKED:
	case TELL_LEFT:
		return true;
	default:
		return m->type == TELL_RELEASED && !m->value;
	}
}

void keeper_tell(struct world *w, uint8_t region, struct message m)
{
	if (w->site[region].missed && keeper_is_event(&m))
		return;
	m.valid_length = (uint8_t)w->site[region].guard.valid_length;
	if (w->daemon_up)
		queue_push(&w->site[region].to_daemon, m);
}

static bool is_peer_of(const struct world *w, uint8_t user, uint8_t region)
{
	return user < world_setup->holders && world_setup->holder[user].kind == HOLDER_PEER &&
	       world_setup->holder[user].region == region && w->user[user].there;
}

void keeper_lose_peer(struct world *w, uint8_t user)
{
	w->user[user] = (struct user){ .there = false };
	keeper_tell(w, world_setup->holder[user].region,
		    (struct message){ .type = TELL_LEFT, .who = user });
}

static void answer(struct world *w, uint8_t region, uint8_t demand, bool failed)
{
	keeper_tell(w, region,
		    (struct message){ .type = TELL_DEMAND, .who = demand, .value = failed });
}

/* Does anybody wait whose grace is half over, or who does not wait for holders at all? */
static bool is_urgent(const struct site *s)
{
	if (s->guard.close_wanted || s->guard.policy == POLICY_FOLLOW)
		return true;
	if (s->guard.owing &&
	    (!s->guard.holding || s->guard.break_began_usec + GRACE_USEC / 2 <= NOW))
		return true;
	for (uint8_t i = 0; i < DEMANDS; i++)
		if (s->part[i].state == PART_OPEN &&
		    s->part[i].deadline_usec <= NOW + world_setup->demand[i].grace_usec / 2)
			return true;
	return false;
}

static void ask(struct world *w, uint8_t region, const struct guard_effect *f)
{
	struct site *s = &w->site[region];
	const struct guard *g = &s->guard;
	uint8_t pages = keeper_pages(g->ask_start, g->ask_end);

	world_require(pages, "a question about nothing");
	world_require(!(s->asked_pages & ~pages),
		      "a question that takes an earlier one's place asks for less");
	world_require(!s->promised_usec || g->deadline_usec <= s->promised_usec,
		      "a deadline moved back");
	world_require(f->revocation == g->revocation, "a question with an old number");
	world_require(!s->fresh || is_urgent(s), "who has just been let in again is asked at once");
	s->fresh = false;
	s->asked_pages = pages;
	s->promised_usec = g->deadline_usec;
	for (uint8_t i = 0; i < HOLDERS; i++)
		if (is_peer_of(w, i, region))
			w->user[i].asked = f->revocation;
	keeper_tell(w, region,
		    (struct message){ .type = TELL_REVOKED, .revocation = (uint8_t)f->revocation });
}

static void fence(struct world *w, uint8_t region, const struct guard_effect *f)
{
	struct site *s = &w->site[region];
	bool closing = s->guard.state == GUARD_CLOSING;

	world_require(!(s->under_way & OP_FENCE), "two fences at once");
	s->under_way |= OP_FENCE;
	s->promised_usec = 0;
	for (uint8_t i = 0; i < HOLDERS; i++) {
		if (!is_peer_of(w, i, region))
			continue;
		if (closing ||
		    (s->guard.policy != POLICY_FOLLOW && w->user[i].acked != f->revocation)) {
			world_require(closing || w->user[i].acked != s->guard.revocation,
				      "a peer that acknowledged in time was cut off");
			keeper_lose_peer(w, i);
		}
	}
}

static void release(struct world *w, uint8_t region, const struct guard_effect *f)
{
	struct site *s = &w->site[region];
	uint8_t pages = s->breaker == STRANGER ? ALL_PAGES : pages_of_demand(s->breaker);

	world_require(f->break_id == s->break_id,
		      "another break is answered than the one that waits");
	world_require(!keeper_reaches(s, pages), "blocks given back while peers can reach them");
	world_require(!(s->under_way & OP_FENCE), "blocks given back before the fence completed");
	world_require(s->lease == LEASE_BREAKING || s->report_pending,
		      "what the kernel has given back already is given back again");
	s->under_way |= OP_RELEASE;
}

static void settled(struct world *w, uint8_t region, const struct guard_effect *f)
{
	w->site[region].asked_pages = 0;
	w->site[region].promised_usec = 0; /* withdrawn before the deadline */
	w->site[region].fresh = true;
	for (uint8_t i = 0; i < HOLDERS; i++)
		if (is_peer_of(w, i, region))
			w->user[i].asked = 0;
	keeper_tell(w, region,
		    (struct message){ .type = TELL_SETTLED,
				      .revocation = (uint8_t)f->revocation,
				      .value = (uint8_t)f->outcome });
}

static void teardown(struct world *w, uint8_t region)
{
	struct site *s = &w->site[region];

	world_require(!s->torn_down, "torn down twice");
	s->torn_down = true;
	s->mr_alive = s->report_pending = false;
	s->timer_at = 0;
	s->lease = LEASE_NONE; /* unwatching gives back what is being broken */
	for (uint8_t i = 0; i < HOLDERS; i++)
		if (is_peer_of(w, i, region))
			keeper_lose_peer(w, i);
	for (uint8_t i = 0; i < DEMANDS; i++) {
		if (s->part[i].state == PART_OPEN)
			answer(w, region, i, false);
		s->part[i] = (struct part){ .state = NO_PART };
	}
	keeper_tell(w, region,
		    (struct message){ .type = TELL_RELEASED, .value = s->release_asked });
}

static void effect(struct world *w, uint8_t region, const struct guard_effect *f)
{
	struct site *s = &w->site[region];

	switch (f->type) {
	case GUARD_ASK:
		ask(w, region, f);
		break;
	case GUARD_SET_TIMER:
		s->timer_at = f->at_usec;
		break;
	case GUARD_FENCE:
		fence(w, region, f);
		break;
	case GUARD_DESTROY:
		s->under_way |= OP_DESTROY;
		break;
	case GUARD_TELL_FENCED:
		keeper_tell(w, region,
			    (struct message){ .type = TELL_FENCED,
					      .revocation = (uint8_t)f->revocation });
		break;
	case GUARD_RELEASE:
		release(w, region, f);
		break;
	case GUARD_ARM:
		s->under_way |= OP_ARM;
		break;
	case GUARD_REFRESH:
		s->under_way |= OP_REFRESH;
		break;
	case GUARD_TELL_SETTLED:
		settled(w, region, f);
		break;
	case GUARD_TEARDOWN:
		teardown(w, region);
		break;
	case GUARD_GRANT: /* look_at_parts() */
	case GUARD_TELL_GIVEN_BACK:
	case _GUARD_EFFECT_MAX:
		break;
	}
}

/* Whoever made a demand is told when the guard has granted it. */
static void look_at_parts(struct world *w, uint8_t region)
{
	struct site *s = &w->site[region];

	if (s->guard.state >= GUARD_DESTROYING)
		return; /* answered at its end */
	for (uint8_t i = 0; i < DEMANDS; i++) {
		const struct guard_demand *d = guard_find_demand(&s->guard, s->part[i].place);

		if (s->part[i].state == PART_GRANTED && !d) {
			world_require(world_setup->demand[i].limit_usec,
				      "a demand without a limit is over by itself");
			s->part[i] = (struct part){ .state = NO_PART };
			w->waiter[i].limit_passed |= (uint8_t)(1u << region);
		} else if (s->part[i].state == PART_OPEN) {
			if (!world_require(d, "a demand was forgotten before it was granted") ||
			    !d->granted)
				continue;
			world_require(!keeper_reaches(s, pages_of_demand(i)),
				      "a range was granted that peers can reach");
			s->part[i] =
				(struct part){ .state = PART_GRANTED, .place = s->part[i].place };
			answer(w, region, i, false);
		}
	}
}

void keeper_begin(struct world *w, uint8_t region, uint64_t revocation)
{
	struct site *s = &w->site[region];

	s->keeper_up = s->mr_alive = true;
	s->torn_down = s->report_pending = s->release_asked = s->missed = s->fresh = false;
	s->under_way = s->fenced_pages = s->asked_pages = 0;
	s->timer_at = s->promised_usec = s->close_usec = s->broken_usec = s->consent = 0;
	s->break_id = 0;
	s->lease = LEASE_ARMED;
	memset(s->part, 0, sizeof(s->part));
	guard_init(&s->guard, world_setup->policy[region], GRACE_USEC, PAGES, w->file_length, true);
	s->guard.revocation = revocation;
}

void keeper_event(struct world *w, uint8_t region, struct guard_event e)
{
	struct guard_effects out;

	if (!e.now_usec)
		e.now_usec = NOW;
	guard_step(&w->site[region].guard, &e, &out);
	world_require(out.n < GUARD_EFFECTS_MAX, "guard effects overflow");
	for (size_t i = 0; i < out.n; i++)
		effect(w, region, &out.item[i]);
	if (w->site[region].guard.state != GUARD_ASKED)
		w->site[region].promised_usec =
			0; /* the question was withdrawn, or its time is over */
	look_at_parts(w, region);
}

static void take_demand(struct world *w, uint8_t region, uint8_t d, bool failed)
{
	struct site *s = &w->site[region];
	uint8_t place = d + 1u;

	if (s->torn_down || failed) {
		answer(w, region, d, !s->torn_down);
		return;
	}
	for (uint8_t i = 0; i < DEMANDS; i++)
		if (s->part[i].state != NO_PART &&
		    (world_setup->crowded || !guard_takes_demand(&s->guard)))
			place = s->part[i].place;
	s->part[d] = (struct part){ .state = PART_OPEN,
				    .place = place,
				    .deadline_usec = NOW + world_setup->demand[d].grace_usec };
	keeper_event(w, region,
		     (struct guard_event){ .type = GUARD_DEMANDED,
					   .demand = place,
					   .start = world_setup->demand[d].start,
					   .end = world_setup->demand[d].end,
					   .grace_usec = world_setup->demand[d].grace_usec,
					   .limit_usec = world_setup->demand[d].limit_usec,
					   .cause = CAUSE_FALLOCATE });
}

static void take_over(struct world *w, uint8_t region, uint8_t d)
{
	struct site *s = &w->site[region];
	uint8_t place = s->part[d].place;

	if (s->part[d].state == NO_PART)
		return;
	if (s->part[d].state == PART_OPEN)
		answer(w, region, d, false); /* withdrawn */
	s->part[d] = (struct part){ .state = NO_PART };
	for (uint8_t i = 0; i < DEMANDS; i++)
		if (s->part[i].state != NO_PART && s->part[i].place == place)
			return;
	keeper_event(w, region, (struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = place });
}

static void take_release(struct world *w, uint8_t region, uint64_t grace_usec)
{
	struct site *s = &w->site[region];

	s->release_asked = true;
	if (s->torn_down) { /* it ended before, and that may not have been heard */
		keeper_tell(w, region, (struct message){ .type = TELL_RELEASED, .value = true });
		return;
	}
	if (!s->close_usec || NOW + grace_usec < s->close_usec)
		s->close_usec = NOW + grace_usec;
	keeper_event(w, region,
		     (struct guard_event){ .type = GUARD_CLOSE,
					   .cause = CAUSE_RELEASE,
					   .grace_usec = grace_usec });
}

void keeper_drop_demands(struct world *w, uint8_t region)
{
	for (uint8_t i = 0; i < DEMANDS; i++)
		take_over(w, region, i);
}

/* All that is there now, at once. */
static void list(struct world *w, uint8_t region)
{
	struct site *s = &w->site[region];
	enum region_state state = keeper_state(s);
	bool running = state == REGION_DRAINING || state == REGION_FENCED;

	if (!s->torn_down)
		keeper_tell(w, region,
			    (struct message){ .type = TELL_REGION,
					      .value = (uint8_t)state,
					      .revocation =
						      running ? (uint8_t)s->guard.revocation : 0 });
	for (uint8_t i = 0; i < HOLDERS; i++)
		if (is_peer_of(w, i, region))
			keeper_tell(w, region,
				    (struct message){ .type = TELL_PEER,
						      .who = i,
						      .revocation = (uint8_t)w->user[i].asked });
	keeper_tell(w, region, (struct message){ .type = TELL_LIST_DONE });
}

void keeper_take(struct world *w, uint8_t region, struct message m)
{
	switch (m.type) {
	case ASK_CONSENT:
		keeper_event(w, region,
			     (struct guard_event){ .type = GUARD_CONSENTED,
						   .revocation = m.revocation });
		break;
	case ASK_RELEASE:
		take_release(w, region, 0);
		break;
	case ASK_RELEASE_KINDLY:
		take_release(w, region, GRACE_USEC);
		break;
	case ASK_RELEASE_SOON:
		take_release(w, region, SOON_USEC);
		break;
	case ASK_DEMAND:
		take_demand(w, region, m.who, m.value);
		break;
	case ASK_OVER:
		take_over(w, region, m.who);
		break;
	case ASK_LIST:
		list(w, region);
		break;
	default:
		world_require(false, "a keeper was sent what it does not know");
	}
}
