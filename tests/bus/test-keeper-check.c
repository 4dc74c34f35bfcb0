// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-check.c - packets from keepers, good ones and each way to spoil them; and a great
 * many random ones, of which those that pass must be harmless.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/check.h"

#define check(condition)                                                                        \
	do {                                                                                    \
		if (!(condition)) {                                                             \
			fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                \
		}                                                                               \
	} while (0)

static struct keeper_message good(enum keeper_type type)
{
	struct keeper_message m = { .type = type,
				    .operation = keeper_kind(type) != KEEPER_EVENT,
				    .region = 7 };

	if (type == KEEPER_REGION) {
		m.info.length = 8192;
		m.info.valid_length = 4096;
	} else if (type >= KEEPER_REVOCATION && type <= KEEPER_SETTLED) {
		m.revocation.revocation = 1;
		m.revocation.length = 4096;
	} else if (type == KEEPER_DONE) {
		m.done.error = -5;
	}
	return m;
}

#define SPOIL(type, change)                           \
	do {                                          \
		struct keeper_message m = good(type); \
		check(!proxy_message_check(&m));      \
		change;                               \
		check(proxy_message_check(&m));       \
	} while (0)
#define UNTERMINATED(a) memset(a, 'x', sizeof(a))

static void test_spoiled(void)
{
	for (enum keeper_type t = KEEPER_WELCOME; t < _KEEPER_ANSWER_MAX; t++)
		SPOIL(t, m.operation = 0);
	for (enum keeper_type t = KEEPER_REVOCATION; t < _KEEPER_EVENT_MAX; t++)
		SPOIL(t, m.operation = 1);
	for (enum keeper_type t = KEEPER_HELLO; t <= _KEEPER_REQUEST_MAX; t++) {
		struct keeper_message m = good(t);

		check(proxy_message_check(&m));
	}
	for (enum keeper_type t = KEEPER_REVOCATION; t < KEEPER_RESYNC;
	     t++) /* which is of no region */
		SPOIL(t, m.region = 0);
	SPOIL(KEEPER_DONE, m.type = 0);
	SPOIL(KEEPER_DONE, m.type = _KEEPER_ANSWER_MAX);
	SPOIL(KEEPER_GONE, m.type = KEEPER_KIND_SIZE * _KEEPER_KIND_MAX);
	SPOIL(KEEPER_GONE, m.type = UINT32_MAX);
	SPOIL(KEEPER_GONE, m.region = UINT64_MAX);
	SPOIL(KEEPER_REGION, m.region = 0);
	SPOIL(KEEPER_REGION, m.info.length = 0);
	SPOIL(KEEPER_REGION, m.info.length = 4095);
	SPOIL(KEEPER_REGION, m.info.offset = 1);
	SPOIL(KEEPER_REGION, m.info.offset = (uint64_t)INT64_MAX + 1);
	SPOIL(KEEPER_REGION, m.info.length = (uint64_t)1 << 63);
	SPOIL(KEEPER_REGION, m.info.valid_length = 8193);
	SPOIL(KEEPER_REGION, m.info.access = _REGION_ACCESS_MAX);
	SPOIL(KEEPER_REGION, m.info.policy = _REGION_POLICY_MAX);
	SPOIL(KEEPER_REGION, m.info.mode = _ARBITRATION_MODE_MAX);
	SPOIL(KEEPER_REGION, m.info.warm_mode = _WARM_MODE_MAX);
	SPOIL(KEEPER_REGION, m.info.durability = _REGION_DURABILITY_MAX);
	SPOIL(KEEPER_PROGRESS, m.progress.done = 1);
	SPOIL(KEEPER_REGION, m.info.state = _REGION_STATE_MAX);
	SPOIL(KEEPER_REGION, m.info.revocation_cause = _REVOCATION_CAUSE_MAX);
	SPOIL(KEEPER_REGION, m.info.detached = 2);
	SPOIL(KEEPER_REGION, UNTERMINATED(m.info.path));
	SPOIL(KEEPER_REGION, UNTERMINATED(m.info.ticket));
	SPOIL(KEEPER_REGION, UNTERMINATED(m.info.mode_reason));
	SPOIL(KEEPER_REGION, UNTERMINATED(m.info.damage));
	SPOIL(KEEPER_MODE, m.info.mode = _ARBITRATION_MODE_MAX);
	SPOIL(KEEPER_REGION, m.info.revocation = UINT64_MAX / 2 + 1);
	SPOIL(KEEPER_REGION, m.info.generation = UINT32_MAX / 2 + 1);
	SPOIL(KEEPER_WELCOME, UNTERMINATED(m.welcome.session));
	SPOIL(KEEPER_WELCOME, UNTERMINATED(m.welcome.address));
	SPOIL(KEEPER_WELCOME, UNTERMINATED(m.welcome.device));
	SPOIL(KEEPER_WELCOME, UNTERMINATED(m.welcome.no_adapter));
	SPOIL(KEEPER_TICKET, UNTERMINATED(m.ticket.text));
	SPOIL(KEEPER_PEER_JOINED, UNTERMINATED(m.peer.address));
	SPOIL(KEEPER_DONE, UNTERMINATED(m.done.text));
	SPOIL(KEEPER_DONE, m.done.error = 1);
	SPOIL(KEEPER_DONE, m.done.error = -4096);
	SPOIL(KEEPER_DONE, m.done.error = INT32_MIN);
	SPOIL(KEEPER_SETTLED, m.revocation.outcome = _REVOCATION_OUTCOME_MAX);
	SPOIL(KEEPER_REVOCATION, m.revocation.cause = _REVOCATION_CAUSE_MAX);
	SPOIL(KEEPER_REVOCATION, m.revocation.revocation = 0);
	SPOIL(KEEPER_REVOCATION, m.revocation.offset = UINT64_MAX);
	SPOIL(KEEPER_REVOCATION, m.revocation.revocation = UINT64_MAX / 2 + 1);
	SPOIL(KEEPER_SETTLED, m.revocation.generation = UINT32_MAX / 2 + 1);
}

