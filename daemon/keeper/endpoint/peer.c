// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peer.c - see peer.h.
 *
 * librdmacm would drive the queue pair itself, but with every remote right set until it is ready to
 * send, and with min_rnr_timer 0, which is 655 ms. So the queue pair is ours (rdma_accept() takes
 * its number) and librdmacm only tells the attributes.
 */
#include "keeper/endpoint/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keeper/endpoint/wire.h"

#define USELESS_MAX 64		      /* messages */
#define SEND_FLAG (UINT64_C(1) << 32) /* in a work request's id */
#define PROBE_ID (UINT64_C(1) << 33)
/* librdmacm passes on bits of the kernel's that ibv_modify_qp() does not know */
#define QP_ATTRIBUTES_OURS ((1 << 21) - 1)

static int errno_or(int fallback)
{
	return errno > 0 ? -errno : -fallback;
}

static int post_receive(struct peer *p, uint32_t index)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)&p->buffer[index],
		.length = sizeof(*p->buffer),
		.lkey = p->mr->lkey,
	};
	struct ibv_recv_wr wr = { .wr_id = index, .sg_list = &sge, .num_sge = 1 }, *bad;
	int r = ibv_post_recv(p->qp, &wr, &bad);

	return r < 0 ? errno_or(EIO) : -r;
}

static int modify(struct peer *p, enum ibv_qp_state state, const struct rdma_conn_param *accept,
		  const struct endpoint_offer *offer)
{
	const struct endpoint_patience *patience = &offer->patience;
	struct ibv_qp_attr attr = { .qp_state = state };
	int mask, r;

	if (rdma_init_qp_attr(p->id, &attr, &mask) < 0)
		return errno_or(EIO);
	mask &= QP_ATTRIBUTES_OURS;
	switch (state) {
	case IBV_QPS_INIT:
		attr.qp_access_flags = 0;
		if (p->public.rights & WIRE_RIGHT_READ)
			attr.qp_access_flags |= IBV_ACCESS_REMOTE_READ;
		if (p->public.rights & WIRE_RIGHT_WRITE)
			attr.qp_access_flags |= IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC |
						p->flush_access;
		break;
	case IBV_QPS_RTR:
		if (128u << attr.path_mtu < offer->accept.minimum_mtu)
			return -EMSGSIZE;
		attr.max_dest_rd_atomic = accept->responder_resources;
		attr.min_rnr_timer = patience->rnr_timer;
		break;
	default:
		attr.max_rd_atomic = accept->initiator_depth;
		attr.rnr_retry = patience->rnr_retries;
		attr.retry_cnt = patience->retries;
		if (patience->ack_timeout)
			attr.timeout = patience->ack_timeout;
		break;
	}
	r = ibv_modify_qp(p->qp, &attr, mask);
	return r < 0 ? errno_or(EIO) : -r;
}

static int create(struct peer *p, struct ibv_comp_channel *channel, struct ibv_pd *pd)
{
	static const size_t size = (PEER_RECEIVES + PEER_SENDS) * sizeof(struct wire_message);
	struct ibv_qp_init_attr init = {
		.qp_context = p,
		.qp_type = IBV_QPT_RC,
		.sq_sig_all = 1,
		.cap = { .max_send_wr = PEER_SENDS + 1, /* a probe */
			 .max_recv_wr = PEER_RECEIVES,
			 .max_send_sge = 1,
			 .max_recv_sge = 1 },
	};
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	/* pages of its own, since registering pins them */
	p->buffer = aligned_alloc(page, (size + page - 1) / page * page);
	if (!p->buffer)
		return -ENOMEM;
	memset(p->buffer, 0, size);
	errno = 0;
	p->mr = ibv_reg_mr(pd, p->buffer, size, IBV_ACCESS_LOCAL_WRITE);
	if (!p->mr)
		return errno_or(ENOMEM); /* ENOMEM: RLIMIT_MEMLOCK */
	p->cq = ibv_create_cq(p->id->verbs, PEER_RECEIVES + PEER_SENDS + 1, p, channel, 0);
	if (!p->cq || ibv_req_notify_cq(p->cq, 0))
		return errno_or(ENOMEM);
	init.send_cq = init.recv_cq = p->cq;
	p->qp = ibv_create_qp(pd, &init);
	return p->qp ? 0 : errno_or(ENOMEM);
}

