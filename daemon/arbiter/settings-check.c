// SPDX-License-Identifier: GPL-2.0-or-later
/* settings-check.c - see settings-check.h. */
#include "arbiter/settings-check.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "names.h"
#include "rdmareg-wire.h"

#define MODULE_DEADLINE "/sys/module/rdmareg/parameters/max_deadline_ms"
#define UNIT_NAME_MAX 255 /* systemd's */
#define UID_MAX_TEXT "4294967294"

struct address {
	char text[64]; /* one for each address, however it is written */
	struct sockaddr_storage of;
};

/* As the keeper reads it; no name is ever looked up. */
static bool read_address(const char *text, size_t n, struct address *ret)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST };
	struct addrinfo *found;
	char copy[sizeof(ret->text)];
	bool good;

	if (n >= sizeof(copy))
		return false;
	memcpy(copy, text, n);
	copy[n] = 0;
	if (getaddrinfo(copy, NULL, &hints, &found))
		return false;
	good = getnameinfo(found->ai_addr, found->ai_addrlen, ret->text, sizeof(ret->text), NULL, 0,
			   NI_NUMERICHOST) == 0;
	memcpy(&ret->of, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return good;
}

/* NULL, or what an address has to be instead that nobody can connect to, or that has two names. */
static const char *judge_address(const struct address *a)
{
	static const char several
		[] = "addresses of one machine: multicast and broadcast addresses are those of many",
	 none[] =
		 "addresses that peers can connect to: 0.0.0.0 and :: stand for all of a machine; for the first that can be used write any";
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->of;
	in_addr_t v4;

	if (a->of.ss_family == AF_INET) {
		v4 = ntohl(((const struct sockaddr_in *)&a->of)->sin_addr.s_addr);
		if (v4 == INADDR_ANY)
			return none;
		return IN_MULTICAST(v4) || v4 == INADDR_BROADCAST ? several : NULL;
	}
	if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
		return none;
	if (IN6_IS_ADDR_MULTICAST(&v6->sin6_addr))
		return several;
	if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
		return "IPv4 addresses without ::ffff: before them";
	if (v6->sin6_scope_id && !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr))
		return "addresses without %DEVICE behind them, which only link-local ones (fe80::) have";
	return NULL;
}

/* At most so many characters of a ticket. */
static size_t length_in_ticket(const struct address *a)
{
	return strlen(a->text) + (strchr(a->text, ':') ? strlen(",[]:65535") : strlen(",:65535"));
}

const char *form_address(const char *text)
{
	static const char must[] =
		"any, or one to four numeric IPv4 or IPv6 addresses, with commas and without blanks between them",
			  between[] = LISTEN_ADDRESSES_BETWEEN;
	struct address found[LISTEN_ADDRESSES_MAX];
	const char *instead;
	unsigned int count = 0;
	size_t length = 0;

	if (!strcmp(text, "any"))
		return NULL;
	for (text += strspn(text, between); *text; text += strspn(text, between)) {
		size_t n = strcspn(text, between);

		if (count == LISTEN_ADDRESSES_MAX || !read_address(text, n, &found[count]))
			return must;
		instead = judge_address(&found[count]);
		if (instead)
			return instead;
		for (unsigned int i = 0; i < count; i++)
			if (!strcmp(found[i].text, found[count].text))
				return "addresses that differ, each named once";
		length += length_in_ticket(&found[count++]);
		text += n;
	}
	if (length > WIRE_TICKET_HOSTS_MAX + strlen(between))
		return "shorter: a ticket has to name all of them, and has room for two IPv6 addresses of full length, or four short ones, and less with a device name (%eth0)";
	return count ? NULL : must;
}

/* As systemd has it: dashes say what a slice is part of, so none stands alone, first or last. */
const char *form_slice(const char *text)
{
	static const char must[] =
		"the name of a slice, which ends with .slice and may have one %u for the uid";
	const char *uid = strstr(text, "%u"), *end;
	size_t length = strlen(text);

	if (length <= strlen(".slice") || strcmp(text + length - strlen(".slice"), ".slice") != 0)
		return must;
	end = text + length - strlen(".slice");
	if (length + strlen(UID_MAX_TEXT) > UNIT_NAME_MAX)
		return "shorter: systemd's names have at most 255 characters";
	for (const char *p = text; p < end; p++) {
		if (uid && (p == uid || p == uid + 1))
			continue;
		if (!isalnum((unsigned char)*p) && !strchr(":-_.\\", *p))
			return must;
		if (*p == '-' && (p == text || p + 1 == end || p[1] == '-'))
			return "without a dash that is first, last or doubled: dashes separate a slice from what it is part of";
	}
	return NULL;
}

const char *form_directory(const char *text)
{
	return *text == '/' ? NULL : "an absolute path";
}

const char *form_uids(const char *text)
{
	static const char must[] =
		"two user ids above 0 with a dash between them, 65536 apart at most";
	unsigned long long first, last;
	char *end;

	if (!isdigit((unsigned char)*text))
		return must;
	first = strtoull(text, &end, 10);
	if (*end != '-' || !isdigit((unsigned char)end[1]))
		return must;
	last = strtoull(end + 1, &end, 10);
	/* 65535 and the highest mean "nobody" to system calls */
	if (*end || !first || first > last || last >= UINT32_MAX || last - first > 65536 ||
	    (first <= UINT16_MAX && last >= UINT16_MAX))
		return must;
	return NULL;
}

static int group_exists(const char *name, size_t length)
{
	char copy[256], space[16384];
	struct group group, *found = NULL;

	if (!length || length >= sizeof(copy))
		return 0;
	memcpy(copy, name, length);
	copy[length] = 0;
	/* a group whose members do not fit is there, too */
	return getgrnam_r(copy, &group, space, sizeof(space), &found) == ERANGE || found;
}

const char *machine_groups(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, ",");

		if (!group_exists(text, n))
			return "a group of this machine (systemd-sysusers(8) makes rdmareg)";
		text += n + (text[n] == ',');
	}
	return NULL;
}

const char *machine_directory(const char *text)
{
	char parent[PATH_MAX];
	struct stat st;
	char *slash;

	if (stat(text, &st) == 0)
		return S_ISDIR(st.st_mode) ? NULL : "a folder";
	if (errno != ENOENT || strlen(text) >= sizeof(parent))
		return "a folder that can be entered";
	/* what writes there makes it, but not all that leads there */
	strcpy(parent, text);
	for (slash = strrchr(parent, '/'); slash > parent && !slash[1];
	     slash = strrchr(parent, '/'))
		*slash = 0;
	*(slash > parent ? slash : slash + 1) = 0;
	return stat(parent, &st) == 0 && S_ISDIR(st.st_mode) ? NULL
							     : "a folder, or one that can be made";
}

int machine_deadline(unsigned long long most_msec, struct failure *why)
{
	FILE *f = fopen(MODULE_DEADLINE, "re");
	unsigned int limit = UINT_MAX;
	int r;

	if (!f)
		return 0; /* no module, no limit */
	r = fscanf(f, "%u", &limit);
	fclose(f);
	if (r != 1 || most_msec <= limit)
		return 0;
	return fail(
		why, -EINVAL,
		"max_grace_msec and deadline_margin_msec are %llu together, and the module allows max_deadline_ms=%u: "
		"lower them, or load it with more",
		most_msec, limit);
}
