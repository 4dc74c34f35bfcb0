// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-keeper.c - keepers, the processes that have the regions. What always holds: what is printed
 * is what rdmaregd knows; no keeper is asked. Several are replaced one after the other, also after
 * one that cannot be.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "model.h"
#include "table.h"

#define REPLACE_MAX 1000 /* named in one call */

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
	{ "name", "KEEPER", LOOK_PLAIN, false },
	{ "state", "STATE", LOOK_STATE, false },
	{ "pid", "PID", LOOK_PLAIN, true },
	{ "program", "PROGRAM", LOOK_PLAIN, false, 2 },
	{ "version", "PROTOCOL", LOOK_PLAIN, true, 4 },
	{ "regions", "REGIONS", LOOK_PLAIN, true },
	{ "bytes", "BYTES", LOOK_SIZE, true, 3 },
	{ "peers", "PEERS", LOOK_PLAIN, true },
	{ "since_usec", "AGE", LOOK_AGE, true, 5 },
	{ "unit", "UNIT", LOOK_PLAIN, false, 6 },
	{ "trouble", "TROUBLE", LOOK_PLAIN, false, 0, CUT_END },
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

struct replace_options {
	uint64_t grace_usec;
	bool all_old;
};

static const struct option_spec replace_specs[] = {
	{ "all-old", ARG_FLAG, offsetof(struct replace_options, all_old), NULL,
	  "all whose process does not run rdmaregd's version" },
	{ "grace", ARG_GRACE, offsetof(struct replace_options, grace_usec), "TIME",
	  "wait no longer than this for holders (each region's own)" },
	{ NULL },
};

/* What came of each: the first failure's exit status, and a row for --json. */
struct replaced {
	const struct ctl *ctl;
	struct rdmareg *context;
	struct rdmareg_replace_options options;
	json_object *rows;
	int status;
	size_t left_out;
};

static void replace_one(struct replaced *p, const char *name)
{
	uint32_t regions = 0;
	json_object *row;
	int r;

	if (ctl_is_silent()) {
		p->left_out++;
		return;
	}
	r = rdmareg_replace_keeper(p->context, name, &p->options, &regions);

	if (r < 0) {
		/* of its options the name alone can be wrong here: nobody is called so */
		r = r == -EINVAL ? ctl_error(EXIT_NOT_FOUND, "%s", rdmareg_last_error())
				 : ctl_failed(r);
		p->status = p->status ? p->status : r;
	} else if (!p->ctl->json) {
		printf("keeper %s replaced: %" PRIu32 " region%s\n", name, regions,
		       regions == 1 ? "" : "s");
	}
	row = json_object_new_object();
	json_object_object_add(row, "name", json_object_new_string(name));
	json_object_object_add(row, "replaced", json_object_new_boolean(r == 0));
	json_object_object_add(row, "regions", json_object_new_uint64(regions));
	json_object_array_add(p->rows, row);
}

/* It cannot be replaced, and says so itself: nothing is asked of it, and somebody has to look. */
static void leave_alone(struct replaced *p, const struct rdmareg_keeper *keeper)
{
	json_object *row = json_object_new_object();

	ctl_error(EXIT_ATTENTION, "keeper %s was left alone, it is %s: %s", keeper->name,
		  keeper->state, keeper->trouble);
	p->status = p->status ? p->status : EXIT_ATTENTION;
	json_object_object_add(row, "name", json_object_new_string(keeper->name));
	json_object_object_add(row, "replaced", json_object_new_boolean(false));
	json_object_object_add(row, "regions", json_object_new_uint64(0));
	json_object_array_add(p->rows, row);
}

static void replace_old(struct replaced *p)
{
	struct rdmareg_keeper keeper = { .size = sizeof(keeper) };
	struct rdmareg_keepers *walk;
	int r = rdmareg_list_keepers(p->context, NULL, &walk);

	if (r < 0) {
		p->status = ctl_failed(r);
		return;
	}
	while ((r = rdmareg_keepers_next(walk, &keeper)) > 0) {
		if (keeper.current || !strcmp(keeper.state, "ending"))
			continue;
		if (!strcmp(keeper.state, "foreign") || !strcmp(keeper.state, "stuck"))
			leave_alone(p, &keeper);
		else
			replace_one(p, keeper.name);
	}
	if (r < 0)
		p->status = ctl_failed(r);
	else if (!json_object_array_length(p->rows) && !p->ctl->json)
		puts("no keeper runs a program of another version: nothing was replaced");
	rdmareg_keepers_free(walk);
}

static int replace(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct replace_options *o = options;
	struct replaced p = {
		.ctl = ctl, .options = { .size = sizeof(p.options), .grace_usec = o->grace_usec }
	};

	if (o->all_old == (n > 0))
		return ctl_error(EXIT_USAGE,
				 "keeper replace: name keepers, or give --all-old; see: rdmaregctl "
				 "keeper list");
	p.context = ctl_context(ctl, &p.status);
	if (!p.context)
		return p.status;
	agent_begin();
	p.rows = json_object_new_array();
	for (int i = 0; i < n; i++)
		replace_one(&p, arguments[i]);
	if (o->all_old)
		replace_old(&p);
	if (p.left_out)
		ctl_left_out(p.left_out);
	if (ctl->json)
		ctl_print_json(json_object_get(p.rows));
	json_object_put(p.rows);
	return p.status;
}

const struct verb verb_keeper_replace = {
	"keeper replace", "NAME...", "make the regions of keepers anew in other processes",
	replace_specs,	  0,	     REPLACE_MAX,
	replace
};
