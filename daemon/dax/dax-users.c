// SPDX-License-Identifier: GPL-2.0-or-later
/* dax-users.c - see dax-users.h. What always holds: this process itself is left out; nothing is opened below /dev.
   Without CAP_DAC_READ_SEARCH, as in the service, the descriptors of other users cannot be listed, and only their mappings are found. */
#include "dax/dax-users.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool has_open(const char *pid, dev_t device)
{
	char path[64 + NAME_MAX];
	const struct dirent *d;
	bool found = false;
	struct stat st;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	fds = opendir(path);
	if (!fds)
		return false;
	while (!found && (d = readdir(fds))) {
		if (!isdigit((unsigned char)d->d_name[0]))
			continue;
		found = fstatat(dirfd(fds), d->d_name, &st, 0) == 0 && S_ISCHR(st.st_mode) &&
			st.st_rdev == device;
	}
	closedir(fds);
	return found;
}

static bool has_mapped(const char *pid, const char *name)
{
	char path[64 + NAME_MAX], wanted[NAME_MAX], *line = NULL;
	bool found = false;
	size_t size = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%s/maps", pid);
	maps = fopen(path, "re");
	if (!maps) /* who may not be looked into may have it; who is gone has not */
		return errno == EACCES || errno == EPERM;
	snprintf(wanted, sizeof(wanted), "/%s", name);
	while (!found && getline(&line, &size, maps) > 0) {
		const char *at = strstr(line, wanted);

		/* behind it the line ends, or " (deleted)" */
		found = at && isspace((unsigned char)at[strlen(wanted)]);
	}
	free(line);
	fclose(maps);
	return found;
}

static void read_command(const char *pid, char *out, size_t size)
{
	char path[64 + NAME_MAX];
	FILE *f;

	snprintf(out, size, "?");
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fgets(out, (int)size, f))
		out[strcspn(out, "\n")] = 0;
	fclose(f);
}

int dax_user(const char *name, char *ret_command, size_t size)
{
	const struct dirent *d;
	char path[NAME_MAX];
	int pid = 0;
	struct stat st;
	DIR *proc;

	snprintf(path, sizeof(path), "/dev/%s", name);
	if (stat(path, &st) < 0)
		return 0;
	proc = opendir("/proc");
	if (!proc)
		return 0;
	while (!pid && (d = readdir(proc))) {
		int candidate = isdigit((unsigned char)d->d_name[0]) ? atoi(d->d_name) : 0;

		if (!candidate || candidate == getpid())
			continue;
		if (has_open(d->d_name, st.st_rdev) || has_mapped(d->d_name, name)) {
			pid = candidate;
			read_command(d->d_name, ret_command, size);
		}
	}
	closedir(proc);
	return pid;
}
