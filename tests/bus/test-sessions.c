// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-sessions.c - sessions that are created for users: made once, shown to their user, limited,
 * drained, released with all that is in them, and there after a restart.
 *
 * As root the session's user is nobody, else ourselves, who then runs the daemon, too.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define NOBODY 65534
#define STRANGER 2 /* somebody with an account */
#define LONG UINT64_C(10000000)
#define SHORT UINT64_C(500000)
#define PATH_BYTES 200
#define ENDS 8

static struct world world;
static sd_bus *admin, *user;
static uid_t uid;

/* What Release said. */
struct ends {
	size_t n;
	struct {
		uint64_t id;
		char outcome[16];
	} item[ENDS];
};

static void path_of(const char *escaped, char out[static PATH_BYTES])
{
	snprintf(out, PATH_BYTES, RDMAREG_SESSION_PREFIX "/%u_%s", uid, escaped);
}

static sd_bus_message *new_create(sd_bus *b, uint32_t of, const char *name)
{
	sd_bus_message *m = new_manager_call(b, "CreateSession");

	check(sd_bus_message_append(m, "us", of, name) >= 0);
	return m;
}

static sd_bus_message *new_session_call(sd_bus *b, const char *escaped, const char *member)
{
	char path[PATH_BYTES];

	path_of(escaped, path);
	return new_call(b, path, RDMAREG_SESSION_INTERFACE, member);
}

static bool create(const char *name, struct reply *ret)
{
	sd_bus_message *m = new_create(admin, uid, name);

	add_options(m, 0);
	return finish_call(admin, m, ret);
}

static bool create_limited(const char *name, const char *limit, const char *type, uint64_t value,
			   struct reply *ret)
{
	sd_bus_message *m = new_create(admin, uid, name);

	if (*type == 'u')
		add_options(m, 1, limit, "u", (int)value);
	else
		add_options(m, 1, limit, "t", value);
	return finish_call(admin, m, ret);
}

static bool get(sd_bus *b, const char *name, struct reply *ret)
{
	sd_bus_message *m = new_manager_call(b, "GetSession");

	check(sd_bus_message_append(m, "us", (uint32_t)uid, name) >= 0);
	return finish_call(b, m, ret);
}

static bool call_session(sd_bus *b, const char *escaped, const char *member, struct reply *ret)
{
	return finish_call(b, new_session_call(b, escaped, member), ret);
}

static int read_ends(sd_bus_message *m, struct ends *ret)
{
	const char *outcome, *text;

	*ret = (struct ends){ 0 };
	check(sd_bus_message_enter_container(m, 'a', "(tss)") > 0);
	while (ret->n < ENDS &&
	       sd_bus_message_read(m, "(tss)", &ret->item[ret->n].id, &outcome, &text) > 0) {
		check(*text);
		snprintf(ret->item[ret->n++].outcome, sizeof(ret->item[0].outcome), "%s", outcome);
	}
	return sd_bus_message_exit_container(m);
}

struct releasing {
	bool done;
	bool failed;
	struct ends ends;
};

static int on_released(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct releasing *l = userdata;

	(void)error;
	l->failed = sd_bus_message_get_error(m);
	if (!l->failed)
		check(read_ends(m, &l->ends) >= 0);
	l->done = true;
	return 1;
}

/* UINT64_MAX: not given */
static sd_bus_message *new_release(sd_bus *b, const char *escaped, uint64_t grace_usec,
				   uint64_t limit_usec)
{
	sd_bus_message *m = new_session_call(b, escaped, "Release");

	if (grace_usec != UINT64_MAX && limit_usec != UINT64_MAX)
		add_options(m, 2, "GraceUSec", "t", grace_usec, "LimitUSec", "t", limit_usec);
	else if (grace_usec != UINT64_MAX)
		add_options(m, 1, "GraceUSec", "t", grace_usec);
	else if (limit_usec != UINT64_MAX)
		add_options(m, 1, "LimitUSec", "t", limit_usec);
	else
		add_options(m, 0);
	return m;
}

