/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * deadman.h - a process that kills itself when it stops working.
 *
 * A POSIX timer of the kernel's sends SIGKILL to this process unless it is pushed forward in time.
 * The kernel runs it, so it also works for a process that is stopped (SIGSTOP), swapped out or
 * caught in a loop, with no second process and no service manager. The time a machine is suspended
 * does not count. fork(2) and exec leave the timer behind: children are not killed.
 */
#ifndef RDMAREG_DEADMAN_H
#define RDMAREG_DEADMAN_H

#include <stdint.h>

#define DEADMAN_MIN_USEC UINT64_C(4000)
#define DEADMAN_MAX_USEC (UINT64_C(86400) * 1000000)

struct event_base;
struct deadman;

/**
 * deadman_new - arm it; @base's loop has to run at least every @usec
 * Pushes the timer forward from a loop timer at a quarter of @usec, so a loop that is late by three
 * quarters of it lives. -EINVAL: @usec is not between the bounds above; -ENOMEM; -EAGAIN (the limit
 * on pending signals, RLIMIT_SIGPENDING, counts timers).
 */
int deadman_new(struct deadman **ret, struct event_base *base, uint64_t usec);
/*
 * Within a turn of the loop that has much to do: it is slow, and not at a stand. Cheap; NULL is
 * fine.
 */
void deadman_progress(struct deadman *d);
struct deadman *deadman_free(struct deadman *d); /* disarms; NULL is fine */
void deadman_freep(struct deadman **d);

#endif
