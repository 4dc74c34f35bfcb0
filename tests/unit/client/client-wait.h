/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * client-wait.h - what tests of the library do while something goes on elsewhere: wait for its
 * events on the descriptor, as a program would, and run a shell command beside themselves. Nothing
 * sleeps.
 */
#ifndef RDMAREG_TEST_CLIENT_WAIT_H
#define RDMAREG_TEST_CLIENT_WAIT_H

#undef NDEBUG
#include <assert.h>
#include <poll.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rdmareg.h"

/* The next event of the owner side, whatever it is. */
static inline struct rdmareg_event wait_event(struct rdmareg *c)
{
	struct rdmareg_event e = { .size = sizeof(e) };
	struct pollfd fd = { .fd = rdmareg_get_fd(c), .events = POLLIN };

	for (;;) {
		int r = rdmareg_next_event(c, &e);

		assert(r >= 0);
		if (r > 0)
			return e;
		assert(poll(&fd, 1, 60000) == 1);
		assert(rdmareg_dispatch(c) == 0);
	}
}

static inline pid_t begin_command(const char *command)
{
	pid_t pid = fork();

	assert(pid >= 0);
	if (!pid) {
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	return pid;
}

static inline void end_command(pid_t pid)
{
	int status;

	assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

#endif