static void send_release(sd_bus *b, const char *escaped, uint64_t grace_usec, uint64_t limit_usec,
			 struct releasing *l)
{
	sd_bus_message *m = new_release(b, escaped, grace_usec, limit_usec);

	*l = (struct releasing){ 0 };
	check(sd_bus_call_async(b, NULL, m, on_released, l, WAIT_SEC * UINT64_C(1000000)) >= 0);
	check(sd_bus_flush(b) >= 0);
	sd_bus_message_unref(m);
}

static bool is_released(sd_bus *b, const struct releasing *l)
{
	while (sd_bus_process(b, NULL) > 0)
		;
	return l->done;
}

static void release(const char *escaped, struct ends *ret)
{
	struct releasing l;

	send_release(admin, escaped, 0, UINT64_MAX, &l);
	until(is_released(admin, &l));
	check(!l.failed);
	*ret = l.ends;
}

static uint64_t number(sd_bus *b, const char *escaped, const char *property, char type)
{
	char path[PATH_BYTES];
	uint64_t t = 0;
	uint32_t u = 0;

	path_of(escaped, path);
	check(sd_bus_get_property_trivial(b, RDMAREG_BUS_NAME, path, RDMAREG_SESSION_INTERFACE,
					  property, NULL, type,
					  type == 't' ? (void *)&t : (void *)&u) >= 0);
	return type == 't' ? t : u;
}

static void expect_state(sd_bus *b, const char *escaped, const char *wanted)
{
	char path[PATH_BYTES], *state = NULL;

	path_of(escaped, path);
	check(sd_bus_get_property_string(b, RDMAREG_BUS_NAME, path, RDMAREG_SESSION_INTERFACE,
					 "State", NULL, &state) >= 0);
	check_text(state, wanted);
	free(state);
}

static uint64_t add_region_for(const char *session, bool detached, uint64_t grace_usec,
			       struct reply *ret)
{
	int fd = make_memfd(8192);

	register_region(user, fd, 0, 0, "rw", ret, 3, "session", "s", session, "detached", "b",
			(int)detached, "grace_usec", "t", grace_usec);
	close(fd);
	return ret->id;
}

static uint64_t add_region(const char *session, bool detached, struct reply *ret)
{
	return add_region_for(session, detached, LONG, ret);
}

/* What is made twice is made once. */
static void test_create(void)
{
	struct reply r;
	struct ends ends;

	check(create("job-7", &r));
	check(create("job-7", &r));
	check(get(user, "job-7", &r));
	expect_state(user, "job_2d7", "active");
	check(number(user, "job_2d7", "Uid", 'u') == uid);
	check(number(user, "job_2d7", "MaxRegions", 'u') == 1024);
	check(number(user, "job_2d7", "MaxMemory", 't') == 0);
	check(!create_limited("job-7", "MaxBytes", "t", 8192, &r));
	expect_error(&r, "SessionExists", "MaxBytes is 0, not 8192");
	check(create_limited("_8.1", "MaxRegions", "u", 3, &r));
	check(create_limited("_8.1", "MaxRegions", "u", 3, &r));
	check(!create("_8.1", &r));
	expect_error(&r, "SessionExists", "MaxRegions is 3, not 0");
	check(number(user, "_5f8_2e1", "MaxRegions", 'u') == 3);
	/* without slices it cannot be kept, and shows so; it is what was asked for all the same */
	check(create_limited("memory", "MaxMemory", "t", UINT64_C(1) << 26, &r));
	check(number(user, "memory", "MaxMemory", 't') == 0 &&
	      number(user, "memory", "MemoryCurrent", 't') == 0);
	check(create_limited("memory", "MaxMemory", "t", UINT64_C(1) << 26, &r));
	check(!create("memory", &r));
	expect_error(&r, "SessionExists", "MaxMemory is 67108864, not 0");
	release("memory", &ends);
	release("job_2d7", &ends);
	check(ends.n == 0);
	check(!get(admin, "job-7", &r));
	expect_error(&r, "NoSuchSession", "'job-7'");
	check(!finish_call(admin, new_release(admin, "job_2d7", 0, UINT64_MAX), &r));
	expect_error(&r, "NoSuchSession", "was released");
	release("_5f8_2e1", &ends);
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
		check(create_limited("twice", limits[i].key, limits[i].type, limits[i].has, &r));
		check(create_limited("twice", limits[i].key, limits[i].type, limits[i].has, &r));
		check(!create_limited("twice", limits[i].key, limits[i].type, limits[i].asked, &r));
		expect_error(&r, "SessionExists", limits[i].says);
		release("twice", &ends);
	}
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
		sd_bus *launcher = connect_client(&world);
		int fd = make_memfd(8192);
		sd_bus_message *m;

		if (step > 0)
			check(create("killed-one", &r));
		if (step == 0) {
			m = new_create(launcher, uid, "killed-one");
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
			check(add_region("killed-one", true, &r));
			m = new_release(launcher, "killed_2done", UINT64_MAX, UINT64_MAX);
		}
		check(sd_bus_send(launcher, m, NULL) >= 0 && sd_bus_flush(launcher) >= 0);
		sd_bus_message_unref(m);
		close(fd);
		disconnect(launcher);
		/* the next one's epilog, whatever it finds */
		if (finish_call(admin, new_release(admin, "killed_2done", 0, UINT64_MAX), &r))
			until(!get(admin, "killed-one", &r));
		expect_error(&r, "NoSuchSession", "");
		check(create("killed-one", &r));
		/* also with what came late, after the epilog */
		release("killed_2done", &ends);
	}
	until(world_keepers(&world) == 0);
}

