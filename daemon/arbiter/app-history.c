// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * app-history.c - what happens to regions becomes events of the history (history/history.h).
 *
 * Nearly all of it passes through app_step(), which shows here what a region was before the step,
 * the event, and what followed. What the core has no event for is noted by the few functions at the
 * end.
 *
 * What always holds: one holder or peer more costs no more than an event, and crowds of them are
 * folded: of one revocation ANSWERS_MAX answers and UNANSWERED_MAX holders without one are told,
 * and of one region COMINGS_MAX comings and goings a second; of the rest, how many.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "arbiter/app-internal.h"
#include "util/clock.h"
#include "util/text.h"

#define ANSWERS_MAX 12
#define UNANSWERED_MAX 8
#define COMINGS_MAX 8

/* Lets whoever follows know that there is more. */
static void add(struct app *a, const struct region *r, struct region_entry *e,
		struct history_event *event)
{
	uint64_t number;

	if (e->removed) /* what is cleared up then is nothing that happened to it */
		return;
	event->real_usec = now_realtime_usec();
	event->monotonic_usec = now_monotonic_usec();
	number = history_add(a->history, e->history, event);
	if (number)
		bus_tell_history(a->bus, registry_tenant(a->registry, r->tenant), number);
}

static struct history_event new_event(enum history_kind kind)
{
	return (struct history_event){ .kind = (uint8_t)kind,
				       .uid = ASKER_NO_UID,
				       .delay_usec = HISTORY_NO_DELAY };
}

static void set_text(struct history_event *event, const char *text)
{
	text_shorten(event->text, sizeof(event->text), text ? text : "");
}

static void set_asker(struct history_event *event, const struct asker *who)
{
	event->pid = who->pid;
	event->uid = who->pid ? who->uid : ASKER_NO_UID;
	memcpy(event->comm, who->comm, sizeof(event->comm));
	memcpy(event->text, who->cgroup, sizeof(event->text));
}

static uint64_t delay_of(const struct region_entry *e, uint64_t revocation)
{
	return e->asked_usec && e->asked_revocation == revocation
		       ? now_monotonic_usec() - e->asked_usec
		       : HISTORY_NO_DELAY;
}

/* A revocation, or what followed from it. */
static struct history_event new_of(const struct region_entry *e, enum history_kind kind,
				   uint64_t revocation)
{
	struct history_event event = new_event(kind);

	event.revocation = revocation;
	event.delay_usec = delay_of(e, revocation);
	return event;
}

void app_history_begin(struct app *a, const struct region *r, struct region_entry *e)
{
	const struct tenant *t = registry_tenant(a->registry, r->tenant);

	history_begin(a->history, r->id, t->uid, t->session, e->text.name, e->text.device,
		      e->text.inode, e->text.path, &e->history);
}

void app_history_end(struct app *a, struct region_entry *e)
{
	history_end(a->history, e->history);
	e->history = NULL;
}

/* False: so many came and went just now that this one is only counted. */
static bool is_worth_telling(struct region_entry *e, uint32_t *ret_others)
{
	uint64_t second = now_monotonic_usec() / USEC_PER_SEC;

	if (second != e->comings_second)
		e->comings = 0;
	e->comings_second = second;
	if (e->comings++ >= COMINGS_MAX) {
		e->comings_untold++;
		return false;
	}
	*ret_others = e->comings_untold;
	e->comings_untold = 0;
	return true;
}

static void set_holder(struct history_event *h, enum holder_kind kind, struct of_holder of)
{
	h->has_holder = true;
	h->is_peer = kind == HOLDER_PEER;
	if (of.client)
		set_asker(h, client_asker(of.client));
	if (of.peer)
		text_clean(h->text, sizeof(h->text), of.peer->address, sizeof(of.peer->address));
}

static void note_coming(struct app *a, const struct region *r, struct region_entry *e,
			enum history_kind kind, const struct region_event *event,
			struct of_holder of)
{
	struct history_event h = new_event(kind);

	if (!is_worth_telling(e, &h.count))
		return;
	set_holder(&h, event->kind, of);
	if (kind == HISTORY_WENT && of.peer) {
		h.forced = of.peer->cut;
		/* a keeper of another package may have another reason */
		h.left = of.peer->why < _PEER_LEFT_MAX ? (uint8_t)of.peer->why : PEER_LEFT_ITSELF;
	}
	add(a, r, e, &h);
}

