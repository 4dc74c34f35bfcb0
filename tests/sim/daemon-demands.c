// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * daemon-demands.c - passages of the gate, revokes and syncs in this world. A passage is the real
 * demand machine (core/demand.h) with a part for each region that it touches.
 *
 * What always holds: whoever waits at the gate goes on at its deadline at the latest; and before
 * it, if everybody who is asked is well.
 */
#include <errno.h>
#include <string.h>

#include "sim.h"

bool daemon_guards(struct sim *s, uint8_t file)
{
	for (int i = 0; s->daemon.process.up && i < ENTRIES; i++) {
		const struct entry *e = &s->daemon.entry[i];

		if (e->id && e->spec.gated && e->spec.file == file)
			return true;
	}
	return false;
}

static struct passage *find(struct sim *s, uint64_t op)
{
	for (int i = 0; op && i < OPS; i++)
		if (s->daemon.passage[i].op == op)
			return &s->daemon.passage[i];
	return NULL;
}

static void send_over(struct sim *s, const struct passage *p)
{
	for (uint32_t i = 0; i < p->n; i++) {
		struct entry *e = daemon_find(s, p->part[i]);

		if (e)
			daemon_ask(s, e, (struct message){ .type = ASK_OVER, .demand = p->demand });
	}
}

static void carry_out(struct sim *s, struct passage *p, const struct demand_effects *effects)
{
	sim_require(s, effects->n <= DEMAND_EFFECTS_MAX, "demand effects overflow");
	for (size_t i = 0; i < effects->n; i++) {
		sim_require(s, p->op != 0, "an effect after DEMAND_FREE");
		switch (effects->item[i]) {
		case DEMAND_PASS:
		case DEMAND_REFUSE:
			sim_require(s, !p->answered, "somebody at the gate is answered twice");
			p->answered = true;
			if (effects->item[i] == DEMAND_REFUSE)
				fs_refused(s, p->op);
			else
				fs_passed(s, p->op, p->part, p->n);
			break;
		case DEMAND_SEND_OVER:
			send_over(s, p);
			break;
		case DEMAND_FREE:
			memset(p, 0, sizeof(*p));
			break;
		case _DEMAND_EFFECT_MAX:
			break;
		}
	}
}

static void step(struct sim *s, struct passage *p, enum demand_event_type type)
{
	struct demand_effects effects;

	demand_step(&p->core, type, &effects);
	carry_out(s, p, &effects);
}

/* Was everybody well since it began? */
static bool was_well(struct sim *s, const struct passage *p)
{
	bool well = !p->failed && s->daemon.process.trouble < p->began;

	for (uint32_t i = 0; i < p->n; i++)
		well = well && s->keeper[p->tenant[i]].trouble < p->began;
	return well;
}

static void expired(struct sim *s, const struct event *e)
{
	struct passage *p = find(s, e->a);

	if (!p || p->answered)
		return;
	sim_note(s, "op %u: the gate's deadline", (unsigned int)e->a);
	sim_require(s, !was_well(s, p),
		    "the gate's deadline was faster than daemon and keepers without any trouble");
	p->answered = true;
	step(s, p, DEMAND_DEADLINE);
	fs_passed(s, e->a, NULL, 0);
}

static uint64_t grace_of(const struct region *r)
{
	return r->policy == POLICY_FOLLOW ? 0 : r->grace_usec;
}

static bool cut(const struct region *r, const struct op *o, struct message *m)
{
	uint64_t start = o->start * PAGE > r->offset ? o->start * PAGE : r->offset;
	uint64_t end =
		o->end * PAGE < r->offset + r->length ? o->end * PAGE : r->offset + r->length;

	if (start >= end || r->state == REGION_REGISTERING || r->state == REGION_CLOSING)
		return false;
	m->start = start - r->offset;
	m->end = end - r->offset;
	return true;
}

void daemon_wanted(struct sim *s, const struct event *e)
{
	const struct op *o = fs_op(s, e->a);
	struct message m = { .type = ASK_DEMAND,
			     .pid = (uint32_t)e->a,
			     .limit_usec = DEMAND_LIMIT };
	struct passage *p = NULL;
	struct demand_effects effects;
	uint64_t grace = 0;
	bool refused = false;

	for (int i = 0; i < OPS && !p; i++)
		if (!s->daemon.passage[i].op)
			p = &s->daemon.passage[i];
	if (!o || !p || !daemon_guards(s, o->file)) { /* its mark is gone, or there are too many */
		fs_passed(s, e->a, NULL, 0);
		return;
	}
	*p = (struct passage){ .op = o->id, .demand = ++s->next, .began = s->now };
	m.demand = p->demand;
	m.cause = (enum revocation_cause)e->b;
	for (int i = 0; i < ENTRIES; i++) {
		struct entry *r = &s->daemon.entry[i];
		const struct region *region = registry_find(s->daemon.registry, r->id);

		if (region && r->spec.file == o->file && cut(region, o, &m))
			refused |=
				r->spec.gated && region->policy == POLICY_HOLD && sim_chance(s, 50);
	}
	for (int i = 0; i < ENTRIES && !refused; i++) {
		struct entry *r = &s->daemon.entry[i];
		const struct region *region = registry_find(s->daemon.registry, r->id);

		if (!region || r->spec.file != o->file || !cut(region, o, &m))
			continue;
		p->tenant[p->n] = r->spec.tenant;
		p->part[p->n++] = r->id;
		m.grace_usec = grace_of(region);
		grace = m.grace_usec > grace ? m.grace_usec : grace;
		daemon_ask(s, r, m);
	}
	demand_begin(&p->core, p->n, refused, &effects);
	sim_at(s, &s->daemon.process, s->now + grace + MARGIN, expired, o->id, 0);
	carry_out(s, p, &effects);
}

