// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-revocation.c - a filesystem wants its blocks back: who is asked, what counts as an answer,
 * and what happens to a client that goes away at each stage.
 */
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "harness.h"

static struct world world;
static sd_bus *watcher;

static void test_acknowledge(sd_bus *b)
{
	int fd = make_memfd(8192);
	sd_bus *other = connect_client(&world);
	struct reply region, r;
	uint64_t revocation;
	char text[64];

	check(register_region(b, fd, 0, 0, "rw", &region, 1, "grace_usec", "t",
			      UINT64_C(10000000)));
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " truncate 4096",
			  region.id);
	revocation = await_request(b, "truncate");
	check(await_request(watcher, "truncate") == revocation);
	expect_property(b, region.id, "State", "draining");
	snprintf(text, sizeof(text), "%" PRIu64 " truncate", revocation);
	expect_property(b, region.id, "Revocation", text);
	/* wrong numbers, wrong people */
	check(!acknowledge(b, region.id, revocation + 1, &r));
	check_text(r.error, "NoSuchRevocation");
	check(!acknowledge(b, region.id, 0, &r));
	check_text(r.error, "NoSuchRevocation");
	check(!acknowledge(other, region.id, revocation, &r));
	check_text(r.error, "NoSuchRevocation");
	check(!acknowledge(watcher, region.id, revocation, &r));
	check_text(r.error, "NoSuchRevocation");
	expect_property(b, region.id, "State", "draining");
	/* the right one; twice is no error; it is over long before its grace */
	check(acknowledge(b, region.id, revocation, &r));
	check(acknowledge(b, region.id, revocation, &r));
	await_settled(b, revocation, "truncated", 4096);
	await_settled(watcher, revocation, "truncated", 4096);
	expect_property(b, region.id, "State", "live");
	expect_property(b, region.id, "ValidLength", "4096");
	expect_property(b, region.id, "Revocation", "0 ");
	/* the next one: the old number is stale */
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " fallocate", region.id);
	check(await_request(b, "fallocate") == revocation + 1);
	check(!acknowledge(other, region.id, revocation, &r));
	check_text(r.error, "NoSuchRevocation");
	check(acknowledge(b, region.id, revocation + 1, &r));
	await_settled(b, revocation + 1, "restored", 4096);
	check(call_region(b, region.id, "Release", &r));
	disconnect(other);
	close(fd);
	forget_signals(watcher);
}

/* What somebody waits for is the first that a holder hears, and the properties come after it. */
static void test_asked_first(sd_bus *b)
{
	int fd = make_memfd(8192);
	struct reply region, r;
	uint64_t revocation;

	check(register_region(b, fd, 0, 0, "rw", &region, 1, "grace_usec", "t",
			      UINT64_C(10000000)));
	forget_signals(b);
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " clone", region.id);
	check(count_signals_before(b, "RevocationRequested") == 0);
	revocation = await_request(b, "clone");
	sd_bus_message_unref(await_signal(b, "PropertiesChanged"));
	check(acknowledge(b, region.id, revocation, &r));
	await_settled(b, revocation, "restored", 8192);
	check(call_region(b, region.id, "Release", &r));
	close(fd);
	forget_signals(b);
	forget_signals(watcher);
}

/* Nobody answers: the keeper goes on at its deadline, and says so. */
static void test_deadline(sd_bus *b)
{
	int fd = make_memfd(8192);
	struct reply region, r;
	uint64_t revocation;

	check(register_region(b, fd, 0, 0, "rw", &region, 1, "grace_usec", "t", UINT64_C(50000)));
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " clone", region.id);
	revocation = await_request(b, "clone");
	await_settled(b, revocation, "restored", 8192);
	check(!acknowledge(b, region.id, revocation, &r));
	check_text(r.error, "NoSuchRevocation");
	check(call_region(b, region.id, "Release", &r));
	close(fd);
	forget_signals(watcher);
}

/* A region that nobody holds any more needs no grace. */
static void test_nobody_to_ask(void)
{
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(8192);
	struct reply region, r;
	uint64_t revocation;

	check(register_region(b, fd, 0, 0, "rw", &region, 2, "grace_usec", "t", UINT64_C(10000000),
			      "detached", "b", 1));
	disconnect(b);
	until((get_property(watcher, region.id, "Clients", r.text, sizeof(r.text)),
	       !strcmp(r.text, "0")));
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " truncate 0", region.id);
	revocation = await_request(watcher, "truncate");
	await_settled(watcher, revocation, "truncated", 0);
	check(call_region(watcher, region.id, "Release", &r));
	close(fd);
	forget_signals(watcher);
}

/* A client goes away while it is asked: it is waited for no longer, and its region ends. */
static void test_vanish_while_draining(void)
{
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(8192);
	struct reply region;

	listen_signals(b);
	check(register_region(b, fd, 0, 0, "rw", &region, 1, "grace_usec", "t",
			      UINT64_C(10000000)));
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " truncate 0", region.id);
	await_request(b, "truncate");
	disconnect(b);
	sd_bus_message_unref(await_signal(watcher, "RegionRemoved"));
	check(count_regions(watcher) == 0);
	close(fd);
	forget_signals(watcher);
}

