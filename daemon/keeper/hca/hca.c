// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hca.c - see hca.h: libibverbs.
 *
 * Some verbs return -1 and set errno, some return a positive errno, some NULL: here it becomes one
 * style.
 *
 * A context that was given away (hca_mr_import()) has users we know nothing of. What they have made
 * in a protection domain keeps it from being freed, and a command of theirs that just looks at a
 * memory region keeps that for a moment. So such a domain is put aside and freed when it can be;
 * the memory region itself always goes.
 */
#include "keeper/hca/hca.h"

#include <errno.h>
#include <infiniband/verbs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config.h"
#include "keeper/hca/counters.h"
#include "keeper/hca/try.h"
#include "rdmareg-wire.h"
#include "selftest/advise.h"

/*
 * Bits of the kernel's ABI that not every rdma-core names: IB_UVERBS_DEVICE_FLUSH_*,
 * IB_UVERBS_ODP_SUPPORT_FLUSH.
 */
#define DEVICE_FLUSH_GLOBAL (UINT64_C(1) << 38)
#define DEVICE_FLUSH_PERSISTENT (UINT64_C(1) << 39)
#define ODP_SUPPORT_FLUSH (1u << 6)
#define IMPORTED_BUSY_MAX 200
#define LEFT_MAX 1024 /* then nothing more is given away, until some of them are free */

struct hca {
	struct ibv_context *context;
	uint8_t port;
	bool atomics;
	uint8_t flush;		  /* WIRE_FLUSH_* */
	unsigned int read_access; /* what a region for reading needs besides */
	int import_error;
	pthread_mutex_t
		lock; /* workers': of the two below; never held while a verb waits for an access */
	struct counters *counters; /* NULL: the adapter does not count */
	struct left *left;
	atomic_uint n_left;
};

/* A protection domain in which somebody who imported it has something. */
struct left {
	struct ibv_pd *pd;
	struct left *next;
};

struct hca_mr {
	struct hca *hca;
	struct ibv_pd *pd;
	struct ibv_mr *mr;
	bool write;
	bool on_demand;
	uint32_t number; /* of its counters; 0: none */
	bool imported;	 /* written by the loop, read when no more of its calls can come */
};

static int errno_or(int fallback)
{
	return errno > 0 ? -errno : -fallback;
}

static int query_caps(struct ibv_context *context, struct ibv_odp_caps *ret, uint64_t *ret_flags)
{
	struct ibv_device_attr_ex attr = { 0 };
	int r = ibv_query_device_ex(context, NULL, &attr);

	if (r)
		return r < 0 ? errno_or(EIO) : -r;
	*ret = attr.odp_caps;
	*ret_flags = attr.device_cap_flags_ex;
	return 0;
}

unsigned int hca_flush_access(uint8_t flush)
{
#if HAVE_IBV_FLUSH
	return (flush & WIRE_FLUSH_GLOBAL ? IBV_ACCESS_FLUSH_GLOBAL : 0u) |
	       (flush & WIRE_FLUSH_PERSISTENT ? IBV_ACCESS_FLUSH_PERSISTENT : 0u);
#else
	(void)flush;
	return 0;
#endif
}

/*
 * The device has it, the device has it on demand-paged memory, and this libibverbs can ask for it.
 */
static uint8_t flush_of(uint64_t flags, const struct ibv_odp_caps *odp)
{
	if (!HAVE_IBV_FLUSH || !(odp->per_transport_caps.rc_odp_caps & ODP_SUPPORT_FLUSH))
		return 0;
	return (uint8_t)((flags & DEVICE_FLUSH_GLOBAL ? WIRE_FLUSH_GLOBAL : 0u) |
			 (flags & DEVICE_FLUSH_PERSISTENT ? WIRE_FLUSH_PERSISTENT : 0u));
}

