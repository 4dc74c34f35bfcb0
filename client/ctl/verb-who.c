// SPDX-License-Identifier: GPL-2.0-or-later
/* verb-who.c - who has a file registered, or uses such a region: what lsof is for open files. */
#include <unistd.h>

#include "model.h"
#include "table.h"

static const struct column columns[] = {
	{ "region", "REGION", LOOK_PLAIN, true },
	{ "kind", "KIND", LOOK_PLAIN, false },
	{ "pid", "PID/PEER", LOOK_PROCESS, false },
	{ "uid", "USER", LOOK_USER, false },
	{ "session", "SESSION", LOOK_PLAIN, false, 2, CUT_END },
	{ "cgroup", "CGROUP", LOOK_PLAIN, false, 3, CUT_BEGIN },
	{ "since_usec", "AGE", LOOK_AGE, true },
	{ "asked", "ASKED", LOOK_REVOCATION, false },
};

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	struct rdmareg_holder holder = { .size = sizeof(holder) };
	struct rdmareg_holders *holders = NULL;
	struct rdmareg *context;
	json_object *rows;
	int fd, r, status = EXIT_OK;

	(void)options;
	(void)n;
	context = ctl_context(ctl, &status);
	if (!context)
		return status;
	r = ctl_open_path(arguments[0], &fd);
	if (r)
		return r;
	r = rdmareg_find_holders(context, fd, &holders);
	close(fd);
	if (r < 0)
		return ctl_failed(r);
	rows = json_object_new_array();
	while ((r = rdmareg_holders_next(holders, &holder)) > 0)
		json_object_array_add(rows, model_holder(&holder));
	if (r < 0)
		status = ctl_failed_about(arguments[0], r);
	else
		status = table_print(ctl, columns, sizeof(columns) / sizeof(columns[0]), rows,
				     "nobody");
	/* Not to be taken for a file that nobody has. */
	if (!status && !json_object_array_length(rows) && geteuid())
		ctl_error(EXIT_OK,
			  "only regions of this user are shown; as root all are: rdmaregctl who %s",
			  arguments[0]);
	json_object_put(rows);
	rdmareg_holders_free(holders);
	return status;
}

const struct verb verb_who = { "who", "FILE", "list the holders of a file", NULL, 1, 1, run };
