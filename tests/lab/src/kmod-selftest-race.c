// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmod-selftest-race.c - layout watches when several parties meet: more watchers of one file, a
 * breaker of two files, a watcher that never tires of watching again, and everything at once.
 */
#include "kmod-selftest.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LONG_MS 15000u

static int do_truncate(void *argument)
{
	return truncate(((struct file *)argument)->path, 64 * PAGE);
}

/*
 * Two watchers of one file are both asked, and the breaker waits for both. No third one may come in
 * meanwhile.
 */
static void test_two_watchers(enum filesystem fs)
{
	struct device device;
	struct child child;
	struct file file;
	uint32_t a, b, c;
	uint64_t released;
	struct outcome outcome;

	device_open(&device);
	file_make(&file, fs);
	CHECK(!watch_layout(&device, file.fd, LONG_MS, 1, &a) &&
		      !watch_layout(&device, file.fd, LONG_MS, 2, &b),
	      "watch");
	child_start(&child, do_truncate, &file);
	wait_layout(&device, a, RDMAREG_LAYOUT_BREAKING);
	wait_layout(&device, b, RDMAREG_LAYOUT_BREAKING);
	CHECK(try_watch_layout(&device, file.fd, LONG_MS, 3, &c) == -EAGAIN,
	      "a third watch during the break");
	CHECK(!release(&device, a, 1), "release");
	CHECK(rearm(&device, a, LONG_MS) == -EAGAIN,
	      "re-armed while the breaker waits for the other");
	CHECK(child_running(&child), "did not wait for the second watcher");
	released = now_nsec();
	CHECK(!release(&device, b, 1), "release");
	outcome = child_wait(&child);
	CHECK(outcome.end_nsec > released && !outcome.result,
	      "did not wait for the second watcher");
	wait_unwound(&device, a);
	wait_unwound(&device, b);
	CHECK(!rearm(&device, a, LONG_MS) && !rearm(&device, b, LONG_MS), "rearm");
}

struct pair {
	struct file from, to;
};

/*
 * With a second thread nobody can tell for certain which of the two files loses blocks: both are
 * broken.
 */
static int do_clone(void *argument)
{
	struct pair *pair = argument;

	add_thread();
	return ioctl(pair->to.fd, FICLONE, pair->from.fd);
}

/*
 * A breaker that has got one file and waits for another is still under way: the first cannot be
 * armed under it.
 */
static void test_breaker_of_two_files(enum filesystem fs)
{
	struct rdmareg_report report;
	struct device device;
	struct child child;
	struct pair pair;
	uint32_t slots[2];

	device_open(&device);
	file_make(&pair.from, fs);
	file_make(&pair.to, fs);
	CHECK(!watch_layout(&device, pair.from.fd, LONG_MS, 0, &slots[0]), "watch");
	CHECK(!watch_layout(&device, pair.to.fd, LONG_MS, 1, &slots[1]), "watch");
	child_start(&child, do_clone, &pair);
	for (int i = 0; i < 2; i++) {
		CHECK(device_pending(&device, PATIENCE_MS), "no break");
		CHECK(!collect(&device, RDMAREG_SLOT_ANY, &report), "collect");
		CHECK(report.layout_state == RDMAREG_LAYOUT_BREAKING &&
			      report.operation == RDMAREG_OP_CLONE,
		      "report");
		CHECK(child_running(&child), "did not wait");
		CHECK(!release(&device, report.slot, report.break_id), "release");
		if (i == 0)
			CHECK(rearm(&device, report.slot, LONG_MS) == -EAGAIN,
			      "re-armed under the breaker");
	}
	child_wait(&child);
	wait_unwound(&device, slots[0]);
	wait_unwound(&device, slots[1]);
	CHECK(!rearm(&device, slots[0], LONG_MS) && !rearm(&device, slots[1], LONG_MS), "rearm");
}

struct tireless {
	struct device device;
	struct file file;
	volatile bool stop;
	unsigned int watches;
};

static void *watch_again_and_again(void *argument)
{
	struct tireless *tireless = argument;
	uint32_t slots[2];
	unsigned int i = 0;

	while (!tireless->stop) {
		if (try_watch_layout(&tireless->device, tireless->file.fd, 400, 0, &slots[i % 2]))
			continue;
		tireless->watches++;
		if (i++)
			unwatch(&tireless->device, slots[i % 2]);
	}
	return NULL;
}

/*
 * XFS looks for leases until it finds none. Whoever takes a new one each time the last was given
 * back could hold it for ever, did the module not let a system call through that has waited once.
 */
