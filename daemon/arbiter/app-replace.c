// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-replace.c - ReplaceKeeper: a keeper's regions are made anew in another process of the same
 * tenant, which runs the program that is installed now. A memory region dies with its address space,
 * so to everybody who uses it this is a revocation, after which the keys are others.
 *
 * Of each region, one after the other:
 *
 *   the keeper gives its file -> it releases the region, as for an administrator: holders are asked,
 *   peers are cut off -> a new keeper is asked for the same region
 *
 * What always holds:
 *   - Nothing is taken from a keeper whose file for it we do not have. One that cannot be asked
 *     loses nothing.
 *   - The region keeps its number, name, owner, local holders, terms and place in its tenant's
 *     account. Numbers of its revocations and generations go on.
 *   - From when its keeper has let go of it until the other one has it, it is being registered, as
 *     in the beginning. If that fails it ends, and says why.
 *   - At most MOVES_MAX descriptors are held for it, of all keepers together.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/log.h"

#define MOVES_MAX 256

/* One region on its way. */
struct move {
	struct region_entry *entry; /* NULL: it ended while its file was asked for */
	struct replacement *of;
	int fd;	      /* -1: not given yet */
	bool awaits;  /* its keeper has let go of it, and others of that hold the port */
	bool is_late; /* its keeper has not let go of it in time */
	LIST_ENTRY(move) moves;
};

/* One keeper. */
struct replacement {
	struct app *app;
	struct proxy *keeper; /* NULL: it has ended */
	uint32_t uid;	      /* whose it is */
	struct call *call;    /* NULL: it was answered */
	struct asker by;
	char name[KEEPER_NAME_MAX];
	uint32_t instance; /* what it ends with */
	uint64_t grace_usec;
	uint64_t after; /* regions up to this one were begun */
	uint32_t under_way;
	uint32_t moved, failed;
	struct failure why; /* the first that failed */
	bool ready;	    /* another keeper of the tenant is there to take them */
	bool going_on;
	LIST_HEAD(, move) moves;
	LIST_ENTRY(replacement) replacements;
};

static uint32_t count_moves(const struct app *a)
{
	const struct replacement *p;
	uint32_t n = 0;

	LIST_FOREACH(p, &a->replacements, replacements)
		n += p->under_way;
	return n;
}

static void answer(struct replacement *p)
{
	struct call *call = p->call;
	struct failure f;

	p->call = NULL;
	if (!call)
		return;
	if (!p->failed && !p->under_way) {
		call_reply_count(call, p->moved);
		return;
	}
	failure_set(&f, p->failed ? RDMAREG_ERROR_FAILED : RDMAREG_ERROR_TIMEOUT,
		    "replacing keeper %s: %" PRIu32 " regions were made anew, %" PRIu32
		    " were not%s%.300s; the journal of rdmaregd names them",
		    p->name, p->moved, p->failed + p->under_way, *p->why.text ? ": " : "",
		    p->why.text);
	call_fail(call, &f);
}

/*
 * The keeper is late with all that it still has: that may be never, and what awaits the others waits
 * as long.
 */
static void answer_if_stuck(struct replacement *p)
{
	const struct move *m;
	bool any = false;

	LIST_FOREACH(m, &p->moves, moves) {
		if (!m->is_late && !m->awaits)
			return;
		any = any || m->is_late;
	}
	if (any)
		answer(p);
}

static void free_replacement(struct replacement *p)
{
	LIST_REMOVE(p, replacements);
	free(p);
}

static void go_on(struct replacement *p);

static void go_on_all(struct app *a)
{
	struct replacement *p, *next;

	for (p = LIST_FIRST(&a->replacements); p; p = next) {
		next = LIST_NEXT(p, replacements);
		go_on(p);
	}
}

static void end_move(struct move *m)
{
	struct replacement *p = m->of;

	if (m->entry)
		m->entry->move = NULL;
	offload_close(p->app->offload, m->fd, p->uid);
	LIST_REMOVE(m, moves);
	p->under_way--;
	free(m);
}

