// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * connect.c - one attempt to reach one address with RDMA CM: resolve, build a queue pair with
 * receives posted, present the ticket, read the accept, check that the path is one on which this
 * adapter works correctly.
 *
 * What always holds: each step waits until the caller's deadline at most; a failing attempt leaves
 * only the event channel behind.
 */
#include <netdb.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/mman.h>

#include "buffer.h"
#include "cm.h"
#include "config.h"
#include "error.h"
#include "peer.h"
#include "rdmareg-timers.h"
#include "util.h"
#include "wire.h"

#define NAME_BYTES 80

void peer_teardown(struct rdmareg_peer *p)
{
	if (p->id && p->id->qp) {
		rdma_disconnect(p->id);
		rdma_destroy_qp(p->id);
	}
	buffer_free_all(p);
	if (p->control_mr)
		ibv_dereg_mr(p->control_mr);
	if (p->control)
		munmap(p->control, sizeof(*p->control));
	if (p->cq)
		ibv_destroy_cq(p->cq);
	if (p->completions)
		ibv_destroy_comp_channel(
			/* closes its descriptor, which leaves the epoll set with that */
			p->completions);
	if (p->pd)
		ibv_dealloc_pd(p->pd);
	if (p->id)
		rdma_destroy_id(p->id);
	p->control_mr = NULL;
	p->flush_qp = NULL;
	p->control = NULL;
	p->cq = NULL;
	p->completions = NULL;
	p->pd = NULL;
	p->id = NULL;
	p->armed = false;
}

/*
 * A queue pair that can send FLUSHes, where this adapter has them: only the extended kind can. What
 * it cannot do shows in flush_qp.
 */
static int create_qp(struct rdmareg_peer *p, struct ibv_qp_init_attr *attr)
{
#if HAVE_IBV_FLUSH
	struct ibv_qp_init_attr_ex extended = {
		.qp_type = attr->qp_type,
		.cap = attr->cap,
		.send_cq = attr->send_cq,
		.recv_cq = attr->recv_cq,
		.pd = p->pd,
		.comp_mask = IBV_QP_INIT_ATTR_PD | IBV_QP_INIT_ATTR_SEND_OPS_FLAGS,
		.send_ops_flags = IBV_QP_EX_WITH_FLUSH,
	};

	if (!rdma_create_qp_ex(p->id, &extended)) {
		p->flush_qp = ibv_qp_to_qp_ex(p->id->qp);
		return 0;
	}
#endif
	return rdma_create_qp(p->id, p->pd, attr);
}

