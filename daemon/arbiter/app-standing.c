// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-standing.c - standing regions: what is to be made again after a reboot or a loss is recorded
 * on disk (standing-record.h), and made again by a process of its user that opens the file and
 * passes it (rdmareg-standing@.service, `rdmaregctl standing restore`).
 *
 * What always holds:
 *   - A region is not said to stand before its record is on disk (app-standing-disk.c), and is
 *     released if that fails; nor is it said to be released before its record is removed there.
 *   - The daemon opens no path of a user. A file that is not the recorded one makes no region.
 *   - A uid has at most standing_per_uid records.
 *   - A record is removed when its region was released, by whomever, or its session was. A region
 *     that ended otherwise keeps its record, and is waited for. Nothing else gets its name.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arbiter/app-standing.h"
#include "util/log.h"

static struct standing *find(const struct app *a, uint32_t uid, const char *session,
			     const char *name)
{
	struct standing *s;

	TAILQ_FOREACH(s, &a->standing.all, all)
		if (!s->pending && s->uid == uid && !strcmp(s->session, session) &&
		    !strcmp(s->name, name))
			return s;
	return NULL;
}

static void forget(struct app *a, struct standing *s)
{
	standing_disk_forget(s);
	TAILQ_REMOVE(&a->standing.all, s, all);
	free(s);
}

static void add(struct app *a, struct standing *s)
{
	s->number = ++a->standing.last_number;
	TAILQ_INSERT_TAIL(&a->standing.all, s, all);
}

static void stands(struct app *a, struct standing *s)
{
	struct standing *former = find(a, s->uid, s->session, s->name);

	if (former) /* the same name, and no region */
		forget(a, former);
	s->pending = false;
	standing_is_there(s);
}

/* Nobody was told that it stands. */
static void undo(struct app *a, struct standing *s, struct region *r)
{
	forget(a, s);
	region_table_find(a->table, r->id)->standing = NULL;
	a->standing.ops->give_up(a, r);
}

void app_standing_recorded(struct app *a, struct standing *s, struct call *call, int error)
{
	struct region *r = s->region ? registry_find(a->registry, s->region) : NULL;
	struct region_view v;
	struct failure f;

	s->queued = false;
	if (!error)
		stands(a, s);
	if (r && !error) {
		app_view(a, r, &v);
		call_reply_region(call, &v);
		return;
	}
	if (error)
		failure_set(&f, error == -ETIMEDOUT ? RDMAREG_ERROR_TIMEOUT : RDMAREG_ERROR_FAILED,
			    "region '%s' is not registered: it cannot be recorded in %.200s: %s",
			    s->name, a->options->state_directory, strerror(-error));
	else
		failure_set(&f, RDMAREG_ERROR_FAILED, "region '%s' ended before it was recorded",
			    s->name);
	call_fail(call, &f);
	if (!r) /* who waits for its release, too */
		app_standing_drop(a, s);
	else if (error != -ESHUTDOWN) /* then the keeper keeps the region */
		undo(a, s, r);
}

void app_standing_drop(struct app *a, struct standing *s)
{
	standing_disk_remove(a, s, &s->waits);
	forget(a, s);
}

/* @g waits until the disk has it. */
static void hold_ending(struct app *a, struct standing *s, struct ending *g)
{
	if (waitings_add(&s->waits, &(const struct waiting){ .ending = g }) == 0)
		a->standing.ops->hold(g);
	else
		log_error("standing region '%s': no memory to wait for the end of its record",
			  s->name);
}

void app_standing_end_session(struct app *a, uint32_t uid, const char *session, struct ending *g)
{
	struct standing *s, *next;

	for (s = TAILQ_FIRST(&a->standing.all); s; s = next) {
		next = TAILQ_NEXT(s, all);
		if (s->pending || s->region || s->uid != uid || strcmp(s->session, session) != 0)
			continue;
		hold_ending(a, s, g);
		app_standing_drop(a, s);
	}
}

static uint32_t count(const struct app *a, uint32_t uid)
{
	const struct standing *s;
	uint32_t n = 0;

	TAILQ_FOREACH(s, &a->standing.all, all)
		n += s->uid == uid;
	return n;
}

