// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * foreign-peer.c - a remote peer that keeps the rules of rdmareg-wire.h and does no more than they
 * ask for: verbs and librdmacm, nothing of librdmareg, no receive buffer, no control message, no
 * RNR retries, one access at a time.
 *
 *   foreign-peer TICKET idle          writes and reads back each page, then says `idle` and does
 *                                     nothing until a line is typed; then writes again
 *   foreign-peer TICKET one-by-one N  N connections, each after the end of the one before
 *   foreign-peer TICKET at-once N     N connections, all there before the first ends
 *
 * Prints `worked N` and, for connections that were refused, `refused REASON N TEXT` of the last;
 * exits with 1 when something neither worked nor was refused in words.
 */
#include <errno.h>
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
#define REASONS 16

struct connection {
	struct rdma_cm_id *id; /* without an event channel: each call waits for its event */
	struct ibv_mr *mr;
	struct wire_accept granted;
};

static struct rdma_addrinfo *keeper;
static struct wire_connect request = { .magic = WIRE_MAGIC,
				       .version = WIRE_VERSION,
				       .rights = WIRE_RIGHT_READ | WIRE_RIGHT_WRITE };
static unsigned char *buffer;
static unsigned int worked, refused[REASONS];
static char words[REASONS][96];

static void die(const char *what)
{
	fprintf(stderr, "foreign-peer: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void take_ticket(const char *text)
{
	struct rdma_addrinfo hints = { .ai_port_space = RDMA_PS_TCP };
	char token[2 * WIRE_TOKEN_BYTES + 1], host[64], port[8];
	unsigned long long region;

	if (sscanf(text, WIRE_TICKET_SCHEME "%63[^:]:%7[0-9]/%llu?%32[0-9a-f]", host, port, &region,
		   token) != 4) {
		fprintf(stderr, "foreign-peer: not a ticket: %s\n", text);
		exit(2);
	}
	request.region = region;
	for (size_t i = 0; i < WIRE_TOKEN_BYTES; i++)
		sscanf(token + 2 * i, "%2hhx", &request.token[i]);
	if (rdma_getaddrinfo(host, port, &hints, &keeper))
		die("address");
}

/* Whether it was let in; a refusal is counted. */
static int open_one(struct connection *c)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
	};
	struct rdma_conn_param param = { .private_data = &request,
					 .private_data_len = sizeof(request),
					 .responder_resources = 1,
					 .initiator_depth = 1,
					 .retry_count = 6 };
	struct wire_reject reject = { 0 };

	memset(c, 0, sizeof(*c));
	if (rdma_create_ep(&c->id, keeper, NULL, &init))
		die("route to the keeper");
	c->mr = ibv_reg_mr(c->id->pd, buffer, PAGE, IBV_ACCESS_LOCAL_WRITE);
	if (!c->mr)
		die("registering a page");
	if (!rdma_connect(c->id, &param)) {
		memcpy(&c->granted, c->id->event->param.conn.private_data, sizeof(c->granted));
		return 1;
	}
	if (!c->id->event || c->id->event->event != RDMA_CM_EVENT_REJECTED ||
	    c->id->event->param.conn.private_data_len < WIRE_REJECT_MIN)
		die("connect");
	memcpy(&reject, c->id->event->param.conn.private_data, WIRE_REJECT_MIN);
	if (reject.magic != WIRE_MAGIC || reject.reason >= REASONS || !*reject.text)
		die("a refusal without words");
	refused[reject.reason]++;
	memcpy(words[reject.reason], reject.text, sizeof(reject.text) - 1);
	return 0;
}

static void close_one(struct connection *c)
{
	if (c->granted.magic)
		rdma_disconnect(c->id);
	if (c->mr)
		ibv_dereg_mr(c->mr);
	rdma_destroy_ep(c->id);
}

static void wait_done(struct connection *c, const char *what)
{
	struct ibv_wc wc;
	int n;

	while (!(n = ibv_poll_cq(c->id->send_cq, 1, &wc)))
		;
	if (n > 0 && !wc.status)
		return;
	fprintf(stderr, "foreign-peer: %s: %s\n", what,
		n < 0 ? "no completion" : ibv_wc_status_str(wc.status));
	exit(1);
}

static void write_and_read(struct connection *c, uint64_t offset, int byte)
{
	uint64_t at = c->granted.address + offset;

	memset(buffer, byte, PAGE);
	if (rdma_post_write(c->id, NULL, buffer, PAGE, c->mr, IBV_SEND_SIGNALED, at,
			    c->granted.rkey))
		die("posting a write");
	wait_done(c, "writing");
	memset(buffer, ~byte, PAGE);
	if (rdma_post_read(c->id, NULL, buffer, PAGE, c->mr, IBV_SEND_SIGNALED, at,
			   c->granted.rkey))
		die("posting a read");
	wait_done(c, "reading");
	for (size_t i = 0; i < PAGE; i++)
		if (buffer[i] != (unsigned char)byte) {
			fprintf(stderr, "foreign-peer: other bytes were read than were written\n");
			exit(1);
		}
}

static void idle(void)
{
	struct connection c;
	char end = 0;

	if (!open_one(&c))
		return;
	for (uint64_t at = 0; at < c.granted.valid_length; at += PAGE)
		write_and_read(&c, at, 1 + (int)(at / PAGE % 200));
	printf("idle\n");
	fflush(stdout);
	while (end != '\n' && read(STDIN_FILENO, &end, 1) > 0)
		;
	write_and_read(&c, 0, 0xfe);
	worked++;
	close_one(&c);
}

static void one_by_one(unsigned long n)
{
	struct connection c;

	for (unsigned long i = 0; i < n; i++) {
		if (open_one(&c)) {
			write_and_read(&c, 0, (int)(1 + i % 200));
			worked++;
		}
		close_one(&c);
	}
}

static void at_once(unsigned long n)
{
	struct connection *all = calloc(n, sizeof(*all));

	if (!all)
		die("memory");
	for (unsigned long i = 0; i < n; i++)
		open_one(&all[i]);
	for (unsigned long i = 0; i < n; i++)
		if (all[i].granted.magic) {
			write_and_read(&all[i], 0, (int)(1 + i % 200));
			worked++;
		}
	for (unsigned long i = 0; i < n; i++)
		close_one(&all[i]);
	free(all);
}

int main(int argc, char **argv)
{
	unsigned long n = argc == 4 ? strtoul(argv[3], NULL, 10) : 0;

	if (argc < 3) {
		fprintf(stderr, "usage: foreign-peer TICKET idle|one-by-one|at-once [N]\n");
		return 2;
	}
	take_ticket(argv[1]);
	buffer = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		die("memory");
	if (!strcmp(argv[2], "idle"))
		idle();
	else if (!strcmp(argv[2], "one-by-one"))
		one_by_one(n);
	else
		at_once(n);
	printf("worked %u\n", worked);
	for (unsigned int i = 0; i < REASONS; i++)
		if (refused[i])
			printf("refused %u %u %s\n", i, refused[i], words[i]);
	return 0;
}
