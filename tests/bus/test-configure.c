// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-configure.c - how a region is arbitrated: what can be asked for when it is registered, what
 * can be changed while it lives, what it then says of itself, and who is told.
 *
 * The files are memfds, which no kernel guards with pre-content events: so what is promised is
 * known here whatever the machine has. Who may ask for policy hold is test-authorize.c's.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define LONG UINT64_C(10000000) /* MaxGraceUSec */

static struct world world;
static sd_bus *owner, *watcher;

static bool configure(uint64_t id, struct reply *ret, const char *key, const char *value)
{
	return call_region_options(owner, id, "Configure", ret, 1, key, "s", value);
}

static void expect(uint64_t id, const char *policy, const char *grace)
{
	expect_property(owner, id, "Policy", policy);
	expect_property(owner, id, "GraceUSec", grace);
	expect_property(owner, id, "Refuses", "0"); /* never on such a file */
}

static void expect_degraded(uint64_t id, const char *mentions)
{
	char text[700];

	get_property(owner, id, "Degraded", text, sizeof(text));
	if (!*mentions)
		check_text(text, "");
	if (!strstr(text, mentions))
		check_text(text, mentions);
}

static void make_region(int fd, struct reply *ret)
{
	check(register_region(owner, fd, 0, 0, "rw", ret, 1, "grace_usec", "t", UINT64_C(2000000)));
}

static void release(const struct reply *region, int fd)
{
	struct reply r;

	check(call_region(owner, region->id, "Release", &r));
	close(fd);
	forget_signals(owner);
	forget_signals(watcher);
}

static void test_warm_modes(void)
{
	int fd = make_memfd(8192);
	struct reply region, r;

	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "warm_mode", "s", "read"));
	expect_property(owner, region.id, "WarmMode", "read");
	check(configure(region.id, &r, "policy", "yield")); /* what is not named stays */
	expect_property(owner, region.id, "WarmMode", "read");
	check(configure(region.id, &r, "warm_mode", "write"));
	expect_property(owner, region.id, "WarmMode", "write");
	check(!configure(region.id, &r, "warm_mode", "hot"));
	check(!configure(region.id, &r, "warm_mode", ""));
	expect_property(owner, region.id, "WarmMode", "write");
	expect_property(owner, region.id, "BytesRedirtied", "0");
	expect_property(owner, region.id, "Faults", "18446744073709551615");
	release(&region, fd);
	fd = make_memfd(8192);
	check(!register_region(owner, fd, 0, 0, "rw", &r, 1, "warm_mode", "s", "always"));
	check(register_region(owner, fd, 0, 0, "rw", &region, 0));
	expect_property(owner, region.id, "WarmMode", "adaptive");
	release(&region, fd);
}

/* What is not named stays; another policy brings its own grace unless one is named. */
static void test_policies(void)
{
	int fd = make_memfd(8192);
	struct reply region, r;
	char usual[32];

	snprintf(usual, sizeof(usual), "%" PRIu64, get_manager_number(owner, "GraceUSec"));
	make_region(fd, &region);
	expect(region.id, "yield", "2000000");
	check(configure(region.id, &r, "policy", "yield"));
	expect(region.id, "yield", "2000000");
	check(call_region_options(owner, region.id, "Configure", &r, 0));
	expect(region.id, "yield", "2000000");
	check(configure(region.id, &r, "policy", "follow"));
	expect(region.id, "follow", "0");
	check(call_region_options(owner, region.id, "Configure", &r, 2, "policy", "s", "yield",
				  "grace_usec", "t", UINT64_C(3000000)));
	expect(region.id, "yield", "3000000");
	check(call_region_options(owner, region.id, "Configure", &r, 1, "grace_usec", "t",
				  UINT64_C(0)));
	expect(region.id, "yield", "0");
	check(call_region_options(owner, region.id, "Configure", &r, 1, "grace_usec", "t", LONG));
	expect(region.id, "yield", "10000000");
	check(configure(region.id, &r, "policy", "hold"));
	expect(region.id, "hold", "10000000");
	expect_degraded(region.id, "hold");
	check(configure(region.id, &r, "policy", "follow") &&
	      configure(region.id, &r, "policy", "yield"));
	expect(region.id, "yield", usual);
	release(&region, fd);
}

