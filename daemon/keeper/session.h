/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session.h - the keeper's end of the socket to rdmaregd (keeper-protocol.h).
 *
 * What always holds:
 *   - Only the daemon's user and root get in; the newest connection replaces the one before.
 *   - A packet is whole and makes sense, or the connection is closed with one line in the log and
 *     nothing else has changed.
 *   - Every descriptor that arrives is either handed to a request that wants one, or closed by the
 *     owner (close_file()); none is inherited by anybody.
 *   - The keeper never waits for the daemon, and nothing it has to say can overflow: answers are
 *     bounded by what was asked, since nothing more is read while many wait; events are dropped
 *     beyond a bound, and then KEEPER_RESYNC has the daemon list everything.
 *
 * Nothing in here knows what a request means.
 */
#ifndef RDMAREG_KEEPER_SESSION_H
#define RDMAREG_KEEPER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "keeper-protocol.h"
#include "util/cleanup.h"

struct event_base;
struct session;

/* Whom to answer: an operation of one particular connection. */
struct operation {
	uint64_t connection; /* from 1; 0: nobody */
	uint64_t number;
};

struct session_ops {
	/*
	 * @fd: a descriptor; a callee that keeps it sets it to -1. -1: there is none, for a
	 *      KEEPER_REGISTER because this process may open
	 * nothing more. Also called for KEEPER_HELLO, to be answered at once.
	 */
	void (*request)(void *userdata, const struct operation *op, const struct keeper_message *m,
			int *fd);
	/* A daemon came or went. Never called from within a call into the session. */
	void (*changed)(void *userdata, bool connected);
	/*
	 * The daemon has read so much that nothing waits any more: a good moment to tell it the
	 * state of things. May be NULL.
	 */
	void (*flushed)(void *userdata);
	/*
	 * Close a descriptor that went with session_answer_file(), or came and is wanted by nobody:
	 * to close a file can take for ever.
	 */
	void (*close_file)(void *userdata, int fd);
};

/**
 * session_check - does a packet make sense as the next one of a connection?
 * @size: bytes received, of which @packet has as many as there are in a struct keeper_message
 * @n_fds: descriptors that came with it
 * @greeted: KEEPER_HELLO was received, and there is a version that both speak
 * @ret: what it says to us. Of a type that we do not know, which is no fault, only the header
 *       counts.
 *
 * NULL, or what is wrong with it. Judges form only: sizes, types, descriptors, enumerations. Pure.
 */
const char *session_check(const void *packet, size_t size, size_t n_fds, bool greeted,
			  struct keeper_message *ret);

/**
 * session_new - listen
 * @fd: bound SOCK_SEQPACKET socket; not taken over on failure
 * @daemon_uid: who may connect, beside root
 * @events_max: events that may wait to be read by the daemon before it has to list everything
 *              instead
 *
 * -ENOTSOCK, -EPROTOTYPE: not such a socket; -ENOMEM; what listen(2) says.
 */
int session_new(struct session **ret, struct event_base *base, int fd, uid_t daemon_uid,
		size_t events_max, const struct session_ops *ops, void *userdata);
struct session *session_free(struct session *s);
DEFINE_FREEP(struct session, session_free)

/*
 * Answer a request; a copy is sent with the operation filled in. Dropped when that connection is
 * gone.
 */
void session_answer(struct session *s, const struct operation *op, const struct keeper_message *m);

/* The same with a descriptor, which is duplicated. */
void session_answer_file(struct session *s, const struct operation *op,
			 const struct keeper_message *m, int fd);

/* Tell the daemon; dropped when none is connected and greeted. */
void session_tell(struct session *s, const struct keeper_message *m);

/*
 * What was answered and told leaves now, and not when the loop has done what it is about. For what
 * others wait for while this end does more.
 */
void session_flush(struct session *s);

bool session_is_connected(const struct session *s);

/* True if the connection @op came from is still there. */
bool session_is_waiting(const struct session *s, const struct operation *op);

/* True when the daemon reads, and has missed nothing. */
bool session_is_flushed(const struct session *s);

#endif
