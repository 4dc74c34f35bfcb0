// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-slices.c - the slices of sessions, and a keeper's unit, against a systemd that is played:
 * each thing it is asked is kept until the test answers it, in whatever order things may happen.
 */
#include <errno.h>
#include <inttypes.h>

#include "harness.h"
#include "proxy/slice.h"
#include "proxy/spawn.h"

#define MANAGER "org.freedesktop.systemd1.Manager"
#define OBJECT "/org/freedesktop/systemd1"
#define NAME "rdmareg-1000-job.slice"
#define DESCRIPTION "Memory registered for RDMA, of one session"
#define JOB OBJECT "/job/7"
#define MIB (UINT64_C(1) << 20)

static struct world world;
static sd_bus *systemd, *stranger, *ours;
static sd_bus_message *asked; /* the oldest that is not answered; NULL: none */
static struct slices *slices;

/* What whoever wanted a slice heard last. */
static struct {
	int calls;
	int error;
	char why[100];
} heard;

static int on_call(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)userdata, (void)error;
	if (!sd_bus_message_is_method_call(m, MANAGER, NULL))
		return 0;
	check(!asked);
	asked = sd_bus_message_ref(m);
	return 1;
}

static void on_done(void *userdata, int error, const char *why)
{
	(void)userdata;
	heard.calls++;
	heard.error = error;
	snprintf(heard.why, sizeof(heard.why), "%s", why ? why : "");
}

static void turn(void)
{
	while (sd_bus_process(systemd, NULL) > 0 || sd_bus_process(ours, NULL) > 0)
		;
}

/* What was sent before this has arrived, and what follows from it was sent. */
static void settle(void)
{
	sd_bus *each[] = { ours, systemd, stranger, ours };

	for (size_t i = 0; i < 4; i++) {
		check(sd_bus_flush(each[i]) >= 0);
		check(sd_bus_call_method(each[i], "org.freedesktop.DBus", "/org/freedesktop/DBus",
					 "org.freedesktop.DBus", "GetId", NULL, NULL, NULL) >= 0);
		turn();
	}
}

static bool is_asked(const char *member)
{
	turn();
	return asked && !strcmp(sd_bus_message_get_member(asked), member);
}

static void answered(void)
{
	check(sd_bus_flush(systemd) >= 0);
	asked = sd_bus_message_unref(asked);
}

static void expect_asked(const char *member)
{
	const char *name;

	until(is_asked(member));
	check(sd_bus_message_read(asked, "s", &name) > 0);
	check_text(name, NAME);
}

/* The rest of StartTransientUnit or SetUnitProperties: the limit is among it. */
static void expect_limit(uint64_t bytes)
{
	const char *property;
	uint64_t value = 0;

	check(sd_bus_message_skip(asked, is_asked("StartTransientUnit") ? "s" : "b") > 0);
	check(sd_bus_message_enter_container(asked, 'a', "(sv)") > 0);
	while (sd_bus_message_enter_container(asked, 'r', "sv") > 0) {
		check(sd_bus_message_read(asked, "s", &property) > 0);
		if (!strcmp(property, "MemoryMax"))
			check(sd_bus_message_read(asked, "v", "t", &value) > 0);
		else
			check(sd_bus_message_skip(asked, "v") > 0);
		check(sd_bus_message_exit_container(asked) >= 0);
	}
	check(value == bytes);
}

static void reply_job(void)
{
	check(sd_bus_reply_method_return(asked, "o", JOB) >= 0);
	answered();
}

static void reply_error(const char *name)
{
	check(sd_bus_reply_method_errorf(asked, name, "for a reason") >= 0);
	answered();
}

