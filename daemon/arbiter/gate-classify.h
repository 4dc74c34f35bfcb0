/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate-classify.h - what somebody who was stopped by a pre-content event is about to do, told from the system call he is in. Pure.
 *
 * The event itself says only "access, this range"; reading, writing, truncating, punching and cloning look alike. The call's number and
 * arguments are in /proc/TID/syscall, and cannot change while the caller waits for us.
 *
 * What always holds: what takes no blocks passes. What cannot be told is held up, except where that would hold up plain opening.
 *
 * Not told apart: 32-bit programs (their call numbers mean other calls) and io_uring, whose workers show io_uring_enter(2) whatever they
 * do: their reads and writes count as writes that may take blocks, their opens as plain ones.
 */
#ifndef RDMAREG_GATE_CLASSIFY_H
#define RDMAREG_GATE_CLASSIFY_H

#include <stdbool.h>
#include <stdint.h>

#include "names.h"

/* openat2(2), the same everywhere; its flags are in the caller's memory, at its third argument. */
#define GATE_OPENAT2 437

struct gate_question {
	const char *call; /* what /proc/TID/syscall reads; NULL: it cannot be read */
	bool is_open;	  /* FAN_OPEN_PERM, else FAN_PRE_ACCESS */
	bool has_range;	  /* the event brought one */
	uint64_t offset;
	uint64_t count;
	uint64_t size;	    /* of the file, now */
	bool shares_blocks; /* the filesystem has reflinks */
	bool has_how;	    /* openat2(2): its flags were read from the caller's memory */
	uint64_t how_flags;
};

struct gate_verdict {
	bool passes;
	enum revocation_cause cause;
	uint64_t offset; /* what is taken */
	uint64_t length; /* UINT64_MAX: to the end of the file */
};

/* The number of the call that @call is in, and its arguments. -1: none, or it cannot be told. */
long gate_parse_call(const char *call, uint64_t arguments[6]);

struct gate_verdict gate_classify(const struct gate_question *q);

#endif
