// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * open-as.c - a file opened with a user's rights, for launchers that are root: what the user may
 * not open, the launcher does not open for him.
 *
 * A process of its own drops to the user, opens the file and passes the descriptor back, because
 * the filesystem may be the user's (FUSE), or far away (NFS), and never answer.
 *
 * What always holds: the caller waits no longer than the time given, whatever the filesystem and
 * the user do. The process in between shares the caller's descriptors, so that its end closes
 * none; the one that opens is nobody's child, unless the caller is a subreaper, who then waits for
 * its end, within the time given. It is killed when the call returns, also if the user has stopped
 * it, and if the caller is gone it ends itself a little later than the time given. While it can be
 * signalled by the user it has none of the caller's descriptors, and it cannot be traced. After the
 * clone only system calls are made: other threads of the caller may have held any lock.
 *
 * Its copies of the caller's descriptors are closed before it opens, and a close waits for a file
 * whose FUSE server does not answer. There is no way around: a process begins with such copies or
 * shares them, execve(2) and the end of a process close them in the same way, and close_range(2)
 * copies the first 64 before it closes them, also where it could do without.
 */
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "rdmareg.h"

#include "error.h"
#include "util.h"

#define TIMEOUT_DEFAULT (10 * USEC_PER_SEC)
#define TIMEOUT_MAX (3600 * USEC_PER_SEC)
#define LATER_USEC 500000 /* the caller is the first to stop waiting */
#define GROUPS_MAX 65536

/* Refused by this library before or after the open, or all that open(2) has. */
#define FLAGS_ALLOWED \
	(O_ACCMODE | O_CLOEXEC | O_NOFOLLOW | O_NOATIME | O_DIRECT | O_SYNC | O_DSYNC | O_LARGEFILE)

#ifdef SYS_setresuid32
#define SETRESUID SYS_setresuid32
#define SETRESGID SYS_setresgid32
#define SETGROUPS SYS_setgroups32
#else
#define SETRESUID SYS_setresuid
#define SETRESGID SYS_setresgid
#define SETGROUPS SYS_setgroups
#endif

struct order {
	uint32_t uid;
	uint32_t gid;
	const uint32_t *groups;
	size_t n_groups;
	bool drop; /* we are root */
	const char *path;
	int flags;
	uint64_t timeout_usec;
};

/* What comes back, with the descriptor if @error is 0. */
struct answer {
	int32_t error;
	uint32_t dropping; /* it failed before the open */
};

static int drop(const struct order *o)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (syscall(SETGROUPS, o->n_groups, o->groups) < 0 ||
	    syscall(SETRESGID, o->gid, o->gid, o->gid) < 0 ||
	    syscall(SETRESUID, o->uid, o->uid, o->uid) < 0)
		return -errno;
	/* whatever securebits the caller runs with */
	if (o->uid && syscall(SYS_capset, &head, none) < 0)
		return -errno;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

/* O_NONBLOCK: for a FIFO or device, which is refused once it can be looked at. */
static int open_file(const struct order *o, int *ret)
{
	int fd = open(o->path, o->flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int flags;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))
		return -EBADF;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
		return -errno;
	*ret = fd;
	return 0;
}

static void answer(int to, const struct answer *a, int fd)
{
	struct iovec v = { (void *)(uintptr_t)a, sizeof(*a) };
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };

	if (fd >= 0) {
		control.head.cmsg_level = SOL_SOCKET;
		control.head.cmsg_type = SCM_RIGHTS;
		control.head.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.head), &fd, sizeof(fd));
		m.msg_control = &control;
		m.msg_controllen = sizeof(control.room);
	}
	sendmsg(to, &m, MSG_NOSIGNAL);
}

static _Noreturn void be_the_user(const struct order *o, int to)
{
	uint64_t last = o->timeout_usec + LATER_USEC;
	struct itimerval limit = { .it_value = { .tv_sec = (time_t)(last / USEC_PER_SEC),
						 .tv_usec = (suseconds_t)(last % USEC_PER_SEC) } };
	struct sigaction die = { .sa_handler = SIG_DFL };
	struct answer a = { 0 };
	sigset_t alarms;
	int fd = -1;

	sigemptyset(&alarms);
	sigaddset(&alarms, SIGALRM);
	if (sigaction(SIGALRM, &die, NULL) < 0 || setitimer(ITIMER_REAL, &limit, NULL) < 0 ||
	    sigprocmask(SIG_UNBLOCK, &alarms, NULL) < 0 || dup2(to, 0) < 0)
		_exit(1);
	/* a close may wait too: the time runs already */
	if (close_range(1, UINT32_MAX, 0) < 0)
		_exit(1);
	a.error = o->drop ? drop(o) : 0;
	a.dropping = a.error != 0;
	if (!a.error)
		a.error = open_file(o, &fd);
	answer(0, &a, a.error ? -1 : fd);
	_exit(0);
}

