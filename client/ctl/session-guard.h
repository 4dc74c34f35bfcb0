/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session-guard.h - what sees to it that nothing is left of `session run`, however that ends.
 *
 * What always holds: the guard is a process of its own, in a session of its own in which no signal
 * reaches it but SIGKILL. It made the session, as the user who called, and ends it when it is told
 * to, or when the other end of its socket is closed, which the kernel does for a process that was
 * killed. Then it removes the folder with the tickets, as the session's user.
 */
#ifndef RDMAREGCTL_SESSION_GUARD_H
#define RDMAREGCTL_SESSION_GUARD_H

#include <sys/types.h>

#include "ctl.h"

struct session_plan {
	uint32_t uid;
	const char *name;
	bool named; /* by the caller: may be another's, too */
	const struct rdmareg_session_limits *limits;
	bool limited;			 /* limits were given */
	uint64_t grace_usec, limit_usec; /* for its end, as in the library's options */
};

struct session_guard {
	pid_t pid;
	int fd;
};

/*
 * session_guard_begin - a session of that name, one that was there or a new one; without the right
 * to create sessions the name alone, unless limits were given
 * @ret: for session_guard_end(), which is needed only after success.
 * 0, or an exit status with the message printed. Before there is a connection to the bus.
 */
int session_guard_begin(const struct session_plan *plan, struct session_guard *ret);

/* Have a folder and all files in it removed in the end. */
void session_guard_folder(const struct session_guard *g, const char *path);

/*
 * session_guard_end - everything goes: returns when it is gone
 * Whoever has regions in the session has closed its connection. 0, or an exit status with the
 * message printed.
 */
int session_guard_end(struct session_guard *g);

/* From now on this process is that user, for good. 0, or an exit status with the message printed. */
int session_become(uint32_t uid);

#endif
