/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * spec.h - what a job asks for: the argument of --rdmareg, and lists of such arguments as the
 * environment carries them from the place of submission to the nodes.
 *
 * What always holds: a text is accepted as a whole or not at all, with a sentence that says what is
 * wrong and what would be right. It is read again on each node, because a job's environment is the
 * user's.
 */
#ifndef RDMAREG_SLURM_SPEC_H
#define RDMAREG_SLURM_SPEC_H

#include <rdmareg.h>
#include <stddef.h>
#include <stdint.h>

#define SPEC_BYTES 4096 /* of the text of a list, with the terminating zero */
#define SPECS_MAX 16
#define SPEC_NAME_BYTES 65
#define SPEC_ERROR_BYTES 512
#define SPEC_VARIABLE_PREFIX "RDMAREG_FD_"
#define SPEC_VARIABLE_BYTES (sizeof(SPEC_VARIABLE_PREFIX) + SPEC_NAME_BYTES)

enum spec_source { SPEC_FILE = 1, SPEC_DAX, SPEC_MEMFD };

struct spec {
	enum spec_source source;
	enum rdmareg_access access;
	enum rdmareg_policy policy; /* 0: the daemon's default */
	uint64_t size;		    /* bytes; 0 of a file */
	uint64_t grace_usec;	    /* as struct rdmareg_register_options has it */
	uint8_t warm;		    /* 1: tasks start when its pages are prefetched */
	uint8_t required;	    /* 1: tasks do not start without it */
	uint8_t named;		    /* 1: its name was given */
	uint8_t rails; /* 1: on each device that the site names, not only on the first */
	char name[SPEC_NAME_BYTES]; /* within the job; given, or r1, r2, ... by its place */
	char path[SPEC_BYTES];	    /* of a file; else "" */
};

struct spec_list {
	size_t n;
	struct spec specs[SPECS_MAX];
	char text[SPEC_BYTES]; /* the same as spec_list_parse() reads it; "" when there is none */
};

/*
 * spec_list_add: one argument, FILE|dax:SIZE|memfd:SIZE[:r|rw][,warm][,required][,rails][,policy=P]
 * [,grace=TIME][,name=NAME]. 0, or -EINVAL with a sentence in @error; the list is as before then.
 */
int spec_list_add(struct spec_list *list, const char *argument, char error[SPEC_ERROR_BYTES]);

/* spec_list_parse: arguments with ";" between them, into an empty list; "none" is the empty list. */
int spec_list_parse(struct spec_list *list, const char *text, char error[SPEC_ERROR_BYTES]);

/*
 * spec_variable: the environment variable that has the descriptor of that region's memory. No two
 * regions of a list have the same one.
 */
void spec_variable(char ret[SPEC_VARIABLE_BYTES], const char *name);

/*
 * spec_printable: text of a user for a log: what is not printable ASCII, and the backslash, as \xNN;
 * cut, and "..." at its end, where it is too long. @bytes: at least 8.
 */
void spec_printable(char *ret, size_t bytes, const char *text);

/* spec_list_required: whether tasks must not start without one of them. */
int spec_list_required(const struct spec_list *list);

/* spec_list_rails: whether one of them is to be on several devices. */
int spec_list_rails(const struct spec_list *list);

#endif
