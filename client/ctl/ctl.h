/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctl.h - what the verbs of rdmaregctl share. A verb is a table entry: its name, its options, its
 * function; help, parsing and completion all follow the table.
 *
 * What always holds: a verb returns an exit status, never calls exit(); what scripts read goes to
 * stdout, everything else to stderr.
 */
#ifndef RDMAREGCTL_CTL_H
#define RDMAREGCTL_CTL_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "rdmareg.h"

enum {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_DENIED = 4,
	EXIT_ATTENTION = 5,  /* it was told, and something needs somebody */
	EXIT_INCOMPLETE = 6, /* it was told, and nothing does of what could be seen, not all */
	EXIT_NO_HARDWARE = 77,
};

struct ctl {
	bool json;
	bool no_legend;
	bool no_pager; /* taken for the sake of scripts that always give it */
	bool help;
	bool color;		 /* stdout is a terminal that has them, and NO_COLOR is not set */
	struct rdmareg *context; /* ctl_context() */
};

enum argument_kind {
	ARG_FLAG,   /* bool, no argument */
	ARG_TEXT,   /* const char *, of argv */
	ARG_COUNT,  /* uint64_t, above 0 */
	ARG_SIZE,   /* uint64_t, bytes */
	ARG_LENGTH, /* uint64_t, bytes, above 0 */
	ARG_TIME,   /* uint64_t, usec, above 0 */
	ARG_GRACE,  /* uint64_t, usec, as the library has it: no time at all is RDMAREG_NO_GRACE */
	ARG_RANGE,  /* struct range */
	ARG_REPEAT, /* uint64_t; "forever" is UINT64_MAX */
	ARG_ACCESS, /* enum rdmareg_access */
	ARG_POLICY, /* enum rdmareg_policy */
	ARG_ARBITRATE,	   /* enum rdmareg_arbitrate */
	ARG_WARM_MODE,	   /* enum rdmareg_warm_mode */
	ARG_STATE,	   /* enum rdmareg_state */
	ARG_SESSION_STATE, /* enum rdmareg_session_state */
	ARG_NUMBER_LIMIT,  /* uint32_t, above 0; "default" is RDMAREG_LIMIT_DEFAULT */
	ARG_BYTES_LIMIT,   /* uint64_t, above 0; "default" is RDMAREG_BYTES_DEFAULT */
	ARG_LIST,	   /* struct texts: given once for each */
};

/* What an option was given that may be given often; of argv. */
#define TEXTS_MAX 64
struct texts {
	const char *all[TEXTS_MAX];
	size_t n;
};

struct option_spec {
	const char *name;
	enum argument_kind kind;
	size_t offset;	      /* into the verb's options, which begin all zero */
	const char *argument; /* how help calls it */
	const char *help;
};

struct verb {
	const char *name;      /* one word, or two: that of a group and its own */
	const char *arguments; /* for help */
	const char *summary;
	const struct option_spec *options; /* ends with a NULL name */
	int min_arguments, max_arguments;
	int (*run)(struct ctl *ctl, const void *options, char **arguments, int n);
	const char *exits; /* what its exit status says beside those of every verb; NULL: nothing */
	const char *no_json; /* why --json is refused; NULL: it is not */
};

/* Regions that one call brings, where many are listed. */
#define CTL_PAGE 1024

/* Room for any verb's options structure. */
#define OPTIONS_BYTES 2048

extern const struct verb verb_register, verb_list, verb_show, verb_release, verb_export,
	verb_prefetch, verb_set, verb_revoke, verb_sync, verb_enforce_limits, verb_evict, verb_who,
	verb_join, verb_watch, verb_put, verb_get;
extern const struct verb verb_session_create, verb_session_list, verb_session_show,
	verb_session_set, verb_session_drain, verb_session_release, verb_session_run;
