/* SPDX-License-Identifier: GPL-2.0-or-later */
/* print.h - a self-test's report, for people or as JSON. Goes to the standard output. */
#ifndef RDMAREG_SELFTEST_PRINT_H
#define RDMAREG_SELFTEST_PRINT_H

#include <stdbool.h>

#include "selftest/fsdax.h"
#include "selftest/supervise.h"

/* What the kernel does wrong on this machine, whatever the device. */
struct kernel_faults {
	struct fsdax item[FSDAX_MAX];
	size_t n;
	dev_t tried_on; /* the filesystem of the directory in which it was tried */
	struct finding tried;
};

/* Can the device be used as it is now? @ret_why: a sentence about it, at least 240 bytes. */
bool report_is_good(const struct report *r, char *ret_why, size_t size);

/* A table with a line before and after. 0 or a negative errno. */
int print_table(const struct report *r, bool legend);

/* An object on one line. */
int print_json(const struct report *r, const struct kernel_faults *k);

/* For people, once for all devices; nothing where there is none. */
void print_faults(const struct kernel_faults *k);

#endif
