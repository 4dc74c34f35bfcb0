/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard-demands.h - the demands a guard has been given: a small set, kept in the guard itself. For
 * guard.c and nobody else.
 *
 * What always holds: a demand is granted only while the fence covers its range.
 */
#ifndef RDMAREG_GUARD_DEMANDS_H
#define RDMAREG_GUARD_DEMANDS_H

#include "core/guard.h"

/* Is [start, end) unreachable? */
static inline bool guard_covers(const struct guard *g, uint64_t start, uint64_t end)
{
	return g->fenced && start >= g->fence_start && end <= g->fence_end;
}

/* A time so far away that it does not fit is the last one there is, not one long past. */
static inline uint64_t guard_after(uint64_t now_usec, uint64_t usec)
{
	uint64_t then_usec = now_usec + usec;

	return then_usec < now_usec ? UINT64_MAX : then_usec;
}

/* Take a new one in, or widen the one of that number; one too many is ignored. */
void demands_add(struct guard *g, const struct guard_event *e);
/* False: there is none of this number. */
bool demands_remove(struct guard *g, uint64_t id);

/* Any at all. */
bool demands_any(const struct guard *g);
/* Any that is not put off. */
bool demands_hold(const struct guard *g);
bool demands_any_put_off(const struct guard *g);

/* By somebody who takes blocks, not by an administrator. */
bool demands_is_taker(enum revocation_cause cause);

/* False: it cannot wait, or what is closed now stays closed anyway, by an administrator's will. */
bool demands_put_off(struct guard *g, uint64_t id, uint64_t now_usec);
/* Those whose time to be asked for has come are put off no longer. True if there was one. */
bool demands_recall(struct guard *g, uint64_t now_usec);
/* When the first that is not granted has to be asked for; UINT64_MAX: there is none. */
uint64_t demands_next_ask(const struct guard *g);

/* Mark those that the fence covers. True if a new one is. */
bool demands_grant(struct guard *g, uint64_t now_usec);

/* Forget those whose time is over. True if there was one. */
bool demands_expire(struct guard *g, uint64_t now_usec);

/* When the next one ends by itself; 0: none does. */
uint64_t demands_next_end(const struct guard *g);

/*
 * What those that are not granted want: the smallest range over all of them, the earliest deadline,
 * the cause of the one with it. False: all are granted.
 */
bool demands_waiting(const struct guard *g, uint64_t *ret_start, uint64_t *ret_end,
		     uint64_t *ret_deadline_usec, enum revocation_cause *ret_cause);

#endif
