// SPDX-License-Identifier: GPL-2.0-or-later
/* session-guard.c - see session-guard.h. */
#include "session-guard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "verb-session.h"

enum kind {
	KIND_MADE,   /* created here: it is released with all that is in it */
	KIND_OWN,    /* a name that nobody else uses: what is registered with it is released */
	KIND_SHARED, /* it was there, or may be another's: what was registered here ends by itself */
};

static const char end_orderly[] = "."; /* no path */

int session_become(uint32_t uid)
{
	const struct passwd *p;

	if (uid == geteuid())
		return EXIT_OK;
	errno = 0;
	p = getpwuid(uid);
	if (!p)
		return ctl_error(EXIT_FAILED, "user id %" PRIu32 " has no account: %s", uid,
				 errno ? strerror(errno) : "there is no such user");
	if (initgroups(p->pw_name, p->pw_gid) < 0 || setgid(p->pw_gid) < 0 || setuid(uid) < 0)
		return ctl_error(errno == EPERM ? EXIT_DENIED : EXIT_FAILED, "becoming user %s: %s",
				 p->pw_name, strerror(errno));
	return EXIT_OK;
}

static int create(struct rdmareg *c, const struct session_plan *p, enum kind *ret)
{
	struct rdmareg_session_info info = { .size = sizeof(info) };
	int r = rdmareg_session_get(c, p->uid, p->name, &info);

	*ret = KIND_SHARED;
	if (!r && p->limited)
		return ctl_error(
			EXIT_FAILED,
			"session %s exists and has its limits; see: rdmaregctl session set",
			p->name);
	if (!r)
		return EXIT_OK;
	/* A daemon without sessions knows no such object. */
	if (r != -ENXIO && r != -ENOENT && r != -EOPNOTSUPP)
		return ctl_failed(r);
	r = rdmareg_session_create(c, p->uid, p->name, p->limits);
	if (!r) {
		*ret = KIND_MADE;
		if (p->limits->memory_bytes && rdmareg_session_get(c, p->uid, p->name, &info) >= 0)
			session_say_unkept(p->limits->memory_bytes, &info);
		return EXIT_OK;
	}
	if (p->limited && r == -EACCES)
		return ctl_error(
			EXIT_DENIED,
			"session run: limits are those of a session that is created, which "
			"needs root or an authorization; leave out --max-*");
	if (p->limited || (r != -EACCES && r != -EOPNOTSUPP))
		return ctl_failed(r);
	*ret = p->named ? KIND_SHARED : KIND_OWN;
	return EXIT_OK;
}

/* Regions that the command registered itself, with the name and detached. */
static int release_own(struct rdmareg *c, const struct session_plan *p)
{
	struct rdmareg_list_options lo = { .size = sizeof(lo), .session = p->name, .brief = 1 };
	struct rdmareg_release_options ro = { .size = sizeof(ro), .grace_usec = p->grace_usec };
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_list *l;
	uint64_t ids[4096];
	size_t n = 0;
	int r = rdmareg_list(c, &lo, &l);

	if (r < 0)
		return ctl_failed(r);
	while (n < sizeof(ids) / sizeof(ids[0]) && (r = rdmareg_list_next(l, &info)) > 0)
		if (info.uid == p->uid)
			ids[n++] = info.id;
	if (r < 0)
		return ctl_failed(r);
	r = rdmareg_release_all(c, ids, n, &ro, NULL, NULL);
	return r < 0 && r != -ENOENT ? ctl_failed(r) : EXIT_OK;
}

static int release_made(struct rdmareg *c, const struct session_plan *p)
{
	const struct rdmareg_session_release_options o = { .size = sizeof(o),
							   .grace_usec = p->grace_usec,
							   .limit_usec = p->limit_usec };
	struct rdmareg_released_region region = { .size = sizeof(region) };
	struct rdmareg_released *l = NULL;
	int r = rdmareg_session_release(c, p->uid, p->name, &o, &l);

	if (r == -ENXIO)
		return EXIT_OK; /* somebody was faster */
	if (r < 0)
		return ctl_failed(r);
	while (rdmareg_released_next(l, &region) > 0)
		if (region.outcome == RDMAREG_RELEASE_LATE)
			ctl_error(EXIT_OK, "region %" PRIu64 " is not gone yet: %s", region.region,
				  region.text);
	rdmareg_released_free(l);
	return EXIT_OK;
}