/* Its own limits count, and the general ones for what has none. */
static void test_limits(void)
{
	struct reply r;
	struct ends ends;
	sd_bus_message *m;
	uint64_t id[3];

	check(create_limited("limited", "MaxRegions", "u", 2, &r));
	id[0] = add_region("limited", true, &r);
	id[1] = add_region("limited", false, &r);
	check(id[0] && id[1]);
	check(!add_region("limited", false, &r));
	expect_error(&r, "LimitExceeded", "MaxRegions");
	check(number(user, "limited", "Regions", 'u') == 2 &&
	      number(user, "limited", "Bytes", 't') == 16384);
	m = new_session_call(admin, "limited", "SetLimits");
	add_options(m, 2, "MaxRegions", "u", 0, "MaxBytes", "t", UINT64_C(16384));
	check(finish_call(admin, m, &r));
	check(number(user, "limited", "MaxRegions", 'u') == 1024);
	check(!add_region("limited", false, &r));
	expect_error(&r, "LimitExceeded", "MaxBytes");
	/* below what is there: nothing is taken away */
	m = new_session_call(admin, "limited", "SetLimits");
	add_options(m, 2, "MaxRegions", "u", 1, "MaxBytes", "t", UINT64_C(0));
	check(finish_call(admin, m, &r));
	check(region_exists(user, id[0]) && region_exists(user, id[1]));
	check(!add_region("limited", false, &r));
	expect_error(&r, "LimitExceeded", "MaxRegions");
	release("limited", &ends);
	check(ends.n == 2 && !region_exists(user, id[0]) && !region_exists(user, id[1]));
	check_text(ends.item[0].outcome, "released");
}

/* Tickets are counted by the keeper, which is started with the session's limits. */
static void test_tickets(void)
{
	struct reply r, region;
	struct ends ends;

	check(create_limited("tickets", "MaxTickets", "u", 1, &r));
	check(add_region("tickets", true, &region));
	check(export_region(user, region.id, &r, 0));
	check(!export_region(user, region.id, &r, 0));
	expect_error(&r, "LimitExceeded", "1 tickets");
	check(number(user, "tickets", "MaxTickets", 'u') == 1 &&
	      number(user, "tickets", "MaxPeers", 'u') == 1024);
	world_tell_keeper(&world, uid, "tickets", "peer-join %" PRIu64, region.id);
	until(number(user, "tickets", "Peers", 'u') == 1);
	release("tickets", &ends);
}

