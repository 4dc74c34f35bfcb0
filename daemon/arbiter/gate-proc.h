/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gate-proc.h - what /proc tells about whoever waits at the gate. Needs CAP_SYS_PTRACE for other users' processes. */
#ifndef RDMAREG_GATE_PROC_H
#define RDMAREG_GATE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What the thread's /proc/TID/syscall reads. False: it cannot be read. */
bool proc_read_call(pid_t tid, char *out, size_t size);

/* The thread exists. */
bool proc_is_there(pid_t tid);

/* Its thread group; @tid itself if that cannot be told. */
pid_t proc_group_of(pid_t tid);

/* The flags of a struct open_how in its memory. False: it cannot be read. */
bool proc_read_how(pid_t tid, uint64_t address, uint64_t *ret_flags);

/*
 * A process, other than those that @is_excepted() is true for, that has the file open for writing. 0: none is seen. Looks at every
 * process, so it takes milliseconds.
 */
pid_t proc_find_writer(uint64_t device, uint64_t inode, bool (*is_excepted)(void *userdata, pid_t pid),
		       void *userdata);

#endif
