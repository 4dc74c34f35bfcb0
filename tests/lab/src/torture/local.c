// SPDX-License-Identifier: GPL-2.0-or-later
/* local.c - see local.h. */
#include "local.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static sigjmp_buf fault;

static void on_bus_error(int number)
{
	(void)number;
	siglongjmp(fault, 1);
}

static void name_of(const struct local *l, uint32_t file, char *ret, size_t size)
{
	if (l->device)
		snprintf(ret, size, "%s", l->folder);
	else
		snprintf(ret, size, "%s/%c", l->folder, file ? 'b' : 'a');
}

static int open_both(struct local *l, int flags)
{
	char name[4096];
	int fd;

	for (uint32_t file = 0; file < (l->device ? 1 : 2); file++) {
		name_of(l, file, name, sizeof(name));
		if (flags & O_CREAT)
			unlink(name);
		fd = open(name, O_RDWR | O_CLOEXEC | flags, 0666);
		if (fd < 0)
			return -errno;
		if (l->fd[file] >= 0)
			close(l->fd[file]);
		l->fd[file] = fd;
	}
	return 0;
}

static int clear_device(struct local *l)
{
	int r = open_both(l, 0);
	void *map;

	if (r < 0)
		return r;
	map = mmap(NULL, DEVICE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, l->fd[0], 0);
	if (map == MAP_FAILED)
		return -errno;
	memset(map, 0, DEVICE_BYTES);
	munmap(map, DEVICE_BYTES);
	return 0;
}

int local_begin(struct local *l)
{
	struct sigaction action = { .sa_handler = on_bus_error, .sa_flags = SA_NODEFER };

	l->fd[0] = l->fd[1] = -1;
	if (sigaction(SIGBUS, &action, NULL) < 0)
		return -errno;
	return l->device ? clear_device(l) : open_both(l, O_CREAT | O_EXCL);
}

int local_reopen(struct local *l)
{
	return open_both(l, 0);
}

void local_close(struct local *l)
{
	for (uint32_t file = 0; file < 2; file++) {
		if (l->fd[file] >= 0)
			close(l->fd[file]);
		l->fd[file] = -1;
	}
}

/* All of it: a short one is followed by another. */
static int64_t transfer(int fd, const struct op *op, uint8_t *data, bool writing)
{
	uint32_t done = 0;
	ssize_t n;

	while (done < op->length) {
		n = writing ? pwrite(fd, data + done, op->length - done, op->offset + done)
			    : pread(fd, data + done, op->length - done, op->offset + done);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (uint32_t)n;
	}
	return done;
}

static int64_t direct(const struct local *l, const struct op *op, uint8_t *data)
{
	bool writing = op->kind == OP_DIRECT_WRITE;
	size_t length = (op->length + PAGE - 1) / PAGE * PAGE;
	uint8_t *buffer = aligned_alloc(PAGE, length);
	char name[4096];
	int64_t n;
	int fd;

	if (!buffer)
		return -ENOMEM;
	name_of(l, op->file, name, sizeof(name));
	fd = open(name, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0) {
		n = -errno;
		free(buffer);
		return n;
	}
	if (writing)
		memcpy(buffer, data, op->length);
	n = writing ? pwrite(fd, buffer, length, op->offset)
		    : pread(fd, buffer, length, op->offset);
	if (n < 0)
		n = -errno;
	else if (n > op->length)
		n = op->length;
	if (n > 0 && !writing)
		memcpy(data, buffer, (size_t)n);
	close(fd);
	free(buffer);
	return n;
}

static int64_t mapped(const struct local *l, const struct op *op, uint8_t *data)
{
	size_t bytes = l->device ? DEVICE_BYTES : FILE_BYTES;
	uint8_t *volatile map =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, l->fd[op->file], 0);
	uint32_t page = op->offset / PAGE * PAGE;
	volatile int64_t n = op->length;

	if (map == MAP_FAILED)
		return -errno;
	if (sigsetjmp(fault, 0))
		n = -EFAULT;
	else if (op->kind == OP_MAP_READ)
		memcpy(data, map + op->offset, op->length);
	else if (op->kind == OP_MAP_WRITE)
		memcpy(map + op->offset, data, op->length);
	else if (op->kind == OP_MSYNC)
		n = msync(map + page, op->offset - page + op->length, MS_SYNC) < 0 ? -errno : 0;
	else /* what is not mapped is not reclaimed by it */
		n = madvise(map + page, op->offset - page + op->length, MADV_POPULATE_READ) < 0 ||
				    madvise(map + page, op->offset - page + op->length,
					    MADV_PAGEOUT) < 0
			    ? -errno
			    : 0;
	munmap(map, bytes);
	return n;
}

