/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * counters.h - what the kernel counts for each memory region of an adapter, over its RDMA netlink
 * interface: what `rdma statistic show mr` shows. Only mlx5 counts on-demand paging there.
 *
 * It takes no privilege: the kernel shows a process what processes of its own pid name space have.
 * Calls block for a second at most; for the worker. What always holds: an answer that makes no
 * sense is -EBADMSG and ends nothing but this.
 */
#ifndef RDMAREG_KEEPER_COUNTERS_H
#define RDMAREG_KEEPER_COUNTERS_H

#include <stdint.h>

#include "util/cleanup.h"

struct counters;
struct nlmsghdr;

/* @device: the kernel's index of it, ibv_get_device_index(3). */
int counters_new(struct counters **ret, uint32_t device);
struct counters *counters_free(struct counters *c);
DEFINE_FREEP(struct counters, counters_free)

/*
 * The kernel's number of the newest protection domain of that process: ask right after allocating
 * it, before another one is. -ENOENT: there is none.
 */
int counters_find_domain(struct counters *c, uint32_t pid, uint32_t *ret_number);

/*
 * How a memory region of ours is known among all: the kernel does not say which number it gave to
 * which, but in which protection domain each is.
 */
struct counters_region {
	uint32_t pid;
	uint32_t domain;
	uint32_t rkey; /* compared where the kernel tells it, which takes CAP_NET_ADMIN */
	uint64_t length;
};

/* The kernel's number of the newest memory region that is like @wanted. -ENOENT: none is. */
int counters_find(struct counters *c, const struct counters_region *wanted, uint32_t *ret_number);

/*
 * Page faults that the adapter had since it was registered. -ENODATA: this adapter does not count;
 * -ENOENT: it is gone.
 */
int counters_read(struct counters *c, uint32_t number, uint64_t *ret_faults);

/* For tests. @ret_number: the highest of the message that is like @wanted, if above what it is. */
int counters_parse_regions(const struct nlmsghdr *message, const struct counters_region *wanted,
			   uint32_t *ret_number);
int counters_parse_domains(const struct nlmsghdr *message, uint32_t pid, uint32_t *ret_number);
int counters_parse_faults(const struct nlmsghdr *message, uint64_t *ret_faults);

#endif
