// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * verbs-selftest.c - see fakes/verbs-selftest.h. What a verb does is done at once; its completion
 * waits in the queue.
 */
#include "verbs-selftest.h"

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#undef ibv_query_port
#undef ibv_reg_mr

#define PAGE 4096u
#define N 64

struct queue_pair {
	struct ibv_qp qp; /* first: the same address */
	unsigned int rights;
	uint32_t peer;
	uint32_t mtu;
};

struct region {
	struct ibv_mr mr;
	unsigned int access;
	bool dead;
	unsigned int written; /* bit per page */
};

struct window {
	struct ibv_mw mw;
	uint32_t rkey; /* 0: not bound */
	struct region *region;
	uint64_t start, end;
	const struct queue_pair *owner;
};

static struct verbs_context device;
static enum fault fault;
static bool unanswered; /* the access that is under way */
static struct queue_pair *pairs[N];
static struct region *regions[N];
static struct window *window;
static struct ibv_wc completions[N];
static int n_completions, count;
static enum ibv_mtu port_mtu;

enum fault fake_verbs_fault(void)
{
	return fault;
}

void fake_verbs_made(int n)
{
	count += n;
}

void fake_verbs_complete(enum ibv_wc_status status)
{
	assert(n_completions < N);
	completions[n_completions++] = (struct ibv_wc){ .status = status };
}

int fake_verbs_count(void)
{
	return count;
}

static int query_port(struct ibv_context *context, uint8_t port, struct ibv_port_attr *ret,
		      size_t size)
{
	(void)context, (void)port;
	memset(ret, 0, size);
	ret->state = fault == FAULT_NO_PORT ? IBV_PORT_DOWN : IBV_PORT_ACTIVE;
	ret->active_mtu = port_mtu;
	ret->gid_tbl_len = 2;
	ret->link_layer = IBV_LINK_LAYER_ETHERNET;
	return 0;
}

static int query_device_ex(struct ibv_context *context,
			   const struct ibv_query_device_ex_input *input,
			   struct ibv_device_attr_ex *ret, size_t size)
{
	(void)context, (void)input;
	memset(ret, 0, size);
	ret->orig_attr.phys_port_cnt = 1;
	ret->orig_attr.atomic_cap = IBV_ATOMIC_HCA;
	if (fault != FAULT_NO_WINDOWS)
		ret->orig_attr.device_cap_flags = IBV_DEVICE_MEM_WINDOW_TYPE_2B;
	ret->odp_caps.general_caps = IBV_ODP_SUPPORT;
	ret->odp_caps.per_transport_caps.rc_odp_caps = IBV_ODP_SUPPORT_READ | IBV_ODP_SUPPORT_WRITE;
	if (fault != FAULT_NO_ATOMICS)
		ret->odp_caps.per_transport_caps.rc_odp_caps |= IBV_ODP_SUPPORT_ATOMIC;
	return 0;
}

int ibv_query_gid(struct ibv_context *context, uint8_t port, int index, union ibv_gid *ret)
{
	(void)context, (void)port;
	memset(ret, 0, sizeof(*ret));
	ret->raw[15] = (uint8_t)index; /* the first is none */
	return 0;
}

struct ibv_pd *ibv_alloc_pd(struct ibv_context *context)
{
	struct ibv_pd *pd = calloc(1, sizeof(*pd));

	pd->context = context;
	count++;
	return pd;
}

int ibv_dealloc_pd(struct ibv_pd *pd)
{
	free(pd);
	count--;
	return 0;
}

struct ibv_cq *ibv_create_cq(struct ibv_context *context, int cqe, void *userdata,
			     struct ibv_comp_channel *channel, int vector)
{
	struct ibv_cq *cq = calloc(1, sizeof(*cq));

	(void)cqe, (void)userdata, (void)channel, (void)vector;
	cq->context = context;
	n_completions = 0;
	count++;
	return cq;
}

