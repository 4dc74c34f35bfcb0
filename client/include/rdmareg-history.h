/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * rdmareg-history.h - owner side: what happened to regions, and why: who asked for a range, who
 * answered when, how long whoever asked had to wait, how a region ended. Part of rdmareg.h.
 *
 * What always holds: rdmaregd remembers the last 4096 events of the machine, and beyond them the
 * last 64 of each region that lives. Numbers of events only rise, also from one rdmaregd to the
 * next; one that is restarted begins with an empty history. What a slow reader can miss is what was
 * overwritten meanwhile, nothing else.
 */
#ifndef RDMAREG_H
#error "include rdmareg.h, which brings this file with it"
#endif
#ifndef RDMAREG_HISTORY_H
#define RDMAREG_HISTORY_H

#ifdef __cplusplus
extern "C" {
#endif

struct rdmareg_history_options {
	size_t size;
	uint64_t region; /* only of this one; 0: of all that this user may see */
	/*
	 * only of regions of this file: "DEVICE:INODE" as stat(2) has them, or the absolute path
	 * that it was registered as. NULL: of any
	 */
	const char *file;
	uint64_t after; /* only events with a higher number */
	uint32_t limit; /* how many at most, 1 to 1024; default 256 */
	uint32_t uid;	/* of the regions that are or were called @name, if @has_uid */
	/*
	 * 1: from now on RDMAREG_EVENT_HISTORY_ADDED tells when there are more of any region. After
	 * rdmareg_subscribe(), which is EINVAL otherwise
	 */
	uint8_t follow;
	uint8_t has_uid; /* 1: @uid counts; 0: this user's */
	uint8_t reserved[6];
	/* only of regions that are or were called so: in this session, NULL: "default", of @uid */
	const char *name; /* NULL: whatever they are called */
	const char *session;
};

#define RDMAREG_HISTORY_NO_DELAY UINT64_MAX

/*
 * One event. What a kind does not have is 0, "" or as said here. Strings are never NULL; they
 * belong to the struct rdmareg_history they were read from.
 */
struct rdmareg_history_event {
	size_t size;
	uint64_t sequence;
	uint64_t real_usec; /* when, CLOCK_REALTIME */
	uint64_t monotonic_usec;
	uint64_t region;
	const char *session; /* whose region it is, with uid */
	const char *path;    /* of the region's file when it was registered; "" if unknown */
	uint32_t uid;
	enum rdmareg_history_kind kind;
	uint64_t revocation;
	uint64_t offset; /* ASKED: the range, bytes from the start of the region */
	uint64_t length;
	uint64_t deadline_usec; /* ASKED: of the holders, CLOCK_MONOTONIC */
	uint64_t valid_length;	/* SETTLED */
	/*
	 * of what follows from a revocation: since rdmaregd heard that it began. WARMED: since it
	 * was asked for. RDMAREG_HISTORY_NO_DELAY: not known
	 */
	uint64_t delay_usec;
	enum rdmareg_cause cause;     /* ASKED */
	enum rdmareg_outcome outcome; /* SETTLED */
	enum rdmareg_end end;	      /* ENDING, REMOVED */
	/* CAME, WENT, ANSWERED, UNANSWERED: client (also the owner) or peer */
	enum rdmareg_holder_kind holder;
	uint32_t holders;    /* ASKED: how many */
	uint32_t answered;   /* FENCED: how many of them had, */
	uint32_t unanswered; /* and had not */
	uint32_t others;     /* CAME, WENT: that many more before, of which no event was made */
	/*
	 * the process that asked (ASKED, ENDING), registered (REGISTERED), or holds. 0: not known,
	 * or another user's
	 */
	uint32_t pid;
	uint32_t process_uid; /* RDMAREG_NO_UID: not known */
	const char *comm;     /* its name, as ps(1) shows it */
	const char *cgroup;
	const char *address; /* of a peer */
	/* DEGRADED, REMOVED: why; WENT: why a peer did that did not leave by itself; may be cut */
	const char *text;
	uint8_t other_user; /* 1: the process is one of another user, which only root sees */
	/* GIVEN_BACK: by the kernel, at the last deadline; WENT: cut off */
	uint8_t forced;
	uint8_t reserved[6];
	const char *keeper_before; /* REPLACED: which keeper had the region */
	const char *keeper;	   /* REPLACED: and which has it now */
	const char *name;	   /* of the region, in its session; "": it has none */
};

/*
 * rdmareg_get_history: events of regions that this user may see, in the order of their numbers.
 * For more than @options->limit ask again, after the last one, until there is none.
 * @ret: freed with rdmareg_history_free(), also after the context.
 * @ret_since_usec: when the present rdmaregd began, before which nothing is known; CLOCK_REALTIME.
 * @ret_oldest_usec: when the oldest of the machine's events was that it still has. Both may be NULL.
 *
 * EINVAL: an option. EOPNOTSUPP: this rdmaregd has no history.
 */
int rdmareg_get_history(struct rdmareg *c, const struct rdmareg_history_options *options,
			struct rdmareg_history **ret, uint64_t *ret_since_usec,
			uint64_t *ret_oldest_usec);

/* rdmareg_history_next: 1 and the next event in @event, or 0 at the end. */
int rdmareg_history_next(struct rdmareg_history *h, struct rdmareg_history_event *event);
struct rdmareg_history *rdmareg_history_free(struct rdmareg_history *h);

#ifdef __cplusplus
}
#endif

#endif
