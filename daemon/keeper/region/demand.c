// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * demand.c - ranges that somebody wants through the daemon, and the keeper's own wishes: quiet
 * while it writes back, or while something of the region does not end.
 *
 * What always holds:
 *   - The guard keeps few demands. When it has no place for another, that one shares the place of
 *     one that is there, whose range grows to cover both: it waits for that fence like any other,
 *     and nothing is let go before the last of a place is over.
 *   - Every demand is answered once: granted, withdrawn, or the end of the region, which is as good
 *     as a grant.
 *   - A demand that the daemon made ends with the daemon's connection; one with a limit ends there.
 *     None outlives its region.
 *   - A sync ends by the storage or by its limit, whichever comes first; the answer says which.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/keeper-tell.h"
#include "keeper/system/mapping.h"
#include "util/log.h"
#include "util/macros.h"

#define OWN (UINT64_C(1) << 63)

#define of_sync(j) container_of(j, struct kregion, sync.job)

static struct kregion_demand *find(struct kregion *r, uint64_t demand)
{
	for (size_t i = 0; i < r->demands.n; i++)
		if (r->demands.item[i].demand == demand)
			return &r->demands.item[i];
	return NULL;
}

/* A free one, or NULL: there are too many, or no memory. */
static struct kregion_demand *new_demand(struct kregion *r)
{
	struct kregion_demand *d = find(r, 0), *more;
	size_t n = r->demands.n ? 2 * r->demands.n : GUARD_DEMANDS_MAX;

	if (d)
		return d;
	if (n > KREGION_DEMANDS_MAX)
		return NULL;
	more = realloc(r->demands.item, n * sizeof(*more));
	if (!more)
		return NULL;
	memset(more + r->demands.n, 0, (n - r->demands.n) * sizeof(*more));
	d = more + r->demands.n;
	r->demands.item = more;
	r->demands.n = n;
	return d;
}

/*
 * The place whose range grows least by that, one that is not granted if there is one: who shares a
 * granted one keeps it from being over. The keeper's own wishes share with nobody. 0: none.
 */
static uint64_t place_to_share(const struct kregion *r, uint64_t start, uint64_t end)
{
	uint64_t best = 0, least = UINT64_MAX;
	bool granted = true;

	for (size_t i = 0; i < r->demands.n; i++) {
		const struct guard_demand *g =
			guard_find_demand(&r->guard, r->demands.item[i].place);
		uint64_t first, last;

		if (!r->demands.item[i].demand || !g || (g->id & OWN))
			continue;
		first = start < g->start ? start : g->start;
		last = end > g->end ? end : g->end;
		if (g->granted > granted)
			continue;
		if (g->granted < granted || last - first - (g->end - g->start) < least) {
			least = last - first - (g->end - g->start);
			best = g->id;
			granted = g->granted;
		}
	}
	return best;
}

/* Nobody of that place is left: the guard hears that it is over. */
static void leave_place(struct kregion *r, uint64_t place)
{
	for (size_t i = 0; i < r->demands.n; i++)
		if (r->demands.item[i].demand && r->demands.item[i].place == place)
			return;
	kregion_feed(r, (struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = place });
}

/* The range as the guard has it: inside the region. One beyond it takes nothing of the region. */
static int take(struct kregion *r, const struct operation *op, const struct keeper_demand *d,
		struct failure *why)
{
	uint64_t granule = r->mapping->granule, length = r->mapping->length;
	uint64_t start = d->offset / granule * granule, end = d->offset + d->length,
		 place = d->demand;
	struct kregion_demand *slot;

	if (find(r, d->demand))
		return fail(why, -EEXIST, "Demand %" PRIu64 " exists already", d->demand);
	if (d->offset >= length)
		return fail(why, -ERANGE,
			    "Offset %" PRIu64 " is not inside the region's %" PRIu64 " bytes",
			    d->offset, length);
	end = end < length ? (end + granule - 1) / granule * granule : length;
	if (r->phase == KREGION_HELD && !guard_takes_demand(&r->guard))
		place = d->demand & OWN ? 0 : place_to_share(r, start, end);
	slot = place ? new_demand(r) : NULL;
	if (!slot)
		return fail(
			why, -EDQUOT,
			"The region is revoked for as many demands as it can take; try again when one has ended");
	*slot = (struct kregion_demand){ .demand = d->demand,
					 .place = place,
					 .op = *op,
					 .pid = d->pid,
					 .start = start,
					 .end = end };
	r->breaker_pid = d->pid; /* not who broke a lease before */
	kregion_feed(r, (struct guard_event){
				.type = GUARD_DEMANDED,
				.demand = place,
				.cause = (enum revocation_cause)d->cause,
				.start = start,
				.end = end,
				.grace_usec = d->grace_usec,
				.limit_usec = d->limit_usec,
			});
	return 0;
}

int kregion_demand(struct kregion *r, const struct operation *op, const struct keeper_demand *d,
		   struct failure *why)
{
	if (d->demand & OWN)
		return fail(why, -EINVAL, "Demand numbers from 2^63 on are the keeper's own");
	/* one that is released before it was mapped has nothing that anybody could want */
	if (r->phase == KREGION_REGISTERING || !r->mapping)
		return fail(why, -EBUSY, "The region is being registered or released");
	return take(r, op, d, why);
}

void kregion_over(struct kregion *r, uint64_t demand)
{
	struct kregion_demand *d = demand ? find(r, demand) : NULL;
	uint64_t place;

	if (!d)
		return;
	place = d->place;
	if (!d->answered && !(demand & OWN))
		tell_done(r->keeper, &d->op, r->id, -ECANCELED, NULL);
	*d = (struct kregion_demand){ .demand = 0 };
	leave_place(r, place);
}