/* Asks and does not wait. */
static void send_register(sd_bus *b, int fd, bool detached)
{
	sd_bus_message *m = NULL;

	check(sd_bus_message_new_method_call(b, &m, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
					     RDMAREG_MANAGER_INTERFACE, "RegisterRegion") >= 0);
	check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), UINT64_C(0), "rw") >= 0);
	check(sd_bus_message_append(m, "a{sv}", 2, "detached", "b", (int)detached, "session", "s",
				    "vanish") >= 0);
	check(sd_bus_send(b, m, NULL) >= 0 && sd_bus_flush(b) >= 0);
	sd_bus_message_unref(m);
}

static void test_vanish_before_reply(void)
{
	int fd = make_memfd(8192);

	for (int i = 0; i < 20; i++) {
		sd_bus *b = connect_client(&world);

		send_register(b, fd, false);
		disconnect(b);
		if (i % 5 == 0)
			until(count_regions(watcher) == 0);
	}
	until(count_regions(watcher) == 0);
	close(fd);
	forget_signals(watcher);
}

/* After the reply: attached ones end, detached ones stay. */
static void test_vanish_after_reply(void)
{
	int fd = make_memfd(8192);
	struct reply attached, detached, r;
	sd_bus *b = connect_client(&world);

	check(register_region(b, fd, 0, 0, "rw", &attached, 0));
	check(register_region(b, fd, 0, 0, "rw", &detached, 1, "detached", "b", 1));
	disconnect(b);
	until(!region_exists(watcher, attached.id));
	check(region_exists(watcher, detached.id));
	check(call_region(watcher, detached.id, "Release", &r));
	close(fd);
	forget_signals(watcher);
}

/*
 * The holder goes while somebody else's Release is under way, and both with it: nothing is answered
 * twice, nothing is left.
 */
static void test_release_races(void)
{
	int fd = make_memfd(8192);

	for (int i = 0; i < 20; i++) {
		sd_bus *b = connect_client(&world), *other = connect_client(&world);
		sd_bus_message *m = NULL;
		struct reply region;

		check(register_region(b, fd, 0, 0, "rw", &region, 0));
		for (int k = 0; k < 3; k++) {
			check(sd_bus_message_new_method_call(other, &m, RDMAREG_BUS_NAME,
							     region.path, RDMAREG_REGION_INTERFACE,
							     "Release") >= 0);
			check(sd_bus_send(other, m, NULL) >= 0);
			m = sd_bus_message_unref(m);
		}
		check(sd_bus_flush(other) >= 0);
		disconnect(i % 2 ? b : other);
		disconnect(i % 2 ? other : b);
	}
	until(count_regions(watcher) == 0);
	close(fd);
	forget_signals(watcher);
}

/* Peers are holders, too. */
static void test_peers(sd_bus *b)
{
	int fd = make_memfd(8192);
	struct reply region, r;
	uint64_t revocation;

	check(register_region(b, fd, 0, 0, "rw", &region, 1, "grace_usec", "t",
			      UINT64_C(10000000)));
	check(export_region(b, region.id, &r, 0));
	check(strstr(r.ticket, "rdmareg://"));
	expect_property(b, region.id, "Ticket", r.ticket);
	world_tell_keeper(&world, getuid(), "default", "peer-join %" PRIu64 " rw", region.id);
	until((get_property(b, region.id, "Peers", r.text, sizeof(r.text)), !strcmp(r.text, "1")));
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " truncate 4096",
			  region.id);
	revocation = await_request(b, "truncate");
	check(acknowledge(b, region.id, revocation, &r));
	expect_property(b, region.id, "State", "draining"); /* the peer has not */
	world_tell_keeper(&world, getuid(), "default", "peer-ack %" PRIu64, region.id);
	await_settled(b, revocation, "truncated", 4096);
	world_tell_keeper(&world, getuid(), "default", "peer-leave %" PRIu64, region.id);
	until((get_property(b, region.id, "Peers", r.text, sizeof(r.text)), !strcmp(r.text, "0")));
	check(call_region(b, region.id, "Release", &r));
	close(fd);
	forget_signals(watcher);
}

int main(void)
{
	sd_bus *b;

	world_begin(&world, "");
	watcher = connect_client(&world);
	subscribe(watcher);
	b = connect_client(&world);
	listen_signals(b);
	test_asked_first(b);
	test_acknowledge(b);
	test_deadline(b);
	test_nobody_to_ask();
	test_vanish_while_draining();
	test_vanish_before_reply();
	test_vanish_after_reply();
	test_release_races();
	test_peers(b);
	forget_signals(b);
	disconnect(b);
	disconnect(watcher);
	world_end(&world);
	return 0;
}
