// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-evict.c - an administrator takes down regions, whoever has them: those of a filesystem that is to be unmounted
 * (evict), or those above the limits (enforce-limits). And reload, which has those limits read. What always holds: when it ends, neither rdmaregd nor this program
 * has anything of them open.
 */
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "agent.h"
#include "ctl.h"

struct options {
	uint64_t grace_usec;
};

static const struct option_spec specs[] = {
	{ "grace", ARG_GRACE, offsetof(struct options, grace_usec), "TIME",
	  "wait no longer than this for holders (each region's own)" },
	{ NULL },
};

static int print_count(const struct ctl *ctl, uint32_t regions)
{
	if (ctl->json) {
		json_object *j = json_object_new_object();

		json_object_object_add(j, "regions", json_object_new_uint64(regions));
		ctl_print_json(j);
	} else {
		printf("%" PRIu32 " region%s taken down\n", regions, regions == 1 ? "" : "s");
	}
	return EXIT_OK;
}

static int run_evict(struct ctl *ctl, const void *options, char **arguments, int n)
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
	agent_begin();
	r = rdmareg_evict(context, fd, &eo, &regions);
	close(fd);
	return r < 0 ? ctl_failed(r) : print_count(ctl, regions);
}

static int run_enforce(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct rdmareg_evict_options eo = { .size = sizeof(eo), .grace_usec = o->grace_usec };
	struct rdmareg *context;
	uint32_t regions = 0;
	int r;

	(void)arguments, (void)n;
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	agent_begin();
	r = rdmareg_enforce_limits(context, &eo, &regions);
	return r < 0 ? ctl_failed(r) : print_count(ctl, regions);
}

const struct verb verb_evict = { "evict", "MOUNTPOINT", "take down all regions of a filesystem", specs, 1,
				 1,	  run_evict };
const struct verb verb_enforce_limits = {
	"enforce-limits", "", "take down what users have above their limits", specs, 0, 0, run_enforce
};

static int run_reload(struct ctl *ctl, const void *options, char **arguments, int n)
{
	struct rdmareg *context;
	int r;

	(void)options, (void)arguments, (void)n;
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	agent_begin();
	r = rdmareg_reload(context);
	return r < 0 ? ctl_failed(r) : EXIT_OK;
}

const struct verb verb_reload = { "reload", "",	       "have rdmaregd read its settings again", NULL, 0,
				  0,	    run_reload };
