// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-versions.c - keepers of other packages (keeper-form-5.c): the daemon drives what speaks one of its
 * versions, whatever else that says, and believes no version or size that cannot be. Whatever one speaks,
 * others notice nothing.
 */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "harness.h"

static struct world world;
static sd_bus *bus;

/* A good region of a good tenant, to be there all the time. */
static struct reply bystander;

static void expect_bystander(void)
{
	char text[32];

	get_property(bus, bystander.id, "State", text, sizeof(text));
	check_text(text, "live");
}

/* It is driven: by the daemon that started it and by the next, and nothing that it says is taken for a fault. */
static void drive(const char *session)
{
	int fd = make_memfd(4096);
	struct reply r, other, ignored;
	char complaint[64];

	check(register_region(bus, fd, 0, 0, "rw", &r, 2, "session", "s", session, "detached", "b", 1));
	check(register_region(bus, fd, 0, 0, "rw", &other, 2, "session", "s", session, "detached", "b", 1));
	check(world_keepers(&world) == 2);
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	expect_bystander();
	expect_property(bus, r.id, "State", "live");
	expect_property(bus, other.id, "State", "live");
	check(!export_region(bus, r.id, &ignored, 0)); /* this one knows no tickets */
	expect_error(&ignored, "NotSupported", "older package");
	check(call_region(bus, r.id, "Release", &ignored));
	check(call_region(bus, other.id, "Release", &ignored));
	check(!region_exists(bus, r.id));
	snprintf(complaint, sizeof(complaint), "%s (pid", session);
	check(!world_log_contains(&world, complaint));
	until(world_keepers(&world) == 1);
	close(fd);
}

static void test_driven(void)
{
	drive("form-same");
	drive("form-wide");
	drive("form-longer");
	drive("form-events");
}

/* One that we have started and that is of no use is ended. */
static void refuse(const char *session, const char *error, const char *mentions)
{
	int fd = make_memfd(4096);
	struct reply r;

	check(!register_region(bus, fd, 0, 0, "rw", &r, 1, "session", "s", session));
	expect_error(&r, error, mentions);
	close(fd);
	expect_bystander();
}

static void test_lies(void)
{
	refuse("form-zero", "KeeperLost", "versions that cannot be");
	refuse("form-reversed", "KeeperLost", "versions that cannot be");
	refuse("form-choice", "KeeperLost", "another version than the highest");
	refuse("form-alone", "KeeperLost", "it speaks versions 1000 to 1001 of the keeper protocol");
	refuse("form-short", "Failed", "wrong size");
	refuse("form-header", "Failed", "wrong size");
	refuse("form-huge", "Failed", "wrong size");
	refuse("form-answer", "Failed", "unknown type");
	refuse("form-direction", "Failed", "no keeper sends");
	refuse("form-kind", "Failed", "no keeper sends");
	until(world_keepers(&world) == 1); /* each has told its lie, and let go of what came of it */
}

int main(void)
{
	int fd;

	world_begin(&world, "[daemon]\nadopt_timeout_msec = 3000\n[keepers]\ntimeout_msec = 3000\n[limits]\n"
			    "tenants_per_uid = 40\n");
	bus = connect_client(&world);
	fd = make_memfd(4096);
	check(register_region(bus, fd, 0, 0, "rw", &bystander, 0));
	close(fd);
	test_lies();
	test_driven();
	/* what world_end() compares with is what the last daemon had when it began */
	until(world_keepers(&world) == 1);
	world_end_daemon(&world, SIGTERM);
	world_start_daemon(&world);
	disconnect(bus);
	world_end(&world);
	return 0;
}
