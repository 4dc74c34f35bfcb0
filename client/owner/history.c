// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * history.c - what happened to regions. A list as in answer.h.
 */
#include "answer.h"
#include "bus.h"
#include "error.h"
#include "fields.h"
#include "options.h"

#define LIMIT_MAX 1024

struct rdmareg_history {
	struct answer answer;
};

static const struct field known[] = {
#define INTO(key, kind, member) FIELD_INTO(struct rdmareg_history_event, key, kind, member)
#define WORD(key, vocabulary, member) \
	FIELD_WORD_INTO(struct rdmareg_history_event, key, vocabulary, member)
	INTO("uid", FIELD_U32, uid),
	INTO("session", FIELD_TEXT, session),
	INTO("path", FIELD_TEXT, path),
	INTO("name", FIELD_TEXT, name),
	INTO("monotonic_usec", FIELD_U64, monotonic_usec),
	INTO("revocation", FIELD_U64, revocation),
	INTO("delay_usec", FIELD_U64, delay_usec),
	INTO("offset", FIELD_U64, offset),
	INTO("length", FIELD_U64, length),
	INTO("deadline_usec", FIELD_U64, deadline_usec),
	INTO("valid_length", FIELD_U64, valid_length),
	WORD("cause", WORDS_CAUSE, cause),
	WORD("outcome", WORDS_OUTCOME, outcome),
	WORD("reason", WORDS_END, end),
	WORD("holder", WORDS_HOLDER_KIND, holder),
	INTO("holders", FIELD_U32, holders),
	INTO("answered", FIELD_U32, answered),
	INTO("unanswered", FIELD_U32, unanswered),
	INTO("others", FIELD_U32, others),
	INTO("pid", FIELD_U32, pid),
	INTO("process_uid", FIELD_U32, process_uid),
	INTO("comm", FIELD_TEXT, comm),
	INTO("cgroup", FIELD_TEXT, cgroup),
	INTO("address", FIELD_TEXT, address),
	INTO("text", FIELD_TEXT, text),
	INTO("keeper_before", FIELD_TEXT, keeper_before),
	INTO("keeper", FIELD_TEXT, keeper),
	INTO("other_user", FIELD_BOOL, other_user),
	INTO("forced", FIELD_BOOL, forced),
#undef WORD
#undef INTO
};

_public_ struct rdmareg_history *rdmareg_history_free(struct rdmareg_history *h)
{
	return answer_free(h);
}

static int fill_call(sd_bus_message *m, const struct rdmareg_history_options *o)
{
	int r = 0;

	options_open(m, &r);
	if (o->region)
		option_append(m, &r, "region", "t", o->region);
	if (o->file)
		option_append(m, &r, "file", "s", o->file);
	if (o->name)
		option_append(m, &r, "name", "s", o->name);
	if (o->session)
		option_append(m, &r, "session", "s", o->session);
	if (o->has_uid)
		option_append(m, &r, "uid", "u", o->uid);
	if (o->after)
		option_append(m, &r, "after", "t", o->after);
	if (o->limit)
		option_append(m, &r, "limit", "u", o->limit);
	if (o->follow)
		option_append(m, &r, "follow", "b", 1);
	options_close(m, &r);
	return r;
}

_public_ int rdmareg_get_history(struct rdmareg *c, const struct rdmareg_history_options *options,
				 struct rdmareg_history **ret, uint64_t *ret_since_usec,
				 uint64_t *ret_oldest_usec)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct rdmareg_history_options o;
	struct answer *a;
	uint64_t since, oldest;
	int r;

	NEED(c);
	NEED(ret);
	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = struct_check_reserved(o.reserved, sizeof(o.reserved));
	if (r < 0)
		return r;
	if (o.limit > LIMIT_MAX)
		return fail(EINVAL, "reading the history: a limit of %u is above the largest, %d",
			    o.limit, LIMIT_MAX);
	if (o.follow > 1)
		return fail(EINVAL, "reading the history: follow is 0 or 1, not %d", o.follow);
	r = context_new_call(c, 0, "GetHistory", &m);
	if (r < 0)
		return r;
	r = fill_call(m, &o);
	if (r < 0)
		return fail_bus(NULL, r, "reading the history");
	r = context_call(c, take_pointer(m), 0, &reply, "reading the history");
	if (r < 0)
		return r;
	if (sd_bus_message_read(reply, "tt", &since, &oldest) <= 0)
		return fail(
			EBADMSG,
			"reading the history: rdmaregd's answer is not understood; " VERSIONS_DIFFER);
	r = answer_take(&reply, "(tttsa{sv})", &a, "reading the history");
	if (r < 0)
		return r;
	*ret = (struct rdmareg_history *)a;
	if (ret_since_usec)
		*ret_since_usec = since;
	if (ret_oldest_usec)
		*ret_oldest_usec = oldest;
	return 0;
}

static int read_event(sd_bus_message *m, void *into)
{
	struct rdmareg_history_event *e = into;
	const char *word;
	int r = sd_bus_message_enter_container(m, 'r', "tttsa{sv}");

	if (r > 0)
		r = sd_bus_message_read(m, "ttts", &e->sequence, &e->real_usec, &e->region, &word);
	if (r <= 0 || !e->region)
		return -EBADMSG;
	e->kind = word_value(WORDS_HISTORY, word);
	r = fields_read(m, known, ARRAY_SIZE(known), e);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

_public_ int rdmareg_history_next(struct rdmareg_history *h, struct rdmareg_history_event *event)
{
	struct rdmareg_history_event read = { .session = "",
					      .path = "",
					      .name = "",
					      .comm = "",
					      .cgroup = "",
					      .address = "",
					      .text = "",
					      .keeper_before = "",
					      .keeper = "",
					      .process_uid = RDMAREG_NO_UID,
					      .delay_usec = RDMAREG_HISTORY_NO_DELAY };

	NEED(h);
	return answer_next(&h->answer, read_event, &read, sizeof(read), event,
			   "reading the history");
}
