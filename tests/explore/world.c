// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * world.c - see world.h: what keeper, kernel, daemon, holder and peer do, as far as order matters.
 *
 * Time stands still: the machines' times are shifted back whenever a timer fires, so that worlds which differ by their age only are equal.
 */
#include "model.h"

#include <errno.h>
#include <string.h>

struct holder *registry_holder(const struct registry *r, uint32_t index_plus_1)
{
	return index_plus_1 ? (struct holder *)&r->holders[index_plus_1 - 1] : NULL;
}

uint32_t registry_take_holder(struct registry *r)
{
	uint32_t h = r->free_holder;

	if (h)
		r->free_holder = r->holders[h - 1].next;
	return h;
}

void registry_give_holder(struct registry *r, uint32_t index_plus_1)
{
	memset(&r->holders[index_plus_1 - 1], 0, sizeof(struct holder));
	r->holders[index_plus_1 - 1].next = r->free_holder;
	r->free_holder = index_plus_1;
}

const char *world_violation;

bool world_require(bool ok, const char *what)
{
	if (!ok && !world_violation)
		world_violation = what;
	return ok;
}

static void push(struct queue *q, struct message m)
{
	if (world_require(q->n < QUEUE, "a message queue grows without bound"))
		q->item[q->n++] = m;
}

void model_tell_daemon(struct world *w, enum region_event_type type, uint64_t revocation,
		       enum revocation_outcome outcome)
{
	if (w->daemon_up)
		push(&w->to_daemon, (struct message){ .type = (uint8_t)type,
						      .kind = HOLDER_PEER,
						      .outcome = (uint8_t)outcome,
						      .revocation = (uint8_t)revocation,
						      .valid_length = (uint8_t)w->guard.valid_length });
}

static uint8_t pages(uint64_t start, uint64_t end)
{
	return (uint8_t)((start < 1 && end > 0) | (start < 2 && end > 1) << 1);
}

/* Whoever made a demand is told; what he was granted nobody can reach. */
static void look_at_demands(struct world *w)
{
	for (uint8_t i = 0; i < 2; i++) {
		const struct guard_demand *d = guard_find_demand(&w->guard, i + 1u);

		if (!d) {
			w->demand[i] = NO_DEMAND; /* its limit, or the end of the region */
		} else if (d->granted) {
			w->demand[i] = DEMAND_GRANTED;
			world_require(!w->mr_alive || w->fenced_pages & 1u << i,
				      "a range was granted that peers can reach");
		}
	}
}

/* What the keeper does for each effect of its guard. */
static void guard_effect(struct world *w, const struct guard_effect *f)
{
	switch (f->type) {
	case GUARD_ASK:
		if (w->promised && w->guard.state != GUARD_OPEN)
			world_require(w->guard.deadline_usec <= w->promised, "a deadline moved back");
		w->promised = w->guard.deadline_usec;
		w->peer_asked = w->peer_connected;
		w->peer_acked_in_time = false;
		model_tell_daemon(w, REGION_REVOKED, f->revocation, 0);
		break;
	case GUARD_SET_TIMER:
		w->timer_armed = f->at_usec != 0;
		w->timer_at = f->at_usec;
		break;
	case GUARD_FENCE:
		world_require(!w->fence_pending, "two fences at once");
		if (w->peer_connected && w->peer_asked) {
			w->peer_connected = false;
			w->peer_cut = true;
			w->peer_asked = false;
			model_tell_daemon(w, REGION_HOLDER_LEFT, w->guard.revocation, 0);
		}
		w->fence_pending = true;
		break;
	case GUARD_DESTROY:
		w->destroy_pending = true;
		break;
	case GUARD_GRANT:
		break;
	case GUARD_TELL_FENCED:
		w->promised = 0;
		model_tell_daemon(w, REGION_WAS_FENCED, f->revocation, 0);
		break;
	case GUARD_RELEASE:
		world_require(!w->mr_alive ||
				      (w->fenced_pages & pages(w->guard.break_start, w->guard.break_end)) ==
					      pages(w->guard.break_start, w->guard.break_end),
			      "blocks given back while peers can reach them");
		world_require(!w->fence_pending, "blocks given back before the fence completed");
		w->release_pending = true;
		break;
	case GUARD_TELL_GIVEN_BACK:
		break;
	case GUARD_ARM:
		w->arm_pending = true;
		break;
	case GUARD_REFRESH:
		w->refresh_pending = true;
		break;
	case GUARD_TELL_SETTLED:
		model_tell_daemon(w, REGION_WAS_SETTLED, f->revocation, f->outcome);
		break;
	case GUARD_TEARDOWN:
		world_require(!w->torn_down, "torn down twice");
		w->torn_down = true;
		w->mr_alive = false;
		w->timer_armed = false;
		if (w->lease == LEASE_BREAKING)
			w->lease = LEASE_RELEASED;
		w->lease = LEASE_NONE; /* unwatch */
		w->report_pending = false;
		w->peer_connected = false;
		model_tell_daemon(w, REGION_RELEASED, w->guard.revocation, 0);
		break;
	case _GUARD_EFFECT_MAX:
		break;
	}
}

void model_guard_event(struct world *w, struct guard_event e)
{
	struct guard_effects out;

	e.now_usec = NOW;
	guard_step(&w->guard, &e, &out);
	world_require(out.n < GUARD_EFFECTS_MAX, "guard effects overflow");
	for (size_t i = 0; i < out.n; i++)
		guard_effect(w, &out.item[i]);
	look_at_demands(w);
}

