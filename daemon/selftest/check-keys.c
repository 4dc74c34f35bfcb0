// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check-keys.c - mlx5: several indirect memory keys of one demand-paged region, as it would be with
 * one for each peer: paged on demand, fenced with the region, destroyed one without the other.
 * rdmaregd relies on none of this (docs/adapters.md says why): it is found out and shown.
 */
#include "config.h"

#include <errno.h>
#include <infiniband/verbs.h>
#include <string.h>
#include <sys/mman.h>

#include "selftest/rig.h"
#include "selftest/selftest.h"

#if HAVE_MLX5DV

#include "selftest/mlx5-library.h"

#define PAGES 2
#define BYTES 100
#define KEYS 2
#define RIGHTS (RIG_RIGHTS | IBV_ACCESS_LOCAL_WRITE)

struct keys {
	const struct mlx5_library *library;
	struct rig_memory memory;
	struct ibv_qp *ordinary, *filling; /* what `far` of pair 1 was, and is meanwhile */
	struct mlx5dv_mkey *key[KEYS];
};

/* Only such a queue pair carries out what fills a key. */
static struct ibv_qp *create_filling(struct rig *r, const struct mlx5_library *library)
{
	struct ibv_qp_init_attr_ex init = {
		.qp_type = IBV_QPT_RC,
		.send_cq = r->cq,
		.recv_cq = r->cq,
		.cap = { .max_send_wr = 4,
			 .max_recv_wr = 1,
			 .max_send_sge = 1,
			 .max_recv_sge = 1,
			 .max_inline_data = 512 },
		.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
		.pd = r->pd,
		.send_ops_flags = IBV_QP_EX_WITH_RDMA_WRITE,
	};
	struct mlx5dv_qp_init_attr more = {
		.comp_mask = MLX5DV_QP_INIT_ATTR_MASK_SEND_OPS_FLAGS,
		.send_ops_flags = MLX5DV_QP_EX_WITH_MR_LIST,
	};

	return library->create_qp(r->context, &init, &more);
}

/* From now on it stands for all of the region, whose first byte has address 0. As rig_execute(). */
static int fill(struct rig *r, struct keys *k, struct mlx5dv_mkey *key)
{
	struct ibv_qp_ex *qp = ibv_qp_to_qp_ex(k->filling);
	struct ibv_sge all = { .addr = (uintptr_t)k->memory.at,
			       .length = (uint32_t)k->memory.length,
			       .lkey = k->memory.mr->lkey };
	int error;

	ibv_wr_start(qp);
	qp->wr_id = 0;
	qp->wr_flags = IBV_SEND_SIGNALED | IBV_SEND_INLINE;
	mlx5dv_wr_mr_list(k->library->qp_ex(qp), key, RIGHTS, 1, &all);
	error = ibv_wr_complete(qp);
	return error ? -error : rig_wait(r, 0);
}

static int make_key(struct rig *r, struct keys *k, int i)
{
	struct mlx5dv_mkey_init_attr init = { .pd = r->pd,
					      .create_flags = MLX5DV_MKEY_INIT_ATTR_FLAGS_INDIRECT,
					      .max_entries = 1 };

	errno = 0;
	k->key[i] = k->library->create_mkey(&init);
	if (!k->key[i])
		return errno > 0 ? -errno : -EIO;
	return fill(r, k, k->key[i]);
}

/* False: @f says why not. */
static bool begin(const struct selftest *s, struct rig *r, struct keys *k, struct finding *f)
{
	int status;

	*k = (struct keys){ .memory.fd = -1, .library = mlx5_library_for(r->context->device, f) };
	if (!k->library)
		return false;
	k->filling = create_filling(r, k->library);
	if (!k->filling) {
		finding_set(f, VERDICT_NOT_SUPPORTED, "no queue pair that could fill one");
		return false;
	}
	k->ordinary = r->far[1];
	r->far[1] = k->filling;
	status = rig_map(r, &k->memory, s->directory, PAGES, RIG_RIGHTS);
	if (status == 0)
		status = rig_connect(r, 1, NULL);
	for (int i = 0; i < KEYS && status == 0; i++)
		status = make_key(r, k, i);
	if (status == 0)
		return true;
	finding_set(f, VERDICT_NOT_SUPPORTED, "none can be made for demand-paged memory: %s",
		    rig_status(status));
	return false;
}

static void destroy(struct keys *k, int i)
{
	if (k->key[i])
		k->library->destroy_mkey(k->key[i]);
	k->key[i] = NULL;
}

static void end(struct rig *r, struct keys *k)
{
	for (int i = 0; i < KEYS; i++)
		destroy(k, i);
	rig_unmap(r, &k->memory);
	if (!k->filling)
		return;
	ibv_destroy_qp(k->filling);
	r->far[1] = k->ordinary;
}

/* One WRITE of @seed's bytes to the start of a page. */
static int put(struct rig *r, uint32_t rkey, size_t page, unsigned int seed)
{
	rig_pattern(r->local, BYTES, seed);
	return rig_transfer(r, NULL, IBV_WR_RDMA_WRITE, page * r->page, rkey, BYTES);
}

/* put(), which has to succeed and to be there; else @f says @what. */
static bool works(struct rig *r, struct keys *k, int i, size_t page, unsigned int seed,
		  struct finding *f, const char *what)
{
	int status = put(r, k->key[i]->rkey, page, seed);

	if (status == IBV_WC_SUCCESS && !memcmp(k->memory.at + page * r->page, r->local, BYTES))
		return true;
	finding_set(f, VERDICT_QUIRK, "%s: %s", what,
		    status == IBV_WC_SUCCESS ? "the bytes are not there" : rig_status(status));
	return false;
}

static bool is_refused(struct rig *r, uint32_t rkey, size_t page, unsigned int seed,
		       struct finding *f, const char *what)
{
	if (put(r, rkey, page, seed) != IBV_WC_SUCCESS)
		return true;
	finding_set(f, VERDICT_QUIRK, "%s is not refused", what);
	return false;
}

static bool is_fenced(struct rig *r, struct keys *k, struct finding *f)
{
	void *page = k->memory.at + r->page;
	bool refused;

	if (mprotect(page, r->page, PROT_NONE) < 0) {
		finding_set(f, VERDICT_NOT_RUN, "a page cannot be fenced: %s", strerror(errno));
		return false;
	}
	refused = is_refused(r, k->key[1]->rkey, 1, 3, f, "a write through one to a fenced page");
	mprotect(page, r->page, PROT_READ | PROT_WRITE);
	return refused;
}

static void try_keys(struct rig *r, struct keys *k, struct finding *f)
{
	uint32_t first = k->key[0]->rkey;

	if (!works(r, k, 0, 0, 1, f, "a write through one") ||
	    !is_refused(r, first, PAGES, 2, f, "a write beyond one") || !is_fenced(r, k, f) ||
	    !works(r, k, 1, 1, 4, f, "a write through one after a fence was lifted"))
		return;
	destroy(k, 0);
	if (is_refused(r, first, 0, 5, f, "a write through one that was destroyed") &&
	    works(r, k, 1, 0, 6, f, "a write through one after another was destroyed"))
		finding_set(f, VERDICT_OK,
			    "several for one region: paged on demand, fenced, destroyed alone");
}

void check_keys(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct keys k;

	if (begin(s, r, &k, f))
		try_keys(r, &k, f);
	end(r, &k);
}

#else

void check_keys(const struct selftest *s, struct rig *r, struct finding *f)
{
	check_dc(s, r, f); /* which says why not */
}

#endif
