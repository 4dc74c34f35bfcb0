// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-rails.c - rdmaregctl register --rails against the real daemon: one file in a session for each
 * device and one list of tickets, or nothing at all.
 *
 * What always holds: after each test no region is left.
 */
#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

static struct world world;
static sd_bus *bus;
static char file[128], out[8192];

static int run(const char *arguments)
{
	return world_ctl(&world, arguments, out, sizeof(out));
}

static int run_on_file(const char *options)
{
	char command[400];

	snprintf(command, sizeof(command), "register %s %s", file, options);
	return run(command);
}

static size_t count_tickets(void)
{
	size_t n = 0;

	for (const char *at = out; (at = strstr(at, "rdmareg://")); at++)
		n++;
	return n;
}

static size_t count_degraded(void)
{
	size_t n = 0;

	check(run("list --json") == 0);
	for (const char *at = out; (at = strstr(at, "no peer can connect")); at++)
		n++;
	return n;
}

/* Of @session's device: the keeper hears of it, and says so of each of its regions. */
static void move_address(const char *session, const char *where, size_t degraded)
{
	world_tell_keeper(&world, getuid(), session, "address 0 %s", where);
	until(count_degraded() == degraded);
}

static void create(const char *session)
{
	char command[100];

	snprintf(command, sizeof(command), "session create %s --device fake0", session);
	check(run(command) == 0);
}

static void release(const char *session)
{
	char command[100];

	snprintf(command, sizeof(command), "session release %s --grace 0", session);
	check(run(command) == 0);
}

static void test_registered(void)
{
	check(run_on_file("--rails left,right --export --name shard") == 0);
	check(count_tickets() == 2 && strstr(out, "name        left/shard\n") &&
	      strstr(out, "name        right/shard\n"));
	check(count_regions(bus) == 2);
	release("left");
	release("right");
	check(count_regions(bus) == 0);
	create("left");
	create("right");

	/* for programs, and without a ticket; one rail is a list, too */
	check(run_on_file("--rails left,right --json") == 0);
	check(strstr(out, "\"regions\"") && strstr(out, "\"session\":\"right\"") &&
	      !count_tickets());
	check(run_on_file("--rails left --json --export") == 0 && count_tickets() == 1);
	check(count_regions(bus) == 3);
	release("left");
	release("right");
	create("left");
	create("right");
}

/* All or none: whichever of them is refused, and for whatever reason. */
static void test_refused(void)
{
	static const struct {
		const char *options;
		int status;
		const char *says;
	} cases[] = {
		{ "--rails left,absent", 1, "this session uses absent" },
		{ "--rails absent,left", 1, "this session uses absent" },
		{ "--rails left,drained,right", 1, "'drained' of uid" },
		{ "--rails left,small", 1, "8192 more bytes" },
		{ "--rails left,taken --name shard", 1, "has the name 'shard'" },
		{ "--rails left,no/name", 2, "no session name" },
		{ "--rails left,right --grace 10h", 2, "a grace of 36000 s" },
		{ "--rails left,right --offset 1", 1, "multiple of the page size" },
		{ "--rails left,right --offset 1M", 1, "has 8192 bytes" },
	};

	check(run("session create absent --device absent") == 0);
	check(run("session create small --max-bytes 4096") == 0);
	check(run("session create drained") == 0 && run("session drain drained") == 0);
	check(run("session create taken") == 0);
	check(run_on_file("--session taken --name shard") == 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int status = run_on_file(cases[i].options);

		fprintf(stderr, "%s: %d, %s", cases[i].options, status, out);
		check(status == cases[i].status && strstr(out, cases[i].says));
		until(count_regions(bus) == 1);
	}
	release("taken");
	release("drained");
	release("small");
	release("absent");
}

/* What makes no sense reaches nobody. */
static void test_input(void)
{
	static const struct {
		const char *options, *says;
	} cases[] = {
		{ "--rails ''", "expected NAME,..." },
		{ "--rails ,", "each once" },
		{ "--rails left,", "each once" },
		{ "--rails ,left", "each once" },
		{ "--rails left,,right", "each once" },
		{ "--rails left,left", "each once" },
		{ "--rails a,b,c,d,e", "1 to 4 sessions" },
		{ "--rails left --session right", "no --session beside it" },
		{ "--rails left /dev/null", "takes one file" },
		{ "--rails left --standing", "--standing takes a --name" },
		{ "--rails", "needs an argument" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int status = run_on_file(cases[i].options);

		fprintf(stderr, "%s: %d, %s", cases[i].options, status, out);
		check(status == 2 && strstr(out, cases[i].says));
	}
	check(run("register /nowhere --rails left") == 3);
	check(count_regions(bus) == 0);
}

/* A device without an address is left out of the list; where all are, nothing is registered. */
static void test_unreachable(void)
{
	check(run_on_file("--rails left,right") == 0);
	move_address("right", "away", 1);
	check(run_on_file("--rails left,right --export") == 0);
	check(count_tickets() == 1 && strstr(out, "1 of 2 tickets") &&
	      strstr(out, "no peer can connect"));
	check(count_regions(bus) == 4);
	move_address("left", "away", 4);
	check(run_on_file("--rails left,right --export") == 77 && !count_tickets());
	until(count_regions(bus) == 4);
	move_address("left", "back", 2);
	move_address("right", "back", 0);
	check(run_on_file("--rails left,right --export") == 0 && count_tickets() == 2);
	release("left");
	release("right");
	create("left");
	create("right");
}

/* A session that ends while its rail is being registered takes the other rail along. */
static void test_ends_meanwhile(void)
{
	char command[400];
	struct reply held;
	int fd = make_memfd(8192);
	FILE *f;

	check(register_region(bus, fd, 0, 0, "rw", &held, 1, "session", "s", "right"));
	world_tell_keeper(&world, getuid(), "right", "chunks %" PRIu64 " 0", held.id);
	snprintf(command, sizeof(command),
		 "RDMAREG_BUS_ADDRESS='%s' '%s' register %s --rails left,right --export 2>&1",
		 world.address, getenv("RDMAREGCTL"), file);
	f = popen(command, "re");
	check(f);
	until(count_regions(bus) == 3);
	release("right");
	check(fgets(out, sizeof(out), f) && !count_tickets());
	check(pclose(f) > 0);
	until(count_regions(bus) == 0);
	create("right");
	close(fd);
}

int main(void)
{
	FILE *f;

	world_begin(&world, "");
	bus = connect_client(&world);
	snprintf(file, sizeof(file), "%s/shard", world.directory);
	f = fopen(file, "we");
	check(f && ftruncate(fileno(f), 8192) == 0);
	fclose(f);
	create("left");
	create("right");
	test_registered();
	test_refused();
	test_input();
	test_unreachable();
	test_ends_meanwhile();
	release("left");
	release("right");
	unlink(file);
	disconnect(bus);
	world_end(&world);
	return 0;
}
