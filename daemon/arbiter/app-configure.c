// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-configure.c - policy, grace and arbitration of a region: chosen when it is registered, and
 * changed while it lives.
 *
 * A change takes up to two questions to the keeper: for the file, if it is to be marked from now
 * on, and then for the change itself. What the keeper refuses has changed nothing; its answer
 * changes everything at once.
 *
 * What always holds:
 *   - One change of a region is under way at a time, and others wait only as long as one is. Each is
 *     judged, and what it does not name is filled in, when its turn comes: by what the one before
 *     has left.
 *   - Changes of one user are made in the order in which they came; users take turns, so that nobody
 *     waits for all that another one has asked for.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "arbiter/app-internal.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define WAITING_MAX 16 /* changes of one user for one region, beside the one under way */

struct change {
	struct call *call;
	uint64_t region;
	struct configure_request asked;
	TAILQ_ENTRY(change) changes; /* region_entry.changes, while it waits */
	/* once it is under way */
	struct terms terms;
	bool gate_asked;
	bool was_wanted; /* gated, or meant to be, before */
};

/* Who neither owns the file nor writes to it holds up whoever does: not for long. */
static uint64_t longest_grace(const struct app *a, bool reads_only)
{
	const struct settings *s = &a->settings;

	return (reads_only && s->reader_grace_msec < s->max_grace_msec ? s->reader_grace_msec
								       : s->max_grace_msec) *
	       USEC_PER_MSEC;
}

int app_choose_grace(const struct app *a, enum region_policy policy, bool owns_file,
		     bool reads_only, bool has_grace, uint64_t grace_usec, uint64_t *ret,
		     struct failure *f)
{
	uint64_t longest = longest_grace(a, reads_only),
		 usual = a->settings.grace_msec * USEC_PER_MSEC;
	char asked[DURATION_BYTES], allowed[DURATION_BYTES];

	switch (policy) {
	case POLICY_FOLLOW:
		*ret = 0;
		return 0;
	case POLICY_HOLD:
		if (!owns_file)
			return failure_set(
				f, RDMAREG_ERROR_ACCESS_DENIED,
				"policy 'hold' makes others fail to change the file, so only the file's owner, or "
				"who is authorized to org.rdmareg.Registry1.hold, may ask for it: ask for 'yield'");
		*ret = longest;
		return 0;
	default:
		break;
	}
	*ret = has_grace ? grace_usec : usual < longest ? usual : longest;
	if (*ret <= longest)
		return 0;
	if (longest < a->settings.max_grace_msec * USEC_PER_MSEC)
		return failure_set(
			f, RDMAREG_ERROR_INVALID_OPTION,
			"a grace of %s is longer than the %s that are allowed to who reads a file of somebody else: ask "
			"for less, or for access 'rw', or have the administrator raise reader_grace_msec in "
			"rdmaregd.conf",
			duration_text(asked, *ret), duration_text(allowed, longest));
	return failure_set(
		f, RDMAREG_ERROR_INVALID_OPTION,
		"a grace of %s is longer than the %s that are allowed: ask for less, or have the "
		"administrator raise max_grace_msec in rdmaregd.conf",
		duration_text(asked, *ret), duration_text(allowed, longest));
}

int app_check_gate(enum region_access access, bool owns_file, struct failure *f)
{
	if (access == ACCESS_READ_WRITE || owns_file)
		return 0;
	return failure_set(
		f, RDMAREG_ERROR_ACCESS_DENIED,
		"pre-content events make every read and write of the file slower for everybody, so they require access "
		"'rw' or ownership of the file: ask for arbitration 'auto'");
}

/* 0: it is under way. */
static int begin(struct app *a, struct region *r, struct region_entry *e, struct change *c,
		 struct failure *ret)
{
	const struct configure_request *q = &c->asked;
	enum region_policy before = (enum region_policy)r->policy;
	enum region_policy policy = q->has_policy ? q->policy : before;
	/* what only the policy wanted before, it wants no longer */
	bool gate_asked = q->has_pre_content ? q->pre_content : e->gate_asked;
	bool gated = policy == POLICY_HOLD || gate_asked;
	int error;

	if (app_check_live(r, ret))
		return BUS_E_REFUSED;
	if (e->unsettled && e->terms_asked)
		return failure_set(
			ret, RDMAREG_ERROR_BUSY,
			"region %" PRIu64
			" cannot be changed now: its keeper %s has not answered an earlier change yet; try again",
			r->id, proxy_name(e->keeper));
	c->terms.policy = policy;
	c->terms.warm_mode = q->has_warm_mode ? q->warm_mode : (enum warm_mode)e->text.warm_mode;
	c->terms.gated = gated;
	c->gate_asked = gate_asked;
	c->was_wanted = app_wants_gate(e);
	/* a policy that stays keeps its grace, and needs no authorization again */
	if (app_choose_grace(
		    a, policy, q->owns_file || policy == before,
		    r->access == ACCESS_READ && !q->owns_file, q->has_grace || policy == before,
		    q->has_grace ? q->grace_usec : r->grace_usec, &c->terms.grace_usec, ret) ||
	    (gated && !c->was_wanted &&
	     app_check_gate((enum region_access)r->access, q->owns_file, ret)))
		return BUS_E_REFUSED;
	error = gated && !e->gated ? app_ask_for_file(e, c) : app_ask_terms(r, e, &c->terms, c);
	if (error)
		return failure_from_errno(ret, "configuring the region", error,
					  proxy_trouble(e->keeper));
	e->change = c;
	e->changed_by = q->uid;
	e->gate_tried = gated && !c->was_wanted;
	return 0;
}

