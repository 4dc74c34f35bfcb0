// SPDX-License-Identifier: GPL-2.0-or-later
/* endpoint.c - see endpoint.h: the connection manager's and the device's events, in the loop. */
#include "keeper/endpoint/endpoint.h"

#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <netdb.h>
#include <string.h>

#include "util/clock.h"
#include "keeper/endpoint/addresses.h"
#include "keeper/endpoint/listener.h"
#include "keeper/endpoint/peers.h"
#include "keeper/endpoint/wire.h"
#include "util/log.h"
#include "util/macros.h"

static void reject(struct rdma_cm_id *id, enum wire_refusal reason)
{
	struct wire_reject private_data = wire_write_reject(reason, WIRE_CAUSE_UNKNOWN);

	rdma_reject(id, &private_data, sizeof(private_data));
	rdma_destroy_id(id);
}

static int refusal_of(int error)
{
	return error == -EMSGSIZE ? WIRE_REFUSED_MTU : WIRE_REFUSED_RESOURCES;
}

static struct question *find_question(struct endpoint *e, uint64_t number)
{
	for (size_t i = 0; i < QUESTIONS_MAX; i++)
		if (e->questions[i].number == number)
			return &e->questions[i];
	return NULL;
}

void endpoint_explain(struct endpoint *e, uint64_t number, enum wire_cause cause)
{
	struct wire_reject private_data = wire_write_reject(WIRE_EXPLAINED, cause);
	struct question *q = number ? find_question(e, number) : NULL;

	if (!q)
		return;
	q->number = 0;
	rdma_reject(q->id, &private_data, sizeof(private_data));
	rdma_destroy_id(q->id);
}

static void on_question(struct endpoint *e, struct rdma_cm_id *id, const struct wire_connect *c)
{
	struct endpoint_question question = {
		.request = { .region = c->region, .rights = c->rights & ~WIRE_ASKS_CAUSE },
		.offset = c->offset,
		.length = c->length,
	};
	struct question *q = find_question(e, 0);
	int r;

	if (!q) {
		reject(id, WIRE_REFUSED_LIMIT);
		return;
	}
	memcpy(question.request.token, c->token, sizeof(question.request.token));
	question.number = ++e->last_question;
	*q = (struct question){ .number = question.number, .id = id };
	r = e->ops->ask(e->userdata, &question);
	if (!r)
		return;
	q->number = 0;
	reject(id, (enum wire_refusal)r);
}

/* Every peer that counts, however far it has come, or gone. */
static uint32_t count_of_ticket(const struct endpoint *e, uint64_t region, uint64_t ticket)
{
	uint32_t n = 0;

	for (const struct peer *p = e->peers; p; p = p->next)
		n += p->public.region == region && p->public.ticket == ticket;
	return n;
}

