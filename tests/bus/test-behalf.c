// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-behalf.c - regions that are registered for another user, many at once, and what regions are
 * called.
 *
 * What always holds: a region registered for a user is that user's, in every respect, and the
 * descriptor alone says what it can be made of; who has no right to do so is refused, whatever else
 * is wrong. A name finds one region of a session, before and after a restart of the daemon, and
 * nobody who may not see the region.
 *
 * polkit is fakes/polkit.h's. The one who asks it is somebody else if we are root, else ourselves.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fakes/polkit.h"
#include "harness.h"

#define OTHER 1
#define USER 65534 /* for whom regions are registered */
#define PAGE 4096u
#define LIMIT 20 /* regions_per_tenant below */

static struct world world;
static sd_bus *me;
static sd_bus *asker; /* who is not root */

static bool get_by_name(sd_bus *b, uint32_t uid, const char *session, const char *name,
			struct reply *ret)
{
	sd_bus_message *m = new_manager_call(b, "GetRegionByName"), *reply = NULL;
	sd_bus_error e = SD_BUS_ERROR_NULL;
	const char *path = "";
	int r;

	check(sd_bus_message_append(m, "uss", uid, session, name) >= 0);
	r = sd_bus_call(b, m, 0, &e, &reply);
	take_reply(NULL, &e, r, ret);
	if (r >= 0) {
		check(sd_bus_message_read(reply, "o", &path) > 0);
		check(sd_bus_message_skip(reply, "a{sv}") > 0);
		snprintf(ret->path, sizeof(ret->path), "%s", path);
		ret->id = strtoull(strrchr(path, '/') + 1, NULL, 10);
	}
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	sd_bus_error_free(&e);
	return r >= 0;
}

static void find(sd_bus *b, uint32_t uid, const char *session, const char *name, uint64_t id)
{
	struct reply r;

	if (id) {
		check(get_by_name(b, uid, session, name, &r));
		check(r.id == id);
	} else {
		check(!get_by_name(b, uid, session, name, &r));
		expect_error(&r, "NoSuchRegion", name);
	}
}

static void refuse_option(sd_bus *b, const char *key, const char *type, const char *text,
			  uint32_t number, const char *mentions)
{
	int fd = make_memfd(PAGE);
	struct reply r;

	if (*type == 's')
		check(!register_region(b, fd, 0, 0, "r", &r, 1, key, type, text));
	else if (*type == 't')
		check(!register_region(b, fd, 0, 0, "r", &r, 1, key, type, (uint64_t)number));
	else
		check(!register_region(b, fd, 0, 0, "r", &r, 1, key, type, (int)number));
	expect_error(&r, "InvalidOption", mentions);
	close(fd);
}

static void test_bad_input(void)
{
	static const char long_name[] =
		"0123456789012345678901234567890123456789012345678901234567890123x";
	static const char *const names[] = { "",	 "a/b", "a b", "/",	 "a\nb",
					     "\xc3\xa9", "a:b", "a%",  long_name };
	struct reply r;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		refuse_option(me, "name", "s", names[i], 0, "is no region name");
		check(!get_by_name(me, getuid(), "default", names[i], &r));
		expect_error(&r, "InvalidOption", "is no region name");
		check(!get_by_name(me, getuid(), names[i], "good", &r));
		expect_error(&r, "InvalidOption", "is no session name");
	}
	refuse_option(me, "name", "u", NULL, 1, "must be a string");
	refuse_option(me, "uid", "t", NULL, USER, "must be a 32-bit number");
	refuse_option(me, "uid", "s", "root", 0, "must be a 32-bit number");
	refuse_option(me, "uid", "b", NULL, 1, "must be a 32-bit number");
	refuse_option(me, "uid", "u", NULL, UINT32_MAX, "nobody's");
	refuse_option(asker, "uid", "u", NULL, USER, "must be detached");
	find(me, getuid(), "default", "none", 0);
	find(me, UINT32_MAX, "default", "none", 0);
}

