// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-replace.c - ReplaceKeeper: the regions of a keeper are made anew in another one. To who uses
 * them it is a revocation with new keys; nothing else of them changes, whatever happens meanwhile.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "harness.h"

#define TENANT 33
#define PAGE 4096u

static struct world world;
static sd_bus *bus;

static const char *name_of(const char *session, unsigned int instance)
{
	static char name[96];

	snprintf(name, sizeof(name), "%u-%s-%u", geteuid(), session, instance);
	return name;
}

static sd_bus_message *new_replace(sd_bus *b, const char *keeper, uint64_t grace_usec)
{
	sd_bus_message *m = new_manager_call(b, "ReplaceKeeper");

	check(sd_bus_message_append(m, "s", keeper) >= 0);
	add_options(m, 1, "grace_usec", "t", grace_usec);
	return m;
}

static bool has_number(uint64_t id, const char *property, uint64_t number)
{
	char text[32];

	get_property(bus, id, property, text, sizeof(text));
	return strtoull(text, NULL, 10) == number;
}

static bool find_named(const char *name, struct keeper *ret)
{
	for (size_t n = 0; find_keeper(bus, n, ret, 0); n++)
		if (!strcmp(ret->keeper, name))
			return true;
	return false;
}

static uint64_t number_of(const char *session, const char *name)
{
	sd_bus_message *m = new_manager_call(bus, "GetRegionByName"), *reply = NULL;
	const char *path;
	uint64_t id = 0;

	check(sd_bus_message_append(m, "uss", geteuid(), session, name) >= 0);
	if (sd_bus_call(bus, m, 0, NULL, &reply) >= 0 && sd_bus_message_read(reply, "o", &path) > 0)
		id = strtoull(strrchr(path, '/') + 1, NULL, 10);
	sd_bus_message_unref(reply);
	sd_bus_message_unref(m);
	return id;
}

/*
 * All of it: an owner who is asked, a peer, who is cut off at the end of the grace, a name, a
 * detached region.
 */
static void test_replaced(void)
{
	int fd = make_memfd((size_t)4 * PAGE);
	struct reply owned, detached, r;
	char keys[2][32];
	struct later l;
	struct keeper k;
	uint64_t first;

	listen_signals(bus);
	/* under load the owner's answer comes later than within the second that is the default */
	check(register_region(bus, fd, 0, 0, "rw", &owned, 2, "session", "s", "moved", "grace_usec",
			      "t", UINT64_C(4000000)));
	check(register_region(bus, fd, 0, 0, "r", &detached, 3, "session", "s", "moved", "detached",
			      "b", 1, "name", "s", "kept"));
	check(export_region(bus, owned.id, &r, 0));
	world_tell_keeper(&world, geteuid(), "moved", "peer-join %" PRIu64 " rw", owned.id);
	until(find_named(name_of("moved", 1), &k) && k.peers == 1);
	check(k.regions == 2 && *k.program);
	get_property(bus, owned.id, "Generation", keys[0], sizeof(keys[0]));
	send_later(bus, new_replace(bus, name_of("moved", 1), 10000000), &l);
	first = await_request(bus, "administrator");
	expect_property(bus, owned.id, "State", "draining");
	check(still_waits(bus, &l));
	/* what is new goes to the other one meanwhile */
	check(register_region(bus, fd, 0, PAGE, "r", &r, 1, "session", "s", "moved"));
	check(find_named(name_of("moved", 2), &k) && k.regions);
	check(call_region(bus, r.id, "Release", &r));
	check(acknowledge(bus, owned.id, first, &r));
	await_answer(bus, &l);
	check_text(l.reply.error, "");
	check(l.reply.number == 2);
	await_settled(bus, first, "restored", (uint64_t)4 * PAGE);
	expect_property(bus, owned.id, "State", "live");
	expect_property(bus, detached.id, "State", "live");
	expect_property(bus, detached.id, "Name", "kept");
	expect_property(bus, detached.id, "Access", "r");
	expect_property(bus, owned.id, "Ticket", "");
	expect_property(bus, owned.id, "Peers", "0");
	get_property(bus, owned.id, "Generation", keys[1], sizeof(keys[1]));
	check(strtoul(keys[1], NULL, 10) > strtoul(keys[0], NULL, 10));
	check(find_named(name_of("moved", 2), &k) && k.regions == 2 &&
	      k.bytes == (uint64_t)8 * PAGE);
	until(!find_named(name_of("moved", 1), &k));
	/* by its name it is found all the same, and nobody else gets that */
	check(number_of("moved", "kept") == detached.id);
	check(!register_region(bus, fd, 0, PAGE, "r", &r, 2, "session", "s", "moved", "name", "s",
			       "kept"));
	expect_error(&r, "NameTaken", "kept");
	/* numbers go on: who acknowledges late does not answer something else */
	check(export_region(bus, owned.id, &r, 0));
	forget_signals(bus);
	world_tell_keeper(&world, geteuid(), "moved", "break %" PRIu64 " truncate %u", owned.id,
			  PAGE);
	check(await_request(bus, "truncate") > first);
	check(call_region(bus, owned.id, "Release", &r));
	/* the next daemon finds it where it is now */
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	expect_property(bus, detached.id, "Name", "kept");
	check(call_region(bus, detached.id, "Release", &r));
	check(!region_exists(bus, detached.id));
	until(!find_keeper(bus, 0, &k, 0));
	close(fd);
}

