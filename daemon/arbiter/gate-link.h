/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * gate-link.h - the daemon's end of rdmareg-gate (daemon/gate/), which asks the kernel for
 * pre-content events: the process is started with the first file to mark, and what it tells comes
 * back from the loop.
 *
 * What always holds:
 *   - Nothing here waits for that process, and a mark that it does not answer is given up after
 *     GATE_LINK_PATIENCE_USEC. It gets no descriptor; it looks a file up by the number that it has
 *     in this process.
 *   - Each gate_link_mark() that was taken is answered once by marked(), unless the link is freed.
 *   - When the process ends, however it does, the kernel lets everybody go on, and lost() says that
 *     nothing is marked any more; after a pause, longer when it happens often, again() says that
 *     it can be.
 */
#ifndef RDMAREG_GATE_LINK_H
#define RDMAREG_GATE_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/failure.h"

#define GATE_LINK_PATIENCE_USEC UINT64_C(10000000)

struct event_base;
struct gate_link;
struct offload;
struct spawner;
struct gate_message;

struct gate_link_limits {
	uint32_t files;
	uint32_t passages;
	uint64_t watchdog_usec;
};

/* A region's claim on a file. */
struct gate_link_claim {
	uint64_t
		/*
		 * the caller's, from 1, never used twice: one region may be marked, unmarked and
		 * marked again
		 */
		key;
	uint64_t offset; /* bytes in the file */
	uint64_t length;
	uint64_t wait_usec; /* at most */
	bool refuses;
};

/* From the loop; they may call all but gate_link_free(). */
struct gate_link_ops {
	/*
	 * A process begins, and knows nothing yet: gate_link_ours() for each keeper. From
	 * gate_link_mark(), before the file is marked.
	 */
	void (*begins)(void *userdata);
	/*
	 * @why NULL: the file is marked, and @gap is a process that has it open for writing since
	 * before, or 0; negative: nobody knows. Else @why says why it is not.
	 */
	void (*marked)(void *userdata, uint64_t key, const struct failure *why, pid_t gap);
	/* An operation waits (GATE_WANTED): answer it. */
	void (*wanted)(void *userdata, const struct gate_message *m);
	/* It went on without an answer. */
	void (*expired)(void *userdata, uint64_t number);
	/* It is over. */
	void (*over)(void *userdata, uint64_t number);
	/* One was refused (GATE_REFUSED); for the log. */
	void (*refused)(void *userdata, const struct gate_message *m);
	/* A process ended that was started: @by_watchdog, by its own timer (or whoever kills it). */
	void (*ended)(void *userdata, bool by_watchdog);
	/* No file is marked and nobody waits any more. */
	void (*lost)(void *userdata, const struct failure *why);
	void (*again)(void *userdata);
};

/*
 * @program: path of rdmareg-gate; kept. @offload: closes files that were marked. Starts nothing.
 * -ENOMEM
 */
int gate_link_new(struct gate_link **ret, struct event_base *base, struct offload *offload,
		  struct spawner *spawner, const char *program,
		  const struct gate_link_limits *limits, const struct gate_link_ops *ops,
		  void *userdata);
struct gate_link *gate_link_free(struct gate_link *l);
void gate_link_set_limits(struct gate_link *l, const struct gate_link_limits *limits);

/**
 * gate_link_mark - have a file marked for a region
 * @fd: taken over, and kept until this is answered; a regular file of a filesystem of this machine
 *      (ext4, XFS, btrfs), so that looking at it asks no server
 * @uid: whose it is
 * @may_write: a process that may have it open for writing (the owner); 0: none
 * @why: filled on failure
 */
int gate_link_mark(struct gate_link *l, const struct gate_link_claim *claim, int fd, uint32_t uid,
		   uint64_t device, uint64_t inode, pid_t may_write, struct failure *why);
/*
 * A keeper of ours: it is not held up in what it does for its regions, at whichever file. @start:
 * process_start() of it. Nothing is told while there is no process to tell: see begins().
 */
void gate_link_ours(struct gate_link *l, pid_t pid, uint64_t start);
/* Of one that is there, or on its way. Others are ignored. */
void gate_link_change(struct gate_link *l, const struct gate_link_claim *claim);
void gate_link_unmark(struct gate_link *l, uint64_t key);
/* @error 0: it goes on; else it fails with that. */
void gate_link_answer(struct gate_link *l, uint64_t number, int error);
/* How long it waits at most, from now. */
void gate_link_wait(struct gate_link *l, uint64_t number, uint64_t usec);

#endif
