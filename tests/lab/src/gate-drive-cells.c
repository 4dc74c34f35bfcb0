// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-drive-cells.c - every call that takes blocks, and those that do not, on each filesystem:
 * whether the gate asks, with which cause and range, what the caller gets, and that it notices the
 * end. What a filesystem does not know is a row here, not an exception.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gate-drive.h"

#define AT (64 * KIB)
#define SOME (128 * KIB)

static int result(bool good)
{
	return good ? 0 : errno;
}

/* The file, opened now, so after it was marked. */
static int target(int flags)
{
	int fd = open(d.target, flags);

	if (fd < 0)
		_exit(errno);
	return fd;
}

static int allocate(int mode)
{
	return result(fallocate(target(O_RDWR), mode, AT, SOME) == 0);
}

/* clang-format off */
static int op_truncate(void) { return result(truncate(d.target, AT) == 0); }
int op_ftruncate(void) { return result(ftruncate(target(O_RDWR), AT) == 0); }
static int op_ftruncate_old(void) { return result(ftruncate(OLD_FD, AT) == 0); }
static int op_grow(void) { return result(truncate(d.target, 2 * SIZE) == 0); }
static int op_grow_old(void) { return result(ftruncate(OLD_FD, 2 * SIZE) == 0); }
int op_open_truncate(void) { return result(open(d.target, O_WRONLY | O_TRUNC) >= 0); }
static int op_creat(void) { return result(creat(d.target, 0600) >= 0); }
static int op_open(void) { return result(open(d.target, O_RDWR | O_CREAT, 0600) >= 0); }
static int op_plain(void) { return allocate(0); }
static int op_keep(void) { return allocate(FALLOC_FL_KEEP_SIZE); }
int op_punch(void) { return allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE); }
static int op_zero(void) { return allocate(FALLOC_FL_ZERO_RANGE); }
static int op_collapse(void) { return allocate(FALLOC_FL_COLLAPSE_RANGE); }
static int op_insert(void) { return allocate(FALLOC_FL_INSERT_RANGE); }
static int op_clone_out(void) { return result(ioctl(open(d.scratch, O_RDWR | O_CREAT, 0600), FICLONE, target(O_RDONLY)) == 0); }
/* clang-format on */

static int op_punch_old(void)
{
	return result(fallocate(OLD_FD, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, AT, SOME) == 0);
}

static int op_openat2(void)
{
	struct open_how how = { .flags = O_RDWR };

	return result(syscall(SYS_openat2, AT_FDCWD, d.target, &how, sizeof(how)) >= 0);
}

static int op_openat2_truncate(void)
{
	struct open_how how = { .flags = O_RDWR | O_TRUNC };

	return result(syscall(SYS_openat2, AT_FDCWD, d.target, &how, sizeof(how)) >= 0);
}

static int op_clone_into(void)
{
	struct file_clone_range range = { .src_fd = open(d.source, O_RDONLY),
					  .src_offset = 0,
					  .src_length = SOME,
					  .dest_offset = AT };

	return result(ioctl(target(O_RDWR), FICLONERANGE, &range) == 0);
}

static int op_dedupe_into(void)
{
	union {
		struct file_dedupe_range range;
		char room[sizeof(struct file_dedupe_range) + sizeof(struct file_dedupe_range_info)];
	} a = { .range = { .src_length = SOME, .dest_count = 1 } };

	a.range.info[0].dest_fd = target(O_RDWR);
	a.range.info[0].dest_offset = AT;
	if (ioctl(open(d.source, O_RDONLY), FIDEDUPERANGE, &a.range) < 0)
		return errno;
	return a.range.info[0].status < 0 ? -a.range.info[0].status : 0;
}

static int op_copy_out(void)
{
	off_t from = AT, to = 0;
	int out = open(d.scratch, O_RDWR | O_CREAT, 0600);

	return result(copy_file_range(target(O_RDONLY), &from, out, &to, SOME, 0) == SOME);
}

int op_read(void)
{
	char b[4096];

	return result(read(target(O_RDONLY), b, sizeof(b)) == sizeof(b));
}

static int op_pread(void)
{
	char b[4096];

	return result(pread(target(O_RDONLY), b, sizeof(b), AT) == sizeof(b));
}

int op_write(void)
{
	static const char b[4096];

	return result(write(target(O_RDWR), b, sizeof(b)) == sizeof(b));
}

static int op_append(void)
{
	static const char b[4096];

	return result(write(target(O_WRONLY | O_APPEND), b, sizeof(b)) == sizeof(b));
}

static int op_map(void)
{
	char *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, target(O_RDWR), 0);

	if (p == MAP_FAILED)
		return errno;
	for (uint64_t at = 0; at < SIZE; at += 4096)
		p[at]++;
	return result(msync(p, SIZE, MS_SYNC) == 0);
}

static int op_sendfile(void)
{
	int out = open(d.scratch, O_RDWR | O_CREAT, 0600);

	return result(sendfile(out, target(O_RDONLY), NULL, SOME) == SOME);
}

