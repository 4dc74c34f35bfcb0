// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hands.c - the guard's hands: see region/region.h.
 *
 * Events wait in an inbox while effects are carried out, since carrying one out produces the next
 * event: the guard sees one event at a time, and its effects are done, in order, before it sees
 * another.
 */
#include "keeper/region/region.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <string.h>

#include "keeper/keeper.h"
#include "keeper/system/mapping.h"
#include "keeper/keeper-tell.h"
#include "keeper/system/watch.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/probe.h"

static const char *const cause_names[_REVOCATION_CAUSE_MAX] = REVOCATION_CAUSE_NAMES;
static const char *const outcome_names[_REVOCATION_OUTCOME_MAX] = REVOCATION_OUTCOME_NAMES;

static void on_timer(evutil_socket_t fd, short what, void *userdata)
{
	uint64_t now = now_monotonic_usec();
	struct kregion *r = userdata;

	(void)fd;
	(void)what;
	if (now < r->timer_at_usec) {
		/* libevent's clock is a coarser one, and the guard ignores what comes too early */
		struct timeval tv = timeval_from_usec(r->timer_at_usec - now);

		evtimer_add(r->timer, &tv);
		return;
	}
	kregion_feed(r, (struct guard_event){ .type = GUARD_TIMER_FIRED });
}

static void set_timer(struct kregion *r, uint64_t at_usec)
{
	uint64_t now = now_monotonic_usec();
	struct timeval tv = timeval_from_usec(at_usec > now ? at_usec - now : 0);

	r->timer_at_usec = at_usec;
	if (at_usec)
		evtimer_add(r->timer, &tv);
	else
		evtimer_del(r->timer);
}

static void ask(struct kregion *r)
{
	const struct guard *g = &r->guard;

	uint64_t now = now_monotonic_usec();

	/*
	 * who waits for a prefetch would wait for the revocation to end; who registered it must
	 * know it to understand what follows
	 */
	kregion_stop_warming(r, -EBUSY);
	tell_registered(r);
	tell_asked(r, NULL);
	r->unanswered = g->deadline_usec > now;
	log_write(
		tell_level(r->keeper),
		"region %" PRIu64 ": revocation %" PRIu64 " (%s), [%" PRIu64 ", %" PRIu64
		"), %" PRIu64 " ms to acknowledge",
		r->id, g->revocation, cause_names[g->cause], g->ask_start, g->ask_end,
		(uint64_t)(g->deadline_usec > now ? (g->deadline_usec - now) / USEC_PER_MSEC : 0));
}

static void fence(struct kregion *r, uint64_t revocation)
{
	struct guard_event done = { .type = GUARD_FENCE_DONE,
				    .start = r->guard.ask_start,
				    .end = r->guard.ask_end };
	struct endpoint *e = r->keeper->endpoint;
	bool closing = r->guard.state == GUARD_CLOSING;

	/*
	 * with policy follow nobody had time to answer, so nobody is punished: whoever reaches into
	 * the fence loses by himself
	 */
	r->cut = 0;
	if (e && (closing || r->guard.policy != POLICY_FOLLOW))
		r->cut = endpoint_cut(e, r->id, closing ? 0 : revocation);
	kregion_stop_warming(r, closing ? -ECANCELED : -EBUSY);
	done.error = mapping_fence(r->mapping, &done.start, &done.end);
	if (done.error)
		log_error("region %" PRIu64 ": cannot be fenced (%s): it is taken down", r->id,
			  strerror(-done.error));
	else if (done.start < r->guard.ask_start || done.end > r->guard.ask_end)
		log_warning("region %" PRIu64
			    ": no mapping is left for a part of it (vm.max_map_count): all of it "
			    "is fenced",
			    r->id);
	if (!done.error)
		kregion_let_go(r, done.start, done.end);
	kregion_feed(r, done);
}

static void release(struct kregion *r, uint32_t break_id)
{
	int error = watch_release(r->keeper->watch, r->watching.layout_slot,
				  break_id - r->watching.break_base);

	kregion_feed(r, (struct guard_event){ .type = GUARD_RELEASE_DONE, .error = error });
}

