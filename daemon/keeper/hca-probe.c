// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hca-probe.c - finds out by writing to itself whether an adapter serves demand-paged memory at any address and with any packet size.
 *
 * Two queue pairs of the same port are connected to each other and write to two pages of anonymous, demand-paged memory: once at an odd offset,
 * once a whole page in packets that are smaller than it. Each page is compared with what was sent. (soft-RoCE up to Linux 7.3 puts
 * such data at the start of the page instead and reports success: drivers/infiniband/sw/rxe/rxe_odp.c.)
 *
 * What always holds: a probe that cannot be run, or does not end in time, says the worst; nothing of it is left afterwards.
 */
#include <errno.h>
#include <infiniband/verbs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "keeper/hca.h"
#include "util/clock.h"

#define PROBE_USEC UINT64_C(2000000) /* an adapter that needs longer for one page is no adapter */
#define ODD_OFFSET 72u
#define ODD_LENGTH 40u
#define GIDS_MAX 256

struct probe {
	struct ibv_context *context;
	uint8_t port;
	struct ibv_port_attr attr;
	union ibv_gid gid;
	uint8_t gid_index;
	size_t page;
	unsigned char *memory; /* page 0: what is sent; pages 1 and 2: where to */
	struct ibv_pd *pd;
	struct ibv_cq *cq;
	struct ibv_mr *from;
	struct ibv_mr *to;
	struct ibv_qp *qp[2];
};

static void probe_deinit(struct probe *p)
{
	for (int i = 0; i < 2; i++)
		if (p->qp[i])
			ibv_destroy_qp(p->qp[i]);
	if (p->to)
		ibv_dereg_mr(p->to);
	if (p->from)
		ibv_dereg_mr(p->from);
	if (p->cq)
		ibv_destroy_cq(p->cq);
	if (p->pd)
		ibv_dealloc_pd(p->pd);
	if (p->memory)
		munmap(p->memory, 3 * p->page);
}

/* An IPv4 address of the port if there is one, else whatever comes first. */
static int choose_gid(struct probe *p)
{
	static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const union ibv_gid none;
	union ibv_gid gid;
	bool found = false;

	for (int i = 0; i < p->attr.gid_tbl_len && i < GIDS_MAX; i++) {
		if (ibv_query_gid(p->context, p->port, i, &gid) || !memcmp(&gid, &none, sizeof(gid)))
			continue;
		if (found && memcmp(gid.raw, v4_mapped, sizeof(v4_mapped)) != 0)
			continue;
		p->gid = gid;
		p->gid_index = (uint8_t)i;
		if (!memcmp(gid.raw, v4_mapped, sizeof(v4_mapped)))
			return 0;
		found = true;
	}
	return found || p->attr.link_layer == IBV_LINK_LAYER_INFINIBAND ? 0 : -ENODEV;
}

static int probe_init(struct probe *p)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
	};

	p->page = (size_t)sysconf(_SC_PAGESIZE);
	if (ibv_query_port(p->context, p->port, &p->attr) || choose_gid(p) < 0)
		return -ENODEV;
	p->memory = mmap(NULL, 3 * p->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->memory == MAP_FAILED) {
		p->memory = NULL;
		return -ENOMEM;
	}
	for (size_t i = 0; i < p->page; i++)
		p->memory[i] = (unsigned char)(i / 13 + i + 1);
	p->pd = ibv_alloc_pd(p->context);
	p->cq = ibv_create_cq(p->context, 4, NULL, NULL, 0);
	if (!p->pd || !p->cq)
		return -ENOMEM;
	p->from = ibv_reg_mr(p->pd, p->memory, p->page, IBV_ACCESS_LOCAL_WRITE);
	p->to = ibv_reg_mr(p->pd, p->memory + p->page, 2 * p->page,
			   IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	init.send_cq = init.recv_cq = p->cq;
	for (int i = 0; i < 2; i++)
		p->qp[i] = ibv_create_qp(p->pd, &init);
	return p->from && p->to && p->qp[0] && p->qp[1] ? 0 : -ENOMEM;
}

