/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs-selftest.h - an RDMA device made of memory copies, good but for the faults it is told to
 * have. Linked instead of libibverbs.
 *
 * Remote accesses go through process_vm_readv(2) and _writev(2) on our own address space: like an
 * adapter with on-demand paging they obey the page tables, so PROT_NONE and the end of a file are
 * real.
 */
#ifndef FAKE_VERBS_H
#define FAKE_VERBS_H

#include <infiniband/verbs.h>

enum fault {
	FAULT_NONE,
	FAULT_INSIDE_PAGE,   /* an address inside a page is served at its start */
	FAULT_LATER_PACKETS, /* each packet but the first goes to the start of its page */
	FAULT_EVERY_PLACE,   /* each access is off by 8 bytes */
	FAULT_READS_ZEROES,
	FAULT_QP_RIGHTS, /* the queue pair's rights are not looked at */
	FAULT_MR_RIGHTS,
	FAULT_NO_REFUSAL, /* what a region has no right to is never answered */
	/* as pinned memory: what is not there any more is written all the same, to nowhere */
	FAULT_NEVER_REFUSES,
	FAULT_NEVER_RECOVERS, /* one refused access, and the key is dead */
	FAULT_LOSES_REWRITES, /* a page that was written once is not written again */
	FAULT_SEND_SUCCEEDS,  /* with nobody there to receive */
	FAULT_WRONG_STATUS,   /* giving up is reported as something else */
	FAULT_NO_ADVISE,
	FAULT_ADVISE_FAILS,
	FAULT_ADVISE_BLIND, /* a fenced page is prefetched */
	FAULT_ADDS_TWICE,
	FAULT_NO_ATOMICS,
	FAULT_NO_WINDOWS,
	FAULT_NO_BIND,
	FAULT_WINDOW_UNBOUNDED,
	FAULT_WINDOW_SHARED, /* any queue pair may use it */
	FAULT_WINDOW_STAYS,  /* LOCAL_INV does nothing */
	FAULT_NO_LIBRARY,    /* libmlx5 is not installed */
	FAULT_NOT_MLX5,
	FAULT_MLX5_QUERY, /* libmlx5's question fails */
	FAULT_NO_DC,	  /* DC transport pages for messages only */
	FAULT_NO_FILLING, /* no queue pair that fills indirect keys */
	FAULT_NO_KEYS,
	FAULT_KEY_NOT_FILLED,
	FAULT_KEY_UNBOUNDED,
	FAULT_KEY_STAYS, /* destroying it does nothing */
	FAULT_KEYS_DIE_TOGETHER,
	FAULT_NO_PORT,
	FAULT_NO_MEMORY,   /* nothing can be registered */
	FAULT_KILLS,	   /* the process dies in an atomic operation */
	FAULT_HANGS,	   /* ... or it does not return */
	FAULT_NOT_ALLOWED, /* the device cannot be opened */
};

/*
 * The device, with one fault and an MTU. One at a time. It is also the one that is found by its
 * name: fake0.
 */
struct ibv_context *fake_verbs_open(enum fault fault, enum ibv_mtu mtu);

/* For the other half of the device, fakes/mlx5dv.c. */
enum fault fake_verbs_fault(void);
void fake_verbs_made(int n);
void fake_verbs_complete(enum ibv_wc_status status);
/*
 * If @rkey is an indirect key: the region that it stands for, and where in it that is; a key that is
 * not there, or not so long, becomes no key.
 */
void fake_mlx5_translate(uint32_t *rkey, uint64_t *address, size_t length);

/* Things made and not destroyed. */
int fake_verbs_count(void);

#endif
