// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-talk.c - what a keeper and the daemon say to each other, and the demands that come of it.
 *
 * What always holds: each demand is answered once, when no peer can reach its range, or with its
 * region's end; those of a daemon end with its connection. A keeper that is well answers by the
 * demand's own deadline, however its other regions, other tenants and the daemon are doing.
 */
#include <errno.h>
#include <string.h>

#include "sim.h"

void keeper_say(struct sim *s, uint8_t tenant, const struct message *m)
{
	if (s->missed[tenant] && m->type == TELL_EVENT && !m->answer)
		return;
	if (s->connected[tenant])
		sim_send(s, &s->daemon.process, daemon_receive, m);
}

uint64_t keeper_revocation(const struct kregion *r)
{
	bool running =
		r->held && r->guard.state >= GUARD_ASKED && r->guard.state <= GUARD_REFRESHING;

	return running ? r->guard.revocation : 0;
}

enum region_state keeper_state(const struct kregion *r)
{
	if (guard_is_open(&r->guard))
		return REGION_LIVE;
	if (r->guard.state == GUARD_ASKED)
		return REGION_DRAINING;
	return r->guard.state <= GUARD_REFRESHING ? REGION_FENCED : REGION_CLOSING;
}

static void resync(struct sim *s, const struct event *e)
{
	const struct message m = { .type = TELL_RESYNC, .tenant = (uint8_t)e->a };

	if (!s->missed[e->a] || e->b != s->connection[e->a])
		return;
	s->missed[e->a] = false;
	keeper_say(s, m.tenant, &m);
}

void keeper_miss(struct sim *s, uint8_t tenant)
{
	if (!s->connected[tenant] || s->missed[tenant])
		return;
	sim_note(s, "the daemon does not read what keeper %u tells", tenant);
	s->missed[tenant] = true;
	sim_forget_events(s, tenant, s->now + sim_below(s, DELAY_MAX));
	sim_at(s, &s->keeper[tenant], s->now + sim_below(s, 500 * MSEC), resync, tenant,
	       s->connection[tenant]);
}

static struct region_event describe(const struct kregion *r, enum region_event_type type,
				    uint64_t revocation)
{
	return (struct region_event){
		.type = type,
		.kind = HOLDER_PEER,
		.state = keeper_state(r),
		.revocation = revocation,
		.cause = r->guard.cause,
		.deadline_usec = r->guard.deadline_usec,
		.offset = r->guard.ask_start,
		.length = r->guard.ask_end - r->guard.ask_start,
		.valid_length = r->guard.valid_length,
	};
}

void keeper_tell(struct sim *s, struct kregion *r, enum region_event_type type, uint64_t revocation,
		 uint64_t holder, enum revocation_outcome outcome)
{
	struct message m = {
		.type = TELL_EVENT, .tenant = r->spec.tenant, .region = r->id, .spec = r->spec
	};

	m.answer =
		type == REGION_REGISTERED || type == REGION_ADOPTED || type == REGION_HOLDER_LISTED;
	m.event = describe(r, type, revocation);
	m.event.holder = holder;
	m.event.outcome = outcome;
	keeper_say(s, r->spec.tenant, &m);
}

static void answer_demand(struct sim *s, const struct kregion *r, const struct kdemand *d,
			  int error)
{
	const struct message m = { .type = d->sync ? TELL_SYNC : TELL_DEMAND,
				   .tenant = r->spec.tenant,
				   .region = r->id,
				   .demand = d->number,
				   .error = error };

	keeper_say(s, r->spec.tenant, &m);
}

static struct kdemand *find(struct kregion *r, uint64_t number)
{
	for (size_t i = 0; i < KDEMANDS; i++)
		if (r->demand[i].number == number)
			return &r->demand[i];
	return NULL;
}

static void too_late(struct sim *s, const struct event *e)
{
	struct kregion *r = keeper_find(s, e->a);
	const struct kdemand *d = r ? find(r, e->b) : NULL;

	if (d && !d->granted && keeper_was_well(s, r, d->began))
		sim_require(
			s, false,
			"a demand is not granted by its deadline, and its keeper was never in trouble");
}

