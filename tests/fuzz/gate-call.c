// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-call.c - what the gate makes of an event and of the text in /proc about the thread that
 * waits: HOW (1 byte), three numbers of the event (24), and then text. HOW also chooses what numbers
 * seldom are by chance: the file ends where the event begins; each number of a call.
 *
 * Measured: daemon/gate/gate-classify.c
 *
 * A call that was read, written out as the kernel writes it and read again is the same. What takes
 * blocks has a cause, and takes at least the range that the event has; a call that could not be read
 * takes as much as any. What passes is one of those that may, by a list that is written a second
 * time here, or takes nothing of a file so long. Arguments that no call has its flags in, and a file
 * that is longer, let nothing pass that did not.
 */
#undef NDEBUG
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/syscall.h>

#include "bytes.h"
#include "gate/gate-classify.h"

#ifndef FAN_PRE_ACCESS
#define FAN_PRE_ACCESS 0x00100000
#endif

static void check_text(const char *text, struct gate_call *ret)
{
	struct gate_call again;
	char printed[256];

	if (gate_call_parse(text, ret) < 0) {
		ret->number = -1;
		return;
	}
	if (ret->number == -1)
		snprintf(printed, sizeof(printed), "-1 0x%" PRIx64 " 0x%" PRIx64 "\n", ret->sp,
			 ret->pc);
	else
		snprintf(printed, sizeof(printed),
			 "%" PRId64 " 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64
			 " 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64 " 0x%" PRIx64 "\n",
			 ret->number, ret->args[0], ret->args[1], ret->args[2], ret->args[3],
			 ret->args[4], ret->args[5], ret->sp, ret->pc);
	assert(gate_call_parse(printed, &again) == 0);
	assert(gate_call_equal(ret, &again));
}

static bool is_among(int64_t number, const long *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (all[i] == number)
			return true;
	return false;
}

#define IS_AMONG(number, ...)                           \
	is_among(number, (const long[]){ __VA_ARGS__ }, \
		 sizeof((const long[]){ __VA_ARGS__ }) / sizeof(long))

static bool reads_or_writes(const struct gate_event *e, int64_t number)
{
	if (IS_AMONG(number, SYS_read, SYS_write, SYS_pread64, SYS_pwrite64, SYS_readv, SYS_writev,
		     SYS_preadv, SYS_pwritev, SYS_preadv2, SYS_pwritev2, SYS_mmap, SYS_sendfile,
		     SYS_splice, SYS_io_submit, SYS_execve, SYS_execveat))
		return true;
#ifdef __x86_64__
	/* of 32-bit programs; of their truncations the range has no bytes */
	return e->has_range && e->count &&
	       IS_AMONG(number, 3, 4, 145, 146, 180, 181, 187, 192, 239, 313, 333, 334, 378, 379);
#else
	(void)e;
	return false;
#endif
}

/* Of an open: whether the file is emptied by it, as far as can be told. */
static bool may_open(const struct gate_event *e, const struct gate_call *call)
{
	if (!e->size || IS_AMONG(call->number, SYS_execve, SYS_execveat))
		return true;
#ifdef __x86_64__
	if (IS_AMONG(call->number, SYS_open, 5))
		return !(call->args[1] & O_TRUNC);
	if (IS_AMONG(call->number, 295, 342))
		return !(call->args[2] & O_TRUNC);
#endif
	return IS_AMONG(call->number, SYS_openat, SYS_open_by_handle_at) &&
	       !(call->args[2] & O_TRUNC);
}

