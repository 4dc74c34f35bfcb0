// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * offload.c - see offload.h.
 *
 * One lock guards the queues, the numbers of threads, and whether a task has begun. Everything else
 * of a task belongs to the loop, until the task begins, and again from when the loop finds it in
 * the list of those that are out. The structure itself outlives offload_free() while a thread is in
 * a call that does not return: whoever leaves last frees it.
 *
 * Nobody waits for a descriptor to be closed, and mostly there are several, of which each takes less
 * than to wake a thread. So the loop wakes one thread for all when it has done what it is about, and
 * another one only if some are left a while later.
 */
#include "util/offload.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/thread.h"

#define IDLE_MAX OFFLOAD_PER_UID /* many files of one call take as many, and make none */
#define STACK_SIZE (256 * 1024)	 /* a path or two, and what a sanitizer adds */
#define CLOSES_LEFT_USEC (10 * USEC_PER_MSEC)

STAILQ_HEAD(task_queue, offload_task);

/* Whoever has tasks. In the list, and here, as long as one of them is not released. */
struct offload_user {
	uint32_t uid;
	uint32_t running;	   /* of the lock */
	uint32_t overdue;	   /* of the lock; written by the loop alone */
	struct task_queue waiting; /* of the lock */
	/* of the loop */
	uint32_t tasks;
	uint32_t closes;
	TAILQ_ENTRY(offload_user) users; /* of the lock */
};

struct offload {
	pthread_mutex_t lock;
	pthread_cond_t work;
	TAILQ_HEAD(, offload_user) users;
	struct task_queue out;	  /* of the lock */
	struct task_queue closed; /* likewise; the loop takes them when it comes by here */
	uint32_t threads;
	uint32_t idle;
	uint32_t running; /* tasks */
	uint32_t awaited; /* of the lock: tasks that have not begun, and close nothing */
	bool stopped;
	bool freed;
	int out_fd; /* an eventfd: tasks are out */
	/* of the loop */
	struct event_base *base;
	struct event *out_event;
	struct event *closes_event; /* somebody is to close what waits for that */
	uint64_t timeout_usec;
	uint32_t n_tasks;
	uint32_t tasks_max;
	TAILQ_HEAD(, offload_task) tasks;
};

struct close_task {
	struct offload_task task;
	int fd;
};

static void free_memory(struct offload *o)
{
	pthread_cond_destroy(&o->work);
	pthread_mutex_destroy(&o->lock);
	closep(&o->out_fd);
	free(o);
}

/* Threads that this user may have now, see offload.h. Under the lock. */
static uint32_t share_of(const struct offload *o, const struct offload_user *u)
{
	uint32_t left = OFFLOAD_THREADS - o->running, share;

	if (u->uid == 0)
		return left ? OFFLOAD_PER_UID : 0;
	if (left <= OFFLOAD_OF_ROOT)
		return 0;
	if (u->overdue)
		return o->running < OFFLOAD_THREADS / 4 ? OFFLOAD_PER_UID : 0;
	share = left * OFFLOAD_PER_UID * 2 / OFFLOAD_THREADS;
	return share < 1 ? 1 : share < OFFLOAD_PER_UID ? share : OFFLOAD_PER_UID;
}

/* Whose task may begin, the first one of all; or NULL. Under the lock. */
static struct offload_user *find_runnable(const struct offload *o)
{
	struct offload_user *u;

	TAILQ_FOREACH(u, &o->users, users)
		if (!STAILQ_EMPTY(&u->waiting) && u->running < share_of(o, u))
			return u;
	return NULL;
}

/* Users take turns. Under the lock. */
static struct offload_task *take_task(struct offload *o)
{
	struct offload_user *u = find_runnable(o);
	struct offload_task *t;

	if (!u)
		return NULL;
	t = STAILQ_FIRST(&u->waiting);
	STAILQ_REMOVE_HEAD(&u->waiting, queue);
	TAILQ_REMOVE(&o->users, u, users);
	TAILQ_INSERT_TAIL(&o->users, u, users);
	u->running++;
	o->running++;
	o->awaited -= !t->closes;
	t->begun = true;
	return t;
}

static void add_thread(struct offload *o);

/*
 * Somebody takes the next task, also if this one never returns: true, one that is idle, if it is
 * signalled. Under the lock.
 */
