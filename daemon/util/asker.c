// SPDX-License-Identifier: GPL-2.0-or-later
/* asker.c - see asker.h. */
#include "util/asker.h"

#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "util/process.h"
#include "util/text.h"

/* The kernel writes a newline, which would end the line, and a backslash with a backslash before. */
static void unescape(char *name)
{
	char *to = name;

	for (; *name; name++) {
		bool escaped = *name == '\\' && name[1];

		name += escaped;
		*to++ = escaped && *name == 'n' ? '\n' : *name;
	}
	*to = 0;
}

/*
 * The name; and the uid, if it is not known: the one that files are accessed with, as a rule, which
 * is the effective one.
 */
static void read_status(struct asker *a)
{
	static const char before[] = "Name:\t";
	char text[1024], *name = text + strlen(before), *rest;

	/* both are in the first few lines, and the name cannot end its own */
	if (!process_read((pid_t)a->pid, "status", text, sizeof(text)) ||
	    strncmp(text, before, strlen(before)) || !(rest = strchr(name, '\n')))
		return;
	*rest++ = 0;
	unescape(name);
	text_clean(a->comm, sizeof(a->comm), name, (size_t)(rest - name));
	rest = a->uid == ASKER_NO_UID ? strstr(rest, "\nUid:") : NULL;
	if (rest)
		sscanf(rest, "\nUid: %*u %" SCNu32, &a->uid);
}

void asker_set_cgroup(struct asker *a, const char *cgroup)
{
	char clean[PATH_MAX];
	size_t n, from;

	text_clean(clean, sizeof(clean), cgroup, PATH_MAX);
	n = strlen(clean);
	if (n < sizeof(a->cgroup)) {
		memcpy(a->cgroup, clean, n + 1);
		return;
	}
	from = n - (sizeof(a->cgroup) - 1 - strlen("..."));
	while ((clean[from] & 0xc0) == 0x80) /* inside a character */
		from++;
	snprintf(a->cgroup, sizeof(a->cgroup), "...%s", clean + from);
}

void asker_look(struct asker *ret, uint32_t pid, uint32_t uid, uint64_t began)
{
	struct asker a = { .pid = pid, .uid = uid };
	char cgroup[PATH_MAX];

	*ret = a;
	if (!pid || pid > INT_MAX)
		return;
	read_status(&a);
	if (process_read_cgroup((pid_t)pid, cgroup, sizeof(cgroup)))
		asker_set_cgroup(&a, cgroup);
	/* looked at last: its number was not given to another process before */
	if (!began || process_start((pid_t)pid) == began)
		*ret = a;
}
