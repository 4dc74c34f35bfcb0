// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rpma-client.c - a program of librpma's, linked with Debian's library as it is: writes a file into
 * a region, flushes, and reads it back.
 *
 *   rpma-client TICKET FILE visible|persistent
 *
 * All it knows of rdmareg is the private data of the connection: struct wire_connect goes out, and
 * the descriptor that librpma understands comes back in struct wire_accept. FILE is written whole,
 * from the region's first byte on; what was read back must be the same. `persistent` says to
 * librpma that the other machine's adapter writes to persistent memory directly, which an
 * administrator has to know.
 *
 * Prints `flushed TYPE, N bytes` and exits 0; 3 when librpma says that the region has no such
 * flush; 1 for anything else.
 */
#include <endian.h>
#include <errno.h>
#include <infiniband/verbs.h>
#include <librpma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "rdmareg-wire.h"

#define CHUNK (64u << 10)

static void die(const char *what, int r)
{
	fprintf(stderr, "rpma-client: %s: %s\n", what, rpma_err_2str(r));
	exit(1);
}

/* What went wrong is in the library's words. */
#define MUST(call)                      \
	do {                            \
		int r_ = call;          \
		if (r_)                 \
			die(#call, r_); \
	} while (0)

static void parse_ticket(const char *text, char *host, char *port, struct wire_connect *ret)
{
	char token[2 * WIRE_TOKEN_BYTES + 1];
	unsigned long long region;

	if (sscanf(text, WIRE_TICKET_SCHEME "%63[^:]:%7[0-9]/%llu?%32[0-9a-f]", host, port, &region,
		   token) != 4) {
		fprintf(stderr, "rpma-client: not a ticket: %s\n", text);
		exit(2);
	}
	*ret = (struct wire_connect){ .magic = htole32(WIRE_MAGIC),
				      .version = htole16(WIRE_VERSION),
				      .rights = htole16(WIRE_RIGHT_READ | WIRE_RIGHT_WRITE),
				      .region = htole64(region) };
	for (size_t i = 0; i < WIRE_TOKEN_BYTES; i++)
		sscanf(token + 2 * i, "%2hhx", &ret->token[i]);
}

static struct rpma_conn *connect_to(struct rpma_peer *peer, const char *host, const char *port,
				    struct wire_connect *request)
{
	struct rpma_conn_private_data data = { .ptr = request, .len = sizeof(*request) };
	struct rpma_conn_req *req = NULL;
	struct rpma_conn *conn = NULL;
	enum rpma_conn_event event;

	MUST(rpma_conn_req_new(peer, host, port, NULL, &req));
	MUST(rpma_conn_req_connect(&req, &data, &conn));
	MUST(rpma_conn_next_event(conn, &event));
	if (event != RPMA_CONN_ESTABLISHED) {
		fprintf(stderr, "rpma-client: %s\n", rpma_utils_conn_event_2str(event));
		exit(1);
	}
	return conn;
}

static void wait_for_one(struct rpma_conn *conn)
{
	struct rpma_cq *cq = NULL;
	struct ibv_wc wc;
	int r;

	MUST(rpma_conn_get_cq(conn, &cq));
	while ((r = rpma_cq_get_wc(cq, 1, &wc, NULL)) == RPMA_E_NO_COMPLETION)
		MUST(rpma_cq_wait(cq));
	if (r)
		die("rpma_cq_get_wc", r);
	if (wc.status) {
		fprintf(stderr, "rpma-client: %s\n", ibv_wc_status_str(wc.status));
		exit(1);
	}
}

static void flush(struct rpma_conn *conn, struct rpma_mr_remote *region, size_t bytes,
		  enum rpma_flush_type type)
{
	struct rpma_peer_cfg *direct = NULL;
	int r;

	if (type == RPMA_FLUSH_TYPE_PERSISTENT) {
		MUST(rpma_peer_cfg_new(&direct));
		MUST(rpma_peer_cfg_set_direct_write_to_pmem(direct, true));
		MUST(rpma_conn_apply_remote_peer_cfg(conn, direct));
		MUST(rpma_peer_cfg_delete(&direct));
	}
	r = rpma_flush(conn, region, 0, bytes, type, RPMA_F_COMPLETION_ALWAYS, NULL);
	if (r == RPMA_E_NOSUPP) {
		printf("no such flush\n");
		exit(3);
	}
	if (r)
		die("rpma_flush", r);
	wait_for_one(conn);
}

int main(int argc, char **argv)
{
	char host[64], port[8];
	struct rpma_conn_private_data answer = { 0 };
	struct rpma_mr_local *sent_mr = NULL, *got_mr = NULL;
	struct rpma_mr_remote *region = NULL;
	struct ibv_context *device = NULL;
	struct wire_connect request;
	struct wire_accept granted;
	struct rpma_peer *peer = NULL;
	struct rpma_conn *conn;
	unsigned char *sent, *got;
	size_t bytes, limit;
	FILE *f;

	if (argc != 4 || (strcmp(argv[3], "visible") && strcmp(argv[3], "persistent"))) {
		fprintf(stderr, "usage: rpma-client TICKET FILE visible|persistent\n");
		return 2;
	}
	parse_ticket(argv[1], host, port, &request);
	sent = mmap(NULL, 2 * (16u << 20), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	f = fopen(argv[2], "r");
	if (sent == MAP_FAILED || !f) {
		perror(argv[2]);
		return 1;
	}
	got = sent + (16u << 20);
	bytes = fread(sent, 1, 16u << 20, f);
	fclose(f);

	MUST(rpma_utils_get_ibv_context(host, RPMA_UTIL_IBV_CONTEXT_REMOTE, &device));
	MUST(rpma_peer_new(device, &peer));
	conn = connect_to(peer, host, port, &request);
	MUST(rpma_conn_get_private_data(conn, &answer));
	if (answer.len < sizeof(granted)) {
		fprintf(stderr, "rpma-client: the answer has %u bytes\n", answer.len);
		return 1;
	}
	memcpy(&granted, answer.ptr, sizeof(granted));
	MUST(rpma_mr_remote_from_descriptor(granted.rpma, sizeof(granted.rpma), &region));
	MUST(rpma_mr_remote_get_size(region, &limit));
	if (bytes > limit) {
		fprintf(stderr, "rpma-client: the region has room for %zu bytes\n", limit);
		return 1;
	}
	MUST(rpma_mr_reg(peer, sent, 16u << 20, RPMA_MR_USAGE_WRITE_SRC, &sent_mr));
	MUST(rpma_mr_reg(peer, got, 16u << 20, RPMA_MR_USAGE_READ_DST, &got_mr));

	for (size_t at = 0; at < bytes; at += CHUNK) {
		size_t n = bytes - at < CHUNK ? bytes - at : CHUNK;

		MUST(rpma_write(conn, region, at, sent_mr, at, n, RPMA_F_COMPLETION_ALWAYS, NULL));
		wait_for_one(conn);
	}
	flush(conn, region, bytes,
	      !strcmp(argv[3], "visible") ? RPMA_FLUSH_TYPE_VISIBILITY
					  : RPMA_FLUSH_TYPE_PERSISTENT);
	for (size_t at = 0; at < bytes; at += CHUNK) {
		size_t n = bytes - at < CHUNK ? bytes - at : CHUNK;

		MUST(rpma_read(conn, got_mr, at, region, at, n, RPMA_F_COMPLETION_ALWAYS, NULL));
		wait_for_one(conn);
	}
	if (memcmp(sent, got, bytes)) {
		fprintf(stderr, "rpma-client: what was read is not what was written\n");
		return 1;
	}
	printf("flushed %s, %zu bytes\n", argv[3], bytes);
	MUST(rpma_conn_disconnect(conn));
	MUST(rpma_conn_delete(&conn));
	MUST(rpma_mr_dereg(&sent_mr));
	MUST(rpma_mr_dereg(&got_mr));
	MUST(rpma_mr_remote_delete(&region));
	MUST(rpma_peer_delete(&peer));
	return 0;
}
