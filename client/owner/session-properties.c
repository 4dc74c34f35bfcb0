// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * session-properties.c - see session.h: what a session is called, where its object is, and what
 * rdmaregd says of it.
 */
#include "session.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "error.h"

static const struct field known[] = {
#define INTO(key, kind, member) FIELD_INTO(struct session_properties, key, kind, member)
	INTO("Uid", FIELD_U32, info.uid),
	INTO("Name", FIELD_TEXT, name),
	FIELD_WORD_INTO(struct session_properties, "State", WORDS_SESSION_STATE, info.state),
	INTO("Regions", FIELD_U32, info.regions),
	INTO("Bytes", FIELD_U64, info.bytes),
	INTO("Peers", FIELD_U32, info.peers),
	INTO("MaxRegions", FIELD_U32, info.max_regions),
	INTO("MaxBytes", FIELD_U64, info.max_bytes),
	INTO("MaxPeers", FIELD_U32, info.max_peers),
	INTO("MaxTickets", FIELD_U32, info.max_tickets),
	INTO("MaxMemory", FIELD_U64, info.max_memory_bytes),
	INTO("MemoryCurrent", FIELD_U64, info.memory_current),
	INTO("CreatedUSec", FIELD_U64, info.created_usec),
	INTO("Device", FIELD_TEXT, device),
#undef INTO
};

bool session_name_valid(const char *name)
{
	size_t n = strnlen(name, SESSION_NAME_MAX + 1);

	return n && n <= SESSION_NAME_MAX && strspn(name, RDMAREG_NAME_CHARACTERS) == n;
}

int session_properties_read(struct session_properties *p, sd_bus_message *m)
{
	*p = (struct session_properties){ .name = "", .device = "" };
	if (fields_read(m, known, ARRAY_SIZE(known), p) < 0 || !session_name_valid(p->name) ||
	    strlen(p->device) >= sizeof(p->info.device))
		return fail(EBADMSG, "reading rdmaregd's answer: a session's properties make no "
				     "sense; do librdmareg and rdmaregd come from one version?");
	memcpy(p->info.name, p->name, strlen(p->name) + 1); /* fits: it is a valid one */
	strcpy(p->info.device, p->device);
	return 0;
}

bool session_changes_read(sd_bus_message *m, enum rdmareg_session_state *ret)
{
	struct session_properties p = { .name = "" };
	const char *interface;

	if (sd_bus_message_read(m, "s", &interface) <= 0 ||
	    strcmp(interface, RDMAREG_SESSION_INTERFACE) != 0 ||
	    fields_read(m, known, ARRAY_SIZE(known), &p) < 0)
		return false;
	*ret = p.info.state;
	return true;
}

int session_path(uint32_t uid, const char *name, char ret[static SESSION_PATH_MAX])
{
	_cleanup_(free_cleanup) char *label = NULL;
	int r = sd_bus_path_encode(RDMAREG_SESSION_PREFIX, name, &label);

	if (r >= 0)
		snprintf(ret, SESSION_PATH_MAX, RDMAREG_SESSION_PREFIX "/%" PRIu32 "_%s", uid,
			 strrchr(label, '/') + 1);
	return r;
}

bool session_of_path(const char *path, uint32_t *ret_uid,
		     char ret_name[static SESSION_NAME_MAX + 1])
{
	size_t prefix = strlen(RDMAREG_SESSION_PREFIX "/");
	_cleanup_(free_cleanup) char *name = NULL;
	char label[SESSION_PATH_MAX], same[SESSION_PATH_MAX];
	unsigned long long uid;
	char *end;

	if (!path || strncmp(path, RDMAREG_SESSION_PREFIX "/", prefix) != 0)
		return false;
	errno = 0;
	uid = strtoull(path + prefix, &end, 10);
	if (errno || uid > UINT32_MAX || *end != '_' ||
	    snprintf(label, sizeof(label), "/%s", end + 1) >= (int)sizeof(label) ||
	    sd_bus_path_decode(label, "/", &name) <= 0 || !session_name_valid(name))
		return false;
	/* a session has one path */
	if (session_path((uint32_t)uid, name, same) < 0 || strcmp(same, path) != 0)
		return false;
	*ret_uid = (uint32_t)uid;
	memcpy(ret_name, name, strlen(name) + 1); /* fits: it is a valid one */
	return true;
}