/*
 * How often the peer sends again what found no receive posted, or a page that is not there: RDMA CM
 * lets this side say it (struct rdma_conn_param, InfiniBand specification 12.7.38), and what the peer
 * asked for is said. With 0 each page fault here would end its connection, so then it is ours.
 */
static uint8_t rnr_retries(const struct rdma_conn_param *request,
			   const struct endpoint_patience *ours)
{
	return request->rnr_retry_count ? request->rnr_retry_count : ours->rnr_retries;
}

/* What the peer wants, as far as the device goes; one at least, or it could not read at all. */
static uint8_t bounded(uint8_t wanted, int device)
{
	if (wanted > device)
		wanted = (uint8_t)device;
	return wanted ? wanted : 1;
}

int peer_accept(struct peer *p, struct ibv_comp_channel *channel,
		const struct endpoint_offer *offer, const struct rdma_conn_param *request)
{
	struct wire_accept private_data = wire_write_accept(&offer->accept);
	struct rdma_conn_param accept = {
		.private_data = &private_data,
		.private_data_len = sizeof(private_data),
		.rnr_retry_count = rnr_retries(request, &offer->patience),
	};
	struct ibv_device_attr device;
	int r;

	if (ibv_query_device(p->id->verbs, &device))
		return -EIO;
	p->flush_access = offer->flush_access;
	accept.responder_resources = bounded(request->responder_resources, device.max_qp_rd_atom);
	accept.initiator_depth = bounded(request->initiator_depth, device.max_qp_init_rd_atom);
	r = create(p, channel, offer->pd);
	if (r < 0)
		return r;
	r = modify(p, IBV_QPS_INIT, &accept, offer);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < PEER_RECEIVES; i++) {
		r = post_receive(p, i);
		if (r < 0)
			return r;
	}
	r = modify(p, IBV_QPS_RTR, &accept, offer);
	if (r < 0)
		return r;
	r = modify(p, IBV_QPS_RTS, &accept, offer);
	if (r < 0)
		return r;
	accept.qp_num = p->qp->qp_num;
	return rdma_accept(p->id, &accept) < 0 ? errno_or(EIO) : 0;
}

void peer_set_error(struct peer *p)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_ERR };

	if (p->qp)
		ibv_modify_qp(p->qp, &attr, IBV_QP_STATE);
}

void peer_close(struct peer *p)
{
	if (p->qp)
		ibv_destroy_qp(p->qp);
	if (p->cq)
		ibv_destroy_cq(p->cq);
	if (p->mr)
		ibv_dereg_mr(p->mr);
	free(p->buffer);
	p->qp = NULL;
	p->cq = NULL;
	p->mr = NULL;
	p->buffer = NULL;
}

static int post_send(struct peer *p, const struct wire_message *m)
{
	uint32_t slot = 0;
	struct ibv_sge sge = { .length = sizeof(*p->buffer), .lkey = p->mr->lkey };
	struct ibv_send_wr wr = { .sg_list = &sge, .num_sge = 1, .opcode = IBV_WR_SEND }, *bad;

	while (slot < PEER_SENDS && (p->sending & (1u << slot)))
		slot++;
	if (slot == PEER_SENDS)
		return -ENOBUFS;
	p->buffer[PEER_RECEIVES + slot] = wire_write_message(m);
	sge.addr = (uintptr_t)&p->buffer[PEER_RECEIVES + slot];
	wr.wr_id = SEND_FLAG | slot;
	if (ibv_post_send(p->qp, &wr, &bad))
		return -ENOBUFS;
	p->sending |= 1u << slot;
	if (m->type == WIRE_SYNCED)
		p->syncing = false;
	if (m->type == WIRE_LENGTH_CHANGED)
		p->sending_length = 1u << slot;
	return 0;
}

