// SPDX-License-Identifier: GPL-2.0-or-later
/* reach.c - see reach.h. */
#include "reach.h"

#include <errno.h>
#include <rdma/rdma_verbs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "plain.h"

/* Messages that a keeper may send while nobody looks. */
#define RECEIVES 8u

const char *const way_names[_WAY_MAX] = { "rdmaregd", "plain odp", "plain pinned" };

/* The library has its own sentences. */
static _Noreturn void fail(void)
{
	errno = 0;
	die(rdmareg_last_error());
}

static char *pages(size_t length)
{
	char *p = mmap(NULL, length, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		die("buffer");
	return p;
}

static void parse_ticket(const char *text, char *host, char *port, struct wire_connect *request)
{
	char token[2 * WIRE_TOKEN_BYTES + 1];
	unsigned long long region;

	if (sscanf(text, WIRE_TICKET_SCHEME "%63[^:]:%7[0-9]/%llu?%32[0-9a-f]", host, port, &region,
		   token) != 4)
		die(text);
	*request = (struct wire_connect){ .magic = WIRE_MAGIC,
					  .version = WIRE_VERSION,
					  .rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE,
					  .region = region };
	for (size_t i = 0; i < WIRE_TOKEN_BYTES; i++)
		sscanf(token + 2 * i, "%2hhx", &request->token[i]);
}

static void connect_peer(struct reach *r, const char *ticket)
{
	struct wire_connect request;
	struct rdma_addrinfo hints = { .ai_port_space = RDMA_PS_TCP }, *info;
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
		.cap = { .max_send_wr = 16,
			 .max_recv_wr = RECEIVES,
			 .max_send_sge = 1,
			 .max_recv_sge = 1 },
	};
	struct rdma_conn_param param = {
		.private_data = &request,
		.private_data_len = sizeof(request),
		.responder_resources = 4,
		.initiator_depth = 4,
		.retry_count = 6,
		.rnr_retry_count = 7,
	};
	char host[64], port[8];

	parse_ticket(ticket, host, port, &request);
	if (rdma_getaddrinfo(host, port, &hints, &info) ||
	    rdma_create_ep(&r->id, info, NULL, &init))
		die("route to node a");
	rdma_freeaddrinfo(info);
	/* the last page is for what is received */
	r->memory = pages(r->buffer_bytes + PAGE);
	memset(r->memory, 0x5a, r->buffer_bytes);
	r->mr = ibv_reg_mr(r->id->pd, r->memory, r->buffer_bytes + PAGE, IBV_ACCESS_LOCAL_WRITE);
	if (!r->mr)
		die("registering the buffer");
	for (unsigned int i = 0; i < RECEIVES; i++)
		if (rdma_post_recv(r->id, NULL,
				   r->memory + r->buffer_bytes + i * sizeof(struct wire_message),
				   sizeof(struct wire_message), r->mr))
			die("posting a receive");
	if (rdma_connect(r->id, &param))
		die("connecting");
	memcpy(&r->granted, r->id->event->param.conn.private_data, sizeof(r->granted));
}

enum rdmareg_warm_mode reach_warm_mode;

static void open_region(struct reach *r, int fd, char **ret_ticket)
{
	struct rdmareg_register_options options = { .size = sizeof(options),
						    .warm_mode = reach_warm_mode };

	if (rdmareg_open(NULL, &r->context) < 0 ||
	    rdmareg_register(r->context, fd, 0, 0, RDMAREG_ACCESS_READ_WRITE, &options,
			     &r->region) < 0 ||
	    rdmareg_export(r->region, NULL, ret_ticket) < 0)
		fail();
}

int reach_open(struct reach *r, enum way way, int fd, size_t length, size_t buffer_bytes)
{
	char plain_ticket[WIRE_TICKET_MAX], *ticket = NULL;

	*r = (struct reach){ .buffer_bytes = buffer_bytes };
	if (way == WAY_REGION) {
		open_region(r, fd, &ticket);
	} else {
		int e = plain_register(fd, length, way == WAY_ODP ? PLAIN_ODP : PLAIN_PINNED,
				       plain_ticket);

		if (e < 0)
			return e;
	}
	connect_peer(r, ticket ? ticket : plain_ticket);
	free(ticket);
	return 0;
}

void reach_close(struct reach *r)
{
	ibv_dereg_mr(r->mr);
	rdma_destroy_ep(
		r->id); /* the kernel says goodbye; rdma_disconnect() would wait for an answer */
	munmap(r->memory, r->buffer_bytes + PAGE);
	if (r->region && rdmareg_release(r->region) < 0)
		fail();
	rdmareg_region_free(r->region);
	rdmareg_close(r->context);
	*r = (struct reach){ 0 };
}

static double transfer(struct reach *r, enum ibv_wr_opcode opcode, size_t length, uint64_t offset)
{
	struct ibv_sge sge = { .addr = (uintptr_t)r->memory,
			       .length = (uint32_t)length,
			       .lkey = r->mr->lkey };
	struct ibv_send_wr *bad, wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = opcode,
		.wr.rdma = { .remote_addr = r->granted.address + offset, .rkey = r->granted.rkey },
	};
	double start = now_usec();
	struct ibv_wc wc;
	int n;

	if (ibv_post_send(r->id->qp, &wr, &bad))
		die("posting");
	while (!(n = ibv_poll_cq(r->id->send_cq, 1, &wc)))
		;
	errno = 0;
	if (n < 0 || wc.status)
		die(n < 0 ? "polling" : ibv_wc_status_str(wc.status));
	return now_usec() - start;
}

double reach_write(struct reach *r, size_t length, uint64_t offset)
{
	if (!r->same) {
		r->n_writes++;
		memcpy(r->memory, &r->n_writes, sizeof(r->n_writes));
	}
	return transfer(r, IBV_WR_RDMA_WRITE, length, offset);
}

double reach_read(struct reach *r, size_t length, uint64_t offset)
{
	return transfer(r, IBV_WR_RDMA_READ, length, offset);
}
