// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-sessions.c - sessions that are created for users: made once, limited, drained, and released
 * with all that is in them.
 */
#include <inttypes.h>
#include <unistd.h>

#include "harness-sessions.h"

/* What is made twice is made once. */
static void test_create(void)
{
	char command[100], out[1000];
	struct reply r;
	struct ends ends;

	check(create_session("job-7", &r));
	check(create_session("job-7", &r));
	check(session_exists(user, "job-7", &r));
	expect_session_state(user, "job_2d7", "active");
	check(session_number(user, "job_2d7", "Uid", 'u') == uid);
	check(session_number(user, "job_2d7", "MaxRegions", 'u') == 1024);
	check(session_number(user, "job_2d7", "MaxMemory", 't') == 0);
	check(!create_session_limited("job-7", "MaxBytes", "t", 8192, &r));
	expect_error(&r, "SessionExists", "MaxBytes is 0, not 8192");
	check(create_session_limited("_8.1", "MaxRegions", "u", 3, &r));
	check(create_session_limited("_8.1", "MaxRegions", "u", 3, &r));
	check(!create_session("_8.1", &r));
	expect_error(&r, "SessionExists", "MaxRegions is 3, not 0");
	check(session_number(user, "_5f8_2e1", "MaxRegions", 'u') == 3);
	/* without slices it cannot be kept, and shows so; it is what was asked for all the same */
	check(create_session_limited("memory", "MaxMemory", "t", UINT64_C(1) << 26, &r));
	check(session_number(user, "memory", "MaxMemory", 't') == 0 &&
	      session_number(user, "memory", "MemoryCurrent", 't') == 0);
	check(create_session_limited("memory", "MaxMemory", "t", UINT64_C(1) << 26, &r));
	check(!create_session("memory", &r));
	expect_error(&r, "SessionExists", "MaxMemory is 67108864, not 0");
	snprintf(command, sizeof(command), "session create memory --uid %u --max-memory 64M", uid);
	check(world_ctl(&sessions_world, command, out, sizeof(out)) == 0 &&
	      strstr(out, "--max-memory is kept in mind, but limits nothing"));
	check(world_ctl(&sessions_world, "session run --max-memory 64M -- true", out,
			sizeof(out)) == 0 &&
	      strstr(out, "--max-memory is kept in mind, but limits nothing"));
	release_session("memory", &ends);
	release_session("job_2d7", &ends);
	check(ends.n == 0);
	check(!session_exists(admin, "job-7", &r));
	expect_error(&r, "NoSuchSession", "'job-7'");
	check(!finish_call(admin, new_session_release(admin, "job_2d7", 0, UINT64_MAX), &r));
	expect_error(&r, "NoSuchSession", "was released");
	release_session("_5f8_2e1", &ends);
}

/* Created with each limit: the same again is no error, and of another the message tells the two. */
static void test_twice(void)
{
	static const struct {
		const char *key, *type;
		uint64_t has, asked;
		const char *says;
	} limits[] = {
		{ "MaxRegions", "u", 3, 4, "its MaxRegions is 3, not 4" },
		{ "MaxBytes", "t", 8192, 4096, "its MaxBytes is 8192, not 4096" },
		{ "MaxPeers", "u", 7, 16384, "its MaxPeers is 7, not 16384" },
		{ "MaxTickets", "u", 4096, 1, "its MaxTickets is 4096, not 1" },
		{ "MaxMemory", "t", 33554432, 0, "its MaxMemory is 33554432, not 0" },
	};
	struct ends ends;
	struct reply r;

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		check(create_session_limited("twice", limits[i].key, limits[i].type, limits[i].has,
					     &r));
		check(create_session_limited("twice", limits[i].key, limits[i].type, limits[i].has,
					     &r));
		check(!create_session_limited("twice", limits[i].key, limits[i].type,
					      limits[i].asked, &r));
		expect_error(&r, "SessionExists", limits[i].says);
		release_session("twice", &ends);
	}
}

