// SPDX-License-Identifier: GPL-2.0-or-later
/* mlx5-library.c - see mlx5-library.h. */
#include "selftest/mlx5-library.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "util/macros.h"

#define LIBRARY "libmlx5.so.1"

static const struct {
	const char *name;
	size_t place;
} functions[] = {
	{ "mlx5dv_is_supported", offsetof(struct mlx5_library, is_supported) },
	{ "mlx5dv_query_device", offsetof(struct mlx5_library, query_device) },
	{ "mlx5dv_create_qp", offsetof(struct mlx5_library, create_qp) },
	{ "mlx5dv_qp_ex_from_ibv_qp_ex", offsetof(struct mlx5_library, qp_ex) },
	{ "mlx5dv_create_mkey", offsetof(struct mlx5_library, create_mkey) },
	{ "mlx5dv_destroy_mkey", offsetof(struct mlx5_library, destroy_mkey) },
};

const struct mlx5_library *mlx5_library(void)
{
	static struct mlx5_library library;
	static bool complete;
	void *handle, *function;

	if (complete)
		return &library;
	handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		function = dlsym(handle, functions[i].name);
		if (!function) {
			dlclose(handle);
			return NULL;
		}
		/* C has no conversion from an object's address to a function's */
		memcpy((char *)&library + functions[i].place, &function, sizeof(function));
	}
	complete = true;
	return &library;
}
