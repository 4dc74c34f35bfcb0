// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-demands.c - operations of others on guarded files (passages of the gate), brought to every region they touch.
 *
 * One passage is one demand (core/demand.h) with a part for each region of the file whose range it takes; the parts are asked of the keepers and
 * answered when no peer can reach them. The gate keeps the deadline; whatever happens here, the passage goes on then.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/app-internal.h"
#include "core/demand.h"
#include "util/clock.h"
#include "util/log.h"

static const char *const cause_names[_REVOCATION_CAUSE_MAX] = REVOCATION_CAUSE_NAMES;

struct passage {
	struct app *app;
	uint64_t number; /* the gate's */
	uint64_t demand; /* ours, towards the keepers */
	struct demand core;
	uint32_t n_parts;
	LIST_ENTRY(passage) passages;
	uint64_t part[]; /* regions */
};

static struct passage *find_by_number(struct app *a, uint64_t number)
{
	struct passage *p;

	LIST_FOREACH(p, &a->passages, passages)
	if (p->number == number)
		return p;
	return NULL;
}

static struct passage *find_by_demand(struct app *a, uint64_t demand)
{
	struct passage *p;

	LIST_FOREACH(p, &a->passages, passages)
	if (p->demand == demand)
		return p;
	return NULL;
}

int app_send_over(struct region_entry *e, uint64_t demand)
{
	const struct keeper_message m = { .type = KEEPER_OVER, .region = e->id, .demand.demand = demand };

	return keeper_request(e->keeper, &m, -1, 0, NULL);
}

static void send_over(struct passage *p)
{
	for (uint32_t i = 0; i < p->n_parts; i++) {
		struct region_entry *e = region_table_find(p->app->table, p->part[i]);

		if (e && app_send_over(e, p->demand) < 0)
			log_warning("region %" PRIu64
				    ": its keeper cannot be told that a demand is over; it ends "
				    "with its limit",
				    e->id);
	}
}

/* False: the passage is freed. */
static bool carry_out(struct passage *p, const struct demand_effects *effects)
{
	for (size_t i = 0; i < effects->n; i++) {
		switch (effects->item[i]) {
		case DEMAND_PASS:
			gate_answer(p->app->gate, p->number, 0);
			break;
		case DEMAND_REFUSE:
			gate_answer(p->app->gate, p->number, ETXTBSY);
			break;
		case DEMAND_SEND_OVER:
			send_over(p);
			break;
		case DEMAND_FREE:
			LIST_REMOVE(p, passages);
			free(p);
			return false;
		case _DEMAND_EFFECT_MAX:
			break;
		}
	}
	return true;
}

static void step(struct passage *p, enum demand_event_type type)
{
	struct demand_effects effects;

	demand_step(&p->core, type, &effects);
	carry_out(p, &effects);
}

/* One that is being taken down can still be reached; its keeper answers when nothing is left of it. Before it is registered nobody can. */
static bool can_be_demanded(const struct region *r)
{
	return r->state != REGION_REGISTERING && r->state != REGION_LOST;
}

/* What of a region a passage takes. False: nothing. */
static bool takes(const struct gate_passage *g, const struct region *r, uint64_t *ret_start,
		  uint64_t *ret_end)
{
	uint64_t end = g->length > UINT64_MAX - g->offset ? UINT64_MAX : g->offset + g->length;
	uint64_t start = g->offset > r->offset ? g->offset : r->offset;

	if (end > r->offset + r->length)
		end = r->offset + r->length;
	if (!can_be_demanded(r) || start >= end)
		return false;
	*ret_start = start - r->offset;
	*ret_end = end - r->offset;
	return true;
}

static uint64_t grace_of(const struct region *r)
{
	return r->policy == POLICY_FOLLOW ? 0 : r->grace_usec;
}

/* Asks one region's keeper. True: an answer will come. */
static bool ask(struct passage *p, const struct region *r, struct region_entry *e,
		const struct gate_passage *g, uint64_t start, uint64_t end)
{
	struct keeper_message m = { .type = KEEPER_DEMAND, .region = r->id };
	const struct settings *s = &p->app->settings;

	m.demand.demand = p->demand;
	m.demand.offset = start;
	m.demand.length = end - start;
	m.demand.grace_usec = grace_of(r);
	m.demand.cause = g->cause;
	m.demand.pid = (uint32_t)g->pid;
	/* the gate tells when it is over; this is for a gate that we no longer hear */
	m.demand.limit_usec = s->revoke_limit_sec * USEC_PER_SEC;
	return keeper_request(e->keeper, &m, -1, (m.demand.grace_usec + USEC_PER_SEC) / USEC_PER_MSEC,
			      (void *)(uintptr_t)p->demand) == 0;
}

