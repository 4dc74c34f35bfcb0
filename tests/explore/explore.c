// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * explore.c - every order in which things can happen to one region, tried.
 *
 * A world is the real guard (keeper), the real region machine (daemon), and models of what stands between and around them: the kernel's
 * lease with its own deadline, the keeper's operations under way, both message queues, one local holder and one remote peer.
 * Breadth first, from a registered region: in each world every possible next thing is done (a break, a timer, a completion or its
 * failure, a message delivered, an acknowledgement true, stale or never, somebody dying) and the invariants are checked.
 * Worlds that look alike are visited once, so the search ends, and then holds for all orders within the budgets.
 *
 * explore [MISHAPS]: how many failures, crashes and false acknowledgements one history may hold (default 1; 3 takes minutes).
 *
 * Prints the number of worlds. On a violation prints the path that leads to it, and exits 1.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/guard.h"
#include "core/region.h"
#include "core/registry.h"

/* The registry as far as region.c needs it: a pool of holders, as plain data. */
#define POOL 3
struct registry {
	struct holder holders[POOL];
	uint32_t free_holder;
};

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

enum lease { LEASE_NONE, LEASE_ARMED, LEASE_BREAKING, LEASE_RELEASED, LEASE_EXPIRED };

/* A message between keeper and daemon. */
struct message {
	uint8_t type; /* enum region_event_type to the daemon; MESSAGE_* to the keeper */
	uint8_t kind;
	uint8_t outcome;
	uint8_t revocation;
	uint8_t valid_length;
};
enum { MESSAGE_CONSENT = 100, MESSAGE_RELEASE };

#define QUEUE 12
struct queue {
	uint8_t n;
	struct message item[QUEUE];
};

enum { CLIENT = 1, PEER = 2 };

struct world {
	/* kernel */
	uint8_t lease;
	uint8_t break_id;
	bool report_pending;
	/* keeper */
	struct guard guard;
	bool keeper_up;
	bool timer_armed, timer_stale;
	uint8_t timer_usec_left; /* only whether it is armed matters: any timer may be next */
	uint64_t timer_at;
	bool fence_pending, destroy_pending, release_pending, arm_pending, refresh_pending;
	bool mapping_fenced, mr_alive;
	bool torn_down;
	uint8_t kernel_length; /* of the file: 2, or 1 after a truncate */
	/* the peer */
	bool peer_connected, peer_asked, peer_acked_in_time, peer_cut;
	/* daemon */
	bool daemon_up;
	struct region region;
	struct registry registry;
	bool removed;
	bool client_there, client_asked;
	uint8_t consents; /* sent for the current revocation */
	struct queue to_daemon, to_keeper;
	/* what may still happen */
	uint8_t breaks_left, truncates_left;
	uint8_t mishaps_left; /* failures, crashes, false acknowledgements */
	bool release_wanted;
};

#define NOW 10000000u /* times are shifted so that now is always this */

static const char *violation;

static bool check(bool ok, const char *what)
{
	if (!ok && !violation)
		violation = what;
	return ok;
}

static void push(struct queue *q, struct message m)
{
	if (check(q->n < QUEUE, "a message queue grows without bound"))
		q->item[q->n++] = m;
}

static struct message pop(struct queue *q)
{
	struct message m = q->item[0];

	memmove(&q->item[0], &q->item[1], (size_t)(QUEUE - 1) * sizeof(m));
	memset(&q->item[QUEUE - 1], 0, sizeof(m));
	q->n--;
	return m;
}

static void tell_daemon(struct world *w, enum region_event_type type, uint64_t revocation,
			enum revocation_outcome outcome)
{
	if (w->daemon_up)
		push(&w->to_daemon, (struct message){ .type = (uint8_t)type,
						      .kind = HOLDER_PEER,
						      .outcome = (uint8_t)outcome,
						      .revocation = (uint8_t)revocation,
						      .valid_length = (uint8_t)w->guard.valid_length });
}

static void guard_do(struct world *w, struct guard_event e);

