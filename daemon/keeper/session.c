// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * session.c - see session.h.
 *
 * A connection can end in the middle of any call (the daemon does not read, or reads nonsense). It
 * is then closed at once, but the owner hears of it from the loop, so that nobody is surprised in
 * the middle of something.
 *
 * What is to be said leaves when the loop has done what it is about, SENT_AT_ONCE packets with one
 * call: the daemon is woken once for many, and what the kernel waits for is done before it is told.
 * A revocation leaves at once (session_flush()), before peers are told.
 */
#include "keeper/session.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "util/log.h"
#include "util/passed.h"

#define REQUESTS_PER_WAKE 32
#define ANSWERS_MAX \
	256 /* that wait to be read before no more is asked of us; a list is one answer of many packets */
#define SENT_AT_ONCE 32 /* packets that leave with one call */
#define FDS_MAX 16	/* room to receive, and so to close, more than anybody may send */

struct packet {
	struct packet *next;
	int fd; /* -1, or goes with it */
	struct keeper_message message;
};

struct session {
	struct event_base *base;
	const struct session_ops *ops;
	void *userdata;
	uid_t daemon_uid;
	int listen_fd;
	struct event *listen_event;
	struct event *changed_event;
	struct event *flush_event;
	uint64_t told_connection; /* 0: that there is none */

	int fd; /* of the connection, or -1 */
	struct event *read_event;
	struct event *write_event;
	uint64_t connection;
	bool greeted;
	struct packet *first;
	struct packet **end;
	size_t queued;
	size_t events; /* of them; the others are answers */
	size_t events_max;
	bool missed; /* events were dropped: KEEPER_RESYNC is to be said once everything else is */
	bool held;   /* nothing is read until answers have been */
	bool full;   /* the socket */
};

static const char *check_register(const struct keeper_region *r)
{
	if (r->access >= _REGION_ACCESS_MAX)
		return "unknown access";
	if (r->policy >= _REGION_POLICY_MAX)
		return "unknown policy";
	if (r->warm_mode >= _WARM_MODE_MAX)
		return "unknown warm mode";
	if (r->detached > 1 || r->warm > 1 || r->gated > 1)
		return "a flag is neither 0 nor 1";
	return NULL;
}

static const char *check_demand(const struct keeper_demand *d)
{
	if (!d->demand)
		return "no demand number";
	if (d->cause >= _REVOCATION_CAUSE_MAX)
		return "unknown cause";
	if (!d->length || d->offset > UINT64_MAX - d->length)
		return "an empty range, or one that overflows";
	return NULL;
}

const char *session_check(const void *packet, size_t size, size_t n_fds, bool greeted,
			  struct keeper_message *ret)
{
	struct keeper_message m;

	if (size < KEEPER_HEADER_SIZE || size > KEEPER_PACKET_MAX)
		return "a packet of the wrong size";
	memcpy(&m, packet, size < sizeof(m) ? size : sizeof(m));
	if (keeper_kind(m.type) != KEEPER_REQUEST)
		return "a packet that is no request";
	if (size < keeper_packet_min(m.type))
		return "a packet of the wrong size";
	keeper_message_trim(&m, size);
	*ret = m;
	if (!keeper_type_is_known(m.type))
		return greeted ? NULL : "no greeting";
	if (n_fds != (m.type == KEEPER_REGISTER ? 1 : 0))
		return m.type == KEEPER_REGISTER ? "not exactly one descriptor with a registration"
						 : "a descriptor that nobody asked for";
	if (m.type == KEEPER_HELLO) {
		if (greeted)
			return "a second greeting";
		if (m.hello.log_level > LOG_DEBUG + 1)
			return "unknown log level";
		return keeper_versions_are_sound(&m.hello.versions) ? NULL
								    : "versions that cannot be";
	}
	if (!greeted)
		return "no greeting";
	if (m.type != KEEPER_LIST && m.type != KEEPER_LOG && !m.region)
		return "no region number";
	switch (m.type) {
	case KEEPER_REGISTER:
		return check_register(&m.info);
	case KEEPER_CONFIGURE:
		if (m.info.gated > 1)
			return "a flag is neither 0 nor 1";
		if (m.info.warm_mode >= _WARM_MODE_MAX)
			return "unknown warm mode";
		return m.info.policy >= _REGION_POLICY_MAX ? "unknown policy" : NULL;
	case KEEPER_DEMAND:
		return check_demand(&m.demand);
	case KEEPER_RELEASE:
		return m.demand.cause >= _REVOCATION_CAUSE_MAX ? "unknown cause" : NULL;
	case KEEPER_PREFETCH:
		return m.range.write > 1 ? "a flag is neither 0 nor 1" : NULL;
	case KEEPER_LOG:
		return m.log.level > LOG_DEBUG ? "unknown log level" : NULL;
	case KEEPER_CANCEL:
		return m.progress.operation ? NULL : "nothing to cancel";
	case KEEPER_EXPORT:
		if (!m.ticket.rights || (m.ticket.rights & ~(WIRE_RIGHT_READ | WIRE_RIGHT_WRITE)))
			return "unknown rights";
		return NULL;
	default:
		return NULL;
	}
}

