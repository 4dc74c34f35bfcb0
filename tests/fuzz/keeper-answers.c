// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-answers.c - what a keeper sends to the daemon, through a real socket into the daemon's
 * reader.
 *
 * Measured: daemon/proxy/link.c daemon/proxy/check.c
 *
 * The input is packets: HOW MANY BYTES (2), whether a descriptor comes with it (1), BYTES. What is
 * handed on is of a known type, with text that ends and values that are in their enumerations; the
 * rest of it is zero. After a packet that makes no sense the connection is lost, once, and each
 * descriptor that came is dropped.
 */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "bytes.h"
#include "proxy/link.h"
#include "temporary.h"
#include "util/passed.h"

static struct event_base *base;
static int listener = -1;
static char path[96];
static unsigned int lost, dropped, kept;
static bool expects, harmless;

#define ENDS(a) assert(memchr(a, 0, sizeof(a)))

static void check_region(const struct keeper_region *r)
{
	ENDS(r->mode_reason);
	ENDS(r->path);
	ENDS(r->ticket);
	ENDS(r->damage);
	assert(r->revocation <= UINT64_MAX / 2 && r->generation <= UINT32_MAX / 2);
	assert(r->access < _REGION_ACCESS_MAX && r->policy < _REGION_POLICY_MAX &&
	       r->mode < _ARBITRATION_MODE_MAX && r->state < _REGION_STATE_MAX &&
	       r->revocation_cause < _REVOCATION_CAUSE_MAX && r->warm_mode < _WARM_MODE_MAX &&
	       r->durability < _REGION_DURABILITY_MAX);
	assert(r->length && r->offset + r->length <= INT64_MAX && r->valid_length <= r->length);
	assert(r->revocation_offset + r->revocation_length <= r->length);
}

static const char *received(void *userdata, const struct keeper_message *m, int *fd)
{
	(void)userdata;
	assert(!lost && keeper_type_is_known(m->type));
	assert(keeper_kind(m->type) == (m->operation ? KEEPER_ANSWER : KEEPER_EVENT));
	assert(*fd < 0 || (expects && m->type == KEEPER_DONE));
	switch ((enum keeper_type)m->type) {
	case KEEPER_WELCOME:
		ENDS(m->welcome.session);
		ENDS(m->welcome.address);
		ENDS(m->welcome.device);
		ENDS(m->welcome.no_adapter);
		break;
	case KEEPER_REGION:
		assert(m->region && m->region <= UINT64_MAX / 2);
		check_region(&m->info);
		break;
	case KEEPER_PEER:
	case KEEPER_PEER_JOINED:
	case KEEPER_PEER_LEFT:
	case KEEPER_PEER_ACK:
		ENDS(m->peer.address);
		break;
	case KEEPER_TICKET:
		ENDS(m->ticket.text);
		break;
	case KEEPER_DONE:
		ENDS(m->done.text);
		assert(m->done.error <= 0 && m->done.error >= -4095);
		break;
	case KEEPER_REVOCATION:
	case KEEPER_FENCED:
	case KEEPER_GIVEN_BACK:
	case KEEPER_SETTLED:
		assert(m->revocation.revocation && m->revocation.cause < _REVOCATION_CAUSE_MAX &&
		       m->revocation.outcome < _REVOCATION_OUTCOME_MAX);
		assert(m->revocation.offset + m->revocation.length <= INT64_MAX);
		break;
	default:
		break;
	}
	if (*fd >= 0 && m->operation % 2) { /* somebody waits for it */
		close(*fd);
		*fd = -1;
		kept++;
	}
	return NULL;
}

static bool expects_descriptor(void *userdata)
{
	(void)userdata;
	return expects;
}

static void drop_descriptor(void *userdata, int fd)
{
	(void)userdata;
	dropped++;
	close(fd);
}

static void on_writable(void *userdata)
{
	(void)userdata;
}

static void on_lost(void *userdata, const char *complaint)
{
	(void)userdata;
	assert(!complaint || *complaint);
	lost++;
}

static void begin(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (base)
		return;
	snprintf(path, sizeof(path), "%s/socket", temporary_folder());
	base = event_base_new();
	listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	strcpy(a.sun_path, path);
	assert(base && bind(listener, (struct sockaddr *)&a, sizeof(a)) == 0 &&
	       listen(listener, 1) == 0);
}

/* An event that only later versions have says nothing, and is no reason to hang up. */
static bool is_of_later_version(const uint8_t *packet, size_t size)
{
	struct keeper_message m = { 0 };

	memcpy(&m, packet, size < KEEPER_HEADER_SIZE ? size : KEEPER_HEADER_SIZE);
	return size >= KEEPER_HEADER_SIZE && size <= KEEPER_PACKET_MAX && !m.operation &&
	       keeper_kind(m.type) == KEEPER_EVENT && !keeper_type_is_known(m.type);
}

/* True: a descriptor left with it. */
static bool send_packet(int fd, struct bytes *b)
{
	uint16_t size = bytes_u16(b);
	uint8_t how = bytes_u8(b), packet[KEEPER_PACKET_MAX + 64];
	struct iovec iov = { .iov_base = packet };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	union passed_one control;

	expects = how & 2;
	iov.iov_len = size % sizeof(packet);
	bytes_take(b, packet, iov.iov_len);
	pass_descriptor(&h, &control, how & 1 ? STDIN_FILENO : -1);
	harmless = !(how & 1) && is_of_later_version(packet, iov.iov_len);
	return iov.iov_len && sendmsg(fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 && how & 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct link_handlers handlers = {
		.received = received,
		.expects_descriptor = expects_descriptor,
		.drop_descriptor = drop_descriptor,
		.writable = on_writable,
		.lost = on_lost,
	};
	struct bytes b = { data, size };
	unsigned int passed = 0;
	struct link *l;
	int fd;

	begin();
	lost = dropped = kept = 0;
	assert(link_connect(&l, base, path, &handlers, NULL) == 0);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert(fd >= 0);
	while (b.left && !lost) {
		passed += send_packet(fd, &b);
		event_base_loop(base, EVLOOP_NONBLOCK);
		assert(!harmless || !lost);
	}
	close(fd);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert(lost == 1 && dropped + kept == passed);
	link_free(l);
	assert(dropped + kept == passed + 1);
	return 0;
}
