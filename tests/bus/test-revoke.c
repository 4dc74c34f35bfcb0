// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-revoke.c - a region closed on purpose: Revoke with all the ceremony, Restore by the one who
 * revoked, the ends that need no Restore, and Sync.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "harness.h"

#define LONG UINT64_C(10000000)
#define LENGTH 16384u
#define CROWD 20 /* on one region: more than a keeper has places for */

static struct world world;
static sd_bus *owner, *other;

static void make_region(int fd, struct reply *ret)
{
	check(register_region(owner, fd, 0, 0, "rw", ret, 1, "grace_usec", "t", LONG));
}

static void release(const struct reply *region, int fd)
{
	struct reply r;

	check(call_region(owner, region->id, "Release", &r));
	close(fd);
	forget_signals(owner);
}

static bool revoke_at_once(sd_bus *b, uint64_t id, struct reply *ret)
{
	return call_region_options(b, id, "Revoke", ret, 1, "grace_usec", "t", UINT64_C(0));
}

static void send_options(sd_bus *b, uint64_t id, const char *method, struct later *l)
{
	sd_bus_message *m = new_region_call(b, id, method);

	add_options(m, 0);
	send_later(b, m, l);
}

/* Asked, acknowledged, closed, answered; nobody but the one who revoked gives it back. */
static void test_ceremony(void)
{
	int fd = make_memfd(LENGTH);
	struct reply region, r;
	uint64_t revocation;
	struct later l;
	char text[64];

	make_region(fd, &region);
	send_options(other, region.id, "Revoke", &l);
	revocation = await_request(owner, "administrator");
	expect_property(owner, region.id, "State", "draining");
	check(still_waits(other, &l));
	check(acknowledge(owner, region.id, revocation, &r));
	await_answer(other, &l);
	check_text(l.reply.error, "");
	check(l.reply.number == revocation);
	expect_property(owner, region.id, "State", "fenced");
	snprintf(text, sizeof(text), "%" PRIu64 " administrator", revocation);
	expect_property(owner, region.id, "Revocation", text);
	check(!has_signal(owner, "RevocationSettled"));

	check(!call_region_number(owner, region.id, "Restore", revocation, &r));
	expect_error(&r, "NoSuchRevocation", "another connection");
	check(!call_region_number(other, region.id, "Restore", revocation + 1, &r));
	check_text(r.error, "NoSuchRevocation");
	check(!call_region_number(other, region.id, "Restore", 0, &r));
	check_text(r.error, "NoSuchRevocation");
	expect_property(owner, region.id, "State", "fenced");
	check(call_region_number(other, region.id, "Restore", revocation, &r));
	await_settled(owner, revocation, "restored", LENGTH);
	expect_property(owner, region.id, "State", "live");
	check(!call_region_number(other, region.id, "Restore", revocation, &r));
	check_text(r.error, "NoSuchRevocation");
	release(&region, fd);
}

/* Nobody answers. */
static void test_grace(void)
{
	int fd = make_memfd(LENGTH);
	struct reply region, r;

	make_region(fd, &region);
	check(call_region_options(other, region.id, "Revoke", &r, 1, "grace_usec", "t",
				  UINT64_C(50000)));
	check(await_request(owner, "administrator") == r.number);
	expect_property(owner, region.id, "State", "fenced");
	check(call_region_number(other, region.id, "Restore", r.number, &r));
	sd_bus_message_unref(await_signal(owner, "RevocationSettled"));
	/* policy follow: nobody is waited for */
	check(call_region_options(owner, region.id, "Configure", &r, 1, "policy", "s", "follow"));
	check(call_region_options(other, region.id, "Revoke", &r, 0));
	check(call_region_number(other, region.id, "Restore", r.number, &r));
	release(&region, fd);
}

