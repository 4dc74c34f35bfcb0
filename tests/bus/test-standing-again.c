// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-standing-again.c - standing regions that were lost are made again by a unit of their user,
 * but not again and again. systemd is played: a process with its name on the bus, which runs
 * `rdmaregctl standing restore --due` when it is to start the unit.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness-standing.h"

static int start_unit(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	char wanted[64], command[400];
	const char *unit, *mode;

	(void)userdata;
	if (access(path_of("masked"), F_OK) == 0)
		return sd_bus_error_setf(error, "org.freedesktop.systemd1.UnitMasked",
					 "Unit is masked.");
	snprintf(wanted, sizeof(wanted), "rdmareg-standing@%u.service", geteuid());
	if (sd_bus_message_read(m, "ss", &unit, &mode) < 0 || strcmp(unit, wanted) != 0)
		return sd_bus_error_setf(error, "org.freedesktop.systemd1.NoSuchUnit", "No %s",
					 unit);
	snprintf(command, sizeof(command),
		 "RDMAREG_BUS_ADDRESS='%s' '%s' standing restore --due >>'%s' 2>&1 &",
		 world.address, getenv("RDMAREGCTL"), path_of("unit-log"));
	if (system(command) != 0)
		return -EIO;
	return sd_bus_reply_method_return(m, "o", "/org/freedesktop/systemd1/job/1");
}

