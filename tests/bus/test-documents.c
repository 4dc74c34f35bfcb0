// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-documents.c - what the documents show works as it stands there: readme.py tries README's
 * programs, commands.py every command, and prometheus.py whether Prometheus can read the metrics,
 * against the real daemon, which this brings up with keepers that need no adapter. argv: one of
 * these and its arguments.
 *
 * RDMAREG_WORLD is the world's folder; its "data" is a filesystem of its own, if we may mount one:
 * RDMAREG_WORLD_MOUNTED says so.
 */
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

int main(int argc, char **argv)
{
	struct world world;
	char data[128];
	bool may_mount;
	int status;
	pid_t pid;

	check(argc > 1);
	/* daemon and keepers see the mounts made here, and nobody else does */
	may_mount = getuid() == 0 && unshare(CLONE_NEWNS) == 0 &&
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	/* the longest grace: a program that does not acknowledge is seen to be late */
	world_begin(&world, "[regions]\ngrace_msec = 10000\n");
	snprintf(data, sizeof(data), "%s/data", world.directory);
	check(mkdir(data, 0755) == 0);
	setenv("RDMAREG_WORLD", world.directory, 1);
	setenv("RDMAREG_BUS_ADDRESS", world.address, 1);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", world.address, 1);
	if (may_mount)
		setenv("RDMAREG_WORLD_MOUNTED", "1", 1);
	check(!may_mount || mount("documents", data, "tmpfs", 0, NULL) == 0);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		argv[0] = getenv("RDMAREG_PYTHON");
		execv(argv[0], argv);
		_exit(127);
	}
	check(waitpid(pid, &status, 0) == pid);
	check(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == SKIP));
	check(!may_mount || umount(data) == 0);
	world_end(&world);
	return WEXITSTATUS(status);
}
