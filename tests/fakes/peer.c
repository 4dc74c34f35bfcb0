// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peer.c - librdmacm and libibverbs as the peer side uses them, with a keeper at the other end, all
 * played: linked in their place.
 *
 * $FAKE_PEER says how, as "NAME=NUMBER ..."; what it does not name is 0:
 *   length, valid   of the region, in MiB. It has that much memory, and no more is ever accessed
 *   refuse          connecting is refused for that enum wire_refusal, with the text of
 *   $FAKE_PEER_TEXT
 *   status          ... by what is no keeper, with that reason of RDMA CM
 *   away            the errno of the question for the host's address
 *   fails           the first access that begins at or after so many MiB (less one) fails there; in
 *   the order of "order":
 *   order           enum order, below
 *   cause           what the keeper answers who asks why (enum wire_cause)
 *   gone            nobody answers that any more
 *   path            what it says of the region's file (enum path_state of names.h)
 *   bypass          before the first access that begins at or after so many MiB (less one) it
 *   tells of a bypass
 *
 * What always holds: what is posted is done at once, and nothing is looked at again after it
 * failed, as with a queue pair in error.
 */
#include <arpa/inet.h>
#undef NDEBUG
#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rdmareg-wire.h"

#undef ibv_reg_mr

#define N 64
#define BASE 0x100000000u /* remote address of the region */
#define NO_LISTENER 8

/* In which order the peer hears that an access failed and that the connection is over with that. */
enum order {
	COMPLETION_FIRST,
	EVENT_FIRST,
	RECEIVES_FIRST, /* the receive buffers come home before the access does */
	FLUSHED,	/* the access comes home as one that was never tried */
};

struct channel {
	struct rdma_event_channel channel; /* first: the same address */
	struct rdma_cm_event events[N];
	int n;
};

static struct ibv_device device = { .name = "fake0" };
static struct ibv_context context = { .device = &device };
static struct ibv_wc completions[N];
static int n_completions;
static uint64_t receive; /* one that is posted */
static void *receive_buffer;
static bool told;
static bool broken;
static uint8_t *memory;
static struct wire_accept accepted;
static struct wire_reject answer;

static unsigned int setting(const char *name)
{
	const char *at = getenv("FAKE_PEER");
	size_t n = strlen(name);

	for (; at && *at; at += strcspn(at, " "), at += *at == ' ')
		if (!strncmp(at, name, n) && at[n] == '=')
			return (unsigned int)strtoul(at + n + 1, NULL, 10);
	return 0;
}

/* ---- connection manager ---- */

static struct rdma_cm_event *push(struct rdma_cm_id *id, enum rdma_cm_event_type type, int status)
{
	struct channel *c = (struct channel *)id->channel;

	assert(c->n < N);
	c->events[c->n] = (struct rdma_cm_event){ .id = id, .event = type, .status = status };
	eventfd_write(c->channel.fd, 1);
	return &c->events[c->n++];
}

struct rdma_event_channel *rdma_create_event_channel(void)
{
	struct channel *c = calloc(1, sizeof(*c));

	c->channel.fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	return &c->channel;
}

void rdma_destroy_event_channel(struct rdma_event_channel *channel)
{
	close(channel->fd);
	free(channel);
}

int rdma_get_cm_event(struct rdma_event_channel *channel, struct rdma_cm_event **ret)
{
	struct channel *c = (struct channel *)channel;
	eventfd_t count;

	if (!c->n) {
		errno = EAGAIN;
		return -1;
	}
	eventfd_read(channel->fd, &count);
	*ret = malloc(sizeof(**ret));
	**ret = c->events[0];
	memmove(c->events, c->events + 1, sizeof(c->events[0]) * (size_t)--c->n);
	return 0;
}

int rdma_ack_cm_event(struct rdma_cm_event *event)
{
	free(event);
	return 0;
}

int rdma_create_id(struct rdma_event_channel *channel, struct rdma_cm_id **ret, void *userdata,
		   enum rdma_port_space ps)
{
	*ret = calloc(1, sizeof(**ret));
	(*ret)->channel = channel;
	(*ret)->context = userdata;
	(*ret)->ps = ps;
	return 0;
}

int rdma_destroy_id(struct rdma_cm_id *id)
{
	free(id);
	return 0;
}

static size_t bytes_of(const struct sockaddr *address)
{
	return address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
					     : sizeof(struct sockaddr_in6);
}

int rdma_resolve_addr(struct rdma_cm_id *id, struct sockaddr *source, struct sockaddr *target,
		      int msec)
{
	(void)msec;
	if (setting("away")) {
		errno = (int)setting("away");
		return -1;
	}
	memcpy(&id->route.addr.dst_storage, target, bytes_of(target));
	id->route.addr.src_addr.sa_family = target->sa_family;
	if (source)
		memcpy(&id->route.addr.src_storage, source, bytes_of(source));
	id->verbs = &context;
	push(id, RDMA_CM_EVENT_ADDR_RESOLVED, 0);
	return 0;
}

