// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-gate-task.c - what is seen of a task, each a child of this process: the call that it sleeps
 * in, that it runs, that it is gone.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate/gate-task.h"

#define SKIP 77

static int channel[2];

static void sleep_in_read(void)
{
	char c;

	while (read(channel[0], &c, 1) == 1)
		;
}

static void work(void)
{
	while (true)
		;
}

static pid_t start(void (*body)(void))
{
	pid_t pid = fork();

	assert(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	body();
	_exit(0);
}

static void end_it(pid_t pid)
{
	assert(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
}

/* It runs for a while before it sleeps. */
static int look(int fd, pid_t pid, struct gate_call *ret)
{
	int r;

	while ((r = gate_task_call(fd, pid, ret)) == -EAGAIN)
		;
	return r;
}

static void test_asleep(void)
{
	pid_t pid = start(sleep_in_read);
	struct gate_call call;
	int fd = gate_task_open(pid);

	assert(fd >= 0);
	for (int i = 0; i < 100; i++) {
		do
			assert(look(fd, pid, &call) == 0);
		while (call.number != SYS_read || call.args[0] != (uint64_t)channel[0]);
		assert(call.sp && call.pc && call.kernel_thread == GATE_NO_KERNEL_THREAD);
		assert(write(channel[1], "", 1) == 1);
	}
	end_it(pid);
	assert(gate_task_call(fd, pid, &call) == -ESRCH);
	close(fd);
}

static void test_running(void)
{
	pid_t pid = start(work);
	struct gate_call call;
	int fd = gate_task_open(pid);

	assert(fd >= 0);
	for (int seen = 0; seen < 1000;)
		seen += gate_task_call(fd, pid, &call) == -EAGAIN;
	end_it(pid);
	assert(gate_task_call(fd, pid, &call) == -ESRCH);
	close(fd);
}

int main(void)
{
	int own = gate_task_open(getpid());

	if (own < 0)
		return SKIP; /* no /proc/PID/syscall */
	close(own);
	assert(pipe(channel) == 0);
	test_asleep();
	test_running();
	return 0;
}