static void test_names(void)
{
	int fd = make_memfd(4 * PAGE);
	uint32_t uid = getuid();
	struct reply a, b, r;
	struct later l;
	uint64_t asked;
	sd_bus *other;

	check(register_region(me, fd, 0, PAGE, "r", &a, 1, "name", "s", "model.bin"));
	expect_property(me, a.id, "Name", "model.bin");
	check(register_region(me, fd, 0, PAGE, "r", &b, 3, "name", "s", "model.bin", "session", "s",
			      "other", "grace_usec", "t", UINT64_C(10000000)));
	find(me, uid, "default", "model.bin", a.id);
	find(me, uid, "other", "model.bin", b.id);
	find(me, uid, "default", "model", 0);
	find(me, uid + 1, "default", "model.bin", 0);
	check(!register_region(me, fd, 0, PAGE, "r", &r, 1, "name", "s", "model.bin"));
	expect_error(&r, "NameTaken", "region 1 ");
	check(register_region(me, fd, 0, PAGE, "r", &r, 0));
	expect_property(me, r.id, "Name", "");
	check(call_region(me, r.id, "Release", &r));
	/* also while its holder is asked; then it is free */
	listen_signals(me);
	other = connect_client(&world);
	send_later(other, new_region_call(other, b.id, "Release"), &l);
	asked = await_request(me, "release");
	check(!register_region(me, fd, 0, PAGE, "r", &r, 2, "name", "s", "model.bin", "session",
			       "s", "other"));
	expect_error(&r, "NameTaken", "until it is released");
	check(acknowledge(me, b.id, asked, &r));
	await_answer(other, &l);
	check_text(l.reply.error, "");
	disconnect(other);
	forget_signals(me);
	find(me, uid, "other", "model.bin", 0);
	check(register_region(me, fd, 0, PAGE, "r", &b, 2, "name", "s", "model.bin", "session", "s",
			      "other"));
	check(call_region(me, b.id, "Release", &r) && call_region(me, a.id, "Release", &r));
	find(me, uid, "default", "model.bin", 0);
	close(fd);
}

/* What the daemon was told a name for is found by it whoever serves. */
static void test_restart(void)
{
	static const char longest[] =
		"0123456789012345678901234567890123456789012345678901234567890123";
	int fd = make_memfd(4 * PAGE);
	struct reply a, b, r;

	check(register_region(me, fd, 0, PAGE, "r", &a, 2, "name", "s", longest, "detached", "b",
			      1));
	check(register_region(me, fd, 0, PAGE, "r", &b, 1, "detached", "b", 1));
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	find(me, getuid(), "default", longest, a.id);
	expect_property(me, a.id, "Name", longest);
	expect_property(me, b.id, "Name", "");
	check(!register_region(me, fd, 0, PAGE, "r", &r, 1, "name", "s", longest));
	expect_error(&r, "NameTaken", longest);
	check(call_region(me, a.id, "Release", &r) && call_region(me, b.id, "Release", &r));
	close(fd);
}

/* RegisterRegions, of one page of each of these descriptors. */
static sd_bus_message *new_many(sd_bus *b, const int *fds, size_t n, const char *const *names,
				bool atomic)
{
	sd_bus_message *m = new_manager_call(b, "RegisterRegions");

	check(sd_bus_message_open_container(m, 'a', "(httsa{sv})") >= 0);
	for (size_t i = 0; i < n; i++) {
		check(sd_bus_message_open_container(m, 'r', "httsa{sv}") >= 0);
		check(sd_bus_message_append(m, "htts", fds[i], UINT64_C(0), (uint64_t)PAGE, "r") >=
		      0);
		add_options(m, 2, "session", "s", "many", "name", "s", names[i]);
		check(sd_bus_message_close_container(m) >= 0);
	}
	check(sd_bus_message_close_container(m) >= 0);
	add_options(m, 1, "atomic", "b", (int)atomic);
	return m;
}

