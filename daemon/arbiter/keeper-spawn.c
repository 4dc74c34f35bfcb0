// SPDX-License-Identifier: GPL-2.0-or-later
/* keeper-spawn.c - see keeper-spawn.h: the command line, and the direct way. */
#include "arbiter/keeper-spawn.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/cleanup.h"

#define COMMAND_NUMBERS 17

char **spawn_command(const struct spawn_request *q)
{
	const struct settings *s = q->settings;
	const struct {
		const char *option;
		uint64_t value;
	} numbers[COMMAND_NUMBERS] = {
		{ "--port", s->port },
		{ "--daemon-uid", geteuid() },
		{ "--tenant-uid", q->uid },
		{ "--max-regions", s->regions_per_tenant },
		{ "--max-peers", s->peers_per_tenant },
		{ "--max-tickets", s->tickets_per_region },
		{ "--deadline-margin-msec", s->deadline_margin_msec },
		{ "--alignment", s->alignment },
		{ "--minimum-mtu", s->minimum_mtu },
		{ "--idle-exit-sec", s->idle_exit_sec },
		{ "--rnr-timer-usec", s->rnr_timer_usec },
		{ "--rnr-retries", s->rnr_retries },
		{ "--retries", s->retries },
		{ "--ack-timeout-msec", s->ack_timeout_msec },
		{ "--warm-bytes-per-sec", s->warm_bytes_per_sec },
		{ "--memory-stall-msec", s->memory_stall_msec },
		/* it says that storage hangs before it would seem to hang itself */
		{ "--storage-stall-msec", s->timeout_msec / 2 },
	};
	const char *texts[] = { q->program,	    "--session",       q->session,
				"--listen-address", s->listen_address, "--quirks-directory",
				s->quirks_directory };
	const size_t n_texts = sizeof(texts) / sizeof(texts[0]), n = n_texts + 2 * COMMAND_NUMBERS + 1;
	char **argv = malloc(n * sizeof(*argv) + COMMAND_NUMBERS * 24), *space = (char *)(argv + n);
	size_t i;

	if (!argv)
		return NULL;
	for (i = 0; i < n_texts; i++)
		argv[i] = (char *)(uintptr_t)texts[i];
	for (size_t k = 0; k < COMMAND_NUMBERS; k++) {
		argv[i++] = (char *)(uintptr_t)numbers[k].option;
		argv[i++] = space;
		space += sprintf(space, "%" PRIu64, numbers[k].value) + 1;
	}
	argv[i] = NULL;
	return argv;
}