/* As fork(2), but without what other threads and the C library would have to be told. */
static pid_t split(unsigned long flags, int *ret_pidfd)
{
	return (pid_t)syscall(SYS_clone, flags, 0UL, ret_pidfd, 0UL, 0UL);
}

/*
 * The process that opens is not the caller's child: nobody has to wait for its end. Its pidfd is
 * made in the descriptors that the process in between shares, and its number is the first message.
 */
static int start(const struct order *o, int to, int from, int *ret_pidfd)
{
	sigset_t all, before;
	pid_t between;
	int status, error;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	/* no signal when it ends: only who waits for it by __WCLONE sees it */
	between = split(CLONE_FILES, NULL);
	if (between == 0) {
		int pidfd = -1;
		pid_t pid = split(CLONE_PIDFD | SIGCHLD, &pidfd);

		if (pid == 0)
			be_the_user(o, to);
		_exit(pid < 0 || send(from, &pidfd, sizeof(pidfd), MSG_NOSIGNAL) < 0);
	}
	error = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (between < 0)
		return -error;
	while (waitpid(between, &status, __WCLONE) < 0)
		if (errno != EINTR)
			return -errno;
	if (!WIFEXITED(status) || WEXITSTATUS(status) ||
	    recv(to, ret_pidfd, sizeof(*ret_pidfd), MSG_DONTWAIT) != sizeof(*ret_pidfd))
		return -EAGAIN;
	return 0;
}

/*
 * It has nothing to do any more, if it is still there. A subreaper has it as a child: its end is
 * waited for, as far as that comes in time.
 */
static void finish(int pidfd, uint64_t deadline_usec)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	siginfo_t info = { 0 };

	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0U);
	while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | __WALL) == 0 &&
	       !info.si_pid) {
		uint64_t now = clock_usec(CLOCK_MONOTONIC);

		if (now >= deadline_usec ||
		    (poll(&p, 1, (int)((deadline_usec - now + 999) / 1000)) < 0 && errno != EINTR))
			break;
	}
	close(pidfd);
}