/* Calls, and reads what became of each: its number, or 0 and the error. */
static bool call_many(sd_bus *b, sd_bus_message *m, uint64_t *ret_ids, char (*ret_errors)[80],
		      size_t n, struct reply *ret)
{
	sd_bus_error e = SD_BUS_ERROR_NULL;
	sd_bus_message *reply = NULL;
	const char *path, *name, *text;
	int r = sd_bus_call(b, m, 0, &e, &reply);

	take_reply(NULL, &e, r, ret);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (i == 0)
			check(sd_bus_message_enter_container(reply, 'a', "(toa{sv}ss)") > 0);
		check(sd_bus_message_enter_container(reply, 'r', "toa{sv}ss") > 0);
		check(sd_bus_message_read(reply, "to", &ret_ids[i], &path) > 0 &&
		      sd_bus_message_skip(reply, "a{sv}") > 0 &&
		      sd_bus_message_read(reply, "ss", &name, &text) > 0);
		check(!ret_ids[i] == (strcmp(path, "/") == 0) && !ret_ids[i] == (*name != 0) &&
		      !*name == !*text);
		snprintf(ret_errors[i], 80, "%s", *name ? name + strlen(RDMAREG_ERROR_PREFIX) : "");
		check(sd_bus_message_exit_container(reply) >= 0);
	}
	if (r >= 0)
		check(sd_bus_message_at_end(reply, 0) > 0);
	sd_bus_message_unref(m);
	sd_bus_message_unref(reply);
	sd_bus_error_free(&e);
	return r >= 0;
}

#define MANY 16 /* that a bus passes without being told to pass more */

static void release_many(const uint64_t *ids, size_t n)
{
	struct reply r;

	for (size_t i = 0; i < n; i++)
		if (ids[i])
			check(call_region(me, ids[i], "Release", &r));
}

static void test_many(void)
{
	static const char *const names[] = { "a", "b", "c", "d", "e", "f", "g", "h",
					     "i", "j", "k", "l", "m", "n", "o", "p" };
	static const char *const twice[] = { "a", "b", "a" };
	int fds[MANY], pipe_fds[2], mixed[3];
	char errors[MANY][80];
	uint64_t ids[MANY];
	struct reply r;

	for (int i = 0; i < MANY; i++)
		fds[i] = make_memfd(PAGE);
	check(pipe2(pipe_fds, O_CLOEXEC) == 0);
	/* all, in the order that they were asked for; one of them twice */
	check(call_many(me, new_many(me, fds, MANY, names, true), ids, errors, MANY, &r));
	for (int i = 0; i < MANY; i++)
		find(me, getuid(), "many", names[i], ids[i]);
	release_many(ids, MANY);
	mixed[0] = mixed[2] = fds[0];
	mixed[1] = fds[0];
	check(call_many(me, new_many(me, mixed, 3, names, false), ids, errors, 3, &r));
	check(ids[0] && ids[1] && ids[2]);
	release_many(ids, 3);
	/* each for itself */
	mixed[1] = pipe_fds[0];
	check(call_many(me, new_many(me, mixed, 3, names, false), ids, errors, 3, &r));
	check(ids[0] && !ids[1] && ids[2]);
	check_text(errors[1], "InvalidFile");
	release_many(ids, 3);
	mixed[1] = fds[1];
	check(call_many(me, new_many(me, mixed, 3, twice, false), ids, errors, 3, &r));
	check(!ids[0] + !ids[2] == 1 && ids[1]); /* whichever is examined first has the name */
	check_text(errors[ids[0] ? 2 : 0], "NameTaken");
	release_many(ids, 3);
	/* or none */
	mixed[1] = pipe_fds[0];
	check(!call_many(me, new_many(me, mixed, 3, names, true), ids, errors, 3, &r));
	expect_error(&r, "InvalidFile", "because of number 2 of 3: the descriptor is a pipe");
	check(get_manager_number(me, "Regions") == 0);
	mixed[1] = fds[1];
	check(!call_many(me, new_many(me, mixed, 3, twice, true), ids, errors, 3, &r));
	expect_error(&r, "NameTaken", "nothing was registered");
	check(get_manager_number(me, "Regions") == 0);
	/* what is wrong with the words is wrong with all, and nothing is begun */
	check(!call_many(me,
			 new_many(me, mixed, 3, (const char *const[]){ "a", "b/c", "d" }, false),
			 ids, errors, 3, &r));
	expect_error(&r, "InvalidOption", "number 2: 'b/c' is no region name");
	check(!call_many(me, new_many(me, mixed, 0, names, false), ids, errors, 0, &r));
	expect_error(&r, "InvalidOption", "no region to be registered");
	check(get_manager_number(me, "Regions") == 0);
	/* who leaves in the middle leaves nothing */
	{
		sd_bus *b = connect_client(&world);
		sd_bus_message *m = new_many(b, fds, MANY, names, true);

		check(sd_bus_send(b, m, NULL) >= 0 && sd_bus_flush(b) >= 0);
		sd_bus_message_unref(m);
		disconnect(b);
		check(call_many(me, new_many(me, fds, 1, (const char *const[]){ "z" }, true), ids,
				errors, 1, &r));
		until(get_manager_number(me, "Regions") == 1);
		release_many(ids, 1);
	}
	for (int i = 0; i < MANY; i++)
		close(fds[i]);
	close(pipe_fds[0]), close(pipe_fds[1]);
}

