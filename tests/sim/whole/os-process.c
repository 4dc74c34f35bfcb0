// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * os-process.c - processes: who runs next, and how one ends.
 *
 * What always holds: a process that was killed does nothing any more, and its sockets close in that
 * moment; its pidfd is ready from then on. Its memory is lost to this world, which is short.
 */
#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "whole.h"

struct process *os_processes;
struct process *os_current;

static pid_t last_pid = 1000;
static jmp_buf left;

struct process *os_process_new(const char *name, uid_t uid)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->pid = ++last_pid;
	p->uid = uid;
	p->alive = true;
	p->next = os_processes;
	os_processes = p;
	return p;
}

void os_kill(struct process *p)
{
	if (!p->alive)
		return;
	os_trace("%s ends", p->name);
	p->alive = false;
	os_thread_forget(p);
	os_sockets_forget(p);
	os_files_forget(p);
}

void os_stop(struct process *p, uint64_t usec)
{
	uint64_t from = p->stopped_until > os_now ? p->stopped_until : os_now;

	if (os_now + usec <= from)
		return;
	os_trace("%s is stopped for %" PRIu64 " ms", p->name, usec / 1000);
	p->stopped_usec += os_now + usec - from;
	p->stopped_until = os_now + usec;
}

bool os_is_stopped(const struct process *p)
{
	return p->stopped_until > os_now;
}

uint64_t os_stopped(const struct process *p)
{
	return p->stopped_usec - (os_is_stopped(p) ? p->stopped_until - os_now : 0);
}

void os_leave(void)
{
	longjmp(left, 1);
}

static void loop_turn(struct process *p)
{
	os_current = p;
	p->slept = false;
	if (setjmp(left) == 0) {
		whole_before_turn(p);
		if (p->alive)
			event_base_loop(p->base, EVLOOP_ONCE);
		if (p->alive)
			whole_after_turn(p, event_base_got_break(p->base) && !p->slept);
	} else {
		os_kill(p);
	}
	if (!p->slept)
		p->wake_usec = os_now;
	os_current = NULL;
	os_now += os_random(world.turn_usec);
}

bool os_step(uint64_t *ret_when)
{
	struct process *chosen = NULL;
	bool thread = false;
	uint32_t n = 0;

	for (struct process *p = os_processes; p; p = p->next) {
		uint64_t when = NEVER;
		bool ready;

		if (!p->alive)
			continue;
		if (os_is_stopped(p)) {
			if (p->stopped_until < *ret_when)
				*ret_when = p->stopped_until;
			continue;
		}
		if (os_thread_ready(p, &when) && os_random(++n) == 0) {
			chosen = p;
			thread = true;
		}
		ready = p->base && (p->wake_usec <= os_now || p->told_to_end ||
				    whole_wants_turn(p) || os_epoll_ready(p));
		if (ready && os_random(++n) == 0) {
			chosen = p;
			thread = false;
		}
		if (p->base && p->wake_usec < when)
			when = p->wake_usec;
		if (when < *ret_when)
			*ret_when = when;
	}
	if (!chosen)
		return false;
	if (thread)
		os_thread_turn(chosen);
	else
		loop_turn(chosen);
	return true;
}

/* --- in libc's place */

void _exit(int status)
{
	if (os_on && os_current) {
		os_trace("it exits with status %d", status);
		os_leave();
	}
	syscall(SYS_exit_group, status);
	abort();
}

pid_t getpid(void)
{
	return os_on && os_current ? os_current->pid : (pid_t)syscall(SYS_getpid);
}

uid_t geteuid(void)
{
	return os_on ? 0 : (uid_t)syscall(SYS_geteuid);
}

int pidfd_send_signal(int fd, int number, siginfo_t *info, unsigned int flags)
{
	struct process *p = os_object(fd);

	(void)info, (void)flags;
	if (os_kind(fd) != OS_PIDFD) {
		errno = EBADF;
		return -1;
	}
	if (!p->alive) {
		errno = ESRCH;
		return -1;
	}
	if (number)
		os_trace("sends signal %d to %s", number, p->name);
	if (number)
		whole_signalled(p, number);
	p->untidy |= number == SIGKILL;
	if (number == SIGKILL)
		os_kill(p);
	else if (number)
		p->told_to_end = true;
	return 0;
}

/* Whoever is asked for has an account; the user database is on storage. */
int getpwuid_r(uid_t uid, struct passwd *entry, char *names, size_t size, struct passwd **ret)
{
	(void)names, (void)size;
	os_storage("getpwuid_r");
	*entry = (struct passwd){ .pw_uid = uid };
	*ret = entry;
	return 0;
}

/* Of the processes of this machine there are none that have an id of ours. */
DIR *opendir(const char *path)
{
	int fd = (int)syscall(SYS_openat, AT_FDCWD, !strcmp(path, "/proc") ? "/proc/self/ns" : path,
			      O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? NULL : fdopendir(fd);
}
