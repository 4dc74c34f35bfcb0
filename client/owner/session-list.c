// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * session-list.c - a walk over sessions, page by page. What always holds: user and name rise
 * strictly, so a walk ends however the set changes and whatever the daemon answers; one page is
 * held at a time.
 */
#include <stdbool.h>

#include "error.h"
#include "options.h"
#include "session.h"

#define PAGE_DEFAULT 256
#define PAGE_MAX 4096

struct rdmareg_sessions {
	struct rdmareg *context;
	struct rdmareg_sessions *next;
	enum rdmareg_session_state state;
	uint32_t uid;
	bool has_uid;
	uint32_t page;
	uint32_t taken;			  /* of the page in @answer */
	bool last;			  /* nothing comes behind @answer */
	struct rdmareg_session_info info; /* of the last one; name "" before the first */
	char *path;			  /* of it; NULL before the first */
	sd_bus_message *answer;		  /* positioned inside its array; NULL between pages */
};

_public_ struct rdmareg_sessions *rdmareg_sessions_free(struct rdmareg_sessions *l)
{
	struct rdmareg_sessions **p;

	if (!l)
		return NULL;
	for (p = &l->context->session_lists; *p; p = &(*p)->next)
		if (*p == l) {
			*p = l->next;
			break;
		}
	sd_bus_message_unref(l->answer);
	free(l->path);
	free(l);
	return NULL;
}

void session_lists_free_all(struct rdmareg *c)
{
	while (c->session_lists)
		rdmareg_sessions_free(c->session_lists);
}

_public_ int rdmareg_list_sessions(struct rdmareg *c,
				   const struct rdmareg_sessions_options *options,
				   struct rdmareg_sessions **ret)
{
	struct rdmareg_sessions_options o;
	struct rdmareg_sessions *l;
	int r;

	NEED(c);
	NEED(ret);
	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = struct_check_reserved(o.reserved, sizeof(o.reserved));
	if (r < 0)
		return r;
	if (o.page > PAGE_MAX)
		return fail(EINVAL, "listing sessions: a page has at most %d", PAGE_MAX);
	if ((unsigned int)o.state > RDMAREG_SESSION_ENDED)
		return fail(EINVAL, "listing sessions: invalid state %d", (int)o.state);
	l = calloc(1, sizeof(*l));
	if (!l)
		return fail(ENOMEM, "listing sessions: out of memory");
	l->context = c;
	l->next = c->session_lists;
	c->session_lists = l;
	l->state = o.state;
	l->uid = o.uid;
	l->has_uid = o.has_uid;
	l->page = o.page ? o.page : PAGE_DEFAULT;
	*ret = l;
	return 0;
}

static int broken(struct rdmareg_sessions *l)
{
	/* what is behind a broken answer is unknown: do not go round */
	l->last = true;
	l->answer = sd_bus_message_unref(l->answer);
	return fail(EBADMSG,
		    "listing sessions: rdmaregd's answer is not understood; " VERSIONS_DIFFER);
}

static int fetch_page(struct rdmareg_sessions *l)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	int r;

	r = context_new_call(l->context, 0, "ListSessions", &m);
	if (r < 0)
		return r;
	options_open(m, &r);
	option_append(m, &r, "Limit", "u", l->page);
	if (l->has_uid)
		option_append(m, &r, "Uid", "u", l->uid);
	if (l->state)
		option_append(m, &r, "State", "s", rdmareg_session_state_name(l->state));
	if (l->path)
		option_append(m, &r, "After", "o", l->path);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "listing sessions");
	r = context_call(l->context, take_pointer(m), 0, &l->answer, "listing sessions");
	if (r < 0)
		return r;
	l->taken = 0;
	return sd_bus_message_enter_container(l->answer, 'a', "(ousstua{sv})") < 0 ? broken(l) : 0;
}

static bool rises(const struct rdmareg_session_info *before, const struct rdmareg_session_info *now)
{
	return !*before->name || now->uid > before->uid ||
	       (now->uid == before->uid && strcmp(now->name, before->name) > 0);
}

/* 1 with the next one in @l, 0 at the page's end. */
static int next_of_page(struct rdmareg_sessions *l)
{
	struct session_properties p;
	const char *path;
	char *copy;
	int r;

	r = sd_bus_message_enter_container(l->answer, 'r', "ousstua{sv}");
	if (r == 0)
		return 0;
	if (r < 0 || sd_bus_message_read(l->answer, "o", &path) <= 0 ||
	    sd_bus_message_skip(l->answer, "usstu") < 0 ||
	    session_properties_read(&p, l->answer) < 0 ||
	    sd_bus_message_exit_container(l->answer) < 0 || !rises(&l->info, &p.info))
		return broken(l);
	copy = strdup(path);
	if (!copy)
		return fail(ENOMEM, "listing sessions: out of memory");
	free(l->path);
	l->path = copy;
	l->info = p.info;
	l->taken++;
	return 1;
}

_public_ int rdmareg_sessions_next(struct rdmareg_sessions *l, struct rdmareg_session_info *info)
{
	int r;

	NEED(l);
	r = struct_out_check(info); /* before one is taken off the page */
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
		if (r < 0)
			return r;
		if (r > 0) {
			r = struct_out(info, &l->info, sizeof(*info));
			return r < 0 ? r : 1;
		}
		l->last = l->taken < l->page;
		l->answer = sd_bus_message_unref(l->answer);
	}
}