static void outlived(struct sim *s, const struct event *e)
{
	struct kregion *r = keeper_find(s, e->a);
	const struct kdemand *d = r ? find(r, e->b) : NULL;

	if (!d || !guard_find_demand(&r->guard, d->place))
		return;
	for (size_t i = 0; i < KDEMANDS; i++) /* whoever shares its place may have come later */
		if (r->demand[i].number && r->demand[i].place == d->place && &r->demand[i] != d)
			return;
	if (!keeper_was_well(s, r, s->now - EPSILON))
		sim_at(s, NULL, s->now + EPSILON, outlived, e->a, e->b);
	else
		sim_require(s,
			    (r->guard.state != GUARD_WAITING && r->guard.state != GUARD_ASKED) ||
				    (r->timer_at && r->timer_at <= s->now + EPSILON),
			    "a demand outlives its limit");
}

/* Any that is no sync's: which one is a matter of taste, not of safety. 0: none. */
static uint64_t place_to_share(struct sim *s, const struct kregion *r)
{
	uint64_t first = sim_below(s, KDEMANDS);

	for (size_t i = 0; i < KDEMANDS; i++) {
		const struct kdemand *d = &r->demand[(first + i) % KDEMANDS];

		if (d->number && !d->sync && guard_find_demand(&r->guard, d->place))
			return d->place;
	}
	return 0;
}

static void leave_place(struct sim *s, struct kregion *r, uint64_t place)
{
	for (size_t i = 0; i < KDEMANDS; i++)
		if (r->demand[i].number && r->demand[i].place == place)
			return;
	keeper_feed(s, r, (struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = place });
}

static int take(struct sim *s, struct kregion *r, const struct message *m)
{
	struct kdemand *d = find(r, 0);
	uint64_t place = m->demand;

	if (!guard_takes_demand(&r->guard))
		place = m->type == ASK_SYNC ? 0 : place_to_share(s, r);
	if (!d || !place)
		return -EDQUOT;
	r->crowded |= place != m->demand;
	*d = (struct kdemand){ .number = m->demand,
			       .place = place,
			       .began = s->now,
			       .deadline = s->now + m->grace_usec,
			       .limit_usec = m->limit_usec,
			       .start = m->start,
			       .end = m->end,
			       .sync = m->type == ASK_SYNC,
			       .pid = m->pid };
	sim_at(s, NULL, s->now + m->grace_usec + EPSILON, too_late, r->id, m->demand);
	keeper_feed(s, r,
		    (struct guard_event){ .type = GUARD_DEMANDED,
					  .demand = place,
					  .cause = m->cause,
					  .start = m->start,
					  .end = m->end,
					  .grace_usec = m->grace_usec,
					  .limit_usec = m->limit_usec });
	return 0;
}

static void over(struct sim *s, struct kregion *r, uint64_t number)
{
	struct kdemand *d = number ? find(r, number) : NULL;
	uint64_t place;

	if (!d)
		return;
	place = d->place;
	fs_demand_ended(s, r->id, d->pid);
	if (!d->answered)
		answer_demand(s, r, d, -ECANCELED);
	*d = (struct kdemand){ .number = 0 };
	leave_place(s, r, place);
}

/* The storage has the data. */
static void synced(struct sim *s, const struct event *e)
{
	struct kregion *r = keeper_find(s, e->a);
	struct kdemand *d = r ? find(r, e->b) : NULL;

	if (!d)
		return; /* its limit was faster */
	sim_require(s, !adapter_reaches(r, r->spec.first, r->spec.first + r->spec.pages),
		    "peers could write during a sync that says it was consistent");
	answer_demand(s, r, d, 0);
	d->answered = true;
	over(s, r, e->b);
}

