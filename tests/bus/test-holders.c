// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-holders.c - who uses a region: connections that join it are asked like its owner, and
 * FindHolders tells everybody of them, what they were asked, and who they are.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define NOBODY 65534
#define LONG UINT64_C(10000000)

static struct world world;
static sd_bus *watcher;

static void make_region(sd_bus *b, int fd, struct reply *ret)
{
	check(register_region(b, fd, 0, 0, "rw", ret, 1, "grace_usec", "t", LONG));
}

static void join(sd_bus *b, uint64_t id)
{
	struct reply r;

	check(call_region(b, id, "Join", &r));
}

static void release(sd_bus *b, const struct reply *region, int fd)
{
	struct reply r;

	check(call_region(b, region->id, "Release", &r));
	close(fd);
	forget_signals(watcher);
}

static void break_region(uint64_t id)
{
	world_tell_keeper(&world, getuid(), "default", "break %" PRIu64 " fallocate", id);
}

/* Everybody is asked, once, whatever else he is; the blocks wait for the last one. */
static void test_join(void)
{
	sd_bus *owner = connect_client(&world), *other = connect_client(&world);
	int fd = make_memfd(8192);
	struct reply region, r;
	uint64_t revocation;

	subscribe(owner);
	subscribe(other);
	make_region(owner, fd, &region);
	join(other, region.id);
	join(other, region.id);
	join(owner, region.id);
	expect_property(owner, region.id, "Clients", "2");
	forget_signals(owner);
	forget_signals(other);
	break_region(region.id);
	revocation = await_request(owner, "fallocate");
	check(await_request(other, "fallocate") == revocation);
	check(!has_signal(owner, "RevocationRequested") &&
	      !has_signal(other, "RevocationRequested"));
	check(acknowledge(owner, region.id, revocation, &r));
	expect_property(owner, region.id, "State", "draining");
	check(!acknowledge(watcher, region.id, revocation, &r));
	expect_error(&r, "NoSuchRevocation", "joined");
	check(acknowledge(other, region.id, revocation, &r));
	await_settled(other, revocation, "restored", 8192);
	await_settled(owner, revocation, "restored", 8192);
	check(!has_signal(owner, "RevocationSettled") && !has_signal(other, "RevocationSettled"));
	expect_property(owner, region.id, "State", "live");
	disconnect(other);
	release(owner, &region, fd);
	disconnect(owner);
}

/* Who only joined hears of its region and of no other. */
static void test_signals(void)
{
	sd_bus *owner = connect_client(&world), *other = connect_client(&world);
	int fd = make_memfd(8192);
	struct reply region, second, r;

	listen_signals(other);
	make_region(owner, fd, &region);
	make_region(owner, fd, &second);
	join(other, region.id);
	forget_signals(other);
	check(export_region(owner, second.id, &r, 0));
	check(!has_signal(other, "PropertiesChanged"));
	check(export_region(owner, region.id, &r, 0));
	until(has_signal(other, "PropertiesChanged")); /* together with what changed just before */
	forget_signals(other);
	check(call_region(other, region.id, "Leave", &r));
	forget_signals(other);
	check(export_region(owner, region.id, &r, 0));
	check(!has_signal(other, "PropertiesChanged"));
	check(call_region(owner, second.id, "Release", &r));
	disconnect(other);
	release(owner, &region, fd);
	disconnect(owner);
}

/* Leaving, or going away, is as good as an acknowledgement. */
static void test_leave(void)
{
	sd_bus *owner = connect_client(&world), *other = connect_client(&world),
	       *third = connect_client(&world);
	int fd = make_memfd(8192);
	struct reply region, r;
	uint64_t revocation;

	listen_signals(owner);
	make_region(owner, fd, &region);
	check(call_region(other, region.id, "Leave", &r)); /* never joined */
	check(!call_region(owner, region.id, "Leave", &r));
	expect_error(&r, "Busy", "owns");
	join(other, region.id);
	join(third, region.id);
	expect_property(owner, region.id, "Clients", "3");
	break_region(region.id);
	revocation = await_request(owner, "fallocate");
	check(acknowledge(owner, region.id, revocation, &r));
	check(call_region(other, region.id, "Leave", &r));
	expect_property(owner, region.id, "State", "draining");
	expect_property(owner, region.id, "Clients", "2");
	disconnect(third);
	await_settled(owner, revocation, "restored", 8192);
	expect_property(owner, region.id, "Clients", "1");
	disconnect(other);
	release(owner, &region, fd);
	disconnect(owner);
}

/* A region that outlives its owner goes on asking those who use it. */
static void test_detached(void)
{
	sd_bus *owner = connect_client(&world), *other = connect_client(&world);
	int fd = make_memfd(8192);
	struct reply region, r;
	struct holders h;
	uint64_t revocation;

	listen_signals(other);
	check(register_region(owner, fd, 0, 0, "rw", &region, 2, "detached", "b", 1, "grace_usec",
			      "t", LONG));
	join(other, region.id);
	disconnect(owner);
	until(find_holders(other, fd, &h, &r) && h.n == 1);
	check_text(h.item[0].kind, "client");
	forget_signals(other);
	break_region(region.id);
	revocation = await_request(other, "fallocate");
	check(acknowledge(other, region.id, revocation, &r));
	await_settled(other, revocation, "restored", 8192);
	disconnect(other);
	until(find_holders(watcher, fd, &h, &r) && !strcmp(h.item[0].kind, "none"));
	check(h.n == 1 && h.item[0].region == region.id && h.item[0].uid == getuid() &&
	      !h.item[0].pid && !h.item[0].since_usec);
	release(watcher, &region, fd);
}

