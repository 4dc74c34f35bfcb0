// SPDX-License-Identifier: GPL-2.0-or-later
/* gate-task.c - see gate-task.h. */
#include "arbiter/gate-task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

int gate_task_open(pid_t tid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int gate_task_call(int task_fd, struct gate_call *ret)
{
	char text[256];
	ssize_t n = pread(task_fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return -errno;
	text[n] = 0;
	return gate_call_parse(text, ret);
}

pid_t gate_task_group(pid_t tid)
{
	_cleanup_(closep) int fd = -1;
	char path[64], text[512], *line;
	pid_t group;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/status", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return tid;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return tid;
	text[n] = 0;
	/* a task's name comes first, with newlines escaped, so no name can pretend to be this line */
	line = strstr(text, "\nTgid:");
	return line && sscanf(line, " Tgid: %d", &group) == 1 && group > 0 ? group : tid;
}
