// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * listing.c - answers that can be long: lists of regions and of holders. They are made in slices:
 * of all users that wait for one, each in its turn gets one slice, and no more than one slice is
 * made before everything else has its turn. What a slice takes is charged to its user.
 *
 * What always holds: of each user at most one answer is being built, however many it asked for; a
 * listing is in its user's queue until it is answered or its client is gone, and a user is in the
 * ring exactly while its queue is not empty.
 */
#include <errno.h>
#include <stdlib.h>

#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* What one slice may take. */
#define SLICE_USEC 1000

static int begin(struct bus *b, struct listing *l)
{
	int r = call_new_reply(l->call, &l->reply);

	if (r >= 0 && l->kind->begin)
		r = l->kind->begin(b, l);
	if (r < 0 || !l->kind->item)
		return r;
	return sd_bus_message_open_container(l->reply, 'a', l->kind->item);
}

static int end(struct listing *l)
{
	return l->kind->end ? l->kind->end(l) : sd_bus_message_close_container(l->reply);
}

static void drop(struct bus *b, struct client_user *u, struct listing *l)
{
	TAILQ_REMOVE(&u->listings, l, of_user);
	if (TAILQ_EMPTY(&u->listings))
		TAILQ_REMOVE(&b->listing_users, u, of_ring);
	sd_bus_message_unref(l->reply);
	l->kind->free(l);
}

/* A slice for the user whose turn it is; then it is the next one's. */
static void take_turn(struct bus *b, struct client_user *u)
{
	struct listing *l = TAILQ_FIRST(&u->listings);
	int r = l->reply ? 0 : begin(b, l);
	struct failure f;

	if (r >= 0)
		r = l->kind->look(b, l, u->uid, now_monotonic_usec() + SLICE_USEC);
	if (r == 1) {
		TAILQ_REMOVE(&b->listing_users, u, of_ring);
		TAILQ_INSERT_TAIL(&b->listing_users, u, of_ring);
		return;
	}
	if (r == -E2BIG) {
		failure_set(&f, RDMAREG_ERROR_LIMIT_EXCEEDED, "%s", l->kind->too_long);
		call_fail(l->call, &f);
	} else {
		if (r == 0)
			r = end(l);
		call_finish(l->call, l->reply, r);
		l->reply = NULL;
	}
	drop(b, u, l);
}

void listing_begin(struct bus *b, struct client_user *u, struct listing *l)
{
	if (TAILQ_EMPTY(&u->listings))
		TAILQ_INSERT_TAIL(&b->listing_users, u, of_ring);
	TAILQ_INSERT_TAIL(&u->listings, l, of_user);
	if (TAILQ_FIRST(&u->listings) == l)
		take_turn(b, u); /* most lists are short, and are answered at once */
}

void listing_free(struct listing *l)
{
	free(l);
}

int listing_of(struct bus *b, sd_bus_message *m, const struct listing_kind *kind)
{
	_cleanup_(freep) struct listing *l = calloc(1, kind->size);
	struct client *c;
	struct failure f;
	int r;

	if (!l)
		return -ENOMEM;
	l->kind = kind;
	r = client_of_message(b, m, &c);
	if (r < 0)
		return r;
	r = kind->read(m, l, &f);
	if (r == 0)
		r = call_new(b, c, m, &l->call, &f);
	if (r)
		return refuse(m, r, &f);
	listing_begin(b, c->user, steal_pointer(l));
	return 1;
}

bool listings_work(struct bus *b)
{
	struct client_user *u = TAILQ_FIRST(&b->listing_users);

	if (u) {
		struct time_span began = time_span_begin();

		take_turn(b, u);
		time_share_charge(&u->time, &began);
	}
	return !TAILQ_EMPTY(&b->listing_users);
}

void listings_drop(struct bus *b, struct client *c)
{
	struct listing *l, *next;

	for (l = TAILQ_FIRST(&c->user->listings); l; l = next) {
		next = TAILQ_NEXT(l, of_user);
		if (call_client(l->call) != c)
			continue;
		call_drop(l->call);
		drop(b, c->user, l);
	}
}
