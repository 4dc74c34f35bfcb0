// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * intake.c - see intake.h. Of a message only what must be known is read (intake-header.h). What is
 * wrong with it otherwise is for sd-bus to find.
 *
 * Whether it brings descriptors is asked of the kernel, which says so to who looks without room for
 * them. One that brings none is received first and read then, however long its header is. Of one
 * that does, the header is looked at before, and sd-bus gets it only if the header is plain: what
 * sd-bus finds invalid, though the bus did not, it drops without closing its tokens, which would stay
 * open for ever.
 */
#include "bus/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event_struct.h>

#include "bus/bus-internal.h"
#include "bus/intake-header.h"
#include "bus/intake-sink.h"
#include "bus/intake-tokens.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/passed.h"

#define PIECE_MAX \
	(256u     \
	 << 10) /* more than Linux passes as one, which is where descriptors are; read at once of what is not kept */
#define PART_BUDGET 64 /* of one message in a turn */
#define READ_BUDGET 64
#define UNPARK_USEC (50 * USEC_PER_MSEC)
#define UNPARK_BUDGET 256
#define RETRY_USEC (50 * USEC_PER_MSEC)
/*
 * Of each descriptor: itself, its token, and that once more for sd-bus. Others may need some
 * meanwhile.
 */
#define TABLE_EACH 3
#define TABLE_MAX (TABLE_EACH * DESCRIPTORS_MAX)
#define SPARE 16

struct packet {
	struct header header;
	size_t got;
	size_t sent;
	uint32_t uid;
	enum intake_refusal refusal;
	bool brings;	/* descriptors */
	bool exchanged; /* @fds are tokens */
	bool discarded; /* sd-bus is not to get it: what was received is not kept */
	unsigned int n_fds;
	int *fds;
	STAILQ_ENTRY(packet) packets;
	unsigned char data[];
};
STAILQ_HEAD(packets, packet);

/* One that was refused, while too many of its user wait to be closed. */
struct parked {
	int fd;
	uint32_t uid;
	STAILQ_ENTRY(parked) parking;
};

/* Somebody who called, and is not known yet. */
struct stranger {
	struct intake *intake;
	struct packets packets;
	sd_bus_slot *question;
	LIST_ENTRY(stranger) strangers;
	char name[];
};

struct intake {
	struct bus *bus;
	int socket;
	int out; /* to sd-bus */
	struct tokens *tokens;
	uint32_t unknown; /* descriptors of strangers that are here */
	uint32_t brought_max;
	bool messages; /* authentication is over */
	bool wanted;   /* the bus wants to read */
	bool held;     /* but what comes next is not to be received now */
	struct event *readable;
	struct event *writable;
	struct packet *reading; /* not whole yet */
	struct packets going;
	LIST_HEAD(, stranger) strangers;
	STAILQ_HEAD(, parked) parking;
	uint32_t n_parked;
	uint32_t parked_max;
	struct event *unpark;
	struct sink *sink;
	bool told;	     /* why nothing is read */
	uint64_t received;   /* bytes */
	struct event *retry; /* of what cannot be read now */
};

/* Whether a message's descriptors are taken. */
static enum intake_refusal judge(const struct intake *i, uint32_t uid, uint32_t n)
{
	bool unknown = uid == OFFLOAD_UNKNOWN;

	if (offload_is_choked(i->bus->offload, uid))
		return unknown ? INTAKE_NEW : INTAKE_CLOSES;
	return unknown && i->unknown + n > INTAKE_UNKNOWN ? INTAKE_NEW : INTAKE_TAKEN;
}

/* --- what is refused */

/* Closed by a thread; while too many of its user wait for one it is kept open. */
static void turn_away(struct intake *i, int fd, uint32_t uid)
{
	const struct timeval pause = timeval_from_usec(UNPARK_USEC);
	struct parked *p;

	if (!offload_is_choked(i->bus->offload, uid)) {
		offload_close(i->bus->offload, fd, uid);
		return;
	}
	p = malloc(sizeof(*p));
	if (!p) {
		log_error("no memory to close descriptor %d of uid %" PRIu32 ": it stays open", fd,
			  uid);
		return;
	}
	p->fd = fd;
	p->uid = uid;
	STAILQ_INSERT_TAIL(&i->parking, p, parking);
	if (!i->n_parked++)
		event_add(i->unpark, &pause);
}

