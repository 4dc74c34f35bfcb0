// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-intake.c - what comes from the bus as the intake reads it: whose a message is, and what it
 * brings, is found however its header is made; one without descriptors costs no thread; one that is
 * too large for D-Bus is left out; and a descriptor is got with its message alone, while that is
 * handled. This is the bus, and sd-bus.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "bus/bus-internal.h"
#include "bus/intake-sink.h"
#include "bus/intake.h"
#include "util/passed.h"

#define SENDER ":1.42"
#define LARGEST (128u << 20)

static struct event_base *base;
static struct bus bus;
static struct intake *intake;
static int theirs; /* where the bus writes */
static int in;	   /* where sd-bus reads */
static unsigned int dropped;
static unsigned int closed;
static uint32_t dropped_uid;
static client_known_t *known;
static void *known_userdata;
static char asked[256];
static bool read_at_once = true; /* what is sent */
static struct client *client;

/* What the intake calls, before those of the daemon. */

struct sink {
	int socket;
	sink_dropped tell;
	void *userdata;
	bool expected;
};

int sink_new(struct sink **ret, struct event_base *b, int socket, sink_dropped tell, void *userdata)
{
	static struct sink s;

	assert(b == base);
	s = (struct sink){ socket, tell, userdata, false };
	*ret = &s;
	return 0;
}

bool sink_free(struct sink *s)
{
	(void)s;
	return false;
}

int sink_drop(struct sink *s, uint32_t uid, bool emergency)
{
	char byte;

	assert(!emergency && recv(s->socket, &byte, 1, 0) == 1);
	dropped++;
	dropped_uid = uid;
	s->expected = true;
	return 0;
}

void sink_look(struct sink *s)
{
	if (!s->expected)
		return;
	s->expected = false;
	s->tell(s->userdata, 0);
}

struct client *client_find(struct bus *b, const char *name)
{
	assert(b == &bus);
	return client && !strcmp(name, client->name) ? client : NULL;
}

int client_ask(struct bus *b, const char *name, client_known_t *then, void *userdata,
	       sd_bus_slot **ret)
{
	assert(b == &bus && !*asked);
	strcpy(asked, name);
	known = then;
	known_userdata = userdata;
	*ret = NULL;
	return 0;
}

void offload_close(struct offload *o, int fd, uint32_t uid)
{
	(void)o, (void)uid;
	if (fd >= 0)
		closed += close(fd) == 0;
}

bool offload_is_choked(struct offload *o, uint32_t uid)
{
	(void)o, (void)uid;
	return false;
}

/* A message being made. */
struct made {
	unsigned char *data;
	size_t size;
};

static void pad(struct made *m, size_t to)
{
	m->size = (m->size + to - 1) / to * to;
}

static void put(struct made *m, const void *data, size_t n)
{
	memcpy(m->data + m->size, data, n);
	m->size += n;
}

/* A text, or without one a number. */
static void put_field(struct made *m, uint8_t code, char type, const char *text, uint32_t number)
{
	uint32_t value = text ? (uint32_t)strlen(text) : number;

	pad(m, 8);
	put(m, (unsigned char[]){ code, 1, (unsigned char)type, 0 }, 4);
	put(m, &value, type == 'g' || type == 'y' ? 1 : sizeof(value));
	if (text)
		put(m, text, strlen(text) + 1);
}

/*
 * A call; its path has @path characters, and the sender comes after it. The signature is the last.
 */
static uint32_t serial = 1; /* of the next call */

static struct made make_call(size_t path, unsigned int n_fds, const char *signature, bool unknown)
{
	struct made m = { calloc(1, path + 1024), 16 };
	char *text = malloc(path + 1);
	uint32_t fields;

	assert(m.data && text);
	memset(text, 'a', path);
	text[0] = '/';
	text[path] = 0;
	memcpy(m.data, (unsigned char[]){ 'l', SD_BUS_MESSAGE_METHOD_CALL, 0, 1 }, 4);
	memcpy(m.data + 8, &serial, sizeof(serial));
	put_field(&m, 1, 'o', text, 0);
	if (unknown)
		put_field(&m, 200, 'y', NULL, 1);
	if (n_fds)
		put_field(&m, 9, 'u', NULL, n_fds);
	put_field(&m, 7, 's', SENDER, 0);
	put_field(&m, 8, 'g', signature, 0);
	fields = (uint32_t)(m.size - 16);
	memcpy(m.data + 12, &fields, sizeof(fields));
	pad(&m, 8);
	free(text);
	return m;
}

