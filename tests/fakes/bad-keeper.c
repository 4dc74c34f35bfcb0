// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bad-keeper.c - keepers that misbehave, one way per session name. In sessions form-* it becomes
 * keeper-form-5, and in every other one keeper-fake, which lie beside it.
 *
 * Those of the sessions lie-* are proper until they are asked for a second time what they hold, by
 * the next daemon: then they tell of the region that was registered last what the name says.
 *
 * bad-counts does nothing bad: it counts.
 *
 * Until it misbehaves it is a proper keeper that registers everything and holds nothing. It ends
 * when its connection does, so that none is left over, except bad-silent, bad-closer and
 * bad-linger, which a daemon must leave alone, bad-parting and bad-release, which lose their
 * connection when they are to release a region, and release others, and bad-deaf, which does not
 * end when it is told to (SIGTERM).
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "counters.h"
#include "keeper-protocol.h"
#include "tests/bus/linger.h"

static const char *session = "";
static uint32_t tenant;
static int connection = -1;
static struct stat file;	    /* that came last */
static int file_kept = -1;	    /* of one that can be replaced */
static bool parts, has_parted;	    /* at the first release */
static struct keeper_message claim; /* of lie-*; no region: none */

static bool is(const char *name)
{
	return !strcmp(session, name);
}

/* It gives what it registered. */
static bool is_replaceable(void)
{
	return is("bad-former") || is("bad-parting") || is("bad-mute");
}

static bool lies(void)
{
	return !strncmp(session, "lie-", 4);
}

static void say_bytes(const void *bytes, size_t n, int fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control = { 0 };
	struct iovec iov = { (void *)(uintptr_t)bytes, n };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		h.msg_control = &control;
		h.msg_controllen = sizeof(control);
		control.header = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	/*
	 * those who lie to the next daemon outlive one that is killed while they answer; who is cut
	 * off in a flood does not
	 */
	if (sendmsg(connection, &h, MSG_NOSIGNAL) < 0 && (!lies() || is("lie-count")))
		exit(0);
}

static void say(const struct keeper_message *m)
{
	say_bytes(m, keeper_packet_size(m->type), -1);
}

static void done(const struct keeper_message *q, int error)
{
	struct keeper_message m = { .type = KEEPER_DONE,
				    .operation = q->operation,
				    .region = q->region };

	m.done.error = error;
	say(&m);
}

/* What it is told to release is what it said it had. */
static bool lies_about_number(void)
{
	return is("lie-number") || is("lie-other");
}

static void welcome(const struct keeper_message *q)
{
	struct keeper_message m = { .type = KEEPER_WELCOME, .operation = q->operation };

	m.welcome.versions = keeper_versions;
	m.welcome.version = is("bad-version") ? KEEPER_VERSION_MAX + 1 : KEEPER_VERSION_MAX;
	m.welcome.pid = is("lie-pid") ? 1 : (uint32_t)getpid();
	m.welcome.uid = tenant;
	snprintf(m.welcome.session, sizeof(m.welcome.session), "%s",
		 is("bad-name") ? "other" : session);
	say(&m);
}

static struct keeper_message region_of(const struct keeper_message *q)
{
	struct keeper_message m = *q;

	m.type = KEEPER_REGION;
	m.info.valid_length = m.info.length;
	m.info.state = REGION_LIVE;
	m.info.rkey = 1;
	m.info.device = file.st_dev;
	m.info.inode = file.st_ino;
	m.info.file_uid = file.st_uid;
	return m;
}

