// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-gate-classify.c - which system calls take blocks, as a table; what /proc says read, and
 * nonsense; and the claim that a 32-bit program's calls never pass by being taken for others.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "gate/gate-classify.h"
#include "gate/gate-fanotify.h"

#define KIB UINT64_C(1024)
#define SIZE (64 * KIB)
#define END UINT64_MAX
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

enum how { RANGE, NO_RANGE, OPEN };

/* A row without a cause and length passes. */
#define TAKES(cause, ...) { CAUSE_##cause, __VA_ARGS__ }

static const struct row {
	const char *name;
	int64_t number;
	uint64_t arg1, arg2; /* counted from 0 */
	enum how how;
	uint64_t offset, count;
	struct gate_want want;
} rows[] = {
	/* what takes nothing */
	{ "read", SYS_read, 0, 4096, RANGE, 0, 4096 },
	{ "read of nothing", SYS_read, 0, 0, RANGE, 0, 0 },
	{ "write", SYS_write, 0, 4096, RANGE, 0, 4096 },
	{ "write beyond the end", SYS_pwrite64, 0, 4096, RANGE, SIZE, 4096 },
	{ "preadv2", SYS_preadv2, 0, 0, RANGE, 0, 4096 },
	{ "pwritev", SYS_pwritev, 0, 0, RANGE, 0, 4096 },
	{ "mmap", SYS_mmap, 4096, 0, RANGE, 0, 4096 },
	{ "sendfile", SYS_sendfile, 3, 0, RANGE, 0, 4096 },
	{ "splice", SYS_splice, 0, 3, RANGE, 0, 4096 },
	{ "io_submit", SYS_io_submit, 1, 0, RANGE, 0, 4096 },
	{ "execve reads", SYS_execve, 0, 0, RANGE, 0, 256 },
	{ "execve opens", SYS_execve, 0, 0, OPEN },
	/* truncation */
	{ "ftruncate", SYS_ftruncate, 4096, 0, RANGE, 4096, 0, TAKES(TRUNCATE, 4096, END) },
	{ "truncate to nothing", SYS_truncate, 0, 0, RANGE, 0, 0, TAKES(TRUNCATE, 0, END) },
	{ "truncate by a byte", SYS_truncate, SIZE - 1, 0, RANGE, SIZE - 1, 0,
	  TAKES(TRUNCATE, SIZE - 1, END) },
	{ "truncate to the same", SYS_ftruncate, SIZE, 0, RANGE, SIZE, 0 },
	{ "growing", SYS_ftruncate, 2 * SIZE, 0, RANGE, 2 * SIZE, 0 },
	{ "truncate without a length", SYS_truncate, 0, 0, NO_RANGE, 0, 0, TAKES(UNKNOWN, 0, END) },
	{ "truncate with a range", SYS_truncate, 0, 0, RANGE, 8, 8, TAKES(UNKNOWN, 8, END) },
	/* fallocate */
	{ "plain", SYS_fallocate, 0, 0, RANGE, 4096, 8192, TAKES(FALLOCATE, 4096, 8192) },
	{ "punch", SYS_fallocate, 3, 0, RANGE, 4096, 8192, TAKES(FALLOCATE, 4096, 8192) },
	{ "zero", SYS_fallocate, FALLOC_FL_ZERO_RANGE, 0, RANGE, 4096, 8192,
	  TAKES(FALLOCATE, 4096, 8192) },
	{ "collapse", SYS_fallocate, FALLOC_FL_COLLAPSE_RANGE, 0, RANGE, 4096, 8192,
	  TAKES(FALLOCATE, 4096, END) },
	{ "insert", SYS_fallocate, FALLOC_FL_INSERT_RANGE, 0, RANGE, 4096, 8192,
	  TAKES(FALLOCATE, 4096, END) },
	{ "punch past all ends", SYS_fallocate, 3, 0, RANGE, 4096, END,
	  TAKES(FALLOCATE, 4096, END) },
	/* sharing blocks */
	{ "FICLONE", SYS_ioctl, FICLONE, 0, RANGE, 0, 0, TAKES(CLONE, 0, END) },
	{ "FICLONERANGE", SYS_ioctl, FICLONERANGE, 0, RANGE, 4096, 8192, TAKES(CLONE, 4096, 8192) },
	{ "FIDEDUPERANGE", SYS_ioctl, FIDEDUPERANGE, 0, RANGE, 4096, 8192,
	  TAKES(CLONE, 4096, 8192) },
	{ "garbage above", SYS_ioctl, UINT64_C(0xf00000000) | FICLONE, 0, RANGE, 0, 0,
	  TAKES(CLONE, 0, END) },
	{ "another ioctl", SYS_ioctl, 0x5881, 0, RANGE, 4096, 1, TAKES(UNKNOWN, 4096, END) },
	{ "copy_file_range", SYS_copy_file_range, 0, 0, RANGE, 4096, 8192,
	  TAKES(CLONE, 4096, 8192) },
/* opening */
#ifdef SYS_open
	{ "open", SYS_open, O_RDWR, 0, OPEN },
	{ "open O_TRUNC", SYS_open, O_RDWR | O_TRUNC, 0, OPEN, 0, 0, TAKES(OPEN_TRUNCATE, 0, END) },
	{ "creat", SYS_creat, 0600, 0, OPEN, 0, 0, TAKES(OPEN_TRUNCATE, 0, END) },
#endif
	{ "openat", SYS_openat, O_TRUNC, O_RDONLY, OPEN },
	{ "openat O_TRUNC", SYS_openat, 0, O_WRONLY | O_TRUNC, OPEN, 0, 0,
	  TAKES(OPEN_TRUNCATE, 0, END) },
	{ "O_TRUNC, read only", SYS_openat, 0, O_RDONLY | O_TRUNC, OPEN, 0, 0,
	  TAKES(OPEN_TRUNCATE, 0, END) },
	{ "by handle", SYS_open_by_handle_at, 0, O_TRUNC, OPEN, 0, 0,
	  TAKES(OPEN_TRUNCATE, 0, END) },
	{ "openat2", SYS_openat2, 0, 0x1000, OPEN, 0, 0, TAKES(OPEN_TRUNCATE, 0, END) },
	{ "something that opens", SYS_acct, 0, 0, OPEN, 0, 0, TAKES(UNKNOWN, 0, END) },
	/* io_uring cannot be told apart */
	{ "ring", SYS_io_uring_enter, 0, 0, RANGE, 4096, 4096, TAKES(WRITE, 4096, END) },
	{ "ring's thread", SYS_io_uring_setup, 0, 0, RANGE, 4096, 4096, TAKES(WRITE, 4096, END) },
	{ "ring truncates", SYS_io_uring_enter, 0, 0, RANGE, 4096, 0, TAKES(TRUNCATE, 4096, END) },
	{ "ring makes it grow", SYS_io_uring_enter, 0, 0, RANGE, SIZE, 0 },
	{ "ring without a range", SYS_io_uring_enter, 0, 0, NO_RANGE, 0, 0, TAKES(WRITE, 0, END) },
	{ "ring opens", SYS_io_uring_enter, 0, 0, OPEN, 0, 0, TAKES(OPEN_TRUNCATE, 0, END) },
	/* unknown */
	{ "kernel thread", -1, 0, 0, RANGE, 4096, 4096, TAKES(UNKNOWN, 4096, END) },
	{ "no such call", 1 << 30, 0, 0, NO_RANGE, 0, 0, TAKES(UNKNOWN, 0, END) },
#ifdef __x86_64__
	/* a 32-bit program's, by numbers that natively are close, stat, readv and so on */
	{ "32-bit read", 3, 0, 4096, RANGE, 0, 4096 },
	{ "32-bit write", 4, 0, 4096, RANGE, 0, 4096 },
	{ "32-bit mmap2", 192, 0, 0, RANGE, 0, 4096 },
	{ "32-bit call without a length", 3, 0, 0, RANGE, 0, 0, TAKES(UNKNOWN, 0, END) },
	{ "32-bit open", 5, O_RDWR, 0, OPEN },
	{ "32-bit open O_TRUNC", 5, O_RDWR | O_TRUNC, 0, OPEN, 0, 0, TAKES(OPEN_TRUNCATE, 0, END) },
	{ "32-bit creat", 8, 0600, 0, OPEN, 0, 0, TAKES(OPEN_TRUNCATE, 0, END) },
	{ "32-bit openat O_TRUNC", 295, 0, O_WRONLY | O_TRUNC, OPEN, 0, 0,
	  TAKES(OPEN_TRUNCATE, 0, END) },
#endif
	{ "read that opens", SYS_read, 0, 0, OPEN, 0, 0, TAKES(UNKNOWN, 0, END) },
	{ "open that reads", SYS_openat, 0, 0, RANGE, 0, 4096, TAKES(UNKNOWN, 0, END) },
};

