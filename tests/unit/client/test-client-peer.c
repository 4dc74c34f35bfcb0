// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-peer.c - the peer side against a real keeper: test-client-peer TICKET COMMAND
 *
 * TICKET: of a region of 4 MiB or more, for reading and writing. COMMAND: a shell command that
 * makes the filesystem want blocks of it back and leaves its length as it is, e.g. punches a hole.
 * Without arguments it is skipped (77): it needs RDMA devices.
 *
 * Nothing sleeps: waits are polls on the peer's descriptor.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client-wait.h"

#define BYTES (3u << 20)

static const char *ticket, *command;
static uint8_t *sent, *got;

static struct rdmareg_peer *connect_peer(enum rdmareg_access access,
					 enum rdmareg_on_revocation on_revocation, size_t buffer)
{
	struct rdmareg_peer_options o = { .size = sizeof(o),
					  .on_revocation = on_revocation,
					  .buffer_bytes = buffer };
	struct rdmareg_peer *p = NULL;
	int r = rdmareg_peer_connect(ticket, access, &o, &p);

	if (r < 0)
		fprintf(stderr, "%s\n", rdmareg_last_error());
	assert(r == 0);
	return p;
}

static struct rdmareg_peer_info info_of(struct rdmareg_peer *p)
{
	struct rdmareg_peer_info i = { .size = sizeof(i) };

	assert(rdmareg_peer_get_info(p, &i) == 0);
	return i;
}

/* The next event of that type; others are passed over. */
static struct rdmareg_peer_event wait_for(struct rdmareg_peer *p, enum rdmareg_peer_event_type type)
{
	struct rdmareg_peer_event e = { .size = sizeof(e) };
	struct pollfd fd = { .fd = rdmareg_peer_get_fd(p), .events = POLLIN };

	for (;;) {
		while (rdmareg_peer_next_event(p, &e) > 0) {
			assert(e.type != RDMAREG_PEER_EVENT_DISCONNECTED || type == e.type);
			if (e.type == type)
				return e;
		}
		assert(rdmareg_peer_dispatch(p) == 0);
		if (rdmareg_peer_next_event(p, &e) > 0) {
			if (e.type == type)
				return e;
			continue;
		}
		assert(poll(&fd, 1, 60000) == 1);
	}
}

static void fill(uint8_t *memory, unsigned int seed)
{
	for (size_t i = 0; i < BYTES; i++) {
		seed = seed * 1103515245u + 12345u;
		memory[i] = (uint8_t)(seed >> 16);
	}
}

/*
 * What the adapter there would misplace: reads are right all the same, writes are refused. What was
 * sent is at 0.
 */
static void test_unaligned(struct rdmareg_peer *p, const struct rdmareg_peer_info *i)
{
	static const struct {
		size_t offset, length;
	} reads[] = {
		{ 1, 1 },	 { 1, 4095 },	 { 4095, 1 },	       { 4095, 2 },
		{ 100, 4096 },	 { 4097, 8191 }, { 12345, 1000000 },   { 1, BYTES - 20000 },
		{ 1234, 70001 }, { 262143, 3 },	 { 262145, 1u << 20 },
	};
	struct rdmareg_buffer *to = NULL;

	assert(rdmareg_peer_register_buffer(p, got, BYTES, 1, &to) == 0);
	for (size_t n = 0; n < sizeof(reads) / sizeof(reads[0]); n++) {
		const size_t offset = reads[n].offset, length = reads[n].length;

		memset(got, 0xee, BYTES);
		assert(rdmareg_peer_read(p, got, length, offset) == (int64_t)length);
		assert(!memcmp(got, sent + offset, length) && got[length] == 0xee);
		memset(got, 0xee, BYTES);
		assert(rdmareg_peer_read_buffer(to, 5, length, offset) == (int64_t)length);
		assert(!memcmp(got + 5, sent + offset, length) && got[4] == 0xee &&
		       got[length + 5] == 0xee);
	}
	rdmareg_buffer_free(to);
	assert(rdmareg_peer_read(p, got, 0, 1) == 0);
	assert(rdmareg_peer_read(p, got, 10, i->valid_length - 9) == -ERANGE);
	assert(rdmareg_peer_read(p, got, 1, UINT64_MAX) == -ERANGE);
	assert(rdmareg_peer_read(p, got, SIZE_MAX, 1) == -ERANGE);
	assert(rdmareg_peer_flush(p, 4097) == 0);
	if (i->alignment > 1) {
		assert(rdmareg_peer_write(p, sent, 10, 1) == -EINVAL);
		assert(rdmareg_peer_write(p, sent, 4096, 4095) == -EINVAL);
		assert(strstr(rdmareg_last_error(), "multiples of"));
	}
}

