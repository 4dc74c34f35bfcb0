/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bus-played.h - what the two halves of the played bus know of each other: bus.c, calls.c. */
#ifndef RDMAREG_SIM_BUS_PLAYED_H
#define RDMAREG_SIM_BUS_PLAYED_H

#include "bus/bus.h"
#include "whole.h"

/* One that is not answered. */
struct call {
	enum call_kind kind;
	struct connection *by; /* NULL: it left */
	uint64_t region;
	uint64_t subject; /* administer.c's */
	bool impatient;	  /* it has a limit of its own */
	bool is_of_liar;  /* what it asks for may be up to one */
	uint64_t since_usec;
	uint64_t stopped_usec;	      /* of the daemon, until then */
	const struct process *keeper; /* of the region */
	LIST_ENTRY(call) calls;
};

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

/* --- ask.c: 0, or BUS_E_REFUSED and why */

int ask_register(const struct request *q, struct call *call, struct failure *why);
int ask_of_region(const struct request *q, struct call *call, struct failure *why);
/* Those that are answered at once. */
bool is_at_once(enum call_kind kind);
int ask_at_once(const struct request *q, struct failure *why);

/* --- lies.c */

struct keeper_message;
enum os_fate lies_of(const struct process *from, const struct process *to, struct keeper_message *m,
		     size_t *size);

/* --- versions.c */

enum os_fate versions_differ(const struct process *from, const struct process *to, char *packet,
			     size_t *size, size_t room, struct os_packet *ret_before);

/* --- administer.c */

bool is_of_administrator(enum call_kind kind);
/* False: it cannot be asked now, and is not. */
bool administer_can(const struct request *q);
int administer(const struct request *q, struct call *call, struct failure *why);
/* How such a call ended. */
enum end { END_DONE, END_PARTLY, END_FAILED, END_UNKNOWN };
void administered(const struct call *call, enum end how);
/* By what they asked for nothing like this is registered now. */
bool administrators_forbid(const struct register_request *q);

#endif