int hca_check(struct ibv_context *context, struct failure *why)
{
	static const uint32_t needed = IBV_ODP_SUPPORT_READ | IBV_ODP_SUPPORT_WRITE;
	const char *name = ibv_get_device_name(context->device);
	struct ibv_odp_caps caps = { 0 };
	uint64_t flags;
	int r;

	r = query_caps(context, &caps, &flags);
	if (r < 0)
		return fail(why, r, "RDMA device %s cannot be queried: %s", name, strerror(-r));
	if (!(caps.general_caps & IBV_ODP_SUPPORT) ||
	    (caps.per_transport_caps.rc_odp_caps & needed) != needed)
		return fail(
			why, -EOPNOTSUPP,
			"RDMA device %s has no on-demand paging for remote reads and writes (rxe: needs Linux 6.15)",
			name);
	return 0;
}

int hca_new(struct hca **ret, struct ibv_context *context, uint8_t port)
{
	_cleanup_(hca_freep) struct hca *h = calloc(1, sizeof(*h));
	struct ibv_odp_caps caps = { 0 };
	uint64_t flags;
	int r;

	if (!h)
		return -ENOMEM;
	pthread_mutex_init(&h->lock, NULL);
	h->context = context;
	h->port = port;
	r = query_caps(context, &caps, &flags);
	if (r < 0)
		return r;
	h->flush = flush_of(flags, &caps);
	h->atomics = caps.per_transport_caps.rc_odp_caps & IBV_ODP_SUPPORT_ATOMIC;
	h->read_access = hca_try_read_access(context);
	h->import_error = hca_try_import(context);
	/* without them accesses that fault are not counted, that is all */
	r = ibv_get_device_index(context->device);
	if (r >= 0)
		counters_new(&h->counters, (uint32_t)r);
	*ret = steal_pointer(h);
	return 0;
}

