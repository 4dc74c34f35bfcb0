// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-session.c - Manager.CreateSession, GetSession and ListSessions.
 *
 * What always holds: a walk meets only sessions that the caller may see.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/macros.h"

#define LIST_LIMIT_DEFAULT 256
#define LIST_LIMIT_MAX 4096

static int read_name(sd_bus_message *m, uint32_t *ret_uid, char ret_name[static TENANT_SESSION_MAX],
		     struct failure *f)
{
	const char *name;
	int r = sd_bus_message_read(m, "us", ret_uid, &name);

	if (r < 0)
		return r;
	r = check_session(name, f);
	if (r)
		return r;
	strcpy(ret_name, name); /* as short as check_session() wants it */
	if (*ret_uid == UINT32_MAX)
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION, "%" PRIu32 " is no user id",
				   *ret_uid);
	return 0;
}

int method_create_session(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct session_request q = { 0 };
	struct bus *b = userdata;
	struct client *c;
	struct failure f;
	int r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = read_name(m, &q.uid, q.name, &f);
	if (r == 0)
		r = session_read_options(m, true, &q, &f);
	return r ? refuse(m, r, &f) : session_order(m, b, c, ORDER_CREATE, &q);
}

int method_get_session(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	char name[TENANT_SESSION_MAX], path[SESSION_PATH_MAX];
	struct bus *b = userdata;
	struct session_view v;
	struct client *c;
	struct failure f;
	uint32_t uid;
	int r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = read_name(m, &uid, name, &f);
	if (r == 0 && (!b->handlers->view_session(b->userdata, uid, name, &v) ||
		       !client_may_see(c, v.tenant)))
		r = session_missing(&f, uid, name);
	if (r)
		return refuse(m, r, &f);
	session_path(uid, name, path);
	return sd_bus_reply_method_return(m, "o", path);
}

/* What ListSessions was asked for, and how far it is. */
struct session_listing {
	struct listing listing;
	uint32_t uid;
	bool has_uid;
	bool has_state;
	uint8_t state;
	uint32_t after_uid;
	char after[TENANT_SESSION_MAX]; /* empty: from the first on */
	uint32_t left;			/* so many more at most */
};

static int read_filter(sd_bus_message *m, struct listing *listing, struct failure *f)
{
	struct session_listing *l = (struct session_listing *)listing;
	const char *state = NULL, *after = NULL;
	const struct option known[] = {
		{ "Uid", 'u', &l->uid, &l->has_uid },
		{ "State", 's', &state, &l->has_state },
		{ "After", 'o', &after, NULL },
		{ "Limit", 'u', &l->left, NULL },
	};
	int r;

	l->left = LIST_LIMIT_DEFAULT;
	r = options_read(m, known, ARRAY_SIZE(known), f);
	if (r)
		return r;
	if (l->left < 1 || l->left > LIST_LIMIT_MAX)
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "Limit must be from 1 to %d, not %" PRIu32, LIST_LIMIT_MAX,
				   l->left);
	if (after && !session_of_path(after, &l->after_uid, l->after))
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "After must be the object path of a session, not %.200s", after);
	if (!l->has_state)
		return 0;
	return option_word("State", state, session_state_names, _SESSION_STATE_MAX, &l->state, f);
}

static int append_session(sd_bus_message *reply, const struct session_view *v)
{
	const struct tenant *t = v->tenant;
	char path[SESSION_PATH_MAX];
	int r = sd_bus_message_open_container(reply, 'r', "ousstua{sv}");

	session_path(t->uid, t->session, path);
	if (r >= 0)
		r = sd_bus_message_append(reply, "ousstu", path, t->uid, t->session,
					  session_state_names[t->state], t->bytes, t->regions);
	if (r >= 0)
		r = session_append(reply, v, false);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int look(struct bus *b, struct listing *listing, uint32_t uid, uint64_t until_usec)
{
	struct session_listing *l = (struct session_listing *)listing;
	const uint32_t *of = l->has_uid ? &l->uid : uid ? &uid : NULL;
	struct session_view v;
	int r = 0;

	if (uid && l->has_uid && l->uid != uid)
		return 0;
	while (r >= 0 && l->left) {
		if (now_monotonic_usec() >= until_usec)
			return 1;
		if (!b->handlers->view_next_session(b->userdata, of, l->after_uid,
						    *l->after ? l->after : NULL, &v))
			break;
		l->after_uid = v.tenant->uid;
		strcpy(l->after, v.tenant->session);
		if (l->has_state && l->state != v.tenant->state)
			continue;
		r = append_session(listing->reply, &v);
		l->left--;
	}
	return r < 0 ? r : 0;
}

static const struct listing_kind sessions = { .item = "(ousstua{sv})",
					      .size = sizeof(struct session_listing),
					      .read = read_filter,
					      .look = look,
					      .free = listing_free };

int method_list_sessions(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)error;
	return listing_of(userdata, m, &sessions);
}
