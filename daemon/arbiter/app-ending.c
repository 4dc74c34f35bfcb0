// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-ending.c - sessions that are being released: all regions at once, and whoever asked is
 * answered when the last has ended, or when his own time is over.
 *
 * What always holds: a session that ends has at most one ending, which waits for each region once,
 * and for the records of standing ones, and is gone when each has ended; a call of it is answered
 * once, at its limit at the latest, and not before because a keeper is late.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define LIMIT_MAX_USEC (3600 * USEC_PER_SEC)

/* Somebody who called Release. */
struct ending_call {
	struct ending *ending;
	struct call *call;
	struct event *limit;
	LIST_ENTRY(ending_call) askers;
};

/* How a region ended, or that it has not yet. */
struct ended_region {
	uint64_t id;
	enum session_outcome outcome;
	bool known;
	char text[120]; /* not known: what its keeper is late with, or "" */
};

struct ending {
	struct app *app;
	uint32_t tenant;
	/* regions that have not ended yet, what else it waits for, and one while they are being told */
	size_t left;
	char trouble[FAILURE_TEXT_MAX]; /* all have ended, and yet; "": there is none */
	size_t n;
	size_t allocated;
	struct ended_region *regions;
	LIST_HEAD(, ending_call) askers;
	LIST_ENTRY(ending) endings;
};

static void free_asker(struct ending_call *k)
{
	LIST_REMOVE(k, askers);
	if (k->limit)
		event_free(k->limit);
	free(k);
}

static void answer(struct ending_call *k)
{
	static const char open[] =
		"its holders have their grace, or its keeper has not answered yet";
	const struct ending *g = k->ending;
	_cleanup_(freep) struct session_end *ends = calloc(g->n ? g->n : 1, sizeof(*ends));
	struct failure f;

	for (size_t i = 0; ends && i < g->n; i++) {
		const struct ended_region *r = &g->regions[i];

		ends[i] = (struct session_end){ r->id, r->known ? r->outcome : SESSION_LATE,
						*r->text ? r->text : open };
	}
	if (*g->trouble) {
		failure_set(&f, RDMAREG_ERROR_FAILED,
			    "the session is released, but not all of it: %.400s", g->trouble);
		call_fail(k->call, &f);
	} else if (ends) {
		call_reply_ends(k->call, ends, g->n);
	} else {
		failure_from_errno(&f, "telling how the regions ended", -ENOMEM, "");
		call_fail(k->call, &f);
	}
	free_asker(k);
}

static void on_limit(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	answer(userdata);
}

static void free_ending(struct ending *g)
{
	LIST_REMOVE(g, endings);
	free(g->regions);
	free(g);
}

static void step(struct ending *g)
{
	struct app *a = g->app;
	uint32_t tenant = g->tenant;
	struct ending_call *k;

	if (--g->left)
		return;
	while ((k = LIST_FIRST(&g->askers)))
		answer(k);
	free_ending(g);
	app_session_lost_region(a, tenant);
}

void app_ending_step(struct ending *g, uint64_t region, enum session_outcome outcome,
		     const char *text)
{
	for (size_t i = 0; i < g->n; i++) {
		struct ended_region *r = &g->regions[i];

		if (r->id != region || r->known)
			continue;
		r->known = true;
		r->outcome = outcome;
		snprintf(r->text, sizeof(r->text), "%s", text);
		step(g);
		return;
	}
}

void app_ending_note(struct ending *g, uint64_t region, const char *text)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->regions[i].id == region && !g->regions[i].known)
			snprintf(g->regions[i].text, sizeof(g->regions[i].text), "%s", text);
}

static struct ending *find(struct app *a, uint32_t tenant)
{
	struct ending *g;

	LIST_FOREACH(g, &a->endings, endings)
		if (g->tenant == tenant)
			return g;
	return NULL;
}

static bool waits_for(const struct ending *g, uint64_t id)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->regions[i].id == id)
			return true;
	return false;
}

/* -ENOMEM */
static int wait_for(struct ending *g, struct region_entry *e)
{
	size_t want = g->allocated ? g->allocated * 2 : 16;
	struct ended_region *p;
	int r;

	if (g->n == g->allocated) {
		p = reallocarray(g->regions, want, sizeof(*p));
		if (!p)
			return -ENOMEM;
		g->regions = p;
		g->allocated = want;
	}
	r = region_entry_await_end(e, g);
	if (r < 0)
		return r;
	g->regions[g->n++] = (struct ended_region){ .id = e->id };
	g->left++;
	return 0;
}

void app_ending_hold(struct ending *g)
{
	g->left++;
}

void app_ending_let_go(struct ending *g, const char *trouble)
{
	if (trouble)
		snprintf(g->trouble, sizeof(g->trouble), "%s", trouble);
	step(g);
}

