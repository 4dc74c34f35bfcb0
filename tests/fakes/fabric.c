// SPDX-License-Identifier: GPL-2.0-or-later
/* fabric.c - see fakes/fabric.h. */
#undef NDEBUG
#include "fabric.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <ifaddrs.h>
#include <limits.h>
#include <libmnl/libmnl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#undef ibv_reg_mr

#define N 64
#define ARMED 1 /* handle of a completion queue: the next completion is told */
#define LISTENERS (FABRIC_ADDRESSES + 1) /* one more while it takes the place of another */

struct fabric fabric;

struct fabric_peer {
	struct rdma_cm_id *id; /* NULL: destroyed */
	struct fabric_peer *next;
	struct wire_connect request;
	struct rdma_conn_param param;
	bool accepted;
	uint8_t rnr_retries;
	struct ibv_qp_attr attributes; /* that the keeper's queue pair was given so far */
	struct ibv_qp *qp;	       /* NULL: none, or destroyed */
	struct ibv_send_wr sends[N];
	unsigned int n_sends;
	struct ibv_sge receives[N];
	uint64_t receive_ids[N];
	unsigned int n_receives;
	struct ibv_wc done[N];
	unsigned int n_done;
};

struct channel {
	struct rdma_event_channel channel; /* first: the same address */
	struct rdma_cm_event events[N];
	unsigned int n;
};

static struct ibv_device devices[2] = { { .name = "fake0" }, { .name = "fake1" } };
static struct ibv_context contexts[2] = { { .device = &devices[0], .async_fd = -1 },
					  { .device = &devices[1], .async_fd = -1 } };
static struct fabric_peer *peers;
static struct rdma_cm_id *listeners[LISTENERS];
static struct ibv_cq *told[N]; /* completion queues that have something new */
static unsigned int n_told;
static unsigned int fruitless_left = UINT_MAX; /* looks for completions where none is */
static unsigned int fatal_events;	       /* of the first device, not read */
static struct ibv_comp_channel *completions;
static _Atomic unsigned int objects; /* the endpoint's worker destroys some */

static void *made(size_t size)
{
	void *p = calloc(1, size);

	assert(p);
	objects++;
	return p;
}

static int gone(void *p)
{
	assert(p && objects-- > 0);
	free(p);
	return 0;
}

/* Is this the call that fails? */
static bool refused(void)
{
	if (++fabric.calls != fabric.fail_at)
		return false;
	errno = ENOMEM;
	return true;
}

static struct fabric_peer *peer_of_id(const struct rdma_cm_id *id)
{
	struct fabric_peer *p = peers;

	while (p && p->id != id)
		p = p->next;
	return p;
}

static struct fabric_peer *peer_of_qp(uint32_t number)
{
	struct fabric_peer *p = peers;

	while (p && !(p->qp && p->qp->qp_num == number))
		p = p->next;
	assert(p);
	return p;
}

/* ---- connection manager ---- */

static void push(struct rdma_cm_id *id, enum rdma_cm_event_type type,
		 const struct rdma_conn_param *param)
{
	struct channel *c = (struct channel *)id->channel;

	assert(c->n < N);
	c->events[c->n] = (struct rdma_cm_event){ .id = id, .event = type };
	if (param)
		c->events[c->n].param.conn = *param;
	c->n++;
	eventfd_write(c->channel.fd, 1);
}

struct rdma_event_channel *rdma_create_event_channel(void)
{
	struct channel *c = refused() ? NULL : made(sizeof(*c));

	if (!c)
		return NULL;
	c->channel.fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	for (size_t i = 0; i < 2; i++)
		if (contexts[i].async_fd < 0)
			contexts[i].async_fd = eventfd(0, EFD_CLOEXEC);
	return &c->channel;
}

void rdma_destroy_event_channel(struct rdma_event_channel *channel)
{
	close(channel->fd);
	gone(channel);
}

int rdma_get_cm_event(struct rdma_event_channel *channel, struct rdma_cm_event **ret)
{
	struct channel *c = (struct channel *)channel;
	eventfd_t count;

	if (!c->n) {
		errno = EAGAIN;
		return -1;
	}
	if (refused())
		return -1;
	eventfd_read(channel->fd, &count);
	*ret = made(sizeof(**ret));
	**ret = c->events[0];
	memmove(c->events, c->events + 1, sizeof(c->events[0]) * --c->n);
	return 0;
}

int rdma_ack_cm_event(struct rdma_cm_event *event)
{
	return gone(event);
}

