/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plain.h - the other side of the comparisons: memory registered by an ordinary program with
 * ibv_reg_mr(), pinned or with on-demand paging.
 *
 * It speaks rdmareg-wire.h just enough to admit a peer, so that the same librdmareg peer reaches
 * both: what differs is only who registered the memory, and what is done for it. It is a process of
 * its own on node a, as a keeper is, while the measuring process moves to node b.
 *
 * What always holds: nothing warms this memory, and nobody watches it.
 */
#ifndef RDMAREG_BENCH_PLAIN_H
#define RDMAREG_BENCH_PLAIN_H

#include <stddef.h>

enum plain_kind { PLAIN_ODP, PLAIN_PINNED };

/*
 * Starts the process, then moves the caller to where the peer is (go_to_peer()). To be called before anything of verbs or librdmareg. @address: of node a.
 */
void plain_start(const char *address);

/*
 * Registers all of @fd; @ret_ticket: at least WIRE_TICKET_MAX bytes. Returns 0, or a negative
 * errno: what the kernel says to such a registration. Each ticket must be connected to, once,
 * before the next call of this function.
 */
int plain_register(int fd, size_t length, enum plain_kind kind, char *ret_ticket);

/* Lets go of everything registered. Peers must have been closed. */
void plain_release_all(void);

#endif
