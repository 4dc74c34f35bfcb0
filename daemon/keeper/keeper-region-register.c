// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-region-register.c - how a region comes to be: mapped and watched, registered by the worker, prefetched if that was asked for, and then
 * announced.
 *
 * What always holds: watches stand before the file's size is read, so no change of it is missed; a region that cannot be completed
 * leaves nothing.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/durability.h"
#include "keeper/hca.h"
#include "keeper/keeper.h"
#include "keeper/keeper-region.h"
#include "keeper/mapping.h"
#include "keeper/keeper-tell.h"
#include "keeper/watch.h"
#include "rdmareg-wire.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/text.h"

/* The kernel module refuses a lease for 50 ms after the file was taken from somebody, so that who took it is not met by the next one. */
#define WATCH_RETRY_USEC (20 * USEC_PER_MSEC)
#define WATCH_TRIES 20u

#define of_job(j) ((struct kregion *)((char *)(j)-offsetof(struct kregion, job)))

void kregion_answer_registration(struct kregion *r)
{
	if (!r->registration.connection)
		return;
	log_info("region %" PRIu64 ": %s, %" PRIu64 " bytes at %" PRIu64 ", %s, %s", r->id,
		 r->access ? "rw" : "r", r->mapping->length, r->mapping->offset, r->path[0] ? r->path : "?",
		 r->mode_reason);
	tell_region(r, &r->registration);
	r->announced = true;
	r->registration = (struct operation){ 0 };
}

/* In the worker. */
static void run(struct job *job)
{
	struct kregion *r = of_job(job);

	r->job_error = hca_register(r->keeper->hca, r->mapping->address, r->mapping->length,
				    r->mapping->write, r->flush, &r->mr);
}

static void fail(struct kregion *r, int error, const struct reason *why)
{
	tell_done(r->keeper, &r->registration, r->id, error, why);
	r->registration = (struct operation){ 0 };
	r->phase = KREGION_ENDING;
	kregion_end(r);
}

static void done(struct job *job)
{
	struct kregion *r = of_job(job);
	uint64_t valid_length = 0;
	int error = r->job_error;
	struct reason why;

	if (!error)
		error = mapping_valid_length(r->mapping, &valid_length);
	if (error) {
		reason_set(&why, error, "The adapter refused to register it: %s", strerror(-error));
		fail(r, error, &why);
		return;
	}
	r->rkey = hca_mr_rkey(r->mr);
	r->generation = 1;
	/* policy and grace were put there by kregion_register() */
	guard_init(&r->guard, r->guard.policy, r->guard.grace_usec, r->mapping->length, valid_length,
		   r->layout_slot != WATCH_NO_SLOT);
	r->phase = KREGION_HELD;
	keeper_count_faults(r->keeper, r);
	if (r->close_wanted || !session_is_waiting(r->keeper->session, &r->registration)) {
		kregion_close(r, CAUSE_RELEASE, 0);
		return;
	}
	if (r->warm_first) {
		/* connection 0: the registration itself is what waits for it */
		warm_add_request(&r->warm, &(struct warm_request){ .end = r->mapping->length,
								   .write = warm_is_for_writing(&r->warm) });
		kregion_warm(r);
	} else {
		kregion_answer_registration(r);
	}
	if (r->has_early) {
		r->has_early = false;
		kregion_on_layout(r, &r->early);
	}
}

static struct kregion *free_unborn(struct kregion *r)
{
	kregion_unwatch(r);
	mapping_free(r->mapping);
	if (r->timer)
		event_free(r->timer);
	if (r->warm_timer)
		event_free(r->warm_timer);
	if (r->stall_timer)
		event_free(r->stall_timer);
	if (r->folded_timer)
		event_free(r->folded_timer);
	if (r->watch_timer)
		event_free(r->watch_timer);
	warm_blocks_deinit(&r->warm.blocks);
	tickets_deinit(&r->tickets);
	free(r);
	return NULL;
}
DEFINE_FREEP(struct kregion, free_unborn)

/* What a write is worth, and which FLUSHes say so: an adapter would grant more than the memory keeps. */
static void judge_durability(struct kregion *r)
{
	uint8_t flush = r->keeper->hca ? hca_flush(r->keeper->hca) : 0;
	const struct mapping *m = r->mapping;

	r->durability = (uint8_t)durability_of(
		m->fd, &(struct durability_facts){
			       .memory_only = m->memory,
			       .device_dax = m->device_bytes != 0,
			       .synchronous = m->synchronous,
			       .flush = flush & WIRE_FLUSH_PERSISTENT,
		       });
	r->flush = flush & (r->durability == DURABILITY_FLUSH ? WIRE_FLUSH_GLOBAL | WIRE_FLUSH_PERSISTENT
							      : WIRE_FLUSH_GLOBAL);
}

static void remember_path(struct kregion *r, int fd)
{
	char link[32], path[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path));
	text_clean(r->path, sizeof(r->path), path, n > 0 ? (size_t)n : 0);
}

static void try_again(struct kregion *r)
{
	struct timeval tv = timeval_from_usec(WATCH_RETRY_USEC);

	r->watch_tries++;
	evtimer_add(r->watch_timer, &tv);
}

static void on_watch_timer(evutil_socket_t fd, short what, void *userdata)
{
	struct kregion *r = userdata;
	struct reason why;
	int error;

	(void)fd;
	(void)what;
	error = kregion_watch(r, &r->guard.grace_usec, &why);
	if (error == -EBUSY && r->watch_tries < WATCH_TRIES && !r->close_wanted)
		try_again(r);
	else if (error < 0)
		fail(r, error, &why);
	else
		worker_submit(r->keeper->worker, &r->job);
}

int kregion_register(struct keeper *k, const struct operation *op, const struct keeper_message *m, int *fd,
		     struct reason *why)
{
	_cleanup_(free_unbornp) struct kregion *r = calloc(1, sizeof(*r));
	int error;

	if (!r)
		return -ENOMEM;
	r->keeper = k;
	r->id = m->region;
	r->faults = UINT64_MAX;
	r->range_slot = r->layout_slot = WATCH_NO_SLOT;
	r->access = m->info.access;
	r->detached = m->info.detached;
	r->gated = m->info.gated;
	r->warm_first = m->info.warm;
	r->registration = *op;
	r->job = (struct job){ .run = run, .done = done, .urgent = true };
	tickets_init(&r->tickets, k->options->max_tickets);
	remember_path(r, *fd);
	error = mapping_new(&r->mapping, fd, m->info.offset, m->info.length, r->access == ACCESS_READ_WRITE,
			    why);
	if (error == 0)
		error = kregion_check_memory(k, r->mapping, why);
	if (error < 0)
		return error;
	judge_durability(r);
	if (kregion_init_timer(r) < 0 || kregion_init_report(r) < 0 ||
	    kregion_init_warming(r, (enum warm_mode)m->info.warm_mode) < 0)
		return -ENOMEM;
	r->watch_timer = evtimer_new(k->base, on_watch_timer, r);
	if (!r->watch_timer)
		return -ENOMEM;
	r->guard.policy = (enum region_policy)m->info.policy;
	r->guard.grace_usec = m->info.grace_usec;
	error = kregion_watch(r, &r->guard.grace_usec, why);
	if (error < 0 && error != -EBUSY)
		return error;
	if (error == -EBUSY)
		try_again(r);
	else
		worker_submit(k->worker, &r->job);
	keeper_add(k, steal_pointer(r));
	return 0;
}
