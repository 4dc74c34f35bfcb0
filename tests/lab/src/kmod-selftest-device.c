// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmod-selftest-device.c - the device as such: what it says about itself, what it refuses and with
 * which error, its limits, who may use it, and that nothing of an opener stays behind.
 */
#include "kmod-selftest.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char *anonymous(size_t length)
{
	char *map = mmap(NULL, length, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	CHECK(map != MAP_FAILED, "mmap: %s", strerror(errno));
	return map;
}

static void test_query(enum filesystem fs)
{
	struct device device;

	(void)fs;
	device_open(&device);
	CHECK(device.query.abi == RDMAREG_ABI, "abi %u", device.query.abi);
	CHECK(device.query.max_watches && device.query.max_deadline_ms, "a limit is 0");
	CHECK(!device.query.reserved, "a reserved field is not 0");
	CHECK(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, device.fd, 0) == MAP_FAILED,
	      "it can be mapped");
	CHECK(!device_pending(&device, 0), "pending without a watch");
}

/* A request with one thing wrong; @argument NULL: a bad pointer. */
struct bad {
	const char *what;
	unsigned long request;
	void *argument;
	int error;
};

static void expect(const struct device *device, const struct bad *table, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int r = device_ioctl(device, table[i].request,
				     table[i].argument ? table[i].argument : (void *)8);

		CHECK(r == -table[i].error, "%s: %s, expected %s", table[i].what,
		      strerrorname_np(-r), table[i].error ? strerrorname_np(table[i].error) : "0");
	}
}

