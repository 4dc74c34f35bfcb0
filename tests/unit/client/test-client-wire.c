// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * test-client-wire.c - what the peer side reads from the network, and what failures are called:
 * accepts, rejects, messages, completion statuses, D-Bus errors, the growing structures of the
 * public interface.
 */
#undef NDEBUG
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "error.h"
#include "names.h"
#include "peer.h"
#include "util.h"
#include "wire.h"
#include "words.h"

static struct wire_accept good_accept(void)
{
	return (struct wire_accept){
		.magic = htole32(WIRE_MAGIC),
		.version = htole16(WIRE_VERSION),
		.rights = htole16(3),
		.address = htole64(0x7f0000000000),
		.length = htole64(1 << 20),
		.valid_length = htole64(5000),
		.rkey = htole32(0x1234),
		.generation = htole32(2),
		.alignment = htole32(4096),
		.minimum_mtu = htole32(4096),
	};
}

static void test_accept(void)
{
	uint8_t unaligned[200] = { 0 };
	struct wire_accept a = good_accept(), got;

	memcpy(unaligned + 1, &a, sizeof(a));
	assert(wire_get_accept(unaligned + 1, 196, &got) == 0);
	assert(got.length == 1 << 20 && got.valid_length == 5000 && got.rkey == 0x1234 &&
	       got.alignment == 4096);
	assert(wire_get_accept(&a, WIRE_ACCEPT_MIN - 1, &got) == -EPROTO);
	/* of an older keeper: what it does not send is 0 */
	a.bytes = htole64(7);
	assert(wire_get_accept(&a, sizeof(a), &got) == 0 && got.bytes == 7);
	assert(wire_get_accept(&a, sizeof(a) - 1, &got) == 0 && !got.bytes);
	assert(wire_get_accept(&a, WIRE_ACCEPT_MIN, &got) == 0 && !got.bytes);
	assert(wire_get_accept(NULL, 0, &got) == -EPROTO);
#define BAD(change, error) \
	(a = good_accept(), change, assert(wire_get_accept(&a, sizeof(a), &got) == (error)))
	BAD(a.magic = 0, -EPROTO);
	BAD(a.version = htole16(WIRE_VERSION + 1), -EPROTONOSUPPORT);
	BAD(a.length = 0, -EPROTO);
	BAD(a.length = htole64(UINT64_MAX), -EPROTO);
	BAD(a.valid_length = htole64((1 << 20) + 1), -EPROTO);
	BAD(a.alignment = 0, -EPROTO);
	BAD(a.alignment = htole32(3), -EPROTO);
	BAD(a.alignment = htole32(1u << 31), -EPROTO);
	/* words and bits of a later version: the least that they can mean */
	BAD((a.durability = 200, a.flush = 0xff), 0);
	assert(got.durability == DURABILITY_VOLATILE &&
	       got.flush == (WIRE_FLUSH_GLOBAL | WIRE_FLUSH_PERSISTENT));
	BAD((a.durability = DURABILITY_FLUSH, a.flush = WIRE_FLUSH_GLOBAL), 0);
	assert(got.durability == DURABILITY_FLUSH && got.flush == WIRE_FLUSH_GLOBAL);
#undef BAD
}

static void test_reject(void)
{
	struct wire_reject j = { htole32(WIRE_MAGIC), htole16(WIRE_VERSION),
				 htole16(WIRE_REFUSED_LIMIT), "\033[31mfull\n" },
			   got;
	uint8_t padded[148] = { 0 };
	const char *hint;

	memcpy(padded, &j, sizeof(j));
	assert(wire_get_reject(padded, 148, &got) == 0);
	assert(!strcmp(got.text, "?[31mfull?"));
	memset(j.text, 'x', sizeof(j.text));
	assert(wire_get_reject(&j, sizeof(j), &got) == 0 &&
	       strlen(got.text) == sizeof(got.text) - 1);
	/* what an older keeper sends, which ends before the cause, whatever lies behind */
	j.cause = htole16(WIRE_CAUSE_QUOTA);
	assert(wire_get_reject(&j, sizeof(j), &got) == 0 && got.cause == WIRE_CAUSE_QUOTA);
	memcpy(padded, &j, sizeof(j));
	assert(wire_get_reject(padded, 148, &got) == 0 && got.cause == WIRE_CAUSE_QUOTA);
	assert(wire_get_reject(&j, WIRE_REJECT_MIN, &got) == 0 && !got.cause);
	assert(wire_get_reject(&j, sizeof(j) - 1, &got) == 0 && !got.cause);
	assert(wire_get_reject(&j, WIRE_REJECT_MIN - 1, &got) == -EPROTO);
	assert(wire_refusal_errno(WIRE_REFUSED_TICKET, &hint) == EACCES && *hint);
	assert(wire_refusal_errno(WIRE_REFUSED_LIMIT, &hint) == EUSERS);
	assert(wire_refusal_errno(WIRE_REFUSED_MTU, &hint) == EMSGSIZE);
	assert(wire_refusal_errno(WIRE_REFUSED_SHARE, &hint) == EUSERS &&
	       strstr(hint, "peers_per_tenant"));
	assert(wire_refusal_errno(WIRE_EXPLAINED, &hint) == ECONNREFUSED &&
	       *hint); /* nothing was asked */
	assert(wire_refusal_errno(0, &hint) == ECONNREFUSED && *hint);
	assert(wire_refusal_errno(999, &hint) == ECONNREFUSED && *hint);
}