/* What the keeper does for each effect of its guard. */
static void guard_effect(struct world *w, const struct guard_effect *f)
{
	switch (f->type) {
	case GUARD_ASK:
		w->peer_asked = w->peer_connected;
		w->peer_acked_in_time = false;
		tell_daemon(w, REGION_REVOKED, f->revocation, 0);
		break;
	case GUARD_SET_TIMER:
		w->timer_armed = f->at_usec != 0;
		w->timer_at = f->at_usec;
		break;
	case GUARD_FENCE:
		check(!w->fence_pending, "two fences at once");
		if (w->peer_connected && w->peer_asked) {
			w->peer_connected = false;
			w->peer_cut = true;
			w->peer_asked = false;
			tell_daemon(w, REGION_HOLDER_LEFT, w->guard.revocation, 0);
		}
		w->fence_pending = true;
		break;
	case GUARD_DESTROY:
		w->destroy_pending = true;
		break;
	case GUARD_TELL_FENCED:
		tell_daemon(w, REGION_WAS_FENCED, f->revocation, 0);
		break;
	case GUARD_RELEASE:
		check(w->mapping_fenced || !w->mr_alive, "blocks given back while peers can reach them");
		check(!w->fence_pending, "blocks given back before the fence completed");
		w->release_pending = true;
		break;
	case GUARD_TELL_GIVEN_BACK:
		break;
	case GUARD_ARM:
		w->arm_pending = true;
		break;
	case GUARD_REFRESH:
		w->refresh_pending = true;
		break;
	case GUARD_TELL_SETTLED:
		tell_daemon(w, REGION_WAS_SETTLED, f->revocation, f->outcome);
		break;
	case GUARD_TEARDOWN:
		check(!w->torn_down, "torn down twice");
		w->torn_down = true;
		w->mr_alive = false;
		w->timer_armed = false;
		if (w->lease == LEASE_BREAKING)
			w->lease = LEASE_RELEASED;
		w->lease = LEASE_NONE; /* unwatch */
		w->report_pending = false;
		w->peer_connected = false;
		tell_daemon(w, REGION_RELEASED, w->guard.revocation, 0);
		break;
	case _GUARD_EFFECT_MAX:
		break;
	}
}

static void guard_do(struct world *w, struct guard_event e)
{
	struct guard_effects out;

	e.now_usec = NOW;
	guard_step(&w->guard, &e, &out);
	check(out.n < GUARD_EFFECTS_MAX, "guard effects overflow");
	for (size_t i = 0; i < out.n; i++)
		guard_effect(w, &out.item[i]);
}

static void region_do(struct world *w, struct region_event e)
{
	struct region_effects out;

	if (w->removed)
		return;
	e.now_usec = NOW;
	region_step(&w->registry, &w->region, &e, &out);
	check(out.n < REGION_EFFECTS_MAX, "region effects overflow");
	for (size_t i = 0; i < out.n; i++) {
		const struct region_effect *f = &out.item[i];

		check(!w->removed, "an effect after REGION_REMOVE");
		switch (f->type) {
		case REGION_SEND_CONSENT:
			check(++w->consents == 1, "consent sent twice for one revocation");
			check(!w->client_asked, "consent although the local holder has not answered");
			push(&w->to_keeper, (struct message){ .type = MESSAGE_CONSENT,
							      .revocation = (uint8_t)f->revocation });
			break;
		case REGION_SEND_RELEASE:
			push(&w->to_keeper, (struct message){ .type = MESSAGE_RELEASE });
			break;
		case REGION_ASK_CLIENTS:
			w->client_asked = w->client_there;
			w->consents = 0;
			break;
		case REGION_TELL_SETTLED:
			w->client_asked = false;
			break;
		case REGION_REMOVE:
			w->removed = true;
			w->client_asked = false;
			break;
		default:
			break;
		}
	}
	if (!w->removed && w->region.state == REGION_FENCED)
		w->client_asked = false;
}

