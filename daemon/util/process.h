/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * process.h - is a process, which cannot be waited for, at its end?
 *
 * A thread in an unkillable sleep keeps its process, with all that it has open, until the sleep
 * ends, which may be never. But once SIGKILL is pending for a thread it executes nothing of its
 * program any more. So such a process has locks and names, and does nothing with them.
 */
#ifndef RDMAREG_PROCESS_H
#define RDMAREG_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What /proc has of it under @name now, as a text, of a longer one the beginning: one open and one
 * read, which a file of a process needs no second of. False: there is none, or we may not know.
 */
bool process_read(pid_t pid, const char *name, char *ret, size_t size);
/* When it started, in the kernel's own unit; 0: there is none, or we may not know. */
uint64_t process_start(pid_t pid);
/*
 * There is a process of this number that started then, and each of its threads has ended or never
 * executes anything again. False also if that cannot be seen.
 */
bool process_is_over(pid_t pid, uint64_t start);
/*
 * There is a process of this number that started then, and it is frozen with its cgroup, as a
 * suspended job is: it executes nothing until somebody thaws it. False also if that cannot be seen.
 * Asks the kernel alone: no file of a filesystem on storage is read.
 */
bool process_is_frozen(pid_t pid, uint64_t start);
/* The same, where the path of cgroup.events is known already. */
bool process_is_frozen_in(const char *cgroup_events, pid_t pid, uint64_t start);
/*
 * Path of the file cgroup.events of its cgroup. False: it has none there, it cannot be seen, or it
 * does not fit.
 */
bool process_find_cgroup_events(pid_t pid, char *ret, size_t size);
/*
 * Its path in the unified hierarchy, which begins with a slash, as the kernel has it: any byte but
 * a newline. False: it has none there, it cannot be seen, or it does not fit.
 */
bool process_read_cgroup(pid_t pid, char *ret, size_t size);

#endif