static int release(const struct session_plan *p, enum kind kind)
{
	struct ctl ctl = { 0 };
	struct rdmareg *c;
	int r;

	if (kind == KIND_SHARED)
		return EXIT_OK;
	c = ctl_context(&ctl, &r); /* a new one: the first may be long gone */
	if (c)
		r = kind == KIND_MADE ? release_made(c, p) : release_own(c, p);
	if (r)
		ctl_error(r,
			  "session %s may be left over; end it with: rdmaregctl session release "
			  "%s --uid %" PRIu32 " --if-exists",
			  p->name, p->name, p->uid);
	rdmareg_close(c);
	return r;
}

static int remove_folder(const char *path)
{
	DIR *d = opendir(path);
	int r = EXIT_OK;

	if (!d)
		return errno == ENOENT
			       ? EXIT_OK
			       : ctl_error(EXIT_FAILED, "removing %s: %s", path, strerror(errno));
	for (const struct dirent *e; (e = readdir(d));)
		if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
			unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	/* What the command put there, and is no file, is the command's. */
	if (rmdir(path) < 0 && errno != ENOENT)
		r = ctl_error(EXIT_FAILED, "removing %s: %s", path, strerror(errno));
	return r;
}

static void answer(int fd, int status)
{
	send(fd, &status, sizeof(status), MSG_NOSIGNAL);
}

static _Noreturn void guard(const struct session_plan *p, int fd)
{
	char message[PATH_MAX], folder[PATH_MAX] = "";
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct ctl ctl = { 0 };
	struct rdmareg *c;
	enum kind kind = KIND_SHARED;
	sigset_t all;
	ssize_t n;
	int r = EXIT_FAILED, removed = EXIT_OK;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	/* Whoever reads what the command prints is not to wait for this one. */
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	c = ctl_context(&ctl, &r);
	if (c)
		r = create(c, p, &kind);
	rdmareg_close(c);
	answer(fd, r);
	if (r)
		_exit(r);
	while ((n = recv(fd, message, sizeof(message) - 1, 0)) > 0 && *message == '/') {
		message[n] = 0;
		memcpy(folder, message, (size_t)n + 1);
	}
	r = release(p, kind);
	if (*folder) {
		removed = session_become(p->uid);
		if (!removed)
			removed = remove_folder(folder);
	}
	answer(fd, r ? r : removed);
	_exit(EXIT_OK);
}

/* The guard's word; one that is gone has none. */
static int hear(const struct session_guard *g)
{
	int status;

	if (recv(g->fd, &status, sizeof(status), 0) != sizeof(status))
		status = ctl_error(EXIT_FAILED,
				   "the process that was to clean up is gone; see: rdmaregctl "
				   "session list, rdmaregctl list");
	return status;
}

static void reap(struct session_guard *g)
{
	close(g->fd);
	while (waitpid(g->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int session_guard_begin(const struct session_plan *plan, struct session_guard *ret)
{
	int ends[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return ctl_error(EXIT_FAILED, "starting a process: %s", strerror(errno));
	fflush(stdout);
	ret->pid = fork();
	if (!ret->pid) {
		close(ends[0]);
		guard(plan, ends[1]);
	}
	close(ends[1]);
	ret->fd = ends[0];
	if (ret->pid < 0) {
		close(ret->fd);
		return ctl_error(EXIT_FAILED, "starting a process: %s", strerror(errno));
	}
	r = hear(ret);
	if (r)
		reap(ret);
	return r;
}

void session_guard_folder(const struct session_guard *g, const char *path)
{
	send(g->fd, path, strlen(path), MSG_NOSIGNAL);
}

int session_guard_end(struct session_guard *g)
{
	int r;

	send(g->fd, end_orderly, strlen(end_orderly), MSG_NOSIGNAL);
	r = hear(g);
	reap(g);
	return r;
}
