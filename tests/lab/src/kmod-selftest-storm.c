// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmod-selftest-storm.c - more invalidations than anybody can read, and owners that are killed in
 * the middle of whatever they do. Nothing may be lost in the first, nothing may be left over after
 * the second.
 */
#include "kmod-selftest.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4u
#define PAGES 64u
/* Of each thread. What a file system does for each takes up to a hundred times as long. */
#define EVENTS 5000u
#define FILE_EVENTS 500u
/* Operations from one round of the reader to the next: more than there are watches to report them. */
#define STORM (2 * (PAGES + 1))

enum cause { CLEAR, PROTECT, _CAUSE_MAX };

static const uint32_t cause_bits[_CAUSE_MAX] = { RDMAREG_CAUSE_CLEAR, RDMAREG_CAUSE_PROTECT };

/*
 * What the threads did to one page and what reports said about it.
 *
 * @done: round in which the last such operation began that is over.
 * @seen: round in which the last report came that covers the page and has that cause.
 * @events: operations that are over; @reported: events in the reports of the page's own watch.
 */
struct page {
	uint32_t slot;
	uint32_t done[_CAUSE_MAX];
	uint32_t seen_alone[_CAUSE_MAX];
	uint32_t seen_in_all[_CAUSE_MAX];
	uint64_t events;
	uint64_t reported;
};

/* A storm over a range with a watch over all of it and one for each page. */
struct storm {
	struct device device;
	char *map;
	int fd; /* -1: no file */
	unsigned int per_thread;
	uint32_t all;
	struct page pages[PAGES];
	uint32_t round;
	unsigned int next;
	unsigned int operations; /* that are over */
	unsigned int finished;
	uint64_t reports;
};

static void punch_or_discard(const struct storm *storm, char *address, size_t length,
			     unsigned int i)
{
	if (storm->fd < 0 || i % 2)
		TRY(madvise(address, length, MADV_DONTNEED));
	else
		TRY(fallocate(storm->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      address - storm->map, (off_t)length));
}

/* @cause has happened to these pages, @events times; it began in @round. */
static void over(struct page *pages, unsigned int count, enum cause cause, unsigned int events,
		 uint32_t round)
{
	for (unsigned int i = 0; i < count; i++) {
		pages[i].events += events;
		__atomic_store_n(&pages[i].done[cause], round, __ATOMIC_RELEASE);
	}
}

/*
 * Each page belongs to one thread. It is written before each operation, so that there is something
 * to lose. At times one operation takes all pages of the thread, and the kernel calls many watches
 * in a row.
 */
