// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * arguments.c - command lines read after the verbs' tables. getopt_long() does the walking, so
 * options may stand anywhere, be shortened, be joined with "=", and "--" ends them.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "format.h"

/* JSON is the first: some verbs refuse it. */
static const struct option_spec common[] = {
	{ "json", ARG_FLAG, offsetof(struct ctl, json), NULL, "print JSON" },
	{ "no-legend", ARG_FLAG, offsetof(struct ctl, no_legend), NULL, "print no headings" },
	{ "no-pager", ARG_FLAG, offsetof(struct ctl, no_pager), NULL,
	  "accepted; output is never paged" },
	{ "help", ARG_FLAG, offsetof(struct ctl, help), NULL, "show this text" },
	{ NULL },
};

enum { OPTIONS_MAX = 32 };

static void print_options(const struct option_spec *o)
{
	char left[64];

	for (; o && o->name; o++) {
		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->argument ? " " : "",
			 o->argument ? o->argument : "");
		printf("  %-31s %s\n", left, o->help);
	}
}

static void print_help(const struct verb *verb)
{
	printf("rdmaregctl %s [OPTION...] %s\n\n%s\n\n", verb->name, verb->arguments,
	       verb->summary);
	print_options(verb->options);
	print_options(common + !!verb->no_json);
	if (verb->no_json)
		printf("\n--json is refused: %s\n", verb->no_json);
	if (verb->exits)
		printf("\nExit status: %s\n", verb->exits);
}

/* What would have been right, for the message. */
static const char *form_of(const struct option_spec *o)
{
	switch (o->kind) {
	case ARG_COUNT:
		return "expected a whole number above 0, such as 1 or 10";
	case ARG_SIZE:
		return "expected a size: bytes, or with K, M, G or T, such as 4096 or 64M";
	case ARG_LENGTH:
		return "expected a size above 0: bytes, or with K, M, G or T, such as 4096 or 64M";
	case ARG_TIME:
		return "expected a time above 0: seconds, or with us, ms, s, min or h, such as 30 or 500ms";
	case ARG_GRACE:
		return "expected a time: seconds, or with us, ms, s, min or h, such as 2 or 500ms; 0: none";
	case ARG_RANGE:
		return "expected OFFSET:LENGTH: two sizes, the second above 0, such as 0:4096 or 1G:64M";
	case ARG_REPEAT:
		return "expected a whole number above 0, or forever";
	case ARG_STATE:
		return "expected one of registering, live, warming, draining, fenced or closing";
	case ARG_SESSION_STATE:
		return "expected one of active, draining or ended";
	case ARG_NUMBER_LIMIT:
		return "expected a whole number above 0, or default";
	case ARG_BYTES_LIMIT:
		return "expected a size above 0, such as 4096 or 64M, or default";
	case ARG_LIST:
	case ARG_ACCESS:
	case ARG_POLICY:
	case ARG_ARBITRATE:
	case ARG_WARM_MODE:
	case ARG_TEXT:
	case ARG_FLAG:
		break;
	}
	return NULL;
}

/* A word must be one of an enumeration's; 0 means that it is not. */
static int store_word(void *place, unsigned int value)
{
	if (!value)
		return -EINVAL;
	memcpy(place, &value, sizeof(value));
	return 0;
}

static int store_limit(const struct option_spec *o, const char *text, void *place)
{
	bool bytes = o->kind == ARG_BYTES_LIMIT, same = !strcmp(text, "default");
	uint64_t most = bytes ? RDMAREG_BYTES_DEFAULT : RDMAREG_LIMIT_DEFAULT, value = most;
	int r = 0;

	if (!same)
		r = bytes ? parse_size(text, &value) : parse_number(text, &value);
	if (!r && !value)
		r = -EINVAL;
	if (!r && !same && value >= most)
		r = -ERANGE;
	if (r < 0)
		return r;
	if (bytes)
		*(uint64_t *)place = value;
	else
		*(uint32_t *)place = (uint32_t)value;
	return 0;
}

static int store_more(struct texts *t, const char *text)
{
	if (t->n == TEXTS_MAX)
		return -E2BIG;
	t->all[t->n++] = text;
	return *text ? 0 : -EINVAL;
}

