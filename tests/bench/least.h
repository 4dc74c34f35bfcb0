/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * least.h - the least that a keeper in a process of its own costs: two processes that do what any
 * keeper and any service on the bus must do for the same result, and nothing else. They know no
 * users, limits, records, logs or threads, and believe what they are told.
 *
 *   keeper    takes descriptors from a socket of SOCK_SEQPACKET, up to LEAST_MAX with a packet. For
 *             each it calls fstat(2), mmap(2), the two watches of our kernel module, if that is
 *             there, and ibv_reg_mr() with on-demand paging. One packet answers. When a filesystem
 *             wants blocks back the keeper has a holder asked, fences, and gives them back.
 *   service   passes on what comes over the bus to the keeper, and back. Messages are signals to
 *             one connection, which the bus lets everybody send, with as many descriptors as a bus
 *             passes that was not told to pass more.
 *
 * What always holds: both end with the program that started them.
 */
#ifndef RDMAREG_BENCH_LEAST_H
#define RDMAREG_BENCH_LEAST_H

#include <infiniband/verbs.h>
#include <stdbool.h>
#include <stddef.h>

#define LEAST_MAX 64 /* files at a time */
#define FAR_ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ)

enum least_way {
	LEAST_KEEPER,  /* spoken to directly; it sends signals of the bus itself */
	LEAST_SERVICE, /* the service is between them */
	_LEAST_WAYS
};

/* To be called before anything of verbs. @device: NULL: the first that there is. */
void least_start(const char *device);

/* Registers all of @fds whole; the microseconds that it took. */
double least_register_usec(enum least_way way, const int *fds, size_t n);

/*
 * Registers @fd whole, with a holder: a thread with a connection of its own, that is asked before
 * blocks are given back and answers at once. False: the filesystem does not ask, and nobody will be.
 */
bool least_hold(enum least_way way, int fd);

/* Lets go of all that is registered, and of the holder. */
void least_release(void);

#endif