static void test_message(void)
{
	struct wire_message m = {
		.magic = htole32(WIRE_MAGIC),
		.version = htole16(WIRE_VERSION),
		.type = htole16(WIRE_REVOCATION_ASKED),
		.revocation = htole64(9), .time_left_msec = htole32(500), .cause = htole16(1),
	}, got;

	assert(wire_get_message(&m, sizeof(m), &got) == 0 && got.revocation == 9 &&
	       got.time_left_msec == 500);
	assert(wire_get_message(&m, sizeof(m) - 1, &got) == -EPROTO);
	assert(wire_get_message(&m, sizeof(m) + 1, &got) == -EPROTO);
	m.revocation = 0;
	assert(wire_get_message(&m, sizeof(m), &got) == -EPROTO);
	m.type = htole16(WIRE_LENGTH_CHANGED);
	assert(wire_get_message(&m, sizeof(m), &got) == 0);
	m.type = htole16(WIRE_REVOCATION_ACK);
	assert(wire_get_message(&m, sizeof(m), &got) == -EPROTO);
	m.type = htole16(WIRE_SYNC);
	assert(wire_get_message(&m, sizeof(m), &got) == -EPROTO);
	m.type = htole16(WIRE_SYNCED);
	m.request = htole64(3);
	m.outcome = htole16(WIRE_SYNC_RANGE);
	assert(wire_get_message(&m, sizeof(m), &got) == 0 && got.request == 3 &&
	       got.outcome == WIRE_SYNC_RANGE);
	m.outcome = htole16(WIRE_SYNC_RANGE + 1);
	assert(wire_get_message(&m, sizeof(m), &got) == -EPROTO);
	m.outcome = 0;
	m.request = 0;
	assert(wire_get_message(&m, sizeof(m), &got) == -EPROTO);
	wire_put_sync(&m, 5, 8192, 4096);
	assert(le16toh(m.type) == WIRE_SYNC && le64toh(m.request) == 5 &&
	       le64toh(m.offset) == 8192 && le64toh(m.length) == 4096 && !m.revocation);
	wire_put_ack(&m, 9);
	assert(le16toh(m.type) == WIRE_REVOCATION_ACK && le64toh(m.revocation) == 9 && !m.request);
}

static void test_completions(void)
{
	const char *text = NULL;

	/* Every status there is has an errno and a sentence. */
	for (int status = 1; status <= IBV_WC_GENERAL_ERR; status++) {
		assert(completion_errno((enum ibv_wc_status)status, false, true, &text) > 0);
		assert(text && *text);
	}
	assert(completion_errno(IBV_WC_REM_ACCESS_ERR, false, true, &text) == EACCES);
	assert(completion_errno(IBV_WC_REM_ACCESS_ERR, true, true, &text) == ESTALE);
	assert(strstr(text, "acknowledge sooner"));
	/* who was not waited for is not told to be quicker */
	assert(completion_errno(IBV_WC_REM_ACCESS_ERR, true, false, &text) == ESTALE);
	assert(!strstr(text, "sooner") && strstr(text, "follow"));
	assert(completion_errno(IBV_WC_WR_FLUSH_ERR, false, true, &text) == ECONNRESET);
	assert(completion_errno(IBV_WC_RETRY_EXC_ERR, false, true, &text) == ETIMEDOUT);
}

/*
 * What a peer asks, as a keeper reads it; and every answer has an errno and a sentence that says
 * what to do, but for "unknown".
 */
