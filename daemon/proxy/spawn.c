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

#include "util/cleanup.h"
#include "util/macros.h"

#define COMMAND_NUMBERS 17

char **spawn_command(const struct spawn_request *q)
{
	const struct settings *s = q->settings;
	const struct {
		const char *option;
		uint64_t value;
	} numbers[COMMAND_NUMBERS] = {
		{ "--port", s->port },
		{ "--daemon-uid", geteuid() },
		{ "--tenant-uid", q->uid },
		{ "--max-regions", q->limits->regions },
		{ "--max-peers", q->limits->peers },
		{ "--max-tickets", q->limits->tickets },
		{ "--deadline-margin-msec", s->deadline_margin_msec },
		{ "--alignment", s->alignment },
		{ "--minimum-mtu", s->minimum_mtu },
		{ "--idle-exit-sec", s->idle_exit_sec },
		{ "--rnr-timer-usec", s->rnr_timer_usec },
		{ "--rnr-retries", s->rnr_retries },
		{ "--retries", s->retries },
		{ "--ack-timeout-msec", s->ack_timeout_msec },
		{ "--warm-bytes-per-sec", s->warm_bytes_per_sec },
		{ "--memory-stall-msec", s->memory_stall_msec },
		/* it says that storage hangs before it would seem to hang itself */
		{ "--storage-stall-msec", s->timeout_msec / 2 },
	};
	const char *texts[] = { q->program,	    "--session",       q->session,
				"--listen-address", s->listen_address, "--quirks-directory",
				s->quirks_directory };
	const size_t n_texts = ARRAY_SIZE(texts), n = n_texts + 2 * COMMAND_NUMBERS + 1;
	char **argv = malloc(n * sizeof(*argv) + COMMAND_NUMBERS * 24), *space;
	size_t i;

	if (!argv)
		return NULL;
	space = (char *)(argv + n);
	for (i = 0; i < n_texts; i++)
		argv[i] = (char *)(uintptr_t)texts[i];
	for (size_t k = 0; k < COMMAND_NUMBERS; k++) {
		argv[i++] = (char *)(uintptr_t)numbers[k].option;
		argv[i++] = space;
		space += sprintf(space, "%" PRIu64, numbers[k].value) + 1;
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
