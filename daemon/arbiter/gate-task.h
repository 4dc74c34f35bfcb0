/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate-task.h - what /proc says about a task that waits at the gate.
 *
 * What always holds: nothing in here waits for that task, whatever it does. So its memory is never read: it could be made to come from a slow
 * or malicious place (FUSE, userfaultfd), and this process would stand still.
 *
 * Needs CAP_SYS_PTRACE for other users' tasks.
 */
#ifndef RDMAREG_GATE_TASK_H
#define RDMAREG_GATE_TASK_H

#include <sys/types.h>

#include "arbiter/gate-classify.h"

/* A descriptor that means this task and no other, also if its number is used again later. -ENOENT, -ESRCH: gone; -EACCES, -EMFILE. */
int gate_task_open(pid_t tid);
/* What it is doing. -EAGAIN: it is running, ask again; -ESRCH: it is gone; else it cannot be read. */
int gate_task_call(int task_fd, struct gate_call *ret);
/* Its thread group, or @tid itself if that cannot be learned. */
pid_t gate_task_group(pid_t tid);

#endif
