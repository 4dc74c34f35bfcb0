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
 *   pinned          so many KiB can be pinned, in all
 *   path            what it says of the region's file (enum path_state of names.h)
 *   bypass          before the first access that begins at or after so many MiB (less one) it
 *   tells of a bypass
 *
 * Of several connections to the same memory, which are those to regions 7, 8 and so on (rails 1, 2):
 *   on              only that rail fails
 *   absent          nothing listens at that rail
 *   silent          nobody answers a request to connect to that rail
 *   stumbles        this machine fails to take a connection to that rail up, the second time
 *   expired         that rail's ticket is refused
 *   shorter, other  that rail's region is half as long; is of another file
 *   large           that rail's accesses begin at multiples of 512 KiB, those of others at 4096
 *   breaks, at      that rail's link is down from its access number "at" on; what was written over it
 *                   and not followed by a READ gets lost, which hardware is not known to do
 *   asks, at        that rail asks for blocks before its access number "at"; the other one asks
 *   both            with the same, when the first one was answered
 *   moved, at       before that rail's access number "at" the kernel sees another hardware address behind
 *                   its IP address, which harms nothing
 *   removed, at     that rail's device of this machine is removed at its access number "at": nothing
 *                   comes home any more; at 0, while it connects
 *   to              in MiB, less one: the file is that long when they have settled
 *
 * What always holds: what is posted is done at once, and nothing is looked at again after it
 * failed, as with a queue pair in error. A completion queue that was armed tells of one completion,
 * and of no more until it is armed again; each event that is taken is acknowledged. Whoever acknowledges has nothing in flight on any rail, and
 * posts nothing until all that asked have settled, or the program ends.
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

#include "peer.h"
#include "rdmareg-wire.h"

#undef ibv_reg_mr

#define N 64
#define BASE 0x100000000u /* remote address of the region */
#define NO_LISTENER 8
#define FIRST_REGION 7
#define SETTLE_LOOKS 5 /* so often a queue is looked at until a revocation is settled */

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

/* What was written over a rail and is not in memory for certain. */
struct written {
	uint64_t at;
	uint32_t bytes;
};

static struct connection {
	struct rdma_cm_id *id; /* NULL: none */
	struct ibv_cq *cq;
	struct ibv_wc completions[N];
	int n_completions;
	uint64_t receive; /* one that is posted */
	void *receive_buffer;
	unsigned int rail; /* from 1 */
	bool told, broken;
	bool asked, settling; /* a revocation that is not acknowledged; that is, and not settled */
	bool armed;	      /* its queue tells of the next completion */
	struct written written[4096];
	unsigned int n_written;
	struct wire_accept accepted;
} connections[FAKE_PEER_RAILS];

struct fake_peer fake_peer;

static struct ibv_device device = { .name = "fake0" };
static struct ibv_context context = { .device = &device };
static uint8_t *memory;
static bool has_asked, has_asked_both;
static unsigned int looks; /* until what is settling settles */
static uint64_t valid;
static size_t pinned;
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

static bool is_rail(const char *name, const struct connection *c)
{
	return setting(name) == c->rail;
}

static struct connection *of_id(const struct rdma_cm_id *id)
{
	struct connection *c = connections;

	while (c < connections + FAKE_PEER_RAILS && c->id != id)
		c++;
	return c < connections + FAKE_PEER_RAILS ? c : NULL;
}

static bool is_one_of_several(const struct connection *c)
{
	for (size_t i = 0; i < FAKE_PEER_RAILS; i++)
		if (&connections[i] != c && connections[i].id && connections[i].rail)
			return true;
	return false;
}

static struct connection *of_cq(const struct ibv_cq *cq)
{
	struct connection *c = connections;

	while (c->cq != cq)
		c++;
	return c;
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
	struct connection *c = of_id(id);