static void close_file(struct session *s, int fd)
{
	if (fd >= 0)
		s->ops->close_file(s->userdata, fd);
}

static void drop(struct session *s, const char *why)
{
	struct packet *p;

	if (s->fd < 0)
		return;
	if (why)
		log_warning("daemon connection closed: %s", why);
	event_free(s->read_event);
	event_free(s->write_event);
	s->read_event = s->write_event = NULL;
	close(s->fd);
	s->fd = -1;
	s->greeted = false;
	while ((p = s->first)) {
		s->first = p->next;
		close_file(s, p->fd);
		free(p);
	}
	s->end = &s->first;
	s->queued = s->events = 0;
	s->missed = s->held = s->full = false;
	event_del(s->flush_event);
	event_active(s->changed_event, 0, 0);
}

static void on_changed(evutil_socket_t fd, short what, void *userdata)
{
	struct session *s = userdata;
	uint64_t connection = s->fd >= 0 ? s->connection : 0;

	(void)fd;
	(void)what;
	if (connection == s->told_connection)
		return;
	/* one that took the place of another: the other one is gone all the same */
	if (s->told_connection)
		s->ops->changed(s->userdata, false);
	s->told_connection = connection;
	if (connection)
		s->ops->changed(s->userdata, true);
}

static void fill(struct msghdr *h, struct iovec *iov, union passed_one *control,
		 const struct packet *p)
{
	*iov = (struct iovec){ .iov_base = (void *)&p->message,
			       .iov_len = keeper_packet_size(p->message.type) };
	*h = (struct msghdr){ .msg_iov = iov, .msg_iovlen = 1 };
	pass_descriptor(h, control, p->fd);
}

/* How many of the first packets left, at least one; or -1. */
static int send_packets(const struct session *s)
{
	union passed_one control[SENT_AT_ONCE];
	struct mmsghdr message[SENT_AT_ONCE];
	struct iovec iov[SENT_AT_ONCE];
	unsigned int n = 0;

	for (const struct packet *p = s->first; p && n < SENT_AT_ONCE; p = p->next, n++)
		fill(&message[n].msg_hdr, &iov[n], &control[n], p);
	return sendmmsg(s->fd, message, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static bool is_event(const struct packet *p)
{
	return !p->message.operation;
}

/* The first packet is through, or not wanted any more. */
static void take_first(struct session *s)
{
	struct packet *p = s->first;

	s->first = p->next;
	if (!s->first)
		s->end = &s->first;
	s->queued--;
	s->events -= is_event(p);
	close_file(s, p->fd);
	free(p);
}

/*
 * No event that waits is of use any more: the daemon will list everything again. Answers stay, in
 * order.
 */
static void miss_events(struct session *s)
{
	struct packet **at = &s->first, *p;

	while ((p = *at)) {
		if (!is_event(p)) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		free(p); /* no event has a descriptor */
	}
	s->end = at;
	s->queued -= s->events;
	s->events = 0;
	s->missed = true;
}

static bool append(struct session *s, const struct keeper_message *m, uint64_t operation, int fd)
{
	struct packet *p = malloc(sizeof(*p));

	if (!p)
		return false;
	p->next = NULL;
	p->message = *m;
	p->message.operation = operation;
	p->fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd >= 0 && p->fd < 0) /* the daemon sees that there is none */
		log_error("a descriptor cannot be passed on: %m");
	*s->end = p;
	s->end = &p->next;
	s->queued++;
	s->events += is_event(p);
	return true;
}

/* Sends what waits until the socket is full. */
static void send_waiting(struct session *s)
{
	s->full = false;
	while (s->first) {
		int n = send_packets(s);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			s->full = errno == EAGAIN;
			if (s->full)
				event_add(s->write_event, NULL);
			else
				drop(s, errno == EPIPE || errno == ECONNRESET ? NULL
									      : strerror(errno));
			return;
		}
		while (n--)
			take_first(s);
	}
}