static int op_splice(void)
{
	int p[2];

	if (pipe(p) < 0)
		return errno;
	return result(splice(target(O_RDONLY), NULL, p[1], NULL, 4096, 0) == 4096);
}

#define ASKS(error) { true, error }
#define PASSES(error) { false, error }
#define ALL_ASK { ASKS(0), ASKS(0), ASKS(0) }
#define ALL_PASS { PASSES(0), PASSES(0), PASSES(0) }
/* fallocate is asked about before the filesystem says that it does not know the mode */
#define NOT_BTRFS { ASKS(0), ASKS(0), ASKS(EOPNOTSUPP) }
/* a clone only after */
#define NOT_EXT4 { PASSES(EOPNOTSUPP), ASKS(0), ASKS(0) }

static const struct cell {
	const char *name;
	operation op;
	enum revocation_cause cause;
	uint64_t offset, length;
	struct {
		bool asks;
		int error;
	} on[_FAMILY_MAX]; /* ext4, xfs, btrfs */
} cells[] = {
	{ "truncate", op_truncate, CAUSE_TRUNCATE, AT, END, ALL_ASK },
	{ "ftruncate", op_ftruncate, CAUSE_TRUNCATE, AT, END, ALL_ASK },
	{ "ftruncate, old descriptor", op_ftruncate_old, CAUSE_TRUNCATE, AT, END, ALL_ASK },
	{ "open with O_TRUNC", op_open_truncate, CAUSE_OPEN_TRUNCATE, 0, END, ALL_ASK },
	{ "creat", op_creat, CAUSE_OPEN_TRUNCATE, 0, END, ALL_ASK },
	{ "openat2 with O_TRUNC", op_openat2_truncate, CAUSE_OPEN_TRUNCATE, 0, END, ALL_ASK },
	{ "openat2, taken for the worst", op_openat2, CAUSE_OPEN_TRUNCATE, 0, END, ALL_ASK },
	{ "fallocate", op_plain, CAUSE_FALLOCATE, AT, SOME, ALL_ASK },
	{ "fallocate, keeping the size", op_keep, CAUSE_FALLOCATE, AT, SOME, ALL_ASK },
	{ "punch", op_punch, CAUSE_FALLOCATE, AT, SOME, ALL_ASK },
	{ "zero range", op_zero, CAUSE_FALLOCATE, AT, SOME, ALL_ASK },
	{ "collapse", op_collapse, CAUSE_FALLOCATE, AT, END, NOT_BTRFS },
	{ "insert", op_insert, CAUSE_FALLOCATE, AT, END, NOT_BTRFS },
	{ "reflink out of it", op_clone_out, CAUSE_CLONE, 0, END, NOT_EXT4 },
	{ "reflink into it", op_clone_into, CAUSE_CLONE, AT, SOME, NOT_EXT4 },
	{ "dedupe into it", op_dedupe_into, CAUSE_CLONE, AT, SOME, NOT_EXT4 },
	{ "copy_file_range out of it",
	  op_copy_out,
	  CAUSE_CLONE,
	  AT,
	  SOME,
	  { PASSES(0), ASKS(0), ASKS(0) } },
	{ "truncate that makes it grow", op_grow, 0, 0, 0, ALL_PASS },
	{ "the same, old descriptor", op_grow_old, 0, 0, 0, ALL_PASS },
	{ "punch, old descriptor: unseen", op_punch_old, 0, 0, 0, ALL_PASS },
	{ "open", op_open, 0, 0, 0, ALL_PASS },
	{ "read", op_read, 0, 0, 0, ALL_PASS },
	{ "pread", op_pread, 0, 0, 0, ALL_PASS },
	{ "write", op_write, 0, 0, 0, ALL_PASS },
	{ "append", op_append, 0, 0, 0, ALL_PASS },
	{ "mmap and stores", op_map, 0, 0, 0, ALL_PASS },
	{ "sendfile", op_sendfile, 0, 0, 0, ALL_PASS },
	{ "splice", op_splice, 0, 0, 0, ALL_PASS },
};

static void test_cell(const struct cell *c)
{
	bool asks = c->on[d.family].asks;
	int want = c->on[d.family].error, error;
	bool good;
	pid_t pid;

	drive_fresh();
	pid = drive_start(c->op);
	error = drive_finish(pid);
	good = error == want && d.wanted == asks && !d.expired;
	if (asks)
		good = good && d.last.cause == c->cause && d.last.offset == c->offset &&
		       d.last.length == c->length && d.last.pid == pid && d.last.tid == pid &&
		       d.last.inode == d.inode && drive_until(drive_is_over) && d.order_is_right;
	check(good, "%s %s", c->name, asks ? "is asked about" : "passes at once");
	if (!good)
		check(false,
		      "error %d (%d), asked %u (%d), cause %d (%d), %" PRIu64 "+%" PRIu64
		      ", over %u",
		      error, want, d.wanted, asks, d.last.cause, c->cause, d.last.offset,
		      d.last.length, d.over);
}

void test_cells(void)
{
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		test_cell(&cells[i]);
}
