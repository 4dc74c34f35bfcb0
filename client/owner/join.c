// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * join.c - being a holder: join, leave, acknowledge.
 *
 * What always holds: what the program joined is on its context's list until it leaves or the region
 * ends, and is joined again with every daemon that comes; when a daemon will not have it, it is
 * taken off the list and the program is told.
 */
#include <inttypes.h>

#include "error.h"
#include "options.h"
#include "region.h"

struct joined {
	struct rdmareg *context;
	struct joined *next;
	uint64_t region;
	sd_bus_slot *asked; /* joining again, not answered yet */
};

/* The place in the list that points to it; to NULL at the end when it is not there. */
static struct joined **find(struct rdmareg *c, uint64_t region)
{
	struct joined **p = &c->joined;

	while (*p && (*p)->region != region)
		p = &(*p)->next;
	return p;
}

static void take_off(struct joined **p)
{
	struct joined *j = *p;

	*p = j->next;
	sd_bus_slot_unref(j->asked); /* no answer is waited for any more */
	free(j);
}

void joined_forget(struct rdmareg *c, uint64_t region)
{
	struct joined **p = find(c, region);

	if (*p)
		take_off(p);
}

void joined_free_all(struct rdmareg *c)
{
	while (c->joined)
		take_off(&c->joined);
}

static void join_again(struct joined *j);

static int on_joined(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct joined *j = userdata;
	struct rdmareg_event e = { .type = RDMAREG_EVENT_LEFT, .region = j->region };
	struct rdmareg *c = j->context;
	const sd_bus_error *error = sd_bus_message_get_error(m);

	(void)ret_error;
	j->asked = sd_bus_slot_unref(j->asked);
	if (!error)
		return 0;
	switch (error_to_errno(error->name)) {
	case EHOSTUNREACH: /* it went away again: the next one is asked */
	case ENOTCONN:
		return 0;
	case ETIMEDOUT: /* silence is no refusal */
		join_again(j);
		return 0;
	default:
		joined_forget(c, j->region);
		events_push(c, &e);
		return 0;
	}
}

static void join_again(struct joined *j)
{
	sd_bus_message *m = NULL;

	j->asked = sd_bus_slot_unref(j->asked);
	/* To this daemon: one that comes after it is asked when it comes. */
	if (!j->context->owner ||
	    context_new_call_to(j->context, j->context->owner, j->region, "Join", &m) < 0)
		return;
	sd_bus_call_async(j->context->bus, &j->asked, m, on_joined, j, 0);
	sd_bus_message_unref(m);
}

void joined_renew(struct rdmareg *c)
{
	for (struct joined *j = c->joined; j; j = j->next)
		join_again(j);
}

_public_ int rdmareg_join(struct rdmareg_region *region)
{
	struct rdmareg *c;
	struct joined *j;
	sd_bus_message *m;
	int r;

	NEED(region);
	c = region->context;
	/*
	 * First the place on the list: a holder that the list does not know would be lost over a
	 * restart.
	 */
	j = calloc(1, sizeof(*j));
	if (!j)
		return fail(ENOMEM, "joining region %" PRIu64 ": out of memory", region->id);
	r = context_new_call(c, region->id, "Join", &m);
	if (r >= 0)
		r = context_call(c, m, 0, NULL, "joining region %" PRIu64, region->id);
	if (r < 0 || *find(c, region->id)) {
		free(j);
		return r;
	}
	*j = (struct joined){ .context = c, .next = c->joined, .region = region->id };
	c->joined = j;
	return 0;
}

_public_ int rdmareg_leave(struct rdmareg_region *region)
{
	sd_bus_message *m;
	int r;

	NEED(region);
	/* Whatever is answered: no daemon is asked again. */
	joined_forget(region->context, region->id);
	r = context_new_call(region->context, region->id, "Leave", &m);
	if (r < 0)
		return r;
	return context_call(region->context, m, 0, NULL, "leaving region %" PRIu64, region->id);
}

_public_ int rdmareg_acknowledge(struct rdmareg *c, uint64_t region, uint64_t revocation)
{
	_cleanup_(sd_bus_message_unref_cleanup) sd_bus_message *m = NULL;
	int r;

	NEED(c);
	if (!region)
		return fail(ENOENT,
			    "acknowledging revocation %" PRIu64 ": regions are numbered from 1",
			    revocation);
	r = context_new_call(c, region, "AckRevocation", &m);
	if (r < 0)
		return r;
	r = sd_bus_message_append(m, "t", revocation);
	if (r < 0)
		return fail_bus(NULL, r, "acknowledging revocation %" PRIu64, revocation);
	return context_call(c, take_pointer(m), 0, NULL,
			    "acknowledging revocation %" PRIu64 " of region %" PRIu64, revocation,
			    region);
}
