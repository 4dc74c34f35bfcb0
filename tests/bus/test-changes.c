// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-changes.c - Configure calls of one region that are under way together: each is carried out
 * whole, judged by what the one before has left, and nobody is kept from his turn.
 *
 * The keeper stands still while they are sent, so that none is over before the last has come.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

#include "tests/fakes/polkit.h"
#include "harness.h"

#define NOBODY 65534
#define PAGE 4096u
#define WAITING_MAX 16 /* app-configure.c's: of one user, beside the one under way */

static struct world world;
static sd_bus *owner;

static void configure(sd_bus *b, uint64_t id, const char *key, const char *value, struct later *ret)
{
	sd_bus_message *m = new_region_call(b, id, "Configure");

	add_options(m, 1, key, "s", value);
	send_later(b, m, ret);
}

static void configure_grace(sd_bus *b, uint64_t id, uint64_t grace_usec, struct later *ret)
{
	sd_bus_message *m = new_region_call(b, id, "Configure");

	add_options(m, 1, "grace_usec", "t", grace_usec);
	send_later(b, m, ret);
}

/* The daemon has taken what was sent on @b, and has answered none of it. */
static void await_taken(sd_bus *b, uint64_t id, const struct later *last)
{
	check(region_exists(b, id) && still_waits(b, last));
}

static pid_t stop_keeper(const char *session)
{
	pid_t pid = session_keeper(owner, session);

	check(kill(pid, SIGSTOP) == 0);
	return pid;
}

static void expect_done(sd_bus *b, struct later *l)
{
	await_answer(b, l);
	check_text(l->reply.error, "");
}

/* Both were answered with success, so both hold. */
static void test_both(void)
{
	int fd = make_memfd(2 * PAGE);
	struct reply region, r;
	struct later a, b;
	pid_t keeper;

	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "session", "s", "both"));
	keeper = stop_keeper("both");
	configure(owner, region.id, "policy", "follow", &a);
	configure(owner, region.id, "warm_mode", "read", &b);
	await_taken(owner, region.id, &b);
	check(kill(keeper, SIGCONT) == 0);
	expect_done(owner, &a);
	expect_done(owner, &b);
	expect_property(owner, region.id, "Policy", "follow");
	expect_property(owner, region.id, "GraceUSec", "0");
	expect_property(owner, region.id, "WarmMode", "read");
	check(call_region(owner, region.id, "Release", &r));
	close(fd);
}

/* A file that cannot be marked says so for as long as it should be. */
static void test_hold(void)
{
	int fd = make_memfd(2 * PAGE);
	struct later hold, other[WAITING_MAX];
	struct reply region, r;
	char text[700];
	pid_t keeper;

	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "session", "s", "hold"));
	keeper = stop_keeper("hold");
	configure(owner, region.id, "policy", "hold", &hold);
	for (size_t i = 0; i < WAITING_MAX; i++)
		configure(owner, region.id, "warm_mode", i % 2 ? "read" : "write", &other[i]);
	await_taken(owner, region.id, &other[WAITING_MAX - 1]);
	check(kill(keeper, SIGCONT) == 0);
	expect_done(owner, &hold);
	for (size_t i = 0; i < WAITING_MAX; i++)
		expect_done(owner, &other[i]);
	expect_property(owner, region.id, "Policy", "hold");
	expect_property(owner, region.id, "WarmMode", "read");
	get_property(owner, region.id, "Degraded", text, sizeof(text));
	check(strstr(text, "policy hold"));
	check(call_region(owner, region.id, "Release", &r));
	close(fd);
}

