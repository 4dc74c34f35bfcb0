/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * model.h - what the models share: events into the three machines, whose effects are then carried
 * out.
 */
#ifndef RDMAREG_EXPLORE_MODEL_H
#define RDMAREG_EXPLORE_MODEL_H

#include "world.h"

/* keeper.c */

/* Another one, that has just made the region; its numbers go on after @revocation. */
void keeper_begin(struct world *w, uint8_t region, uint64_t revocation);
void keeper_event(struct world *w, uint8_t region, struct guard_event e);
void keeper_take(struct world *w, uint8_t region, struct message m);
/* To the daemon; lost if there is none. */
void keeper_tell(struct world *w, uint8_t region, struct message m);
void keeper_drop_demands(struct world *w, uint8_t region); /* its daemon is gone */
void keeper_lose_peer(struct world *w, uint8_t user);
uint8_t keeper_pages(uint64_t start, uint64_t end);
enum region_state keeper_state(const struct site *s);
/* Nobody asked for it: it may be dropped. */
bool keeper_is_event(const struct message *m);
/* Peers can reach one of @pages. */
bool keeper_reaches(const struct site *s, uint8_t pages);

/* keeper-actions.c; false: impossible now */
bool keeper_act(struct world *w, enum action a, uint8_t region);

/* daemon.c */

void daemon_region_event(struct world *w, uint8_t region, struct region_event e);
void daemon_demand_event(struct world *w, uint8_t demand, enum demand_event_type type);
void daemon_begin_demand(struct world *w, uint8_t demand);
void daemon_take(struct world *w, uint8_t region, struct message m);
void daemon_lose_keeper(struct world *w, uint8_t region);
/* The other keeper's answer. */
void daemon_made_anew(struct world *w, uint8_t region, bool made);
void daemon_dies(struct world *w);
/* One that has just asked the keepers what they hold. */
void daemon_starts(struct world *w);
void daemon_join(struct world *w, uint8_t user, uint64_t revocation);
void daemon_forget(struct world *w);

void queue_push(struct queue *q, struct message m);
/*
 * How many of the first messages may come first: a keeper goes through its peers in an order of its
 * own, so what it tells of several at once may come in any.
 */
uint8_t queue_choices(const struct queue *q);
struct message queue_pop(struct queue *q, uint8_t nth);
/* symmetry.c: for world_init() */
void world_find_symmetries(void);

#endif
