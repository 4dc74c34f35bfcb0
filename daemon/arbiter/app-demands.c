// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-demands.c - operations of others on marked files (passages of the gate), brought to every
 * region they touch.
 *
 * Who takes blocks is served by a demand (core/demand.h) with a part for each region of the file
 * whose range it takes; the parts are asked of the keepers and answered when no peer can reach
 * them. A keeper carries few demands of a region at a time, so many who come at once share them:
 * one whose range and regions a demand has already joins its crowd, and the last demand that a file
 * may have takes all of its regions, so that everybody who comes after it joins that.
 *
 * What always holds:
 *   - A passage is answered only when every region that it takes something of is fenced, or is
 *     refused. Whatever happens here the gate keeps the deadline, and lets it go on then.
 *   - Nobody joins a demand that was passed on without being fenced, or whose regions were fenced
 *     for JOIN_USEC already: regions do not stay closed for as long as somebody comes.
 *   - A file has at most DEMANDS_OF_A_FILE demands; who comes then waits for one to end.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "arbiter/app-internal.h"
#include "core/demand.h"
#include "gate/gate-channel.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/probe.h"

#define DEMANDS_OF_A_FILE \
	4 /* fewer than a keeper's guard has places for, since revocations need some, too */
#define JOIN_USEC USEC_PER_SEC

static const char *const cause_names[_REVOCATION_CAUSE_MAX] = REVOCATION_CAUSE_NAMES;

/* One operation. */
struct passage {
	struct gate_message want;
	struct crowd *crowd; /* NULL: it waits for a place */
	uint64_t since_usec;
	bool answered;
	LIST_ENTRY(passage) passages;
};

/* One demand, and who is served by it. */
struct crowd {
	struct app *app;
	uint64_t device, inode;
	uint64_t offset, length; /* bytes in the file */
	uint64_t demand;	 /* ours, towards the keepers */
	struct demand core;
	bool fenced;
	uint64_t fenced_usec;
	uint32_t members; /* passages that are not over */
	uint32_t n_parts;
	LIST_ENTRY(crowd) crowds;
	uint64_t part[]; /* regions */
};

static struct passage *find_passage(struct app *a, uint64_t number)
{
	struct passage *p;

	LIST_FOREACH(p, &a->passages, passages)
		if (p->want.number == number)
			return p;
	return NULL;
}

static struct crowd *find_crowd(struct app *a, uint64_t demand)
{
	struct crowd *c;

	LIST_FOREACH(c, &a->crowds, crowds)
		if (c->demand == demand)
			return c;
	return NULL;
}

static void send_over(struct crowd *c)
{
	for (uint32_t i = 0; i < c->n_parts; i++) {
		struct region_entry *e = region_table_find(c->app->table, c->part[i]);

		if (e && app_send_over(e, c->demand) < 0)
			log_warning("region %" PRIu64
				    ": its keeper cannot be told that a demand is over; it ends "
				    "with its limit",
				    e->id);
	}
}

static void count(struct app *a, const struct passage *p, enum metric_passage what)
{
	PROBE(passage__end, p->want.number, what, now_monotonic_usec() - p->since_usec);
	metrics_count(a->metrics, METRIC_PASSAGES, what);
	metrics_observe(a->metrics, METRIC_WAIT, now_monotonic_usec() - p->since_usec,
			ARBITER_GATE);
}

static void answer(struct app *a, struct passage *p, int error)
{
	if (p->answered)
		return;
	gate_link_answer(a->gate, p->want.number, error);
	count(a, p, error ? PASSAGE_REFUSED : PASSAGE_WENT_ON);
	p->answered = true;
}

uint32_t app_count_passages(const struct app *a)
{
	const struct passage *p;
	uint32_t n = 0;

	LIST_FOREACH(p, &a->passages, passages)
		n += !p->answered;
	return n;
}

static void note_given_back(struct crowd *c, bool forced)
{
	for (uint32_t i = 0; i < c->n_parts; i++) {
		const struct region *r = registry_find(c->app->registry, c->part[i]);

		if (r && r->revocation)
			app_history_note_given_back(c->app, r,
						    region_table_find(c->app->table, r->id),
						    r->revocation, forced);
	}
}

static void let_pass(struct crowd *c)
{
	struct passage *p;

	c->fenced = true;
	c->fenced_usec = now_monotonic_usec();
	note_given_back(c, false);
	LIST_FOREACH(p, &c->app->passages, passages)
		if (p->crowd == c)
			answer(c->app, p, 0);
}