/* Those that nobody uses any more. */
static void free_left(struct hca *h)
{
	for (struct left **at = &h->left, *l; (l = *at);) {
		if (ibv_dealloc_pd(l->pd)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		free(l);
		h->n_left--;
	}
}

struct hca *hca_free(struct hca *h)
{
	struct left *next;

	if (!h)
		return NULL;
	counters_free(h->counters);
	free_left(h);
	for (struct left *l = h->left; l; l = next) { /* the process ends, and these with it */
		next = l->next;
		free(l);
	}
	pthread_mutex_destroy(&h->lock);
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

/*
 * A user of the context who looks at it at this moment makes it busy: not for long, unless he means
 * to.
 */
static int deregister(struct hca_mr *m)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int r = ibv_dereg_mr(m->mr);

	for (int i = 0; i < IMPORTED_BUSY_MAX && r == EBUSY && m->imported; i++) {
		nanosleep(&pause, NULL);
		r = ibv_dereg_mr(m->mr);
	}
	return r < 0 ? errno_or(EIO) : -r;
}

static int free_domain(struct hca_mr *m)
{
	int r = ibv_dealloc_pd(m->pd);
	struct left *l;

	if (r != EBUSY || !m->imported)
		return r < 0 ? errno_or(EIO) : -r;
	l = malloc(sizeof(*l));
	if (!l)
		return 0; /* lost until the process ends; nothing can be reached through it */
	pthread_mutex_lock(&m->hca->lock);
	*l = (struct left){ .pd = m->pd, .next = m->hca->left };
	m->hca->left = l;
	m->hca->n_left++;
	pthread_mutex_unlock(&m->hca->lock);
	return 0;
}

static int free_mr(struct hca_mr *m)
{
	int r;

	pthread_mutex_lock(&m->hca->lock);
	free_left(m->hca);
	pthread_mutex_unlock(&m->hca->lock);
	if (m->mr) {
		r = deregister(m);
		if (r < 0)
			return r;
		m->mr = NULL;
	}
	if (m->pd) {
		r = free_domain(m);
		if (r < 0)
			return r;
	}
	free(m);
	return 0;
}

static void free_mrp(struct hca_mr **m)
{
	if (*m)
		free_mr(*m);
}

/*
 * A protection domain, and where there are counters its number, before another thread has one.
 * NULL: errno says why not.
 */
static struct ibv_pd *allocate_domain(struct hca *h, uint32_t *ret_number)
{
	struct ibv_pd *pd;

	pthread_mutex_lock(&h->lock);
	errno = 0;
	pd = ibv_alloc_pd(h->context);
	if (pd && h->counters &&
	    counters_find_domain(h->counters, (uint32_t)getpid(), ret_number) < 0)
		h->counters = counters_free(h->counters);
	pthread_mutex_unlock(&h->lock);
	return pd;
}

/* When it was registered: its counters, if there are any. With the lock held. */
static void find_counters(struct hca *h, struct hca_mr *m, uint32_t domain)
{
	const struct counters_region r = { .pid = (uint32_t)getpid(),
					   .domain = domain,
					   .rkey = m->mr->rkey,
					   .length = m->mr->length };
	uint64_t faults;
	int error;

	if (!h->counters)
		return;
	error = counters_find(h->counters, &r, &m->number);
	if (error == 0)
		error = counters_read(h->counters, m->number, &faults);
	if (error == 0)
		return;
	/*
	 * an adapter that does not count never will; and what went wrong once costs no registration
	 * any more time
	 */
	m->number = 0;
	h->counters = counters_free(h->counters);
}

int hca_read_faults(struct hca *h, uint32_t counter, uint64_t *ret_faults)
{
	int r;

	pthread_mutex_lock(&h->lock);
	r = h->counters ? counters_read(h->counters, counter, ret_faults) : -ENODATA;
	/*
	 * an answer may still come, to a question that nobody asks any more: better none than a
	 * wrong one
	 */
	if (r != 0 && r != -ENOENT) {
		h->counters = counters_free(h->counters);
		r = -ENODATA;
	}
	pthread_mutex_unlock(&h->lock);
	return r;
}

uint32_t hca_mr_counter(const struct hca_mr *mr)
{
	return mr->number;
}

uint8_t hca_flush(const struct hca *h)
{
	return h->flush;
}

int hca_register(struct hca *h, uint64_t address, uint64_t length, bool write, uint8_t flush,
		 struct hca_mr **ret)
{
	_cleanup_(free_mrp) struct hca_mr *m = calloc(1, sizeof(*m));
	unsigned int access = IBV_ACCESS_ON_DEMAND | IBV_ACCESS_REMOTE_READ;
	uint32_t domain = 0;

	if (!m)
		return -ENOMEM;
	m->hca = h;
	if (write)
		access |= IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
			  hca_flush_access(flush & h->flush) |
			  (h->atomics ? IBV_ACCESS_REMOTE_ATOMIC : 0u);
	else
		access |= h->read_access;
	m->write = write;
	m->on_demand = access & IBV_ACCESS_ON_DEMAND;
	m->pd = allocate_domain(h, &domain);
	if (!m->pd)
		return errno_or(ENOMEM);
	errno = 0;
	m->mr = ibv_reg_mr(m->pd, (void *)(uintptr_t)address, length, access);
	if (!m->mr)
		return errno_or(ENOMEM);
	pthread_mutex_lock(&h->lock);
	find_counters(h, m, domain);
	pthread_mutex_unlock(&h->lock);
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

int hca_mr_import(struct hca_mr *mr, struct hca_import *ret)
{
	if (mr->hca->import_error)
		return mr->hca->import_error;
	if (mr->hca->n_left >= LEFT_MAX)
		return -EDQUOT;
	mr->imported = true;
	*ret = (struct hca_import){ .command_fd = mr->hca->context->cmd_fd,
				    .pd_handle = mr->pd->handle,
				    .mr_handle = mr->mr->handle };
	return 0;
}

int hca_prefetch(struct hca_mr *mr, uint64_t address, uint64_t length, bool write)
{
	if (!mr->on_demand)
		abort(); /* the kernel would oops */
	if (write && !mr->write)
		return -EINVAL;
	return advise_mr(mr->mr, address, (uint32_t)length, write);
}
