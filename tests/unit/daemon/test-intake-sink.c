// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-intake-sink.c - what a message brings is dropped without anybody having it: whoever waits
 * for the message goes on also if the last close of a file sleeps; threads that do not return are
 * bounded; and a signal makes those return that it can. What sleeps is a socket that lingers.
 */
#undef NDEBUG
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <event2/event.h>

#include "tests/bus/linger.h"
#include "bus/intake-sink.h"
#include "util/passed.h"

#define UID 1000
#define TEXT "message"

static struct event_base *base;
static struct sink *sink;
static int ours, theirs; /* the socket's ends */
static int n_dropped;
static size_t alone;	/* threads, when there is none of the sink */
static bool deaf;	/* no thread gets a signal */
static int interrupted; /* as many calls for the peek offset are */

/* Before those of the library. */
int setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
	if (option == SO_PEEK_OFF && interrupted) {
		interrupted--;
		errno = EINTR;
		return -1;
	}
	return (int)syscall(SYS_setsockopt, fd, level, option, value, size);
}

int pthread_kill(pthread_t thread, int signal)
{
	union sigval none = { 0 };

	return deaf ? 0 : pthread_sigqueue(thread, signal, none);
}

static void on_dropped(void *userdata, int error)
{
	assert(userdata == &base && error == 0);
	n_dropped++;
}

/* Other threads, and entries for this one and the directory. */
static size_t count(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	assert(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void await_threads(size_t n)
{
	while (count("/proc/self/task") != n)
		sched_yield();
}

/* A message of which we have the descriptors no more. */
static void pass(const int *fds, unsigned int n)
{
	union {
		char space[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
		struct cmsghdr header;
	} control;
	struct iovec iov = { (char[]){ TEXT }, sizeof(TEXT) };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = CMSG_SPACE(n * sizeof(int)) };

	memset(&control, 0, sizeof(control));
	control.header = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
					   .cmsg_type = SCM_RIGHTS,
					   .cmsg_len = CMSG_LEN(n * sizeof(int)) };
	memcpy(CMSG_DATA(&control.header), fds, n * sizeof(int));
	assert(sendmsg(theirs, &h, 0) == sizeof(TEXT));
	for (unsigned int i = 0; i < n; i++)
		close(fds[i]);
}

/* One is dropped, and its message received. */
static void drop(uint32_t uid, bool emergency)
{
	int before = n_dropped;
	char text[2 * sizeof(TEXT)];

	assert(sink_drop(sink, uid, emergency) == 0);
	while (n_dropped == before)
		assert(event_base_loop(base, EVLOOP_ONCE) >= 0);
	assert(n_dropped == before + 1);
	assert(recv(ours, text, sizeof(text), MSG_PEEK) ==
	       sizeof(TEXT) - 1); /* from its beginning */
	assert(recv(ours, text, sizeof(text), 0) == sizeof(TEXT) - 1 && !strcmp(text, &TEXT[1]));
}

/* Returns the other end. */
static int pass_lingering(void)
{
	int end, fd = linger_open(&end);

	assert(fd >= 0);
	pass(&fd, 1);
	return end;
}

static void test_duplicates(void)
{
	int fds[16], ends[2];

	assert(pipe(ends) == 0);
	for (int i = 0; i < 100; i++) {
		for (size_t k = 0; k < 16; k++)
			assert((fds[k] = dup(ends[0])) >= 0);
		pass(fds, 16);
		drop(UID, false);
	}
	close(ends[0]);
	close(ends[1]);
	await_threads(alone);
}

/* They wait for an hour, each at its last close. */
static void test_signal(void)
{
	int fds[16], ends[16];

	for (size_t i = 0; i < 16; i++)
		assert((fds[i] = linger_open(&ends[i])) >= 0);
	pass(fds, 16);
	drop(UID, false);
	await_threads(alone);
	for (size_t i = 0; i < 16; i++)
		close(ends[i]);
}

/*
 * The signal is sent as soon as the byte is out, not when a timer says so: the loop does not turn
 * here.
 */
static void test_signal_at_once(void)
{
	int end = pass_lingering(), before = n_dropped;
	char text[sizeof(TEXT)];

	assert(sink_drop(sink, UID, false) == 0);
	while (n_dropped == before)
		sink_look(sink);
	assert(recv(ours, text, sizeof(text), 0) == sizeof(TEXT) - 1);
	await_threads(alone);
	close(end);
}

/*
 * A signal comes to the loop while the thread has the socket's lock: who looks at the next message
 * sees all of it nevertheless.
 */
static void test_interrupted(void)
{
	int before = n_dropped;
	char text[2 * sizeof(TEXT)];
	int end = pass_lingering();

	interrupted = 3;
	assert(sink_drop(sink, UID, false) == 0);
	assert(interrupted == 0);
	interrupted = 3;
	while (n_dropped == before)
		assert(event_base_loop(base, EVLOOP_ONCE) >= 0);
	assert(interrupted == 0);
	for (int i = 0; i < 2; i++)
		assert(recv(ours, text, sizeof(text), MSG_PEEK) == sizeof(TEXT) - 1 &&
		       !strcmp(text, &TEXT[1]));
	assert(recv(ours, text, sizeof(text), 0) == sizeof(TEXT) - 1);
	await_threads(alone);
	close(end);
}

static void test_bounds(void)
{
	int ends[SINK_THREADS + 1];
	int n = 0;

	deaf = true;
	for (; n < SINK_PER_UID; n++) {
		ends[n] = pass_lingering();
		drop(UID, false);
	}
	assert(count("/proc/self/task") == alone + SINK_PER_UID);
	ends[n] = pass_lingering(); /* it waits for whoever takes it */
	assert(sink_drop(sink, UID, false) == -EBUSY);
	drop(UID + 1, false);
	for (n++; n < SINK_THREADS / 2; n++) {
		ends[n] = pass_lingering();
		drop(UID + (uint32_t)n, false);
	}
	ends[n] = pass_lingering();
	assert(sink_drop(sink, UID + (uint32_t)n, false) == -EBUSY);
	for (;;) {
		drop(UID, true);
		if (++n == SINK_THREADS)
			break;
		ends[n] = pass_lingering();
	}
	ends[n] = pass_lingering();
	assert(sink_drop(sink, UID, true) == -EBUSY);
	for (int i = 0; i < n; i++)
		close(ends[i]);
	await_threads(alone);
	drop(UID, false); /* what was refused, now that they are back */
	close(ends[n]);
	await_threads(alone);
	deaf = false;
}

/* Nobody waits for who does not return. */
static void test_end(void)
{
	int end = pass_lingering();

	deaf = true;
	drop(UID, false);
	assert(!sink_free(sink));
	close(end);
}

int main(void)
{
	int ends[2];

	assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	ours = ends[0];
	theirs = ends[1];
	base = event_base_new();
	assert(base && sink_new(&sink, base, ours, on_dropped, &base) == 0);
	alone = count("/proc/self/task");
	test_duplicates();
	test_signal();
	test_signal_at_once();
	test_interrupted();
	test_bounds();
	test_end();
	event_base_free(base);
	return 0;
}