/* polkit decides on those who are not root, and what they get is not theirs. */
static void test_authorized(void)
{
	uint32_t uid = getuid() ? getuid() + 1 : USER;
	int fd = make_memfd(PAGE);
	struct reply r;

	for (int authorized = 0; authorized < 2; authorized++) {
		sd_bus_message *m = new_manager_call(asker, "RegisterRegion");
		struct later l;

		check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), UINT64_C(0), "rw") >= 0);
		add_options(m, 4, "uid", "u", uid, "session", "s", "job", "name", "s", "n",
			    "detached", "b", 1);
		send_later(asker, m, &l);
		polkit_await(1);
		check_text(polkit.question[0].action, RDMAREG_ACTION_SESSIONS);
		polkit_answer(authorized, false);
		await_answer(asker, &l);
		if (!authorized) {
			expect_error(&l.reply, "AccessDenied", RDMAREG_ACTION_SESSIONS);
			continue;
		}
		check_text(l.reply.error, "");
		check(!region_exists(asker, l.reply.id));
		find(asker, uid, "job", "n", 0);
		check(get_manager_number(me, "Regions") == 1);
		if (getuid() == 0) {
			expect_property(me, l.reply.id, "Uid", "65534");
			expect_property(me, l.reply.id, "Clients", "0");
			check(call_region(me, l.reply.id, "Release", &r));
		} else {
			world_kill_keepers(&world, SIGKILL); /* nobody here may release it */
			until(get_manager_number(me, "Regions") == 0);
		}
	}
	close(fd);
}

/* Theirs: seen, changed and released by them; counted for them; ended by whom it was made for. */
static void look(const struct world *w, const void *arguments)
{
	const uint64_t *id = arguments;
	sd_bus *b = connect_client(w);
	struct reply r;
	int fd = make_memfd(PAGE);

	check(region_exists(b, *id));
	find(b, USER, "job", "model", *id);
	find(b, 0, "default", "roots", 0); /* which is there */
	check(!register_region(b, fd, 0, 0, "r", &r, 2, "session", "s", "job", "name", "s",
			       "model"));
	expect_error(&r, "NameTaken", "model");
	/* so many may be had, and another has registered one of them */
	for (int i = 1; i < LIMIT; i++)
		check(register_region(b, fd, 0, 0, "r", &r, 1, "session", "s", "job"));
	check(!register_region(b, fd, 0, 0, "r", &r, 1, "session", "s", "job"));
	expect_error(&r, "LimitExceeded", "regions_per_tenant");
	check(call_region_options(b, *id, "Configure", &r, 1, "policy", "s", "follow"));
	check(call_region(b, *id, "Release", &r));
	close(fd);
	disconnect(b);
}

