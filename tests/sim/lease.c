// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lease.c - layout leases as the kernel module keeps them: broken by operations on the file,
 * reported to the keeper, given back by it or by the kernel's own deadline.
 *
 * What always holds: a lease is not armed while an operation is at work on its file; and a broken
 * one is over at its deadline, whatever the keeper does.
 */
#include <errno.h>

#include "sim.h"

static void deadline(struct sim *s, const struct event *e)
{
	struct kregion *r = keeper_find(s, e->a);

	if (!r || r->lease != LEASE_BREAKING || r->break_id != (uint32_t)e->b)
		return;
	sim_note(s, "region %u: the kernel gives break %u back", (unsigned int)r->id, r->break_id);
	sim_require(s, keeper_of(s, r)->trouble + r->spec.grace_usec + MARGIN >= s->now,
		    "the kernel's deadline was faster than a keeper without any trouble");
	r->lease = LEASE_EXPIRED;
	s->counted[4]++;
	sim_soon(s, keeper_of(s, r), keeper_report, r->id, 0);
	fs_kick(s, r->spec.file);
}

void lease_break(struct sim *s, struct kregion *r, const struct op *o)
{
	r->lease = LEASE_BREAKING;
	r->break_id++;
	r->breaker = (uint32_t)o->id;
	r->break_deadline = s->now + r->spec.grace_usec + MARGIN;
	sim_note(s, "region %u: op %u breaks its lease (%u)", (unsigned int)r->id,
		 (unsigned int)o->id, r->break_id);
	sim_soon(s, keeper_of(s, r), keeper_report, r->id, o->kind);
	sim_at(s, NULL, r->break_deadline, deadline, r->id, r->break_id);
}

int lease_arm(struct sim *s, struct kregion *r)
{
	if (r->lease == LEASE_ARMED || r->lease == LEASE_BREAKING)
		return 0;
	if (s->file[r->spec.file].worker || sim_chance(s, s->weather.failures / 4))
		return -EAGAIN;
	if (sim_chance(s, s->weather.failures / 16)) {
		return -EIO;
	}
	r->lease = LEASE_ARMED;
	fs_kick(s, r->spec.file);
	return 0;
}

int lease_release(struct sim *s, struct kregion *r, uint32_t break_id)
{
	if (r->lease != LEASE_BREAKING || r->break_id != break_id)
		return -ESTALE;
	r->lease = LEASE_RELEASED;
	fs_kick(s, r->spec.file);
	return 0;
}

void lease_drop(struct sim *s, struct kregion *r)
{
	r->lease = LEASE_NONE;
	fs_kick(s, r->spec.file);
}