int peer_send(struct peer *p, const struct wire_message *m)
{
	if (m->type == WIRE_LENGTH_CHANGED && p->sending_length) {
		p->length = *m;
		p->length_waits = true;
		return 0;
	}
	if (m->type == WIRE_SYNCED && m->outcome == WIRE_SYNC_DURABLE)
		p->useless = 0;
	if (m->type == WIRE_REVOCATION_SETTLED)
		p->length_waits = false; /* it says the length too, and it is newer */
	return post_send(p, m);
}

/*
 * An RDMA WRITE of nothing takes no receive buffer, no key and no memory there, and is acknowledged
 * like any other (InfiniBand specification 9.7.5.1.8): a stopped process answers, too, and only a
 * machine or a link that is gone does not.
 */
int peer_probe(struct peer *p)
{
	struct ibv_send_wr wr = { .wr_id = PROBE_ID, .opcode = IBV_WR_RDMA_WRITE }, *bad;
	bool idle = !p->heard && !p->sending && !p->probing;

	p->heard = false;
	if (!idle)
		return 0;
	if (ibv_post_send(p->qp, &wr, &bad))
		return -EIO;
	p->probing = true;
	return 0;
}

static int sent(struct peer *p, uint32_t slot)
{
	p->sending &= ~(1u << slot);
	if (p->sending_length != 1u << slot)
		return 0;
	p->sending_length = 0;
	if (!p->length_waits)
		return 0;
	p->length_waits = false;
	return post_send(p, &p->length) < 0 ? -EIO : 0;
}

/* 1: it is to be carried out; 0: there is one under way. */
static int take_sync(struct peer *p)
{
	/*
	 * the budget is given back by an answer that did some good: a flood of what cannot ends the
	 * connection
	 */
	if (p->useless++ >= USELESS_MAX)
		return -EPROTO;
	if (p->syncing)
		return 0;
	p->syncing = true;
	return 1;
}

/*
 * What it says of the peer that its queue pair broke. That an adapter sent a packet as often as it
 * may, and that none was acknowledged, is all that proves that nobody is there.
 */
static int broken_by(enum ibv_wc_status status)
{
	switch (status) {
	case IBV_WC_RETRY_EXC_ERR:
		return -EHOSTDOWN;
	case IBV_WC_RNR_RETRY_EXC_ERR:
		return -ENOBUFS;
	case IBV_WC_LOC_LEN_ERR: /* a message longer than its buffer */
		return -EPROTO;
	default:
		return -EIO;
	}
}

int peer_receive(struct peer *p, struct wire_message *ret)
{
	struct wire_message m;
	struct ibv_wc wc;
	bool valid;
	int n;

	if (!p->cq)
		return -EAGAIN;
	n = ibv_poll_cq(p->cq, 1, &wc);
	if (n == 0)
		return -EAGAIN;
	if (n < 0)
		return -EIO;
	if (wc.status != IBV_WC_SUCCESS)
		return broken_by(wc.status);
	p->heard = true;
	if (wc.wr_id == PROBE_ID) {
		p->probing = false;
		return 0;
	}
	if (wc.wr_id & SEND_FLAG)
		return sent(p, (uint32_t)wc.wr_id);
	valid = wire_read_message(&m, &p->buffer[wc.wr_id], wc.byte_len);
	if (!valid || post_receive(p, (uint32_t)wc.wr_id) < 0)
		return valid ? -EIO : -EPROTO;
	*ret = m;
	if (m.type == WIRE_SYNC)
		return take_sync(p);
	if (m.revocation != p->public.asked || !m.revocation) {
		/* late ones happen; nothing but late ones does not */
		return ++p->useless > USELESS_MAX ? -EPROTO : 0;
	}
	p->useless = 0;
	return 1;
}
