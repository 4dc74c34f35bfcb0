// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * progress.c - taking in completions and connection events.
 *
 * What always holds: completions are looked at before connection events. When an operation failed
 * and the connection broke because of it, the operation's status is the better reason.
 */
#include "error.h"
#include "operations.h"
#include "peer.h"
#include "util.h"
#include "wire.h"

#define ROUNDS 16 /* of eight completions, in one look */

static void take_completion(struct rdmareg_peer *p, const struct ibv_wc *wc)
{
	uint32_t i = (uint32_t)wc->wr_id;
	struct wire_message m;
	const char *text;
	int error;

	if (wc->status != IBV_WC_SUCCESS) {
		error = completion_errno(wc->status, p->revocation.id && !p->acknowledged,
					 p->remote.grace_msec, &text);
		/*
		 * an access that failed ends the connection, and what else was posted may come home
		 * before it
		 */
		if (error == EACCES || error == EREMOTEIO || error == ECONNRESET)
			error = cause_find(p, error, &text);
		peer_end(p, error, "%s (%s)", text, ibv_wc_status_str(wc->status));
		return;
	}
	switch (wc->wr_id & WR_KIND) {
	case WR_DATA:
		operations_complete(p, i);
		break;
	case WR_SEND:
		p->sends_busy &= ~(1u << i);
		break;
	case WR_RECEIVE:
		if (wire_get_message(&p->control->receive[i], wc->byte_len, &m) < 0)
			peer_end(p, EPROTO,
				 "a message from the keeper is not understood; " VERSIONS_DIFFER);
		else
			peer_take_message(p, &m);
		if (!p->end.code && peer_post_receive(p, i) < 0)
			peer_end(p, EIO, "the adapter refused a receive buffer");
		break;
	}
}

/*
 * An access that failed there ends the connection, too, and that word may be here before the
 * completion.
 */
static void end_by_other_side(struct rdmareg_peer *p)
{
	const char *text =
		"the other side ended the connection: the region was released, or its keeper died";
	int error = cause_find(p, ECONNRESET, &text);

	peer_end(p, error, "%s", text);
}

static void take_connection_event(struct rdmareg_peer *p, enum rdma_cm_event_type type)
{
	/* the completion's reason is kept, so the keeper need not be asked a second time */
	if (p->end.code)
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
	/*
	 * The kernel has seen another hardware address behind the other side's address, or, for a
	 * moment, none. Whether that is still reached the adapter finds out: it sends again.
	 */
	case RDMA_CM_EVENT_UNREACHABLE:
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
		n = p->end.code ? 0 : ibv_poll_cq(p->cq, ARRAY_SIZE(wc), wc);
		if (n < 0)
			return peer_end(
				p, EIO,
				"the adapter's completion queue failed; see the kernel's log");
		for (int i = 0; i < n && !p->end.code; i++)
			take_completion(p, &wc[i]);
	}
	p->more = n > 0;
	/* The channel does not block (cm.c). */
	while (rdma_get_cm_event(p->channel, &event) == 0) {
		enum rdma_cm_event_type type = event->event;

		rdma_ack_cm_event(event);
		take_connection_event(p, type);
	}
	return p->end.code;
}

void peer_watch(struct rdmareg_peer *p)
{
	if (peer_arm(p))
		peer_progress(p);
	if (p->more || (p->revocation.id && !p->acknowledged &&
			p->options.on_revocation == RDMAREG_ON_REVOCATION_YIELD))
		peer_raise(p);
}
