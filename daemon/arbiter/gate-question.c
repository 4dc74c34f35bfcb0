// SPDX-License-Identifier: GPL-2.0-or-later
/* gate-question.c - see gate-question.h. */
#include "arbiter/gate-question.h"

#include <sched.h>
#include <string.h>

#include "arbiter/gate-proc.h"

/* Most threads are asleep after one or two. */
#define QUICK_TRIES 20

void question_read_range(struct gate_question *q, const struct fanotify_event_metadata *e)
{
	const char *at = (const char *)e + e->metadata_len, *last = (const char *)e + e->event_len;
	const size_t header = sizeof(struct fanotify_event_info_header);

	while (at + header <= last) {
		struct kernel_info_range r;

		memcpy(&r, at, header);
		if (r.len < header || at + r.len > last)
			return;
		if (r.info_type == FAN_EVENT_INFO_TYPE_RANGE && r.len >= sizeof(r)) {
			memcpy(&r, at, sizeof(r));
			q->has_range = true;
			q->offset = r.offset;
			q->count = r.count;
			return;
		}
		at += r.len;
	}
}

bool question_answer(struct gate_question *q, pid_t tid, bool last_try, struct gate_verdict *ret,
		     long *ret_call)
{
	uint64_t arguments[6];
	char call[200];

	q->call = NULL;
	for (int i = 0; i < QUICK_TRIES && proc_read_call(tid, call, sizeof(call)); i++) {
		if (strncmp(call, "running", 7) != 0) {
			q->call = call;
			break;
		}
		if (i == QUICK_TRIES - 1 && !last_try)
			return false;
		sched_yield();
	}
	*ret_call = gate_parse_call(q->call, arguments);
	if (q->is_open && *ret_call == GATE_OPENAT2)
		q->has_how = proc_read_how(tid, arguments[2], &q->how_flags);
	*ret = gate_classify(q);
	q->call = NULL; /* it was on our stack */
	return true;
}
