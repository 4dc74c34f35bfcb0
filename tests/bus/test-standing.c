// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-standing.c - regions that are made again after a reboot, which is here: keepers, daemon and
 * runtime directory are gone. A region comes back as it was registered, of the file that was
 * registered, for its user, or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "harness-standing.h"

#define TENANT 33

/* All of it, as an administrator or a user does it. */
static void test_reboot(void)
{
	char arguments[400], out[4096];
	struct standing_told s;
	struct reply r;
	uint64_t before, after;

	close(make_named("file"));
	snprintf(arguments, sizeof(arguments),
		 "register '%s' --standing --name model --access r --grace 2s --policy yield",
		 path_of("file"));
	check(ctl(arguments, out) == 0);
	check(is_recorded("model") && find_standing(bus, "model", &s));
	before = s.region;
	check(before && s.uid == geteuid() && s.length == 4 * (uint64_t)PAGE && !*s.why);
	check_text(s.path, path_of("file"));
	check_text(s.session, "default");
	/* a daemon that is started anew has the region, and the record is still its */
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	check(region_of("model") == before && region_exists(bus, before));
	/* a change is recorded, too, a moment later */
	check(call_region_options(bus, before, "Configure", &r, 1, "grace_usec", "t",
				  UINT64_C(1500000)));
	until(record_contains("model", "\ngrace_usec 1500000\n"));
	disconnect(bus);
	reboot_machine();
	bus = connect_client(&world);
	check(find_standing(bus, "model", &s) && !s.region && is_recorded("model"));
	check(!count_regions(bus));
	check(world_metric(&world, "rdmareg_missing_standing_regions") == 1);
	check(ctl("standing list --waiting", out) == 0 && strstr(out, "default/model"));
	check(ctl("standing restore", out) == 0 && strstr(out, "default/model: region "));
	after = region_of("model");
	check(after && count_regions(bus) == 1);
	check(world_metric(&world, "rdmareg_missing_standing_regions") == 0);
	expect_property(bus, after, "Name", "model");
	expect_property(bus, after, "Access", "r");
	expect_property(bus, after, "GraceUSec", "1500000");
	expect_property(bus, after, "Detached", "1");
	expect_property(bus, after, "Standing", "1");
	check(ctl("--json show default/model", out) == 0 && strstr(out, "\"standing\":true"));
	expect_property(bus, after, "Ticket", "");
	expect_property(bus, after, "Path", path_of("file"));
	/* there is nothing left to do */
	check(ctl("standing restore", out) == 0 && !*out);
	check(ctl("standing list --waiting", out) == 0 && !strstr(out, "model"));
	check(ctl("--json standing list", out) == 0 &&
	      strstr(out, "\"reference\":\"default/model\""));
	check(call_region(bus, after, "Release", &r));
	check(!is_recorded("model"));
	check(!find_standing(bus, "model", &s));
}

static bool prefetch_failed(const char *name)
{
	char line[64];

	snprintf(line, sizeof(line), "region %" PRIu64 ": not prefetched", region_of(name));
	return world_log_contains(&world, line);
}

/* Nor is it prefetched if that was not wanted. */
static void test_no_warm(void)
{
	int fd = make_named("file");
	char out[4096];
	struct reply plain, r;

	check(register_standing(fd, "warm", &r));
	check(register_region(bus, fd, 0, 0, "rw", &r, 4, "standing", "b", 1, "detached", "b", 1,
			      "name", "s", "cold", "warm", "b", 0));
	disconnect(bus);
	reboot_machine();
	bus = connect_client(&world);
	check(register_region(bus, fd, 0, 0, "rw", &plain, 1, "warm", "b", 0));
	/* of this keeper nothing is prefetched any more */
	world_tell_keeper(&world, geteuid(), "default", "chunks %" PRIu64 " 0", plain.id);
	check(ctl("standing restore", out) == 0);
	check(prefetch_failed("warm") && !prefetch_failed("cold"));
	world_tell_keeper(&world, geteuid(), "default", "chunks %" PRIu64 " all", plain.id);
	check(call_region(bus, plain.id, "Release", &r));
	check(call_region(bus, region_of("warm"), "Release", &r) &&
	      call_region(bus, region_of("cold"), "Release", &r));
	close(fd);
}