static struct gate_event event_of(enum how how, uint64_t offset, uint64_t count)
{
	return (struct gate_event){ .mask = how == OPEN ? FAN_OPEN_PERM : FAN_PRE_ACCESS,
				    .has_range = how == RANGE,
				    .offset = offset,
				    .count = count,
				    .size = SIZE,
				    .can_share = true };
}

static bool want_equal(const struct gate_want *a, const struct gate_want *b)
{
	return a->cause == b->cause && a->offset == b->offset && a->length == b->length;
}

static void test_table(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *t = &rows[i];
		const struct gate_event e = event_of(t->how, t->offset, t->count);
		const struct gate_call call = { .number = t->number,
						.args = { 3, t->arg1, t->arg2 },
						.sp = 0x7ffe,
						.pc = 0x7f12 };
		struct gate_want want = { 0 };
		bool takes = gate_classify(&e, &call, &want);

		if (takes != (t->want.length > 0) || !want_equal(&want, &t->want)) {
			printf("%s: takes %d, cause %d, %" PRIu64 "+%" PRIu64 "\n", t->name, takes,
			       want.cause, want.offset, want.length);
			assert(false);
		}
	}
}

/*
 * What was made in whatever call is the ring's all the same, and a thread of the kernel's own is
 * none of a program's.
 */