int rdma_resolve_route(struct rdma_cm_id *id, int msec)
{
	(void)msec;
	push(id, RDMA_CM_EVENT_ROUTE_RESOLVED, 0);
	return 0;
}

static void reject(struct rdma_cm_id *id, uint16_t reason, const char *text, uint16_t cause)
{
	struct rdma_cm_event *e = push(id, RDMA_CM_EVENT_REJECTED, 28);

	answer = (struct wire_reject){
		.magic = htole32(WIRE_MAGIC),
		.version = htole16(WIRE_VERSION),
		.reason = htole16(reason),
		.cause = htole16(cause),
	};
	snprintf(answer.text, sizeof(answer.text), "%s", text);
	e->param.conn.private_data = &answer;
	e->param.conn.private_data_len = sizeof(answer);
}

int rdma_connect(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	struct wire_connect c;
	struct rdma_cm_event *e;

	assert(param->private_data_len == sizeof(c));
	memcpy(&c, param->private_data, sizeof(c));
	if (le16toh(c.rights) & WIRE_ASKS_CAUSE) {
		assert(le64toh(c.length));
		if (setting("gone"))
			push(id, RDMA_CM_EVENT_REJECTED, NO_LISTENER);
		else
			reject(id, WIRE_EXPLAINED, "", (uint16_t)setting("cause"));
		return 0;
	}
	if (setting("status")) {
		push(id, RDMA_CM_EVENT_REJECTED, (int)setting("status"));
		return 0;
	}
	if (setting("refuse")) {
		reject(id, (uint16_t)setting("refuse"), getenv("FAKE_PEER_TEXT"), 0);
		return 0;
	}
	accepted = (struct wire_accept){
		.magic = htole32(WIRE_MAGIC),
		.version = htole16(WIRE_VERSION),
		.rights = c.rights,
		.address = htole64(BASE),
		.length = htole64((uint64_t)setting("length") << 20),
		.valid_length = htole64((uint64_t)setting("valid") << 20),
		.durability = (uint8_t)setting("durability"),
		.rkey = htole32(1),
		.generation = htole32(1),
		.alignment = htole32(4096),
		.grace_msec = htole32(1000),
		.path_state = (uint8_t)setting("path"),
	};
	free(memory);
	memory = calloc(1, ((size_t)setting("length") << 20) + 1);
	memset(memory, 'r', (size_t)setting("length") << 20);
	e = push(id, RDMA_CM_EVENT_ESTABLISHED, 0);
	e->param.conn.private_data = &accepted;
	e->param.conn.private_data_len = sizeof(accepted);
	return 0;
}

int rdma_disconnect(struct rdma_cm_id *id)
{
	(void)id;
	return 0;
}

int rdma_create_qp(struct rdma_cm_id *id, struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	id->qp = calloc(1, sizeof(*id->qp));
	id->qp->context = &context;
	id->qp->pd = pd;
	id->qp->send_cq = attr->send_cq;
	id->qp->qp_context = id;
	broken = false;
	n_completions = 0;
	return 0;
}

/* The kind that can send FLUSHes is not offered. */
int rdma_create_qp_ex(struct rdma_cm_id *id, struct ibv_qp_init_attr_ex *attr)
{
	(void)id, (void)attr;
	errno = EOPNOTSUPP;
	return -1;
}

void rdma_destroy_qp(struct rdma_cm_id *id)
{
	free(id->qp);
	id->qp = NULL;
}

/* ---- verbs ---- */

struct ibv_pd *ibv_alloc_pd(struct ibv_context *c)
{
	struct ibv_pd *pd = calloc(1, sizeof(*pd));

	pd->context = c;
	return pd;
}

int ibv_dealloc_pd(struct ibv_pd *pd)
{
	free(pd);
	return 0;
}

struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *c)
{
	struct ibv_comp_channel *channel = calloc(1, sizeof(*channel));

	channel->context = c;
	channel->fd = eventfd(0, EFD_CLOEXEC);
	return channel;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel *channel)
{
	close(channel->fd);
	free(channel);
	return 0;
}

struct ibv_cq *ibv_create_cq(struct ibv_context *c, int cqe, void *userdata,
			     struct ibv_comp_channel *channel, int vector)
{
	struct ibv_cq *cq = calloc(1, sizeof(*cq));

	(void)cqe, (void)userdata, (void)vector;
	cq->context = c;
	cq->channel = channel;
	return cq;
}

int ibv_destroy_cq(struct ibv_cq *cq)
{
	free(cq);
	return 0;
}

