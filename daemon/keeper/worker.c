// SPDX-License-Identifier: GPL-2.0-or-later
/* worker.c - see worker.h. Two queues and a list of what is done, under one lock that is never held across a call that blocks. */
#include "keeper/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/eventfd.h>

struct queue {
	struct job *first;
	struct job **end;
};

struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct event *event;
	int eventfd;
	bool running;
	bool stop; /* under @lock, as all below */
	struct queue urgent;
	struct queue bulk;
	struct queue done;
};

static void queue_init(struct queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void queue_push(struct queue *q, struct job *job)
{
	job->next = NULL;
	*q->end = job;
	q->end = &job->next;
}

static struct job *queue_pop(struct queue *q)
{
	struct job *job = q->first;

	if (!job)
		return NULL;
	q->first = job->next;
	if (!q->first)
		q->end = &q->first;
	return job;
}

static void *work(void *userdata)
{
	static const uint64_t one = 1;
	struct worker *w = userdata;
	struct job *job;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		job = queue_pop(&w->urgent);
		if (!job)
			job = queue_pop(&w->bulk);
		if (!job) {
			pthread_cond_wait(&w->wake, &w->lock);
			continue;
		}
		pthread_mutex_unlock(&w->lock);
		job->run(job);
		pthread_mutex_lock(&w->lock);
		queue_push(&w->done, job);
		/* cannot fail but by overflow, and then the loop is awake anyway */
		(void)!write(w->eventfd, &one, sizeof(one));
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void on_eventfd(evutil_socket_t fd, short what, void *userdata)
{
	struct worker *w = userdata;
	uint64_t count;
	struct job *job;

	(void)what;
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	for (;;) {
		pthread_mutex_lock(&w->lock);
		job = queue_pop(&w->done);
		pthread_mutex_unlock(&w->lock);
		if (!job)
			return;
		job->busy = false;
		job->done(job);
	}
}

int worker_new(struct worker **ret, struct event_base *base)
{
	_cleanup_(worker_freep) struct worker *w = calloc(1, sizeof(*w));
	sigset_t all, old;
	int r;

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	queue_init(&w->urgent);
	queue_init(&w->bulk);
	queue_init(&w->done);
	w->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->eventfd < 0)
		return -errno;
	w->event = event_new(base, w->eventfd, EV_READ | EV_PERSIST, on_eventfd, w);
	if (!w->event || event_add(w->event, NULL) < 0)
		return -ENOMEM;

	/* signals are the loop's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&w->thread, NULL, work, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return -r;
	w->running = true;
	*ret = steal_pointer(w);
	return 0;
}

struct worker *worker_free(struct worker *w)
{
	if (!w)
		return NULL;
	if (w->running) {
		pthread_mutex_lock(&w->lock);
		w->stop = true;
		pthread_cond_signal(&w->wake);
		pthread_mutex_unlock(&w->lock);
		pthread_join(w->thread, NULL);
	}
	if (w->event)
		event_free(w->event);
	closep(&w->eventfd);
	pthread_cond_destroy(&w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return NULL;
}

bool worker_withdraw(struct worker *w, struct job *job)
{
	struct queue *q = job->urgent ? &w->urgent : &w->bulk;
	struct job **at = &q->first;
	bool found;

	pthread_mutex_lock(&w->lock);
	while (*at && *at != job)
		at = &(*at)->next;
	found = *at;
	if (found) {
		*at = job->next;
		if (q->end == &job->next)
			q->end = at;
		job->busy = false;
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}

void worker_submit(struct worker *w, struct job *job)
{
	job->busy = true;
	pthread_mutex_lock(&w->lock);
	queue_push(job->urgent ? &w->urgent : &w->bulk, job);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}