static void test_drain(void)
{
	struct ends ends;
	struct reply r;
	uint64_t id;

	check(create("drained", &r));
	id = add_region("drained", true, &r);
	check(call_session(admin, "drained", "Drain", &r));
	check(call_session(admin, "drained", "Drain", &r));
	expect_state(user, "drained", "draining");
	check(!add_region("drained", true, &r));
	expect_error(&r, "Busy", "draining");
	check(region_exists(user, id));
	release("drained", &ends);
	check(ends.n == 1 && ends.item[0].id == id);
	id = add_region("drained", true, &r); /* nobody created this one */
	check(id && !get(admin, "drained", &r));
	check(call_region_number(user, id, "ReleaseWithin", 0, &r));
}

/* A region whose holder, the user's connection, does not answer. */
static void test_release(void)
{
	struct releasing first, second;
	struct ends ends;
	struct reply r;
	uint64_t id[2];

	check(create("held", &r));
	id[0] = add_region("held", true, &r);
	id[1] = add_region("held", true, &r);
	/* begun, and not waited for */
	send_release(admin, "held", UINT64_MAX, 0, &first);
	until(is_released(admin, &first));
	check(first.ends.n == 2 && first.ends.item[0].id == id[0] &&
	      first.ends.item[1].id == id[1]);
	check_text(first.ends.item[0].outcome, "late");
	check_text(first.ends.item[1].outcome, "late");
	expect_state(user, "held", "ended");
	check(region_exists(user, id[0]));
	check(!add_region("held", true, &r));
	expect_error(&r, "Busy", "being released");
	check(!create("held", &r));
	expect_error(&r, "Busy", "create it when that is over");
	check(!call_session(admin, "held", "Drain", &r));
	expect_error(&r, "Busy", "being released");
	/* two that wait for the same, each with a limit of its own */
	send_release(admin, "held", UINT64_MAX, UINT64_MAX, &first);
	send_release(admin, "held", UINT64_MAX, 1, &second);
	until(is_released(admin, &second));
	check(second.ends.n == 2 && !first.done);
	check_text(second.ends.item[1].outcome, "late");
	/* a shorter grace counts for who is there already */
	release("held", &ends);
	until(is_released(admin, &first));
	check(ends.n == 2 && first.ends.n == 2);
	check_text(ends.item[0].outcome, "released");
	check_text(first.ends.item[1].outcome, "released");
	check(!region_exists(user, id[0]) && !region_exists(user, id[1]));
	check(!get(admin, "held", &r) && create("held", &r)); /* the name is free */
	release("held", &ends);
}

/* Holders that answer end it before their grace does; whoever dies meanwhile is told from them. */
static void test_outcomes(void)
{
	struct releasing l;
	struct reply r, region;
	struct ends ends;

	check(create("acked", &r));
	check(add_region("acked", true, &region));
	forget_signals(user);
	send_release(admin, "acked", UINT64_MAX, UINT64_MAX, &l);
	check(acknowledge(user, region.id, await_request(user, "release"), &r));
	until(is_released(admin, &l));
	check(l.ends.n == 1);
	check_text(l.ends.item[0].outcome, "released");

	check(create("killed", &r));
	check(add_region("killed", true, &region));
	forget_signals(user);
	send_release(admin, "killed", UINT64_MAX, UINT64_MAX, &l);
	await_request(user, "release");
	world_tell_keeper(&world, uid, "killed", "crash");
	until(is_released(admin, &l));
	check(l.ends.n == 1);
	check_text(l.ends.item[0].outcome, "gone");
	check(!get(admin, "killed", &r));

	/* its keeper ended before anybody released it: the session stays */
	check(create("empty", &r));
	check(add_region("empty", true, &region));
	world_tell_keeper(&world, uid, "empty", "crash");
	until(!region_exists(user, region.id));
	expect_state(user, "empty", "active");
	check(add_region("empty", true, &region));
	release("empty", &ends);
	check(ends.n == 1);
}

static void await_session_signal(const char *member, const char *escaped)
{
	sd_bus_message *m = await_signal(user, member);
	char wanted[PATH_BYTES];
	const char *path;

	path_of(escaped, wanted);
	check(sd_bus_message_read(m, "o", &path) > 0);
	check_text(path, wanted);
	sd_bus_message_unref(m);
}

