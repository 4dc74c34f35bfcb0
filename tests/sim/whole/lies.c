// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * lies.c - keepers that lie. Behind each is a real one, which is honest: its packets are changed,
 * lost, told twice, too early, or long after on the way to the daemon, and what the daemon asks of
 * it is lost, or answered in its place.
 *
 * What always holds: only keepers of one user lie. What becomes of that user's regions is nobody's
 * business; who else is harmed by it, or waits for ever, is found by the invariants of all worlds.
 */
#include <limits.h>
#include <string.h>

#include "bus-played.h"
#include "keeper-protocol.h"

#define LATE_MAX (4 * USEC_PER_SEC)
#define HELD_USEC (TIMEOUT_MSEC * USEC_PER_MSEC * 3 / 4)
#define HELD_MAX 64

bool lies_are_of(uint32_t uid)
{
	return world.lies && uid == LIAR_UID;
}

bool lies_are_about(uint64_t region)
{
	struct region_view v;

	return world.lies && region &&
	       the_bus.handlers->view_region(the_bus.userdata, region, &v) &&
	       lies_are_of(v.tenant->uid);
}

static uint64_t awkward_number(void)
{
	static const uint64_t numbers[] = {
		0,	    1,	       4096,	       UINT64_MAX, UINT64_MAX - 4095,
		1ull << 63, INT64_MAX, UINT64_MAX / 2, UINT32_MAX, 0x8000000080000000,
	};

	return numbers[os_random(sizeof(numbers) / sizeof(*numbers))];
}

/* A word of what is behind the header, wherever it is: a number, some small ones, a piece of text. */
static void spoil_word(struct keeper_message *m, size_t size)
{
	size_t words = (size - KEEPER_HEADER_SIZE) / sizeof(uint64_t);
	/* most numbers are among the first */
	size_t at = os_random(os_chance(70) && words > 24 ? 24 : words);
	uint64_t number = awkward_number();

	if (words)
		memcpy(m->body + at * sizeof(number), &number, sizeof(number));
}

static void spoil_text(struct keeper_message *m, size_t size)
{
	size_t body = size - KEEPER_HEADER_SIZE, n = 100 + os_random(400);

	if (body > n)
		memset(m->body + os_random(body - n), 'x', n);
}

static uint32_t other_type(void)
{
	static const uint32_t types[] = {
		KEEPER_DONE,
		KEEPER_REGION,
		KEEPER_TICKET,
		KEEPER_PEER,
		KEEPER_WELCOME,
		KEEPER_GONE,
		KEEPER_RESYNC,
		KEEPER_SETTLED,
		KEEPER_GIVEN_BACK,
		KEEPER_REVOCATION,
		KEEPER_FENCED,
		KEEPER_PEER_JOINED,
		KEEPER_PEER_LEFT,
		KEEPER_PEER_ACK,
		KEEPER_MODE,
		KEEPER_PROGRESS,
		KEEPER_HELLO,
		9999,
		KEEPER_EVENT * KEEPER_KIND_SIZE + 200,
	};

	return types[os_random(sizeof(types) / sizeof(*types))];
}

/* As likely another user's. */
static uint64_t somebodys_region(void)
{
	struct facts f = { 0 };
	uint64_t n = 0, chosen = 1;

	while (the_daemon && daemon_next(f.id, &f))
		if (os_random(++n) == 0)
			chosen = f.id;
	return chosen;
}

