/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * program.h - another program is run for what it prints. What always holds: of what it writes only
 * the named descriptor is read; the others are as ours, but for its standard output.
 */
#ifndef RDMAREGCTL_PROGRAM_H
#define RDMAREGCTL_PROGRAM_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

/*
 * @words: the program, found as execvp(3) does, and its arguments; ends with NULL. @of: which of
 * its descriptors is read. NULL with errno set: it is not there, or could not be started.
 */
FILE *program_start(const char *const words[], int of, pid_t *ret_pid);

/* Waits for its end, after what it printed was read. False: it failed, or could not be run. */
bool program_end(pid_t pid);

/* The daemon's own, which reads the settings; another one where this one is none of the system's. */
const char *program_daemon(void);

#endif