static int64_t allocate(int fd, const struct op *op, int mode)
{
	return fallocate(fd, mode, op->offset, op->length) < 0 ? -errno : 0;
}

static int64_t truncate_to(const struct local *l, const struct op *op)
{
	char name[4096];
	int fd;

	name_of(l, op->file, name, sizeof(name));
	if (op->length == 0 && op->value & 1) {
		fd = open(name, O_WRONLY | O_TRUNC | O_CLOEXEC);
		if (fd >= 0)
			close(fd);
		return fd < 0 ? -errno : 0;
	}
	if (op->value & 2)
		return truncate(name, op->length) < 0 ? -errno : 0;
	return ftruncate(l->fd[op->file], op->length) < 0 ? -errno : 0;
}

static int64_t clone_range(const struct local *l, const struct op *op)
{
	struct file_clone_range range = { .src_fd = l->fd[!op->file],
					  .src_offset = op->other,
					  .src_length = op->length,
					  .dest_offset = op->offset };

	return ioctl(l->fd[op->file], FICLONERANGE, &range) < 0 ? -errno : (int64_t)op->length;
}

static int64_t copy_range(const struct local *l, const struct op *op)
{
	off_t from = op->other, to = op->offset;
	uint32_t done = 0;
	ssize_t n;

	while (done < op->length) {
		n = copy_file_range(l->fd[!op->file], &from, l->fd[op->file], &to,
				    op->length - done, 0);
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		done += (uint32_t)n;
	}
	return done == op->length ? (int64_t)done : -EIO;
}

static int64_t state(int fd, uint8_t *data)
{
	off_t size = lseek(fd, 0, SEEK_END), data_at, hole_at;

	if (size < 0 || size > FILE_BYTES)
		return size < 0 ? -errno : size;
	memset(data, 1, FILE_BYTES);
	for (off_t at = 0; at < size; at = hole_at) {
		data_at = lseek(fd, at, SEEK_DATA);
		if (data_at < 0)
			return errno == ENXIO ? size : -errno;
		hole_at = lseek(fd, data_at, SEEK_HOLE);
		if (hole_at < 0)
			return -errno;
		memset(data + data_at, 0, (size_t)(hole_at - data_at));
	}
	return size;
}

static int64_t tell_kernel(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CLOEXEC);
	int64_t n = fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return n;
}

int64_t local_perform(struct local *l, const struct op *op, uint8_t *data)
{
	int fd = l->fd[op->file];

	switch (op->kind) {
	case OP_WRITE:
	case OP_READ:
		return transfer(fd, op, data, op->kind == OP_WRITE);
	case OP_DIRECT_READ:
	case OP_DIRECT_WRITE:
		return direct(l, op, data);
	case OP_MAP_READ:
	case OP_MAP_WRITE:
	case OP_MSYNC:
	case OP_PAGEOUT:
		return mapped(l, op, data);
	case OP_TRUNCATE:
		return truncate_to(l, op);
	case OP_ALLOCATE:
		return allocate(fd, op, 0);
	case OP_ALLOCATE_KEEP:
		return allocate(fd, op, FALLOC_FL_KEEP_SIZE);
	case OP_PUNCH:
		return allocate(fd, op, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
	case OP_ZERO:
		return allocate(fd, op, FALLOC_FL_ZERO_RANGE);
	case OP_ZERO_KEEP:
		return allocate(fd, op, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE);
	case OP_COLLAPSE:
		return allocate(fd, op, FALLOC_FL_COLLAPSE_RANGE);
	case OP_INSERT:
		return allocate(fd, op, FALLOC_FL_INSERT_RANGE);
	case OP_UNSHARE:
		return allocate(fd, op, FALLOC_FL_UNSHARE_RANGE | FALLOC_FL_KEEP_SIZE);
	case OP_CLONE:
		return clone_range(l, op);
	case OP_COPY:
		return copy_range(l, op);
	case OP_FSYNC:
		return (op->value & 1 ? fsync(fd) : fdatasync(fd)) < 0 ? -errno : 0;
	case OP_DONTNEED:
		return -posix_fadvise(fd, op->offset, op->length, POSIX_FADV_DONTNEED);
	case OP_DROP_CACHES:
		return tell_kernel("/proc/sys/vm/drop_caches", op->value & 1 ? "1" : "3");
	case OP_COMPACT:
		return tell_kernel("/proc/sys/vm/compact_memory", "1");
	case OP_STATE:
		return state(fd, data);
	default:
		return -ENOSYS;
	}
}
