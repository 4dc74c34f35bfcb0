// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-evict-late.c - a keeper that was stopped when a new daemon began is taken over while its
 * regions' filesystem is being evicted: they are taken down with the others.
 */
#include <signal.h>
#include <unistd.h>

#include "harness.h"

static struct world world;
static sd_bus *bus;

static void register_in(const char *session, int fd, struct reply *ret)
{
	check(register_region(bus, fd, 0, 0, "r", ret, 2, "session", "s", session, "detached", "b",
			      1));
}

static bool is_closing(uint64_t region)
{
	char state[32];

	get_property(bus, region, "State", state, sizeof(state));
	return !strcmp(state, "closing");
}

int main(void)
{
	struct reply late, slow;
	struct later evict;
	pid_t keepers[2];
	sd_bus_message *m;
	int fd;

	if (getuid() != 0)
		return SKIP;
	world_begin(&world,
		    "[daemon]\nadopt_timeout_msec = 300\n[keepers]\ntimeout_msec = 25000\n");
	bus = connect_client(&world);
	fd = make_memfd(4096);
	register_in("late", fd, &late);
	register_in("slow", fd, &slow);
	keepers[0] = session_keeper(bus, "late");
	keepers[1] = session_keeper(bus, "slow");
	check(kill(keepers[0], SIGSTOP) == 0);
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	check(!region_exists(bus, late.id) && region_exists(bus, slow.id));
	listen_signals(bus);
	subscribe(bus);
	check(kill(keepers[1], SIGSTOP) == 0);
	m = new_manager_call(bus, "Evict");
	check(sd_bus_message_append(m, "h", fd) >= 0);
	add_options(m, 1, "grace_usec", "t", UINT64_C(0));
	send_later(bus, m, &evict);
	until(is_closing(slow.id));
	check(kill(keepers[0], SIGCONT) == 0);
	await_removed(bus, late.id, "evicted");
	check(still_waits(bus, &evict));
	check(kill(keepers[1], SIGCONT) == 0);
	await_answer(bus, &evict);
	check_text(evict.reply.error, "");
	check(evict.reply.number == 2);
	check(!region_exists(bus, slow.id));
	close(fd);
	disconnect(bus);
	world_end(&world);
	return 0;
}
