// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-rails.c - the same bytes over several connections, with the adapters and the keepers
 * at the other ends played (fakes/peer.c): striping, a rail that breaks, revocations, lists of
 * tickets that make no sense. Each test has a process of its own, and so a memory of its own over
 * there.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/peer/rails.h"
#include "rdmareg.h"
#include "tests/fakes/peer.h"

#define TOKEN "?ca82095c6061fd4f46e7efd2511a7f0b"
#define FIRST "rdmareg://10.99.0.1:33632/7" TOKEN
#define SECOND "rdmareg://10.99.1.1:33632/8" TOKEN
#define BOTH FIRST " " SECOND
#define MIB (1u << 20)
#define BYTES (3 * MIB + 4567)

static struct rdmareg_rails *rails;
static uint8_t *sent, *got;

static int open_with(const char *world, const char *tickets,
		     const struct rdmareg_rails_options *options)
{
	setenv("FAKE_PEER", world, 1);
	return rdmareg_rails_connect(tickets, RDMAREG_ACCESS_READ_WRITE, options, &rails);
}

static struct rdmareg_peer_info info_of(int rail)
{
	struct rdmareg_peer_info i = { .size = sizeof(i) };

	assert(rdmareg_rails_get_info(rails, rail, &i) >= 0);
	return i;
}

static int connected(void)
{
	struct rdmareg_peer_info i = { .size = sizeof(i) };

	return rdmareg_rails_get_info(rails, RDMAREG_ALL_RAILS, &i);
}

static void check_bytes(uint64_t offset, size_t length)
{
	memset(got, 0xee, BYTES + 1);
	assert(rdmareg_rails_read(rails, got, length, offset) == (int64_t)length);
	assert(!memcmp(got, sent + offset, length) && got[length] == 0xee);
}

/* Nothing has happened that was not taken: a program's loop sleeps. */
static bool is_quiet(void)
{
	struct pollfd fd = { .fd = rdmareg_rails_get_fd(rails), .events = POLLIN };
	struct rdmareg_peer_event e = { .size = sizeof(e) };

	while (rdmareg_rails_next_event(rails, &e) == 1)
		;
	assert(rdmareg_rails_dispatch(rails) == 0);
	return poll(&fd, 1, 0) == 0;
}

/* Every byte is right, and each rail had its part. */
static void test_striped(void)
{
	assert(open_with("length=4 valid=4", BOTH, NULL) == 0 && connected() == 2);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES);
	assert(fake_peer.accesses[0] >= 8 && fake_peer.accesses[1] >= 8);
	check_bytes(0, BYTES);
	check_bytes(1, 1);
	check_bytes(100, 4096);
	check_bytes(131071, 2);
	check_bytes(12345, MIB);
	assert(rdmareg_rails_read(rails, got, 0, 1) == 0);
	assert(rdmareg_rails_write(rails, sent, 10, 1) == -EINVAL &&
	       strstr(rdmareg_last_error(), "multiples of 4096"));
	assert(rdmareg_rails_read(rails, got, 2, 4 * MIB - 1) == -ERANGE);
	assert(rdmareg_rails_read(rails, got, 1, UINT64_MAX) == -ERANGE);
	assert(rdmareg_rails_write(rails, sent, SIZE_MAX, 0) == -ERANGE);
	assert(rdmareg_rails_flush(rails, 0) == 0);
	assert(info_of(RDMAREG_ALL_RAILS).valid_length == 4 * MIB && info_of(1).region == 8);
	assert(is_quiet());
}

