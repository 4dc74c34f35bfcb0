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
#include <unistd.h>

#include "harness.h"

#define NOBODY 65534
#define LONG UINT64_C(10000000)
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
	struct ends ends;
};

static int on_released(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct releasing *l = userdata;

	(void)error;
	if (sd_bus_message_get_error(m))
		check_text(sd_bus_message_get_error(m)->message, "no error");
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

static uint64_t add_region(const char *session, bool detached, struct reply *ret)
{
	int fd = make_memfd(8192);

	register_region(user, fd, 0, 0, "rw", ret, 3, "session", "s", session, "detached", "b",
			(int)detached, "grace_usec", "t", LONG);
	close(fd);
	return ret->id;
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
	release("job_2d7", &ends);
	check(ends.n == 0);
	check(!get(admin, "job-7", &r));
	expect_error(&r, "NoSuchSession", "'job-7'");
	check(!finish_call(admin, new_release(admin, "job_2d7", 0, UINT64_MAX), &r));
	expect_error(&r, "NoSuchSession", "was released");
	release("_5f8_2e1", &ends);
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

int main(void)
{
	world_begin(&world, "");
	admin = connect_client(&world);
	uid = geteuid() == 0 ? NOBODY : geteuid();
	user = geteuid() == 0 ? connect_as(&world, uid) : connect_client(&world);
	subscribe(user);
	test_create();
	test_limits();
	test_drain();
	disconnect(user);
	disconnect(admin);
	world_end(&world);
	return 0;
}
