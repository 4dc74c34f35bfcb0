// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmod-selftest.c - exercises /dev/rdmareg alone, without any RDMA.
 *
 *   kmod-selftest [--ext4 DIR] [--xfs DIR] [--xfsdax DIR] [--tmpfs DIR] [--only WORD] [--times N]
 *
 * --times: storms and kills are N times as long, and every test has N times the time.
 *
 * Prints one line for each test and filesystem: "ok NAME", "not ok NAME: why" or "skip NAME: why".
 * Exits 0 when none failed, 1 when one did, 77 when there is no device. Needs root, since the
 * device is root's until udev says otherwise.
 *
 * This file runs the tests and has what they share; the tests are in
 * kmod-selftest-{device,range,layout,takers,waits,race,counters,pace,storm,memory}.c.
 */
#include "kmod-selftest.h"

#include <fcntl.h>
#include <getopt.h>
#include <glob.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TEST_LIMIT_MS 180000

const char *directories[_FILESYSTEM_MAX];
unsigned int repeat = 1;
const char *const filesystem_names[_FILESYSTEM_MAX] = { "", "ext4", "xfs", "xfsdax", "tmpfs" };

static char *verdict; /* shared with the process of the test; empty: nothing to say */

_Noreturn void fail(const char *file, int line, const char *format, ...)
{
	va_list arguments;
	int used = snprintf(verdict, PAGE, "%s:%d: ", file, line);

	va_start(arguments, format);
	vsnprintf(verdict + used, PAGE - (size_t)used, format, arguments);
	va_end(arguments);
	_exit(1);
}

_Noreturn void skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(verdict, PAGE, format, arguments);
	va_end(arguments);
	_exit(77);
}

uint64_t now_nsec(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void wait_until(bool (*condition)(void *), void *argument, const char *what)
{
	uint64_t limit = now_nsec() + PATIENCE_MS * MS;

	while (!condition(argument)) {
		CHECK(now_nsec() < limit, "waited in vain until %s", what);
		poll(NULL, 0, 5);
	}
}

void device_open(struct device *device)
{
	device->fd = TRY(open(RDMAREG_DEVICE, O_RDWR | O_CLOEXEC));
	TRY(ioctl(device->fd, RDMAREG_QUERY, &device->query));
}

int device_ioctl(const struct device *device, unsigned long request, void *argument)
{
	return ioctl(device->fd, request, argument) < 0 ? -errno : 0;
}

int watch_range(const struct device *device, const void *address, size_t length, uint64_t cookie,
		uint32_t *ret_slot)
{
	struct rdmareg_watch_range request = { .address = (uintptr_t)address,
					       .length = length,
					       .cookie = cookie };
	int r = device_ioctl(device, RDMAREG_WATCH_RANGE, &request);

	if (!r)
		*ret_slot = request.slot;
	return r;
}

int try_watch_layout(const struct device *device, int fd, uint32_t deadline_ms, uint64_t cookie,
		     uint32_t *ret_slot)
{
	struct rdmareg_watch_layout request = { .fd = fd,
						.deadline_ms = deadline_ms,
						.cookie = cookie };
	int r = device_ioctl(device, RDMAREG_WATCH_LAYOUT, &request);

	if (!r)
		*ret_slot = request.slot;
	return r;
}

int watch_layout(const struct device *device, int fd, uint32_t deadline_ms, uint64_t cookie,
		 uint32_t *ret_slot)
{
	uint64_t limit = now_nsec() + PATIENCE_MS * MS;
	int r;

	while ((r = try_watch_layout(device, fd, deadline_ms, cookie, ret_slot)) == -EAGAIN &&
	       now_nsec() < limit)
		poll(NULL, 0, 5);
	return r;
}

int collect(const struct device *device, uint32_t slot, struct rdmareg_report *ret_report)
{
	ret_report->slot = slot;
	return device_ioctl(device, RDMAREG_COLLECT, ret_report);
}

int release(const struct device *device, uint32_t slot, uint32_t break_id)
{
	struct rdmareg_release request = { .slot = slot, .break_id = break_id };

	return device_ioctl(device, RDMAREG_RELEASE, &request);
}

int rearm(const struct device *device, uint32_t slot, uint32_t deadline_ms)
{
	struct rdmareg_rearm request = { .slot = slot, .deadline_ms = deadline_ms };

	return device_ioctl(device, RDMAREG_REARM, &request);
}

int unwatch(const struct device *device, uint32_t slot)
{
	struct rdmareg_unwatch request = { .slot = slot };

	return device_ioctl(device, RDMAREG_UNWATCH, &request);
}

bool layout_armed(const struct device *device, uint32_t slot)
{
	struct rdmareg_report report;

	return rearm(device, slot, 1000) == -EBUSY && collect(device, slot, &report) == -EAGAIN;
}

bool device_pending(const struct device *device, int timeout_ms)
{
	struct pollfd item = { .fd = device->fd, .events = POLLIN };

	return poll(&item, 1, timeout_ms) == 1 && (item.revents & POLLIN);
}

struct rdmareg_report wait_layout(const struct device *device, uint32_t slot,
				  enum rdmareg_layout_state state)
{
	struct rdmareg_report report;
	int r;

	do {
		CHECK(device_pending(device, PATIENCE_MS), "no event, waiting for state %d", state);
		r = collect(device, slot, &report);
		CHECK(!r || r == -EAGAIN, "COLLECT: %s", strerror(-r));
	} while (r || report.layout_state != state);
	return report;
}

void wait_unwound(const struct device *device, uint32_t slot)
{
	struct rdmareg_report report;
	int r;

	do {
		CHECK(device_pending(device, PATIENCE_MS),
		      "the breaker's system call does not end");
		r = collect(device, slot, &report);
		CHECK(!r || r == -EAGAIN, "COLLECT: %s", strerror(-r));
	} while (r || report.flags & RDMAREG_FLAG_UNWINDING);
}

static uint64_t number_in(const char *directory, const char *name)
{
	unsigned long long number = 0;
	char path[100];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "re");
	CHECK(file && fscanf(file, "%llu", &number) == 1, "%s: %s", path, strerror(errno));
	fclose(file);
	return number;
}