static struct rdma_cm_id *new_id(struct rdma_event_channel *channel, void *userdata,
				 enum rdma_port_space ps)
{
	struct rdma_cm_id *id = made(sizeof(*id));

	id->channel = channel;
	id->context = userdata;
	id->ps = ps;
	return id;
}

int rdma_create_id(struct rdma_event_channel *channel, struct rdma_cm_id **ret, void *userdata,
		   enum rdma_port_space ps)
{
	if (refused())
		return -1;
	*ret = new_id(channel, userdata, ps);
	return 0;
}

int rdma_destroy_id(struct rdma_cm_id *id)
{
	struct fabric_peer *p = peer_of_id(id);

	if (p)
		p->id = NULL;
	for (size_t i = 0; i < LISTENERS; i++)
		if (listeners[i] == id) {
			listeners[i] = NULL;
			fabric.listening--;
		}
	return gone(id);
}

static void name_of(const struct sockaddr *a, char text[static 48])
{
	const void *bytes = a->sa_family == AF_INET
				    ? (const void *)&((const struct sockaddr_in *)a)->sin_addr
				    : (const void *)&((const struct sockaddr_in6 *)a)->sin6_addr;

	assert(inet_ntop(a->sa_family, bytes, text, 48));
}

static size_t bytes_of(const struct sockaddr *a)
{
	return a->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

int rdma_bind_addr(struct rdma_cm_id *id, struct sockaddr *address)
{
	char text[48];

	if (refused())
		return -1;
	name_of(address, text);
	for (size_t i = 0; i < FABRIC_ADDRESSES; i++) {
		struct sockaddr *own = &id->route.addr.src_addr;

		if (strcmp(fabric.addresses[i], text) != 0)
			continue;
		memcpy(own, address, bytes_of(address));
		if (!((struct sockaddr_in *)own)->sin_port) /* of both families there */
			((struct sockaddr_in *)own)->sin_port = htons((uint16_t)(1000 + i));
		id->verbs = &contexts[fabric.of_second[i]];
		id->port_num = 1;
		return 0;
	}
	errno = ENODEV;
	return -1;
}

int rdma_listen(struct rdma_cm_id *id, int backlog)
{
	size_t i = 0;

	(void)backlog;
	if (refused())
		return -1;
	while (i < LISTENERS && listeners[i])
		i++;
	assert(i < LISTENERS);
	listeners[i] = id;
	fabric.listening++;
	return 0;
}

__be16 rdma_get_src_port(struct rdma_cm_id *id)
{
	return ((struct sockaddr_in *)&id->route.addr.src_addr)->sin_port;
}

int rdma_init_qp_attr(struct rdma_cm_id *id, struct ibv_qp_attr *attr, int *mask)
{
	(void)id;
	if (refused())
		return -1;
	attr->path_mtu = IBV_MTU_4096;
	attr->timeout = FABRIC_ACK_TIMEOUT;
	*mask = IBV_QP_STATE;
	if (attr->qp_state == IBV_QPS_RTR)
		*mask |= IBV_QP_PATH_MTU | IBV_QP_MIN_RNR_TIMER | IBV_QP_MAX_DEST_RD_ATOMIC;
	if (attr->qp_state == IBV_QPS_RTS)
		*mask |= IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
			 IBV_QP_MAX_QP_RD_ATOMIC;
	return 0;
}

int rdma_accept(struct rdma_cm_id *id, struct rdma_conn_param *param)
{
	struct fabric_peer *p = peer_of_id(id);

	assert(p && !p->accepted && p->qp && param->qp_num == p->qp->qp_num);
	if (refused())
		return -1;
	p->accepted = true;
	p->rnr_retries = param->rnr_retry_count;
	return 0;
}

int rdma_reject(struct rdma_cm_id *id, const void *data, uint8_t size)
{
	(void)data, (void)size;
	assert(peer_of_id(id));
	return refused() ? -1 : 0;
}

int rdma_disconnect(struct rdma_cm_id *id)
{
	assert(peer_of_id(id));
	return refused() ? -1 : 0;
}

int rdma_notify(struct rdma_cm_id *id, enum ibv_event_type event)
{
	(void)id, (void)event;
	return 0;
}

/* ---- verbs ---- */

static int post_send(struct ibv_qp *qp, struct ibv_send_wr *wr, struct ibv_send_wr **bad)
{
	struct fabric_peer *p = peer_of_qp(qp->qp_num);

	(void)bad;
	assert(p->n_sends < N && !wr->next);
	if (refused())
		return ENOMEM;
	p->sends[p->n_sends++] = *wr;
	return 0;
}

static int post_recv(struct ibv_qp *qp, struct ibv_recv_wr *wr, struct ibv_recv_wr **bad)
{
	struct fabric_peer *p = peer_of_qp(qp->qp_num);

	(void)bad;
	assert(p->n_receives < N && wr->num_sge == 1);
	if (refused())
		return ENOMEM;
	p->receives[p->n_receives] = *wr->sg_list;
	p->receive_ids[p->n_receives++] = wr->wr_id;
	return 0;
}

static int poll_cq(struct ibv_cq *cq, int n, struct ibv_wc *wc)
{
	struct fabric_peer *p = peers;

	assert(n == 1);
	while (p && !(p->qp && p->qp->send_cq == cq))
		p = p->next;
	if (!p || !p->n_done)
		return 0;
	if (refused())
		return -1;
	*wc = p->done[0];
	memmove(p->done, p->done + 1, sizeof(p->done[0]) * --p->n_done);
	return 1;
}

static int req_notify_cq(struct ibv_cq *cq, int solicited)
{
	(void)solicited;
	if (refused())
		return ENOMEM;
	cq->handle = ARMED;
	return 0;
}

const char *ibv_get_device_name(struct ibv_device *d)
{
	return d->name;
}

int ibv_query_device(struct ibv_context *c, struct ibv_device_attr *attr)
{
	(void)c;
	if (refused())
		return ENOMEM;
	*attr = (struct ibv_device_attr){ .max_qp_rd_atom = 16, .max_qp_init_rd_atom = 16 };
	return 0;
}

struct ibv_mr *ibv_reg_mr(struct ibv_pd *pd, void *address, size_t length, int access)
{
	struct ibv_mr *mr = refused() ? NULL : made(sizeof(*mr));

	(void)access;
	if (!mr)
		return NULL;
	*mr = (struct ibv_mr){ .pd = pd, .addr = address, .length = length };
	return mr;
}

struct ibv_mr *ibv_reg_mr_iova2(struct ibv_pd *pd, void *address, size_t length, uint64_t iova,
				unsigned int access)
{
	(void)iova;
	return ibv_reg_mr(pd, address, length, (int)access);
}

int ibv_dereg_mr(struct ibv_mr *mr)
{
	return gone(mr);
}

struct ibv_comp_channel *ibv_create_comp_channel(struct ibv_context *c)
{
	struct ibv_comp_channel *channel = refused() ? NULL : made(sizeof(*channel));

	if (!channel)
		return NULL;
	channel->context = c;
	channel->fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	completions = channel;
	return channel;
}

int ibv_destroy_comp_channel(struct ibv_comp_channel *channel)
{
	close(channel->fd);
	return gone(channel);
}

struct ibv_cq *ibv_create_cq(struct ibv_context *c, int cqe, void *userdata,
			     struct ibv_comp_channel *channel, int vector)
{
	struct ibv_cq *cq = refused() ? NULL : made(sizeof(*cq));

	(void)cqe, (void)vector;
	if (!cq)
		return NULL;
	c->ops.poll_cq = poll_cq;
	c->ops.req_notify_cq = req_notify_cq;
	c->ops.post_send = post_send;
	c->ops.post_recv = post_recv;
	cq->context = c;
	cq->channel = channel;
	cq->cq_context = userdata;
	return cq;
}

int ibv_destroy_cq(struct ibv_cq *cq)
{
	return gone(cq);
}

int ibv_get_cq_event(struct ibv_comp_channel *channel, struct ibv_cq **cq, void **userdata)
{
	eventfd_t count;

	if (!n_told) {
		assert(fruitless_left--);
		errno = EAGAIN;
		return -1;
	}
	if (refused())
		return -1;
	eventfd_read(channel->fd, &count);
	*cq = told[0];
	*userdata = told[0]->cq_context;
	memmove(told, told + 1, sizeof(told[0]) * --n_told);
	return 0;
}

void ibv_ack_cq_events(struct ibv_cq *cq, unsigned int n)
{
	(void)cq, (void)n;
}

/* The newest request that has none gets it. */
struct ibv_qp *ibv_create_qp(struct ibv_pd *pd, struct ibv_qp_init_attr *attr)
{
	static uint32_t last;
	struct ibv_qp *qp = refused() ? NULL : made(sizeof(*qp));

	if (!qp)
		return NULL;
	*qp = (struct ibv_qp){ .context = attr->send_cq->context,
			       .qp_context = attr->qp_context,
			       .pd = pd,
			       .send_cq = attr->send_cq,
			       .recv_cq = attr->recv_cq,
			       .qp_num = ++last };
	assert(peers && !peers->qp);
	peers->qp = qp;
	return qp;
}

int ibv_destroy_qp(struct ibv_qp *qp)
{
	peer_of_qp(qp->qp_num)->qp = NULL;
	return gone(qp);
}

int ibv_modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask)
{
	struct ibv_qp_attr *now = &peer_of_qp(qp->qp_num)->attributes;

	if (refused())
		return ENOMEM;
	if (mask & IBV_QP_MIN_RNR_TIMER)
		now->min_rnr_timer = attr->min_rnr_timer;
	if (mask & IBV_QP_RNR_RETRY)
		now->rnr_retry = attr->rnr_retry;
	if (mask & IBV_QP_RETRY_CNT)
		now->retry_cnt = attr->retry_cnt;
	if (mask & IBV_QP_TIMEOUT)
		now->timeout = attr->timeout;
	return 0;
}

