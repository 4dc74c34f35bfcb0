// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-bus.c - the owner side's context, regions and events against a played daemon on a
 * private bus (fakes/rdmaregd.h).
 *
 * Nothing sleeps: every wait is a poll on the context's descriptor, as a user of the library would
 * do it.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/fakes/rdmaregd.h"
#include "client-wait.h"
#include "region-properties.h"

#define NOBODY_KNOWS 54321

static pid_t mock;

static int new_file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert(fd >= 0 && ftruncate(fd, 65536) == 0);
	return fd;
}

static void test_register(void)
{
	struct rdmareg_register_options o = {
		.size = sizeof(o),
		.policy = RDMAREG_POLICY_HOLD,
		.session = "job.7",
		.detached = 1,
		.arbitration = RDMAREG_ARBITRATE_PRE_CONTENT,
		.grace_usec = RDMAREG_NO_GRACE,
	};
	struct rdmareg_export_options eo = {
		.size = sizeof(eo), .access = RDMAREG_ACCESS_READ, .uses = 1, .expires_usec = 5
	};
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_region *region = NULL, *again = NULL;
	struct rdmareg *c = NULL;
	char *ticket = NULL;
	int fd = new_file();

	assert(rdmareg_open(NULL, &c) == 0);
	assert(rdmareg_register(c, fd, 4096, 8192, RDMAREG_ACCESS_READ_WRITE, &o, &region) == 0);
	assert(!strcmp(
		mock_said(),
		" policy=hold grace_usec=0 arbitration=pre-content session=job.7 detached=1"));
	assert(rdmareg_region_get_info(region, &info) == 0);
	assert(info.refuses == 1 && info.clients == 0 && !*info.degraded && info.grace_usec == 0);
	assert(info.id == rdmareg_region_id(region) && info.offset == 4096 && info.length == 8192 &&
	       info.rkey == 0x1234);
	assert(info.state == RDMAREG_STATE_LIVE &&
	       info.arbitration_mode == RDMAREG_ARBITRATION_LAYOUT_LEASE && info.detached == 1);
	assert(info.access == RDMAREG_ACCESS_READ_WRITE && info.policy == RDMAREG_POLICY_HOLD &&
	       info.translation_bytes == 2097152 && info.standing == 1);
#define COUNTER(member, property, ...) \
	assert(info.member == (strcmp(property, "Faults") ? mock_count(property) : UINT64_MAX));
	REGION_COUNTERS(COUNTER)
#undef COUNTER
	assert(info.path_state == RDMAREG_PATH_THERE && !strcmp(info.path_now, "/some/file"));
	assert(!strcmp(info.session, "job.7") && !strcmp(info.path, "/some/file") &&
	       !*info.ticket && !info.revocation.id);

	assert(rdmareg_export(region, &eo, &ticket) == 0 &&
	       strstr(ticket, "rdmareg://10.0.0.1:4791/"));
	assert(rdmareg_region_refresh(region) == 0 && rdmareg_region_get_info(region, &info) == 0);
	assert(!strcmp(info.ticket, ticket));
	free(ticket);
	assert(rdmareg_prefetch(region, 0, 0, 1) == 0);
	assert(rdmareg_acknowledge(c, info.id, 5) == 0 &&
	       mock_tell("acked", (unsigned int)info.id) == 5);
	assert(rdmareg_acknowledge(c, info.id, 404) == -ESTALE);

	assert(rdmareg_lookup(c, info.id, &again) == 0);
	assert(rdmareg_release(again) == 0);
	assert(rdmareg_release(region) == -ENOENT && rdmareg_region_refresh(region) == -ENOENT);
	assert(rdmareg_lookup(c, 12345, &again) == -ENOENT);
	assert(strstr(rdmareg_last_error_name(), "NoSuchRegion"));
	/* One handle is freed here, the other with the context. */
	assert(rdmareg_region_free(region) == NULL);
	assert(rdmareg_close(c) == NULL && rdmareg_close(NULL) == NULL &&
	       rdmareg_region_free(NULL) == NULL);
	close(fd);
}

