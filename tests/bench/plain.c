// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plain.c - see plain.h.
 *
 * One connection of SOCK_SEQPACKET between the two processes, one answer to each order. The server
 * ends when the other end is closed.
 */
#include "plain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <rdma/rdma_cma.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "pass.h"
#include "rdmareg-wire.h"

#define REGISTERED_MAX 8
#define FAR_ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ)

enum verb { REGISTER, RELEASE_ALL };

struct order {
	enum verb verb;
	enum plain_kind kind;
	size_t length;
};

struct answer {
	int error;
	char ticket[WIRE_TICKET_MAX];
};

struct registered {
	void *map;
	size_t length;
	struct ibv_mr *mr;
	struct rdma_cm_id *peer;
};

static int to_server = -1;

static struct rdma_event_channel *channel;
static struct rdma_cm_id *listener;
static struct ibv_pd *pd;
static struct registered registered[REGISTERED_MAX];
static size_t n_registered;

static void listen_on(const char *address)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };

	if (inet_pton(AF_INET, address, &sin.sin_addr) != 1)
		die(address);
	channel = rdma_create_event_channel();
	if (!channel || rdma_create_id(channel, &listener, NULL, RDMA_PS_TCP) ||
	    rdma_bind_addr(listener, (struct sockaddr *)&sin) || rdma_listen(listener, 8))
		die("plain: listening");
	pd = ibv_alloc_pd(listener->verbs);
	if (!pd)
		die("plain: protection domain");
}

static int do_register(int fd, const struct order *order, struct registered *r)
{
	int access = FAR_ACCESS | (order->kind == PLAIN_ODP ? IBV_ACCESS_ON_DEMAND : 0);

	*r = (struct registered){ .length = order->length };
	r->map = mmap(NULL, order->length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (r->map == MAP_FAILED)
		return -errno;
	r->mr = ibv_reg_mr(pd, r->map, order->length, access);
	if (!r->mr) {
		int e = errno;

		munmap(r->map, order->length);
		return -e;
	}
	return 0;
}

/* The next event of that type; those of peers that go are passed over. */
static struct rdma_cm_id *await(enum rdma_cm_event_type type)
{
	struct rdma_cm_event *event;

	for (;;) {
		struct rdma_cm_id *id;
		enum rdma_cm_event_type got;

		if (rdma_get_cm_event(channel, &event))
			die("plain: event");
		got = event->event;
		id = event->id;
		rdma_ack_cm_event(event);
		if (got == type)
			return id;
		if (got != RDMA_CM_EVENT_DISCONNECTED && got != RDMA_CM_EVENT_TIMEWAIT_EXIT) {
			fprintf(stderr, "plain: %s\n", rdma_event_str(got));
			exit(1);
		}
	}
}

static void admit(struct registered *r)
{
	struct wire_accept grant = {
		.magic = WIRE_MAGIC,
		.version = WIRE_VERSION,
		.rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE,
		.address = (uintptr_t)r->map,
		.length = r->length,
		.valid_length = r->length,
		.rkey = r->mr->rkey,
		.generation = 1,
		.alignment = PAGE,
		.minimum_mtu = 4096,
		.grace_msec = 1000,
		.receive_depth = 1,
	};
	struct rdma_conn_param accept = {
		.private_data = &grant,
		.private_data_len = sizeof(grant),
		.responder_resources = 4,
		.initiator_depth = 4,
		.rnr_retry_count = 7,
	};
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 4, .max_recv_wr = 4, .max_send_sge = 1, .max_recv_sge = 1 },
	};

	r->peer = await(RDMA_CM_EVENT_CONNECT_REQUEST);
	if (rdma_create_qp(r->peer, pd, &init) || rdma_accept(r->peer, &accept))
		die("plain: accepting");
	await(RDMA_CM_EVENT_ESTABLISHED);
}

static void release_all(void)
{
	for (size_t i = 0; i < n_registered; i++) {
		rdma_destroy_qp(registered[i].peer);
		rdma_destroy_id(registered[i].peer);
		ibv_dereg_mr(registered[i].mr);
		munmap(registered[i].map, registered[i].length);
	}
	n_registered = 0;
}

static _Noreturn void serve(int orders, const char *address)
{
	int fds[PASS_MAX];
	struct order order;
	size_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	listen_on(address);
	while (pass_receive(orders, &order, sizeof(order), fds, &n) == sizeof(order)) {
		struct answer answer = { 0 };
		struct registered *r = &registered[n_registered];

		if (order.verb == RELEASE_ALL)
			release_all();
		else
			answer.error = n_registered < REGISTERED_MAX
					       ? do_register(fds[0], &order, r)
					       : -ENOSPC;
		if (n)
			close(fds[0]);
		snprintf(answer.ticket, sizeof(answer.ticket), WIRE_TICKET_SCHEME "%s:%u/1?%032d",
			 address, ntohs(rdma_get_src_port(listener)), 0);
		if (!pass_send(orders, &answer, sizeof(answer), NULL, 0))
			break;
		if (order.verb == REGISTER && !answer.error) {
			n_registered++;
			admit(r);
		}
	}
	_exit(0);
}

void plain_start(const char *address)
{
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		die("socketpair");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid) {
		close(pair[0]);
		serve(pair[1], address);
	}
	close(pair[1]);
	to_server = pair[0];
	go_to_peer();
}

static struct answer ask(const struct order *order, const int *fds, size_t n)
{
	struct answer answer;
	int none[PASS_MAX];

	if (!pass_send(to_server, order, sizeof(*order), fds, n) ||
	    pass_receive(to_server, &answer, sizeof(answer), none, &n) != sizeof(answer))
		die("the plain side has gone");
	return answer;
}

int plain_register(int fd, size_t length, enum plain_kind kind, char *ret_ticket)
{
	struct order order = { .verb = REGISTER, .kind = kind, .length = length };
	struct answer answer = ask(&order, &fd, 1);

	if (!answer.error)
		memcpy(ret_ticket, answer.ticket, sizeof(answer.ticket));
	return answer.error;
}

void plain_release_all(void)
{
	struct order order = { .verb = RELEASE_ALL };

	ask(&order, NULL, 0);
}
