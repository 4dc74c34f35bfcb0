// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmod-selftest-counters.c - what can be read without taking anything: the counters of a watch, the
 * totals of the module; and two limits that belong to more than one opener: the watches of a file,
 * and unloading.
 */
#include "kmod-selftest.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LONG_MS 15000u
#define SHORT_MS 200u
#define WRITES 5u

/* The index of a RDMAREG_CAUSE_ bit. */
#define INDEX(cause) ((unsigned int)__builtin_ctz(cause))

static struct rdmareg_counters counters(const struct device *device, uint32_t slot)
{
	struct rdmareg_counters counters = { .slot = slot };

	CHECK(!device_ioctl(device, RDMAREG_COUNTERS, &counters), "COUNTERS: %s", strerror(errno));
	for (size_t i = 0; i < sizeof(counters.reserved) / sizeof(counters.reserved[0]); i++)
		CHECK(!counters.reserved[i], "a reserved field is not 0");
	return counters;
}

static uint64_t sum(const __u64 *numbers, size_t count)
{
	uint64_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += numbers[i];
	return total;
}

static int count_as_stranger(void *argument)
{
	struct rdmareg_counters counters = { .slot = 0 };

	CHECK(device_ioctl(argument, RDMAREG_COUNTERS, &counters) == -EPERM,
	      "a stranger may count");
	return 0;
}

static void test_bad_counters(enum filesystem fs)
{
	struct rdmareg_counters *counters;
	static const uint32_t absent[] = { 0, 1, 16384, 65536, 0x7fffffff, RDMAREG_SLOT_ANY };
	struct device device;
	struct child child;

	(void)fs;
	counters = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(counters != MAP_FAILED, "mmap");
	device_open(&device);
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		counters->slot = absent[i];
		CHECK(device_ioctl(&device, RDMAREG_COUNTERS, counters) == -ENOENT, "slot %u",
		      absent[i]);
	}
	CHECK(device_ioctl(&device, RDMAREG_COUNTERS, (void *)8) == -EFAULT, "bad pointer");
	CHECK(device_ioctl(&device, _IOWR(RDMAREG_IOC_MAGIC, 7, int), counters) == -ENOTTY,
	      "other size");
	CHECK(!watch_range(&device, counters, PAGE, 0, &counters->slot), "watch");
	TRY(mprotect(counters, PAGE, PROT_READ));
	CHECK(device_ioctl(&device, RDMAREG_COUNTERS, counters) == -EFAULT, "read-only memory");
	child_start(&child, count_as_stranger, &device);
	child_wait(&child);
}

static void test_range_counters(enum filesystem fs)
{
	struct rdmareg_report report;
	struct rdmareg_counters c;
	struct device device;
	uint32_t slot;
	char *map;

	(void)fs;
	device_open(&device);
	map = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	CHECK(map != MAP_FAILED, "mmap");
	CHECK(!watch_range(&device, map, 8 * PAGE, 21, &slot), "watch");
	c = counters(&device, slot);
	CHECK(c.slot == slot && c.kind == RDMAREG_KIND_RANGE && c.cookie == 21, "whose?");
	CHECK(!sum(c.causes, RDMAREG_CAUSE_BITS), "a new watch does not begin with 0");

	for (unsigned int i = 0; i < 3; i++)
		TRY(madvise(map + i * PAGE, PAGE, MADV_DONTNEED));
	CHECK(counters(&device, slot).causes[INDEX(RDMAREG_CAUSE_CLEAR)] == 3, "clear");
	CHECK(!collect(&device, slot, &report) && report.clear_count == 3,
	      "counting has collected");
	TRY(mprotect(map + 4 * PAGE, PAGE, PROT_READ));
	TRY(mprotect(map + 4 * PAGE, PAGE, PROT_READ | PROT_WRITE));
	TRY(munmap(map + 7 * PAGE, PAGE));
	TRY(madvise(map, PAGE, MADV_DONTNEED));
	CHECK(device_pending(&device, 0), "nothing pending");
	c = counters(&device, slot);
	CHECK(device_pending(&device, 0), "counting has collected");
	CHECK(c.causes[INDEX(RDMAREG_CAUSE_CLEAR)] == 4, "clear: %llu", c.causes[0]);
	CHECK(c.causes[INDEX(RDMAREG_CAUSE_PROTECT)] == 2, "protect: %llu", c.causes[2]);
	CHECK(c.causes[INDEX(RDMAREG_CAUSE_UNMAP)] == 1, "unmap: %llu", c.causes[3]);
	CHECK(c.causes[INDEX(RDMAREG_CAUSE_SELF)] == 7, "self: %llu", c.causes[7]);
	CHECK(!collect(&device, slot, &report) &&
		      sum(c.causes, INDEX(RDMAREG_CAUSE_RECLAIM)) == report.sequence,
	      "the causes do not add up");

	CHECK(!unwatch(&device, slot) && !watch_range(&device, map, PAGE, 22, &slot),
	      "watch again");
	CHECK(!sum(counters(&device, slot).causes, RDMAREG_CAUSE_BITS),
	      "inherited from the last watch");
}

