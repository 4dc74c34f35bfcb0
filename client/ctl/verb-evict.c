// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-evict.c - take down every region on a filesystem, so that it can be unmounted. What always holds:
 * when it ends, neither rdmaregd nor this program has anything of that filesystem open.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl.h"

struct options {
	uint64_t grace_usec;
};

static const struct option_spec specs[] = {
	{ "grace", ARG_GRACE, offsetof(struct options, grace_usec), "TIME",
	  "wait no longer than this for holders (each region's own)" },
	{ NULL },
};

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct rdmareg_evict_options eo = { .size = sizeof(eo), .grace_usec = o->grace_usec };
	struct rdmareg *context;
	uint32_t regions = 0;
	int fd, r;

	(void)n;
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	r = ctl_open_path(arguments[0], &fd);
	if (r)
		return r;
	r = rdmareg_evict(context, fd, &eo, &regions);
	close(fd);
	if (r < 0)
		return ctl_failed_about(arguments[0], r);
	if (ctl->json) {
		json_object *j = json_object_new_object();

		json_object_object_add(j, "regions", json_object_new_uint64(regions));
		ctl_print_json(j);
	} else {
		printf("%" PRIu32 " region%s taken down\n", regions, regions == 1 ? "" : "s");
	}
	return EXIT_OK;
}

const struct verb verb_evict = { "evict", "MOUNTPOINT", "take down all regions of a filesystem", specs, 1,
				 1,	  run };