int ibv_destroy_cq(struct ibv_cq *cq)
{
	free(cq);
	count--;
	return 0;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *address, size_t length, uint64_t iova,
				unsigned int access)
{
	struct region *r;
	uint32_t i = 1;

	(void)iova;
	if (fault == FAULT_NO_MEMORY) {
		errno = ENOMEM;
		return NULL;
	}
	while (i < N && regions[i])
		i++;
	assert(i < N);
	r = regions[i] = calloc(1, sizeof(*r));
	r->mr = (struct ibv_mr){
		.context = pd->context, .pd = pd, .addr = address, .length = length
	};
	r->mr.lkey = r->mr.rkey = i << 8;
	r->access = access;
	count++;
	return &r->mr;
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *address, size_t length, int access)
{
	return ibv_reg_mr_iova2(pd, address, length, (uintptr_t)address, (unsigned int)access);
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
	regions[mr->rkey >> 8] = NULL;
	free(mr);
	count--;
	return 0;
}

struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *init)
{
	struct queue_pair *q;
	uint32_t i = 1;

	while (i < N && pairs[i])
		i++;
	assert(i < N && init->qp_type == IBV_QPT_RC);
	q = pairs[i] = calloc(1, sizeof(*q));
	q->qp.context = pd->context;
	q->qp.pd = pd;
	q->qp.qp_num = i;
	count++;
	return &q->qp;
}

int ibv_destroy_qp(struct ibv_qp *qp)
{
	pairs[qp->qp_num] = NULL;
	free(qp);
	count--;
	return 0;
}

int ibv_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask)
{
	struct queue_pair *q = pairs[qp->qp_num];

	qp->state = attr->qp_state;
	if (mask & IBV_QP_ACCESS_FLAGS)
		q->rights = attr->qp_access_flags;
	if (mask & IBV_QP_PATH_MTU)
		q->mtu = 128u << attr->path_mtu;
	if (mask & IBV_QP_DEST_QPN)
		q->peer = attr->dest_qp_num;
	if (mask & IBV_QP_RETRY_CNT)
		assert(attr->retry_cnt <= 6 && attr->rnr_retry <= 6);
	return 0;
}

const char *ibv_wc_status_str(enum ibv_wc_status status)
{
	return status == IBV_WC_REM_ACCESS_ERR ? "remote access error" : "another status";
}

static bool copy(bool to_memory, uint64_t remote, unsigned char *local, size_t n)
{
	struct iovec there = { .iov_base = (void *)(uintptr_t)remote, .iov_len = n };
	struct iovec here = { .iov_base = local, .iov_len = n };
	ssize_t done = to_memory ? process_vm_writev(getpid(), &here, 1, &there, 1, 0)
				 : process_vm_readv(getpid(), &here, 1, &there, 1, 0);

	return done == (ssize_t)n || fault == FAULT_NEVER_REFUSES;
}

/* The region a key stands for, if @q may use it for @right in that range. */
static struct region *find(const struct queue_pair *q, uint32_t rkey, uint64_t address,
			   size_t length, unsigned int right)
{
	bool is_window = window && window->rkey && rkey == window->rkey;
	struct region *r = is_window			    ? window->region
			   : rkey >> 8 < N && !(rkey & 255) ? regions[rkey >> 8]
							    : NULL;
	uint64_t start;

	if (!r || r->dead || (!(q->rights & right) && fault != FAULT_QP_RIGHTS))
		return NULL;
	if (is_window && window->owner != q && fault != FAULT_WINDOW_SHARED)
		return NULL;
	if (is_window && (address < window->start || address + length > window->end) &&
	    fault != FAULT_WINDOW_UNBOUNDED)
		return NULL;
	if (!(r->access & right) && fault != FAULT_MR_RIGHTS) {
		unanswered = fault == FAULT_NO_REFUSAL;
		return NULL;
	}
	start = (uintptr_t)r->mr.addr;
	return address >= start && address + length <= start + r->mr.length ? r : NULL;
}

