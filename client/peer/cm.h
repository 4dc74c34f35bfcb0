/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cm.h - conversations with the RDMA connection manager; see cm.c.
 */
#ifndef RDMAREG_CLIENT_CM_H
#define RDMAREG_CLIENT_CM_H

#include <rdma/rdma_cma.h>

#define CM_REJECT_NO_LISTENER 8 /* IB_CM_REJ_INVALID_SERVICE_ID of IB spec 12.6.7.2 */

int cm_set_nonblocking(int fd);

/*
 * Resolve address and route. @source: may be NULL. @ret: also set by an attempt that fails later
 * than at the start; the caller destroys it.
 */
int cm_resolve(struct rdma_event_channel *channel, const struct sockaddr *source,
	       const struct sockaddr *target, uint64_t deadline_usec, struct rdma_cm_id **ret);

/* The next event, which is the @wanted one: the caller acknowledges it. Any other is a failure. */
int cm_wait(struct rdma_event_channel *channel, enum rdma_cm_event_type wanted,
	    uint64_t deadline_usec, struct rdma_cm_event **ret);

#endif
