// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * administer.c - what administrators ask for: another keeper for all regions of one, the end of
 * regions of a filesystem or above limits, sessions made, limited, drained and released.
 *
 * What always holds: of a session one call is under way at a time, so that what has to be there
 * follows from the answers; if the daemon ended before it answered, either may be.
 */
#include <stdlib.h>
#include <string.h>

#include "bus-played.h"

#define WISHES_MAX 1024

static struct session {
	uint32_t uid;
	const char *name;
	bool there;
	bool draining;
	bool ending;	/* it was released, and may be over or not */
	bool asked;	/* a call is under way, */
	bool releasing; /* by which it is released */
	bool unsure;	/* what became of the last call */
	uint64_t max_regions, asked_max;
} sessions[SESSIONS] = {
	{ .uid = 1000, .name = "job" },	  { .uid = 1001, .name = "job" },
	{ .uid = 1002, .name = "batch" }, { .uid = 1000, .name = "batch" },
	{ .uid = 1001, .name = "empty" },
};

/*
 * Regions that were to end, or to move: those that the daemon knew then; of an eviction also those
 * that it came to know until that was over.
 */
static struct wish {
	enum call_kind kind;
	uint64_t subject; /* a filesystem, 0: all above limits; a session; a keeper */
	size_t n;
	uint64_t *regions;
} wishes[WISHES_MAX];
static size_t n_wishes;

static uint32_t evicting[1 + FILESYSTEMS];

/* --- what follows from what they asked for */

static void add(struct wish *w, uint64_t region)
{
	w->regions = reallocarray(w->regions, w->n + 1, sizeof(*w->regions));
	if (!w->regions)
		abort();
	w->regions[w->n++] = region;
}

static void wish(enum call_kind kind, uint64_t subject)
{
	struct wish *w = &wishes[n_wishes++];
	struct facts f = { 0 };

	os_require(n_wishes < WISHES_MAX, "more wishes than this world has room for");
	*w = (struct wish){ kind, subject, 0, NULL };
	while (daemon_next(f.id, &f))
		add(w, f.id);
}

void administrators_know(const struct told *t)
{
	if (evicting[t->filesystem])
		for (size_t i = 0; i < n_wishes; i++)
			if (wishes[i].kind == CALL_EVICT && wishes[i].subject == t->filesystem)
				add(&wishes[i], t->region);
}

static bool has(const struct wish *w, uint64_t region)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->regions[i] == region)
			return true;
	return false;
}

static bool is_wished(enum call_kind kind, uint64_t subject, uint64_t region)
{
	for (size_t i = 0; i < n_wishes; i++)
		if (wishes[i].kind == kind && wishes[i].subject == subject &&
		    has(&wishes[i], region))
			return true;
	return false;
}

static struct session *session_of(uint32_t uid, const char *name)
{
	for (size_t i = 0; i < SESSIONS; i++)
		if (sessions[i].uid == uid && !strcmp(sessions[i].name, name))
			return &sessions[i];
	return NULL;
}

bool administrators_end(const struct told *t, enum why why)
{
	const struct session *s = session_of(t->uid, t->session);

	if (why == WHY_SESSION) /* also what a daemon came to know later */
		return s && (s->ending || s->releasing || s->unsure ||
			     is_wished(CALL_RELEASE_SESSION, (uint64_t)(s - sessions), t->region));
	return is_wished(CALL_EVICT, t->filesystem, t->region) ||
	       is_wished(CALL_EVICT, 0, t->region);
}

bool administrators_move(const struct told *t, pid_t keeper)
{
	return is_wished(CALL_REPLACE, (uint64_t)keeper, t->region);
}

bool administrators_forbid(const struct register_request *q)
{
	const struct session *s = session_of(q->uid, q->session);

	return evicting[q->on.uuid[0]] ||
	       (s && !s->unsure && ((s->there && s->draining && !s->ending) || s->releasing));
}

/* --- sessions */

