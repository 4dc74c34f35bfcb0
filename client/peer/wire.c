// SPDX-License-Identifier: LGPL-2.1-or-later
/* wire.c - see wire.h. Everything is copied before it is looked at: private data is not aligned. */
#include "wire.h"

#include <endian.h>

#include "names.h"
#include "util.h"

void wire_put_connect(struct wire_connect *ret, uint16_t rights, uint64_t region,
		      const uint8_t token[WIRE_TOKEN_BYTES])
{
	*ret = (struct wire_connect){
		.magic = htole32(WIRE_MAGIC),
		.version = htole16(WIRE_VERSION),
		.rights = htole16(rights),
		.region = htole64(region),
	};
	memcpy(ret->token, token, WIRE_TOKEN_BYTES);
}

void wire_put_question(struct wire_connect *ret, uint16_t rights, uint64_t region,
		       const uint8_t token[WIRE_TOKEN_BYTES], uint64_t offset, uint64_t length)
{
	wire_put_connect(ret, rights | WIRE_ASKS_CAUSE, region, token);
	ret->offset = htole64(offset);
	ret->length = htole64(length);
}

static int check_header(uint32_t magic, uint16_t version)
{
	if (le32toh(magic) != WIRE_MAGIC)
		return -EPROTO;
	return le16toh(version) == WIRE_VERSION ? 0 : -EPROTONOSUPPORT;
}

int wire_get_accept(const void *data, size_t n, struct wire_accept *ret)
{
	struct wire_accept a = { 0 };
	int r;

	/* an older one ends sooner; what is not there is 0 */
	if (!data || n < WIRE_ACCEPT_MIN)
		return -EPROTO;
	memcpy(&a, data, n < sizeof(a) ? WIRE_ACCEPT_MIN : sizeof(a));
	r = check_header(a.magic, a.version);
	if (r < 0)
		return r;
	a.magic = WIRE_MAGIC;
	a.version = WIRE_VERSION;
	a.rights = le16toh(a.rights);
	a.address = le64toh(a.address);
	a.length = le64toh(a.length);
	a.valid_length = le64toh(a.valid_length);
	a.rkey = le32toh(a.rkey);
	a.generation = le32toh(a.generation);
	a.alignment = le32toh(a.alignment);
	a.minimum_mtu = le32toh(a.minimum_mtu);
	a.grace_msec = le32toh(a.grace_msec);
	a.receive_depth = le32toh(a.receive_depth);
	a.revocation = le64toh(a.revocation);
	/* A word or a bit of a later version: the least that it can mean. */
	if (a.durability >= _REGION_DURABILITY_MAX)
		a.durability = DURABILITY_VOLATILE;
	a.bypasses = le32toh(a.bypasses);
	a.bytes = le64toh(a.bytes);
	if (a.path_state >= _PATH_STATE_MAX)
		a.path_state = PATH_UNKNOWN;
	a.flush &= WIRE_FLUSH_GLOBAL | WIRE_FLUSH_PERSISTENT;
	if (!a.length || a.length > UINT64_MAX - a.address || a.valid_length > a.length)
		return -EPROTO;
	if (!a.alignment || (a.alignment & (a.alignment - 1)) || a.alignment > ALIGNMENT_MAX)
		return -EPROTO;
	*ret = a;
	return 0;
}

int wire_get_reject(const void *data, size_t n, struct wire_reject *ret)
{
	struct wire_reject j = { 0 };
	int r;

	/* an older one ends sooner; what is not there is 0 */
	if (!data || n < WIRE_REJECT_MIN)
		return -EPROTO;
	memcpy(&j, data, n < sizeof(j) ? WIRE_REJECT_MIN : sizeof(j));
	r = check_header(j.magic, j.version);
	if (r < 0)
		return r;
	j.reason = le16toh(j.reason);
	j.cause = le16toh(j.cause);
	j.text[sizeof(j.text) - 1] = 0;
	/* It goes to somebody's terminal. */
	for (char *c = j.text; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	*ret = j;
	return 0;
}

int wire_get_message(const void *data, size_t n, struct wire_message *ret)
{
	struct wire_message m;
	int r;

	if (!data || n != sizeof(m))
		return -EPROTO;
	memcpy(&m, data, sizeof(m));
	r = check_header(m.magic, m.version);
	if (r < 0)
		return r;
	m.type = le16toh(m.type);
	m.revocation = le64toh(m.revocation);
	m.offset = le64toh(m.offset);
	m.length = le64toh(m.length);
	m.valid_length = le64toh(m.valid_length);
	m.time_left_msec = le32toh(m.time_left_msec);
	m.cause = le16toh(m.cause);
	m.outcome = le16toh(m.outcome);
	m.rkey = le32toh(m.rkey);
	m.generation = le32toh(m.generation);
	m.request = le64toh(m.request);
	switch (m.type) {
	case WIRE_REVOCATION_ASKED:
	case WIRE_REVOCATION_SETTLED:
		if (!m.revocation)
			return -EPROTO;
		break;
	case WIRE_LENGTH_CHANGED:
		break;
	case WIRE_SYNCED:
		if (!m.request || m.outcome > WIRE_SYNC_RANGE)
			return -EPROTO;
		break;
	default:
		return -EPROTO;
	}
	*ret = m;
	return 0;
}

void wire_put_ack(struct wire_message *ret, uint64_t revocation)
{
	*ret = (struct wire_message){
		.magic = htole32(WIRE_MAGIC),
		.version = htole16(WIRE_VERSION),
		.type = htole16(WIRE_REVOCATION_ACK),
		.revocation = htole64(revocation),
	};
}

void wire_put_sync(struct wire_message *ret, uint64_t request, uint64_t offset, uint64_t length)
{
	*ret = (struct wire_message){
		.magic = htole32(WIRE_MAGIC),
		.version = htole16(WIRE_VERSION),
		.type = htole16(WIRE_SYNC),
		.offset = htole64(offset),
		.length = htole64(length),
		.request = htole64(request),
	};
}

int wire_refusal_errno(uint16_t reason, const char **ret_hint)
{
	static const struct {
		int error;
		const char *hint;
	} refusals[] = {
		[WIRE_REFUSED_MALFORMED] = { EPROTO,
					     "install one version of rdmareg on both machines" },
		[WIRE_REFUSED_TICKET] = { EACCES, "ask the region's owner for a new one" },
		[WIRE_REFUSED_RIGHTS] = { EPERM,
					  "connect for reading only, or ask for another ticket" },
		[WIRE_REFUSED_LIMIT] = { EUSERS, "or have peers_per_tenant raised there" },
		[WIRE_REFUSED_SHARE] = { EUSERS,
					 "let a peer of this one leave, ask for another ticket, or have "
					 "peers_per_tenant raised there" },
		[WIRE_REFUSED_RESOURCES] = { ENOBUFS,
					     "have connections closed there that nobody uses" },
		[WIRE_REFUSED_MTU] = { EMSGSIZE,
				       "raise the MTU of the network between the machines" },
	};

	if (reason >= ARRAY_SIZE(refusals) || !refusals[reason].error) {
		*ret_hint = "this version of librdmareg does not know that reason";
		return ECONNREFUSED;
	}
	*ret_hint = refusals[reason].hint;
	return refusals[reason].error;
}
