// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-standing-disk.c - the disk with the records of standing regions: whoever hears that a region
 * is released does not find it again, whatever ends next; and a disk that is silent, or fails, keeps
 * nobody waiting for ever, and nobody else at all.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness-standing.h"

#define TENANT 33

static int disk;

static void silence(void)
{
	check(flock(disk, LOCK_EX) == 0);
}

static void answer(void)
{
	check(flock(disk, LOCK_UN) == 0);
}

static void release_later(uint64_t id, struct later *l)
{
	sd_bus_message *m = new_region_call(bus, id, "Release");

	send_later(bus, m, l);
}

static void restart(int signal)
{
	disconnect(bus);
	world_end_daemon(&world, signal);
	world_start_daemon(&world);
	bus = connect_client(&world);
}

/* The answer comes after the disk, and what was answered holds if all ends then. */
static void test_released_is_on_disk(void)
{
	struct standing_told s;
	int fd = make_named("file");
	struct later release;
	struct reply r;

	check(register_standing(fd, "a", &r));
	silence();
	release_later(r.id, &release);
	until(!region_exists(bus, r.id));
	check(still_waits(bus, &release) && is_recorded("a"));
	answer();
	await_answer(bus, &release);
	check(!*release.reply.error && !is_recorded("a"));
	for (int i = 0; i < 5; i++) {
		check(register_standing(fd, "b", &r) && is_recorded("b"));
		check(call_region(bus, r.id, "Release", &r));
		restart(SIGKILL);
		check(!is_recorded("b") && !find_standing(bus, "b", &s));
	}
	/* of a session, with one that is not there */
	check(register_region(bus, fd, 0, 0, "rw", &r, 4, "standing", "b", 1, "detached", "b", 1,
			      "name", "s", "gone", "session", "s", "job"));
	reboot_machine();
	close(fd);
}

static void test_session(void)
{
	int fd = make_named("file");
	char out[4096];
	struct reply r;

	disconnect(bus);
	bus = connect_client(&world);
	check(ctl("session create job", out) == 0);
	check(register_region(bus, fd, 0, 0, "rw", &r, 4, "standing", "b", 1, "detached", "b", 1,
			      "name", "s", "there", "session", "s", "job"));
	check(ctl("session release job", out) == 0);
	check(access(record_of(geteuid(), "job", "gone"), F_OK) < 0);
	check(access(record_of(geteuid(), "job", "there"), F_OK) < 0);
	close(fd);
}

/* It ends with its session also when it is only being made again, and that fails. */
static void test_session_of_restored(void)
{
	struct later again, release;
	int fd = make_named("file"), other = make_named("other");
	struct standing_told s;
	char out[4096], path[80];
	sd_bus_message *m;
	struct reply r;

	check(ctl("session create job", out) == 0);
	check(register_region(bus, fd, 0, 0, "rw", &r, 4, "standing", "b", 1, "detached", "b", 1,
			      "name", "s", "again", "session", "s", "job"));
	disconnect(bus);
	reboot_machine();
	bus = connect_client(&world);
	check(ctl("session create job", out) == 0);
	/* for a keeper, which is not to answer */
	check(register_region(bus, other, 0, 0, "rw", &r, 2, "detached", "b", 1, "session", "s",
			      "job"));
	world_kill_keepers(&world, SIGSTOP);
	m = new_manager_call(bus, "RestoreStanding");
	check(sd_bus_message_append(m, "ssh", "job", "again", fd) >= 0);
	send_later(bus, m, &again);
	until(region_of("again"));
	snprintf(path, sizeof(path), RDMAREG_SESSION_PREFIX "/%u_job", geteuid());
	m = new_call(bus, path, RDMAREG_SESSION_INTERFACE, "Release");
	add_options(m, 0);
	send_later(bus, m, &release);
	check(region_of("again")); /* which is answered after that was begun */
	world_kill_keepers(&world, SIGKILL);
	await_answer(bus, &again);
	await_answer(bus, &release);
	check(access(record_of(geteuid(), "job", "again"), F_OK) < 0);
	check(!find_standing(bus, "again", &s));
	close(fd);
	close(other);
}

/* With what was asked, and what becomes of it. */
static void test_silent(void)
{
	int fd = make_named("file"), other = make_named("other");
	char out[4096];
	struct later a, b;
	struct standing_told s;
	struct reply first, second, third, r;

	check(register_standing(fd, "first", &first) && register_standing(fd, "second", &second) &&
	      register_standing(fd, "third", &third));
	silence();
	release_later(first.id, &a);
	release_later(second.id, &b);
	until(!region_exists(bus, first.id) && !region_exists(bus, second.id));
	/* what needs no record goes on */
	check(register_region(bus, other, 0, 0, "rw", &r, 0) &&
	      call_region(bus, r.id, "Release", &r));
	if (geteuid() == 0) {
		sd_bus *tenant = connect_as(&world, TENANT);

		check(fchown(other, TENANT, TENANT) == 0);
		check(register_region(tenant, other, 0, 0, "rw", &r, 0) &&
		      call_region(tenant, r.id, "Release", &r));
		disconnect(tenant);
	}
	await_answer(bus, &a);
	await_answer(bus, &b);
	expect_error(&a.reply, "Timeout", ":default:first is not removed yet");
	expect_error(&b.reply, "Timeout", ":default:second is not removed yet");
	check(!register_standing(fd, "fourth", &r));
	expect_error(&r, "Timeout", "does not answer");
	check(!remove_standing(bus, geteuid(), "default", "third", &r));
	expect_error(&r, "Timeout", ":default:third is not removed yet");
	check(ctl("status", out) == 5 && strstr(out, "does not answer"));
	check(is_recorded("first") && is_recorded("second") && is_recorded("third"));
	answer();
	until(!is_recorded("first") && !is_recorded("second") && !is_recorded("third"));
	until(register_standing(fd, "fourth", &r));
	check(find_standing(bus, "fourth", &s) && !find_standing(bus, "third", &s));
	check(call_region(bus, third.id, "Release", &third));
	check(call_region(bus, r.id, "Release", &r) && !is_recorded("fourth"));
	close(fd);
	close(other);
}

