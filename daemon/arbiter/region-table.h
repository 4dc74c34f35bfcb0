/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * region-table.h - what the daemon knows of each region beside the core's state: texts, counters,
 * its file, its keeper, the connections that own or use it, and the calls that wait for it.
 *
 * What always holds: there is an entry for exactly the regions of the registry; an entry is in its
 * keeper's list, and in its owner's if it has one; a removed entry has answered every call it
 * kept.
 */
#ifndef RDMAREG_REGION_TABLE_H
#define RDMAREG_REGION_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "bus/bus.h"
#include "history/history.h"

struct named;
struct proxy;
struct move;
struct standing;
struct ending; /* app-ending.c */
struct change; /* app-configure.c */

/* For the log: who asked for something. @pid 0: nobody is known. */
struct caller {
	uint32_t pid;
	uint32_t uid;
};

/* Somebody takes a whole filesystem's regions down, and is answered after the last one. */
struct eviction {
	struct call *call;
	struct caller by;
	char what[DESCRIPTOR_PATH_MAX + FILESYSTEM_TYPE_MAX + 64]; /* for the log */
	uint32_t regions;
	uint32_t late; /* of them: their keepers do not answer */
	uint32_t left;
	bool whole;	      /* all that are @on one filesystem; else those above limits */
	struct filesystem on; /* of which nothing new is registered meanwhile */
	LIST_ENTRY(eviction) evictions;
};

/* One of what it waits for will not come, since rdmaregd is being stopped. */
void eviction_drop(struct eviction *v);

/* Who waits for the end of a region: a call, an eviction, or a session's end. */
struct waiting {
	struct call *call;
	struct eviction *eviction;
	struct ending *ending;
	SLIST_ENTRY(waiting) waiting;
};
SLIST_HEAD(waitings, waiting);

/* A peer's particulars; the core knows its number. */
struct peer_note {
	uint64_t peer;
	enum region_access access;
	char address[64];
	LIST_ENTRY(peer_note) of_region;
};

/* The regions of one file, ascending by number. */
struct file {
	uint64_t device;
	uint64_t inode;
	TAILQ_HEAD(entries, region_entry) regions;
};

/* The regions on one filesystem. */
struct mounted {
	struct filesystem is;
	TAILQ_HEAD(, region_entry) regions;
};

/* What app-metrics.c has counted it as, and since when it waits for what. */
struct region_measure {
	bool counted;
	bool over; /* not counted any more */
	bool degraded;
	bool revoking;
	uint8_t state;
	uint8_t mode;
	uint32_t clients;
	uint32_t peers;
	uint64_t bytes;
	struct region_counters counters;
	uint64_t bypasses;
	uint64_t since_usec; /* of its registration */
	uint64_t asked_usec; /* holders were, last */
	uint64_t free_usec;  /* nobody had to be waited for; 0: somebody has */
};

#define REGION_NO_SLOT UINT32_MAX

#define UNANSWERED_PIDS 4 /* that the journal names */

