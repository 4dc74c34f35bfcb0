// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-cgroup.c - what a memory cgroup leaves, in a tree of our own: the least of all above,
 * and nothing that cannot be read.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "keeper/system/cgroup.h"

static char root[] = "/tmp/test-cgroup-XXXXXX";
static char path[CGROUP_PATH_MAX];

static void put(const char *directory, const char *name, const char *text)
{
	char file[CGROUP_PATH_MAX];
	FILE *f;

	snprintf(file, sizeof(file), "%s%s/%s", root, directory, name);
	f = fopen(file, "w");
	assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static uint64_t left(const char *text)
{
	char at[CGROUP_PATH_MAX];

	assert(cgroup_path(root, text, path) == 0);
	return cgroup_headroom(root, path, at);
}

static void make(const char *directory)
{
	char at[CGROUP_PATH_MAX];

	snprintf(at, sizeof(at), "%s%s", root, directory);
	assert(mkdir(at, 0700) == 0);
}

static void test_paths(void)
{
	static const struct {
		const char *text;
		int error;
	} table[] = {
		{ "", -ENOENT },
		{ "0::", -ENOENT },
		{ "4:memory:/a\n", -ENOENT },
		{ "10::/a\n", -ENOENT },
		{ "0::/..\n", -EINVAL },
		{ "0::/../b\n", -EINVAL },
		{ "0::/a/../b\n", -EINVAL },
		{ "0::/\n", 0 },
		{ "0::/a", 0 },
		{ "4:memory:/x\n0::/a\n", 0 },
	};
	char big[2 * CGROUP_PATH_MAX];

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		assert(cgroup_path(root, table[i].text, path) == table[i].error);
	memset(big, 'x', sizeof(big));
	memcpy(big, "0::/", 4);
	big[sizeof(big) - 1] = 0;
	assert(cgroup_path(root, big, path) == -EINVAL);
}

int main(void)
{
	char command[CGROUP_PATH_MAX], at[CGROUP_PATH_MAX];

	assert(mkdtemp(root));
	test_paths();
	make("/a");
	make("/a/b");
	assert(left("0::/a/b\n") == UINT64_MAX); /* no controller */
	put("/a/b", "memory.max", "max\n");
	put("/a/b", "memory.current", "100\n");
	assert(left("0::/a/b\n") == UINT64_MAX);
	put("/a", "memory.max", "1000\n");
	put("/a", "memory.current", "300\n");
	assert(left("0::/a/b\n") == 700);
	assert(cgroup_headroom(root, path, at) == 700 && strlen(at) == strlen(root) + 2);
	put("/a/b", "memory.max", "250\n");
	assert(left("0::/a/b\n") == 150);
	put("/a/b", "memory.current", "260\n"); /* over it */
	assert(left("0::/a/b\n") == 0);
	put("/a/b", "memory.max", "nonsense\n");
	assert(left("0::/a/b\n") == 700);
	put("/a/b", "memory.max", "99999999999999999999999\n");
	assert(left("0::/a/b\n") == 700);
	put("/a/b", "memory.max", "");
	assert(left("0::/a/b\n") == 700);
	assert(left("0::/a/b/gone\n") == 700); /* what is above it still counts */
	assert(left("0::/\n") == UINT64_MAX);
	assert(cgroup_headroom(root, "/elsewhere", at) == UINT64_MAX && !at[0]);
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert(system(command) == 0);
	return 0;
}
