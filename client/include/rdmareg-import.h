/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-import.h - a region used by a program on the same machine through the adapter, with queue
 * pairs of its own. Part of rdmareg.h.
 *
 * Only mlx5 adapters can, and only where the administrator has set import = on in rdmaregd.conf.
 * Everywhere else, and whenever the processor may touch the bytes, map the file: the pages are the
 * same.
 *
 * What always holds: the memory region stays the keeper's; its keys and handles are valid while the
 * region's generation is the same.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_IMPORT_H
#define RDMAREG_IMPORT_H

#ifdef __cplusplus
extern "C" {
#endif

struct ibv_context;
struct ibv_pd;
struct ibv_mr;

struct rdmareg_import_options {
	size_t size; /* no options so far */
};

/* Made by the library; later versions add members at the end. */
struct rdmareg_imported {
	struct ibv_context
		*context; /* of the keeper: for completion queues, and for queue pairs in @pd */
	struct ibv_pd *
		/* the region's own; nothing else may be registered or freed in it by its keeper */
		pd;
	struct ibv_mr *mr; /* lkey and rkey; its addr is NULL: name bytes by @address */
	uint64_t address;  /* of the region's first byte, as work requests name it */
	uint64_t length;   /* bytes */
	uint32_t generation;
	uint32_t reserved;
};

/*
 * rdmareg_import: the region's memory region, ready for queue pairs of this process. Make
 * completion queues in the context and queue pairs in the domain; connect them as you like
 * (rdma_create_qp() needs a CM id on the same context, so exchange queue pair numbers yourself).
 *
 * What the program then owes: it is a holder. The owner is one already, others call rdmareg_join().
 * When a revocation is asked for, it finishes what is in flight in that range, starts nothing
 * there, and acknowledges; it begins again when it is settled. Whoever does not, or is too late, is
 * fenced out like a peer: his work requests to the range complete with an error and his queue pair
 * is dead (reset it or make another). After RDMAREG_EVENT_REGION_REMOVED, or when the generation
 * has changed, free the import; nothing can be reached through it.
 *
 * What it must not do: ibv_dereg_mr(), ibv_rereg_mr() or ibv_dealloc_pd() on what it was given. The
 * kernel would carry them out, and all peers and other programs of this user and session would lose
 * the region.
 *
 * @options: may be NULL. @ret: freed with rdmareg_import_free().
 *
 * EACCES: import is off in rdmaregd.conf. EOPNOTSUPP: the adapter's driver has no import (all but
 * mlx5), or this machine's rdma-core has not; map the file instead. ENODEV: this process does not
 * see the adapter (a container without /dev/infiniband, another network name space). EBUSY: the
 * region is being registered or released. ENOENT: it is gone. Others as at
 * rdmareg_last_error_name().
 */
int rdmareg_import(struct rdmareg_region *r, const struct rdmareg_import_options *options,
		   struct rdmareg_imported **ret);

/*
 * rdmareg_import_free: forget memory region, domain and context, in this order; the region stays.
 * Destroy your queue pairs and completion queues first: those that are left keep the domain from
 * being freed until this process ends. May be called after rdmareg_region_free() and
 * rdmareg_close().
 */
struct rdmareg_imported *rdmareg_import_free(struct rdmareg_imported *i);

#ifdef __cplusplus
}
#endif

#endif