static void reset_daemon_side(struct world *w)
{
	memset(&w->to_daemon, 0, sizeof(w->to_daemon));
	memset(&w->to_keeper, 0, sizeof(w->to_keeper));
	memset(&w->region, 0, sizeof(w->region));
	memset(&w->registry, 0, sizeof(w->registry));
	for (uint32_t i = POOL; i; i--)
		registry_give_holder(&w->registry, i);
	w->consents = 0;
	w->client_asked = w->client_there = false;
	w->removed = false;
}

static enum region_state state_of_guard(const struct guard *g)
{
	switch (g->state) {
	case GUARD_OPEN:
		return REGION_LIVE;
	case GUARD_ASKED:
	case GUARD_FENCING:
		return REGION_DRAINING;
	case GUARD_DESTROYING:
	case GUARD_CLOSING:
	case GUARD_CLOSING_RELEASE:
	case GUARD_DEAD:
		return REGION_CLOSING;
	default:
		return REGION_FENCED;
	}
}

/* A new daemon asks the keeper what it holds. */
static void daemon_starts(struct world *w)
{
	enum region_state s = state_of_guard(&w->guard);

	reset_daemon_side(w);
	w->daemon_up = true;
	if (w->torn_down) {
		w->removed = true;
		return;
	}
	w->region.id = 1;
	region_do(w, (struct region_event){ .type = REGION_ADOPTED,
					    .state = s,
					    .valid_length = w->guard.valid_length,
					    .revocation = s == REGION_LIVE ? 0 : w->guard.revocation });
	if (w->peer_connected)
		region_do(w, (struct region_event){
				     .type = REGION_HOLDER_JOINED, .kind = HOLDER_PEER, .holder = PEER });
}

static void kernel_breaks(struct world *w)
{
	w->lease = LEASE_BREAKING;
	w->break_id++;
	w->breaks_left--;
	w->report_pending = true;
}

/* The level that a collect would show now, as an event. */
static void deliver_report(struct world *w)
{
	w->report_pending = false;
	guard_do(w, (struct guard_event){ .type = w->lease == LEASE_EXPIRED ? GUARD_EXPIRED : GUARD_BROKEN,
					  .break_id = w->break_id,
					  .cause = CAUSE_TRUNCATE });
}

static void release_completes(struct world *w)
{
	bool late = w->lease != LEASE_BREAKING;

	w->release_pending = false;
	if (w->lease == LEASE_BREAKING)
		w->lease = LEASE_RELEASED;
	guard_do(w, (struct guard_event){ .type = GUARD_RELEASE_DONE, .error = late ? -ESTALE : 0 });
}

static void deliver_to_daemon(struct world *w)
{
	struct message m = pop(&w->to_daemon);

	region_do(w, (struct region_event){ .type = (enum region_event_type)m.type,
					    .kind = HOLDER_PEER,
					    .holder = PEER,
					    .revocation = m.revocation,
					    .valid_length = m.valid_length,
					    .outcome = (enum revocation_outcome)m.outcome,
					    .cause = CAUSE_TRUNCATE });
}

static void deliver_to_keeper(struct world *w)
{
	struct message m = pop(&w->to_keeper);

	if (m.type == MESSAGE_CONSENT)
		guard_do(w, (struct guard_event){ .type = GUARD_CONSENTED, .revocation = m.revocation });
	else
		guard_do(w, (struct guard_event){ .type = GUARD_CLOSE });
}

static void client_acks(struct world *w, uint64_t revocation)
{
	if (revocation == w->region.revocation)
		w->client_asked = false;
	region_do(w, (struct region_event){ .type = REGION_HOLDER_ACKED,
					    .kind = HOLDER_CLIENT,
					    .holder = CLIENT,
					    .revocation = revocation });
}

