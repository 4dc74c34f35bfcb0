// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * exchange.c - see exchange.h. On a network filesystem a client may keep believing for a while that
 * a file is not there. A task that waits therefore makes and removes a file of its own each time it
 * looks: the answer brings the directory's new time of change, and with it the others' files.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "exchange.h"

enum { REST_MAX_MSEC = 500, FILE_MAX = 1 << 20 };

uint64_t exchange_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Each pause is twice the last one, and none leads past the deadline by more than that. */
void exchange_rest(unsigned int *msec)
{
	struct timespec t = { *msec / 1000, (long)(*msec % 1000) * 1000000 };

	nanosleep(&t, NULL);
	if (*msec < REST_MAX_MSEC)
		*msec *= 2;
}

int exchange_path(char ret[PATH_MAX], const char *base, uint32_t uid, uint32_t job)
{
	char text[4096], path[PATH_MAX];
	struct passwd account, *found = NULL;
	int n;

	if (base[0] == '~') {
		if (getpwuid_r(uid, &account, text, sizeof(text), &found) || !found)
			return -ENOENT;
		n = snprintf(path, sizeof(path), "%s%s/%u", account.pw_dir, base + 1, job);
	} else {
		n = snprintf(path, sizeof(path), "%s/%u/%u", base, uid, job);
	}
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	memcpy(ret, path, (size_t)n + 1);
	return 0;
}

int exchange_make_parent(const char *base, uint32_t uid, uint32_t gid)
{
	char name[16];
	struct stat st;
	int at, fd, r = 0;

	if (base[0] == '~')
		return 0;
	at = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return -errno;
	snprintf(name, sizeof(name), "%u", uid);
	if (fstat(at, &st) < 0 || st.st_uid || (st.st_mode & 022)) {
		close(at);
		return 0;
	}
	if (mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		r = -errno;
	fd = r < 0 ? r : openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		r = r < 0 ? r : -errno;
	/* root's: of this call, or of one that was killed here */
	else if (fstat(fd, &st) < 0 || (!st.st_uid && fchown(fd, uid, gid) < 0))
		r = -errno;
	if (fd >= 0)
		close(fd);
	close(at);
	return r;
}

static int wrong(char *error, int r, const char *format, ...) __attribute__((format(printf, 3, 4)));
static int wrong(char *error, int r, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, EXCHANGE_ERROR_BYTES, format, arguments);
	va_end(arguments);
	return r;
}

/* Makes it if @make. @path: of what is opened, for the sentence; @name: its name in @at. */
static int open_directory(int at, const char *name, int make, mode_t closed, const char *path,
			  char *error)
{
	struct stat st;
	int fd;

	if (make && mkdirat(at, name, 0700) < 0 && errno != EEXIST)
		return wrong(error, -errno, "directory %s cannot be made: %s", path,
			     strerror(errno));
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0) {
		int r = wrong(error, -errno, "directory %s cannot be used: %s", path,
			      strerror(errno));

		if (fd >= 0)
			close(fd);
		return r;
	}
	if (st.st_uid == geteuid() && !(st.st_mode & closed))
		return fd;
	close(fd);
	if (st.st_uid != geteuid())
		return wrong(
			error, -EPERM,
			"directory %s belongs to user id %u, not to the job's; remove it, and let only root write to the directory that it is in",
			path, st.st_uid);
	return wrong(error, -EPERM,
		     "directory %s is open to others (mode %04o); its mode must be 0700", path,
		     st.st_mode & 07777);
}

/* The user's directory, then the job's in it. */
static int open_both(const char *path, int make, char *error)
{
	char parent[PATH_MAX];
	char *slash;
	int at, fd;

	snprintf(parent, sizeof(parent), "%s", path);
	slash = strrchr(parent, '/');
	if (!slash || slash == parent)
		return wrong(error, -EINVAL, "directory %s is in no other", path);
	*slash = '\0';
	at = open_directory(AT_FDCWD, parent, make, 022, parent, error);
	if (at < 0)
		return at;
	fd = open_directory(at, slash + 1, make, 077, path, error);
	close(at);
	return fd;
}

int exchange_open(struct exchange *x, char error[EXCHANGE_ERROR_BYTES])
{
	int fd = open_both(x->path, 1, error);

	if (fd < 0)
		return fd;
	x->fd = fd;
	return 0;
}

void exchange_close(struct exchange *x)
{
	if (x->fd >= 0)
		close(x->fd);
	x->fd = -1;
}

int exchange_lock(struct exchange *x, uint64_t deadline_usec)
{
	char name[NAME_MAX + 1];
	unsigned int pause = EXCHANGE_REST_MSEC;
	int fd;

	snprintf(name, sizeof(name), "lock.%u@%s", x->restart, x->node);
	fd = openat(x->fd, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_APPEND,
		    0600);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int error = errno;

		if ((error != EWOULDBLOCK && error != EINTR) || exchange_clock() > deadline_usec) {
			close(fd);
			return error == EWOULDBLOCK ? -ETIME : -error;
		}
		exchange_rest(&pause);
	}
	return fd;
}

static void name_of_mine(const struct exchange *x, char name[static NAME_MAX + 1])
{
	snprintf(name, NAME_MAX + 1, "%u.%u.%u@%s", x->restart, x->step, x->node_id, x->node);
}