static const sd_bus_vtable systemd[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("StartUnit", "ss", "o", start_unit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static void play_systemd(void)
{
	sd_bus *b;

	if (fork() != 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	b = connect_client(&world);
	check(sd_bus_add_object_vtable(b, NULL, "/org/freedesktop/systemd1",
				       "org.freedesktop.systemd1.Manager", systemd, NULL) >= 0);
	check(sd_bus_request_name(b, "org.freedesktop.systemd1", 0) >= 0);
	for (;;) {
		if (sd_bus_process(b, NULL) < 0 || sd_bus_wait(b, UINT64_MAX) < 0)
			_exit(0);
	}
}

static bool has_systemd(void)
{
	return sd_bus_get_name_creds(bus, "org.freedesktop.systemd1", 0, NULL) >= 0;
}

/* It is not only being made. */
static bool is_there(const char *name)
{
	uint64_t id = region_of(name);
	char state[32] = "";

	if (id && region_exists(bus, id))
		get_property(bus, id, "State", state, sizeof(state));
	return !strcmp(state, "live");
}

static void lose(const char *name)
{
	uint64_t before = region_of(name);

	check(is_there(name));
	world_kill_keepers(&world, SIGKILL);
	until(region_of(name) != before);
}

/* @name is being made again, by a keeper that does not answer. */
static void begin_restore(int fd, const char *name, struct later *l)
{
	int other = make_named("other");
	sd_bus_message *m;
	struct reply r;

	check(register_region(bus, other, 0, 0, "rw", &r, 0));
	world_kill_keepers(&world, SIGSTOP);
	m = new_manager_call(bus, "RestoreStanding");
	check(sd_bus_message_append(m, "ssh", "default", name, fd) >= 0);
	send_later(bus, m, l);
	until(region_of(name));
	close(other);
}

static void end_restore(const char *name, struct later *l)
{
	world_kill_keepers(&world, SIGKILL);
	await_answer(bus, l);
	expect_error(&l->reply, "KeeperLost", "");
	until(!region_of(name) && !count_regions(bus));
}

/* It counts, as often as it happens, also when no daemon knew the region before. */
static void test_lost_in_the_making(int fd)
{
	struct standing_told s;
	struct later l;
	struct reply r;
	char out[4096];

	check(register_standing(fd, "a", &r));
	disconnect(bus);
	reboot_machine();
	bus = connect_client(&world);
	for (int i = 0; i < 5; i++) {
		begin_restore(fd, "a", &l);
		end_restore("a", &l);
		check(find_standing(bus, "a", &s));
		check(strstr(s.why, i < 4 ? "it is tried again after" : "5 times soon"));
	}
	check(ctl("standing restore --due", out) == 0 && !region_of("a"));
	check(ctl("standing restore", out) == 0 && region_of("a"));
	check(call_region(bus, region_of("a"), "Release", &r) && !is_recorded("a"));
}

/* What was taken down while it was being made waits for its user. */
static void test_evicted_in_the_making(int fd)
{
	struct standing_told s;
	struct later l;
	struct reply r;
	char out[4096], command[400];
	int other;

	check(register_standing(fd, "a", &r));
	disconnect(bus);
	reboot_machine();
	bus = connect_client(&world);
	begin_restore(fd, "a", &l);
	other = make_named("other");
	snprintf(command, sizeof(command),
		 "RDMAREG_BUS_ADDRESS='%s' '%s' evict --containing '%s' >/dev/null 2>&1 &",
		 world.address, getenv("RDMAREGCTL"), path_of("file"));
	check(system(command) == 0);
	/* in another session, whose keeper answers: until that is not made, or taken down at once */
	until(!register_region(bus, other, 0, 0, "rw", &r, 1, "session", "s", "probe"));
	close(other);
	end_restore("a", &l);
	check(find_standing(bus, "a", &s) && strstr(s.why, "evicted"));
	until(ctl("standing restore --due", out) == 0);
	check(!region_of("a"));
	check(remove_standing(bus, geteuid(), "default", "a", &r));
}

static void test_none(int fd)
{
	struct standing_told s;
	struct reply r;
	char out[4096];

	check(register_standing(fd, "a", &r));
	lose("a");
	until(world_log_contains(&world, "there is no systemd"));
	check(find_standing(bus, "a", &s) && !s.region);
	check(ctl("standing restore", out) == 0 && region_of("a"));
	check(call_region(bus, region_of("a"), "Release", &r));
}

/* As often as it is lost, and then no more: nor with another one that is made again. */
static void test_again(int fd)
{
	struct standing_told s;
	struct reply a, b, r;
	char out[4096];

	check(register_standing(fd, "a", &a));
	for (int i = 0; i < 4; i++) {
		lose("a");
		until(is_there("a"));
		check(count_regions(bus) == 1);
		expect_property(bus, region_of("a"), "Standing", "1");
	}
	lose("a");
	check(find_standing(bus, "a", &s) && !s.region);
	check(strstr(s.why, "5 times soon after it was made"));
	check(ctl("status", out) == 5 && strstr(out, "rdmaregctl standing restore"));
	check(register_standing(fd, "b", &b));
	lose("b");
	until(is_there("b"));
	check(!region_of("a"));
	check(ctl("standing restore", out) == 0 && region_of("a"));
	check(call_region(bus, region_of("a"), "Release", &r) &&
	      call_region(bus, region_of("b"), "Release", &r));
}

/* What was taken down waits for its user. */
static void test_evicted(int fd)
{
	struct standing_told s;
	struct reply a, b, r;
	char out[4096], command[300];

	check(register_standing(fd, "a", &a));
	snprintf(command, sizeof(command), "evict --containing %s", path_of("file"));
	check(ctl(command, out) == 0);
	until(!region_of("a"));
	check(find_standing(bus, "a", &s) && strstr(s.why, "evicted"));
	check(register_standing(fd, "b", &b));
	lose("b");
	until(is_there("b"));
	check(!region_of("a") && is_recorded("a"));
	check(remove_standing(bus, geteuid(), "default", "a", &r));
	check(call_region(bus, region_of("b"), "Release", &r));
}

/* An operator hears that the unit cannot be started. */
static void test_masked(int fd)
{
	struct reply r;
	char out[4096];

	check(register_standing(fd, "a", &r));
	close(make_named("masked"));
	lose("a");
	until(world_log_contains(&world, "cannot be started: Unit is masked."));
	check(ctl("status", out) == 5 && strstr(out, "cannot be started: Unit is masked."));
	check(unlink(path_of("masked")) == 0);
	check(ctl("standing restore", out) == 0);
	/* the same at a start of the daemon, which makes it again */
	disconnect(bus);
	reboot_machine();
	bus = connect_client(&world);
	until(is_there("a"));
	check(call_region(bus, region_of("a"), "Release", &r) && !is_recorded("a"));
}

int main(void)
{
	int fd;

	standing_begin("");
	fd = make_named("file");
	test_none(fd);
	test_lost_in_the_making(fd);
	test_evicted_in_the_making(fd);
	play_systemd();
	until(has_systemd());
	test_again(fd);
	test_evicted(fd);
	test_masked(fd);
	close(fd);
	standing_end();
	return 0;
}
