// SPDX-License-Identifier: GPL-2.0-or-later
/* verb-devices.c - what this machine has that regions can be made of, whether rdmaregd can use it, and if not, why. */
#include "model.h"
#include "table.h"

static const struct column columns[] = {
	{ "name", "NAME", LOOK_PLAIN, false, 8 },
	{ "kind", "KIND", LOOK_PLAIN, false, 10 },
	{ "mode", "MODE", LOOK_PLAIN, false, 8 },
	{ "bytes", "SIZE", LOOK_SIZE, true, 6 },
	{ "available_bytes", "FREE", LOOK_SIZE, true, 6 },
	{ "alignment", "ALIGN", LOOK_SIZE, true, 5 },
	{ "node", "NODE", LOOK_PLAIN, true, 4 },
	{ "dynamic", "DYNAMIC", LOOK_PLAIN, false, 4 },
	{ "unusable", "UNUSABLE", LOOK_PLAIN, false, 0.3 },
};

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
	while ((r = rdmareg_devices_next(devices, &device)) > 0)
		json_object_array_add(rows, model_device(&device));
	if (r < 0)
		status = ctl_failed(r);
	else if (ctl->json)
		ctl_print_json(json_object_get(rows));
	else
		status = table_print(ctl, columns, sizeof(columns) / sizeof(columns[0]), rows);
	json_object_put(rows);
	rdmareg_devices_free(devices);
	return status;
}

const struct verb verb_devices = { "devices", "", "what regions can be made of", NULL, 0, 0, run };