static void note_answer(struct app *a, const struct region *r, struct region_entry *e,
			const struct region_event *event, struct of_holder of)
{
	struct history_event h = new_of(e, HISTORY_ANSWERED, r->revocation);

	if (e->answers++ >= ANSWERS_MAX)
		return;
	set_holder(&h, event->kind, of);
	add(a, r, e, &h);
}

/* One that is not waited for any longer. */
static void note_unanswered(struct app *a, const struct region *r, struct region_entry *e,
			    const struct region_event *event, struct of_holder of)
{
	struct history_event h = new_of(e, HISTORY_UNANSWERED, r->revocation);

	if (e->unanswered++ >= UNANSWERED_MAX)
		return;
	set_holder(&h, event->kind, of);
	for (size_t i = 0; h.pid && !h.is_peer && i < UNANSWERED_PIDS; i++)
		if (!e->unanswered_pids[i]) {
			e->unanswered_pids[i] = h.pid;
			break;
		}
	add(a, r, e, &h);
}

struct fencing {
	struct app *app;
	const struct region *region;
	struct region_entry *entry;
};

static void note_if_asked(void *to, const struct holder_view *h)
{
	const struct fencing *f = to;
	struct keeper_peer peer = { 0 };
	const struct region_event event = { .kind = h->client ? HOLDER_CLIENT : HOLDER_PEER };

	if (!h->asked || h->asked != f->region->revocation)
		return;
	if (h->address)
		snprintf(peer.address, sizeof(peer.address), "%s", h->address);
	note_unanswered(
		f->app, f->region, f->entry, &event,
		(struct of_holder){ .peer = h->client ? NULL : &peer, .client = h->client });
}

/* Who had not answered is known before the core forgets what they were asked. */
void app_history_look(struct app *a, const struct region *r, struct region_entry *e,
		      const struct region_event *event, struct history_moment *ret)
{
	struct fencing f = { a, r, e };

	*ret = (struct history_moment){ .state = r->state,
					.pending = r->pending,
					.peers = r->peers,
					.clients = r->clients,
					.prefetches = r->prefetches };
	if (event->type == REGION_WAS_FENCED && r->state == REGION_DRAINING &&
	    event->revocation == r->revocation && r->pending)
		app_each_holder(a, r->id, note_if_asked, &f);
}

static void note_asked(struct app *a, const struct region *r, struct region_entry *e,
		       const struct region_event *event)
{
	struct history_event h;

	if (event->type != REGION_REVOKED) /* its beginning was missed, and with it who it was */
		e->asker = (struct asker){ 0 };
	e->asked_usec = now_monotonic_usec();
	e->asked_revocation = r->revocation;
	e->answers = e->unanswered = 0;
	memset(e->unanswered_pids, 0, sizeof(e->unanswered_pids));
	e->waited_usec = HISTORY_NO_DELAY;
	h = new_event(HISTORY_ASKED);
	h.revocation = r->revocation;
	h.cause = r->cause;
	h.offset = r->revocation_offset;
	h.length = r->revocation_length;
	h.deadline_usec = r->deadline_usec;
	h.count = r->peers + r->clients;
	set_asker(&h, &e->asker);
	add(a, r, e, &h);
}

static void note_fenced(struct app *a, const struct region *r, struct region_entry *e)
{
	struct history_event h = new_of(e, HISTORY_FENCED, r->revocation);

	h.count = e->answers;
	h.late = e->unanswered;
	add(a, r, e, &h);
}

static void note_effect(struct app *a, const struct region *r, struct region_entry *e,
			const struct region_event *event, const struct region_effect *f)
{
	struct history_event h;

	switch (f->type) {
	case REGION_TELL_ADDED:
		h = new_event(event->type == REGION_ADOPTED ? HISTORY_ADOPTED : HISTORY_REGISTERED);
		if (e->owner)
			set_asker(&h, client_asker(e->owner));
		add(a, r, e, &h);
		break;
	case REGION_ASK_CLIENTS:
		note_asked(a, r, e, event);
		break;
	case REGION_TELL_SETTLED:
		h = new_of(e, HISTORY_SETTLED, f->revocation);
		h.outcome = (uint8_t)f->outcome;
		h.valid_length = r->valid_length;
		add(a, r, e, &h);
		break;
	case REGION_SEND_RELEASE:
		h = new_event(HISTORY_ENDING);
		h.cause = (uint8_t)f->cause;
		h.end = e->end;
		set_asker(&h, &e->wanted_by);
		add(a, r, e, &h);
		break;
	case REGION_REMOVE:
		if (!e->announced)
			break;
		h = new_event(HISTORY_REMOVED);
		h.end = e->end;
		set_text(&h, e->end_text);
		add(a, r, e, &h);
		e->removed = true;
		break;
	default:
		break;
	}
}