/* A new one can be recorded. */
static int check_new(struct app *a, const struct register_request *q, struct failure *f)
{
	bool is_waited_for = find(a, q->uid, q->session, q->name);
	uint32_t n = count(a, q->uid);

	if (a->standing.directory < 0)
		return failure_set(f, RDMAREG_ERROR_NOT_SUPPORTED,
				   "standing regions cannot be recorded: %s; register it without "
				   "'standing'",
				   a->standing.trouble);
	if (a->standing.silent)
		return failure_set(
			f, RDMAREG_ERROR_TIMEOUT,
			"the disk with standing regions (%s) does not answer: try again, or "
			"register it without 'standing'",
			a->options->state_directory);
	if (is_waited_for && q->all_or_none)
		return failure_set(
			f, RDMAREG_ERROR_NAME_TAKEN,
			"a standing region of uid %" PRIu32
			" session '%s' has the name '%s', and is to be made again: it would be lost "
			"if another region of this atomic call failed: register this one by itself, "
			"or first: rdmaregctl standing remove %s/%s",
			q->uid, q->session, q->name, q->session, q->name);
	if (is_waited_for) /* it takes that one's place */
		return 0;
	if (n < a->settings.standing_per_uid)
		return 0;
	return failure_set(
		f, RDMAREG_ERROR_LIMIT_EXCEEDED,
		"uid %" PRIu32 " has %" PRIu32
		" standing regions already (standing_per_uid in rdmaregd.conf is %" PRIu64
		"): remove some, rdmaregctl standing list shows them",
		q->uid, n, a->settings.standing_per_uid);
}

static void note_refusal(struct app *a, struct standing *s, const char *why)
{
	if (!strcmp(s->why, why))
		return;
	snprintf(s->why, sizeof(s->why), "%s", why);
	log_limited_about(&a->standing.log, "standing regions", "all", LOG_WARNING,
			  LOG_FIELDS(.message = LOG_MESSAGE_STANDING_REFUSED, .file = s->path),
			  "standing region '%s' of uid %" PRIu32
			  " session %s, %s, is not there: %s",
			  s->name, s->uid, s->session, s->path, why);
}

static int check_recorded(struct app *a, const struct register_request *q, struct failure *f)
{
	struct standing *s = find(a, q->uid, q->session, q->name);

	if (!s || s->region)
		return failure_set(f, RDMAREG_ERROR_BUSY,
				   "standing region '%s' was made again, or removed, meanwhile",
				   q->name);
	if (identity_is_same(&s->file, &q->identity))
		return 0;
	return failure_set(
		f, RDMAREG_ERROR_INVALID_FILE,
		"%s is not the file that was registered as '%s': %s; if that is meant, register it anew "
		"with the same name and --standing",
		s->path, s->name, identity_difference(&s->file, &q->identity));
}

/* Another region under its name would keep it from being made again. */
static int check_other(struct app *a, const struct register_request *q, struct failure *f)
{
	if (!*q->name || !find(a, q->uid, q->session, q->name))
		return 0;
	return failure_set(
		f, RDMAREG_ERROR_NAME_TAKEN,
		"a standing region of uid %" PRIu32
		" session '%s' has the name '%s', and is to be made again: to take its place, "
		"register with --standing (option 'standing'); if it is not wanted any more: "
		"rdmaregctl standing remove %s/%s",
		q->uid, q->session, q->name, q->session, q->name);
}

int app_check_standing(struct app *a, const struct register_request *q, struct failure *f)
{
	if (q->standing)
		return check_new(a, q, f);
	return q->restores ? check_recorded(a, q, f) : check_other(a, q, f);
}

void app_standing_refused(struct app *a, const struct register_request *q, const struct failure *f)
{
	struct standing *s = q->restores ? find(a, q->uid, q->session, q->name) : NULL;

	if (s && !s->region)
		note_refusal(a, s, f->text);
}

