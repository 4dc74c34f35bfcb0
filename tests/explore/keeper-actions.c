// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-actions.c - what can happen next to one keeper: reports, timers, completions and their
 * failures, its death.
 */
#include <errno.h>
#include <string.h>

#include "model.h"

/*
 * The level that a collect would show now, as an event; with the range if the breaker's demand was
 * granted.
 */
static void report(struct world *w, uint8_t region)
{
	struct site *s = &w->site[region];
	bool known = s->breaker != STRANGER && s->part[s->breaker].state == PART_GRANTED;
	bool expired = s->lease == LEASE_EXPIRED;

	s->report_pending = false;
	keeper_event(
		w, region,
		(struct guard_event){ .type = expired ? GUARD_EXPIRED : GUARD_BROKEN,
				      .now_usec = s->broken_usec,
				      .break_id = s->break_id,
				      .start = known ? world_setup->demand[s->breaker].start : 0,
				      .end = known ? world_setup->demand[s->breaker].end : PAGES,
				      .cause = CAUSE_TRUNCATE });
}

static void shift(uint64_t *usec, uint64_t by)
{
	*usec = !*usec ? 0 : *usec > by ? *usec - by : 1;
}

bool world_lets_the_file_be(const struct site *s)
{
	for (uint64_t i = 0; i < DEMANDS; i++)
		if (guard_find_demand(&s->guard, i + 1))
			return false; /* it may be put off */
	return s->guard.state == GUARD_PROBATION || s->guard.state == GUARD_WAITING;
}

static void fire_timer(struct world *w, uint8_t region)
{
	struct site *s = &w->site[region];
	uint64_t by = s->timer_at > NOW && !world_lets_the_file_be(s) ? s->timer_at - NOW : 0;

	s->timer_at = 0;
	s->fresh = s->fresh && !by;
	shift(&s->guard.deadline_usec, by);
	shift(&s->guard.settled_usec, by);
	shift(&s->guard.respite_usec, by);
	shift(&s->guard.closed_usec, by);
	shift(&s->guard.rest_usec, by);
	shift(&s->promised_usec, by);
	shift(&s->close_usec, by);
	shift(&s->region.close_deadline_usec, by);
	shift(&s->broken_usec, by);
	shift(&s->guard.break_began_usec, by);
	for (int i = 0; i < DEMANDS; i++) {
		shift(&s->part[i].deadline_usec, by);
		shift(&s->guard.demand[i].deadline_usec, by);
		shift(&s->guard.demand[i].ends_usec, by);
		shift(&s->guard.demand[i].ask_usec, by);
	}
	keeper_event(w, region, (struct guard_event){ .type = GUARD_TIMER_FIRED });
}

#define WIDER 1 /* no failure, but a mishap: there is no mapping left for a part */

static void fenced(struct world *w, uint8_t region, int error)
{
	struct site *s = &w->site[region];

	struct guard_event e = { .type = GUARD_FENCE_DONE,
				 .start = s->guard.ask_start,
				 .end = s->guard.ask_end };

	if (error == WIDER) {
		e.start = 0;
		e.end = PAGES;
	} else {
		e.error = error;
	}
	if (!e.error)
		s->fenced_pages |= keeper_pages(e.start, e.end);
	keeper_event(w, region, e);
}

static void released(struct world *w, uint8_t region)
{
	struct site *s = &w->site[region];
	bool late = s->lease != LEASE_BREAKING;

	if (!late)
		s->lease = LEASE_RELEASED;
	keeper_event(
		w, region,
		(struct guard_event){ .type = GUARD_RELEASE_DONE, .error = late ? -ESTALE : 0 });
}

static void armed(struct world *w, uint8_t region, int error)
{
	if (!error)
		w->site[region].lease = LEASE_ARMED;
	keeper_event(w, region, (struct guard_event){ .type = GUARD_ARM_DONE, .error = error });
}

static void refreshed(struct world *w, uint8_t region, int error)
{
	if (!error)
		w->site[region].fenced_pages = 0;
	keeper_event(w, region,
		     (struct guard_event){ .type = GUARD_REFRESH_DONE,
					   .error = error,
					   .valid_length = w->file_length });
}

/* A completion of what @region's keeper has under way; a failure is a mishap. */
static bool complete(struct world *w, uint8_t region, enum action a)
{
	static const struct {
		uint8_t op;
		void (*done)(struct world *, uint8_t, int);
		int error;
	} how[_ACTION_MAX] = {
		[FENCE_OK] = { OP_FENCE, fenced, 0 },
		[FENCE_WIDE] = { OP_FENCE, fenced, WIDER },
		[FENCE_FAILS] = { OP_FENCE, fenced, -ENOMEM },
		[ARM_OK] = { OP_ARM, armed, 0 },
		[ARM_AGAIN] = { OP_ARM, armed, -EAGAIN },
		[ARM_FAILS] = { OP_ARM, armed, -EIO },
		[REFRESHED] = { OP_REFRESH, refreshed, 0 },
		[REFRESH_FAILS] = { OP_REFRESH, refreshed, -EIO },
	};
	struct site *s = &w->site[region];

	if (!(s->under_way & how[a].op) || (how[a].error && !w->mishaps_left))
		return false;
	s->under_way &= (uint8_t)~how[a].op;
	w->mishaps_left -= how[a].error != 0;
	how[a].done(w, region, how[a].error);
	return true;
}

