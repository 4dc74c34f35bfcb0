/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * log-limit.h - how many lines one subject may cause: LOG_LIMIT_SAVED at once, then one every
 * LOG_LIMIT_USEC. What is left out is counted, and told before the next line that is written.
 *
 * A limit belongs to whoever can cause the lines (a tenant, a client), and is zero-initialized with
 * it.
 */
#ifndef RDMAREG_LOG_LIMIT_H
#define RDMAREG_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/log.h"

#define LOG_LIMIT_SAVED 1000
#define LOG_LIMIT_USEC 50000

struct log_limit {
	uint64_t full_usec; /* when all that is saved is there again */
	uint64_t left_out;
};

/*
 * May a line be written now? If so it counts. @kind, @name: of the subject, for the line that tells
 * what was left out.
 */
bool log_limit_pass(struct log_limit *l, int priority, const char *kind, const char *name);

/* log_about() and log_write() within a limit. */
#define log_limited_about(limit, kind, name, priority, fields, ...) \
	do {                                                        \
		if (log_limit_pass(limit, priority, kind, name))    \
			log_about(priority, fields, __VA_ARGS__);   \
	} while (0)

#define log_limited(limit, kind, name, priority, ...)            \
	do {                                                     \
		if (log_limit_pass(limit, priority, kind, name)) \
			log_write(priority, __VA_ARGS__);        \
	} while (0)

#endif
