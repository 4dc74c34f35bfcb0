// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * explain.c - why a peer's access failed. All that adapters say is that it did; so the pages of the
 * access are touched once more, as the same kind of access, and by this process rather than by the
 * adapter's fault: the kernel then says why.
 *
 * What always holds:
 *   - Nothing is touched that the connection could not have touched: inside the region, with its
 *     right, not while it is fenced.
 *   - Every question is answered once: within PATIENCE_USEC of when it was asked, however silent
 *     the storage is and however many were asked before it, or at the region's end. They are looked
 *     into one after the other; the endpoint bounds how many there are. Only storage that was asked
 *     for so long is told to be silent.
 *   - What is not known is not told: WIRE_CAUSE_UNKNOWN.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/macros.h"

#define PATIENCE_USEC (2 * USEC_PER_SEC)
#define BYTES_MAX (UINT64_C(4) << 20) /* of one access that are looked at */

#define of_job(j) container_of(j, struct kregion, explain.job)

struct kregion_question {
	struct kregion_question *next;
	uint64_t
		number; /* 0: answered, and the worker still looks into it: only the first can be */
	uint64_t until_usec;
	uint64_t offset; /* whole pages */
	uint64_t length;
	bool write;
	bool part; /* the access was larger than what is looked at */
};

static void done(struct job *job);

/* In the worker. */
static void run(struct job *job)
{
	struct kregion *r = of_job(job);
	const struct kregion_question *q = r->explain.questions;

	if (q->write)
		kregion_await_writable(r, job);
	r->explain.error =
		mapping_explain(r->mapping, q->offset, q->length, q->write, &r->explain.failed_at);
}

static void answer_first(struct kregion *r, enum wire_cause cause)
{
	struct kregion_question *q = r->explain.questions;

	r->explain.questions = q->next;
	endpoint_explain(r->keeper->endpoint, q->number, cause);
	free(q);
}

/*
 * While the job is under way the first question is the worker's: it stays, answered, until the job
 * is done.
 */
static void answer_all(struct kregion *r, enum wire_cause cause)
{
	struct kregion_question *q;

	if (!r->explain.questions)
		return;
	if (r->explain.job.busy) {
		q = r->explain.questions;
		endpoint_explain(r->keeper->endpoint, q->number, cause);
		q->number = 0;
		while (q->next) {
			struct kregion_question *next = q->next;

			q->next = next->next;
			endpoint_explain(r->keeper->endpoint, next->number, cause);
			free(next);
		}
		return;
	}
	while (r->explain.questions)
		answer_first(r, cause);
}

static void submit(struct kregion *r, uint64_t now_usec)
{
	r->explain.job = (struct job){ .run = run, .done = done, .key = r->storage };
	r->explain.began_usec = now_usec;
	worker_submit(r->keeper->warm_worker, &r->explain.job);
	kregion_step_began(r);
}

/* For the one that was asked first of those that are not answered. */
static void set_timer(struct kregion *r)
{
	const struct kregion_question *q = r->explain.questions;
	uint64_t now = now_monotonic_usec();
	struct timeval left;

	if (q && !q->number)
		q = q->next;
	if (!q) {
		evtimer_del(r->explain.timer);
		return;
	}
	left = timeval_from_usec(q->until_usec > now ? q->until_usec - now : 0);
	evtimer_add(r->explain.timer, &left);
}

static void answer_expired(struct kregion *r)
{
	struct kregion_question **at = &r->explain.questions, *q;
	uint64_t now = now_monotonic_usec();

	if (r->explain.job.busy && (q = *at)) {
		if (q->until_usec <= now) {
			endpoint_explain(r->keeper->endpoint, q->number, WIRE_CAUSE_UNKNOWN);
			q->number = 0;
		}
		at = &q->next;
	}
	while ((q = *at) && q->until_usec <= now) {
		*at = q->next;
		endpoint_explain(r->keeper->endpoint, q->number, WIRE_CAUSE_UNKNOWN);
		free(q);
	}
}

/* The worker was asked for the first one so long ago. */
static bool is_silent(const struct kregion *r)
{
	return r->explain.job.busy && now_monotonic_usec() - r->explain.began_usec >= PATIENCE_USEC;
}

/* What a revocation keeps peers from, or is about to. */
static bool is_revoked(const struct kregion *r, uint64_t offset, uint64_t length)
{
	return kregion_revocation(r) && offset < r->guard.ask_end &&
	       offset + length > r->guard.ask_start;
}

/* What is known without touching anything; WIRE_CAUSE_AVAILABLE: nothing is the matter so far. */
static enum wire_cause look(struct kregion *r, const struct kregion_question *q)
{
	uint64_t valid;

	if (is_revoked(r, q->offset, q->length))
		return WIRE_CAUSE_FENCED;
	kregion_restat(r);
	valid = (r->guard.valid_length + r->mapping->granule - 1) / r->mapping->granule *
		r->mapping->granule;
	if (q->offset + q->length > valid)
		return WIRE_CAUSE_LENGTH;
	return WIRE_CAUSE_AVAILABLE;
}

