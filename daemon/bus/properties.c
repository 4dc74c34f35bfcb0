// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * properties.c - a region's properties: one table with name, type and the change that touches it,
 * one switch with the values. Single Gets, lists and PropertiesChanged are all made from it, so
 * they cannot differ.
 */
#include <errno.h>
#include <string.h>

#include "bus/bus-internal.h"

const char *const region_state_names[_REGION_STATE_MAX] = REGION_STATE_NAMES;
const char *const region_policy_names[_REGION_POLICY_MAX] = REGION_POLICY_NAMES;
const char *const region_access_names[_REGION_ACCESS_MAX] = REGION_ACCESS_NAMES;
const char *const revocation_cause_names[_REVOCATION_CAUSE_MAX] = REVOCATION_CAUSE_NAMES;
const char *const revocation_outcome_names[_REVOCATION_OUTCOME_MAX] = REVOCATION_OUTCOME_NAMES;
static const char *const region_durability_names[_REGION_DURABILITY_MAX] = REGION_DURABILITY_NAMES;
const char *const warm_mode_names[_WARM_MODE_MAX] = WARM_MODE_NAMES;
static const char *const arbitration_mode_names[_ARBITRATION_MODE_MAX] = ARBITRATION_MODE_NAMES;
const char *const path_state_names[_PATH_STATE_MAX] = PATH_STATE_NAMES;

enum property {
	PROPERTY_ID,
	PROPERTY_STATE,
	PROPERTY_ARBITRATION_MODE,
	PROPERTY_ARBITRATION_REASON,
	PROPERTY_REFUSES,
	PROPERTY_DEGRADED,
	PROPERTY_POLICY,
	PROPERTY_GRACE,
	PROPERTY_ACCESS,
	PROPERTY_DURABILITY,
	PROPERTY_PATH,
	PROPERTY_OFFSET,
	PROPERTY_LENGTH,
	PROPERTY_VALID_LENGTH,
	PROPERTY_RKEY,
	PROPERTY_GENERATION,
	PROPERTY_ADDRESS,
	PROPERTY_DETACHED,
	PROPERTY_UID,
	PROPERTY_SESSION,
	PROPERTY_TICKET,
	PROPERTY_PEERS,
	PROPERTY_CLIENTS,
	PROPERTY_REVOCATION,
#define COUNTER(member, name) PROPERTY_##member,
	REGION_COUNTERS(COUNTER)
#undef COUNTER
		PROPERTY_TRANSLATION_BYTES,
	PROPERTY_WARM_MODE,
	PROPERTY_PATH_STATE,
	PROPERTY_PATH_NOW,
	PROPERTY_BYPASSES,
	PROPERTY_LAST_BYPASS,
	_PROPERTY_MAX,
};

