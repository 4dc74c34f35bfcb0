// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-dax.c - whose a DAX device is, how long, and what is refused: limits, strangers, bad input,
 * a helper that fails, one that is in use, a daemon started anew. The helper is fake-dax; the real
 * one is the lab's.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define NOBODY 65534
#define ANY UINT32_MAX
#define MIB (UINT64_C(1) << 20)

static struct world world;

/* The device's path, if it was made. */
static bool create(sd_bus *b, uint32_t region, uint64_t size, bool detached, char path[static 80],
		   struct reply *ret)
{
	sd_bus_message *m = new_manager_call(b, "CreateDaxDevice"), *answer = NULL;
	sd_bus_error error = SD_BUS_ERROR_NULL;
	const char *text;
	uint64_t given;
	int fd, r;

	check(sd_bus_message_append(m, "ut", region, size) >= 0);
	if (detached)
		add_options(m, 1, "detached", "b", 1);
	else
		add_options(m, 0);
	r = sd_bus_call(b, m, 0, &error, &answer);
	sd_bus_message_unref(m);
	if (r >= 0) {
		check(sd_bus_message_read(answer, "sth", &text, &given, &fd) > 0);
		check(given >= size && given % (2 * MIB) == 0 && fcntl(fd, F_GETFD) >= 0);
		snprintf(path, 80, "%s", text);
	}
	take_reply(answer, &error, r, ret);
	sd_bus_message_unref(answer);
	sd_bus_error_free(&error);
	return r >= 0;
}

static bool destroy(sd_bus *b, const char *path, struct reply *ret)
{
	sd_bus_message *m = new_manager_call(b, "DestroyDaxDevice");

	check(sd_bus_message_append(m, "s", path) >= 0);
	return finish_call(b, m, ret);
}

static bool is_recorded(const char *path)
{
	char name[400];
	struct stat st;

	snprintf(name, sizeof(name), "%s/run/dax/%s", world.directory, path + 5);
	return lstat(name, &st) == 0;
}

static void set_busy(bool busy)
{
	char name[400];

	snprintf(name, sizeof(name), "%s/busy", world.directory);
	if (busy)
		close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	else
		unlink(name);
}

static void test_bad_input(sd_bus *b)
{
	static const char *const paths[] = { "",	   "/dev/",	    "/dev/null",
					     "/dev/dax9.", "../dev/dax9.1", "/dev/dax9.1/../null",
					     "x\n\xc3\xa4" };
	char path[80], text[5000];
	sd_bus_message *m;
	struct reply r;

	check(!create(b, ANY, 0, false, path, &r));
	expect_error(&r, "InvalidRange", "at least 1");
	check(!create(b, ANY, UINT64_MAX, false, path, &r));
	expect_error(&r, "InvalidRange", "18446744073709551615");
	check(!create(b, 9, 1, false, path, &r));
	expect_error(&r, "InvalidFile", "no dynamic region");
	check(!create(b, 8, 1, false, path, &r));
	expect_error(&r, "Failed", "without an answer");
	m = new_manager_call(b, "CreateDaxDevice");
	check(sd_bus_message_append(m, "ut", ANY, MIB) >= 0);
	add_options(m, 1, "detach", "b", 1);
	check(!finish_call(b, m, &r));
	expect_error(&r, "InvalidOption", "detached");
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		check(!destroy(b, paths[i], &r));
		expect_error(&r, "InvalidFile", "no device that was made");
	}
	memset(text, 'd', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	check(!destroy(b, text, &r));
	expect_error(&r, "InvalidFile", "no device that was made");
}

static void test_lifetime(sd_bus *b)
{
	char mine[80], kept[80], path[80];
	sd_bus *other = connect_client(&world);
	struct reply r;

	check(create(other, ANY, 1, false, mine, &r) && is_recorded(mine));
	check(create(other, ANY, 3 * MIB, true, kept, &r) && is_recorded(kept));
	set_busy(true);
	check(!destroy(b, kept, &r));
	expect_error(&r, "Busy", "process 1");
	disconnect(other);
	check(create(b, ANY, 1, true, path, &r)); /* by now the daemon knows */
	check(is_recorded(mine) && is_recorded(kept));
	set_busy(false);
	until(!is_recorded(mine));
	check(is_recorded(kept));
	check(destroy(b, path, &r) && destroy(b, kept, &r) && !is_recorded(kept));
	check(!destroy(b, kept, &r));
	expect_error(&r, "InvalidFile", kept);
}

static void test_restart(sd_bus *b)
{
	sd_bus *other = connect_client(&world);
	size_t idle = world.descriptors;
	char mine[80], gone[80], kept[80];
	struct reply r;

	check(create(b, ANY, 1, false, mine, &r) && create(b, ANY, 1, true, kept, &r));
	check(create(other, ANY, 1, false, gone, &r));
	check(world_end_daemon(&world, SIGKILL) != 0);
	disconnect(other);
	world_start_daemon(&world);
	world.descriptors =
		idle; /* the new one may have begun to destroy already, which takes some */
	until(!is_recorded(gone));
	check(is_recorded(mine) && is_recorded(kept));
	check(destroy(b, mine, &r) && destroy(b, kept, &r) && !is_recorded(mine) &&
	      !is_recorded(kept));
}

static void test_limits(sd_bus *b)
{
	sd_bus *user = connect_as(&world, NOBODY);
	char path[80], theirs[80];
	struct reply r;

	check(!create(user, ANY, 1, false, path, &r));
	expect_error(&r, "AccessDenied", RDMAREG_ACTION_DAX);
	world_write_settings(&world, "[limits]\ndax_bytes_per_tenant = 4M\n");
	check(kill(world.daemon, SIGHUP) == 0);
	until(create(user, ANY, 2 * MIB + 1, false, theirs, &r));
	check(!create(user, ANY, 1, false, path, &r));
	expect_error(&r, "AccessDenied", "dax_bytes_per_tenant");
	check(create(b, ANY, 100 * MIB, false, path, &r));
	check(!destroy(user, path, &r));
	expect_error(&r, "InvalidFile", "uid 65534");
	check(destroy(b, path, &r) && destroy(user, theirs, &r));
	check(create(user, ANY, 4 * MIB, false, theirs, &r));
	check(destroy(b, theirs, &r));
	disconnect(user);
}

int main(void)
{
	sd_bus *b;

	world_begin(&world, "");
	b = connect_client(&world);
	if (geteuid() == 0) {
		test_bad_input(b);
		test_lifetime(b);
		test_restart(b);
		test_limits(b);
	}
	disconnect(b);
	world_end(&world);
	return geteuid() == 0 ? 0 : 77;
}
