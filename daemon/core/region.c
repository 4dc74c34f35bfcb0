// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * region.c - see region.h. One function per event; each first asks whether the event still means
 * something, and returns if not.
 */
#include "core/region.h"

#include <assert.h>
#include <errno.h>

#include "core/registry.h"

static struct region_effect *emit(struct region_effects *out, enum region_effect_type type)
{
	/* no loop comes here, and no path as often as REGION_EFFECTS_MAX; the explorer checks it */
	struct region_effect *f = &out->item[out->n++];

	assert(out->n <= REGION_EFFECTS_MAX);
	assert(out->n < 2 || f[-1].type != REGION_REMOVE); /* it is the last */
	*f = (struct region_effect){ .type = type };
	return f;
}

/* More than one change in a step is one effect: the first. */
static void publish(struct region_effects *out, uint32_t changed)
{
	struct region_effect *f = &out->item[0];

	if (!out->n || f->type != REGION_PUBLISH)
		f = emit(out, REGION_PUBLISH);
	f->changed |= changed;
}

static void set_state(struct region *r, enum region_state state, struct region_effects *out)
{
	if (r->state == state)
		return;
	r->state = (uint8_t)state;
	publish(out, REGION_CHANGED_STATE);
}

static bool is_settled(const struct region *r)
{
	return r->state == REGION_LIVE || r->state == REGION_WARMING;
}

static bool is_ending(const struct region *r)
{
	return r->state == REGION_CLOSING;
}

static uint32_t *find_holder(struct registry *registry, struct region *r, enum holder_kind kind,
			     uint64_t id)
{
	uint32_t *link = &r->holders;

	while (*link) {
		struct holder *h = registry_holder(registry, *link);

		if (h->kind == kind && h->id == id)
			return link;
		link = &h->next;
	}
	return NULL;
}

bool region_is_held_by(const struct registry *registry, const struct region *r,
		       enum holder_kind kind, uint64_t id)
{
	for (uint32_t i = r->holders; i; i = registry_holder(registry, i)->next) {
		const struct holder *h = registry_holder(registry, i);

		if (h->kind == kind && h->id == id)
			return true;
	}
	return false;
}

/* The last holder that was asked has answered, or left: the keeper need not wait any longer. */
static void consent_if_complete(struct region *r, struct region_effects *out)
{
	if (r->state != REGION_DRAINING || r->pending || r->consent_sent || r->listing)
		return;
	r->consent_sent = true;
	emit(out, REGION_SEND_CONSENT)->revocation = r->revocation;
}

/* A holder answered, or is gone: it is waited for no longer. */
static void answered(struct region *r, struct holder *h)
{
	if (r->pending && h->asked == r->revocation)
		r->pending--;
	h->asked = 0;
}

static void tell_settled(struct region *r, enum revocation_outcome outcome,
			 struct region_effects *out)
{
	struct region_effect *f;

	if (!r->revoking)
		return;
	r->revoking = false;
	publish(out, REGION_CHANGED_REVOCATION);
	f = emit(out, REGION_TELL_SETTLED);
	f->revocation = r->revocation;
	f->outcome = outcome;
}

/* With a grace the keeper asks the holders first, and tells us like of any revocation. */
static void begin_closing(struct region *r, enum revocation_cause cause, uint64_t grace_usec,
			  struct region_effects *out)
{
	struct region_effect *f;

	r->close_wanted = true;
	if (!grace_usec)
		set_state(r, REGION_CLOSING, out);
	f = emit(out, REGION_SEND_RELEASE);
	f->cause = cause;
	f->grace_usec = grace_usec;
}

static void take_info(struct region *r, const struct region_event *e)
{
	r->valid_length = e->valid_length;
	r->address = e->address;
	r->generation = e->generation;
	r->rkey = e->rkey;
	r->mode = (uint8_t)e->mode;
}

static void on_registered(struct region *r, const struct region_event *e,
			  struct region_effects *out)
{
	if (r->state != REGION_REGISTERING)
		return;
	take_info(r, e);
	if (r->close_wanted) { /* its owner went away meanwhile */
		if (!r->again)
			emit(out, REGION_REPLY_REGISTER)->error = -ECANCELED;
		begin_closing(r, CAUSE_RELEASE, 0, out);
		return;
	}
	if (r->again) {
		set_state(r, r->prefetches ? REGION_WARMING : REGION_LIVE, out);
		publish(out, REGION_CHANGED_LENGTH | REGION_CHANGED_KEYS);
		tell_settled(r, OUTCOME_RESTORED, out);
		return;
	}
	r->state = REGION_LIVE;
	emit(out, REGION_REPLY_REGISTER);
	emit(out, REGION_TELL_ADDED);
}

