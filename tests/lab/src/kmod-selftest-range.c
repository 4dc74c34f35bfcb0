// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmod-selftest-range.c - range watches: each thing that can happen to a mapped file is reported
 * with its cause and its place, and events fold without losing any.
 */
#include "kmod-selftest.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#define HINTS (RDMAREG_CAUSE_RECLAIM | RDMAREG_CAUSE_SELF)

/* One mapped file, watched as a whole. */
struct scene {
	enum filesystem fs;
	struct device device;
	struct file file;
	char *map;
	uint32_t slot;
};

static void scene_make(struct scene *scene, enum filesystem fs)
{
	int r;

	scene->fs = fs;
	device_open(&scene->device);
	file_make(&scene->file, fs);
	scene->map = file_map(&scene->file);
	r = watch_range(&scene->device, scene->map, FILE_BYTES, 0xc00c1e, &scene->slot);
	CHECK(!r, "watch: %s", strerror(-r));
}

/*
 * Collects once; fails unless @cause is reported, nothing but @cause and @also, and the range is
 * that of pages @first to
 * @end. DAX filesystems clear the whole file before they do anything: there the range need only
 * cover them.
 */
static void expect_event(struct scene *scene, const char *what, uint32_t cause, uint32_t also,
			 unsigned int first, unsigned int end)
{
	bool exact = scene->fs != XFSDAX || cause != RDMAREG_CAUSE_CLEAR;
	struct rdmareg_report report;
	int r;

	CHECK(device_pending(&scene->device, PATIENCE_MS), "%s: no event", what);
	r = collect(&scene->device, RDMAREG_SLOT_ANY, &report);
	CHECK(!r, "%s: COLLECT: %s", what, strerror(-r));
	CHECK(report.slot == scene->slot && report.kind == RDMAREG_KIND_RANGE &&
		      report.cookie == 0xc00c1e,
	      "%s: whose?", what);
	CHECK(report.causes & cause, "%s: causes %#x, expected %#x", what, report.causes, cause);
	CHECK(!(report.causes & ~(cause | also)), "%s: causes %#x, allowed %#x", what,
	      report.causes, cause | also);
	CHECK(report.start <= first * PAGE && report.end >= end * PAGE,
	      "%s: %llu to %llu does not cover pages %u to %u", what, report.start, report.end,
	      first, end);
	CHECK(!exact || (report.start == first * PAGE && report.end == end * PAGE),
	      "%s: %llu to %llu is more than pages %u to %u", what, report.start, report.end, first,
	      end);
	CHECK(report.end <= FILE_BYTES, "%s: beyond the watch", what);
	CHECK(report.clear_count + report.writeback_count + report.other_count > 0, "%s: no counts",
	      what);
	CHECK(!(cause & RDMAREG_CAUSE_CLEAR) || report.clear_count, "%s: not counted", what);
	CHECK(!(cause & RDMAREG_CAUSE_WRITEBACK) || report.writeback_count, "%s: not counted",
	      what);
}

static void expect_nothing(struct scene *scene, const char *what)
{
	struct rdmareg_report report;

	CHECK(collect(&scene->device, scene->slot, &report) == -EAGAIN, "%s: event with causes %#x",
	      what, report.causes);
	CHECK(!device_pending(&scene->device, 0), "%s: poll says otherwise", what);
}

static int truncate_to_half(void *argument)
{
	struct scene *scene = argument;

	return TRY(truncate(scene->file.path, FILE_BYTES / 2));
}

static void test_truncate(enum filesystem fs)
{
	struct scene scene;
	struct child child;

	scene_make(&scene, fs);
	expect_nothing(&scene, "before");
	child_start(&child, truncate_to_half, &scene);
	child_wait(&child);
	expect_event(&scene, "truncate by another process", RDMAREG_CAUSE_CLEAR,
		     RDMAREG_CAUSE_WRITEBACK, 128, 256);
	TRY(ftruncate(scene.file.fd, 64 * PAGE));
	expect_event(&scene, "own truncate", RDMAREG_CAUSE_CLEAR,
		     RDMAREG_CAUSE_WRITEBACK | RDMAREG_CAUSE_SELF, 64, 256);
	expect_nothing(&scene, "after");
}

static void test_punch(enum filesystem fs)
{
	struct scene scene;

	scene_make(&scene, fs);
	TRY(fallocate(scene.file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 64 * PAGE,
		      32 * PAGE));
	expect_event(&scene, "punch", RDMAREG_CAUSE_CLEAR,
		     RDMAREG_CAUSE_WRITEBACK | RDMAREG_CAUSE_SELF, 64, 96);
	expect_nothing(&scene, "after");
}

static void test_writeback(enum filesystem fs)
{
	struct rdmareg_report report;
	struct scene scene;

	scene_make(&scene, fs);
	memset(scene.map + 8 * PAGE, 0x22, 8 * PAGE);
	/*
	 * making a page of a DAX file writable, or sharing it for the first time, may be an event
	 * of its own
	 */
	collect(&scene.device, scene.slot, &report);
	TRY(msync(scene.map, FILE_BYTES, MS_SYNC));
	CHECK(!collect(&scene.device, scene.slot, &report), "msync of dirty pages: no event");
	CHECK((report.causes & ~HINTS) == RDMAREG_CAUSE_WRITEBACK, "causes %#x", report.causes);
	CHECK(report.writeback_count && !report.clear_count && !report.other_count, "counts");
	CHECK(report.start <= 8 * PAGE && report.end >= 16 * PAGE, "%llu to %llu", report.start,
	      report.end);
	TRY(msync(scene.map, FILE_BYTES, MS_SYNC));
	expect_nothing(&scene, "msync of clean pages");
}

