// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-holders.c - the library's calls for holders and for those who want blocks back,
 * against a played daemon (fakes/rdmaregd.h): what is sent, how answers are taken, what is refused
 * before anything is sent, and what becomes of it over a restart of the daemon.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fakes/rdmaregd.h"
#include "client-wait.h"

static pid_t mock;
static struct rdmareg *c;

static struct rdmareg_region *look_up(uint64_t id)
{
	struct rdmareg_region *region = NULL;

	assert(rdmareg_lookup(c, id, &region) == 0);
	return region;
}

static int new_file(size_t bytes)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	return fd;
}

/*
 * A member that this version does not know, in each structure of options that a program can give.
 */
static void test_structures(void)
{
	struct {
		size_t size;
		uint64_t known[16], newer;
	} newer = { .size = sizeof(newer), .newer = 1 }, small = { .size = 4 };
	struct rdmareg_region *region = look_up(1);
	uint64_t number = 99;
	uint32_t n = 99;

	assert(rdmareg_configure(region, (void *)&newer) == -E2BIG &&
	       rdmareg_configure(region, (void *)&small) == -EINVAL);
	assert(rdmareg_revoke(region, (void *)&newer, &number) == -E2BIG);
	assert(rdmareg_revoke(region, (void *)&small, &number) == -EINVAL && number == 99);
	assert(rdmareg_sync(region, (void *)&newer, (void *)&newer) == -E2BIG);
	assert(rdmareg_sync(region, NULL, NULL) == -EINVAL &&
	       rdmareg_sync(region, NULL, (void *)&small) == -EINVAL);
	assert(rdmareg_evict(c, 0, (void *)&newer, &n) == -E2BIG &&
	       rdmareg_evict(c, 0, (void *)&small, &n) == -EINVAL);
	assert(rdmareg_evict(c, -1, NULL, &n) == -EBADF && n == 99);
	assert(rdmareg_enforce_limits(c, (void *)&newer, &n) == -E2BIG &&
	       rdmareg_enforce_limits(c, (void *)&small, &n) == -EINVAL && n == 99);
	rdmareg_region_free(region);
}

static void test_configure(void)
{
	struct rdmareg_configure_options o = { .size = sizeof(o) };
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_region *region = look_up(1);

	o.policy = 9;
	assert(rdmareg_configure(region, &o) == -EINVAL &&
	       strstr(rdmareg_last_error(), "follow, yield, hold"));
	o = (struct rdmareg_configure_options){ .size = sizeof(o), .arbitration = 3 };
	assert(rdmareg_configure(region, &o) == -EINVAL &&
	       strstr(rdmareg_last_error(), "auto, pre-content"));
	o = (struct rdmareg_configure_options){ .size = sizeof(o),
						.policy = RDMAREG_POLICY_HOLD,
						.grace_usec = RDMAREG_NO_GRACE };
	assert(rdmareg_configure(region, &o) == 0 &&
	       !strcmp(mock_said(), " policy=hold grace_usec=0"));
	assert(rdmareg_region_get_info(region, &info) == 0 && info.policy == RDMAREG_POLICY_YIELD);
	assert(rdmareg_region_refresh(region) == 0 && rdmareg_region_get_info(region, &info) == 0);
	assert(info.policy == RDMAREG_POLICY_HOLD && info.refuses && !info.grace_usec);
	assert(rdmareg_configure(region, NULL) == 0 && !*mock_said());
	rdmareg_region_free(region);
}

static void test_revoke(void)
{
	struct rdmareg_revoke_options o = { .size = sizeof(o),
					    .offset = 4096,
					    .length = UINT64_MAX };
	struct rdmareg_configure_options co = { .size = sizeof(co),
						.policy = RDMAREG_POLICY_YIELD };
	struct rdmareg_region_info info = { .size = sizeof(info) };
	struct rdmareg_region *region = look_up(1);
	uint64_t number = 0;

	assert(rdmareg_revoke(region, NULL, NULL) == -EINVAL);
	assert(rdmareg_revoke(region, &o, &number) == -ERANGE &&
	       strstr(rdmareg_last_error(), "overflows"));
	o.length = 0;
	assert(rdmareg_revoke(region, &o, &number) == -ERANGE && !number); /* the daemon's word */
	o = (struct rdmareg_revoke_options){
		.size = sizeof(o), .grace_usec = 7, .offset = 1024, .length = 512, .for_usec = 9
	};
	assert(rdmareg_revoke(region, &o, &number) == 0 && number == mock_tell("revoked", 1) &&
	       number);
	assert(!strcmp(mock_said(), " grace_usec=7 offset=1024 length=512 for_usec=9"));
	assert(rdmareg_region_refresh(region) == 0 && rdmareg_region_get_info(region, &info) == 0);
	assert(info.state == RDMAREG_STATE_FENCED);
	assert(rdmareg_configure(region, &co) == -EBUSY);
	assert(rdmareg_restore(region, number + 1) == -ESTALE &&
	       rdmareg_restore(region, 0) == -ESTALE);
	assert(rdmareg_restore(region, number) == 0 && rdmareg_restore(region, number) == -ESTALE);
	assert(rdmareg_revoke(region, NULL, &number) == 0 && !*mock_said() &&
	       rdmareg_restore(region, number) == 0);
	rdmareg_region_free(region);
}