/* Its file has become shorter than where it begins: it lives on, and elsewhere, too. */
static void test_truncated(void)
{
	int fd = make_memfd((size_t)4 * PAGE);
	struct reply region, r;
	struct later l;

	check(register_region(bus, fd, (uint64_t)2 * PAGE, PAGE, "rw", &region, 2, "session", "s",
			      "shorter", "detached", "b", 1));
	check(ftruncate(fd, PAGE) == 0);
	send_later(bus, new_replace(bus, name_of("shorter", 1), 0), &l);
	await_answer(bus, &l);
	check_text(l.reply.error, "");
	check(l.reply.number == 1);
	expect_property(bus, region.id, "State", "live");
	expect_property(bus, region.id, "ValidLength", "0");
	check(call_region(bus, region.id, "Release", &r));
	close(fd);
}

/* It ends while its owner is asked: what it has given the file of goes on all the same. */
static void test_killed(void)
{
	int fd = make_memfd(PAGE);
	struct reply one, r;
	struct later l;
	struct keeper k;

	forget_signals(bus);
	check(register_region(bus, fd, 0, 0, "rw", &one, 1, "session", "s", "killed"));
	check(find_named(name_of("killed", 1), &k));
	send_later(bus, new_replace(bus, name_of("killed", 1), 10000000), &l);
	await_request(bus, "administrator");
	check(kill((pid_t)k.pid, SIGKILL) == 0);
	await_answer(bus, &l);
	check_text(l.reply.error, "");
	check(l.reply.number == 1);
	expect_property(bus, one.id, "State", "live");
	check(call_region(bus, one.id, "Release", &r));
	until(!find_keeper(bus, 0, &k, 0));
	close(fd);
}

/* Its owner lets go of it while it is asked: it is released, and nothing is made anew. */
static void test_released(void)
{
	int fd = make_memfd(PAGE);
	struct reply one, r;
	struct later l;
	struct keeper k;

	forget_signals(bus);
	check(register_region(bus, fd, 0, 0, "rw", &one, 1, "session", "s", "left"));
	send_later(bus, new_replace(bus, name_of("left", 1), 10000000), &l);
	await_request(bus, "administrator");
	check(call_region(bus, one.id, "Release", &r));
	await_answer(bus, &l);
	check_text(l.reply.error, "");
	check(l.reply.number == 0 && !region_exists(bus, one.id));
	until(!find_keeper(bus, 0, &k, 0));
	close(fd);
}

/*
 * The connection is lost just when the keeper has let go of the region: that it does not list it
 * any more is no reason to end it.
 */
static void test_parted(void)
{
	int fd = make_memfd(PAGE);
	struct reply region, r;
	struct later l;

	check(register_region(bus, fd, 0, 0, "r", &region, 1, "session", "s", "bad-parting"));
	send_later(bus, new_replace(bus, name_of("bad-parting", 1), 0), &l);
	await_answer(bus, &l);
	check_text(l.reply.error, "");
	check(l.reply.number == 1);
	expect_property(bus, region.id, "State", "live");
	check(call_region(bus, region.id, "Release", &r));
	close(fd);
}

