// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * keepers.c - the daemon's keepers. A list as in answer.h.
 */
#include "answer.h"
#include "bus.h"
#include "error.h"
#include "fields.h"
#include "options.h"

struct rdmareg_keepers {
	struct answer answer;
};

static const struct field known[] = {
#define INTO(key, kind, member) FIELD_INTO(struct rdmareg_keeper, key, kind, member)
	INTO("keeper", FIELD_TEXT, name),      INTO("uid", FIELD_U32, uid),
	INTO("session", FIELD_TEXT, session),  INTO("state", FIELD_TEXT, state),
	INTO("trouble", FIELD_TEXT, trouble),  INTO("pid", FIELD_U32, pid),
	INTO("unit", FIELD_TEXT, unit),	       INTO("runs_as", FIELD_U32, runs_as),
	INTO("device", FIELD_TEXT, device),    INTO("address", FIELD_TEXT, address),
	INTO("program", FIELD_TEXT, program),  INTO("current", FIELD_BOOL, current),
	INTO("version", FIELD_U32, version),   INTO("version_min", FIELD_U32, min),
	INTO("version_max", FIELD_U32, max),   INTO("regions", FIELD_U32, regions),
	INTO("bytes", FIELD_U64, bytes),       INTO("peers", FIELD_U32, peers),
	INTO("attempts", FIELD_U32, attempts), INTO("since_usec", FIELD_U64, since_usec),
#undef INTO
};

_public_ struct rdmareg_keepers *rdmareg_keepers_free(struct rdmareg_keepers *l)
{
	return answer_free(l);
}

_public_ int rdmareg_list_keepers(struct rdmareg *c, const struct rdmareg_keepers_options *options,
				  struct rdmareg_keepers **ret)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	struct rdmareg_keepers_options o = { 0 };
	struct answer *a;
	int r;

	NEED(c);
	NEED(ret);
	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = struct_check_reserved(o.reserved, sizeof(o.reserved));
	if (r < 0)
		return r;
	r = context_new_call(c, 0, "ListKeepers", &m);
	if (r < 0)
		return r;
	options_open(m, &r);
	if (o.has_uid)
		option_append(m, &r, "uid", "u", o.uid);
	if (o.session)
		option_append(m, &r, "session", "s", o.session);
	if (o.state)
		option_append(m, &r, "state", "s", o.state);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "listing keepers");
	r = answer_new(c, take_pointer(m), &a, "listing keepers");
	if (r >= 0)
		*ret = (struct rdmareg_keepers *)a;
	return r;
}

static int read_keeper(sd_bus_message *m, void *into)
{
	const struct rdmareg_keeper *k = into;
	int r = fields_read(m, known, ARRAY_SIZE(known), into);

	return r < 0 || !*k->name || !*k->state ? -EBADMSG : 0;
}

_public_ int rdmareg_keepers_next(struct rdmareg_keepers *l, struct rdmareg_keeper *keeper)
{
	struct rdmareg_keeper read = { .name = "",
				       .session = "",
				       .state = "",
				       .trouble = "",
				       .unit = "",
				       .device = "",
				       .address = "",
				       .program = "",
				       .runs_as = UINT32_MAX };

	NEED(l);
	return answer_next(&l->answer, read_keeper, &read, sizeof(read), keeper, "listing keepers");
}

_public_ int rdmareg_replace_keeper(struct rdmareg *c, const char *name,
				    const struct rdmareg_replace_options *options,
				    uint32_t *ret_regions)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL, *reply = NULL;
	struct rdmareg_replace_options o;
	uint32_t regions;
	int r;

	NEED(c);
	NEED(name);
	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = context_new_call(c, 0, "ReplaceKeeper", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "s", name);
	options_open(m, &r);
	option_append_grace(m, &r, o.grace_usec);
	options_close(m, &r);
	if (r < 0)
		return fail_bus(NULL, r, "replacing keeper %.100s", name);
	r = context_call(c, take_pointer(m), c->work_timeout_usec, &reply,
			 "replacing keeper %.100s", name);
	if (r < 0)
		return r;
	if (sd_bus_message_read_basic(reply, 'u', &regions) <= 0)
		return fail(
			EBADMSG,
			"replacing keeper %.100s: rdmaregd's answer is not understood; " VERSIONS_DIFFER,
			name);
	if (ret_regions)
		*ret_regions = regions;
	return 0;
}
