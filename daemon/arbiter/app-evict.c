// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-evict.c - Evict: regions taken down because an administrator wants their filesystem or their
 * place; what is under way is in app-eviction.c.
 *
 * What always holds: however many they are, no turn of the loop is spent on more of them than
 * TURN_USEC allows. Which they are is decided at the beginning: until the last was taken, nothing
 * new is registered on the filesystem, and what is taken over from a keeper that was late is taken
 * with them.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define TURN_USEC USEC_PER_MSEC

/* What is to be taken down, and has not been yet. */
struct evicting {
	struct app *app;
	struct eviction *eviction;
	struct asker by;
	struct region_event event;
	struct event *turn;
	uint64_t *ids;
	size_t n;
	size_t next;
	LIST_ENTRY(evicting) evicting;
};

/*
 * Those above limits, as region_table_list_on() has those of a filesystem. All are walked, since
 * limits of every tenant may have changed; only an administrator asks for it. -ENOMEM
 */
static int list_excess(struct app *a, uint64_t **ret_ids, size_t *ret_n)
{
	uint64_t *ids = calloc(registry_count(a->registry) + 1, sizeof(*ids));
	size_t n = 0;

	if (!ids)
		return -ENOMEM;
	registry_mark_excess(a->registry);
	for (const struct region *r = registry_after(a->registry, 0); r;
	     r = registry_after(a->registry, r->id))
		if (r->excess)
			ids[n++] = r->id;
	*ret_ids = ids;
	*ret_n = n;
	return 0;
}

static void describe_eviction(struct eviction *v, const struct evict_request *q,
			      const struct client *c)
{
	v->by = (struct caller){ c->pid, c->uid };
	if (q->above_limits)
		snprintf(v->what, sizeof(v->what), "limits enforced");
	else
		snprintf(v->what, sizeof(v->what), "%s %u:%u evicted (%s)", q->type,
			 major(q->on.device), minor(q->on.device), q->path);
}

static void take_down(struct evicting *g, uint64_t id)
{
	struct app *a = g->app;
	struct region_entry *e = region_table_find(a->table, id);
	struct region *r = registry_find(a->registry, id);

	if (!e || !r) /* gone with one before it, or meanwhile */
		return;
	if (region_entry_await_release(e, NULL, g->eviction) < 0) {
		log_error("region %" PRIu64 ": no memory to wait for its end", id);
		return;
	}
	app_note_end(r, e, g->event.cause == CAUSE_QUOTA ? END_OVER_LIMIT : END_EVICTED);
	if (!r->close_wanted || g->event.grace_usec != UINT64_MAX)
		e->wanted_by = g->by;
	g->eviction->regions++;
	g->eviction->left++;
	if (e->late_release)
		app_release_late(e, "its keeper has not answered");
	else
		app_step(a, r, &g->event);
}

static void evicting_free(struct evicting *g)
{
	LIST_REMOVE(g, evicting);
	if (g->turn)
		event_free(g->turn);
	free(g->ids);
	free(g);
}

/* Some of them; the others in the next turns of the loop. */
static void go_on(struct evicting *g)
{
	const struct timeval now = { 0 };
	uint64_t began = now_monotonic_usec();

	g->event.now_usec = began;
	while (g->next < g->n && now_monotonic_usec() - began < TURN_USEC)
		take_down(g, g->ids[g->next++]);
	if (g->next < g->n) {
		event_add(g->turn, &now);
		return;
	}
	app_eviction_step(g->eviction, false);
	evicting_free(g);
}

static void on_turn(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	go_on(userdata);
}

static struct evicting *begin(struct app *a, struct client *c, const struct evict_request *q)
{
	struct evicting *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->app = a;
	g->by = *client_asker(c);
	g->event = (struct region_event){ .type = REGION_RELEASE_WANTED,
					  .cause = q->above_limits ? CAUSE_QUOTA : CAUSE_UNMOUNT,
					  .grace_usec = q->has_grace ? q->grace_usec : UINT64_MAX };
	LIST_INSERT_HEAD(&a->evicting, g, evicting);
	g->turn = evtimer_new(loop_base(a->loop), on_turn, g);
	g->eviction = calloc(1, sizeof(*g->eviction));
	if (g->turn && g->eviction &&
	    (q->above_limits ? list_excess(a, &g->ids, &g->n)
			     : region_table_list_on(a->table, &q->on, &g->ids, &g->n)) == 0)
		return g;
	free(g->eviction);
	evicting_free(g);
	return NULL;
}

int app_evict(void *userdata, struct client *c, const struct evict_request *q, struct call *call,
	      struct failure *ret)
{
	struct app *a = userdata;
	struct evicting *g = begin(a, c, q);
	struct eviction *v;

	if (!g)
		return failure_from_errno(ret, "evicting", -ENOMEM, "");
	v = g->eviction;
	v->call = call;
	v->whole = !q->above_limits;
	v->on = q->on;
	describe_eviction(v, q, c);
	LIST_INSERT_HEAD(&a->evictions, v, evictions);
	v->left = 1; /* ours, until all were told */
	go_on(g);
	return 0;
}

void app_evict_adopted(struct app *a, struct region *r, struct region_entry *e,
		       const struct filesystem *on)
{
	const struct region_event event = { .type = REGION_RELEASE_WANTED,
					    .cause = CAUSE_UNMOUNT,
					    .grace_usec = UINT64_MAX,
					    .now_usec = now_monotonic_usec() };
	struct eviction *v;

	LIST_FOREACH(v, &a->evictions, evictions) {
		if (!v->whole || !filesystem_is_same(&v->on, on))
			continue;
		if (region_entry_await_release(e, NULL, v) < 0) {
			log_error("region %" PRIu64 ": no memory to wait for its end", e->id);
			continue;
		}
		v->regions++;
		v->left++;
		app_note_end(r, e, END_EVICTED);
		app_step(a, r, &event);
	}
}

void app_free_evicting(struct app *a)
{
	struct evicting *g;

	while ((g = LIST_FIRST(&a->evicting))) {
		eviction_drop(g->eviction);
		evicting_free(g);
	}
}
