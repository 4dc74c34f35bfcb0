// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmod-selftest-layout.c - layout watches: whoever wants a file's blocks waits for RELEASE, for the
 * deadline, or for the end of the watcher, whichever comes first, and never longer; harmless
 * breakers do not wait at all.
 *
 * "Waits" is shown by order, not by duration: the breaker's end is not before the release was
 * begun.
 */
#include "kmod-selftest.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_MS 15000u
#define SHORT_MS 500u
/* a wait for a deadline that takes this much longer has not ended by the deadline */
#define SLACK_MS 5000u

/* One file with a layout watch. */
struct scene {
	struct device device;
	struct file file;
	uint32_t slot;
};

static void scene_make(struct scene *scene, enum filesystem fs, uint32_t deadline_ms)
{
	int r;

	device_open(&scene->device);
	file_make(&scene->file, fs);
	r = watch_layout(&scene->device, scene->file.fd, deadline_ms, 77, &scene->slot);
	CHECK(!r, "watch: %s", strerror(-r));
	CHECK(layout_armed(&scene->device, scene->slot), "not armed");
}

/* --- what breaks */

static int do_truncate(void *argument)
{
	return truncate(((struct file *)argument)->path, 64 * PAGE);
}

static int do_ftruncate(void *argument)
{
	return ftruncate(((struct file *)argument)->fd, 32 * PAGE);
}

static int do_open_truncate(void *argument)
{
	return open(((struct file *)argument)->path, O_WRONLY | O_TRUNC | O_CLOEXEC) < 0 ? -1 : 0;
}

static int do_punch(void *argument)
{
	return fallocate(((struct file *)argument)->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 0, 4 * PAGE);
}

