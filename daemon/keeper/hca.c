// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hca.c - see hca.h: libibverbs.
 *
 * Some verbs return -1 and set errno, some return a positive errno, some NULL: here it becomes one style.
 */
#include "keeper/hca.h"

#include <errno.h>
#include <infiniband/verbs.h>
#include <string.h>

#include "selftest/advise.h"

struct hca {
	struct ibv_context *context;
	uint8_t port;
	bool atomics;
};

struct hca_mr {
	struct ibv_pd *pd;
	struct ibv_mr *mr;
	bool write;
};

static int errno_or(int fallback)
{
	return errno > 0 ? -errno : -fallback;
}

static int query_caps(struct ibv_context *context, struct ibv_odp_caps *ret)
{
	struct ibv_device_attr_ex attr = { 0 };
	int r = ibv_query_device_ex(context, NULL, &attr);

	if (r)
		return r < 0 ? errno_or(EIO) : -r;
	*ret = attr.odp_caps;
	return 0;
}

int hca_check(struct ibv_context *context, struct reason *why)
{
	static const uint32_t needed = IBV_ODP_SUPPORT_READ | IBV_ODP_SUPPORT_WRITE;
	const char *name = ibv_get_device_name(context->device);
	struct ibv_odp_caps caps = { 0 };
	int r;

	r = query_caps(context, &caps);
	if (r < 0)
		return reason_set(why, r, "RDMA device %s cannot be queried: %s", name, strerror(-r));
	if (!(caps.general_caps & IBV_ODP_SUPPORT) ||
	    (caps.per_transport_caps.rc_odp_caps & needed) != needed)
		return reason_set(
			why, -EOPNOTSUPP,
			"RDMA device %s has no on-demand paging for remote reads and writes (rxe: needs Linux 6.15)",
			name);
	return 0;
}

int hca_new(struct hca **ret, struct ibv_context *context, uint8_t port)
{
	_cleanup_(hca_freep) struct hca *h = calloc(1, sizeof(*h));
	struct ibv_odp_caps caps = { 0 };
	int r;

	if (!h)
		return -ENOMEM;
	h->context = context;
	h->port = port;
	r = query_caps(context, &caps);
	if (r < 0)
		return r;
	h->atomics = caps.per_transport_caps.rc_odp_caps & IBV_ODP_SUPPORT_ATOMIC;
	*ret = steal_pointer(h);
	return 0;
}

struct hca *hca_free(struct hca *h)
{
	free(h);
	return NULL;
}

void hca_forbid_atomics(struct hca *h)
{
	h->atomics = false;
}

void hca_port(const struct hca *h, struct ibv_context **ret_context, uint8_t *ret_port)
{
	*ret_context = h->context;
	*ret_port = h->port;
}

int hca_mtu(const struct hca *h, uint32_t *ret_bytes)
{
	struct ibv_port_attr attr;
	int r = ibv_query_port(h->context, h->port, &attr);

	if (r)
		return r < 0 ? errno_or(EIO) : -r;
	*ret_bytes = 128u << attr.active_mtu; /* IBV_MTU_256 is 1 */
	return 0;
}

static int free_mr(struct hca_mr *m)
{
	int r;

	if (m->mr) {
		r = ibv_dereg_mr(m->mr);
		if (r)
			return r < 0 ? errno_or(EIO) : -r;
		m->mr = NULL;
	}
	if (m->pd) {
		r = ibv_dealloc_pd(m->pd);
		if (r)
			return r < 0 ? errno_or(EIO) : -r;
	}
	free(m);
	return 0;
}

static void free_mrp(struct hca_mr **m)
{
	if (*m)
		free_mr(*m);
}

int hca_register(struct hca *h, uint64_t address, uint64_t length, bool write, struct hca_mr **ret)
{
	_cleanup_(free_mrp) struct hca_mr *m = calloc(1, sizeof(*m));
	/*
	 * LOCAL_WRITE also for a region to be read: rxe refuses to prefetch without it (it looks the key up for local writing), and
	 * it gives nothing away, since the mapping underneath is PROT_READ and nobody has the local key.
	 */
	unsigned int access = IBV_ACCESS_ON_DEMAND | IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ;

	if (!m)
		return -ENOMEM;
	if (write)
		access |= IBV_ACCESS_REMOTE_WRITE | (h->atomics ? IBV_ACCESS_REMOTE_ATOMIC : 0u);
	m->write = write;
	errno = 0;
	m->pd = ibv_alloc_pd(h->context);
	if (!m->pd)
		return errno_or(ENOMEM);
	m->mr = ibv_reg_mr(m->pd, (void *)(uintptr_t)address, length, access);
	if (!m->mr)
		return errno_or(ENOMEM);
	*ret = steal_pointer(m);
	return 0;
}

int hca_deregister(struct hca_mr *mr)
{
	return free_mr(mr);
}

uint32_t hca_mr_rkey(const struct hca_mr *mr)
{
	return mr->mr->rkey;
}

struct ibv_pd *hca_mr_pd(const struct hca_mr *mr)
{
	return mr->pd;
}

int hca_prefetch(struct hca_mr *mr, uint64_t address, uint64_t length, bool write)
{
	if (write && !mr->write)
		return -EINVAL;
	return advise_mr(mr->mr, address, (uint32_t)length, write);
}
