// SPDX-License-Identifier: GPL-2.0-or-later
/* options.c - see options.h. The table is proto/keeper-options.h. */
#include "keeper/options.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

enum { OPT_HELP = KEEPER_OPTION_COUNT };

static int parse_number(const struct keeper_option *which, const char *text, uint64_t *ret)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || *end || text[0] < '0' || text[0] > '9' || v < which->least ||
	    v > which->most) {
		log_error("--%s: \"%.60s\" is not a number between %" PRIu64 " and %" PRIu64,
			  which->name, text, which->least, which->most);
		return -EINVAL;
	}
	*ret = v;
	return 0;
}

static int check_session(const char *text)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(text);

	if (n >= 1 && n <= 48 && strspn(text, allowed) == n)
		return 0;
	log_error("--session: \"%.60s\" is not 1 to 48 of [A-Za-z0-9_.-]", text);
	return -EINVAL;
}

static int set(struct keeper_options *o, const struct keeper_option *which, const char *text)
{
	uint64_t v;
	int r;

	if (!which->size) {
		*keeper_option_text(o, which) = text;
		return 0;
	}
	r = parse_number(which, text, &v);
	if (r == 0)
		keeper_option_set(o, which, v);
	return r;
}

static void print_help(void)
{
	puts("rdmareg-keeper [OPTION...]\n"
	     "Holds the regions of one tenant. rdmaregd starts it, with a socket as descriptor 0.\n");
	for (const struct keeper_option *w = keeper_option_list;
	     w < keeper_option_list + KEEPER_OPTION_COUNT; w++) {
		printf("  --%-24s %s\n", w->name, w->help);
		if (w->size)
			printf("  %-26s %" PRIu64 " to %" PRIu64 ", default %" PRIu64 "\n", "",
			       w->least, w->most, w->number);
	}
	puts("  --help                     print this and exit");
}

static void set_defaults(struct keeper_options *o)
{
	for (size_t i = 0; i < KEEPER_OPTION_COUNT; i++)
		if (keeper_option_list[i].size)
			keeper_option_set(o, &keeper_option_list[i], keeper_option_list[i].number);
		else
			*keeper_option_text(o, &keeper_option_list[i]) = keeper_option_list[i].text;
	o->tenant_uid = getuid();
}

int options_parse(struct keeper_options *ret, int argc, char *argv[])
{
	struct option table[KEEPER_OPTION_COUNT + 2] = {
		[OPT_HELP] = { "help", no_argument, NULL, OPT_HELP },
	};
	struct keeper_options o;
	int which, r;

	for (int i = 0; i < OPT_HELP; i++)
		table[i] =
			(struct option){ keeper_option_list[i].name, required_argument, NULL, i };
	set_defaults(&o);
	optind = 1;
	while ((which = getopt_long(argc, argv, "", table, NULL)) >= 0) {
		if (which == OPT_HELP) {
			print_help();
			return OPTIONS_E_HELP;
		}
		if (which > OPT_HELP)
			return -EINVAL; /* getopt has said what is wrong */
		r = set(&o, &keeper_option_list[which], optarg);
		if (r < 0)
			return r;
	}
	if (optind != argc) {
		log_error("unexpected argument \"%.60s\"", argv[optind]);
		return -EINVAL;
	}
	r = check_session(o.session);
	if (r < 0)
		return r;
	*ret = o;
	return 0;
}
