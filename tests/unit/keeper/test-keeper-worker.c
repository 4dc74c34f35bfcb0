// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-worker.c - how many threads a set of workers has, and how often it wakes the loop:
 * many jobs of one storage take no more of either than its share can use.
 */
#undef NDEBUG
#include <assert.h>
#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keeper/worker.h"
#include "util/macros.h"

#define JOBS 64u
#define STORAGE 7u
#define OTHER 8u

struct one {
	struct job job; /* first */
	bool over;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static unsigned int begun, may_end, ended, n_done;

static struct event_base *base;
static struct worker *worker;

static void run(struct job *job)
{
	(void)job;
	pthread_mutex_lock(&lock);
	begun++;
	pthread_cond_broadcast(&moved);
	while (!may_end)
		pthread_cond_wait(&moved, &lock);
	may_end--;
	ended++;
	pthread_cond_broadcast(&moved);
	pthread_mutex_unlock(&lock);
}

static void done(struct job *job)
{
	((struct one *)job)->over = true;
	n_done++;
}

static void await_begun(unsigned int n)
{
	pthread_mutex_lock(&lock);
	while (begun < n)
		pthread_cond_wait(&moved, &lock);
	pthread_mutex_unlock(&lock);
}

static void let_end(unsigned int n)
{
	pthread_mutex_lock(&lock);
	may_end += n;
	pthread_cond_broadcast(&moved);
	pthread_mutex_unlock(&lock);
}

static unsigned int count_threads(void)
{
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	unsigned int n = 0;

	assert(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* What the loop would read from the worker's eventfd: how often it was woken. -1: there is none. */
static int count_wakes(void)
{
	char path[64], line[128];
	int n = -1;

	for (int fd = 3; fd < 64 && n < 0; fd++) {
		unsigned long long count;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		f = fopen(path, "re");
		while (f && n < 0 && fgets(line, sizeof(line), f))
			if (sscanf(line, "eventfd-count: %llx", &count) == 1)
				n = (int)count;
		if (f)
			fclose(f);
	}
	return n;
}

static void submit(struct one *x, size_t n, uint64_t key)
{
	for (size_t i = 0; i < n; i++) {
		x[i] = (struct one){ .job = { .run = run, .done = done, .key = key } };
		worker_submit(worker, &x[i].job);
	}
}

static void await_done(unsigned int n)
{
	while (n_done < n)
		assert(event_base_loop(base, EVLOOP_ONCE) == 0);
}

static void test_crowd(void)
{
	static struct one crowd[JOBS], other[WORKER_THREADS_OF_KEY];
	unsigned int threads = count_threads();

	submit(crowd, JOBS, STORAGE);
	await_begun(WORKER_THREADS_OF_KEY);
	assert(count_threads() <= threads + WORKER_THREADS_OF_KEY);
	/* what is silent holds up nobody else */
	submit(other, ARRAY_SIZE(other), OTHER);
	await_begun(2 * WORKER_THREADS_OF_KEY);
	assert(count_threads() <= threads + 2 * WORKER_THREADS_OF_KEY);
	let_end(JOBS + ARRAY_SIZE(other));
	await_done(JOBS + ARRAY_SIZE(other));
	assert(begun == JOBS + ARRAY_SIZE(other));
	assert(count_threads() <= threads + 2 * WORKER_THREADS_OF_KEY);
}

/* All that is done while the loop is busy is one wake-up. */
static void test_wakes(void)
{
	static struct one some[JOBS];
	unsigned int before = n_done, wakes;

	submit(some, JOBS, STORAGE);
	let_end(JOBS);
	pthread_mutex_lock(&lock);
	while (ended < before + JOBS)
		pthread_cond_wait(&moved, &lock);
	pthread_mutex_unlock(&lock);
	while (!worker_is_idle(worker))
		;
	wakes = (unsigned int)count_wakes();
	assert(wakes == 1);
	await_done(before + JOBS);
	for (size_t i = 0; i < JOBS; i++)
		assert(some[i].over && !some[i].job.busy);
}

int main(void)
{
	base = event_base_new();
	assert(base && worker_new(&worker, base) == 0);
	test_crowd();
	test_wakes();
	worker_free(worker);
	event_base_free(base);
	return 0;
}