static void test_signals(void)
{
	sd_bus_message *m;
	struct ends ends;
	const char *text;
	struct reply r;

	forget_signals(user);
	check(create("told", &r));
	await_session_signal("SessionAdded", "told");
	check(call_session(admin, "told", "Drain", &r));
	m = await_signal(user, "PropertiesChanged");
	check(sd_bus_message_read(m, "s", &text) > 0);
	check_text(text, RDMAREG_SESSION_INTERFACE);
	sd_bus_message_unref(m);
	release("told", &ends);
	await_session_signal("SessionRemoved", "told");
}

/* What a page of ListSessions has: its names, one after the other, and the last object. */
static size_t list(sd_bus *b, const char *after, const char *state, uint32_t limit, char *names,
		   size_t size, char last[static PATH_BYTES])
{
	sd_bus_message *m = new_manager_call(b, "ListSessions"), *reply = NULL;
	const char *path, *name;
	size_t n = 0;

	check(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
	if (after)
		check(sd_bus_message_append(m, "{sv}", "After", "o", after) >= 0);
	if (state)
		check(sd_bus_message_append(m, "{sv}", "State", "s", state) >= 0);
	check(sd_bus_message_append(m, "{sv}", "Limit", "u", limit) >= 0);
	check(sd_bus_message_append(m, "{sv}", "Uid", "u", (uint32_t)uid) >= 0);
	check(sd_bus_message_close_container(m) >= 0);
	check(sd_bus_call(b, m, 0, NULL, &reply) >= 0);
	check(sd_bus_message_enter_container(reply, 'a', "(ousstua{sv})") > 0);
	*names = 0;
	while (sd_bus_message_enter_container(reply, 'r', "ousstua{sv}") > 0) {
		check(sd_bus_message_read(reply, "ousstu", &path, NULL, &name, NULL, NULL, NULL) >
		      0);
		check(sd_bus_message_skip(reply, "a{sv}") > 0);
		check(sd_bus_message_exit_container(reply) >= 0);
		snprintf(last, PATH_BYTES, "%s", path);
		check(strlen(names) + strlen(name) + 2 < size);
		strcat(strcat(names, name), " ");
		n++;
	}
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	return n;
}

static void test_list(void)
{
	static const char *const names[] = { "b", "a", "c.1" };
	char text[200], last[PATH_BYTES];
	struct ends ends;
	struct reply r;

	for (int i = 0; i < 3; i++)
		check(create(names[i], &r));
	check(call_session(admin, "b", "Drain", &r));
	check(list(user, NULL, NULL, 2, text, sizeof(text), last) == 2);
	check_text(text, "a b ");
	release("b", &ends); /* the last of a page may go before the next page is asked for */
	check(list(user, last, NULL, 2, text, sizeof(text), last) == 1);
	check_text(text, "c.1 ");
	check(call_session(admin, "a", "Drain", &r));
	check(list(admin, NULL, "draining", 9, text, sizeof(text), last) == 1);
	check_text(text, "a ");
	release("a", &ends);
	release("c_2e1", &ends);
}

/* Others neither see it nor hear of it. Takes root. */
static void test_strangers(void)
{
	char text[200], last[PATH_BYTES], path[PATH_BYTES];
	sd_bus *other = connect_as(&world, STRANGER);
	sd_bus_error e = SD_BUS_ERROR_NULL;
	struct ends ends;
	struct reply r;
	sd_bus_message *m;
	char *state = NULL;

	subscribe(other);
	check(create("private", &r));
	check(!get(other, "private", &r));
	expect_error(&r, "NoSuchSession", "'private'");
	path_of("private", path);
	check(sd_bus_get_property_string(other, RDMAREG_BUS_NAME, path, RDMAREG_SESSION_INTERFACE,
					 "State", &e, &state) < 0);
	check_text(e.name, RDMAREG_ERROR_NO_SUCH_SESSION);
	sd_bus_error_free(&e);
	check(list(other, NULL, NULL, 9, text, sizeof(text), last) == 0);
	/* not even its user may end it, and nobody learns whether there is one */
	for (int i = 0; i < 3; i++) {
		sd_bus *b = i ? other : user;

		check(!finish_call(b, new_release(b, i == 2 ? "nothing" : "private", 0, 0), &r));
		expect_error(&r, "AccessDenied", RDMAREG_ACTION_SESSIONS);
	}
	check(!call_session(user, "private", "Drain", &r));
	expect_error(&r, "AccessDenied", RDMAREG_ACTION_SESSIONS);
	m = new_session_call(user, "private", "SetLimits");
	add_options(m, 0);
	check(!finish_call(user, m, &r));
	expect_error(&r, "AccessDenied", RDMAREG_ACTION_SESSIONS);
	m = new_create(user, uid, "mine");
	add_options(m, 0);
	check(!finish_call(user, m, &r));
	expect_error(&r, "AccessDenied", RDMAREG_ACTION_SESSIONS);
	expect_state(user, "private", "active");
	release("private", &ends);
	check(!has_signal(other, "SessionAdded") && !has_signal(other, "SessionRemoved"));
	disconnect(other);
}

static void test_input(void)
{
	static const char *const names[] = { "",
					     "a b",
					     "a/b",
					     "a\n",
					     "a@b",
					     "\xc3\xa4",
					     "1234567890123456789012345678901234567890123456789" };
	static const struct {
		const char *key;
		const char *type;
		uint64_t value;
		const char *mentions;
	} limits[] = {
		{ "MaxRegions", "u", 65537, "from 1 to 65536" },
		{ "MaxRegions", "t", 1, "a 32-bit number" },
		{ "MaxBytes", "t", 4095, "at least 4096" },
		{ "MaxBytes", "u", 4096, "a 64-bit number" },
		{ "MaxPeers", "u", 16385, "from 1 to 16384" },
		{ "MaxTickets", "u", 4097, "from 1 to 4096" },
		{ "MaxMemory", "t", 4096, "at least 33554432" },
		{ "maxregions", "u", 1, "no option 'maxregions'" },
	};
	static const char *const paths[] = { "/1000",	    "/x_a",	  "/1000_",
					     "/1000_a_",    "/1000_a_zz", "/1000_1",
					     "/1000_a_2D7", "/01000_a",	  "/4294967295_a",
					     "/1000_a_00",  "/1000_a_20b" };
	struct reply r;
	sd_bus_message *m;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		check(!create(names[i], &r));
		expect_error(&r, "InvalidOption", "A-Z a-z 0-9 _ . -");
		check(!get(admin, names[i], &r));
		expect_error(&r, "InvalidOption", "A-Z a-z 0-9 _ . -");
	}
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		check(!create_limited("x", limits[i].key, limits[i].type, limits[i].value, &r));
		expect_error(&r, "InvalidOption", limits[i].mentions);
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), RDMAREG_SESSION_PREFIX "%s", paths[i]);
		m = new_call(admin, path, RDMAREG_SESSION_INTERFACE, "Drain");
		check(!finish_call(admin, m, &r));
		expect_error(&r, "NoSuchSession", "is no session's path");
	}
	m = new_create(admin, 3999999999, "x"); /* nobody has this id */
	add_options(m, 0);
	check(!finish_call(admin, m, &r));
	expect_error(&r, "InvalidOption", "3999999999 has no account");
	m = new_create(admin, UINT32_MAX, "x");
	add_options(m, 0);
	check(!finish_call(admin, m, &r));
	expect_error(&r, "InvalidOption", "is no user id");
	m = new_release(admin, "x", UINT64_MAX, UINT64_MAX);
	check(!finish_call(admin, m, &r));
	expect_error(&r, "NoSuchSession", "nobody has created it");
	m = new_session_call(admin, "x", "Release");
	add_options(m, 1, "GraceUSec", "u", 1);
	check(!finish_call(admin, m, &r));
	expect_error(&r, "InvalidOption", "a 64-bit number");
	m = new_manager_call(admin, "ListSessions");
	add_options(m, 1, "Limit", "u", 4097);
	check(!finish_call(admin, m, &r));
	expect_error(&r, "InvalidOption", "from 1 to 4096");
	m = new_manager_call(admin, "ListSessions");
	add_options(m, 1, "State", "s", "dead");
	check(!finish_call(admin, m, &r));
	expect_error(&r, "InvalidOption", "active draining ended");
	m = new_manager_call(admin, "ListSessions");
	check(sd_bus_message_append(m, "a{sv}", 1, "After", "o", "/x") >= 0);
	check(!finish_call(admin, m, &r));
	expect_error(&r, "InvalidOption", "object path of a session");
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
		m = new_create(admin, uid, name);
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
	check(world_keepers(&world) >= CROWD);
	for (int i = 0; i < CROWD; i++) {
		snprintf(name, sizeof(name), "array_2e%d", i);
		send_release(admin, name, 0, UINT64_MAX, &releasing[i]);
	}
	for (int i = 0; i < CROWD; i++) {
		until(is_released(admin, &releasing[i]));
		check(releasing[i].ends.n == 1);
		check_text(releasing[i].ends.item[0].outcome, "released");
	}
	/* they end without the time that an idle one has */
	until(world_keepers(&world) == 0);
}