static void end_job(sd_bus *by, const char *job)
{
	const char *to;
	sd_bus_message *m = NULL;

	check(sd_bus_get_unique_name(ours, &to) >= 0);
	check(sd_bus_message_new_signal(by, &m, OBJECT, MANAGER, "JobRemoved") >= 0);
	check(sd_bus_message_set_destination(m, to) >= 0);
	check(sd_bus_message_append(m, "uoss", 7u, job, NAME, "done") >= 0);
	check(sd_bus_send(by, m, NULL) >= 0 && sd_bus_flush(by) >= 0);
	sd_bus_message_unref(m);
}

static bool has_heard(int calls)
{
	turn();
	return heard.calls == calls;
}

static void want(uint64_t memory)
{
	check(slices_want(slices, NAME, memory, on_done, NULL) == 0);
}

static void expect_heard(int calls, int error, const char *why)
{
	until(has_heard(calls));
	check(heard.error == error && strstr(heard.why, why));
	heard.calls = 0;
}

static bool is_used(void *userdata, const char *name)
{
	check_text(name, NAME);
	return *(const bool *)userdata;
}

static void sweep(bool used)
{
	slices_sweep(slices, is_used, &used);
}

static void begin(void)
{
	want(64 * MIB);
	expect_asked("StartTransientUnit");
	expect_limit(64 * MIB);
	reply_job();
	expect_heard(1, 0, "");
}

/* Stops what begin() made. */
static void end(void)
{
	slices_unwant(slices, NAME);
	sweep(false);
	expect_asked("StopUnit");
	reply_job();
	settle();
	end_job(systemd, JOB);
	settle();
	sweep(false);
	settle();
	check(!asked);
}

static void test_life(void)
{
	begin();
	sweep(false); /* it is wanted */
	settle();
	check(!asked);
	slices_unwant(slices, NAME);
	sweep(true); /* somebody is in it */
	settle();
	check(!asked);
	end();
}

/* systemd has it already: its limit is set. */
static void test_exists(void)
{
	begin();
	want(0);
	expect_asked("StartTransientUnit");
	reply_error("org.freedesktop.systemd1.UnitExists");
	expect_asked("SetUnitProperties");
	expect_limit(UINT64_MAX);
	check(sd_bus_reply_method_return(asked, NULL) >= 0);
	answered();
	expect_heard(1, 0, "");
	end();
}

/* Another limit is wanted before systemd has answered: both hear when the last is in force. */
static void test_changed(void)
{
	want(64 * MIB);
	expect_asked("StartTransientUnit");
	want(128 * MIB);
	reply_job();
	expect_asked("SetUnitProperties");
	expect_limit(128 * MIB);
	check(!heard.calls);
	check(sd_bus_reply_method_return(asked, NULL) >= 0);
	answered();
	expect_heard(2, 0, "");
	end();
}

static void test_refused(void)
{
	want(64 * MIB);
	expect_asked("StartTransientUnit");
	reply_error("org.freedesktop.DBus.Error.InvalidArgs");
	expect_heard(1, -EIO, "for a reason");
	want(64 * MIB); /* maybe not this time */
	expect_asked("StartTransientUnit");
	reply_error("org.freedesktop.systemd1.UnitExists");
	expect_asked("SetUnitProperties");
	reply_error("org.freedesktop.DBus.Error.AccessDenied");
	expect_heard(1, -EIO, "for a reason");
	slices_unwant(slices, NAME);
	sweep(false);
	expect_asked("StopUnit"); /* there is none: no job will end */
	reply_error("org.freedesktop.systemd1.NoSuchUnit");
	settle();
}

/* Wanted again while it stops: it is made anew when it has stopped, however that is told. */
static void test_again(void)
{
	for (int is_there = 0; is_there < 2; is_there++) {
		begin();
		slices_unwant(slices, NAME);
		sweep(false);
		expect_asked("StopUnit");
		want(64 * MIB);
		if (is_there) {
			reply_job();
			settle();
			/* neither another job nor anybody but systemd ends it */
			end_job(systemd, OBJECT "/job/6");
			end_job(stranger, JOB);
			settle();
			check(!asked && !heard.calls);
			end_job(systemd, JOB);
		} else {
			reply_error("org.freedesktop.systemd1.NoSuchUnit");
		}
		expect_asked("StartTransientUnit");
		expect_limit(64 * MIB);
		reply_job();
		expect_heard(1, 0, "");
		end();
	}
}