static void test_root(void)
{
	int theirs = make_file(&world, PAGE, O_RDWR), own = make_file(&world, PAGE, O_RDWR),
	    reading = make_file(&world, PAGE, O_RDONLY);
	struct reply region, roots, r;

	check(fchown(theirs, USER, USER) == 0);
	check(register_region(me, reading, 0, 0, "r", &roots, 1, "name", "s", "roots"));
	check(!register_region(me, reading, 0, 0, "rw", &r, 1, "uid", "u", USER));
	expect_error(&r, "AccessDenied", "O_RDWR");
	/* what root may, that user gets no more than with a descriptor of his own */
	check(!register_region(me, own, 0, 0, "rw", &r, 2, "uid", "u", USER, "policy", "s",
			       "hold"));
	expect_error(&r, "AccessDenied", "cannot be had for uid 65534");
	check(!register_region(me, reading, 0, 0, "r", &r, 2, "uid", "u", USER, "arbitration", "s",
			       "pre-content"));
	expect_error(&r, "AccessDenied", "pre-content");
	check(!register_region(me, reading, 0, 0, "r", &r, 2, "uid", "u", USER, "grace_usec", "t",
			       UINT64_C(20000000)));
	expect_error(&r, "InvalidOption", "reader_grace_msec");
	check(register_region(me, theirs, 0, 0, "rw", &r, 2, "uid", "u", USER, "policy", "s",
			      "hold"));
	expect_property(me, r.id, "Policy", "hold");
	check(call_region(me, r.id, "Release", &r));
	/* detached and named: what a launcher does */
	check(register_region(me, own, 0, 0, "rw", &region, 4, "uid", "u", USER, "session", "s",
			      "job", "name", "s", "model", "detached", "b", 1));
	expect_property(me, region.id, "Uid", "65534");
	expect_property(me, region.id, "Session", "job");
	check(!region_exists(asker, region.id));
	find(asker, USER, "job", "model", 0);
	find(me, USER, "job", "model", region.id);
	run_as(&world, USER, look, &region.id);
	until(!region_exists(me, region.id));
	/* not detached: it ends with the connection that registered it */
	{
		sd_bus *launcher = connect_client(&world);

		check(register_region(launcher, own, 0, 0, "rw", &region, 1, "uid", "u", USER));
		expect_property(me, region.id, "Clients", "1");
		disconnect(launcher);
		until(!region_exists(me, region.id));
	}
	/* for oneself is no question */
	check(register_region(me, own, 0, 0, "rw", &r, 1, "uid", "u", 0));
	check(call_region(me, r.id, "Release", &r) && call_region(me, roots.id, "Release", &r));
	close(theirs), close(own), close(reading);
}

/*
 * A filesystem of theirs that does not answer delays what is registered for them, and nothing that
 * root or others register.
 */
static void test_silent(void)
{
	struct silent_fs fs;
	struct later l[4];
	struct reply r;
	int fd, good = make_memfd(PAGE);

	if (!silent_begin(&fs, &world, USER))
		return;
	fd = silent_open(&fs, O_RDWR);
	silent_mute(&fs, world.daemon, "statfs");
	for (int i = 0; i < 4; i++) {
		sd_bus_message *m = new_manager_call(me, "RegisterRegion");

		check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), UINT64_C(0), "rw") >= 0);
		add_options(m, 2, "uid", "u", USER, "arbitration", "s", "pre-content");
		send_later(me, m, &l[i]);
	}
	for (int i = 0; i < 4; i++) {
		await_answer(me, &l[i]);
		expect_error(&l[i].reply, "Failed", "has not answered");
	}
	check(!register_region(me, good, 0, 0, "rw", &r, 2, "uid", "u", USER, "arbitration", "s",
			       "pre-content"));
	expect_error(&r, "LimitExceeded", "uid 65534");
	/* what is at hand takes no thread */
	check(register_region(me, good, 0, 0, "rw", &r, 1, "uid", "u", USER));
	check(call_region(me, r.id, "Release", &r));
	check(register_region(me, good, 0, 0, "rw", &r, 0));
	check(call_region(me, r.id, "Release", &r));
	check(register_region(me, good, 0, 0, "rw", &r, 1, "uid", "u", OTHER));
	check(call_region(me, r.id, "Release", &r));
	close(fd), close(good);
	silent_end(&fs);
}

int main(void)
{
	world_begin(&world, "timeout_msec = 2000\n[limits]\nregions_per_tenant = 20\n");
	me = connect_client(&world);
	asker = getuid() ? me : connect_as(&world, OTHER);
	test_bad_input();
	check(world_keepers(&world) == 0); /* no refusal so far needed one */
	test_names();
	test_restart();
	test_many();
	polkit_start(&world);
	test_authorized();
	polkit_serve();
	if (getuid() == 0) {
		test_root();
		test_silent();
	}
	polkit_serve();
	check(polkit.questions == 0);
	polkit_stop();
	if (asker != me)
		disconnect(asker);
	disconnect(me);
	world_end(&world);
	return 0;
}
