/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * addresses.h - the addresses that an endpoint listens on, and whether the machine has them. Part of
 * the endpoint.
 *
 * What always holds: all that is listened on belongs to one device, since a region's key does;
 * addresses of other devices are those of other keepers, and nobody misses them here. An address
 * that the machine does not have any more is not among endpoint_places(), but goes on being
 * listened on: when it comes back, so do the tickets that name it. With "any" that holds until
 * LISTEN_ADDRESSES_MAX - 1 others were found.
 * What is known is a level: it is looked at anew whenever the kernel says that something changed, at
 * each ticket, and every RETRY_USEC while not all is as wanted.
 */
#ifndef RDMAREG_KEEPER_ADDRESSES_H
#define RDMAREG_KEEPER_ADDRESSES_H

#include <rdma/rdma_cma.h>

#include "keeper/endpoint/endpoint.h"

struct addresses;

/* Listen. At least one can be listened on, or see endpoint_new(). @e: its channel is there. */
int addresses_new(struct addresses **ret, struct endpoint *e, struct event_base *base,
		  const struct endpoint_options *o, struct failure *why);
struct addresses *addresses_free(struct addresses *a);

/* Of the device that all belong to. */
struct ibv_context *addresses_context(const struct addresses *a);
uint8_t addresses_device_port(const struct addresses *a);

#endif