static enum wire_cause cause_of(int error, bool part)
{
	switch (-error) {
	case 0:
		return part ? WIRE_CAUSE_UNKNOWN : WIRE_CAUSE_AVAILABLE;
	case ENOSPC:
		return WIRE_CAUSE_NO_SPACE;
	case EDQUOT:
		return WIRE_CAUSE_QUOTA;
	case EROFS:
		return WIRE_CAUSE_READ_ONLY;
	case EIO:
		return WIRE_CAUSE_STORAGE;
	case ENOMEM:
		return WIRE_CAUSE_MEMORY;
	case EHWPOISON:
		return WIRE_CAUSE_POISON;
	default:
		return WIRE_CAUSE_UNKNOWN;
	}
}

static enum wire_cause judge(struct kregion *r, const struct kregion_question *q)
{
	enum wire_cause cause = look(r, q);
	int error = r->explain.error;

	if (cause != WIRE_CAUSE_AVAILABLE)
		return cause; /* while it was touched, and perhaps the reason why that failed */
	if (error == -EIO || error == -EHWPOISON)
		kregion_note_damage(r, r->explain.failed_at,
				    r->explain.failed_at + r->mapping->granule,
				    mapping_explanation(error));
	else if (error)
		log_notice("region %" PRIu64 ": a peer's access to bytes [%" PRIu64 ", %" PRIu64
			   ") failed: %s",
			   r->id, q->offset, q->offset + q->length,
			   mapping_explanation(error) ? mapping_explanation(error)
						      : strerror(-error));
	return cause_of(error, q->part);
}

static void go_on(struct kregion *r)
{
	answer_expired(r);
	if (r->explain.questions && !r->explain.job.busy)
		submit(r, now_monotonic_usec());
	set_timer(r);
}

static void done(struct job *job)
{
	struct kregion *r = of_job(job);

	kregion_step_ended(r);
	if (r->phase != KREGION_HELD) {
		answer_all(r, WIRE_CAUSE_UNKNOWN);
		set_timer(r);
		kregion_continue(r);
		return;
	}
	answer_first(r, judge(r, r->explain.questions));
	go_on(r);
}

static void on_patience(evutil_socket_t fd, short what, void *userdata)
{
	struct kregion *r = userdata;

	(void)fd;
	(void)what;
	if (is_silent(r)) {
		worker_withdraw(r->keeper->warm_worker, &r->explain.job);
		answer_all(r, WIRE_CAUSE_SILENT);
	}
	go_on(r);
}

/* Whole pages of the region. False: there is no such access. */
static bool bound(const struct kregion *r, struct kregion_question *q)
{
	uint64_t granule = r->mapping->granule, total = r->mapping->length, end;

	if (!q->length || q->offset >= total || q->length > total - q->offset)
		return false;
	q->part = q->length > BYTES_MAX;
	end = q->offset + (q->part ? BYTES_MAX : q->length);
	q->offset = q->offset / granule * granule;
	q->length = (end + granule - 1) / granule * granule - q->offset;
	return true;
}

/* WIRE_CAUSE_AVAILABLE: only touching it will tell. */
static enum wire_cause tell_at_once(struct kregion *r, struct kregion_question *q)
{
	enum wire_cause cause;

	if (!bound(r, q) || (q->write && !r->mapping->write))
		return WIRE_CAUSE_UNKNOWN;
	cause = look(r, q);
	if (cause != WIRE_CAUSE_AVAILABLE)
		return cause;
	if (is_silent(r))
		return WIRE_CAUSE_SILENT;
	/* touching it then could have the kernel kill somebody of that control group */
	return keeper_check_room(r->mapping, q->length) < 0 ? WIRE_CAUSE_MEMORY
							    : WIRE_CAUSE_AVAILABLE;
}

static int add(struct kregion *r, const struct kregion_question *wanted)
{
	struct kregion_explain *x = &r->explain;
	struct kregion_question *q, **last = &x->questions;
	uint64_t now = now_monotonic_usec();

	if (!x->timer)
		x->timer = evtimer_new(r->keeper->base, on_patience, r);
	q = x->timer ? malloc(sizeof(*q)) : NULL;
	if (!q)
		return -ENOMEM;
	*q = *wanted;
	q->until_usec = now + PATIENCE_USEC;
	while (*last)
		last = &(*last)->next;
	*last = q;
	if (!x->job.busy)
		submit(r, now);
	set_timer(r);
	return 0;
}

void kregion_explain(struct kregion *r, const struct endpoint_question *asked)
{
	struct kregion_question q = {
		.number = asked->number,
		.offset = asked->offset,
		.length = asked->length,
		.write = asked->request.rights & WIRE_RIGHT_WRITE,
	};
	/* a second step on memory that one does not come back from would not either */
	enum wire_cause cause = kregion_file_is_stuck(r) ? WIRE_CAUSE_SILENT : tell_at_once(r, &q);

	if (cause == WIRE_CAUSE_AVAILABLE && add(r, &q) == 0)
		return;
	endpoint_explain(r->keeper->endpoint, asked->number,
			 cause == WIRE_CAUSE_AVAILABLE ? WIRE_CAUSE_UNKNOWN : cause);
}

bool kregion_end_explaining(struct kregion *r)
{
	answer_all(r, WIRE_CAUSE_UNKNOWN);
	return !r->explain.job.busy;
}