static void find_place(struct app *a, struct passage *p);

/* A demand of this file is over, so somebody who waits may have its place. */
static void give_place(struct app *a, uint64_t device, uint64_t inode)
{
	struct passage *p;

	LIST_FOREACH(p, &a->passages, passages)
		if (!p->crowd && p->want.device == device && p->want.inode == inode)
			find_place(a, p);
}

static void carry_out(struct crowd *c, const struct demand_effects *effects)
{
	struct app *a = c->app;
	uint64_t device = c->device, inode = c->inode;

	for (size_t i = 0; i < effects->n; i++) {
		switch (effects->item[i]) {
		case DEMAND_PASS:
			let_pass(c);
			break;
		case DEMAND_SEND_OVER:
			send_over(c);
			break;
		case DEMAND_FREE:
			LIST_REMOVE(c, crowds);
			free(c);
			give_place(a, device, inode);
			return;
		case DEMAND_REFUSE: /* who is refused has no demand */
		case _DEMAND_EFFECT_MAX:
			break;
		}
	}
}

static void step(struct crowd *c, enum demand_event_type type)
{
	struct demand_effects effects;

	demand_step(&c->core, type, &effects);
	carry_out(c, &effects);
}

/*
 * One that is being taken down can still be reached; its keeper answers when nothing is left of it.
 * Before it is registered nobody can.
 */
static bool can_be_demanded(const struct region *r)
{
	return r->state != REGION_REGISTERING;
}

static uint64_t end_of(uint64_t offset, uint64_t length)
{
	return length > UINT64_MAX - offset ? UINT64_MAX : offset + length;
}

/* What of a region a range of the file takes. False: nothing. */
static bool takes(uint64_t offset, uint64_t length, const struct region *r, uint64_t *ret_start,
		  uint64_t *ret_end)
{
	uint64_t end = end_of(offset, length);
	uint64_t start = offset > r->offset ? offset : r->offset;

	if (end > r->offset + r->length)
		end = r->offset + r->length;
	if (!can_be_demanded(r) || start >= end)
		return false;
	*ret_start = start - r->offset;
	*ret_end = end - r->offset;
	return true;
}

static uint64_t grace_of(const struct region *r)
{
	return r->policy == POLICY_FOLLOW ? 0 : r->grace_usec;
}

/* Asks one region's keeper. 0: an answer will come. */
static int ask(struct crowd *c, const struct region *r, struct region_entry *e,
	       const struct gate_message *w, uint64_t start, uint64_t end)
{
	struct keeper_message m = { .type = KEEPER_DEMAND, .region = r->id };
	const struct settings *s = &c->app->settings;

	m.demand.demand = c->demand;
	m.demand.offset = start;
	m.demand.length = end - start;
	m.demand.grace_usec = grace_of(r);
	m.demand.cause = (uint8_t)w->cause;
	m.demand.pid = (uint32_t)w->pid;
	/* the gate tells when it is over; this is for a gate that we no longer hear */
	m.demand.limit_usec = s->revoke_limit_sec * USEC_PER_SEC;
	return proxy_request(e->keeper, &m, -1,
			     (m.demand.grace_usec + USEC_PER_SEC) / USEC_PER_MSEC,
			     (void *)(uintptr_t)c->demand);
}

/*
 * The regions that a range takes something of; how long their holders have at most, and whether one
 * of them refuses.
 */
static uint32_t survey(struct app *a, const struct file *f, const struct gate_message *w,
		       uint64_t *ret_grace, const struct region **ret_refusing)
{
	struct region_entry *e;
	uint64_t start, end;
	uint32_t n = 0;

	TAILQ_FOREACH(e, &f->regions, of_file) {
		const struct region *r = registry_find(a->registry, e->id);

		if (!takes(w->offset, w->length, r, &start, &end))
			continue;
		n++;
		if (e->gated && app_refuses(r))
			*ret_refusing = r;
		if (grace_of(r) > *ret_grace)
			*ret_grace = grace_of(r);
	}
	return n;
}

static bool has_part(const struct crowd *c, uint64_t region)
{
	for (uint32_t i = 0; i < c->n_parts; i++)
		if (c->part[i] == region)
			return true;
	return false;
}

