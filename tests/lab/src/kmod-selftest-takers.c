// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * kmod-selftest-takers.c - who takes blocks and who does not, where the system call alone does not
 * say it: writes by kernel threads, by io_uring and by 32-bit programs, and reflinks out of the
 * file. What always holds: what takes nothing is no break, and the same program is met as soon as
 * it takes something.
 */
#include "kmod-selftest.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONG_MS 15000u

/* One file with a layout watch. */
struct scene {
	struct device device;
	struct file file;
	uint32_t slot;
};

static void scene_make(struct scene *scene, enum filesystem fs)
{
	device_open(&scene->device);
	file_make(&scene->file, fs);
	CHECK(!watch_layout(&scene->device, scene->file.fd, LONG_MS, 0, &scene->slot),
	      "cannot watch");
}

/* Runs @run in another process: it is over without a break. */
static void expect_pass(struct scene *scene, const char *what, int (*run)(void *), void *argument)
{
	struct child child;
	struct outcome outcome;

	child_start(&child, run, argument);
	outcome = child_wait(&child);
	CHECK(!outcome.result, "%s: %s", what, strerror(-outcome.result));
	CHECK(layout_armed(&scene->device, scene->slot), "%s was a break", what);
}

/*
 * Runs @run in another process: it waits until the blocks are given back. The watch is armed again.
 */
static void expect_break(struct scene *scene, const char *what, int (*run)(void *), void *argument)
{
	struct rdmareg_report report;
	struct outcome outcome;
	struct child child;
	uint64_t released;

	child_start(&child, run, argument);
	report = wait_layout(&scene->device, scene->slot, RDMAREG_LAYOUT_BREAKING);
	CHECK(child_running(&child), "%s did not wait", what);
	released = now_nsec();
	CHECK(!release(&scene->device, scene->slot, report.break_id), "release");
	outcome = child_wait(&child);
	CHECK(outcome.end_nsec > released, "%s was over before", what);
	wait_unwound(&scene->device, scene->slot);
	CHECK(!rearm(&scene->device, scene->slot, LONG_MS), "%s: rearm", what);
}

