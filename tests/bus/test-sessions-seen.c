// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-sessions-seen.c - what is said of sessions, and to whom: signals, lists, others' sessions,
 * and requests that make no sense.
 */
#include <unistd.h>

#include "harness-sessions.h"

#define STRANGER 2 /* somebody with an account */

static void await_session_signal(const char *member, const char *escaped)
{
	sd_bus_message *m = await_signal(user, member);
	char wanted[PATH_BYTES];
	const char *path;

	session_path(escaped, wanted);
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
	check(create_session("told", &r));
	await_session_signal("SessionAdded", "told");
	check(call_session(admin, "told", "Drain", &r));
	m = await_signal(user, "PropertiesChanged");
	check(sd_bus_message_read(m, "s", &text) > 0);
	check_text(text, RDMAREG_SESSION_INTERFACE);
	sd_bus_message_unref(m);
	release_session("told", &ends);
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
		check(create_session(names[i], &r));
	check(call_session(admin, "b", "Drain", &r));
	check(list(user, NULL, NULL, 2, text, sizeof(text), last) == 2);
	check_text(text, "a b ");
	release_session("b",
			&ends); /* the last of a page may go before the next page is asked for */
	check(list(user, last, NULL, 2, text, sizeof(text), last) == 1);
	check_text(text, "c.1 ");
	check(call_session(admin, "a", "Drain", &r));
	check(list(admin, NULL, "draining", 9, text, sizeof(text), last) == 1);
	check_text(text, "a ");
	release_session("a", &ends);
	release_session("c_2e1", &ends);
}

/* Others neither see it nor hear of it. Takes root. */
static void test_strangers(void)
{
	char text[200], last[PATH_BYTES], path[PATH_BYTES];
	sd_bus *other = connect_as(&sessions_world, STRANGER);
	sd_bus_error e = SD_BUS_ERROR_NULL;
	struct ends ends;
	struct reply r;
	sd_bus_message *m;
	char *state = NULL;

	subscribe(other);
	check(create_session("private", &r));
	check(!session_exists(other, "private", &r));
	expect_error(&r, "NoSuchSession", "'private'");
	session_path("private", path);
	check(sd_bus_get_property_string(other, RDMAREG_BUS_NAME, path, RDMAREG_SESSION_INTERFACE,
					 "State", &e, &state) < 0);
	check_text(e.name, RDMAREG_ERROR_NO_SUCH_SESSION);
	sd_bus_error_free(&e);
	check(list(other, NULL, NULL, 9, text, sizeof(text), last) == 0);
	/* not even its user may end it, and nobody learns whether there is one */
	for (int i = 0; i < 3; i++) {
		sd_bus *b = i ? other : user;

		check(!finish_call(b, new_session_release(b, i == 2 ? "nothing" : "private", 0, 0),
				   &r));
		expect_error(&r, "AccessDenied", RDMAREG_ACTION_SESSIONS);
	}
	check(!call_session(user, "private", "Drain", &r));
	expect_error(&r, "AccessDenied", RDMAREG_ACTION_SESSIONS);
	m = new_session_call(user, "private", "SetLimits");
	add_options(m, 0);
	check(!finish_call(user, m, &r));
	expect_error(&r, "AccessDenied", RDMAREG_ACTION_SESSIONS);
	m = new_session(user, uid, "mine");
	add_options(m, 0);
	check(!finish_call(user, m, &r));
	expect_error(&r, "AccessDenied", RDMAREG_ACTION_SESSIONS);
	expect_session_state(user, "private", "active");
	release_session("private", &ends);
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
	static const char *const devices[] = { "", "a/b", "mlx5 0", "\xc3\xa4",
					       ("1234567890123456789012345678901234567890123456789"
						"012345678901234") };
	static const char *const paths[] = { "/1000",	    "/x_a",	  "/1000_",
					     "/1000_a_",    "/1000_a_zz", "/1000_1",
					     "/1000_a_2D7", "/01000_a",	  "/4294967295_a",
					     "/1000_a_00",  "/1000_a_20b" };
	struct reply r;
	sd_bus_message *m;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		check(!create_session(names[i], &r));
		expect_error(&r, "InvalidOption", "A-Z a-z 0-9 _ . -");
		check(!session_exists(admin, names[i], &r));
		expect_error(&r, "InvalidOption", "A-Z a-z 0-9 _ . -");
	}
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		check(!create_session_limited("x", limits[i].key, limits[i].type, limits[i].value,
					      &r));
		expect_error(&r, "InvalidOption", limits[i].mentions);
	}
	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++) {
		m = new_session(admin, uid, "x");
		add_options(m, 1, "Device", "s", devices[i]);
		check(!finish_call(admin, m, &r));
		expect_error(&r, "InvalidOption", "Device must be the name of an RDMA device");
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		char path[PATH_BYTES];

		snprintf(path, sizeof(path), RDMAREG_SESSION_PREFIX "%s", paths[i]);
		m = new_call(admin, path, RDMAREG_SESSION_INTERFACE, "Drain");
		check(!finish_call(admin, m, &r));
		expect_error(&r, "NoSuchSession", "is no session's path");
	}
	m = new_session(admin, 3999999999, "x"); /* nobody has this id */
	add_options(m, 0);
	check(!finish_call(admin, m, &r));
	expect_error(&r, "InvalidOption", "3999999999 has no account");
	m = new_session(admin, UINT32_MAX, "x");
	add_options(m, 0);
	check(!finish_call(admin, m, &r));
	expect_error(&r, "InvalidOption", "is no user id");
	m = new_session_release(admin, "x", UINT64_MAX, UINT64_MAX);
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
	check(create_session(name, &r));
	expect_session_state(user, escaped, "active");
	check(call_session(admin, escaped, "Drain", &r));
	release_session(escaped, &ends);
	check(!session_exists(admin, name, &r));
}

int main(void)
{
	sessions_begin();
	test_signals();
	test_list();
	if (geteuid() == 0)
		test_strangers();
	test_input();
	test_longest();
	sessions_end();
	return 0;
}