static void look_at(struct sim *s, struct kregion *r, struct kdemand *d)
{
	const struct guard_demand *g = guard_find_demand(&r->guard, d->place);

	if (g && g->granted && !d->granted) {
		d->granted = true;
		if (d->limit_usec)
			sim_at(s, NULL, s->now + d->limit_usec + EPSILON, outlived, r->id,
			       d->number);
		sim_require(s,
			    !adapter_reaches(r, r->spec.first + (uint8_t)(g->start / PAGE),
					     r->spec.first + (uint8_t)(g->end / PAGE)),
			    "a demand is granted while peers can reach its range");
		if (d->sync) {
			sim_at(s, keeper_of(s, r), s->now + 1 + sim_below(s, 400 * MSEC), synced,
			       r->id, d->number);
		} else {
			d->answered = true;
			answer_demand(s, r, d, 0);
		}
	} else if (!g) {
		if (d->sync)
			answer_demand(s, r, d, -ETIME);
		fs_demand_ended(s, r->id, d->pid);
		*d = (struct kdemand){ .number = 0 };
	}
}

void keeper_look_at_demands(struct sim *s, struct kregion *r)
{
	for (size_t i = 0; i < KDEMANDS && r->guard.state < GUARD_DESTROYING; i++)
		if (r->demand[i].number)
			look_at(s, r, &r->demand[i]);
}

void keeper_range_of(const struct kregion *r, uint32_t pid, uint64_t *ret_start, uint64_t *ret_end)
{
	*ret_start = 0;
	*ret_end = (uint64_t)r->spec.pages * PAGE;
	for (size_t i = 0; pid && i < KDEMANDS; i++) {
		const struct kdemand *d = &r->demand[i];

		if (!d->number || !d->granted || d->pid != pid)
			continue;
		*ret_start = d->start;
		*ret_end = d->end;
		return;
	}
}

void keeper_gone(struct sim *s, struct kregion *r)
{
	const struct message m = { .type = TELL_EVENT,
				   .tenant = r->spec.tenant,
				   .region = r->id,
				   .answer = r->released_on == s->connection[r->spec.tenant] + 1u,
				   .event = { .type = REGION_RELEASED } };

	for (size_t i = 0; i < KDEMANDS; i++)
		if (r->demand[i].number && !r->demand[i].answered)
			answer_demand(s, r, &r->demand[i], r->demand[i].sync ? -ECANCELED : 0);
	keeper_say(s, r->spec.tenant, &m);
	memset(r, 0, sizeof(*r));
}

void keeper_connection_ended(struct sim *s, const struct event *e)
{
	if (e->b < s->connection[e->a])
		return; /* a newer one came first */
	s->connected[e->a] = false;
	for (int i = 0; i < REGIONS; i++) {
		struct kregion *r = &s->region[i];

		for (size_t j = 0; r->id && r->spec.tenant == e->a && j < KDEMANDS; j++)
			if (r->demand[j].number && !r->demand[j].sync)
				over(s, r, r->demand[j].number);
	}
}

static void list(struct sim *s, uint8_t tenant)
{
	const struct message end = { .type = TELL_LISTED, .tenant = tenant };

	for (int i = 0; i < REGIONS; i++) {
		struct kregion *r = &s->region[i];

		if (r->id && r->held && r->spec.tenant == tenant)
			keeper_tell(s, r, REGION_ADOPTED, keeper_revocation(r), 0, 0);
	}
	for (int i = 0; i < REGIONS; i++) {
		struct kregion *r = &s->region[i];

		for (int j = 0; j < PEERS && r->id && r->spec.tenant == tenant; j++)
			if (r->peer[j].up)
				keeper_tell(s, r, REGION_HOLDER_LISTED, r->peer[j].asked,
					    r->peer[j].number, 0);
	}
	keeper_say(s, tenant, &end);
}

static void registered(struct sim *s, const struct event *e)
{
	struct kregion *r = keeper_find(s, e->a);

	if (!r)
		return;
	if (e->b != s->daemon.process.epoch || !s->connected[r->spec.tenant]) {
		memset(r, 0,
		       sizeof(*r)); /* whoever asked for it is gone, and nobody else knows of it */
		return;
	}
	guard_init(&r->guard, (enum region_policy)r->spec.policy, r->spec.grace_usec,
		   (uint64_t)r->spec.pages * PAGE, keeper_length(s, r), r->spec.watched);
	memset(r->translation, -1, sizeof(r->translation));
	r->mr = r->held = true;
	r->told_length = r->guard.valid_length;
	if (r->spec.watched)
		r->lease = LEASE_ARMED;
	fs_kick(s, r->spec.file);
	keeper_tell(s, r, REGION_REGISTERED, 0, 0, 0);
}

