// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * cm.c - conversations with the RDMA connection manager: find the way to an address, and wait for
 * an answer.
 *
 * What always holds: each step waits until the caller's deadline at most, on a channel that does
 * not block. cm_take() does not wait at all.
 */
#include "cm.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>

#include "error.h"
#include "util.h"
#include "wire.h"

int cm_set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static int left_msec(uint64_t deadline_usec)
{
	uint64_t now = clock_usec(CLOCK_MONOTONIC);

	if (now >= deadline_usec)
		return 0;
	return deadline_usec - now > 3600 * USEC_PER_SEC
		       ? 3600 * 1000
		       : (int)((deadline_usec - now + 999) / 1000);
}

/* The sentences of an attempt; "connecting to HOST:PORT: " is put before them in the end. */
static int refused(const struct rdma_cm_event *e, bool *ret_said)
{
	struct wire_reject j;
	const char *hint;
	int error;

	if (wire_get_reject(e->param.conn.private_data, e->param.conn.private_data_len, &j) == 0) {
		*ret_said = true;
		error = wire_refusal_errno(j.reason, &hint);
		return fail(error, "the other side refuses: %s; %s",
			    *j.text ? j.text : "it does not say why", hint);
	}
	if (e->status == CM_REJECT_NO_LISTENER)
		return fail(ECONNREFUSED,
			    "nothing listens at the ticket's port: the region's keeper is gone, or "
			    "the ticket is from before it was started anew");
	return fail(ECONNREFUSED,
		    "what listens at the ticket's port refuses (reason %d) and is not rdmareg's",
		    e->status);
}

static int unexpected(const struct rdma_cm_event *e, bool *ret_said)
{
	int error = e->status < 0 ? -e->status : e->status;

	if (e->status == -1) /* not EPERM: a call of librdmacm failed, and its errno is lost */
		error = ECONNABORTED;

	switch (e->event) {
	case RDMA_CM_EVENT_REJECTED:
		return refused(e, ret_said);
	case RDMA_CM_EVENT_ADDR_ERROR:
		if (error == ENODEV)
			return fail(
				ENODEV,
				"no RDMA device of this machine has a route to the ticket's host");
		return fail(error, "the ticket's host cannot be reached: %s", strerror(error));
	case RDMA_CM_EVENT_ROUTE_ERROR:
	case RDMA_CM_EVENT_UNREACHABLE:
		return fail(EHOSTUNREACH, "no answer from the ticket's host: is it up, and "
					  "does its RDMA device have that address?");
	case RDMA_CM_EVENT_DEVICE_REMOVAL:
		return fail(ENODEV, "the RDMA device of this machine was removed");
	default:
		return fail(error ? error : ECONNABORTED, "%s (%s)", rdma_event_str(e->event),
			    strerror(error));
	}
}

int cm_take_answer(struct rdma_event_channel *channel, enum rdma_cm_event_type wanted,
		   struct rdma_cm_event **ret, bool *ret_said)
{
	struct rdma_cm_event *e;
	int r;

	*ret_said = false;
	if (rdma_get_cm_event(channel, &e))
		return errno == EAGAIN ? 0 : fail(errno, "%s", strerror(errno));
	if (e->event == wanted) {
		*ret = e;
		return 1;
	}
	r = unexpected(e, ret_said);
	rdma_ack_cm_event(e);
	return r;
}

int cm_take(struct rdma_event_channel *channel, enum rdma_cm_event_type wanted,
	    struct rdma_cm_event **ret)
{
	bool said;

	return cm_take_answer(channel, wanted, ret, &said);
}

int cm_fail_silent(enum rdma_cm_event_type wanted)
{
	return fail(ETIMEDOUT, "the ticket's host has not answered %s",
		    wanted == RDMA_CM_EVENT_ESTABLISHED
			    ? "the connection request; is the region's keeper stopped?"
			    : "the question for its address; is it up?");
}

int cm_wait(struct rdma_event_channel *channel, enum rdma_cm_event_type wanted,
	    uint64_t deadline_usec, struct rdma_cm_event **ret)
{
	struct pollfd fd = { .fd = channel->fd, .events = POLLIN };
	int r, msec;

	while ((r = cm_take(channel, wanted, ret)) == 0) {
		msec = left_msec(deadline_usec);
		if (!msec)
			return cm_fail_silent(wanted);
		if (poll(&fd, 1, msec) < 0)
			return fail(errno, "%s", strerror(errno));
	}
	return r < 0 ? r : 0;
}

static int pass_event(struct rdma_event_channel *channel, enum rdma_cm_event_type wanted,
		      uint64_t deadline_usec)
{
	struct rdma_cm_event *e;
	int r;

	r = cm_wait(channel, wanted, deadline_usec, &e);
	if (!r)
		rdma_ack_cm_event(e);
	return r;
}

int cm_ask_address(struct rdma_event_channel *channel, const struct sockaddr *source,
		   const struct sockaddr *target, int msec, struct rdma_cm_id **ret)
{
	if (rdma_create_id(channel, ret, NULL, RDMA_PS_TCP))
		return fail(errno, "making a connection identifier: %s", strerror(errno));
	if (rdma_resolve_addr(*ret, (struct sockaddr *)(uintptr_t)source,
			      (struct sockaddr *)(uintptr_t)target, msec))
		return fail(errno, "resolving the ticket's host: %s", strerror(errno));
	return 0;
}

/*
 * The kernel (7.2 at least) looks at the neighbour table when the address is asked for, when the
 * neighbour changes, and at the timeout. A neighbour that answers before the request is queued
 * (over veth it does) is not noticed until the timeout, so that is kept short and the question
 * asked again.
 */
int cm_resolve(struct rdma_event_channel *channel, const struct sockaddr *source,
	       const struct sockaddr *target, uint64_t deadline_usec, struct rdma_cm_id **ret)
{
	int r, msec = CM_ASK_MSEC;

	for (;; msec = cm_ask_longer(msec)) {
		int left = left_msec(deadline_usec) + 1;

		r = cm_ask_address(channel, source, target, msec < left ? msec : left, ret);
		if (r >= 0)
			r = pass_event(channel, RDMA_CM_EVENT_ADDR_RESOLVED, deadline_usec);
		if (r != -ETIMEDOUT || left_msec(deadline_usec) == 0)
			break;
		rdma_destroy_id(*ret);
		*ret = NULL;
	}
	if (r < 0)
		return r;
	if (rdma_resolve_route(*ret, left_msec(deadline_usec) + 1))
		return fail(errno, "finding a route: %s", strerror(errno));
	return pass_event(channel, RDMA_CM_EVENT_ROUTE_RESOLVED, deadline_usec);
}
