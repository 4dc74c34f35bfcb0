// SPDX-License-Identifier: GPL-2.0-or-later
/* gate-classify.c - see gate-classify.h. */
#include "arbiter/gate-classify.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>

#define TO_THE_END UINT64_MAX

/* Calls that move data and no blocks. */
static const long harmless[] = {
	SYS_read,      SYS_write,     SYS_pread64,   SYS_pwrite64, SYS_readv,  SYS_writev,   SYS_preadv,
	SYS_pwritev,   SYS_preadv2,   SYS_pwritev2,  SYS_sendfile, SYS_splice, SYS_mmap,     SYS_mremap,
	SYS_io_submit, SYS_readahead, SYS_fadvise64, SYS_madvise,  SYS_execve, SYS_execveat, SYS_tee,
#ifdef SYS_mmap2
	SYS_mmap2,
#endif
};

/* ioctls that move no blocks of the file: none is known that raises the event, so each other one is held up. */
static const uint64_t clone_ioctls[] = { FICLONE, FICLONERANGE, FIDEDUPERANGE };

long gate_parse_call(const char *call, uint64_t arguments[6])
{
	char *end;
	long number;

	if (!call)
		return -1;
	errno = 0;
	number = strtol(call, &end, 10);
	if (end == call || number < 0 || errno)
		return -1;
	for (int i = 0; i < 6; i++) {
		call = end;
		arguments[i] = strtoull(call, &end, 16);
		if (end == call)
			return -1;
	}
	return number;
}

static const struct gate_verdict passes = { .passes = true };

static struct gate_verdict takes(enum revocation_cause cause, uint64_t offset, uint64_t length)
{
	return (struct gate_verdict){ .cause = cause, .offset = offset, .length = length };
}

static bool is_in(const long *list, size_t n, long number)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == number)
			return true;
	return false;
}

static struct gate_verdict classify_open(const struct gate_question *q, long number, const uint64_t *a)
{
	bool truncates = false;

	switch (number) {
	case SYS_openat:
		truncates = a[2] & O_TRUNC;
		break;
#ifdef SYS_open
	case SYS_open:
		truncates = a[1] & O_TRUNC;
		break;
	case SYS_creat:
		truncates = true;
		break;
#endif
	case GATE_OPENAT2:
		truncates = !q->has_how || q->how_flags & O_TRUNC;
		break;
	default:
		break;
	}
	return truncates && q->size ? takes(CAUSE_OPEN_TRUNCATE, 0, TO_THE_END) : passes;
}

static struct gate_verdict classify_truncate(const struct gate_question *q, uint64_t length)
{
	return length < q->size ? takes(CAUSE_TRUNCATE, length, TO_THE_END) : passes;
}

/* Collapsing and inserting move everything behind. */
static struct gate_verdict classify_fallocate(const uint64_t *a)
{
	bool moves = a[1] & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE);

	return takes(CAUSE_FALLOCATE, a[2], moves ? TO_THE_END : a[3]);
}

static struct gate_verdict classify_range(const struct gate_question *q, enum revocation_cause cause)
{
	return q->has_range ? takes(cause, q->offset, q->count ? q->count : TO_THE_END)
			    : takes(cause, 0, TO_THE_END);
}

static struct gate_verdict classify_ioctl(const struct gate_question *q, uint64_t request)
{
	for (size_t i = 0; i < sizeof(clone_ioctls) / sizeof(*clone_ioctls); i++)
		if ((uint32_t)request == clone_ioctls[i])
			return classify_range(q, CAUSE_CLONE);
	return classify_range(q, CAUSE_UNKNOWN);
}

struct gate_verdict gate_classify(const struct gate_question *q)
{
	uint64_t a[6] = { 0 };
	long number = gate_parse_call(q->call, a);

	if (q->is_open)
		return classify_open(q, number, a);
	if (is_in(harmless, sizeof(harmless) / sizeof(*harmless), number))
		return passes;
	switch (number) {
#ifdef SYS_truncate
	case SYS_truncate:
#endif
	case SYS_ftruncate:
		return classify_truncate(q, a[1]);
	case SYS_fallocate:
		return classify_fallocate(a);
	case SYS_ioctl:
		return classify_ioctl(q, a[1]);
	case SYS_copy_file_range:
		return q->shares_blocks ? classify_range(q, CAUSE_CLONE) : passes;
	case SYS_io_uring_enter:
		/* a range of nothing is a truncate to where it is */
		if (q->has_range && !q->count)
			return classify_truncate(q, q->offset);
		return classify_range(q, CAUSE_WRITE);
	default:
		return classify_range(q, CAUSE_UNKNOWN);
	}
}