enum action {
	BREAK,
	KERNEL_DEADLINE,
	FILE_SHRINKS,
	REPORT,
	TIMER,
	TIMER_STALE,
	FENCE_OK,
	FENCE_FAILS,
	DESTROYED,
	RELEASED,
	ARM_OK,
	ARM_AGAIN,
	ARM_FAILS,
	REFRESHED,
	TO_DAEMON,
	TO_KEEPER,
	CLIENT_ACKS,
	CLIENT_ACKS_STALE,
	CLIENT_LEAVES,
	PEER_ACKS,
	PEER_LEAVES,
	RELEASE,
	DAEMON_DIES,
	DAEMON_STARTS,
	KEEPER_DIES,
	_ACTION_MAX,
};
static const char *const action_names[] = { "break",
					    "kernel deadline",
					    "file shrinks",
					    "kernel report",
					    "timer",
					    "stale timer",
					    "fence ok",
					    "fence fails",
					    "destroyed",
					    "released",
					    "armed",
					    "arm: again",
					    "arm: fails",
					    "refreshed",
					    "message to daemon",
					    "message to keeper",
					    "client acks",
					    "client acks stale",
					    "client leaves",
					    "peer acks",
					    "peer leaves",
					    "release",
					    "daemon dies",
					    "daemon starts",
					    "keeper dies" };