static void on_register_failed(struct region *r, const struct region_event *e,
			       struct region_effects *out)
{
	if (r->state != REGION_REGISTERING)
		return;
	tell_settled(r, OUTCOME_GONE, out);
	if (!r->again)
		emit(out, REGION_REPLY_REGISTER)->error = e->error;
	if (r->close_wanted)
		emit(out, REGION_REPLY_RELEASE);
	emit(out, REGION_REMOVE);
}

static void on_adopted(struct region *r, const struct region_event *e, struct region_effects *out)
{
	if (r->state != REGION_REGISTERING)
		return;
	take_info(r, e);
	switch (e->state) {
	case REGION_DRAINING:
	case REGION_FENCED:
		/*
		 * who holds it, and was asked, is told next: no consent before that
		 * (REGION_ADOPTION_DONE)
		 */
		r->state = (uint8_t)e->state;
		r->revocation = e->revocation;
		r->cause = (uint8_t)e->cause;
		r->deadline_usec = e->deadline_usec;
		r->revocation_offset = e->offset;
		r->revocation_length = e->length;
		r->revoking = true;
		r->consent_sent = true;
		break;
	case REGION_CLOSING:
		begin_closing(r, CAUSE_RELEASE, 0, out);
		break;
	default:
		r->state = REGION_LIVE;
		break;
	}
	emit(out, REGION_TELL_ADDED);
}

static void on_holder_joined(struct registry *registry, struct region *r,
			     const struct region_event *e, struct region_effects *out)
{
	uint32_t index;
	struct holder *h;

	if (find_holder(registry, r, e->kind, e->holder))
		return;
	index = registry_take_holder(registry);
	if (!index)
		return;
	h = registry_holder(registry, index);
	*h = (struct holder){ .id = e->holder,
			      .kind = (uint8_t)e->kind,
			      .since_usec = e->now_usec,
			      .next = r->holders,
			      .listed = true };
	r->holders = index;
	if (e->revocation && e->revocation == r->revocation && r->state == REGION_DRAINING) {
		h->asked = e->revocation;
		r->pending++;
	}
	*(e->kind == HOLDER_PEER ? &r->peers : &r->clients) += 1;
	if (r->state != REGION_REGISTERING) /* nobody knows it yet */
		publish(out, REGION_CHANGED_PEERS);
}

/*
 * Local holders do not know what an earlier daemon asked of them, or whether it heard the answer:
 * they are asked again.
 */
static void on_adoption_done(struct registry *registry, struct region *r,
			     struct region_effects *out)
{
	if (r->state != REGION_DRAINING || !r->consent_sent)
		return;
	for (uint32_t i = r->holders; i; i = registry_holder(registry, i)->next) {
		struct holder *h = registry_holder(registry, i);

		if (h->kind != HOLDER_CLIENT || h->asked)
			continue;
		h->asked = r->revocation;
		r->pending++;
	}
	r->consent_sent = false;
	emit(out, REGION_ASK_CLIENTS)->revocation = r->revocation;
	consent_if_complete(r, out);
}

static void on_holder_left(struct registry *registry, struct region *r,
			   const struct region_event *e, struct region_effects *out)
{
	uint32_t *link = find_holder(registry, r, e->kind, e->holder), index;
	struct holder *h;

	if (!link)
		return;
	index = *link;
	h = registry_holder(registry, index);
	answered(r, h);
	*link = h->next;
	registry_give_holder(registry, index);
	*(e->kind == HOLDER_PEER ? &r->peers : &r->clients) -= 1;
	publish(out, REGION_CHANGED_PEERS);
	consent_if_complete(r, out);
}

static void on_holder_acked(struct registry *registry, struct region *r,
			    const struct region_event *e, struct region_effects *out)
{
	uint32_t *link;

	if (r->state != REGION_DRAINING || e->revocation != r->revocation)
		return;
	link = find_holder(registry, r, e->kind, e->holder);
	if (!link)
		return;
	answered(r, registry_holder(registry, *link));
	consent_if_complete(r, out);
}

static void on_revoked(struct registry *registry, struct region *r, const struct region_event *e,
		       struct region_effects *out)
{
	if (r->state == REGION_REGISTERING || is_ending(r) || e->revocation <= r->revocation)
		return;
	r->revocation = e->revocation;
	r->cause = (uint8_t)e->cause;
	r->deadline_usec = e->deadline_usec;
	r->revocation_offset = e->offset;
	r->revocation_length = e->length;
	r->pending = 0;
	r->revoking = true;
	r->consent_sent = false;
	for (uint32_t i = r->holders; i; i = registry_holder(registry, i)->next) {
		registry_holder(registry, i)->asked = r->revocation;
		r->pending++;
	}
	set_state(r, REGION_DRAINING, out);
	publish(out, REGION_CHANGED_REVOCATION);
	emit(out, REGION_ASK_CLIENTS)->revocation = r->revocation;
	consent_if_complete(r, out);
}