/* Only a range, made whole pages. */
static void test_range(void)
{
	static const struct {
		uint64_t offset, length, wanted_offset, wanted_length;
	} ranges[] = {
		{ 4096, 4096, 4096, 4096 }, { 4097, 1, 4096, 4096 },
		{ 4095, 2, 0, 8192 },	    { 8192, 0, 8192, 8192 },
		{ 0, 0, 0, LENGTH },	    { LENGTH - 1, 1, LENGTH - 4096, 4096 },
	};
	int fd = make_memfd(LENGTH);
	struct reply region, r, restored;

	make_region(fd, &region);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++) {
		uint64_t revocation, offset, length, deadline;
		sd_bus_message *m;
		const char *cause;

		check(call_region_options(other, region.id, "Revoke", &r, 3, "offset", "t",
					  ranges[i].offset, "length", "t", ranges[i].length,
					  "grace_usec", "t", UINT64_C(0)));
		m = await_signal(owner, "RevocationRequested");
		check(sd_bus_message_read(m, "tsttt", &revocation, &cause, &offset, &length,
					  &deadline) > 0);
		check(revocation == r.number && offset == ranges[i].wanted_offset &&
		      length == ranges[i].wanted_length);
		sd_bus_message_unref(m);
		check(call_region_number(other, region.id, "Restore", r.number, &restored));
		await_settled(owner, r.number, "restored", LENGTH);
	}
	release(&region, fd);
}

/* The limit, the end of the connection, and a grant that nobody waits for any more. */
static void test_ends(void)
{
	int fd = make_memfd(LENGTH);
	struct reply region, r;
	uint64_t revocation;
	struct later l;
	sd_bus *b;

	make_region(fd, &region);
	check(call_region_options(other, region.id, "Revoke", &r, 2, "for_usec", "t",
				  UINT64_C(50000), "grace_usec", "t", UINT64_C(0)));
	revocation = r.number;
	await_settled(owner, revocation, "restored", LENGTH);
	check(!call_region_number(other, region.id, "Restore", revocation, &r));
	check_text(r.error, "NoSuchRevocation");

	b = connect_client(&world);
	check(revoke_at_once(b, region.id, &r));
	expect_property(owner, region.id, "State", "fenced");
	disconnect(b);
	await_settled(owner, r.number, "restored", LENGTH);

	forget_signals(owner);
	b = connect_client(&world);
	send_options(b, region.id, "Revoke", &l);
	revocation = await_request(owner, "administrator");
	disconnect(b);
	await_settled(owner, revocation, "restored", LENGTH);
	expect_property(owner, region.id, "State", "live");
	release(&region, fd);
}

/* The region ends first. */
static void test_released(void)
{
	int fd = make_memfd(LENGTH);
	struct reply region, r;
	struct later l;

	make_region(fd, &region);
	check(revoke_at_once(other, region.id, &r));
	check(call_region(owner, region.id, "Release", &r));
	check(!call_region_number(other, region.id, "Restore", 1, &r));
	check_text(r.error, "NoSuchRegion");
	/* also while it is not granted yet: it is answered, one way or the other */
	make_region(fd, &region);
	send_options(other, region.id, "Revoke", &l);
	await_request(owner, "administrator");
	check(call_region(owner, region.id, "Release", &r));
	await_answer(other, &l);
	close(fd);
	forget_signals(owner);
}

static void test_keeper_lost(void)
{
	int fd = make_memfd(LENGTH);
	struct reply region;
	struct later l;

	check(register_region(owner, fd, 0, 0, "rw", &region, 2, "grace_usec", "t", LONG, "session",
			      "s", "doomed"));
	send_options(other, region.id, "Revoke", &l);
	await_request(owner, "administrator");
	world_tell_keeper(&world, getuid(), "doomed", "crash");
	await_answer(other, &l);
	check_text(l.reply.error, "KeeperLost");
	until(!region_exists(owner, region.id));
	check(register_region(owner, fd, 0, 0, "rw", &region, 2, "grace_usec", "t", LONG, "session",
			      "s", "doomed"));
	send_options(other, region.id, "Sync", &l);
	await_request(owner, "sync");
	world_tell_keeper(&world, getuid(), "doomed", "crash");
	await_answer(other, &l);
	check_text(l.reply.error, "KeeperLost");
	until(!region_exists(owner, region.id));
	close(fd);
	forget_signals(owner);
}