static void flush(struct session *s)
{
	static const struct keeper_message resync = { .type = KEEPER_RESYNC };

	send_waiting(s);
	if (s->fd >= 0 && s->missed && !s->first && append(s, &resync, 0, -1)) {
		s->missed = false;
		send_waiting(s);
	}
	if (s->fd >= 0 && s->held && s->queued - s->events < ANSWERS_MAX) {
		s->held = false;
		event_add(s->read_event, NULL);
	}
}

static void on_flush(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd;
	(void)what;
	session_flush(userdata);
}

void session_flush(struct session *s)
{
	if (s->fd < 0)
		return;
	event_del(s->flush_event);
	if (!s->full)
		flush(s);
}

/* One more waits. */
static void flush_soon(struct session *s)
{
	if (s->full)
		return;
	if (s->queued >= SENT_AT_ONCE)
		flush(s);
	else
		event_active(s->flush_event, 0, 0); /* behind what the loop has to do now */
}

static void on_writable(evutil_socket_t fd, short what, void *userdata)
{
	struct session *s = userdata;

	(void)fd;
	(void)what;
	flush(s);
	if (s->greeted && session_is_flushed(s) && s->ops->flushed)
		s->ops->flushed(s->userdata);
}

static void answer(struct session *s, const struct operation *op, const struct keeper_message *m,
		   int fd)
{
	if (!session_is_waiting(s, op))
		return;
	if (!append(s, m, op->number, fd)) {
		drop(s, "out of memory"); /* it connects again, and asks again */
		return;
	}
	flush_soon(s);
}

void session_answer(struct session *s, const struct operation *op, const struct keeper_message *m)
{
	answer(s, op, m, -1);
}

void session_answer_file(struct session *s, const struct operation *op,
			 const struct keeper_message *m, int fd)
{
	answer(s, op, m, fd);
}

void session_tell(struct session *s, const struct keeper_message *m)
{
	if (!s->greeted || s->missed) /* what is missed is listed */
		return;
	if (s->events >= s->events_max || !append(s, m, 0, -1)) {
		log_notice("the daemon does not read what happens: it will list everything again");
		miss_events(s);
		event_add(s->write_event, NULL);
	} else {
		flush_soon(s);
	}
}

bool session_is_connected(const struct session *s)
{
	return s->fd >= 0;
}

bool session_is_waiting(const struct session *s, const struct operation *op)
{
	return s->fd >= 0 && op->connection == s->connection;
}

bool session_is_flushed(const struct session *s)
{
	return !s->full && !s->missed;
}

/* Moves the descriptors of a control message into @fds; what does not fit in there is closed. */
static size_t take_descriptors(struct session *s, struct msghdr *h, int fds[FDS_MAX])
{
	size_t n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < FDS_MAX)
				fds[n++] = fd;
			else
				close_file(s, fd);
		}
	}
	return n;
}

static void close_files(struct session *s, const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close_file(s, fds[i]);
}

/* Of a later version: whoever asks hears that it is not done. */
static void answer_unknown(struct session *s, const struct operation *op,
			   const struct keeper_message *m)
{
	struct keeper_message a = { .type = KEEPER_DONE,
				    .region = m->region,
				    .done.error = -ENOSYS };

	snprintf(a.done.text, sizeof(a.done.text), "this keeper knows no request %" PRIu32,
		 m->type);
	session_answer(s, op, &a);
}

