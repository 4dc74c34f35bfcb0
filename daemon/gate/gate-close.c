// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-close.c - see gate_close() in gate.h: one thread that closes what comes through a pipe. What
 * always holds: who calls it never waits for the thread; with the pipe full, or without a thread,
 * it closes by itself.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "gate/gate.h"
#include "util/thread.h"

static void *close_all(void *from)
{
	int in = (int)(intptr_t)from, fd;
	ssize_t n;

	while ((n = read(in, &fd, sizeof(fd))) == (ssize_t)sizeof(fd) || (n < 0 && errno == EINTR))
		if (n > 0)
			close(fd);
	return NULL;
}

/* The end to write to, or -1. */
static int start(void)
{
	int p[2], r;

	if (pipe2(p, O_CLOEXEC) < 0)
		return -1;
	r = thread_start(close_all, (void *)(intptr_t)p[0], 0, NULL);
	if (r == 0 && fcntl(p[1], F_SETFL, O_NONBLOCK) == 0)
		return p[1];
	close(p[1]); /* ends the thread */
	if (r)
		close(p[0]);
	return -1;
}

void gate_close(int fd)
{
	static int out = -1;

	if (out < 0)
		out = start();
	if (out < 0 || write(out, &fd, sizeof(fd)) != (ssize_t)sizeof(fd))
		close(fd);
}