static void test_sync(void)
{
	struct rdmareg_sync_result result = { .size = sizeof(result) };
	struct rdmareg_sync_options o = { .size = sizeof(o), .grace_usec = 5, .limit_usec = 6 };
	struct rdmareg_region *region = look_up(2);

	assert(rdmareg_sync(region, &o, &result) == 0 &&
	       !strcmp(mock_said(), " grace_usec=5 limit_usec=6"));
	assert(result.revocation && result.valid_length == 4096 &&
	       result.durable == RDMAREG_DURABLE_STORAGE);
	result.durable = 77;
	o.limit_usec = 1;
	assert(rdmareg_sync(region, &o, &result) == -ETIME &&
	       strstr(rdmareg_last_error_name(), "Error.Timeout"));
	/*
	 * No word of where the data is, and one of another type: not durable, whatever the rest
	 * says.
	 */
	o.limit_usec = 2;
	assert(rdmareg_sync(region, &o, &result) == -EBADMSG);
	o.limit_usec = 3;
	assert(rdmareg_sync(region, &o, &result) == -EBADMSG && result.durable == 77);
	rdmareg_region_free(region);
}

static void test_devices(void)
{
	struct rdmareg_device d = { .size = sizeof(d) }, unsized = { 0 };
	struct rdmareg_keeper k = { .size = sizeof(k) };
	struct rdmareg_standing s = { .size = sizeof(s) };
	struct rdmareg_standings *standings;
	struct rdmareg_devices *devices = NULL;
	struct rdmareg_keepers *keepers = NULL;

	assert(rdmareg_list_devices(c, &devices) == 0);
	assert(rdmareg_devices_next(devices, &unsized) == -EINVAL);
	assert(rdmareg_devices_next(devices, &d) == 1 && !strcmp(d.kind, "dax-region") &&
	       d.dynamic == 1);
	assert(d.available_bytes == UINT64_C(1) << 30 && d.dax_region == 3 &&
	       d.node == UINT32_MAX && !*d.path);
	assert(rdmareg_devices_next(devices, &d) == 1 && !strcmp(d.path, "/dev/dax0.0") &&
	       !*d.unusable);
	assert(d.bytes == UINT64_C(1) << 32 && d.alignment == UINT64_C(2) << 20 && !d.dynamic);
	assert(rdmareg_devices_next(devices, &d) == 1 && !strcmp(d.unusable, "it is memory") &&
	       d.node == 2);
	assert(!*d.driver && !*d.netdev && !d.mtu && !*d.quirks);
	assert(rdmareg_devices_next(devices, &d) == 1 && !strcmp(d.kind, "adapter") &&
	       d.mtu == 4200 && !strcmp(d.abilities, "flush") && !strcmp(d.quirks, "none") &&
	       !*d.firmware);
	assert(rdmareg_devices_next(devices, &d) == 1 && !strcmp(d.netdev, "lo") && !d.mtu);
	assert(rdmareg_devices_next(devices, &d) == 1 && !strcmp(d.netdev, "away0") && !d.mtu);
	assert(rdmareg_devices_next(devices, &d) == 0 && rdmareg_devices_next(devices, &d) == 0);
	assert(rdmareg_devices_free(devices) == NULL && rdmareg_devices_free(NULL) == NULL);

	mock_tell("scramble", 0);
	assert(rdmareg_list_devices(c, &devices) == 0);
	assert(rdmareg_devices_next(devices, &d) == -EBADMSG &&
	       rdmareg_devices_next(devices, &d) == -EBADMSG);
	rdmareg_devices_free(devices);
	assert(rdmareg_list_keepers(c, NULL, &keepers) == 0);
	assert(rdmareg_keepers_next(keepers, &k) == -EBADMSG &&
	       rdmareg_keepers_next(keepers, &k) == -EBADMSG);
	rdmareg_keepers_free(keepers);
	assert(rdmareg_list_standing(c, NULL, &standings) == 0);
	assert(rdmareg_standings_next(standings, &s) == -EBADMSG);
	rdmareg_standings_free(standings);
}

