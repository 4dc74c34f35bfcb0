// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * p4-events.c - figure P4: how long after an invalidation user space knows of it. Through the
 * helper module, as the keeper hears it (epoll, then RDMAREG_COLLECT), against userfaultfd's
 * UFFD_EVENT_REMOVE (epoll, then read).
 *
 *   p4-events [--quick]
 *
 * One thread waits, the other notes the time and calls madvise(MADV_DONTNEED) on a page that was
 * touched. Also: how long that call takes, since userfaultfd holds it until its event was read, and
 * the module does not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"
#include "rdmareg-uapi.h"

struct listener {
	int fd;
	void (*take)(int fd);
	pthread_t thread;
	sem_t heard;
	double seen_usec; /* when the event was in hand */
};

static void take_report(int fd)
{
	struct rdmareg_report report = { .slot = RDMAREG_SLOT_ANY };

	if (ioctl(fd, RDMAREG_COLLECT, &report))
		die("RDMAREG_COLLECT");
}

static void take_message(int fd)
{
	struct uffd_msg message;

	if (read(fd, &message, sizeof(message)) != sizeof(message) ||
	    message.event != UFFD_EVENT_REMOVE)
		die("userfaultfd event");
}

static void *listen_until_cancelled(void *argument)
{
	struct listener *l = argument;
	struct epoll_event event = { .events = EPOLLIN };
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, l->fd, &event))
		die("epoll");
	for (;;) {
		if (epoll_wait(epoll, &event, 1, -1) != 1)
			die("epoll_wait");
		l->take(l->fd);
		l->seen_usec = now_usec();
		sem_post(&l->heard);
	}
	return NULL;
}

static void listener_start(struct listener *l, int fd, void (*take)(int fd))
{
	*l = (struct listener){ .fd = fd, .take = take };
	if (sem_init(&l->heard, 0, 0) ||
	    pthread_create(&l->thread, NULL, listen_until_cancelled, l))
		die("thread");
}

static char *memory(size_t length)
{
	char *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

static int watch_by_module(char *map, size_t length)
{
	struct rdmareg_watch_range watch = { .address = (uintptr_t)map, .length = length };
	int fd = open(RDMAREG_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0 || ioctl(fd, RDMAREG_WATCH_RANGE, &watch))
		die("the module");
	return fd;
}

static int watch_by_userfaultfd(char *map, size_t length)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_EVENT_REMOVE };
	struct uffdio_register reg = { .range = { (uintptr_t)map, length },
				       .mode = UFFDIO_REGISTER_MODE_WP };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api) || ioctl(fd, UFFDIO_REGISTER, &reg))
		die("userfaultfd");
	return fd;
}

static void once(struct listener *l, char *page, struct samples *latency, struct samples *held)
{
	double start, back;

	*(volatile char *)page = 1;
	start = now_usec();
	if (madvise(page, PAGE, MADV_DONTNEED))
		die("madvise");
	back = now_usec();
	while (sem_wait(&l->heard))
		;
	samples_add(latency, l->seen_usec - start);
	samples_add(held, back - start);
}

int main(int argc, char **argv)
{
	struct samples latency[2] = { 0 }, held[2] = { 0 }, p50 = { 0 }, p99 = { 0 }, stall = { 0 };
	const size_t length = 16 * PAGE;
	char *ours = memory(length), *theirs = memory(length);
	struct listener module, userfault;
	int rounds, events;

	bench_begin(argc, argv, "P4");
	rounds = bench_rounds(11);
	events = quick ? 50 : 100;
	listener_start(&module, watch_by_module(ours, length), take_report);
	listener_start(&userfault, watch_by_userfaultfd(theirs, length), take_message);
	for (int r = 0; r < rounds; r++) {
		for (int i = 0; i < events; i++) {
			size_t at = (size_t)i % 16 * PAGE;

			once(&module, ours + at, &latency[0], &held[0]);
			once(&userfault, theirs + at, &latency[1], &held[1]);
		}
		samples_add(&p50, samples_quantile(&latency[0], 0.5) /
					  samples_quantile(&latency[1], 0.5));
		samples_add(&p99, samples_quantile(&latency[0], 0.99) /
					  samples_quantile(&latency[1], 0.99));
		samples_add(&stall,
			    samples_quantile(&held[0], 0.5) / samples_quantile(&held[1], 0.5));
		for (int k = 0; k < 2; k++) {
			samples_clear(&latency[k]);
			samples_clear(&held[k]);
		}
	}
	row("one event", "median latency, module / userfaultfd", &p50, "ratio", "<= 1.1");
	row("one event", "p99 latency, module / userfaultfd", &p99, "ratio", NULL);
	row("one event", "how long the invalidating call takes, module / userfaultfd", &stall,
	    "ratio", NULL);
	return 0;
}
