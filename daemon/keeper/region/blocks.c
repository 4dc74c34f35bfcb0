// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * blocks.c - blocks of a file with direct access that others' writes replace, under a region
 * (extents-replaceable.h).
 *
 * With a layout lease, which means XFS: a fault of the region's mapping while write(2) replaces the
 * block, a peer's access or a prefetch, can leave the mapping on the old one for good, and that may
 * be another file's soon. So while a region has such blocks its watch asks for writes, too
 * (RDMAREG_ASK_WRITES): the range is fenced while they are done.
 *
 * Without: a write to a block that was never written makes ext4 write zeros beside it as well, with
 * the mapping left on the kernel's own page of zeros there. So such blocks are written when a
 * region is registered that may write; and whenever others took pages away, what lies around them
 * is dropped from the mapping: what was replaced then is mapped anew. For the time until that is
 * done the region is said to be degraded while it has such blocks.
 *
 * What always holds:
 *   - A region with a layout lease is opened with a watch that is armed and asks for writes if any
 *     block calls for it, and after everybody who began to write before that has ended. Blocks come
 *     to be shared only by a reflink, which breaks the lease; so it is enough to look after each
 *     arming.
 *   - Nobody is let in before the look is done: where storage, or somebody in the middle of a
 *     write(2), does not let it end, the region stays fenced. That is so also where the module arms
 *     no watch because of him.
 *   - What the keeper drops by itself is not taken for the doing of others, or it would go on
 *     dropping.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stddef.h>

#include "keeper/system/extents-replaceable.h"
#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/keeper-tell.h"
#include "keeper/system/mapping.h"
#include "keeper/system/watch.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/macros.h"

/* At most so much is written for a region when it is registered. */
#define WRITE_MOST (UINT64_C(256) << 20)
/*
 * How far around what was taken away: ext4 writes zeros in pieces of 32 KiB unless told otherwise
 * (extent_max_zeroout_kb).
 */
#define AROUND_WRITTEN (UINT64_C(64) << 10)
#define AROUND_UNWRITTEN (UINT64_C(2) << 20)

#define of_job(j) container_of(j, struct kregion, replaced.job)

/* In a worker. What cannot be seen is taken for the worst. */
static void look(struct kregion *r)
{
	const struct mapping *m = r->mapping;
	struct replaceable seen;

	if (replaceable_look(m->fd, m->xfs, m->offset, m->length, &seen) < 0)
		seen.shared = seen.unwritten = true;
	r->replaced.seen = seen;
}

void kregion_prepare_look(struct kregion *r)
{
	r->replaced.leased = kregion_is_leased(r);
	r->replaced.again = false;
}

void kregion_take_look(struct kregion *r)
{
	r->replaced.found = r->replaced.seen; /* what was found before stood until now */
}

void kregion_look_at_blocks(struct kregion *r)
{
	struct mapping *m = r->mapping;

	if (!m->direct)
		return;
	if (r->replaced.leased)
		replaceable_wait_for_writers(m->fd);
	else if (m->write && !m->xfs)
		replaceable_write(m->fd, m->offset, m->length, WRITE_MOST);
	look(r);
}

int kregion_follow_blocks(struct kregion *r)
{
	const struct replaceable *found = &r->replaced.found;
	bool ask = found->shared || found->copies == COPIES_SOME;
	int error;

	/*
	 * where nobody can tell, a file that had shared blocks has copies set aside, and another
	 * has not
	 */
	if (!ask && found->copies == COPIES_UNKNOWN)
		ask = r->watching.ask_writes;
	if (!r->mapping->direct || !kregion_is_leased(r) || ask == r->watching.ask_writes)
		return 0;
	error = watch_layout_anew(r->keeper->watch, r->mapping->fd, r->watching.deadline_msec, ask,
				  r->id, &r->watching.layout_slot);
	if (error < 0)
		return ask ? error : 0; /* to ask for more than is needed does no harm */
	r->watching.break_base = r->guard.break_id;
	r->watching.ask_writes = ask;
	kregion_reason_changed(r);
	log_info("region %" PRIu64 ": writes by others are %s", r->id,
		 ask ? "asked for, since blocks are shared with another file"
		     : "not asked for any more");
	return ask; /* those who began to write before that */
}

