// SPDX-License-Identifier: GPL-2.0-or-later
/* program.c - see program.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config.h"
#include "program.h"

#define DAEMON PKGLIBEXECDIR "/rdmaregd"

/* Only where this program is none of the system's, as in its tests. */
const char *program_daemon(void)
{
	const char *given = secure_getenv("RDMAREG_DAEMON");

	return given && *given ? given : DAEMON;
}

FILE *program_start(const char *const words[], int of, pid_t *ret_pid)
{
	int ends[2];

	if ((strchr(words[0], '/') && access(words[0], X_OK) < 0) || pipe(ends) < 0)
		return NULL;
	*ret_pid = fork();
	if (!*ret_pid) {
		if (of != STDOUT_FILENO)
			dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
		dup2(ends[1], of);
		close(ends[0]);
		close(ends[1]);
		execvp(words[0], (char **)(uintptr_t)words);
		_exit(127);
	}
	close(ends[1]);
	if (*ret_pid < 0) {
		close(ends[0]);
		return NULL;
	}
	return fdopen(ends[0], "r");
}

bool program_end(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) >= 0 && WIFEXITED(status) && !WEXITSTATUS(status);
}
