// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-versions.c - keepers of other packages (keeper-form-5.c): the daemon drives what speaks one
 * of its versions, whatever else that says, believes no version or size that cannot be, and leaves
 * alone what it cannot drive. Whatever one speaks, others notice nothing.
 */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "harness.h"

#define TENANT 33
#define STRANGER 34

static const char what_ends_it[] = "release all of its regions, which ends the process";

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

/*
 * It is driven: by the daemon that started it and by the next, and nothing that it says is taken
 * for a fault.
 */
static void drive(const char *session)
{
	int fd = make_memfd(4096);
	struct reply r, other, ignored;
	struct keeper k;
	char complaint[64];

	check(register_region(bus, fd, 0, 0, "rw", &r, 2, "session", "s", session, "detached", "b",
			      1));
	check(register_region(bus, fd, 0, 0, "rw", &other, 2, "session", "s", session, "detached",
			      "b", 1));
	check(world_keepers(&world) == 2);
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	expect_bystander();
	expect_property(bus, r.id, "State", "live");
	expect_property(bus, other.id, "State", "live");
	check(find_keeper(bus, 0, &k, 1, "session", "s", session));
	check_text(k.state, "driven");
	check_text(k.trouble, "");
	check(k.version == 5 && k.regions == 2 && k.bytes == 8192 && !k.attempts);
	check(!find_keeper(bus, 1, &k, 1, "session", "s", session));
	check(!export_region(bus, r.id, &ignored, 0)); /* this one knows no tickets */
	expect_error(&ignored, "NotSupported", "older package");
	check(call_region(bus, r.id, "Release", &ignored));
	check(call_region(bus, other.id, "Release", &ignored));
	check(!region_exists(bus, r.id));
	snprintf(complaint, sizeof(complaint), "%s (pid", session);
	until(world_keepers(&world) == 1);
	check(!world_log_contains(&world, complaint));
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
	refuse("form-alone", "KeeperLost",
	       "it speaks versions 1000 to 1001 of the keeper protocol");
	refuse("form-short", "Failed", "wrong size");
	refuse("form-header", "Failed", "wrong size");
	refuse("form-huge", "Failed", "wrong size");
	refuse("form-answer", "Failed", "unknown type");
	refuse("form-direction", "Failed", "no keeper sends");
	refuse("form-kind", "Failed", "no keeper sends");
	until(world_keepers(&world) ==
	      1); /* each has told its lie, and let go of what came of it */
}

static bool is_degraded(uint64_t id, const char *mentions)
{
	char text[1600];

	get_property(bus, id, "Degraded", text, sizeof(text));
	return *mentions ? strstr(text, mentions) != NULL : !*text;
}

static unsigned int count_greetings(const char *session)
{
	return count_equal_lines(&world, "fake/greetings", session);
}

/* 0: whoever runs the test. */
static sd_bus *client_of(uid_t uid)
{
	return uid ? connect_as(&world, uid) : connect_client(&world);
}

/* Nothing was lost of what somebody wanted to be rid of, however it had to be ended. */
static void expect_released(sd_bus *tenant, uint64_t id, const char *session)
{
	char line[64];
	struct reply r;

	check(!call_region(tenant, id, "Release", &r));
	expect_error(&r, "NoSuchRegion", "it was released");
	snprintf(line, sizeof(line), "%s: ended, and its 3 regions", session);
	until(world_log_contains(&world, line));
	snprintf(line, sizeof(line), "%s: lost with", session);
	check(!world_log_contains(&world, line));
}

/*
 * It is listed with what it holds and why it is left alone, for whom it is the keeper of, and for
 * nobody else.
 */