static void note_failure(struct replacement *p, uint64_t id, int error, const char *text)
{
	const char *why = *text ? text : strerror(-error);

	p->failed++;
	if (!*p->why.text)
		fail(&p->why, error, "region %" PRIu64 ": %s", id, why);
	log_error("keeper %s is replaced: region %" PRIu64 " is not made anew: %s", p->name, id,
		  why);
}

static void uncount(const struct region *r, struct region_entry *e)
{
	proxy_note(e->keeper)->regions--;
	proxy_note(e->keeper)->bytes -= r->length;
}

/* The region is another keeper's from now on, and is asked for. */
static int make_anew(struct app *a, struct region *r, struct region_entry *e, struct move *m)
{
	const struct tenant *t = registry_tenant(a->registry, r->tenant);
	struct keeper_message q = { .type = KEEPER_REGISTER, .region = r->id };
	struct proxy *k;
	int error, fd;

	m->awaits = false;
	error = pool_get(a->keepers, t->uid, t->session, &k);
	if (error < 0)
		return error;
	proxy_note(k)->tenant = r->tenant;
	proxy_note(k)->has_tenant = true;
	uncount(r, e);
	LIST_REMOVE(e, of_keeper);
	e->keeper = k;
	LIST_INSERT_HEAD(&proxy_note(k)->list, e, of_keeper);
	proxy_note(k)->regions++;
	proxy_note(k)->bytes += r->length;
	e->late_release = e->keeper_ended = false;
	app_forget_terms(a, e);
	error = app_record(a, r, e, app_promises_gate(e));
	if (error < 0)
		return error;
	q.info.offset = r->offset;
	q.info.length = r->length;
	q.info.grace_usec = r->grace_usec;
	q.info.revocation = r->revocation;
	q.info.generation = r->generation;
	q.info.access = r->access;
	q.info.policy = r->policy;
	q.info.detached = e->text.detached;
	q.info.gated = app_promises_gate(e);
	q.info.warm_mode = e->text.warm_mode;
	snprintf(q.info.path, sizeof(q.info.path), "%s", e->text.path ? e->text.path : "");
	fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 3); /* the move keeps its own */
	if (fd < 0)
		return -errno;
	error = proxy_request(k, &q, fd, 0, NULL);
	if (error < 0)
		offload_close(a->offload, fd, proxy_uid(k));
	return error;
}

static void begin_anew(struct app *a, struct region_entry *e)
{
	struct region_event failed = { .type = REGION_REGISTER_FAILED };
	struct region *r = registry_find(a->registry, e->id);
	struct move *m = e->move;

	failed.error = make_anew(a, r, e, m);
	if (!failed.error)
		return;
	note_failure(m->of, e->id, failed.error, "");
	app_note_end(r, e, END_GIVEN_UP);
	app_step(a, r, &failed);
}

/* Where the port is a setting, two keepers cannot have it. */
static void begin_all_waiting(struct app *a, struct replacement *p)
{
	struct move *m, *next;

	LIST_FOREACH(m, &p->moves, moves)
		if (a->settings.port && m->entry && !m->awaits && m->entry->keeper == p->keeper)
			return;
	for (m = LIST_FIRST(&p->moves); m; m = next) {
		next = LIST_NEXT(m, moves);
		if (m->awaits)
			begin_anew(a, m->entry);
	}
}

/* Its keeper has nothing of it any more. */
static void let_go(struct app *a, struct region *r, struct region_entry *e)
{
	struct region_view v;

	app_end_revokes(a, r->id);
	region_entry_forget_peers(e);
	proxy_note(e->keeper)->peers -= r->peers;
	app_forget_record(e);
	region_text_set(&e->text.ticket, "", 0);
	e->move->awaits = true;
	e->move->is_late = false;
	app_step_plain(a, r, REGION_REPLACED);
	app_view(a, r, &v);
	bus_tell_changed(a->bus, &v, BUS_CHANGED_TICKET);
}

bool app_move_is_releasing(const struct region *r, const struct region_entry *e)
{
	return e->move && e->move->fd >= 0 && !e->move->awaits && r->state != REGION_REGISTERING &&
	       !r->close_wanted;
}