static void on_request(struct endpoint *e, struct rdma_cm_id *id,
		       const struct rdma_conn_param *param, const struct wire_connect *c)
{
	struct endpoint_request request = { .region = c->region, .rights = c->rights };
	struct endpoint_offer offer = { 0 };
	struct peer *p;
	int r;

	if (c->rights & WIRE_ASKS_CAUSE) {
		on_question(e, id, c);
		return;
	}
	if (e->n_peers >= e->max_peers || e->n_half_open >= HALF_OPEN_MAX) {
		reject(id, WIRE_REFUSED_LIMIT);
		return;
	}
	memcpy(request.token, c->token, sizeof(request.token));
	r = e->ops->admit(e->userdata, &request, &offer);
	if (r) {
		reject(id, (enum wire_refusal)r);
		return;
	}
	if (!endpoint_has_place(e->max_peers, e->n_peers,
				count_of_ticket(e, c->region, offer.ticket))) {
		e->ops->abandoned(e->userdata, &(struct endpoint_peer){ .region = c->region,
									.ticket = offer.ticket,
									.rights = c->rights });
		reject(id, WIRE_REFUSED_SHARE);
		return;
	}
	p = calloc(1, sizeof(*p));
	if (!p) {
		reject(id, WIRE_REFUSED_RESOURCES);
		return;
	}
	p->public = (struct endpoint_peer){
		.number = ++e->last_number,
		.region = c->region,
		.ticket = offer.ticket,
		.since_usec = now_boottime_usec(),
		.cleared = offer.accept.revocation,
		.rights = c->rights,
	};
	getnameinfo(rdma_get_peer_addr(id), sizeof(struct sockaddr_storage), p->public.address,
		    sizeof(p->public.address), NULL, 0, NI_NUMERICHOST);
	p->id = id;
	p->close.key = offer.storage;
	id->context = p;
	offer.accept.receive_depth = PEER_RECEIVES;
	r = peer_accept(p, e->completions, &offer, param);
	if (r < 0) {
		log_about(LOG_WARNING, LOG_FIELDS(.peer = p->public.address),
			  "region %" PRIu64 ": connection of %s refused: %s%s", c->region,
			  p->public.address, strerror(-r),
			  r == -ENOMEM ? " (or more than RLIMIT_MEMLOCK, see memlock_bytes)" : "");
		e->ops->abandoned(e->userdata, &p->public);
		peer_close(p);
		free(p);
		reject(id, (enum wire_refusal)refusal_of(r));
		return;
	}
	peers_add(e, p);
}

/* A channel of completions whose device is gone is readable for ever. */
static void on_removal(struct endpoint *e)
{
	if (e->removed)
		return;
	e->removed = true;
	event_del(e->completion_event);
	e->ops->device_gone(e->userdata);
	for (struct peer *p = e->peers; p; p = p->next)
		peers_dismiss(e, p, PEER_LEFT_CLOSED);
}

/* One event; it is acknowledged before anything is done, since destroying an id waits for that. */
static bool take_cm_event(struct endpoint *e)
{
	struct rdma_conn_param param = { 0 };
	struct rdma_cm_event *event;
	enum rdma_cm_event_type type;
	struct wire_connect c = { 0 };
	struct rdma_cm_id *id;
	bool valid = false;
	struct peer *p;

	if (rdma_get_cm_event(e->channel, &event) < 0)
		return false;
	type = event->event;
	id = event->id;
	if (type == RDMA_CM_EVENT_CONNECT_REQUEST) {
		param = event->param.conn;
		valid = wire_read_connect(&c, param.private_data, param.private_data_len);
		param.private_data = NULL;
	}
	rdma_ack_cm_event(event);

	p = id->context; /* NULL: of a listener */
	switch (type) {
	case RDMA_CM_EVENT_CONNECT_REQUEST:
		id->context = NULL; /* the listener's until now */
		if (valid)
			on_request(e, id, &param, &c);
		else
			reject(id, WIRE_REFUSED_MALFORMED);
		break;
	case RDMA_CM_EVENT_ESTABLISHED:
		if (p)
			peers_establish(e, p);
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		on_removal(e);
		break;
	case RDMA_CM_EVENT_DISCONNECTED:
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
	case RDMA_CM_EVENT_CONNECT_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
	case RDMA_CM_EVENT_REJECTED:
		if (p)
			peers_gone(e, p);
		break;
	default:
		break;
	}
	return true;
}

static void on_cm(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd;
	(void)what;
	for (int i = 0; i < EVENTS_PER_WAKE && take_cm_event(userdata); i++)
		;
}

static void on_device(evutil_socket_t fd, short what, void *userdata)
{
	struct endpoint *e = userdata;
	struct ibv_async_event event;
	struct peer *p = NULL;

	(void)fd;
	(void)what;
	while (ibv_get_async_event(endpoint_context(e), &event) == 0) {
		enum ibv_event_type type = event.event_type;

		if (type == IBV_EVENT_COMM_EST || type == IBV_EVENT_QP_FATAL ||
		    type == IBV_EVENT_QP_REQ_ERR || type == IBV_EVENT_QP_ACCESS_ERR)
			p = event.element.qp->qp_context;
		ibv_ack_async_event(&event);
		if (type == IBV_EVENT_COMM_EST && p)
			rdma_notify(p->id, type);
		else if (type == IBV_EVENT_DEVICE_FATAL)
			on_removal(e);
		else if (p)
			peers_dismiss(e, p, PEER_LEFT_ITSELF);
		p = NULL;
	}
}

