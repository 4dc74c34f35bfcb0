// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * advise.c - see advise.h. rdma-core's rxe provider got ibv_advise_mr late (it answers EOPNOTSUPP
 * without asking the kernel), the kernel's rxe has it since 6.17: then the request is made to the
 * kernel directly.
 */
#include "selftest/advise.h"

#include <errno.h>
#include <infiniband/verbs.h>
#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>
#include <sys/ioctl.h>

static struct ib_uverbs_attr attribute(uint16_t id, uint16_t length, uint64_t data)
{
	return (struct ib_uverbs_attr){
		.attr_id = id, .len = length, .flags = UVERBS_ATTR_F_MANDATORY, .data = data
	};
}

/*
 * ADVISE_MR without the provider's help. The kernel refuses it (EINVAL) for any driver but the one
 * named.
 */
static int advise_rxe(const struct ibv_mr *mr, enum ib_uverbs_advise_mr_advice advice,
		      struct ibv_sge *sge)
{
	union {
		struct ib_uverbs_ioctl_hdr header;
		char space[sizeof(struct ib_uverbs_ioctl_hdr) + 4 * sizeof(struct ib_uverbs_attr)];
	} request = { 0 };
	struct ib_uverbs_ioctl_hdr *h = &request.header;

	h->length = sizeof(request);
	h->object_id = UVERBS_OBJECT_MR;
	h->method_id = UVERBS_METHOD_ADVISE_MR;
	h->num_attrs = 4;
	h->driver_id = RDMA_DRIVER_RXE;
	h->attrs[0] = attribute(UVERBS_ATTR_ADVISE_MR_PD_HANDLE, 0, mr->pd->handle);
	h->attrs[1] = attribute(UVERBS_ATTR_ADVISE_MR_ADVICE, sizeof(uint64_t), advice);
	h->attrs[2] = attribute(UVERBS_ATTR_ADVISE_MR_FLAGS, sizeof(uint32_t),
				IB_UVERBS_ADVISE_MR_FLAG_FLUSH);
	h->attrs[3] = attribute(UVERBS_ATTR_ADVISE_MR_SGE_LIST, sizeof(*sge), (uintptr_t)sge);
	return ioctl(mr->context->cmd_fd, RDMA_VERBS_IOCTL, h) < 0 ? -errno : 0;
}

int advise_mr(struct ibv_mr *mr, uint64_t address, uint32_t length, bool write)
{
	struct ibv_sge sge = { .addr = address, .length = length, .lkey = mr->lkey };
	int r;

	r = ibv_advise_mr(
		mr->pd, write ? IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE : IBV_ADVISE_MR_ADVICE_PREFETCH,
		IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
	if (r == EOPNOTSUPP)
		return advise_rxe(mr,
				  write ? IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_WRITE
					: IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH,
				  &sge);
	if (r)
		return r > 0 ? -r : errno > 0 ? -errno : -EIO;
	return 0;
}
