// SPDX-License-Identifier: GPL-2.0-or-later
/* fsdax.c - see fsdax.h. */
#include "selftest/fsdax.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/magic.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "selftest/read-line.h"
#include "util/cleanup.h"
#include "util/macros.h"
#include "util/xfs.h"

#ifndef STATX_ATTR_DAX /* of Linux 5.8 */
#define STATX_ATTR_DAX 0x00200000
#endif
#define PAGES 64u

/* Can files of a filesystem on that disk, or partition of one, have direct access? */
static bool has_direct_access(const char *sysfs, dev_t device)
{
	static const char *const where[] = { "", "/.." };
	char path[PATH_MAX], text[8];

	for (size_t i = 0; i < ARRAY_SIZE(where); i++) {
		snprintf(path, sizeof(path), "%.1000s/dev/block/%u:%u%s/queue/dax", sysfs,
			 major(device), minor(device), where[i]);
		read_line(path, text, sizeof(text));
		if (*text)
			return !strcmp(text, "1");
	}
	return false;
}

/*
 * dax or dax=always: all files; dax=never: none; else those that have the attribute, where the disk
 * can do it.
 */
static bool take(const struct mntent *m, const char *sysfs, struct fsdax *ret)
{
	const char *option = hasmntopt(m, "dax");
	bool always = option && (!strncmp(option, "dax=always", 10) || option[3] != '=');
	struct stat st;

	*ret = (struct fsdax){ .xfs = !strcmp(m->mnt_type, "xfs"), .only_some = !always };
	if ((!ret->xfs && strcmp(m->mnt_type, "ext4") != 0) ||
	    (option && !strncmp(option, "dax=never", 9)))
		return false;
	if (strlen(m->mnt_dir) >= sizeof(ret->path) || stat(m->mnt_dir, &st) < 0)
		return false;
	strcpy(ret->path, m->mnt_dir);
	ret->device = st.st_dev;
	return always || has_direct_access(sysfs, st.st_dev);
}

static bool is_concerned(const struct fsdax *f)
{
	_cleanup_(closep) int fd = -1;

	if (!f->xfs)
		return true;
	fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || !xfs_has_no_reflink(fd);
}

size_t fsdax_list(const char *mounts, const char *sysfs, struct fsdax *ret, size_t most)
{
	FILE *f = setmntent(mounts, "re");
	char line[2 * PATH_MAX];
	struct mntent m;
	size_t n = 0;

	while (f && n < most && getmntent_r(f, &m, line, sizeof(line))) {
		bool known = false;

		if (!take(&m, sysfs, &ret[n]))
			continue;
		for (size_t i = 0; i < n; i++)
			known |= ret[i].device == ret[n].device;
		n += !known && is_concerned(&ret[n]);
	}
	if (f)
		endmntent(f);
	return n;
}

const char *fsdax_fault(const struct fsdax *f)
{
	if (f->xfs)
		return "a write(2) to blocks that are shared with a copy (reflink) can leave mappings of the file on "
		       "the old blocks, which may be another file's later, or end in SIGBUS, and the kernel warns of "
		       "dax_disassociate_entry. Regions with a layout lease ask before such writes; others say so in "
		       "Degraded. mkfs.xfs -m reflink=0 avoids it";
	return "after a write(2) to blocks that were allocated and never written (fallocate) mappings of the file can go "
	       "on showing zeros beside it. Regions with access rw write such blocks when they are registered; others "
	       "say so in Degraded. Files that were written before they are registered avoid it";
}

/* --- tried */

void fsdax_try_file(int fd, struct finding *ret)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), length = PAGES * page;
	_cleanup_(freep) unsigned char *block = malloc(page);
	unsigned int stale = 0;
	volatile unsigned char *map;

	/* within the size, or ext4 writes no zeros beside what is written */
	if (!block || ftruncate(fd, (off_t)length) < 0 || fallocate(fd, 0, 0, (off_t)length) < 0) {
		finding_set(ret, VERDICT_NOT_RUN, "a file cannot be allocated: %s",
			    strerror(errno));
		return;
	}
	map = mmap(NULL, length, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		finding_set(ret, VERDICT_NOT_RUN, "mmap: %s", strerror(errno));
		return;
	}
	for (unsigned int i = 0; i < PAGES; i++)
		(void)map[i * page]; /* mapped now, to zeros */
	/*
	 * each eighth first: what is left behind the last of them is so small that ext4 writes
	 * zeros there, too
	 */
	for (unsigned int i = 0; i < PAGES; i++) {
		unsigned int at = i % (PAGES / 8) * 8 + i / (PAGES / 8);

		memset(block, (int)i + 1, page);
		if (pwrite(fd, block, page, (off_t)(at * page)) != (ssize_t)page) {
			finding_set(ret, VERDICT_NOT_RUN, "write: %s",
				    strerror(errno ? errno : ENOSPC));
			munmap((void *)map, length);
			return;
		}
		stale += map[at * page] != block[0];
	}
	munmap((void *)map, length);
	if (stale)
		finding_set(ret, VERDICT_QUIRK,
			    "%u of %u pages showed what was there before a write(2)", stale, PAGES);
	else
		finding_set(ret, VERDICT_OK, "each of %u pages showed what write(2) wrote", PAGES);
}

static bool is_direct(int fd)
{
	struct statx st;

	return statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) == 0 &&
	       st.stx_attributes & STATX_ATTR_DAX;
}

void fsdax_try(const char *directory, struct finding *ret)
{
	_cleanup_(closep) int fd =
		directory ? open(directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600) : -1;
	struct statfs fs;

	if (fd < 0 || !is_direct(fd) || fstatfs(fd, &fs) < 0)
		finding_set(ret, VERDICT_NOT_RUN, "a file with direct access cannot be made there");
	else if (fs.f_type != EXT4_SUPER_MAGIC)
		finding_set(ret, VERDICT_NOT_RUN, "tried on ext4 alone");
	else
		fsdax_try_file(fd, ret);
}
