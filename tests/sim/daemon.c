// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * daemon.c - rdmaregd in this world: real registry, real regions, and around them only what carries
 * messages.
 *
 * Who holds which region, and who has been asked and not answered, is kept here a second time, in
 * the plainest way. Consent may be sent only when that list agrees, and once.
 */
#include <errno.h>
#include <string.h>

#include "sim.h"

static const struct registry_limits limits = { REGIONS, UINT64_MAX, REGIONS, TENANTS, TENANTS };

struct entry *daemon_find(struct sim *s, uint64_t id)
{
	for (int i = 0; id && i < ENTRIES; i++)
		if (s->daemon.entry[i].id == id)
			return &s->daemon.entry[i];
	return NULL;
}

static void send(struct sim *s, uint8_t tenant, struct message m)
{
	m.tenant = tenant;
	m.connection = s->daemon.process.epoch;
	sim_send(s, &s->keeper[tenant], keeper_receive, &m);
}

void daemon_ask(struct sim *s, const struct entry *e, struct message m)
{
	m.region = e->id;
	send(s, e->spec.tenant, m);
}

static struct holding *find_holding(struct entry *e, enum holder_kind kind, uint64_t id)
{
	for (uint32_t i = 0; i < e->n; i++)
		if (e->holding[i].kind == kind && e->holding[i].id == id)
			return &e->holding[i];
	return NULL;
}

static void join(struct sim *s, struct entry *e, enum holder_kind kind, uint64_t id, uint64_t asked)
{
	if (find_holding(e, kind, id) ||
	    !sim_require(s, e->n < HOLDINGS, "more holders than this world has room for"))
		return;
	e->holding[e->n++] = (struct holding){ kind, id, asked, true };
}

static void leave(struct entry *e, enum holder_kind kind, uint64_t id)
{
	struct holding *h = find_holding(e, kind, id);

	if (h)
		*h = e->holding[--e->n];
}

/* The second account, brought up to date before the region takes its step. */
static void account(struct sim *s, struct entry *e, const struct region *r,
		    const struct region_event *v)
{
	struct holding *h;

	switch (v->type) {
	case REGION_HOLDER_JOINED:
		join(s, e, v->kind, v->holder,
		     v->revocation && v->revocation == r->revocation && r->state == REGION_DRAINING
			     ? v->revocation
			     : 0);
		break;
	case REGION_HOLDER_LEFT:
		leave(e, v->kind, v->holder);
		break;
	case REGION_HOLDER_ACKED:
		h = find_holding(e, v->kind, v->holder);
		if (h && h->asked == v->revocation)
			h->asked = 0;
		break;
	case REGION_REVOKED:
		for (uint32_t i = 0; i < e->n && v->revocation > r->revocation; i++)
			e->holding[i].asked = v->revocation;
		break;
	case REGION_LISTED:
		for (uint32_t i = 0; i < e->n && r->state != REGION_CLOSING; i++) {
			e->holding[i].listed = false;
			if (v->revocation > r->revocation && v->state != REGION_LIVE &&
			    v->state != REGION_CLOSING)
				e->holding[i].asked = v->revocation;
		}
		break;
	case REGION_HOLDER_LISTED:
		h = find_holding(e, v->kind, v->holder);
		if (!h)
			join(s, e, v->kind, v->holder,
			     v->revocation && v->revocation == r->revocation &&
					     r->state == REGION_DRAINING
				     ? v->revocation
				     : 0);
		else
			h->listed = true;
		if (h && h->asked != v->revocation)
			h->asked = 0;
		break;
	case REGION_ADOPTION_DONE:
		for (uint32_t i = 0; i < e->n && r->state == REGION_DRAINING; i++)
			if (e->holding[i].kind == HOLDER_CLIENT)
				e->holding[i].asked = r->revocation;
		break;
	default:
		break;
	}
}

static void send_consent(struct sim *s, struct entry *e, uint64_t revocation)
{
	const struct message m = { .type = ASK_CONSENT, .demand = revocation };

	sim_require(s, e->consented < revocation, "consent is sent twice for one revocation");
	for (uint32_t i = 0; i < e->n; i++)
		sim_require(s, e->holding[i].asked != revocation,
			    "consent is sent, and a holder has not answered");
	e->consented = revocation;
	daemon_ask(s, e, m);
}