static bool is_signal_due(struct offload *o)
{
	if (!find_runnable(o))
		return false;
	if (!o->idle)
		add_thread(o);
	return o->idle;
}

/* Under the lock. */
static void wake(struct offload *o)
{
	if (is_signal_due(o))
		pthread_cond_signal(&o->work);
}

static void *serve(void *userdata)
{
	struct offload *o = userdata;
	struct offload_task *t;
	bool last, first;

	pthread_mutex_lock(&o->lock);
	while (!o->stopped) {
		t = take_task(o);
		if (!t) {
			if (o->idle >= IDLE_MAX)
				break;
			o->idle++;
			pthread_cond_wait(&o->work, &o->lock);
			o->idle--;
			continue;
		}
		if (!t->closes || o->awaited)
			wake(o);
		pthread_mutex_unlock(&o->lock);
		t->work(t);
		pthread_mutex_lock(&o->lock);
		t->user->running--;
		o->running--;
		if (t->closes && !t->user->overdue) { /* else others may wait for its end */
			t->closed = true;
			STAILQ_INSERT_TAIL(&o->closed, t, queue);
			continue;
		}
		first = STAILQ_EMPTY(&o->out);
		STAILQ_INSERT_TAIL(&o->out, t, queue);
		if (!first) /* the loop takes all that are out */
			continue;
		pthread_mutex_unlock(&o->lock); /* or it would wake to wait for this */
		eventfd_write(o->out_fd, 1);
		pthread_mutex_lock(&o->lock);
	}
	last = !--o->threads && o->freed;
	pthread_mutex_unlock(&o->lock);
	if (last)
		free_memory(o);
	return NULL;
}

/* Under the lock. */
static void add_thread(struct offload *o)
{
	int r;

	if (o->threads >= OFFLOAD_THREADS + IDLE_MAX)
		return;
	r = thread_start(serve, o, STACK_SIZE, NULL);
	if (r < 0)
		log_error("a thread cannot be made: %s", strerror(-r));
	else
		o->threads++;
}

/* Under the lock. */
static struct offload_user *find_user(struct offload *o, uint32_t uid)
{
	struct offload_user *u;

	TAILQ_FOREACH(u, &o->users, users)
		if (u->uid == uid)
			return u;
	return NULL;
}

/* What the loop reads of it needs no lock: only the list does. */
static struct offload_user *look_up(struct offload *o, uint32_t uid)
{
	struct offload_user *u;

	pthread_mutex_lock(&o->lock);
	u = find_user(o, uid);
	pthread_mutex_unlock(&o->lock);
	return u;
}

/* Under the lock. */
static struct offload_user *get_user(struct offload *o, uint32_t uid)
{
	struct offload_user *u = find_user(o, uid);

	if (u)
		return u;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->uid = uid;
	STAILQ_INIT(&u->waiting);
	TAILQ_INSERT_TAIL(&o->users, u, users);
	return u;
}

/* It may begin more now, or less. */
static void set_overdue(struct offload *o, struct offload_user *u, uint32_t n)
{
	pthread_mutex_lock(&o->lock);
	u->overdue = n;
	wake(o);
	pthread_mutex_unlock(&o->lock);
}

/* Nothing of it is needed any more. */
static void release(struct offload *o, struct offload_task *t)
{
	struct offload_user *u = t->user;

	TAILQ_REMOVE(&o->tasks, t, all);
	o->n_tasks--;
	event_del(&t->timer);
	if (t->overdue)
		set_overdue(o, u, u->overdue - 1);
	t->release(t);
	if (--u->tasks)
		return;
	pthread_mutex_lock(&o->lock);
	TAILQ_REMOVE(&o->users, u, users);
	pthread_mutex_unlock(&o->lock);
	free(u);
}

static void take_closed(struct offload *o)
{
	struct task_queue closed = STAILQ_HEAD_INITIALIZER(closed);
	struct offload_task *t;

	pthread_mutex_lock(&o->lock);
	STAILQ_CONCAT(&closed, &o->closed);
	pthread_mutex_unlock(&o->lock);
	while ((t = STAILQ_FIRST(&closed))) {
		STAILQ_REMOVE_HEAD(&closed, queue);
		release(o, t);
	}
}

static void arm(struct offload_task *t)
{
	const struct timeval timeout = timeval_from_usec(t->offload->timeout_usec);

	event_add(&t->timer, &timeout);
}

