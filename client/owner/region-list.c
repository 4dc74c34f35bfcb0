// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * region-list.c - a walk over regions, page by page. What always holds: ids rise strictly, so a
 * walk ends however the set changes and whatever the daemon answers; one page is held at a time.
 */
#include <stdbool.h>

#include "bus.h"
#include "error.h"
#include "properties.h"
#include "util.h"

#define PAGE_DEFAULT 256
#define PAGE_MAX 4096

struct rdmareg_list {
	struct rdmareg *context;
	struct rdmareg_list *next;
	char *session;
	enum rdmareg_state state;
	uint64_t after;
	uint32_t page;
	uint32_t taken;		/* of the page in @answer */
	bool last;		/* nothing comes behind @answer */
	sd_bus_message *answer; /* positioned inside its array; NULL between pages */
	struct properties properties;
};

_public_ struct rdmareg_list *rdmareg_list_free(struct rdmareg_list *l)
{
	struct rdmareg_list **p;

	if (!l)
		return NULL;
	for (p = &l->context->lists; *p; p = &(*p)->next)
		if (*p == l) {
			*p = l->next;
			break;
		}
	properties_clear(&l->properties);
	sd_bus_message_unref(l->answer);
	free(l->session);
	free(l);
	return NULL;
}

DEFINE_CLEANUP(struct rdmareg_list, rdmareg_list_free)

void lists_free_all(struct rdmareg *c)
{
	while (c->lists)
		rdmareg_list_free(c->lists);
}

_public_ int rdmareg_list(struct rdmareg *c, const struct rdmareg_list_options *options,
			  struct rdmareg_list **ret)
{
	_cleanup_(rdmareg_list_free_cleanup) struct rdmareg_list *l = NULL;
	struct rdmareg_list_options o;
	int r;

	NEED(c);
	NEED(ret);
	r = struct_in(&o, sizeof(o), options);
	if (r < 0)
		return r;
	if (o.page > PAGE_MAX)
		return fail(EINVAL, "listing regions: a page has at most %d", PAGE_MAX);
	if ((unsigned int)o.state > RDMAREG_STATE_CLOSING)
		return fail(EINVAL, "listing regions: invalid state %d", (int)o.state);
	l = calloc(1, sizeof(*l));
	if (!l)
		return fail(ENOMEM, "listing regions: out of memory");
	l->context = c;
	l->next = c->lists;
	c->lists = l;
	l->state = o.state;
	l->after = o.after;
	l->page = o.page ? o.page : PAGE_DEFAULT;
	if (o.session) {
		l->session = strdup(o.session);
		if (!l->session)
			return fail(ENOMEM, "listing regions: out of memory");
	}
	*ret = take_pointer(l);
	return 0;
}

static int fetch_page(struct rdmareg_list *l)
{
	sd_bus_message *m = NULL;
	int r;

	r = context_new_call(l->context, 0, "ListRegions", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_open_container(m, 'a', "{sv}");
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}", "after", "t", l->after, "limit", "u",
					  l->page);
	if (r >= 0 && l->session)
		r = sd_bus_message_append(m, "{sv}", "session", "s", l->session);
	if (r >= 0 && l->state)
		r = sd_bus_message_append(m, "{sv}", "state", "s", rdmareg_state_name(l->state));
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	if (r < 0) {
		sd_bus_message_unref(m);
		return fail_bus(NULL, r, "listing regions");
	}
	r = context_call(l->context, m, 0, &l->answer, "listing regions");
	if (r < 0)
		return r;
	l->taken = 0;
	if (sd_bus_message_enter_container(l->answer, 'a', "(toa{sv})") < 0) {
		l->answer = sd_bus_message_unref(l->answer);
		return fail(
			EBADMSG,
			"listing regions: rdmaregd's answer is not understood; " VERSIONS_DIFFER);
	}
	return 0;
}

/* 1 with the next region of the page, 0 at the page's end. */
static int next_of_page(struct rdmareg_list *l)
{
	uint64_t id = 0;
	int r;

	r = sd_bus_message_enter_container(l->answer, 'r', "toa{sv}");
	if (r == 0)
		return 0;
	if (r > 0)
		r = sd_bus_message_read(l->answer, "t", &id);
	if (r > 0)
		r = sd_bus_message_skip(l->answer, "o");
	if (r >= 0)
		r = properties_read(&l->properties, l->answer);
	if (r >= 0)
		r = sd_bus_message_exit_container(l->answer);
	if (r < 0 || id <= l->after)
		return fail(
			EBADMSG,
			"listing regions: rdmaregd's answer is not understood; " VERSIONS_DIFFER);
	l->after = id;
	l->taken++;
	return 1;
}

_public_ int rdmareg_list_next(struct rdmareg_list *l, struct rdmareg_region_info *info)
{
	int r;

	NEED(l);
	r = struct_out_check(info); /* before a region is taken off the page */
	if (r < 0)
		return r;
	for (;;) {
		if (!l->answer) {
			if (l->last)
				return 0;
			r = fetch_page(l);
			if (r < 0)
				return r;
		}
		r = next_of_page(l);
		if (r < 0) {
			l->last =
				/* what is behind a broken answer is unknown: do not go round */
				true;
			l->answer = sd_bus_message_unref(l->answer);
			return r;
		}
		if (r > 0) {
			r = struct_out(info, &l->properties.info, sizeof(*info));
			return r < 0 ? r : 1;
		}
		l->last = l->taken < l->page;
		l->answer = sd_bus_message_unref(l->answer);
	}
}