static void test_no_stack(void)
{
	static const int64_t numbers[] = { SYS_read,	 SYS_write,  SYS_pread64,
					   SYS_pwrite64, SYS_openat, SYS_io_uring_enter };
	const struct gate_event punch = event_of(RANGE, 4096, 4096),
				shrink = event_of(RANGE, 4096, 0), opens = event_of(OPEN, 0, 0);

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		const struct gate_call worker = { .number = numbers[i] };
		struct gate_want want;

		assert(gate_classify(&punch, &worker, &want) && want.length == END);
		assert(gate_classify(&shrink, &worker, &want) && want.cause == CAUSE_TRUNCATE);
		assert(gate_classify(&opens, &worker, &want) && want.cause == CAUSE_OPEN_TRUNCATE);
	}
	assert(!gate_classify(&punch, &(struct gate_call){ .kernel_thread = 1 },
			      &(struct gate_want){ 0 }));
	assert(gate_classify(&shrink, &(struct gate_call){ .kernel_thread = 1 },
			     &(struct gate_want){ 0 }));
}

/*
 * Frames as Linux 7.3 names them; only whole names of functions count, and no module can have one
 * of these.
 */
static void test_stacks(void)
{
	static const char waits[] =
		"[<0>] fanotify_handle_event+0xb5a/0x12c0\n[<0>] fsnotify+0x5c4/0x7e0\n";
	static const struct {
		const char *frames;
		enum gate_kernel_work work;
	} stacks[] = {
		{ "[<0>] vfs_fallocate+0x1f0/0x3c0\n[<0>] nfsd4_vfs_fallocate+0x5a/0xd0 [nfsd]\n",
		  GATE_KERNEL_FALLOCATES },
		{ "[<0>] vfs_fallocate+0x1f0/0x3c0\n[<0>] nvmet_file_dsm_work+0x9c/0x120 [nvmet]\n",
		  GATE_KERNEL_FALLOCATES },
		{ "[<0>] vfs_clone_file_range+0x9c/0x2a0\n[<0>] nfsd4_clone_file_range+0x80/0x1c0 [nfsd]\n",
		  GATE_KERNEL_CLONES },
		{ "[<0>] vfs_iter_write+0x11d/0x2f0\n[<0>] nfsd_vfs_write+0x2a0/0x6e0 [nfsd]\n",
		  GATE_KERNEL_WORKS },
		{ "[<0>] my_vfs_fallocate+0x1/0x2 [x]\n", GATE_KERNEL_WORKS },
		{ "", GATE_KERNEL_WORKS },
	};
	char text[500];

	for (size_t i = 0; i < ARRAY_SIZE(stacks); i++) {
		snprintf(text, sizeof(text), "%s%s[<0>] kthread+0xe4/0x120\n", waits,
			 stacks[i].frames);
		assert(gate_stack_parse(text) == stacks[i].work);
	}
}

static void test_what_else_counts(void)
{
	struct gate_event e = event_of(OPEN, 0, 0);
	struct gate_call call = {
		.number = SYS_openat2, .args = { 3 }, .sp = 0x7ffe, .pc = 0x7f12
	};
	struct gate_want want = { 0 };

	/* opening what is empty takes nothing */
	assert(gate_classify(&e, &call, &want) && want.cause == CAUSE_OPEN_TRUNCATE);
	e.size = 0;
	assert(!gate_classify(&e, &call, &want));
	call.number = -1;
	assert(!gate_classify(&e, &call, &want));
	/* copying where blocks cannot be shared is reading and writing */
	call.number = SYS_copy_file_range;
	e = event_of(RANGE, 4096, 8192);
	e.can_share = false;
	assert(!gate_classify(&e, &call, &want));
	/* a thread of the kernel's, as /proc shows it, is no read when no bytes are named */
	call = (struct gate_call){ .kernel_thread = 1 };
	e = event_of(RANGE, 4096, 8192);
	assert(!gate_classify(&e, &call, &want));
	e = event_of(RANGE, 4096, 0);
	assert(gate_classify(&e, &call, &want) && want.cause == CAUSE_TRUNCATE &&
	       want.offset == 4096);
	e = event_of(OPEN, 0, 0); /* an NFS server's, for each client that opens */
	assert(!gate_classify(&e, &call, &want));
	/* but what its stack shows */
	e = event_of(RANGE, 4096, 8192);
	call.kernel_thread = GATE_KERNEL_FALLOCATES;
	assert(gate_classify(&e, &call, &want) && want.cause == CAUSE_FALLOCATE &&
	       want.offset == 4096 && want.length == 8192);
	call.kernel_thread = GATE_KERNEL_CLONES;
	e.can_share = true;
	assert(gate_classify(&e, &call, &want) && want.cause == CAUSE_CLONE);
	e.can_share = false;
	assert(!gate_classify(&e, &call, &want));
	/* and if nothing is known about the call */
	assert(gate_classify(&e, NULL, &want) && want.cause == CAUSE_UNKNOWN &&
	       want.offset == 4096 && want.length == END);
}

