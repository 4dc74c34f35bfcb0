// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * peer-progress.c - taking in completions and connection events, waiting for them, and ending a connection.
 *
 * Completions are looked at before connection events: when an operation failed and the connection broke
 * because of it, the operation's status is the better reason. The first reason is kept, whatever follows.
 */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#include "error.h"
#include "peer.h"
#include "util.h"
#include "wire.h"

#define ROUNDS 16 /* of eight completions, in one look */

int peer_end(struct rdmareg_peer *p, int error, const char *format, ...)
{
	struct rdmareg_peer_event e = { .type = RDMAREG_PEER_EVENT_DISCONNECTED };
	va_list args;

	if (p->error)
		return p->error;
	p->error = -error;
	va_start(args, format);
	vsnprintf(p->error_text, sizeof(p->error_text), format, args);
	va_end(args);
	/* Saying goodbye may fail, destroying may not: after it the adapter is done with every buffer. */
	rdma_disconnect(p->id);
	rdma_destroy_qp(p->id);
	p->flush_qp = NULL;
	p->sends_busy = 0;
	e.error = p->error;
	peer_event(p, &e);
	return p->error;
}

int peer_fail_ended(struct rdmareg_peer *p)
{
	return fail(p->error, "using region %llu from local device %s: %s", (unsigned long long)p->region,
		    p->id->verbs ? ibv_get_device_name(p->id->verbs->device) : "?", p->error_text);
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
	struct ibv_send_wr wr = { .opcode = IBV_WR_SEND, .send_flags = IBV_SEND_SIGNALED, .num_sge = 1 },
			   *bad;
	struct ibv_sge sge = { .length = sizeof(struct wire_message), .lkey = p->control_mr->lkey };
	uint32_t i = 0;

	while (i < PEER_SENDS && (p->sends_busy & (1u << i)))
		i++;
	if (i == PEER_SENDS)
		return peer_end(p, ETIMEDOUT, "the other side does not take messages: its keeper is stopped");
	p->control->send[i] = *m;
	sge.addr = (uintptr_t)&p->control->send[i];
	wr.wr_id = WR_SEND | i;
	wr.sg_list = &sge;
	if (ibv_post_send(p->id->qp, &wr, &bad))
		return peer_end(p, EIO, "the adapter does not take a message");
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
		return p->error;
	p->acknowledged = true;
	peer_event(p, &e);
	return 0;
}

static void take_completion(struct rdmareg_peer *p, const struct ibv_wc *wc)
{
	uint32_t i = (uint32_t)wc->wr_id;
	struct wire_message m;
	const char *text;
	int error;

	if (wc->status != IBV_WC_SUCCESS) {
		error = completion_errno(wc->status, p->revocation.id && !p->acknowledged,
					 p->remote.grace_msec, &text);
		/* an access that failed ends the connection, and what else was posted may come home before it */
		if (error == EACCES || error == EREMOTEIO || error == ECONNRESET)
			error = cause_find(p, error, &text);
		peer_end(p, error, "%s (%s)", text, ibv_wc_status_str(wc->status));
		return;
	}
	switch (wc->wr_id & WR_KIND) {
	case WR_DATA:
		transfer_complete(p, i);
		break;
	case WR_SEND:
		p->sends_busy &= ~(1u << i);
		break;
	case WR_RECEIVE:
		if (wire_get_message(&p->control->receive[i], wc->byte_len, &m) < 0)
			peer_end(p, EPROTO,
				 "a message from the other side makes no sense: do the two "
				 "machines run one version?");
		else
			peer_take_message(p, &m);
		if (!p->error && peer_post_receive(p, i) < 0)
			peer_end(p, EIO, "the adapter does not take a receive buffer");
		break;
	}
}

/* An access that failed there ends the connection, too, and that word may be here before the completion. */
static void end_by_other_side(struct rdmareg_peer *p)
{
	const char *text = "the other side ended the connection: the region was released, or its keeper died";
	int error = cause_find(p, ECONNRESET, &text);

	peer_end(p, error, "%s", text);
}

static void take_connection_event(struct rdmareg_peer *p, enum rdma_cm_event_type type)
{
	/* the completion's reason is kept, so the keeper need not be asked a second time */
	if (p->error)
		return;
	switch (type) {
	case RDMA_CM_EVENT_DISCONNECTED:
		if (p->revocation.id && !p->acknowledged)
			peer_end(p, ESTALE,
				 "the other side ended the connection because revocation %llu "
				 "was not acknowledged in time",
				 (unsigned long long)p->revocation.id);
		else
			end_by_other_side(p);
		break;
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		peer_end(p, ENODEV, "the RDMA device of this machine was removed");
		break;
	case RDMA_CM_EVENT_TIMEWAIT_EXIT:
	case RDMA_CM_EVENT_ADDR_CHANGE:
	case RDMA_CM_EVENT_ESTABLISHED:
		break;
	default:
		peer_end(p, ECONNRESET, "the connection broke: %s", rdma_event_str(type));
		break;
	}
}

int peer_progress(struct rdmareg_peer *p)
{
	struct rdma_cm_event *event;
	struct ibv_wc wc[8];
	int n = 1;

	/* Bounded: a keeper that sends faster than we read must not keep us here. */
	for (int round = 0; round < ROUNDS && n > 0; round++) {
		n = p->error ? 0 : ibv_poll_cq(p->cq, ARRAY_SIZE(wc), wc);
		if (n < 0)
			return peer_end(p, EIO,
					"the adapter's completion queue failed; see the kernel's log");
		for (int i = 0; i < n && !p->error; i++)
			take_completion(p, &wc[i]);
	}
	p->more = n > 0;
	/* The channel does not block (peer-connect.c). */
	while (rdma_get_cm_event(p->channel, &event) == 0) {
		enum rdma_cm_event_type type = event->event;

		rdma_ack_cm_event(event);
		take_connection_event(p, type);
	}
	return p->error;
}

int peer_arm(struct rdmareg_peer *p)
{
	struct ibv_cq *cq;
	void *context;

	if (p->armed || p->error)
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

void peer_watch(struct rdmareg_peer *p)
{
	if (peer_arm(p))
		peer_progress(p);
	if (p->more ||
	    (p->revocation.id && !p->acknowledged && p->options.on_revocation == RDMAREG_ON_REVOCATION_YIELD))
		peer_raise(p);
}

int peer_sleep(struct rdmareg_peer *p, uint64_t deadline_usec)
{
	struct pollfd fds[] = {
		{ .fd = p->channel->fd, .events = POLLIN },
		{ .fd = p->completions->fd, .events = POLLIN },
	};
	uint64_t now = clock_usec(CLOCK_MONOTONIC), left;
	int r;

	if (now >= deadline_usec)
		return -ETIMEDOUT;
	/* Between the last look and the arming something may have come: look once more before sleeping. */
	if (p->more || peer_arm(p))
		return 0;
	left = (deadline_usec - now + 999) / 1000;
	r = poll(fds, ARRAY_SIZE(fds), left > 60000 ? 60000 : (int)left);
	if (r < 0)
		return errno == EINTR ? -EINTR : peer_end(p, errno, "waiting failed: %s", strerror(errno));
	if (fds[1].revents)
		p->armed = false;
	return 0;
}