static void ask_clients(struct sim *s, const struct entry *e, uint64_t revocation)
{
	for (uint32_t i = 0; i < e->n; i++)
		for (uint8_t c = 0; c < CLIENTS; c++)
			if (e->holding[i].kind == HOLDER_CLIENT &&
			    e->holding[i].id == s->client[c].number)
				client_asked(s, c, e->id, revocation);
}

static void carry_out(struct sim *s, struct entry *e, struct region *r,
		      const struct region_effect *f)
{
	sim_require(s, e->id, "an effect after REGION_REMOVE");
	switch (f->type) {
	case REGION_SEND_CONSENT:
		send_consent(s, e, f->revocation);
		break;
	case REGION_SEND_RELEASE:
		daemon_ask(s, e,
			   (struct message){ .type = ASK_RELEASE,
					     .cause = f->cause,
					     .grace_usec = f->grace_usec });
		break;
	case REGION_ASK_CLIENTS:
		ask_clients(s, e, f->revocation);
		break;
	case REGION_REMOVE:
		registry_remove_region(s->daemon.registry, r);
		memset(e, 0, sizeof(*e));
		break;
	default:
		break;
	}
}

void daemon_event(struct sim *s, struct entry *e, struct region_event event)
{
	struct region *r = registry_find(s->daemon.registry, e->id);
	enum region_state before;
	struct region_effects effects;

	if (!sim_require(s, r, "the registry lost a region"))
		return;
	before = (enum region_state)r->state;
	event.now_usec = s->now;
	if (event.type == REGION_HOLDER_JOINED || event.type == REGION_HOLDER_LISTED)
		registry_reserve_holder(s->daemon.registry);
	account(s, e, r, &event);
	region_step(s->daemon.registry, r, &event, &effects);
	if (effects.n || before != r->state)
		sim_note(
			s,
			"  daemon, region %u: state %d, event %d -> %d, %u effects, %u to answer revocation %u",
			(unsigned int)e->id, before, event.type, r->state, (unsigned int)effects.n,
			(unsigned int)r->pending, (unsigned int)r->revocation);
	sim_require(s, effects.n < REGION_EFFECTS_MAX, "region effects overflow");
	if (before != REGION_CLOSING)
		check_listed(s, e, &event);
	for (size_t i = 0; i < effects.n; i++)
		carry_out(s, e, r, &effects.item[i]);
}

static struct entry *add(struct sim *s, const struct spec *spec, uint64_t id)
{
	struct entry *e = NULL;
	struct region *r;
	uint32_t tenant;

	for (int i = 0; i < ENTRIES && !e; i++)
		if (!s->daemon.entry[i].id)
			e = &s->daemon.entry[i];
	if (!e ||
	    registry_get_tenant(s->daemon.registry, 1000u + spec->tenant, "default", &tenant) ||
	    registry_add_region(s->daemon.registry, tenant, s->client[spec->owner].number,
				(uint64_t)spec->pages * PAGE, id, &r))
		return NULL;
	*e = (struct entry){ .id = r->id, .spec = *spec };
	r->offset = (uint64_t)spec->first * PAGE;
	r->grace_usec = spec->grace_usec;
	r->policy = spec->policy;
	return e;
}

static void join_client(struct sim *s, struct entry *e, uint8_t client)
{
	if (s->client[client].number)
		daemon_event(s, e,
			     (struct region_event){ .type = REGION_HOLDER_JOINED,
						    .kind = HOLDER_CLIENT,
						    .holder = s->client[client].number });
}