static void tell_lies(const struct keeper_message *q)
{
	static uint64_t before; /* this region's number */

	claim.operation = q->operation;
	if (!before)
		before = claim.region;
	if (is("lie-number"))
		claim.region = UINT64_MAX / 2;
	if (is("lie-other"))
		claim.region = 1;
	if (is("lie-grace"))
		claim.info.grace_usec = UINT64_C(3) * 365 * 86400 * 1000000;
	if (is("lie-policy"))
		claim.info.policy = POLICY_HOLD;
	if (is("lie-device"))
		claim.info.device++;
	if (is("lie-inode"))
		claim.info.inode++;
	if (is("lie-access"))
		claim.info.access = ACCESS_READ_WRITE;
	if (is("lie-length"))
		claim.info.length += 4096;
	if (is("lie-gated"))
		claim.info.gated = 1;
	if (is("lie-detached"))
		claim.info.detached = 0;
	if (is("lie-owner"))
		claim.info.file_uid = 4711;
	if (is("lie-path"))
		strcpy(claim.info.path, "/etc/shadow");
	for (unsigned int i = is("lie-count") ? 65000 : 1; i > 0; i--) {
		say(&claim);
		claim.region += i > 1;
	}
	if (is("lie-twice"))
		say(&claim);
	claim.region = before;
}

/* Regions that nobody was given, the same each time. */
static void list_unknown(const struct keeper_message *q)
{
	struct keeper_message m = claim;

	m.operation = q->operation;
	for (unsigned int i = 1; i <= 3; i++) {
		m.region = (UINT64_C(1) << 40) + i;
		say(&m);
	}
}

static void list(const struct keeper_message *q)
{
	struct keeper_message m = { .type = KEEPER_REGION, .operation = q->operation, .region = 1 };

	if (is("bad-list")) { /* region 1 is somebody else's */
		m.info.length = m.info.valid_length = 4096;
		say(&m);
	}
	if (claim.region)
		tell_lies(q);
	if (claim.region && is("bad-unknown"))
		list_unknown(q);
	done(q, 0);
}

/* A datagram that only has the right size. */
static void say_garbage(void)
{
	unsigned char bytes[sizeof(struct keeper_message)];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)(i * 37 + 11);
	say_bytes(bytes, sizeof(bytes), -1);
}

/* Each counter has a number of its own: 1001, 1002, ... */
static void say_counts(uint64_t region, uint64_t length)
{
	struct keeper_message m = { .type = KEEPER_INVALIDATED, .region = region };
	uint64_t n = 1000;

	m.invalidated.valid_length = length;
#define COUNTER(member, ...) m.invalidated.member = ++n;
	REGION_COUNTERS(COUNTER)
#undef COUNTER
	say(&m);
}

static void say_peers(uint64_t region, uint64_t n)
{
	struct keeper_message m = { .type = KEEPER_PEER_JOINED, .region = region };

	for (m.peer.peer = 1; m.peer.peer <= n; m.peer.peer++)
		say(&m);
}

/* Regions of nobody's file are taken, and nobody lets it read what it is asked meanwhile. */
static void say_revocations(uint64_t region)
{
	struct keeper_message m = { .region = region };

	for (m.revocation.revocation = 1; m.revocation.revocation <= 20000;
	     m.revocation.revocation++) {
		m.type = KEEPER_REVOCATION;
		m.revocation.length = m.revocation.valid_length = 4096;
		say(&m);
		m.type = KEEPER_SETTLED;
		say(&m);
	}
	m.type = KEEPER_GONE;
	say(&m);
}

/* Until the test opens the FIFO @name. */
static void await_test(const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", getenv("RDMAREG_FAKE_DIR"), name);
	/* unless another one, of another user, was quicker */
	if (mkfifo(path, 0666) == 0)
		chmod(path, 0666);
	close(open(path, O_RDONLY | O_CLOEXEC));
}

/*
 * Two packets with a descriptor that nobody asked for, which is then open nowhere else: the daemon
 * takes one of them out of the socket, and loses the connection with the other one in it.
 */
