// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * keeper-drive-peer.c - see keeper-drive-peer.h. Little endian machines only, as every one with an
 * adapter in the lab is.
 */
#include "keeper-drive-peer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096
#define RECEIVES 8
#define PATIENCE_MSEC 10000
#define PUPPET_FD 3

enum verb { CONNECT, WRITE, READ, MESSAGE, ACKNOWLEDGE, DISCONNECTED };

struct command {
	enum verb verb;
	uint64_t address;
	uint32_t rkey;
	int msec;
	uint16_t rights;
	uint8_t byte;
	uint64_t revocation;
	char ticket[WIRE_TICKET_MAX];
};

struct answer {
	int status;
	uint8_t byte;
	struct wire_accept accept;
	struct wire_message message;
};

/* What follows is the peer's own process. */
static struct rdma_event_channel *channel;
static struct rdma_cm_id *id;
static struct ibv_pd *pd;
static struct ibv_cq *send_cq, *recv_cq;
static struct ibv_mr *mr;
static uint8_t *page; /* data, then one page for messages */
static struct wire_message *messages;

static void give_up(const char *what)
{
	perror(what);
	_exit(1);
}

static bool readable(int fd, int msec)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, msec) > 0;
}

/* True if it was the event wanted. @a gets what came with it. */
static bool next_event(enum rdma_cm_event_type wanted, struct answer *a)
{
	struct rdma_cm_event *e;
	bool ok;

	if (!readable(channel->fd, PATIENCE_MSEC) || rdma_get_cm_event(channel, &e))
		return false;
	ok = e->event == wanted;
	if (!ok)
		fprintf(stderr, "puppet: %s, status %d\n", rdma_event_str(e->event), e->status);
	if (e->event == RDMA_CM_EVENT_ESTABLISHED)
		memcpy(&a->accept, e->param.conn.private_data, sizeof(a->accept));
	if (e->event == RDMA_CM_EVENT_REJECTED &&
	    e->param.conn.private_data_len >= sizeof(struct wire_reject)) {
		struct wire_reject r;

		memcpy(&r, e->param.conn.private_data, sizeof(r));
		a->status = r.reason;
	}
	rdma_ack_cm_event(e);
	return ok;
}

static void post_receive(uint32_t i)
{
	struct ibv_sge s = { .addr = (uintptr_t)&messages[i],
			     .length = sizeof(*messages),
			     .lkey = mr->lkey };
	struct ibv_recv_wr w = { .wr_id = i, .sg_list = &s, .num_sge = 1 }, *bad;

	if (ibv_post_recv(id->qp, &w, &bad))
		give_up("post_recv");
}

static void do_connect(const struct command *c, struct answer *a)
{
	struct wire_connect request = { .magic = WIRE_MAGIC,
					.version = WIRE_VERSION,
					.rights = c->rights };
	struct rdma_conn_param param = { .private_data = &request,
					 .private_data_len = sizeof(request),
					 .responder_resources = 1,
					 .initiator_depth = 1,
					 .retry_count = 6,
					 .rnr_retry_count = 7 };
	struct ibv_qp_init_attr init = { .qp_type = IBV_QPT_RC,
					 .sq_sig_all = 1,
					 .cap = { .max_send_wr = 8,
						  .max_recv_wr = RECEIVES,
						  .max_send_sge = 1,
						  .max_recv_sge = 1 } };
	struct sockaddr_in to = { .sin_family = AF_INET };
	unsigned long long region;
	char host[64], token[33];
	unsigned int port;

	a->status = -1;
	if (sscanf(c->ticket, WIRE_TICKET_SCHEME "%63[0-9.]:%u/%llu?%32s", host, &port, &region,
		   token) != 4)
		return;
	request.region = region;
	for (int i = 0; i < WIRE_TOKEN_BYTES; i++)
		sscanf(token + 2 * i, "%2hhx", &request.token[i]);
	inet_pton(AF_INET, host, &to.sin_addr);
	to.sin_port = htons((uint16_t)port);
	channel = rdma_create_event_channel();
	if (!channel || rdma_create_id(channel, &id, NULL, RDMA_PS_TCP) ||
	    rdma_resolve_addr(id, NULL, (struct sockaddr *)&to, PATIENCE_MSEC) ||
	    !next_event(RDMA_CM_EVENT_ADDR_RESOLVED, a) || rdma_resolve_route(id, PATIENCE_MSEC) ||
	    !next_event(RDMA_CM_EVENT_ROUTE_RESOLVED, a))
		give_up("resolving");
	pd = ibv_alloc_pd(id->verbs);
	page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	messages = (struct wire_message *)(page + PAGE);
	mr = ibv_reg_mr(pd, page, 2 * PAGE, IBV_ACCESS_LOCAL_WRITE);
	init.send_cq = send_cq = ibv_create_cq(id->verbs, 16, NULL, NULL, 0);
	init.recv_cq = recv_cq = ibv_create_cq(id->verbs, 16, NULL, NULL, 0);
	if (!mr || rdma_create_qp(id, pd, &init))
		give_up("queue pair");
	for (uint32_t i = 0; i < RECEIVES; i++)
		post_receive(i);
	if (rdma_connect(id, &param))
		give_up("connect");
	if (next_event(RDMA_CM_EVENT_ESTABLISHED, a))
		a->status = 0;
}

static int poll_cq(struct ibv_cq *cq, struct ibv_wc *wc, int msec)
{
	/* a completion channel would be politer; a test may burn a little */
	for (int i = 0; i <= msec; i++) {
		if (ibv_poll_cq(cq, 1, wc) > 0)
			return 1;
		poll(NULL, 0, 1);
	}
	return 0;
}