static void test_session_of_silent(void)
{
	int fd = make_named("file");
	char out[4096];
	struct reply r;

	check(ctl("session create job", out) == 0);
	check(register_region(bus, fd, 0, 0, "rw", &r, 4, "standing", "b", 1, "detached", "b", 1,
			      "name", "s", "there", "session", "s", "job"));
	silence();
	check(ctl("session release job", out) == 1 && strstr(out, "is not removed yet"));
	/* it is over all the same */
	check(ctl("session release job", out) == 3);
	answer();
	until(access(record_of(geteuid(), "job", "there"), F_OK) < 0);
	close(fd);
}

/* One that fails is no silent one. */
static void test_failing(void)
{
	int fd = make_named("file");
	struct reply a, r;

	until(register_standing(fd, "a", &a)); /* the disk answers again */
	check(fchmod(disk, 0400) == 0);
	check(!call_region(bus, a.id, "Release", &r));
	expect_error(&r, "Failed", "cannot be removed: Input/output error");
	check(!register_standing(fd, "b", &r));
	expect_error(&r, "Failed", "cannot be recorded");
	check(fchmod(disk, 0600) == 0);
	check(!region_exists(bus, a.id) && is_recorded("a"));
	restart(SIGTERM);
	/* it is made again, as was said */
	check(remove_standing(bus, geteuid(), "default", "a", &r) && !is_recorded("a"));
	close(fd);
}

static void register_anew(int fd, const char *error)
{
	struct reply r;

	check(!register_region(bus, fd, 0, 0, "r", &r, 3, "standing", "b", 1, "detached", "b", 1,
			       "name", "s", "a"));
	expect_error(&r, error, "region 'a' is not registered");
	until(!count_regions(bus));
}

/* A registration that failed leaves the record that there was, or none. */
static void test_not_anew(void)
{
	int fd = make_named("file");
	struct standing_told s;
	struct reply r;

	check(register_standing(fd, "a", &r));
	disconnect(bus);
	reboot_machine();
	bus = connect_client(&world);
	silence();
	register_anew(fd, "Timeout");
	answer();
	until(register_standing(fd, "b", &r)); /* after all that the disk had to do before */
	check(record_contains("a", "\ngrace_usec 3000000\n"));
	check(call_region(bus, r.id, "Release", &r));
	/* the new one has the name on disk when it fails */
	check(fchmod(disk, 0440) == 0);
	register_anew(fd, "Failed");
	check(!register_standing(fd, "c", &r));
	expect_error(&r, "Failed", "cannot be recorded");
	check(fchmod(disk, 0600) == 0);
	until(register_standing(fd, "b", &r));
	check(record_contains("a", "\ngrace_usec 3000000\n") && !is_recorded("c"));
	check(call_region(bus, r.id, "Release", &r));
	restart(SIGTERM);
	check(find_standing(bus, "a", &s) && !s.region);
	check(remove_standing(bus, geteuid(), "default", "a", &r) && !is_recorded("a"));
	close(fd);
}

/* A daemon ends and begins, whatever the disk does; its regions are there. */
static void test_restart(void)
{
	int fd = make_named("file");
	struct reply a, b, r;
	struct later release;

	check(register_standing(fd, "a", &a) && register_standing(fd, "b", &b));
	silence();
	release_later(a.id, &release);
	until(!region_exists(bus, a.id));
	restart(SIGTERM);
	check(region_exists(bus, b.id));
	check(world_log_contains(&world, "standing regions are not known"));
	check(!register_standing(fd, "c", &r));
	expect_error(&r, "NotSupported", "the disk does not answer");
	answer();
	restart(SIGTERM);
	check(region_exists(bus, b.id) && region_of("b") == b.id);
	/* nobody was told that it is released */
	check(remove_standing(bus, geteuid(), "default", "a", &r) || !is_recorded("a"));
	check(call_region(bus, b.id, "Release", &r) && !is_recorded("b"));
	close(fd);
}

int main(void)
{
	standing_begin("[limits]\nstanding_per_uid = 8\n[keepers]\ntimeout_msec = 3000\n");
	disk = open(path_of("disk"), O_RDONLY | O_CLOEXEC);
	check(disk >= 0);
	test_released_is_on_disk();
	test_session();
	test_session_of_restored();
	test_silent();
	test_session_of_silent();
	test_failing();
	test_not_anew();
	test_restart();
	close(disk);
	standing_end();
	return 0;
}
