// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * link.c - the queue pair as a carrier of control messages: receives, sends, waiting for
 * completions, and its end.
 *
 * What always holds: the first reason for the end is kept, whatever follows.
 */
#include <poll.h>
#include <sys/epoll.h>

#include "error.h"
#include "peer.h"
#include "util.h"
#include "wire.h"

int peer_end(struct rdmareg_peer *p, int error, const char *format, ...)
{
	struct rdmareg_peer_event e = { .type = RDMAREG_PEER_EVENT_DISCONNECTED };
	va_list args;

	if (p->end.code)
		return p->end.code;
	va_start(args, format);
	failure_fill(&p->end, error, format, args);
	va_end(args);
	/*
	 * Saying goodbye may fail, destroying may not: after it the adapter is done with every
	 * buffer.
	 */
	rdma_disconnect(p->id);
	rdma_destroy_qp(p->id);
	/*
	 * A completion may have been told of, or be so yet, and nobody looks any more: the
	 * caller's descriptor would stay readable.
	 */
	epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, p->completions->fd, NULL);
	p->flush_qp = NULL;
	p->sends_busy = 0;
	e.error = p->end.code;
	peer_event(p, &e);
	return p->end.code;
}

int peer_fail_ended(struct rdmareg_peer *p)
{
	return fail(p->end.code, "using region %llu from local device %s: %s",
		    (unsigned long long)p->region,
		    p->id->verbs ? ibv_get_device_name(p->id->verbs->device) : "?", p->end.text);
}

int peer_post_receive(struct rdmareg_peer *p, uint32_t i)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)&p->control->receive[i],
		.length = sizeof(p->control->receive[i]),
		.lkey = p->control_mr->lkey,
	};
	struct ibv_recv_wr *bad, wr = { .wr_id = WR_RECEIVE | i, .sg_list = &sge, .num_sge = 1 };

	return ibv_post_recv(p->id->qp, &wr, &bad) ? -EIO : 0;
}

int peer_send(struct rdmareg_peer *p, const struct wire_message *m)
{
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND,
				  .send_flags = IBV_SEND_SIGNALED,
				  .num_sge = 1 },
			   *bad;
	struct ibv_sge sge = { .length = sizeof(struct wire_message), .lkey = p->control_mr->lkey };
	uint32_t i = 0;

	while (i < PEER_SENDS && (p->sends_busy & (1u << i)))
		i++;
	if (i == PEER_SENDS)
		return peer_end(
			p, ETIMEDOUT,
			"the keeper does not receive messages: it is stopped or overloaded");
	p->control->send[i] = *m;
	sge.addr = (uintptr_t)&p->control->send[i];
	wr.wr_id = WR_SEND | i;
	wr.sg_list = &sge;
	if (ibv_post_send(p->id->qp, &wr, &bad))
		return peer_end(p, EIO, "the adapter refused to send a message");
	p->sends_busy |= 1u << i;
	return 0;
}

int peer_send_ack(struct rdmareg_peer *p)
{
	struct rdmareg_peer_event e = { .type = RDMAREG_PEER_EVENT_ACKNOWLEDGED,
					.revocation = p->revocation };
	struct wire_message m;

	wire_put_ack(&m, p->revocation.id);
	if (peer_send(p, &m) < 0)
		return p->end.code;
	p->acknowledged = true;
	peer_event(p, &e);
	return 0;
}

int peer_arm(struct rdmareg_peer *p)
{
	struct ibv_cq *cq;
	void *context;

	if (p->armed || p->end.code)
		return 0;
	while (ibv_get_cq_event(p->completions, &cq, &context) == 0)
		ibv_ack_cq_events(cq, 1);
	if (ibv_req_notify_cq(p->cq, 0)) {
		peer_end(p, EIO, "the adapter's completion queue failed; see the kernel's log");
		return 1;
	}
	p->armed = true;
	return 1;
}

int peers_sleep(struct rdmareg_peer *const *peers, size_t n, uint64_t deadline_usec)
{
	uint64_t now = clock_usec(CLOCK_MONOTONIC), left;
	struct pollfd fds[2 * WIRE_TICKETS_MAX];
	nfds_t n_fds = 0;
	int r;

	if (now >= deadline_usec)
		return -ETIMEDOUT;
	/*
	 * Between the last look and the arming something may have come: look once more before
	 * sleeping.
	 */
	for (size_t i = 0; i < n; i++) {
		struct rdmareg_peer *p = peers[i];

		if (!p || p->end.code)
			continue;
		if (p->more || peer_arm(p))
			return 0;
		fds[n_fds++] = (struct pollfd){ .fd = p->channel->fd, .events = POLLIN };
		fds[n_fds++] = (struct pollfd){ .fd = p->completions->fd, .events = POLLIN };
	}
	left = (deadline_usec - now + 999) / 1000;
	r = poll(fds, n_fds, left > 60000 ? 60000 : (int)left);
	if (r < 0)
		return -errno;
	n_fds = 0;
	for (size_t i = 0; i < n; i++) {
		if (!peers[i] || peers[i]->end.code)
			continue;
		if (fds[n_fds + 1].revents)
			peers[i]->armed = false;
		n_fds += 2;
	}
	return 0;
}

int peer_sleep(struct rdmareg_peer *p, uint64_t deadline_usec)
{
	int r = peers_sleep(&p, 1, deadline_usec);

	if (r == 0 || r == -ETIMEDOUT || r == -EINTR)
		return r;
	return peer_end(p, -r, "waiting for the adapter failed: %s", strerror(-r));
}