/* Another file, whatever it is called, is not registered. */
static void test_other_file(void)
{
	int fd = make_named("file"), other, reads;
	char out[4096];
	struct standing_told s;
	struct reply r;
	uint64_t before;

	check(register_standing(fd, "mine", &r));
	reboot_machine();
	other = make_named("other");
	check(!restore(bus, "default", "mine", other, &r));
	expect_error(&r, "InvalidFile", "is not the file that was registered");
	check(rename(path_of("other"), path_of("file")) == 0);
	check(ctl("standing restore", out) == 1 && strstr(out, "is not the file"));
	check(find_standing(bus, "mine", &s) && !s.region);
	check(strstr(s.why, "is not the file that was registered as 'mine'"));
	check(world_log_contains(&world, "standing region 'mine'"));
	check(!count_regions(bus));
	close(other);
	/* nor one that is gone, nor with fewer rights than were recorded */
	check(unlink(path_of("file")) == 0);
	check(ctl("standing restore", out) == 3 && strstr(out, path_of("file")));
	check(!restore(bus, "default", "mine", fd, &r)); /* it has no name any more */
	expect_error(&r, "InvalidFile", "a file with a name");
	close(fd);
	check(!count_regions(bus));
	/* registered anew it is the new file */
	fd = make_named("file");
	check(register_standing(fd, "mine", &r) && region_of("mine") == r.id);
	reboot_machine();
	reads = open(path_of("file"), O_RDONLY | O_CLOEXEC);
	check(!restore(bus, "default", "mine", reads, &r));
	expect_error(&r, "AccessDenied", "O_RDWR");
	check(restore(bus, "default", "mine", fd, &r) && region_of("mine") == r.id);
	check(!restore(bus, "default", "mine", fd, &r));
	expect_error(&r, "NameTaken", "is there already");
	/* what is not to come back goes on until it is released */
	before = region_of("mine");
	check(remove_standing(bus, geteuid(), "default", "mine", &r) && !is_recorded("mine"));
	check(count_regions(bus) == 1);
	expect_property(bus, before, "Standing", "0");
	check(ctl("standing remove default/mine", out) == 3);
	check(ctl("standing remove mine", out) == 2 && strstr(out, "SESSION/NAME"));
	check(ctl("standing remove 3", out) == 2 && strstr(out, "rdmaregctl standing list"));
	check(ctl("release default/mine", out) == 0);
	close(fd);
	close(reads);
}

/* What cannot stand is refused, and nothing of it stays. */
static void test_refused(void)
{
	static const char *const table[][2] = {
		{ "", "not there" },
		{ "../x", "name" },
		{ "a/b", "name" },
		{ "a:b", "name" },
	};
	int fd = make_named("file"), memory = make_memfd(PAGE);
	struct reply r;

	check(!register_region(bus, fd, 0, 0, "rw", &r, 2, "standing", "b", 1, "name", "s", "x"));
	expect_error(&r, "InvalidOption", "'detached' and 'name'");
	check(!register_region(bus, fd, 0, 0, "rw", &r, 2, "standing", "b", 1, "detached", "b", 1));
	expect_error(&r, "InvalidOption", "'detached' and 'name'");
	check(!register_standing(memory, "x", &r));
	expect_error(&r, "InvalidFile", "a file with a name");
	check(rename(path_of("file"), path_of("fi\x1bl\ne")) == 0);
	check(!register_standing(fd, "x", &r));
	expect_error(&r, "InvalidFile", "without control characters");
	check(rename(path_of("fi\x1bl\ne"), path_of("file")) == 0);
	for (size_t i = 1; i < sizeof(table) / sizeof(*table); i++) {
		check(!restore(bus, "default", table[i][0], fd, &r));
		check(!restore(bus, table[i][0], "x", fd, &r));
		check(!remove_standing(bus, geteuid(), "default", table[i][0], &r));
	}
	check(!restore(bus, "default", "nothing", fd, &r));
	expect_error(&r, "NoSuchRegion", "there is no standing region 'nothing'");
	/* one that cannot be recorded is released again */
	check(mkdir(record_of(geteuid(), "default", "x"), 0700) == 0);
	check(!register_standing(fd, "x", &r));
	expect_error(&r, "Failed", "cannot be recorded");
	until(!count_regions(bus));
	check(rmdir(record_of(geteuid(), "default", "x")) == 0);
	check(register_standing(fd, "x", &r));
	check(call_region(bus, r.id, "Release", &r));
	check(!is_recorded("x"));
	close(memory);
	close(fd);
}