static int do_clone_in(void *argument)
{
	const struct file *file = argument;
	char path[300];
	int copy, r;

	snprintf(path, sizeof(path), "%s.copy", file->path);
	copy = TRY(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	r = ioctl(file->fd, FICLONE, copy);
	if (r < 0)
		r = -errno;
	unlink(path);
	return r;
}

static int do_copy_file_range(void *argument)
{
	const struct file *file = argument;
	off_t from = 0, to = 64 * PAGE;

	return copy_file_range(file->fd, &from, file->fd, &to, 4 * PAGE, 0) > 0 ? 0 : -1;
}

static const struct {
	const char *name;
	int (*run)(void *);
	enum rdmareg_operation operation;
} breakers[] = {
	{ "truncate", do_truncate, RDMAREG_OP_TRUNCATE },
	{ "ftruncate", do_ftruncate, RDMAREG_OP_TRUNCATE },
	{ "fallocate", do_punch, RDMAREG_OP_FALLOCATE },
	{ "FICLONE", do_clone_in, RDMAREG_OP_CLONE },
	{ "copy_file_range", do_copy_file_range, RDMAREG_OP_CLONE },
	{ "O_TRUNC", do_open_truncate, RDMAREG_OP_OPEN },
};

/* Waits for the break, looks at the report, gives back, waits for the breaker. */
static void settle(struct scene *scene, struct child *child, uint32_t break_id, const char *name,
		   int operation)
{
	struct rdmareg_report report =
		wait_layout(&scene->device, scene->slot, RDMAREG_LAYOUT_BREAKING);
	struct outcome outcome;
	uint64_t released;

	CHECK(child_running(child), "%s: did not wait", name);
	CHECK(report.break_id == break_id, "%s: break %u, expected %u", name, report.break_id,
	      break_id);
	CHECK((int)report.operation == operation, "%s: operation %u, expected %d", name,
	      report.operation, operation);
	CHECK(report.breaker_pid == (uint32_t)child->pid, "%s: breaker %u, is %d", name,
	      report.breaker_pid, child->pid);
	CHECK(report.deadline_nsec > now_nsec(), "%s: deadline in the past", name);
	CHECK(report.cookie == 77 && report.flags == RDMAREG_FLAG_UNWINDING, "%s: report", name);
	CHECK(rearm(&scene->device, scene->slot, LONG_MS) == -EBUSY, "%s: re-armed while breaking",
	      name);
	CHECK(release(&scene->device, scene->slot, break_id + 1) == -ESTALE,
	      "%s: released a break to come", name);
	CHECK(release(&scene->device, scene->slot, break_id - 1) == -ESTALE,
	      "%s: released an old break", name);
	CHECK(child_running(child), "%s: did not wait", name);

	released = now_nsec();
	CHECK(!release(&scene->device, scene->slot, break_id), "%s: release", name);
	CHECK(!release(&scene->device, scene->slot, break_id), "%s: released twice", name);
	outcome = child_wait(child);
	CHECK(outcome.end_nsec > released, "%s: over before the release", name);
	CHECK(outcome.end_nsec < report.deadline_nsec, "%s: waited for the deadline", name);
	wait_unwound(&scene->device, scene->slot);
	CHECK(outcome.result == 0 || outcome.result == -EOPNOTSUPP, "%s: failed", name);
}

/*
 * Every kind of breaker waits for the release and is named rightly; after it the watch can be armed
 * again.
 */
static void test_breakers(enum filesystem fs)
{
	struct scene scene;
	struct child child;
	int r;

	scene_make(&scene, fs, LONG_MS);
	CHECK(rearm(&scene.device, scene.slot, LONG_MS) == -EBUSY, "re-armed while armed");
	CHECK(release(&scene.device, scene.slot, 0) == -ESTALE, "released without a break");
	for (uint32_t i = 0; i < sizeof(breakers) / sizeof(breakers[0]); i++) {
		child_start(&child, breakers[i].run, &scene.file);
		settle(&scene, &child, i + 1, breakers[i].name, breakers[i].operation);
		r = rearm(&scene.device, scene.slot, LONG_MS);
		CHECK(!r, "%s: rearm: %s", breakers[i].name, strerror(-r));
		CHECK(release(&scene.device, scene.slot, i + 1) == -ESTALE,
		      "released an old break");
	}
}

/* --- what does not */

static int do_writes(void *argument)
{
	static char data[2 * PAGE];
	const struct file *file = argument;
	struct iovec vector = { data, sizeof(data) };
	int pipes[2], other = TRY(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
	off_t offset = FILE_BYTES;

	TRY(lseek(file->fd, 0, SEEK_SET));
	TRY(write(file->fd, data, sizeof(data)));
	TRY(pwrite(file->fd, data, sizeof(data), FILE_BYTES));
	TRY(writev(file->fd, &vector, 1));
	TRY(pwritev(file->fd, &vector, 1, 0));
	TRY(pwritev2(file->fd, &vector, 1, 0, RWF_DSYNC));
	TRY(sendfile(file->fd, other, NULL, PAGE));
	TRY(pipe(pipes));
	TRY(write(pipes[1], data, PAGE));
	TRY(splice(pipes[0], NULL, file->fd, &offset, PAGE, 0));
	TRY(fsync(file->fd));
	TRY(read(file->fd, data, 1));
	TRY(fchmod(file->fd, 0644));
	TRY(open(file->path, O_RDWR | O_CLOEXEC));
	return 0;
}

static void test_writes_pass(enum filesystem fs)
{
	struct scene scene;
	struct child child;

	scene_make(&scene, fs, LONG_MS);
	child_start(&child, do_writes, &scene.file);
	child_wait(&child);
	CHECK(!device_pending(&scene.device, 0), "a write was a break");
	CHECK(layout_armed(&scene.device, scene.slot), "not armed any more");
}

/* Writes pass too while somebody else waits. */
static void test_writes_pass_during_break(enum filesystem fs)
{
	struct scene scene;
	struct child breaker, writer;

	scene_make(&scene, fs, LONG_MS);
	child_start(&breaker, do_truncate, &scene.file);
	wait_layout(&scene.device, scene.slot, RDMAREG_LAYOUT_BREAKING);
	child_start(&writer, do_writes, &scene.file);
	child_wait(&writer);
	CHECK(child_running(&breaker), "the writes have ended the break");
	CHECK(!release(&scene.device, scene.slot, 1), "release");
	child_wait(&breaker);
}

static void test_own_operations_pass(enum filesystem fs)
{
	struct scene scene;

	scene_make(&scene, fs, LONG_MS);
	TRY(do_writes(&scene.file));
	for (unsigned int i = 0; i < sizeof(breakers) / sizeof(breakers[0]); i++)
		breakers[i].run(&scene.file);
	CHECK(!device_pending(&scene.device, 0), "an operation of our own was a break");
	CHECK(layout_armed(&scene.device, scene.slot), "not armed any more");
}

/* --- who ends the wait */

static void check_deadline(const struct outcome *outcome, uint64_t begin_nsec, uint32_t deadline_ms)
{
	uint64_t waited_ms = (outcome->end_nsec - begin_nsec) / MS;

	CHECK(waited_ms >= deadline_ms, "over after %llu ms, before the deadline",
	      (unsigned long long)waited_ms);
	CHECK(waited_ms < deadline_ms + SLACK_MS, "over only after %llu ms",
	      (unsigned long long)waited_ms);
}

static void test_deadline(enum filesystem fs)
{
	struct rdmareg_report report;
	struct outcome outcome;
	struct scene scene;
	struct child child;

	scene_make(&scene, fs, SHORT_MS);
	child_start(&child, do_truncate, &scene.file);
	outcome = child_wait(&child);
	check_deadline(&outcome, outcome.begin_nsec, SHORT_MS);
	report = wait_layout(&scene.device, scene.slot, RDMAREG_LAYOUT_EXPIRED);
	CHECK(report.break_id == 1 && report.operation == RDMAREG_OP_TRUNCATE &&
		      !report.deadline_nsec,
	      "report");
	CHECK(!release(&scene.device, scene.slot, 1), "a release that comes too late is an error");
	if (report.flags & RDMAREG_FLAG_UNWINDING)
		wait_unwound(&scene.device, scene.slot);
	CHECK(!rearm(&scene.device, scene.slot, LONG_MS), "rearm");
	child_start(&child, do_ftruncate, &scene.file);
	settle(&scene, &child, 2, "ftruncate", RDMAREG_OP_TRUNCATE);
}

/* A watcher in a process of its own, for those who stop or kill it. */
struct watcher {
	struct file file;
	uint32_t deadline_ms;
	int ready;  /* pipe: told when the watch is armed */
	pid_t heir; /* a child of it that holds the device open too */
};

static int watch_for_ever(void *argument)
{
	struct watcher *watcher = argument;
	struct device device;
	uint32_t slot;

	device_open(&device);
	CHECK(!watch_layout(&device, watcher->file.fd, watcher->deadline_ms, 0, &slot), "watch");
	if (watcher->heir && !fork()) {
		TRY(write(watcher->ready, "r", 1));
		for (;;)
			pause();
	}
	if (!watcher->heir)
		TRY(write(watcher->ready, "r", 1));
	CHECK(device_pending(&device, -1), "poll");
	TRY(write(watcher->ready, "b", 1));
	for (;;)
		pause();
}

static void watcher_start(struct watcher *watcher, struct child *child, enum filesystem fs,
			  uint32_t deadline_ms, int *ret_pipe)
{
	int pipes[2];
	char byte = 0;

	file_make(&watcher->file, fs);
	watcher->deadline_ms = deadline_ms;
	TRY(pipe(pipes));
	watcher->ready = pipes[1];
	child_start(child, watch_for_ever, watcher);
	close(pipes[1]); /* else nobody would notice that the watcher has failed */
	if (read(pipes[0], &byte, 1) != 1)
		child_wait(child);
	CHECK(byte == 'r', "the watcher is not ready");
	*ret_pipe = pipes[0];
}

static void test_stopped_watcher(enum filesystem fs)
{
	struct watcher watcher = { 0 };
	struct child child, breaker;
	struct outcome outcome;
	int pipe, status;

	watcher_start(&watcher, &child, fs, SHORT_MS, &pipe);
	TRY(kill(child.pid, SIGSTOP));
	TRY(waitpid(child.pid, &status, WUNTRACED));
	CHECK(WIFSTOPPED(status), "not stopped");
	child_start(&breaker, do_truncate, &watcher.file);
	outcome = child_wait(&breaker);
	check_deadline(&outcome, outcome.begin_nsec, SHORT_MS);
}

/* Kills the watcher in the middle of a break: the breaker must not wait for the deadline. */
static void kill_watcher(enum filesystem fs, bool with_heir)
{
	struct watcher watcher = { .heir = with_heir };
	struct child child, breaker;
	struct outcome outcome;
	uint64_t killed;
	char byte;
	int pipe;

	watcher_start(&watcher, &child, fs, LONG_MS, &pipe);
	child_start(&breaker, do_truncate, &watcher.file);
	CHECK(read(pipe, &byte, 1) == 1 && byte == 'b', "no break");
	CHECK(child_running(&breaker), "did not wait");
	killed = now_nsec();
	TRY(kill(child.pid, SIGKILL));
	outcome = child_wait(&breaker);
	CHECK(outcome.end_nsec > killed, "did not wait");
	CHECK(outcome.end_nsec < outcome.begin_nsec + LONG_MS * MS, "waited for the deadline");
}

static void test_killed_watcher(enum filesystem fs)
{
	kill_watcher(fs, false);
}

/* The same when somebody else still has the device open: the watch belongs to the address space. */
static void test_killed_watcher_with_heir(enum filesystem fs)
{
	kill_watcher(fs, true);
}

static int close_and_truncate(void *argument)
{
	struct scene *scene = argument;

	TRY(close(scene->device.fd)); /* inherited */
	return do_truncate(&scene->file);
}

/* Closing the device, and removing the watch, in the middle of a break. */
static void give_up(enum filesystem fs, bool close_device)
{
	struct outcome outcome;
	struct scene scene;
	struct child child;
	uint64_t given_up;

	scene_make(&scene, fs, LONG_MS);
	child_start(&child, close_and_truncate, &scene);
	wait_layout(&scene.device, scene.slot, RDMAREG_LAYOUT_BREAKING);
	given_up = now_nsec();
	if (close_device) {
		TRY(close(scene.device.fd));
	} else {
		CHECK(!unwatch(&scene.device, scene.slot), "unwatch");
		CHECK(!device_pending(&scene.device, 0), "event after unwatch");
	}
	outcome = child_wait(&child);
	CHECK(outcome.end_nsec > given_up, "did not wait");
	CHECK(outcome.end_nsec < outcome.begin_nsec + LONG_MS * MS, "waited for the deadline");
}

static void test_close_during_break(enum filesystem fs)
{
	give_up(fs, true);
}

static void test_unwatch_during_break(enum filesystem fs)
{
	give_up(fs, false);
}

const struct test layout_tests[] = {
	{ "layout-breakers", test_breakers, ON_XFS },
	{ "layout-writes-pass", test_writes_pass, ON_XFS },
	{ "layout-writes-pass-during-break", test_writes_pass_during_break, ON_XFS },
	{ "layout-own-operations-pass", test_own_operations_pass, ON_XFS },
	{ "layout-deadline", test_deadline, ON_XFS },
	{ "layout-stopped-watcher", test_stopped_watcher, ON_XFS },
	{ "layout-killed-watcher", test_killed_watcher, ON_XFS },
	{ "layout-killed-watcher-with-heir", test_killed_watcher_with_heir, ON_XFS },
	{ "layout-close-during-break", test_close_during_break, ON_XFS },
	{ "layout-unwatch-during-break", test_unwatch_during_break, ON_XFS },
	{ 0 },
};
