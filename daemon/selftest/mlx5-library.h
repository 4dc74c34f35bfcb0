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
	__typeof__(mlx5dv_create_qp) *create_qp;
	__typeof__(mlx5dv_qp_ex_from_ibv_qp_ex) *qp_ex;
	__typeof__(mlx5dv_create_mkey) *create_mkey;
	__typeof__(mlx5dv_destroy_mkey) *destroy_mkey;
};

/* NULL: it is not installed, or lacks a function. Stays loaded. */
const struct mlx5_library *mlx5_library(void);

struct finding;

/* The same, if it knows the device; else @f says why not. In check-mlx5.c. */
const struct mlx5_library *mlx5_library_for(struct ibv_device *device, struct finding *f);

#endif
