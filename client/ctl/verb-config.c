// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-config.c - the settings: what the files say, and whether they are right. The program that
 * reads them is the daemon's own, so nothing here knows a setting. What always holds: they are read
 * as rdmaregd would read them now; it is not asked, and need not run.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "table.h"

#define PROGRAM PKGLIBEXECDIR "/rdmaregd"

struct options {
	bool changed;
};

static const struct option_spec specs[] = {
	{ "changed", ARG_FLAG, offsetof(struct options, changed), NULL,
	  "only what is set in a file" },
	{ NULL },
};

static const struct column columns[] = {
	{ "section", "SECTION", LOOK_PLAIN, false, 8 },
	{ "setting", "SETTING", LOOK_PLAIN, false, 20 },
	{ "value", "VALUE", LOOK_PLAIN, false, 8 },
	{ "from", "FROM", LOOK_PLAIN, false, 0.3 },
};

/* Only where this program is none of the system's, as in its tests. */
static const char *program(void)
{
	const char *given = secure_getenv("RDMAREG_DAEMON");

	return given && *given ? given : PROGRAM;
}

static int not_run(void)
{
	return ctl_error(EXIT_FAILED, "%s: %s; it is part of the daemon's installation", program(),
			 strerror(errno));
}

static int run_check(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const char *name = program();

	(void)ctl, (void)options;
	execl(name, name, "--check-config", n ? "--config" : NULL, n ? arguments[0] : NULL, NULL);
	return not_run();
}

/* A line of --show-config. False: it is none. */
static bool take_line(json_object *rows, char *line, bool changed)
{
	char *word[5], *rest = line, from[600];
	json_object *o;

	for (size_t i = 0; i < 5; i++)
		word[i] = strsep(&rest, "\t\n");
	if (!word[4])
		return false;
	if (changed && !*word[3])
		return true;
	o = json_object_new_object();
	snprintf(from, sizeof(from), "%s%s%s", *word[3] ? word[3] : "default", *word[3] ? ":" : "",
		 *word[3] ? word[4] : "");
	json_object_object_add(o, "section", json_object_new_string(word[0]));
	json_object_object_add(o, "setting", json_object_new_string(word[1]));
	json_object_object_add(o, "value", json_object_new_string(word[2]));
	json_object_object_add(o, "from", json_object_new_string(from));
	json_object_object_add(o, "default", json_object_new_boolean(!*word[3]));
	json_object_object_add(o, "file", *word[3] ? json_object_new_string(word[3]) : NULL);
	json_object_object_add(
		o, "line", *word[3] ? json_object_new_uint64(strtoull(word[4], NULL, 10)) : NULL);
	json_object_array_add(rows, o);
	return true;
}

/* Its output; NULL with errno set. */
static FILE *start(char **arguments, int n, pid_t *ret_pid)
{
	const char *name = program();
	int ends[2];

	if (access(name, X_OK) < 0 || pipe(ends) < 0)
		return NULL;
	*ret_pid = fork();
	if (!*ret_pid) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		execl(name, name, "--show-config", n ? "--config" : NULL, n ? arguments[0] : NULL,
		      NULL);
		_exit(127);
	}
	close(ends[1]);
	if (*ret_pid < 0) {
		close(ends[0]);
		return NULL;
	}
	return fdopen(ends[0], "r");
}

static int run_show(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	json_object *rows;
	char line[1024];
	bool sound = true;
	int status, r;
	pid_t pid;
	FILE *f = start(arguments, n, &pid);

	if (!f)
		return not_run();
	rows = json_object_new_array();
	while (fgets(line, sizeof(line), f))
		sound = take_line(rows, line, o->changed) && sound;
	fclose(f);
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status))
		r = EXIT_FAILED; /* it has said why */
	else if (!sound)
		r = ctl_error(EXIT_FAILED,
			      "%s is not understood; it is of another version than this program",
			      program());
	else
		r = table_print(ctl, columns, sizeof(columns) / sizeof(columns[0]), rows,
				"everything is default");
	json_object_put(rows);
	return r;
}

const struct verb verb_config_show = {
	"config show", "[FILE]", "list the settings, and where each is set", specs, 0, 1, run_show
};
const struct verb verb_config_check = {
	"config check", "[FILE]", "say whether the settings are right", NULL, 0, 1, run_check
};