int app_standing_begin(struct app *a, const struct region *r, struct region_entry *e,
		       const struct register_request *q)
{
	struct standing *s;

	if (q->restores) {
		e->standing = find(a, q->uid, q->session, q->name);
		e->standing->region = r->id;
		return 0;
	}
	if (!q->standing)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	*s = (struct standing){ .uid = q->uid,
				.file = q->identity,
				.offset = r->offset,
				.length = r->length,
				.grace_usec = r->grace_usec,
				.access = r->access,
				.policy = r->policy,
				.pre_content = q->asks_pre_content,
				.no_warm = !q->warm,
				.warm_mode = (uint8_t)(q->has_warm_mode ? q->warm_mode
									: a->settings.warm_mode),
				.pending = true,
				.region = r->id };
	snprintf(s->session, sizeof(s->session), "%s", q->session);
	snprintf(s->name, sizeof(s->name), "%s", q->name);
	snprintf(s->path, sizeof(s->path), "%s", q->path);
	add(a, s);
	e->standing = s;
	return 0;
}

void app_standing_cancel(struct app *a, struct region_entry *e)
{
	struct standing *s = e->standing;

	e->standing = NULL;
	if (s && s->pending)
		forget(a, s);
	else if (s)
		s->region = 0;
}

bool app_standing_registered(struct app *a, struct region_entry *e, struct call *call)
{
	struct standing *s = e->standing;

	if (!s || !s->pending) {
		if (s)
			standing_is_there(s);
		return false;
	}
	if (standing_disk_write(a, s, call) == 0)
		return s->queued = true;
	e->standing = NULL; /* it is there, and will not be after a reboot: said by the log */
	log_error("region %" PRIu64 ": no memory to record it: it does not stand", e->id);
	forget(a, s);
	return false;
}

/* Whoever is told that it is released is, once it is so on disk. An eviction does not end a record. */
static void wait_for_disk(struct app *a, struct region_entry *e, struct standing *s)
{
	struct waitings others = SLIST_HEAD_INITIALIZER(others);
	struct waiting *w;

	while ((w = SLIST_FIRST(&e->releasing))) {
		SLIST_REMOVE_HEAD(&e->releasing, waiting);
		if (w->ending)
			hold_ending(a, s, w->ending);
		if (w->call)
			SLIST_INSERT_HEAD(&s->waits, w, waiting);
		else
			SLIST_INSERT_HEAD(&others, w, waiting);
	}
	e->releasing = others;
}

void app_standing_ended(struct app *a, struct region_entry *e)
{
	struct standing *s = e->standing;
	char why[STANDING_WHY_MAX], next[128];
	bool released = e->end == END_RELEASED || e->end == END_SESSION;

	e->standing = NULL;
	if (!s)
		return;
	s->region = 0;
	if (s->queued || (!s->pending && released))
		wait_for_disk(a, e, s);
	if (s->pending) {
		if (!s->queued) /* else app_standing_recorded() sees to it */
			forget(a, s);
		return;
	}
	if (released) {
		app_standing_drop(a, s);
		return;
	}
	if (!e->announced && e->end == END_GIVEN_UP) {
		note_refusal(a, s, e->end_text);
		return;
	}
	standing_is_lost(a, s, e->end != END_LOST && e->end != END_GIVEN_UP, next, sizeof(next));
	snprintf(why, sizeof(why), "%s; its region ended: %s%s%.200s", next,
		 region_end_names[e->end], *e->end_text ? ": " : "", e->end_text);
	note_refusal(a, s, why);
}

void app_standing_changed(struct app *a, const struct region *r, const struct region_entry *e)
{
	struct standing *s = e->standing;

	if (!s)
		return;
	s->policy = r->policy;
	s->grace_usec = r->grace_usec;
	s->warm_mode = (uint8_t)e->text.warm_mode;
	s->pre_content = e->gate_asked;
	if ((!s->pending || s->queued) && standing_disk_write(a, s, NULL) < 0)
		log_error("region %" PRIu64
			  ": no memory to record its change: after a reboot it is as before",
			  e->id);
}

