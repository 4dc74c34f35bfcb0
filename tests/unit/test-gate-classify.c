// SPDX-License-Identifier: GPL-2.0-or-later
/* test-gate-classify.c - what somebody at the gate is about to do: a table of calls, good, odd and unreadable. */
#include <assert.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "arbiter/gate-classify.h"

#define END UINT64_MAX
#define SIZE 65536u

static char line[256];

/* As the kernel writes it: number, six arguments, stack and instruction pointers (fs/proc/base.c, proc_pid_syscall()). */
static const char *call(long number, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	snprintf(line, sizeof(line), "%ld 0x%lx 0x%lx 0x%lx 0x%lx 0x0 0x0 0x7ffc12345678 0x7f0012345678\n",
		 number, a, b, c, d);
	return line;
}

static void expect(const char *name, struct gate_question q, const char *text, bool passes,
		   enum revocation_cause cause, uint64_t offset, uint64_t length)
{
	struct gate_verdict v;

	q.call = text;
	q.size = q.size ? q.size : SIZE;
	v = gate_classify(&q);
	if (v.passes == passes && (passes || (v.cause == cause && v.offset == offset && v.length == length)))
		return;
	fprintf(stderr, "%s: passes %d, cause %d, [%llu, +%llu)\n", name, v.passes, v.cause,
		(unsigned long long)v.offset, (unsigned long long)v.length);
	assert(!"as expected");
}

#define PASSES(name, q, text) expect(name, (struct gate_question)q, text, true, 0, 0, 0)
#define TAKES(name, q, text, cause, offset, length) \
	expect(name, (struct gate_question)q, text, false, cause, offset, length)
#define Q(...)              \
	{                   \
		__VA_ARGS__ \
	}
#define RANGE(o, c) Q(.has_range = true, .offset = (o), .count = (c))
#define RANGE_SHARED(o, c) Q(.has_range = true, .offset = (o), .count = (c), .shares_blocks = true)
#define OPEN(...) Q(.is_open = true, __VA_ARGS__)

static void test_open(void)
{
	PASSES("openat to read", OPEN(), call(SYS_openat, 3, 0x1000, O_RDONLY, 0));
	PASSES("openat to write", OPEN(), call(SYS_openat, 3, 0x1000, O_RDWR, 0));
	TAKES("openat O_TRUNC", OPEN(), call(SYS_openat, 3, 0x1000, O_WRONLY | O_TRUNC, 0),
	      CAUSE_OPEN_TRUNCATE, 0, END);
#ifdef SYS_open
	TAKES("open O_TRUNC", OPEN(), call(SYS_open, 0x1000, O_WRONLY | O_TRUNC | O_CREAT, 0, 0),
	      CAUSE_OPEN_TRUNCATE, 0, END);
	PASSES("open", OPEN(), call(SYS_open, 0x1000, O_RDWR | O_CREAT, 0600, 0));
	TAKES("creat", OPEN(), call(SYS_creat, 0x1000, 0600, 0, 0), CAUSE_OPEN_TRUNCATE, 0, END);
#endif
	TAKES("openat2, flags unreadable", OPEN(), call(GATE_OPENAT2, 3, 0x1000, 0x2000, 24),
	      CAUSE_OPEN_TRUNCATE, 0, END);
	PASSES("openat2 to write", OPEN(.has_how = true, .how_flags = O_RDWR),
	       call(GATE_OPENAT2, 3, 0x1000, 0x2000, 24));
	TAKES("openat2 O_TRUNC", OPEN(.has_how = true, .how_flags = O_RDWR | O_TRUNC),
	      call(GATE_OPENAT2, 3, 0x1000, 0x2000, 24), CAUSE_OPEN_TRUNCATE, 0, END);
	PASSES("execve", OPEN(), call(SYS_execve, 0x1000, 0, 0, 0));
	PASSES("open by an io_uring worker", OPEN(), call(SYS_io_uring_enter, 3, 1, 1, 0));
	PASSES("unreadable open", OPEN(), NULL);
}