static void refresh(struct kregion *r)
{
	struct guard_event e = { .type = GUARD_REFRESH_DONE };

	e.error = mapping_valid_length(r->mapping, &e.valid_length);
	if (!e.error)
		e.error = mapping_unfence(r->mapping);
	if (e.error)
		log_error("region %" PRIu64 ": cannot be opened again (%s): it is taken down",
			  r->id, strerror(-e.error));
	kregion_feed(r, e);
}

static void settled(struct kregion *r, const struct guard_effect *f)
{
	log_write(tell_level(r->keeper),
		  "region %" PRIu64 ": revocation %" PRIu64 " settled: %s, %" PRIu64 " bytes valid",
		  r->id, f->revocation, outcome_names[f->outcome], r->guard.valid_length);
	tell_settled(r, f->revocation, f->outcome, NULL);
	r->look.settled_usec = now_monotonic_usec();
	if (!r->warming.unsupported && !r->stuck.unwarmed)
		warm_add_pass(&r->warming.engine, r->guard.valid_length);
	kregion_drop_blocks(r);
}

/*
 * A daemon that did not consent in time may hang, and be killed before it reads of this: then no
 * other line says so.
 */
static void given_back(struct kregion *r, const struct guard_effect *f)
{
	log_write(f->by_kernel || r->unanswered ? LOG_INFO : tell_level(r->keeper),
		  "region %" PRIu64 ": blocks given back%s, %u peers cut off", r->id,
		  f->by_kernel ? " by the kernel's deadline" : "", r->cut);
	tell_given_back(r, f->revocation, f->by_kernel);
}

static void carry_out(struct kregion *r, const struct guard_effect *f)
{
	switch (f->type) {
	case GUARD_ASK:
		ask(r);
		break;
	case GUARD_SET_TIMER:
		set_timer(r, f->at_usec);
		break;
	case GUARD_FENCE:
		fence(r, f->revocation);
		break;
	case GUARD_DESTROY:
		kregion_destroy_mr(r);
		break;
	case GUARD_TELL_FENCED:
		tell_fenced(r, f->revocation);
		break;
	case GUARD_RELEASE:
		release(r, f->break_id);
		break;
	case GUARD_GRANT:
		break; /* kregion_look_at_demands(), after the step */
	case GUARD_TELL_GIVEN_BACK:
		given_back(r, f);
		break;
	case GUARD_ARM:
		kregion_arm(r);
		break;
	case GUARD_REFRESH:
		refresh(r);
		break;
	case GUARD_TELL_SETTLED:
		settled(r, f);
		break;
	case GUARD_TEARDOWN:
		r->phase = KREGION_ENDING; /* what follows frees it: not in the middle of a step */
		break;
	case _GUARD_EFFECT_MAX:
		break;
	}
}

static void step(struct kregion *r)
{
	struct guard_effects effects;
	enum guard_state before;
	struct guard_event e;

	r->stepping = true;
	while (r->n_inbox && r->phase == KREGION_HELD) {
		e = r->inbox[0];
		memmove(&r->inbox[0], &r->inbox[1], --r->n_inbox * sizeof(e));
		before = r->guard.state;
		guard_step(&r->guard, &e, &effects);
		PROBE(guard__step, r->id, e.type, before, r->guard.state, r->guard.revocation);
		for (size_t i = 0; i < effects.n; i++)
			carry_out(r, &effects.item[i]);
	}
	r->stepping = false;
	if (r->phase == KREGION_ENDING) {
		kregion_end(r);
		return;
	}
	kregion_look_at_lease(r);
	kregion_note_step(r);
	kregion_look_at_demands(r);
	kregion_warm(r);
}

/*
 * When the break began, as the grace counts. It counts from when the kernel began to wait, or a
 * keeper that was slow to look would fence after the kernel let go. The kernel waits for half of the
 * time or less if more took blocks together than it follows (kmod-helper/target.c): holders and
 * the margin then have of it what they have of the whole.
 */
static uint64_t break_began(const struct kregion *r, uint64_t deadline_usec, uint64_t now_usec)
{
	uint64_t whole = r->watching.deadline_msec * USEC_PER_MSEC, grace = r->guard.grace_usec;
	uint64_t left = deadline_usec > now_usec ? deadline_usec - now_usec : 0;
	uint64_t began = deadline_usec - whole;

	if (!deadline_usec || left >= whole)
		return now_usec;
	if (left > whole / 2 || grace > whole)
		return began;
	return now_usec + left * grace / whole - grace;
}

