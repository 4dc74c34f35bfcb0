// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * log.c - see log.h. A line is built whole and written with one call, so that lines of several
 * processes do not mix.
 *
 * After log_never_wait() a socket (the journal's) is written to without waiting. Anything else, for
 * which there is no such call, is written to by a thread: log_write() gives the line some time to
 * be written, so that the log is up to date as long as that works, and none while an earlier line
 * is late. At its end the process waits once more, since what it says last says why it ends.
 *
 * A line with fields is a datagram to the journal (systemd.journal-fields(7), "native protocol"),
 * without waiting either. If that takes none, the line goes where all others go, without fields.
 */
#include "util/log.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/text.h"
#include "util/thread.h"

#define LINE_MAX_BYTES 1024
#define JOURNAL "/run/systemd/journal/socket"
#define FIELD_MAX_BYTES 300 /* of a field; what is longer is cut */
#define FIELDS_MAX_BYTES (LINE_MAX_BYTES + 10 * (FIELD_MAX_BYTES + 32))
#define RING_BYTES \
	(UINT32_C(256) << 10) /* a thread may wait for its turn while lines come in a rush */
#define PATIENCE_USEC (50 * USEC_PER_MSEC)
#define END_USEC (2 * USEC_PER_SEC)

static int max_priority = LOG_INFO;

static bool is_socket;
static int journal = -1;
static struct sockaddr_un journal_address;
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

int log_to_journal(const char *path)
{
	if (strlen(path) >= sizeof(journal_address.sun_path))
		return -ENAMETOOLONG;
	journal_address.sun_family = AF_UNIX;
	strcpy(journal_address.sun_path, path);
	if (journal < 0)
		journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return journal < 0 ? -errno : 0;
}

/* As the service manager says: DEVICE:INODE of what it gave us. */
static bool is_journal(int fd)
{
	const char *stream = secure_getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat s;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(fd, &s) == 0 &&
	       s.st_dev == device && s.st_ino == inode;
}

bool log_is_journal(void)
{
	return journal >= 0;
}

int log_never_wait(void)
{
	pthread_condattr_t monotonic;
	socklen_t size = sizeof(int);
	int type, r;

	if (getsockopt(STDERR_FILENO, SOL_SOCKET, SO_TYPE, &type, &size) == 0) {
		is_socket = true;
		if (is_journal(STDERR_FILENO))
			log_to_journal(JOURNAL); /* without it there are lines all the same */
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

/* One more field, as far as there is room. */
static void add(char *fields, size_t *n, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
static void add(char *fields, size_t *n, const char *name, const char *format, ...)
{
	char value[LINE_MAX_BYTES];
	size_t room = FIELDS_MAX_BYTES - *n;
	va_list args;
	int length;

	va_start(args, format);
	if (vsnprintf(value, sizeof(value), format, args) < 0)
		*value = 0;
	va_end(args);
	text_clean_in_place(value);
	length = snprintf(fields + *n, room, "%s=%s\n", name, value);
	if (length > 0 && (size_t)length < room)
		*n += (size_t)length;
}

static void add_text(char *fields, size_t *n, const char *name, const char *value)
{
	if (value && *value)
		add(fields, n, name, "%.*s", FIELD_MAX_BYTES, value);
}

/* What the line is about, if it says so first: that is never somebody else's text. */
static bool add_subject(char *fields, size_t *n, const char *format, const char *text)
{
	static const char region[] = "region %", keeper[] = "keeper %s:";
	const char *name = text + strlen("keeper ");

	if (!strncmp(format, region, strlen(region)))
		add(fields, n, "REGION", "%llu", strtoull(text + strlen("region "), NULL, 10));
	else if (!strncmp(format, keeper, strlen(keeper)))
		add(fields, n, "TENANT", "%.*s", (int)strcspn(name, ":"), name);
	else
		return false;
	return true;
}

/* False: it was not told, or there is nothing that the line does not say by itself. */
static bool tell_journal(int priority, const struct log_fields *f, const char *format,
			 const char *text)
{
	static const char *const ids[] = { [LOG_MESSAGE_NONE] = NULL,
#define LOG_MESSAGE(name, id) [LOG_MESSAGE_##name] = (id),
					   LOG_MESSAGES(LOG_MESSAGE)
#undef LOG_MESSAGE
	};
	char fields[FIELDS_MAX_BYTES];
	size_t n = 0;

	if (!add_subject(fields, &n, format, text) && !f)
		return false;
	add(fields, &n, "MESSAGE", "%s", text);
	add(fields, &n, "PRIORITY", "%d", priority);
	add(fields, &n, "SYSLOG_IDENTIFIER", "%s", program_invocation_short_name);
	if (f) {
		add_text(fields, &n, "MESSAGE_ID", ids[f->message]);
		add_text(fields, &n, "TENANT", f->tenant);
		add_text(fields, &n, "CAUSE", f->cause);
		add_text(fields, &n, "FILE", f->file);
		add_text(fields, &n, "PEER", f->peer);
	}
	if (f && f->pid)
		add(fields, &n, "PID", "%lu", (unsigned long)f->pid);
	return sendto(journal, fields, n, MSG_DONTWAIT | MSG_NOSIGNAL,
		      (struct sockaddr *)&journal_address, sizeof(journal_address)) >= 0;
}

static void write_va(int priority, const struct log_fields *f, const char *format, va_list args)
{
	char line[LINE_MAX_BYTES];
	int saved = errno, start, n;

	start = snprintf(line, sizeof(line), "<%d>", priority);
	n = vsnprintf(line + start, sizeof(line) - (size_t)start - 1, format, args);
	n = n < 0 ? start : start + n;
	if ((size_t)n > sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n] = 0;
	text_clean_in_place(line + start);
	if (journal >= 0 && tell_journal(priority, f, format, line + start)) {
		errno = saved;
		return;
	}
	line[n++] = '\n';
	/* a child between fork and exec has no thread, and may wait */
	if (thread_pid && thread_pid == getpid())
		hand_over(line, (size_t)n);
	else
		write_or_lose(line, (size_t)n);
	errno = saved;
}

void log_about(int priority, const struct log_fields *fields, const char *format, ...)
{
	va_list args;

	if (priority > max_priority)
		return;
	va_start(args, format);
	write_va(priority, fields, format, args);
	va_end(args);
}

void log_write(int priority, const char *format, ...)
{
	va_list args;

	if (priority > max_priority)
		return;
	va_start(args, format);
	write_va(priority, NULL, format, args);
	va_end(args);
}