/* Do @a in @w. Returns false if it cannot happen there. */
static bool act(struct world *w, enum action a)
{
	bool daemon_region = w->daemon_up && !w->removed;

	switch (a) {
	case BREAK:
		if (w->lease != LEASE_ARMED || !w->breaks_left)
			return false;
		kernel_breaks(w);
		return true;
	case KERNEL_DEADLINE:
		if (w->lease != LEASE_BREAKING)
			return false;
		w->lease = LEASE_EXPIRED;
		w->report_pending = w->keeper_up && !w->torn_down;
		return true;
	case FILE_SHRINKS:
		if (!w->truncates_left || (w->lease != LEASE_RELEASED && w->lease != LEASE_EXPIRED))
			return false;
		w->truncates_left--;
		w->kernel_length = 1;
		return true;
	case REPORT:
		if (!w->keeper_up || !w->report_pending)
			return false;
		deliver_report(w);
		return true;
	case TIMER:
		if (!w->keeper_up || !w->timer_armed)
			return false;
		w->timer_armed = false;
		if (w->timer_at > NOW) { /* time passes: shift everything back */
			uint64_t d = w->timer_at - NOW;

			w->guard.deadline_usec = w->guard.deadline_usec > d ? w->guard.deadline_usec - d : 0;
			if (w->guard.settled_usec)
				w->guard.settled_usec =
					w->guard.settled_usec > d + 1 ? w->guard.settled_usec - d : 1;
		}
		guard_do(w, (struct guard_event){ .type = GUARD_TIMER_FIRED });
		return true;
	case TIMER_STALE: /* one that was replaced, but already on its way */
		if (!w->keeper_up || w->guard.state != GUARD_ASKED || w->guard.deadline_usec <= NOW)
			return false;
		guard_do(w, (struct guard_event){ .type = GUARD_TIMER_FIRED });
		check(w->guard.state == GUARD_ASKED, "a stale timer ended the grace");
		return true;
	case FENCE_OK:
		if (!w->fence_pending)
			return false;
		w->fence_pending = false;
		w->mapping_fenced = true;
		guard_do(w, (struct guard_event){ .type = GUARD_FENCE_DONE });
		return true;
	case FENCE_FAILS:
		if (!w->fence_pending || !w->mishaps_left)
			return false;
		w->fence_pending = false;
		w->mishaps_left--;
		guard_do(w, (struct guard_event){ .type = GUARD_FENCE_DONE, .error = -ENOMEM });
		return true;
	case DESTROYED:
		if (!w->destroy_pending)
			return false;
		w->destroy_pending = false;
		w->mr_alive = false;
		guard_do(w, (struct guard_event){ .type = GUARD_DESTROY_DONE });
		return true;
	case RELEASED:
		if (!w->release_pending)
			return false;
		release_completes(w);
		return true;
	case ARM_OK:
	case ARM_AGAIN:
	case ARM_FAILS:
		if (!w->arm_pending || (a != ARM_OK && !w->mishaps_left))
			return false;
		w->arm_pending = false;
		if (a == ARM_OK)
			w->lease = LEASE_ARMED;
		else
			w->mishaps_left--;
		guard_do(w, (struct guard_event){ .type = GUARD_ARM_DONE,
						  .error = a == ARM_OK	    ? 0
							   : a == ARM_AGAIN ? -EAGAIN
									    : -EIO });
		return true;
	case REFRESHED:
		if (!w->refresh_pending)
			return false;
		w->refresh_pending = false;
		w->mapping_fenced = false;
		guard_do(w, (struct guard_event){ .type = GUARD_REFRESH_DONE,
						  .valid_length = w->kernel_length });
		return true;
	case TO_DAEMON:
		if (!w->daemon_up || !w->to_daemon.n)
			return false;
		deliver_to_daemon(w);
		return true;
	case TO_KEEPER:
		if (!w->keeper_up || !w->to_keeper.n)
			return false;
		deliver_to_keeper(w);
		return true;
	case CLIENT_ACKS:
		if (!daemon_region || !w->client_asked)
			return false;
		client_acks(w, w->region.revocation);
		return true;
	case CLIENT_ACKS_STALE:
		if (!daemon_region || !w->client_there || !w->mishaps_left || !w->region.revocation)
			return false;
		w->mishaps_left--;
		client_acks(w, w->region.revocation - 1);
		client_acks(w, w->region.revocation + 1);
		return true;
	case CLIENT_LEAVES:
		if (!daemon_region || !w->client_there)
			return false;
		w->client_there = w->client_asked = false;
		region_do(w, (struct region_event){
				     .type = REGION_HOLDER_LEFT, .kind = HOLDER_CLIENT, .holder = CLIENT });
		return true;
	case PEER_ACKS:
		if (!w->peer_connected || !w->peer_asked || !w->keeper_up)
			return false;
		w->peer_asked = false;
		w->peer_acked_in_time = guard_pending_revocation(&w->guard) != 0;
		tell_daemon(w, REGION_HOLDER_ACKED, w->guard.revocation, 0);
		return true;
	case PEER_LEAVES:
		if (!w->peer_connected || !w->keeper_up)
			return false;
		w->peer_connected = w->peer_asked = false;
		tell_daemon(w, REGION_HOLDER_LEFT, w->guard.revocation, 0);
		return true;
	case RELEASE:
		if (!daemon_region || w->release_wanted)
			return false;
		w->release_wanted = true;
		region_do(w, (struct region_event){ .type = REGION_RELEASE_WANTED });
		return true;
	case DAEMON_DIES:
		if (!w->daemon_up || !w->mishaps_left)
			return false;
		w->mishaps_left--;
		reset_daemon_side(w);
		w->daemon_up = false;
		return true;
	case DAEMON_STARTS:
		if (w->daemon_up || !w->keeper_up)
			return false;
		daemon_starts(w);
		return true;
	case KEEPER_DIES:
		if (!w->keeper_up || !w->mishaps_left)
			return false;
		w->mishaps_left--;
		w->keeper_up = w->mr_alive = w->peer_connected = false;
		w->fence_pending = w->destroy_pending = w->release_pending = w->arm_pending =
			w->refresh_pending = false;
		w->timer_armed = w->report_pending = false;
		w->lease = LEASE_NONE; /* the kernel closes its descriptors */
		memset(&w->to_keeper, 0, sizeof(w->to_keeper));
		memset(&w->to_daemon, 0, sizeof(w->to_daemon));
		region_do(w, (struct region_event){ .type = REGION_KEEPER_GONE });
		check(!w->daemon_up || w->removed, "the keeper is gone and its region stays");
		return true;
	default:
		return false;
	}
}

/* Actions that need no client, no peer, no daemon and no deadline of the kernel: what a guard may rely on. */
static const enum action alone[] = { REPORT, FENCE_OK, DESTROYED, RELEASED, ARM_OK, REFRESHED, TIMER };
/* The same, and everybody behaves. */
static const enum action together[] = { TO_DAEMON, TO_KEEPER, CLIENT_ACKS, PEER_ACKS, REPORT, FENCE_OK,
					DESTROYED, RELEASED,  ARM_OK,	   REFRESHED, TIMER };