static int do_truncate(void *argument)
{
	return truncate(((struct file *)argument)->path, 64 * PAGE);
}

static int do_punch(void *argument)
{
	return fallocate(((struct file *)argument)->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 0, PAGE);
}

static int do_writes(void *argument)
{
	for (unsigned int i = 0; i < WRITES; i++)
		TRY(pwrite(((struct file *)argument)->fd, "x", 1, i));
	return 0;
}

static void test_layout_counters(enum filesystem fs)
{
	struct rdmareg_counters c;
	struct device device;
	struct child child;
	struct file file;
	uint32_t slot;

	device_open(&device);
	file_make(&file, fs);
	CHECK(!watch_layout(&device, file.fd, LONG_MS, 9, &slot), "watch");
	c = counters(&device, slot);
	CHECK(c.kind == RDMAREG_KIND_LAYOUT && c.cookie == 9 && !sum(c.breaks, RDMAREG_OP_COUNT) &&
		      !c.writes_passed && !c.rearms,
	      "a new watch does not begin with 0");

	child_start(&child, do_truncate, &file);
	wait_layout(&device, slot, RDMAREG_LAYOUT_BREAKING);
	c = counters(&device, slot);
	CHECK(c.breaks[RDMAREG_OP_TRUNCATE] == 1 && !c.releases && !c.expiries, "while it breaks");
	CHECK(!release(&device, slot, 1) && !release(&device, slot, 1), "release");
	child_wait(&child);
	wait_unwound(&device, slot);
	CHECK(!rearm(&device, slot, SHORT_MS), "rearm");
	CHECK(rearm(&device, slot, SHORT_MS) == -EBUSY, "rearm twice");
	child_start(&child, do_punch, &file);
	child_wait(&child);
	wait_unwound(&device, slot);
	CHECK(!rearm(&device, slot, LONG_MS), "rearm");
	do_writes(&file);
	CHECK(!counters(&device, slot).writes_passed, "own writes are counted");
	child_start(&child, do_writes, &file);
	child_wait(&child);

	c = counters(&device, slot);
	CHECK(c.breaks[RDMAREG_OP_TRUNCATE] == 1 && c.breaks[RDMAREG_OP_FALLOCATE] == 1, "breaks");
	CHECK(sum(c.breaks, RDMAREG_OP_COUNT) == 2, "breaks that were not");
	CHECK(c.releases == 1 && c.expiries == 1 && c.rearms == 2,
	      "%llu releases, %llu expiries, %llu rearms", c.releases, c.expiries, c.rearms);
	CHECK(c.writes_passed >= WRITES, "%llu writes passed", c.writes_passed);
	CHECK(!sum(c.causes, RDMAREG_CAUSE_BITS), "causes in a layout watch");
}

static bool nobody_is_left(void *argument)
{
	(void)argument;
	return !users();
}

static void test_totals(enum filesystem fs)
{
	struct device device;
	struct file file;
	uint32_t range, layout;
	uint64_t breaks, expiries;
	struct child child;

	wait_until(nobody_is_left, NULL, "nobody uses the module");
	CHECK(!total("openers") && !total("ranges") && !total("layouts"),
	      "something is left of earlier users");
	breaks = total("breaks");
	expiries = total("expiries");
	device_open(&device);
	file_make(&file, fs);
	CHECK(!watch_range(&device, file_map(&file), PAGE, 0, &range), "watch");
	CHECK(!watch_layout(&device, file.fd, SHORT_MS, 0, &layout), "watch");
	CHECK(total("openers") == 1 && total("ranges") == 1 && total("layouts") == 1,
	      "what exists");
	child_start(&child, do_truncate, &file);
	child_wait(&child);
	CHECK(total("breaks") == breaks + 1 && total("expiries") == expiries + 1, "what happened");
	wait_unwound(&device, layout);
	CHECK(!unwatch(&device, range) && !unwatch(&device, layout), "unwatch");
	CHECK(!total("ranges") && !total("layouts"), "what exists no more");
}