/* --- after arming */

static void answer(struct kregion *r, int error)
{
	evtimer_del(r->replaced.timer);
	r->replaced.wanted = false;
	kregion_feed(r, (struct guard_event){ .type = GUARD_ARM_DONE, .error = error });
}

static void submit_look(struct kregion *r);
static void make_up(struct kregion *r);

static void tell_trouble(struct kregion *r)
{
	if (r->announced && kregion_blocks_trouble(r) != r->replaced.told)
		tell_mode(r);
}

/*
 * In a worker. What was mapped while nobody asked may be a block that was replaced: it is not kept.
 */
static void run_look(struct job *job)
{
	struct kregion *r = of_job(job);

	kregion_look_at_blocks(r);
	if (r->replaced.drop_all)
		r->replaced.dropped = mapping_drop(r->mapping, 0, r->mapping->length) == 0;
}

/* What came late is made up for. */
static void end_late(struct kregion *r)
{
	struct kregion_replaced *b = &r->replaced;

	if (!b->dropped)
		b->own_clears = 0;
	b->drop_all = false;
	b->late = b->again;
	if (!b->wanted && r->guard.state == GUARD_OPEN)
		kregion_follow_blocks(r);
	tell_trouble(r);
}

static void done_look(struct job *job)
{
	struct kregion *r = of_job(job);
	bool was_late = r->replaced.drop_all;
	int more;

	kregion_step_ended(r);
	if (r->phase != KREGION_HELD) {
		kregion_continue(r);
		return;
	}
	kregion_take_look(r);
	if (was_late)
		end_late(r);
	if ((was_late || r->replaced.again) && r->replaced.wanted) {
		submit_look(r); /* it was broken meanwhile, and is armed again */
		return;
	}
	if (!r->replaced.wanted) {
		make_up(r);
		return; /* too late: it is looked at again */
	}
	more = r->replaced.arm_error ? 0 : kregion_follow_blocks(r);
	if (more > 0)
		submit_look(r);
	else
		answer(r, more < 0 ? -EAGAIN : r->replaced.arm_error);
}

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
	struct kregion *r = userdata;

	(void)fd;
	(void)what;
	if (!r->replaced.wanted)
		return;
	log_warning(
		"region %" PRIu64
		": stays closed: which blocks are shared cannot be found out, since somebody is in the middle of a "
		"write(2) or the storage does not answer (%s)",
		r->id, r->path[0] ? r->path : "?");
	answer(r, -EAGAIN);
}

int kregion_init_blocks(struct kregion *r)
{
	r->replaced.timer = evtimer_new(r->keeper->base, on_timer, r);
	return r->replaced.timer ? 0 : -ENOMEM;
}

static void submit_look(struct kregion *r)
{
	r->replaced.drop_all = r->replaced.late;
	r->replaced.own_clears += r->replaced.drop_all;
	r->replaced.job = (struct job){ .run = run_look, .done = done_look, .key = r->storage };
	r->replaced.submitted_usec = now_monotonic_usec();
	kregion_prepare_look(r);
	worker_submit(r->keeper->files, &r->replaced.job);
	kregion_step_began(r);
}

void kregion_arm(struct kregion *r)
{
	const struct timeval patience =
		timeval_from_usec(r->keeper->options->storage_stall_msec * USEC_PER_MSEC);
	int error = kregion_rearm(r);

	if ((error && error != -EAGAIN) || !r->mapping->direct || !kregion_is_leased(r)) {
		answer(r, error);
		return;
	}
	/*
	 * -EAGAIN: who broke it is in the same call still. If that is a write(2), which replaces
	 * blocks, nobody is let in before it is over, lease or no lease: the look waits for that
	 */
	r->replaced.arm_error = error;
	r->replaced.wanted = true;
	evtimer_add(r->replaced.timer, &patience);
	if (r->replaced.job.busy)
		r->replaced.again = true;
	else
		submit_look(r);
}