static void test_causes(void)
{
	static const uint8_t token[WIRE_TOKEN_BYTES] = { 1, 2, 3 };
	static const struct {
		uint16_t cause;
		int error;
		const char *mentions;
	} causes[] = {
		{ WIRE_CAUSE_NO_SPACE, ENOSPC, "no space" },
		{ WIRE_CAUSE_QUOTA, EDQUOT, "quota" },
		{ WIRE_CAUSE_STORAGE, EREMOTEIO, "storage" },
		{ WIRE_CAUSE_MEMORY, ENOMEM, "MemoryMax" },
		{ WIRE_CAUSE_POISON, EHWPOISON, "memory failed" },
		{ WIRE_CAUSE_READ_ONLY, EROFS, "read-only" },
		{ WIRE_CAUSE_SILENT, EREMOTEIO, "answer" },
		{ WIRE_CAUSE_FENCED, EACCES, "revocation" },
		{ WIRE_CAUSE_LENGTH, EACCES, "shorter" },
		{ WIRE_CAUSE_AVAILABLE, EACCES, "connect again" },
	};
	struct wire_connect c;
	const char *text = NULL;

	wire_put_question(&c, WIRE_RIGHT_WRITE, 7, token, 8192, 4096);
	assert(le16toh(c.rights) == (WIRE_RIGHT_WRITE | WIRE_ASKS_CAUSE) && le64toh(c.region) == 7);
	assert(le64toh(c.offset) == 8192 && le64toh(c.length) == 4096 &&
	       !memcmp(c.token, token, sizeof(token)));
	wire_put_connect(&c, WIRE_RIGHT_READ, 7, token);
	assert(!c.offset && !c.length);
	for (size_t i = 0; i < ARRAY_SIZE(causes); i++) {
		assert(cause_errno(causes[i].cause, &text) == causes[i].error);
		assert(strstr(text, causes[i].mentions) && strlen(text) < 200);
	}
	assert(cause_errno(WIRE_CAUSE_UNKNOWN, &text) == 0 &&
	       cause_errno(WIRE_CAUSE_SILENT + 1, &text) == 0 &&
	       cause_errno(UINT16_MAX, &text) == 0);
}

static void test_bus_errors(void)
{
	static const char *const own[] = {
		RDMAREG_ERROR_INVALID_FILE,
		RDMAREG_ERROR_INVALID_RANGE,
		RDMAREG_ERROR_INVALID_OPTION,
		RDMAREG_ERROR_ACCESS_DENIED,
		RDMAREG_ERROR_LIMIT_EXCEEDED,
		RDMAREG_ERROR_NO_SUCH_REGION,
		RDMAREG_ERROR_NO_SUCH_REVOCATION,
		RDMAREG_ERROR_NO_ADAPTER,
		RDMAREG_ERROR_BUSY,
		RDMAREG_ERROR_KEEPER_LOST,
		RDMAREG_ERROR_TIMEOUT,
		RDMAREG_ERROR_FAILED,
	};
	sd_bus_error e = SD_BUS_ERROR_MAKE_CONST(RDMAREG_ERROR_LIMIT_EXCEEDED,
						 "too many; see RegionsPerTenant=");

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		assert(error_to_errno(own[i]) > 0);
		for (size_t j = 0; j < i; j++)
			assert(error_to_errno(own[i]) != error_to_errno(own[j]));
	}
	assert(error_to_errno("org.freedesktop.DBus.Error.Spawn.ChildExited") == EHOSTUNREACH);
	assert(error_to_errno("org.example.Other") == 0 && error_to_errno("") == 0);

	assert(fail_bus(&e, -EIO, "registering %d", 5) == -EDQUOT);
	assert(!strcmp(rdmareg_last_error(), "registering 5: too many; see RegionsPerTenant="));
	assert(!strcmp(rdmareg_last_error_name(), RDMAREG_ERROR_LIMIT_EXCEEDED));
	/* whoever's call should have started it hears where to look */
	for (size_t i = 0; i < 2; i++) {
		const sd_bus_error failed = {
			.name = i ? SD_BUS_ERROR_NAME_HAS_NO_OWNER
				  : "org.freedesktop.DBus.Error.Spawn.ChildExited",
			.message = "Could not activate remote peer"
		};

		assert(fail_bus(&failed, -EIO, "listing") == -EHOSTUNREACH);
		assert(strstr(rdmareg_last_error(), "/rdmaregd --check-config") &&
		       strstr(rdmareg_last_error(), "journalctl -u rdmaregd"));
	}
	/* what rdmaregd says for those without a library is said once */
	{
		const sd_bus_error twice = {
			.name = RDMAREG_ERROR_BUSY,
			.message = "registering the region failed: not now (try again)"
		};
		const sd_bus_error once = { .name = RDMAREG_ERROR_BUSY,
					    .message = "not now: the last try failed: wait" };

		fail_bus(&twice, -EIO, "registering /x");
		assert(!strcmp(rdmareg_last_error(), "registering /x: not now (try again)"));
		fail_bus(&once, -EIO, "registering /x");
		assert(!strcmp(rdmareg_last_error(),
			       "registering /x: not now: the last try failed: wait"));
	}
	assert(fail_bus(NULL, -ECONNRESET, "listing") == -ENOTCONN);
	assert(!*rdmareg_last_error_name() && strstr(rdmareg_last_error(), "listing: "));
	assert(fail(EINVAL, "a") == -EINVAL && fail(-EINVAL, "b") == -EINVAL &&
	       fail(0, "c") == -EIO);
	assert(!strcmp(rdmareg_last_error(), "c"));
}

