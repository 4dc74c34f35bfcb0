// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-list.c - ListKeepers: each keeper is listed with what it holds, in the state that it
 * is in, to those who may know of it; the metrics count the same states. Foreign ones are in
 * test-versions.c.
 */
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "harness.h"

#define TENANT 33
#define PAGE 4096u

static struct world world;
static sd_bus *bus;

static bool is_in_state(const char *name, const char *state)
{
	struct keeper k;

	for (size_t n = 0; find_keeper(bus, n, &k, 1, "state", "s", state); n++)
		if (!strcmp(k.keeper, name))
			return true;
	return false;
}

static const char *name_of(const char *session, unsigned int instance)
{
	static char name[96];

	snprintf(name, sizeof(name), "%u-%s-%u", geteuid(), session, instance);
	return name;
}

/* What somebody is paged for is what the list shows. */
static bool counts(unsigned int ready, unsigned int estranged)
{
	return world_metric(&world, "rdmareg_keepers{state=\"ready\"}") == ready &&
	       world_metric(&world, "rdmareg_keepers{state=\"estranged\"}") == estranged;
}

/* What it holds changes with its regions and its peers. */
static void test_held(void)
{
	int fd = make_memfd((size_t)4 * PAGE);
	struct reply one, two, ignored;
	struct keeper k;

	check(!find_keeper(bus, 0, &k, 0));
	check(register_region(bus, fd, 0, 0, "r", &one, 1, "session", "s", "held"));
	check(register_region(bus, fd, PAGE, PAGE, "rw", &two, 1, "session", "s", "held"));
	check(export_region(bus, one.id, &ignored, 0));
	world_tell_keeper(&world, geteuid(), "held", "peer-join %" PRIu64 " r", one.id);
	until(find_keeper(bus, 0, &k, 0) && k.peers == 1);
	check_text(k.keeper, name_of("held", 1));
	check_text(k.session, "held");
	check_text(k.state, "driven");
	check_text(k.trouble, "");
	check_text(k.unit, "");
	check(k.uid == geteuid() && k.regions == 2 && k.bytes == (uint64_t)5 * PAGE);
	check(kill((pid_t)k.pid, 0) == 0 && k.since_usec != UINT64_MAX && !k.attempts);
	check(k.version && k.version_min <= k.version && k.version <= k.version_max);
	check(call_region(bus, one.id, "Release", &ignored));
	check(find_keeper(bus, 0, &k, 0) && k.regions == 1 && k.bytes == PAGE && !k.peers);
	check(call_region(bus, two.id, "Release", &ignored));
	until(!find_keeper(bus, 0, &k, 0)); /* it holds nothing, and ends */
	close(fd);
}

/* One that does not answer is stuck until it does; new regions go to another one beside it. */
static void test_stuck(void)
{
	int fd = make_memfd(PAGE);
	struct reply one, two, ignored;
	struct keeper k;

	check(register_region(bus, fd, 0, 0, "r", &one, 1, "session", "s", "late"));
	check(counts(1, 0));
	check(find_keeper(bus, 0, &k, 0) && kill((pid_t)k.pid, SIGSTOP) == 0);
	check(!export_region(bus, one.id, &ignored, 0));
	expect_error(&ignored, "Timeout", "");
	check(find_keeper(bus, 0, &k, 1, "state", "s", "stuck"));
	check(strstr(k.trouble, "has not answered") && k.regions == 1);
	check(counts(0, 1));
	check(register_region(bus, fd, 0, 0, "r", &two, 1, "session", "s", "late"));
	check(is_in_state(name_of("late", 2), "driven"));
	check(find_keeper(bus, 0, &k, 1, "state", "s", "stuck") && k.regions == 1);
	check(kill((pid_t)k.pid, SIGCONT) == 0);
	until(is_in_state(name_of("late", 1), "driven"));
	check(counts(2, 0));
	check(call_region(bus, one.id, "Release", &ignored));
	check(call_region(bus, two.id, "Release", &ignored));
	until(!find_keeper(bus, 0, &k, 0));
	close(fd);
}

/* Others' keepers do not exist for a user, whatever it asks for. */
static void test_hidden(void)
{
	int fd = make_memfd(PAGE);
	struct reply mine, theirs, ignored;
	sd_bus *tenant;
	struct keeper k;

	if (geteuid() != 0)
		return;
	tenant = connect_as(&world, TENANT);
	check(register_region(tenant, fd, 0, 0, "r", &theirs, 0));
	check(register_region(bus, fd, 0, 0, "r", &mine, 0));
	check(find_keeper(tenant, 0, &k, 0) && k.uid == TENANT);
	check(!find_keeper(tenant, 1, &k, 0));
	check(!find_keeper(tenant, 0, &k, 1, "uid", "u", 0));
	check(find_keeper(bus, 1, &k, 0) && k.uid == 0); /* the younger comes last */
	check(find_keeper(bus, 0, &k, 1, "uid", "u", TENANT) && k.uid == TENANT);
	check(!find_keeper(bus, 1, &k, 1, "uid", "u", TENANT));
	check(call_region(tenant, theirs.id, "Release", &ignored));
	check(call_region(bus, mine.id, "Release", &ignored));
	disconnect(tenant);
	close(fd);
}

int main(void)
{
	world_begin(&world, "[keepers]\ntimeout_msec = 6000\n");
	bus = connect_client(&world);
	test_held();
	test_stuck();
	test_hidden();
	disconnect(bus);
	world_end(&world);
	return 0;
}