/* A change is for the next revocation, not a word only. */
static void test_effect(void)
{
	int fd = make_memfd(8192);
	struct reply region, r;
	uint64_t revocation;

	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "grace_usec", "t", LONG));
	check(call_region_options(owner, region.id, "Configure", &r, 1, "grace_usec", "t",
				  UINT64_C(50000)));
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " clone", region.id);
	revocation = await_request(owner, "clone");
	await_settled(owner, revocation, "restored", 8192); /* nobody acknowledged */
	check(call_region_options(owner, region.id, "Configure", &r, 1, "grace_usec", "t", LONG));
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " clone", region.id);
	revocation = await_request(owner, "clone");
	expect_property(owner, region.id, "State", "draining");
	/* one under way goes on as it began */
	check(!configure(region.id, &r, "policy", "follow"));
	expect_error(&r, "Busy", "draining");
	expect_property(owner, region.id, "Policy", "yield");
	check(acknowledge(owner, region.id, revocation, &r));
	await_settled(owner, revocation, "restored", 8192);
	release(&region, fd);
}

/* It is asked for, cannot be had, and that is said, and taken back. */
static void test_arbitration(void)
{
	int fd = make_memfd(8192);
	struct reply region, r;
	char mode[32];

	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "arbitration", "s", "auto"));
	get_property(owner, region.id, "ArbitrationMode", mode, sizeof(mode));
	check(strcmp(mode, "pre-content") != 0);
	expect_degraded(region.id, "");
	check(configure(region.id, &r, "arbitration", "pre-content"));
	expect_property(owner, region.id, "ArbitrationMode", mode);
	expect_degraded(region.id, "pre-content");
	check(configure(region.id, &r, "arbitration", "auto"));
	expect_degraded(region.id, "");
	release(&region, fd);

	fd = make_memfd(8192);
	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "arbitration", "s",
			      "pre-content"));
	expect_property(owner, region.id, "ArbitrationMode", mode);
	expect_degraded(region.id, "pre-content");
	release(&region, fd);
	fd = make_memfd(8192);
	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "policy", "s", "hold"));
	expect(region.id, "hold", "10000000");
	expect_degraded(region.id, "hold");
	release(&region, fd);
}

