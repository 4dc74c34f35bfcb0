// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mlx5dv.c - libmlx5 as far as the self-test uses it, played for the device of verbs-selftest.h:
 * linked in the place of daemon/selftest/mlx5-library.c. As its source says (providers/mlx5 of
 * rdma-core), what is not asked for in a mask is not filled in.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "selftest/mlx5-library.h"
#include "verbs-selftest.h"

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

const struct mlx5_library *mlx5_library(void)
{
	static const struct mlx5_library library = { .is_supported = is_supported,
						     .query_device = query_device };

	return fake_verbs_fault() == FAULT_NO_LIBRARY ? NULL : &library;
}