int ibv_get_async_event(struct ibv_context *c, struct ibv_async_event *event)
{
	eventfd_t count;

	if (!fatal_events || c != &contexts[0]) {
		errno = EAGAIN;
		return -1;
	}
	fatal_events--;
	eventfd_read(c->async_fd, &count);
	*event = (struct ibv_async_event){ .event_type = IBV_EVENT_DEVICE_FATAL };
	return 0;
}

void ibv_ack_async_event(struct ibv_async_event *event)
{
	(void)event;
}

/* ---- network interfaces ---- */

struct interfaces {
	struct ifaddrs list[FABRIC_ADDRESSES];
	struct sockaddr_storage address[FABRIC_ADDRESSES];
};

int getifaddrs(struct ifaddrs **ret)
{
	struct interfaces *all = refused() ? NULL : made(sizeof(*all));
	struct ifaddrs **last = ret;

	if (!all)
		return -1;
	*ret = NULL;
	for (size_t i = 0; i < FABRIC_ADDRESSES && fabric.addresses[i][0]; i++) {
		struct sockaddr_storage *a = &all->address[i];
		struct ifaddrs *f = &all->list[i];

		a->ss_family = strchr(fabric.addresses[i], ':') ? AF_INET6 : AF_INET;
		assert(inet_pton(a->ss_family, fabric.addresses[i],
				 a->ss_family == AF_INET
					 ? (void *)&((struct sockaddr_in *)a)->sin_addr
					 : (void *)&((struct sockaddr_in6 *)a)->sin6_addr) == 1);
		f->ifa_addr = (struct sockaddr *)a;
		f->ifa_flags = IFF_UP;
		*last = f;
		last = &f->ifa_next;
	}
	if (!*ret)
		gone(all);
	return 0;
}

