/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rig.h - two connected queue pairs of the same port, and demand-paged memory for them to reach:
 * what the checks are made of.
 *
 * `near` asks, `far` has the memory and the rights. A pair is connected anew before each thing that
 * is tried, since an access that is refused leaves both in the error state.
 *
 * What always holds: each wait has a deadline; rig_close() leaves nothing behind, however far
 * rig_open() came.
 */
#ifndef RDMAREG_SELFTEST_RIG_H
#define RDMAREG_SELFTEST_RIG_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/failure.h"

#define RIG_PAIRS 2
#define RIG_WAIT_USEC \
	UINT64_C(5000000) /* an adapter that needs longer for a page or two is no adapter */
#define RIG_RIGHTS (IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE)

struct rig {
	struct ibv_context *context;
	uint8_t port;
	struct ibv_port_attr attr;
	union ibv_gid gid;
	uint8_t gid_index;
	size_t page;
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_qp *near[RIG_PAIRS];
	struct ibv_qp *far[RIG_PAIRS];
	unsigned char *local; /* 2 pages, pinned: what is sent, or received */
	struct ibv_mr *local_mr;
};

/* How a pair is connected; what is 0 gets a sane value. */
struct rig_path {
	enum ibv_mtu mtu;    /* 0: the port's own */
	unsigned int rights; /* of `far`: IBV_ACCESS_REMOTE_*; RIG_NO_RIGHTS: none */
	uint8_t rnr_retry;
	uint8_t retry_count;
};
#define RIG_NO_RIGHTS IBV_ACCESS_LOCAL_WRITE

/* Memory of a file, registered with on-demand paging. */
struct rig_memory {
	int fd;
	size_t length;
	unsigned char *at;
	struct ibv_mr *mr;
	bool on_storage; /* the file is not merely in memory */
};

/* @why: filled on failure. */
int rig_open(struct rig *r, struct ibv_context *context, uint8_t port, struct failure *why);
void rig_close(struct rig *r);

/* Takes both queue pairs of pair @i from wherever they are to ready. */
int rig_connect(struct rig *r, unsigned int i, const struct rig_path *path);

/**
 * rig_execute - one work request, to its end
 * @wr: its local part is filled in here: @length bytes at the start of rig.local, unless it is 0
 * @wait_usec: 0: RIG_WAIT_USEC
 *
 * The completion's status, IBV_WC_SUCCESS or worse; -ETIMEDOUT: none came; another errno: it could
 * not be posted.
 */
int rig_execute(struct rig *r, struct ibv_qp *qp, struct ibv_send_wr *wr, uint32_t length,
		uint64_t wait_usec);

/* The next completion's status, of whatever was posted last. */
int rig_wait(struct rig *r, uint64_t wait_usec);

/*
 * Connect pair 0 on @path (NULL: all rights, the port's MTU) and do one READ, WRITE or SEND. As
 * rig_execute().
 */
int rig_transfer(struct rig *r, const struct rig_path *path, enum ibv_wr_opcode opcode,
		 uint64_t address, uint32_t rkey, uint32_t length);

/* Bytes that repeat in no way that a page or a packet does. */
void rig_pattern(unsigned char *p, size_t n, unsigned int seed);

/**
 * rig_map - @pages pages of a new file in @directory (NULL: of memory), filled with zeroes,
 * registered with @access besides
 *     IBV_ACCESS_ON_DEMAND and IBV_ACCESS_LOCAL_WRITE
 */
int rig_map(struct rig *r, struct rig_memory *ret, const char *directory, size_t pages,
	    unsigned int access);
void rig_unmap(struct rig *r, struct rig_memory *m);

/* What a status of the above means, in a word or two. */
const char *rig_status(int status);

#endif
