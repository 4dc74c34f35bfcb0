// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * persist.c - peers that want what they wrote on the medium (WIRE_SYNC): the file is written back
 * by the sync worker, and nobody is asked or fenced, since each asks for his own completed writes
 * only.
 *
 * What always holds:
 *   - A peer waits at most once (endpoint/peer.c), and not after it left: so who waits is bounded
 *     by the number of peers.
 *   - A request that comes while the file is being written back waits for the next time, which
 *     serves all that have come by then.
 *   - Once the storage has failed nothing of this region is called durable again: the kernel tells
 *     of lost pages once only, and whose they were nobody knows.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "util/log.h"
#include "util/macros.h"

#define of_job(j) container_of(j, struct kregion, persist.job)

struct kregion_persist_waiter {
	struct kregion_persist_waiter *next;
	uint64_t peer;
	uint64_t request;
	bool served; /* by the write-back that is under way */
};

static void answer(struct kregion *r, uint64_t peer, uint64_t request,
		   enum wire_sync_outcome outcome)
{
	struct wire_message m = {
		.type = WIRE_SYNCED,
		.request = request,
		.valid_length = r->guard.valid_length,
		.outcome = outcome,
		.rkey = r->rkey,
		.generation = r->generation,
	};

	endpoint_answer(r->keeper->endpoint, peer, &m);
}

/* In the worker. */
static void run(struct job *job)
{
	struct kregion *r = of_job(job);

	/*
	 * the file's size and where its blocks are belong to what fdatasync(2) writes; its times do
	 * not
	 */
	r->persist.error = fdatasync(r->mapping->fd) < 0 ? -errno : 0;
}

static void done(struct job *job);

static void submit(struct kregion *r)
{
	for (struct kregion_persist_waiter *w = r->persist.waiters; w; w = w->next)
		w->served = true;
	r->persist.job = (struct job){ .run = run, .done = done, .key = r->storage };
	worker_submit(r->keeper->sync_worker, &r->persist.job);
}

void kregion_storage_failed(struct kregion *r, int error)
{
	if (!r->storage_error)
		log_error("region %" PRIu64
			  ": %s cannot be written back: %s; register it anew when that is mended",
			  r->id, r->path, strerror(-error));
	r->storage_error = error;
}

/* Answering may end a peer, and so take others out of the list: begin anew after each. */
static bool answer_one(struct kregion *r)
{
	for (struct kregion_persist_waiter **at = &r->persist.waiters, *w; (w = *at);
	     at = &w->next) {
		if (!w->served)
			continue;
		*at = w->next;
		answer(r, w->peer, w->request,
		       r->storage_error ? WIRE_SYNC_FAILED : WIRE_SYNC_DURABLE);
		free(w);
		return true;
	}
	return false;
}

static void done(struct job *job)
{
	struct kregion *r = of_job(job);

	if (r->persist.error)
		kregion_storage_failed(r, r->persist.error);
	while (answer_one(r))
		;
	if (r->phase == KREGION_ENDING)
		kregion_continue(r);
	else if (r->persist.waiters && !r->persist.job.busy)
		submit(r);
}

void kregion_persist(struct kregion *r, const struct endpoint_peer *p, const struct wire_message *m)
{
	struct kregion_persist_waiter *w;

	if (!m->length || m->offset > r->mapping->length ||
	    m->length > r->mapping->length - m->offset) {
		answer(r, p->number, m->request, WIRE_SYNC_RANGE);
		return;
	}
	if (!mapping_is_durable(r->mapping)) {
		answer(r, p->number, m->request, WIRE_SYNC_VOLATILE);
		return;
	}
	if (r->phase != KREGION_HELD || kregion_revocation(r)) {
		answer(r, p->number, m->request, WIRE_SYNC_REVOKED);
		return;
	}
	w = r->storage_error ? NULL : calloc(1, sizeof(*w));
	if (!w) {
		answer(r, p->number, m->request, WIRE_SYNC_FAILED);
		return;
	}
	*w = (struct kregion_persist_waiter){ .peer = p->number, .request = m->request };
	w->next = r->persist.waiters;
	r->persist.waiters = w;
	if (!r->persist.job.busy)
		submit(r);
}

void kregion_persist_left(struct kregion *r, uint64_t peer)
{
	for (struct kregion_persist_waiter **at = &r->persist.waiters, *w; (w = *at);) {
		if (w->peer == peer) {
			*at = w->next;
			free(w);
		} else {
			at = &w->next;
		}
	}
}

bool kregion_end_persists(struct kregion *r)
{
	while (r->persist.waiters)
		kregion_persist_left(r, r->persist.waiters->peer);
	return !r->persist.job.busy;
}
