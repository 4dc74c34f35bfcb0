/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cm.h - conversations with the RDMA connection manager; see cm.c.
 */
#ifndef RDMAREG_CLIENT_CM_H
#define RDMAREG_CLIENT_CM_H

#include <rdma/rdma_cma.h>
#include <stdbool.h>

#define CM_REJECT_NO_LISTENER 8 /* IB_CM_REJ_INVALID_SERVICE_ID of IB spec 12.6.7.2 */

int cm_set_nonblocking(int fd);

/*
 * One question for the way to an address, which the kernel gives up after @msec: ADDR_RESOLVED, or
 * ETIMEDOUT, and then it is asked again with another @ret (see cm_resolve()).
 */
#define CM_ASK_MSEC 100
int cm_ask_address(struct rdma_event_channel *channel, const struct sockaddr *source,
		   const struct sockaddr *target, int msec, struct rdma_cm_id **ret);
static inline int cm_ask_longer(int msec)
{
	return msec < 2000 ? 2 * msec : msec;
}

/*
 * Resolve address and route. @source: may be NULL. @ret: also set by an attempt that fails later
 * than at the start; the caller destroys it.
 */
int cm_resolve(struct rdma_event_channel *channel, const struct sockaddr *source,
	       const struct sockaddr *target, uint64_t deadline_usec, struct rdma_cm_id **ret);

/* The next event, which is the @wanted one: the caller acknowledges it. Any other is a failure. */
int cm_wait(struct rdma_event_channel *channel, enum rdma_cm_event_type wanted,
	    uint64_t deadline_usec, struct rdma_cm_event **ret);

/* The same without waiting. 1: @ret is set; 0: there is no event; a failure. */
int cm_take(struct rdma_event_channel *channel, enum rdma_cm_event_type wanted,
	    struct rdma_cm_event **ret);
/* @ret_said: the failure is what a keeper at the other side said. */
int cm_take_answer(struct rdma_event_channel *channel, enum rdma_cm_event_type wanted,
		   struct rdma_cm_event **ret, bool *ret_said);
/* The sentence of one who waited for it too long: -ETIMEDOUT. */
int cm_fail_silent(enum rdma_cm_event_type wanted);

#endif
