// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-flood.c - far more requests than the limits allow, without waiting for answers. Each is
 * answered, the limit is met exactly, the daemon stays small, another client is served meanwhile,
 * and when the flood's connection ends nothing is left of it. Some are refused because too many are
 * under way: how many is chance, so it goes on until the limit is met.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "harness.h"

#define REQUESTS 100000 /* RDMAREG_FLOOD asks for another number: ./run flood for a million */
#define LIMIT 1000
#define WINDOW 4096 /* unanswered at any time */

static struct world world;
static size_t granted, refused, again, other;
static uint64_t last_id;

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const sd_bus_error *e = sd_bus_message_get_error(m);

	(void)userdata, (void)error;
	if (!e) {
		check(sd_bus_message_read(m, "t", &last_id) > 0);
		granted++;
	} else if (!strcmp(e->name, RDMAREG_ERROR_LIMIT_EXCEEDED) &&
		   strstr(e->message, "regions_per_tenant")) {
		refused++;
	} else if (!strcmp(e->name, RDMAREG_ERROR_LIMIT_EXCEEDED) &&
		   (strstr(e->message, "pending_calls_per_") ||
		    strstr(e->message, "wait to be closed"))) {
		/* it comes faster than it is answered, and would be granted or refused later */
		again++;
	} else {
		fprintf(stderr, "%s: %s\n", e->name, e->message);
		other++;
	}
	return 0;
}

static void send_one(sd_bus *b, int fd)
{
	sd_bus_message *m = NULL;

	check(sd_bus_message_new_method_call(b, &m, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
					     RDMAREG_MANAGER_INTERFACE, "RegisterRegion") >= 0);
	check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), UINT64_C(4096), "rw") >= 0);
	check(sd_bus_message_append(m, "a{sv}", 1, "warm", "b", 0) >= 0);
	check(sd_bus_call_async(b, NULL, m, on_answer, NULL, UINT64_MAX) >= 0);
	sd_bus_message_unref(m);
}

static size_t answered(void)
{
	return granted + refused + again + other;
}

static void flood(sd_bus *b, sd_bus *bystander, int fd, size_t requests)
{
	size_t sent = 0, largest = 0, before = world_memory(&world);

	granted = refused = again = other = 0;
	while (answered() < sent || sent < requests || (granted < LIMIT && sent < 10 * requests)) {
		bool more = sent < requests || granted < LIMIT;

		for (int i = 0; i < 64 && more && sent - answered() < WINDOW; i++, sent++)
			send_one(b, fd);
		while (sd_bus_process(b, NULL) > 0)
			;
		if (sent % 4096 == 0) {
			size_t now = world_memory(&world);

			largest = now > largest ? now : largest;
			check(get_manager_number(bystander, "Keepers") <= 4);
		}
		if (answered() < sent && (!more || sent - answered() == WINDOW))
			check(sd_bus_wait(b, WAIT_SEC * 1000000ull) >= 0);
	}
	check(other == 0);
	if (!getenv("RDMAREG_TEST_SANITIZED")) /* these keep what was freed */
		check(largest < before + 32 * 1024);
}

/* Lists in pages of @limit and counts. */
static size_t page_through(sd_bus *b, uint32_t limit)
{
	uint64_t after = 0, id;
	size_t total = 0, n;

	do {
		sd_bus_message *reply = NULL;

		check(sd_bus_call_method(b, RDMAREG_BUS_NAME, RDMAREG_MANAGER_PATH,
					 RDMAREG_MANAGER_INTERFACE, "ListRegions", NULL, &reply,
					 "a{sv}", 2, "limit", "u", limit, "after", "t",
					 after) >= 0);
		check(sd_bus_message_enter_container(reply, 'a', "(toa{sv})") > 0);
		for (n = 0; sd_bus_message_enter_container(reply, 'r', "toa{sv}") > 0; n++) {
			check(sd_bus_message_read(reply, "t", &id) > 0 && id > after);
			after = id;
			check(sd_bus_message_skip(reply, "oa{sv}") > 0 &&
			      sd_bus_message_exit_container(reply) >= 0);
		}
		total += n;
		sd_bus_message_unref(reply);
	} while (n == limit);
	return total;
}

