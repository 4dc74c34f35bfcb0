// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * intake-sink.c - see intake-sink.h. Each byte has a thread of its own: there is one at a time, and
 * few are needed at all. The structure outlives sink_free() while a thread does not return: whoever
 * leaves last frees it.
 */
#include "bus/intake-sink.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/thread.h"

#define LOOK_NSEC 100000 /* as often: less than the timers of the loop can count */
#define STACK_SIZE (128 * 1024)
#define WAKING SIGURG /* that nobody else uses, and that harms nobody */

/* One thread, from before it begins until it has returned. */
struct dropper {
	struct sink *sink;
	uint32_t uid;
	pthread_t thread;
	LIST_ENTRY(dropper) droppers;
};

struct sink {
	pthread_mutex_t lock;
	LIST_HEAD(, dropper) droppers; /* of the lock, as all up to @freed */
	uint32_t n_droppers;
	const struct dropper
		*current; /* that has the byte to take; NULL: it has returned, or there is none */
	int error;	  /* of the last one that returned */
	bool freed;
	int returned_fd; /* an eventfd: @current has returned */
	int look_fd;	 /* a timer, while the owner is to be told */
	int socket;
	/* of the loop */
	sink_dropped dropped;
	void *userdata;
	bool expected; /* the owner is to be told */
	struct event *returned;
	struct event *look;
};

static void free_memory(struct sink *s)
{
	pthread_mutex_destroy(&s->lock);
	closep(&s->returned_fd);
	closep(&s->look_fd);
	free(s);
}

static void *drop(void *userdata)
{
	struct dropper *d = userdata;
	struct sink *s = d->sink;
	sigset_t waking;
	char byte;
	int error;
	bool last;

	sigemptyset(&waking);
	sigaddset(&waking, WAKING); /* which nobody sends before the byte is out */
	pthread_sigmask(SIG_UNBLOCK, &waking, NULL);
	error = recv(s->socket, &byte, 1, MSG_DONTWAIT) == 1 ? 0 : errno ? -errno : -EPIPE;
	pthread_mutex_lock(&s->lock);
	LIST_REMOVE(d, droppers);
	s->n_droppers--;
	if (s->current == d) {
		s->current = NULL;
		s->error = error;
		eventfd_write(s->returned_fd, 1);
	}
	last = s->freed && !s->n_droppers;
	pthread_mutex_unlock(&s->lock);
	free(d);
	if (last)
		free_memory(s);
	return NULL;
}

/* Whether the byte is out, though its thread has not returned. */
static bool is_taken(const struct sink *s)
{
	socklen_t size = sizeof(int);
	int offset;

	return getsockopt(s->socket, SOL_SOCKET, SO_PEEK_OFF, &offset, &size) == 0 && offset == 0;
}

static int set_peek_offset(const struct sink *s, int offset)
{
	int r;

	do
		r = setsockopt(s->socket, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset));
	while (r < 0 && errno == EINTR); /* the thread has the socket's lock */
	return r < 0 ? -errno : 0;
}

static int set_timer(const struct sink *s, bool on)
{
	struct timespec t = { .tv_nsec = on ? LOOK_NSEC : 0 };
	struct itimerspec each = { .it_interval = t, .it_value = t };

	return timerfd_settime(s->look_fd, 0, &each, NULL) < 0 ? -errno : 0;
}

void sink_look(struct sink *s)
{
	int error, r;

	if (!s->expected)
		return;
	pthread_mutex_lock(&s->lock);
	error = s->current ? 0 : s->error;
	if (s->current && is_taken(s)) {
		pthread_kill(s->current->thread, WAKING);
		s->current = NULL;
	}
	s->expected = s->current;
	pthread_mutex_unlock(&s->lock);
	if (s->expected)
		return;
	set_timer(s, false);
	r = set_peek_offset(s, -1);
	s->dropped(s->userdata, error < 0 ? error : r);
}

static void on_look(evutil_socket_t fd, short what, void *userdata)
{
	uint64_t n;

	(void)what;
	if (read(fd, &n, sizeof(n)) == sizeof(n))
		sink_look(userdata);
}

static void on_returned(evutil_socket_t fd, short what, void *userdata)
{
	struct sink *s = userdata;
	eventfd_t n;

	(void)what;
	eventfd_read(fd, &n);
	sink_look(s);
}

static void on_waking(int signal)
{
	(void)signal;
}

int sink_new(struct sink **ret, struct event_base *base, int socket, sink_dropped dropped,
	     void *userdata)
{
	const struct sigaction action = { .sa_handler = on_waking, .sa_flags = SA_RESTART };
	struct sink *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->socket = socket;
	s->dropped = dropped;
	s->userdata = userdata;
	s->returned_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->look_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->returned_fd >= 0 && s->look_fd >= 0) {
		s->returned = event_new(base, s->returned_fd, EV_READ | EV_PERSIST, on_returned, s);
		s->look = event_new(base, s->look_fd, EV_READ | EV_PERSIST, on_look, s);
	}
	if (!s->look || !s->returned || event_add(s->returned, NULL) < 0 ||
	    event_add(s->look, NULL) < 0 || sigaction(WAKING, &action, NULL) < 0) {
		sink_free(s);
		return -ENOMEM;
	}
	*ret = s;
	return 0;
}

bool sink_free(struct sink *s)
{
	bool last, uses;

	if (!s)
		return false;
	if (s->look)
		event_free(s->look);
	if (s->returned)
		event_free(s->returned);
	pthread_mutex_lock(&s->lock);
	s->freed = true;
	last = !s->n_droppers;
	uses = s->current;
	pthread_mutex_unlock(&s->lock);
	if (last)
		free_memory(s);
	return uses;
}

static bool may_begin(const struct sink *s, uint32_t uid, bool emergency)
{
	const struct dropper *d;
	uint32_t n = 0;

	LIST_FOREACH(d, &s->droppers, droppers)
		n += d->uid == uid;
	return emergency ? s->n_droppers < SINK_THREADS
			 : s->n_droppers < SINK_THREADS / 2 && n < SINK_PER_UID;
}

int sink_drop(struct sink *s, uint32_t uid, bool emergency)
{
	struct dropper *d = calloc(1, sizeof(*d));
	int r = -EBUSY;

	if (!d || set_peek_offset(s, 1) < 0 || set_timer(s, true) < 0) {
		free(d);
		set_peek_offset(s, -1);
		return -EAGAIN;
	}
	d->sink = s;
	d->uid = uid;
	pthread_mutex_lock(&s->lock);
	if (may_begin(s, uid, emergency))
		r = thread_start(drop, d, STACK_SIZE, &d->thread) < 0 ? -EAGAIN : 0;
	if (r == 0) {
		LIST_INSERT_HEAD(&s->droppers, d, droppers);
		s->n_droppers++;
		s->current = d;
	}
	pthread_mutex_unlock(&s->lock);
	if (r < 0) {
		free(d);
		set_timer(s, false);
		set_peek_offset(s, -1);
		return r;
	}
	s->expected = true;
	return 0;
}