static int post(enum ibv_wr_opcode opcode, void *local, uint32_t length, uint64_t address,
		uint32_t rkey)
{
	struct ibv_sge s = { .addr = (uintptr_t)local, .length = length, .lkey = mr->lkey };
	struct ibv_send_wr w = { .sg_list = &s,
				 .num_sge = 1,
				 .opcode = opcode,
				 .wr.rdma = { address, rkey } },
			   *bad;
	struct ibv_wc wc;

	if (ibv_post_send(id->qp, &w, &bad))
		return -1;
	return poll_cq(send_cq, &wc, PATIENCE_MSEC) ? (int)wc.status : -2;
}

static void do_message(const struct command *c, struct answer *a)
{
	struct ibv_wc wc;

	a->status = -1;
	if (!poll_cq(recv_cq, &wc, c->msec) || wc.status)
		return;
	a->status = 0;
	a->message = messages[wc.wr_id];
	post_receive((uint32_t)wc.wr_id);
}

static void obey(const struct command *c, struct answer *a)
{
	struct wire_message *m = (struct wire_message *)page;

	switch (c->verb) {
	case CONNECT:
		do_connect(c, a);
		break;
	case WRITE:
		memset(page, c->byte, PAGE);
		a->status = post(IBV_WR_RDMA_WRITE, page, PAGE, c->address, c->rkey);
		break;
	case READ:
		memset(page, 0xee, PAGE);
		a->status = post(IBV_WR_RDMA_READ, page, PAGE, c->address, c->rkey);
		a->byte = page[0];
		break;
	case MESSAGE:
		do_message(c, a);
		break;
	case ACKNOWLEDGE:
		*m = (struct wire_message){ .magic = WIRE_MAGIC,
					    .version = WIRE_VERSION,
					    .type = WIRE_REVOCATION_ACK,
					    .revocation = c->revocation };
		a->status = post(IBV_WR_SEND, m, sizeof(*m), 0, 0);
		break;
	case DISCONNECTED:
		a->status =
			readable(channel->fd, c->msec) && next_event(RDMA_CM_EVENT_DISCONNECTED, a);
		break;
	}
}

int puppet_main(void)
{
	struct command c;

	while (recv(PUPPET_FD, &c, sizeof(c), 0) == sizeof(c)) {
		struct answer a = { 0 };

		obey(&c, &a);
		if (send(PUPPET_FD, &a, sizeof(a), 0) < 0)
			break;
	}
	return 0;
}

/* What follows is its master. */
void puppet_start(struct puppet *p, const char *node)
{
	char self[256] = "";
	int pair[2];

	memset(p, 0, sizeof(*p));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		give_up("socketpair");
	p->pid = fork();
	if (p->pid == 0) {
		/*
		 * ip-netns(8) also shows it the other node's sysfs, where libibverbs looks; nothing
		 * of the master's may stay open
		 */
		if (dup2(pair[1], PUPPET_FD) < 0)
			give_up("dup2");
		if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
			give_up("readlink");
		closefrom(PUPPET_FD + 1);
		execlp("ip", "ip", "netns", "exec", node, self, PUPPET_ARGUMENT, NULL);
		give_up("ip");
	}
	close(pair[1]);
	p->fd = pair[0];
}

static struct answer command(struct puppet *p, const struct command *c)
{
	struct answer a = { .status = -3 };

	if (send(p->fd, c, sizeof(*c), MSG_NOSIGNAL) < 0 ||
	    recv(p->fd, &a, sizeof(a), 0) != sizeof(a))
		a.status = -3;
	return a;
}

bool puppet_connect(struct puppet *p, const char *ticket, uint16_t rights)
{
	struct command c = { .verb = CONNECT, .rights = rights };
	struct answer a;

	snprintf(c.ticket, sizeof(c.ticket), "%s", ticket);
	a = command(p, &c);
	p->accept = a.accept;
	p->refused = a.status;
	return a.status == 0;
}

int puppet_write_raw(struct puppet *p, uint64_t address, uint32_t rkey)
{
	return command(p,
		       &(struct command){
			       .verb = WRITE, .address = address, .rkey = rkey, .byte = '!' })
		.status;
}

int puppet_write(struct puppet *p, uint64_t offset, uint8_t byte)
{
	return command(p, &(struct command){ .verb = WRITE,
					     .address = p->accept.address + offset,
					     .rkey = p->accept.rkey,
					     .byte = byte })
		.status;
}

int puppet_read(struct puppet *p, uint64_t offset, uint8_t *ret_byte)
{
	struct answer a = command(p, &(struct command){ .verb = READ,
							.address = p->accept.address + offset,
							.rkey = p->accept.rkey });

	*ret_byte = a.byte;
	return a.status;
}

bool puppet_message(struct puppet *p, struct wire_message *ret, int msec)
{
	struct answer a = command(p, &(struct command){ .verb = MESSAGE, .msec = msec });

	*ret = a.message;
	return a.status == 0;
}

void puppet_acknowledge(struct puppet *p, uint64_t revocation)
{
	command(p, &(struct command){ .verb = ACKNOWLEDGE, .revocation = revocation });
}

bool puppet_is_disconnected(struct puppet *p, int msec)
{
	return command(p, &(struct command){ .verb = DISCONNECTED, .msec = msec }).status == 1;
}

void puppet_end(struct puppet *p)
{
	kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
	close(p->fd);
}
