// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmod-selftest-pace.c - writebacks that need not be told at once (RDMAREG_PACE): they wake nobody
 * more often than was asked for, everything else still does at once, and none is lost.
 */
#include "kmod-selftest.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define ON_DISKS (ON(EXT4) | ON_XFS)
#define SHORT_MS 20u
#define LOOPS 500u
#define THREADS 4u
#define PAGES 64u

struct scene {
	struct device device;
	struct file file;
	char *map;
	uint32_t slot;
};

static int pace(const struct device *device, uint32_t slot, uint32_t interval_ms, uint64_t grain)
{
	struct rdmareg_pace request = { .slot = slot, .interval_ms = interval_ms, .grain = grain };

	return device_ioctl(device, RDMAREG_PACE, &request);
}

static void scene_make(struct scene *scene, enum filesystem fs)
{
	struct rdmareg_report report;

	device_open(&scene->device);
	file_make(&scene->file, fs);
	scene->map = file_map(&scene->file);
	/* the first writes to a page of a DAX file may be events of their own */
	memset(scene->map, 1, FILE_BYTES);
	TRY(msync(scene->map, FILE_BYTES, MS_SYNC));
	CHECK(!watch_range(&scene->device, scene->map, FILE_BYTES, 7, &scene->slot), "watch");
	while (!collect(&scene->device, scene->slot, &report))
		;
}

static void write_back(const struct scene *scene, unsigned int first, unsigned int count)
{
	memset(scene->map + first * PAGE, 2, count * PAGE);
	TRY(msync(scene->map + first * PAGE, count * PAGE, MS_SYNC));
}

static uint64_t counted(const struct device *device, uint32_t slot, uint32_t cause)
{
	struct rdmareg_counters c = { .slot = slot };

	CHECK(!device_ioctl(device, RDMAREG_COUNTERS, &c), "COUNTERS");
	return c.causes[__builtin_ctz(cause)];
}

static void test_bad_pace(enum filesystem fs)
{
	struct scene scene;
	uint32_t layout;

	scene_make(&scene, fs);
	CHECK(!watch_layout(&scene.device, scene.file.fd, 1000, 1, &layout), "watch");
	CHECK(!pace(&scene.device, scene.slot, RDMAREG_MAX_PACE_MS, 2u << 20), "the most");
	CHECK(!pace(&scene.device, scene.slot, 0, 0), "none");
	CHECK(pace(&scene.device, scene.slot, RDMAREG_MAX_PACE_MS + 1, 0) == -EINVAL, "too long");
	CHECK(pace(&scene.device, scene.slot, 1, PAGE / 2) == -EINVAL, "less than a page");
	CHECK(pace(&scene.device, scene.slot, 1, 3 * PAGE) == -EINVAL, "no power of two");
	CHECK(pace(&scene.device, layout, 1, 0) == -ENOENT, "layout watch");
	CHECK(pace(&scene.device, 999, 1, 0) == -ENOENT, "free slot");
	CHECK(pace(&scene.device, RDMAREG_SLOT_ANY, 1, 0) == -ENOENT, "no such slot");
	CHECK(device_ioctl(&scene.device, RDMAREG_PACE, NULL) == -EFAULT, "bad pointer");
}

static void test_waits(enum filesystem fs)
{
	struct rdmareg_report report;
	struct scene scene;
	uint64_t writebacks;

	scene_make(&scene, fs);
	CHECK(!pace(&scene.device, scene.slot, RDMAREG_MAX_PACE_MS, 0), "pace");
	write_back(&scene, 8, 4);
	write_back(&scene, 12, 4);
	writebacks = counted(&scene.device, scene.slot, RDMAREG_CAUSE_WRITEBACK);
	CHECK(writebacks, "not counted when it happens");
	CHECK(!device_pending(&scene.device, 0), "told at once");
	CHECK(collect(&scene.device, RDMAREG_SLOT_ANY, &report) == -EAGAIN, "collected");
	CHECK(!collect(&scene.device, scene.slot, &report), "this very slot is not collected");
	CHECK(report.writeback_count == writebacks, "counts");
	CHECK(report.start <= 8 * PAGE && report.end >= 16 * PAGE, "%llu to %llu", report.start,
	      report.end);
	CHECK(report.covered && report.covered <= report.end - report.start, "%llu certain",
	      report.covered);
	CHECK(collect(&scene.device, scene.slot, &report) == -EAGAIN, "twice");

	CHECK(!pace(&scene.device, scene.slot, SHORT_MS, 0), "pace");
	write_back(&scene, 8, 1);
	CHECK(device_pending(&scene.device, PATIENCE_MS), "never told");
	CHECK(!collect(&scene.device, RDMAREG_SLOT_ANY, &report) && report.writeback_count,
	      "not collected");

	/* what waits goes with its watch */
	write_back(&scene, 8, 1);
	CHECK(!unwatch(&scene.device, scene.slot), "unwatch");
	CHECK(!device_pending(&scene.device, 0), "pending after unwatch");
}

