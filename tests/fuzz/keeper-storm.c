// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-storm.c - a whole keeper with fake adapter and kernel in this process, and everything that
 * can happen to it in any order: requests, also such as no daemon makes, files that change, breaks,
 * peers, daemons that come and go.
 *
 * Measured: daemon/keeper/keeper.c daemon/keeper/keeper-request.c daemon/keeper/keeper-tell.c
 * Measured: daemon/keeper/region/register.c daemon/keeper/region/hands.c daemon/keeper/region/end.c
 * Measured: daemon/keeper/region/demand.c daemon/keeper/region/watch.c daemon/keeper/session.c
 *
 * Each byte of the input is one happening. At the end the daemon is gone and the keeper is told to
 * stop: it must end by itself, with no region, no peer and no descriptor left. Sanitizers watch the
 * rest.
 */
#undef NDEBUG
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/fakes/endpoint.h"
#include "tests/fakes/hca.h"
#include "keeper/region/region.h"
#include "keeper/keeper.h"
#include "tests/fakes/watch.h"
#include "util/clock.h"
#include "util/log.h"

#define REGIONS 4
#define PAGE 4096
#define FILE_PAGES 8
#define PATIENCE_USEC (20 * USEC_PER_SEC)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct event_base *base;
static struct keeper *k;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static int daemon_fd = -1, file_fd = -1;
static uint64_t operation;

static const struct keeper_options options = {
	.session = "storm",
	.listen_address = "any",
	.max_regions = REGIONS - 1,
	.max_peers = 3,
	.max_tickets = 2,
	.deadline_margin_msec = 10,
	.alignment = 4096,
};

/* The linker puts this in mprotect's place (--wrap), so that fences and their lifting can fail. */
static bool protect_fails;
int __real_mprotect(void *address_, size_t length, int protection);
int __wrap_mprotect(void *address_, size_t length, int protection);

int __wrap_mprotect(void *address_, size_t length, int protection)
{
	if (protect_fails) {
		protect_fails = false;
		errno = ENOMEM;
		return -1;
	}
	return __real_mprotect(address_, length, protection);
}

static void turn(void)
{
	event_base_loop(base, EVLOOP_NONBLOCK);
}

/* Long enough for the guard's short waits. */
static void let_time_pass(void)
{
	struct timeval tv = timeval_from_usec(12 * USEC_PER_MSEC);

	event_base_loopexit(base, &tv);
	event_base_loop(base, 0);
}

static void listen_to_daemon(void)
{
	struct keeper_message m;
	ssize_t n;

	while (daemon_fd >= 0 && (n = recv(daemon_fd, &m, sizeof(m), MSG_DONTWAIT)) > 0)
		assert(keeper_type_is_known(m.type) && n == (ssize_t)keeper_packet_size(m.type) &&
		       keeper_kind(m.type) == (m.operation ? KEEPER_ANSWER : KEEPER_EVENT));
}