/* Who releases a region whose keeper is late with letting it go is not kept waiting for that. */
static void test_late(void)
{
	int fd = make_memfd(PAGE), go;
	struct reply region, r;
	struct later l;
	char path[256];

	snprintf(path, sizeof(path), "%s/fake/mute", world.directory);
	check(register_region(bus, fd, 0, 0, "r", &region, 1, "session", "s", "bad-mute"));
	send_later(bus, new_replace(bus, name_of("bad-mute", 1), 0), &l);
	until(access(path, F_OK) == 0); /* it is at it */
	check(!call_region(bus, region.id, "Release", &r));
	expect_error(&r, "Timeout", "is not released yet");
	await_answer(bus, &l);
	expect_error(&l.reply, "Timeout", "1 were not");
	check(region_exists(bus, region.id));
	until((go = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC)) >= 0);
	close(go);
	until(!region_exists(bus, region.id));
	close(fd);
}

static void refuse(sd_bus *b, const char *keeper, const char *error, const char *mentions)
{
	struct reply r;

	check(!finish_call(b, new_replace(b, keeper, 0), &r));
	expect_error(&r, error, mentions);
}

/* What cannot be replaced keeps what it has. */
static void test_refused(void)
{
	int fd = make_memfd(PAGE);
	struct reply one, foreign, r;
	struct keeper k;

	refuse(bus, "", "InvalidOption", "there is no keeper");
	refuse(bus, "0-nobody-1", "InvalidOption", "there is no keeper 0-nobody-1");
	refuse(bus, "../../etc/passwd\n", "InvalidOption", "there is no keeper");
	refuse(bus, "a-name-that-is-longer-than-that-of-any-keeper-of-any-session-of-any-user-x",
	       "InvalidOption", "so long");
	check(register_region(bus, fd, 0, 0, "r", &one, 1, "session", "s", "stuck"));
	check(find_named(name_of("stuck", 1), &k) && kill((pid_t)k.pid, SIGSTOP) == 0);
	check(!export_region(bus, one.id, &r, 0));
	refuse(bus, name_of("stuck", 1), "Failed", "has not answered");
	check(kill((pid_t)k.pid, SIGCONT) == 0);
	until(find_named(name_of("stuck", 1), &k) && !strcmp(k.state, "driven"));
	expect_property(bus, one.id, "State", "live");
	check(call_region(bus, one.id, "Release", &r));
	/* one that lies about its file would have everybody else arbitrate about the wrong one */
	check(register_region(bus, fd, 0, 0, "r", &one, 1, "session", "s", "bad-file"));
	refuse(bus, name_of("bad-file", 1), "Failed", "its keeper gave another file");
	expect_property(bus, one.id, "State", "live");
	check(find_named(name_of("bad-file", 1), &k) && k.regions == 1);
	check(call_region(bus, one.id, "Release", &r));
	check(register_region(bus, fd, 0, 0, "r", &foreign, 2, "session", "s", "form-later",
			      "detached", "b", 1));
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	until(find_named(name_of("form-later", 1), &k) && !strcmp(k.state, "foreign"));
	refuse(bus, name_of("form-later", 1), "Failed", "release them, which ends it");
	check(region_exists(bus, foreign.id));
	if (geteuid() == 0) {
		sd_bus *tenant = connect_as(&world, TENANT);

		refuse(tenant, name_of("form-later", 1), "AccessDenied", "");
		disconnect(tenant);
	}
	call_region(bus, foreign.id, "Release", &r);
	until(!find_keeper(bus, 0, &k, 0));
	close(fd);
}

/* One keeper at a time has the port: the regions wait until the last one has let go. */
static void test_port(void)
{
	int fd = make_memfd((size_t)2 * PAGE);
	struct reply one, two, r;
	struct later l;
	struct keeper k;

	world_write_settings(&world, "[keepers]\nport = 18531\ntimeout_msec = 6000\n");
	world_end_daemon(&world, SIGTERM);
	world_start_daemon(&world);
	listen_signals(bus);
	check(register_region(bus, fd, 0, 0, "rw", &one, 1, "session", "s", "port"));
	check(register_region(bus, fd, 0, PAGE, "r", &two, 2, "session", "s", "port", "detached",
			      "b", 1));
	send_later(bus, new_replace(bus, name_of("port", 1), 10000000), &l);
	check(acknowledge(bus, one.id, await_request(bus, "administrator"), &r));
	await_answer(bus, &l);
	check_text(l.reply.error, "");
	check(l.reply.number == 2);
	check(find_named(name_of("port", 2), &k) && k.regions == 2);
	check(call_region(bus, one.id, "Release", &r) && call_region(bus, two.id, "Release", &r));
	until(!find_keeper(bus, 0, &k, 0));
	close(fd);
}

