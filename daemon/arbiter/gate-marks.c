// SPDX-License-Identifier: GPL-2.0-or-later
/* gate-marks.c - see gate-marks.h. */
#include "arbiter/gate-marks.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "arbiter/fanotify-kernel.h"
#include "util/cleanup.h"

#define GUARD (FAN_PRE_ACCESS | FAN_OPEN_PERM)
#define EXT4_MAGIC_NUMBER 0xef53

static size_t bucket_of(uint64_t inode)
{
	return (inode ^ inode >> 10) & (MARK_BUCKETS - 1);
}

struct mark *marks_find(struct marks *s, uint64_t device, uint64_t inode)
{
	struct mark *m;

	LIST_FOREACH(m, &s->bucket[bucket_of(inode)], marks)
	if (m->inode == inode && m->device == device)
		return m;
	return NULL;
}

struct mark *marks_first(struct marks *s)
{
	for (size_t i = 0; i < MARK_BUCKETS; i++)
		if (!LIST_EMPTY(&s->bucket[i]))
			return LIST_FIRST(&s->bucket[i]);
	return NULL;
}

static int change(const struct marks *s, unsigned int flags, uint64_t mask, int fd)
{
	return fanotify_mark(s->fanotify, flags, mask, fd, NULL) < 0 ? -errno : 0;
}

static int refuse(char *why, size_t size, int error, const char *text)
{
	snprintf(why, size, "%s", text);
	return error;
}

static const char *explain(int error)
{
	switch (-error) {
	case EOPNOTSUPP:
		return "this filesystem has no pre-content events";
	case EINVAL:
		return "this kernel has no pre-content events (Linux 6.14 and later have)";
	case ENOSPC:
		return "the fanotify marks of this user are used up (fs.fanotify.max_user_marks)";
	default:
		return strerror(-error);
	}
}

int marks_add(struct marks *s, int fd, uint32_t max, char *why, size_t why_size)
{
	struct statfs fs;
	struct stat st;
	struct mark *m;
	int r;

	if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
		return refuse(why, why_size, -errno, "the file cannot be examined");
	m = marks_find(s, st.st_dev, st.st_ino);
	if (m) {
		m->count++;
		return 0;
	}
	if (s->n >= max)
		return refuse(
			why, why_size, -EMFILE,
			"as many files are guarded already as pre_content_files in rdmaregd.conf allows");
	m = calloc(1, sizeof(*m));
	if (!m)
		return refuse(why, why_size, -ENOMEM, "out of memory");
	m->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	r = m->fd < 0 ? -errno : change(s, FAN_MARK_ADD, GUARD, m->fd);
	if (r < 0) {
		closep(&m->fd);
		free(m);
		return refuse(why, why_size, r, explain(r));
	}
	m->device = st.st_dev;
	m->inode = st.st_ino;
	m->count = 1;
	m->shares_blocks = (uint32_t)fs.f_type != EXT4_MAGIC_NUMBER;
	LIST_INSERT_HEAD(&s->bucket[bucket_of(m->inode)], m, marks);
	s->n++;
	return 0;
}

void marks_remove(struct marks *s, struct mark *m)
{
	change(s, FAN_MARK_REMOVE, GUARD | (m->at_work ? FAN_MODIFY : 0), m->fd);
	LIST_REMOVE(m, marks);
	closep(&m->fd);
	free(m);
	s->n--;
}

void marks_count_work(struct marks *s, struct mark *m, int by)
{
	bool before = m->at_work > 0;

	m->at_work += (unsigned int)by;
	if (before != (m->at_work > 0))
		change(s, before ? FAN_MARK_REMOVE : FAN_MARK_ADD, FAN_MODIFY, m->fd);
}