/* A part of it is lost with its link, also what was placed: the other rail writes it again. */
static void test_breaks(void)
{
	struct rdmareg_peer_event e = { .size = sizeof(e) };
	struct pollfd fd = { .events = POLLIN };

	assert(open_with("length=4 valid=4 breaks=2 at=6", BOTH, NULL) == 0);
	fd.fd = rdmareg_rails_get_fd(rails);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES && connected() == 1);
	check_bytes(0, BYTES);
	assert(poll(&fd, 1, 0) == 1 && rdmareg_rails_dispatch(rails) == 0);
	assert(rdmareg_rails_next_event(rails, &e) == 1 && e.rail == 1 &&
	       e.type == RDMAREG_PEER_EVENT_DISCONNECTED && e.error == -ETIMEDOUT);
	assert(rdmareg_rails_next_event(rails, &e) == 0);
	assert(!info_of(1).connected && info_of(0).connected &&
	       info_of(RDMAREG_ALL_RAILS).connected);
	assert(rdmareg_rails_flush(rails, 0) == 0);
}

/* Nothing comes from a connection that has ended, be it one of several or the only one. */
static void test_quiet(void)
{
	const struct rdmareg_rails_options o = { .size = sizeof(o), .no_reconnect = 1 };

	assert(open_with("length=4 valid=4 breaks=2 at=6", BOTH, &o) == 0 && is_quiet());
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES && connected() == 1);
	assert(is_quiet());
	check_bytes(0, BYTES);
	assert(is_quiet());
	rails = rdmareg_rails_close(rails);
	assert(open_with("length=4 valid=4 breaks=1 at=6", FIRST, &o) == 0 && is_quiet());
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == -ETIMEDOUT && !connected());
	assert(is_quiet());
}

/* What the kernel thinks of the way there ends nothing: the adapter goes on. */
static void test_moved(void)
{
	assert(open_with("length=4 valid=4 moved=1 at=6", BOTH, NULL) == 0);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES);
	check_bytes(0, BYTES);
	assert(rdmareg_rails_dispatch(rails) == 0 && connected() == 2);
}

/* A device of this machine is removed: the other rails go on, and it is said when none is left. */
static void test_removed(void)
{
	assert(open_with("length=4 valid=4 removed=2 at=6", BOTH, NULL) == 0);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES && connected() == 1);
	check_bytes(0, BYTES);
	assert(is_quiet());
	rails = rdmareg_rails_close(rails);
	assert(open_with("length=4 valid=4 removed=1 at=6", FIRST, NULL) == 0);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == -ENODEV && !connected());
	assert(strstr(rdmareg_last_error(), "the RDMA device of this machine was removed"));
	assert(is_quiet());
	rails = rdmareg_rails_close(rails);
	assert(open_with("length=4 valid=4 removed=1", FIRST, NULL) == -ENODEV && !rails);
	assert(strstr(rdmareg_last_error(), "the RDMA device of this machine was removed"));
	assert(open_with("length=4 valid=4 removed=1", BOTH, NULL) == 0 && connected() == 1);
}

static void test_read_breaks(void)
{
	assert(open_with("length=4 valid=4 breaks=1 at=20", BOTH, NULL) == 0);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES && connected() == 2);
	check_bytes(0, BYTES);
	assert(connected() == 1);
}

static void test_none_left(void)
{
	assert(open_with("length=4 valid=4 breaks=1 at=3", FIRST " " SECOND, NULL) == 0);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES && connected() == 1);
	setenv("FAKE_PEER", "length=4 valid=4 breaks=2 at=3", 1);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == -ETIMEDOUT && !connected());
	assert(strstr(rdmareg_last_error(), "none of 2 rails is left"));
	assert(rdmareg_rails_read(rails, got, 1, 0) == -ETIMEDOUT);
	assert(rdmareg_rails_flush(rails, 0) == -ETIMEDOUT);
}

/* What is the file's fault is not tried on every rail. */
static void test_file_fails(void)
{
	assert(open_with("length=4 valid=4 fails=3 on=2 cause=4", BOTH, NULL) == 0);
	assert(rdmareg_rails_write(rails, sent, MIB, 2 * MIB) >= 0 && connected() == 1);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES);
	check_bytes(0, BYTES);
	rails = rdmareg_rails_close(rails);
	assert(open_with("length=4 valid=4 fails=3 cause=4", BOTH, NULL) == 0);
	assert(rdmareg_rails_write(rails, sent, MIB, 2 * MIB) == -ENOSPC);
	assert(strstr(rdmareg_last_error(), "no space left"));
}

