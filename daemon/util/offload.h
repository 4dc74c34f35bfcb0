/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * offload.h - system calls that may never return, each made in a thread that can be given up.
 *
 * A file that somebody else opened can be on a filesystem whose server is silent (FUSE, a dead NFS
 * server): examining it, and closing it (FUSE sends FLUSH on every close, also of a duplicate), can
 * then sleep for ever, and SIGKILL does not end that sleep. Even the close of a healthy local file
 * can take a second, if it is the last of an unlinked file with many extents. So whatever touches
 * such a file is a task here, and the event loop goes on.
 *
 * What always holds:
 *   - ended() is called once for each task that was taken, on the loop and from nowhere inside this
 *     module's functions but offload_stop(); release() is called once, after ended(), when no
 *     thread uses the task any more. After offload_stop() it is not called for tasks that a thread
 *     is still in.
 *   - To close a descriptor wakes a thread, and not the loop when it is done.
 *   - A uid has at most OFFLOAD_PER_UID threads, so files of one user hold up nobody else. All have
 *     OFFLOAD_THREADS. A uid with an overdue task gets none beyond the first quarter; beyond the
 *     half the others get fewer the fewer are left, down to one; the last OFFLOAD_OF_ROOT are for
 *     uid 0. So to stop the tasks of a user with nothing overdue takes hundreds of uids, and root's
 *     go on.
 *   - Once OFFLOAD_PER_UID of a uid's tasks are overdue, its further tasks are refused. Closing is
 *     never refused: descriptors then wait, open, for one of the uid's threads. Whoever takes
 *     descriptors asks first, offload_is_choked().
 */
#ifndef RDMAREG_OFFLOAD_H
#define RDMAREG_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#define OFFLOAD_PER_UID 4
#define OFFLOAD_THREADS 1024
#define OFFLOAD_OF_ROOT 8
/*
 * Descriptors of one uid that wait to be closed; and tasks of all, or a quarter of what the process
 * may open; of what is left of the latter each uid has a part in OFFLOAD_PARTS.
 */
#define OFFLOAD_CLOSES_MAX 1024
#define OFFLOAD_TASKS_MAX 16384
#define OFFLOAD_PARTS 8
/* As a uid: of whoever left before it was known whose he is. */
#define OFFLOAD_UNKNOWN UINT32_MAX
/* Of whoever made a message so that it cannot be seen. */
#define OFFLOAD_HIDDEN (UINT32_MAX - 1)

struct offload;
struct offload_user;

/*
 * To be embedded at the start of what the task needs. All members but the first three are private.
 */
struct offload_task {
	void (*work)(struct offload_task *t); /* in a thread; touches the task's own data only */
	/*
	 * 0: it was done. -ETIMEDOUT: not in time; a thread may still be in it, so its data is not
	 * to be read. -EUSERS: likewise, and it did not begin, since other users' tasks have all
	 * threads. -ESHUTDOWN: offload_stop().
	 */
	void (*ended)(struct offload_task *t, int error);
	void (*release)(struct offload_task *t);
	struct event timer;
	struct offload *offload;
	struct offload_user *user;
	bool closes;  /* a descriptor: waits until it is done, and nobody waits for it */
	bool begun;   /* a thread is in it, or was; of the lock */
	bool closed;  /* likewise: it is in the list of those that are */
	bool told;    /* ended() was called; of the loop */
	bool overdue; /* of the loop */
	STAILQ_ENTRY(offload_task) queue;
	TAILQ_ENTRY(offload_task) all;
};

/* @timeout_usec: of tasks, and after which a close counts as overdue. -ENOMEM, -EMFILE */
int offload_new(struct offload **ret, struct event_base *base, uint64_t timeout_usec);
/*
 * Ends every task with -ESHUTDOWN, and takes no more. Threads that sleep are left to themselves,
 * descriptors to the end of the process.
 */
void offload_stop(struct offload *o);
struct offload *offload_free(struct offload *o); /* stops it first */
void offload_freep(struct offload **o);
void offload_set_timeout(struct offload *o, uint64_t timeout_usec);
uint64_t offload_timeout(const struct offload *o);

/**
 * offload_run - do @t->work in a thread
 * @uid: on whose behalf
 *
 * -ESHUTDOWN: after offload_stop(). -EBUSY: OFFLOAD_PER_UID tasks of this uid are overdue, and
 * nothing was done with this one.
 */
int offload_run(struct offload *o, struct offload_task *t, uint32_t uid);

/* Closes a descriptor in a thread. Takes it in any case; -1 is fine. */
void offload_close(struct offload *o, int fd, uint32_t uid);
/* Too many of its descriptors wait to be closed, or to be looked at: none of it is to be taken. */
bool offload_is_choked(struct offload *o, uint32_t uid);

#endif