void freeifaddrs(struct ifaddrs *all)
{
	if (all)
		gone(all); /* its first member's first item */
}

static int news = -1;

struct mnl_socket *mnl_socket_open2(int bus, int flags)
{
	(void)bus;
	assert(news < 0 && (flags & SOCK_NONBLOCK));
	if (refused())
		return NULL;
	news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return made(1);
}

int mnl_socket_bind(struct mnl_socket *socket, unsigned int groups, pid_t pid)
{
	(void)socket, (void)groups, (void)pid;
	return refused() ? -1 : 0;
}

int mnl_socket_get_fd(const struct mnl_socket *socket)
{
	(void)socket;
	return news;
}

ssize_t mnl_socket_recvfrom(const struct mnl_socket *socket, void *buffer, size_t size)
{
	eventfd_t count;

	(void)socket, (void)buffer, (void)size;
	return eventfd_read(news, &count) == 0 ? 1 : -1;
}

int mnl_socket_close(struct mnl_socket *socket)
{
	close(news);
	news = -1;
	return gone(socket);
}

void fabric_news(void)
{
	eventfd_write(news, 1);
}

/* ---- what a test makes peers do ---- */

static struct rdma_cm_id *find_listener(const char *address)
{
	char text[48];

	for (size_t i = 0; i < LISTENERS; i++) {
		if (!listeners[i])
			continue;
		name_of(&listeners[i]->route.addr.src_addr, text);
		if (!strcmp(text, address))
			return listeners[i];
	}
	return NULL;
}