static void test_mapping_changes(enum filesystem fs)
{
	struct scene scene;

	scene_make(&scene, fs);
	TRY(mprotect(scene.map + 2 * PAGE, 3 * PAGE, PROT_READ));
	expect_event(&scene, "mprotect", RDMAREG_CAUSE_PROTECT, RDMAREG_CAUSE_SELF, 2, 5);
	TRY(mprotect(scene.map + 20 * PAGE, PAGE, PROT_READ));
	TRY(mprotect(scene.map + 10 * PAGE, PAGE, PROT_READ));
	expect_event(&scene, "two mprotects fold", RDMAREG_CAUSE_PROTECT, RDMAREG_CAUSE_SELF, 10,
		     21);
	TRY(munmap(scene.map + 100 * PAGE, 4 * PAGE));
	expect_event(&scene, "munmap", RDMAREG_CAUSE_UNMAP, RDMAREG_CAUSE_SELF, 100, 104);
	CHECK(mmap(scene.map + 120 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		   -1, 0) != MAP_FAILED,
	      "mmap");
	expect_event(&scene, "mapping over it", RDMAREG_CAUSE_UNMAP, RDMAREG_CAUSE_SELF, 120, 121);
	TRY(mprotect(scene.map + 3 * PAGE, PAGE, PROT_NONE));
	TRY(ftruncate(scene.file.fd, 200 * PAGE));
	expect_event(&scene, "different causes fold", RDMAREG_CAUSE_PROTECT | RDMAREG_CAUSE_CLEAR,
		     RDMAREG_CAUSE_SELF | RDMAREG_CAUSE_WRITEBACK, scene.fs == XFSDAX ? 0 : 3, 256);
	CHECK(!unwatch(&scene.device, scene.slot), "unwatch");
	TRY(munmap(scene.map, FILE_BYTES));
	CHECK(!device_pending(&scene.device, 0), "event after unwatch");
}

/* Pages that reclaim takes are told from pages that a truncate takes. */
static void test_reclaim_hint(enum filesystem fs)
{
	struct rdmareg_report report;
	struct scene scene;

	scene_make(&scene, fs);
	TRY(madvise(scene.map, FILE_BYTES, MADV_PAGEOUT));
	if (collect(&scene.device, scene.slot, &report))
		skip("nothing was reclaimed");
	CHECK(report.causes & RDMAREG_CAUSE_CLEAR && report.causes & RDMAREG_CAUSE_RECLAIM,
	      "causes %#x", report.causes);
	TRY(ftruncate(scene.file.fd, 0));
	if (!collect(&scene.device, scene.slot, &report))
		CHECK(!(report.causes & RDMAREG_CAUSE_RECLAIM), "truncate looks like reclaim");
}

/*
 * Only the part of a larger event that lies in the watch counts, in bytes from its start; watches
 * may overlap.
 */
static void test_clipping(enum filesystem fs)
{
	struct rdmareg_report report;
	struct scene scene;
	uint32_t inner;

	scene_make(&scene, fs);
	CHECK(!watch_range(&scene.device, scene.map + 10 * PAGE, 10 * PAGE, 2, &inner), "watch");
	TRY(mprotect(scene.map + 15 * PAGE, 30 * PAGE, PROT_READ));
	expect_event(&scene, "outer", RDMAREG_CAUSE_PROTECT, RDMAREG_CAUSE_SELF, 15, 45);
	CHECK(!collect(&scene.device, RDMAREG_SLOT_ANY, &report) && report.slot == inner &&
		      report.cookie == 2,
	      "inner watch");
	CHECK(report.start == 5 * PAGE && report.end == 10 * PAGE, "%llu to %llu", report.start,
	      report.end);
	TRY(mprotect(scene.map + 20 * PAGE, PAGE, PROT_NONE));
	CHECK(collect(&scene.device, inner, &report) == -EAGAIN, "event next to the watch");
}

/* Slots are collected in the order in which they became pending. */
static void test_order(enum filesystem fs)
{
	static const unsigned int order[] = { 3, 0, 2, 1 };
	struct rdmareg_report report;
	struct scene scene;
	uint32_t slots[4];

	scene_make(&scene, fs);
	CHECK(!unwatch(&scene.device, scene.slot), "unwatch");
	for (unsigned int i = 0; i < 4; i++)
		CHECK(!watch_range(&scene.device, scene.map + i * PAGE, PAGE, i, &slots[i]),
		      "watch");
	for (unsigned int i = 0; i < 4; i++)
		TRY(mprotect(scene.map + order[i] * PAGE, PAGE, PROT_READ));
	TRY(mprotect(scene.map + 3 * PAGE, PAGE, PROT_NONE));
	CHECK(!collect(&scene.device, slots[0], &report), "one out of turn");
	for (unsigned int i = 0; i < 4; i++) {
		if (order[i] == 0)
			continue;
		CHECK(!collect(&scene.device, RDMAREG_SLOT_ANY, &report) &&
			      report.cookie == order[i],
		      "%u", i);
		CHECK(report.other_count == (order[i] == 3 ? 2 : 1), "%u: count %llu", i,
		      report.other_count);
	}
	CHECK(collect(&scene.device, RDMAREG_SLOT_ANY, &report) == -EAGAIN, "more than there was");
}

const struct test range_tests[] = {
	{ "range-truncate", test_truncate, ON_FILES },
	{ "range-punch", test_punch, ON_FILES },
	{ "range-writeback", test_writeback, ON(EXT4) | ON_XFS },
	{ "range-mapping-changes", test_mapping_changes, ON_FILES },
	{ "range-reclaim-hint", test_reclaim_hint, ON(EXT4) | ON(XFS) },
	{ "range-clipping", test_clipping, ON_FILES },
	{ "range-order", test_order, ON_FILES },
	{ 0 },
};
