// SPDX-License-Identifier: GPL-2.0-or-later
/* rdmaregd-bus.c - the private bus of fakes/rdmaregd.h: a dbus-daemon in a directory of its own. */
#undef NDEBUG
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rdmaregd.h"

static pid_t bus_pid;
static char directory[] = "/tmp/rdmareg-bus-XXXXXX";

int mock_bus_start(void)
{
	char address[sizeof(directory) + 32], config[sizeof(directory) + 32], line[256];
	int out[2];
	FILE *f;

	assert(mkdtemp(directory) && pipe(out) == 0);
	snprintf(address, sizeof(address), "unix:path=%s/bus", directory);
	snprintf(config, sizeof(config), "%s/bus.conf", directory);
	assert(chmod(directory, 0755) == 0); /* for a test that goes on as another user */
	f = fopen(config, "w");
	assert(f);
	fprintf(f,
		"<busconfig><listen>%s</listen><auth>EXTERNAL</auth><policy "
		"context='default'><allow user='*'/><allow send_destination='*' "
		"eavesdrop='true'/><allow eavesdrop='true'/><allow own='*'/></policy></busconfig>\n",
		address);
	assert(fclose(f) == 0);
	setenv("RDMAREG_BUS_ADDRESS", address, 1);
	bus_pid = fork();
	if (!bus_pid) {
		char option[sizeof(config) + 32], fd[32];

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		snprintf(option, sizeof(option), "--config-file=%s", config);
		snprintf(fd, sizeof(fd), "--print-address=%d", out[1]);
		execlp("dbus-daemon", "dbus-daemon", option, "--nofork", "--nopidfile", fd,
		       (char *)NULL);
		_exit(77);
	}
	close(out[1]);
	if (read(out[0], line, sizeof(line)) <= 0) {
		mock_bus_stop();
		return 77;
	}
	close(out[0]);
	return 0;
}

void mock_bus_stop(void)
{
	char path[sizeof(directory) + 16];

	kill(bus_pid, SIGKILL);
	waitpid(bus_pid, NULL, 0);
	snprintf(path, sizeof(path), "%s/bus", directory);
	unlink(path);
	snprintf(path, sizeof(path), "%s/bus.conf", directory);
	unlink(path);
	rmdir(directory);
}