/* How many properties of a keeper's unit are those that its safety rests on. */
static int check_property(const char *name)
{
	static const char *const on[] = { "NoNewPrivileges", "LockPersonality",
					  "MemoryDenyWriteExecute", "RestrictSUIDSGID" };
	uint64_t number;
	const char *text;
	int value;

	for (size_t i = 0; i < sizeof(on) / sizeof(*on); i++)
		if (!strcmp(name, on[i])) {
			check(sd_bus_message_read(asked, "v", "b", &value) > 0 && value);
			return 1;
		}
	if (!strcmp(name, "CapabilityBoundingSet")) {
		check(sd_bus_message_read(asked, "v", "t", &number) > 0 && !number);
		return 1;
	}
	if (!strcmp(name, "ProtectSystem")) {
		check(sd_bus_message_read(asked, "v", "s", &text) > 0);
		check_text(text, "strict");
		return 1;
	}
	if (!strcmp(name, "SystemCallFilter")) {
		check(sd_bus_message_enter_container(asked, 'v', "(bas)") > 0);
		check(sd_bus_message_enter_container(asked, 'r', "bas") > 0);
		check(sd_bus_message_read(asked, "b", &value) > 0 && value);
		check(sd_bus_message_read(asked, "as", 2, &text, &text) > 0);
		check_text(text, "cachestat");
		check(sd_bus_message_exit_container(asked) >= 0);
		check(sd_bus_message_exit_container(asked) >= 0);
		return 1;
	}
	/* where libseccomp does not know a call's name the filter does not have it */
	if (!strcmp(name, "SystemCallErrorNumber")) {
		check(sd_bus_message_read(asked, "v", "i", &value) > 0 && value == EPERM);
		return 1;
	}
	check(sd_bus_message_skip(asked, "v") > 0);
	return 0;
}

static void on_unit_failed(void *userdata, const struct failure *why, bool again)
{
	(void)userdata, (void)why, (void)again;
	check(false);
}

static void on_unit_started(void *userdata, const struct record_keeper *about)
{
	(void)userdata, (void)about;
	check(false);
}

static void test_keeper(void)
{
	static const struct session_limits limits = { .regions = 1, .peers = 1 };
	static const struct settings settings;
	const struct spawn_request q = { .settings = &settings,
					 .program = "/usr/libexec/rdmareg-keeper",
					 .uid = 1000,
					 .session = "job",
					 .limits = &limits,
					 .slice = NAME,
					 .instance = 3,
					 .socket = STDIN_FILENO };
	struct spawn_unit *unit;
	const char *property;
	int n = 0;

	check(spawn_unit(&unit, ours, &q, on_unit_failed, on_unit_started, NULL) == 0);
	until(is_asked("StartTransientUnit"));
	check(sd_bus_message_read(asked, "ss", &property, NULL) > 0);
	check_text(property, "rdmareg-keeper-1000-job-3.service");
	check(sd_bus_message_enter_container(asked, 'a', "(sv)") > 0);
	while (sd_bus_message_enter_container(asked, 'r', "sv") > 0) {
		check(sd_bus_message_read(asked, "s", &property) > 0);
		n += check_property(property);
		check(sd_bus_message_exit_container(asked) >= 0);
	}
	check(n == 8);
	spawn_unit_free(unit);
	reply_job();
}

static int found;

static void on_found(void *userdata)
{
	(void)userdata;
	found++;
}

static bool has_found(void)
{
	turn();
	return found;
}