/* What kinds of property are read as. */
static void expect_number(uint64_t got, uint64_t wanted)
{
	assert(got == wanted);
}

/* A brief list brings what it is said to bring as @all has it, and nothing else. */
static void test_brief(struct rdmareg *c, const struct rdmareg_region_info *all)
{
	struct rdmareg_list_options o = { .size = sizeof(o),
					  .session = MOCK_EACH_PROPERTY,
					  .brief = 1 };
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_list *l;

	assert(rdmareg_list(c, &o, &l) == 0 && rdmareg_list_next(l, &info) == 1);
#define IS_NUMBER(member, wanted) (info.member == (wanted))
#define IS_BYTES IS_NUMBER
#define IS_TIME IS_NUMBER
#define IS_ADDRESS IS_NUMBER
#define IS_SMALL IS_NUMBER
#define IS_KEY IS_NUMBER
#define IS_TRUTH IS_NUMBER
#define IS_TEXT(member, wanted) !strcmp(info.member, (wanted) ? (wanted) : "")
#define IS_COUNT(member, wanted) \
	(info.member == (wanted) || (&info.member == &info.faults && info.member == UINT64_MAX))
#define IS_REVOCATION(member, wanted) (info.member.id == 0)
#define VALUE(member, name, kind, told, where) \
	assert(IS_##kind(member, 0 WHERE_##where(+1) ? all->member : 0));
#define WORD(member, name, vocabulary, told, where) \
	assert((int)info.member == (0 WHERE_##where(+1) ? (int)all->member : 0));
	REGION_PROPERTIES(VALUE, WORD)
#undef WORD
#undef VALUE
	assert(rdmareg_list_next(l, &info) == 0);
	rdmareg_list_free(l);
}

/* Whatever the daemon shows gets through, each to its own member. */
static void test_each_property(void)
{
	struct rdmareg_register_options o = { .size = sizeof(o), .session = MOCK_EACH_PROPERTY };
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_region *region;
	struct rdmareg *c = NULL;
	int fd = new_file();

	assert(rdmareg_open(NULL, &c) == 0);
	assert(rdmareg_register(c, fd, 0, 4096, RDMAREG_ACCESS_READ, &o, &region) == 0);
	assert(rdmareg_region_get_info(region, &info) == 0);
#define NUMBER(got, name) \
	expect_number(got, strcmp(name, "Id") ? mock_count(name) : rdmareg_region_id(region))
#define EXPECT_NUMBER NUMBER
#define EXPECT_COUNT NUMBER
#define EXPECT_BYTES NUMBER
#define EXPECT_TIME NUMBER
#define EXPECT_ADDRESS NUMBER
#define EXPECT_SMALL(got, name) expect_number(got, (uint32_t)mock_count(name))
#define EXPECT_KEY EXPECT_SMALL
#define EXPECT_TRUTH(got, name) expect_number(got, 1)
#define EXPECT_TEXT(got, name) assert(!strcmp(got, name))
#define EXPECT_REVOCATION(got, name) expect_number((got).id, mock_count(name))
#define VALUE(member, name, kind, told, where) EXPECT_##kind(info.member, name);
#define WORD(member, name, vocabulary, told, where) assert(info.member != 0); /* its vocabulary's */
	REGION_PROPERTIES(VALUE, WORD)
#undef WORD
#undef VALUE
	test_brief(c, &info);
	assert(rdmareg_release(region) == 0);
	rdmareg_close(c);
	close(fd);
}

static void test_refusals(void)
{
	struct rdmareg_register_options o = { .size = sizeof(o), .policy = 9 };
	struct rdmareg_region *region = (void *)1;
	struct rdmareg *c = NULL;
	int fd = new_file();

	assert(rdmareg_open(NULL, &c) == 0);
	assert(rdmareg_register(c, fd, 999, 4096, RDMAREG_ACCESS_READ, NULL, &region) == -ERANGE);
	assert(strstr(rdmareg_last_error(), "round it down") &&
	       strstr(rdmareg_last_error(), "registering 4096 bytes at offset 999"));
	assert(rdmareg_register(c, fd, 0, 13, RDMAREG_ACCESS_READ, NULL, &region) == -EDQUOT);
	assert(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_UNKNOWN, NULL, &region) == -EINVAL);
	assert(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, &o, &region) == -EINVAL);
	o = (struct rdmareg_register_options){ .size = sizeof(o), .arbitration = 9 };
	assert(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, &o, &region) == -EINVAL);
	assert(strstr(rdmareg_last_error(), "auto, pre-content"));
	assert(rdmareg_register(c, -1, 0, 0, RDMAREG_ACCESS_READ, NULL, &region) == -EBADF);
	assert(rdmareg_register(c, 987, 0, 0, RDMAREG_ACCESS_READ, NULL, &region) < 0);
	assert(region == (void *)1);
	rdmareg_close(c);
	close(fd);
}