static void restart(int signal)
{
	world_end_daemon(&world, signal);
	world_start_daemon(&world);
}

static void write_record(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/run/sessions/%s", world.directory, name);
	f = fopen(path, "we");
	check(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void make_fifo(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/run/sessions/%s", world.directory, name);
	check(mkfifo(path, 0600) == 0);
}

static bool has_record(const char *format, const char *name)
{
	char path[200], file[100];

	snprintf(file, sizeof(file), format, name);
	snprintf(path, sizeof(path), "%s/run/sessions/%s", world.directory, file);
	return access(path, F_OK) == 0;
}

static void test_restart(int signal)
{
	struct reply r, region;
	struct releasing l;
	struct ends ends;
	uint64_t created;

	check(create_limited("kept", "MaxRegions", "u", 5, &r));
	check(create("drains", &r) && call_session(admin, "drains", "Drain", &r));
	check(create("ending", &r));
	check(add_region("kept", true, &region));
	check(add_region_for("ending", true, SHORT, &r));
	created = number(user, "kept", "CreatedUSec", 't');
	forget_signals(user);
	send_release(admin, "ending", UINT64_MAX, UINT64_MAX, &l);
	await_request(user, "release");
	restart(signal);
	until(is_released(admin, &l));
	check(l.failed);
	until(!get(admin, "ending", &r)); /* the next one goes on with it */
	check(create_limited("kept", "MaxRegions", "u", 5, &r));
	check(number(user, "kept", "CreatedUSec", 't') == created &&
	      number(user, "kept", "Regions", 'u') == 1);
	expect_state(user, "drains", "draining");
	release("drains", &ends);
	release("kept", &ends);
	check(ends.n == 1 && ends.item[0].id == region.id);
}

/* What is no record of ours is set aside, and nothing else is lost by it. */
static void test_damaged(void)
{
	static const struct {
		const char *name;
		const char *text;
	} damaged[] = {
		{ "1-empty", "" },
		{ "1-cut", "rdmareg-session\nuid 1\nname cut\n" },
		{ "1-number", "rdmareg-session\nuid 1\nmax_bytes x\nname number\nend\n" },
		{ "1-large", "rdmareg-session\nuid 1\nmax_peers 4294967296\nname large\nend\n" },
		{ "1-state", "rdmareg-session\nuid 1\nstate 3\nname state\nend\n" },
		{ "1-other", "rdmareg-session\nuid 2\nname other\nend\n" },
		{ "1-nameless", "rdmareg-session\nuid 1\nend\n" },
		{ "noise", "\x7f"
			   "ELF" },
		{ "1-a b", "rdmareg-session\nuid 1\nname a b\nend\n" },
	};
	struct ends ends;
	struct reply r;
	char text[400], name[100];

	check(create("sound", &r));
	world_end_daemon(&world, SIGKILL);
	make_fifo("1-fifo");
	make_fifo(".new");
	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++)
		write_record(damaged[i].name, damaged[i].text);
	/* of a newer daemon */
	snprintf(text, sizeof(text),
		 "rdmareg-session\nuid %u\nmax_regions 7\nmax_dreams many\nname newer\nend\n", uid);
	snprintf(name, sizeof(name), "%u-newer", uid);
	write_record(name, text);
	write_record("1-x\n<0>forged", "");
	world_start_daemon(&world);
	check(has_record("damaged-%s", "1-fifo") && has_record("damaged-%s", "1-x\n<0>forged"));
	until(world_log_contains(&world, "<0>forged"));
	check(!world_log_contains(&world, "\n<0>forged"));
	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		check(has_record("damaged-%s", damaged[i].name) &&
		      !has_record("%s", damaged[i].name));
		until(world_log_contains(&world, damaged[i].name));
	}
	check(get(user, "sound", &r) && get(user, "newer", &r));
	check(number(user, "newer", "MaxRegions", 'u') == 7);
	check(create("besides", &r)); /* whatever is called .new */
	release("besides", &ends);
	release("sound", &ends);
	release("newer", &ends);
	check(!has_record("%s", name));
}