/* Some of the parked, in turn: each that can wait for a thread by now does. */
static void on_unpark(evutil_socket_t fd, short what, void *userdata)
{
	const struct timeval pause = timeval_from_usec(UNPARK_USEC);
	struct intake *i = userdata;

	(void)fd, (void)what;
	for (uint32_t n = i->n_parked < UNPARK_BUDGET ? i->n_parked : UNPARK_BUDGET; n; n--) {
		struct parked *p = STAILQ_FIRST(&i->parking);

		STAILQ_REMOVE_HEAD(&i->parking, parking);
		if (offload_is_choked(i->bus->offload, p->uid)) {
			STAILQ_INSERT_TAIL(&i->parking, p, parking);
			continue;
		}
		offload_close(i->bus->offload, p->fd, p->uid);
		free(p);
		i->n_parked--;
	}
	if (i->n_parked)
		event_add(i->unpark, &pause);
}

/*
 * Whether so many more descriptors can be had: the kernel drops those for which the table has no
 * room, in this thread.
 */
static bool table_has(struct intake *i, unsigned int n)
{
	int fds[TABLE_MAX + SPARE];
	unsigned int got = 0;
	struct rlimit l;
	struct stat st;

	/* since Linux 6.2 this says how many are open; before that, 0: then as many are tried */
	if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0 && getrlimit(RLIMIT_NOFILE, &l) == 0)
		return (uint64_t)st.st_size + n + SPARE <= l.rlim_cur;
	while (got < n + SPARE && (fds[got] = fcntl(i->out, F_DUPFD_CLOEXEC, 0)) >= 0)
		got++;
	for (unsigned int k = 0; k < got; k++)
		close(fds[k]);
	return got == n + SPARE;
}

static bool can_park(struct intake *i, unsigned int n)
{
	return i->n_parked + n <= i->parked_max && table_has(i, n);
}

/* --- packets */

/*
 * What sd-bus would end the connection for is not kept: to what a caller wrote the bus adds the
 * sender.
 */
static struct packet *packet_new(const struct header *h)
{
	bool discarded = h->size > MESSAGE_MAX;
	struct packet *p = calloc(
		1, sizeof(*p) + (discarded ? PIECE_MAX : h->size + 1)); /* to look beyond it */

	if (!p)
		return NULL;
	p->header = *h;
	p->discarded = discarded;
	return p;
}

/* Its descriptors are counted as those of a user who is not known, or not any more. */
static void count_unknown(struct intake *i, const struct packet *p, bool on)
{
	uint32_t n = 0;

	if (p->uid != OFFLOAD_UNKNOWN)
		return;
	for (unsigned int k = 0; k < p->n_fds; k++)
		n += p->fds[k] >= 0;
	i->unknown = on ? i->unknown + n : i->unknown - n;
}

static void packet_free(struct intake *i, struct packet *p)
{
	if (!p->exchanged)
		count_unknown(i, p, false);
	for (unsigned int k = 0; k < p->n_fds && !p->exchanged; k++)
		offload_close(i->bus->offload, p->fds[k], p->uid);
	free(p->fds);
	free(p);
}

static void free_packets(struct intake *i, struct packets *packets)
{
	struct packet *p;

	while ((p = STAILQ_FIRST(packets))) {
		STAILQ_REMOVE_HEAD(packets, packets);
		packet_free(i, p);
	}
}

/* --- to sd-bus */

/* From now on its descriptors are tokens, or what stands for none. */
static void exchange(struct intake *i, struct packet *p)
{
	if (p->exchanged)
		return;
	count_unknown(i, p, false);
	tokens_exchange(i->tokens, &p->header, p->uid, p->refusal, p->fds, p->n_fds);
	p->exchanged = true;
}

