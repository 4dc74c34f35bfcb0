// SPDX-License-Identifier: GPL-2.0-or-later
/* check.c - see proxy/check.h. */
#include "proxy/check.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* More than anybody gives; adding to it cannot overflow. */
#define ID_MAX (UINT64_MAX / 2)
#define GENERATION_MAX (UINT32_MAX / 2)
#define LENGTH_MAX ((uint64_t)INT64_MAX)
#define PAGE 4096u /* the smallest anywhere */

static bool is_terminated(const char *text, size_t size)
{
	return memchr(text, 0, size);
}
#define TERMINATED(a) is_terminated(a, sizeof(a))

static bool is_in_file(uint64_t offset, uint64_t length)
{
	return offset <= LENGTH_MAX && length <= LENGTH_MAX - offset;
}

static const char *check_region(const struct keeper_region *r)
{
	if (!TERMINATED(r->mode_reason) || !TERMINATED(r->path) || !TERMINATED(r->ticket) ||
	    !TERMINATED(r->damage))
		return "unterminated text";
	if (r->access >= _REGION_ACCESS_MAX || r->policy >= _REGION_POLICY_MAX ||
	    r->mode >= _ARBITRATION_MODE_MAX || r->state >= _REGION_STATE_MAX ||
	    r->revocation_cause >= _REVOCATION_CAUSE_MAX || r->detached > 1 || r->gated > 1 ||
	    r->warm_mode >= _WARM_MODE_MAX || r->durability >= _REGION_DURABILITY_MAX)
		return "a value that is not of its enumeration";
	if (!r->length || r->length % PAGE || r->offset % PAGE ||
	    !is_in_file(r->offset, r->length) || r->valid_length > r->length ||
	    r->revocation_offset > r->length ||
	    r->revocation_length > r->length - r->revocation_offset)
		return "a range that cannot be";
	if (r->revocation > ID_MAX || r->generation > GENERATION_MAX)
		return "a number that nothing comes after";
	return NULL;
}

static const char *check_revocation(const struct keeper_revocation *r)
{
	if (r->cause >= _REVOCATION_CAUSE_MAX || r->outcome >= _REVOCATION_OUTCOME_MAX)
		return "a value that is not of its enumeration";
	if (!r->revocation || r->revocation > ID_MAX || r->generation > GENERATION_MAX ||
	    !is_in_file(r->offset, r->length))
		return "a revocation that cannot be";
	return NULL;
}

static const char *check_body(const struct keeper_message *m)
{
	switch ((enum keeper_type)m->type) {
	case KEEPER_WELCOME:
		return TERMINATED(m->welcome.session) && TERMINATED(m->welcome.address) &&
				       TERMINATED(m->welcome.device) &&
				       TERMINATED(m->welcome.no_adapter)
			       ? NULL
			       : "unterminated text";
	case KEEPER_REGION:
		return check_region(&m->info);
	case KEEPER_PEER:
	case KEEPER_PEER_JOINED:
	case KEEPER_PEER_LEFT:
	case KEEPER_PEER_ACK:
		return TERMINATED(m->peer.address) ? NULL : "unterminated text";
	case KEEPER_TICKET:
		return TERMINATED(m->ticket.text) ? NULL : "unterminated text";
	case KEEPER_DONE:
		return !TERMINATED(m->done.text)		    ? "unterminated text"
		       : m->done.error > 0 || m->done.error < -4095 ? "an error that is no errno"
								    : NULL;
	case KEEPER_REVOCATION:
	case KEEPER_FENCED:
	case KEEPER_GIVEN_BACK:
	case KEEPER_SETTLED:
		return check_revocation(&m->revocation);
	case KEEPER_INVALIDATED:
	case KEEPER_GONE:
	case KEEPER_RESYNC:
		return NULL;
	case KEEPER_MODE:
		return !TERMINATED(m->info.mode_reason) || !TERMINATED(m->info.damage)
			       ? "unterminated text"
		       : m->info.mode >= _ARBITRATION_MODE_MAX
			       ? "a value that is not of its enumeration"
			       : NULL;
	case KEEPER_PROGRESS:
		return m->progress.done > m->progress.total ? "more done than there is" : NULL;
	default:
		return "a type that no keeper sends";
	}
}

const char *proxy_message_check(const struct keeper_message *m)
{
	enum keeper_kind kind = keeper_kind(m->type);
	bool is_event = kind == KEEPER_EVENT, of_region;

	if (kind != KEEPER_ANSWER && !is_event)
		return "a type that no keeper sends";
	if (is_event != !m->operation)
		return is_event ? "an event with an operation number"
				: "an answer without an operation number";
	if (!keeper_type_is_known(m->type))
		return is_event ? NULL : "an answer of an unknown type";
	of_region = (is_event && m->type != KEEPER_RESYNC) || m->type == KEEPER_REGION ||
		    m->type == KEEPER_PEER || m->type == KEEPER_TICKET;
	if (of_region && (!m->region || m->region > ID_MAX))
		return "a region number that cannot be";
	return check_body(m);
}