static void send_request(struct keeper_message *m, int fd)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { .h = { .cmsg_level = SOL_SOCKET,
			     .cmsg_type = SCM_RIGHTS,
			     .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec iov = { .iov_base = m, .iov_len = keeper_packet_size(m->type) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (fd >= 0) {
		memcpy(CMSG_DATA(&control.h), &fd, sizeof(fd));
		h.msg_control = &control;
		h.msg_controllen = sizeof(control);
	}
	m->operation = ++operation;
	if (daemon_fd >= 0)
		sendmsg(daemon_fd, &h, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void connect_daemon(void)
{
	struct keeper_message m = { .type = KEEPER_HELLO,
				    .hello = { .versions = keeper_versions,
					       .log_level = LOG_EMERG + 1 } };

	if (daemon_fd >= 0)
		close(daemon_fd);
	daemon_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (connect(daemon_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return;
	send_request(&m, -1);
}

static void send_register(uint64_t region, unsigned int how)
{
	struct keeper_message m = { .type = KEEPER_REGISTER, .region = region };

	m.info.length = (1 + how % FILE_PAGES) * PAGE;
	m.info.offset = how & 2 ? PAGE : 0;
	m.info.grace_usec = how & 1 ? 1000 : 10 * USEC_PER_SEC;
	m.info.access = how & 4 ? ACCESS_READ : ACCESS_READ_WRITE;
	m.info.policy = (uint8_t)(how % _REGION_POLICY_MAX);
	m.info.warm = how & 1;
	send_request(&m, file_fd);
}

static void send_simple(enum keeper_type type, uint64_t region, unsigned int how)
{
	struct keeper_message m = { .type = type, .region = region };
	struct kregion *r = keeper_find(k, region);

	if (type == KEEPER_PREFETCH) {
		m.range.offset = (how & 3) * PAGE;
		m.range.write = how & 1;
	} else if (type == KEEPER_EXPORT) {
		m.ticket.rights = 1 + how % 3;
		m.ticket.uses = how & 1;
	} else if (type == KEEPER_CONFIGURE) {
		m.info.policy = (uint8_t)(how % _REGION_POLICY_MAX);
		m.info.grace_usec = how & 1 ? 2000 : 20 * USEC_PER_SEC;
	} else if (type == KEEPER_CONSENT) {
		m.revocation.revocation = r ? r->guard.revocation : 1;
	}
	send_request(&m, -1);
}

/* Somebody wants a range, has had it, or wants what peers wrote on storage. */
static void send_demand(enum keeper_type type, uint64_t region, unsigned int how)
{
	static uint64_t number;
	struct keeper_message m = {
		.type = type,
		.region = region,
		.demand = { .offset = how % FILE_PAGES * PAGE / 2,
			    .length = 1 + how % (3 * PAGE),
			    .grace_usec = how & 1 ? 1000 : 5 * USEC_PER_SEC,
			    .limit_usec = how & 2 ? 3000 : 0,
			    .cause = how % _REVOCATION_CAUSE_MAX,
			    .pid = how & 4 ? (uint32_t)getpid() : 0 },
	};

	m.demand.demand = type == KEEPER_DEMAND ? ++number : 1 + how % (number + 1);
	send_request(&m, -1);
}

/* Each byte of it is anything, but for those without which it would not be looked at. */
static void send_garbage(uint64_t region, unsigned int how)
{
	struct keeper_message m;
	uint8_t *bytes = (uint8_t *)&m;

	for (size_t i = 0; i < sizeof(m); i++)
		bytes[i] = how & 1 ? (uint8_t)(rand() >> 8) : 0;
	for (unsigned int i = 0; i < (how >> 1) % 8; i++)
		bytes[(unsigned int)rand() % sizeof(m)] = (uint8_t)(rand() >> 8);
	m.type = 2 + how % (_KEEPER_REQUEST_MAX - 2);
	if (how & 64)
		m.region = region;
	send_request(&m, m.type == KEEPER_REGISTER ? file_fd : -1);
}

static void join(uint64_t region, unsigned int how)
{
	struct kregion *r = keeper_find(k, region);
	int refused;

	if (!r || !r->tickets.n)
		return;
	endpoint_fake_connect(k->endpoint, region, 1 + how % 3,
			      r->tickets.item[how % r->tickets.n].token, &refused);
	if (how & 0x10) /* perhaps the one before, and perhaps never */
		endpoint_fake_establish(k->endpoint, region);
}

static void ask_why(uint64_t region, unsigned int how)
{
	static uint64_t number;
	struct kregion *r = keeper_find(k, region);
	struct endpoint_question q = {
		.request = { .region = region, .rights = 1 + how % 3 },
		.number = ++number,
		.offset = how % (2 * FILE_PAGES) * PAGE / 2,
		.length = 1 + how % (3 * PAGE),
	};

	if (!r || !r->tickets.n)
		return;
	memcpy(q.request.token, r->tickets.item[how % r->tickets.n].token, sizeof(q.request.token));
	endpoint_fake_ask(k->endpoint, &q);
}

static void happen(uint8_t what)
{
	uint64_t region = 1 + (what & 3) % REGIONS;
	unsigned int how = (unsigned int)rand();

	switch (what >> 2) {
	case 0 ... 6:
		send_register(region, how);
		break;
	case 7 ... 8:
		send_demand(KEEPER_DEMAND, region, how);
		break;
	case 9:
		send_demand(KEEPER_OVER, region, how);
		break;
	case 10 ... 13:
		send_simple(KEEPER_RELEASE, region, how);
		break;
	case 14 ... 19:
		send_simple(KEEPER_EXPORT, region, how);
		break;
	case 20 ... 24:
		send_simple(KEEPER_PREFETCH, region, how);
		break;
	case 25 ... 26:
		send_simple(KEEPER_CONFIGURE, region, how);
		break;
	case 27 ... 31:
		send_simple(KEEPER_CONSENT, region, how);
		break;
	case 32:
		send_simple(KEEPER_LIST, 0, how);
		break;
	case 33 ... 34:
		connect_daemon();
		break;
	case 35 ... 41:
		watch_fake_break(k->watch, region, (enum rdmareg_operation)(how % 6),
				 how & 64 ? (int64_t)(how % (FILE_PAGES * PAGE)) : -1);
		break;
	case 42:
		watch_fake_kill(k->watch, region);
		break;
	case 43 ... 44:
		watch_fake_invalidate(k->watch, region, 1u << how % 8, 0,
				      PAGE * (1 + how % FILE_PAGES));
		break;
	case 45 ... 49:
		join(region, how);
		break;
	case 50 ... 52:
		endpoint_fake_acknowledge(k->endpoint, region);
		break;
	case 53:
		endpoint_fake_leave(k->endpoint, region);
		break;
	case 54:
		assert(ftruncate(file_fd, (off_t)(how % (FILE_PAGES * PAGE))) == 0);
		break;
	case 55:
		listen_to_daemon();
		break;
	case 56:
		hca_fake_fail_register(how & 1 ? -ENOMEM : -EINVAL);
		break;
	case 57:
		hca_fake_fail_prefetch(how & 1 ? -EFAULT : -ENOMEM);
		break;
	case 58:
		protect_fails = how & 1;
		break;
	case 59:
		let_time_pass();
		break;
	case 60:
		ask_why(region, how);
		break;
	case 61:
		send_garbage(region, how);
		break;
	case 62:
		send_demand(KEEPER_SYNC, region, how);
		break;
	default:
		turn();
		break;
	}
	if (how & 1024)
		turn();
}

static unsigned int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void start(void)
{
	static unsigned int number;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	log_set_level(LOG_EMERG);
	base = event_base_new();
	memset(address.sun_path, 0, sizeof(address.sun_path));
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "keeper-storm.%d.%u", getpid(),
		 number++);
	assert(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	assert(keeper_new(&k, base, fd, &options) == 0);
	file_fd = memfd_create("storm", MFD_CLOEXEC);
	assert(ftruncate(file_fd, FILE_PAGES * PAGE) == 0);
	connect_daemon();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static unsigned int warmed_up;
	unsigned int before = count_fds();
	uint64_t end;

	srand((unsigned int)size);
	start();
	for (size_t i = 0; i < size; i++)
		happen(data[i]);
	for (int i = 0; i < 16; i++) {
		turn();
		listen_to_daemon();
	}
	close(daemon_fd);
	daemon_fd = -1;
	protect_fails = false;
	keeper_stop(k);
	end = now_monotonic_usec() + PATIENCE_USEC;
	while (k->n_regions) {
		assert(now_monotonic_usec() < end);
		event_base_loop(base, EVLOOP_ONCE);
	}
	assert(!keeper_next(k, NULL) && !hca_fake_count());
	for (const struct endpoint_peer *p = endpoint_next(k->endpoint, NULL); p;
	     p = endpoint_next(k->endpoint, p))
		assert(!p->up);
	keeper_free(k);
	event_base_free(base);
	close(file_fd);
	/* the first time libraries open what they keep */
	assert(count_fds() == before || !warmed_up++);
	return 0;
}