static const struct {
	const char *name;
	const char *type;
	uint32_t changed; /* REGION_CHANGED_*, BUS_CHANGED_*: 0: never, or too often to tell */
} properties[_PROPERTY_MAX] = {
	[PROPERTY_ID] = { "Id", "t", 0 },
	[PROPERTY_STATE] = { "State", "s", REGION_CHANGED_STATE },
	[PROPERTY_ARBITRATION_MODE] = { "ArbitrationMode", "s", BUS_CHANGED_ARBITRATION },
	[PROPERTY_ARBITRATION_REASON] = { "ArbitrationReason", "s", BUS_CHANGED_ARBITRATION },
	[PROPERTY_REFUSES] = { "Refuses", "b", BUS_CHANGED_ARBITRATION },
	[PROPERTY_DEGRADED] = { "Degraded", "s", BUS_CHANGED_ARBITRATION },
	[PROPERTY_POLICY] = { "Policy", "s", BUS_CHANGED_ARBITRATION },
	[PROPERTY_GRACE] = { "GraceUSec", "t", BUS_CHANGED_ARBITRATION },
	[PROPERTY_ACCESS] = { "Access", "s", 0 },
	[PROPERTY_DURABILITY] = { "Durability", "s", 0 },
	[PROPERTY_PATH] = { "Path", "s", 0 },
	[PROPERTY_OFFSET] = { "Offset", "t", 0 },
	[PROPERTY_LENGTH] = { "Length", "t", 0 },
	[PROPERTY_VALID_LENGTH] = { "ValidLength", "t", REGION_CHANGED_LENGTH },
	[PROPERTY_RKEY] = { "Rkey", "u", REGION_CHANGED_KEYS },
	[PROPERTY_GENERATION] = { "Generation", "u", REGION_CHANGED_KEYS },
	[PROPERTY_ADDRESS] = { "Address", "t", REGION_CHANGED_KEYS },
	[PROPERTY_DETACHED] = { "Detached", "b", 0 },
	[PROPERTY_UID] = { "Uid", "u", 0 },
	[PROPERTY_SESSION] = { "Session", "s", 0 },
	[PROPERTY_TICKET] = { "Ticket", "s", BUS_CHANGED_TICKET },
	[PROPERTY_PEERS] = { "Peers", "u", REGION_CHANGED_PEERS },
	[PROPERTY_CLIENTS] = { "Clients", "u", REGION_CHANGED_PEERS },
	[PROPERTY_REVOCATION] = { "Revocation", "(tsttt)", REGION_CHANGED_REVOCATION },
#define COUNTER(member, name) [PROPERTY_##member] = { name, "t", 0 },
	REGION_COUNTERS(COUNTER)
#undef COUNTER
		[PROPERTY_TRANSLATION_BYTES] = { "TranslationBytes", "t", 0 },
	[PROPERTY_WARM_MODE] = { "WarmMode", "s", BUS_CHANGED_ARBITRATION },
	[PROPERTY_PATH_STATE] = { "PathState", "s", BUS_CHANGED_FILE },
	[PROPERTY_PATH_NOW] = { "PathNow", "s", BUS_CHANGED_FILE },
	[PROPERTY_BYPASSES] = { "Bypasses", "t", BUS_CHANGED_FILE },
	[PROPERTY_LAST_BYPASS] = { "LastBypass", "s", BUS_CHANGED_FILE },
};

static const char *or_empty(const char *s)
{
	return s ? s : "";
}

static int append_revocation(sd_bus_message *m, const struct region *r)
{
	if (!r->revoking)
		return sd_bus_message_append(m, "(tsttt)", (uint64_t)0, "", (uint64_t)0,
					     (uint64_t)0, (uint64_t)0);
	return sd_bus_message_append(m, "(tsttt)", r->revocation, revocation_cause_names[r->cause],
				     r->revocation_offset, r->revocation_length, r->deadline_usec);
}

