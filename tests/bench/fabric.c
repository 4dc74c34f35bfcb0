// SPDX-License-Identifier: GPL-2.0-or-later
/* fabric.c - see fabric.h. */
#include "fabric.h"

#include <errno.h>
#include <netinet/in.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define PATIENCE_MSEC 60000

static void must(ssize_t r, const char *what)
{
	if (r >= 0)
		return;
	fprintf(stderr, "libfabric: %s\n", fi_strerror((int)-r));
	errno = 0;
	die(what);
}

/* Endpoints to an address there, or here. */
static struct fi_info *find(const char *address, uint16_t port, bool here)
{
	struct fi_info *hints = fi_allocinfo(), *info;
	char service[8];

	if (!hints)
		die("memory for hints");
	snprintf(service, sizeof(service), "%u", port);
	hints->caps = FI_MSG | FI_RMA;
	hints->mode = FI_CONTEXT;
	hints->addr_format = FI_SOCKADDR_IN;
	hints->ep_attr->type = FI_EP_MSG;
	hints->domain_attr->mr_mode =
		FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
	hints->fabric_attr->prov_name = strdup("verbs");
	must(fi_getinfo(FABRIC_VERSION, address, service, here ? FI_SOURCE : 0, hints, &info),
	     "libfabric: the provider verbs does not reach that address");
	fi_freeinfo(hints);
	return info;
}

static void open_node(struct fabric_node *n)
{
	struct fi_eq_attr events = { .wait_obj = FI_WAIT_UNSPEC };

	must(fi_fabric(n->info->fabric_attr, &n->fabric, NULL), "libfabric: fabric");
	must(fi_eq_open(n->fabric, &events, &n->eq, NULL), "libfabric: event queue");
	must(fi_domain(n->fabric, n->info, &n->domain, NULL), "libfabric: domain");
}

int fabric_register(struct fabric_node *n, void *memory, size_t length, struct fid_mr **ret)
{
	return fi_mr_reg(n->domain, memory, length, FI_REMOTE_READ | FI_REMOTE_WRITE, 0, 0, 0, ret,
			 NULL);
}

static void open_link(struct fabric_node *n, struct fi_info *info, struct fabric_link *l)
{
	struct fi_cq_attr completions = { .format = FI_CQ_FORMAT_CONTEXT,
					  .wait_obj = FI_WAIT_NONE };

	*l = (struct fabric_link){ 0 };
	must(fi_cq_open(n->domain, &completions, &l->cq, NULL), "libfabric: completion queue");
	must(fi_endpoint(n->domain, info, &l->ep, NULL), "libfabric: endpoint");
	must(fi_ep_bind(l->ep, &n->eq->fid, 0), "libfabric: binding");
	must(fi_ep_bind(l->ep, &l->cq->fid, FI_TRANSMIT | FI_RECV), "libfabric: binding");
	must(fi_enable(l->ep), "libfabric: enabling");
}

/* The next event of that type, and what it says of who asks; that peers have gone is passed over. */
static struct fi_info *await(struct fabric_node *n, uint32_t type, const char *what)
{
	struct fi_eq_err_entry error = { 0 };
	struct fi_eq_cm_entry entry;
	uint32_t got;
	ssize_t r;

	do {
		r = fi_eq_sread(n->eq, &got, &entry, sizeof(entry), PATIENCE_MSEC, 0);
		if (r == -FI_EAVAIL && fi_eq_readerr(n->eq, &error, 0) > 0)
			r = -error.err;
		must(r, what);
	} while (got != type);
	return entry.info;
}

uint16_t fabric_listen(struct fabric_node *n, const char *address)
{
	struct sockaddr_in own;
	size_t length = sizeof(own);

	n->info = find(address, 0, true);
	open_node(n);
	must(fi_passive_ep(n->fabric, n->info, &n->listener, NULL), "libfabric: listener");
	must(fi_pep_bind(n->listener, &n->eq->fid, 0), "libfabric: binding");
	must(fi_listen(n->listener), "libfabric: listening");
	must(fi_getname(&n->listener->fid, &own, &length), "libfabric: own address");
	return ntohs(own.sin_port);
}

void fabric_accept(struct fabric_node *n, struct fabric_link *l)
{
	struct fi_info *asked = await(n, FI_CONNREQ, "libfabric: nobody connects");

	open_link(n, asked, l);
	must(fi_accept(l->ep, NULL, 0), "libfabric: accepting");
	await(n, FI_CONNECTED, "libfabric: accepting");
	fi_freeinfo(asked);
}

void fabric_connect(struct fabric_node *n, const char *address, uint16_t port,
		    struct fabric_link *l)
{
	struct fi_info *info = find(address, port, false);

	if (!n->fabric) {
		n->info = fi_dupinfo(info);
		open_node(n);
	}
	open_link(n, info, l);
	l->page = aligned_alloc(PAGE, PAGE);
	if (!l->page)
		die("memory for a page");
	memset(l->page, 0, PAGE);
	must(fi_mr_reg(n->domain, l->page, PAGE, FI_WRITE, 0, 0, 0, &l->mr, NULL),
	     "libfabric: the buffer");
	must(fi_connect(l->ep, info->dest_addr, NULL, 0), "libfabric: connecting");
	await(n, FI_CONNECTED, "libfabric: connecting");
	fi_freeinfo(info);
}

bool fabric_write(struct fabric_link *l, uint64_t address, uint64_t key)
{
	struct fi_cq_err_entry error = { 0 };
	struct fi_cq_entry entry;
	ssize_t r = fi_write(l->ep, l->page, PAGE, fi_mr_desc(l->mr), 0, address, key, NULL);

	if (r < 0) {
		l->failed = (int)r;
		return false;
	}
	while ((r = fi_cq_read(l->cq, &entry, 1)) == -FI_EAGAIN)
		;
	if (r == 1)
		return true;
	if (r == -FI_EAVAIL && fi_cq_readerr(l->cq, &error, 0) == 1)
		l->failed = error.prov_errno;
	else
		l->failed = (int)r;
	return false;
}

void fabric_close(struct fabric_link *l)
{
	must(fi_close(&l->ep->fid), "libfabric: closing an endpoint");
	must(fi_close(&l->cq->fid), "libfabric: closing a completion queue");
	if (l->mr)
		must(fi_close(&l->mr->fid), "libfabric: closing the buffer");
	free(l->page);
	*l = (struct fabric_link){ 0 };
}