static void test_others_at_once(enum filesystem fs)
{
	struct rdmareg_report report;
	struct scene scene;
	uint64_t writebacks = 0;
	bool cleared = false;

	scene_make(&scene, fs);
	CHECK(!pace(&scene.device, scene.slot, RDMAREG_MAX_PACE_MS, 0), "pace");
	write_back(&scene, 8, 4);
	TRY(fallocate(scene.file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 64 * PAGE,
		      4 * PAGE));
	CHECK(device_pending(&scene.device, 0), "a removal has to wait");
	while (!collect(&scene.device, RDMAREG_SLOT_ANY, &report)) {
		cleared = cleared || report.clear_count;
		CHECK(cleared, "the removal is not the first");
		writebacks += report.writeback_count;
	}
	CHECK(writebacks == counted(&scene.device, scene.slot, RDMAREG_CAUSE_WRITEBACK),
	      "what waited does not come with it");
	CHECK(!device_pending(&scene.device, 0), "pending");
}

struct listener {
	const struct device *device;
	pthread_t thread;
	bool stop;
	uint64_t wakes, reported;
};

static void *listen_to(void *argument)
{
	struct listener *l = argument;
	struct rdmareg_report report;

	while (!__atomic_load_n(&l->stop, __ATOMIC_ACQUIRE)) {
		if (!device_pending(l->device, 50))
			continue;
		l->wakes++;
		while (!collect(l->device, RDMAREG_SLOT_ANY, &report))
			l->reported += report.writeback_count;
	}
	return NULL;
}

/* How often a process is woken while it is written back all the time, and what it hears in all. */
static struct listener write_back_all_the_time(struct scene *scene, uint64_t *ret_nsec)
{
	struct listener l = { .device = &scene->device };
	struct rdmareg_report report;
	uint64_t begin;

	CHECK(!pthread_create(&l.thread, NULL, listen_to, &l), "thread");
	begin = now_nsec();
	for (unsigned int i = 0; i < LOOPS; i++)
		write_back(scene, i % 16, 1);
	*ret_nsec = now_nsec() - begin;
	__atomic_store_n(&l.stop, true, __ATOMIC_RELEASE);
	pthread_join(l.thread, NULL);
	while (!collect(&scene->device, scene->slot, &report))
		l.reported += report.writeback_count;
	CHECK(l.reported == counted(&scene->device, scene->slot, RDMAREG_CAUSE_WRITEBACK),
	      "%llu reported", (unsigned long long)l.reported);
	return l;
}

static void test_wakes(enum filesystem fs)
{
	struct listener paced, unheard;
	struct scene scene;
	uint64_t nsec, unheard_nsec, before;

	scene_make(&scene, fs);
	CHECK(!pace(&scene.device, scene.slot, SHORT_MS, 2u << 20), "pace");
	paced = write_back_all_the_time(&scene, &nsec);
	CHECK(paced.wakes <= nsec / (SHORT_MS * MS) + 1, "woken %llu times in %llu ms",
	      (unsigned long long)paced.wakes, (unsigned long long)(nsec / MS));
	before = paced.reported;
	CHECK(!unwatch(&scene.device, scene.slot) &&
		      !watch_range(&scene.device, scene.map, FILE_BYTES, 7, &scene.slot) &&
		      !pace(&scene.device, scene.slot, RDMAREG_MAX_PACE_MS, 0),
	      "watch");
	unheard = write_back_all_the_time(&scene, &unheard_nsec);
	CHECK(unheard.wakes <= unheard_nsec / (RDMAREG_MAX_PACE_MS * MS) + 1, "woken %llu times",
	      (unsigned long long)unheard.wakes);
	printf("# pace/%s: %llu writebacks, woken %llu times at %u ms; %llu, %llu times at %u ms\n",
	       filesystem_names[fs], (unsigned long long)before, (unsigned long long)paced.wakes,
	       SHORT_MS, (unsigned long long)unheard.reported, (unsigned long long)unheard.wakes,
	       RDMAREG_MAX_PACE_MS);
	fflush(stdout);
}

