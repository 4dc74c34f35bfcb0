// SPDX-License-Identifier: GPL-2.0-or-later
/* agent.c - see agent.h. */
#include "agent.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_MSEC 5000

static pid_t agent;

static _Noreturn void become(int ready)
{
	char process[16], notify[16];

	snprintf(process, sizeof(process), "%d", (int)getppid());
	snprintf(notify, sizeof(notify), "%d", ready);
	fcntl(ready, F_SETFD, 0);
	/* an agent of the desktop goes first */
	execlp("pkttyagent", "pkttyagent", "--process", process, "--notify-fd", notify,
	       "--fallback", (char *)NULL);
	_exit(127);
}

/*
 * It asks on the controlling terminal, which a session of its own has not, even if its standard
 * input is a terminal; there it would only complain.
 */
static bool can_ask(void)
{
	int fd;

	if (!isatty(STDIN_FILENO))
		return false;
	fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

void agent_begin(void)
{
	struct pollfd p = { .events = POLLIN };
	int ready[2];

	if (agent || geteuid() == 0 || !can_ask() || pipe2(ready, O_CLOEXEC) < 0)
		return;
	agent = fork();
	if (agent == 0)
		become(ready[1]);
	close(ready[1]);
	p.fd = ready[0];
	if (agent > 0)
		poll(&p, 1, READY_MSEC); /* it closes its end, by being ready or by ending */
	close(ready[0]);
}

void agent_end(void)
{
	if (agent <= 0)
		return;
	kill(agent, SIGTERM);
	kill(agent, SIGCONT);
	waitpid(agent, NULL, 0);
	agent = 0;
}
