// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-selftest-mlx5-library.c - the real libmlx5 can be loaded and has what is asked of it; a device
 * that is not its own it does not know. That takes no adapter. (Debian's libibverbs-dev, which the
 * build needs, brings the library.)
 */
#include "config.h"

#undef NDEBUG
#include <assert.h>
#include <stdlib.h>

#if HAVE_MLX5DV

#include "selftest/mlx5-library.h"

int main(void)
{
	static struct ibv_context context;
	struct ibv_device device = { .name = "other0" };
	const struct mlx5_library *library = mlx5_library();
	struct mlx5dv_context caps = { 0 };

	assert(library && mlx5_library() == library);
	assert(!library->is_supported(&device));
	context.device = &device;
	assert(library->query_device(&context, &caps) != 0);
	return 0;
}

#else

int main(void)
{
	return 77;
}

#endif