	if (c)
		*c = (struct connection){ 0 };
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
	struct connection *own = of_id(id);
	unsigned int rail;
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
	rail = (unsigned int)(le64toh(c.region) - FIRST_REGION) + 1;
	assert(rail && rail <= FAKE_PEER_RAILS);
	fake_peer.tried[rail - 1]++;
	if (setting("silent") == rail)
		return 0;
	if (setting("stumbles") == rail && fake_peer.tried[rail - 1] == 2) {
		push(id, RDMA_CM_EVENT_CONNECT_ERROR, -1); /* whatever the queue pair refused */
		return 0;
	}
	if (setting("removed") == rail && !setting("at")) {
		push(id, RDMA_CM_EVENT_DEVICE_REMOVAL, 0);
		return 0;
	}
	if (setting("expired") == rail) {
		reject(id, WIRE_REFUSED_TICKET, "expired", 0);
		return 0;
	}
	if (setting("absent") && setting("absent") == rail) {
		push(id, RDMA_CM_EVENT_REJECTED, NO_LISTENER);
		return 0;
	}
	assert(own);
	own->rail = rail;
	if (!is_one_of_several(own)) { /* the same bytes for all that are open at a time */
		free(memory);
		valid = (uint64_t)setting("valid") << 20;
		memory = calloc(1, ((size_t)setting("length") << 20) + 1);
		memset(memory, 'r', (size_t)setting("length") << 20);
	}
	own->accepted = (struct wire_accept){
		.magic = htole32(WIRE_MAGIC),
		.version = htole16(WIRE_VERSION),
		.rights = c.rights,
		.address = htole64(BASE),
		.length = htole64(((uint64_t)setting("length") << 20) >> is_rail("shorter", own)),
		.valid_length = htole64(valid >> is_rail("shorter", own)),
		.durability = (uint8_t)setting("durability"),
		.rkey = htole32(1),
		.generation = htole32(1),
		.alignment = htole32(is_rail("large", own) ? 512u << 10 : 4096),
		.grace_msec = htole32(1000),
		.path_state = (uint8_t)setting("path"),
		.bytes = htole64(4711 + is_rail("other", own)),
	};
	e = push(id, RDMA_CM_EVENT_ESTABLISHED, 0);
	e->param.conn.private_data = &own->accepted;
	e->param.conn.private_data_len = sizeof(own->accepted);
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
	for (size_t i = 0; i < FAKE_PEER_RAILS; i++)
		if (!connections[i].id) {
			connections[i] = (struct connection){ .id = id, .cq = attr->send_cq };
			return 0;
		}
	assert(!"more rails than are played");
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
	channel->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
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
	assert(!cq->comp_events_completed); /* it would wait for ever */
	free(cq);
	return 0;
}

int ibv_get_cq_event(struct ibv_comp_channel *channel, struct ibv_cq **cq, void **userdata)
{
	struct connection *c = connections;
	eventfd_t count;

	(void)userdata;
	if (eventfd_read(channel->fd, &count) < 0)
		return -1;
	while (!c->cq || c->cq->channel != channel)
		c++;
	*cq = c->cq;
	c->cq->comp_events_completed++;
	return 0;
}

