// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmod-selftest-waits.c - how long somebody waits in all: for a deadline, in a crowd, with a signal
 * on its way, and for other files' sake. What always holds: the waiters are other processes, and
 * nobody ever gives back unless the test says so.
 */
#include "kmod-selftest.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_MS 15000u
#define MANY 8u
#define LATE 5u

static int do_truncate(void *argument)
{
	return truncate(((struct file *)argument)->path, 64 * PAGE);
}

/*
 * --- the deadline beside a timer of the same length, which shows how late this machine is by
 * itself
 */

#define DEADLINE_MS 2100u /* a timer of the wheel would be up to 256 ms late */

struct late {
	struct file file, other;
	bool by_timer;
	int64_t late_nsec;
};

static int wait_deadline(void *argument)
{
	struct late *late = argument;
	struct itimerspec length = { .it_value = { DEADLINE_MS / 1000,
						   (DEADLINE_MS % 1000) * 1000000 } };
	uint64_t times;
	int timer;
	uint64_t began = now_nsec(), alone = 0;

	if (late->by_timer) {
		timer = TRY(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
		TRY(timerfd_settime(timer, 0, &length, NULL));
		TRY(read(timer, &times, sizeof(times)));
	} else {
		TRY(do_truncate(&late->other)); /* what it takes without a watch */
		alone = now_nsec() - began;
		began = now_nsec();
		TRY(do_truncate(&late->file));
	}
	late->late_nsec =
		(int64_t)(now_nsec() - began - alone) - (int64_t)DEADLINE_MS * (int64_t)MS;
	return 0;
}

static int by_lateness(const void *a, const void *b)
{
	int64_t x = ((const struct late *)a)->late_nsec, y = ((const struct late *)b)->late_nsec;

	return x < y ? -1 : x > y;
}

static void test_deadline_precise(enum filesystem fs)
{
	struct late *late = mmap(NULL, 2 * LATE * sizeof(*late), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct child child[2 * LATE];
	struct device device;
	uint32_t slot;

	CHECK(late != MAP_FAILED, "mmap");
	device_open(&device);
	for (unsigned int i = 0; i < 2 * LATE; i++) {
		late[i].by_timer = i >= LATE;
		if (late[i].by_timer)
			continue;
		file_make(&late[i].file, fs);
		file_make(&late[i].other, fs);
		CHECK(!watch_layout(&device, late[i].file.fd, DEADLINE_MS, i, &slot), "watch %u",
		      i);
	}
	for (unsigned int i = 0; i < LATE; i++) { /* at different moments of the wheel's turn */
		child_start(&child[i], wait_deadline, &late[i]);
		child_start(&child[LATE + i], wait_deadline, &late[LATE + i]);
		poll(NULL, 0, 53);
	}
	for (unsigned int i = 0; i < 2 * LATE; i++)
		child_wait(&child[i]);
	qsort(late, LATE, sizeof(*late), by_lateness);
	qsort(late + LATE, LATE, sizeof(*late), by_lateness);
	/* the median: one that was not scheduled says nothing */
	CHECK(late[LATE / 2].late_nsec < late[LATE + LATE / 2].late_nsec + 100 * (int64_t)MS,
	      "late by %lld ms where a timer is late by %lld ms",
	      (long long)(late[LATE / 2].late_nsec / (int64_t)MS),
	      (long long)(late[LATE + LATE / 2].late_nsec / (int64_t)MS));
}

/* --- a crowd: each of them takes, and the watch is armed again as soon as that is possible */

#define CROWD_MS 2000u

static int crowd_member(void *argument)
{
	const struct file *file = argument;
	int fd = TRY(open(file->path, O_RDWR | O_CLOEXEC));

	TRY(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
	return 0;
}

/* For ever: whoever needs this process kills it. */
static int watch_again_and_again(void *argument)
{
	const struct file *file = argument;
	struct rdmareg_report report;
	struct device device;
	uint32_t slot;

	device_open(&device);
	CHECK(!watch_layout(&device, file->fd, CROWD_MS, 0, &slot), "watch");
	for (;;) {
		device_pending(&device, 5);
		collect(&device, slot, &report);
		rearm(&device, slot, CROWD_MS);
	}
}

static bool is_watched(void *argument)
{
	(void)argument;
	return total("layouts") > 0;
}

static void test_crowd(enum filesystem fs)
{
	struct child watcher, member[MANY];
	struct outcome outcome;
	struct file file;
	uint64_t longest = 0;

	file_make(&file, fs);
	child_start(&watcher, watch_again_and_again, &file);
	wait_until(is_watched, NULL, "the file is watched");
	for (unsigned int i = 0; i < MANY; i++)
		child_start(&member[i], crowd_member, &file);
	for (unsigned int i = 0; i < MANY; i++) {
		outcome = child_wait(&member[i]);
		CHECK(!outcome.result, "fallocate");
		if (outcome.end_nsec - outcome.begin_nsec > longest)
			longest = outcome.end_nsec - outcome.begin_nsec;
	}
	kill(watcher.pid, SIGKILL);
	CHECK(longest >= CROWD_MS * MS / 2, "nobody waited");
	/*
	 * twice the deadline, and what this machine needs for the rest; one after the other it
	 * would be eight times
	 */
	CHECK(longest < 4 * CROWD_MS * MS, "somebody waited for %llu ms, the deadline is %u",
	      (unsigned long long)(longest / MS), CROWD_MS);
}

/*
 * A crowd that is larger than the module has tokens for, and several watches of the file, as
 * several tenants have: one crowd, however many watches it broke.
 */

#define WATCHES 4u
#define CROWD 12u

/* Those who wait for a lease stand below it, each with an arrow. */
static unsigned int count_waiters(void)
{
	unsigned int waiters = 0;
	char line[300];
	FILE *locks = fopen("/proc/locks", "re");

	CHECK(locks, "/proc/locks: %s", strerror(errno));
	while (fgets(line, sizeof(line), locks))
		waiters += strstr(line, "->") != NULL;
	fclose(locks);
	return waiters;
}

static bool all_wait(void *argument)
{
	return count_waiters() == *(const unsigned int *)argument;
}

static void test_large_crowd(enum filesystem fs)
{
	unsigned int crowd = CROWD;
	struct rdmareg_report report;
	struct child member[CROWD];
	struct device device;
	struct file file;
	uint32_t slot[WATCHES];
	uint64_t left_ms;

	device_open(&device);
	file_make(&file, fs);
	for (unsigned int i = 0; i < WATCHES; i++)
		CHECK(!watch_layout(&device, file.fd, LONG_MS, i, &slot[i]), "watch %u", i);
	for (unsigned int i = 0; i < CROWD; i++)
		child_start(&member[i], crowd_member, &file);
	for (unsigned int i = 0; i < WATCHES; i++) {
		wait_layout(&device, slot[i], RDMAREG_LAYOUT_BREAKING);
		wait_until(all_wait, &crowd, "all wait for the same lease");
		CHECK(!release(&device, slot[i], 1), "release %u", i);
	}
	for (unsigned int i = 0; i < CROWD; i++)
		child_wait(&member[i]);
	for (unsigned int i = 0; i < WATCHES; i++) {
		wait_unwound(&device, slot[i]);
		CHECK(!rearm(&device, slot[i], LONG_MS), "rearm %u", i);
	}
	child_start(&member[0], crowd_member, &file);
	report = wait_layout(&device, slot[0], RDMAREG_LAYOUT_BREAKING);
	left_ms = (report.deadline_nsec - now_nsec()) / MS;
	CHECK(left_ms <= LONG_MS / 2, "the crowd is forgotten: %llu ms",
	      (unsigned long long)left_ms);
	CHECK(left_ms > LONG_MS / 4, "%llu ms are left of half of %u", (unsigned long long)left_ms,
	      LONG_MS);
	for (unsigned int i = 0; i < WATCHES; i++)
		CHECK(!release(&device, slot[i], 2), "release %u", i);
	child_wait(&member[0]);
}

/*
 * --- somebody who waited as the second, and whose system call lasts: who waited once does not wait
 * again
 */

struct long_call {
	struct file *file;
	int go_on[2]; /* a pipe */
	struct file_dedupe_range *range;
	int faults;
};

static void protect_range(int faults, void *page, bool on)
{
	struct uffdio_writeprotect protect = { .range = { .start = (uintptr_t)page, .len = PAGE },
					       .mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0 };

	TRY(ioctl(faults, UFFDIO_WRITEPROTECT, &protect));
}

static void *let_go_on(void *argument)
{
	struct long_call *call = argument;
	char word;

	TRY(read(call->go_on[0], &word, 1));
	protect_range(call->faults, call->range, false);
	return NULL;
}

/*
 * Its last act in the kernel is to write its result, where it has to wait until somebody says a
 * word.
 */
static int deduplicate(void *argument)
{
	struct long_call *call = argument;
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP };
	struct uffdio_register all = { .mode = UFFDIO_REGISTER_MODE_WP };
	char path[300];
	pthread_t thread;
	int source;

	snprintf(path, sizeof(path), "%s.other", call->file->path);
	source = TRY(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	unlink(path);
	TRY(ftruncate(source, FILE_BYTES));
	call->range = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(call->range != MAP_FAILED, "mmap");
	call->range->src_length = PAGE;
	call->range->dest_count = 1;
	call->range->info[0].dest_fd = TRY(open(call->file->path, O_RDWR | O_CLOEXEC));
	call->faults = (int)TRY(syscall(SYS_userfaultfd, O_CLOEXEC));
	TRY(ioctl(call->faults, UFFDIO_API, &api));
	all.range.start = (uintptr_t)call->range;
	all.range.len = PAGE;
	TRY(ioctl(call->faults, UFFDIO_REGISTER, &all));
	protect_range(call->faults, call->range, true);
	CHECK(!pthread_create(&thread, NULL, let_go_on, call), "no thread");
	TRY(ioctl(source, FIDEDUPERANGE, call->range));
	return 0;
}

static void test_long_call(enum filesystem fs)
{
	struct file file, other;
	struct long_call call = { .file = &file };
	struct child first, second, third;
	struct device device;
	uint32_t slot, other_slot;
	unsigned int two = 2;

	device_open(&device);
	file_make(&file, fs);
	file_make(&other, fs);
	TRY(pipe(call.go_on));
	CHECK(!watch_layout(&device, file.fd, LONG_MS, 0, &slot), "watch");
	CHECK(!watch_layout(&device, other.fd, LONG_MS, 0, &other_slot), "watch");
	child_start(&first, do_truncate, &file);
	wait_layout(&device, slot, RDMAREG_LAYOUT_BREAKING);
	child_start(&second, deduplicate, &call);
	wait_until(all_wait, &two, "both wait");
	CHECK(!release(&device, slot, 1), "release");
	child_wait(&first);

	/* the pause after a break that is over later is over, too */
	child_start(&third, do_truncate, &other);
	wait_layout(&device, other_slot, RDMAREG_LAYOUT_BREAKING);
	CHECK(!release(&device, other_slot, 1), "release");
	child_wait(&third);
	wait_unwound(&device, other_slot);
	CHECK(child_running(&second), "it is over: this tests nothing");
	CHECK(rearm(&device, slot, LONG_MS) == -EAGAIN,
	      "armed while somebody who has waited is at work");
	CHECK(try_watch_layout(&device, file.fd, LONG_MS, 0, &other_slot) == -EAGAIN,
	      "watched by another");

	TRY(write(call.go_on[1], "", 1));
	child_wait(&second);
	wait_unwound(&device, slot);
	CHECK(!rearm(&device, slot, LONG_MS), "rearm");
}

/*
 * --- somebody else's lease, ahead of ours and being broken: older kernels wait for the first of
 * the list, whoever's it is
 */

#define LEASE_BREAK_SEC 3u
#define SLACK_MS 5000u

static unsigned int set_lease_break_time(unsigned int seconds)
{
	const char *path = "/proc/sys/fs/lease-break-time";
	FILE *file = fopen(path, "r+e");
	unsigned int before;

	CHECK(file && fscanf(file, "%u", &before) == 1, "%s: %s", path, strerror(errno));
	rewind(file);
	CHECK(fprintf(file, "%u\n", seconds) > 0 && !fclose(file), "%s: %s", path, strerror(errno));
	return before;
}

static int deduplicate_out_of(void *argument)
{
	const struct file *file = argument;
	struct file_dedupe_range *range = calloc(1, sizeof(*range) + sizeof(range->info[0]));
	char path[300];

	snprintf(path, sizeof(path), "%s.other", file->path);
	CHECK(range, "no memory");
	range->src_length = PAGE;
	range->dest_count = 1;
	range->info[0].dest_fd = TRY(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	unlink(path);
	TRY(ftruncate((int)range->info[0].dest_fd, FILE_BYTES));
	TRY(ioctl(file->fd, FIDEDUPERANGE, range));
	return 0;
}

static void test_lease_ahead(enum filesystem fs)
{
	unsigned int before = set_lease_break_time(LEASE_BREAK_SEC);
	struct device device;
	struct outcome outcome;
	struct child child;
	struct file file;
	uint64_t released;
	uint32_t slot;

	device_open(&device);
	file_make(&file, fs);
	close(file.fd);
	file.fd = TRY(open(file.path, O_RDONLY | O_CLOEXEC));
	signal(SIGIO, SIG_IGN);
	TRY(fcntl(file.fd, F_SETLEASE, F_RDLCK));
	CHECK(!watch_layout(&device, file.fd, LONG_MS, 0, &slot), "watch");
	CHECK(open(file.path, O_WRONLY | O_NONBLOCK | O_CLOEXEC) < 0 && errno == EWOULDBLOCK,
	      "no lease");
	set_lease_break_time(before);
	child_start(&child, deduplicate_out_of, &file);
	wait_layout(&device, slot, RDMAREG_LAYOUT_BREAKING);
	CHECK(child_running(&child), "did not wait");
	released = now_nsec();
	CHECK(!release(&device, slot, 1), "release");
	outcome = child_wait(&child);
	CHECK(outcome.end_nsec < released + (LEASE_BREAK_SEC * 1000 + SLACK_MS) * MS,
	      "waits for %llu ms for somebody else's lease",
	      (unsigned long long)((outcome.end_nsec - released) / MS));
}

/* --- somebody who is killed while it waits */

static int64_t system_ticks(pid_t pid, char *ret_state)
{
	long user, system;
	char path[64], line[1024];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	CHECK(file && fgets(line, sizeof(line), file), "%s: %s", path, strerror(errno));
	fclose(file);
	CHECK(sscanf(strrchr(line, ')') + 2, "%c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld",
		     ret_state, &user, &system) == 3,
	      "%s", line);
	return system;
}

/*
 * Which of the two the kernel has: whoever is killed waits on and the module is told (false), or
 * the wait ends with the signal (docs/upstream/layout-breaks.md, 0001), and the module is told
 * nothing.
 */
static bool ends_before_told(const struct device *device, const struct child *child)
{
	uint64_t until = now_nsec() + PATIENCE_MS * MS;

	while (now_nsec() < until) {
		if (TRY(waitpid(child->pid, NULL, WNOHANG)) == child->pid)
			return true;
		if (device_pending(device, 10))
			return false;
	}
	CHECK(false, "nobody is told");
	return false;
}

static void test_killed_breaker(enum filesystem fs)
{
	struct rdmareg_counters counters = { 0 };
	struct rdmareg_report report;
	struct device device;
	struct child child;
	struct file file;
	uint32_t slot;
	bool ended;
	char state;

	device_open(&device);
	file_make(&file, fs);
	CHECK(!watch_layout(&device, file.fd, LONG_MS, 0, &slot), "watch");
	child_start(&child, do_truncate, &file);
	report = wait_layout(&device, slot, RDMAREG_LAYOUT_BREAKING);
	CHECK(!(report.flags & RDMAREG_FLAG_KILLED), "killed already");
	TRY(kill(child.pid, SIGKILL));
	ended = ends_before_told(&device, &child);
	if (!ended) {
		CHECK(!collect(&device, slot, &report), "collect");
		CHECK(report.flags & RDMAREG_FLAG_KILLED &&
			      report.layout_state == RDMAREG_LAYOUT_BREAKING,
		      "flags %#x", report.flags);
		CHECK(collect(&device, slot, &report) == -EAGAIN, "told twice");
		/* the kernel's doing, see docs/kernel-module.md: it ends with the wait */
		system_ticks(child.pid, &state);
		CHECK(strchr("RSD", state), "state %c", state);
	}
	CHECK(!release(&device, slot, report.break_id), "release");
	if (!ended)
		TRY(waitpid(child.pid, NULL, 0));
	counters.slot = slot;
	CHECK(!device_ioctl(&device, RDMAREG_COUNTERS, &counters) && counters.kills == !ended,
	      "kills: %llu", counters.kills);
}

/* --- others' files: what happens to them is no reason to wait */

#define OTHERS 64u

static void test_others_breaks(enum filesystem fs)
{
	struct file others[OTHERS], fresh[OTHERS];
	struct child child[OTHERS];
	struct rdmareg_report report;
	struct device device;
	uint32_t slot;

	device_open(&device);
	for (unsigned int i = 0; i < OTHERS; i++) {
		file_make(&others[i], fs);
		file_make(&fresh[i], fs);
		CHECK(!watch_layout(&device, others[i].fd, LONG_MS, i, &slot) && slot == i,
		      "watch %u", i);
	}
	for (unsigned int i = 0; i < OTHERS; i++)
		child_start(&child[i], do_truncate, &others[i]);
	for (unsigned int i = 0; i < OTHERS; i++)
		wait_layout(&device, i, RDMAREG_LAYOUT_BREAKING);
	for (unsigned int i = 0; i < OTHERS; i++)
		CHECK(!release(&device, i, 1), "release %u", i);
	for (unsigned int i = 0; i < OTHERS; i++)
		CHECK(try_watch_layout(&device, fresh[i].fd, LONG_MS, 0, &slot) == 0,
		      "file %u has to wait for a break of another", i);
	for (unsigned int i = 0; i < OTHERS; i++)
		child_wait(&child[i]);
	CHECK(collect(&device, slot, &report) == -EAGAIN, "the breaks of others are told");
}

/* --- many watches: the last costs what the first did */

static uint64_t time_watches(const struct device *device, const char *map, uint32_t first,
			     uint32_t count)
{
	uint64_t began = now_nsec();
	uint32_t slot;

	for (uint32_t i = first; i < first + count; i++)
		CHECK(!watch_range(device, map + (size_t)i * PAGE, PAGE, i, &slot), "watch %u", i);
	return now_nsec() - began;
}

static void test_many_ranges(enum filesystem fs)
{
	struct device device;
	uint64_t first, last;
	uint32_t all, part;
	char *map;

	(void)fs;
	device_open(&device);
	all = device.query.max_watches;
	part = all / 8;
	if (part < 1000)
		skip("max_watches is too low");
	map = mmap(NULL, (size_t)all * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		   -1, 0);
	CHECK(map != MAP_FAILED, "mmap");
	first = time_watches(&device, map, 0, part);
	time_watches(&device, map, part, 6 * part);
	last = time_watches(&device, map, 7 * part, part);
	CHECK(last < 4 * first, "the first %u take %llu us, the last %llu", part,
	      (unsigned long long)first / 1000, (unsigned long long)last / 1000);
}

const struct test wait_tests[] = {
	{ "waits-deadline", test_deadline_precise, ON(XFS) },
	{ "waits-crowd", test_crowd, ON(XFS) },
	{ "waits-large-crowd", test_large_crowd, ON(XFS) },
	{ "waits-long-call", test_long_call, ON(XFS) },
	{ "waits-lease-ahead", test_lease_ahead, ON(XFS) },
	{ "waits-killed-breaker", test_killed_breaker, ON_XFS },
	{ "waits-others-breaks", test_others_breaks, ON(XFS) },
	{ "waits-many-ranges", test_many_ranges, 0 },
	{ 0 },
};
