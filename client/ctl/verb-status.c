// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verb-status.c - what there is, what the kernel and the adapters offer, and what needs somebody.
 *
 * What always holds: the exit status says whether something needs somebody; each problem is one
 * line: what, cause, command.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "format.h"
#include "machine.h"
#include "screen.h"

static void print_machine(FILE *to, json_object *o)
{
	bool whole = json_object_get_boolean(json_object_object_get(o, "whole"));
	char a[FORMAT_BYTES];

	fprintf(to, "rdmaregd %s, up %s, Linux %s\n", text_of(o, "version"),
		format_time(a, number_of(o, "uptime_usec") / 1000000 * 1000000),
		text_of(o, "kernel"));
	fprintf(to, "%-12s %s%s%s\n", "module",
		json_object_get_boolean(json_object_object_get(o, "module"))
			? "loaded: layout leases on XFS, exact events"
			: "not loaded: no layout leases",
		*text_of(o, "module_version") ? ", version " : "", text_of(o, "module_version"));
	fprintf(to, "%-12s %s%s%s\n", "pre-content", text_of(o, "pre_content"),
		*text_of(o, "pre_content_reason") ? ": " : "", text_of(o, "pre_content_reason"));
	fprintf(to, "%-12s %" PRIu64 ", with %s in all, in %" PRIu64 " session%s%s\n", "regions",
		number_of(o, "regions"), format_size(a, number_of(o, "bytes")),
		number_of(o, "tenants"), PLURAL(number_of(o, "tenants")), whole ? "" : " of yours");
	if (json_object_get_boolean(json_object_object_get(o, "draining")))
		fprintf(to, "%-12s by uid %" PRIu64 ": %s\n", "drained", number_of(o, "drain_uid"),
			*text_of(o, "drain_reason") ? text_of(o, "drain_reason")
						    : "no reason was given");
}

/* One whose name says bytes is a size. @of: who has come furthest of those that have it each. */
static void print_limit(FILE *to, const char *label, json_object *row)
{
	bool bytes = !strncmp(text_of(row, "setting"), "bytes", 5);
	char use[FORMAT_BYTES], limit[FORMAT_BYTES];

	if (bytes) {
		format_size(use, number_of(row, "use"));
		format_size(limit, number_of(row, "limit"));
	} else {
		snprintf(use, sizeof(use), "%" PRIu64, number_of(row, "use"));
		snprintf(limit, sizeof(limit), "%" PRIu64, number_of(row, "limit"));
	}
	fprintf(to, "%-12s %s: %s of %s%s%s%s\n", label, text_of(row, "setting"), use, limit,
		*text_of(row, "of") ? " (most: " : "", text_of(row, "of"),
		*text_of(row, "of") ? ")" : "");
}

static void print_lists(FILE *to, json_object *o)
{
	json_object *list = json_object_object_get(o, "adapters"), *addresses;

	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json_object *row = json_object_array_get_idx(list, i);

		fprintf(to, "%-12s %s, %s", i ? "" : "adapters", text_of(row, "name"),
			text_of(row, "mode"));
		if (*text_of(row, "netdev"))
			fprintf(to, ", %s", text_of(row, "netdev"));
		addresses = json_object_object_get(row, "addresses");
		for (size_t n = 0; addresses && n < json_object_array_length(addresses); n++)
			fprintf(to, " %s",
				json_object_get_string(json_object_array_get_idx(addresses, n)));
		fprintf(to, ", %s, quirks: %s\n",
			*text_of(row, "abilities") ? text_of(row, "abilities") : "not tested",
			text_of(row, "quirks"));
	}
	list = json_object_object_get(o, "keeper_list");
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json_object *row = json_object_array_get_idx(list, i);

		fprintf(to,
			"%-12s %s, %s, process %" PRIu64 "%s%s%s%s, protocol %" PRIu64 ", %" PRIu64
			" region%s, %" PRIu64 " peer%s\n",
			i ? "" : "keepers", text_of(row, "name"), text_of(row, "state"),
			number_of(row, "pid"), *text_of(row, "unit") ? ", " : "",
			text_of(row, "unit"), *text_of(row, "device") ? ", " : "",
			text_of(row, "device"), number_of(row, "version"),
			number_of(row, "regions"), PLURAL(number_of(row, "regions")),
			number_of(row, "peers"), PLURAL(number_of(row, "peers")));
	}
	list = json_object_object_get(o, "limits");
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		json_object *row = json_object_array_get_idx(list, i);

		print_limit(to, i ? "" : "limits", row);
	}
}

static void print_problems(FILE *to, json_object *problems)
{
	size_t n = json_object_array_length(problems);

	if (!n)
		fputs("all is well\n", to);
	for (size_t i = 0; i < n; i++) {
		json_object *p = json_object_array_get_idx(problems, i);

		fprintf(to, "! %s; %s; %s\n", text_of(p, "what"), text_of(p, "cause"),
			text_of(p, "command"));
	}
}

/* In lines of so many characters: what is longer goes on below, behind as many blanks. */
static void print_folded(const char *text, size_t columns, size_t indent)
{
	size_t width = 0;

	for (const char *word = text; *word;) {
		size_t n = strcspn(word + (*word == ' '), " ") + (*word == ' ');

		if (width && width + n > columns) {
			printf("\n%*s", (int)indent, "");
			width = indent;
			while (*word == ' ') {
				word++;
				n -= n > 0;
			}
		}
		fwrite(word, 1, n, stdout);
		width += n;
		word += n;
	}
	putchar('\n');
}

/* A script gets a line for each thing; a person one that fits the terminal. */
static void print_text(char *text)
{
	bool fold = isatty(STDOUT_FILENO);
	unsigned int columns = 0, lines;
	char *line;

	if (fold)
		screen_size(&columns, &lines);
	while ((line = strsep(&text, "\n")) && (*line || text))
		if (fold)
			print_folded(line, columns, *line == '!' ? 2 : 13);
		else
			puts(line);
}

static void print_all(json_object *o, json_object *problems)
{
	_cleanup_(text_cleanup) char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to) {
		ctl_error(EXIT_FAILED, "out of memory");
		return;
	}
	print_machine(to, o);
	print_lists(to, o);
	print_problems(to, problems);
	fclose(to);
	if (text)
		print_text(text);
}

static int run(struct ctl *ctl, const void *options, char **arguments, int n)
{
	json_object *o, *problems;
	struct rdmareg *context;
	int r, status;

	(void)options, (void)arguments, (void)n;
	context = ctl_context(ctl, &status);
	if (!context)
		return status;
	r = machine_read(context, NULL, NULL, &o);
	if (r < 0)
		return ctl_failed(r);
	problems = json_object_object_get(o, "problems");
	status = json_object_array_length(problems) ? EXIT_ATTENTION : EXIT_OK;
	if (ctl->json)
		ctl_print_json(json_object_get(o));
	else
		print_all(o, problems);
	json_object_put(o);
	return status;
}

const struct verb verb_status = {
	"status",
	"",
	"show what there is, and what needs somebody",
	NULL,
	0,
	0,
	run,
	"0: all is well; 5: there is a problem; 1: rdmaregd does not answer"
};