static void test_no_livelock(enum filesystem fs)
{
	struct tireless tireless = { .watches = 0 };
	struct outcome outcome;
	struct child child;
	pthread_t threads[2];

	device_open(&tireless.device);
	file_make(&tireless.file, fs);
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&threads[i], NULL, watch_again_and_again, &tireless),
		      "thread");
	for (int i = 0; i < 3; i++) {
		child_start(&child, do_truncate, &tireless.file);
		outcome = child_wait(&child);
		CHECK(!outcome.result, "truncate");
		CHECK(outcome.end_nsec - outcome.begin_nsec < 5000 * MS,
		      "waited %llu ms for watches of 400 ms",
		      (unsigned long long)((outcome.end_nsec - outcome.begin_nsec) / MS));
	}
	tireless.stop = true;
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	CHECK(tireless.watches, "never watched");
}

#define BREAKERS 2
#define WATCHERS 3
#define ROUNDS 100
#define ROUNDS_MAX 20 /* of the breakers, until something has happened */

struct melee {
	struct device device;
	struct file file;
	volatile bool stop;
	volatile unsigned long releases, rearms, closes;
};

static int break_often(void *argument)
{
	struct melee *melee = argument;
	unsigned int seed = (unsigned int)getpid();
	int fd;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		switch (rand_r(&seed) % 4) {
		case 0:
			TRY(ftruncate(melee->file.fd, rand_r(&seed) % FILE_BYTES));
			break;
		case 1:
			TRY(fallocate(melee->file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
				      PAGE));
			break;
		case 2:
			TRY(pwrite(melee->file.fd, "x", 1, rand_r(&seed) % FILE_BYTES));
			break;
		case 3:
			fd = TRY(open(melee->file.path, O_WRONLY | O_TRUNC | O_CLOEXEC));
			TRY(close(fd));
			break;
		}
	}
	return 0;
}

/*
 * Watches, releases, re-arms, unwatches and at times opens the device anew, in no order that makes
 * sense.
 */
static void *watch_wildly(void *argument)
{
	struct melee *melee = argument;
	unsigned int seed = (unsigned int)gettid();
	struct rdmareg_report report;
	struct device own;
	uint32_t slot;

	while (!melee->stop) {
		own.fd = TRY(open(RDMAREG_DEVICE, O_RDWR | O_CLOEXEC));
		for (int i = rand_r(&seed) % 50; i > 0 && !melee->stop; i--) {
			const struct device *device = rand_r(&seed) % 2 ? &own : &melee->device;

			switch (rand_r(&seed) % 6) {
			case 0:
			case 1:
				try_watch_layout(device, melee->file.fd,
						 1 + (uint32_t)rand_r(&seed) % 8, 0, &slot);
				break;
			case 2:
				unwatch(device, (uint32_t)rand_r(&seed) % 8);
				break;
			case 3:
				if (!rearm(device, (uint32_t)rand_r(&seed) % 8,
					   1 + (uint32_t)rand_r(&seed) % 8))
					melee->rearms++;
				break;
			default:
				if (device_pending(device, 1) &&
				    !collect(device, RDMAREG_SLOT_ANY, &report) &&
				    !release(device, report.slot, report.break_id))
					melee->releases++;
			}
		}
		close(own.fd);
		melee->closes++;
	}
	return NULL;
}

static void test_melee(enum filesystem fs)
{
	struct melee melee = { .stop = false };
	pthread_t threads[WATCHERS];
	struct child child[BREAKERS];

	device_open(&melee.device);
	file_make(&melee.file, fs);
	for (int i = 0; i < WATCHERS; i++)
		CHECK(!pthread_create(&threads[i], NULL, watch_wildly, &melee), "thread");
	/* how much of what happened is chance; on a machine that has little time, once more */
	for (int round = 0; round < ROUNDS_MAX && !(melee.releases && melee.closes); round++) {
		for (int i = 0; i < BREAKERS; i++)
			child_start(&child[i], break_often, &melee);
		for (int i = 0; i < BREAKERS; i++)
			child_wait(&child[i]);
	}
	melee.stop = true;
	for (int i = 0; i < WATCHERS; i++)
		pthread_join(threads[i], NULL);
	/* a melee without any of it has tested nothing */
	CHECK(melee.releases && melee.closes, "%lu releases, %lu re-arms, %lu closes",
	      melee.releases, melee.rearms, melee.closes);
}

const struct test race_tests[] = {
	{ "race-two-watchers", test_two_watchers, ON_XFS },
	{ "race-breaker-of-two-files", test_breaker_of_two_files, ON_XFS },
	{ "race-no-livelock", test_no_livelock, ON_XFS },
	{ "race-melee", test_melee, ON_XFS },
	{ 0 },
};
