/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * harness-record.h - apart from harness.h, whose names are those that the daemon has for its own.
 */
#ifndef RDMAREG_TEST_HARNESS_RECORD_H
#define RDMAREG_TEST_HARNESS_RECORD_H

#include <stdbool.h>

/* The keeper of this record was started as this unit's run. */
bool record_set_run(const char *path, const char *unit, const char *invocation);

#endif