static void test_list(void)
{
	static const uint32_t pages[] = { 0, 1, 7, 300, 4096 };
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_list_options o = { .size = sizeof(o), .page = 5000 };
	struct rdmareg_list *l = NULL;
	struct rdmareg *c = NULL;

	mock_tell("populate", 300);
	assert(rdmareg_open(NULL, &c) == 0);
	assert(rdmareg_list(c, &o, &l) == -EINVAL);
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		uint64_t last = 0;
		int n = 0;

		o.page = pages[i];
		o.brief = i % 3 == 0;
		assert(rdmareg_list(c, &o, &l) == 0);
		while (rdmareg_list_next(l, &info) > 0) {
			assert(info.id > last && !strcmp(info.session, "default"));
			last = info.id;
			n++;
		}
		assert(n == 300 && rdmareg_list_next(l, &info) == 0);
		if (i % 2) /* the others go with the context */
			rdmareg_list_free(l);
	}
	o.session = "nobody";
	assert(rdmareg_list(c, &o, &l) == 0 && rdmareg_list_next(l, &info) == 0);
	rdmareg_close(c);
}

static void test_events(void)
{
	struct rdmareg_event e = { .size = sizeof(e) };
	struct rdmareg *c = NULL;

	assert(rdmareg_open(NULL, &c) == 0);
	assert(rdmareg_next_event(c, &e) == 0);
	assert(rdmareg_subscribe(c) == 0 && rdmareg_subscribe(c) == 0);
	/* From somebody who is not the daemon: must leave no trace before the next, real one. */
	mock_tell("forge", 17);
	mock_tell("ask", 11);
	e = wait_event(c);
	assert(e.type == RDMAREG_EVENT_REVOCATION_REQUESTED && e.region == 11 &&
	       e.revocation.id == 3);
	assert(e.revocation.cause == RDMAREG_CAUSED_BY_TRUNCATE && e.revocation.offset == 4096 &&
	       e.revocation.length == 8192);
	mock_tell("settle", 11);
	e = wait_event(c);
	assert(e.type == RDMAREG_EVENT_REVOCATION_SETTLED &&
	       e.outcome == RDMAREG_OUTCOME_TRUNCATED && e.valid_length == 4096);
	/* Changes are one report until it is taken. */
	for (int i = 0; i < 50; i++)
		mock_tell("change", 11);
	mock_tell("vanish", 11);
	e = wait_event(c);
	assert(e.type == RDMAREG_EVENT_REGION_CHANGED && e.region == 11);
	do
		e = wait_event(c);
	while (e.type == RDMAREG_EVENT_REGION_CHANGED);
	assert(e.type == RDMAREG_EVENT_REGION_REMOVED && e.region == 11 &&
	       e.end == RDMAREG_END_LOST);
	mock_tell("vanish-mute", 11);
	e = wait_event(c);
	assert(e.type == RDMAREG_EVENT_REGION_REMOVED && e.region == 11 &&
	       e.end == RDMAREG_END_UNKNOWN);

	mock_daemon_stop(mock);
	e = wait_event(c);
	assert(e.type == RDMAREG_EVENT_DAEMON_LOST);
	assert(rdmareg_subscribe(c) == -EHOSTUNREACH &&
	       strstr(rdmareg_last_error(), "not running"));
	mock = mock_daemon_start();
	e = wait_event(c);
	assert(e.type == RDMAREG_EVENT_DAEMON_BACK);
	/* The subscription is renewed without being asked for: by the library's next message. */
	assert(rdmareg_dispatch(c) == 0);
	mock_tell("ask", 2);
	e = wait_event(c);
	assert(e.type == RDMAREG_EVENT_REVOCATION_REQUESTED && e.region == 2);
	rdmareg_close(c);
}