/* Its keepers use the device that it was created with, and a keeper that finds another one says so. */
static void test_device(void)
{
	struct ends ends;
	struct reply r;
	sd_bus_message *m;

	check(create_session_on("rail0", "fake0", &r) && create_session_on("rail0", "fake0", &r));
	expect_session_device(user, "rail0", "fake0");
	check(add_session_region("rail0", true, &r));
	check(!create_session("rail0", &r));
	expect_error(&r, "SessionExists", "its Device is 'fake0', not ''");
	check(!create_session_on("rail0", "fake1", &r));
	expect_error(&r, "SessionExists", "its Device is 'fake0', not 'fake1'");
	check(create_session_on("rail1", "fake1", &r));
	check(!add_session_region("rail1", true, &r));
	expect_error(&r, "Failed", "RDMA device fake0, and this session uses fake1");
	release_session("rail1", &ends);
	/* the limits change, and it does not */
	m = new_session_call(admin, "rail0", "SetLimits");
	add_options(m, 1, "Device", "s", "fake1");
	check(!finish_call(admin, m, &r));
	expect_error(&r, "InvalidOption", "no option 'Device'");
	m = new_session_call(admin, "rail0", "SetLimits");
	add_options(m, 1, "MaxRegions", "u", 5);
	check(finish_call(admin, m, &r));
	expect_session_device(user, "rail0", "fake0");
	release_session("rail0", &ends);
	check(ends.n == 1);
	/* regions that are there already stay where they are */
	check(add_session_region("rail0", true, &r));
	check(!create_session_on("rail0", "fake0", &r));
	expect_error(&r, "SessionExists", "1 regions in a session 'rail0' that nobody created");
	check(create_session("rail0", &r));
	expect_session_device(user, "rail0", "");
	release_session("rail0", &ends);
	check(create_session_on("rail0", "fake0", &r));
	release_session("rail0", &ends);
}

/*
 * Whoever asks is killed before the answer, at each step of a launcher: the step is done, or it is
 * not, and who comes next goes on from there.
 */
static void test_killed(void)
{
	struct ends ends;
	struct reply r;

	for (int step = 0; step < 5; step++) {
		sd_bus *launcher = connect_client(&sessions_world);
		int fd = make_memfd(8192);
		sd_bus_message *m;

		if (step > 0)
			check(create_session("killed-one", &r));
		if (step == 0) {
			m = new_session(launcher, uid, "killed-one");
			add_options(m, 0);
		} else if (step == 1) {
			m = new_manager_call(launcher, "RegisterRegion");
			check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), UINT64_C(0),
						    "rw") >= 0);
			add_options(m, 3, "session", "s", "killed-one", "detached", "b", 1, "uid",
				    "u", (uint32_t)uid);
		} else if (step == 2) {
			m = new_session_call(launcher, "killed_2done", "Drain");
		} else if (step == 3) {
			m = new_session_call(launcher, "killed_2done", "SetLimits");
			add_options(m, 1, "MaxRegions", "u", 5);
		} else {
			check(add_session_region("killed-one", true, &r));
			m = new_session_release(launcher, "killed_2done", UINT64_MAX, UINT64_MAX);
		}
		check(sd_bus_send(launcher, m, NULL) >= 0 && sd_bus_flush(launcher) >= 0);
		sd_bus_message_unref(m);
		close(fd);
		disconnect(launcher);
		/* the next one's epilog, whatever it finds */
		if (finish_call(admin, new_session_release(admin, "killed_2done", 0, UINT64_MAX),
				&r))
			until(!session_exists(admin, "killed-one", &r));
		expect_error(&r, "NoSuchSession", "");
		check(create_session("killed-one", &r));
		/* also with what came late, after the epilog */
		release_session("killed_2done", &ends);
	}
	until(world_keepers(&sessions_world) == 0);
}

