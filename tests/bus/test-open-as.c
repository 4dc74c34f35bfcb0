// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-open-as.c - rdmareg_open_as(): a launcher opens exactly what the user could, and does not
 * wait for the user's filesystem. What needs root to become somebody is skipped without; a
 * filesystem whose server is silent needs a FUSE mount.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/include/rdmareg.h"
#include "harness.h"

#define USER 65534
#define OTHER 1
#define GROUP 4712 /* nobody's */

static struct world world;
static char path[160];

static const char *in_world(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", world.directory, name);
	return path;
}

/* A file of one byte, which is the first letter of its name. */
static void make(const char *name, uid_t uid, gid_t gid, mode_t mode)
{
	int fd = open(in_world(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	check(fd >= 0 && write(fd, name, 1) == 1);
	check(getuid() || fchown(fd, uid, gid) == 0);
	check(fchmod(fd, mode) == 0);
	close(fd);
}

static size_t descriptors(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void refused(int line, uint32_t uid, const char *name, int flags,
		    const struct rdmareg_open_as_options *o, int error, const char *says)
{
	int fd = -7, r = rdmareg_open_as(uid, name, flags, o, &fd);

	if (r == -error && fd == -7 && strstr(rdmareg_last_error(), says))
		return;
	fprintf(stderr, "line %d: %d instead of -%d: %s\n", line, r, error, rdmareg_last_error());
	check(false);
}
#define REFUSED(...) refused(__LINE__, __VA_ARGS__)

/* It is that file, opened so, and no program that is executed gets it. */
static void opened(uint32_t uid, const char *name, int flags,
		   const struct rdmareg_open_as_options *o, char first)
{
	char got = 0;
	int fd = -1, r = rdmareg_open_as(uid, name, flags, o, &fd);

	if (r < 0)
		fprintf(stderr, "%s: %s\n", name, rdmareg_last_error());
	check(r == 0 && pread(fd, &got, 1, 0) == 1 && got == first);
	check((fcntl(fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK)) == flags &&
	      fcntl(fd, F_GETFD) == FD_CLOEXEC);
	close(fd);
}

static void test_bad_input(void)
{
	struct rdmareg_open_as_options none = { 0 },
				       groups = { .size = sizeof(groups), .n_groups = 1 },
				       many = { .size = sizeof(many), .n_groups = UINT32_MAX },
				       no_group = { .size = sizeof(no_group),
						    .has_groups = 1,
						    .gid = UINT32_MAX },
				       slow = { .size = sizeof(slow), .timeout_usec = UINT64_MAX },
				       reserved = { .size = sizeof(reserved), .reserved = { 1 } };
	static const int flags[] = { O_CREAT,	O_TRUNC, O_APPEND,    O_PATH,
				     O_TMPFILE, O_EXCL,	 O_DIRECTORY, 1 << 30 };
	uint32_t me = getuid();
	int fd;

	make("fine", 0, 0, 0600);
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		REFUSED(me, path, O_RDWR | flags[i], NULL, EINVAL, "neither made nor changed");
	REFUSED(me, path, O_RDONLY, &none, EINVAL, "size");
	REFUSED(me, path, O_RDONLY, &groups, EINVAL, "groups");
	REFUSED(me, path, O_RDONLY, &many, EINVAL, "groups");
	REFUSED(me, path, O_RDONLY, &no_group, EINVAL, "is no group's");
	REFUSED(me, path, O_RDONLY, &slow, EINVAL, "an hour");
	REFUSED(me, path, O_RDONLY, &reserved, E2BIG, "reserved");
	REFUSED(me, NULL, O_RDONLY, NULL, EINVAL, "path is NULL");
	REFUSED(UINT32_MAX, path, O_RDONLY, NULL, EINVAL, "nobody's");
	check(rdmareg_open_as(me, path, O_RDONLY, NULL, NULL) == -EINVAL);
	REFUSED(me, "", O_RDONLY, NULL, ENOENT, "No such file");
	REFUSED(me, in_world("missing"), O_RDONLY, NULL, ENOENT, "No such file");
	REFUSED(me, world.directory, O_RDONLY, NULL, EBADF, "neither a regular file");
	REFUSED(me, world.directory, O_RDWR, NULL, EISDIR, "directory");
	check(mkfifo(in_world("fifo"), 0600) == 0);
	REFUSED(me, path, O_RDONLY, NULL, EBADF, "neither a regular file");
	REFUSED(me, path, O_RDWR, NULL, EBADF, "neither a regular file");
	check(unlink(path) == 0 && symlink("loop", in_world("loop")) == 0);
	REFUSED(me, path, O_RDONLY, NULL, ELOOP, "");
	check(unlink(path) == 0);
	fd = open(in_world("fine"), O_RDWR | O_CLOEXEC);
	check(fd >= 0);
	close(fd);
	opened(me, path, O_RDWR, NULL, 'f');
	opened(me, path, O_RDONLY, NULL, 'f');
	check(unlink(path) == 0);
	if (getuid())
		REFUSED(me + 1, "/bin/sh", O_RDONLY, NULL, EPERM, "only root");
}

static void test_rights(void)
{
	const uint32_t group = GROUP;
	struct rdmareg_open_as_options without = { .size = sizeof(without),
						   .has_groups = 1,
						   .gid = USER },
				       with = { .size = sizeof(with),
						.has_groups = 1,
						.gid = USER,
						.groups = &group,
						.n_groups = 1 };
	gid_t before[64];
	int n = getgroups(64, before), now;

	check(chmod(world.directory, 0755) == 0);
	make("mine", USER, USER, 0600);
	make("roots", 0, 0, 0600);
	make("shared", 0, GROUP, 0640);
	make("world", 0, 0, 0644);
	opened(USER, in_world("mine"), O_RDWR, NULL, 'm');
	REFUSED(OTHER, path, O_RDONLY, NULL, EACCES, "Permission denied");
	opened(0, path, O_RDWR, NULL, 'm');
	REFUSED(USER, in_world("roots"), O_RDONLY, NULL, EACCES, "Permission denied");
	REFUSED(USER, in_world("world"), O_RDWR, NULL, EACCES, "Permission denied");
	opened(USER, path, O_RDONLY, NULL, 'w');
	REFUSED(USER, path, O_RDONLY | O_NOATIME, NULL, EPERM, "");
	/* groups: of the account, or those that were given */
	REFUSED(USER, in_world("shared"), O_RDONLY, NULL, EACCES, "Permission denied");
	REFUSED(USER, path, O_RDONLY, &without, EACCES, "Permission denied");
	opened(USER, path, O_RDONLY, &with, 's');
	REFUSED(USER, path, O_RDWR, &with, EACCES, "Permission denied");
	/* who has no account */
	REFUSED(GROUP, path, O_RDONLY, NULL, ESRCH, "no account");
	opened(GROUP, in_world("world"), O_RDONLY, &without, 'w');
	/* links lead where the user may go */
	check(symlink("roots", in_world("to-roots")) == 0);
	REFUSED(USER, path, O_RDONLY, NULL, EACCES, "Permission denied");
	check(unlink(path) == 0 && symlink("mine", in_world("to-mine")) == 0);
	opened(USER, path, O_RDWR, NULL, 'm');
	REFUSED(USER, path, O_RDONLY | O_NOFOLLOW, NULL, ELOOP, "");
	check(unlink(path) == 0);
	REFUSED(USER, "/proc/self/environ", O_RDONLY, NULL, EACCES, "Permission denied");
	/* and a folder that only root enters keeps what is in it */
	check(chmod(world.directory, 0700) == 0);
	REFUSED(USER, in_world("mine"), O_RDONLY, NULL, EACCES, "Permission denied");
	check(chmod(world.directory, 0755) == 0);
	/* the caller is who it was */
	now = getgroups(0, NULL);
	check(geteuid() == 0 && getegid() == 0 && now == n);
	for (const char *const *name =
		     (const char *const[]){ "mine", "roots", "shared", "world", NULL };
	     *name; name++)
		check(unlink(in_world(*name)) == 0);
}

/*
 * The server never answers: the caller goes on, what it had open is closed elsewhere, and nobody is
 * left for it to wait for.
 */
static void test_silent(void)
{
	struct rdmareg_open_as_options o = { .size = sizeof(o), .timeout_usec = 300000 };
	struct silent_fs fs;
	bool asked = false;
	struct pollfd p;
	size_t before;
	int ends[2];

	if (!silent_begin(&fs, &world, USER))
		return;
	snprintf(path, sizeof(path), "%s/file", fs.directory);
	opened(USER, path, O_RDWR, NULL, 0);
	silent_mute(&fs, 0, "open");
	check(pipe2(ends, O_CLOEXEC) == 0);
	before = descriptors();
	/* on a busy machine the time is over before the filesystem was asked: then there is more */
	for (int i = 0; i < 3 || !asked; i++) {
		REFUSED(USER, path, O_RDWR, &o, ETIMEDOUT, "has not answered within ");
		p = (struct pollfd){ .fd = fileno(fs.from), .events = POLLIN };
		if (!asked && poll(&p, 1, 0) == 1) {
			silent_await(&fs, "open");
			asked = true;
		}
		if (!asked)
			o.timeout_usec *= 2;
	}
	check(descriptors() == before);
	check(waitpid(-1, NULL, WNOHANG | __WCLONE) < 0 && errno == ECHILD);
	/* the process that still waits has no copy of this end */
	close(ends[1]);
	p = (struct pollfd){ .fd = ends[0], .events = POLLIN };
	check(poll(&p, 1, WAIT_SEC * 1000) == 1 && (p.revents & POLLHUP));
	close(ends[0]);
	silent_end(&fs);
}

/* As that user: stop what the caller has for a child, as soon as it is there. Never returns. */
static _Noreturn void stop_children(pid_t caller)
{
	char name[64];
	int fd, pid;
	FILE *f;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(name, sizeof(name), "/proc/%d/task/%d/children", caller, caller);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	check(fd >= 0 && setgroups(0, NULL) == 0 && setgid(USER) == 0 && setuid(USER) == 0);
	f = fdopen(fd, "r");
	check(f);
	for (;;) {
		rewind(f);
		while (fscanf(f, "%d", &pid) == 1)
			if (pid != getpid())
				kill(pid, SIGSTOP);
		fflush(f);
	}
}

/*
 * To a subreaper falls what has lost its parent: nothing is left for it either. Nor does a user
 * leave something by stopping the process that has become his: that is killed in the end.
 */
static void be_subreaper(void)
{
	struct rdmareg_open_as_options o = { .size = sizeof(o), .timeout_usec = 200000 };
	unsigned int timeouts = 0;
	char slow[3000] = "";
	pid_t stopper;
	int fd, r;

	check(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	for (int i = 0; i < 50; i++) {
		opened(getuid() ? getuid() : USER, in_world("world"), O_RDONLY, NULL, 'w');
		REFUSED(getuid() ? getuid() : USER, in_world("missing"), O_RDONLY, NULL, ENOENT,
			"");
		check(waitpid(-1, NULL, WNOHANG | __WALL) < 0 && errno == ECHILD);
	}
	if (getuid())
		return;
	/* a path that takes a while, so that there is something to stop */
	snprintf(slow, sizeof(slow), "%s", world.directory);
	while (strlen(slow) < sizeof(slow) - 16)
		strcat(slow, "/.");
	strcat(slow, "/world");
	stopper = fork();
	check(stopper >= 0);
	if (stopper == 0)
		stop_children(getppid());
	for (int i = 0; i < 400 && timeouts < 3; i++) {
		fd = -1;
		r = rdmareg_open_as(USER, slow, O_RDONLY, &o, &fd);
		check(r == 0 || r == -ETIMEDOUT);
		timeouts += r == -ETIMEDOUT;
		if (r == 0)
			close(fd);
	}
	check(kill(stopper, SIGKILL) == 0);
	/* those that came late for their caller are over too: this returns when they have ended */
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	check(errno == ECHILD);
}

/* In a process that has no other children. */
static void test_subreaper(void)
{
	int status;
	pid_t pid;

	make("world", 0, 0, 0644);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		be_subreaper();
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status));
	check(unlink(in_world("world")) == 0);
}

int main(void)
{
	size_t before;

	world_begin(&world, "");
	before = descriptors();
	test_bad_input();
	if (getuid() == 0) {
		test_rights();
		check(descriptors() == before);
		test_silent();
	}
	test_subreaper();
	check(descriptors() == before);
	world_end(&world);
	return 0;
}
