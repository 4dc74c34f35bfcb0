// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-link.c - daemon and keeper lose sight of each other, and nothing is lost by it: a daemon that does not read for as long as it takes,
 * a connection that ends between living processes, answers that come late.
 */
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define MANY 1000

static struct world world;
static sd_bus *bus;

static void await_property(uint64_t id, const char *name, const char *value)
{
	char text[64];

	until((get_property(bus, id, name, text, sizeof(text)), !strcmp(text, value)));
}

static bool has_log(const char *format, uint64_t number)
{
	char text[100];

	snprintf(text, sizeof(text), format, number);
	return world_log_contains(&world, text);
}

static void stop_daemon(void)
{
	int status;

	check(kill(world.daemon, SIGSTOP) == 0);
	check(waitpid(world.daemon, &status, WUNTRACED) == world.daemon && WIFSTOPPED(status));
}

/*
 * A thousand regions, of which every one sees writeback again and again and then loses its tail, while the daemon stands still: far more
 * events than can wait. Peers come and go meanwhile, too. All regions live, and the daemon knows all of it afterwards.
 */
static void test_daemon_stands_still(void)
{
	static struct reply region[MANY];
	int fd = make_memfd(8192);
	struct reply r;
	uint64_t last;

	for (int i = 0; i < MANY; i++)
		check(register_region(bus, fd, 0, 0, "rw", &region[i], 2, "session", "s", "many",
				      "grace_usec", "t", UINT64_C(0)));
	last = region[MANY - 1].id;
	for (int i = 0; i < 3; i++)
		check(export_region(bus, region[i].id, &r, 0));
	world_tell_keeper(&world, getuid(), "many", "peer-join %" PRIu64 " rw", region[0].id);
	await_property(region[0].id, "Peers", "1");
	world_tell_keeper(&world, getuid(), "many", "peer-join %" PRIu64 " rw", region[1].id);
	await_property(region[1].id, "Peers", "1");

	stop_daemon();
	for (int round = 0; round < 5; round++)
		for (int i = 0; i < MANY; i++)
			world_tell_keeper(&world, getuid(), "many", "writeback %" PRIu64 " 0 4096",
					  region[i].id);
	for (int i = 0; i < MANY; i++)
		world_tell_keeper(&world, getuid(), "many", "break %" PRIu64 " truncate 4096", region[i].id);
	world_tell_keeper(&world, getuid(), "many", "peer-leave %" PRIu64, region[1].id);
	until(has_log("region %" PRIu64 ": revocation 1 settled: ", last));
	world_tell_keeper(&world, getuid(), "many", "peer-join %" PRIu64 " r", region[2].id);
	until(has_log("region %" PRIu64 ": peer 192.0.2.2 joined, r\n", region[2].id));
	check(world_log_contains(&world, "it will list everything again"));
	check(kill(world.daemon, SIGCONT) == 0);

	until(world_log_contains(&world, "we did not read in time"));
	for (int i = 0; i < MANY; i++) {
		await_property(region[i].id, "ValidLength", "4096");
		await_property(region[i].id, "State", "live");
	}
	await_property(region[0].id, "Peers", "0"); /* cut off: it had no time to acknowledge */
	await_property(region[1].id, "Peers", "0");
	await_property(region[2].id, "Peers", "1");
	check(!world_log_contains(&world, "lost with"));
	/* what happens from now on is told as ever */
	world_tell_keeper(&world, getuid(), "many", "peer-leave %" PRIu64, region[2].id);
	await_property(region[2].id, "Peers", "0");
	for (int i = 0; i < MANY; i++)
		check(call_region(bus, region[i].id, "Release", &r));
	close(fd);
}

int main(void)
{
	world_begin(&world, "");
	bus = connect_client(&world);
	test_daemon_stands_still();
	disconnect(bus);
	world_end(&world);
	return 0;
}