static bool has_state(uint64_t id, const char *state)
{
	char text[32];

	get_property(bus, id, "State", text, sizeof(text));
	return !strcmp(text, state);
}

/*
 * Where one has let go and waits for the port, and the keeper stands still before the other one is:
 * who waits for that is told, and what no keeper has can be released at once.
 */
static void test_port_stopped(void)
{
	int fd = make_memfd((size_t)2 * PAGE);
	struct reply free, held, kept, r;
	struct later l;
	struct keeper k;

	forget_signals(bus);
	check(register_region(bus, fd, 0, 0, "rw", &free, 2, "session", "s", "still", "detached",
			      "b", 1));
	check(register_region(bus, fd, 0, 0, "rw", &kept, 2, "session", "s", "still", "detached",
			      "b", 1));
	check(register_region(bus, fd, 0, PAGE, "rw", &held, 2, "session", "s", "still",
			      "grace_usec", "t", UINT64_C(4000000)));
	check(find_named(name_of("still", 1), &k));
	send_later(bus, new_replace(bus, name_of("still", 1), 4000000), &l);
	await_request(bus, "administrator");
	until(has_state(free.id, "registering") && has_state(kept.id, "registering"));
	check(kill((pid_t)k.pid, SIGSTOP) == 0);
	check(call_region(bus, free.id, "Release", &r));
	check(!region_exists(bus, free.id));
	await_answer(bus, &l);
	expect_error(&l.reply, "Timeout", "0 regions were made anew, 2 were not");
	check(kill((pid_t)k.pid, SIGCONT) == 0);
	until(has_state(held.id, "live") && has_state(kept.id, "live"));
	check(find_named(name_of("still", 2), &k) && k.regions == 2);

	/* the last that has the port is released, rather than moved: the others go on */
	forget_signals(bus);
	send_later(bus, new_replace(bus, name_of("still", 2), 4000000), &l);
	await_request(bus, "administrator");
	until(has_state(kept.id, "registering"));
	check(call_region(bus, held.id, "Release", &r));
	await_answer(bus, &l);
	check_text(l.reply.error, "");
	check(l.reply.number == 1);
	check(call_region(bus, kept.id, "Release", &r));
	until(!find_keeper(bus, 0, &k, 0));
	close(fd);
}

/* A daemon of another version drives the keepers that are there, and so does the one before again. */
static void test_upgraded(void)
{
	const char *daemons[] = { getenv("RDMAREGD_NEXT"), getenv("RDMAREGD") };
	char *before = strdup(daemons[1]);
	int fd = make_memfd((size_t)4 * PAGE);
	struct reply one, r;
	struct keeper k;

	daemons[1] = before;
	check(before && daemons[0]);
	check(register_region(bus, fd, 0, 0, "rw", &one, 2, "session", "s", "old", "detached", "b",
			      1));
	for (size_t i = 0; i < 2; i++) {
		world_end_daemon(&world, SIGKILL);
		setenv("RDMAREGD", daemons[i], 1);
		world_start_daemon(&world);
		check(find_named(name_of("old", 1), &k));
		check_text(k.state, "driven");
		check(!k.current == !i && k.regions == 1 && strcmp(k.program, "99.0.0") != 0);
		check(export_region(bus, one.id, &r, 0));
		check(call_region_options(bus, one.id, "Configure", &r, 1, "grace_usec", "t",
					  (uint64_t)1000 * (i + 1)));
		check(call_region_options(bus, one.id, "Sync", &r, 0));
		world_tell_keeper(&world, geteuid(), "old", "break %" PRIu64 " truncate %u", one.id,
				  (unsigned int)(3 - i) * PAGE);
		until(has_number(one.id, "ValidLength", (3 - i) * PAGE));
	}
	check(call_region(bus, one.id, "Release", &r));
	until(!find_keeper(bus, 0, &k, 0));
	close(fd);
	free(before);
}

int main(void)
{
	world_begin(&world, "[keepers]\ntimeout_msec = 6000\n");
	bus = connect_client(&world);
	test_replaced();
	test_truncated();
	test_killed();
	test_released();
	test_parted();
	test_late();
	test_refused();
	test_port();
	test_port_stopped();
	test_upgraded();
	disconnect(bus);
	world_end(&world);
	return 0;
}
