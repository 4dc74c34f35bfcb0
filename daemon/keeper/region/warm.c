// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warm.c - carries out what warm/warm.c decides: one chunk at a time through the worker, and
 * answers to who asked.
 *
 * What always holds: only an open region is prefetched, never beyond the end of its file, and
 * prefetching ends with the chunk under way when a revocation begins. Nobody waits longer for a
 * chunk than storage_stall_msec: storage can hang, and who waits is told.
 */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "keeper/hca/hca.h"
#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "keeper/keeper-tell.h"
#include "keeper/system/pressure.h"
#include "keeper/system/watch.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/macros.h"

#define PROGRESS_USEC (250 * USEC_PER_MSEC)
#define UNHEARD_PACE_MSEC 1000

/* What the module reports as one is not too wide for the blocks, wherever it begins. */
static_assert(RDMAREG_PACE_GRAINS < WARM_EXACT_BLOCKS, "a report is too wide");

#define of_job(j) container_of(j, struct kregion, warming.job)

/* Of which a part cannot be seen is no sample. */
static void take_sample(struct kregion *r)
{
	const struct warm_chunk *c = &r->warming.chunk;
	struct warm_sample s;
	char bytes[WARM_SAMPLE_BYTES];

	warm_sample_begin(&s, c->length);
	for (unsigned int i = 0; i < warm_sample_places(&s); i++) {
		if (mapping_read(r->mapping, c->offset + warm_sample_place(&s, i), bytes,
				 sizeof(bytes)) < 0)
			return;
		warm_sample_note(&s, i, bytes);
	}
	r->warming.sample = s;
}

static int prefetch(const struct kregion *r)
{
	const struct warm_chunk *c = &r->warming.chunk;

	return hca_prefetch(r->mr, r->mapping->address + c->offset, c->length, c->write);
}

/* In the worker. */
static void run(struct job *job)
{
	struct kregion *r = of_job(job);

	if (r->warming.chunk.write_if_dirty &&
	    mapping_is_dirty(r->mapping, r->warming.chunk.offset, r->warming.chunk.length))
		r->warming.chunk.write = true;
	/*
	 * read from the storage first, since the adapter's fault would keep the address space for
	 * as long as that takes
	 */
	mapping_load(r->mapping, r->warming.chunk.offset, r->warming.chunk.length);
	r->warming.sample = (struct warm_sample){ 0 };
	if (r->warming.chunk.sampled) {
		take_sample(r);
		if (warm_block_is_same(&r->warming.chunk.before, &r->warming.sample))
			r->warming.chunk.write = false;
	}
	/* last, since a freeze can begin while any of the above waits for storage */
	if (r->warming.chunk.write)
		kregion_await_writable(r, job);
	r->warming.error = prefetch(r);
	/* what was dirty a moment ago may be refused by now, and reading it not */
	if (r->warming.error && r->warming.chunk.write && r->warming.chunk.write_if_dirty) {
		r->warming.chunk.write = false;
		r->warming.error = prefetch(r);
	}
	r->warming.cause = 0;
	if (r->warming.error == -EFAULT || r->warming.error == -EIO)
		r->warming.cause = mapping_explain(r->mapping, r->warming.chunk.offset,
						   r->warming.chunk.length, r->warming.chunk.write,
						   &r->warming.failed_at);
}

static uint64_t limit(const struct kregion *r)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (r->guard.valid_length + page - 1) / page * page;
}