void kregion_on_layout(struct kregion *r, const struct rdmareg_report *report)
{
	uint64_t now = now_monotonic_usec();
	struct guard_event e = { .break_id = report->break_id + r->watching.break_base };

	if (report->slot != r->watching.layout_slot)
		return;					     /* one that was replaced */
	if (r->phase == KREGION_ENDING && r->ending.quiet) { /* nothing reaches it any more */
		watch_release(r->keeper->watch, r->watching.layout_slot, report->break_id);
		return;
	}
	if (r->phase == KREGION_REGISTERING) {
		r->watching.early = *report;
		r->watching.has_early = true;
		return;
	}
	if (report->layout_state == RDMAREG_LAYOUT_BREAKING)
		e.type = GUARD_BROKEN;
	else if (report->layout_state == RDMAREG_LAYOUT_EXPIRED)
		e.type = GUARD_EXPIRED;
	else
		return;
	e.now_usec = break_began(r, report->deadline_nsec / 1000, now);
	kregion_range_of(r, report->breaker_pid, &e.start, &e.end);
	e.cause = report->operation <= CAUSE_WRITE ? (enum revocation_cause)report->operation
						   : CAUSE_UNKNOWN;
	r->breaker_pid = report->breaker_pid;
	if (report->flags & RDMAREG_FLAG_KILLED && e.type == GUARD_BROKEN) {
		if (e.break_id == r->guard.break_id)
			e.type = GUARD_HURRIED;
		e.hurried = true;
		e.now_usec = now;
	}
	kregion_feed(r, e);
}

void kregion_peer_joined(struct kregion *r, const struct endpoint_peer *p)
{
	uint64_t running = kregion_revocation(r);

	if (p->cleared == running)
		return;
	/*
	 * behind the fence, too: whoever goes on loses his connection there. It takes the place of
	 * the one that is cleared
	 */
	if (running)
		tell_asked(r, p);
	else
		tell_settled(r, p->cleared, OUTCOME_RESTORED, p);
}

static bool waits_for_newcomers(const struct kregion *r)
{
	const struct endpoint *e = r->keeper->endpoint;

	for (const struct endpoint_peer *p = e ? endpoint_next(e, NULL) : NULL; p;
	     p = endpoint_next(e, p)) {
		if (p->region != r->id)
			continue;
		if (p->half_open && p->cleared != r->consented)
			return true;
		if (p->up && p->asked_alone && p->asked == r->consented)
			return true;
	}
	return false;
}

void kregion_consent(struct kregion *r, uint64_t revocation)
{
	r->consented = revocation;
	kregion_look_at_consent(r);
}

void kregion_look_at_consent(struct kregion *r)
{
	uint64_t revocation = r->consented;

	if (!revocation || guard_pending_revocation(&r->guard) != revocation)
		return;
	if (!r->guard.close_wanted && waits_for_newcomers(r)) /* what ends cuts everybody off */
		return;
	r->consented = 0;
	r->unanswered = false;
	kregion_feed(r, (struct guard_event){ .type = GUARD_CONSENTED, .revocation = revocation });
}

bool kregion_waited_in_vain(const struct kregion *r)
{
	return r->phase == KREGION_HELD && r->guard.state == GUARD_FENCING &&
	       r->consented == r->guard.revocation;
}

void kregion_close(struct kregion *r, enum revocation_cause cause, uint64_t grace_usec)
{
	if (r->phase == KREGION_REGISTERING)
		r->close_wanted = true;
	kregion_feed(r, (struct guard_event){
				.type = GUARD_CLOSE, .cause = cause, .grace_usec = grace_usec });
}

int kregion_add_release(struct kregion *r, const struct operation *op)
{
	struct operation *more;
	size_t kept = 0;

	for (size_t i = 0; i < r->ending.n_releases;
	     i++) /* who asked on a connection that ended asks again */
		if (session_is_waiting(r->keeper->session, &r->ending.release[i]))
			r->ending.release[kept++] = r->ending.release[i];
	r->ending.n_releases = kept;
	more = reallocarray(r->ending.release, kept + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	r->ending.release = more;
	r->ending.release[r->ending.n_releases++] = *op;
	return 0;
}

int kregion_init_timer(struct kregion *r)
{
	r->step = step;
	r->timer = evtimer_new(r->keeper->base, on_timer, r);
	return r->timer ? 0 : -ENOMEM;
}
