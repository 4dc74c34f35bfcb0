// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-sessions-kept.c - sessions are there after a restart of the daemon: what it wrote of them, and
 * what somebody else wrote in its place.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness-sessions.h"

static void restart(int signal)
{
	world_end_daemon(&sessions_world, signal);
	world_start_daemon(&sessions_world);
}

static void write_record(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/run/sessions/%s", sessions_world.directory, name);
	f = fopen(path, "we");
	check(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void make_fifo(const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/run/sessions/%s", sessions_world.directory, name);
	check(mkfifo(path, 0600) == 0);
}

static bool has_record(const char *format, const char *name)
{
	char path[200], file[100];

	snprintf(file, sizeof(file), format, name);
	snprintf(path, sizeof(path), "%s/run/sessions/%s", sessions_world.directory, file);
	return access(path, F_OK) == 0;
}

static void test_restart(int signal)
{
	struct reply r, region;
	struct releasing l;
	struct ends ends;
	uint64_t created;

	check(create_session_limited("kept", "MaxRegions", "u", 5, &r));
	check(create_session_on("rail", "fake0", &r) && add_session_region("rail", true, &r));
	check(create_session("drains", &r) && call_session(admin, "drains", "Drain", &r));
	check(create_session("ending", &r));
	check(add_session_region("kept", true, &region));
	check(add_session_region_for("ending", true, SHORT, &r));
	created = session_number(user, "kept", "CreatedUSec", 't');
	forget_signals(user);
	send_session_release(admin, "ending", UINT64_MAX, UINT64_MAX, &l);
	await_request(user, "release");
	restart(signal);
	until(is_session_released(admin, &l));
	check(l.failed);
	until(!session_exists(admin, "ending", &r)); /* the next one goes on with it */
	check(create_session_limited("kept", "MaxRegions", "u", 5, &r));
	check(session_number(user, "kept", "CreatedUSec", 't') == created &&
	      session_number(user, "kept", "Regions", 'u') == 1);
	expect_session_state(user, "drains", "draining");
	expect_session_device(user, "rail", "fake0");
	check(create_session_on("rail", "fake0", &r));
	release_session("rail", &ends);
	check(ends.n == 1);
	release_session("drains", &ends);
	release_session("kept", &ends);
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
		{ "1-device", "rdmareg-session\nuid 1\ndevice a/b\nname device\nend\n" },
		{ "1-nameless", "rdmareg-session\nuid 1\nend\n" },
		{ "noise", "\x7f"
			   "ELF" },
		{ "1-a b", "rdmareg-session\nuid 1\nname a b\nend\n" },
	};
	struct ends ends;
	struct reply r;
	char text[400], name[100];

	check(create_session("sound", &r));
	world_end_daemon(&sessions_world, SIGKILL);
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
	world_start_daemon(&sessions_world);
	check(has_record("damaged-%s", "1-fifo") && has_record("damaged-%s", "1-x\n<0>forged"));
	until(world_log_contains(&sessions_world, "<0>forged"));
	check(!world_log_contains(&sessions_world, "\n<0>forged"));
	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		check(has_record("damaged-%s", damaged[i].name) &&
		      !has_record("%s", damaged[i].name));
		until(world_log_contains(&sessions_world, damaged[i].name));
	}
	check(session_exists(user, "sound", &r) && session_exists(user, "newer", &r));
	check(session_number(user, "newer", "MaxRegions", 'u') == 7);
	check(create_session("besides", &r)); /* whatever is called .new */
	release_session("besides", &ends);
	release_session("sound", &ends);
	release_session("newer", &ends);
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

	check(create_session("before", &r));
	snprintf(path, sizeof(path), "%s/run/sessions", sessions_world.directory);
	d = opendir(path);
	check(d);
	while ((e = readdir(d))) {
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		unlink(file);
	}
	closedir(d);
	check(rmdir(path) == 0);
	check(!create_session("after", &r));
	expect_error(&r, "Failed", "cannot be recorded");
	check(!session_exists(admin, "after", &r));
	check(!call_session(admin, "before", "Drain", &r));
	expect_error(&r, "Failed", "cannot be recorded");
	expect_session_state(user, "before", "active");
	release_session("before", &ends);
	check(!session_exists(admin, "before", &r));
	restart(SIGTERM);
	check(create_session("after", &r));
	release_session("after", &ends);
}

static void test_most(void)
{
	struct ends ends;
	struct reply r;

	world_write_settings(&sessions_world, "[limits]\nsessions_max = 1\ntenants_per_uid = 1\n");
	restart(SIGTERM);
	check(create_session("only", &r));
	check(!create_session("another", &r));
	expect_error(&r, "LimitExceeded", "sessions_max");
	check(add_session_region("only", false, &r));
	check(add_session_region("plain", false, &r)); /* the created one does not count */
	check(call_region_number(user, r.id, "ReleaseWithin", 0, &r));
	release_session("only", &ends);
	check(create_session("another", &r));
	release_session("another", &ends);
}

int main(void)
{
	sessions_begin();
	test_restart(SIGKILL);
	test_restart(SIGTERM);
	test_damaged();
	test_unrecorded();
	test_most();
	sessions_end();
	return 0;
}
