// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-list.c - ListRegions. A list is made in slices: of all users that wait for one, each in its turn
 * gets one slice, and no more than one slice is made before everything else has its turn.
 *
 * What always holds: a walk meets only regions that the caller may see, so it costs nothing what others
 * have; of each user at most one answer is being built, however many lists it asked for; a listing is in
 * its user's queue until it is answered or its client is gone, and a user is in the ring exactly while its
 * queue is not empty.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define LIST_LIMIT_DEFAULT 256
#define LIST_LIMIT_MAX 4096

/* What one slice may take, and how many regions are looked at between two looks at the clock. */
#define SLICE_USEC 1000
#define SLICE_STRIDE 16

/* What ListRegions was asked for, and how far it is. */
struct listing {
	struct call *call;
	sd_bus_message *reply; /* NULL: not begun */
	char session[TENANT_SESSION_MAX];
	bool has_session;
	bool has_state;
	uint8_t state;
	uint64_t after;
	uint32_t left; /* so many more at most */
	TAILQ_ENTRY(listing) of_user;
};

static int read_filter(sd_bus_message *m, struct listing *l, struct failure *f)
{
	const char *session = NULL, *state = NULL;
	const struct option known[] = {
		{ "session", 's', &session, &l->has_session },
		{ "state", 's', &state, &l->has_state },
		{ "after", 't', &l->after, NULL },
		{ "limit", 'u', &l->left, NULL },
	};
	int r;

	l->left = LIST_LIMIT_DEFAULT;
	r = options_read(m, known, sizeof(known) / sizeof(known[0]), f);
	if (r)
		return r;
	if (l->left < 1 || l->left > LIST_LIMIT_MAX)
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "limit must be from 1 to %d, not %" PRIu32, LIST_LIMIT_MAX, l->left);
	if (l->has_session) {
		r = check_session(session, f);
		if (r)
			return r;
		strcpy(l->session, session); /* as short as check_session() wants it */
	}
	if (!l->has_state)
		return 0;
	return option_word("state", state, region_state_names, _REGION_STATE_MAX, &l->state, f);
}

static bool matches(const struct listing *l, const struct region_view *v)
{
	return (!l->has_session || !strcmp(l->session, v->tenant->session)) &&
	       (!l->has_state || l->state == v->region->state);
}

static int append_region(sd_bus_message *reply, const struct region_view *v)
{
	char path[REGION_PATH_MAX];
	int r = sd_bus_message_open_container(reply, 'r', "toa{sv}");

	region_path(v->region->id, path);
	if (r >= 0)
		r = sd_bus_message_append(reply, "to", v->region->id, path);
	if (r >= 0)
		r = properties_append(reply, v, UINT32_MAX);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int begin(struct listing *l)
{
	int r = call_new_reply(l->call, &l->reply);

	return r < 0 ? r : sd_bus_message_open_container(l->reply, 'a', "(toa{sv})");
}

/* One slice. 1: there is more to look at, 0: that was all. */
static int look(struct bus *b, struct listing *l, uint32_t uid)
{
	uint64_t began = now_monotonic_usec();
	struct region_view v;
	int r = 0;

	for (unsigned int n = 1; r >= 0 && l->left; n++) {
		if (n % SLICE_STRIDE == 0 && now_monotonic_usec() - began >= SLICE_USEC)
			return 1;
		if (!b->handlers->view_next(b->userdata, uid, l->after, &v))
			break;
		l->after = v.region->id;
		if (!matches(l, &v))
			continue;
		r = append_region(l->reply, &v);
		l->left--;
	}
	return r < 0 ? r : sd_bus_message_close_container(l->reply);
}

static void listing_free(struct bus *b, struct client_user *u, struct listing *l)
{
	TAILQ_REMOVE(&u->listings, l, of_user);
	if (TAILQ_EMPTY(&u->listings))
		TAILQ_REMOVE(&b->listing_users, u, of_ring);
	sd_bus_message_unref(l->reply);
	free(l);
}

/* A slice for the user whose turn it is; then it is the next one's. */
static void take_turn(struct bus *b, struct client_user *u)
{
	struct listing *l = TAILQ_FIRST(&u->listings);
	int r = l->reply ? 0 : begin(l);

	if (r >= 0)
		r = look(b, l, u->uid);
	if (r == 1) {
		TAILQ_REMOVE(&b->listing_users, u, of_ring);
		TAILQ_INSERT_TAIL(&b->listing_users, u, of_ring);
		return;
	}
	call_finish(l->call, l->reply, r);
	l->reply = NULL;
	listing_free(b, u, l);
}

bool listings_work(struct bus *b)
{
	if (!TAILQ_EMPTY(&b->listing_users))
		take_turn(b, TAILQ_FIRST(&b->listing_users));
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
		listing_free(b, c->user, l);
	}
}

int method_list(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	_cleanup_(freep) struct listing *l = calloc(1, sizeof(*l));
	struct bus *b = userdata;
	struct client_user *u;
	struct client *c;
	struct failure f;
	int r;

	(void)error;
	if (!l)
		return -ENOMEM;
	r = client_of_message(b, m, &c);
	if (r < 0)
		return r;
	r = read_filter(m, l, &f);
	if (r == 0)
		r = call_new(b, c, m, &l->call, &f);
	if (r)
		return refuse(m, r, &f);
	u = c->user;
	if (TAILQ_EMPTY(&u->listings))
		TAILQ_INSERT_TAIL(&b->listing_users, u, of_ring);
	TAILQ_INSERT_TAIL(&u->listings, l, of_user);
	if (TAILQ_FIRST(&u->listings) == l)
		take_turn(b, u); /* most lists are short, and are answered at once */
	l = NULL;
	return 1;
}