static void say_lingering(uint64_t region)
{
	const struct keeper_message m = { .type = KEEPER_GONE, .region = region + 1000 };

	await_test("ready");
	await_test("send");
	for (int i = 0; i < 2; i++) {
		int end, fd = linger_open(&end);

		if (fd < 0)
			exit(1);
		say_bytes(&m, keeper_packet_size(m.type), fd);
		close(fd);
	}
	await_test("sent");
	pause();
}

static void register_region(const struct keeper_message *q)
{
	struct keeper_message m = region_of(q), event = { .type = KEEPER_GONE, .region = 1 };

	if (is("bad-hang"))
		await_test("answer");
	if (is("bad-linger"))
		say_lingering(q->region);
	if (is("bad-crash"))
		raise(SIGKILL);
	if (is("bad-garbage"))
		say_garbage();
	if (is("bad-short"))
		say_bytes("short", 5, -1);
	if (is("bad-stranger"))
		m.region++;
	if (is("bad-length"))
		m.info.length += 4096;
	if (is("bad-enum"))
		m.info.state = 200;
	if (is("bad-type"))
		m.type = KEEPER_TICKET;
	if (is("bad-unterminated"))
		memset(m.info.path, 'x', sizeof(m.info.path));
	if (is("bad-text")) {
		strcpy(m.info.path, "/a\nb\xff\xc3\xa4\x7f");
		strcpy(m.info.mode_reason, "\xed\xa0\x80z");
	}
	claim = m;
	say_bytes(&m, keeper_packet_size(m.type), is("bad-descriptor") ? 0 : -1);
	if (is("bad-twice"))
		say(&m);
	if (is("bad-unknown"))
		say(&(struct keeper_message){ .type = KEEPER_RESYNC });
	if (is("bad-foreign") || is("lie-once"))
		say(&event);
	if (is("bad-counts"))
		say_counts(q->region, m.info.length);
	if (is("bad-peers"))
		say_peers(q->region, 200000);
	if (is("bad-flood"))
		say_revocations(q->region);
	if (is("bad-group"))
		say_peers(q->region, 1600);
	if (is("bad-crowd"))
		say_peers(q->region, 16000);
}

static void give_file(const struct keeper_message *q, int fd)
{
	struct keeper_message m = { .type = KEEPER_DONE,
				    .operation = q->operation,
				    .region = q->region };

	say_bytes(&m, keeper_packet_size(m.type), fd);
}

/* A file that it was not asked for. */
static void give_another(const struct keeper_message *q)
{
	int fd = memfd_create("another", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 1 << 20) < 0)
		exit(1);
	give_file(q, fd);
	close(fd);
}

static void give_ticket(const struct keeper_message *q)
{
	struct keeper_message m = { .type = KEEPER_TICKET,
				    .operation = q->operation,
				    .region = q->region };

	strcpy(m.ticket.text, "rdmareg:former");
	say(&m);
}

/* bad-former answers these once it has let go of the region; of others they are not wanted. */
static struct keeper_message kept[8];
static size_t n_kept;

static void keep(const struct keeper_message *q)
{
	if (is("bad-former") && n_kept < sizeof(kept) / sizeof(kept[0]))
		kept[n_kept++] = *q;
	else
		done(q, -EINVAL);
}

static void answer_kept(void)
{
	for (size_t i = 0; i < n_kept; i++)
		if (kept[i].type == KEEPER_EXPORT)
			give_ticket(&kept[i]);
		else if (kept[i].type == KEEPER_IMPORT)
			give_file(&kept[i], open("/dev/null", O_RDWR | O_CLOEXEC));
		else
			done(&kept[i], 0);
	n_kept = 0;
}

