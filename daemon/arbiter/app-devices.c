// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-devices.c - what this machine has that regions can be made of. What always holds: it is asked
 * anew each time, in the daemon's loop, because it reads sysfs only; nothing that could wait for a
 * device belongs here.
 */
#include <errno.h>
#include <unistd.h>

#include "arbiter/app-internal.h"
#include "dax/dax.h"
#include "selftest/adapters.h"

/* Whom the bus gave us to tell. */
struct listener {
	void (*add)(void *to, const struct device_view *v);
	void *to;
};

static void add_adapter(void *userdata, const struct adapter *a)
{
	const struct listener *l = userdata;
	const struct device_view v = {
		.kind = "adapter",
		.name = a->of.device,
		.path = "",
		.mode = a->state,
		.unusable = a->unusable,
		.node = -1,
		.driver = a->of.driver,
		.firmware = a->of.firmware,
		.netdev = a->netdev,
		.mtu = a->mtu,
		.abilities = a->abilities,
		.quirks = a->quirks,
	};

	l->add(l->to, &v);
}

int app_list_devices(void *userdata, void (*add)(void *to, const struct device_view *v), void *to,
		     struct failure *ret)
{
	_cleanup_(dax_list_freep) struct dax_list *l = NULL;
	struct listener listener = { add, to };
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct app *a = userdata;
	int r = dax_list_new(&l);

	if (r == 0)
		r = adapters_list("/sys", a->settings.quirks_directory, add_adapter, &listener);
	if (r < 0)
		return failure_from_errno(ret, "listing devices", r, "");
	for (size_t i = 0; i < l->n; i++) {
		const struct dax_entry *e = &l->entries[i];
		const struct device_view v = {
			.kind = e->kind == DAX_REGION ? "dax-region" : "dax-device",
			.name = e->name,
			.path = e->path,
			.mode = dax_mode_names[e->mode],
			.unusable = dax_unusable(e, page),
			.dax_region = (uint32_t)e->region,
			.node = e->node,
			.dynamic = e->dynamic,
			.size = e->size_bytes,
			.available = e->available_bytes,
			.alignment = e->alignment,
		};

		add(to, &v);
	}
	return 0;
}