/* Each user has so many; the name of one that is not there is no other one. */
static void test_limit(void)
{
	int fd = make_named("file");
	struct reply a, b, r;

	check(register_standing(fd, "a", &a) && register_standing(fd, "b", &b));
	check(!register_standing(fd, "c", &r));
	expect_error(&r, "LimitExceeded", "standing_per_uid");
	check(count_regions(bus) == 2);
	reboot_machine();
	check(!register_standing(fd, "c", &r));
	expect_error(&r, "LimitExceeded", "standing_per_uid");
	check(register_standing(fd, "a", &a) && region_of("a") == a.id);
	check(remove_standing(bus, geteuid(), "default", "b", &r));
	check(register_standing(fd, "c", &b));
	check(call_region(bus, a.id, "Release", &r) && call_region(bus, b.id, "Release", &r));
	check(!is_recorded("a") && !is_recorded("c"));
	close(fd);
}

/* A region that was lost is waited for; one of a session that was released is not. */
static void test_ends(void)
{
	int fd = make_named("file");
	struct standing_told s;
	struct reply r;

	listen_signals(bus);
	check(register_standing(fd, "lost", &r));
	world_kill_keepers(&world, SIGKILL);
	until(find_standing(bus, "lost", &s) && !s.region);
	check(strstr(s.why, "lost") && is_recorded("lost"));
	check(restore(bus, "default", "lost", fd, &r));
	check(find_standing(bus, "lost", &s) && s.region == r.id && !*s.why);
	check(call_region(bus, r.id, "Release", &r));
	check(!is_recorded("lost"));
	close(fd);
}

/* Register one, and lose it; it is waited for. */
static void make_waiting(int fd, const char *session, const char *name)
{
	struct standing_told s;
	struct reply r;

	check(register_region(bus, fd, 0, 0, "rw", &r, 4, "standing", "b", 1, "detached", "b", 1,
			      "name", "s", name, "session", "s", session));
	world_kill_keepers(&world, SIGKILL);
	until(find_standing(bus, name, &s) && !s.region);
}

/* Whoever releases one that is not there means that it does not come back. */
static void test_released_while_away(void)
{
	int fd = make_named("file");
	char out[4096];
	struct standing_told s;
	struct reply r;

	make_waiting(fd, "default", "away");
	check(!lookup_by_name("default", "away", &r));
	expect_error(&r, "NoSuchRegion", "rdmaregctl standing remove");
	/* one that does not exist keeps no other */
	check(ctl("release default/typo default/away", out) == 3 && !is_recorded("away"));
	make_waiting(fd, "default", "away");
	check(ctl("release default/away", out) == 0);
	check_text(out, "default/away: not made again any more\n");
	check(!is_recorded("away") && !find_standing(bus, "away", &s));
	check(ctl("release default/away", out) == 3);
	check(ctl("release --if-exists default/away", out) == 0 && !*out);
	make_waiting(fd, "default", "away");
	check(ctl("--json release --if-exists default/away", out) == 0);
	check_text(out, "{\"released\":[]}\n");
	check(!is_recorded("away"));
	make_waiting(fd, "default", "away");
	check(ctl("standing remove default/away", out) == 0);
	check_text(out, "default/away: not made again any more\n");
	/* of a session: its own ones */
	make_waiting(fd, "default", "away");
	check(ctl("release --session other", out) == 3 && is_recorded("away"));
	check(ctl("release --session default", out) == 0 && !is_recorded("away"));
	check_text(out, "default/away: not made again any more\n");
	check(ctl("release --session default", out) == 3);
	close(fd);
}