/* One packet. False when there is none, or no connection any more. */
static bool receive(struct session *s)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct keeper_message packet = { 0 }, m;
	struct iovec iov = { .iov_base = &packet, .iov_len = sizeof(packet) };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	struct operation op = { .connection = s->connection };
	const char *wrong;
	int fds[FDS_MAX];
	size_t n_fds;
	bool no_room;
	ssize_t n;

	/* MSG_TRUNC: the true size of the packet, also where it is too long */
	n = recvmsg(s->fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | MSG_TRUNC);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			drop(s, errno == ECONNRESET ? NULL : strerror(errno));
		return false;
	}
	n_fds = take_descriptors(s, &h, fds);
	if (n == 0 && n_fds == 0) {
		drop(s, NULL);
		return false;
	}
	/*
	 * the kernel could not give us the one descriptor: that is our limit's fault, not the
	 * daemon's
	 */
	no_room = h.msg_flags & MSG_CTRUNC && n_fds == 0 &&
		  (packet.type == KEEPER_REGISTER || !keeper_type_is_known(packet.type));
	wrong = h.msg_flags & MSG_CTRUNC && !no_room
			? "too many descriptors"
			: session_check(&packet, (size_t)n, no_room ? 1 : n_fds, s->greeted, &m);
	if (wrong) {
		close_files(s, fds, n_fds);
		drop(s, wrong);
		return false;
	}
	op.number = m.operation;
	if (!keeper_type_is_known(m.type)) {
		close_files(s, fds, n_fds);
		answer_unknown(s, &op, &m);
		return session_is_waiting(s, &op);
	}
	if (m.type == KEEPER_HELLO)
		s->greeted = keeper_version_choose(&m.hello.versions, &keeper_versions) != 0;
	if (n_fds == 0)
		fds[0] = -1;
	s->ops->request(s->userdata, &op, &m, &fds[0]);
	close_file(s, fds[0]);
	return session_is_waiting(s, &op);
}

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
	struct session *s = userdata;

	(void)fd;
	(void)what;
	for (int i = 0; i < REQUESTS_PER_WAKE; i++) {
		if (s->queued - s->events >= ANSWERS_MAX) {
			s->held = true;
			event_del(s->read_event);
			return;
		}
		if (!receive(s))
			return;
	}
}

static void on_connection(evutil_socket_t listen_fd, short what, void *userdata)
{
	_cleanup_(closep) int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct session *s = userdata;
	struct ucred peer;
	socklen_t size = sizeof(peer);

	(void)what;
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ||
	    (peer.uid != s->daemon_uid && peer.uid != 0)) {
		log_warning("connection of user %u refused: not the daemon's user %u",
			    (unsigned int)peer.uid, (unsigned int)s->daemon_uid);
		return;
	}
	drop(s, "a newer connection replaces it");
	s->read_event = event_new(s->base, fd, EV_READ | EV_PERSIST, on_readable, s);
	s->write_event = event_new(s->base, fd, EV_WRITE, on_writable, s);
	if (!s->read_event || !s->write_event || event_add(s->read_event, NULL) < 0) {
		if (s->read_event)
			event_free(s->read_event);
		if (s->write_event)
			event_free(s->write_event);
		s->read_event = s->write_event = NULL;
		log_error("connection refused: out of memory");
		return;
	}
	s->fd = steal_fd(&fd);
	s->connection++;
	s->greeted = false;
	event_active(s->changed_event, 0, 0);
}

int session_new(struct session **ret, struct event_base *base, int fd, uid_t daemon_uid,
		size_t events_max, const struct session_ops *ops, void *userdata)
{
	_cleanup_(session_freep) struct session *s = calloc(1, sizeof(*s));
	socklen_t size = sizeof(int);
	int type;

	if (!s)
		return -ENOMEM;
	s->fd = s->listen_fd = -1;
	s->end = &s->first;
	s->base = base;
	s->daemon_uid = daemon_uid;
	s->events_max = events_max;
	s->ops = ops;
	s->userdata = userdata;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
		return -errno;
	if (type != SOCK_SEQPACKET)
		return -EPROTOTYPE;
	if (evutil_make_socket_nonblocking(fd) < 0 || listen(fd, 4) < 0)
		return -errno;
	s->changed_event = event_new(base, -1, 0, on_changed, s);
	s->flush_event = event_new(base, -1, 0, on_flush, s);
	s->listen_event = event_new(base, fd, EV_READ | EV_PERSIST, on_connection, s);
	if (!s->changed_event || !s->flush_event || !s->listen_event ||
	    event_add(s->listen_event, NULL) < 0)
		return -ENOMEM;
	s->listen_fd = fd;
	*ret = steal_pointer(s);
	return 0;
}

struct session *session_free(struct session *s)
{
	if (!s)
		return NULL;
	if (s->changed_event && s->flush_event)
		drop(s, NULL);
	if (s->changed_event)
		event_free(s->changed_event);
	if (s->flush_event)
		event_free(s->flush_event);
	if (s->listen_event)
		event_free(s->listen_event);
	closep(&s->listen_fd);
	free(s);
	return NULL;
}
