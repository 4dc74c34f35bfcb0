// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-session.c - sessions as a launcher has them, in the library: create, look at, list by
 * pages, limit, drain, release, hear of. Against a played daemon (fakes/rdmaregd.h).
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rdmareg.h"
#include "tests/fakes/rdmaregd.h"

static struct rdmareg *c;

static struct rdmareg_session_info get(uint32_t uid, const char *name)
{
	struct rdmareg_session_info info = { .size = sizeof(info) };

	assert(rdmareg_session_get(c, uid, name, &info) == 0);
	assert(info.uid == uid && !strcmp(info.name, name));
	return info;
}

static void test_create(void)
{
	struct rdmareg_session_limits l = {
		.size = sizeof(l),
		.bytes = 1 << 30,
		.memory_bytes = 64 << 20,
		.regions = 4,
		.peers = 5,
		.tickets = 6,
	};
	struct rdmareg_session_info info;

	assert(rdmareg_session_create(c, 1000, "job.7", NULL) == 0 && !*mock_said());
	assert(rdmareg_session_create(c, 1000, "job.7", NULL) == 0);
	assert(rdmareg_session_create(c, 1000, "job.7", &l) == -EEXIST);
	/* names whose paths are written otherwise than they are */
	assert(rdmareg_session_create(c, UINT32_MAX - 1, "7-_.", &l) == 0);
	assert(!strcmp(mock_said(), " MaxRegions=4 MaxBytes=1073741824 MaxPeers=5 MaxTickets=6 "
				    "MaxMemory=67108864"));
	info = get(UINT32_MAX - 1, "7-_.");
	assert(info.state == RDMAREG_SESSION_ACTIVE && info.max_regions == 4 &&
	       info.max_bytes == 1 << 30 && info.max_peers == 5 && info.max_tickets == 6 &&
	       info.max_memory_bytes == 64 << 20 && info.memory_current == 3 << 20 &&
	       info.bytes == 1 << 30 && info.peers == 2 &&
	       info.created_usec == UINT64_C(1700000000000000));
	l = (struct rdmareg_session_limits){ .size = sizeof(l), .device = "mlx5_1" };
	assert(rdmareg_session_create(c, 1000, "rail", &l) == 0);
	assert(!strcmp(mock_said(), " Device=mlx5_1"));
	assert(!strcmp(get(1000, "rail").device, "mlx5_1") && !*get(1000, "job.7").device);
	l.regions = 1;
	assert(rdmareg_session_set_limits(c, 1000, "rail", &l) == -EINVAL);
	assert(strstr(rdmareg_last_error(), "cannot be changed"));
	assert(rdmareg_session_release(c, 1000, "rail", NULL, NULL) == 0);
	assert(rdmareg_session_create(c, 4711, "job", NULL) == -EACCES);
	info.size = sizeof(info);
	assert(rdmareg_session_get(c, 1000, "job", &info) == -ENXIO);
	assert(strstr(rdmareg_last_error(), "looking up session job of user 1000: "));
	assert(!strcmp(info.name, "7-_."));
}

static void test_limits(void)
{
	struct rdmareg_session_limits l = { .size = sizeof(l), .regions = 9 };

	assert(rdmareg_session_set_limits(c, 1000, "job.7", &l) == 0);
	assert(!strcmp(mock_said(), " MaxRegions=9") && get(1000, "job.7").max_regions == 9);
	l = (struct rdmareg_session_limits){ .size = sizeof(l),
					     .regions = RDMAREG_LIMIT_DEFAULT,
					     .bytes = RDMAREG_BYTES_DEFAULT };
	assert(rdmareg_session_set_limits(c, 1000, "job.7", &l) == 0);
	assert(!strcmp(mock_said(), " MaxRegions=0 MaxBytes=0"));
	assert(rdmareg_session_set_limits(c, 1001, "job.7", &l) == -ENXIO);
	assert(rdmareg_session_drain(c, 1001, "job.7") == -ENXIO);
	assert(rdmareg_session_drain(c, 1000, "job.7") == 0);
	assert(get(1000, "job.7").state == RDMAREG_SESSION_DRAINING);
}