static void begin_registration(struct sim *s, const struct message *m)
{
	struct message no = { .type = TELL_EVENT,
			      .tenant = m->tenant,
			      .region = m->region,
			      .answer = true,
			      .event = { .type = REGION_REGISTER_FAILED, .error = -EBUSY } };
	struct kregion *r = NULL;

	for (int i = 0; i < REGIONS && !r; i++)
		if (!s->region[i].id)
			r = &s->region[i];
	if (!r || s->file[m->spec.file].worker || sim_chance(s, s->weather.failures)) {
		keeper_say(s, m->tenant, &no);
		return;
	}
	*r = (struct kregion){ .id = m->region, .spec = m->spec };
	sim_soon(s, &s->keeper[m->tenant], registered, r->id, m->connection);
}

/* Whoever leaves the holders least time counts, in whatever order they come. */
static void release(struct sim *s, struct kregion *r, const struct message *m)
{
	const uint64_t id = r->id;
	uint64_t deadline = s->now + m->grace_usec;

	if (!r->guard.close_wanted || deadline < r->close_deadline)
		r->close_deadline = deadline;
	r->may_end = true;
	r->released_on = m->connection + 1u;
	keeper_feed(s, r,
		    (struct guard_event){
			    .type = GUARD_CLOSE, .cause = m->cause, .grace_usec = m->grace_usec });
	sim_require(s,
		    r->id != id || r->guard.state != GUARD_ASKED ||
			    r->guard.deadline_usec <= r->close_deadline,
		    "a release waits longer than whoever is in more of a hurry wants");
}

static void on_region(struct sim *s, struct kregion *r, const struct message *m)
{
	struct message no = {
		.type = TELL_DEMAND, .tenant = m->tenant, .region = m->region, .demand = m->demand
	};

	switch (m->type) {
	case ASK_RELEASE:
		if (!r) /* it ended before */
			keeper_say(s, m->tenant,
				   &(struct message){ .type = TELL_EVENT,
						      .tenant = m->tenant,
						      .region = m->region,
						      .answer = true,
						      .event = { .type = REGION_RELEASED } });
		if (r && r->held)
			release(s, r, m);
		break;
	case ASK_CONSENT:
		if (!r || !r->held || guard_pending_revocation(&r->guard) != m->demand)
			break;
		keeper_feed(
			s, r,
			(struct guard_event){ .type = GUARD_CONSENTED, .revocation = m->demand });
		sim_require(s, r->guard.state == GUARD_FENCING,
			    "everybody has answered, and the guard goes on waiting");
		break;
	case ASK_OVER:
		if (r && r->held)
			over(s, r, m->demand);
		break;
	default:
		no.type = m->type == ASK_SYNC ? TELL_SYNC : TELL_DEMAND;
		no.error = !r ? -ENOENT : r->held ? take(s, r, m) : -EBUSY;
		if (no.error)
			keeper_say(s, m->tenant, &no);
		break;
	}
}

void keeper_receive(struct sim *s, const struct event *e)
{
	const struct message *m = &e->m;

	if (m->connection < s->connection[m->tenant])
		return; /* of a connection that a newer one has taken the place of */
	switch (m->type) {
	case ASK_CONNECT:
		s->connection[m->tenant] = m->connection;
		s->missed[m->tenant] = false;
		keeper_connection_ended(
			s, &(struct event){ .a = m->tenant, .b = s->connection[m->tenant] });
		s->connected[m->tenant] =
			s->daemon.process.up && s->daemon.process.epoch == m->connection;
		break;
	case ASK_LIST:
		list(s, m->tenant);
		break;
	case ASK_REGISTER:
		begin_registration(s, m);
		break;
	default:
		on_region(s, keeper_find(s, m->region), m);
		break;
	}
}