/* One rail asks, or one after the other: all stop, each that asked is answered, nothing is lost. */
static void test_revoked(void)
{
	assert(open_with("length=4 valid=4 asks=2 at=4", BOTH, NULL) == 0);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES);
	assert(fake_peer.asked == 1 && fake_peer.acknowledged == 1);
	assert(!info_of(RDMAREG_ALL_RAILS).revocation.id);
	check_bytes(0, BYTES);
}

static void test_both_revoked(void)
{
	assert(open_with("length=4 valid=4 asks=1 at=4 both=1", BOTH, NULL) == 0);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES);
	assert(fake_peer.asked == 2 && fake_peer.acknowledged == 2);
	check_bytes(0, BYTES);
}

/* The file has become shorter: what was written before is reported, and is there. */
static void test_truncated(void)
{
	int64_t n;

	assert(open_with("length=4 valid=4 asks=1 at=5 both=1 to=2", BOTH, NULL) == 0);
	n = rdmareg_rails_write(rails, sent, BYTES, 0);
	assert(n >= 0 && n < BYTES && n % 4096 == 0);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == -ERANGE);
	assert(info_of(RDMAREG_ALL_RAILS).valid_length == MIB && connected() == 2);
	assert(rdmareg_rails_flush(rails, 0) == 0);
	assert(rdmareg_rails_write(rails, sent, MIB, 0) == MIB);
	check_bytes(0, MIB);
}

static void test_first_only(void)
{
	const struct rdmareg_rails_options o = { .size = sizeof(o), .first_only = 1 };
	struct rdmareg_peer_info i = { .size = sizeof(i) };

	assert(open_with("length=4 valid=4 breaks=1 at=6", BOTH, &o) == 0 && connected() == 1);
	assert(rdmareg_rails_get_info(rails, 1, &i) == -ENOTCONN &&
	       strstr(rdmareg_last_error(), "not tried"));
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES && connected() == 1);
	assert(info_of(1).connected && !info_of(0).connected);
	check_bytes(0, BYTES);
}

/* The descriptor tells when something is due; what the library does then, it does without waiting. */
static struct rdmareg_peer_event await_event(enum rdmareg_peer_event_type type)
{
	struct pollfd fd = { .fd = rdmareg_rails_get_fd(rails), .events = POLLIN };
	struct rdmareg_peer_event e = { .size = sizeof(e) };

	for (;;) {
		while (rdmareg_rails_next_event(rails, &e) == 1)
			if (e.type == type)
				return e;
		assert(poll(&fd, 1, -1) == 1 && rdmareg_rails_dispatch(rails) == 0);
	}
}

/* A rail that broke comes back, and has its part again. */
static void test_again(void)
{
	unsigned int before;

	assert(open_with("length=4 valid=4 breaks=2 at=6", BOTH, NULL) == 0);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES && connected() == 1);
	setenv("FAKE_PEER", "length=4 valid=4", 1);
	before = fake_peer.accesses[1];
	/* not at once, and the other one does all meanwhile */
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES && connected() == 1);
	assert(fake_peer.accesses[1] == before && fake_peer.tried[1] == 1);
	assert(await_event(RDMAREG_PEER_EVENT_DISCONNECTED).rail == 1);
	assert(await_event(RDMAREG_PEER_EVENT_RECONNECTED).rail == 1 && connected() == 2);
	assert(fake_peer.tried[0] == 1 && fake_peer.tried[1] == 2);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES);
	assert(fake_peer.accesses[1] >= before + 8 && info_of(1).connected);
	check_bytes(0, BYTES);
	assert(rdmareg_rails_flush(rails, 0) == 0);
}