extern const struct verb verb_keeper_list, verb_keeper_replace;
extern const struct verb verb_standing_list, verb_standing_remove, verb_standing_restore;
extern const struct verb verb_metrics;
extern const struct verb verb_top;
extern const struct verb verb_config_show, verb_config_check;
extern const struct verb verb_status, verb_doctor, verb_drain, verb_undrain;
extern const struct verb verb_reload, verb_selftest, verb_devices, verb_dax_create,
	verb_dax_destroy, verb_history;

/*
 * arguments_parse - the options of a verb and those every verb has
 * @options: OPTIONS_BYTES. @ret_first: index of the first argument that is no option.
 * 0; EXIT_USAGE with a message printed; -1: help was asked for and printed.
 */
int arguments_parse(struct ctl *ctl, const struct verb *verb, int argc, char **argv, void *options,
		    int *ret_first);

/* The connection, made on first use; NULL with the message printed and *ret_status set. */
struct rdmareg *ctl_context(struct ctl *ctl, int *ret_status);

/* A request that takes nothing and is answered with nothing; somebody may authorize it here. */
int ctl_request(struct ctl *ctl, int (*request)(struct rdmareg *c));

/*
 * Print "rdmaregctl: [subject: ]" and the library's sentence, and give the exit status for the
 * library's error.
 */
int ctl_failed(int error);
/*
 * An error of which either told was that rdmaregd itself does not answer: another call would wait
 * as long. ctl_left_out: so the other @n are not asked for, which is said.
 */
bool ctl_is_silent(void);
void ctl_left_out(size_t n);
int ctl_failed_about(const char *subject, int error);
int ctl_error(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How every ticket begins; errors show no more of one than this. */
#define CTL_TICKET_SCHEME "rdmareg://"
bool ctl_is_ticket(const char *text);

/*
 * verb-prefetch.c: all of a region, with progress and signals as the verb has them. An exit status.
 */
int ctl_prefetch_all(struct ctl *ctl, struct rdmareg_region *region);

/*
 * reference.c: a region on the command line is its number, or [USER:]SESSION/NAME. All return 0, or
 * the exit status with the message printed.
 *
 * ctl_parse_id: a number. ctl_find_id: the number of the region called so, which need not exist if
 * it is called by its number. ctl_find_name: of one called [USER:]SESSION/NAME; with @missing_ok 0
 * if there is none. ctl_lookup: its handle. ctl_parse_user: a user's name or number.
 */
int ctl_parse_id(const char *text, uint64_t *ret);
/* [USER:]SESSION/NAME. @ret_copy: of which the texts are parts; @ret_uid: UINT32_MAX: no user. */
int ctl_parse_name(const char *text, char **ret_copy, uint32_t *ret_uid, const char **ret_session,
		   const char **ret_name);
int ctl_find_name(struct ctl *ctl, const char *text, bool missing_ok, uint64_t *ret);
int ctl_find_id(struct ctl *ctl, const char *text, uint64_t *ret);
int ctl_parse_user(const char *text, uint32_t *ret);
int ctl_lookup(struct ctl *ctl, const char *text, struct rdmareg_region **ret);

/* A file that is only pointed at, not read. 0, or the exit status with the message printed. */
int ctl_open_path(const char *path, int *ret_fd);

/*
 * errno of an open(2) as an exit status, with the message printed. @how: "for reading" and the
 * like.
 */
int ctl_not_opened(const char *path, const char *how);

/* One line of JSON to stdout, at once; the object is freed. */
void ctl_print_json(json_object *o);

/* What was printed is written now. Whether it could be is main()'s to say, in the end. */
void ctl_flush(void);
/* errno says why something was not written, before a flush finds it. */
void ctl_not_written(void);

/* A terminal that can be drawn on: lines rewritten, colours. */
bool ctl_is_terminal(int fd);

static inline void region_cleanup(struct rdmareg_region **r)
{
	rdmareg_region_free(*r);
}

static inline void text_cleanup(char **text)
{
	free(*text);
}

#define _cleanup_(f) __attribute__((cleanup(f)))

#endif
