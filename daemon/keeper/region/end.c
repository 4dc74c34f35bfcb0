// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * end.c - how a region ends: peers, memory region, watches, mapping, descriptor, in this order, and
 * then the answers.
 *
 * kregion_end() is called again whenever the worker has given a job back, until nothing is left to
 * wait for. Its first call makes the region unreachable; what follows can take for ever where
 * storage is silent, so the answers wait a second for it and no longer.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/hca/hca.h"
#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "keeper/keeper-tell.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/macros.h"

#define PATIENCE_USEC USEC_PER_SEC

#define of_job(j) container_of(j, struct kregion, job)

/* In the worker. */
static void run_deregister(struct job *job)
{
	struct kregion *r = of_job(job);

	r->job_error = hca_deregister(r->mr);
}

static void done_deregister(struct job *job)
{
	struct kregion *r = of_job(job);

	if (r->job_error && r->keeper->device_gone && r->phase == KREGION_ENDING) {
		/*
		 * The kernel takes it down with the device, whenever that is: nothing else may be
		 * mapped there as long as this process lives.
		 */
		kregion_leave_behind(r, "its device, which was removed");
		return;
	}
	if (r->job_error) {
		/*
		 * It is fenced or this is why it is destroyed; either way a mapping that something
		 * may still be registered on must never become another one. When the process ends,
		 * so does everything.
		 */
		log_error("region %" PRIu64 ": cannot be deregistered (%s): this keeper ends",
			  r->id, strerror(-r->job_error));
		_exit(EXIT_FAILURE);
	}
	r->mr = NULL;
	kregion_continue(r);
}

static bool deregister(struct kregion *r)
{
	uint64_t start = 0, end = UINT64_MAX;
	struct endpoint *e = r->keeper->endpoint;

	if (e)
		endpoint_cut(e, r->id, 0);
	/*
	 * What is left to wait for below may be a page fault that storage does not answer. The
	 * kernel tries one for as long as there is something mapped (7.3 tries one that fails with
	 * EIO for ever), and gives up at a fence.
	 */
	if (!r->ending.quiet && r->mapping)
		mapping_fence(r->mapping, &start, &end);
	r->ending.quiet = true;
	if (e && !endpoint_forget(e, r->id))
		return false;
	if (r->job.busy || r->warming.job.busy)
		return false;
	if (!r->mr)
		return true;
	r->job = (struct job){
		.run = run_deregister, .done = done_deregister, .urgent = true, .key = r->storage
	};
	worker_submit(r->keeper->worker, &r->job);
	return false;
}

void kregion_destroy_mr(struct kregion *r)
{
	r->ending.destroying = true;
	kregion_stop_warming(r, -ECANCELED);
	if (deregister(r))
		kregion_continue(r);
}

static void on_go_on(evutil_socket_t fd, short what, void *userdata)
{
	struct kregion *r = userdata;

	(void)fd;
	(void)what;
	if (r->ending.destroying) {
		if (!deregister(r))
			return;
		r->ending.destroying = false;
		kregion_feed(r, (struct guard_event){ .type = GUARD_DESTROY_DONE });
	} else if (r->phase == KREGION_ENDING) {
		kregion_end(r);
	}
}

int kregion_init_end(struct kregion *r)
{
	r->ending.go_on = evtimer_new(r->keeper->base, on_go_on, r);
	return r->ending.go_on ? 0 : -ENOMEM;
}

void kregion_free_events(struct kregion *r)
{
	struct event *const events[] = {
		r->timer,	   r->warming.timer,  r->warming.stall_timer, r->report.timer,
		r->watching.timer, r->patience_timer, r->explain.timer,	      r->replaced.timer,
		r->stuck.timer,	   r->ending.go_on
	};

	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (events[i])
			event_free(events[i]);
}

/* Everybody who waits hears that it is over. */
static void answer(struct kregion *r)
{
	struct keeper *k = r->keeper;
	bool told = false;

	if (r->registration
		    .connection) /* released, or the keeper stopped, before it was announced */
		tell_done(k, &r->registration, r->id, -ECANCELED, NULL);
	r->registration = (struct operation){ 0 };
	for (size_t i = 0; i < r->ending.n_releases; i++) {
		told |= session_is_waiting(k->session, &r->ending.release[i]);
		tell_done(k, &r->ending.release[i], r->id, 0, NULL);
	}
	if (r->announced && !told) /* a daemon that is gone may have asked for it */
		tell_gone(r);
	kregion_end_report(r);
	r->ending.n_releases = 0;
	r->announced = false;
}

void kregion_leave_behind(struct kregion *r, const char *what)
{
	if (r->ending.left_behind)
		return;
	log_warning("region %" PRIu64
		    ": fenced and without peers; what is left of it waits for %s (%s)",
		    r->id, what, r->path[0] ? r->path : "?");
	answer(r);
	r->ending.left_behind = true;
	keeper_leave_behind(r->keeper, 1);
}

static void finish(struct kregion *r)
{
	struct keeper *k = r->keeper;

	if (r->ending.left_behind)
		keeper_leave_behind(k, -1);
	kregion_forget_stuck(r);
	keeper_remove(k, r);
	log_info("region %" PRIu64 ": gone", r->id);
	answer(r);
	warm_blocks_deinit(&r->warming.engine.blocks);
	tickets_deinit(&r->tickets);
	kregion_free_events(r);
	kregion_free_look(r);
	free(r->demands.item);
	free(r->ending.release);
	free(r);
}

/* In a thread. */
static void run_close(struct job *job)
{
	mapping_free(of_job(job)->ending.mapping);
}

static void done_close(struct job *job)
{
	struct kregion *r = of_job(job);

	r->ending.mapping = NULL;
	finish(r);
}

/* Jobs that wait for others of the same storage need not wait any more. */
static void withdraw(struct kregion *r)
{
	struct keeper *k = r->keeper;

	kregion_stop_warming(r, -ECANCELED);
	worker_withdraw(k->sync_worker, &r->sync.job);
	worker_withdraw(k->sync_worker, &r->persist.job);
	worker_withdraw(k->warm_worker, &r->explain.job);
}

void kregion_end(struct kregion *r)
{
	const struct timeval patience = timeval_from_usec(PATIENCE_USEC);
	bool deregistered, demands_over, persists_over, explained, looked, surveyed;
	struct keeper *k = r->keeper;

	evtimer_del(r->watching.timer);
	withdraw(r);
	if (!r->ending.left_behind && !r->ending.begun) {
		r->ending.begun = true;
		evtimer_add(r->patience_timer, &patience);
	}
	/* each of them is called, for what it begins */
	deregistered = deregister(r);
	demands_over = kregion_end_demands(r);
	persists_over = kregion_end_persists(r);
	explained = kregion_end_explaining(r);
	looked = kregion_end_looking(r);
	surveyed = kregion_end_blocks(r);
	if (!deregistered || !demands_over || !persists_over || !explained || !looked || !surveyed)
		return;
	kregion_unwatch(r);
	if (!r->mapping) {
		finish(r);
		return;
	}
	/* who looks through the regions is not to find a mapping that a thread is taking down */
	r->ending.mapping = steal_pointer(r->mapping);
	r->job = (struct job){ .run = run_close, .done = done_close, .key = r->storage };
	worker_submit(k->files, &r->job);
}