/* Its own limits count, and the general ones for what has none. */
static void test_limits(void)
{
	struct reply r;
	struct ends ends;
	sd_bus_message *m;
	uint64_t id[3];

	check(create_session_limited("limited", "MaxRegions", "u", 2, &r));
	id[0] = add_session_region("limited", true, &r);
	id[1] = add_session_region("limited", false, &r);
	check(id[0] && id[1]);
	check(!add_session_region("limited", false, &r));
	expect_error(&r, "LimitExceeded", "MaxRegions");
	check(session_number(user, "limited", "Regions", 'u') == 2 &&
	      session_number(user, "limited", "Bytes", 't') == 16384);
	m = new_session_call(admin, "limited", "SetLimits");
	add_options(m, 2, "MaxRegions", "u", 0, "MaxBytes", "t", UINT64_C(16384));
	check(finish_call(admin, m, &r));
	check(session_number(user, "limited", "MaxRegions", 'u') == 1024);
	check(!add_session_region("limited", false, &r));
	expect_error(&r, "LimitExceeded", "MaxBytes");
	/* below what is there: nothing is taken away */
	m = new_session_call(admin, "limited", "SetLimits");
	add_options(m, 2, "MaxRegions", "u", 1, "MaxBytes", "t", UINT64_C(0));
	check(finish_call(admin, m, &r));
	check(region_exists(user, id[0]) && region_exists(user, id[1]));
	check(!add_session_region("limited", false, &r));
	expect_error(&r, "LimitExceeded", "MaxRegions");
	release_session("limited", &ends);
	check(ends.n == 2 && !region_exists(user, id[0]) && !region_exists(user, id[1]));
	check_text(ends.item[0].outcome, "released");
}

/* Tickets are counted by the keeper, which is started with the session's limits. */
static void test_tickets(void)
{
	struct reply r, region;
	struct ends ends;

	check(create_session_limited("tickets", "MaxTickets", "u", 1, &r));
	check(add_session_region("tickets", true, &region));
	check(export_region(user, region.id, &r, 0));
	check(!export_region(user, region.id, &r, 0));
	expect_error(&r, "LimitExceeded", "1 tickets");
	check(session_number(user, "tickets", "MaxTickets", 'u') == 1 &&
	      session_number(user, "tickets", "MaxPeers", 'u') == 1024);
	world_tell_keeper(&sessions_world, uid, "tickets", "peer-join %" PRIu64, region.id);
	until(session_number(user, "tickets", "Peers", 'u') == 1);
	release_session("tickets", &ends);
}

static void test_drain(void)
{
	struct ends ends;
	struct reply r;
	uint64_t id;

	check(create_session("drained", &r));
	id = add_session_region("drained", true, &r);
	check(call_session(admin, "drained", "Drain", &r));
	check(call_session(admin, "drained", "Drain", &r));
	expect_session_state(user, "drained", "draining");
	check(!add_session_region("drained", true, &r));
	expect_error(&r, "Busy", "draining");
	check(region_exists(user, id));
	release_session("drained", &ends);
	check(ends.n == 1 && ends.item[0].id == id);
	id = add_session_region("drained", true, &r); /* nobody created this one */
	check(id && !session_exists(admin, "drained", &r));
	check(call_region_number(user, id, "ReleaseWithin", 0, &r));
}

/* A region whose holder, the user's connection, does not answer. */
static void test_release(void)
{
	struct releasing first, second;
	struct ends ends;
	struct reply r;
	uint64_t id[2];

	check(create_session("held", &r));
	id[0] = add_session_region("held", true, &r);
	id[1] = add_session_region("held", true, &r);
	/* begun, and not waited for */
	send_session_release(admin, "held", UINT64_MAX, 0, &first);
	until(is_session_released(admin, &first));
	check(first.ends.n == 2 && first.ends.item[0].id == id[0] &&
	      first.ends.item[1].id == id[1]);
	check_text(first.ends.item[0].outcome, "late");
	check_text(first.ends.item[1].outcome, "late");
	expect_session_state(user, "held", "ended");
	check(region_exists(user, id[0]));
	check(!add_session_region("held", true, &r));
	expect_error(&r, "Busy", "being released");
	check(!create_session("held", &r));
	expect_error(&r, "Busy", "create it when that is over");
	check(!call_session(admin, "held", "Drain", &r));
	expect_error(&r, "Busy", "being released");
	/* two that wait for the same, each with a limit of its own */
	send_session_release(admin, "held", UINT64_MAX, UINT64_MAX, &first);
	send_session_release(admin, "held", UINT64_MAX, 1, &second);
	until(is_session_released(admin, &second));
	check(second.ends.n == 2 && !first.done);
	check_text(second.ends.item[1].outcome, "late");
	/* a shorter grace counts for who is there already */
	release_session("held", &ends);
	until(is_session_released(admin, &first));
	check(ends.n == 2 && first.ends.n == 2);
	check_text(ends.item[0].outcome, "released");
	check_text(first.ends.item[1].outcome, "released");
	check(!region_exists(user, id[0]) && !region_exists(user, id[1]));
	check(!session_exists(admin, "held", &r) &&
	      create_session("held", &r)); /* the name is free */
	release_session("held", &ends);
}