int peer_build(struct rdmareg_peer *p)
{
	struct ibv_qp_init_attr attr = {
		.qp_type = IBV_QPT_RC,
		.cap = {
			.max_send_wr = PEER_DEPTH + PEER_SENDS,
			.max_recv_wr = PEER_RECEIVES,
			.max_send_sge = 1,
			.max_recv_sge = 1,
		},
	};
	struct epoll_event e = { .events = EPOLLIN };
	void *control;

	p->pd = ibv_alloc_pd(p->id->verbs);
	p->completions = p->pd ? ibv_create_comp_channel(p->id->verbs) : NULL;
	if (p->completions && cm_set_nonblocking(p->completions->fd) == 0)
		p->cq = ibv_create_cq(p->id->verbs, PEER_DEPTH + PEER_SENDS + PEER_RECEIVES, NULL,
				      p->completions, 0);
	if (!p->cq)
		return fail(errno, "preparing the RDMA device %s: %s",
			    ibv_get_device_name(p->id->verbs->device), strerror(errno));
	if (epoll_ctl(p->epoll_fd, EPOLL_CTL_ADD, p->completions->fd, &e) < 0)
		return fail(errno, "%s", strerror(errno));

	/*
	 * Pages of its own: what is pinned must not be shared with the heap, which a child after
	 * fork(2) would copy.
	 */
	control = mmap(NULL, sizeof(*p->control), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (control == MAP_FAILED)
		return fail(errno, "%s", strerror(errno));
	p->control = control;
	madvise(control, sizeof(*p->control), MADV_DONTFORK);
	p->control_mr = ibv_reg_mr(p->pd, control, sizeof(*p->control), IBV_ACCESS_LOCAL_WRITE);
	if (!p->control_mr) /* EPERM is a limit of 0 */
		return fail(errno == EPERM ? ENOMEM : errno,
			    "pinning %zu bytes: %s; is RLIMIT_MEMLOCK (ulimit -l) large enough?",
			    sizeof(*p->control), strerror(errno));

	attr.send_cq = attr.recv_cq = p->cq;
	if (create_qp(p, &attr))
		return fail(errno == ENOMEM ? ENOBUFS : errno, "making a queue pair on %s: %s",
			    ibv_get_device_name(p->id->verbs->device), strerror(errno));
	/*
	 * Before the request goes out: the other side may ask for blocks back with its first
	 * breath.
	 */
	for (uint32_t i = 0; i < PEER_RECEIVES; i++)
		if (peer_post_receive(p, i) < 0)
			return fail(EIO, "the RDMA device refused a receive buffer");
	return 0;
}

static int check_path(struct rdmareg_peer *p)
{
	/*
	 * RDMA CM leaves 0, which is 655 ms for each time a receive was not posted quickly enough.
	 */
	struct ibv_qp_attr attr = { .min_rnr_timer = timers_rnr_code(p->options.rnr_timer_usec) };
	struct ibv_qp_init_attr init;

	/*
	 * A device that does not let it be changed is slower to be told of revocations, nothing
	 * worse.
	 */
	if (ibv_modify_qp(p->id->qp, &attr, IBV_QP_MIN_RNR_TIMER))
		errno = 0;
	if (ibv_query_qp(p->id->qp, &attr, IBV_QP_PATH_MTU | IBV_QP_RNR_RETRY, &init))
		return fail(EIO, "asking the queue pair for its MTU failed");
	p->options.rnr_retries = attr.rnr_retry; /* as the other side accepted it */
	p->path_mtu = 128u << attr.path_mtu;	 /* IBV_MTU_256 is 1 */
	if (p->path_mtu >= p->remote.minimum_mtu)
		return 0;
	return fail(EMSGSIZE,
		    "this path carries %u bytes in a packet and the "
		    "adapter there is only correct with %u or more; "
		    "raise the MTU of the network devices on both machines to %u or more",
		    p->path_mtu, p->remote.minimum_mtu, p->remote.minimum_mtu + 104);
}

int peer_request(struct rdmareg_peer *p, const struct wire_connect *request)
{
	struct rdma_conn_param param = {
		.private_data = request,
		.private_data_len = sizeof(*request),
		.responder_resources = 1,
		.initiator_depth = PEER_DEPTH,
		.retry_count = (uint8_t)p->options.retries,
		.rnr_retry_count = (uint8_t)p->options.rnr_retries,
	};
	struct ibv_device_attr device;
	uint8_t timeout;

	if (p->options.ack_timeout_usec) {
		timeout = timers_ack_code(p->options.ack_timeout_usec);
		if (rdma_set_option(p->id, RDMA_OPTION_ID, RDMA_OPTION_ID_ACK_TIMEOUT, &timeout,
				    sizeof(timeout)))
			return fail(errno, "setting the acknowledgement timeout: %s",
				    strerror(errno));
	}
	if (ibv_query_device(p->id->verbs, &device) == 0 && device.max_qp_init_rd_atom < PEER_DEPTH)
		param.initiator_depth = (uint8_t)device.max_qp_init_rd_atom;
	if (rdma_connect(p->id, &param))
		return fail(errno, "sending the request: %s", strerror(errno));
	return 0;
}

int peer_take_accept(struct rdmareg_peer *p, struct rdma_cm_event *e)
{
	int r = wire_get_accept(e->param.conn.private_data, e->param.conn.private_data_len,
				&p->remote);

	rdma_ack_cm_event(e);
	if (r < 0)
		return fail(EPROTO, "%s",
			    r == -EPROTONOSUPPORT
				    ? "the two machines run different versions of rdmareg"
				    : "what listens at the ticket's port is not rdmareg's");
	return check_path(p);
}

/* For a sentence: HOST:PORT, as tickets have it; without a port HOST. */
static const char *name_of(const struct sockaddr *address, char text[static NAME_BYTES])
{
	socklen_t n = address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
						    : sizeof(struct sockaddr_in6);
	char host[64], port[8]; /* numeric: 46 bytes and a zone */
	bool v6 = address->sa_family == AF_INET6;

	if (getnameinfo(address, n, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		snprintf(text, NAME_BYTES, "?");
	else if (!strcmp(port, "0"))
		snprintf(text, NAME_BYTES, "%s", host);
	else
		snprintf(text, NAME_BYTES, v6 ? "[%s]:%s" : "%s:%s", host, port);
	return text;
}

/*
 * The sentence so far said what is the matter; now also between whom, and what a source address has
 * to be.
 */
int peer_fail_attempt(int r, const struct sockaddr *source, const struct sockaddr *target,
		      bool resolved)
{
	char matter[ERROR_BYTES], to[NAME_BYTES], from[NAME_BYTES];

	snprintf(matter, sizeof(matter), "%s", rdmareg_last_error());
	name_of(target, to);
	if (!source)
		return fail(r, "connecting to %s: %s", to, matter);
	return fail(
		r, "connecting to %s from %s: %s%s", to, name_of(source, from), matter,
		resolved
			? ""
			: "; the source has to be the address of an RDMA device of this machine in the network of "
			  "the ticket's host (rdma link, ip address), not loopback");
}

int peer_establish(struct rdmareg_peer *p, const struct sockaddr *source,
		   const struct sockaddr *target, const struct wire_connect *connect,
		   uint64_t deadline_usec)
{
	struct rdma_cm_event *e;
	bool resolved;
	int r;

	r = cm_resolve(p->channel, source, target, deadline_usec, &p->id);
	resolved = r >= 0;
	if (r >= 0)
		r = peer_build(p);
	if (r >= 0)
		r = peer_request(p, connect);
	if (r >= 0)
		r = cm_wait(p->channel, RDMA_CM_EVENT_ESTABLISHED, deadline_usec, &e);
	if (r >= 0)
		r = peer_take_accept(p, e);
	if (r < 0) {
		r = peer_fail_attempt(r, source, target, resolved);
		peer_teardown(p);
	}
	return r;
}