/* Do the first possible of @list until @done holds or nothing is possible. Returns whether @done was reached. */
static bool run(struct world w, const enum action *list, size_t n, bool (*done)(const struct world *))
{
	for (int step = 0; step < 200 && !violation; step++) {
		size_t i = 0;

		if (done(&w))
			return true;
		while (i < n && !act(&w, list[i]))
			i++;
		if (i == n)
			return done(&w);
	}
	return false;
}

static bool nobody_waits(const struct world *w)
{
	return w->lease != LEASE_BREAKING;
}

static bool at_rest(const struct world *w)
{
	bool quiet = !w->to_daemon.n && !w->to_keeper.n && !w->report_pending;

	if (!w->keeper_up || w->torn_down)
		return quiet && w->removed;
	return quiet && w->guard.state == GUARD_OPEN && (w->lease == LEASE_ARMED || !w->guard.watched) &&
	       (w->region.state == REGION_LIVE || w->region.state == REGION_WARMING) && !w->region.revoking &&
	       !w->mapping_fenced && w->region.valid_length == w->guard.valid_length;
}

static void invariants(const struct world *w)
{
	const struct guard *g = &w->guard;

	if (!w->keeper_up)
		return;
	check(!(w->peer_cut && w->peer_acked_in_time), "a peer that acknowledged in time was cut off");
	check(g->state != GUARD_OPEN || !w->mapping_fenced, "open, but the mapping is fenced");
	check(g->fenced || !w->mapping_fenced || w->refresh_pending || !w->mr_alive,
	      "fenced without knowing it");
	if (g->state == GUARD_DEAD) {
		check(!w->timer_armed && !w->fence_pending && !w->release_pending && !w->arm_pending &&
			      !w->refresh_pending,
		      "a dead guard owns something");
		check(w->lease == LEASE_NONE && !w->mr_alive, "a dead guard left a lease or a memory region");
	}
	if (w->lease == LEASE_BREAKING)
		check(run(*w, alone, sizeof(alone) / sizeof(*alone), nobody_waits),
		      "a break is not settled by the keeper alone");
	if (w->daemon_up)
		check(run(*w, together, sizeof(together) / sizeof(*together), at_rest),
		      "everybody behaves and the region does not come to rest");
}

/* ---- the search ---- */

struct node {
	struct world w;
	uint32_t parent;
	uint8_t action;
};

static struct node *nodes;
static uint32_t n_nodes, n_allocated;
static uint32_t *table;
static uint32_t table_size;

/* Worlds that can not be told apart by anything that follows get the same bytes. */
static void normalize(struct world *w)
{
	struct guard *g = &w->guard;

	if (g->settled_usec && NOW - g->settled_usec > 1000000)
		g->settled_usec = 1;
	if (g->state != GUARD_ASKED)
		g->deadline_usec = 0;
	if (!w->timer_armed)
		w->timer_at = 0;
	w->timer_usec_left = 0;
	w->region.deadline_usec = 0;
}

static uint64_t hash(const struct world *w)
{
	const unsigned char *p = (const unsigned char *)w;
	uint64_t h = 1469598103934665603ull;

	for (size_t i = 0; i < sizeof(*w); i++)
		h = (h ^ p[i]) * 1099511628211ull;
	return h ^ h >> 29;
}

static void rehash(void)
{
	free(table);
	table_size = table_size ? table_size * 2 : 1u << 16;
	table = calloc(table_size, sizeof(*table));
	assert(table);
	for (uint32_t i = 0; i < n_nodes; i++) {
		uint32_t at = (uint32_t)hash(&nodes[i].w) & (table_size - 1);

		while (table[at])
			at = (at + 1) & (table_size - 1);
		table[at] = i + 1;
	}
}

