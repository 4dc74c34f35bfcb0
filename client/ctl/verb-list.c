// SPDX-License-Identifier: GPL-2.0-or-later
/* verb-list.c - list regions, and show one of them in full. */
#include <unistd.h>

#include "model.h"
#include "table.h"

struct options {
	const char *session;
	enum rdmareg_state state;
};

static const struct option_spec specs[] = {
	{ "session", ARG_TEXT, offsetof(struct options, session), "NAME",
	  "only regions of this session" },
	{ "state", ARG_STATE, offsetof(struct options, state), "STATE",
	  "only regions in this state: registering, live, warming, draining, fenced, closing" },
	{ NULL },
};

static const struct column columns[] = {
	{ "id", "ID", LOOK_PLAIN, true },
	{ "state", "STATE", LOOK_STATE, false },
	{ "arbitration_mode", "ARBITRATION", LOOK_ARBITRATION, false },
	{ "policy", "POLICY", LOOK_PLAIN, false, 3 },
	{ "access", "ACCESS", LOOK_PLAIN, false, 6 },
	{ "length", "LENGTH", LOOK_SIZE, true },
	{ "valid_length", "VALID", LOOK_SIZE, true, 4 },
	{ "peers", "PEERS", LOOK_PLAIN, true },
	{ "clients", "CLIENTS", LOOK_PLAIN, true, 5 },
	{ "uid", "UID", LOOK_PLAIN, true },
	{ "session", "SESSION", LOOK_PLAIN, false, 1, CUT_END },
	{ "name", "NAME", LOOK_PLAIN, false, 2, CUT_END },
	{ "path", "PATH", LOOK_PATH, false, 0, CUT_BEGIN },
};

static const char *none_to_list(const struct options *o)
{
	if (o->session || o->state)
		return "no such regions";
	return geteuid() ? "no regions of this user; root sees those of everybody" : "no regions";
}

static int list(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	struct rdmareg_list_options lo = {
		.size = sizeof(lo),
		.session = o->session,
		.state = o->state,
		.page = CTL_PAGE,
		.brief = !ctl->json,
	};
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_list *walk = NULL;
	struct rdmareg *context;
	json_object *regions;
	int r, status = EXIT_OK;

	(void)arguments;
	(void)n;
	context = ctl_context(ctl, &status);
	if (!context)
		return status;
	r = rdmareg_list(context, &lo, &walk);
	if (r < 0)
		return ctl_failed(r);
	regions = json_object_new_array();
	while ((r = rdmareg_list_next(walk, &info)) > 0)
		json_object_array_add(regions,
				      lo.brief ? model_region_brief(&info) : model_region(&info));
	if (r < 0)
		status = ctl_failed(r);
	else
		status = table_print(ctl, columns, sizeof(columns) / sizeof(columns[0]), regions,
				     none_to_list(o));
	json_object_put(regions);
	rdmareg_list_free(walk);
	return status;
}

static int show(struct ctl *ctl, const void *options, char **arguments, int n)
{
	_cleanup_(region_cleanup) struct rdmareg_region *region = NULL;
	struct rdmareg_region_info info = { .size = sizeof(info) };
	int r;

	(void)options;
	(void)n;
	r = ctl_lookup(ctl, arguments[0], &region);
	if (r)
		return r;
	rdmareg_region_get_info(region, &info);
	table_show(ctl, model_region(&info));
	return EXIT_OK;
}

const struct verb verb_list = { "list", "", "list regions", specs, 0, 0, list };
const struct verb verb_show = { "show", "ID", "show all properties of a region", NULL, 1, 1, show };