const char *endpoint_device(const struct endpoint *e)
{
	return ibv_get_device_name(addresses_context(e->addresses)->device);
}

struct ibv_context *endpoint_context(const struct endpoint *e)
{
	return addresses_context(e->addresses);
}

uint8_t endpoint_device_port(const struct endpoint *e)
{
	return addresses_device_port(e->addresses);
}

static int add_event(struct event **ret, struct event_base *base, int fd,
		     event_callback_fn callback, void *userdata)
{
	if (fd >= 0 && evutil_make_socket_nonblocking(fd) < 0)
		return -errno;
	*ret = event_new(base, fd, fd >= 0 ? EV_READ | EV_PERSIST : 0, callback, userdata);
	if (!*ret || (fd >= 0 && event_add(*ret, NULL) < 0))
		return -ENOMEM;
	return 0;
}

int endpoint_new(struct endpoint **ret, struct event_base *base, const struct endpoint_options *o,
		 const struct endpoint_ops *ops, void *userdata, struct failure *why)
{
	_cleanup_(endpoint_freep) struct endpoint *e = calloc(1, sizeof(*e));
	int r;

	if (!e)
		return -ENOMEM;
	r = listener_check_nodes(why);
	if (r < 0)
		return r;
	r = worker_new(&e->closer, base);
	if (r < 0)
		return r;
	e->ops = ops;
	e->userdata = userdata;
	e->max_peers = o->max_peers;
	e->probe_usec = o->probe_usec;
	e->channel = rdma_create_event_channel();
	if (!e->channel)
		return fail(why, -ENXIO,
			    "There is no RDMA connection manager: %m (is rdma_ucm loaded?)");
	r = addresses_new(&e->addresses, e, base, o, why);
	if (r < 0)
		return r;
	e->completions = ibv_create_comp_channel(endpoint_context(e));
	if (!e->completions)
		return fail(why, -ENXIO, "RDMA device %s has no completion channel left",
			    endpoint_device(e));
	r = add_event(&e->cm_event, base, e->channel->fd, on_cm, e);
	if (r == 0)
		r = add_event(&e->completion_event, base, e->completions->fd, peers_on_completion,
			      e);
	if (r == 0)
		r = add_event(&e->device_event, base, endpoint_context(e)->async_fd, on_device, e);
	if (r == 0)
		r = add_event(&e->reap_event, base, -1, peers_on_reap, e);
	if (r == 0)
		r = add_event(&e->sweep_event, base, -1, peers_on_sweep, e);
	if (r == 0)
		r = add_event(&e->probe_event, base, -1, peers_on_probe, e);
	if (r < 0)
		return r;
	*ret = steal_pointer(e);
	return 0;
}

struct endpoint *endpoint_free(struct endpoint *e)
{
	struct event *const events[] = { e ? e->cm_event : NULL,     e ? e->completion_event : NULL,
					 e ? e->device_event : NULL, e ? e->reap_event : NULL,
					 e ? e->sweep_event : NULL,  e ? e->probe_event : NULL };

	if (!e)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		if (events[i])
			event_free(events[i]);
	worker_free(e->closer);
	peers_free(e);
	for (size_t i = 0; i < QUESTIONS_MAX; i++)
		if (e->questions[i].number)
			rdma_destroy_id(e->questions[i].id);
	if (e->completions)
		ibv_destroy_comp_channel(e->completions);
	addresses_free(e->addresses);
	if (e->channel)
		rdma_destroy_event_channel(e->channel);
	free(e);
	return NULL;
}