static bool add(const struct world *w, uint32_t parent, enum action a)
{
	uint32_t at = (uint32_t)hash(w) & (table_size - 1);

	while (table[at]) {
		if (!memcmp(&nodes[table[at] - 1].w, w, sizeof(*w)))
			return false;
		at = (at + 1) & (table_size - 1);
	}
	if (n_nodes == n_allocated) {
		n_allocated = n_allocated ? n_allocated * 2 : 1024;
		nodes = reallocarray(nodes, n_allocated, sizeof(*nodes));
		assert(nodes);
	}
	memcpy(&nodes[n_nodes].w, w, sizeof(*w));
	nodes[n_nodes].parent = parent;
	nodes[n_nodes].action = (uint8_t)a;
	table[at] = ++n_nodes;
	if (n_nodes > table_size / 2)
		rehash();
	return true;
}

static void print_path(uint32_t n)
{
	if (n) {
		print_path(nodes[n].parent);
		printf("  %-20s -> guard %d, region %d, lease %d\n", action_names[nodes[n].action],
		       nodes[n].w.guard.state, nodes[n].w.region.state, nodes[n].w.lease);
	}
}

static bool explore(const struct world *start)
{
	uint32_t seen_guard = 0, seen_region = 0;

	rehash();
	add(start, 0, BREAK);
	for (uint32_t i = 0; i < n_nodes; i++) {
		for (int a = 0; a < _ACTION_MAX; a++) {
			struct world w;

			memcpy(&w, &nodes[i].w, sizeof(w));
			if (!act(&w, (enum action)a))
				continue;
			normalize(&w);
			if (!violation)
				invariants(&w);
			if (violation) {
				printf("violated: %s\nthe path:\n", violation);
				print_path(i);
				printf("  %-20s (here)\n", action_names[a]);
				return false;
			}
			seen_guard |= 1u << w.guard.state;
			seen_region |= 1u << w.region.state;
			add(&w, i, (enum action)a);
		}
	}
	/* a search that never got somewhere proves nothing about it */
	for (int s = 0; s < _GUARD_STATE_MAX; s++)
		if (!(seen_guard & 1u << s) && (s != GUARD_ASKED || start->guard.policy != POLICY_FOLLOW)) {
			printf("guard state %d was never reached\n", s);
			return false;
		}
	if (!(seen_region & 1u << REGION_DRAINING) || !(seen_region & 1u << REGION_FENCED) ||
	    !(seen_region & 1u << REGION_CLOSING)) {
		printf("a region state was never reached\n");
		return false;
	}
	return true;
}

static void make_start(struct world *w, enum region_policy policy, uint8_t mishaps)
{
	memset(w, 0, sizeof(*w));
	w->keeper_up = w->daemon_up = w->mr_alive = true;
	w->lease = LEASE_ARMED;
	w->kernel_length = 2;
	guard_init(&w->guard, policy, 5000000, 2, true);
	reset_daemon_side(w);
	w->region.id = 1;
	region_do(w, (struct region_event){ .type = REGION_REGISTERED, .valid_length = 2 });
	region_do(w, (struct region_event){
			     .type = REGION_HOLDER_JOINED, .kind = HOLDER_CLIENT, .holder = CLIENT });
	region_do(w,
		  (struct region_event){ .type = REGION_HOLDER_JOINED, .kind = HOLDER_PEER, .holder = PEER });
	w->client_there = w->peer_connected = true;
	w->breaks_left = 2;
	w->truncates_left = 1;
	w->mishaps_left = mishaps;
	normalize(w);
}

int main(int argc, char **argv)
{
	uint8_t mishaps = argc > 1 ? (uint8_t)atoi(argv[1]) : 1;

	static const enum region_policy policies[] = { POLICY_YIELD, POLICY_FOLLOW };
	static const char *const names[] = REGION_POLICY_NAMES;
	struct world w;

	for (size_t i = 0; i < sizeof(policies) / sizeof(*policies); i++) {
		n_nodes = table_size = 0;
		make_start(&w, policies[i], mishaps);
		if (!explore(&w))
			return 1;
		printf("policy %s: %u worlds, all invariants hold\n", names[policies[i]], n_nodes);
	}
	free(nodes);
	free(table);
	return 0;
}