/* The first chunk at once, then not after every one: some come back within a millisecond. */
static void tell_progress_of(struct kregion *r)
{
	uint64_t now = now_monotonic_usec();
	struct keeper_progress p = { 0 };
	struct timeval tv;
	struct warm_request q;

	if (r->phase != KREGION_HELD)
		return;
	if (r->warming.engine.n_requests && r->warming.engine.request[0].told &&
	    now - r->warming.progress_usec < PROGRESS_USEC) {
		/* soon: the next chunk may take long */
		tv = timeval_from_usec(r->warming.progress_usec + PROGRESS_USEC - now);
		evtimer_add(r->warming.timer, &tv);
		return;
	}
	if (!warm_progress(&r->warming.engine, &q, &p.done, &p.total))
		return;
	r->warming.progress_usec = now;
	p.operation = q.operation;
	/* connection 0: the registration, which waits for it */
	tell_progress(r,
		      q.connection ? &(struct operation){ q.connection, q.operation }
				   : &r->registration,
		      &p);
}

static void note_unsupported(struct kregion *r)
{
	r->warming.unsupported = true;
	kregion_pace(r);
}

static void done(struct job *job)
{
	struct kregion *r = of_job(job);
	int error = r->warming.error;

	kregion_step_ended(r);
	evtimer_del(r->warming.stall_timer);
	r->warming.stalled = false;
	if (error == -EFAULT && r->phase == KREGION_HELD) {
		/*
		 * the file became shorter under it: there is nothing left to prefetch, which is no
		 * failure
		 */
		kregion_restat(r);
		if (r->warming.chunk.offset + r->warming.chunk.length > limit(r))
			error = 0;
	}
	if (error == -EFAULT && r->warming.cause) {
		error = r->warming.cause;
		if (r->phase == KREGION_HELD && (error == -EIO || error == -EHWPOISON))
			kregion_note_damage(r, r->warming.failed_at,
					    r->warming.failed_at + r->mapping->granule,
					    mapping_explanation(error));
	}
	if (error == -EOPNOTSUPP)
		note_unsupported(r);
	if (error == 0) {
		r->stuck.unwarmed = false;
		r->counters.bytes_warmed += r->warming.chunk.length;
		/* what somebody asked for is his own doing, and what was dirty is nobody's */
		if (r->warming.chunk.write && !r->warming.chunk.write_if_dirty &&
		    r->warming.engine.out != WARM_REQUEST)
			r->counters.bytes_redirtied += r->warming.chunk.length;
		kregion_tell_counters(r);
	}
	if (r->warming.chunk.sampled)
		warm_sampled(&r->warming.engine, &r->warming.sample);
	warm_done(&r->warming.engine, error);
	tell_progress_of(r);
	if (r->phase == KREGION_HELD && !r->ending.destroying)
		kregion_warm(r);
	else
		kregion_continue(r);
}

/* The chunk that is out, which a thread has, waits for its filesystem to take writes. */
static bool is_frozen(const struct kregion *r)
{
	return r->warming.job.busy && !job_began(&r->warming.job);
}

static int no_answer(const struct kregion *r, struct failure *why)
{
	if (is_frozen(r))
		return fail(why, -ETIME,
			    "The filesystem takes no writes, as while it is frozen for a snapshot;"
			    " it had %" PRIu32 " ms",
			    r->keeper->options->storage_stall_msec);
	return fail(why, -ETIME,
		    "The storage does not answer; it had %" PRIu32 " ms for 2 MiB or less",
		    r->keeper->options->storage_stall_msec);
}

static void answer_finished(struct kregion *r)
{
	struct warm_request q;
	struct failure why;

	while (warm_take_finished(&r->warming.engine, &q)) {
		struct operation op = { .connection = q.connection, .number = q.operation };

		if (q.connection) {
			if (q.error == -ETIME)
				no_answer(r, &why);
			else if (q.error && mapping_explanation(q.error))
				fail(&why, q.error, "%s", mapping_explanation(q.error));
			tell_done(r->keeper, &op, r->id, q.error,
				  q.error == -ETIME || mapping_explanation(q.error) ? &why : NULL);
			continue;
		}
		if (q.error && q.error != -EBUSY && q.error != -ECANCELED)
			log_notice("region %" PRIu64 ": not prefetched: %s", r->id,
				   mapping_explanation(q.error) ? mapping_explanation(q.error)
								: strerror(-q.error));
		tell_registered(r);
	}
}

