// SPDX-License-Identifier: GPL-2.0-or-later
/* keeper-tell.c - see keeper-tell.h. */
#include "config.h"

#include "keeper/keeper-tell.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "keeper/keeper.h"
#include "keeper/region/region.h"
#include "keeper/system/mapping.h"
#include "util/clock.h"
#include "util/log.h"

#define COPY(to, from) snprintf((to), sizeof(to), "%.*s", (int)sizeof(to) - 1, (from))

void tell_done(struct keeper *k, const struct operation *op, uint64_t region, int error,
	       const struct failure *why)
{
	struct keeper_message m = { .type = KEEPER_DONE, .region = region };

	m.done.error = error;
	if (error && why)
		COPY(m.done.text, why->text);
	session_answer(k->session, op, &m);
}

void tell_value(struct keeper *k, const struct operation *op, uint64_t region, uint32_t value)
{
	struct keeper_message m = { .type = KEEPER_DONE, .region = region, .done.value = value };

	session_answer(k->session, op, &m);
}

void tell_welcome(struct keeper *k, const struct operation *op, const struct keeper_hello *hello)
{
	struct keeper_message m = { .type = KEEPER_WELCOME };

	m.welcome.versions = keeper_versions;
	m.welcome.version = keeper_version_choose(&hello->versions, &keeper_versions);
	m.welcome.pid = (uint32_t)getpid();
	m.welcome.uid = (uint32_t)k->options->tenant_uid;
	m.welcome.has_module = k->watch != NULL;
	COPY(m.welcome.session, k->options->session);
	COPY(m.welcome.program, PROJECT_VERSION);
	if (k->endpoint) {
		m.welcome.port = endpoint_port(k->endpoint);
		COPY(m.welcome.address, endpoint_address(k->endpoint));
		COPY(m.welcome.device, endpoint_device(k->endpoint));
	} else {
		COPY(m.welcome.no_adapter, k->no_adapter.text);
	}
	session_answer(k->session, op, &m);
}

static enum region_state state_of(const struct kregion *r)
{
	if (r->phase == KREGION_REGISTERING)
		return REGION_REGISTERING;
	if (r->phase == KREGION_ENDING)
		return REGION_CLOSING;
	switch (r->guard.state) {
	case GUARD_OPEN:
	case GUARD_PUT_OFF:
		return REGION_LIVE;
	case GUARD_ASKED:
		return REGION_DRAINING;
	case GUARD_FENCING:
	case GUARD_RELEASING:
	case GUARD_WAITING:
	case GUARD_ARMING:
	case GUARD_PROBATION:
	case GUARD_REFRESHING:
		return REGION_FENCED;
	default:
		return REGION_CLOSING;
	}
}

/* What is neither of its guard nor of its mapping. */
static void describe_rest(const struct kregion *r, struct keeper_region *ret)
{
	const struct endpoint *e = r->keeper->endpoint;

	if (e)
		COPY(ret->unreachable, endpoint_trouble(e));
	ret->path_state = r->look.path_state;
	COPY(ret->path_now, r->look.path_now);
	ret->bypasses = r->look.bypasses;
	COPY(ret->bypass, r->look.bypass);
	COPY(ret->stuck, r->stuck.text);
}