/* The other limits, each told by its key. */
static void test_limits(void)
{
	sd_bus *b = connect_client(&world);
	int fd = make_memfd(4096), large = make_memfd(1 << 20);
	struct reply r;

	check(!register_region(b, large, 0, UINT64_C(1) << 31, "rw", &r, 1, "warm", "b", 0));
	check_text(r.error, "LimitExceeded");
	check(strstr(r.text, "bytes_per_tenant"));
	for (int i = 0; i < 4; i++) {
		char session[8];

		snprintf(session, sizeof(session), "s%d", i);
		if (register_region(b, fd, 0, 0, "rw", &r, 1, "session", "s", session))
			continue;
		check(i == 3);
		check_text(r.error, "LimitExceeded");
		check(strstr(r.text, "tenants_per_uid"));
	}
	check(register_region(b, fd, 0, 0, "rw", &r, 1, "session", "s", "s0"));
	for (int i = 0; i < 3; i++) {
		struct reply t;

		if (export_region(b, r.id, &t, 0))
			continue;
		check(i == 2);
		expect_error(&t, "LimitExceeded", "tickets_per_region");
	}
	close(large);
	disconnect(b);
	b = connect_client(&world);
	until(count_regions(b) == 0);
	/*
	 * a session counts until its keeper is gone, so there is room for another one some time
	 * later
	 */
	until(register_region(b, fd, 0, 0, "rw", &r, 0));
	check(call_region(b, r.id, "Release", &r));
	disconnect(b);
	close(fd);
}

/* More descriptors at once than the daemon could open. They are taken as it gets to them. */
static void test_descriptors(void)
{
	const int each = 16; /* more dbus-daemon does not pass with one message */
	int fd = make_memfd(4096);
	struct later last = { 0 };
	sd_bus_message *m;
	struct holders h;
	struct reply r;
	struct rlimit l;
	sd_bus *b;

	check(getrlimit(RLIMIT_NOFILE, &l) == 0);
	l.rlim_cur = l.rlim_max = 1024;
	check(setrlimit(RLIMIT_NOFILE, &l) == 0);
	world_begin(&world, "");
	b = connect_client(&world);
	get_manager_number(b, "Regions"); /* it is known */
	check(kill(world.daemon, SIGSTOP) == 0);
	for (int n = 0; n < 2048; n += each) {
		m = new_manager_call(b, "Subscribe");
		for (int i = 0; i < each; i++)
			check(sd_bus_message_append(m, "h", fd) >= 0);
		check(sd_bus_message_set_expect_reply(m, 0) >= 0 && sd_bus_send(b, m, NULL) >= 0);
		sd_bus_message_unref(m);
	}
	m = new_manager_call(b, "FindHolders");
	check(sd_bus_message_append(m, "h", fd) >= 0);
	send_later(b, m, &last);
	check(sd_bus_flush(b) >= 0);
	check(sd_bus_call_method(b, "org.freedesktop.DBus", "/org/freedesktop/DBus",
				 "org.freedesktop.DBus", "GetId", NULL, NULL, NULL) >= 0);
	check(kill(world.daemon, SIGCONT) == 0);
	await_answer(b, &last);
	if (*last.reply.error) /* they are closed by threads, which may be behind */
		expect_error(&last.reply, "LimitExceeded", "wait to be closed");
	until(find_holders(b, fd, &h, &r));
	check(!world_log_contains(&world, "no token can be made"));
	disconnect(b);
	close(fd);
	world_end(&world);
}

static int on_bus_full(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	bool *full = userdata;

	(void)error;
	*full |= sd_bus_message_is_method_error(m, SD_BUS_ERROR_LIMITS_EXCEEDED) > 0;
	return 0;
}