/* The names in the next PropertiesChanged on @b, each preceded by a space. */
static void await_changes(sd_bus *b, char *out, size_t size)
{
	sd_bus_message *m = await_signal(b, "PropertiesChanged");
	const char *interface, *key;

	check(sd_bus_message_read(m, "s", &interface) > 0);
	check_text(interface, RDMAREG_REGION_INTERFACE);
	check(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
	for (*out = 0; sd_bus_message_enter_container(m, 'e', "sv") > 0;
	     sd_bus_message_exit_container(m)) {
		check(sd_bus_message_read(m, "s", &key) > 0 && sd_bus_message_skip(m, "v") > 0);
		check(strlen(out) + strlen(key) + 2 < size);
		strcat(strcat(out, " "), key);
	}
	sd_bus_message_unref(m);
}

/*
 * All that hangs together is told together, to owner and subscribers; a refused change is not told.
 */
static void test_told(void)
{
	static const char *const all =
		" ArbitrationMode ArbitrationReason Refuses Degraded Policy GraceUSec WarmMode";
	int fd = make_memfd(8192);
	struct reply region, r;
	char text[200];

	make_region(fd, &region);
	forget_signals(owner);
	forget_signals(watcher);
	check(!configure(region.id, &r, "policy", "never"));
	check(!has_signal(owner, "PropertiesChanged") && !has_signal(watcher, "PropertiesChanged"));
	check(configure(region.id, &r, "policy", "follow"));
	await_changes(owner, text, sizeof(text));
	check_text(text, all);
	await_changes(watcher, text, sizeof(text));
	check_text(text, all);
	check(!has_signal(owner, "PropertiesChanged"));
	release(&region, fd);
}

#define REFUSE(error, mentions, ...)                                                          \
	do {                                                                                  \
		struct reply _r;                                                              \
		int _fd = make_memfd(8192);                                                   \
		check(!call_region_options(owner, region.id, "Configure", &_r, __VA_ARGS__)); \
		expect_error(&_r, error, mentions);                                           \
		check(!register_region(owner, _fd, 0, 0, "rw", &_r, __VA_ARGS__));            \
		expect_error(&_r, error, mentions);                                           \
		close(_fd);                                                                   \
	} while (0)

/* What is wrong for the one is wrong for the other. */
static void test_input(void)
{
	int fd = make_memfd(8192);
	struct reply region, r;

	make_region(fd, &region);
	REFUSE("InvalidOption", "follow yield hold", 1, "policy", "s", "");
	REFUSE("InvalidOption", "follow yield hold", 1, "policy", "s", "Hold");
	REFUSE("InvalidOption", "a string", 1, "policy", "u", 2);
	REFUSE("InvalidOption", "auto pre-content", 1, "arbitration", "s", "");
	REFUSE("InvalidOption", "auto pre-content", 1, "arbitration", "s", "layout-lease");
	REFUSE("InvalidOption", "auto pre-content", 1, "arbitration", "s", "pre-content\n");
	REFUSE("InvalidOption", "a string", 1, "arbitration", "b", 1);
	REFUSE("InvalidOption", "a 64-bit", 1, "grace_usec", "u", 1);
	REFUSE("InvalidOption", "max_grace_msec", 1, "grace_usec", "t", LONG + 1);
	REFUSE("InvalidOption", "max_grace_msec", 1, "grace_usec", "t", UINT64_MAX);
	REFUSE("InvalidOption", "no option 'grace'", 1, "grace", "t", UINT64_C(1));
	check(!configure(region.id, &r, "session", "other"));
	expect_error(&r, "InvalidOption", "no option 'session'");
	check(!call_region_options(owner, region.id, "Configure", &r, 1, "detached", "b", 1));
	expect_error(&r, "InvalidOption", "no option 'detached'");
	/* one good and one bad option: nothing of it */
	check(!call_region_options(owner, region.id, "Configure", &r, 2, "policy", "s", "follow",
				   "arbitration", "s", "none"));
	expect(region.id, "yield", "2000000");
	expect_degraded(region.id, "");
	release(&region, fd);
	check(!configure(region.id, &r, "policy", "follow"));
	check_text(r.error, "NoSuchRegion");
}

/* The keeper goes while it is asked. */
static void test_keeper_lost(void)
{
	int fd = make_memfd(8192);
	struct reply region;
	sd_bus_message *m;
	struct later l;

	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "session", "s", "doomed"));
	world_tell_keeper(&world, getuid(), "doomed", "crash");
	m = new_region_call(owner, region.id, "Configure");
	add_options(m, 1, "policy", "s", "follow");
	send_later(owner, m, &l);
	await_answer(owner, &l);
	/* it may have been done before, or have found nothing any more */
	check(!*l.reply.error || !strcmp(l.reply.error, "KeeperLost") ||
	      !strcmp(l.reply.error, "NoSuchRegion"));
	until(!region_exists(owner, region.id));
	close(fd);
	forget_signals(owner);
	forget_signals(watcher);
}

/*
 * A file that somebody holds, so that the keeper may not open it again, which its layout lease
 * needs.
 */
static int make_held(bool held, int fd)
{
	check(fchmod(fd, held ? 01600 : 0600) == 0);
	return fd;
}

static bool has(uint64_t id, const char *name, const char *value)
{
	char text[64];

	get_property(owner, id, name, text, sizeof(text));
	return !strcmp(text, value);
}

static void expect_unleased(uint64_t id)
{
	char text[700];

	expect_property(owner, id, "ArbitrationMode", "notify-only");
	expect_degraded(id, "does not ask before it takes blocks back: no layout lease yet");
	expect_degraded(id, "somebody holds the file");
	get_property(owner, id, "ArbitrationReason", text, sizeof(text));
	check(strstr(text, "somebody holds the file"));
}

/*
 * A lease that cannot be had now is said to be missing, and is there when nothing is in its way any
 * more.
 */
