/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * errors.h - why a request was refused, in words, on its way to a D-Bus error.
 *
 * What always holds: a failure (util/failure.h) that these functions filled in has a name of
 * proto/names.h, and its text says what was asked, what is the matter and what to do; the two tables that make failures of numbers (errno, enum
 * registry_refusal) are here and nowhere else.
 */
#ifndef RDMAREG_BUS_ERRORS_H
#define RDMAREG_BUS_ERRORS_H

#include <stdint.h>

#include "core/registry.h"
#include "util/failure.h"

/*
 * Returned by what fills a struct failure with a name: the request is refused, nothing happened,
 * the caller must answer it.
 */
#define BUS_E_REFUSED 1

/* Always returns BUS_E_REFUSED, so that a check can end in return failure_set(...). */
int failure_set(struct failure *f, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* One of the registry's limits was reached by tenant @uid, @session asking for @bytes. */
int failure_from_refusal(struct failure *f, int refusal, const struct registry_limits *limits,
			 uint32_t uid, const char *session, uint64_t bytes);

/**
 * failure_from_errno - a keeper or the system said no
 * @what: what was asked, e.g. "registering region 7"
 * @error: negative errno
 * @detail: the other side's own words, or ""
 */
int failure_from_errno(struct failure *f, const char *what, int error, const char *detail);

#endif