static void expect_foreign(sd_bus *tenant, uid_t uid, const char *session, const char *mentions)
{
	char name[96];
	struct keeper k;

	snprintf(name, sizeof(name), "%u-%s-1", (unsigned int)(uid ? uid : geteuid()), session);
	check(find_keeper(tenant, 0, &k, 2, "session", "s", session, "state", "s", "foreign"));
	check_text(k.keeper, name);
	check(strstr(k.trouble, mentions) && strstr(k.trouble, what_ends_it));
	check(k.regions == 3 && k.bytes == 3 * 8192 - 4096 && !k.peers && !k.version);
	check(k.pid && k.since_usec != UINT64_MAX && k.runs_as != UINT64_MAX);
	check(!strcmp(session, "form-later") ? k.version_min == 1000 && k.version_max == 1001
					     : k.version_min < 5);
	check(!find_keeper(tenant, 1, &k, 2, "session", "s", session, "state", "s", "foreign"));
	check(!find_keeper(tenant, 0, &k, 1, "uid", "u", STRANGER));
	if (uid) {
		sd_bus *stranger = connect_as(&world, STRANGER);

		check(!find_keeper(stranger, 0, &k, 0));
		check(!find_keeper(stranger, 0, &k, 1, "uid", "u", uid));
		disconnect(stranger);
	}
}

/*
 * What cannot be driven is left alone: shown as it was registered, with the reason, by this daemon
 * and the next; in nobody's way, and not greeted without end. It ends when all that it holds is to
 * be released, and not before, whoever wants that.
 */
static void leave_alone(uid_t uid, const char *session, const char *mentions)
{
	sd_bus *tenant = client_of(uid), *gone = client_of(uid), *watcher = client_of(0);
	int fd = make_memfd(8192);
	struct reply r, other, owned, another, ignored;
	char length[32], line[128];
	struct keeper k;

	check(register_region(tenant, fd, 4096, 0, "r", &r, 2, "session", "s", session, "detached",
			      "b", 1));
	check(register_region(tenant, fd, 0, 0, "rw", &other, 2, "session", "s", session,
			      "detached", "b", 1));
	check(register_region(gone, fd, 0, 0, "rw", &owned, 1, "session", "s", session));
	get_property(bus, r.id, "Length", length, sizeof(length));
	world_end_daemon(&world, SIGKILL);
	disconnect(gone);
	for (int i = 0; i < 2; i++) {
		if (i)
			world_end_daemon(&world, SIGKILL);
		world_start_daemon(&world);
		until(region_exists(bus, r.id) && region_exists(bus, other.id));
		until(is_degraded(r.id, mentions) && is_degraded(other.id, "this rdmaregd"));
		expect_property(bus, r.id, "Length", length);
		expect_property(bus, r.id, "Access", "r");
		expect_property(bus, other.id, "Access", "rw");
		check(region_exists(bus, owned.id)); /* nobody's any more, but it cannot go alone */
		expect_bystander();
	}
	expect_foreign(tenant, uid, session, mentions);
	snprintf(line, sizeof(line), "): %s", mentions);
	until(world_log_contains(&world, line));
	check(!export_region(tenant, r.id, &ignored, 0));
	expect_error(&ignored, "Failed", mentions);
	/* its tenant is not kept out */
	check(register_region(tenant, fd, 0, 0, "rw", &another, 1, "session", "s", session));
	check(is_degraded(another.id, "") && world_keepers(&world) == 3);
	check(find_keeper(tenant, 1, &k, 1, "session", "s", session));
	check_text(k.state, "driven");
	check(k.regions == 1 && strcmp(strrchr(k.keeper, '-'), "-2") == 0);
	if (uid) { /* of another user it can be neither seen nor released */
		sd_bus *stranger = connect_as(&world, STRANGER);

		check(!region_exists(stranger, r.id) &&
		      !call_region(stranger, r.id, "Release", &ignored));
		check(region_exists(bus, r.id));
		disconnect(stranger);
	}
	/* one region is not taken for all */
	check(!call_region(tenant, r.id, "Release", &ignored));
	expect_error(
		&ignored, "Timeout",
		"not released yet; it is gone once its keeper has answered, or has ended: keeper ");
	check_text(ignored.text + strlen(ignored.text) - strlen(what_ends_it), what_ends_it);
	check(!call_region(tenant, r.id, "Release", &ignored));
	expect_error(&ignored, "Timeout", what_ends_it);
	check(region_exists(bus, r.id) && world_keepers(&world) == 3);
	subscribe(watcher);
	check(call_region(tenant, other.id, "Release", &ignored));
	check(!region_exists(bus, other.id) && !region_exists(bus, r.id) &&
	      !region_exists(bus, owned.id));
	await_removed(watcher, owned.id, "disconnected"); /* the youngest first */
	await_removed(watcher, other.id, "released");
	await_removed(watcher, r.id, "released");
	expect_released(tenant, r.id, session);
	disconnect(watcher);
	check(region_exists(bus, another.id) &&
	      call_region(tenant, another.id, "Release", &ignored));
	expect_bystander();
	until(world_keepers(&world) == 1);
	check(count_greetings(session) < 40);
	disconnect(tenant);
	close(fd);
}

