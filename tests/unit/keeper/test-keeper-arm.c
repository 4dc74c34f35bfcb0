// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-arm.c - region/blocks.c and the worker beside it: the looks at blocks are played here,
 * and what becomes of the region between their beginning and their end.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <event2/event.h>

#include "keeper/keeper.h"
#include "keeper/keeper-tell.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "keeper/system/watch.h"
#include "util/macros.h"

/* --- what is around it */

static struct replaceable blocks; /* of the file, at this moment */
static unsigned int n_waits;	  /* for whoever is in write(2) */
static unsigned int n_submitted;
static unsigned int n_dropped;
static unsigned int n_fed;
static int last_fed; /* of the last GUARD_ARM_DONE */

int replaceable_look(int fd, bool is_xfs, uint64_t offset, uint64_t length, struct replaceable *ret)
{
	(void)fd, (void)is_xfs, (void)offset, (void)length;
	*ret = blocks;
	return 0;
}

void replaceable_wait_for_writers(int fd)
{
	(void)fd;
	n_waits++;
}

void replaceable_write(int fd, uint64_t offset, uint64_t length, uint64_t most)
{
	(void)fd, (void)offset, (void)length, (void)most;
}

int mapping_drop(struct mapping *m, uint64_t start, uint64_t end)
{
	(void)m, (void)start, (void)end;
	n_dropped++;
	return 0;
}

int watch_layout_anew(struct watch *w, int fd, uint32_t deadline_msec, bool ask_writes,
		      uint64_t region, uint32_t *slot)
{
	(void)w, (void)fd, (void)deadline_msec, (void)ask_writes, (void)region, (void)slot;
	return 0;
}

void worker_submit(struct worker *w, struct job *job)
{
	(void)w;
	job->busy = true;
	n_submitted++;
}

bool worker_withdraw(struct worker *w, struct job *job)
{
	(void)w, (void)job;
	return false;
}

int kregion_rearm(struct kregion *r)
{
	(void)r;
	return 0;
}

void kregion_feed(struct kregion *r, struct guard_event e)
{
	(void)r;
	assert(e.type == GUARD_ARM_DONE);
	n_fed++;
	last_fed = e.error;
}

void tell_mode(struct kregion *r)
{
	r->replaced.told = kregion_blocks_trouble(r);
}

void kregion_reason_changed(struct kregion *r)
{
	(void)r;
}

void kregion_step_began(struct kregion *r)
{
	(void)r;
}

void kregion_step_ended(struct kregion *r)
{
	(void)r;
}

void kregion_continue(struct kregion *r)
{
	(void)r;
}

/* --- the tests */

static struct event_base *base;

/* An open region on XFS with direct access, and with a lease. */
static void begin(struct kregion *r)
{
	static const struct keeper_options options; /* nobody is patient */
	static struct keeper keeper;
	static struct mapping mapping;

	keeper = (struct keeper){ .options = &options, .base = base };
	mapping = (struct mapping){ .direct = true, .xfs = true, .write = true, .length = 4096 };
	*r = (struct kregion){ .keeper = &keeper,
			       .mapping = &mapping,
			       .phase = KREGION_HELD,
			       .announced = true,
			       .watching = { .layout_slot = 1 } };
	assert(kregion_init_blocks(r) == 0);
	blocks = (struct replaceable){ 0 };
	n_waits = n_submitted = n_dropped = n_fed = 0;
}

static void end(struct kregion *r)
{
	event_free(r->replaced.timer);
}

static void be_done(struct kregion *r)
{
	r->replaced.job.busy = false;
	r->replaced.job.done(&r->replaced.job);
}

/* The time that the look has is over. */
static void lose_patience(struct kregion *r)
{
	event_active(r->replaced.timer, EV_TIMEOUT, 0);
	assert(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
	assert(!r->replaced.wanted);
}

/*
 * It looked, and before the loop hears of that the time is over, the lease is broken by a reflink
 * and armed again: what was seen before says nothing of the blocks that are there now.
 */
static void test_look_of_before(void)
{
	struct kregion r;

	begin(&r);
	r.guard.state = GUARD_ARMING;
	kregion_arm(&r);
	assert(n_submitted == 1);
	r.replaced.job.run(&r.replaced.job);
	lose_patience(&r);
	assert(n_fed == 1 && last_fed == -EAGAIN);
	blocks.shared = true;
	kregion_arm(&r);
	assert(n_submitted == 1); /* one at a time */
	be_done(&r);
	assert(n_fed == 1); /* nobody is let in yet */
	assert(n_submitted == 2);
	r.replaced.job.run(&r.replaced.job);
	be_done(&r);
	assert(n_fed == 1 && r.watching.ask_writes); /* and once more: it asks for writes now */
	assert(n_submitted == 3);
	r.replaced.job.run(&r.replaced.job);
	be_done(&r);
	assert(n_fed == 2 && last_fed == 0);
	end(&r);
}

/* A look that was begun for a lease waits for writers, whatever the loop makes of the lease. */
static void test_lease_that_goes(void)
{
	struct kregion r;

	begin(&r);
	r.guard.state = GUARD_ARMING;
	kregion_arm(&r);
	r.watching.unleased = true;
	r.replaced.job.run(&r.replaced.job);
	assert(n_waits == 1);
	r.watching.unleased = false;
	be_done(&r);
	assert(n_fed == 1 && last_fed == 0);
	end(&r);
}

/*
 * A lease that comes while what was mapped before another one is dropped: what was mapped since is
 * dropped as well.
 */
static void test_second_late_lease(void)
{
	struct kregion r;

	begin(&r);
	kregion_lease_came(&r);
	assert(n_submitted == 1);
	r.replaced.job.run(&r.replaced.job);
	r.watching.unleased = true;
	r.watching.unleased = false;
	kregion_lease_came(&r);
	assert(n_submitted == 1 && n_dropped == 1);
	be_done(&r);
	assert(r.replaced.late && n_submitted == 2);
	r.replaced.job.run(&r.replaced.job);
	be_done(&r);
	assert(!r.replaced.late && n_submitted == 2 && n_dropped == 2);
	end(&r);
}

/*
 * A lease that is armed again while pages are dropped: the look that it needs follows at once, not
 * when the time for it is over.
 */
static void test_drop_before_look(void)
{
	struct kregion r;

	begin(&r);
	r.mapping->xfs = false;
	kregion_blocks_cleared(&r, 0, 4096);
	assert(n_submitted == 1);
	r.guard.state = GUARD_ARMING;
	kregion_arm(&r);
	r.replaced.job.run(&r.replaced.job);
	be_done(&r);
	assert(n_submitted == 2 && n_fed == 0);
	r.replaced.job.run(&r.replaced.job);
	be_done(&r);
	assert(n_fed == 1 && last_fed == 0);
	end(&r);
}

/* What the thread sees is not known to the loop before it is told. */
static void test_result_is_the_jobs(void)
{
	struct kregion r;

	begin(&r);
	kregion_lease_came(&r);
	blocks.never_shared = true;
	r.replaced.job.run(&r.replaced.job);
	assert(kregion_blocks_trouble(&r) == REGION_BLOCKS_SHARED);
	r.watching.unleased = true;
	be_done(&r);
	assert(kregion_blocks_trouble(&r) == REGION_BLOCKS_FINE);
	end(&r);
}

int main(void)
{
	base = event_base_new();
	assert(base);
	test_look_of_before();
	test_lease_that_goes();
	test_second_late_lease();
	test_drop_before_look();
	test_result_is_the_jobs();
	event_base_free(base);
	return 0;
}
