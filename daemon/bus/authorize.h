/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * authorize.h - what takes more than owning something: root may, others may if polkit says so.
 *
 * polkit is asked on the bus we serve, about the caller's unique name there: unlike a process
 * number it is never used twice.
 *
 * What always holds:
 *   - Only the call waits. It is one of its client's waiting calls, so there are not more questions
 *     than those.
 *   - A question ends with polkit's answer, with its time, or with the caller's connection, in
 *     which case polkit is told that nobody asks any more. Nothing is done then, and nothing of it
 *     is left.
 *   - Without polkit, and after any error, the answer is no, and says why.
 */
#ifndef RDMAREG_BUS_AUTHORIZE_H
#define RDMAREG_BUS_AUTHORIZE_H

#include <stddef.h>

#include "bus/bus-internal.h"

struct question;

enum action {
	ACTION_HOLD,
	ACTION_EVICT,
	ACTION_REPLACE, /* the right to evict, asked for with other words */
	ACTION_ENFORCE,
	ACTION_DAX,
	ACTION_DRAIN,
	ACTION_RELOAD,
	ACTION_SESSIONS,
	_ACTION_MAX,
};

/*
 * What is done when polkit said yes, with what a handler of bus.h does with its call and failure.
 * @fd: what it takes over, with offload_close(); -1: there is none
 */
typedef int authorized_t(struct bus *b, struct client *c, int fd, const void *request,
			 struct call *call, struct failure *ret);

/* What may be asked about, and what for. */
struct authorization {
	enum action action;
	authorized_t *then;
	int fd;		     /* taken over, unless it is refused; -1: none */
	const char *path;    /* of the file, for people and for polkit's rules */
	const void *request; /* copied */
	size_t request_size;
};

/**
 * authorize - ask polkit, then do it
 * @call: says who asks and whether polkit may ask him for a password; waits, and is answered in any
 *        case if this
 * returns 0
 *
 * The caller is not root: whoever is needs no question.
 * BUS_E_REFUSED: it cannot be asked, @call is untouched.
 */
int authorize(struct bus *b, const struct authorization *a, struct call *call, struct failure *ret);

/* The caller is gone. Frees it; the call is not answered by it any more. */
void question_withdraw(struct question *q);

#endif
