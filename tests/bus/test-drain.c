// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-drain.c - a machine that takes nothing new: what is refused and what goes on, for root and
 * others; who may; what a reason may be; and that a daemon that is started again knows of it, also
 * from a damaged record.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fakes/polkit.h"
#include "harness.h"

#define NOBODY 65534
#define PAGE 4096u

static struct world world;

static sd_bus_message *new_drain(sd_bus *b, const char *reason)
{
	sd_bus_message *m = new_manager_call(b, "Drain");

	check(sd_bus_message_append(m, "s", reason) >= 0);
	return m;
}

static void drain(sd_bus *b, const char *reason)
{
	struct reply r;

	check(finish_call(b, new_drain(b, reason), &r));
}

static void undrain(sd_bus *b)
{
	struct reply r;

	check(finish_call(b, new_manager_call(b, "Undrain"), &r));
}

/* As every user sees it. */
static void expect_drained(sd_bus *b, bool wanted, const char *reason)
{
	char *text = NULL;
	int draining = -1;

	check(sd_bus_get_property_trivial(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
					  RDMAREG_MANAGER_INTERFACE, "Draining", NULL, 'b',
					  &draining) >= 0);
	check(sd_bus_get_property_string(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
					 RDMAREG_MANAGER_INTERFACE, "DrainReason", NULL,
					 &text) >= 0);
	check(draining == wanted);
	check_text(text, reason);
	free(text);
}

static sd_bus_message *new_session(sd_bus *b, const char *name)
{
	sd_bus_message *m = new_manager_call(b, "CreateSession");

	check(sd_bus_message_append(m, "us", (uint32_t)geteuid(), name) >= 0);
	add_options(m, 0);
	return m;
}

/* Whatever would be new is refused, in words, and leaves nothing behind. */
static void refused(sd_bus *b, bool is_root, const char *why)
{
	struct reply r;
	int fd = make_memfd(PAGE);
	sd_bus_message *m;

	check(!register_region(b, fd, 0, 0, "rw", &r, 0));
	close(fd);
	expect_error(&r, "Busy", why);
	expect_error(&r, "Busy", "rdmaregctl undrain");
	if (!is_root)
		return; /* for a device polkit is asked first */
	m = new_manager_call(b, "CreateDaxDevice");
	check(sd_bus_message_append(m, "ut", UINT32_MAX, (uint64_t)PAGE) >= 0);
	add_options(m, 0);
	check(!finish_call(b, m, &r));
	expect_error(&r, "Busy", why);
}

static void expect_refused(sd_bus *b, const char *why)
{
	refused(b, geteuid() == 0, why);
}

/* What exists goes on; of what would be new nothing is there. */
static void test_what_goes_on(void)
{
	sd_bus *b = connect_client(&world), *other = connect_client(&world);
	struct reply region, r;
	struct later l;
	int fd = make_memfd(PAGE);

	check(register_region(b, fd, 0, 0, "rw", &region, 1, "detached", "b", 1));
	check(finish_call(b, new_session(b, "there"), &r));
	expect_drained(b, false, "");
	drain(b, "kernel upgrade");
	expect_drained(b, true, "kernel upgrade");
	expect_refused(b, "(kernel upgrade)");
	check(!finish_call(b, new_session(b, "new"), &r));
	expect_error(&r, "Busy", "kernel upgrade");
	check(finish_call(b, new_session(b, "there"), &r)); /* it is, so nothing is new */
	check(count_regions(b) == 1);
	check(export_region(b, region.id, &r, 0));
	check(call_region(other, region.id, "Join", &r));
	check(call_region_options(b, region.id, "Configure", &r, 1, "policy", "s", "follow"));
	send_later(b, new_region_call(b, region.id, "Prefetch"), &l);
	await_answer(b, &l); /* its arguments are missing, which is all that is wrong with it */
	check(!strstr(l.reply.text, "drained"));
	check(finish_call(b, new_manager_call(b, "Reload"), &r));
	drain(b, "");
	expect_drained(b, true, "");
	expect_refused(b, "(no reason was given)");
	undrain(b);
	undrain(b);
	expect_drained(b, false, "");
	check(call_region(b, region.id, "Release", &r));
	check(register_region(b, fd, 0, 0, "rw", &region, 0));
	check(call_region(b, region.id, "Release", &r));
	check(finish_call(b, new_session(b, "there"), &r));
	close(fd);
	disconnect(other);
	disconnect(b);
}

