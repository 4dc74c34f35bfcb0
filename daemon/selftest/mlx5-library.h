/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mlx5-library.h - libmlx5 (mlx5dv), which is loaded by the first who asks for it: a program that
 * does needs it neither to be linked nor to start. libibverbs loads the same file as its driver of
 * such adapters, so where there is one of them it is installed.
 *
 * What always holds: all functions are there, or none. Tests link fakes/mlx5dv.c in its place.
 */
#ifndef RDMAREG_SELFTEST_MLX5_LIBRARY_H
#define RDMAREG_SELFTEST_MLX5_LIBRARY_H

#include <infiniband/mlx5dv.h>

struct mlx5_library {
	__typeof__(mlx5dv_is_supported) *is_supported;
	__typeof__(mlx5dv_query_device) *query_device;
};

/* NULL: it is not installed, or lacks a function. Stays loaded. */
const struct mlx5_library *mlx5_library(void);

#endif
