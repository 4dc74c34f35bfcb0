// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-memory.c - what shortage of memory forbids: no file in memory
 * is registered that peers could fill beyond what the memory cgroup leaves; nothing is prefetched
 * that has no room in it; and no region takes the mappings that peers will need.
 */
#include <errno.h>
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

int kregion_check_memory(struct keeper *k, const struct mapping *m, struct failure *why)
{
	uint64_t needed = 0, left;
	char path[CGROUP_PATH_MAX];

	if (!unallocated(m))
		return 0;
	left = cgroup_own_headroom(path);
	if (left == UINT64_MAX)
		return 0;
	for (struct kregion *r = keeper_next(k, NULL); r; r = keeper_next(k, r))
		needed += unallocated(r->mapping); /* @m's among them */
	if (needed + SPARE_BYTES <= left)
		return 0;
	return fail(why, -EDQUOT,
		    "Peers could fill %" PRIu64
		    " MiB of memory files and have the keeper killed: cgroup "
		    "%.60s has %" PRIu64 " MiB left; raise its memory.max (MemoryMax=)",
		    needed >> 20, strlen(path) > 60 ? path + strlen(path) - 60 : path, left >> 20);
}

#define SPARE_MAPPINGS 32 /* threads, buffers */

/* As it is now: it may be set at any time. 0: it is not known. */
static uint64_t max_mappings(struct keeper *k)
{
	char text[24] = "";

	if (k->max_mappings_fd < 0)
		k->max_mappings_fd = open("/proc/sys/vm/max_map_count", O_RDONLY | O_CLOEXEC);
	if (k->max_mappings_fd < 0 || pread(k->max_mappings_fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return strtoull(text, NULL, 10);
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
	uint64_t most = max_mappings(k), others;

	if (!most)
		return 0;
	if (!k->own_mappings || (!k->n_regions && k->own_mappings > most / 2))
		k->own_mappings = count_mappings() + SPARE_MAPPINGS;
	others = k->own_mappings + keeper_mappings_for(k->options->max_peers, most);
	if (k->n_regions + others < most)
		return 0;
	return fail(
		why, -EMFILE,
		"No mapping is left for another region: vm.max_map_count is %" PRIu64
		", and %" PRIu64
		" of them are kept for this keeper and its peers; %u regions and %u peers need %" PRIu64
		" (sysctl)",
		most, others, k->options->max_regions, k->options->max_peers,
		k->own_mappings + k->options->max_peers * KEEPER_PEER_MAPPINGS +
			k->options->max_regions);
}