static void test_bad_arguments(enum filesystem fs)
{
	static const uint64_t top = (1ull << 47) - PAGE;
	char *map = anonymous(4 * PAGE);
	const uint64_t a = (uintptr_t)map;
	struct device device;
	uint32_t range;

	(void)fs;
	device_open(&device);
	CHECK(!watch_range(&device, map, PAGE, 0, &range), "cannot watch");

	int directory = TRY(open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	int null = TRY(open("/dev/null", O_RDWR | O_CLOEXEC));
	int path = TRY(open("/proc/self/exe", O_PATH | O_CLOEXEC));
	uint32_t most = device.query.max_deadline_ms;
	const struct bad table[] = {
		{ "unknown request", _IO(RDMAREG_IOC_MAGIC, 99), map, ENOTTY },
		{ "another device's request", _IOR('X', 1, int), map, ENOTTY },
		{ "request of another size", _IOW(RDMAREG_IOC_MAGIC, 6, int), map, ENOTTY },
		{ "query, bad pointer", RDMAREG_QUERY, NULL, EFAULT },
		{ "range, bad pointer", RDMAREG_WATCH_RANGE, NULL, EFAULT },
		{ "layout, bad pointer", RDMAREG_WATCH_LAYOUT, NULL, EFAULT },
		{ "collect, bad pointer", RDMAREG_COLLECT, NULL, EFAULT },
		{ "release, bad pointer", RDMAREG_RELEASE, NULL, EFAULT },
		{ "rearm, bad pointer", RDMAREG_REARM, NULL, EFAULT },
		{ "unwatch, bad pointer", RDMAREG_UNWATCH, NULL, EFAULT },
		{ "range, empty", RDMAREG_WATCH_RANGE,
		  &(struct rdmareg_watch_range){ .address = a }, EINVAL },
		{ "range, address unaligned", RDMAREG_WATCH_RANGE,
		  &(struct rdmareg_watch_range){ .address = a + 1, .length = PAGE }, EINVAL },
		{ "range, length unaligned", RDMAREG_WATCH_RANGE,
		  &(struct rdmareg_watch_range){ .address = a, .length = PAGE + 1 }, EINVAL },
		{ "range, overflow", RDMAREG_WATCH_RANGE,
		  &(struct rdmareg_watch_range){ .address = a, .length = -(uint64_t)PAGE },
		  EINVAL },
		{ "range, beyond user space", RDMAREG_WATCH_RANGE,
		  &(struct rdmareg_watch_range){ .address = top, .length = 2ull << 56 }, EINVAL },
		{ "range, kernel", RDMAREG_WATCH_RANGE,
		  &(struct rdmareg_watch_range){ .address = 0xffff888000000000, .length = PAGE },
		  EINVAL },
		{ "range, reserved", RDMAREG_WATCH_RANGE,
		  &(struct rdmareg_watch_range){ .address = a, .length = PAGE, .reserved = 1 },
		  EINVAL },
		{ "layout, no such fd", RDMAREG_WATCH_LAYOUT,
		  &(struct rdmareg_watch_layout){ .fd = 999, .deadline_ms = 1 }, EBADF },
		{ "layout, negative fd", RDMAREG_WATCH_LAYOUT,
		  &(struct rdmareg_watch_layout){ .fd = -1, .deadline_ms = 1 }, EBADF },
		{ "layout, path descriptor", RDMAREG_WATCH_LAYOUT,
		  &(struct rdmareg_watch_layout){ .fd = path, .deadline_ms = 1 }, EBADF },
		{ "layout, directory", RDMAREG_WATCH_LAYOUT,
		  &(struct rdmareg_watch_layout){ .fd = directory, .deadline_ms = 1 }, EINVAL },
		{ "layout, device", RDMAREG_WATCH_LAYOUT,
		  &(struct rdmareg_watch_layout){ .fd = null, .deadline_ms = 1 }, EINVAL },
		{ "layout, no deadline", RDMAREG_WATCH_LAYOUT,
		  &(struct rdmareg_watch_layout){ .fd = null }, EINVAL },
		{ "layout, deadline too long", RDMAREG_WATCH_LAYOUT,
		  &(struct rdmareg_watch_layout){ .fd = null, .deadline_ms = most + 1 }, EINVAL },
		{ "layout, unknown flag", RDMAREG_WATCH_LAYOUT,
		  &(struct rdmareg_watch_layout){ .fd = null, .deadline_ms = 1, .flags = 2 },
		  EINVAL },
		{ "rearm, unknown flag", RDMAREG_REARM,
		  &(struct rdmareg_rearm){ .slot = range, .deadline_ms = 1, .flags = 2 }, EINVAL },
		{ "rearm, reserved", RDMAREG_REARM,
		  &(struct rdmareg_rearm){ .slot = range, .deadline_ms = 1, .reserved = 1 },
		  EINVAL },
		{ "collect, nothing pending", RDMAREG_COLLECT,
		  &(struct rdmareg_report){ .slot = RDMAREG_SLOT_ANY }, EAGAIN },
		{ "collect, slot not pending", RDMAREG_COLLECT,
		  &(struct rdmareg_report){ .slot = range }, EAGAIN },
		{ "collect, free slot", RDMAREG_COLLECT,
		  &(struct rdmareg_report){ .slot = range + 1 }, ENOENT },
		{ "collect, no such slot", RDMAREG_COLLECT,
		  &(struct rdmareg_report){ .slot = device.query.max_watches }, ENOENT },
		{ "release, range watch", RDMAREG_RELEASE,
		  &(struct rdmareg_release){ .slot = range }, ENOENT },
		{ "release, free slot", RDMAREG_RELEASE,
		  &(struct rdmareg_release){ .slot = range + 1 }, ENOENT },
		{ "rearm, range watch", RDMAREG_REARM,
		  &(struct rdmareg_rearm){ .slot = range, .deadline_ms = 1 }, ENOENT },
		{ "rearm, free slot", RDMAREG_REARM,
		  &(struct rdmareg_rearm){ .slot = 7, .deadline_ms = 1 }, ENOENT },
		{ "rearm, no deadline", RDMAREG_REARM, &(struct rdmareg_rearm){ .slot = range },
		  EINVAL },
		{ "rearm, deadline too long", RDMAREG_REARM,
		  &(struct rdmareg_rearm){ .slot = range, .deadline_ms = most + 1 }, EINVAL },
		{ "unwatch, free slot", RDMAREG_UNWATCH,
		  &(struct rdmareg_unwatch){ .slot = range + 1 }, ENOENT },
		{ "unwatch, any slot", RDMAREG_UNWATCH,
		  &(struct rdmareg_unwatch){ .slot = RDMAREG_SLOT_ANY }, ENOENT },
		{ "unwatch, reserved", RDMAREG_UNWATCH,
		  &(struct rdmareg_unwatch){ .slot = range, .reserved = 1 }, EINVAL },
	};
	expect(&device, table, sizeof(table) / sizeof(table[0]));

	char byte;
	CHECK(read(device.fd, &byte, 1) < 0 && errno == EINVAL, "read: %s", strerror(errno));
	CHECK(write(device.fd, "x", 1) < 0 && errno == EINVAL, "write: %s", strerror(errno));
	CHECK(!unwatch(&device, range) && unwatch(&device, range + 1) == -ENOENT,
	      "a refused request has left something, or taken it");
}

/* Fills every slot, frees one, and gets that one again; its sequence goes on. */
static void test_limit_of_watches(enum filesystem fs)
{
	char *map;
	struct rdmareg_report report;
	struct device device;
	uint32_t slot, middle;
	uint64_t sequence;
	int r;

	(void)fs;
	device_open(&device);
	middle = device.query.max_watches / 2;
	map = anonymous((size_t)device.query.max_watches * PAGE);
	for (uint32_t i = 0; i < device.query.max_watches; i++) {
		r = watch_range(&device, map + (size_t)i * PAGE, PAGE, i, &slot);
		CHECK(!r && slot == i, "watch %u: slot %u, %s", i, slot, strerror(-r));
	}
	r = watch_range(&device, map, PAGE, 0, &slot);
	CHECK(r == -ENOSPC, "one too many: %s", strerror(-r));
	TRY(madvise(map, (size_t)device.query.max_watches * PAGE, MADV_DONTNEED));
	CHECK(!collect(&device, middle, &report) && report.cookie == middle,
	      "slot %u did not notice", middle);

	sequence = report.sequence;
	CHECK(sequence > 0 && !unwatch(&device, middle), "unwatch");
	CHECK(collect(&device, middle, &report) == -ENOENT, "still there");
	CHECK(!watch_range(&device, map, PAGE, 5, &slot) && slot == middle,
	      "the free slot is not taken");
	TRY(madvise(map, PAGE, MADV_DONTNEED));
	CHECK(!collect(&device, middle, &report) && report.cookie == 5, "cookie");
	CHECK(report.sequence > sequence, "sequence fell");
}

static void test_limit_of_openers(enum filesystem fs)
{
	uint64_t limit = parameter("max_openers");
	static int fds[500];
	uint64_t count = 0;

	(void)fs;
	if (limit >= 500)
		skip("max_openers is more than this test opens");
	while (count <= limit) {
		fds[count] = open(RDMAREG_DEVICE, O_RDWR | O_CLOEXEC);
		if (fds[count] < 0)
			break;
		count++;
	}
	CHECK(errno == EMFILE && count + 1 >= limit && count <= limit, "%llu may be open: %s",
	      (unsigned long long)count, strerror(errno));
	close(fds[--count]);
	CHECK(open(RDMAREG_DEVICE, O_RDWR | O_CLOEXEC) >= 0, "not freed by close: %s",
	      strerror(errno));
}

/* A report that cannot be written to the caller is not lost. */
static void test_report_put_back(enum filesystem fs)
{
	char *map = anonymous(4 * PAGE);
	struct rdmareg_report *report = (void *)anonymous(PAGE);
	struct device device;
	uint32_t slot;
	int r;

	(void)fs;
	device_open(&device);
	CHECK(!watch_range(&device, map, 4 * PAGE, 1, &slot), "cannot watch");
	TRY(madvise(map + PAGE, PAGE, MADV_DONTNEED));
	report->slot = slot;
	TRY(mprotect(report, PAGE, PROT_READ));
	r = device_ioctl(&device, RDMAREG_COLLECT, report);
	CHECK(r == -EFAULT, "%s", strerror(-r));
	CHECK(device_pending(&device, 0), "lost");
	TRY(madvise(map + 2 * PAGE, PAGE, MADV_DONTNEED));
	TRY(mprotect(report, PAGE, PROT_READ | PROT_WRITE));
	CHECK(!collect(&device, slot, report), "lost");
	CHECK(report->clear_count == 2 && report->start == PAGE && report->end == 3 * PAGE,
	      "%llu events, %llu to %llu", report->clear_count, report->start, report->end);
}

/* What somebody who is not the opener gets; runs in another address space. */
static int stranger(void *argument)
{
	const struct device *device = argument;
	char *map = anonymous(PAGE);
	struct rdmareg_report report;
	struct rdmareg_query query;
	uint32_t slot;

	CHECK(device_ioctl(device, RDMAREG_QUERY, &query) == 0, "query is refused");
	CHECK(watch_range(device, map, PAGE, 0, &slot) == -EPERM, "watch range");
	CHECK(try_watch_layout(device, 0, 1, 0, &slot) == -EPERM, "watch layout");
	CHECK(collect(device, RDMAREG_SLOT_ANY, &report) == -EPERM, "collect");
	CHECK(release(device, 0, 1) == -EPERM, "release");
	CHECK(rearm(device, 0, 1) == -EPERM, "rearm");
	CHECK(unwatch(device, 0) == -EPERM, "unwatch");
	return 0;
}

static void test_forked_child(enum filesystem fs)
{
	char *map = anonymous(PAGE);
	struct device device;
	struct child child;
	uint32_t slot;

	(void)fs;
	device_open(&device);
	CHECK(!watch_range(&device, map, PAGE, 0, &slot), "cannot watch");
	child_start(&child, stranger, &device);
	child_wait(&child);
	CHECK(!unwatch(&device, slot), "the child has changed something");
}

static int pass_device_and_exit(void *argument)
{
	char *map = anonymous(PAGE);
	struct device device;
	uint32_t slot;

	device_open(&device);
	CHECK(!watch_range(&device, map, PAGE, 0, &slot), "cannot watch");
	send_fd(*(int *)argument, device.fd);
	return 0;
}

/*
 * The receiver of the descriptor is a stranger too, but it can poll, and sees the end of the
 * opener's address space.
 */
static void test_passed_descriptor(enum filesystem fs)
{
	struct device device = { .fd = -1 };
	struct child child;
	int pair[2];

	(void)fs;
	TRY(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	child_start(&child, pass_device_and_exit, &pair[1]);
	device.fd = receive_fd(pair[0]);
	child_wait(&child);
	CHECK(device_pending(&device, PATIENCE_MS), "the end of the opener is no event");
	stranger(&device);
}

static bool module_unused(void *argument)
{
	(void)argument;
	return !users();
}

static int leave_everything_open(void *argument)
{
	const char *directory = argument;
	char *map = anonymous(64 * PAGE);
	struct device device;
	struct file file;
	uint32_t slot;

	device_open(&device);
	for (unsigned int i = 0; i < 64; i++)
		CHECK(!watch_range(&device, map + i * PAGE, PAGE, i, &slot), "cannot watch");
	if (directory) {
		file_make(&file, XFS);
		unlink(file.path);
		for (unsigned int i = 0; i < 64; i++)
			CHECK(!watch_layout(&device, file.fd, 1000, i, &slot), "cannot watch");
	}
	TRY(madvise(map, 64 * PAGE, MADV_DONTNEED));
	return 0;
}

/* An opener that just exits leaves nothing that would keep the module in use. */
static void test_exit_with_watches(enum filesystem fs)
{
	struct child child;

	(void)fs;
	wait_until(module_unused, NULL, "nobody uses the module");
	for (int i = 0; i < 3; i++) {
		child_start(&child, leave_everything_open, (void *)directories[XFS]);
		child_wait(&child);
	}
	wait_until(module_unused, NULL, "the module is no longer in use");
}

/* Filesystems that never break layouts. */
static void test_unsupported(enum filesystem fs)
{
	struct device device;
	struct file file;
	uint32_t slot;
	int r;

	device_open(&device);
	file_make(&file, fs);
	r = watch_layout(&device, file.fd, 1000, 0, &slot);
	CHECK(r == -EOPNOTSUPP, "%s", strerror(-r));
	CHECK(unwatch(&device, 0) == -ENOENT, "a refused watch has left something");
}

static int truncate_file(void *argument)
{
	return truncate(((struct file *)argument)->path, 0);
}

/*
 * Read-only descriptors do; the caller's descriptor may be closed; the watch does not count as an
 * open for writing.
 */
static void test_private_file(enum filesystem fs)
{
	struct device device;
	struct child child;
	struct file file;
	uint32_t slot;
	int fd;

	device_open(&device);
	file_make(&file, fs);
	close(file.fd);
	fd = TRY(open(file.path, O_RDONLY | O_CLOEXEC));
	CHECK(!watch_layout(&device, fd, 5000, 0, &slot), "read-only descriptor");
	TRY(close(fd));
	child_start(&child, truncate_file, &file);
	CHECK(wait_layout(&device, slot, RDMAREG_LAYOUT_BREAKING).break_id == 1, "break");
	CHECK(!release(&device, slot, 1), "release");
	child_wait(&child);

	/* somebody else's lease on opens would make us wait: EAGAIN instead */
	fd = TRY(open(file.path, O_RDWR | O_CLOEXEC));
	TRY(unwatch(&device, slot));
	TRY(fcntl(fd, F_SETLEASE, F_WRLCK));
	signal(SIGIO, SIG_IGN);
	CHECK(try_watch_layout(&device, fd, 1000, 0, &slot) == -EAGAIN,
	      "waits for a lease, or ignores it");
}

const struct test device_tests[] = {
	{ "query", test_query, 0 },
	{ "bad-arguments", test_bad_arguments, 0 },
	{ "limit-of-watches", test_limit_of_watches, 0 },
	{ "limit-of-openers", test_limit_of_openers, 0 },
	{ "report-put-back", test_report_put_back, 0 },
	{ "forked-child", test_forked_child, 0 },
	{ "passed-descriptor", test_passed_descriptor, 0 },
	{ "exit-with-watches", test_exit_with_watches, 0 },
	{ "layout-unsupported", test_unsupported, ON(EXT4) | ON(TMPFS) },
	{ "layout-private-file", test_private_file, ON_XFS },
	{ 0 },
};
