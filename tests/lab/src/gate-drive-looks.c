// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-drive-looks.c - looking at tasks (daemon/gate/gate-task.h), which waits for nobody: not for one either that is about to sleep and has no
 * processor, since others of its user keep that busy. That a look waited shows in the switches of this thread, however slow the machine is.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate-drive.h"
#include "gate/gate-task.h"

#define PAIRS 4
#define HOGS 3
#define ROUNDS 400u
#define ROUNDS_MAX 20000u
#define BEAT 4096 /* as much as the pipe holds */

/* Two of them wake each other and fall asleep, again and again. */
struct dozer {
	pid_t pid;
	int in, out;
	int task_fd;
};

static struct dozer dozers[2 * PAIRS];
static pid_t others[HOGS + 1];
static int beats[2];

/* On a processor that is not ours. */
static bool go_there(void)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(1, &one);
	return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && sched_setaffinity(0, sizeof(one), &one) == 0;
}

static pid_t start_dozing(const struct dozer *self)
{
	pid_t pid = fork();
	char c = 0;

	must(pid >= 0, "fork");
	if (pid > 0)
		return pid;
	while (go_there() && write(self->out, &c, 1) == 1 && read(self->in, &c, 1) == 1)
		;
	_exit(1);
}

static pid_t start_working(void)
{
	pid_t pid = fork();

	must(pid >= 0, "fork");
	while (pid == 0 && go_there())
		;
	return pid;
}

/* Tells that the others have had their turn. */
static pid_t start_beating(void)
{
	static const char beat[BEAT];
	pid_t pid = fork();

	must(pid >= 0, "fork");
	while (pid == 0 && go_there() && write(beats[1], beat, BEAT) == BEAT)
		;
	return pid;
}

static void start_all(void)
{
	must(pipe(beats) == 0 && fcntl(beats[1], F_SETPIPE_SZ, BEAT) == BEAT, "a pipe");
	for (int i = 0; i < PAIRS; i++) {
		struct dozer *a = &dozers[2 * i], *b = a + 1;
		int there[2], back[2];

		must(pipe(there) == 0 && pipe(back) == 0, "pipes");
		*a = (struct dozer){ .in = back[0], .out = there[1] };
		*b = (struct dozer){ .in = there[0], .out = back[1] };
	}
	for (int i = 0; i < 2 * PAIRS; i++) {
		dozers[i].pid = start_dozing(&dozers[i]);
		dozers[i].task_fd = gate_task_open(dozers[i].pid);
		must(dozers[i].task_fd >= 0, "a task to look at");
	}
	for (int i = 0; i < HOGS; i++)
		others[i] = start_working();
	others[HOGS] = start_beating();
}

static void end_it(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void end_all(void)
{
	for (int i = 0; i < 2 * PAIRS; i++) {
		end_it(dozers[i].pid);
		close(dozers[i].task_fd);
		close(dozers[i].in);
		close(dozers[i].out);
	}
	for (int i = 0; i <= HOGS; i++)
		end_it(others[i]);
	close(beats[0]);
	close(beats[1]);
}

static long times_slept(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return u.ru_nvcsw;
}

void test_looks(void)
{
	unsigned int rounds = 0, asleep = 0, running = 0, waited = 0;
	char why[256] = "", beat[BEAT];
	struct gate_call call;
	cpu_set_t ours;

	CPU_ZERO(&ours);
	CPU_SET(0, &ours);
	must(gate_task_probe(why, sizeof(why)) == 0, why);
	must(sched_setaffinity(0, sizeof(ours), &ours) == 0, "a processor for us");
	start_all();
	for (; rounds < ROUNDS || ((!asleep || !running) && rounds < ROUNDS_MAX); rounds++) {
		must(read(beats[0], beat, BEAT) == BEAT, "a beat");
		for (int i = 0; i < 2 * PAIRS; i++) {
			long before = times_slept();
			int r = gate_task_call(dozers[i].task_fd, dozers[i].pid, &call);

			waited += times_slept() != before;
			asleep += r == 0;
			running += r == -EAGAIN;
		}
	}
	check(!waited, "a look at a task waits for nobody (%u did; %u saw it asleep, %u running)", waited,
	      asleep, running);
	check(asleep && running, "tasks were seen asleep and running");
	end_all();
}