static void turn(void)
{
	intake_read(intake);
	assert(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
}

/* The bus writes it, with @n_fds descriptors. */
static void send_call(const struct made *m, unsigned int n_fds)
{
	union {
		char space[CMSG_SPACE(sizeof(int[2]))];
		struct cmsghdr header;
	} control;
	int fds[2] = { theirs, theirs };
	struct iovec iov = { m->data, m->size };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n_fds) {
		control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
						   .cmsg_type = SCM_RIGHTS,
						   .cmsg_len = CMSG_LEN(n_fds * sizeof(int)) };
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
		h.msg_control = &control;
		h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
	}
	assert(sendmsg(theirs, &h, 0) == (ssize_t)m->size);
	*asked = 0;
	dropped = 0;
	if (!read_at_once)
		return;
	turn();
	turn();
}

/* It got to sd-bus whole. How many tokens, or what stands for them, came with it. */
static unsigned int take(struct made *m, int *fds)
{
	unsigned char *data = malloc(m->size);
	union {
		char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
		struct cmsghdr header;
	} control;
	unsigned int n_fds = 0;

	assert(data);
	for (size_t got = 0; got < m->size;) {
		struct iovec iov = { data + got, m->size - got };
		struct msghdr h = { .msg_iov = &iov,
				    .msg_iovlen = 1,
				    .msg_control = &control,
				    .msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(in, &h, MSG_DONTWAIT);

		assert(n > 0);
		n_fds += passed_descriptors(&h, fds + n_fds);
		got += (size_t)n;
		turn();
	}
	assert(!memcmp(data, m->data, m->size) && recv(in, data, 1, MSG_DONTWAIT) < 0);
	free(data);
	free(m->data);
	turn();
	return n_fds;
}

/* -1: it cannot be claimed. */
static int claim(int token, const char *sender, uint32_t of)
{
	enum intake_refusal why;
	int fd = intake_claim(intake, token, sender, of, &why);

	assert(fd >= 0 || (fd == -EBUSY && why == INTAKE_FAILED));
	return fd < 0 ? -1 : fd;
}

/* All that came with it is claimed. */
static unsigned int receive(struct made *m)
{
	int fds[DESCRIPTORS_MAX];
	unsigned int n_fds = take(m, fds);

	for (unsigned int i = 0; i < n_fds; i++) {
		int fd = claim(fds[i], SENDER, serial);

		assert(fd >= 0);
		close(fd);
		close(fds[i]);
	}
	closed = 0;
	intake_settled(intake);
	assert(!closed);
	return n_fds;
}

static void tell_known(void)
{
	*asked = 0;
	known(known_userdata, client);
	turn();
}

/* Nothing of it goes on, and what it brings is dropped. The next one is read. */
static void expect_left_out(struct made *m)
{
	char byte;

	assert(!*asked && dropped == 1 && dropped_uid == OFFLOAD_HIDDEN);
	assert(recv(in, &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	free(m->data);
}

/* Who sent it is asked for, unless it brings something and is @odd. */
static void test_caller(size_t path, unsigned int n_fds, bool odd)
{
	struct made m = make_call(path, n_fds, "h", false);

	send_call(&m, n_fds);
	if (n_fds && odd) {
		expect_left_out(&m);
		return;
	}
	assert(!dropped && !strcmp(asked, SENDER));
	tell_known();
	assert(receive(&m) == n_fds);
}

/* A message without descriptors costs no thread for those of the next one. */
static void test_next_brings(void)
{
	struct made m = make_call(60000, 0, "", false), next = make_call(10, 1, "h", false);

	assert(intake_set_reading(intake, false) == 0);
	assert(send(theirs, m.data, m.size, 0) == (ssize_t)m.size);
	read_at_once = false;
	send_call(&next, 1);
	read_at_once = true;
	assert(intake_set_reading(intake, true) == 0);
	turn();
	turn();
	assert(!dropped && !strcmp(asked, SENDER));
	tell_known();
	m.data = realloc(m.data, m.size + next.size);
	assert(m.data);
	put(&m, next.data, next.size);
	free(next.data);
	assert(receive(&m) == 1);
}

/*
 * Whose signature sd-bus does not take, though the bus does; it would not close what came with
 * that.
 */
static void test_long_signature(void)
{
	char signature[256];
	struct made m;

	memset(signature, 'y', sizeof(signature) - 1);
	signature[sizeof(signature) - 1] = 0;
	m = make_call(10, 1, signature, false);
	send_call(&m, 1);
	expect_left_out(&m);
}

/*
 * A field of a type that is not read here comes before the sender: sd-bus finds who it is, and the
 * intake from then on.
 */
static void test_unknown_field(unsigned int n_fds)
{
	struct made m = make_call(10, n_fds, "", true);

	send_call(&m, n_fds);
	if (n_fds) {
		expect_left_out(&m);
		return;
	}
	assert(!*asked && !dropped && receive(&m) == 0);
	intake_learn(intake, SENDER);
	assert(!strcmp(asked, SENDER));
	tell_known();
}

/*
 * The bus has added the sender to a message that was just as large as D-Bus allows. The next one is
 * read.
 */
static void test_too_large(unsigned int n_fds)
{
	struct made m = make_call(10, n_fds, "", false), next = make_call(10, 0, "", false);
	uint32_t body = LARGEST - 16;
	size_t left = body;
	char *zeros = calloc(1, 1 << 20);

	assert(zeros);
	memcpy(m.data + 4, &body, sizeof(body));
	send_call(&m, n_fds);
	assert(dropped == (n_fds > 0));
	while (left) {
		ssize_t n = send(theirs, zeros, left < 1 << 20 ? left : 1 << 20, MSG_DONTWAIT);

		assert(n > 0 || errno == EAGAIN);
		left -= n > 0 ? (size_t)n : 0;
		turn();
	}
	turn();
	assert(!*asked && recv(in, zeros, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
	free(zeros);
	free(m.data);
	send_call(&next, 0);
	assert(!strcmp(asked, SENDER));
	tell_known();
	receive(&next);
}

static struct made send_known(uint32_t number)
{
	struct made m;

	serial = number;
	m = make_call(10, 2, "hh", false);
	send_call(&m, 2);
	tell_known();
	return m;
}

/* Two messages have the same tokens; each gets its own descriptors, once, and nobody else does. */
static void test_claims(void)
{
	struct made m = send_known(7), next = send_known(8);
	int fds[DESCRIPTORS_MAX], got, other;

	m.data = realloc(m.data, m.size + next.size);
	assert(m.data);
	put(&m, next.data, next.size);
	free(next.data);
	assert(take(&m, fds) == 4);
	assert(claim(fds[0], ":1.43", 7) == -1 && claim(fds[0], SENDER, 9) == -1);
	assert(claim(theirs, SENDER, 7) == -1);
	got = claim(fds[1], SENDER, 7);
	other = claim(fds[3], SENDER, 8);
	assert(got >= 0 && other >= 0 && got != other);
	assert(claim(fds[1], SENDER, 7) == -1 && claim(fds[3], SENDER, 7) == -1);
	closed = 0;
	intake_settled(intake);
	assert(closed == 2);
	assert(claim(fds[0], SENDER, 7) == -1 && claim(fds[2], SENDER, 8) == -1);
	for (unsigned int i = 0; i < 4; i++)
		close(fds[i]);
	close(got);
	close(other);
}

int main(void)
{
	int ends[2];

	client = calloc(1, sizeof(*client) + sizeof(SENDER));
	base = event_base_new();
	assert(client && base && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	strcpy(client->name, ":1.1");
	client->uid = 1000;
	theirs = ends[0];
	assert(intake_new(&intake, &bus, base, ends[1], &in) == 0 &&
	       intake_set_reading(intake, true) == 0);
	for (unsigned int n_fds = 0; n_fds < 3; n_fds++) {
		test_caller(10, n_fds, false);
		test_caller(4000, n_fds, false);
		test_caller(60000, n_fds, true);
		test_caller(1 << 17, n_fds, true);
		test_unknown_field(n_fds);
		test_too_large(n_fds);
	}
	test_next_brings();
	test_long_signature();
	test_claims();
	intake_free(intake);
	event_base_free(base);
	close(in);
	close(theirs);
	free(client);
	return 0;
}