static void test_session_released(void)
{
	int fd = make_named("file");
	char out[4096];
	struct standing_told s;

	check(ctl("session create job", out) == 0);
	make_waiting(fd, "job", "of-job");
	make_waiting(fd, "default", "of-none");
	check(ctl("session release job", out) == 0);
	check(access(record_of(geteuid(), "job", "of-job"), F_OK) < 0);
	check(!find_standing(bus, "of-job", &s));
	check(find_standing(bus, "of-none", &s) && is_recorded("of-none"));
	check(ctl("release default/of-none", out) == 0);
	close(fd);
}

/* One that is waited for keeps its name. */
static void test_name_is_kept(void)
{
	int fd = make_named("file");
	struct standing_told s;
	struct reply r;
	char out[4096];

	make_waiting(fd, "default", "kept");
	check(!register_region(bus, fd, 0, 0, "rw", &r, 2, "detached", "b", 1, "name", "s",
			       "kept"));
	expect_error(&r, "NameTaken", "--standing");
	expect_error(&r, "NameTaken", "rdmaregctl standing remove default/kept");
	check(!count_regions(bus));
	/* of another session it is another name */
	check(register_region(bus, fd, 0, 0, "rw", &r, 3, "detached", "b", 1, "name", "s", "kept",
			      "session", "s", "other"));
	check(call_region(bus, r.id, "Release", &r));
	check(find_standing(bus, "kept", &s) && !s.region && is_recorded("kept"));
	check(ctl("status", out) == 5 && strstr(out, "rdmaregctl standing restore"));
	check(restore(bus, "default", "kept", fd, &r));
	check(call_region(bus, r.id, "Release", &r));
	check(!is_recorded("kept"));
	close(fd);
}

/* All or none: so it does not take the place of one that is waited for. */
static void test_atomic(void)
{
	int fd = make_named("file");
	struct standing_told s;
	sd_bus_message *m;
	struct reply r;

	make_waiting(fd, "default", "kept");
	m = new_manager_call(bus, "RegisterRegions");
	check(sd_bus_message_append(m, "a(httsa{sv})", 2, fd, UINT64_C(0), UINT64_C(0), "rw", 3,
				    "standing", "b", 1, "detached", "b", 1, "name", "s", "kept", fd,
				    UINT64_C(1), UINT64_C(4096), "rw", 0) >= 0);
	add_options(m, 1, "atomic", "b", 1);
	check(!finish_call(bus, m, &r));
	expect_error(&r, "NameTaken", "rdmaregctl standing remove default/kept");
	check(find_standing(bus, "kept", &s) && !s.region && is_recorded("kept"));
	check(remove_standing(bus, geteuid(), "default", "kept", &r));
	close(fd);
}

/* A record of it would be of a file that no reboot leaves. */
static void test_in_memory(void)
{
	char path[] = "/dev/shm/rdmareg-XXXXXX";
	struct statfs kind;
	struct reply r;
	int fd = mkostemp(path, O_CLOEXEC);

	check(fd >= 0 && ftruncate(fd, PAGE) == 0 && fstatfs(fd, &kind) == 0);
	if (kind.f_type == TMPFS_MAGIC) {
		check(!register_standing(fd, "x", &r));
		expect_error(&r, "NotSupported", "in memory");
		check(!is_recorded("x") && !count_regions(bus));
	}
	check(unlink(path) == 0);
	close(fd);
}

