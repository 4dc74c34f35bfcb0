// SPDX-License-Identifier: GPL-2.0-or-later
/* check-operations.c - what not every adapter has: prefetching, atomics, RDMA FLUSH. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "selftest/advise.h"
#include "selftest/rig.h"
#include "selftest/selftest.h"

void check_advise(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct rig_memory m = { .fd = -1 };
	int status = rig_map(r, &m, s->directory, 2, RIG_RIGHTS), reading, writing, fenced;

	if (status < 0) {
		finding_set(f, VERDICT_NOT_RUN, "a file cannot be registered: %s",
			    strerror(-status));
		return;
	}
	/* only ever of memory that rig_map() registered: with on-demand paging */
	reading = advise_mr(m.mr, (uintptr_t)m.at, (uint32_t)m.length, false);
	writing = advise_mr(m.mr, (uintptr_t)m.at, (uint32_t)m.length, true);
	fenced = mprotect(m.at, r->page, PROT_NONE) < 0
			 ? -errno
			 : advise_mr(m.mr, (uintptr_t)m.at, (uint32_t)r->page, false);
	rig_unmap(r, &m);
	if (reading == -EOPNOTSUPP)
		finding_set(f, VERDICT_NOT_SUPPORTED,
			    "the first access of each page faults (rxe: needs Linux 6.17)");
	else if (reading < 0 || writing < 0)
		finding_set(f, VERDICT_QUIRK, "prefetching for %s fails: %s",
			    reading < 0 ? "reading" : "writing",
			    strerror(reading < 0 ? -reading : -writing));
	else if (fenced == 0)
		finding_set(f, VERDICT_QUIRK, "prefetching a fenced page is not refused");
	else
		finding_set(f, VERDICT_OK,
			    "for reading and for writing; refused for a fenced page");
}

static int atomic(struct rig *r, struct rig_memory *m, enum ibv_wr_opcode opcode, size_t offset,
		  uint64_t compare_add, uint64_t swap, uint64_t *ret_before)
{
	struct rig_path path = { .rights = RIG_RIGHTS | IBV_ACCESS_REMOTE_ATOMIC };
	struct ibv_send_wr wr = {
		.opcode = opcode,
		.wr.atomic = { .remote_addr = (uintptr_t)m->at + offset,
			       .compare_add = compare_add,
			       .swap = swap,
			       .rkey = m->mr->rkey },
	};
	int status = rig_connect(r, 0, &path);

	if (status == 0)
		status = rig_execute(r, r->near[0], &wr, sizeof(uint64_t), 0);
	memcpy(ret_before, r->local, sizeof(*ret_before));
	return status;
}

/* At one place: add, compare and swap, compare in vain. */
static int try_atomics(struct rig *r, struct rig_memory *m, size_t offset, bool *ret_right)
{
	uint64_t start = 1000 + offset, now = start, before = 0;
	int status;

	memset(m->at, 0, m->length);
	memcpy(m->at + offset, &start, sizeof(start));
	status = atomic(r, m, IBV_WR_ATOMIC_FETCH_AND_ADD, offset, 23, 0, &before);
	*ret_right = before == start;
	if (status == 0)
		status = atomic(r, m, IBV_WR_ATOMIC_CMP_AND_SWP, offset, start + 23, 77, &before);
	*ret_right &= before == start + 23;
	if (status == 0)
		status = atomic(r, m, IBV_WR_ATOMIC_CMP_AND_SWP, offset, 1, 99, &before);
	memcpy(&now, m->at + offset, sizeof(now));
	*ret_right &= before == 77 && now == 77;
	return status;
}