/* No more wait than there is room for, and those that do hear of the region's end. */
static void test_bounded(void)
{
	struct later l[WAITING_MAX + 2], release;
	int fd = make_memfd(2 * PAGE);
	struct reply region;
	pid_t keeper;

	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "session", "s", "bounded"));
	keeper = stop_keeper("bounded");
	for (size_t i = 0; i < WAITING_MAX + 2; i++)
		configure_grace(owner, region.id, i, &l[i]);
	await_answer(owner, &l[WAITING_MAX + 1]);
	expect_error(&l[WAITING_MAX + 1].reply, "LimitExceeded", "16 changes");
	check(still_waits(owner, &l[WAITING_MAX]));
	send_later(owner, new_region_call(owner, region.id, "Release"), &release);
	await_taken(owner, region.id, &release);
	check(kill(keeper, SIGCONT) == 0);
	expect_done(owner, &release);
	expect_done(owner, &l[0]); /* its keeper had it before */
	for (size_t i = 1; i <= WAITING_MAX; i++) {
		await_answer(owner, &l[i]);
		expect_error(&l[i].reply, "Busy", "is being released");
	}
	close(fd);
}

/* Nobody waits for a keeper that is late longer than who was first. */
static void test_late(void)
{
	struct later l[3];
	int fd = make_memfd(2 * PAGE);
	struct reply region, r;
	pid_t keeper;

	check(register_region(owner, fd, 0, 0, "rw", &region, 1, "session", "s", "late"));
	keeper = stop_keeper("late");
	for (size_t i = 0; i < 3; i++)
		configure(owner, region.id, "policy", "hold", &l[i]);
	for (size_t i = 0; i < 3; i++) {
		await_answer(owner, &l[i]);
		expect_error(&l[i].reply, "Timeout", "it is not ended");
	}
	check(kill(keeper, SIGCONT) == 0);
	until(call_region_options(owner, region.id, "Configure", &r, 1, "policy", "s", "follow"));
	expect_property(owner, region.id, "Policy", "follow");
	check(call_region(owner, region.id, "Release", &r));
	close(fd);
}

/*
 * What the administrator takes away stays away, however many calls its tenant has under way; and he
 * does not wait for all of them.
 */
static void test_withdrawn(sd_bus *tenant)
{
	struct later first, withdrawal, others[WAITING_MAX];
	int fd = make_memfd(2 * PAGE);
	struct reply region, r;
	pid_t keeper;

	check(fchown(fd, NOBODY, NOBODY) == 0);
	check(register_region(tenant, fd, 0, 0, "rw", &region, 2, "policy", "s", "hold", "session",
			      "s", "withdrawn"));
	keeper = stop_keeper("withdrawn");
	configure(tenant, region.id, "warm_mode", "read", &first);
	for (size_t i = 0; i < WAITING_MAX; i++)
		configure(tenant, region.id, "warm_mode", i % 2 ? "read" : "write", &others[i]);
	await_taken(tenant, region.id, &others[WAITING_MAX - 1]);
	configure(owner, region.id, "policy", "yield", &withdrawal);
	await_taken(owner, region.id, &withdrawal);
	check(kill(keeper, SIGCONT) == 0);
	expect_done(owner, &withdrawal);
	expect_done(tenant, &first);
	for (size_t i = 0; i < WAITING_MAX; i++)
		expect_done(tenant, &others[i]);
	expect_property(owner, region.id, "Policy", "yield");
	expect_property(owner, region.id, "Degraded", "");

	/* users take turns: the tenant's second one comes after the administrator's */
	check(kill(keeper, SIGSTOP) == 0);
	configure_grace(tenant, region.id, 1000, &first);
	configure_grace(tenant, region.id, 2000, &others[0]);
	await_taken(tenant, region.id, &others[0]);
	configure_grace(owner, region.id, 3000, &withdrawal);
	await_taken(owner, region.id, &withdrawal);
	check(kill(keeper, SIGCONT) == 0);
	expect_done(tenant, &first);
	expect_done(owner, &withdrawal);
	expect_done(tenant, &others[0]);
	expect_property(owner, region.id, "GraceUSec", "2000");
	check(call_region(tenant, region.id, "Release", &r));
	close(fd);
}

