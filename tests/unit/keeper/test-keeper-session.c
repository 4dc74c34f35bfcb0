// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-session.c - what the keeper's socket takes and what it does not: a table of packets
 * that make no sense, descriptors that must not stay open, connections that replace one another,
 * and a daemon that does not read.
 */
#undef NDEBUG
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "keeper/session.h"
#include "util/log.h"

static struct event_base *base;
static struct session *session;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static struct keeper_message got;
static unsigned int n_got, n_fds;
static bool keep_fd;
static int kept_fd = -1;
static unsigned int came, went, flushed;

static void on_request(void *userdata, const struct operation *op, const struct keeper_message *m,
		       int *fd)
{
	struct keeper_message answer = { .type = KEEPER_DONE };

	(void)userdata;
	got = *m;
	n_got++;
	n_fds += *fd >= 0;
	if (keep_fd) {
		kept_fd = *fd;
		*fd = -1;
	}
	session_answer(session, op, &answer);
}

static void on_changed(void *userdata, bool connected)
{
	(void)userdata;
	came += connected;
	went += !connected;
}

static void on_flushed(void *userdata)
{
	(void)userdata;
	flushed++;
}

static void on_close_file(void *userdata, int fd)
{
	(void)userdata;
	close(fd);
}

static const struct session_ops ops = { .request = on_request,
					.changed = on_changed,
					.flushed = on_flushed,
					.close_file = on_close_file };

static unsigned int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void turn(void)
{
	for (int i = 0; i < 8; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

static int join(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	turn();
	return fd;
}

static void send_packet(int fd, const void *data, size_t size, const int *fds, size_t n)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(64 * sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)data, .iov_len = size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n) {
		control.h = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
					      .cmsg_type = SCM_RIGHTS,
					      .cmsg_len = CMSG_LEN(n * sizeof(int)) };
		memcpy(CMSG_DATA(&control.h), fds, n * sizeof(int));
		h.msg_control = &control;
		h.msg_controllen = CMSG_SPACE(n * sizeof(int));
	}
	assert(sendmsg(fd, &h, MSG_NOSIGNAL) == (ssize_t)size);
	turn();
}

/* The next packet, which has the size of its type. */
static bool next(int fd, struct keeper_message *ret)
{
	ssize_t n;

	turn();
	memset(ret, 0, sizeof(*ret));
	n = recv(fd, ret, sizeof(*ret), 0);
	assert(n <= 0 || n == (ssize_t)keeper_packet_size(ret->type));
	return n > 0;
}

/* A greeting, and its answer. */
static int join_and_greet(void)
{
	struct keeper_message m = { .type = KEEPER_HELLO,
				    .operation = 5,
				    .hello.versions = keeper_versions },
			      a;
	int fd = join();

	send_packet(fd, &m, sizeof(m), NULL, 0);
	assert(next(fd, &a) && a.operation == 5);
	return fd;
}

static bool is_closed(int fd)
{
	char c[sizeof(struct keeper_message)];
	ssize_t n;

	while ((n = recv(fd, c, sizeof(c), 0)) > 0)
		;
	return n == 0 || errno == ECONNRESET;
}

