/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * link.h - one connection to one keeper: packets in and out, nothing more.
 *
 * What always holds: a packet that is handed on is at least as long as its type requires, passed
 * proxy_message_check(), and has zeros where the sender sent nothing. Events of a type that we do
 * not know are not handed on. No descriptor is closed here: whose file it is, is the keeper's
 * choice, and closing it can wait for ever (util/offload.h). Nor is one left to the kernel, which
 * closes what a packet brings and nobody takes in the thread that receives it: each is taken,
 * wanted or not. The link's own socket is closed elsewhere, too, since what waits in it is closed
 * with it. A link reports its loss exactly once and from the event loop only: link_send() never
 * does.
 */
#ifndef RDMAREG_PROXY_LINK_H
#define RDMAREG_PROXY_LINK_H

#include <stdbool.h>
#include <sys/types.h>

#include <event2/event.h>

#include "keeper-protocol.h"

struct link;

struct link_handlers {
	/*
	 * NULL, or what is wrong with this packet: the link is then lost. Must not free the link.
	 */
	/* @fd: -1, or the descriptor that came with it; one that keeps it sets it to -1. */
	const char *(*received)(void *userdata, const struct keeper_message *m, int *fd);
	/* May a packet bring a descriptor now? */
	bool (*expects_descriptor)(void *userdata);
	/*
	 * One that received() did not keep, or the link's own, to be closed. Also from link_free().
	 */
	void (*drop_descriptor)(void *userdata, int fd);
	/* link_send_all() or link_send() had no room before, and can be tried again. */
	void (*writable)(void *userdata);
	/* @complaint: what was wrong; NULL: the other end closed. May free the link. */
	void (*lost)(void *userdata, const char *complaint);
};

/* -ENOENT, -ECONNREFUSED: nobody listens there; -EAGAIN: try again later. */
int link_connect(struct link **ret, struct event_base *base, const char *path,
		 const struct link_handlers *handlers, void *userdata);
struct link *link_free(struct link *l);

/* @fd: -1 or passed along. */
struct link_packet {
	const struct keeper_message *message;
	int fd;
};

#define LINK_PACKETS 16u /* that leave with one call */

/*
 * Sends up to LINK_PACKETS, and so wakes the other end once. How many left; if not all, there is no
 * room, and writable() will be called. A link that is lost takes everything.
 */
unsigned int link_send_all(struct link *l, const struct link_packet *p, unsigned int n);

/* One without a descriptor: 0, or -EAGAIN. */
int link_send(struct link *l, const struct keeper_message *m);

/*
 * Who listens at the other end: credentials as they were when it began to listen, and a pidfd of it
 * (-1: none to be had).
 */
int link_peer(struct link *l, pid_t *ret_pid, uid_t *ret_uid, int *ret_pidfd);

#endif