/* How many a walk meets; each is behind the one before. */
static unsigned int walk(struct rdmareg_sessions_options *o)
{
	struct rdmareg_session_info info = { .size = sizeof(info) };
	char before[80] = "", now[80];
	struct rdmareg_sessions *l;
	unsigned int n = 0;
	int r;

	o->size = sizeof(*o);
	assert(rdmareg_list_sessions(c, o, &l) == 0);
	while ((r = rdmareg_sessions_next(l, &info)) > 0) {
		snprintf(now, sizeof(now), "%010u %s", info.uid, info.name);
		assert(strcmp(before, now) < 0);
		strcpy(before, now);
		n++;
	}
	assert(r == 0 && rdmareg_sessions_next(l, &info) == 0);
	rdmareg_sessions_free(l);
	return n;
}

static void test_list(void)
{
	struct rdmareg_sessions *left;
	char name[16];

	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "array_%d", i);
		assert(rdmareg_session_create(c, i % 2, name, NULL) == 0);
	}
	assert(walk(&(struct rdmareg_sessions_options){ 0 }) == 302);
	assert(walk(&(struct rdmareg_sessions_options){ .page = 1 }) == 302);
	assert(walk(&(struct rdmareg_sessions_options){ .page = 151 }) == 302);
	/* user 0 is a user */
	assert(walk(&(struct rdmareg_sessions_options){ .has_uid = 1 }) == 150);
	assert(walk(&(struct rdmareg_sessions_options){ .has_uid = 1, .uid = 7 }) == 0);
	assert(walk(&(struct rdmareg_sessions_options){ .state = RDMAREG_SESSION_DRAINING }) == 1);
	/* one that is not freed goes with its context */
	assert(rdmareg_list_sessions(c, NULL, &left) == 0);
}

static void test_release(void)
{
	struct rdmareg_session_release_options o = { .size = sizeof(o), .grace_usec = 2000000 };
	struct rdmareg_register_options ro = { .size = sizeof(ro), .session = "job.7" };
	struct rdmareg_released_region region = { .size = sizeof(region) };
	struct rdmareg_released *l = NULL;
	struct rdmareg_region *r;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	assert(fd >= 0);
	for (int i = 0; i < 3; i++)
		assert(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, &ro, &r) == 0);
	assert(get(1000, "job.7").regions == 3);
	assert(rdmareg_session_release(c, 1000, "job.7", &o, &l) == 0);
	assert(!strcmp(mock_said(), " GraceUSec=2000000"));
	for (uint64_t id = 1; id <= 3; id++)
		assert(rdmareg_released_next(l, &region) == 1 && region.region == id &&
		       region.outcome == RDMAREG_RELEASE_RELEASED && !*region.text);
	assert(rdmareg_released_next(l, &region) == 0 && rdmareg_released_next(l, &region) == 0);
	rdmareg_released_free(l);
	assert(rdmareg_session_release(c, 1000, "job.7", &o, &l) == -ENXIO);

	/* late, in words; and a word from a newer daemon */
	for (uint64_t limit = 1; limit <= 2; limit++) {
		assert(rdmareg_session_create(c, 1000, "job.7", NULL) == 0);
		assert(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, &ro, &r) == 0);
		o = (struct rdmareg_session_release_options){ .size = sizeof(o),
							      .limit_usec = limit };
		assert(rdmareg_session_release(c, 1000, "job.7", &o, &l) == 0);
		assert(rdmareg_released_next(l, &region) == 1);
		assert(region.outcome ==
		       (limit == 1 ? RDMAREG_RELEASE_LATE : RDMAREG_RELEASE_UNKNOWN));
		assert(!strcmp(region.text, limit == 1 ? "the storage hangs" : ""));
		assert(rdmareg_released_next(l, &region) == 0);
		rdmareg_released_free(l);
	}
	/* none of the words is needed */
	assert(rdmareg_session_create(c, 1000, "job.7", NULL) == 0);
	o = (struct rdmareg_session_release_options){ .size = sizeof(o),
						      .grace_usec = RDMAREG_NO_GRACE,
						      .limit_usec = RDMAREG_NO_WAIT };
	assert(rdmareg_session_release(c, 1000, "job.7", &o, NULL) == 0);
	assert(!strcmp(mock_said(), " GraceUSec=0 LimitUSec=0"));
	close(fd);
}

