// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * status.c - the answer of GetStatus, value by value. What always holds: the answer is kept whole
 * and read as the caller goes on; what is of a type that nobody knows is left out.
 */
#include "bus.h"
#include "error.h"
#include "options.h"

enum place { IN_ANSWER, IN_LIST, IN_ENTRY, AT_END };

struct rdmareg_status {
	sd_bus_message *answer;
	enum place place;
	const char *list; /* of the message */
	uint32_t entry;	  /* in it, from 1 */
	int broken;
};

_public_ struct rdmareg_status *rdmareg_status_free(struct rdmareg_status *s)
{
	if (!s)
		return NULL;
	sd_bus_message_unref(s->answer);
	free(s);
	return NULL;
}

_public_ int rdmareg_get_status(struct rdmareg *c, struct rdmareg_status **ret)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct rdmareg_status *s;
	int r;

	NEED(c);
	NEED(ret);
	r = context_new_call(c, 0, "GetStatus", &m);
	if (r < 0)
		return r;
	r = context_call(c, take_pointer(m), 0, &reply, "asking for the status");
	if (r < 0)
		return r;
	if (sd_bus_message_enter_container(reply, 'a', "{sv}") <= 0)
		return fail(
			EBADMSG,
			"asking for the status: rdmaregd's answer is not understood; " VERSIONS_DIFFER);
	s = calloc(1, sizeof(*s));
	if (!s)
		return fail(ENOMEM, "asking for the status: out of memory");
	s->answer = take_pointer(reply);
	s->list = "";
	*ret = s;
	return 0;
}

/* The value of a variant. 0: of a type that nobody knows, skipped. */
static int read_value(sd_bus_message *m, const char *type, struct rdmareg_status_value *v)
{
	uint32_t small;
	int r, truth;

	switch (*type && !type[1] ? *type : 0) {
	case 's':
		r = sd_bus_message_read(m, "v", "s", &v->text);
		v->type = 's';
		return r;
	case 't':
		r = sd_bus_message_read(m, "v", "t", &v->number);
		v->type = 't';
		return r;
	case 'u':
		r = sd_bus_message_read(m, "v", "u", &small);
		v->number = r > 0 ? small : 0;
		v->type = 't';
		return r;
	case 'b':
		r = sd_bus_message_read(m, "v", "b", &truth);
		v->number = r > 0 && truth;
		v->type = 'b';
		return r;
	default:
		r = sd_bus_message_skip(m, "v");
		return r < 0 ? r : 0;
	}
}

/* One step. 1: a value; 0: none yet. */
static int step(struct rdmareg_status *s, struct rdmareg_status_value *v)
{
	sd_bus_message *m = s->answer;
	const char *type;
	int r;

	if (s->place == IN_LIST) {
		r = sd_bus_message_enter_container(m, 'a', "{sv}");
		if (r > 0) {
			s->entry++;
			s->place = IN_ENTRY;
			return 0;
		}
		s->place = IN_ANSWER;
		for (int i = 0; i < 3 && r >= 0; i++) /* the list, its variant, the pair */
			r = sd_bus_message_exit_container(m);
		return r < 0 ? r : 0;
	}
	r = sd_bus_message_enter_container(m, 'e', "sv");
	if (r == 0 && s->place == IN_ANSWER) {
		s->place = AT_END;
		return 0;
	}
	if (r == 0) {
		s->place = IN_LIST;
		r = sd_bus_message_exit_container(m);
		return r < 0 ? r : 0;
	}
	if (r > 0)
		r = sd_bus_message_read(m, "s", &v->key);
	if (r > 0)
		r = sd_bus_message_peek_type(m, NULL, &type);
	if (r > 0 && s->place == IN_ANSWER && !strcmp(type, "aa{sv}")) {
		s->list = v->key;
		s->entry = 0;
		s->place = IN_LIST;
		r = sd_bus_message_enter_container(m, 'v', "aa{sv}");
		if (r > 0)
			r = sd_bus_message_enter_container(m, 'a', "a{sv}");
		return r < 0 ? r : 0;
	}
	if (r > 0) {
		int found = read_value(m, type, v);

		r = found < 0 ? found : sd_bus_message_exit_container(m);
		v->list = s->place == IN_ENTRY ? s->list : "";
		v->entry = s->place == IN_ENTRY ? s->entry - 1 : 0;
		return r < 0 ? r : found > 0;
	}
	return r < 0 ? r : -EBADMSG;
}

_public_ int rdmareg_status_next(struct rdmareg_status *s, struct rdmareg_status_value *value)
{
	struct rdmareg_status_value read;
	int r;

	NEED(s);
	r = struct_out_check(value);
	if (r < 0)
		return r;
	do {
		read = (struct rdmareg_status_value){ .key = "", .list = "", .text = "" };
		r = s->broken < 0 ? s->broken : s->place == AT_END ? 2 : step(s, &read);
	} while (!r);
	if (r < 0) {
		s->broken = -EBADMSG; /* what is behind a broken value is unknown */
		return fail(
			EBADMSG,
			"reading the status: rdmaregd's answer is not understood; " VERSIONS_DIFFER);
	}
	if (r == 2)
		return 0;
	struct_out(value, &read, sizeof(read));
	return 1;
}