static void test_daemon_dies(void)
{
	struct rdmareg_region *region = NULL;
	struct rdmareg *c = NULL;
	int fd = new_file(), r;

	assert(rdmareg_open(NULL, &c) == 0);
	r = rdmareg_register(c, fd, 0, 77, RDMAREG_ACCESS_READ, NULL, &region);
	assert(r == -ETIMEDOUT || r == -EHOSTUNREACH);
	waitpid(mock, NULL, 0);
	mock = mock_daemon_start();
	assert(rdmareg_register(c, fd, 0, 4096, RDMAREG_ACCESS_READ, NULL, &region) == 0);
	rdmareg_close(c);
	close(fd);
}

/*
 * Who has no account on this machine hears that, and not that a connection is gone. Takes root, to
 * become one.
 */
static void test_no_account(void)
{
	char folder[128];
	int status;
	pid_t pid;

	if (getuid() != 0 || getpwuid(NOBODY_KNOWS))
		return;
	/* the bus's own folder is its user's alone */
	assert(sscanf(getenv("RDMAREG_BUS_ADDRESS"), "unix:path=%127[^,]", folder) == 1);
	assert(chmod(folder, 0777) == 0);
	*strrchr(folder, '/') = 0;
	assert(chmod(folder, 0755) == 0);
	pid = fork();
	assert(pid >= 0);
	if (!pid) {
		const struct passwd *own;
		struct rdmareg *c = NULL;

		assert(setuid(NOBODY_KNOWS) == 0);
		own = getpwuid(0);
		assert(own && own->pw_uid == 0);
		assert(rdmareg_open(NULL, &c) == -EACCES &&
		       strstr(rdmareg_last_error(), "has no account") && !c);
		/* another thread of a program may be reading what the C library returned to it */
		assert(!strcmp(own->pw_name, "root") && own->pw_uid == 0);
		_exit(0);
	}
	assert(waitpid(pid, &status, 0) == pid && status == 0);
}

int main(void)
{
	struct rdmareg *c = NULL;

	/* A library's user may have closed anything; a test may not hang for ever. */
	alarm(60);
	setenv("RDMAREG_BUS_ADDRESS", "unix:path=/nonexistent", 1);
	assert(rdmareg_open(NULL, &c) < 0 &&
	       strstr(rdmareg_last_error(),
		      "the bus of RDMAREG_BUS_ADDRESS, unix:path=/nonexistent: "));
	unsetenv("RDMAREG_BUS_ADDRESS");
	setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent", 1);
	assert(rdmareg_open(NULL, &c) < 0 &&
	       strstr(rdmareg_last_error(), "connecting to the system bus: ") &&
	       !strstr(rdmareg_last_error(), "RDMAREG_BUS_ADDRESS"));
	if (mock_bus_start())
		return 77;
	mock = mock_daemon_start();
	test_register();
	test_each_property();
	test_refusals();
	test_list();
	test_events();
	test_daemon_dies();
	test_no_account();
	mock_daemon_stop(mock);
	mock_bus_stop();
	return 0;
}