/* What others put into the folder is put aside, whatever it is; what is sound is there. */
static void test_garbage(void)
{
	static const char *const names[] = {
		"0:default:empty", "nonsense", "0:default:cut",	 "0:default:renamed",
		"0:default:zero",  "folder",   "0:default:link",
	};
	char command[600], aside[200];
	int fd = make_named("file");
	struct standing_told s;
	struct reply r;
	FILE *f;

	check(register_standing(fd, "sound", &r));
	disconnect(bus);
	world_kill_keepers(&world, SIGKILL);
	until(!world_keepers(&world));
	world_end_daemon(&world, SIGKILL);
	snprintf(
		command, sizeof(command),
		"cd '%s/state/standing' && rm -rf ../../run && : >0:default:empty && echo x >nonsense && "
		"head -c 200 %u:default:sound >0:default:cut && cp %u:default:sound 0:default:renamed && "
		"head -c 300 /dev/zero >0:default:zero && mkdir folder && ln -s /etc/passwd 0:default:link && "
		"head -c 100 %u:default:sound >.new",
		world.directory, geteuid(), geteuid(), geteuid());
	check(system(command) == 0);
	f = fopen(path_of("state/standing/large"), "we");
	check(f && fseek(f, 1 << 20, SEEK_SET) == 0 && fputc('x', f) != EOF && !fclose(f));
	world_start_daemon(&world);
	bus = connect_client(&world);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(aside, sizeof(aside), "state/standing/damaged-%s", names[i]);
		check(access(path_of(aside), F_OK) == 0 || !strcmp(names[i], "0:default:link"));
		snprintf(aside, sizeof(aside), "state/standing/%s", names[i]);
		check(access(path_of(aside), F_OK) < 0);
	}
	check(find_standing(bus, "sound", &s) && !find_standing(bus, "renamed", &s));
	check(restore(bus, "default", "sound", fd, &r));
	check(call_region(bus, r.id, "Release", &r));
	check(!is_recorded("sound"));
	close(fd);
}

/* A folder that others can write to is not used, and said. */
static void test_folder(void)
{
	int fd = make_named("file");
	struct reply r;

	disconnect(bus);
	world_end_daemon(&world, SIGTERM);
	check(chmod(path_of("state/standing"), 0777) == 0);
	world_start_daemon(&world);
	bus = connect_client(&world);
	check(!register_standing(fd, "x", &r));
	expect_error(&r, "NotSupported", "standing regions cannot be recorded");
	disconnect(bus);
	world_end_daemon(&world, SIGTERM);
	check(chmod(path_of("state/standing"), 0700) == 0);
	world_start_daemon(&world);
	bus = connect_client(&world);
	close(fd);
}

/* An ordinary user has its own, and of others' it learns nothing. */
static void test_ordinary_user(void)
{
	sd_bus *tenant = connect_as(&world, TENANT);
	int fd = make_named("file"), theirs = make_named("theirs");
	struct standing_told s;
	struct reply mine, r;

	check(fchown(theirs, TENANT, TENANT) == 0);
	check(register_standing(fd, "roots", &mine));
	check(register_region(tenant, theirs, 0, 0, "rw", &r, 3, "standing", "b", 1, "detached",
			      "b", 1, "name", "s", "theirs"));
	check(find_standing(tenant, "theirs", &s) && s.uid == TENANT && s.region == r.id);
	check(!find_standing(tenant, "roots", &s) && find_standing(bus, "theirs", &s));
	reboot_machine();
	check(!restore(tenant, "default", "roots", fd, &r));
	expect_error(&r, "NoSuchRegion", "");
	check(!remove_standing(tenant, 0, "default", "roots", &r));
	expect_error(&r, "NoSuchRegion", "that this caller may see");
	check(!restore(bus, "default", "theirs", theirs, &r)); /* root has none of that name */
	check(restore(tenant, "default", "theirs", theirs, &r));
	expect_property(tenant, r.id, "Name", "theirs");
	check(call_region(tenant, r.id, "Release", &r));
	check(!find_standing(tenant, "theirs", &s));
	check(remove_standing(bus, 0, "default", "roots", &r));
	disconnect(tenant);
	close(fd);
	close(theirs);
}