struct storm {
	struct scene scene;
	unsigned int next, finished;
	uint32_t slots[PAGES];
};

static void *storm_thread(void *argument)
{
	struct storm *storm = argument;
	unsigned int own = PAGES / THREADS,
		     first = __atomic_fetch_add(&storm->next, own, __ATOMIC_RELAXED);

	for (unsigned int i = 0; i < LOOPS; i++) {
		if (i % 16 == 15)
			TRY(fallocate(storm->scene.file.fd,
				      FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				      (off_t)(first + i % own) * PAGE, PAGE));
		else
			write_back(&storm->scene, first + i % own, 1);
	}
	__atomic_fetch_add(&storm->finished, 1, __ATOMIC_RELEASE);
	return NULL;
}

static uint64_t events(const struct device *device, uint32_t slot)
{
	return counted(device, slot, RDMAREG_CAUSE_WRITEBACK) +
	       counted(device, slot, RDMAREG_CAUSE_CLEAR);
}

/*
 * Watches of different paces, writebacks and removals from several threads: what the reports say in
 * the end is what RDMAREG_COUNTERS counted, with nobody asking for a slot by its number.
 */
static void test_storm(enum filesystem fs)
{
	static struct storm storm;
	const struct device *device = &storm.scene.device;
	uint64_t reported[PAGES] = { 0 }, all = 0, in_pages = 0, expected = UINT64_MAX, reports = 0;
	struct rdmareg_report report;
	pthread_t threads[THREADS];

	scene_make(&storm.scene, fs);
	for (uint32_t i = 0; i < PAGES; i++) {
		CHECK(!watch_range(device, storm.scene.map + i * PAGE, PAGE, 100 + i,
				   &storm.slots[i]),
		      "watch");
		CHECK(!pace(device, storm.slots[i], i % 4 * SHORT_MS, 0), "pace");
	}
	CHECK(!pace(device, storm.scene.slot, SHORT_MS, 4 * PAGE), "pace");
	for (unsigned int i = 0; i < THREADS; i++)
		CHECK(!pthread_create(&threads[i], NULL, storm_thread, &storm), "thread");
	while (all + in_pages < expected) {
		if (expected == UINT64_MAX &&
		    __atomic_load_n(&storm.finished, __ATOMIC_ACQUIRE) == THREADS) {
			expected = events(device, storm.scene.slot);
			for (uint32_t i = 0; i < PAGES; i++)
				expected += events(device, storm.slots[i]);
			continue;
		}
		if (!device_pending(device, expected == UINT64_MAX ? 50 : PATIENCE_MS)) {
			CHECK(expected == UINT64_MAX, "%llu events were never told",
			      (unsigned long long)(expected - all - in_pages));
			continue;
		}
		if (collect(device, RDMAREG_SLOT_ANY, &report))
			continue;
		if (report.cookie >= 100) {
			reported[report.cookie - 100] +=
				report.writeback_count + report.clear_count;
			in_pages += report.writeback_count + report.clear_count;
			continue;
		}
		all += report.writeback_count + report.clear_count;
		reports++;
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (uint32_t i = 0; i < PAGES; i++)
		CHECK(reported[i] == events(device, storm.slots[i]), "page %u: %llu reported", i,
		      (unsigned long long)reported[i]);
	CHECK(all == events(device, storm.scene.slot), "%llu reported in all",
	      (unsigned long long)all);
	CHECK(reports < all, "%llu reports of %llu events: nothing has folded",
	      (unsigned long long)reports, (unsigned long long)all);
}

const struct test pace_tests[] = {
	{ "pace-bad-arguments", test_bad_pace, ON(XFS) },
	{ "pace-waits", test_waits, ON_DISKS },
	{ "pace-others-at-once", test_others_at_once, ON_DISKS },
	{ "pace-wakes", test_wakes, ON_DISKS },
	{ "pace-storm", test_storm, ON_DISKS },
	{ 0 },
};
