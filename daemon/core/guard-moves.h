/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guard-moves.h - what a guard can do next: ask, fence, go on, end. For guard.c and nobody else,
 * which decides when.
 *
 * What always holds: each move leaves the guard in the state that waits for the completion of the
 * effect it emitted.
 */
#ifndef RDMAREG_GUARD_MOVES_H
#define RDMAREG_GUARD_MOVES_H

#include "core/guard-demands.h"

/*
 * A breaker that never stops must not keep peers out for ever: after so many rounds the region
 * opens as soon as it is watched again.
 */
#define MAX_ROUNDS 5

struct guard_effect *guard_emit(const struct guard *g, struct guard_effects *out,
				enum guard_effect_type type);
void guard_emit_timer(const struct guard *g, struct guard_effects *out, uint64_t at_usec);
/*
 * While holders are asked: their deadline, or the end of a demand that was granted before, if that
 * is sooner.
 */
void guard_emit_asked_timer(const struct guard *g, struct guard_effects *out);
/* Said once for each break. */
void guard_emit_given_back(struct guard *g, struct guard_effects *out, bool by_kernel);
/* @valid_length is taken over first: whoever carries the effect out reads it there. */
void guard_emit_settled(struct guard *g, struct guard_effects *out, uint64_t valid_length);

void guard_begin_fence(struct guard *g, struct guard_effects *out);
void guard_begin_refresh(struct guard *g, struct guard_effects *out);
/* At once: whoever had a grace has had it. */
void guard_begin_close(struct guard *g, struct guard_effects *out);
/* Whoever leaves holders less time counts. */
void guard_want_close(struct guard *g, const struct guard_event *e);
/* Holders have had the time that they were to have, or have nothing any more. */
bool guard_close_is_due(const struct guard *g, uint64_t now_usec);
void guard_ask_for_close(struct guard *g, struct guard_effects *out, uint64_t now_usec);
/* With time for its holders to finish, if it is not fenced already. */
void guard_close_kindly(struct guard *g, const struct guard_event *e, struct guard_effects *out);
/* Behind a fence around all of it. */
void guard_die(struct guard *g, struct guard_effects *out);

/* Nothing is under way and something is fenced, or was to be: whatever comes next. */
void guard_go_on(struct guard *g, struct guard_effects *out, uint64_t now_usec);
/* It is watched again, or cannot be: see whether the breaker comes back. */
void guard_begin_probation(struct guard *g, struct guard_effects *out, uint64_t now_usec);
/*
 * While WAITING or in PROBATION: its end, or when a demand ends or cannot be put off any longer, if
 * that is sooner.
 */
void guard_emit_rest_timer(struct guard *g, struct guard_effects *out, uint64_t now_usec);

/* It opens: how long holders are left alone. Before the fence is forgotten. */
void guard_begin_respite(struct guard *g, uint64_t now_usec);
/* Open, and something may be wanted: ask for it, now or once holders have had their time. */
void guard_want(struct guard *g, struct guard_effects *out, uint64_t now_usec);
/* Takes a demand in while something is fenced. False: it waits until the region has been open. */
bool guard_take_demand(struct guard *g, const struct guard_event *e);

/* Ask for what demands wait for. False: there are none. */
bool guard_ask_for_demands(struct guard *g, struct guard_effects *out, uint64_t now_usec);

/* The kernel numbers breaks upwards: anything else is a late word about one that is over. */
bool guard_is_new_break(const struct guard *g, const struct guard_event *e);
void guard_note_break(struct guard *g, const struct guard_event *e);
/* Something else is under way: remember it for when that is done. */
void guard_take_break(struct guard *g, const struct guard_event *e);
/*
 * The break that was noted, outside of what is fenced: its holders have a grace, unless it is too
 * late for one.
 */
void guard_ask_for_break(struct guard *g, struct guard_effects *out, uint64_t now_usec);
/*
 * The breaker cannot wait any longer: the grace of this break is over. False: it is of no break
 * that waits.
 */
bool guard_hurry(struct guard *g, const struct guard_event *e);
/* The same with the region open. */
void guard_open_broken(struct guard *g, uint64_t now_usec, struct guard_effects *out);
/*
 * The breaker came back, or another one came, while something is fenced: it is let through at once
 * if the fence covers it.
 */
void guard_again_broken(struct guard *g, const struct guard_event *e, struct guard_effects *out);

#endif
