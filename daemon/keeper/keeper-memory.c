// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-memory.c - what shortage of memory forbids: no file in memory
 * is registered that peers could fill beyond what the memory cgroup leaves; nothing is prefetched
 * that has no room in it; and no region takes the mappings that peers will need.
 *
 * Limits can be set at any time, so they are read for each region; but many that come in one turn of
 * the loop are judged by what was read for the first of them.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "keeper/system/cgroup.h"
#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "keeper/system/pressure.h"

#define SPARE_BYTES (UINT64_C(16) << 20) /* of its cgroup: for the keeper itself */

struct limits {
	struct event *turn_ends;
	bool has_room; /* read in this turn, as all behind it */
	uint64_t room; /* in the memory cgroup */
	char cgroup[CGROUP_PATH_MAX];
	uint64_t memory_bytes; /* of all regions of files in memory */
	bool has_max_mappings;
	uint64_t max_mappings;
	/* stay */
	int max_mappings_fd;   /* what the kernel allows; -1: not opened yet */
	uint64_t own_mappings; /* of this process, when it had no region */
};

static void on_turn_ends(evutil_socket_t fd, short what, void *userdata)
{
	struct limits *l = userdata;

	(void)fd;
	(void)what;
	l->has_room = l->has_max_mappings = false;
}

int keeper_init_limits(struct keeper *k)
{
	struct limits *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->max_mappings_fd = -1;
	k->limits = l;
	l->turn_ends = event_new(k->base, -1, 0, on_turn_ends, l);
	return l->turn_ends ? 0 : -ENOMEM;
}

void keeper_free_limits(struct keeper *k)
{
	if (!k->limits)
		return;
	if (k->limits->turn_ends)
		event_free(k->limits->turn_ends);
	closep(&k->limits->max_mappings_fd);
	free(k->limits);
	k->limits = NULL;
}

/* Huge pages are no part of what a memory cgroup's memory.max limits. */
static bool is_memory(const struct mapping *m)
{
	return m->memory && m->granule == (uint64_t)sysconf(_SC_PAGESIZE);
}

int keeper_check_room(const struct mapping *m, uint64_t bytes)
{
	char path[CGROUP_PATH_MAX];

	if (m->device_bytes || is_memory(m)) /* neither charged, or judged when it was registered */
		return 0;
	return cgroup_own_headroom(path) < bytes + SPARE_BYTES ? -ENOMEM : 0;
}

/* What of a file in memory peers could still make the keeper allocate. */
static uint64_t unallocated(const struct mapping *m)
{
	uint64_t has;
	struct statx st;

	if (!m || !is_memory(m) ||
	    statx(m->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_BLOCKS, &st) < 0)
		return 0;
	has = (uint64_t)st.stx_blocks * 512;
	return has < m->length ? m->length - has : 0;
}

static void read_room(struct keeper *k)
{
	struct limits *l = k->limits;

	l->room = cgroup_own_headroom(l->cgroup);
	l->memory_bytes = 0;
	for (struct kregion *r = keeper_next(k, NULL); r; r = keeper_next(k, r))
		if (r->mapping && is_memory(r->mapping))
			l->memory_bytes += r->mapping->length;
	l->has_room = true;
	event_active(l->turn_ends, 0, 0);
}

int kregion_check_memory(struct keeper *k, const struct mapping *m, struct failure *why)
{
	struct limits *l = k->limits;
	uint64_t needed = 0;

	if (!is_memory(m))
		return 0;
	if (l->has_room)
		l->memory_bytes += m->length;
	else
		read_room(k); /* @m's are among them */
	/* if there is room for all that they can have, it does not matter what they have by now */
	if (l->room == UINT64_MAX || l->memory_bytes + SPARE_BYTES <= l->room || !unallocated(m))
		return 0;
	for (struct kregion *r = keeper_next(k, NULL); r; r = keeper_next(k, r))
		needed += unallocated(r->mapping);
	if (needed + SPARE_BYTES <= l->room)
		return 0;
	return fail(why, -EDQUOT,
		    "Peers could fill %" PRIu64
		    " MiB of memory files and have the keeper killed: cgroup "
		    "%.60s has %" PRIu64 " MiB left; raise its memory.max (MemoryMax=)",
		    needed >> 20,
		    strlen(l->cgroup) > 60 ? l->cgroup + strlen(l->cgroup) - 60 : l->cgroup,
		    l->room >> 20);
}

#define SPARE_MAPPINGS 32 /* threads, buffers */

/* 0: it is not known. */
static uint64_t max_mappings(struct keeper *k)
{
	struct limits *l = k->limits;
	char text[24] = "";

	if (l->has_max_mappings)
		return l->max_mappings;
	if (l->max_mappings_fd < 0)
		l->max_mappings_fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
	if (l->max_mappings_fd < 0 || pread(l->max_mappings_fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	l->max_mappings = strtoull(text, NULL, 10);
	l->has_max_mappings = true;
	event_active(l->turn_ends, 0, 0);
	return l->max_mappings;
}

static uint64_t count_mappings(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	uint64_t n = 0;
	int c;

	while (f && (c = getc_unlocked(f)) != EOF)
		n += c == '\n';
	if (f)
		fclose(f);
	return n;
}

/*
 * To list the mappings takes longer than all else that the loop does for a region. So they are
 * counted once, and again where they are many and none of them is a region's. What peers need is
 * kept for those that may come (keeper_mappings_for()); a fence of a part, which takes two more for
 * a while, makes do without (mapping_fence()).
 */
int keeper_check_mappings(struct keeper *k, struct failure *why)
{
	struct limits *l = k->limits;
	uint64_t most = max_mappings(k), others;

	if (!most)
		return 0;
	if (!l->own_mappings || (!k->n_regions && l->own_mappings > most / 2))
		l->own_mappings = count_mappings() + SPARE_MAPPINGS;
	others = l->own_mappings + keeper_mappings_for(k->options->max_peers, most);
	if (k->n_regions + others < most)
		return 0;
	return fail(
		why, -EMFILE,
		"No mapping is left for another region: vm.max_map_count is %" PRIu64
		", and %" PRIu64
		" of them are kept for this keeper and its peers; %u regions and %u peers need %" PRIu64
		" (sysctl)",
		most, others, k->options->max_regions, k->options->max_peers,
		l->own_mappings + k->options->max_peers * KEEPER_PEER_MAPPINGS +
			k->options->max_regions);
}