/*
 * What one user's connections have joined together; another user's are not counted in, and who is
 * gone has left.
 */
static void test_join_limit_of_user(void)
{
	enum { N = 4 };
	sd_bus *b[N + 1], *nobody;
	int fd = make_memfd(8192);
	struct reply region[3], r;

	if (getuid() != 0)
		return;
	for (int i = 0; i < N; i++)
		b[i] = connect_as(&world, NOBODY);
	for (int i = 0; i < 3; i++)
		check(register_region(b[3], fd, 0, 0, "rw", &region[i], 1, "grace_usec", "t",
				      UINT64_C(0)));
	for (int i = 0; i < 4; i++) /* two each of two connections: joins_per_uid */
		join(b[i / 2], region[i % 2].id);
	check(!call_region(b[2], region[2].id, "Join", &r));
	expect_error(&r, "LimitExceeded", "uid 65534 have joined regions 4 times");
	expect_error(&r, "LimitExceeded", "joins_per_uid");
	expect_property(b[3], region[2].id, "Clients", "1");
	join(b[0], region[1].id); /* asks for nothing more */
	nobody = connect_as(&world, 1);
	check(register_region(nobody, fd, 0, 0, "rw", &r, 1, "grace_usec", "t", UINT64_C(0)));
	join(watcher, r.id);
	check(call_region(b[0], region[0].id, "Leave", &r));
	join(b[2], region[2].id);
	check(!call_region(b[2], region[0].id, "Join", &r));
	disconnect(b[1]);
	until(call_region(b[2], region[0].id, "Join", &r));
	/* the end of a region is the end of its joins */
	check(call_region(b[3], region[0].id, "Release", &r));
	join(b[0], region[2].id);
	for (int i = 0; i < N; i++)
		if (i != 1)
			disconnect(b[i]);
	disconnect(nobody);
	until(count_regions(watcher) == 0);
	close(fd);
	forget_signals(watcher);
}

static void test_join_limit(void)
{
	int fd = make_memfd(8192);
	struct reply region[3], r;
	sd_bus *b = connect_client(&world);

	for (int i = 0; i < 3; i++)
		make_region(watcher, fd, &region[i]);
	join(b, region[0].id);
	join(b, region[1].id);
	check(!call_region(b, region[2].id, "Join", &r));
	expect_error(&r, "LimitExceeded", "joins_per_client");
	expect_property(b, region[2].id, "Clients", "1");
	join(b, region[1].id); /* asks for nothing more */
	check(call_region(b, region[0].id, "Leave", &r));
	join(b, region[2].id);
	disconnect(b); /* else it would be asked, and had its grace */
	for (int i = 0; i < 3; i++)
		check(call_region(watcher, region[i].id, "Release", &r));
	close(fd);
	forget_signals(watcher);
}

/* Of this process. */
static void check_process(const struct holder_seen *h)
{
	char line[300] = "";
	FILE *f = fopen("/proc/self/cgroup", "re");

	check(h->pid == (uint64_t)getpid() && h->uid == getuid());
	check(f && fgets(line, sizeof(line), f));
	fclose(f);
	line[strcspn(line, "\n")] = 0;
	check(*h->cgroup == '/' && strstr(line, h->cgroup));
}

