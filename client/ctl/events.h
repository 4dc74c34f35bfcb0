/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * events.h - what the verbs that stay share: waiting for events of regions and sessions, and signals
 * of the process, and printing what happened, a line at a time.
 *
 * What always holds: each line is written out at once; SIGINT and SIGTERM end a wait between two
 * events, never in the middle of one.
 */
#ifndef RDMAREGCTL_EVENTS_H
#define RDMAREGCTL_EVENTS_H

#include <time.h>

#include "ctl.h"

/* Go on waiting; anything else is the exit status. */
#define EVENTS_GO_ON (-1)

typedef int events_handle_t(struct ctl *ctl, const struct rdmareg_event *e, void *userdata);

/*
 * events_wait - hand over each event as it comes
 * @only: of this region, and those that concern all; 0: every one.
 * The exit status: the handler's, EXIT_OK after a signal, EXIT_FAILED when the bus is gone.
 */
int events_wait(struct ctl *ctl, uint64_t only, events_handle_t *handle, void *userdata);

/*
 * The same, with those that came together shown first: up to EVENTS_TOGETHER, none of which is
 * left out.
 */
#define EVENTS_TOGETHER 512
typedef void events_prepare_t(struct ctl *ctl, const struct rdmareg_event *events, size_t n,
			      void *userdata);
int events_wait_together(struct ctl *ctl, uint64_t only, events_prepare_t *prepare,
			 events_handle_t *handle, void *userdata);

/* The same without waiting: those that are there. EVENTS_GO_ON, or an exit status. */
int events_take(struct ctl *ctl, uint64_t only, events_handle_t *handle, void *userdata);

/* From now on SIGINT and SIGTERM are read from this descriptor. -1 with the message printed. */
int events_signal_fd(void);

/* What was shown of a region before: a change of that is told as one. */
struct events_shown {
	const char *mode; /* of arbitration; NULL: not known */
	uint64_t bypasses;
};

/*
 * events_print - one line
 * @name: of what happened; NULL: the event's own.
 * @info: the region as it is now; NULL: unknown. @shown: NULL: nothing.
 */
void events_print(const struct ctl *ctl, const char *name, const struct rdmareg_event *e,
		  const struct rdmareg_region_info *info, const struct events_shown *shown);

/* The same of a session. @info: as it is now; NULL: unknown, or gone. */
void events_print_session(const struct ctl *ctl, const char *name, const struct rdmareg_event *e,
			  const struct rdmareg_session_info *info);

/* What a line for people says of the region: allocated; NULL: no memory. */
char *events_describe(const struct rdmareg_region_info *info, const struct events_shown *shown);

uint64_t events_now_usec(clockid_t clock);

/*
 * How a verb that is about one region ends with it: well, unless nobody wanted it to end; then the
 * message is printed.
 */
int events_end_status(const struct rdmareg_event *removed);

#endif
