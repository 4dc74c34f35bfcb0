/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * hca.h - the adapter's memory side: memory regions with on-demand paging. The only place that
 * knows verbs' ways of failing.
 *
 * What always holds:
 *   - Every memory region has IBV_ACCESS_ON_DEMAND; nothing of a tenant's file is ever pinned, and
 *     nothing else is ever prefetched (advising a pinned region is a kernel oops on 7.2).
 *   - Every memory region has a protection domain of its own. Keys are guessable, so a peer that
 *     was admitted to one region must not be able to use the key of another: its queue pair is in
 *     another domain.
 *   - All functions return 0 or a negative errno. hca_register(), hca_deregister() and
 *     hca_prefetch() may block and may be called from several workers at once; they change nothing
 *     that the loop reads.
 */
#ifndef RDMAREG_KEEPER_HCA_H
#define RDMAREG_KEEPER_HCA_H

#include <stdbool.h>
#include <stdint.h>

#include "util/failure.h"
#include "selftest/quirks.h"
#include "util/cleanup.h"

struct ibv_context;
struct ibv_pd;
struct hca;
struct hca_mr;

/*
 * Can this device do what a region needs: remote reads and writes on demand-paged memory, over
 * connected queue pairs?
 */
int hca_check(struct ibv_context *context, struct failure *why);

/* @context: stays the caller's and must live longer. */
int hca_new(struct hca **ret, struct ibv_context *context, uint8_t port);
struct hca *hca_free(struct hca *h);
DEFINE_FREEP(struct hca, hca_free)

/* Register nothing for atomic operations from now on: this device's are wrong. */
void hca_forbid_atomics(struct hca *h);

/* The MTU the port has now, in bytes. */
int hca_mtu(const struct hca *h, uint32_t *ret_bytes);

/* For its own parts. */
void hca_port(const struct hca *h, struct ibv_context **ret_context, uint8_t *ret_port);

/**
 * hca_probe - what remote accesses must keep to so that this adapter does not misplace data, and
 * whether it keeps rights apart
 *
 * The part of the self-test (daemon/selftest/) that nothing can be done without; takes
 * milliseconds, blocks for seconds if the adapter does not answer. Cannot fail: the worst is
 * assumed of what cannot be tried.
 */
void hca_probe(const struct hca *h, struct quirks *ret);

/*
 * WIRE_FLUSH_*: the types of RDMA FLUSH that this adapter carries out on demand-paged memory. What
 * it is worth is the memory's matter.
 */
uint8_t hca_flush(const struct hca *h);

/*
 * The access flags (IBV_ACCESS_*) for these types of FLUSH; 0 where libibverbs has none (before
 * rdma-core 46).
 */
unsigned int hca_flush_access(uint8_t flush);

/**
 * hca_register - make a range reachable
 * @write: remote writes (and atomics, where the device has them) too; else reads only
 * @flush: WIRE_FLUSH_*: that may be asked for
 *
 * Nobody reaches it before he has a queue pair in hca_mr_pd().
 */
int hca_register(struct hca *h, uint64_t address, uint64_t length, bool write, uint8_t flush,
		 struct hca_mr **ret);

/*
 * After this nobody can reach anything through it. -EBUSY: a queue pair of ours is left in its
 * domain; the region itself is gone already. Queue pairs of somebody who imported it are no error:
 * they reach nothing any more.
 */
int hca_deregister(struct hca_mr *mr);

uint32_t hca_mr_rkey(const struct hca_mr *mr);
struct ibv_pd *hca_mr_pd(const struct hca_mr *mr);

/*
 * What counts the memory region's page faults, for hca_read_faults(); 0: nothing does.
 * hca_read_faults(), for the worker, is given that and not the memory region, which may be gone by
 * then: -ENOENT. -ENODATA: the adapter does not count.
 */
uint32_t hca_mr_counter(const struct hca_mr *mr);
int hca_read_faults(struct hca *h, uint32_t counter, uint64_t *ret_faults);

/* What another process needs to use a memory region through our context. */
struct hca_import {
	int command_fd; /* of the context; stays ours */
	uint32_t pd_handle;
	uint32_t mr_handle;
};

/**
 * hca_mr_import - let another process use it
 *
 * Whoever has the descriptor has the whole context, so the other regions' too. -EOPNOTSUPP: the
 * driver has no import (only mlx5 has); -EDQUOT: too many protection domains of regions that are
 * gone are kept by queue pairs of those who imported them; another error: it has, and it failed
 * when it was tried. To be called in the loop, not while a job with @mr is in the worker.
 */
int hca_mr_import(struct hca_mr *mr, struct hca_import *ret);

/**
 * hca_prefetch - bring translations in
 * @write: as for a store: dirties every page
 *
 * -EFAULT: beyond the end of the file, or fenced; -EINVAL: @write on a region for reading;
 * -EOPNOTSUPP: the device cannot.
 */
int hca_prefetch(struct hca_mr *mr, uint64_t address, uint64_t length, bool write);

#endif
