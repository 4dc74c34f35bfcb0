// SPDX-License-Identifier: GPL-2.0-or-later
/* program.c - see program.h. */
#include "util/program.h"

#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define OPTIONS_MAX 24
#define OWN_FIRST 1000 /* what getopt_long() returns for the first of the table */

enum { OPT_HELP = 'h', OPT_VERSION = OWN_FIRST - 1 };

static bool has_argument(const struct program_option *o)
{
	return o->kind != OPTION_FLAG && o->kind != OPTION_NOT;
}

/* "error, warning or info" */
static void print_words(FILE *f, const char *const *words)
{
	const char *before = "";

	for (; words && *words; words++)
		if (**words) {
			fprintf(f, "%s%s", before, *words);
			before = words[1] && !words[2] ? " or " : ", ";
		}
}

static void print_option(char letter, const char *name, const char *argument, const char *help,
			 const char *const *words)
{
	char left[64];
	const char *end;

	if (letter)
		snprintf(left, sizeof(left), "  -%c, --%s %s", letter, name, argument);
	else
		snprintf(left, sizeof(left), "      --%s %s", name, argument);
	for (; (end = strchr(help, '\n')); help = end + 1) {
		printf("%-25s %.*s\n", left, (int)(end - help), help);
		*left = 0;
	}
	printf("%-25s ", left);
	print_words(stdout, words);
	printf("%s%s\n", words ? "; " : "", help);
}

static void print_help(const struct program *p)
{
	printf("%s [OPTION...]%s%s\n%s\n\n", p->name, *p->arguments ? " " : "", p->arguments,
	       p->summary);
	for (const struct program_option *o = p->options; o->name; o++)
		print_option(o->letter, o->name, o->argument ? o->argument : "", o->help, o->words);
	print_option(0, "version", "", "print the version and exit", NULL);
	print_option(OPT_HELP, "help", "", "print this and exit", NULL);
}

static int refuse(const struct program *p, const struct program_option *o, const char *text)
{
	fprintf(stderr, "%s: --%s '%s': it must be %s", p->name, o->name, text,
		o->kind == OPTION_PATH ? "an absolute path" : "");
	print_words(stderr, o->words);
	fputc('\n', stderr);
	return -EINVAL;
}

static int store(const struct program *p, const struct program_option *o, const char *text,
		 void *base)
{
	void *place = (char *)base + o->offset;

	switch (o->kind) {
	case OPTION_FLAG:
	case OPTION_NOT:
		*(bool *)place = o->kind == OPTION_FLAG;
		return 0;
	case OPTION_PATH:
		if (*text != '/')
			break;
		*(const char **)place = text;
		return 0;
	case OPTION_TEXT:
		*(const char **)place = text;
		return 0;
	case OPTION_WORD:
		for (int i = 0; *text && o->words[i]; i++)
			if (!strcmp(o->words[i], text)) {
				*(int *)place = i;
				return 0;
			}
		break;
	}
	return refuse(p, o, text);
}

int program_parse(const struct program *p, void *to, int argc, char **argv, int *ret_first)
{
	struct option longs[OPTIONS_MAX] = {
		{ "help", no_argument, NULL, OPT_HELP },
		{ "version", no_argument, NULL, OPT_VERSION },
	};
	char letters[2 * OPTIONS_MAX] = "h", *end = letters + 1;
	const struct program_option *o;
	int c, n = 2, r;

	for (o = p->options; o->name && n < OPTIONS_MAX - 1; o++) {
		longs[n++] =
			(struct option){ o->name, has_argument(o) ? required_argument : no_argument,
					 NULL, OWN_FIRST + (int)(o - p->options) };
		if (o->letter)
			*end++ = o->letter;
		if (o->letter && has_argument(o))
			*end++ = ':';
	}
	optind = 1;
	while ((c = getopt_long(argc, argv, letters, longs, NULL)) >= 0) {
		if (c == OPT_HELP)
			print_help(p);
		else if (c == OPT_VERSION)
			printf("%s %s\n", p->name, PROJECT_VERSION);
		if (c == OPT_HELP || c == OPT_VERSION)
			return PROGRAM_E_TOLD;
		if (c == '?')
			return -EINVAL; /* getopt has said what is wrong */
		for (o = p->options; c < OWN_FIRST && o->name && o->letter != c; o++)
			;
		if (c >= OWN_FIRST)
			o = &p->options[c - OWN_FIRST];
		r = store(p, o, optarg, to);
		if (r < 0)
			return r;
	}
	if (optind < argc && !*p->arguments) {
		fprintf(stderr, "%s: %s is one argument too many: it takes none; see %s --help\n",
			p->name, argv[optind], p->name);
		return -EINVAL;
	}
	*ret_first = optind;
	return 0;
}