void model_region_event(struct world *w, struct region_event e)
{
	struct region_effects out;

	if (w->removed)
		return;
	e.now_usec = NOW;
	region_step(&w->registry, &w->region, &e, &out);
	world_require(out.n < REGION_EFFECTS_MAX, "region effects overflow");
	for (size_t i = 0; i < out.n; i++) {
		const struct region_effect *f = &out.item[i];

		world_require(!w->removed, "an effect after REGION_REMOVE");
		switch (f->type) {
		case REGION_SEND_CONSENT:
			world_require(++w->consents == 1, "consent sent twice for one revocation");
			world_require(!w->client_asked, "consent although the local holder has not answered");
			push(&w->to_keeper, (struct message){ .type = MESSAGE_CONSENT,
							      .revocation = (uint8_t)f->revocation });
			break;
		case REGION_SEND_RELEASE:
			push(&w->to_keeper, (struct message){ .type = f->grace_usec ? MESSAGE_RELEASE_KINDLY
										    : MESSAGE_RELEASE });
			break;
		case REGION_ASK_CLIENTS:
			w->client_asked = w->client_there;
			w->consents = 0;
			break;
		case REGION_TELL_SETTLED:
			w->client_asked = false;
			break;
		case REGION_REMOVE:
			w->removed = true;
			w->client_asked = false;
			break;
		default:
			break;
		}
	}
	if (!w->removed && w->region.state == REGION_FENCED)
		w->client_asked = false;
}

void model_reset_daemon(struct world *w)
{
	memset(&w->to_daemon, 0, sizeof(w->to_daemon));
	memset(&w->to_keeper, 0, sizeof(w->to_keeper));
	memset(&w->region, 0, sizeof(w->region));
	memset(&w->registry, 0, sizeof(w->registry));
	for (uint32_t i = POOL; i; i--)
		registry_give_holder(&w->registry, i);
	w->consents = 0;
	w->client_asked = w->client_there = false;
	w->removed = false;
}

static enum region_state state_of_guard(const struct guard *g)
{
	switch (g->state) {
	case GUARD_OPEN:
		return REGION_LIVE;
	case GUARD_ASKED:
	case GUARD_FENCING:
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

/* A new daemon asks the keeper what it holds. */
void model_start_daemon(struct world *w)
{
	enum region_state s = state_of_guard(&w->guard);

	model_reset_daemon(w);
	w->daemon_up = true;
	if (w->torn_down) {
		w->removed = true;
		return;
	}
	w->region.id = 1;
	w->region.grace_usec = 5000000;
	model_region_event(w,
			   (struct region_event){ .type = REGION_ADOPTED,
						  .state = s,
						  .valid_length = w->guard.valid_length,
						  .revocation = s == REGION_LIVE ? 0 : w->guard.revocation });
	if (w->peer_connected)
		model_region_event(
			w, (struct region_event){ .type = REGION_HOLDER_JOINED,
						  .kind = HOLDER_PEER,
						  .revocation = w->peer_asked ? w->guard.revocation : 0,
						  .holder = PEER });
	model_region_event(w, (struct region_event){ .type = REGION_HOLDER_JOINED,
						     .kind = HOLDER_CLIENT,
						     .holder = CLIENT });
	w->client_there = true;
	model_region_event(w, (struct region_event){ .type = REGION_ADOPTION_DONE });
}

/* Worlds that can not be told apart by anything that follows get the same bytes. */
void world_normalize(struct world *w)
{
	struct guard *g = &w->guard;

	if (g->settled_usec && NOW - g->settled_usec > 1000000)
		g->settled_usec = 1;
	if (g->state != GUARD_ASKED)
		g->deadline_usec = w->promised = 0;
	if (g->state != GUARD_ASKED && g->state != GUARD_FENCING && g->state != GUARD_CLOSING)
		g->ask_start = g->ask_end = 0;
	if (!g->broken && !g->holding)
		g->break_start = g->break_end = g->break_began_usec = 0;
	if (!w->timer_armed)
		w->timer_at = 0;
	w->region.deadline_usec = 0;
}

void world_init(struct world *w, const struct budget *budget)
{
	memset(w, 0, sizeof(*w));
	w->keeper_up = w->daemon_up = w->mr_alive = true;
	w->lease = LEASE_ARMED;
	w->kernel_length = 2;
	guard_init(&w->guard, budget->policy, 5000000, 2, 2, true);
	model_reset_daemon(w);
	w->region.id = 1;
	w->region.grace_usec = budget->policy == POLICY_FOLLOW ? 0 : 5000000;
	model_region_event(w, (struct region_event){ .type = REGION_REGISTERED, .valid_length = 2 });
	model_region_event(w, (struct region_event){ .type = REGION_HOLDER_JOINED,
						     .kind = HOLDER_CLIENT,
						     .holder = CLIENT });
	model_region_event(w, (struct region_event){
				      .type = REGION_HOLDER_JOINED, .kind = HOLDER_PEER, .holder = PEER });
	w->client_there = w->peer_connected = true;
	w->breaks_left = budget->breaks;
	w->truncates_left = 1;
	w->demands_left = budget->demands;
	w->mishaps_left = budget->mishaps;
	world_normalize(w);
}