bool app_move_released(struct app *a, struct region *r, struct region_entry *e)
{
	struct replacement *p = e->move ? e->move->of : NULL;

	if (!app_move_is_releasing(r, e))
		return false;
	let_go(a, r, e);
	go_on(p);
	return true;
}

bool app_move_is_late(struct region_entry *e)
{
	struct replacement *p = e->move ? e->move->of : NULL;

	if (!p || e->move->is_late)
		return p;
	e->move->is_late = true;
	log_warning("keeper %s is replaced: it has not released region %" PRIu64 " in time",
		    p->name, e->id);
	answer_if_stuck(p);
	return true;
}

bool app_move_awaits(const struct region_entry *e)
{
	return e->move && e->move->awaits;
}

static struct region_entry *find_waiting(struct proxy *k)
{
	struct region_entry *e;

	LIST_FOREACH(e, &proxy_note(k)->list, of_keeper)
		if (e->move && e->move->awaits)
			return e;
	return NULL;
}

void app_keeper_left_moves(struct app *a, struct proxy *k)
{
	struct replacement *p;
	struct region_entry *e;

	LIST_FOREACH(p, &a->replacements, replacements)
		if (p->keeper == k)
			p->keeper = NULL;
	LIST_FOREACH(e, &proxy_note(k)->list, of_keeper) {
		struct region *r = registry_find(a->registry, e->id);

		if (app_move_is_releasing(r, e))
			let_go(a, r, e);
	}
	while ((e = find_waiting(k))) /* each leaves the list */
		begin_anew(a, e);
}

void app_move_ended(struct region_entry *e, int error, const char *text)
{
	struct move *m = e->move;
	struct replacement *p;

	if (!m)
		return;
	p = m->of;
	if (error) {
		note_failure(p, e->id, error, text);
	} else {
		p->moved++;
		app_history_note_replaced(p->app, registry_find(p->app->registry, e->id), e,
					  p->instance);
	}
	end_move(m);
	go_on(p);
}

/* It was released, or lost: nobody wants it any more, or that was told. */
void app_move_dropped(struct app *a, struct region_entry *e)
{
	struct move *m = e->move;

	if (!m)
		return;
	m->entry = NULL;
	e->move = NULL;
	if (m->fd < 0) /* its answer is still to come */
		return;
	end_move(m);
	go_on_all(a);
}

static struct move *find_move(const struct app *a, const void *context)
{
	struct replacement *p;
	struct move *m;

	LIST_FOREACH(p, &a->replacements, replacements)
		LIST_FOREACH(m, &p->moves, moves)
			if (m == context)
				return m;
	return NULL;
}

/* NULL, or why the region is not made anew with what its keeper gave. */
static const char *judge(const struct region *r, const struct region_entry *e,
			 const struct file_facts *file)
{
	const char *why = file_complaint(file, e);

	if (!why && r->access == ACCESS_READ_WRITE && (file->flags & O_ACCMODE) != O_RDWR)
		return "its keeper gave the file open for reading only";
	return why;
}

/* Nothing was taken from the former keeper so far. */
static int take_over(struct move *m, struct region *r)
{
	struct keeper_message q = { .type = KEEPER_RELEASE, .region = r->id };
	struct region_entry *e = m->entry;
	struct replacement *p = m->of;

	q.demand.cause = CAUSE_ADMINISTRATOR;
	q.demand.grace_usec = !r->holders		      ? 0
			      : p->grace_usec < r->grace_usec ? p->grace_usec
							      : r->grace_usec;
	e->wanted_by = p->by;
	return proxy_request(e->keeper, &q, -1, q.demand.grace_usec / USEC_PER_MSEC, NULL);
}

/* True: the former keeper was asked to let go of the region. */
static bool begin_taking(struct app *a, struct move *m, const struct file_facts *file, int *fd)
{
	struct region_entry *e = m->entry;
	const char *why;
	struct region *r;
	int error;

	if (!e) /* it ended meanwhile */
		return false;
	r = registry_find(a->registry, e->id);
	why = judge(r, e, file);
	if (!why && r->close_wanted)
		return false;
	if (!why)
		m->fd = steal_fd(fd);
	error = why ? -ESTALE : take_over(m, r);
	if (error)
		note_failure(m->of, e->id, error, why ? why : "");
	return !error;
}

