// SPDX-License-Identifier: GPL-2.0-or-later
/* actions.c - what can happen next in a world: see world_act() in world.h. Each action says when it is impossible, then does it. */
#include <errno.h>
#include <string.h>

#include "model.h"

static struct message pop(struct queue *q)
{
	struct message m = q->item[0];

	memmove(&q->item[0], &q->item[1], (size_t)(QUEUE - 1) * sizeof(m));
	memset(&q->item[QUEUE - 1], 0, sizeof(m));
	q->n--;
	return m;
}
static void kernel_breaks(struct world *w)
{
	w->lease = LEASE_BREAKING;
	w->break_id++;
	w->breaks_left--;
	w->report_pending = true;
}

/* The level that a collect would show now, as an event. */
static void deliver_report(struct world *w)
{
	w->report_pending = false;
	model_guard_event(
		w, (struct guard_event){ .type = w->lease == LEASE_EXPIRED ? GUARD_EXPIRED : GUARD_BROKEN,
					 .break_id = w->break_id,
					 .end = 2,
					 .cause = CAUSE_TRUNCATE });
}

static void release_completes(struct world *w)
{
	bool late = w->lease != LEASE_BREAKING;

	w->release_pending = false;
	if (w->lease == LEASE_BREAKING)
		w->lease = LEASE_RELEASED;
	model_guard_event(w, (struct guard_event){ .type = GUARD_RELEASE_DONE, .error = late ? -ESTALE : 0 });
}

static void deliver_to_daemon(struct world *w)
{
	struct message m = pop(&w->to_daemon);

	model_region_event(w, (struct region_event){ .type = (enum region_event_type)m.type,
						     .kind = HOLDER_PEER,
						     .holder = PEER,
						     .revocation = m.revocation,
						     .valid_length = m.valid_length,
						     .length = 2,
						     .outcome = (enum revocation_outcome)m.outcome,
						     .cause = CAUSE_TRUNCATE });
}

static void deliver_to_keeper(struct world *w)
{
	struct message m = pop(&w->to_keeper);

	if (m.type == MESSAGE_CONSENT)
		model_guard_event(
			w, (struct guard_event){ .type = GUARD_CONSENTED, .revocation = m.revocation });
	else
		model_guard_event(w, (struct guard_event){
					     .type = GUARD_CLOSE,
					     .cause = CAUSE_RELEASE,
					     .grace_usec = m.type == MESSAGE_RELEASE_KINDLY ? 5000000 : 0 });
}

/* The daemon, for somebody who wants a page. */
static bool demand(struct world *w, uint8_t page, uint64_t limit_usec)
{
	if (!w->daemon_up || !w->keeper_up || w->torn_down || !w->demands_left || w->demand[page] ||
	    w->guard.state >= GUARD_DESTROYING)
		return false;
	w->demands_left--;
	w->demand[page] = DEMAND_OPEN;
	model_guard_event(w, (struct guard_event){ .type = GUARD_DEMANDED,
						   .demand = page + 1u,
						   .start = page,
						   .end = page + 1u,
						   .grace_usec = page ? 3000000 : 7000000,
						   .limit_usec = limit_usec,
						   .cause = CAUSE_ADMINISTRATOR });
	return true;
}

static bool over(struct world *w, uint8_t page)
{
	if (!w->keeper_up || !w->demand[page])
		return false;
	w->demand[page] = NO_DEMAND;
	model_guard_event(w, (struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = page + 1u });
	return true;
}

static void client_acks(struct world *w, uint64_t revocation)
{
	if (revocation == w->region.revocation)
		w->client_asked = false;
	model_region_event(w, (struct region_event){ .type = REGION_HOLDER_ACKED,
						     .kind = HOLDER_CLIENT,
						     .holder = CLIENT,
						     .revocation = revocation });
}

const char *const world_action_names[_ACTION_MAX] = { "break",
						      "kernel deadline",
						      "file shrinks",
						      "kernel report",
						      "timer",
						      "stale timer",
						      "fence ok",
						      "fence fails",
						      "destroyed",
						      "released",
						      "armed",
						      "arm: again",
						      "arm: fails",
						      "refreshed",
						      "message to daemon",
						      "message to keeper",
						      "client acks",
						      "client acks stale",
						      "client leaves",
						      "peer acks",
						      "peer leaves",
						      "release",
						      "demand of page 0",
						      "demand of page 1",
						      "demand with a limit",
						      "over: page 0",
						      "over: page 1",
						      "release with a grace",
						      "daemon dies",
						      "daemon starts",
						      "keeper dies" };

