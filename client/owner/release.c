// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * release.c - several regions taken down at the same time: their holders' graces run beside each
 * other.
 *
 * What always holds: each region is answered for once, whatever becomes of daemon and bus; no more
 * than WINDOW calls wait at a time, which is below what the daemon lets one connection have.
 */
#include <inttypes.h>

#include "bus.h"
#include "error.h"
#include "util.h"

#define WINDOW 64
#define REGIONS_MAX (1u << 20) /* more than any user may have */

struct batch {
	struct rdmareg *context;
	void (*done)(size_t index, int error, void *userdata);
	void *userdata;
	uint64_t grace_usec; /* as in the options */
	size_t waiting;	     /* calls without an answer */
	size_t first;	     /* smallest index that failed, with its error */
	int error;
};

struct one {
	struct batch *batch;
	sd_bus_slot *slot; /* of the answer; NULL: not asked, or answered */
	uint64_t region;
	size_t index;
};

static void report(struct one *o, int error)
{
	struct batch *b = o->batch;

	if (error && (!b->error || o->index < b->first)) {
		b->first = o->index;
		b->error = error;
	}
	if (b->done)
		b->done(o->index, error, b->userdata);
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const sd_bus_error *failure = sd_bus_message_get_error(m);
	struct one *o = userdata;
	int r = 0;

	(void)error;
	if (failure)
		r = fail_bus(failure, -sd_bus_message_get_errno(m), "releasing region %" PRIu64,
			     o->region);
	o->slot = sd_bus_slot_unref(o->slot);
	o->batch->waiting--;
	report(o, r);
	return 1;
}

static void ask(struct one *o)
{
	uint64_t grace_usec = o->batch->grace_usec;
	struct rdmareg *c = o->batch->context;
	sd_bus_message *m = NULL;
	int r;

	if (!o->region) {
		report(o, fail(ENOENT, "releasing region 0: regions are numbered from 1"));
		return;
	}
	r = context_new_call(c, o->region, grace_usec ? "ReleaseWithin" : "Release", &m);
	if (r >= 0 && grace_usec)
		r = sd_bus_message_append(
			m, "t", grace_usec == RDMAREG_NO_GRACE ? UINT64_C(0) : grace_usec);
	if (r < 0) {
		sd_bus_message_unref(m);
		report(o, r);
		return;
	}
	r = sd_bus_call_async(c->bus, &o->slot, m, on_answer, o, c->work_timeout_usec);
	sd_bus_message_unref(m);
	if (r < 0)
		report(o, fail_bus(NULL, r, "releasing region %" PRIu64, o->region));
	else
		o->batch->waiting++;
}

/* The bus is gone, or the context another process's: what is left will not be answered. */
static void give_up(struct one *ones, size_t n, int error)
{
	for (size_t i = 0; i < n; i++) {
		if (!ones[i].slot)
			continue;
		ones[i].slot = sd_bus_slot_unref(ones[i].slot);
		ones[i].batch->waiting--;
		report(&ones[i],
		       fail_bus(NULL, error, "releasing region %" PRIu64, ones[i].region));
	}
}

_public_ int rdmareg_release_all(struct rdmareg *c, const uint64_t *regions, size_t n,
				 const struct rdmareg_release_options *options,
				 void (*done)(size_t index, int error, void *userdata),
				 void *userdata)
{
	struct batch b = { .context = c, .done = done, .userdata = userdata };
	struct rdmareg_release_options o;
	size_t asked = 0;
	struct one *ones;
	int r;

	NEED(c);
	NEED(regions || !n);
	r = struct_in(&o, sizeof(o), options);
	if (r < 0)
		return r;
	b.grace_usec = o.grace_usec;
	if (n > REGIONS_MAX)
		return fail(EINVAL, "releasing %zu regions: at most %u at a time", n, REGIONS_MAX);
	ones = calloc(n + 1, sizeof(*ones));
	if (!ones)
		return fail(ENOMEM, "releasing %zu regions: out of memory", n);
	while (r >= 0 && (asked < n || b.waiting)) {
		for (; asked < n && b.waiting < WINDOW; asked++) {
			ones[asked] = (struct one){ .batch = &b,
						    .region = regions[asked],
						    .index = asked };
			ask(&ones[asked]);
		}
		if (!b.waiting)
			continue;
		r = jobs_take_in(c);
		if (r >= 0 && c->disconnected)
			r = -ENOTCONN;
		if (r >= 0 && b.waiting)
			sd_bus_wait(c->bus,
				    UINT64_MAX); /* what goes wrong here goes wrong above again */
	}
	if (r < 0)
		give_up(ones, asked, r);
	context_rearm(c);
	free(ones);
	return b.error;
}