/*
 * Pieces are as large as the largest alignment, and each rail's buffer has to have room for one.
 * What fails for want of it leaves no rail with a part in it.
 */
static void test_alignments(void)
{
	struct rdmareg_peer_options po = { .size = sizeof(po), .buffer_bytes = 256 << 10 };
	const struct rdmareg_rails_options o = { .size = sizeof(o), .peer = &po };

	for (int large = 1; large <= 2; large++) {
		const char *world =
			large == 1 ? "length=4 valid=4 large=1" : "length=4 valid=4 large=2";

		assert(open_with(world, BOTH, &o) == -EINVAL &&
		       strstr(rdmareg_last_error(), "buffer_bytes to 524288 or more"));
		assert(open_with(world, BOTH, NULL) == 0 && connected() == 2);
		assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES);
		check_bytes(0, BYTES);
		check_bytes(12345, MIB);
		rails = rdmareg_rails_close(rails);
	}
	assert(open_with("length=4 valid=4 large=1 pinned=1408", BOTH, NULL) == 0);
	assert(rdmareg_rails_read(rails, got, BYTES, 0) == -ENOMEM &&
	       strstr(rdmareg_last_error(), "ulimit -l"));
	for (int i = 0; i < 2; i++)
		assert(!rails->rail[i].stripe && !rails->rail[i].peer->part);
}

/* What goes wrong on this machine says nothing of the other side: it is tried again. */
static void test_stumbles(void)
{
	assert(open_with("length=4 valid=4 breaks=2 at=6", BOTH, NULL) == 0);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES && connected() == 1);
	setenv("FAKE_PEER", "length=4 valid=4 stumbles=2", 1);
	assert(await_event(RDMAREG_PEER_EVENT_RECONNECTED).rail == 1 && connected() == 2);
	assert(fake_peer.tried[1] == 3);
	check_bytes(0, BYTES);
}

/* All broke: calls fail until one is back. */
static void test_all_again(void)
{
	assert(open_with("length=4 valid=4 breaks=1 at=3", BOTH, NULL) == 0);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES && connected() == 1);
	setenv("FAKE_PEER", "length=4 valid=4 breaks=2 at=3", 1);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == -ETIMEDOUT && !connected());
	setenv("FAKE_PEER", "length=4 valid=4", 1);
	await_event(RDMAREG_PEER_EVENT_RECONNECTED);
	assert(connected() >= 1 && rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES);
	check_bytes(0, BYTES);
	while (connected() < 2)
		await_event(RDMAREG_PEER_EVENT_RECONNECTED);
	check_bytes(0, BYTES);
}

/* One that was not reached, later silent, then there; the other one is never held up. */
static void test_silent(void)
{
	struct rdmareg_peer_options po = { .size = sizeof(po), .connect_timeout_usec = 100000 };
	const struct rdmareg_rails_options o = { .size = sizeof(o), .peer = &po };
	struct pollfd fd = { .events = POLLIN };

	assert(open_with("length=4 valid=4 absent=2", BOTH, &o) == 0 && connected() == 1);
	setenv("FAKE_PEER", "length=4 valid=4 silent=2", 1);
	fd.fd = rdmareg_rails_get_fd(rails);
	while (fake_peer.tried[1] < 2)
		assert(poll(&fd, 1, -1) == 1 && rdmareg_rails_dispatch(rails) == 0);
	/* the request is under way */
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES);
	check_bytes(0, BYTES);
	assert(connected() == 1 && !fake_peer.accesses[1]);
	/* it is given up, and tried again */
	setenv("FAKE_PEER", "length=4 valid=4", 1);
	await_event(RDMAREG_PEER_EVENT_RECONNECTED);
	check_bytes(0, BYTES);
	assert(connected() == 2 && fake_peer.tried[1] == 3 && fake_peer.accesses[1]);
}

