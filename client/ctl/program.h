/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * program.h - another program is run for what it prints. What always holds: of what it writes only
 * the named descriptor is read; the others are as ours, but for its standard output. It is not
 * waited for any longer than its caller said.
 */
#ifndef RDMAREGCTL_PROGRAM_H
#define RDMAREGCTL_PROGRAM_H

#include <stdint.h>

#define PROGRAM_NO_END UINT64_MAX

/*
 * @words: the program, found as execvp(3) does, and its arguments; ends with NULL. @of: which of
 * its descriptors is read. @until_usec: of program_now_usec(); then it is killed. @ret: what it
 * wrote, to be freed.
 * 0, or -EIO: it failed, or could not be run, and *ret is there all the same. -ETIMEDOUT: it did
 * not come to an end; others: it is not there, or could not be started. Then *ret is NULL.
 */
int program_read(const char *const words[], int of, uint64_t until_usec, char **ret);

uint64_t program_now_usec(void); /* CLOCK_MONOTONIC */

/* The daemon's own, which reads the settings; another one where this one is none of the system's. */
const char *program_daemon(void);

#endif