uint64_t total(const char *name)
{
	return number_in("/sys/class/misc/rdmareg/totals", name);
}

uint64_t parameter(const char *name)
{
	return number_in("/sys/module/rdmareg/parameters", name);
}

uint64_t users(void)
{
	return number_in("/sys/module/rdmareg", "refcnt");
}

void file_make(struct file *file, enum filesystem fs)
{
	static char page[PAGE];
	static int number;

	memset(page, 0x11, sizeof(page));
	snprintf(file->path, sizeof(file->path), "%s/selftest.%d.%d", directories[fs],
		 (int)getpid(), number++);
	file->fd = TRY(open(file->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
	/*
	 * page by page: a single large write would make large folios, which are invalidated as a
	 * whole
	 */
	for (unsigned int i = 0; i < FILE_BYTES; i += PAGE)
		CHECK(pwrite(file->fd, page, PAGE, i) == PAGE, "write: %s", strerror(errno));
	TRY(fsync(file->fd));
}

char *file_map(const struct file *file)
{
	volatile char *map =
		mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);

	CHECK(map != MAP_FAILED, "mmap: %s", strerror(errno));
	for (unsigned int i = 0; i < FILE_BYTES; i += PAGE)
		(void)map[i];
	return (char *)map;
}

void child_start(struct child *child, int (*run)(void *), void *argument)
{
	child->outcome =
		mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(child->outcome != MAP_FAILED, "mmap: %s", strerror(errno));
	child->pid = TRY(fork());
	if (child->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		child->outcome->begin_nsec = now_nsec();
		child->outcome->result = run(argument);
		child->outcome->end_nsec = now_nsec();
		_exit(0);
	}
	child->pidfd = TRY(pidfd_open(child->pid, 0));
}

struct outcome child_wait(struct child *child)
{
	struct pollfd item = { .fd = child->pidfd, .events = POLLIN };
	int status;

	CHECK(poll(&item, 1, 2 * PATIENCE_MS) == 1, "the other process hangs");
	TRY(waitpid(child->pid, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status))
		_exit(WEXITSTATUS(status)); /* it failed a check and has said so */
	close(child->pidfd);
	return *child->outcome;
}

bool child_running(const struct child *child)
{
	return child->outcome->end_nsec == 0;
}

static void *idle(void *argument)
{
	(void)argument;
	for (;;)
		pause();
	return NULL;
}

void add_thread(void)
{
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, idle, NULL), "pthread_create");
}

