// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * standing.c - regions that are made again after a reboot or a loss. A list as in answer.h.
 */
#include <unistd.h>

#include "answer.h"
#include "bus.h"
#include "error.h"
#include "fields.h"
#include "options.h"
#include "region.h"

struct rdmareg_standings {
	struct answer answer;
};

static const struct field known[] = {
#define INTO(key, kind, member) FIELD_INTO(struct rdmareg_standing, key, kind, member)
	INTO("uid", FIELD_U32, uid),
	INTO("session", FIELD_TEXT, session),
	INTO("name", FIELD_TEXT, name),
	INTO("path", FIELD_TEXT, path),
	FIELD_WORD_INTO(struct rdmareg_standing, "access", WORDS_ACCESS, access),
	INTO("offset", FIELD_U64, offset),
	INTO("length", FIELD_U64, length),
	INTO("region", FIELD_U64, region),
	INTO("why", FIELD_TEXT, why),
#undef INTO
};

_public_ struct rdmareg_standings *rdmareg_standings_free(struct rdmareg_standings *l)
{
	return answer_free(l);
}

_public_ int rdmareg_list_standing(struct rdmareg *c,
				   const struct rdmareg_standing_options *options,
				   struct rdmareg_standings **ret)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	struct rdmareg_standing_options o = { 0 };
	struct answer *a;
	int r;

	NEED(c);
	NEED(ret);
	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = struct_check_reserved(o.reserved, sizeof(o.reserved));
	if (r < 0)
		return r;
	r = context_new_call(c, 0, "ListStanding", &m);
	if (r < 0)
		return r;
	options_open(m, &r);
	if (o.has_uid)
		option_append(m, &r, "uid", "u", o.uid);
	if (o.waiting)
		option_append(m, &r, "waiting", "b", 1);
	if (o.due)
		option_append(m, &r, "due", "b", 1);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "listing standing regions");
	r = answer_new(c, take_pointer(m), &a, "listing standing regions");
	if (r >= 0)
		*ret = (struct rdmareg_standings *)a;
	return r;
}

static int read_standing(sd_bus_message *m, void *into)
{
	const struct rdmareg_standing *s = into;
	int r = fields_read(m, known, ARRAY_SIZE(known), into);

	return r < 0 || !*s->name || !*s->path || !s->access ? -EBADMSG : 0;
}

_public_ int rdmareg_standings_next(struct rdmareg_standings *l, struct rdmareg_standing *standing)
{
	struct rdmareg_standing read = { .session = "", .name = "", .path = "", .why = "" };

	NEED(l);
	return answer_next(&l->answer, read_standing, &read, sizeof(read), standing,
			   "listing standing regions");
}

_public_ int rdmareg_restore_standing(struct rdmareg *c, const char *session, const char *name,
				      int fd, struct rdmareg_region **ret)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct rdmareg_region *region;
	int r;

	NEED(c);
	NEED(name);
	if (fd < 0)
		return fail(EBADF, "making region %.64s again: descriptor %d is not an open file",
			    name, fd);
	r = context_new_call(c, 0, "RestoreStanding", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "ssh", session ? session : "default", name, fd);
	if (r < 0)
		return fail_bus(NULL, r, "making region %.64s again", name);
	r = context_call(c, take_pointer(m), c->work_timeout_usec, &reply,
			 "making region %.64s again", name);
	if (r < 0)
		return r;
	if (sd_bus_message_skip(reply, "to") < 0)
		return fail(
			EBADMSG,
			"making region %.64s again: rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			name);
	r = region_new(c, reply, &region);
	if (r < 0)
		return r;
	if (ret)
		*ret = region;
	else
		rdmareg_region_free(region);
	return 0;
}

_public_ int rdmareg_remove_standing(struct rdmareg *c, uint32_t uid, const char *session,
				     const char *name)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	int r;

	NEED(c);
	NEED(name);
	r = context_new_call(c, 0, "RemoveStanding", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "uss", uid == UINT32_MAX ? geteuid() : uid,
				  session ? session : "default", name);
	if (r < 0)
		return fail_bus(NULL, r, "removing standing region %.64s", name);
	return context_call(c, take_pointer(m), 0, &reply, "removing standing region %.64s", name);
}
