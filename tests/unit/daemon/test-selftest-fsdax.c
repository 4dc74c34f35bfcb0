// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-selftest-fsdax.c - which mounted filesystems the kernel's fault with direct access concerns,
 * and that a file which shows what was written is not accused. One that does not show it takes ext4
 * on persistent memory: tests/lab/scenarios/25-selftest.sh.
 */
#undef NDEBUG
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "selftest/fsdax.h"

static char root[] = "/tmp/test-fsdax.XXXXXX";
static char mounts[64];
static struct fsdax found[4];

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/*
 * A line of mounts for a folder of this machine; the filesystem's device is that of the folder,
 * whatever is said of it.
 */
static size_t list(const char *path, const char *type, const char *options)
{
	char line[256];

	snprintf(line, sizeof(line), "/dev/pmem0 %s %s %s 0 0\n", path, type, options);
	put(mounts, line);
	return fsdax_list(mounts, root, found, 4);
}

static void make_disk(const char *below, const char *dax)
{
	char path[100], command[400];
	struct stat st;

	assert(stat("/", &st) == 0);
	snprintf(path, sizeof(path), "%.40s/dev/block/%u:%u", root, major(st.st_dev),
		 minor(st.st_dev));
	snprintf(command, sizeof(command), "rm -rf %s/dev; mkdir -p %s %s%s/queue", root, path,
		 path, below);
	assert(system(command) == 0);
	snprintf(command, sizeof(command), "%s%s/queue/dax", path, below);
	put(command, dax);
}

static void test_options(void)
{
	assert(list("/", "ext4", "rw,dax=always") == 1 && !found[0].xfs && !found[0].only_some &&
	       !strcmp(found[0].path, "/"));
	assert(strstr(fsdax_fault(&found[0]), "never written"));
	assert(list("/", "xfs", "rw,dax=always,attr2") == 1 && found[0].xfs);
	assert(strstr(fsdax_fault(&found[0]), "dax_disassociate_entry"));
	assert(list("/", "ext4", "rw,dax") == 1 && !found[0].only_some); /* before Linux 5.8 */
	assert(list("/", "ext4", "rw") == 0);				 /* no such disk */
	assert(list("/", "btrfs", "rw,dax=always") == 0);
	assert(list("/nonexistent", "ext4", "dax=always") == 0);
	/* the disk can do it: files that have the attribute */
	make_disk("", "1\n");
	assert(list("/", "ext4", "rw") == 1 && found[0].only_some);
	assert(list("/", "xfs", "rw,dax=inode") == 1 && found[0].only_some);
	assert(list("/", "xfs", "rw,dax=never") == 0);
	make_disk("", "0\n");
	assert(list("/", "ext4", "rw") == 0);
	/* a partition: the disk is the folder above */
	make_disk("/..", "1\n");
	assert(list("/", "ext4", "rw") == 1);
}

static void test_once(void)
{
	put(mounts, "/dev/pmem0 / ext4 rw,dax=always 0 0\n/dev/pmem0 /etc ext4 rw,dax=always 0 0\n"
		    "/dev/pmem1 /proc xfs rw,dax=always 0 0\n");
	assert(fsdax_list(mounts, root, found, 4) == 2 && !strcmp(found[1].path, "/proc"));
	assert(fsdax_list(mounts, root, found, 1) == 1);
	assert(fsdax_list("/nonexistent", root, found, 4) == 0);
}

static void test_trying(void)
{
	struct finding f = { .verdict = VERDICT_FAILED };
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert(fd >= 0);
	fsdax_try_file(fd, &f);
	assert(f.verdict == VERDICT_OK && strstr(f.text, "each of"));
	close(fd);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	fsdax_try_file(fd, &f);
	assert(f.verdict == VERDICT_NOT_RUN && strstr(f.text, "cannot be allocated"));
	close(fd);
	/* in memory; a folder that is not there; one without direct access */
	fsdax_try(NULL, &f);
	assert(f.verdict == VERDICT_NOT_RUN);
	fsdax_try("/nonexistent", &f);
	assert(f.verdict == VERDICT_NOT_RUN);
	fsdax_try("/tmp", &f);
	assert(f.verdict == VERDICT_NOT_RUN);
}

int main(void)
{
	char command[64];

	assert(mkdtemp(root));
	snprintf(mounts, sizeof(mounts), "%s/mounts", root);
	test_options();
	test_once();
	test_trying();
	snprintf(command, sizeof(command), "rm -rf %s", root);
	assert(system(command) == 0);
	return 0;
}
