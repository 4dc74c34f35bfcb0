/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate-task.h - what /proc says about a task that waits at the gate.
 *
 * What always holds: nothing in here waits for what that task does. So its memory is never read: it
 * could be made to come from a slow or malicious place (FUSE, userfaultfd), and this process would
 * stand still. But the kernel has a look at a task that is about to sleep and has lost its
 * processor just before wait until it gets one (wait_task_inactive()). /proc/PID/wchan, which tells
 * without waiting that a task sleeps, is no way out: one that sleeps and is still in the
 * scheduler's queue looks the same there, and readers on a busy machine wait much longer for their
 * answer.
 *
 * Needs CAP_DAC_READ_SEARCH (to open) and CAP_SYS_PTRACE (to read) for other users' tasks.
 */
#ifndef RDMAREG_GATE_TASK_H
#define RDMAREG_GATE_TASK_H

#include <sys/types.h>

#include "gate/gate-classify.h"
#include "util/failure.h"

/*
 * A descriptor that means this task and no other, also if its number is used again later. -ENOENT,
 * -ESRCH: gone; -EACCES, -EMFILE.
 */
int gate_task_open(pid_t tid);
/*
 * Whether tasks of other users can be looked at: tried with one that there is, since what is in the
 * way may be no capability (Yama, a security module). 0, with a reason -EPERM; -EOPNOTSUPP: this
 * kernel does not tell what a task does.
 */
int gate_task_probe(struct failure *why);
/*
 * What it is doing. -EAGAIN: it is running, ask again; -ESRCH: it is gone; else it cannot be read.
 */
int gate_task_call(int task_fd, pid_t tid, struct gate_call *ret);
/*
 * Its thread group, or @tid itself if that cannot be learned; and the real user id, by whose right
 * it is there, or 65534.
 */
void gate_task_process(pid_t tid, pid_t *ret_pid, uid_t *ret_uid);

#endif