/* The regions that @g takes something of; how long their holders have at most, and whether one of them refuses. */
static uint32_t survey(struct app *a, const struct file *f, const struct gate_passage *g, uint64_t *ret_grace,
		       const struct region **ret_refusing)
{
	struct region_entry *e;
	uint64_t start, end;
	uint32_t n = 0;

	TAILQ_FOREACH(e, &f->regions, of_file)
	{
		const struct region *r = registry_find(a->registry, e->id);

		if (!takes(g, r, &start, &end))
			continue;
		n++;
		if (e->gated && r->policy == POLICY_HOLD)
			*ret_refusing = r;
		if (grace_of(r) > *ret_grace)
			*ret_grace = grace_of(r);
	}
	return n;
}

/* As many as survey() counted. */
static uint32_t ask_all(struct passage *p, const struct file *f, const struct gate_passage *g)
{
	struct region_entry *e;
	uint64_t start, end;
	uint32_t asked = 0;

	TAILQ_FOREACH(e, &f->regions, of_file)
	{
		const struct region *r = registry_find(p->app->registry, e->id);

		if (!takes(g, r, &start, &end))
			continue;
		p->part[p->n_parts++] = r->id;
		asked += ask(p, r, e, g, start, end);
	}
	return asked;
}

static uint64_t wanted(void *userdata, const struct gate_passage *g)
{
	struct app *a = userdata;
	struct file *f = region_table_find_file(a->table, g->device, g->inode);
	uint64_t grace = 0, margin = a->settings.deadline_margin_msec * USEC_PER_MSEC;
	const struct region *refusing = NULL;
	uint32_t n = f ? survey(a, f, g, &grace, &refusing) : 0, asked = 0;
	struct passage *p = calloc(1, sizeof(*p) + n * sizeof(p->part[0]));
	struct demand_effects effects;

	if (!p) {
		gate_answer(a->gate, g->number, 0);
		return margin;
	}
	p->app = a;
	p->number = g->number;
	p->demand = ++a->demands;
	LIST_INSERT_HEAD(&a->passages, p, passages);
	if (refusing)
		log_info("region %" PRIu64 ": held: process %d may not %s", refusing->id, (int)g->pid,
			 cause_names[g->cause]);
	if (n && !refusing)
		asked = ask_all(p, f, g);
	demand_begin(&p->core, asked, refusing != NULL, &effects);
	if (carry_out(p, &effects) && refusing)
		step(p, DEMAND_ENDED); /* the gate has no more to say about it */
	return grace + margin;
}

static void expired(void *userdata, uint64_t number)
{
	struct passage *p = find_by_number(userdata, number);

	if (!p)
		return;
	log_warning("an operation on a guarded file went on at its deadline, before every region was fenced");
	step(p, DEMAND_DEADLINE);
}

static void over(void *userdata, uint64_t number)
{
	struct passage *p = find_by_number(userdata, number);

	if (p)
		step(p, DEMAND_ENDED);
}

static bool is_ours(void *userdata, pid_t pid)
{
	struct app *a = userdata;

	return keepers_have_pid(a->keepers, pid);
}

const struct gate_ops app_gate_ops = {
	.wanted = wanted,
	.expired = expired,
	.over = over,
	.is_ours = is_ours,
};

void app_demand_answered(struct app *a, const struct answer *n)
{
	uint64_t demand = (uint64_t)(uintptr_t)n->context;
	struct passage *p = find_by_demand(a, demand);

	if (!p) {
		app_revoke_answered(a, demand, n);
		return;
	}
	if (n->error == -EDQUOT)
		log_warning("region %" PRIu64 ": %s", n->region, n->text);
	step(p, n->error == -EDQUOT ? DEMAND_PART_FAILED : DEMAND_PART_DONE);
}

void app_free_passages(struct app *a)
{
	struct passage *p;

	while ((p = LIST_FIRST(&a->passages))) {
		LIST_REMOVE(p, passages);
		free(p);
	}
}
