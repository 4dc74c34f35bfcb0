// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-gap.c - who could punch a file unseen; see gate_gaps in gate.h.
 *
 * What always holds: a round ends, whatever others have opened, and holds up the loop for no more
 * than DESCRIPTORS_PER_TURN looks at a time. It compares first what the kernel has in memory
 * (fdinfo): to stat something on a dead NFS server, or on somebody's FUSE, would stop this process.
 * What has the right inode number, and so most likely is the file, is then looked at without asking
 * a server. Nothing is opened but what is in /proc itself.
 */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "gate/gate.h"
#include "util/cleanup.h"
#include "util/log.h"

#define DESCRIPTORS_PER_TURN 128

/* A number that is a whole file name, or 0. */
static pid_t number_of(const char *name)
{
	char *end;
	long n = strtol(name, &end, 10);

	return *name && !*end && n > 0 && n <= INT32_MAX ? (pid_t)n : 0;
}

struct search {
	TAILQ_ENTRY(search) searches;
	struct gate_gap gap;
};

TAILQ_HEAD(searches, search);

struct gate_gaps {
	struct event *turn;
	bool (*is_ours)(void *userdata, pid_t pid);
	gate_gap_found_t *found;
	void *userdata;
	struct searches next;	 /* of the next round */
	struct searches current; /* of this one, less those that have found somebody */
	/* where this round is */
	DIR *proc;
	DIR *fds; /* NULL: no process */
	int fdinfo;
	pid_t pid;
	int budget;
};

/* The inode number of descriptor @name, if it is open for writing. */
static bool may_write(int fdinfo, const char *name, uint64_t *ret_inode)
{
	_cleanup_(closep) int fd = openat(fdinfo, name, O_RDONLY | O_CLOEXEC);
	const char *flags_at, *inode_at;
	char text[512];
	unsigned int flags;
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		return false;
	text[n] = 0;
	flags_at = strstr(text, "flags:");
	inode_at = strstr(text, "\nino:");
	return flags_at && sscanf(flags_at, "flags: %o", &flags) == 1 &&
	       (flags & O_ACCMODE) != O_RDONLY && !(flags & O_PATH) && inode_at &&
	       sscanf(inode_at, " ino: %" SCNu64, ret_inode) == 1;
}

static bool is_file(int fd_dir, const char *name, const struct gate_gap *gap)
{
	struct statx x;

	return statx(fd_dir, name, AT_STATX_DONT_SYNC, STATX_INO, &x) == 0 &&
	       x.stx_ino == gap->inode && makedev(x.stx_dev_major, x.stx_dev_minor) == gap->device;
}

static void tell(struct gate_gaps *s, struct search *one, pid_t found)
{
	one->gap.found = found;
	TAILQ_REMOVE(&s->current, one, searches);
	s->found(s->userdata, &one->gap);
	free(one);
}

static void look_at(struct gate_gaps *s, const char *name)
{
	struct search *one, *next;
	uint64_t inode;
	char target[2];

	/* a file has a path; sockets, pipes and the like have not */
	if (readlinkat(dirfd(s->fds), name, target, sizeof(target)) <= 0 || target[0] != '/' ||
	    !may_write(s->fdinfo, name, &inode))
		return;
	for (one = TAILQ_FIRST(&s->current); one; one = next) {
		next = TAILQ_NEXT(one, searches);
		if (one->gap.inode == inode && one->gap.except != s->pid &&
		    is_file(dirfd(s->fds), name, &one->gap))
			tell(s, one, s->pid);
	}
}

static void leave_process(struct gate_gaps *s)
{
	if (s->fds)
		closedir(s->fds);
	closep(&s->fdinfo);
	s->fds = NULL;
	s->fdinfo = -1;
}

/* A process that ends meanwhile has nothing open. */
static void enter_process(struct gate_gaps *s, const char *name)
{
	_cleanup_(closep) int dir =
		openat(dirfd(s->proc), name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = dir < 0 ? -1 : openat(dir, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	s->fds = fd < 0 ? NULL : fdopendir(fd);
	if (!s->fds)
		closep(&fd);
	else
		s->fdinfo = openat(dir, "fdinfo", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* One process, or one descriptor, further. False: that was the last. */
static bool go_on(struct gate_gaps *s)
{
	struct dirent *d;

	if (s->fds) {
		d = readdir(s->fds);
		if (!d)
			leave_process(s);
		else if (d->d_name[0] != '.') {
			s->budget--;
			look_at(s, d->d_name);
		}
		return true;
	}
	d = s->proc ? readdir(s->proc) : NULL;
	if (!d)
		return false;
	s->pid = number_of(d->d_name);
	if (s->pid && s->pid != getpid() && !s->is_ours(s->userdata, s->pid))
		enter_process(s, d->d_name);
	return true;
}

static void end_round(struct gate_gaps *s, pid_t found)
{
	leave_process(s);
	if (s->proc)
		closedir(s->proc);
	s->proc = NULL;
	while (!TAILQ_EMPTY(&s->current))
		tell(s, TAILQ_FIRST(&s->current), found);
}

static void again(struct gate_gaps *s)
{
	static const struct timeval at_once;

	event_add(s->turn, &at_once);
}

static void on_turn(evutil_socket_t fd, short what, void *userdata)
{
	struct gate_gaps *s = userdata;
	bool more = true;

	(void)fd, (void)what;
	if (TAILQ_EMPTY(&s->current)) {
		TAILQ_CONCAT(&s->current, &s->next, searches);
		s->proc = opendir("/proc");
		s->budget = GATE_GAP_DESCRIPTORS;
	}
	for (int i = 0;
	     i < DESCRIPTORS_PER_TURN && more && s->budget > 0 && !TAILQ_EMPTY(&s->current); i++)
		more = go_on(s);
	if (s->budget <= 0 && !TAILQ_EMPTY(&s->current)) {
		log_warning(
			"gate: too many descriptors are open to look through all of them (process %d was next)",
			s->pid);
		end_round(s, -1);
	} else if (!more || TAILQ_EMPTY(&s->current)) {
		end_round(s, 0);
	}
	if (!TAILQ_EMPTY(&s->current) || !TAILQ_EMPTY(&s->next))
		again(s);
}

int gate_gaps_new(struct gate_gaps **ret, struct event_base *base,
		  bool (*is_ours)(void *userdata, pid_t pid), gate_gap_found_t *found,
		  void *userdata)
{
	struct gate_gaps *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->is_ours = is_ours;
	s->found = found;
	s->userdata = userdata;
	s->fdinfo = -1;
	TAILQ_INIT(&s->next);
	TAILQ_INIT(&s->current);
	s->turn = event_new(base, -1, 0, on_turn, s);
	if (!s->turn) {
		free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

static void drop(struct searches *list)
{
	struct search *one;

	while ((one = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, one, searches);
		free(one);
	}
}

struct gate_gaps *gate_gaps_free(struct gate_gaps *s)
{
	if (!s)
		return NULL;
	drop(&s->next);
	drop(&s->current);
	end_round(s, 0);
	event_free(s->turn);
	free(s);
	return NULL;
}

int gate_gaps_add(struct gate_gaps *s, const struct gate_gap *gap)
{
	struct search *one = calloc(1, sizeof(*one));

	if (!one)
		return -ENOMEM;
	one->gap = *gap;
	TAILQ_INSERT_TAIL(&s->next, one, searches);
	again(s);
	return 0;
}