/* The next event. */
static struct rdmareg_event await_event(void)
{
	struct pollfd p = { .fd = rdmareg_get_fd(c), .events = POLLIN };
	struct rdmareg_event e = { .size = sizeof(e) };
	int r;

	while ((r = rdmareg_next_event(c, &e)) == 0) {
		assert(poll(&p, 1, -1) == 1);
		assert(rdmareg_dispatch(c) >= 0);
	}
	assert(r == 1);
	return e;
}

static void expect(enum rdmareg_event_type type, enum rdmareg_session_state state)
{
	struct rdmareg_event e = await_event();

	assert(e.type == type && e.session_state == state && e.session_uid == 1000);
	assert(!strcmp(e.session, "-e.7_") && !e.region);
	assert(e.end == (type == RDMAREG_EVENT_SESSION_REMOVED ? RDMAREG_END_RELEASED
							       : RDMAREG_END_UNKNOWN));
}

/* How a session's life is told; "-e.7_" is one that its path spells otherwise. */
static void test_events(void)
{
	struct rdmareg_session_limits l = { .size = sizeof(l), .regions = 9 };

	/* who did not ask hears nothing: the first event is from after the subscription */
	assert(rdmareg_session_create(c, 1000, "before", NULL) == 0);
	assert(rdmareg_subscribe(c) == 0);
	assert(rdmareg_session_create(c, 1000, "-e.7_", NULL) == 0);
	expect(RDMAREG_EVENT_SESSION_ADDED, RDMAREG_SESSION_UNKNOWN);
	assert(rdmareg_session_set_limits(c, 1000, "-e.7_", &l) == 0);
	expect(RDMAREG_EVENT_SESSION_CHANGED, RDMAREG_SESSION_ACTIVE);
	mock_tell("session-nonsense", 0);
	/* many changes are one, with the newest state */
	for (int i = 0; i < 20; i++)
		assert(rdmareg_session_set_limits(c, 1000, "-e.7_", &l) == 0);
	assert(rdmareg_session_drain(c, 1000, "-e.7_") == 0);
	/* two lives of one name are not mixed up */
	assert(rdmareg_session_release(c, 1000, "-e.7_", NULL, NULL) == 0);
	assert(rdmareg_session_create(c, 1000, "-e.7_", NULL) == 0);
	assert(rdmareg_session_set_limits(c, 1000, "-e.7_", &l) == 0);
	expect(RDMAREG_EVENT_SESSION_CHANGED, RDMAREG_SESSION_DRAINING);
	expect(RDMAREG_EVENT_SESSION_REMOVED, RDMAREG_SESSION_UNKNOWN);
	expect(RDMAREG_EVENT_SESSION_ADDED, RDMAREG_SESSION_UNKNOWN);
	expect(RDMAREG_EVENT_SESSION_CHANGED, RDMAREG_SESSION_ACTIVE);
	assert(rdmareg_session_release(c, 1000, "-e.7_", NULL, NULL) == 0);
	expect(RDMAREG_EVENT_SESSION_CHANGED, RDMAREG_SESSION_ACTIVE);
	expect(RDMAREG_EVENT_SESSION_REMOVED, RDMAREG_SESSION_UNKNOWN);
}

int main(void)
{
	alarm(60);
	if (mock_bus_start())
		return 77;
	pid_t mock = mock_daemon_start();

	assert(rdmareg_open(NULL, &c) == 0);
	test_create();
	test_limits();
	test_list();
	test_release();
	test_events();
	rdmareg_close(c);
	mock_daemon_stop(mock);
	mock_bus_stop();
	return 0;
}