struct region_entry {
	uint64_t id;
	struct proxy *keeper;
	struct client *owner; /* the owner's connection, while it has one */
	struct region_text text;
	struct region_news news;
	struct call *registering;
	struct waitings releasing;
	struct joins joins; /* who uses it without owning it */
	LIST_HEAD(, peer_note) peers;
	struct file *file;   /* NULL: not known yet */
	struct mounted *on;  /* its filesystem; likewise */
	struct named *named; /* region-table.c's; NULL: it has no name */
	bool gated;	     /* the gate has its file marked for it */
	/* arbitration "pre-content" was asked for: it is marked also when no policy needs that */
	bool gate_asked;
	bool regate;	     /* it was, and is to be again when there is a gate */
	uint64_t claim;	     /* of the gate, also while it is on its way; 0: none */
	uint8_t keeper_mode; /* enum arbitration_mode, without the gate */
	uint32_t blocks;     /* enum region_blocks, as its keeper says */
	bool unleased; /* a layout lease is missing for the time being; keeper_reason says why */
	char *keeper_reason;
	char *no_gate;	   /* why it is not gated although it should be; NULL: it should not */
	char *gap;	   /* what passes the gate unseen; NULL: nothing known */
	char *damage;	   /* what of its memory is lost, as its keeper says; NULL: nothing known */
	char *stuck;	   /* which step of its keeper does not end; NULL: none */
	char *unreachable; /* by which addresses peers cannot connect; NULL: they can by all */
	uint64_t acknowledged;	/* last revocation that the owner acknowledged */
	struct asker wanted_by; /* the last revocation that was asked for on the bus */
	struct asker asker;	/* of the revocation under way, or the last one */
	/* app-history.c's; NULL: it is not remembered */
	struct history_region *history;
	uint64_t asked_usec; /* when revocation @asked_revocation began; 0: there was none */
	uint64_t asked_revocation;
	uint64_t warm_usec; /* when the prefetch that is under way began */
	uint64_t comings_second;
	uint32_t comings; /* and goings of holders in that second */
	uint32_t comings_untold;
	uint32_t answers; /* to that revocation */
	uint32_t unanswered;
	uint32_t unanswered_pids[UNANSWERED_PIDS]; /* of local holders, the first of them */
	uint64_t waited_usec; /* whoever asked for that revocation; HISTORY_NO_DELAY: not known */
	bool was_degraded;
	bool removed; /* the last that is noted of it */
	char degraded_told[HISTORY_TEXT_MAX];
	uint8_t end;			 /* enum region_end: why it ends, once it does */
	char end_text[HISTORY_TEXT_MAX]; /* more about that, or "" */
	uint32_t slot;			 /* in its keeper's record; REGION_NO_SLOT: none yet */
	bool announced;			 /* RegionAdded was sent */
	bool listed;			 /* by its keeper, in the list that is under way */
	bool late_release;		 /* its keeper has not answered in time; it will */
	bool keeper_ended;		 /* and the region with it */
	uint32_t terms_asked;		 /* changes that its keeper has not answered */
	bool unsettled;			 /* it may go by others than the daemon: app.unsettled */
	TAILQ_ENTRY(region_entry) of_unsettled;
	struct change *change;	      /* that is under way; NULL: none, and none waits */
	TAILQ_HEAD(, change) changes; /* that wait for it */
	uint32_t changed_by;	      /* the user whose change began last */
	bool gate_tried; /* by the change under way; nothing else wants the file marked */
	struct region_measure measure;
	struct standing *standing; /* its record; NULL: it does not stand */
	struct move *move;	   /* to another keeper (app-replace.c); NULL: none */
	bool orphan;   /* not detached, and its owner is not known: ends with the orphans' grace */
	bool unlooked; /* its holders are to be looked at: app.unlooked */
	TAILQ_ENTRY(region_entry) of_unlooked;
	LIST_ENTRY(region_entry) of_claimed;  /* app.claimed, while @claim is not 0 */
	LIST_ENTRY(region_entry) of_keeper;   /* proxy_note()->list */
	LIST_ENTRY(region_entry) of_owner;    /* client.regions */
	TAILQ_ENTRY(region_entry) of_file;    /* file.regions */
	TAILQ_ENTRY(region_entry) of_mounted; /* mounted.regions */
};

struct region_table;

int region_table_new(struct region_table **ret);
struct region_table *region_table_free(struct region_table *t);

/* -ENOMEM. The entry is empty, in its keeper's list and its owner's, if it has one (NULL: it has not). */
int region_table_add(struct region_table *t, uint64_t id, struct proxy *keeper,
		     struct client *owner, struct region_entry **ret);
struct region_entry *region_table_find(const struct region_table *t, uint64_t id);
void region_table_remove(struct region_table *t, struct region_entry *e);

/* The owner's connection ended. */
void region_entry_forget_owner(struct region_entry *e);
/* Of all of them: its keeper has none. */
void region_entry_forget_peers(struct region_entry *e);
/* One of the two; or a session's. -ENOMEM: it is not kept. */
int region_entry_await_release(struct region_entry *e, struct call *call,
			       struct eviction *eviction);
int region_entry_await_end(struct region_entry *e, struct ending *ending);
/* Takes the next one who waits out. False: none is left. */
bool region_entry_next_release(struct region_entry *e, struct waiting *ret);
/* One more waits, -ENOMEM: it does not; and the next one does not any more, false: none is left. */
int waitings_add(struct waitings *to, const struct waiting *who);
bool waitings_take(struct waitings *from, struct waiting *ret);
/* One that hears when its keeper is late: all but endings of sessions, which have limits. */
bool region_entry_next_impatient(struct region_entry *e, struct waiting *ret);

/* Once, when it is known what file it is of. -ENOMEM */
int region_table_set_file(struct region_table *t, struct region_entry *e,
			  const struct filesystem *on, uint64_t inode);
/* NULL: no region is of this file. */
struct file *region_table_find_file(const struct region_table *t, uint64_t device, uint64_t inode);

/*
 * The numbers of the regions on that filesystem, to be freed; what is elsewhere costs nothing.
 * -ENOMEM
 */
int region_table_list_on(const struct region_table *t, const struct filesystem *on,
			 uint64_t **ret_ids, size_t *ret_n);

/*
 * Once. -EEXIST: another region of the tenant has that name; -ENOMEM. In both cases it has none.
 */
int region_table_set_name(struct region_table *t, struct region_entry *e, const char *name);
/* NULL: no region of this tenant has this name. */
struct region_entry *region_table_find_name(const struct region_table *t, uint32_t uid,
					    const char *session, const char *name);

/* @client uses it; both lists. -ENOMEM; harmless if it does already. */
int region_entry_join(struct region_entry *e, struct client *client);
struct join *region_entry_find_join(struct region_entry *e, const struct client *client);
void join_free(struct join *j);

/*
 * Replaces a text by a clean copy of the first @n bytes of @text. Out of memory: it becomes NULL,
 * which reads as empty.
 */
void region_text_set(char **member, const char *text, size_t n);

#endif
