// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * daemon.c - what the daemon does for each effect of its regions and of the demands, how it dies,
 * and how the next one begins.
 *
 * A daemon that dies takes with it what was on its way to or from it, and its gate: whoever waited
 * there goes on. The keepers end its demands.
 */
#include "model.h"

#include <string.h>

struct holder *registry_holder(const struct registry *r, uint32_t index_plus_1)
{
	return index_plus_1 ? (struct holder *)&r->holders[index_plus_1 - 1] : NULL;
}

uint32_t registry_take_holder(struct registry *r)
{
	uint32_t h = r->free_holder;

	if (h)
		r->free_holder = r->holders[h - 1].next;
	return h;
}

void registry_give_holder(struct registry *r, uint32_t index_plus_1)
{
	memset(&r->holders[index_plus_1 - 1], 0, sizeof(struct holder));
	r->holders[index_plus_1 - 1].next = r->free_holder;
	r->free_holder = index_plus_1;
}

void queue_push(struct queue *q, struct message m)
{
	if (world_require(q->n < QUEUE, "a message queue grows without bound"))
		q->item[q->n++] = m;
}

uint8_t queue_choices(const struct queue *q)
{
	uint8_t n = q->n ? 1 : 0;

	if (n && (q->item[0].type == TELL_LEFT || q->item[0].type == TELL_PEER))
		while (n < q->n && q->item[n].type == q->item[0].type)
			n++;
	return n;
}

struct message queue_pop(struct queue *q, uint8_t nth)
{
	struct message m = q->item[nth];

	memmove(&q->item[nth], &q->item[nth + 1], (size_t)(QUEUE - 1 - nth) * sizeof(m));
	q->n--;
	return m;
}

static bool is_client_of(const struct world *w, uint8_t user, uint8_t region)
{
	return user < world_setup->holders && world_setup->holder[user].kind == HOLDER_CLIENT &&
	       world_setup->holder[user].region == region && w->user[user].there;
}

static void ask_clients(struct world *w, uint8_t region, uint64_t revocation)
{
	for (uint8_t i = 0; i < HOLDERS; i++)
		if (is_client_of(w, i, region))
			w->user[i].asked = revocation;
}

static void consent(struct world *w, uint8_t region, uint64_t revocation)
{
	struct site *s = &w->site[region];

	world_require(revocation == s->region.revocation,
		      "consent to a question whose place was taken");
	world_require(revocation > s->consent, "consent sent twice for one revocation");
	s->consent = revocation;
	for (uint8_t i = 0; i < world_setup->holders; i++) {
		const struct user *u = &w->user[i];

		if (world_setup->holder[i].region == region && u->there)
			world_require(!u->asked || u->asked > revocation,
				      "consent although a holder has not answered");
	}
	queue_push(&s->to_keeper,
		   (struct message){ .type = ASK_CONSENT, .revocation = (uint8_t)revocation });
}

static uint8_t release_type(uint64_t grace_usec)
{
	return !grace_usec		 ? ASK_RELEASE
	       : grace_usec == SOON_USEC ? ASK_RELEASE_SOON
					 : ASK_RELEASE_KINDLY;
}

void daemon_region_event(struct world *w, uint8_t region, struct region_event e)
{
	struct site *s = &w->site[region];
	struct region_effects out;

	if (s->removed || !w->daemon_up)
		return;
	e.now_usec = NOW;
	region_step(&w->registry, &s->region, &e, &out);
	world_require(out.n < REGION_EFFECTS_MAX, "region effects overflow");
	for (size_t i = 0; i < out.n; i++) {
		const struct region_effect *f = &out.item[i];

		world_require(!s->removed, "an effect after REGION_REMOVE");
		if (f->type == REGION_SEND_CONSENT)
			consent(w, region, f->revocation);
		else if (f->type == REGION_SEND_RELEASE)
			queue_push(&s->to_keeper,
				   (struct message){ .type = release_type(f->grace_usec) });
		else if (f->type == REGION_ASK_CLIENTS)
			ask_clients(w, region, f->revocation);
		else if (f->type == REGION_TELL_SETTLED)
			ask_clients(w, region, 0);
		else if (f->type == REGION_REMOVE)
			s->removed = true;
	}
	if (s->region.state == REGION_FENCED || s->removed)
		ask_clients(w, region, 0);
	if (!s->removed)
		return;
	/* as registry_remove_region() does */
	while (s->region.holders) {
		uint32_t h = s->region.holders;

		s->region.holders = registry_holder(&w->registry, h)->next;
		registry_give_holder(&w->registry, h);
	}
}

