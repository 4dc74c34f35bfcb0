// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * gate-call.c - what the gate makes of an event and of the text in /proc about the thread that
 * waits: HOW (1 byte), three numbers of the event (24), and then text.
 *
 * Measured: daemon/gate/gate-classify.c
 *
 * A call that was read, written out as the kernel writes it and read again is the same. What takes
 * blocks has a cause, and a call that could not be read takes all of them.
 */
#undef NDEBUG
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/fanotify.h>

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

static void check_want(const struct gate_event *e, const struct gate_call *call)
{
	const struct gate_want none = { _REVOCATION_CAUSE_MAX, 1, 2 };
	struct gate_want want = none;

	if (!gate_classify(e, call, &want)) {
		assert(call && !memcmp(&want, &none, sizeof(want)));
		return;
	}
	assert(want.cause < _REVOCATION_CAUSE_MAX);
	assert(want.length <= UINT64_MAX - want.offset || want.length == UINT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
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
	bytes_text(&b, text, sizeof(text));
	check_text(text, &call);
	call.kernel_thread = gate_stack_parse(text);
	assert(call.kernel_thread <= GATE_KERNEL_CLONES);
	if (how & 8)
		call.kernel_thread = GATE_NO_KERNEL_THREAD;
	check_want(&e, &call);
	check_want(&e, NULL);
	return 0;
}
