/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * error.h - the sentence and the bus error name of a thread's last failing call, and the one table
 * between D-Bus errors and errno.
 */
#ifndef RDMAREG_CLIENT_ERROR_H
#define RDMAREG_CLIENT_ERROR_H

#include <errno.h>
#include <stdarg.h>
#include <systemd/sd-bus.h>

/* What to do about an answer or a message that cannot be read. */
#define VERSIONS_DIFFER "do both sides run the same version of rdmareg?"

#define ERROR_BYTES 1000 /* of a sentence, with the terminating zero */

/*
 * What went wrong: a number for the program, a sentence for the person. The form that the daemon
 * has in util/failure.h; the library is under another licence, so it shares the form, not the file.
 */
struct failure {
	int code;	/* negative errno; 0: nothing did */
	char name[128]; /* of a D-Bus error; "": it came from elsewhere */
	char text[ERROR_BYTES];
};

/*
 * Fills @f; the name is empty. Returns the code: the error, negative whichever sign it was given
 * with. 0 counts as EIO: a failure has a number.
 */
int failure_fill(struct failure *f, int error, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/* Fills the thread's last failure and returns its code, so that a function can end with it. */
int fail(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * For public functions: returns from one whose caller left out an argument. What is checked comes
 * before the argument is used, and before anything is asked of anybody.
 */
#define NEED(argument)                                                                \
	do {                                                                          \
		if (!(argument))                                                      \
			return fail(EINVAL, "%s(): %s is NULL", __func__, #argument); \
	} while (0)

/*
 * fail_bus - a bus call that went wrong
 * @r: what sd-bus returned. @error: what it filled in, may be unset.
 * @format: what was asked, e.g. "registering /data/x"; the matter and a hint are appended.
 */
int fail_bus(const sd_bus_error *error, int r, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The thread's last failure, kept over calls that may fail as well, and put back. */
struct failure failure_keep(void);
int failure_put_back(const struct failure *f);

/* The errno (positive) of a D-Bus error name, or 0 for a name that is not in the table. */
int error_to_errno(const char *name);

#endif
