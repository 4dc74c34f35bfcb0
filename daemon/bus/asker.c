// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * asker.c - a process that asked for something, or holds something, as it is told on the bus.
 *
 * What always holds: of a process of another user only root learns more than that it is another
 * user's.
 */
#include <stdio.h>

#include "bus/bus-internal.h"

#define KEY_MAX 32

static const char *join(char key[static KEY_MAX], const char *prefix, const char *name)
{
	snprintf(key, KEY_MAX, "%s%s", prefix, name);
	return key;
}

int append_asker(sd_bus_message *m, const char *prefix, const struct asker *a, uint32_t uid)
{
	char k[KEY_MAX];
	int r;

	if (!a || !a->pid)
		return 0;
	if (uid != 0 && (a->uid != uid || a->uid == ASKER_NO_UID))
		return sd_bus_message_append(m, "{sv}", join(k, prefix, "other_user"), "b", 1);
	r = sd_bus_message_append(m, "{sv}", join(k, prefix, "pid"), "u", a->pid);
	if (r >= 0 && a->uid != ASKER_NO_UID)
		r = sd_bus_message_append(m, "{sv}", join(k, prefix, "process_uid"), "u", a->uid);
	if (r >= 0 && *a->comm)
		r = sd_bus_message_append(m, "{sv}", join(k, prefix, "comm"), "s", a->comm);
	if (r >= 0 && *a->cgroup)
		r = sd_bus_message_append(m, "{sv}", join(k, prefix, "cgroup"), "s", a->cgroup);
	return r;
}