static void test_transfer(size_t buffer)
{
	struct rdmareg_peer *p =
		connect_peer(RDMAREG_ACCESS_READ_WRITE, RDMAREG_ON_REVOCATION_RETURN, buffer);
	struct rdmareg_peer_info i = info_of(p);
	const size_t odd = BYTES - 12345;

	assert(i.connected && i.alignment && i.path_mtu >= 256 && i.valid_length >= 4u << 20 &&
	       *i.device && *i.remote_address);
	assert(i.access == RDMAREG_ACCESS_READ_WRITE && i.grace_msec);
	fill(sent, (unsigned int)buffer + 1);
	memset(got, 0, BYTES);
	assert(rdmareg_peer_write(p, sent, odd, 0) == (int64_t)odd);
	assert(rdmareg_peer_flush(p, 0) == 0);
	assert(rdmareg_peer_read(p, got, odd, 0) == (int64_t)odd);
	assert(!memcmp(sent, got, odd) && !got[odd]);
	/* From the middle to the end. */
	assert(rdmareg_peer_read(p, got, 8192, i.valid_length - 4096) == -ERANGE);
	assert(rdmareg_peer_read(p, got, 4096, i.valid_length - 4096) == 4096);
	assert(rdmareg_peer_read(p, got, 0, 0) == 0);
	test_unaligned(p, &i);
	assert(rdmareg_peer_write(p, sent, 10, UINT64_MAX / i.alignment * i.alignment) == -ERANGE);
	assert(rdmareg_peer_write(p, sent, SIZE_MAX, 0) == -ERANGE);
	assert(rdmareg_peer_acknowledge(p, 0) == -ESTALE &&
	       rdmareg_peer_acknowledge(p, 12345) == -ESTALE);
	assert(rdmareg_peer_close(p) == NULL);

	p = connect_peer(RDMAREG_ACCESS_READ, RDMAREG_ON_REVOCATION_RETURN, buffer);
	assert(rdmareg_peer_write(p, sent, 4096, 0) == -EACCES && info_of(p).connected);
	assert(rdmareg_peer_read(p, got, 4096, 0) == 4096 && !memcmp(sent, got, 4096));
	rdmareg_peer_close(p);
}

static void test_zero_copy(void)
{
	struct rdmareg_peer *p =
		connect_peer(RDMAREG_ACCESS_READ_WRITE, RDMAREG_ON_REVOCATION_RETURN, 0);
	struct rdmareg_buffer *from = NULL, *to = NULL;

	fill(sent, 77);
	memset(got, 0, BYTES);
	assert(rdmareg_peer_register_buffer(p, sent, BYTES, 0, &from) == 0);
	assert(rdmareg_peer_register_buffer(p, got, BYTES, 1, &to) == 0);
	assert(rdmareg_peer_register_buffer(p, NULL, BYTES, 1, &to) == -EINVAL);
	/* Locally any byte will do. */
	assert(rdmareg_peer_write_buffer(from, 13, 2000000, 4096) == 2000000);
	assert(rdmareg_peer_read_buffer(to, 7, 2000000, 4096) == 2000000);
	assert(!memcmp(sent + 13, got + 7, 2000000) && !got[6] && !got[2000007]);
	assert(rdmareg_peer_read_buffer(from, 0, 10, 0) == -EFAULT);
	assert(rdmareg_peer_write_buffer(from, BYTES, 1, 0) == -EFAULT);
	assert(rdmareg_peer_write_buffer(from, 1, SIZE_MAX, 0) == -EFAULT);
	assert(rdmareg_buffer_free(from) == NULL);
	rdmareg_peer_close(p); /* and the other buffer */
}