static void configure_later(uint64_t id, const char *policy, struct later *l)
{
	sd_bus_message *m = new_region_call(bus, id, "Configure");

	check(sd_bus_message_append(m, "a{sv}", 1, "policy", "s", policy) >= 0);
	send_later(bus, m, l);
}

/* However often it is changed, the newest is recorded, and others are not kept waiting for the rest. */
static void test_many_changes(void)
{
	static struct later changes[60];
	int fd = make_named("changing"), other = make_named("other");
	struct reply a, b, r;

	check(register_standing(fd, "changing", &a));
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		configure_later(a.id, i % 2 ? "yield" : "follow", &changes[i]);
	check(register_standing(other, "other", &b));
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		await_answer(bus, &changes[i]);
	check(call_region_options(bus, a.id, "Configure", &r, 1, "policy", "s", "follow"));
	until(record_contains("changing", "\npolicy 0\n"));
	/* who heard that it is released does not find it again after a proper end */
	for (size_t i = 0; i < 8; i++)
		configure_later(b.id, i % 2 ? "yield" : "follow", &changes[i]);
	check(call_region(bus, a.id, "Release", &r));
	disconnect(bus);
	check(world_end_daemon(&world, SIGTERM) == 0);
	check(!is_recorded("changing") && is_recorded("other"));
	world_start_daemon(&world);
	bus = connect_client(&world);
	until(region_exists(bus, b.id));
	check(call_region(bus, b.id, "Release", &r));
	check(!is_recorded("other"));
	close(fd);
	close(other);
}

/*
 * A keeper that wakes up when its region is being made again: one of the two stands, whichever was
 * first, and the record is that one's.
 */
static void test_late_keeper(void)
{
	sd_bus_message *m;
	struct later again;
	int fd = make_named("late");
	struct reply a, r;
	uint64_t stands;

	check(register_standing(fd, "late", &a));
	disconnect(bus);
	world_kill_keepers(&world, SIGSTOP);
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world); /* it waits adopt_timeout_msec for the keeper */
	bus = connect_client(&world);
	m = new_manager_call(bus, "RestoreStanding");
	check(sd_bus_message_append(m, "ssh", "default", "late", fd) >= 0);
	send_later(bus, m, &again);
	check(!region_exists(bus, a.id)); /* the call is under way */
	world_kill_keepers(&world, SIGCONT);
	await_answer(bus, &again);
	until(region_exists(bus, a.id));
	stands = region_of("late");
	check(stands == a.id || stands == again.reply.id);
	if (stands != a.id)
		check(call_region(bus, a.id, "Release", &r) && is_recorded("late"));
	check(region_of("late") == stands && call_region(bus, stands, "Release", &r));
	check(!is_recorded("late"));
	close(fd);
}

int main(void)
{
	standing_begin("[daemon]\nadopt_timeout_msec = 1000\n[limits]\nstanding_per_uid = 2\n");
	test_reboot();
	test_no_warm();
	test_other_file();
	test_refused();
	test_limit();
	test_ends();
	test_released_while_away();
	test_session_released();
	test_name_is_kept();
	test_atomic();
	test_in_memory();
	test_garbage();
	test_folder();
	test_many_changes();
	test_late_keeper();
	if (geteuid() == 0)
		test_ordinary_user();
	standing_end();
	return 0;
}
