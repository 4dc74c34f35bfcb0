// SPDX-License-Identifier: GPL-2.0-or-later
/* verb-drain.c - nothing new on this machine, or again. */
#include "agent.h"
#include "ctl.h"

struct options {
	const char *reason;
};

static const struct option_spec specs[] = {
	{ "reason", ARG_TEXT, offsetof(struct options, reason), "TEXT",
	  "what those are told whose request is refused" },
	{ 0 },
};

static int run_drain(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct rdmareg *context;
	int r;

	(void)arguments, (void)n;
	context = ctl_context(ctl, &r);
	if (!context)
		return r;
	agent_begin();
	r = rdmareg_drain(context, o->reason);
	return r < 0 ? ctl_failed(r) : EXIT_OK;
}

static int run_undrain(struct ctl *ctl, const void *options, char **arguments, int n)
{
	(void)options, (void)arguments, (void)n;
	return ctl_request(ctl, rdmareg_undrain);
}

const struct verb verb_drain = { "drain",  "", "register nothing new on this machine", specs, 0, 0,
				 run_drain };
const struct verb verb_undrain = { "undrain", "",	  "register again on this machine", NULL, 0,
				   0,	      run_undrain };
