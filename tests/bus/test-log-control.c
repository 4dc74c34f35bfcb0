// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-log-control.c - org.freedesktop.LogControl1: who may read it, who may set it, what is
 * refused, and that lines follow, the keepers' too.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "harness.h"

#define PATH "/org/freedesktop/LogControl1"
#define INTERFACE "org.freedesktop.LogControl1"
#define NOBODY 65534

static struct world world;

static void expect_text(sd_bus *b, const char *property, const char *wanted)
{
	char *got = NULL;

	check(sd_bus_get_property_string(b, RDMAREG_BUS_NAME, PATH, INTERFACE, property, NULL,
					 &got) >= 0);
	check_text(got, wanted);
	free(got);
}

/* @wanted: the error's last word; "": it works. */
static void set(sd_bus *b, const char *property, const char *value, const char *wanted)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *dot;

	sd_bus_set_property(b, RDMAREG_BUS_NAME, PATH, INTERFACE, property, &error, "s", value);
	dot = error.name ? strrchr(error.name, '.') : NULL;
	check_text(dot ? dot + 1 : "", wanted);
	sd_bus_error_free(&error);
}

/* A region comes and goes; whether the keeper, which says so at level info, has said it. */
static void release_one(sd_bus *b, bool is_said)
{
	int fd = make_memfd(4096);
	struct reply r, ignored;
	char line[48];

	check(register_region(b, fd, 0, 0, "rw", &r, 0));
	snprintf(line, sizeof(line), "region %llu: gone", (unsigned long long)r.id);
	check(call_region(b, r.id, "Release", &ignored));
	if (is_said)
		until(world_log_contains(&world, line));
	else
		check(!world_log_contains(&world, line));
	close(fd);
}

/* One keeper throughout, which the first region keeps. */
static void test_keepers(sd_bus *b)
{
	struct reply kept, old, ignored;
	int fd = make_memfd(4096);

	set(b, "LogLevel", "notice", "");
	check(register_region(b, fd, 0, 0, "rw", &kept, 1, "detached", "b", 1));
	release_one(b, false); /* it was told when it was greeted */
	set(b, "LogLevel", "info", "");
	release_one(b, true);
	set(b, "LogLevel", "warning", "");
	release_one(b, false);
	world_write_settings(&world, "[daemon]\nlog_level = info\n");
	check(finish_call(b, new_manager_call(b, "Reload"), &ignored));
	release_one(b, true);
	/* the next daemon has a level of its own */
	world_write_settings(&world, "[daemon]\nlog_level = notice\n");
	disconnect(b);
	world_end_daemon(&world, SIGKILL);
	world_start_daemon(&world);
	b = connect_client(&world);
	release_one(b, false);
	/* one that does not know of levels is driven as before */
	check(register_region(b, fd, 0, 0, "rw", &old, 2, "session", "s", "form-same", "detached",
			      "b", 1));
	set(b, "LogLevel", "debug", "");
	until(world_log_contains(&world, "logs at level info, whatever is set"));
	check(call_region(b, old.id, "Release", &ignored));
	check(call_region(b, kept.id, "Release", &ignored));
	disconnect(b);
	close(fd);
}

int main(void)
{
	sd_bus *b, *other;
	struct reply r;

	world_begin(&world, "");
	b = connect_client(&world);
	expect_text(b, "LogTarget", "console");
	expect_text(b, "SyslogIdentifier", "rdmaregd");
	set(b, "LogLevel", "warning", "");
	expect_text(b, "LogLevel", "warning");
	set(b, "LogLevel", "loud", "InvalidArgs");
	set(b, "LogLevel", "", "InvalidArgs");
	set(b, "LogTarget", "kmsg", "NotSupported");
	set(b, "LogTarget", "console", "");
	set(b, "LogTarget", "auto", "");
	set(b, "SyslogIdentifier", "x", "PropertyReadOnly");
	expect_text(b, "LogLevel", "warning");
	if (getuid() == 0) {
		other = connect_as(&world, NOBODY);
		expect_text(other, "LogLevel", "warning");
		set(other, "LogLevel", "debug", "AccessDenied");
		set(other, "LogTarget", "console", "AccessDenied");
		disconnect(other);
	}
	/* lines follow: this one is of level notice, and says that the settings count again */
	world_write_settings(&world, "[daemon]\nlog_level = notice\n");
	set(b, "LogLevel", "error", "InvalidArgs"); /* it is called err */
	set(b, "LogLevel", "err", "");
	check(finish_call(b, new_manager_call(b, "Reload"), &r));
	check(world_log_contains(&world, "settings read again"));
	test_keepers(b);
	world_end(&world);
	return 0;
}