static bool view(const struct session *s, struct session_view *ret)
{
	return the_bus.handlers->view_session(the_bus.userdata, s->uid, s->name, ret);
}

static void look(struct session *s)
{
	struct session_view v;
	bool is_there = view(s, &v), ended = is_there && v.tenant->state == SESSION_ENDED;

	if (s->ending && !is_there)
		s->there = s->ending = false;
	if (s->unsure) {
		s->unsure = false;
		s->there = is_there;
		s->ending = ended;
		s->draining = is_there && v.tenant->state == SESSION_DRAINING;
		s->max_regions = is_there ? v.tenant->own.regions : 0;
	}
	os_require(is_there == s->there, "session %s of uid %" PRIu32 " %s", s->name, s->uid,
		   is_there ? "is there, and was not made" : "was made, and is not there");
	if (!is_there)
		return;
	os_require(ended == s->ending, "session %s of uid %" PRIu32 " %s", s->name, s->uid,
		   ended ? "ends, and nobody wanted that" : "was released, and does not end");
	os_require(ended || (v.tenant->state == SESSION_DRAINING) == s->draining,
		   "session %s of uid %" PRIu32 " is %sdrained", s->name, s->uid,
		   s->draining ? "not " : "");
	os_require(v.tenant->own.regions == s->max_regions,
		   "session %s of uid %" PRIu32 " may have %" PRIu32 " regions, not %" PRIu64,
		   s->name, s->uid, v.tenant->own.regions, s->max_regions);
}

static bool are_foreign(void)
{
	for (const struct process *p = os_processes; p; p = p->next)
		if (p->alive && p->foreign)
			return true;
	return false;
}

void check_sessions(void)
{
	for (size_t i = 0; i < SESSIONS; i++) {
		struct session *s = &sessions[i];

		look(s);
		os_require(!s->ending || are_foreign() || lies_are_of(s->uid),
			   "session %s of uid %" PRIu32 " was released, and is there yet", s->name,
			   s->uid);
	}
}

void administrators_release_all(void)
{
	for (size_t i = 0; i < SESSIONS; i++) {
		const struct request q = { .kind = CALL_RELEASE_SESSION,
					   .by = &connections[0],
					   .number = i };

		bus_ask(&q);
	}
}

static void session_answered(struct session *s, enum call_kind kind, enum end how)
{
	s->asked = s->releasing = false;
	s->unsure = how == END_UNKNOWN;
	if (kind == CALL_RELEASE_SESSION) {
		/* a daemon that stops says so, and the next one goes on */
		s->ending = how != END_DONE;
		s->there = s->ending;
		counted[COUNT_SESSION_ENDS] += how == END_DONE;
		return;
	}
	if (how != END_DONE)
		return;
	if (kind == CALL_DRAIN_SESSION) {
		s->draining = true;
		return;
	}
	counted[COUNT_SESSIONS] += kind == CALL_CREATE_SESSION && !s->there;
	s->draining &= s->there;
	s->there = true;
	s->max_regions = s->asked_max;
}

static int ask_session(const struct request *q, struct session *s, struct call *call,
		       struct failure *why)
{
	const struct bus_handlers *h = the_bus.handlers;
	struct client *c = client_of(q->by);
	struct session_request r = {
		.uid = s->uid,
		.has_regions = true,
		.limits.regions = q->how & 1 ? 1 + (q->how >> 1) % 4 : 0,
		.has_grace = q->how & 1,
		.grace_usec = (q->how >> 1) % 300 * USEC_PER_MSEC,
		.has_limit = q->how & 0x400,
		.limit_usec = (q->how >> 11) % 1000 * USEC_PER_MSEC,
	};
	bool is_other = s->there && !s->unsure && s->max_regions != r.limits.regions;
	int error;

