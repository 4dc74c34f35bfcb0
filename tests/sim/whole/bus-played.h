/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bus-played.h - what the two halves of the played bus know of each other: bus.c, calls.c. */
#ifndef RDMAREG_SIM_BUS_PLAYED_H
#define RDMAREG_SIM_BUS_PLAYED_H

#include "bus/bus.h"
#include "whole.h"

struct bus {
	const struct bus_handlers *handlers;
	void *userdata;
};
extern struct bus the_bus;

/* The daemon takes no calls yet. */
bool bus_is_held(void);
struct client *client_of(struct connection *c);
/* NULL: it left. */
struct connection *connection_of(const struct client *c);

#endif
