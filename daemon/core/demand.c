// SPDX-License-Identifier: GPL-2.0-or-later
/* demand.c - see demand.h. */
#include "core/demand.h"

#include <assert.h>

static void emit(struct demand_effects *out, enum demand_effect_type type)
{
	assert(out->n < DEMAND_EFFECTS_MAX);
	out->item[out->n++] =
		type; /* never as many as DEMAND_EFFECTS_MAX; the unit test checks it */
}

static void free_if_over(struct demand *d, struct demand_effects *out)
{
	if (d->ended && !d->parts)
		emit(out,
		     DEMAND_FREE); /* once: nothing comes here after the end but the last parts */
}

void demand_begin(struct demand *d, uint32_t parts, bool refused,
		  struct demand_effects *ret_effects)
{
	*d = (struct demand){ .state = DEMAND_WAITING, .parts = refused ? 0 : parts };
	ret_effects->n = 0;
	if (refused) {
		d->state = DEMAND_REFUSED;
		emit(ret_effects, DEMAND_REFUSE);
	} else if (!parts) {
		d->state = DEMAND_PASSED;
		emit(ret_effects, DEMAND_PASS);
	}
}

static void on_part(struct demand *d, bool failed, struct demand_effects *out)
{
	if (!d->parts)
		return;
	d->parts--;
	d->failed = d->failed || failed;
	if (!d->parts && !d->failed && d->state == DEMAND_WAITING && !d->ended) {
		d->state = DEMAND_PASSED;
		emit(out, DEMAND_PASS);
	}
	free_if_over(d, out);
}

static void on_ended(struct demand *d, struct demand_effects *out)
{
	if (d->ended)
		return;
	d->ended = true;
	if (d->state != DEMAND_REFUSED)
		emit(out, DEMAND_SEND_OVER);
	free_if_over(d, out);
}

void demand_step(struct demand *d, enum demand_event_type type, struct demand_effects *ret_effects)
{
	assert(d->state < _DEMAND_STATE_MAX && (d->state != DEMAND_REFUSED || !d->parts));
	ret_effects->n = 0;
	switch (type) {
	case DEMAND_PART_DONE:
	case DEMAND_PART_FAILED:
		on_part(d, type == DEMAND_PART_FAILED, ret_effects);
		break;
	case DEMAND_DEADLINE:
		if (d->state == DEMAND_WAITING)
			d->state = DEMAND_PASSED; /* by somebody else: nothing to answer */
		break;
	case DEMAND_ENDED:
		on_ended(d, ret_effects);
		break;
	case _DEMAND_EVENT_MAX:
		break;
	}
}
