/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate-classify.h - does this system call take blocks from the file, and which? From what the
 * kernel tells: a pre-content event, and the text of /proc/TID/syscall of the task that waits.
 *
 * Pure: nothing in here looks at anything but its arguments. What always holds: a call passes only
 * if it is known to take no blocks. Calls by 32-bit programs have other numbers. Those that read,
 * write and open are known here by numbers that mean nothing of the kind natively; none of theirs
 * that takes blocks has the number of a native one that passes (the test has the list), so they
 * become CAUSE_UNKNOWN, and so does all that is not recognized.
 */
#ifndef RDMAREG_GATE_CLASSIFY_H
#define RDMAREG_GATE_CLASSIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "names.h"

/*
 * /proc/TID/syscall, proc_pid_syscall(5). Two reads that give equal calls: most likely still the
 * same call.
 */
struct gate_call {
	int64_t number; /* -1: in the kernel, but in no system call (a thread of the kernel's) */
	uint64_t args[6];
	uint64_t sp;
	uint64_t pc;
	uint64_t kernel_thread; /* enum gate_kernel_work; not part of the text */
};

/* What a thread of the kernel's own, which no program made, does with the file. */
enum gate_kernel_work {
	GATE_NO_KERNEL_THREAD,
	GATE_KERNEL_WORKS, /* reads or writes, or it cannot be told */
	GATE_KERNEL_FALLOCATES,
	GATE_KERNEL_CLONES,
};

/* From the text of /proc/TID/stack of such a thread, while it waits for the answer. */
enum gate_kernel_work gate_stack_parse(const char *text);

/*
 * 0, -EAGAIN: the task is running, so the kernel does not say; -EINVAL: no such text. @ret is
 * untouched on failure.
 */
int gate_call_parse(const char *text, struct gate_call *ret);
bool gate_call_equal(const struct gate_call *a, const struct gate_call *b);

struct gate_event {
	uint64_t mask;	/* FAN_PRE_ACCESS or FAN_OPEN_PERM */
	bool has_range; /* @offset and @count are valid; see struct gate_range_record */
	uint64_t offset;
	uint64_t count;
	uint64_t size;	/* of the file, now */
	bool can_share; /* two files of this filesystem can share blocks */
};

/* What is taken: see struct gate_passage. */
struct gate_want {
	enum revocation_cause cause;
	uint64_t offset;
	uint64_t length;
};

/*
 * Whether it takes blocks; @ret says which, and is untouched if it takes none. @call NULL: could
 * not be read.
 */
bool gate_classify(const struct gate_event *e, const struct gate_call *call, struct gate_want *ret);

#endif