void ibv_ack_cq_events(struct ibv_cq *cq, unsigned int n)
{
	cq->comp_events_completed -= n;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *address, size_t length, uint64_t iova,
				unsigned int access)
{
	struct ibv_mr *mr;

	(void)iova, (void)access;
	if (setting("pinned") && pinned + length > (size_t)setting("pinned") << 10) {
		errno = ENOMEM;
		return NULL;
	}
	pinned += length;
	mr = calloc(1, sizeof(*mr));
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
	pinned -= mr->length;
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

static void tell(struct connection *c)
{
	if (c->armed)
		eventfd_write(c->cq->channel->fd, 1);
	c->armed = false;
}

static void complete(struct connection *c, uint64_t id, enum ibv_wc_status status)
{
	assert(c->n_completions < N);
	c->completions[c->n_completions++] = (struct ibv_wc){ .wr_id = id, .status = status };
	tell(c);
}

static void break_connection(struct connection *c, uint64_t id)
{
	c->broken = true;
	switch ((enum order)setting("order")) {
	case COMPLETION_FIRST:
		complete(c, id, IBV_WC_REM_ACCESS_ERR);
		break;
	case EVENT_FIRST:
		break;
	case RECEIVES_FIRST:
		complete(c, c->receive, IBV_WC_WR_FLUSH_ERR);
		complete(c, id, IBV_WC_REM_ACCESS_ERR);
		break;
	case FLUSHED:
		complete(c, id, IBV_WC_WR_FLUSH_ERR);
		break;
	}
	push(c->id, RDMA_CM_EVENT_DISCONNECTED, 0);
}

/* The link is down. What came home is home; what was not followed by a READ is in no memory. */
static void lose(struct connection *c, uint64_t id)
{
	c->broken = true;
	for (unsigned int i = 0; i < c->n_written; i++)
		memset(memory + c->written[i].at, 'l', c->written[i].bytes);
	complete(c, id, IBV_WC_RETRY_EXC_ERR);
}

static void send_message(struct connection *c, struct wire_message m)
{
	m.magic = htole32(WIRE_MAGIC);
	m.version = htole16(WIRE_VERSION);
	m.valid_length = htole64(valid);
	m.rkey = c->accepted.rkey;
	m.generation = c->accepted.generation;
	memcpy(c->receive_buffer, &m, sizeof(m));
	complete(c, c->receive, IBV_WC_SUCCESS);
	c->completions[c->n_completions - 1].byte_len = sizeof(m);
}

static void tell_bypass(struct connection *c)
{
	c->told = true;
	send_message(c, (struct wire_message){ .type = htole16(WIRE_LENGTH_CHANGED),
					       .length = htole64(4096),
					       .cause = htole16(c->accepted.path_state),
					       .request = htole64(1) });
}

static void ask(struct connection *c)
{
	fake_peer.asked++;
	c->asked = true;
	send_message(c, (struct wire_message){ .type = htole16(WIRE_REVOCATION_ASKED),
					       .revocation = htole64(1),
					       .length = c->accepted.length,
					       .time_left_msec = htole32(1000) });
}

static bool is_revoked(void)
{
	for (size_t i = 0; i < FAKE_PEER_RAILS; i++)
		if (connections[i].settling)
			return true;
	return false;
}

/* Nothing is in flight anywhere: what came home was looked at. */
static void acknowledged(struct connection *c)
{
	assert(c->asked);
	for (size_t i = 0; i < FAKE_PEER_RAILS; i++)
		for (int k = 0; k < connections[i].n_completions; k++)
			assert(connections[i].completions[k].wr_id >> 32 != 1);
	fake_peer.acknowledged++;
	c->asked = false;
	c->settling = true;
	looks = SETTLE_LOOKS;
	for (size_t i = 0; i < FAKE_PEER_RAILS; i++)
		if (setting("both") && !has_asked_both && connections[i].id &&
		    &connections[i] != c) {
			has_asked_both = true;
			ask(&connections[i]);
		}
}

static void settle(void)
{
	if (setting("to"))
		valid = (uint64_t)(setting("to") - 1) << 20;
	for (size_t i = 0; i < FAKE_PEER_RAILS; i++) {
		struct connection *c = &connections[i];

		if (!c->settling)
			continue;
		c->settling = false;
		send_message(c, (struct wire_message){ .type = htole16(WIRE_REVOCATION_SETTLED),
						       .revocation = htole64(1) });
	}
}

static void write_to(struct connection *c, uint64_t at, const uint8_t *from, uint32_t n)
{
	memcpy(memory + at, from, n);
	if (!is_rail("breaks", c))
		return; /* nothing of it can be lost */
	assert(c->n_written < sizeof(c->written) / sizeof(c->written[0]));
	c->written[c->n_written++] = (struct written){ at, n };
}

/* False: that was its end. */
static bool access_memory(struct connection *c, const struct ibv_send_wr *wr)
{
	uint8_t *local = (uint8_t *)(uintptr_t)wr->sg_list->addr;
	uint64_t at = wr->wr.rdma.remote_addr - BASE;
	uint32_t n = wr->sg_list->length;
	unsigned int number = ++fake_peer.accesses[c->rail - 1];

	assert(!is_revoked());
	assert(at + n <= valid || setting("shorter"));
	if (setting("bypass") && !c->told && at >= (uint64_t)(setting("bypass") - 1) << 20)
		tell_bypass(c);
	if (setting("fails") && (!setting("on") || is_rail("on", c)) &&
	    at >= (uint64_t)(setting("fails") - 1) << 20) {
		break_connection(c, wr->wr_id);
		return false;
	}
	if (is_rail("moved", c) && number == setting("at"))
		push(c->id, RDMA_CM_EVENT_UNREACHABLE, -ETIMEDOUT);
	if (is_rail("breaks", c) && number >= setting("at")) {
		lose(c, wr->wr_id);
		return false;
	}
	if (is_rail("removed", c) && number >= setting("at")) {
		c->broken = true;
		push(c->id, RDMA_CM_EVENT_DEVICE_REMOVAL, 0);
		return false;
	}
	if (is_rail("asks", c) && number >= setting("at") && !has_asked) {
		has_asked = true;
		ask(c);
	}
	if (wr->opcode == IBV_WR_RDMA_WRITE) {
		write_to(c, at, local, n);
		return true;
	}
	memcpy(local, memory + at, n);
	c->n_written = 0;
	return true;
}

static int post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	struct connection *c = of_cq(qp->send_cq);

	(void)bad;
	if (c->broken)
		return 0;
	if (wr->opcode == IBV_WR_SEND)
		acknowledged(c);
	else if (!access_memory(c, wr))
		return 0;
	complete(c, wr->wr_id, IBV_WC_SUCCESS);
	return 0;
}

static int post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	struct connection *c = of_cq(qp->send_cq);

	(void)bad;
	c->receive = wr->wr_id;
	c->receive_buffer = (void *)(uintptr_t)wr->sg_list->addr;
	return 0;
}

static int poll_cq(struct ibv_cq *cq, int n, struct ibv_wc *ret)
{
	struct connection *c = of_cq(cq);

	(void)n;
	if (is_revoked() && looks-- == 0)
		settle();
	if (!c->n_completions)
		return 0;
	*ret = c->completions[0];
	memmove(c->completions, c->completions + 1,
		sizeof(c->completions[0]) * (size_t)--c->n_completions);
	return 1;
}

static int req_notify_cq(struct ibv_cq *cq, int solicited_only)
{
	struct connection *c = of_cq(cq);

	(void)solicited_only;
	c->armed = true;
	if (is_revoked())
		tell(c); /* of nothing, as is allowed: so it looks until that settles */
	return 0;
}

__attribute__((constructor)) static void begin(void)
{
	context.ops.post_send = post_send;
	context.ops.post_recv = post_recv;
	context.ops.poll_cq = poll_cq;
	context.ops.req_notify_cq = req_notify_cq;
}
