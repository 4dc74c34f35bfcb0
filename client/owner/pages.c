// SPDX-License-Identifier: LGPL-2.1-or-later
/* pages.c - see pages.h. */
#include "pages.h"

#include <stdio.h>

#include "error.h"
#include "options.h"

int pages_init(struct pages *p, const struct pages_kind *kind, struct rdmareg *c, uint32_t page)
{
	if (page > PAGE_MAX)
		return fail(EINVAL, "%s: a page has at most %d", kind->doing, PAGE_MAX);
	*p = (struct pages){ .kind = kind, .context = c, .page = page ? page : PAGE_DEFAULT };
	return 0;
}

void pages_deinit(struct pages *p)
{
	p->answer = sd_bus_message_unref(p->answer);
}

static int broken(struct pages *p)
{
	p->last = true;
	p->answer = sd_bus_message_unref(p->answer);
	return fail(EBADMSG, "%s: rdmaregd's answer is not understood; " VERSIONS_DIFFER,
		    p->kind->doing);
}

static int fetch(struct pages *p)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	char items[64];
	int r;

	r = context_new_call(p->context, 0, p->kind->method, &m);
	if (r < 0)
		return r;
	options_open(m, &r);
	option_append(m, &r, p->kind->limit, "u", p->page);
	p->kind->filter(p, m, &r);
	options_close(m, &r);
	if (r >= 0 && p->kind->behind)
		r = p->kind->behind(m);
	if (r < 0)
		return fail_bus(NULL, r, "%s", p->kind->doing);
	r = context_call(p->context, take_pointer(m), 0, &p->answer, "%s", p->kind->doing);
	if (r < 0)
		return r;
	p->taken = 0;
	snprintf(items, sizeof(items), "a(%s)", p->kind->item);
	if (p->kind->variant)
		r = sd_bus_message_enter_container(p->answer, 'v', items);
	if (r >= 0)
		r = sd_bus_message_enter_container(p->answer, 'a', items + 1);
	return r < 0 ? broken(p) : 0;
}

/* 1: the next one was read; 0: the page is at its end. */
static int next_of_page(struct pages *p)
{
	int r = sd_bus_message_enter_container(p->answer, 'r', p->kind->item);

	if (r == 0)
		return 0;
	if (r > 0)
		r = p->kind->read(p, p->answer);
	if (r == -ENOMEM)
		return fail(ENOMEM, "%s: out of memory", p->kind->doing);
	if (r < 0 || sd_bus_message_exit_container(p->answer) < 0)
		return broken(p);
	p->taken++;
	return 1;
}

int pages_next(struct pages *p)
{
	for (;;) {
		int r;

		if (!p->answer) {
			if (p->last)
				return 0;
			r = fetch(p);
			if (r < 0)
				return r;
		}
		r = next_of_page(p);
		if (r)
			return r;
		p->last = p->taken < p->page;
		p->answer = sd_bus_message_unref(p->answer);
	}
}
