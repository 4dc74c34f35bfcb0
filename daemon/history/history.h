/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * history.h - what happened, for whoever asks why: the last events of the machine, and of each
 * region its own last ones, which others' cannot push out.
 *
 * A container without opinions or a clock: whoever adds an event says when it was. Each has a
 * sequence number, and numbers only rise, also from one daemon to the next if the first one is
 * chosen so. A reader asks for what came after the last number he has seen, so what he missed is at
 * most that much was overwritten.
 *
 * What always holds:
 *   - Memory is bounded: HISTORY_MACHINE events, and of each region that lives HISTORY_REGION at
 *     most. Nothing is allocated for an event, but that the ring of a region doubles, from
 *     HISTORY_REGION_FIRST; without memory it stays as it is.
 *   - Beyond HISTORY_REGION_FIRST events each, all regions together have HISTORY_SPARE. When that
 *     is used up, a user who has less of it takes from the one who has most; so each user gets a
 *     fair share, whoever came first.
 *   - No call takes a time that grows with the number of regions: a search of all of them is made
 *     in steps.
 *   - What a region's ring still has, the machine's may have lost; that a region ended is in the
 *     machine's alone. What is known of an ended region (whose it was, what file) stays exactly as
 *     long as the machine's ring has an event of it.
 *   - For people only: nothing is decided by it.
 */
#ifndef RDMAREG_HISTORY_H
#define RDMAREG_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "names.h"
#include "util/asker.h"

#define HISTORY_MACHINE 4096
#define HISTORY_REGION 64
#define HISTORY_REGION_FIRST 8
#define HISTORY_SPARE (UINT32_C(1) << 18)
#define HISTORY_TEXT_MAX ASKER_CGROUP_MAX
#define HISTORY_SESSION_MAX 49
#define HISTORY_NAME_MAX 65

#define HISTORY_NO_DELAY UINT64_MAX

/* One event. What a kind does not have is 0. */
struct history_event {
	uint64_t sequence; /* history_add() gives it */
	uint64_t real_usec;
	uint64_t monotonic_usec;
	uint64_t revocation; /* ASKED and what follows from it */
	uint64_t offset;     /* ASKED: the range */
	uint64_t length;
	uint64_t deadline_usec; /* ASKED: of the holders */
	uint64_t valid_length;	/* SETTLED */
	/* since the revocation began; WARMED: since it was asked for; HISTORY_NO_DELAY: not known */
	uint64_t delay_usec;
	/*
	 * ASKED: holders who were asked; FENCED: who had answered; CAME and WENT: others of which
	 * no event was made just before; REPLACED: which keeper of the tenant has it now
	 */
	uint32_t count;
	union {
		uint32_t late;	 /* FENCED: who had not answered */
		uint32_t before; /* REPLACED: which keeper had it */
	};
	uint32_t pid;	 /* of whoever asked, or of the holder; 0: nobody is known */
	uint32_t uid;	 /* whose process that is; ASKER_NO_UID */
	uint8_t kind;	 /* enum history_kind */
	uint8_t cause;	 /* ASKED, ENDING: enum revocation_cause */
	uint8_t outcome; /* SETTLED: enum revocation_outcome */
	uint8_t end;	 /* ENDING, REMOVED: enum region_end */
	bool has_holder; /* CAME, WENT, ANSWERED, UNANSWERED: */
	bool is_peer;	 /* a peer, at @text; else a connection, of @pid */
	bool forced; /* GIVEN_BACK: by the kernel or the gate, at the last deadline; WENT: cut off */
	uint8_t left;		   /* WENT, a peer: enum peer_left */
	char comm[ASKER_COMM_MAX]; /* of process @pid */
	/* of process @pid its cgroup; of a peer its address; DEGRADED, REMOVED: why */
	char text[HISTORY_TEXT_MAX];
};

/* A ring: @first is the oldest. */
struct history_ring {
	struct history_event *events;
	size_t size;
	size_t first;
	size_t n;
};

/* Whose events. */
struct history_region {
	uint64_t region;
	uint64_t device; /* of its file, as stat(2) has it */
	uint64_t inode;
	uint32_t uid;
	uint32_t uses; /* events of the machine's ring */
	bool ended;
	char session[HISTORY_SESSION_MAX];
	char name[HISTORY_NAME_MAX]; /* in its session; "": it has none */
	char *path;
	struct history_ring ring;
	struct history_user *user; /* NULL: it has ended */
	size_t at;		   /* among those that have not */
	TAILQ_ENTRY(history_region) of_grown;
	LIST_ENTRY(history_region) of_number;
};

/* Which events: all conditions that are there hold. */
struct history_filter {
	bool has_uid; /* regions of this user alone */
	uint32_t uid;
	uint64_t region; /* 0: of any */
	bool has_file;	 /* by number, or, if @path, by what it was registered as */
	uint64_t device;
	uint64_t inode;
	const char *path;
	/* of this user's regions that are or were called so in the session; NULL: of any */
	const char *name;
	const char *session;
	uint32_t name_uid;
};

struct history;
struct history_user;

/* @first: the first event's number. -ENOMEM */
int history_new(struct history **ret, uint64_t first);
struct history *history_free(struct history *h);
void history_freep(struct history **h);

/*
 * -ENOMEM: what happens to it is not remembered, and that is all. @path: clean; it and @name may be
 * NULL
 */
int history_begin(struct history *h, uint64_t region, uint32_t uid, const char *session,
		  const char *name, uint64_t device, uint64_t inode, const char *path,
		  struct history_region **ret);
/* NULL: nothing happens. It is freed with its last event. */
void history_end(struct history *h, struct history_region *r);

/* Copies @e and returns its number. 0: @r is NULL, and there is no event. */
uint64_t history_add(struct history *h, struct history_region *r, const struct history_event *e);

/*
 * The first after the number @after in the machine's ring that the filter lets through; NULL: there
 * is none. Borrowed: valid until the next event.
 */
const struct history_event *history_next(const struct history *h, const struct history_filter *f,
					 uint64_t after, const struct history_region **ret_region);

/* The first events after a number that the machine's ring may have lost and regions still have. */
#define HISTORY_FOUND 1024
struct history_search {
	bool begun;
	size_t left; /* so many regions are still to be looked at */
	size_t n;
	size_t taken;
	struct history_found {
		uint64_t sequence;
		uint64_t region;
	} found[HISTORY_FOUND];
};

/*
 * One step of a search, which begins as all zero; with the same @f and @after in each. False: that
 * was the last one. It finds something only if the filter names regions or a file.
 */
bool history_search(const struct history *h, const struct history_filter *f, uint64_t after,
		    struct history_search *s);

/* As history_next(), but with what the search found: HISTORY_FOUND events at most are complete. */
const struct history_event *history_next_found(const struct history *h,
					       const struct history_filter *f, uint64_t after,
					       struct history_search *s,
					       const struct history_region **ret_region);

/* When the oldest event of the machine's ring was, by the clock for people; 0: it has none. */
uint64_t history_oldest_usec(const struct history *h);

#endif