int exchange_published(struct exchange *x)
{
	char name[NAME_MAX + 1];

	name_of_mine(x, name);
	return faccessat(x->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int write_all(int fd, const char *text, size_t n)
{
	while (n) {
		ssize_t written = write(fd, text, n);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		text += written;
		n -= (size_t)written;
	}
	return 0;
}

/* A file that is there as a whole or not at all. @suffix: of its name while it is written. */
static int put_file(struct exchange *x, const char *name, const char *text, size_t n)
{
	char aside[NAME_MAX + 1];
	int fd, r;

	snprintf(aside, sizeof(aside), "new.%d@%s", (int)getpid(), x->node);
	fd = openat(x->fd, aside,
		    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, n);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && renameat(x->fd, aside, x->fd, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(x->fd, aside, 0);
	return r;
}

int exchange_publish(struct exchange *x, const char *text)
{
	char name[NAME_MAX + 1];

	name_of_mine(x, name);
	return put_file(x, name, text, strlen(text));
}

/* The number of the node whose file of this step it is. */
static int node_of(const struct exchange *x, const char *name, uint32_t nodes, uint32_t *ret)
{
	unsigned int restart, step, node;
	int n = 0;

	if (sscanf(name, "%u.%u.%u@%n", &restart, &step, &node, &n) != 3 || !n || !name[n])
		return 0;
	if (restart != x->restart || step != x->step || node >= nodes)
		return 0;
	*ret = node;
	return 1;
}

/* Their names by number; what has no file yet stays NULL. Returns how many are missing. */
static int look(struct exchange *x, char **names, uint32_t nodes)
{
	uint32_t missing = nodes, node, i;
	struct dirent *entry;
	char touch[NAME_MAX + 1];
	DIR *directory;
	int fd;

	snprintf(touch, sizeof(touch), "look.%d@%s", (int)getpid(), x->node);
	fd = openat(x->fd, touch, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	if (fd >= 0) {
		close(fd);
		unlinkat(x->fd, touch, 0);
	}
	fd = openat(x->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	directory = fd < 0 ? NULL : fdopendir(fd);
	if (!directory) {
		if (fd >= 0)
			close(fd);
		return -EIO;
	}
	while ((entry = readdir(directory)))
		if (node_of(x, entry->d_name, nodes, &node) && !names[node])
			names[node] = strdup(entry->d_name);
	closedir(directory);
	for (i = 0; i < nodes; i++)
		missing -= !!names[i];
	return (int)missing;
}

static void append_file(struct exchange *x, const char *name, FILE *all)
{
	int fd = openat(x->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	size_t total = 0;
	char text[4096];
	ssize_t n;

	while (fd >= 0 && total < FILE_MAX && (n = read(fd, text, sizeof(text))) > 0) {
		fwrite(text, 1, (size_t)n, all);
		total += (size_t)n;
	}
	if (fd >= 0)
		close(fd);
}

static int put_all(struct exchange *x, char **names, uint32_t nodes, char ret[PATH_MAX])
{
	char name[NAME_MAX + 1], path[PATH_MAX], *text = NULL;
	size_t n = 0;
	FILE *all = open_memstream(&text, &n);
	uint32_t i;
	int r;

	if (!all)
		return -ENOMEM;
	for (i = 0; i < nodes; i++) {
		if (names[i])
			append_file(x, names[i], all);
		else
			fprintf(all, "# node %u of the step: no tickets in time\n", i);
	}
	snprintf(name, sizeof(name), "all.%u.%u@%s", x->restart, x->step, x->node);
	r = snprintf(path, sizeof(path), "%s/%s", x->path, name);
	if (fclose(all) || r < 0 || (size_t)r >= sizeof(path)) {
		free(text);
		return -ENAMETOOLONG;
	}
	r = put_file(x, name, text, n);
	free(text);
	if (r == 0)
		memcpy(ret, path, strlen(path) + 1);
	return r;
}

int exchange_collect(struct exchange *x, uint32_t nodes, uint64_t deadline_usec, char ret[PATH_MAX])
{
	char **names = calloc(nodes ? nodes : 1, sizeof(*names));
	unsigned int pause = EXCHANGE_REST_MSEC;
	int missing, r;
	uint32_t i;

	if (!names)
		return -ENOMEM;
	while ((missing = look(x, names, nodes)) > 0 && exchange_clock() < deadline_usec)
		exchange_rest(&pause);
	r = missing < 0 ? missing : put_all(x, names, nodes, ret);
	for (i = 0; i < nodes; i++)
		free(names[i]);
	free(names);
	return r < 0 ? r : missing;
}

static int is_of_node(const char *name, const char *node)
{
	size_t n = strlen(name), m = strlen(node);

	return n > m && name[n - m - 1] == '@' && !strcmp(name + n - m, node);
}

int exchange_remove(const char *path, const char *node)
{
	struct dirent *entry;
	char error[EXCHANGE_ERROR_BYTES];
	DIR *directory;
	int fd = open_both(path, 0, error);

	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return fd;
	directory = fdopendir(fd);
	if (!directory) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(directory)))
		if (is_of_node(entry->d_name, node))
			unlinkat(fd, entry->d_name, 0);
	closedir(directory);
	/* not while another node has files there */
	if (rmdir(path) < 0 && errno != ENOTEMPTY && errno != EEXIST && errno != ENOENT)
		return -errno;
	return 0;
}