/* By hand: transfers stop, the program acknowledges, waits, goes on over the same connection. */
static void test_return(void)
{
	struct rdmareg_peer *p =
		connect_peer(RDMAREG_ACCESS_READ_WRITE, RDMAREG_ON_REVOCATION_RETURN, 0);
	struct rdmareg_peer_event e;
	pid_t pid = begin_command(command);
	int64_t n;

	do {
		n = rdmareg_peer_write(p, sent, 1 << 20, 0);
		assert(n == -EAGAIN || (n >= 0 && n % 4096 == 0));
	} while (n != -EAGAIN);
	assert(info_of(p).revocation.id && !info_of(p).acknowledged);
	e = wait_for(p, RDMAREG_PEER_EVENT_ASKED);
	assert(e.revocation.id == info_of(p).revocation.id && e.revocation.deadline_usec &&
	       e.seen_usec);
	assert(rdmareg_peer_acknowledge(p, e.revocation.id + 1) == -ESTALE);
	assert(rdmareg_peer_acknowledge(p, e.revocation.id) == 0 &&
	       rdmareg_peer_acknowledge(p, e.revocation.id) == 0);
	if (info_of(p).revocation.id)
		assert(rdmareg_peer_read(p, got, 4096, 0) == -EAGAIN || !info_of(p).revocation.id);
	e = wait_for(p, RDMAREG_PEER_EVENT_SETTLED);
	assert(e.outcome == RDMAREG_OUTCOME_RESTORED && e.valid_length == info_of(p).valid_length &&
	       !info_of(p).revocation.id);
	assert(rdmareg_peer_write(p, sent, 1 << 20, 0) == 1 << 20);
	assert(rdmareg_peer_read(p, got, 1 << 20, 0) == 1 << 20 && !memcmp(sent, got, 1 << 20));
	end_command(pid);
	rdmareg_peer_close(p);
}

/* By itself: inside a transfer, and while idle through dispatch. */
static void test_yield(bool idle)
{
	struct rdmareg_peer *p =
		connect_peer(RDMAREG_ACCESS_READ_WRITE, RDMAREG_ON_REVOCATION_YIELD, 0);
	struct rdmareg_peer_event e = { .size = sizeof(e) };
	pid_t pid = begin_command(command);
	bool asked = false, acknowledged = false;

	if (idle) {
		wait_for(p, RDMAREG_PEER_EVENT_ACKNOWLEDGED);
		wait_for(p, RDMAREG_PEER_EVENT_SETTLED);
	} else {
		do {
			assert(rdmareg_peer_write(p, sent, 1 << 20, 0) == 1 << 20);
			if (rdmareg_peer_next_event(p, &e) <= 0)
				continue;
			assert(e.type != RDMAREG_PEER_EVENT_DISCONNECTED);
			asked |= e.type == RDMAREG_PEER_EVENT_ASKED;
			acknowledged |= e.type == RDMAREG_PEER_EVENT_ACKNOWLEDGED;
		} while (e.type != RDMAREG_PEER_EVENT_SETTLED);
		assert(asked && acknowledged);
	}
	assert(info_of(p).connected && rdmareg_peer_read(p, got, 4096, 4096) == 4096);
	end_command(pid);
	rdmareg_peer_close(p);
}

/*
 * By not answering: cut off at the deadline, with the reason, and with nothing in flight
 * afterwards.
 */