/* READ and WRITE, packet by packet. */
static bool transfer(const struct queue_pair *q, struct region *r, bool write, uint64_t address,
		     unsigned char *local, size_t length)
{
	unsigned int bit = 1u << (address - (uintptr_t)r->mr.addr) / PAGE;

	if (write && fault == FAULT_LOSES_REWRITES && (r->written & bit))
		return true;
	if (write)
		r->written |= bit;
	if (!write && fault == FAULT_READS_ZEROES) {
		memset(local, 0, length);
		return true;
	}
	for (size_t at = 0; at < length;) {
		uint64_t to = address + at;
		/* a fragment ends with its packet, and with its page */
		size_t n = length - at < q->mtu ? length - at : q->mtu;

		if (n > PAGE - to % PAGE)
			n = PAGE - to % PAGE;
		if (fault == FAULT_INSIDE_PAGE || (fault == FAULT_LATER_PACKETS && at))
			to -= to % PAGE;
		if (fault == FAULT_EVERY_PLACE)
			to += 8;
		if (!copy(write, to, local + at, n))
			return false;
		at += n;
	}
	return true;
}

static bool atomic(const struct ibv_send_wr *wr, unsigned char *local)
{
	uint64_t before, after, address = wr->wr.atomic.remote_addr;

	if (!copy(false, address, (unsigned char *)&before, sizeof(before)))
		return false;
	if (wr->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD)
		after = before + wr->wr.atomic.compare_add * (fault == FAULT_ADDS_TWICE ? 2 : 1);
	else
		after = before == wr->wr.atomic.compare_add ? wr->wr.atomic.swap : before;
	memcpy(local, &before, sizeof(before));
	return copy(true, address, (unsigned char *)&after, sizeof(after));
}

static enum ibv_wc_status remote(struct queue_pair *q, const struct ibv_send_wr *wr)
{
	struct queue_pair *far = pairs[q->peer];
	bool is_atomic = wr->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD ||
			 wr->opcode == IBV_WR_ATOMIC_CMP_AND_SWP;
	bool write = wr->opcode == IBV_WR_RDMA_WRITE;
	unsigned int right = is_atomic ? IBV_ACCESS_REMOTE_ATOMIC
			     : write   ? IBV_ACCESS_REMOTE_WRITE
				       : IBV_ACCESS_REMOTE_READ;
	uint64_t address = is_atomic ? wr->wr.atomic.remote_addr : wr->wr.rdma.remote_addr;
	uint32_t rkey = is_atomic ? wr->wr.atomic.rkey : wr->wr.rdma.rkey;
	unsigned char *local = (unsigned char *)(uintptr_t)wr->sg_list->addr;
	struct region *r;

	fake_mlx5_translate(&rkey, &address, wr->sg_list->length);
	r = find(far, rkey, address, wr->sg_list->length, right);
	if (r && (is_atomic ? atomic(wr, local)
			    : transfer(q, r, write, address, local, wr->sg_list->length)))
		return IBV_WC_SUCCESS;
	if (r && fault == FAULT_NEVER_RECOVERS)
		r->dead = true;
	q->qp.state = far->qp.state = IBV_QPS_ERR;
	return IBV_WC_REM_ACCESS_ERR;
}

/* Nobody ever posts a receive here. */
static enum ibv_wc_status send_to_nobody(const struct queue_pair *q)
{
	if (fault == FAULT_SEND_SUCCEEDS)
		return IBV_WC_SUCCESS;
	if (fault == FAULT_WRONG_STATUS)
		return IBV_WC_FATAL_ERR;
	return pairs[q->peer]->qp.state == IBV_QPS_RTS ? IBV_WC_RNR_RETRY_EXC_ERR
						       : IBV_WC_RETRY_EXC_ERR;
}

static enum ibv_wc_status bind(const struct queue_pair *q, const struct ibv_send_wr *wr)
{
	const struct ibv_mw_bind_info *b = &wr->bind_mw.bind_info;

	if (fault == FAULT_NO_BIND)
		return IBV_WC_MW_BIND_ERR;
	window->rkey = wr->bind_mw.rkey;
	window->region = (struct region *)b->mr;
	window->start = b->addr;
	window->end = b->addr + b->length;
	window->owner = q;
	return IBV_WC_SUCCESS;
}

