// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * manager-devices.c - Manager.ListDevices. What always holds: it says nothing that the caller could
 * not read in sysfs, so anybody may ask.
 */
#include "bus/bus-internal.h"

/* A list that is being made. */
struct device_list {
	sd_bus_message *reply;
	int result;
};

static int append_device(sd_bus_message *m, const struct device_view *v)
{
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}", "kind", "s", v->kind, "name",
					  "s", v->name, "path", "s", v->path, "mode", "s", v->mode,
					  "unusable", "s", v->unusable ? v->unusable : "");
	if (r >= 0)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}", "dax_region", "u",
					  v->dax_region, "dynamic", "b", (int)v->dynamic, "size",
					  "t", v->size, "available", "t", v->available, "alignment",
					  "t", v->alignment);
	if (r >= 0 && v->node >= 0)
		r = sd_bus_message_append(m, "{sv}", "node", "u", (uint32_t)v->node);
	if (r >= 0 && v->driver)
		r = sd_bus_message_append(m, "{sv}{sv}{sv}{sv}{sv}{sv}", "driver", "s", v->driver,
					  "firmware", "s", v->firmware, "netdev", "s", v->netdev,
					  "mtu", "t", v->mtu, "abilities", "s", v->abilities,
					  "quirks", "s", v->quirks);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static void add_device(void *to, const struct device_view *v)
{
	struct device_list *l = to;

	if (l->result >= 0)
		l->result = append_device(l->reply, v);
}

int method_list_devices(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct device_list l = { 0 };
	struct bus *b = userdata;
	struct failure f;
	int r;

	(void)error;
	r = sd_bus_message_new_method_return(m, &l.reply);
	if (r >= 0)
		r = sd_bus_message_open_container(l.reply, 'a', "a{sv}");
	if (r >= 0) {
		r = b->handlers->list_devices(b->userdata, add_device, &l, &f);
		if (r > 0) {
			sd_bus_message_unref(l.reply);
			return refuse(m, r, &f);
		}
	}
	if (r >= 0)
		r = l.result;
	if (r >= 0)
		r = sd_bus_message_close_container(l.reply);
	if (r >= 0)
		r = sd_bus_send(NULL, l.reply, NULL);
	sd_bus_message_unref(l.reply);
	return r;
}