/* A session that cannot be recorded is not made, or changed; it can be released. */
static void test_unrecorded(void)
{
	char path[200], file[500];
	struct ends ends;
	struct reply r;
	struct dirent *e;
	DIR *d;

	check(create("before", &r));
	snprintf(path, sizeof(path), "%s/run/sessions", world.directory);
	d = opendir(path);
	check(d);
	while ((e = readdir(d))) {
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		unlink(file);
	}
	closedir(d);
	check(rmdir(path) == 0);
	check(!create("after", &r));
	expect_error(&r, "Failed", "cannot be recorded");
	check(!get(admin, "after", &r));
	check(!call_session(admin, "before", "Drain", &r));
	expect_error(&r, "Failed", "cannot be recorded");
	expect_state(user, "before", "active");
	release("before", &ends);
	check(!get(admin, "before", &r));
	restart(SIGTERM);
	check(create("after", &r));
	release("after", &ends);
}

/* Its path has three characters for each. */
static void test_longest(void)
{
	char name[49], escaped[3 * 48 + 1] = "";
	struct ends ends;
	struct reply r;

	memset(name, '-', 48);
	name[48] = 0;
	for (int i = 0; i < 48; i++)
		memcpy(escaped + 3 * i, "_2d", 4);
	check(create(name, &r));
	expect_state(user, escaped, "active");
	check(call_session(admin, escaped, "Drain", &r));
	release(escaped, &ends);
	check(!get(admin, name, &r));
}