static int append_value(sd_bus_message *m, const struct region_view *v, enum property p)
{
	const struct region *r = v->region;
	const struct region_text *t = v->text;

	switch (p) {
	case PROPERTY_ID:
		return sd_bus_message_append(m, "t", r->id);
	case PROPERTY_STATE:
		return sd_bus_message_append(m, "s", region_state_names[r->state]);
	case PROPERTY_ARBITRATION_MODE:
		return sd_bus_message_append(m, "s", arbitration_mode_names[r->mode]);
	case PROPERTY_ARBITRATION_REASON:
		return sd_bus_message_append(m, "s", or_empty(t->mode_reason));
	case PROPERTY_REFUSES:
		return sd_bus_message_append(m, "b", (int)t->refuses);
	case PROPERTY_DEGRADED:
		return sd_bus_message_append(m, "s", or_empty(t->degraded));
	case PROPERTY_POLICY:
		return sd_bus_message_append(m, "s", region_policy_names[r->policy]);
	case PROPERTY_GRACE:
		return sd_bus_message_append(m, "t", r->grace_usec);
	case PROPERTY_ACCESS:
		return sd_bus_message_append(m, "s", region_access_names[r->access]);
	case PROPERTY_PATH:
		return sd_bus_message_append(m, "s", or_empty(t->path));
	case PROPERTY_OFFSET:
		return sd_bus_message_append(m, "t", r->offset);
	case PROPERTY_LENGTH:
		return sd_bus_message_append(m, "t", r->length);
	case PROPERTY_VALID_LENGTH:
		return sd_bus_message_append(m, "t", r->valid_length);
	case PROPERTY_RKEY:
		return sd_bus_message_append(m, "u", r->rkey);
	case PROPERTY_GENERATION:
		return sd_bus_message_append(m, "u", r->generation);
	case PROPERTY_ADDRESS:
		return sd_bus_message_append(m, "t", r->address);
	case PROPERTY_DETACHED:
		return sd_bus_message_append(m, "b", (int)t->detached);
	case PROPERTY_UID:
		return sd_bus_message_append(m, "u", v->tenant->uid);
	case PROPERTY_SESSION:
		return sd_bus_message_append(m, "s", v->tenant->session);
	case PROPERTY_TICKET:
		return sd_bus_message_append(m, "s", or_empty(t->ticket));
	case PROPERTY_PEERS:
		return sd_bus_message_append(m, "u", r->peers);
	case PROPERTY_CLIENTS:
		return sd_bus_message_append(m, "u", r->clients);
	case PROPERTY_REVOCATION:
		return append_revocation(m, r);
	case PROPERTY_TRANSLATION_BYTES:
		return sd_bus_message_append(m, "t", t->translation_bytes);
	case PROPERTY_DURABILITY:
		return sd_bus_message_append(m, "s", region_durability_names[t->durability]);
	case PROPERTY_WARM_MODE:
		return sd_bus_message_append(m, "s", warm_mode_names[t->warm_mode]);
	case PROPERTY_PATH_STATE:
		return sd_bus_message_append(m, "s", path_state_names[t->path_state]);
	case PROPERTY_PATH_NOW:
		return sd_bus_message_append(
			m, "s", or_empty(t->path_state == PATH_THERE ? t->path : t->path_now));
	case PROPERTY_BYPASSES:
		return sd_bus_message_append(m, "t", t->bypasses);
	case PROPERTY_LAST_BYPASS:
		return sd_bus_message_append(m, "s", or_empty(t->last_bypass));
#define COUNTER(member, name)   \
	case PROPERTY_##member: \
		return sd_bus_message_append(m, "t", t->counters.member);
		REGION_COUNTERS(COUNTER)
#undef COUNTER
	case _PROPERTY_MAX:
		break;
	}
	return -EINVAL;
}

int property_get(sd_bus *connection, const char *path, const char *interface, const char *property,
		 sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct found *found = userdata;

	(void)connection, (void)path, (void)interface, (void)error;
	for (enum property p = 0; p < _PROPERTY_MAX; p++)
		if (!strcmp(properties[p].name, property))
			return append_value(reply, &found->view, p);
	return -EINVAL;
}

int properties_append(sd_bus_message *m, const struct region_view *v, uint32_t changed)
{
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	for (enum property p = 0; p < _PROPERTY_MAX && r >= 0; p++) {
		if (changed != UINT32_MAX && !(properties[p].changed & changed))
			continue;
		r = sd_bus_message_open_container(m, 'e', "sv");
		if (r >= 0)
			r = sd_bus_message_append(m, "s", properties[p].name);
		if (r >= 0)
			r = sd_bus_message_open_container(m, 'v', properties[p].type);
		if (r >= 0)
			r = append_value(m, v, p);
		if (r >= 0)
			r = sd_bus_message_close_container(m);
		if (r >= 0)
			r = sd_bus_message_close_container(m);
	}
	return r < 0 ? r : sd_bus_message_close_container(m);
}