static int copy_open(const struct file *file)
{
	char path[300];
	int fd;

	snprintf(path, sizeof(path), "%s.copy", file->path);
	fd = TRY(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	unlink(path);
	return fd;
}

static int do_clone_out(void *argument)
{
	const struct file *file = argument;
	int copy = copy_open(file);

	return ioctl(copy, FICLONE, file->fd) < 0 ? -errno : 0;
}

static int do_copy_out(void *argument)
{
	const struct file *file = argument;
	int copy = copy_open(file);
	off_t from = 0, to = 0;

	return copy_file_range(file->fd, &from, copy, &to, 4 * PAGE, 0) < 0 ? -errno : 0;
}

/*
 * The descriptor that the call names could be another file by now: a thread could have put it
 * there.
 */
static int do_clone_out_with_thread(void *argument)
{
	add_thread();
	return do_clone_out(argument);
}

static int do_dedupe_out(void *argument)
{
	const struct file *file = argument;
	struct file_dedupe_range *request = calloc(1, sizeof(*request) + sizeof(request->info[0]));
	char page[4 * PAGE];
	int copy = copy_open(file);

	memset(page, 0x11, sizeof(page));
	TRY(pwrite(copy, page, sizeof(page), 0));
	request->src_length = 4 * PAGE;
	request->dest_count = 1;
	request->info[0].dest_fd = copy;
	return ioctl(file->fd, FIDEDUPERANGE, request) < 0 ? -errno : 0;
}

static void test_clone_out(enum filesystem fs)
{
	struct scene scene;

	scene_make(&scene, fs);
	if (fs == XFSDAX) { /* what is shared there is replaced when somebody writes */
		expect_break(&scene, "FICLONE out of a DAX file", do_clone_out, &scene.file);
		return;
	}
	expect_pass(&scene, "FICLONE out of the file", do_clone_out, &scene.file);
	expect_pass(&scene, "copy_file_range out of the file", do_copy_out, &scene.file);
	expect_break(&scene, "FICLONE by a process of two threads", do_clone_out_with_thread,
		     &scene.file);
	expect_break(&scene, "FIDEDUPERANGE", do_dedupe_out, &scene.file);
}

/* --- writes, where the watcher has asked to be asked */

static int do_write(void *argument)
{
	return pwrite(((struct file *)argument)->fd, "x", 1, 0) < 0 ? -errno : 0;
}

static void test_ask_writes(enum filesystem fs)
{
	struct rdmareg_watch_layout watch = { .deadline_ms = LONG_MS, .flags = RDMAREG_ASK_WRITES };
	struct rdmareg_report report;
	struct rdmareg_rearm again;
	struct scene scene;
	struct child child;

	device_open(&scene.device);
	file_make(&scene.file, fs);
	watch.fd = scene.file.fd;
	CHECK(!device_ioctl(&scene.device, RDMAREG_WATCH_LAYOUT, &watch), "watch");
	scene.slot = watch.slot;
	child_start(&child, do_write, &scene.file);
	report = wait_layout(&scene.device, scene.slot, RDMAREG_LAYOUT_BREAKING);
	CHECK(report.operation == RDMAREG_OP_WRITE, "operation %u", report.operation);
	CHECK(child_running(&child), "did not wait");
	CHECK(!release(&scene.device, scene.slot, report.break_id), "release");
	child_wait(&child);
	wait_unwound(&scene.device, scene.slot);

	again = (struct rdmareg_rearm){ .slot = scene.slot, .deadline_ms = LONG_MS };
	CHECK(!device_ioctl(&scene.device, RDMAREG_REARM, &again), "rearm");
	expect_pass(&scene, "a write that need not be asked for any more", do_write, &scene.file);
}

/* --- a kernel thread: the loop device, with the watched file as its image */

static int loop_open(const struct file *file, int *ret_control, int *ret_number)
{
	struct loop_config config = { .fd = (uint32_t)file->fd,
				      .info.lo_flags = LO_FLAGS_DIRECT_IO };
	char path[32];
	int fd;

	if (access("/dev/loop-control", F_OK))
		skip("no loop devices");
	*ret_control = TRY(open("/dev/loop-control", O_RDWR | O_CLOEXEC));
	*ret_number = TRY(ioctl(*ret_control, LOOP_CTL_GET_FREE));
	snprintf(path, sizeof(path), "/dev/loop%d", *ret_number);
	fd = TRY(open(path, O_RDWR | O_CLOEXEC | O_DIRECT));
	TRY(ioctl(fd, LOOP_CONFIGURE, &config));
	return fd;
}

static int do_device_write(void *argument)
{
	int fd = *(int *)argument;
	void *data = aligned_alloc(PAGE, 16 * PAGE);

	for (int i = 0; i < 4; i++)
		TRY(pwrite(fd, data, 16 * PAGE, i * (off_t)(16 * PAGE)));
	TRY(fsync(fd));
	return 0;
}

static int do_device_discard(void *argument)
{
	uint64_t range[2] = { 0, 16 * PAGE };

	return ioctl(*(int *)argument, BLKDISCARD, range) < 0 ? -errno : 0;
}

static void test_kernel_thread(enum filesystem fs)
{
	struct scene scene;
	int fd, control, number;

	scene_make(&scene, fs);
	fd = loop_open(&scene.file, &control, &number);
	expect_pass(&scene, "a write by a kernel thread", do_device_write, &fd);
	expect_break(&scene, "a discard by a kernel thread", do_device_discard, &fd);
	expect_pass(&scene, "a write by a kernel thread after a discard", do_device_write, &fd);
	TRY(ioctl(fd, LOOP_CLR_FD));
	close(fd);
}

/* --- io_uring, once in the caller itself and once in a worker */

static int do_ring(const struct file *file, uint8_t opcode, uint8_t flags)
{
	struct io_uring_params params = { 0 };
	int ring = TRY((int)syscall(SYS_io_uring_setup, 4, &params));
	size_t size = params.sq_off.array + params.sq_entries * sizeof(uint32_t);
	size_t cq_size = params.cq_off.cqes + params.cq_entries * sizeof(struct io_uring_cqe);
	unsigned char *sq =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	unsigned char *cq =
		mmap(NULL, cq_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	struct io_uring_sqe *entry =
		mmap(NULL, params.sq_entries * sizeof(*entry), PROT_READ | PROT_WRITE, MAP_SHARED,
		     ring, IORING_OFF_SQES);
	const struct io_uring_cqe *done;
	static char page[PAGE];

	CHECK(sq != MAP_FAILED && cq != MAP_FAILED && entry != MAP_FAILED, "rings: %s",
	      strerror(errno));
	*entry = (struct io_uring_sqe){ .opcode = opcode, .fd = file->fd, .flags = flags };
	if (opcode == IORING_OP_WRITE) {
		entry->addr = (uintptr_t)page;
		entry->len = PAGE;
	} else {
		entry->addr = 4 * PAGE; /* the length */
		entry->len = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	}
	((uint32_t *)(void *)(sq + params.sq_off.array))[0] = 0;
	__atomic_store_n((uint32_t *)(void *)(sq + params.sq_off.tail), 1, __ATOMIC_RELEASE);
	TRY((int)syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0));
	done = (const struct io_uring_cqe *)(const void *)(cq + params.cq_off.cqes);
	return done->res < 0 ? done->res : 0;
}

static int do_ring_write(void *argument)
{
	return do_ring(argument, IORING_OP_WRITE, 0);
}

static int do_ring_write_by_worker(void *argument)
{
	return do_ring(argument, IORING_OP_WRITE, IOSQE_ASYNC);
}

static int do_ring_punch(void *argument)
{
	return do_ring(argument, IORING_OP_FALLOCATE, 0);
}

static void test_ring(enum filesystem fs)
{
	struct scene scene;

	scene_make(&scene, fs);
	expect_pass(&scene, "a write by io_uring", do_ring_write, &scene.file);
	expect_pass(&scene, "a write by a worker of io_uring", do_ring_write_by_worker,
		    &scene.file);
	expect_break(&scene, "a punch by io_uring", do_ring_punch, &scene.file);
}

/* --- a 32-bit program; any program can make its calls */

#ifdef __x86_64__
#define PWRITE64_32 181
#define FTRUNCATE64_32 194

static int call_32(long number, long a, long b, long c, long d, long e)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
			 : "memory");
	return (int)r;
}