static bool demand_fails(struct world *w, uint8_t region)
{
	struct queue *q = &w->site[region].to_keeper;

	if (!w->mishaps_left || !q->n || q->item[0].type != ASK_DEMAND || q->item[0].value)
		return false;
	w->mishaps_left--;
	q->item[0].value = true;
	return true;
}

static void keeper_dies(struct world *w, uint8_t region)
{
	struct site *s = &w->site[region];

	s->keeper_up = s->mr_alive = s->report_pending = s->missed = false;
	s->under_way = 0;
	s->timer_at = 0;
	s->lease = LEASE_NONE; /* the kernel closes its descriptors */
	memset(s->part, 0, sizeof(s->part));
	memset(&s->to_keeper, 0, sizeof(s->to_keeper));
	memset(&s->to_daemon, 0, sizeof(s->to_daemon));
	for (uint8_t i = 0; i < world_setup->holders; i++)
		if (world_setup->holder[i].kind == HOLDER_PEER &&
		    world_setup->holder[i].region == region)
			w->user[i] = (struct user){ .there = false };
	daemon_lose_keeper(w, region);
}

/*
 * What is on its way is dropped, and what follows, but for answers. Between two keepers there is
 * nobody who could tell anything.
 */
static bool miss(struct world *w, uint8_t region)
{
	struct site *s = &w->site[region];
	uint8_t kept = 0;

	if (!w->misses_left || !w->daemon_up || s->missed || s->anew)
		return false;
	w->misses_left--;
	s->missed = true;
	for (uint8_t i = 0; i < s->to_daemon.n; i++)
		if (!keeper_is_event(&s->to_daemon.item[i]))
			s->to_daemon.item[kept++] = s->to_daemon.item[i];
	s->to_daemon.n = kept;
	return true;
}

static bool resync(struct world *w, uint8_t region)
{
	struct site *s = &w->site[region];

	if (!s->missed)
		return false;
	s->missed = false;
	keeper_tell(w, region, (struct message){ .type = TELL_RESYNC });
	return true;
}

bool keeper_act(struct world *w, enum action a, uint8_t region)
{
	struct site *s = &w->site[region];

	if (!s->keeper_up)
		return false;
	switch (a) {
	case REPORT:
		if (!s->report_pending)
			return false;
		report(w, region);
		return true;
	case DESTROYED:
		if (!(s->under_way & OP_DESTROY))
			return false;
		s->under_way &= (uint8_t)~OP_DESTROY;
		s->mr_alive = false;
		keeper_event(w, region, (struct guard_event){ .type = GUARD_DESTROY_DONE });
		return true;
	case RELEASED:
		if (!(s->under_way & OP_RELEASE))
			return false;
		s->under_way &= (uint8_t)~OP_RELEASE;
		released(w, region);
		return true;
	case FENCE_OK:
	case FENCE_WIDE:
	case FENCE_FAILS:
	case ARM_OK:
	case ARM_AGAIN:
	case ARM_FAILS:
	case REFRESHED:
	case REFRESH_FAILS:
		return complete(w, region, a);
	case TO_KEEPER:
		if (!s->to_keeper.n)
			return false;
		keeper_take(w, region, queue_pop(&s->to_keeper, 0));
		return true;
	case TIMER:
		if (!s->timer_at)
			return false;
		fire_timer(w, region);
		return true;
	case KERNEL_DEADLINE:
		if (s->lease != LEASE_BREAKING)
			return false;
		s->lease = LEASE_EXPIRED;
		s->report_pending = true;
		return true;
	case MISS:
		return miss(w, region);
	case RESYNC:
		return resync(w, region);
	case BREAKER_KILLED: /* it is told with or after the break itself */
		if (s->lease != LEASE_BREAKING || s->report_pending || !w->mishaps_left)
			return false;
		w->mishaps_left--;
		keeper_event(
			w, region,
			(struct guard_event){ .type = GUARD_HURRIED, .break_id = s->break_id });
		return true;
	case DEMAND_FAILS:
		return demand_fails(w, region);
	case KEEPER_DIES:
		if (!w->mishaps_left)
			return false;
		w->mishaps_left--;
		keeper_dies(w, region);
		return true;
	default:
		return false;
	}
}
