// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-slurm-killed.c - the plugin's hooks, killed at each point where they do something that others see: each message that they
 * send, each file that they make, rename or remove. An epilog after that leaves nothing.
 *
 *   test-slurm-killed PLAYED PLUGIN
 *
 * Slurm and rdmaregd are played. Takes root, because epilogs become the job's user, and a kernel that lets us trace a child; else
 * this is skipped.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <linux/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rdmareg.h"
#include "tests/fakes/rdmaregd.h"

#define POINTS_MIN 4 /* of any hook: it says hello to the bus, and asks for something */
#define POINTS_MAX 500

static const char *played, *plugin;
static char base[] = "/tmp/test-slurm-killed.XXXXXX";
static struct rdmareg *c;

static void hook(const char *name, unsigned int job)
{
	char number[16], uid[16], directory[PATH_MAX];

	snprintf(number, sizeof(number), "%u", job);
	snprintf(uid, sizeof(uid), "%u", getuid());
	snprintf(directory, sizeof(directory), "directory=%s", base);
	execl(played, played, plugin, name, "1", number, uid, "0", "1", "0", directory, "wait=0",
	      (char *)NULL);
	_exit(127);
}

/* What others see of it, if it is let into the kernel. */
static int is_seen(const struct ptrace_syscall_info *i)
{
	const __u64 *args = i->entry.args;

	if (i->op != PTRACE_SYSCALL_INFO_ENTRY)
		return 0;
	switch (i->entry.nr) {
	case SYS_sendmsg:
	case SYS_connect:
	case SYS_mkdirat:
	case SYS_unlinkat:
	case SYS_renameat:
	case SYS_renameat2:
#ifdef SYS_mkdir
	case SYS_mkdir:
	case SYS_rmdir:
	case SYS_unlink:
	case SYS_rename:
#endif
		return 1;
	case SYS_openat:
		return (args[2] & O_CREAT) != 0;
	default:
		return 0;
	}
}

/*
 * The hook of a job, killed at the @point'th of them, counted from 1. Returns 1 if it was, 0 if it
 * has ended before; then it has succeeded. -1: nobody may be traced here.
 */
static int kill_at(const char *name, unsigned int job, unsigned int point)
{
	int status, signal = 0;
	pid_t child = fork();

	assert(child >= 0);
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
			_exit(126);
		raise(SIGSTOP);
		hook(name, job);
	}
	assert(waitpid(child, &status, 0) == child);
	if (!WIFSTOPPED(status))
		return -1;
	assert(ptrace(PTRACE_SETOPTIONS, child, NULL,
		      (void *)(uintptr_t)(PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL)) == 0);
	for (;;) {
		struct ptrace_syscall_info info;

		assert(ptrace(PTRACE_SYSCALL, child, NULL, (void *)(intptr_t)signal) == 0);
		assert(waitpid(child, &status, 0) == child);
		if (!WIFSTOPPED(status)) {
			assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
			return 0;
		}
		signal = WSTOPSIG(status);
		/* the one of execve is none of its own */
		if (signal == SIGTRAP)
			signal = 0;
		if (signal != (SIGTRAP | 0x80))
			continue;
		signal = 0;
		if (ptrace(PTRACE_GET_SYSCALL_INFO, child, (void *)sizeof(info), &info) < 0)
			return -1;
		if (is_seen(&info) && --point == 0) {
			assert(kill(child, SIGKILL) == 0);
			assert(waitpid(child, &status, 0) == child);
			return 1;
		}
	}
}

static void run(const char *name, unsigned int job)
{
	assert(kill_at(name, job, UINT_MAX) == 0);
}

static void nothing_is_left(const char *after, unsigned int point, unsigned int job)
{
	struct rdmareg_session_info info = { .size = sizeof(info) };
	struct rdmareg_region_info region = { .size = sizeof(region) };
	struct rdmareg_list_options options = { .size = sizeof(options) };
	struct rdmareg_list *list;
	char path[PATH_MAX], session[32];
	int is_there, regions;

	snprintf(session, sizeof(session), "slurm.%u", job);
	snprintf(path, sizeof(path), "%s/%u/%u", base, getuid(), job);
	options.session = session;
	is_there = rdmareg_session_get(c, getuid(), session, &info) == 0;
	assert(rdmareg_list(c, &options, &list) == 0);
	regions = rdmareg_list_next(list, &region);
	rdmareg_list_free(list);
	if (is_there || regions || access(path, F_OK) == 0) {
		printf("%s killed at point %u: session %d, regions %d, files %d\n", after, point,
		       is_there, regions, access(path, F_OK) == 0);
		assert(0);
	}
}

/* 0: it was killed at each of its points; 77: nobody may be traced here. */
static int test_hook(const char *name, unsigned int job)
{
	unsigned int point;
	int killed = 1;

	for (point = 1; killed && point < POINTS_MAX; point++, job++) {
		if (strcmp(name, "job_prolog") != 0)
			run("job_prolog", job);
		if (!strcmp(name, "job_epilog"))
			run("task_init", job);
		killed = kill_at(name, job, point);
		if (killed < 0)
			return 77;
		run("job_epilog", job);
		nothing_is_left(name, point, job);
		/* a prolog that comes again, as when slurmd is started anew, finds all as at first */
		run("job_prolog", job);
		run("job_epilog", job);
		nothing_is_left(name, point, job);
	}
	printf("%s: %u points\n", name, point - 2);
	assert(point > POINTS_MIN && point < POINTS_MAX);
	return 0;
}

int main(int argc, char **argv)
{
	char command[PATH_MAX];
	pid_t mock;
	int r;

	assert(argc == 3);
	played = argv[1];
	plugin = argv[2];
	if (getuid() != 0 || mock_bus_start())
		return 77;
	mock = mock_daemon_start();
	assert(mkdtemp(base));
	setenv("SLURMD_NODENAME", "n1", 1);
	setenv("SPANK_RDMAREG", "1", 1);
	setenv("SLURM_RDMAREG", "/proc/self/exe,name=model;memfd:4096,name=m", 1);
	/* which cannot be while somebody traces it */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	assert(rdmareg_open(NULL, &c) == 0);
	r = test_hook("job_prolog", 1000);
	if (r == 0)
		r = test_hook("task_init", 2000);
	if (r == 0)
		r = test_hook("job_epilog", 3000);
	rdmareg_close(c);
	mock_daemon_stop(mock);
	mock_bus_stop();
	snprintf(command, sizeof(command), "rm -rf '%s'", base);
	assert(system(command) == 0);
	return r;
}
