// SPDX-License-Identifier: GPL-2.0-or-later
/* gate-channel.c - see gate-channel.h. */
#include "gate/gate-channel.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGES_PER_TURN 64

struct unsent {
	TAILQ_ENTRY(unsent) queue;
	struct gate_message m;
};

struct gate_channel {
	int fd;
	struct event *readable;
	struct event *writable; /* pending while there is something unsent */
	gate_channel_t *received;
	void *userdata;
	TAILQ_HEAD(, unsent) queue;
	size_t queued;
	bool is_busy;  /* messages are handed out: it is freed afterwards */
	bool is_freed; /* as far as its owner knows */
	bool is_over;  /* and that was said */
};

static void read_messages(struct gate_channel *c)
{
	struct gate_message m;

	for (int i = 0; i < MESSAGES_PER_TURN && !c->is_freed && !c->is_over; i++) {
		ssize_t n = recv(c->fd, &m, sizeof(m), MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n != (ssize_t)sizeof(m)) {
			event_del(c->readable);
			c->is_over = true;
			c->received(c->userdata, NULL);
			return;
		}
		m.text[sizeof(m.text) - 1] = 0;
		c->received(c->userdata, &m);
	}
}

static void read_turn(struct gate_channel *c)
{
	c->is_busy = true;
	read_messages(c);
	c->is_busy = false;
	if (c->is_freed)
		gate_channel_free(c);
}

static void on_readable(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	read_turn(userdata);
}

void gate_channel_read(struct gate_channel *c)
{
	if (!c->is_busy)
		read_turn(c);
}

static bool try_to_send(struct gate_channel *c, const struct gate_message *m)
{
	/* the other end being gone is found by reading */
	return send(c->fd, m, sizeof(*m), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 ||
	       (errno != EAGAIN && errno != EINTR && errno != ENOBUFS);
}

static void drop(struct gate_channel *c, struct unsent *u)
{
	TAILQ_REMOVE(&c->queue, u, queue);
	c->queued--;
	free(u);
}

static void on_writable(evutil_socket_t fd, short what, void *userdata)
{
	struct gate_channel *c = userdata;
	struct unsent *u;

	(void)fd, (void)what;
	while ((u = TAILQ_FIRST(&c->queue)) && try_to_send(c, &u->m))
		drop(c, u);
	if (u)
		event_add(c->writable, NULL);
}

int gate_channel_new(struct gate_channel **ret, struct event_base *base, int fd,
		     gate_channel_t *received, void *userdata)
{
	struct gate_channel *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return -ENOMEM;
	}
	c->fd = fd;
	c->received = received;
	c->userdata = userdata;
	TAILQ_INIT(&c->queue);
	c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(base, fd, EV_WRITE, on_writable, c);
	if (!c->readable || !c->writable || event_add(c->readable, NULL) < 0) {
		gate_channel_free(c);
		return -ENOMEM;
	}
	*ret = c;
	return 0;
}

struct gate_channel *gate_channel_free(struct gate_channel *c)
{
	struct unsent *u;

	if (!c)
		return NULL;
	c->is_freed = true;
	if (c->is_busy)
		return NULL;
	if (c->readable)
		event_free(c->readable);
	if (c->writable)
		event_free(c->writable);
	while ((u = TAILQ_FIRST(&c->queue)))
		drop(c, u);
	close(c->fd);
	free(c);
	return NULL;
}

bool gate_channel_send(struct gate_channel *c, const struct gate_message *m)
{
	struct unsent *u;

	if (TAILQ_EMPTY(&c->queue) && try_to_send(c, m))
		return true;
	u = malloc(sizeof(*u));
	if (!u)
		return false;
	u->m = *m;
	TAILQ_INSERT_TAIL(&c->queue, u, queue);
	c->queued++;
	event_add(c->writable, NULL);
	return true;
}

size_t gate_channel_queued(const struct gate_channel *c)
{
	return c->queued;
}

bool gate_channel_withdraw(struct gate_channel *c, uint32_t type, uint64_t number)
{
	struct unsent *u;

	TAILQ_FOREACH(u, &c->queue, queue)
		if (u->m.type == type && u->m.number == number) {
			drop(c, u);
			return true;
		}
	return false;
}
