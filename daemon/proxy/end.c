// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * end.c - how a keeper's process ended, for the one line that tells what was lost with it. A
 * keeper is not our child. If its parent has reaped it, the pidfd has its exit status (Linux 6.15);
 * if it is still a zombie, /proc/PID/stat has it.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "proxy/proxy.h"

/*
 * PIDFD_GET_INFO of include/uapi/linux/pidfd.h, as far as it is needed; the kernel fills as much as
 * it is given room for.
 */
struct end_info {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t ids[11];
	int32_t exit_code;
};
#define GET_END_INFO _IOWR(0xFF, 11, struct end_info)
#define END_INFO_EXIT (UINT64_C(1) << 3)

static bool ask_pidfd(int pidfd, int *ret_status)
{
	struct end_info info = { .mask = END_INFO_EXIT };

	if (pidfd < 0 || ioctl(pidfd, GET_END_INFO, &info) < 0 || !(info.mask & END_INFO_EXIT))
		return false;
	*ret_status = info.exit_code;
	return true;
}

/* The last word of the line, of a process that has ended and is still there. */
static bool ask_proc(pid_t pid, int *ret_status)
{
	char path[40], line[1024], state, *at;
	bool known = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fgets(line, sizeof(line), f) && (at = strrchr(line, ')')) &&
	    sscanf(at + 1, " %c", &state) == 1 && state == 'Z' && (at = strrchr(line, ' '))) {
		*ret_status = atoi(at);
		known = *ret_status != 0; /* it is 0 also for who may not know */
	}
	fclose(f);
	return known;
}

/* It may be reaped in between: then its pidfd, which had nothing yet, has it. */
static bool ask(const struct proxy *k, int *ret_status)
{
	return ask_pidfd(k->pidfd, ret_status) || ask_proc(k->pid, ret_status) ||
	       ask_pidfd(k->pidfd, ret_status);
}

static void describe_status(int status, char *out, size_t size)
{
	const char *name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : NULL;

	if (WIFSIGNALED(status))
		snprintf(out, size, "was killed by signal %d%s%s", WTERMSIG(status),
			 name ? ", SIG" : "", name ? name : "");
	else
		snprintf(out, size, "ended with exit status %d", WEXITSTATUS(status));
}

void proxy_describe_idle_end(const struct proxy *k, struct failure *ret)
{
	int status = 0;

	/* a process that ended well and is not there any more says nothing else than that */
	if (ask(k, &status) && status)
		proxy_describe_end(k, ret);
	else
		fail(ret, -EPIPE, "it was idle, and its process %d has ended", k->pid);
}

void proxy_describe_end(const struct proxy *k, struct failure *ret)
{
	const struct record_keeper *about = k->record ? record_keeper(k->record) : NULL;
	const char *unit = about ? about->unit : "";
	char how[64] = "has ended";
	int status = 0;

	if (ask(k, &status))
		describe_status(status, how, sizeof(how));
	fail(ret, -EPIPE, "its process %d (user id %" PRIu32 ") %s: see %s%s%s", k->pid,
	     about ? about->runs_as : UINT32_MAX, how,
	     *unit ? "journalctl -u " : "its lines in the log of rdmaregd", unit,
	     WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
		     ? "; journalctl -k tells whether the kernel did so for lack of memory"
		     : "");
}
