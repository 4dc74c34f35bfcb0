// SPDX-License-Identifier: GPL-2.0-or-later
/* gate-classify.c - see gate-classify.h. */
#include "gate/gate-classify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "gate/gate-fanotify.h"
#include "util/macros.h"

#define TO_THE_END UINT64_MAX

/* What a system call may mean for the blocks of a file. */
enum kind {
	KIND_OTHER,
	KIND_PASSES, /* reads, writes, maps */
	/*
	 * the same by a 32-bit program; a native call of that number touches no range of a file, or
	 * reads it
	 */
	KIND_PASSES_32,
	KIND_EXECUTES,
	KIND_TRUNCATES,
	KIND_FALLOCATE,
	KIND_IOCTL,
	KIND_COPY,    /* copy_file_range(2): shares blocks where the filesystem can */
	KIND_OPENS_1, /* an open; the number is that of the argument with the flags */
	KIND_OPENS_2,
	KIND_CREATES,
	/*
	 * openat2(2): with flags in memory that the caller can make us wait for (userfaultfd), so
	 * they are not read
	 */
	KIND_OPENS_SOMEHOW,
	KIND_RING, /* io_uring: any operation, by the caller or by a worker */
};

static enum kind kind_of(int64_t number)
{
	switch (number) {
	case SYS_read:
	case SYS_write:
	case SYS_pread64:
	case SYS_pwrite64:
	case SYS_readv:
	case SYS_writev:
	case SYS_preadv:
	case SYS_pwritev:
	case SYS_preadv2:
	case SYS_pwritev2:
	case SYS_mmap:
	case SYS_sendfile:
	case SYS_splice:
	case SYS_io_submit: /* has no operation that takes blocks */
		return KIND_PASSES;
#ifdef __x86_64__
	case 3:	  /* read */
	case 4:	  /* write */
	case 145: /* readv */
	case 146: /* writev */
	case 180: /* pread64 */
	case 181: /* pwrite64 */
	case 187: /* sendfile */
	case 192: /* mmap2 */
	case 239: /* sendfile64 */
	case 313: /* splice */
	case 333: /* preadv */
	case 334: /* pwritev */
	case 378: /* preadv2 */
	case 379: /* pwritev2 */
		return KIND_PASSES_32;
#endif
	case SYS_execve:
	case SYS_execveat:
		return KIND_EXECUTES;
	case SYS_truncate:
	case SYS_ftruncate:
		return KIND_TRUNCATES;
	case SYS_fallocate:
		return KIND_FALLOCATE;
	case SYS_ioctl:
		return KIND_IOCTL;
	case SYS_copy_file_range:
		return KIND_COPY;
#ifdef SYS_open /* not on the newer architectures */
	case SYS_open:
		return KIND_OPENS_1;
	case SYS_creat:
		return KIND_CREATES;
#endif
	case SYS_openat:
	case SYS_open_by_handle_at:
		return KIND_OPENS_2;
	case SYS_openat2:
		return KIND_OPENS_SOMEHOW;
	case SYS_io_uring_setup: /* a ring's own thread has the number of the call that made it */
	case SYS_io_uring_enter:
		return KIND_RING;
	default:
		return KIND_OTHER;
	}
}

int gate_call_parse(const char *text, struct gate_call *ret)
{
	struct gate_call c = { 0 };
	uint64_t *a = c.args;
	int n = 0;

	if (!strncmp(text, "running", 7))
		return -EAGAIN;
	if (sscanf(text, "%" SCNd64 "%n", &c.number, &n) != 1 || c.number < -1)
		return -EINVAL;
	if (c.number == -1) {
		if (sscanf(text + n, " %" SCNx64 " %" SCNx64, &c.sp, &c.pc) != 2)
			return -EINVAL;
	} else if (sscanf(text + n,
			  " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64
			  " %" SCNx64 " %" SCNx64,
			  &a[0], &a[1], &a[2], &a[3], &a[4], &a[5], &c.sp, &c.pc) != 8) {
		return -EINVAL;
	}
	*ret = c;
	return 0;
}

/*
 * Functions of the kernel that others of it call for this, in the order from the newest frame on.
 */
static const struct {
	const char *frame;
	enum gate_kernel_work work;
} frames[] = {
	{ "] vfs_fallocate+", GATE_KERNEL_FALLOCATES },
	{ "] vfs_clone_file_range+", GATE_KERNEL_CLONES },
	{ "] vfs_dedupe_file_range_one+", GATE_KERNEL_CLONES },
	{ "] vfs_copy_file_range+", GATE_KERNEL_CLONES },
};

enum gate_kernel_work gate_stack_parse(const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
		if (strstr(text, frames[i].frame))
			return frames[i].work;
	return GATE_KERNEL_WORKS;
}

bool gate_call_equal(const struct gate_call *a, const struct gate_call *b)
{
	return memcmp(a, b, sizeof(*a)) == 0; /* 64-bit members only: no padding */
}

static bool ask(enum revocation_cause cause, uint64_t offset, uint64_t length,
		struct gate_want *ret)
{
	*ret = (struct gate_want){ cause, offset,
				   length > UINT64_MAX - offset ? TO_THE_END : length };
	return true;
}

static bool ask_to_the_end(enum revocation_cause cause, const struct gate_event *e,
			   struct gate_want *ret)
{
	return ask(cause, e->has_range ? e->offset : 0, TO_THE_END, ret);
}

/* As the kernel gives the range of all that has one: no bytes means up to the end. */
static bool ask_range(enum revocation_cause cause, const struct gate_event *e,
		      struct gate_want *ret)
{
	if (!e->has_range || !e->count)
		return ask_to_the_end(cause, e, ret);
	return ask(cause, e->offset, e->count, ret);
}