/* All that the session has. */
static void release_all(struct app *a, struct ending *g, struct client *by, uint64_t grace_usec)
{
	const struct tenant *t = registry_tenant(a->registry, g->tenant);
	char name[TENANT_SESSION_MAX];
	uint32_t uid = t->uid;
	struct region *r;
	uint64_t id = 0;

	strcpy(name, t->session);
	g->left++; /* ours, until all were told */
	while ((r = registry_after_of(a->registry, &uid, name, id))) {
		struct region_entry *e = region_table_find(a->table, r->id);

		id = r->id;
		if (!waits_for(g, id) && wait_for(g, e) < 0)
			log_error("region %" PRIu64 ": no memory to wait for its end", id);
		if (!e->late_release)
			app_want_release(a, r, END_SESSION, by, grace_usec);
	}
	app_standing_end_session(a, uid, name, g);
	step(g);
}

static struct ending *begin(struct app *a, uint32_t tenant)
{
	struct ending *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->app = a;
	g->tenant = tenant;
	LIST_INIT(&g->askers);
	LIST_INSERT_HEAD(&a->endings, g, endings);
	return g;
}

static int ask(struct ending *g, struct call *call, uint64_t limit_usec)
{
	const struct timeval t = timeval_from_usec(limit_usec);
	struct ending_call *k = calloc(1, sizeof(*k));

	if (!k)
		return -ENOMEM;
	k->ending = g;
	k->call = call;
	k->limit = evtimer_new(loop_base(g->app->loop), on_limit, k);
	if (!k->limit || event_add(k->limit, &t) < 0) {
		if (k->limit)
			event_free(k->limit);
		free(k);
		return -ENOMEM;
	}
	LIST_INSERT_HEAD(&g->askers, k, askers);
	return 0;
}

static uint64_t choose_limit(const struct app *a, const struct session_request *q)
{
	if (!q->has_limit)
		return (a->settings.max_grace_msec + 2 * a->settings.timeout_msec) * USEC_PER_MSEC;
	return q->limit_usec < LIMIT_MAX_USEC ? q->limit_usec : LIMIT_MAX_USEC;
}

int app_release_session(void *userdata, struct client *c, const struct session_request *q,
			struct call *call, struct failure *ret)
{
	struct app *a = userdata;
	struct ending *g;
	uint32_t at;
	int r;

	if (!registry_find_tenant(a->registry, q->uid, q->name, &at))
		return failure_from_errno(ret, "releasing the session", -ENOENT, "");
	/* it ends also if the next daemon will not know it */
	if (app_set_session_state(a, at, SESSION_ENDED, ret))
		log_error("%s: it is released all the same", ret->text);
	app_session_ends(a, at);
	g = find(a, at);
	if (!g)
		g = begin(a, at);
	r = g ? ask(g, call, choose_limit(a, q)) : -ENOMEM;
	if (r < 0) {
		app_go_on_ending(a, at);
		return failure_from_errno(ret, "releasing the session", r, "");
	}
	log_info("session %s of uid %" PRIu32 ": released by pid %" PRIu32 " uid %" PRIu32, q->name,
		 q->uid, c->pid, c->uid);
	release_all(a, g, c, q->has_grace ? q->grace_usec : UINT64_MAX);
	return 0;
}

static bool ends(const struct app *a, uint32_t tenant)
{
	const struct tenant *t = registry_tenant(a->registry, tenant);

	return t && t->kind == TENANT_SESSION && t->state == SESSION_ENDED;
}

void app_session_lost_region(struct app *a, uint32_t tenant)
{
	if (ends(a, tenant) && !registry_tenant(a->registry, tenant)->regions && !find(a, tenant))
		app_session_is_over(a, tenant);
}

void app_go_on_ending(struct app *a, uint32_t tenant)
{
	struct ending *g = ends(a, tenant) ? find(a, tenant) : NULL;

	if (!ends(a, tenant))
		return;
	if (!g)
		g = begin(a, tenant);
	if (g)
		release_all(a, g, NULL, UINT64_MAX);
	else
		log_error("no memory to release a session: its regions stay");
}

void app_end_sessions(struct app *a)
{
	const struct tenant *t = NULL;
	struct tenant last;
	uint32_t at;

	while (registry_next_session(a->registry, NULL, t, &at)) {
		last = *registry_tenant(a->registry, at);
		t = &last;
		app_go_on_ending(a, at);
	}
}

void app_free_endings(struct app *a)
{
	struct ending *g;
	struct ending_call *k;
	struct failure f;

	failure_set(&f, RDMAREG_ERROR_FAILED,
		    "rdmaregd is being stopped, and its successor goes on with it; try again");
	while ((g = LIST_FIRST(&a->endings))) {
		while ((k = LIST_FIRST(&g->askers))) {
			call_fail(k->call, &f);
			free_asker(k);
		}
		free_ending(g);
	}
}