int intake_claim(struct intake *i, int token, const char *sender, uint64_t serial,
		 enum intake_refusal *ret_why)
{
	return tokens_claim(i->tokens, token, sender, serial, ret_why);
}

void intake_settled(struct intake *i)
{
	if (STAILQ_EMPTY(&i->going)) /* sd-bus has got all of it */
		tokens_forget(i->tokens);
}

/* 1: all of it has left, 0: there is no room now. */
static int send_packet(struct intake *i, struct packet *p)
{
	union {
		char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
		struct cmsghdr header;
	} control;

	exchange(i, p);
	while (p->sent < p->header.size) {
		struct iovec iov = { p->data + p->sent, p->header.size - p->sent };
		struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (!p->sent && p->n_fds) {
			h.msg_control = &control;
			h.msg_controllen = CMSG_SPACE(p->n_fds * sizeof(int));
			control.header.cmsg_level = SOL_SOCKET;
			control.header.cmsg_type = SCM_RIGHTS;
			control.header.cmsg_len = CMSG_LEN(p->n_fds * sizeof(int));
			memcpy(CMSG_DATA(&control.header), p->fds, p->n_fds * sizeof(int));
		}
		n = sendmsg(i->out, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			/* ETOOMANYREFS: tokens under way, which sd-bus is about to take */
			return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ||
					       errno == ENOMEM || errno == ETOOMANYREFS
				       ? 0
				       : -errno;
		p->sent += (size_t)n;
	}
	return 1;
}

static void send_all(struct intake *i)
{
	struct packet *p;

	while ((p = STAILQ_FIRST(&i->going))) {
		int r = send_packet(i, p);

		if (r == 0) {
			event_add(i->writable, NULL);
			return;
		}
		/* after an error sd-bus has lost its connection, and nobody misses the message */
		STAILQ_REMOVE_HEAD(&i->going, packets);
		packet_free(i, p);
	}
}

static void send_on(struct intake *i, struct packet *p)
{
	STAILQ_INSERT_TAIL(&i->going, p, packets);
	send_all(i);
}

static void on_writable(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	send_all(userdata);
}

/* --- who sent it */

static void stranger_free(struct stranger *s)
{
	free_packets(s->intake, &s->packets);
	sd_bus_slot_unref(s->question);
	LIST_REMOVE(s, strangers);
	free(s);
}

/*
 * Now that the bus has told who that is; @c NULL: the connection is gone, and nobody waits for an
 * answer.
 */
static void on_known(void *userdata, const struct client *c)
{
	struct stranger *s = userdata;
	struct packet *p;

	while (c && (p = STAILQ_FIRST(&s->packets))) {
		STAILQ_REMOVE_HEAD(&s->packets, packets);
		count_unknown(s->intake, p, false);
		p->uid = c->uid;
		send_on(s->intake, p);
	}
	stranger_free(s);
}

static struct stranger *get_stranger(struct intake *i, const char *name)
{
	struct stranger *s;

	LIST_FOREACH(s, &i->strangers, strangers)
		if (!strcmp(s->name, name))
			return s;
	s = calloc(1, sizeof(*s) + strlen(name) + 1);
	if (!s)
		return NULL;
	s->intake = i;
	strcpy(s->name, name);
	STAILQ_INIT(&s->packets);
	LIST_INSERT_HEAD(&i->strangers, s, strangers);
	if (client_ask(i->bus, name, on_known, s, &s->question) < 0) {
		stranger_free(s);
		return NULL;
	}
	return s;
}

void intake_learn(struct intake *i, const char *sender)
{
	get_stranger(i, sender);
}

static void take_packet(struct intake *i, struct packet *p)
{
	struct stranger *s;

	if (p->header.type != SD_BUS_MESSAGE_METHOD_CALL || p->header.sender[0] != ':' ||
	    client_find(i->bus, p->header.sender)) {
		send_on(i, p);
		return;
	}
	s = get_stranger(i, p->header.sender);
	if (!s) {
		log_error("no memory for a call of %s", p->header.sender);
		packet_free(i, p);
		return;
	}
	STAILQ_INSERT_TAIL(&s->packets, p, packets);
}

/* --- from the bus */

/* sd-bus finds the end of its stream, and the loop its end. */
static void lose(struct intake *i)
{
	event_del(i->readable);
	shutdown(i->out, SHUT_WR);
}

/* Lines of text, each beginning with a letter that no message begins with. */
static int read_lines(struct intake *i)
{
	struct packet *p;
	unsigned char data[512];
	ssize_t n = recv(i->socket, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT), end = 0;
	bool begins = true;

	if (n <= 0)
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -EPIPE;
	while (end < n && !(begins && (data[end] == 'l' || data[end] == 'B')))
		begins = data[end++] == '\n';
	i->messages = end < n;
	if (!end)
		return 1;
	p = packet_new(&(struct header){ .size = (size_t)end });
	if (!p)
		return -ENOMEM;
	if (recv(i->socket, p->data, (size_t)end, MSG_DONTWAIT) != end) {
		packet_free(i, p);
		return -EPIPE;
	}
	send_on(i, p);
	return 1;
}

/*
 * Descriptors are in the socket: of this message, or of one behind it. Who looks sees no further
 * than the piece that has them, and they are with the first piece of a message; so they are not of
 * this one if there is more to see than it. Then whether they are taken. A plain header is in the
 * first piece.
 */
static int judge_packet(struct intake *i, struct packet *p)
{
	const struct header *h = &p->header;
	struct iovec iov = { p->data, h->size < PIECE_MAX ? h->size + 1 : PIECE_MAX };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(i->socket, &m, MSG_PEEK | MSG_DONTWAIT);
	const struct client *c;

	if (n <= 0)
		return -EPIPE;
	p->brings = m.msg_flags & MSG_CTRUNC && (size_t)n <= h->size && (size_t)n < PIECE_MAX;
	if (!p->brings)
		return 1;
	header_read(p->data, (size_t)n, &p->header);
	if (h->odd) {
		p->uid = OFFLOAD_HIDDEN;
		p->discarded = true;
		return 1;
	}
	c = client_find(i->bus, h->sender);
	p->uid = c ? c->uid : OFFLOAD_UNKNOWN;
	p->refusal = judge(i, p->uid, h->n_fds);
	return 1;
}

/* Makes the packet of the next message, with nothing of it yet. */
static int begin_packet(struct intake *i)
{
	unsigned char start[HEADER_SIZE];
	struct iovec iov = { start, sizeof(start) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n = recvmsg(i->socket, &m, MSG_PEEK | MSG_DONTWAIT);
	struct packet *p;
	struct header h;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -EPIPE;
	if (n < HEADER_SIZE)
		return 0;
	if (header_begin(start, &h) < 0)
		return -EBADMSG;
	p = i->reading = packet_new(&h);
	if (!p)
		return -ENOMEM;
	p->uid = OFFLOAD_UNKNOWN;
	p->data[0] = start[0]; /* if a thread takes it */
	return m.msg_flags & MSG_CTRUNC ? judge_packet(i, p) : 1;
}

static bool takes_descriptors(const struct packet *p)
{
	return p->refusal == INTAKE_TAKEN && !p->discarded;
}

/* Descriptors that sd-bus is to see. */
static unsigned int announced(const struct packet *p)
{
	return p->header.n_fds < DESCRIPTORS_MAX ? p->header.n_fds : DESCRIPTORS_MAX;
}

/* How many it may bring. */
static unsigned int brings(const struct packet *p)
{
	return !p->brings ? 0 : p->discarded ? DESCRIPTORS_MAX : announced(p);
}

/* As many as the message says, -1 for those that are not taken. */
static int fill_descriptors(struct packet *p)
{
	unsigned int wanted = announced(p);

	if (p->n_fds >= wanted)
		return 1;
	if (!p->fds)
		p->fds = calloc(DESCRIPTORS_MAX, sizeof(int));
	if (!p->fds)
		return -ENOMEM;
	while (p->n_fds < wanted)
		p->fds[p->n_fds++] = -1;
	return 1;
}

/* What came with the first byte. */
static int keep_descriptors(struct intake *i, struct packet *p, const int *fds, unsigned int n)
{
	p->fds = calloc(DESCRIPTORS_MAX, sizeof(int));
	p->discarded |=
		n !=
		p->header.n_fds; /* the bus does not do that, and sd-bus would find it invalid */
	for (unsigned int k = 0; k < n; k++)
		if (p->fds && takes_descriptors(p))
			p->fds[p->n_fds++] = fds[k];
		else
			turn_away(i, fds[k], p->uid);
	if (!p->fds)
		return -ENOMEM;
	count_unknown(i, p, true);
	return 1;
}

static int update_reading(struct intake *i)
{
	return i->wanted && !i->held ? event_add(i->readable, NULL) : event_del(i->readable);
}

static void hold(struct intake *i, bool on)
{
	i->held = on;
	update_reading(i);
}

/* What the next message brings is gone, and so is its first byte, which is known. */
static void on_dropped(void *userdata, int error)
{
	struct intake *i = userdata;

	hold(i, false);
	if (error < 0)
		lose(i);
	else
		i->reading->got = 1;
}

static void on_retry(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	hold(userdata, false);
}

/* It is tried again later. */
static int put_off(struct intake *i, const char *why)
{
	const struct timeval pause = timeval_from_usec(RETRY_USEC);

	if (!i->told)
		log_error("%s: nothing is read from the bus until some are closed", why);
	i->told = true;
	event_add(i->retry, &pause);
	hold(i, true);
	return 0;
}

/* What it brings is not wanted. 1: it can be received nevertheless, 0: not now. */
static int keep_out(struct intake *i, const struct packet *p)
{
	bool dropped = sink_drop(i->sink, p->uid, false) == 0;

	if (!dropped && can_park(i, brings(p)))
		return 1;
	if (!dropped && sink_drop(i->sink, p->uid, true) < 0)
		return put_off(
			i,
			"too many descriptors that callers passed wait to be closed, and no thread is left to "
			"drop further ones");
	hold(i, true);
	return 0;
}

/* The next message is about to be received. 1: it can be, 0: not now. */
static int make_room(struct intake *i, const struct packet *p)
{
	if (!brings(p))
		return 1;
	if (!table_has(i, takes_descriptors(p) ? TABLE_EACH * announced(p) : announced(p)))
		return put_off(i, "rdmaregd has hardly a descriptor left (LimitNOFILE=)");
	i->told = false;
	return takes_descriptors(p) ? 1 : keep_out(i, p);
}

static int read_part(struct intake *i)
{
	struct packet *p = i->reading;
	union {
		char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
		struct cmsghdr header;
	} control;
	size_t left = p->header.size - p->got;
	struct iovec iov = { p->discarded ? p->data : p->data + p->got,
			     p->discarded && left > PIECE_MAX ? PIECE_MAX : left };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	bool first = !p->got;
	int fds[DESCRIPTORS_MAX];
	unsigned int n_fds;
	ssize_t n;

	n = recvmsg(i->socket, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return -EPIPE;
	p->got += (size_t)n;
	i->received += (size_t)n;
	n_fds = passed_descriptors(&h, fds);
	if (first && p->brings)
		return keep_descriptors(i, p, fds, n_fds);
	for (unsigned int k = 0; k < n_fds;
	     k++) /* later than with the first byte: the bus does not do that */
		turn_away(i, fds[k], p->uid);
	return 1;
}

/* All of it was received. */
static int end_packet(struct intake *i, struct packet *p)
{
	if (p->discarded) {
		if (p->header.size > MESSAGE_MAX)
			log_warning(
				"a message of %zu bytes is more than D-Bus allows, and is not answered: the bus "
				"should not pass on so much (max_message_size)",
				p->header.size);
		else
			log_debug(
				"a message of %s with descriptors has fields that none of ours has: it is left out",
				*p->header.sender ? p->header.sender : "somebody");
		packet_free(i, p);
		return 1;
	}
	if (!p->brings) {
		header_read(p->data, p->header.size, &p->header);
	} else if (fill_descriptors(p) < 0) {
		packet_free(i, p);
		return -ENOMEM;
	}
	take_packet(i, p);
	return 1;
}

static int read_message(struct intake *i)
{
	struct packet *p;
	int r = 1;

	if (!i->reading)
		r = begin_packet(i);
	p = i->reading;
	if (r > 0 && !p->got)
		r = make_room(i, p);
	for (int k = 0; r > 0 && p->got < p->header.size; k++)
		r = k < PART_BUDGET ? read_part(i) : 0;
	return r > 0 ? end_packet(i, steal_pointer(i->reading)) : r;
}

void intake_read(struct intake *i)
{
	sink_look(i->sink);
	if (i->held)
		return;
	for (int k = 0; k < READ_BUDGET && STAILQ_EMPTY(&i->going) &&
			tokens_brought(i->tokens) < i->brought_max;
	     k++) {
		int r = i->messages ? read_message(i) : read_lines(i);

		if (r < 0)
			lose(i);
		if (r <= 0)
			return;
	}
}

uint64_t intake_received(const struct intake *i)
{
	return i->received;
}

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	intake_read(userdata);
}

int intake_set_reading(struct intake *i, bool on)
{
	i->wanted = on;
	return update_reading(i);
}

static void intake_freep(struct intake **i)
{
	intake_free(*i);
}

static void choose_bounds(struct intake *i)
{
	struct rlimit l;

	i->brought_max = INTAKE_TOKENS;
	i->parked_max = INTAKE_PARKED;
	if (getrlimit(RLIMIT_NOFILE, &l) < 0)
		return;
	if (l.rlim_cur / 16 < INTAKE_TOKENS)
		i->brought_max = (uint32_t)(l.rlim_cur / 16);
	if (l.rlim_cur / 8 * 3 < INTAKE_PARKED)
		i->parked_max = (uint32_t)(l.rlim_cur / 8 * 3);
}

int intake_new(struct intake **ret, struct bus *b, struct event_base *base, int socket, int *ret_fd)
{
	_cleanup_(intake_freep) struct intake *i = calloc(1, sizeof(*i));
	_cleanup_(closep) int in = -1;
	int ends[2], r;

	if (!i) {
		close(socket);
		return -ENOMEM;
	}
	i->bus = b;
	i->socket = socket;
	i->out = -1;
	choose_bounds(i);
	STAILQ_INIT(&i->going);
	STAILQ_INIT(&i->parking);
	r = tokens_new(&i->tokens, b->offload);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
		return -errno;
	in = ends[0];
	i->out = ends[1];
	i->readable = event_new(base, socket, EV_READ | EV_PERSIST, on_readable, i);
	i->writable = event_new(base, i->out, EV_WRITE, on_writable, i);
	i->unpark = evtimer_new(base, on_unpark, i);
	i->retry = evtimer_new(base, on_retry, i);
	if (!i->readable || !i->writable || !i->unpark || !i->retry ||
	    sink_new(&i->sink, base, socket, on_dropped, i) < 0)
		return -ENOMEM;
	*ret = steal_pointer(i);
	*ret_fd = steal_fd(&in);
	return 0;
}

struct intake *intake_free(struct intake *i)
{
	struct parked *p;

	if (!i)
		return NULL;
	if (sink_free(i->sink))
		i->socket =
			-1; /* a thread is about to use it: it is closed at the end, which is now */
	while (!LIST_EMPTY(&i->strangers))
		stranger_free(LIST_FIRST(&i->strangers));
	free_packets(i, &i->going);
	if (i->reading)
		packet_free(i, i->reading);
	tokens_free(i->tokens);
	while ((p = STAILQ_FIRST(&i->parking))) {
		STAILQ_REMOVE_HEAD(&i->parking, parking);
		free(p); /* at the end, which is now, the kernel closes it */
	}
	if (i->unpark)
		event_free(i->unpark);
	if (i->retry)
		event_free(i->retry);
	if (i->readable)
		event_free(i->readable);
	if (i->writable)
		event_free(i->writable);
	closep(&i->out);
	closep(&i->socket);
	free(i);
	return NULL;
}