static int open_and_write(void *argument)
{
	const struct file *file = argument;

	for (unsigned int i = 0; i < 10; i++) {
		int fd = TRY(open(file->path, O_RDWR | O_CLOEXEC));

		TRY(write(fd, "x", 1));
		TRY(close(fd));
	}
	return 0;
}

/*
 * A file has room for so many watches and no more; with all of them, others can open and write it,
 * and one break is told to all.
 */
static void test_limit_of_file(enum filesystem fs)
{
	uint32_t limit = (uint32_t)parameter("max_watches_per_file"), slot, refused, most_ms;
	struct file file, other;
	struct device device;
	struct child child;
	int r;

	device_open(&device);
	most_ms = device.query.max_deadline_ms;
	if (device.query.max_watches <= limit)
		skip("one opener cannot have more than max_watches_per_file watches");
	file_make(&file, fs);
	file_make(&other, fs);
	for (uint32_t i = 0; i < limit; i++) {
		r = watch_layout(&device, file.fd, most_ms, i, &slot);
		CHECK(!r && slot == i, "watch %u: %s", i, strerror(-r));
	}
	CHECK(watch_layout(&device, file.fd, most_ms, 0, &refused) == -ENOSPC, "one too many");
	CHECK(!watch_layout(&device, other.fd, most_ms, 0, &slot), "another file is refused");
	CHECK(!unwatch(&device, 0) && !watch_layout(&device, file.fd, most_ms, 0, &slot),
	      "no place is freed");
	child_start(&child, open_and_write, &file);
	child_wait(&child);

	child_start(&child, do_truncate, &file);
	for (uint32_t i = 0; i < limit; i++) {
		wait_layout(&device, i, RDMAREG_LAYOUT_BREAKING);
		CHECK(counters(&device, i).breaks[RDMAREG_OP_TRUNCATE] == 1,
		      "watch %u: another operation", i);
		CHECK(!release(&device, i, 1), "release %u", i);
	}
	child_wait(&child);
}

/* One place of memory has room for so many watches; next to it there is room again. */
static void test_limit_of_overlap(enum filesystem fs)
{
	struct device device;
	uint32_t slot;
	char *map;

	(void)fs;
	device_open(&device);
	if (device.query.max_watches < RDMAREG_MAX_OVERLAP + 10)
		skip("max_watches is reached before");
	map = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(map != MAP_FAILED, "mmap");
	for (uint32_t i = 0; i <= RDMAREG_MAX_OVERLAP; i++)
		CHECK(!watch_range(&device, map + PAGE, PAGE, i, &slot), "watch %u", i);
	CHECK(watch_range(&device, map + PAGE, PAGE, 0, &slot) == -ENOSPC, "one too many");
	CHECK(watch_range(&device, map, 3 * PAGE, 0, &slot) == -ENOSPC,
	      "one too many, a larger one");
	CHECK(!watch_range(&device, map, PAGE, 0, &slot) &&
		      !watch_range(&device, map + 2 * PAGE, PAGE, 0, &slot),
	      "the neighbours are refused");
	CHECK(!unwatch(&device, 0) && !watch_range(&device, map + PAGE, PAGE, 0, &slot),
	      "no place is freed");
}

static void unload(const char *when)
{
	int r = (int)syscall(SYS_delete_module, "rdmareg", O_NONBLOCK);

	CHECK(r < 0 && errno == EWOULDBLOCK, "%s: %s", when, r ? strerror(errno) : "unloaded");
}

/* Neither a descriptor nor a break that runs lets the module go. */
static void test_unload_refused(enum filesystem fs)
{
	struct device device;
	struct child child;
	struct file file;
	uint32_t slot;

	device_open(&device);
	file_make(&file, fs);
	unload("open");
	CHECK(!watch_layout(&device, file.fd, LONG_MS, 0, &slot), "watch");
	child_start(&child, do_truncate, &file);
	wait_layout(&device, slot, RDMAREG_LAYOUT_BREAKING);
	unload("during a break");
	CHECK(!unwatch(&device, slot), "unwatch");
	child_wait(&child);
	unload("afterwards");
}

const struct test counter_tests[] = {
	{ "counters-bad-arguments", test_bad_counters, 0 },
	{ "counters-range", test_range_counters, 0 },
	{ "counters-layout", test_layout_counters, ON_XFS },
	{ "counters-totals", test_totals, ON(XFS) },
	{ "limit-of-overlap", test_limit_of_overlap, 0 },
	{ "limit-of-file", test_limit_of_file, ON(XFS) },
	{ "unload-refused", test_unload_refused, ON(XFS) },
	{ 0 },
};
