/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate.h - pre-content events: the kernel asks before a file is truncated, punched or cloned, and
 * waits for the answer (fanotify(7), FAN_CLASS_PRE_CONTENT, Linux 6.14 and later, on filesystems
 * with FS_ALLOW_HSM: ext4, XFS, btrfs).
 *
 * Glossary:
 *   claim        a region's reason to have a file marked: a range, how long others wait for it, and
 *                whether they are refused.
 *   mark         the kernel's: it asks here about this file. A file is marked while it has a claim.
 *   passage      an operation that takes blocks of a marked file. It waits; once let through it is
 *                at work until its system call is over.
 *   gap          a descriptor opened for writing before the mark: the kernel does not ask about a
 *                punch through it.
 *
 * The gate marks files, answers at once what takes no blocks (reads, writes, maps, plain opens,
 * files that grow), what the product's own processes do (passes()) and what a claim refuses, and
 * turns the rest into passages: each is announced, waits for gate_answer(), and after it was let
 * through is watched until the system call is over. What it cannot tell apart it takes for the
 * worst: all that io_uring does, openat2(2) (gate-classify.h).
 *
 * What always holds:
 *   1. Every event is answered: at once, by gate_answer(), at the passage's deadline, or by the
 *      kernel when this process ends.
 *   2. A passage that was let through ends exactly once, with over(): the call returned, its task
 *      is gone, or GATE_OVER_LIMIT_USEC has passed.
 *   3. What a claim refuses is refused whatever else waits: that needs no memory, no place and
 *      nobody's answer.
 *   4. Nobody whom the kernel asks about, and who is seen to take blocks, goes on unannounced. Not
 *      seen is what goes through a gap, and not announced the daemon, and a keeper's call that
 *      cannot be told (CAUSE_UNKNOWN): a keeper's truncate is announced like anybody's. Threads of
 *      the kernel are known by their stack (gate_stack_parse()). Places for passages are limited,
 *      and one user has at most a quarter of them, root's own quarter being kept for root; who
 *      finds none in the time that a claim grants is refused with EBUSY.
 *   5. While a file is marked the process kills itself when it stops working for longer than the
 *      watchdog's time (util/deadman.h), since a stopped process would hold everybody who reads or
 *      writes the file. Nothing is marked: nothing kills.
 *
 * What the caller has to see to: this thread must never read, write, map or open a marked file (it
 * would wait for itself until the watchdog ends it), nor close a descriptor of anybody's file but
 * through gate_close(), and there must be descriptors to spare: the kernel opens one here for each
 * event, and refuses the caller with EPERM if it cannot.
 *
 * Nothing in here knows what a region is.
 */
#ifndef RDMAREG_GATE_H
#define RDMAREG_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "names.h"
#include "util/failure.h"

#define GATE_OVER_LIMIT_USEC UINT64_C(10000000)

struct event_base;
struct gate;

/* Somebody who waits, or was let through and is at work. */
struct gate_passage {
	uint64_t number; /* from 1, never used twice; 0: refused */
	uint64_t device; /* st_dev, st_ino */
	uint64_t inode;
	uint64_t
		/*
		 * bytes in the file: what is taken; @length UINT64_MAX: to its end, whatever that
		 * is
		 */
		offset;
	uint64_t length;
	enum revocation_cause
		cause; /* truncate, fallocate, clone, open-truncate, write (io_uring), unknown */
	pid_t pid;     /* thread group */
	pid_t tid;
	uid_t uid; /* who runs it */
};

/* A claim: a region's reason to have a file marked. */
struct gate_claim {
	uint64_t key;	 /* the caller's; one claim has it */
	uint64_t offset; /* bytes in the file */
	uint64_t length;
	uint64_t
		/*
		 * who takes blocks of the file waits at most so long; the longest of all its claims
		 * counts
		 */
		wait_usec;
	bool refuses; /* nobody takes bytes of this range: ETXTBSY */
};

/* From the loop; they may call all but gate_free(). */
struct gate_ops {
	/* Somebody wants blocks. Answer with gate_answer(), now or later. */
	void (*wanted)(void *userdata, const struct gate_passage *p);
	/* Its deadline has passed: it was let through. */
	void (*expired)(void *userdata, uint64_t number);
	/*
	 * It was let through and is done; or it went away while it waited (killed). Last word about
	 * this number. None about one refused.
	 */
	void (*over)(void *userdata, uint64_t number);
	/* It was refused, because of claim @key. */
	void (*refused)(void *userdata, const struct gate_passage *p, uint64_t key);
	/* True: this thread group is one of ours, and is not held up in that. */
	bool (*passes)(void *userdata, pid_t pid, enum revocation_cause cause);
	/*
	 * Events were read, and are looked at next: what the caller was told before they happened
	 * has to be known by then. It may end the loop, and not the gate.
	 */
	void (*catch_up)(void *userdata);
};

