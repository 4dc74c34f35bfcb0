/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * failure.h - what went wrong: a number for the program that branches on it, and a sentence for the
 * person who reads about it. The only type of the daemon's processes for that.
 *
 * A function that can fail in a way a person hears of takes a struct failure, last of its arguments
 * that are not ret_ ones, and returns fail(f, -ENOSPC, "..."). What it calls fills the same one, so
 * nothing is composed twice. The sentence says what was asked, what is the matter and what to do.
 *
 * What always holds: a failure that was filled in has a code other than 0 and a terminated text; a
 * text that does not fit is cut, never refused. Without a failure nothing is written.
 */
#ifndef RDMAREG_FAILURE_H
#define RDMAREG_FAILURE_H

#include <stdarg.h>

#define FAILURE_TEXT_MAX 600 /* with the terminating zero */

struct failure {
	int code;	  /* as the function returned it: a negative errno, or BUS_E_REFUSED */
	const char *name; /* of a D-Bus error, static; NULL: the code says enough (bus/errors.h) */
	char text[FAILURE_TEXT_MAX];
};

/* Fills @f (may be NULL) and returns @error, so that a function can end with it. */
int fail(struct failure *f, int error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int fail_va(struct failure *f, int error, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

#endif
