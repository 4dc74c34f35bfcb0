// SPDX-License-Identifier: GPL-2.0-or-later
/* process.c - see process.h. */
#include "util/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/macros.h"

bool process_read(pid_t pid, const char *name, char *ret, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return false;
	n = read(fd, ret, size - 1);
	close(fd);
	ret[n > 0 ? n : 0] = 0;
	return n > 0;
}

uint64_t process_start(pid_t pid)
{
	uint64_t began = 0;
	char line[1024], *s;

	if (!process_read(pid, "stat", line, sizeof(line)))
		return 0;
	/*
	 * the 22nd field; the second, the program's name, may contain anything, but nothing after
	 * it a ')'
	 */
	s = strrchr(line, ')');
	if (s)
		sscanf(s,
		       ") %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
		       &began);
	return began;
}

/*
 * A thread that has ended, or has SIGKILL pending. A status that is not there any more is an end,
 * too.
 */
static bool thread_is_over(const char *task, const char *number)
{
	uint64_t pending = 0;
	char path[320], line[256], state = 0;
	bool over = false;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/status", task, number);
	f = fopen(path, "re");
	if (!f)
		return errno == ENOENT || errno == ESRCH;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "State: %c", &state) == 1)
			over = state == 'Z' || state == 'X';
		else if (sscanf(line, "SigPnd: %" SCNx64, &pending) == 1)
			over = over || (pending & (UINT64_C(1) << (SIGKILL - 1)));
	}
	over = over || ferror(f); /* ESRCH: it ended meanwhile */
	fclose(f);
	return over;
}

bool process_is_over(pid_t pid, uint64_t start)
{
	struct dirent *d;
	bool over = true;
	char path[48];
	DIR *tasks;

	if (!start || process_start(pid) != start)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	tasks = opendir(path);
	if (!tasks)
		return false;
	while (over && (d = readdir(tasks)))
		if (isdigit((unsigned char)*d->d_name))
			over = thread_is_over(path, d->d_name);
	closedir(tasks);
	return over;
}

bool process_read_cgroup(pid_t pid, char *ret, size_t size)
{
	/* a line for each hierarchy, of which version 1 has some fifteen; ours is the last */
	char text[16 * (PATH_MAX + 32)], *line = text, *end;

	if (!process_read(pid, "cgroup", text, sizeof(text)))
		return false;
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = 0;
		if (!strncmp(line, "0::/", 4) && !strstr(line, "/../"))
			return (size_t)snprintf(ret, size, "%s", line + 3) < size;
	}
	return false;
}

bool process_find_cgroup_events(pid_t pid, char *ret, size_t size)
{
	/* where the unified hierarchy is alone, and where it is beside those of version 1 */
	static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/unified" };
	char cgroup[PATH_MAX];

	if (!process_read_cgroup(pid, cgroup, sizeof(cgroup)))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++) {
		int n = snprintf(ret, size, "%s%s/cgroup.events", roots[i], cgroup);

		if (n > 0 && (size_t)n < size && access(ret, F_OK) == 0)
			return true;
	}
	return false;
}

bool process_is_frozen_in(const char *cgroup_events, pid_t pid, uint64_t start)
{
	bool frozen = false;
	char line[64];
	FILE *f;

	if (!start)
		return false;
	f = fopen(cgroup_events, "re");
	while (f && fgets(line, sizeof(line), f))
		frozen = frozen || !strcmp(line, "frozen 1\n");
	if (f)
		fclose(f);
	/* looked at last: its number was not given to another process before */
	return frozen && process_start(pid) == start;
}

bool process_is_frozen(pid_t pid, uint64_t start)
{
	char path[PATH_MAX + 64];

	return start && process_find_cgroup_events(pid, path, sizeof(path)) &&
	       process_is_frozen_in(path, pid, start);
}
