// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-keeper.c - keepers, the processes that have the regions. What always holds: what is printed
 * is what rdmaregd knows; no keeper is asked.
 */
#include <stdio.h>
#include <unistd.h>

#include "model.h"
#include "table.h"

struct list_options {
	const char *user;
	const char *session;
	const char *state;
};

static const struct option_spec list_specs[] = {
	{ "uid", ARG_TEXT, offsetof(struct list_options, user), "USER", "only this user's" },
	{ "session", ARG_TEXT, offsetof(struct list_options, session), "NAME",
	  "only this session's" },
	{ "state", ARG_TEXT, offsetof(struct list_options, state), "STATE",
	  "only those in this state: starting, driven, stuck, foreign, ending" },
	{ NULL },
};

static const struct column columns[] = {
	{ "name", "KEEPER", LOOK_PLAIN, false, 14 },
	{ "state", "STATE", LOOK_STATE, false, 6 },
	{ "pid", "PID", LOOK_PLAIN, true, 5 },
	{ "version", "PROTOCOL", LOOK_PLAIN, true, 2 },
	{ "regions", "REGIONS", LOOK_PLAIN, true, 3 },
	{ "bytes", "BYTES", LOOK_SIZE, true, 5 },
	{ "peers", "PEERS", LOOK_PLAIN, true, 3 },
	{ "since_usec", "AGE", LOOK_AGE, true, 5 },
	{ "unit", "UNIT", LOOK_PLAIN, false, 0.2 },
	{ "trouble", "TROUBLE", LOOK_PLAIN, false, 0.3 },
};

static const char *none_to_list(const struct list_options *o)
{
	if (o->user || o->session || o->state)
		return "no such keepers";
	return geteuid() ? "no keeper has regions of this user; root sees those of everybody"
			 : "there are no keepers; the first region of a user's session starts one";
}

static int list(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct list_options *o = options;
	struct rdmareg_keepers_options ko = { .size = sizeof(ko),
					      .session = o->session,
					      .state = o->state,
					      .has_uid = o->user != NULL };
	struct rdmareg_keeper keeper = { .size = sizeof(keeper) };
	struct rdmareg_keepers *walk;
	json_object *rows;
	struct rdmareg *c;
	int r, status = o->user ? ctl_parse_user(o->user, &ko.uid) : EXIT_OK;

	(void)arguments, (void)n;
	if (status)
		return status;
	c = ctl_context(ctl, &status);
	if (!c)
		return status;
	r = rdmareg_list_keepers(c, &ko, &walk);
	if (r < 0)
		return ctl_failed(r);
	rows = json_object_new_array();
	while ((r = rdmareg_keepers_next(walk, &keeper)) > 0)
		json_object_array_add(rows, model_keeper(&keeper));
	if (r < 0)
		status = ctl_failed(r);
	else
		status = table_print(ctl, columns, sizeof(columns) / sizeof(columns[0]), rows,
				     none_to_list(o));
	json_object_put(rows);
	rdmareg_keepers_free(walk);
	return status;
}

const struct verb verb_keeper_list = { "keeper list", "", "list the processes that have regions",
				       list_specs,    0,  0,
				       list };
