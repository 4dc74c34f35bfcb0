/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate.h - pre-content events: the kernel asks before a file is truncated, punched or cloned, and waits for the answer (fanotify(7),
 * FAN_CLASS_PRE_CONTENT, Linux 6.14 and later, on filesystems with FS_ALLOW_HSM: ext4, XFS, btrfs).
 *
 * The gate marks files, answers at once what takes no blocks (reads, writes, maps, plain opens, files that grow, anything the product's own
 * keepers do), and turns the rest into passages: each is announced, waits for gate_answer(), and after it was let through is watched until the
 * system call is over. What it cannot tell apart it takes for the worst: all that io_uring does, openat2(2), 32-bit programs (gate-classify.h).
 *
 * What always holds:
 *   1. Every event is answered: at once, by gate_answer(), at the passage's deadline, or by the kernel when this process ends.
 *   2. A passage that was let through ends exactly once, with over(): the call returned, its task is gone, or GATE_OVER_LIMIT_USEC has passed.
 *   3. While a file is marked the process kills itself when it stops working for longer than the watchdog's time (util/deadman.h), since a stopped
 *      process would hold everybody who reads or writes the file. Nothing is marked: nothing kills.
 *   4. Memory is bounded by the files marked and by @passages, of which one file gets a quarter at most; beyond it events are answered at
 *      once, with a line in the log.
 *
 * What the caller has to see to: this thread must never read, write, map or open a marked file (it would wait for itself until the watchdog
 * ends it), and there must be descriptors to spare: the kernel opens one here for each event, and refuses the caller with EPERM if it cannot.
 *
 * Nothing in here knows what a region is.
 */
#ifndef RDMAREG_GATE_H
#define RDMAREG_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "names.h"

#define GATE_OVER_LIMIT_USEC UINT64_C(10000000)

struct event_base;
struct gate;

/* Somebody who waits, or was let through and is at work. */
struct gate_passage {
	uint64_t number; /* from 1, never used twice */
	uint64_t device; /* st_dev, st_ino */
	uint64_t inode;
	uint64_t offset; /* bytes in the file: what is taken; @length UINT64_MAX: to its end, whatever that is */
	uint64_t length;
	enum revocation_cause cause; /* truncate, fallocate, clone, open-truncate, write (io_uring), unknown */
	pid_t pid;		     /* thread group */
	pid_t tid;
};

/* From the loop; they may call gate_answer(), gate_mark() and gate_unmark(), not gate_free(). */
struct gate_ops {
	/*
	 * Somebody wants blocks. Answer with gate_answer(), now or later. Returns how long it may wait at most, in microseconds; at
	 * that deadline the gate lets it through by itself and says so with expired().
	 */
	uint64_t (*wanted)(void *userdata, const struct gate_passage *p);
	void (*expired)(void *userdata, uint64_t number);
	/* It was let through and is done; or it went away while it waited (killed). Last word about this number. None about one refused. */
	void (*over)(void *userdata, uint64_t number);
	/* True: this thread group is one of ours, and is never held up. */
	bool (*is_ours)(void *userdata, pid_t pid);
};

struct gate_limits {
	uint32_t files;		 /* marked at a time */
	uint32_t passages;	 /* waiting or at work at a time, at least 4 */
	uint64_t watchdog_usec;	 /* 0: no watchdog; for debugging */
};

/**
 * gate_new - ask the kernel for pre-content events
 * @why: on failure, one line for people
 *
 * -EOPNOTSUPP: this kernel has none; -EPERM: CAP_SYS_ADMIN, CAP_SYS_PTRACE or CAP_DAC_READ_SEARCH is missing; -ENOMEM, -EMFILE.
 */
int gate_new(struct gate **ret, struct event_base *base, const struct gate_limits *limits,
	     const struct gate_ops *ops, void *userdata, char *why, size_t why_size);
struct gate *gate_free(struct gate *g); /* everybody who waits is let through */
void gate_freep(struct gate **g);
void gate_set_limits(struct gate *g, const struct gate_limits *limits);

/**
 * gate_mark - guard the file behind @fd; counts how often
 * @fd: open for reading or writing; duplicated
 * @why: on failure, one line for people
 *
 * -EOPNOTSUPP: this filesystem has no pre-content events, or it is no regular file; -EMFILE: limit; -ENOSPC: the user's fanotify marks are
 * used up; -EBADF; -ENOMEM, -EAGAIN.
 */
int gate_mark(struct gate *g, int fd, char *why, size_t why_size);
/* One gate_mark() less; the last one takes the mark away and lets through who waits there (over() follows). Unknown: ignored. */
void gate_unmark(struct gate *g, uint64_t device, uint64_t inode);

/**
 * gate_find_gap - who has the file open for writing since before it was marked, so that a punch through that descriptor passes unseen
 * @except: a process that may (the owner); 0: none. Those that is_ours() is true for may too.
 *
 * Looks through /proc, so it costs milliseconds: call it after a file was marked. Returns the pid of one such process, or 0. When more descriptors are
 * open than it may look through, it returns the process it came to, and logs that. Truncation through old descriptors is seen by
 * the kernel in any case. Not seen: descriptors on their way in a socket, or only registered with io_uring.
 */
pid_t gate_find_gap(struct gate *g, int fd, pid_t except);

/*
 * @error 0: let through; else it fails with that: EPERM, EIO, EBUSY, ETXTBSY, EAGAIN, ENOSPC or EDQUOT, any other becomes EPERM. An unknown
 * or answered number is ignored.
 */
void gate_answer(struct gate *g, uint64_t number, int error);

#endif
