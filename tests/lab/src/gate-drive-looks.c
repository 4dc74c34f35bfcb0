// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-drive-looks.c - looking at a task (daemon/gate/gate-task.h), which waits for nobody: not for one either that is about to sleep and has no
 * processor, since others of its user keep all of them busy. That a look waited shows in the switches of this thread, however slow the machine is.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate-drive.h"
#include "gate/gate-task.h"

#define HOGS 3
#define LOOKS 20000u

/* Two of them wake each other and fall asleep, again and again. */
static int wakes[2][2];

static void doze(int first)
{
	char c = 0;

	while (write(wakes[first][1], &c, 1) == 1 && read(wakes[!first][0], &c, 1) == 1)
		;
}

static void doze_first(void)
{
	doze(0);
}

static void doze_second(void)
{
	doze(1);
}

static void work(void)
{
	while (true)
		;
}

/* All on one processor, which is not ours. */
static pid_t start_beside(void (*body)(void))
{
	cpu_set_t one;
	pid_t pid = fork();

	must(pid >= 0, "fork");
	if (pid > 0)
		return pid;
	CPU_ZERO(&one);
	CPU_SET(1, &one);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sched_setaffinity(0, sizeof(one), &one) == 0)
		body();
	_exit(1);
}

static void end_it(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static long times_slept(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return u.ru_nvcsw;
}

void test_looks(void)
{
	unsigned int looks = 0, asleep = 0, running = 0;
	pid_t dozing, second, hogs[HOGS];
	struct gate_call call;
	bool waited = false;
	char why[256] = "";
	cpu_set_t ours;
	int fd, r;

	CPU_ZERO(&ours);
	CPU_SET(0, &ours);
	must(gate_task_probe(why, sizeof(why)) == 0, why);
	must(sched_setaffinity(0, sizeof(ours), &ours) == 0, "a processor for us");
	must(pipe(wakes[0]) == 0 && pipe(wakes[1]) == 0, "pipes");
	dozing = start_beside(doze_first);
	second = start_beside(doze_second);
	for (int i = 0; i < HOGS; i++)
		hogs[i] = start_beside(work);
	fd = gate_task_open(dozing);
	must(fd >= 0, "a task to look at");
	for (; looks < LOOKS && !waited; looks++) {
		long before = times_slept();

		r = gate_task_call(fd, dozing, &call);
		waited = times_slept() != before;
		asleep += r == 0;
		running += r == -EAGAIN;
	}
	check(!waited, "a look at a task waits for nobody (%u looks: %u asleep, %u running)", looks, asleep, running);
	check(waited || (asleep && running), "it was seen asleep and running");
	close(fd);
	end_it(dozing);
	end_it(second);
	for (int i = 0; i < HOGS; i++)
		end_it(hogs[i]);
}