static void pass(struct world *w, uint8_t d)
{
	struct waiter *q = &w->waiter[d];
	uint8_t pages = keeper_pages(world_setup->demand[d].start, world_setup->demand[d].end);

	world_require(q->stage == AT_GATE, "somebody who does not wait was let through");
	q->stage = AT_WORK;
	for (uint8_t i = 0; i < world_setup->regions; i++)
		world_require(q->limit_passed & 1u << i || !keeper_reaches(&w->site[i], pages),
			      "somebody was let through to blocks that peers can reach");
}

static void send_over(struct world *w, uint8_t d)
{
	struct waiter *q = &w->waiter[d];

	world_require(!q->over_sent, "the end of a demand was sent twice");
	world_require(q->core.state != DEMAND_REFUSED,
		      "the end of a demand that nobody was asked about");
	q->over_sent = true;
	for (uint8_t i = 0; i < world_setup->regions; i++)
		if (q->parts & 1u << i && w->site[i].keeper_up)
			queue_push(&w->site[i].to_keeper,
				   (struct message){ .type = ASK_OVER, .who = d });
}

static void carry_out(struct world *w, uint8_t d, const struct demand_effects *out)
{
	struct waiter *q = &w->waiter[d];

	world_require(out->n < DEMAND_EFFECTS_MAX, "demand effects overflow");
	for (size_t i = 0; i < out->n; i++) {
		world_require(q->known, "an effect after DEMAND_FREE");
		switch (out->item[i]) {
		case DEMAND_PASS:
			pass(w, d);
			break;
		case DEMAND_REFUSE:
			world_require(q->stage == AT_GATE,
				      "somebody who does not wait was refused");
			q->stage = TURNED_AWAY;
			break;
		case DEMAND_SEND_OVER:
			send_over(w, d);
			break;
		case DEMAND_FREE:
			world_require(!q->unanswered,
				      "a demand was forgotten before its last answer");
			world_require(q->stage == DONE,
				      "a demand was forgotten before it was over");
			world_require(q->over_sent || !q->parts,
				      "a demand was forgotten and its regions stay closed");
			q->known = false;
			break;
		case _DEMAND_EFFECT_MAX:
			break;
		}
	}
}

void daemon_demand_event(struct world *w, uint8_t demand, enum demand_event_type type)
{
	struct demand_effects out;

	if (!w->waiter[demand].known)
		return;
	demand_step(&w->waiter[demand].core, type, &out);
	carry_out(w, demand, &out);
}

void daemon_begin_demand(struct world *w, uint8_t demand)
{
	struct waiter *q = &w->waiter[demand];
	struct demand_effects out;
	bool refused = false;
	uint32_t parts = 0;

	*q = (struct waiter){ .stage = AT_GATE, .known = true };
	for (uint8_t i = 0; i < world_setup->regions; i++)
		refused = refused || (world_setup->policy[i] == POLICY_HOLD && !w->site[i].removed);
	for (uint8_t i = 0; i < world_setup->regions && !refused; i++) {
		if (w->site[i].removed)
			continue;
		q->parts |= (uint8_t)(1u << i);
		parts++;
		queue_push(&w->site[i].to_keeper,
			   (struct message){ .type = ASK_DEMAND, .who = demand });
	}
	q->unanswered = q->parts;
	demand_begin(&q->core, parts, refused, &out);
	carry_out(w, demand, &out);
}

static void answered(struct world *w, uint8_t region, uint8_t demand, bool failed)
{
	struct waiter *q = &w->waiter[demand];

	if (!world_require(q->unanswered & 1u << region, "a demand was answered twice"))
		return;
	q->unanswered &= (uint8_t)~(1u << region);
	q->failed = q->failed || failed;
	daemon_demand_event(w, demand, failed ? DEMAND_PART_FAILED : DEMAND_PART_DONE);
}

static void list_again(struct world *w, uint8_t region)
{
	struct site *s = &w->site[region];

	s->listed = false;
	daemon_region_event(w, region, (struct region_event){ .type = REGION_LIST_BEGAN });
	queue_push(&s->to_keeper, (struct message){ .type = ASK_LIST });
}

