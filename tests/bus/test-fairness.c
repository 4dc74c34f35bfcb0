// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-fairness.c - one user, one connection, one keeper cannot take the daemon's time from others: what a call costs, by the daemon's
 * own CPU time, does not grow with what others have, and long answers are made between the calls of others.
 *
 * Other users take root, else this is skipped. No time is compared with a fixed number, only with what the same costs without the crowd.
 */
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define CROWD 33 /* a uid with many regions */
#define NOBODY 65534
#define REGIONS 3000u
#define PER_SESSION 1000u
#define WINDOW 200u
#define CALLS 200
#define LISTS 8u

static struct world world;
static sd_bus *crowd, *nobody;

static uint64_t daemon_cpu_nsec(void)
{
	struct timespec t;
	clockid_t clock;

	check(clock_getcpuclockid(world.daemon, &clock) == 0 && clock_gettime(clock, &t) == 0);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int on_registered(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	size_t *n = userdata;

	(void)error;
	check(!sd_bus_message_get_error(m));
	++*n;
	return 0;
}

static void register_many(sd_bus *b, size_t wanted)
{
	size_t sent = 0, done = 0;
	int fd = make_memfd(4096);

	while (done < wanted) {
		if (sent < wanted && sent - done < WINDOW) {
			sd_bus_message *m = new_manager_call(b, "RegisterRegion");
			char session[16];

			snprintf(session, sizeof(session), "s%zu", sent++ / PER_SESSION);
			check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), UINT64_C(4096), "rw") >= 0);
			add_options(m, 2, "warm", "b", 0, "session", "s", session);
			check(sd_bus_call_async(b, NULL, m, on_registered, &done, UINT64_MAX) >= 0);
			sd_bus_message_unref(m);
			continue;
		}
		while (sd_bus_process(b, NULL) > 0)
			;
		if (done < wanted && (sent - done == WINDOW || sent == wanted))
			check(sd_bus_wait(b, WAIT_SEC * 1000000ull) >= 0);
	}
	close(fd);
}

static uint64_t cost_of_lists(sd_bus *b)
{
	uint64_t before = daemon_cpu_nsec();

	for (int i = 0; i < CALLS; i++)
		check(count_regions(b) == 0);
	return daemon_cpu_nsec() - before;
}

/* Who has no region pays for none. */
static void test_lists_of_others(uint64_t alone)
{
	check(cost_of_lists(nobody) < 3 * alone);
}

static sd_bus_message *new_list(sd_bus *b)
{
	sd_bus_message *m = new_manager_call(b, "ListRegions");

	add_options(m, 1, "limit", "u", 4096);
	return m;
}

/* Long lists that were asked for before do not have to be over before somebody else is answered. */
static void test_long_lists(void)
{
	struct later lists[LISTS];
	size_t answered = 0;

	for (size_t i = 0; i < LISTS; i++)
		send_later(crowd, new_list(crowd), &lists[i]);
	check(get_manager_number(nobody, "Regions") == REGIONS);
	for (size_t i = 0; i < LISTS; i++)
		answered += is_answered(crowd, &lists[i]);
	check(answered < LISTS);
	for (size_t i = 0; i < LISTS; i++)
		await_answer(crowd, &lists[i]);
	for (size_t i = 0; i < LISTS; i++)
		check_text(lists[i].reply.error, "");
}

/* A connection that ends while its lists are being made, and another of the same user that still waits. */
static void test_lists_abandoned(void)
{
	sd_bus *other = connect_as(&world, CROWD);
	struct later lists[LISTS], left;

	for (size_t i = 0; i < LISTS; i++)
		send_later(other, new_list(other), &lists[i]);
	send_later(crowd, new_list(crowd), &left);
	disconnect(other);
	await_answer(crowd, &left);
	check_text(left.reply.error, "");
	check(count_regions(nobody) == 0);
}

static uint64_t cost_of_holders(sd_bus *b, int fd, size_t expected)
{
	uint64_t before;

	until(get_manager_number(b, "Regions") && count_holders(b, fd) == expected);
	before = daemon_cpu_nsec();
	for (int i = 0; i < 3; i++)
		check(count_holders(b, fd) == expected);
	return daemon_cpu_nsec() - before;
}

/* Ten times the peers cost ten times, not a hundred times; and nothing at all if somebody else asks. */
static void test_many_peers(void)
{
	int few = make_memfd(4096), many = make_memfd(4096);
	uint64_t cost_few, cost_many, before;
	struct reply r[2], ignored;

	check(register_region(crowd, few, 0, 0, "r", &r[0], 1, "session", "s", "bad-group"));
	check(register_region(crowd, many, 0, 0, "r", &r[1], 1, "session", "s", "bad-crowd"));
	cost_few = cost_of_holders(crowd, few, 1 + 1600);
	cost_many = cost_of_holders(crowd, many, 1 + 16000);
	check(cost_many < 20 * cost_few);
	before = daemon_cpu_nsec();
	for (int i = 0; i < 3; i++)
		check(count_holders(nobody, many) == 0);
	check(daemon_cpu_nsec() - before < cost_many / 10);
	for (int i = 0; i < 2; i++)
		check(call_region(crowd, r[i].id, "Release", &ignored));
	close(few);
	close(many);
}

int main(void)
{
	uint64_t alone;

	if (getuid() != 0)
		return SKIP;
	world_begin(&world, "[limits]\nregions_per_client = 4096\npeers_per_tenant = 16384\n");
	crowd = connect_as(&world, CROWD);
	nobody = connect_as(&world, NOBODY);
	cost_of_lists(nobody);
	alone = cost_of_lists(nobody);
	register_many(crowd, REGIONS);
	test_lists_of_others(alone);
	test_long_lists();
	test_lists_abandoned();
	test_many_peers();
	disconnect(crowd);
	disconnect(nobody);
	world_end(&world);
	return 0;
}
