// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * key.c - what of a world can make a difference to anything that follows, and nothing else: see
 * world_key().
 *
 * Left out are values that are written again before they are read (a deadline when nobody is
 * asked), those that only a log or a reader sees (causes, how long a wait is), and where in the
 * pool a holder lives. Numbers that only ever grow, of revocations and of breaks, are taken
 * relative to the newest. `explore --check-keys` checks this file: see explore.c.
 */
#include <string.h>

#include "model.h"
#include "symmetry.h"

struct bytes {
	size_t n;
	uint8_t at[4096];
};

static void put(struct bytes *b, uint64_t value)
{
	/* one byte mostly: times are the only large ones */
	if (value < 250) {
		b->at[b->n++] = (uint8_t)value;
		return;
	}
	b->at[b->n++] = 255;
	memcpy(&b->at[b->n], &value, sizeof(value));
	b->n += sizeof(value);
}

static void put_range(struct bytes *b, bool any, uint64_t start, uint64_t end)
{
	put(b, any ? 1 + start * (PAGES + 1) + end : 0);
}

/* Relative to the newest number of the guard. */
static uint64_t rebase(const struct site *s, uint64_t revocation)
{
	if (!revocation)
		return 0;
	revocation += 100;
	return revocation > s->guard.revocation + 1 ? revocation - s->guard.revocation : 1;
}

static void put_demand(struct bytes *b, const struct guard *g, uint64_t id)
{
	const struct guard_demand *d = guard_find_demand(g, id);

	put(b, !d ? 0 : d->granted ? 2 : 1);
	if (!d)
		return;
	put(b, d->granted ? d->ends_usec : d->deadline_usec);
	put(b, d->granted ? 0 : d->ask_usec);
	put(b, d->put_off);
	put(b, d->limit_usec);
	put_range(b, true, d->start, d->end);
}

/* It ends in a respite, or a demand that comes may be put off. */
static bool closed_matters(const struct guard *g)
{
	return g->state < GUARD_DESTROYING && !g->close_wanted;
}

static void put_guard(struct bytes *b, const struct site *s)
{
	const struct guard *g = &s->guard;

	put(b, g->state);
	put(b, (uint64_t)(g->watched | g->armed << 1 | g->fenced << 2 | g->holding << 3 |
			  g->owing << 4 | g->broken << 5 | g->close_wanted << 6));
	put(b, (uint64_t)(uint8_t)(s->break_id - g->break_id));
	put(b, g->valid_length);
	put(b, g->state == GUARD_ASKED ? g->deadline_usec : 0);
	put(b, g->close_wanted && g->state != GUARD_ASKED ? g->close_usec : 0);
	put(b, guard_is_open(g) && g->respite_usec > NOW ? g->respite_usec : 0);
	put(b, g->fenced && closed_matters(g) ? g->closed_usec : 0);
	put_range(b,
		  g->state == GUARD_ASKED || g->state == GUARD_FENCING || g->state == GUARD_CLOSING,
		  g->ask_start, g->ask_end);
	put_range(b, g->fenced, g->fence_start, g->fence_end);
	put_range(b, g->holding || g->broken, g->break_start, g->break_end);
	for (uint64_t i = 0; i < DEMANDS; i++)
		put_demand(b, g, i + 1);
	put(b, s->timer_at && world_lets_the_file_be(s) ? 1 : s->timer_at);
}

static void put_keeper(struct bytes *b, const struct site *s)
{
	put(b, s->keeper_up ? s->torn_down ? 1u + 2u * s->missed : 2 : 0);
	if (!s->keeper_up || s->torn_down)
		return;
	put(b, s->lease);
	put(b, s->lease == LEASE_BREAKING || s->report_pending || s->guard.holding ? s->breaker % 16
										   : 0);
	put(b, (uint64_t)(s->report_pending | s->mr_alive << 1 | s->missed << 2 |
			  s->release_asked << 3 | (s->fresh && guard_is_open(&s->guard)) << 4));
	put(b, s->under_way);
	put(b, (uint64_t)(s->fenced_pages | s->asked_pages << 2));
	put(b, s->promised_usec);
	put(b, s->guard.state == GUARD_ASKED ? s->close_usec : 0);
	put(b, s->report_pending && s->break_id != s->guard.break_id ? s->broken_usec : 0);
	put(b, s->guard.holding || s->guard.broken ? s->guard.break_began_usec : 0);
	for (size_t i = 0; i < DEMANDS; i++) {
		put(b, s->part[i].state);
		put(b, s->part[i].place);
		put(b, s->part[i].deadline_usec);
	}
	put_guard(b, s);
}

static bool is_about_a_holder(const struct message *m)
{
	return m->type == TELL_ACKED || m->type == TELL_LEFT || m->type == TELL_PEER;
}

static void put_message(struct bytes *b, const struct site *s, const struct symmetry *y,
			const struct message *m)
{
	put(b, m->type);
	put(b, (uint64_t)((is_about_a_holder(m) ? y->place[m->who] : m->who) << 4 | m->value));
	put(b, rebase(s, m->revocation));
	put(b, m->type == TELL_SETTLED || m->type == TELL_REGION ? m->valid_length : 0);
}

/* Those of several peers, which may be taken in any order, by their places. */
static void put_run(struct bytes *b, const struct site *s, const struct symmetry *y,
		    const struct message *run, size_t n)
{
	for (uint8_t place = 0; place < world_setup->holders; place++)
		for (size_t i = 0; i < n; i++)
			if (y->place[run[i].who] == place)
				put_message(b, s, y, &run[i]);
}