/* Many want one region at once: it opens when the last of them is over. */
static void test_crowd(void)
{
	sd_bus *b[CROWD];
	int fd = make_memfd(LENGTH);
	struct reply region, r;

	make_region(fd, &region);
	for (size_t i = 0; i < CROWD; i++) {
		b[i] = connect_client(&world);
		check(revoke_at_once(b[i], region.id, &r));
	}
	for (size_t i = 0; i < CROWD; i++) {
		expect_property(owner, region.id, "State", "fenced");
		disconnect(b[i]);
	}
	until((get_property(owner, region.id, "State", r.text, sizeof(r.text)),
	       !strcmp(r.text, "live")));
	release(&region, fd);
}

static void test_limit_of_connection(void)
{
	int fd = make_memfd(LENGTH);
	struct reply region[5], held[4], r;

	for (int i = 0; i < 5; i++)
		make_region(fd, &region[i]);
	for (int i = 0; i < 4; i++)
		check(revoke_at_once(other, region[i].id, &held[i]));
	check(!revoke_at_once(other, region[4].id, &r));
	expect_error(&r, "LimitExceeded", "revokes_per_client");
	expect_property(owner, region[4].id, "State", "live");
	check(call_region_number(other, region[0].id, "Restore", held[0].number, &r));
	check(revoke_at_once(other, region[4].id, &held[0]));
	for (int i = 0; i < 5; i++)
		check(call_region(owner, region[i].id, "Release", &r));
	close(fd);
	forget_signals(owner);
}

static const char *expected_durability(int fd)
{
	struct statfs s;

	check(fstatfs(fd, &s) == 0);
	return s.f_type == TMPFS_MAGIC ? "nothing" : "storage";
}

static void test_sync(void)
{
	int files[] = { make_memfd(LENGTH), make_file(&world, LENGTH, O_RDWR) };

	for (size_t i = 0; i < 2; i++) {
		struct reply region, r;
		uint64_t revocation;
		struct later l;

		make_region(files[i], &region);
		send_options(other, region.id, "Sync", &l);
		revocation = await_request(owner, "sync");
		check(still_waits(other, &l));
		check(acknowledge(owner, region.id, revocation, &r));
		await_answer(other, &l);
		check_text(l.reply.error, "");
		check_text(l.reply.durable, expected_durability(files[i]));
		check(l.reply.number == revocation && l.reply.valid_length == LENGTH);
		await_settled(owner, revocation, "restored", LENGTH);
		expect_property(owner, region.id, "State", "live");
		/* by its holder himself, at once; and who goes away leaves nothing closed */
		check(call_region_options(owner, region.id, "Sync", &r, 1, "grace_usec", "t",
					  UINT64_C(0)));
		check(r.number > revocation);
		forget_signals(owner);
		release(&region, files[i]);
	}
}

static void test_sync_vanish(void)
{
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(LENGTH);
	struct reply region, r;
	uint64_t revocation;
	struct later l;

	make_region(fd, &region);
	send_options(b, region.id, "Sync", &l);
	revocation = await_request(owner, "sync");
	disconnect(b);
	check(acknowledge(owner, region.id, revocation, &r));
	await_settled(owner, revocation, "restored", LENGTH);
	release(&region, fd);
}

/* One option, its type, and what is said of it. */
#define REFUSE(method, error, mentions, ...)                                             \
	do {                                                                             \
		struct reply _r;                                                         \
		check(!call_region_options(other, region.id, method, &_r, __VA_ARGS__)); \
		expect_error(&_r, error, mentions);                                      \
	} while (0)