static int wait_for_turn(struct region_entry *e, struct change *c, struct failure *ret)
{
	const struct change *other;
	unsigned int n = 0;

	TAILQ_FOREACH(other, &e->changes, changes)
		n += other->asked.uid == c->asked.uid;
	if (n >= WAITING_MAX)
		return failure_set(ret, RDMAREG_ERROR_LIMIT_EXCEEDED,
				   "%u changes of region %" PRIu64
				   " by uid %u wait for an earlier one already: wait for some",
				   n, e->id, c->asked.uid);
	TAILQ_INSERT_TAIL(&e->changes, c, changes);
	return 0;
}

int app_configure(void *userdata, uint64_t id, const struct configure_request *q, struct call *call,
		  struct failure *ret)
{
	struct app *a = userdata;
	struct region *r = registry_find(a->registry, id);
	struct region_entry *e = region_table_find(a->table, id);
	struct change *c = calloc(1, sizeof(*c));
	int error;

	if (!c)
		return failure_from_errno(ret, "configuring the region", -ENOMEM, "");
	*c = (struct change){ .call = call, .region = id, .asked = *q };
	error = e->change ? wait_for_turn(e, c, ret) : begin(a, r, e, c, ret);
	if (error)
		free(c);
	return error;
}

static struct change *next_change(const struct region_entry *e)
{
	struct change *c;

	TAILQ_FOREACH(c, &e->changes, changes)
		if (c->asked.uid != e->changed_by)
			return c;
	return TAILQ_FIRST(&e->changes);
}

static void refuse(struct region_entry *e, struct change *c, const struct failure *why)
{
	TAILQ_REMOVE(&e->changes, c, changes);
	call_fail(c->call, why);
	free(c);
}

void app_refuse_changes(struct region_entry *e, const struct failure *why)
{
	while (!TAILQ_EMPTY(&e->changes))
		refuse(e, TAILQ_FIRST(&e->changes), why);
}

/* None is under way any more: the next one is. */
static void go_on(struct app *a, uint64_t region)
{
	struct region *r = registry_find(a->registry, region);
	struct region_entry *e = region_table_find(a->table, region);
	struct change *c;
	struct failure f;

	while (r && !e->change && (c = next_change(e))) {
		if (begin(a, r, e, c, &f))
			refuse(e, c, &f);
		else
			TAILQ_REMOVE(&e->changes, c, changes);
	}
}

static void fail_change(struct app *a, struct region *r, struct region_entry *e, struct change *c,
			const struct failure *why)
{
	if (r && !c->was_wanted)
		app_ungate(a, r, e);
	call_fail(c->call, why);
}

static void take_change(struct app *a, struct region *r, struct region_entry *e, struct change *c)
{
	r->policy = (uint8_t)c->terms.policy;
	r->grace_usec = c->terms.grace_usec;
	e->text.warm_mode = (uint8_t)c->terms.warm_mode;
	e->gate_asked = c->gate_asked;
	app_record_terms(r, e, c->terms.gated);
	app_standing_changed(a, r, e);
	if (!c->terms.gated)
		app_ungate(a, r, e);
	app_mode_changed(a, r, e);
	call_reply(c->call);
}

/* Who waits for it goes on with go_on(), or was refused as it was: its keeper is late. */
static void finish(struct app *a, struct change *c, int error, const char *text)
{
	struct region *r = registry_find(a->registry, c->region);
	struct region_entry *e = region_table_find(a->table, c->region);
	struct failure f;

	if (r) {
		e->change = NULL;
		e->gate_tried = false;
	}
	if (error || !r) {
		failure_from_errno(&f, "configuring the region", error ? error : -ENOENT, text);
		fail_change(a, r, e, c, &f);
		if (r && error == -ETIMEDOUT)
			app_refuse_changes(e, &f);
	} else {
		take_change(a, r, e, c);
	}
	free(c);
}

/*
 * One that is late is refused to its caller, so what the daemon knows goes on to hold: if the keeper
 * does it after all, that is undone.
 */
void app_configure_answered(struct app *a, const struct proxy *k, const struct answer *n)
{
	if (n->context)
		finish(a, n->context, n->error, n->text);
	app_terms_answered(a, k, n);
	if (n->context)
		go_on(a, n->region);
}

/* It is known whether the file is marked: now the change itself. */
static void on_gated(struct app *a, uint64_t region, void *context)
{
	struct region *r = registry_find(a->registry, region);
	struct region_entry *e = region_table_find(a->table, region);
	struct change *c = context;
	int error = r ? app_ask_terms(r, e, &c->terms, c) : -ENOENT;

	if (!error)
		return;
	finish(a, c, error, "");
	go_on(a, region);
}

static void drop_change(void *context)
{
	free(context); /* its call ended with the bus */
}

void app_change_file_answered(struct app *a, const struct answer *n)
{
	struct region_entry *e = region_table_find(a->table, n->region);
	int error = n->error;

	if (e && !error) {
		error = app_gate_with(a, e, steal_fd(n->fd), on_gated, drop_change, n->context);
		if (!error)
			return;
	}
	finish(a, n->context, e ? error : -ENOENT, n->text);
	go_on(a, n->region);
}

void app_free_changes(struct app *a)
{
	struct failure f;

	if (!a->registry)
		return; /* it ends before it began */
	failure_set(&f, RDMAREG_ERROR_FAILED, "rdmaregd is being stopped; try again");
	for (struct region *r = registry_after(a->registry, 0); r;
	     r = registry_after(a->registry, r->id))
		app_refuse_changes(region_table_find(a->table, r->id), &f);
}
