// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mlx5dv.c - libmlx5 as far as the self-test uses it, played for the device of verbs-selftest.h:
 * linked in the place of daemon/selftest/mlx5-library.c.
 *
 * It does what the sources of rdma-core say (providers/mlx5): what is not asked for in a mask is not
 * filled in; a key is filled only inline, by a queue pair that was made for it and is ready to send,
 * and is then of any queue pair's use, from address 0 on; its lowest eight bits are 0. What is
 * against that ends the test.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "selftest/mlx5-library.h"
#include "verbs-selftest.h"

#define KEYS 2
#define FIRST 50u /* index; no region of the device has it */

struct key {
	struct mlx5dv_mkey dv; /* first: the same address */
	uint32_t rkey;	       /* of the region; 0: not filled */
	uint64_t start, length;
};

static struct key *keys[KEYS];
/* The queue pair that fills them. */
static struct ibv_qp *filling;
static struct ibv_qp_ex filling_ex;
static struct mlx5dv_qp_ex filling_dv;
static int filling_error;

static bool is_supported(struct ibv_device *device)
{
	(void)device;
	return fake_verbs_fault() != FAULT_NOT_MLX5;
}

static int query_device(struct ibv_context *context, struct mlx5dv_context *ret)
{
	(void)context;
	assert(ret->comp_mask == MLX5DV_CONTEXT_MASK_DC_ODP_CAPS);
	if (fake_verbs_fault() == FAULT_MLX5_QUERY)
		return EOPNOTSUPP;
	ret->dc_odp_caps = IBV_ODP_SUPPORT_SEND | IBV_ODP_SUPPORT_SRQ_RECV;
	if (fake_verbs_fault() != FAULT_NO_DC)
		ret->dc_odp_caps |=
			IBV_ODP_SUPPORT_READ | IBV_ODP_SUPPORT_WRITE | IBV_ODP_SUPPORT_ATOMIC;
	return 0;
}

static void wr_start(struct ibv_qp_ex *qp)
{
	assert(qp == &filling_ex);
	filling_error = -1;
}

static void wr_mr_list(struct mlx5dv_qp_ex *qp, struct mlx5dv_mkey *mkey, uint32_t access,
		       uint16_t n, struct ibv_sge *sge)
{
	const unsigned int wanted = IBV_SEND_SIGNALED | IBV_SEND_INLINE;
	struct key *key = (struct key *)mkey;

	assert(qp == &filling_dv && n == 1 && (access & IBV_ACCESS_REMOTE_WRITE));
	filling_error = (filling_ex.wr_flags & wanted) == wanted ? 0 : EOPNOTSUPP;
	if (fake_verbs_fault() == FAULT_KEY_NOT_FILLED)
		return;
	key->rkey = sge->lkey;
	key->start = sge->addr;
	key->length = sge->length;
}

static int wr_complete(struct ibv_qp_ex *qp)
{
	assert(qp == &filling_ex && filling_error >= 0);
	if (filling_error == 0)
		fake_verbs_complete(filling->state != IBV_QPS_RTS ? IBV_WC_WR_FLUSH_ERR
				    : fake_verbs_fault() == FAULT_KEY_NOT_FILLED
					    ? IBV_WC_MW_BIND_ERR
					    : IBV_WC_SUCCESS);
	return filling_error;
}

static struct ibv_qp *create_qp(struct ibv_context *context, struct ibv_qp_init_attr_ex *init,
				struct mlx5dv_qp_init_attr *more)
{
	struct ibv_qp_init_attr usual = { .qp_type = init->qp_type };

	assert(context == init->pd->context &&
	       (more->comp_mask & MLX5DV_QP_INIT_ATTR_MASK_SEND_OPS_FLAGS) &&
	       (more->send_ops_flags & MLX5DV_QP_EX_WITH_MR_LIST));
	if (fake_verbs_fault() == FAULT_NO_FILLING) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	filling = ibv_create_qp(init->pd, &usual);
	filling_ex.wr_start = wr_start;
	filling_ex.wr_complete = wr_complete;
	filling_dv.wr_mr_list = wr_mr_list;
	return filling;
}

struct ibv_qp_ex *ibv_qp_to_qp_ex(struct ibv_qp *qp)
{
	assert(qp == filling);
	return &filling_ex;
}

static struct mlx5dv_qp_ex *qp_ex(struct ibv_qp_ex *qp)
{
	assert(qp == &filling_ex);
	return &filling_dv;
}

static struct mlx5dv_mkey *create_mkey(struct mlx5dv_mkey_init_attr *init)
{
	unsigned int i = 0;

	assert(init->pd && init->create_flags == MLX5DV_MKEY_INIT_ATTR_FLAGS_INDIRECT &&
	       init->max_entries);
	if (fake_verbs_fault() == FAULT_NO_KEYS) {
		errno = EOPNOTSUPP;
		return NULL;
	}
	while (i < KEYS && keys[i])
		i++;
	assert(i < KEYS);
	keys[i] = calloc(1, sizeof(*keys[i]));
	keys[i]->dv.lkey = keys[i]->dv.rkey = (FIRST + i) << 8;
	fake_verbs_made(1);
	return &keys[i]->dv;
}

static uint32_t staying_rkey; /* with FAULT_KEY_STAYS: of the region behind the first key */
static uint64_t staying_start;

static int destroy_mkey(struct mlx5dv_mkey *mkey)
{
	unsigned int i = (mkey->rkey >> 8) - FIRST;

	assert(i < KEYS && &keys[i]->dv == mkey);
	if (fake_verbs_fault() == FAULT_KEYS_DIE_TOGETHER && keys[1 - i])
		keys[1 - i]->rkey = 0;
	staying_rkey = keys[i]->rkey;
	staying_start = keys[i]->start;
	free(keys[i]);
	keys[i] = NULL;
	fake_verbs_made(-1);
	return 0;
}

void fake_mlx5_translate(uint32_t *rkey, uint64_t *address, size_t length)
{
	unsigned int i = (*rkey >> 8) - FIRST;
	const struct key *key = i < KEYS && !(*rkey & 255) ? keys[i] : NULL;

	if (i >= KEYS)
		return;
	*rkey = 0;
	if (!key && fake_verbs_fault() == FAULT_KEY_STAYS) {
		*rkey = staying_rkey;
		*address += staying_start;
	}
	if (!key)
		return;
	if (*address + length <= key->length) {
		*rkey = key->rkey;
		*address += key->start;
	} else if (fake_verbs_fault() == FAULT_KEY_UNBOUNDED) {
		*rkey = key->rkey;
		*address = key->start;
	}
}

const struct mlx5_library *mlx5_library(void)
{
	static const struct mlx5_library library = {
		.is_supported = is_supported,
		.query_device = query_device,
		.create_qp = create_qp,
		.qp_ex = qp_ex,
		.create_mkey = create_mkey,
		.destroy_mkey = destroy_mkey,
	};

	return fake_verbs_fault() == FAULT_NO_LIBRARY ? NULL : &library;
}
