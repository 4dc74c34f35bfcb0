/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keeper.h - one tenant's keeper: owns the adapters and the regions, and is where they meet.
 *
 *   session, endpoint, watch, worker  --events-->  keeper, request, kregion (guard)  --effects-->
 *   mapping, hca, endpoint, watch, session
 *
 * What always holds: adapters never see each other; a region's number is unique here; a keeper
 * without an adapter or without the kernel module still answers, and says what is missing and looks
 * again at the next registration.
 *
 * Functions of the keeper return 0 or a negative errno and, where a person will read about it, fill
 * a struct failure (util/failure.h). The errno is the daemon's to branch on (KEEPER_DONE):
 *
 *   EACCES    more access than the descriptor has
 *   EBADF     not a file that a region can be made of
 *   EBUSY     not now: a revocation or a release is going on
 *   EDQUOT    a limit of the tenant is reached
 *   EEXIST    a region of that number is there
 *   EMSGSIZE  the RDMA MTU is too small for this adapter
 *   ENETDOWN  the machine has none of the addresses that peers could connect to
 *   ENOENT    no such region
 *   ENXIO     no RDMA device with on-demand paging
 *   ERANGE    unaligned, empty or overflowing range
 *   ESTALE    that revocation is over
 */
#ifndef RDMAREG_KEEPER_KEEPER_H
#define RDMAREG_KEEPER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "keeper/endpoint/endpoint.h"
#include "keeper/options.h"
#include "keeper/session.h"
#include "selftest/quirks.h"
#include "util/cleanup.h"

#define KEEPER_BUCKETS 1024 /* a power of two */

struct event;
struct event_base;
struct closing;
struct faults;
struct hca;
struct kregion;
struct limits;
struct looks;
struct mapping;
struct poison;
struct pressure;
struct watch;
struct worker;

struct keeper {
	const struct keeper_options *options;
	struct event_base *base;
	struct session *session;
	struct worker *worker;	       /* memory regions */
	struct worker *warm_worker;    /* prefetches */
	struct worker *sync_worker;    /* writing back */
	struct worker *files;	       /* opening and closing files: even that can take for ever */
	LIST_HEAD(, closing) closings; /* descriptors that @files closes */
	uint64_t syncs;		       /* made so far */
	struct endpoint *endpoint;     /* NULL: @no_adapter says why */
	struct hca *hca;	       /* with @endpoint */
	struct quirks quirks;	       /* of the device, as far as they are known */
	uint32_t alignment; /* what its peers must keep to: asked for, or one of the quirks */
	uint32_t minimum_mtu;
	struct watch *watch; /* NULL: @no_module says why */
	struct failure no_adapter;
	struct failure no_module;
	struct faults *faults;	   /* NULL: nothing counts */
	struct looks *looks;	   /* NULL: there never was a region */
	struct pressure *pressure; /* NULL: the kernel does not tell */
	struct poison *poison;
	struct event *idle_event;
	struct event *stop_event; /* gives up waiting for a clean end */
	struct kregion *bucket[KEEPER_BUCKETS];
	TAILQ_HEAD(, kregion) untold; /* changed, and the daemon does not read: region/report.c */
	uint32_t n_regions;	      /* what is left behind counts */
	uint32_t
		/* over for everybody else, but still under way in storage that does not answer */
		n_left_behind;
	uint32_t n_stuck; /* regions: region/stuck.c */
	bool stopping;
	bool device_gone;      /* for good: @stopping, too */
	struct limits *limits; /* of memory and mappings, and what is known of them */
};

/* @fd: the socket to listen on, taken over on success. @options: must outlive the keeper. */
int keeper_new(struct keeper **ret, struct event_base *base, int fd,
	       const struct keeper_options *options);
struct keeper *keeper_free(struct keeper *k);
DEFINE_FREEP(struct keeper, keeper_free)

/* Take everything down in order, then leave the loop. */
void keeper_stop(struct keeper *k);

/* keeper-table.c */
struct kregion *keeper_find(const struct keeper *k, uint64_t region);
void keeper_add(struct keeper *k, struct kregion *r);

/* It is time to look whether there is anything to stay for. */
void keeper_look_for_idleness(struct keeper *k);

/* One more of the regions is left behind (1), or one fewer (-1). */
void keeper_leave_behind(struct keeper *k, int n);

/* A descriptor of a file, which to close can take for ever. */
void keeper_close_file(struct keeper *k, int fd);

/*
 * Threads wait for storage: keeper_free() would wait with them, so the process had better just end.
 */
bool keeper_is_stuck(struct keeper *k);

/* For its own use: @r is unlinked; what depends on there being regions is looked at again. */
void keeper_remove(struct keeper *k, struct kregion *r);

/* Every region, in no order; @last may not have been removed. */
struct kregion *keeper_next(const struct keeper *k, const struct kregion *last);

/* Try to have an adapter and a module, if there is none. -ENXIO: no adapter. */
int keeper_open_adapters(struct keeper *k);

/* keeper-pressure.c: watch for memory pressure, as far as the kernel lets us. */
void keeper_watch_memory(struct keeper *k);

/* keeper-poison.c: hear of memory that is lost. */
int keeper_watch_poison(struct keeper *k);

/* keeper-memory.c: before a region is registered. */
int keeper_init_limits(struct keeper *k);
void keeper_free_limits(struct keeper *k);

/*
 * keeper-memory.c; -ENOMEM: prefetching so many bytes of a file would use up what the memory cgroup
 * leaves.
 */
int keeper_check_room(const struct mapping *m, uint64_t bytes);

/*
 * keeper-memory.c: -EMFILE: one more region would leave too few of vm.max_map_count for its peers.
 */
int keeper_check_mappings(struct keeper *k, struct failure *why);

/* keeper-request.c: what the daemon asks; see struct session_ops. */
void keeper_request(void *userdata, const struct operation *op, const struct keeper_message *m,
		    int *fd);

/*
 * keeper-faults.c: from now on the page faults of regions are read, as long as there are any;
 * harmless when they are already, or @r has no counter.
 */
void keeper_count_faults(struct keeper *k, const struct kregion *r);
void keeper_free_faults(struct keeper *k);

/* region/look.c */
void keeper_free_looks(struct keeper *k);

/* keeper-admission.c: what happens to peers; @userdata of all is the keeper. */
extern const struct endpoint_ops keeper_endpoint_ops;

#endif