static bool may_join(const struct crowd *c, const struct file *f, const struct gate_message *w)
{
	bool is_open = c->fenced ? now_monotonic_usec() - c->fenced_usec < JOIN_USEC
				 : c->core.state == DEMAND_WAITING && !c->core.failed;
	struct region_entry *e;
	uint64_t start, end;

	if (!is_open || c->core.ended || w->offset < c->offset ||
	    end_of(w->offset, w->length) > end_of(c->offset, c->length))
		return false;
	TAILQ_FOREACH(e, &f->regions, of_file)
		if (takes(w->offset, w->length, registry_find(c->app->registry, e->id), &start,
			  &end) &&
		    !has_part(c, e->id))
			return false;
	return true;
}

/* Of a range of the file that @p takes, or all of it. */
static struct crowd *begin_crowd(struct app *a, const struct file *f, struct passage *p,
				 bool whole_file)
{
	struct region_entry *e;
	struct crowd *c;
	uint32_t n = 0;

	TAILQ_FOREACH(e, &f->regions, of_file)
		n++;
	c = calloc(1, sizeof(*c) + n * sizeof(c->part[0]));
	if (!c)
		return NULL;
	c->app = a;
	c->device = p->want.device;
	c->inode = p->want.inode;
	c->offset = whole_file ? 0 : p->want.offset;
	c->length = whole_file ? UINT64_MAX : p->want.length;
	c->demand = ++a->demands;
	LIST_INSERT_HEAD(&a->crowds, c, crowds);
	return c;
}

static void ask_all(struct crowd *c, const struct file *f, const struct gate_message *w)
{
	struct demand_effects effects;
	struct region_entry *e;
	uint64_t start, end;
	uint32_t asked = 0, failed = 0;
	int error;

	TAILQ_FOREACH(e, &f->regions, of_file) {
		const struct region *r = registry_find(c->app->registry, e->id);

		if (!takes(c->offset, c->length, r, &start, &end))
			continue;
		c->part[c->n_parts++] = r->id;
		error = ask(c, r, e, w, start, end);
		asked += error != -EPIPE; /* else nothing is left of it */
		failed += error && error != -EPIPE;
	}
	demand_begin(&c->core, asked, false, &effects);
	carry_out(c, &effects);
	/*
	 * of a keeper that cannot be asked the region can be reached: whoever waits has to wait for
	 * his deadline
	 */
	while (failed--)
		step(c, DEMAND_PART_FAILED);
}

/* A demand for @p, its own or one of others; none if there are too many. */
static void find_place(struct app *a, struct passage *p)
{
	struct file *f = region_table_find_file(a->table, p->want.device, p->want.inode);
	struct crowd *c;
	uint32_t n = 0;

	if (!f) { /* its regions are gone: nobody reaches it */
		answer(a, p, 0);
		return;
	}
	LIST_FOREACH(c, &a->crowds, crowds) {
		if (c->device != p->want.device || c->inode != p->want.inode)
			continue;
		n++;
		if (!may_join(c, f, &p->want))
			continue;
		p->crowd = c;
		c->members++;
		if (c->fenced)
			answer(a, p, 0);
		return;
	}
	if (n >= DEMANDS_OF_A_FILE)
		return;
	c = begin_crowd(a, f, p, n == DEMANDS_OF_A_FILE - 1);
	if (!c) {
		answer(a, p, EBUSY);
		return;
	}
	p->crowd = c;
	c->members++;
	ask_all(c, f, &p->want);
}

void app_passage_wanted(void *userdata, const struct gate_message *m)
{
	struct app *a = userdata;
	struct file *f = region_table_find_file(a->table, m->device, m->inode);
	uint64_t grace = 0, margin = a->settings.deadline_margin_msec * USEC_PER_MSEC;
	const struct region *refusing = NULL;
	uint32_t n = f ? survey(a, f, m, &grace, &refusing) : 0;
	struct passage *p;

	/* one that the gate could not be told of; see passes() in gate/main.c */
	if (!n || (m->cause == CAUSE_UNKNOWN && pool_have_pid(a->keepers, m->pid))) {
		gate_link_answer(a->gate, m->number, 0);
		return;
	}
	if (refusing) { /* since the gate was told it refuses by itself */
		gate_link_answer(a->gate, m->number, ETXTBSY);
		metrics_count(a->metrics, METRIC_PASSAGES, PASSAGE_REFUSED);
		return;
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		gate_link_answer(a->gate, m->number, EBUSY);
		metrics_count(a->metrics, METRIC_PASSAGES, PASSAGE_REFUSED);
		return;
	}
	gate_link_wait(a->gate, m->number, grace + margin);
	p->want = *m;
	p->since_usec = now_monotonic_usec();
	LIST_INSERT_HEAD(&a->passages, p, passages);
	PROBE(passage__begin, m->number, m->cause, m->pid, m->uid, m->inode);
	find_place(a, p);
}

