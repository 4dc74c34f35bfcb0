// SPDX-License-Identifier: GPL-2.0-or-later
/* spawn.c - see proxy/spawn.h: the command line, and the direct way. */
#include "proxy/spawn.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper-options.h"
#include "util/cleanup.h"

/* What the settings, and the tenant, are to the keeper. */
static struct keeper_options options_for(const struct spawn_request *q)
{
	const struct settings *s = q->settings;

	return (struct keeper_options){
		.session = q->session,
		.listen_address = s->listen_address,
		.device = q->limits->device,
		.quirks_directory = s->quirks_directory,
		.port = (uint16_t)s->port,
		.daemon_uid = geteuid(),
		.tenant_uid = q->uid,
		.max_regions = (uint32_t)q->limits->regions,
		.max_peers = (uint32_t)q->limits->peers,
		.max_tickets = (uint32_t)q->limits->tickets,
		.deadline_margin_msec = (uint32_t)s->deadline_margin_msec,
		.alignment = (uint32_t)s->alignment,
		.minimum_mtu = (uint32_t)s->minimum_mtu,
		.idle_exit_sec = (uint32_t)s->idle_exit_sec,
		.rnr_timer_usec = (uint32_t)s->rnr_timer_usec,
		.rnr_retries = (uint8_t)s->rnr_retries,
		.retries = (uint8_t)s->retries,
		.peer_probe_sec = (uint32_t)s->peer_probe_sec,
		.ack_timeout_msec = (uint32_t)s->ack_timeout_msec,
		.warm_bytes_per_sec = s->warm_bytes_per_sec,
		.memory_stall_msec = (uint32_t)s->memory_stall_msec,
		/* it says that storage hangs before it would seem to hang itself */
		.storage_stall_msec = (uint32_t)(s->timeout_msec / 2),
	};
}

#define ARGUMENT_BYTES (sizeof("--") + 32 + 24) /* name and number, with their zeroes */

/* Each option of the list: none is left to what the keeper's default is. */
char **spawn_command(const struct spawn_request *q)
{
	struct keeper_options o = options_for(q);
	const size_t n = 2 * KEEPER_OPTION_COUNT + 2, bytes = KEEPER_OPTION_COUNT * ARGUMENT_BYTES;
	char **argv = malloc(n * sizeof(*argv) + bytes), *space;
	size_t i = 0;

	if (!argv)
		return NULL;
	space = (char *)(argv + n);
	argv[i++] = (char *)(uintptr_t)q->program;
	for (size_t k = 0; k < KEEPER_OPTION_COUNT; k++) {
		const struct keeper_option *w = &keeper_option_list[k];

		argv[i++] = space;
		space += sprintf(space, "--%.32s", w->name) + 1;
		argv[i++] = w->size ? space : (char *)(uintptr_t)*keeper_option_text(&o, w);
		if (w->size)
			space += sprintf(space, "%" PRIu64, keeper_option_get(&o, w)) + 1;
	}
	argv[i] = NULL;
	return argv;
}

/* What /proc/PID/status says of a process. */
struct status {
	uint32_t ids[4]; /* real, effective, saved, filesystem */
	char state;
	unsigned int threads;
};

static bool read_status(const char *pid, struct status *ret)
{
	uint32_t *ids = ret->ids;
	char path[64], line[256];
	bool has_ids = false;
	FILE *f;

	*ret = (struct status){ .threads = 1 };
	snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		sscanf(line, "State: %c", &ret->state);
		sscanf(line, "Threads: %u", &ret->threads);
		has_ids |= sscanf(line, "Uid: %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32,
				  &ids[0], &ids[1], &ids[2], &ids[3]) == 4;
	}
	fclose(f);
	return has_ids;
}

/*
 * All of it, not only its first thread. Nothing can be done to it or by it any more, so its id is
 * free, whenever its parent waits for it: the first process of a container may never do.
 */
static bool has_ended(const struct status *s)
{
	return (s->state == 'Z' || s->state == 'X') && s->threads <= 1;
}

static int mark_used(bool *used, uint32_t first, uint32_t last)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	struct status s;

	if (!processes)
		return -errno;
	while ((entry = readdir(processes)))
		if (isdigit((unsigned char)*entry->d_name) && read_status(entry->d_name, &s) &&
		    !has_ended(&s))
			for (int i = 0; i < 4; i++)
				if (s.ids[i] >= first && s.ids[i] <= last)
					used[s.ids[i] - first] = true;
	closedir(processes);
	return 0;
}

int spawn_choose_id(const struct settings *s,
		    bool (*is_reserved)(const void *userdata, uint32_t id), const void *userdata,
		    uint32_t *ret)
{
	static uint32_t after; /* those that ended just now come last */
	_cleanup_(freep) bool *used = NULL;
	uint32_t first, last, n;
	int r;

	settings_keeper_uids(s, &first, &last);
	n = last - first + 1;
	used = calloc(n, sizeof(*used));
	if (!used)
		return -ENOMEM;
	r = mark_used(used, first, last);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = (after + i) % n;

		if (used[at] || is_reserved(userdata, first + at))
			continue;
		after = at + 1;
		*ret = first + at;
		return 0;
	}
	return -EUSERS;
}

int spawn_direct(struct spawned **ret, struct spawner *s, struct event_base *base,
		 const struct spawn_request *q, const struct spawned_ops *ops, void *userdata)
{
	_cleanup_(freep) char **argv = spawn_command(q);
	const struct spawner_identity identity = { .runs_as = q->runs_as,
						   .memlock_bytes = q->settings->memlock_bytes,
						   .groups = q->settings->group };
	const struct spawner_order order = { .argv = (const char *const *)argv,
					     .socket = q->socket,
					     .number = STDIN_FILENO,
					     .outlives = &identity };

	if (!argv)
		return -ENOMEM;
	if (geteuid() != 0 && q->uid != geteuid())
		return -EPERM;
	return spawner_start(ret, s, base, &order, ops, userdata);
}