static void test_keepers(void)
{
	const struct rdmareg_keepers_options foreign = { .size = sizeof(foreign),
							 .session = "default",
							 .state = "foreign" };
	const struct rdmareg_keepers_options wrong = { .size = sizeof(wrong), .state = "lost" };
	struct rdmareg_keeper k = { .size = sizeof(k) }, unsized = { 0 };
	struct rdmareg_keepers *keepers = NULL;

	assert(rdmareg_list_keepers(c, NULL, &keepers) == 0);
	assert(rdmareg_keepers_next(keepers, &unsized) == -EINVAL);
	assert(rdmareg_keepers_next(keepers, &k) == 1 && !strcmp(k.name, "0-default-1"));
	assert(!strcmp(k.state, "driven") && k.pid == 4711 && k.version == 5 && k.regions == 3);
	assert(k.bytes == UINT64_C(1) << 32 && k.runs_as == UINT32_MAX && !*k.trouble && !*k.unit);
	assert(rdmareg_keepers_next(keepers, &k) == 1 && k.uid == 7 && k.runs_as == 61200);
	assert(rdmareg_keepers_next(keepers, &k) == 0 && rdmareg_keepers_next(keepers, &k) == 0);
	assert(!rdmareg_keepers_free(keepers) && !rdmareg_keepers_free(NULL));
	assert(rdmareg_list_keepers(c, &foreign, &keepers) == 0);
	assert(rdmareg_keepers_next(keepers, &k) == 1 && !strcmp(k.state, "foreign"));
	assert(k.min == 9 && k.max == 9 && !k.version && strstr(k.trouble, "version 9"));
	assert(rdmareg_keepers_next(keepers, &k) == 0);
	rdmareg_keepers_free(keepers);
	keepers = NULL;
	assert(rdmareg_list_keepers(c, &wrong, &keepers) == -EINVAL && !keepers);
}

static void test_standing(void)
{
	const struct rdmareg_standing_options waiting = { .size = sizeof(waiting), .waiting = 1 };
	struct rdmareg_standing s = { .size = sizeof(s) };
	struct rdmareg_standings *walk = NULL;

	assert(rdmareg_list_standing(c, NULL, &walk) == 0);
	assert(rdmareg_standings_next(walk, &s) == 1 && !strcmp(s.name, "there") && s.region == 5);
	assert(s.uid == 7 && s.length == 4096 && s.access == RDMAREG_ACCESS_READ_WRITE && !*s.why);
	assert(rdmareg_standings_next(walk, &s) == 1 && !strcmp(s.name, "away") && !s.region);
	assert(!strcmp(s.path, "/b") && strstr(s.why, "is not the file"));
	assert(rdmareg_standings_next(walk, &s) == 0 && rdmareg_standings_next(walk, &s) == 0);
	rdmareg_standings_free(walk);
	assert(rdmareg_list_standing(c, &waiting, &walk) == 0);
	assert(rdmareg_standings_next(walk, &s) == 1 && !strcmp(s.name, "away"));
	assert(rdmareg_standings_next(walk, &s) == 0);
	rdmareg_standings_free(walk);
}