void app_passage_expired(void *userdata, uint64_t number)
{
	struct app *a = userdata;
	struct passage *p = find_passage(a, number), *other;

	if (!p || p->answered)
		return;
	p->answered = true;
	count(a, p, PASSAGE_EXPIRED);
	metrics_count(a->metrics, METRIC_DEADLINES, ARBITER_GATE);
	log_about(
		LOG_WARNING,
		LOG_FIELDS(.message = LOG_MESSAGE_DEADLINE_MET,
			   .cause = p->want.cause < _REVOCATION_CAUSE_MAX
					    ? cause_names[p->want.cause]
					    : NULL,
			   .pid = (uint32_t)p->want.pid),
		"an operation on a marked file went on at its deadline, before every region was fenced");
	LIST_FOREACH(other, &a->passages, passages)
		if (other->crowd == p->crowd && !other->answered)
			return;
	if (!p->crowd)
		return;
	note_given_back(p->crowd, true);
	step(p->crowd, DEMAND_DEADLINE);
}

static void end_passage(struct passage *p)
{
	struct crowd *c = p->crowd;

	LIST_REMOVE(p, passages);
	free(p);
	if (c && !--c->members)
		step(c, DEMAND_ENDED);
}

void app_passage_over(void *userdata, uint64_t number)
{
	struct passage *p = find_passage(userdata, number);

	if (p)
		end_passage(p);
}

void app_passage_refused(void *userdata, const struct gate_message *m)
{
	struct app *a = userdata;
	struct file *f = region_table_find_file(a->table, m->device, m->inode);
	struct region_entry *e;

	metrics_count(a->metrics, METRIC_PASSAGES, PASSAGE_REFUSED);
	if (!f || m->cause >= _REVOCATION_CAUSE_MAX)
		return;
	if (now_monotonic_usec() < a->refusals_quiet_usec) {
		a->refusals_unsaid++;
		return;
	}
	a->refusals_quiet_usec = now_monotonic_usec() + USEC_PER_SEC;
	TAILQ_FOREACH(e, &f->regions, of_file)
		if (e->claim == m->key)
			log_info(
				"region %" PRIu64 ": held: process %d of user %" PRIu32
				" was refused (cause: %s; other refusals that were not logged: %" PRIu64
				")",
				e->id, (int)m->pid, m->uid, cause_names[m->cause],
				a->refusals_unsaid);
	a->refusals_unsaid = 0;
}

void app_passages_lost(struct app *a)
{
	struct passage *p;

	/* those without a demand first: none of them is to get one now */
	for (p = LIST_FIRST(&a->passages); p;) {
		struct passage *next = LIST_NEXT(p, passages);

		if (!p->crowd)
			end_passage(p);
		p = next;
	}
	while ((p = LIST_FIRST(&a->passages)))
		end_passage(p);
}

/*
 * It was not fenced, or nobody knows: no room for the demand, or a keeper that lives and does not
 * answer.
 */
static bool is_reachable_yet(int error)
{
	return error == -EDQUOT || error == -ETIMEDOUT || error == -ENOTCONN || error == -EPROTO;
}

bool app_demand_answered(struct app *a, const struct answer *n)
{
	struct crowd *c = find_crowd(a, (uint64_t)(uintptr_t)n->context);

	if (!c)
		return false;
	if (n->error == -EDQUOT)
		log_warning("region %" PRIu64 ": %s", n->region, n->text);
	step(c, is_reachable_yet(n->error) ? DEMAND_PART_FAILED : DEMAND_PART_DONE);
	return true;
}

void app_free_passages(struct app *a)
{
	struct passage *p;
	struct crowd *c;

	while ((p = LIST_FIRST(&a->passages))) {
		LIST_REMOVE(p, passages);
		free(p);
	}
	while ((c = LIST_FIRST(&a->crowds))) {
		LIST_REMOVE(c, crowds);
		free(c);
	}
}