struct gate_limits {
	uint32_t files;		/* marked at a time */
	uint32_t passages;	/* waiting or at work at a time */
	uint64_t watchdog_usec; /* 0: no watchdog; for debugging */
};

/**
 * gate_new - ask the kernel for pre-content events
 * @why: on failure, one line for people
 *
 * From Linux 7.3 on the first of these taints the kernel with a warning about permission events,
 * so: not before there is something to mark.
 *
 * -EOPNOTSUPP: this kernel has none; -EPERM: CAP_SYS_ADMIN, CAP_SYS_PTRACE or CAP_DAC_READ_SEARCH
 * is missing; -ENOMEM, -EMFILE.
 */
int gate_new(struct gate **ret, struct event_base *base, const struct gate_limits *limits,
	     const struct gate_ops *ops, void *userdata, struct failure *why);
struct gate *gate_free(struct gate *g); /* everybody who waits is let through */
void gate_freep(struct gate **g);
void gate_set_limits(struct gate *g, const struct gate_limits *limits);

/**
 * gate_mark - mark the file at @path for @claim
 * @path: /proc/PID/fd/N, which is followed but never opened for reading or writing
 * @device, @inode: what it has to be; the caller knows that it is on a filesystem of this machine,
 * so that looking at it asks nobody
 * @why: on failure, one line for people
 *
 * -EOPNOTSUPP: this filesystem has no pre-content events, or it is no regular file; -ESTALE:
 * another file; -EEXIST: that key is used; -EMFILE: limit; -ENOSPC: the user's fanotify marks are
 * used up; -ENOENT; -ENOMEM, -EAGAIN.
 */
int gate_mark(struct gate *g, const char *path, uint64_t device, uint64_t inode,
	      const struct gate_claim *claim, struct failure *why);
/* The claim of that key is now as this says. Unknown: ignored. */
void gate_change(struct gate *g, const struct gate_claim *claim);
/*
 * The claim is gone; with the last of a file its mark is, and who waits there is let through
 * (over() follows). Unknown: ignored.
 */
void gate_unmark(struct gate *g, uint64_t key);

/*
 * @error 0: let through; else it fails with that: EPERM, EIO, EBUSY, ETXTBSY, EAGAIN, ENOSPC or
 * EDQUOT, any other becomes EPERM. An unknown or answered number is ignored.
 */
void gate_answer(struct gate *g, uint64_t number, int error);
/* The deadline of one that waits: from now. Unknown: ignored. */
void gate_wait(struct gate *g, uint64_t number, uint64_t usec);

/* --- gate-close.c */

/*
 * Closes in another thread: the last close of a file that was unlinked gives back its blocks, and
 * takes as long as it has many of them. When no thread can be had it closes here.
 */
void gate_close(int fd);

/* --- gate-gap.c */

/* What is looked for: see gate_gaps_add(). */
struct gate_gap {
	uint64_t key;
	uint64_t device;
	uint64_t inode;
	/*
	 * a process that may have it open (the owner); 0: none. Those that @is_ours is true for
	 * may, too.
	 */
	pid_t except;
	pid_t found; /* the first; 0: none; negative: nobody knows, not all were looked at */
};

struct gate_gaps;
typedef void gate_gap_found_t(void *userdata, const struct gate_gap *gap);

/*
 * gate_gaps - who has a file open for writing since before it was marked, so that a punch through
 * that descriptor passes unseen
 *
 * Looks through /proc, a few descriptors at each turn of the loop, for all files that were added
 * before a round at once. Truncation through old descriptors is seen by the kernel in any case. Not
 * seen: descriptors on their way in a socket, or only registered with io_uring. A round ends at
 * GATE_GAP_DESCRIPTORS of them.
 */
#define GATE_GAP_DESCRIPTORS 65536

int gate_gaps_new(struct gate_gaps **ret, struct event_base *base,
		  bool (*is_ours)(void *userdata, pid_t pid), gate_gap_found_t *found,
		  void *userdata);
struct gate_gaps *gate_gaps_free(struct gate_gaps *s);
/* @found is called once for it, from the loop. -ENOMEM */
int gate_gaps_add(struct gate_gaps *s, const struct gate_gap *gap);

#endif
