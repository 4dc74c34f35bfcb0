// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-path.c - one registration and one revocation, for check-path.py, which runs this with the
 * daemon under strace(1) and looks at what was done for them. The first of each prepares: the keeper
 * is started, and the daemon learns who calls.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

static struct world world;

static void truncate_once(sd_bus *b, uint64_t id)
{
	uint64_t revocation;
	struct reply r;

	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " truncate 4096", id);
	revocation = await_request(b, "truncate");
	check(acknowledge(b, id, revocation, &r));
	await_settled(b, revocation, "truncated", 4096);
}

int main(void)
{
	struct reply region;
	sd_bus *b;
	int fd;

	world_begin(&world, "timeout_msec = 100000\n"); /* strace takes its time */
	b = connect_client(&world);
	/* at hand on every kernel */
	fd = memfd_create("path", MFD_CLOEXEC);
	check(fd >= 0 && ftruncate(fd, 8192) == 0);
	listen_signals(b);
	for (int i = 0; i < 2; i++) {
		check(register_region(b, fd, 0, 0, "rw", &region, 1, "grace_usec", "t",
				      UINT64_C(10000000)));
		truncate_once(b, region.id);
		check(ftruncate(fd, 8192) == 0);
	}
	disconnect(b);
	close(fd);
	world_end(&world);
	return 0;
}