/* The daemon knows what the keeper said that it is. */
static void check_listed(const struct site *s, struct message m)
{
	const struct region *r = &s->region;
	bool running = m.value == REGION_DRAINING || m.value == REGION_FENCED;

	if (s->removed || r->state == REGION_CLOSING || r->state == REGION_REGISTERING)
		return;
	world_require(r->state == m.value, "a state is wrong after a list");
	world_require(r->valid_length == m.valid_length, "a length is wrong after a list");
	world_require(r->revoking == running && (!running || r->revocation == m.revocation),
		      "a revocation is not known after a list, or is known and over");
}

static void list_done(struct world *w, uint8_t region)
{
	struct site *s = &w->site[region];
	uint32_t next;

	/* the answer to its release, or the other keeper's, is on its way */
	if (s->removed || (!s->listed && (s->region.close_wanted || s->replacing || s->anew)))
		return;
	if (!s->listed) {
		daemon_region_event(w, region, (struct region_event){ .type = REGION_RELEASED });
		return;
	}
	for (uint32_t i = s->region.holders; i; i = next) {
		const struct holder h = *registry_holder(&w->registry, i);

		next = h.next;
		if (h.kind == HOLDER_PEER && !h.listed)
			daemon_region_event(w, region,
					    (struct region_event){ .type = REGION_HOLDER_LEFT,
								   .kind = HOLDER_PEER,
								   .holder = h.id });
	}
	daemon_region_event(w, region, (struct region_event){ .type = REGION_LIST_DONE });
}

/* False: it is of no list. */
static bool take_list(struct world *w, uint8_t region, struct message m)
{
	struct region_event e = { .type = REGION_LISTED,
				  .state = (enum region_state)m.value,
				  .revocation = m.revocation,
				  .valid_length = m.valid_length,
				  .length = PAGES };

	switch (m.type) {
	case TELL_RESYNC:
		list_again(w, region);
		return true;
	case TELL_REGION:
		w->site[region].listed = true;
		daemon_region_event(w, region, e);
		check_listed(&w->site[region], m);
		return true;
	case TELL_PEER:
		e.type = REGION_HOLDER_LISTED;
		e.kind = HOLDER_PEER;
		e.holder = m.who + 1u;
		daemon_region_event(w, region, e);
		return true;
	case TELL_LIST_DONE:
		list_done(w, region);
		return true;
	default:
		return false;
	}
}

/*
 * Its keeper has let go of it for another one, which has nothing of it yet. Of what is on its way
 * from and to the former one only answers to demands are of use: there is nothing to wait for.
 */
static void let_go(struct world *w, uint8_t region)
{
	struct site *s = &w->site[region];

	for (uint8_t i = 0; i < s->to_daemon.n; i++)
		if (s->to_daemon.item[i].type == TELL_DEMAND)
			answered(w, region, s->to_daemon.item[i].who, s->to_daemon.item[i].value);
	memset(&s->to_daemon, 0, sizeof(s->to_daemon));
	for (uint8_t i = 0; i < s->to_keeper.n; i++)
		if (s->to_keeper.item[i].type == ASK_DEMAND)
			answered(w, region, s->to_keeper.item[i].who, false);
	memset(&s->to_keeper, 0, sizeof(s->to_keeper));
	s->replacing = s->missed = false;
	s->anew = true;
	daemon_region_event(w, region, (struct region_event){ .type = REGION_REPLACED });
	world_require(!s->region.peers && !s->region.pending && !s->region.listing,
		      "a keeper that is gone has peers, or is waited for");
}

void daemon_made_anew(struct world *w, uint8_t region, bool made)
{
	struct site *s = &w->site[region];

	s->anew = false;
	if (!made) {
		daemon_region_event(
			w, region,
			(struct region_event){ .type = REGION_REGISTER_FAILED, .error = -1 });
		world_require(s->removed, "a region that cannot be made anew stays");
		return;
	}
	keeper_begin(w, region, s->region.revocation);
	/* who was let through before it was there was not asked for: as with any that is registered */
	for (uint8_t i = 0; i < DEMANDS; i++)
		if (w->waiter[i].stage != NOT_YET)
			w->waiter[i].limit_passed |= (uint8_t)(1u << region);
	daemon_region_event(w, region,
			    (struct region_event){ .type = REGION_REGISTERED,
						   .valid_length = s->guard.valid_length });
	world_require(s->region.state == REGION_LIVE || s->region.close_wanted,
		      "made anew, and not live");
	world_require(!s->region.revoking || s->region.close_wanted,
		      "made anew, and those who were asked are not told");
}

