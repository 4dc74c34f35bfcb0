// SPDX-License-Identifier: GPL-2.0-or-later
/* verb-set.c - change policy, grace, arbitration or warm mode of a region, while it lives. */
#include <stdio.h>

#include "agent.h"
#include "model.h"

struct options {
	uint64_t grace_usec;
	enum rdmareg_policy policy;
	enum rdmareg_arbitrate arbitration;
	enum rdmareg_warm_mode warm_mode;
};

static const struct option_spec specs[] = {
	{ "policy", ARG_POLICY, offsetof(struct options, policy), "follow|yield|hold",
	  "what to do when the filesystem needs blocks back" },
	{ "grace", ARG_GRACE, offsetof(struct options, grace_usec), "TIME",
	  "how long a revocation waits for holders (with --policy: its default)" },
	{ "warm-mode", ARG_WARM_MODE, offsetof(struct options, warm_mode),
	  "off|read|adaptive|write",
	  "how to bring translations back after writeback (rdmaregd.conf: adaptive)" },
	{ "arbitration", ARG_ARBITRATE, offsetof(struct options, arbitration), "auto|pre-content",
	  "pre-content: also use events that slow down others' I/O" },
	{ NULL },
};

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct rdmareg_configure_options co = {
		.size = sizeof(co),
		.policy = o->policy,
		.grace_usec = o->grace_usec,
		.arbitration = o->arbitration,
		.warm_mode = o->warm_mode,
	};
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	struct rdmareg_region_info info = { .size = sizeof(info) };
	int r;

	(void)n;
	if (!o->policy && !o->grace_usec && !o->arbitration && !o->warm_mode)
		return ctl_error(
			EXIT_USAGE,
			"set: nothing to change; give --policy, --grace, --arbitration or --warm-mode");
	r = ctl_lookup(ctl, arguments[0], &region);
	if (r)
		return r;
	if (o->policy == RDMAREG_POLICY_HOLD)
		agent_begin();
	r = rdmareg_configure(region, &co);
	if (r >= 0)
		r = rdmareg_region_refresh(region);
	if (r < 0)
		return ctl_failed(r);
	rdmareg_region_get_info(region, &info);
	if (ctl->json)
		ctl_print_json(model_region(&info));
	else
		model_print_arbitration(&info);
	return EXIT_OK;
}

const struct verb verb_set = {
	"set", "ID", "change policy, grace, arbitration or warm mode of a region", specs, 1, 1, run
};