static void put_queues(struct bytes *b, const struct site *s, const struct symmetry *y)
{
	struct queue rest = s->to_daemon;

	put(b, rest.n);
	while (rest.n) {
		uint8_t n = queue_choices(&rest);

		if (n > 1)
			put_run(b, s, y, rest.item, n);
		else
			put_message(b, s, y, rest.item);
		while (n--)
			queue_pop(&rest, 0);
	}
	put(b, s->to_keeper.n);
	for (size_t i = 0; i < s->to_keeper.n; i++) {
		const struct message *m = &s->to_keeper.item[i];

		put(b, m->type);
		put(b, (uint64_t)(m->who << 4 | m->value));
		put(b, m->type == ASK_CONSENT && m->revocation == s->guard.revocation);
	}
}

static bool is_revoked_soon(const struct site *s)
{
	for (size_t i = 0; i < s->to_daemon.n; i++)
		if (s->to_daemon.item[i].type == TELL_REVOKED)
			return true;
	return false;
}

static void put_region(struct bytes *b, const struct world *w, const struct site *s,
		       const struct symmetry *y)
{
	const struct region *r = &s->region;

	put(b, w->daemon_up ? s->removed ? 1 : 2 : 0);
	if (!w->daemon_up || s->removed)
		return;
	put(b, r->state);
	put(b,
	    (uint64_t)(r->revoking | r->close_wanted << 1 | r->consent_sent << 2 | r->listing << 3 |
		       s->listed << 4 | (r->again && r->state == REGION_REGISTERING) << 5 |
		       s->replacing << 6 | s->anew << 7));
	put(b, r->close_wanted && r->state != REGION_CLOSING ? r->close_deadline_usec : 0);
	put(b, r->pending);
	put(b, r->valid_length);
	/* between revocations it is only compared with those to come */
	put(b, r->revoking ? rebase(s, r->revocation) : is_revoked_soon(s));
	put(b, s->consent == r->revocation);
	for (uint8_t place = 0; place < world_setup->holders; place++)
		for (uint32_t i = r->holders; i; i = registry_holder(&w->registry, i)->next) {
			const struct holder *h = registry_holder(&w->registry, i);

			if (h->id == y->holder[place] + 1u) {
				put(b, place + 1u);
				put(b, (h->asked ? h->asked == r->revocation ? 2 : 1 : 0) +
					       (r->listing && h->listed ? 4 : 0));
			}
		}
	put(b, 0);
}

static uint8_t put_in_place(uint8_t regions, const struct symmetry *y)
{
	uint8_t places = 0;

	for (uint8_t i = 0; i < world_setup->regions; i++)
		if (regions & 1u << y->region[i])
			places |= (uint8_t)(1u << i);
	return places;
}

static void put_waiter(struct bytes *b, const struct waiter *q, const struct symmetry *y)
{
	put(b, (uint64_t)(q->stage << 1 | q->known));
	if (!q->known)
		return;
	put(b, q->core.state);
	put(b,
	    (uint64_t)(q->core.failed | q->core.ended << 1 | q->over_sent << 3 | q->failed << 4));
	put(b, q->core.parts);
	put(b, put_in_place(q->parts, y));
	put(b, put_in_place(q->unanswered, y));
	put(b, put_in_place(q->limit_passed, y));
}

static uint64_t mix(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9e3779b97f4a7c15ull;
	return h ^ h >> 32;
}

static struct key sum(struct bytes *b)
{
	struct key k = { 0x243f6a8885a308d3ull, 0x13198a2e03707344ull };

	while (b->n % sizeof(uint64_t))
		b->at[b->n++] = 0;
	for (size_t i = 0; i < b->n; i += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, &b->at[i], sizeof(word));
		k.low = mix(k.low, word);
		k.high = mix(k.high, word + k.low);
	}
	/* the set keeps one and goes by the other: each depends on all of both */
	k.low = mix(mix(k.low, b->n), k.high);
	k.high = mix(k.high, k.low);
	return k;
}

static struct key key_with(const struct world *w, const struct symmetry *y)
{
	struct bytes b;

	b.n = 0;
	for (size_t i = 0; i < world_setup->regions; i++) {
		const struct site *s = &w->site[y->region[i]];

		put_keeper(&b, s);
		put_region(&b, w, s, y);
		put_queues(&b, s, y);
	}
	for (size_t i = 0; i < world_setup->holders; i++) {
		const struct site *s = &w->site[world_setup->holder[y->holder[i]].region];
		const struct user *u = &w->user[y->holder[i]];

		put(&b, u->there);
		put(&b, u->there ? rebase(s, u->asked) : 0);
		put(&b, u->there && u->acked == s->guard.revocation);
	}
	for (size_t i = 0; i < world_setup->demands; i++)
		put_waiter(&b, &w->waiter[i], y);
	put(&b, w->file_length);
	put(&b, w->breaks_left);
	put(&b, w->truncates_left);
	put(&b, w->releases_left);
	put(&b, w->leaves_left);
	put(&b, w->mishaps_left);
	put(&b, w->misses_left);
	put(&b, w->replaces_left);
	return sum(&b);
}

/* The least of all places that those who are alike can have. */
struct key world_key(const struct world *w)
{
	uint32_t n;
	const struct symmetry *y = symmetries(&n);
	struct key least = key_with(w, y);

	for (uint32_t i = 1; i < n; i++) {
		struct key k = key_with(w, &y[i]);

		if (k.high < least.high || (k.high == least.high && k.low < least.low))
			least = k;
	}
	least.high = mix(least.high, least.low); /* small ones are no more likely than others */
	return least;
}
