// SPDX-License-Identifier: GPL-2.0-or-later
/* operations.c - see operations.h. */
#include "operations.h"

#include "operations-unseen.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MIB (UINT64_C(1) << 20)

/* fs/xfs/libxfs/xfs_fs.h, Linux 6.10 */
struct exchange_range {
	int32_t file1_fd;
	uint32_t pad;
	uint64_t file1_offset;
	uint64_t file2_offset;
	uint64_t length;
	uint64_t flags;
};
#define EXCHANGE_RANGE _IOW('X', 129, struct exchange_range)

static int result(long r)
{
	return r < 0 ? errno : 0;
}

static int run_truncate(const struct scene *s, unsigned long size)
{
	return result(truncate(s->path, (off_t)size));
}

static int run_ftruncate(const struct scene *s, unsigned long size)
{
	return result(ftruncate(s->fd, (off_t)size));
}

static int run_open_truncate(const struct scene *s, unsigned long unused)
{
	int fd = open(s->path, O_WRONLY | O_TRUNC);

	(void)unused;
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

/* Through a descriptor that is opened now: one from before a file was watched is another matter. */
static int run_fallocate(const struct scene *s, unsigned long mode)
{
	int fd = open(s->path, O_RDWR), error;

	if (fd < 0)
		return errno;
	error = result(fallocate(fd, (int)mode, (off_t)MIB, (off_t)MIB));
	close(fd);
	return error;
}

static int run_old_punch(const struct scene *s, unsigned long mode)
{
	return result(fallocate(s->fd, (int)mode, (off_t)MIB, (off_t)MIB));
}

static int run_reflink(const struct scene *s, unsigned long into)
{
	int from = open(into ? s->other : s->path, O_RDONLY), to = open(into ? s->path : s->other, O_RDWR);
	struct file_clone_range range = {
		.src_fd = from, .src_offset = MIB, .src_length = MIB, .dest_offset = MIB
	};
	int error = from < 0 || to < 0 ? errno : result(ioctl(to, FICLONERANGE, &range));

	close(from);
	close(to);
	return error;
}

static int run_exchange(const struct scene *s, unsigned long unused)
{
	struct exchange_range x = { .file1_fd = s->other_fd, .length = MIB };

	(void)unused;
	return result(ioctl(s->fd, EXCHANGE_RANGE, &x));
}

static int run_write(const struct scene *s, unsigned long flags)
{
	int fd = open(s->path, O_RDWR | (int)flags), error;
	void *buffer = NULL;

	if (fd < 0 || posix_memalign(&buffer, 4096, 4096))
		return fd < 0 ? errno : ENOMEM;
	memset(buffer, 0x5a, 4096);
	error = result(pwrite(fd, buffer, 4096, (off_t)MIB));
	free(buffer);
	close(fd);
	return error;
}

static int run_append(const struct scene *s, unsigned long unused)
{
	int fd = open(s->path, O_WRONLY | O_APPEND), error;
	char buffer[4096] = { 1 };

	(void)unused;
	if (fd < 0)
		return errno;
	error = result(write(fd, buffer, sizeof(buffer)));
	close(fd);
	return error;
}

static int run_read(const struct scene *s, unsigned long unused)
{
	int fd = open(s->path, O_RDONLY), error;
	char buffer[4096];

	(void)unused;
	if (fd < 0)
		return errno;
	error = result(pread(fd, buffer, sizeof(buffer), 0));
	close(fd);
	return error;
}

static int run_store(const struct scene *s, unsigned long unused)
{
	int fd = open(s->path, O_RDWR), error = 0;
	char *p = fd < 0 ? MAP_FAILED : mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	(void)unused;
	if (p == MAP_FAILED)
		return errno;
	memset(p, 3, 8192);
	error = result(msync(p, MIB, MS_SYNC));
	munmap(p, MIB);
	close(fd);
	return error;
}

/* One write through io_uring, carried out by a worker of its own (IOSQE_ASYNC), as busy programs have it. */
static int run_uring(const struct scene *s, unsigned long unused)
{
	struct io_uring_params p = { 0 };
	int fd = open(s->path, O_RDWR), ring = (int)syscall(SYS_io_uring_setup, 1, &p), error;
	static char buffer[4096] = { 7 };
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	char *sq;

	(void)unused;
	if (fd < 0 || ring < 0)
		return errno;
	sq = mmap(NULL, p.sq_off.array + 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	sqe = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || sqe == MAP_FAILED || !(p.features & IORING_FEAT_SINGLE_MMAP))
		return ENOSYS;
	*sqe = (struct io_uring_sqe){ .opcode = IORING_OP_WRITE,
				      .flags = IOSQE_ASYNC,
				      .fd = fd,
				      .off = MIB,
				      .addr = (uint64_t)(uintptr_t)buffer,
				      .len = sizeof(buffer) };
	*(uint32_t *)(void *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((uint32_t *)(void *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return errno;
	cqe = (void *)(sq + p.cq_off.cqes);
	error = cqe->res < 0 ? -cqe->res : 0;
	close(ring);
	close(fd);
	return error;
}

static int run_unlink(const struct scene *s, unsigned long unused)
{
	(void)unused;
	return result(unlink(s->path));
}

static int run_rename(const struct scene *s, unsigned long unused)
{
	(void)unused;
	return result(rename(s->path, s->other));
}

static int run_rename_over(const struct scene *s, unsigned long unused)
{
	(void)unused;
	return result(rename(s->other, s->path));
}

static int run_fsync(const struct scene *s, unsigned long unused)
{
	(void)unused;
	return result(fsync(s->fd));
}

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

const struct operation operations[] = {
	{ "truncate", "truncate(2) to a shorter length", run_truncate, MIB },
	{ "ftruncate", "ftruncate(2) through a descriptor from before", run_ftruncate, MIB },
	{ "open-truncate", "open(2) with O_TRUNC", run_open_truncate, 0 },
	{ "punch", "fallocate(2), punch a hole", run_fallocate, PUNCH },
	{ "old-punch", "the same through a descriptor from before", run_old_punch, PUNCH },
	{ "zero", "fallocate(2), zero a range", run_fallocate, FALLOC_FL_ZERO_RANGE },
	{ "collapse", "fallocate(2), collapse a range", run_fallocate, FALLOC_FL_COLLAPSE_RANGE },
	{ "insert", "fallocate(2), insert a range", run_fallocate, FALLOC_FL_INSERT_RANGE },
	{ "allocate", "fallocate(2), allocate", run_fallocate, 0 },
	{ "reflink-from", "reflink of its blocks into another file", run_reflink, 0 },
	{ "reflink-into", "reflink of another file's blocks into it", run_reflink, 1 },
	{ "exchange", "exchange of ranges with another file", run_exchange, 0 },
	{ "extend", "ftruncate(2) to a longer length", run_ftruncate, 2 * OPERATION_SIZE },
	{ "write", "write(2)", run_write, 0 },
	{ "direct-write", "write(2) with O_DIRECT", run_write, O_DIRECT },
	{ "append", "write(2) at the end", run_append, 0 },
	{ "uring-write", "a write through io_uring", run_uring, 0 },
	{ "read", "read(2)", run_read, 0 },
	{ "store", "stores through a mapping, msync(2)", run_store, 0 },
	{ "fsync", "fsync(2)", run_fsync, 0 },
	{ "rename", "rename(2)", run_rename, 0 },
	{ "unlink", "unlink(2)", run_unlink, 0 },
	{ "rename-over", "rename(2) of another file over it", run_rename_over, 0 },
	{ "swapext", "XFS_IOC_SWAPEXT, as xfs_fsr(8) does", run_swapext, 0 },
	{ "loop-discard", "a discard by a loop device whose image it is", run_loop, 1 },
	{ "loop-write", "a write by such a device", run_loop, 0 },
	{ "overlay-truncate", "ftruncate(2) through an overlay above it", run_overlay_truncate, MIB },
	{ "write-32", "write(2) by a 32-bit program", run_write_32, 0 },
};
const unsigned int n_operations = sizeof(operations) / sizeof(*operations);

const struct operation *operation_find(const char *name)
{
	for (unsigned int i = 0; i < n_operations; i++)
		if (!strcmp(operations[i].name, name))
			return &operations[i];
	return NULL;
}
