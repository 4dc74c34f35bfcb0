// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * worker.c - see worker.h. Two queues and a list of what is done, under one lock that is never held
 * across a call that blocks.
 *
 * There are never fewer threads than jobs that could run, up to the bound: a job that its key's
 * share lets run wakes an idle thread, or has one made. One beyond the share wakes nobody: the
 * threads that have the share come to it. A thread ends when it has had nothing to do for a while,
 * unless it is the last. The loop is woken for the first job that is done, and takes all.
 */
#include "keeper/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <time.h>

#include "util/clock.h"
#include "util/macros.h"
#include "util/thread.h"

#define IDLE_SEC 10
#define STACK_BYTES (512u << 10)

struct queue {
	struct job *first;
	struct job **end;
};

struct worker {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_cond_t ended; /* a thread */
	struct event *event;
	int eventfd;
	bool stop; /* under @lock, as all below */
	unsigned int n_threads;
	unsigned int n_idle;
	unsigned int n_woken; /* of the idle ones: they have not come to it yet */
	unsigned int n_queued;
	bool running[WORKER_THREADS];	      /* a job, which has */
	uint64_t running_key[WORKER_THREADS]; /* this key */
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

static void queue_remove(struct queue *q, struct job **at)
{
	struct job *job = *at;

	*at = job->next;
	if (q->end == &job->next)
		q->end = at;
}

static struct job *queue_pop(struct queue *q)
{
	struct job *job = q->first;

	if (job)
		queue_remove(q, &q->first);
	return job;
}

static unsigned int count_running(const struct worker *w, uint64_t key)
{
	unsigned int n = 0;

	for (size_t i = 0; i < WORKER_THREADS; i++)
		n += w->running[i] && w->running_key[i] == key;
	return n;
}

static bool has_its_share(const struct worker *w, uint64_t key)
{
	return key && count_running(w, key) >= WORKER_THREADS_OF_KEY;
}

/* With those that wait, the share of the key is used up. */
static bool will_have_its_share(const struct worker *w, uint64_t key)
{
	const struct queue *queues[] = { &w->urgent, &w->bulk };
	unsigned int n = key ? count_running(w, key) : 0;

	for (size_t i = 0; key && i < ARRAY_SIZE(queues); i++)
		for (const struct job *job = queues[i]->first; job && n < WORKER_THREADS_OF_KEY;
		     job = job->next)
			n += job->key == key;
	return n >= WORKER_THREADS_OF_KEY;
}

static struct job *next_of(struct worker *w, struct queue *q)
{
	for (struct job **at = &q->first, *job; (job = *at); at = &job->next) {
		if (has_its_share(w, job->key))
			continue;
		queue_remove(q, at);
		w->n_queued--;
		return job;
	}
	return NULL;
}

void job_pause(struct job *job)
{
	__atomic_store_n(&job->began_usec, 0, __ATOMIC_RELAXED);
}

void job_resume(struct job *job)
{
	__atomic_store_n(&job->began_usec, now_monotonic_usec(), __ATOMIC_RELAXED);
}

static void run(struct worker *w, struct job *job)
{
	static const uint64_t one = 1;
	bool first;
	size_t i = 0;

	while (w->running[i])
		i++;
	w->running[i] = true;
	w->running_key[i] = job->key;
	job_resume(job);
	pthread_mutex_unlock(&w->lock);
	job->run(job);
	pthread_mutex_lock(&w->lock);
	w->running[i] = false;
	first = !w->done.first;
	queue_push(&w->done, job);
	if (!first)
		return;
	pthread_mutex_unlock(&w->lock); /* or the loop would wake to wait for this */
	/* cannot fail but by overflow, and then the loop is awake anyway */
	(void)!write(w->eventfd, &one, sizeof(one));
	pthread_mutex_lock(&w->lock);
}

/* False: there was nothing to do for long. */
static bool wait_for_job(struct worker *w)
{
	struct timespec until;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_SEC;
	w->n_idle++;
	r = pthread_cond_timedwait(&w->wake, &w->lock, &until);
	w->n_idle--;
	w->n_woken -= w->n_woken > 0;
	return r == 0 || w->n_queued || w->n_threads == 1;
}

static void *work(void *userdata)
{
	struct worker *w = userdata;
	struct job *job;

	pthread_mutex_lock(&w->lock);
	while (!w->stop) {
		job = next_of(w, &w->urgent);
		if (!job)
			job = next_of(w, &w->bulk);
		if (job)
			run(w, job);
		else if (!wait_for_job(w))
			break;
	}
	w->n_threads--;
	pthread_cond_signal(&w->ended);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* With the lock held. */
static int add_thread(struct worker *w)
{
	int r = thread_start(work, w, STACK_BYTES, NULL);

	if (r == 0)
		w->n_threads++;
	return r;
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
	pthread_condattr_t monotonic;
	int r;

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&w->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_cond_init(&w->ended, NULL);
	queue_init(&w->urgent);
	queue_init(&w->bulk);
	queue_init(&w->done);
	w->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->eventfd < 0)
		return -errno;
	w->event = event_new(base, w->eventfd, EV_READ | EV_PERSIST, on_eventfd, w);
	if (!w->event || event_add(w->event, NULL) < 0)
		return -ENOMEM;
	pthread_mutex_lock(&w->lock);
	r = add_thread(w);
	pthread_mutex_unlock(&w->lock);
	if (r < 0)
		return r;
	*ret = steal_pointer(w);
	return 0;
}

struct worker *worker_free(struct worker *w)
{
	if (!w)
		return NULL;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_broadcast(&w->wake);
	while (w->n_threads)
		pthread_cond_wait(&w->ended, &w->lock);
	pthread_mutex_unlock(&w->lock);
	if (w->event)
		event_free(w->event);
	closep(&w->eventfd);
	pthread_cond_destroy(&w->wake);
	pthread_cond_destroy(&w->ended);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return NULL;
}

bool worker_is_idle(struct worker *w)
{
	bool idle = true;

	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < WORKER_THREADS; i++)
		idle &= !w->running[i];
	pthread_mutex_unlock(&w->lock);
	return idle;
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
		queue_remove(q, at);
		w->n_queued--;
		job->busy = false;
	}
	pthread_mutex_unlock(&w->lock);
	return found;
}

void worker_submit(struct worker *w, struct job *job)
{
	bool runs, signal = false;

	job->busy = true;
	job->began_usec = 0;
	pthread_mutex_lock(&w->lock);
	runs = !will_have_its_share(w, job->key);
	queue_push(job->urgent ? &w->urgent : &w->bulk, job);
	w->n_queued++;
	if (runs && w->n_idle > w->n_woken) {
		w->n_woken++;
		signal = true;
	} else if (runs && w->n_threads < WORKER_THREADS) {
		add_thread(w); /* else those that there are come to it */
	}
	pthread_mutex_unlock(&w->lock);
	if (signal) /* not before: it would wake to wait for the lock */
		pthread_cond_signal(&w->wake);
}