static bool is_logged(const char *format, uint64_t id, uint64_t revocation)
{
	char text[200];

	snprintf(text, sizeof(text), format, id, revocation, getpid(), getuid());
	return world_log_contains(&world, text);
}

/*
 * Whom the log names: who asked on the bus, and not whom an earlier revocation was because of; or
 * nobody.
 */
static void test_blame(void)
{
	int fd = make_memfd(LENGTH);
	struct reply region, r;
	uint64_t revocation;
	sd_bus *b;

	make_region(fd, &region);
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " truncate %u", region.id,
			  LENGTH / 2);
	revocation = await_request(owner, "truncate");
	until(is_logged("region %" PRIu64 ": revocation %" PRIu64 " (truncate) by pid ", region.id,
			revocation));
	check(acknowledge(owner, region.id, revocation, &r));
	sd_bus_message_unref(await_signal(owner, "RevocationSettled"));
	/* the keeper says the same at this level only where there is no daemon that does */
	until(is_logged("<7>region %" PRIu64 ": revocation %" PRIu64 " (truncate), [", region.id,
			revocation));
	check(revoke_at_once(other, region.id, &r));
	until(is_logged("region %" PRIu64 ": revocation %" PRIu64
			" (administrator) by pid %d uid %u\n",
			region.id, r.number));
	check(call_region_number(other, region.id, "Restore", r.number, &r));
	check(call_region_options(other, region.id, "Sync", &r, 1, "grace_usec", "t", UINT64_C(0)));
	until(is_logged("region %" PRIu64 ": revocation %" PRIu64 " (sync) by pid %d uid %u\n",
			region.id, r.number));
	release(&region, fd);

	/* nobody asked for this one */
	b = connect_client(&world);
	fd = make_memfd(LENGTH);
	check(register_region(b, fd, 0, 0, "rw", &region, 1, "grace_usec", "t", LONG));
	check(call_region(owner, region.id, "Join", &r));
	disconnect(b);
	revocation = await_request(owner, "release");
	until(is_logged("region %" PRIu64 ": revocation %" PRIu64 " (release)\n", region.id,
			revocation));
	check(acknowledge(owner, region.id, revocation, &r));
	until(!region_exists(owner, region.id));
	forget_signals(owner);
	close(fd);
}

/*
 * Who waits for a holder that does not answer releases again, with less time; more changes nothing.
 */
static void test_release_within(void)
{
	int fd = make_memfd(LENGTH);
	struct reply region, r;
	struct later first, second;
	uint64_t revocation;
	sd_bus_message *m;

	make_region(fd, &region);
	check(call_region(other, region.id, "Join", &r));
	send_later(owner, new_region_call(owner, region.id, "Release"), &first);
	revocation = await_request(owner, "release");
	until(is_logged("region %" PRIu64 ": revocation %" PRIu64 " (release) by pid %d uid %u\n",
			region.id, revocation));
	m = new_region_call(owner, region.id, "ReleaseWithin");
	check(sd_bus_message_append(m, "t", 2 * LONG) >= 0);
	send_later(owner, m, &second);
	expect_property(owner, region.id, "State", "draining");
	check(still_waits(owner, &first) && still_waits(owner, &second));
	/* nobody is sent to wait for what will not be live again */
	check(!export_region(owner, region.id, &r, 0));
	expect_error(&r, "Busy", "is being released");
	check(!call_region_options(owner, region.id, "Configure", &r, 1, "policy", "s", "follow"));
	expect_error(&r, "Busy", "is being released");
	check(!revoke_at_once(other, region.id, &r));
	expect_error(&r, "Busy", "is being released");
	check(call_region_number(owner, region.id, "ReleaseWithin", 0, &r));
	await_answer(owner, &first);
	await_answer(owner, &second);
	check_text(first.reply.error, "");
	check_text(second.reply.error, "");
	forget_signals(owner);
	close(fd);
}

