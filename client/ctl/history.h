/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * history.h - what the files of the verb "history" share: the events that were fetched, and how
 * they are told.
 *
 * What always holds: events are in the order of their numbers; their texts live as long as the
 * pages that they came in.
 */
#ifndef RDMAREGCTL_HISTORY_H
#define RDMAREGCTL_HISTORY_H

#include "ctl.h"

struct history {
	struct rdmareg_history_event *events;
	size_t n;
	struct rdmareg_history **pages;
	size_t n_pages;
	uint64_t since_usec;  /* when rdmaregd began */
	uint64_t oldest_usec; /* of the machine's events */
};

/* e follows from the revocation that began with asked, or is that. */
bool history_is_of(const struct rdmareg_history_event *e,
		   const struct rdmareg_history_event *asked);

/* Who asked, or holds: "pid 4711 (dd) of uid 1000", "peer 192.0.2.1", and the like. */
#define HISTORY_WHO_MAX 160
const char *history_who(char out[static HISTORY_WHO_MAX], const struct rdmareg_history_event *e);

/* --- history-print.c */

/* All, each revocation as a block where it began. */
void history_print(const struct history *h);
/* One as it comes. */
void history_print_line(const struct rdmareg_history_event *e);
/* How far back it reaches. */
void history_print_legend(const struct history *h);

/* --- history-svg.c */

/* The revocation that began with asked, as a picture on stdout. */
void history_draw(const struct history *h, const struct rdmareg_history_event *asked);

#endif
