// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-sync.c - make what peers have written durable. What always holds: exit status 0 means that
 * there was a point in time at which the file on storage was what peers had written, as far as
 * there is a storage: see durable.
 */
#include <inttypes.h>
#include <stdio.h>

#include "format.h"
#include "ctl.h"

struct options {
	uint64_t grace_usec, limit_usec;
};

static const struct option_spec specs[] = {
	{ "grace", ARG_GRACE, offsetof(struct options, grace_usec), "TIME",
	  "how long to wait for holders (the region's own)" },
	{ "limit", ARG_TIME, offsetof(struct options, limit_usec), "TIME",
	  "let peers in again after this time, even if not done (the longest allowed)" },
	{ NULL },
};

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct rdmareg_sync_options so = { .size = sizeof(so),
					   .grace_usec = o->grace_usec,
					   .limit_usec = o->limit_usec };
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	struct rdmareg_sync_result result = { .size = sizeof(result) };
	char valid[FORMAT_BYTES];
	int r;

	(void)n;
	r = ctl_lookup(ctl, arguments[0], &region);
	if (r)
		return r;
	r = rdmareg_sync(region, &so, &result);
	if (r < 0)
		return ctl_failed(r);
	if (ctl->json) {
		json_object *j = json_object_new_object();

		json_object_object_add(j, "id", json_object_new_uint64(rdmareg_region_id(region)));
		json_object_object_add(j, "revocation", json_object_new_uint64(result.revocation));
		json_object_object_add(
			j, "durable", json_object_new_string(rdmareg_durable_name(result.durable)));
		json_object_object_add(j, "valid_length",
				       json_object_new_uint64(result.valid_length));
		ctl_print_json(j);
		return EXIT_OK;
	}
	printf("revocation   %" PRIu64 "\n", result.revocation);
	printf("durable      %s%s\n", rdmareg_durable_name(result.durable),
	       result.durable == RDMAREG_DURABLE_NOTHING ? " (the file is in memory only)" : "");
	printf("valid length %s\n", format_size(valid, result.valid_length));
	return EXIT_OK;
}

const struct verb verb_sync = {
	"sync", "ID", "write what peers wrote to storage", specs, 1, 1, run
};
