// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmod-selftest-memory.c - each call of the kernel that a request makes and that needs memory fails
 * once in turn: the request fails with an error that rdmareg-uapi.h names, nothing of it is left,
 * and the next one is as usual.
 *
 * rdmareg-fail-calls.ko makes them fail (tests/lab/fail-calls).
 */
#include "kmod-selftest.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define LONG_MS 15000u
#define MOST 2000 /* a request that has so many does not end */

/* What a request is about: one file with a range watch and, for some, a layout watch. */
struct scene {
	struct device device;
	struct file file;
	char *map;
	uint32_t range, layout;
};

/* Where the number of the call that fails is written. What is read back has 0 first if it failed. */
static int fail_nth;

static void prepare(void)
{
	fail_nth = open("/sys/module/rdmareg_fail_calls/parameters/nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0)
		skip("rdmareg-fail-calls.ko is not loaded");
}

/* Runs it with its call number @n failing. False: it has fewer. */
static bool with_failure(unsigned int n, int (*request)(struct scene *), struct scene *scene,
			 int *ret_result)
{
	char text[16];
	ssize_t got;

	snprintf(text, sizeof(text), "%u", n);
	TRY(pwrite(fail_nth, text, strlen(text), 0));
	*ret_result = request(scene);
	got = TRY(pread(fail_nth, text, sizeof(text), 0));
	TRY(pwrite(fail_nth, "0", 1, 0));
	return got > 0 && text[0] == '0';
}

/* A request, how it is undone, and what it may say. */
struct step {
	const char *name;
	int (*request)(struct scene *scene);
	void (*undo)(struct scene *scene);
	int errors[2];
};

static bool is_told(const struct step *step, int error)
{
	for (size_t i = 0; i < 2; i++)
		if (error && step->errors[i] == error)
			return true;
	return false;
}

static void fail_each(const struct step *step, struct scene *scene)
{
	const uint64_t openers = total("openers"), ranges = total("ranges"),
		       layouts = total("layouts");
	unsigned int failed = 0;
	bool injected = true;
	int r;

	for (unsigned int n = 1; injected; n++) {
		CHECK(n < MOST, "%s does not end", step->name);
		injected = with_failure(n, step->request, scene, &r);
		if (r >= 0) {
			step->undo(scene);
		} else {
			CHECK(injected, "%s: %s without a failure", step->name, strerror(-r));
			CHECK(is_told(step, -r), "%s: %s at failure %u", step->name,
			      strerrorname_np(-r), n);
			failed++;
		}
		CHECK(total("openers") == openers && total("ranges") == ranges &&
			      total("layouts") == layouts,
		      "%s: something is left of failure %u", step->name, n);
	}
	CHECK(failed, "%s: nothing failed", step->name);
	dprintf(1, "# %s: %u calls failed, each once\n", step->name, failed);
}

/* --- the requests */

static int opened = -1;

static int do_open(struct scene *scene)
{
	(void)scene;
	opened = open(RDMAREG_DEVICE, O_RDWR | O_CLOEXEC);
	return opened < 0 ? -errno : 0;
}

static void undo_open(struct scene *scene)
{
	(void)scene;
	close(opened);
}

static int do_range(struct scene *scene)
{
	return watch_range(&scene->device, scene->map, FILE_BYTES, 1, &scene->range);
}

static void undo_range(struct scene *scene)
{
	CHECK(!unwatch(&scene->device, scene->range), "cannot unwatch");
}

static int do_layout(struct scene *scene)
{
	return try_watch_layout(&scene->device, scene->file.fd, LONG_MS, 2, &scene->layout);
}

static void undo_layout(struct scene *scene)
{
	CHECK(!unwatch(&scene->device, scene->layout), "cannot unwatch");
}

static int punch(void *argument)
{
	return fallocate(((struct file *)argument)->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 0, PAGE);
}

/* Broken and given back, and the breaker is gone: it can be armed again. */
static void break_layout(struct scene *scene)
{
	struct rdmareg_report report;
	struct child child;

	child_start(&child, punch, &scene->file);
	report = wait_layout(&scene->device, scene->layout, RDMAREG_LAYOUT_BREAKING);
	CHECK(!release(&scene->device, scene->layout, report.break_id), "cannot release");
	CHECK(!child_wait(&child).result, "the breaker failed");
	wait_unwound(&scene->device, scene->layout);
}

static int do_rearm(struct scene *scene)
{
	return rearm(&scene->device, scene->layout, LONG_MS);
}

/* --- the tests */

static int open_each(void *argument)
{
	static const struct step step = { "open", do_open, undo_open, { ENOMEM } };

	(void)argument;
	prepare(); /* it is about the calls of this process */
	fail_each(&step, NULL);
	return 0;
}

static bool unused(void *argument)
{
	(void)argument;
	return users() == 0;
}

static void test_memory(enum filesystem fs)
{
	static const struct step watching = { "WATCH_RANGE", do_range, undo_range, { ENOMEM } },
				 leasing = { "WATCH_LAYOUT",
					     do_layout,
					     undo_layout,
					     { ENOMEM, ENFILE } },
				 arming = { "REARM", do_rearm, break_layout, { ENOMEM, ENFILE } };
	struct scene scene = { 0 };
	struct child child;

	prepare();
	/* an address space that was never watched before */
	child_start(&child, open_each, NULL);
	CHECK(!child_wait(&child).result, "open");
	device_open(&scene.device);
	file_make(&scene.file, fs);
	scene.map = file_map(&scene.file);
	fail_each(&watching, &scene);
	fail_each(&leasing, &scene);
	CHECK(!do_layout(&scene), "layout");
	break_layout(&scene);
	fail_each(&arming, &scene);
	close(scene.device.fd);
	wait_until(unused, NULL, "nobody uses the module");
}

const struct test memory_tests[] = {
	{ "memory", test_memory, ON_XFS },
	{ 0 },
};