/* Whose ticket is refused, who has other bytes, and who is not to be tried, is not. */
static void test_not_again(void)
{
	static const char *const finally[] = { "length=4 valid=4 expired=2",
					       "length=4 valid=4 other=2" };
	struct rdmareg_rails_options o = { .size = sizeof(o), .no_reconnect = 1 };
	struct rdmareg_peer_info i = { .size = sizeof(i) };
	struct pollfd fd = { .events = POLLIN };

	for (size_t k = 0; k < 2; k++) {
		assert(open_with("length=4 valid=4 absent=2", BOTH, NULL) == 0);
		setenv("FAKE_PEER", finally[k], 1);
		fd.fd = rdmareg_rails_get_fd(rails);
		fake_peer.tried[1] = 1;
		while (fake_peer.tried[1] < 2)
			assert(poll(&fd, 1, -1) == 1 && rdmareg_rails_dispatch(rails) == 0);
		assert(rdmareg_rails_dispatch(rails) == 0 && connected() == 1);
		assert(rdmareg_rails_get_info(rails, 1, &i) == -ENOTCONN &&
		       strstr(rdmareg_last_error(), k ? "of different files" : "expired"));
		assert(poll(&fd, 1, 0) == 0); /* and no timer is set */
		rails = rdmareg_rails_close(rails);
	}
	assert(open_with("length=4 valid=4 absent=2", BOTH, &o) == 0);
	assert(rdmareg_rails_get_info(rails, 1, &i) == -ENOTCONN &&
	       strstr(rdmareg_last_error(), "nothing listens"));
	rails = rdmareg_rails_close(rails);
}

/* A rail that comes back is compared with what it was: there may be no other. */
static void test_changed(void)
{
	static const char *const changed[] = { "length=4 valid=4 absent=1 other=2",
					       "length=4 valid=4 absent=1 shorter=2" };

	for (size_t k = 0; k < 2; k++) {
		struct pollfd fd = { .events = POLLIN };

		fake_peer.accesses[1] = 0;
		assert(open_with("length=4 valid=4 absent=1 breaks=2 at=6", BOTH, NULL) == 0);
		assert(rdmareg_rails_write(rails, sent, BYTES, 0) == -ETIMEDOUT && !connected());
		setenv("FAKE_PEER", changed[k], 1);
		fd.fd = rdmareg_rails_get_fd(rails);
		fake_peer.tried[1] = 1;
		while (fake_peer.tried[1] < 2)
			assert(poll(&fd, 1, -1) == 1 && rdmareg_rails_dispatch(rails) == 0);
		assert(rdmareg_rails_dispatch(rails) == 0 && !connected());
		assert(rails->rail[1].again.never);
		rails = rdmareg_rails_close(rails);
	}
}

/* One that is not reached is left out, and the first that works is taken. */
static void test_absent(void)
{
	struct rdmareg_peer_info i = { .size = sizeof(i) };
	struct rdmareg_peer *p;

	assert(open_with("length=4 valid=4 absent=1", BOTH, NULL) == 0 && connected() == 1);
	assert(rdmareg_rails_get_info(rails, 0, &i) == -ENOTCONN &&
	       strstr(rdmareg_last_error(), "nothing listens"));
	assert(rdmareg_rails_get_info(rails, 2, &i) == -ENOENT);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES);
	check_bytes(0, BYTES);
	assert(rdmareg_peer_connect(BOTH, RDMAREG_ACCESS_READ, NULL, &p) == 0);
	assert(rdmareg_peer_get_info(p, &i) == 0 && i.region == 8);
	rdmareg_peer_close(p);
	assert(rdmareg_peer_connect(FIRST, RDMAREG_ACCESS_READ, NULL, &p) == -ECONNREFUSED);
}

static void refuse(const char *world, const char *tickets, const char *says)
{
	struct rdmareg_peer *p;

	assert(open_with(world, tickets, NULL) == -EINVAL && strstr(rdmareg_last_error(), says));
	if (!strcmp(world, "length=4 valid=4"))
		assert(rdmareg_peer_connect(tickets, RDMAREG_ACCESS_READ, NULL, &p) == -EINVAL);
	assert(!strstr(rdmareg_last_error(), "ca82095c")); /* no ticket is told in an error */
}