static void pass_by_bus(sd_bus *b)
{
	check(sd_bus_flush(b) >= 0);
	check(sd_bus_call_method(b, "org.freedesktop.DBus", "/org/freedesktop/DBus",
				 "org.freedesktop.DBus", "GetId", NULL, NULL, NULL) >= 0);
}

/*
 * Until the bus has no room for more that is for the daemon, which stands still. From none of them
 * it takes all that it has.
 */
static void fill_bus(sd_bus **flooders, size_t n)
{
	const size_t size = 16 << 20;
	char *body = calloc(1, size);
	bool full = false;

	check(body);
	for (size_t i = 0; !full; i++) {
		sd_bus *b = flooders[i % n];
		sd_bus_message *m = new_manager_call(b, "Subscribe");

		check(sd_bus_message_append_array(m, 'y', body, size) >= 0 &&
		      sd_bus_call_async(b, NULL, m, on_bus_full, &full, UINT64_MAX) >= 0);
		sd_bus_message_unref(m);
		pass_by_bus(b);
		while (sd_bus_process(b, NULL) > 0)
			;
	}
	free(body);
}

/* Also while the bus has no room for the question. */
static bool has_ended(sd_bus *b, uint64_t region)
{
	sd_bus_message *m = new_manager_call(b, "GetRegion");
	struct reply r;

	check(sd_bus_message_append(m, "t", region) >= 0);
	return !finish_call(b, m, &r) && !strcmp(r.error, "NoSuchRegion");
}

/* The bus drops what tells that a client has left, since too much waits for the daemon already. */
static void test_lost_end(void)
{
	sd_bus *owner, *flooders[3], *bystander;
	int fd = make_memfd(4096);
	struct reply r;

	world_begin(&world, "");
	owner = connect_client(&world);
	for (int i = 0; i < 3; i++)
		flooders[i] = connect_client(&world);
	bystander = connect_client(&world);
	check(register_region(owner, fd, 0, 0, "rw", &r, 0));
	check(region_exists(bystander, r.id));
	check(kill(world.daemon, SIGSTOP) == 0);
	fill_bus(flooders, 3);
	disconnect(owner);
	pass_by_bus(bystander);
	check(kill(world.daemon, SIGCONT) == 0);
	until(has_ended(bystander, r.id));
	check(world_log_contains(&world, "gone, which the bus did not tell"));
	for (int i = 0; i < 3; i++)
		disconnect(flooders[i]);
	disconnect(bystander);
	close(fd);
	world_end(&world);
}

int main(void)
{
	const char *asked = getenv("RDMAREG_FLOOD");
	size_t requests = asked ? strtoul(asked, NULL, 10) : REQUESTS;
	sd_bus *b, *bystander;
	int fd;

	world_begin(
		&world,
		"[limits]\nregions_per_tenant = 1000\nregions_per_client = 2000\nbytes_per_tenant = 1G\n"
		"tenants_per_uid = 3\ntickets_per_region = 2\n");
	test_limits();
	bystander = connect_client(&world);
	for (int round = 0; round < 2; round++) { /* the second finds the quota whole again */
		b = connect_client(&world);
		fd = make_memfd(4096);
		flood(b, bystander, fd, round ? requests / 10 : requests);
		fprintf(stderr, "round %d: %zu granted, %zu refused, %zu too early\n", round,
			granted, refused, again);
		check(granted == LIMIT);
		check(page_through(bystander, 1) == LIMIT && page_through(bystander, 7) == LIMIT &&
		      page_through(bystander, 4096) == LIMIT &&
		      page_through(bystander, 1000) == LIMIT);
		close(fd);
		disconnect(b);
		until(count_regions(bystander) == 0);
	}
	disconnect(bystander);
	world_end(&world);
	test_lost_end();
	test_descriptors();
	return 0;
}
