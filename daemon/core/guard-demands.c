// SPDX-License-Identifier: GPL-2.0-or-later
/* guard-demands.c - see guard-demands.h. */
#include "core/guard-demands.h"

static struct guard_demand *find(struct guard *g, uint64_t id)
{
	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++)
		if (g->demand[i].id == id)
			return &g->demand[i];
	return NULL;
}

const struct guard_demand *guard_find_demand(const struct guard *g, uint64_t id)
{
	for (size_t i = 0; id && i < GUARD_DEMANDS_MAX; i++)
		if (g->demand[i].id == id)
			return &g->demand[i];
	return NULL;
}

bool guard_takes_demand(const struct guard *g)
{
	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++)
		if (!g->demand[i].id)
			return true;
	return false;
}

bool demands_is_taker(enum revocation_cause cause)
{
	return cause <= CAUSE_WRITE;
}

/* The second half of the grace is for holders to answer. */
static uint64_t ask_at(const struct guard_event *e)
{
	return demands_is_taker(e->cause) ? guard_after(e->now_usec, e->grace_usec / 2)
					  : e->now_usec;
}

/*
 * One more of the same number: what it was is part of what it is now. It is granted anew, at once
 * where the fence covers that, so its time counts from the last of them; a wish of before that was
 * granted already hurries nobody any more.
 */
static void widen(struct guard_demand *d, const struct guard_event *e)
{
	uint64_t deadline_usec = guard_after(e->now_usec, e->grace_usec);

	d->start = e->start < d->start ? e->start : d->start;
	d->end = e->end > d->end ? e->end : d->end;
	if (d->granted || deadline_usec < d->deadline_usec) {
		d->deadline_usec = deadline_usec;
		d->ask_usec = ask_at(e);
		d->cause = e->cause;
	}
	d->limit_usec = !d->limit_usec || !e->limit_usec ? 0
			: e->limit_usec > d->limit_usec	 ? e->limit_usec
							 : d->limit_usec;
	d->granted = false;
	d->ends_usec = 0;
}

void demands_add(struct guard *g, const struct guard_event *e)
{
	struct guard_demand *d;

	if (!e->demand)
		return;
	d = find(g, e->demand);
	if (d) {
		widen(d, e);
		return;
	}
	d = find(g, 0);
	if (!d)
		return;
	*d = (struct guard_demand){
		.id = e->demand,
		.start = e->start,
		.end = e->end,
		.deadline_usec = guard_after(e->now_usec, e->grace_usec),
		.limit_usec = e->limit_usec,
		.ask_usec = ask_at(e),
		.cause = e->cause,
	};
}

bool demands_put_off(struct guard *g, uint64_t id, uint64_t now_usec)
{
	struct guard_demand *d = find(g, id);

	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++)
		if (g->demand[i].granted && !demands_is_taker(g->demand[i].cause))
			return false;
	if (!d || d->ask_usec <= now_usec)
		return false;
	d->put_off = true;
	return true;
}

bool demands_recall(struct guard *g, uint64_t now_usec)
{
	bool any = false;

	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++)
		if (g->demand[i].put_off && g->demand[i].ask_usec <= now_usec) {
			g->demand[i].put_off = false;
			any = true;
		}
	return any;
}

bool demands_any_put_off(const struct guard *g)
{
	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++)
		if (g->demand[i].put_off)
			return true;
	return false;
}

bool demands_hold(const struct guard *g)
{
	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++)
		if (g->demand[i].id && !g->demand[i].put_off)
			return true;
	return false;
}

uint64_t demands_next_ask(const struct guard *g)
{
	uint64_t next = UINT64_MAX;

	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++)
		if (g->demand[i].id && !g->demand[i].granted && g->demand[i].ask_usec < next)
			next = g->demand[i].ask_usec;
	return next;
}

bool demands_remove(struct guard *g, uint64_t id)
{
	struct guard_demand *d = id ? find(g, id) : NULL;

	if (!d)
		return false;
	*d = (struct guard_demand){ .id = 0 };
	return true;
}

bool demands_any(const struct guard *g)
{
	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++)
		if (g->demand[i].id)
			return true;
	return false;
}

bool demands_grant(struct guard *g, uint64_t now_usec)
{
	bool any = false;

	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++) {
		struct guard_demand *d = &g->demand[i];

		if (!d->id || d->granted || d->put_off || !guard_covers(g, d->start, d->end))
			continue;
		d->granted = true;
		d->ends_usec = d->limit_usec ? guard_after(now_usec, d->limit_usec) : 0;
		any = true;
	}
	return any;
}

bool demands_expire(struct guard *g, uint64_t now_usec)
{
	bool any = false;

	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++)
		if (g->demand[i].ends_usec && g->demand[i].ends_usec <= now_usec) {
			demands_remove(g, g->demand[i].id);
			any = true;
		}
	return any;
}

uint64_t demands_next_end(const struct guard *g)
{
	uint64_t next = 0;

	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++)
		if (g->demand[i].ends_usec && (!next || g->demand[i].ends_usec < next))
			next = g->demand[i].ends_usec;
	return next;
}

bool demands_waiting(const struct guard *g, uint64_t *ret_start, uint64_t *ret_end,
		     uint64_t *ret_deadline_usec, enum revocation_cause *ret_cause)
{
	bool any = false;

	for (size_t i = 0; i < GUARD_DEMANDS_MAX; i++) {
		const struct guard_demand *d = &g->demand[i];

		if (!d->id || d->granted || d->put_off)
			continue;
		if (!any || d->start < *ret_start)
			*ret_start = d->start;
		if (!any || d->end > *ret_end)
			*ret_end = d->end;
		if (!any || d->deadline_usec < *ret_deadline_usec) {
			*ret_deadline_usec = d->deadline_usec;
			*ret_cause = d->cause;
		}
		any = true;
	}
	return any;
}
