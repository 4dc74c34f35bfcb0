// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * properties.c - see properties.h. One table says which property goes where and how; the strings stay in
 * the message, which is kept as long as they are.
 */
#include "properties.h"

#include <stdbool.h>

#include "error.h"
#include "util.h"
#include "words.h"

enum target { U32, U64, BOOL, TEXT, ACCESS, STATE, MODE, POLICY, REVOCATION };

static const struct {
	const char *name;
	const char *type;
	enum target target;
	size_t offset;
} known[] = {
#define INTO(name, type, target, member)                                         \
	{                                                                        \
		name, type, target, offsetof(struct rdmareg_region_info, member) \
	}
	INTO("Id", "t", U64, id),
	INTO("State", "s", STATE, state),
	INTO("ArbitrationMode", "s", MODE, arbitration_mode),
	INTO("ArbitrationReason", "s", TEXT, arbitration_reason),
	INTO("Policy", "s", POLICY, policy),
	INTO("GraceUSec", "t", U64, grace_usec),
	INTO("Access", "s", ACCESS, access),
	INTO("Path", "s", TEXT, path),
	INTO("Offset", "t", U64, offset),
	INTO("Length", "t", U64, length),
	INTO("ValidLength", "t", U64, valid_length),
	INTO("Rkey", "u", U32, rkey),
	INTO("Generation", "u", U32, generation),
	INTO("Address", "t", U64, address),
	INTO("Detached", "b", BOOL, detached),
	INTO("Uid", "u", U32, uid),
	INTO("Session", "s", TEXT, session),
	INTO("Ticket", "s", TEXT, ticket),
	INTO("Peers", "u", U32, peers),
	INTO("Invalidations", "t", U64, invalidations),
	INTO("Writebacks", "t", U64, writebacks),
	INTO("BytesWarmed", "t", U64, bytes_warmed),
	INTO("Revocation", "(tsttt)", REVOCATION, revocation),
#undef INTO
};

static int read_value(sd_bus_message *m, size_t i, struct rdmareg_region_info *info)
{
	void *place = (uint8_t *)info + known[i].offset;
	struct rdmareg_revocation *v = place;
	const char *text = NULL;
	int r, truth;

	switch (known[i].target) {
	case U32:
	case U64:
		return sd_bus_message_read_basic(m, *known[i].type, place);
	case BOOL:
		r = sd_bus_message_read_basic(m, 'b', &truth);
		if (r >= 0)
			*(uint8_t *)place = (uint8_t)truth;
		return r;
	case REVOCATION:
		r = sd_bus_message_read(m, "(tsttt)", &v->id, &text, &v->offset, &v->length,
					&v->deadline_usec);
		v->cause = words_cause(text);
		return r;
	default:
		break;
	}
	r = sd_bus_message_read_basic(m, 's', &text);
	if (r < 0)
		return r;
	switch (known[i].target) {
	case ACCESS:
		*(enum rdmareg_access *)place = rdmareg_access_from_name(text);
		break;
	case STATE:
		*(enum rdmareg_state *)place = rdmareg_state_from_name(text);
		break;
	case MODE:
		*(enum rdmareg_arbitration *)place = words_arbitration(text);
		break;
	case POLICY:
		*(enum rdmareg_policy *)place = rdmareg_policy_from_name(text);
		break;
	default:
		*(const char **)place = text;
	}
	return 0;
}

static int read_property(sd_bus_message *m, struct rdmareg_region_info *info)
{
	const char *name;
	int r;

	r = sd_bus_message_read_basic(m, 's', &name);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(known[i].name, name))
			continue;
		r = sd_bus_message_enter_container(m, 'v', known[i].type);
		if (r >= 0)
			r = read_value(m, i, info);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		return r;
	}
	return sd_bus_message_skip(m, "v");
}

int properties_read(struct properties *p, sd_bus_message *m)
{
	struct rdmareg_region_info info = {
		.arbitration_reason = "",
		.path = "",
		.session = "",
		.ticket = "",
	};
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	while (r >= 0) {
		r = sd_bus_message_enter_container(m, 'e', "sv");
		if (r <= 0)
			break;
		r = read_property(m, &info);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	if (r < 0 || !info.id)
		return fail(EBADMSG, "reading rdmaregd's answer: a region's properties make no sense; "
				     "do librdmareg and rdmaregd come from one version?");
	/* @m may be the very message that is let go: take the new reference first. */
	sd_bus_message_ref(m);
	sd_bus_message_unref(p->answer);
	p->answer = m;
	p->info = info;
	return 0;
}

void properties_clear(struct properties *p)
{
	p->answer = sd_bus_message_unref(p->answer);
}
