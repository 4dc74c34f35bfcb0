/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reach.h - a connection to memory on node a, whoever registered it: rdmaregd's region or the plain
 * side's. After reach_open() the measuring code does not know which it has.
 *
 * The peer is made of librdmacm and verbs alone and polls its completion queue without sleeping, so
 * that what is measured is the adapter's work and not how fast the machine wakes somebody up. It
 * answers no revocation: nothing here asks for one.
 */
#ifndef RDMAREG_BENCH_REACH_H
#define RDMAREG_BENCH_REACH_H

#include <rdma/rdma_cma.h>

#include "bench.h"
#include "client/include/rdmareg.h"
#include "rdmareg-wire.h"

enum way { WAY_REGION, WAY_ODP, WAY_PINNED, _WAY_MAX };
extern const char *const way_names[_WAY_MAX];

struct reach {
	struct rdmareg *context;
	struct rdmareg_region *region; /* NULL: plain */
	struct rdma_cm_id *id;
	struct wire_accept granted;
	struct ibv_mr *mr;
	char *memory;
	size_t buffer_bytes;
	bool same; /* each write is of the same bytes; otherwise no two in a row are */
	uint64_t n_writes;
};

/* How regions are kept warm from now on; in the beginning the default. */
extern enum rdmareg_warm_mode reach_warm_mode;

/*
 * Registers all of @fd and connects, with a pinned buffer of @buffer_bytes at this end. WAY_REGION:
 * warm, which is the default. Returns 0, or a negative errno when the kernel does not let such
 * memory be registered in that way.
 */
int reach_open(struct reach *r, enum way way, int fd, size_t length, size_t buffer_bytes);

/* Closes the connection, and the region. What is plain stays until plain_release_all(). */
void reach_close(struct reach *r);

/* One transfer of at most the buffer; returns microseconds. */
double reach_write(struct reach *r, size_t length, uint64_t offset);
double reach_read(struct reach *r, size_t length, uint64_t offset);

#endif
