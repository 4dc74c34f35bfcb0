/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread.h - threads beside the one that has the loop. What always holds: nobody waits for one (it
 * is detached), and it is begun with every signal blocked, since signals are the loop's.
 */
#ifndef RDMAREG_UTIL_THREAD_H
#define RDMAREG_UTIL_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* @stack_bytes: 0: the usual. @ret: may be NULL. Negative errno: there is none. */
int thread_start(void *(*run)(void *userdata), void *userdata, size_t stack_bytes, pthread_t *ret);

#endif