#define M(...) { __VA_ARGS__ }
#define PACKET_SIZE (8 * KEEPER_PACKET_MAX)
static const struct {
	const char *name;
	struct keeper_message m;
	size_t size; /* 0: a whole struct keeper_message */
	unsigned int fds;
	bool good;
} table[] = {
	{ "list", M(.type = KEEPER_LIST), 0, 0, true },
	{ "registration", M(.type = KEEPER_REGISTER, .region = 1), 0, 1, true },
	{ "registration at the limits",
	  M(.type = KEEPER_REGISTER, .region = UINT64_MAX, .info.offset = UINT64_MAX,
	    .info.length = UINT64_MAX, .info.grace_usec = UINT64_MAX),
	  0, 1, true },
	{ "release", M(.type = KEEPER_RELEASE, .region = 1), 0, 0, true },
	{ "prefetch",
	  M(.type = KEEPER_PREFETCH, .region = 1, .range.offset = UINT64_MAX, .range.write = 1), 0,
	  0, true },
	{ "export", M(.type = KEEPER_EXPORT, .region = 1, .ticket.rights = 1), 0, 0, true },
	{ "consent", M(.type = KEEPER_CONSENT, .region = 1), 0, 0, true },
	{ "demand",
	  M(.type = KEEPER_DEMAND, .region = 1, .demand.demand = 1, .demand.offset = 1,
	    .demand.length = UINT64_MAX - 1, .demand.cause = CAUSE_SYNC),
	  0, 0, true },
	{ "end of a demand", M(.type = KEEPER_OVER, .region = 1, .demand.demand = 7), 0, 0, true },
	{ "sync", M(.type = KEEPER_SYNC, .region = 1), 0, 0, true },
	{ "giving a prefetch up",
	  M(.type = KEEPER_CANCEL, .region = 1, .progress.operation = UINT64_MAX), 0, 0, true },
	{ "giving nothing up", M(.type = KEEPER_CANCEL, .region = 1), 0, 0, false },
	{ "giving up with a descriptor",
	  M(.type = KEEPER_CANCEL, .region = 1, .progress.operation = 7), 0, 1, false },
	{ "giving up of no region", M(.type = KEEPER_CANCEL, .progress.operation = 7), 0, 0,
	  false },
	{ "a log level", M(.type = KEEPER_LOG, .log.level = LOG_DEBUG), 0, 0, true },
	{ "an unknown log level", M(.type = KEEPER_LOG, .log.level = LOG_DEBUG + 1), 0, 0, false },
	{ "a huge log level", M(.type = KEEPER_LOG, .log.level = UINT32_MAX), 0, 0, false },
	{ "half a log level", M(.type = KEEPER_LOG), KEEPER_HEADER_SIZE + 4, 0, false },
	{ "file", M(.type = KEEPER_FILE, .region = 1), 0, 0, true },
	{ "import", M(.type = KEEPER_IMPORT, .region = 1), 0, 0, true },
	{ "import of no region", M(.type = KEEPER_IMPORT), 0, 0, false },
	{ "import with a descriptor", M(.type = KEEPER_IMPORT, .region = 1), 0, 1, false },
	{ "demand without a number", M(.type = KEEPER_DEMAND, .region = 1, .demand.length = 1), 0,
	  0, false },
	{ "demand of nothing", M(.type = KEEPER_DEMAND, .region = 1, .demand.demand = 1), 0, 0,
	  false },
	{ "demand that overflows",
	  M(.type = KEEPER_DEMAND, .region = 1, .demand.demand = 1, .demand.offset = 2,
	    .demand.length = UINT64_MAX - 1),
	  0, 0, false },
	{ "cause of a demand",
	  M(.type = KEEPER_DEMAND, .region = 1, .demand.demand = 1, .demand.length = 1,
	    .demand.cause = _REVOCATION_CAUSE_MAX),
	  0, 0, false },
	{ "cause of a release", M(.type = KEEPER_RELEASE, .region = 1, .demand.cause = 99), 0, 0,
	  false },
	{ "demand of region 0", M(.type = KEEPER_DEMAND, .demand.demand = 1, .demand.length = 1), 0,
	  0, false },
	{ "demand with a descriptor",
	  M(.type = KEEPER_DEMAND, .region = 1, .demand.demand = 1, .demand.length = 1), 0, 1,
	  false },
	{ "gated", M(.type = KEEPER_REGISTER, .region = 1, .info.gated = 2), 0, 1, false },
	{ "gated of a change", M(.type = KEEPER_CONFIGURE, .region = 1, .info.gated = 2), 0, 0,
	  false },
	{ "one byte", M(.type = KEEPER_LIST), 1, 0, false },
	{ "less than a header", M(.type = KEEPER_LIST), KEEPER_HEADER_SIZE - 1, 0, false },
	{ "a header alone", M(.type = KEEPER_LIST), KEEPER_HEADER_SIZE, 0, true },
	{ "a header alone, of more than that", M(.type = KEEPER_OVER, .region = 1),
	  KEEPER_HEADER_SIZE, 0, false },
	{ "one byte too few", M(.type = KEEPER_OVER, .region = 1),
	  KEEPER_HEADER_SIZE + sizeof(struct keeper_demand) - 1, 0, false },
	{ "one byte too few, with a descriptor", M(.type = KEEPER_REGISTER, .region = 1),
	  KEEPER_HEADER_SIZE + offsetof(struct keeper_region, unleased) - 1, 1, false },
	{ "longer than any of ours", M(.type = KEEPER_LIST), sizeof(struct keeper_message) + 1, 0,
	  true },
	{ "longer, with a descriptor", M(.type = KEEPER_REGISTER, .region = 1), KEEPER_PACKET_MAX,
	  1, true },
	{ "too long by a byte", M(.type = KEEPER_LIST), KEEPER_PACKET_MAX + 1, 0, false },
	{ "too long by a lot", M(.type = KEEPER_LIST), PACKET_SIZE, 0, false },
	{ "type 0", M(.type = 0, .region = 1), 0, 0, false },
	{ "an answer", M(.type = KEEPER_DONE, .region = 1), 0, 0, false },
	{ "an event", M(.type = KEEPER_REVOCATION, .region = 1), 0, 0, false },
	{ "an answer of a later version", M(.type = _KEEPER_ANSWER_MAX, .region = 1), 0, 0, false },
	{ "an event of a later version", M(.type = _KEEPER_EVENT_MAX, .region = 1), 0, 0, false },
	{ "a type of no kind", M(.type = KEEPER_KIND_SIZE * _KEEPER_KIND_MAX, .region = 1), 0, 0,
	  false },
	{ "a huge type", M(.type = UINT32_MAX, .region = 1), 0, 0, false },
	{ "reserved", M(.type = KEEPER_LIST, .reserved = 1), 0, 0, true },
	{ "a second greeting",
	  M(.type = KEEPER_HELLO, .hello.versions = { KEEPER_VERSION_MIN, KEEPER_VERSION_MAX }), 0,
	  0, false },
	{ "registration without a descriptor", M(.type = KEEPER_REGISTER, .region = 1), 0, 0,
	  false },
	{ "registration with two", M(.type = KEEPER_REGISTER, .region = 1), 0, 2, false },
	{ "registration with many", M(.type = KEEPER_REGISTER, .region = 1), 0, 64, false },
	{ "list with a descriptor", M(.type = KEEPER_LIST), 0, 1, false },
	{ "half a packet with a descriptor", M(.type = KEEPER_REGISTER, .region = 1), 16, 1,
	  false },
	{ "registration of region 0", M(.type = KEEPER_REGISTER), 0, 1, false },
	{ "release of region 0", M(.type = KEEPER_RELEASE), 0, 0, false },
	{ "access", M(.type = KEEPER_REGISTER, .region = 1, .info.access = _REGION_ACCESS_MAX), 0,
	  1, false },
	{ "policy", M(.type = KEEPER_REGISTER, .region = 1, .info.policy = _REGION_POLICY_MAX), 0,
	  1, false },
	{ "detached", M(.type = KEEPER_REGISTER, .region = 1, .info.detached = 2), 0, 1, false },
	{ "warm", M(.type = KEEPER_REGISTER, .region = 1, .info.warm = 255), 0, 1, false },
	{ "warm mode", M(.type = KEEPER_REGISTER, .region = 1, .info.warm_mode = _WARM_MODE_MAX), 0,
	  1, false },
	{ "warm mode of a change", M(.type = KEEPER_CONFIGURE, .region = 1, .info.warm_mode = 9), 0,
	  0, false },
	{ "reserved of a region", M(.type = KEEPER_REGISTER, .region = 1, .info.reserved = 1), 0, 1,
	  true },
	{ "policy of a change", M(.type = KEEPER_CONFIGURE, .region = 1, .info.policy = 77), 0, 0,
	  false },
	{ "write of a prefetch", M(.type = KEEPER_PREFETCH, .region = 1, .range.write = 2), 0, 0,
	  false },
	{ "reserved of a prefetch", M(.type = KEEPER_PREFETCH, .region = 1, .range.reserved = 2), 0,
	  0, true },
	{ "no rights", M(.type = KEEPER_EXPORT, .region = 1), 0, 0, false },
	{ "unknown rights", M(.type = KEEPER_EXPORT, .region = 1, .ticket.rights = 4), 0, 0,
	  false },
};