void tell_region(struct kregion *r, const struct operation *op)
{
	struct keeper_message m = { .type = KEEPER_REGION, .region = r->id };
	uint64_t revocation = kregion_revocation(r);

	m.info.offset = r->mapping->offset;
	m.info.length = r->mapping->length;
	m.info.valid_length = r->guard.valid_length;
	m.info.address = r->mapping->address;
	m.info.grace_usec = r->guard.grace_usec;
	m.info.revocation = revocation;
	if (revocation) {
		m.info.revocation_deadline_usec = r->guard.deadline_usec;
		m.info.revocation_cause = (uint8_t)r->guard.cause;
		m.info.revocation_offset = r->guard.ask_start;
		m.info.revocation_length = r->guard.ask_end - r->guard.ask_start;
	}
	region_counters_copy(&m.info, &r->counters);
	m.info.translation_bytes = r->mapping->translation_bytes;
	m.info.warm_mode = (uint8_t)r->warming.engine.blocks.mode;
	m.info.device = r->mapping->device;
	m.info.inode = r->mapping->inode;
	m.info.file_uid = r->mapping->file_uid;
	m.info.gated = r->gated;
	m.info.rkey = r->rkey;
	m.info.generation = r->generation;
	m.info.access = r->access;
	m.info.policy = (uint8_t)r->guard.policy;
	m.info.mode = r->mode;
	m.info.detached = r->detached;
	m.info.durability = r->durability;
	m.info.state = (uint8_t)state_of(r);
	m.info.warm = r->warming.first;
	COPY(m.info.mode_reason, r->mode_reason);
	COPY(m.info.damage, r->damage.text);
	m.info.unleased = r->watching.unleased;
	describe_rest(r, &m.info);
	m.info.blocks = r->replaced.told = kregion_blocks_trouble(r);
	COPY(m.info.path, r->path);
	COPY(m.info.ticket, r->ticket_text);
	session_answer(r->keeper->session, op, &m);
}

void tell_peer(struct keeper *k, const struct operation *op, enum keeper_type type,
	       const struct endpoint_peer *p, uint64_t revocation, enum peer_left why)
{
	struct keeper_message m = { .type = type, .region = p->region };

	m.peer.peer = p->number;
	m.peer.since_usec = p->since_usec;
	m.peer.revocation = revocation;
	m.peer.rights = p->rights;
	m.peer.cut = why > PEER_LEFT_SILENT;
	m.peer.why = why;
	COPY(m.peer.address, p->address);
	if (op)
		session_answer(k->session, op, &m);
	else
		session_tell(k->session, &m);
}

static struct keeper_message revocation_message(const struct kregion *r, enum keeper_type type,
						uint64_t revocation)
{
	struct keeper_message m = { .type = type, .region = r->id };

	m.revocation.revocation = revocation;
	m.revocation.offset = r->guard.ask_start;
	m.revocation.length = r->guard.ask_end - r->guard.ask_start;
	m.revocation.deadline_usec = r->guard.deadline_usec;
	m.revocation.valid_length = r->guard.valid_length;
	m.revocation.cause = r->guard.cause;
	m.revocation.breaker_pid = r->breaker_pid;
	m.revocation.generation = r->generation;
	m.revocation.rkey = r->rkey;
	return m;
}

static void tell_peers(struct kregion *r, const struct endpoint_peer *only,
		       const struct wire_message *m)
{
	struct endpoint *e = r->keeper->endpoint;

	if (!e)
		return;
	if (only)
		endpoint_tell_one(e, only, m);
	else
		endpoint_tell(e, r->id, m);
}

void tell_asked(struct kregion *r, const struct endpoint_peer *only)
{
	struct keeper_message k = revocation_message(r, KEEPER_REVOCATION, r->guard.revocation);
	uint64_t now = now_monotonic_usec(), deadline = r->guard.deadline_usec;
	struct wire_message m = {
		.type = WIRE_REVOCATION_ASKED,
		.revocation = r->guard.revocation,
		.offset = r->guard.ask_start,
		.length = r->guard.ask_end - r->guard.ask_start,
		.valid_length = r->guard.valid_length,
		.time_left_msec = deadline > now ? (uint32_t)((deadline - now) / USEC_PER_MSEC) : 0,
		.cause = (uint16_t)r->guard.cause,
		.rkey = r->rkey,
		.generation = r->generation,
	};

	/*
	 * the daemon first: the packet leaves at once, while a send to a peer may be carried out
	 * whole before it returns (soft RoCE), and both sides answer meanwhile
	 */
	if (!only) {
		session_tell(r->keeper->session, &k);
		session_flush(r->keeper->session);
	}
	tell_peers(r, only, &m);
}

