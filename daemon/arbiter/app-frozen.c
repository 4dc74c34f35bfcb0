// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-frozen.c - holders that cannot answer because they are frozen with their cgroup, as the
 * processes of a suspended job are. Waiting for them would cost every revocation its whole grace.
 * They are looked at when they are asked, and again when their cgroup changes while they are.
 *
 * What always holds: only a local holder is skipped, and only while it is frozen; it loses nothing
 * but the time to answer. What the keeper does to the range, and when it is settled, is the same. A
 * client is among the watched exactly while its number of a watch is not 0.
 */
#include <inttypes.h>
#include <string.h>

#include "arbiter/app-internal.h"
#include "util/cgroup-watch.h"
#include "util/log.h"
#include "util/process.h"

/* Of one region, and of one client: each costs the loop some reads of /proc and of cgroups' files. */
#define LOOKED_AT_MAX 64
/* How often a client is looked at because its cgroup changed, until it is asked again. */
#define CHANGES_MAX 16

static void skip(struct app *a, uint64_t id, struct client *c)
{
	struct region *r = registry_find(a->registry, id);
	struct region_event event = { .type = REGION_HOLDER_ACKED,
				      .kind = HOLDER_CLIENT,
				      .holder = c->number };

	/* as by an acknowledgement, the last holder that is skipped may end the wait */
	if (!r || r->state != REGION_DRAINING ||
	    !region_is_held_by(a->registry, r, HOLDER_CLIENT, c->number))
		return;
	event.revocation = r->revocation;
	app_log(region_table_find(a->table, id)->keeper, LOG_NOTICE,
		"region %" PRIu64 ": revocation %" PRIu64 ": pid %" PRIu32
		" is frozen and cannot answer: it is not waited for",
		id, event.revocation, c->pid);
	app_step_of(a, r, &event, (struct of_holder){ .client = c, .frozen = true });
}

void app_forget_frozen(struct app *a, struct client *c)
{
	int number = c->cgroup_watch;
	const struct client *other;

	if (!number)
		return;
	LIST_REMOVE(c, watched);
	c->cgroup_watch = 0;
	LIST_FOREACH(other, &a->watched, watched)
		if (other->cgroup_watch == number)
			return;
	cgroup_watch_remove(a->cgroups, number);
}

/* Where it is now: it may have been moved since. What cannot be watched is as if it never froze. */
static void watch(struct app *a, struct client *c)
{
	int number = a->cgroups ? cgroup_watch_add(a->cgroups, (pid_t)c->pid) : 0;

	c->cgroup_looks = CHANGES_MAX;
	if (number == c->cgroup_watch)
		return;
	app_forget_frozen(a, c);
	if (number <= 0)
		return;
	c->cgroup_watch = number;
	LIST_INSERT_HEAD(&a->watched, c, watched);
}

static bool is_awaited(const struct app *a, uint64_t id, uint64_t acknowledged)
{
	const struct region *r = registry_find(a->registry, id);

	return r && r->state == REGION_DRAINING && r->revocation != acknowledged;
}

/* Its cgroup has changed; false: that is not of interest any more. */
static bool look_again(struct app *a, struct client *c)
{
	uint64_t asked[LOOKED_AT_MAX];
	const struct region_entry *e;
	const struct join *j;
	size_t n = 0;

	LIST_FOREACH(e, &c->regions, of_owner)
		if (n < LOOKED_AT_MAX && is_awaited(a, e->id, e->acknowledged))
			asked[n++] = e->id;
	LIST_FOREACH(j, &c->joins, of_client)
		if (n < LOOKED_AT_MAX && is_awaited(a, j->region, j->acknowledged))
			asked[n++] = j->region;
	if (!n || !c->cgroup_looks)
		return false;
	c->cgroup_looks--;
	if (!process_is_frozen((pid_t)c->pid, c->began))
		return true;
	for (size_t i = 0; i < n; i++)
		skip(a, asked[i], c);
	return false;
}

static void on_changed(void *userdata, int number)
{
	struct app *a = userdata;
	struct client *c, *next;

	/* a step frees no client: the bus tells that one is gone in a turn of its own */
	for (c = LIST_FIRST(&a->watched); c; c = next) {
		next = LIST_NEXT(c, watched);
		if ((number == CGROUP_WATCH_ALL || c->cgroup_watch == number) && !look_again(a, c))
			app_forget_frozen(a, c);
	}
}

void app_watch_frozen(struct app *a)
{
	int r = cgroup_watch_new(&a->cgroups, loop_base(a->loop), on_changed, a);

	if (r < 0)
		log_warning(
			"holders that are frozen after they were asked are waited for: inotify: %s",
			strerror(-r));
}

void app_skip_frozen(struct app *a, uint64_t region)
{
	const struct region *r = registry_find(a->registry, region);
	struct region_entry *e = r ? region_table_find(a->table, region) : NULL;
	struct client *asked[LOOKED_AT_MAX];
	const struct join *j;
	uint64_t revocation;
	size_t n = 0;

	if (!r || r->state != REGION_DRAINING)
		return;
	revocation = r->revocation;
	if (e->owner)
		asked[n++] = e->owner;
	LIST_FOREACH(j, &e->joins, of_region)
		if (n < LOOKED_AT_MAX)
			asked[n++] = j->client;
	for (size_t i = 0; i < n; i++) {
		/* first, so that no change is missed */
		watch(a, asked[i]);
		r = registry_find(a->registry, region);
		if (r && r->revocation == revocation &&
		    process_is_frozen((pid_t)asked[i]->pid, asked[i]->began))
			skip(a, region, asked[i]);
	}
}