static void test_find_holders(void)
{
	struct rdmareg_holder h = { .size = sizeof(h) };
	struct rdmareg_holders *holders = (void *)1;
	struct rdmareg *other = NULL;
	int full = new_file(4096), empty = new_file(0), odd = new_file(13),
	    directory = open("/", O_PATH | O_CLOEXEC);

	assert(rdmareg_find_holders(c, -1, &holders) == -EBADF);
	assert(rdmareg_find_holders(c, directory, &holders) == -EBADF && holders == (void *)1);
	assert(rdmareg_find_holders(c, empty, &holders) == 0 &&
	       rdmareg_holders_next(holders, &h) == 0);
	assert(rdmareg_holders_next(holders, &h) == 0 && rdmareg_holders_free(holders) == NULL);

	assert(rdmareg_find_holders(c, odd, &holders) == 0);
	assert(rdmareg_holders_next(holders, &h) == -EBADMSG &&
	       rdmareg_holders_next(holders, &h) == -EBADMSG);
	rdmareg_holders_free(holders);

	/* It stands alone: the context may be gone. */
	assert(rdmareg_open(NULL, &other) == 0 && rdmareg_find_holders(other, full, &holders) == 0);
	rdmareg_close(other);
	h.size = 4;
	assert(rdmareg_holders_next(holders, &h) == -EINVAL);
	h.size = sizeof(h);
	assert(rdmareg_holders_next(holders, &h) == 1 && h.region == 7 &&
	       h.kind == RDMAREG_HOLDER_OWNER);
	assert(h.pid == 4711 && !strcmp(h.cgroup, "/system.slice/job.service") &&
	       !strcmp(h.session, "job.7"));
	assert(!*h.address && !h.asked.id);
	assert(rdmareg_holders_next(holders, &h) == 1 && h.kind == RDMAREG_HOLDER_PEER && !h.pid &&
	       !*h.cgroup);
	assert(!strcmp(h.address, "10.0.0.2") && h.access == RDMAREG_ACCESS_READ_WRITE);
	assert(h.asked.id == 3 && h.asked.cause == RDMAREG_CAUSED_BY_SYNC &&
	       h.asked.length == 4096);
	assert(rdmareg_holders_next(holders, &h) == 1 && h.region == 9 &&
	       h.kind == RDMAREG_HOLDER_UNKNOWN);
	assert(rdmareg_holders_next(holders, &h) == 0);
	rdmareg_holders_free(holders);
	assert(rdmareg_holders_free(NULL) == NULL);
	close(full);
	close(empty);
	close(odd);
	close(directory);
}

static void test_join(void)
{
	struct rdmareg_region *region = look_up(3), *full = look_up(4), *owned = NULL;
	struct rdmareg_event e;
	int fd = new_file(4096);

	assert(rdmareg_join(region) == 0 && rdmareg_join(region) == 0 &&
	       mock_tell("joined", 3) == 1);
	mock_tell("fill", 4);
	assert(rdmareg_join(full) == -EDQUOT);
	assert(rdmareg_register(c, fd, 0, 0, RDMAREG_ACCESS_READ, NULL, &owned) == 0 &&
	       rdmareg_leave(owned) == -EBUSY);
	/* It is a holder without the handle too. */
	rdmareg_region_free(region);
	mock_tell("ask", 3);
	e = wait_event(c);
	assert(e.type == RDMAREG_EVENT_REVOCATION_REQUESTED && e.region == 3 &&
	       e.revocation.id == 3);

	/*
	 * Three in a row before anybody looks: the newest is what there is. One that comes late is
	 * older.
	 */
	mock_tell("ask 5", 3);
	mock_tell("change", 3);
	mock_tell("ask 8", 3);
	mock_tell("ask 6", 3);
	do
		assert(rdmareg_dispatch(c) == 0);
	while (mock_tell("acked", 3) != 0);
	e = wait_event(c);
	assert(e.type == RDMAREG_EVENT_REVOCATION_REQUESTED && e.revocation.id == 8);
	assert(rdmareg_acknowledge(c, 3, 8) == 0 && mock_tell("acked", 3) == 8);
	assert(wait_event(c).type == RDMAREG_EVENT_REGION_CHANGED);
	/* One that was settled is a story of its own. */
	mock_tell("ask 9", 3);
	mock_tell("settle 9", 3);
	mock_tell("ask 10", 3);
	assert(wait_event(c).revocation.id == 9 &&
	       wait_event(c).type == RDMAREG_EVENT_REVOCATION_SETTLED);
	assert(wait_event(c).revocation.id == 10);

	region = look_up(3);
	assert(rdmareg_leave(region) == 0 && mock_tell("joined", 3) == 0 &&
	       rdmareg_leave(region) == 0);
	assert(rdmareg_release(region) == 0 && rdmareg_leave(region) == -ENOENT &&
	       rdmareg_join(region) == -ENOENT);
	rdmareg_region_free(region);
	rdmareg_region_free(full);
	rdmareg_region_free(owned);
	close(fd);
}

static void wait_for(enum rdmareg_event_type type)
{
	assert(wait_event(c).type == type);
}

