// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dax.c - see dax.h: what is known of a device, and what follows from it. No input or output is
 * done here; dax-list.c asks libdaxctl.
 */
#include "dax/dax.h"

#include <stdio.h>

const char *const dax_mode_names[_DAX_MODE_MAX] = {
	[DAX_MODE_NONE] = "none",
	[DAX_MODE_DEVDAX] = "devdax",
	[DAX_MODE_SYSTEM_RAM] = "system-ram",
};

struct dax_entry dax_describe(const struct dax_facts *facts)
{
	struct dax_entry e = {
		.kind = DAX_DEVICE,
		.region = facts->region,
		.node = facts->node < 0 ? -1 : facts->node,
		.dynamic = facts->dynamic,
		.size_bytes = facts->size_bytes,
		.alignment = facts->alignment,
	};

	snprintf(e.name, sizeof(e.name), "%s", facts->name);
	if (!facts->is_enabled)
		return e;
	e.mode = facts->is_memory ? DAX_MODE_SYSTEM_RAM : DAX_MODE_DEVDAX;
	if (e.mode == DAX_MODE_DEVDAX)
		snprintf(e.path, sizeof(e.path), "/dev/%s", e.name);
	return e;
}

const char *dax_unusable(const struct dax_entry *e, uint64_t page)
{
	if (e->kind == DAX_REGION)
		return "a region is no device: register a device of it";
	if (e->mode == DAX_MODE_SYSTEM_RAM)
		return "it is ordinary memory now: daxctl reconfigure-device --mode=devdax makes it a device again";
	if (!e->size_bytes)
		return "it has no memory: daxctl create-device gives it a size";
	if (e->mode == DAX_MODE_NONE)
		return "no driver is bound to it: daxctl enable-device (and the module device_dax)";
	if (e->alignment < page || e->alignment & (e->alignment - 1))
		return "its alignment is no power of two, or smaller than a page";
	return NULL;
}
