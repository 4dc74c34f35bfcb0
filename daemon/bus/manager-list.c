// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-list.c - ListRegions, and ListRegionProperties, which is the same for a few properties.
 *
 * What always holds: a walk meets only regions that the caller may see, so it costs nothing what
 * others have.
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

/* How many regions are looked at between two looks at the clock. */
#define SLICE_STRIDE 16

/* What ListRegions was asked for, and how far it is. */
struct region_listing {
	struct listing listing;
	char session[TENANT_SESSION_MAX]; /* "": any */
	bool has_state;
	uint8_t state;
	uint64_t after;
	uint32_t left;		       /* so many more at most */
	struct property_choice chosen; /* for ListRegionProperties */
};

static int read_filter(sd_bus_message *m, struct listing *listing, struct failure *f)
{
	struct region_listing *l = (struct region_listing *)listing;
	const char *session = NULL, *state = NULL;
	const struct option known[] = {
		{ "session", 's', &session, NULL },
		{ "state", 's', &state, &l->has_state },
		{ "after", 't', &l->after, NULL },
		{ "limit", 'u', &l->left, NULL },
	};
	int r;

	l->left = LIST_LIMIT_DEFAULT;
	r = options_read(m, known, ARRAY_SIZE(known), f);
	if (r)
		return r;
	if (l->left < 1 || l->left > LIST_LIMIT_MAX)
		return failure_set(f, RDMAREG_ERROR_INVALID_OPTION,
				   "limit must be from 1 to %d, not %" PRIu32, LIST_LIMIT_MAX,
				   l->left);
	if (session) {
		r = check_session(session, f);
		if (r)
			return r;
		strcpy(l->session, session); /* as short as check_session() wants it */
	}
	if (!l->has_state)
		return 0;
	return option_word("state", state, region_state_names, _REGION_STATE_MAX, &l->state, f);
}

static int read_filter_and_choice(sd_bus_message *m, struct listing *listing, struct failure *f)
{
	struct region_listing *l = (struct region_listing *)listing;
	int r = read_filter(m, listing, f);

	return r ? r : properties_choose(m, &l->chosen, f);
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

static int look(struct bus *b, struct listing *listing, uint32_t uid, uint64_t until_usec)
{
	struct region_listing *l = (struct region_listing *)listing;
	struct region_view v;
	int r = 0;

	for (unsigned int n = 1; r >= 0 && l->left; n++) {
		if (n % SLICE_STRIDE == 0 && now_monotonic_usec() >= until_usec)
			return 1;
		if (!b->handlers->view_next(b->userdata, uid, *l->session ? l->session : NULL,
					    l->after, &v))
			break;
		l->after = v.region->id;
		if (l->has_state && l->state != v.region->state)
			continue;
		r = l->chosen.n ? properties_append_chosen(listing->reply, &v, &l->chosen)
				: append_region(listing->reply, &v);
		l->left--;
	}
	return r < 0 ? r : 0;
}

static const struct listing_kind regions = { .item = "(toa{sv})",
					     .size = sizeof(struct region_listing),
					     .read = read_filter,
					     .look = look,
					     .free = listing_free };

static int begin_chosen(struct bus *b, struct listing *listing)
{
	const struct region_listing *l = (const struct region_listing *)listing;
	char item[sizeof(l->chosen.type) + 2], items[sizeof(item) + 1];
	int r;

	(void)b;
	snprintf(item, sizeof(item), "(%s)", l->chosen.type);
	snprintf(items, sizeof(items), "a%s", item);
	r = sd_bus_message_open_container(listing->reply, 'v', items);
	return r < 0 ? r : sd_bus_message_open_container(listing->reply, 'a', item);
}

static int end_chosen(struct listing *listing)
{
	int r = sd_bus_message_close_container(listing->reply);

	return r < 0 ? r : sd_bus_message_close_container(listing->reply);
}

static const struct listing_kind chosen = { .begin = begin_chosen,
					    .end = end_chosen,
					    .size = sizeof(struct region_listing),
					    .read = read_filter_and_choice,
					    .look = look,
					    .free = listing_free };

int method_list_properties(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)error;
	return listing_of(userdata, m, &chosen);
}

int method_list(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)error;
	return listing_of(userdata, m, &regions);
}
