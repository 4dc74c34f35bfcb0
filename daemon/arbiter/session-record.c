// SPDX-License-Identifier: GPL-2.0-or-later
/* session-record.c - see session-record.h. */
#include "arbiter/session-record.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"
#include "util/macros.h"
#include "arbiter/record-files.h"
#include "util/replace-file.h"

#define HEAD "rdmareg-session\n"
#define TAIL "end\n"
#define NEW_NAME ".new"
#define NAME_MAX_BYTES (TENANT_SESSION_MAX + 24)
#define TEXT_MAX 1024

/*
 * Each line but the first, the last, and those of name and device: a key, a blank, and the number
 * that a member has.
 */
static const struct record_member numbers[] = {
#define NUMBER(key, member, most) RECORD_MEMBER(struct tenant, key, member, most)
	NUMBER("uid", uid, UINT32_MAX - 1),
	NUMBER("state", state, _SESSION_STATE_MAX - 1),
	NUMBER("created_usec", created_usec, UINT64_MAX),
	NUMBER("max_regions", own.regions, UINT32_MAX),
	NUMBER("max_bytes", own.bytes, UINT64_MAX),
	NUMBER("max_peers", own.peers, UINT32_MAX),
	NUMBER("max_tickets", own.tickets, UINT32_MAX),
	NUMBER("max_memory", own.memory, UINT64_MAX),
#undef NUMBER
};

static void name_of(const struct tenant *t, char out[static NAME_MAX_BYTES])
{
	snprintf(out, NAME_MAX_BYTES, "%" PRIu32 "-%s", t->uid, t->session);
}

int session_record_write(int directory, const struct tenant *t)
{
	char name[NAME_MAX_BYTES], text[TEXT_MAX];
	int n = snprintf(text, sizeof(text), HEAD);

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s %" PRIu64 "\n",
			      numbers[i].key, record_get(t, &numbers[i]));
	if (*t->own.device)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "device %s\n", t->own.device);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "name %s\n" TAIL, t->session);
	name_of(t, name);
	return replace_file(directory, name, NEW_NAME, 0600, text, (size_t)n);
}

void session_record_remove(int directory, const struct tenant *t)
{
	char name[NAME_MAX_BYTES];

	name_of(t, name);
	if (unlinkat(directory, name, 0) < 0 && errno != ENOENT)
		log_error("the record of session %s cannot be removed: %m", name);
}

/* False: the line is none of ours. */
static bool take_line(struct tenant *t, const char *key, const char *value, bool *ret_has_name)
{
	if (!strcmp(key, "name")) {
		if (!tenant_name_is_sound(value, TENANT_SESSION_MAX))
			return false;
		strcpy(t->session, value);
		*ret_has_name = true;
		return true;
	}
	if (!strcmp(key, "device")) {
		if (!tenant_name_is_sound(value, sizeof(t->own.device)))
			return false;
		strcpy(t->own.device, value);
		return true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		uint64_t number;

		if (strcmp(numbers[i].key, key) != 0)
			continue;
		if (!record_number(value, numbers[i].most, &number))
			return false;
		record_set(t, &numbers[i], number);
	}
	return true;
}

static bool parse(char *text, struct tenant *ret)
{
	bool has_name = false;
	char *line, *rest;

	*ret = (struct tenant){ .used = true, .kind = TENANT_SESSION };
	if (strncmp(text, HEAD, strlen(HEAD)) != 0)
		return false;
	line = strtok_r(text + strlen(HEAD), "\n", &rest);
	while (line && strcmp(line, "end") != 0) {
		char *blank = strchr(line, ' ');

		if (!blank)
			return false;
		*blank = 0;
		if (!take_line(ret, line, blank + 1, &has_name))
			return false;
		line = strtok_r(NULL, "\n", &rest);
	}
	return line && has_name;
}

struct reading {
	void (*call)(void *userdata, const struct tenant *t);
	void *userdata;
};

static bool take(void *userdata, const char *file, char *text)
{
	const struct reading *r = userdata;
	char name[NAME_MAX_BYTES];
	struct tenant t;

	if (!parse(text, &t))
		return false;
	name_of(&t, name);
	if (strcmp(name, file) != 0)
		return false;
	r->call(r->userdata, &t);
	return true;
}

void session_record_each(int directory, const char *path,
			 void (*call)(void *userdata, const struct tenant *t), void *userdata)
{
	struct reading r = { call, userdata };

	record_files_each(directory, path, "session", take, &r);
}