static bool may_pass(const struct gate_event *e, const struct gate_call *call)
{
	bool beyond = e->has_range && !e->count && e->offset >= e->size;
	bool is_ring = call->number >= 0 && !call->sp && !call->pc && !call->kernel_thread;

	if (is_ring)
		return e->mask & FAN_OPEN_PERM ? !e->size : beyond;
	if (call->kernel_thread && !call->number) /* a truncation shows in the range */
		return e->mask & FAN_OPEN_PERM ||
		       (call->kernel_thread == GATE_KERNEL_CLONES && !e->can_share) ||
		       (call->kernel_thread == GATE_KERNEL_WORKS &&
			(!e->has_range || e->count || beyond));
	if (e->mask & FAN_OPEN_PERM)
		return may_open(e, call);
	if (IS_AMONG(call->number, SYS_truncate, SYS_ftruncate, SYS_io_uring_setup,
		     SYS_io_uring_enter))
		return beyond;
	if (call->number == SYS_copy_file_range)
		return !e->can_share;
	return reads_or_writes(e, call->number);
}

static uint64_t end_of(const struct gate_want *w)
{
	return w->length > UINT64_MAX - w->offset ? UINT64_MAX : w->offset + w->length;
}

/* What the call takes is told of by @less knowledge, or a longer file, as well. */
static void check_no_less(const struct gate_event *e, const struct gate_call *less,
			  const struct gate_want *than)
{
	struct gate_want want;

	assert(gate_classify(e, less, &want));
	assert(want.offset <= than->offset && end_of(&want) >= end_of(than));
}

static void check_want(const struct gate_event *e, const struct gate_call *call)
{
	const struct gate_want none = { _REVOCATION_CAUSE_MAX, 1, 2 };
	struct gate_event longer = *e;
	struct gate_want want = none;
	struct gate_call other;

	if (!gate_classify(e, call, &want)) {
		assert(call && !memcmp(&want, &none, sizeof(want)));
		assert(may_pass(e, call));
		return;
	}
	assert(want.cause < _REVOCATION_CAUSE_MAX);
	assert(want.length <= UINT64_MAX - want.offset || want.length == UINT64_MAX);
	if (!call) {
		assert(want.cause == CAUSE_UNKNOWN && want.length == UINT64_MAX);
		return;
	}
	assert(!may_pass(e, call));
	if (e->has_range && !(e->mask & FAN_OPEN_PERM)) {
		assert(want.offset <= e->offset);
		assert(!e->count || e->count > UINT64_MAX - e->offset ||
		       end_of(&want) >= e->offset + e->count);
		assert(e->count || want.length == UINT64_MAX);
	}
	if (!(e->mask & FAN_OPEN_PERM))
		check_no_less(e, NULL, &want);
	other = *call;
	other.args[0] = ~call->args[0];
	for (int i = 3; i < 6; i++)
		other.args[i] = ~call->args[i];
	check_no_less(e, &other, &want);
	longer.size = UINT64_MAX;
	check_no_less(&longer, call, &want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint64_t some[] = { SYS_truncate, SYS_ftruncate,	  SYS_fallocate,
					 SYS_ioctl,    SYS_openat,	  SYS_copy_file_range,
					 SYS_read,     SYS_io_uring_enter };
	struct bytes b = { data, size };
	struct gate_call call = { 0 };
	struct gate_event e = { 0 };
	uint8_t how = bytes_u8(&b);
	char text[512];

	e.mask = how & 1 ? FAN_PRE_ACCESS : FAN_OPEN_PERM;
	e.has_range = how & 2;
	e.can_share = how & 4;
	e.offset = bytes_u64(&b);
	e.count = bytes_u64(&b);
	e.size = bytes_u64(&b) >> 1;
	if (how & 16) /* just there, or just beyond */
		e.size = e.offset + (how >> 7);
	bytes_text(&b, text, sizeof(text));
	check_text(text, &call);
	call.kernel_thread = gate_stack_parse(text);
	assert(call.kernel_thread <= GATE_KERNEL_CLONES);
	if (how & 8)
		call.kernel_thread = GATE_NO_KERNEL_THREAD;
	if (how & 32) { /* without its text */
		call.number = (int64_t)(how & 64 ? some[e.count % 8] : e.count % 512);
		call.sp = 1;
	}
	check_want(&e, &call);
	check_want(&e, NULL);
	e.count = 0; /* a truncation's */
	check_want(&e, &call);
	return 0;
}
