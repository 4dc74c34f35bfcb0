// SPDX-License-Identifier: GPL-2.0-or-later
/* test-deadman.c - a process with a dead man's switch: it lives while its loop runs, and dies stopped, caught in a loop, and in no other case. */
#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/deadman.h"

#define SWITCH_USEC 1000000u

enum end { STOPS, HANGS, GOES_ON, DISARMS };

static void leave(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what, (void)userdata;
	_exit(7);
}

/* How a child ends that does this after it armed the switch. */
static int child(enum end end)
{
	const struct timeval soon = timeval_from_usec(SWITCH_USEC / 2),
			     late = timeval_from_usec(3 * SWITCH_USEC);
	struct event_base *base;
	struct deadman *d = NULL;
	pid_t pid = fork();
	int status;

	assert(pid >= 0);
	if (pid) {
		assert(waitpid(pid, &status, 0) == pid);
		return status;
	}
	base = event_base_new();
	assert(base && deadman_new(&d, base, SWITCH_USEC) == 0);
	evtimer_add(evtimer_new(base, leave, NULL), &late);
	if (end != GOES_ON)
		event_base_loopexit(base, &soon);
	event_base_loop(base, 0);
	if (end == STOPS)
		raise(SIGSTOP);
	if (end == DISARMS) {
		deadman_free(d);
		event_base_loop(base, 0); /* until leave() */
	}
	for (;;)
		;
}

int main(void)
{
	int status = child(STOPS);

	assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	status = child(HANGS);
	assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	status = child(DISARMS);
	assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	status = child(GOES_ON);
	assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	deadman_free(NULL);
	return 0;
}