void send_fd(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .header = { CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS } };
	struct iovec data = { "x", 1 };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	TRY(sendmsg(socket, &message, 0));
}

int receive_fd(int socket)
{
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec data = { &byte, 1 };
	struct msghdr message = { .msg_iov = &data,
				  .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control) };
	int fd;

	TRY(recvmsg(socket, &message, 0));
	CHECK(CMSG_FIRSTHDR(&message), "no descriptor came");
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
	return fd;
}

static void remove_files(enum filesystem fs, pid_t maker)
{
	char pattern[256];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%s/selftest.%d.*", directories[fs], (int)maker);
	if (glob(pattern, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++)
		unlink(found.gl_pathv[i]);
	globfree(&found);
}

/* Runs one test; 0, 1 or 77. */
static int run_test(const struct test *test, enum filesystem fs)
{
	struct pollfd item = { .events = POLLIN };
	int status;
	pid_t pid;

	verdict[0] = 0;
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		test->run(fs);
		_exit(0);
	}
	setpgid(pid, pid);
	item.fd = pidfd_open(pid, 0);
	if (poll(&item, 1, (int)repeat * TEST_LIMIT_MS) != 1 && !verdict[0])
		snprintf(verdict, PAGE, "hangs");
	close(item.fd);
	kill(-pid, SIGKILL);
	waitpid(pid, &status, 0);
	if (fs != NO_FILESYSTEM)
		remove_files(fs, pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) != 1)
		return WEXITSTATUS(status);
	if (!verdict[0])
		snprintf(verdict, PAGE, "ended with wait status %#x", status);
	return 1;
}

static bool run_all(const struct test *tests, const char *only)
{
	bool good = true;
	char name[100];
	int r;

	for (const struct test *test = tests; test->name; test++) {
		for (int fs = 0; fs < _FILESYSTEM_MAX; fs++) {
			if (test->fs ? !(test->fs & ON(fs)) : fs != NO_FILESYSTEM)
				continue;
			snprintf(name, sizeof(name), "%s%s%s", test->name, fs ? "/" : "",
				 filesystem_names[fs]);
			if (only && !strstr(name, only))
				continue;
			if (fs && !directories[fs]) {
				printf("skip %s: no directory given\n", name);
				continue;
			}
			r = run_test(test, fs);
			if (r == 0)
				printf("ok %s\n", name);
			else if (r == 77)
				printf("skip %s: %s\n", name, verdict);
			else
				printf("not ok %s: %s\n", name, verdict);
			good = good && r != 1;
		}
	}
	return good;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "ext4", 1, NULL, EXT4 },
		{ "xfs", 1, NULL, XFS },
		{ "xfsdax", 1, NULL, XFSDAX },
		{ "tmpfs", 1, NULL, TMPFS },
		{ "only", 1, NULL, 'o' },
		{ "times", 1, NULL, 't' },
		{ 0 },
	};
	const char *only = NULL;
	bool good;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'o')
			only = optarg;
		else if (option == 't' && atoi(optarg) > 0)
			repeat = (unsigned int)atoi(optarg);
		else if (option > NO_FILESYSTEM && option < _FILESYSTEM_MAX)
			directories[option] = optarg;
		else
			return 2;
	}
	if (access(RDMAREG_DEVICE, R_OK | W_OK) < 0) {
		printf("skip all: %s: %s\n", RDMAREG_DEVICE, strerror(errno));
		return 77;
	}
	verdict = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (verdict == MAP_FAILED)
		return 1;
	good = run_all(device_tests, only);
	good = run_all(range_tests, only) && good;
	good = run_all(layout_tests, only) && good;
	good = run_all(taker_tests, only) && good;
	good = run_all(wait_tests, only) && good;
	good = run_all(race_tests, only) && good;
	good = run_all(counter_tests, only) && good;
	good = run_all(pace_tests, only) && good;
	good = run_all(storm_tests, only) && good;
	good = run_all(memory_tests, only) && good;
	return good ? 0 : 1;
}