static int store(const struct option_spec *o, const char *text, void *base)
{
	void *place = (char *)base + o->offset;
	uint64_t value = 0;
	int r = 0;

	switch (o->kind) {
	case ARG_FLAG:
		*(bool *)place = true;
		return 0;
	case ARG_TEXT:
		*(const char **)place = text;
		return *text ? 0 : -EINVAL;
	case ARG_ACCESS:
		return store_word(place, rdmareg_access_from_name(text));
	case ARG_POLICY:
		return store_word(place, rdmareg_policy_from_name(text));
	case ARG_ARBITRATE:
		return store_word(place, rdmareg_arbitrate_from_name(text));
	case ARG_WARM_MODE:
		return store_word(place, rdmareg_warm_mode_from_name(text));
	case ARG_STATE:
		return store_word(place, rdmareg_state_from_name(text));
	case ARG_SESSION_STATE:
		return store_word(place, rdmareg_session_state_from_name(text));
	case ARG_NUMBER_LIMIT:
	case ARG_BYTES_LIMIT:
		return store_limit(o, text, place);
	case ARG_LIST:
		return store_more(place, text);
	case ARG_SIZE:
		r = parse_size(text, &value);
		break;
	case ARG_RANGE:
		return parse_range(text, place);
	/* To the library 0 is "not said"; whoever says 0 means something else. */
	case ARG_LENGTH:
		r = parse_size(text, &value);
		if (!r && !value)
			r = -EINVAL;
		break;
	case ARG_TIME:
		r = parse_time(text, &value);
		if (!r && !value)
			r = -EINVAL;
		break;
	case ARG_GRACE:
		r = parse_time(text, &value);
		if (!r && !value)
			value = RDMAREG_NO_GRACE;
		break;
	case ARG_REPEAT:
		if (!strcmp(text, "forever")) {
			*(uint64_t *)place = UINT64_MAX;
			return 0;
		}
		r = parse_number(text, &value);
		if (!r && !value)
			r = -EINVAL;
		break;
	case ARG_COUNT:
		r = parse_number(text, &value);
		if (!r && !value)
			r = -EINVAL;
		break;
	}
	if (!r)
		*(uint64_t *)place = value;
	return r;
}

static int refuse(const struct verb *verb, const struct option_spec *o, const char *text, int error)
{
	const char *form = error == -ERANGE ? "expected a smaller number" : form_of(o);

	if (error == -E2BIG)
		return ctl_error(EXIT_USAGE, "%s: --%s %s: it is given %d times at most",
				 verb->name, o->name, text, TEXTS_MAX);
	if (form)
		return ctl_error(EXIT_USAGE, "%s: --%s %s: %s", verb->name, o->name, text, form);
	return ctl_error(EXIT_USAGE, "%s: --%s %s: expected %s", verb->name, o->name, text,
			 o->argument);
}

static int add_options(struct option *longs, int n, const struct option_spec *o, int first_value)
{
	for (int i = 0; o && o[i].name && n < OPTIONS_MAX - 1; i++)
		longs[n++] = (struct option){
			.name = o[i].name,
			.has_arg = o[i].kind == ARG_FLAG ? no_argument : required_argument,
			.val = first_value + i,
		};
	return n;
}

int arguments_parse(struct ctl *ctl, const struct verb *verb, int argc, char **argv, void *options,
		    int *ret_first)
{
	struct option longs[OPTIONS_MAX] = { 0 };
	enum { OWN = 1000, COMMON = 2000 };
	char most[32] = "";
	int n, c, given;

	n = add_options(longs, 0, verb->options, OWN);
	add_options(longs, n, common, COMMON);
	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		const struct option_spec *o;
		int r;

		if (c == ':')
			return ctl_error(EXIT_USAGE, "%s: option %s needs an argument", verb->name,
					 argv[optind - 1]);
		if (c == '?')
			return ctl_error(EXIT_USAGE,
					 "%s: no such option: %s; see: rdmaregctl %s --help",
					 verb->name, argv[optind - 1], verb->name);
		if (c == 'h') {
			ctl->help = true;
			continue;
		}
		o = c >= COMMON ? &common[c - COMMON] : &verb->options[c - OWN];
		r = store(o, optarg, c >= COMMON ? (void *)ctl : options);
		if (r < 0)
			return refuse(verb, o, optarg, r);
	}
	if (ctl->help) {
		print_help(verb);
		return -1;
	}
	if (ctl->json && verb->no_json)
		return ctl_error(EXIT_USAGE, "%s: --json: %s", verb->name, verb->no_json);
	given = argc - optind;
	if (given > verb->max_arguments) {
		if (strstr(verb->arguments, "..."))
			snprintf(most, sizeof(most), ": at most %d", verb->max_arguments);
		return ctl_error(
			EXIT_USAGE,
			"%s: %s is one argument too many%s; usage: rdmaregctl %s [OPTION...]%s%s",
			verb->name, argv[optind + verb->max_arguments], most, verb->name,
			*verb->arguments ? " " : "", verb->arguments);
	}
	if (given < verb->min_arguments)
		return ctl_error(EXIT_USAGE, "%s: %s; usage: rdmaregctl %s [OPTION...] %s",
				 verb->name,
				 given || verb->min_arguments == 1 ? "an argument is missing"
								   : "its arguments are missing",
				 verb->name, verb->arguments);
	*ret_first = optind;
	return 0;
}