void daemon_register(struct sim *s)
{
	struct spec spec = {
		.tenant = (uint8_t)sim_below(s, TENANTS),
		.file = (uint8_t)sim_below(s, FILES),
		.first = (uint8_t)sim_below(s, FILE_PAGES - 1),
		.policy = (uint8_t)sim_below(s, _REGION_POLICY_MAX),
		.owner = (uint8_t)sim_below(s, CLIENTS),
		.watched = sim_chance(s, 60),
		.gated = sim_chance(s, 50),
		.grace_usec = (50 + sim_below(s, 450)) * MSEC,
	};
	struct entry *e;

	spec.pages = (uint8_t)(1 + sim_below(s, FILE_PAGES - spec.first));
	if (s->daemon.linked[spec.tenant] != s->keeper[spec.tenant].up)
		return; /* it died just now */
	if (!s->client[spec.owner].number || registry_count(s->daemon.registry) >= REGIONS ||
	    !(e = add(s, &spec, 0)))
		return;
	keeper_start(s, spec.tenant);
	if (!s->daemon.linked[spec.tenant])
		daemon_ask(s, e, (struct message){ .type = ASK_CONNECT });
	s->daemon.listed[spec.tenant] |=
		!s->daemon.linked[spec.tenant]; /* there is nothing to list */
	s->daemon.linked[spec.tenant] = true;
	sim_note(s, "region %u: tenant %u, file %u, pages [%u, %u), policy %u%s%s, grace %u ms",
		 (unsigned int)e->id, spec.tenant, spec.file, spec.first, spec.first + spec.pages,
		 spec.policy, spec.watched ? ", lease" : "", spec.gated ? ", gate" : "",
		 (unsigned int)(spec.grace_usec / MSEC));
	daemon_ask(s, e, (struct message){ .type = ASK_REGISTER, .spec = spec });
	join_client(s, e, spec.owner);
}

void daemon_release(struct sim *s, struct entry *e, enum revocation_cause cause,
		    uint64_t grace_usec)
{
	daemon_event(s, e,
		     (struct region_event){ .type = REGION_RELEASE_WANTED,
					    .cause = cause,
					    .grace_usec = grace_usec });
}

void daemon_client_left(struct sim *s, uint8_t client)
{
	uint64_t number = s->client[client].number;

	s->client[client].number = 0;
	for (int i = 0; s->daemon.process.up && i < ENTRIES; i++) {
		struct entry *e = &s->daemon.entry[i];
		struct region *r = registry_find(s->daemon.registry, e->id);
		bool owns = r && r->owner == number;

		if (!r)
			continue;
		daemon_event(s, e,
			     (struct region_event){ .type = REGION_HOLDER_LEFT,
						    .kind = HOLDER_CLIENT,
						    .holder = number });
		if (owns && e->id)
			daemon_release(s, e, CAUSE_RELEASE, UINT64_MAX);
	}
}

static void adopt(struct sim *s, const struct message *m)
{
	struct entry *e = daemon_find(s, m->region);

	if (e || !(e = add(s, &m->spec, m->region)))
		return;
	daemon_event(s, e, m->event);
	if (!e->id)
		return;
	if (s->client[m->spec.owner].number)
		join_client(s, e, m->spec.owner);
	else
		daemon_release(s, e, CAUSE_RELEASE, UINT64_MAX);
}

static void for_each_of(struct sim *s, uint8_t tenant, enum region_event_type type)
{
	for (int i = 0; i < ENTRIES; i++) {
		struct entry *e = &s->daemon.entry[i];

		if (e->id && e->spec.tenant == tenant)
			daemon_event(s, e, (struct region_event){ .type = type });
	}
}

static void list_again(struct sim *s, uint8_t tenant)
{
	struct daemon *d = &s->daemon;

	if (!d->listed[tenant])
		return; /* the first list is under way, and as new */
	if (d->listing[tenant]) {
		d->stale[tenant] = true;
		return;
	}
	for (int i = 0; i < ENTRIES; i++)
		if (d->entry[i].id && d->entry[i].spec.tenant == tenant) {
			d->entry[i].listed = false;
			daemon_event(s, &d->entry[i],
				     (struct region_event){ .type = REGION_LIST_BEGAN });
		}
	d->listing[tenant] = true;
	s->counted[7]++;
	send(s, tenant, (struct message){ .type = ASK_LIST });
}