static int do_write_32(void *argument)
{
	const struct file *file = argument;
	char *low = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int r;

	CHECK(low != MAP_FAILED, "mmap");
	r = call_32(PWRITE64_32, file->fd, (long)low, PAGE, 0, 0);
	if (r == -ENOSYS)
		_exit(77);
	return r == PAGE ? 0 : r;
}

static int do_truncate_32(void *argument)
{
	return call_32(FTRUNCATE64_32, ((struct file *)argument)->fd, FILE_BYTES / 2, 0, 0, 0);
}

static void test_32_bit(enum filesystem fs)
{
	struct scene scene;

	scene_make(&scene, fs);
	expect_pass(&scene, "a write by a 32-bit program", do_write_32, &scene.file);
	expect_break(&scene, "a truncate by a 32-bit program", do_truncate_32, &scene.file);
}
#else
static void test_32_bit(enum filesystem fs)
{
	(void)fs;
	skip("this processor has no such programs");
}
#endif

const struct test taker_tests[] = {
	{ "takers-clone-out", test_clone_out, ON_XFS },
	{ "takers-ask-writes", test_ask_writes, ON_XFS },
	{ "takers-kernel-thread", test_kernel_thread, ON(XFS) },
	{ "takers-ring", test_ring, ON_XFS },
	{ "takers-32-bit", test_32_bit, ON_XFS },
	{ 0 },
};
