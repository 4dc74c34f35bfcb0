// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-frozen.c - holders that cannot answer because they are frozen with their cgroup, as the
 * processes of a suspended job are. Waiting for them would cost every revocation its whole grace.
 * They are looked at when they have been asked, and again when their cgroup changes while they are.
 * The first look is in a later turn of the loop: all who are asked in this one hear of it before.
 *
 * What always holds: only a local holder is skipped, and only while it is frozen; it loses nothing
 * but the time to answer. What the keeper does to the range, and when it is settled, is the same. A
 * client is among the watched exactly while its number of a watch is not 0. Each look costs the loop
 * some reads of /proc and of cgroups' files, which the client's user pays; who has no time left is
 * waited for like one that merely does not answer.
 */
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "arbiter/app-internal.h"
#include "util/cgroup-watch.h"
#include "util/log.h"
#include "util/process.h"

/* Holders of one region, and regions of one client, in one turn of the loop. */
#define LOOKED_AT_MAX 64
#define LOOK_SLICE_USEC 1000 /* of one turn: then the next region has to wait for another one */
/* How often a client is found not frozen because its cgroup changed, until it is asked again. */
#define CHANGES_MAX 16

/* It is not asked about this revocation again. */
static void skip(struct app *a, uint64_t id, struct client *c)
{
	struct region *r = registry_find(a->registry, id);
	struct region_entry *e = r ? region_table_find(a->table, id) : NULL;
	struct join *j = e && e->owner != c ? region_entry_find_join(e, c) : NULL;
	struct region_event event = { .type = REGION_HOLDER_ACKED,
				      .kind = HOLDER_CLIENT,
				      .holder = c->number };

	if (!r || r->state != REGION_DRAINING)
		return;
	event.revocation = r->revocation;
	if (e->owner == c)
		e->acknowledged = r->revocation;
	else if (j)
		j->acknowledged = r->revocation;
	/* as by an acknowledgement, the last holder that is skipped may end the wait */
	if (!region_is_held_by(a->registry, r, HOLDER_CLIENT, c->number))
		return;
	app_log(e->keeper, LOG_NOTICE,
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
	c->cgroup_more = false;
	LIST_FOREACH(other, &a->watched, watched)
		if (other->cgroup_watch == number)
			return;
	cgroup_watch_remove(a->cgroups, number);
}

/*
 * Where it is now: it may have been moved since. What cannot be watched is as if it never froze.
 * @cgroup_events: NULL: there is none.
 */
static void watch(struct app *a, struct client *c, const char *cgroup_events)
{
	int number = a->cgroups && cgroup_events ? cgroup_watch_add(a->cgroups, cgroup_events) : 0;

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

/* The first of its regions for which it is waited. */
static size_t find_awaited(const struct app *a, const struct client *c,
			   uint64_t ret[static LOOKED_AT_MAX])
{
	const struct region_entry *e;
	const struct join *j;
	size_t n = 0;

	LIST_FOREACH(e, &c->regions, of_owner) {
		if (n == LOOKED_AT_MAX)
			return n;
		if (is_awaited(a, e->id, e->acknowledged))
			ret[n++] = e->id;
	}
	LIST_FOREACH(j, &c->joins, of_client) {
		if (n == LOOKED_AT_MAX)
			return n;
		if (is_awaited(a, j->region, j->acknowledged))
			ret[n++] = j->region;
	}
	return n;
}

/* Its cgroup has changed; false: that is not of interest any more. */
static bool look_again(struct app *a, struct client *c)
{
	uint64_t asked[LOOKED_AT_MAX];
	size_t n = find_awaited(a, c, asked);

	if (!n || !c->cgroup_looks)
		return false;
	if (!process_is_frozen((pid_t)c->pid, c->began)) {
		c->cgroup_looks--;
		return true;
	}
	for (size_t i = 0; i < n; i++)
		skip(a, asked[i], c);
	if (n < LOOKED_AT_MAX)
		return false;
	c->cgroup_more = true;
	event_active(a->frozen_more, 0, 0);
	return true;
}

static void look_charged(struct app *a, struct client *c)
{
	struct time_span began = time_span_begin();
	bool goes_on = client_has_time(c) && look_again(a, c);

	client_charge(c, &began);
	if (!goes_on)
		app_forget_frozen(a, c);
}

static void on_more(evutil_socket_t fd, short what, void *userdata)
{
	struct app *a = userdata;
	struct client *c, *next;

	(void)fd, (void)what;
	for (c = LIST_FIRST(&a->watched); c; c = next) {
		next = LIST_NEXT(c, watched);
		if (!c->cgroup_more)
			continue;
		c->cgroup_more = false;
		look_charged(a, c);
	}
}

static void on_changed(void *userdata, int number)
{
	struct app *a = userdata;
	struct client *c, *next;

	/* a step frees no client: the bus tells that one is gone in a turn of its own */
	for (c = LIST_FIRST(&a->watched); c; c = next) {
		next = LIST_NEXT(c, watched);
		if (number == CGROUP_WATCH_ALL || c->cgroup_watch == number)
			look_charged(a, c);
	}
}

static void look_at_holder(struct app *a, uint64_t region, uint64_t revocation, struct client *c)
{
	char path[PATH_MAX];
	bool found = process_find_cgroup_events((pid_t)c->pid, path, sizeof(path));
	const struct region *r;

	/* first, so that no change is missed */
	watch(a, c, found ? path : NULL);
	r = registry_find(a->registry, region);
	if (found && r && r->revocation == revocation &&
	    process_is_frozen_in(path, (pid_t)c->pid, c->began))
		skip(a, region, c);
}

/* Its holders that were asked and have not answered. */
static void look_at_region(struct app *a, struct region_entry *e)
{
	const struct region *r = registry_find(a->registry, e->id);
	struct client *asked[LOOKED_AT_MAX];
	uint64_t id = e->id, revocation;
	const struct join *j;
	size_t n = 0;

	if (r->state != REGION_DRAINING)
		return;
	revocation = r->revocation;
	if (e->owner && e->acknowledged != revocation)
		asked[n++] = e->owner;
	LIST_FOREACH(j, &e->joins, of_region)
		if (n < LOOKED_AT_MAX && j->acknowledged != revocation)
			asked[n++] = j->client;
	for (size_t i = 0; i < n; i++) {
		struct time_span began = time_span_begin();

		if (!client_has_time(asked[i]))
			continue;
		look_at_holder(a, id, revocation, asked[i]);
		client_charge(asked[i], &began);
	}
}

static void look_soon(struct app *a)
{
	event_add(a->frozen_look, &(const struct timeval){ 0 });
}

static void on_look(evutil_socket_t fd, short what, void *userdata)
{
	uint64_t began = now_monotonic_usec();
	struct app *a = userdata;
	struct region_entry *e;

	(void)fd, (void)what;
	while ((e = TAILQ_FIRST(&a->unlooked)) && now_monotonic_usec() - began < LOOK_SLICE_USEC) {
		app_forget_look(a, e);
		look_at_region(a, e);
	}
	if (e)
		look_soon(a);
}

void app_skip_frozen(struct app *a, struct region_entry *e)
{
	if (e->unlooked || !a->frozen_look || (!e->owner && LIST_EMPTY(&e->joins)))
		return;
	e->unlooked = true;
	TAILQ_INSERT_TAIL(&a->unlooked, e, of_unlooked);
	look_soon(a);
}

void app_watch_frozen(struct app *a)
{
	int r = -ENOMEM;

	TAILQ_INIT(&a->unlooked);
	a->frozen_more = event_new(loop_base(a->loop), -1, 0, on_more, a);
	a->frozen_look = evtimer_new(loop_base(a->loop), on_look, a);
	if (a->frozen_more && a->frozen_look)
		r = cgroup_watch_new(&a->cgroups, loop_base(a->loop), on_changed, a);
	if (r < 0)
		log_warning(
			"holders that are frozen after they were asked are waited for: inotify: %s",
			strerror(-r));
}