/* Once it speaks a version of ours it is driven, with what it holds. */
static void test_again(void)
{
	int fd = make_memfd(4096), again;
	struct reply r, ignored;
	char path[256];

	check(register_region(bus, fd, 0, 0, "rw", &r, 2, "session", "s", "form-later", "detached",
			      "b", 1));
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	until(region_exists(bus, r.id) && is_degraded(r.id, "versions 1000 to 1001"));
	snprintf(path, sizeof(path), "%s/fake/again", world.directory);
	again = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	check(again >= 0);
	until(is_degraded(r.id, ""));
	check(call_region(bus, r.id, "Release", &ignored) && !region_exists(bus, r.id));
	check(unlink(path) == 0);
	close(again);
	close(fd);
	until(world_keepers(&world) == 1);
}

/* What this daemon started and knows the regions of is no exception. */
static void test_turning(void)
{
	int fd = make_memfd(4096);
	struct reply r, ignored;

	check(register_region(bus, fd, 0, 0, "rw", &r, 1, "session", "s", "form-turns"));
	until(is_degraded(r.id, "versions 1000 to 1001"));
	check(world_keepers(&world) == 2);
	check(call_region(bus, r.id, "Release", &ignored) && !region_exists(bus, r.id));
	close(fd);
	until(world_keepers(&world) == 1);
}

/*
 * One that holds nothing is in nobody's way if it goes, and stays for ever if it does not: greeting
 * it keeps it.
 */
static void test_idle(void)
{
	int fd = make_memfd(4096);
	struct reply r;

	check(register_region(bus, fd, 0, 0, "rw", &r, 2, "session", "s", "form-idle", "detached",
			      "b", 1));
	check(call_region(bus, r.id, "Release", &r));
	world_end_daemon(&world, SIGKILL);
	check(world_keepers(&world) == 2);
	world_start_daemon(&world);
	until(world_keepers(&world) == 1);
	until(world_log_contains(&world, "form-idle: it holds nothing"));
	check(!world_log_contains(&world, "form-idle: lost with"));
	expect_bystander();
	close(fd);
}

static void test_left_alone(void)
{
	leave_alone(
		0, "form-later",
		"it speaks versions 1000 to 1001 of the keeper protocol, and this rdmaregd speaks");
	leave_alone(0, "form-earlier",
		    "it speaks versions 1 to 4 of the keeper protocol, and this rdmaregd speaks");
	leave_alone(0, "form-rude", "it hangs up when it is greeted");
	if (geteuid() == 0) /* as an ordinary user, too */
		leave_alone(TENANT, "form-later",
			    "it speaks versions 1000 to 1001 of the keeper protocol");
	test_again();
	test_turning();
}

int main(void)
{
	int fd;

	world_begin(
		&world,
		"[daemon]\nadopt_timeout_msec = 3000\n[keepers]\ntimeout_msec = 3000\n[limits]\n"
		"tenants_per_uid = 40\n");
	bus = connect_client(&world);
	fd = make_memfd(4096);
	check(register_region(bus, fd, 0, 0, "rw", &bystander, 0));
	close(fd);
	test_lies();
	test_driven();
	test_idle();
	test_left_alone();
	/* what world_end() compares with is what the last daemon had when it began */
	until(world_keepers(&world) == 1);
	world_end_daemon(&world, SIGTERM);
	world_start_daemon(&world);
	disconnect(bus);
	world_end(&world);
	return 0;
}
