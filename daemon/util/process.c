// SPDX-License-Identifier: GPL-2.0-or-later
/* process.c - see process.h. */
#include "util/process.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

uint64_t process_start(pid_t pid)
{
	char path[64], line[1024], *s;
	uint64_t began = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = pid > 0 ? fopen(path, "re") : NULL;
	if (!f)
		return 0;
	/*
	 * the 22nd field; the second, the program's name, may contain anything, but nothing after
	 * it a ')'
	 */
	s = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	if (s)
		sscanf(s,
		       ") %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %" SCNu64,
		       &began);
	fclose(f);
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
