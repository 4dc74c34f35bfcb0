// SPDX-License-Identifier: GPL-2.0-or-later
/* rig.c - see rig.h: the queue pairs and what is done with them. */
#include "selftest/rig.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/clock.h"

#define GIDS_MAX 256
#define TIMEOUT_CODE 14	  /* 67 ms */
#define RETRIES 6	  /* 7 means for ever to some adapters */
#define RNR_TIMER_CODE 12 /* 0.64 ms */

/* An IPv4 address of the port if there is one, else whatever comes first. */
static int choose_gid(struct rig *r)
{
	static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };
	static const union ibv_gid none;
	union ibv_gid gid;
	bool found = false;

	for (int i = 0; i < r->attr.gid_tbl_len && i < GIDS_MAX; i++) {
		if (ibv_query_gid(r->context, r->port, i, &gid) ||
		    !memcmp(&gid, &none, sizeof(gid)))
			continue;
		if (found && memcmp(gid.raw, v4_mapped, sizeof(v4_mapped)) != 0)
			continue;
		r->gid = gid;
		r->gid_index = (uint8_t)i;
		if (!memcmp(gid.raw, v4_mapped, sizeof(v4_mapped)))
			return 0;
		found = true;
	}
	return found || r->attr.link_layer == IBV_LINK_LAYER_INFINIBAND ? 0 : -EADDRNOTAVAIL;
}

static int refuse(struct failure *why, int error, const char *what)
{
	return fail(why, error, "%s: %s%s", what, strerror(-error),
		    error == -ENOMEM ? " (RLIMIT_MEMLOCK, ulimit -l, may be too small)" : "");
}

static int errno_or(int fallback)
{
	return errno > 0 ? -errno : -fallback;
}

static struct ibv_qp *create_qp(struct rig *r)
{
	struct ibv_qp_init_attr init = {
		.qp_type = IBV_QPT_RC,
		.send_cq = r->cq,
		.recv_cq = r->cq,
		.cap = { .max_send_wr = 4, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
	};

	return ibv_create_qp(r->pd, &init);
}

int rig_open(struct rig *r, struct ibv_context *context, uint8_t port, struct failure *why)
{
	int error;

	*r = (struct rig){ .context = context,
			   .port = port,
			   .page = (size_t)sysconf(_SC_PAGESIZE) };
	errno = 0;
	if (ibv_query_port(context, port, &r->attr))
		return refuse(why, errno_or(EIO), "its port cannot be queried");
	if (r->attr.state != IBV_PORT_ACTIVE)
		return refuse(why, -ENETDOWN, "its port is not active");
	error = choose_gid(r);
	if (error < 0)
		return refuse(why, error, "its port has no address");
	r->local =
		mmap(NULL, 2 * r->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r->local == MAP_FAILED) {
		r->local = NULL;
		return refuse(why, -ENOMEM, "no memory");
	}
	errno = 0;
	r->pd = ibv_alloc_pd(context);
	r->cq = r->pd ? ibv_create_cq(context, 16, NULL, NULL, 0) : NULL;
	if (!r->cq)
		return refuse(why, errno_or(ENOMEM), "no protection domain or completion queue");
	r->local_mr = ibv_reg_mr(r->pd, r->local, 2 * r->page, IBV_ACCESS_LOCAL_WRITE);
	if (!r->local_mr)
		return refuse(why, errno_or(ENOMEM), "two pages cannot be registered");
	for (int i = 0; i < RIG_PAIRS; i++) {
		r->near[i] = create_qp(r);
		r->far[i] = create_qp(r);
		if (!r->near[i] || !r->far[i])
			return refuse(why, errno_or(ENOMEM), "no queue pairs");
	}
	return 0;
}

void rig_close(struct rig *r)
{
	for (int i = 0; i < RIG_PAIRS; i++) {
		if (r->near[i])
			ibv_destroy_qp(r->near[i]);
		if (r->far[i])
			ibv_destroy_qp(r->far[i]);
	}
	if (r->local_mr)
		ibv_dereg_mr(r->local_mr);
	if (r->cq)
		ibv_destroy_cq(r->cq);
	if (r->pd)
		ibv_dealloc_pd(r->pd);
	if (r->local)
		munmap(r->local, 2 * r->page);
	*r = (struct rig){ 0 };
}

static int to_rtr(struct rig *r, struct ibv_qp *qp, const struct ibv_qp *peer,
		  const struct rig_path *path)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = path->mtu ? path->mtu : r->attr.active_mtu,
		.dest_qp_num = peer->qp_num,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = RNR_TIMER_CODE,
		.ah_attr = { .port_num = r->port, .dlid = r->attr.lid },
	};

	if (r->attr.link_layer != IBV_LINK_LAYER_INFINIBAND) {
		attr.ah_attr.is_global = 1;
		attr.ah_attr.grh = (struct ibv_global_route){ .dgid = r->gid,
							      .sgid_index = r->gid_index,
							      .hop_limit = 1 };
	}
	return ibv_modify_qp(qp, &attr,
			     IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
				     IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
				     IBV_QP_MIN_RNR_TIMER);
}