/* All of the region. It is no taker's wish: those that come later wait for nothing. */
static struct keeper_demand own_demand(struct kregion *r, uint64_t grace_usec, uint64_t limit_usec)
{
	return (struct keeper_demand){ .demand = OWN | ++r->keeper->syncs,
				       .length = r->mapping->length,
				       .grace_usec = grace_usec,
				       .limit_usec = limit_usec,
				       .cause = CAUSE_SYNC };
}

int kregion_demand_own(struct kregion *r, uint64_t *ret_demand)
{
	const struct keeper_demand own = own_demand(r, r->guard.grace_usec, 0);
	struct failure why;
	int error;

	*ret_demand = own.demand;
	error = take(r, &(struct operation){ 0 }, &own, &why);
	if (error)
		*ret_demand = 0;
	return error;
}

void kregion_drop_demands(struct kregion *r)
{
	for (size_t i = 0; i < r->demands.n; i++)
		if (r->demands.item[i].demand && !(r->demands.item[i].demand & OWN))
			kregion_over(r, r->demands.item[i].demand);
}

static void answer_sync(struct kregion *r, int error)
{
	struct kregion_sync *s = &r->sync;
	struct failure why;

	s->demand = 0;
	if (!error) {
		tell_value(r->keeper, &s->op, r->id,
			   mapping_is_durable(r->mapping) ? KEEPER_DURABLE_STORAGE
							  : KEEPER_DURABLE_NOTHING);
		return;
	}
	if (error == -ETIME)
		fail(&why, error,
		     "The storage needs longer than %" PRIu64
		     " ms to write the file back; peers were let in again before it was done, so there is no "
		     "consistent point",
		     s->limit_usec / 1000);
	else
		fail(&why, error, "The file cannot be written back: %s", strerror(-error));
	tell_done(r->keeper, &s->op, r->id, error, &why);
}

/* In the worker. */
static void run_sync(struct job *job)
{
	struct kregion *r = of_sync(job);

	r->sync.error = mapping_is_durable(r->mapping) && fsync(r->mapping->fd) < 0 ? -errno : 0;
}

static void sync_done(struct job *job)
{
	struct kregion *r = of_sync(job);
	struct kregion_sync *s = &r->sync;
	uint64_t demand = s->demand;

	if (s->error)
		kregion_storage_failed(r, s->error);
	if (r->phase == KREGION_ENDING) {
		kregion_continue(r);
		return;
	}
	if (!demand)
		return; /* too late: answered at its limit */
	/* open again before the answer: who asked may go on writing when he hears it */
	*find(r, demand) = (struct kregion_demand){ .demand = 0 };
	s->demand = 0;
	kregion_feed(r, (struct guard_event){ .type = GUARD_DEMAND_OVER, .demand = demand });
	answer_sync(r, s->error);
}

int kregion_sync(struct kregion *r, const struct operation *op, const struct keeper_demand *d,
		 struct failure *why)
{
	struct kregion_sync *s = &r->sync;
	const struct keeper_demand own = own_demand(r, d->grace_usec, d->limit_usec);
	int error;

	if (s->demand || s->job.busy)
		return fail(why, -EBUSY,
			    "The region is being written back already; try again later");
	s->job = (struct job){ .run = run_sync, .done = sync_done, .key = r->storage };
	s->op = *op;
	s->demand = own.demand;
	s->limit_usec = d->limit_usec;
	error = take(r, &(struct operation){ 0 }, &own, why);
	if (error)
		s->demand = 0;
	return error;
}

static void look_at(struct kregion *r, struct kregion_demand *d)
{
	const struct guard_demand *g = guard_find_demand(&r->guard, d->place);
	bool own = d->demand & OWN, sync = own && d->demand == r->sync.demand;

	if (g && g->granted && !d->answered) {
		d->answered = true;
		if (sync)
			worker_submit(r->keeper->sync_worker, &r->sync.job);
		else if (!own)
			tell_done(r->keeper, &d->op, r->id, 0, NULL);
	} else if (!g) {
		log_notice("region %" PRIu64 ": a demand is over by its limit", r->id);
		*d = (struct kregion_demand){ .demand = 0 };
		if (sync)
			answer_sync(r, -ETIME);
	}
}

void kregion_look_at_demands(struct kregion *r)
{
	if (r->stepping || r->guard.state >= GUARD_DESTROYING)
		return; /* what is taken down answers at its end */
	for (size_t i = 0; i < r->demands.n; i++)
		if (r->demands.item[i].demand)
			look_at(r, &r->demands.item[i]);
}

bool kregion_end_demands(struct kregion *r)
{
	struct kregion_sync *s = &r->sync;

	for (size_t i = 0; i < r->demands.n; i++) {
		struct kregion_demand *d = &r->demands.item[i];

		if (d->demand && !(d->demand & OWN) && !d->answered)
			tell_done(r->keeper, &d->op, r->id, 0, NULL);
		*d = (struct kregion_demand){ .demand = 0 };
	}
	if (s->demand)
		answer_sync(r, -ECANCELED);
	return !s->job.busy;
}

void kregion_range_of(const struct kregion *r, uint32_t pid, uint64_t *ret_start, uint64_t *ret_end)
{
	*ret_start = 0;
	*ret_end = r->mapping->length;
	for (size_t i = 0; pid && i < r->demands.n; i++) {
		const struct kregion_demand *d = &r->demands.item[i];

		if (!d->demand || !d->answered || d->pid != pid)
			continue;
		*ret_start = d->start;
		*ret_end = d->end;
		return;
	}
}
