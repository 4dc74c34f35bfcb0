// SPDX-License-Identifier: GPL-2.0-or-later
/* gate-task.c - see gate-task.h. */
#include "gate/gate-task.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/cleanup.h"

#define NOBODY 65534u
#define PF_KTHREAD 0x00200000u /* include/linux/sched.h */

static int open_file(pid_t tid, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", tid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* Its beginning, with a 0 at the end. False: it cannot be read. */
static bool read_file(pid_t tid, const char *name, char *text, size_t size)
{
	_cleanup_(closep) int fd = open_file(tid, name);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	text[n > 0 ? n : 0] = 0;
	return n >= 0;
}

int gate_task_open(pid_t tid)
{
	return open_file(tid, "syscall");
}

/*
 * By the flags in its stat, which no program can set. No kernel thread also where they cannot be
 * read: better asked once too often.
 */
static enum gate_kernel_work kernel_work(pid_t tid)
{
	char text[4096], *rest;
	unsigned int flags;

	if (!read_file(tid, "stat", text, 512))
		return GATE_NO_KERNEL_THREAD;
	rest = strrchr(text, ')'); /* a name can have any character, also this one */
	if (!rest || sscanf(rest, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1 ||
	    !(flags & PF_KTHREAD))
		return GATE_NO_KERNEL_THREAD;
	return read_file(tid, "stack", text, sizeof(text)) ? gate_stack_parse(text)
							   : GATE_KERNEL_WORKS;
}

int gate_task_call(int task_fd, pid_t tid, struct gate_call *ret)
{
	char text[256];
	ssize_t n = pread(task_fd, text, sizeof(text) - 1, 0);
	int r;

	if (n < 0)
		return -errno;
	text[n] = 0;
	r = gate_call_parse(text, ret);
	if (r == 0 && !ret->sp && !ret->pc)
		ret->kernel_thread = kernel_work(tid);
	return r;
}

static bool is_capable(const struct __user_cap_data_struct *data, int capability)
{
	return data[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability);
}

/* NULL, or the capability that is missing. Root without it is one of the others in /proc. */
static const char *missing_capability(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return NULL;
	if (!is_capable(data, CAP_SYS_PTRACE))
		return "CAP_SYS_PTRACE";
	return is_capable(data, CAP_DAC_READ_SEARCH) || is_capable(data, CAP_DAC_OVERRIDE)
		       ? NULL
		       : "CAP_DAC_READ_SEARCH";
}

/* 0: it could be read, or it is gone. */
static int try_task(pid_t tid)
{
	_cleanup_(closep) int fd = gate_task_open(tid);
	struct gate_call call;
	int r = fd < 0 ? fd : gate_task_call(fd, tid, &call);

	return r == -EPERM || r == -EACCES ? -EPERM : 0;
}

/*
 * One process of another user, if there is one: who that is cannot be chosen, and it may end
 * meanwhile.
 */
static int try_another_user(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	struct stat st;
	int r = 0;

	if (!proc)
		return 0;
	while ((d = readdir(proc))) {
		pid_t pid = (pid_t)strtol(d->d_name, NULL, 10);

		if (pid <= 0 || fstatat(dirfd(proc), d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    st.st_uid == geteuid())
			continue;
		r = try_task(pid);
		break;
	}
	closedir(proc);
	return r;
}

int gate_task_probe(struct failure *why)
{
	const char *missing = missing_capability();
	int own;

	if (missing)
		return fail(
			why, -EPERM,
			"pre-content events require %s, so that the gate can see in /proc what a waiting process does, whoever runs it",
			missing);
	own = gate_task_open(getpid());
	if (own == -ENOENT)
		return fail(
			why, -EOPNOTSUPP,
			"this kernel has no /proc/PID/syscall (CONFIG_HAVE_ARCH_TRACEHOOK), without which the gate cannot tell reads from operations that free blocks");
	closep(&own);
	if (try_task(1) < 0 || try_another_user() < 0)
		return fail(
			why, -EPERM,
			"pre-content events require reading /proc/PID/syscall of other processes, which is refused; see kernel.yama.ptrace_scope and the security modules of this kernel");
	return 0;
}

void gate_task_process(pid_t tid, pid_t *ret_pid, uid_t *ret_uid)
{
	char text[1024], *line;
	unsigned int uid;

	*ret_pid = tid;
	*ret_uid = NOBODY;
	if (!read_file(tid, "status", text, sizeof(text)))
		return;
	/*
	 * a task's name comes first, with newlines escaped, so no name can pretend to be one of
	 * these lines
	 */
	line = strstr(text, "\nTgid:");
	if (line)
		sscanf(line, " Tgid: %d", ret_pid);
	line = strstr(text, "\nUid:");
	if (line && sscanf(line, " Uid: %u", &uid) == 1)
		*ret_uid = uid;
}
