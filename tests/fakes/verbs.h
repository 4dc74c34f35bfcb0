/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * verbs.h - libibverbs as far as hca.c, its parts and librdmareg's import use it, played: linked in
 * its place.
 *
 * One device. It counts what exists of each kind, remembers how it was last asked, and fails once
 * where it is told to. What always holds: it is as strict as a kernel: a wrong order of freeing, an
 * object freed twice or a prefetch without on-demand paging ends the test.
 */
#ifndef RDMAREG_TEST_VERBS_FAKE_H
#define RDMAREG_TEST_VERBS_FAKE_H

#include <infiniband/verbs.h>
#include <stdbool.h>

enum verbs_call {
	CALL_QUERY,
	CALL_ALLOC_PD,
	CALL_DEALLOC_PD,
	CALL_REG_MR,
	CALL_DEREG_MR,
	CALL_ADVISE,
	/* in the driver, which then has closed the descriptor, as mlx5's does */
	CALL_IMPORT_DEVICE,
	CALL_IMPORT_PD,
	CALL_IMPORT_MR,
	_CALL_MAX,
};

/* What sort of driver it is. */
struct verbs_fake {
	uint32_t rc_odp_caps;
	bool has_import;
	bool advise_wants_local_write; /* as soft-RoCE's */
	bool counts;		       /* the kernel has a number for it, which counters need */
	/* called when the next memory region is there, once: what another thread does then */
	void (*registered)(const struct ibv_mr *mr);
	int fail[_CALL_MAX]; /* errno of the next calls */
	int fail_times[_CALL_MAX];
	/* calls so far that make something or ask, and which of them fails with ENOMEM; 0: none */
	unsigned int calls, fail_at;
	uint32_t imported_rkey; /* of the memory regions imported from now on */
	unsigned int access;	/* of the last registration */
	int advice, advise_flags;
	uint64_t advised, advised_length;
	int contexts, pds, mrs, imported_pds,
		imported_mrs; /* that exist; contexts: imported ones */
	struct ibv_context *context;
};

extern struct verbs_fake fake;

/* A fresh device; @like_mlx5: else like soft-RoCE. Its command descriptor is a character device. */
void verbs_fake_begin(bool like_mlx5);
/* Closes it. Everything but the device must be gone. */
void verbs_fake_end(void);

/* Open descriptors of this process. */
int count_descriptors(void);

#endif