static void on_file_looked(struct app *a, void *context, const struct file_facts *file, int *fd)
{
	struct move *m = find_move(a, context);
	struct replacement *p = m ? m->of : NULL;

	if (!m || begin_taking(a, m, file, fd))
		return;
	end_move(m);
	go_on(p);
}

bool app_move_file_answered(struct app *a, const struct answer *n)
{
	struct move *m = n->context ? find_move(a, n->context) : NULL;
	struct region_entry *e = m ? m->entry : NULL;
	struct replacement *p = m ? m->of : NULL;

	if (!m)
		return false;
	if (e && !n->error) {
		app_look(a, steal_fd(n->fd), proxy_uid(e->keeper), on_file_looked, m);
		return true;
	}
	if (e)
		note_failure(p, n->region, n->error, n->text);
	end_move(m);
	go_on(p);
	return true;
}

static int begin_move(struct replacement *p, struct region_entry *e)
{
	struct move *m = calloc(1, sizeof(*m));
	int error;

	if (!m)
		return -ENOMEM;
	*m = (struct move){ .entry = e, .of = p, .fd = -1 };
	LIST_INSERT_HEAD(&p->moves, m, moves);
	p->under_way++;
	e->move = m;
	error = app_ask_for_file(e, m);
	if (error < 0)
		end_move(m);
	return error;
}

/* The one with the smallest number above @after that the keeper has. */
static struct region_entry *next_of(struct app *a, const struct proxy *k, uint64_t after)
{
	const uint32_t uid = proxy_uid(k);
	struct region_entry *e = NULL;
	const struct region *r;

	do {
		r = registry_after_of(a->registry, &uid, proxy_session(k), after);
		e = r ? region_table_find(a->table, r->id) : NULL;
		after = r ? r->id : 0;
	} while (e && e->keeper != k);
	return e;
}

/* Begins what there is room for; answers and ends it after the last. */
static void go_on(struct replacement *p)
{
	struct app *a = p->app;
	struct region_entry *e;
	int error;

	if (p->going_on || !p->ready)
		return;
	p->going_on = true;
	begin_all_waiting(a, p);
	while (p->keeper && count_moves(a) < MOVES_MAX && (e = next_of(a, p->keeper, p->after))) {
		p->after = e->id;
		if (e->move || registry_find(a->registry, e->id)->close_wanted)
			continue;
		error = begin_move(p, e);
		if (error < 0)
			note_failure(p, e->id, error, proxy_trouble(p->keeper));
	}
	p->going_on = false;
	answer_if_stuck(p);
	if (p->under_way || (p->keeper && next_of(a, p->keeper, p->after)))
		return;
	metrics_count(a->metrics, METRIC_REPLACEMENTS,
		      p->failed ? REPLACED_IN_PART : REPLACED_WHOLE);
	log_notice("keeper %s was replaced for pid %" PRIu32 " uid %" PRIu32 ": %" PRIu32
		   " regions made anew, %" PRIu32 " not",
		   p->name, p->by.pid, p->by.uid, p->moved, p->failed);
	answer(p);
	free_replacement(p);
}

void app_stop_replacements(struct app *a)
{
	struct replacement *p;
	struct failure f;
	struct move *m;

	failure_set(&f, RDMAREG_ERROR_FAILED, "rdmaregd is being stopped; try again");
	while ((p = LIST_FIRST(&a->replacements))) {
		while ((m = LIST_FIRST(&p->moves)))
			end_move(m);
		if (p->call)
			call_fail(p->call, &f);
		free_replacement(p);
	}
}

/*
 * Before anything is taken from the keeper there has to be another one. What it is asked for is
 * nothing that it has to do, and is answered when it can be asked.
 */
