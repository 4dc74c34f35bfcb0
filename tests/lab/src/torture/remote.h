/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * remote.h - the region of file a and its peer, in a process of their own: the region's owner, and a
 * peer in the other node's network. That process attends to what it is asked while this one is inside
 * a system call that takes blocks.
 *
 * What always holds: the peer's transfers go by librdmareg alone; a transfer that has to succeed is
 * tried again, on a new connection if it must, and said not to end after a minute.
 */
#ifndef REMOTE_H
#define REMOTE_H

#include "tape.h"

struct remote;

struct remote_counts {
	uint64_t regions[5];  /* that were registered, by the mode they got */
	uint64_t connections; /* of the peer */
	uint64_t asked;	      /* revocations that owner or peer heard of */
	uint64_t asked_pages; /* in their ranges */
	uint64_t failed;      /* transfers that were tried again, or given up */
};

/* This process's network becomes that one; if it cannot, the process ends. "": it stays where it is. */
void remote_enter(const char *network);

/* @network: a network namespace's file, in which the peer is, or "". NULL: out of memory. */
struct remote *remote_new(const char *network);

/* As perform of struct subject. @path: the file. */
int64_t remote_perform(struct remote *r, const char *path, const struct op *op, uint8_t *data);

const char *remote_why(const struct remote *r);

/* Releases the region and ends the process. @counts: added to. */
struct remote *remote_free(struct remote *r, struct remote_counts *counts);

#endif