struct fabric_peer *fabric_connect(const char *address, const struct wire_connect *request,
				   uint8_t rnr_retries)
{
	struct rdma_cm_id *listener = find_listener(address);
	struct fabric_peer *p = calloc(1, sizeof(*p));

	assert(p);
	p->next = peers;
	peers = p;
	if (!listener)
		return NULL;
	p->id = new_id(listener->channel, NULL, RDMA_PS_TCP);
	p->id->verbs = listener->verbs;
	p->id->route.addr.dst_addr.sa_family = AF_INET;
	p->request = *request;
	p->param = (struct rdma_conn_param){ .private_data = &p->request,
					     .private_data_len = sizeof(p->request),
					     .initiator_depth = 16,
					     .rnr_retry_count = rnr_retries };
	push(p->id, RDMA_CM_EVENT_CONNECT_REQUEST, &p->param);
	return p;
}

bool fabric_is_accepted(const struct fabric_peer *p)
{
	return p->accepted;
}

uint8_t fabric_rnr_retries(const struct fabric_peer *p)
{
	return p->rnr_retries;
}

const struct ibv_qp_attr *fabric_attributes(const struct fabric_peer *p)
{
	return &p->attributes;
}

void fabric_establish(struct fabric_peer *p)
{
	push(p->id, RDMA_CM_EVENT_ESTABLISHED, NULL);
}

unsigned int fabric_posted(const struct fabric_peer *p, enum ibv_wr_opcode opcode)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->n_sends; i++)
		n += p->sends[i].opcode == opcode;
	return n;
}

static void complete(struct fabric_peer *p, uint64_t id, enum ibv_wc_status status, uint32_t bytes)
{
	assert(p->qp && p->n_done < N && n_told < N);
	p->done[p->n_done++] = (struct ibv_wc){ .wr_id = id, .status = status, .byte_len = bytes };
	if (p->qp->send_cq->handle != ARMED)
		return;
	p->qp->send_cq->handle = 0;
	told[n_told++] = p->qp->send_cq;
	eventfd_write(p->qp->send_cq->channel->fd, 1);
}

void fabric_complete(struct fabric_peer *p, enum ibv_wc_status status)
{
	assert(p->n_sends);
	complete(p, p->sends[0].wr_id, status, 0);
	memmove(p->sends, p->sends + 1, sizeof(p->sends[0]) * --p->n_sends);
	if (status == IBV_WC_SUCCESS)
		return;
	for (unsigned int i = 0; i < p->n_sends; i++)
		complete(p, p->sends[i].wr_id, IBV_WC_WR_FLUSH_ERR, 0);
	for (unsigned int i = 0; i < p->n_receives; i++)
		complete(p, p->receive_ids[i], IBV_WC_WR_FLUSH_ERR, 0);
	p->n_sends = p->n_receives = 0;
}

void fabric_send(struct fabric_peer *p, const struct wire_message *m, uint32_t length)
{
	assert(p->n_receives && length <= p->receives[0].length);
	memcpy((void *)(uintptr_t)p->receives[0].addr, m, length);
	complete(p, p->receive_ids[0], IBV_WC_SUCCESS, length);
	p->n_receives--;
	memmove(p->receives, p->receives + 1, sizeof(p->receives[0]) * p->n_receives);
	memmove(p->receive_ids, p->receive_ids + 1, sizeof(p->receive_ids[0]) * p->n_receives);
}

void fabric_remove(bool fatal)
{
	eventfd_write(completions->fd, 1);
	fruitless_left = 4;
	if (fatal) {
		fatal_events++;
		eventfd_write(contexts[0].async_fd, 1);
		return;
	}
	for (size_t i = 0; i < LISTENERS; i++)
		if (listeners[i] && listeners[i]->verbs == &contexts[0])
			push(listeners[i], RDMA_CM_EVENT_DEVICE_REMOVAL, NULL);
	for (struct fabric_peer *p = peers; p; p = p->next)
		if (p->id && p->id->verbs == &contexts[0])
			push(p->id, RDMA_CM_EVENT_DEVICE_REMOVAL, NULL);
}

void fabric_end(void)
{
	struct fabric_peer *next;

	for (struct fabric_peer *p = peers; p; p = next) {
		next = p->next;
		assert(!p->id && !p->qp);
		free(p);
	}
	peers = NULL;
	n_told = 0;
	fruitless_left = UINT_MAX;
	for (size_t i = 0; i < 2; i++) {
		if (contexts[i].async_fd >= 0)
			close(contexts[i].async_fd);
		contexts[i].async_fd = -1;
	}
	assert(!objects && !fabric.listening);
}