static int connect_qp(struct rig *r, struct ibv_qp *qp, const struct ibv_qp *peer,
		      unsigned int rights, const struct rig_path *path)
{
	struct ibv_qp_attr reset = { .qp_state = IBV_QPS_RESET };
	struct ibv_qp_attr init = {
		.qp_state = IBV_QPS_INIT,
		.port_num = r->port,
		.qp_access_flags = rights,
	};
	struct ibv_qp_attr rts = {
		.qp_state = IBV_QPS_RTS,
		.timeout = TIMEOUT_CODE,
		.retry_cnt = path->retry_count ? path->retry_count : RETRIES,
		.rnr_retry = path->rnr_retry ? path->rnr_retry : RETRIES,
		.max_rd_atomic = 1,
	};

	if (ibv_modify_qp(qp, &reset, IBV_QP_STATE) ||
	    ibv_modify_qp(qp, &init,
			  IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS) ||
	    to_rtr(r, qp, peer, path) ||
	    ibv_modify_qp(qp, &rts,
			  IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
				  IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC))
		return -EIO;
	return 0;
}

int rig_connect(struct rig *r, unsigned int i, const struct rig_path *path)
{
	static const struct rig_path usual;
	unsigned int rights;
	struct ibv_wc wc;
	int error;

	path = path ? path : &usual;
	rights = path->rights ? path->rights : RIG_RIGHTS;
	error = connect_qp(r, r->far[i], r->near[i], rights, path);
	if (error == 0)
		error = connect_qp(r, r->near[i], r->far[i], RIG_NO_RIGHTS, path);
	/* what is left of what was tried before */
	for (int n = 0; n < 64 && ibv_poll_cq(r->cq, 1, &wc) > 0; n++)
		;
	return error;
}

int rig_wait(struct rig *r, uint64_t wait_usec)
{
	uint64_t end = now_monotonic_usec() + (wait_usec ? wait_usec : RIG_WAIT_USEC);
	struct ibv_wc wc;
	int n;

	while (!(n = ibv_poll_cq(r->cq, 1, &wc)) && now_monotonic_usec() < end)
		;
	if (n < 0)
		return -EIO;
	return n ? (int)wc.status : -ETIMEDOUT;
}

int rig_execute(struct rig *r, struct ibv_qp *qp, struct ibv_send_wr *wr, uint32_t length,
		uint64_t wait_usec)
{
	struct ibv_sge sge = { .addr = (uintptr_t)r->local,
			       .length = length,
			       .lkey = r->local_mr->lkey };
	struct ibv_send_wr *bad;
	int error;

	if (length) {
		wr->sg_list = &sge;
		wr->num_sge = 1;
	}
	wr->send_flags |= IBV_SEND_SIGNALED;
	error = ibv_post_send(qp, wr, &bad);
	if (error)
		return error < 0 ? errno_or(EIO) : -error;
	return rig_wait(r, wait_usec);
}

int rig_transfer(struct rig *r, const struct rig_path *path, enum ibv_wr_opcode opcode,
		 uint64_t address, uint32_t rkey, uint32_t length)
{
	struct ibv_send_wr wr = { .opcode = opcode,
				  .wr.rdma = { .remote_addr = address, .rkey = rkey } };
	int error = rig_connect(r, 0, path);

	return error < 0 ? error : rig_execute(r, r->near[0], &wr, length, 0);
}

void rig_pattern(unsigned char *p, size_t n, unsigned int seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)((i / 251 + 1) * 31 + i * 7 + seed);
}

const char *rig_status(int status)
{
	return status < 0 ? strerror(-status) : ibv_wc_status_str((enum ibv_wc_status)status);
}
