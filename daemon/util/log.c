// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * log.c - see log.h. A line is built whole and written with one call, so that lines of several
 * processes do not mix.
 *
 * After log_never_wait() a socket (the journal's) is written to without waiting. Anything else, for
 * which there is no such call, is written to by a thread: log_write() gives the line some time to
 * be written, so that the log is up to date as long as that works, and none while an earlier line
 * is late. At its end the process waits once more, since what it says last says why it ends.
 */
#include "util/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/thread.h"

#define LINE_MAX_BYTES 1024
#define RING_BYTES \
	(UINT32_C(256) << 10) /* a thread may wait for its turn while lines come in a rush */
#define PATIENCE_USEC (50 * USEC_PER_MSEC)
#define END_USEC (2 * USEC_PER_SEC)

static int max_priority = LOG_INFO;

static bool is_socket;
static pid_t thread_pid; /* of the process that has the thread; 0: there is none */

/* Of the lock, but for who writes: that is the thread, if there is one. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t more, fewer;
static char ring[RING_BYTES]; /* of each line its size, as a size_t, and its text */
static uint64_t put, written; /* bytes so far */
static bool late;	      /* a line was not written in time; until all are written */

static _Atomic uint64_t lost; /* lines that were not told of yet */

void log_set_level(int priority)
{
	max_priority = priority;
}

int log_level(void)
{
	return max_priority;
}

static bool write_line(const char *text, size_t size)
{
	if (is_socket)
		return send(STDERR_FILENO, text, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
	return write(STDERR_FILENO, text, size) >= 0;
}

/* After what has to be told of lines before it. */
static void write_or_lose(const char *text, size_t size)
{
	uint64_t n = atomic_exchange(&lost, 0);
	char notice[96];
	int length;

	if (n) {
		length = snprintf(notice, sizeof(notice), "<%d>%ju lines of this log were lost\n",
				  LOG_WARNING, (uintmax_t)n);
		if (!write_line(notice, (size_t)length)) {
			atomic_fetch_add(&lost, n + 1);
			return;
		}
	}
	if (!write_line(text, size))
		atomic_fetch_add(&lost, 1);
}

static size_t until_wrap(uint64_t at, size_t size)
{
	size_t left = RING_BYTES - at % RING_BYTES;

	return size < left ? size : left;
}

static void ring_put(const void *bytes, size_t size)
{
	size_t n = until_wrap(put, size);

	memcpy(ring + put % RING_BYTES, bytes, n);
	memcpy(ring, (const char *)bytes + n, size - n);
	put += size;
}

static void ring_get(uint64_t at, void *ret, size_t size)
{
	size_t n = until_wrap(at, size);

	memcpy(ret, ring + at % RING_BYTES, n);
	memcpy((char *)ret + n, ring, size - n);
}

static void *write_all(void *userdata)
{
	char text[LINE_MAX_BYTES];
	size_t size;

	(void)userdata;
	pthread_mutex_lock(&lock);
	for (;;) {
		while (written == put)
			pthread_cond_wait(&more, &lock);
		ring_get(written, &size, sizeof(size));
		ring_get(written + sizeof(size), text, size);
		pthread_mutex_unlock(&lock);
		write_or_lose(text, size);
		pthread_mutex_lock(&lock);
		written += sizeof(size) + size;
		late = late && written < put;
		pthread_cond_broadcast(&fewer);
	}
	return NULL;
}

static struct timespec after_usec(uint64_t usec)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(usec / USEC_PER_SEC);
	t.tv_nsec += (long)(usec % USEC_PER_SEC) * 1000;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static void hand_over(const char *text, size_t size)
{
	const struct timespec until = after_usec(PATIENCE_USEC);
	uint64_t mine;

	pthread_mutex_lock(&lock);
	if (put - written + sizeof(size) + size > RING_BYTES) {
		atomic_fetch_add(&lost, 1);
		pthread_mutex_unlock(&lock);
		return;
	}
	ring_put(&size, sizeof(size));
	ring_put(text, size);
	mine = put;
	pthread_cond_signal(&more);
	while (written < mine && !late)
		late = pthread_cond_timedwait(&fewer, &lock, &until) == ETIMEDOUT && written < mine;
	pthread_mutex_unlock(&lock);
}

static void at_end(void)
{
	const struct timespec until = after_usec(END_USEC);

	if (thread_pid != getpid())
		return;
	pthread_mutex_lock(&lock);
	while (written < put && pthread_cond_timedwait(&fewer, &lock, &until) != ETIMEDOUT)
		;
	pthread_mutex_unlock(&lock);
}

int log_never_wait(void)
{
	pthread_condattr_t monotonic;
	socklen_t size = sizeof(int);
	int type, r;

	if (getsockopt(STDERR_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) == 0) {
		is_socket = true;
		return 0;
	}
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&more, NULL);
	pthread_cond_init(&fewer, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r = thread_start(write_all, NULL, 0, NULL);
	if (r < 0)
		return r;
	thread_pid = getpid();
	return atexit(at_end) ? -ENOMEM : 0;
}

void log_write(int priority, const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	int saved = errno, n, m;
	va_list args;

	if (priority > max_priority)
		return;
	n = snprintf(line, sizeof(line), "<%d>", priority);
	va_start(args, format);
	m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, args);
	va_end(args);
	if (m < 0)
		m = 0;
	n += m;
	if ((size_t)n > sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n++] = '\n';
	/* a child between fork and exec has no thread, and may wait */
	if (thread_pid && thread_pid == getpid())
		hand_over(line, (size_t)n);
	else
		write_or_lose(line, (size_t)n);
	errno = saved;
}
