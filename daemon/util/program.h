/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * program.h - the command line of a program of the daemon, read by a table: one line for each
 * option says what it is called, where it goes, what it may be, and its help. What is parsed, what
 * --help prints and what is said of a wrong option follow from it.
 *
 * What always holds: every program also has --help, -h and --version. What is not given stays as
 * it was. (Options of rdmareg-keeper, which the daemon writes: proto/keeper-options.h.)
 */
#ifndef RDMAREG_PROGRAM_H
#define RDMAREG_PROGRAM_H

#include <stddef.h>

enum program_option_kind {
	OPTION_FLAG, /* bool: true */
	OPTION_NOT,  /* bool: false; what a flag says again, the other way round */
	OPTION_TEXT, /* const char *, of argv */
	OPTION_PATH, /* likewise, and absolute */
	OPTION_WORD, /* int: the place in @words */
};

struct program_option {
	const char *name;
	char letter; /* 0: none */
	enum program_option_kind kind;
	size_t offset; /* in the program's structure */
	const char *argument;
	const char *help;	  /* a \n goes on below */
	const char *const *words; /* ends with NULL; a place without a word is "" */
};

struct program {
	const char *name;
	const char *arguments; /* for help; "": it takes none */
	const char *summary;
	const struct program_option *options; /* ends with a NULL name */
};

#define PROGRAM_E_TOLD 1 /* --help or --version: it was printed */

/**
 * program_parse - the options, into the structure at @to
 * @ret_first: the first argument that is none
 * 0, PROGRAM_E_TOLD, or -EINVAL with a line on stderr.
 */
int program_parse(const struct program *p, void *to, int argc, char **argv, int *ret_first);

#endif