static int await_other(struct replacement *p)
{
	struct region_entry *e = next_of(p->app, p->keeper, 0);
	struct keeper_message q = { .type = KEEPER_CANCEL };
	struct proxy *k;
	int error;

	if (p->app->settings.port || !e) {
		p->ready = true; /* where the port is a setting there is only one at a time */
		return 0;
	}
	q.region = e->id; /* which the other one does not have, so nothing is cancelled */
	q.progress.operation = 1;
	error = pool_get(p->app->keepers, proxy_uid(p->keeper), proxy_session(p->keeper), &k);
	return error < 0 ? error : proxy_request(k, &q, -1, 0, p);
}

bool app_replacement_answered(struct app *a, const struct answer *n)
{
	struct replacement *p;
	struct failure f;

	LIST_FOREACH(p, &a->replacements, replacements)
		if (p == n->context)
			break;
	if (!p || !n->context || p->ready)
		return false;
	if (!n->error) {
		p->ready = true;
		go_on(p);
		return true;
	}
	metrics_count(a->metrics, METRIC_REPLACEMENTS, REPLACED_NOT);
	failure_from_errno(&f, "starting the keeper that is to replace it", n->error, n->text);
	if (p->call)
		call_fail(p->call, &f);
	if (p->keeper)
		pool_supersede(p->keeper, false);
	free_replacement(p);
	return true;
}

static int check(struct app *a, struct proxy *k, const struct replace_request *q, struct failure *f)
{
	const char *why = pool_check_replaceable(k);
	const struct replacement *p;
	struct region_entry *e;

	LIST_FOREACH(p, &a->replacements, replacements)
		if (p->keeper == k)
			return failure_set(f, RDMAREG_ERROR_BUSY,
					   "keeper %s is being replaced already", q->keeper);
	if (why)
		return failure_set(f, RDMAREG_ERROR_FAILED, "keeper %s cannot be replaced: %s",
				   q->keeper, why);
	if (a->settings.port && proxy_note(k)->regions > MOVES_MAX)
		return failure_set(
			f, RDMAREG_ERROR_LIMIT_EXCEEDED,
			"keeper %s has %" PRIu32
			" regions: where the port is a setting, at most %d "
			"can be moved at the same time, and two keepers cannot have it; release some",
			q->keeper, proxy_note(k)->regions, MOVES_MAX);
	LIST_FOREACH(e, &proxy_note(k)->list, of_keeper)
		if (registry_find(a->registry, e->id)->state == REGION_REGISTERING)
			return failure_set(
				f, RDMAREG_ERROR_BUSY,
				"region %" PRIu64
				" of keeper %s is being registered: try again when that is over",
				e->id, q->keeper);
	return 0;
}

int app_replace_keeper(void *userdata, struct client *c, const struct replace_request *q,
		       struct call *call, struct failure *ret)
{
	struct app *a = userdata;
	struct replacement *p;
	struct proxy *k = pool_find(a->keepers, q->keeper);
	int error;

	if (!k)
		return failure_set(
			ret, RDMAREG_ERROR_INVALID_OPTION,
			"there is no keeper %s: ListKeepers and 'rdmaregctl keeper list' "
			"name those that there are",
			q->keeper);
	if (check(a, k, q, ret))
		return BUS_E_REFUSED;
	p = calloc(1, sizeof(*p));
	if (!p)
		return failure_from_errno(ret, "replacing a keeper", -ENOMEM, "");
	p->app = a;
	p->keeper = k;
	p->call = call;
	p->by = *client_asker(c);
	p->grace_usec = q->has_grace ? q->grace_usec : UINT64_MAX;
	snprintf(p->name, sizeof(p->name), "%s", q->keeper);
	LIST_INSERT_HEAD(&a->replacements, p, replacements);
	p->uid = proxy_uid(k);
	p->instance = proxy_instance(k);
	pool_supersede(k, true);
	error = await_other(p);
	if (error < 0) {
		metrics_count(a->metrics, METRIC_REPLACEMENTS, REPLACED_NOT);
		pool_supersede(k, false);
		free_replacement(p);
		return failure_from_errno(ret, "starting the keeper that is to replace it", error,
					  "");
	}
	go_on(p);
	return 0;
}
