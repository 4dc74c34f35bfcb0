// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-terms.c - what a region's keeper goes by. What is wanted is what the daemon shows; what the
 * keeper has follows from its answers. Where the two may differ, because a change was late or was
 * under way when an earlier daemon ended, the region is unsettled, and its keeper is asked again
 * until it has what is wanted: it refuses while it revokes the region.
 *
 * What always holds: unsettled regions are those in app.unsettled, which are looked at every second
 * as long as there are any; and none is asked for while an answer of the kind is to come, since of
 * two changes the later one is in force.
 */
#include <errno.h>

#include "arbiter/app-internal.h"
#include "util/clock.h"

#define TURN_REGIONS 64 /* that are looked at in one turn */
#define TURN_USEC USEC_PER_SEC
#define TURN_CROWDED_USEC (100 * USEC_PER_MSEC) /* there are more */

int app_ask_terms(const struct region *r, struct region_entry *e, const struct terms *t,
		  void *context)
{
	struct keeper_message m = { .type = KEEPER_CONFIGURE, .region = r->id };
	int error;

	m.info.policy = (uint8_t)t->policy;
	m.info.grace_usec = t->grace_usec;
	m.info.gated = t->gated;
	m.info.warm_mode = (uint8_t)t->warm_mode;
	error = proxy_request(e->keeper, &m, -1, 0, context);
	e->terms_asked += error == 0;
	return error;
}

static void ask(const struct region *r, struct region_entry *e)
{
	const struct terms wanted = {
		.policy = (enum region_policy)r->policy,
		.grace_usec = r->grace_usec,
		.warm_mode = (enum warm_mode)e->text.warm_mode,
		.gated = app_promises_gate(e),
	};

	if (!e->unsettled || e->terms_asked || r->close_wanted ||
	    (r->state != REGION_LIVE && r->state != REGION_WARMING))
		return;
	app_ask_terms(r, e, &wanted, NULL); /* an error: the next turn does it */
}

static void settled(struct app *a, struct region_entry *e)
{
	if (e->unsettled)
		TAILQ_REMOVE(&a->unsettled, e, of_unsettled);
	e->unsettled = false;
}

static void unsettled(struct app *a, struct region_entry *e)
{
	const struct timeval turn = timeval_from_usec(TURN_USEC);

	if (e->unsettled)
		return;
	e->unsettled = true;
	TAILQ_INSERT_TAIL(&a->unsettled, e, of_unsettled);
	if (!evtimer_pending(a->terms_turn, NULL))
		evtimer_add(a->terms_turn, &turn);
}

static void on_turn(evutil_socket_t fd, short what, void *userdata)
{
	struct app *a = userdata;
	struct region_entry *e;
	unsigned int n = 0;
	struct timeval next;

	(void)fd, (void)what;
	while (n++ < TURN_REGIONS && (e = TAILQ_FIRST(&a->unsettled))) {
		TAILQ_REMOVE(&a->unsettled, e, of_unsettled);
		TAILQ_INSERT_TAIL(&a->unsettled, e, of_unsettled);
		ask(registry_find(a->registry, e->id), e);
	}
	next = timeval_from_usec(n > TURN_REGIONS ? TURN_CROWDED_USEC : TURN_USEC);
	if (!TAILQ_EMPTY(&a->unsettled))
		evtimer_add(a->terms_turn, &next);
}

void app_settle_terms(struct app *a, const struct region *r, struct region_entry *e)
{
	unsettled(a, e);
	ask(r, e);
}

void app_terms_answered(struct app *a, const struct proxy *k, const struct answer *n)
{
	const struct region *r = registry_find(a->registry, n->region);
	struct region_entry *e = region_table_find(a->table, n->region);

	if (!r || e->keeper != k) /* another keeper has it by now, and was told what is wanted */
		return;
	e->terms_asked -= !n->pending;
	if (!n->error && !n->late)
		settled(a, e);
	else if (!n->error || !n->message)
		unsettled(a, e);
	if (n->late)
		ask(r, e);
}

void app_forget_terms(struct app *a, struct region_entry *e)
{
	settled(a, e);
	e->terms_asked = 0;
}

int app_watch_terms(struct app *a)
{
	TAILQ_INIT(&a->unsettled);
	a->terms_turn = evtimer_new(loop_base(a->loop), on_turn, a);
	return a->terms_turn ? 0 : -ENOMEM;
}

void app_free_terms(struct app *a)
{
	if (a->terms_turn)
		event_free(a->terms_turn);
}
