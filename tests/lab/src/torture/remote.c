// SPDX-License-Identifier: GPL-2.0-or-later
/* remote.c - see remote.h. */
#include "remote.h"

#include "attendant.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MSEC 180000 /* longer than anything of an attendant's takes */

struct remote {
	struct desk *desk;
	int control;
	pid_t pid;
};

void remote_enter(const char *network)
{
	int fd;

	if (!*network)
		return;
	fd = open(network, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
		perror(network);
		_exit(2);
	}
	close(fd);
}

struct remote *remote_new(const char *network)
{
	struct remote *r = calloc(1, sizeof(*r));
	int ends[2];

	if (!r || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
		free(r);
		return NULL;
	}
	r->desk = mmap(NULL, sizeof(*r->desk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	r->pid = r->desk == MAP_FAILED ? -1 : fork();
	if (r->pid < 0)
		abort();
	if (r->pid == 0) {
		close(ends[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		remote_enter(network);
		attend(r->desk, ends[1]);
		_exit(0);
	}
	close(ends[1]);
	r->control = ends[0];
	return r;
}

int64_t remote_perform(struct remote *r, const char *path, const struct op *op, uint8_t *data)
{
	struct pollfd answer = { .fd = r->control, .events = POLLIN };
	char token = 0;

	snprintf(r->desk->path, sizeof(r->desk->path), "%s", path);
	snprintf(r->desk->why, sizeof(r->desk->why), "the peer's process does not answer");
	r->desk->op = *op;
	if (op->kind == OP_REMOTE_WRITE)
		memcpy(r->desk->data, data, op->length);
	if (send(r->control, &token, 1, MSG_NOSIGNAL) != 1)
		return -EPIPE;
	if (poll(&answer, 1, ANSWER_MSEC) != 1)
		return -ETIME;
	if (read(r->control, &token, 1) != 1)
		return -EPIPE;
	if (op->kind != OP_REMOTE_WRITE && r->desk->result > 0)
		memcpy(data, r->desk->data, (size_t)r->desk->result);
	return r->desk->result;
}

const char *remote_why(const struct remote *r)
{
	return r->desk->why;
}

struct remote *remote_free(struct remote *r, struct remote_counts *counts)
{
	const struct op release = { .kind = OP_RELEASE };

	if (!r)
		return NULL;
	if (remote_perform(r, "", &release, NULL) == -ETIME)
		kill(r->pid, SIGKILL);
	close(r->control);
	waitpid(r->pid, NULL, 0);
	for (size_t i = 0; i < sizeof(counts->regions) / sizeof(*counts->regions); i++)
		counts->regions[i] += r->desk->counts.regions[i];
	counts->connections += r->desk->counts.connections;
	counts->asked += r->desk->counts.asked;
	counts->asked_pages += r->desk->counts.asked_pages;
	counts->failed += r->desk->counts.failed;
	munmap(r->desk, sizeof(*r->desk));
	free(r);
	return NULL;
}