int ibv_get_cq_event(struct ibv_comp_channel *channel, struct ibv_cq **cq, void **userdata)
{
	(void)channel, (void)cq, (void)userdata;
	errno = EAGAIN;
	return -1;
}

void ibv_ack_cq_events(struct ibv_cq *cq, unsigned int n)
{
	(void)cq, (void)n;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *address, size_t length, uint64_t iova,
				unsigned int access)
{
	struct ibv_mr *mr = calloc(1, sizeof(*mr));

	(void)iova, (void)access;
	*mr = (struct ibv_mr){
		.context = pd->context, .pd = pd, .addr = address, .length = length
	};
	return mr;
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *address, size_t length, int access)
{
	return ibv_reg_mr_iova2(pd, address, length, (uintptr_t)address, (unsigned int)access);
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
	free(mr);
	return 0;
}

int ibv_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask)
{
	(void)qp, (void)attr, (void)mask;
	return 0;
}

int ibv_query_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask,
		 struct ibv_qp_init_attr *init)
{
	(void)qp, (void)mask, (void)init;
	attr->path_mtu = IBV_MTU_4096;
	attr->rnr_retry = 7;
	return 0;
}

int ibv_query_device(struct ibv_context *c, struct ibv_device_attr *attr)
{
	(void)c;
	memset(attr, 0, sizeof(*attr));
	attr->max_qp_init_rd_atom = 16;
	return 0;
}

const char *ibv_get_device_name(struct ibv_device *d)
{
	return d->name;
}

const char *ibv_wc_status_str(enum ibv_wc_status status)
{
	return status == IBV_WC_REM_ACCESS_ERR ? "remote access error" : "another status";
}

static void complete(uint64_t id, enum ibv_wc_status status)
{
	assert(n_completions < N);
	completions[n_completions++] = (struct ibv_wc){ .wr_id = id, .status = status };
}

static void break_connection(struct ibv_qp *qp, uint64_t id)
{
	broken = true;
	switch ((enum order)setting("order")) {
	case COMPLETION_FIRST:
		complete(id, IBV_WC_REM_ACCESS_ERR);
		break;
	case EVENT_FIRST:
		break;
	case RECEIVES_FIRST:
		complete(receive, IBV_WC_WR_FLUSH_ERR);
		complete(id, IBV_WC_REM_ACCESS_ERR);
		break;
	case FLUSHED:
		complete(id, IBV_WC_WR_FLUSH_ERR);
		break;
	}
	push(qp->qp_context, RDMA_CM_EVENT_DISCONNECTED, 0);
}

static void tell_bypass(void)
{
	struct wire_message m = {
		.magic = htole32(WIRE_MAGIC),
		.version = htole16(WIRE_VERSION),
		.type = htole16(WIRE_LENGTH_CHANGED),
		.length = htole64(4096),
		.valid_length = accepted.valid_length,
		.cause = htole16(accepted.path_state),
		.rkey = accepted.rkey,
		.generation = accepted.generation,
		.request = htole64(1),
	};

	told = true;
	memcpy(receive_buffer, &m, sizeof(m));
	complete(receive, IBV_WC_SUCCESS);
	completions[n_completions - 1].byte_len = sizeof(m);
}

static int post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	uint8_t *local = (uint8_t *)(uintptr_t)wr->sg_list->addr;
	uint64_t at = wr->wr.rdma.remote_addr - BASE;
	uint32_t n = wr->sg_list->length;

	(void)bad;
	if (broken)
		return 0;
	if (wr->opcode != IBV_WR_SEND) {
		assert(at + n <= (uint64_t)setting("valid") << 20);
		if (setting("bypass") && !told && at >= (uint64_t)(setting("bypass") - 1) << 20)
			tell_bypass();
		if (setting("fails") && at >= (uint64_t)(setting("fails") - 1) << 20) {
			break_connection(qp, wr->wr_id);
			return 0;
		}
		if (wr->opcode == IBV_WR_RDMA_WRITE)
			memcpy(memory + at, local, n);
		else
			memcpy(local, memory + at, n);
	}
	complete(wr->wr_id, IBV_WC_SUCCESS);
	return 0;
}

static int post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	(void)qp, (void)bad;
	receive = wr->wr_id;
	receive_buffer = (void *)(uintptr_t)wr->sg_list->addr;
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

static int req_notify_cq(struct ibv_cq *cq, int solicited_only)
{
	(void)cq, (void)solicited_only;
	return 0;
}

__attribute__((constructor)) static void begin(void)
{
	context.ops.post_send = post_send;
	context.ops.post_recv = post_recv;
	context.ops.poll_cq = poll_cq;
	context.ops.req_notify_cq = req_notify_cq;
}