void tell_settled(struct kregion *r, uint64_t revocation, enum revocation_outcome outcome,
		  const struct endpoint_peer *only)
{
	struct keeper_message k = revocation_message(r, KEEPER_SETTLED, revocation);
	struct wire_message m = {
		.type = WIRE_REVOCATION_SETTLED,
		.revocation = revocation,
		.length = r->mapping->length,
		.valid_length = r->guard.valid_length,
		.outcome = (uint16_t)outcome,
		.cause = r->look.path_state,
		.request = r->look.bypasses,
		.rkey = r->rkey,
		.generation = r->generation,
	};

	k.revocation.outcome = outcome;
	tell_peers(r, only, &m);
	if (!only)
		session_tell(r->keeper->session, &k);
}

void tell_length(struct kregion *r)
{
	struct wire_message m = {
		.type = WIRE_LENGTH_CHANGED,
		.offset = r->look.bypass_start,
		.length = r->look.bypass_end - r->look.bypass_start,
		.valid_length = r->guard.valid_length,
		.cause = r->look.path_state,
		.request = r->look.bypasses,
		.rkey = r->rkey,
		.generation = r->generation,
	};

	tell_peers(r, NULL, &m);
}

void tell_fenced(struct kregion *r, uint64_t revocation)
{
	struct keeper_message m = revocation_message(r, KEEPER_FENCED, revocation);

	m.revocation.late = r->cut;
	session_tell(r->keeper->session, &m);
}

void tell_given_back(struct kregion *r, uint64_t revocation, bool by_kernel)
{
	struct keeper_message m = revocation_message(r, KEEPER_GIVEN_BACK, revocation);

	m.revocation.late = by_kernel;
	session_tell(r->keeper->session, &m);
}

static struct keeper_message counters_message(const struct kregion *r)
{
	struct keeper_message m = { .type = KEEPER_INVALIDATED, .region = r->id };

	m.invalidated.valid_length = r->guard.valid_length;
	region_counters_copy(&m.invalidated, &r->counters);
	return m;
}

void tell_invalidated(struct kregion *r)
{
	struct keeper_message m = counters_message(r);

	m.invalidated.offset = r->report.folded.start;
	m.invalidated.length = r->report.folded.end - r->report.folded.start;
	m.invalidated.causes = r->report.folded.causes;
	session_tell(r->keeper->session, &m);
}

void tell_counters(struct kregion *r)
{
	struct keeper_message m = counters_message(r);

	session_tell(r->keeper->session, &m);
}

void tell_progress(struct kregion *r, const struct operation *op, const struct keeper_progress *p)
{
	struct keeper_message m = { .type = KEEPER_PROGRESS, .region = r->id, .progress = *p };

	m.progress.operation = op->number;
	if (session_is_waiting(r->keeper->session, op))
		session_tell(r->keeper->session, &m);
}

void tell_mode(struct kregion *r)
{
	struct keeper_message m = { .type = KEEPER_MODE, .region = r->id };

	m.info.mode = r->mode;
	COPY(m.info.mode_reason, r->mode_reason);
	COPY(m.info.damage, r->damage.text);
	m.info.unleased = r->watching.unleased;
	describe_rest(r, &m.info);
	m.info.blocks = r->replaced.told = kregion_blocks_trouble(r);
	session_tell(r->keeper->session, &m);
}

void tell_gone(struct kregion *r)
{
	struct keeper_message m = { .type = KEEPER_GONE, .region = r->id };

	session_tell(r->keeper->session, &m);
}

void tell_registered(struct kregion *r)
{
	/* whose daemon went away is taken down: kregion_drop_orphan() */
	if (!r->registration.connection ||
	    !session_is_waiting(r->keeper->session, &r->registration))
		return;
	tell_region(r, &r->registration);
	r->announced = true;
	r->registration = (struct operation){ 0 };
	/* the daemon says so where all see it */
	log_debug("region %" PRIu64 ": %s, %" PRIu64 " bytes at %" PRIu64 ", %s, %s", r->id,
		  r->access ? "rw" : "r", r->mapping->length, r->mapping->offset,
		  r->path[0] ? r->path : "?", r->mode_reason);
}

int tell_level(const struct keeper *k)
{
	return session_is_connected(k->session) && session_is_flushed(k->session) ? LOG_DEBUG
										  : LOG_INFO;
}
