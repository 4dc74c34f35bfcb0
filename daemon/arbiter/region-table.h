/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * region-table.h - what the daemon knows of each region beside the core's state: texts, counters, its
 * keeper, the connection that holds it, and the calls that wait for it.
 *
 * What always holds: there is an entry for exactly the regions of the registry; an entry is in its keeper's
 * list, and in its holder's if it has one; a removed entry has answered every call it kept.
 */
#ifndef RDMAREG_REGION_TABLE_H
#define RDMAREG_REGION_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "bus/bus.h"

struct keeper;

/* A call in a list of those that wait for the same thing. */
struct waiting_call {
	struct call *call;
	SLIST_ENTRY(waiting_call) waiting;
};

struct region_entry {
	uint64_t id;
	struct keeper *keeper;
	struct client *holder; /* who registered it, while connected */
	struct region_text text;
	struct call *registering;
	SLIST_HEAD(, waiting_call) releasing;
	uint64_t acknowledged; /* last revocation that the holder acknowledged */
	bool announced;	       /* RegionAdded was sent */
	bool orphan;	       /* not detached, and its owner is not known: ends with the orphans' grace */
	LIST_ENTRY(region_entry) of_keeper; /* keeper_note()->list */
	LIST_ENTRY(region_entry) of_holder; /* client.regions */
};

struct region_table;

int region_table_new(struct region_table **ret);
struct region_table *region_table_free(struct region_table *t);

/* -ENOMEM. The entry is empty, with its keeper's and holder's (may be NULL) lists. */
int region_table_add(struct region_table *t, uint64_t id, struct keeper *keeper, struct client *holder,
		     struct region_entry **ret);
struct region_entry *region_table_find(const struct region_table *t, uint64_t id);
void region_table_remove(struct region_table *t, struct region_entry *e);

/* The holder's connection ended. */
void region_entry_forget_holder(struct region_entry *e);
/* -ENOMEM: the call is not kept. */
int region_entry_await_release(struct region_entry *e, struct call *call);
/* Takes the next waiting call out; NULL: none is left. */
struct call *region_entry_next_release(struct region_entry *e);

/*
 * Replaces a text by a clean copy of the first @n bytes of @text. Out of memory: it becomes NULL, which
 * reads as empty.
 */
void region_text_set(char **member, const char *text, size_t n);

#endif