/* -ETIMEDOUT; -ECANCELED: somebody ended the process. */
static int await(int from, uint64_t deadline_usec, struct answer *ret, int *ret_fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec v = { ret, sizeof(*ret) };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	struct pollfd p = { .fd = from, .events = POLLIN };
	ssize_t n;

	for (;;) {
		uint64_t now = clock_usec(CLOCK_MONOTONIC);
		int r = now < deadline_usec ? poll(&p, 1, (int)((deadline_usec - now + 999) / 1000))
					    : 0;

		if (r > 0)
			break;
		if (r == 0 && now >= deadline_usec)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
	n = recvmsg(from, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	if (n != (ssize_t)sizeof(*ret))
		return -ECANCELED;
	if (control.head.cmsg_level == SOL_SOCKET && control.head.cmsg_type == SCM_RIGHTS &&
	    m.msg_controllen >= CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(&control.head), sizeof(*ret_fd));
	return 0;
}

static int run(const struct order *o, int *ret_fd)
{
	uint64_t deadline = add_saturating(clock_usec(CLOCK_MONOTONIC), o->timeout_usec);
	struct answer a = { 0 };
	int pair[2], r, fd = -1, pidfd = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return fail(errno, "opening %s as uid %" PRIu32 ": making a socket: %s", o->path,
			    o->uid, strerror(errno));
	r = start(o, pair[1], pair[0], &pidfd);
	close(pair[1]);
	if (r == 0)
		r = await(pair[0], deadline, &a, &fd);
	close(pair[0]);
	if (pidfd >= 0)
		finish(pidfd, deadline);
	if (r == -ETIMEDOUT)
		return fail(ETIMEDOUT,
			    "opening %s as uid %" PRIu32 ": its filesystem has not answered within "
			    "%" PRIu64 " ms, or that of another file that this process has open; "
			    "see to their servers (FUSE, NFS)",
			    o->path, o->uid, o->timeout_usec / 1000);
	if (r == -ECANCELED)
		return fail(ECANCELED,
			    "opening %s as uid %" PRIu32 ": the process that did it was ended, "
			    "which that user can do; try again",
			    o->path, o->uid);
	if (r < 0)
		return fail(r, "opening %s as uid %" PRIu32 ": no process can be started: %s",
			    o->path, o->uid, strerror(-r));
	if (a.error == -EBADF && !a.dropping)
		return fail(EBADF,
			    "opening %s as uid %" PRIu32 ": it is neither a regular file nor a "
			    "character device",
			    o->path, o->uid);
	if (a.error || fd < 0)
		return fail(a.error ? a.error : EIO, "opening %s as uid %" PRIu32 ": %s%s", o->path,
			    o->uid, a.dropping ? "becoming that user: " : "",
			    strerror(a.error ? -a.error : EIO));
	*ret_fd = fd;
	return 0;
}

/* The groups of the account. @ret_groups: freed by the caller. */
static int look_up(uint32_t uid, uint32_t *ret_gid, uint32_t **ret_groups, size_t *ret_n)
{
	_cleanup_(free_cleanup) char *room = NULL;
	_cleanup_(free_cleanup) gid_t *groups = NULL;
	struct passwd entry, *found = NULL;
	size_t size = 1024;
	int n = 32, r;

	do {
		char *more = realloc(room, size *= 2);

		if (!more)
			return fail(ENOMEM, "looking up uid %" PRIu32 ": out of memory", uid);
		room = more;
		r = getpwuid_r(uid, &entry, room, size, &found);
	} while (r == ERANGE && size < 1u << 20);
	if (!found)
		return fail(r ? r : ESRCH, "looking up uid %" PRIu32 ": %s", uid,
			    r ? strerror(r) : "it has no account on this machine");
	for (int asked = 0; asked < n && n <= GROUPS_MAX;) {
		gid_t *more = reallocarray(groups, (size_t)n, sizeof(*groups));

		if (!more)
			return fail(ENOMEM, "looking up uid %" PRIu32 ": out of memory", uid);
		groups = more;
		asked = n;
		if (getgrouplist(found->pw_name, found->pw_gid, groups, &n) >= 0)
			break;
	}
	if (n > GROUPS_MAX)
		return fail(E2BIG, "looking up uid %" PRIu32 ": more than %d groups", uid,
			    GROUPS_MAX);
	*ret_gid = found->pw_gid;
	*ret_groups = take_pointer(groups);
	*ret_n = (size_t)n;
	return 0;
}

_public_ int rdmareg_open_as(uint32_t uid, const char *path, int flags,
			     const struct rdmareg_open_as_options *options, int *ret_fd)
{
	_cleanup_(free_cleanup) uint32_t *groups = NULL;
	struct rdmareg_open_as_options o;
	struct order order;
	int r;

	_Static_assert(sizeof(gid_t) == sizeof(uint32_t), "groups are handed on as they are");
	NEED(path);
	NEED(ret_fd);
	r = struct_in(&o, sizeof(o), options);
	if (r >= 0)
		r = struct_check_reserved(o.reserved, sizeof(o.reserved));
	if (r < 0)
		return r;
	if (uid == UINT32_MAX)
		return fail(EINVAL, "opening %s: uid %" PRIu32 " is nobody's", path, uid);
	if (flags & ~FLAGS_ALLOWED)
		return fail(
			EINVAL,
			"opening %s: flags %#x: a file is neither made nor changed here, and no "
			"directory opened",
			path, (unsigned int)(flags & ~FLAGS_ALLOWED));
	if (o.n_groups > GROUPS_MAX || (o.n_groups && (!o.groups || !o.has_groups)))
		return fail(
			EINVAL,
			"opening %s: there are groups without has_groups, or the groups are NULL, or "
			"more than %d",
			path, GROUPS_MAX);
	for (size_t i = 0; o.has_groups && i <= o.n_groups; i++)
		if ((i < o.n_groups ? o.groups[i] : o.gid) == UINT32_MAX)
			return fail(EINVAL, "opening %s: gid %" PRIu32 " is no group's", path,
				    UINT32_MAX);
	if (o.timeout_usec > TIMEOUT_MAX)
		return fail(EINVAL, "opening %s: a timeout is at most an hour", path);
	if (geteuid() && uid != geteuid())
		return fail(EPERM, "opening %s: only root opens a file as uid %" PRIu32, path, uid);
	order = (struct order){ .uid = uid,
				.gid = o.gid,
				.groups = o.groups,
				.n_groups = o.n_groups,
				.drop = geteuid() == 0,
				.path = path,
				.flags = flags,
				.timeout_usec = o.timeout_usec ? o.timeout_usec : TIMEOUT_DEFAULT };
	if (order.drop && !o.has_groups) {
		r = look_up(uid, &order.gid, &groups, &order.n_groups);
		if (r < 0)
			return r;
		order.groups = groups;
	}
	return run(&order, ret_fd);
}