/* False: it closes the connection. */
static bool answer(const struct keeper_message *q)
{
	switch (q->type) {
	case KEEPER_CANCEL:
		done(q, 0);
		break;
	case KEEPER_FILE:
		if (is("bad-file"))
			give_another(q);
		else if (is_replaceable())
			give_file(q, file_kept);
		else
			done(q, -EINVAL);
		break;
	case KEEPER_HELLO:
		welcome(q);
		break;
	case KEEPER_LIST:
		list(q);
		if (is("bad-unknown") && claim.region) {
			static unsigned int parted;

			parts = parted++ < 2;
			return !parts;
		}
		break;
	case KEEPER_REGISTER:
		register_region(q);
		break;
	case KEEPER_RELEASE:
		if (is("bad-unknown") && q->region >> 40)
			break;
		if (q->region == claim.region || lies_about_number())
			claim.region = 0;
		if (is("bad-mute") && !has_parted) {
			has_parted = true;
			await_test("mute");
		}
		parts = !has_parted && (is("bad-parting") || is("bad-release"));
		has_parted |= parts;
		if (parts && is("bad-parting"))
			return false;
		done(q, parts ? -EIO : 0);
		answer_kept();
		break;
	case KEEPER_CONFIGURE:
	case KEEPER_DEMAND:
	case KEEPER_EXPORT:
	case KEEPER_IMPORT:
	case KEEPER_PREFETCH:
	case KEEPER_SYNC:
		keep(q);
		break;
	default:
		done(q, -EINVAL);
		break;
	}
	return true;
}

/* False: this end or the other one closes. */
static bool serve_one(void)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr header;
	} control;
	struct keeper_message q;
	struct iovec iov = { &q, sizeof(q) };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	ssize_t n;
	int fd;

	n = recvmsg(connection, &h, 0);
	if (n < (ssize_t)KEEPER_HEADER_SIZE)
		return false;
	keeper_message_trim(&q, (size_t)n);
	c = CMSG_FIRSTHDR(&h);
	if (c) {
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
		if (fstat(fd, &file) < 0)
			exit(1);
		if (is_replaceable())
			file_kept = fd;
		else
			close(fd);
	}
	return answer(&q);
}

static _Noreturn void misbehave(void)
{
	if (is("bad-exit"))
		exit(1);
	if (is("bad-deaf"))
		signal(SIGTERM, SIG_IGN);
	if (listen(0, 4) < 0)
		exit(1);
	for (;;) {
		connection = accept(0, NULL, NULL);
		if (connection < 0)
			exit(1);
		if (is("bad-silent"))
			pause();
		if (!is("bad-closer"))
			while (serve_one())
				;
		close(connection);
		if (!is("bad-closer") && !is("bad-deaf") && !parts && !(lies() && claim.region))
			exit(0);
		parts = false;
	}
}

/*
 * What many keepers that start at once do to each other on a small machine: each takes a third of a
 * second of one that all have in common (@n thirds). Then it is a proper one.
 */
static void take_turns(unsigned int n)
{
	const uint64_t msec = 300 * n;
	const struct itimerspec turns = { .it_value = { (time_t)(msec / 1000),
							(long)(msec % 1000) * 1000000 } };
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	uint64_t expired;

	if (fd < 0 || flock(fd, LOCK_EX) < 0)
		exit(1);
	if (timer < 0 || timerfd_settime(timer, 0, &turns, NULL) < 0 ||
	    read(timer, &expired, sizeof(expired)) != sizeof(expired))
		exit(1);
	close(timer);
	close(fd);
}

int main(int argc, char **argv)
{
	char path[4096];

	for (int i = 1; i + 1 < argc; i++)
		if (!strcmp(argv[i], "--session"))
			session = argv[i + 1];
		else if (!strcmp(argv[i], "--tenant-uid"))
			tenant = (uint32_t)strtoul(argv[i + 1], NULL, 10);
	if (!strncmp(session, "slow-", 5))
		take_turns(is("slow-link") ? 6 : 1);
	if (!strncmp(session, "bad-", 4) || lies())
		misbehave();
	snprintf(path, sizeof(path), "%s-%s", argv[0],
		 strncmp(session, "form-", 5) ? "fake" : "form-5");
	execv(path, argv);
	return 127;
}
