/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fabric.h - libfabric over verbs, as little of it as a benchmark of its registration cache needs:
 * memory is registered, a peer connects, and writes there.
 *
 * What always holds: each process has one node, where its memory is; connected endpoints, no
 * messages. A call that fails ends the program, but for registering and writing, whose failures are
 * what is measured.
 */
#ifndef RDMAREG_BENCH_FABRIC_H
#define RDMAREG_BENCH_FABRIC_H

#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FABRIC_VERSION FI_VERSION(1, 17)

struct fabric_node {
	struct fi_info *info;
	struct fid_fabric *fabric;
	struct fid_domain *domain;
	struct fid_eq *eq;
	struct fid_pep *listener; /* of the node that waits for peers */
};

/* A connection; the end that writes has a page. */
struct fabric_link {
	struct fid_ep *ep;
	struct fid_cq *cq;
	void *page;
	struct fid_mr *mr;
	int failed; /* of the last write that did: enum ibv_wc_status, or a negative errno */
};

/* Waits for peers at @address of this machine; the port. */
uint16_t fabric_listen(struct fabric_node *n, const char *address);
void fabric_accept(struct fabric_node *n, struct fabric_link *l);

/* @n: all zero, or of an earlier connection. */
void fabric_connect(struct fabric_node *n, const char *address, uint16_t port,
		    struct fabric_link *l);
/* A page from @l->page to there; false: see @l->failed. */
bool fabric_write(struct fabric_link *l, uint64_t address, uint64_t key);
void fabric_close(struct fabric_link *l);

/* 0, or a negative errno. */
int fabric_register(struct fabric_node *n, void *memory, size_t length, struct fid_mr **ret);

#endif