static void test_find(void)
{
	sd_bus *owner = connect_client(&world), *other = connect_client(&world);
	int fd = make_memfd(8192), again, unrelated = make_memfd(8192);
	const struct holder_seen *peer;
	struct reply region, second, r;
	struct holders h;
	uint64_t revocation;
	char path[64];

	listen_signals(owner);
	make_region(owner, fd, &region);
	check(register_region(owner, fd, 4096, 0, "r", &second, 1, "session", "s", "second"));
	join(other, region.id);
	check(export_region(owner, region.id, &r, 0));
	world_tell_keeper(&world, getuid(), "default", "peer-join %" PRIu64 " rw", region.id);
	until(find_holders(owner, fd, &h, &r) && h.n == 4);
	/* any descriptor of the same file */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_PATH | O_CLOEXEC);
	check(again >= 0 && find_holders(owner, again, &h, &r) && h.n == 4);
	close(again);
	check(find_holders(owner, unrelated, &h, &r) && h.n == 0);
	close(unrelated);

	check(find_holders(owner, fd, &h, &r));
	for (size_t i = 0; i < h.n; i++)
		check(h.item[i].since_usec && !h.item[i].revocation &&
		      h.item[i].region == (i < 3 ? region.id : second.id));
	check_process(holder_of_kind(&h, "owner", 0));
	check_process(holder_of_kind(&h, "client", 0));
	check_text(holder_of_kind(&h, "owner", 0)->session, "default");
	check_text(holder_of_kind(&h, "owner", 1)->session, "second");
	peer = holder_of_kind(&h, "peer", 0);
	check(peer && !peer->pid && !*peer->cgroup && *peer->address);
	check_text(peer->access, "rw");

	break_region(region.id);
	revocation = await_request(owner, "fallocate");
	check(acknowledge(other, region.id, revocation, &r));
	check(find_holders(owner, fd, &h, &r) && h.n == 4);
	check(!holder_of_kind(&h, "client", 0)->revocation &&
	      !holder_of_kind(&h, "owner", 1)->revocation);
	for (int i = 0; i < 2; i++) {
		const struct holder_seen *asked = holder_of_kind(&h, i ? "peer" : "owner", 0);

		check(asked->revocation == revocation && asked->offset == 0 &&
		      asked->length == 8192 && asked->deadline_usec > asked->since_usec);
		check_text(asked->cause, "fallocate");
	}
	check(acknowledge(owner, region.id, revocation, &r));
	world_tell_keeper(&world, getuid(), "default", "peer-ack %" PRIu64, region.id);
	await_settled(owner, revocation, "restored", 8192);
	world_tell_keeper(&world, getuid(), "default", "peer-leave %" PRIu64, region.id);
	until(find_holders(owner, fd, &h, &r) && h.n == 3);
	check(call_region(owner, second.id, "Release", &r));
	disconnect(other);
	release(owner, &region, fd);
	disconnect(owner);
}

/*
 * The process that opened the connection has ended and another one keeps it open: nobody is told of
 * a process that is not there, let alone of one that got its number.
 */
static void test_inherited(void)
{
	int fd = make_memfd(8192), ends[2], status;
	struct holders h;
	struct reply r;
	pid_t pid;
	char c;

	check(pipe2(ends, O_CLOEXEC) == 0);
	pid = fork();
	check(pid >= 0);
	if (pid == 0) {
		sd_bus *b = connect_client(&world);

		make_region(b, fd, &r);
		pid = fork();
		if (pid == 0) {
			close(ends[1]);
			while (read(ends[0], &c, 1) > 0)
				;
		}
		_exit(pid < 0);
	}
	close(ends[0]);
	check(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && !WEXITSTATUS(status));
	check(find_holders(watcher, fd, &h, &r) && h.n == 1);
	check_text(h.item[0].kind, "owner");
	check(h.item[0].uid == getuid() && !h.item[0].pid && !*h.item[0].cgroup);
	close(ends[1]);
	until(find_holders(watcher, fd, &h, &r) && h.n == 0);
	close(fd);
	forget_signals(watcher);
}

/* Another user finds nothing, and joins nothing. */
static void test_hidden(void)
{
	int fd = make_memfd(8192);
	struct reply region, r;
	struct holders h;
	sd_bus *b;

	if (getuid() != 0)
		return; /* takes root to become somebody; test-isolation.c says so */
	make_region(watcher, fd, &region);
	b = connect_as(&world, NOBODY);
	check(find_holders(b, fd, &h, &r) && h.n == 0);
	check(!call_region(b, region.id, "Join", &r));
	check_text(r.error, "NoSuchRegion");
	expect_property(watcher, region.id, "Clients", "1");
	disconnect(b);
	release(watcher, &region, fd);
}

static void refuse_file(int fd, const char *mentions)
{
	struct holders h;
	struct reply r;

	check(fd >= 0 && !find_holders(watcher, fd, &h, &r));
	expect_error(&r, "InvalidFile", mentions);
	close(fd);
}

static void test_input(void)
{
	int ends[2];
	struct reply r;
	sd_bus_message *m;

	check(pipe2(ends, O_CLOEXEC) == 0);
	close(ends[1]);
	refuse_file(ends[0], "a pipe");
	refuse_file(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "a directory");
	refuse_file(open("/", O_PATH | O_CLOEXEC), "a directory");
	refuse_file(open("/proc/self/exe", O_PATH | O_NOFOLLOW | O_CLOEXEC), "a symbolic link");
	refuse_file(open("/dev/null", O_RDWR | O_CLOEXEC), "no device-dax");
	refuse_file(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), "a socket");
	refuse_file(eventfd(0, EFD_CLOEXEC), "neither");
	m = new_manager_call(watcher, "FindHolders");
	check(sd_bus_message_append(m, "u", 0) >= 0);
	check(!finish_call(watcher, m, &r));
	check_text(r.error, "org.freedesktop.DBus.Error.InvalidArgs");
}

int main(void)
{
	world_begin(&world, "[limits]\njoins_per_client = 2\njoins_per_uid = 4\n");
	watcher = connect_client(&world);
	subscribe(watcher);
	test_input();
	test_join();
	test_signals();
	test_leave();
	test_detached();
	test_join_limit();
	test_join_limit_of_user();
	test_find();
	test_inherited();
	test_hidden();
	forget_signals(watcher);
	disconnect(watcher);
	world_end(&world);
	return 0;
}
