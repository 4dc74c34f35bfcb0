// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-keeper-form.c - what exists of the keeper protocol keeps its place, its size and its number:
 * the current form is compared with the one that keepers may still be running with
 * (keeper-form-5.h). That it compiles is most of the test.
 */
#undef NDEBUG
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "keeper-form-5.h"
#include "keeper-protocol.h"

#define SIZE(s, member) sizeof(((struct s *)0)->member)
#define SAME(s, member)                                                             \
	_Static_assert(offsetof(struct keeper_##s, member) ==                       \
				       offsetof(struct form5_##s, member) &&        \
			       SIZE(keeper_##s, member) == SIZE(form5_##s, member), \
		       #member " of " #s " has to stay as it was")

SAME(versions, min);
SAME(versions, max);

SAME(hello, versions);

SAME(welcome, version);
SAME(welcome, versions);
SAME(welcome, pid);
SAME(welcome, uid);
SAME(welcome, port);
SAME(welcome, has_module);
SAME(welcome, session);
SAME(welcome, address);
SAME(welcome, device);
SAME(welcome, no_adapter);

SAME(region, offset);
SAME(region, length);
SAME(region, valid_length);
SAME(region, address);
SAME(region, grace_usec);
SAME(region, revocation);
SAME(region, revocation_deadline_usec);
SAME(region, revocation_offset);
SAME(region, revocation_length);
SAME(region, invalidations);
SAME(region, writebacks);
SAME(region, bytes_warmed);
SAME(region, removals);
SAME(region, bytes_redirtied);
SAME(region, faults);
SAME(region, translation_bytes);
SAME(region, device);
SAME(region, inode);
SAME(region, file_uid);
SAME(region, reserved);
SAME(region, rkey);
SAME(region, generation);
SAME(region, access);
SAME(region, policy);
SAME(region, mode);
SAME(region, detached);
SAME(region, state);
SAME(region, revocation_cause);
SAME(region, warm);
SAME(region, gated);
SAME(region, warm_mode);
SAME(region, durability);
SAME(region, reserved_bytes);
SAME(region, mode_reason);
SAME(region, path);
SAME(region, ticket);
SAME(region, damage);

SAME(range, offset);
SAME(range, length);
SAME(range, write);
SAME(range, reserved);

SAME(demand, demand);
SAME(demand, offset);
SAME(demand, length);
SAME(demand, grace_usec);
SAME(demand, limit_usec);
SAME(demand, cause);
SAME(demand, pid);

SAME(ticket, expires_usec);
SAME(ticket, uses);
SAME(ticket, rights);
SAME(ticket, text);

SAME(peer, peer);
SAME(peer, since_usec);
SAME(peer, revocation);
SAME(peer, rights);
SAME(peer, cut);
SAME(peer, address);

SAME(revocation, revocation);
SAME(revocation, offset);
SAME(revocation, length);
SAME(revocation, deadline_usec);
SAME(revocation, valid_length);
SAME(revocation, cause);
SAME(revocation, outcome);
SAME(revocation, breaker_pid);
SAME(revocation, late);
SAME(revocation, generation);
SAME(revocation, rkey);

SAME(invalidated, offset);
SAME(invalidated, length);
SAME(invalidated, valid_length);
SAME(invalidated, invalidations);
SAME(invalidated, writebacks);
SAME(invalidated, faults);
SAME(invalidated, removals);
SAME(invalidated, bytes_warmed);
SAME(invalidated, bytes_redirtied);
SAME(invalidated, causes);
SAME(invalidated, reserved);

SAME(progress, operation);
SAME(progress, done);
SAME(progress, total);

SAME(import, pd_handle);
SAME(import, mr_handle);

SAME(done, error);
SAME(done, value);
SAME(done, import);
SAME(done, text);

SAME(message, type);
SAME(message, reserved);
SAME(message, operation);
SAME(message, region);

/* These are inside of others, and never grow. */
_Static_assert(sizeof(struct keeper_versions) == sizeof(struct form5_versions),
	       "versions never grow");
_Static_assert(sizeof(struct keeper_import) == sizeof(struct form5_import), "import never grows");

_Static_assert(KEEPER_VERSION_MIN <= 5 && KEEPER_VERSION_MAX >= 5,
	       "keepers of version 5 are driven");

/* The number, the body, and that a packet of version 5 has all that has to be there. */
static void test_types(void)
{
#define BODY(type, member)                                                                         \
	assert((int)KEEPER_##type == (int)FORM5_##type);                                           \
	assert(offsetof(struct keeper_message, member) == offsetof(struct form5_message, member)); \
	assert(keeper_packet_min(KEEPER_##type) ==                                                 \
	       offsetof(struct form5_message, member) + SIZE(form5_message, member));              \
	assert(keeper_packet_size(KEEPER_##type) ==                                                \
	       KEEPER_HEADER_SIZE + SIZE(keeper_message, member));                                 \
	n++;
#define PLAIN(type)                                                      \
	assert((int)KEEPER_##type == (int)FORM5_##type);                 \
	assert(keeper_packet_min(KEEPER_##type) == KEEPER_HEADER_SIZE);  \
	assert(keeper_packet_size(KEEPER_##type) >= KEEPER_HEADER_SIZE); \
	n++;
	int n = 0;

	FORM5_BODIES(BODY)
	FORM5_PLAIN(PLAIN)
	assert(n == 31); /* all of version 5 are there */
}

/*
 * No type asks for more than it sends, and all of them fit a packet, a buffer and the room of their
 * kind.
 */
static void test_sizes(void)
{
	for (uint32_t type = 0; type < KEEPER_KIND_SIZE * (_KEEPER_KIND_MAX + 1); type++) {
		assert(keeper_packet_min(type) <= keeper_packet_size(type));
		assert(keeper_packet_size(type) <= sizeof(struct keeper_message));
		assert(!keeper_type_is_known(type) || keeper_kind(type) != _KEEPER_KIND_MAX);
	}
	assert(sizeof(struct keeper_message) <= KEEPER_PACKET_MAX);
	assert(_KEEPER_REQUEST_MAX <= KEEPER_WELCOME && _KEEPER_ANSWER_MAX <= KEEPER_REVOCATION);
	assert(_KEEPER_EVENT_MAX <= KEEPER_KIND_SIZE * _KEEPER_KIND_MAX);
}

static void test_choice(void)
{
	static const struct {
		struct keeper_versions a, b;
		uint32_t chosen;
	} table[] = {
		{ { 5, 5 }, { 5, 5 }, 5 },
		{ { 5, 7 }, { 5, 5 }, 5 },
		{ { 5, 7 }, { 6, 9 }, 7 },
		{ { 5, 7 }, { 7, 9 }, 7 },
		{ { 5, 7 }, { 8, 9 }, 0 },
		{ { 5, 9 }, { 6, 7 }, 7 },
		{ { 1, UINT32_MAX }, { 1, UINT32_MAX }, UINT32_MAX },
		{ { 1, 4 }, { UINT32_MAX, UINT32_MAX }, 0 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		assert(keeper_version_choose(&table[i].a, &table[i].b) == table[i].chosen);
		assert(keeper_version_choose(&table[i].b, &table[i].a) == table[i].chosen);
		assert(keeper_versions_are_sound(&table[i].a) &&
		       keeper_versions_are_sound(&table[i].b));
	}
	assert(!keeper_versions_are_sound(&(struct keeper_versions){ 0, 5 }));
	assert(!keeper_versions_are_sound(&(struct keeper_versions){ 6, 5 }));
	assert(!keeper_versions_are_sound(&(struct keeper_versions){ 0, 0 }));
}

static void test_trim(void)
{
	struct keeper_message m;

	memset(&m, 0xff, sizeof(m));
	m.type = KEEPER_OVER;
	keeper_message_trim(&m, KEEPER_HEADER_SIZE + 8);
	assert(m.demand.demand == UINT64_MAX && !m.demand.offset && !m.demand.pid);
	memset(&m, 0xff, sizeof(m));
	m.type = KEEPER_GONE;
	keeper_message_trim(&m, KEEPER_PACKET_MAX);
	assert(m.region == UINT64_MAX && !m.info.offset);
}

int main(void)
{
	test_types();
	test_sizes();
	test_choice();
	test_trim();
	return 0;
}