static void on_fenced(struct registry *registry, struct region *r, const struct region_event *e,
		      struct region_effects *out)
{
	if (r->state != REGION_DRAINING || e->revocation != r->revocation)
		return;
	for (uint32_t i = r->holders; i; i = registry_holder(registry, i)->next)
		registry_holder(registry, i)->asked = 0;
	r->pending = 0;
	set_state(r, REGION_FENCED, out);
}

static void on_settled(struct region *r, const struct region_event *e, struct region_effects *out)
{
	if ((r->state != REGION_FENCED && r->state != REGION_DRAINING) ||
	    e->revocation != r->revocation)
		return;
	r->valid_length = e->valid_length;
	r->generation = e->generation;
	r->rkey = e->rkey;
	r->pending = 0;
	set_state(r, r->prefetches ? REGION_WARMING : REGION_LIVE, out);
	publish(out, REGION_CHANGED_LENGTH | REGION_CHANGED_KEYS);
	tell_settled(r, e->outcome, out);
}

/* One that is being registered is not listed, and misses nothing. */
static void on_list_began(struct region *r)
{
	if (r->state != REGION_REGISTERING && !is_ending(r))
		r->listing = true;
}

/*
 * The keeper's word on where the region stands, with whatever came before it lost. A revocation
 * that began is taken up where it is; one that is not there any more is over; the end of one of
 * which nobody was told is only to be seen by the length.
 */
static void on_listed(struct registry *registry, struct region *r, const struct region_event *e,
		      struct region_effects *out)
{
	struct region_event ended = *e;

	if (r->state == REGION_REGISTERING || is_ending(r))
		return;
	r->listing = true;
	for (uint32_t i = r->holders; i; i = registry_holder(registry, i)->next)
		registry_holder(registry, i)->listed = false;
	switch (e->state) {
	case REGION_DRAINING:
	case REGION_FENCED:
		on_revoked(registry, r, e, out);
		if (e->state == REGION_FENCED)
			on_fenced(registry, r, e, out);
		break;
	case REGION_CLOSING:
		if (!r->close_wanted)
			begin_closing(r, CAUSE_RELEASE, 0, out);
		set_state(r, REGION_CLOSING,
			  out); /* its grace is over, and it will not come back */
		break;
	default:
		ended.revocation = r->revocation;
		ended.outcome =
			e->valid_length < r->valid_length ? OUTCOME_TRUNCATED : OUTCOME_RESTORED;
		on_settled(r, &ended, out);
		break;
	}
	if (r->valid_length != e->valid_length)
		publish(out, REGION_CHANGED_LENGTH);
	if (r->generation != e->generation || r->rkey != e->rkey)
		publish(out, REGION_CHANGED_KEYS);
	r->valid_length = e->valid_length;
	r->generation = e->generation;
	r->rkey = e->rkey;
}

static void on_holder_listed(struct registry *registry, struct region *r,
			     const struct region_event *e, struct region_effects *out)
{
	uint32_t *link = find_holder(registry, r, e->kind, e->holder);
	struct holder *h;

	if (!link) {
		on_holder_joined(registry, r, e, out);
		return;
	}
	h = registry_holder(registry, *link);
	h->listed = true;
	if (h->asked && h->asked != e->revocation)
		answered(r,
			 /*
			 * before the list, or it was not asked: consent follows when all are known
			 */
			 h);
}

static void on_list_done(struct region *r, struct region_effects *out)
{
	r->listing = false;
	consent_if_complete(r, out);
}

static void on_prefetch(struct region *r, bool began, struct region_effects *out)
{
	if (!began && !r->prefetches)
		return;
	if (began)
		r->prefetches++;
	else
		r->prefetches--;
	if (is_settled(r))
		set_state(r, r->prefetches ? REGION_WARMING : REGION_LIVE, out);
}

static void on_release_wanted(struct region *r, const struct region_event *e,
			      struct region_effects *out)
{
	uint64_t grace_usec = e->grace_usec < r->grace_usec ? e->grace_usec : r->grace_usec;
	uint64_t deadline_usec;

	if (is_ending(r))
		return;
	if (r->state == REGION_REGISTERING) {
		r->close_wanted = true; /* the keeper is at work on it: its answer comes first */
		return;
	}
	if (!r->holders)
		grace_usec = 0;
	deadline_usec = e->now_usec + grace_usec;
	if (r->close_wanted && deadline_usec >= r->close_deadline_usec)
		return;
	r->close_deadline_usec = deadline_usec;
	begin_closing(r, e->cause, grace_usec, out);
}