static int post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	struct queue_pair *q = pairs[qp->qp_num];
	enum ibv_wc_status status;

	(void)bad;
	assert(n_completions < N && (wr->send_flags & IBV_SEND_SIGNALED));
	unanswered = false;
	if (wr->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD && fault == FAULT_KILLS)
		raise(SIGKILL);
	while (wr->opcode == IBV_WR_ATOMIC_FETCH_AND_ADD && fault == FAULT_HANGS)
		pause();
	if (qp->state != IBV_QPS_RTS) {
		status = IBV_WC_WR_FLUSH_ERR;
	} else if (wr->opcode == IBV_WR_SEND) {
		status = send_to_nobody(q);
	} else if (wr->opcode == IBV_WR_BIND_MW) {
		status = bind(q, wr);
	} else if (wr->opcode == IBV_WR_LOCAL_INV) {
		status = IBV_WC_SUCCESS;
		if (fault != FAULT_WINDOW_STAYS)
			window->rkey = 0;
	} else {
		status = remote(q, wr);
	}
	if (unanswered)
		return ETIMEDOUT; /* without the wait that it takes to find out */
	fake_verbs_complete(status);
	return 0;
}

static int poll_cq(struct ibv_cq *cq, int n, struct ibv_wc *ret)
{
	(void)cq, (void)n;
	if (!n_completions)
		return 0;
	*ret = completions[0];
	memmove(completions, completions + 1, sizeof(completions[0]) * (size_t)--n_completions);
	return 1;
}

static struct ibv_mw *alloc_mw(struct ibv_pd *pd, enum ibv_mw_type type)
{
	window = calloc(1, sizeof(*window));
	window->mw =
		(struct ibv_mw){ .context = pd->context, .pd = pd, .rkey = 40 << 8, .type = type };
	count++;
	return &window->mw;
}

static int dealloc_mw(struct ibv_mw *mw)
{
	free(mw);
	window = NULL;
	count--;
	return 0;
}

static int advise_mr(struct ibv_pd *pd, enum ibv_advise_mr_advice advice, uint32_t flags,
		     struct ibv_sge *sge, uint32_t n)
{
	const struct region *r = regions[sge->lkey >> 8];
	unsigned char byte;
	bool before;

	(void)pd, (void)advice, (void)flags;
	/* what is an oops elsewhere is a failed test here */
	assert(n == 1 && r && (r->access & IBV_ACCESS_ON_DEMAND));
	if (fault == FAULT_ADVISE_FAILS)
		return EIO;
	before = copy(false, sge->addr, &byte, 1);
	return before || fault == FAULT_ADVISE_BLIND ? 0 : EFAULT;
}

struct ibv_device **ibv_get_device_list(int *n)
{
	static struct ibv_device fake = { .name = "fake0", .dev_name = "uverbs0" };
	static struct ibv_device *list[] = { &fake, NULL };

	(void)n;
	return list;
}

void ibv_free_device_list(struct ibv_device **list)
{
	(void)list;
}

const char *ibv_get_device_name(struct ibv_device *d)
{
	return d->name;
}

struct ibv_context *ibv_open_device(struct ibv_device *d)
{
	(void)d;
	errno = EACCES;
	return fault == FAULT_NOT_ALLOWED ? NULL : &device.context;
}

struct ibv_context *fake_verbs_open(enum fault f, enum ibv_mtu mtu)
{
	fault = f;
	port_mtu = mtu;
	device = (struct verbs_context){ .sz = sizeof(device),
					 .query_port = query_port,
					 .query_device_ex = query_device_ex,
					 .advise_mr = advise_mr };
	if (f == FAULT_NO_ADVISE)
		device.advise_mr = NULL;
	device.context.cmd_fd = -1;
	device.context.abi_compat = __VERBS_ABI_IS_EXTENDED;
	device.context.ops.post_send = post_send;
	device.context.ops.poll_cq = poll_cq;
	device.context.ops.alloc_mw = alloc_mw;
	device.context.ops.dealloc_mw = dealloc_mw;
	return &device.context;
}
