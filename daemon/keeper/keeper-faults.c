// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-faults.c - the adapter's counts of page faults, read by the worker once a second while
 * somebody listens, and told where they changed.
 *
 * What always holds: the worker gets numbers, never regions, so regions come and go meanwhile as
 * they like; where the adapter does not count there is no timer and no job.
 */
#include <event2/event.h>
#include <stdlib.h>

#include "keeper/hca/hca.h"
#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/keeper-tell.h"
#include "keeper/worker.h"

struct item {
	uint64_t region;
	uint64_t faults;
	uint32_t counter;
	int error;
};

struct faults {
	struct job job; /* first */
	struct keeper *keeper;
	struct hca *hca;
	struct event *timer;
	size_t n;
	struct item *items;
};

static void again(struct faults *f)
{
	const struct timeval second = { .tv_sec = 1 };

	if (f->keeper->n_regions)
		evtimer_add(f->timer, &second);
}

static void run(struct job *job)
{
	struct faults *f = (struct faults *)job;

	for (size_t i = 0; i < f->n; i++)
		f->items[i].error =
			hca_read_faults(f->hca, f->items[i].counter, &f->items[i].faults);
}

static void done(struct job *job)
{
	struct faults *f = (struct faults *)job;

	for (size_t i = 0; i < f->n; i++) {
		struct kregion *r = keeper_find(f->keeper, f->items[i].region);
		/* one that can no longer be read is not known, rather than as it was */
		uint64_t faults = f->items[i].error ? UINT64_MAX : f->items[i].faults;

		if (!r || r->job.busy || !r->mr || hca_mr_counter(r->mr) != f->items[i].counter ||
		    r->counters.faults == faults)
			continue;
		r->counters.faults = faults;
		if (r->phase == KREGION_HELD && r->announced)
			tell_counters(r);
	}
	free(f->items);
	f->items = NULL;
	again(f);
}

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
	struct faults *f = userdata;
	struct keeper *k = f->keeper;

	(void)fd;
	(void)what;
	f->n = 0;
	f->items = session_is_connected(k->session) ? calloc(k->n_regions + 1, sizeof(*f->items))
						    : NULL;
	if (!f->items) {
		again(f);
		return;
	}
	for (struct kregion *r = keeper_next(k, NULL); r; r = keeper_next(k, r))
		/* while the worker registers or deregisters, the memory region is its own */
		if (!r->job.busy && r->mr && hca_mr_counter(r->mr))
			f->items[f->n++] =
				(struct item){ .region = r->id, .counter = hca_mr_counter(r->mr) };
	f->hca = k->hca;
	f->job.run = run;
	f->job.done = done;
	worker_submit(k->worker, &f->job);
}

void keeper_count_faults(struct keeper *k, const struct kregion *r)
{
	if (!r->mr || !hca_mr_counter(r->mr))
		return;
	if (!k->faults) {
		struct faults *f = calloc(1, sizeof(*f));

		if (!f)
			return;
		f->keeper = k;
		f->timer = evtimer_new(k->base, on_timer, f);
		if (!f->timer) {
			free(f);
			return;
		}
		k->faults = f;
	}
	if (!k->faults->job.busy && !evtimer_pending(k->faults->timer, NULL))
		again(k->faults);
}

void keeper_free_faults(struct keeper *k)
{
	if (!k->faults)
		return;
	event_free(k->faults->timer);
	free(k->faults->items);
	free(k->faults);
	k->faults = NULL;
}
