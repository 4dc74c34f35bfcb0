// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-deadman.c - a process whose loop runs lives; one that is stopped, or caught in a loop, is
 * killed by the kernel. Each case is a child of its own, and the test asks only how it ended.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/deadman.h"

#define USEC UINT64_C(200000)
#define DISARMED_SEC 1 /* so long a busy machine may take to disarm it */

/* Runs @child in a process and returns how that ended, as waitpid(2) has it. */
static int run(void (*child)(struct event_base *base))
{
	pid_t pid = fork();
	int status;

	assert(pid >= 0);
	if (pid == 0) {
		struct event_base *base = event_base_new();

		assert(base);
		child(base);
		_exit(0);
	}
	assert(waitpid(pid, &status, 0) == pid);
	return status;
}

static void on_end(evutil_socket_t fd, short what, void *base)
{
	(void)fd, (void)what;
	event_base_loopbreak(base);
}

/* Lets the loop turn for @usec. */
static void turn(struct event_base *base, uint64_t usec)
{
	const struct timeval t = { .tv_sec = (time_t)(usec / 1000000),
				   .tv_usec = (suseconds_t)(usec % 1000000) };

	assert(event_base_once(base, -1, EV_TIMEOUT, on_end, base, &t) == 0);
	assert(event_base_dispatch(base) == 0);
}

static struct deadman *arm_for(struct event_base *base, uint64_t usec)
{
	struct deadman *d = NULL;

	assert(deadman_new(&d, base, usec) == 0 && d);
	return d;
}

static struct deadman *arm(struct event_base *base)
{
	return arm_for(base, USEC);
}

static void stopped(struct event_base *base)
{
	arm(base);
	raise(SIGSTOP); /* nobody continues it */
}

static void looping(struct event_base *base)
{
	sigset_t all;

	arm(base);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (volatile int i = 0;; i = !i) {
	}
}

static void stopped_after_turns(struct event_base *base)
{
	arm(base);
	turn(base, 3 * USEC);
	raise(SIGSTOP);
}

/*
 * Generous: a machine that keeps a process from running for ten seconds would be mistaken for a
 * stop.
 */
static void turning(struct event_base *base)
{
	struct deadman *d = NULL;

	assert(deadman_new(&d, base, 10000000) == 0);
	turn(base, USEC);
	deadman_free(d);
}

/* One turn that takes longer than the time, and says that it goes on. */
static void slow_turn(struct event_base *base)
{
	struct deadman *d = arm_for(base, 2 * UINT64_C(1000000));
	uint64_t end = now_monotonic_usec() + 3 * UINT64_C(1000000);

	while (now_monotonic_usec() < end)
		deadman_progress(d);
	deadman_progress(NULL);
	deadman_free(d);
}

/* What it would have been killed for, after disarming. */
static void disarmed(struct event_base *base)
{
	struct timespec left = { .tv_sec = 2 * DISARMED_SEC };
	sigset_t none;

	deadman_free(arm_for(base, DISARMED_SEC * UINT64_C(1000000)));
	sigemptyset(&none);
	sigtimedwait(&none, NULL, &left);
}

/* A child of an armed process is not killed in its place. */
static void forked(struct event_base *base)
{
	struct timespec left = { .tv_sec = 2 * DISARMED_SEC };
	struct deadman *d = arm_for(base, DISARMED_SEC * UINT64_C(1000000));
	sigset_t none;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		sigemptyset(&none);
		sigtimedwait(&none, NULL, &left);
		_exit(42);
	}
	deadman_free(d);
	assert(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 42);
}

static void test_bad_input(void)
{
	static const uint64_t bad[] = { 0, DEADMAN_MIN_USEC - 1, DEADMAN_MAX_USEC + 1, UINT64_MAX };
	struct event_base *base = event_base_new();
	struct deadman *d = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert(deadman_new(&d, base, bad[i]) == -EINVAL && !d);
	assert(deadman_new(&d, base, DEADMAN_MAX_USEC) == 0);
	assert(!deadman_free(d) && !deadman_free(NULL));
	event_base_free(base);
}

int main(void)
{
	int s;

	test_bad_input();
	s = run(stopped);
	assert(WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL);
	s = run(looping);
	assert(WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL);
	s = run(stopped_after_turns);
	assert(WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL);
	s = run(turning);
	assert(WIFEXITED(s) && WEXITSTATUS(s) == 0);
	s = run(slow_turn);
	assert(WIFEXITED(s) && WEXITSTATUS(s) == 0);
	s = run(disarmed);
	assert(WIFEXITED(s) && WEXITSTATUS(s) == 0);
	s = run(forked);
	assert(WIFEXITED(s) && WEXITSTATUS(s) == 0);
	return 0;
}
