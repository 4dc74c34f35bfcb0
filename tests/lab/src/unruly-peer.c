// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * unruly-peer.c - a remote peer that breaks the rules, one way per run, so that scenarios can see
 * what the keeper makes of it.
 *
 *   unruly-peer TICKET MODE
 *
 *   no-data, garbage, bad-magic, bad-version, bad-region, bad-token, no-rights   a connection
 *   request that must be refused
 *   vanish        connects, and is gone without a word
 *   half-open     sends the request and never finishes the handshake
 *   short-message, long-message, bad-message    connects, then sends what is no control message
 *   early-ack     acknowledges a revocation that was never asked, then writes and reads as usual
 *   (that must work)
 *   sync-flood    asks for durability of ranges that are not inside the region, over and over,
 *   which nobody carries out
 *   hammer        writes the last page that is valid over and over, whatever it is told, until an
 *   operation fails
 *
 * Prints one line: `refused REASON TEXT`, `connected`, `disconnected`, or for hammer `failed after
 * N writes: STATUS`. Exits 0 when it could do its worst, 1 when it could not. It speaks
 * rdmareg-wire.h by itself and shares no code with librdmareg.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <rdma/rdma_cma.h>
#include <rdma/rdma_verbs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "rdmareg-wire.h"

#define PAGE 4096u
#define PATIENCE_MSEC 20000

static struct rdma_cm_id *id; /* without an event channel: each call waits for its event */
static struct wire_connect request = { .magic = WIRE_MAGIC,
				       .version = WIRE_VERSION,
				       .rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE };
static struct wire_accept granted;
static unsigned char *buffer;
static struct ibv_mr *buffer_mr;