static void test_truncate(void)
{
	TAKES("ftruncate shorter", RANGE(4096, 0), call(SYS_ftruncate, 3, 4096, 0, 0), CAUSE_TRUNCATE, 4096,
	      END);
	TAKES("ftruncate to nothing", RANGE(0, 0), call(SYS_ftruncate, 3, 0, 0, 0), CAUSE_TRUNCATE, 0, END);
	TAKES("ftruncate by one byte", RANGE(SIZE - 1, 0), call(SYS_ftruncate, 3, SIZE - 1, 0, 0),
	      CAUSE_TRUNCATE, SIZE - 1, END);
	PASSES("ftruncate to the same", RANGE(SIZE, 0), call(SYS_ftruncate, 3, SIZE, 0, 0));
	PASSES("ftruncate longer", RANGE(SIZE * 2, 0), call(SYS_ftruncate, 3, SIZE * 2, 0, 0));
#ifdef SYS_truncate
	TAKES("truncate", RANGE(1, 0), call(SYS_truncate, 0x1000, 1, 0, 0), CAUSE_TRUNCATE, 1, END);
#endif
	TAKES("truncate by io_uring", RANGE(4096, 0), call(SYS_io_uring_enter, 3, 1, 1, 0), CAUSE_TRUNCATE,
	      4096, END);
	PASSES("growing by io_uring", RANGE(SIZE, 0), call(SYS_io_uring_enter, 3, 1, 1, 0));
}

static void test_fallocate(void)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_ZERO_RANGE, FALLOC_FL_UNSHARE_RANGE };

	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		TAKES("fallocate", RANGE(8192, 4096),
		      call(SYS_fallocate, 3, (unsigned long)modes[i], 8192, 4096), CAUSE_FALLOCATE, 8192,
		      4096);
	TAKES("collapse", RANGE(8192, 4096), call(SYS_fallocate, 3, FALLOC_FL_COLLAPSE_RANGE, 8192, 4096),
	      CAUSE_FALLOCATE, 8192, END);
	TAKES("insert", RANGE(8192, 4096), call(SYS_fallocate, 3, FALLOC_FL_INSERT_RANGE, 8192, 4096),
	      CAUSE_FALLOCATE, 8192, END);
}

static void test_clone(void)
{
	TAKES("FICLONE", RANGE(0, 0), call(SYS_ioctl, 3, FICLONE, 4, 0), CAUSE_CLONE, 0, END);
	TAKES("FICLONERANGE", RANGE(4096, 8192), call(SYS_ioctl, 3, FICLONERANGE, 0x1000, 0), CAUSE_CLONE,
	      4096, 8192);
	TAKES("FIDEDUPERANGE", RANGE(4096, 8192), call(SYS_ioctl, 3, FIDEDUPERANGE, 0x1000, 0), CAUSE_CLONE,
	      4096, 8192);
	TAKES("another ioctl", RANGE(4096, 8192), call(SYS_ioctl, 3, 0x1234, 0, 0), CAUSE_UNKNOWN, 4096,
	      8192);
	PASSES("copy_file_range, ext4", RANGE(0, 4096), call(SYS_copy_file_range, 3, 0, 4, 0));
	TAKES("copy_file_range, btrfs", RANGE_SHARED(0, 4096), call(SYS_copy_file_range, 3, 0, 4, 0),
	      CAUSE_CLONE, 0, 4096);
}

static void test_rest(void)
{
	static const long harmless[] = { SYS_read,     SYS_write,  SYS_pread64, SYS_pwrite64, SYS_readv,
					 SYS_writev,   SYS_preadv, SYS_pwritev, SYS_preadv2,  SYS_pwritev2,
					 SYS_sendfile, SYS_splice, SYS_mmap,	SYS_execve,   SYS_io_submit };
	/* what is no call, and what no kernel writes */
	static const char *const unreadable[] = {
		"",	      "running", "-1 0x7ffc 0x7f00", "77",
		"77 0x1 0x2", "abc",	 "77 x y z",	     "99999999999999999999999 0x0",
		"\n"
	};

	for (size_t i = 0; i < sizeof(harmless) / sizeof(*harmless); i++) {
		PASSES("harmless", RANGE(4096, 4096), call(harmless[i], 3, 0x1000, 4096, 4096));
		PASSES("harmless, of nothing", RANGE(4096, 0), call(harmless[i], 3, 0x1000, 0, 4096));
	}
	TAKES("io_uring write", RANGE(4096, 512), call(SYS_io_uring_enter, 3, 1, 1, 0), CAUSE_WRITE, 4096,
	      512);
	TAKES("a call nobody knows", RANGE(4096, 512), call(1234, 3, 1, 1, 0), CAUSE_UNKNOWN, 4096, 512);
	TAKES("cannot be read", RANGE(4096, 512), NULL, CAUSE_UNKNOWN, 4096, 512);
	TAKES("cannot be read, no range", Q(), NULL, CAUSE_UNKNOWN, 0, END);
	for (size_t i = 0; i < sizeof(unreadable) / sizeof(*unreadable); i++) {
		uint64_t a[6];

		assert(gate_parse_call(unreadable[i], a) == -1);
		TAKES(unreadable[i], RANGE(1, 2), unreadable[i], CAUSE_UNKNOWN, 1, 2);
	}
}

int main(void)
{
	test_open();
	test_truncate();
	test_fallocate();
	test_clone();
	test_rest();
	return 0;
}