/* Holders that answer end it before their grace does; whoever dies meanwhile is told from them. */
static void test_outcomes(void)
{
	struct releasing l;
	struct reply r, region;
	struct ends ends;

	check(create_session("acked", &r));
	check(add_session_region("acked", true, &region));
	forget_signals(user);
	send_session_release(admin, "acked", UINT64_MAX, UINT64_MAX, &l);
	check(acknowledge(user, region.id, await_request(user, "release"), &r));
	until(is_session_released(admin, &l));
	check(l.ends.n == 1);
	check_text(l.ends.item[0].outcome, "released");

	check(create_session("killed", &r));
	check(add_session_region("killed", true, &region));
	forget_signals(user);
	send_session_release(admin, "killed", UINT64_MAX, UINT64_MAX, &l);
	await_request(user, "release");
	world_tell_keeper(&sessions_world, uid, "killed", "crash");
	until(is_session_released(admin, &l));
	check(l.ends.n == 1);
	check_text(l.ends.item[0].outcome, "gone");
	check(!session_exists(admin, "killed", &r));

	/* its keeper ended before anybody released it: the session stays */
	check(create_session("empty", &r));
	check(add_session_region("empty", true, &region));
	world_tell_keeper(&sessions_world, uid, "empty", "crash");
	until(!region_exists(user, region.id));
	expect_session_state(user, "empty", "active");
	check(add_session_region("empty", true, &region));
	release_session("empty", &ends);
	check(ends.n == 1);
}

#define CROWD 20

/* As many as an array of jobs of one user: more than tenants_per_uid, all at once. */
static void test_crowd(void)
{
	struct later creating[CROWD], registering[CROWD];
	struct releasing releasing[CROWD];
	int fd = make_memfd(8192);
	char name[16];

	for (int i = 0; i < CROWD; i++) {
		sd_bus_message *m;

		snprintf(name, sizeof(name), "array.%d", i);
		m = new_session(admin, uid, name);
		add_options(m, 0);
		send_later(admin, m, &creating[i]);
	}
	for (int i = 0; i < CROWD; i++) {
		sd_bus_message *m = new_manager_call(user, "RegisterRegion");

		await_answer(admin, &creating[i]);
		check_text(creating[i].reply.error, "");
		snprintf(name, sizeof(name), "array.%d", i);
		check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), UINT64_C(0), "rw") >= 0);
		add_options(m, 2, "session", "s", name, "detached", "b", 1);
		send_later(user, m, &registering[i]);
	}
	close(fd);
	for (int i = 0; i < CROWD; i++) {
		await_answer(user, &registering[i]);
		check_text(registering[i].reply.error, "");
	}
	check(world_keepers(&sessions_world) >= CROWD);
	for (int i = 0; i < CROWD; i++) {
		snprintf(name, sizeof(name), "array_2e%d", i);
		send_session_release(admin, name, 0, UINT64_MAX, &releasing[i]);
	}
	for (int i = 0; i < CROWD; i++) {
		until(is_session_released(admin, &releasing[i]));
		check(releasing[i].ends.n == 1);
		check_text(releasing[i].ends.item[0].outcome, "released");
	}
	/* they end without the time that an idle one has */
	until(world_keepers(&sessions_world) == 0);
}

int main(void)
{
	sessions_begin();
	test_create();
	test_twice();
	test_device();
	test_limits();
	test_tickets();
	test_drain();
	test_release();
	test_outcomes();
	test_crowd();
	test_killed();
	sessions_end();
	return 0;
}