static void test_lease_later(void)
{
	int fd = make_held(true, make_memfd(8192));
	struct reply region, r;

	make_region(fd, &region);
	expect_unleased(region.id);
	check(configure(region.id, &r, "policy", "follow")); /* which tries again */
	expect_unleased(region.id);
	make_held(false, fd);
	until(has(region.id, "ArbitrationMode", "layout-lease")); /* by itself */
	expect_degraded(region.id, "");
	/* one that is had is broken like any */
	check(configure(region.id, &r, "policy", "yield"));
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " truncate 4096",
			  region.id);
	until(has(region.id, "ValidLength", "4096"));
	check(has(region.id, "ArbitrationMode", "layout-lease"));
	release(&region, fd);
}

/*
 * A system call that breaks the lease and lasts: the region is opened without one, says so, and has
 * one again afterwards.
 */
static void test_lasting_breaker(void)
{
	int fd = make_memfd(8192);
	struct reply region;

	make_region(fd, &region);
	check(has(region.id, "ArbitrationMode", "layout-lease"));
	check(fchmod(fd, 0200) == 0);
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " clone -1", region.id);
	until(has(region.id, "ArbitrationMode", "notify-only"));
	expect_degraded(region.id, "somebody is changing the file's layout");
	until(has(region.id, "State", "live"));
	check(fchmod(fd, 0600) == 0);
	until(has(region.id, "ArbitrationMode", "layout-lease"));
	expect_degraded(region.id, "");
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " truncate 4096",
			  region.id);
	until(has(region.id, "ValidLength", "4096"));
	release(&region, fd);

	/* nor does it keep anybody from registering the file */
	fd = make_memfd(8192);
	check(fchmod(fd, 0200) == 0);
	make_region(fd, &region);
	check(has(region.id, "ArbitrationMode", "notify-only"));
	expect_degraded(region.id, "somebody is changing the file's layout");
	check(fchmod(fd, 0600) == 0);
	until(has(region.id, "ArbitrationMode", "layout-lease"));
	expect_degraded(region.id, "");
	release(&region, fd);
}

#define NOBODY 65534

/* Who can only read a file of somebody else does not delay its owner for as long as others may. */
static void test_reader(void)
{
	char path[] = "/proc/self/fd/0000000000";
	int file = make_memfd(8192), fd;
	struct reply region, r;
	sd_bus *reader;

	if (getuid())
		return;
	check(fchmod(file, 0644) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	check(fd >= 0);
	reader = connect_as(&world, NOBODY);
	check(!register_region(reader, fd, 0, 0, "r", &r, 1, "grace_usec", "t", UINT64_C(500001)));
	expect_error(&r, "InvalidOption", "reader_grace_msec");
	check(register_region(reader, fd, 0, 0, "r", &region, 0));
	expect_property(reader, region.id, "GraceUSec", "500000"); /* the usual one is longer */
	check(!call_region_options(reader, region.id, "Configure", &r, 1, "grace_usec", "t",
				   UINT64_C(500001)));
	expect_error(&r, "InvalidOption", "reader_grace_msec");
	check(call_region_options(reader, region.id, "Configure", &r, 1, "grace_usec", "t",
				  UINT64_C(1000)));
	check(call_region(reader, region.id, "Release", &r));
	/* the owner of the file may */
	check(register_region(owner, fd, 0, 0, "r", &region, 1, "grace_usec", "t",
			      UINT64_C(9000000)));
	expect_property(owner, region.id, "GraceUSec", "9000000");
	check(call_region(owner, region.id, "Release", &r));
	sd_bus_flush_close_unref(reader);
	close(fd);
	close(file);
	forget_signals(owner);
	forget_signals(watcher);
}

int main(void)
{
	world_begin(&world, "[regions]\nmax_grace_msec = 10000\nreader_grace_msec = 500\n");
	owner = connect_client(&world);
	watcher = connect_client(&world);
	listen_signals(owner);
	subscribe(watcher);
	test_lasting_breaker();
	test_reader();
	test_input();
	test_policies();
	test_warm_modes();
	test_effect();
	test_arbitration();
	test_told();
	test_lease_later();
	test_keeper_lost();
	forget_signals(owner);
	forget_signals(watcher);
	disconnect(watcher);
	disconnect(owner);
	world_end(&world);
	return 0;
}
