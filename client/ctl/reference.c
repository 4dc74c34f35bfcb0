// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * reference.c - how a region, and a user, is called on the command line: by its number, or by
 * [USER:]SESSION/NAME.
 *
 * What always holds: a number has no slash and the rest must have one, and no session or name has a
 * slash or a colon, so nothing can be meant in two ways.
 */
#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "format.h"

#define NOT_A_REGION "%s is not the number of a region, nor SESSION/NAME; see: rdmaregctl list"

/* A name or a number. */
int ctl_parse_user(const char *text, uint32_t *ret)
{
	const struct passwd *p = getpwnam(text);
	uint64_t number;

	if (p) {
		*ret = p->pw_uid;
		return 0;
	}
	if (parse_number(text, &number) < 0)
		return ctl_error(EXIT_NOT_FOUND, "%s: there is no such user", text);
	if (number >= UINT32_MAX)
		return ctl_error(EXIT_USAGE, "%s is not the number of a user", text);
	*ret = (uint32_t)number;
	return 0;
}

/* It is neither. A mere name is mostly one in the default session. */
static int refuse(const char *text)
{
	if (isalpha((unsigned char)*text) && !text[strcspn(text, "/:")])
		return ctl_error(EXIT_USAGE,
				 "%s is not the number of a region, nor SESSION/NAME; did you mean "
				 "default/%s? See: rdmaregctl list",
				 text, text);
	return ctl_error(EXIT_USAGE, NOT_A_REGION, text);
}

int ctl_parse_id(const char *text, uint64_t *ret)
{
	if (parse_number(text, ret) < 0 || !*ret)
		return refuse(text);
	return 0;
}

int ctl_parse_name(const char *text, char **ret_copy, uint32_t *ret_uid, const char **ret_session,
		   const char **ret_name)
{
	_cleanup_(text_cleanup) char *copy = strdup(text);
	char *session = copy, *name, *colon;
	int r;

	if (!copy)
		return ctl_error(EXIT_FAILED, "out of memory");
	name = strchr(copy, '/');
	if (!name)
		return refuse(text);
	*name++ = 0;
	colon = strchr(copy, ':');
	if (colon) {
		*colon = 0;
		session = colon + 1;
	}
	if (!*session || !*name || strchr(name, '/') || (colon && !*copy))
		return ctl_error(EXIT_USAGE, NOT_A_REGION, text);
	*ret_uid = UINT32_MAX; /* who runs this */
	r = colon ? ctl_parse_user(copy, ret_uid) : 0;
	if (r)
		return r;
	*ret_session = session;
	*ret_name = name;
	*ret_copy = copy;
	copy = NULL;
	return 0;
}

/* @missing_ok: no such region is no failure, and *ret stays NULL. */
static int lookup_name(struct ctl *ctl, const char *text, bool missing_ok,
		       struct rdmareg_region **ret)
{
	_cleanup_(text_cleanup) char *copy = NULL;
	const char *session, *name;
	struct rdmareg *context;
	uint32_t uid;
	int r = ctl_parse_name(text, &copy, &uid, &session, &name);

	if (r)
		return r;
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	r = rdmareg_lookup_name(context, uid, session, name, ret);
	if (r == -ENOENT && missing_ok)
		return 0;
	return r < 0 ? ctl_failed(r) : 0;
}

int ctl_lookup(struct ctl *ctl, const char *text, struct rdmareg_region **ret)
{
	struct rdmareg *context;
	uint64_t id;
	int r;

	if (strchr(text, '/'))
		return lookup_name(ctl, text, false, ret);
	r = ctl_parse_id(text, &id);
	if (r)
		return r;
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	r = rdmareg_lookup(context, id, ret);
	return r < 0 ? ctl_failed(r) : 0;
}

int ctl_find_name(struct ctl *ctl, const char *text, bool missing_ok, uint64_t *ret)
{
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	int r = lookup_name(ctl, text, missing_ok, &region);

	if (!r)
		*ret = rdmareg_region_id(region);
	return r;
}

int ctl_find_id(struct ctl *ctl, const char *text, uint64_t *ret)
{
	return strchr(text, '/') ? ctl_find_name(ctl, text, false, ret) : ctl_parse_id(text, ret);
}