static void test_ignore(void)
{
	struct rdmareg_peer *p =
		connect_peer(RDMAREG_ACCESS_READ_WRITE, RDMAREG_ON_REVOCATION_IGNORE, 0);
	struct rdmareg_peer_event e;
	pid_t pid = begin_command(command);
	int64_t n;

	do
		n = rdmareg_peer_write(p, sent, 1 << 20, 0);
	while (n >= 0);
	assert(n == -ESTALE && strstr(rdmareg_last_error(), "not acknowledged in time"));
	assert(!info_of(p).connected && rdmareg_peer_read(p, got, 1, 0) == -ESTALE &&
	       rdmareg_peer_flush(p, 0) == -ESTALE);
	assert(rdmareg_peer_acknowledge(p, 1) == -ESTALE);
	e = wait_for(p, RDMAREG_PEER_EVENT_DISCONNECTED);
	assert(e.error == -ESTALE && rdmareg_peer_dispatch(p) == 0 &&
	       rdmareg_peer_next_event(p, &e) == 0);
	end_command(pid);
	rdmareg_peer_close(p);
}

static void test_refused(void)
{
	struct rdmareg_peer_options o = { .size = sizeof(o), .on_revocation = 9 };
	struct rdmareg_peer *p = NULL;
	char *bad = strdup(ticket);
	char *last = bad + strlen(bad) - 1;

	const struct rdmareg_peer_options impatient[] = {
		{ .size = sizeof(o), .retries = 7 },
		{ .size = sizeof(o), .rnr_retries = 8 },
		{ .size = sizeof(o), .rnr_timer_usec = 655361 },
		{ .size = sizeof(o), .ack_timeout_usec = UINT64_MAX },
	};

	for (size_t i = 0; i < sizeof(impatient) / sizeof(impatient[0]); i++)
		assert(rdmareg_peer_connect(ticket, RDMAREG_ACCESS_READ, &impatient[i], &p) ==
		       -EINVAL);
	assert(rdmareg_peer_connect(ticket, RDMAREG_ACCESS_READ, &o, &p) == -EINVAL);
	assert(rdmareg_peer_connect(ticket, RDMAREG_ACCESS_UNKNOWN, NULL, &p) == -EINVAL);
	*last = *last == '0' ? '1' : '0';
	assert(rdmareg_peer_connect(bad, RDMAREG_ACCESS_READ, NULL, &p) == -EACCES);
	*last = 'x';
	assert(rdmareg_peer_connect(bad, RDMAREG_ACCESS_READ, NULL, &p) == -EINVAL && !p);
	free(bad);
	/* names could take a name server's patience each */
	assert(rdmareg_peer_connect("rdmareg://localhost:1,localhost:2/1?"
				    "00112233445566778899aabbccddeeff",
				    RDMAREG_ACCESS_READ, NULL, &p) == -ENXIO);
	assert(strstr(rdmareg_last_error(), "numeric"));
}

/* What was asked for is in force, and works. */
static void test_patience(void)
{
	const struct rdmareg_peer_options o = {
		.size = sizeof(o),
		.retries = 3,
		.rnr_retries = 5,
		.rnr_timer_usec = 1000,
		.ack_timeout_usec = 50000,
	};
	struct rdmareg_peer *p = NULL;
	struct rdmareg_peer_info i;

	assert(rdmareg_peer_connect(ticket, RDMAREG_ACCESS_READ_WRITE, &o, &p) == 0);
	i = info_of(p);
	assert(i.retries == 3 && i.rnr_retries == 5 && i.rnr_timer_usec == 1000);
	assert(rdmareg_peer_write(p, sent, 4096, 0) == 4096 && rdmareg_peer_flush(p, 0) == 0);
	rdmareg_peer_close(p);
	p = connect_peer(RDMAREG_ACCESS_READ, RDMAREG_ON_REVOCATION_RETURN, 0);
	i = info_of(p);
	assert(i.retries == 6 && i.rnr_retries == 7 && i.rnr_timer_usec == 640);
	rdmareg_peer_close(p);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 77;
	ticket = argv[1];
	command = argv[2];
	alarm(240);
	sent = malloc(BYTES);
	got = malloc(BYTES);
	assert(sent && got);
	test_refused();
	test_patience();
	test_transfer(0);
	test_transfer(1); /* one page at a time */
	test_transfer(3 << 12);
	test_zero_copy();
	test_return();
	test_yield(false);
	test_yield(true);
	test_ignore();
	free(sent);
	free(got);
	puts("ok");
	return 0;
}