/* An event that nothing was the reason for; it is of that type's size. */
static void invent(struct keeper_message *m, size_t *size)
{
	uint64_t region = m->region && os_chance(60) ? m->region : somebodys_region();

	memset(m, 0, sizeof(*m));
	m->type = KEEPER_REVOCATION + (uint32_t)os_random(_KEEPER_EVENT_MAX - KEEPER_REVOCATION);
	m->region = m->type == KEEPER_RESYNC ? 0 : region;
	if (m->type >= KEEPER_REVOCATION && m->type <= KEEPER_SETTLED) {
		m->revocation.revocation = os_chance(50) ? 1 + os_random(4) : UINT64_MAX / 2;
		m->revocation.length = 4096;
		m->revocation.late = (uint32_t)os_random(3);
		m->revocation.outcome = (uint32_t)os_random(_REVOCATION_OUTCOME_MAX);
		m->revocation.deadline_usec = os_chance(50) ? UINT64_MAX : 0;
	} else if (m->type >= KEEPER_PEER_JOINED && m->type <= KEEPER_PEER_ACK) {
		m->peer.peer = os_random(4);
		m->peer.since_usec = awkward_number();
	}
	*size = keeper_packet_size(m->type);
}

/* What is no packet at all, or none that fits, ends the connection: so it does not come often. */
static enum os_fate garble(struct keeper_message *m, size_t *size)
{
	switch (os_random(7)) {
	case 0:
		m->region = os_chance(80) ? somebodys_region() : awkward_number();
		break;
	case 1:
		m->operation += os_random(7) - 3;
		break;
	case 2:
		m->type = other_type();
		break;
	case 3:
		spoil_text(m, *size);
		break;
	case 4:
		*size = os_random(*size + 200);
		break;
	case 5:
		return OS_LADEN;
	default:
		return OS_TWICE;
	}
	return OS_ARRIVES;
}

static enum os_fate say(struct keeper_message *m, size_t *size)
{
	static const int32_t errors[] = { 0, 0, 0, -1, -2, -16, -110, -95, -71, -4095, 1, INT_MIN };

	switch (os_random(10)) {
	case 0:
		return garble(m, size);
	case 1:
		return OS_LOST;
	case 2:
		return OS_EARLY;
	case 3 ... 5:
		return OS_LATE;
	case 6:
		invent(m, size);
		return OS_ARRIVES;
	case 7:
		if (m->type == KEEPER_DONE)
			m->done.error = errors[os_random(sizeof(errors) / sizeof(*errors))];
		return OS_ARRIVES;
	default:
		spoil_word(m, *size);
		return OS_ARRIVES;
	}
}

/* It does not do what it is asked for, and may say that it has. */
static enum os_fate be_deaf(struct keeper_message *m, size_t *size)
{
	const struct keeper_message done = { .type = KEEPER_DONE,
					     .operation = m->operation,
					     .region = m->region };

	if (m->type == KEEPER_HELLO || os_chance(30))
		return OS_LOST;
	*m = done;
	*size = keeper_packet_size(m->type);
	return OS_BACK;
}

/* What it answers late, whatever else it does meanwhile: it may have let go of the region by then. */
static uint64_t held[HELD_MAX];

static bool is_held(const struct keeper_message *m, bool asked)
{
	uint64_t *operation = &held[m->operation % HELD_MAX];

	if (asked && (m->type == KEEPER_EXPORT || m->type == KEEPER_SYNC ||
		      m->type == KEEPER_DEMAND || m->type == KEEPER_PREFETCH))
		*operation = m->operation;
	return !asked && m->operation && m->operation == *operation;
}

enum os_fate lies_of(const struct process *from, const struct process *to, struct keeper_message *m,
		     size_t *size)
{
	const struct process *liar = from->keeper ? from : to;
	enum os_fate fate;

	if (liar->liar && is_held(m, liar == to) && liar->pid % 2) {
		counted[COUNT_LIES]++;
		return OS_LATE;
	}
	if (!liar->liar || m->type == KEEPER_WELCOME || !os_chance(world.lies))
		return OS_ARRIVES;
	counted[COUNT_LIES]++;
	fate = from == liar ? say(m, size) : be_deaf(m, size);
	os_trace("it lies: %d", (int)fate);
	return fate;
}

uint64_t lies_later(void)
{
	return os_random(os_chance(70) ? HELD_USEC : LATE_MAX);
}