/* What must not leak into a keeper: it is no service of its own, and not on the daemon's bus. */
static void clean_environment(void)
{
	static const char *const names[] = { "NOTIFY_SOCKET",
					     "WATCHDOG_PID",
					     "WATCHDOG_USEC",
					     "LISTEN_PID",
					     "LISTEN_FDS",
					     "LISTEN_FDNAMES",
					     "JOURNAL_STREAM",
					     "INVOCATION_ID",
					     "DBUS_SESSION_BUS_ADDRESS",
					     "DBUS_SYSTEM_BUS_ADDRESS",
					     "DBUS_STARTER_ADDRESS",
					     "DBUS_STARTER_BUS_TYPE" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

static int clean_signals(void)
{
	struct sigaction by_default = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int s = 1; s < _NSIG; s++)
		sigaction(s, &by_default, NULL); /* fails for those that cannot be changed */
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* As much as was set, or, where the daemon may not raise its own limit, as much as that is. */
static void set_memlock(uint64_t bytes)
{
	struct rlimit l = { bytes, bytes };

	if (setrlimit(RLIMIT_MEMLOCK, &l) == 0 || getrlimit(RLIMIT_MEMLOCK, &l) < 0)
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_MEMLOCK, &l);
}

/* The groups that the setting names; one that there is not is left out. */
static size_t find_groups(const char *names, gid_t *ret, size_t max)
{
	const struct group *group;
	char copy[128], *rest;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", names);
	for (char *name = strtok_r(copy, ",", &rest); name && n < max; name = strtok_r(NULL, ",", &rest)) {
		group = getgrnam(name);
		if (group)
			ret[n++] = group->gr_gid;
	}
	return n;
}

/*
 * Becomes the keeper's user. Looks names up here, in the child, where a slow directory service holds nobody
 * else up.
 */
static int become(const struct spawn_request *q, const char **ret_step)
{
	gid_t groups[16];
	size_t n;

	set_memlock(q->settings->memlock_bytes);
	if (geteuid() == 0) {
		n = find_groups(q->settings->group, groups, sizeof(groups) / sizeof(groups[0]));
		*ret_step = "capabilities";
		for (int c = 0; prctl(PR_CAPBSET_READ, c, 0, 0, 0) >= 0; c++)
			if (prctl(PR_CAPBSET_DROP, c, 0, 0, 0) < 0 && errno != EPERM)
				return -errno;
		*ret_step = "setgroups";
		if (setgroups(n, groups) < 0)
			return -errno;
		*ret_step = "setresgid";
		if (setresgid(q->runs_as, q->runs_as, q->runs_as) < 0)
			return -errno;
		*ret_step = "setresuid";
		if (setresuid(q->runs_as, q->runs_as, q->runs_as) < 0)
			return -errno;
	}
	*ret_step = "no_new_privs";
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* In the child's child: standard input is the socket, 3 the report, everything else is closed. */
static int arrange_descriptors(int socket, int report)
{
	/* above 3 first, so that neither dup2 closes what the other needs */
	int s = fcntl(socket, F_DUPFD_CLOEXEC, 4), r = fcntl(report, F_DUPFD_CLOEXEC, 4);

	if (s < 0 || r < 0 || dup2(s, STDIN_FILENO) < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0 ||
	    dup3(r, 3, O_CLOEXEC) < 0)
		return -errno;
	closefrom(4);
	return 3;
}

static _Noreturn void run_keeper(const struct spawn_request *q, char **argv, int report_fd)
{
	struct spawn_report report = { .pid = getpid() };
	const char *step = "descriptors";
	int r;

	/* one write of all that the parent waits for; the pid alone first */
	if (write(report_fd, &report, sizeof(report)) != sizeof(report))
		_exit(1);
	r = arrange_descriptors(q->socket, report_fd);
	if (r >= 0) {
		report_fd = r;
		step = "signals";
		r = clean_signals() < 0 ? -errno : 0;
	}
	if (r >= 0) {
		clean_environment();
		step = "chdir";
		r = chdir("/") < 0 ? -errno : 0;
	}
	if (r >= 0)
		r = become(q, &step);
	if (r >= 0) {
		umask(0077);
		execv(argv[0], argv);
		step = "exec";
		r = -errno;
	}
	report.error = -r;
	snprintf(report.step, sizeof(report.step), "%s", step);
	_exit(write(report_fd, &report, sizeof(report)) == sizeof(report) ? 1 : 2);
}

/*
 * Forks twice, so that the keeper is nobody's child. Signals stay blocked until the children have forgotten
 * our handlers.
 */
static int fork_keeper(const struct spawn_request *q, char **argv, int report_fd)
{
	sigset_t all, before;
	pid_t child;
	int status;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	child = fork();
	if (child == 0) {
		setsid();
		child = fork();
		if (child == 0)
			run_keeper(q, argv, report_fd);
		_exit(child < 0);
	}
	status = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (child < 0)
		return -status;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EAGAIN;
}

/* Real, effective, saved and filesystem user id. */
static bool read_ids(const char *pid, uint32_t ids[static 4])
{
	char path[64], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/status", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "Uid: %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu32, &ids[0], &ids[1],
			       &ids[2], &ids[3]) == 4;
	fclose(f);
	return found;
}

static int mark_used(bool *used, uint32_t first, uint32_t last)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;
	uint32_t ids[4];

	if (!processes)
		return -errno;
	while ((entry = readdir(processes)))
		if (isdigit((unsigned char)*entry->d_name) && read_ids(entry->d_name, ids))
			for (int i = 0; i < 4; i++)
				if (ids[i] >= first && ids[i] <= last)
					used[ids[i] - first] = true;
	closedir(processes);
	return 0;
}

int spawn_choose_id(const struct settings *s, uint32_t *ret)
{
	static uint32_t after; /* those that ended just now come last */
	_cleanup_(freep) bool *used = NULL;
	uint32_t first, last, n;
	int r;

	settings_keeper_uids(s, &first, &last);
	n = last - first + 1;
	used = calloc(n, sizeof(*used));
	if (!used)
		return -ENOMEM;
	r = mark_used(used, first, last);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = (after + i) % n;

		if (used[at])
			continue;
		after = at + 1;
		*ret = first + at;
		return 0;
	}
	return -EUSERS;
}

int spawn_direct(const struct spawn_request *q, pid_t *ret_pid, int *ret_pidfd, int *ret_report)
{
	_cleanup_(closep) int receive = -1, send = -1, pidfd = -1;
	_cleanup_(freep) char **argv = spawn_command(q);
	struct spawn_report report;
	int pipe_fds[2], r;
	ssize_t n;

	if (!argv)
		return -ENOMEM;
	if (geteuid() != 0 && q->uid != geteuid())
		return -EPERM;
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return -errno;
	receive = pipe_fds[0];
	send = pipe_fds[1];
	r = fork_keeper(q, argv, send);
	if (r < 0)
		return r;
	close(steal_fd(&send));
	do
		n = read(receive, &report, sizeof(report));
	while (n < 0 && errno == EINTR);
	if (n != sizeof(report))
		return -ECHILD;
	pidfd = pidfd_open(report.pid, 0); /* fails if it has ended already: then the report tells why */
	if (fcntl(receive, F_SETFL, O_NONBLOCK) < 0)
		return -errno;
	*ret_pid = report.pid;
	*ret_pidfd = steal_fd(&pidfd);
	*ret_report = steal_fd(&receive);
	return 0;
}