static void test_most(void)
{
	struct ends ends;
	struct reply r;

	world_write_settings(&world, "[limits]\nsessions_max = 1\ntenants_per_uid = 1\n");
	restart(SIGTERM);
	check(create("only", &r));
	check(!create("another", &r));
	expect_error(&r, "LimitExceeded", "sessions_max");
	check(add_region("only", false, &r));
	check(add_region("plain", false, &r)); /* the created one does not count */
	check(call_region_number(user, r.id, "ReleaseWithin", 0, &r));
	release("only", &ends);
	check(create("another", &r));
	release("another", &ends);
}

int main(void)
{
	world_begin(&world, "");
	admin = connect_client(&world);
	uid = geteuid() == 0 ? NOBODY : geteuid();
	user = geteuid() == 0 ? connect_as(&world, uid) : connect_client(&world);
	subscribe(user);
	test_create();
	test_twice();
	test_limits();
	test_tickets();
	test_drain();
	test_release();
	test_outcomes();
	test_signals();
	test_list();
	if (geteuid() == 0)
		test_strangers();
	test_input();
	test_crowd();
	test_killed();
	test_restart(SIGKILL);
	test_restart(SIGTERM);
	test_damaged();
	test_unrecorded();
	test_longest();
	test_most();
	disconnect(user);
	disconnect(admin);
	world_end(&world);
	return 0;
}
