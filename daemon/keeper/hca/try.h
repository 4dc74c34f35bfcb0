/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * try.h - questions to an adapter that only trying answers. For hca.c; each takes a few verbs calls
 * and may block for milliseconds.
 */
#ifndef RDMAREG_KEEPER_HCA_TRY_H
#define RDMAREG_KEEPER_HCA_TRY_H

struct ibv_context;

/*
 * Can another process use this context through its command descriptor? 0; -EOPNOTSUPP: the driver
 * has no import; else why it failed.
 */
int hca_try_import(struct ibv_context *context);

/*
 * What a region for reading must be registered with besides, so that it can be prefetched over a
 * mapping that is PROT_READ: 0, or IBV_ACCESS_LOCAL_WRITE. The two drivers we know want the
 * opposite of each other: soft-RoCE looks the key up for local writing when it prefetches, so it is
 * needed; mlx5 faults every page of a region with that right for writing, so that each access to a
 * read-only mapping would fail.
 */
unsigned int hca_try_read_access(struct ibv_context *context);

#endif