void kregion_warm(struct kregion *r)
{
	struct timeval tv;
	uint64_t wait;

	if (r->phase != KREGION_HELD || !guard_is_open(&r->guard) || r->warming.job.busy)
		return;
	answer_finished(r);
	if (kregion_file_is_stuck(r))
		return;
	while (!warm_next(&r->warming.engine, limit(r), now_monotonic_usec(), &r->warming.chunk,
			  &wait)) {
		unsigned int left = r->warming.engine.n_requests;

		answer_finished(r);
		if (left != r->warming.engine.n_requests && r->warming.engine.n_requests)
			continue; /* one that had nothing to do; the next may have */
		if (wait) {
			tv = timeval_from_usec(wait);
			evtimer_add(r->warming.timer, &tv);
		}
		return;
	}
	r->warming.error = keeper_check_room(r->mapping, r->warming.chunk.length);
	if (r->warming.error == 0) {
		r->warming.capped = false;
		tv = timeval_from_usec(r->keeper->options->storage_stall_msec * USEC_PER_MSEC);
		evtimer_add(r->warming.stall_timer, &tv);
		worker_submit(r->keeper->warm_worker, &r->warming.job);
		kregion_step_began(r);
		return;
	}
	if (!r->warming.capped)
		log_notice(
			"region %" PRIu64
			": prefetching ends here, or it would displace its keeper's other memory: raise "
			"MemoryMax= of the tenant's slice, or of what is above it, to have it all",
			r->id);
	r->warming.capped = true;
	warm_done(&r->warming.engine, r->warming.error);
	kregion_warm(r);
}

void kregion_stop_warming(struct kregion *r, int error)
{
	if (r->warming.job.busy && worker_withdraw(r->keeper->warm_worker, &r->warming.job)) {
		evtimer_del(r->warming.stall_timer);
		warm_done(&r->warming.engine, error);
	}
	warm_cancel(&r->warming.engine, error);
	answer_finished(r);
}

void kregion_cancel_prefetch(struct kregion *r, const struct operation *op)
{
	warm_cancel_request(&r->warming.engine, op->connection, op->number);
	answer_finished(r);
	kregion_warm(r);
}

void kregion_drop_prefetches(struct kregion *r)
{
	for (unsigned int i = 0; i < r->warming.engine.n_requests; i++) {
		const struct warm_request *q = &r->warming.engine.request[i];
		struct operation op = { q->connection, q->operation };

		if (q->connection && !session_is_waiting(r->keeper->session, &op))
			warm_cancel_request(&r->warming.engine, q->connection, 0);
	}
	answer_finished(r);
	kregion_warm(r);
}

int kregion_prefetch(struct kregion *r, const struct operation *op,
		     const struct keeper_range *range, struct failure *why)
{
	uint64_t length = range->length ? range->length : r->mapping->length - range->offset;
	struct warm_request q = {
		.start = range->offset,
		.end = range->offset + length,
		.write = range->write,
		.connection = op->connection,
		.operation = op->number,
	};
	int error;

	if (range->offset >= r->mapping->length || length > r->mapping->length - range->offset)
		return fail(why, -ERANGE,
			    "Offset %" PRIu64 " and length %" PRIu64
			    " are not inside the region's %" PRIu64 " bytes",
			    range->offset, range->length, r->mapping->length);
	if (range->write && !r->mapping->write)
		return fail(why, -EACCES,
			    "The region has access r; it can be prefetched for reading only");
	if (r->warming.unsupported)
		return fail(why, -EOPNOTSUPP,
			    "The adapter or its driver cannot prefetch (rxe: needs Linux 6.17)");
	if (kregion_file_is_stuck(r))
		return fail(why, -ETIME,
			    "A step on this file's memory has not ended; nothing more is begun"
			    " on it until it does");
	if (r->phase != KREGION_HELD || !guard_is_open(&r->guard))
		return fail(why, -EBUSY, "The region is being revoked or released");
	if (r->warming.stalled)
		return no_answer(r, why);
	kregion_restat(r);
	error = warm_add_request(&r->warming.engine, &q);
	if (error)
		return fail(why, error,
			    "Too many prefetches of this region are waiting; wait for one to end");
	kregion_warm(r);
	return 0;
}

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd;
	(void)what;
	tell_progress_of(userdata);
	kregion_warm(userdata);
}

