// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-limits.c - an administrator lowers the limits and has them enforced: of each tenant the
 * oldest regions are kept as long as they fit, holders of the others are asked, and have their
 * grace; until then a lower limit takes nothing away. A raised one counts at once.
 *
 * That only root and those whom polkit knows may do it is test-authorize.c's; here the caller is
 * root, else this is skipped.
 */
#include <signal.h>
#include <unistd.h>

#include "harness.h"

#define NOBODY 65534
#define LONG UINT64_C(10000000)

static struct world world;
static sd_bus *admin;

static void set_limits(const char *lines, const char *property, uint64_t value)
{
	world_write_settings(&world, lines);
	check(kill(world.daemon, SIGHUP) == 0);
	until(get_manager_number(admin, property) == value);
}

static sd_bus_message *new_enforce(sd_bus *b, uint64_t grace_usec)
{
	sd_bus_message *m = new_manager_call(b, "EnforceLimits");

	add_options(m, 1, "grace_usec", "t", grace_usec);
	return m;
}

static uint64_t new_region(sd_bus *b, uint64_t length, const char *session)
{
	int fd = make_memfd(length);
	struct reply r;

	check(register_region(b, fd, 0, 0, "rw", &r, 2, "grace_usec", "t", LONG, "session", "s",
			      session));
	close(fd);
	return r.id;
}

static void enforce(uint64_t expected)
{
	struct reply r;

	check(finish_call(admin, new_enforce(admin, 0), &r) && r.number == expected);
}

static void release(uint64_t id)
{
	struct reply r;

	check(call_region(admin, id, "Release", &r));
}

static void test_number(void)
{
	sd_bus *user = connect_as(&world, NOBODY);
	uint64_t id[4], other, elsewhere;
	struct later l;
	struct reply r;

	listen_signals(user);
	for (int i = 0; i < 4; i++)
		id[i] = new_region(user, 8192, "first");
	other = new_region(user, 8192, "second");
	elsewhere = new_region(admin, 8192, "first");
	enforce(0);
	set_limits("[limits]\nregions_per_tenant = 3\n", "MaxRegionsPerTenant", 3);
	check(region_exists(user, id[3])); /* a lower limit by itself takes nothing */

	forget_signals(user);
	send_later(admin, new_enforce(admin, LONG), &l);
	check(acknowledge(user, id[3], await_request(user, "quota"), &r));
	await_answer(admin, &l);
	check_text(l.reply.error, "");
	check(l.reply.number == 1 && !region_exists(user, id[3]) && region_exists(user, id[2]));
	await_removed(user, id[3], "over-limit");
	until(world_log_contains(&world, "limits enforced by pid ") &&
	      !world_log_contains(&world, "evicted"));

	set_limits("[limits]\nregions_per_tenant = 1\n", "MaxRegionsPerTenant", 1);
	enforce(2);
	check(region_exists(user, id[0]) && !region_exists(user, id[1]) &&
	      !region_exists(user, id[2]));
	check(region_exists(user, other) && region_exists(admin, elsewhere));
	enforce(0);
	release(elsewhere);
	disconnect(user);
	until(!get_manager_number(admin, "Regions"));
}

/* One that does not fit goes, also when younger ones fit. */
static void test_bytes(void)
{
	uint64_t id[3];

	set_limits("[limits]\nbytes_per_tenant = 1M\n", "MaxBytesPerTenant", 1 << 20);
	id[0] = new_region(admin, 8192, "bytes");
	id[1] = new_region(admin, 65536, "bytes");
	id[2] = new_region(admin, 8192, "bytes");
	set_limits("[limits]\nbytes_per_tenant = 16384\n", "MaxBytesPerTenant", 16384);
	enforce(1);
	check(region_exists(admin, id[0]) && !region_exists(admin, id[1]) &&
	      region_exists(admin, id[2]));
	release(id[0]);
	release(id[2]);
}

/*
 * A raised limit counts at once, also for a tenant whose keeper was started for fewer regions and
 * is full: the next ones get another keeper. With a fixed port, which two cannot have, the caller
 * hears which key it is.
 */
static void test_raised(void)
{
	int fd = make_memfd(4096);
	struct reply r[4], refused;

	until(world_keepers(&world) == 0);
	until(world_log_contains(&world, ": gone: it was idle, and its process "));
	until(world_log_contains(&world, ": removed: over-limit\n") &&
	      world_log_contains(&world, ": removed: released\n"));
	set_limits("[limits]\nregions_per_tenant = 2\n", "MaxRegionsPerTenant", 2);
	for (int i = 0; i < 2; i++)
		check(register_region(admin, fd, 0, 0, "r", &r[i], 1, "session", "s", "raised"));
	check(world_keepers(&world) == 1);
	check(!register_region(admin, fd, 0, 0, "r", &refused, 1, "session", "s", "raised"));
	expect_error(&refused, "LimitExceeded", "regions_per_tenant");
	set_limits("port = 18516\n[limits]\nregions_per_tenant = 3\n", "MaxRegionsPerTenant", 3);
	check(!register_region(admin, fd, 0, 0, "r", &refused, 1, "session", "s", "raised"));
	expect_error(&refused, "LimitExceeded", "regions_per_tenant");
	check(strstr(refused.text, "port"));
	set_limits("[limits]\nregions_per_tenant = 4\n", "MaxRegionsPerTenant", 4);
	for (int i = 2; i < 4; i++)
		check(register_region(admin, fd, 0, 0, "r", &r[i], 1, "session", "s", "raised"));
	check(world_keepers(&world) == 2);
	/* what becomes free is used, whichever of them has it */
	release(r[0].id);
	check(register_region(admin, fd, 0, 0, "r", &r[0], 1, "session", "s", "raised"));
	check(!register_region(admin, fd, 0, 0, "r", &refused, 1, "session", "s", "raised"));
	check(world_keepers(&world) == 2);
	for (int i = 0; i < 4; i++)
		release(r[i].id);
	close(fd);
}

static void test_input(void)
{
	sd_bus_message *m = new_manager_call(admin, "EnforceLimits");
	struct reply r;

	add_options(m, 1, "grace", "t", UINT64_C(1));
	check(!finish_call(admin, m, &r));
	expect_error(&r, "InvalidOption", "no option 'grace'");
	m = new_manager_call(admin, "EnforceLimits");
	add_options(m, 1, "grace_usec", "u", 1);
	check(!finish_call(admin, m, &r));
	expect_error(&r, "InvalidOption", "a 64-bit");
	m = new_manager_call(admin, "EnforceLimits");
	check(!finish_call(admin, m, &r));
	check_text(r.error, "org.freedesktop.DBus.Error.InvalidArgs");
}

int main(void)
{
	if (getuid() != 0)
		return SKIP;
	world_begin(&world, "");
	admin = connect_client(&world);
	test_input();
	test_number();
	test_bytes();
	test_raised();
	disconnect(admin);
	world_end(&world);
	return 0;
}
