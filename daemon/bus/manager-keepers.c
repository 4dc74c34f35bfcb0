// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-keepers.c - Manager.ListKeepers: the processes that have the regions; and ReplaceKeeper.
 *
 * What always holds: a caller learns of its own user's keepers only, and a walk costs it nothing
 * what others have but a look at each.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#include "bus/authorize.h"
#include "bus/bus-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/macros.h"
#include "util/text.h"

/* What ListKeepers was asked for, and how far it is. */
struct keeper_listing {
	struct listing listing;
	uint32_t uid;
	bool has_uid;
	char session[TENANT_SESSION_MAX]; /* empty: any */
	bool has_state;
	uint8_t state; /* enum keeper_state */
	uint64_t after;
};

static int read_filter(sd_bus_message *m, struct listing *listing, struct failure *f)
{
	struct keeper_listing *l = (struct keeper_listing *)listing;
	const char *session = NULL, *state = NULL;
	const struct option known[] = {
		{ "uid", 'u', &l->uid, &l->has_uid },
		{ "session", 's', &session, NULL },
		{ "state", 's', &state, &l->has_state },
	};
	int r = options_read(m, known, ARRAY_SIZE(known), f);

	if (r == 0 && session)
		r = check_session(session, f);
	if (r == 0 && session)
		strcpy(l->session, session); /* as short as check_session() wants it */
	if (r == 0 && state)
		r = option_word("state", state, keeper_state_names, _KEEPER_STATE_MAX, &l->state,
				f);
	return r;
}

static bool matches(const struct keeper_listing *l, const struct keeper_view *v)
{
	return (!l->has_uid || l->uid == v->uid) &&
	       (!*l->session || !strcmp(l->session, v->session)) &&
	       (!l->has_state || l->state == v->state);
}

/* What a keeper has said is made fit for the bus. */
static int append_said(sd_bus_message *m, const char *key, const char *text)
{
	char clean[128];

	text_clean(clean, sizeof(clean), text, strlen(text));
	return sd_bus_message_append(m, "{sv}", key, "s", clean);
}

static int append_keeper(sd_bus_message *m, const struct keeper_view *v)
{
	char name[KEEPER_NAME_MAX];
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	snprintf(name, sizeof(name), "%" PRIu32 "-%s-%" PRIu32, v->uid, v->session, v->instance);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}", "keeper", "s", name, "uid",
					  "u", v->uid, "session", "s", v->session, "state", "s",
					  keeper_state_names[v->state], "trouble", "s", v->trouble);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}", "pid", "u", v->pid, "unit",
					  "s", v->unit, "version", "u", v->version, "version_min",
					  "u", v->version_min, "version_max", "u", v->version_max);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}", "regions", "u", v->regions,
					  "bytes", "t", v->bytes, "peers", "u", v->peers,
					  "attempts", "u", v->attempts);
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}", "current", "b",
					  !strcmp(v->program, PROJECT_VERSION));
	if (r >= 0)
		r = append_said(m, "program", v->program);
	if (r >= 0)
		r = append_said(m, "device", v->device);
	if (r >= 0)
		r = append_said(m, "address", v->address);
	if (r >= 0 && v->runs_as != UINT32_MAX)
		r = sd_bus_message_append(m, "{sv}", "runs_as", "u", v->runs_as);
	if (r >= 0 && v->since_usec)
		r = sd_bus_message_append(m, "{sv}", "since_usec", "t", v->since_usec);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int look(struct bus *b, struct listing *listing, uint32_t uid, uint64_t until_usec)
{
	struct keeper_listing *l = (struct keeper_listing *)listing;
	struct keeper_view v;
	int r = 0;

	while (r >= 0) {
		if (now_monotonic_usec() >= until_usec)
			return 1;
		if (!b->handlers->view_next_keeper(b->userdata, uid ? &uid : NULL, l->after, &v))
			return 0;
		l->after = v.number;
		if (matches(l, &v))
			r = append_keeper(listing->reply, &v);
	}
	return r;
}

static const struct listing_kind keepers = { .item = "a{sv}",
					     .size = sizeof(struct keeper_listing),
					     .read = read_filter,
					     .look = look,
					     .free = listing_free };

int method_list_keepers(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)error;
	return listing_of(userdata, m, &keepers);
}

static int replace_authorized(struct bus *b, struct client *c, int fd, const void *request,
			      struct call *call, struct failure *f)
{
	(void)fd;
	return b->handlers->replace_keeper(b->userdata, c, request, call, f);
}

int method_replace_keeper(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct replace_request q = { 0 };
	const struct option known[] = { { "grace_usec", 't', &q.grace_usec, &q.has_grace } };
	const struct authorization a = { .action = ACTION_REPLACE,
					 .then = replace_authorized,
					 .fd = -1,
					 .path = "",
					 .request = &q,
					 .request_size = sizeof(q) };
	struct bus *b = userdata;
	const char *keeper = NULL;
	struct client *c;
	struct failure f;
	struct call *call;
	int r;

	(void)error;
	r = client_of_message(b, m, &c);
	if (r >= 0)
		r = sd_bus_message_read(m, "s", &keeper);
	if (r >= 0)
		r = options_read(m, known, ARRAY_SIZE(known), &f);
	if (r == 0 && strlen(keeper) >= sizeof(q.keeper))
		r = failure_set(&f, RDMAREG_ERROR_INVALID_OPTION, "no keeper has so long a name");
	if (r == 0) {
		text_clean(q.keeper, sizeof(q.keeper), keeper, strlen(keeper));
		r = call_new(b, c, m, &call, &f);
	}
	if (r)
		return refuse(m, r, &f);
	if (c->uid != 0)
		return end_call(call, authorize(b, &a, call, &f), &f);
	return end_call(call, b->handlers->replace_keeper(b->userdata, c, &q, call, &f), &f);
}