/* Take a queue pair from wherever it is to ready, talking to @peer. */
static int connect_qp(struct probe *p, struct ibv_qp *qp, const struct ibv_qp *peer, enum ibv_mtu mtu)
{
	struct ibv_qp_attr reset = { .qp_state = IBV_QPS_RESET };
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = p->port,
		.qp_access_flags = IBV_ACCESS_REMOTE_WRITE,
	};

	if (ibv_modify_qp(qp, &reset, IBV_QP_STATE) ||
	    ibv_modify_qp(qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS))
		return -EIO;
	attr = (struct ibv_qp_attr){
		.qp_state = IBV_QPS_RTR,
		.path_mtu = mtu,
		.dest_qp_num = peer->qp_num,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.ah_attr = { .port_num = p->port, .dlid = p->attr.lid },
	};
	if (p->attr.link_layer != IBV_LINK_LAYER_INFINIBAND) {
		attr.ah_attr.is_global = 1;
		attr.ah_attr.grh = (struct ibv_global_route){ .dgid = p->gid,
							      .sgid_index = p->gid_index,
							      .hop_limit = 1 };
	}
	if (ibv_modify_qp(qp, &attr,
			  IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
				  IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER))
		return -EIO;
	attr = (struct ibv_qp_attr){
		.qp_state = IBV_QPS_RTS, .timeout = 14, .retry_cnt = 6, .rnr_retry = 6, .max_rd_atomic = 1
	};
	if (ibv_modify_qp(qp, &attr,
			  IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
				  IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC))
		return -EIO;
	return 0;
}

/* Write @length bytes to @offset of the target, and look whether they are there and nowhere else. */
static bool lands(struct probe *p, enum ibv_mtu mtu, size_t offset, size_t length)
{
	unsigned char *target = p->memory + p->page;
	struct ibv_sge sge = { .addr = (uintptr_t)p->memory,
			       .length = (uint32_t)length,
			       .lkey = p->from->lkey };
	struct ibv_send_wr wr = {
		.sg_list = &sge,
		.num_sge = 1,
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { .remote_addr = (uintptr_t)target + offset, .rkey = p->to->rkey },
	}, *bad;
	uint64_t end = now_monotonic_usec() + PROBE_USEC;
	struct ibv_wc wc;
	int n;

	memset(target, 0, 2 * p->page);
	if (connect_qp(p, p->qp[0], p->qp[1], mtu) < 0 || connect_qp(p, p->qp[1], p->qp[0], mtu) < 0 ||
	    ibv_post_send(p->qp[0], &wr, &bad))
		return false;
	while (!(n = ibv_poll_cq(p->cq, 1, &wc)) && now_monotonic_usec() < end)
		;
	if (n != 1 || wc.status != IBV_WC_SUCCESS || memcmp(target + offset, p->memory, length) != 0)
		return false;
	for (size_t i = 0; i < 2 * p->page; i++)
		if (target[i] && (i < offset || i >= offset + length))
			return false;
	return true;
}

void hca_probe(const struct hca *h, uint32_t *ret_alignment, uint32_t *ret_minimum_mtu)
{
	struct probe p = { 0 };
	enum ibv_mtu small;

	hca_port(h, &p.context, &p.port);
	*ret_alignment = (uint32_t)sysconf(_SC_PAGESIZE);
	*ret_minimum_mtu = *ret_alignment < 4096 ? *ret_alignment : 4096;
	if (probe_init(&p) == 0) {
		small = p.attr.active_mtu < IBV_MTU_1024 ? p.attr.active_mtu : IBV_MTU_1024;
		if (lands(&p, p.attr.active_mtu, ODD_OFFSET, ODD_LENGTH))
			*ret_alignment = 1;
		if (lands(&p, small, 0, p.page))
			*ret_minimum_mtu = 0;
	}
	probe_deinit(&p);
}
