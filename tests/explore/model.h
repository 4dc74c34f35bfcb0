/* SPDX-License-Identifier: GPL-2.0-or-later */
/* model.h - what world.c and actions.c share: events into the two machines, whose effects are then carried out by the models. */
#ifndef RDMAREG_EXPLORE_MODEL_H
#define RDMAREG_EXPLORE_MODEL_H

#include "world.h"

#define NOW 10000000u /* times are shifted so that now is always this */

void model_guard_event(struct world *w, struct guard_event e);
void model_region_event(struct world *w, struct region_event e);

/* From keeper to daemon; lost if no daemon is there. */
void model_tell_daemon(struct world *w, enum region_event_type type, uint64_t revocation,
		       enum revocation_outcome outcome);

/* A daemon that knows nothing, and one that has just asked the keeper what it holds. */
void model_reset_daemon(struct world *w);
void model_start_daemon(struct world *w);

#endif
