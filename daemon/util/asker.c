// SPDX-License-Identifier: GPL-2.0-or-later
/* asker.c - see asker.h. */
#include "util/asker.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "util/process.h"
#include "util/text.h"

static void read_comm(struct asker *a)
{
	char path[64], line[64] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/comm", a->pid);
	f = fopen(path, "re");
	if (!f)
		return;
	line[fread(line, 1, sizeof(line) - 1, f)] = 0;
	fclose(f);
	line[strlen(line) - (*line != 0)] = 0; /* the kernel's newline; others are the process' */
	text_clean(a->comm, sizeof(a->comm), line, sizeof(line));
}

/* The one that files are accessed with, as a rule: the effective one. */
static void read_uid(struct asker *a)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/status", a->pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Uid: %*u %" SCNu32, &a->uid) == 1)
			break;
	if (f)
		fclose(f);
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
	read_comm(&a);
	if (a.uid == ASKER_NO_UID)
		read_uid(&a);
	if (process_read_cgroup((pid_t)pid, cgroup, sizeof(cgroup)))
		asker_set_cgroup(&a, cgroup);
	/* looked at last: its number was not given to another process before */
	if (!began || process_start((pid_t)pid) == began)
		*ret = a;
}