static void test_table(void)
{
	static char packet[PACKET_SIZE];
	int fds[64];

	for (int i = 0; i < 64; i++)
		fds[i] = STDERR_FILENO;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		unsigned int before = count_fds();
		int fd = join_and_greet();
		bool closed;

		n_got = n_fds = 0;
		memset(packet, 0, sizeof(packet));
		memcpy(packet, &table[i].m, sizeof(table[i].m));
		send_packet(fd, packet, table[i].size ? table[i].size : sizeof(table[i].m), fds,
			    table[i].fds);
		closed = is_closed(fd);
		if (closed == table[i].good || n_got != table[i].good ||
		    n_fds != (table[i].good ? table[i].fds : 0)) {
			fprintf(stderr, "%s: closed %d, %u requests, %u descriptors\n",
				table[i].name, closed, n_got, n_fds);
			assert(!"as in the table");
		}
		close(fd);
		turn();
		if (count_fds() != before) {
			fprintf(stderr, "%s: %u descriptors before, %u after\n", table[i].name,
				before, count_fds());
			assert(!"nothing stays open");
		}
	}
}

static void test_greeting(void)
{
	struct keeper_message m = { .type = KEEPER_LIST };
	int fd = join();

	send_packet(fd, &m, sizeof(m), NULL, 0);
	assert(is_closed(fd)); /* not greeted */
	close(fd);
	fd = join();
	m = (struct keeper_message){ .type = _KEEPER_REQUEST_MAX }; /* not even that one */
	send_packet(fd, &m, sizeof(m), NULL, 0);
	assert(is_closed(fd));
	close(fd);
	fd = join();
	session_tell(session, &m);
	turn();
	assert(recv(fd, &m, sizeof(m), 0) < 0 &&
	       errno == EAGAIN); /* no events before the greeting */
	close(fd);
	turn();
}