/* --- when a lease comes late */

/* If one did, and what is under way does not see to it. */
static void make_up(struct kregion *r)
{
	if (r->replaced.late && !r->replaced.job.busy)
		submit_look(r);
}

void kregion_lease_came(struct kregion *r)
{
	r->replaced.late = r->mapping->direct;
	r->replaced.again = r->replaced.job.busy;
	make_up(r);
}

/* --- after pages went away, without a lease */

/* In a worker. */
static void run_drop(struct job *job)
{
	struct kregion *r = of_job(job);

	r->replaced.dropped =
		mapping_drop(r->mapping, r->replaced.drop_start, r->replaced.drop_end) == 0;
	look(r);
}

static void done_drop(struct job *job);

static void drop(struct kregion *r)
{
	struct kregion_replaced *b = &r->replaced;
	uint64_t around = b->found.unwritten ? AROUND_UNWRITTEN : AROUND_WRITTEN;

	if (b->job.busy || b->clear_start >= b->clear_end || r->guard.state != GUARD_OPEN)
		return;
	b->drop_start = b->clear_start > around ? b->clear_start - around : 0;
	b->drop_end = b->clear_end + around;
	b->clear_start = b->clear_end = 0;
	b->own_clears++;
	b->job = (struct job){ .run = run_drop, .done = done_drop, .key = r->storage };
	b->submitted_usec = now_monotonic_usec();
	worker_submit(r->keeper->files, &b->job);
	kregion_step_began(r);
}

static void done_drop(struct job *job)
{
	struct kregion *r = of_job(job);

	kregion_step_ended(r);
	if (r->phase != KREGION_HELD) {
		kregion_continue(r);
		return;
	}
	kregion_take_look(r);
	if (!r->replaced.dropped)
		r->replaced.own_clears = 0;
	tell_trouble(r);
	if (r->replaced.wanted)
		submit_look(r); /* it was broken meanwhile, and is armed again */
	else
		make_up(r);
	drop(r);
}

uint64_t kregion_own_clears(struct kregion *r, const struct rdmareg_report *report)
{
	uint64_t own = report->causes & RDMAREG_CAUSE_SELF ? r->replaced.own_clears : 0;

	if (own > report->clear_count)
		own = report->clear_count;
	r->replaced.own_clears -= own;
	return own;
}

void kregion_blocks_cleared(struct kregion *r, uint64_t start, uint64_t end)
{
	struct kregion_replaced *b = &r->replaced;

	if (!r->mapping->direct || r->mapping->xfs)
		return;
	if (b->clear_start >= b->clear_end) {
		b->clear_start = start;
		b->clear_end = end;
	} else {
		b->clear_start = start < b->clear_start ? start : b->clear_start;
		b->clear_end = end > b->clear_end ? end : b->clear_end;
	}
	kregion_drop_blocks(r);
}

void kregion_drop_blocks(struct kregion *r)
{
	if (r->phase == KREGION_HELD)
		drop(r);
}

/*
 * The kernel takes the note of a page away before it unmaps it, and warns when somebody has it
 * mapped (docs/upstream/dax-stale-mapping.md).
 */
void kregion_let_go(struct kregion *r, uint64_t start, uint64_t end)
{
	if (r->watching.ask_writes && mapping_drop(r->mapping, start, end) == 0)
		r->replaced.own_clears++;
}

bool kregion_end_blocks(struct kregion *r)
{
	evtimer_del(r->replaced.timer);
	worker_withdraw(r->keeper->files, &r->replaced.job);
	return !r->replaced.job.busy;
}