/* Of those that have such a name, only what an earlier daemon made is stopped. */
static void test_left_behind(void)
{
	static const char unit[] = "(ssssssouso)";
	sd_bus_message *reply = NULL;

	check(slices_look(slices, "rdmareg-%u.slice", on_found, NULL) >= 0);
	until(is_asked("ListUnitsByPatterns"));
	check(sd_bus_message_new_method_return(asked, &reply) >= 0);
	check(sd_bus_message_open_container(reply, 'a', unit) >= 0);
	check(sd_bus_message_append(reply, unit, "rdmareg-1000-admins.slice", "other", "", "", "",
				    "", "/", 0u, "", "/") >= 0);
	check(sd_bus_message_append(reply, unit, NAME, DESCRIPTION, "", "", "", "", "/", 0u, "",
				    "/") >= 0);
	check(sd_bus_message_close_container(reply) >= 0);
	check(sd_bus_send(systemd, reply, NULL) >= 0);
	sd_bus_message_unref(reply);
	answered();
	until(has_found());
	end();
}

static void test_names(void)
{
	static const struct {
		const char *pattern;
		const char *session;
		const char *name;
	} names[] = {
		{ "rdmareg-%u.slice", "job7", "rdmareg-1000-job7.slice" },
		{ "rdmareg-%u.slice", "a-b", "rdmareg-1000-a\\x2db.slice" },
		{ "rdmareg-%u.slice", "-", "rdmareg-1000-\\x2d.slice" },
		{ "rdmareg-%u.slice", "a.b_c", "rdmareg-1000-a.b_c.slice" },
		{ "rdmareg-%u-x.slice", "a", "rdmareg-1000-x-a.slice" },
		{ "memory.slice", "a", "memory-1000-a.slice" },
	};
	char name[SLICE_NAME_BYTES], pattern[128];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		slice_name(names[i].pattern, 1000, names[i].session, name);
		check_text(name, names[i].name);
	}
	/* too long: within its bounds, and none that systemd takes */
	memset(pattern, 'a', sizeof(pattern));
	strcpy(pattern + 110, "%u.slice");
	slice_name(pattern, 4000000000, "------------------------------------------------", name);
	check(strlen(name) == SLICE_NAME_BYTES - 1 && !strstr(name, ".slice"));
	slice_of_user("rdmareg-%u.slice", 1000, name);
	check_text(name, "rdmareg-1000.slice");
	slice_of_user("memory.slice", 1000, name);
	check_text(name, "memory.slice");
	check(slice_memory("rdmareg-1000-nobody.has.this.slice") == 0);
	check(slice_memory("no slice") == 0);
}

int main(void)
{
	static const char policy[] =
		"<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>"
		"<allow send_type=\"method_call\"/><allow send_type=\"signal\"/>"
		"<allow send_requested_reply=\"true\"/><allow receive_type=\"method_call\"/>"
		"<allow receive_type=\"method_return\"/><allow receive_type=\"error\"/>"
		"<allow receive_type=\"signal\"/></policy>";

	test_names();
	world_begin_bus(&world, policy);
	systemd = connect_client(&world);
	stranger = connect_client(&world);
	ours = connect_client(&world);
	check(sd_bus_add_filter(systemd, NULL, on_call, NULL) >= 0);
	check(sd_bus_request_name(systemd, "org.freedesktop.systemd1", 0) >= 0);
	check(slices_new(&slices, ours) >= 0);
	settle();
	test_life();
	test_exists();
	test_changed();
	test_refused();
	test_again();
	test_left_behind();
	test_keeper();
	want(64 * MIB); /* the daemon ends */
	expect_asked("StartTransientUnit");
	slices = slices_free(slices);
	expect_heard(1, -ESHUTDOWN, "");
	check(slices_new(&slices, NULL) >= 0); /* no systemd: nothing is asked of it */
	want(64 * MIB);
	check(heard.calls == 1 && !heard.error);
	slices_free(slices);
	sd_bus_message_unref(asked);
	disconnect(ours);
	disconnect(stranger);
	disconnect(systemd);
	world_end_bus(&world);
	return 0;
}
