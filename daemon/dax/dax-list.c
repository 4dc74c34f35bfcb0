// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dax-list.c - asks libdaxctl for all regions and devices. What always holds: each list is read
 * anew, with a context of its own.
 */
#include <daxctl/libdaxctl.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "dax/dax.h"

static void unref_contextp(struct daxctl_ctx **c)
{
	if (*c)
		daxctl_unref(*c);
}

/* libdaxctl does not tell. The kernel shows this file for regions of which devices can be made. */
static bool is_dynamic(struct daxctl_region *region)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/dax_region/create",
			 daxctl_region_get_path(region));

	return n > 0 && (size_t)n < sizeof(path) && access(path, F_OK) == 0;
}

static void add_device(struct dax_list *l, struct daxctl_region *region, struct daxctl_dev *device,
		       bool dynamic)
{
	int enabled = daxctl_dev_is_enabled(device);
	const struct dax_facts facts = {
		.name = daxctl_dev_get_devname(device),
		.region = daxctl_region_get_id(region),
		.node = daxctl_dev_get_target_node(device),
		.dynamic = dynamic,
		.is_enabled = enabled > 0,
		.is_memory = enabled > 0 && daxctl_dev_get_memory(device),
		.size_bytes = daxctl_dev_get_size(device),
		.alignment = daxctl_dev_get_align(device),
	};

	l->entries[l->n++] = dax_describe(&facts);
}

static void add_region(struct dax_list *l, struct daxctl_region *region, bool dynamic)
{
	struct dax_entry *e = &l->entries[l->n++];

	*e = (struct dax_entry){
		.kind = DAX_REGION,
		.region = daxctl_region_get_id(region),
		.node = -1,
		.dynamic = dynamic,
		.size_bytes = daxctl_region_get_size(region),
		.available_bytes = dynamic ? daxctl_region_get_available_size(region) : 0,
		.alignment = daxctl_region_get_align(region),
	};
	snprintf(e->name, sizeof(e->name), "region%d", e->region);
}

int dax_list_new(struct dax_list **ret)
{
	_cleanup_(unref_contextp) struct daxctl_ctx *context = NULL;
	_cleanup_(dax_list_freep) struct dax_list *l = NULL;
	struct daxctl_region *region;
	struct daxctl_dev *device;
	int r = daxctl_new(&context);

	if (r < 0)
		return r;
	l = calloc(1, sizeof(*l) + DAX_LIST_MAX * sizeof(l->entries[0]));
	if (!l)
		return -ENOMEM;
	daxctl_region_foreach(context, region)
	{
		bool dynamic = is_dynamic(region);

		if (l->n == DAX_LIST_MAX)
			break;
		add_region(l, region, dynamic);
		daxctl_dev_foreach(region, device)
		{
			if (l->n == DAX_LIST_MAX)
				break;
			add_device(l, region, device, dynamic);
		}
	}
	*ret = steal_pointer(l);
	return 0;
}

struct dax_list *dax_list_free(struct dax_list *l)
{
	free(l);
	return NULL;
}
