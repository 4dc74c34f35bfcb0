// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-program.c - a command line read by its table: what is given is stored, what is wrong is
 * refused with what it may be, and --help has each option.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/program.h"

struct choices {
	bool flag, either;
	const char *text, *path;
	int word;
};

#define AT(member) offsetof(struct choices, member)

static const char *const words[] = { "", "one", "two", "three", NULL };
static const struct program_option options[] = {
	{ "flag", 'f', OPTION_FLAG, AT(flag), NULL, "sets it" },
	{ "either", 0, OPTION_FLAG, AT(either), NULL, "sets the other" },
	{ "neither", 0, OPTION_NOT, AT(either), NULL, "takes it back" },
	{ "text", 't', OPTION_TEXT, AT(text), "TEXT", "any\nat all" },
	{ "path", 0, OPTION_PATH, AT(path), "PATH", "a path" },
	{ "word", 0, OPTION_WORD, AT(word), "WORD", "the default is none", words },
	{ NULL },
};
static const struct program some = { "some", "[THING...]", "Does some.", options };
static const struct program none = { "none", "", "Takes no argument.", options };

static char said[4096];

/* What it printed, on stdout or stderr, is in @said. */
static int parse(const struct program *p, struct choices *c, int *ret_first, int argc,
		 const char *const *argv)
{
	int out = dup(STDOUT_FILENO), err = dup(STDERR_FILENO), r;
	FILE *f = tmpfile();

	assert(f && out >= 0 && err >= 0 && fflush(stdout) == 0);
	assert(dup2(fileno(f), STDOUT_FILENO) >= 0 && dup2(fileno(f), STDERR_FILENO) >= 0);
	r = program_parse(p, c, argc, (char **)(uintptr_t)argv, ret_first);
	assert(fflush(stdout) == 0 && dup2(out, STDOUT_FILENO) >= 0);
	assert(dup2(err, STDERR_FILENO) >= 0);
	rewind(f);
	said[fread(said, 1, sizeof(said) - 1, f)] = 0;
	fclose(f);
	close(out);
	close(err);
	return r;
}
#define PARSE(p, c, ...)                                                                         \
	parse(p, c, &first, (int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)) - 1, \
	      (const char *[]){ __VA_ARGS__ })

static void test_stored(void)
{
	struct choices c = { .word = -1 };
	int first = -1;

	assert(PARSE(&some, &c, "some", NULL) == 0 && first == 1 && c.word == -1 && !c.flag);
	assert(PARSE(&some, &c, "some", "-f", "--text=a", "--path", "/b", "--word", "two", "--",
		     "-x", NULL) == 0);
	assert(c.flag && !strcmp(c.text, "a") && !strcmp(c.path, "/b") && c.word == 2);
	assert(first == 8 && !*said);
	assert(PARSE(&some, &c, "some", "-t", "b", "--either", NULL) == 0);
	assert(!strcmp(c.text, "b") && c.either);
	assert(PARSE(&some, &c, "some", "--either", "--neither", NULL) == 0 && !c.either);
}

static void test_refused(void)
{
	struct choices c = { .word = -1 };
	int first = -1;

	assert(PARSE(&some, &c, "some", "--word", "four", NULL) == -EINVAL);
	assert(!strcmp(said, "some: --word 'four': it must be one, two or three\n"));
	assert(PARSE(&some, &c, "some", "--word", "", NULL) == -EINVAL);
	assert(PARSE(&some, &c, "some", "--path", "b", NULL) == -EINVAL);
	assert(!strcmp(said, "some: --path 'b': it must be an absolute path\n"));
	assert(PARSE(&some, &c, "some", "--path", "", NULL) == -EINVAL);
	assert(PARSE(&some, &c, "some", "--what", NULL) == -EINVAL && strstr(said, "--what"));
	assert(PARSE(&some, &c, "some", "-x", NULL) == -EINVAL && *said);
	assert(PARSE(&some, &c, "some", "--text", NULL) == -EINVAL && *said);
	assert(PARSE(&some, &c, "some", "--flag=1", NULL) == -EINVAL && *said);
	assert(PARSE(&none, &c, "none", "thing", NULL) == -EINVAL && strstr(said, "thing"));
	assert(c.word == -1 && !c.path && !c.flag && first == -1);
}

static void test_told(void)
{
	struct choices c = { .word = -1 };
	int first = -1;

	assert(PARSE(&some, &c, "some", "--version", NULL) == PROGRAM_E_TOLD);
	assert(!strncmp(said, "some ", 5));
	assert(PARSE(&some, &c, "some", "-h", NULL) == PROGRAM_E_TOLD);
	assert(PARSE(&some, &c, "some", "--help", "--what", NULL) == PROGRAM_E_TOLD);
	assert(!strncmp(said,
			"some [OPTION...] [THING...]\n"
			"Does some.\n",
			39));
	for (const struct program_option *o = options; o->name; o++)
		assert(strstr(said, o->name) &&
		       strstr(said, strchr(o->help, 10) ? "any" : o->help));
	assert(strstr(said, "one, two or three; the default is none\n"));
	assert(strstr(said, "  -t, --text TEXT         any\n                          at all\n"));
}

int main(void)
{
	test_stored();
	test_refused();
	test_told();
	return 0;
}