	strcpy(r.name, s->name);
	s->asked = true;
	s->asked_max = r.limits.regions;
	switch (q->kind) {
	case CALL_CREATE_SESSION:
		error = h->create_session(the_bus.userdata, c, &r, call, why);
		os_require(error || !is_other, "a session is made that has other limits");
		return error;
	case CALL_LIMIT_SESSION:
		return h->limit_session(the_bus.userdata, &r, call, why);
	case CALL_DRAIN_SESSION:
		return h->drain_session(the_bus.userdata, &r, call, why);
	default:
		s->releasing = true;
		call->impatient = r.has_limit;
		wish(q->kind, call->subject);
		return h->release_session(the_bus.userdata, c, &r, call, why);
	}
}

/* --- keepers and filesystems */

static int replace(const struct request *q, struct call *call, struct failure *why)
{
	struct replace_request r = {
		.has_grace = q->how & 1,
		.grace_usec = (q->how >> 1) % 300 * USEC_PER_MSEC,
	};

	call->subject = (uint64_t)daemon_keeper_of(q->region);
	wish(q->kind, call->subject);
	daemon_keeper_name(q->region, r.keeper, sizeof(r.keeper));
	return the_bus.handlers->replace_keeper(the_bus.userdata, client_of(q->by), &r, call, why);
}

static int evict(const struct request *q, struct call *call, struct failure *why)
{
	struct evict_request r = {
		.above_limits = (q->how & 6) == 0,
		.on.uuid[0] = 1 + (q->how >> 3) % FILESYSTEMS,
		.has_grace = q->how & 1,
		.grace_usec = (q->how >> 6) % 300 * USEC_PER_MSEC,
		.type = "tmpfs",
		.path = "/",
	};

	call->subject = r.above_limits ? 0 : r.on.uuid[0];
	evicting[call->subject] += !r.above_limits;
	wish(q->kind, call->subject);
	return the_bus.handlers->evict(the_bus.userdata, client_of(q->by), &r, call, why);
}

/* Nothing that was to be taken is there as if nothing had been. */
static void check_taken(const struct call *call)
{
	struct facts f = { 0 };

	while (daemon_next(f.id, &f)) {
		bool taken = call->kind == CALL_REPLACE
				     ? (uint64_t)f.keeper == call->subject
				     : call->subject && f.filesystem == call->subject;

		os_require(!taken || !f.settled || !is_wished(call->kind, call->subject, f.id),
			   "%s is answered, and region %" PRIu64 " is where it was",
			   call->kind == CALL_REPLACE ? "ReplaceKeeper" : "Evict", f.id);
	}
}

/* --- their calls */

static bool is_of_session(enum call_kind kind)
{
	return kind == CALL_CREATE_SESSION || kind == CALL_LIMIT_SESSION ||
	       kind == CALL_DRAIN_SESSION || kind == CALL_RELEASE_SESSION;
}

bool is_of_administrator(enum call_kind kind)
{
	return kind == CALL_REPLACE || kind == CALL_EVICT || is_of_session(kind);
}

bool administer_can(const struct request *q)
{
	struct session *s = &sessions[q->number];
	struct region_view v;

	if (q->kind == CALL_REPLACE)
		return the_bus.handlers->view_region(the_bus.userdata, q->region, &v);
	if (!is_of_session(q->kind))
		return true;
	if (s->asked)
		return false;
	look(s);
	return q->kind == CALL_CREATE_SESSION || s->there;
}

int administer(const struct request *q, struct call *call, struct failure *why)
{
	if (q->kind == CALL_REPLACE)
		return replace(q, call, why);
	if (q->kind == CALL_EVICT)
		return evict(q, call, why);
	call->subject = q->number;
	call->is_of_liar = lies_are_of(sessions[q->number].uid);
	return ask_session(q, &sessions[q->number], call, why);
}

void administered(const struct call *call, enum end how)
{
	if (!is_of_administrator(call->kind))
		return;
	if (call->kind == CALL_EVICT && call->subject)
		evicting[call->subject]--;
	if (is_of_session(call->kind))
		session_answered(&sessions[call->subject], call->kind, how);
	else if (how == END_DONE)
		check_taken(call);
	counted[COUNT_REPLACED] += call->kind == CALL_REPLACE && how == END_DONE;
}
