// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * session-list.c - a walk over sessions, page by page. What always holds: user and name rise
 * strictly, so a walk ends however the set changes and whatever the daemon answers.
 */
#include <stdbool.h>

#include "error.h"
#include "options.h"
#include "pages.h"
#include "session.h"

struct rdmareg_sessions {
	struct pages pages;
	struct rdmareg_sessions *next;
	enum rdmareg_session_state state;
	uint32_t uid;
	bool has_uid;
	struct rdmareg_session_info info; /* of the last one; name "" before the first */
	char *path;			  /* of it; NULL before the first */
};

_public_ struct rdmareg_sessions *rdmareg_sessions_free(struct rdmareg_sessions *l)
{
	struct rdmareg_sessions **p;

	if (!l)
		return NULL;
	for (p = &l->pages.context->session_lists; *p; p = &(*p)->next)
		if (*p == l) {
			*p = l->next;
			break;
		}
	pages_deinit(&l->pages);
	free(l->path);
	free(l);
	return NULL;
}

void session_lists_free_all(struct rdmareg *c)
{
	while (c->session_lists)
		rdmareg_sessions_free(c->session_lists);
}

static void append_filter(const struct pages *p, sd_bus_message *m, int *r)
{
	const struct rdmareg_sessions *l = (const struct rdmareg_sessions *)p;

	if (l->has_uid)
		option_append(m, r, "Uid", "u", l->uid);
	if (l->state)
		option_append(m, r, "State", "s", rdmareg_session_state_name(l->state));
	if (l->path)
		option_append(m, r, "After", "o", l->path);
}

static bool rises(const struct rdmareg_session_info *before, const struct rdmareg_session_info *now)
{
	return !*before->name || now->uid > before->uid ||
	       (now->uid == before->uid && strcmp(now->name, before->name) > 0);
}

static int read_session(struct pages *pages, sd_bus_message *m)
{
	struct rdmareg_sessions *l = (struct rdmareg_sessions *)pages;
	struct session_properties p;
	const char *path;
	char *copy;

	if (sd_bus_message_read(m, "o", &path) <= 0 || sd_bus_message_skip(m, "usstu") < 0 ||
	    session_properties_read(&p, m) < 0 || !rises(&l->info, &p.info))
		return -EBADMSG;
	copy = strdup(path);
	if (!copy)
		return -ENOMEM;
	free(l->path);
	l->path = copy;
	l->info = p.info;
	return 0;
}

static const struct pages_kind kind = { .doing = "listing sessions",
					.method = "ListSessions",
					.limit = "Limit",
					.item = "ousstua{sv}",
					.filter = append_filter,
					.read = read_session };

_public_ int rdmareg_list_sessions(struct rdmareg *c,
				   const struct rdmareg_sessions_options *options,
				   struct rdmareg_sessions **ret)
{
	struct rdmareg_sessions_options o;
	struct rdmareg_sessions *l;
	struct pages pages;
	int r;

	NEED(c);
	NEED(ret);
	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = struct_check_reserved(o.reserved, sizeof(o.reserved));
	if (r >= 0)
		r = pages_init(&pages, &kind, c, o.page);
	if (r < 0)
		return r;
	if ((unsigned int)o.state > RDMAREG_SESSION_ENDED)
		return fail(EINVAL, "listing sessions: invalid state %d", (int)o.state);
	l = calloc(1, sizeof(*l));
	if (!l)
		return fail(ENOMEM, "listing sessions: out of memory");
	l->pages = pages;
	l->next = c->session_lists;
	c->session_lists = l;
	l->state = o.state;
	l->uid = o.uid;
	l->has_uid = o.has_uid;
	*ret = l;
	return 0;
}

_public_ int rdmareg_sessions_next(struct rdmareg_sessions *l, struct rdmareg_session_info *info)
{
	int r;

	NEED(l);
	r = struct_out_check(info); /* before one is taken off the page */
	if (r >= 0)
		r = pages_next(&l->pages);
	if (r <= 0)
		return r;
	r = struct_out(info, &l->info, sizeof(*info));
	return r < 0 ? r : 1;
}