/* Nothing of it is left: everybody who waits is answered. REMOVE is last. */
static void finish(struct region *r, struct region_effects *out, int error)
{
	if (r->state == REGION_REGISTERING && !r->again)
		emit(out, REGION_REPLY_REGISTER)->error = error;
	tell_settled(r, OUTCOME_GONE, out);
	emit(out, REGION_REPLY_RELEASE);
	emit(out, REGION_REMOVE);
}

/*
 * Its peers went with its keeper; its local holders stay, and are waited for no longer. A revocation
 * that they were told of ends when it is live again.
 */
static void on_replaced(struct registry *registry, struct region *r, struct region_effects *out)
{
	uint32_t *link = &r->holders;

	if (r->state == REGION_REGISTERING)
		return;
	while (*link) {
		uint32_t index = *link;
		struct holder *h = registry_holder(registry, index);

		h->asked = 0;
		if (h->kind != HOLDER_PEER) {
			link = &h->next;
			continue;
		}
		*link = h->next;
		registry_give_holder(registry, index);
		r->peers--;
		publish(out, REGION_CHANGED_PEERS);
	}
	r->pending = 0;
	r->listing = false;
	r->again = true;
	set_state(r, REGION_REGISTERING, out);
}

static void on_keeper_gone(struct region *r, struct region_effects *out)
{
	finish(r, out, -EPIPE);
	r->state = REGION_CLOSING;
}

/* What of region.h can be seen without a walk over the holders. */
static void assert_sound(const struct region *r)
{
	(void)r;
	assert(r->id);
	assert(r->state < _REGION_STATE_MAX);
	assert(!r->holders == !(r->peers + r->clients));
	assert(r->pending <= r->peers + r->clients);
	assert(!r->pending || r->state == REGION_DRAINING || r->state == REGION_CLOSING);
	assert(r->revoking || (r->state != REGION_DRAINING && r->state != REGION_FENCED));
	assert(r->prefetches || r->state != REGION_WARMING);
	assert(r->state != REGION_REGISTERING || !r->listing);
	assert(r->state != REGION_REGISTERING || !r->revoking || r->again);
}

void region_step(struct registry *registry, struct region *r, const struct region_event *e,
		 struct region_effects *ret_effects)
{
	assert_sound(r);
	assert(e->kind <= HOLDER_PEER);
	ret_effects->n = 0;
	switch (e->type) {
	case REGION_REGISTERED:
		on_registered(r, e, ret_effects);
		break;
	case REGION_REGISTER_FAILED:
		on_register_failed(r, e, ret_effects);
		break;
	case REGION_ADOPTED:
		on_adopted(r, e, ret_effects);
		break;
	case REGION_HOLDER_JOINED:
		on_holder_joined(registry, r, e, ret_effects);
		break;
	case REGION_ADOPTION_DONE:
		on_adoption_done(registry, r, ret_effects);
		break;
	case REGION_LIST_BEGAN:
		on_list_began(r);
		break;
	case REGION_LISTED:
		on_listed(registry, r, e, ret_effects);
		break;
	case REGION_HOLDER_LISTED:
		on_holder_listed(registry, r, e, ret_effects);
		break;
	case REGION_LIST_DONE:
		on_list_done(r, ret_effects);
		break;
	case REGION_HOLDER_LEFT:
		on_holder_left(registry, r, e, ret_effects);
		break;
	case REGION_HOLDER_ACKED:
		on_holder_acked(registry, r, e, ret_effects);
		break;
	case REGION_REVOKED:
		on_revoked(registry, r, e, ret_effects);
		break;
	case REGION_WAS_FENCED:
		on_fenced(registry, r, e, ret_effects);
		break;
	case REGION_WAS_SETTLED:
		on_settled(r, e, ret_effects);
		break;
	case REGION_PREFETCH_BEGAN:
	case REGION_PREFETCH_ENDED:
		on_prefetch(r, e->type == REGION_PREFETCH_BEGAN, ret_effects);
		break;
	case REGION_LENGTH:
		if (!is_ending(r) && r->valid_length != e->valid_length) {
			r->valid_length = e->valid_length;
			publish(ret_effects, REGION_CHANGED_LENGTH);
		}
		break;
	case REGION_RELEASE_WANTED:
		on_release_wanted(r, e, ret_effects);
		break;
	case REGION_RELEASED:
		finish(r, ret_effects, -ECANCELED);
		break;
	case REGION_REPLACED:
		on_replaced(registry, r, ret_effects);
		break;
	case REGION_KEEPER_GONE:
		on_keeper_gone(r, ret_effects);
		break;
	case _REGION_EVENT_MAX:
		break;
	}
}