static void list_done(struct sim *s, uint8_t tenant)
{
	struct daemon *d = &s->daemon;

	for (int i = 0; i < ENTRIES; i++) {
		struct entry *e = &d->entry[i];
		const struct region *r = e->id ? registry_find(d->registry, e->id) : NULL;

		if (!r || e->spec.tenant != tenant || r->state == REGION_REGISTERING ||
		    (!e->listed && r->close_wanted))
			continue;
		if (!e->listed) {
			daemon_event(s, e, (struct region_event){ .type = REGION_RELEASED });
			continue;
		}
		for (uint32_t h = e->n; h--;)
			if (e->holding[h].kind == HOLDER_PEER && !e->holding[h].listed)
				daemon_event(s, e,
					     (struct region_event){ .type = REGION_HOLDER_LEFT,
								    .kind = HOLDER_PEER,
								    .holder = e->holding[h].id });
		daemon_event(s, e, (struct region_event){ .type = REGION_LIST_DONE });
	}
	d->listing[tenant] = false;
	if (d->stale[tenant])
		list_again(s, tenant);
	d->stale[tenant] = false;
}

/* A region, or a peer, in a list. */
static void take_listed(struct sim *s, struct entry *e, const struct message *m)
{
	struct region_event event = m->event;
	bool again = s->daemon.listed[m->tenant], region = event.type == REGION_ADOPTED;

	if (!again && region) {
		adopt(s, m);
		return;
	}
	if (!e) {
		sim_require(s, !again || !region, "a keeper has a region that nobody was given");
		return;
	}
	if (region)
		e->listed = true;
	if (again && registry_find(s->daemon.registry, e->id)->state == REGION_REGISTERING)
		return;
	event.type = region ? REGION_LISTED : again ? REGION_HOLDER_LISTED : REGION_HOLDER_JOINED;
	daemon_event(s, e, event);
}

void daemon_receive(struct sim *s, const struct event *e)
{
	const struct message *m = &e->m;
	struct entry *entry = daemon_find(s, m->region);

	switch (m->type) {
	case TELL_GONE:
		s->daemon.linked[m->tenant] = s->daemon.listed[m->tenant] = false;
		s->daemon.listing[m->tenant] = s->daemon.stale[m->tenant] = false;
		for_each_of(s, m->tenant, REGION_KEEPER_GONE)
			;
		daemon_keeper_gone(s, m->tenant);
		break;
	case TELL_LISTED:
		if (s->daemon.listed[m->tenant])
			list_done(s, m->tenant);
		else
			for_each_of(s, m->tenant, REGION_ADOPTION_DONE)
				;
		s->daemon.listed[m->tenant] = true;
		break;
	case TELL_RESYNC:
		list_again(s, m->tenant);
		break;
	case TELL_DEMAND:
	case TELL_SYNC:
		daemon_demand_answered(s, m);
		break;
	default:
		if (m->event.type == REGION_ADOPTED || m->event.type == REGION_HOLDER_LISTED)
			take_listed(s, entry, m);
		else if (entry)
			daemon_event(s, entry, m->event);
		break;
	}
}

void daemon_start(struct sim *s)
{
	struct daemon *d = &s->daemon;

	if (d->process.up)
		return;
	d->process.up = true;
	sim_note(s, "the daemon starts");
	if (registry_new(&d->registry, &limits) < 0) {
		sim_require(s, false, "no memory");
		return;
	}
	/* what an earlier one gave out is never given again */
	registry_set_next_id(d->registry, ++s->next);
	for (uint8_t t = 0; t < TENANTS; t++) {
		send(s, t, (struct message){ .type = ASK_CONNECT });
		send(s, t, (struct message){ .type = ASK_LIST });
		d->linked[t] = s->keeper[t].up;
	}
}

void daemon_crash(struct sim *s)
{
	struct daemon *d = &s->daemon;

	if (!d->process.up)
		return;
	sim_kill(s, &d->process);
	d->registry = registry_free(d->registry);
	memset(d->entry, 0, sizeof(d->entry));
	memset(d->passage, 0, sizeof(d->passage));
	memset(d->revoke, 0, sizeof(d->revoke));
	memset(d->linked, 0, sizeof(d->linked));
	memset(d->listed, 0, sizeof(d->listed));
	memset(d->listing, 0, sizeof(d->listing));
	memset(d->stale, 0, sizeof(d->stale));
	for (uint8_t t = 0; t < TENANTS; t++)
		sim_soon(s, &s->keeper[t], keeper_connection_ended, t, d->process.epoch - 1);
	fs_gate_gone(s);
}
