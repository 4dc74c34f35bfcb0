/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate-look.h - looks at tasks (gate-task.h), each in a thread that can be given up.
 *
 * A look into /proc can last as long as somebody wants: while the task is in the middle of an
 * execve(2) that waits for I/O, or is about to sleep and gets no processor, since its user has
 * given all of that to others. The gate's loop must not stand still meanwhile, nor be ended by its
 * watchdog for that.
 *
 * What always holds: the loop waits for a look once, and no longer than the patience; after that it
 * asks whether it has come back. A thread is in one look at a time. Looks at one user's tasks have
 * at most LOOKS_OF_A_USER threads of LOOKS_AT_ONCE; a look that gets none is as one at a task that
 * runs: nothing is known yet.
 */
#ifndef RDMAREG_GATE_LOOK_H
#define RDMAREG_GATE_LOOK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "gate/gate-classify.h"

#define LOOKS_AT_ONCE 64
#define LOOKS_OF_A_USER 8

struct gate_lookout;
struct gate_look;

typedef int gate_look_at_t(int task_fd, pid_t tid, struct gate_call *ret);

/* @look_at: gate_task_call(). -ENOMEM */
int gate_lookout_new(struct gate_lookout **ret, gate_look_at_t *look_at, uint64_t patience_usec);
/* After the last gate_look_free(). Threads that do not come back are left to themselves. */
struct gate_lookout *gate_lookout_free(struct gate_lookout *l);

/* What is asked of one task again and again. Takes @task_fd over, also if it fails (NULL). */
struct gate_look *gate_look_new(struct gate_lookout *l, int task_fd, pid_t tid, uid_t uid);
struct gate_look *gate_look_free(struct gate_look *k);

/*
 * As gate_task_call(). -EAGAIN also while a thread looks: ask again. @wait: for the patience, if it
 * was not waited for yet; without it the answer is of a look that was begun by the call before.
 */
int gate_look(struct gate_look *k, bool wait, struct gate_call *ret);

#endif
