// SPDX-License-Identifier: GPL-2.0-or-later
/* runtime.c - see runtime.h. */
#include "arbiter/runtime.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/process.h"
#include "util/replace-file.h"

#define ID_BLOCK 1024
#define ID_FILE "next-region-id"
#define LOCK_FILE "lock"

/* Opens the directory @name below @at, which is made if need be. */
static int open_directory(int at, const char *name, mode_t mode)
{
	int fd;

	if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
		return -errno;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* A decimal number and nothing else but a newline. */
static int parse_id(const char *text, uint64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (errno || !*ret || *ret > UINT64_MAX / 2 || strcmp(end, *end ? "\n" : ""))
		return -EINVAL;
	return 0;
}

/* What must not be believed is kept for whoever wants to know what happened to it. */
static void put_aside(struct runtime *rt)
{
	log_warning("%s/../" ID_FILE " is damaged: put aside as " ID_FILE
		    ".damaged; region numbers go on from %" PRIu64,
		    rt->keepers, rt->next_id);
	renameat(rt->directory, ID_FILE, rt->directory, ID_FILE ".damaged");
}

static bool has_keepers(struct runtime *rt)
{
	int fd = openat(rt->directory, "keepers", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	bool found = false;

	if (!directory) {
		closep(&fd);
		return true;
	}
	while (!found && (entry = readdir(directory)))
		found = entry->d_name[0] != '.';
	closedir(directory);
	return found;
}

/*
 * Numbers begin with 1 and are given far more slowly than one in a microsecond, so the age of the
 * machine in microseconds is above all that were given since it booted. That is where numbers go on
 * when the file cannot tell, and a number far above it was never given.
 */
static int read_next_id(struct runtime *rt)
{
	_cleanup_(closep) int fd =
		openat(rt->directory, ID_FILE, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	const uint64_t ceiling = now_boottime_usec() + ID_BLOCK;
	char text[32];
	ssize_t n;

	if (fd < 0 && errno != ENOENT)
		return -errno;
	rt->next_id = 1;
	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		if (n < 0)
			return -errno;
		text[n] = 0;
		if (parse_id(text, &rt->next_id) < 0 || rt->next_id > ceiling) {
			rt->next_id = ceiling;
			put_aside(rt);
		}
	} else if (has_keepers(rt)) {
		rt->next_id = ceiling;
	}
	rt->reserved = rt->next_id;
	return 0;
}

int runtime_reserve_id(struct runtime *rt, uint64_t id)
{
	char text[32];
	int n, r;

	if (id < rt->reserved)
		return 0;
	n = snprintf(text, sizeof(text), "%" PRIu64 "\n", id + ID_BLOCK);
	r = replace_file(rt->directory, ID_FILE, ID_FILE ".new", 0644, text, (size_t)n);
	if (r < 0)
		return r;
	rt->reserved = id + ID_BLOCK;
	return 0;
}

/* Does this descriptor have the file that the name means now? */
static bool is_current_lock(const struct runtime *rt, int fd)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 &&
	       fstatat(rt->directory, LOCK_FILE, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

static int note_holder(int fd)
{
	/*
	 * of one length, so that what was there is written over: with no room left on /run that
	 * works, too
	 */
	char text[64];
	int n = snprintf(text, sizeof(text), "%10d %20" PRIu64 "\n", (int)getpid(),
			 process_start(getpid()));

	if (pwrite(fd, text, (size_t)n, 0) == n)
		return 0;
	return errno ? -errno : -EIO;
}

/*
 * Whoever holds the lock was killed, and only an unkillable sleep keeps its process: it does
 * nothing any more.
 */
static bool holder_is_over(int fd)
{
	char text[64];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	uint64_t start;
	int pid;

	if (n <= 0)
		return false;
	text[n] = 0;
	if (sscanf(text, "%d %" SCNu64, &pid, &start) != 2 || !process_is_over(pid, start))
		return false;
	log_warning(
		"process %d holds the lock of the runtime directory, was killed, and does not end: taken from it",
		pid);
	return true;
}

/*
 * Takes the name away from a file whose lock nobody can release. One at a time, and only if it
 * still has the name, so that nobody's new lock is taken for it.
 */
static int drop_lock(const struct runtime *rt, int fd)
{
	_cleanup_(closep) int turn =
		openat(rt->directory, LOCK_FILE ".drop", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (turn < 0)
		return -errno;
	if (flock(turn, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (is_current_lock(rt, fd) && unlinkat(rt->directory, LOCK_FILE, 0) < 0)
		return -errno;
	return 0;
}

static int take_lock(struct runtime *rt)
{
	for (;;) {
		_cleanup_(closep) int fd =
			openat(rt->directory, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		int r;

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			if (!is_current_lock(rt, fd))
				continue; /* its name was taken away meanwhile */
			r = note_holder(fd);
			if (r < 0)
				log_warning(
					"%s: cannot be written: %s; a successor will have to wait for this process's end",
					LOCK_FILE, strerror(-r));
			rt->lock = steal_fd(&fd);
			return 0;
		}
		if (errno != EWOULDBLOCK)
			return -errno;
		r = holder_is_over(fd) ? drop_lock(rt, fd) : -EBUSY;
		if (r < 0)
			return r;
	}
}

static int open_all(struct runtime *rt, const char *path, const char **ret_step)
{
	int r;

	*ret_step = "directory";
	rt->directory = open_directory(AT_FDCWD, path, 0755);
	if (rt->directory < 0)
		return rt->directory;
	*ret_step = "lock";
	r = take_lock(rt);
	if (r < 0)
		return r;
	*ret_step = "keepers";
	r = open_directory(rt->directory, "keepers", 0700);
	if (r < 0)
		return r;
	close(r);
	*ret_step = "sessions";
	rt->sessions = open_directory(rt->directory, "sessions", 0700);
	if (rt->sessions < 0)
		return rt->sessions;
	*ret_step = ID_FILE;
	return read_next_id(rt);
}

int runtime_open(struct runtime *rt, const char *path, struct failure *why)
{
	const char *step;
	int r;

	*rt = (struct runtime){ .directory = -1, .lock = -1, .sessions = -1 };
	if (strlen(path) > RUNTIME_PATH_MAX)
		return fail(
			why, -ENAMETOOLONG,
			"runtime directory %s: the path is longer than %d characters, so sockets "
			"in it cannot be named; choose a shorter one",
			path, RUNTIME_PATH_MAX);
	snprintf(rt->keepers, sizeof(rt->keepers), "%s/keepers", path);
	r = open_all(rt, path, &step);
	if (r == 0)
		return 0;
	if (r == -EBUSY)
		fail(why, r, "runtime directory %s: another rdmaregd holds %s/lock", path, path);
	else
		fail(why, r, "runtime directory %s: %s: %s", path, step, strerror(-r));
	runtime_close(rt);
	return r;
}

void runtime_close(struct runtime *rt)
{
	closep(&rt->lock);
	closep(&rt->sessions);
	closep(&rt->directory);
	rt->lock = rt->directory = rt->sessions = -1;
}