/* Garbage closes the connection; a range that is not ours is answered, and is then no greeting. */
static void test_versions(void)
{
	static const struct {
		struct keeper_versions versions;
		size_t size;
		bool answered, greeted;
	} hello[] = {
		{ { KEEPER_VERSION_MIN, KEEPER_VERSION_MAX }, 0, true, true },
		{ { 1, UINT32_MAX }, 0, true, true },
		{ { KEEPER_VERSION_MAX, KEEPER_VERSION_MAX + 7 },
		  sizeof(struct keeper_message),
		  true,
		  true },
		{ { KEEPER_VERSION_MAX + 1, UINT32_MAX }, 0, true, false },
		{ { 1, KEEPER_VERSION_MIN - 1 }, 0, true, false },
		{ { 0, 0 }, 0, false, false },
		{ { 0, KEEPER_VERSION_MAX }, 0, false, false },
		{ { KEEPER_VERSION_MAX, KEEPER_VERSION_MAX - 1 }, 0, false, false },
		{ { UINT32_MAX, 1 }, 0, false, false },
		{ { KEEPER_VERSION_MIN, KEEPER_VERSION_MAX },
		  KEEPER_HEADER_SIZE + 4,
		  false,
		  false },
	};

	for (size_t i = 0; i < sizeof(hello) / sizeof(*hello); i++) {
		struct keeper_message m = { .type = KEEPER_HELLO,
					    .operation = 5,
					    .hello = { hello[i].versions } },
				      a;
		int fd = join();

		n_got = 0;
		send_packet(fd, &m, hello[i].size ? hello[i].size : keeper_packet_size(m.type),
			    NULL, 0);
		assert(n_got == hello[i].answered && next(fd, &a) == hello[i].answered);
		m = (struct keeper_message){ .type = KEEPER_LIST };
		if (hello[i].answered)
			send_packet(fd, &m, keeper_packet_size(m.type), NULL, 0);
		assert(next(fd, &a) == hello[i].greeted && is_closed(fd) == !hello[i].greeted);
		close(fd);
		turn();
	}
}

static void test_level_of_greeting(void)
{
	struct keeper_message m = { .type = KEEPER_HELLO, .hello.versions = keeper_versions },
			      taken;

	m.hello.log_level = LOG_DEBUG + 1;
	assert(!session_check(&m, keeper_packet_size(m.type), 0, false, &taken));
	assert(taken.hello.log_level == LOG_DEBUG + 1);
	/* of a daemon from before there were levels */
	assert(!session_check(&m, keeper_packet_min(m.type), 0, false, &taken));
	assert(taken.hello.log_level == 0);
	m.hello.log_level = LOG_DEBUG + 2;
	assert(session_check(&m, keeper_packet_size(m.type), 0, false, &taken));
}

/*
 * A request of a later version is answered, its descriptors are closed, and the connection stays.
 */
