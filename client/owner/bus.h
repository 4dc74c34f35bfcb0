/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bus.h - the owner side's context: a private bus connection, who rdmaregd is on it now, and the
 * events nobody has taken yet.
 *
 * What always holds: only the unique name that owns org.rdmareg.Registry1 is believed; every public
 * function that used the connection ends with context_rearm(), so the context's one descriptor
 * polls readable exactly when there is something to do.
 */
#ifndef RDMAREG_CLIENT_BUS_H
#define RDMAREG_CLIENT_BUS_H

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "names.h"
#include "rdmareg.h"

#define EVENTS_MAX 1024

struct rdmareg {
	sd_bus *bus;
	char *owner; /* unique name of rdmaregd, NULL while nobody has the name */
	bool subscribed;
	bool introduced; /* to that rdmaregd */
	bool disconnected;
	bool by_names; /* that rdmaregd has properties by their names only */
	int epoll_fd;  /* what the caller waits on: the bus and the timer */
	int timer_fd;
	uint32_t bus_events; /* registered in epoll_fd for the bus's descriptor */
	uint64_t work_timeout_usec;
	struct rdmareg_event *events; /* ring of EVENTS_MAX */
	size_t event_first, n_events;
	struct rdmareg_region *regions; /* handles, freed with the context */
	struct rdmareg_list *lists;
	struct rdmareg_sessions *session_lists;
	struct joined *joined; /* join.c */
	struct rdmareg_job *jobs;
	uint64_t last_job;
};

/* Make the descriptor tell the truth again. */
void context_rearm(struct rdmareg *c);

/*
 * Take in what has arrived, without waiting; the caller rearms. 1: the connection ended just now.
 * -ECHILD: the context is the parent process's.
 */
int context_process(struct rdmareg *c);

/*
 * context_call - send @m and wait for the answer; @m is consumed whatever happens
 * @timeout_usec: 0: the bus's default of 25 s.
 * @ret_reply: may be NULL.
 * The first that carries a descriptor is preceded by one that does not: rdmaregd may be short of
 * descriptors for connections that it does not know.
 * @format: what is asked, for the error sentence.
 */
int context_call(struct rdmareg *c, sd_bus_message *m, uint64_t timeout_usec,
		 sd_bus_message **ret_reply, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/*
 * context_call_async - send @m, which is consumed whatever happens; @handler gets the answer from
 * context_process(), unless the slot is dropped before. The first that carries a descriptor waits
 * as with context_call(). The error is told in words by the caller (fail_bus()).
 */
int context_call_async(struct rdmareg *c, sd_bus_message *m, uint64_t timeout_usec,
		       sd_bus_message_handler_t handler, void *userdata, sd_bus_slot **ret);

/*
 * A method call message to the manager (@region 0) or to a region's object; to whoever is rdmaregd,
 * or to @to.
 */
int context_new_call(struct rdmareg *c, uint64_t region, const char *member, sd_bus_message **ret);
int context_new_call_to(struct rdmareg *c, const char *to, uint64_t region, const char *member,
			sd_bus_message **ret);

/* signals.c: matches and the name's present owner; for rdmareg_open() */
int signals_attach(struct rdmareg *c);

/* ring.c */
void events_push(struct rdmareg *c, const struct rdmareg_event *e);
void events_drop_job(struct rdmareg *c,
		     uint64_t job); /* its event, if that waits; the caller knows */

/* join.c: with a daemon that came; when a region is gone; with a context that is being closed. */
void joined_renew(struct rdmareg *c);
void joined_forget(struct rdmareg *c, uint64_t region);
void joined_free_all(struct rdmareg *c);

/*
 * job.c: whether a signal of the daemon is about a job; running ones end with the daemon that began
 * them, and with the connection; all handles go with the context.
 */
bool jobs_take_signal(struct rdmareg *c, sd_bus_message *m);
void jobs_daemon_lost(struct rdmareg *c, const char *daemon);
/* As context_process(), but a connection that is gone is no failure but an event. */
int jobs_take_in(struct rdmareg *c);
void jobs_free_all(struct rdmareg *c);

/* region.c: free what hangs on a context that is being closed. */
void regions_free_all(struct rdmareg *c);
void lists_free_all(struct rdmareg *c);
void session_lists_free_all(struct rdmareg *c); /* session-list.c */

#endif
