// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check-mlx5.c - what libmlx5 says of an adapter and verbs do not. rdmaregd relies on none of this:
 * it is found out and shown, since nobody of us can try it (docs/adapters.md).
 */
#include "config.h"

#include <infiniband/verbs.h>
#include <stdio.h>

#include "selftest/rig.h"
#include "selftest/selftest.h"

#if HAVE_MLX5DV

#include "selftest/mlx5-library.h"
#include "util/macros.h"

const struct mlx5_library *mlx5_library_for(struct ibv_device *device, struct finding *f)
{
	const struct mlx5_library *library = mlx5_library();

	if (!library) {
		finding_set(f, VERDICT_NOT_SUPPORTED,
			    "libmlx5, which would know, cannot be loaded");
		return NULL;
	}
	if (!library->is_supported(device)) {
		finding_set(f, VERDICT_NOT_SUPPORTED, "not an mlx5 device, by libmlx5");
		return NULL;
	}
	return library;
}

static void list_operations(uint32_t caps, char *out, size_t size)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} all[] = {
		{ IBV_ODP_SUPPORT_READ, "READ" },     { IBV_ODP_SUPPORT_WRITE, "WRITE" },
		{ IBV_ODP_SUPPORT_ATOMIC, "ATOMIC" }, { IBV_ODP_SUPPORT_SEND, "SEND" },
		{ IBV_ODP_SUPPORT_RECV, "RECEIVE" },  { IBV_ODP_SUPPORT_SRQ_RECV, "SRQ RECEIVE" },
	};
	size_t n = 0;

	*out = 0;
	for (size_t i = 0; i < ARRAY_SIZE(all) && n < size; i++)
		if (caps & all[i].bit)
			n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "",
					      all[i].name);
}

void check_dc(const struct selftest *s, struct rig *r, struct finding *f)
{
	static const uint32_t needed = IBV_ODP_SUPPORT_READ | IBV_ODP_SUPPORT_WRITE;
	struct mlx5dv_context caps = { .comp_mask = MLX5DV_CONTEXT_MASK_DC_ODP_CAPS };
	const struct mlx5_library *library = mlx5_library_for(r->context->device, f);
	char operations[100];
	int error;

	(void)s;
	if (!library)
		return;
	error = library->query_device(r->context, &caps);
	if (error) {
		finding_set(f, VERDICT_NOT_SUPPORTED, "libmlx5 cannot query the device: %s",
			    rig_status(error < 0 ? error : -error));
		return;
	}
	/* what the library does not fill in it takes out of the mask */
	list_operations(caps.comp_mask & MLX5DV_CONTEXT_MASK_DC_ODP_CAPS ? caps.dc_odp_caps : 0,
			operations, sizeof(operations));
	if ((caps.dc_odp_caps & needed) == needed)
		finding_set(f, VERDICT_OK, "DC transport pages on demand for %s", operations);
	else
		finding_set(f, VERDICT_NOT_SUPPORTED,
			    "DC transport does not page on demand for READ and WRITE%s%s",
			    *operations ? ", but for " : "", operations);
}

#else

void check_dc(const struct selftest *s, struct rig *r, struct finding *f)
{
	(void)s, (void)r;
	finding_set(f, VERDICT_NOT_SUPPORTED, "this rdmaregd was built without libmlx5's header");
}

#endif