static void test_unknown_request(void)
{
	static char packet[KEEPER_PACKET_MAX];
	struct keeper_message m = { .type = _KEEPER_REQUEST_MAX, .operation = 8, .region = 9 }, a;
	const int fds[2] = { STDERR_FILENO, STDERR_FILENO };
	int fd = join_and_greet();
	unsigned int before = count_fds();

	memset(packet, 0xff, sizeof(packet));
	memcpy(packet, &m, KEEPER_HEADER_SIZE);
	n_got = 0;
	send_packet(fd, packet, sizeof(packet), fds, 2);
	send_packet(fd, packet, KEEPER_HEADER_SIZE, fds, 0);
	for (int i = 0; i < 2; i++)
		assert(next(fd, &a) && a.type == KEEPER_DONE && a.operation == 8 && a.region == 9 &&
		       a.done.error == -ENOSYS && *a.done.text);
	assert(n_got == 0 && count_fds() == before && session_is_connected(session));
	m.type = KEEPER_KIND_SIZE * KEEPER_ANSWER - 1;
	send_packet(fd, &m, KEEPER_HEADER_SIZE, NULL, 0);
	assert(next(fd, &a) && a.done.error == -ENOSYS);
	close(fd);
	turn();
}

/* What is behind a type's body is of a later version: nobody sees it, whatever it says. */
static void test_longer_packet(void)
{
	static char packet[KEEPER_PACKET_MAX];
	struct keeper_message m = { .type = KEEPER_RELEASE, .region = 3, .demand.grace_usec = 77 },
			      a;
	int fd = join_and_greet();

	memset(packet, 0xff, sizeof(packet));
	memcpy(packet, &m, keeper_packet_size(m.type));
	send_packet(fd, packet, sizeof(packet), NULL, 0);
	assert(next(fd, &a) && a.type == KEEPER_DONE && !memcmp(&got, &m, sizeof(m)));
	close(fd);
	turn();
}

static void test_replacement(void)
{
	struct keeper_message m = { .type = KEEPER_RELEASE, .region = 3 };
	int first = join_and_greet(), second;

	came = went = 0;
	second = join_and_greet();
	assert(is_closed(first));
	turn();
	assert(went == 1 && came == 1); /* what the first one wanted is over */
	send_packet(second, &m, sizeof(m), NULL, 0);
	assert(next(second, &m) && m.type == KEEPER_DONE);
	close(first);
	close(second);
	turn();
	assert(went == 2 && !session_is_connected(session));
}

static void test_stale_answer(void)
{
	struct keeper_message m = { .type = KEEPER_DONE };
	struct operation op = { .connection = 1, .number = 9 };
	int fd = join_and_greet();

	session_answer(session, &op, &m); /* of a connection long gone */
	turn();
	assert(recv(fd, &m, sizeof(m), 0) < 0 && errno == EAGAIN);
	assert(!session_is_waiting(session, &op));
	close(fd);
	turn();
}

/*
 * However much happens while the daemon does not read: the connection stays, and it hears that it
 * has missed something. Once.
 */
static void test_deaf_daemon(void)
{
	struct keeper_message m = { .type = KEEPER_GONE, .region = 1 };
	int fd = join_and_greet();
	unsigned int n = 0;

	came = went = flushed = 0;
	for (int i = 0; i < 100000; i++)
		session_tell(session, &m);
	turn();
	assert(session_is_connected(session) && went == 0 && !session_is_flushed(session) &&
	       !flushed);
	while (next(fd, &m) && m.type == KEEPER_GONE)
		n++;
	assert(m.type == KEEPER_RESYNC && !m.operation && !m.region);
	assert(n > 64 && n < 1000); /* what the socket held already */
	assert(!next(fd, &m) && session_is_flushed(session) && flushed);
	m = (struct keeper_message){ .type = KEEPER_GONE, .region = 7 };
	session_tell(session, &m); /* and hears everything from there on */
	assert(next(fd, &m) && m.type == KEEPER_GONE && m.region == 7);

	/* one that reads late gets everything, in order */
	for (uint64_t i = 1; i <= 300; i++) {
		m.region = i;
		session_tell(session, &m);
	}
	for (uint64_t i = 1; i <= 300; i++)
		assert(next(fd, &m) && m.region == i);
	assert(session_is_flushed(session));
	close(fd);
	turn();
}

/* What one that does not read has missed is not for the next one, which hears what is its own. */
static void test_after_deaf_daemon(void)
{
	struct keeper_message m = { .type = KEEPER_GONE, .region = 1 };
	int deaf = join_and_greet(), fd;

	for (int i = 0; i < 2000; i++)
		session_tell(session, &m);
	turn();
	assert(!session_is_flushed(session));
	fd = join_and_greet();
	m.region = 7;
	session_tell(session, &m);
	assert(next(fd, &m) && m.type == KEEPER_GONE && m.region == 7);
	assert(!next(fd, &m) && session_is_flushed(session));
	close(deaf);
	close(fd);
	turn();
}