void app_history_note(struct app *a, const struct region *r, struct region_entry *e,
		      const struct region_event *event, struct of_holder of,
		      const struct history_moment *before, const struct region_effects *effects)
{
	uint32_t held = before->peers + before->clients, holds = r->peers + r->clients;
	/* a keeper may say that it cut a peer off before it says that the region is fenced */
	bool cut = of.frozen || (of.peer && of.peer->cut);
	struct history_event h;

	if (r->pending < before->pending && event->type == REGION_HOLDER_ACKED && !cut)
		note_answer(a, r, e, event, of);
	else if (r->pending < before->pending && cut)
		note_unanswered(a, r, e, event, of);
	/* of the owner the registration tells */
	if (holds != held && before->state != REGION_REGISTERING)
		note_coming(a, r, e, holds > held ? HISTORY_CAME : HISTORY_WENT, event, of);
	if (!before->prefetches && r->prefetches)
		e->warm_usec = now_monotonic_usec();
	for (size_t i = 0; i < effects->n; i++)
		note_effect(a, r, e, event, &effects->item[i]);
	if (r->state == REGION_FENCED && before->state != REGION_FENCED)
		note_fenced(a, r, e);
	if (before->prefetches && !r->prefetches && event->type == REGION_PREFETCH_ENDED) {
		h = new_event(HISTORY_WARMED);
		h.delay_usec = now_monotonic_usec() - e->warm_usec;
		add(a, r, e, &h);
	}
}

void app_history_note_given_back(struct app *a, const struct region *r, struct region_entry *e,
				 uint64_t revocation, bool forced)
{
	struct history_event h = new_of(e, HISTORY_GIVEN_BACK, revocation);

	h.forced = forced;
	if (e->asked_revocation == revocation)
		e->waited_usec = h.delay_usec;
	add(a, r, e, &h);
}

const char *app_history_sum(const struct region_entry *e, uint64_t revocation,
			    char out[static HISTORY_SUM_MAX])
{
	const struct asker *by = &e->asker;
	size_t n = 0;

	*out = 0;
	if (!e->asked_usec || e->asked_revocation != revocation)
		return out;
	if (by->pid)
		n += (size_t)snprintf(out + n, HISTORY_SUM_MAX - n, "; by pid %" PRIu32 " (%s)",
				      by->pid, by->comm);
	if (by->pid && by->uid != ASKER_NO_UID)
		n += (size_t)snprintf(out + n, HISTORY_SUM_MAX - n, " uid %" PRIu32, by->uid);
	if (e->waited_usec != HISTORY_NO_DELAY)
		n += (size_t)snprintf(out + n, HISTORY_SUM_MAX - n,
				      "; whoever asked waited %" PRIu64 " ms",
				      (uint64_t)(e->waited_usec / USEC_PER_MSEC));
	if (!e->unanswered)
		return out;
	n += (size_t)snprintf(out + n, HISTORY_SUM_MAX - n,
			      "; %" PRIu32 " holders did not acknowledge", e->unanswered);
	for (size_t i = 0; i < UNANSWERED_PIDS && e->unanswered_pids[i]; i++)
		n += (size_t)snprintf(out + n, HISTORY_SUM_MAX - n, "%s%" PRIu32,
				      i ? ", " : ", pids ", e->unanswered_pids[i]);
	return out;
}

void app_history_note_exported(struct app *a, const struct region *r, struct region_entry *e)
{
	struct history_event h = new_event(HISTORY_EXPORTED);

	add(a, r, e, &h);
}

void app_history_note_replaced(struct app *a, const struct region *r, struct region_entry *e,
			       uint32_t before)
{
	struct history_event h = new_event(HISTORY_REPLACED);

	h.before = before;
	h.count = proxy_instance(e->keeper);
	add(a, r, e, &h);
}

void app_history_note_degraded(struct app *a, const struct region *r, struct region_entry *e)
{
	bool is = e->text.degraded != NULL;
	struct history_event h = new_event(is ? HISTORY_DEGRADED : HISTORY_SOUND);

	if (!e->announced)
		return;
	set_text(&h, e->text.degraded);
	if (is == e->was_degraded && !strcmp(h.text, e->degraded_told))
		return;
	e->was_degraded = is;
	memcpy(e->degraded_told, h.text, sizeof(e->degraded_told));
	add(a, r, e, &h);
}

const struct history *app_history(void *userdata)
{
	const struct app *a = userdata;

	return a->history;
}