/* The text is shown to all users, in terminals and in the journal. */
static void test_reasons(void)
{
	char longest[300];
	sd_bus *b = connect_client(&world);
	struct reply r;
	sd_bus_message *m;

	memset(longest, 'x', sizeof(longest));
	longest[256] = 0;
	drain(b, longest);
	expect_drained(b, true, longest);
	expect_refused(b, longest);
	memset(longest, 'y', 257);
	longest[257] = 0;
	check(!finish_call(b, new_drain(b, longest), &r));
	expect_error(&r, "InvalidOption", "257 bytes, and at most 256");
	drain(b, "a\nend\n\x1b[2Jb\x7f\xc2\x9b d\xc3\xa9j\xc3\xa0");
	expect_drained(b, true, "a?end??[2Jb??? d\xc3\xa9j\xc3\xa0");
	check(!world_log_contains(&world, "\x1b"));
	/* neither is a number a text, nor is one enough */
	m = new_manager_call(b, "Drain");
	check(!finish_call(b, m, &r) && sd_bus_message_new_signal(b, &m, "/", "a.b", "c") >= 0);
	sd_bus_message_unref(m);
	m = new_manager_call(b, "Drain");
	check(sd_bus_message_append(m, "u", 7u) >= 0 && !finish_call(b, m, &r));
	undrain(b);
	disconnect(b);
}

static void record_path(char out[static 128])
{
	snprintf(out, 128, "%s/run/drained", world.directory);
}

static void restart(void)
{
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
}

/* It is the record that counts, whatever it says. */
static void test_restart(void)
{
	static const char *const damaged[] = { "",
					       "rdmareg-drain 0 1\n",
					       "rdmareg-drain 0\nx\nend\n",
					       "rdmareg-drain 0 1\nx\nend",
					       "rdmareg-drain 0 1\nx\nend\nend\n",
					       "rdmareg-drain 0 1 2\nx\nend\n",
					       "something else\nx\nend\n" };
	char path[128], text[64];
	sd_bus *b = connect_client(&world);
	struct reply region, r;
	int fd = make_memfd(PAGE), file;

	record_path(path);
	check(register_region(b, fd, 0, 0, "rw", &region, 1, "detached", "b", 1));
	drain(b, "new firmware; \xc3\xa9");
	restart();
	expect_drained(b, true, "new firmware; \xc3\xa9");
	expect_refused(b, "new firmware");
	check(region_exists(b, region.id));
	for (size_t i = 0; i < sizeof(damaged) / sizeof(*damaged); i++) {
		file = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		check(file >= 0);
		check(write(file, damaged[i], strlen(damaged[i])) == (ssize_t)strlen(damaged[i]));
		close(file);
		restart();
		snprintf(text, sizeof(text), "the record of why is damaged");
		expect_drained(b, true, text);
		expect_refused(b, text);
	}
	undrain(b);
	check(access(path, F_OK) < 0);
	restart();
	expect_drained(b, false, "");
	/* where it cannot be recorded it is not done */
	check(mkdir(path, 0700) == 0);
	check(!finish_call(b, new_drain(b, "x"), &r));
	expect_error(&r, "Failed", "not drained");
	expect_drained(b, false, "");
	check(rmdir(path) == 0);
	check(call_region(b, region.id, "Release", &r));
	close(fd);
	disconnect(b);
}

/* Root, and whom polkit knows; everybody hears of it. */
static void test_authorization(void)
{
	struct later l;
	sd_bus *root, *b;

	if (getuid() != 0)
		return; /* the daemon's own user may */
	root = connect_client(&world);
	b = connect_as(&world, NOBODY);
	polkit_start(&world);
	for (int authorized = 0; authorized < 2; authorized++) {
		send_later(b, new_drain(b, "nobody's"), &l);
		polkit_await(1);
		check_text(polkit.question[0].action, RDMAREG_ACTION_DRAIN);
		polkit_answer(authorized, false);
		await_answer(b, &l);
		check_text(l.reply.error, authorized ? "" : "AccessDenied");
		expect_drained(b, authorized, authorized ? "nobody's" : "");
	}
	refused(b, false, "drained by uid 65534 (nobody's)");
	expect_refused(root, "drained by uid 65534 (nobody's)");
	for (int authorized = 0; authorized < 2; authorized++) {
		send_later(b, new_manager_call(b, "Undrain"), &l);
		polkit_await(1);
		check_text(polkit.question[0].action, RDMAREG_ACTION_DRAIN);
		polkit_answer(authorized, false);
		await_answer(b, &l);
		expect_drained(root, !authorized, authorized ? "" : "nobody's");
	}
	polkit_stop();
	disconnect(b);
	disconnect(root);
}

int main(void)
{
	world_begin(&world, "");
	test_what_goes_on();
	test_reasons();
	test_restart();
	test_authorization();
	world_end(&world);
	return 0;
}