static void on_stall(evutil_socket_t fd, short what, void *userdata)
{
	struct kregion *r = userdata;

	(void)fd;
	(void)what;
	kregion_stop_warming(r, -ETIME);
	r->warming.stalled = r->warming.job.busy; /* else its turn had not come yet */
	if (is_frozen(r)) {
		log_notice("region %" PRIu64 ": nothing of it is prefetched before its filesystem"
			   " takes writes again: it is frozen (fsfreeze(8), a snapshot)",
			   r->id);
		return;
	}
	log_about(LOG_WARNING, LOG_FIELDS(.message = LOG_MESSAGE_STORAGE_SILENT, .file = r->path),
		  "region %" PRIu64 ": the storage does not answer: [%" PRIu64 ", %" PRIu64
		  ") of it has been prefetched for %" PRIu32 " ms",
		  r->id, r->warming.chunk.offset, r->warming.chunk.offset + r->warming.chunk.length,
		  r->keeper->options->storage_stall_msec);
}

/* How much of a report was written back for certain. */
static uint64_t certain(const struct rdmareg_report *report)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	/* other events count into it as well; and a module that does not say may mean one page each */
	if (report->covered && !report->clear_count && !report->other_count)
		return report->covered;
	return report->writeback_count == 1 && !report->covered ? UINT64_MAX
								: report->writeback_count * page;
}

void kregion_warm_after(struct kregion *r, const struct rdmareg_report *report)
{
	if (r->warming.unsupported || r->stuck.unwarmed)
		return;
	if (report->causes & RDMAREG_CAUSE_RECLAIM)
		warm_blocks_reclaimed(&r->warming.engine.blocks, report->start, report->end);
	else if (report->causes & RDMAREG_CAUSE_WRITEBACK)
		warm_blocks_written(&r->warming.engine.blocks, report->start, report->end,
				    certain(report), now_monotonic_usec());
	kregion_warm(r);
}

void kregion_pace(struct kregion *r)
{
	bool heard = r->warming.engine.blocks.mode != WARM_OFF && !r->warming.unsupported;

	if (r->watching.range_slot == WATCH_NO_SLOT)
		return;
	watch_pace(r->keeper->watch, r->watching.range_slot,
		   heard ? WARM_PACE_MSEC : UNHEARD_PACE_MSEC, heard ? WARM_BLOCK_BYTES : 0);
}

void kregion_set_warm_mode(struct kregion *r, enum warm_mode mode)
{
	warm_blocks_set_mode(&r->warming.engine.blocks, mode);
	if (mode == WARM_OFF)
		r->warming.engine.pass = (struct warm_range){ 0, 0 };
	kregion_pace(r);
}

int kregion_init_warming(struct kregion *r, enum warm_mode mode)
{
	struct warm_blocks blocks;
	int error = warm_blocks_init(&blocks, mode, r->mapping->write, r->mapping->length);

	if (error < 0)
		return error;
	warm_init(&r->warming.engine, &blocks, r->keeper->options->warm_bytes_per_sec);
	r->warming.engine.short_of_memory = pressure_is_high(r->keeper->pressure);
	r->warming.job = (struct job){ .run = run, .done = done, .key = r->storage };
	r->warming.timer = evtimer_new(r->keeper->base, on_timer, r);
	r->warming.stall_timer = evtimer_new(r->keeper->base, on_stall, r);
	return r->warming.timer && r->warming.stall_timer ? 0 : -ENOMEM;
}
