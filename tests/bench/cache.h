/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cache.h - programs whose memory peers reach through libfabric's registration cache, as MPI or
 * DAOS have it: each maps a file on node a, registers it, and a peer on node b writes there. One
 * process for each kind of cache, since the kind is chosen by environment for all of a process.
 *
 * What always holds: what a process did not close or unmap it keeps; it never touches the memory
 * once it is registered.
 */
#ifndef RDMAREG_BENCH_CACHE_H
#define RDMAREG_BENCH_CACHE_H

#include "fabric.h"

enum cache_kind {
	CACHE_MEMHOOKS,	   /* the default: it hears of the process' own munmap(2) and the like */
	CACHE_USERFAULTFD, /* the kernel tells it of those */
	CACHE_WATCHES,	   /* rdmareg.ko tells it of all, as kdreg2 would (watches.h) */
	CACHE_ODP,	   /* as the first, but registered with on-demand paging */
	_CACHE_MAX
};
extern const char *const cache_names[_CACHE_MAX];

struct cache {
	int process;
	int orders;
	const char *address; /* of node a */
	uint16_t port;
	/* of the last registration */
	uint64_t at;
	uint64_t key;
	double usec;
	/* the peer's */
	struct fabric_node node;
	struct fabric_link link;
};

/* To be called before go_to_peer(), and before anything of verbs. */
void cache_start(struct cache *c, enum cache_kind kind, const char *address);

/* All of @fd; or memory without a file if it is negative. Every page is there. */
void cache_map(struct cache *c, int fd, size_t length);
void cache_unmap(struct cache *c);

/* All that is mapped. Returns 0, or a negative errno. */
int cache_register(struct cache *c);
/* As far as the program is concerned: whether the cache keeps the registration is its own matter. */
void cache_close(struct cache *c);

void cache_connect(struct cache *c);
/* A page from the link's; false: see the link. */
bool cache_write(struct cache *c, size_t offset);
void cache_disconnect(struct cache *c);

#endif
