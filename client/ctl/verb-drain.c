// SPDX-License-Identifier: GPL-2.0-or-later
/* verb-drain.c - nothing new on this machine, or again. */
#include <stdio.h>

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

/* What holds now. */
static void tell(const struct ctl *ctl, bool draining, const char *text)
{
	json_object *o;

	if (!ctl->json) {
		puts(text);
		return;
	}
	o = json_object_new_object();
	json_object_object_add(o, "draining", json_object_new_boolean(draining));
	ctl_print_json(o);
}

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
	if (r < 0)
		return ctl_failed(r);
	tell(ctl, true,
	     "drained: nothing new is registered on this machine, and what exists goes on");
	return EXIT_OK;
}

static int run_undrain(struct ctl *ctl, const void *options, char **arguments, int n)
{
	int r = ctl_request(ctl, rdmareg_undrain);

	(void)options, (void)arguments, (void)n;
	if (r == EXIT_OK)
		tell(ctl, false, "this machine registers again");
	return r;
}

const struct verb verb_drain = { "drain",  "", "register nothing new on this machine", specs, 0, 0,
				 run_drain };
const struct verb verb_undrain = { "undrain", "",	  "register again on this machine", NULL, 0,
				   0,	      run_undrain };