/* What is said in one turn of the loop leaves together at its end, or at once if that is wanted. */
static void test_said_together(void)
{
	struct keeper_message m = { .type = KEEPER_GONE, .region = 1 };
	int fd = join_and_greet();

	for (int i = 0; i < 3; i++)
		session_tell(session, &m);
	assert(recv(fd, &m, sizeof(m), 0) < 0 && errno == EAGAIN);
	turn();
	for (int i = 0; i < 3; i++)
		assert(recv(fd, &m, sizeof(m), 0) > 0 && m.type == KEEPER_GONE);
	session_tell(session, &m);
	session_flush(session);
	assert(recv(fd, &m, sizeof(m), 0) > 0 && m.type == KEEPER_GONE);
	assert(session_is_flushed(session));
	close(fd);
	turn();
}

/*
 * Answers are never dropped, and there are no more of them than were asked for: what is asked waits
 * in the socket.
 */
static void test_deaf_and_asking(void)
{
	struct keeper_message m = { .type = KEEPER_RELEASE, .region = 1 }, a,
			      event = { .type = KEEPER_GONE };
	int fd = join_and_greet();
	uint64_t asked = 0, answered = 0;
	bool missed = false;

	n_got = 0;
	for (int i = 0; i < 2000; i++)
		session_tell(session, &event);
	for (;;) {
		m.operation = asked + 1;
		if (send(fd, &m, sizeof(m), MSG_DONTWAIT) < 0)
			break;
		asked++;
		turn();
	}
	assert(asked > 300 && n_got < asked && session_is_connected(session));
	for (int i = 0; i < 2000; i++)
		session_tell(session, &event);
	while (answered < asked) {
		assert(next(fd, &a));
		if (a.type == KEEPER_DONE)
			assert(a.operation == ++answered);
		missed = missed || a.type == KEEPER_RESYNC;
	}
	while (next(fd, &a))
		missed = missed || a.type == KEEPER_RESYNC;
	assert(missed && n_got == asked && session_is_flushed(session));
	close(fd);
	turn();
}

static void test_descriptor_is_kept(void)
{
	struct keeper_message m = { .type = KEEPER_REGISTER, .region = 1 };
	int fd = join_and_greet(), sent = STDERR_FILENO;

	keep_fd = true;
	send_packet(fd, &m, sizeof(m), &sent, 1);
	keep_fd = false;
	assert(kept_fd >= 0 && fcntl(kept_fd, F_GETFD) == FD_CLOEXEC);
	close(kept_fd);
	close(fd);
	turn();
}

/*
 * A process that may open nothing more is told of the registration, without its descriptor, and the
 * connection stays.
 */
static void test_no_descriptor_left(void)
{
	struct keeper_message m = { .type = KEEPER_REGISTER, .region = 1 };
	int fd = join_and_greet(), sent = STDERR_FILENO;
	struct rlimit before, none;

	assert(getrlimit(RLIMIT_NOFILE, &before) == 0);
	none = before;
	none.rlim_cur = 1;
	n_got = n_fds = 0;
	assert(setrlimit(RLIMIT_NOFILE, &none) == 0);
	send_packet(fd, &m, sizeof(m), &sent, 1);
	assert(setrlimit(RLIMIT_NOFILE, &before) == 0);
	assert(n_got == 1 && n_fds == 0 && session_is_connected(session));
	send_packet(fd, &m, sizeof(m), &sent, 1);
	assert(n_got == 2 && n_fds == 1);
	close(fd);
	turn();
}

int main(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0),
	    stream = socket(AF_UNIX, SOCK_STREAM, 0);

	log_set_level(LOG_ERR); /* what it says of bad packets is not for a test's output */
	base = event_base_new();
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "test-keeper-session.%d",
		 getpid());
	assert(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	assert(session_new(&session, base, stream, getuid(), 400, &ops, NULL) == -EPROTOTYPE);
	assert(session_new(&session, base, 987, getuid(), 400, &ops, NULL) == -EBADF);
	close(stream);
	assert(session_new(&session, base, fd, getuid(), 400, &ops, NULL) == 0);

	test_table();
	test_greeting();
	test_versions();
	test_level_of_greeting();
	test_unknown_request();
	test_longer_packet();
	test_replacement();
	test_stale_answer();
	test_said_together();
	test_deaf_daemon();
	test_after_deaf_daemon();
	test_deaf_and_asking();
	test_descriptor_is_kept();
	test_no_descriptor_left();
	session_free(session);
	event_base_free(base);
	return 0;
}
