/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pass.h - packets between the processes of a benchmark program, with descriptors: sockets of
 * SOCK_SEQPACKET.
 */
#ifndef RDMAREG_BENCH_PASS_H
#define RDMAREG_BENCH_PASS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define PASS_MAX 64 /* descriptors of one packet */

/* False: errno says why. */
bool pass_send(int to, const void *data, size_t size, const int *fds, size_t n);

/*
 * Its length, with the descriptors that came with it, which are the caller's; 0 or less: the other
 * end has gone.
 */
ssize_t pass_receive(int from, void *data, size_t size, int fds[PASS_MAX], size_t *ret_n);

#endif