void app_standing_adopted(struct app *a, const struct region *r, struct region_entry *e,
			  const char *name)
{
	const struct tenant *t = registry_tenant(a->registry, r->tenant);
	struct standing *s = *name ? find(a, t->uid, t->session, name) : NULL;

	/* another one may have the name of one that is waited for, or it was made again meanwhile */
	if (!s || s->region || !e->text.detached || s->offset != r->offset ||
	    s->length != r->length || s->file.inode != e->text.inode)
		return;
	s->region = r->id;
	e->standing = s;
	standing_is_there(s);
}

bool app_view_next_standing(void *userdata, uint64_t after, struct standing_view *ret)
{
	struct app *a = userdata;
	const struct standing *s;

	TAILQ_FOREACH(s, &a->standing.all, all)
		if (s->number > after && !s->pending)
			break;
	if (!s)
		return false;
	*ret = (struct standing_view){ .number = s->number,
				       .uid = s->uid,
				       .session = s->session,
				       .name = s->name,
				       .path = s->path,
				       .offset = s->offset,
				       .length = s->length,
				       .access = s->access,
				       .region = s->region,
				       .waits_for_user = s->waits_for_user,
				       .why = s->why };
	return true;
}

uint32_t app_count_missing(const struct app *a, const uint32_t *uid)
{
	const struct standing *s;
	uint32_t n = 0;

	TAILQ_FOREACH(s, &a->standing.all, all)
		n += !s->pending && !s->region && (!uid || s->uid == *uid);
	return n;
}

static int refuse_unknown(uint32_t uid, const char *session, const char *name, struct failure *f)
{
	if (uid == UINT32_MAX)
		return failure_set(
			f, RDMAREG_ERROR_NO_SUCH_REGION,
			"there is no standing region '%s' in session '%s' that this caller "
			"may see",
			name, session);
	return failure_set(f, RDMAREG_ERROR_NO_SUCH_REGION,
			   "there is no standing region '%s' in session '%s' of uid %" PRIu32
			   ": rdmaregctl standing list shows those that there are",
			   name, session, uid);
}

int app_find_standing(void *userdata, uint32_t uid, const char *session, const char *name,
		      struct register_request *ret, struct failure *f)
{
	struct app *a = userdata;
	const struct standing *s = find(a, uid, session, name);

	if (!s)
		return refuse_unknown(uid, session, name, f);
	if (s->region)
		return failure_set(f, RDMAREG_ERROR_NAME_TAKEN,
				   "standing region '%s' is there already: it is region %" PRIu64,
				   name, s->region);
	*ret = (struct register_request){ .uid = uid,
					  .offset = s->offset,
					  .length = s->length,
					  .access = s->access,
					  .policy = s->policy,
					  .grace_usec = s->grace_usec,
					  .has_grace = s->policy == POLICY_YIELD,
					  .detached = true,
					  .warm = !s->no_warm,
					  .has_warm_mode = true,
					  .warm_mode = s->warm_mode,
					  .asks_pre_content = s->pre_content,
					  .pre_content = s->pre_content || s->policy == POLICY_HOLD,
					  .restores = true };
	return 0;
}

int app_remove_standing(void *userdata, uint32_t uid, const char *session, const char *name,
			struct call *call, struct failure *f)
{
	struct app *a = userdata;
	struct standing *s = find(a, uid, session, name);

	if (!s)
		return refuse_unknown(uid, session, name, f);
	if (waitings_add(&s->waits, &(const struct waiting){ .call = call }) < 0)
		return failure_from_errno(f, "removing the record", -ENOMEM, "");
	if (s->region)
		region_table_find(a->table, s->region)->standing = NULL;
	app_standing_drop(a, s);
	return 0;
}

void app_load_standing(struct app *a, const struct standing_ops *ops)
{
	TAILQ_INIT(&a->standing.all);
	a->standing.ops = ops;
	if (standing_start_open(a) < 0)
		log_error("no memory to make standing regions again by themselves");
	standing_disk_open(a);
}

void app_stop_standing(struct app *a)
{
	standing_disk_stop(a);
	standing_start_close(a);
}

void app_free_standing(struct app *a)
{
	standing_disk_close(a);
	while (!TAILQ_EMPTY(&a->standing.all))
		forget(a, TAILQ_FIRST(&a->standing.all));
}