static uint64_t next_random(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/*
 * A good packet with a few bytes changed: what still passes must have its text terminated and its
 * numbers in range.
 */
static void test_random(void)
{
	uint64_t seed = 88172645463325252u;

	for (int i = 0; i < 2000000; i++) {
		struct keeper_message m = good(
			next_random(&seed) % 2
				? KEEPER_WELCOME +
					  next_random(&seed) % (_KEEPER_ANSWER_MAX - KEEPER_WELCOME)
				: KEEPER_REVOCATION + next_random(&seed) % (_KEEPER_EVENT_MAX -
									    KEEPER_REVOCATION));
		unsigned char *bytes = (unsigned char *)&m;

		for (uint64_t n = next_random(&seed) % 8; n; n--)
			bytes[next_random(&seed) % (n & 1 ? 64 : sizeof(m))] =
				(unsigned char)next_random(&seed);
		if (proxy_message_check(&m))
			continue;
		check(keeper_kind(m.type) == KEEPER_EVENT ||
		      (keeper_kind(m.type) == KEEPER_ANSWER && keeper_type_is_known(m.type)));
		if (m.type == KEEPER_REGION)
			check(m.info.state < _REGION_STATE_MAX &&
			      m.info.valid_length <= m.info.length &&
			      strnlen(m.info.path, sizeof(m.info.path)) < sizeof(m.info.path));
		if (m.type == KEEPER_DONE)
			check(m.done.error <= 0);
	}
}

/* An event of a later version is borne, whatever it says; an answer is not. */
static void test_later(void)
{
	struct keeper_message m = { .type = KEEPER_KIND_SIZE * _KEEPER_KIND_MAX - 1,
				    .region = UINT64_MAX };

	check(!proxy_message_check(&m));
	m.operation = 1;
	check(proxy_message_check(&m));
	m.type = KEEPER_KIND_SIZE * KEEPER_EVENT - 1;
	check(!strcmp(proxy_message_check(&m), "an answer of an unknown type"));
}

int main(void)
{
	test_later();
	test_spoiled();
	test_random();
	return 0;
}
