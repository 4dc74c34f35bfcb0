/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * demand.h - somebody wants a range of a file that several regions may cover: one demand, with a
 * part for each region, as a pure state machine of the daemon.
 *
 *   WAITING -> PASSED -> over          every part is unreachable, or it was too late to wait:
 *   whoever waits may go on
 *      |          ^
 *      |          '-- deadline
 *      '-> REFUSED -> over             a region holds its blocks
 *
 * What always holds:
 *   1. Whoever waits is answered exactly once: DEMAND_PASS, or DEMAND_REFUSE, or not at all if he
 *      went away first.
 *   2. Before the deadline DEMAND_PASS is emitted only when no peer can reach any part.
 *   3. DEMAND_SEND_OVER is emitted exactly once for a demand that was not refused, so no region
 *      stays closed for it.
 *   4. DEMAND_FREE is the last effect; it follows the last answer that is still under way.
 *
 * No I/O, no clock, no allocation.
 */
#ifndef RDMAREG_DEMAND_H
#define RDMAREG_DEMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum demand_state {
	DEMAND_WAITING,
	DEMAND_PASSED,
	DEMAND_REFUSED,
	_DEMAND_STATE_MAX,
};

enum demand_event_type {
	DEMAND_PART_DONE, /* a region's part is unreachable, the region is gone, or its keeper is */
	/* a region could not take the demand: whoever waits has to wait for his deadline */
	DEMAND_PART_FAILED,
	DEMAND_DEADLINE, /* whoever waits was let through without us */
	DEMAND_ENDED,	 /* he is done, or went away */
	_DEMAND_EVENT_MAX,
};

enum demand_effect_type {
	DEMAND_PASS,
	DEMAND_REFUSE,
	DEMAND_SEND_OVER, /* to every keeper that has a part */
	DEMAND_FREE,
	_DEMAND_EFFECT_MAX,
};

#define DEMAND_EFFECTS_MAX 4

struct demand_effects {
	size_t n;
	enum demand_effect_type item[DEMAND_EFFECTS_MAX];
};

struct demand {
	uint8_t state;
	bool failed;
	bool ended;
	uint32_t parts; /* whose answer is still under way */
};

/**
 * demand_begin - a demand on @parts regions
 * @refused: one of them holds: no region is asked, whatever @parts is
 */
void demand_begin(struct demand *d, uint32_t parts, bool refused,
		  struct demand_effects *ret_effects);

void demand_step(struct demand *d, enum demand_event_type type, struct demand_effects *ret_effects);

#endif
