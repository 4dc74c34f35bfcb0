// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-config.c - the settings: what the files say, and whether they are right. The program that
 * reads them is the daemon's own, so nothing here knows a setting. What always holds: they are read
 * as rdmaregd would read them now; it is not asked, and need not run.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "program.h"
#include "table.h"

struct options {
	bool changed;
};

static const struct option_spec specs[] = {
	{ "changed", ARG_FLAG, offsetof(struct options, changed), NULL,
	  "only what is set in a file" },
	{ NULL },
};

static const struct column columns[] = {
	{ "section", "SECTION", LOOK_PLAIN, false },
	{ "setting", "SETTING", LOOK_PLAIN, false },
	{ "value", "VALUE", LOOK_PLAIN, false },
	{ "from", "FROM", LOOK_PLAIN, false },
};

static int not_run(int error)
{
	return ctl_error(EXIT_FAILED, "%s: %s; it is part of the daemon's installation",
			 program_daemon(), strerror(-error));
}

/* @n: 1: a file is named. As program_read(). */
static int read_from(const char *what, int of, char **arguments, int n, char **ret)
{
	const char *const words[] = { program_daemon(), what, n ? "--config" : NULL,
				      n ? arguments[0] : NULL, NULL };

	return program_read(words, of, PROGRAM_NO_END, ret);
}

/* A line of --show-config. False: it is none. */
static bool take_line(json_object *rows, char *line, bool changed)
{
	char *word[5], *rest = line, from[600];
	json_object *o;

	for (size_t i = 0; i < 5; i++)
		word[i] = strsep(&rest, "\t");
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

/* Each line that it has printed, of which the errors come first. */
static int check_as_json(const struct ctl *ctl, char **arguments, int n)
{
	json_object *o, *lines;
	char *text, *rest, *line;
	int r = read_from("--check-config", STDERR_FILENO, arguments, n, &text);

	(void)ctl;
	if (!text)
		return not_run(r);
	o = json_object_new_object();
	lines = json_object_new_array();
	for (rest = text; (line = strsep(&rest, "\n"));)
		if (rest || *line)
			json_object_array_add(lines, json_object_new_string(line));
	free(text);
	json_object_object_add(o, "valid", json_object_new_boolean(!r));
	json_object_object_add(o, "messages", lines);
	ctl_print_json(o);
	return r ? EXIT_FAILED : EXIT_OK;
}

static int run_check(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const char *name = program_daemon();

	(void)options;
	if (ctl->json)
		return check_as_json(ctl, arguments, n);
	execl(name, name, "--check-config", n ? "--config" : NULL, n ? arguments[0] : NULL, NULL);
	return not_run(-errno);
}

static int run_show(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	json_object *rows;
	char *text, *rest, *line;
	bool sound = true;
	int r = read_from("--show-config", STDOUT_FILENO, arguments, n, &text);

	if (!text)
		return not_run(r);
	rows = json_object_new_array();
	for (rest = text; (line = strsep(&rest, "\n"));)
		if (rest || *line)
			sound = take_line(rows, line, o->changed) && sound;
	free(text);
	if (r)
		r = EXIT_FAILED; /* it has said why */
	else if (!sound)
		r = ctl_error(EXIT_FAILED,
			      "%s is not understood; it is of another version than this program",
			      program_daemon());
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