static void test_lists(void)
{
	static const char good[] = "length=4 valid=4";
	struct rdmareg_rails_options o = { .size = sizeof(o), .stripe_bytes = 4095 };

	refuse(good, FIRST " " FIRST, "ticket 2 is one of those before it");
	refuse(good, FIRST " " SECOND " " FIRST, "ticket 3 is one of those before it");
	refuse(good, FIRST "  " SECOND, "ticket 2 of a list: ");
	refuse(good, BOTH " ", "ticket 3 of a list: ");
	refuse(good, BOTH "\n", "ticket 2 of a list: ");
	refuse(good, FIRST "," SECOND, "token");
	refuse(good,
	       BOTH " rdmareg://h:1/1" TOKEN " rdmareg://h:1/2" TOKEN " rdmareg://h:1/3" TOKEN,
	       "ticket 5 is one too many");
	refuse(good, FIRST " nonsense", "ticket 2 of a list: ");
	refuse(good, " " FIRST, "something stands before");
	refuse(good, "", "does not begin");
	refuse("length=4 valid=4 shorter=2", BOTH, "so they are not of the same range");
	refuse("length=4 valid=4 other=2", BOTH, "are of different files");
	assert(open_with(good, BOTH, &o) == -EINVAL &&
	       strstr(rdmareg_last_error(), "stripe_bytes"));
	o.stripe_bytes = (UINT64_C(1) << 30) + 1;
	assert(open_with(good, BOTH, &o) == -EINVAL);
	o = (struct rdmareg_rails_options){ .size = sizeof(o), .reserved = { 1 } };
	assert(open_with(good, BOTH, &o) == -E2BIG);
	assert(rdmareg_rails_connect(NULL, RDMAREG_ACCESS_READ, NULL, &rails) == -EINVAL);
	assert(rdmareg_rails_connect(BOTH, RDMAREG_ACCESS_READ, NULL, NULL) == -EINVAL);
	assert(rdmareg_rails_write(NULL, sent, 1, 0) == -EINVAL && !rails);
	assert(rdmareg_rails_close(NULL) == NULL);
	/* the smallest and a large stripe */
	o = (struct rdmareg_rails_options){ .size = sizeof(o), .stripe_bytes = 4096 };
	assert(open_with(good, BOTH, &o) == 0);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES);
	check_bytes(0, BYTES);
	rails = rdmareg_rails_close(rails);
	o.stripe_bytes = 1 << 30;
	assert(open_with(good, BOTH, &o) == 0);
	assert(rdmareg_rails_write(rails, sent, BYTES, 0) == BYTES);
	check_bytes(0, BYTES);
}

static void (*const tests[])(void) = {
	test_changed,	test_alignments,   test_quiet,	     test_stumbles,   test_striped,
	test_breaks,	test_moved,	   test_read_breaks, test_none_left,  test_file_fails,
	test_revoked,	test_both_revoked, test_truncated,   test_first_only, test_absent,
	test_removed,	test_lists,	   test_again,	     test_all_again,  test_silent,
	test_not_again,
};

int main(void)
{
	int status;

	sent = malloc(BYTES);
	got = malloc(BYTES + 1);
	assert(sent && got);
	for (size_t i = 0; i < BYTES; i++)
		sent[i] = (uint8_t)(i * 2654435761u >> 11);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		pid_t pid = fork();

		assert(pid >= 0);
		if (pid == 0) {
			alarm(60);
			tests[i]();
			rdmareg_rails_close(rails);
			free(sent);
			free(got);
			exit(0);
		}
		assert(waitpid(pid, &status, 0) == pid);
		if (status)
			fprintf(stderr, "test %zu: status %d\n", i, status);
		assert(status == 0);
	}
	free(sent);
	free(got);
	return 0;
}