static void die(const char *what)
{
	fprintf(stderr, "unruly-peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void parse_ticket(const char *text, char *host, char *port)
{
	char token[2 * WIRE_TOKEN_BYTES + 1];
	unsigned long long region;

	if (sscanf(text, WIRE_TICKET_SCHEME "%63[^:]:%7[0-9]/%llu?%32[0-9a-f]", host, port, &region,
		   token) != 4) {
		fprintf(stderr, "unruly-peer: not a ticket: %s\n", text);
		exit(2);
	}
	request.region = region;
	for (size_t i = 0; i < WIRE_TOKEN_BYTES; i++)
		sscanf(token + 2 * i, "%2hhx", &request.token[i]);
}

static void resolve(const char *host, const char *port)
{
	struct rdma_addrinfo hints = { .ai_port_space = RDMA_PS_TCP }, *info;
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
		.cap = { .max_send_wr = 16,
			 .max_recv_wr = 16,
			 .max_send_sge = 1,
			 .max_recv_sge = 1 },
	};

	if (rdma_getaddrinfo((char *)host, (char *)port, &hints, &info))
		die("address");
	if (rdma_create_ep(&id, info, NULL, &init))
		die("route to the keeper");
	buffer = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		die("memory");
	buffer_mr = ibv_reg_mr(id->pd, buffer, 16 * PAGE, IBV_ACCESS_LOCAL_WRITE);
	if (!buffer_mr)
		die("registering");
	for (int i = 0; i < 8; i++)
		if (rdma_post_recv(id, NULL, buffer + (8 + i) * PAGE, sizeof(struct wire_message),
				   buffer_mr))
			die("posting a receive");
}

/* Returns whether the keeper let us in; prints the refusal if not. */
static int connect_with(const void *data, uint8_t length)
{
	struct rdma_conn_param param = {
		.private_data = data,
		.private_data_len = length,
		.responder_resources = 1,
		.initiator_depth = 1,
		.retry_count = 6,
		.rnr_retry_count = 7,
	};

	if (!rdma_connect(id, &param)) {
		memcpy(&granted, id->event->param.conn.private_data, sizeof(granted));
		return 1;
	}
	if (id->event && id->event->event == RDMA_CM_EVENT_REJECTED) {
		struct wire_reject reject = { 0 };

		if (id->event->param.conn.private_data_len >= sizeof(reject))
			memcpy(&reject, id->event->param.conn.private_data, sizeof(reject));
		reject.text[sizeof(reject.text) - 1] = 0;
		printf("refused %d %s\n", reject.magic == WIRE_MAGIC ? reject.reason : -1,
		       reject.text);
		return 0;
	}
	die("connect");
	return 0;
}

static int wait_send(struct ibv_wc *ret)
{
	int n;

	while (!(n = ibv_poll_cq(id->send_cq, 1, ret)))
		;
	return n < 0 ? -1 : (int)ret->status;
}

/* The keeper must end the connection: the receive queue is flushed. */
static int wait_disconnected(void)
{
	struct ibv_wc wc;

	for (int waited = 0; waited < PATIENCE_MSEC; waited += 10) {
		int n = ibv_poll_cq(id->recv_cq, 1, &wc);

		if (n < 0 || (n > 0 && wc.status)) {
			printf("disconnected\n");
			return 0;
		}
		/* nothing to wait on without an event channel: a bounded poll */
		poll(NULL, 0, 10);
		if (rdma_post_send(id, NULL, buffer, 0, buffer_mr,
				   IBV_SEND_SIGNALED | IBV_SEND_INLINE) == 0 &&
		    wait_send(&wc)) {
			printf("disconnected\n");
			return 0;
		}
	}
	printf("still connected\n");
	return 1;
}

static int bad_message(size_t length)
{
	struct ibv_wc wc;

	memset(buffer, 0xa5, PAGE);
	if (rdma_post_send(id, NULL, buffer, length, buffer_mr, IBV_SEND_SIGNALED))
		die("sending");
	wait_send(&wc);
	return wait_disconnected();
}

static int write_page(uint64_t offset)
{
	struct ibv_wc wc;

	if (rdma_post_write(id, NULL, buffer, PAGE, buffer_mr, IBV_SEND_SIGNALED,
			    granted.address + offset, granted.rkey))
		return -errno;
	return wait_send(&wc);
}

static int early_ack(void)
{
	struct wire_message *m = (void *)buffer;
	struct ibv_wc wc;

	*m = (struct wire_message){ .magic = WIRE_MAGIC,
				    .version = WIRE_VERSION,
				    .type = WIRE_REVOCATION_ACK,
				    .revocation = 4711 };
	if (rdma_post_send(id, NULL, buffer, sizeof(*m), buffer_mr, IBV_SEND_SIGNALED) ||
	    wait_send(&wc))
		die("sending");
	if (write_page(0))
		die("writing after an early acknowledgement");
	printf("connected\n");
	return 0;
}

static int sync_flood(void)
{
	struct wire_message *m = (void *)buffer;
	struct ibv_wc wc;

	for (uint64_t i = 1; i <= 1000; i++) {
		*m = (struct wire_message){ .magic = WIRE_MAGIC,
					    .version = WIRE_VERSION,
					    .type = WIRE_SYNC,
					    .offset = i % 2 ? granted.length : UINT64_MAX,
					    .length = i % 3 ? PAGE : 0,
					    .request = i };
		/*
		 * for an answer, if there is one: what nobody carries out is answered once at a
		 * time
		 */
		rdma_post_recv(id, NULL, buffer + 8 * PAGE, sizeof(*m), buffer_mr);
		if (rdma_post_send(id, NULL, buffer, sizeof(*m), buffer_mr, IBV_SEND_SIGNALED) ||
		    wait_send(&wc)) {
			printf("disconnected\n");
			return 0;
		}
	}
	return wait_disconnected();
}

static int hammer(void)
{
	uint64_t last = granted.valid_length - PAGE;
	unsigned long n = 0;
	int status;

	memset(buffer, 0xbd, PAGE);
	printf("connected\n");
	fflush(stdout);
	while (!(status = write_page(last)))
		n++;
	printf("failed after %lu writes: %s\n", n,
	       status > 0 ? ibv_wc_status_str((enum ibv_wc_status)status) : strerror(-status));
	return 0;
}

static int connected_mode(const char *mode)
{
	if (!strcmp(mode, "vanish")) {
		printf("connected\n");
		fflush(stdout);
		_exit(0);
	}
	if (!strcmp(mode, "short-message"))
		return bad_message(7);
	if (!strcmp(mode, "long-message"))
		return bad_message(500);
	if (!strcmp(mode, "bad-message"))
		return bad_message(sizeof(struct wire_message));
	if (!strcmp(mode, "early-ack"))
		return early_ack();
	if (!strcmp(mode, "sync-flood"))
		return sync_flood();
	if (!strcmp(mode, "hammer"))
		return hammer();
	printf("connected\n"); /* one of the requests that should have been refused */
	return 0;
}

/* Another event channel, so that nothing answers the keeper's reply. */
static int half_open(void)
{
	struct rdma_event_channel *channel = rdma_create_event_channel();
	struct rdma_conn_param param = { .private_data = &request,
					 .private_data_len = sizeof(request),
					 .retry_count = 6 };

	if (!channel || rdma_migrate_id(id, channel) || rdma_connect(id, &param))
		die("half a connection");
	printf("connected\n");
	fflush(stdout);
	_exit(0);
}

int main(int argc, char **argv)
{
	char host[64], port[8];
	const char *mode = argc == 3 ? argv[2] : "";
	uint8_t length = sizeof(request);

	if (argc != 3) {
		fprintf(stderr, "usage: unruly-peer TICKET MODE\n");
		return 2;
	}
	parse_ticket(argv[1], host, port);
	resolve(host, port);
	if (!strcmp(mode, "no-data"))
		length = 0;
	else if (!strcmp(mode, "garbage"))
		memset(&request, 0xee, sizeof(request));
	else if (!strcmp(mode, "bad-magic"))
		request.magic++;
	else if (!strcmp(mode, "bad-version"))
		request.version += 7;
	else if (!strcmp(mode, "bad-region"))
		request.region += 1000000;
	else if (!strcmp(mode, "bad-token"))
		request.token[WIRE_TOKEN_BYTES - 1] ^= 1;
	else if (!strcmp(mode, "no-rights"))
		request.rights = 0;
	else if (!strcmp(mode, "half-open"))
		return half_open();
	if (!connect_with(&request, length))
		return 0;
	return connected_mode(mode);
}
