// SPDX-License-Identifier: GPL-2.0-or-later
/* cgroup.c - see cgroup.h. */
#include "keeper/system/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

static int read_text(const char *path, char *ret, size_t size)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, ret, size - 1);
	if (n < 0)
		return -errno;
	ret[n] = 0;
	return 0;
}

/* -ENOENT: no such file, or "max". */
static int read_number(const char *directory, const char *name, uint64_t *ret)
{
	char path[CGROUP_PATH_MAX + 32], text[32], *end;
	unsigned long long v;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (read_text(path, text, sizeof(text)) < 0 || text[0] < '0' || text[0] > '9')
		return -ENOENT;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno || (*end && *end != '\n'))
		return -ENOENT;
	*ret = v;
	return 0;
}

int cgroup_path(const char *root, const char *text, char ret[CGROUP_PATH_MAX])
{
	const char *line = strncmp(text, "0::/", 4) == 0 ? text : strstr(text, "\n0::/");
	char path[CGROUP_PATH_MAX];
	size_t n;
	int used;

	if (!line)
		return -ENOENT;
	line = strchr(line, '/');
	n = strcspn(line, "\n");
	while (n && line[n - 1] == '/')
		n--;
	used = snprintf(path, sizeof(path), "%s%.*s", root, (int)n, line);
	if (used < 0 || (size_t)used >= sizeof(path) || strstr(path, "/../") ||
	    (used >= 3 && !strcmp(path + used - 3, "/..")))
		return -EINVAL;
	strcpy(ret, path);
	return 0;
}

uint64_t cgroup_headroom(const char *root, const char *path, char ret_path[CGROUP_PATH_MAX])
{
	uint64_t least = UINT64_MAX, most, current, left;
	char at[CGROUP_PATH_MAX], *slash;

	ret_path[0] = 0;
	if (strncmp(path, root, strlen(root)) != 0 || strlen(path) >= sizeof(at))
		return least;
	strcpy(at, path);
	while (strlen(at) >= strlen(root)) {
		if (read_number(at, "memory.max", &most) == 0 &&
		    read_number(at, "memory.current", &current) == 0) {
			left = most > current ? most - current : 0;
			if (left < least) {
				least = left;
				strcpy(ret_path, at);
			}
		}
		slash = strrchr(at, '/');
		if (!slash || slash == at)
			break;
		*slash = 0;
	}
	return least;
}

int cgroup_own_path(char ret[CGROUP_PATH_MAX])
{
	char text[CGROUP_PATH_MAX + 256];
	int r = read_text("/proc/self/cgroup", text, sizeof(text));

	return r < 0 ? r : cgroup_path(CGROUP_ROOT, text, ret);
}

uint64_t cgroup_own_headroom(char ret_path[CGROUP_PATH_MAX])
{
	char path[CGROUP_PATH_MAX];

	ret_path[0] = 0;
	return cgroup_own_path(path) < 0 ? UINT64_MAX
					 : cgroup_headroom(CGROUP_ROOT, path, ret_path);
}