static void test_structures(void)
{
	struct rdmareg_export_options ours, caller = { .size = sizeof(caller), .uses = 3 };
	struct {
		struct rdmareg_export_options known;
		uint64_t newer;
	} longer = { { .size = sizeof(longer), .uses = 4 }, 0 };

	assert(struct_in(&ours, sizeof(ours), NULL) == 0 && !ours.uses);
	assert(struct_in(&ours, sizeof(ours), &caller) == 0 && ours.uses == 3);
	caller.size = offsetof(struct rdmareg_export_options, uses);
	assert(struct_in(&ours, sizeof(ours), &caller) == 0 && !ours.uses);
	caller.size = 4;
	assert(struct_in(&ours, sizeof(ours), &caller) == -EINVAL);
	assert(struct_in(&ours, sizeof(ours), &longer) == 0 && ours.uses == 4);
	longer.newer = 1;
	assert(struct_in(&ours, sizeof(ours), &longer) == -E2BIG);

	ours.uses = 8;
	assert(struct_out(&longer, &ours, sizeof(ours)) == 0);
	assert(longer.known.size == sizeof(longer) && longer.known.uses == 8 && !longer.newer);
	caller = (struct rdmareg_export_options){
		.size = offsetof(struct rdmareg_export_options, uses), .uses = 77
	};
	assert(struct_out(&caller, &ours, sizeof(ours)) == 0 && caller.uses == 77);
	caller.size = 0;
	assert(struct_out(&caller, &ours, sizeof(ours)) == -EINVAL &&
	       struct_out(NULL, &ours, sizeof(ours)) == -EINVAL);
}

static void test_words(void)
{
	assert(rdmareg_state_from_name("draining") == RDMAREG_STATE_DRAINING);
	assert(!strcmp(rdmareg_state_name(RDMAREG_STATE_DRAINING), "draining"));
	assert(!strcmp(rdmareg_state_name(99), "unknown") &&
	       !strcmp(rdmareg_state_name(0), "unknown"));
	assert(rdmareg_state_from_name("nonsense") == 0 && rdmareg_state_from_name(NULL) == 0);
	assert(rdmareg_access_from_name("rw") == RDMAREG_ACCESS_READ_WRITE);
	assert(!strcmp(rdmareg_arbitration_name(RDMAREG_ARBITRATION_LAYOUT_LEASE), "layout-lease"));
	assert(!strcmp(rdmareg_policy_name(RDMAREG_POLICY_HOLD), "hold"));
	assert(!strcmp(rdmareg_cause_name(RDMAREG_CAUSED_BY_OPEN_TRUNCATE), "open-truncate"));
	assert(!strcmp(rdmareg_outcome_name(RDMAREG_OUTCOME_GONE), "gone"));
	assert(!strcmp(rdmareg_arbitration_name(RDMAREG_ARBITRATION_PRE_CONTENT), "pre-content"));
	assert(!strcmp(rdmareg_cause_name(RDMAREG_CAUSED_BY_UNKNOWN), "unknown"));
	assert(!strcmp(rdmareg_cause_name(RDMAREG_CAUSED_BY_SYNC), "sync"));
	assert(!strcmp(rdmareg_cause_name(RDMAREG_CAUSED_BY_QUOTA), "quota"));
	assert(!strcmp(rdmareg_cause_name(RDMAREG_CAUSED_BY_QUOTA + 1), "unknown"));
	assert(!strcmp(rdmareg_holder_kind_name(RDMAREG_HOLDER_NONE), "none"));
	assert(!strcmp(rdmareg_holder_kind_name(0), "unknown"));
	assert(!strcmp(rdmareg_durable_name(RDMAREG_DURABLE_STORAGE), "storage"));
	assert(!strcmp(rdmareg_arbitrate_name(RDMAREG_ARBITRATE_AUTO), "auto"));
	assert(rdmareg_arbitrate_from_name("pre-content") == RDMAREG_ARBITRATE_PRE_CONTENT);
	assert(rdmareg_arbitrate_from_name("layout-lease") == 0 &&
	       rdmareg_arbitrate_from_name(NULL) == 0);
	assert(word_value(WORDS_CAUSE, "sync") == RDMAREG_CAUSED_BY_SYNC &&
	       word_value(WORDS_CAUSE, "x") == 0);
	assert(word_value(WORDS_DURABLE, "nothing") == RDMAREG_DURABLE_NOTHING);
}

int main(void)
{
	test_accept();
	test_reject();
	test_message();
	test_completions();
	test_causes();
	test_bus_errors();
	test_structures();
	test_words();
	return 0;
}