static void test_input(void)
{
	int fd = make_memfd(LENGTH);
	struct reply region, r;

	make_region(fd, &region);
	REFUSE("Revoke", "InvalidOption", "no option 'grace'", 1, "grace", "t", UINT64_C(0));
	REFUSE("Revoke", "InvalidOption", "no option 'limit_usec'", 1, "limit_usec", "t",
	       UINT64_C(1));
	REFUSE("Revoke", "InvalidOption", "a 64-bit", 1, "grace_usec", "u", 1);
	REFUSE("Revoke", "InvalidOption", "a 64-bit", 1, "offset", "s", "0");
	REFUSE("Revoke", "InvalidOption", "a 64-bit", 1, "length", "b", 1);
	REFUSE("Revoke", "InvalidOption", "a 64-bit", 1, "for_usec", "u", 1);
	REFUSE("Revoke", "InvalidOption", "for_usec 0", 1, "for_usec", "t", UINT64_C(0));
	REFUSE("Revoke", "InvalidOption",
	       "5000001 us without access for peers is longer than the 5 s that are allowed", 1,
	       "for_usec", "t", UINT64_C(5000001));
	REFUSE("Revoke", "InvalidOption", "revoke_limit_sec", 1, "for_usec", "t", UINT64_MAX);
	REFUSE("Revoke", "InvalidOption", "max_grace_msec", 1, "grace_usec", "t", LONG + 1);
	REFUSE("Revoke", "InvalidOption", "max_grace_msec", 1, "grace_usec", "t", UINT64_MAX);
	REFUSE("Revoke", "InvalidRange", "not inside", 1, "offset", "t", (uint64_t)LENGTH);
	REFUSE("Revoke", "InvalidRange", "not inside", 1, "offset", "t", UINT64_MAX);
	REFUSE("Revoke", "InvalidRange", "not inside", 1, "length", "t", (uint64_t)LENGTH + 1);
	REFUSE("Revoke", "InvalidRange", "not inside", 2, "offset", "t", UINT64_C(4096), "length",
	       "t", UINT64_MAX);
	REFUSE("Sync", "InvalidOption", "no option 'for_usec'", 1, "for_usec", "t", UINT64_C(1));
	REFUSE("Sync", "InvalidOption", "no option 'offset'", 1, "offset", "t", UINT64_C(0));
	REFUSE("Sync", "InvalidOption", "a 64-bit", 1, "limit_usec", "s", "1s");
	REFUSE("Sync", "InvalidOption", "limit_usec 0", 1, "limit_usec", "t", UINT64_C(0));
	REFUSE("Sync", "InvalidOption", "revoke_limit_sec", 1, "limit_usec", "t", UINT64_MAX);
	REFUSE("Sync", "InvalidOption", "max_grace_msec", 1, "grace_usec", "t", UINT64_MAX);
	check(!call_region_number(other, region.id, "Restore", UINT64_MAX, &r));
	check_text(r.error, "NoSuchRevocation");
	expect_property(owner, region.id, "State", "live");
	check(!has_signal(owner, "RevocationRequested"));
	release(&region, fd);
	check(!revoke_at_once(other, region.id, &r));
	check_text(r.error, "NoSuchRegion");
}

int main(void)
{
	world_begin(&world, "[regions]\nrevoke_limit_sec = 5\n[limits]\nrevokes_per_client = 4\n");
	owner = connect_client(&world);
	other = connect_client(&world);
	subscribe(owner);
	check(get_manager_number(owner, "RevokeLimitUSec") == 5000000);
	test_blame();
	test_release_within();
	test_input();
	test_ceremony();
	test_grace();
	test_range();
	test_ends();
	test_released();
	test_keeper_lost();
	test_crowd();
	test_limit_of_connection();
	test_sync();
	test_sync_vanish();
	forget_signals(owner);
	disconnect(other);
	disconnect(owner);
	world_end(&world);
	return 0;
}