void daemon_take(struct world *w, uint8_t region, struct message m)
{
	static const enum region_event_type events[] = {
		[TELL_REVOKED] = REGION_REVOKED,     [TELL_FENCED] = REGION_WAS_FENCED,
		[TELL_SETTLED] = REGION_WAS_SETTLED, [TELL_RELEASED] = REGION_RELEASED,
		[TELL_ACKED] = REGION_HOLDER_ACKED,  [TELL_LEFT] = REGION_HOLDER_LEFT,
	};

	if (m.type == TELL_DEMAND) {
		answered(w, region, m.who, m.value);
		return;
	}
	if (take_list(w, region, m))
		return;
	if (m.type == TELL_RELEASED && w->site[region].replacing &&
	    !w->site[region].region.close_wanted && !w->site[region].removed) {
		let_go(w, region);
		return;
	}
	daemon_region_event(w, region,
			    (struct region_event){ .type = events[m.type],
						   .kind = HOLDER_PEER,
						   .holder = m.who + 1u,
						   .revocation = m.revocation,
						   .valid_length = m.valid_length,
						   .length = PAGES,
						   .outcome = (enum revocation_outcome)m.value });
}

void daemon_lose_keeper(struct world *w, uint8_t region)
{
	daemon_region_event(w, region, (struct region_event){ .type = REGION_KEEPER_GONE });
	world_require(!w->daemon_up || w->site[region].removed,
		      "the keeper is gone and its region stays");
	for (uint8_t i = 0; i < DEMANDS; i++)
		if (w->daemon_up && w->waiter[i].unanswered & 1u << region)
			answered(w, region, i, false);
}

void daemon_join(struct world *w, uint8_t user, uint64_t revocation)
{
	daemon_region_event(w, world_setup->holder[user].region,
			    (struct region_event){ .type = REGION_HOLDER_JOINED,
						   .kind = world_setup->holder[user].kind,
						   .holder = user + 1u,
						   .revocation = revocation });
}

void daemon_forget(struct world *w)
{
	memset(&w->registry, 0, sizeof(w->registry));
	for (uint32_t i = HOLDERS; i; i--)
		registry_give_holder(&w->registry, i);
	for (uint8_t i = 0; i < REGIONS; i++) {
		struct site *s = &w->site[i];

		memset(&s->region, 0, sizeof(s->region));
		memset(&s->to_daemon, 0, sizeof(s->to_daemon));
		memset(&s->to_keeper, 0, sizeof(s->to_keeper));
		s->region.id = i + 1u;
		s->region.grace_usec = world_setup->policy[i] == POLICY_FOLLOW ? 0 : GRACE_USEC;
		s->removed = s->missed = s->release_asked = s->listed = false;
		s->replacing = s->anew = false;
		s->consent = 0;
	}
}

void daemon_dies(struct world *w)
{
	w->daemon_up = false;
	daemon_forget(w);
	for (uint8_t i = 0; i < DEMANDS; i++) {
		uint8_t stage = w->waiter[i].stage;

		w->waiter[i] =
			(struct waiter){ .stage = stage == AT_GATE || stage == AT_WORK ? LOOSE
										       : stage };
	}
	for (uint8_t i = 0; i < HOLDERS; i++)
		if (world_setup->holder[i].kind == HOLDER_CLIENT)
			w->user[i].asked = 0; /* by somebody who is gone */
	for (uint8_t i = 0; i < world_setup->regions; i++)
		if (w->site[i].keeper_up)
			keeper_drop_demands(w, i);
}

void daemon_starts(struct world *w)
{
	daemon_forget(w);
	w->daemon_up = true;
	for (uint8_t i = 0; i < world_setup->regions; i++) {
		struct site *s = &w->site[i];
		enum region_state state = keeper_state(s);

		if (!s->keeper_up || s->torn_down) {
			s->removed = true;
			continue;
		}
		daemon_region_event(
			w, i,
			(struct region_event){
				.type = REGION_ADOPTED,
				.state = state,
				.valid_length = s->guard.valid_length,
				.length = PAGES,
				.revocation = state == REGION_LIVE ? 0 : s->guard.revocation });
	}
	for (uint8_t i = 0; i < world_setup->holders; i++)
		if (w->user[i].there)
			daemon_join(w, i,
				    world_setup->holder[i].kind == HOLDER_PEER ? w->user[i].asked
									       : 0);
	for (uint8_t i = 0; i < world_setup->regions; i++)
		daemon_region_event(w, i, (struct region_event){ .type = REGION_ADOPTION_DONE });
}
