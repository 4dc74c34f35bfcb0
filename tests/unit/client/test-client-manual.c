// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-manual.c - the program in librdmareg(3), as it stands there, is no holder that others
 * wait for: it acknowledges. Against a played daemon (fakes/rdmaregd.h). argv[1]: that program.
 */
#include "tests/fakes/rdmaregd.h"
#include "client-run.h"

int main(int argc, char **argv)
{
	char file[] = "/tmp/rdmareg-manual-XXXXXX";
	struct run r;
	pid_t mock;
	int fd;

	assert(argc == 2);
	ctl = argv[1];
	alarm(60);
	if (mock_bus_start())
		return 77;
	mock = mock_daemon_start();
	fd = mkstemp(file);
	assert(fd >= 0);
	r = begin(file);
	says(&r, "rdmareg://", "");
	mock_tell("ask 3", 1);
	/* each call is a round trip, in which the program can do its part */
	while (mock_tell("acked", 1) != 3)
		;
	mock_tell("vanish", 1);
	says(&r, "the region is gone", "");
	assert(end(&r) == 1);
	unlink(file);
	close(fd);
	mock_daemon_stop(mock);
	mock_bus_stop();
	return 0;
}
