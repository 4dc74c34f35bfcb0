// SPDX-License-Identifier: GPL-2.0-or-later
/* operations.c - see operations.h. */
#include "operations.h"

#include "operations-served.h"
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
#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)
#define RING_FTRUNCATE 55 /* IORING_OP_FTRUNCATE, Linux 6.9: not in the headers of Debian 12 */

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
	int from = open(into ? s->other : s->path, O_RDONLY),
	    to = open(into ? s->path : s->other, O_RDWR);
	struct file_clone_range range = {
		.src_fd = from, .src_offset = MIB, .src_length = MIB, .dest_offset = MIB
	};
	int error = from < 0 || to < 0 ? errno : result(ioctl(to, FICLONERANGE, &range));

	close(from);
	close(to);
	return error;
}

/* Both files have the same content. */
static int run_dedupe(const struct scene *s, unsigned long into)
{
	_Alignas(
		struct file_dedupe_range) char space[sizeof(struct file_dedupe_range) +
						     sizeof(struct file_dedupe_range_info)] = { 0 };
	struct file_dedupe_range *range = (void *)space;
	int from = open(into ? s->other : s->path, O_RDONLY),
	    to = open(into ? s->path : s->other, O_RDWR), error;

	*range =
		(struct file_dedupe_range){ .src_offset = MIB, .src_length = MIB, .dest_count = 1 };
	range->info[0] = (struct file_dedupe_range_info){ .dest_fd = to, .dest_offset = MIB };
	error = from < 0 || to < 0 ? errno : result(ioctl(from, FIDEDUPERANGE, range));
	if (!error)
		error = range->info[0].status == FILE_DEDUPE_RANGE_DIFFERS ? EILSEQ
									   : -range->info[0].status;
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

/*
 * One entry through io_uring, carried out by a worker of its own (IOSQE_ASYNC), as busy programs
 * have it.
 */
static int ring_do(struct io_uring_sqe entry)
{
	struct io_uring_params p = { 0 };
	int ring = (int)syscall(SYS_io_uring_setup, 1, &p), error;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	char *sq;

	if (ring < 0)
		return errno;
	sq = mmap(NULL, p.sq_off.array + 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring,
		  IORING_OFF_SQ_RING);
	sqe = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || sqe == MAP_FAILED || !(p.features & IORING_FEAT_SINGLE_MMAP))
		return ENOSYS;
	*sqe = entry;
	sqe->flags = IOSQE_ASYNC;
	*(uint32_t *)(void *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((uint32_t *)(void *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return errno;
	cqe = (void *)(sq + p.cq_off.cqes);
	error = cqe->res < 0 ? -cqe->res : 0;
	close(ring);
	return error;
}

static int run_uring(const struct scene *s, unsigned long operation)
{
	static char buffer[4096] = { 7 };
	struct io_uring_sqe entry = { .opcode = (uint8_t)operation, .fd = open(s->path, O_RDWR) };
	int error;

	if (entry.fd < 0)
		return errno;
	switch (operation) {
	case IORING_OP_FALLOCATE: /* the length is in addr, the mode in len */
		entry.off = entry.addr = MIB;
		entry.len = PUNCH;
		break;
	case RING_FTRUNCATE:
		entry.off = MIB;
		break;
	default:
		entry.off = MIB;
		entry.addr = (uint64_t)(uintptr_t)buffer;
		entry.len = sizeof(buffer);
		break;
	}
	error = ring_do(entry);
	close(entry.fd);
	/* what a kernel does not know is no valid entry */
	return error == EINVAL && operation == RING_FTRUNCATE ? ENOSYS : error;
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

/* How long somebody can take to notice, in milliseconds: who looks once a second, */
#define LOOK 2500
/* who looks once in five, */
#define TAKERS_LOOK 7000
/* and an NFS client, which keeps what it knows of a file for three seconds and longer. */
#define ATTRIBUTES 9000

const struct operation operations[] = {
	{ "truncate", "truncate(2) to a shorter length", run_truncate, .argument = MIB },
	{ "ftruncate", "ftruncate(2) through a descriptor from before", run_ftruncate,
	  .argument = MIB },
	{ "open-truncate", "open(2) with O_TRUNC", run_open_truncate, .argument = 0 },
	{ "punch", "fallocate(2), punch a hole", run_fallocate, .argument = PUNCH,
	  .quiet_msec = LOOK },
	{ "old-punch", "the same through a descriptor from before", run_old_punch,
	  .argument = PUNCH, .quiet_msec = LOOK },
	{ "zero", "fallocate(2), zero a range", run_fallocate, .argument = FALLOC_FL_ZERO_RANGE },
	{ "collapse", "fallocate(2), collapse a range", run_fallocate,
	  .argument = FALLOC_FL_COLLAPSE_RANGE, .quiet_msec = LOOK },
	{ "insert", "fallocate(2), insert a range", run_fallocate,
	  .argument = FALLOC_FL_INSERT_RANGE, .quiet_msec = LOOK },
	{ "allocate", "fallocate(2), allocate", run_fallocate, .argument = 0 },
	{ "reflink-from", "reflink of its blocks into another file", run_reflink, .argument = 0 },
	{ "reflink-into", "reflink of another file's blocks into it", run_reflink, .argument = 1 },
	{ "dedupe-from", "FIDEDUPERANGE of its blocks into another file", run_dedupe,
	  .argument = 0 },
	{ "dedupe-into", "FIDEDUPERANGE of another file's blocks into it", run_dedupe,
	  .argument = 1 },
	{ "exchange", "exchange of ranges with another file", run_exchange, .argument = 0 },
	{ "extend", "ftruncate(2) to a longer length", run_ftruncate,
	  .argument = 2 * OPERATION_SIZE },
	{ "write", "write(2)", run_write, .argument = 0 },
	{ "direct-write", "write(2) with O_DIRECT", run_write, .argument = O_DIRECT },
	{ "append", "write(2) at the end", run_append, .argument = 0 },
	{ "uring-write", "a write through io_uring", run_uring, .argument = IORING_OP_WRITE },
	{ "uring-read", "a read through io_uring", run_uring, .argument = IORING_OP_READ },
	{ "uring-punch", "punching a hole through io_uring", run_uring,
	  .argument = IORING_OP_FALLOCATE },
	{ "uring-truncate", "ftruncate(2) through io_uring", run_uring,
	  .argument = RING_FTRUNCATE },
	{ "read", "read(2)", run_read, .argument = 0 },
	{ "store", "stores through a mapping, msync(2)", run_store, .argument = 0 },
	{ "fsync", "fsync(2)", run_fsync, .argument = 0 },
	{ "rename", "rename(2)", run_rename, .quiet_msec = LOOK },
	{ "unlink", "unlink(2)", run_unlink, .quiet_msec = LOOK },
	{ "rename-over", "rename(2) of another file over it", run_rename_over, .quiet_msec = LOOK },
	{ "swapext", "XFS_IOC_SWAPEXT, as xfs_fsr(8) does", run_swapext, .argument = 0 },
	{ "loop-discard", "a discard by a loop device whose image it is", run_loop, .argument = 1,
	  .needs = NEEDS_ROOT, .quiet_msec = LOOK },
	{ "loop-write", "a write by such a device", run_loop, .argument = 0, .needs = NEEDS_ROOT },
	{ "overlay-truncate", "ftruncate(2) through an overlay above it", run_overlay_truncate,
	  .argument = MIB, .prepare = prepare_overlay, .undo = undo_overlay, .quiet_msec = LOOK },
	{ "target-discard",
	  "a discard by an initiator of a storage target (nvmet) whose image it is", run_target,
	  .argument = 1, .needs = NEEDS_ROOT, .prepare = prepare_target, .undo = undo_target,
	  .quiet_msec = LOOK },
	{ "target-write", "a write by such an initiator", run_target, .argument = 0,
	  .needs = NEEDS_ROOT, .prepare = prepare_target, .undo = undo_target },
	{ "lio-discard", "a discard by an initiator of LIO whose image it is", run_lio,
	  .argument = 1, .needs = NEEDS_ROOT, .prepare = prepare_lio, .undo = undo_lio,
	  .quiet_msec = LOOK },
	{ "lio-write", "a write by an initiator of LIO", run_lio, .argument = 0,
	  .needs = NEEDS_ROOT, .prepare = prepare_lio, .undo = undo_lio },
	{ "cache-cull", "cachefiles unlinks it, told to by its daemon", run_cull, .argument = 0,
	  .needs = NEEDS_ROOT, .quiet_msec = LOOK, .prepare = prepare_cull, .undo = undo_cull },
	{ "relocate", "BTRFS_IOC_BALANCE_V2: all data is moved, as zones are reclaimed",
	  run_relocate, .argument = 0, .needs = NEEDS_ROOT, .only_on = "btrfs",
	  .quiet_msec = LOOK },
	{ "f2fs-collect", "garbage collection of its segments (F2FS_IOC_GARBAGE_COLLECT_RANGE)",
	  run_f2fs, .argument = F2FS_COLLECT, .needs = NEEDS_ROOT, .only_on = "f2fs",
	  .quiet_msec = LOOK },
	{ "f2fs-defragment", "F2FS_IOC_DEFRAGMENT", run_f2fs, .argument = F2FS_DEFRAGMENT,
	  .only_on = "f2fs", .quiet_msec = LOOK },
	{ "f2fs-move", "F2FS_IOC_MOVE_RANGE of its blocks into another file", run_f2fs,
	  .argument = F2FS_MOVE, .only_on = "f2fs", .quiet_msec = LOOK },
	{ "f2fs-trim", "F2FS_IOC_SEC_TRIM_FILE: its blocks are discarded", run_f2fs,
	  .argument = F2FS_TRIM, .only_on = "f2fs", .quiet_msec = LOOK },
	{ "f2fs-atomic", "an atomic write (F2FS_IOC_COMMIT_ATOMIC_WRITE)", run_f2fs,
	  .argument = F2FS_ATOMIC, .only_on = "f2fs", .quiet_msec = LOOK },
	{ "f2fs-pin", "F2FS_IOC_SET_PIN_FILE: its blocks do not move any more", run_f2fs,
	  .argument = F2FS_PIN, .only_on = "f2fs", .quiet_msec = LOOK },
	{ "rebuild", "online repair of its extent map (XFS_IOC_SCRUB_METADATA)", run_rebuild,
	  .argument = 0, .needs = NEEDS_ROOT },
	{ "swapon", "swapon(2) of it", run_swapon, .argument = 0, .needs = NEEDS_ROOT,
	  .quiet_msec = TAKERS_LOOK, .prepare = prepare_swap, .undo = undo_swap },
	{ "write-32", "write(2) by a 32-bit program", run_32, .argument = CALL_32_WRITE },
	{ "punch-32", "fallocate(2) by a 32-bit program, punch a hole", run_32,
	  .argument = CALL_32_PUNCH },
	{ "truncate-32", "ftruncate(2) by a 32-bit program", run_32, .argument = CALL_32_TRUNCATE },
	{ "nfs-truncate", "SETATTR of the length by an NFS client", run_served_truncate,
	  .argument = MIB, .needs = NEEDS_SERVED, .quiet_msec = LOOK },
	{ "nfs-punch", "DEALLOCATE by an NFS client", run_served_fallocate, .argument = PUNCH,
	  .needs = NEEDS_SERVED, .quiet_msec = LOOK },
	{ "nfs-clone", "CLONE of another file's blocks into it by an NFS client", run_served_clone,
	  .argument = 0, .needs = NEEDS_SERVED, .quiet_msec = LOOK },
	{ "nfs-write", "WRITE and COMMIT by an NFS client", run_served_write, .argument = 0,
	  .needs = NEEDS_SERVED },
	{ "smb-truncate", "SET_INFO of the length by an SMB client", run_served_truncate,
	  .argument = MIB, .needs = NEEDS_SERVED, .quiet_msec = LOOK },
	{ "smb-punch", "FSCTL_SET_ZERO_DATA by an SMB client", run_served_fallocate,
	  .argument = PUNCH, .needs = NEEDS_SERVED, .quiet_msec = LOOK },
	{ "smb-old-punch", "the same through a handle from before", run_held_fallocate,
	  .argument = PUNCH, .needs = NEEDS_SERVED, .quiet_msec = LOOK, .prepare = prepare_held,
	  .undo = undo_held },
	{ "smb-clone", "FSCTL_DUPLICATE_EXTENTS_TO_FILE into it by an SMB client", run_served_clone,
	  .argument = 0, .needs = NEEDS_SERVED, .quiet_msec = LOOK },
	{ "smb-write", "WRITE and FLUSH by an SMB client", run_served_write, .argument = 0,
	  .needs = NEEDS_SERVED },
	{ "server-truncate", "ftruncate(2) at the NFS server", run_beneath_truncate,
	  .argument = MIB, .needs = NEEDS_BENEATH, .quiet_msec = ATTRIBUTES },
	{ "server-punch", "fallocate(2) at the NFS server, punch a hole", run_beneath_fallocate,
	  .argument = PUNCH, .needs = NEEDS_BENEATH, .quiet_msec = ATTRIBUTES },
};
const unsigned int n_operations = sizeof(operations) / sizeof(*operations);

const struct operation *operation_find(const char *name)
{
	for (unsigned int i = 0; i < n_operations; i++)
		if (!strcmp(operations[i].name, name))
			return &operations[i];
	return NULL;
}
