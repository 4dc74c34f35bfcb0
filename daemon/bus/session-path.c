// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * session-path.c - what a session may be called, and where its object is: its user id, and its name
 * escaped as sd_bus_path_encode(3) does it. What always holds: a session has one path and a path one session;
 * of what a caller writes, only the one spelling counts.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus/bus-internal.h"
#include "util/text.h"

/* What people type, and what is a part of paths and units without any escaping. */
static int check_name(const char *what, const char *name, size_t size, struct failure *f)
{
	char clean[REGION_NAME_MAX];

	if (tenant_name_is_sound(name, size))
		return 0;
	text_clean(clean, sizeof(clean), name, strlen(name));
	return failure_set(
		f, RDMAREG_ERROR_INVALID_OPTION,
		"'%s' is no %s name: it must be 1 to %zu of the characters A-Z a-z 0-9 _ . -",
		clean, what, size - 1);
}

int check_session(const char *session, struct failure *f)
{
	return check_name("session", session, TENANT_SESSION_MAX, f);
}

int check_reference(const char *session, const char *name, struct failure *f)
{
	int r = check_session(session, f);

	return r ? r : check_name("region", name, REGION_NAME_MAX, f);
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void session_path(uint32_t uid, const char *name, char out[static SESSION_PATH_MAX])
{
	size_t n = (size_t)snprintf(out, SESSION_PATH_MAX, RDMAREG_SESSION_PREFIX "/%" PRIu32 "_",
				    uid);

	for (const char *p = name; *p && n < SESSION_PATH_MAX; p++) {
		if (is_letter(*p) || (p > name && *p >= '0' && *p <= '9'))
			n += (size_t)snprintf(out + n, SESSION_PATH_MAX - n, "%c", *p);
		else
			n += (size_t)snprintf(out + n, SESSION_PATH_MAX - n, "_%02x",
					      (unsigned char)*p);
	}
}

/* False: too long, or an escape that is none. */
static bool unescape(const char *text, char out[static TENANT_SESSION_MAX])
{
	size_t n = 0;

	for (const char *p = text; *p; p++, n++) {
		unsigned int c = (unsigned char)*p;

		if (*p == '_' && (!isxdigit((unsigned char)p[1]) || sscanf(p + 1, "%2x", &c) != 1))
			return false;
		if (n + 1 >= TENANT_SESSION_MAX || !c)
			return false;
		out[n] = (char)c;
		if (*p == '_')
			p += isxdigit((unsigned char)p[2]) ? 2 : 1;
	}
	out[n] = 0;
	return n > 0;
}

bool session_of_path(const char *path, uint32_t *ret_uid, char ret_name[static TENANT_SESSION_MAX])
{
	size_t prefix = strlen(RDMAREG_SESSION_PREFIX "/");
	char name[TENANT_SESSION_MAX], canonical[SESSION_PATH_MAX];
	unsigned long long uid;
	char *end;

	if (strncmp(path, RDMAREG_SESSION_PREFIX "/", prefix) != 0 ||
	    !isdigit((unsigned char)path[prefix]))
		return false;
	errno = 0;
	uid = strtoull(path + prefix, &end, 10);
	if (errno || uid >= UINT32_MAX || *end != '_' || !unescape(end + 1, name) ||
	    !tenant_name_is_sound(name, TENANT_SESSION_MAX))
		return false;
	session_path((uint32_t)uid, name, canonical);
	if (strcmp(canonical, path) != 0)
		return false;
	*ret_uid = (uint32_t)uid;
	strcpy(ret_name, name);
	return true;
}