/*
 * The numbers of 32-bit programs (arch/x86/entry/syscalls/syscall_32.tbl,
 * arch/arm/tools/syscall.tbl) for what takes blocks: truncate, ftruncate, the same with 64,
 * fallocate, ioctl, copy_file_range; and for what opens, where O_TRUNC must not be missed: open,
 * creat, openat, open_by_handle_at.
 */
static void test_other_numbers(void)
{
#ifdef __x86_64__
	static const int takes[] = { 92, 93, 193, 194, 324, 54, 377 }, opens[] = { 5, 8, 295, 342 };
#else
	static const int takes[] = { 92, 93, 193, 194, 352, 54, 391 }, opens[] = { 5, 8, 322, 371 };
#endif
	struct gate_want want;

	for (size_t i = 0; i < ARRAY_SIZE(takes); i++) {
		struct gate_event e = event_of(RANGE, 0, 4096);

		assert(gate_classify(&e, &(struct gate_call){ .number = takes[i], .pc = 1 },
				     &want));
		e.count = 0;
		e.can_share = false;
		assert(gate_classify(&e, &(struct gate_call){ .number = takes[i], .pc = 1 },
				     &want));
	}
	for (size_t i = 0; i < ARRAY_SIZE(opens); i++) {
		struct gate_event e = event_of(OPEN, 0, 0);
		const struct gate_call call = { .number = opens[i],
						.args = { O_TRUNC, O_TRUNC, O_TRUNC },
						.pc = 1 };

		assert(gate_classify(&e, &call, &want));
	}
}

static void test_parse(void)
{
	static const struct {
		const char *text;
		int result;
	} rows_of_text[] = {
		{ "running\n", -EAGAIN },
		{ "", -EINVAL },
		{ "\n", -EINVAL },
		{ "-1", -EINVAL },
		{ "-1 0x1", -EINVAL },
		{ "-2 0x1 0x2", -EINVAL },
		{ "-1 0x1 0x2\n", 0 },
		{ "0", -EINVAL },
		{ "77 0x3 0x1000 0x0 0x0 0x0 0x0 0x7ffe", -EINVAL },
		{ "77 0x3 0x1000 0x0 0x0 0x0 0x0 0x7ffe 0x7f12\n", 0 },
		{ "x 0x3 0x1000 0x0 0x0 0x0 0x0 0x7ffe 0x7f12", -EINVAL },
		{ "77 0x3 0x1000 0x0 zebra 0x0 0x0 0x7ffe 0x7f12", -EINVAL },
	};
	struct gate_call c, d;

	for (size_t i = 0; i < ARRAY_SIZE(rows_of_text); i++) {
		memset(&c, 0x55, sizeof(c));
		d = c;
		assert(gate_call_parse(rows_of_text[i].text, &c) == rows_of_text[i].result);
		assert((rows_of_text[i].result == 0) !=
		       gate_call_equal(&c, &d)); /* untouched if it failed */
	}
	assert(gate_call_parse("77 0x3 0x1000 0x0 0x0 0x0 0xffffffffffffffff 0x7ffe 0x7f12\n",
			       &c) == 0);
	assert(c.number == 77 && c.args[0] == 3 && c.args[1] == 0x1000 && c.args[5] == UINT64_MAX &&
	       c.sp == 0x7ffe && c.pc == 0x7f12);
	assert(gate_call_parse("-1 0x7ffe 0x7f12\n", &d) == 0 && d.number == -1 && d.sp == 0x7ffe &&
	       d.pc == 0x7f12);
	assert(!gate_call_equal(&c, &d) && gate_call_equal(&c, &c));
}

int main(void)
{
	test_table();
	test_no_stack();
	test_stacks();
	test_what_else_counts();
	test_other_numbers();
	test_parse();
	return 0;
}