static bool classify_truncate(const struct gate_event *e, struct gate_want *ret)
{
	if (!e->has_range || e->count)
		return ask_to_the_end(CAUSE_UNKNOWN, e, ret);
	if (e->offset >= e->size)
		return false;
	return ask_to_the_end(CAUSE_TRUNCATE, e, ret);
}

static bool classify_ioctl(const struct gate_event *e, uint64_t command, struct gate_want *ret)
{
	switch ((uint32_t)command) {
	case FICLONE:
	case FICLONERANGE:
	case FIDEDUPERANGE:
		return ask_range(CAUSE_CLONE, e, ret);
	/*
	 * XFS's exchange of ranges and its older names of fallocate(2), btrfs's encoded write, what
	 * will come
	 */
	default:
		return ask_to_the_end(CAUSE_UNKNOWN, e, ret);
	}
}

/*
 * A worker of a ring may be doing anything with the file, and neither the event nor /proc tells
 * what: a read too, and a fallocate that moves all that comes after. So this is the one that holds
 * up more than it has to.
 */
static bool classify_ring(const struct gate_event *e, struct gate_want *ret)
{
	return e->has_range && !e->count ? classify_truncate(e, ret)
					 : ask_to_the_end(CAUSE_WRITE, e, ret);
}

/*
 * A thread of the kernel's (an NFS server's, a storage target's), which is in no call: /proc has
 * zeros for it, as if it were reading. Most of them do read and write; the others are known from
 * their stack, and a truncation from its range.
 */
static bool is_kernel_thread(const struct gate_call *call)
{
	return call->kernel_thread && !call->number;
}

/*
 * A worker of a ring. It was made in some call of a program's, whichever that was, and /proc shows
 * that call's number and arguments, but no stack, of which it has none.
 */
static bool is_ring_worker(const struct gate_call *call)
{
	return call->number >= 0 && !call->sp && !call->pc && !call->kernel_thread;
}

static bool classify_kernel_thread(const struct gate_event *e, const struct gate_call *call,
				   struct gate_want *ret)
{
	switch (call->kernel_thread) {
	case GATE_KERNEL_FALLOCATES:
		return ask_range(CAUSE_FALLOCATE, e, ret);
	case GATE_KERNEL_CLONES:
		return e->can_share && ask_range(CAUSE_CLONE, e, ret);
	default:
		return e->has_range && !e->count && classify_truncate(e, ret);
	}
}

static bool ask_if_truncates(const struct gate_event *e, uint64_t flags, struct gate_want *ret)
{
	return flags & O_TRUNC && e->size && ask(CAUSE_OPEN_TRUNCATE, 0, TO_THE_END, ret);
}

/* How a 32-bit program opens; no native call of that number opens anything. */
static enum kind kind_of_open_32(int64_t number)
{
#ifdef __x86_64__
	switch (number) {
	case 5: /* open */
		return KIND_OPENS_1;
	case 8: /* creat */
		return KIND_CREATES;
	case 295: /* openat */
	case 342: /* open_by_handle_at */
		return KIND_OPENS_2;
	default:
		break;
	}
#endif
	(void)number;
	return KIND_OTHER;
}

static bool classify_open(const struct gate_event *e, const struct gate_call *call,
			  struct gate_want *ret)
{
	enum kind kind = kind_of_open_32(call->number);

	switch (kind == KIND_OTHER ? kind_of(call->number) : kind) {
	case KIND_EXECUTES:
		return false;
	case KIND_OPENS_1:
		return ask_if_truncates(e, call->args[1], ret);
	case KIND_OPENS_2:
		return ask_if_truncates(e, call->args[2], ret);
	case KIND_CREATES:
	case KIND_OPENS_SOMEHOW:
	case KIND_RING:
		return ask_if_truncates(e, O_TRUNC, ret);
	default:
		return e->size && ask(CAUSE_UNKNOWN, 0, TO_THE_END, ret);
	}
}

bool gate_classify(const struct gate_event *e, const struct gate_call *call, struct gate_want *ret)
{
	if (!call)
		return ask_to_the_end(CAUSE_UNKNOWN, e, ret);
	/* first of all, since nothing else that is shown of it is its own */
	if (is_ring_worker(call))
		return e->mask & FAN_OPEN_PERM ? ask_if_truncates(e, O_TRUNC, ret)
					       : classify_ring(e, ret);
	if (is_kernel_thread(call)) /* they open for others, and truncate in a step of its own */
		return !(e->mask & FAN_OPEN_PERM) && classify_kernel_thread(e, call, ret);
	if (e->mask & FAN_OPEN_PERM)
		return classify_open(e, call, ret);
	switch (kind_of(call->number)) {
	case KIND_PASSES:
	case KIND_EXECUTES:
		return false;
	case KIND_PASSES_32:
		return !e->has_range || !e->count ? ask_to_the_end(CAUSE_UNKNOWN, e, ret) : false;
	case KIND_TRUNCATES:
		return classify_truncate(e, ret);
	case KIND_FALLOCATE:
		/*
		 * Every mode, as XFS breaks layouts before every mode; these two move all that
		 * comes after.
		 */
		if (call->args[1] & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE))
			return ask_to_the_end(CAUSE_FALLOCATE, e, ret);
		return ask_range(CAUSE_FALLOCATE, e, ret);
	case KIND_IOCTL:
		return classify_ioctl(e, call->args[1], ret);
	case KIND_COPY:
		return e->can_share ? ask_range(CAUSE_CLONE, e, ret) : false;
	case KIND_RING:
		return classify_ring(e, ret);
	default:
		return ask_to_the_end(CAUSE_UNKNOWN, e, ret);
	}
}
