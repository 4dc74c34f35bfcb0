/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * deadman.h - a process that kills itself when it stops working.
 *
 * A POSIX timer of the kernel's sends SIGKILL to this process unless it is pushed forward in time. The kernel runs it, so it also
 * works for a process that is stopped (SIGSTOP), swapped out or caught in a loop, with no second process and no service manager.
 */
#ifndef RDMAREG_DEADMAN_H
#define RDMAREG_DEADMAN_H

#include <stdbool.h>
#include <stdint.h>

struct event_base;
struct deadman;

/**
 * deadman_new - arm it; @base's loop has to run at least every @usec
 * Pushes the timer forward from a loop timer at a quarter of @usec. -ENOMEM, -EAGAIN (timer limit).
 */
int deadman_new(struct deadman **ret, struct event_base *base, uint64_t usec);
struct deadman *deadman_free(struct deadman *d); /* disarm */
void deadman_freep(struct deadman **d);

#endif
