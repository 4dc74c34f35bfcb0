/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * keeper-drive-peer.h - a remote peer that does as it is told: a process in the other node, with
 * one connection, commanded over a socket pair. It acknowledges a revocation only when told to,
 * which no decent peer library lets one avoid.
 */
#ifndef KEEPER_DRIVE_PEER_H
#define KEEPER_DRIVE_PEER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rdmareg-wire.h"

struct puppet {
	pid_t pid;
	int fd;
	struct wire_accept accept;
	int refused; /* enum wire_refusal, or 0 */
};

#define PUPPET_ARGUMENT "--puppet"

/* The program was called with PUPPET_ARGUMENT: be one. */
int puppet_main(void);

/* @node: a network name space of ip-netns(8). */
void puppet_start(struct puppet *p, const char *node);

/* Present a ticket; true if connected, else @refused says why. */
bool puppet_connect(struct puppet *p, const char *ticket, uint16_t rights);

/* One page, filled with @byte; the completion's status (enum ibv_wc_status). */
int puppet_write(struct puppet *p, uint64_t offset, uint8_t byte);

/* One page at any address, with any key. */
int puppet_write_raw(struct puppet *p, uint64_t address, uint32_t rkey);

/* One page; @ret_byte its first byte. */
int puppet_read(struct puppet *p, uint64_t offset, uint8_t *ret_byte);

/* The next control message; false when none came within @msec. */
bool puppet_message(struct puppet *p, struct wire_message *ret, int msec);

/* Send an acknowledgement. */
void puppet_acknowledge(struct puppet *p, uint64_t revocation);

/* True if the connection manager says so within @msec. */
bool puppet_is_disconnected(struct puppet *p, int msec);

/* SIGKILL. */
void puppet_end(struct puppet *p);

#endif