/* Do @a in @w. Returns false if it cannot happen there. */
bool world_act(struct world *w, enum action a)
{
	bool daemon_region = w->daemon_up && !w->removed;

	switch (a) {
	case BREAK:
		if (w->lease != LEASE_ARMED || !w->breaks_left)
			return false;
		kernel_breaks(w);
		return true;
	case KERNEL_DEADLINE:
		if (w->lease != LEASE_BREAKING)
			return false;
		w->lease = LEASE_EXPIRED;
		w->report_pending = w->keeper_up && !w->torn_down;
		return true;
	case FILE_SHRINKS:
		if (!w->truncates_left || (w->lease != LEASE_RELEASED && w->lease != LEASE_EXPIRED))
			return false;
		w->truncates_left--;
		w->kernel_length = 1;
		return true;
	case REPORT:
		if (!w->keeper_up || !w->report_pending)
			return false;
		deliver_report(w);
		return true;
	case TIMER:
		if (!w->keeper_up || !w->timer_armed)
			return false;
		w->timer_armed = false;
		if (w->timer_at > NOW) { /* time passes: shift everything back */
			uint64_t d = w->timer_at - NOW;

			w->guard.deadline_usec = w->guard.deadline_usec > d ? w->guard.deadline_usec - d : 0;
			w->promised = w->promised > d ? w->promised - d : 0;
			w->guard.break_began_usec =
				w->guard.break_began_usec > d ? w->guard.break_began_usec - d : 0;
			for (int i = 0; i < GUARD_DEMANDS_MAX; i++) {
				struct guard_demand *g = &w->guard.demand[i];

				g->deadline_usec = g->deadline_usec > d ? g->deadline_usec - d : 0;
				g->ends_usec = g->ends_usec > d ? g->ends_usec - d : 0;
			}
			if (w->guard.settled_usec)
				w->guard.settled_usec =
					w->guard.settled_usec > d + 1 ? w->guard.settled_usec - d : 1;
		}
		model_guard_event(w, (struct guard_event){ .type = GUARD_TIMER_FIRED });
		return true;
	case TIMER_STALE: /* one that was replaced, but already on its way */
		if (!w->keeper_up || w->guard.state != GUARD_ASKED || w->guard.deadline_usec <= NOW)
			return false;
		model_guard_event(w, (struct guard_event){ .type = GUARD_TIMER_FIRED });
		world_require(w->guard.state == GUARD_ASKED, "a stale timer ended the grace");
		return true;
	case FENCE_OK:
		if (!w->fence_pending)
			return false;
		w->fence_pending = false;
		for (uint8_t i = 0; i < 2; i++)
			if (w->guard.ask_start <= i && w->guard.ask_end > i)
				w->fenced_pages |= (uint8_t)(1u << i);
		model_guard_event(w, (struct guard_event){ .type = GUARD_FENCE_DONE });
		return true;
	case FENCE_FAILS:
		if (!w->fence_pending || !w->mishaps_left)
			return false;
		w->fence_pending = false;
		w->mishaps_left--;
		model_guard_event(w, (struct guard_event){ .type = GUARD_FENCE_DONE, .error = -ENOMEM });
		return true;
	case DESTROYED:
		if (!w->destroy_pending)
			return false;
		w->destroy_pending = false;
		w->mr_alive = false;
		model_guard_event(w, (struct guard_event){ .type = GUARD_DESTROY_DONE });
		return true;
	case RELEASED:
		if (!w->release_pending)
			return false;
		release_completes(w);
		return true;
	case ARM_OK:
	case ARM_AGAIN:
	case ARM_FAILS:
		if (!w->arm_pending || (a != ARM_OK && !w->mishaps_left))
			return false;
		w->arm_pending = false;
		if (a == ARM_OK)
			w->lease = LEASE_ARMED;
		else
			w->mishaps_left--;
		model_guard_event(w, (struct guard_event){ .type = GUARD_ARM_DONE,
							   .error = a == ARM_OK	     ? 0
								    : a == ARM_AGAIN ? -EAGAIN
										     : -EIO });
		return true;
	case REFRESHED:
		if (!w->refresh_pending)
			return false;
		w->refresh_pending = false;
		w->fenced_pages = 0;
		model_guard_event(w, (struct guard_event){ .type = GUARD_REFRESH_DONE,
							   .valid_length = w->kernel_length });
		return true;
	case TO_DAEMON:
		if (!w->daemon_up || !w->to_daemon.n)
			return false;
		deliver_to_daemon(w);
		return true;
	case TO_KEEPER:
		if (!w->keeper_up || !w->to_keeper.n)
			return false;
		deliver_to_keeper(w);
		return true;
	case CLIENT_ACKS:
		if (!daemon_region || !w->client_asked)
			return false;
		client_acks(w, w->region.revocation);
		return true;
	case CLIENT_ACKS_STALE:
		if (!daemon_region || !w->client_there || !w->mishaps_left || !w->region.revocation)
			return false;
		w->mishaps_left--;
		client_acks(w, w->region.revocation - 1);
		client_acks(w, w->region.revocation + 1);
		return true;
	case CLIENT_LEAVES:
		if (!daemon_region || !w->client_there)
			return false;
		w->client_there = w->client_asked = false;
		model_region_event(w, (struct region_event){ .type = REGION_HOLDER_LEFT,
							     .kind = HOLDER_CLIENT,
							     .holder = CLIENT });
		return true;
	case PEER_ACKS:
		if (!w->peer_connected || !w->peer_asked || !w->keeper_up)
			return false;
		w->peer_asked = false;
		w->peer_acked_in_time = guard_pending_revocation(&w->guard) != 0;
		model_tell_daemon(w, REGION_HOLDER_ACKED, w->guard.revocation, 0);
		return true;
	case PEER_LEAVES:
		if (!w->peer_connected || !w->keeper_up)
			return false;
		w->peer_connected = w->peer_asked = false;
		model_tell_daemon(w, REGION_HOLDER_LEFT, w->guard.revocation, 0);
		return true;
	case RELEASE:
		if (!daemon_region || w->release_wanted)
			return false;
		w->release_wanted = true;
		model_region_event(w, (struct region_event){ .type = REGION_RELEASE_WANTED });
		return true;
	case RELEASE_KINDLY:
		if (!daemon_region || w->release_wanted)
			return false;
		w->release_wanted = true;
		model_region_event(w, (struct region_event){ .type = REGION_RELEASE_WANTED,
							     .cause = CAUSE_UNMOUNT,
							     .grace_usec = 5000000 });
		return true;
	case DEMAND_PAGE_0:
		return demand(w, 0, 0);
	case DEMAND_PAGE_1:
		return demand(w, 1, 0);
	case DEMAND_LIMITED:
		return demand(w, 1, 9000000);
	case OVER_PAGE_0:
		return over(w, 0);
	case OVER_PAGE_1:
		return over(w, 1);
	case DAEMON_DIES:
		if (!w->daemon_up || !w->mishaps_left)
			return false;
		w->mishaps_left--;
		model_reset_daemon(w);
		w->daemon_up = false;
		over(w, 0);
		over(w, 1);
		return true;
	case DAEMON_STARTS:
		if (w->daemon_up || !w->keeper_up)
			return false;
		model_start_daemon(w);
		return true;
	case KEEPER_DIES:
		if (!w->keeper_up || !w->mishaps_left)
			return false;
		w->mishaps_left--;
		w->keeper_up = w->mr_alive = w->peer_connected = false;
		w->fence_pending = w->destroy_pending = w->release_pending = w->arm_pending =
			w->refresh_pending = false;
		w->timer_armed = w->report_pending = false;
		w->demand[0] = w->demand[1] = NO_DEMAND;
		w->lease = LEASE_NONE; /* the kernel closes its descriptors */
		memset(&w->to_keeper, 0, sizeof(w->to_keeper));
		memset(&w->to_daemon, 0, sizeof(w->to_daemon));
		model_region_event(w, (struct region_event){ .type = REGION_KEEPER_GONE });
		world_require(!w->daemon_up || w->removed, "the keeper is gone and its region stays");
		return true;
	default:
		return false;
	}
}
