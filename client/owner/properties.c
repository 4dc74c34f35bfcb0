// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * properties.c - see properties.h. One table says which property goes where and how; the strings
 * stay in the message, which is kept as long as they are.
 */
#include "properties.h"

#include "counters.h"
#include "error.h"
#include "fields.h"
#include "util.h"

static const struct field known[] = {
#define INTO(key, kind, member) FIELD_INTO(struct rdmareg_region_info, key, kind, member)
#define WORD(key, vocabulary, member) \
	FIELD_WORD_INTO(struct rdmareg_region_info, key, vocabulary, member)
	INTO("Id", FIELD_U64, id),
	WORD("State", WORDS_STATE, state),
	WORD("ArbitrationMode", WORDS_MODE, arbitration_mode),
	INTO("ArbitrationReason", FIELD_TEXT, arbitration_reason),
	INTO("Refuses", FIELD_BOOL, refuses),
	INTO("Degraded", FIELD_TEXT, degraded),
	WORD("Policy", WORDS_POLICY, policy),
	INTO("GraceUSec", FIELD_U64, grace_usec),
	WORD("Access", WORDS_ACCESS, access),
	WORD("Durability", WORDS_DURABILITY, durability),
	INTO("Path", FIELD_TEXT, path),
	INTO("Offset", FIELD_U64, offset),
	INTO("Length", FIELD_U64, length),
	INTO("ValidLength", FIELD_U64, valid_length),
	INTO("Rkey", FIELD_U32, rkey),
	INTO("Generation", FIELD_U32, generation),
	INTO("Address", FIELD_U64, address),
	INTO("Detached", FIELD_BOOL, detached),
	INTO("Uid", FIELD_U32, uid),
	INTO("Session", FIELD_TEXT, session),
	INTO("Ticket", FIELD_TEXT, ticket),
	INTO("Peers", FIELD_U32, peers),
	INTO("Clients", FIELD_U32, clients),
	INTO("Revocation", FIELD_REVOCATION, revocation),
#define COUNTER(member, property) INTO(property, FIELD_U64, member),
	REGION_COUNTERS(COUNTER)
#undef COUNTER
		INTO("TranslationBytes", FIELD_U64, translation_bytes),
	WORD("WarmMode", WORDS_WARM, warm_mode),
	WORD("PathState", WORDS_PATH_STATE, path_state),
	INTO("PathNow", FIELD_TEXT, path_now),
	INTO("Bypasses", FIELD_U64, bypasses),
	INTO("LastBypass", FIELD_TEXT, last_bypass),
#undef WORD
#undef INTO
};

int properties_read(struct properties *p, sd_bus_message *m)
{
	struct rdmareg_region_info info = {
		.arbitration_reason = "",
		.degraded = "",
		.path = "",
		.path_now = "",
		.last_bypass = "",
		.session = "",
		.ticket = "",
		.faults = UINT64_MAX,
	};
	int r;

	r = fields_read(m, known, ARRAY_SIZE(known), &info);
	if (r < 0 || !info.id)
		return fail(EBADMSG,
			    "reading rdmaregd's answer: a region's properties make no sense; "
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