void daemon_over(struct sim *s, const struct event *e)
{
	struct passage *p = find(s, e->a);

	if (p)
		step(s, p, DEMAND_ENDED);
}

static void passage_answered(struct sim *s, struct passage *p, const struct message *m)
{
	for (uint32_t i = 0; i < p->n; i++)
		p->done[i] |= p->part[i] == m->region;
	p->failed |= m->error == -EDQUOT;
	step(s, p, m->error == -EDQUOT ? DEMAND_PART_FAILED : DEMAND_PART_DONE);
}

void daemon_demand_answered(struct sim *s, const struct message *m)
{
	struct daemon *d = &s->daemon;

	for (int i = 0; i < OPS; i++) {
		if (d->passage[i].op && d->passage[i].demand == m->demand) {
			passage_answered(s, &d->passage[i], m);
			return;
		}
	}
	for (int i = 0; i < REVOKES; i++)
		if (d->revoke[i].demand == m->demand && m->error)
			d->revoke[i].demand = 0;
}

/* A keeper that died answers nothing any more: to those who wait it is as good as a grant. */
void daemon_keeper_gone(struct sim *s, uint8_t tenant)
{
	struct daemon *d = &s->daemon;

	for (int i = 0; i < OPS; i++) {
		struct passage *p = &d->passage[i];

		for (uint32_t j = 0; p->op && j < p->n; j++) {
			if (p->tenant[j] != tenant || p->done[j])
				continue;
			p->done[j] = true;
			step(s, p, DEMAND_PART_DONE);
		}
	}
	for (int i = 0; i < REVOKES; i++)
		if (d->revoke[i].tenant == tenant)
			d->revoke[i].demand = 0;
}

static void restore(struct sim *s, const struct event *e)
{
	struct daemon *d = &s->daemon;

	for (int i = 0; i < REVOKES; i++) {
		struct entry *r = daemon_find(s, d->revoke[i].region);

		if (!e->a || d->revoke[i].demand != e->a)
			continue;
		d->revoke[i].demand = 0;
		if (r)
			daemon_ask(s, r, (struct message){ .type = ASK_OVER, .demand = e->a });
	}
}

void daemon_revoke(struct sim *s, struct entry *e)
{
	const struct region *r = registry_find(s->daemon.registry, e->id);
	struct message m = { .type = ASK_DEMAND,
			     .demand = ++s->next,
			     .cause = CAUSE_ADMINISTRATOR };
	struct revoke *v = &s->daemon.revoke[sim_below(s, REVOKES)];
	uint64_t pages = r->length / PAGE, first = sim_below(s, pages);

	if (v->demand || r->state == REGION_REGISTERING || r->state == REGION_CLOSING)
		return;
	m.start = first * PAGE;
	m.end = m.start + (1 + sim_below(s, pages - first)) * PAGE;
	m.grace_usec = sim_below(s, 600) * MSEC;
	m.limit_usec = (1 + sim_below(s, 1500)) * MSEC;
	*v = (struct revoke){ .demand = m.demand, .region = e->id, .tenant = e->spec.tenant };
	sim_note(s, "region %u: an administrator wants pages [%u, %u), grace %u ms, limit %u ms",
		 (unsigned int)e->id, (unsigned int)first, (unsigned int)(m.end / PAGE),
		 (unsigned int)(m.grace_usec / MSEC), (unsigned int)(m.limit_usec / MSEC));
	daemon_ask(s, e, m);
	/* before the grant, after it, or after the limit */
	sim_at(s, &s->daemon.process, s->now + sim_below(s, sim_chance(s, 50) ? SEC / 2 : 3 * SEC),
	       restore, m.demand, 0);
}

void daemon_sync(struct sim *s, struct entry *e)
{
	const struct region *r = registry_find(s->daemon.registry, e->id);
	const struct message m = { .type = ASK_SYNC,
				   .demand = ++s->next,
				   .cause = CAUSE_SYNC,
				   .end = r->length,
				   .grace_usec = grace_of(r),
				   .limit_usec = (1 + sim_below(s, 500)) * MSEC };

	daemon_ask(s, e, m);
}
