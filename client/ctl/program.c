// SPDX-License-Identifier: GPL-2.0-or-later
/* program.c - see program.h. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "program.h"

#define DAEMON PKGLIBEXECDIR "/rdmaregd"
#define TEXT_MAX ((size_t)64 << 20)
#define PIECE 65536u
#define DIES_USEC 100000 /* what was killed, unless it is in a call that nothing interrupts */

/* Only where this program is none of the system's, as in its tests. */
const char *program_daemon(void)
{
	const char *given = secure_getenv("RDMAREG_DAEMON");

	return given && *given ? given : DAEMON;
}

uint64_t program_now_usec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int start(const char *const words[], int of, int *ret_fd, pid_t *ret_pid)
{
	int ends[2];

	if ((strchr(words[0], '/') && access(words[0], X_OK) < 0) || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	*ret_pid = fork();
	if (!*ret_pid) {
		if (of != STDOUT_FILENO)
			dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		dup2(ends[1], of);
		execvp(words[0], (char **)(uintptr_t)words);
		_exit(127);
	}
	close(ends[1]);
	*ret_fd = ends[0];
	if (*ret_pid > 0)
		return 0;
	close(ends[0]);
	return -EAGAIN;
}

/* -ETIMEDOUT: nothing came until then. */
static int await(int fd, uint64_t until_usec)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t now = program_now_usec();
	uint64_t msec = now < until_usec ? (until_usec - now + 999) / 1000 : 0;
	int n = poll(&p, 1, msec < INT_MAX ? (int)msec : INT_MAX);

	return n > 0 ? 0 : n < 0 ? -errno : -ETIMEDOUT;
}

static int read_all(int fd, uint64_t until_usec, char **text)
{
	size_t room = 0, n = 0;
	ssize_t got;
	char *more;
	int r;

	do {
		if (n + PIECE > room) {
			room = room ? 2 * room : 2 * PIECE;
			more = room <= TEXT_MAX ? realloc(*text, room) : NULL;
			if (!more)
				return -ENOMEM;
			*text = more;
		}
		r = await(fd, until_usec);
		if (r < 0)
			return r;
		got = read(fd, *text + n, PIECE - 1);
		if (got < 0)
			return -errno;
		n += (size_t)got;
	} while (got);
	(*text)[n] = 0;
	return 0;
}

/* -EIO: it failed. */
static int end(pid_t pid, uint64_t until_usec)
{
	int fd = pidfd_open(pid, 0), status = 0;
	int r = fd < 0 ? -errno : await(fd, until_usec);

	if (fd >= 0)
		close(fd);
	if (r < 0)
		return r;
	if (waitpid(pid, &status, WNOHANG) != pid)
		return -ECHILD;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

int program_read(const char *const words[], int of, uint64_t until_usec, char **ret)
{
	char *text = NULL;
	pid_t pid = 0;
	int fd = -1, r, ended;

	*ret = NULL;
	r = start(words, of, &fd, &pid);
	if (r < 0)
		return r;
	r = read_all(fd, until_usec, &text);
	close(fd);
	ended = r < 0 ? r : end(pid, until_usec);
	if (ended < 0 && ended != -EIO) {
		kill(pid, SIGKILL);
		end(pid, program_now_usec() + DIES_USEC);
	}
	if (r < 0)
		free(text);
	else
		*ret = text;
	return ended;
}