static void tell_overdue(const struct offload_user *u)
{
	if (u->overdue != OFFLOAD_PER_UID)
		return;
	if (u->uid == OFFLOAD_UNKNOWN)
		log_warning(
			"the filesystems of %d descriptors of callers who left at once do not answer: see to "
			"the servers of FUSE filesystems",
			OFFLOAD_PER_UID);
	else if (u->uid == OFFLOAD_HIDDEN)
		log_warning(
			"the filesystems of %d descriptors of callers who hide do not answer: see to the servers of "
			"FUSE filesystems",
			OFFLOAD_PER_UID);
	else
		log_warning("uid %" PRIu32
			    ": the filesystems of %d descriptors do not answer; no descriptor of "
			    "this user is taken until one does",
			    u->uid, OFFLOAD_PER_UID);
}

static void on_late(evutil_socket_t fd, short what, void *userdata)
{
	struct offload_task *t = userdata;
	struct offload *o = t->offload;
	bool begun, closed, crowded;

	(void)fd, (void)what;
	pthread_mutex_lock(&o->lock);
	begun = t->begun;
	closed = t->closed;
	crowded = !begun && t->user->running < OFFLOAD_PER_UID;
	if (!begun && !t->closes) {
		STAILQ_REMOVE(&t->user->waiting, t, offload_task, queue);
		o->awaited--;
	}
	pthread_mutex_unlock(&o->lock);
	if (closed) {
		take_closed(o);
		return;
	}
	if (!begun && t->closes) {
		arm(t);
		return;
	}
	if (begun) {
		t->overdue = true;
		set_overdue(o, t->user, t->user->overdue + 1);
		tell_overdue(t->user);
	}
	t->told = true;
	t->ended(t, crowded ? -EUSERS : -ETIMEDOUT);
	if (!begun)
		release(o, t);
}

static void on_out(evutil_socket_t fd, short what, void *userdata)
{
	struct task_queue out = STAILQ_HEAD_INITIALIZER(out);
	struct offload *o = userdata;
	struct offload_task *t;
	eventfd_t n;

	(void)what;
	eventfd_read(fd, &n);
	take_closed(o);
	pthread_mutex_lock(&o->lock);
	STAILQ_CONCAT(&out, &o->out);
	pthread_mutex_unlock(&o->lock);
	while ((t = STAILQ_FIRST(&out))) {
		STAILQ_REMOVE_HEAD(&out, queue);
		if (!t->told) {
			t->told = true;
			t->ended(t, 0);
		}
		release(o, t);
	}
}

/* In the next turn of the loop at the latest, and again as long as there are some. */
static void on_closes(evutil_socket_t fd, short what, void *userdata)
{
	const struct timeval left = timeval_from_usec(CLOSES_LEFT_USEC);
	struct offload *o = userdata;
	bool due, signal;

	(void)fd, (void)what;
	if (o->stopped)
		return;
	pthread_mutex_lock(&o->lock);
	due = find_runnable(o);
	signal = is_signal_due(o);
	pthread_mutex_unlock(&o->lock);
	if (signal)
		pthread_cond_signal(&o->work);
	if (due)
		event_add(o->closes_event, &left);
}

static uint32_t choose_tasks_max(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur / 4 > OFFLOAD_TASKS_MAX)
		return OFFLOAD_TASKS_MAX;
	return (uint32_t)(l.rlim_cur / 4);
}

int offload_new(struct offload **ret, struct event_base *base, uint64_t timeout_usec)
{
	struct offload *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->work, NULL);
	TAILQ_INIT(&o->users);
	TAILQ_INIT(&o->tasks);
	STAILQ_INIT(&o->out);
	STAILQ_INIT(&o->closed);
	o->base = base;
	o->timeout_usec = timeout_usec;
	o->tasks_max = choose_tasks_max();
	o->out_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (o->out_fd < 0) {
		int r = -errno;

		free_memory(o);
		return r;
	}
	o->out_event = event_new(base, o->out_fd, EV_READ | EV_PERSIST, on_out, o);
	o->closes_event = event_new(base, -1, 0, on_closes, o);
	if (!o->out_event || !o->closes_event || event_add(o->out_event, NULL) < 0) {
		if (o->out_event)
			event_free(o->out_event);
		if (o->closes_event)
			event_free(o->closes_event);
		free_memory(o);
		return -ENOMEM;
	}
	*ret = o;
	return 0;
}

