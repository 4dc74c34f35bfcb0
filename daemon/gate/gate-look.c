// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-look.c - see gate-look.h. One lock guards everything but what a thread is looking at. Who
 * leaves last frees: the lookout after its last thread, a look after the thread that is in it.
 */
#include "gate/gate-look.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/log.h"
#include "util/thread.h"

#define STACK_BYTES (64 * 1024) /* 4 KiB of a kernel's stack as text, and what a sanitizer adds */
#define IDLE_MAX 1u

enum state {
	NOT_ASKED,
	QUEUED,
	LOOKING,
	ANSWERED,
};

struct gate_look {
	struct gate_lookout *lookout;
	int task_fd;
	pid_t tid;
	uid_t uid;
	enum state state;
	bool waited; /* in vain, for the look that is under way */
	bool freed;
	int error;
	struct gate_call call;
	TAILQ_ENTRY(gate_look) list; /* queue, or busy */
};

TAILQ_HEAD(looks, gate_look);

struct gate_lookout {
	pthread_mutex_t lock;
	pthread_cond_t work;
	pthread_cond_t answered;
	gate_look_at_t *look_at;
	uint64_t patience_usec;
	struct looks queue;
	struct looks busy;
	unsigned int n_under_way; /* in both */
	unsigned int threads;
	unsigned int idle;
	bool freed;
};

static void free_lookout(struct gate_lookout *l)
{
	pthread_cond_destroy(&l->work);
	pthread_cond_destroy(&l->answered);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static void free_look(struct gate_look *k)
{
	close(k->task_fd);
	free(k);
}

/* Under the lock, but for the look itself. */
static void serve_one(struct gate_lookout *l, struct gate_look *k)
{
	struct gate_call call = { 0 };
	int error;

	TAILQ_REMOVE(&l->queue, k, list);
	TAILQ_INSERT_TAIL(&l->busy, k, list);
	k->state = LOOKING;
	pthread_mutex_unlock(&l->lock);
	error = l->look_at(k->task_fd, k->tid, &call);
	pthread_mutex_lock(&l->lock);
	TAILQ_REMOVE(&l->busy, k, list);
	l->n_under_way--;
	if (k->freed) {
		free_look(k);
		return;
	}
	k->call = call;
	k->error = error;
	k->state = ANSWERED;
	pthread_cond_signal(&l->answered);
}

static void *serve(void *userdata)
{
	struct gate_lookout *l = userdata;
	struct gate_look *k;
	bool last;

	pthread_mutex_lock(&l->lock);
	while (!l->freed) {
		k = TAILQ_FIRST(&l->queue);
		if (k) {
			serve_one(l, k);
			continue;
		}
		if (l->idle >= IDLE_MAX)
			break;
		l->idle++;
		pthread_cond_wait(&l->work, &l->lock);
		l->idle--;
	}
	last = !--l->threads && l->freed;
	pthread_mutex_unlock(&l->lock);
	if (last)
		free_lookout(l);
	return NULL;
}

int gate_lookout_new(struct gate_lookout **ret, gate_look_at_t *look_at, uint64_t patience_usec)
{
	struct gate_lookout *l = calloc(1, sizeof(*l));
	pthread_condattr_t monotonic;

	if (!l)
		return -ENOMEM;
	l->look_at = look_at;
	l->patience_usec = patience_usec;
	TAILQ_INIT(&l->queue);
	TAILQ_INIT(&l->busy);
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&l->work, NULL);
	pthread_cond_init(&l->answered, &monotonic);
	pthread_condattr_destroy(&monotonic);
	*ret = l;
	return 0;
}

struct gate_lookout *gate_lookout_free(struct gate_lookout *l)
{
	bool last;

	if (!l)
		return NULL;
	pthread_mutex_lock(&l->lock);
	l->freed = true;
	last = !l->threads;
	pthread_cond_broadcast(&l->work);
	pthread_mutex_unlock(&l->lock);
	if (last)
		free_lookout(l);
	return NULL;
}

struct gate_look *gate_look_new(struct gate_lookout *l, int task_fd, pid_t tid, uid_t uid)
{
	struct gate_look *k = calloc(1, sizeof(*k));

	if (!k) {
		close(task_fd);
		return NULL;
	}
	k->lookout = l;
	k->task_fd = task_fd;
	k->tid = tid;
	k->uid = uid;
	return k;
}

struct gate_look *gate_look_free(struct gate_look *k)
{
	struct gate_lookout *l;

	if (!k)
		return NULL;
	l = k->lookout;
	pthread_mutex_lock(&l->lock);
	if (k->state == QUEUED) {
		TAILQ_REMOVE(&l->queue, k, list);
		l->n_under_way--;
	}
	if (k->state == LOOKING)
		k->freed = true;
	else
		free_look(k);
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

/* Under the lock. */
static bool has_room(const struct gate_lookout *l, uid_t uid)
{
	const struct gate_look *k;
	unsigned int n = 0;

	if (l->n_under_way >= LOOKS_AT_ONCE)
		return false;
	TAILQ_FOREACH(k, &l->queue, list)
		n += k->uid == uid;
	TAILQ_FOREACH(k, &l->busy, list)
		n += k->uid == uid;
	return n < LOOKS_OF_A_USER;
}

/* Under the lock. */
static void ask(struct gate_lookout *l, struct gate_look *k)
{
	if (!has_room(l, k->uid))
		return;
	/* as many threads as looks, or one that does not come back would have those behind it wait */
	if (l->idle)
		pthread_cond_signal(&l->work);
	if (l->n_under_way >= l->threads) {
		int r = thread_start(serve, l, STACK_BYTES, NULL);

		if (r < 0 && !l->threads) {
			log_error("gate: no thread to look at a task: %s", strerror(-r));
			return;
		}
		l->threads += r == 0;
	}
	TAILQ_INSERT_TAIL(&l->queue, k, list);
	l->n_under_way++;
	k->state = QUEUED;
	k->waited = false;
}

/* Under the lock. */
static void await(struct gate_lookout *l, struct gate_look *k)
{
	uint64_t until = now_monotonic_usec() + l->patience_usec;
	const struct timespec at = { .tv_sec = (time_t)(until / USEC_PER_SEC),
				     .tv_nsec = (long)(until % USEC_PER_SEC * 1000) };

	while (k->state != ANSWERED && pthread_cond_timedwait(&l->answered, &l->lock, &at) == 0)
		;
	k->waited = true;
}

int gate_look(struct gate_look *k, bool wait, struct gate_call *ret)
{
	struct gate_lookout *l = k->lookout;
	int error = -EAGAIN;

	pthread_mutex_lock(&l->lock);
	if (k->state == NOT_ASKED)
		ask(l, k);
	if (wait && !k->waited && (k->state == QUEUED || k->state == LOOKING))
		await(l, k);
	if (k->state == ANSWERED) {
		k->state = NOT_ASKED;
		error = k->error;
		*ret = k->call;
	}
	pthread_mutex_unlock(&l->lock);
	return error;
}