/* A daemon that comes back is asked for what was joined, and for nothing else. */
static void test_restart(void)
{
	struct rdmareg_region *five = look_up(5), *six = look_up(6), *left = look_up(7),
			      *gone = look_up(8), *nine = look_up(9);
	struct rdmareg_event e;

	assert(!rdmareg_join(five) && !rdmareg_join(six) && !rdmareg_join(left) &&
	       !rdmareg_join(gone) && !rdmareg_join(nine));
	assert(rdmareg_leave(left) == 0);
	mock_tell("vanish", 8);
	wait_for(RDMAREG_EVENT_REGION_REMOVED);
	mock_tell("gone", 9);
	wait_for(RDMAREG_EVENT_REVOCATION_SETTLED);
	mock_daemon_stop(mock);
	wait_for(RDMAREG_EVENT_DAEMON_LOST);
	assert(rdmareg_join(left) == -EHOSTUNREACH);

	mock = mock_daemon_start();
	mock_tell("populate", 10);
	wait_for(RDMAREG_EVENT_DAEMON_BACK);
	assert(mock_tell("joined", 5) == 1 && mock_tell("joined", 6) == 1);
	assert(mock_tell("joined", 7) == 0 && mock_tell("joined", 8) == 0 &&
	       mock_tell("joined", 9) == 0);
	mock_tell("ask", 6);
	e = wait_event(c);
	assert(e.type == RDMAREG_EVENT_REVOCATION_REQUESTED && e.region == 6);

	/* One that comes and goes before it can answer is no refusal; the next is asked. */
	mock_daemon_stop(mock);
	mock = mock_daemon_start();
	mock_daemon_stop(mock);
	wait_for(RDMAREG_EVENT_DAEMON_LOST);
	do
		assert(rdmareg_dispatch(c) == 0);
	while (rdmareg_acknowledge(c, 5, 1) != -EHOSTUNREACH);
	mock = mock_daemon_start();
	mock_tell("populate", 5);
	mock_tell("fill", 3);
	/* It has 5 and not 6: that one is told, once, and not tried again. */
	do {
		e = wait_event(c);
		assert(e.type == RDMAREG_EVENT_DAEMON_BACK || e.type == RDMAREG_EVENT_DAEMON_LOST ||
		       e.type == RDMAREG_EVENT_LEFT);
	} while (e.type != RDMAREG_EVENT_LEFT);
	assert(e.region == 6 && mock_tell("joined", 5) == 1);
	mock_tell("populate", 5);
	mock_tell("ask", 5);
	e = wait_event(c);
	assert(e.type == RDMAREG_EVENT_REVOCATION_REQUESTED && e.region == 5 &&
	       mock_tell("joined", 6) == 0);
	rdmareg_region_free(five);
	rdmareg_region_free(six);
	rdmareg_region_free(left);
	rdmareg_region_free(gone);
	rdmareg_region_free(nine);
}

static void test_evict(void)
{
	struct rdmareg_evict_options o = { .size = sizeof(o), .grace_usec = 1 };
	int fd = open("/", O_PATH | O_CLOEXEC);
	uint32_t n = 99;

	assert(rdmareg_evict(c, fd, &o, &n) == -EACCES && n == 99);
	o.grace_usec = RDMAREG_NO_GRACE;
	assert(rdmareg_evict(c, fd, &o, &n) == 0 && n == 10 &&
	       !strcmp(mock_said(), " grace_usec=0"));
	assert(rdmareg_evict(c, fd, NULL, NULL) == 0 && !*mock_said());
	close(fd);
	o.grace_usec = 1;
	assert(rdmareg_enforce_limits(c, &o, &n) == -EACCES && n == 10);
	assert(rdmareg_enforce_limits(c, NULL, &n) == 0 && n == 0 && !*mock_said());
	assert(rdmareg_enforce_limits(c, NULL, NULL) == 0);
}

int main(void)
{
	alarm(60);
	if (mock_bus_start())
		return 77;
	mock = mock_daemon_start();
	mock_tell("populate", 10);
	assert(rdmareg_open(NULL, &c) == 0);
	test_structures();
	test_configure();
	test_revoke();
	test_sync();
	test_keepers();
	test_standing();
	test_devices();
	test_find_holders();
	test_join();
	test_restart();
	test_evict();
	/* With what is joined still on its list. */
	rdmareg_close(c);
	mock_daemon_stop(mock);
	mock_bus_stop();
	return 0;
}