void offload_stop(struct offload *o)
{
	struct offload_task *t, *next;

	if (o->stopped)
		return;
	on_out(o->out_fd, 0, o);
	pthread_mutex_lock(&o->lock);
	o->stopped = true;
	pthread_cond_broadcast(&o->work);
	pthread_mutex_unlock(&o->lock);
	for (t = TAILQ_FIRST(&o->tasks); t; t = next) {
		next = TAILQ_NEXT(t, all);
		event_del(&t->timer);
		if (!t->told) {
			t->told = true;
			t->ended(t, -ESHUTDOWN);
		}
		if (!t->begun)
			release(o, t);
	}
}

struct offload *offload_free(struct offload *o)
{
	bool last;

	if (!o)
		return NULL;
	offload_stop(o);
	event_free(o->out_event);
	event_free(o->closes_event);
	pthread_mutex_lock(&o->lock);
	o->freed = true;
	last = !o->threads;
	pthread_mutex_unlock(&o->lock);
	if (last)
		free_memory(o);
	return NULL;
}

void offload_freep(struct offload **o)
{
	offload_free(*o);
}

void offload_set_timeout(struct offload *o, uint64_t timeout_usec)
{
	o->timeout_usec = timeout_usec;
}

uint64_t offload_timeout(const struct offload *o)
{
	return o->timeout_usec;
}

static int submit(struct offload *o, struct offload_task *t, uint32_t uid)
{
	struct offload_user *u;
	bool signal = false;

	t->offload = o;
	t->begun = t->closed = t->told = t->overdue = false;
	event_assign(&t->timer, o->base, -1, 0, on_late, t);
	pthread_mutex_lock(&o->lock);
	u = get_user(o, uid);
	if (u) {
		t->user = u;
		u->tasks++;
		STAILQ_INSERT_TAIL(&u->waiting, t, queue);
		o->awaited += !t->closes;
		signal = !t->closes && is_signal_due(o);
	}
	pthread_mutex_unlock(&o->lock);
	if (signal) /* not before: it would wake to wait for the lock */
		pthread_cond_signal(&o->work);
	else if (u && t->closes)
		event_active(o->closes_event, 0, 0);
	if (!u)
		return -ENOMEM;
	TAILQ_INSERT_TAIL(&o->tasks, t, all);
	o->n_tasks++;
	arm(t);
	return 0;
}

int offload_run(struct offload *o, struct offload_task *t, uint32_t uid)
{
	const struct offload_user *u;

	t->closes = false;
	if (o->stopped)
		return -ESHUTDOWN;
	take_closed(o);
	u = look_up(o, uid);
	return u && u->overdue >= OFFLOAD_PER_UID ? -EBUSY : submit(o, t, uid);
}

static void close_work(struct offload_task *t)
{
	const struct linger none = { 0 };
	int fd = ((struct close_task *)t)->fd;

	/*
	 * a socket that waits at its last close is told not to, if it is one; this can wait, too
	 * (for its lock)
	 */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	close(fd);
}

static void close_ended(struct offload_task *t, int error)
{
	(void)t, (void)error;
}

static void close_release(struct offload_task *t)
{
	t->user->closes--;
	free(t);
}

void offload_close(struct offload *o, int fd, uint32_t uid)
{
	struct close_task *c;

	if (fd < 0 || o->stopped)
		return;
	take_closed(o);
	c = calloc(1, sizeof(*c));
	if (c) {
		c->task = (struct offload_task){ .work = close_work,
						 .ended = close_ended,
						 .release = close_release,
						 .closes = true };
		c->fd = fd;
		if (submit(o, &c->task, uid) == 0) {
			c->task.user->closes++;
			return;
		}
	}
	free(c);
	log_error("no memory to close descriptor %d of uid %" PRIu32 ": it stays open", fd, uid);
}

bool offload_is_choked(struct offload *o, uint32_t uid)
{
	const struct offload_user *u;
	uint32_t left, part;

	take_closed(o);
	u = look_up(o, uid);
	left = o->n_tasks < o->tasks_max ? o->tasks_max - o->n_tasks : 0;
	part = (left + OFFLOAD_PARTS - 1) / OFFLOAD_PARTS;

	return (u && u->closes >= OFFLOAD_CLOSES_MAX) || (u ? u->tasks : 0) >= part;
}
