/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gate-question.h - a question for gate-classify.h, put together from the kernel's event and from /proc. For gate.c and nobody else. */
#ifndef RDMAREG_GATE_QUESTION_H
#define RDMAREG_GATE_QUESTION_H

#include <sys/types.h>

#include "arbiter/fanotify-kernel.h"
#include "arbiter/gate-classify.h"

/* The range record of an event, if it has one. */
void question_read_range(struct gate_question *q, const struct fanotify_event_metadata *e);

/*
 * What the thread is about to do, and the number of its call. False: it cannot be told yet. The event is there a moment before its
 * thread sleeps, and while it runs /proc does not show its call. @last_try: an answer in any case.
 */
bool question_answer(struct gate_question *q, pid_t tid, bool last_try, struct gate_verdict *ret,
		     long *ret_call);

#endif
