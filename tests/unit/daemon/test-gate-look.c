// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-gate-look.c - looks at tasks of which some do not come back: the loop goes on, other tasks
 * are looked at, and the watchdog has no reason to end anything.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate/gate-look.h"
#include "util/clock.h"
#include "util/deadman.h"

#define STUCK 1 /* task numbers: those of it do not come back before they are told */
#define PROMPT 2
#define ALICE 1000
#define BOB 1001

static int gate[2]; /* a byte for each look that may come back */

static int look_at(int task_fd, pid_t tid, struct gate_call *ret)
{
	char byte;

	assert(fcntl(task_fd, F_GETFD) >= 0); /* it outlives the look */
	if (tid == STUCK)
		assert(read(gate[0], &byte, 1) == 1);
	ret->number = tid;
	return tid == PROMPT ? 0 : -ESRCH;
}

static struct gate_lookout *lookout(uint64_t patience_usec)
{
	struct gate_lookout *l = NULL;

	assert(pipe(gate) == 0);
	assert(gate_lookout_new(&l, look_at, patience_usec) == 0);
	return l;
}

static struct gate_look *new_look(struct gate_lookout *l, pid_t tid, uid_t uid)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct gate_look *k;

	assert(fd >= 0);
	k = gate_look_new(l, fd, tid, uid);
	assert(k);
	return k;
}

static void let_back(int n)
{
	while (n--)
		assert(write(gate[1], "", 1) == 1);
}

/* Whatever others' looks do. */
static void must_be_prompt(struct gate_lookout *l, uid_t uid)
{
	struct gate_look *k = new_look(l, PROMPT, uid);
	struct gate_call call = { 0 };
	int r;

	do /* a busy machine may take longer than the patience */
		r = gate_look(k, true, &call);
	while (r == -EAGAIN);
	assert(r == 0 && call.number == PROMPT);
	gate_look_free(k);
}

static void await_back(struct gate_look *k)
{
	struct gate_call call;
	int r;

	do
		r = gate_look(k, true, &call);
	while (r == -EAGAIN);
	assert(r == -ESRCH);
}

static void test_stuck(void)
{
	struct gate_lookout *l = lookout(5000);
	struct gate_look *k = new_look(l, STUCK, ALICE);
	struct gate_call call;

	/* waited for once, however often it is asked; this ends */
	for (int i = 0; i < 100000; i++)
		assert(gate_look(k, true, &call) == -EAGAIN);
	must_be_prompt(l, ALICE);
	must_be_prompt(l, BOB);
	let_back(1);
	await_back(k);
	/* the next one is a look of its own */
	assert(gate_look(k, false, &call) == -EAGAIN);
	let_back(1);
	await_back(k);
	gate_look_free(k);
	gate_lookout_free(l);
}

/* One user's tasks do not take the threads of others. */
static void test_share(void)
{
	struct gate_lookout *l = lookout(0);
	struct gate_look *k[LOOKS_OF_A_USER + 1];
	struct gate_call call;

	for (int i = 0; i <= LOOKS_OF_A_USER; i++) {
		k[i] = new_look(l, STUCK, ALICE);
		assert(gate_look(k[i], true, &call) == -EAGAIN);
	}
	must_be_prompt(l, BOB);
	let_back(LOOKS_OF_A_USER);
	for (int i = 0; i < LOOKS_OF_A_USER; i++)
		await_back(k[i]);
	/* it had not begun: now there is room */
	assert(gate_look(k[LOOKS_OF_A_USER], false, &call) == -EAGAIN);
	let_back(1);
	await_back(k[LOOKS_OF_A_USER]);
	for (int i = 0; i <= LOOKS_OF_A_USER; i++)
		gate_look_free(k[i]);
	gate_lookout_free(l);
}

static void test_all_taken(void)
{
	struct gate_lookout *l = lookout(0);
	struct gate_look *k[LOOKS_AT_ONCE + 1];
	struct gate_call call;

	for (int i = 0; i <= LOOKS_AT_ONCE; i++) {
		k[i] = new_look(l, STUCK, (uid_t)(ALICE + i / LOOKS_OF_A_USER));
		assert(gate_look(k[i], false, &call) == -EAGAIN);
	}
	/* what is not wanted any more leaves its place when the thread comes back, or waits for one */
	for (int i = 0; i < LOOKS_AT_ONCE; i++)
		gate_look_free(k[i]);
	let_back(LOOKS_AT_ONCE + 1);
	await_back(k[LOOKS_AT_ONCE]);
	gate_look_free(k[LOOKS_AT_ONCE]);
	must_be_prompt(l, ALICE);
	gate_lookout_free(l);
}

/* What never comes back is left behind. */
static void test_end(void)
{
	struct gate_lookout *l = lookout(1000);
	struct gate_look *k = new_look(l, STUCK, ALICE);
	struct gate_call call;

	assert(gate_look(k, true, &call) == -EAGAIN);
	gate_look_free(k);
	gate_lookout_free(l);
	let_back(1); /* for the sanitizers: its thread frees what is left */
}

/* A look that lasts longer than the watchdog's time, which a busy machine needs to be long. */
static void test_watchdog(void)
{
	const uint64_t usec = 2 * USEC_PER_SEC;
	int status;
	pid_t pid = fork();

	assert(pid >= 0);
	if (!pid) {
		struct gate_lookout *l = lookout(USEC_PER_MSEC);
		struct gate_look *k = new_look(l, STUCK, ALICE);
		struct event_base *base = event_base_new();
		uint64_t until = now_monotonic_usec() + usec + usec / 2;
		struct deadman *d = NULL;
		struct gate_call call;

		assert(base && deadman_new(&d, base, usec) == 0);
		while (now_monotonic_usec() < until) {
			assert(gate_look(k, true, &call) == -EAGAIN);
			deadman_progress(d);
		}
		_exit(0);
	}
	assert(waitpid(pid, &status, 0) == pid && status == 0);
}

int main(void)
{
	test_watchdog();
	test_stuck();
	test_share();
	test_all_taken();
	test_end();
	return 0;
}