static void *storm_thread(void *argument)
{
	struct storm *storm = argument;
	unsigned int own = PAGES / THREADS,
		     first = __atomic_fetch_add(&storm->next, own, __ATOMIC_RELAXED);

	for (unsigned int i = 0; i < storm->per_thread; i++) {
		unsigned int number = first + i % own;
		char *address = storm->map + number * PAGE;
		uint32_t round = __atomic_load_n(&storm->round, __ATOMIC_ACQUIRE);

		*(volatile char *)address = (char)i;
		if (i % 8 == 7) {
			TRY(mprotect(address, PAGE, PROT_READ));
			TRY(mprotect(address, PAGE, PROT_READ | PROT_WRITE));
			over(&storm->pages[number], 1, PROTECT, 2, round);
		} else if (i % 8 > 4) {
			punch_or_discard(storm, storm->map + first * PAGE, own * PAGE, i);
			over(&storm->pages[first], own, CLEAR, 1, round);
		} else {
			punch_or_discard(storm, address, PAGE, i);
			over(&storm->pages[number], 1, CLEAR, 1, round);
		}
		__atomic_fetch_add(&storm->operations, 1, __ATOMIC_RELEASE);
	}
	__atomic_fetch_add(&storm->finished, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void note(struct storm *storm, const struct rdmareg_report *report)
{
	struct page *page;

	storm->reports++;
	CHECK(report->start < report->end && report->end <= PAGES * PAGE, "%llu to %llu",
	      report->start, report->end);
	for (unsigned int cause = 0; cause < _CAUSE_MAX; cause++) {
		if (!(report->causes & cause_bits[cause]))
			continue;
		if (report->slot != storm->all) {
			storm->pages[report->cookie].seen_alone[cause] = storm->round;
			continue;
		}
		for (uint64_t i = report->start / PAGE; i < report->end / PAGE; i++)
			storm->pages[i].seen_in_all[cause] = storm->round;
	}
	if (report->slot != storm->all) {
		page = &storm->pages[report->cookie];
		page->reported +=
			report->clear_count + report->writeback_count + report->other_count;
	}
}

/*
 * One round of the slow reader: what was over before it began to collect must be in what has been
 * collected since it began. Returns how many pages it missed.
 */
static unsigned int storm_round(struct storm *storm)
{
	struct rdmareg_report report;
	uint32_t done[PAGES][_CAUSE_MAX];
	unsigned int lost = 0;
	int r;

	for (unsigned int i = 0; i < PAGES; i++)
		for (unsigned int cause = 0; cause < _CAUSE_MAX; cause++)
			done[i][cause] =
				__atomic_load_n(&storm->pages[i].done[cause], __ATOMIC_ACQUIRE);
	/* no more than there are watches: the storm makes new ones pending all the time */
	for (unsigned int i = 0; i <= PAGES; i++) {
		r = collect(&storm->device, RDMAREG_SLOT_ANY, &report);
		if (r == -EAGAIN)
			break;
		CHECK(!r, "COLLECT: %s", strerror(-r));
		note(storm, &report);
	}
	for (unsigned int i = 0; i < PAGES; i++)
		for (unsigned int cause = 0; cause < _CAUSE_MAX; cause++)
			lost += (storm->pages[i].seen_alone[cause] < done[i][cause]) +
				(storm->pages[i].seen_in_all[cause] < done[i][cause]);
	return lost;
}

static void storm_make(struct storm *storm, enum filesystem fs)
{
	struct file file = { .fd = -1 };
	int r;

	device_open(&storm->device);
	if (fs == NO_FILESYSTEM) {
		storm->map = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		CHECK(storm->map != MAP_FAILED, "mmap");
	} else {
		file_make(&file, fs);
		storm->map = file_map(&file);
	}
	storm->fd = file.fd;
	storm->per_thread = repeat * (fs == NO_FILESYSTEM ? EVENTS : FILE_EVENTS);
	r = watch_range(&storm->device, storm->map, PAGES * PAGE, 0, &storm->all);
	for (unsigned int i = 0; !r && i < PAGES; i++)
		r = watch_range(&storm->device, storm->map + i * PAGE, PAGE, i,
				&storm->pages[i].slot);
	CHECK(!r, "watch: %s", strerror(-r));
}

static uint64_t count_events(const struct device *device, uint32_t slot)
{
	struct rdmareg_counters counters = { .slot = slot };
	uint64_t events = 0;

	CHECK(!device_ioctl(device, RDMAREG_COUNTERS, &counters), "COUNTERS: %s", strerror(errno));
	for (unsigned int bit = 0; bit < (unsigned int)__builtin_ctz(RDMAREG_CAUSE_RECLAIM); bit++)
		events += counters.causes[bit];
	return events;
}

/*
 * However the reader and the events interleave: each operation is in a report that came after it
 * began, both of the watch over everything and of the page's own, and the counts of the reports are
 * those of RDMAREG_COUNTERS.
 */
static void test_storm(enum filesystem fs)
{
	static struct storm storm;
	pthread_t threads[THREADS];
	uint64_t begin, reported = 0, counted = 0, all;
	unsigned int lost = 0;
	double seconds;

	storm_make(&storm, fs);
	storm.round = 1;
	begin = now_nsec();
	for (unsigned int i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, storm_thread, &storm), "thread");
	for (unsigned int due = STORM; __atomic_load_n(&storm.finished, __ATOMIC_ACQUIRE) < THREADS;
	     due += STORM) {
		while (__atomic_load_n(&storm.operations, __ATOMIC_ACQUIRE) < due &&
		       __atomic_load_n(&storm.finished, __ATOMIC_ACQUIRE) < THREADS)
			poll(NULL, 0, 20);
		__atomic_fetch_add(&storm.round, 1, __ATOMIC_RELEASE);
		lost += storm_round(&storm);
	}
	seconds = (double)(now_nsec() - begin) / 1e9;
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	storm.round++;
	lost += storm_round(&storm);
	CHECK(!device_pending(&storm.device, 0), "more is pending than there are watches");

	for (unsigned int i = 0; i < PAGES; i++) {
		counted += count_events(&storm.device, storm.pages[i].slot);
		CHECK(storm.pages[i].reported >= storm.pages[i].events,
		      "page %u: %llu events, %llu reported", i,
		      (unsigned long long)storm.pages[i].events,
		      (unsigned long long)storm.pages[i].reported);
		reported += storm.pages[i].reported;
	}
	all = count_events(&storm.device, storm.all);
	printf("# storm/%s: %llu invalidations seen by watches (%.0f a second) in %llu reports; lost %u\n",
	       filesystem_names[fs], (unsigned long long)(counted + all),
	       (double)(counted + all) / seconds, (unsigned long long)storm.reports, lost);
	fflush(stdout);
	CHECK(!lost, "%u operations are in no report", lost);
	CHECK(counted == reported, "%llu events counted, %llu in reports",
	      (unsigned long long)counted, (unsigned long long)reported);
	CHECK(storm.reports < reported, "nothing has folded: this was no storm");
}

#define VICTIMS 100
#define VICTIM_THREADS 3

struct victim {
	struct file *file;
	struct device device;
	char *map;
	unsigned int steps; /* until it dies */
};

static void one_request(struct victim *victim, unsigned int *seed)
{
	const struct device *device = &victim->device;
	uint32_t slot = (uint32_t)rand_r(seed) % 8;
	struct rdmareg_counters counters = { .slot = slot };
	struct rdmareg_report report;
	struct device other;

	switch (rand_r(seed) % 10) {
	case 0:
		watch_range(device, victim->map, 64 * PAGE, 0, &slot);
		break;
	case 1:
	case 2:
		try_watch_layout(device, victim->file->fd, 1 + (uint32_t)rand_r(seed) % 500, 0,
				 &slot);
		break;
	case 3:
		unwatch(device, slot);
		break;
	case 4:
		rearm(device, slot, 1 + (uint32_t)rand_r(seed) % 500);
		break;
	case 5:
		device_ioctl(device, RDMAREG_COUNTERS, &counters);
		break;
	case 6:
		madvise(victim->map, 64 * PAGE, MADV_DONTNEED);
		break;
	case 7:
		other.fd = open(RDMAREG_DEVICE, O_RDWR | O_CLOEXEC);
		if (other.fd < 0)
			break;
		try_watch_layout(&other, victim->file->fd, 300, 0, &slot);
		close(other.fd);
		break;
	default:
		if (!collect(device, RDMAREG_SLOT_ANY, &report) &&
		    report.kind == RDMAREG_KIND_LAYOUT)
			release(device, report.slot, report.break_id);
	}
}

static void *live_dangerously(void *argument)
{
	struct victim *victim = argument;
	unsigned int seed = (unsigned int)gettid();

	while (__atomic_sub_fetch(&victim->steps, 1, __ATOMIC_RELAXED) > 0)
		one_request(victim, &seed);
	kill(getpid(), SIGKILL); /* the others are in the middle of a request */
	return NULL;
}

/*
 * One that makes requests in several threads until it is killed; at times a child of it has the
 * device open too.
 */
static void be_victim(struct file *file, unsigned int number)
{
	struct victim victim = { .file = file, .steps = 20 + number * 37 % 400 };
	pthread_t thread;

	device_open(&victim.device);
	victim.map =
		mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(victim.map != MAP_FAILED, "mmap");
	if (number % 4 == 0 && !fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		poll(NULL, 0, PATIENCE_MS);
		_exit(0);
	}
	for (unsigned int i = 0; i < VICTIM_THREADS; i++)
		CHECK(!pthread_create(&thread, NULL, live_dangerously, &victim), "thread");
	for (;;)
		pause();
}

struct breaker {
	struct file file;
	volatile bool *stop;
};

static int break_until_stopped(void *argument)
{
	struct breaker *breaker = argument;
	int count = 0;

	while (!*breaker->stop) {
		TRY(ftruncate(breaker->file.fd, count % 2 ? FILE_BYTES : 0));
		TRY(fallocate(breaker->file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			      PAGE));
		count++;
	}
	return count;
}

static bool nothing_is_left(void *argument)
{
	(void)argument;
	return !users() && !total("openers") && !total("ranges") && !total("layouts");
}

static bool layout_leases_exist(void)
{
	char line[300];
	bool found = false;
	FILE *locks = fopen("/proc/locks", "re");

	CHECK(locks, "/proc/locks: %s", strerror(errno));
	while (!found && fgets(line, sizeof(line), locks))
		found = strstr(line, "LAYOUT");
	fclose(locks);
	return found;
}

/* Owner after owner is killed while the file is being broken all the time. */
static void test_kills(enum filesystem fs)
{
	struct breaker breaker;
	uint64_t breaks;
	struct child child;
	int status;
	pid_t pid;

	wait_until(nothing_is_left, NULL, "nobody uses the module");
	breaks = total("breaks");
	file_make(&breaker.file, fs);
	breaker.stop = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(breaker.stop != MAP_FAILED, "mmap");
	child_start(&child, break_until_stopped, &breaker);
	for (unsigned int i = 0; i < repeat * VICTIMS; i++) {
		pid = TRY(fork());
		if (!pid)
			be_victim(&breaker.file, i);
		TRY(waitpid(pid, &status, 0));
		CHECK(WIFSIGNALED(status), "victim %u was not killed: %#x", i, status);
	}
	*breaker.stop = true;
	CHECK(child_wait(&child).result > 0, "the breaker has not broken anything");
	wait_until(nothing_is_left, NULL, "nothing is left of those who were killed");
	CHECK(!layout_leases_exist(), "a lease is left");
	breaks = total("breaks") - breaks;
	CHECK(breaks, "nothing was broken: this has tested nothing");
	printf("# kills/%s: %u owners killed, %llu breaks\n", filesystem_names[fs],
	       repeat * VICTIMS, (unsigned long long)breaks);
	fflush(stdout);
}

const struct test storm_tests[] = {
	{ "storm", test_storm, ON(NO_FILESYSTEM) | ON(TMPFS) | ON_XFS },
	{ "kills", test_kills, ON_XFS },
	{ 0 },
};
