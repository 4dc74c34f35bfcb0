// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-selftest.c - tests RDMA devices of this machine. The program that does it is the daemon's,
 * and takes over here: its output and its exit status are this verb's.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "ctl.h"

#define PROGRAM PKGLIBEXECDIR "/rdmareg-selftest"
#define ARGUMENTS_MAX 16

struct options {
	const char *directory, *cache;
	bool no_save, if_stale;
};

static const struct option_spec specs[] = {
	{ "directory", ARG_TEXT, offsetof(struct options, directory), "DIR",
	  "create test files there (/var/tmp); - : in memory" },
	{ "cache", ARG_TEXT, offsetof(struct options, cache), "DIR",
	  "save results there (" CACHEDIR ")" },
	{ "no-save", ARG_FLAG, offsetof(struct options, no_save), NULL, "do not save results" },
	{ "if-stale", ARG_FLAG, offsetof(struct options, if_stale), NULL,
	  "test only devices without current results" },
	{ NULL },
};

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	const struct options *o = options;
	const struct {
		bool given;
		const char *words[2];
	} all[] = {
		{ ctl->json, { "--json" } },
		{ ctl->no_legend, { "--no-legend" } },
		{ o->directory, { "--directory", o->directory } },
		{ o->cache, { "--cache", o->cache } },
		{ o->no_save, { "--no-save" } },
		{ o->if_stale, { "--if-stale" } },
		{ true, { "--", n ? arguments[0] : NULL } },
	};
	const char *argv[ARGUMENTS_MAX] = { PROGRAM };
	int argc = 1;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		for (size_t w = 0; all[i].given && w < 2 && all[i].words[w]; w++)
			argv[argc++] = all[i].words[w];
	execv(PROGRAM, (char **)(uintptr_t)argv);
	return ctl_error(EXIT_FAILED, "%s: %s; it is part of the daemon's installation", PROGRAM,
			 strerror(errno));
}

const struct verb verb_selftest = { "selftest", "[DEVICE]", "test whether RDMA devices can be used",
				    specs,	0,	    1,
				    run };
