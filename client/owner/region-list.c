// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * region-list.c - a walk over regions, page by page. What always holds: ids rise strictly, so a
 * walk ends however the set changes and whatever the daemon answers.
 */
#include <stdbool.h>

#include "error.h"
#include "options.h"
#include "pages.h"
#include "properties.h"

struct rdmareg_list {
	struct pages pages;
	struct rdmareg_list *next;
	char *session;
	enum rdmareg_state state;
	uint64_t after;
	struct properties properties;
};

_public_ struct rdmareg_list *rdmareg_list_free(struct rdmareg_list *l)
{
	struct rdmareg_list **p;

	if (!l)
		return NULL;
	for (p = &l->pages.context->lists; *p; p = &(*p)->next)
		if (*p == l) {
			*p = l->next;
			break;
		}
	properties_clear(&l->properties);
	pages_deinit(&l->pages);
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

static void append_filter(const struct pages *p, sd_bus_message *m, int *r)
{
	const struct rdmareg_list *l = (const struct rdmareg_list *)p;

	option_append(m, r, "after", "t", l->after);
	if (l->session)
		option_append(m, r, "session", "s", l->session);
	if (l->state)
		option_append(m, r, "state", "s", rdmareg_state_name(l->state));
}

static int read_region(struct pages *p, sd_bus_message *m)
{
	struct rdmareg_list *l = (struct rdmareg_list *)p;
	uint64_t id;

	if (sd_bus_message_read(m, "t", &id) <= 0 || sd_bus_message_skip(m, "o") < 0 ||
	    properties_read(&l->properties, m) < 0 || id <= l->after)
		return -EBADMSG;
	l->after = id;
	return 0;
}

static int read_brief(struct pages *p, sd_bus_message *m)
{
	struct rdmareg_list *l = (struct rdmareg_list *)p;

	if (properties_read_brief(&l->properties, m) < 0 || l->properties.info.id <= l->after)
		return -EBADMSG;
	l->after = l->properties.info.id;
	return 0;
}

static const struct pages_kind kind = { .doing = "listing regions",
					.method = "ListRegions",
					.limit = "limit",
					.item = "toa{sv}",
					.filter = append_filter,
					.read = read_region };

static const struct pages_kind kind_brief = { .doing = "listing regions",
					      .method = "ListRegionProperties",
					      .limit = "limit",
					      .item = PROPERTIES_BRIEF,
					      .variant = true,
					      .filter = append_filter,
					      .behind = properties_append_brief,
					      .read = read_brief };

_public_ int rdmareg_list(struct rdmareg *c, const struct rdmareg_list_options *options,
			  struct rdmareg_list **ret)
{
	_cleanup_(rdmareg_list_free_cleanup) struct rdmareg_list *l = NULL;
	struct rdmareg_list_options o;
	struct pages pages;
	int r;

	NEED(c);
	NEED(ret);
	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = pages_init(&pages, o.brief ? &kind_brief : &kind, c, o.page);
	if (r < 0)
		return r;
	if ((unsigned int)o.state > RDMAREG_STATE_CLOSING)
		return fail(EINVAL, "listing regions: invalid state %d", (int)o.state);
	l = calloc(1, sizeof(*l));
	if (!l)
		return fail(ENOMEM, "listing regions: out of memory");
	l->pages = pages;
	l->next = c->lists;
	c->lists = l;
	l->state = o.state;
	l->after = o.after;
	if (o.session) {
		l->session = strdup(o.session);
		if (!l->session)
			return fail(ENOMEM, "listing regions: out of memory");
	}
	*ret = take_pointer(l);
	return 0;
}

_public_ int rdmareg_list_next(struct rdmareg_list *l, struct rdmareg_region_info *info)
{
	int r;

	NEED(l);
	r = struct_out_check(info); /* before a region is taken off the page */
	if (r >= 0)
		r = pages_next(&l->pages);
	if (r <= 0)
		return r;
	r = struct_out(info, &l->properties.info, sizeof(*info));
	return r < 0 ? r : 1;
}
