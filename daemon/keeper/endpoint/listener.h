/* SPDX-License-Identifier: GPL-2.0-or-later */
/* listener.h - to listen on one address. Part of the endpoint. */
#ifndef RDMAREG_KEEPER_LISTENER_H
#define RDMAREG_KEEPER_LISTENER_H

#include <rdma/rdma_cma.h>

#include "keeper/endpoint/endpoint.h"

/*
 * -EACCES and a reason: this process may not open the nodes that RDMA needs. Their libraries would
 * wait seconds for each and not say why.
 */
int listener_check_nodes(struct failure *why);

/* False: no interface that is up has the address that it listens on. */
bool listener_is_reachable(struct rdma_cm_id *id);

/* @address: a numeric one, or any; see struct endpoint_options. @ret: listening, with a device. */
int listener_new(struct rdma_cm_id **ret, struct rdma_event_channel *channel, const char *address,
		 uint16_t port, const struct endpoint_ops *ops, void *userdata,
		 struct failure *why);

#endif