/* An authorization that was used once, and whose fruit was taken away, is used up. */
static void test_unauthorized(sd_bus *tenant)
{
	int fd = open("/bin/sh", O_RDONLY | O_CLOEXEC);
	struct later first, withdrawal, again;
	sd_bus_message *m;
	struct reply r;
	pid_t keeper;
	uint64_t id;

	polkit_start(&world);
	m = new_manager_call(tenant, "RegisterRegion");
	check(sd_bus_message_append(m, "htts", fd, UINT64_C(0), (uint64_t)PAGE, "r") >= 0);
	add_options(m, 2, "policy", "s", "hold", "session", "s", "held");
	send_later(tenant, m, &first);
	polkit_await(1);
	polkit_answer(true, false);
	expect_done(tenant, &first);
	id = first.reply.id;
	keeper = stop_keeper("held");
	configure(tenant, id, "warm_mode", "read", &first);
	await_taken(tenant, id, &first);
	configure(owner, id, "policy", "yield", &withdrawal);
	await_taken(owner, id, &withdrawal);
	configure(tenant, id, "policy", "hold", &again);
	await_taken(tenant, id, &again);
	check(kill(keeper, SIGCONT) == 0);
	expect_done(tenant, &first);
	expect_done(owner, &withdrawal);
	await_answer(tenant, &again);
	expect_error(&again.reply, "AccessDenied", "org.rdmareg.Registry1.hold");
	expect_property(owner, id, "Policy", "yield");
	check(call_region(tenant, id, "Release", &r));
	polkit_stop();
	close(fd);
}

/*
 * A keeper that answers after it has released the region, which another one has by then: what it
 * says is of no region any more.
 */
static void test_former_keeper(void)
{
	static const char *const methods[] = { "Export", "Import", "Prefetch", "Revoke", "Sync" };
	const size_t n = sizeof(methods) / sizeof(methods[0]);
	struct later change, replace, others[sizeof(methods) / sizeof(methods[0])];
	int fd = make_memfd(2 * PAGE);
	struct reply region, r;
	char name[96], former[64];
	sd_bus_message *m;

	check(register_region(owner, fd, 0, 0, "r", &region, 3, "session", "s", "bad-former",
			      "detached", "b", 1, "grace_usec", "t", UINT64_C(1000)));
	get_property(owner, region.id, "Policy", former, sizeof(former));
	for (size_t i = 0; i < n; i++) {
		m = new_region_call(owner, region.id, methods[i]);
		if (!strcmp(methods[i], "Prefetch"))
			check(sd_bus_message_append(m, "tt", UINT64_C(0), UINT64_C(0)) >= 0);
		add_options(m, 0);
		send_later(owner, m, &others[i]);
	}
	configure(owner, region.id, "policy", "follow", &change);
	await_taken(owner, region.id, &change);
	snprintf(name, sizeof(name), "%u-bad-former-1", getuid());
	m = new_manager_call(owner, "ReplaceKeeper");
	check(sd_bus_message_append(m, "s", name) >= 0);
	add_options(m, 0);
	send_later(owner, m, &replace);
	expect_done(owner, &replace);
	await_answer(owner, &change);
	expect_error(&change.reply, "Busy", "another keeper");
	for (size_t i = 0; i < n; i++) {
		await_answer(owner, &others[i]);
		expect_error(&others[i].reply, "Busy", "another keeper");
	}
	expect_property(owner, region.id, "State", "live");
	expect_property(owner, region.id, "Policy", former);
	expect_property(owner, region.id, "GraceUSec", "1000");
	expect_property(owner, region.id, "Ticket", "");
	check(call_region(owner, region.id, "Release", &r));
	close(fd);
}

int main(void)
{
	sd_bus *tenant;

	/* nobody is late here: what is slow is the machine */
	world_begin(&world, "timeout_msec = 25000\nimport = on\n");
	owner = connect_client(&world);
	test_former_keeper();
	test_both();
	test_hold();
	test_bounded();
	if (getuid() == 0) {
		tenant = connect_as(&world, NOBODY);
		test_withdrawn(tenant);
		test_unauthorized(tenant);
		disconnect(tenant);
	}
	disconnect(owner);
	world_end(&world);
	world_begin(&world, "timeout_msec = 2000\n");
	owner = connect_client(&world);
	test_late();
	disconnect(owner);
	world_end(&world);
	return 0;
}