void check_atomics(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct ibv_device_attr_ex attr = { 0 };
	struct rig_memory m = { .fd = -1 };
	bool right = true, right_inside = true;
	int status;

	(void)s;
	if (ibv_query_device_ex(r->context, NULL, &attr) ||
	    !(attr.odp_caps.per_transport_caps.rc_odp_caps & IBV_ODP_SUPPORT_ATOMIC) ||
	    attr.orig_attr.atomic_cap == IBV_ATOMIC_NONE) {
		finding_set(f, VERDICT_NOT_SUPPORTED, "the device has none on demand-paged memory");
		return;
	}
	status = rig_map(r, &m, NULL, 1, RIG_RIGHTS | IBV_ACCESS_REMOTE_ATOMIC);
	if (status == 0)
		status = try_atomics(r, &m, 0, &right);
	if (status == 0)
		status = try_atomics(r, &m, 72, &right_inside);
	rig_unmap(r, &m);
	if (status)
		finding_set(f, VERDICT_QUIRK, "promised by the device, and fail: %s",
			    rig_status(status));
	else if (!right || !right_inside)
		finding_set(f, VERDICT_QUIRK, "the result is wrong%s",
			    right ? " inside a page" : "");
	else
		finding_set(f, VERDICT_OK, "fetch-and-add and compare-and-swap are right");
}

#if HAVE_IBV_FLUSH

static struct ibv_qp *create_flushing(struct rig *r)
{
	struct ibv_qp_init_attr_ex init = {
		.qp_type = IBV_QPT_RC,
		.send_cq = r->cq,
		.recv_cq = r->cq,
		.cap = { .max_send_wr = 4, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
		.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
		.pd = r->pd,
		.send_ops_flags = IBV_QP_EX_WITH_FLUSH | IBV_QP_EX_WITH_RDMA_WRITE,
	};

	return ibv_create_qp_ex(r->context, &init);
}

static int flush(struct rig *r, struct rig_memory *m, uint8_t type, unsigned int right)
{
	struct rig_path path = { .rights = RIG_RIGHTS | right };
	struct ibv_qp_ex *qp = ibv_qp_to_qp_ex(r->near[0]);
	int status = rig_connect(r, 0, &path);

	if (status < 0)
		return status;
	ibv_wr_start(qp);
	qp->wr_flags = IBV_SEND_SIGNALED;
	ibv_wr_flush(qp, m->mr->rkey, (uintptr_t)m->at, r->page, type, IBV_FLUSH_RANGE);
	status = ibv_wr_complete(qp);
	return status ? -status : rig_wait(r, 0);
}

/* As much as the device lets memory be registered for. @ret_persistent: that too. */
static int map_for_flush(const struct selftest *s, struct rig *r, struct rig_memory *ret,
			 bool *ret_persistent)
{
	unsigned int rights = RIG_RIGHTS | IBV_ACCESS_FLUSH_GLOBAL;

	*ret_persistent =
		rig_map(r, ret, s->directory, 1, rights | IBV_ACCESS_FLUSH_PERSISTENT) == 0;
	return *ret_persistent ? 0 : rig_map(r, ret, s->directory, 1, rights);
}

void check_flush(const struct selftest *s, struct rig *r, struct finding *f)
{
	struct ibv_qp *ordinary = r->near[0], *flushing = create_flushing(r);
	struct rig_memory m = { .fd = -1 };
	int global, persistent = 0;
	bool both;

	if (!flushing) {
		finding_set(f, VERDICT_NOT_SUPPORTED, "the device or its driver has none");
		return;
	}
	r->near[0] = flushing;
	if (map_for_flush(s, r, &m, &both) < 0) {
		finding_set(f, VERDICT_NOT_SUPPORTED, "memory cannot be registered for it");
	} else {
		global = flush(r, &m, IBV_FLUSH_GLOBAL, IBV_ACCESS_FLUSH_GLOBAL);
		if (both)
			persistent =
				flush(r, &m, IBV_FLUSH_PERSISTENT, IBV_ACCESS_FLUSH_PERSISTENT);
		if (global || persistent)
			finding_set(f, VERDICT_QUIRK, "a %s flush fails: %s",
				    global ? "global" : "persistent",
				    rig_status(global ? global : persistent));
		else
			finding_set(f, VERDICT_OK,
				    "for visibility%s (whether memory survives a loss of power is "
				    "not for the adapter to know)",
				    both ? " and for persistence" : "");
	}
	rig_unmap(r, &m);
	ibv_destroy_qp(flushing);
	r->near[0] = ordinary;
}

#else

void check_flush(const struct selftest *s, struct rig *r, struct finding *f)
{
	(void)s, (void)r;
	finding_set(f, VERDICT_NOT_SUPPORTED,
		    "this rdmaregd was built with an rdma-core that has none");
}

#endif
