// SPDX-License-Identifier: GPL-2.0-or-later
/* verb-region.c - what is done to a region that exists: release, export. */
#include <inttypes.h>
#include <stdio.h>

#include "ctl.h"

static int release(struct ctl *ctl, const void *options, char **arguments, int n)
{
	json_object *released = json_object_new_array();
	int status = EXIT_OK, one, r;

	(void)options;
	/* Each is tried; the first failure is the status. */
	for (int i = 0; i < n; i++) {
		_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;

		one = ctl_lookup(ctl, arguments[i], &region);
		if (!one) {
			r = rdmareg_release(region);
			if (r < 0)
				one = ctl_failed(r);
			else
				json_object_array_add(released,
						      json_object_new_uint64(rdmareg_region_id(region)));
		}
		if (!status)
			status = one;
	}
	if (ctl->json) {
		json_object *o = json_object_new_object();

		json_object_object_add(o, "released", json_object_get(released));
		ctl_print_json(o);
	}
	json_object_put(released);
	return status;
}

struct export_options {
	uint64_t expires_usec, uses;
	enum rdmareg_access access;
};

static const struct option_spec export_specs[] = {
	{ "access", ARG_ACCESS, offsetof(struct export_options, access), "r|rw",
	  "what it allows (all that the region does)" },
	{ "expires", ARG_TIME, offsetof(struct export_options, expires_usec), "TIME",
	  "admit nobody new after this time (never)" },
	{ "uses", ARG_NUMBER, offsetof(struct export_options, uses), "N",
	  "admit so many connections (any number)" },
	{ NULL },
};

static int export(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct export_options *o = options;
	struct rdmareg_export_options eo = {
		.size = sizeof(eo),
		.access = o->access,
		.expires_usec = o->expires_usec,
		.uses = (uint32_t)o->uses,
	};
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	_cleanup_(text_cleanup) char *ticket = NULL;
	int r;

	(void)n;
	if (o->uses > UINT32_MAX)
		return ctl_error(EXIT_USAGE, "export: --uses %" PRIu64 ": at most %u", o->uses, UINT32_MAX);
	r = ctl_lookup(ctl, arguments[0], &region);
	if (r)
		return r;
	r = rdmareg_export(region, &eo, &ticket);
	if (r < 0)
		return ctl_failed(r);
	if (ctl->json) {
		json_object *j = json_object_new_object();

		json_object_object_add(j, "id", json_object_new_uint64(rdmareg_region_id(region)));
		json_object_object_add(j, "ticket", json_object_new_string(ticket));
		ctl_print_json(j);
	} else {
		printf("%s\n", ticket);
	}
	return EXIT_OK;
}

const struct verb verb_release = { "release", "ID...", "take regions down", NULL, 1, 4096, release };
const struct verb verb_export = { "export", "ID", "make a ticket for a region", export_specs, 1, 1, export };
