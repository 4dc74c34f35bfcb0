// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-devices.c - the RDMA adapters of this machine, and what regions can be made of besides
 * files; whether rdmaregd can use each, and if not, why. What always holds: with --json it is one
 * array; else two tables, of which one that would be empty is left out.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "model.h"
#include "table.h"

static const struct column adapter_columns[] = {
	{ "name", "ADAPTER", LOOK_PLAIN, false },	 { "mode", "STATE", LOOK_PLAIN, false },
	{ "netdev", "NETDEV", LOOK_PLAIN, false },	 { "mtu", "MTU", LOOK_PLAIN, true },
	{ "abilities", "ABILITIES", LOOK_PLAIN, false }, { "quirks", "QUIRKS", LOOK_PLAIN, false },
	{ "unusable", "UNUSABLE", LOOK_PLAIN, false },
};

static const struct column dax_columns[] = {
	{ "name", "DAX", LOOK_PLAIN, false },		{ "kind", "KIND", LOOK_PLAIN, false },
	{ "mode", "MODE", LOOK_PLAIN, false },		{ "bytes", "SIZE", LOOK_SIZE, true },
	{ "available_bytes", "FREE", LOOK_SIZE, true }, { "alignment", "ALIGN", LOOK_SIZE, true },
	{ "node", "NODE", LOOK_PLAIN, true },		{ "dynamic", "DYNAMIC", LOOK_PLAIN, false },
	{ "unusable", "UNUSABLE", LOOK_PLAIN, false },
};

/*
 * rdmaregd has no network, so where systemd shows a service only its own interfaces it does not see
 * this one. Here it is seen; "-" where this is the network of a container, which does not have it
 * either.
 */
static void look_up_mtu(struct rdmareg_device *d)
{
	char path[64];
	FILE *f;

	if (d->mtu || !*d->netdev || strchr(d->netdev, '/'))
		return;
	snprintf(path, sizeof(path), "/sys/class/net/%.15s/mtu", d->netdev);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fscanf(f, "%" SCNu64, &d->mtu) != 1)
		d->mtu = 0;
	fclose(f);
}

static bool is_adapter(json_object *row)
{
	return !strcmp(json_object_get_string(json_object_object_get(row, "kind")), "adapter");
}

static int print_tables(const struct ctl *ctl, json_object *rows)
{
	json_object *adapters = json_object_new_array(), *dax = json_object_new_array();
	int status = EXIT_OK;

	if (!json_object_array_length(rows) && isatty(STDOUT_FILENO))
		puts("no RDMA adapter and no device-dax here");
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);

		json_object_array_add(is_adapter(row) ? adapters : dax, json_object_get(row));
	}
	if (json_object_array_length(adapters))
		status = table_print(ctl, adapter_columns,
				     sizeof(adapter_columns) / sizeof(adapter_columns[0]), adapters,
				     NULL);
	if (json_object_array_length(adapters) && json_object_array_length(dax))
		printf("\n");
	if (json_object_array_length(dax) && status == EXIT_OK)
		status = table_print(ctl, dax_columns, sizeof(dax_columns) / sizeof(dax_columns[0]),
				     dax, NULL);
	json_object_put(adapters);
	json_object_put(dax);
	return status;
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	struct rdmareg_device device = { .size = sizeof(device) };
	struct rdmareg_devices *devices = NULL;
	struct rdmareg *context;
	json_object *rows;
	int r, status = EXIT_OK;

	(void)options, (void)arguments, (void)n;
	context = ctl_context(ctl, &status);
	if (!context)
		return status;
	r = rdmareg_list_devices(context, &devices);
	if (r < 0)
		return ctl_failed(r);
	rows = json_object_new_array();
	while ((r = rdmareg_devices_next(devices, &device)) > 0) {
		look_up_mtu(&device);
		json_object_array_add(rows, model_device(&device));
	}
	if (r < 0)
		status = ctl_failed(r);
	else if (ctl->json)
		ctl_print_json(json_object_get(rows));
	else
		status = print_tables(ctl, rows);
	json_object_put(rows);
	rdmareg_devices_free(devices);
	return status;
}

const struct verb verb_devices = { "devices", "", "list RDMA adapters and DAX devices", NULL, 0,
				   0,	      run };
