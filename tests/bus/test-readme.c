// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-readme.c - what README.md shows works as it stands there: readme.py tries its examples and
 * commands against the real daemon, which this brings up with keepers that need no adapter. argv:
 * readme.py and its arguments.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

int main(int argc, char **argv)
{
	struct world world;
	int status;
	pid_t pid;

	check(argc > 1);
	/* the longest grace: a program that does not acknowledge is seen to be late */
	world_begin(&world, "[regions]\ngrace_msec = 10000\n");
	setenv("RDMAREG_WORLD", world.directory, 1);
	setenv("RDMAREG_BUS_ADDRESS", world.address, 1);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", world.address, 1);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		argv[0] = getenv("RDMAREG_PYTHON");
		execv(argv[0], argv);
		_exit(127);
	}
	check(waitpid(pid, &status, 0) == pid);
	check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	world_end(&world);
	return 0;
}
